// One slice on a canvas: grey values, the map over them, outlines, crosshair.
"use strict";

const PLANES = { axial: 2, coronal: 1, sagittal: 0 };
const CLEAR_BELOW = 0.5;
const MOST_OPAQUE = 0.72;
const CONTOUR = [64, 224, 255];
const LESION = [255, 255, 255];
// The same scale as the still pictures have: the upper part of inferno.
const STOPS = [
  [120, 28, 109], [165, 44, 96], [207, 68, 70], [237, 105, 37], [251, 155, 6], [247, 209, 61],
  [252, 255, 164],
];

function colourOf(value, ceiling) {
  const height = Math.min(Math.max((value - CLEAR_BELOW) / Math.max(ceiling - CLEAR_BELOW, 1e-6), 0), 1);
  const at = height * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[low].map((channel, n) => Math.round(channel + (STOPS[low + 1][n] - channel) * (at - low)));
}

function palette(ceiling) {
  const table = new Uint8ClampedArray(256 * 4);
  for (let code = 0; code < 256; code += 1) {
    const value = (code / 255) * ceiling;
    const opacity = Math.min(Math.max((value - CLEAR_BELOW) / (1 - CLEAR_BELOW), 0), 1) * MOST_OPAQUE;
    table.set([...colourOf(value, ceiling), opacity * 255], code * 4);
  }
  return table;
}

// Across and up the picture, as axes of the volume; both run against the picture's pixels.
function axesOf(plane) {
  return [0, 1, 2].filter((axis) => axis !== PLANES[plane]);
}

function extractSlice(codes, voxels, plane, index) {
  const [across, up] = axesOf(plane);
  const width = voxels.shape[across];
  const height = voxels.shape[up];
  const made = new Float32Array(width * height);
  const at = [...index];
  for (let row = 0; row < height; row += 1) {
    at[up] = height - 1 - row;
    for (let column = 0; column < width; column += 1) {
      at[across] = width - 1 - column;
      made[row * width + column] = codes[voxels.place(at)];
    }
  }
  return { values: made, width, height };
}

// Bilinear, with pixel centres in the middle of pixels.
function enlarge(slice, times) {
  const { width, height, values } = slice;
  const made = new Float32Array(width * times * height * times);
  for (let row = 0; row < height * times; row += 1) {
    const y = Math.min(Math.max((row + 0.5) / times - 0.5, 0), height - 1);
    const top = Math.min(Math.floor(y), Math.max(height - 2, 0));
    const below = Math.min(top + 1, height - 1);
    for (let column = 0; column < width * times; column += 1) {
      const x = Math.min(Math.max((column + 0.5) / times - 0.5, 0), width - 1);
      const left = Math.min(Math.floor(x), Math.max(width - 2, 0));
      const right = Math.min(left + 1, width - 1);
      const upper = values[top * width + left] * (1 - x + left) + values[top * width + right] * (x - left);
      const lower = values[below * width + left] * (1 - x + left) + values[below * width + right] * (x - left);
      made[row * width * times + column] = upper * (1 - y + top) + lower * (y - top);
    }
  }
  return { values: made, width: width * times, height: height * times };
}

function outline(pixels, slice, limit, colour, thickness) {
  const { values, width, height } = slice;
  const inside = (row, column) =>
    row >= 0 && column >= 0 && row < height && column < width && values[row * width + column] >= limit;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      if (!inside(row, column)) continue;
      const edge = !(inside(row - thickness, column) && inside(row + thickness, column)
        && inside(row, column - thickness) && inside(row, column + thickness));
      if (edge) pixels.set([...colour, 255], (row * width + column) * 4);
    }
  }
}

function paintCanvas(width, height, paint) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  paint(image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

function greyPicture(slice, low, high) {
  return paintCanvas(slice.width, slice.height, (pixels) => {
    const scale = 255 / Math.max(high - low, 1e-9);
    for (let n = 0; n < slice.values.length; n += 1) {
      const grey = (slice.values[n] - low) * scale;
      pixels.set([grey, grey, grey, 255], n * 4);
    }
  });
}

function mapPicture(slice, layer) {
  return paintCanvas(slice.width, slice.height, (pixels) => {
    for (let n = 0; n < slice.values.length; n += 1) {
      const code = Math.round(slice.values[n]) * 4;
      pixels.set(layer.palette.subarray(code, code + 4), n * 4);
    }
    outline(pixels, slice, 255 / layer.ceiling, CONTOUR, 2);
  });
}

function lesionPicture(slice) {
  return paintCanvas(slice.width, slice.height, (pixels) => outline(pixels, slice, 0.5, LESION, 1));
}

class SliceCanvas {
  constructor(canvas, voxels) {
    Object.assign(this, { canvas, voxels, plane: canvas.dataset.plane });
    this.axis = PLANES[this.plane];
    this.axes = axesOf(this.plane);
  }

  // Where the slice lies in the canvas, in pixels; all planes share one scale in mm.
  box() {
    const side = this.canvas.width;
    const scale = side / Math.max(...this.voxels.extent);
    const [width, height] = this.axes.map((axis) => this.voxels.extent[axis] * scale);
    return { left: (side - width) / 2, top: (side - height) / 2, width, height };
  }

  // The voxel under a point of the canvas, in pixels.
  voxelAt(x, y, index) {
    const { left, top, width, height } = this.box();
    const share = [(x - left) / width, (y - top) / height];
    const found = [...index];
    this.axes.forEach((axis, n) => {
      const length = this.voxels.shape[axis];
      const from = Math.floor(share[n] * length);
      found[axis] = length - 1 - Math.min(Math.max(from, 0), length - 1);
    });
    return found;
  }

  draw(state) {
    const side = Math.max(Math.round(this.canvas.clientWidth * devicePixelRatio), 64);
    if (this.canvas.width !== side) Object.assign(this.canvas, { width: side, height: side });
    const context = this.canvas.getContext("2d");
    const { left, top, width, height } = this.box();
    const { voxels, plane } = this;
    context.fillStyle = "#000";
    context.fillRect(0, 0, side, side);
    const slice = extractSlice(voxels.values, voxels, plane, state.index);
    const times = Math.min(Math.max(Math.round(width / slice.width), 1), 5);
    const place = (picture) => context.drawImage(picture, left, top, width, height);
    context.imageSmoothingQuality = "high";
    place(greyPicture(slice, ...state.window));
    if (state.layer && state.opacity > 0) {
      context.globalAlpha = state.opacity;
      place(mapPicture(enlarge(extractSlice(state.layer.codes, voxels, plane, state.index), times), state.layer));
      context.globalAlpha = 1;
    }
    if (state.lesion && voxels.mask) {
      place(lesionPicture(enlarge(extractSlice(voxels.mask, voxels, plane, state.index), times)));
    }
    this.crosshair(context, state.index);
  }

  crosshair(context, index) {
    const { left, top, width, height } = this.box();
    const [x, y] = this.axes.map((axis, n) => {
      const share = (this.voxels.shape[axis] - index[axis] - 0.5) / this.voxels.shape[axis];
      return n === 0 ? left + share * width : top + share * height;
    });
    const gap = 14 * devicePixelRatio;
    const side = this.canvas.width;
    context.strokeStyle = "rgba(233, 238, 243, 0.7)";
    context.lineWidth = devicePixelRatio;
    context.beginPath();
    for (const [from, to] of [[0, x - gap], [x + gap, side]]) {
      context.moveTo(from, y);
      context.lineTo(to, y);
    }
    for (const [from, to] of [[0, y - gap], [y + gap, side]]) {
      context.moveTo(x, from);
      context.lineTo(x, to);
    }
    context.stroke();
  }
}
