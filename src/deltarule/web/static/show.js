// Showing an answer: every part of the page from what the server said, nothing worked out here.

import * as alpha from "./alpha.js";
import * as charts from "./charts.js";
import { fit } from "./fit.js";
import * as flow from "./flow.js";
import * as glossary from "./glossary.js";
import * as knob from "./knob.js";
import { exact, many, tinted, told, typeset } from "./words.js";

const at = (id) => document.getElementById(id);

export async function all(setting, now, { horizon, onRow }) {
  status(now);
  steps(now, horizon);
  formula(now);
  error(now);
  alpha.show(now.alpha, put);
  weights(setting, now);
  spelled(now);
  beside(now);
  turns(now);
  flow.head(now.next, now.rows.choices.length);
  flow.show(now.flow, now.next);
  hand(now);
  if (now.choices) choices(setting, now);
  rows(now);
  fit();
  const { predict, bowl, deltas, loss } = now.figures;
  await Promise.all([
    charts.draw("predict-chart", predict, { onRow, placed: knob.placed }),
    charts.draw("bowl-chart", bowl),
    charts.draw("deltas-chart", deltas, { onRow }),
    charts.draw("loss-chart", loss),
  ]);
  knob.show(now.handle, now.weights.lines);
  document.body.dataset.step = now.step;
  document.body.dataset.status = now.status.kind;
}

// Where there is no room for both: the deltas, or the error by step.
export function halfOf(chosen) {
  for (const id of ["see-deltas", "see-loss"]) at(id).setAttribute("aria-pressed", id === chosen);
}

export function playing(on) {
  at("play").textContent = on ? "Pause" : "Play";
  at("play").setAttribute("aria-pressed", on);
  // Read aloud when it comes to rest, not sixty times a second.
  at("status").setAttribute("aria-live", on ? "off" : "polite");
}

function fill(select, options, chosen) {
  const now = [...select.options].map(({ value, text }) => `${value}\n${text}`).join("\n");
  if (now !== options.map(([value, text]) => `${value}\n${text}`).join("\n")) {
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  }
  select.value = chosen;
}

// A field that someone types in, or is about to while steps go by, keeps what it has.
function put(id, value) {
  const begun = document.activeElement === at(id) && at("play").getAttribute("aria-pressed") === "true";
  if (!at(id).dataset.typing && !begun) at(id).value = value;
}

const same = (names) => names.map((name) => [name, name]);

// Lessons

export const lessonList = (options) => fill(at("lesson"), [["", "your own table"], ...options], "");

export function lesson(lessons, name, table) {
  const place = lessons.findIndex((one) => one.name === name);
  at("lesson").value = name ?? "";
  at("place").textContent = name ? `Lesson ${place + 1} of ${lessons.length}` : "Your own table";
  at("title").textContent = name ? lessons[place].title : table;
  at("stride").value = name ? lessons[place].stride : 1;
}

// What is chosen

export function choices(setting, now) {
  const { choices: chosen, table, names, outputs } = setting;
  const columns = table.columns.map(({ name }) => name);
  // Several targets are one choice, which only a lesson or a command makes.
  const several = chosen.predict.length > 1 ? [["", many(chosen.predict.length, "target")]] : [];
  fill(at("target"), [...several, ...same(columns)], several.length ? "" : chosen.predict[0]);
  using(chosen, columns);
  at("output-choice").hidden = outputs.length < 2;
  fill(at("output"), outputs.map((name, place) => [String(place), name]), String(now.look.output));
  fill(at("learner"), same(setting.learners), chosen.learner);
  fill(at("loss"), same(setting.losses), chosen.loss);
  batch(chosen.batch);
  put("ridge", exact(chosen.ridge));
  put("start-weight", typeof chosen.start === "number" && !setting.by_hand ? exact(chosen.start) : "");
  at("start-weight").placeholder = setting.by_hand ? "by hand" : "by name";
  at("standardise").checked = chosen.standardise || chosen.learner === "newton";
  at("standardise").disabled = chosen.learner === "newton";
  at("intercept").checked = chosen.intercept;
  fill(at("first-weight"), same(names), now.look.shown[0]);
  fill(at("second-weight"), [["", "none"], ...same(names.filter((name) => name !== now.look.shown[0]))], now.look.shown[1] ?? "");
  const { rows, learnt, sampled, name, left_out: left, gaps } = table;
  const of = learnt === rows ? many(rows, "row") : `${learnt.toLocaleString("en")} of ${many(rows, "row")}`;
  const spread = sampled ? ", evenly spread, for this loss reads them at each step" : "";
  // One's own table has a list of them.
  const lacks = name ? [] : [left, ...gaps];
  const says = [`${name ? `${name}: l` : "L"}earning from ${of}${spread}`, ...lacks, ...setting.notes];
  at("table").textContent = `${says.filter(Boolean).map((one) => one.replace(/\.$/, "")).join(". ")}.`;
}

function batch(size) {
  const select = at("batch");
  const value = size === null ? "" : String(size);
  if (![...select.options].some((one) => one.value === value)) select.add(new Option(many(size, "row"), value));
  select.value = value;
}

function using(chosen, columns) {
  const used = new Set(chosen.using ?? columns);
  const names = at("using").querySelector("summary .names");
  names.title = [...used].join(", ");
  names.dataset.brief = used.size > 1 ? many(used.size, "input") : names.title;
  const shown = [...new Set([...columns, ...used])].filter((name) => !chosen.predict.includes(name));
  const boxes = shown.map((name) => {
    const label = document.createElement("label");
    label.append(Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: used.has(name) }), name);
    return label;
  });
  const fieldset = at("using").querySelector("fieldset");
  const focused = document.activeElement?.value;
  fieldset.replaceChildren(fieldset.firstElementChild, ...boxes);
  if (at("using").open) boxes.map((label) => label.firstChild).find((box) => box.value === focused)?.focus();
}

// Where learning stands

function status({ status: { kind, words }, alpha: { alpha: value }, beside: other }) {
  at("status").className = `status ${kind}`;
  at("status").replaceChildren(...(other ? [`alpha ${told(value)}: `] : []), ...tinted(words, { error: true }));
}

// The run with the second alpha, where there is one.
function beside({ beside: other, alpha: { alpha: value } }) {
  at("compare-alphas").hidden = value === null;
  at("compare-alphas").setAttribute("aria-pressed", other !== null);
  at("beside-status").hidden = !other;
  if (!other) return;
  put("beside-number", exact(Number(other.alpha.toPrecision(6))));
  const { typical, value: error, name } = other.error;
  const parts = [`step ${other.step.toLocaleString("en")}: `];
  parts.push(`${name} `, strong("delta", told(typical ?? error)), ", weight ", strong("weight", told(other.weight)));
  at("beside-status").lastElementChild.replaceChildren(...parts);
  at("beside-status").className = `status twin ${other.status.kind}`;
  at("beside-status").title = typeset(other.status.words);
}

const strong = (className, text) => Object.assign(document.createElement("b"), { className, textContent: text });

function turns({ undo, redo, branch }) {
  at("undo").disabled = !undo;
  at("redo").disabled = !redo;
  at("branch").hidden = !branch;
}

function steps({ step }, horizon) {
  at("scrub").max = horizon;
  if (document.activeElement !== at("scrub") || Math.abs(at("scrub").valueAsNumber - step) > 0) at("scrub").value = step;
  at("scrub").setAttribute("aria-valuetext", `step ${step}`);
  put("number", step);
  at("back").disabled = at("start").disabled = step === 0;
}

function formula({ formula: { says, target, start, terms, more } }) {
  at("output-says").textContent = says;
  const parts = [strong("prediction", target), " = "];
  const signed = (text) => {
    if (parts.length > 2) parts.push(text.startsWith("-") ? " − " : " + ");
    return typeset(parts.length > 2 ? text.replace(/^-/, "") : text);
  };
  for (const text of start) parts.push(strong("weight", signed(text)));
  for (const [text, name] of terms) { const shown = signed(text); parts.push(strong("weight", shown), ` × ${name}`); }
  if (more) parts.push(` + ${more} more`);
  at("formula").replaceChildren(...parts);
}

function error({ error: { what, name, of, value, typical } }) {
  glossary.explain(at("error-what"), `${name}${of && `, ${of}`}`);
  at("error").textContent = told(typical ?? value);
  const squared = typical === null ? "" : `${what.replace("mean squared error", "MSE")} ${told(value)}`;
  at("typical").textContent = at("error").title = squared;
}

function weights(setting, { weights: { lines, more } }) {
  const cell = (text, name = "", title = "") => {
    const made = Object.assign(document.createElement("td"), { className: name, title });
    made.append(Object.assign(document.createElement("span"), { textContent: text }));
    return made;
  };
  const body = at("weights").tBodies[0];
  const focused = document.activeElement?.closest("#weights") ? document.activeElement.value : null;
  body.replaceChildren(...lines.map(({ name, weight, change, frozen }) => {
    const row = document.createElement("tr");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: frozen });
    box.setAttribute("aria-label", `Freeze the weight of ${name}`);
    const held = document.createElement("td");
    const room = document.createElement("label");  // large enough to be hit
    room.append(box);
    held.append(room);
    const moved = change === null ? "" : `${change > 0 ? "+" : ""}${told(change, 4)}`;
    row.append(cell(name, "", name), cell(told(weight), "value", exact(weight)), cell(moved, "change", exact(change)), held);
    return row;
  }));
  if (more) body.append(Object.assign(document.createElement("tr"), { innerHTML: "<td colspan='4'></td>" }));
  if (more) body.lastElementChild.firstElementChild.textContent = `and ${more.toLocaleString("en")} more`;
  if (focused) body.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
}

// Freezing keeps a weight where it stands: what it starts at by name, beside the others.
export function starts(setting, now, { value, checked }) {
  const { start } = setting.choices;
  const named = typeof start === "object" ? { ...start } : {};
  const { weight } = now.weights.lines.find(({ name }) => name === value);
  if (checked) named[value] = weight;
  else delete named[value];
  return Object.keys(named).length ? named : typeof start === "number" ? start : 0;
}

function spelled({ spelled: texts }) {
  at("spelled").replaceChildren(...texts.map((text) => spelledLine(text)));
}

function spelledLine(text) {
  const line = document.createElement("li");
  line.append(...tinted(text));
  return line;
}

function rows({ rows: { numbers, choices: places }, look: { chosen } }) {
  fill(at("row"), places.map((place) => [String(place), numbers[place].toLocaleString("en")]), String(chosen));
}

// A weight by hand

export function hand({ weights: { lines } }) {
  const names = lines.map(({ name }) => name);
  const chosen = names.includes(at("hand-name").value) ? at("hand-name").value : names[0];
  fill(at("hand-name"), same(names), chosen);
  const { weight, reach, frozen } = lines.find(({ name }) => name === chosen);
  const slider = at("hand");
  const inside = slider.dataset.name === chosen && Math.abs(weight) <= Number(slider.max);
  if (!inside) {
    const end = Math.max(reach, 1.5 * Math.abs(weight));
    Object.assign(slider, { min: -end, max: end });
    slider.dataset.name = chosen;
  }
  slider.disabled = at("hand-number").disabled = frozen;
  if (document.activeElement !== slider || !slider.matches(":active")) slider.value = weight;
  slider.setAttribute("aria-valuetext", told(weight));
  put("hand-number", exact(Number(weight.toPrecision(7))));
}
