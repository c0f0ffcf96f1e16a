"""Rows that are left out: how many, and whether target, offset, weight, time or a gap is to blame.

Each cause has rows of its own in `gaps`, so what is told can be counted by hand.
"""

from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import EmptyError, TargetError, ValueRefusedError


def policies(rows: int = 60) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    years = rng.uniform(0.2, 1.0, rows).round(3)
    age = rng.integers(18, 80, rows)
    return pl.DataFrame(
        {
            "age": age,
            "kind": rng.choice(["new", "old"], rows),
            "years": years,
            "policies": rng.integers(1, 4, rows),
            "day": np.arange(rows),
            "claims": rng.poisson(years * np.exp(0.02 * age - 1)),
        }
    )


def gaps(table: pl.DataFrame, **cells: dict[int, float | None]) -> pl.DataFrame:
    """The table with other cells in some rows, by column and row."""
    for column, values in cells.items():
        own = table[column].to_list()
        for row, value in values.items():
            own[row] = value
        table = table.with_columns(pl.Series(column, own))
    return table


SETTINGS: dict[str, Any] = {"predict": "claims", "loss": "poisson", "ridge": 0}
CASES: list[tuple[dict[str, dict[int, float | None]], dict[str, Any], dict[str, int]]] = [
    ({"claims": {3: None, 4: None}}, {}, {"claims is missing": 2}),
    ({"years": {3: None, 4: 0.0}}, {"exposure": "years"}, {"years is missing or 0": 2}),
    ({"years": {3: None}}, {"offset": "log(years)"}, {"log(years) is missing": 1}),
    ({"policies": {3: None, 4: 0}}, {"weight": "policies"}, {"policies is missing or 0": 2}),
    ({"day": {3: None}}, {"time": "day"}, {"day is missing": 1}),
    ({"age": {3: None, 5: None}}, {"missing": "drop"}, {"age is missing": 2}),
    ({"kind": {5: None}}, {"missing": "drop"}, {"kind is missing": 1}),
    ({"age": {3: None}}, {}, {}),
    (
        {"claims": {1: None}, "years": {1: 0.0, 2: 0.0}, "policies": {2: 0, 3: 0, 4: 0}},
        {"exposure": "years", "weight": "policies"},
        {"years is missing or 0": 2, "policies is missing or 0": 2},
    ),
]


@pytest.mark.parametrize(("cells", "settings", "causes"), CASES)
def test_learning_says_why_rows_are_left_out(
    cells: dict[str, dict[int, float | None]], settings: dict[str, Any], causes: dict[str, int]
) -> None:
    table = gaps(policies(), **cells)
    using = ["age", "kind"]
    model = dr.learn(table, using=using, **{**SETTINGS, **settings})
    record = model.record
    assert record.rows_left_out_by_cause == causes
    assert record.rows_left_out == sum(causes.values())
    assert record.examples == 60 - sum(causes.values())
    told = ", ".join(f"{why} in {rows}" for why, rows in causes.items())
    if len(causes) == 1:
        told = next(iter(causes))
    head = f" ({sum(causes.values())} left out: {told})"
    assert (head if causes else "60 rows") in " ".join(str(model).split())


def test_squared_loss_with_an_offset_blames_the_offset_and_not_the_target() -> None:
    table = gaps(policies(), years={3: None}, claims={4: None, 5: None})
    settings = {"predict": "claims", "using": "age", "loss": "squared", "offset": "years"}
    record = dr.learn(table, **settings).record
    assert record.rows_left_out_by_cause == {"claims is missing": 2, "years is missing": 1}


def test_classes_without_a_name_are_counted() -> None:
    table = policies().with_columns(kind=pl.when(pl.col("day") != 7).then("kind"))
    record = dr.learn(table, predict="kind", using="age").record
    assert record.rows_left_out_by_cause == {"kind is missing": 1}


def test_a_negative_exposure_is_refused_by_its_row() -> None:
    table = policies()
    wrong = gaps(table, years={41: -0.5})
    settings = {**SETTINGS, "using": "age", "exposure": "years"}
    where = "column 'years', row 42: an exposure of -0.5 is below 0"
    with pytest.raises(ValueRefusedError, match=where):
        dr.learn(wrong, **settings)
    model = dr.learn(table, **settings)
    for asked in (
        lambda: model.compare(wrong),
        lambda: model.compare(wrong, model),
        lambda: model.diagnose(wrong),
    ):
        with pytest.raises(ValueRefusedError, match=where):
            asked()
    # Rows to predict come one by one, and one of them is no reason to stop.
    predicted, notes = model.predict_noticing(wrong)
    assert predicted["claims_prediction"].is_null().arg_true().to_list() == [41]
    assert "years is missing, 0 or below 0 in 1 of 60 rows: no prediction" in notes


def test_an_exposure_may_be_an_input_too_and_columns_may_have_any_name() -> None:
    table = policies().rename({"age": "(exposure)"})
    settings = {**SETTINGS, "using": ["(exposure)", "years"], "exposure": "years"}
    model = dr.learn(gaps(table, years={2: 0.0}), **settings)
    assert model.record.rows_left_out_by_cause == {"years is missing or 0": 1}


def test_comparing_says_why_rows_are_left_out() -> None:
    table = policies()
    settings = {**SETTINGS, "using": "age", "exposure": "years", "weight": "policies"}
    model = dr.learn(table, **settings)
    broken = gaps(
        table, claims={0: None}, years={1: 0.0, 2: None, 0: None}, policies={3: 0, 4: None}
    )
    causes = {"years is missing or 0": 3, "policies is missing or 0": 2}
    for found in (model.compare(broken), model.compare(broken, model), model.diagnose(broken)):
        assert found.rows_left_out_by_cause == causes
        assert (found.rows_left_out, found.examples) == (5, 55)
        told = "5 left out: years is missing or 0 in 3, policies is missing or 0 in 2"
        assert str(found).splitlines()[0].endswith(told)
        assert found.to_dict()["rows_left_out_by_cause"] == causes
    with pytest.raises(ValueRefusedError, match="column 'policies', row 8: a row's weight of -1"):
        model.compare(gaps(table, policies={7: -1}))


def test_two_models_are_compared_on_the_rows_that_both_can_predict() -> None:
    table = policies()
    rate = dr.learn(table, **{**SETTINGS, "using": "age", "exposure": "years"})
    plain = dr.learn(table, **{**SETTINGS, "using": "age"})
    found = plain.compare(gaps(table, years={4: None, 9: 0.0}, claims={9: None}), rate)
    assert found.examples == 58
    assert found.rows_left_out_by_cause == {"claims is missing": 1, "years is missing or 0": 1}
    kept = table.filter(~pl.col("day").is_in([4, 9]))
    assert found.targets == plain.compare(kept, rate).targets


@pytest.mark.parametrize(
    ("cells", "settings", "error", "says"),
    [
        ("claims", {}, TargetError, "the target 'claims' is missing in every row"),
        ("policies", {"weight": "policies"}, EmptyError, "no row has a weight above 0"),
        ("years", {"exposure": "years"}, EmptyError, "no row can be learnt from: years is missing"),
    ],
)
def test_where_no_row_is_left_the_cause_is_named(
    cells: str, settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    table = policies().with_columns(pl.lit(None, dtype=pl.Float64).alias(cells))
    with pytest.raises(error, match=says):
        dr.learn(table, using="age", **{**SETTINGS, **settings})


def test_a_model_of_an_earlier_version_tells_how_many_without_why() -> None:
    record = dr.learn(gaps(policies(), claims={3: None}), using="age", **SETTINGS).record
    old = record.model_copy(update={"rows_left_out_by_cause": {}, "examples": None})
    assert "one read of 59 rows (1 left out), " in str(dr.Model(old))
