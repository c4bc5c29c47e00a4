// One reading after the other; answers stay in this browser until they are downloaded.
"use strict";

const { study, reader } = document.body.dataset;
const trials = JSON.parse(document.getElementById("trials").textContent);
const form = document.getElementById("reading");
const SHELF = `safegen-study-${study}-${reader}`;
let answers = restored();
let shownAt = 0;

function restored() {
  try {
    return JSON.parse(localStorage.getItem(SHELF)) ?? [];
  } catch {
    return [];
  }
}

function keep() {
  try {
    localStorage.setItem(SHELF, JSON.stringify(answers));
  } catch {
    // without storage the answers last as long as the page
  }
}

function only(id) {
  for (const each of ["welcome", "pause", "reading", "thanks"]) document.getElementById(each).hidden = each !== id;
}

function picture(path, className, alt) {
  const made = new Image();
  Object.assign(made, { className, alt, src: path });
  return made;
}

async function show() {
  const trial = trials[answers.length];
  form.reset();
  const usefulness = form.querySelector("[data-name=usefulness]");
  usefulness.hidden = usefulness.disabled = !trial.heatmap;
  usefulness.querySelector("input").required = trial.heatmap;
  const panels = trial.pictures.map((path, n) => {
    const panel = document.createElement("div");
    panel.className = "picture";
    panel.append(picture(path, "base", ["axial slice", "coronal slice", "sagittal slice"][n]));
    if (trial.heatmap) panel.append(picture(trial.overlays[n], "overlay", "heatmap over it"));
    return panel;
  });
  const images = panels.flatMap((panel) => [...panel.children]);
  await Promise.all(images.map((image) => image.decode().catch(() => null)));
  document.getElementById("pictures").replaceChildren(...panels);
  document.getElementById("progress").textContent = `reading ${answers.length + 1} of ${trials.length}`;
  only("reading");
  shownAt = performance.now();
  form.querySelector("input").focus();
}

function next() {
  const done = answers.length;
  if (done === trials.length) {
    document.getElementById("progress").textContent = `${done} readings, all done`;
    return only("thanks");
  }
  if (done > 0 && trials[done].period > trials[done - 1].period) return only("pause");
  return show();
}

function rating(given, name) {
  return given.has(name) ? Number(given.get(name)) : null;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const seconds = (performance.now() - shownAt) / 1000;
  const given = new FormData(form);
  const { token, period, heatmap } = trials[answers.length];
  answers = [...answers, {
    token, period, heatmap,
    answer: given.get("answer"),
    confidence: rating(given, "confidence"),
    realism: rating(given, "realism"),
    usefulness: heatmap ? rating(given, "usefulness") : null,
    seconds: Number(seconds.toFixed(3)),
  }];
  keep();
  next();
});

document.getElementById("begin").addEventListener("click", () => (answers.length ? next() : show()));
document.getElementById("go-on").addEventListener("click", show);
document.getElementById("download").addEventListener("click", () => {
  const content = { schema: 1, study, reader: Number(reader), answers };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  link.download = `answers-reader-${reader}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
if (answers.length) document.getElementById("begin").textContent = `Go on after reading ${answers.length}`;
only("welcome");
