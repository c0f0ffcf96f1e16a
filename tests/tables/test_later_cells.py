"""What the cells of a column mean is decided by all of a table, whichever rows come first.

The right values are those that the numbers were written from.
"""

import gzip
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xlsxwriter

import deltarule as dr
from deltarule.tables.number_columns import mark_of_all

ROWS = 12_000
RNG = np.random.default_rng(3)
AMOUNTS = [int(one) for one in RNG.integers(1000, 999_999, ROWS)]
KINDS = ["polars", "pandas", "parquet", "sqlite", "ndjson", "excel", "csv", "semicolons", "records"]


def source(kind: str, columns: dict[str, list[Any]], folder: Path) -> Any:
    """The same cells in a source of another kind."""
    frame = pl.DataFrame(columns)
    match kind:
        case "pandas":
            return pd.DataFrame(columns)
        case "parquet":
            frame.write_parquet(folder / "t.parquet")
            return folder / "t.parquet"
        case "sqlite":
            with sqlite3.connect(folder / "t.sqlite") as connection:
                connection.execute("drop table if exists t")
                connection.execute(f"create table t ({', '.join(columns)})")
                marks = ", ".join("?" * len(columns))
                connection.executemany(f"insert into t values ({marks})", frame.rows())
            return dr.source(folder / "t.sqlite", table="t")
        case "ndjson":
            frame.write_ndjson(folder / "t.ndjson")
            return folder / "t.ndjson"
        case "excel":
            with xlsxwriter.Workbook(folder / "t.xlsx") as book:
                sheet = book.add_worksheet()
                sheet.write_row(0, 0, list(columns))
                for at, row in enumerate(frame.iter_rows(), 1):
                    sheet.write_row(at, 0, row)
            return folder / "t.xlsx"
        case "csv" | "semicolons":
            frame.write_csv(folder / "t.csv", separator="," if kind == "csv" else ";")
            return folder / "t.csv"
        case "records":
            return frame.to_dicts()
    return frame


def german(value: int) -> str:
    return f"{value:,}".replace(",", ".")


@pytest.mark.parametrize("place", [0, 9_999, 10_000, ROWS - 1])
@pytest.mark.parametrize("kind", KINDS)
def test_one_amount_of_millions_shows_what_points_are(
    tmp_path: Path, kind: str, place: int
) -> None:
    values = [*AMOUNTS]
    values[place] = 2_781_004
    table = {"rev": [german(one) for one in values], "y": [2 * one for one in values]}
    model = dr.learn(source(kind, table, tmp_path), predict="y", using="rev", ridge=0)
    assert model.coef["rev"] == pytest.approx(2)
    assert model.record.examples == ROWS
    assert not any("missing" in note for note in model.record.notes)
    assert not any("mark is a point" in note for note in model.record.notes)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_rows_says_nothing_of_a_target(tmp_path: Path, kind: str) -> None:
    values = sorted([*AMOUNTS, *(one + 1_000_000 for one in AMOUNTS[:300])])
    for turned in (values, values[::-1]):
        table = {"x": [round(one / 4) for one in turned], "rev": [german(one) for one in turned]}
        model = dr.learn(source(kind, table, tmp_path), predict="rev", using="x", ridge=0)
        assert model.coef["x"] == pytest.approx(4, rel=1e-5)
        assert model.record.examples == len(values)


@pytest.mark.parametrize("unit", ["", " kg", " EUR"])
@pytest.mark.parametrize("place", [0, ROWS - 1])
def test_one_decimal_comma_shows_what_commas_are(place: int, unit: str) -> None:
    cells = [f"{one // 10:,}{unit}" for one in AMOUNTS if one >= 10_000]
    cells[min(place, len(cells) - 1)] = f"4,5{unit}"
    values = [float(one.removesuffix(unit).replace(",", ".")) for one in cells]
    table = pl.DataFrame({"v": cells, "y": [2 * one for one in values]})
    model = dr.learn(table, predict="y", using="v", ridge=0)
    assert model.coef["v"] == pytest.approx(2)


def test_the_mark_that_more_cells_fit_is_taken_however_often_it_is_read() -> None:
    # Both marks have proofs in later rows: one decimal comma, and ten amounts of millions.
    cells = [f"{one:,}" for one in AMOUNTS]
    cells[-11:] = ["4,5", *["1,234,567"] * 10]
    values = [float(one.replace(",", "")) for one in cells]
    table = pl.DataFrame({"v": cells, "y": [2 * one for one in values]})
    model = dr.learn(table, predict="y", using="v", ridge=0)
    assert model.coef["v"] == pytest.approx(2, rel=1e-3)
    assert any("'4,5'" in note for note in model.record.notes)
    assert mark_of_all(pl.Series(["1,000"]), Counter({"1,5": 1, "1.5": 1})) is None
    assert mark_of_all(pl.Series(["1,000", None]), Counter({"1,5": 1})) == ","


def test_a_mark_that_was_said_stays(tmp_path: Path) -> None:
    cells = [f"{one:,}" for one in AMOUNTS[:-1]] + ["4,5"]
    table = {"v": cells, "y": [2 * one for one in AMOUNTS]}
    path = source("semicolons", table, tmp_path)
    model = dr.learn(dr.source(path, decimal="."), predict="y", using="v", ridge=0)
    assert model.coef["v"] == pytest.approx(2)
    assert any("'4,5'" in note for note in model.record.notes)


@pytest.mark.parametrize("place", [0, 10_000, ROWS - 1])
def test_one_cell_that_begins_with_0_makes_amounts_of_text_labels(place: int) -> None:
    cells = [f"{[1024, 2048, 4096][at % 3]:,}" for at in range(ROWS)]
    cells[place] = "01067"
    y = [at % 3 + at % 7 / 10 for at in range(ROWS)]
    model = dr.learn(pl.DataFrame({"v": cells, "y": y}), predict="y", using="v")
    (column,) = model.record.contract.columns
    assert column.kind == "category"
    assert any("v: labels, not numbers, as values begin with 0" in n for n in model.record.notes)


@pytest.mark.parametrize("other", ["+02:00", ""])
@pytest.mark.parametrize("kind", ["polars", "parquet", "csv", "sqlite", "ndjson"])
def test_the_clock_of_instants_is_that_of_all_rows(tmp_path: Path, kind: str, other: str) -> None:
    times = pd.Timestamp("2021-01-01") + pd.to_timedelta(RNG.integers(0, 300 * 86400, ROWS), "s")
    cells = times.strftime("%Y-%m-%dT%H:%M:%SZ").tolist()
    cells[-1] = cells[-1][:-1] + other
    y = [float(cell[11:13]) * 5 for cell in cells]
    notes, weights = [], []
    for table in ({"t": cells, "y": y}, {"t": cells[::-1], "y": y[::-1]}):
        path = source(kind, table, tmp_path)
        model = dr.learn(path, predict="y", using="t", dates="hour", ridge=0)
        notes.append([note for note in model.record.notes if note.startswith("t: hours")])
        weights.append(list(model.coef.values()))
    assert notes[0] == notes[1]
    assert "hours are as written" in notes[0][0]
    assert ("some cells of t have none" in notes[0][0]) == (other == "")
    assert weights[0] == pytest.approx(weights[1])


CODES = ["20095", "80331", "99999"]


def postcodes(place: int, code: str) -> tuple[list[str], list[float]]:
    cells = [CODES[at % 3] for at in range(ROWS)]
    cells[place] = code
    return cells, [at % 3 + at % 7 / 10 for at in range(ROWS)]


@pytest.mark.parametrize("place", [0, 9_999, 10_000, ROWS - 1])
@pytest.mark.parametrize("form", ["first", "last", "quoted", "crlf", "packed", "parts", "blocks"])
def test_a_code_in_any_row_of_a_csv_makes_its_column_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, form: str
) -> None:
    if form == "blocks":
        monkeypatch.setattr("deltarule.tables.files.csv_source.AT_ONCE", 1000)
    cells, y = postcodes(place, "01067")
    dates = [f"0{at % 9 + 1}/02/2024" for at in range(ROWS)]
    frame = pl.DataFrame({"plz": cells, "day": dates, "y": y})
    frame = frame.select("day", "y", "plz") if form in ("last", "crlf") else frame
    end, style = "\r\n" if form == "crlf" else "\n", "always" if form == "quoted" else "necessary"
    text = frame.write_csv(line_terminator=end, quote_style=style)
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    if form == "packed":
        path = tmp_path / "t.csv.gz"
        path.write_bytes(gzip.compress(text.encode()))
    if form == "parts":
        frame[:7000].write_csv(tmp_path / "t.csv")
        frame[7000:].select("y", "plz", "day").write_csv(tmp_path / "u.csv")
        path = tmp_path / "*.csv"
    for where in (None, "y >= 0"):
        model = dr.learn(path, predict="y", using="plz", where=where)
        (column,) = model.record.contract.columns
        assert column.kind == "category"
        assert any("(such as '01067')" in note for note in model.record.notes)
    # What is not used is not read again for it.
    unused = dr.learn(path, predict="y", using="day", dates="days").record
    assert not any("read again" in note for note in unused.notes)


@pytest.mark.parametrize("later", ["1067", "-1067", "", "0", "20095.5"])
def test_shorter_numbers_are_no_codes(tmp_path: Path, later: str) -> None:
    cells, _ = postcodes(ROWS - 1, later)
    y = [2 * float(cell or 0) for cell in cells]
    table = pl.DataFrame({"x": cells, "t": ["01:30"] * ROWS, "zip": ["01067"] * ROWS, "y": y})
    table.write_csv(tmp_path / "t.csv")
    model = dr.learn(tmp_path / "t.csv", predict="y", using="x", ridge=0)
    assert model.coef["x"] == pytest.approx(2)
    assert not any("read again" in note for note in model.record.notes)
