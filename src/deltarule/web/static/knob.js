// The knob that tilts the line: it stays on the line wherever the line goes, and is dragged.

import * as charts from "./charts.js";
import { told } from "./words.js";

const CHART = "predict-chart";
const HALF = 15;  // px, of the knob and its rim
const knob = document.getElementById("handle");
let held = null;      // what the server says of it
let weight = 0;
let grip = 0;         // the x at which it has hold of the line

export function show(found, lines) {
  held = found;
  knob.hidden = !found;
  if (!found) return;
  weight = lines.find(({ name }) => name === found.name).weight;
  knob.setAttribute("aria-valuenow", weight);
  knob.setAttribute("aria-valuetext", `weight ${told(weight)}`);
  placed();
}

// Again whenever the chart was drawn: after a resize, and when its window widens.
export function placed() {
  if (!held) return;
  const { x: [left, right], y: [low, high] } = charts.ranges(CHART);
  const onLine = (x) => held.start + weight * x;
  const dragging = knob.matches(":active");
  if (!dragging || !grip) grip = held.x;
  let y = onLine(grip);
  // Where the line leaves the window, and not over the numbers of an axis.
  const room = (high - low) * HALF / charts.height(CHART);
  if (!dragging && (y < low + room || y > high - room)) {
    const inside = y > high - room ? high - room : low + room;
    const nearer = (inside - held.start) / weight;
    if (nearer > left && nearer < right) [y, grip] = [inside, nearer];
  }
  const seen = grip > left && grip < right && y >= low && y <= high;
  knob.hidden = !seen && !dragging;
  if (!seen) return;
  const [x, up] = charts.place(CHART, grip, y);
  knob.style.left = `${x}px`;
  knob.style.top = `${up}px`;
}

// `hand` is told the weight's name and where it is put.
export function wire(hand) {
  const drag = (event) => {
    const height = event.clientY - document.getElementById(CHART).getBoundingClientRect().top;
    hand(held.name, (charts.valueAt(CHART, height) - held.start) / grip);
  };
  knob.addEventListener("pointerdown", (event) => {
    knob.setPointerCapture(event.pointerId);
    event.preventDefault();
    knob.focus();
  });
  knob.addEventListener("pointermove", (event) => knob.hasPointerCapture(event.pointerId) && drag(event));
  knob.addEventListener("pointerup", () => requestAnimationFrame(placed));
  knob.addEventListener("keydown", (event) => {
    const way = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const { y: [low, high] } = charts.ranges(CHART);
    hand(held.name, weight + (way * (high - low)) / (100 * held.x));
  });
}
