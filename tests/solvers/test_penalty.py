"""Penalties against finite differences, brute force and scikit-learn."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import linear_model

from deltarule.engines.in_memory import Rows
from deltarule.losses.registry import LOSSES
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.learn import Descent, alpha_range_of
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import train
from deltarule.solvers.first_order import Momentum
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Lasso, Penalised, Penalty, Ridge, shrink
from deltarule.solvers.proximal import ProximalDescent, ProximalNewton

DRAWN = settings(deadline=None, derandomize=True, max_examples=60)
seeds = st.integers(0, 2**32 - 1)
P, K = 3, 2


def weights_of(seed: int, *, intercept: bool = True) -> Weights:
    rng = np.random.default_rng(seed)
    weights = {"weight": rng.normal(size=(P, K)) * 10}
    return {**weights, "intercept": rng.normal(size=K)} if intercept else weights


def rows_of(seed: int, loss: str = "squared", *, intercept: bool = True) -> Rows:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(80, P)) * [1.0, 3.0, 0.2]
    targets = rng.uniform(size=(80, K))
    return Rows(Linear(intercept=intercept), LOSSES[loss], inputs, targets)


# Every shape of strength that the module's docstring promises.
STRENGTHS = {
    "a number": np.array(0.7),
    "(1, 1)": np.array([[0.7]]),
    "(p, 1)": np.array([[0.5], [2.0], [0.0]]),
    "(p,)": np.array([0.5, 2.0, 0.0]),
}
shapes = pytest.mark.parametrize("strength", STRENGTHS.values(), ids=STRENGTHS)


def each(strength: Array) -> Array:
    """The strength written out for every weight."""
    spread = strength[:, None] if strength.shape == (P,) else strength
    return np.broadcast_to(spread, (P, K))


@shapes
@DRAWN
@given(seed=seeds)
def test_value_is_the_sum_written_out(strength: Array, seed: int) -> None:
    weights = weights_of(seed)
    written = sum(
        each(strength)[i, j] * weights["weight"][i, j] ** 2 / 2 for i in range(P) for j in range(K)
    )
    # Six positive terms, in another order.
    assert Ridge(strength).value(weights) == pytest.approx(written, rel=1e-14)


@shapes
@DRAWN
@given(seed=seeds, intercept=st.booleans())
def test_gradient_is_the_finite_difference_of_value(
    strength: Array, seed: int, intercept: bool
) -> None:
    ridge, weights = Ridge(strength), weights_of(seed, intercept=intercept)
    said, flat, step = stack(ridge.gradient(weights)), stack(weights), 1e-3
    for at in np.ndindex(*flat.shape):
        nudge = np.zeros_like(flat)
        nudge[at] = step
        up, down = (ridge.value(unstack(flat + s * nudge, weights)) for s in (1, -1))
        # A square has no third derivative, so only rounding counts: eps * 1000 / step.
        assert said[at] == pytest.approx((up - down) / (2 * step), abs=1e-8)


@shapes
@pytest.mark.parametrize("intercept", [True, False])
def test_curvature_is_the_finite_difference_of_gradient(strength: Array, intercept: bool) -> None:
    ridge, weights = Ridge(strength), weights_of(5, intercept=intercept)
    flat = stack(weights)
    diagonal = ridge.hessian(weights)
    assert diagonal.shape == (len(flat),)
    for at in range(len(flat)):
        nudge = np.zeros_like(flat)
        nudge[at] = 1.0
        change = stack(ridge.gradient(unstack(flat + nudge, weights))) - stack(
            ridge.gradient(weights)
        )
        expected = np.zeros_like(flat)
        expected[at] = diagonal[at]
        # The gradient is linear, so a step of 1 does; it rounds at some 30.
        np.testing.assert_allclose(change, expected, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES)
@DRAWN
@given(seed=seeds)
def test_a_penalised_objective_is_the_finite_difference_of_its_own_loss(
    loss: str, seed: int
) -> None:
    objective = Penalised(rows_of(seed, loss), Ridge(STRENGTHS["(p, 1)"]))
    weights = unstack(stack(weights_of(seed)) / 10, weights_of(seed))
    said = objective(weights, hessian=True)
    slope, flat, step = stack(said.weight_delta), stack(weights), 1e-5
    assert said.hessian is not None
    for at in np.ndindex(*flat.shape):
        nudge = np.zeros_like(flat)
        nudge[at] = step
        up, down = (objective(unstack(flat + s * nudge, weights)) for s in (1, -1))
        # step ** 2 of third derivatives and eps / step of the values, both the size of the sums.
        size = 1e-9 * (abs(said.loss) + np.abs(slope).max() + np.abs(said.hessian).max() * 10)
        assert slope[at] == pytest.approx((up.loss - down.loss) / (2 * step), abs=size)
        change = (stack(up.weight_delta) - stack(down.weight_delta)) / (2 * step)
        expected = said.hessian[at[1], :, at[0]]
        np.testing.assert_allclose(change[:, at[1]], expected, rtol=0, atol=size * 10)


def test_the_penalty_of_two_parts_adds_up_as_rows_do() -> None:
    rows, ridge, weights = rows_of(3), Ridge(np.array([[0.5]])), weights_of(3)
    parts = [
        Rows(rows.model, rows.loss, rows.inputs[at], rows.targets[at])
        for at in (slice(30), slice(30, None))
    ]
    one, other = (Penalised(part, ridge)(weights, hessian=True) for part in parts)
    both, whole = one + other, Penalised(rows, ridge)(weights, hessian=True)
    # 80 terms in another order.
    assert both.loss == pytest.approx(whole.loss, rel=1e-13)
    np.testing.assert_allclose(stack(both.weight_delta), stack(whole.weight_delta), rtol=1e-11)
    np.testing.assert_allclose(both.hessian, whole.hessian, rtol=1e-11, atol=1e-12)


def test_a_penalised_objective_has_curvature_where_the_plain_one_has() -> None:
    rows = rows_of(1)
    plain = Rows(rows.model, rows.loss, rows.inputs, rows.targets, has_hessian=False)
    assert not Penalised(plain, Ridge(np.array([[1.0]]))).has_hessian
    assert Penalised(rows, Ridge(np.array([[1.0]]))).has_hessian
    assert Penalised(rows, Ridge(np.array([[1.0]])))(weights_of(1)).hessian is None


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("ridge", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("learner", ["descent", "momentum", "newton"])
def test_learning_with_a_penalty_finds_scikit_learns_ridge(
    intercept: bool, ridge: float, learner: str
) -> None:
    rows = rows_of(8, intercept=intercept)
    objective = Penalised(rows, Ridge(np.array([[ridge]])))
    start = rows.model.start(P, K)
    hessian = objective(start, hessian=True).average().hessian
    assert hessian is not None
    alpha = alpha_range_of(hessian).fastest
    kind = {"descent": Descent(alpha), "momentum": Momentum(alpha / 4, 0.5), "newton": Newton()}
    *_, step = train(start, objective, kind[learner], steps=50_000, tolerance=1e-11)
    # Half the mean squared error and ridge / 2: scikit-learn's alpha for sums is ridge * rows.
    known = linear_model.Ridge(alpha=ridge * 80, fit_intercept=intercept, tol=1e-12)
    known.fit(rows.inputs, rows.targets)
    # Settled at 1e-11 of the first weight_delta, times a condition of a few thousand.
    np.testing.assert_allclose(step.weights["weight"], known.coef_.T, atol=1e-7, rtol=1e-7)
    if intercept:
        np.testing.assert_allclose(step.weights["intercept"], known.intercept_, atol=1e-7)


def test_a_penalty_on_logistic_loss_finds_scikit_learns() -> None:
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(120, 2))
    yes = rng.uniform(size=120) < 1 / (1 + np.exp(-(inputs @ [1.5, -1.0] + 0.5)))
    rows = Rows(Linear(), LOSSES["logistic"], inputs, yes[:, None].astype(float))
    objective = Penalised(rows, Ridge(np.array([[0.05]])))
    *_, step = train(rows.model.start(2, 1), objective, Newton(), steps=50, tolerance=1e-12)
    # scikit-learn's C weighs the summed loss against half the squared weights: C = 1 / (n * ridge).
    known = linear_model.LogisticRegression(C=1 / (120 * 0.05), solver="newton-cholesky", tol=1e-12)
    known.fit(inputs, yes)
    np.testing.assert_allclose(step.weights["weight"][:, 0], known.coef_[0], rtol=1e-8)
    np.testing.assert_allclose(step.weights["intercept"], known.intercept_, rtol=1e-8)


def test_an_infinitely_heavy_penalty_leaves_the_mean() -> None:
    rows = rows_of(2)
    objective = Penalised(rows, Ridge(np.array([[1e12]])))
    *_, step = train(rows.model.start(P, K), objective, Newton(), steps=5)
    assert np.abs(step.weights["weight"]).max() < 1e-11
    np.testing.assert_allclose(step.weights["intercept"], rows.targets.mean(axis=0), rtol=1e-10)


# Lasso and the elastic net.

POSITIVE = np.array([0.0, -np.inf, 0.0])


def written(strength: Array, ridge: Array, weights: Weights) -> float:
    weight = weights["weight"]
    return float((each(strength) * np.abs(weight) + each(ridge) * weight**2 / 2).sum())


@shapes
@DRAWN
@given(seed=seeds)
def test_value_of_lasso_is_the_sum_written_out(strength: Array, seed: int) -> None:
    weights, ridge = weights_of(seed), STRENGTHS["(p, 1)"]
    # Twelve positive terms, in another order.
    for penalty, known in [
        (Lasso(strength), written(strength, np.array(0.0), weights)),
        (Lasso(strength, Ridge(ridge)), written(strength, ridge, weights)),
    ]:
        assert penalty.value(weights) == pytest.approx(known, rel=1e-14)
    above = {**weights, "weight": np.abs(weights["weight"])}
    below = {**above, "weight": above["weight"] * [[1.0], [1.0], [-1.0]]}
    only = Lasso(strength, low=POSITIVE)
    assert only.value(above) == Lasso(strength).value(above)
    assert only.value(below) == np.inf
    within = Lasso(strength, high=np.full(P, np.max(above["weight"])))
    assert within.value(above) == Lasso(strength).value(above)
    assert within.value({**above, "weight": above["weight"] * 1.01}) == np.inf


@pytest.mark.parametrize("intercept", [True, False])
def test_the_smooth_part_of_lasso_is_its_ridge(intercept: bool) -> None:
    ridge, weights = Ridge(STRENGTHS["(p,)"]), weights_of(2, intercept=intercept)
    both = Lasso(np.array(0.7), ridge, POSITIVE, np.full(P, 3.0))
    np.testing.assert_array_equal(stack(both.gradient(weights)), stack(ridge.gradient(weights)))
    np.testing.assert_array_equal(both.hessian(weights), ridge.hessian(weights))
    alone = Lasso(np.array(0.7))
    assert not stack(alone.gradient(weights)).any()
    assert not alone.hessian(weights).any()


RANGES = {
    "none": (np.array(-np.inf), np.array(np.inf)),
    "signs": (POSITIVE, np.array(np.inf)),
    "ranges": (np.array([-2.0, 1.0, -np.inf]), np.array([3.0, 4.0, -1.0])),
    "each weight its own": (np.full((P, K), -1.5), np.array([[2.0, 9.0]] * P)),
    "held": (np.full((P, K), 2.5), np.full((P, K), 2.5)),
}


@shapes
@pytest.mark.parametrize("between", RANGES.values(), ids=RANGES)
@DRAWN
@given(seed=seeds, step=st.floats(1e-3, 1e3))
def test_prox_is_the_best_trade_of_lasso_and_distance(
    strength: Array, between: tuple[Array, Array], seed: int, step: float
) -> None:
    low, high = between
    penalty = Lasso(strength, Ridge(np.array(5.0)), low, high)
    weights = weights_of(seed)
    near = penalty.prox(weights, step)
    np.testing.assert_array_equal(near["intercept"], weights["intercept"])
    # The ridge is no part of it: that has a gradient.
    kinked = Lasso(strength, low=low, high=high)

    def cost(weight: Array) -> float:
        value = kinked.value({**weights, "weight": weight})
        return step * value + float(((weight - weights["weight"]) ** 2).sum() / 2)

    def column(ends: Array) -> Array:
        return ends if ends.ndim == 2 else ends.reshape(-1, 1)

    best = cost(near["weight"])
    rng = np.random.default_rng(seed)
    for size in (0, 1e-6, 1e-3, 1.0, 30.0):
        other = near["weight"] * (size > 0) + size * rng.normal(size=(P, K))
        # Rounding of sums of some 1e3 squared.
        assert cost(np.clip(other, column(low), column(high))) >= best * (1 - 1e-13)


@DRAWN
@given(seed=seeds, by=st.floats(0, 20))
def test_shrinking_brings_weights_no_further_apart_and_ends_at_zero_itself(
    seed: int, by: float
) -> None:
    one, other = weights_of(seed)["weight"], weights_of(seed + 1)["weight"]
    for low in (-np.inf, POSITIVE[:, None]):
        apart = shrink(one, by, low) - shrink(other, by, low)
        assert (np.abs(apart) <= np.abs(one - other) * (1 + 1e-15)).all()
    near = np.abs(one) <= by
    assert (shrink(one, by)[near] == 0).all()
    assert (np.abs(shrink(one, by)) == np.maximum(np.abs(one) - by, 0)).all()


@pytest.mark.parametrize("between", RANGES.values(), ids=RANGES)
@DRAWN
@given(seed=seeds)
def test_nothing_is_left_exactly_where_a_small_step_and_prox_stay(
    between: tuple[Array, Array], seed: int
) -> None:
    penalty = Lasso(np.array([0.5, 2.0, 0.0]), low=between[0], high=between[1])
    rng = np.random.default_rng(seed)
    weights = penalty.prox(weights_of(seed), float(rng.choice([0.0, 3.0, 10.0])))
    gradient = unstack(np.round(rng.normal(size=(P + 1, K)) * 2), weights)
    left, step = penalty.left(weights, gradient), 2.0**-20
    moved = {name: array - step * gradient[name] for name, array in weights.items()}
    moved = penalty.prox(moved, step)
    # Of so small a step, a weight that leaves zero or an end goes as far as what is left says.
    stack_of = stack(weights) - stack(moved)
    np.testing.assert_allclose(stack_of / step, stack(left), atol=1e-7)


@pytest.mark.parametrize("penalty", [Ridge(np.array(2.0)), Lasso(np.array(0.0))])
def test_without_a_kink_prox_leaves_the_weights_as_they_are(penalty: Penalty) -> None:
    weights = weights_of(3)
    np.testing.assert_array_equal(stack(penalty.prox(weights, 10.0)), stack(weights))


@pytest.mark.parametrize("learner", ["descent", "newton"])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_proximal_learners_find_scikit_learns_elastic_net(
    positive: bool, intercept: bool, learner: str
) -> None:
    rows = rows_of(8, intercept=intercept)
    lasso, ridge = 0.03, 0.02
    low = np.array(0.0 if positive else -np.inf)
    penalty = Lasso(np.array(lasso), Ridge(np.array(ridge)), low)
    objective = Penalised(rows, penalty)
    weights = rows.model.start(P, K)
    hessian = objective(weights, hessian=True).average().hessian
    assert hessian is not None
    alpha = alpha_range_of(hessian).fastest
    chosen = ProximalDescent(alpha, penalty) if learner == "descent" else ProximalNewton(penalty)
    *before, last = train(
        weights, objective, chosen, steps=5000, tolerance=1e-12, remaining=penalty.left
    )
    assert last.stopped is not None
    assert last.stopped.reason == "settled"
    losses = [step.comparison.loss for step in [*before, last]]
    assert all(now <= then * (1 + 1e-15) for then, now in pairwise(losses))
    weights = last.weights
    assert (weights["weight"] == 0).any()
    for output in range(K):
        known = linear_model.ElasticNet(
            alpha=lasso + ridge,
            l1_ratio=lasso / (lasso + ridge),
            fit_intercept=intercept,
            positive=positive,
            tol=1e-15,
            max_iter=100_000,
        ).fit(rows.inputs, rows.targets[:, output])
        # The root of scikit-learn's duality gap.
        np.testing.assert_allclose(weights["weight"][:, output], known.coef_, atol=1e-8)
        if intercept:
            assert weights["intercept"][output] == pytest.approx(known.intercept_, abs=1e-8)
    value = objective(weights).average()
    errors = (rows.model.predict(weights, rows.inputs) - rows.targets) ** 2
    written_out = errors.sum(axis=1).mean() / 2 + penalty.value(weights)
    assert value.loss == pytest.approx(written_out, rel=1e-12)
