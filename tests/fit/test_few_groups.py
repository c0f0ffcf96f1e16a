"""Groups that all fall into one fold: what is said, and that other folds part them."""

import numpy as np
import polars as pl
import pytest

import deltarule as dr

ROWS = 90


def _table(groups: int) -> pl.DataFrame:
    x = np.random.default_rng(2).normal(size=ROWS)
    return pl.DataFrame({"x": x, "y": x + np.sin(np.arange(ROWS)), "g": np.arange(ROWS) % groups})


@pytest.mark.parametrize("by", ["id", "group"])
def test_two_groups_in_one_part_are_told_of_other_folds(by: str) -> None:
    table = _table(2)
    model = dr.learn(table, predict="y", using="x", **{by: "g"})  # type: ignore[arg-type]
    assert model.held_out is None
    (note,) = [one for one in model.record.notes if "--folds" in one]
    assert "they all fall into one of 5 parts" in note
    parted = [
        folds
        for folds in range(2, 40)
        if dr.learn(table, predict="y", using="x", folds=folds, **{by: "g"}).held_out  # type: ignore[arg-type]
    ]
    assert parted


def test_rows_and_times_are_not_told_of_parts() -> None:
    table = _table(1)
    model = dr.learn(table, predict="y", using="x", time="g")
    assert model.held_out is None
    assert not [one for one in model.record.notes if "parts" in one]
