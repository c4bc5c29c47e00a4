// The still pictures of a page: the choice of a map, and its opacity. No network, no storage.
"use strict";

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

setUpOpacity();
setUpLayers();
addEventListener("beforeprint", () => {
  for (const still of document.querySelectorAll("details.still")) still.open = true;
});
