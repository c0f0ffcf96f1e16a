"""Guessing on held-out rows: what the rows that are learnt from would guess, never the others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.losses.links import finite_score
from deltarule.losses.registry import loss_named
from deltarule.rule.predict import Array
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import read
from deltarule.tables.request import Request

HOW: list[dict[str, Any]] = [{}, {"group": "shop"}, {"time": "day"}, {"id": "code"}]
LOSSES = ["squared", "logistic", "poisson", "gamma", "tweedie(1.5)", "absolute", "huber", "softmax"]


def drifting(loss: str) -> pl.DataFrame:
    """Rows whose targets drift with time and differ by shop, so what guessing may know matters."""
    rng = np.random.default_rng(3)
    n = 240
    day, shop, x = np.sort(rng.integers(0, 50, n)), rng.integers(0, 9, n), rng.normal(size=n)
    level = day / 20 + shop / 6 + 0.4 * x
    target: Any = {
        "logistic": lambda: rng.random(n) < 1 / (1 + np.exp(1.5 - level)),
        "poisson": lambda: rng.poisson(level.clip(0.1)),
        "gamma": lambda: rng.gamma(2, level.clip(0.1)),
        "tweedie(1.5)": lambda: rng.gamma(2, level.clip(0.1)) * (rng.random(n) < 0.8),
        "softmax": lambda: np.array(["a", "b", "c"])[
            np.digitize(level + rng.normal(size=n), [1, 2.5])
        ],
    }.get(loss, lambda: level + rng.standard_t(3, n))()
    return pl.DataFrame({"day": day, "shop": shop, "x": x, "y": target, "code": rng.permutation(n)})


def guessed(
    table: pl.DataFrame, loss: str, how: dict[str, Any], best: Callable[..., Array] = np.mean
) -> list[tuple[Array, Array]]:
    """Of each split the targets judged, and what those learnt from have for a mean, or a median."""
    takes = {"y": "classes"} if loss == "softmax" else {"y": "either"} if loss == "logistic" else {}
    found = read(open_table(table)[0], Request(["y"], ["x"], takes=takes, **how))
    fold = np.zeros(table.height, dtype=int)
    for part in found.rows():
        fold[part.number] = part.fold
    y = table["y"].to_numpy()
    targets = (y[:, None] == np.unique(y)).astype(float) if loss == "softmax" else y[:, None] * 1.0
    splits = []
    for one in sorted(set(fold.tolist()))[1 if "time" in how else 0 :]:
        others = fold < one if "time" in how else fold != one
        splits.append((targets[fold == one], best(targets[others], axis=0)))
    return splits


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_guessing_knows_the_rows_that_are_learnt_from(loss: str, how: dict[str, Any]) -> None:
    table = drifting(loss)
    model = dr.learn(table, predict="y", using="x", loss=loss, ridge=0, **how)
    assert model.record.held_out is not None
    held = model.record.held_out[0]
    splits = guessed(table, loss, how, np.median if loss == "absolute" else np.mean)
    rows = sum(len(targets) for targets, _ in splits)
    squares = sum(float(np.sum((targets - mean) ** 2)) for targets, mean in splits)
    assert held.baseline_rmse == pytest.approx(np.sqrt(squares / rows), rel=1e-9)
    strays = sum(float(np.sum(np.abs(targets - mean))) for targets, mean in splits)
    assert held.baseline_absolute_error == pytest.approx(strays / rows, rel=1e-9)
    formula = model.record.losses[0]
    losses = sum(
        float(formula.value(np.broadcast_to(formula.link(mean), targets.shape), targets).sum())
        for targets, mean in splits
    )
    assert held.baseline_loss == pytest.approx(losses / rows, rel=1e-9)
    if held.classes is not None:
        two = (
            [(np.hstack([1 - t, t]), np.append(1 - m, m)) for t, m in splits]
            if loss == "logistic"
            else splits
        )
        right = sum(float(t[:, np.argmax(m)].sum()) for t, m in two)
        assert held.classes.baseline_accuracy == pytest.approx(right / rows, rel=1e-12)
    assert model.to_dict()["held_out"]["baseline_loss"] == held.baseline_loss


@pytest.mark.parametrize("how", [{}, {"time": "day"}], ids=str)
def test_beside_an_offset_guessing_is_the_rate_of_the_rows_learnt_from(how: dict[str, Any]) -> None:
    table = drifting("poisson").with_columns(
        e=pl.Series(np.random.default_rng(1).uniform(1, 3, 240))
    )
    model = dr.learn(table, predict="y", using="x", loss="poisson", exposure="e", ridge=0, **how)
    assert model.record.held_out is not None
    exposed = guessed(table.with_columns(y="e"), "squared", how)
    counted = guessed(table, "poisson", how)
    losses = rows = 0.0
    for (e, mean_e), (y, mean_y) in zip(exposed, counted, strict=True):
        rate = mean_y / mean_e
        losses += float(np.sum(rate * e - y * np.log(rate * e)))
        rows += len(y)
    # The rate is learnt until a step promises 1e-8 of what the first did.
    assert model.record.held_out[0].baseline_loss == pytest.approx(losses / rows, rel=1e-6)


def test_a_drifting_share_is_guessed_from_earlier_rows(data: Path) -> None:
    table = pl.read_csv(data / "folds" / "drift.csv.gz")
    model = dr.learn(table, predict="bought", using="score", time="day", ridge=0)
    assert model.record.held_out is not None
    assert model.record.held_out[0].baseline_loss == pytest.approx(0.8124, abs=5e-5)
    assert "log loss 0.8197, of the classes' shares alone 0.8124" in " ".join(str(model).split())


# Log loss is one thing.


def test_log_loss_of_shares_is_the_same_wherever_it_is_told() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 9))
    table = {f"x{at}": x[:, at] for at in range(9)}
    table["y"] = np.clip(1 / (1 + np.exp(-x[:, 0] / 3)) + 0.2 * rng.normal(size=300), 0, 1)
    model = dr.learn(table, predict="y", loss="logistic")
    compared = model.compare(table)
    assert compared.outputs[0].classes is not None
    y, p = table["y"], np.array(model.predict(table)["y_prediction"])
    known = float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))
    assert compared.outputs[0].loss == pytest.approx(known, rel=1e-9)
    assert f"on the rows it learnt from, log loss {known:.4f}" in str(model)


def test_the_mean_loss_that_earns_a_ridge_its_place_is_that_of_held_out_rows() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(120, 25))
    table = {f"x{at}": x[:, at] for at in range(25)}
    table["y"] = np.clip(0.5 + 0.05 * x[:, 0] + 0.3 * rng.normal(size=120), 0, 1)
    model = dr.learn(table, predict="y", loss="logistic")
    assert model.record.held_out is not None
    (note,) = [note for note in model.record.notes if "earned its place" in note]
    said = float(note.split("held-out rows is ")[1].split(" with it")[0])
    # The search learns its folds to a thousandth of a step.
    assert said == pytest.approx(model.record.held_out[0].loss, rel=1e-3)


# Kinds of rows that those learnt from do not have.


@pytest.mark.parametrize("rare", [[0, 6], [1, 5, 7, 8]], ids=str)
@pytest.mark.parametrize("loss", ["logistic", "softmax", "poisson"])
def test_rows_of_a_kind_that_is_held_out_whole_are_not_judged(loss: str, rare: list[int]) -> None:
    # Rows 1 and 7 share a fold, and so do 2, 6, 8 and 9.
    rng = np.random.default_rng(2)
    yes = np.isin(np.arange(90), rare)
    target = {
        "softmax": np.where(yes, "c", np.where(np.arange(90) % 2, "a", "b")),
        "poisson": 2 * yes,
    }
    table = {"x": rng.normal(size=90), "y": target.get(loss, yes * 1)}
    model = dr.learn(table, predict="y", loss=loss, ridge=0.01)
    assert model.record.held_out is not None
    held = model.record.held_out[0]
    (note,) = [note for note in model.record.notes if "could not be judged" in note]
    what = {"logistic": "of 'yes'", "softmax": "of 'c'"}.get(loss)
    assert note.startswith(f"y: {len(rare)} rows {what} could" if what else "y: rows above 0 could")
    assert held.baseline_loss is not None
    assert held.loss is not None
    assert held.loss < 2 * held.baseline_loss + 0.01
    if held.classes is not None:
        assert held.classes.rows == 90 - len(rare)


@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_of_enough_rows_every_fold_has_every_class(loss: str) -> None:
    rng = np.random.default_rng(3)
    for seed in range(12):
        n = 1000
        rare = np.isin(np.arange(n), rng.choice(n, 60, replace=False))
        y = (
            np.where(rare, "c", np.where(rng.random(n) < 0.5, "a", "b"))
            if loss == "softmax"
            else rare
        )
        table = pl.DataFrame({"x": rng.normal(size=n), "y": y})
        takes = {"y": "classes" if loss == "softmax" else "either"}
        found = read(open_table(table)[0], Request(["y"], takes=takes))
        for fold in found.folds:
            shares = fold.mean[len(found.schema.inputs) :] * fold.scale[len(found.schema.inputs) :]
            assert (shares > 0).all(), seed


@pytest.mark.parametrize("loss", ["logistic", "poisson", "softmax"])
def test_the_score_of_a_mean_at_its_end_is_a_number(loss: str) -> None:
    formula = loss_named(loss)
    ends = np.array([0.0, 1.0]) if loss == "softmax" else np.array([0.0])
    score = finite_score(formula, ends)
    assert np.isfinite(score).all()
    assert np.isfinite(finite_score(formula, 1 - ends)).all()
    assert formula.value(score[None], ends[None])[0] == pytest.approx(0.0, abs=1e-12)
