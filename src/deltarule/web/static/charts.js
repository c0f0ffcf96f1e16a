// Drawing the server's figures: in this look's colours, and telling which row was clicked.

const ROLES = ["paper", "ink", "quiet", "line", "model", "delta"];
const LIGHT = ["#ffffff", "#1b1f24", "#586272", "#d8dde4", "#0069a8", "#cb5a0c"];
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

export async function draw(id, figure, onRow) {
  const element = document.getElementById(id);
  const first = !latest.has(id);
  latest.set(id, figure);
  if (!swap.size) look();
  element.setAttribute("aria-label", figure.layout.meta.alt);
  await Plotly.react(element, coloured(figure.data), coloured(figure.layout), OPTIONS);
  if (first) new ResizeObserver(() => Plotly.Plots.resize(element)).observe(element);
  if (first && onRow) {
    element.on("plotly_click", ({ points }) => {
      if (Number.isInteger(points[0].customdata)) onRow(points[0].customdata);
    });
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  look();
  for (const [id, figure] of latest) draw(id, figure);
});

// Where a point of a chart is on the screen, beside the chart's corner, and back.
export function place(id, x, y) {
  const { xaxis, yaxis } = document.getElementById(id)._fullLayout;
  return [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)];
}

// From where to where a chart's plane goes, from top to bottom.
export function inside(id) {
  const { _offset, _length } = document.getElementById(id)._fullLayout.yaxis;
  return [_offset, _offset + _length];
}

export function valueAt(id, pixels) {
  const { yaxis } = document.getElementById(id)._fullLayout;
  return yaxis.p2d(pixels - yaxis._offset);
}
