// The page: what is asked of the server when something is touched, and what is shown of its answers.
// Steps are pulled: the next is asked for when the last is drawn, so that pause is immediate.

import * as alphas from "./alpha.js";
import * as api from "./api.js";
import * as flow from "./flow.js";
import * as knob from "./knob.js";
import * as link from "./link.js";
import * as reading from "./lesson.js";
import * as sheet from "./sheet.js";
import * as show from "./show.js";
import * as wire from "./wire.js";
import * as teacher from "./teacher.js";
import { Line } from "./line.js";
import { fileName } from "./words.js";

const at = (id) => document.getElementById(id);
const FRAME = 60;  // ms that a step is seen for while playing
const UNCHANGED = 10;  // frames without a change to be seen, after which playing ends

let lessons = [];
let session = null;   // its name
let setting = null;   // what stays while learning goes on
let now = null;       // what is drawn
let first = null;     // what the lesson or table began with
let playing = null;
let horizon = 100;
const line = new Line((busy) => { document.body.dataset.asking = busy; });

const path = (what) => `/api/sessions/${session}/${what}`;
const look = (change = {}) => ({ ...(now?.look ?? { output: 0, shown: [], chosen: 0 }), ...change });

// What undo takes as one: all that one stroke of a pointer or key asks for.
let stroke = 0;
let recorded = null;
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, (event) => { if (!event.repeat) stroke += 1; }, { capture: true });
}

async function changing(path, question, mine) {
  const answer = await api.post(path, { ...question, merge: mine !== null && recorded === mine });
  recorded = mine;
  await take(answer);
}

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
  reading.show(setting, now, { resting: !playing });
  await show.all(setting, now, { horizon, onRow: choose });
  if (!playing) remember();
}

// The address says where the page stands, once it rests there: browsers bear no more than that.
let resting = null;
function remember() {
  clearTimeout(resting);
  resting = setTimeout(() => {
    if (!setting || !first) return;
    const wanted = link.write(setting.lesson ?? (setting.kept && `table:${setting.kept}`), first, setting, now);
    if (wanted !== location.hash) history.replaceState(null, "", `${location.pathname}${location.search}${wanted}`);
  }, 150);
}

// Beginning

async function begin(question, lesson, place = null) {
  stop();
  const answer = await question(session);
  horizon = 100;
  setting = null;
  now = null;
  first = answer;
  recorded = null;
  show.lesson(lessons, lesson, answer.table.name);
  reading.open(lesson, answer);
  sheet.prepare(lessons.find(({ name }) => name === lesson), answer.table.learnt).catch((error) => trouble(error.message));
  show.halfOf(answer.unseen ? "see-loss" : "see-deltas");
  if (place && link.leads(place)) await follow(answer, place);
  else await take(answer);
}

// To where a link leads, from how its lesson begins. What it cannot say is left out.
async function follow(answer, { choices, look: looked, row, number }) {
  session = answer.session;
  setting = answer;
  now = answer;
  paused = false;
  try {
    await take(await api.post(path("choices"), { ...answer.choices, ...choices, number, merge: true, look: { ...answer.look, ...looked } }));
    const chosen = now.rows.numbers.indexOf(row);
    if (chosen > 0) now.look.chosen = chosen;
    if (chosen > 0 && now.step >= number) await take(await stepTo(number));
    await goOn(number);
  } catch (error) {
    await take(answer);
    throw error;
  }
}

const openLesson = (name, place = null) => ask(() => begin((instead) => api.post("/api/sessions", { lesson: name, instead }), name, place));
const openGiven = (place = null) => openLesson(null, place);
const openFile = (file) => ask(() => busy(`Reading ${file.name}`, () => begin((instead) => api.bring(file, instead), null)));

// A table that was brought before, as after a reload.
const openKept = (table, place) => ask(async () => {
  try {
    await begin((instead) => api.post("/api/sessions", { table, instead }), null, place);
  } catch (error) {
    const { name } = lessons[0];
    if (!setting) await begin((instead) => api.post("/api/sessions", { lesson: name, instead }), name);
    throw error;
  }
});

async function busy(words, work) {
  at("busy").firstElementChild.textContent = words;
  at("busy").hidden = false;
  document.body.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    at("busy").hidden = true;
    document.body.removeAttribute("aria-busy");
  }
}

// Steps

const stepTo = (number) => api.post(path("step"), { number, look: look() });

// A run without a closed form goes as far as there is time for, so it is asked again.
async function goTo(number, flight = null) {
  const before = now.step;
  const [answer] = await Promise.all([stepTo(number), flight]);
  await take(answer);
  if (now.step !== before) await goOn(number);
}

async function goOn(number) {
  while (now.step < number && !paused) {
    const before = now.step;
    await take(await stepTo(number));
    if (now.step === before) break;
  }
}

let paused = false;

// The numbers that a person sees change from step to step.
const shownNumbers = () => [...document.querySelectorAll("#formula, #error, #held-out, #weights .value")].map((one) => one.textContent).join();

// Who was stopped must not stop what came after it: it only ends when it is itself at an end.
async function play() {
  const mine = playing = {};
  let was = now?.status.kind, seen = { text: "", frames: 0 };
  paused = false;
  show.playing(true);
  while (playing === mine) {
    const begun = performance.now();
    const before = now.step;
    await ask(() => goTo(now.step + Number(at("stride").value)));
    seen = shownNumbers() === seen.text ? { ...seen, frames: seen.frames + 1 } : { text: shownNumbers(), frames: 0 };
    const { kind } = now.status;
    const rests = now.step === before || ["settled", "over"].includes(kind) || (kind === "crawling" && was !== kind);
    if (playing === mine && (rests || seen.frames >= UNCHANGED)) stop();
    was = kind;
    await new Promise((done) => setTimeout(done, Math.max(0, FRAME - (performance.now() - begun))));
  }
}

function stop() {
  const was = playing;
  playing = null;
  paused = true;
  show.playing(false);
  if (was && now) {
    remember();
    reading.show(setting, now, { resting: true });
  }
}

function step(number, slides = null) {
  stop();
  flow.land();
  return ask(() => { paused = false; return goTo(number); }, { slides });
}

// Counted from where the steps that were asked for before have led. A single step forwards is seen
// as the travel of one row's numbers, unless the next one waits.
function stepBy(count) {
  stop();
  flow.land();
  return ask(() => {
    paused = false;
    return goTo(Math.max(0, now.step + count), count === 1 && !line.waits ? flow.travel() : null);
  });
}

// Choices

function change(parts, { keep = false, slides = null, looking = {} } = {}) {
  stop();
  const mine = slides && stroke;
  return ask(async () => {
    paused = false;
    const number = keep ? now.step : 0;
    await changing(path("choices"), { ...setting.choices, ...parts, number, look: look(looking) }, mine);
    await goOn(number);
  }, { slides });
}

function turn(way) {
  stop();
  recorded = null;
  return ask(async () => {
    paused = false;
    const answer = await api.post(path(way), { look: look() });
    await take(answer);
    await goOn(answer.wanted);
  });
}

// Each column has a loss that suits it as a target; classes learn on standardised inputs.
function suited(target) {
  const { loss, kind } = setting.table.columns.find(({ name }) => name === target);
  return kind === "category" ? { loss, standardise: true } : { loss };
}

function redraw(looking) {
  return ask(async () => take(await api.post(path("step"), { number: now.step, look: look(looking) })));
}

const choose = (row) => redraw({ chosen: row });

function hand(name, weight) {
  stop();
  const mine = stroke;
  return ask(() => changing(path("hand"), { name, weight, look: look() }, mine), { slides: "hand" });
}

function number(element, use) {
  element.addEventListener("input", () => { element.dataset.typing = "yes"; });
  element.addEventListener("blur", () => { delete element.dataset.typing; });
  // After Enter the arrow keys take steps again.
  element.addEventListener("keydown", ({ key }) => { if (key === "Enter") setTimeout(() => element.blur()); });
  element.addEventListener("change", () => {
    delete element.dataset.typing;
    const value = element.valueAsNumber;
    if (Number.isFinite(value)) use(value);
    else show.choices(setting, now);
  });
}

// Wiring

function listen() {
  at("bring").addEventListener("click", () => at("file").click());
  at("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) openFile(target.files[0]);
    target.value = "";
  });
  at("given").addEventListener("click", () => openGiven());
  at("undo").addEventListener("click", () => turn("undo"));
  at("redo").addEventListener("click", () => turn("redo"));
  at("branch").addEventListener("click", () => turn("undo"));
  at("compare-alphas").addEventListener("click", () => {
    const { alpha, fastest, limit } = now.alpha;
    const other = fastest && Math.abs(fastest / alpha - 1) > 0.01 ? fastest : alpha / 2;
    redraw({ beside: now.look.beside ? null : limit && other >= limit ? alpha / 2 : other });
  });
  number(at("beside-number"), (value) => value > 0 && redraw({ beside: value }));
  at("trouble").lastElementChild.addEventListener("click", () => trouble(""));
  at("lesson").addEventListener("change", ({ target }) => target.value && openLesson(target.value));
  for (const [id, by] of [["previous-lesson", -1], ["next-lesson", 1]]) {
    at(id).addEventListener("click", () => {
      const here = lessons.findIndex(({ name }) => name === setting?.lesson);
      openLesson(lessons[(here + by + lessons.length) % lessons.length].name);
    });
  }

  at("step").addEventListener("click", () => stepBy(Number(at("stride").value)));
  at("back").addEventListener("click", () => stepBy(-Number(at("stride").value)));
  at("start").addEventListener("click", () => step(0));
  at("play").addEventListener("click", () => (playing ? stop() : play()));
  at("scrub").addEventListener("input", ({ target }) => step(target.valueAsNumber, "scrub"));
  number(at("number"), (value) => { while (value >= horizon) horizon *= 2; step(Math.round(value)); });

  at("alpha").addEventListener("input", ({ target }) => change({ alpha: alphas.alphaAt(target.valueAsNumber) }, { keep: true, slides: "alpha" }));
  number(at("alpha-number"), (alpha) => change({ alpha }, { keep: true }));
  at("fastest").addEventListener("click", () => change({ alpha: now.alpha.fastest }, { keep: true }));
  at("limit").addEventListener("click", () => change({ alpha: now.alpha.limit * 1.05 }, { keep: true }));
  at("learner").addEventListener("change", ({ target }) => {
    const all = target.value === "newton" ? { batch: null } : {};
    change({ learner: target.value, alpha: null, ...all });
  });
  at("loss").addEventListener("change", ({ target }) => change({ loss: target.value, alpha: null }));
  at("batch").addEventListener("change", ({ target }) => {
    const size = (batch) => batch ?? Infinity;
    const batch = target.value ? Number(target.value) : null;
    // What settles on few rows settles on more of them, not the other way about.
    const alpha = size(batch) < size(setting.choices.batch) ? { alpha: null } : {};
    change({ batch, ...alpha });
  });
  number(at("ridge"), (ridge) => change({ ridge }, { keep: true }));
  number(at("start-weight"), (start) => change({ start }));
  at("standardise").addEventListener("change", ({ target }) => change({ standardise: target.checked, alpha: null }));
  at("intercept").addEventListener("change", ({ target }) => change({ intercept: target.checked, alpha: null }));

  at("target").addEventListener("change", ({ target }) => {
    if (!target.value) return;
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
  knob.wire(hand);
  for (const id of ["see-deltas", "see-loss"]) at(id).addEventListener("click", () => show.halfOf(id));
  wire.panels();
  wire.lists();

  at("save-model").addEventListener("click", () => ask(() => api.download(path("model"), fileName(setting.choices.predict[0], "model.json"))));
  at("save-ledger").addEventListener("click", () => ask(() => api.download(path("ledger"), fileName(setting.choices.predict[0], "ledger.csv"))));
  wireKeys();
  wire.drop(openFile);
}

function wireKeys() {
  document.addEventListener("keydown", (event) => {
    if (!now) return;
    const typing = event.target.matches("input[type=number], input[type=text], textarea");
    if ((event.ctrlKey || event.metaKey) && ["z", "y"].includes(event.key.toLowerCase()) && !typing) {
      event.preventDefault();
      turn(event.shiftKey || event.key.toLowerCase() === "y" ? "redo" : "undo");
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.target;
    // Fields and lists have a use of their own for these keys, and others for some of them.
    if (on.closest("input:not([type=checkbox]), select, fieldset, [role=slider]")) return;
    if (event.key === " " && on.closest("button, summary, input, a, .scroll")) return;
    if (event.key === "Home" && on.closest(".scroll")) return;
    const act = {
      " ": () => (playing ? stop() : play()),
      ArrowRight: () => stepBy(1),
      ArrowLeft: () => stepBy(-1),
      Home: () => step(0),
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
}

async function main() {
  const found = await api.get("/api/lessons");
  lessons = found.lessons;
  at("given").hidden = !found.given;
  at("given").textContent = found.given ?? "";
  reading.init(found, openLesson);
  teacher.init();
  show.lessonList(reading.options());
  listen();
  // A link that is pasted or gone back to, as opposed to what the page itself writes there.
  addEventListener("hashchange", ({ newURL }) => openLink(found, new URL(newURL).hash));
  await openLink(found, location.hash);
}

function openLink({ given }, hash) {
  const place = link.read(hash);
  if (lessons.some(({ name }) => name === place.lesson)) return openLesson(place.lesson, place);
  if (place.lesson.startsWith("table:")) return openKept(place.lesson.slice("table:".length), place);
  return given ? openGiven(place) : openLesson(lessons[0].name);
}

main().catch((error) => trouble(error.message));
