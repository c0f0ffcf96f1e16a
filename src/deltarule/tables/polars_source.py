"""Polars source: frames in memory or scanned, read in streaming batches."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from functools import cached_property
from typing import Literal

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.errors import EmptyError, ReadError
from deltarule.tables.column_names import column
from deltarule.tables.date_years import dated, scan_within_years, within_years
from deltarule.tables.source import (
    BATCH_CELLS,
    BATCH_ROWS,
    LOOK_ROWS,
    Source,
    columns_read,
)

# Else a zone without a name, such as +05:30 in a file of another program's, ends in a panic.
os.environ.setdefault("POLARS_IGNORE_TIMEZONE_PARSE_ERROR", "1")

# polars names the value and column that it could not parse only in its message.
UNPARSED = (
    re.compile(
        r"could not parse `(?P<value>.*)` as dtype `(?!str`).*` at column '(?P<column>.*)' "
    ),
    re.compile(
        r"""conversion from .* in column '(?P<column>.*)' for .*: \["?(?P<value>.*?)"?[,\]]"""
    ),
)


# What polars raises; it may also panic, which is not an Exception.
PROBLEMS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


class UnparsedError(ReadError):
    """A value did not fit the inferred type of its column."""

    def __init__(self, message: str, column: str | None = None, value: str | None = None) -> None:
        super().__init__(message)
        self.column, self.value = column, value


@dataclass(frozen=True)
class Partitions:
    """Hive partition columns, from folder names such as year=2020, for each file scanned."""

    values: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """For each column, the value of each path."""

    @property
    def path_column(self) -> str | None:
        """The column for the path in the scan, if it is needed."""
        return "\0path" if self.values else None

    def hiding(self, names: Collection[str]) -> list[str]:
        """Notes where columns of the files have names of partition columns."""
        return [
            f"'{name}' stands in the names of folders and in the files: that of the folders is used"
            for name in self.values
            if name in names
        ]

    def moved(self, paths: Mapping[str, str]) -> "Partitions":
        """The partitions where files are scanned from other paths, such as downloads."""
        return Partitions(
            {
                name: {paths[path]: value for path, value in each.items()}
                for name, each in self.values.items()
            }
        )

    def only(self, path: str) -> "Partitions":
        """The partition of one file."""
        return Partitions({name: {path: each[path]} for name, each in self.values.items()})

    def placed(self, lazy: pl.LazyFrame) -> pl.LazyFrame:
        """The scan with the partition columns in place of the path column."""
        if not self.values:
            return lazy
        path = pl.col("\0path")
        columns = [
            path.replace_strict(pl.Series(list(each)), pl.Series(list(each.values()))).alias(name)
            for name, each in self.values.items()
        ]
        return lazy.with_columns(columns).drop("\0path")


# A file of more numbers, 1 GB of them, is read in slabs, as polars decodes ahead of a slower
# consumer without bound. A smaller one is faster without: 5M x 21 take 0.87 s, not 1.04. Of a wide
# table a batch ahead takes as much as many of another.
AT_ONCE_CELLS, WIDE_AT_ONCE_CELLS = 128_000_000, 16_000_000
# A slab has at most so many batches, and so many numbers. One of a wide table, 104 MB, ends where a
# row group does, or is a part of one: polars decodes each page of a column, of often 131,072
# numbers, anew for each slab that has rows of it, so that none has fewer than a quarter of those.
SLAB_ROWS = BATCH_ROWS // 4
SLAB_BATCHES, SLAB_CELLS, WIDE_SLAB_CELLS = 3, 20_000_000, 13_000_000
# It is decoded some columns at a time, as what polars needs beside the result is as large as that:
# 131,072 rows of 201 columns took 463 MB at once and 236 MB so, and no longer.
COLUMNS_CELLS = 2_000_000
# Row groups are looked for in so many rows of one column.
GROUP_ROWS = 1 << 20


class PolarsSource(Source):
    """A lazy polars frame: a file that is scanned, or a frame in memory."""

    rows: int | None = None
    reads: int = 0

    def __init__(
        self,
        lazy: pl.LazyFrame,
        *,
        name: str,
        rows: int | None,
        dialect: str = "a dataframe",
        kept: object = None,
        slabs: bool = False,
        repeatable: bool = True,
        scans: "Callable[[], list[pl.LazyFrame]] | None" = None,
    ) -> None:
        self.repeatable = repeatable
        self._scans = scans
        self.lazy = lazy
        self.name = name
        self.rows = rows
        self.dialect = dialect
        # Temporary files are deleted with their owner, which is kept as long as the source is.
        self._kept = kept
        self._slabs = slabs
        # The first rows, and the scan that they are of: `look` is called several times.
        self._look: tuple[pl.LazyFrame, pl.DataFrame] | None = None
        self._is_fresh = False

    @property
    def indexed(self) -> bool:
        """Whether rows in the middle are found without reading those before them."""
        return self._slabs

    def scans(self) -> list[pl.LazyFrame]:
        """A scan of each file, in order."""
        scans = [self.lazy] if self._scans is None else self._scans()
        return [scan_within_years(scan, self.look().schema) for scan in scans]

    def look(self) -> pl.DataFrame:
        if self._look is None or self._look[0] is not self.lazy:
            self._look = self.lazy, within_years(self._first_rows(), self.notes)
            self._is_fresh = True
        return self._look[1]

    def _whole(self) -> pl.DataFrame | None:
        """All rows, where the first rows are all and nothing was read since: once, as files grow.

        Parsing the 3,201 films again took a twelfth of learning from them.
        """
        fresh, self._is_fresh = self._is_fresh, False
        if not fresh or self._look is None or self._look[0] is not self.lazy:
            return None
        return self._look[1] if 0 < self._look[1].height < LOOK_ROWS else None

    def _first_rows(self) -> pl.DataFrame:
        with explained(self.name):
            names = self.lazy.collect_schema().names() if self._slabs else []
        if wide(len(names)):
            return self._slab(list(map(column, names)), 0, LOOK_ROWS)
        return collected(self.lazy.head(LOOK_ROWS), self.name)

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        self.reads += 1
        schema = self.look().schema
        names = columns_read(columns, list(schema))
        if not dated(schema, names):
            yield from self._batches(columns)
            return
        for batch in self._batches(list(map(column, names))):
            yield within_years(batch, self.notes).select(columns)
            del batch  # there is room for one slab, not for two

    def _batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        """All rows once, with dates as they stand."""
        most = WIDE_AT_ONCE_CELLS if wide(len(columns)) else AT_ONCE_CELLS
        if self._slabs and (self.rows or 0) * len(columns) > most:
            yield from self._slab_by_slab(columns, self.rows or 0)
            return
        with explained(self.name):
            if (whole := self._whole()) is not None:
                yield whole.select(columns)
                return
            yield from self.lazy.select(columns).collect_batches(chunk_size=BATCH_ROWS)

    def whole_batches(
        self, columns: Sequence[pl.Expr], *, cells: bool = False
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        # Consumers of whole rows are slower than decoding, so polars would run ahead.
        if self._slabs:
            self.reads += 1
            every = list(map(column, self.look().columns))
            batches = self._slab_by_slab(every, self.rows or 0, most=1)
        else:
            batches = self.batches([pl.all()])
        for rows in batches:
            rows = within_years(rows, self.notes)
            yield rows, rows.select(columns)
            del rows

    def _slab_by_slab(
        self, columns: Sequence[pl.Expr], rows: int, *, most: int = SLAB_BATCHES
    ) -> Iterator[pl.DataFrame]:
        """The batches of one slab of rows after the other, which bounds the memory."""
        if wide(len(columns)):
            # A later read may be one of many passes: twice as many numbers, so that 125,000 rows
            # of 201 columns are decoded once. Logistic loss on two such took 17 CPU s, not 12.
            cells = WIDE_SLAB_CELLS * min(self.reads, 2)
            for start, height in self._wide_slabs(cells // len(columns), rows):
                yield self._slab(columns, start, height)
            return
        batches = SLAB_CELLS // max(1, len(columns)) // BATCH_ROWS
        height = min(max(batches, 1), most) * BATCH_ROWS
        for start in range(0, rows, height):
            slab = self._slab(columns, start, height)
            for at in range(0, slab.height, BATCH_ROWS):
                yield slab.slice(at, BATCH_ROWS)

    def _wide_slabs(self, most: int, rows: int) -> Iterator[tuple[int, int]]:
        """The first row and the height of each slab: whole row groups, or even parts of one."""
        group = self._row_group or BATCH_ROWS
        if group <= most:
            group *= most // group
        height = -(-group // max(1, -(-group // most)))
        height = max(height, min(group, SLAB_ROWS))
        for start in range(0, rows, group):
            end = min(start + group, rows)
            yield from ((at, min(height, end - at)) for at in range(start, end, height))

    @cached_property
    def _row_group(self) -> int | None:
        """The rows of the file's first row group, which most have; None where that is not seen."""
        kinds = self.look().schema
        for name, kind in kinds.items():
            if kind.is_numeric():
                some = self.lazy.select(column(name)).head(GROUP_ROWS)
                pieces = collected(some, self.name)[name].chunk_lengths()
                return pieces[0] if len(pieces) > 1 or pieces[0] < GROUP_ROWS else None
        return None

    def _slab(self, columns: Sequence[pl.Expr], start: int, height: int) -> pl.DataFrame:
        """Some rows."""
        lazy = self.lazy.slice(start, height)
        # An expression that reads no column has as many rows as those beside it.
        if not wide(len(columns)) or not all(one.meta.root_names() for one in columns):
            return collected(lazy.select(columns), self.name)
        some = max(1, COLUMNS_CELLS // max(height, BATCH_ROWS // 2))
        parts = [
            collected(lazy.select(columns[at : at + some]), self.name, engine="in-memory")
            for at in range(0, len(columns), some)
        ]
        return pl.concat(parts, how="horizontal")


def wide(columns: int) -> bool:
    """Whether a batch of so many columns takes much memory."""
    return BATCH_ROWS * columns > 2 * BATCH_CELLS


def collected(
    lazy: pl.LazyFrame, name: str, *, engine: Literal["streaming", "in-memory"] = "streaming"
) -> pl.DataFrame:
    """Collect a lazy frame, with errors in one line.

    Errors:  ReadError, EmptyError
    """
    with explained(name):
        return lazy.collect(engine=engine)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """A context that translates the errors of polars on a table of this name.

    Errors:  ReadError, EmptyError, UnparsedError
    """
    try:
        yield
    except PROBLEMS as error:
        raise said(error, name) from error


def said(error: BaseException, name: str) -> ReadError | EmptyError:
    """The error in one line: what, where and what to do."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, pl.exceptions.NoDataError):
        return EmptyError(f"{name} is empty")
    for pattern in UNPARSED:
        if found := pattern.search(first):
            column, value = found["column"], found["value"]
            message = f"{name}, column '{column}': '{value}' is not a number"
            return UnparsedError(message, column, value)
    if "utf" in first.lower():
        return ReadError(f"{name} is not UTF-8 text: save it as UTF-8 and try again")
    return ReadError(f"{name} cannot be read: {first}")
