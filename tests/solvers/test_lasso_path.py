"""Lasso paths against published knots, scikit-learn, closed forms and their own optimality."""

import csv
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn import linear_model

from deltarule.errors import LearningError, ValueRefusedError
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.constraints import Constraints
from deltarule.solvers.cv_result import guessing_error
from deltarule.solvers.lasso_path import lasso_cv, lasso_path, lasso_top, violation
from deltarule.solvers.least_squares import ridge_path, solve

DATA = Path(__file__).resolve().parents[1] / "data" / "diabetes"
DRAWN = settings(deadline=None, derandomize=True, max_examples=80)
seeds = st.integers(0, 2**32 - 1)

# How far from the best weights may be, relative to the slope: rounding, times conditions of 1e4.
BEST = 1e-10


def posed(
    inputs: Array, targets: Array, each: Array | None = None, *, intercept: bool = True
) -> LeastSquares:
    p, k = inputs.shape[1], targets.shape[1]
    moments = Moments.of(np.column_stack([inputs, targets]), each)
    return LeastSquares.of(moments, range(p), range(p, p + k), intercept=intercept)


def signs_of(positive: Array | None) -> Constraints:
    """Weights that may not be below 0, where True."""
    return Constraints() if positive is None else Constraints(low=np.where(positive, 0.0, -np.inf))


def standard(inputs: Array, *, intercept: bool = True) -> Array:
    """Inputs of spread 1, about their mean with an intercept; constant ones become zero."""
    about = inputs - inputs.mean(axis=0) if intercept else inputs
    spread = np.sqrt((about**2).mean(axis=0))
    still = spread <= 1e-12 * np.abs(inputs).max(axis=0)
    return np.where(still, 0.0, about / np.where(still, 1.0, spread))


def predictions(inputs: Array, weights: Weights) -> Array:
    """Those of each strength: (s, n, k)."""
    scores = inputs @ weights["weight"]
    return scores + weights["intercept"][:, None, :] if "intercept" in weights else scores


def drawn(seed: int, kind: str) -> tuple[Array, Array]:
    """Tables that are easy, alike, wide, tied or dependent: (n, p) and (n, 1)."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(6, 50)), int(rng.integers(1, 15))
    plain = rng.normal(size=(n, p)) + rng.normal(size=p)
    targets = plain[:, :3].sum(axis=1, keepdims=True) + rng.normal(size=(n, 1))
    inputs = {
        "plain": lambda: plain,
        "mixed": lambda: plain @ rng.normal(size=(p, p)),
        "wide": lambda: rng.normal(size=(n, 2 * n)),
        "copies": lambda: np.repeat(plain, 2, axis=1) * rng.choice([1.0, -1.0, 3.3], size=2 * p),
        "flags": lambda: rng.integers(0, 2, size=(n, p)).astype(float),
        "levels": lambda: np.eye(5)[rng.integers(0, 5, size=n)],
        "rank 2": lambda: rng.normal(size=(n, 2)) @ rng.normal(size=(2, p)),
    }[kind]()
    # Small whole numbers make ties.
    return inputs, np.round(targets) if kind in ("flags", "levels") else targets


KINDS = ["plain", "mixed", "wide", "copies", "flags", "levels", "rank 2"]
kinds = st.sampled_from(KINDS)


# Published.


def diabetes() -> tuple[LeastSquares, dict, list[str]]:
    with (DATA / "diabetes_scaled.csv").open() as file:
        names, *lines = csv.reader(file)
    rows = np.array(lines, dtype=float)
    known = json.loads((DATA / "diabetes.json").read_text())
    return posed(rows[:, :-1], rows[:, -1:]), known, names


def test_the_path_of_diabetes_has_its_published_knots() -> None:
    problem, known, _ = diabetes()
    [knots] = lasso_path(problem, np.zeros(1)).knots
    # There inputs have a sum of squares of 1, here a mean of squares of 1: strengths differ by
    # sqrt(rows). The file's 17 digits leave 1e-13, of the least squares' condition of 500.
    published = np.array(known["recomputed"]["lasso_knots_alpha"]) * np.sqrt(442)
    np.testing.assert_allclose(knots.strengths, published, rtol=1e-10, atol=1e-12)
    weights = known["recomputed"]["lasso_path_coef"]
    np.testing.assert_allclose(knots.weight, weights, rtol=1e-9, atol=1e-8)


def test_inputs_of_diabetes_join_and_leave_in_the_published_order() -> None:
    problem, known, names = diabetes()
    [knots] = lasso_path(problem, np.zeros(1)).knots
    order: list[str] = []
    for before, after in pairwise(knots.weight != 0):
        # What joins at a knot is zero there still; what leaves at the next one is zero there.
        order += [names[j] for j in np.flatnonzero(after & ~before)]
        order += [f"-{names[j]}" for j in np.flatnonzero(before & ~after)]
    published = known["published"]["lasso_order"]
    assert [name.strip("+") for name in published] == order


# Against scikit-learn, whose objective is the same on standardised inputs.

CASES = {
    "plain": {},
    "alike": {"alike": 0.95},
    "no intercept": {"intercept": False},
    "weighted": {"weighted": True},
    "elastic net": {"ridge": 0.3},
    "three outputs": {"k": 3},
    "scales 1e12 apart": {"scales": True},
    "positive": {"positive": True},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_weights_are_those_of_scikit_learn(case: dict) -> None:
    rng = np.random.default_rng(11)
    n, p, k = 80, 8, case.get("k", 1)
    intercept, ridge = case.get("intercept", True), case.get("ridge", 0.0)
    common = rng.normal(size=(n, 1)) * case.get("alike", 0.0) * 3
    inputs = rng.normal(size=(n, p)) + common + 0.5
    targets = inputs[:, :4] @ rng.normal(size=(4, k)) * 2 + rng.normal(size=(n, k)) + 3
    if case.get("scales"):
        inputs = inputs * np.logspace(-6, 6, p)
    each = rng.integers(1, 4, size=n) if case.get("weighted") else np.ones(n, dtype=int)
    positive = np.full(p, True) if case.get("positive") else None
    problem = posed(inputs, targets, each.astype(float), intercept=intercept)
    strengths = np.geomspace(1e-4, 0.9, 12) * lasso_top(problem)
    holds = replace(signs_of(positive), ridge=ridge)
    path = lasso_path(problem, strengths, holds=holds)
    # Row weights by their meaning: so many copies.
    rows, answers = np.repeat(inputs, each, axis=0), np.repeat(targets, each, axis=0)
    inside = standard(rows, intercept=intercept)
    spread = np.sqrt((rows**2).mean(axis=0) - intercept * rows.mean(axis=0) ** 2)
    scores = predictions(rows, path.weights)
    for number, strength in enumerate(strengths):
        model = linear_model.ElasticNet(
            alpha=strength + ridge,
            l1_ratio=strength / (strength + ridge),
            fit_intercept=intercept,
            positive=positive is not None,
            tol=1e-14,
            max_iter=1_000_000,
        )
        for output in range(k):
            model.fit(inside, answers[:, output])
            found = path.weights["weight"][number, :, output] * spread
            # scikit-learn stops at a duality gap of 1e-14; its root is the weights' error.
            np.testing.assert_allclose(found, model.coef_, rtol=1e-8, atol=1e-8)
            known = model.predict(inside)
            np.testing.assert_allclose(scores[number, :, output], known, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", ["plain", "mixed", "wide", "copies"])
def test_objective_and_predictions_are_those_of_scikit_learn_where_weights_are_not_unique(
    kind: str,
) -> None:
    for seed in range(4):
        inputs, targets = drawn(seed, kind)
        problem = posed(inputs, targets)
        strengths = np.array([0.01, 0.1, 0.5]) * lasso_top(problem)
        path = lasso_path(problem, strengths)
        inside, about = standard(inputs), targets[:, 0] - targets.mean()
        for number, strength in enumerate(strengths):
            model = linear_model.Lasso(
                alpha=strength, fit_intercept=False, tol=1e-15, max_iter=1_000_000
            ).fit(inside, about)
            w = path.weights["weight"][number, :, 0] * inputs.std(axis=0)

            assert np.isfinite(w).all()
            ours, theirs = (
                np.mean((inside @ v - about) ** 2) / 2 + strength * np.abs(v).sum()
                for v in (w, model.coef_)
            )
            assert ours <= theirs * (1 + 1e-13)
            assert ours == pytest.approx(theirs, rel=1e-8)
            # Predictions are unique, but as the root of its duality gap.
            known = model.predict(inside)
            np.testing.assert_allclose(inside @ w, known, atol=1e-7 * np.abs(about).max())


@pytest.mark.parametrize("seed", range(6))
def test_knots_are_those_of_scikit_learns_lars(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(40, 12)) @ rng.normal(size=(12, 12))
    targets = inputs[:, :2].sum(axis=1, keepdims=True) + rng.normal(size=(40, 1))
    [knots] = lasso_path(posed(inputs, targets), np.zeros(1)).knots
    alphas, _, weights = linear_model.lars_path(
        standard(inputs), targets[:, 0] - targets.mean(), method="lasso"
    )
    # Its knots below this are its own rounding.
    real = alphas > 1e-9
    np.testing.assert_allclose(knots.strengths[:-1], alphas[real], rtol=1e-8)
    spread = inputs.std(axis=0)
    np.testing.assert_allclose(knots.weight[:-1] * spread, weights.T[real], rtol=1e-8, atol=1e-8)


def test_scikit_learns_whole_path_is_found_at_once() -> None:
    inputs, targets = drawn(5, "plain")
    strengths = lasso_top(posed(inputs, targets)) * np.geomspace(1, 1e-3, 50)
    path = lasso_path(posed(inputs, targets), strengths)
    _, known, _ = linear_model.lasso_path(
        standard(inputs),
        targets[:, 0] - targets.mean(),
        alphas=strengths,
        tol=1e-14,
        max_iter=100_000,
    )
    found = path.weights["weight"][:, :, 0] * inputs.std(axis=0)
    np.testing.assert_allclose(found, known.T, rtol=1e-8, atol=1e-8)


# Against closed forms.


def test_of_orthogonal_inputs_each_weight_shrinks_by_the_strength_and_all_ties_are_kept() -> None:
    signs = np.array([[(-1.0) ** (i & j).bit_count() for j in range(8)] for i in range(8)])
    inputs, weight = signs[:, 1:], np.array([3.0, -3.0, 3.0, 1.0, -0.5, 0.0, 3.0])
    targets = (inputs @ weight)[:, None]
    strengths = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0])
    path = lasso_path(posed(inputs, targets), strengths, holds=Constraints(ridge=1.0))
    shrunk = np.sign(weight) * np.maximum(np.abs(weight) - strengths[:, None], 0) / (1 + 1.0)
    # Sums of eight numbers.
    np.testing.assert_allclose(path.weights["weight"][:, :, 0], shrunk, atol=1e-15)
    [knots] = path.knots
    np.testing.assert_allclose(knots.strengths, [3.0, 1.0, 0.5, 0.0], atol=1e-15)


def test_one_weight_is_the_slope_less_the_strength() -> None:
    rows = np.array([[0.0, 1.0], [2.0, 7.0], [4.0, 7.0]])
    path = lasso_path(posed(rows[:, :1], rows[:, 1:]), np.array([0.5, 10.0]))
    spread = np.sqrt(8 / 3)
    assert path.weights["weight"][0, 0, 0] == pytest.approx(1.5 - 0.5 / spread, rel=1e-14)
    assert path.weights["intercept"][0, 0] == pytest.approx(5 - 2 * (1.5 - 0.5 / spread), rel=1e-14)
    assert path.weights["weight"][1, 0, 0] == 0
    assert path.weights["intercept"][1, 0] == pytest.approx(5, rel=1e-15)


# Optimal, whatever is drawn.


def held_by(seed: int, inputs: Array, *, kinds_of: str) -> Constraints:
    rng = np.random.default_rng(seed)
    p, size = inputs.shape[1], 1 / (inputs.std(axis=0) + 1)
    some = rng.random(p) < 0.5
    holds = Constraints(
        strength_of=rng.choice([0.0, 0.5, 1.0, 2.0], size=p) if "each" in kinds_of else None,
        low=np.where(some, 0.0, -np.inf) if "signs" in kinds_of else None,
    )
    if "fixed" in kinds_of:
        fixed = np.where(rng.random(p) < 0.4, rng.choice([0.0, 0.03, 0.3], size=p), 0.0)
        relative = np.ones(p) if holds.strength_of is None else holds.strength_of
        holds = replace(holds, fixed=fixed, strength_of=np.where(fixed > 0, 0.0, relative))
    if "ridges" in kinds_of:
        holds = replace(holds, ridge=rng.choice([1e-3, 0.1, 2.0], size=p))
    if "ranges" in kinds_of:
        ends = np.sort(rng.normal(size=(2, p)) * size, axis=0)
        low, high = np.where(some, ends[0], -np.inf), np.where(rng.random(p) < 0.5, ends[1], np.inf)
        holds = replace(holds, low=low, high=high)
    return holds


@pytest.mark.parametrize(
    "kinds_of",
    [
        "nothing",
        "ridges",
        "signs",
        "each",
        "signs, each",
        "fixed",
        "fixed, signs, each, ridges",
        "ranges",
        "ranges, fixed, each",
        "ranges, ridges, fixed",
    ],
)
@DRAWN
@given(seed=seeds, kind=kinds, intercept=st.booleans())
def test_nothing_is_left_to_gain_anywhere_on_the_path(
    kinds_of: str, seed: int, kind: str, intercept: bool
) -> None:
    inputs, targets = drawn(seed, kind)
    problem = posed(inputs, targets, intercept=intercept)
    holds = held_by(seed, inputs, kinds_of=kinds_of)
    top = lasso_top(problem, holds=holds)
    strengths = np.concatenate([[0.0], np.geomspace(1e-8, 1.2, 30)]) * top
    path = lasso_path(problem, strengths, holds=holds)
    assert violation(problem, path.weights, strengths, holds=holds) <= BEST
    weight = path.weights["weight"][:, :, 0]
    if holds.low is not None:
        high = np.inf if holds.high is None else holds.high
        # Ranges are kept in units of spread 1: back in own units they may be off by a rounding.
        assert (weight - holds.low >= -1e-14 * np.abs(weight)).all()
        assert (high - weight >= -1e-14 * np.abs(weight)).all()
    if "ranges" in kinds_of or np.any(holds.fixed):
        assert not path.knots
    elif holds.fixed is None:
        [knots] = path.knots
        turned = {"weight": knots.weight[:, :, None]}
        assert violation(problem, turned, knots.strengths, holds=holds) <= BEST
        assert (np.diff(knots.strengths) < 0).all()
        assert knots.strengths[0] == top
    if intercept:
        off = predictions(inputs, path.weights).mean(axis=1) - targets.mean()
        assert np.abs(off).max() <= 1e-9 * (1 + np.abs(targets).max())


def test_beyond_the_top_nothing_moves_and_below_it_something_does() -> None:
    for seed in range(20):
        inputs, targets = drawn(seed, "plain")
        problem = posed(inputs, targets)
        holds = held_by(seed, inputs, kinds_of="ranges")
        top = lasso_top(problem, holds=holds)
        strengths = np.array([top * 2, top * (1 + 1e-9), top * 0.99])
        beyond, at, below = lasso_path(problem, strengths, holds=holds).weights["weight"]
        np.testing.assert_allclose(at, beyond, rtol=1e-12, atol=1e-15)
        assert (below != beyond).any() == (top > 0)


def test_ranges_are_those_of_scipy() -> None:
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(60, 6)) * [1, 10, 0.1, 1, 1, 1] + 3
    targets = inputs @ rng.normal(size=(6, 1)) + rng.normal(size=(60, 1))
    low, high = np.full(6, -0.3), np.full(6, 0.25)
    holds = Constraints(low=low, high=high)
    found = lasso_path(posed(inputs, targets), np.zeros(1), holds=holds).weights["weight"][0, :, 0]
    centred, middle = inputs - inputs.mean(axis=0), targets[:, 0] - targets.mean()
    known = optimize.lsq_linear(centred, middle, (low, high), method="bvls", tol=1e-15).x
    np.testing.assert_allclose(found, known, rtol=1e-11)


@DRAWN
@given(seed=seeds, kind=kinds)
def test_weights_never_jump(seed: int, kind: str) -> None:
    inputs, targets = drawn(seed, kind)
    problem, inside = posed(inputs, targets), standard(inputs)
    strengths = np.geomspace(1, 1e-4, 400) * lasso_top(problem)
    found = lasso_path(problem, strengths).weights["weight"][:, :, 0] * inputs.std(axis=0)
    size = np.abs(found).sum(axis=1)
    rises = np.diff(size)
    assert (rises >= -1e-10 * size[-1]).all()
    # Both ends being best bounds what lies between them: the curvature of the move is at most the
    # fall of the strength times the rise of the size.
    moved = (np.diff(found, axis=0) @ inside.T) ** 2
    bound = -np.diff(strengths) * rises
    assert (moved.mean(axis=1) <= bound + 1e-12 * strengths[0] ** 2).all()


@DRAWN
@given(seed=seeds, kind=kinds)
def test_a_walk_that_stops_early_finds_what_the_whole_one_does(seed: int, kind: str) -> None:
    inputs, targets = drawn(seed, kind)
    problem = posed(inputs, targets)
    strengths = np.array([0.3, 0.02, 0.7]) * lasso_top(problem)
    together = lasso_path(problem, np.append(strengths, 0.0)).weights["weight"]
    for number, strength in enumerate(strengths):
        alone = lasso_path(problem, np.array([strength]))
        assert alone.knots[0].strengths[-1] == strength
        largest = np.abs(together[number]).max(initial=0.0)
        # The same steps, but the last one is cut short in another place.
        np.testing.assert_allclose(
            alone.weights["weight"][0], together[number], atol=1e-12 * largest
        )


@DRAWN
@given(seed=seeds, kind=kinds, intercept=st.booleans())
def test_without_strength_the_weights_are_those_of_solve(
    seed: int, kind: str, intercept: bool
) -> None:
    inputs, targets = drawn(seed, kind)
    problem = posed(inputs, targets, intercept=intercept)
    path, known = lasso_path(problem, np.zeros(1)), solve(problem)
    for name, array in known.weights.items():
        size = 1e-9 * (np.abs(array).max() + 1)
        np.testing.assert_allclose(path.weights[name][0], array, rtol=1e-8, atol=size)
    # The walk itself ends there too: the same error, and of full rank the same weights.
    last = {"weight": path.knots[0].weight[-1][:, None]}
    if intercept:
        last["intercept"] = targets.mean(axis=0) - inputs.mean(axis=0) @ last["weight"]
    gap = problem.squared_error(last) - problem.squared_error(known.weights)
    assert np.abs(gap) <= 1e-9 * problem.targets
    if known.rank == inputs.shape[1]:
        size = 1e-8 * np.abs(known.weights["weight"]).max()
        np.testing.assert_allclose(last["weight"], known.weights["weight"], atol=size)


@DRAWN
@given(seed=seeds, kind=kinds, parts=st.integers(2, 5))
def test_merged_parts_give_the_path_of_the_whole(seed: int, kind: str, parts: int) -> None:
    inputs, targets = drawn(seed, kind)
    both, p = np.column_stack([inputs, targets]), inputs.shape[1]
    merged = total([Moments.of(both[part::parts]) for part in range(parts)])
    whole = posed(inputs, targets)
    strengths = np.array([0.01, 0.1, 0.6]) * lasso_top(whole)
    one = lasso_path(whole, strengths)
    other = lasso_path(LeastSquares.of(merged, range(p), [p]), strengths)
    # Of dependent inputs another may get the weight, so predictions are compared.
    size = 1e-8 * np.abs(targets).max()
    np.testing.assert_allclose(
        predictions(inputs, one.weights), predictions(inputs, other.weights), atol=size
    )


@DRAWN
@given(seed=seeds)
def test_a_weight_of_three_is_three_copies(seed: int) -> None:
    inputs, targets = drawn(seed, "plain")
    each = np.random.default_rng(seed).integers(0, 4, size=len(inputs))
    each[:3] = 1
    weighted = posed(inputs, targets, each.astype(float))
    copied = posed(np.repeat(inputs, each, axis=0), np.repeat(targets, each, axis=0))
    strengths = np.array([0.02, 0.4]) * lasso_top(copied)
    one, other = (lasso_path(problem, strengths).weights for problem in (weighted, copied))
    size = 1e-8 * np.abs(targets).max()
    np.testing.assert_allclose(predictions(inputs, one), predictions(inputs, other), atol=size)


# Settings.


@pytest.mark.parametrize("kind", ["plain", "mixed", "flags"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_signs_without_a_strength_are_those_of_nnls(kind: str, seed: int) -> None:
    inputs, targets = drawn(seed, kind)
    positive = np.full(inputs.shape[1], True)
    known, _ = optimize.nnls(standard(inputs), targets[:, 0] - targets.mean())
    expected = standard(inputs) @ known
    for settings_ in ({}, {"strength_of": np.zeros(len(positive))}):
        # Once as the end of a path, once with no strength on any.
        holds = replace(signs_of(positive), **settings_)
        found = lasso_path(posed(inputs, targets), np.zeros(1), holds=holds)
        w = found.weights["weight"][0, :, 0] * inputs.std(axis=0)
        assert (w >= 0).all()
        np.testing.assert_allclose(standard(inputs) @ w, expected, atol=1e-10)


@DRAWN
@given(seed=seeds, kind=st.sampled_from(["plain", "mixed", "flags"]))
def test_inputs_and_their_opposites_that_must_be_positive_are_inputs_of_any_sign(
    seed: int, kind: str
) -> None:
    inputs, targets = drawn(seed, kind)
    opposites = np.column_stack([inputs, -inputs])
    free, both = posed(inputs, targets), posed(opposites, targets)
    strengths = np.geomspace(1e-4, 0.9, 20) * lasso_top(free)
    positive = np.full(2 * inputs.shape[1], True)
    path = lasso_path(both, strengths, holds=signs_of(positive))
    assert violation(both, path.weights, strengths, holds=signs_of(positive)) <= BEST
    up, down = np.split(path.weights["weight"], 2, axis=1)
    assert not np.minimum(up, down).any()
    # Flags may be copies of each other, of which another may get the weight.
    found, known = (predictions(opposites, path.weights), lasso_path(free, strengths).weights)
    size = 1e-9 * np.abs(targets).max()
    np.testing.assert_allclose(found, predictions(inputs, known), atol=size)


@DRAWN
@given(seed=seeds)
def test_a_copy_steps_in_where_an_input_may_not_turn_negative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(30, 12)) @ rng.normal(size=(12, 12))
    targets = inputs[:, :1] + 5 * rng.normal(size=(30, 1))
    free, both = posed(inputs, targets), posed(np.hstack([inputs, inputs]), targets)
    strengths = np.geomspace(1e-4, 0.9, 20) * lasso_top(free)
    # The copy depends on the first one, until that one leaves.
    positive = np.arange(24) < 12
    path = lasso_path(both, strengths, holds=signs_of(positive))
    assert violation(both, path.weights, strengths, holds=signs_of(positive)) <= BEST
    found = predictions(np.hstack([inputs, inputs]), path.weights)
    known = predictions(inputs, lasso_path(free, strengths).weights)
    np.testing.assert_allclose(found, known, atol=1e-9 * np.abs(targets).max())


def test_an_input_that_must_be_positive_and_would_not_be_never_joins() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(20, 1))
    falling = posed(inputs, -2 * inputs)
    held = np.array([True])
    assert lasso_top(falling, holds=signs_of(held)) == 0
    assert lasso_top(falling) == pytest.approx(2 * inputs.std(), rel=1e-14)
    path = lasso_path(falling, np.array([0.0, 0.1]), holds=signs_of(held))
    assert not path.weights["weight"].any()
    assert len(path.knots[0].strengths) == 1


def test_inputs_without_a_strength_are_never_shrunk() -> None:
    inputs, targets = drawn(4, "plain")
    p = inputs.shape[1]
    kept = np.arange(p) < 2
    path = lasso_path(
        posed(inputs, targets),
        np.array([1e9, 0.1]),
        holds=Constraints(strength_of=np.where(kept, 0.0, 1.0)),
    )
    alone = solve(posed(inputs[:, kept], targets)).weights
    np.testing.assert_allclose(path.weights["weight"][0][kept], alone["weight"], rtol=1e-12)
    assert not path.weights["weight"][0][~kept].any()
    assert path.weights["weight"][1][~kept].any()


def test_twice_the_strength_of_an_input_is_half_the_input() -> None:
    # On an input of half the size its weight is twice as large, and so costs twice as much.
    rng = np.random.default_rng(8)
    inputs, targets = rng.normal(size=(50, 4)), rng.normal(size=(50, 1))
    twice, strength = np.array([1.0, 2.0, 1.0, 0.5]), np.array([0.05])
    found = lasso_path(
        posed(inputs, targets), strength, holds=Constraints(strength_of=twice)
    ).weights["weight"]
    inside = standard(inputs) / twice
    model = linear_model.Lasso(alpha=0.05, tol=1e-15, max_iter=100_000).fit(inside, targets[:, 0])
    expected = model.coef_ / twice / inputs.std(axis=0)
    np.testing.assert_allclose(found[0, :, 0], expected, atol=1e-8)


def test_constant_inputs_get_no_weight_and_change_nothing() -> None:
    inputs, targets = drawn(2, "plain")
    strengths = np.array([0.0, 0.05, 0.5])
    alone = lasso_path(posed(inputs, targets), strengths).weights
    beside = np.column_stack([inputs, np.full(len(inputs), 0.1), np.zeros(len(inputs))])
    found = lasso_path(posed(beside, targets), strengths).weights
    assert not found["weight"][:, -2:].any()
    np.testing.assert_allclose(found["weight"][:, :-2], alone["weight"], rtol=1e-12, atol=1e-14)


def test_outputs_are_solved_one_by_one() -> None:
    inputs, targets = drawn(4, "mixed")
    both = np.column_stack([targets, targets**2, -3 * targets])
    strengths = np.array([0.0, 0.1, 0.4])
    together = lasso_path(posed(inputs, both), strengths)
    for output in range(3):
        alone = lasso_path(posed(inputs, both[:, [output]]), strengths)
        found = together.weights["weight"][:, :, [output]]
        np.testing.assert_allclose(found, alone.weights["weight"], rtol=1e-9, atol=1e-12)
        assert len(together.knots[output].strengths) == len(alone.knots[0].strengths)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_columns_of_extreme_size_have_the_path_of_plain_ones(size: float) -> None:
    rng = np.random.default_rng(3)
    inputs, targets = rng.normal(size=(30, 3)), rng.normal(size=(30, 1))
    plain = lasso_path(posed(inputs, targets), np.array([0.05])).weights["weight"]
    found = lasso_path(posed(inputs * [1, size, 1], targets), np.array([0.05])).weights["weight"]
    np.testing.assert_allclose(found[0] * [[1], [size], [1]], plain[0], rtol=1e-12)
    # Strengths are in the target's units.
    found = lasso_path(posed(inputs, targets * size), np.array([0.05 * size])).weights["weight"]
    np.testing.assert_allclose(found / size, plain, rtol=1e-12)


def test_no_inputs_and_constant_targets_leave_the_mean() -> None:
    inputs, targets = drawn(1, "plain")
    none = lasso_path(posed(inputs[:, :0], targets), np.array([0.0, 1.0]))
    assert none.weights["weight"].shape == (2, 0, 1)
    np.testing.assert_allclose(none.weights["intercept"], targets.mean(), rtol=1e-14)
    still = posed(inputs, np.full_like(targets, 7.0))
    assert lasso_top(still) == 0
    path = lasso_path(still, np.array([0.0, 1.0]))
    assert not path.weights["weight"].any()
    assert (path.weights["intercept"] == 7).all()


@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9])
@pytest.mark.parametrize("seed", range(8))
def test_nearly_dependent_inputs_are_solved(apart: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain = rng.normal(size=(50, 25))
    targets = plain[:, :3].sum(axis=1, keepdims=True) + rng.normal(size=(50, 1))
    inputs = np.column_stack([plain, plain + apart * rng.normal(size=plain.shape)])
    problem = posed(inputs, targets)
    # Strengths in use: what is not explained, squared, is above the rounding of the moments, or
    # its root is what the weights can be wrong by.
    strengths = np.geomspace(1e-4, 1, 50) * lasso_top(problem)
    path = lasso_path(problem, strengths)
    assert np.isfinite(path.weights["weight"]).all()
    assert violation(problem, path.weights, strengths) <= (1e-9 if apart > 1e-7 else 1e-7)


def test_too_few_digits_for_a_strength_are_said_and_a_ridge_mends_it() -> None:
    refused = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        plain = rng.normal(size=(50, 25))
        targets = plain[:, :3].sum(axis=1, keepdims=True) + rng.normal(size=(50, 1))
        inputs = np.column_stack([plain, plain + 2e-7 * rng.normal(size=plain.shape)])
        problem = posed(inputs, targets)
        # A strength below all use, and inputs alike to all but a rounding of their squares.
        strength = np.array([1e-10]) * lasso_top(problem)
        try:
            found = lasso_path(problem, strength)
        except LearningError as error:
            assert "add a ridge, such as 1e-6" in str(error)  # noqa: PT017
            refused += 1
        else:
            assert violation(problem, found.weights, strength) <= 1e-5
        mended = lasso_path(problem, strength, holds=Constraints(ridge=1e-6))
        assert violation(problem, mended.weights, strength, holds=Constraints(ridge=1e-6)) <= 1e-9
    assert 0 < refused < 40


# How far from the best.


def test_violation_is_what_a_proximal_step_would_move() -> None:
    inputs = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    problem = posed(inputs, 2 * inputs + 5)
    for weight, expected in [(1.5, 0.0), (1.6, 0.1), (1.0, 0.5), (0.0, 1.5), (-1.0, 2.5)]:
        found = violation(problem, {"weight": np.array([[weight]])}, 0.5)
        # Relative to the slope, 2.
        assert found == pytest.approx(expected / 2, abs=1e-15)
    wrong = {"weight": np.array([[-0.25]])}
    assert (
        violation(posed(inputs, -2 * inputs), wrong, 0.5, holds=signs_of(np.array([True]))) == 0.125
    )
    assert (
        violation(problem, {"weight": np.array([[1.5 / 2]])}, 0.5, holds=Constraints(ridge=1.0))
        < 1e-15
    )
    assert (
        violation(
            problem, {"weight": np.array([[2.0]])}, 0.5, holds=Constraints(strength_of=np.zeros(1))
        )
        < 1e-15
    )
    assert np.isnan(violation(problem, {"weight": np.array([[np.nan]])}, 0.5))


# Cross-validation.


def in_folds(seed: int, *, p: int = 6, k: int = 2) -> tuple[Array, Array, Array, list[Moments]]:
    rng = np.random.default_rng(seed)
    inputs = (rng.normal(size=(70, p)) + rng.normal(size=p)) * 10.0 ** rng.integers(-4, 5, size=p)
    targets = (inputs / inputs.std(axis=0))[:, :2] @ rng.normal(size=(2, k))
    targets = targets + rng.normal(size=(70, k))
    fold = rng.integers(0, 4, size=70)
    both = np.column_stack([inputs, targets])
    return inputs, targets, fold, [Moments.of(both[fold == one]) for one in range(4)]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_cross_validation_is_the_loop_over_folds_written_out(intercept: bool, ridge: float) -> None:
    inputs, targets, fold, folds = in_folds(0)
    asked = LinearProblem(range(6), [6, 7], intercept, {}, None)
    strengths = np.array([0.5, 0.01, 0.1])
    found = lasso_cv(
        [*folds, Moments.none(8)], asked, strengths=strengths, holds=Constraints(ridge=ridge)
    )
    assert found.rows[:, 0].tolist() == [float((fold == one).sum()) for one in range(4)]
    for one in range(4):
        learnt, held = fold != one, fold == one
        middle = inputs[learnt].mean(axis=0) if intercept else np.zeros(6)
        spread = np.sqrt(((inputs[learnt] - middle) ** 2).mean(axis=0))
        inside = (inputs - middle) / spread
        np.testing.assert_array_equal(
            found.guessing[one],
            guessing_error(folds[one], total(folds[:one] + folds[one + 1 :]), [6, 7]),
        )
        for number, strength in enumerate(strengths):
            for output in range(2):
                model = linear_model.ElasticNet(
                    alpha=strength + ridge,
                    l1_ratio=strength / (strength + ridge),
                    fit_intercept=intercept,
                    tol=1e-14,
                    max_iter=100_000,
                ).fit(inside[learnt], targets[learnt, output])
                error = ((model.predict(inside[held]) - targets[held, output]) ** 2).sum()
                assert found.errors[number, one, output] == pytest.approx(error, rel=1e-7)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_without_strength_cross_validation_is_that_of_ridge(ridge: float) -> None:
    *_, folds = in_folds(1)
    asked = LinearProblem(range(6), [6, 7], True, {}, None)
    found = lasso_cv(folds, asked, strengths=np.zeros(1), holds=Constraints(ridge=ridge))
    known = ridge_path(folds, asked, strengths=np.array([ridge]))
    # The same sums, for one strength more or less at a time.
    np.testing.assert_allclose(found.errors, known.errors, rtol=1e-13)
    np.testing.assert_array_equal(found.guessing, known.guessing)


def test_strengths_run_from_none_to_the_one_that_leaves_nothing() -> None:
    *_, folds = in_folds(2)
    asked = LinearProblem(range(6), [6, 7], True, {}, None)
    found = lasso_cv(folds, asked)
    top = lasso_top(asked.of(total(folds)))
    assert found.lasso[0] == 0
    assert len(found.lasso) == 101
    np.testing.assert_allclose(found.lasso[[1, -1]], [top * 1e-3, top], rtol=1e-12)
    nothing = lasso_path(asked.of(total(folds)), np.array([top])).weights["weight"]
    assert not nothing.any()
    assert lasso_path(asked.of(total(folds)), np.array([top * 0.999])).weights["weight"].any()


def test_lasso_earns_its_place_among_many_inputs_that_say_nothing() -> None:
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(80, 40))
    targets = inputs[:, :2].sum(axis=1, keepdims=True) + rng.normal(size=(80, 1))
    folds = [Moments.of(np.column_stack([inputs, targets])[one::5]) for one in range(5)]
    asked = LinearProblem(range(40), [40], True, {}, None)
    path = lasso_cv(folds, asked)
    best = path.chosen()
    assert 0 < path.lasso[best] < path.lasso[-1]
    weight = lasso_path(asked.of(total(folds)), path.lasso[[best]]).weights["weight"][0, :, 0]
    assert np.argsort(-np.abs(weight))[:2].tolist() in ([0, 1], [1, 0])
    assert (weight == 0).sum() > 10


def test_lasso_has_no_place_where_every_input_counts() -> None:
    rng = np.random.default_rng(6)
    inputs = rng.normal(size=(500, 4))
    targets = inputs.sum(axis=1, keepdims=True) + 0.1 * rng.normal(size=(500, 1))
    folds = [Moments.of(np.column_stack([inputs, targets])[one::5]) for one in range(5)]
    assert lasso_cv(folds, LinearProblem(range(4), [4], True, {}, None)).chosen() == 0


def test_frozen_weights_stay_and_the_others_learn_beside_them() -> None:
    inputs, targets, fold, folds = in_folds(7)
    held = np.arange(6) == 1
    start: Weights = {
        "weight": np.where(held[:, None], 0.3 / inputs.std(axis=0)[:, None], 0.0) * np.ones((6, 2)),
        "intercept": np.zeros(2),
    }
    frozen = {"weight": held[:, None] & np.ones((6, 2), bool), "intercept": np.zeros(2, bool)}
    asked = LinearProblem(range(6), [6, 7], True, start, frozen)
    positive = np.array([False, True, True, False, False, False])
    found = lasso_cv(folds, asked, strengths=np.array([0.0, 0.05]), holds=signs_of(positive))
    # The frozen input's part is taken from the targets, and the input from the table.
    offset = inputs[:, held] @ start["weight"][held]
    rest = np.column_stack([inputs[:, ~held], targets - offset])
    known = lasso_cv(
        [Moments.of(rest[fold == one]) for one in range(4)],
        LinearProblem(range(5), [5, 6], True, {}, None),
        strengths=np.array([0.0, 0.05]),
        holds=signs_of(positive[~held]),
    )
    np.testing.assert_allclose(found.errors, known.errors, rtol=1e-9)


# Refused.


@pytest.mark.parametrize(
    ("strengths", "held", "says"),
    [
        ([-1.0], {}, "lasso is -1: it must be a finite number, 0 or more"),
        ([0.1, np.nan], {}, "lasso is nan"),
        ([np.inf], {}, "lasso is inf"),
        ([], {}, r"lasso has shape \(0,\): give a list"),
        ([[0.1]], {}, r"lasso has shape \(1, 1\): give a list"),
        (["much"], {}, "lasso is nan"),
        ([0.1], {"ridge": -0.5}, "ridge is -0.5"),
        ([0.1], {"ridge": np.nan}, "ridge is nan"),
        ([0.1], {"ridge": "auto"}, "ridge is nan"),
        ([0.1], {"strength_of": np.ones(2)}, "strength_of has 2 values for 3 inputs"),
        ([0.1], {"strength_of": -np.ones(3)}, "strength_of is -1"),
        ([0.1], {"fixed": [0.0, np.inf, 0.0]}, "fixed is inf"),
        ([0.1], {"low": np.zeros(4)}, "low has 4 values for 3 inputs"),
        ([0.1], {"low": np.ones(3), "high": np.zeros(3)}, "low is above high"),
        ([0.1], {"low": np.array([0, np.nan, 0])}, "low is above high"),
    ],
)
def test_settings_that_mean_nothing_are_refused_in_one_line(
    strengths: list, held: dict, says: str
) -> None:
    rng = np.random.default_rng(0)
    problem = posed(rng.normal(size=(20, 3)), rng.normal(size=(20, 1)))
    with pytest.raises(LearningError, match=says) as caught:
        lasso_path(problem, strengths, holds=Constraints(**held))
    assert "\n" not in str(caught.value)


def test_moments_that_are_not_finite_are_refused() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 3))
    moments = Moments.of(rows)
    moments.cross[0, 1] = moments.cross[1, 0] = np.nan
    with pytest.raises(ValueRefusedError, match="not finite"):
        lasso_path(LeastSquares.of(moments, [0, 1], [2]), np.array([0.1]))


@pytest.mark.parametrize("parts", [[], [0]])
def test_fewer_than_two_folds_hold_nothing_out(parts: list[int]) -> None:
    *_, folds = in_folds(0)
    asked = LinearProblem(range(6), [6, 7], True, {}, None)
    with pytest.raises(LearningError, match="takes at least 2"):
        lasso_cv([folds[part] for part in parts] + [Moments.none(8)], asked)
