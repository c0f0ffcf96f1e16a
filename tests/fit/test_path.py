"""Paths of penalties: published knots, and what learn comes to at each strength."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

import deltarule as dr

DIABETES = Path(__file__).parents[1] / "data" / "diabetes"


def table_of(rows: int = 120) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4))
    y = (rng.random(rows) < expit(x[:, 0] - x[:, 1])).astype(float)
    return pl.DataFrame({f"x{at}": x[:, at] for at in range(4)}).with_columns(y=pl.Series(y))


def test_inputs_of_diabetes_join_and_leave_in_the_published_order() -> None:
    found = dr.path(DIABETES / "diabetes.csv", predict="progression", lasso="auto")
    assert found.knots is not None
    published = ["bmi", "ltg", "map", "hdl", "sex", "glu", "tc", "tch", "ldl", "age", "hdl", "hdl"]
    assert [turn.split()[0] for turn in found.knots["turns"]] == published
    assert [turn.split()[1] for turn in found.knots["turns"]] == [
        *["joins"] * 10,
        "leaves",
        "joins",
    ]
    assert found.knots["not_zero"].to_list() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 9, 10]


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("walked", ["lasso", "ridge"])
@pytest.mark.parametrize("more", [{"positive": "x2"}, {}])
def test_each_row_is_what_learn_comes_to_at_that_strength(
    loss: str, walked: str, more: dict[str, Any]
) -> None:
    table = table_of()
    asked: dict[str, Any] = {"predict": "y", "loss": loss, **more}
    found = dr.path(table, **asked, **{walked: "auto"})
    assert found.walked == walked
    assert found.frame[walked].is_sorted(descending=True)
    assert (found.knots is not None) == (loss == "squared" and walked == "lasso")
    for row in (0, 8, 16, found.frame.height - 1):
        strengths = {name: found.frame[name][row] for name in ("ridge", "lasso")}
        model = dr.learn(table, **asked, **strengths)
        weights = [one.weight for one in model.record.weights]
        told = [found.frame[f"x{at}"][row] for at in range(4)]
        np.testing.assert_allclose(told, weights, rtol=1e-6, atol=1e-9)
        assert found.frame["not_zero"][row] == np.count_nonzero(weights)
        if loss == "squared":
            assert model.record.held_out is not None
            assert found.frame["held_out"][row] == pytest.approx(
                model.record.held_out[0].rmse, rel=1e-9
            )
    assert (found.frame["standard_error"] > 0).all()


def test_from_the_command_line(tmp_path: Path, run: Callable[..., Any]) -> None:
    table_of().write_csv(tmp_path / "t.csv")
    asked = ("path", tmp_path / "t.csv", "--predict", "y", "--loss", "squared", "--lasso", "auto")
    ran = run(*asked, "--out", tmp_path / "p.csv")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0].split()[:4] == [
        "lasso",
        "held_out",
        "standard_error",
        "not_zero",
    ]
    assert "held-out rows ask for" in ran.out
    written = pl.read_csv(tmp_path / "p.csv")
    told = json.loads(run(*asked, "--json").out)
    assert [row["x0"] for row in told["path"]] == written["x0"].to_list()
    assert told["knots"][0]["turns"].endswith("joins")
    assert "joins" in run(*asked, "--knots").out


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ridge": 0}, "let ridge or lasso be auto"),
        ({"predict": ["y", "x0"]}, "a path is of one output|do not share a loss|share a loss"),
        ({"loss": "absolute"}, "a path is solved"),
        ({"loss": "squared", "alpha": 0.1}, "a path is solved"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(dr.DeltaruleError, match=said):
        dr.path(table_of(), **{"predict": "y", **settings})
