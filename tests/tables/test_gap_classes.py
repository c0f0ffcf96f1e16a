"""Classes of a target that may be words for missing are named, with what leaves them out."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deltarule as dr

ROWS = 120


def _table(classes: list[str], word: str) -> pl.DataFrame:
    x = np.random.default_rng(3).normal(size=ROWS)
    answers = [classes[row % len(classes)] if row % 10 else word for row in range(ROWS)]
    return pl.DataFrame({"x": x, "y": answers})


def _named(model: dr.Model) -> list[str]:
    return [note for note in model.record.notes if "--missing-words" in note]


@pytest.mark.parametrize("word", ["NA", "n/a", "nan", "NULL", "None", "-", "?", "Missing", "N.A."])
@pytest.mark.parametrize("classes", [["yes", "no"], ["a", "b", "c"]])
def test_a_word_for_missing_among_classes_is_named(
    classes: list[str], word: str, tmp_path: Path
) -> None:
    path = tmp_path / "answers.csv"
    _table(classes, word).write_csv(path)
    model = dr.learn(path, predict="y", using="x")
    (note,) = _named(model)
    assert note.startswith(f"y: '{word}' ({ROWS // 10}) is a class;")
    left = dr.learn(path, predict="y", using="x", missing_words=[word])
    assert _named(left) == []
    assert left.record.rows == ROWS - ROWS // 10
    if classes == ["yes", "no"]:
        assert left.record.learnt[0].loss == "logistic"


def test_several_words_are_one_note() -> None:
    table = _table(["yes", "no"], "NA").with_row_index()
    table = table.with_columns(
        y=pl.when(pl.col("index") % 20 == 7).then(pl.lit("null")).otherwise(pl.col("y"))
    )
    (note,) = _named(dr.learn(table, predict="y", using="x"))
    assert "'NA' (12)" in note
    assert "'null' (6)" in note
    assert "are classes" in note


@pytest.mark.parametrize("word", ["unknown", "pending", "error", "other", "nap", "Nan Goldin", ""])
def test_other_words_are_classes_like_any(word: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    _table(["yes", "no"], word).write_csv(path)
    assert _named(dr.learn(path, predict="y", using="x")) == []
