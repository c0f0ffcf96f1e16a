"""DuckDB files, through its own package: read-only, streaming Arrow."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from copy import copy
from typing import Any, Self

import polars as pl

from deltarule.errors import MissingExtraError, OutputError, ReadError
from deltarule.tables.databases.arrow import Column, frames, select
from deltarule.tables.databases.timeout import limited
from deltarule.tables.databases.url import (
    ORDERED,
    Address,
    Relation,
    check_file,
    check_names,
    chosen,
    create_statements,
    is_there,
    quoted,
    written,
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


class DuckdbReader:
    """Reads a table, view or query of a DuckDB file."""

    def __init__(self, there: Address, table: str | None, query: str | None) -> None:
        check_file(there)
        self._there, self._name = there, there.name
        self.notes: list[str] = []
        self.mixed: dict[str, str] = {}
        self.rows: int | None = None
        self.passes = 0
        self.unordered = ORDERED.search(query or "") is None
        self.where = "query"
        self.key: str | None = None
        self.held: str | None = None
        self.timeout: float | None = None
        self._held = 0
        self._file: Any = None
        self._asking: Any = None
        self._closing: weakref.finalize[..., DuckdbReader] | None = None
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

    @property
    def columns(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self._columns]

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        duckdb, errors = _driver()
        with self._there.explained(*errors, name=self._name, release=self.release):
            if self._file is None:
                # While it is open for reading nobody writes to it.
                self._file = duckdb.connect(str(self._there.path), read_only=True)
                self._closing = weakref.finalize(self, self._file.close)
            with closing(self._file.cursor()) as connection:
                for setting in SETTINGS:
                    connection.execute(setting)
                yield connection

    def release(self) -> None:
        if self._closing is not None:
            self._closing()
        self._closing = self._file = self._asking = self.held = None

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

    @property
    def cells(self) -> Mapping[str, str]:
        """The SQL of each column's cell."""
        return {column.name: column.sql for column in self._columns}

    def ask(self, query: str, parameters: Sequence[float] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query of ours."""
        with self._asked() as cursor:
            found: list[tuple[Any, ...]] = cursor.execute(query, list(parameters)).fetchall()
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

    def within(self, relation: str) -> Self:
        """A reader of some of its rows."""
        made = copy(self)
        made.relation, made.rows, made.notes = relation, None, [*self.notes]
        made._closing = made._file = made._asking = made.held = None
        return made

    def expected(self) -> tuple[int, int] | None:
        """Nothing: the file is read by this process whoever adds the rows up."""
        return None

    def hold(self, query: str) -> str | None:
        """Hold a query's rows in the memory of this process."""
        with self._asked() as cursor:
            if self.held is not None:
                cursor.execute(f"DROP TABLE {self.held}")
            self.held = None
            self._held += 1
            name = f"deltarule_rows_{self._held}"
            cursor.execute(f"CREATE TEMP TABLE {name} AS {query}")
            self.held = name
        return name

    def widen(self) -> bool:
        return False


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


def _driver() -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        import duckdb
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(
            f"reading DuckDB needs {error.name}: pip install 'deltarule[duckdb]'"
        ) from error
    return duckdb, (duckdb.Error, pa.ArrowException)


def write(there: Address, table: str, first: pl.DataFrame, rest: Iterator[pl.DataFrame]) -> int:
    """Write these frames to a new table."""
    assert there.path is not None
    duckdb, errors = _driver()
    fresh = not is_there(there.path)
    name = f"{there.name}, table {table}"
    schema, dot, bare = table.partition(".")
    place = f"{quoted(schema)}.{quoted(bare)}" if dot else quoted(table)
    rows, done = 0, False
    try:
        with (
            there.explained(*errors, name=name, doing="cannot be written", error=OutputError),
            closing(duckdb.connect(str(there.path))) as connection,
        ):
            for setting in SETTINGS:
                connection.execute(setting)
            connection.execute("BEGIN")
            do = f"CREATE TABLE {place} AS"
            for frame in written(first, rest, name=name):
                connection.register("deltarule frame", frame.to_arrow())
                connection.execute(f'{do} SELECT * FROM "deltarule frame"')
                do = f"INSERT INTO {place}"
                rows += frame.height
            connection.execute("COMMIT")
            done = True
    finally:
        if fresh and not done:
            with suppress(OSError):
                there.path.unlink()
    return rows


def create(there: Address, name: str, query: str, view: bool) -> int:
    """Make a table or view of a query's rows."""
    check_file(there)
    duckdb, errors = _driver()
    made, counted = create_statements(name, query, view=view)
    with (
        there.explained(
            *errors, name=f"{there.name}, {name}", doing="cannot be made", error=OutputError
        ),
        closing(duckdb.connect(str(there.path))) as connection,
    ):
        for setting in SETTINGS:
            connection.execute(setting)
        connection.execute("BEGIN")
        connection.execute(made)
        [(rows,)] = connection.execute(counted).fetchall()
        connection.execute("COMMIT")
    return int(rows)
