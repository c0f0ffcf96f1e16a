// The glossary: words of the page that say what they mean, and what the field calls them, to who
// points at them, tabs to them or taps them.

import { typeset, unbroken } from "./words.js";

// The colour of a quantity, as everywhere on the page.
const TINTS = { delta: "delta", weight: "weight", prediction: "prediction" };
let terms = new Map();   // every form of a word, in small letters
let pattern = null;
let tip = null;
let shown = null;

export function init(glossary) {
  for (const term of glossary) for (const form of [term.word, ...term.forms]) terms.set(form.toLowerCase(), term);
  const forms = [...terms.keys()].sort((one, other) => other.length - one.length);
  // A word ends where no letter, digit, _ or - goes on.
  pattern = new RegExp(`(?<![\\w-])(${forms.map((form) => form.replace(/[-]/g, "\\-")).join("|")})(?![\\w-])`, "gi");
  tip = Object.assign(document.createElement("div"), { id: "tip", role: "tooltip", hidden: true });
  document.body.append(tip);
  for (const kind of ["pointerover", "focusin", "click"]) document.addEventListener(kind, ({ target }) => show(target.closest?.(".term")));
  document.addEventListener("focusout", () => show(null));
  addEventListener("keydown", ({ key }) => key === "Escape" && show(null));
  addEventListener("scroll", place, { capture: true, passive: true });
}

// The text as nodes, each word of the glossary marked where it first stands; `seen` are the words
// that were marked before.
export function marked(text, seen) {
  const nodes = [];
  let past = 0;
  for (const found of text.matchAll(pattern)) {
    const term = terms.get(found[0].toLowerCase());
    if (seen.has(term.word)) continue;
    seen.add(term.word);
    const end = found.index + found[0].length;
    // A full stop does not begin a line.
    const [sign] = text.slice(end).match(/^[.,:;)]*/);
    const whole = Object.assign(document.createElement("span"), { className: "whole" });
    whole.append(button(found[0], term), sign);
    nodes.push(...unbroken(text.slice(past, found.index)), whole);
    past = end + sign.length;
  }
  return [...nodes, ...unbroken(text.slice(past))];
}

// The text as nodes, this one word of it marked.
export const named = (text, word) => marked(text, new Set([...terms.values()].map((term) => term.word).filter((other) => other !== word)));

// A text of the page, its words marked, where it is another than before.
export function explain(place, text) {
  if (place.dataset.says === text) return;
  place.dataset.says = text;
  place.replaceChildren(...marked(text, new Set(["error", "step"])));
}

function button(text, { word }) {
  const made = Object.assign(document.createElement("button"), { type: "button", className: `term ${TINTS[word] ?? ""}`, textContent: text });
  made.dataset.word = word.toLowerCase();
  return made;
}

function show(term) {
  if (term === shown) return;
  shown?.removeAttribute("aria-describedby");
  shown = term ?? null;
  tip.hidden = !shown;
  if (!shown) return;
  const { word, field, means } = terms.get(shown.dataset.word);
  const strong = Object.assign(document.createElement("b"), { textContent: word });
  const known = Object.assign(document.createElement("span"), { className: "quiet", textContent: field === word ? "" : `in the field: ${field}` });
  tip.replaceChildren(strong, " ", known, Object.assign(document.createElement("p"), { textContent: typeset(means) }));
  shown.setAttribute("aria-describedby", "tip");
  place();
}

// Below the word, or above it where there is no room; never beyond the window.
function place() {
  if (!shown) return;
  const word = shown.getBoundingClientRect(), { width, height } = tip.getBoundingClientRect();
  const below = word.bottom + 6;
  const top = below + height < innerHeight - 8 ? below : Math.max(word.top - height - 6, 8);
  tip.style.left = `${Math.max(8, Math.min(word.left, innerWidth - width - 8))}px`;
  tip.style.top = `${top}px`;
}
