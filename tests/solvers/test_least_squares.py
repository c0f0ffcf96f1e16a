"""Exact weights and ridge paths against numpy, scikit-learn and explicit loops over folds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import linear_model

from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.moments.stacked import stack
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.cv_result import DECADES, CVResult, guessing_error
from deltarule.solvers.least_squares import (
    MANY,
    Spectrum,
    dependent,
    normal_equations,
    ridge_path,
    ridge_search,
    ridge_weights,
    solve,
)
from deltarule.solvers.whitening import Whitening

DRAWN = settings(deadline=None, derandomize=True, max_examples=50)
seeds = st.integers(0, 2**32 - 1)


def table(seed: int, *, n: int = 40, p: int = 3, k: int = 2) -> tuple[Array, Array]:
    """Inputs of very different scales and offsets, and targets that follow them with noise."""
    rng = np.random.default_rng(seed)
    plain = rng.normal(size=(n, p)) + rng.normal(size=p)
    targets = plain @ rng.normal(size=(p, k)) + rng.normal(size=(n, k)) + 3
    return plain * 10.0 ** rng.integers(-4, 5, size=p), targets


def posed(
    inputs: Array, targets: Array, each: Array | None = None, *, intercept: bool = True
) -> LeastSquares:
    p, k = inputs.shape[1], targets.shape[1]
    moments = Moments.of(np.column_stack([inputs, targets]), each)
    return LeastSquares.of(moments, range(p), range(p, p + k), intercept=intercept)


def by_numpy(
    inputs: Array, targets: Array, each: Array | None = None, *, intercept: bool = True
) -> Array:
    """The stacked weights of numpy's least squares, the intercept last, on scaled columns."""
    design = np.column_stack([inputs, np.ones(len(inputs))]) if intercept else inputs
    scale = np.sqrt((design**2).mean(axis=0))
    root = np.ones((len(inputs), 1)) if each is None else np.sqrt(each)[:, None]
    found = np.linalg.lstsq(design / scale * root, targets * root, rcond=None)[0]
    return found / scale[:, None]


@DRAWN
@given(
    seed=seeds,
    p=st.integers(1, 5),
    k=st.integers(1, 3),
    intercept=st.booleans(),
    weighted=st.booleans(),
)
def test_exact_weights_are_numpys(
    seed: int, p: int, k: int, intercept: bool, weighted: bool
) -> None:
    inputs, targets = table(seed, p=p, k=k)
    each = np.random.default_rng(seed).integers(0, 4, size=40).astype(float) if weighted else None
    found = solve(posed(inputs, targets, each, intercept=intercept))
    known = by_numpy(inputs, targets, each, intercept=intercept)
    assert found.rank == p
    assert found.sure
    # Scaled columns here have conditions below 100, whose square numpy avoids and moments do not.
    size = np.abs(known[:p]) * 1e-10 + 1e-11 / inputs.std(axis=0)[:, None]
    assert (np.abs(found.weights["weight"] - known[:p]) <= size).all()
    if intercept:
        np.testing.assert_allclose(found.weights["intercept"], known[p], atol=1e-10)


@pytest.mark.parametrize("intercept", [True, False])
def test_exact_weights_are_scikit_learns(intercept: bool) -> None:
    rng = np.random.default_rng(17)
    inputs, targets = rng.normal(size=(60, 4)) + 2, rng.normal(size=(60, 3))
    each = rng.uniform(0.1, 3, size=60)
    found = solve(posed(inputs, targets, each, intercept=intercept)).weights
    known = linear_model.LinearRegression(fit_intercept=intercept).fit(inputs, targets, each)
    # Conditions of a few units: their square costs two digits of sixteen.
    np.testing.assert_allclose(found["weight"], known.coef_.T, rtol=1e-12, atol=1e-13)
    if intercept:
        np.testing.assert_allclose(found["intercept"], known.intercept_, rtol=1e-12)


@DRAWN
@given(seed=seeds, intercept=st.booleans())
def test_at_the_exact_weights_nothing_is_left_to_learn(seed: int, intercept: bool) -> None:
    inputs, targets = table(seed)
    problem = posed(inputs, targets, intercept=intercept)
    found = problem(solve(problem).weights).weight_delta
    at_zero = problem({n: np.zeros_like(a) for n, a in found.items()}).weight_delta
    for name, left in found.items():
        # Each row's terms cancel: eps of the largest such term, which the start's slope measures.
        assert np.abs(left).max() <= 1e-10 * max(1.0, float(np.abs(at_zero[name]).max()))


def test_the_inverse_is_that_of_the_gram() -> None:
    inputs, targets = table(5)
    centred = inputs - inputs.mean(axis=0)
    known = np.linalg.inv(centred.T @ centred)
    size = np.sqrt(np.outer(np.diag(known), np.diag(known)))
    # Columns differ by 1e8 in scale; relative to scale the condition is below 100.
    found = solve(posed(inputs, targets))
    inverse = found.inverse / np.outer(found.unit, found.unit)
    assert (np.abs(inverse - known) <= 1e-9 * size).all()


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e150, 1e-150])
@pytest.mark.parametrize("column", ["input", "target"])
def test_columns_of_extreme_size_are_solved(size: float, column: str) -> None:
    rng = np.random.default_rng(40)
    x = rng.normal(size=30)
    y = 2 * x + 1 + 0.1 * rng.normal(size=30)
    slope, level = np.polyfit(x, y, 1)
    # Kept in units of a power of two near their size, as the tally keeps them.
    unit = np.ldexp(1.0, int(np.frexp(size)[1]))
    sizes, units = ([size, 1.0], [unit, 1.0]) if column == "input" else ([1.0, size], [1.0, unit])
    small = Moments.of(np.column_stack([x, y]) * (np.array(sizes) / units))
    moments = replace(small, scale=np.array(units))
    found = solve(LeastSquares.of(moments, [0], [1])).weights
    by = 1 / size if column == "input" else size
    # One input: the slope is a quotient of two sums.
    assert found["weight"].item() / by == pytest.approx(slope, rel=1e-12)
    assert found["intercept"].item() / (size if column == "target" else 1) == pytest.approx(
        level, rel=1e-12
    )


# Dependent inputs: of all weights that predict the same, the smallest on standardised inputs.


def dependents(kind: str) -> tuple[Array, int, set[frozenset[int]]]:
    """Inputs, their rank, and the groups that belong together."""
    rng = np.random.default_rng(3)
    a, b, c = rng.normal(size=(3, 50)) * [[1.0], [20.0], [0.3]] + 4
    return {
        "a column twice": (np.column_stack([a, b, a]), 2, {frozenset({0, 2})}),
        "another unit": (np.column_stack([a, 100 * a - 7, b]), 2, {frozenset({0, 1})}),
        "a sum": (np.column_stack([a, b, a + b]), 2, {frozenset({0, 1, 2})}),
        "two groups": (
            np.column_stack([a, b, c, 2 * a, b - c]),
            3,
            {frozenset({0, 3}), frozenset({1, 2, 4})},
        ),
        "three times the same": (
            np.column_stack([a, a, a, b]),
            2,
            {frozenset({0, 1}), frozenset({0, 2})},
        ),
    }[kind]


def smallest(inputs: Array, targets: Array) -> Array:
    """Of all weights that fit best, by numpy, those whose standardised weights are smallest."""
    unit, left = inputs.std(axis=0), targets - targets.mean(axis=0)
    known: Array = np.linalg.lstsq((inputs - inputs.mean(axis=0)) / unit, left, rcond=1e-10)[0]
    return known / unit[:, None]


KINDS = ["a column twice", "another unit", "a sum", "two groups", "three times the same"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2])
def test_dependent_inputs_get_the_smallest_weights(kind: str, k: int) -> None:
    inputs, rank, _ = dependents(kind)
    targets = np.random.default_rng(4).normal(size=(50, k)) + inputs[:, :1]
    found = solve(posed(inputs, targets))
    assert found.rank == rank
    assert not found.sure
    known = smallest(inputs, targets)
    # Directions are told apart by their squares, so half the digits of a dependent direction go;
    # what is kept has a condition below 1e3.
    np.testing.assert_allclose(found.weights["weight"], known, rtol=1e-7, atol=1e-9)
    intercept = targets.mean(axis=0) - inputs.mean(axis=0) @ known
    np.testing.assert_allclose(found.weights["intercept"], intercept, rtol=1e-6, atol=1e-8)
    known_by_sklearn = linear_model.LinearRegression().fit(inputs, targets)
    # They predict what any least squares does: no digit of that is in doubt.
    fitted = inputs @ found.weights["weight"] + found.weights["intercept"]
    np.testing.assert_allclose(fitted, known_by_sklearn.predict(inputs), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_dependent_inputs_are_named(kind: str) -> None:
    inputs, rank, groups = dependents(kind)
    found = solve(posed(inputs, inputs[:, :1] + 0.5 * inputs[:, 1:2] ** 2))
    named = dependent(found.null)
    assert {frozenset(group) for group in named} == groups
    assert len(named) == inputs.shape[1] - rank
    # The first of a group is the latest input, which the others explain.
    for leader, *others in named:
        assert all(leader > other for other in others)
        centred = inputs - inputs.mean(axis=0)
        explained = np.linalg.lstsq(centred[:, others], centred[:, leader], rcond=None)[0]
        left = centred[:, leader] - centred[:, others] @ explained
        assert np.abs(left).max() < 1e-9 * np.abs(centred[:, leader]).max()


def test_nothing_depends_where_nothing_does() -> None:
    assert dependent(solve(posed(*table(2))).null) == []


def test_a_constant_input_gets_no_weight_and_is_named_alone() -> None:
    inputs, targets = table(6)
    inputs[:, 1] = 42.0
    found = solve(posed(inputs, targets))
    assert found.rank == 2
    assert dependent(found.null) == [(1,)]
    assert not found.weights["weight"][1].any()
    rest = by_numpy(inputs[:, [0, 2]], targets)
    np.testing.assert_allclose(found.weights["weight"][[0, 2]], rest[:2], rtol=1e-9)
    np.testing.assert_allclose(found.weights["intercept"], rest[2], rtol=1e-9)


def test_a_constant_input_without_intercept_is_the_intercept() -> None:
    inputs, targets = table(6)
    inputs[:, 1] = 4.0
    found = solve(posed(inputs, targets, intercept=False))
    known = by_numpy(inputs, targets, intercept=False)
    np.testing.assert_allclose(found.weights["weight"], known, rtol=1e-9)


def test_inputs_that_are_all_constant_leave_the_mean() -> None:
    targets = np.random.default_rng(1).normal(size=(9, 2))
    found = solve(posed(np.full((9, 2), 3.0), targets))
    assert found.rank == 0
    assert not found.weights["weight"].any()
    np.testing.assert_allclose(found.weights["intercept"], targets.mean(axis=0), rtol=1e-14)


def test_a_constant_that_no_float_hits_counts_as_constant() -> None:
    # The mean of equal values may round, and leave a variance of some last digits.
    inputs = np.column_stack([np.full(7, 0.1), np.arange(7.0)])
    found = solve(posed(inputs, 3 * inputs[:, 1:] + 1))
    assert abs(found.weights["weight"][0, 0]) < 1e-9
    assert found.weights["weight"][1, 0] == pytest.approx(3, rel=1e-12)


def test_fewer_rows_than_inputs_give_the_smallest_weights_that_fit() -> None:
    rng = np.random.default_rng(9)
    inputs, targets = rng.normal(size=(4, 7)), rng.normal(size=(4, 1))
    found = solve(posed(inputs, targets))
    assert found.rank == 3
    known = smallest(inputs, targets)
    # Null directions are known to half the digits.
    np.testing.assert_allclose(found.weights["weight"], known, atol=1e-7)
    fitted = inputs @ found.weights["weight"] + found.weights["intercept"]
    np.testing.assert_allclose(fitted, targets, atol=1e-7)


# Ridge.


@pytest.mark.parametrize("ridge", [1e-5, 0.1, 10.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_ridge_is_scikit_learns_on_standardised_columns(ridge: float, intercept: bool) -> None:
    inputs, targets = table(12)
    found = solve(posed(inputs, targets, intercept=intercept), ridge=ridge).weights
    middle = inputs.mean(axis=0) if intercept else np.zeros(3)
    spread = np.sqrt(((inputs - middle) ** 2).mean(axis=0))
    known = linear_model.Ridge(alpha=ridge * 40, fit_intercept=intercept, solver="svd")
    known.fit((inputs - middle) / spread, targets)
    # Conditions below 100 squared.
    np.testing.assert_allclose(found["weight"] * spread[:, None], known.coef_.T, rtol=1e-9)
    if intercept:
        own = known.intercept_ - (middle / spread) @ known.coef_.T
        np.testing.assert_allclose(found["intercept"], own, rtol=1e-9)


def test_ridge_shares_the_weight_of_equal_inputs() -> None:
    x = np.random.default_rng(1).normal(size=30)
    found = solve(posed(np.column_stack([x, x]), 2 * x[:, None]), ridge=0.5).weights["weight"]
    # In standard units 2 / (2 + 0.5) of the weight is left, on two equal inputs.
    np.testing.assert_allclose(found, np.full((2, 1), 2 / 2.5), rtol=1e-12)


def in_folds(seed: int, *, n: int = 60) -> tuple[Array, Array, Array, list[Moments]]:
    inputs, targets = table(seed, n=n)
    fold = np.random.default_rng(seed).integers(0, 4, size=n)
    both = np.column_stack([inputs, targets])
    return inputs, targets, fold, [Moments.of(both[fold == at]) for at in range(4)]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_ridge_path_is_the_loop_over_folds_written_out(intercept: bool, seed: int) -> None:
    inputs, targets, fold, folds = in_folds(seed)
    asked = LinearProblem(range(3), [3, 4], intercept, {}, None)
    strengths = np.array([0.0, 1e-4, 0.1, 3.0])
    found = ridge_path([*folds, Moments.none(5)], asked, strengths=strengths)
    assert found.rows[:, 0].tolist() == [float((fold == at).sum()) for at in range(4)]
    for at in range(4):
        learnt_from, asked_of = fold != at, fold == at
        middle = inputs[learnt_from].mean(axis=0) if intercept else np.zeros(3)
        spread = np.sqrt(((inputs[learnt_from] - middle) ** 2).mean(axis=0))
        standard = (inputs - middle) / spread
        off = targets[asked_of] - targets[learnt_from].mean(axis=0)
        np.testing.assert_allclose(found.guessing[at], (off**2).sum(axis=0), rtol=1e-10)
        for number, strength in enumerate(strengths):
            known = linear_model.Ridge(
                alpha=max(strength, 1e-14) * learnt_from.sum(), fit_intercept=intercept
            ).fit(standard[learnt_from], targets[learnt_from])
            errors = (known.predict(standard[asked_of]) - targets[asked_of]) ** 2
            # Conditions below 1e4 for the gram; 1e-14 in place of no strength.
            np.testing.assert_allclose(found.errors[number, at], errors.sum(axis=0), rtol=1e-8)
    np.testing.assert_allclose(found.mean(), found.errors.sum(axis=1) / 60, rtol=1e-14)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("twin", [False, True])
def test_many_strengths_at_once_give_the_weights_of_each(intercept: bool, twin: bool) -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(60, 6)) * [1, 1e6, 1e-3, 1, 1, 1] + 3
    rows[:, 3] = rows[:, 0] if twin else rows[:, 3]
    rows[:, 2] = 1.0  # constant
    asked = LeastSquares.of(Moments.of(rows), range(4), [4, 5], intercept=intercept)
    strengths = np.concatenate([[0.0, 1e-13], np.logspace(-6, 3, MANY)])
    found = ridge_weights(asked, normal_equations(asked), strengths)
    for at, strength in enumerate(strengths):
        known = solve(asked, ridge=float(strength)).weights
        for name, array in known.items():
            # Conditions up to 1e6 for the gram: the share of each twin keeps ten digits.
            np.testing.assert_allclose(found[name][at], array, rtol=1e-9, atol=1e-10)


def test_guessing_error_in_extreme_units_is_that_in_plain_ones() -> None:
    *_, folds = in_folds(3)
    one, others = folds[0], total(folds[1:])
    scale = np.array([1.0, 1.0, 1.0, 2.0**40, 2.0**-40])
    plain = guessing_error(one, others, [3, 4])
    # In units of the fold's own scale, squared.
    scaled = guessing_error(one.scaled(scale), others, [3, 4])
    assert np.array_equal(scaled * scale[[3, 4]] ** 2, plain)
    assert np.array_equal(guessing_error(one, others.scaled(scale), [3, 4]), plain)


def ridges(strengths: Array, errors: Array, rows: Array, guessing: Array) -> CVResult:
    none, unit = np.zeros(len(strengths)), np.ones(guessing.shape[1])
    return CVResult(strengths, none, errors, rows[:, None], guessing, unit)


def test_a_penalty_must_earn_its_place() -> None:
    strengths, rows = np.array([0.0, 0.1, 1.0]), np.full(4, 10.0)
    guessing = np.full((4, 1), 100.0)

    def path(*errors: list[float]) -> CVResult:
        return ridges(strengths, np.array(errors)[:, :, None], rows, guessing)

    none = [50.0, 60.0, 55.0, 45.0]
    # Better in every fold by the same: no doubt.
    assert path(none, [49.0, 59.0, 54.0, 44.0], [50.5, 60.5, 55.5, 45.5]).chosen() == 1
    # Better on average by 1, but by 20 here and -18 there: within a standard error.
    assert path(none, [30.0, 78.0, 35.0, 63.0], [90.0] * 4).chosen() == 0
    # Never better.
    assert path(none, [51.0, 61.0, 56.0, 46.0], [90.0] * 4).chosen() == 0
    # The best of two that are better.
    assert path(none, [49.0, 59.0, 54.0, 44.0], [40.0, 50.0, 45.0, 35.0]).chosen() == 2


def test_with_one_fold_no_penalty_is_sure() -> None:
    errors = np.array([[[50.0]], [[10.0]]])
    guessing = np.array([[100.0]])
    path = ridges(np.array([0.0, 1.0]), errors, np.array([10.0]), guessing)
    assert path.chosen() == 0


def test_outputs_count_alike_whatever_their_units() -> None:
    rng = np.random.default_rng(2)
    errors = rng.uniform(0.5, 1, size=(3, 4, 2)) * 100
    guessing = np.full((4, 2), 120.0)
    rows = np.full(4, 10.0)
    plain = ridges(np.array([0.0, 0.1, 1.0]), errors, rows, guessing)
    units = np.array([1e12, 1e-6])
    other = ridges(np.array([0.0, 0.1, 1.0]), errors * units, rows, guessing * units)
    assert plain.chosen() == other.chosen()


def test_the_search_is_the_path_of_the_strengths_it_tried() -> None:
    # Few rows, many noisy inputs: a penalty earns its place, and the search goes finer around it.
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(40, 15))
    targets = inputs[:, :1] * 0.5 + rng.normal(size=(40, 1))
    both, fold = np.column_stack([inputs, targets]), np.arange(40) % 5
    folds = [Moments.of(both[fold == at]) for at in range(5)]
    asked = LinearProblem(range(15), [15], True, {}, None)
    found = ridge_search(folds, asked)
    assert found.ridge[0] == 0
    assert (np.diff(found.ridge) > 0).all()
    assert set(DECADES) < set(found.ridge)
    again = ridge_path(folds, asked, strengths=found.ridge)
    # A product of other width may round its last bit another way: so it did for 1 seed in 8.
    np.testing.assert_allclose(found.errors, again.errors, rtol=1e-14)
    assert found.chosen() > 0
    # A fine grid of all strengths finds no error that is lower by more than a hundredth.
    fine = ridge_path(folds, asked, strengths=np.concatenate([[0.0], np.logspace(-5, 2, 141)]))
    assert found.mean().min() <= 1.01 * fine.mean().min()


def test_the_search_stays_coarse_where_no_penalty_earns_its_place() -> None:
    *_, folds = in_folds(0)
    found = ridge_search(folds, LinearProblem(range(3), [3, 4], True, {}, None))
    assert found.chosen() == 0
    assert np.array_equal(found.ridge, DECADES)


# Held weights in a path: the loop over folds with an offset.


def test_a_path_with_held_weights_is_the_loop_with_an_offset() -> None:
    inputs, targets, fold, folds = in_folds(7)
    held = np.array([False, True, False])
    start: Weights = {
        "weight": np.where(held[:, None], 0.3 / inputs.std(axis=0)[:, None], 0.0) * np.ones((3, 2)),
        "intercept": np.zeros(2),
    }
    frozen = {
        "weight": held[:, None] & np.ones((3, 2), dtype=bool),
        "intercept": np.zeros(2, bool),
    }
    asked = LinearProblem(range(3), [3, 4], True, start, frozen)
    found = ridge_path(folds, asked, strengths=np.zeros(1))
    offset = inputs[:, held] @ start["weight"][held]
    for at in range(4):
        known = linear_model.LinearRegression().fit(
            inputs[fold != at][:, ~held] / inputs.std(axis=0)[~held],
            (targets - offset)[fold != at],
        )
        predicted = known.predict(inputs[fold == at][:, ~held] / inputs.std(axis=0)[~held])
        errors = (predicted - (targets - offset)[fold == at]) ** 2
        np.testing.assert_allclose(found.errors[0, at], errors.sum(axis=0), rtol=1e-8)
    whole = asked.whole(solve(asked.free(total(folds))).weights)
    assert np.array_equal(whole["weight"][held], start["weight"][held])


# The second read.


def second_read(
    inputs: Array, targets: Array, *, intercept: bool = True
) -> tuple[Weights, list[tuple[int, ...]]]:
    problem = posed(inputs, targets, intercept=intercept)
    white = Whitening.of(problem, solve(problem).weights)
    z, left = white.rows(inputs, targets)
    k = targets.shape[1]
    moments = Moments.of(np.column_stack([z, left]))
    kept = white.kept(moments, intercept=intercept, most=len(inputs) - intercept)
    found = white.solve(moments, kept, k, intercept=intercept)
    return found.weights, dependent(found.null * problem.spread[:, None])


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("gap", [1e-4, 1e-6])
def test_the_second_read_gives_back_the_digits_of_nearly_dependent_inputs(
    gap: float, intercept: bool
) -> None:
    rng = np.random.default_rng(13)
    a = rng.normal(size=80)
    # Sums of two powers of two, so that the targets below are exact.
    inputs = np.column_stack([np.round(a * 2**10) / 2**10, np.zeros(80)])
    inputs[:, 1] = inputs[:, 0] + np.round(rng.normal(size=80) * 8) * 2.0 ** np.round(np.log2(gap))
    targets = 3 * inputs[:, :1] - 2 * inputs[:, 1:] + (1 if intercept else 0)
    weights, groups = second_read(inputs, targets, intercept=intercept)
    assert groups == []
    # The inputs are conditioned by 1 / gap, which no method undoes: some tens of eps / gap.
    np.testing.assert_allclose(weights["weight"], [[3.0], [-2.0]], rtol=1e-14 / gap)
    one_read = solve(posed(inputs, targets, intercept=intercept)).weights["weight"]
    assert (
        np.abs(weights["weight"] - [[3.0], [-2.0]]).max()
        <= np.abs(one_read - [[3.0], [-2.0]]).max() + 1e-15 / gap
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_read_keeps_the_smallest_weights_and_the_names(kind: str) -> None:
    inputs, _, groups = dependents(kind)
    targets = np.random.default_rng(4).normal(size=(50, 2)) + inputs[:, :1]
    weights, named = second_read(inputs, targets)
    assert {frozenset(group) for group in named} == groups
    centred = inputs - inputs.mean(axis=0)
    known = smallest(inputs, targets)
    # The null directions come from the first read, which knows them to half the digits.
    np.testing.assert_allclose(weights["weight"], known, rtol=1e-6, atol=1e-8)
    fitted = inputs @ weights["weight"] + weights["intercept"]
    expected = centred @ known + targets.mean(axis=0)
    np.testing.assert_allclose(fitted, expected, atol=1e-9)


# Condition, and what alpha settles.


@DRAWN
@given(seed=seeds, intercept=st.booleans(), p=st.integers(1, 4))
def test_condition_is_that_of_the_raw_design(seed: int, intercept: bool, p: int) -> None:
    inputs, targets = table(seed, p=p)
    design = np.column_stack([inputs, np.ones(40)]) if intercept else inputs
    found = Spectrum.of(posed(inputs, targets, intercept=intercept))
    # The singular values of the design to numpy's own accuracy: eps of the largest.
    values = np.linalg.svd(design, compute_uv=False)
    tolerance = 1e-9 + 100 * 2.2e-16 * values[0] / values[-1]
    assert found.condition == pytest.approx(np.linalg.cond(design), rel=tolerance)
    assert found.alphas.limit == pytest.approx(2 * 40 / values[0] ** 2, rel=1e-9)
    assert found.alphas.fastest == pytest.approx(
        2 * 40 / (values[0] ** 2 + values[-1] ** 2), rel=1e-9
    )


def test_condition_leaves_out_what_never_varies() -> None:
    inputs, targets = table(5)
    twice = np.column_stack([inputs, inputs[:, 0]])
    values = np.linalg.svd(np.column_stack([twice, np.ones(40)]), compute_uv=False)
    found = Spectrum.of(posed(twice, targets))
    # The known zero is left out: the smallest of the others decides.
    assert len(found.values) == 4
    assert found.condition == pytest.approx(values[0] / values[3], rel=1e-6)


def test_a_single_input_without_intercept_has_a_condition_of_one() -> None:
    inputs, targets = table(5, p=1)
    assert Spectrum.of(posed(inputs, targets, intercept=False)).condition == pytest.approx(1.0)


def test_weights_of_several_outputs_are_those_of_each_alone() -> None:
    inputs, targets = table(14, k=3)
    together = stack(solve(posed(inputs, targets)).weights)
    alone = np.column_stack(
        [stack(solve(posed(inputs, targets[:, [at]])).weights) for at in range(3)]
    )
    # The same factor solves each; sums may be taken in another order.
    np.testing.assert_allclose(together, alone, rtol=1e-11)
