"""The held-out error at a step, against models that folds of the table give by another way."""

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.web import held_out
from deltarule.web.held_out import HeldOut
from deltarule.web.session import Choices, Session
from deltarule.web.tables import opened

ROWS = 60


def table() -> pl.DataFrame:
    rng = np.random.default_rng(7)
    x, z = rng.normal(size=(2, ROWS))
    y = 2 * x - z + rng.normal(size=ROWS)
    kind = np.where(y > 1, "high", np.where(y > -1, "mid", "low"))
    return pl.DataFrame({"x": x, "z": z, "y": y, "yes": y > 0.3, "kind": kind})


@pytest.mark.parametrize(
    ("choices", "link"),
    [
        (Choices(("y",), ("x", "z"), alpha=0.1), None),
        (Choices(("y",), ("x", "z"), alpha=0.1, batch=7), None),
        (Choices(("yes",), ("x", "z"), loss="logistic", alpha=0.5), None),
    ],
)
def test_it_is_the_error_of_the_models_of_the_other_folds(choices: Choices, link):
    """Each fold apart: its rows taken out of the table, the steps by the library."""
    frame = table()
    session = Session(opened(frame), choices)
    found = HeldOut(session).at(12)
    assert found is not None
    assert (found.folds, found.of) == (5, 5)
    if choices.batch is not None:
        # Which rows a batch has depends on the rows there are: its size is all that is compared.
        assert 0 < found.error < 4
        return
    numbers = np.concatenate([part.placed().fold for part in session.read.rows()])
    target = choices.predict[0]
    total = 0.0
    for fold in range(5):
        rest, mine = frame.filter(numbers != fold), frame.filter(numbers == fold)
        *_, last = dr.steps(
            rest, predict=target, using=["x", "z"], alpha=choices.alpha, loss=choices.loss,
            learner="descent", steps=12, tolerance=0,
        )  # fmt: skip
        weight, start = last.weights["weight"][:, 0], last.weights["intercept"][0]
        score = mine.select("x", "z").to_numpy() @ weight + start
        truth = mine[target].cast(pl.Float64).to_numpy()
        if choices.loss == "squared":
            total += float(((score - truth) ** 2).sum())
        else:
            total += float(np.log1p(np.exp(-np.where(truth == 1, score, -score))).sum())
    assert found.error == pytest.approx(total / ROWS, rel=1e-9)


def test_a_jump_in_closed_form_says_what_single_steps_say():
    session = Session(opened(table()), Choices(("y",), ("x", "z"), standardise=True, alpha=0.3))
    here = HeldOut(session)
    one_by_one = [here.folds[0].walk.to(number).weights for number in (1, 7, 30)]
    for number, weights in zip((1, 7, 30), one_by_one, strict=True):
        jumped = here.folds[0].walk.weights_after(number)
        assert jumped is not None
        for name, array in weights.items():
            np.testing.assert_allclose(jumped[name], array, rtol=1e-9, atol=1e-12)


def test_it_is_above_the_training_error_where_a_model_learns_errors():
    rng = np.random.default_rng(3)
    frame = pl.DataFrame({f"x{at}": rng.normal(size=40) for at in range(12)})
    frame = frame.with_columns(pl.Series("y", rng.normal(size=40)))
    session = Session(opened(frame), Choices(("y",), tuple(frame.columns[:-1]), standardise=True))
    session.go(300)
    found = HeldOut(session).at(300)
    assert found is not None
    assert found.error > 1.5 * 2 * session.at.now.loss


def test_a_weight_put_by_hand_is_where_folds_begin():
    session = Session(opened(table()), Choices(("y",), ("x", "z"), alpha=0.1))
    session.hand(0, 0, 50.0)
    found = HeldOut(session).at(0)
    assert found is not None
    assert found.error == pytest.approx(2 * session.at.now.loss, rel=1e-9)


def test_few_rows_have_none_and_long_passes_have_one_fold(monkeypatch):
    few = Session(opened(table().head(6)), Choices(("y",), ("x",), alpha=0.1))
    assert HeldOut(few).at(1) is None
    monkeypatch.setattr(held_out, "MOST_CELLS", 50)
    long = Session(opened(table()), Choices(("yes",), ("x",), loss="logistic", alpha=0.1))
    found = HeldOut(long).at(1)
    assert found is not None
    assert (found.folds, found.of) == (1, 5)


def test_where_folds_diverge_there_is_no_number():
    session = Session(opened(table()), Choices(("y",), ("x", "z"), alpha=90.0))
    assert HeldOut(session).at(1) is not None
    assert HeldOut(session).at(900) is None
