"""Cells of text that are no dates in SQL: missing, as in the model, or where SQL is more strict."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from tests.export.conftest import in_duckdb, in_sqlite

NO_DATES = [
    *("2020-02-30", "2020-04-31", "2021-02-29", "2020-13-01", "epoch", "infinity", "today"),
    *("-2020-01-05", "99999-01-01", "2020-10-27T24:00:00Z", "2020-10-27 02:05:30x", "2020-01-05x"),
]
DATES = {
    "2020-02-29": dt.datetime(2020, 2, 29),
    "1999-12-31T23:59:59": dt.datetime(1999, 12, 31, 23, 59, 59),
    "2020-10-27 02:05": dt.datetime(2020, 10, 27, 2, 5),
    "2020-10-27 02:05:30.25": dt.datetime(2020, 10, 27, 2, 5, 30, 250_000),
    "2020-10-27T02:05:30Z": dt.datetime(2020, 10, 27, 2, 5, 30),
}
# What the model reads and a database need not: it is missing there, rather than another date.
MAYBE = {
    " 2020-1-5 ": dt.datetime(2020, 1, 5),
    "2020/01/05": dt.datetime(2020, 1, 5),
    "20200105": dt.datetime(2020, 1, 5),
    "2020-10-27 02:05:00 PM": dt.datetime(2020, 10, 27, 14, 5),
    "2020-10-27 2:05 PM": dt.datetime(2020, 10, 27, 14, 5),
    "2020-10-27 02:05:30,25": dt.datetime(2020, 10, 27, 2, 5, 30, 250_000),
}


@pytest.mark.parametrize(("dialect", "run"), [("duckdb", in_duckdb), ("sqlite", in_sqlite)])
@pytest.mark.parametrize("timed", [False, True])
def test_text_that_is_no_date_is_missing_in_sql(timed, dialect, run):
    start = dt.datetime(2020, 1, 1, 9 if timed else 0)
    at = [start + dt.timedelta(days=day) for day in range(300)]
    text = [one.isoformat(sep=" ") if timed else one.date().isoformat() for one in at]
    days = np.array([(one - dt.datetime(1970, 1, 1)) / dt.timedelta(days=1) for one in at])
    learnt = dr.learn(
        pl.DataFrame({"at": text, "y": days}), predict="y", using=["days(at)"], ridge=0
    )
    rows = pl.DataFrame({"at": [*NO_DATES, *DATES, *MAYBE]}).with_row_index("row id")
    _, [found] = run(rows, learnt.to_sql("rows", dialect=dialect, keep=["row id"]))
    missing = days.mean()  # what a missing number is filled with
    since = [one - dt.datetime(1970, 1, 1) for one in (*DATES.values(), *MAYBE.values())]
    known = [one / dt.timedelta(days=1) if timed else float(one.days) for one in since]
    assert found[: len(NO_DATES)] == pytest.approx([missing] * len(NO_DATES), abs=1e-6)
    rest = found[len(NO_DATES) :]
    assert rest[: len(DATES)] == pytest.approx(known[: len(DATES)], abs=1e-6)
    for got, right in zip(rest[len(DATES) :], known[len(DATES) :], strict=True):
        assert got == pytest.approx(right, abs=1e-6) or got == pytest.approx(missing, abs=1e-6)


def test_an_export_to_sql_says_that_months_by_name_are_not_read():
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=day) for day in range(120)]
    for at in ([day.strftime("%b %d, %Y") for day in days], [day.month + 0.5 for day in days]):
        frame = pl.DataFrame({"at": at, "y": [day.month for day in days]})
        learnt = dr.learn(frame, predict="y", using="at", dates="days", loss="squared")
        made = learnt.exported("sql", table="rows")
        dated = isinstance(at[0], str)
        assert ("months by name" in str(made.check)) is dated
        assert ("whose month is a name" in made.content) is dated
        assert "months by name" not in str(learnt.exported("python").check)
