"""A source that keeps the queries it is asked, with their parameters."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import polars as pl

from deltarule.tables.databases.database import DatabaseSource
from deltarule.tables.databases.reader import DatabaseReader
from deltarule.tables.databases.url import quoted

Query = tuple[str, Sequence[float]]
"""A query and its parameters."""


class Recorder:
    """A reader that keeps the queries of ours that it is asked; all else is the reader's own."""

    def __init__(self, reader: DatabaseReader, queries: list[Query]) -> None:
        self._reader, self._queries = reader, queries

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def ask(self, query: str, parameters: Sequence[float] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query of ours, which is kept."""
        self._queries.append((query, list(parameters)))
        return self._reader.ask(query, parameters)

    def frames(
        self,
        columns: Sequence[str],
        limit: int | None,
        of: str | None = None,
        numbers: Sequence[str] = (),
    ) -> Iterator[pl.DataFrame]:
        """The rows of a query of ours, which is kept, or of the table."""
        if of is not None:
            names = ", ".join(quoted(name) for name in (*columns, *numbers))
            self._queries.append((f"SELECT {names} FROM {of}", ()))
        return self._reader.frames(columns, limit, of, numbers)

    def hold(self, query: str) -> str | None:
        """Nothing: the queries are to be those of the table itself."""
        return None

    def within(self, relation: str) -> "Recorder":
        """A recorder of some of the rows."""
        return Recorder(self._reader.within(relation), self._queries)


def recorded(source: DatabaseSource) -> tuple[DatabaseSource, list[Query]]:
    """The same source, and the queries of ours that it has been asked."""
    queries: list[Query] = []
    return source.through(cast(DatabaseReader, Recorder(source.reader, queries))), queries
