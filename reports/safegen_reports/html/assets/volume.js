// Voxels of a page: unpacked from the script beside it, with the way from voxels to millimetres.
"use strict";

const safegen = { pending: new Map(), receive(content) { this.pending.get(content.key)?.(content); } };

safegen.load = (section) => new Promise((resolve, reject) => {
  safegen.pending.set(section.dataset.key, resolve);
  const script = document.createElement("script");
  script.src = section.dataset.script;
  script.addEventListener("error", () => reject(new Error("the file with the voxels is missing")));
  document.head.append(script);
});

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Rows of a 4 x 4 matrix, as one list of 16 numbers.
function transform(matrix, point) {
  const [x, y, z] = point;
  return [0, 4, 8].map((row) => matrix[row] * x + matrix[row + 1] * y + matrix[row + 2] * z + matrix[row + 3]);
}

function invert(m) {
  const [a, b, c, , d, e, f, , g, h, i] = m;
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const rows = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / det));
  const shift = rows.map((row) => -(row[0] * m[3] + row[1] * m[7] + row[2] * m[11]));
  return [...rows.flatMap((row, n) => [...row, shift[n]]), 0, 0, 0, 1];
}

class Voxels {
  constructor(facts, values, mask) {
    Object.assign(this, facts, { values, mask });
    this.fromMm = invert(this.affine);
    this.toFile = invert(this.file.affine);
    this.spacing = [0, 1, 2].map((axis) =>
      Math.hypot(this.affine[axis], this.affine[axis + 4], this.affine[axis + 8]));
    this.extent = this.shape.map((length, axis) => length * this.spacing[axis]);
  }

  static async unpack(facts) {
    const bytes = await unpack(facts.data);
    const count = facts.shape.reduce((a, b) => a * b);
    const values = new Float32Array(count);
    for (let n = 0; n < count; n += 1) {
      const code = facts.bytes === 2 ? bytes[n] + 256 * bytes[n + count] : bytes[n];
      values[n] = facts.low + facts.step * code;
    }
    return new Voxels({ ...facts, data: null }, values, facts.mask ? await unpack(facts.mask) : null);
  }

  place([i, j, k]) {
    return i + this.shape[0] * (j + this.shape[1] * k);
  }

  mm(index) {
    return transform(this.affine, index);
  }

  nearest(point) {
    return transform(this.fromMm, point).map((value, axis) =>
      Math.min(Math.max(Math.round(value), 0), this.shape[axis] - 1));
  }

  // The voxel of the file at a place in mm, as other programs count it.
  fileVoxel(point) {
    return transform(this.toFile, point).map((value) => Math.round(value));
  }
}

async function unpackLayer(layer) {
  return { ...layer, data: null, codes: await unpack(layer.data) };
}
