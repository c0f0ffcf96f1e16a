"""The loop: the worked example bit for bit, stopping reasons, freezing, refusals."""

from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.engines.in_memory import Rows
from deltarule.errors import CurvatureError, LearningError
from deltarule.losses.glm import Squared
from deltarule.losses.registry import LOSSES
from deltarule.moments.stacked import stack
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import Descent, Learner, alpha_range_of
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import Step, train
from deltarule.solvers.first_order import Momentum
from deltarule.solvers.learners import LEARNERS, has_alpha
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Penalised, Ridge

DRAWN = settings(deadline=None, derandomize=True, max_examples=40)

# What Mad Max cost and made.
INPUT, TARGET = 200_000.0, 99_750_000.0
FILM = Rows(Linear(intercept=False), Squared(), np.array([[INPUT]]), np.array([[TARGET]]))


def one_weight(value: float) -> Weights:
    return {"weight": np.array([[value]])}


def film(alpha: float, *, tolerance: float = 0.0, **settings: int) -> list[Step]:
    return list(train(one_weight(1.0), FILM, Descent(alpha), tolerance=tolerance, **settings))


def weight(step: Step) -> float:
    return float(step.weights["weight"].item())


def many(seed: int, *, n: int = 40, p: int = 3, k: int = 2, loss: str = "squared") -> Rows:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, p))
    return Rows(Linear(), LOSSES[loss], inputs, rng.uniform(size=(n, k)))


def start_of(rows: Rows) -> Weights:
    return rows.model.start(rows.inputs.shape[1], rows.targets.shape[1])


@dataclass(frozen=True)
class Flat:
    """An objective that has no curvature and always gives the same comparison."""

    loss: float = 1.0
    slope: float = 1.0
    has_hessian: bool = False

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        assert not hessian
        nothing = np.zeros(1)
        return Comparison(
            1.0, nothing, nothing, self.loss, {"weight": np.array([[self.slope]])}, None
        )


# The worked example, exact to the last bit: plain Python floats are the oracle.


def test_the_worked_example_step_by_step() -> None:
    steps = film(1e-11)
    w = 1.0
    for number, step in enumerate(steps, start=1):
        prediction = INPUT * w
        delta = prediction - TARGET
        assert step.number == number
        assert weight_before(step) == w
        assert step.prediction == prediction
        assert step.delta == delta
        # Halved by the loss and doubled again: powers of two, which round nothing.
        assert step.error == delta * delta
        assert step.comparison.weight_delta["weight"].item() == delta * INPUT
        w = w - 1e-11 * (delta * INPUT)
        assert weight(step) == w


def weight_before(step: Step) -> float:
    return float(step.before["weight"].item())


def test_the_worked_examples_first_and_last_lines() -> None:
    steps = film(1e-11)
    assert [weight(step) for step in steps[:3]] == [200.1, 319.56, 391.236]
    assert len(steps) == 73
    *_, before_last, last, end = steps
    assert (weight(before_last), before_last.prediction) == (498.74999999999994, 99749999.99999997)
    assert (weight(last), last.prediction) == (498.75, 99749999.99999999)
    assert (weight(end), end.prediction, end.delta, end.error) == (498.75, TARGET, 0.0, 0.0)
    assert all(step.stopped is None for step in steps[:-1])
    assert end.stopped is not None
    assert end.stopped.reason == "settled"
    assert end.stopped.words == "settled after 72 steps: step 73 found nothing left to learn"


def test_the_first_guess_of_a_weight() -> None:
    first = next(train(one_weight(2.5), FILM, Descent(1e-11)))
    assert first.prediction == 500_000.0
    assert first.delta == -99_250_000.0
    assert first.error == 9.8505625e15


def test_one_step_with_the_fastest_alpha_arrives() -> None:
    first, second = film(2.5e-11)
    assert weight(first) == 498.75
    assert second.delta == 0
    assert second.stopped is not None
    assert second.stopped.words == "settled after 1 step: step 2 found nothing left to learn"


def test_too_large_an_alpha_diverges_and_says_what_to_use() -> None:
    first, second = film(6e-11)
    assert weight(first) == 1.0 + 6e-11 * 99_550_000 * 200_000
    # What raised the loss is not followed further.
    assert weight(second) == weight(first)
    assert second.stopped is not None
    assert second.stopped.reason == "diverging"
    assert "from 4.9551e+15 to 9.712e+15" in second.stopped.words
    assert "below 5e-11 it settles, and 2.5e-11 is fastest" in second.stopped.words
    assert second.stopped.alphas is not None
    assert second.stopped.alphas.limit == 5e-11
    assert second.stopped.alphas.fastest == 2.5e-11


@pytest.mark.parametrize(("alpha", "reason"), [(4.99e-11, "settled"), (5.01e-11, "diverging")])
def test_what_it_says_of_alpha_is_true(alpha: float, reason: str) -> None:
    stopped = film(alpha, tolerance=1e-8, steps=20_000)[-1].stopped
    assert stopped is not None
    assert stopped.reason == reason


def test_ten_steps_are_ten() -> None:
    steps = film(1e-11, steps=10)
    assert len(steps) == 10
    assert steps[-1].stopped is not None
    assert steps[-1].stopped.reason == "steps"
    assert steps[-1].stopped.words == "stopped at the 10 steps allowed"
    assert weight(steps[-1]) == weight(film(1e-11)[9])


def test_the_worked_example_as_a_table() -> None:
    table = {"budget": [INPUT], "gross": [TARGET]}
    ask = {"predict": "gross", "using": "budget", "intercept": False, "alpha": 1e-11, "start": 1.0}
    steps = list(dr.steps(table, **ask, tolerance=0))  # type: ignore[arg-type]
    assert [weight(step) for step in steps] == [weight(step) for step in film(1e-11)]
    assert [step.prediction for step in steps] == [step.prediction for step in film(1e-11)]


# Stopping.


@DRAWN
@given(seed=st.integers(0, 2**32 - 1), tolerance=st.sampled_from([1e-2, 1e-5, 1e-9]))
def test_it_settles_at_the_first_step_below_the_tolerance(seed: int, tolerance: float) -> None:
    rows = many(seed)
    found = list(train(start_of(rows), rows, Descent(0.3), steps=5000, tolerance=tolerance))
    sizes = [float(np.abs(stack(step.comparison.weight_delta)).max()) for step in found]
    assert found[-1].stopped is not None
    assert found[-1].stopped.reason == "settled"
    assert sizes[-1] <= tolerance * sizes[0]
    assert all(size > tolerance * sizes[0] for size in sizes[:-1])
    assert f"at step {len(found)}" in found[-1].stopped.words
    assert f"{tolerance:g}" in found[-1].stopped.words


def test_a_start_that_is_right_settles_at_once() -> None:
    (only,) = train(one_weight(498.75), FILM, Descent(1e-11))
    assert only.stopped is not None
    assert only.stopped.reason == "settled"
    assert only.stopped.words == "settled after 0 steps: step 1 found nothing left to learn"
    assert weight(only) == 498.75


def test_an_alpha_too_small_to_move_anything_is_still() -> None:
    (only,) = film(1e-30)
    assert only.stopped is not None
    assert only.stopped.reason == "still"
    assert only.stopped.words == "step 1 was too small to change any weight"
    assert weight(only) == 1.0
    assert only.delta != 0


def test_it_is_still_in_the_middle_once_rounding_holds_it() -> None:
    # 0.1 has no float whose triple is 0.3, so delta never becomes zero.
    rows = Rows(Linear(intercept=False), Squared(), np.array([[3.0]]), np.array([[0.1]]))
    found = list(train(one_weight(0.0), rows, Descent(1e-3), steps=100_000, tolerance=0))
    last = found[-1]
    assert last.stopped is not None
    if last.delta != 0:
        assert last.stopped.reason == "still"
        assert last.stopped.words == f"step {len(found)} was too small to change any weight"
    # A step of 0.003 * delta below half a last digit of the weight (7e-18 / 2) moves nothing.
    assert abs(last.delta) <= 7e-18 / 0.003


def test_divergence_without_curvature_gives_no_alpha() -> None:
    @dataclass(frozen=True)
    class Steep(Flat):
        def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
            w = weights["weight"]
            nothing = np.zeros(1)
            return Comparison(1.0, nothing, nothing, float(w.item() ** 2), {"weight": 2 * w}, None)

    *_, last = train(one_weight(1.0), Steep(), Descent(3.0))
    assert last.stopped is not None
    assert last.stopped.reason == "diverging"
    assert last.stopped.alphas is None
    assert last.stopped.words == ("diverging: the loss went up from 1 to 25, so alpha is too large")


@pytest.mark.parametrize("learner", [Descent(1e300), Momentum(1e300)])
def test_overflow_is_divergence_and_no_warning(learner: Learner) -> None:
    *_, last = train(one_weight(1.0), FILM, learner)
    assert last.stopped is not None
    assert last.stopped.reason == "diverging"
    assert last.number <= 3


def test_momentum_may_raise_the_loss_on_its_way() -> None:
    rows = many(1, k=1)
    found = list(train(start_of(rows), rows, Momentum(0.3, 0.95), steps=3000, tolerance=1e-9))
    losses = [step.comparison.loss for step in found]
    assert any(later > before for before, later in pairwise(losses))
    assert found[-1].stopped is not None
    assert found[-1].stopped.reason == "settled"


def test_momentum_that_runs_away_is_told() -> None:
    rows = many(1, k=1)
    *_, last = train(start_of(rows), rows, Momentum(10.0, 0.9), steps=3000)
    assert last.stopped is not None
    assert last.stopped.reason == "diverging"
    assert last.number < 20


@DRAWN
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 0.99))
def test_plain_descent_below_the_limit_never_raises_the_loss(seed: int, share: float) -> None:
    rows = many(seed)
    hessian = rows(start_of(rows), hessian=True).average().hessian
    assert hessian is not None
    alpha = share * alpha_range_of(hessian).limit
    found = list(train(start_of(rows), rows, Descent(alpha), steps=300, tolerance=0))
    losses = np.array([step.comparison.loss for step in found])
    # Losses are near one and round at some 1e-15.
    assert (np.diff(losses) <= 1e-14).all()
    assert found[-1].stopped is not None
    assert found[-1].stopped.reason != "diverging"


@pytest.mark.parametrize("loss", LOSSES)
def test_rounding_at_the_bottom_is_no_divergence(loss: str) -> None:
    rows = many(2, loss=loss)
    found = list(train(start_of(rows), rows, Descent(0.5), steps=3000, tolerance=0))
    assert found[-1].stopped is not None
    assert found[-1].stopped.reason in ("settled", "still", "steps")


@pytest.mark.parametrize("name", LEARNERS)
def test_steps_are_numbered_and_chained(name: str) -> None:
    kind = LEARNERS[name](0.1) if has_alpha(name) else LEARNERS[name]()  # type: ignore[call-arg]
    rows = many(3)
    found = list(train(start_of(rows), rows, kind, steps=25, tolerance=1e-13))
    assert [step.number for step in found] == list(range(1, len(found) + 1))
    for before, after in pairwise(found):
        assert np.array_equal(stack(before.weights), stack(after.before))
    assert [step.stopped is None for step in found] == [True] * (len(found) - 1) + [False]


def test_steps_are_taken_only_when_asked_for() -> None:
    asked = []

    @dataclass(frozen=True)
    class Counted(Flat):
        def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
            asked.append(weights)
            return super().__call__(weights, hessian=hessian)

    loop = train(one_weight(0.0), Counted(), Descent(0.1), steps=1000)
    assert not asked
    list(islice(loop, 3))
    assert len(asked) == 3


# Refusals.


def test_newton_is_refused_by_name_where_there_is_no_curvature() -> None:
    with pytest.raises(CurvatureError, match=r"newton needs curvature.*use descent or momentum"):
        next(train(one_weight(0.0), Flat(), Newton()))
    penalised = Penalised(Flat(), Ridge(np.array([[1.0]])))
    with pytest.raises(CurvatureError, match="newton"):
        next(train(one_weight(0.0), penalised, Newton()))


@pytest.mark.parametrize("learner", [Descent(0.1), Momentum(0.1)])
def test_learners_without_need_of_curvature_never_ask_for_it(learner: Learner) -> None:
    # Flat asserts that it is not asked.
    assert len(list(train(one_weight(0.0), Flat(), learner, steps=4))) == 4


@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps_are_refused(steps: int) -> None:
    with pytest.raises(LearningError, match=f"steps is {steps}"):
        next(train(one_weight(0.0), FILM, Descent(0.1), steps=steps))


@pytest.mark.parametrize("tolerance", [-1e-9, 1.0, float("nan")])
def test_a_tolerance_that_cannot_be_is_refused(tolerance: float) -> None:
    with pytest.raises(LearningError, match="tolerance is"):
        next(train(one_weight(0.0), FILM, Descent(0.1), tolerance=tolerance))


# Freezing: what is frozen stays, what is free becomes best beside it.


def restricted(rows: Rows, start: Array, frozen: Array) -> Array:
    """The best free weights of each output beside the frozen ones, by numpy."""
    design = np.column_stack([rows.inputs, np.ones(len(rows.inputs))])
    best = start.copy()
    for output in range(start.shape[1]):
        held = frozen[:, output]
        left = rows.targets[:, output] - design[:, held] @ start[held, output]
        best[~held, output] = np.linalg.lstsq(design[:, ~held], left, rcond=None)[0]
    return best


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(
    "frozen",
    [
        [[True, True], [False, False], [False, False], [False, False]],
        [[False, False], [False, False], [False, False], [True, True]],
        [[True, False], [False, True], [False, False], [False, True]],
    ],
    ids=["an input", "the intercept", "differs by output"],
)
def test_frozen_weights_stay_and_the_others_become_best(
    name: str, frozen: list[list[bool]]
) -> None:
    rows = many(6)
    rng = np.random.default_rng(6)
    start = {"weight": rng.normal(size=(3, 2)), "intercept": rng.normal(size=2)}
    mask = np.array(frozen)
    kind = LEARNERS[name](0.2) if has_alpha(name) else LEARNERS[name]()  # type: ignore[call-arg]
    found = train(
        start,
        rows,
        kind,
        steps=5000,
        tolerance=1e-12,
        frozen={"weight": mask[:3], "intercept": mask[3]},
    )
    *_, last = found
    assert last.stopped is not None
    assert last.stopped.reason == "settled"
    learnt = stack(last.weights)
    assert np.array_equal(learnt[mask], stack(start)[mask])
    # Settled at 1e-12 of the first weight_delta, times a condition below 10.
    np.testing.assert_allclose(learnt, restricted(rows, stack(start), mask), atol=1e-10)


def test_freezing_everything_settles_at_once() -> None:
    rows = many(6)
    mask = {"weight": np.ones((3, 2), dtype=bool), "intercept": np.ones(2, dtype=bool)}
    (only,) = train(start_of(rows), rows, Descent(0.1), frozen=mask)
    assert only.stopped is not None
    assert only.stopped.reason == "settled"
