"""Columns far from zero: what a model tells is what its predictions give, to all digits."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

SETTINGS: dict[str, dict[str, Any]] = {
    "exact": {},
    "robust errors": {"errors": "robust"},
    "ridge": {"ridge": 0.01},
    "lasso": {"lasso": 0.01},
    "range": {"between": {"z": (0, 0.5)}},
    "descent": {"learner": "descent"},
    "newton": {"learner": "newton", "loss": "squared"},
    "batches": {"learner": "adam", "batch": 40, "epochs": 3},
    "huber": {"loss": "huber"},
    "absolute": {"loss": "absolute"},
    "groups": {"group": "by"},
    "time": {"time": "by"},
    "twice": {"using": ["x", "z", "x2"]},
}


def table(at: float, *, stray: float = 0.1, rows: int = 160) -> dict[str, Any]:
    """Values that are exact in float64 wherever they are moved to."""
    rng = np.random.default_rng(3)
    off, z = np.round(rng.normal(size=(2, rows)) * 512) / 512
    y = np.round((3 * off + z + stray * rng.normal(size=rows)) * 2**20) / 2**20
    return {"x": at + off, "z": z, "x2": 2 * (at + off), "by": np.arange(rows) // 8, "y": y}


def learnt(at: float, settings: dict[str, Any], **more: Any) -> tuple[dr.Model, pl.DataFrame]:
    rows = pl.DataFrame(table(at, **more))
    return dr.learn(rows, predict="y", **{"using": ["x", "z"], **settings}), rows


def rmse(model: dr.Model, rows: pl.DataFrame) -> float:
    off = model.predict(rows)["y_prediction"] - rows["y"]
    return float(np.sqrt(np.mean(off.to_numpy() ** 2)))


@pytest.mark.parametrize("name", SETTINGS)
def test_far_columns_are_learnt_and_judged_as_near_ones(name: str) -> None:
    settings = SETTINGS[name]
    (near, _), (far, rows) = (learnt(at, settings) for at in (0.0, 2.0**40))
    # Where steps settle, the same numbers up to what is left of the way.
    close = 1e-5 if name in ("descent", "huber", "absolute", "batches") else 1e-9
    assert far.record.fit[0].rmse == pytest.approx(rmse(far, rows), rel=1e-10)
    [one], [other] = far.record.held_out or (), near.record.held_out or ()
    assert one.rmse == pytest.approx(other.rmse, rel=close)
    assert one.absolute_error == pytest.approx(other.absolute_error, rel=close)
    for mine, own in zip(far.record.weights, near.record.weights, strict=True):
        assert mine.weight == pytest.approx(own.weight, rel=close, abs=close)
        if own.standard_error is None:
            assert mine.standard_error is None
        else:
            assert mine.standard_error == pytest.approx(own.standard_error, rel=1e-5)
    assert far.record.centres[0] == pytest.approx(2.0**40, rel=1e-9)
    assert near.record.centres == ()


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("at", [2.0**52, 2.0**53 - 16, 16 - 2.0**53])
def test_whole_numbers_whose_neighbours_are_the_next_floats_are_as_near_ones(
    at: float, name: str
) -> None:
    """They spread over a few units, which are some roundings of their size."""

    def model(at: float) -> dr.Model:
        rows = table(0.0)
        whole = np.round(rows["x"] * 3)
        y = 0.3 * whole + rows["z"] + 0.1 * (rows["y"] - 3 * rows["x"] - rows["z"])
        rows |= {"x": at + whole, "x2": 2 * (at + whole), "y": y}
        return dr.learn(pl.DataFrame(rows), predict="y", **{"using": ["x", "z"], **SETTINGS[name]})

    close = 1e-5 if name in ("descent", "huber", "absolute", "batches") else 1e-9
    near, far = model(0.0).record, model(at).record
    assert [one.weight for one in far.weights] == pytest.approx(
        [one.weight for one in near.weights], rel=close, abs=close
    )
    assert far.fit[0].rmse == pytest.approx(near.fit[0].rmse, rel=close)
    [one], [other] = far.held_out or (), near.held_out or ()
    assert one.rmse == pytest.approx(other.rmse, rel=close)


@pytest.mark.parametrize(
    ("at", "step", "told"),
    [
        (2.0**53, 2.0, True),
        (2.0**60, 256.0, True),
        (-(2.0**55), 8.0, True),
        (0.1, 2.0**-56, True),
        (2.0**52, 2.0**20, False),
        (1.7e18, 1e12, False),
        (2.0**40, 1.0, False),
        (0.0, 1e-300, False),
    ],
)
def test_a_column_of_which_floats_keep_few_digits_is_named(
    at: float, step: float, told: bool
) -> None:
    rng = np.random.default_rng(0)
    x, z = at + step * rng.integers(0, 10, 200), rng.normal(size=200)
    model = dr.learn(pl.DataFrame({"x": x, "z": z, "y": z + rng.normal(size=200)}), predict="y")
    found = [note for note in model.record.notes if note.startswith("x lies so far from 0")]
    assert len(found) == told, model.record.notes


@pytest.mark.parametrize("stray", [1e-3, 1e-6, 0.0])
def test_errors_far_below_the_rounding_of_products_are_known(stray: float) -> None:
    model, rows = learnt(2.0**40, {}, stray=stray)
    near, _ = learnt(0.0, {}, stray=stray)
    assert model.record.fit[0].rmse == pytest.approx(rmse(model, rows), rel=1e-6, abs=1e-12)
    for one, other in zip(model.record.weights, near.record.weights, strict=True):
        assert one.weight == pytest.approx(other.weight, rel=1e-12)
    assert model.compare(rows).outputs[0].rmse == pytest.approx(rmse(model, rows), rel=1e-12)


@pytest.mark.parametrize("errors", ["classical", "robust"])
def test_the_intercept_and_its_error_are_those_at_zero(errors: str) -> None:
    model, rows = learnt(2.0**30, {"errors": errors})
    x = np.column_stack([np.ones(160), rows["x"].to_numpy(), rows["z"].to_numpy()])
    # About the middle, and then moved: the covariance of the intercept, by hand.
    middle = x.mean(axis=0) * [0, 1, 1]
    z = x - middle
    inverse = np.linalg.inv(z.T @ z)
    weight = inverse @ z.T @ rows["y"].to_numpy()
    off = rows["y"].to_numpy() - z @ weight
    covariance = inverse * (off @ off / 157)
    if errors == "robust":
        leverage = np.einsum("ij,jk,ik->i", z, inverse, z)
        meat = z.T * (off / (1 - leverage)) ** 2 @ z
        covariance = inverse @ meat @ inverse
    way = np.array([1.0, *-middle[1:]])
    [intercept] = model.record.intercept
    assert intercept.weight == pytest.approx(float(way @ weight), rel=1e-9)
    assert intercept.standard_error == pytest.approx(
        float(np.sqrt(way @ covariance @ way)), rel=1e-6
    )


def test_one_row_and_a_saved_model_predict_to_the_same_bit(tmp_path: Path) -> None:
    model, rows = learnt(2.0**40, {})
    model.save(tmp_path / "m.json")
    again = dr.load(tmp_path / "m.json")
    shown = model.predict(rows)
    assert again.predict(rows).equals(shown)
    for at, row in enumerate(rows.head(5).to_dicts()):
        assert model.predict(row) == {"y_prediction": shown["y_prediction"][at]}
    told = model.explain(rows)
    parts = told.select(pl.sum_horizontal(pl.col("^y_(average|from_.*)$"))).to_series()
    assert np.abs((parts - told["y_prediction"]).to_numpy()).max() < 1e-9


def test_times_in_microseconds_are_far_from_zero() -> None:
    rng = np.random.default_rng(0)
    minutes = rng.permutation(200)
    stamps = [datetime(2024, 1, 1) + timedelta(minutes=int(one)) for one in minutes]
    epoch = pl.Series(stamps).dt.epoch("us")
    rows = pl.DataFrame({"at": epoch, "y": 0.01 * minutes + 1e-4 * rng.normal(size=200)})
    model = dr.learn(rows, predict="y")
    assert model.record.fit[0].rmse == pytest.approx(rmse(model, rows), rel=1e-9)
    assert model.record.fit[0].rmse < 2e-4


def test_near_columns_keep_the_plain_sum() -> None:
    model, rows = learnt(100.0, {})
    assert model.record.centres == ()
    by_hand = model.record.intercept[0].weight + sum(
        one.weight * rows[one.input].to_numpy() for one in model.record.weights
    )
    np.testing.assert_allclose(model.predict(rows)["y_prediction"].to_numpy(), by_hand, atol=1e-12)


def test_an_alpha_and_a_start_are_meant_as_the_inputs_stand() -> None:
    rows = pl.DataFrame(
        {"x": [2.0**20 + at for at in range(8)], "y": [float(at) for at in range(8)]}
    )
    for settings in ({"alpha": 1e-14, "steps": 3}, {"start": {"x": 1.0}, "learner": "descent"}):
        assert dr.learn(rows, predict="y", **settings).record.centres == ()  # type: ignore[arg-type]
