// Reviews of findings: kept in this browser until they are downloaded as waivers. No network.
"use strict";

const RUN = document.body.dataset.run;
const SHELF = `safegen-reviews-${RUN}`;
const DAYS_AT_MOST = 365;
let memory = {};

// Some browsers keep no storage for pages from the disk; the reviews of one page are then all.
function kept() {
  try {
    return JSON.parse(localStorage.getItem(SHELF)) ?? {};
  } catch {
    return memory;
  }
}

function keep(reviews) {
  memory = reviews;
  try {
    localStorage.setItem(SHELF, JSON.stringify(reviews));
  } catch {
    // as said above
  }
  showTray();
}

function keyOf(form) {
  return `${form.dataset.check}\u0000${form.dataset.target}`;
}

// A basic string of TOML; JSON escapes all but DEL and lone surrogates as TOML does.
function tomlText(text) {
  const whole = text.toWellFormed?.() ?? text.replace(/[\ud800-\udfff]/gu, "\ufffd");
  return JSON.stringify(whole).replaceAll("\u007f", "\\u007f");
}

function today() {
  return new Date().toISOString().slice(0, 10);
}

function tomlEntry(review) {
  const texts = ["check", "target", "content", "judgement", "owner", "comment", "verdict"];
  const lines = texts.map((name) => `${name} = ${tomlText(review[name])}`);
  if (review.score) lines.push(`score = ${review.score}`);
  if (review.expires) lines.push(`expires = ${review.expires}`);
  lines.push(`reviewed = ${review.reviewed}`);
  return `[[review]]\n${lines.join("\n")}\n`;
}

function tomlOf(reviews) {
  const head = "# Reviews of findings, bound to the content of the scans. Read by --safegen-waivers.\n\n";
  return head + Object.values(reviews).map(tomlEntry).join("\n");
}

function missing(review) {
  if (!review.judgement) return "Choose right, false alarm or accepted risk.";
  if (!review.owner.trim()) return "Name an owner who answers for it.";
  if (!review.comment.trim()) return "Say why, in a few words.";
  if (review.judgement === "right") return "";
  if (!review.expires) return "Give a day on which it expires: a waiver is never for ever.";
  if (review.expires <= today()) return "The day on which it expires must be in the future.";
  return "";
}

function readReview(form) {
  const { judgement, comment, owner, expires } = Object.fromEntries(new FormData(form));
  const waives = judgement && judgement !== "right";
  return {
    ...form.dataset, judgement: judgement ?? "", comment, owner,
    expires: waives ? expires : "", reviewed: today(),
  };
}

function fill(form, review) {
  for (const name of ["judgement", "comment", "owner", "expires"]) form.elements[name].value = review[name];
  say(form, "Kept in this browser; download it below.");
}

function say(form, text) {
  form.querySelector("output").textContent = text;
}

function setUpReview(form) {
  const before = kept()[keyOf(form)];
  const limit = new Date(Date.now() + DAYS_AT_MOST * 86400e3).toISOString().slice(0, 10);
  Object.assign(form.elements.expires, { min: today(), max: limit });
  if (before) fill(form, before);
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const review = readReview(form);
    const problem = missing(review);
    if (problem) return say(form, problem);
    keep({ ...kept(), [keyOf(form)]: review });
    return fill(form, review);
  });
  form.addEventListener("reset", () => {
    const { [keyOf(form)]: gone, ...others } = kept();
    keep(others);
    say(form, gone ? "Forgotten." : "");
  });
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function showTray() {
  const tray = document.getElementById("tray");
  const count = Object.keys(kept()).length;
  tray.hidden = count === 0;
  tray.querySelector(".how-many").textContent = count === 1 ? "1 review kept" : `${count} reviews kept`;
}

function setUpTray() {
  const tray = document.getElementById("tray");
  if (!tray) return;
  tray.querySelector("[name=download]").addEventListener("click", () => download("safegen-waivers.toml", tomlOf(kept())));
  tray.querySelector("[name=clear]").addEventListener("click", () => {
    keep({});
    document.querySelectorAll("form.review").forEach((form) => form.reset());
  });
  showTray();
}

document.querySelectorAll("form.review").forEach(setUpReview);
setUpTray();
