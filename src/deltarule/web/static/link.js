// The page's state in its address, so that a link shows the same: #LESSON&alpha=1e-11&step=3.
// Only what differs from how the lesson begins is written.

const LISTS = ["predict", "using", "freeze"];
const WORDS = ["loss", "learner"];
const NUMBERS = ["alpha", "batch", "ridge"];
const SWITCHES = ["standardise", "intercept"];

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// Where a link leads: a lesson, choices, what is looked at, and the step.
export function read(hash) {
  const [lesson, ...rest] = hash.replace(/^#/, "").split("&");
  const said = new URLSearchParams(rest.join("&"));
  const choices = {}, look = {};
  for (const name of LISTS) if (said.has(name)) choices[name] = said.getAll(name).filter(Boolean);
  for (const name of WORDS) if (said.has(name)) choices[name] = said.get(name);
  for (const name of SWITCHES) if (said.has(name)) choices[name] = said.get(name) === "yes";
  for (const name of NUMBERS) {
    const value = said.get(name);
    if (value === "auto" || value === "all") choices[name] = null;
    else if (value && Number.isFinite(Number(value))) choices[name] = Number(value);
  }
  if (said.has("start")) choices.start = start(said.getAll("start"));
  if (said.has("over")) look.shown = said.getAll("over").slice(0, 2);
  if (Number(said.get("compare")) > 0) look.beside = Number(said.get("compare"));
  const whole = (name) => Math.max(0, Math.round(Number(said.get(name)) || 0));
  if (said.has("output")) look.output = whole("output");
  return { lesson: decoded(lesson), choices, look, row: whole("row"), number: Math.min(whole("step"), 1_000_000) };
}

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return ""; }
}

export const leads = ({ choices, look, row, number }) => number > 0 || row > 0 || Object.keys(choices).length > 0 || Object.keys(look).length > 0;

// One number for all weights, or NAME:NUMBER for each.
function start(values) {
  const pairs = values.map((text) => [text.slice(0, text.lastIndexOf(":")), Number(text.slice(text.lastIndexOf(":") + 1))]);
  if (values.length === 1 && !values[0].includes(":")) return Number(values[0]) || 0;
  return Object.fromEntries(pairs.filter(([, value]) => Number.isFinite(value)));
}

// The same for the page as it stands; `first` is how it began.
export function write(lesson, first, setting, now) {
  const { choices } = setting;
  const said = new URLSearchParams();
  const differs = (name) => !same(choices[name], first.choices[name]);
  for (const name of LISTS.filter(differs)) for (const one of choices[name].length ? choices[name] : [""]) said.append(name, one);
  for (const name of WORDS.filter(differs)) said.set(name, choices[name]);
  for (const name of NUMBERS.filter(differs)) said.set(name, choices[name] ?? (name === "batch" ? "all" : "auto"));
  for (const name of SWITCHES.filter(differs)) said.set(name, choices[name] ? "yes" : "no");
  const begin = setting.hand ?? choices.start;
  if (!same(begin, first.choices.start)) {
    if (typeof begin === "number") said.set("start", begin);
    else for (const [name, value] of Object.entries(begin)) said.append("start", `${name}:${value}`);
  }
  const { look } = now;
  if (look.output !== first.look.output) said.set("output", look.output);
  if (look.chosen !== first.look.chosen) said.set("row", now.rows.numbers[look.chosen]);
  if (!same(look.shown, first.look.shown)) for (const name of look.shown) said.append("over", name);
  if (look.beside) said.set("compare", look.beside);
  if (now.step) said.set("step", now.step);
  const rest = said.toString();
  return `#${encodeURIComponent(lesson ?? "table")}${rest ? `&${rest}` : ""}`;
}
