"""Held-out metrics of quantiles: the loss that they minimise, beside the quantile of all rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import deltarule as dr
from deltarule.losses.loss import MEAN
from deltarule.model.summary import paragraphs
from deltarule.moments.folds import fold_of

SHARES = (0.05, 0.5, 0.9, 0.99)


def _name(share: float) -> str:
    return "absolute" if share == 0.5 else f"quantile({share})"


def _table(rows: int = 400, *, noise: bool = False) -> pl.DataFrame:
    draws = np.random.default_rng(11)
    x, z = draws.normal(size=(2, rows))
    y = draws.gamma(1.0, size=rows) * 10 + (0 if noise else 20) * x
    period = np.arange(rows) * 5 // rows
    return pl.DataFrame({"x": x, "z": z, "y": y, "t": np.arange(rows), "period": period})


def _pinball(targets: np.ndarray, predictions: np.ndarray, share: float) -> float:
    off = targets - predictions
    return float(np.mean(np.where(off > 0, share * off, (share - 1) * off)))


@pytest.mark.parametrize("share", SHARES)
def test_they_are_those_of_refits_and_of_the_quantile_of_the_other_folds(share: float) -> None:
    table = _table()
    model = dr.learn(table, predict="y", using=["x", "z"], loss=_name(share), ridge=0)
    held_out = model.held_out
    y = table["y"].to_numpy()
    design = sm.add_constant(table.select("x", "z").to_numpy())
    folds = fold_of(np.arange(1.0, len(y) + 1), 5)
    predictions, guesses = np.zeros((2, len(y)))
    for fold in range(5):
        learnt, judged = folds != fold, folds == fold
        fit = sm.QuantReg(y[learnt], design[learnt]).fit(q=share, max_iter=20_000, p_tol=1e-10)
        predictions[judged] = fit.predict(design[judged])
        guesses[judged] = np.quantile(y[learnt], share, method="averaged_inverted_cdf")
    # statsmodels iterates to a few digits, and quantiles may lie anywhere between two rows.
    assert held_out.loss == pytest.approx(_pinball(y, predictions, share), rel=0.01)
    assert held_out.baseline_loss == pytest.approx(_pinball(y, guesses, share), rel=1e-9)
    assert held_out.below == pytest.approx(np.mean(y < predictions), abs=0.01)
    assert held_out.baseline_absolute_error == pytest.approx(np.mean(np.abs(y - guesses)))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("how", [{}, {"time": "t"}, {"group": "period"}, {"folds": 3}])
def test_inputs_of_noise_are_no_better_than_guessing(share: float, how: dict[str, object]) -> None:
    model = dr.learn(_table(noise=True), predict="y", using=["x", "z"], loss=_name(share), **how)
    held_out = model.held_out
    assert held_out.guess != MEAN
    # Noise, and at the 0.99 quantile few rows beyond it: guessing is never twice as bad.
    assert 0.9 < held_out.loss / held_out.baseline_loss < 1.5


def test_whole_weights_count_rows() -> None:
    table = _table(60).with_columns(w=pl.Series([1, 2, 3] * 20))
    weighted = dr.learn(table, predict="y", using="x", weight="w", loss="quantile(0.8)")
    copies = table[np.repeat(np.arange(60), table["w"].to_numpy())]
    repeated = dr.learn(copies, predict="y", using="x", loss="quantile(0.8)")
    guess = np.quantile(copies["y"], 0.8, method="averaged_inverted_cdf")
    assert weighted.record.target_means[0] == pytest.approx(guess)
    assert repeated.record.target_means[0] == pytest.approx(guess)
    one, other = weighted.compare(table).outputs[0], repeated.compare(copies).outputs[0]
    assert one.loss == pytest.approx(other.loss)
    assert one.baseline_loss == pytest.approx(other.baseline_loss)


@pytest.mark.parametrize("share", SHARES)
def test_new_rows_are_judged_in_the_same_way(share: float, tmp_path: Path) -> None:
    table = _table(800)
    old, new = table[:400], table[400:]
    model = dr.learn(old, predict="y", using=["x", "z"], loss=_name(share), ridge=0, hold_out=new)
    y = new["y"].to_numpy()
    predictions = model.predict(new)["y_prediction"].to_numpy()
    guess = np.quantile(old["y"], share, method="averaged_inverted_cdf")
    for found in (model.held_out, model.compare(new).outputs[0]):
        assert found.loss == pytest.approx(_pinball(y, predictions, share))
        assert found.baseline_loss == pytest.approx(_pinball(y, np.full(400, guess), share))
        assert found.below == pytest.approx(np.mean(y < predictions))
    model.save(tmp_path / "model.json")
    assert dr.load(tmp_path / "model.json").held_out == model.held_out


@pytest.mark.parametrize(
    ("loss", "guess"),
    [
        ("quantile(0.9)", "the 0.9 quantile"),
        ("absolute", "the median"),
        ("huber", "the mean"),
        ("squared", "the mean"),
    ],
)
def test_they_are_named(loss: str, guess: str) -> None:
    model = dr.learn(_table(), predict="y", using=["x", "z"], loss=loss)
    told = " ".join(paragraphs(model.record).split())
    assert f"always predicting {guess}:" in told
    assert ("R2" in told.split("on the rows it learnt from")[0]) == (guess == MEAN)
    assert f"always predicting {guess}:" in " ".join(str(model.compare(_table())).split())
