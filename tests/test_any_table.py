"""Odd tables: each gets a right model or one clear error, from Python as from the command line.

Each case writes a table and says what must come of it: the inputs and rows of the model, or parts
of the one line that refuses it.
"""

import datetime as dt
import gzip
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

N = 60
PLAIN = [(at, at * 7 % 23) for at in range(N)]


def csv(rows: list[tuple[Any, ...]] = PLAIN, head: str = "x,y", separator: str = ",") -> str:
    return head + "\n" + "".join(separator.join(map(str, row)) + "\n" for row in rows)


def frame(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame({**columns, "y": [float(at * 7 % 23) for at in range(N)]})


@dataclass(frozen=True)
class Case:
    """A file, and what must come of learning y from it."""

    file: str
    content: str | bytes | pl.DataFrame
    inputs: dict[str, str] | None = None
    rows: int = N
    refused: list[str] = field(default_factory=list)


TEXT = {f"word {at}": None for at in range(N)}
BIG = 2**60
CASES: dict[str, Case] = {
    # Files that hold no table
    "zero bytes": Case("t.csv", b"", refused=["t.csv", "empty"]),
    "only a byte order mark": Case("t.csv", b"\xef\xbb\xbf", refused=["t.csv", "empty"]),
    "only blanks": Case("t.csv", "  \n \n", refused=["t.csv"]),
    "NUL bytes": Case("t.csv", b"x,y\n1,2\n\x00\x00\x00\n3,4\n" * 4, refused=["t.csv"]),
    "all NUL": Case("t.csv", b"\x00" * 4096, refused=["t.csv"]),
    "a picture called csv": Case(
        "t.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, refused=["t.csv"]
    ),
    "a zip called csv": Case("t.csv", b"PK\x03\x04" + bytes(range(256)) * 9, refused=["t.csv"]),
    "parquet cut short": Case("t.parquet", b"PAR1" + b"\x15\x04" * 50, refused=["t.parquet"]),
    "gzip cut short": Case(
        "t.csv.gz", gzip.compress(csv([*PLAIN] * 50).encode())[:-40], refused=["t.csv.gz"]
    ),
    "json cut short": Case("t.json", '[{"x": 1, "y": 2}, {"x": 3, "y"', refused=["t.json"]),
    "json that is no table": Case("t.json", '{"x": {"y": 3}}', refused=["t.json"]),
    "ndjson with a broken line": Case(
        "t.ndjson", '{"x": 1, "y": 2}\n{"x": 3, oops\n' * 9, refused=["t.ndjson"]
    ),
    "an ending nobody knows": Case("t.docx", b"PK\x03\x04", refused=["t.docx"]),
    # Headers
    "a name twice": Case("t.csv", csv([(1, 2, 3)] * 9, "x,x,y"), refused=["'x'"]),
    "two names empty": Case("t.csv", csv([(1, 2, 3)] * 9, ",,y"), refused=["more than one"]),
    "names with quotes and newlines": Case(
        "t.csv",
        '"a ""b""\nc",y\n' + "".join(f"{a},{b}\n" for a, b in PLAIN),
        inputs={'a "b"\nc': "number"},
    ),
    "names with emoji": Case("t.csv", csv(head="\U0001f3ac,y"), inputs={"\U0001f3ac": "number"}),
    "SQL in a name": Case(
        "t.csv",
        csv(head='"x""; drop table films; --",y'),
        inputs={'x"; drop table films; --': "number"},
    ),
    "a name as long as a page": Case(
        "t.csv", csv(head="n" * 5000 + ",y"), inputs={"n" * 5000: "number"}
    ),
    "four thousand columns": Case(
        "t.csv",
        ",".join([*(f"c{at}" for at in range(4_000)), "y"])
        + "\n"
        + "\n".join(",".join(map(str, [row * 7 % 5] * 4_000 + [row])) for row in range(4)),
        inputs={f"c{at}": "number" for at in range(4_000)},
        rows=4,
    ),
    # Values
    "whole numbers beyond 2 ** 53": Case(
        "t.csv", csv([(BIG + at * 4096, at % 7) for at in range(N)]), inputs={"x": "number"}
    ),
    "whole numbers beyond 64 bits": Case(
        "t.csv", csv([(10**25 + at * 10**20, at % 7) for at in range(N)]), inputs={"x": "number"}
    ),
    "negative zero": Case(
        "t.csv",
        csv([("-0.0" if at % 2 else "0.5", at % 7) for at in range(N)]),
        inputs={"x": "number"},
    ),
    "denormals": Case(
        "t.csv",
        csv([(f"{at}e-320", at % 7) for at in range(N)]),
        refused=["so small", "other units"],
    ),
    "numbers near the largest": Case(
        "t.csv",
        csv([(f"{at % 9 + 1}e307", at % 7) for at in range(N)]),
        inputs={"x": "number"},
    ),
    "numbers far out": Case(
        "t.csv",
        csv([(f"{at % 9 + 1}e200", at % 7) for at in range(N)]),
        inputs={"x": "number"},
    ),
    "an infinite value": Case(
        "t.csv", csv([*PLAIN, ("inf", 3)]), refused=["'x'", "row 61", "infinite"]
    ),
    "NaN and null in Parquet": Case(
        "t.parquet",
        frame(
            x=[None if at % 9 == 1 else math.nan if at % 9 == 2 else float(at) for at in range(N)]
        ),
        inputs={"x": "number"},
    ),
    "infinity in Parquet": Case(
        "t.parquet", frame(x=[*map(float, range(N - 1)), math.inf]), refused=["'x'", "row 60"]
    ),
    "a column of only missing": Case(
        "t.csv", csv([(a, "", b) for a, b in PLAIN], "x,gone,y"), inputs={"x": "number"}
    ),
    "only a column of only missing": Case(
        "t.csv", csv([("", b) for _, b in PLAIN]), refused=["x", "always (missing)"]
    ),
    "mixed types in a column": Case(
        "t.csv",
        csv([(a if a % 2 else f"w{a % 4}", b) for a, b in PLAIN]),
        refused=["x"],
    ),
    "words among numbers in a typed table": Case(
        "t.parquet",
        frame(x=[str(at % 3) if at % 2 else "none of it" for at in range(N)]),
        inputs={"x": "category"},
    ),
    "a list column": Case(
        "t.parquet", frame(x=[[at, at] for at in range(N)], z=range(N)), inputs={"z": "number"}
    ),
    "bytes in a column": Case(
        "t.parquet", frame(x=[bytes([at]) for at in range(N)], z=range(N)), inputs={"z": "number"}
    ),
    "a category with a level for each row": Case(
        "t.parquet", frame(x=list(TEXT), z=range(N)), inputs={"z": "number"}
    ),
    "only a category with a level for each row": Case(
        "t.parquet", frame(x=list(TEXT)), refused=["x", "nearly unique"]
    ),
    "small unsigned integers": Case(
        "t.parquet", frame(x=pl.Series(range(N), dtype=pl.UInt8)), inputs={"x": "number"}
    ),
    "decimals": Case(
        "t.parquet", frame(x=pl.Series(range(N)).cast(pl.Decimal(20, 4))), inputs={"x": "number"}
    ),
    "dates of the year 1": Case(
        "t.parquet",
        frame(x=[dt.date(1, 1, 1) + dt.timedelta(days=at * 40) for at in range(N)]),
        inputs={
            "days(x)": "number",
            "category(month(x))": "category",
            "category(weekday(x))": "category",
        },
    ),
    "dates of the year 9999": Case(
        "t.parquet",
        frame(x=[dt.date(9999, 12, 31) - dt.timedelta(days=at) for at in range(N)]),
        inputs={
            "days(x)": "number",
            "category(month(x))": "category",
            "category(weekday(x))": "category",
        },
    ),
    "durations": Case(
        "t.parquet",
        frame(x=[dt.timedelta(hours=at) for at in range(N)]),
        inputs={"days(x)": "number"},
    ),
    "empty text is missing": Case(
        "t.parquet", frame(x=["" if at % 2 else "a" for at in range(N)]), inputs={"x": "category"}
    ),
    "text that says (missing) and (other)": Case(
        "t.parquet",
        frame(x=[["(missing)", "(other)", None, "a"][at % 4] for at in range(N)]),
        inputs={"x": "category"},
    ),
    "levels with newlines and quotes": Case(
        "t.parquet",
        frame(x=['a\n"b"' if at % 2 else "c,d" for at in range(N)]),
        inputs={"x": "category"},
    ),
    # Rows
    "no row": Case("t.parquet", frame(x=range(N)).head(0), refused=["no rows"]),
    "one row": Case("t.csv", csv([(1, 2)]), refused=["x", "always 1"]),
    "two equal rows": Case("t.csv", csv([(1, 2), (1, 2)]), refused=["x", "always 1"]),
    "two rows": Case("t.csv", csv([(1, 2), (2, 5)]), inputs={"x": "number"}, rows=2),
    "a target that is always the same": Case(
        "t.csv", csv([(a, 5) for a, _ in PLAIN]), refused=["y", "5 in every row"]
    ),
    "targets mostly missing": Case(
        "t.csv", csv([(a, b if a < 3 else "") for a, b in PLAIN]), inputs={"x": "number"}, rows=3
    ),
    "the same row a thousand times and one other": Case(
        "t.csv", csv([(1, 2)] * 1000 + [(2, 9)]), refused=["class '9'", "single row"]
    ),
    "columns that copy each other": Case(
        "t.csv", csv([(a, a, b) for a, b in PLAIN], "x,z,y"), inputs={"x": "number", "z": "number"}
    ),
    "fewer rows than columns": Case(
        "t.csv",
        csv(
            [(*np.random.default_rng(at).normal(size=30), at) for at in range(8)],
            ",".join([*(f"c{at}" for at in range(30)), "y"]),
        ),
        inputs={f"c{at}": "number" for at in range(30)},
        rows=8,
    ),
    # Dialects
    "semicolons": Case("t.csv", csv(head="x;y", separator=";"), inputs={"x": "number"}),
    "tabs in a csv": Case("t.csv", csv(head="x\ty", separator="\t"), inputs={"x": "number"}),
    "pipes": Case("t.csv", csv(head="x|y", separator="|"), inputs={"x": "number"}),
    "decimal commas": Case(
        "t.csv",
        csv([(f"{a},{a % 10}", b) for a, b in PLAIN], "x;y", ";"),
        inputs={"x": "number"},
    ),
    "thousands in quotes": Case(
        "t.csv", csv([(f'"{a + 1},{a + 100}"', b) for a, b in PLAIN]), inputs={"x": "number"}
    ),
    "money": Case("t.csv", csv([(f"${a}.50", b) for a, b in PLAIN]), inputs={"x": "number"}),
    "sixteen bits": Case("t.csv", csv().encode("utf-16"), inputs={"x": "number"}),
    "gzip": Case("t.csv.gz", gzip.compress(csv().encode()), inputs={"x": "number"}),
    "gzip without saying so": Case("t.csv", gzip.compress(csv().encode()), inputs={"x": "number"}),
    "ndjson": Case(
        "t.ndjson",
        "".join(json.dumps({"x": a, "y": b}) + "\n" for a, b in PLAIN),
        inputs={"x": "number"},
    ),
    "json records": Case(
        "t.json", json.dumps([{"x": a, "y": b} for a, b in PLAIN]), inputs={"x": "number"}
    ),
}


def written(case: Case, folder: Path) -> Path:
    path = folder / case.file
    if isinstance(case.content, pl.DataFrame):
        case.content.write_parquet(path)
    else:
        content = case.content
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", CASES)
def test_an_odd_table_is_read_rightly_or_refused_in_a_line(
    name: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    case = CASES[name]
    path = written(case, tmp_path)
    ran = run("learn", path, "--predict", "y", "--json")
    if case.refused:
        said = ran.refused()
        for part in case.refused:
            assert part in said, said
        with pytest.raises(dr.DeltaruleError) as refused:
            dr.learn(path, predict="y")
        assert str(refused.value) == said
        return
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    model = dr.learn(path, predict="y")
    assert {c.name: c.kind for c in model.record.contract.columns} == case.inputs
    assert told["rows"] == model.record.rows == case.rows
    assert told["weights"] == model.to_dict()["weights"]
    # What was learnt predicts every row of its own table, from Python and the command line.
    predicted = model.predict(path)
    assert predicted["y_prediction"].is_finite().all()
    run("learn", path, "--predict", "y", "--save", tmp_path / "m.json")
    out = run("predict", tmp_path / "m.json", path, "--out", tmp_path / "p.parquet")
    assert out.code == 0, out.err
    assert pl.read_parquet(tmp_path / "p.parquet")["y_prediction"].equals(predicted["y_prediction"])
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["m.json", "p.parquet", case.file])


def test_inputs_near_the_largest_number_have_the_weights_of_small_ones() -> None:
    x, y = np.arange(N) % 9 + 1.0, np.arange(N) % 7.0
    small = dr.learn({"x": x, "y": y}, predict="y", ridge=0)
    large = dr.learn({"x": x * 1e307, "y": y}, predict="y", ridge=0)
    # A weight of 1e-309 has some 14 digits: below 2e-308 numbers lose them one by one.
    for name in ("weight", "standard_error"):
        own, other = (getattr(model.record.weights[0], name) for model in (small, large))
        assert other * 1e307 == pytest.approx(own, rel=1e-12)
