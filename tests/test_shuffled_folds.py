"""Held-out figures are those of folds that are shuffled, however often rows repeat."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.model_selection import KFold

import deltarule as dr
from deltarule.rule.predict import Array

N, SHUFFLES = 400, 5
LOSSES = ["squared", "logistic", "poisson", "softmax"]


def drawn(loss: str, distinct: int, *, gaps: bool) -> tuple[pl.DataFrame, pl.Series]:
    """So many distinct rows, and how often each is there: N in all, more or less."""
    rng = np.random.default_rng(distinct + 10 * LOSSES.index(loss) + gaps)
    x, z = rng.normal(size=(2, distinct))
    x[0], x[1] = 1.0, -1.0
    score = 0.8 * x - 0.5 * z
    target: Any = {
        "squared": lambda: np.round(score + rng.normal(size=distinct), 1),
        "logistic": lambda: (rng.random(distinct) < 1 / (1 + np.exp(-score))).astype(int),
        "poisson": lambda: rng.poisson(np.exp(score / 2)),
        "softmax": lambda: np.array(["a", "b", "c"])[
            np.argmax(np.column_stack([score, -score, 0 * z]) + rng.gumbel(size=(distinct, 3)), 1)
        ],
    }[loss]()
    if loss == "softmax":
        target[: min(distinct, 3)] = ["a", "b", "c"][:distinct]
    elif loss != "squared":
        target[:2] = [0, 1]
    table = pl.DataFrame({"x": x, "z": z, "y": target})
    if gaps:
        absent = rng.random(distinct) < 0.3
        table = table.with_columns(x=pl.when(pl.Series(absent)).then(None).otherwise(table["x"]))
    times = np.maximum(rng.poisson(N / distinct, distinct), 1)
    # The first few are there often enough for every fold.
    times[:3] = np.maximum(times[:3], 12)
    return table, pl.Series("n", times)


def design(table: pl.DataFrame, *, gaps: bool) -> Array:
    x = table["x"].to_numpy()
    gap = np.isnan(x)
    columns = [np.where(gap, np.nanmean(x), x), table["z"].to_numpy()]
    return np.column_stack([*columns, gap] if gaps else columns).astype(float)


def judged(loss: str, x: Array, y: Array, train: Array, test: Array) -> tuple[float, float]:
    """The summed loss of held-out rows, and that of guessing, by another library."""
    if loss == "squared":
        fit = LinearRegression().fit(x[train], y[train])
        off = fit.predict(x[test]) - y[test]
        return float(off @ off) / 2, float(np.sum((y[train].mean() - y[test]) ** 2)) / 2
    if loss == "poisson":
        fit = PoissonRegressor(alpha=0, tol=1e-8, max_iter=500).fit(x[train], y[train])
        mean, guess = fit.predict(x[test]), y[train].mean()
        known = float(np.sum(mean - y[test] * np.log(mean)))
        return known, float(np.sum(guess - y[test] * np.log(guess)))
    fit = LogisticRegression(C=1e9, tol=1e-6, max_iter=300).fit(x[train], y[train])
    of = np.searchsorted(fit.classes_, y[test])
    likely = fit.predict_log_proba(x[test])[np.arange(len(test)), of]
    share = np.array([np.mean(y[train] == one) for one in fit.classes_])
    return -float(likely.sum()), -float(np.log(share)[of].sum())


def shuffled(loss: str, x: Array, y: Array) -> Array:
    """The mean loss, and that of guessing, of every shuffle: (shuffles, 2)."""
    found = []
    for seed in range(SHUFFLES):
        folds = KFold(5, shuffle=True, random_state=seed).split(x)
        found.append(np.sum([judged(loss, x, y, *fold) for fold in folds], axis=0) / len(y))
    return np.array(found)


def figures(model: dr.Model, loss: str) -> Array:
    assert model.record.held_out is not None
    held = model.record.held_out[0]
    if loss == "squared":
        return np.array([held.rmse, held.baseline_rmse]) ** 2 / 2
    assert held.loss is not None
    assert held.baseline_loss is not None
    return np.array([held.loss, held.baseline_loss])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("distinct", [4, 12, 1000])
@pytest.mark.parametrize("loss", LOSSES)
def test_held_out_figures_are_those_of_shuffled_folds(
    loss: str, distinct: int, gaps: bool, weighted: bool
) -> None:
    table, times = drawn(loss, distinct, gaps=gaps and distinct > 4)
    order = np.random.default_rng(0).permutation(int(times.sum()))
    rows = table[np.repeat(np.arange(distinct), times)]
    x, y = design(rows, gaps=gaps and distinct > 4), rows["y"].to_numpy()
    known = shuffled(loss, x, y)
    asked: dict[str, Any] = {"predict": "y", "loss": loss, "using": ["x", "z"], "ridge": 0}
    if loss != "squared" and distinct <= 12:
        # So few rows are told apart perfectly as likely as not.
        asked["ridge"] = 1e-6
    if weighted:
        model = dr.learn(table.with_columns(times), weight="n", **asked)
    else:
        model = dr.learn(rows[order], **asked)
    # The spread of five shuffles is itself known to a third.
    spread = known.std(axis=0, ddof=1)
    assert np.abs(figures(model, loss) - known.mean(axis=0)) == pytest.approx(
        0, abs=float(np.max(6 * spread + 0.002 * np.abs(known.mean(axis=0))))
    )
