"""L-BFGS with the inputs' products as its first Hessian: the same optimum in fewer steps."""

from dataclasses import replace

import numpy as np
import pytest

from deltarule.engines.in_memory import Rows
from deltarule.losses.softmax import Softmax
from deltarule.moments.linear_model import BlockLinear
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.rule.train import train
from deltarule.solvers.lbfgs import Lbfgs, Metric
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Penalised, Ridge

P, K = 12, 4


def problem() -> tuple[Penalised, Weights, Array]:
    """Correlated inputs of classes, a start, and the average Hessian of an output at the start."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)) @ rng.normal(size=(3, P)) + 0.2 * rng.normal(size=(400, P))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    scores = x @ rng.normal(size=(P, K)) + rng.gumbel(size=(400, K))
    targets = np.asfortranarray(scores.argmax(axis=1)[:, None] == np.arange(K), dtype=float)
    rows = Rows(BlockLinear(), Softmax(), x, targets)
    start = {"weight": np.zeros((P, K)), "intercept": np.zeros(K)}
    hessian = np.eye(P + 1)
    hessian[:P, :P] = x.T @ x / len(x)
    return Penalised(rows, Ridge(np.full(P, 1e-3))), start, hessian * (K - 1) / K**2


def ended(learner: Lbfgs | Newton, frozen: dict[str, Mask] | None = None) -> tuple[int, Weights]:
    objective, start, _ = problem()
    *_, last = train(start, objective, learner, steps=500, tolerance=1e-9, frozen=frozen)
    assert last.stopped is not None
    assert last.stopped.reason == "settled"
    return last.number, last.weights


def test_a_metric_saves_steps_and_ends_at_the_same_weights() -> None:
    metric = Metric.of(problem()[2], intercept=True)
    plain, measured = ended(Lbfgs()), ended(Lbfgs(metric=metric))
    assert measured[0] < 0.7 * plain[0]
    newton = ended(Newton())[1]
    for name, array in newton.items():
        # A gradient of 1e-9 of the first one, over a ridge of 1e-3.
        assert measured[1][name] == pytest.approx(array, abs=1e-5)


def test_frozen_weights_stay_and_the_others_end_at_their_optimum() -> None:
    frozen = {"weight": np.zeros((P, K), dtype=bool), "intercept": np.zeros(K, dtype=bool)}
    frozen["weight"][2] = True
    metric = Metric.of(problem()[2], intercept=True)
    measured, newton = ended(Lbfgs(metric=metric), frozen)[1], ended(Newton(), frozen)[1]
    assert not measured["weight"][2].any()
    assert measured["weight"] == pytest.approx(newton["weight"], abs=1e-5)


def test_the_metric_is_the_inverse_of_a_hessian_that_is_shrunk() -> None:
    hessian = problem()[2]
    vector = np.random.default_rng(1).normal(size=((P + 1) * K))
    metric = Metric.of(hessian, intercept=True)
    shrunk = hessian + np.eye(P + 1) * 0.3 * np.trace(hessian) / (P + 1)
    expected = np.linalg.solve(shrunk, vector.reshape(-1, K)).ravel()
    assert metric(vector) == pytest.approx(expected, rel=1e-9)


def test_a_ridge_holds_all_but_the_intercept() -> None:
    hessian = problem()[2]
    hessian[-1, :-1] = hessian[:-1, -1] = 0.0
    vector = np.random.default_rng(1).normal(size=(P + 1) * K)
    metric = replace(Metric.of(hessian, intercept=True), ridge=7.0)
    shrunk = hessian + np.eye(P + 1) * 0.3 * np.trace(hessian) / (P + 1)
    shrunk += np.diag([7.0] * P + [0.0])
    expected = np.linalg.solve(shrunk, vector.reshape(-1, K)).ravel()
    # Eigenvectors of inputs mix, and all are held alike: rounding alone.
    assert metric(np.stack([vector, 2 * vector]))[1] == pytest.approx(2 * expected, rel=1e-9)
