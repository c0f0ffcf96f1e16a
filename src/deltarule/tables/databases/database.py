"""Databases: a table or a query's rows as a source, and frames written to a new table.

url.py says where a database is without its credentials; sqlite.py, postgres.py and duckdb.py each
read and write one kind. Rows stream: no more is in memory than a batch and what the database
keeps. All reads of a source are of one snapshot, so that what is written meanwhile has no part.
Databases promise no order of rows unless a query says ORDER BY: what is done here is to ask each
for the order in which it keeps them, so that reading an unchanged table twice agrees.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from time import perf_counter
from typing import Self

import polars as pl

from deltarule.errors import LearningError, OutputError
from deltarule.tables.databases.duckdb import DuckdbReader
from deltarule.tables.databases.postgres import PostgresReader
from deltarule.tables.databases.reader import DatabaseReader
from deltarule.tables.databases.sqlite import SqliteReader
from deltarule.tables.databases.url import (
    Address,
    Kind,
    address,
    check_query,
    is_database,
    is_text,
)
from deltarule.tables.polars_source import explained
from deltarule.tables.source import (
    BATCH_ROWS,
    LOOK_ROWS,
    Source,
    TextHints,
    columns_read,
    rebatched,
)

__all__ = ["DatabaseSource", "is_database", "open_database", "write_table"]


READERS: Mapping[Kind, type[SqliteReader] | type[PostgresReader] | type[DuckdbReader]] = {
    "SQLite": SqliteReader,
    "PostgreSQL": PostgresReader,
    "DuckDB": DuckdbReader,
}


class DatabaseSource(Source):
    """The rows of a table or query, read as often as needed and never written to."""

    repeatable = False
    date_order: str | None = None

    def __init__(self, there: Address, reader: DatabaseReader) -> None:
        self.name = f"{there.name}, {reader.where}"
        self.dialect = f"{there.kind} {reader.where}"
        self.files = there.files
        self.unordered = reader.unordered
        self.kind, self.reader = there.kind, reader
        self._reads = 0
        self._look: pl.DataFrame | None = None
        self.look_seconds: float | None = None
        """How long the first rows took to come, once they are looked at."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def reads(self) -> int:
        """How often all of it was read."""
        return self._reads + self.reader.passes

    @property
    def rows(self) -> int | None:
        """How many rows, where a database tells it without running a query."""
        return self.reader.rows

    @property
    def notes(self) -> list[str]:
        """What is worth knowing about how its values were taken."""
        return self.reader.notes

    @property
    def hints(self) -> TextHints:
        """The order of dates, and columns of numbers and text, as SQLite's may be."""
        return TextHints(date_order=self.date_order, mixed=self.reader.mixed)

    def look(self) -> pl.DataFrame:
        if self._look is None:
            frames = self.reader.frames(self.reader.columns, LOOK_ROWS)
            none = next(frames)  # it comes once there is a connection
            begin = perf_counter()
            self._look = pl.concat([none, *frames])
            self.look_seconds = perf_counter() - begin
        return self._look

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        self.look()  # it fixes the types
        self._reads += 1
        frames = rebatched(self.reader.frames(self.needed(columns), None), BATCH_ROWS)
        with explained(self.name):
            for frame in frames:
                yield frame.select(columns)

    def needed(self, columns: Sequence[pl.Expr]) -> list[str]:
        """The columns that these expressions are of, in the table's order: no others are read."""
        return columns_read(columns, self.reader.columns)

    def widen(self) -> bool:
        self._look = None
        return self.reader.widen()

    def within(self, relation: str, told: str) -> Self:
        """The source of some of its rows, by what stands behind FROM; what they are, in words."""
        made = self.through(self.reader.within(relation))
        made.name, made.dialect = f"{self.name} {told}", f"{self.dialect}, {told}"
        return made

    def through(self, reader: DatabaseReader) -> Self:
        """The same source by another reader."""
        made = copy(self)
        made.reader = reader
        made._reads, made._look, made.look_seconds = 0, None, None
        return made

    def release(self) -> None:
        """End the snapshot that all reads are of, and with it whatever it holds up."""
        self.reader.release()


def open_database(
    url: str, *, table: str | None = None, query: str | None = None, dates: str | None = None
) -> DatabaseSource:
    """The source of a table or a query's rows in SQLite, PostgreSQL or DuckDB.

    Without either, the only table there is. A table may be named with its schema; its name is
    looked up among those there are. A query is a single SELECT and cannot write. `dates` says the
    order of the parts of dates in text.

    Errors:  ReadError, NotFoundError, ColumnError for two columns of one name,
             MissingExtraError for a driver that is not installed
    """
    there = address(url)
    if table is not None and query is not None:
        raise LearningError("a table and a query are both given: give one of them")
    bare = None if query is None else check_query(query)
    made = DatabaseSource(there, READERS[there.kind](there, table, bare))
    made.date_order = dates
    return made


def create(url: str, name: str, query: str, *, view: bool) -> int:
    """Make a table or view of a query's rows inside the database; how many rows a table has.

    Errors:  OutputError when something of that name is there already, or it cannot be made
    """
    there = address(url)
    if not name or not is_text(name):
        raise OutputError(f"{name!r} is no name for a table: give one of letters")
    return READERS[there.kind].create(there, name, query, view=view)


def write_table(url: str, table: str, frames: Iterable[pl.DataFrame]) -> int:
    """How many rows were written to a new table, in one transaction: all of them or nothing.

    Errors:  OutputError when the table is there already or cannot be made
    """
    there = address(url)
    if not table or not is_text(table):
        raise OutputError(f"{table!r} is no name for a table: give one of letters")
    coming = iter(frames)
    first = next(coming, None)
    if first is None or not first.columns:
        raise OutputError(f"there is nothing to write to {there.name}, table {table}")
    return READERS[there.kind].write(there, table, first, coming)
