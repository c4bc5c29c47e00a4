// Linked slices of a scan, or of the timepoints of a series on one grid.
"use strict";

const KEYS = {
  ArrowLeft: [0, 1], ArrowRight: [0, -1], ArrowUp: [1, 1], ArrowDown: [1, -1],
};

function formatNumber(value) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

class Viewer {
  constructor(section, volumes, layers) {
    Object.assign(this, { section, volumes, layers });
    this.form = section.querySelector(".tools");
    this.slices = [...section.querySelectorAll("canvas[data-plane]")].map((canvas) =>
      new SliceCanvas(canvas, volumes[Number(canvas.dataset.column)]));
    this.through = [...section.querySelectorAll(".through")];
    this.first = volumes[0];
    this.index = this.first.shape.map((length) => Math.floor(length / 2));
    this.layer = layers[0] ?? null;
    this.windows = volumes.map((voxels) => [...voxels.window]);
    this.setUpTools();
    this.slices.forEach((slice) => this.setUpCanvas(slice));
    this.setUpThrough();
    new ResizeObserver(() => this.draw()).observe(section);
    section.hidden = false;
    this.start();
  }

  // At the worst place of the first map; where that map shows nothing, in the annotated lesion.
  start() {
    const lesion = (this.layer?.peak ?? 0) < CLEAR_BELOW ? this.lesionMiddle() : null;
    if (lesion) this.index = lesion;
    else this.toWorst();
  }

  lesionMiddle() {
    const mask = this.volumes.findLast((voxels) => voxels.mask)?.mask;
    const inside = mask ? [...mask.keys()].filter((place) => mask[place]) : [];
    if (!inside.length) return null;
    const [width, height] = this.first.shape;
    const places = inside.map((place) =>
      [place % width, Math.floor(place / width) % height, Math.floor(place / width / height)]);
    return [0, 1, 2].map((axis) =>
      Math.round(places.reduce((sum, place) => sum + place[axis], 0) / places.length));
  }

  // The grey window as level and width, in thousandths of the range of values.
  range(voxels) {
    const [low, high] = voxels.window;
    return { foot: low - (high - low), size: 3 * (high - low) };
  }

  setUpTools() {
    const { form } = this;
    const isCt = this.first.low < -500;
    if (isCt) form.elements.preset.closest("label").hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => this.applyControl(event.target));
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.reset();
    });
    form.elements.worst?.addEventListener("click", () => this.toWorst());
    this.showWindow();
  }

  applyControl(control) {
    if (control.name === "map") {
      this.layer = this.layers[Number(control.value)] ?? null;
      if (this.layer) this.toWorst();
    }
    if (control.name === "preset") this.usePreset(control.value);
    if (control.name === "level" || control.name === "width") this.readWindow();
    this.draw();
  }

  reset() {
    this.windows = this.volumes.map((voxels) => [...voxels.window]);
    for (const [name, value] of [["opacity", 100], ["preset", ""]]) {
      if (this.form.elements[name]) this.form.elements[name].value = value;
    }
    this.showWindow();
    this.draw();
  }

  usePreset(text) {
    if (!text) return this.reset();
    const [level, width] = text.split(",").map(Number);
    this.windows = this.volumes.map(() => [level - width / 2, level + width / 2]);
    return this.showWindow();
  }

  readWindow() {
    const level = this.form.elements.level.value / 1000;
    const width = this.form.elements.width.value / 1000;
    this.windows = this.volumes.map((voxels) => {
      const { foot, size } = this.range(voxels);
      return [foot + size * (level - width / 2), foot + size * (level + width / 2)];
    });
  }

  showWindow() {
    const { foot, size } = this.range(this.first);
    const [low, high] = this.windows[0];
    this.form.elements.level.value = Math.round((1000 * ((low + high) / 2 - foot)) / size);
    this.form.elements.width.value = Math.max(Math.round((1000 * (high - low)) / size), 1);
  }

  setUpThrough() {
    for (const slider of this.through) {
      const axis = PLANES[slider.dataset.plane];
      slider.max = this.first.shape[axis] - 1;
      slider.addEventListener("input", () => this.move(axis, Number(slider.value)));
    }
  }

  setUpCanvas(slice) {
    const { canvas } = slice;
    let drag = null;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.move(slice.axis, this.index[slice.axis] - Math.sign(event.deltaY));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.clientX, y: event.clientY, adjustsWindow: event.button === 2 || event.shiftKey };
      canvas.setPointerCapture(event.pointerId);
      canvas.focus();
      if (!drag.adjustsWindow) this.moveToPointer(slice, event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return;
      if (!drag.adjustsWindow) return this.moveToPointer(slice, event);
      this.adjustWindow(event.clientX - drag.x, event.clientY - drag.y);
      Object.assign(drag, { x: event.clientX, y: event.clientY });
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { drag = null; });
    canvas.addEventListener("keydown", (event) => {
      if (this.pressKey(slice, event.key)) event.preventDefault();
    });
  }

  moveToPointer(slice, event) {
    const box = slice.canvas.getBoundingClientRect();
    const scale = slice.canvas.width / box.width;
    this.index = slice.voxelAt((event.clientX - box.left) * scale, (event.clientY - box.top) * scale, this.index);
    this.draw();
  }

  // Drag right: wider window; drag down: brighter.
  adjustWindow(right, down) {
    const { level, width } = this.form.elements;
    width.value = Number(width.value) + right * 2;
    level.value = Number(level.value) - down * 2;
    this.readWindow();
    this.draw();
  }

  pressKey(slice, name) {
    if (name === "Home") return this.toWorst();
    if (name === "PageUp" || name === "PageDown") {
      return this.move(slice.axis, this.index[slice.axis] + (name === "PageUp" ? 1 : -1));
    }
    if (!(name in KEYS)) return false;
    const [which, step] = KEYS[name];
    const axis = slice.axes[which];
    return this.move(axis, this.index[axis] + step);
  }

  move(axis, place) {
    this.index[axis] = Math.min(Math.max(place, 0), this.first.shape[axis] - 1);
    this.draw();
    return true;
  }

  toWorst() {
    if (this.layer) this.index = this.first.nearest(this.layer.worst);
    this.draw();
    return true;
  }

  // The first map of a finding, at its worst place.
  show(finding) {
    const number = this.layers.findIndex((layer) => layer.finding === finding);
    if (number < 0) return;
    this.form.querySelector(`[name=map][value="${number}"]`).checked = true;
    this.layer = this.layers[number];
    this.toWorst();
    this.section.scrollIntoView({ block: "start" });
    this.slices[0].canvas.focus({ preventScroll: true });
  }

  draw() {
    if (this.frameRequested) return;
    this.frameRequested = requestAnimationFrame(() => {
      this.frameRequested = null;
      this.drawNow();
    });
  }

  drawNow() {
    const { opacity, lesion } = this.form.elements;
    for (const slice of this.slices) {
      slice.draw({
        index: this.index,
        window: this.windows[this.volumes.indexOf(slice.voxels)],
        layer: this.layer,
        opacity: opacity ? opacity.value / 100 : 1,
        lesion: lesion?.checked ?? false,
      });
    }
    for (const slider of this.through) slider.value = this.index[PLANES[slider.dataset.plane]];
    this.updateReadout();
  }

  updateReadout() {
    const point = this.first.mm(this.index);
    const place = this.first.place(this.index);
    const parts = [
      `(${point.map((value) => value.toFixed(1)).join(", ")}) mm`,
      `voxel (${this.first.fileVoxel(point).join(", ")})`,
      `value ${this.volumes.map((voxels) => formatNumber(voxels.values[place])).join(" · ")}`,
    ];
    if (this.layer) {
      const { check, name, codes, ceiling } = this.layer;
      const value = ((codes[place] / 255) * ceiling).toFixed(1);
      parts.push(`${check} · ${name} ${codes[place] === 255 ? "≥ " : ""}${value} × limit`);
    }
    this.section.querySelector(".readout").textContent = parts.join("   ");
    this.showScale();
  }

  showScale() {
    const legend = this.section.querySelector(".legend");
    if (!legend) return;
    legend.hidden = !this.layer;
    if (!this.layer) return;
    const { ceiling, meaning, peak, worst } = this.layer;
    const at = 10 + 260 * Math.min(1, (1 - CLEAR_BELOW) / Math.max(ceiling - CLEAR_BELOW, 1e-6));
    const line = legend.querySelector(".limit");
    for (const end of ["x1", "x2"]) line.setAttribute(end, at);
    legend.querySelector(".one").setAttribute("x", at);
    legend.querySelector(".high").textContent = `${formatNumber(ceiling)}×`;
    const where = worst.map((value) => value.toFixed(1)).join(", ");
    legend.querySelector(".about").textContent =
      `${meaning}, in units of its limit. The bright line surrounds voxels at or above 1; below 0.5 `
      + `nothing is drawn. Worst place (${where}) mm, ${formatNumber(peak)} times the limit.`;
  }
}

async function openViewer(section) {
  const content = await safegen.load(section);
  const volumes = await Promise.all(content.volumes.map((facts) => Voxels.unpack(facts)));
  const layers = await Promise.all(content.layers.map(unpackLayer));
  for (const layer of layers) layer.palette = palette(layer.ceiling);
  const viewer = new Viewer(section, volumes, layers);
  for (const still of document.querySelectorAll("details.still")) still.open = false;
  for (const line of document.querySelectorAll(".to-viewer")) {
    line.hidden = false;
    const button = line.querySelector("button");
    button.addEventListener("click", () => viewer.show(Number(button.dataset.show)));
  }
  safegen.viewer = viewer;
  section.dispatchEvent(new CustomEvent("safegen-ready", { bubbles: true }));
}

const viewerSection = document.getElementById("viewer");
if (viewerSection) openViewer(viewerSection).catch((problem) => console.warn(`No viewer: ${problem.message}`));
