"""Dates in text: one order for a whole table, odd cells named, read at prediction as learnt."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import DeltaruleError, ReadError, ValueRefusedError
from deltarule.tables.dates import Cells, Order, dates, times

FEW = settings(max_examples=20, deadline=None)
DAYS = st.dates(dt.date(1000, 1, 1), dt.date(9999, 12, 31))
RECENT = st.dates(dt.date(1969, 1, 1), dt.date(2068, 12, 31))
MOMENTS = st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 31))

# A form that Python writes, and the orders in which it reads back.
ANY: tuple[Order | None, ...] = (None, "ymd", "mdy", "dmy")
FORMS: list[tuple[str, tuple[Order | None, ...]]] = [
    ("%Y-%m-%d", ANY),
    ("%Y/%m/%d", ANY),
    ("%Y.%m.%d", ANY),
    ("%m/%d/%Y", ("mdy",)),
    ("%m-%d-%Y", ("mdy",)),
    ("%d/%m/%Y", ("dmy",)),
    ("%d.%m.%Y", ("dmy",)),
    ("%d-%b-%Y", ANY),
    ("%d %B %Y", ANY),
    ("%b %d, %Y", ANY),
    ("%B %d, %Y", ANY),
    ("%Y-%b-%d", ANY),
]
SHORT: list[tuple[str, tuple[Order | None, ...]]] = [
    ("%y-%m-%d", ("ymd",)),
    ("%y/%m/%d", ("ymd",)),
    ("%m/%d/%y", ("mdy",)),
    ("%d.%m.%y", ("dmy",)),
    ("%d-%m-%y", ("dmy",)),
    ("%d-%b-%y", ANY),
]
CLOCKS = ["T%H:%M:%S", " %H:%M:%S", " %H:%M", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S.%f"]


@pytest.mark.parametrize(("form", "orders"), FORMS)
@FEW
@given(days=st.lists(DAYS, min_size=1, max_size=5))
def test_a_date_reads_as_python_wrote_it(
    form: str, orders: tuple[Order | None, ...], days: list[dt.date]
) -> None:
    text = pl.Series([day.strftime(form) for day in days])
    for order in orders:
        assert dates(text, order, timed=False).to_list() == days
        assert Cells(text).at(order).dt.date().to_list() == days


@pytest.mark.parametrize(("form", "orders"), SHORT)
@FEW
@given(days=st.lists(RECENT, min_size=1, max_size=5))
def test_a_year_of_two_digits_is_from_1969_to_2068(
    form: str, orders: tuple[Order | None, ...], days: list[dt.date]
) -> None:
    text = pl.Series([day.strftime(form) for day in days])
    for order in orders:
        assert dates(text, order, timed=False).to_list() == days


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize(
    ("form", "order"), [("%Y-%m-%d", None), ("%m/%d/%Y", "mdy"), ("%d.%m.%Y", "dmy")]
)
@FEW
@given(
    moments=st.lists(MOMENTS, min_size=1, max_size=4),
    zone=st.sampled_from(["", "Z", "+01:00", " -0530"]),
)
def test_a_time_reads_as_python_wrote_it_whatever_offset_follows(
    form: str, order: Order | None, clock: str, moments: list[dt.datetime], zone: str
) -> None:
    fields = {"microsecond": 0} if "%f" not in clock else {}
    if "%S" not in clock:
        fields["second"] = 0
    moments = [moment.replace(**fields) for moment in moments]
    text = pl.Series([moment.strftime(form + clock) + zone for moment in moments])
    assert dates(text, order, timed=True).to_list() == moments


NO_DATES = [
    "30-2-9",
    "3-2-1",
    "1-2-34",
    "123-01-02",
    "12345-01-02",
    "2024-02-30",
    "2023-02-29",
    "0000-00-00",
    "2024-13-01",
    "2024-01/02",
    "1",
    "20241331",
    "12.2024",
    "2024-01",
    "31.04.2024",
    "Marchmallow 3, 2009",
    "32 May 2020",
    "-2024-01-02",
    "2024-01-01 25:00",
    "1/2/2024 13:05 PM",
    "2024-01-01 10:61",
    "1.2.3",
    "v1.2.2024",
    "10.0.0.1",
    "2024-1-1-1",
]


@pytest.mark.parametrize("cell", NO_DATES)
@pytest.mark.parametrize("order", ANY)
def test_codes_and_days_that_no_calendar_has_are_no_dates(cell: str, order: Order | None) -> None:
    for timed in (True, False):
        assert dates(pl.Series([cell]), order, timed=timed).to_list() == [None]
        # Nor beside cells that are written plainly.
        found = dates(pl.Series(["2024-01-01", cell, "2024-01-02"]), order, timed=timed)
        assert found.null_count() == 1


def test_times_of_day() -> None:
    found = times(
        pl.Series(["10:30", "9:05:07", "1:05 pm", "12:00 AM", "25:00", "10:3", "x", None])
    )
    assert found.to_list() == [
        dt.time(10, 30),
        dt.time(9, 5, 7),
        dt.time(13, 5),
        dt.time(0),
        *[None] * 4,
    ]


# The order of a whole table

SPREAD = [dt.date(2022, 1, 1) + dt.timedelta(days=37 * at % 700) for at in range(80)]
EARLY = [dt.date(2021 + at % 3, 1 + at * 7 % 12, 1 + at * 5 % 12) for at in range(80)]
MONTHS = [dt.date(2019 + at // 12, 1 + at % 12, 1) for at in range(48)]
US, EU = "%m/%d/%Y", "%d/%m/%Y"


def target(day: dt.date) -> float:
    return 3 + 0.25 * day.toordinal()


def table(days: list[dt.date], form: str, **more: list[str]) -> str:
    head = ",".join(["day", *more, "y"])
    rows = zip(
        *([day.strftime(form) for day in days], *more.values(), map(target, days)), strict=True
    )
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n"


def slope(model: dr.Model) -> float:
    return {one.input: one.weight for one in model.record.weights}["days(day)"]


def notes_on(model: dr.Model, word: str) -> list[str]:
    return [note for note in model.record.notes if word in note]


def learnt(path: Any, **more: Any) -> dr.Model:
    return dr.learn(path, predict="y", using=["days(day)"], ridge=0, **more)


@pytest.mark.parametrize("form", [US, EU, "%d.%m.%Y", "%m-%d-%Y", "%m/%d/%Y 1:00 PM", "%d.%m.%y"])
def test_the_order_that_fits_all_cells_is_taken_without_a_word(
    write: Callable[..., Path], form: str
) -> None:
    model = learnt(write("t.csv", table(SPREAD, form)))
    assert slope(model) == pytest.approx(0.25, rel=1e-9)
    assert not notes_on(model, "fits as well")
    assert bool(notes_on(model, "two digits")) == ("%y" in form)


@pytest.mark.parametrize("form", [US, EU])
def test_one_sure_column_decides_for_all(write: Callable[..., Path], form: str) -> None:
    sure = [day.strftime(form) for day in SPREAD]
    model = learnt(write("t.csv", table(EARLY, form, sent=sure)))
    assert slope(model) == pytest.approx(0.25, rel=1e-9)
    assert not notes_on(model, "fits as well")


@pytest.mark.parametrize("said", ["mdy", "dmy"])
def test_where_both_orders_fit_a_note_says_which_was_taken(
    write: Callable[..., Path], said: str
) -> None:
    path = write("t.csv", table(EARLY, US if said == "mdy" else EU))
    (note,) = notes_on(learnt(path), "fits as well")
    assert "day first" in note
    assert "dates=mdy" in note
    model = learnt(dr.source(path, dates=said))
    assert slope(model) == pytest.approx(0.25, rel=1e-9)
    assert not notes_on(model, "fits as well")


def test_first_days_of_months_are_no_first_days_of_january(write: Callable[..., Path]) -> None:
    model = learnt(write("t.csv", table(MONTHS, US)))
    assert slope(model) == pytest.approx(0.25, rel=1e-9)
    assert notes_on(model, "dates=dmy")


@pytest.mark.parametrize("form", [US, EU])
def test_a_cell_that_decides_far_down_decides_for_all(
    write: Callable[..., Path], form: str
) -> None:
    model = learnt(write("t.csv", table([*EARLY * 132, dt.date(2023, 5, 25)], form)))
    assert slope(model) == pytest.approx(0.25, rel=1e-9)
    assert not notes_on(model, "fits as well")
    assert not notes_on(model, "missing")
    assert bool(notes_on(model, "read again")) == (form == US)


@pytest.mark.parametrize("form", [US, EU, "%Y-%m-%d"])
def test_dates_that_begin_far_down_are_dates(write: Callable[..., Path], form: str) -> None:
    rows = "".join(f",{at % 5},1.0\n" for at in range(10_200))
    rows += "".join(f"{day.strftime(form)},{at % 5},2.0\n" for at, day in enumerate(SPREAD))
    model = dr.learn(write("t.csv", "day,x,y\n" + rows), predict="y", using=["day", "x"], ridge=0)
    (days,) = [one for one in model.record.contract.columns if one.name == "days(day)"]
    assert (days.low, days.high) == (
        min(SPREAD).toordinal() - 719_163,
        max(SPREAD).toordinal() - 719_163,
    )


def test_times_far_down_are_no_odd_dates(write: Callable[..., Path]) -> None:
    text = table(SPREAD * 131, "%Y-%m-%d") + "2023-01-01 12:00,1.0\n"
    model = dr.learn(write("t.csv", text), predict="y", using=["day"], ridge=0)
    assert not notes_on(model, "missing")
    assert model.record.contract.formats["day"].kind == "datetime"


def test_columns_of_two_orders_are_read_each_in_its_own(write: Callable[..., Path]) -> None:
    other = [day.strftime(EU) for day in SPREAD]
    path = write("t.csv", table(SPREAD, US, other=other))
    model = dr.learn(path, predict="y", using=["days(day)", "days(other)"], ridge=0)
    weights = [one.weight for one in model.record.weights]
    assert sum(weights) == pytest.approx(0.25, rel=1e-9)
    assert notes_on(model, "more than one order")


def test_text_with_both_orders_in_it_is_not_half_a_column_in_each(
    write: Callable[..., Path],
) -> None:
    half = [day.strftime(US if at % 2 else EU) for at, day in enumerate(SPREAD)]
    path = write(
        "t.csv", "day,x,y\n" + "".join(f"{d},{at % 5},{at}\n" for at, d in enumerate(half))
    )
    model = dr.learn(path, predict="y", ridge=0)
    assert [one.name for one in model.record.contract.columns] == ["x"]


def test_an_order_that_does_not_fit_leaves_text_and_says_so(write: Callable[..., Path]) -> None:
    path = write("t.csv", table(SPREAD, EU, x=[str(at % 7) for at in range(80)]))
    model = dr.learn(dr.source(path, dates="mdy"), predict="y", ridge=0)
    assert notes_on(model, "month first")
    assert "days(day)" not in [one.name for one in model.record.contract.columns]
    with pytest.raises(ReadError, match="ymd, mdy, dmy"):
        dr.source(path, dates="us")


def test_years_of_two_digits_first(write: Callable[..., Path]) -> None:
    model = learnt(write("t.csv", table(SPREAD, "%y-%m-%d")))
    assert slope(model) == pytest.approx(0.25, rel=1e-9)
    assert notes_on(model, "two digits")


# Odd cells


@pytest.mark.parametrize("word", ["NA", "", "null", "N/A", "-"])
def test_a_word_for_missing_among_dates_is_missing(write: Callable[..., Path], word: str) -> None:
    text = table(SPREAD, "%Y-%m-%d").replace(SPREAD[7].isoformat(), word, 1)
    model = learnt(write("t.csv", text))
    (column,) = model.record.contract.columns
    assert column.missing == 1
    assert not notes_on(model, "cell")


@pytest.mark.parametrize("word", ["0000-00-00", "2024-02-30", "soon", "1", "99-99-9999"])
def test_another_odd_cell_is_missing_and_named(write: Callable[..., Path], word: str) -> None:
    text = table(SPREAD, "%Y-%m-%d").replace(SPREAD[7].isoformat(), word, 1)
    path = write("t.csv", text)
    model = learnt(path)
    (note,) = notes_on(model, "cell")
    assert repr(word) in note
    assert model.record.contract.columns[0].missing == 1
    found, notes = model.predict_noticing(path)
    assert found.height == 80
    assert any(repr(word) in one for one in notes)


def test_many_odd_cells_leave_text(write: Callable[..., Path]) -> None:
    text = table(SPREAD, "%Y-%m-%d", x=[str(at % 7) for at in range(80)])
    for day in SPREAD[:20]:
        text = text.replace(day.isoformat(), f"week {day.day}", 1)
    model = dr.learn(write("t.csv", text), predict="y", ridge=0)
    assert [one.name for one in model.record.contract.columns] == ["x"]


def test_dates_written_as_numbers_are_dates_with_a_note(write: Callable[..., Path]) -> None:
    path = write("t.csv", table(SPREAD, "%Y%m%d"))
    model = learnt(path)
    assert slope(model) == pytest.approx(0.25, rel=1e-9)
    assert notes_on(model, "dates=none")
    assert model.predict({"day": 20240131})["y_prediction"] == pytest.approx(
        target(dt.date(2024, 1, 31))
    )
    numbers = dr.learn(dr.source(path, dates="none"), predict="y", ridge=0)
    assert [one.name for one in numbers.record.contract.columns] == ["day"]
    # One that is no date, and all are numbers.
    later = write("u.csv", table(SPREAD * 126, "%Y%m%d") + "20240231,1.0\n")
    mixed = dr.learn(later, predict="y", ridge=0)
    assert [one.name for one in mixed.record.contract.columns] == ["day"]


# Prediction


def test_the_order_learnt_is_the_order_at_prediction(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    model = learnt(write("t.csv", table(SPREAD, US)))
    model.save(tmp_path / "m.json")
    model = dr.load(tmp_path / "m.json")
    expected = target(dt.date(2023, 4, 5))
    for day in (
        "04/05/2023",
        "4/5/2023",
        "2023-04-05",
        "4/5/23",
        "Apr 5, 2023",
        dt.date(2023, 4, 5),
    ):
        assert model.predict({"day": day})["y_prediction"] == pytest.approx(expected)
    with pytest.raises(ValueRefusedError, match="'13/12/2023' is not a date, month first"):
        model.predict({"day": "13/12/2023"})
    later = write("u.csv", table(SPREAD, EU))
    found = model.predict(dr.source(later, dates="dmy")).to_series().to_list()
    assert found == pytest.approx([target(day) for day in SPREAD])


def test_an_order_that_was_not_learnt_is_told_by_the_table_or_asked_for(
    write: Callable[..., Path],
) -> None:
    model = learnt(pl.DataFrame({"day": SPREAD, "y": [target(day) for day in SPREAD]}))
    for form in (US, EU):
        found = model.predict(write("t.csv", table(SPREAD, form)))
        assert found.to_series().to_list() == pytest.approx([target(day) for day in SPREAD])
    with pytest.raises(ValueRefusedError, match="dates=dmy"):
        model.predict({"day": "04/05/2023"})


@pytest.mark.parametrize("word", ["0000-00-00", "0000-00-00 00:00:00", "\\N"])
def test_a_date_of_zeros_is_missing(write: Callable[..., Path], word: str) -> None:
    days = [str(dt.date(2020, 1, 1) + dt.timedelta(days=5 * at)) for at in range(60)]
    rows = [f"{word if at % 10 == 3 else day},{at}" for at, day in enumerate(days)]
    model = dr.learn(write("t.csv", "\n".join(["at,y", *rows])), predict="y")
    assert model.record.contract.columns[0].missing == 6
    assert notes_on(model, f"treated as missing: '{word}' (6 times")
    given = [model.predict({"at": one})["y_prediction"] for one in (word, None)]
    assert given[0] == given[1]
    frame = pl.DataFrame({"at": [word, days[0]]})
    assert model.predict(frame)["y_prediction"][0] == pytest.approx(given[0])


@pytest.mark.parametrize("zone", ["+01:00", "Z", "UTC", "-0530"])
def test_an_hour_is_the_hour_as_written(write: Callable[..., Path], zone: str) -> None:
    rows = [(dt.datetime(2024, 3, 25) + dt.timedelta(hours=5 * at)) for at in range(90)]
    text = "at,y\n" + "".join(f"{one.isoformat()}{zone},{one.hour}\n" for one in rows)
    model = dr.learn(write("t.csv", text), predict="y", using=["hour(at)"], ridge=0)
    assert model.record.weights[0].weight == pytest.approx(1)
    utc = zone in ("Z", "UTC")
    assert bool(notes_on(model, "as written")) != utc
    assert bool(notes_on(model, "hours are those of UTC")) == utc
    plain = write("u.csv", text.replace(zone, ""))
    compared = model.compare(plain)
    assert compared.outputs[0].rmse == pytest.approx(0, abs=1e-9)
    mixed = text.replace(zone, "", 20)
    assert any(
        "have none" in note
        for note in notes_on(
            dr.learn(write("v.csv", mixed), predict="y", using=["hour(at)"], ridge=0), "as written"
        )
    )


def test_a_zone_without_a_name_is_read(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    hours = np.arange(0, 60 * 7, 7)
    moments = pa.array(hours * 3_600_000_000, type=pa.timestamp("us", tz="+05:30"))
    local = [(dt.datetime(1970, 1, 1) + dt.timedelta(hours=int(h) + 5.5)).hour for h in hours]
    pq.write_table(
        pa.table({"at": moments, "y": [float(h) for h in local]}), tmp_path / "t.parquet"
    )
    model = dr.learn(tmp_path / "t.parquet", predict="y", using=["hour(at)"], ridge=0)
    assert model.record.weights[0].weight == pytest.approx(1)
    assert model.record.fit[0].rmse == pytest.approx(0, abs=1e-9)
    assert "at: hours are those of +05:30" in model.record.notes


# Yes and no


YES = ["Yes", "yes", "Y", "true", "TRUE", "1", 1, True, "on", "1.0", 1.0]
NO = ["No", "no", "N", "false", "False", "0", 0, False, "off", "0.0", 0.0]


@pytest.mark.parametrize(
    ("yes", "no"),
    [("Yes", "No"), ("Y", "N"), ("true", "false"), (True, False), ("1", "0"), ("on", "off")],
)
def test_yes_and_no_mean_the_same_in_all_words(yes: Any, no: Any) -> None:
    rows = [
        {"f": yes if at % 3 else no, "x": at % 7, "y": 2.0 * bool(at % 3) + at % 7}
        for at in range(60)
    ]
    model = dr.learn(rows, predict="y", ridge=0)
    for value in YES:
        assert model.predict({"f": value, "x": 3})["y_prediction"] == pytest.approx(5)
    for value in NO:
        assert model.predict({"f": value, "x": 3})["y_prediction"] == pytest.approx(3)


def test_classes_of_yes_and_no_are_compared_in_other_words() -> None:
    rows = [{"x": float(at % 9), "y": "Yes" if at % 9 + at % 4 > 6 else "No"} for at in range(90)]
    model = dr.learn(rows, predict="y", loss="logistic")
    expected = model.compare(rows)
    for yes, no in ((True, False), ("1.0", "0.0"), ("T", "F")):
        other = [{"x": row["x"], "y": yes if row["y"] == "Yes" else no} for row in rows]
        assert model.compare(other).to_dict() == expected.to_dict()


@pytest.mark.parametrize("learnt", [(True, False), ("true", "false"), ("yes", "no")], ids=str)
def test_a_file_with_1_0_for_yes_is_compared_with_a_model_of_yes_and_no(
    learnt: Any, tmp_path: Path
) -> None:
    rows = [{"x": float(at % 9), "y": at % 9 + at % 4 > 6} for at in range(90)]
    words = [{**row, "y": learnt[0] if row["y"] else learnt[1]} for row in rows]
    pl.DataFrame(rows).with_columns(pl.col("y").cast(pl.Float64)).write_csv(tmp_path / "t.csv")
    model = dr.learn(words, predict="y", loss="logistic")
    found = model.compare(tmp_path / "t.csv")
    assert found.to_dict()["outputs"] == model.compare(words).to_dict()["outputs"]


def test_words_beside_yes_and_no_are_levels_of_their_own() -> None:
    rows = [{"f": "YNU"[at % 3], "x": at % 7, "y": float(at % 3) + at % 7} for at in range(90)]
    model = dr.learn(rows, predict="y", ridge=0)
    _, notes = model.predict_noticing({"f": "yes", "x": 3})
    assert any("never seen" in note for note in notes)


def test_the_errors_are_ours(write: Callable[..., Path]) -> None:
    model = learnt(write("t.csv", table(SPREAD, "%Y-%m-%d")))
    for day in ("soon", 5, "2024-02-30", True):
        with pytest.raises(DeltaruleError):
            model.predict({"day": day})


def test_a_condition_on_dates_in_text(write: Callable[..., Path]) -> None:
    from_april = sum(day >= dt.date(2023, 4, 5) for day in SPREAD)
    for form in (US, EU, "%Y-%m-%d"):
        path = write("t.csv", table(SPREAD, form))
        model = learnt(path, where="day >= date '2023-04-05'")
        assert model.record.rows == from_april
    with pytest.raises(DeltaruleError, match="dates=mdy"):
        learnt(write("t.csv", table(EARLY, US)), where="day >= date '2023-04-05'")


@pytest.mark.parametrize(
    ("cells", "odd"),
    [
        (["29.02.2024", "28.02.2023", "29.02.2023", "31.12.1999", "01.01.2000"], "29.02.2023"),
        (["2024-01-31", "2024-02-30", "2024-03-31"], "2024-02-30"),
        (["1/31/2024", "2/28/2024", "see mail", "3/5/2024"], "see mail"),
        (["5 Jan 2024", "6 Feb 2024", "7 Foo 2024"], "7 Foo 2024"),
        (["2024-01-31", "2024-02-15", "0001-00-00"], "0001-00-00"),
    ],
)
def test_a_column_of_mostly_dates_that_is_text_is_told(cells: list[str], odd: str) -> None:
    rows = pl.DataFrame({"d": cells * 30, "y": range(30 * len(cells))})
    told = [one for one in dr.learn(rows, predict="y").record.notes if "are no dates" in one]
    assert told == [f"d is text: 30 of {rows.height} cells are no dates, such as '{odd}'"]


@pytest.mark.parametrize(
    "cells",
    [
        ["A-1", "B-2", "2024-01-31"],
        ["30-2-9", "31-2-9", "99-9-9"],
        ["x", "y", "z"],
        ["5 lbs", "7 lbs", "unknown", "unknown", "unknown"],
    ],
)
def test_a_column_of_other_text_is_no_dates(cells: list[str]) -> None:
    rows = pl.DataFrame({"d": cells * 30, "y": range(30 * len(cells))})
    assert not [one for one in dr.learn(rows, predict="y").record.notes if "no dates" in one]
