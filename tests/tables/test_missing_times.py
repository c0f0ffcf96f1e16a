"""Times of day among the words for missing: in text, of a type, in rows and in every export."""

import datetime as dt
import runpy
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

import deltarule as dr

DRAW = np.random.default_rng(4)
ROWS = 300
CLOCKS = [
    dt.time(0, 0) if at % 7 == 0 else dt.time(1 + int(minute) // 60, int(minute) % 60)
    for at, minute in enumerate(DRAW.integers(0, 23 * 60, ROWS))
]
Y = DRAW.normal(size=ROWS) + [one.hour for one in CLOCKS]
TIMED = pl.DataFrame({"h": CLOCKS, "y": Y})
WRITTEN = TIMED.with_columns(pl.col("h").dt.to_string("%H:%M"))
# What a null in place of each of them gives.
KNOWN = dr.learn(
    TIMED.with_columns(pl.when(pl.col("h") != dt.time(0, 0)).then("h").alias("h")),
    predict="y", using="h", ridge=0,
)  # fmt: skip


@pytest.mark.parametrize("frame", [TIMED, WRITTEN], ids=["time", "text"])
@pytest.mark.parametrize("word", ["00:00", "00:00:00", "12:00 am"])
def test_a_time_of_day_is_missing(frame: pl.DataFrame, word: str, tmp_path: Path) -> None:
    model = dr.learn(frame, predict="y", using="h", ridge=0, missing_words=word)
    assert model.coef == pytest.approx(KNOWN.coef, rel=1e-12)
    cells = ["00:00", "0:00", "00:00:00", "01:10", None]
    [gap, there] = KNOWN.predict(pl.DataFrame({"h": [None, dt.time(1, 10)]}))["y_prediction"]
    wanted = pytest.approx([gap, gap, gap, there, gap], rel=1e-9)
    rows = pl.DataFrame({"h": cells})
    assert model.predict(rows)["y_prediction"].to_list() == wanted
    assert [model.predict({"h": cell})["y_prediction"] for cell in cells] == wanted
    typed = rows.with_columns(pl.Series("h", [*[dt.time(0, 0)] * 3, dt.time(1, 10), None]))
    assert model.predict(typed)["y_prediction"].to_list() == wanted
    model.export("python", tmp_path / "model.py")
    made = runpy.run_path(str(tmp_path / "model.py"))["predict"]
    assert [made({"h": cell})["y_prediction"] for cell in cells] == wanted
    model.export("sql", tmp_path / "model.sql", table="t", dialect="duckdb")
    base = duckdb.connect()
    base.execute("CREATE TABLE t (h VARCHAR)")
    base.executemany("INSERT INTO t VALUES (?)", [[cell] for cell in cells])
    found = base.execute((tmp_path / "model.sql").read_text()).fetchall()
    assert [row[-1] for row in found] == wanted
