"""Steps on some rows at a time, against loops written by hand and exact solutions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from deltarule.engines.in_memory import Rows
from deltarule.errors import LearningError
from deltarule.losses.glm import Squared
from deltarule.losses.registry import LOSSES
from deltarule.moments.stacked import stack
from deltarule.rule.learn import Descent
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import Step, train
from deltarule.solvers.first_order import Adam, Momentum, Nesterov
from deltarule.solvers.learners import LEARNERS, has_alpha
from deltarule.solvers.minibatch import MinibatchComparison, train_in_epochs
from deltarule.solvers.newton import Newton
from deltarule.solvers.plateau import ReduceOnPlateau, ScheduledLearner, scheduled

FIRST_ORDER = [name for name in LEARNERS if has_alpha(name)]


@dataclass(frozen=True)
class Cut:
    """Rows in batches, in an order of their own for each epoch."""

    rows: Rows
    size: int
    shuffle: bool = True

    def epoch(self, number: int) -> Iterator[MinibatchComparison]:
        n = len(self.rows.inputs)
        order = np.random.default_rng([9, number]).permutation(n) if self.shuffle else np.arange(n)
        for start in range(0, n, self.size):
            at = order[start : start + self.size]
            weights = None if self.rows.row_weights is None else self.rows.row_weights[at]
            typical = 1.0 if self.rows.row_weights is None else float(self.rows.row_weights.mean())
            part = Rows(
                self.rows.model,
                self.rows.loss,
                self.rows.inputs[at],
                self.rows.targets[at],
                weights,
            )
            yield MinibatchComparison(part, at, typical * len(at))


def problem(seed: int, *, noise: float, n: int = 200, loss: str = "squared") -> Rows:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 3))
    scores = inputs @ rng.normal(size=(3, 1)) + 0.5
    if loss == "squared":
        return Rows(Linear(), Squared(), inputs, scores + noise * rng.normal(size=(n, 1)))
    drawn = rng.uniform(size=(n, 1)) < 1 / (1 + np.exp(-scores))
    return Rows(Linear(), LOSSES[loss], inputs, drawn.astype(float))


def zeros(rows: Rows) -> Weights:
    return rows.model.start(rows.inputs.shape[1], rows.targets.shape[1])


def best(rows: Rows) -> Array:
    *_, last = train(zeros(rows), rows, Newton(), steps=60, tolerance=1e-13)
    return stack(last.weights)


def suited(name: str) -> ScheduledLearner:
    """Inputs are about standardised, weights about 1."""
    return {
        "descent": Descent(0.1),
        "momentum": Momentum(0.01),
        "nesterov": Nesterov(0.01),
        "adam": Adam(0.1),
    }[name]


def run(rows: Rows, size: int, learner: ScheduledLearner, **settings: float) -> list[Step]:
    return list(train_in_epochs(zeros(rows), Cut(rows, size), learner, whole=rows, **settings))  # type: ignore[arg-type]


def test_one_row_at_a_time_is_the_loop_that_a_person_writes() -> None:
    rows = problem(0, noise=1, n=20)
    found = train_in_epochs(
        zeros(rows), Cut(rows, 1, shuffle=False), Descent(0.1), whole=rows, epochs=2, tolerance=0
    )
    weight, intercept = np.zeros(3), 0.0
    for number, step in enumerate(found):
        x, t = rows.inputs[number % 20], rows.targets[number % 20, 0]
        delta = x @ weight + intercept - t
        assert step.number == number + 1
        assert step.epoch == 1 + number // 20
        assert step.saw is not None
        assert step.saw.tolist() == [number % 20]
        assert step.alpha == 0.1
        assert step.delta == pytest.approx(delta, rel=1e-13)
        assert step.error == pytest.approx(delta**2, rel=1e-12)
        weight = weight - 0.1 * delta * x
        intercept = intercept - 0.1 * delta
        np.testing.assert_allclose(step.weights["weight"][:, 0], weight, rtol=1e-12)
    assert number == 39
    assert step.stopped is not None
    assert step.stopped.words == "stopped after the 2 epochs allowed, 40 steps"


def test_each_epoch_sees_every_row_once() -> None:
    rows = problem(1, noise=1, n=50)
    found = run(rows, 8, Descent(0.01), epochs=3, tolerance=0)
    orders = []
    for epoch in (1, 2, 3):
        seen = [step.saw for step in found if step.epoch == epoch]
        assert [len(one) for one in seen if one is not None] == [8] * 6 + [2]
        orders.append(np.concatenate([one for one in seen if one is not None]).tolist())
        assert sorted(orders[-1]) == list(range(50))
    assert orders[0] != orders[1]


@pytest.mark.parametrize("name", FIRST_ORDER)
@pytest.mark.parametrize("size", [1, 7, 50])
def test_without_noise_every_learner_arrives_exactly(name: str, size: int) -> None:
    rows = problem(2, noise=0)
    learner = ReduceOnPlateau(suited(name), max(50, -(-200 // size)))
    *_, last = run(rows, size, learner, tolerance=1e-10, epochs=1000)
    assert last.stopped is not None
    # The loss is quadratic there: at rest within 1e-10 of it is within 1e-5 of the weights.
    np.testing.assert_allclose(stack(last.weights), best(rows), atol=1e-4)


@pytest.mark.parametrize("name", FIRST_ORDER)
@pytest.mark.parametrize("size", [1, 20])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_with_noise_an_alpha_that_is_halved_comes_near(name: str, size: int, loss: str) -> None:
    rows = problem(3, noise=1, loss=loss)
    *_, last = run(rows, size, ReduceOnPlateau(suited(name), max(50, 200 // size)), epochs=100)
    # Of a way of about 1, a thousandth or so is left after so many epochs.
    np.testing.assert_allclose(stack(last.weights), best(rows), atol=0.02)
    assert last.alpha is not None
    assert last.alpha < suited(name).alpha / 4


def test_a_constant_alpha_hovers_and_says_so() -> None:
    rows = problem(4, noise=1)
    *_, last = run(rows, 1, Descent(0.1), epochs=500)
    assert last.stopped is not None
    assert last.stopped.reason == "hovering"
    assert "10 epochs did not lower the loss; a smaller alpha comes nearer" in last.stopped.words
    nearer = run(rows, 1, Descent(0.001), epochs=500)[-1]
    off, less = (np.abs(stack(one.weights) - best(rows)).max() for one in (last, nearer))
    assert less < off / 3


def test_the_same_round_over_and_over_is_not_called_settled() -> None:
    # In the table's order a constant alpha runs in a ring that is not the best weights.
    rows = problem(4, noise=1)
    *_, last = train_in_epochs(
        zeros(rows), Cut(rows, 1, shuffle=False), Descent(0.05), whole=rows, epochs=2000
    )
    assert last.stopped is not None
    assert last.stopped.reason == "hovering"
    assert np.abs(stack(last.weights) - best(rows)).max() > 1e-3


@pytest.mark.parametrize("name", ["descent", "momentum", "nesterov"])
def test_too_large_an_alpha_is_told_at_once(name: str) -> None:
    rows = problem(5, noise=1)
    found = run(rows, 1, scheduled(suited(name), 5.0), epochs=50)
    last = found[-1]
    assert last.stopped is not None
    assert last.stopped.reason == "diverging"
    assert "alpha is too large for such batches" in last.stopped.words
    assert last.number < 200


def test_a_start_that_is_best_does_not_diverge() -> None:
    rows = problem(6, noise=0)
    start = {"weight": best(rows)[:3], "intercept": best(rows)[3]}
    *_, last = train_in_epochs(start, Cut(rows, 1), Descent(0.1), whole=rows, tolerance=1e-3)
    assert last.stopped is not None
    assert last.stopped.reason != "diverging"
    np.testing.assert_allclose(stack(last.weights), best(rows), atol=1e-12)


def test_a_row_of_weight_three_moves_as_three_rows_do() -> None:
    rows = problem(7, noise=1, n=3)
    weighted = Rows(rows.model, rows.loss, rows.inputs, rows.targets, np.array([3.0, 1.0, 2.0]))
    said = [seen(zeros(rows)).average() for seen in Cut(weighted, 1, shuffle=False).epoch(1)]
    plain = [seen(zeros(rows)).average() for seen in Cut(rows, 1, shuffle=False).epoch(1)]
    for share, one, other in zip((1.5, 0.5, 1.0), said, plain, strict=True):
        np.testing.assert_allclose(
            one.weight_delta["weight"], share * other.weight_delta["weight"], rtol=1e-14
        )
        assert one.loss == pytest.approx(other.loss, rel=1e-14)
    # So that over an epoch their mean is what all rows say.
    mean = np.mean([one.weight_delta["weight"] for one in said], axis=0)
    np.testing.assert_allclose(
        mean, weighted(zeros(rows)).average().weight_delta["weight"], rtol=1e-13
    )


def test_frozen_weights_stay() -> None:
    rows = problem(8, noise=1)
    frozen = {
        "weight": np.array([[True], [False], [False]]),
        "intercept": np.array([False]),
    }
    start = {"weight": np.full((3, 1), 0.3), "intercept": np.zeros(1)}
    for step in train_in_epochs(
        start, Cut(rows, 9), Adam(0.1), whole=rows, epochs=3, frozen=frozen
    ):
        assert step.weights["weight"][0, 0] == 0.3
        assert step.weights["weight"][1, 0] != step.before["weight"][1, 0]


def test_steps_stop_in_the_middle_of_an_epoch() -> None:
    found = run(problem(9, noise=1), 10, Descent(0.01), steps=33, tolerance=0)
    assert len(found) == 33
    assert found[-1].stopped is not None
    assert found[-1].stopped.words == "stopped at the 33 steps allowed, in epoch 2"


def test_what_cannot_be_is_refused() -> None:
    rows = problem(0, noise=1)
    with pytest.raises(LearningError, match="newton sees all rows at each step"):
        next(train_in_epochs(zeros(rows), Cut(rows, 9), Newton(), whole=rows))
    with pytest.raises(LearningError, match="at least 1"):
        run(rows, 9, Descent(0.1), epochs=0)
