"""Dates beyond the years 1 to 9999, such as the infinite ones of databases: missing, and told.

Python's calendar has these years alone. Beyond them polars panics, or counts days that no row has.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from deltarule.tables.column_names import column

BEYOND = "dates that are infinite or outside the years 1 to 9999 count as missing"
# Days since 1970-01-01: 0001-01-01 and 10000-01-01.
FIRST, END = -719_162, 2_932_897
# Nanoseconds in 64 bits are within these years.
PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000}


def dated(schema: Mapping[str, pl.DataType], names: Iterable[str]) -> list[str]:
    """Those of these columns that may hold dates beyond the calendar's years."""
    return [name for name in names if _per_day(schema.get(name))]


def _per_day(kind: pl.DataType | None) -> int:
    """How many units a day has in a column of dates; 0 in any other."""
    if isinstance(kind, pl.Datetime):
        return PER_DAY.get(kind.time_unit, 0)
    return int(kind == pl.Date)


def _within(name: str, kind: pl.DataType) -> pl.Expr:
    """A column of dates, null where they are beyond the calendar's years."""
    units = column(name).to_physical()
    size = _per_day(kind)
    return pl.when((units >= FIRST * size) & (units < END * size)).then(column(name))


def scan_within_years(lazy: pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """A scan whose dates beyond the calendar's years are null."""
    names = dated(schema, schema)
    return lazy.with_columns(_within(name, schema[name]) for name in names) if names else lazy


def within_years(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Rows whose dates beyond the calendar's years are null, which is noted."""
    names = dated(frame.schema, frame.columns)
    if not names:
        return frame
    made = frame.with_columns(_within(name, frame.schema[name]) for name in names)
    if all(made[name].null_count() == frame[name].null_count() for name in names):
        return frame
    if BEYOND not in notes:
        notes.append(BEYOND)
    return made
