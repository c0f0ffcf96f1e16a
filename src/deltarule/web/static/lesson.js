// The reading panel: what a lesson says, its question, what to do, its goal, and what it taught;
// of a table that was brought, what was made of it.

import * as glossary from "./glossary.js";
import * as progress from "./progress.js";
import { many, told, typeset, unbroken } from "./words.js";

const at = (id) => document.getElementById(id);
let lessons = [];
let onward = null;   // opens a lesson by name
let current = null;  // the lesson shown
let rest = null;     // waits whether learning stays where it is
const REST = 700;    // ms

export function init(found, open) {
  lessons = found.lessons;
  onward = open;
  glossary.init(found.glossary);
  at("lesson-scroll").addEventListener("scroll", more, { passive: true });
  for (const id of ["lesson-scroll", "lesson-body"]) new ResizeObserver(more).observe(at(id));
}

const make = (tag, settings = {}, ...parts) => {
  const made = Object.assign(document.createElement(tag), settings);
  made.append(...parts);
  return made;
};

// A text with the signs of print, whose numbers do not break.
const whole = (text) => unbroken(typeset(text));

const list = (id, lines) => make("ul", { id, className: "facts" }, ...lines.map((line) => make("li", { textContent: typeset(line) })));

export const options = () => lessons.map(({ name, title }, place) => [name, `${progress.of(name).met ? "✓ " : ""}${place + 1}. ${title}`]);

// A lesson, or a table, as it begins.
export function open(name, setting) {
  clearTimeout(rest);
  current = lessons.find((one) => one.name === name) ?? null;
  if (current) read(current, setting.table.learnt);
  else table(setting);
  at("lesson-scroll").scrollTop = 0;
  more();
}

// Whether there is more to read below what is seen.
function more() {
  const { scrollTop, scrollHeight, clientHeight } = at("lesson-scroll");
  at("lesson-scroll").classList.toggle("more", scrollTop + clientHeight < scrollHeight - 4);
}

function read({ name, prose, question, do: steps, goal, learned }, rows) {
  const seen = new Set();
  const text = (words) => glossary.marked(typeset(words.replace("{rows}", rows.toLocaleString("en"))), seen);
  const { met } = progress.of(name);
  at("lesson-body").replaceChildren(
    make("div", { className: "prose" }, ...prose.map((words) => make("p", {}, ...text(words)))),
    ask(name, question),
    make("section", { id: "learned", className: "learned", hidden: !met }, make("h2", { textContent: "Now you know" }), make("p", {}, ...whole(learned))),
  );
  // What to do stays in sight while it is done.
  const todo = make("section", { className: "do" }, make("h2", { textContent: "Do" }), make("ol", {}, ...steps.map((words) => make("li", {}, ...text(words)))));
  at("lesson-foot").replaceChildren(todo, aim(goal, text, met), next(name, met));
}

// Predict before you press: a question that is answered by a click, and says what is right.
function ask(name, { text, answers }) {
  const says = make("p", { className: "says", role: "status" });
  const buttons = answers.map((answer, place) => {
    const button = make("button", {}, ...whole(answer.text));
    button.addEventListener("click", () => { progress.put(name, { answer: place }); choose(place); says.scrollIntoView({ block: "nearest" }); });
    return button;
  });
  const choose = (place) => {
    for (const [other, button] of buttons.entries()) button.setAttribute("aria-pressed", other === place);
    for (const [other, button] of buttons.entries()) button.className = other !== place ? "" : answers[other].right ? "right" : "wrong";
    says.replaceChildren(...whole(answers[place].says));
  };
  const { answer } = progress.of(name);
  if (answer !== null && answers[answer]) choose(answer);
  else for (const button of buttons) button.setAttribute("aria-pressed", "false");
  const head = make("h2", { textContent: "Predict before you press", id: "ask-head" });
  const group = make("div", { className: "answers" }, ...buttons);
  group.setAttribute("role", "group");
  group.setAttribute("aria-labelledby", "ask-head");
  return make("section", { className: "ask" }, head, make("p", {}, ...whole(text)), group, says);
}

function aim({ words, hint }, text, met) {
  const tick = make("span", { id: "goal-tick", className: "tick", textContent: met ? "✓" : "" });
  tick.setAttribute("aria-hidden", "true");
  const help = make("button", { className: "plain", textContent: "Hint" });
  const hinted = make("p", { className: "quiet", hidden: true }, ...whole(hint));
  help.setAttribute("aria-expanded", "false");
  help.addEventListener("click", () => {
    hinted.hidden = !hinted.hidden;
    help.setAttribute("aria-expanded", !hinted.hidden);
  });
  const head = make("h2", {}, "Goal ", tick, make("span", { id: "goal-met", className: "hidden", role: "status", textContent: met ? "met" : "" }));
  return make("section", { id: "goal", className: met ? "goal met" : "goal" }, make("div", {}, head, " ", make("p", {}, ...text(words))), make("p", { className: "standing-line" }, make("span", { id: "goal-says", className: "quiet" }), help), hinted);
}

// Where reading ends, the next lesson begins.
function next(name, met) {
  const place = lessons.findIndex((one) => one.name === name);
  const { title, name: to } = lessons[place + 1] ?? {};
  const button = make("button", { id: "onward", className: met ? "strong" : "", textContent: to ? `Next: ${title}` : "Now your own CSV" });
  button.addEventListener("click", () => (to ? onward(to) : at("bring").click()));
  return button;
}

// A table that was brought: what is predicted from what, what is left out and why.
function table({ table: { unused, gaps, levels, left_out: leftOut } }) {
  const left = make("ul", { id: "unused", className: "facts" }, ...unused.map(({ name, why }) => make("li", {}, make("b", { textContent: name }), `: ${why}`)));
  const seen = new Set();
  at("lesson-body").replaceChildren(
    make("div", { className: "prose" },
      make("p", {}, ...glossary.marked("The target, the inputs and the loss were guessed from the table, and the inputs are standardised. Choose others where a guess is wrong.", seen)),
      make("p", {}, ...glossary.marked("Under Compare, the first error is on the rows that it learns from. Below it, the held-out error is on rows that were kept back: expect that of new rows. The further it is above the first, the more was learnt that is true of these rows alone.", seen))),
    make("section", { className: "do" }, make("h2", { textContent: "Do" }), make("ol", {},
      make("li", { textContent: "Press Play, and watch the deltas shrink." }),
      make("li", { textContent: "Take an input away or add one: does the held-out error fall?" }),
      make("li", { textContent: "Save the model: deltarule predict takes it." }))),
    make("section", { hidden: !levels.length }, make("h2", { textContent: "Categories" }), list("levels", levels)),
    make("section", { hidden: !unused.length }, make("h2", { textContent: `Not used: ${many(unused.length, "column")}` }), left),
    make("section", { hidden: !gaps.length && !leftOut }, make("h2", { textContent: "Gaps" }), list("gaps", [leftOut, ...gaps].filter(Boolean))),
  );
  at("lesson-foot").replaceChildren();
}

// After each answer: whether the goal is met, and the held-out error.
export function show(setting, { goal, held_out: held, error }, { resting }) {
  heldOut(held, error);
  if (!current) {
    // What is left out changes with what is chosen.
    if (setting.table.unused) table(setting);
    return;
  }
  if (setting.lesson !== current.name) return;
  const passing = current.goal.rests && goal.met && !resting;
  at("goal-says").textContent = typeset(passing ? `${goal.says}: pause here` : goal.says);
  clearTimeout(rest);
  if (!goal.met || progress.of(current.name).met) return;
  if (!current.goal.rests) return reach();
  // Passing by does not count.
  if (resting) rest = setTimeout(reach, REST);
}

function reach() {
  progress.put(current.name, { met: true });
  at("goal").classList.add("met");
  at("goal-tick").textContent = "✓";
  at("goal-met").textContent = "met";
  at("learned").hidden = false;
  at("onward").classList.add("strong");
  const option = [...at("lesson").options].find(({ value }) => value === current.name);
  if (option) option.textContent = options().find(([name]) => name === current.name)[1];
  at("learned").scrollIntoView({ block: "nearest", behavior: "auto" });
}

function heldOut({ error, typical, how, name: what }, { of }) {
  const [name, value, rest] = at("held-out").children;
  glossary.explain(name, `held-out ${what}${of && `, ${of}`}`);
  value.textContent = error === null ? "" : told(typical ?? error);
  glossary.explain(rest, how);
  // A lesson on one row need not speak of rows held out.
  at("held-out").hidden = Boolean(current) && error === null;
}
