"""Learners against their recursions written out, exact solutions and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.engines.in_memory import Rows
from deltarule.losses.glm import Squared
from deltarule.losses.registry import LOSSES
from deltarule.moments.stacked import stack
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import Descent, Learner, alpha_range_of
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import Step, train
from deltarule.solvers.first_order import Adam, Momentum, Nesterov
from deltarule.solvers.learners import LEARNERS
from deltarule.solvers.newton import Newton

DRAWN = settings(deadline=None, derandomize=True, max_examples=40)


def problem(
    seed: int, *, n: int = 60, p: int = 3, k: int = 2, intercept: bool = True
) -> tuple[Rows, Array]:
    """Rows of squared loss, and their exact weights stacked as numpy finds them."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, p)) + rng.normal(size=p)
    targets = inputs @ rng.normal(size=(p, k)) + rng.normal(size=(n, k)) + 5
    design = np.column_stack([inputs, np.ones(n)]) if intercept else inputs
    best = np.linalg.lstsq(design, targets, rcond=None)[0]
    return Rows(Linear(intercept=intercept), Squared(), inputs, targets), best


def zeros(rows: Rows) -> Weights:
    return rows.model.start(rows.inputs.shape[1], rows.targets.shape[1])


def last(rows: Rows, learner: Learner, **settings: float) -> Step:
    *_, step = train(zeros(rows), rows, learner, **settings)  # type: ignore[arg-type]
    return step


def suited(name: str, rows: Rows) -> Learner:
    """A learner of this name with settings that suit the rows."""
    if name == "newton":
        return Newton()
    hessian = rows(zeros(rows), hessian=True).average().hessian
    assert hessian is not None
    found = alpha_range_of(hessian)
    if name == "momentum":
        large, small = np.sqrt(found.largest), np.sqrt(found.smallest)
        share = float(((large - small) / (large + small)) ** 2)
        return Momentum(alpha=float(4 / (large + small) ** 2), momentum=share)
    if name == "nesterov":
        large, small = np.sqrt(found.largest), np.sqrt(found.smallest)
        return Nesterov(1 / found.largest, float((large - small) / (large + small)))
    if name == "adam":
        # Weights of about 5 in strides of 0.5; without noise it comes to rest by itself.
        return Adam(0.5)
    return Descent(found.fastest)


@DRAWN
@given(seed=st.integers(0, 2**32 - 1), alpha=st.floats(1e-6, 1))
def test_descent_takes_alpha_times_weight_delta(seed: int, alpha: float) -> None:
    rows, _ = problem(seed)
    rng = np.random.default_rng(seed)
    weights = {"weight": rng.normal(size=(3, 2)), "intercept": rng.normal(size=2)}
    compared = rows(weights).average()
    learner = Descent(alpha)
    learnt, _ = learner.step(weights, compared, learner.start(weights))
    for name, array in weights.items():
        assert np.array_equal(learnt[name], array - alpha * compared.weight_delta[name])


def test_momentum_is_polyaks_heavy_ball() -> None:
    # Polyak 1964: w(t + 1) = w(t) - alpha * g(t) + momentum * (w(t) - w(t - 1)).
    rows, _ = problem(3, k=1)
    alpha, momentum = 0.05, 0.8
    design = np.column_stack([rows.inputs, np.ones(60)])
    before = now = np.zeros((4, 1))
    found = train(zeros(rows), rows, Momentum(alpha, momentum), steps=50, tolerance=0)
    for step in found:
        g = design.T @ (design @ now - rows.targets) / 60
        before, now = now, now - alpha * g + momentum * (now - before)
        # The same sums in another order, over at most 50 steps that shrink errors.
        np.testing.assert_allclose(stack(step.weights), now, rtol=1e-11, atol=1e-12)


def test_nesterov_looks_ahead_from_where_it_is() -> None:
    # Nesterov 2004, 2.2.20: x(t + 1) = y(t) - alpha * g(y(t)), then on as x went.
    rows, _ = problem(3, k=1)
    alpha, momentum = 0.05, 0.8
    design = np.column_stack([rows.inputs, np.ones(60)])
    x = y = np.zeros((4, 1))
    found = train(zeros(rows), rows, Nesterov(alpha, momentum), steps=50, tolerance=0)
    for step in found:
        np.testing.assert_allclose(stack(step.before), y, rtol=1e-11, atol=1e-12)
        g = design.T @ (design @ y - rows.targets) / 60
        older, x = x, y - alpha * g
        y = x + momentum * (x - older)
        # The same sums in another order, over at most 50 steps that shrink errors.
        np.testing.assert_allclose(stack(step.weights), y, rtol=1e-11, atol=1e-12)


def test_adam_is_kingma_and_bas_algorithm() -> None:
    rows, _ = problem(3, k=1)
    design = np.column_stack([rows.inputs, np.ones(60)])
    # Their sums written out: a mean of all gradients so far, weighed by how long ago they were.
    gradients: list[Array] = []
    weights = np.zeros((4, 1))
    for step in train(zeros(rows), rows, Adam(0.03, 0.7, 0.95, 1e-6), steps=50, tolerance=0):
        gradients.append(design.T @ (design @ weights - rows.targets) / 60)
        t = len(gradients)
        first = 0.7 ** np.arange(t)[::-1, None, None]
        second = 0.95 ** np.arange(t)[::-1, None, None]
        mean = (first * gradients).sum(axis=0) / first.sum()
        square = (second * np.square(gradients)).sum(axis=0) / second.sum()
        weights = weights - 0.03 * mean / (np.sqrt(square) + 1e-6)
        # Sums in another order, and the signs of small means decide no digit here.
        np.testing.assert_allclose(stack(step.weights), weights, rtol=1e-9, atol=1e-11)


def test_adams_first_step_is_alpha_for_every_weight() -> None:
    rows, _ = problem(3, k=1)
    first = next(train(zeros(rows), rows, Adam(0.25)))
    np.testing.assert_allclose(np.abs(stack(first.weights)), 0.25, rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("kind", [Momentum, Nesterov])
def test_the_limit_of_a_velocity_is_where_it_stops_settling(
    kind: type[Momentum | Nesterov], share: float
) -> None:
    rows, best = problem(1, k=1)
    hessian = rows(zeros(rows), hessian=True).average().hessian
    assert hessian is not None
    limit = kind(1.0, share).limit(alpha_range_of(hessian))
    below = last(rows, kind(0.98 * limit, share), steps=20_000, tolerance=1e-10)
    np.testing.assert_allclose(stack(below.weights), best, atol=1e-6)
    above = last(rows, kind(1.02 * limit, share), steps=20_000, tolerance=1e-10)
    assert above.stopped is not None
    assert above.stopped.reason == "diverging"


def test_momentum_of_nothing_is_descent() -> None:
    rows, _ = problem(4)
    plain = list(train(zeros(rows), rows, Descent(0.1), steps=30, tolerance=0))
    same = list(train(zeros(rows), rows, Momentum(0.1, 0.0), steps=30, tolerance=0))
    for one, other in zip(plain, same, strict=True):
        assert np.array_equal(stack(one.weights), stack(other.weights))


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_learner_reaches_the_exact_solution(name: str, intercept: bool, seed: int) -> None:
    rows, best = problem(seed, intercept=intercept)
    step = last(rows, suited(name, rows), steps=3000, tolerance=1e-12)
    assert step.stopped is not None
    assert step.stopped.reason == "settled"
    # Settled at 1e-12 of the first weight_delta: times the condition (below 100), 1e-10 of weights.
    np.testing.assert_allclose(stack(step.weights), best, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_declares_what_it_is(name: str) -> None:
    kind = LEARNERS[name]
    assert kind.name == name
    assert kind.needs_hessian == (name == "newton")
    # Only plain descent promises to fall; test_train holds it to that.
    assert kind.monotone == (name == "descent")


def test_newton_solves_squared_loss_in_one_step() -> None:
    rows, best = problem(7)
    step = last(rows, Newton(), steps=1)
    # One solve of a system with a condition below 100.
    np.testing.assert_allclose(stack(step.weights), best, rtol=1e-11)


@pytest.mark.parametrize(
    ("name", "family"), [("logistic", sm.families.Binomial()), ("poisson", sm.families.Poisson())]
)
def test_newton_finds_what_statsmodels_finds(name: str, family: sm.families.Family) -> None:
    rng = np.random.default_rng(21)
    inputs = rng.normal(size=(200, 3))
    scores = inputs @ [0.8, -0.5, 0.2] + 0.3
    drawn = (
        rng.uniform(size=200) < 1 / (1 + np.exp(-scores))
        if name == "logistic"
        else rng.poisson(np.exp(scores))
    )
    targets = drawn[:, None].astype(float)
    rows = Rows(Linear(), LOSSES[name], inputs, targets)
    step = last(rows, Newton(), steps=50, tolerance=1e-12)
    design = np.column_stack([inputs, np.ones(200)])
    known = sm.GLM(targets[:, 0], design, family=family).fit(tol=1e-14)
    # Both settle quadratically, so both stand at rounding times the condition.
    np.testing.assert_allclose(stack(step.weights)[:, 0], known.params, rtol=1e-9)


def test_newton_shortens_a_step_that_raised_the_loss() -> None:
    # From -6 the whole step of Poisson loss overshoots to about +400, where exp is e ** 400.
    rows = Rows(Linear(), LOSSES["poisson"], np.zeros((4, 0)), np.array([[0.0], [1], [2], [3]]))
    start = {"weight": np.zeros((0, 1)), "intercept": np.array([-6.0])}
    found = list(train(start, rows, Newton(), steps=60, tolerance=1e-12))
    first = found[0].weights["intercept"].item()
    # The step is (exp(-6) - 1.5) / exp(-6); a 16th of it, until the loss falls.
    assert first == pytest.approx(-6 - (np.exp(-6) - 1.5) / np.exp(-6), rel=1e-12)
    second = found[1].weights["intercept"].item()
    assert second + 6 == pytest.approx((first + 6) / 16, rel=1e-12)
    assert len(found) < 12
    losses = [step.comparison.loss for step in found]
    assert losses[1] > losses[0]
    assert found[-1].weights["intercept"].item() == pytest.approx(np.log(1.5), rel=1e-12)


def test_newton_takes_the_shortest_step_where_curvature_is_singular() -> None:
    # Two equal inputs of the same scale: the smallest of all solutions shares the weight evenly.
    x = np.array([1.0, 2.0, 4.0, -3.0])
    rows = Rows(Linear(intercept=False), Squared(), np.column_stack([x, x]), 6 * x[:, None])
    step = last(rows, Newton(), steps=3, tolerance=1e-12)
    # One eigendecomposition of a 2 by 2 matrix.
    np.testing.assert_allclose(step.weights["weight"], [[3.0], [3.0]], rtol=1e-13)


def test_newton_leaves_an_input_that_is_always_zero_alone() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=50)
    rows = Rows(Linear(), Squared(), np.column_stack([x, np.zeros(50)]), 2 * x[:, None] + 1)
    step = last(rows, Newton(), steps=5, tolerance=1e-12)
    np.testing.assert_allclose(step.weights["weight"], [[2.0], [0.0]], atol=1e-13)


def test_a_loss_that_is_not_a_number_counts_as_raised() -> None:
    learner = Newton()
    weights = {"weight": np.array([[0.0]])}
    nothing = np.zeros(1)

    def said(loss: float) -> Comparison:
        slope = {"weight": np.array([[-8.0]])}
        return Comparison(1.0, nothing, nothing, loss, slope, np.array([[[1.0]]]))

    whole, state = learner.step(weights, said(1.0), None)
    assert whole["weight"].item() == 8
    shorter, state = learner.step(whole, said(np.nan), state)
    assert shorter["weight"].item() == 0.5
    shortest, state = learner.step(shorter, said(np.inf), state)
    assert shortest["weight"].item() == 0.5 / 16


@given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(0.1, 10))
def test_of_a_parabola_the_shortened_step_finds_the_bottom(
    start: float, bend: float, long: float
) -> None:
    """Told a curvature that is too small, Newton goes too far, and then just far enough."""
    learner, nothing = Newton(), np.zeros(1)

    def said(weights: Weights) -> Comparison:
        w = weights["weight"].item()
        slope = {"weight": np.array([[bend * (w - 9)]])}
        told = np.array([[[bend / (2 + long)]]])
        return Comparison(1.0, nothing, nothing, bend * (w - 9) ** 2 / 2, slope, told)

    weights: Weights = {"weight": np.array([[start]])}
    far, state = learner.step(weights, said(weights), None)
    back, _ = learner.step(far, said(far), state)
    assert back["weight"].item() == pytest.approx(9, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_limit_of_alpha_is_where_descent_stops_settling(seed: int) -> None:
    rows, best = problem(seed, k=1)
    hessian = rows(zeros(rows), hessian=True).average().hessian
    assert hessian is not None
    found = alpha_range_of(hessian)
    design = np.column_stack([rows.inputs, np.ones(60)])
    squares = np.linalg.svd(design, compute_uv=False) ** 2 / 60
    assert found.limit == pytest.approx(2 / squares.max(), rel=1e-12)
    assert found.fastest == pytest.approx(2 / (squares.max() + squares.min()), rel=1e-12)
    below = last(rows, Descent(0.99 * found.limit), steps=5000, tolerance=1e-10)
    assert below.stopped is not None
    assert below.stopped.reason == "settled"
    np.testing.assert_allclose(stack(below.weights), best, atol=1e-6)
    above = last(rows, Descent(1.01 * found.limit), steps=5000, tolerance=1e-10)
    assert above.stopped is not None
    assert above.stopped.reason == "diverging"


@pytest.mark.parametrize("seed", range(3))
def test_no_alpha_settles_faster_than_the_fastest(seed: int) -> None:
    rows, _ = problem(seed, k=1)
    hessian = rows(zeros(rows), hessian=True).average().hessian
    assert hessian is not None
    found = alpha_range_of(hessian)
    # The slowest direction decides in the end, so each is asked for many digits.
    taken = [
        last(rows, Descent(share * found.fastest), steps=20_000, tolerance=1e-11).number
        for share in (0.5, 0.9, 1.0)
    ]
    assert taken == sorted(taken, reverse=True)


def test_directions_without_curvature_do_not_count() -> None:
    found = alpha_range_of(np.diag([4.0, 1.0, 0.0])[None])
    assert (found.limit, found.fastest) == (2 / 4, 2 / 5)
    none = alpha_range_of(np.zeros((1, 2, 2)))
    assert none.limit == none.fastest == np.inf
