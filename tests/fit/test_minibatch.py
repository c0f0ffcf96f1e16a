"""Learning on some rows at a time, from tables: in memory and read again, with any learner."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import LearningError
from deltarule.fit import minibatch_rows
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.solvers.learners import LEARNERS, has_alpha

FIRST_ORDER = [name for name in LEARNERS if has_alpha(name)]


def table(n: int = 600, *, noise: float = 1.0) -> pl.DataFrame:
    rng = np.random.default_rng(11)
    a, b = rng.normal(50, 10, n), rng.normal(0, 0.1, n)
    y = 3 * a - 40 * b + 7 + noise * rng.normal(size=n)
    return pl.DataFrame(
        {"a": a, "b": b, "y": y, "yes": (y > y.mean()).astype(int), "each": rng.integers(1, 4, n)}
    )


def weights(model: dr.Model) -> list[float]:
    return [*(one.weight for one in model.record.weights), model.record.intercept[0].weight]


ASKED: dict[str, Any] = {"predict": "y", "using": ["a", "b"], "ridge": 0}


@pytest.mark.parametrize("learner", FIRST_ORDER)
@pytest.mark.parametrize("size", [1, 32])
def test_batches_come_near_the_exact_weights_with_their_own_alpha(learner: str, size: int) -> None:
    rows = table()
    exact = weights(dr.learn(rows, **ASKED))
    model = dr.learn(rows, **ASKED, learner=learner, batch=size, epochs=40)
    # Standard errors are some 1e-3 of these weights, and so is what is left of the way.
    assert weights(model) == pytest.approx(exact, rel=0.02)
    (learnt,) = model.record.learnt
    assert (learnt.learner, learnt.batch) == (learner, size)
    assert learnt.error_above_least is not None
    assert 0 <= learnt.error_above_least < 1e-2
    assert learnt.way_left is not None
    assert 0 < learnt.way_left < 1e-2
    assert "of the least" in learnt.stopped
    # Only where it arrived are standard errors known.
    assert model.record.weights[0].standard_error is None


def test_what_it_says_of_how_near_it_came_is_true() -> None:
    rows = table()
    model = dr.learn(rows, **ASKED, batch=16, epochs=3)
    x = rows.select("a", "b").to_numpy()
    design, t = np.column_stack([x, np.ones(600)]), rows["y"].to_numpy()
    best = np.linalg.lstsq(design, t, rcond=None)[0]
    now = np.array(weights(model))
    error, least = (float(np.mean((design @ w - t) ** 2)) for w in (now, best))
    (learnt,) = model.record.learnt
    assert learnt.error_above_least == pytest.approx(error / least - 1, rel=1e-6)
    # It starts from weights of 0, standardised or not.
    unit = np.array([x[:, 0].std(), x[:, 1].std(), 1.0])
    left = np.linalg.norm(unit * (now - best)) / np.linalg.norm(unit * best)
    assert learnt.way_left == pytest.approx(left, rel=1e-6)


@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber"])
def test_other_losses_come_near_too(loss: str) -> None:
    asked = {"predict": "y" if loss == "huber" else "yes", "using": ["a", "b"], "loss": loss}
    rows = table(noise=20.0)
    newton = dr.learn(rows, **asked)
    model = dr.learn(rows, **asked, batch=20, epochs=60)
    # Huber's is a fit to the residuals of least squares here, not the last round's.
    near = 0.1 if loss == "huber" else 0.03
    assert weights(model) == pytest.approx(weights(newton), rel=near, abs=0.1)
    assert model.record.learnt[0].gradient_left is not None
    assert model.record.learnt[0].gradient_left < 0.02


def test_steps_say_which_rows_they_saw_and_what_those_said() -> None:
    rows = table(50)
    x, t = rows.select("a", "b").to_numpy(), rows["y"].to_numpy()
    seen = []
    for step in dr.steps(rows, **ASKED, batch=8, alpha=1e-5, epochs=2, seed=3, tolerance=0):
        assert step.saw is not None
        seen += step.saw.tolist()
        weight, intercept = step.before["weight"][:, 0], step.before["intercept"]
        delta = x[step.saw] @ weight + intercept - t[step.saw]
        assert step.delta == pytest.approx(delta.mean(), rel=1e-12)
        assert step.error == pytest.approx((delta**2).mean(), rel=1e-12)
        moved = 1e-5 * delta @ x[step.saw] / len(delta)
        np.testing.assert_allclose(step.weights["weight"][:, 0], weight - moved, rtol=1e-12)
    assert sorted(seen[:50]) == sorted(seen[50:]) == list(range(50))
    assert seen[:50] != seen[50:]


def test_the_seed_decides_the_order_and_nothing_else_does() -> None:
    def saw(**more: Any) -> list[int]:
        steps = dr.steps(table(40), **ASKED, batch=7, epochs=2, **more)
        return [int(at) for step in steps if step.saw is not None for at in step.saw]

    assert saw() == saw(seed=0)
    assert saw(seed=1) != saw()
    assert saw(shuffle=False) == [*range(40), *range(40)]
    assert saw(learner="adam") == saw()


def test_a_batch_of_all_rows_is_all_rows() -> None:
    rows = table(30)
    whole = list(dr.steps(rows, **ASKED, learner="descent", steps=5))
    same = list(dr.steps(rows, **ASKED, learner="descent", steps=5, batch=30))
    assert all(step.saw is None for step in same)
    assert [step.error for step in same] == [step.error for step in whole]


def test_weights_of_rows_are_as_good_as_copies() -> None:
    rows = table(200)
    copies = rows.select(pl.all().repeat_by("each")).explode(pl.all())
    weighted = dr.learn(rows, **ASKED, weight="each", batch=5, epochs=60)
    copied = dr.learn(copies, **ASKED, batch=10, epochs=60)
    exact = dr.learn(rows, **ASKED, weight="each")
    assert weights(weighted) == pytest.approx(weights(exact), rel=0.02)
    assert weights(copied) == pytest.approx(weights(exact), rel=0.02)


def test_the_ridge_is_that_of_all_rows() -> None:
    asked = {**ASKED, "ridge": 0.5}
    exact = dr.learn(table(), **asked)
    model = dr.learn(table(), **asked, batch=20, epochs=60)
    assert weights(model) == pytest.approx(weights(exact), rel=0.02)


def test_too_large_an_alpha_names_one_that_is_not() -> None:
    model = dr.learn(table(), **ASKED, batch=4, alpha=0.1)
    words = model.record.learnt[0].stopped
    assert words.startswith("diverging")
    assert "the scale of a sets that limit" in words
    alpha = float(words.split("for such batches; ")[1].split()[0])
    good = dr.learn(table(), **ASKED, batch=4, alpha=alpha, epochs=5)
    assert not good.record.learnt[0].stopped.startswith("diverging")


# Reading again at each epoch


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is held, and a block is 100 rows."""
    monkeypatch.setattr(minibatch_rows, "SHUFFLED_CELLS", 0)
    monkeypatch.setattr(minibatch_rows, "BLOCK", 100)


@pytest.mark.usefixtures("streamed")
def test_a_table_that_is_read_again_is_shuffled_within_blocks(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table(250).write_csv(path)
    run = Run.of(str(path), Settings(**ASKED, batch=40, epochs=2))
    steps = list(run)
    sizes = [len(step.saw) for step in steps if step.saw is not None]
    assert sizes == [40] * 6 + [10] + [40] * 6 + [10]
    first = np.concatenate([step.saw for step in steps[:7] if step.saw is not None])
    assert sorted(first) == list(range(250))
    assert first.tolist() != sorted(first)
    (note,) = [note for note in run.model().record.notes if "each step saw" in note]
    assert "read again in each epoch and shuffled within blocks of 100" in note


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("learner", ["descent", "adam"])
def test_a_table_that_is_read_again_is_learnt_as_well(tmp_path: Path, learner: str) -> None:
    path = tmp_path / "t.csv"
    table().write_csv(path)
    exact = dr.learn(str(path), **ASKED)
    model = dr.learn(str(path), **ASKED, learner=learner, batch=20, epochs=40)
    assert weights(model) == pytest.approx(weights(exact), rel=0.02)
    in_order = dr.learn(str(path), **ASKED, learner=learner, batch=20, epochs=40, shuffle=False)
    # An order that stays leaves a bias, and the intercept stands far from the data.
    assert weights(in_order)[:2] == pytest.approx(weights(exact)[:2], rel=0.02)


@pytest.mark.usefixtures("streamed")
def test_in_the_tables_order_a_read_gives_the_steps_that_memory_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(250)
    asked = {**ASKED, "batch": 30, "epochs": 2, "shuffle": False}
    read = list(dr.steps(rows, **asked))
    monkeypatch.setattr(minibatch_rows, "SHUFFLED_CELLS", 10**6)
    held = list(dr.steps(rows, **asked))
    assert len(read) == len(held) == 18
    for one, other in zip(read, held, strict=True):
        assert np.array_equal(one.saw, other.saw)  # type: ignore[arg-type]
        assert np.array_equal(one.weights["weight"], other.weights["weight"])


def test_any_step_can_be_asked_for_by_its_number() -> None:
    run = Run.of(table(50), Settings(**ASKED, batch=8, epochs=3))
    assert run.problem is not None
    batches = run.problem.batches
    assert batches is not None
    for step in run:
        assert np.array_equal(batches.at(step.number).rows, step.saw)  # type: ignore[arg-type]


# The command line, and refusals


def test_the_command_line_takes_batches(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table().write_csv(path)
    more = ["--batch=20", "--epochs=5", "--seed=2", "--learner=nesterov"]
    ran = run("learn", path, "--predict=y", "--using=a,b", *more)
    assert (ran.code, ran.err) == (0, "")
    assert "stopped after the 5 epochs allowed, 150 steps" in ran.out
    assert "each step saw 20 of 600 rows, shuffled anew in each epoch, from seed 2" in ran.out
    ran = run("learn", path, "--predict=y", "--using=a,b", *more, "--in-order")
    assert "each step saw 20 of 600 rows, in the table's order" in ran.out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"batch": 0}, "batch is 0"),
        ({"batch": -3}, "batch is -3"),
        ({"batch": 2.5}, "batch is 2.5"),
        ({"batch": True}, "batch is True"),
        ({"batch": "some"}, "batch is 'some'"),
        ({"batch": 5, "epochs": 0}, "epochs is 0"),
        ({"batch": 5, "seed": -1}, "seed is -1"),
        ({"batch": 5, "learner": "newton"}, "newton needs all rows at each step"),
        ({"batch": 5, "learner": "exact"}, "exact needs all rows at each step"),
    ],
)
def test_batches_that_cannot_be_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(LearningError, match=words):
        Settings(predict="y", **more)


def test_the_command_line_refuses_what_is_no_number(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    table(5).write_csv(tmp_path / "t.csv")
    ran = run("learn", tmp_path / "t.csv", "--predict=y", "--batch=few")
    assert ran.code == 2
    assert "neither all nor a number of rows" in ran.err
