"""Values such as -9999 that stand often and far from all others are named, once, and no others."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.tables.frames import open_table
from deltarule.tables.sentinels import sentinel_notes

DRAW = np.random.default_rng(5)
ROWS = 200
TIMES = len(range(1, ROWS, 6))
DAYS = [date(2020, 1, 1) + timedelta(days=int(at)) for at in DRAW.integers(0, 700, ROWS)]


def with_code(values, code) -> list[object]:
    return [code if at % 6 == 1 else value for at, value in enumerate(values)]


MARKED = {
    "-9999": with_code(DRAW.uniform(0, 40, ROWS), -9999.0),
    "-99": with_code(DRAW.normal(10, 8, ROWS), -99.0),
    "-9": with_code(DRAW.integers(0, 2, ROWS).tolist(), -9),
    "-1": with_code(DRAW.integers(0, 300, ROWS).tolist(), -1),
    "99": with_code(DRAW.integers(0, 12, ROWS).tolist(), 99),
    "999": with_code(DRAW.integers(0, 300, ROWS).tolist(), 999),
    "99999": with_code(DRAW.uniform(1000, 9000, ROWS), 99999.0),
    "-99.9": with_code(DRAW.normal(10, 8, ROWS), -99.9),
    "9999-12-31": with_code(DAYS, date(9999, 12, 31)),
    "1900-01-01": with_code(DAYS, date(1900, 1, 1)),
}


@pytest.mark.parametrize("word", MARKED)
def test_a_code_far_from_the_rest_is_named(word: str) -> None:
    (note,) = sentinel_notes([pl.Series("v", MARKED[word])])
    assert note.startswith(f"v: {word} in {TIMES} of {ROWS} rows")
    assert note.endswith(f"--missing-words {word}")


USUAL = {
    "few of it": [999.0, 999.0, *DRAW.uniform(0, 40, ROWS)],
    "no code": with_code(DRAW.uniform(0, 40, ROWS), 1000.0),
    "near others": with_code(DRAW.integers(0, 91, ROWS).tolist(), 99),
    "within others": with_code(DRAW.normal(0, 500, ROWS), -99.0),
    "below zero too": with_code(DRAW.integers(-30, 300, ROWS).tolist(), -1),
    "three signs": DRAW.integers(-1, 2, ROWS).tolist(),
    "yes and no": with_code([1] * ROWS, -1),
    "one other": with_code([0] * ROWS, 99),
    "all of it": [999] * ROWS,
    "infinite": with_code(DRAW.uniform(0, 40, ROWS), np.inf),
    "the year's end": with_code(DAYS, date(2022, 12, 31)),
    "the first of 1970": [date(1960, 1, 1) + timedelta(days=2 * at) for at in range(3653)] * 3,
    "no dates of Python": pl.Series([-10_000_000, 1, 2] * 9).cast(pl.Date),
    "none": [None] * ROWS,
    "text": ["-999"] * ROWS,
}


@pytest.mark.parametrize("name", USUAL)
def test_other_values_are_not(name: str) -> None:
    assert sentinel_notes([pl.Series("v", USUAL[name], strict=False)]) == []


def test_times_of_day_count_as_their_day() -> None:
    times = [datetime(2020, 1, 1, at % 24) + timedelta(days=at) for at in range(ROWS)]
    (note,) = sentinel_notes([pl.Series("v", with_code(times, datetime(9999, 12, 31)))])
    assert note.startswith(f"v: 9999-12-31 in {TIMES} of")


@pytest.mark.parametrize("word", ["-9999", "-99.9", "999", "9999-12-31"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_note_goes_where_its_words_are_followed(word: str, ending: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"v": MARKED[word], "y": DRAW.normal(size=ROWS)})
    path = tmp_path / f"t.{ending}"
    (frame.write_csv if ending == "csv" else frame.write_parquet)(path)
    said = [note for note in dr.learn(path, predict="y").record.notes if "--missing-words" in note]
    assert said == sentinel_notes([frame["v"]])
    model = dr.learn(path, predict="y", missing_words=word)
    assert not any("--missing-words" in note for note in model.record.notes)
    assert model.record.rows == ROWS
    column = next(iter(model.record.contract.columns))
    assert column.missing == TIMES


def test_no_table_of_the_tests_has_one() -> None:
    data = Path(__file__).parent.parent / "data"
    looked = 0
    for path in sorted(data.rglob("*.csv")):
        if "ugly" not in path.parts:
            source = open_table(path)[0]
            assert sentinel_notes(source.look().iter_columns()) == [], path
            looked += 1
    assert looked > 10
