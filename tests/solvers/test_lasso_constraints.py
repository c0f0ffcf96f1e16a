"""The lasso path beside signs, ranges and strengths by input, and on extreme columns."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from sklearn import linear_model

from deltarule.errors import LearningError
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
