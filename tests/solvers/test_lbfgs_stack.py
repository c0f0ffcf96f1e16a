"""L-BFGS of several fits at once, against the optimum that Newton's method finds for each."""

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from deltarule.engines.in_memory import Rows
from deltarule.losses.softmax import Softmax
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.rule.train import train
from deltarule.solvers.lbfgs import Lbfgs, Metric, Recent
from deltarule.solvers.lbfgs_stack import LbfgsStack, directions, stacked_pair
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Penalised, Ridge

FITS, P, K = 3, 6, 4
START = {"weight": np.zeros((P, K)), "intercept": np.zeros(K)}


def objectives() -> list[Penalised]:
    """Classes of different rows, and a ridge."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(FITS):
        x = rng.normal(size=(200, P)) * np.arange(1, P + 1)
        scores = x @ rng.normal(size=(P, K)) / P + rng.gumbel(size=(200, K))
        targets = np.asfortranarray(scores.argmax(axis=1)[:, None] == np.arange(K), dtype=float)
        rows = Rows(BlockLinear(), Softmax(), x, targets)
        found.append(Penalised(rows, Ridge(np.full(P, 1e-2))))
    return found


def gradients(
    weights: Array, fits: NDArray[np.intp], frozen: Mask | None = None
) -> tuple[Array, Array]:
    """The losses and gradients of some fits, one by one."""
    every = objectives()
    shape = stack(START).shape
    told = [
        every[fit](unstack(flat.reshape(shape), START)).average()
        for fit, flat in zip(fits, weights, strict=True)
    ]
    slopes = np.array([stack(one.weight_delta).ravel() for one in told])
    if frozen is not None:
        slopes[:, frozen] = 0.0
    return np.array([one.loss for one in told]), slopes


def optimum(objective: Penalised) -> Weights:
    *_, last = train(START, objective, Newton(), tolerance=1e-12)
    return last.weights


def test_each_fit_ends_at_its_own_optimum() -> None:
    start = np.tile(stack(START).ravel(), (FITS, 1))
    # So far off that its steps are shortened, and those of the others are not.
    start[1, : P * K] = np.random.default_rng(1).normal(size=P * K) * 5
    found = LbfgsStack(gradients, steep=np.full(FITS, np.nan), tolerance=1e-9).run(start)
    assert found.settled.all()
    for flat, objective in zip(found.weights, objectives(), strict=True):
        # A gradient of 1e-9 of the first one, over a ridge of 1e-2.
        assert flat == pytest.approx(stack(optimum(objective)).ravel(), abs=1e-6)


def test_a_fit_alone_takes_the_steps_of_the_learner() -> None:
    # Rounding grows with the steps: no more than the pairs that are kept.
    steps = list(train(START, objectives()[0], Lbfgs(), tolerance=1e-2))
    points: list[Array] = []

    def noted(weights: Array, fits: NDArray[np.intp]) -> tuple[Array, Array]:
        points.append(weights[0])
        return gradients(weights, fits)

    found = LbfgsStack(noted, steep=np.full(1, np.nan), tolerance=1e-2).run(
        stack(START).reshape(1, -1)
    )
    assert len(points) == len(steps)
    for point, step in zip([*points[1:], found.weights[0]], steps, strict=True):
        assert point == pytest.approx(stack(step.weights).ravel(), abs=1e-9)


def test_directions_are_those_of_each_fits_pairs() -> None:
    rng = np.random.default_rng(1)
    d = (P + 1) * K
    hessian = np.diag(np.linspace(1, 9, d))
    recents = [Recent() for _ in range(FITS)]
    points = rng.normal(size=(5, FITS, d))
    for point in points:
        for recent, flat in zip(recents, point, strict=True):
            named = unstack(flat.reshape(P + 1, K), START)
            recent.add(named, unstack((hessian @ flat).reshape(P + 1, K), START))
    steps = np.diff(points, axis=0)
    pairs = [stacked_pair(one, one @ hessian, np.ones(FITS, dtype=bool)) for one in steps]
    pairs[-1].scale[2] = 0.0  # the last fit lacks the last pair
    gradient, metric = rng.normal(size=(FITS, d)), Metric.of(np.eye(P + 1) * 2, intercept=True)
    for known in (None, metric):
        found = directions(gradient, pairs, known)
        for fit, recent in enumerate(recents):
            own = recent.pairs()[: 3 if fit == 2 else 4]
            _, taken = Lbfgs(own, known).step(
                START, _comparison(unstack(gradient[fit].reshape(P + 1, K), START)), None
            )
            assert found[fit] == pytest.approx(stack(taken.direction).ravel(), rel=1e-9)


def _comparison(weight_delta: Weights) -> Comparison:
    return Comparison(1.0, np.zeros(K), np.zeros(K), 0.0, weight_delta)


def test_frozen_weights_stay() -> None:
    frozen = np.zeros((P + 1, K), dtype=bool)
    frozen[2] = True
    start = np.tile(np.where(frozen, 0.3, 0.0).ravel(), (FITS, 1))
    metric = Metric.of(np.eye(P + 1), intercept=True)
    found = LbfgsStack(partial(gradients, frozen=frozen.ravel()), metric).run(start)
    assert found.settled.all()
    assert (found.weights[:, frozen.ravel()] == 0.3).all()
    assert np.abs(found.weights[:, ~frozen.ravel()]).min() > 0


def test_steps_that_run_out_leave_the_best_weights() -> None:
    start = np.tile(stack(START).ravel(), (FITS, 1))
    found = LbfgsStack(gradients, steps=3, tolerance=0.0).run(start)
    assert not found.settled.any()
    before, after = (gradients(one, np.arange(FITS))[0] for one in (start, found.weights))
    assert (after < before).all()


def test_the_pairs_of_another_ridge_need_no_steps() -> None:
    rng = np.random.default_rng(2)
    step, diagonal = rng.normal(size=(FITS, 5)), rng.random(5)
    plain = stacked_pair(step, 2 * step, np.ones(FITS, dtype=bool))
    more = plain.with_diagonal(diagonal)
    assert more.change == pytest.approx((2 + diagonal) * step, rel=1e-12)
    assert more.with_diagonal(-diagonal).change == pytest.approx(plain.change, rel=1e-12)
    assert more.scale == pytest.approx(1 / np.sum(step * more.change, axis=1), rel=1e-12)
