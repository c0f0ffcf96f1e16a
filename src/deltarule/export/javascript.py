"""A model as one JavaScript module without dependencies, for Node and browsers."""

import json
import math
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from deltarule.errors import ExportError, ExpressionError
from deltarule.export.contract import contract, rare
from deltarule.export.node import node
from deltarule.scorer import patterns
from deltarule.scorer.source import Lines, Source
from deltarule.scorer.tree import Kind, Tree

TYPES: Mapping[Kind, str] = {
    "number": "number|string|null",
    "boolean": "boolean|number|string|null",
    "text": "string|null",
    "date": "string|null",
    "datetime": "string|null",
    "time": "string|null",
}
HEAD = """\
// A model that predicts rows, as one module that needs nothing else, in Node and in browsers.
//
// import { predict, explain, drift } from "./model.mjs";
"""
API = """
/**
 * The prediction of a row.
 * @param {Row} row
 * @returns {Object<string, number|string|null>}
 * @throws {RefusedError} naming the column, for a cell that cannot be used
 */
export function predict(row) {
  return told(predictions(inputs(complete(row), [])));
}

/**
 * The prediction with the average row's, and what each column adds to it.
 * @param {Row} row
 * @returns {Object<string, number|string|null>}
 */
export function explain(row) {
  return told(explained(inputs(complete(row), [])));
}

/**
 * What is new in a row: levels never seen, numbers out of range, gaps.
 * @param {Row} row
 * @returns {string[]}
 */
export function drift(row) {
  const found = [];
  inputs(complete(row), found);
  const words = { unseen: "never seen", outside: "out of range", missing: "missing" };
  const rare = (kind, name) => (kind === "unseen" && RARE.includes(name) ? "too rare or " : "");
  return found.map(([kind, name]) => `${name}: ${rare(kind, name)}${words[kind]}`);
}

/** What a sum of infinite parts leaves undefined is missing. */
function told(found) {
  for (const [name, value] of Object.entries(found)) {
    if (Number.isNaN(value)) found[name] = null;
  }
  return found;
}

/** The row, refused if it lacks a column. */
function complete(row) {
  for (const name of COLUMNS) {
    if (Object.hasOwn(row, name)) continue;
    throw new RefusedError(`the row has no column ${JSON.stringify(name)}`, name);
  }
  return row;
}
"""
DRIVER = """
import { readFileSync } from "node:fs";
const { explain } = await import("./model.mjs");
const rows = JSON.parse(readFileSync(0, "utf8"));
const beyond = (value) => typeof value === "number" && !Number.isFinite(value);
const shown = (name, value) => (beyond(value) ? { beyond: String(value) } : value);
process.stdout.write(JSON.stringify(rows.map(explain), shown));
"""
SECONDS = 60


class JavaScriptSyntax:
    """The walk's words in JavaScript."""

    def literal(self, value: object) -> str:
        if value is None or type(value) in (str, bool, int):
            # Nothing that ends a script in a page, nor a comment.
            return json.dumps(value).replace("<", "\\u003c").replace("*/", "*\\/")
        if type(value) is float and math.isfinite(value):
            return repr(value).removesuffix(".0")
        if type(value) is tuple:
            return f"[{', '.join(map(self.literal, value))}]"
        if type(value) is dict:
            pairs = (f"[{self.literal(k)}, {self.literal(v)}]" for k, v in value.items())
            return f"new Map([{', '.join(pairs)}])"
        raise ExpressionError(f"a {type(value).__name__} that is no finite number is in the model")

    def called(self, function: str) -> str:
        return re.sub(r"_([a-z])", lambda one: one[1].upper(), function)

    def cell(self, column: str) -> str:
        return f"row[{self.literal(column)}] ?? null"

    def is_missing(self, x: str) -> str:
        return f"{x} === null"

    def is_outside(self, x: str, low: str, high: str) -> str:
        return f"!({low} <= {x} && {x} <= {high})"

    def choice(self, x: str, gone: str, there: str) -> str:
        return f"{x} === null ? {gone if gone != x else 'null'} : {there}"

    def level(self, levels: str, x: str) -> str:
        return f"{levels}.get({x}) ?? null"

    def first(self, name: str, value: str) -> str:
        return f"let {name} = {value};"

    def again(self, name: str, value: str) -> str:
        return f"{name} = {value};"

    def do(self, call: str) -> str:
        return f"{call};"

    def note(self, kind: str, column: str) -> str:
        return f"drift.push([{self.literal(kind)}, {self.literal(column)}]);"

    def branches(self, *branches: tuple[str, Lines]) -> list[str]:
        found: list[str] = []
        for at, (condition, lines) in enumerate(branches):
            head = f"if ({condition}) {{" if condition else "{"
            found.append(head if at == 0 else f"}} else {head}")
            found += [f"  {line}" for line in lines]
        return [*found, "}"]

    def function(self, name: str, parameters: str, lines: Lines) -> list[str]:
        return [f"function {name}({parameters}) {{", *(f"  {line}" for line in lines), "}"]

    def pack(self, names: Lines) -> str:
        return f"return [{', '.join(names)}];"

    def unpack(self, names: Lines, value: str) -> str:
        return f"const [{', '.join(names)}] = {value};"

    def returned(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        # A computed name: "__proto__" would be no value of its own.
        lines = [f"  [{self.literal(name)}]: {value}," for name, value in pairs]
        return ["return {", *lines, "};"]

    def fast(self, name: str, cell: str, call: str) -> list[str]:
        return [self.first(name, call)]


JAVASCRIPT = JavaScriptSyntax()


def write(tree: Tree) -> str:
    """The module.

    Errors:  ExpressionError for what has no form in JavaScript
    """
    source = Source(tree, JAVASCRIPT)
    functions, literal = source.text, JAVASCRIPT.literal
    constants = [f"const {name} = {literal(value)};" for name, value in source.constants.items()]
    types = ", ".join(f"{literal(name)}: {TYPES[read.kind]}" for name, read in tree.reads.items())
    head = "\n".join(f"// {line}".rstrip() for line in contract(tree))
    used = {JAVASCRIPT.called(name) for name in source.used}
    parts = [
        f"{HEAD}//\n{head}\n",
        f"/** @typedef {{{{{types}}}}} Row */\n",
        f"const COLUMNS = {literal(tuple(tree.reads))};\n"
        f"const RARE = {literal(rare(tree))};\n{API}",
        "// The model\n",
        "\n".join([*constants, "", functions]),
        f"// What its functions use\n\n{bundled(used)}",
    ]
    return "\n".join(parts)


def bundled(used: set[str]) -> str:
    """The runtime's functions and constants of these names, and all that they use."""
    known = _definitions()
    needed: set[str] = set()
    waiting = ["RefusedError", *used]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [one for one in re.findall(r"[A-Za-z_]\w*", known[name]) if one in known]
    return "\n\n".join(text for name, text in known.items() if name in needed) + "\n"


@cache
def _definitions() -> Mapping[str, str]:
    """Each definition of the runtime by name."""
    found = _constants()
    text = files("deltarule.export").joinpath("runtime.js").read_text(encoding="utf-8")
    for part in text.split("\n\n"):
        name = re.search(r"^(?:const|export class|class) (\w+)", part, re.MULTILINE)
        if name is not None:
            found[name[1]] = part.strip()
    return found


def _constants() -> dict[str, str]:
    """The words and patterns of cells."""
    literal = JAVASCRIPT.literal
    white = "".join(f"\\u{ord(one):04x}" for one in patterns.WHITE)
    money = patterns.SOURCES["CURRENCY"]
    found = {"SPACE": f'const SPACE = new RegExp("[{white}]", "g");'}
    found["MONEY"] = f"const MONEY = {literal(money)};"
    for name in ("GAP_WORDS", "MISSING_CODES", "YES", "NO", "LONGEST"):
        found[name] = f"const {name} = {literal(getattr(patterns, name))};"
    for name in ("POWERS", "MONTHS"):
        found[name] = f"const {name} = {json.dumps(dict(getattr(patterns, name)))};"
    for name in patterns.SOURCES:
        source, ignore_case = patterns.portable(name)
        short = literal(source.replace(money, "(money)"))
        text = f'{short}.replaceAll("(money)", MONEY)' if "(money)" in short else short
        found[name] = f'const {name} = new RegExp({text}, "{"iu" if ignore_case else "u"}");'
    return found


def run(
    content: str | bytes, rows: Sequence[Mapping[str, Any]], **settings: Any
) -> Sequence[Mapping[str, Any]] | None:
    """The rows' predictions in Node; None where there is none.

    Errors:  ExportError where the module ends in an error
    """
    program = node()
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.mjs").write_text(str(content), encoding="utf-8")
        driver = Path(folder) / "driver.mjs"
        driver.write_text(DRIVER, encoding="utf-8")
        done = subprocess.run(
            [program, str(driver)],
            input=json.dumps(list(rows)),
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line]
        raise ExportError(f"the JavaScript module does not run: {(lines or ['no word of why'])[0]}")
    return [
        {name: _number(value) for name, value in row.items()} for row in json.loads(done.stdout)
    ]


def _number(value: Any) -> Any:
    """A value as JSON had it, which has no number beyond all."""
    return float(value["beyond"]) if isinstance(value, dict) else value
