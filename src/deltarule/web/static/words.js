// Numbers and signs as people read them.

export function told(value, digits = 6) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return typeset(value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e"));
  if (size >= 10_000) return typeset(Math.round(value).toLocaleString("en"));
  return typeset(String(Number(value.toPrecision(digits))));
}

// Texts come with * and -, as they are typed; here they get the signs of print, and exponents one form.
export const typeset = (text) => text.replaceAll(" * ", " × ").replaceAll(" - ", " − ")
  .replace(/(^|[\s(])-(?=[\d.])/g, "$1−")
  .replace(/(?<![\w.])(\d[\d.]*e)\+?(-?)0*(?=\d)/g, "$1$2");

// A number that reads back to the last bit, in a field.
export const exact = (value) => (value === null || value === undefined ? "" : String(value));

export const many = (count, one, more = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : more}`;

// A file's name for what was predicted, whatever letters that has.
export const fileName = (target, what) => `${target.replace(/[^\p{L}\p{N}.-]+/gu, "-").replace(/^-+|-+$/g, "") || "target"}-${what}`;

// The numbers of a sentence in the colour of what they are.
const NUMBER = "(−?[\\d.,]*\\d(?:e-?\\d+)?)";
const OF = [
  ["delta", `\\b(?:delta|(?:error|loss|RMSE|size of delta)(?: of (?:both targets|all \\d+ targets|the row))?(?:, with penalty,)?(?: is| went from)?|counts it as) ${NUMBER}`],
  ["weight", `\\b(?:weight|intercept|from|to|at|up by|down by) ${NUMBER}(?![\\d,]*\\d| more)`],
  ["prediction", `(?:\\bpredicted|makes it|=) ${NUMBER}`],
];
const TINTED = new RegExp(OF.map(([, words]) => words).join("|"), "g");

const EXPONENT = /(−?[\d.]+e-?\d+)/;

// A number with an exponent stays on one line.
export const unbroken = (text) => text.split(EXPONENT).map((part, place) =>
  place % 2 ? Object.assign(document.createElement("span"), { className: "whole", textContent: part }) : part);

export function tinted(text, { error = false } = {}) {
  const shown = typeset(text), parts = [];
  let past = 0;
  for (const found of shown.matchAll(TINTED)) {
    const number = found.slice(1).findIndex((one) => one !== undefined);
    const end = found.index + found[0].length;
    const value = found[number + 1];
    parts.push(...unbroken(shown.slice(past, end - value.length)));
    parts.push(Object.assign(document.createElement("b"), { className: error ? "delta" : OF[number][0], textContent: value }));
    past = end;
  }
  return [...parts, ...unbroken(shown.slice(past))];
}
