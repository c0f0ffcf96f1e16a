"""Run a model's SQL on rows: in SQLite, in DuckDB where it is installed, in a given PostgreSQL."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from deltarule.errors import ExportError, LearningError

END = ";"


def run(
    content: str | bytes,
    rows: Sequence[Mapping[str, Any]],
    *,
    dialect: str = "duckdb",
    table: str = "rows",
    view: str | None = None,
    keep: Sequence[str] | None = None,
    check_in: str | None = None,
    **settings: Any,
) -> Sequence[Mapping[str, Any]] | None:
    """The rows' results, a dict for each; None for a dialect that does not run here.

    Errors:  ExportError where the database refuses the query; LearningError for a database to check
             it in that is none of its dialect
    """
    if check_in is not None and dialect != "postgres":
        raise LearningError(f"check_in is a PostgreSQL database, and the dialect is {dialect}")
    others = dict.fromkeys(keep or ())
    rows = [{**others, **row} for row in rows]
    if dialect == "sqlite":
        return _run(sqlite3.connect(":memory:"), sqlite3.Error, str(content), rows, table, view)
    if dialect == "duckdb":
        try:
            import duckdb
        except ModuleNotFoundError:
            return None
        connection = duckdb.connect(config={"threads": 1})
        # Else rows may come in the order of the joined levels.
        connection.execute("SET disabled_optimizers = 'join_order, build_side_probe_side'")
        return _run(connection, duckdb.Error, str(content), rows, table, view)
    if check_in is not None:
        from deltarule.export.sql import postgres

        return postgres.run(str(content), rows, table, view, check_in)
    return None


def _run(
    connection: Any,
    errors: type[Exception],
    content: str,
    rows: Sequence[Mapping[str, Any]],
    table: str,
    view: str | None,
) -> Sequence[Mapping[str, Any]] | None:
    with closing(connection):
        try:
            _make_schemas(connection, [table, *([] if view is None else [view])])
            _fill(connection, rows, table)
            found = connection.execute(content.rstrip().removesuffix(END))
            if view is not None:
                found = connection.execute(f"SELECT * FROM {_place(view)}")
            names = [one[0] for one in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        except errors as error:
            first = str(error).partition("\n")[0]
            if "no such function" in first:
                return None  # SQLite was built without its functions of mathematics
            raise ExportError(f"the query does not run: {first}") from None


def _fill(connection: Any, rows: Sequence[Mapping[str, Any]], table: str) -> None:
    """A table of these rows, each column of the type of its first value."""
    types = {float: "DOUBLE", int: "DOUBLE", bool: "BOOLEAN"}
    columns = []
    for name in rows[0]:
        values = [row[name] for row in rows if row[name] is not None]
        own = types.get(type(values[0]), "VARCHAR") if values else "VARCHAR"
        columns.append(f"{_name(name)} {own}")
    connection.execute(f"CREATE TABLE {_place(table)} ({', '.join(columns)})")
    places = ", ".join("?" * len(columns))
    insert = f"INSERT INTO {_place(table)} VALUES ({places})"
    connection.executemany(insert, [tuple(row.values()) for row in rows])


def _make_schemas(connection: Any, names: Sequence[str]) -> None:
    """The databases and schemas that tables and views are said to be in."""
    lite = isinstance(connection, sqlite3.Connection)
    made = {"main"} if lite else {"main", "memory", "memory.main"}
    for *above, _ in (name.split(".") for name in names):
        for depth in range(1, len(above) + 1):
            place = ".".join(above[:depth])
            if place not in made:
                # With three parts the first is a database.
                attached = lite or (depth == 1 and len(above) == 2)
                what = "ATTACH ':memory:' AS" if attached else "CREATE SCHEMA IF NOT EXISTS"
                connection.execute(f"{what} {_place(place)}")
                made.add(place)


def _place(name: str) -> str:
    """A table's name, perhaps after its schema's."""
    return ".".join(map(_name, name.split(".")))


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
