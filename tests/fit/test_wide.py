"""Tables with more inputs than rows, or nearly: the error on held-out rows is one of a refit."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import deltarule as dr
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.rule.predict import Array

DATA = Path(__file__).parents[1] / "data"


def noise(rows: int, inputs: int, seed: int = 0) -> dict[str, Any]:
    """Inputs that say nothing of the target."""
    rng = np.random.default_rng([seed, rows, inputs])
    columns = {f"x{at}": rng.normal(size=rows) for at in range(inputs)}
    return {**columns, "y": rng.normal(size=rows)}


def factors(rows: int, inputs: int, outputs: int, seed: int = 0) -> dict[str, Any]:
    """Many inputs that a few hidden factors drive, in any unit, some of them nearly twice there."""
    rng = np.random.default_rng([seed, rows, inputs])
    hidden = rng.normal(size=(rows, 15))
    x = hidden @ rng.normal(size=(15, inputs)) + 0.5 * rng.normal(size=(rows, inputs))
    x *= 10.0 ** rng.integers(-3, 4, size=inputs)
    x[:, -4:] = x[:, :4] * (1 + 1e-9 * rng.normal(size=(rows, 4)))
    y = hidden @ rng.normal(size=(15, outputs)) + 1.5 * rng.normal(size=(rows, outputs))
    named = {f"x{at}": x[:, at] for at in range(inputs)}
    return {**named, **{f"y{at}": y[:, at] for at in range(outputs)}}


def splits(table: Any, **settings: Any) -> list[tuple[Array, Array, Array, Array]]:
    """Inputs and target of the training rows, and of the judged rows, for each fold."""
    read = Run.of(table, Settings(predict="y", ridge=0, **settings)).read
    rows = list(read.rows())
    fold = np.concatenate([one.fold for one in rows])
    inputs = np.concatenate([one.inputs for one in rows])
    targets = np.concatenate([one.targets[:, 0] for one in rows])
    found = []
    for split in read.splits.of(read.folds):
        train, test = np.isin(fold, split.train), fold == split.test
        found.append((inputs[train], targets[train], inputs[test], targets[test]))
    return found


def smallest(x: Array, y: Array, unit: Array) -> Array:
    """The least-squares weights that are smallest on inputs divided by their units, by numpy."""
    weight: Array = np.linalg.pinv((x - x.mean(axis=0)) / unit, rcond=1e-13) @ (y - y.mean())
    return weight / unit


def refitted(table: Any, **settings: Any) -> float:
    """The typical error of least squares of smallest weights, every fold refitted by numpy."""
    errors = []
    for x, y, new, truth in splits(table, **settings):
        weight = smallest(x, y, x.std(axis=0))
        errors.append(truth - y.mean() - (new - x.mean(axis=0)) @ weight)
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def solved(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Gauss and Jordan, exactly."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for at in range(len(rows)):
        pivot = max(range(at, len(rows)), key=lambda row: abs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for other in range(len(rows)):
            if other != at:
                by = rows[other][at] / rows[at][at]
                rows[other] = [a - by * b for a, b in zip(rows[other], rows[at], strict=True)]
    return [row[-1] / row[at] for at, row in enumerate(rows)]


def refitted_exactly(table: Any, **settings: Any) -> float:
    """The same in fractions, where every fold has fewer training rows than inputs."""
    errors = []
    for x, y, new, truth in splits(table, **settings):
        unit = [Fraction(value) for value in x.std(axis=0).tolist()]
        rows, held_out = (
            [[Fraction(value) / u for value, u in zip(row, unit, strict=True)] for row in part]
            for part in (x.tolist(), new.tolist())
        )
        goal, n = [Fraction(value) for value in y.tolist()], len(x)
        middle = [sum(column) / n for column in zip(*rows, strict=True)]
        mean = sum(goal) / n
        assert n - 1 <= len(middle)
        centred = [
            [a - m for a, m in zip(row, middle, strict=True)] for row in rows[:-1]
        ]  # the last is minus the sum of the others
        gram = [[sum(a * b for a, b in zip(u, v, strict=True)) for v in centred] for u in centred]
        dual = solved(gram, [value - mean for value in goal[:-1]])
        weight = [
            sum(d * row[at] for d, row in zip(dual, centred, strict=True))
            for at in range(len(middle))
        ]
        for row, value in zip(held_out, truth.tolist(), strict=True):
            score = sum((a - m) * w for a, m, w in zip(row, middle, weight, strict=True))
            errors.append(Fraction(value) - mean - score)
    return float(sum(error * error for error in errors) / len(errors)) ** 0.5


def wide(name: str) -> pl.DataFrame:
    return pl.read_csv(DATA / "wide" / name)


SIZES = [(4, 5), (24, 30), (30, 30), (36, 30), (100, 99), (100, 120), (100, 85), (41, 33)]


@pytest.mark.parametrize(("rows", "inputs"), SIZES)
def test_without_a_penalty_the_held_out_error_is_that_of_a_refit(rows: int, inputs: int) -> None:
    table = noise(rows, inputs)
    model = dr.learn(table, predict="y", ridge=0)
    [held_out] = model.record.held_out or ()
    # Conditions up to some 1e4, whose square the sums of one read lose.
    assert held_out.rmse == pytest.approx(refitted(table), rel=1e-7)


@pytest.mark.parametrize("using", ["poly(x, 6)", "poly(x, 7)"])
def test_powers_on_eight_rows_are_judged_as_in_exact_arithmetic(using: str) -> None:
    table = wide("growth.csv")
    model = dr.learn(table, predict="y", using=using, ridge=0)
    [held_out] = model.record.held_out or ()
    # Powers of x are conditioned by some 1e7.
    assert held_out.rmse == pytest.approx(refitted_exactly(table, using=using), rel=1e-8)


@pytest.mark.parametrize("by", ["group", "time"])
def test_held_out_groups_and_periods_are_those_of_a_refit(by: str) -> None:
    table = {**noise(24, 30), "by": np.arange(24) // 3}
    model = dr.learn(table, predict="y", ridge=0, **{by: "by"})  # type: ignore[arg-type]
    [held_out] = model.record.held_out or ()
    assert held_out.rmse == pytest.approx(refitted(table, **{by: "by"}), rel=1e-9)


def test_a_column_there_twice_teaches_a_fold_nothing_of_its_rows() -> None:
    # 24 inputs of rank 20, and fewer rows than that in most folds' training rows.
    table = noise(24, 20)
    table |= {f"twice{at}": 3 * table[f"x{at}"] - 1 for at in range(4)}
    model = dr.learn(table, predict="y", ridge=0)
    [held_out] = model.record.held_out or ()
    assert held_out.rmse == pytest.approx(refitted(table), rel=1e-6)


@pytest.mark.parametrize(("rows", "inputs"), [(24, 30), (36, 30), (100, 85), (100, 120)])
def test_noise_asks_for_a_ridge_that_leaves_about_the_mean(rows: int, inputs: int) -> None:
    table = noise(rows, inputs)
    model = dr.learn(table, predict="y")
    [held_out] = model.record.held_out or ()
    assert model.record.learnt[0].ridge > 1
    assert held_out.rmse < 1.02 * held_out.baseline_rmse


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("growth.csv", {"using": "poly(x, 6)"}),
        ("growth.csv", {"using": "poly(x, 7)"}),
        ("nearly.csv", {}),
        ("nearly.csv", {"lasso": "auto", "ridge": 0}),
    ],
)
def test_a_wild_error_without_penalty_does_not_hide_behind_its_own_noise(
    name: str, settings: Mapping[str, Any]
) -> None:
    model = dr.learn(wide(name), predict="y", **settings)
    [held_out] = model.record.held_out or ()
    assert model.record.learnt[0].ridge + model.record.learnt[0].lasso > 0.01
    assert held_out.rmse < 1.15 * held_out.baseline_rmse


@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(80, 130, 1), (80, 82, 3)])
def test_more_inputs_than_rows_predict_new_rows_as_told(
    rows: int, inputs: int, outputs: int
) -> None:
    told, true, inside = [], [], []
    names = [f"y{at}" for at in range(outputs)]
    for seed in range(6):
        table = factors(rows + 200, inputs, outputs, seed)
        learnt, new = ({n: c[s] for n, c in table.items()} for s in (slice(rows), slice(rows, 999)))
        model = dr.learn(learnt, predict=names)
        shown = model.predict(pl.DataFrame(new), interval=0.9)
        for name, held_out in zip(names, model.record.held_out or (), strict=True):
            predicted, low, high = (
                shown[f"{name}_{what}"].to_numpy() for what in ("prediction", "low", "high")
            )
            told.append(held_out.rmse**2)
            true.append(float(np.mean((predicted - new[name]) ** 2)))
            inside.append(float(np.mean((new[name] >= low) & (new[name] <= high))))
            assert held_out.r2 is not None
            assert held_out.r2 > 0.4
    # Of 6 tables of 80 rows: a mean of squares to a sixteenth, a share of rows to two hundredths.
    assert np.mean(told) == pytest.approx(np.mean(true), rel=0.15)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.04)


def test_intervals_of_noise_hold_new_rows() -> None:
    learnt, new = wide("wide.csv"), wide("new.csv")
    model = dr.learn(learnt, predict="protein")
    shown = model.predict(new, interval=0.9)
    inside = (new["protein"] >= shown["protein_low"]) & (new["protein"] <= shown["protein_high"])
    # Of 30 rows: nine in ten, give or take two standard errors.
    assert inside.mean() >= 0.8  # type: ignore[operator]


ORDINARY = [
    ("cars.csv", "mpg"),
    ("gapminder.csv", "fertility"),
    ("gapminder.csv", "life_expect"),
    ("iris.csv", "petal_width"),
    ("penguins.csv", "body_mass_g"),
    ("seattle_weather.csv", "temp_max"),
]


@pytest.mark.parametrize(("name", "target"), ORDINARY)
def test_ordinary_tables_need_no_ridge(name: str, target: str) -> None:
    model = dr.learn(DATA / "tables" / name, predict=target)
    assert model.record.learnt[0].ridge == 0


@pytest.mark.parametrize("seed", range(4))
def test_where_there_is_enough_to_learn_from_no_ridge_is_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(100, 3))
    table = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": x.sum(axis=1) + rng.normal(size=100)}
    assert dr.learn(table, predict="y").record.learnt[0].ridge == 0


def test_what_dependent_inputs_mean_is_said_of_the_weights_that_are_given() -> None:
    table = noise(24, 30)
    plain, held = dr.learn(table, predict="y", ridge=0), dr.learn(table, predict="y", ridge=1)
    dependent = [note for note in plain.record.notes if "depends on" in note]
    assert all("the smallest are given" in note for note in dependent)
    dependent = [note for note in held.record.notes if "depends on" in note]
    assert all("the ridge shares their weight" in note for note in dependent)
    assert not [note for note in held.record.notes if "digits are in doubt" in note]


def few_rows(rows: int, columns: int) -> pd.DataFrame:
    rng = np.random.default_rng(columns)
    x = rng.normal(size=(rows, columns))
    frame = pd.DataFrame(x, columns=[f"x{at}" for at in range(columns)])
    return frame.assign(y=x[:, :5].sum(axis=1) + rng.normal(size=rows))


def figures(model: dr.Model) -> list[float]:
    assert model.record.held_out is not None
    return [model.record.held_out[0].rmse, model.record.learnt[0].ridge]


# Above 1,024 columns rows are kept in place of products, and solved in their space.
@pytest.mark.parametrize("columns", [30, 300, 1030])
@pytest.mark.parametrize("ridge", [0, "auto"])
def test_with_fewer_rows_than_inputs_the_model_knows_no_units(columns: int, ridge: Any) -> None:
    frame, by = few_rows(20, columns), 1000.0
    model = dr.learn(frame, predict="y", ridge=ridge)
    other = dr.learn(
        frame.assign(x7=frame["x7"] * by, x8=frame["x8"] / by), predict="y", ridge=ridge
    )
    # Sums of other units round otherwise, and a ridge of 0 has nothing to damp that.
    assert figures(other) == pytest.approx(figures(model), rel=1e-6)
    units = np.ones(columns)
    units[7], units[8] = by, 1 / by
    weights = np.array([one.weight for one in model.record.weights])
    again = np.array([one.weight for one in other.record.weights]) * units
    np.testing.assert_allclose(again, weights, rtol=1e-6, atol=1e-9)
    if ridge == 0:
        x = frame.drop(columns="y").to_numpy()
        known = smallest(x, frame["y"].to_numpy(), x.std(axis=0))
        np.testing.assert_allclose(weights, known, rtol=1e-6, atol=1e-9)


def test_the_smallest_weights_are_those_that_a_vanishing_ridge_goes_to() -> None:
    # A category within another, and a number that both explain, in units far from 1.
    rng = np.random.default_rng(0)
    city = rng.integers(0, 30, 300)
    frame = pd.DataFrame({"city": [f"c{at}" for at in city], "x": rng.normal(size=300)})
    frame["land"] = [f"l{at % 4}" for at in city]
    frame["z"] = (frame["x"] * 3 + city % 4) * 1000
    frame["y"] = rng.normal(size=300) + city % 7
    least, none = (
        [one.weight for one in dr.learn(frame, predict="y", ridge=ridge).record.weights]
        for ridge in (1e-9, 0)
    )
    np.testing.assert_allclose(none, least, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("text", [True, False])
def test_many_dependent_inputs_are_levels_where_there_are_categories(text: bool) -> None:
    if text:
        rng = np.random.default_rng(1)
        each = rng.permutation(np.repeat(np.arange(900), 8))
        codes = {"a": [f"a{at}" for at in each], "b": [f"b{at}" for at in each]}
        frame = pd.DataFrame({**codes, "y": rng.normal(size=7200)})
    else:
        frame = few_rows(30, 820)
    notes = dr.learn(frame, predict="y", ridge=0, using=list(frame)[:-1]).record.notes
    [note] = [one for one in notes if "depend on others" in one]
    assert ("levels of categories" in note) == text
