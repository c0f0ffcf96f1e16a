"""How fast descent comes near, against descent itself taken step by step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from deltarule.engines.in_memory import Rows
from deltarule.losses.glm import Squared
from deltarule.moments.stacked import stack
from deltarule.rule.learn import Descent
from deltarule.rule.predict import Array, Linear
from deltarule.rule.train import train
from deltarule.solvers.convergence_rate import ConvergenceRate


def problem(
    seed: int, p: int = 3, k: int = 1, scale: float = 3.0
) -> tuple[Rows, ConvergenceRate, Array]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(40, p)) * np.geomspace(1, scale, p)
    targets = inputs @ rng.normal(size=(p, k)) + rng.normal(size=(40, k))
    rows = Rows(Linear(intercept=False), Squared(), inputs, targets)
    best = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    return rows, ConvergenceRate.of(inputs / np.sqrt(40), -best), best


def taken(rows: Rows, best: Array, alpha: float, left: float) -> int:
    """The steps that descent itself takes until this share of the excess loss is left."""
    start = {"weight": np.zeros(best.shape)}
    least = rows({"weight": best}).average().loss
    whole = rows(start).average().loss - least
    for step in train(start, rows, Descent(alpha), steps=100_000, tolerance=0):
        if step.comparison.loss - least <= left * whole:
            return step.number - 1
    raise AssertionError("it never came there")


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 0.99))
def test_the_steps_are_those_that_descent_takes(seed: int, share: float) -> None:
    rows, pace, best = problem(seed)
    alpha = share * pace.alphas.limit
    for left in (0.5, 0.01, 1e-5):
        assert pace.steps(alpha, left) == taken(rows, best, alpha, left)


@given(seed=st.integers(0, 2**32 - 1), step=st.integers(0, 60))
def test_what_is_left_after_a_step_is_what_descent_leaves(seed: int, step: int) -> None:
    rows, pace, best = problem(seed)
    alpha = 0.7 * pace.alphas.limit
    weights = {"weight": np.zeros(best.shape)}
    for one in train(weights, rows, Descent(alpha), steps=step or 1, tolerance=0):
        weights = dict(one.weights)
    if step == 0:
        weights = {"weight": np.zeros(best.shape)}
    least = rows({"weight": best}).average().loss
    whole = rows({"weight": np.zeros(best.shape)}).average().loss - least
    found = (rows(weights).average().loss - least) / whole
    # The loss itself rounds at some 1e-16 of it.
    assert pace.left(alpha, step) == pytest.approx(found, rel=1e-7, abs=1e-12)


def test_at_the_limit_and_beyond_it_never_comes_there() -> None:
    _, pace, _ = problem(0)
    assert pace.steps(pace.alphas.limit * 1.0001, 0.01) is None
    assert pace.steps(pace.alphas.limit * 0.999, 0.01) is not None


def test_one_direction_is_learnt_in_a_step() -> None:
    pace = ConvergenceRate.of(np.array([[2.0]]), np.array([[-3.0]]))
    assert pace.alphas.fastest == 0.25
    assert pace.steps(0.25, 1e-6) == 1
    assert pace.steps(0.25, 1.0) == 0
    assert pace.left(0.25, 1) == 0


def test_a_start_that_is_best_needs_no_step() -> None:
    _, pace, _ = problem(1)
    there = ConvergenceRate(pace.values, 0 * pace.excess, pace.weights)
    assert there.steps(0.1, 1e-6) == 0


def test_the_slowest_output_decides() -> None:
    _, both, _ = problem(2, k=2)
    parts = [ConvergenceRate(both.values, both.excess[:, [at]], both.weights) for at in range(2)]
    alpha = 0.3 * both.alphas.limit
    assert both.steps(alpha, 0.01) == max(part.steps(alpha, 0.01) or 0 for part in parts)


def test_directions_that_are_rounding_do_not_count() -> None:
    x = np.random.default_rng(3).normal(size=30)
    root = np.column_stack([x, x]) / np.sqrt(30)
    pace = ConvergenceRate.of(root, np.array([[-1.0], [-1.0]]), zeros=1)
    assert len(pace.values) == 1
    assert pace.steps(pace.alphas.fastest, 1e-6) == 1


def test_slow_directions_keep_their_digits() -> None:
    # Curvatures of 1 and 1e-14: after t steps the slow one is exp(-2 alpha 1e-14 t).
    pace = ConvergenceRate.of(np.diag([1.0, 1e-7]), np.array([[0.0], [1.0]]))
    found = pace.steps(1.0, 0.01)
    assert found == pytest.approx(np.log(100) / 2e-14, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_no_alpha_tried_is_sooner_than_the_soonest(seed: int) -> None:
    _, pace, _ = problem(seed, scale=30.0)
    best = pace.steps(pace.soonest(0.01), 0.01)
    assert best is not None
    for share in np.linspace(0.01, 0.999, 97):
        other = pace.steps(share * pace.alphas.limit, 0.01)
        # The grid it looks at is finer than 6%.
        assert other is None or best <= 1.06 * other + 1


def test_outputs_with_a_curvature_each_are_joined() -> None:
    paces = [problem(seed)[1] for seed in (5, 6)]
    both = ConvergenceRate.joined(paces)
    assert both.alphas.limit == min(pace.alphas.limit for pace in paces)
    assert (np.diff(both.values) <= 0).all()
    alpha = 0.4 * both.alphas.limit
    assert both.steps(alpha, 0.01) == max(pace.steps(alpha, 0.01) or 0 for pace in paces)


def test_the_makers_of_a_direction_are_its_eigenvector() -> None:
    rows, pace, _ = problem(7)
    _, vectors = linalg.eigh(rows.inputs.T @ rows.inputs)
    np.testing.assert_allclose(pace.weights[:, 0] ** 2, vectors[:, -1] ** 2, rtol=1e-9)
    assert stack({"weight": pace.weights}).shape == (3, 3)
