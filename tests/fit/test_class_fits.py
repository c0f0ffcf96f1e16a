"""Many classes by default, against scikit-learn: weights, held-out error and the ridge chosen."""

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import deltarule as dr
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings

ROWS, P, K = 600, 12, 8


def table(seed: int = 0) -> pl.DataFrame:
    """Correlated, skewed and constant inputs, and a class."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, P)) + rng.normal(size=(ROWS, 1))
    x[:, ::4] = np.exp(x[:, ::4] / 2)
    x[:, 5] = 3.0
    scores = x @ rng.normal(size=(P, K)) / 2 + rng.gumbel(size=(ROWS, K))
    names = [f"x{at}" for at in range(P)]
    kind = pl.Series("kind", [f"k{one}" for one in scores.argmax(axis=1)])
    return pl.DataFrame(x * np.logspace(-2, 2, P), schema=names).with_columns(kind)


def standard(frame: pl.DataFrame) -> np.ndarray:
    x = frame.drop("kind").to_numpy()
    spread = x.std(axis=0)
    found: np.ndarray = (x - x.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return found


def solved(x: np.ndarray, kinds: np.ndarray, ridge: float) -> LogisticRegression:
    known = LogisticRegression(
        C=1 / (len(x) * ridge), solver="newton-cg", tol=1e-10, max_iter=10_000
    )
    return known.fit(x, kinds)


def learnt(frame: pl.DataFrame, **asked: object) -> dr.Model:
    # Of so few weights Newton would be chosen.
    model: dr.Model = dr.learn(frame, predict="kind", learner="lbfgs", **asked)
    return model


def test_weights_are_those_of_the_tight_optimum_at_the_ridge_chosen() -> None:
    frame = table()
    model = learnt(frame)
    ridge = model.record.learnt[0].ridge
    assert ridge > 0
    spread = frame.drop("kind").to_numpy().std(axis=0)
    known = solved(standard(frame), frame["kind"].to_numpy(), ridge)
    found = np.array([w.weight for w in model.record.weights]).reshape(K, -1)
    varies = spread > 1e-9
    found = found if found.shape[1] == varies.sum() else found[:, varies]
    # Gradients end below 1e-8 of the first ones, and the ridge bounds the Hessian from below.
    assert found * spread[varies] == pytest.approx(known.coef_[:, varies], abs=1e-5)


@pytest.mark.parametrize("ridge", [1e-3, 3e-2])
def test_the_held_out_loss_is_that_of_explicit_refits(ridge: float) -> None:
    frame = table()
    model = learnt(frame, ridge=ridge)
    read = Run.of(frame, Settings(predict="kind")).read
    part = np.concatenate([rows.fold for rows in read.rows()])
    x, kinds = standard(frame), frame["kind"].to_numpy()
    off = 0.0
    for fold in np.unique(part):
        learnt_from = part != fold
        known = solved(x[learnt_from], kinds[learnt_from], ridge)
        shares = known.predict_proba(x[~learnt_from])
        at = np.searchsorted(known.classes_, kinds[~learnt_from])
        off -= np.log(shares[np.arange(len(at)), at]).sum()
    # Folds end within a thousandth of the way from the weights of all rows.
    assert model.held_out.loss == pytest.approx(off / ROWS, rel=1e-3)


def test_no_other_ridge_is_much_better_on_held_out_rows() -> None:
    frame = table(1)
    model = learnt(frame)
    ridge = model.record.learnt[0].ridge
    losses = [learnt(frame, ridge=one).held_out.loss for one in ridge * np.logspace(-1.5, 1.5, 7)]
    assert model.held_out.loss <= min(losses) + 0.003
