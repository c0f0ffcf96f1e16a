"""deltarule learn --show-sql: the queries that learning asks, in the SQL of a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from deltarule.tables.databases.database import DatabaseSource
    from deltarule.tables.source import Source

KINDS = {"DuckDB": "duckdb", "SQLite": "sqlite", "PostgreSQL": "postgres"}


def queries_of(source: "Source", given: dict[str, Any], dialect: str) -> str:
    """The queries that learning from a table asks, written in a dialect."""
    from deltarule.engines.sql.recorded import recorded
    from deltarule.engines.sql.written import check_written, own_text, written
    from deltarule.fit.run import Run
    from deltarule.fit.settings import Settings

    check_written(dialect)
    if given.setdefault("engine", "database") != "database":
        message = "it goes with --engine database: leave the engine out"
        raise typer.BadParameter(message, param_hint="--show-sql")
    with _in_database(source, dialect) as table:
        asked, queries = recorded(table)
        Run.of(asked, Settings(**given)).model()
        asked.release()
    own = KINDS[table.kind] == dialect
    return own_text(queries, dialect) if own else written(queries, dialect)


@contextmanager
def _in_database(source: "Source", dialect: str) -> "Iterator[DatabaseSource]":
    """The table in a database of this dialect, else in DuckDB: a copy, where it is in another."""
    import tempfile

    import polars as pl

    from deltarule.tables.databases.database import DatabaseSource, open_database, write_table

    own = (dialect,) if dialect == "sqlite" else (dialect, "duckdb")
    if isinstance(source, DatabaseSource) and KINDS[source.kind] in own:
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        kind = "sqlite" if dialect == "sqlite" else "duckdb"
        path = str(Path(folder) / f"rows.{kind}")
        write_table(path, _name(source), source.batches([pl.all()]))
        made = open_database(path)
        yield made
        made.release()


def _name(source: "Source") -> str:
    """What a copy of a table is called: as its file, or as it is in its database."""
    from deltarule.tables.databases.database import DatabaseSource

    if isinstance(source, DatabaseSource):
        return source.reader.where.partition(" ")[2].rpartition(".")[2] or "rows"
    return source.files[0].stem if source.files else "rows"
