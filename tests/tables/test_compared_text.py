"""Text compared with text: dates as dates, whatever the letters; numbers are refused."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ExpressionError, LearningError

ROWS = 400
DRAWS = np.random.default_rng(5)
DAYS = [date(2020, 1, 1) + timedelta(days=int(day)) for day in DRAWS.integers(0, 700, ROWS)]
FORMS = {
    "dmy": "%d/%m/%Y",
    "mdy": "%m/%d/%Y",
    "iso": "%Y-%m-%d",
    "dots": "%d.%m.%Y",
    "named": "%d-%b-%y",
}
CONDITIONS = {
    "d > '2021-01-01'": lambda day: day > date(2021, 1, 1),
    "d <= '2020-03-31'": lambda day: day <= date(2020, 3, 31),
    "'2020-06-01' < d": lambda day: day > date(2020, 6, 1),
    "d between '2020-06-01' and '2020-12-31'": lambda day: (
        date(2020, 6, 1) <= day <= date(2020, 12, 31)
    ),
    "d not between '2020-06-01' and '2020-12-31'": lambda day: (
        not date(2020, 6, 1) <= day <= date(2020, 12, 31)
    ),
    "d <> '2020-06-01' and x > 5": lambda day: day != date(2020, 6, 1),
    "d in ('2020-02-01', '2021-03-04') or d > '2021-02-01'": lambda day: (
        day in (date(2020, 2, 1), date(2021, 3, 4)) or day > date(2021, 2, 1)
    ),
    "cast(d as date) > date '2021-01-01'": lambda day: day > date(2021, 1, 1),
    "cast(d as date) > '2021-01-01'": lambda day: day > date(2021, 1, 1),
}


def _table(form: str) -> pl.DataFrame:
    x = np.arange(ROWS) + 10.0
    return pl.DataFrame(
        {
            "d": [day.strftime(form) for day in DAYS],
            "x": x,
            "y": np.sin(x),
        }
    )


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("form", FORMS)
def test_a_condition_on_dates_in_text_takes_the_rows_of_those_dates(
    form: str, condition: str, tmp_path: Path
) -> None:
    path = tmp_path / "sold.csv"
    _table(FORMS[form]).write_csv(path)
    model = dr.learn(path, predict="y", using="x", where=condition, ridge=0)
    assert model.record.rows == sum(map(CONDITIONS[condition], DAYS))


@pytest.mark.parametrize("form", FORMS)
def test_an_input_that_compares_dates_in_text_is_the_same_from_any_source(
    form: str, tmp_path: Path
) -> None:
    text = "d > '2021-01-01'"
    table = _table(FORMS[form]).with_columns(
        y=pl.Series([float(day > date(2021, 1, 1)) for day in DAYS]) + pl.col("x") / 100
    )
    table.write_csv(tmp_path / "sold.csv")
    model = dr.learn(tmp_path / "sold.csv", predict="y", using=[text, "x"], ridge=0)
    assert model.record.fit[0].rmse < 1e-9
    truth = table["y"].to_numpy()
    for rows in (
        table,
        table.with_columns(d=pl.Series(DAYS)),
        table.with_columns(d=pl.Series([datetime(d.year, d.month, d.day) for d in DAYS])),
        table.with_columns(d=pl.Series([day.isoformat() for day in DAYS])),
    ):
        np.testing.assert_allclose(model.predict(rows)["y_prediction"], truth, atol=1e-9)
    one = model.predict({"d": "2021-07-01", "x": 3.0})
    assert one["y_prediction"] == pytest.approx(1.03, abs=1e-9)


@pytest.mark.parametrize(
    "condition",
    [
        "d > '15/06/2021'",
        "d < '06/15/2021'",
        "d between '1/1/2020' and '1/1/2021'",
        "d >= '15.06.2021'",
        "'June' > d",
        "x > 3 and d > '15/06/2021'",
        "d > '2021'",
    ],
)
@pytest.mark.parametrize("form", ["dmy", "mdy", "dots"])
def test_an_order_of_letters_where_dates_are_meant_is_refused(form: str, condition: str) -> None:
    table = _table(FORMS[form])
    for settings in (
        {"using": "x", "where": condition},
        {"using": ["x", condition]},
    ):
        with pytest.raises(ExpressionError, match="column 'd' holds dates"):
            dr.learn(table, predict="y", **settings)


@pytest.mark.parametrize("condition", ["d > '2021'", "d > '2021-01'", "d < '2021-01-01 12:00'"])
def test_text_that_sorts_as_its_dates_may_be_compared_as_text(condition: str) -> None:
    table = _table(FORMS["iso"])
    model = dr.learn(table, predict="y", using="x", where=condition, ridge=0)
    text = condition.split("'")[1]
    above = sum(day.isoformat() > text for day in DAYS)
    assert model.record.rows == (above if ">" in condition else ROWS - above)


@pytest.mark.parametrize(
    ("cells", "condition", "refused"),
    [
        (["$1,200", "$90", "$13,000"], "c > '1000'", True),
        (["1.200,5", "90,25", "7,5"], "c <= '100'", True),
        (["12%", "9%", "55%"], "c between '10' and '20'", True),
        (["12%", "9%", "55%"], "c > '!'", False),
        (["01234", "90210", "30303"], "c < '50000'", False),
        (["a1", "b20", "c3"], "c > 'b'", False),
        (["$1,200", "$90", "$13,000"], "c = '$90'", False),
    ],
)
def test_numbers_in_text_are_not_compared_by_their_letters(
    cells: list[str], condition: str, refused: bool, tmp_path: Path
) -> None:
    path = tmp_path / "prices.csv"
    x = np.arange(60.0)
    pl.DataFrame({"c": cells * 20, "x": x, "y": np.cos(x)}).write_csv(path, separator="\t")
    if refused:
        with pytest.raises(ExpressionError, match="column 'c' holds numbers"):
            dr.learn(path, predict="y", using="x", where=condition)
    else:
        assert 0 < dr.learn(path, predict="y", using="x", where=condition).record.rows <= 60


def test_a_condition_on_dates_of_no_certain_order_is_refused() -> None:
    days = [f"{1 + row % 12:02}/{1 + row % 11:02}/2021" for row in range(60)]
    table = pl.DataFrame({"d": days, "x": np.arange(60.0), "y": np.cos(np.arange(60))})
    with pytest.raises(LearningError, match="first fits as"):
        dr.learn(table, predict="y", using="x", where="d > '2021-06-01'")
    # Equal letters are equal in any order.
    assert dr.learn(table, predict="y", using="x", where="d <> '01/01/2021'").record.rows < 60


@pytest.mark.parametrize("kind", [pl.String, None, "UTC"])
@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("t >= '2020-06-01 12:00:00'", 264),
        ("t >= '2020-06-01T12:00'", 264),
        ("t < '2020-05-31 10:00:00.500' and x < .5", 11),
        ("x > .5 and not x between .6 and .7", 149 - 31),
    ],
)
def test_times_of_day_and_numbers_without_a_zero(
    kind: type[pl.String] | str | None, condition: str, rows: int
) -> None:
    hours = [datetime(2020, 5, 31) + timedelta(hours=at) for at in range(300)]
    x = [at / 300 for at in range(300)]
    table = pl.DataFrame({"t": hours, "x": x, "y": [2 * one for one in x]})
    if kind == pl.String:
        table = table.with_columns(pl.col("t").dt.to_string("%Y-%m-%d %H:%M:%S"))
    elif kind:
        table = table.with_columns(pl.col("t").dt.replace_time_zone(kind))
    assert dr.learn(table, predict="y", using="x", where=condition, ridge=0).record.rows == rows
