"""Tables with fewer rows than columns: rows are kept in place of the products of columns."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

import deltarule as dr
from deltarule.errors import LearningError
from deltarule.fit.outcome import Outcome
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.moments.folds import fold_of_rows
from deltarule.moments.standardize import from_zero
from deltarule.rule.predict import Array
from deltarule.tables import one_read, read_room
from deltarule.views.report import report

N, P, FOLDS = 60, 150, 5


@pytest.fixture(autouse=True)
def of_few_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are kept of far fewer columns than it pays for."""
    monkeypatch.setattr(read_room, "MANY_COLUMNS", 100)


def table(seed: int = 0) -> tuple[pl.DataFrame, Array, Array]:
    """Inputs in many units, some far from zero, of which ten say something; and a target."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, P)) * 10.0 ** rng.uniform(-3, 3, P) + rng.normal(size=P) * 20
    spread = x[:, :10].std(axis=0)
    y = 7 + (x[:, :10] / spread) @ rng.normal(size=10) + rng.normal(size=N)
    return pl.DataFrame({**{f"x{at}": x[:, at] for at in range(P)}, "y": y}), x, y


def outcome(frame: pl.DataFrame, **settings: Any) -> Outcome:
    run = Run.of(frame, Settings(predict="y", **settings))
    assert run.read.wide
    return run.group.outcome()


def refit(
    x: Array, y: Array, each: Array, spread: Array, alpha: float, *, intercept: bool
) -> tuple[Array, float]:
    """By scikit-learn, or without a ridge by numpy: the smallest weights that fit."""
    if alpha:
        found = Ridge(alpha=alpha, fit_intercept=intercept, solver="svd")
        found.fit(x / spread, y, sample_weight=each)
        return found.coef_ / spread, float(found.intercept_)
    root = np.sqrt(each)[:, None]
    mean = np.average(x, axis=0, weights=each) if intercept else np.zeros(x.shape[1])
    middle = float(np.average(y, weights=each)) if intercept else 0.0
    weight = np.linalg.pinv(root * (x - mean) / spread, rcond=1e-10) @ (root[:, 0] * (y - middle))
    return weight / spread, middle - float(mean @ (weight / spread))


@pytest.mark.parametrize("ridge", [0, 0.1, 30.0, "auto"])
@pytest.mark.parametrize("how", ["plain", "no intercept", "weights"])
def test_weights_and_every_fold_are_those_of_explicit_refits(ridge: Any, how: str) -> None:
    frame, x, y = table()
    each = np.ones(N)
    settings: dict[str, Any] = {"ridge": ridge, "intercept": how != "no intercept"}
    if how == "weights":
        each = np.random.default_rng(1).uniform(0.5, 3, N)
        frame, settings["weight"] = frame.with_columns(w=each), "w"
    found = outcome(frame, **settings)
    mean = np.average(x, axis=0, weights=each) if settings["intercept"] else 0.0
    spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=each))
    fold, intercept = fold_of_rows(1, N, FOLDS), settings["intercept"]

    def by_hand(rows: Any) -> tuple[Array, float]:
        alpha = found.ridge * each[rows].sum()
        return refit(x[rows], y[rows], each[rows], spread, alpha, intercept=intercept)

    def close(weights: Any, rows: Any) -> float:
        weight, free = by_hand(rows)
        weights = weights if found.centre is None else from_zero(weights, found.centre)
        # Weights are in units of 1e-3 to 1e3, so they are compared in units of spread 1.
        assert weights["weight"][:, 0] * spread == pytest.approx(weight * spread, rel=0, abs=1e-9)
        if intercept:
            assert weights["intercept"][0] == pytest.approx(free, rel=1e-9, abs=1e-9)
        left = each[~rows] * (y[~rows] - x[~rows] @ weight - free) ** 2
        return float(left.sum())

    close(found.weights, np.ones(N, dtype=bool))
    assert found.held_out is not None
    apart = [close(found.held_out.fold_weights[at], fold != at) for at in range(FOLDS)]
    told = found.held_out.errors[0] * found.held_out.unit[0] ** 2
    assert told == pytest.approx(sum(apart), rel=1e-9)


def test_later_periods_are_judged_by_the_earlier_ones() -> None:
    frame, x, y = table()
    found = outcome(frame.with_columns(t=np.arange(N)), ridge=0.5, time="t")
    spread = x.std(axis=0)
    assert found.held_out is not None
    folds = sorted(found.held_out.fold_weights)
    assert folds == [1, 2, 3, 4]
    cuts = np.quantile(np.arange(N), [0.2, 0.4, 0.6, 0.8])
    rows = np.arange(N) < cuts[1]  # the first two periods
    each = np.ones(int(rows.sum()))
    weight, _ = refit(x[rows], y[rows], each, spread, 0.5 * len(each), intercept=True)
    taught = found.held_out.fold_weights[2]["weight"][:, 0]
    assert taught * spread == pytest.approx(weight * spread, rel=0, abs=1e-9)


def test_gaps_and_categories_are_learnt_as_from_products(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 30)) + 5
    x[rng.random(x.shape) < 0.1] = np.nan
    names = np.array(["red", "green", "blue", "rare"])[rng.integers(0, 4, 60)]
    names[0] = "once"
    frame = pl.DataFrame({f"x{at}": x[:, at] for at in range(30)})
    frame = frame.with_columns(colour=names, y=np.nan_to_num(x[:, 0]) + (names == "red"))
    usual = dr.learn(frame, predict="y", ridge=0.2)
    monkeypatch.setattr(one_read, "wide", lambda made, rows: True)
    kept = dr.learn(frame, predict="y", ridge=0.2)
    assert kept.record.contract == usual.record.contract
    ours, theirs = ([one.weight for one in model.record.weights] for model in (kept, usual))
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-11)
    assert kept.record.fit[0].rmse == pytest.approx(usual.record.fit[0].rmse, rel=1e-9)
    assert kept.predict(frame).equals(kept.predict(frame.clone()))


def test_a_model_is_saved_loaded_shown_and_predicts_the_same(tmp_path: Path) -> None:
    frame = table()[0]
    model = dr.learn(frame, predict="y")
    model.save(tmp_path / "model.json")
    again = dr.load(tmp_path / "model.json")
    predicted = again.predict(frame)["y_prediction"]
    assert predicted.to_list() == model.predict(frame)["y_prediction"].to_list()
    [held_out] = again.record.held_out or ()
    assert held_out.rmse < held_out.baseline_rmse
    assert any("on held-out rows" in note for note in again.record.notes)
    assert all(one.standard_error is None for one in again.record.weights)
    assert "no standard errors beside a penalty" in report(again, frame)


@pytest.mark.parametrize("ridge", [0.3, "auto"])
def test_yes_and_no_are_learnt_by_gradients_alone(ridge: Any) -> None:
    frame, x, y = table()
    yes = y > np.median(y)
    frame = frame.drop("y").with_columns(y=pl.Series(yes))
    run = Run.of(frame, Settings(predict="y", ridge=ridge, tolerance=1e-10))
    found = run.group.outcome()
    assert found.learner == "lbfgs"
    assert found.ridge > 0
    spread, mean = x.std(axis=0), x.mean(axis=0)
    model = LogisticRegression(C=1 / (found.ridge * N), tol=1e-12, max_iter=10_000)
    model.fit((x - mean) / spread, yes)
    # scikit-learn stops at a gradient of 1e-12 or so, on a loss whose curvature is the ridge.
    ours = found.weights["weight"][:, 0] * spread
    assert ours == pytest.approx(model.coef_[0], rel=0, abs=1e-6)
    assert found.held_out is not None
    assert found.condition is None


def test_classes_are_learnt_too() -> None:
    frame, _, y = table()
    named = np.array(["low", "middle", "high"])[np.digitize(y, np.quantile(y, [0.33, 0.66]))]
    model = dr.learn(frame.with_columns(y=named), predict="y", ridge=1.0)
    assert model.record.learnt[0].learner == "lbfgs"
    [held_out] = model.record.held_out or ()
    assert held_out.loss is not None
    assert held_out.baseline_loss is not None
    assert held_out.loss < 1.1 * held_out.baseline_loss


@pytest.mark.parametrize(
    "settings",
    [
        {"lasso": 0.1},
        {"ridge": {"x1": 2.0}},
        {"errors": "robust"},
        {"freeze": {"x1": 1.0}},
        {"learner": "descent"},
        {"learner": "lbfgs"},
        {"loss": "absolute"},
        {"loss": "poisson", "learner": "newton"},
    ],
)
def test_what_needs_the_products_of_columns_is_refused(settings: dict[str, Any]) -> None:
    frame, _, y = table()
    with pytest.raises(LearningError, match="name fewer inputs"):
        dr.learn(frame.with_columns(y=np.abs(y)), predict="y", **settings)


def test_more_rows_than_there_is_room_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.solvers.dual.MOST_ENTRIES", 50)
    with pytest.raises(LearningError, match="too many products"):
        dr.learn(table()[0], predict="y")
