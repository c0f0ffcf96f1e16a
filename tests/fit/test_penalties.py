"""Penalties and ranges of every smooth loss through learn, against other libraries and conditions.

The conditions of a minimum are written out from the losses' own formulas, apart from the package's.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from sklearn import linear_model

import deltarule as dr
from deltarule.rule.predict import Array

P = 6
LOSSES = ["squared", "logistic", "poisson", "gamma", "tweedie(1.5)"]


def table_of(loss: str, seed: int = 0, rows: int = 150) -> pl.DataFrame:
    """A table whose columns differ in scale, of which two say something of the target."""
    rng = np.random.default_rng(seed)
    plain = rng.normal(size=(rows, P))
    score = 0.8 * plain[:, 0] - 0.6 * plain[:, 1] + 0.3
    target = {
        "squared": lambda: score + rng.normal(size=rows),
        "logistic": lambda: (rng.random(rows) < expit(score)).astype(float),
        "poisson": lambda: rng.poisson(np.exp(score)).astype(float),
        "gamma": lambda: rng.gamma(2.0, np.exp(score) / 2),
        "tweedie(1.5)": lambda: rng.gamma(2.0, np.exp(score) / 2) * (rng.random(rows) < 0.8),
    }[loss]()
    inputs = plain * np.logspace(-2, 2, P) + 3
    return pl.DataFrame({f"x{at}": inputs[:, at] for at in range(P)}).with_columns(
        y=pl.Series(target)
    )


def standardised(table: pl.DataFrame) -> tuple[Array, Array, Array]:
    inputs = table.select(pl.exclude("y")).to_numpy()
    spread = inputs.std(axis=0)
    return (inputs - inputs.mean(axis=0)) / spread, table["y"].to_numpy(), spread


SLOPES: dict[str, Callable[[Array, Array], Array]] = {
    "squared": lambda s, t: s - t,
    "logistic": lambda s, t: expit(s) - t,
    "poisson": lambda s, t: np.exp(s) - t,
    "gamma": lambda s, t: 1 - t * np.exp(-s),
    "tweedie(1.5)": lambda s, t: np.exp(0.5 * s) - t * np.exp(-0.5 * s),
}


def weights_of(model: dr.Model) -> Array:
    return np.array([one.weight for one in model.record.weights])


def wrong(
    table: pl.DataFrame,
    loss: str,
    model: dr.Model,
    *,
    ridge: Any = 0.0,
    lasso: Any = 0.0,
    low: Any = -np.inf,
    high: Any = np.inf,
    held: Any = False,
) -> float:
    """How far from a minimum: the steepest way down that penalties and ranges leave open."""
    inputs, target, spread = standardised(table)
    own = weights_of(model)
    weight, low, high = own * spread, np.broadcast_to(low, P), np.broadcast_to(high, P)
    assert (own >= low).all()
    assert (own <= high).all()
    scores = table.select(pl.exclude("y")).to_numpy() @ own + model.record.intercept[0].weight
    delta = SLOPES[loss](scores, target)
    slope = delta @ inputs / len(target) + np.broadcast_to(ridge, P) * weight
    bound = np.broadcast_to(lasso, P)
    right = slope + np.where(weight >= 0, bound, -bound)
    left = slope + np.where(weight > 0, bound, -bound)
    open_ = ~np.broadcast_to(held, P)
    up, down = np.where(open_ & (own < high), -right, 0), np.where(open_ & (own > low), left, 0)
    return float(np.max([abs(delta.mean()), *up, *down]))


@pytest.mark.parametrize("learner", [None, "descent"])
@pytest.mark.parametrize("loss", LOSSES)
def test_lasso_ridge_signs_ranges_and_frozen_weights_at_once(
    loss: str, learner: str | None
) -> None:
    table = table_of(loss)
    spread = standardised(table)[2]
    own = {"x0": 0.0, "x5": 0.02, None: 0.05}
    model = dr.learn(
        table,
        predict="y",
        loss=loss,
        learner=learner,
        lasso=own,
        ridge={"x1": 0.5, None: 0.01},
        positive="x2",
        between={"x0": (None, 0.5 / spread[0]), "x4": (0.001, None)},
        freeze={"x3": 0.01},
        tolerance=1e-11,
        steps=50_000,
    )
    at = np.arange(P)
    off = wrong(
        table,
        loss,
        model,
        lasso=np.select([at == 0, at == 5], [0.0, 0.02], 0.05),
        ridge=np.where(at == 1, 0.5, 0.01),
        low=np.select([at == 2, at == 4], [0.0, 0.001], -np.inf),
        high=np.where(at == 0, 0.5 / spread[0], np.inf),
        held=at == 3,
    )
    assert off < 1e-9
    weight = weights_of(model)
    assert weight[3] == 0.01
    assert weight[4] >= 0.001
    assert "ridge 0.01, 0.5 for x1; lasso 0.05, 0 for x0, 0.02 for x5" in str(model).replace(
        "\n      ", " "
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("strength", [0.0, 0.03, 0.2, 10.0])
def test_a_minimum_at_any_strength(loss: str, strength: float) -> None:
    table = table_of(loss, seed=1)
    model = dr.learn(table, predict="y", loss=loss, lasso=strength, ridge=0, tolerance=1e-12)
    assert wrong(table, loss, model, lasso=strength) < 1e-10
    learnt = model.record.learnt[0]
    assert learnt.lasso == strength
    assert learnt.stopped.startswith("solved" if loss == "squared" else "settled")
    if strength == 10:
        assert not weights_of(model).any()
        assert "6 of 6 weights are 0" in str(model)


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
def test_logistic_is_scikit_learns(ratio: float) -> None:
    table, strength = table_of("logistic", rows=200), 0.05
    inputs, target, spread = standardised(table)
    # Its C is one over strength times rows. Of its solvers only saga takes all three.
    peer = linear_model.LogisticRegression(
        C=1 / (strength * 200), l1_ratio=ratio, solver="saga", tol=1e-13, max_iter=100_000
    ).fit(inputs, target)
    model = dr.learn(
        table, predict="y", loss="logistic", lasso=strength * ratio, ridge=strength * (1 - ratio)
    )
    # Where saga stops, on gradients of single rows.
    np.testing.assert_allclose(weights_of(model), peer.coef_[0] / spread, rtol=1e-7)


@pytest.mark.parametrize(("loss", "power"), [("poisson", 1), ("gamma", 2), ("tweedie(1.5)", 1.5)])
def test_ridge_on_amounts_is_scikit_learns(loss: str, power: float) -> None:
    table = table_of(loss)
    inputs, target, spread = standardised(table)
    peer = linear_model.TweedieRegressor(
        power=power, alpha=0.1, link="log", solver="newton-cholesky", tol=1e-12, max_iter=1000
    ).fit(inputs, target)
    model = dr.learn(table, predict="y", loss=loss, ridge=0.1)
    np.testing.assert_allclose(weights_of(model), peer.coef_ / spread, rtol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_of_weight_three_is_three_rows(loss: str) -> None:
    table = table_of(loss, seed=3, rows=60)
    each = np.random.default_rng(5).integers(1, 4, size=60)
    weighted = table.with_columns(n=pl.Series(each))
    copied = pl.concat([table[[row]] for row in range(60) for _ in range(each[row])])
    asked: dict[str, Any] = {"predict": "y", "loss": loss, "lasso": 0.05, "ridge": {"x1": 0.2}}
    asked |= {"positive": "x2", "tolerance": 1e-12}
    asked["ridge"] = {"x1": 0.2, None: 0.0}
    one, other = dr.learn(weighted, weight="n", **asked), dr.learn(copied, **asked)
    np.testing.assert_allclose(weights_of(one), weights_of(other), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "gamma"])
def test_a_larger_strength_leaves_smaller_weights_and_a_larger_loss(loss: str) -> None:
    table = table_of(loss, seed=2)
    sizes, deviances = [], []
    for strength in (0.0, 0.01, 0.03, 0.1, 0.3):
        model = dr.learn(table, predict="y", loss=loss, lasso=strength, ridge=0)
        sizes.append(np.abs(weights_of(model) * standardised(table)[2]).sum())
        deviances.append(model.record.fit[0].deviance)
    assert (np.diff(sizes) < 0).all()
    assert (np.diff(deviances) > 0).all()


def test_several_targets_share_the_penalty() -> None:
    table = table_of("poisson").with_columns(z=pl.col("y").shuffle(seed=1) + 1)
    both = dr.learn(table, predict=["y", "z"], loss="poisson", lasso=0.1, ridge=0, positive="x1")
    for target, other in (("y", "z"), ("z", "y")):
        alone = dr.learn(table.drop(other), predict=target, loss="poisson", lasso=0.1,
                         ridge=0, positive="x1")  # fmt: skip
        found = [one.weight for one in both.record.weights if one.output == target]
        np.testing.assert_allclose(found, weights_of(alone), rtol=1e-7, atol=1e-10)


def test_proximal_steps_are_what_a_person_works_out() -> None:
    table = {"x": [1.0, 2.0, 4.0], "y": [3.0, 5.0, 9.0]}
    alpha, lasso, weight = 0.05, 1.5, 0.0
    # The strength is for inputs of spread 1, about zero without an intercept.
    own = lasso * np.sqrt((1 + 4 + 16) / 3)
    for step in dr.steps(
        table, predict="y", intercept=False, lasso=lasso, ridge=0, alpha=alpha, steps=5
    ):
        slope = ((weight * np.array(table["x"]) - table["y"]) * table["x"]).mean()
        assert step.comparison.weight_delta["weight"].item() == pytest.approx(slope, rel=1e-14)
        moved = weight - alpha * slope
        weight = np.sign(moved) * max(abs(moved) - alpha * own, 0.0)
        assert step.weights["weight"].item() == pytest.approx(weight, rel=1e-14)


def test_a_category_has_a_strength_for_all_its_levels_or_one_of_them() -> None:
    rng = np.random.default_rng(0)
    levels = rng.choice(["a", "b", "c"], size=120)
    target = rng.normal(size=120) + (levels == "b") * 2 - (levels == "c")
    table = {"level": levels, "x": rng.normal(size=120), "y": target}
    asked: dict[str, Any] = {"predict": "y", "reference": {"level": "a"}}
    free = dr.learn(table, ridge=0, **asked)
    all_of_it = dr.learn(table, ridge={"level": 1e9, None: 0}, **asked)
    one = dr.learn(table, lasso={"level=c": 1e9}, ridge=0, **asked)
    assert np.abs(weights_of(all_of_it)[:2]).max() < 1e-8
    assert weights_of(all_of_it)[2] != 0
    assert (weights_of(one) == 0).tolist() == [weight.level == "c" for weight in one.record.weights]
    assert not (weights_of(free) == 0).any()


def test_from_the_command_line(tmp_path: Path, run: Callable[..., Any]) -> None:
    table = table_of("logistic")
    table.write_csv(tmp_path / "t.csv")
    ran = run("learn", tmp_path / "t.csv", "--predict", "y", "--loss", "logistic", "--ridge", "0.1",
              "--ridge", "x1=2,x2=0", "--lasso", "x3=0.5", "--between", "x0=-1:0.5",
              "--between", "x5=:0", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    known = dr.learn(
        table,
        predict="y",
        loss="logistic",
        ridge={None: 0.1, "x1": 2, "x2": 0},
        lasso={"x3": 0.5},
        between={"x0": (-1, 0.5), "x5": (None, 0)},
    )
    assert [one["weight"] for one in told["weights"]] == weights_of(known).tolist()
    assert "w the weights of standardised inputs" in known.record.learnt[0].minimised


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ridge", "much"], "'much' is neither auto, a number nor NAME=NUMBER"),
        (["--ridge", "x1=auto"], "neither auto, a number nor NAME=NUMBER"),
        (["--lasso", "0.1", "--lasso", "0.2"], "'0.2' is a second strength for all columns"),
        (["--between", "x1"], "'x1' is not NAME=LOW:HIGH"),
        (["--between", "x1=3"], "as in budget=0:3, budget=0: or budget=:3"),
        (["--between", "x1=a:b"], "as in budget=0:3"),
    ],
)
def test_what_the_command_line_refuses(
    options: list[str], said: str, tmp_path: Path, run: Callable[..., Any]
) -> None:
    table_of("squared").write_csv(tmp_path / "t.csv")
    ran = run("learn", tmp_path / "t.csv", "--predict", "y", *options)
    assert ran.code == 2
    assert said in " ".join(ran.err.replace("│", " ").split())


def test_classes_are_scikit_learns_elastic_net() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(150, 5))
    scores = inputs @ rng.normal(size=(5, 3)) + rng.gumbel(size=(150, 3))
    classes = np.array(["a", "b", "c"])[scores.argmax(axis=1)]
    model = dr.learn(
        {**{f"x{at}": inputs[:, at] for at in range(5)}, "y": classes},
        predict="y",
        lasso=0.05,
        ridge=0.02,
    )
    inside = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    peer = linear_model.LogisticRegression(
        C=1 / (0.07 * 150), l1_ratio=0.05 / 0.07, solver="saga", tol=1e-12, max_iter=100_000
    ).fit(inside, classes)
    found = weights_of(model).reshape(3, 5) * inputs.std(axis=0)
    assert (found == 0).any()
    # Where saga stops.
    np.testing.assert_allclose(found, peer.coef_, atol=1e-9)
