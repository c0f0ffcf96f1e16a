"""Penalties that held-out rows choose, for losses learnt in steps, against the loop written out."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

import deltarule as dr
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings

LOSSES = ["logistic", "poisson", "gamma", "tweedie(1.5)"]


def table_of(loss: str, *, rows: int, inputs: int, say: int, seed: int = 0) -> pl.DataFrame:
    """A table in which the first so many inputs say something of the target."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, inputs))
    score = x[:, :say].sum(axis=1)
    target = {
        "logistic": lambda: (rng.random(rows) < expit(score)).astype(float),
        "poisson": lambda: rng.poisson(np.exp(score / 2)).astype(float),
        "gamma": lambda: rng.gamma(2.0, np.exp(score / 2)),
        "tweedie(1.5)": lambda: rng.gamma(2.0, np.exp(score / 2)) * (rng.random(rows) < 0.8),
    }[loss]()
    columns = {f"x{at}": x[:, at] for at in range(inputs)}
    return pl.DataFrame({**columns, "y": target})


@pytest.mark.parametrize("loss", LOSSES)
def test_a_ridge_is_taken_where_it_clearly_helps(loss: str) -> None:
    table = table_of(loss, rows=120, inputs=40, say=1)
    fresh = table_of(loss, rows=4000, inputs=40, say=1, seed=1)
    helped = dr.learn(table, predict="y", loss=loss)
    plain = dr.learn(table, predict="y", loss=loss, ridge=0)
    assert helped.record.learnt[0].ridge > 0
    assert any("earned its place: the mean loss on held-out rows" in n for n in helped.record.notes)
    assert helped.record.weights[0].standard_error is None
    # On rows that no fold has seen, either.
    now, before = (model.compare(fresh).outputs[0] for model in (helped, plain))
    assert now.deviance is not None
    assert before.deviance is not None
    assert now.deviance < before.deviance


@pytest.mark.parametrize("loss", LOSSES)
def test_none_is_taken_where_rows_say_enough(loss: str) -> None:
    table = table_of(loss, rows=600, inputs=3, say=3)
    model, plain = (dr.learn(table, predict="y", loss=loss, ridge=r) for r in ("auto", 0))
    assert model.record.learnt[0].ridge == 0
    assert model.record.weights == plain.record.weights
    assert not any("ridge" in note for note in model.record.notes)


@pytest.mark.parametrize("loss", ["logistic", "poisson", "gamma"])
def test_a_lasso_is_chosen_too_and_leaves_out_what_says_nothing(loss: str) -> None:
    table = table_of(loss, rows=150, inputs=30, say=2)
    model = dr.learn(table, predict="y", loss=loss, lasso="auto")
    learnt = model.record.learnt[0]
    assert learnt.lasso > 0
    weights = np.array([one.weight for one in model.record.weights])
    assert (weights[:2] != 0).all()
    assert (weights[2:] == 0).sum() > 5
    assert f"{(weights == 0).sum()} of 30 weights are 0" in str(model)


def test_noise_alone_leaves_next_to_nothing_or_no_penalty() -> None:
    taken = 0
    for seed in range(10):
        table = table_of("logistic", rows=200, inputs=4, say=0, seed=seed)
        model = dr.learn(table, predict="y", loss="logistic", lasso="auto", ridge=0)
        weights = np.array([one.weight for one in model.record.weights])
        taken += bool(model.record.learnt[0].lasso)
        if model.record.learnt[0].lasso:
            plain = dr.learn(table, predict="y", loss="logistic", ridge=0)
            all_of_it = np.abs([one.weight for one in plain.record.weights]).sum()
            assert np.abs(weights).sum() < 0.7 * all_of_it
        else:
            assert any("no lasso earned its place" in note for note in model.record.notes)
    assert taken < 10


def test_both_are_the_elastic_net_only_if_one_does_not_do() -> None:
    rng = np.random.default_rng(3)
    # Ten inputs that are nearly one: a lasso alone picks some, a ridge alone keeps the noise.
    core = rng.normal(size=(100, 1))
    x = np.hstack([core + 0.3 * rng.normal(size=(100, 10)), rng.normal(size=(100, 20))])
    y = (rng.random(100) < expit(2 * core[:, 0])).astype(float)
    table = {**{f"x{at}": x[:, at] for at in range(30)}, "y": y}
    run = Run.of(table, Settings(predict="y", loss="logistic", lasso="auto"))
    assert run.problem is not None
    tried = run.problem.tried
    assert tried is not None
    pairs = set(zip(tried.ridge.tolist(), tried.lasso.tolist(), strict=True))
    assert len({ridge for ridge, _ in pairs}) >= 5
    assert len({lasso for _, lasso in pairs}) == 21
    chosen = tried.chosen()
    mean = tried.errors.sum(axis=(1, 2))
    assert mean[chosen] < mean[0]


def test_held_out_losses_are_scikit_learns_on_the_same_folds() -> None:
    table = table_of("logistic", rows=160, inputs=5, say=2)
    run = Run.of(table, Settings(predict="y", loss="logistic"))
    assert run.problem is not None
    tried = run.problem.tried
    assert tried is not None
    x, y = table.drop("y").to_numpy(), table["y"].to_numpy()
    # Strengths are for inputs standardised over all rows, as the folds are learnt.
    inside = (x - x.mean(axis=0)) / x.std(axis=0)
    [rows] = run.read.rows()
    fold = rows.fold
    for at in (0, 5, 7):
        losses = []
        for one in range(5):
            learnt, judged = fold != one, fold == one
            strength = float(tried.ridge[at]) or 1e-12
            peer = LogisticRegression(
                C=1 / (strength * learnt.sum()), tol=1e-10, max_iter=10_000
            ).fit(inside[learnt], y[learnt])
            score = peer.decision_function(inside[judged])
            losses.append((np.logaddexp(0, score) - y[judged] * score).sum())
        # The folds' weights are learnt to a thousandth of a step.
        np.testing.assert_allclose(tried.errors[at, :, 0], losses, rtol=1e-4)


def test_a_row_of_weight_three_is_three_rows(copied: Callable[..., pl.DataFrame]) -> None:
    table = table_of("poisson", rows=80, inputs=25, say=1, seed=4)
    table = table.with_columns(n=np.random.default_rng(5).integers(1, 4, size=80))
    weighted = dr.learn(table, predict="y", loss="poisson", weight="n")
    other = dr.learn(copied(table, "n"), predict="y", loss="poisson", id="id")
    assert weighted.record.learnt[0].ridge == other.record.learnt[0].ridge > 0
    np.testing.assert_allclose(
        [one.weight for one in weighted.record.weights],
        [one.weight for one in other.record.weights],
        rtol=1e-8,
    )


def test_of_many_rows_some_choose_and_the_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.fit.penalty_search.MOST_ROWS", 100)
    table = table_of("poisson", rows=900, inputs=18, say=1, seed=2)
    model = dr.learn(table, predict="y", loss="poisson")
    learnt = model.record.learnt[0]
    [note] = [note for note in model.record.notes if "all of them need less" in note]
    assert "of 900 rows" in note
    assert f"ridge {learnt.ridge:.3g}" in note
    asked = int(note.split("that was on ")[1].split()[0])
    assert 60 < asked < 140
    [earned] = [note for note in model.record.notes if "earned its place" in note]
    chosen = float(earned.split()[1])
    assert learnt.ridge == pytest.approx(chosen * asked / 900, rel=1e-2)


def test_separable_rows_get_the_ridge_that_makes_their_weights_finite() -> None:
    table = pl.DataFrame({"x": np.arange(40.0), "y": [0.0] * 20 + [1.0] * 20})
    model = dr.learn(table, predict="y", loss="logistic")
    assert not any("told apart perfectly" in n for n in model.record.notes) or (
        model.record.learnt[0].ridge == 0
    )
    assert np.isfinite([one.weight for one in model.record.weights]).all()


@pytest.mark.parametrize("settings", [{"learner": "descent"}, {"alpha": 0.1}])
def test_steps_that_are_watched_try_no_ridge_but_a_lasso_that_was_asked_for(
    settings: dict[str, Any],
) -> None:
    table = table_of("logistic", rows=150, inputs=20, say=2)
    plain = dr.learn(table, predict="y", loss="logistic", steps=300, **settings)
    assert plain.record.learnt[0].ridge == 0
    chosen = dr.learn(table, predict="y", loss="logistic", lasso="auto", steps=300, **settings)
    assert chosen.record.learnt[0].lasso > 0
    squared = dr.learn(table, predict="y", loss="squared", lasso="auto", steps=300, **settings)
    exact = dr.learn(table, predict="y", loss="squared", lasso="auto", ridge=0)
    assert squared.record.learnt[0].lasso == exact.record.learnt[0].lasso > 0


def test_the_note_on_a_ridge_tells_the_log_loss_of_the_rows_that_were_judged() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 12))
    # Both rows of the rare class are in one fold, so no other fold knows it.
    kind = np.where(x[:, 0] + 2 * rng.normal(size=200) > 0, "a", "b").astype("U4")
    kind[[77, 78]] = "rare"
    table = {f"x{at}": column for at, column in enumerate(x.T)} | {"kind": kind}
    model = dr.learn(table, predict="kind")
    notes = model.record.notes
    assert any("2 rows of 'rare' could not be judged" in note for note in notes)
    (earned,) = [note for note in notes if "earned its place" in note]
    told = float(re.search(r"is ([\d.]+) with it", earned)[1])
    assert told == pytest.approx(model.held_out.loss, rel=1e-4)
