"""Sparse products of one-hot columns: each operation gives what it gives of an array."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.moments.grouped_sums import GroupedSums
from deltarule.moments.moments import Moments
from deltarule.moments.one_hot import DENSE_COLUMNS, Levels, OneHotCross, compact
from deltarule.rule.predict import Array

SIZES = (7, 4)


def one_hot(codes: Array, size: int) -> Array:
    return np.asarray(codes[:, None] == np.arange(size), dtype=float)


def both(seed: int, n: int = 60, weighted: bool = True) -> tuple[Moments, Moments]:
    """The moments of the same rows, dense and sparse: two numbers and two categories."""
    from scipy.sparse import csr_array

    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n, 2)) + np.array([3, 0])
    codes = [rng.integers(0, size, n) for size in SIZES]
    parts = [one_hot(own, size) for own, size in zip(codes, SIZES, strict=True)]
    each = rng.integers(1, 4, n).astype(float) if weighted else np.ones(n)
    # Numbers stand between the two categories, so that no order is taken for granted.
    rows = np.hstack([parts[0], numbers, parts[1]])
    dense = Moments.of(rows, each)
    off = numbers - dense.mean[7:9]
    starts = (0, 9)
    cross = OneHotCross(
        rows=dense.rows,
        dense_at=np.array([7, 8]),
        dense=(off * each[:, None]).T @ off,
        levels=tuple(
            Levels(np.arange(start, start + size), each @ part, part.T @ (off * each[:, None]))
            for start, size, part in zip(starts, SIZES, parts, strict=True)
        ),
        pairs={(0, 1): csr_array(parts[0].T @ (parts[1] * each[:, None]))},
    )
    return dense, replace(dense, cross=cross)


def agree(dense: Moments, found: Moments) -> None:
    assert isinstance(found.cross, OneHotCross)
    assert found.rows == dense.rows
    np.testing.assert_allclose(found.mean, dense.mean, atol=1e-13)
    np.testing.assert_allclose(found.cross.array(), dense.cross, atol=1e-11)
    np.testing.assert_allclose(found.cross.diagonal(), np.diag(np.asarray(dense.cross)), atol=1e-11)


@given(st.integers(0, 1000), st.booleans())
def test_parts_add_and_subtract(seed: int, weighted: bool) -> None:
    (one, sparse), (other, more) = both(seed, 60, weighted), both(seed + 1, 25, weighted)
    agree(one, sparse)
    agree(one + other, sparse + more)
    agree((one + other) - one, (sparse + more) - sparse)
    agree(one, sparse + more.empty)
    assert (sparse - sparse).rows == 0


def test_columns_are_taken_pooled_refilled_and_rescaled() -> None:
    dense, sparse = both(3)
    order = [12, 8, 1, 10, 5, 7, 0]
    agree(dense.take(order), sparse.take(order))
    agree(dense.pool(2, [0, 5]), sparse.pool(2, [0, 5]))
    agree(dense.pool(10, [9, 12]), sparse.pool(10, [9, 12]))
    agree(dense.refill(7, 8, 2.5), sparse.refill(7, 8, 2.5))
    scale = np.ones(13)
    scale[7] = 2.0**-300
    agree(dense.scaled(scale), sparse.scaled(scale))
    numbers = sparse.take([8, 7]).cross
    assert isinstance(numbers, np.ndarray)
    np.testing.assert_allclose(numbers, dense.take([8, 7]).cross)


def test_products_and_parts_are_those_of_the_array() -> None:
    dense, sparse = both(5)
    assert isinstance(sparse.cross, OneHotCross)
    w = np.random.default_rng(0).normal(size=(13, 3))
    for known, cross in (
        (dense.cross, sparse.cross),
        (
            dense.cross + dense.rows * np.outer(dense.mean, dense.mean),
            sparse.cross.about_zero(dense.mean),
        ),
    ):
        array = np.asarray(known)
        np.testing.assert_allclose(cross @ w, array @ w, atol=1e-10)
        np.testing.assert_allclose(cross @ w[:, 0], array @ w[:, 0], atol=1e-10)
        np.testing.assert_allclose(cross[np.ix_([0, 7, 3], [8, 12])], array[[0, 7, 3]][:, [8, 12]])
        assert cross[7, 8] == pytest.approx(array[7, 8])
        np.testing.assert_allclose(cross[np.array([2, 8]), np.array([2, 8])], array[[2, 8], [2, 8]])
        np.testing.assert_allclose(cross.columns([3, 8]), array[:, [3, 8]], atol=1e-10)


def test_few_columns_become_an_array() -> None:
    _, sparse = both(1)
    assert len(sparse.mean) <= DENSE_COLUMNS
    assert isinstance(compact(sparse.cross), np.ndarray)


def test_a_level_of_all_rows_varies_by_exactly_nothing() -> None:
    cross = OneHotCross(
        3.0,
        np.arange(0),
        np.zeros((0, 0)),
        (Levels(np.arange(1), np.array([3.0]), np.zeros((1, 0))),),
        {},
    )
    assert cross.diagonal().tolist() == [0.0]


# Grouped sums


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 3000), min_size=1, max_size=6),
    st.sampled_from([3, 5000, 100_000]),
)
def test_grouped_sums_are_those_of_all_rows(seed: int, sizes: list[int], levels: int) -> None:
    rng = np.random.default_rng(seed)
    parts, whole = [], None
    for at, size in enumerate(sizes):
        # Levels go on to appear, and with them the other category's stride grows.
        own = rng.integers(0, max(1, levels * (at + 1) // len(sizes)), size)
        beside = rng.integers(0, 3 + at, size)
        values, fold = rng.integers(-3, 4, size).astype(float), rng.integers(0, 3, size)
        parts.append((own, beside, values, fold))
        table = GroupedSums.of(own, fold, [None, values], folds=3)
        pair = GroupedSums.of(own, fold, [values], folds=3, others=(beside, 3 + at))
        if whole is None:
            whole = table.copy(), pair.copy()
        else:
            whole[0].add(table)
            whole[1].add(pair)
    assert whole is not None
    own, beside, values, fold = (np.concatenate(column) for column in zip(*parts, strict=True))
    for of in range(3):
        mine = fold == of
        known = np.zeros((levels, 2))
        np.add.at(known, own[mine], np.column_stack([np.ones(mine.sum()), values[mine]]))
        np.testing.assert_array_equal(whole[0].by_level(of, levels), known)
        first, other, sums = whole[1].pairs(of)
        pairs = np.zeros((levels, 9))
        np.add.at(pairs, (own[mine], beside[mine]), values[mine])
        found = np.zeros_like(pairs)
        found[first, other] = sums
        np.testing.assert_array_equal(found, pairs)


def test_adding_leaves_the_parts_as_they_are() -> None:
    one = GroupedSums.of(np.array([0, 1]), np.zeros(2, int), [None], folds=1)
    before = one.values.copy()
    assert (one + one).values.ravel().tolist() == [2.0, 2.0]
    np.testing.assert_array_equal(one.values, before)
