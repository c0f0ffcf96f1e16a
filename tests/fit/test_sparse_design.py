"""Lasso, elastic net and signs through learn and the command line, against scikit-learn."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression

import deltarule as dr


@pytest.fixture
def table() -> pl.DataFrame:
    rng = np.random.default_rng(21)
    inputs = rng.normal(size=(200, 8)) * np.logspace(-2, 3, 8)
    target = inputs[:, 0] * 50 - inputs[:, 3] * 0.7 + rng.normal(size=200) + 4
    return pl.DataFrame({f"x{at}": inputs[:, at] for at in range(8)}).with_columns(
        y=pl.Series(target)
    )


def standardised(table: pl.DataFrame) -> tuple[Any, Any, Any]:
    inputs = table.drop("y").to_numpy()
    spread = inputs.std(axis=0)
    return (inputs - inputs.mean(axis=0)) / spread, table["y"].to_numpy(), spread


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("lasso", [0.05, 0.3])
def test_the_textbook_objective_is_scikit_learns(
    table: pl.DataFrame, lasso: float, ridge: float
) -> None:
    inputs, target, spread = standardised(table)
    # Its alpha is both strengths together, its l1_ratio the lasso's share.
    both = lasso + ridge
    peer = (
        Lasso(alpha=lasso, tol=1e-14, max_iter=100_000)
        if ridge == 0
        else ElasticNet(alpha=both, l1_ratio=lasso / both, tol=1e-14, max_iter=100_000)
    ).fit(inputs, target)
    model = dr.learn(table, predict="y", lasso=lasso, ridge=ridge)
    found = [weight.weight for weight in model.record.weights]
    np.testing.assert_allclose(found, peer.coef_ / spread, rtol=1e-8, atol=1e-12)
    assert model.record.learnt[0].lasso == lasso
    assert model.record.weights[0].standard_error is None
    gone = sum(one == 0 for one in found)
    assert gone > 0
    assert f"{gone} of 8 weights are 0" in str(model)


def test_auto_takes_one_only_if_it_earns_its_place(table: pl.DataFrame) -> None:
    rng = np.random.default_rng(4)
    noise = pl.DataFrame({f"n{at}": rng.normal(size=200) for at in range(120)})
    many = dr.learn(table.hstack(noise), predict="y", lasso="auto")
    assert many.record.learnt[0].lasso > 0
    assert any("earned its place" in note for note in many.record.notes)
    none = dr.learn(table.hstack(noise), predict="y", ridge=0)
    assert many.record.held_out[0].rmse < none.record.held_out[0].rmse
    few = dr.learn(table.select("x0", "x3", "y"), predict="y", lasso="auto")
    assert few.record.learnt[0].lasso == 0
    assert any("no lasso or ridge earned its place" in note for note in few.record.notes)
    assert many.record.learnt[0].reads == few.record.learnt[0].reads == 1


def test_signs_are_kept(table: pl.DataFrame) -> None:
    model = dr.learn(table, predict="y", positive=["x3", "x0"])
    weights = dict(zip(model.weights["input"], model.weights["weight"], strict=True))
    assert weights["x3"] == 0
    peer = LinearRegression().fit(*standardised(table.drop("x3"))[:2])
    spread = standardised(table.drop("x3"))[2]
    found = [weights[name] for name in table.columns if name not in ("y", "x3")]
    np.testing.assert_allclose(found, peer.coef_ / spread, rtol=1e-8)


def test_from_the_command_line(
    table: pl.DataFrame, tmp_path: Path, run: Callable[..., Any]
) -> None:
    table.write_csv(tmp_path / "t.csv")
    ran = run("learn", tmp_path / "t.csv", "--predict", "y", "--lasso", "0.3", "--json")
    told = json.loads(ran.out)
    assert told["learn"]["lasso"] == 0.3
    known = dr.learn(table, predict="y", lasso=0.3)
    assert [one["weight"] for one in told["weights"]] == [
        one.weight for one in known.record.weights
    ]
    ran = run("learn", tmp_path / "t.csv", "--predict", "y", "--positive", "x3", "--save",
              tmp_path / "m.json")  # fmt: skip
    assert ran.code == 0
    assert dr.load(tmp_path / "m.json").record.weights[3].weight == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lasso": -1}, "lasso is -1"),
        ({"lasso": float("nan")}, "lasso is nan"),
        ({"lasso": 1, "learner": "momentum"}, "momentum does not meet a lasso"),
        ({"lasso": "auto", "loss": "absolute"}, "absolute loss takes no lasso of auto"),
        ({"positive": "z"}, "no weight called 'z'"),
        ({"ridge": {"z": 1}}, "no weight called 'z'"),
        ({"ridge": {"x1": "auto"}}, "ridge of x1 is 'auto': it must be a finite number"),
        ({"lasso": {"x1": -1, None: "auto"}}, "lasso of x1 is -1: it must be 0 or more"),
        ({"lasso": {None: -1}}, "lasso is -1: it must be auto, or 0 or more"),
        ({"between": {"x1": (2, 1)}}, "between 2 and 1 there is no weight for x1"),
        ({"between": {"x1": 3}}, r"give its two ends, as \(0, 3\)"),
        ({"between": {"x1": (0, float("inf"))}}, "an end of x1 is inf"),
        ({"between": {"x1": (None, -1)}, "positive": "x1"}, "both positive and at -1 or less"),
    ],
)
def test_what_is_refused(table: pl.DataFrame, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(dr.DeltaruleError, match=said):
        dr.learn(table, predict="y", **settings)
