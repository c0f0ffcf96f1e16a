// The next step: which it is, and one row's numbers in the order in which they follow from each
// other. When the step is taken they travel.

import * as glossary from "./glossary.js";
import { typeset } from "./words.js";

const HOP = 300;  // ms for all of them
const ROOMY = 0.9;  // of the usual size: smaller, all terms are hard to read
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

// Its heading: the step's number, and which rows it follows.
export function head({ number, rows, alone, within, standardised, gaps }, choices) {
  document.getElementById("row-choice").hidden = choices < 2;
  let says = "";
  if (!within) says = `it follows ${rows}, without the row shown here`;
  else if (!alone) says = `${rows} pull together`;
  else if (rows.startsWith("row")) says = `${rows} pulls alone`;
  if (standardised) says += `${says && ", "}on standardised inputs`;
  const missing = gaps.length > 2 ? `${gaps.length} inputs` : gaps.join(" and ");
  if (gaps.length) says += `${says && "; "}${missing} ${gaps.length > 1 ? "are" : "is"} missing in this row and filled in`;
  document.getElementById("next-number").textContent = `step ${number.toLocaleString("en")}${says ? "," : ""}`;
  glossary.explain(document.getElementById("next-says"), typeset(says));
}

// Where there is little room, the others are counted.
const brief = ({ terms, more, intercept, of, ...flow }) => {
  const kept = terms.filter(([, , name]) => name === of).slice(0, 1);
  const one = kept.length || intercept !== null ? kept : terms.slice(0, 1);
  const count = more + terms.length - one.length + (intercept !== null && one.length > 0);
  return { ...flow, of, terms: one, more: count, intercept: one.length ? null : intercept };
};

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

// The names of the sum's parts, in its order.
const named = ({ terms, more, intercept }) =>
  [...(intercept === null ? [] : ["intercept"]), ...terms.map(([, , name]) => name), ...(more ? [`${more} more`] : [])].join(" + ");

const LED = {
  frozen: () => "frozen",
  learner: ({ before }) => `${before}, moved by the learner`,
  others: ({ before }) => `${before}, moved with the others`,
  alpha: ({ before, mean, led }) => `${before} - alpha * ${mean === null ? "weight_delta" : "mean"}${led.spread === null ? "" : " / spread"}`,
};
const exactly = ({ mean, weight_delta: own, led }) =>
  led.by === "alpha" ? `alpha ${led.alpha}, ${mean === null ? `weight_delta ${own}` : `mean ${mean}`}${led.spread === null ? "" : `, spread of the input ${led.spread}`}` : "";

function cell(name, label, value, how, title = "") {
  const made = element("li", name, element("span", "label", label), element("span", "value", ...value), element("span", "how", how));
  made.title = typeset([label, made.querySelector(".value").textContent, how, title].filter(Boolean).join("; "));
  return made;
}

export function show(flow, next) {
  draw(flow, next);
  if (strip.clientWidth / strip.scrollWidth < ROOMY) draw(brief(flow), next);
}

function draw(flow, { rows, standardised }) {
  const one = (className, text) => [element("b", className, text)];
  const [target, known] = flow.target;
  const scored = flow.score === null ? `of row ${flow.row.toLocaleString("en")}` : `= ${flow.score[0]}(${flow.score[1]})`;
  const counted = flow.slope === null ? "" : `, counts as ${flow.slope}`;
  const input = flow.input === null ? "= delta" : `delta * ${standardised ? "standardised " : `${flow.of} `}${flow.input}`;
  const cells = [
    cell("sum", "weights × inputs", sum(flow), named(flow)),
    cell("prediction", "prediction", one("prediction", flow.prediction), scored),
    cell("delta", "delta", one("delta", flow.delta), `- ${target} ${known}${counted}`.replace("- ", "− ")),
    cell("weight-delta", flow.mean === null ? "weight_delta" : `row ${flow.row.toLocaleString("en")}'s weight_delta`, one("", flow.weight_delta), input),
    cell("weight", `new weight of ${flow.of}`, one("weight", flow.weight), LED[flow.led.by](flow), exactly(flow)),
  ];
  if (flow.mean !== null) cells.splice(4, 0, cell("mean", "weight_delta", one("", flow.mean), `mean of ${rows}${flow.ridge ? ", and ridge" : ""}`));
  strip.style.fontSize = "";
  strip.replaceChildren(...cells);
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
        { duration: HOP / (cells.length - 1), easing: "ease-in-out", fill: "both" },
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
