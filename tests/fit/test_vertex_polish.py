"""Quantile fits are vertices of their linear program, which a solver of such programs confirms."""

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.optimize import linprog

import deltarule as dr
from deltarule.fit import smoothing

SEED = 5


def table(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if kind == "ties":
        inputs = rng.integers(0, 5, size=(240, 2)).astype(float)
        return inputs, np.round(inputs @ [1.0, -2.0] + rng.normal(size=240))
    inputs = rng.normal(size=(150, 4))
    targets = inputs @ rng.normal(size=4) + rng.standard_t(2, size=150)
    return inputs, targets * 1e6 + 1e9 if kind == "far" else targets


def least(inputs: np.ndarray, targets: np.ndarray, share: float) -> float:
    """The least mean loss there is, by linear programming."""
    n, p = inputs.shape
    whole = np.hstack([inputs, -inputs, np.eye(n), -np.eye(n)])
    costs = np.concatenate([np.zeros(2 * p), np.full(n, share), np.full(n, 1 - share)])
    tight = {"dual_feasibility_tolerance": 1e-10, "primal_feasibility_tolerance": 1e-10}
    found = linprog(costs, A_eq=whole, b_eq=targets, method="highs", options=tight)
    return float(found.fun) / n


def loss_of(
    coef: Mapping[str, float], inputs: np.ndarray, targets: np.ndarray, share: float
) -> tuple[float, int]:
    """The mean loss of these weights, and how many rows they meet to rounding."""
    weights = [coef[f"x{at}"] for at in range(inputs.shape[1])]
    off = targets - inputs @ weights - coef["(intercept)"]
    met = np.abs(off) <= 1e-12 * np.abs(targets).max()
    return float(np.mean(np.where(off > 0, share * off, (share - 1) * off))), int(met.sum())


@pytest.mark.parametrize("kind", ["plain", "ties", "far"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_quantile_fit_is_the_optimum_of_its_linear_program(kind: str, share: float) -> None:
    inputs, targets = table(kind, np.random.default_rng(SEED))
    columns = {f"x{at}": column for at, column in enumerate(inputs.T)}
    model = dr.learn(columns | {"y": targets}, predict="y", loss=f"quantile({share})", ridge=0)
    found, met = loss_of(model.coef, inputs, targets, share)
    best = least(np.column_stack([inputs, np.ones(len(inputs))]), targets, share)
    assert found == pytest.approx(best, rel=1e-12)
    assert met >= inputs.shape[1] + 1


def test_weights_that_are_held_stay_and_the_others_meet_rows() -> None:
    inputs, targets = table("plain", np.random.default_rng(SEED))
    columns = {f"x{at}": column for at, column in enumerate(inputs.T)}
    model = dr.learn(
        columns | {"y": targets},
        predict="y",
        loss="absolute",
        between={"x0": (0.25, 0.25 + 1e-3), "x1": (None, None)},
    )
    assert 0.25 <= model.coef["x0"] <= 0.25 + 1e-3
    assert loss_of(model.coef, inputs, targets, 0.5)[1] >= 4


def test_a_polish_that_raises_the_loss_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, targets = table("plain", np.random.default_rng(SEED))
    columns = {f"x{at}": column for at, column in enumerate(inputs.T)} | {"y": targets}

    def away(rows: object, weights: np.ndarray, *rest: object, **more: object) -> np.ndarray:
        return weights + 1.0

    polished = dr.learn(columns, predict="y", loss="absolute", ridge=0)
    monkeypatch.setattr(smoothing, "vertex_polish", away)
    smoothed = dr.learn(columns, predict="y", loss="absolute", ridge=0)
    for name, weight in polished.coef.items():
        assert smoothed.coef[name] == pytest.approx(weight, rel=1e-6)
