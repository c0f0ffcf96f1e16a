"""Folds by a column: groups stay whole, periods follow each other, equal times are never parted."""

import itertools
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import ColumnError, DeltaruleError, ValueRefusedError
from deltarule.moments.folds import NO_GROUP, NOWHERE, fold_of
from deltarule.tables.fold_columns import Times, folds_by_time, key_column, keys_of
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import Read, read
from deltarule.tables.request import Request

finite = st.floats(allow_nan=False, allow_infinity=False)


def counted(times: list[float], each: list[float], most: int = 1 << 18, parts: int = 1) -> Times:
    found = Times(most)
    for part in np.array_split(np.arange(len(times)), parts):
        found.add(np.array(times)[part], np.array(each)[part])
    return found


def periods(times: Any, cuts: tuple[float, ...]) -> np.ndarray:
    return folds_by_time(pl.Series(times, dtype=pl.Float64), cuts, where="t", row=0)


@given(
    st.lists(st.tuples(finite, st.integers(1, 3)), min_size=1, max_size=60),
    st.integers(2, 9),
    st.randoms(use_true_random=False),
)
def test_cuts_part_times_whatever_their_order_and_never_equal_ones(
    rows: list[tuple[float, int]], folds: int, random: Any
) -> None:
    times = [at for at, _ in rows]
    each = [float(rows_) for _, rows_ in rows]
    cuts = counted(times, each).cuts(folds)
    assert list(cuts) == sorted(set(cuts))
    assert set(cuts) <= {at + 0.0 for at in times}
    assert len(cuts) < folds
    mixed = rows.copy()
    random.shuffle(mixed)
    again = counted([at for at, _ in mixed], [float(k) for _, k in mixed], parts=3)
    assert again.cuts(folds) == cuts
    copies = [at for at, k in rows for _ in range(k)]
    assert counted(copies, [1.0] * len(copies)).cuts(folds) == cuts
    found = periods(times, cuts)
    order = np.argsort(times, kind="stable")
    assert (np.diff(found[order].astype(int)) >= 0).all()
    assert (np.diff(np.unique(found)) == 1).all(), "no period is empty"


@given(st.integers(2, 12), st.integers(1, 400))
def test_different_times_make_periods_of_the_same_rows(folds: int, rows: int) -> None:
    times = [float(at) for at in range(rows)]
    found = periods(times, counted(times, [1.0] * rows).cuts(folds))
    sizes = np.bincount(found, minlength=min(folds, rows))
    assert sizes.max() - sizes.min() <= 1
    assert len(sizes) == min(folds, rows)


@given(st.lists(finite, min_size=1, max_size=300), st.integers(1, 40), st.randoms())
def test_more_times_than_there_are_cells_share_them_in_any_order(
    times: list[float], most: int, random: Any
) -> None:
    cuts = counted(times, [1.0] * len(times), most, parts=4).cuts(5)
    mixed = times.copy()
    random.shuffle(mixed)
    found = counted(mixed, [1.0] * len(times), most, parts=7)
    assert found.cuts(5) == cuts
    assert len(found._keys) <= most
    assert list(cuts) == sorted(set(cuts))


def test_cuts_of_many_times_are_near_those_of_a_sort() -> None:
    rng = np.random.default_rng(0)
    # A year of microseconds: more different times than cells, by far.
    times = 1.6e15 + np.floor(rng.uniform(0, 3e13, 400_000))
    found = Times(1 << 12)
    for part in np.array_split(times, 7):
        found.add(part, np.ones(len(part)))
    exact = np.quantile(times, [0.2, 0.4, 0.6, 0.8])
    # A cell is 2**-11 of the range of times at most.
    np.testing.assert_allclose(found.cuts(5), exact, atol=3e13 / 2**11)


def folds_by_group(groups: pl.Series, folds: int) -> np.ndarray:
    column = key_column(pl.col("g"), groups.dtype, name="g", where="t")
    read = groups.alias("g").to_frame().select(column)["g"]
    return fold_of(keys_of(read, NO_GROUP, where="t", row=0), folds)


def test_no_times_have_no_cuts() -> None:
    assert Times().cuts(5) == ()


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=3)) | st.none(), min_size=1, max_size=50),
    st.integers(2, 255),
)
def test_rows_of_a_group_have_one_fold(groups: list[str | None], folds: int) -> None:
    series = pl.Series(groups, dtype=pl.String)
    found = folds_by_group(series, folds)
    assert found.max() < folds
    for group in set(groups):
        mine = [at for at, one in enumerate(groups) if one == group]
        assert len(set(found[mine].tolist())) == 1
    # One by one, as another batch would hold them.
    assert [int(folds_by_group(series[[at]], folds)[0]) for at in range(len(groups))] == list(found)


def test_no_group_is_another_than_the_empty_one() -> None:
    found = folds_by_group(pl.Series([None, ""], dtype=pl.String), 255)
    assert found[0] != found[1]


def test_a_group_has_the_same_fold_as_any_kind_of_number() -> None:
    whole = folds_by_group(pl.Series([1, 0, 70, None]), 255)
    for kind in (pl.Float64, pl.Int8, pl.Float32):
        assert list(folds_by_group(pl.Series([1, 0, 70, None], dtype=kind), 255)) == list(whole)
    assert list(folds_by_group(pl.Series([1.0, -0.0, 70.0, np.nan]), 255)) == list(whole)


def learnt(table: Any, **asked: Any) -> Read:
    return read(open_table(table)[0], Request(["y"], **asked))


def rows(found: Read) -> dict[str, Any]:
    parts = list(found.rows())
    return {
        "fold": np.concatenate([part.fold for part in parts]),
        "number": np.concatenate([part.number for part in parts]),
    }


@pytest.mark.parametrize(
    "times",
    [
        [date(2020, 1, 1) + timedelta(days=at % 17) for at in range(100)],
        [datetime(2020, 1, 1) + timedelta(hours=at * 7 % 100) for at in range(100)],
        [time(at % 24, at % 60) for at in range(100)],
        [timedelta(minutes=at % 31) for at in range(100)],
        [-(at * 13 % 50) for at in range(100)],
        [at * 13 % 50 / 7 - 3 for at in range(100)],
    ],
    ids=lambda times: type(times[0]).__name__,
)
def test_periods_of_every_kind_of_time(times: list[Any]) -> None:
    table = pl.DataFrame({"at": times, "x": range(100), "y": [at * 7 % 10 for at in range(100)]})
    found = learnt(table, time="at", folds=4)
    by = rows(found)
    held = [[times[at] for at in by["number"][by["fold"] == fold]] for fold in range(4)]
    for early, late in itertools.pairwise(held):
        assert max(early) < min(late)
    assert [fold.rows for fold in found.folds] == [len(part) for part in held]
    assert [column.name for column in found.schema.columns] == ["x"], "a time is no input"


def test_rows_without_a_time_are_left_out_and_counted() -> None:
    table = pl.DataFrame(
        {"at": [3, None, 1, 2, None, 4], "x": range(6), "y": [1.0, 99.0, 2.0, 3.0, 98.0, 4.0]}
    )
    found = learnt(table, time="at", folds=2)
    assert (found.examples, found.left_out) == (4, 2)
    assert rows(found)["number"].tolist() == [0, 2, 3, 5]
    assert found.schema.targets[0].high == 4.0
    assert found.frames is not None
    periods = found.plan.keys(found.frames[0], name="t", row=0).periods
    assert periods is not None
    assert periods.tolist() == [1, NOWHERE, 0, 0, NOWHERE, 1]


def test_rows_that_are_left_out_have_no_say_in_where_periods_begin() -> None:
    n = 40
    table = pl.DataFrame(
        {
            "at": [*range(n), *[1000] * n],
            "x": [*range(n), *range(n)],
            "z": [*map(float, range(n)), *[None] * n],
            "w": [1.0] * n + [0.0] * n,
            "y": [float(at * 7 % 11) for at in range(n)] + [None] * n,
        }
    )
    whole = learnt(table[:n], time="at").plan.cuts
    assert len(whole) == 4
    assert learnt(table, time="at").plan.cuts == whole
    full = table.with_columns(y=pl.col("y").fill_null(3.0))
    assert learnt(full, time="at", row_weight="w").plan.cuts == whole
    assert learnt(full, time="at", drop_missing=True).plan.cuts == whole
    assert learnt(full, time="at").plan.cuts != whole


def test_groups_and_times_may_be_expressions_and_are_inputs_only_if_named() -> None:
    table = pl.DataFrame(
        {
            "day": ["2020-01-05", "2020-02-01", "2020-03-09", "2020-03-01", "2021-01-01"] * 4,
            "x": range(20),
            "y": [float(at * 7 % 11) for at in range(20)],
        }
    )
    found = learnt(table, time="cast(day as date)")
    assert [column.name for column in found.schema.columns] == ["x"]
    assert [fold.rows for fold in found.folds] == [4.0] * 5
    found = learnt(table, group="substr(day, 1, 7)")
    by = rows(found)
    month = np.array([text[:7] for text in table["day"]])[by["number"]]
    assert all(len(set(by["fold"][month == one].tolist())) == 1 for one in set(month))
    named = learnt(table, using=["day", "x"], group="day")
    assert [column.name for column in named.schema.columns] == ["day", "x"]


def test_a_column_called_as_the_fold_is() -> None:
    table = pl.DataFrame({"(fold)": range(20), "g": [1, 2] * 10, "y": [1.0, 2.0, 4.0, 9.0] * 5})
    found = learnt(table, group="g")
    assert [column.name for column in found.schema.columns] == ["(fold)"]


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"time": "name"}, ColumnError, "'name' is text, which has no order in time"),
        ({"time": "yes"}, ColumnError, "'yes' is boolean, which has no order in time"),
        ({"time": "wen"}, ColumnError, "no column 'wen'"),
        ({"group": "gruop"}, ColumnError, "no column 'gruop'"),
        ({"time": "far"}, ValueRefusedError, "column 'far', row 3 is infinite"),
    ],
)
def test_what_cannot_hold_rows_out_is_refused(
    asked: dict[str, str], error: type[DeltaruleError], says: str
) -> None:
    table = pl.DataFrame(
        {
            "name": ["a", "b", "c"],
            "yes": [True, False, True],
            "far": [1.0, 2.0, np.inf],
            "x": [1, 2, 4],
            "y": [1.0, 2.0, 3.0],
        }
    )
    with pytest.raises(error, match=says):
        learnt(table, **asked)
