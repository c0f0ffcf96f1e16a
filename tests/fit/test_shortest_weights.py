"""Dependent inputs under other losses: weights are the shortest on standardised inputs."""

from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

ROWS = 320
LOSSES = {
    "count": "poisson",
    "yes": "logistic",
    "cost": "gamma",
    "kind": "softmax",
    "amount": "huber",
}


def table() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    i = rng.integers(0, 9, ROWS)
    score = 0.4 * i - 2
    return pl.DataFrame(
        {
            "id": np.arange(ROWS),
            "i": i,
            "g": rng.choice(list("abcd"), ROWS),
            "count": rng.poisson(np.exp(score * 0.4)),
            "yes": rng.random(ROWS) < 1 / (1 + np.exp(-score)),
            "cost": np.exp(score / 2) * rng.gamma(2, size=ROWS),
            "kind": np.array(list("uvw"))[
                (rng.gumbel(size=(ROWS, 3)) + np.outer(score, [0, 0.1, 0.2])).argmax(axis=1)
            ],
            "amount": score + rng.standard_t(3, ROWS),
        }
    )


def design(rows: pl.DataFrame, weights: pl.DataFrame) -> np.ndarray[Any, Any]:
    """The inputs of these weights, in their order: (n, p)."""
    columns = {"i > 4": rows["i"] > 4, "category(i)": rows["i"].cast(pl.String), "g": rows["g"]}
    made = [
        columns[name] if level is None else columns[name] == level
        for name, level in weights.select("input", "level").iter_rows()
    ]
    return np.column_stack([one.cast(pl.Float64).to_numpy() for one in made])


@pytest.mark.parametrize(("target", "loss"), LOSSES.items())
def test_weights_do_not_depend_on_where_steps_began(target: str, loss: str) -> None:
    """The pseudoinverse of the standardised inputs gives the shortest weights of their scores."""
    rows = table()
    how: dict[str, Any] = {
        "predict": target,
        "using": ["i > 4", "category(i)", "g"],
        "loss": loss,
        "ridge": 0,
        "id": "id",
    }
    at_once = dr.learn(rows, **how)
    more = dr.learn(rows[:200], keep_sample=1000, **how).learn_more(rows[200:], old=rows[:200])
    keys = ["output", "input", "level"]
    both = at_once.weights.select(*keys, "weight").join(
        more.weights.select(*keys, "weight"), on=keys, nulls_equal=True
    )
    assert both.height == at_once.weights.height
    np.testing.assert_allclose(both["weight"], both["weight_right"], atol=1e-6)
    for _, one in at_once.weights.filter(pl.col("input") != "(intercept)").group_by("output"):
        inputs = design(rows, one)
        spread = inputs.std(axis=0)
        centred = inputs - inputs.mean(axis=0)
        given = one["weight"].to_numpy() * spread
        wanted = np.linalg.pinv(centred / spread, rcond=1e-10) @ (centred / spread @ given)
        assert np.linalg.matrix_rank(centred) < len(given)
        np.testing.assert_allclose(given, wanted, atol=1e-9)
