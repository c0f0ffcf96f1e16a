"""The base of what reads and writes one kind of database."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from copy import copy
from pathlib import Path
from threading import Timer
from typing import Any, Protocol, Self

import polars as pl

from deltarule.errors import OutputError, ReadError
from deltarule.tables.databases.url import (
    ORDERED,
    Address,
    check_file,
    create_statements,
    is_there,
    written,
)

RAISE = "raise --query-timeout, or give a query of fewer rows"


class SqlColumn(Protocol):
    """A column of a table or query."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def sql(self) -> str:
        """The SQL of its cell, of the kind that it has in frames."""
        ...


class DatabaseReader(ABC):
    """What reads a table, view or query, in one snapshot, and writes tables of the same kind."""

    where: str = "query"
    """What it reads, in words: table films."""
    rows: int | None = None
    passes: int = 0
    """How often all rows were gone through only to find the columns' types."""
    relation: str
    """What stands behind FROM: the table, or the query in brackets."""
    key: str | None = None
    """The primary key, where it is one column of whole numbers."""
    timeout: float | None = None
    """The seconds that a query of ours may take, if there is an end to it."""
    held: str | None = None
    """The temporary table that holds rows, if there is one."""

    _columns: Sequence[SqlColumn]
    _tables_held: int = 0
    _close: Callable[[], object] | None = None
    """Closes the connection that keeps the snapshot, where there is one."""

    def __init__(self, there: Address, query: str | None) -> None:
        self._there, self._name = there, there.name
        self.notes: list[str] = []
        self.mixed: dict[str, str] = {}
        """Columns of numbers and text, each with a sentence on that."""
        self.unordered = ORDERED.search(query or "") is None
        """Whether it is a query or view without an order, whose rows come as they are ready."""

    @property
    def columns(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self._columns]

    @property
    def cells(self) -> Mapping[str, str]:
        """The SQL of each column's cell, of the kind that it has in frames."""
        return {column.name: column.sql for column in self._columns}

    @abstractmethod
    def frames(
        self,
        columns: Sequence[str],
        limit: int | None,
        of: str | None = None,
        numbers: Sequence[str] = (),
    ) -> Iterator[pl.DataFrame]:
        """The rows of these columns, in frames of any height, always of the same types.

        `of` stands in place of the table: a subquery of its columns, perhaps of `numbers` that are
        float64 too, and perhaps an order.
        """

    def ask(self, query: str, parameters: Sequence[float] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query of ours, in the snapshot of all reads.

        In it $1, $2, ... stand for the parameters.
        """
        return self._run(query, parameters)

    @abstractmethod
    def _run(self, statement: str, parameters: Sequence[float] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement of ours, which may make or drop a table that holds rows."""

    def widen(self) -> bool:
        """Look at every row for types that fit them all; False where they are declared."""
        return False

    def expected(self) -> tuple[int, int] | None:
        """How many rows a server expects, and how many of its processes would add them up.

        None for a file, which is read by this process anyway.
        """
        return None

    def hold(self, query: str) -> str | None:
        """Hold a query's rows as a temporary table of this process, in place of those before.

        Its name; None where the rows are held by no process of ours.
        """
        if self.held is not None:
            self._run(f"DROP TABLE {self.held}")
        self.held = None
        self._tables_held += 1
        name = f"deltarule_rows_{self._tables_held}"
        self._run(f"CREATE TEMP TABLE {name} AS {query}")
        self.held = name
        return name

    def within(self, relation: str) -> Self:
        """A reader of some of its rows, with a snapshot of its own."""
        made = copy(self)
        made.relation, made.rows, made.notes = relation, None, [*self.notes]
        made._disconnect()
        return made

    def release(self) -> None:
        """End the snapshot that all reads are of; the next read begins another."""
        if self._close is not None:
            self._close()
        self._disconnect()

    def _disconnect(self) -> None:
        """Forget the connection that keeps the snapshot."""
        self._close = self.held = None

    @staticmethod
    @abstractmethod
    def driver() -> tuple[Any, tuple[type[Exception], ...]]:
        """The driver and its errors. Errors: MissingExtraError."""

    @classmethod
    @abstractmethod
    def _writing(cls, there: Address) -> AbstractContextManager[Any]:
        """A cursor in a new transaction that may write, which ends with it."""

    @classmethod
    @abstractmethod
    def _insert(cls, cursor: Any, table: str, frame: pl.DataFrame, kinds: pl.Schema | None) -> None:
        """Write rows to a table; to a new one for columns that were of these kinds."""

    @classmethod
    def write(
        cls, there: Address, table: str, first: pl.DataFrame, rest: Iterator[pl.DataFrame]
    ) -> int:
        """Write these frames to a new table; how many rows they are."""
        _, errors = cls.driver()
        name = f"{there.name}, table {table}"
        kinds: pl.Schema | None = first.schema
        rows = 0
        with (
            _whole_or_not(there.path),
            there.explained(*errors, name=name, doing="cannot be written", error=OutputError),
            cls._writing(there) as cursor,
        ):
            for frame in written(first, rest, name=name):
                cls._insert(cursor, table, frame, kinds)
                kinds = None
                rows += frame.height
            cursor.execute("COMMIT")
        return rows

    @classmethod
    def create(cls, there: Address, name: str, query: str, *, view: bool) -> int:
        """Make a table or view of a query's rows; how many rows a table has."""
        if there.path is not None:
            check_file(there)
        _, errors = cls.driver()
        made, counted = create_statements(name, query, view=view)
        place = f"{there.name}, {name}"
        with (
            there.explained(*errors, name=place, doing="cannot be made", error=OutputError),
            cls._writing(there) as cursor,
        ):
            cursor.execute(made)
            cursor.execute(counted)
            [(rows,)] = cursor.fetchall()
            cursor.execute("COMMIT")
        return int(rows)


@contextmanager
def _whole_or_not(path: Path | None) -> Iterator[None]:
    """Delete a file that was not there before where writing it fails."""
    fresh = path is not None and not is_there(path)
    try:
        yield
    except BaseException:
        if path is not None and fresh:
            with suppress(OSError):
                path.unlink()
        raise


@contextmanager
def limited(seconds: float | None, interrupt: Callable[[], object], *, name: str) -> Iterator[None]:
    """Interrupt what is done here once it has taken so many seconds; None for no end.

    Errors:  ReadError once it was interrupted
    """
    if seconds is None:
        yield
        return
    late = False

    def end() -> None:
        nonlocal late
        late = True
        interrupt()

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not late:
            raise
        raise ReadError(
            f"{name} cannot be read: a query took more than {seconds:g} s: {RAISE}"
        ) from None
    finally:
        timer.cancel()
