"""Held-out figures are those of folds that are shuffled, however often rows repeat."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

import deltarule as dr
from deltarule.rule.predict import Array

N, SHUFFLES = 300, 4
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
        fit = PoissonRegressor(alpha=0, solver="newton-cholesky").fit(x[train], y[train])
        mean, guess = fit.predict(x[test]), y[train].mean()
        known = float(np.sum(mean - y[test] * np.log(mean)))
        return known, float(np.sum(guess - y[test] * np.log(guess)))
    fit = LogisticRegression(C=1e6, solver="newton-cholesky", tol=1e-6).fit(x[train], y[train])
    of = np.searchsorted(fit.classes_, y[test])
    likely = fit.predict_log_proba(x[test])[np.arange(len(test)), of]
    share = np.array([np.mean(y[train] == one) for one in fit.classes_])
    return -float(likely.sum()), -float(np.log(share)[of].sum())


def shuffled(loss: str, x: Array, y: Array) -> Array:
    """The mean loss, and that of guessing, of every shuffle: (shuffles, 2)."""
    found = []
    for seed in range(SHUFFLES):
        folds = KFold(5, shuffle=True, random_state=seed).split(x)
        with threadpool_limits(1):  # more threads only wait for each other
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
@pytest.mark.parametrize(("distinct", "gaps"), [(4, False), (12, True), (1000, True)])
@pytest.mark.parametrize("loss", LOSSES)
def test_held_out_figures_are_those_of_shuffled_folds(
    loss: str, distinct: int, gaps: bool, weighted: bool
) -> None:
    table, times = drawn(loss, distinct, gaps=gaps)
    order = np.random.default_rng(0).permutation(int(times.sum()))
    rows = table[np.repeat(np.arange(distinct), times)]
    known = shuffled(loss, design(rows, gaps=gaps), rows["y"].to_numpy())
    # So few rows are told apart perfectly as likely as not: the peer's ridge is as small.
    asked: dict[str, Any] = {"predict": "y", "loss": loss, "using": ["x", "z"]}
    asked["ridge"] = 0 if loss == "squared" else 1e-8
    if weighted:
        model = dr.learn(table.with_columns(times), weight="n", **asked)
    else:
        model = dr.learn(rows[order], **asked)
    # The spread of four shuffles is itself known to a third.
    spread = known.std(axis=0, ddof=1) + 0.002
    assert (np.abs(figures(model, loss) - known.mean(axis=0)) < 6 * spread).all(), known


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_penalties_are_chosen_as_of_rows_that_do_not_repeat(loss: str, weighted: bool) -> None:
    """What explains the target stays as it is, and noise is held back, though rows repeat."""
    table, times = drawn(loss, 24, gaps=True)
    if not weighted:
        table, times = table[np.repeat(np.arange(24), times)], None
    strong = table.with_columns(x=pl.col("x").fill_null(0.0))
    if loss == "squared":
        strong = strong.with_columns(y=2 * pl.col("x") + pl.col("y") / 4)
    asked: dict[str, Any] = {"predict": "y", "loss": loss, "using": ["x", "z"]}
    if weighted:
        strong, asked["weight"] = strong.with_columns(times), "n"
    plain = dr.learn(strong, ridge=1e-8, **asked)
    for penalty in ({}, {"lasso": "auto"}):
        model = dr.learn(strong, **asked, **penalty)
        assert model.record.held_out is not None
        assert plain.record.held_out is not None
        # A fold's hash of values taught nothing of its rows: 0.6 and more was lost to guessing.
        assert model.record.held_out[0].rmse < 1.02 * plain.record.held_out[0].rmse
        gained = plain.record.held_out[0].baseline_rmse - plain.record.held_out[0].rmse
        kept = plain.record.held_out[0].baseline_rmse - model.record.held_out[0].rmse
        assert kept > 0.5 * gained


# Published and found.


def test_the_titanic_is_judged_as_by_shuffled_folds(data: Path) -> None:
    """2,201 rows, of which 14 differ but for survival. Ten shuffles: AUC 0.753, log loss 0.505."""
    model = dr.learn(data / "folds" / "titanic.csv.gz", predict="survived")
    assert model.record.held_out is not None
    (held,) = model.record.held_out
    assert held.classes is not None
    assert held.classes.auc == pytest.approx(0.753, abs=0.005)
    assert held.loss == pytest.approx(0.505, abs=0.002)
    (sex,) = [one.weight for one in model.record.weights if one.input == "sex"]
    assert sex == pytest.approx(2.42, abs=0.005)
    assert model.record.learnt[0].ridge == 0
    assert model.record.fold_by == "row number"


def test_the_titanic_counted_is_the_titanic(data: Path) -> None:
    table = pl.read_csv(data / "folds" / "titanic.csv.gz")
    counted = table.group_by(table.columns, maintain_order=True).len("n")
    model = dr.learn(counted, predict="survived", weight="n")
    assert model.record.held_out is not None
    (held,) = model.record.held_out
    assert held.classes is not None
    assert held.classes.rows == 2201
    assert held.classes.auc == pytest.approx(0.753, abs=0.005)
    assert held.loss == pytest.approx(0.505, abs=0.002)
    assert model.record.learnt[0].ridge == 0


def test_an_ab_test_keeps_its_effect(data: Path) -> None:
    model = dr.learn(data / "folds" / "ab.csv.gz", predict="bought", using="page")
    assert model.record.weights[0].weight == pytest.approx(1.34993, abs=1e-5)
    assert model.record.intercept[0].weight == pytest.approx(-2.19722, abs=1e-5)
    assert model.record.held_out is not None
    assert model.record.held_out[0].loss == pytest.approx(0.471, abs=0.002)
    assert model.record.held_out[0].baseline_loss == pytest.approx(0.501, abs=0.002)


def test_claims_keep_their_effects(data: Path) -> None:
    model = dr.learn(
        data / "folds" / "claims.csv.gz",
        predict="claims",
        loss="poisson",
        reference={"plan": "basic"},
    )
    weights = {one.level: one.weight for one in model.record.weights}
    assert weights == pytest.approx({"max": 0.529, "plus": -0.218, "south": -0.435}, abs=5e-4)
    assert model.record.held_out is not None
    # Shuffled: 1.0996 and 1.1906.
    assert model.record.held_out[0].rmse == pytest.approx(1.0996, abs=0.01)
    assert model.record.held_out[0].baseline_rmse == pytest.approx(1.1906, abs=0.005)
