// A form made from a model's contract, a row's prediction and its explanation.

import { ask, element, made, open, trouble } from "/static/ask.js";

let contract = null;

const address = (name) => `/models/${encodeURIComponent(name)}`;

function field(name, schema, example) {
  const label = made("label", `${name} `);
  const types = schema.type.filter((type) => type !== "null");
  let input;
  if (types.length === 1 && types[0] === "boolean") {
    input = made("select");
    for (const word of ["", "true", "false"]) input.append(made("option", word, { value: word }));
  } else {
    const text = types.includes("string");
    input = made("input", "", { type: text ? "text" : "number", autocomplete: "off" });
    if (!text) input.step = "any";
    if (schema["x-levels"]) label.append(levels(input, schema["x-levels"]));
  }
  input.name = name;
  input.value = example ?? "";
  label.append(input);
  if (schema.description) label.append(made("small", schema.description));
  return label;
}

let lists = 0;

function levels(input, known) {
  const list = made("datalist", "", { id: `levels-${(lists += 1)}` });
  for (const level of known) list.append(made("option", "", { value: level }));
  input.setAttribute("list", list.id);
  return list;
}

// What a field holds, in the first of the types that it may have; nothing is missing.
function value(text, schema) {
  if (text === "") return null;
  if (schema.type.includes("string") && !schema.type.includes("number")) return text;
  if (schema.type.includes("number") && text.trim() !== "" && Number.isFinite(Number(text))) {
    return Number(text);
  }
  if (schema.type.includes("boolean") && ["true", "false"].includes(text)) return text === "true";
  return text;
}

function row() {
  const properties = contract.schema.properties;
  const found = {};
  for (const input of element("fields").querySelectorAll("input, select")) {
    found[input.name] = value(input.value, properties[input.name]);
  }
  return found;
}

function told(cell) {
  if (typeof cell !== "number") return cell ?? "none";
  const whole = Math.abs(cell) >= 100_000;
  return cell.toLocaleString("en", whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 6 });
}

function show(answer, why) {
  const list = element("predictions");
  list.replaceChildren();
  for (const [name, cell] of Object.entries(answer.predictions[0])) {
    if (name === "flags") continue;
    const pair = made("div");
    pair.append(made("dt", name), made("dd", told(cell), { title: String(cell) }));
    list.append(pair);
  }
  element("notes").replaceChildren(...answer.notes.map((note) => made("li", note)));
  // The server's own HTML, in which every text of the model and the row is escaped.
  element("why").innerHTML = why;
  element("answer").hidden = false;
}

function mark(name) {
  for (const input of element("fields").querySelectorAll("input, select")) {
    if (input.name === name) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}

async function predict(event) {
  event?.preventDefault();
  mark(null);
  try {
    const body = row();
    const path = address(contract.name);
    const [answer, why] = await Promise.all([
      ask(`${path}/predict`, { body }),
      ask(`${path}/explain`, { body, accept: "text/html" }),
    ]);
    show(answer, why);
    trouble("");
  } catch (problem) {
    element("answer").hidden = true;
    mark(problem.field);
    trouble(problem.detail ?? "the server does not answer");
  }
}

async function choose(name) {
  contract = await ask(address(name));
  element("title").textContent = `Predict ${contract.predicts.join(", ")}`;
  element("lead").textContent = Object.entries(contract.held_out ?? {})
    .map(([of, { rmse, baseline_rmse: guessing }]) =>
      `${of}: typical error on held-out rows ${told(rmse)}, of always guessing ${told(guessing)}`)
    .join("; ");
  const properties = Object.entries(contract.schema.properties);
  element("fields").replaceChildren(
    ...properties.map(([of, schema]) => field(of, schema, contract.example[of])),
  );
  element("answer").hidden = true;
  element("row").hidden = false;
  document.body.dataset.model = name;
}

element("row").addEventListener("submit", predict);
element("model").addEventListener("change", (event) => choose(event.target.value));

await open(async () => {
  const { models } = await ask("/models");
  element("model").replaceChildren(
    ...models.map(({ name }) => made("option", name, { value: name })),
  );
  await choose(models[0].name);
});
