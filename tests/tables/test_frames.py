"""Dataframes, dicts and lists: what is a table, what is not, and what can hide in one."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import deltarule as dr
from deltarule.errors import ColumnError, DeltaruleError, EmptyError, TableError

X, Y = [1.0, 2.0, 4.0, 7.0], [1.0, 3.0, 2.0, 8.0]
SLOPE = float(np.polyfit(X, Y, 1)[0])


def slope(table: Any) -> Any:
    model = dr.learn(table, predict="y", using=["x"], ridge=0)
    return model.record.weights[0].weight


TABLES = {
    "lists": {"x": X, "y": Y},
    "tuples": {"x": tuple(X), "y": tuple(Y)},
    "arrays": {"x": np.array(X), "y": np.array(Y)},
    "series": {"x": pl.Series(X), "y": pd.Series(Y)},
    "ints and floats": [{"x": 1, "y": 1}, {"x": 2.0, "y": 3}, {"x": 4, "y": 2.0}, {"x": 7, "y": 8}],
    "rows with more or fewer keys": [
        {"x": 1.0, "y": 1.0},
        {"y": 3.0, "x": 2.0, "z": 9},
        {"x": 4.0, "y": 2.0},
        {"y": 8.0, "x": 7.0},
        {"x": 3.0},
    ],
    "pandas": pd.DataFrame({"x": X, "y": Y}),
    "pandas nullable": pd.DataFrame({"x": X, "y": Y}).convert_dtypes(),
    "pandas objects": pd.DataFrame({"x": X, "y": Y}, dtype=object),
    "pandas with an index": pd.DataFrame({"x": X, "y": Y}, index=[5, 5, 1, 0]),
    "pandas slice": pd.DataFrame({"x": [9, *X, 9], "y": [9, *Y, 9]}).iloc[1:-1],
    "pandas strided": pd.DataFrame(np.column_stack([X, Y])[:, ::-1], columns=["y", "x"]),
    "arrow": pa.table({"x": X, "y": Y}),
    "arrow in chunks": pa.concat_tables([pa.table({"x": [x], "y": [y]}) for x, y in zip(X, Y)]),  # noqa: B905
    "decimals": pl.DataFrame({"x": X, "y": Y}).cast(pl.Decimal(10, 2)),
    "floats of 32 bits": pl.DataFrame({"x": X, "y": Y}).cast(pl.Float32),
    "bytes": pl.DataFrame({"x": X, "y": Y}).cast(pl.UInt8),
}


@pytest.mark.parametrize("name", TABLES)
def test_what_a_table_may_be(name: str) -> None:
    assert slope(TABLES[name]) == pytest.approx(SLOPE, rel=1e-13)


@pytest.mark.parametrize(
    "table",
    [
        None,
        7,
        b"x,y",
        np.ones((3, 2)),
        pd.Series(X, name="y"),
        pl.Series("y", X),
        [[1.0, 2.0]],
        [1.0, 2.0],
        iter([{"x": 1.0, "y": 2.0}]),
        {"x": [1.0, 2.0], "y": [1.0]},
        {"x": [1, "a"], "y": [1.0, 2.0]},
        {0: [1.0, 2.0], "y": [1.0, 2.0]},
        {"x": [object(), object()], "y": [1.0, 2.0]},
        [{"x": 1.0, "y": 2.0}, None],
        pd.DataFrame({"x": [1, "a"], "y": [1.0, 2.0]}),
        pd.DataFrame({"x": [object(), object()], "y": [1.0, 2.0]}),
        pd.DataFrame([[1.0, 2.0, 3.0]], columns=["x", "x", "y"]),
        pa.table([[1.0], [2.0], [3.0]], names=["x", "x", "y"]),
    ],
    ids=lambda table: f"{type(table).__name__} {str(table)[:20]!r}",
)
def test_what_is_no_table_is_refused_in_one_line(table: Any) -> None:
    with pytest.raises(TableError) as refused:
        dr.learn(table, predict="y")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "table",
    [
        {},
        [],
        pl.DataFrame(),
        pd.DataFrame(),
        pl.DataFrame({"x": [], "y": []}),
        pd.DataFrame({"x": [], "y": []}),
        {"x": [], "y": []},
        pl.LazyFrame({"x": [], "y": []}),
    ],
    ids=lambda table: f"{type(table).__module__} {type(table).__name__}",
)
def test_an_empty_table_has_nothing_to_learn_from(table: Any) -> None:
    with pytest.raises(EmptyError, match="no rows"):
        dr.learn(table, predict="y")


def test_a_lazy_frame_that_fails_is_refused_in_one_line() -> None:
    wrong = pl.LazyFrame({"x": X, "y": Y}).with_columns(z=pl.col("nowhere"))
    with pytest.raises(TableError) as refused:
        dr.learn(wrong, predict="y")
    assert "\n" not in str(refused.value)
    assert "nowhere" in str(refused.value)
    text = pl.LazyFrame({"x": ["1", "a"] * 10_001, "y": [1.0, 2.0] * 10_001})
    with pytest.raises(DeltaruleError):
        dr.learn(text.with_columns(x=pl.col("x").cast(pl.Float64)), predict="y")


def test_columns_of_a_pandas_frame_that_are_not_text() -> None:
    model = dr.learn(pd.DataFrame({0: X, 1: Y}), predict="1", ridge=0)
    assert model.record.weights[0].input == "0"
    assert model.record.weights[0].weight == pytest.approx(SLOPE, rel=1e-13)
    found = model.predict(pd.DataFrame({0: X}))
    np.testing.assert_allclose(
        found["1_prediction"], np.polyval(np.polyfit(X, Y, 1), X), rtol=1e-12
    )


def test_nan_and_none_are_both_missing() -> None:
    x = [1.0, float("nan"), 4.0, 7.0] * 3
    tables = [
        {"x": x, "y": Y * 3},
        {"x": [None if value != value else value for value in x], "y": Y * 3},
        pd.DataFrame({"x": x, "y": Y * 3}),
        pa.table({"x": pa.array(x, from_pandas=True), "y": Y * 3}),
        pl.DataFrame({"x": x, "y": Y * 3}, nan_to_null=True),
    ]
    models = [dr.learn(table, predict="y", ridge=0) for table in tables]
    assert models[0].record.contract.columns[0].missing == 3
    for model in models[1:]:
        assert model.record.contract == models[0].record.contract
        assert model.record.weights == models[0].record.weights


def test_nan_among_targets_is_missing() -> None:
    model = dr.learn({"x": [*X, 3.0], "y": [*Y, float("nan")]}, predict="y", ridge=0)
    assert model.record.rows == 4
    assert model.record.rows_left_out == 1
    assert model.record.weights[0].weight == pytest.approx(SLOPE, rel=1e-13)


def test_categories_of_every_library_are_the_same() -> None:
    levels = ["p", "q", "r"] * 5
    y = [float(at * at % 7) for at in range(15)]
    tables = [
        pl.DataFrame({"c": levels, "y": y}),
        pl.DataFrame({"c": levels, "y": y}).with_columns(pl.col("c").cast(pl.Categorical)),
        pl.DataFrame({"c": levels, "y": y}).with_columns(
            pl.col("c").cast(pl.Enum(["r", "never", "q", "p"]))
        ),
        pd.DataFrame({"c": pd.Categorical(levels, categories=["r", "q", "p", "s"]), "y": y}),
        pd.DataFrame({"c": levels, "y": y}),
        pa.table({"c": pa.array(levels).dictionary_encode(), "y": y}),
    ]
    models = [dr.learn(table, predict="y", ridge=0) for table in tables]
    for model in models[1:]:
        assert model.record.contract == models[0].record.contract
        assert model.record.weights == models[0].record.weights
        assert model.record.held_out == models[0].record.held_out


def test_columns_of_other_kinds_are_left_out_and_named() -> None:
    table = pl.DataFrame(
        {
            "x": X,
            "list": [[1], [2], [], None],
            "struct": [{"a": 1}] * 4,
            "bytes": [b"a", b"b", b"c", None],
            "day": [dt.date(2020, 1, day) for day in (1, 2, 3, 4)],
            "time": [dt.datetime(2020, 1, day) for day in (1, 2, 3, 4)],
            "length": [dt.timedelta(days=day) for day in (1, 2, 3, 4)],
            "nothing": [None] * 4,
            "array": pl.Series([[1, 2]] * 4, dtype=pl.Array(pl.Int64, 2)),
            "y": Y,
        }
    )
    model = dr.learn(table, predict="y", ridge=0)
    done = {one.column: one.done for one in model.record.columns}
    assert set(done) == set(table.columns)
    for name in table.columns:
        assert done[name].startswith("left out: ") == (name not in ("x", "y")), name
        assert "\n" not in done[name]
    assert model.record.weights[0].weight == pytest.approx(SLOPE, rel=1e-13)
    for name in ("list", "day", "nothing"):
        with pytest.raises(ColumnError, match=name):
            dr.learn(table, predict="y", using=[name])


def test_durations_are_not_called_dates() -> None:
    table = pl.DataFrame({"x": X, "d": [dt.timedelta(days=day) for day in (1, 2, 3, 4)], "y": Y})
    done = {one.column: one.done for one in dr.learn(table, predict="y").record.columns}
    assert "dates" not in done["d"]
