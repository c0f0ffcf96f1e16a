"""Newton steps with the largest category eliminated: the same fits as with dense Hessians."""

from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.moments.design_matrix import CategoricalMatrix, CategoryCodes, SplitMatrix
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.one_hot_hessian import OneHotHessian, one_hot
from deltarule.moments.standardize import Standardization
from deltarule.solvers.one_hot_newton import Posed, newton_direction, own_extremes, steady

N, LEVELS, OTHERS = 3000, 60, 7
RNG = np.random.default_rng(12)
SHOP, KIND = RNG.integers(0, LEVELS, N), RNG.integers(0, OTHERS, N)
X = RNG.normal(size=(N, 2))
SCORE = 0.6 * X[:, 0] - 0.3 * X[:, 1] + RNG.normal(size=LEVELS)[SHOP] * 0.7 + KIND / 10 - 0.5
TABLE = pl.DataFrame(
    {
        "shop": [f"s{code}" for code in SHOP],
        "kind": [f"k{code}" for code in KIND],
        "group": [f"g{code % 5}" for code in SHOP],  # determined by the shop
        "x": X[:, 0] * 100 + 5,
        "z": X[:, 1],
        "yes": (RNG.random(N) < 1 / (1 + np.exp(-SCORE))).astype(int),
        "no": (RNG.random(N) < 0.4).astype(int),
        "visits": RNG.poisson(np.exp(SCORE)),
        "amount": RNG.gamma(2, np.exp(SCORE)),
        "times": 1 + np.arange(N) % 3,
    }
)
INPUTS = ["shop", "kind", "x", "z"]
FITS: dict[str, dict[str, Any]] = {
    "logistic": {"predict": "yes", "ridge": 0},
    "a chosen ridge": {"predict": "yes"},
    "poisson": {"predict": "visits", "loss": "poisson", "ridge": 0},
    "gamma": {"predict": "amount", "loss": "gamma", "ridge": 0.1},
    "gamma, errors": {"predict": "amount", "loss": "gamma", "ridge": 0},
    "weights": {"predict": "yes", "ridge": 0, "weight": "times"},
    "two targets": {"predict": ["yes", "no"], "loss": "logistic", "ridge": 0},
    "no intercept": {"predict": "yes", "ridge": 0, "intercept": False},
    "frozen": {"predict": "yes", "ridge": 0, "freeze": {"z": 0.25}},
    "dependent": {"predict": "yes", "ridge": 0, "using": [*INPUTS, "group"]},
    "lasso": {"predict": "yes", "lasso": 0.02},
    "robust": {"predict": "yes", "ridge": 0, "errors": "robust"},
    "huber": {"predict": "amount", "loss": "huber"},
    "time": {"predict": "yes", "ridge": 0, "time": "times"},
}


def figures(model: dr.Model) -> dict[str, Any]:
    record = model.record
    weights = [*record.intercept, *record.weights]
    assert record.held_out is not None
    learnt = record.learnt[0]
    nothing = np.nan
    return {
        "weights": [one.weight for one in weights],
        "errors": [one.standard_error or nothing for one in weights],
        "held out": [one.loss for one in record.held_out],
        "chosen": [learnt.ridge, learnt.lasso],
        "alphas": [learnt.alpha_limit or nothing, learnt.alpha_fastest or nothing],
    }


@pytest.mark.parametrize("name", FITS)
def test_fits_are_those_of_dense_hessians(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    asked = {"using": INPUTS, **FITS[name]}
    known = figures(dr.learn(TABLE, **asked))
    steps = []

    def counted(*args: Any) -> Any:
        steps.append(args)
        return newton_direction(*args)

    monkeypatch.setattr("deltarule.moments.design_matrix.DENSE_COLUMNS", 10)
    monkeypatch.setattr("deltarule.moments.one_hot.DENSE_COLUMNS", 10)
    monkeypatch.setattr("deltarule.solvers.newton.newton_direction", counted)
    found = figures(dr.learn(TABLE, **asked))
    assert steps or name in ("lasso", "huber")
    for figure in ("chosen", "held out", "weights", "errors", "alphas"):
        # Converged to a share of 1e-8 of the gradient, by steps that differ in the last digits.
        rtol = 1e-6 if figure == "alphas" else 1e-8
        np.testing.assert_allclose(
            found[figure], known[figure], rtol=rtol, atol=1e-9, err_msg=figure
        )


def hessians(*, intercept: bool = True) -> tuple[OneHotHessian, np.ndarray[Any, Any], SplitMatrix]:
    def category(codes: Any, size: int, start: int) -> CategoricalMatrix:
        share = np.bincount(codes, minlength=size + 1)[:-1] / N
        mean = share if intercept else np.zeros(size)
        return CategoricalMatrix(
            CategoryCodes(codes, size), start, mean, 1 / np.sqrt(share * (1 - share))
        )

    inputs = SplitMatrix(
        np.asfortranarray(X),
        np.array([LEVELS - 1, LEVELS]),
        (category(SHOP, LEVELS - 1, 0), category(KIND, OTHERS - 1, LEVELS + 1)),
    )
    slope = RNG.random((N, 2))
    found = inputs.one_hot_hessian(slope, intercept=intercept)
    return found, BlockLinear(intercept=intercept).hessian(np.asarray(inputs), slope), inputs


@pytest.mark.parametrize("intercept", [True, False])
def test_it_acts_as_the_array(intercept: bool) -> None:
    found, known, inputs = hessians(intercept=intercept)
    rng = np.random.default_rng(0)
    v, ridge = rng.normal(size=known.shape[1]), rng.random(known.shape[1])
    ridge[-1] *= not intercept  # which has no penalty
    held = rng.random(known.shape[:2]) < 0.1
    held[:, -1] = False
    ridged = known + np.diag(ridge)
    crossed = held[:, :, None] | held[:, None, :]
    cases = {
        "plain": (found, known),
        "sum": (found + found, 2 * known),
        "with an array": (known + found, 2 * known),
        "mean": ((found / 7.0).with_diagonal(ridge), known / 7 + np.diag(ridge)),
        "frozen": (
            found.with_diagonal(ridge).freeze(held, 3.0),
            np.where(crossed, 3 * np.eye(len(v)), ridged),
        ),
    }
    assert inputs.shape[1] + intercept == len(v)
    for name, (one, array) in cases.items():
        np.testing.assert_allclose(np.asarray(one), array, atol=1e-9, err_msg=name)
        levels = one_hot(one)
        if levels is None:
            assert name == "with an array"
            continue
        for at in range(2):
            np.testing.assert_allclose(levels.products(at, v), array[at] @ v, atol=1e-9)
            np.testing.assert_allclose(levels.diagonal(at), np.diag(array[at]), atol=1e-9)
            step = newton_direction(levels, at, v)
            np.testing.assert_allclose(step, np.linalg.solve(array[at], v), rtol=1e-8, atol=1e-11)


def test_extremes_variances_and_steadiness() -> None:
    found, known, inputs = hessians()
    p = inputs.shape[1]
    spread = np.ones(p)
    mean = np.zeros(p)
    for one in inputs.levels:
        mean[one.span], spread[one.span] = one.mean, 1 / one.per
    mean[inputs.dense_at], spread[inputs.dense_at] = [3, 1], [100, 1]
    standard = Standardization(mean, spread)
    back = np.linalg.inv(standard.jacobian(intercept=True))
    values = np.linalg.eigvalsh(back.T @ known @ back)
    ends = own_extremes(found, standard)
    assert ends == pytest.approx((values.max(), values.min()), rel=1e-9)
    posed = Posed.of(found, 1)
    assert posed is not None
    jacobian = standard.jacobian(intercept=True)
    variances = np.diag(jacobian @ np.linalg.inv(known[1]) @ jacobian.T)
    np.testing.assert_allclose(posed.variances(standard), variances, rtol=1e-9)
    same = found / 1.0
    assert steady(same, found / 1.0, 0.2)
    assert steady(found / 1.1, found / 1.0, 0.2)
    assert not steady(found / 1.4, found / 1.0, 0.2)
    # Its diagonal is alike, and it differs along a direction of several weights.
    half = hessians()[2].one_hot_hessian(
        np.repeat(X[:, :1] * X[:, 1:] > 0, 2, axis=1) * 2.0, intercept=True
    )
    all_rows = hessians()[2].one_hot_hessian(np.ones((N, 2)), intercept=True)
    assert not steady(half / 1.0, all_rows / 1.0, 0.2)
