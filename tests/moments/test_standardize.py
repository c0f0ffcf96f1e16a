"""Standardised inputs against the standardised rows themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from deltarule.engines.in_memory import Rows
from deltarule.losses.glm import Squared
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.moments.stacked import stack, unstack
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Array, Linear, Weights

DRAWN = settings(deadline=None, derandomize=True, max_examples=50)
seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, *, intercept: bool) -> tuple[Array, Array, LeastSquares, Weights]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(30, 3)) * [1e-3, 1.0, 1e4] + [1.0, -5.0, 1e4]
    targets = rng.normal(size=(30, 2))
    weights: dict[str, Array] = {"weight": rng.normal(size=(3, 2)) / [[1e-3], [1.0], [1e4]]}
    if intercept:
        weights["intercept"] = rng.normal(size=2)
    moments = Moments.of(np.column_stack([inputs, targets]))
    return (
        inputs,
        targets,
        LeastSquares.of(moments, range(3), [3, 4], intercept=intercept),
        weights,
    )


@DRAWN
@given(seed=seeds, intercept=st.booleans(), centre=st.booleans())
def test_there_and_back_again(seed: int, intercept: bool, centre: bool) -> None:
    _, _, problem, weights = drawn(seed, intercept=intercept)
    standard = Standardization.of(problem, centre=centre)
    for there, back in ((standard.into, standard.out), (standard.out, standard.into)):
        again = back(there(weights))
        np.testing.assert_allclose(again["weight"], weights["weight"], rtol=1e-15 * 4)
        if intercept:
            # The shift is mean by weight, at most some 1e3 here times 1e4 out of units.
            shift = np.abs(there(weights)["intercept"]).max() + 1
            np.testing.assert_allclose(again["intercept"], weights["intercept"], atol=1e-15 * shift)


@DRAWN
@given(seed=seeds, intercept=st.booleans(), centre=st.booleans())
def test_both_units_give_the_same_scores(seed: int, intercept: bool, centre: bool) -> None:
    inputs, _, problem, weights = drawn(seed, intercept=intercept)
    standard, model = Standardization.of(problem, centre=centre), Linear(intercept=intercept)
    there = model.predict(standard.into(weights), standard.inputs(inputs))
    # Terms of up to some thousands, summed the other way round.
    size = 1 + np.abs(inputs).max(axis=0) @ np.abs(weights["weight"]).max(axis=1)
    np.testing.assert_allclose(there, model.predict(weights, inputs), rtol=0, atol=4e-15 * size)


def test_standard_rows_are_scikit_learns() -> None:
    inputs, _, problem, _ = drawn(4, intercept=True)
    known = StandardScaler().fit_transform(inputs)
    # Centring 1.0 against a spread of 1e-3 leaves 13 digits.
    np.testing.assert_allclose(Standardization.of(problem).inputs(inputs), known, atol=1e-12)


def test_without_intercept_only_the_units_change() -> None:
    inputs, _, problem, _ = drawn(4, intercept=False)
    known = inputs / np.sqrt((inputs**2).mean(axis=0))
    np.testing.assert_allclose(Standardization.of(problem).inputs(inputs), known, rtol=1e-14)


@DRAWN
@given(seed=seeds, intercept=st.booleans(), centre=st.booleans())
def test_the_standard_problem_is_that_of_the_standard_rows(
    seed: int, intercept: bool, centre: bool
) -> None:
    inputs, targets, problem, weights = drawn(seed, intercept=intercept)
    standard = Standardization.of(problem, centre=centre)
    at = standard.into(weights)
    rows = Rows(Linear(intercept=intercept), Squared(), standard.inputs(inputs), targets)
    said, known = standard.problem(problem)(at, hessian=True), rows(at, hessian=True)
    # Uncentred, a column of 1.0 with spread 1e-3 stands 1000 spreads out: squares of 1e6 cancel.
    wide = 1e-9 * (1 + np.abs(stack(known.weight_delta)).max())
    assert said.loss == pytest.approx(known.loss, rel=1e-9)
    np.testing.assert_allclose(stack(said.weight_delta), stack(known.weight_delta), atol=wide)
    assert said.hessian is not None
    assert known.hessian is not None
    size = np.abs(known.hessian).max()
    np.testing.assert_allclose(said.hessian, known.hessian, atol=1e-11 * size)


def test_a_constant_input_keeps_its_unit() -> None:
    table = np.column_stack([np.full(10, 7.0), np.arange(10.0), np.arange(10.0)])
    problem = LeastSquares.of(Moments.of(table), [0, 1], [2])
    assert Standardization.of(problem).spread[0] == 1.0


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("centre", [True, False])
def test_the_jacobian_is_how_own_weights_change_with_standard_ones(
    intercept: bool, centre: bool
) -> None:
    _, _, problem, weights = drawn(9, intercept=intercept)
    standard = Standardization.of(problem, centre=centre)
    at = standard.into(weights)
    flat = stack(at)[:, :1]
    like = {name: array[..., :1] for name, array in at.items()}
    jacobian = standard.jacobian(intercept=intercept)
    for row in range(len(flat)):
        nudge = np.zeros_like(flat)
        nudge[row] = 1.0
        # `out` is linear, so the whole difference is the derivative, but for rounding.
        change = stack(standard.out(unstack(flat + nudge, like))) - stack(
            standard.out(unstack(flat, like))
        )
        size = np.abs(stack(standard.out(unstack(flat, like)))).max() + 1000
        np.testing.assert_allclose(jacobian[:, row], change[:, 0], rtol=0, atol=1e-14 * size)
