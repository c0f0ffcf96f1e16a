"""Products kept as rows: each operation gives what it gives of an array."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from deltarule.moments.accumulate import accumulate
from deltarule.moments.block import Block, Category, Origin
from deltarule.moments.chunked_array import whole
from deltarule.moments.moments import Moments
from deltarule.moments.one_hot import dense
from deltarule.moments.row_cross import Columns, RowCross
from deltarule.rule.predict import Array

FOLDS, N, LEVELS = 3, 40, 4


def block() -> Block:
    """Three numbers, of which one has gaps and one is far from 0, and a category; with weights."""
    rng = np.random.default_rng(0)
    numbers = [rng.normal(size=N), 1e3 + rng.normal(size=N), rng.exponential(size=N)]
    numbers[0][::7] = np.nan
    codes = rng.integers(0, LEVELS, N)
    return Block(
        numbers=numbers,
        targets=2,
        categories=[Category(codes, LEVELS)],
        row_weights=rng.uniform(0.5, 2, N),
        gaps=True,
    )


def both() -> list[tuple[Moments, Moments]]:
    """Each fold's moments as rows, and as an array: numbers, a missing indicator, levels."""
    chunk = block()
    frame = Origin.guess(chunk.numbers)
    sums = accumulate(chunk, frame, folds=FOLDS, keep_rows=True)
    assert sums.kept is not None
    places = np.arange(LEVELS)[::-1].copy()  # codes become levels in another order
    columns = replace(Columns.of(3, sums.gaps), goes=(places,)).with_levels([LEVELS])
    found = []
    for fold in range(FOLDS):
        part = sums.kept[0].of_fold(fold)
        rows = part.rows
        own = [whole(column) for column in chunk.numbers]
        numbers = np.column_stack(
            [np.where(np.isnan(c), s, c) for c, s in zip(own, frame.shift, strict=True)]
        )
        gap = np.isnan(own[0]).astype(float)
        levels = places[chunk.categories[0].codes][:, None] == np.arange(LEVELS)
        every = np.hstack([numbers, gap[:, None], levels])[rows]
        assert chunk.row_weights is not None
        plain = Moments.of(every, chunk.row_weights[rows])
        origin = np.concatenate([frame.shift, np.zeros(1 + LEVELS)])
        cross = RowCross(plain.rows, (part,), columns, (plain.mean - origin) + plain.rest)
        found.append((Moments(plain.rows, plain.mean, plain.rest, cross, plain.scale), plain))
    return found


def close(one: Array, other: Array) -> None:
    # Sums of 40 products of numbers up to 5, in another order.
    assert one == pytest.approx(other, rel=1e-12, abs=1e-11)


def same(kept: Moments, plain: Moments) -> None:
    assert isinstance(kept.cross, RowCross)
    close(kept.mean, plain.mean)
    close(dense(kept.cross), dense(plain.cross))
    close(kept.cross.diagonal(), plain.cross.diagonal())


OPERATIONS: dict[str, Callable[[Moments], Moments]] = {
    "as they are": lambda one: one,
    "some columns": lambda one: one.take([6, 1, 3]),
    "some of some": lambda one: one.take([6, 1, 3, 0]).take([3, 0]),
    "other units": lambda one: one.scaled(np.array([1.0, 2, 4, 8, 1, 1, 1, 2])),
    "a gap filled otherwise": lambda one: one.refill(0, 3, 0.5).refill(0, 3, -2.0),
    "pooled levels": lambda one: one.pool(5, [4, 7]),
    "pooled, then fewer": lambda one: one.pool(5, [4, 7]).take([5, 0, 6]),
    "filled in other units": lambda one: one.scaled(np.full(8, 4.0)).refill(0, 3, 0.5),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_on_rows_is_that_on_their_products(name: str) -> None:
    for kept, plain in both():
        same(OPERATIONS[name](kept), OPERATIONS[name](plain))


def test_rows_of_folds_add_up() -> None:
    (one, plain), (two, other), _ = both()
    same(one + two, plain + other)


def test_products_with_weights_and_of_pairs_need_no_matrix() -> None:
    kept, plain = both()[0]
    w = np.random.default_rng(2).normal(size=(8, 2))
    close(kept.cross @ w, plain.cross @ w)
    close(kept.cross @ w[:, 0], plain.cross @ w[:, 0])
    at = np.array([5, 0, 2])
    close(kept.cross[at[:, None], [1, 7]], plain.cross[at[:, None], [1, 7]])
    close(kept.cross[at, at], plain.cross[at, at])
    close(np.array(kept.cross[3, 3]), np.array(plain.cross[3, 3]))
    assert isinstance(kept.cross, RowCross)
    zero = kept.cross.about_zero(kept.mean)
    close(zero.array(), dense(plain.cross) + plain.rows * np.outer(plain.mean, plain.mean))
    lower = kept.cross.kernel(np.arange(1.0, 9))
    z = kept.cross.of_columns(np.arange(8)) / np.arange(1.0, 9)
    close(lower, np.tril(z @ z.T))


@pytest.mark.parametrize("at", [[0, 1, 2], [2, 0], [1, 3, 2, 6, 0]])
@pytest.mark.parametrize("filled", [False, True])
def test_columns_at_once_are_those_one_by_one(at: list[int], filled: bool) -> None:
    for moments, _ in both():
        cross = moments.cross
        assert isinstance(cross, RowCross)
        if filled:
            cross = cross.refill(0, 3, 0.7)
        cross = cross.scaled(np.linspace(0.5, 2, len(cross)))
        one_by_one = [cross.of_columns([column])[:, 0] for column in at]
        expected = []
        for column, alone in zip(at, one_by_one, strict=True):
            values = np.empty(len(cross.parts[0].rows))
            cross.columns_of.fill(cross.parts[0], column, values)
            assert ((values - cross.off[column]) * cross.root == alone).all()
            expected.append(alone)
        assert (cross.of_columns(at) == np.column_stack(expected)).all()
        assert cross.of_columns([]).shape == (cross.entries, 0)
