"""alpha explained: against descent itself, numpy's eigenvalues, and what a person works out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import LearningError

FILM = {"budget": [200_000.0], "gross": [99_750_000.0]}
ONE: dict[str, Any] = {"predict": "gross", "using": "budget", "intercept": False, "start": 1.0}


def rows(n: int = 80) -> pl.DataFrame:
    rng = np.random.default_rng(4)
    a, b = rng.normal(2, 3, n), rng.normal(0, 1, n)
    y = 2 * a - b + 1 + rng.normal(size=n)
    return pl.DataFrame({"a": a, "b": b, "y": y, "z": 3 * b, "yes": (y > 5).astype(int)})


def taken(table: Any, left: float, **asked: Any) -> int:
    """The steps that descent itself takes until this share of the excess is left."""
    steps = list(dr.steps(table, **asked, steps=20_000, tolerance=0))
    least = 0.0
    if isinstance(table, pl.DataFrame):
        exact = dr.learn(table, **{n: v for n, v in asked.items() if n not in ("alpha", "start")})
        least = exact.record.fit[0].rmse ** 2
    errors = [step.error for step in steps]
    whole = errors[0] - least
    return next(at for at, error in enumerate(errors) if error - least <= left * whole)


def test_the_film_is_as_a_person_works_it_out() -> None:
    found = dr.alpha(FILM, **ONE, alpha=1e-11)
    # One weight: the limit is 2 / input ** 2, half of it arrives in one step.
    assert found.own.limit == pytest.approx(5e-11, rel=1e-12)
    assert found.own.fastest.alpha == pytest.approx(2.5e-11, rel=1e-12)
    assert (found.own.fastest.near, found.own.fastest.nearer) == (1, 1)
    # A step leaves 0.6 of delta, so 0.36 of the error.
    assert found.chosen is not None
    assert found.chosen.near == taken(FILM, 0.01, **ONE, alpha=1e-11) == 5
    assert found.chosen.nearer == taken(FILM, 1e-6, **ONE, alpha=1e-11) == 14
    assert found.own.steepest == (("budget", 1.0),)
    assert found.settles


@pytest.mark.parametrize("alpha", [5e-11, 6e-11, 1.0])
def test_an_alpha_that_explodes_is_told(alpha: float) -> None:
    found = dr.alpha(FILM, **ONE, alpha=alpha)
    assert not found.settles
    assert found.chosen is None
    assert "it explodes" in str(found)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
def test_the_steps_are_those_that_dr_steps_takes(share: float) -> None:
    table = rows()
    asked = {"predict": "y", "using": ["a", "b"], "ridge": 0}
    limit = dr.alpha(table, **asked).own.limit
    found = dr.alpha(table, **asked, alpha=share * limit)
    assert found.chosen is not None
    for left, steps in ((0.01, found.chosen.near), (1e-6, found.chosen.nearer)):
        assert steps == taken(table, left, **asked, alpha=share * limit)


def test_the_limit_is_numpys() -> None:
    table = rows()
    design = np.column_stack([table["a"], table["b"], np.ones(80)])
    values = np.linalg.eigvalsh(design.T @ design / 80)
    found = dr.alpha(table, predict="y", using=["a", "b"]).own
    assert found.limit == pytest.approx(2 / values[-1], rel=1e-10)
    assert found.fastest.alpha == pytest.approx(2 / (values[-1] + values[0]), rel=1e-10)
    assert found.condition == pytest.approx(values[-1] / values[0], rel=1e-9)
    assert found.steepest[0][0] == "a"


def test_standardising_is_what_it_is() -> None:
    table = rows()
    asked = {"predict": "y", "using": ["a", "b"]}
    unit = {n: (table[n] - table[n].mean()) / table[n].std(ddof=0) for n in ("a", "b")}
    by_hand = dr.alpha(table.with_columns(**unit), **asked).own
    found = dr.alpha(table, **asked).standardised
    assert found.limit == pytest.approx(by_hand.limit, rel=1e-10)
    assert found.fastest.near == by_hand.fastest.near
    assert found.fastest.nearer == by_hand.fastest.nearer


def test_a_ridge_makes_all_directions_steeper() -> None:
    asked = {"predict": "y", "using": ["a", "b"]}
    plain, held = (dr.alpha(rows(), **asked, ridge=ridge).standardised for ridge in (0, 2.0))
    # Standardised, the ridge adds itself to each weight's curvature, not to the intercept's.
    inputs = [2 / (2 / plain.limit + 2.0), held.limit]
    assert inputs[0] == pytest.approx(inputs[1], rel=1e-10)


def test_frozen_weights_set_no_limit() -> None:
    both = {"predict": "y", "using": ["a", "b"]}
    found = dr.alpha(rows(), **both, freeze={"a": 2.0, "intercept": 1.0})
    alone = dr.alpha(rows(), predict="y", using=["b"], intercept=False)
    assert found.own.limit == pytest.approx(alone.own.limit, rel=1e-10)
    assert found.own.steepest == (("b", pytest.approx(1.0)),)


def test_dependent_columns_are_no_direction() -> None:
    found = dr.alpha(rows(), predict="y", using=["b", "z"])
    assert len(found.own.pace.values) == 2
    assert found.own.fastest.nearer is not None


def test_another_loss_is_explained_near_its_best() -> None:
    table = rows()
    asked = {"predict": "yes", "using": ["a", "b"], "loss": "logistic", "ridge": 0.1}
    found = dr.alpha(table, **asked)
    model = dr.learn(table, **asked)
    weights = np.array([*(one.weight for one in model.record.weights)])
    design = np.column_stack([table["a"], table["b"], np.ones(80)])
    score = design @ [*weights, model.record.intercept[0].weight]
    slope = 1 / (1 + np.exp(-score)) * (1 - 1 / (1 + np.exp(-score)))
    spread = np.array([table["a"].std(ddof=0), table["b"].std(ddof=0), 0.0])
    has_hessian = (design * slope[:, None]).T @ design / 80 + 0.1 * np.diag(spread**2)
    assert found.own.limit == pytest.approx(2 / np.linalg.eigvalsh(has_hessian)[-1], rel=1e-6)
    assert "near the best weights" in str(found)
    assert found.own.fastest.near is not None


def test_classes_share_a_curvature() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=90)
    kind = np.array(["low", "middle", "high"])[np.digitize(x + rng.normal(size=90), [-0.5, 0.5])]
    found = dr.alpha({"x": x, "kind": kind}, predict="kind", ridge=0.1)
    assert found.loss == "softmax"
    assert found.own.limit > 0
    assert "(" in found.own.steepest[0][0]


def test_the_curve_goes_down_and_up_again() -> None:
    alphas, steps = dr.alpha(rows(), predict="y", using=["a", "b"]).own.curve(50)
    assert len(alphas) == len(steps) == 50
    counted = [step for step in steps if step is not None]
    assert counted[0] > min(counted) < counted[-1]


def test_the_command_says_it_in_words_and_json(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("budget,gross\n200000,99750000\n")
    asked = [path, "--predict=gross", "--using=budget", "--no-intercept", "--start=1"]
    ran = run("alpha", *asked, "--alpha=1e-11")
    assert (ran.code, ran.err) == (0, "")
    assert "descent settles with any alpha below 5e-11" in ran.out
    assert "the fastest in the end is 2.5e-11" in ran.out
    assert "is left after 5 steps, a millionth after 14 steps" in ran.out
    assert "the scale of budget sets the limit" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 96
    told = json.loads(run("alpha", *asked, "--alpha=1e-11", "--json").out)
    assert told["own"]["limit"] == pytest.approx(5e-11, rel=1e-12)
    assert told["steps"] == {"alpha": 1e-11, "to_1_percent": 5, "to_1e-6": 14}
    assert told == dr.alpha(str(path), **ONE, alpha=1e-11).to_dict()


def test_what_cannot_be_explained_is_refused(run: Callable[..., Any]) -> None:
    with pytest.raises(LearningError, match="leave out lasso, positive and between"):
        dr.alpha(rows(), predict="y", lasso=0.1)
    with pytest.raises(LearningError, match="alpha is -1: it must be above 0"):
        dr.alpha(rows(), predict="y", alpha=-1)
    ran = run("alpha", "nothing.csv", "--predict=y")
    assert "no such file" in ran.refused()
