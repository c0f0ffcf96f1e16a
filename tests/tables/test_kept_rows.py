"""Rows kept of tables: an even draw that merges, and its file, hostile until it is checked."""

import datetime as dt
import json
from collections.abc import Callable
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.errors import ColumnError, DeltaruleError, NotAModelError, OutputError, VersionError
from deltarule.moments.folds import fold_of
from deltarule.tables import kept_rows_file
from deltarule.tables.frames import open_table
from deltarule.tables.kept_rows import KeptRows, draw
from deltarule.tables.kept_rows_file import (
    MAGIC,
    START,
    SavedRows,
    fingerprint,
    from_bytes,
    to_bytes,
)
from deltarule.tables.saved_file import CHECKSUM
from tests.tables.signed_files import other_bit, other_bytes, signed

KEY = pl.col("id").cast(pl.Float64)


def drawn(table: pl.DataFrame, most: int, key: pl.Expr | None = KEY) -> KeptRows:
    return draw(open_table(table)[0], table.columns, key, most)


def ids(first: int, last: int) -> pl.DataFrame:
    return pl.DataFrame({"id": range(first, last), "x": [at / 7 for at in range(first, last)]})


@settings(max_examples=25)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=4), st.integers(1, 50))
def test_rows_kept_of_parts_give_those_of_the_whole(sizes: list[int], most: int) -> None:
    ends = np.cumsum([0, *sizes]).tolist()
    parts = [ids(*span) for span in pairwise(ends)]
    known = drawn(ids(0, ends[-1]), most)
    assert len(known.draws) == min(most, ends[-1])
    for order in permutations(parts):
        kept = [drawn(part, most) for part in order]
        found = kept[0]
        for one in kept[1:]:
            found = found + one
        assert (found.total, found.all_there) == (known.total, known.all_there)
        assert found.frame.sort("id").equals(known.frame)
    first, *others = [drawn(part, most) for part in parts]
    rest = others[0]
    for one in others[1:]:
        rest = rest + one
    assert (first + rest).frame.equals(known.frame)
    assert (first + rest).numbers.tolist() == known.numbers.tolist()


def test_of_draws_of_other_sizes_the_smaller_bounds_both() -> None:
    few, many = drawn(ids(0, 1000), 20), drawn(ids(1000, 2000), 400)
    both = few + many
    assert both.most == 20
    assert both.frame.equals(drawn(ids(0, 2000), 20).frame)


def test_each_row_is_kept_as_often_and_in_any_fold() -> None:
    times, folds = np.zeros(200), np.zeros(5)
    for start in range(0, 200_000, 200):
        kept = drawn(ids(start, start + 200), 50)
        times[kept.numbers] += 1
        folds += np.bincount(fold_of(kept.frame["id"].to_numpy().astype(float), 5), minlength=5)
    # 1,000 draws of a quarter: a standard deviation of 13.7, of 200 numbers.
    assert np.abs(times - 250).max() < 4.5 * 13.7
    assert ((folds - folds.mean()) ** 2 / folds.mean()).sum() < 20
    kept = drawn(ids(0, 100_000), 10_000, None)
    cells = np.bincount(kept.numbers // 1000, minlength=100)
    # A sample without putting back: at most as uneven as a binomial one of a tenth.
    assert ((cells - 100) ** 2 / 100).sum() < 150
    folds = np.bincount(fold_of(kept.numbers + 1.0, 5), minlength=5)
    assert ((folds - 2000) ** 2 / 2000).sum() < 20


def test_columns_must_be_those() -> None:
    kept = drawn(ids(0, 10), 5)
    with pytest.raises(ColumnError, match="no column 'x'"):
        kept + drawn(ids(0, 10).drop("x"), 5)
    with pytest.raises(ColumnError, match="the column 'x' is text, and was number"):
        kept + drawn(ids(0, 10).with_columns(x=pl.lit("far")), 5)
    wider = kept + drawn(ids(0, 10).with_columns(id=pl.col("id").cast(pl.Float64)), 5)
    assert wider.frame["id"].dtype == pl.Float64
    assert (kept + drawn(ids(0, 4).with_columns(x=pl.lit(None)), 5)).total == 14


def test_what_tells_tables_apart() -> None:
    table = ids(0, 30)
    known = fingerprint(drawn(table, 50))
    assert fingerprint(drawn(table.sample(fraction=1, shuffle=True, seed=1), 50)) == known
    assert fingerprint(drawn(table[:29], 50)) != known
    assert fingerprint(drawn(table.with_columns(x=pl.col("x") * 2), 50)) != known


# The file

WHEN = dt.datetime(2024, 2, 29, 13, 5, 7, 123456)
TABLE = pl.DataFrame(
    {
        "float": [0.1, None, float("nan"), -1e300],
        "whole": [1, -(1 << 63), None, (1 << 63) - 1],
        "small": pl.Series([1, 2, 3, None], dtype=pl.UInt8),
        "text": ["", "Łódź", None, "a\nb,\"'"],
        "level": pl.Series(["a", "b", None, "a"], dtype=pl.Categorical),
        "yes": [True, False, None, True],
        "day": [dt.date(1, 1, 1), None, dt.date(9999, 12, 31), dt.date(1970, 1, 1)],
        "when": [WHEN, None, WHEN.replace(year=1600), WHEN],
        "there": pl.Series([WHEN, None, WHEN, WHEN]).dt.replace_time_zone("Europe/Paris"),
        "span": [dt.timedelta(days=-3, microseconds=1), None, dt.timedelta(), dt.timedelta(9)],
        "clock": [dt.time(23, 59, 59, 999999), None, dt.time(0), dt.time(1)],
        "none": [None] * 4,
    }
)
ROWS = SavedRows(drawn(TABLE, 9, None), ("0" * 32,), {"predict": ["float"]})
RAW = to_bytes(ROWS)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The file with another body, its checksum right."""
    body = json.loads(RAW[START.size : -CHECKSUM])
    change(body)
    return signed(RAW[: START.size] + json.dumps(body).encode())


def test_rows_come_back_to_the_bit() -> None:
    found = from_bytes(RAW, name="m")
    assert to_bytes(found) == RAW
    assert (found.parts, found.settings) == (ROWS.parts, ROWS.settings)
    rows = found.rows
    assert (rows.total, rows.most, rows.typed) == (4, 9, True)
    assert rows.draws.tolist() == ROWS.rows.draws.tolist()
    for name in TABLE.columns:
        mine, theirs = rows.frame[name], TABLE[name]
        if theirs.dtype.is_float():
            theirs = theirs.fill_nan(None)
        assert mine.to_list() == theirs.to_list(), name
    assert rows.frame["there"].dtype == pl.Datetime("us", "Europe/Paris")


def test_values_that_have_no_place_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match="'x' is List"):
        to_bytes(SavedRows(drawn(pl.DataFrame({"x": [[1.0]]}), 1, None)))
    monkeypatch.setattr(kept_rows_file, "LARGEST_FILE", 500)
    with pytest.raises(OutputError, match="--keep-sample"):
        to_bytes(ROWS)
    with pytest.raises(NotAModelError, match="too large"):
        from_bytes(RAW, name="m")


@pytest.mark.parametrize("length", [0, 7, 20, 300, len(RAW) // 2, len(RAW) - 1])
def test_a_file_that_was_cut_short_is_refused(length: int) -> None:
    with pytest.raises(NotAModelError):
        from_bytes(RAW[:length], name="m")


@settings(max_examples=100)
@given(place=st.integers(0, len(RAW) - 1), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed(place: int, bit: int) -> None:
    with pytest.raises((NotAModelError, VersionError)):
        from_bytes(other_bit(RAW, place, bit), name="m")


def test_a_later_version_is_refused_by_name() -> None:
    with pytest.raises(VersionError, match="version 9"):
        from_bytes(signed(START.pack(MAGIC, 9) + b"{}" + b" " * 40), name="m")


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(total=3),
        lambda body: body.update(total=-1),
        lambda body: body.update(total=10**30),
        lambda body: body.update(most=3),
        lambda body: body.update(most=10**9),
        lambda body: body.update(typed=1),
        lambda body: body.update(numbers=[0, 1, 1, 2]),
        lambda body: body.update(numbers=[0, 1, 2, 4]),
        lambda body: body.update(numbers=[0, 1, 2]),
        lambda body: body.update(draws=[0.1, 0.2, 0.3, 1.0]),
        lambda body: body.update(draws=[0.1, 0.2, 0.3, -0.1]),
        lambda body: body.update(parts=["x"]),
        lambda body: body.update(columns={}),
        lambda body: body.update(surprise=1),
        lambda body: body.update(settings=[1]),
        lambda body: body["columns"]["float"].update(cells=[0.1]),
        lambda body: body["columns"]["float"].update(cells=[0.1, "2", None, 1.0]),
        lambda body: body["columns"]["float"].update(kind="object"),
        lambda body: body["columns"]["whole"].update(cells=[1, 2, 3, 10**40]),
        lambda body: body["columns"]["whole"].update(cells=[True, 2, 3, 4]),
        lambda body: body["columns"]["text"].update(cells=[[], "a", "b", "c"]),
        lambda body: body["columns"]["yes"].update(cells=[1, 0, 1, 0]),
        lambda body: body["columns"]["none"].update(cells=[None, None, None, 1]),
        lambda body: body["columns"]["day"].update(cells=[1, 2, 3, 10**12]),
        lambda body: body["columns"]["clock"].update(cells=[1, 2, 3, 86_400_000_000]),
        lambda body: body["columns"]["when"].update(cells=[1, 2, 3, (1 << 63) - 1]),
        lambda body: body["columns"]["there"].update(zone="Moon/Far_side"),
        lambda body: body.clear(),
    ],
)
def test_a_body_that_cannot_be_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(NotAModelError, match="damaged"):
        from_bytes(changed(change), name="m")


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_change_that_is_signed_is_rows_or_refused(seed: int) -> None:
    changed_file = other_bytes(RAW[:-CHECKSUM], seed, start=START.size)
    try:
        found = from_bytes(changed_file, name="m")
    except DeltaruleError:
        return
    assert found.rows.frame.height == 4


def test_depth_is_bounded() -> None:
    deep = b'{"settings":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}"
    with pytest.raises(NotAModelError, match="damaged"):
        from_bytes(signed(START.pack(MAGIC, 1) + deep), name="m")
