"""Diagnosis: what statsmodels says of each row; words only where a person should act."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from statsmodels.stats.outliers_influence import variance_inflation_factor

import deltarule as dr
from deltarule.errors import EmptyError
from deltarule.tables.schema_columns import Category

USING = ["displacement", "horsepower", "weight", "acceleration"]


@pytest.fixture(scope="module")
def cars(data: Path) -> pl.DataFrame:
    table = pl.read_csv(data / "tables" / "cars.csv", infer_schema_length=None)
    return table.drop_nulls(["mpg", *USING])


def inputs_of(table: pl.DataFrame) -> Any:
    return sm.add_constant(table.select(USING).cast(pl.Float64).to_numpy())


def test_squared_loss_has_the_influence_of_statsmodels(cars: pl.DataFrame) -> None:
    model = dr.learn(cars, predict="mpg", using=USING, ridge=0)
    found = model.diagnose(cars, rows=cars.height).frame.sort("row")
    assert found["row"].to_list() == list(range(1, cars.height + 1))
    influence = sm.OLS(cars["mpg"].to_numpy(), inputs_of(cars)).fit().get_influence()
    assert found["leverage"].to_list() == pytest.approx(influence.hat_matrix_diag, rel=1e-8)
    internal = influence.resid_studentized_internal
    assert found["residual"].to_list() == pytest.approx(internal, rel=1e-8, abs=1e-10)
    assert found["cook"].to_list() == pytest.approx(influence.cooks_distance[0], rel=1e-8)


@pytest.mark.parametrize("loss", ["poisson", "logistic"])
def test_other_losses_have_the_influence_of_statsmodels(cars: pl.DataFrame, loss: str) -> None:
    table = cars.with_columns(
        poisson=pl.col("cylinders"), logistic=(pl.col("mpg") > 23).cast(pl.Float64)
    )
    model = dr.learn(table, predict=loss, using=USING, loss=loss, tolerance=1e-12, ridge=0)
    found = model.diagnose(table, rows=table.height).frame.sort("row")
    family = sm.families.Poisson() if loss == "poisson" else sm.families.Binomial()
    fit = sm.GLM(table[loss].to_numpy(), inputs_of(table), family).fit(tol=1e-14)
    influence = fit.get_influence()
    assert found["leverage"].to_list() == pytest.approx(influence.hat_matrix_diag, rel=1e-6)
    assert found["cook"].to_list() == pytest.approx(influence.cooks_distance[0], rel=1e-5)
    deviance = fit.resid_deviance / np.sqrt(1 - influence.hat_matrix_diag)
    assert found["residual"].to_list() == pytest.approx(deviance, rel=1e-6, abs=1e-9)


def test_columns_told_by_others_have_the_inflation_of_statsmodels(cars: pl.DataFrame) -> None:
    found = dr.learn(cars, predict="mpg", using=USING, ridge=0).diagnose(cars)
    inputs = inputs_of(cars)
    expected = {name: variance_inflation_factor(inputs, at + 1) for at, name in enumerate(USING)}
    told = {one.column: one.inflation for one in found.inflated}
    assert told == pytest.approx({n: v for n, v in expected.items() if v > 10}, rel=1e-8)
    assert "displacement is almost determined by weight" in str(found)


def test_the_model_may_carry_no_moments(cars: pl.DataFrame, tmp_path: Path) -> None:
    model = dr.learn(cars, predict="mpg", using=USING, ridge=0)
    model.save(tmp_path / "m.json", moments=False)
    bare = dr.load(tmp_path / "m.json").diagnose(cars)
    whole = model.diagnose(cars)
    assert [one.row for one in bare.suspects] == [one.row for one in whole.suspects]
    assert [one.cook for one in bare.suspects] == pytest.approx(
        [one.cook for one in whole.suspects], rel=1e-8
    )


def test_a_row_that_decides_is_named_with_what_is_far_about_it(cars: pl.DataFrame) -> None:
    wrong = cars.with_columns(
        weight=pl.when(pl.row_index() == 41).then(99_999).otherwise(pl.col("weight"))
    )
    found = dr.learn(wrong, predict="mpg", using=USING, ridge=0).diagnose(wrong)
    assert found.suspects[0].row == 42
    assert found.words[0].startswith(
        "row 42: it is influential: it alone moves the weights far (Cook's distance"
    )
    assert "% of its own prediction: weight is 99,999, 19." in found.words[0]


def test_where_nothing_is_wrong_nothing_is_said() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 500))
    table = {"a": a, "b": b, "y": a + b + rng.normal(size=500)}
    found = dr.learn(table, predict="y", ridge=0).diagnose(table)
    assert found.words == [
        "no row is very influential (Cook's distance) or far off, and no column is determined by "
        "others (collinear)"
    ]


def test_a_row_met_exactly_is_no_outlier() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=40)
    alone = np.zeros(40)
    alone[7] = 1.0
    table = {"x": x, "alone": alone, "y": x + 9 * alone + rng.normal(size=40)}
    found = dr.learn(table, predict="y", using=["x", "alone"], ridge=0).diagnose(table)
    (suspect,) = [one for one in found.suspects if one.row == 8]
    assert suspect.leverage == pytest.approx(1.0)
    assert "it makes 100% of its own prediction: alone is 1" in str(found)


def test_classes_and_several_targets(data: Path, mixed: pl.DataFrame) -> None:
    two = dr.learn(mixed, predict=["price", "sold"], using=["size", "age", "colour"], ridge=0)
    found = two.diagnose(mixed, rows=3)
    assert {one.output for one in found.suspects} == {"price", "sold"}
    assert found.rows == 294
    assert found.rows_left_out == 6


def test_an_outlier_among_many_batches_keeps_its_number() -> None:
    n = 300_000
    x = np.random.default_rng(6).normal(size=n)
    y = 2 * x + np.random.default_rng(7).normal(size=n)
    y[200_123] = 60.0
    table = pl.DataFrame({"x": x, "y": y})
    found = dr.learn(table, predict="y", ridge=0).diagnose(table)
    assert found.words[0].startswith("row 200,124: y is 60 where")


def test_a_table_without_targets_is_refused(cars: pl.DataFrame) -> None:
    for loss in ("squared", "poisson"):
        model = dr.learn(cars, predict="cylinders", using=USING, loss=loss)
        with pytest.raises(EmptyError, match=r"no row to compare \(.* is missing\)"):
            model.diagnose(cars.with_columns(cylinders=pl.lit(None, dtype=pl.Float64)))


def test_the_command(run: Callable[..., Any], tmp_path: Path, films: Path) -> None:
    model = tmp_path / "m.json"
    dr.learn(films, predict="gross", using=["budget", "year", "genre"]).save(model)
    found = run("diagnose", model, films, "--rows", 3)
    assert found.code == 0
    assert "row 1,235: gross is 2,767,891,499 where" in found.out
    assert "The rows that decide most" in found.out
    told = json.loads(run("diagnose", model, films, "--json").out)
    assert told["suspects"][0]["row"] == 1235
    assert told["words"][0].startswith("row 1,235")
    assert pl.read_csv(films, infer_schema_length=None)["title"][1234] == "Avatar"
    assert run("diagnose", model, films, "--rows", 0).code == 2


def test_rows_that_were_not_learnt_from_are_said_to_be_so(
    run: Callable[..., Any], tmp_path: Path, films: Path
) -> None:
    early = "year < 2005 and year is not null"
    using = {"predict": "gross", "using": ["budget", "running_time"], "ridge": 0}
    model = dr.learn(films, where=early, **using)
    part = pl.read_csv(films, infer_schema_length=None).with_row_index("row", 1)
    part = part.filter((pl.col("year") < 2005).fill_null(value=False))
    whole, alone = model.diagnose(films, where=early), model.diagnose(part)
    assert whole.notes == alone.notes == ()
    assert whole.frame["cook"].to_list() == pytest.approx(alone.frame["cook"].to_list())
    # Rows have the numbers of the whole table.
    numbers = part["row"].gather(alone.frame["row"].cast(pl.UInt32) - 1).to_list()
    assert whole.frame["row"].to_list() == numbers
    model.save(tmp_path / "early.json")
    assert "the model learnt from" in run("diagnose", tmp_path / "early.json", films).out
    said = run("diagnose", tmp_path / "early.json", films, "--where", early)
    assert said.code == 0
    assert "the model learnt from" not in said.out


@pytest.mark.parametrize("name", ["version-1-squared", "version-1-poisson", "version-2-two-losses"])
def test_models_of_earlier_versions_know_their_rows_by_weight(name: str, data: Path) -> None:
    model = dr.load(data / "models" / f"{name}.json")
    contract = model.record.contract
    rows = round(model.record.rows)
    levels = {
        one.name: next(iter(one.known)) for one in contract.columns if isinstance(one, Category)
    }
    targets = {one.name: (list(one.classes) or [1.0, 2.0])[:2] for one in contract.targets}
    row = {name: [levels.get(name, 1.0)] * 2 for name in contract.needs} | targets
    table = pl.DataFrame({name: (values * rows)[:rows] for name, values in row.items()})
    assert model.diagnose(table).notes == ()
    (told,) = model.diagnose(table[1:]).notes
    assert told.startswith(f"the model learnt from {rows:,} rows of ")
    assert f"and these are {rows - 1:,} of" in told
