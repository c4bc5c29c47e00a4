// The opt-in view in three dimensions: the page's own voxels, handed to NiiVue as NIfTI in memory.
"use strict";

const HEADER = 352;
const FLOAT32 = 16;

function nifti(voxels, values) {
  const buffer = new ArrayBuffer(HEADER + 4 * values.length);
  const view = new DataView(buffer);
  view.setInt32(0, 348, true);
  [3, ...voxels.shape, 1, 1, 1, 1].forEach((length, n) => view.setInt16(40 + 2 * n, length, true));
  view.setInt16(70, FLOAT32, true);
  view.setInt16(72, 32, true);
  [1, ...voxels.spacing, 1, 1, 1, 1].forEach((step, n) => view.setFloat32(76 + 4 * n, step, true));
  view.setFloat32(108, HEADER, true);
  view.setFloat32(112, 1, true);
  view.setUint8(123, 2);
  view.setInt16(254, 1, true);
  voxels.affine.slice(0, 12).forEach((value, n) => view.setFloat32(280 + 4 * n, value, true));
  [0x6e, 0x2b, 0x31, 0].forEach((letter, n) => view.setUint8(344 + n, letter));
  new Float32Array(buffer, HEADER).set(values);
  return buffer;
}

async function show3d(canvas, { first, layer, windows }) {
  const viewer3d = new niivue.Niivue({ backColor: [0, 0, 0, 1], show3Dcrosshair: true, loadingText: "" });
  await viewer3d.attachToCanvas(canvas);
  const base = await niivue.NVImage.loadFromUrl({
    url: nifti(first, first.values), name: "scan.nii", colormap: "gray",
    cal_min: windows[0][0], cal_max: windows[0][1],
  });
  viewer3d.addVolume(base);
  if (layer) {
    const values = Float32Array.from(layer.codes, (code) => (code / 255) * layer.ceiling);
    viewer3d.addVolume(await niivue.NVImage.loadFromUrl({
      url: nifti(first, values), name: "map.nii", colormap: "warm", opacity: 0.8,
      cal_min: CLEAR_BELOW, cal_max: layer.ceiling,
    }));
  }
  viewer3d.setSliceType(viewer3d.sliceTypeRender);
  canvas.dataset.volumes = viewer3d.volumes.length;
}

addEventListener("safegen-ready", (event) => {
  const details = event.target.querySelector(".rendering");
  details?.addEventListener("toggle", () => {
    show3d(details.querySelector("canvas"), safegen.viewer).catch((problem) => {
      console.warn(`No view in three dimensions: ${problem.message}`);
    });
  }, { once: true });
});
