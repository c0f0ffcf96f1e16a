// The print sheet of a lesson: its question, an exercise with empty tables to fill in by hand, and
// the answers on a page of their own. It is what the page prints, and nowhere else to be seen.

import * as api from "./api.js";
import { typeset } from "./words.js";

const at = (id) => document.getElementById(id);
const make = (tag, settings = {}, ...parts) => {
  const made = Object.assign(document.createElement(tag), settings);
  made.append(...parts);
  return made;
};
const text = (tag, words) => make(tag, { textContent: typeset(words) });

// The sheet of this lesson, or none, ready for when the page is printed.
export async function prepare(lesson, rows) {
  at("print-sheet").hidden = !lesson;
  at("sheet").replaceChildren();
  document.body.classList.toggle("with-sheet", Boolean(lesson));
  if (!lesson) return;
  const found = await api.get(`/api/lessons/${lesson.name}/sheet`);
  at("sheet").replaceChildren(questions(lesson, found, rows), answers(lesson, found));
  at("sheet").dataset.lesson = lesson.name;
}

function questions({ title, prose, question, learned }, sheet, rows) {
  return make("section", {},
    make("p", { className: "sheet-head", textContent: "deltarule" }, make("span", { textContent: "Name ______________________   Date ____________" })),
    text("h1", title),
    ...prose.map((words) => text("p", words.replace("{rows}", rows.toLocaleString("en")))),
    make("h2", { textContent: "1. Predict before you press" }),
    text("p", question.text),
    make("ul", { className: "boxes" }, ...question.answers.map((answer) => text("li", answer.text))),
    make("h2", { textContent: "2. By hand" }),
    text("p", sheet.intro),
    make("p", { className: "rule" }, ...rules(sheet).map((words) => text("span", words))),
    ...sheet.steps.map((step) => tables(sheet, step, false)),
    make("h2", { textContent: "3. In your own words" }),
    text("p", learned.includes("alpha") && learned.includes("weight_delta") ? "What are delta, weight_delta and alpha?" : "What did this lesson show?"),
    make("p", { className: "lines" }), make("p", { className: "lines" }));
}

const rules = ({ row_head: head }) => [
  head.includes("score") ? "score = weight * input, summed" : "prediction = weight * input, summed",
  "delta = prediction - target",
  "weight_delta = mean of delta * input",
  "weight after = weight before - alpha * weight_delta",
];

function answers({ title, question, learned }, sheet) {
  const right = question.answers.find((answer) => answer.right);
  return make("section", { className: "answers-page" },
    make("p", { className: "sheet-head", textContent: "deltarule" }, make("span", { textContent: typeset(`Answers: ${title}`) })),
    make("h2", { textContent: "1. Predict before you press" }),
    make("p", {}, make("b", { textContent: typeset(right.text) }), typeset(`. ${right.says}`)),
    ...question.answers.filter((answer) => !answer.right).map((answer) => make("p", {}, make("i", { textContent: typeset(answer.text) }), typeset(`? ${answer.says}`))),
    make("h2", { textContent: "2. By hand" }),
    ...sheet.steps.map((step) => tables(sheet, step, true)),
    text("p", sheet.answer),
    make("h2", { textContent: "3. In your own words" }),
    text("p", learned));
}

function tables({ row_head: rowHead, weight_head: weightHead }, { title, rows, weights }, filled) {
  return make("div", { className: "step" }, make("h3", { textContent: title }), table(rowHead, rows, filled), table(weightHead, weights, filled));
}

function table(head, lines, filled) {
  const cell = ({ text: words, given }) => make("td", { className: given ? "given" : "blank", textContent: given || filled ? typeset(words) : "" });
  return make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((words) => Object.assign(text("th", words), { scope: "col" })))),
    make("tbody", {}, ...lines.map((line) => make("tr", {}, ...line.map(cell)))));
}
