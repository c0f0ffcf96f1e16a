// One row's numbers, in the order in which they follow from each other; on a step they travel.

import { typeset } from "./words.js";

const HOP = 75;  // ms from one number to the next: four of them
const strip = document.getElementById("flow");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 759px)");
let flying = null;

// Where it scrolls, it is a stop of the keyboard.
const reached = () => { strip.tabIndex = narrow.matches ? 0 : -1; };
narrow.addEventListener("change", reached);
reached();

function element(name, className, ...parts) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...parts.map((part) => (typeof part === "string" ? typeset(part) : part)));
  return made;
}

function sum({ terms, more, intercept }) {
  const parts = [];
  const add = (text, ...rest) => {
    if (parts.length) parts.push(text.startsWith("-") ? " − " : " + ");
    parts.push(element("b", "weight", parts.length ? text.replace(/^-/, "") : text), ...rest);
  };
  if (intercept !== null) add(intercept);
  for (const [weight, input] of terms) add(weight, ` × ${input}`);
  if (more) parts.push(` + ${more} more`);
  return parts;
}

function cell(name, label, value, how) {
  return element("li", name, element("span", "label", label), element("span", "value", ...value), element("span", "how", how));
}

export function show(flow) {
  const one = (className, text) => [element("b", className, text)];
  const [target, known] = flow.target;
  const scored = flow.score === null ? `of row ${flow.row.toLocaleString("en")}` : `= link(${flow.score})`;
  const counted = flow.slope === null ? "" : `, counts as ${flow.slope}`;
  const led = flow.by === "this row" && flow.alpha !== null ? `alpha ${flow.alpha}` : flow.by;
  strip.replaceChildren(
    cell("sum", "weights × inputs", sum(flow), flow.terms.map(([, , name]) => name).join(", ")),
    cell("prediction", "prediction", one("prediction", flow.prediction), scored),
    cell("delta", "delta", one("delta", flow.delta), `− ${target} ${known}${counted}`),
    cell("weight-delta", "weight_delta", one("", flow.weight_delta), flow.input === null ? "= delta" : `× ${flow.of} ${flow.input}`),
    cell("weight", `weight of ${flow.of}`, one("weight", flow.weight), `from ${flow.before}, ${led}`),
  );
  for (const part of strip.querySelectorAll(".how, .label")) part.title = part.textContent;
}

// The numbers of the step being taken, from each to the next. Whoever steps again does not wait.
export function travel() {
  land();
  if (still.matches || !strip.children.length || !strip.offsetParent) return Promise.resolve();
  const cells = [...strip.children];
  const chip = element("span", "chip");
  document.body.append(chip);
  const flight = { over: false };
  flight.done = (async () => {
    for (const [place, from] of cells.slice(0, -1).entries()) {
      if (flight.over) break;
      const to = cells[place + 1];
      if (strip.scrollWidth > strip.clientWidth) to.scrollIntoView({ block: "nearest", inline: "nearest" });
      chip.replaceChildren(...from.querySelector(".value").cloneNode(true).childNodes);
      const [a, b] = [from, to].map((one) => one.querySelector(".value").getBoundingClientRect());
      flight.hop = chip.animate(
        [{ transform: `translate(${a.left}px, ${a.top}px)` }, { transform: `translate(${b.left}px, ${b.top}px)` }],
        { duration: HOP, easing: "ease-in-out", fill: "both" },
      );
      await flight.hop.finished.catch(() => {});
      to.classList.add("reached");
    }
    chip.remove();
  })();
  flying = flight;
  return flight.done;
}

export function land() {
  if (!flying) return;
  flying.over = true;
  flying.hop?.finish();
  flying = null;
}
