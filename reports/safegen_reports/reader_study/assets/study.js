// One reading after the other; answers stay in this browser until they are downloaded.
"use strict";

const { study, reader } = document.body.dataset;
const trials = JSON.parse(document.getElementById("trials").textContent);
const form = document.getElementById("reading");
const STORAGE_KEY = `safegen-study-${study}-${reader}`;
let answers = loadAnswers();
let shownAt = 0;

function loadAnswers() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY)) ?? [];
  } catch {
    return [];
  }
}

function saveAnswers() {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(answers));
  } catch {
    // without storage the answers last as long as the page
  }
}

function showOnly(id) {
  for (const each of ["welcome", "pause", "reading", "thanks"]) document.getElementById(each).hidden = each !== id;
}

function picture(path, className, alt) {
  const image = new Image();
  Object.assign(image, { className, alt, src: path });
  return image;
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
  showOnly("reading");
  shownAt = performance.now();
  form.querySelector("input").focus();
}

function next() {
  const done = answers.length;
  if (done === trials.length) {
    document.getElementById("progress").textContent = `${done} readings, all done`;
    return showOnly("thanks");
  }
  if (done > 0 && trials[done].period > trials[done - 1].period) return showOnly("pause");
  return show();
}

function rating(values, name) {
  return values.has(name) ? Number(values.get(name)) : null;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const seconds = (performance.now() - shownAt) / 1000;
  const values = new FormData(form);
  const { token, period, heatmap } = trials[answers.length];
  answers = [...answers, {
    token, period, heatmap,
    answer: values.get("answer"),
    confidence: rating(values, "confidence"),
    realism: rating(values, "realism"),
    usefulness: heatmap ? rating(values, "usefulness") : null,
    seconds: Number(seconds.toFixed(3)),
  }];
  saveAnswers();
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
showOnly("welcome");
