"""Folds from keys: the same arithmetic in other engines, balanced, and copies held out apart."""

import hashlib
import sqlite3
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from deltarule.moments.folds import (
    C0,
    C1,
    C2,
    PER_DAY,
    SURE,
    RowKeys,
    fold_of,
    fold_of_rows,
    hash_of,
    text_keys,
)
from deltarule.rule.predict import Array
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import read
from deltarule.tables.request import Request

N = 10_000
SOME = 3000
START = datetime(2024, 2, 28, 23, 59, 58)

IDS: dict[str, list[Any]] = {
    "row numbers": [None] * N,
    "ids": [1000 + at for at in range(N)],
    "1e12 + i": [10**12 + at for at in range(N)],
    "epoch ms": [1_700_000_000_000 + 60_000 * at for at in range(N)],
    "negative": [-7 * at - 1 for at in range(N)],
    "half steps": [at / 2 for at in range(N)],
    "steps of 4096": [4096 * at for at in range(N)],
    "dates": [date(1950, 1, 1) + timedelta(days=at) for at in range(N)],
    "datetimes": [START + timedelta(seconds=at) for at in range(N)],
    "before 1970": [datetime(1969, 12, 30) + timedelta(seconds=7 * at) for at in range(N)],
    "microseconds": [START + timedelta(microseconds=at) for at in range(N)],
    "text": [f"customer-{at:05d}" for at in range(N)],
    "words": [f"Zoë №{at}" for at in range(N)],
    "gaps": [None if at % 3 == 0 else 5 * at for at in range(N)],
    "text with gaps": [None if at % 4 == 1 else f"c{at}" for at in range(N)],
}


def learnt(ids: list[Any], folds: int) -> Array:
    """The folds of a table's rows as they are read: from the id column, or rows' numbers."""
    table = pl.DataFrame({"x": np.arange(len(ids)) % 7, "y": np.arange(len(ids)) % 11})
    by = {} if not any(ids) else {"id": "id"}
    if by:
        table = table.with_columns(pl.Series("id", ids, strict=False))
    found = read(open_table(table)[0], Request(["y"], folds=folds, **by))
    assert [column.name for column in found.schema.columns] == ["x"], "an id is no input"
    return np.concatenate([part.fold for part in found.rows()])


def numbered(ids: list[Any]) -> pl.DataFrame:
    """The keys as the module's docstring says, worked out one by one."""
    keys = []
    for at, value in enumerate(ids):
        if value is None:
            key = at + 1.0
        elif isinstance(value, str):
            key = float(int(hashlib.md5(value.encode()).hexdigest()[:8], 16))
        elif isinstance(value, datetime):
            passed = value - datetime(1970, 1, 1)
            rest = (passed - timedelta(days=passed.days)) // timedelta(microseconds=1)
            key = passed.days + rest * PER_DAY
        elif isinstance(value, date):
            key = float((value - date(1970, 1, 1)).days)
        else:
            key = float(value)
        keys.append(key)
    return pl.DataFrame({"pos": range(len(ids)), "x": keys})


def in_polars(keys: pl.DataFrame, folds: int) -> list[int]:
    def frac(value: pl.Expr) -> pl.Expr:
        return value - value.floor()

    x = pl.col("x")
    a, b, c = frac(x * C0 * 2.0**-24), frac(x * C1), frac(x * C2 * 2.0**24)
    u = frac((a + b + c) * (1021 + b) * (733 + (a + c)))
    u = frac(u * (8191 + u) * 127)
    fold = (u * folds).floor().clip(upper_bound=folds - 1)
    return keys.select(fold.cast(pl.Int64)).to_series().to_list()


SQL = """
with k as (select pos, x from keys),
p as (select pos, x * {c0!r} * {small!r} as a, x * {c1!r} as b, x * {c2!r} * {large!r} as c from k),
q as (select pos, a - floor(a) as a, b - floor(b) as b, c - floor(c) as c from p),
r as (select pos, (a + b + c) * (1021 + b) * (733 + (a + c)) as u from q),
s as (select pos, u - floor(u) as u from r),
t as (select pos, u * (8191 + u) * 127 as u from s),
v as (select pos, floor((u - floor(u)) * {folds}) as fold from t)
select case when fold > {folds} - 1 then {folds} - 1 else fold end as fold from v order by pos
"""


def sql(folds: int) -> str:
    """Numbers are spelled with an exponent: plain ones are decimals to DuckDB."""
    names = {"c0": C0, "c1": C1, "c2": C2, "small": 2.0**-24, "large": 2.0**24}
    text = SQL
    for name, value in names.items():
        text = text.replace(f"{{{name}!r}}", f"{value:.17e}")
    return text.replace("{folds}", f"{folds}")


def in_sqlite(keys: pl.DataFrame, folds: int) -> list[int]:
    with sqlite3.connect(":memory:") as there:
        there.execute("create table keys (pos integer, x real)")
        there.executemany("insert into keys values (?, ?)", keys.rows())
        found = [int(fold) for (fold,) in there.execute(sql(folds))]
    there.close()
    return found


def in_duckdb(keys: pl.DataFrame, folds: int) -> list[int]:
    with duckdb.connect() as there:
        there.register("keys", keys.to_arrow())
        return [int(fold) for (fold,) in there.execute(sql(folds)).fetchall()]


ENGINES: dict[str, Callable[[pl.DataFrame, int], list[int]]] = {
    "polars": in_polars,
    "sqlite": in_sqlite,
    "duckdb": in_duckdb,
}


@pytest.mark.parametrize("kind", IDS)
def test_every_engine_finds_the_same_folds(kind: str) -> None:
    found = learnt(IDS[kind][:SOME], 5).tolist()
    keys = numbered(IDS[kind][:SOME])
    for engine, folds in ENGINES.items():
        assert folds(keys, 5) == found, engine


def test_duckdb_finds_the_keys_of_text_and_times_by_itself() -> None:
    table = pl.DataFrame(
        {"t": IDS["words"][:500], "d": IDS["dates"][:500], "m": IDS["microseconds"][:500]}
    )
    with duckdb.connect() as there:
        there.register("rows", table.to_arrow())
        found = there.execute(
            "select ('0x' || md5(t)[:8])::bigint::double, (d - date '1970-01-01')::double, "
            f"(epoch_us(m) // 86400000000) + (epoch_us(m) % 86400000000) * {PER_DAY:.17e} from rows"
        ).fetchall()
    for at, name in enumerate(("words", "dates", "microseconds")):
        assert [row[at] for row in found] == numbered(IDS[name][:500])["x"].to_list()


@pytest.mark.parametrize("folds", [2, 5, 10, 255])
@pytest.mark.parametrize("kind", IDS)
def test_folds_are_balanced_and_neighbours_independent(kind: str, folds: int) -> None:
    fold = fold_of(numbered(IDS[kind])["x"].to_numpy(), folds)
    # Fixed keys, so fixed folds: no more than one in 10,000 would be so uneven by chance.
    assert chisquare(np.bincount(fold, minlength=folds)).pvalue > 1e-4
    if folds > 10:
        return
    for lag in (1, 2, 7):
        pairs = np.bincount(fold[:-lag].astype(int) * folds + fold[lag:], minlength=folds**2)
        assert chisquare(pairs).pvalue > 1e-4, lag


GOLDEN = {
    2: [0, 0, 0, 1, 1, 0, 1, 1],
    5: [0, 1, 2, 3, 2, 0, 4, 3],
    255: [9, 97, 126, 192, 147, 36, 219, 172],
}


def test_folds_never_change() -> None:
    # Learning more and other engines must find the folds of a saved model again.
    keys = np.array([1.0, 2.0, 3.0, 1e12, -1.0, 0.5, 1_700_000_000_000.0, 19_782.25])
    assert {folds: fold_of(keys, folds).tolist() for folds in GOLDEN} == GOLDEN


def test_numbers_of_rows_are_keys_wherever_blocks_begin() -> None:
    whole = fold_of(np.arange(1.0, 40_001.0), 7)
    assert fold_of_rows(1, 40_000, 7).tolist() == whole.tolist()
    assert fold_of_rows(5_000, 35_001, 7).tolist() == whole[4999:].tolist()
    assert fold_of_rows(9, 0, 7).tolist() == []


# Copies.


def counts_of(keys: RowKeys, weights: Array, folds: int) -> Array:
    """How many copies of each row each fold has."""
    entries = keys.entries(folds, weights)
    found = np.zeros((len(weights), folds))
    row = np.arange(len(entries)) if entries.row is None else entries.row
    each = entries.each(weights)
    assert each is not None
    found[row, entries.fold] += each
    return found


@given(
    weights=st.lists(st.integers(0, 3 * SURE) | st.integers(0, 10**9), min_size=1, max_size=30),
    folds=st.integers(2, 255),
)
def test_copies_add_up_and_each_has_a_fold_of_its_own(weights: list[int], folds: int) -> None:
    each = np.array(weights, dtype=float)
    counts = counts_of(RowKeys(len(weights), copies=True), each, folds)
    assert (counts >= 0).all()
    assert (counts == np.floor(counts)).all()
    assert counts.sum(axis=1).tolist() == each.tolist()
    for row, weight in enumerate(weights):
        if weight <= SURE:
            u = hash_of(np.array([row + 1.0]))[0]
            keys = [row + 1.0, *(u + copy for copy in range(1, weight))][:weight]
            known = np.bincount(fold_of(np.array(keys), folds), minlength=folds)
            assert counts[row].tolist() == known.tolist()


@pytest.mark.parametrize("weight", [2, 3, 40, SURE, SURE + 1, 1000, 10**6])
def test_copies_spread_as_rows_that_are_drawn(weight: int) -> None:
    rows, folds = 4000, 5
    counts = counts_of(RowKeys(rows, copies=True), np.full(rows, float(weight)), folds)
    # Multinomial: chi2 of each row's counts has mean folds - 1 and variance 2 (folds - 1), less
    # where there are few copies; summed over rows it is as good as normal.
    even = weight / folds
    found = ((counts - even) ** 2 / even).sum(axis=1)
    spread = 2 * (folds - 1) * (1 - 1 / weight)
    assert abs(found.mean() - (folds - 1)) < 4 * np.sqrt(spread / rows)
    assert abs(found.var() / spread - 1) < 0.2
    # And rows beside each other are no more alike than chance has it.
    away = (counts - even).ravel()
    near = np.corrcoef(away[:-folds], away[folds:])[0, 1]
    assert abs(near) < 4 / np.sqrt(rows)


def test_copies_of_a_row_are_in_folds_independently() -> None:
    rows, folds = 20_000, 5
    first = hash_of(np.arange(1.0, rows + 1))
    found = [fold_of(np.arange(1.0, rows + 1), folds), *(fold_of(first + j, folds) for j in (1, 2))]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        pairs = np.bincount(found[one].astype(int) * folds + found[other], minlength=folds**2)
        assert chisquare(pairs).pvalue > 1e-4


def test_weights_that_are_not_whole_or_grouped_rows_are_not_split() -> None:
    weights = np.array([2.0, 3.0, 1.0])
    assert RowKeys(3, copies=False).entries(5, weights).row is None
    periods = np.array([0, 1, 1], dtype=np.uint8)
    assert RowKeys(3, periods=periods, copies=True).entries(5, weights).row is None
    assert RowKeys(3, copies=True).entries(5, np.ones(3)).row is None


def test_entries_keep_to_their_rows() -> None:
    weights = np.array([1.0, 5.0, 7.0, 2.0])
    entries = RowKeys(4, copies=True).entries(3, weights)
    keep = np.array([True, False, True, True])
    some = entries.only(keep)
    known = RowKeys(3, keys=np.array([1.0, 3.0, 4.0]), copies=True).entries(3, weights[keep])
    for one, other in ((some.fold, known.fold), (some.row, known.row)):
        assert np.array_equal(one, other)
    parts = [entries.each_in([fold], weights) for fold in range(3)]
    assert np.sum(parts, axis=0).tolist() == weights.tolist()
    for fold, part in enumerate(parts):
        within = entries.within([fold])
        assert set(within.fold.tolist()) <= {fold}
        assert np.array_equal(within.each_in([fold], weights), part)


def test_text_keys_are_the_first_digits_of_md5() -> None:
    # RFC 1321: MD5("") = d41d8cd9..., MD5("abc") = 90015098...
    assert text_keys(["", "abc"]).tolist() == [0xD41D8CD9, 0x90015098]


@given(
    rows=st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), min_size=1, max_size=20),
    folds=st.integers(2, 12),
)
def test_outcomes_of_trials_add_up_to_their_share(
    rows: list[tuple[int, float]], folds: int
) -> None:
    weights, shares = (np.array(one, dtype=float) for one in zip(*rows, strict=True))
    entries = RowKeys(len(rows), copies=True, trials=True).entries(folds, weights, target=shares)
    if weights.max() <= 1:
        assert entries.target is None
        return
    assert entries.row is not None
    assert entries.weights is not None
    assert entries.target is not None
    assert (np.diff(entries.row) >= 0).all()
    assert np.bincount(entries.row, entries.weights, len(rows)).tolist() == weights.tolist()
    yes = np.bincount(entries.row, entries.weights * entries.target, len(rows))
    np.testing.assert_allclose(yes, weights * shares, rtol=1e-9, atol=1e-9)
    # No more than one trial of a row is neither yes nor no.
    between = (entries.target > 0) & (entries.target < 1)
    assert np.bincount(entries.row[between], entries.weights[between], len(rows)).max() <= 1
    parts = [entries.each_in([fold], weights) for fold in range(folds)]
    share = [entries.target_in([fold], shares) for fold in range(folds)]
    np.testing.assert_allclose(np.sum(np.multiply(parts, share), axis=0), yes, atol=1e-9)
