// Drawing the server's figures: in this look's colours, with their legends, and telling which row
// was clicked.

import * as glossary from "./glossary.js";

const ROLES = ["paper", "ink", "quiet", "line", "model", "delta", "weight"];
const LIGHT = ["#ffffff", "#1b1f24", "#586272", "#d8dde4", "#0069a8", "#b04700", "#007a5c"];
const OPTIONS = { displayModeBar: false, doubleClick: false };
const latest = new Map();
let swap = new Map();

function look() {
  const style = getComputedStyle(document.documentElement);
  swap = new Map(ROLES.map((role, at) => [LIGHT[at], style.getPropertyValue(`--${role}`).trim()]));
}

function coloured(part) {
  if (typeof part === "string") return swap.get(part) ?? part;
  if (Array.isArray(part)) return typeof part.at(-1) === "number" ? part : part.map(coloured);
  if (part && typeof part === "object") {
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, coloured(value)]));
  }
  return part;
}

// Type as large as the page's own.
function sized(layout) {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const axis = (one) => ({
    ...one,
    title: { ...one.title, font: { ...one.title.font, size: rem * 0.88 } },
    tickfont: { ...one.tickfont, size: rem * 0.82 },
  });
  const hoverlabel = { ...layout.hoverlabel, font: { ...layout.hoverlabel.font, size: rem * 0.93 } };
  return { ...layout, font: { ...layout.font, size: rem * 0.86 }, hoverlabel, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis) };
}

export async function draw(id, figure, { onRow, placed } = {}) {
  const element = document.getElementById(id);
  const first = !latest.has(id);
  latest.set(id, figure);
  if (!swap.size) look();
  element.setAttribute("aria-label", figure.layout.meta.alt);
  legend(document.getElementById(id.replace("chart", "legend")), figure.layout.meta.legend);
  await Plotly.react(element, coloured(figure.data), coloured(sized(figure.layout)), OPTIONS);
  if (!first) return;
  new ResizeObserver(() => element.clientHeight && Plotly.Plots.resize(element)).observe(element);
  if (placed) { element.on("plotly_afterplot", placed); placed(); }
  if (onRow) {
    element.on("plotly_click", ({ points }) => {
      if (Number.isInteger(points[0].customdata)) onRow(points[0].customdata);
    });
  }
}

export function redraw() {
  look();
  for (const [id, figure] of latest) draw(id, figure);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

// The same when the page's type changes its size.
const ruler = document.body.appendChild(Object.assign(document.createElement("i"), { className: "ruler" }));
new ResizeObserver(() => latest.size && redraw()).observe(ruler);

// Legends: a small drawing of each kind of mark, in its colour, and what it is.

const RINGS = '<circle cx="9" cy="6" r="5"/><circle cx="9" cy="6" r="2"/>';
const DRAWN = {
  line: '<path d="M1 6h16"/>',
  dash: '<path d="M1 6h16" stroke-dasharray="5 3"/>',
  dots: '<path d="M1 6h16" stroke-dasharray="2 2"/>',
  dot: '<circle class="full" cx="9" cy="6" r="3"/>',
  big: '<circle class="full" cx="9" cy="6" r="5"/>',
  ball: '<path d="M1 6h16"/><circle class="full" cx="9" cy="6" r="4.500"/>',
  ring: '<circle cx="9" cy="6" r="4"/>',
  "open-ball": '<path d="M1 6h3M14 6h3"/><circle cx="9" cy="6" r="4"/>',
  rings: RINGS,
  cross: '<path d="m5 2 8 8m0-8-8 8"/>',
  circle: '<circle class="full" cx="9" cy="6" r="4"/>',
  square: '<path class="full" d="M5 2h8v8H5z"/>',
  "triangle-up": '<path class="full" d="m9 1 5 9H4z"/>',
  "triangle-down": '<path class="full" d="m9 11 5-9H4z"/>',
  "triangle-left": '<path class="full" d="m4 6 9 5V1z"/>',
  "triangle-right": '<path class="full" d="m14 6-9 5V1z"/>',
  diamond: '<path class="full" d="m9 1 5 5-5 5-5-5z"/>',
  star: '<path class="full" d="m9 0 2 4 4 1-3 3 1 4-4-2-4 2 1-4-3-3 4-1z"/>',
};

function legend(list, entries) {
  const said = JSON.stringify(entries);
  if (!list || list.dataset.said === said) return;
  list.dataset.said = said;
  list.replaceChildren(...entries.map(({ mark, color, text }) => {
    const item = document.createElement("li");
    const sign = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    sign.setAttribute("viewBox", "0 0 18 12");
    sign.setAttribute("aria-hidden", "true");
    sign.innerHTML = DRAWN[mark] ?? DRAWN.dot;
    sign.style.color = `var(--${ROLES[LIGHT.indexOf(color)]})`;
    const words = document.createElement("span");
    words.append(...glossary.named(text, "cut"));
    item.append(sign, words);
    return item;
  }));
}

// Where a point of a chart is on the screen, beside the chart's corner, and back.
export function place(id, x, y) {
  const { xaxis, yaxis } = document.getElementById(id)._fullLayout;
  return [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)];
}

export function ranges(id) {
  const { xaxis, yaxis } = document.getElementById(id)._fullLayout;
  return { x: xaxis.range, y: yaxis.range };
}

export const height = (id) => document.getElementById(id)._fullLayout.yaxis._length;

export function valueAt(id, pixels) {
  const { yaxis } = document.getElementById(id)._fullLayout;
  return yaxis.p2d(pixels - yaxis._offset);
}
