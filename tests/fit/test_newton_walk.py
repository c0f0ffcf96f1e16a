"""Newton walk: folds that share one Hessian, against fits of each fold by scikit-learn."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, xlogy
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from deltarule.engines.stacked_rows import StackedRows
from deltarule.fit.penalty_search import PenaltySearch
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings

ROWS, INPUTS = 400, 6


def table_of(loss: str) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, INPUTS)) * np.arange(1, INPUTS + 1)
    x[:, 1] += x[:, 0]
    score = x @ (rng.normal(size=INPUTS) / np.arange(1, INPUTS + 1)) / 2
    target: Any = {
        "logistic": lambda: (rng.random(ROWS) < expit(score)).astype(float),
        "poisson": lambda: rng.poisson(np.exp(score)).astype(float),
        "softmax": lambda: np.array(list("abc"))[
            np.digitize(score + rng.logistic(size=ROWS), (-0.5, 0.8))
        ],
    }[loss]()
    return pl.DataFrame({f"x{at}": x[:, at] for at in range(INPUTS)} | {"y": target})


def held_out(loss: str, strength: float, x: Any, y: Any, learnt: Any) -> float:
    """The loss above the saturated one of the rows not learnt from, by scikit-learn."""
    if loss == "poisson":
        peer = PoissonRegressor(alpha=strength, tol=1e-12, max_iter=10_000).fit(
            x[learnt], y[learnt]
        )
        mean, actual = peer.predict(x[~learnt]), y[~learnt]
        return float((mean - actual * np.log(mean) - actual + xlogy(actual, actual)).sum())
    peer = LogisticRegression(C=1 / (strength * learnt.sum()), tol=1e-12, max_iter=10_000)
    chances = peer.fit(x[learnt], y[learnt]).predict_proba(x[~learnt])
    own = np.searchsorted(peer.classes_, y[~learnt])
    return float(-np.log(chances[np.arange(len(own)), own]).sum())


@pytest.mark.parametrize("loss", ["logistic", "poisson", "softmax"])
def test_held_out_losses_of_every_ridge_are_scikit_learns(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alone(*_: Any, **__: Any) -> None:
        raise AssertionError("a fold was fitted on its own")

    # All folds converge side by side.
    monkeypatch.setattr(PenaltySearch, "_learnt", alone)
    table = table_of(loss)
    run = Run.of(table, Settings(predict="y", loss=loss, learner="newton"))
    assert run.problem is not None
    tried = run.problem.tried
    assert tried is not None
    x, y = table.drop("y").to_numpy(), table["y"].to_numpy()
    inside = (x - x.mean(axis=0)) / x.std(axis=0)
    [rows] = run.read.rows()
    for at in range(1, 8, 2):
        found = [
            held_out(loss, float(tried.ridge[at]), inside, y, rows.fold != fold)
            for fold in range(5)
        ]
        # A hundred-thousandth of what a ridge's change leaves, and one more step.
        np.testing.assert_allclose(tried.errors[at, :, 0], found, rtol=2e-6)


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_the_held_out_loss_is_that_of_refits(
    loss: str, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By Newton steps of all folds at once, and by gradients as of larger tables.
    monkeypatch.setattr(StackedRows, "suits", lambda *_: small)
    table = table_of(loss)
    run = Run.of(table, Settings(predict="y", loss=loss, learner="newton", ridge=0.01))
    x, y = table.drop("y").to_numpy(), table["y"].to_numpy()
    inside = (x - x.mean(axis=0)) / x.std(axis=0)
    [rows] = run.read.rows()
    found = [held_out(loss, 0.01, inside, y, rows.fold != fold) for fold in range(5)]
    [judged] = run.model().record.held_out
    # scikit-learn's steps end at a gradient of some 1e-9.
    assert judged.loss == pytest.approx(sum(found) / ROWS, rel=1e-8)
