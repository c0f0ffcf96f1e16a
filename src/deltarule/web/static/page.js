// The page: what is asked of the server when something is touched, and what is shown of its answers.
// Steps are pulled: the next is asked for when the last is drawn, so that pause is immediate.

import * as api from "./api.js";
import * as charts from "./charts.js";
import * as show from "./show.js";
import { Line } from "./line.js";

const at = (id) => document.getElementById(id);
const FRAME = 60;  // ms that a step is seen for while playing

let lessons = [];
let session = null;   // its name
let setting = null;   // what stays while learning goes on
let now = null;       // what is drawn
let playing = null;
let horizon = 100;
const line = new Line();

const path = (what) => `/api/sessions/${session}/${what}`;
const look = (change = {}) => ({ ...(now?.look ?? { output: 0, shown: [], chosen: 0 }), ...change });

// One question at a time, in order; of those that a slider sends only the last one waits.
function ask(question, { slides = null } = {}) {
  return line.join(async () => {
    try {
      trouble("");
      await question();
    } catch (error) {
      stop();
      trouble(error.message);
      if (setting) show.choices(setting, now);
    }
  }, slides);
}

function trouble(words) {
  at("trouble").hidden = !words;
  at("trouble").firstElementChild.textContent = words;
}

async function take(answer) {
  if (answer.session) session = answer.session;
  if (answer.choices) setting = { ...setting, ...answer };
  now = answer;
  while (now.step >= horizon) horizon *= 2;
  await show.all(setting, now, { horizon, onRow: choose });
}

// Beginning

async function begin(question, lesson) {
  stop();
  const answer = await question();
  horizon = 100;
  setting = null;
  now = null;
  show.lesson(lessons, lesson, answer.table.name);
  history.replaceState(null, "", `${location.pathname}${location.search}#${lesson ?? "table"}`);
  await take(answer);
}

const openLesson = (name) => ask(() => begin(() => api.post("/api/sessions", { lesson: name }), name));
const openGiven = () => ask(() => begin(() => api.post("/api/sessions", { lesson: null }), null));
const openFile = (file) => ask(() => begin(() => api.bring(file), null));

// Steps

// A run without a closed form goes as far as there is time for, so it is asked again.
async function goTo(number) {
  do {
    const before = now.step;
    await take(await api.post(path("step"), { number, look: look() }));
    if (now.step === before) break;
  } while (now.step !== number && (playing || now.step < number) && !paused);
}

let paused = false;

// Who was stopped must not stop what came after it: it only ends when it is itself at an end.
async function play() {
  const mine = playing = {};
  paused = false;
  show.playing(true);
  while (playing === mine) {
    const begun = performance.now();
    const before = now.step;
    await ask(() => goTo(now.step + Number(at("stride").value)));
    if (playing === mine && now.step === before) stop();
    await new Promise((done) => setTimeout(done, Math.max(0, FRAME - (performance.now() - begun))));
  }
}

function stop() {
  playing = null;
  paused = true;
  show.playing(false);
}

function step(number, slides = null) {
  stop();
  return ask(() => { paused = false; return goTo(Math.max(0, number)); }, { slides });
}

// Choices

function change(parts, { keep = false, slides = null, looking = {} } = {}) {
  stop();
  return ask(async () => {
    const wanted = { ...setting.choices, ...parts, number: keep ? now.step : 0, look: look(looking) };
    await take(await api.post(path("choices"), wanted));
  }, { slides });
}

// Classes want a loss of their own, and numbers do not want that one.
function suited(target) {
  const classes = setting.table.columns.find(({ name }) => name === target)?.kind === "category";
  if (classes) return { loss: "softmax", standardise: true };
  return setting.choices.loss === "softmax" ? { loss: "squared" } : {};
}

function redraw(looking) {
  return ask(async () => take(await api.post(path("step"), { number: now.step, look: look(looking) })));
}

const choose = (row) => redraw({ chosen: row });

function hand(name, weight) {
  stop();
  return ask(async () => take(await api.post(path("hand"), { name, weight, look: look() })), { slides: "hand" });
}

function number(element, use) {
  element.addEventListener("input", () => { element.dataset.typing = "yes"; });
  element.addEventListener("blur", () => { delete element.dataset.typing; });
  element.addEventListener("change", () => {
    delete element.dataset.typing;
    const value = element.valueAsNumber;
    if (Number.isFinite(value)) use(value);
    else show.choices(setting, now);
  });
}

// Wiring

function wire() {
  at("bring").addEventListener("click", () => at("file").click());
  at("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) openFile(target.files[0]);
    target.value = "";
  });
  at("given").addEventListener("click", openGiven);
  at("trouble").lastElementChild.addEventListener("click", () => trouble(""));
  at("lesson").addEventListener("change", ({ target }) => target.value && openLesson(target.value));
  for (const [id, by] of [["previous-lesson", -1], ["next-lesson", 1]]) {
    at(id).addEventListener("click", () => {
      const here = lessons.findIndex(({ name }) => name === setting?.lesson);
      openLesson(lessons[(here + by + lessons.length) % lessons.length].name);
    });
  }

  at("step").addEventListener("click", () => step(now.step + Number(at("stride").value)));
  at("back").addEventListener("click", () => step(now.step - Number(at("stride").value)));
  at("start").addEventListener("click", () => step(0));
  at("play").addEventListener("click", () => (playing ? stop() : play()));
  at("scrub").addEventListener("input", ({ target }) => step(target.valueAsNumber, "scrub"));
  number(at("number"), (value) => { while (value >= horizon) horizon *= 2; step(Math.round(value)); });

  at("alpha").addEventListener("input", ({ target }) => change({ alpha: show.alphaAt(target.valueAsNumber) }, { keep: true, slides: "alpha" }));
  number(at("alpha-number"), (alpha) => change({ alpha }, { keep: true }));
  at("fastest").addEventListener("click", () => change({ alpha: now.alpha.fastest }, { keep: true }));
  at("limit").addEventListener("click", () => change({ alpha: now.alpha.limit * 1.05 }, { keep: true }));
  at("learner").addEventListener("change", ({ target }) => {
    const all = target.value === "newton" ? { batch: null } : {};
    change({ learner: target.value, alpha: null, ...all });
  });
  at("loss").addEventListener("change", ({ target }) => change({ loss: target.value, alpha: null }));
  at("batch").addEventListener("change", ({ target }) => change({ batch: target.value ? Number(target.value) : null, alpha: null }));
  number(at("ridge"), (ridge) => change({ ridge }, { keep: true }));
  number(at("start-weight"), (start) => change({ start }));
  at("standardise").addEventListener("change", ({ target }) => change({ standardise: target.checked, alpha: null }));
  at("intercept").addEventListener("change", ({ target }) => change({ intercept: target.checked, alpha: null }));

  at("target").addEventListener("change", ({ target }) => {
    const using = setting.choices.using.filter((name) => name !== target.value);
    const spare = setting.table.columns.map(({ name }) => name).find((name) => name !== target.value);
    change({ predict: [target.value], using: using.length ? using : [spare], alpha: null, start: 0, freeze: [], ...suited(target.value) }, { looking: { output: 0, shown: [] } });
  });
  at("using").addEventListener("change", () => {
    const using = [...at("using").querySelectorAll("input:checked")].map(({ value }) => value);
    if (!using.length) return show.choices(setting, now);
    change({ using, alpha: null, start: 0, freeze: [] }, { looking: { shown: [] } });
  });
  at("output").addEventListener("change", ({ target }) => redraw({ output: Number(target.value) }));
  for (const id of ["first-weight", "second-weight"]) {
    at(id).addEventListener("change", () => redraw({ shown: [at("first-weight").value, at("second-weight").value].filter(Boolean) }));
  }
  at("row").addEventListener("change", ({ target }) => choose(Number(target.value)));
  at("weights").addEventListener("change", ({ target }) => {
    const kept = setting.choices.freeze.filter((name) => name !== target.value);
    change({ freeze: target.checked ? [...kept, target.value] : kept, start: show.starts(setting, now, target) });
  });

  at("hand-name").addEventListener("change", () => show.hand(now));
  at("hand").addEventListener("input", ({ target }) => hand(at("hand-name").value, target.valueAsNumber));
  number(at("hand-number"), (weight) => hand(at("hand-name").value, weight));
  wireHandle();
  wirePanels();

  at("save-model").addEventListener("click", () => ask(() => api.download(path("model"), `${setting.outputs[0]}-model.json`)));
  at("save-ledger").addEventListener("click", () => ask(() => api.download(path("ledger"), `${setting.outputs[0]}-ledger.csv`)));
  wireKeys();
  wireDrop();
}

function wirePanels() {
  for (const id of ["see-deltas", "see-loss"]) at(id).addEventListener("click", () => show.halfOf(id));
  const panels = document.querySelector(".panels");
  const hops = [...document.querySelectorAll(".hops a")];
  // Where panels are beside each other: go to one, and tell which one is seen.
  for (const [place, hop] of hops.entries()) {
    hop.addEventListener("click", (event) => {
      event.preventDefault();
      panels.scrollTo({ left: place * panels.clientWidth });
    });
  }
  const seen = () => {
    const here = panels.clientWidth ? Math.round(panels.scrollLeft / panels.clientWidth) : 0;
    for (const [place, hop] of hops.entries()) {
      if (place === here) hop.setAttribute("aria-current", "true");
      else hop.removeAttribute("aria-current");
    }
  };
  panels.addEventListener("scroll", seen, { passive: true });
  seen();
}

function wireHandle() {
  const handle = at("handle");
  const drag = (event) => {
    const height = event.clientY - at("predict-chart").getBoundingClientRect().top;
    const { name, x, start } = now.handle;
    hand(name, (charts.valueAt("predict-chart", height) - start) / x);
  };
  handle.addEventListener("pointerdown", (event) => { handle.setPointerCapture(event.pointerId); event.preventDefault(); handle.focus(); });
  handle.addEventListener("pointermove", (event) => handle.hasPointerCapture(event.pointerId) && drag(event));
  handle.addEventListener("keydown", (event) => {
    const way = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const { weight, reach } = now.weights.lines.find(({ name }) => name === now.handle.name);
    hand(now.handle.name, weight + (way * reach) / 100);
  });
}

function wireKeys() {
  document.addEventListener("keydown", (event) => {
    if (!now || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, button, summary, details, .scroll")) return;
    const act = {
      " ": () => (playing ? stop() : play()),
      ArrowRight: () => step(now.step + 1),
      ArrowLeft: () => step(now.step - 1),
      Home: () => step(0),
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
}

function wireDrop() {
  let inside = 0;
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => { if (files(event)) { inside += 1; at("drop").hidden = false; } });
  addEventListener("dragleave", (event) => { if (files(event) && --inside <= 0) { inside = 0; at("drop").hidden = true; } });
  addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    inside = 0;
    at("drop").hidden = true;
    openFile(event.dataTransfer.files[0]);
  });
}

async function main() {
  const found = await api.get("/api/lessons");
  lessons = found.lessons;
  at("given").hidden = !found.given;
  at("given").textContent = found.given ?? "";
  show.lessonList(lessons);
  wire();
  const wanted = location.hash.slice(1);
  const known = lessons.some(({ name }) => name === wanted);
  if (found.given && !known) await openGiven();
  else await openLesson(known ? wanted : lessons[0].name);
}

main().catch((error) => trouble(error.message));
