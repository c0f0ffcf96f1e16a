"""Predictions inside a database: a view or table that predicts as the model does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import deltarule as dr
from deltarule.tables.databases.database import open_database, write_table
from tests.conftest import Ran
from tests.engines.cases import MIXED


def read(url: str, table: str) -> pl.DataFrame:
    source = open_database(url, table=table)
    found = pl.concat(source.batches([pl.all()])).sort("id")
    source.release()
    return found


def test_a_view_and_a_table_predict_as_the_model_does(
    url: str, run: Callable[..., Ran], tmp_path: Path
) -> None:
    write_table(url, "rows", [MIXED.select("id", "x", "city", "yes", "word", "amount")])
    model = dr.learn(dr.source(url, table="rows"), predict="word", using=["x", "city", "yes"])
    saved = tmp_path / "model.json"
    model.save(saved)
    asked = ("predict", saved, url, "--table", "rows")
    made = run(*asked, "--to-view", "seen")
    assert made.out == "the view seen predicts the rows of rows where they are\n", made
    made = run(*asked, "--to-table", "kept", "--engine", "database")
    assert made.out == "700 rows predicted where they are, into the new table kept\n", made
    here = model.predict(read(url, "rows"))
    for name in ("seen", "kept"):
        there = read(url, name)
        assert there.columns[:6] == ["id", "x", "city", "yes", "word", "amount"]
        assert there["word_prediction"].to_list() == here["word_prediction"].to_list()
        off = there["word_probability_yes"] - here["word_probability_yes"]
        assert off.abs().max() < 1e-12  # type: ignore[operator]  # there are rows
    again = run(*asked, "--to-view", "seen").refused()
    assert "seen cannot be made" in again
    assert "already exists" in again


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--to-view", "v", "--where", "x > 1"], "--where needs rows on this machine"),
        (["--to-view", "v", "--flags"], "--flags needs rows on this machine"),
        (["--to-view", "v", "--to-table", "t"], "give --to-view, or --to-table with --engine"),
        (["--engine", "database"], "give --to-view, or --to-table with --engine"),
        (["--to-view", "v", "--engine", "local"], "give --to-view, or --to-table with --engine"),
        (["--to-table", "t", "--engine", "cloud"], "choose local or database"),
    ],
)
def test_what_does_not_go_together_is_refused(
    more: list[str], named: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    url = str(tmp_path / "t.sqlite")
    write_table(url, "t", [pl.DataFrame({"x": [1.0, 2, 3, 4], "y": [2.0, 3, 5, 6]})])
    dr.learn(url, predict="y").save(tmp_path / "model.json")
    made = run("predict", tmp_path / "model.json", url, *more)
    assert made.code == 2
    assert named in " ".join(made.err.split())
