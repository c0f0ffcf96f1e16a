"""Columns as a database is asked for them, and the Arrow that it answers with as polars frames.

Kinds that Arrow or polars do not have are turned into others by the database itself, which knows
its own kinds best: exact decimals come as text and are rounded once, into the nearest float64.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from deltarule.tables.column_names import column
from deltarule.tables.databases.url import quoted
from deltarule.tables.date_years import BEYOND

LOST = "deltarule: a date was lost"
# The years that Python's calendar has. Beyond them, and at the infinite dates of databases, drivers
# wrap around to wrong dates and polars panics.
YEARS = {
    "date": ("0001-01-01", "9999-12-31"),
    "timestamp": ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"),
    "timestamptz": ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"),
}


@dataclass(frozen=True)
class Column:
    """A column: the SQL that asks for it, and the kind to make of the answer."""

    name: str
    sql: str
    cast: pl.DataType | None = None
    dated: bool = False

    @classmethod
    def of_number(cls, name: str, sql: str) -> "Column":
        """Numbers that come as text."""
        return cls(name, sql, pl.Float64())

    @classmethod
    def of_date(cls, name: str, kind: str) -> "Column":
        """Dates or times of a kind in `YEARS`; what is beyond them counts as missing."""
        low, high = YEARS[kind]
        column = quoted(name)
        inside = f"{column} BETWEEN {kind} '{low}' AND {kind} '{high}'"
        return cls(name, f"CASE WHEN {inside} THEN {column} END", dated=True)


def select(columns: Sequence[Column], relation: str, limit: int | None) -> str:
    """The SQL that asks for these columns, and whether a date of theirs was lost."""
    asked = [f"{column.sql} AS {quoted(column.name)}" for column in columns]
    lost = [f"({quoted(c.name)} IS NOT NULL AND {c.sql} IS NULL)" for c in columns if c.dated]
    if lost:
        asked.append(f"{' OR '.join(lost)} AS {quoted(LOST)}")
    upto = "" if limit is None else f" LIMIT {limit}"
    return f"SELECT {', '.join(asked)} FROM {relation}{upto}"


def frames(reader: Any, columns: Sequence[Column], notes: list[str]) -> Iterator[pl.DataFrame]:
    """The record batches of an Arrow reader as frames, an empty one first to show the kinds."""
    import pyarrow as pa

    casts: Mapping[str, pl.DataType] = {c.name: c.cast for c in columns if c.cast is not None}
    dated = any(column.dated for column in columns)

    def frame(table: Any) -> pl.DataFrame:
        made = pl.from_arrow(table)
        assert isinstance(made, pl.DataFrame)
        if dated and made.drop_in_place(LOST).any() and BEYOND not in notes:
            notes.append(BEYOND)
        made = made.with_columns(column(name).cast(kind) for name, kind in casts.items())
        floats = [column(name) for name, kind in casts.items() if kind == pl.Float64]
        return made.with_columns(one.fill_nan(None) for one in floats)

    yield frame(reader.schema.empty_table())
    for batch in reader:
        # A database that does not check text may send what is not UTF-8; polars trusts Arrow.
        batch.validate(full=True)
        yield frame(pa.Table.from_batches([batch]))
