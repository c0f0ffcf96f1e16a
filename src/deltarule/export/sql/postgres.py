"""Run a model's SQL on rows in a PostgreSQL database, of which nothing stays there.

The rows are a temporary table, which stands before any other of its name, in a transaction that is
never committed.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from deltarule.errors import ExportError, LearningError
from deltarule.tables.databases.postgres import UTF8, driver
from deltarule.tables.databases.url import address, quoted

# A join in a loop keeps the order of the rows, which nothing else says.
IN_ORDER = ("SET LOCAL enable_hashjoin = off", "SET LOCAL enable_mergejoin = off")


def run(
    content: str, rows: Sequence[Mapping[str, Any]], table: str, view: str | None, url: str
) -> Sequence[Mapping[str, Any]]:
    """The rows' results, a dict for each.

    Errors:  ExportError where the database refuses the query; LearningError for another database
             and for a table or view in a schema; ReadError where it cannot be reached;
             MissingExtraError
    """
    there = address(url)
    if there.kind != "PostgreSQL":
        raise LearningError(f"{there.name} is no PostgreSQL database, where a check could run")
    if "." in table or "." in (view or ""):
        raise LearningError(
            "a check in PostgreSQL is by a temporary table, which is in no schema: give the names "
            "of table and view without one, or no check_in"
        )
    dbapi, errors = driver()
    with (
        there.explained(*errors, name=there.name),
        dbapi.connect(there.url, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("BEGIN")
        for statement in (UTF8, *IN_ORDER):
            cursor.execute(statement)
        data = _frame(rows).to_arrow(compat_level=pl.CompatLevel.oldest())
        cursor.adbc_ingest(table, data, mode="create", temporary=True)
        try:
            cursor.execute(content.rstrip().removesuffix(";"))
            if view is not None:
                cursor.execute(f"SELECT * FROM {quoted(view)}")
            found: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
        except errors as error:
            raise ExportError(f"the query does not run: {there.said(error)}") from None
    return found


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The rows as a table, each column of the type of its first value."""
    made = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        kind = next((type(one) for one in values if one is not None), str)
        if kind in (float, int):
            made[name] = pl.Series(name, values, dtype=pl.Float64, strict=False)
        elif kind is bool:
            made[name] = pl.Series(name, values, dtype=pl.Boolean)
        elif issubclass(kind, date):  # a datetime is one
            made[name] = pl.Series(name, values)
        else:
            texts = [None if one is None else str(one) for one in values]
            made[name] = pl.Series(name, texts, dtype=pl.String)
    return pl.DataFrame(made)
