"""Rows with categories of many levels: the same inputs and predictions as of dense ones."""

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import LearningError
from deltarule.model.prediction_stream import predicted
from deltarule.model.predictor import Predictor
from deltarule.tables.one_hot_rows import OneHotRows, design

N = 4000
RNG = np.random.default_rng(8)
TABLE = pl.DataFrame(
    {
        "shop": [f"s{code}" for code in RNG.integers(0, 300, N)],
        "x": pl.Series(np.where(RNG.random(N) < 0.05, np.nan, RNG.normal(size=N))).fill_nan(None),
        "kind": [("a", "b", "c")[code] for code in RNG.integers(0, 3, N)],
        "far": 1e9 + RNG.normal(size=N),
        "y": RNG.normal(size=N),
    }
)
# Unseen levels, gaps, and levels that are known.
NEW = pl.DataFrame(
    {
        "shop": ["s1", "never", None, "s299"],
        "x": [1.0, None, 2.0, -1.0],
        "kind": ["c", "a", "z", "b"],
        "far": [1e9, 1e9 + 1, 1e9, 1e9],
    }
)


@pytest.mark.filterwarnings("ignore::deltarule.errors.PredictionWarning")
def test_scores_are_those_of_dense_inputs() -> None:
    model = dr.learn(TABLE, predict="y", ridge=0)
    scorer = Predictor(model.record)
    contract = scorer.contract
    for rows in (TABLE, NEW):
        found, noticed = design(contract, contract.view(rows, name="t"))
        assert isinstance(found, OneHotRows)
        dense, seen = contract.encode(contract.view(rows, name="t"))
        np.testing.assert_array_equal(np.asarray(found), dense)
        # To the bit, but for unseen levels: the average row's sum has another order.
        known, rtol = scorer.scores(dense), 0 if rows is TABLE else 1e-13
        np.testing.assert_allclose(scorer.scores(found), known, rtol=rtol, atol=0)
        assert found.shape == dense.shape
        np.testing.assert_array_equal(np.asarray(found[1:3]), dense[1:3])
        for kind in ("unseen", "outside", "missing"):
            assert getattr(noticed, kind).keys() == getattr(seen, kind).keys()
    alone = [model.predict(row)["y_prediction"] for row in NEW.to_dicts()]
    np.testing.assert_array_equal(model.predict(NEW)["y_prediction"], alone)


def test_few_levels_are_dense() -> None:
    model = dr.learn(TABLE.drop("shop"), predict="y")
    contract = model.record.contract
    found, _ = design(contract, contract.view(TABLE, name="t"))
    assert isinstance(found, np.ndarray)


@pytest.mark.filterwarnings("ignore::deltarule.errors.PredictionWarning")
def test_explanations_are_those_of_dense_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dr.learn(TABLE, predict="y", ridge=0)
    known = predicted(Predictor(model.record), dense_of(model), None, explain=True)
    monkeypatch.setattr("deltarule.model.prediction_stream.DENSE_CELLS", 700)
    contract = model.record.contract
    found, _ = design(contract, contract.view(NEW, name="t"))
    explained = predicted(Predictor(model.record), found, None, explain=True)
    assert explained.columns == known.columns
    for column in known.columns:
        np.testing.assert_allclose(explained[column], known[column], rtol=1e-12, atol=1e-15)


def dense_of(model: dr.Model) -> np.ndarray:
    contract = model.record.contract
    return contract.encode(contract.view(NEW, name="t"))[0]


def test_models_of_too_many_levels_are_not_diagnosed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.model.diagnostics.MOST_INPUTS", 100)
    with pytest.raises(LearningError, match="inputs, and diagnosing takes at most 100"):
        dr.learn(TABLE, predict="y").diagnose(TABLE)
