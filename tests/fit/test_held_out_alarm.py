"""Held-out figures that are clearly worse than guessing are told, with what may be the cause."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

DATA = Path(__file__).parents[1] / "data"


def noise(rows: int, inputs: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng([seed, rows, inputs])
    columns = {f"x{at}": rng.normal(size=rows) for at in range(inputs)}
    return {**columns, "y": rng.normal(size=rows)}


def alarms(model: dr.Model) -> list[str]:
    return [note for note in model.record.notes if "worse than by guessing" in note]


def drifting() -> dict[str, Any]:
    """Each period's rule is the opposite of the one before."""
    rng = np.random.default_rng(1)
    x, when = rng.normal(size=200), np.arange(200)
    return {"x": x, "when": when, "y": x * (-1.0) ** (when // 40) + 0.1 * rng.normal(size=200)}


def grouped() -> dict[str, Any]:
    """Inputs that tell groups apart, and nothing else."""
    rng = np.random.default_rng(2)
    shop = np.repeat(np.arange(6), 40)
    inputs = {f"x{at}": rng.normal(size=6)[shop] for at in range(4)}
    y = 5 * rng.normal(size=6)[shop] + rng.normal(size=240)
    return {"shop": [f"s{at}" for at in shop], **inputs, "y": y}


CASES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "more inputs than rows": (noise(24, 30), {"ridge": 0}, "31 weights are many for 24 rows, and"),
    "nearly": (noise(36, 30), {"ridge": 0}, "no penalty holds them"),
    "absolute loss": (noise(24, 30), {"loss": "absolute"}, "weights are many"),
    "powers": (
        pl.read_csv(DATA / "wide" / "growth.csv"),
        {"using": "poly(x, 6)", "ridge": 0},
        "7 weights are many for 8 rows",
    ),
    "drift": (drifting(), {"using": ["x"], "time": "when", "ridge": 0}, "(drift)"),
    "groups": (
        grouped(),
        {"using": ["x0", "x1", "x2", "x3"], "group": "shop", "ridge": 0},
        "groups may differ",
    ),
    "classes": (
        {**noise(40, 25), "y": np.random.default_rng(0).random(40) < 0.5},
        {"ridge": 1e-4, "loss": "logistic"},
        "log loss",
    ),
    "steps": (
        {"x": np.linspace(-1, 1, 50), "y": np.linspace(-1, 1, 50) + 50},
        {"alpha": 0.001, "steps": 2},
        "the steps did not arrive",
    ),
    "many rows": (noise(900, 60), {"ridge": 0}, "the inputs may say nothing of it"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_clearly_worse_than_guessing_is_told_first(name: str) -> None:
    table, settings, why = CASES[name]
    model = dr.learn(table, predict="y", **settings)
    [alarm] = alarms(model)
    assert why in alarm
    assert model.record.notes[0] == alarm
    [held_out] = model.record.held_out or ()
    assert held_out.rmse > held_out.baseline_rmse


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("rows", "inputs"), [(30, 2), (200, 3), (2000, 5)])
def test_noise_alone_is_no_alarm(rows: int, inputs: int, seed: int) -> None:
    assert alarms(dr.learn(noise(rows, inputs, seed), predict="y")) == []


def test_what_is_better_than_guessing_is_no_alarm() -> None:
    for name, target in (("cars.csv", "mpg"), ("iris.csv", "species"), ("linnerud.csv", "weight")):
        assert alarms(dr.learn(DATA / "tables" / name, predict=target)) == []
    rng = np.random.default_rng(5)
    skewed = {"x": rng.normal(size=300), "y": np.exp(2 * rng.normal(size=300))}
    # Their middle is further from the mean of squares than the mean is; that is what was wanted.
    for loss in ("absolute", "quantile(0.9)"):
        assert alarms(dr.learn(skewed, predict="y", loss=loss)) == []


def test_another_table_that_goes_worse_is_told_as_such() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=100)
    learnt = {"x": x, "y": 2 * x + rng.normal(size=100)}
    model = dr.learn(learnt, predict="y", hold_out={"x": x, "y": -2 * x})
    [alarm] = alarms(model)
    assert "of another kind" in alarm
    assert " ".join(alarm.split()) in " ".join(str(model).split())
    assert alarm in model.to_dict()["notes"]
