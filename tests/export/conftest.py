"""Databases that run a model's SQL on the rows of a case."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import polars as pl
import pytest

from tests.export.models import Case

Columns = list[list[Any]]
Runs = Callable[[pl.DataFrame, str], tuple[list[str], Columns]]


def in_duckdb(rows: pl.DataFrame, text: str) -> tuple[list[str], Columns]:
    """The columns of a query over a table `rows` in DuckDB."""
    import duckdb

    with closing(duckdb.connect()) as connection:
        connection.register("given", rows.to_arrow())
        connection.execute('CREATE TABLE "rows" AS SELECT * FROM given')
        return _in_order(*_last(connection, text))


def in_sqlite(rows: pl.DataFrame, text: str) -> tuple[list[str], Columns]:
    """The columns of a query over a table `rows` in SQLite, where dates are text."""
    dates = [name for name, kind in rows.schema.items() if kind == pl.Date]
    times = [name for name, kind in rows.schema.items() if isinstance(kind, pl.Datetime)]
    rows = rows.with_columns(
        *(pl.col(name).dt.to_string("%Y-%m-%d") for name in dates),
        *(pl.col(name).dt.to_string("%Y-%m-%d %H:%M:%S%.f") for name in times),
    )
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in rows.columns)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f'CREATE TABLE "rows" ({names})')
        places = ", ".join("?" * rows.width)
        connection.executemany(f'INSERT INTO "rows" VALUES ({places})', rows.rows())
        return _in_order(*_last(connection, text))


def _last(connection: Any, text: str) -> tuple[list[str], Sequence[Sequence[Any]]]:
    """The names and rows that the last of some statements gives."""
    *before, last = [part for part in text.split(";\n") if part.strip()]
    for part in before:
        connection.execute(part)
    found = connection.execute(last)
    return [one[0] for one in found.description], found.fetchall()


def _in_order(names: list[str], rows: Sequence[Sequence[Any]]) -> tuple[list[str], Columns]:
    """Columns without the row's number, in its order."""
    ordered = sorted(rows, key=lambda row: row[0])
    return names[1:], [list(column) for column in zip(*ordered, strict=True)][1:]


@pytest.fixture(scope="session")
def in_postgres(postgres: str) -> Runs:
    """Runs a query over a table `rows` in PostgreSQL."""
    import adbc_driver_postgresql.dbapi as dbapi

    def run(rows: pl.DataFrame, text: str) -> tuple[list[str], Columns]:
        *before, last = [part for part in text.split(";\n") if part.strip()]
        with dbapi.connect(postgres, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS rows CASCADE")
            data = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
            cursor.adbc_ingest("rows", data, mode="create")
            for part in before:
                cursor.execute(part)
            cursor.execute(last)
            table = cursor.fetch_arrow_table()
        columns = [one.to_pylist() for one in table.columns]
        return _in_order(table.column_names, list(zip(*columns, strict=True)))

    return run


@pytest.fixture(scope="session", params=["duckdb", "sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> tuple[str, Runs]:
    """A dialect, and what runs it."""
    if request.param == "postgres":
        return request.param, request.getfixturevalue("in_postgres")
    return request.param, {"duckdb": in_duckdb, "sqlite": in_sqlite}[request.param]


def numbered(case: Case) -> pl.DataFrame:
    """The rows of a case with their numbers."""
    return case.rows.with_row_index("row id")
