"""Rows that a model learnt from are known as such, wherever they come from and in any order."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import LearningError

RNG = np.random.default_rng(10)
N = 200
X = RNG.normal(size=N)
TABLE = pl.DataFrame(
    {
        "x": X,
        "kind": RNG.choice(["a", "b", "c"], N),
        "n": RNG.integers(1, 4, N),
        "who": RNG.integers(0, 25, N),
        "y": 5 + X + RNG.normal(size=N),
        "count": RNG.poisson(np.exp(0.3 * X)),
        "yes": RNG.uniform(size=N) < 1 / (1 + np.exp(-X)),
        "which": np.array(["p", "q", "r"])[np.digitize(X + RNG.normal(size=N), [-0.5, 0.5])],
        "positive": RNG.gamma(2, np.exp(0.3 * X)) + 0.01,
    }
)
LEARNT = "these are the rows that it learnt from"
HOW: list[dict[str, Any]] = [
    {"predict": "y"},
    {"predict": "y", "ridge": 3.0},
    {"predict": "y", "lasso": 0.05},
    {"predict": "y", "loss": "huber"},
    {"predict": "y", "loss": "absolute"},
    {"predict": "y", "weight": "n"},
    {"predict": "y", "offset": "x", "using": "kind"},
    {"predict": "y", "group": "who"},
    {"predict": "y", "folds": None},
    {"predict": "y", "learner": "descent", "steps": 3},
    {"predict": "exp(y / 10)"},
    {"predict": ["y", "positive"]},
    {"predict": "count", "loss": "poisson"},
    {"predict": "positive", "loss": "gamma"},
    {"predict": "yes"},
    {"predict": "which"},
    {"predict": "y", "using": ["kind", "poly(x, 3)", "x:kind"]},
]


def learn(table: Any, **how: Any) -> dr.Model:
    return dr.learn(table, **{"using": ["x", "kind"], **how})


@pytest.mark.parametrize("how", HOW, ids=str)
def test_the_same_rows_in_any_order_are_known(how: dict[str, Any], tmp_path: Path) -> None:
    model = learn(TABLE, **how)
    shuffled = TABLE.sample(fraction=1, shuffle=True, seed=1)
    shuffled.write_csv(tmp_path / "other.csv")
    for rows in (TABLE, shuffled, tmp_path / "other.csv"):
        assert any(note.startswith(LEARNT) for note in model.compare(rows).notes)
    changed = TABLE.with_columns(
        pl.col("y", "count", "yes", "which", "positive").shuffle(seed=1),
    )
    for rows in (changed, TABLE[: N // 2], pl.concat([TABLE, TABLE])):
        assert not any("it learnt from" in note for note in model.compare(rows).notes)


def test_one_model_tells_the_error_on_held_out_rows() -> None:
    noise = {f"x{at}": RNG.normal(size=80) for at in range(31)}
    table = pl.DataFrame({**noise, "y": noise["x0"] + RNG.normal(size=80)})
    model = dr.learn(table, predict="y", ridge=0)
    assert model.record.held_out is not None
    [note] = model.compare(table).notes
    assert f"; on held-out rows, typical error (RMSE) {model.record.held_out[0].rmse:.6g}" in note


def test_rows_learnt_from_give_no_verdict(tmp_path: Path) -> None:
    """The larger model is ahead on the rows it learnt from, and worse on new ones."""
    path = tmp_path / "t.csv"
    for seed in range(5):
        rng = np.random.default_rng(seed)

        def drawn(rows: int, rng: np.random.Generator = rng) -> pl.DataFrame:
            inputs = {f"x{at}": rng.normal(size=rows) for at in range(31)}
            return pl.DataFrame({**inputs, "y": inputs["x0"] + rng.normal(size=rows)})

        table = drawn(80)
        table.write_csv(path)
        one = dr.learn(path, predict="y", using="x0", ridge=0)
        other = dr.learn(path, predict="y", ridge=0)
        for rows in (path, table.reverse()):
            found = one.compare(rows, other)
            assert found.targets[0].differences[0].sure
            assert found.targets[0].better is None
            assert "no verdict, as A and B may know these rows; B is ahead" in str(found)
            assert "sure" not in str(found)
            assert "on rows held out while learning, A is ahead" in str(found)
            assert found.to_dict()["targets"][0]["learnt_from_these_rows"] == "A and B"
        assert one.compare(drawn(3000), other).targets[0].better == "A"


def test_part_of_a_table_is_known_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    TABLE.write_csv(path)
    models = [learn(path, predict="y", using=using, ridge=0) for using in ("kind", "x")]
    found = models[0].compare(path, models[1], where="x > 0")
    assert found.targets[0].better is None
    assert "only new rows can tell which is better" in found.notes[-1]
    parted = [
        learn(path, predict="y", using=using, ridge=0, where="x < 0") for using in ("kind", "x")
    ]
    found = parted[0].compare(path, parted[1], where="x >= 0")
    assert not any("it learnt from" in note for note in found.notes)


def test_a_model_that_does_not_know_the_rows_may_be_better(tmp_path: Path) -> None:
    one = learn(TABLE, predict="y", using="kind")
    other = learn(TABLE[:150], predict="y", using="x")
    assert one.compare(TABLE, other).targets[0].better == "B"
    assert other.compare(TABLE, one).targets[0].better == "A"
    assert "may know" not in str(one.compare(TABLE, other))


def test_held_out_by_other_rows_is_not_compared() -> None:
    models = [learn(TABLE, predict="y", **how) for how in ({}, {"group": "who"})]
    assert models[0].compare(TABLE, models[1]).targets[0].held_out is None


@pytest.mark.parametrize("how", [HOW[0], HOW[1], HOW[12], HOW[14]], ids=str)
def test_rows_in_another_order_are_not_set_aside(how: dict[str, Any], tmp_path: Path) -> None:
    TABLE.reverse().write_csv(tmp_path / "copy.csv")
    for rows in (TABLE.reverse(), tmp_path / "copy.csv"):
        with pytest.raises(LearningError, match="which is what is learnt from"):
            learn(TABLE, **how, hold_out=rows)
    model = learn(TABLE[:100], **how, hold_out=TABLE[100:])
    assert not any("it learnt from" in note for note in model.record.notes)
