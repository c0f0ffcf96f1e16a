"""An alpha that is halved after each round that raised the loss, by hand."""

import numpy as np
import pytest

from deltarule.engines.in_memory import Rows
from deltarule.losses.glm import Squared
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import Descent
from deltarule.rule.predict import Linear
from deltarule.rule.train import train
from deltarule.solvers.first_order import Adam, Momentum
from deltarule.solvers.plateau import ReduceOnPlateau, scheduled

AT = {"weight": np.array([[1.0]])}


def said(loss: float, slope: float = 1.0, rows: float = 1.0) -> Comparison:
    nothing = np.zeros(1)
    return Comparison(rows, nothing, nothing, loss, {"weight": np.array([[slope]])}, None)


def alphas(losses: list[float], every: int) -> list[float]:
    """The alpha of each step when the steps see these losses."""
    learner = ReduceOnPlateau(Descent(1.0), every)
    state, weights, found = learner.start(AT), AT, []
    for loss in losses:
        found.append(learner.alpha_now(state))
        weights, state = learner.step(weights, said(loss), state)
    return found


def test_alpha_is_halved_after_a_round_that_raised_the_loss() -> None:
    assert alphas([4, 3, 3.5, 2, 2.5, 2.5, 1], 1) == [1, 1, 1, 0.5, 0.5, 0.25, 0.125]


def test_a_round_is_judged_by_the_mean_of_its_losses() -> None:
    # Means 4, 3, 3.5: only the third round raised it.
    assert alphas([1, 7, 5, 1, 6, 1, 0], 2) == [1, 1, 1, 1, 1, 1, 0.5]


def test_a_larger_batch_counts_for_more() -> None:
    learner = ReduceOnPlateau(Descent(1.0), 2)
    state, weights = learner.start(AT), AT
    for loss, rows in ((2.0, 9.0), (0.0, 1.0), (0.0, 9.0), (10.0, 1.0)):
        weights, state = learner.step(weights, said(loss, rows=rows), state)
    # 1.8, then 1.0: lower, though the plain mean of the second round is 5.
    assert state.best == 1.0
    assert learner.alpha_now(state) == 1.0


def test_rounding_is_no_reason_to_slow_down() -> None:
    assert alphas([4, 1, 1 + 1e-13, 1, 1 + 1e-13], 1) == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("exploded", [50.0, np.inf, np.nan])
def test_where_the_loss_exploded_it_goes_back(exploded: float) -> None:
    learner = ReduceOnPlateau(Momentum(1.0, 0.5), 1)
    first, state = learner.step(AT, said(4.0), learner.start(AT))
    second, state = learner.step(first, said(3.0), state)
    back, state = learner.step(second, said(exploded, -100.0), state)
    assert back["weight"].item() == second["weight"].item()
    assert learner.alpha_now(state) == 0.25
    # And it has forgotten where it was heading.
    third, _ = learner.step(back, said(2.9, 1.0), state)
    assert third["weight"].item() == back["weight"].item() - 0.25


def test_negative_losses_are_no_explosion() -> None:
    # Poisson's loss leaves out a constant, so it may be below 0.
    assert alphas([-1, -2, -1.9, -3], 1) == [1, 1, 1, 0.5]


def test_adam_on_all_rows_comes_to_rest() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(50, 2))
    targets = inputs @ np.array([[1.0], [-2.0]]) + rng.normal(size=(50, 1))
    rows = Rows(Linear(intercept=False), Squared(), inputs, targets)
    start = {"weight": np.zeros((2, 1))}
    *_, last = train(start, rows, ReduceOnPlateau(Adam(0.5), 50), steps=5000, tolerance=1e-10)
    assert last.stopped is not None
    assert last.stopped.reason == "settled"
    exact = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    # Settled at 1e-10 of the first weight_delta, times a condition of about 1.
    np.testing.assert_allclose(last.weights["weight"], exact, atol=1e-9)


def test_another_alpha_is_kept() -> None:
    assert scheduled(ReduceOnPlateau(Adam(0.5, first=0.8), 7), 0.1) == Adam(0.1, first=0.8)
    assert scheduled(Descent(2.0), 3.0) == Descent(3.0)
