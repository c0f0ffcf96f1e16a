"""Every function of expressions gives the same value compiled as it does in polars."""

import json
import math
import subprocess
from collections.abc import Sequence
from datetime import date, datetime

import polars as pl
import pytest

from deltarule.export import javascript
from deltarule.export.javascript import JAVASCRIPT
from deltarule.export.node import node
from deltarule.scorer.compiled import MODULES
from deltarule.scorer.lower import lower
from deltarule.scorer.program import Name, Program
from deltarule.scorer.runtime.clock import EPOCH
from deltarule.scorer.tree import Read, Tree
from deltarule.tables.expressions.expression import parse
from deltarule.tables.expressions.functions import FUNCTIONS

NUMBERS = [None, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 0.1, 1e-7, 1.25e-5, 1e16, 1e300, -1e300, 7.5]
TEXTS = [None, "", "a", "Straße", "%_", "a%b", " x ", "AB\ndef", "日本", "😀y", "No", "-7", "0"]
DAYS = [
    None,
    *(date(2024, 2, 29), date(1969, 12, 31), date(2021, 1, 3), date(2020, 12, 31)),
    date(1600, 3, 1),
]
MOMENTS = [
    None,
    datetime(2024, 2, 29, 23, 59, 59, 999_999),
    datetime(1969, 12, 31, 1),
    datetime(2021, 1, 3, 0, 0, 0, 120_000),
]

COLUMNS = {
    "x": (pl.Float64, NUMBERS),
    "y": (pl.Float64, NUMBERS[::-1]),
    "b": (pl.Boolean, [None, True, False]),
    "c": (pl.Boolean, [True, None, False, True]),
    "t": (pl.String, TEXTS),
    "u": (pl.String, [*TEXTS[::-1], "a"]),
    "n": (pl.String, [None, "1", " 1,234.5 ", "$5", "(7)", "12 %", "1e3", "1.2M", "NA", "-€3"]),
    "w": (pl.String, [None, "yes", "Off", " 1 ", "NA"]),
    "p": (pl.String, [None, " 1.5", "-2e3", "nan", "inf"]),
    "i": (pl.String, [None, "2024-02-29", " 1999-12-31 "]),
    "d": (pl.Date, DAYS),
    "e": (pl.Date, DAYS[::-1]),
    "m": (pl.Datetime("us"), MOMENTS),
}
KINDS = {
    pl.Float64: "number",
    pl.Boolean: "boolean",
    pl.String: "text",
    pl.Date: "date",
    pl.Datetime("us"): "datetime",
}

EXPRESSIONS = [
    *(f"x {sign} y" for sign in ("+", "-", "*", "/", "%", "**", "=", "<>", "<", "<=", ">", ">=")),
    *(f"{one}(x)" for one in ("abs", "sign", "sqrt", "exp", "ln", "log", "log10", "log2", "log1p")),
    *(f"{one}(x)" for one in ("floor", "ceil", "round", "sin", "cos", "tan", "atan")),
    *(f"round(x, {places})" for places in (0, 2, -2, 15)),
    *("-x", "x ** 3", "x ** -1", "x ** 0.5", "log(x, 3)", "log(x, y)", "b and c", "b or c"),
    *("not b", "x is null", "t is null", "not x is null", "t < u", "t >= u", "t = u", "b = c"),
    *("b < c", "d < e", "d = m", "m > date '1970-01-01'", "d between date '1960-01-01' and e"),
    *("x between y and 3", "not x between 0 and y", "x in (1, 2.5)", "t in ('a', '')"),
    *("d in (date '2024-02-29')", "m in (date '2024-02-29')", "b in (true)", "b + x"),
    *(f"t like '{one}'" for one in ("%", "_", "a%", "%b", "%_%", "a", "", "A%d_f", "%\n%", "%%y")),
    *("t || u", "concat(t, u, 'z')", "lower(t)", "upper(t)", "trim(t)", "length(t)"),
    *("substring(t, 2)", "substring(t, 1, 2)", "left(t, 2)", "right(t, 2)", "left(t, 0)"),
    *("replace(t, 'a', 'bb')", "replace(t, '', 'x')", "starts_with(t, 'a')", "ends_with(t, 'b')"),
    *("contains(t, '%')", "coalesce(x, y, 5)", "coalesce(t, u)", "coalesce(d, m)", "nullif(x, y)"),
    *("nullif(t, 'a')", "greatest(x, y, 1)", "least(x, y)", "greatest(t, u)", "least(d, e)"),
    *("case when x > 0 then y end", "case when b then t when c then u else 'z' end"),
    *("case x when 1 then 'one' when 7 then 'seven' end", "if(b, x, 0)", "if(b, x)"),
    *(f"{one}({of})" for of in "dm" for one in ("year", "quarter", "month", "week", "day")),
    *(
        f"{one}({of})"
        for of in "dm"
        for one in ("day_of_year", "weekday", "hour", "minute", "days")
    ),
    *(f"category({one})" for one in ("x", "b", "t", "d", "m", "month(d)", "day_of_year(d)")),
    *(f"cast({one} as text)" for one in "xbtdm"),
    *(f"cast({one} as double)" for one in "xbp"),
    *(f"cast({one} as integer)" for one in "xb"),
    *(f"cast({one} as boolean)" for one in "xbw"),
    *(f"cast({one} as date)" for one in "dmi"),
    *(
        "number(n)",
        "number(x)",
        "number(b)",
        "boolean(w)",
        "boolean(b)",
        "cast(2.5 * x as integer)",
    ),
    *(
        "sign(x) * y",
        "extract(year from d)",
        "mod(x, y)",
        "x::text",
        "null + x",
        "coalesce(null, x)",
    ),
]


def interpreted(program: Program, row: dict) -> object:
    """The value of a program's last expression for a row."""
    functions = {name: one for module in MODULES for name, one in vars(module).items()}
    functions["cell"] = lambda column: row[column]
    (value,) = program.values
    known: dict = {}
    for line in program.lines:
        arguments = [known[one.name] if isinstance(one, Name) else one for one in line.arguments]
        known[line.name] = functions[line.function](*arguments)
    return known[value.name] if isinstance(value, Name) else value


class Term:
    """A term of a tree, of any kind."""

    def __init__(self, value):
        self.value = value


def program_of(text: str) -> Program:
    expression = parse(text)
    kinds = {name: KINDS[COLUMNS[name][0]] for name in expression.columns}
    made = lower(expression.tree, {name: Read(name, kind) for name, kind in kinds.items()})
    return Program(Tree((Term(made),), None, (), (), (), (), (), False, ()))


def pairs(columns: Sequence[str]) -> pl.DataFrame:
    """All pairs of cells of two columns."""
    frame = pl.DataFrame({"one": [0]})
    for name in columns:
        kind, cells = COLUMNS[name]
        frame = frame.join(pl.DataFrame({name: pl.Series(cells, dtype=kind)}), how="cross")
    return frame


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_a_function_gives_what_polars_gives(text):
    expression, program = parse(text), program_of(text)
    frame = pairs(expression.columns)
    wanted = frame.select(expression.polars(frame.schema)).to_series().to_list()
    for row, want in zip(frame.to_dicts(), wanted, strict=True):
        found = interpreted(program, row)
        if isinstance(want, datetime):
            days = want.toordinal() - EPOCH
            want = (days * 86400 + want.hour * 3600 + want.minute * 60 + want.second) * 10**6
            want += row["m"].microsecond if found % 10**6 else 0
        elif isinstance(want, date):
            want = want.toordinal() - EPOCH
        if isinstance(want, float):
            assert found is not None, row
            assert math.isclose(found, want, rel_tol=1e-12, abs_tol=1e-300), row
        else:
            assert found == want, row
            assert type(found) is type(want), row


def in_javascript(programs: list[Program], rows: list[list[dict]]) -> list[list]:
    """The values of programs for their rows, by Node."""
    used = {JAVASCRIPT.called(line.function) for one in programs for line in one.lines}
    parts = [javascript.bundled(used - {"cell"})]
    for at, program in enumerate(programs):
        (value,) = program.values
        lines = []
        for line in program.lines:
            if line.function == "cell":
                lines.append(f"const {line.name} = {JAVASCRIPT.cell(line.arguments[0])};")
                continue
            arguments = ", ".join(map(written, line.arguments))
            lines.append(f"const {line.name} = {JAVASCRIPT.called(line.function)}({arguments});")
        parts.append(f"function f{at}(row) {{ {' '.join(lines)} return {written(value)}; }}")
    names = ", ".join(f"f{at}" for at in range(len(programs)))
    parts.append(
        'import { readFileSync } from "node:fs"; const rows = JSON.parse(readFileSync(0, "utf8"));'
        f"console.log(JSON.stringify([{names}].map((f, at) => rows[at].map(f)), (k, v) => "
        'typeof v === "number" && !Number.isFinite(v) ? String(v) : v));'
    )
    done = subprocess.run(
        [node(), "--input-type=module", "-e", "\n".join(parts)],
        input=json.dumps(rows),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def written(one) -> str:
    return one.name if isinstance(one, Name) else JAVASCRIPT.literal(one)


def test_javascript_gives_what_python_gives():
    programs, rows, wanted = [], [], []
    for text in EXPRESSIONS:
        program, frame = program_of(text), pairs(parse(text).columns)
        programs.append(program)
        wanted.append([interpreted(program, row) for row in frame.to_dicts()])
        rows.append([{k: as_json(v) for k, v in row.items()} for row in frame.to_dicts()])
    for text, own, want in zip(EXPRESSIONS, in_javascript(programs, rows), wanted, strict=True):
        for one, other in zip(own, want, strict=True):
            number = float(one) if one in ("Infinity", "-Infinity") else one
            if isinstance(other, float):
                assert math.isclose(number, other, rel_tol=1e-12, abs_tol=1e-300), (text, other)
            else:
                assert number == other, text


def as_json(cell):
    return str(cell) if isinstance(cell, date) else cell


def test_every_function_is_tried():
    written = " ".join(EXPRESSIONS)
    aliases = {"unary -": "-x", "||": "||", "is null": "is null", "cast double": "as double"}
    for name in FUNCTIONS:
        word = aliases.get(name, name)
        assert word in written or word.replace("cast ", " as ") in written, name
