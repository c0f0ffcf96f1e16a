"""DuckDB files, through its own package: read-only, streaming Arrow."""

import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import polars as pl

from deltarule.errors import MissingExtraError, ReadError
from deltarule.tables.databases.arrow import Column, frames, select
from deltarule.tables.databases.reader import DatabaseReader, limited
from deltarule.tables.databases.url import (
    Address,
    Relation,
    check_file,
    check_names,
    chosen,
    quoted,
)

# Rows of a record batch: enough to be quick, few enough to be small.
RECORD_ROWS = 16_384

SETTINGS = (
    # A table that is not there must not be looked for among the variables of the program.
    "SET python_enable_replacements = false",
    # Else times are those of wherever this runs.
    "SET TimeZone = 'UTC'",
    # It would print to standard output.
    "SET enable_progress_bar = false",
)

WHOLE = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "")}
PLAIN = {*WHOLE, "INTEGER", "UINTEGER", "BOOLEAN", "FLOAT", "DOUBLE", "VARCHAR", "BLOB", "TIME"}
PLAIN |= {'"NULL"', "NULL"}
LARGE = {"HUGEINT", "UHUGEINT", "BIGNUM", "VARINT"}
DATES = {"DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz"}
RELATIONS = """
    SELECT table_schema, table_name, table_type = 'VIEW', table_schema = current_schema()
    FROM information_schema.tables WHERE table_catalog = current_database()
    ORDER BY table_schema, table_name
"""


# The columns of a primary key of one column.
KEY = """
    SELECT constraint_column_names FROM duckdb_constraints()
    WHERE constraint_type = 'PRIMARY KEY' AND schema_name = ? AND table_name = ?
    AND database_name = current_database() AND len(constraint_column_names) = 1
"""


def _driver() -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        import duckdb
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(
            f"reading DuckDB needs {error.name}: pip install 'deltarule[duckdb]'"
        ) from error
    return duckdb, (duckdb.Error, pa.ArrowException)


class DuckdbReader(DatabaseReader):
    """Reads a table, view or query of a DuckDB file."""

    _columns: list[Column]

    def __init__(self, there: Address, table: str | None, query: str | None) -> None:
        check_file(there)
        super().__init__(there, query)
        self._file: Any = None
        self._asking: Any = None
        with self._connected() as connection:
            if query is None:
                relations = [Relation(*row) for row in connection.execute(RELATIONS).fetchall()]
                found = chosen(relations, table, there.name)
                self.where = f"{'view' if found.view else 'table'} {found.called}"
                self.relation = f"{quoted(found.schema)}.{quoted(found.name)}"
                self.unordered = found.view
                query = f"SELECT * FROM {self.relation}"
            else:
                self.relation = f"({query}\n) AS q"
                # DuckDB would run all statements of a text, one after the other.
                if len(connection.extract_statements(query)) != 1:
                    raise ReadError("the query has more than one statement: give a single SELECT")
            self._name = f"{there.name}, {self.where}"
            asked = connection.sql(query)
            check_names(asked.columns, self._name)
            kinds = [str(kind) for kind in asked.types]
            self._columns = [_column(*both) for both in zip(asked.columns, kinds, strict=True)]
            if self.where.startswith("table"):
                keys = connection.execute(KEY, [found.schema, found.name]).fetchall()
                whole = {
                    one.name
                    for one, kind in zip(self._columns, kinds, strict=True)
                    if kind in {*WHOLE, "INTEGER", "UINTEGER"}
                }
                self.key = keys[0][0][0] if keys and set(keys[0][0]) <= whole else None
            if table is not None or self.where.startswith("table"):
                [(self.rows,)] = connection.sql(f"SELECT count(*) FROM {self.relation}").fetchall()

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        duckdb, errors = _driver()
        with self._there.explained(*errors, name=self._name, release=self.release):
            if self._file is None:
                # While it is open for reading nobody writes to it.
                self._file = duckdb.connect(str(self._there.path), read_only=True)
                self._close = weakref.finalize(self, self._file.close)
            with closing(self._file.cursor()) as connection:
                for setting in SETTINGS:
                    connection.execute(setting)
                yield connection

    def _disconnect(self) -> None:
        self._close = self._file = self._asking = self.held = None

    def frames(
        self,
        columns: Sequence[str],
        limit: int | None,
        of: str | None = None,
        numbers: Sequence[str] = (),
    ) -> Iterator[pl.DataFrame]:
        wanted = [column for column in self._columns if column.name in set(columns)]
        wanted += [Column(name, quoted(name)) for name in numbers]
        with self._connected() as connection:
            found = connection.sql(select(wanted, of or self.relation, limit))
            # Its name in later versions, and in earlier ones.
            reader = getattr(found, "to_arrow_reader", None) or found.fetch_arrow_reader
            yield from frames(reader(RECORD_ROWS), wanted, self.notes)

    def _run(self, statement: str, parameters: Sequence[float] = ()) -> list[tuple[Any, ...]]:
        with self._asked() as cursor:
            found: list[tuple[Any, ...]] = cursor.execute(statement, list(parameters)).fetchall()
            return found

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        """The one cursor of all queries of ours, which sees the rows that are held."""
        _, errors = _driver()
        with self._there.explained(*errors, name=self._name, release=self.release):
            if self._asking is None:
                with self._connected():
                    self._asking = self._file.cursor()
                for setting in SETTINGS:
                    self._asking.execute(setting)
            with limited(self.timeout, self._asking.interrupt, name=self._name):
                yield self._asking

    driver = staticmethod(_driver)

    @classmethod
    @contextmanager
    def _writing(cls, there: Address) -> Iterator[Any]:
        duckdb, _ = _driver()
        with closing(duckdb.connect(str(there.path))) as connection:
            for setting in (*SETTINGS, "BEGIN"):
                connection.execute(setting)
            yield connection

    @classmethod
    def _insert(cls, cursor: Any, table: str, frame: pl.DataFrame, kinds: pl.Schema | None) -> None:
        schema, dot, bare = table.partition(".")
        place = f"{quoted(schema)}.{quoted(bare)}" if dot else quoted(table)
        do = f"INSERT INTO {place}" if kinds is None else f"CREATE TABLE {place} AS"
        cursor.register("deltarule frame", frame.to_arrow())
        cursor.execute(f'{do} SELECT * FROM "deltarule frame"')


def _column(name: str, kind: str) -> Column:
    column = quoted(name)
    if kind in PLAIN:
        return Column(name, column)
    if kind in DATES:
        return Column.of_date(name, DATES[kind])
    if kind.startswith("TIMESTAMP_"):
        moment = f"{column}::timestamp"
        return Column(name, f"CASE WHEN isfinite({column}) THEN {moment} END", dated=True)
    if kind.startswith("DECIMAL") or kind in LARGE:
        return Column.of_number(name, f"{column}::varchar")
    if kind == "TIME_NS":
        return Column(name, f"{column}::time")
    if kind == "INTERVAL":
        return Column(name, f"epoch_us({column})", pl.Duration("us"))
    return Column(name, f"{column}::varchar")
