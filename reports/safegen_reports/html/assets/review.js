// Reviews of findings: stored in this browser until they are downloaded as waivers. No network.
"use strict";

const RUN = document.body.dataset.run;
const STORAGE_KEY = `safegen-reviews-${RUN}`;
const DAYS_AT_MOST = 365;
let memory = {};

// Some browsers have no storage for pages on disk; reviews then last as long as the page.
function loadReviews() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY)) ?? {};
  } catch {
    return memory;
  }
}

function saveReviews(reviews) {
  memory = reviews;
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(reviews));
  } catch {
    // see loadReviews
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

function problemOf(review) {
  if (!review.judgement) return "Choose right, false alarm or accepted risk.";
  if (!review.owner.trim()) return "Name the owner who answers for it.";
  if (!review.comment.trim()) return "Give the reason in a few words.";
  if (review.judgement === "right") return "";
  if (!review.expires) return "Give an expiry date: no waiver lasts for ever.";
  if (review.expires <= today()) return "The expiry date must be in the future.";
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
  showMessage(form, "Saved in this browser; download it below.");
}

function showMessage(form, text) {
  form.querySelector("output").textContent = text;
}

function setUpReview(form) {
  const before = loadReviews()[keyOf(form)];
  const limit = new Date(Date.now() + DAYS_AT_MOST * 86400e3).toISOString().slice(0, 10);
  Object.assign(form.elements.expires, { min: today(), max: limit });
  if (before) fill(form, before);
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const review = readReview(form);
    const problem = problemOf(review);
    if (problem) return showMessage(form, problem);
    saveReviews({ ...loadReviews(), [keyOf(form)]: review });
    return fill(form, review);
  });
  form.addEventListener("reset", () => {
    const { [keyOf(form)]: removed, ...others } = loadReviews();
    saveReviews(others);
    showMessage(form, removed ? "Discarded." : "");
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
  const count = Object.keys(loadReviews()).length;
  tray.hidden = count === 0;
  tray.querySelector(".review-count").textContent = count === 1 ? "1 review saved" : `${count} reviews saved`;
}

function setUpTray() {
  const tray = document.getElementById("tray");
  if (!tray) return;
  tray.querySelector("[name=download]").addEventListener("click", () => download("safegen-waivers.toml", tomlOf(loadReviews())));
  tray.querySelector("[name=clear]").addEventListener("click", () => {
    saveReviews({});
    document.querySelectorAll("form.review").forEach((form) => form.reset());
  });
  showTray();
}

document.querySelectorAll("form.review").forEach(setUpReview);
setUpTray();
