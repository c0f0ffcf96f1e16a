"""The shells find what scikit-learn's own models find, once strengths are translated.

deltarule minimises, for the weights w of inputs of mean 0 and population standard deviation 1,

    mean loss + ridge / 2 * sum(w ** 2) + lasso * sum(abs(w))

so on inputs from StandardScaler the strengths of both are each other's but for a factor.
"""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, root
from sklearn import linear_model
from sklearn.preprocessing import StandardScaler

from deltarule.estimators import DeltaClassifier, DeltaRegressor
from deltarule.rule.predict import Array

SEED, N = 30, 300


def drawn(kind: str) -> tuple[Array, Array]:
    """Inputs of different size that depend on each other, and targets that suit the loss."""
    rng = np.random.default_rng(SEED)
    inputs = rng.normal(size=(N, 4)) @ (np.eye(4) + 0.3) * [1, 10, 0.1, 3] + [5, 0, 2, -1]
    score = inputs @ [0.3, -0.05, 2.0, 0.0] - 5
    mean = np.exp(score)
    targets = {
        "numbers": score + rng.normal(size=N),
        "heavy": score + rng.standard_t(2, N),
        "two classes": (rng.uniform(size=N) < 1 / (1 + np.exp(-score))).astype(float),
        "counts": rng.poisson(mean).astype(float),
        "amounts": rng.gamma(2, mean / 2),
        "some amounts": np.where(rng.uniform(size=N) < 0.3, 0, rng.gamma(2, mean / 2)),
    }
    return inputs, targets[kind]


def scaled(inputs: Array) -> Array:
    made: Array = StandardScaler().fit_transform(inputs)
    return made


def check_same(mine: Any, known: Any, inputs: Array, *, rel: float = 1e-8) -> None:
    """Same weights on standardised inputs, same intercept, same predictions."""
    weights, peers = (np.atleast_2d(one.coef_) for one in (mine, known))
    size = np.abs(peers).max()
    # A weight of 0 is compared with the largest: 1e-8 of nothing is nothing.
    np.testing.assert_allclose(weights, peers, rtol=rel, atol=rel * size)
    np.testing.assert_allclose(mine.intercept_, known.intercept_, rtol=rel, atol=rel)
    how = "predict_proba" if hasattr(known, "predict_proba") else "predict"
    found, peer = (getattr(one, how)(inputs) for one in (mine, known))
    np.testing.assert_allclose(found, peer, rtol=rel, atol=rel)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("outputs", [1, 3])
def test_linear_regression(weighted: bool, intercept: bool, outputs: int) -> None:
    inputs, targets = drawn("numbers")
    if outputs > 1:
        targets = np.column_stack([targets, targets[::-1] * 100, targets**2])
    each = np.random.default_rng(1).uniform(0, 3, N) if weighted else None
    known = linear_model.LinearRegression(fit_intercept=intercept).fit(inputs, targets, each)
    mine = DeltaRegressor(ridge=0, intercept=intercept).fit(inputs, targets, each)
    check_same(mine, known, inputs)
    assert mine.coef_.shape == known.coef_.shape
    assert (
        np.shape(mine.intercept_)
        == (np.shape(known.intercept_) if intercept else (outputs,))[: outputs - 1]
    )


@pytest.mark.parametrize("ridge", [1e-3, 0.1, 10])
def test_ridge(ridge: float) -> None:
    # Its squares are summed and have no half: alpha = ridge * rows.
    inputs, targets = drawn("numbers")
    inputs = scaled(inputs)
    known = linear_model.Ridge(alpha=ridge * N, solver="cholesky").fit(inputs, targets)
    check_same(DeltaRegressor(ridge=ridge).fit(inputs, targets), known, inputs)


@pytest.mark.parametrize("lasso", [1e-3, 0.05, 0.5])
def test_lasso(lasso: float) -> None:
    inputs, targets = drawn("numbers")
    inputs = scaled(inputs)
    known = linear_model.Lasso(alpha=lasso, tol=1e-15, max_iter=10**6).fit(inputs, targets)
    mine = DeltaRegressor(lasso=lasso, ridge=0).fit(inputs, targets)
    check_same(mine, known, inputs)
    assert ((mine.coef_ == 0) == (known.coef_ == 0)).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("alpha", [1e-3, 0.1, 0.5])
def test_elastic_net(alpha: float, share: float) -> None:
    # lasso = alpha * l1_ratio, ridge = alpha * (1 - l1_ratio)
    inputs, targets = drawn("numbers")
    inputs = scaled(inputs)
    known = linear_model.ElasticNet(alpha=alpha, l1_ratio=share, tol=1e-15, max_iter=10**6)
    mine = DeltaRegressor(lasso=alpha * share, ridge=alpha * (1 - share))
    check_same(mine.fit(inputs, targets), known.fit(inputs, targets), inputs)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ridge", [0, 1e-3, 0.1])
def test_logistic_regression(ridge: float, weighted: bool) -> None:
    # Its losses are summed and C weighs them, not the penalty: C = 1 / (ridge * rows).
    inputs, targets = drawn("two classes")
    inputs = scaled(inputs)
    each = np.random.default_rng(1).integers(1, 4, N).astype(float) if weighted else None
    rows = N if each is None else each.sum()
    if each is not None:
        # Standardised with the weights that the rows have.
        inputs = StandardScaler().fit_transform(inputs, sample_weight=each)
    strength = 1 / (ridge * rows) if ridge else np.inf
    known = linear_model.LogisticRegression(
        C=strength, solver="newton-cholesky", tol=1e-14, max_iter=1000
    ).fit(inputs, targets, each)
    mine = DeltaClassifier(ridge=ridge, tolerance=1e-12).fit(inputs, targets, each)
    check_same(mine, known, inputs)
    np.testing.assert_allclose(
        mine.decision_function(inputs), known.decision_function(inputs), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ridge", [0, 1e-3, 0.1])
def test_logistic_regression_of_several_classes(ridge: float, weighted: bool) -> None:
    inputs, heavy = drawn("heavy")
    targets = np.array(["low", "middle", "high"])[np.digitize(heavy, [-1.0, 1.0])]
    each = np.random.default_rng(1).integers(1, 4, N).astype(float) if weighted else None
    rows = N if each is None else each.sum()
    inputs = StandardScaler().fit_transform(inputs, sample_weight=each)
    strength = 1 / (ridge * rows) if ridge else np.inf
    known = linear_model.LogisticRegression(
        C=strength, solver="newton-cg", tol=1e-14, max_iter=10_000
    ).fit(inputs, targets, each)
    mine = DeltaClassifier(ridge=ridge, tolerance=1e-12).fit(inputs, targets, each)
    # Without a ridge the same may be added to all classes' weights: ours add up to 0.
    known.coef_ = known.coef_ - known.coef_.mean(axis=0)
    known.intercept_ = known.intercept_ - known.intercept_.mean()
    check_same(mine, known, inputs)


GENERALISED = {
    "poisson": ("counts", linear_model.PoissonRegressor),
    "gamma": ("amounts", linear_model.GammaRegressor),
    "tweedie(1.5)": (
        "some amounts",
        lambda **more: linear_model.TweedieRegressor(power=1.5, link="log", **more),
    ),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ridge", [0, 1e-3, 0.1])
@pytest.mark.parametrize("loss", GENERALISED)
def test_generalised_linear_models(loss: str, ridge: float, weighted: bool) -> None:
    # Half the mean deviance is the mean loss but for a constant: alpha = ridge.
    kind, peer = GENERALISED[loss]
    inputs, targets = drawn(kind)
    each = np.random.default_rng(1).integers(1, 4, N).astype(float) if weighted else None
    inputs = StandardScaler().fit_transform(inputs, sample_weight=each)
    known = peer(alpha=ridge, solver="newton-cholesky", tol=1e-13, max_iter=1000)
    known.fit(inputs, targets, each)
    mine = DeltaRegressor(loss=loss, ridge=ridge, tolerance=1e-12).fit(inputs, targets, each)
    check_same(mine, known, inputs)


def at_rest(known: Any, inputs: Array, targets: Array) -> Array:
    """Where the peer's objective has no slope: its weights, intercept and scale.

    Its search ends where the objective, not its slope, changes no more: 1e-5 from there.
    """
    design = np.column_stack([inputs, np.ones(N)])

    def slope(where: Array) -> Array:
        off = (targets - design @ where[:-1]) / where[-1]
        near = np.clip(off, -known.epsilon, known.epsilon)
        return np.append(design.T @ near, N - np.sum(near**2))

    start = np.array([*known.coef_, known.intercept_, known.scale_])
    found = root(slope, start, tol=1e-14).x
    np.testing.assert_allclose(found, start, rtol=1e-3, atol=1e-4)
    assert isinstance(found, np.ndarray)
    return found


def test_huber_regression() -> None:
    # Its threshold is epsilon times a scale found together with the weights; ours is a threshold
    # times the spread of the residuals, the median of their sizes / 0.6745. Where both products
    # are the same, so are the weights.
    inputs, targets = drawn("heavy")
    inputs = scaled(inputs)
    known = linear_model.HuberRegressor(epsilon=1.5, alpha=0, tol=1e-12, max_iter=10_000)
    rest = at_rest(known.fit(inputs, targets), inputs, targets)
    known.coef_, known.intercept_, known.scale_ = rest[:-2], rest[-2], rest[-1]

    def fitted(threshold: float) -> Any:
        loss = f"huber({float(threshold)!r})"
        return DeltaRegressor(loss=loss, ridge=0, tolerance=1e-12).fit(inputs, targets)

    def apart(threshold: float) -> float:
        spread = fitted(threshold).model_.record.fit[0].spread
        return float(threshold * spread - known.epsilon * known.scale_)

    check_same(fitted(brentq(apart, 0.5, 3, xtol=1e-14)), known, inputs)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_regression(quantile: float) -> None:
    inputs, targets = drawn("heavy")
    inputs = scaled(inputs)
    known = linear_model.QuantileRegressor(quantile=quantile, alpha=0, solver="highs")
    mine = DeltaRegressor(loss=f"quantile({quantile})", ridge=0, tolerance=1e-12)
    # A kink rounded until that hides 1e-11 of the loss leaves weights sure to some 1e-8.
    check_same(mine.fit(inputs, targets), known.fit(inputs, targets), inputs, rel=1e-7)


def test_penalties_stand_for_standardised_inputs_whatever_their_units() -> None:
    inputs, targets = drawn("numbers")
    plain = DeltaRegressor(ridge=0.1, lasso=0.05).fit(inputs, targets)
    standard = DeltaRegressor(ridge=0.1, lasso=0.05).fit(scaled(inputs), targets)
    np.testing.assert_allclose(plain.coef_ * inputs.std(axis=0), standard.coef_, rtol=1e-10)
    np.testing.assert_allclose(plain.predict(inputs), standard.predict(scaled(inputs)), rtol=1e-10)
