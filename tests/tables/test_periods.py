"""Months, quarters and weeks in text: dates of their first day, wherever rows come from."""

import datetime as dt
import json
import runpy
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.tables.periods import Period, first_days

DAYS = st.lists(st.dates(dt.date(1500, 2, 1), dt.date(2299, 12, 1)), min_size=1, max_size=20)
WRITTEN: dict[Period, list[Callable[[dt.date], str]]] = {
    "month": [
        lambda day: f"{day:%Y-%m}",
        lambda day: f"{day:%Y/%m}",
        lambda day: f"{day:%m/%Y}",
        lambda day: f"{day.month}-{day.year}",
        lambda day: f"{day:%b %Y}",
        lambda day: f"{day:%B %Y}",
        lambda day: f"{day:%b-%Y}".upper(),
        lambda day: f"{day:%B, %Y}".lower(),
        lambda day: f"{day:%Y %b}",
        lambda day: f"{day:%Y-%B}",
    ],
    "quarter": [
        lambda day: f"{day.year}Q{(day.month + 2) // 3}",
        lambda day: f"{day.year}-Q{(day.month + 2) // 3}",
        lambda day: f"{day.year} q{(day.month + 2) // 3}",
    ],
    "week": [
        lambda day: "{}-W{:02d}".format(*day.isocalendar()[:2]),
        lambda day: "{}w{:02d}".format(*day.isocalendar()[:2]),
    ],
}
FORMS = [(every, form) for every, forms in WRITTEN.items() for form in forms]
BEGINS: dict[Period, Callable[[dt.date], dt.date]] = {
    "month": lambda day: day.replace(day=1),
    "quarter": lambda day: day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1),
    "week": lambda day: day - dt.timedelta(days=day.weekday()),
}
STARTS = [dt.date(2015, 1, 1) + dt.timedelta(days=7 * at) for at in range(260)]


@pytest.mark.parametrize(("every", "form"), FORMS)
@given(days=DAYS)
def test_a_period_is_the_day_it_begins_on(
    every: Period, form: Callable[[dt.date], str], days: list[dt.date]
) -> None:
    text = pl.Series([form(day) for day in days])
    assert first_days(text, every).to_list() == [BEGINS[every](day) for day in days]


@pytest.mark.parametrize(
    ("every", "text"),
    [
        ("month", "2021-13"), ("month", "2021-00"), ("month", "2021-3"), ("month", "1234-05"),
        ("month", "13/2021"), ("month", "0/2021"), ("month", "3/21"), ("month", "Mar-21"),
        ("month", "Mrz 2021"), ("month", "March 1234"), ("month", "12 Mar 2021"),
        ("month", "03.2021"), ("month", "003/2021"), ("month", "March"), ("quarter", "Mar 2021"),
        ("month", "2021Q1"), ("quarter", "2021Q5"), ("quarter", "2021-01"), ("week", "2021-W53"),
        ("week", "2021-W00"), ("week", "2021-W54"), ("week", "2021-05"), ("month", "2021-03-01"),
    ],
)  # fmt: skip
def test_what_is_no_period_of_this_kind(every: Period, text: str) -> None:
    assert first_days(pl.Series([text]), every).to_list() == [None]


def table(every: Period, form: Callable[[dt.date], str]) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    days = np.array([(BEGINS[every](day) - dt.date(1970, 1, 1)).days for day in STARTS])
    y = days / 100 + rng.normal(0, 0.1, len(days))
    return pl.DataFrame({"month": [form(day) for day in STARTS], "y": y})


def weights(model: dr.Model) -> list[tuple[str, str | None, float]]:
    return [(one.input, one.level, one.weight) for one in model.record.weights]


@pytest.mark.parametrize(("every", "form"), FORMS)
def test_every_source_learns_dates_and_predicts_alike(
    every: Period, form: Callable[[dt.date], str], tmp_path: Path
) -> None:
    rows = table(every, form)
    model = dr.learn(rows, predict="y", dates=["days"])
    plain = rows.with_columns(pl.Series("month", [BEGINS[every](day) for day in STARTS]))
    known = dr.learn(plain, predict="y", dates=["days"])
    assert weights(model) == weights(known)
    rows.write_csv(tmp_path / "t.csv")
    rows.write_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.json").write_text(json.dumps(rows.to_dicts()))
    with sqlite3.connect(tmp_path / "t.db") as base:
        base.execute("CREATE TABLE t (month TEXT, y REAL)")
        base.executemany("INSERT INTO t VALUES (?, ?)", rows.rows())
    sources: list[Any] = [tmp_path / "t.csv", tmp_path / "t.parquet", tmp_path / "t.json"]
    sources += [rows.to_pandas(), f"sqlite:///{tmp_path / 't.db'}"]
    wanted = known.predict(plain)["y_prediction"].to_list()
    for source in sources:
        again = dr.learn(source, predict="y", dates=["days"])
        assert weights(again) == weights(model), source
        made = model.predict(source)
        assert list(made["y_prediction"]) == wanted, source
    for at in (0, 17):
        one = model.predict(rows.to_dicts()[at])
        assert one["y_prediction"] == pytest.approx(wanted[at], rel=1e-12)
    # Where the same column holds dates, they are taken as these.
    assert model.predict(plain)["y_prediction"].to_list() == wanted
    dates = plain.with_columns(pl.col("month").cast(pl.String))
    assert model.predict(dates)["y_prediction"].to_list() == wanted


@pytest.mark.parametrize("every", ["M", "Q", "W", "D"])
def test_pandas_periods_are_their_first_day(every: str) -> None:
    rng = np.random.default_rng(2)
    when = pd.period_range("2015-01-01", periods=60, freq=every)
    frame = pd.DataFrame({"month": when, "y": np.arange(60) + rng.normal(0, 0.1, 60)})
    frame.loc[3, "month"] = pd.NaT
    starts = frame.assign(month=frame["month"].dt.start_time)
    made, known = (dr.learn(one, predict="y", dates=["days"]) for one in (frame, starts))
    assert weights(made) == weights(known)
    assert list(made.predict(frame)["y_prediction"]) == list(known.predict(starts)["y_prediction"])


def test_the_note_says_what_a_period_became_and_what_else_would_do(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    rows = table("month", WRITTEN["month"][0])
    rows.write_csv(path)
    told = " ".join(run("learn", path, "--predict=y").out.split())
    assert "month: each month is the date of its first day, '2015-01' as 2015-01-01" in told
    model = dr.learn(rows, predict="y")
    assert {one.input for one in model.record.weights} == {"days(month)", "category(month(month))"}
    labels = " ".join(run("learn", path, "--predict=y", "--read", "dates=none").out.split())
    assert "first day" not in labels


@pytest.mark.parametrize(
    "texts",
    [
        [f"{2000 + at}-{(at + 1) % 100:02d}" for at in range(12)],  # seasons
        [f"{1000 + 31 * at}-{at % 12 + 1:02d}" for at in range(12)],  # codes
        [f"20{at:02d}-{at + 20}" for at in range(12)],
        [f"AB{at}Q1" for at in range(12)],
        [f"2021Q{at % 4 + 1}X" for at in range(12)],
    ],
)
def test_what_only_looks_like_periods_stays_text(texts: list[str]) -> None:
    rows = pl.DataFrame({"t": texts * 10, "x": range(120), "y": [at % 7 for at in range(120)]})
    names = {one.input for one in dr.learn(rows, predict="y").record.weights}
    assert "t" in names
    assert not [name for name in names if "days(" in name]


def test_an_odd_cell_is_named_and_a_period_orders_time() -> None:
    rows = table("month", WRITTEN["month"][0])
    when = rows["month"].to_list()
    when[100] = "2021-13"
    odd = rows.with_columns(pl.Series("month", when))
    model = dr.learn(odd, predict="y")
    assert "that is no month such as 2021-03 treated as missing: '2021-13'" in "\n".join(
        model.record.notes
    )
    timed = rows.with_columns(x=pl.int_range(rows.height).cast(pl.Float64))
    made = dr.learn(timed, predict="y", using="x", time="month").record
    assert made.held_out_by is not None
    assert made.held_out_by.cuts


@pytest.mark.parametrize("text", ["01/03/2021", "1.3.2021", "3/1/21", "25/03/2021", "3-1-2021"])
def test_a_date_that_may_have_the_day_first_is_no_month_in_one_row_or_many(
    text: str, tmp_path: Path
) -> None:
    model = dr.learn(table("month", lambda day: f"{day:%Y-%m}"), predict="y")
    for cells in (text, [text]):
        with pytest.raises(dr.DeltaruleError, match="is not a month such as 2021-03"):
            model.predict({"month": cells})
    model.export("python", tmp_path / "months.py")
    exported = runpy.run_path(str(tmp_path / "months.py"))
    with pytest.raises(ValueError, match="month"):
        exported["predict"]({"month": text})
    full = model.predict({"month": "2021-03-01"})
    assert full == model.predict({"month": "2021-03"})
    assert exported["predict"]({"month": "2021-03-01"}) == pytest.approx(full)
