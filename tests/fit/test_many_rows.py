"""Tables of many rows: gone over where they are, by workers, begun on a sample.

What counts as many is made small here, so that the same code is quick.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.engines import local
from deltarule.engines.batch import Batch, ByFold
from deltarule.engines.local import RowPass, RowsInMemory
from deltarule.engines.questions import PassObjective
from deltarule.fit import prepare, warm_start
from deltarule.fit.cross_validate import steady
from deltarule.fit.problem import FitProblem
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.fit.warm_start import steepest
from deltarule.rule.predict import Array
from deltarule.tables import sample
from deltarule.tables.one_read import Keep
from deltarule.tables.sample import Sample

ROWS = 40_000
SMOOTH = ["logistic", "poisson", "gamma", "tweedie(1.5)"]


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "NEWTON_CELLS", 0)
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 4_000)


def table(loss: str = "logistic", *, seed: int = 0, n: int = ROWS) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 3)) * [1.0, 100.0, 0.01] + [0.0, 500.0, 1.0]
    score = (inputs - [0.0, 500.0, 1.0]) @ [0.5, -0.004, 30.0] - 0.3
    target = {
        "logistic": lambda: (rng.random(n) < 1 / (1 + np.exp(-score))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(score)).astype(float),
        "gamma": lambda: rng.gamma(2.0, np.exp(score) / 2.0) + 1e-9,
        "tweedie(1.5)": lambda: rng.poisson(np.exp(score)) * rng.gamma(2.0, 0.5, size=n),
    }[loss]()
    columns = {f"x{at}": inputs[:, at] for at in range(3)}
    kind = rng.choice(["a", "b", "c"], size=n)
    return pl.DataFrame({**columns, "kind": kind, "y": target})


def gradient(model: dr.Model, frame: pl.DataFrame) -> tuple[float, float]:
    """The largest average weight_delta on standardised inputs: at the model, and at the start."""
    score = np.full(frame.height, model.record.intercept[0].weight)
    columns = []
    for one in model.record.weights:
        column = frame[one.input]
        values = (column == one.level).cast(pl.Float64) if one.level else column
        score += one.weight * values.to_numpy()
        columns.append(values.to_numpy())
    design = np.column_stack(columns)
    design = (design - design.mean(axis=0)) / design.std(axis=0)
    t = frame["y"].to_numpy()
    mean, null = 1 / (1 + np.exp(-score)), t.mean()
    return tuple(float(np.abs(design.T @ (m - t)).max()) / len(t) for m in (mean, null))  # type: ignore[return-value]  # two of them


def task_of(frame: pl.DataFrame, asked: Settings) -> FitProblem:
    """What learning the table in steps stands on."""
    problem = Run.of(frame, asked).problem
    assert problem is not None
    return problem


def weights(model: dr.Model) -> list[float]:
    return [one.weight for one in [*model.record.intercept, *model.record.weights]]


@pytest.mark.parametrize("loss", SMOOTH)
def test_many_rows_learn_what_few_do(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table(loss)
    many = dr.learn(frame, predict="y", loss=loss)
    monkeypatch.undo()
    few = dr.learn(frame, predict="y", loss=loss)
    assert many.record.learnt[0].sampled > 0
    assert few.record.learnt[0].sampled == 0
    assert many.record.learnt[0].steps < few.record.learnt[0].steps
    # Both settled at 1e-8 of the start and took one of Newton's steps more.
    assert weights(many) == pytest.approx(weights(few), rel=1e-9)
    one, other = many.record.fit[0], few.record.fit[0]
    assert one.deviance == pytest.approx(other.deviance, rel=1e-12)
    assert many.record.held_out is not None
    assert few.record.held_out is not None
    # A fold's weights are a step from those of all rows here, and settled there.
    assert many.record.held_out[0].rmse == pytest.approx(few.record.held_out[0].rmse, rel=1e-7)
    errors = [one.standard_error for one in many.record.weights]
    assert errors == pytest.approx([o.standard_error for o in few.record.weights], rel=1e-7)


def test_the_gradient_is_as_small_as_it_says_at_the_weights_returned() -> None:
    frame = table()
    at_end, at_start = gradient(dr.learn(frame, predict="y", loss="logistic"), frame)
    assert at_end <= 1e-8 * at_start


@pytest.mark.parametrize("by", ["y", "x0", "kind"])
@pytest.mark.parametrize("descending", [False, True])
def test_a_sorted_table_begins_on_a_sample_of_all_of_it(by: str, descending: bool) -> None:
    frame = table()
    plain = dr.learn(frame, predict="y", loss="logistic")
    found = dr.learn(frame.sort(by, descending=descending), predict="y", loss="logistic")
    assert found.record.learnt[0].sampled > 0
    assert found.record.learnt[0].steps <= plain.record.learnt[0].steps + 1
    assert weights(found) == pytest.approx(weights(plain), rel=1e-8)


@settings(deadline=None, derandomize=True, max_examples=8)
@given(turns=st.integers(2, 64), seed=st.integers(0, 2**31))
def test_a_sample_keeps_all_classes_that_take_turns(turns: int, seed: int) -> None:
    drawn = Sample("row", rows=4_000)
    rows = 60_000
    classes = pl.DataFrame({"class": np.arange(rows) % turns})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "SAMPLE_ROWS", 4_000)
        for start in range(0, rows, 7_000):
            drawn.add(classes.slice(start, 7_000), start)
        parts = drawn.frames(rows)
    found = pl.concat(parts)
    assert (found["row"] % turns == found["class"]).all(), "rows keep their numbers"
    assert found["row"].is_unique().all()
    counts = np.bincount(found["class"], minlength=turns)
    expected = counts.sum() / turns
    assert 4_000 <= counts.sum() <= 8_000
    # Five standard deviations of a count.
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected))


def test_a_sample_in_which_one_class_is_alone_leads_to_the_same_weights() -> None:
    # One input tells the classes apart in the sample, and some rows outside of it say otherwise.
    frame = table(n=60_000)
    rare = np.zeros(frame.height)
    rare[: frame.height : 3_000] = 1.0
    target = np.where(rare == 1, np.arange(frame.height) % 9_000 != 0, frame["y"].to_numpy())
    frame = frame.with_columns(rare=pl.Series(rare), y=pl.Series(target.astype(float)))
    found = dr.learn(frame, predict="y", loss="logistic", ridge=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "WORTH", 1000)
        plain = dr.learn(frame, predict="y", loss="logistic", ridge=0)
    assert plain.record.learnt[0].sampled == 0
    assert weights(found) == pytest.approx(weights(plain), rel=1e-7)


def test_a_start_that_misleads_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    far = {"weight": np.full((5, 1), -40.0), "intercept": np.zeros(1)}
    last = SimpleNamespace(weights=far, comparison=SimpleNamespace(hessian=None))
    monkeypatch.setattr(warm_start, "learnt_from_sample", lambda *_: last)
    frame = table()
    found = dr.learn(frame, predict="y", loss="logistic")
    assert found.record.learnt[0].sampled == 0
    at_end, at_start = gradient(found, frame)
    assert at_end <= 1e-8 * at_start


@pytest.mark.parametrize("loss", SMOOTH)
def test_the_moments_know_how_steep_the_start_is(loss: str) -> None:
    run = task_of(table(loss), Settings(predict="y", loss=loss))
    found = run.objective(run.first()).average().weight_delta
    steep = max(float(np.abs(g).max()) for g in found.values())
    found_by_moments = steepest(run.problem, run.standard, run.loss, run.guess)
    assert found_by_moments == pytest.approx(steep, rel=1e-9)


def test_whichever_worker_is_first_the_result_is_the_same_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = pl.concat([table(seed=seed) for seed in range(8)])
    found = []
    for workers in (1, 2, 5):
        monkeypatch.setattr(local, "workers", lambda workers=workers: workers)
        found.append(dr.learn(frame, predict="y", loss="logistic").record)
    one, *others = found
    for other in others:
        assert other.weights == one.weights
        assert other.held_out == one.held_out
        assert other.fit == one.fit


@dataclass(frozen=True)
class Asked:
    """A question for these tests alone."""

    of: Callable[[Batch], Any]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighed", [True, False])
def test_blocks_are_the_rows_themselves(intercept: bool, weighed: bool) -> None:
    frame = table(n=9_000).with_columns(
        w=pl.Series(np.arange(9_000) % 4 / 2.0),
        x0=pl.when(pl.col("x1") > 600).then(None).otherwise(pl.col("x0")),
    )
    asked = Settings(
        predict="y", loss="poisson", intercept=intercept, weight="w" if weighed else None
    )
    run = task_of(frame if weighed else frame.drop("w"), asked)
    passed, held = RowPass(run.read, run.standard), RowsInMemory.of(run.read, run.standard)
    start = {name: array + 0.01 for name, array in run.first().items()}
    for rows in (passed, held):
        assert sum(len(batch.each) for batch in rows.batches()) == run.read.examples
    of = [PassObjective(rows, run.model, run.loss)(start, hessian=True) for rows in (passed, held)]
    without = []
    for rows in (passed, held):
        told = rows.total(
            Asked(lambda batch: batch.sum_by_fold(batch.compare(run.model, run.loss, start))),
            by_fold=True,
        )
        without.append(reduce(add, (one for fold, one in told.items() if fold != 1)))
    for one, other in (of, without):
        # Sums in another order.
        assert one.rows == pytest.approx(other.rows, rel=1e-12)
        assert one.loss == pytest.approx(other.loss, rel=1e-12)
        assert one.hessian is not None
        assert other.hessian is not None
        np.testing.assert_allclose(one.hessian, other.hessian, rtol=1e-10, atol=1e-8)

    def counts(batch: Batch) -> ByFold[float]:
        return ByFold({fold: float(batch.each[span].sum()) for fold, span in batch.folds.items()})

    for rows in (passed, held):
        folds = rows.total(Asked(counts), by_fold=True)
        assert folds == pytest.approx({at: fold.rows for at, fold in enumerate(run.read.folds)})


@pytest.mark.parametrize(
    ("loss", "n"),
    [
        ("logistic", 2_000),
        ("logistic", 300_000),
        ("poisson", 200_000),
        ("softmax", 2_000),
        ("huber", 2_000),
    ],
)
def test_many_levels_are_codes_that_teach_what_columns_do(
    loss: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(9)
    town = rng.integers(0, 40, n)
    x, w = rng.normal(size=n), rng.integers(0, 3, n)
    score = 0.5 * x + np.sin(town) + rng.normal(size=n)
    target = {
        "logistic": (score > 0).astype(float),
        "poisson": rng.poisson(np.exp(score / 2)).astype(float),
        "softmax": np.array(["a", "b", "c"])[np.digitize(score, [-0.7, 0.7])],
        "huber": score,
    }[loss]
    names = pl.Series([f"town {at}" for at in range(40)])
    table = pl.DataFrame({"x": x, "town": names.gather(town), "kind": town % 3 == 0, "w": w})
    table = table.with_columns(y=pl.Series(target))
    asked: dict[str, Any] = {"predict": "y", "loss": loss, "weight": "w", "ridge": 1e-4}
    coded = dr.learn(table, **asked)
    monkeypatch.setattr("deltarule.moments.design_matrix.MOST_DENSE", 1000)
    dense = dr.learn(table, **asked)
    weights = [[one.weight for one in model.record.weights] for model in (coded, dense)]
    assert weights[0] == pytest.approx(weights[1], rel=1e-6, abs=1e-9)
    (one,), (other,) = coded.record.held_out, dense.record.held_out
    assert one.rmse == pytest.approx(other.rmse, rel=1e-8)
    assert coded.record.fit[0].rmse == pytest.approx(dense.record.fit[0].rmse, rel=1e-9)


def test_a_row_that_reaches_far_unsettles_the_folds() -> None:
    frame = table(n=12_000)
    far = frame.with_columns(
        x0=pl.when(pl.int_range(pl.len()) == 7).then(1e4).otherwise(pl.col("x0"))
    )

    def found(rows: pl.DataFrame) -> bool:
        run = task_of(rows, Settings(predict="y", loss="poisson"))
        start: dict[str, Array] = dict(run.first())
        return steady(
            RowPass(run.read, run.standard).total(
                Asked(lambda batch: batch.sum_by_fold(batch.compare(run.model, run.loss, start))),
                by_fold=True,
            )
        )

    assert found(frame)
    assert not found(far)


def test_passes_and_reads_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table()
    path = tmp_path / "t.parquet"
    frame.write_parquet(path)
    monkeypatch.setattr("deltarule.fit.run.rows_kept", lambda *_: Keep(0, sampled=True))
    held, read = (dr.learn(one, predict="y", loss="logistic") for one in (frame, path))
    one, other = held.record.learnt[0], read.record.learnt[0]
    assert one.reads == 1
    assert other.reads == 1 + other.passes
    assert one.passes == other.passes > one.steps
    assert weights(held) == weights(read)
    assert f"one read of 40,000 rows, {one.passes} passes over them, begun with" in str(held)
    assert f"{other.reads} reads of 40,000 rows, begun with" in str(read)


def test_beside_an_offset_the_rows_say_how_steep_the_start_is() -> None:
    frame = table("poisson")
    rng = np.random.default_rng(3)
    exposure = np.exp(rng.normal(size=frame.height) + 0.5 * frame["x0"].to_numpy())
    y = rng.poisson(exposure * np.exp(0.2 * frame["x0"].to_numpy() - 1.0))
    frame = frame.with_columns(y=pl.Series(y.astype(float)), exposure=pl.Series(exposure))
    asked = Settings(predict="y", loss="poisson", exposure="exposure")
    run = Run.of(frame, asked)
    steps = list(run)
    assert run.problem is not None
    first = run.problem.objective(run.problem.first()).average().weight_delta
    last = steps[-1].comparison.weight_delta
    small, steep = (max(float(np.abs(g).max()) for g in of.values()) for of in (last, first))
    assert run.model().record.learnt[0].sampled > 0
    assert small <= 1e-8 * steep
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "WORTH", 1000)
        plain = Run.of(frame, asked).model()
    assert weights(run.model()) == pytest.approx(weights(plain), rel=1e-9)


def test_the_last_pass_is_the_last_look() -> None:
    # One that settles, and one that judges: every other figure is of the pass that settled.
    found = dr.learn(table(), predict="y", loss="logistic").record
    assert found.learnt[0].passes == found.learnt[0].steps + 1
