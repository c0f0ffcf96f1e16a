"""Dataframes, dicts and lists: what is a table, what is not, and what can hide in one."""

import copy
import datetime as dt
import uuid
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import deltarule as dr
from deltarule.errors import (
    ColumnError,
    DeltaruleError,
    EmptyError,
    LearningError,
    ReadError,
    TableError,
)
from deltarule.tables.frames import open_table
from deltarule.tables.source import BATCH_ROWS, LOOK_ROWS

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
    "structured array": np.array(list(zip(X, Y, strict=True)), dtype=[("x", "f4"), ("y", "f8")]),
    "record array": np.rec.fromarrays([X, Y], names="x,y"),
    "bytes in the other order": {"x": np.array(X, ">f8"), "y": np.array(Y, ">i2")},
    "pandas in the other order": pd.DataFrame({"x": np.array(X, ">f8"), "y": np.array(Y, ">i2")}),
    "more digits than floats have": {"x": np.array(X, np.longdouble), "y": Y},
    "pandas with such digits": pd.DataFrame({"x": np.array(X, np.longdouble), "y": Y}),
    "pandas sparse": pd.DataFrame({"x": pd.arrays.SparseArray(X), "y": Y}),
    "pandas on arrow": pd.DataFrame({"x": X, "y": Y}).convert_dtypes(dtype_backend="pyarrow"),
    "pandas objects with None": pd.DataFrame(
        {"x": [*X, None, pd.NA, np.nan], "y": [*Y, None, None, None]}, dtype=object
    ),
    "pandas decimals": pd.DataFrame({"x": [Decimal(x) for x in X], "y": Y}),
    "pandas two indexes": pd.DataFrame({"x": X, "y": Y}).set_index(
        pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2), ("c", 3)])
    ),
    "arrow batch": pa.record_batch({"x": X, "y": Y}),
    "narwhals": nw.from_native(pd.DataFrame({"x": X, "y": Y})),
    "narwhals lazy": nw.from_native(pl.LazyFrame({"x": X, "y": Y})),
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
        pd.DataFrame([[1.0, 2.0, 3.0]], columns=[0, "0", "y"]),
        pd.DataFrame({"x": np.array([1j, 2j]), "y": [1.0, 2.0]}),
        pd.DataFrame({"x": [b"a", 1.5], "y": [1.0, 2.0]}),
        pd.DataFrame({"x": ["\udc80", "a"], "y": [1.0, 2.0]}, dtype=object),
        {"x": np.array([1j, 2j]), "y": [1.0, 2.0]},
        {"x": np.array([1, "a"], dtype=object), "y": [1.0, 2.0]},
        {"x": {1, 2}, "y": [1.0, 2.0]},
        {"x": ["\udc80", "a"], "y": [1.0, 2.0]},
        {"x\udc80": [1.0, 2.0], "y": [1.0, 2.0]},
        {"x": np.float64(1), "y": np.array(2.0)},
        np.zeros(3, dtype=[("x", "c16"), ("y", "f8")]),
        np.zeros((3, 2), dtype=[("x", "f8"), ("y", "f8")]),
        np.zeros(3),
        pa.array([1.0, 2.0]),
        pa.chunked_array([[1.0, 2.0]]),
        pa.table({"x": pa.nulls(2, pa.month_day_nano_interval()), "y": [1.0, 2.0]}),
        pa.table({"x": pa.nulls(2, pa.decimal256(50, 2)), "y": [1.0, 2.0]}),
        pa.table({"x": pa.nulls(2, pa.list_(pa.decimal256(50, 2))), "y": [1.0, 2.0]}),
        duckdb.sql("select 1 as x, 2 as x, 3 as y"),
        (row for row in [{"x": 1.0, "y": 2.0}]),
        object,
        print,
        pl.DataFrame,
        pl.col("x"),
    ],
    ids=lambda table: f"{type(table).__name__} {str(table)[:20]!r}",
)
def test_what_is_no_table_is_refused_in_one_line(table: Any) -> None:
    with pytest.raises(TableError) as refused:
        dr.learn(table, predict="y")
    assert "\n" not in str(refused.value)


def test_an_index_with_a_name_is_told_to_be_no_column() -> None:
    frame = pd.DataFrame({"x": range(20), "z": [*range(10)] * 2})
    assert not any("index" in note for note in dr.columns(frame).notes)
    days = frame.set_index(pd.date_range("2024-01-01", periods=20, name="day"))
    (told,) = [note for note in dr.columns(days).notes if "index" in note]
    assert told == "the index (day) is no column: reset_index() makes it one"
    # A name that a column has as well is no loss.
    assert not any("index" in note for note in dr.columns(frame.set_index("z", drop=False)).notes)


def test_no_table_at_all_is_asked_for() -> None:
    with pytest.raises(LearningError, match="give the table first"):
        dr.learn(predict="y")


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
    for name in ("list", "nothing"):
        with pytest.raises(ColumnError, match=name):
            dr.learn(table, predict="y", using=[name])


def test_durations_are_not_called_dates() -> None:
    table = pl.DataFrame({"x": X, "d": [dt.timedelta(days=day) for day in (1, 2, 3, 4)], "y": Y})
    done = {one.column: one.done for one in dr.learn(table, predict="y").record.columns}
    assert "dates" not in done["d"]


# Every source gives the same model


def long_table() -> pl.DataFrame:
    """More rows than two batches hold: numbers, yes/no and levels, all with gaps."""
    rng = np.random.default_rng(3)
    n = 2 * BATCH_ROWS + 1001
    frame = pl.DataFrame(
        {
            "a": rng.normal(5, 3, n),
            "b": rng.integers(-5, 1000, n),
            "c": rng.choice(["p", "q", 'r, "s"', "\U0001f600"], n),
            "d": rng.random(n) < 0.3,
            "y": rng.normal(3, 1, n),
        }
    )
    gaps = {"a": 7, "c": 8, "d": 9, "y": 10}
    return frame.with_columns(
        pl.when(pl.col("b") % 100 == gap).then(None).otherwise(pl.col(name)).alias(name)
        for name, gap in gaps.items()
    )


LONG = long_table()


def on_disk(ending: str, write: Callable[[pl.DataFrame, Path], Any]) -> Callable[..., Path]:
    def made(frame: pl.DataFrame, folder: Path) -> Path:
        write(frame, folder / f"t.{ending}")
        return folder / f"t.{ending}"

    return made


# How to make each of a polars frame, given a folder to write in.
SOURCES: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "polars": lambda frame, _: frame,
    "polars in chunks": lambda frame, _: pl.concat(
        [frame[:5], frame[5:140_000], frame[140_000:]], rechunk=False
    ),
    "polars lazy": lambda frame, _: frame.lazy(),
    "pandas": lambda frame, _: frame.to_pandas(),
    "pandas nullable": lambda frame, _: frame.to_pandas().convert_dtypes(),
    "pandas on arrow": lambda frame, _: frame.to_pandas(use_pyarrow_extension_array=True),
    "pandas objects": lambda frame, _: frame.to_pandas().astype(object),
    "pandas categories": lambda frame, _: frame.to_pandas().astype({"c": "category"}),
    "pyarrow": lambda frame, _: frame.to_arrow(),
    "pyarrow dictionaries": lambda frame, _: frame.cast({"c": pl.Categorical}).to_arrow(),
    "arrow stream": lambda frame, _: frame.to_arrow().to_reader(1000),
    "arrow stream of few batches": lambda frame, _: frame.to_arrow().to_reader(200_000),
    "duckdb": lambda frame, _: duckdb.connect().from_arrow(frame.to_arrow()),
    "narwhals": lambda frame, _: nw.from_native(frame.to_pandas()),
    "dict": lambda frame, _: frame.to_dict(as_series=False),
    "arrays": lambda frame, _: {name: frame[name].to_numpy() for name in frame.columns},
    "list of dicts": lambda frame, _: frame.to_dicts(),
    "source": lambda frame, _: open_table(frame.to_arrow())[0],
    "parquet": on_disk("parquet", lambda frame, path: frame.write_parquet(path)),
    "parquet of small groups": on_disk(
        "parquet", lambda frame, path: frame.write_parquet(path, row_group_size=777)
    ),
    "csv": on_disk("csv", lambda frame, path: frame.write_csv(path)),
}


@pytest.fixture(scope="module")
def model_of_long() -> dr.Model:
    return dr.learn(LONG, predict="y")


@pytest.mark.parametrize("name", list(SOURCES)[1:])
def test_every_source_gives_the_same_model_to_the_last_bit(
    name: str, model_of_long: dr.Model, tmp_path: Path
) -> None:
    made = dr.learn(SOURCES[name](LONG, tmp_path), predict="y").record
    expected = model_of_long.record
    assert made.weights == expected.weights
    assert made.intercept == expected.intercept
    assert made.contract == expected.contract
    assert made.held_out == expected.held_out
    assert made.moments == expected.moments


@pytest.mark.parametrize("name", list(SOURCES)[1:])
def test_every_source_gives_all_rows_in_order_in_whole_batches(name: str, tmp_path: Path) -> None:
    source = open_table(SOURCES[name](LONG, tmp_path))[0]
    assert source.look().height == LOOK_ROWS
    wanted = [(pl.col("b") * 2.0).alias("twice"), pl.col("c").cast(pl.String)]
    batches = list(source.batches(wanted))
    assert [batch.height for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 1001]
    expected = LONG.select(pl.col("b").cast(pl.Float64).alias("twice") * 2, "c")
    assert_frame_equal(pl.concat(batches), expected)
    assert source.reads == 1


# What a table comes back as


def predicted(model: dr.Model) -> list[float]:
    found: list[float] = model.predict(pl.DataFrame({"x": X}))["y_prediction"].to_list()
    return found


def model_of_x() -> dr.Model:
    return dr.learn({"x": X, "y": Y}, predict="y", ridge=0)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([5, 5, 1, 0]),
        pd.Index(["a", "b", "a", None], name="film"),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2), ("c", 3)], names=["k", None]),
        pd.date_range("2020-01-01", periods=4, tz="Europe/Berlin"),
        pd.CategoricalIndex(["p", "q", "p", "q"]),
        pd.RangeIndex(10, 2, -2, name="at"),
    ],
    ids=lambda index: type(index).__name__,
)
@pytest.mark.parametrize("explain", [False, True])
def test_predictions_for_pandas_keep_the_index(index: pd.Index, explain: bool) -> None:
    model = model_of_x()
    table = pd.DataFrame({"x": X, "z": ["p", "q", None, "p"]}, index=index)
    found = model.explain(table) if explain else model.predict(table)
    assert isinstance(found, pd.DataFrame)
    pd.testing.assert_index_equal(found.index, index, exact=True)
    assert found["y_prediction"].to_list() == predicted(model)
    assert (found.dtypes == "float64").all()


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (pl.DataFrame({"x": X}), pl.DataFrame),
        (pl.LazyFrame({"x": X}), pl.LazyFrame),
        (pd.DataFrame({"x": X}), pd.DataFrame),
        (pa.table({"x": X}), pa.Table),
        (pa.table({"x": X}).to_reader(), pa.Table),
        (pa.record_batch({"x": X}), pa.Table),
        (duckdb.sql("select unnest([1.0, 2, 4, 7]) as x"), pa.Table),
        ({"x": X}, dict),
        ([{"x": x} for x in X], list),
        (np.array([(x,) for x in X], dtype=[("x", "f8")]), np.ndarray),
        (nw.from_native(pd.DataFrame({"x": X})), nw.DataFrame),
        (nw.from_native(pl.LazyFrame({"x": X})), nw.LazyFrame),
    ],
    ids=lambda part: f"{type(part).__module__} {type(part).__name__}" if part is not type else "",
)
def test_predictions_come_back_in_the_callers_kind(table: Any, kind: type) -> None:
    model = model_of_x()
    found = model.predict(table)
    assert isinstance(found, kind)
    values = open_table(found)[0].look()["y_prediction"].to_list()
    assert values == predicted(model)


def test_one_row_as_a_dict_comes_back_as_one() -> None:
    model = model_of_x()
    assert model.predict({"x": X[2]}) == {"y_prediction": predicted(model)[2]}


def test_a_frame_without_rows_gets_one_without_rows_of_its_kind() -> None:
    model = model_of_x()
    for table in (
        pd.DataFrame({"x": X}).iloc[:0],
        pd.DataFrame({"x": []}, dtype=object),
        pa.table({"x": X}).slice(0, 0),
        pl.DataFrame({"x": X}).head(0),
        np.zeros(0, dtype=[("x", "f8")]),
        duckdb.sql("select 1.0 as x where false"),
    ):
        assert len(model.predict(table)) == 0, type(table)


def test_the_callers_table_is_never_changed() -> None:
    rows = {"x": [1, 2.5, None, 7], "c": ["p", None, "q", "p"], "y": Y}
    for table in (
        pd.DataFrame(rows, index=[3, 3, 1, 0]),
        pd.DataFrame(rows, dtype=object),
        {name: list(values) for name, values in rows.items()},
        {"x": np.array(X, ">f8"), "y": np.array(Y)},
        np.array(list(zip(X, Y, strict=True)), dtype=[("x", ">f4"), ("y", "f8")]),
    ):
        before = copy.deepcopy(table)
        dr.learn(table, predict="y").predict(table)
        if isinstance(table, pd.DataFrame):
            pd.testing.assert_frame_equal(table, before)
        elif isinstance(table, dict):
            np.testing.assert_equal(table, before)
        else:
            assert table.dtype == before.dtype
            assert table.tobytes() == before.tobytes()


# Streams


class Stream:
    """Hands out an Arrow stream and nothing else, as many libraries' frames do."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


def test_whatever_hands_out_an_arrow_stream_is_a_table() -> None:
    assert slope(Stream(pa.table({"x": X, "y": Y}))) == pytest.approx(SLOPE, rel=1e-13)
    assert isinstance(model_of_x().predict(Stream(pa.table({"x": X}))), pa.Table)


def test_a_stream_is_asked_for_its_rows_once() -> None:
    given: list[int] = []
    batch = pa.record_batch({"x": X, "y": Y})

    def batches() -> Iterator[pa.RecordBatch]:
        for at in range(6000):
            given.append(at)
            yield batch

    source = open_table(pa.RecordBatchReader.from_batches(batch.schema, batches()))[0]
    assert source.look().height == LOOK_ROWS
    assert len(given) < 6000, "the look read more than it needs"
    assert sum(frame.height for frame in source.batches([pl.col("x")])) == 24_000
    assert given == list(range(6000))
    assert source.look().height == LOOK_ROWS


def test_a_short_stream_is_kept_for_a_second_read_and_a_long_one_refused() -> None:
    table = pa.table({"x": range(100_000), "y": range(100_000)})
    source = open_table(table.to_reader(999))[0]
    first, second = (pl.concat(source.batches([pl.col("x")])) for _ in range(2))
    assert_frame_equal(first, second)
    assert source.reads == 2
    source = open_table(pa.concat_tables([table] * 21).to_reader())[0]
    assert sum(frame.height for frame in source.batches([pl.col("x")])) == 2_100_000
    with pytest.raises(ReadError, match="only once") as refused:
        next(iter(source.batches([pl.col("x")])))
    assert "\n" not in str(refused.value)


def test_half_of_a_stream_is_never_taken_for_all_of_it() -> None:
    source = open_table(pa.table({"x": range(300_000)}).to_reader(999))[0]
    next(iter(source.batches([pl.col("x")])))
    with pytest.raises(ReadError, match="only once"):
        next(iter(source.batches([pl.col("x")])))


def test_a_stream_that_was_read_before_is_refused_not_taken_for_an_empty_table() -> None:
    model = model_of_x()
    stream = pa.table({"x": X}).to_reader()
    assert len(model.predict(stream)) == 4
    with pytest.raises(EmptyError, match="read before"):
        model.predict(stream)


def test_a_stream_that_fails_half_way_is_refused_in_one_line() -> None:
    batch = pa.record_batch({"x": X, "y": Y})

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(10_000):
            yield batch
        raise ZeroDivisionError("the wire\nbroke")

    with pytest.raises(ReadError, match="the wire") as refused:
        dr.learn(pa.RecordBatchReader.from_batches(batch.schema, batches()), predict="y")
    assert "\n" not in str(refused.value)


def test_losses_that_read_again_take_relations_and_short_streams() -> None:
    table = LONG.select(a="a", y=(pl.col("y") > 3).cast(pl.Int8)).head(20_000)
    expected = dr.learn(table, predict="y", loss="logistic").record.weights
    for same in (duckdb.connect().from_arrow(table.to_arrow()), table.to_arrow().to_reader(500)):
        assert dr.learn(same, predict="y", loss="logistic").record.weights == expected


# DuckDB


def test_a_relation_leaves_its_connection_free() -> None:
    con = duckdb.connect()
    relation = con.sql("select i as x, i % 7 as y from range(50_000) t(i)")
    model = dr.learn(relation, predict="y", ridge=0)
    assert con.sql("select 42").fetchall() == [(42,)]
    with pytest.raises(ColumnError):
        model.predict(con.sql("select 1 as z"))
    assert con.sql("select 43").fetchall() == [(43,)]


def test_a_relation_that_fails_half_way_is_refused_in_one_line() -> None:
    con = duckdb.connect()
    relation = con.sql(
        "select (case when i = 250_000 then 'no' else '1' end)::int as x, i as y "
        "from range(300_000) t(i)"
    )
    with pytest.raises(ReadError, match="'no'") as refused:
        dr.learn(relation, predict="y")
    assert "\n" not in str(refused.value)


def test_a_relation_on_a_closed_connection_is_refused_in_one_line() -> None:
    con = duckdb.connect()
    relation = con.sql("select 1 as x, 2 as y")
    con.close()
    with pytest.raises(ReadError) as refused:
        dr.learn(relation, predict="y")
    assert "\n" not in str(refused.value)


def test_sums_of_a_relation_are_numbers() -> None:
    con = duckdb.connect()
    con.register("t", pa.table({"x": X, "y": Y, "k": [0, 1, 2, 3]}))
    relation = con.sql("select sum(x::int) as x, sum(y::int) as y from t group by k order by k")
    assert slope(relation) == pytest.approx(SLOPE, rel=1e-13)


# pandas columns of every kind


def test_pandas_columns_of_other_kinds_are_left_out_and_named() -> None:
    table = pd.DataFrame(
        {
            "x": X,
            "y": Y,
            "interval": pd.interval_range(0, 4),
            "list": [[1], [2], [], None],
            "dict": [{"a": 1}, {"a": 2}, None, {"a": 3}],
            "bytes": [b"a", b"b", None, b"\xff"],
            "nothing": [None] * 4,
        }
    )
    model = dr.learn(table, predict="y", ridge=0)
    done = {one.column: one.done for one in model.record.columns}
    assert set(done) == set(table.columns)
    for name in done:
        assert done[name].startswith("left out: ") == (name not in ("x", "y")), name
        assert "\n" not in done[name]
    assert model.record.weights[0].weight == pytest.approx(SLOPE, rel=1e-13)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, "a", 2, 3], "mixes int and str"),
        ([1.5, "a", None, 3.5], "mixes float and str"),
        ([True, "a", None, 3.5], "mixes bool and float and str"),
        ([1j, 2j, 3j, 4j], "complex"),
        ([object()] * 4, "object"),
        ([uuid.UUID(int=3)] * 4, "UUID"),
    ],
)
@pytest.mark.parametrize("made", [pd.DataFrame, dict], ids=["pandas", "dict"])
def test_a_column_that_cannot_be_is_named_with_what_it_holds(
    values: list[Any], said: str, made: Callable[..., Any]
) -> None:
    with pytest.raises(ReadError, match=said) as refused:
        dr.learn(made({"odd": values, "y": Y}), predict="y")
    assert "'odd'" in str(refused.value)


@pytest.mark.parametrize(
    ("learnt", "mixed", "plain"),
    [
        (["yes", "no", "no", "yes"], [True, "no", None, "yes"], ["yes", "no", None, "yes"]),
        (["true", "false", "false", "x"], ["true", False, "x"], ["true", "false", "x"]),
        ([1, 0, 0, 1], [True, 0, None, 1], [1, 0, None, 1]),
        ([1.0, 0.0, 0.0, 1.0], [False, 1.0, True], [0.0, 1.0, 1.0]),
        ([True, False, False, True], [1, False, 0.0], [True, False, False]),
    ],
)
def test_true_and_false_are_taken_beside_their_words_and_numbers(
    learnt: list[Any], mixed: list[Any], plain: list[Any]
) -> None:
    # Many rows, as few of them take another way.
    model = dr.learn({"flag": learnt * 30, "y": [float(value) for value in Y] * 30}, predict="y")
    found = model.predict({"flag": mixed * 30})["y_prediction"]
    assert list(found) == list(model.predict({"flag": plain * 30})["y_prediction"])
    assert len(set(found)) > 1


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (Decimal("1.5"), 1.5),
        (Decimal("1e40"), 1e40),
        (Decimal("0E+50"), 0.0),
        (Decimal("NaN"), None),
    ],
)
def test_a_decimal_is_taken_beside_text(value: Decimal, same: float | None) -> None:
    model = dr.learn({"x": list(range(60)), "y": [i * 2 + i % 3 for i in range(60)]}, predict="y")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, known = (model.predict([{"x": one}, {"x": "2"}]) for one in (value, same))
    assert found == known


def test_a_duration_beside_text_is_refused_in_words() -> None:
    value = np.timedelta64(5, "D")
    model = dr.learn({"x": list(range(60)), "y": [i * 2 + i % 3 for i in range(60)]}, predict="y")
    with pytest.raises(dr.DeltaruleError):
        model.predict([{"x": value}, {"x": "2"}])


def test_a_mixed_value_beyond_the_first_batch_is_missing_and_told() -> None:
    values = [1.5] * (BATCH_ROWS + 10) + ["a"]
    table = pd.DataFrame({"odd": values, "y": range(len(values))}, dtype=object)
    table["z"] = range(len(table), 0, -1)
    model = dr.learn(table, predict="y")
    told = f"odd: 1 cell that is no number treated as missing: 'a' (row {BATCH_ROWS + 11:,})"
    assert told in model.record.notes


def test_whole_numbers_of_any_size_are_numbers() -> None:
    x = [2**70 * int(value) for value in X]
    for table in (
        {"x": x, "y": Y},
        pd.DataFrame({"x": x, "y": Y}),
        [{"x": one, "y": other} for one, other in zip(x, Y, strict=True)],
        {"x": [*x, None], "y": [*Y, None]},
    ):
        assert slope(table) * 2**70 == pytest.approx(SLOPE, rel=1e-13)


def test_masked_values_are_missing() -> None:
    table = np.ma.array([(1.0, 1.0), (9.0, 3.0), (4.0, 2.0)], dtype=[("x", "f8"), ("y", "f8")])
    table["x"][1] = np.ma.masked
    model = dr.learn(table, predict="y", ridge=0)
    assert model.record.contract.columns[0].missing == 1
    assert model.record.contract.columns[0].high == 4


def test_only_the_columns_asked_for_are_converted() -> None:
    wide = pd.DataFrame({"x": X, "y": Y, "z": ["p"] * 4})
    source = open_table(wide)[0]
    source.look()
    # As it would be if its text could not be converted: nothing asks for it.
    wide["z"] = np.array([1j] * 4)
    assert next(iter(source.batches([pl.col("x")]))).columns == ["x"]
