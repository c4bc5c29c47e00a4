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

function setUpMaps() {
  for (const choice of document.querySelectorAll(".maps-of-finding .choice")) {
    const maps = [...choice.parentElement.querySelectorAll(".map")];
    const show = () => {
      const selected = Number(choice.querySelector("input:checked").value);
      for (const [number, map] of maps.entries()) map.hidden = number !== selected;
    };
    choice.hidden = false;
    choice.addEventListener("change", show);
    show();
  }
}

setUpOpacity();
setUpMaps();
addEventListener("beforeprint", () => {
  for (const still of document.querySelectorAll("details.still")) still.open = true;
});
