"""Softmax: derivatives against finite differences, answers against statsmodels and scikit-learn."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from deltarule.engines.in_memory import Rows
from deltarule.losses.registry import LOSSES, loss_named
from deltarule.losses.softmax import Softmax
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import compare
from deltarule.rule.learn import Descent, alpha_range_of
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import train
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Penalised, Ridge

seeds = st.integers(0, 10**6)
shapes = st.tuples(st.integers(2, 30), st.integers(1, 4), st.integers(2, 5))
STEP = 1e-6


def drawn(seed: int, n: int, p: int, k: int) -> tuple[Weights, Array, Array]:
    """Weights, inputs and one-hot targets."""
    rng = np.random.default_rng(seed)
    weights = {"weight": rng.normal(size=(p, k)), "intercept": rng.normal(size=k)}
    return weights, rng.normal(size=(n, p)), np.eye(k)[rng.integers(0, k, size=n)]


@given(seeds, shapes)
def test_delta_is_the_slope_of_value_and_slope_that_of_delta(
    seed: int, shape: tuple[int, int, int]
) -> None:
    n, _, k = shape
    rng = np.random.default_rng(seed)
    scores, targets = rng.normal(size=(n, k)) * 3, np.eye(k)[rng.integers(0, k, size=n)]
    loss = Softmax()
    for output in range(k):
        moved = np.zeros(k)
        moved[output] = STEP
        up, down = scores + moved, scores - moved
        slope = (loss.value(up, targets) - loss.value(down, targets)) / (2 * STEP)
        # Central differences are off by STEP ** 2 and by rounding / STEP: 1e-9 or so.
        assert loss.delta(scores, targets)[:, output] == pytest.approx(slope, abs=1e-8)
        bend = (loss.delta(up, targets) - loss.delta(down, targets)) / (2 * STEP)
        assert loss.hessian(scores, targets)[:, :, output] == pytest.approx(bend, abs=1e-8)


@given(seeds, shapes)
def test_curvature_is_the_slope_of_weight_delta(seed: int, shape: tuple[int, int, int]) -> None:
    weights, inputs, targets = drawn(seed, *shape)
    each = np.random.default_rng(seed).integers(1, 4, size=len(inputs)).astype(float)

    def asked(stacked: Array, *, hessian: bool = False):
        return compare(
            BlockLinear(),
            Softmax(),
            weights=unstack(stacked, weights),
            inputs=inputs,
            targets=targets,
            row_weights=each,
        ).sum(hessian=hessian)

    here = stack(weights)
    q, k = here.shape
    [hessian] = asked(here, hessian=True).hessian
    assert hessian.shape == (k * q, k * q)
    for output in range(k):
        for row in range(q):
            moved = np.zeros_like(here)
            moved[row, output] = STEP
            up, down = asked(here + moved).weight_delta, asked(here - moved).weight_delta
            slope = (stack(up) - stack(down)).T.ravel() / (2 * STEP)
            assert hessian[output * q + row] == pytest.approx(slope, abs=1e-6)


@given(seeds, shapes)
def test_predictions_are_shares_whatever_the_scores(seed: int, shape: tuple[int, int, int]) -> None:
    n, _, k = shape
    scores = np.random.default_rng(seed).normal(size=(n, k)) * 1e3
    predictions = Softmax().link.inverse(scores)
    assert predictions.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert np.isfinite(predictions).all()
    assert np.isfinite(Softmax().value(scores, np.eye(k)[np.zeros(n, dtype=int)])).all()


@given(seeds)
def test_of_two_classes_it_is_logistic(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, target = rng.normal(size=(9, 1)) * 4, rng.integers(0, 2, size=(9, 1)).astype(float)
    both, pair = np.hstack([np.zeros((9, 1)), score]), np.hstack([1 - target, target])
    logistic = LOSSES["logistic"]
    assert Softmax().value(both, pair) == pytest.approx(logistic.value(score, target), rel=1e-12)
    assert Softmax().delta(both, pair)[:, [1]] == pytest.approx(
        logistic.delta(score, target), abs=1e-15
    )


def last(objective, first: Weights, **settings) -> Weights:
    *_, step = train(first, objective, Newton(), **settings)
    assert step.stopped is not None
    assert step.stopped.reason in ("settled", "still")
    return step.weights


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_newton_finds_what_statsmodels_finds(seed: int) -> None:
    weights, inputs, _ = drawn(seed, 400, 3, 4)
    rng = np.random.default_rng(seed)
    noisy = inputs @ weights["weight"] + rng.gumbel(size=(400, 4))
    classes = noisy.argmax(axis=1)
    found = last(
        Rows(BlockLinear(), Softmax(), inputs, np.eye(4)[classes]),
        BlockLinear().start(3, 4),
        tolerance=1e-12,
    )
    known = sm.MNLogit(classes, sm.add_constant(inputs)).fit(disp=0, tol=1e-14, maxiter=100)
    all_classes = np.column_stack([np.zeros(4), known.params])
    centred = all_classes - all_classes.mean(axis=1, keepdims=True)
    assert found["intercept"] == pytest.approx(centred[0], rel=1e-8)
    assert found["weight"] == pytest.approx(centred[1:], rel=1e-8)
    # Of all weights that predict the same, those whose sum over the classes is 0.
    assert stack(found).sum(axis=1) == pytest.approx(0.0, abs=1e-12)


def test_a_ridge_is_that_of_scikit_learn() -> None:
    _, inputs, targets = drawn(7, 300, 3, 3)
    strength = 0.05
    found = last(
        Penalised(Rows(BlockLinear(), Softmax(), inputs, targets), Ridge(np.array(strength))),
        BlockLinear().start(3, 3),
        tolerance=1e-13,
    )
    # Its sum of losses beside weight ** 2 / 2 / C is n times our mean loss and strength.
    known = LogisticRegression(C=1 / (len(inputs) * strength), tol=1e-12, max_iter=10_000)
    known.fit(inputs, targets.argmax(axis=1))
    # lbfgs stops at some 1e-8 of the gradient.
    assert pytest.approx(known.coef_, abs=1e-7) == found["weight"].T


def test_frozen_weights_stay_and_the_others_learn() -> None:
    _, inputs, targets = drawn(5, 200, 2, 3)
    start = {"weight": np.full((2, 3), 0.25), "intercept": np.zeros(3)}
    frozen = {"weight": np.zeros((2, 3), dtype=bool), "intercept": np.zeros(3, dtype=bool)}
    frozen["weight"][0] = True
    found = last(Rows(BlockLinear(), Softmax(), inputs, targets), start, frozen=frozen)
    assert np.array_equal(found["weight"][0], start["weight"][0])
    assert not np.allclose(found["weight"][1], start["weight"][1])


def test_descent_goes_the_same_way() -> None:
    _, inputs, targets = drawn(11, 200, 2, 3)
    rows = Rows(BlockLinear(), Softmax(), inputs, targets)
    hessian = rows(BlockLinear().start(2, 3), hessian=True).average().hessian
    alpha = alpha_range_of(hessian).fastest
    *_, step = train(BlockLinear().start(2, 3), rows, Descent(alpha), steps=5000, tolerance=1e-10)
    exact = last(rows, BlockLinear().start(2, 3), tolerance=1e-12)
    assert step.weights["weight"] == pytest.approx(exact["weight"], abs=1e-8)


def test_it_is_spelled_softmax() -> None:
    assert loss_named("softmax") == Softmax()
