"""Lasso paths against published knots, scikit-learn, closed forms and their own optimality."""

import csv
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from sklearn import linear_model

from deltarule.errors import LearningError, ValueRefusedError
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.rule.predict import Array
from deltarule.solvers.constraints import Constraints
from deltarule.solvers.lasso_path import lasso_path, lasso_top, violation
from deltarule.solvers.least_squares import solve
from tests.solvers.lasso_cases import (
    BEST,
    DRAWN,
    drawn,
    posed,
    predictions,
    seeds,
    signs_of,
    standard,
)

DATA = Path(__file__).resolve().parents[1] / "data" / "diabetes"


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
