"""What learning says a person should look at; and that it says nothing where nothing is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import deltarule as dr


def drawn(n: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, n))
    y = a + b + rng.normal(size=n)
    return {"a": a, "b": b, "y": y, "yes": (y > 0).astype(float), "noise": rng.normal(size=n)}


def notes_of(table: Any, **settings: Any) -> str:
    return " | ".join(dr.learn(table, **{"ridge": 0, **settings}).record.notes)


@pytest.mark.parametrize("predict", ["y", "yes"])
def test_nothing_is_said_where_nothing_is_wrong(predict: str) -> None:
    table = drawn()
    said = notes_of(table, predict=predict, using=["a", "b", "noise"])
    for word in ("alone", "determined", "one row", "overdispersion"):
        assert word not in said


def test_a_number_that_alone_tells_yes_from_no() -> None:
    table = drawn()
    # Not nearly linear: its least squares explain little.
    table["score"] = np.where(table["yes"] == 1, np.exp(np.abs(3 * table["noise"])), -1.0)
    said = notes_of(table, predict="yes", using=["a", "score"], loss="logistic", ridge=0.01)
    assert "score alone tells yes in" in said
    assert "a alone" not in said


def test_a_category_that_alone_tells_classes(data: Path) -> None:
    table = pl.read_csv(data / "tables" / "penguins.csv", infer_schema_length=None)
    code = table["species"].replace({"Adelie": "x", "Gentoo": "y", "Chinstrap": "z"})
    known = table.with_columns(code=code)
    using = ["beak_length_mm", "island", "code"]
    said = notes_of(known, predict="species", using=using, ridge=0.01)
    assert "code alone" in said
    assert "island alone" not in said


def test_a_column_that_others_tell_is_named_with_what_that_does() -> None:
    table = drawn()
    table["c"] = table["a"] - table["b"] + 0.01 * table["noise"]
    said = notes_of(table, predict="y", using=["a", "b", "c"])
    assert "is almost determined by" in said
    assert said.count("almost determined by") == 2  # of three that tell each other, the two worst
    powers = notes_of(table, predict="y", using=["poly(a, 3)", "b"])
    assert "almost determined" not in powers


def test_one_row_that_makes_a_number() -> None:
    table = drawn()
    table["a"] = np.where(np.arange(400) == 17, 99_999.0, table["a"])
    said = notes_of(table, predict="y", using=["a", "b"])
    assert "one row's a is 99,999 and makes 100% of all its variation: fix it if it" in said
    assert "one row's b" not in said
    table["b"] = (np.arange(400) == 17).astype(float)
    table["genre"] = np.where(np.arange(400) < 30, "few", "many")
    rare = notes_of(table, predict="y", using=["b", "noise:genre"])
    assert "one row's" not in rare


def test_counts_that_stray_further_than_counts(data: Path) -> None:
    table = data / "glm" / "warpbreaks.csv"
    said = notes_of(table, predict="breaks", loss="poisson")
    assert "breaks varies 4.2 times as much as poisson loss expects" in said
    robust = notes_of(table, predict="breaks", loss="poisson", errors="robust")
    assert "overdispersion" not in robust


def test_fits_have_the_likelihood_of_statsmodels() -> None:
    table = drawn()
    inputs = sm.add_constant(np.column_stack([table["a"], table["b"]]))
    for predict, loss, fit in (
        ("y", "squared", sm.OLS(table["y"], inputs).fit()),
        ("yes", "logistic", sm.Logit(table["yes"], inputs).fit(disp=0, tol=1e-12)),
    ):
        model = dr.learn(table, predict=predict, using=["a", "b"], loss=loss, ridge=0)
        (found,) = model.record.fit
        assert found.log_likelihood == pytest.approx(fit.llf, rel=1e-10)
        assert found.aic == pytest.approx(fit.aic, rel=1e-10)
        if loss == "logistic":
            assert found.pseudo_r2 == pytest.approx(fit.prsquared, rel=1e-9)


@pytest.mark.parametrize("unit", [0.001, 1.0, 1000.0])
def test_what_a_far_row_makes_is_not_told_where_rows_have_weights(unit: float) -> None:
    rng = np.random.default_rng(1)
    table = {"x": rng.normal(size=50), "y": rng.normal(size=50)}
    table["weight"] = unit * rng.uniform(1, 2, size=50)
    assert notes_of(table, predict="y", using=["x"], weight="weight") == ""


def test_the_columns_named_determine_the_one_about_as_well_as_all_do() -> None:
    """By regressions of numpy; months of years, and neighbours that would cancel beside them."""
    draw = np.random.default_rng(3)
    at = draw.integers(0, 240, 600)
    year, month = 2000 + at // 12, at % 12 + 1
    a = draw.normal(size=600)
    table = {
        "t": at + draw.normal(0, 0.05, 600),
        "year": year,
        "month": [f"m{one:02d}" for one in month],
        "a": a,
        "b": a + draw.normal(0, 1e-3, 600),
        "z": draw.normal(size=600),
    }
    rows = pl.DataFrame({**table, "y": draw.normal(size=600)})
    found = {
        one.column: one for one in dr.learn(rows, predict="y", ridge=0).diagnose(rows).inflated
    }
    named = {name: set(one.by) for name, one in found.items()}
    assert named["t"] == {"year", "month"}
    assert named["year"] == {"t", "month"}
    assert (named["a"], named["b"]) == ({"b"}, {"a"})
    levels = np.array([[one == level for level in range(2, 13)] for one in month], float)
    inputs = {**{name: np.array(table[name], float)[:, None] for name in table if name != "month"}}
    inputs["month"] = levels

    def left(name: str, others: set[str]) -> float:
        design = np.column_stack([np.ones(600), *(inputs[other] for other in sorted(others))])
        return float(np.linalg.lstsq(design, inputs[name][:, 0])[1][0])

    for name in ("t", "year", "a", "b"):
        assert left(name, named[name]) <= 2 * left(name, set(inputs) - {name})
