"""SQLite: columns have no fixed type, only an affinity, so kinds are found from values."""

import re
import sqlite3
import weakref
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import quote

import polars as pl

from deltarule.moments.folds import text_keys
from deltarule.tables.databases.reader import DatabaseReader, limited
from deltarule.tables.databases.url import (
    Address,
    Relation,
    check_file,
    check_names,
    chosen,
    quoted,
)
from deltarule.tables.missing_words import GAP_WORDS
from deltarule.tables.polars_source import UnparsedError
from deltarule.tables.source import LOOK_ROWS

# Rows turned from Python's values into columns at a time.
CHUNK_ROWS = 16_384
QUERY = "deltarule query"
GAPS = {"", *GAP_WORDS}
DATES: tuple[pl.DataType, ...] = (pl.Date(), pl.Datetime("us"), pl.Datetime("us", "UTC"))
MOMENT = r"^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(:\d{2}(?:\.\d{1,6})?)?"


class Gap:
    """Stands for text that only says that a number is missing."""


@dataclass
class Column:
    """A column, and what its values were so far."""

    name: str
    declared: str
    seen: set[type] = field(default_factory=set)
    bits: bool = True
    dates: tuple[pl.DataType, ...] = DATES

    @property
    def sql(self) -> str:
        """The SQL of its cell."""
        return quoted(self.name)

    def add(self, values: Sequence[Any]) -> None:
        """Take in what these values are."""
        kinds = set(map(type, values)) - {type(None)}
        if str in kinds:
            texts = [value for value in values if type(value) is str]
            if all(text.strip() in GAPS for text in set(texts)):
                kinds = (kinds - {str}) | {Gap}
            elif self._inclined == "date":
                self.dates = tuple(kind for kind in self.dates if _dated(texts, kind) is not None)
        if self._inclined == "boolean" and self.bits:
            self.bits = set(values) <= {0, 1, None}
        self.seen |= kinds

    @property
    def _inclined(self) -> str:
        """What the declaration says, by SQLite's own rules where it has one."""
        said = self.declared.upper()
        for kind, words in (
            ("boolean", ("BOOL",)),
            ("integer", ("INT",)),
            ("text", ("CHAR", "CLOB", "TEXT")),
            ("real", ("REAL", "FLOA", "DOUB")),
            ("date", ("DATE", "TIMESTAMP")),
        ):
            if any(word in said for word in words):
                return kind
        return "" if not said or "BLOB" in said else "numeric"

    @property
    def kind(self) -> pl.DataType:
        """The kind that fits all values so far."""
        seen, inclined = self.seen, self._inclined
        if bytes in seen:
            return pl.Binary()
        numbers = bool(seen & {int, float})
        numeric = inclined in ("boolean", "integer", "real", "numeric")
        if str in seen or (Gap in seen and not numbers and not numeric):
            return self.dates[0] if seen == {str} and inclined == "date" and self.dates else TEXT
        if not seen - {Gap}:
            return (
                DATES[1]
                if "TIME" in self.declared.upper() and inclined == "date"
                else BLANK[inclined]
            )
        if inclined == "boolean" and self.bits and seen == {int}:
            return pl.Boolean()
        # A number with digits after the point may follow whole ones, but not where INT is declared.
        whole = float not in seen and inclined not in ("real", "numeric")
        return pl.Int64() if whole else pl.Float64()

    @property
    def note(self) -> str | None:
        """What there is to say about the kind."""
        if self.kind == pl.String and self.seen & {int, float}:
            return f"{self.name} holds numbers and text: all of it is taken as text"
        return None

    def series(self, values: Sequence[Any]) -> pl.Series:
        """The values as this column's kind."""
        kind = self.kind
        if kind in DATES:
            found = _dated(values, kind)
            assert found is not None, "what was added fits"
            return found.alias(self.name)
        if kind == pl.String and self.seen != {str}:
            values = [None if value is None else str(value) for value in values]
        elif kind == pl.Binary:
            values = [value if _none_or(bytes, value) else str(value).encode() for value in values]
        elif kind == pl.Boolean:
            values = [None if value is None else bool(value) for value in values]
        elif Gap in self.seen and kind != pl.String:
            values = [None if type(value) is str else value for value in values]
        return pl.Series(self.name, values, dtype=kind, strict=kind != pl.Float64)


TEXT = pl.String()
BLANK: dict[str, pl.DataType] = {
    "boolean": pl.Boolean(),
    "integer": pl.Int64(),
    "text": TEXT,
    "real": pl.Float64(),
    "numeric": pl.Float64(),
    "date": pl.Date(),
    "": pl.Null(),
}


WORDS = {
    pl.Boolean(): "0 or 1",
    pl.Int64(): "whole number",
    pl.Float64(): "number",
    TEXT: "text",
    pl.Null(): "missing value",
}


def _none_or(kind: type, value: Any) -> bool:
    return value is None or type(value) is kind


def _dated(values: Sequence[str | None], kind: pl.DataType) -> pl.Series | None:
    """ISO text as dates or times of this kind; None where some of it is not."""
    text = pl.Series(values, dtype=pl.String)
    if kind == pl.Date:
        shaped = text.str.contains(r"^\d{4}-\d{2}-\d{2}$")
        found = text.str.to_date("%Y-%m-%d", strict=False)
    else:
        # The hours of other offsets are those written, so that such text stays text here.
        zone = "" if kind == DATES[1] else r"(Z|[+-]00:?00)"
        shaped = text.str.contains(f"{MOMENT}{zone}$")
        text = text.str.replace(f"{MOMENT}{zone}$", "$1 $2${3}|$4" if zone else "$1 $2$3")
        text = text.str.replace(r"^(.{16})(\||$)", "$1:00$2").str.replace("|", "", literal=True)
        form = "%Y-%m-%d %H:%M:%S%.f"
        found = (
            text.str.to_datetime(f"{form}%#z", strict=False, time_unit="us", time_zone="UTC")
            if zone
            else text.str.to_datetime(form, strict=False, time_unit="us")
        )
    fits = shaped.fill_null(True).all() and found.null_count() == text.null_count()
    return found if fits else None


class SqliteReader(DatabaseReader):
    """Reads a table, view or query of a SQLite file."""

    _columns: list[Column]

    def __init__(self, there: Address, table: str | None, query: str | None) -> None:
        check_file(there)
        super().__init__(there, query)
        self.unordered = False  # it works in one thread, always the same way
        self._query, self._fixed, self._widened = query, False, False
        self._connection: sqlite3.Connection | None = None
        self.relation = quoted(QUERY)
        with self._connected() as connection:
            if query is None:
                found = chosen(_relations(connection), table, there.name)
                self.where = f"{'view' if found.view else 'table'} {found.called}"
                self.relation = f"main.{quoted(found.name)}"
            self._name = f"{there.name}, {self.where}"
            name = QUERY if query is not None else found.name
            rows = connection.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
            # The last says what is hidden: 1 are columns of virtual tables that * leaves out.
            self._columns = [Column(row[1], row[2] or "") for row in rows if row[6] != 1]
            # SQLite tells a query's columns of one name apart by itself: x and x:1.
            check_names([re.sub(r":\d+$", "", c) if query else c for c in self.columns], self._name)
            keys = [row[1] for row in rows if row[5] and "INT" in str(row[2]).upper()]
            self.key = keys[0] if len(keys) == sum(row[5] > 0 for row in rows) == 1 else None
            if query is None and not found.view:
                [(self.rows,)] = connection.execute(f"SELECT count(*) FROM {self.relation}")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """The connection of all reads; they are of one transaction, and so of one snapshot."""
        with self._there.explained(sqlite3.Error, name=self._name, release=self.release):
            if self._connection is None:
                uri = f"file:{quote(str(self._there.path))}?mode=ro"
                # One thread after the other may go on reading.
                made = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
                made.create_function("deltarule_text_key", 1, _text_key, deterministic=True)
                self._close = weakref.finalize(self, made.close)
                # What is held is in memory; said first, as it drops temporary views.
                made.execute("PRAGMA temp_store = MEMORY")
                if self._query is not None:
                    # A view can only be of a single SELECT, and tells its columns' declared types.
                    made.execute(f"CREATE TEMP VIEW {quoted(QUERY)} AS {self._query}")
                made.execute("BEGIN")
                self._connection = made
            yield self._connection

    def _disconnect(self) -> None:
        # Unless there is a write-ahead log, whoever writes waits for the connection's end.
        self._close = self._connection = self.held = None

    def _chunks(
        self, columns: Sequence[Column], limit: int | None, of: str | None = None
    ) -> Iterator[list[Any]]:
        """The values of these columns, some rows at a time, each column's in a sequence."""
        names = ", ".join(quoted(column.name) for column in columns)
        upto = "" if limit is None else f" LIMIT {limit}"
        with self._connected() as connection:
            cursor = connection.execute(f"SELECT {names} FROM {of or self.relation}{upto}")
            while rows := cursor.fetchmany(CHUNK_ROWS):
                yield list(zip(*rows, strict=True))

    def frames(
        self,
        columns: Sequence[str],
        limit: int | None,
        of: str | None = None,
        numbers: Sequence[str] = (),
    ) -> Iterator[pl.DataFrame]:
        wanted = [column for column in self._columns if column.name in set(columns)]
        wanted += [Column(name, "REAL", {float}) for name in numbers]
        if not self._fixed:
            self._fix(self._chunks(self._columns, LOOK_ROWS))
        kinds = [column.kind for column in wanted]
        yield pl.DataFrame(schema={c.name: k for c, k in zip(wanted, kinds, strict=True)})
        row = 0
        for chunk in self._chunks(wanted, limit, of):
            for column, kind, values in zip(wanted, kinds, chunk, strict=True):
                before = replace(column, seen=set(column.seen))
                column.add(values)
                if column.kind != kind:
                    raise self._unfit(before, kind, values, row)
            # Of a list of series polars would name one that has an empty name itself.
            yield pl.DataFrame({c.name: c.series(v) for c, v in zip(wanted, chunk, strict=True)})
            row += len(chunk[0])

    def _fix(self, chunks: Iterator[list[Any]]) -> None:
        """Let these rows decide the kinds."""
        rows = 0
        for chunk in chunks:
            for column, values in zip(self._columns, chunk, strict=True):
                column.add(values)
            rows += len(chunk[0])
        self._fixed = True
        self.mixed = {column.name: column.note for column in self._columns if column.note}
        self.notes[:] = self.mixed.values()
        # Nothing said and nothing seen yet: only the rest of the rows can tell.
        if rows == LOOK_ROWS and any(column.kind == pl.Null for column in self._columns):
            self.widen()

    def _unfit(
        self, column: Column, kind: pl.DataType, values: Sequence[Any], row: int
    ) -> UnparsedError:
        """The first value that is not of the kind that the rows before it were."""

        def changed(at: int) -> bool:
            upto = replace(column, seen=set(column.seen))
            upto.add(values[: at + 1])
            return upto.kind != kind

        at = bisect_left(range(len(values)), True, key=changed)
        shown = values[at][:40] if isinstance(values[at], bytes | str) else values[at]
        where = f"{self._name}, column '{column.name}', row {row + at + 1}"
        return UnparsedError(f"{where}: {shown!r} is no {WORDS.get(kind, 'date')}", column.name)

    def _run(self, statement: str, parameters: Sequence[float] = ()) -> list[tuple[Any, ...]]:
        with (
            self._connected() as connection,
            limited(self.timeout, connection.interrupt, name=self._name),
        ):
            # Where a parameter stands behind a $ it is taken for a name: numbers want a ?.
            numbered = {str(at): value for at, value in enumerate(parameters, 1)}
            return connection.execute(statement, numbered).fetchall()

    def within(self, relation: str) -> Self:
        made = super().within(relation)
        made._columns = [replace(one, seen=set(one.seen)) for one in self._columns]
        return made

    def widen(self) -> bool:
        if self._widened:
            return False
        self._widened = True
        self.passes += 1
        self._fix(self._chunks(self._columns, None))
        return True

    @staticmethod
    def driver() -> tuple[Any, tuple[type[Exception], ...]]:
        return sqlite3, (sqlite3.Error,)

    @classmethod
    @contextmanager
    def _writing(cls, there: Address) -> Iterator[sqlite3.Cursor]:
        with (
            closing(sqlite3.connect(there.path or "", isolation_level=None)) as connection,
            closing(connection.cursor()) as cursor,  # else the journal may stay
        ):
            cursor.execute("BEGIN IMMEDIATE")
            yield cursor

    @classmethod
    def _insert(
        cls, cursor: sqlite3.Cursor, table: str, frame: pl.DataFrame, kinds: pl.Schema | None
    ) -> None:
        if kinds is not None:
            declared = (f"{quoted(name)} {_declared(kind)}" for name, kind in kinds.items())
            cursor.execute(f"CREATE TABLE {quoted(table)} ({', '.join(declared)})")
        values = frame.select(_stored(frame[column]) for column in frame.columns)
        places = ", ".join("?" * frame.width)
        cursor.executemany(f"INSERT INTO {quoted(table)} VALUES ({places})", values.iter_rows())


def _text_key(text: str | None) -> float | None:
    """The key of a row's fold by a text: SQLite has no MD5 of its own."""
    return None if text is None else float(text_keys([text])[0])


def _relations(connection: sqlite3.Connection) -> list[Relation]:
    rows = connection.execute(
        "SELECT name, type FROM main.sqlite_master WHERE type IN ('table', 'view') "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    return [Relation("main", name, kind == "view", visible=True) for name, kind in rows]


def _declared(kind: pl.DataType) -> str:
    if kind.is_integer():
        return "INTEGER"
    if kind.is_decimal():
        return "NUMERIC"
    if kind.is_float() or kind == pl.Duration:
        return "REAL"
    if kind == pl.Datetime:
        return "TIMESTAMP"
    named = {pl.Boolean: "BOOLEAN", pl.Date: "DATE", pl.Binary: "BLOB", pl.Null: ""}
    return named.get(kind.base_type(), "TEXT")


def _stored(series: pl.Series) -> pl.Series:
    """Values as SQLite keeps them: dates and times in ISO form, durations in seconds."""
    kind = series.dtype
    if isinstance(kind, pl.Datetime):
        zone = "Z" if kind.time_zone else ""
        if zone:
            series = series.dt.convert_time_zone("UTC")
        return series.dt.to_string(f"%Y-%m-%d %H:%M:%S%.6f{zone}")
    if kind == pl.Duration:
        return series.dt.total_microseconds() / 1_000_000
    if kind.is_decimal() or kind in (pl.Date, pl.Time):
        return series.cast(pl.String)
    return series
