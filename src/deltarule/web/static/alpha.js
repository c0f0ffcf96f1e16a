// alpha's slider: a scale of powers of ten, on which the fastest alpha and the limit are marked and
// have room for their names between them, however near they are.

import { exact, told } from "./words.js";

const at = (id) => document.getElementById(id);
const NAMES = 4.6;  // rem that the two names need beside each other
const END = 2;      // rem of half a name at the end
let last = null; // what was shown, to be shown again where the slider's width changes
let knots = [[0, -3], [1, 0]];   // places on the slider, and alphas as powers of ten there

const between = (x, from, to) => {
  const place = Math.max(1, knots.findIndex((knot) => knot[from] >= x));
  const [one, other] = knots[place - 1]?.[from] <= x && knots[place] ? [knots[place - 1], knots[place]] : [knots.at(-2), knots.at(-1)];
  return one[to] + ((x - one[from]) / (other[from] - one[from])) * (other[to] - one[to]);
};
const partOf = (alpha) => between(Math.log10(alpha), 1, 0);
export const alphaAt = (part) => 10 ** between(part, 0, 1);

export function show(shown, put) {
  last = { shown, put };
  const { alpha: value, limit, fastest } = shown;
  const none = value === null;
  at("alpha").disabled = at("alpha-number").disabled = none;
  put("alpha-number", none ? "" : exact(Number(value.toPrecision(12)) === value ? value : Number(value.toPrecision(6))));
  at("fastest").hidden = none || fastest === null;
  at("limit").hidden = none || limit === null;
  if (none) return;
  knots = scale(Math.log10(value), limit, fastest);
  at("alpha").value = partOf(value);
  at("alpha").setAttribute("aria-valuetext", told(value));
  for (const [id, number] of [["fastest", fastest], ["limit", limit]]) {
    if (number !== null) at(id).style.left = `calc(8px + (100% - 16px) * ${partOf(number)})`;
  }
  at("beyond").hidden = limit === null;
  if (limit !== null) at("beyond").style.left = at("limit").style.left;
  at("fastest").title = `Use the fastest alpha, ${told(fastest)}`;
  at("limit").title = `From ${told(limit)} on it explodes`;
}

new ResizeObserver(() => last && show(last.shown, last.put)).observe(at("alpha"));

function scale(here, limit, fastest) {
  const end = Math.log10(limit ?? 10 ** (here + 1));
  const ends = [Math.min(end - 3, here - 0.1), Math.max(end + 0.6, here + 0.1)];
  const even = (power) => (power - ends[0]) / (ends[1] - ends[0]);
  const width = Math.max(at("alpha").offsetWidth - 16, 100) / parseFloat(getComputedStyle(document.documentElement).fontSize);
  const knots = [[0, ends[0]], [1, ends[1]]];
  if (limit === null) return knots;
  const last = Math.min(even(end), 1 - END / width);
  knots.splice(1, 0, [last, end]);
  if (fastest === null) return knots;
  const middle = Math.min(even(Math.log10(fastest)), last - NAMES / width);
  knots.splice(1, 0, [Math.max(middle, 0.15), Math.log10(fastest)]);
  return knots;
}
