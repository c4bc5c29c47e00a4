// The table of targets on the release page. Its state is in the address; no network, no storage.
"use strict";

const ROWS_AT_ONCE = 150;
const SYMBOLS = { PASS: "✓", WARN: "!", WAIVED: "≈", INCONCLUSIVE: "?", ERROR: "⚠", FAIL: "✕" };
const DEFAULT_STATE = { q: "", check: "", verdict: "", kind: "", sort: "verdict", order: "down" };

function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function formatNumber(value) {
  if (value === null) return "";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

function readTable() {
  const data = JSON.parse(document.getElementById("table-data").textContent);
  const { checks, kinds, verdicts } = data;
  const rows = data.rows.map(([name, stem, kind, terms, verdict, cells, headline, picture]) => ({
    name, stem, headline,
    kind: kinds[kind],
    verdict: verdicts[verdict] ?? "",
    severity: verdict < 0 ? 0 : verdicts.length - verdict,
    picture: picture === 1,
    search: `${name} ${terms} ${headline}`.toLowerCase(),
    cells: new Map(cells.map(([check, verdict, score]) =>
      [checks[check], { verdict: verdicts[verdict], score }])),
  }));
  return { checks, kinds, verdicts, rows };
}

function readState() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.entries(DEFAULT_STATE).map(([key, value]) => [key, parameters.get(key) ?? value]));
}

function writeState(state) {
  const changed = Object.entries(state).filter(([key, value]) => value !== DEFAULT_STATE[key]);
  history.replaceState(null, "", `#${new URLSearchParams(changed)}`);
}

function matches(row, state, words) {
  if (state.kind && row.kind !== state.kind) return false;
  if (!words.every((word) => row.search.includes(word))) return false;
  if (!state.check) return !state.verdict || row.verdict === state.verdict;
  const cell = row.cells.get(state.check);
  return cell !== undefined && (!state.verdict || cell.verdict === state.verdict);
}

function sortKey(row, sort) {
  if (sort === "name") return row.name;
  if (sort === "verdict") return row.severity;
  return row.cells.get(sort.slice("check:".length))?.score ?? null;
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

function compare(a, b) {
  return typeof a === "string" ? COLLATOR.compare(a, b) : a - b;
}

// The rows come worst first, and sorting is stable: among equals the worse stays first.
function select(table, state) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const sign = state.order === "up" ? 1 : -1;
  const keyed = table.rows
    .filter((row) => matches(row, state, words))
    .map((row) => ({ row, key: sortKey(row, state.sort) }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return sign * compare(a.key, b.key);
  });
  return keyed.map(({ row }) => row);
}

function badge(verdict) {
  const node = element("span", `badge ${verdict.toLowerCase()}`);
  const symbol = element("span", "symbol", SYMBOLS[verdict] ?? "");
  symbol.setAttribute("aria-hidden", "true");
  node.append(symbol, verdict || "not judged");
  return node;
}

function checkCell(check, cell) {
  const node = element("td", "cell");
  if (cell === undefined) return node;
  node.dataset.check = check;
  if (cell.verdict === "PASS") node.append(element("span", "passed", `✓ ${cell.verdict}`));
  else node.append(badge(cell.verdict));
  node.append(element("span", "score", formatNumber(cell.score)));
  return node;
}

function thumbnail(row) {
  const node = element("td", "thumb");
  if (!row.picture) return node;
  const picture = element("img");
  Object.assign(picture, { loading: "lazy", alt: "", width: 48, height: 48 });
  picture.src = `images/${row.stem}-thumb.png`;
  node.append(picture);
  return node;
}

function tableRow(table, row) {
  const node = element("tr");
  const link = element("a", "path", row.name);
  link.href = `${row.kind === "series" ? "series" : "scans"}/${row.stem}.html`;
  const name = element("th");
  name.scope = "row";
  name.append(link);
  if (row.kind !== "scan") name.append(element("span", "kind", row.kind));
  if (row.headline) name.append(element("span", "headline", row.headline));
  const verdict = element("td", "cell");
  verdict.append(badge(row.verdict));
  node.append(thumbnail(row), name, verdict);
  node.append(...table.checks.map((check) => checkCell(check, row.cells.get(check))));
  return node;
}

function headings(table) {
  return [
    ["name", "Scan or series"],
    ["verdict", "Verdict"],
    ...table.checks.map((check) => [`check:${check}`, check]),
  ];
}

function drawHead(table, state, sortBy) {
  const row = element("tr");
  row.append(element("td"));
  for (const [sort, text] of headings(table)) {
    const cell = element("th");
    const button = element("button", "sort", text);
    button.type = "button";
    cell.scope = "col";
    if (state.sort === sort) {
      cell.setAttribute("aria-sort", state.order === "up" ? "ascending" : "descending");
    }
    button.addEventListener("click", () => sortBy(sort));
    cell.append(button);
    row.append(cell);
  }
  document.querySelector("#targets thead").replaceChildren(row);
}

function addOptions(list, values) {
  for (const value of values) {
    const option = element("option", "", value);
    option.value = value;
    list.append(option);
  }
}

function setUpTable() {
  const table = readTable();
  const form = document.getElementById("filters");
  const body = document.querySelector("#targets tbody");
  const more = document.getElementById("more");
  let state = readState();
  let selected = [];

  function drawMore(count) {
    const next = selected.slice(body.rows.length, body.rows.length + count);
    body.append(...next.map((row) => tableRow(table, row)));
    const remaining = selected.length - body.rows.length;
    more.textContent = remaining > 0 ? `${remaining} more below` : "";
  }

  function draw() {
    selected = select(table, state);
    drawHead(table, state, sortBy);
    body.replaceChildren();
    drawMore(ROWS_AT_ONCE);
    if (!selected.length) {
      const cell = element("td", "empty", "Nothing matches. “Show all” clears the filters.");
      cell.colSpan = table.checks.length + 3;
      const row = element("tr");
      row.append(cell);
      body.append(row);
    }
    document.getElementById("shown").textContent = `${selected.length} of ${table.rows.length} shown`;
  }

  function change(changes) {
    state = { ...state, ...changes };
    writeState(state);
    draw();
  }

  function sortBy(sort) {
    const first = sort === "name" ? "up" : "down";
    const other = state.order === "up" ? "down" : "up";
    change({ sort, order: state.sort === sort ? other : first });
    const column = headings(table).findIndex(([key]) => key === sort);
    document.querySelectorAll("#targets .sort")[column].focus();
  }

  function followAddress() {
    state = readState();
    for (const key of ["q", "check", "verdict", "kind"]) form.elements[key].value = state[key];
    draw();
  }

  addOptions(form.elements.check, table.checks);
  addOptions(form.elements.verdict, table.verdicts);
  addOptions(form.elements.kind, table.kinds.filter((kind) => table.rows.some((row) => row.kind === kind)));
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => change(Object.fromEntries(new FormData(form))));
  form.addEventListener("reset", () => change({ q: "", check: "", verdict: "", kind: "" }));
  addEventListener("hashchange", () => {
    followAddress();
    document.getElementById("table-title").scrollIntoView();
  });
  addEventListener("beforeprint", () => drawMore(selected.length));
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) drawMore(ROWS_AT_ONCE);
  }, { rootMargin: "800px" }).observe(more);
  followAddress();
}

if (document.getElementById("targets")) setUpTable();
