"""Dates beyond the years 1 to 9999, such as infinite ones: missing from any source, and told."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import TableError
from deltarule.tables.date_years import BEYOND, within_years

QUERY = """
    SELECT i % 17 AS z, (i % 17) * 2.0 + (i % 5) AS y, CASE {odd} ELSE
    DATE '2021-01-01' + CAST(i AS INTEGER) END AS until, until::TIMESTAMP AS at FROM range(300) r(i)
"""
INFINITE = """
    WHEN i % 200 = 7 THEN DATE 'infinity' WHEN i = 90 THEN DATE '-infinity'
    WHEN i = 120 THEN DATE '10000-01-01' WHEN i = 150 THEN DATE '0001-01-01' - 1
"""
# The same rows missing: what each source is to learn.
MISSING = "WHEN i % 200 = 7 OR i IN (90, 120, 150) THEN NULL"
SOURCES = ["relation", "arrow", "parquet", "arrow file", "polars", "lazy", "database"]


def table(kind: str, query: str, folder: Path) -> object:
    connection = duckdb.connect(str(folder / "rows.duckdb"))
    connection.execute(f"CREATE TABLE rows AS {query}")
    rows = connection.sql("FROM rows")
    if kind == "relation":
        return rows
    if kind == "arrow":
        return rows.to_arrow_table()
    connection.execute(f"COPY rows TO '{folder}/rows.parquet'")
    connection.close()
    if kind == "database":
        return dr.source(str(folder / "rows.duckdb"), table="rows")
    if kind == "parquet":
        return folder / "rows.parquet"
    if kind == "lazy":
        return pl.scan_parquet(folder / "rows.parquet")
    frame = pl.read_parquet(folder / "rows.parquet")
    if kind == "polars":
        return frame
    frame.write_ipc(folder / "rows.arrow")
    return folder / "rows.arrow"


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("setting", [{"using": ["z", "until"]}, {"using": "at"}, {"time": "at"}])
def test_dates_beyond_the_calendar_are_missing_and_told(setting, kind, tmp_path):
    asked = {"predict": "y", "using": "z", "ridge": 0, "loss": "squared", **setting}
    learnt = dr.learn(table(kind, QUERY.format(odd=INFINITE), tmp_path), **asked)
    known = duckdb.sql(QUERY.format(odd=MISSING)).pl()
    right = dr.learn(known, **asked)
    assert learnt.coef == pytest.approx(right.coef, rel=1e-9, abs=1e-12)
    assert learnt.held_out.rmse == pytest.approx(right.held_out.rmse, rel=1e-9)
    assert learnt.to_dict()["notes"].count(BEYOND) == 1
    assert BEYOND not in right.to_dict()["notes"]


@pytest.mark.parametrize("kind", SOURCES)
def test_dates_beyond_the_calendar_are_missing_in_predictions(kind, tmp_path):
    known = duckdb.sql(QUERY.format(odd=MISSING)).pl()
    model = dr.learn(known, predict="y", using=["z", "until"], ridge=0, loss="squared")
    made = model.predict(table(kind, QUERY.format(odd=INFINITE), tmp_path))
    right = model.predict(known)["y_prediction"].to_list()
    values = (made.collect() if isinstance(made, pl.LazyFrame) else made)["y_prediction"]
    found = values.to_pylist() if hasattr(values, "to_pylist") else values.to_list()
    assert found == pytest.approx(right, rel=1e-9)


def test_the_first_and_last_days_of_the_calendar_stay():
    texts = ["0001-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999"]
    days = pl.Series("day", texts).str.head(10).str.to_date()
    frame = pl.DataFrame([days, pl.Series("at", texts).str.to_datetime(time_unit="us")])
    frame = frame.with_columns(pl.col("at").dt.cast_time_unit("ms").alias("ms"))
    notes: list[str] = []
    assert within_years(frame, notes).equals(frame)
    assert not notes
    beyond = frame.with_columns(
        pl.col("day").to_physical().replace({-719162: -719163, 2932896: 2932897}).cast(pl.Date)
    )
    assert within_years(beyond, notes)["day"].null_count() == 2
    assert notes == [BEYOND]


def test_a_column_of_a_kind_that_cannot_be_read_is_no_reason_to_refuse_others():
    query = "SELECT to_days(CAST(i AS INTEGER)) AS v, i % 7 AS z, i % 7 * 1.5 + i % 3 AS y"
    relation = duckdb.sql(f"{query} FROM range(99) r(i)")
    right = dr.learn(relation.project("z, y").pl(), predict="y", using="z", ridge=0)
    for using in ("z", None):
        learnt = dr.learn(relation, predict="y", using=using, ridge=0)
        assert learnt.coef == pytest.approx(right.coef, rel=1e-12)
        (told,) = [one for one in learnt.to_dict()["notes"] if "cannot be read" in one]
        assert told.startswith("v is of a kind")
    with pytest.raises(TableError, match="'v' is of a kind that cannot be read"):
        dr.columns(duckdb.sql("SELECT to_days(3) AS v"))
