// Numbers and signs as people read them.

export function told(value) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return typeset(value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e"));
  if (size >= 10_000) return typeset(Math.round(value).toLocaleString("en"));
  return typeset(String(Number(value.toPrecision(6))));
}

// Texts come with * and -, as they are typed; here they get the signs of print.
export const typeset = (text) => text.replaceAll(" * ", " × ").replaceAll(" - ", " − ").replace(/(^|[\s(])-(?=[\d.])/g, "$1−");

// A number that reads back to the last bit, in a field.
export const exact = (value) => (value === null || value === undefined ? "" : String(value));
