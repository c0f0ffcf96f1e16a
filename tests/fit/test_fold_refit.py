"""Held-out figures of steps are those of the learner that was used: it learns each fold again."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.losses.registry import loss_named


def table(rows: int = 300, seed: int = 0, *, kind: str = "logistic") -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3)) * [1, 5, 0.2] + [0, 3, 1]
    score = (x - [0, 3, 1]) @ [1.5, -0.2, 2.0] + 0.3
    y = {
        "logistic": lambda: (rng.random(rows) < 1 / (1 + np.exp(-score))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(0.5 * score)).astype(float),
        "absolute": lambda: score + rng.standard_t(2, size=rows),
        "squared": lambda: score + rng.normal(size=rows),
    }[kind]()
    return {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y, "when": np.arange(rows) // 7}


def refitted(data: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[float, float]:
    """Typical error and mean loss on held-out rows by models learnt from the other folds' rows."""
    read = Run.of(data, Settings(predict="y", using=["a", "b", "c"], **settings)).read
    encoded = list(read.rows())
    number = np.concatenate([one.number for one in encoded])
    fold = np.concatenate([one.fold for one in encoded])
    off, losses = [], []
    for split in read.splits.of(read.folds):
        train = np.sort(number[np.isin(fold, split.train)])
        test = np.sort(number[fold == split.test])
        rows = {name: np.asarray(column)[train] for name, column in data.items()}
        # Only the weights are asked for; how its own rows are held out does not matter.
        own = {"using": ["a", "b", "c"], "time": None}
        model = dr.learn(rows, predict="y", **{**settings, **own})
        weights = {one.input: one.weight for one in model.record.weights}
        score = model.record.intercept[0].weight + sum(
            weight * np.asarray(data[name])[test] for name, weight in weights.items()
        )
        loss, truth = loss_named(settings["loss"]), np.asarray(data["y"])[test]
        off.append(loss.link.inverse(score[:, None])[:, 0] - truth)
        losses.append(loss.value(score[:, None], truth[:, None]))
    rmse = float(np.sqrt(np.mean(np.concatenate(off) ** 2)))
    return rmse, float(np.mean(np.concatenate(losses)))


SETTINGS: list[dict[str, Any]] = [
    {"loss": "logistic", "learner": "descent", "steps": 3},
    {"loss": "logistic", "learner": "momentum", "steps": 4},
    {"loss": "logistic", "learner": "nesterov", "steps": 4},
    {"loss": "logistic", "learner": "adam", "steps": 5},
    {"loss": "logistic", "learner": "adam", "batch": 30, "epochs": 1, "shuffle": False},
    {"loss": "logistic", "learner": "newton", "steps": 1},
    {"loss": "logistic", "alpha": 0.01, "steps": 5},
    {"loss": "logistic", "learner": "descent", "steps": 3, "ridge": 0.1},
    {"loss": "logistic", "learner": "descent", "steps": 3, "lasso": 0.02},
    {"loss": "logistic", "learner": "descent", "steps": 3, "freeze": {"a": 0.5}},
    {"loss": "logistic", "learner": "descent", "steps": 3, "time": "when"},
    {"loss": "poisson", "learner": "descent", "steps": 3},
    {"loss": "absolute", "learner": "descent", "steps": 3},
    {"loss": "squared", "learner": "descent", "batch": 30, "epochs": 1, "shuffle": False},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: "-".join(map(str, one.values())))
def test_held_out_figures_are_those_of_the_same_steps_on_the_other_folds(
    settings: dict[str, Any],
) -> None:
    data = table(kind=settings["loss"])
    model = dr.learn(data, predict="y", using=["a", "b", "c"], **settings)
    [held_out] = model.record.held_out or ()
    rmse, loss = refitted(data, settings)
    assert held_out.rmse == pytest.approx(rmse, rel=1e-9)
    assert held_out.loss == pytest.approx(loss, rel=1e-9)


def test_steps_that_stop_early_promise_no_more_than_new_rows_give() -> None:
    learnt, new = table(400, 1), table(4000, 2)
    for settings in ({"learner": "descent", "steps": 2}, {"learner": "newton", "steps": 1}):
        model = dr.learn(learnt, predict="y", loss="logistic", **settings)
        [held_out], [there] = model.record.held_out or (), model.compare(new).outputs
        # 400 rows know a mean loss to some hundredths.
        assert held_out.loss == pytest.approx(there.loss, rel=0.08)
        best = dr.learn(learnt, predict="y", loss="logistic").record.held_out or ()
        assert held_out.loss > best[0].loss  # type: ignore[operator]


def test_steps_that_arrived_are_judged_as_newton_is() -> None:
    data = table()
    descent = dr.learn(data, predict="y", loss="logistic", learner="descent")
    newton = dr.learn(data, predict="y", loss="logistic")
    assert descent.record.learnt[0].stopped.startswith("settled")
    for one, other in zip(descent.record.held_out or (), newton.record.held_out or (), strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-6)


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_what_takes_too_long_is_said_in_words(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.fit.fold_refit.STEPS_AGAIN", 5)
    settings = {"loss": loss, "learner": "adam", "steps": 8}
    model = dr.learn(table(kind=loss), predict="y", **settings)
    assert model.record.held_out is None
    assert [note for note in model.record.notes if "8 steps are too many" in note]
    assert "no rows were held out" in str(model)


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_steps_that_diverge_have_no_held_out_error_and_say_so(loss: str) -> None:
    model = dr.learn(table(kind=loss), predict="y", loss=loss, alpha=3.0, steps=50)
    assert model.record.learnt[0].stopped.startswith("diverging")
    assert model.record.held_out is None
    assert "no error on held-out rows: the steps diverged" in model.record.notes


def test_a_file_is_not_read_a_hundred_times_more(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "t.csv"
    data = table(100)
    lines = [",".join(map(str, row)) for row in zip(*data.values(), strict=True)]
    file.write_text("\n".join([",".join(data), *lines]))
    monkeypatch.setattr("deltarule.fit.target_group.ROWS_BY_HAND", 0)
    monkeypatch.setattr("deltarule.tables.one_read.KEPT_CELLS", 10)
    settings: dict[str, Any] = {"loss": "logistic", "learner": "descent"}
    few = dr.learn(file, predict="y", using=["a", "b", "c"], steps=3, **settings)
    rmse, _ = refitted(copy.deepcopy(data), {**settings, "steps": 3})
    assert (few.record.held_out or ())[0].rmse == pytest.approx(rmse, rel=1e-9)


def test_folds_take_more_steps_than_all_rows_until_they_settle_too() -> None:
    data = table(200, kind="squared")
    asked = {"predict": "y", "using": ["a"], "ridge": 0}
    exact = dr.learn(data, **asked).held_out
    assert dr.learn(data, learner="descent", **asked).held_out.rmse == pytest.approx(exact.rmse)
    few = dr.learn(data, learner="descent", steps=2, **asked)
    assert few.record.learnt[0].stopped.startswith("settled at step 2")
    assert few.held_out.rmse != pytest.approx(exact.rmse, rel=1e-5)


@pytest.mark.parametrize("kind", ["logistic", "poisson"])
def test_weights_short_of_the_best_ones_have_no_standard_errors(kind: str) -> None:
    asked = {"predict": "y", "using": ["a"], "loss": kind, "ridge": 0}
    for settings in ({"learner": "descent", "steps": 2}, {"batch": 8, "epochs": 1}):
        model = dr.learn(table(kind=kind), **asked, **settings)
        assert [one.standard_error for one in model.record.weights] == [None]
        assert model.record.learnt[0].errors == ""
    arrived = dr.learn(table(kind=kind), learner="descent", **asked).record.weights[0]
    assert arrived.standard_error == pytest.approx(
        dr.learn(table(kind=kind), **asked).record.weights[0].standard_error, rel=1e-6
    )
