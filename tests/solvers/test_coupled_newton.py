"""Newton steps and L-BFGS for classes, whose Hessian is singular by their common shift."""

import numpy as np
import pytest

from deltarule.engines.in_memory import Rows
from deltarule.losses.softmax import Softmax
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.stacked import stack
from deltarule.rule.train import train
from deltarule.solvers import newton
from deltarule.solvers.lbfgs import Lbfgs, Recent
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Penalised, Ridge

N, P, K = 900, 6, 5
RNG = np.random.default_rng(4)
INPUTS = np.asfortranarray(RNG.normal(size=(N, P)))
SCORES = INPUTS @ RNG.normal(size=(P, K))
TARGETS = np.eye(K)[(SCORES + RNG.gumbel(size=(N, K))).argmax(axis=1)]
MODEL = BlockLinear()
ROWS = Rows(MODEL, Softmax(), INPUTS, TARGETS)
START = {"weight": np.zeros((P, K)), "intercept": np.zeros(K)}


@pytest.mark.parametrize("intercept", [True, False])
def test_the_hessian_of_classes_is_that_of_each_pair(intercept: bool) -> None:
    slope = Softmax().hessian(SCORES)
    every = np.column_stack([INPUTS, np.ones(N)]) if intercept else INPUTS
    q = every.shape[1]
    known = np.einsum("ni,nab,nj->aibj", every, slope, every).reshape(K * q, K * q)
    found = BlockLinear(intercept=intercept).hessian(INPUTS, slope)
    np.testing.assert_allclose(found[0], known, rtol=1e-11, atol=1e-9)


def test_the_parts_of_softmax_are_those_computed_apart() -> None:
    loss = Softmax()
    shares = RNG.dirichlet(np.ones(K), size=N)
    for scores in (SCORES, 1e4 * SCORES):
        parts = loss.parts(scores, shares)
        np.testing.assert_allclose(parts.value, loss.value(scores, shares), rtol=1e-12)
        np.testing.assert_allclose(parts.delta, loss.delta(scores, shares), atol=1e-14)
        np.testing.assert_allclose(parts.hessian, loss.hessian(scores), atol=1e-14)


@pytest.mark.parametrize("ridge", [0.0, 1e-3])
def test_a_step_is_that_of_the_pseudoinverse(ridge: float, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = Penalised(ROWS, Ridge(np.full(1, ridge)))
    weights = {"weight": RNG.normal(size=(P, K)) / 9, "intercept": np.zeros(K)}
    weights["weight"] -= weights["weight"].mean(axis=1, keepdims=True)
    compared = objective(weights, hessian=True).average()
    assert compared.hessian is not None
    g = stack(compared.weight_delta)
    known = (np.linalg.pinv(compared.hessian[0], rcond=1e-12) @ g.T.ravel()).reshape(K, -1).T

    def refused(matrix: object) -> object:
        raise AssertionError("eigenvectors take fifty times as long")

    monkeypatch.setattr(newton.np.linalg, "eigh", refused)
    direction = stack(Newton().step(weights, compared, None)[1].direction)
    np.testing.assert_allclose(direction, known, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(direction.sum(axis=1), 0, atol=1e-12)


def test_lbfgs_ends_where_newton_does() -> None:
    objective = Penalised(ROWS, Ridge(np.full(1, 0.01)))
    frozen = {"weight": np.zeros((P, K), dtype=bool), "intercept": np.zeros(K, dtype=bool)}
    frozen["weight"][2] = True
    weights, state = START, None
    for _ in range(12):
        compared = objective(weights, hessian=True).freeze(frozen).average()
        weights, state = Newton().step(weights, compared, state)
    steps = list(train(START, objective, Lbfgs(), tolerance=1e-9, frozen=frozen))
    found = steps[-1].weights
    assert steps[-1].stopped is not None
    assert steps[-1].stopped.reason == "settled"
    np.testing.assert_allclose(found["weight"], weights["weight"], atol=1e-6)
    assert (found["weight"][2] == 0).all()
    assert np.abs(found["weight"]).max() > 0.1


def test_lbfgs_begins_with_what_other_steps_say_of_the_hessian() -> None:
    recent = Recent()
    for step in train(START, ROWS, Lbfgs(), tolerance=1e-6):
        recent.add(step.before, step.comparison.weight_delta)
    ridge = Ridge(np.full(1, 0.01))
    held = np.repeat(ridge.hessian(START), K)

    def count(learner: Lbfgs) -> int:
        start = step.weights
        return len(list(train(start, Penalised(ROWS, ridge), learner, tolerance=1e-6)))

    assert count(Lbfgs(recent.pairs(held))) < count(Lbfgs())
    # A pair's change is that of the gradient with the ridge.
    pair = recent.pairs(held)[-1]
    (x, g), (y, h) = list(recent.points)[-2:]
    np.testing.assert_allclose(pair.change, h - g + held * (y - x), rtol=1e-12)


def test_the_sum_of_softmax_curvature_of_weighted_rows() -> None:
    weight = RNG.integers(0, 4, size=N).astype(float)
    slope = Softmax().hessian(SCORES)
    many = np.repeat(np.arange(N), weight.astype(int))
    found = MODEL.hessian(INPUTS, slope * weight[:, None, None])
    np.testing.assert_allclose(found, MODEL.hessian(INPUTS[many], slope[many]), atol=1e-9)
