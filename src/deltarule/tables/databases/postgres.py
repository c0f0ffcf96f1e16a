"""PostgreSQL, through its Arrow driver: every read in a read-only transaction, of one snapshot."""

import json
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from math import ceil
from typing import Any

import polars as pl

from deltarule.errors import MissingExtraError
from deltarule.tables.databases.arrow import Column, frames, select
from deltarule.tables.databases.reader import DatabaseReader
from deltarule.tables.databases.url import Address, Relation, check_names, chosen, quoted

# What Arrow and polars have too; other kinds are asked for as text or numbers.
PLAIN = {"bool", "int2", "int4", "int8", "float4", "float8"}
PLAIN |= {"text", "varchar", "name", "bytea", "time"}
DATES = {"date", "timestamp", "timestamptz"}

# As Arrow has it, whatever the database's own encoding.
UTF8 = "SET LOCAL client_encoding = 'UTF8'"
# One snapshot for all of a read. The driver begins no transaction of its own in autocommit.
BEGIN = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Else a read of a large table may start where another one is: in the middle.
UNSHARED = "SET LOCAL synchronize_seqscans = off"
# Else the rows of a table come in the order in which several workers are done.
SERIAL = "SET LOCAL max_parallel_workers_per_gather = 0"
PARALLEL = "SET LOCAL max_parallel_workers_per_gather TO DEFAULT"
# Else a server with LLVM compiles hundreds of sums, in each of its processes, for longer than they
# then take to add up. Where there is no such setting, as in databases that only speak alike, this
# is nothing.
UNCOMPILED = "SELECT set_config(name, 'off', true) FROM pg_catalog.pg_settings WHERE name = 'jit'"
RELATIONS = """
    SELECT n.nspname::text, c.relname::text, c.relkind IN ('v', 'm'), pg_table_is_visible(c.oid)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp)'
    ORDER BY n.nspname, c.relname
"""
# The primary key, where it is one column of whole numbers.
KEY = """
    SELECT a.attname::text FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = '{relation}'::regclass AND i.indisprimary AND i.indnkeyatts = 1
    AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
"""
# Times of day and dates are those of UTC, as in frames.
UTC = "SET LOCAL TimeZone = 'UTC'"
# A row of nothing but NULLs has the columns' types too, and runs no query; domains are what they
# are domains of.
KINDS = """
    WITH RECURSIVE row AS (
        SELECT ARRAY[{types}]::oid[] AS types
        FROM (SELECT) AS one LEFT JOIN {relation} ON false
    ), base AS (
        SELECT u.at, u.type FROM row, unnest(types) WITH ORDINALITY AS u(type, at)
        UNION ALL
        SELECT base.at, t.typbasetype FROM base
        JOIN pg_catalog.pg_type AS t ON t.oid = base.type WHERE t.typtype = 'd'
    )
    SELECT t.typname::text FROM base
    JOIN pg_catalog.pg_type AS t ON t.oid = base.type WHERE t.typtype <> 'd' ORDER BY base.at
"""


def driver() -> tuple[Any, tuple[type[Exception], ...]]:
    """The driver and its errors. Errors: MissingExtraError."""
    try:
        import adbc_driver_manager
        import pyarrow as pa

        dbapi = import_module("adbc_driver_postgresql.dbapi")  # it comes without types
    except ImportError as error:
        raise MissingExtraError(
            f"reading PostgreSQL needs {error.name}: pip install 'deltarule[postgres]'"
        ) from error
    return dbapi, (adbc_driver_manager.Error, pa.ArrowException)


class PostgresReader(DatabaseReader):
    """Reads a table, view or query of a PostgreSQL database.

    Its number of rows is unknown: the server keeps no exact count, and counting reads them all.
    """

    _columns: list[Column]

    def __init__(self, there: Address, table: str | None, query: str | None) -> None:
        super().__init__(there, query)
        self._statements = [UNSHARED, UTF8]
        self._snapshot: str | None = None
        self._keeping: Any = None
        with self._connected() as cursor:
            if query is None:
                cursor.execute(RELATIONS)
                relations = [Relation(*row) for row in cursor.fetchall()]
                found = chosen(relations, table, there.name)
                self.where = f"{'view' if found.view else 'table'} {found.called}"
                relation = f"{quoted(found.schema)}.{quoted(found.name)}"
                query = f"SELECT * FROM {relation}"
                self.relation = f"{relation} AS q"
                if not found.view:
                    cursor.execute(KEY.format(relation=relation.replace("'", "''")))
                    self.key = next((name for (name,) in cursor.fetchall()), None)
                    self._statements.append(SERIAL)
                    self.unordered = False
            else:
                self.relation = f"({query}\n) AS q"
            self._name = f"{there.name}, {self.where}"
            # On its own it must be one statement: so it cannot end the brackets put around it.
            names = cursor.adbc_execute_schema(query).names
            check_names(names, self._name)
            types = ", ".join(f"pg_typeof(q.{quoted(name)})" for name in names)
            cursor.execute(KINDS.format(types=types, relation=self.relation))
            kinds = [kind for (kind,) in cursor.fetchall()]
        self._columns = [_column(*both) for both in zip(names, kinds, strict=True)]

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        dbapi, errors = driver()
        with (
            self._there.explained(*errors, name=self._name, release=self.release),
            dbapi.connect(self._there.url, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(BEGIN)
            if snapshot := self._exported(dbapi, errors):
                cursor.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            for statement in self._statements:
                cursor.execute(statement)
            yield cursor

    def _exported(self, dbapi: Any, errors: tuple[type[Exception], ...]) -> str:
        """The name of the snapshot of all reads; a transaction that stays open keeps it."""
        if self._snapshot is None:
            keeper = dbapi.connect(self._there.url, autocommit=True)
            self._close = weakref.finalize(self, keeper.close)
            self._keeping = keeper
            with keeper.cursor() as cursor:
                cursor.execute(BEGIN)
                cursor.execute(UTF8)
                cursor.execute(UTC)
                cursor.execute(UNCOMPILED)
                cursor.fetchall()
                try:
                    cursor.execute("SELECT pg_export_snapshot()")
                    [(self._snapshot,)] = cursor.fetchall()
                except errors:
                    self._snapshot = ""  # a server that exports none: each read has its own
        return self._snapshot

    def _disconnect(self) -> None:
        self._close = self._snapshot = self._keeping = None

    def frames(
        self,
        columns: Sequence[str],
        limit: int | None,
        of: str | None = None,
        numbers: Sequence[str] = (),
    ) -> Iterator[pl.DataFrame]:
        wanted = [column for column in self._columns if column.name in set(columns)]
        wanted += [Column(name, quoted(name)) for name in numbers]
        with self._connected() as cursor:
            if of is not None:
                cursor.execute(PARALLEL)  # its order is its own
                cursor.execute(UNCOMPILED)
                cursor.fetchall()
            cursor.execute(select(wanted, of or self.relation, limit))
            with cursor.fetch_record_batch() as reader:
                yield from frames(reader, wanted, self.notes)

    def _run(self, statement: str, parameters: Sequence[float] = ()) -> list[tuple[Any, ...]]:
        # By the connection that keeps the snapshot.
        dbapi, errors = driver()
        with self._there.explained(*errors, name=self._name, release=self.release):
            self._exported(dbapi, errors)
            with self._keeping.cursor() as cursor:
                if self.timeout is not None:
                    cursor.execute(f"SET LOCAL statement_timeout = {ceil(1000 * self.timeout)}")
                cursor.execute(statement, tuple(parameters) or None)
                found: list[tuple[Any, ...]] = cursor.fetchall()
                return found

    def expected(self) -> tuple[int, int] | None:
        """How many rows the server's planner expects, and how many processes it plans for sums."""
        with self._connected() as cursor:
            # The driver else asks by COPY, which takes a SELECT alone.
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cursor.execute(f"EXPLAIN (FORMAT JSON) SELECT * FROM {self.relation}")
            [(rows,)] = cursor.fetchall()
            cursor.execute(PARALLEL)
            cursor.execute(f"EXPLAIN (FORMAT JSON) SELECT count(*) FROM {self.relation}")
            [(sums,)] = cursor.fetchall()
        return int(json.loads(rows)[0]["Plan"]["Plan Rows"]), 1 + _workers(json.loads(sums)[0])

    def hold(self, query: str) -> str | None:
        """Nothing: a read-only transaction makes no tables, and the rows are the server's."""
        return None

    driver = staticmethod(driver)

    @classmethod
    @contextmanager
    def _writing(cls, there: Address) -> Iterator[Any]:
        dbapi, _ = driver()
        with (
            dbapi.connect(there.url, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            # What is not committed when the connection closes was never there.
            for statement in ("BEGIN", UTF8, UTC):
                cursor.execute(statement)
            yield cursor

    @classmethod
    def _insert(cls, cursor: Any, table: str, frame: pl.DataFrame, kinds: pl.Schema | None) -> None:
        schema, dot, bare = table.partition(".")
        cursor.adbc_ingest(
            bare if dot else table,
            frame.to_arrow(compat_level=pl.CompatLevel.oldest()),
            mode="append" if kinds is None else "create",
            **({"db_schema_name": schema} if dot else {}),
        )


def _workers(plan: Mapping[str, Any]) -> int:
    """The most workers that a step of a plan has."""
    steps = plan.get("Plans", [plan["Plan"]] if "Plan" in plan else [])
    return max([int(plan.get("Workers Planned", 0)), *map(_workers, steps)])


def _column(name: str, kind: str) -> Column:
    column = quoted(name)
    if kind in PLAIN:
        return Column(name, column)
    if kind in DATES:
        return Column.of_date(name, kind)
    if kind == "numeric":
        return Column.of_number(name, f"{column}::text")
    if kind == "money":
        return Column.of_number(name, f"{column}::numeric::text")
    if kind == "oid":
        return Column(name, f"{column}::bigint")
    if kind == "interval":
        # A month counts as 30 days, as everywhere in PostgreSQL; infinite ones as missing.
        seconds = f"extract(epoch FROM {column})"
        finite = f"CASE WHEN isfinite({column}) THEN {seconds} * 1000000 END"
        return Column(name, f"({finite})::bigint", pl.Duration("us"))
    return Column(name, f"{column}::text")
