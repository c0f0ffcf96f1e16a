"""Rows to sums, against dense columns and against sums that round only once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import sleep

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.moments import accumulate as accumulate_module
from deltarule.moments.accumulate import BLOCK, Accumulator, Sums, accumulate
from deltarule.moments.block import Block, Category, InfiniteError, Origin
from deltarule.moments.folds import RowKeys, fold_of, fold_of_rows
from deltarule.moments.moments import Moments, total
from deltarule.rule.predict import Array
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import read
from deltarule.tables.request import Request
from deltarule.tables.source import BATCH_ROWS
from deltarule.tables.summary import Summary
from tests.moments.summed import by_code, moments_of, summed

DRAWN = settings(deadline=None, derandomize=True, max_examples=40)
seeds = st.integers(0, 2**32 - 1)
FOLDS = 4


def chunk_of(columns: Array, *, targets: int = 1, each: Array | None = None) -> Block:
    """A chunk of numbers, the last of them targets, whose keys are those of `keys_of`."""
    m = columns.shape[1]
    numbers = [np.ascontiguousarray(columns[:, at]) for at in range(m)]
    keys = RowKeys(len(columns), keys=keys_of(columns))
    return Block(numbers, targets=m - targets, row_weights=each, keys=keys)


def keys_of(columns: Array) -> Array:
    """A key of each row, whatever rows it stands among: the bits of its target."""
    return (np.nan_to_num(columns[:, -1]).view(np.uint64) >> np.uint64(11)).astype(np.float64)


def read_chunks(chunks: Sequence[Block], *, folds: int = FOLDS) -> tuple[list[Moments], Summary]:
    """All chunks one after the other, as the one read adds them."""
    reading, frame = Accumulator(folds=folds), Origin.guess(chunks[0].numbers)
    for chunk in chunks:
        frame = reading.add(chunk, accumulate(chunk, frame, folds=folds))
    summary = summed(reading.parts)
    return by_code(summary), summary


def split(columns: Array, at: Sequence[int], **settings: int) -> list[Block]:
    return [chunk_of(part, **settings) for part in np.split(columns, at) if len(part)]


def once_rounded(rows: Array) -> tuple[Array, Array]:
    """Mean and centred cross-products from math.fsum, which rounds a sum only once."""
    n, d = rows.shape
    mean = np.array([math.fsum(column) / n for column in rows.T])
    centred = rows - mean
    rest = np.array([math.fsum(column) / n for column in centred.T])
    cross = np.array(
        [
            [math.fsum(centred[:, i] * centred[:, j]) - n * rest[i] * rest[j] for j in range(d)]
            for i in range(d)
        ]
    )
    return mean, cross


def agree(moments: Moments, rows: Array, *, rtol: float, mean_rtol: float = 1e-13) -> None:
    """Means to their size; products to the size of the two columns they are made of."""
    known_mean, known_cross = once_rounded(rows)
    mean = moments.mean * moments.scale
    cross = moments.cross * np.outer(moments.scale, moments.scale)
    size = np.sqrt(np.outer(np.diag(known_cross), np.diag(known_cross)))
    assert moments.rows == len(rows)
    assert (np.abs(mean - known_mean) <= mean_rtol * np.abs(rows).max(axis=0)).all()
    assert (np.abs(cross - known_cross) <= rtol * size).all()


# Folds.


@DRAWN
@given(seed=seeds, cuts=st.lists(st.integers(1, 199), max_size=4))
def test_folds_do_not_depend_on_order_or_batches(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(200, 3))
    whole, _ = read_chunks([chunk_of(columns)])
    shuffled, _ = read_chunks(split(rng.permutation(columns), sorted(cuts)))
    for one, other in zip(whole, shuffled, strict=True):
        assert one.rows == other.rows
        # The same rows in another order.
        np.testing.assert_allclose(one.mean, other.mean, atol=1e-13)
        np.testing.assert_allclose(one.cross, other.cross, rtol=0, atol=1e-11)


def test_each_fold_has_the_moments_of_its_rows() -> None:
    rng = np.random.default_rng(3)
    # More rows than a block, so that blocks must add up as well.
    columns = rng.normal(size=(BLOCK + 1000, 3)) * [1, 100, 0.01] + [0, 5, 1]
    found, sums = read_chunks([chunk_of(columns)])
    fold = fold_of(keys_of(columns), FOLDS)
    assert sums.examples == len(columns)
    for at, moments in enumerate(found):
        agree(moments.take([0, 1, 2]), columns[fold == at], rtol=1e-12)
    agree(total(found).take([0, 1, 2]), columns, rtol=1e-12)
    assert np.array_equal(sums.low, columns.min(axis=0))
    assert np.array_equal(sums.high, columns.max(axis=0))


# Parts, weights.


@DRAWN
@given(seed=seeds, cuts=st.lists(st.integers(1, 299), max_size=5))
def test_chunks_merge_to_the_whole(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(300, 3)) * 10.0 ** rng.integers(-6, 7, size=3)
    columns += 10.0 ** rng.integers(0, 7, size=3) * columns.std(axis=0)
    found, sums = read_chunks(split(columns, sorted(cuts)))
    assert sums.examples == 300
    # An offset of a million spreads leaves 10 of 16 digits of a value's own spread.
    agree(total(found).take([0, 1, 2]), columns, rtol=1e-9)
    rest = total(found) - found[0]
    fold = fold_of(keys_of(columns), FOLDS)
    agree(rest.take([0, 1, 2]), columns[fold != 0], rtol=1e-9)


@DRAWN
@given(seed=seeds, missing=st.booleans())
def test_a_whole_row_weight_counts_as_repeated_rows_fold_by_fold(seed: int, missing: bool) -> None:
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(60, 3)) + np.array([0, 20, 3])
    if missing:
        columns[rng.uniform(size=60) < 0.3, 0] = np.nan
    counts = rng.integers(0, 4, size=60)
    frame = Origin.guess(chunk_of(columns).numbers)
    category = rng.integers(0, 3, size=60)

    def with_levels(rows: Array, codes: Array, each: Array | None) -> Block:
        plain = chunk_of(rows, each=each)
        return Block(
            plain.numbers,
            targets=2,
            categories=[Category(codes, 3)],
            row_weights=each,
            keys=plain.keys,
        )

    weighted = accumulate(with_levels(columns, category, counts.astype(float)), frame, folds=FOLDS)
    repeated = accumulate(
        with_levels(np.repeat(columns, counts, axis=0), np.repeat(category, counts), None),
        frame,
        folds=FOLDS,
    )
    assert weighted.causes.total() == (counts == 0).sum()
    for one, other in zip(moments_of(weighted), moments_of(repeated), strict=True):
        assert one.rows == pytest.approx(other.rows, rel=1e-14)
        # Roots of weights are squared again: some last digits.
        np.testing.assert_allclose(one.mean, other.mean, atol=1e-12)
        np.testing.assert_allclose(one.cross, other.cross, rtol=0, atol=1e-10)


# Gaps and rows left out.


def test_missing_inputs_are_filled_and_indicated() -> None:
    rng = np.random.default_rng(6)
    columns = rng.normal(size=(500, 3)) + np.array([50.0, 0.0, 0.0])
    gap = rng.uniform(size=(500, 2)) < 0.2
    columns[:, :2][gap] = np.nan
    frame = Origin.guess(chunk_of(columns).numbers)
    sums = accumulate(chunk_of(columns), frame, folds=FOLDS)
    filled = np.where(np.isnan(columns), frame.shift, columns)
    dense = np.column_stack([filled, np.isnan(columns)[:, list(sums.gaps)]])
    fold = fold_of(keys_of(columns), FOLDS)
    for at, moments in enumerate(moments_of(sums)):
        agree(moments, dense[fold == at], rtol=1e-12)
    assert sums.causes.total() == 0
    # The range is that of what is there, not of what fills the gaps.
    assert np.array_equal(sums.low, np.nanmin(columns, axis=0))
    assert np.array_equal(sums.high, np.nanmax(columns, axis=0))


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(7)
    columns = rng.normal(size=(300, 4))
    columns[rng.uniform(size=300) < 0.2, 2] = np.nan
    columns[rng.uniform(size=300) < 0.2, 3] = np.nan
    kept = ~np.isnan(columns[:, 2:]).any(axis=1)
    found, sums = read_chunks(split(columns, [100, 250], targets=2))
    assert sums.left_out == (~kept).sum()
    assert sums.examples == kept.sum()
    agree(total(found).take(range(4)), columns[kept], rtol=1e-12)


def test_rows_with_any_gap_are_left_out_when_asked() -> None:
    rng = np.random.default_rng(8)
    columns = rng.normal(size=(300, 3))
    columns[rng.uniform(size=300) < 0.2, 0] = np.nan
    codes = rng.integers(0, 3, size=300)
    plain = chunk_of(columns)
    chunk = Block(
        plain.numbers,
        targets=2,
        categories=[Category(codes, 3)],
        drop_missing=True,
    )
    sums = accumulate(chunk, Origin.guess(chunk.numbers), folds=FOLDS)
    kept = ~np.isnan(columns[:, 0]) & (codes != 0)
    assert (sums.examples, sums.causes.total()) == (kept.sum(), (~kept).sum())
    agree(total(moments_of(sums)).take(range(3)), columns[kept], rtol=1e-12)


def test_a_chunk_with_no_row_left_adds_nothing() -> None:
    columns = np.random.default_rng(1).normal(size=(50, 2))
    empty = columns.copy()
    empty[:, 1] = np.nan
    found, sums = read_chunks([chunk_of(columns), chunk_of(empty), chunk_of(columns + 1)])
    assert (sums.examples, sums.left_out) == (100, 50)
    agree(total(found).take([0, 1]), np.vstack([columns, columns + 1]), rtol=1e-12)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_value_too_far_out_is_refused_by_row_and_column(value: float, weighted: bool) -> None:
    columns = np.random.default_rng(9).normal(size=(100, 3))
    columns[10, 2] = np.nan
    columns[57, 1] = value
    chunk = chunk_of(columns, each=np.ones(100) if weighted else None)
    frame = Origin.guess([column[:50] for column in chunk.numbers])
    with pytest.raises(InfiniteError) as refused:
        accumulate(chunk, frame, folds=FOLDS)
    assert (refused.value.number, refused.value.row, refused.value.value) == (1, 57, value)
    assert "column 1, row 57" in str(refused.value)


def test_an_infinite_value_on_a_row_left_out_is_let_be() -> None:
    columns = np.random.default_rng(9).normal(size=(100, 2))
    columns[57] = [np.inf, np.nan]
    _, sums = read_chunks([chunk_of(columns)])
    assert (sums.examples, sums.left_out) == (99, 1)


# Categories.


@DRAWN
@given(seed=seeds, gaps=st.booleans(), weighted=st.booleans())
def test_grouped_sums_are_those_of_dense_one_hot_columns(
    seed: int, gaps: bool, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    n, sizes = 80, [3, 5]
    columns = rng.normal(size=(n, 2)) * 7 + [100, 0]
    if gaps:
        columns[rng.uniform(size=n) < 0.3, 0] = np.nan
    codes = [rng.integers(0, size, size=n) for size in sizes]
    each = rng.uniform(0.5, 2, size=n) if weighted else None

    def part(rows: slice, levels: list[int]) -> Block:
        plain = chunk_of(columns[rows])
        return Block(
            plain.numbers,
            targets=1,
            categories=[
                Category(code[rows], level) for code, level in zip(codes, levels, strict=True)
            ],
            row_weights=None if each is None else each[rows],
            keys=plain.keys,
        )

    # The second chunk knows levels that the first had not met.
    first, second = slice(0, 40), slice(40, n)
    met = [1 + int(code[first].max()) for code in codes]
    chunks = [part(first, met), part(second, sizes)]
    found, sums = read_chunks(chunks)
    filled = np.where(np.isnan(columns), sums.fill, columns)
    one_hot = [code[:, None] == np.arange(size) for code, size in zip(codes, sizes, strict=True)]
    dense = np.column_stack([filled, np.isnan(columns)[:, list(sums.gaps)], *one_hot])
    fold = fold_of(keys_of(columns), FOLDS)
    for at, moments in enumerate(found):
        mine = fold == at
        known = Moments.of(dense[mine], None if each is None else each[mine])
        assert moments.rows == pytest.approx(known.rows, rel=1e-14)
        # Values of a hundred, 20 rows, shifted near zero: some last digits of their squares.
        np.testing.assert_allclose(moments.mean * moments.scale, known.mean, atol=1e-11)
        np.testing.assert_allclose(moments.cross, known.cross, rtol=0, atol=1e-8)


# Frames: data that drift away from what the first rows looked like.


def series(kind: str) -> Array:
    """20000 rows of two inputs and a target, in an order that is hard on a fixed frame."""
    rng = np.random.default_rng(15)
    n = 20_000
    noise = rng.normal(size=(n, 3))
    line = np.arange(n) / n
    columns = {
        "near zero": noise,
        "far away": noise + np.array([1e6, -1e5, 1e4]),
        "drifting": noise + np.outer(line, [1e6, -1e4, 1e3]),
        "sorted": np.sort(noise * [1.0, 1e3, 1.0], axis=0) + np.array([0.0, 1e6, 50.0]),
        "a step": noise + np.where(line < 0.5, 0.0, 1e7)[:, None],
        "there and back": noise + np.where((line > 0.3) & (line < 0.6), 1e6, 0.0)[:, None],
        "constant first": np.where(
            line[:, None] < 0.4, [0.1, 0.2, 0.3], noise + np.array([1e5, 3.0, 0.0])
        ),
        "outlier first": noise + np.array([1e4, 0.0, 0.0]),
        "outlier last": noise + np.array([1e4, 0.0, 0.0]),
        "tiny": noise * 1e-9 + [1e-4, 0.0, 0.0],
    }[kind]
    if kind == "outlier first":
        columns[0] = 1e12
    if kind == "outlier last":
        columns[-1] = 1e12
    return columns


KINDS = [
    "near zero",
    "far away",
    "drifting",
    "sorted",
    "a step",
    "there and back",
    "constant first",
    "outlier first",
    "outlier last",
    "tiny",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunks", [1, 20])
def test_hard_orders_keep_ten_digits(kind: str, chunks: int) -> None:
    columns = series(kind)
    found, _ = read_chunks(split(columns, list(range(0, 20_000, 20_000 // chunks))[1:]))
    agree(total(found).take([0, 1, 2]), columns, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_every_fold_keeps_ten_digits_too(kind: str) -> None:
    # Held-out errors come from each fold, and from all but one.
    columns = series(kind)
    found, _ = read_chunks(split(columns, list(range(1000, 20_000, 1000))))
    fold = fold_of(keys_of(columns), FOLDS)
    for at, moments in enumerate(found):
        agree(moments.take([0, 1, 2]), columns[fold == at], rtol=1e-10)
        others = total([part for part in found if part is not moments])
        agree(others.take([0, 1, 2]), columns[fold != at], rtol=1e-10)


@pytest.mark.parametrize("size", [1e200, 1e-200])
@pytest.mark.parametrize("chunks", [1, 5])
def test_extreme_sizes_keep_their_digits(size: float, chunks: int) -> None:
    plain = np.random.default_rng(2).normal(size=(1000, 3)) + 3
    power = np.ldexp(1.0, int(np.frexp(size)[1]))
    columns = plain * [power, 1.0, 1.0]
    found, _ = read_chunks(split(columns, list(range(0, 1000, 1000 // chunks))[1:]))
    whole = total(found).take([0, 1, 2])
    # Powers of two change no digit, so the plain table is the oracle.
    in_own = whole.scaled(np.array([power, 1.0, 1.0]))
    agree(replace(in_own, scale=np.ones(3)), plain, rtol=1e-12)


def test_a_column_that_grows_to_an_extreme_size_is_kept() -> None:
    rng = np.random.default_rng(3)
    small, large = rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) * [2.0**500, 1.0]
    found, _ = read_chunks([chunk_of(small), chunk_of(large)])
    whole = total(found).take([0, 1])
    plain = np.vstack([small / [2.0**500, 1.0], large / [2.0**500, 1.0]])
    in_own = whole.scaled(np.array([2.0**500, 1.0]))
    agree(replace(in_own, scale=np.ones(2)), plain, rtol=1e-12)


def test_a_gap_at_the_head_costs_no_digits() -> None:
    # A sensor that was switched on later: what fills its gaps is set before any value is seen.
    rng = np.random.default_rng(4)
    columns = rng.normal(size=(20_000, 2))
    columns[:, 0] = columns[:, 0] + 1e7
    columns[:5000, 0] = np.nan
    found = read(open_table({"x": columns[:, 0], "y": columns[:, 1]})[0], Request(predict=["y"]))
    whole = total(found.folds)
    there = columns[5000:, 0]
    centred = there - math.fsum(there) / len(there)
    # Filled with the mean, gaps add nothing to the products.
    known = math.fsum(centred**2)
    at = found.schema.inputs.index(("x", None))
    assert whole.cross[at, at] * whole.scale[at] ** 2 == pytest.approx(known, rel=1e-10)


@pytest.mark.parametrize("offset", [1e4, 1e6, 1e8])
def test_a_gap_at_the_head_does_not_move_the_weight(offset: float) -> None:
    rng = np.random.default_rng(5)
    n = 20_000
    near = rng.normal(size=n)
    table = {"x": near + offset, "y": 2 * near + rng.normal(size=n)}
    table["x"][:5000] = np.nan
    model = dr.learn(table, predict="y", ridge=0)
    there = ~np.isnan(table["x"])
    known = np.polyfit(table["x"][there] - offset, table["y"][there], 1)[0]
    row = model.weights.filter((pl.col("input") == "x") & pl.col("level").is_null())
    # The values themselves are rounded at 1e-16 of the offset, a spread of one stands beside it.
    assert row["weight"].item() == pytest.approx(known, rel=1e-9 + 1e-14 * offset)


def test_a_last_chunk_of_one_row_is_nothing_special() -> None:
    columns = np.random.default_rng(5).normal(size=(1001, 2)) + 7
    found, sums = read_chunks([chunk_of(columns[:1000]), chunk_of(columns[1000:])])
    assert sums.examples == 1001
    agree(total(found).take([0, 1]), columns, rtol=1e-12)


@pytest.mark.parametrize("value", [0.1, 1e9 + 0.1, -7.0])
def test_a_constant_column_has_no_spread_at_all(value: float) -> None:
    columns = np.column_stack([np.full(5000, value), np.random.default_rng(1).normal(size=5000)])
    found, sums = read_chunks(split(columns, [100, 3000]))
    whole = total(found)
    assert whole.cross[0, 0] == 0
    assert whole.mean[0] * whole.scale[0] == value
    assert sums.low[0] == sums.high[0] == value


# Through the reader.


def same_bits(one: Moments, other: Moments) -> bool:
    return one.rows == other.rows and all(
        np.array_equal(getattr(one, part), getattr(other, part))
        for part in ("mean", "cross", "scale")
    )


@pytest.mark.parametrize("drift", [0.0, 1e6])
def test_the_same_table_gives_the_same_bits_whatever_the_threads_do(
    drift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    n = 7 * BATCH_ROWS // 2
    frame = pl.DataFrame(
        {
            "x": rng.normal(size=n) + drift * np.arange(n) / n,
            "kind": rng.choice(["a", "b", "c"], size=n),
            "y": rng.normal(size=n),
        }
    )
    asked = Request(predict=["y"])
    plain = read(open_table(frame)[0], asked)
    whims = np.random.default_rng(1)

    def late(of: Callable[..., Sums]) -> Callable[..., Sums]:
        def dawdling(*args: object, **settings: int) -> Sums:
            sleep(float(whims.choice([0.0, 0.03])))
            return of(*args, **settings)

        return dawdling

    monkeypatch.setattr(accumulate_module, "accumulate", late(accumulate))
    for _ in range(2):
        again = read(open_table(frame)[0], asked)
        assert all(map(same_bits, plain.folds, again.folds))
    whole = total(plain.folds)
    at = plain.schema.inputs.index(("x", None))
    known = float(np.var(frame["x"].to_numpy().astype(np.longdouble))) * n
    assert whole.cross[at, at] * whole.scale[at] ** 2 == pytest.approx(known, rel=1e-10)


def test_the_rows_read_again_have_the_folds_they_were_tallied_in() -> None:
    rng = np.random.default_rng(11)
    table = {
        "x": rng.normal(size=400),
        "kind": rng.choice(["a", "b", "c"], size=400),
        "y": np.where(rng.uniform(size=400) < 0.1, np.nan, rng.integers(0, 5, size=400)),
    }
    found = read(open_table(table)[0], Request(predict=["y"]))
    parts = list(found.rows())
    both = np.vstack([np.column_stack([part.inputs, part.targets]) for part in parts])
    fold = np.concatenate([part.fold for part in parts])
    assert found.left_out == 400 - len(both)
    for at, moments in enumerate(found.folds):
        # Values of order one: rows encoded again, beside grouped sums.
        known = Moments.of(both[fold == at])
        assert moments.rows == known.rows
        np.testing.assert_allclose(moments.mean, known.mean, atol=1e-13)
        np.testing.assert_allclose(moments.cross, known.cross, atol=1e-11)


def test_the_held_out_figure_is_the_loop_over_folds_written_out() -> None:
    rng = np.random.default_rng(12)
    x = rng.normal(size=(150, 2))
    table = {"a": x[:, 0], "b": x[:, 1], "y": x @ [1.0, -2.0] + rng.normal(size=150)}
    model = dr.learn(table, predict="y", ridge=0, folds=7)
    fold = fold_of_rows(1, 150, 7)
    errors, guessing = 0.0, 0.0
    for at in range(7):
        others = fold != at
        design = np.column_stack([x, np.ones(150)])
        weights = np.linalg.lstsq(design[others], table["y"][others], rcond=None)[0]
        errors += float(((design @ weights - table["y"])[~others] ** 2).sum())
        guessing += float(((table["y"][others].mean() - table["y"])[~others] ** 2).sum())
    assert model.record.held_out is not None
    (held_out,) = model.record.held_out
    # Well-conditioned rows of order one.
    assert held_out.folds == 7
    assert held_out.rmse == pytest.approx(np.sqrt(errors / 150), rel=1e-11)
    assert held_out.baseline_rmse == pytest.approx(np.sqrt(guessing / 150), rel=1e-11)
    assert held_out.r2 == pytest.approx(1 - errors / guessing, rel=1e-11)
