"""SQLite: kinds found from values, and values far down that are of another kind."""

import contextlib
import datetime as dt
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import deltarule as dr
from deltarule.tables.databases.database import open_database
from deltarule.tables.polars_source import UnparsedError
from deltarule.tables.source import LOOK_ROWS
from tests.tables.databases import refused, whole


@pytest.fixture
def sqlite(tmp_path: Path) -> Callable[..., str]:
    """Makes a SQLite file with these statements."""

    def made(*statements: str) -> str:
        path = tmp_path / "made.db"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return str(path)

    return made


# SQLite


def test_sqlite_dates_and_booleans_are_taken_as_declared(sqlite: Any) -> None:
    path = sqlite(
        "CREATE TABLE t "
        "(d DATE, m TIMESTAMP, z DATETIME, some DATE, b BOOLEAN, two BOOLEAN, t TEXT)",
        "INSERT INTO t VALUES ('2020-01-02', '2020-01-02 03:04', '2020-01-02T03:04:05Z', "
        "'2020-01-02', 1, 2, '2020-01-02')",
        "INSERT INTO t VALUES (NULL, '2020-01-02T03:04:05.25', '2020-01-02 03:04+02:00', "
        "'soon', 0, 0, NULL)",
    )
    found = whole(path)
    assert found["d"].to_list() == [dt.date(2020, 1, 2), None]
    assert found["m"].to_list() == [
        dt.datetime(2020, 1, 2, 3, 4),
        dt.datetime(2020, 1, 2, 3, 4, 5, 250_000),
    ]
    # The hours of an offset are those written, which text keeps.
    assert found["z"].to_list() == ["2020-01-02T03:04:05Z", "2020-01-02 03:04+02:00"]
    assert found["some"].to_list() == ["2020-01-02", "soon"]
    assert found["b"].to_list() == [True, False]
    assert found["two"].to_list() == [2.0, 0.0]
    assert found["t"].to_list() == ["2020-01-02", None]


@pytest.mark.parametrize(
    ("declared", "values", "kind", "found"),
    [
        ("INTEGER", "1, 2, NULL", pl.Int64, [1, 2, None]),
        ("INTEGER", "1, 2.5", pl.Float64, [1.0, 2.5]),
        ("INTEGER", "1, 'NA', ''", pl.Int64, [1, None, None]),
        ("INTEGER", "1, 'one'", pl.String, ["1", "one"]),
        ("INTEGER", "'NA'", pl.Int64, [None]),
        ("INTEGER", "NULL", pl.Int64, [None]),
        ("DECIMAL(10, 2)", "3, 4", pl.Float64, [3.0, 4.0]),
        ("REAL", "3, '-'", pl.Float64, [3.0, None]),
        ("TEXT", "3, 'NA'", pl.String, ["3", "NA"]),
        ("", "3, 4.5, 'x'", pl.String, ["3", "4.5", "x"]),
        ("", "NULL", pl.Null, [None]),
        ("BLOB", "3, x'00ff', NULL", pl.Binary, [b"3", b"\0\xff", None]),
        ("DATE", "20200102, 20200103", pl.Int64, [20200102, 20200103]),
        ("DATE", "NULL", pl.Date, [None]),
        ("REAL", "9e999, -9e999", pl.Float64, [math.inf, -math.inf]),
        ("INTEGER", "9223372036854775807", pl.Int64, [2**63 - 1]),
    ],
)
def test_a_sqlite_column_is_what_its_values_are(
    sqlite: Any, declared: str, values: str, kind: Any, found: list[Any]
) -> None:
    each = ", ".join(f"({value})" for value in values.split(", "))
    path = sqlite(f"CREATE TABLE t (x {declared})", f"INSERT INTO t VALUES {each}")
    assert whole(path)["x"].to_list() == found
    assert whole(path)["x"].dtype == kind


def test_a_sqlite_column_of_numbers_and_text_is_text_and_told(sqlite: Any) -> None:
    source = open_database(
        sqlite("CREATE TABLE t (x INTEGER)", "INSERT INTO t VALUES (1), ('one')")
    )
    source.look()
    assert source.notes == ["x holds numbers and text: all of it is taken as text"]


MANY = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {LOOK_ROWS + 50})"


@pytest.mark.parametrize(
    ("declared", "before", "late", "kind"),
    [
        ("INTEGER", "n", "0.5", pl.Float64),
        ("INTEGER", "n", "'late'", pl.String),
        ("INTEGER", "NULL", "'late'", pl.String),
        ("TEXT", "'a' || n", "x'00'", pl.Binary),
        ("DATE", "'2020-01-02'", "'never'", pl.String),
        ("DATE", "'2020-01-02'", "'2020-01-02 03:04'", pl.String),
        ("BOOLEAN", "1", "7", pl.Int64),
        ("", "NULL", "7", pl.Int64),
    ],
)
def test_sqlite_values_far_down_that_are_of_another_kind(
    sqlite: Any, declared: str, before: str, late: str, kind: Any
) -> None:
    path = sqlite(
        f"CREATE TABLE t (x {declared}, y REAL)",
        f"{MANY} INSERT INTO t SELECT {before}, n FROM c",
        f"INSERT INTO t VALUES ({late}, 0)",
    )
    source = open_database(path)
    if declared:
        line = refused(lambda: list(source.batches([pl.col("x")])), UnparsedError)
        assert f"column 'x', row {LOOK_ROWS + 51}: " in line
        list(source.batches([pl.col("y")]))  # who does not ask for it is not bothered
        assert source.reads == 2
        assert source.widen()
        assert source.reads == 3
    found = pl.concat(source.batches([pl.col("x")]))["x"]
    assert found.dtype == kind == source.look().schema["x"]
    assert found.len() == LOOK_ROWS + 51
    assert found.null_count() == (LOOK_ROWS + 50 if before == "NULL" else 0)
    assert not source.widen()


def test_learning_goes_on_where_sqlite_values_change_kind(sqlite: Any) -> None:
    path = sqlite(
        "CREATE TABLE t (x INTEGER, y REAL)",
        f"{MANY} INSERT INTO t SELECT n % 100, 2.0 * (n % 100) + n % 7 FROM c",
        "INSERT INTO t VALUES (0.5, 1.0)",
    )
    source = open_database(path)
    model = dr.learn(source, predict="y", ridge=0)
    assert model.record.weights[0].weight == pytest.approx(2, rel=1e-3)
    assert source.reads == 3  # up to that row, all for their types, all for the model
