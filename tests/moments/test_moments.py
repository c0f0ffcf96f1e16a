"""Moments against exact arithmetic; what they answer against the rows themselves."""

import pickle
from collections.abc import Sequence
from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.engines.in_memory import Rows
from deltarule.losses.glm import Squared
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Array, Linear, Mask, Weights

DRAWN = settings(deadline=None, derandomize=True, max_examples=60)
EPS = float(np.finfo(float).eps)
seeds = st.integers(0, 2**32 - 1)

# Where columns lie: near zero, far from it, tiny, huge, and a million times their spread away.
PLACES = [(0.0, 1.0), (1e9, 1.0), (-1e6, 1e-3), (0.0, 1e-12), (0.0, 1e12), (5.0, 1e6)]


@st.composite
def tables(draw: st.DrawFn, *, rows: int = 12) -> Array:
    """Decimal tables of up to three columns, each with its own offset and scale."""
    n = draw(st.integers(2, rows))
    columns = []
    for _ in range(draw(st.integers(1, 3))):
        offset, scale = draw(st.sampled_from(PLACES))
        digits = draw(st.lists(st.integers(-9999, 9999), min_size=n, max_size=n))
        columns.append(offset + scale * (np.array(digits) / 100))
    return np.column_stack(columns)


def exact(rows: Array, counts: Sequence[int] | None = None) -> tuple[Array, Array]:
    """Mean and centred cross-products, in rational arithmetic on the very floats."""
    weights = [1] * len(rows) if counts is None else list(counts)
    table = [[Fraction(float(x)) for x in row] for row in rows]
    n, d = sum(weights), rows.shape[1]
    mean = [sum(w * row[i] for w, row in zip(weights, table, strict=True)) / n for i in range(d)]
    cross = [
        [
            sum(
                w * (row[i] - mean[i]) * (row[j] - mean[j])
                for w, row in zip(weights, table, strict=True)
            )
            for j in range(d)
        ]
        for i in range(d)
    ]
    return np.array([float(m) for m in mean]), np.array([[float(c) for c in r] for r in cross])


def own_units(moments: Moments) -> tuple[Array, Array]:
    return moments.mean * moments.scale, moments.cross * np.outer(moments.scale, moments.scale)


def check(moments: Moments, rows: Array, whole: Array, counts: Sequence[int] | None = None) -> None:
    """Moments are those of the rows, to what can be kept of a table as wide as `whole`.

    Each mean is kept to its own last digit, so a distance between two means is uncertain by that;
    a product rounds by some last digits of what it is a product of.
    """
    mean, cross = exact(rows, counts)
    n = len(whole) if counts is None else max(sum(counts), 1)
    digit = 4 * EPS * np.abs(whole).max(axis=0)
    wide = np.ptp(whole, axis=0) + digit
    tolerance = n * (np.outer(digit, wide) + np.outer(wide, digit) + 8 * EPS * np.outer(wide, wide))
    found_mean, found_cross = own_units(moments)
    assert moments.rows == (len(rows) if counts is None else sum(counts))
    # Taking a part away leaves the mean of few rows from the means of many.
    assert (np.abs(found_mean - mean) <= digit * n).all()
    assert (np.abs(found_cross - cross) <= tolerance).all()


@DRAWN
@given(table=tables())
def test_moments_are_those_of_exact_arithmetic(table: Array) -> None:
    mean, cross = exact(table)
    found = Moments.of(table)
    assert found.rows == len(table)
    # In memory the rows are centred first, so cross keeps nearly every digit wherever they lie:
    # some last digits of the squares, and the squared last digit of the mean.
    size = np.sqrt(np.outer(np.diag(cross), np.diag(cross)))
    last = EPS * np.abs(table).max(axis=0)
    assert (np.abs(found.mean - mean) <= 4 * last).all()
    tolerance = 16 * EPS * len(table) * size + 4 * len(table) * np.outer(last, last)
    assert (np.abs(found.cross - cross) <= tolerance).all()
    assert np.array_equal(found.cross, found.cross.T)


def test_moments_of_small_whole_numbers_are_exact() -> None:
    found = Moments.of(np.array([[1.0, 10.0], [2.0, 30.0], [3.0, 20.0], [6.0, 40.0]]))
    assert (found.rows, found.mean.tolist()) == (4.0, [3.0, 25.0])
    assert found.cross.tolist() == [[14.0, 70.0], [70.0, 500.0]]


@DRAWN
@given(table=tables(), cut=st.floats(0, 1))
def test_merging_the_parts_equals_the_whole(table: Array, cut: float) -> None:
    at = round(cut * len(table))
    check(Moments.of(table[:at]) + Moments.of(table[at:]), table, table)


@DRAWN
@given(table=tables(), cut=st.floats(0, 1))
def test_subtracting_a_part_gives_the_rest(table: Array, cut: float) -> None:
    at = round(cut * (len(table) - 1))
    rest = Moments.of(table) - Moments.of(table[:at])
    check(rest, table[at:], table)


@DRAWN
@given(table=tables())
def test_subtracting_everything_leaves_nothing(table: Array) -> None:
    nothing = Moments.of(table) - Moments.of(table)
    assert nothing.rows == 0
    assert not nothing.mean.any()
    assert not nothing.cross.any()


@DRAWN
@given(table=tables(), data=st.data())
def test_a_whole_row_weight_counts_as_repeated_rows(table: Array, data: st.DataObject) -> None:
    n = len(table)
    counts = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n).filter(any))
    weighted = Moments.of(table, np.array(counts, dtype=float))
    check(weighted, table, table, counts)
    check(weighted, np.repeat(table, counts, axis=0), np.repeat(table, counts, axis=0))


@DRAWN
@given(table=tables(), parts=st.integers(1, 5), seed=seeds)
def test_folds_merge_in_any_order(table: Array, parts: int, seed: int) -> None:
    fold = np.arange(len(table)) % parts
    folds = [Moments.of(table[fold == at]) for at in range(parts)]
    shuffled = [folds[at] for at in np.random.default_rng(seed).permutation(parts)]
    check(total(folds), table, table)
    check(total(shuffled), table, table)
    check(total(dict(enumerate(folds))), table, table)
    for at in range(parts):
        if (fold != at).any():
            check(total(folds) - folds[at], table[fold != at], table)


@pytest.mark.parametrize("even", [True, False])
def test_many_columns_travel_with_each_pair_once(even: bool) -> None:
    rng = np.random.default_rng(4)
    moments = Moments.of(rng.normal(size=(50, 300)))
    if not even:  # such as rounding leaves it: the bits of both halves must come back
        moments.cross[0, 1] += 1e-12
    raw = pickle.dumps(moments)
    back = pickle.loads(raw)
    for one in fields(Moments):
        np.testing.assert_array_equal(getattr(back, one.name), getattr(moments, one.name))
    assert len(raw) < moments.cross.nbytes * (0.55 if even else 1.1)


@DRAWN
@given(table=tables())
def test_no_rows_change_nothing(table: Array) -> None:
    some, none = Moments.of(table), Moments.none(table.shape[1])
    for same in (some + none, none + some, some - none):
        assert np.array_equal(same.mean, some.mean)
        assert np.array_equal(same.cross, some.cross)
        assert same.rows == some.rows
    assert Moments.of(table, np.zeros(len(table))).rows == 0


@DRAWN
@given(table=tables(), powers=st.lists(st.integers(-300, 300), min_size=3, max_size=3))
def test_other_units_change_no_digit(table: Array, powers: list[int]) -> None:
    some = Moments.of(table)
    scale = np.ldexp(np.ones(table.shape[1]), powers[: table.shape[1]])
    there = some.scaled(scale)
    back = there.scaled(some.scale)
    assert np.array_equal(back.mean, some.mean)
    assert np.array_equal(back.cross, some.cross)
    assert np.array_equal(there.scale, scale)
    with np.errstate(all="ignore"):
        assert np.array_equal(there.mean * scale, some.mean)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_parts_in_extreme_units_merge_and_part(size: float) -> None:
    # Kept in units of a power of two near their size, as the tally keeps them.
    rng = np.random.default_rng(8)
    plain = rng.normal(size=(20, 2)) + 3
    unit = np.ldexp(1.0, int(np.frexp(size)[1]))
    table = plain * [size, 1.0]

    def part(rows: Array) -> Moments:
        small = Moments.of(rows / [unit, 1.0])
        return replace(small, scale=np.array([unit, 1.0]))

    merged = part(table[:7]) + part(table[7:])
    small_mean, small_cross = exact(table / [unit, 1.0])
    # Means near 3 and sums of 20 products of order one: some last digits.
    np.testing.assert_allclose(merged.mean, small_mean, rtol=1e-15 * 8)
    np.testing.assert_allclose(merged.cross, small_cross, rtol=1e-13)
    rest = merged - part(table[:7])
    np.testing.assert_allclose(rest.cross, exact(table[7:] / [unit, 1.0])[1], rtol=1e-13)
    # One part in other units than the other.
    other = part(table[7:]).scaled(np.array([unit * 4, 0.5]))
    mixed = part(table[:7]) + other
    np.testing.assert_allclose(mixed.cross, merged.cross, rtol=1e-14)


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e300])
def test_rows_of_extreme_size_keep_their_digits(size: float) -> None:
    # The module promises that squares neither overflow nor vanish.
    table = np.array([[1.0], [2.0], [4.0], [9.0]]) * size
    found = Moments.of(table)
    spread = np.sqrt(found.cross[0, 0]) * (found.scale[0] / size)
    # Four squares and a root.
    assert spread == pytest.approx(np.sqrt(38.0), rel=1e-14)


def test_a_billion_beside_a_spread_of_one_keeps_its_digits_when_merged() -> None:
    # A mean near 1e9 is known to 1e-7 in one float; merging folds needs how far means are apart.
    rng = np.random.default_rng(31)
    table = 1e9 + rng.normal(size=(200, 1)).round(6)
    merged = total([Moments.of(table[at::5]) for at in range(5)])
    _, cross = exact(table)
    # Ten digits, as the design owes its moments.
    assert merged.cross[0, 0] == pytest.approx(cross[0, 0], rel=1e-10)


@DRAWN
@given(table=tables(), seed=seeds)
def test_taking_columns_is_the_moments_of_those_columns(table: Array, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(table.shape[1])
    check(Moments.of(table).take(order.tolist()), table[:, order], table[:, order])


@DRAWN
@given(seed=seeds, n=st.integers(3, 40))
def test_pooling_levels_is_the_moments_of_their_sum(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 5, size=n)
    levels = (codes[:, None] == np.arange(5)).astype(float)
    table = np.column_stack([rng.integers(-9, 9, size=n), levels])
    pooled = levels.copy()
    pooled[:, 1] += levels[:, 3] + levels[:, 4]
    pooled[:, 3:] = 0
    together = np.column_stack([table[:, 0], pooled])
    check(Moments.of(table).pool(2, [4, 5]), together, np.vstack([table, together]))


@DRAWN
@given(seed=seeds, change=st.floats(-100, 100))
def test_refilling_gaps_is_the_moments_of_the_refilled_column(seed: int, change: float) -> None:
    rng = np.random.default_rng(seed)
    gap = (rng.uniform(size=15) < 0.4).astype(float)
    x = np.where(gap, 7.0, rng.normal(size=15))
    table = np.column_stack([x, gap, rng.normal(size=15)])
    refilled = np.column_stack([x + change * gap, gap, table[:, 2]])
    wide = np.vstack([table, refilled, refilled * 2])
    check(Moments.of(table).refill(0, 1, change), refilled, wide)


# What moments answer is what the rows would answer.


def objectives(
    seed: int, *, n: int, p: int, k: int, intercept: bool, weighted: bool
) -> tuple[Rows, LeastSquares, Weights]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, p)) * rng.uniform(0.1, 10, size=p) + rng.normal(size=p)
    targets = rng.normal(size=(n, k)) + rng.normal(size=k)
    each = rng.integers(0, 4, size=n).astype(float) if weighted else None
    if each is not None:
        each[0] = 1.0
    weights: dict[str, Array] = {"weight": rng.normal(size=(p, k))}
    if intercept:
        weights["intercept"] = rng.normal(size=k)
    moments = Moments.of(np.column_stack([inputs, targets]), each)
    least = LeastSquares.of(moments, range(p), range(p, p + k), intercept=intercept)
    return Rows(Linear(intercept=intercept), Squared(), inputs, targets, each), least, weights


def same(one: Comparison, other: Comparison, *, rtol: float) -> None:
    for part in fields(Comparison):
        a, b = getattr(one, part.name), getattr(other, part.name)
        pairs = [(a[n], b[n]) for n in a] if part.name == "weight_delta" else [(a, b)]
        for x, y in pairs:
            largest = float(np.max(np.abs(y), initial=1e-300))
            np.testing.assert_allclose(x, y, rtol=0, atol=rtol * largest, err_msg=part.name)


@DRAWN
@given(
    seed=seeds,
    n=st.integers(1, 60),
    p=st.integers(1, 4),
    k=st.integers(1, 3),
    intercept=st.booleans(),
    weighted=st.booleans(),
)
def test_moments_compare_as_the_rows_do(
    seed: int, n: int, p: int, k: int, intercept: bool, weighted: bool
) -> None:
    rows, least, weights = objectives(seed, n=n, p=p, k=k, intercept=intercept, weighted=weighted)
    by_rows = rows(weights, hessian=True)
    # Sums of up to 60 rows, all of order one to a thousand; what cancels is measured by the
    # curvature times the weights, which is a few thousand times the smallest answer.
    same(least(weights, hessian=True), by_rows, rtol=1e-10)
    assert least(weights).hessian is None
    scores = rows.model.predict(weights, rows.inputs)
    each = np.ones(n) if rows.row_weights is None else rows.row_weights
    squares = each @ (scores - rows.targets) ** 2
    np.testing.assert_allclose(least.squared_error(weights), squares, rtol=1e-10)


@DRAWN
@given(seed=seeds, intercept=st.booleans())
def test_the_weight_delta_of_moments_is_the_finite_difference_of_their_loss(
    seed: int, intercept: bool
) -> None:
    _, least, weights = objectives(seed, n=20, p=2, k=2, intercept=intercept, weighted=False)
    said = least(weights).weight_delta
    loss = least(weights).loss
    for name, array in weights.items():
        for at in np.ndindex(*array.shape):
            changed = []
            for sign in (1, -1):
                moved = {n: a.copy() for n, a in weights.items()}
                moved[name][at] += sign * 1e-3
                changed.append(least(moved).loss)
            # Squared loss has no third derivative; rounding is eps of the loss by the step.
            expected = (changed[0] - changed[1]) / 2e-3
            assert said[name][at] == pytest.approx(expected, abs=1e-11 * (1 + loss))


@pytest.mark.parametrize("intercept", [True, False])
def test_extreme_units_compare_as_plain_ones(intercept: bool) -> None:
    rows, least, weights = objectives(3, n=30, p=2, k=1, intercept=intercept, weighted=False)
    moments = Moments.of(np.column_stack([rows.inputs, rows.targets]))
    scaled = moments.scaled(np.array([2.0**7, 2.0**-9, 2.0**3]))
    same(
        LeastSquares.of(scaled, [0, 1], [2], intercept=intercept)(weights, hessian=True),
        least(weights, hessian=True),
        rtol=1e-14,
    )


def test_spread_is_the_standard_deviation_or_root_mean_square() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(size=(50, 3)) * [1, 100, 0.01] + 5
    moments = Moments.of(table)
    about_mean = LeastSquares.of(moments, [0, 1], [2]).spread
    np.testing.assert_allclose(about_mean, table[:, :2].std(axis=0), rtol=1e-14)
    about_zero = LeastSquares.of(moments, [0, 1], [2], intercept=False).spread
    np.testing.assert_allclose(about_zero, np.sqrt((table[:, :2] ** 2).mean(axis=0)), rtol=1e-14)


# Held weights: what is left to learn is least squares on what they leave.


@DRAWN
@given(
    seed=seeds,
    held=st.lists(st.booleans(), min_size=3, max_size=3).filter(lambda mask: not all(mask)),
    intercept=st.booleans(),
    hold_intercept=st.booleans(),
)
def test_what_held_weights_leave(
    seed: int, held: list[bool], intercept: bool, hold_intercept: bool
) -> None:
    rows, least, weights = objectives(seed, n=40, p=3, k=2, intercept=intercept, weighted=True)
    mask: Mask = np.array(held)
    offset = rows.inputs[:, mask] @ weights["weight"][mask]
    hold_intercept = hold_intercept and intercept
    if hold_intercept:
        offset = offset + weights["intercept"]
    left = least.held(mask, weights, intercept=hold_intercept)
    assert left.intercept == (intercept and not hold_intercept)
    free: dict[str, Array] = {"weight": weights["weight"][~mask]}
    if left.intercept:
        free["intercept"] = weights["intercept"]
    again = Rows(
        Linear(intercept=left.intercept),
        Squared(),
        rows.inputs[:, ~mask],
        rows.targets - offset,
        rows.row_weights,
    )
    # As above: the held part's sums cancel against the targets'.
    same(left(free, hessian=True), again(free, hessian=True), rtol=1e-9)
    np.testing.assert_allclose(left.squared_error(free), least.squared_error(weights), rtol=1e-9)
