// The table of targets on the index; the choice of a map and its opacity on the pages.
// No network, no storage.
"use strict";

const ROWS_AT_ONCE = 150;
const SYMBOLS = { PASS: "✓", WARN: "!", INCONCLUSIVE: "?", ERROR: "⚠", FAIL: "✕" };

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function readableNumber(value) {
  if (value === null) return "";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

function setUpOpacity() {
  for (const label of document.querySelectorAll(".opacity")) {
    const layers = label.closest("figure").querySelectorAll(".overlay, .crosshair");
    label.hidden = false;
    label.querySelector("input").addEventListener("input", (event) => {
      for (const layer of layers) layer.style.opacity = event.target.value / 100;
    });
  }
}

function setUpLayers() {
  for (const choice of document.querySelectorAll(".layers .choice")) {
    const layers = [...choice.parentElement.querySelectorAll(".layer")];
    const show = () => {
      const chosen = Number(choice.querySelector("input:checked").value);
      for (const [number, layer] of layers.entries()) layer.hidden = number !== chosen;
    };
    choice.hidden = false;
    choice.addEventListener("change", show);
    show();
  }
}

function readTable() {
  const { checks, verdicts, rows } = JSON.parse(document.getElementById("table-data").textContent);
  return {
    checks,
    verdicts,
    rows: rows.map(([name, page, kind, words, verdict, cells]) => ({
      name, page, kind, verdict,
      search: `${name} ${words}`.toLowerCase(),
      cells: new Map(Object.entries(cells).map(([check, [verdict, score, reason]]) =>
        [check, { verdict, score, reason }])),
    })),
  };
}

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  return {
    q: given.get("q") ?? "",
    check: given.get("check") ?? "",
    verdict: given.get("verdict") ?? "",
    sort: given.get("sort") ?? "verdict",
    order: given.get("order") === "up" ? "up" : "down",
  };
}

function writeState(state) {
  const usual = { q: "", check: "", verdict: "", sort: "verdict", order: "down" };
  const kept = Object.entries(state).filter(([key, value]) => value !== usual[key]);
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

function matches(row, state, words) {
  if (!words.every((word) => row.search.includes(word))) return false;
  if (!state.check) return !state.verdict || row.verdict === state.verdict;
  const cell = row.cells.get(state.check);
  return cell !== undefined && (!state.verdict || cell.verdict === state.verdict);
}

function badness(verdicts, verdict) {
  return verdicts.includes(verdict) ? verdicts.length - verdicts.indexOf(verdict) : 0;
}

function sortKey(table, row, sort) {
  if (sort === "name") return row.name;
  if (sort === "verdict") return badness(table.verdicts, row.verdict);
  return row.cells.get(sort.slice("check:".length))?.score ?? null;
}

function compare(a, b) {
  if (typeof a === "string") return a.localeCompare(b, "en", { numeric: true });
  return a - b;
}

function select(table, state) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const sign = state.order === "up" ? 1 : -1;
  const keyed = table.rows
    .filter((row) => matches(row, state, words))
    .map((row) => ({ row, key: sortKey(table, row, state.sort) }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return sign * compare(a.key, b.key);
  });
  return keyed.map(({ row }) => row);
}

function badge(verdict) {
  const made = element("span", `badge ${verdict.toLowerCase()}`);
  const symbol = element("span", "symbol", SYMBOLS[verdict] ?? "");
  symbol.setAttribute("aria-hidden", "true");
  made.append(symbol, verdict || "not judged");
  return made;
}

function checkCell(cell) {
  const made = element("td", "cell");
  if (cell === undefined) return made;
  made.append(badge(cell.verdict), element("span", "score", readableNumber(cell.score)));
  if (cell.reason) made.title = cell.reason;
  return made;
}

function tableRow(table, row) {
  const made = element("tr");
  const link = element("a", "path", row.name);
  link.href = row.page;
  const name = element("th");
  name.scope = "row";
  name.append(link);
  if (row.kind !== "scan") name.append(element("span", "kind", row.kind));
  const verdict = element("td", "cell");
  verdict.append(badge(row.verdict));
  made.append(name, verdict, ...table.checks.map((check) => checkCell(row.cells.get(check))));
  return made;
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
  let chosen = [];

  function drawMore(count) {
    const next = chosen.slice(body.rows.length, body.rows.length + count);
    body.append(...next.map((row) => tableRow(table, row)));
    const left = chosen.length - body.rows.length;
    more.textContent = left > 0 ? `${left} more below` : "";
  }

  function draw() {
    chosen = select(table, state);
    drawHead(table, state, sortBy);
    body.replaceChildren();
    drawMore(ROWS_AT_ONCE);
    document.getElementById("shown").textContent = `${chosen.length} of ${table.rows.length} shown`;
  }

  function change(changes) {
    state = { ...state, ...changes };
    writeState(state);
    draw();
  }

  function sortBy(sort) {
    const usual = sort === "name" ? "up" : "down";
    const other = state.order === "up" ? "down" : "up";
    change({ sort, order: state.sort === sort ? other : usual });
    const column = headings(table).findIndex(([key]) => key === sort);
    document.querySelectorAll("#targets .sort")[column].focus();
  }

  function fillForm() {
    for (const key of ["q", "check", "verdict"]) form.elements[key].value = state[key];
  }

  function followAddress() {
    state = readState();
    fillForm();
    draw();
  }

  addOptions(form.elements.check, table.checks);
  addOptions(form.elements.verdict, table.verdicts);
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => change(Object.fromEntries(new FormData(form))));
  form.addEventListener("reset", () => change({ q: "", check: "", verdict: "" }));
  addEventListener("hashchange", () => {
    followAddress();
    document.getElementById("table-title").scrollIntoView();
  });
  addEventListener("beforeprint", () => drawMore(chosen.length));
  new IntersectionObserver((seen) => {
    if (seen.some((entry) => entry.isIntersecting)) drawMore(ROWS_AT_ONCE);
  }, { rootMargin: "800px" }).observe(more);
  followAddress();
}

setUpOpacity();
setUpLayers();
if (document.getElementById("targets")) setUpTable();
