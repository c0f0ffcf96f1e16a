// For who teaches: the full screen with larger type, and the lesson's print sheet.

import * as charts from "./charts.js";

const at = (id) => document.getElementById(id);
const root = document.documentElement;

export function init() {
  at("full").addEventListener("click", () => (root.classList.contains("teacher") ? leave() : enter()));
  // Escape ends the browser's full screen, and larger type with it.
  document.addEventListener("fullscreenchange", () => document.fullscreenElement || large(false));
  addEventListener("keydown", ({ key }) => key === "Escape" && !document.fullscreenElement && large(false));
  at("print-sheet").addEventListener("click", () => print());
}

// Larger type is of use where the browser refuses a full screen, too.
async function enter() {
  large(true);
  try { await root.requestFullscreen?.(); } catch { /* it stays in its window */ }
}

function leave() {
  large(false);
  if (document.fullscreenElement) document.exitFullscreen();
}

function large(on) {
  if (root.classList.contains("teacher") === on) return;
  root.classList.toggle("teacher", on);
  at("full").setAttribute("aria-pressed", on);
  charts.redraw();
}
