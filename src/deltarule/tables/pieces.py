"""Pieces: a table cut into runs of consecutive rows, each of which another process can read.

A Parquet or Arrow file is cut at fixed numbers of rows, whatever machine reads it, so that the same
file always gives the same sums. A CSV file is one piece: where its lines begin only a read can say.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from deltarule.errors import LearningError
from deltarule.tables.column_names import column
from deltarule.tables.parquet_frame import parquet_of
from deltarule.tables.polars_source import PolarsSource, collected, explained
from deltarule.tables.source import BATCH_ROWS

if TYPE_CHECKING:
    from deltarule.tables.files.csv_source import CsvSource

# Rows of a piece, 84 MB of twenty numbers, and its most numbers: 256 MB of a wide table.
PIECE_ROWS, PIECE_CELLS = 4 * BATCH_ROWS, 32_000_000


class Piece(Protocol):
    """Consecutive rows of a table, in a form that can be pickled."""

    @property
    def rows(self) -> int | None:
        """How many there are, where that is known without reading them."""
        ...

    def frames(self, names: Sequence[str] | None) -> Iterator[pl.DataFrame]:
        """Its rows in order, with these columns or all."""
        ...

    def count(self) -> int:
        """How many rows there are."""
        ...


@dataclass(frozen=True)
class ScanPiece:
    """Rows of a scan of one file."""

    scan: pl.LazyFrame
    rows: int
    name: str

    def frames(self, names: Sequence[str] | None) -> Iterator[pl.DataFrame]:
        lazy = self.scan if names is None else self.scan.select([column(name) for name in names])
        yield collected(lazy, self.name)

    def count(self) -> int:
        return self.rows


@dataclass(frozen=True)
class TextPiece:
    """The rows of one CSV file, read block by block."""

    source: "CsvSource"
    rows: None = None

    def frames(self, names: Sequence[str] | None) -> Iterator[pl.DataFrame]:
        columns = [pl.all()] if names is None else [column(name) for name in names]
        yield from self.source.batches(columns)

    def count(self) -> int:
        # All columns are parsed: a line that is no row of the table is an error here as later.
        return sum(batch.height for batch in self.frames(None))


@dataclass(frozen=True)
class HeldPiece:
    """Rows in memory."""

    frame: pl.DataFrame

    @property
    def rows(self) -> int:
        return self.frame.height

    def frames(self, names: Sequence[str] | None) -> Iterator[pl.DataFrame]:
        yield self.frame if names is None else self.frame.select([column(name) for name in names])

    def count(self) -> int:
        return self.frame.height


def pieces_of(source: Any, *, engine: str) -> list[Piece]:
    """The pieces of a table, in order.

    Errors:  LearningError for a table that can only be read as a whole
    """
    from deltarule.tables.files.csv_source import CsvSource

    if isinstance(source, CsvSource):
        return [TextPiece(_bare(one)) for one in source.one_by_one()]
    if isinstance(source, PolarsSource):
        return list(_cut(source.scans(), source.name, indexed=source.indexed))
    if (parquet := parquet_of(source)) is not None:
        return list(_cut(parquet.scans(), source.name, indexed=True))
    if source.in_memory:
        return [
            HeldPiece(batch.slice(start, BATCH_ROWS))
            for batch in source.batches([pl.all()])
            for start in range(0, batch.height, BATCH_ROWS)
        ]
    raise LearningError(
        f"{engine} does not read {source.name} ({source.dialect}): give a file or a folder of "
        "Parquet, Arrow or CSV, or leave the engine out"
    )


def _bare(source: "CsvSource") -> "CsvSource":
    """The source without what it remembers of rows, and with no scan of its own."""
    bare = copy(source)
    bare.lazy, bare._look = pl.LazyFrame(), None
    return bare


def _cut(scans: Sequence[pl.LazyFrame], name: str, *, indexed: bool) -> Iterator[Piece]:
    with explained(name):
        counts = pl.collect_all([scan.select(pl.len()) for scan in scans])
        columns = len(scans[0].collect_schema()) if scans else 1
    most = max(min(PIECE_ROWS, PIECE_CELLS // max(columns, 1)), 256)
    for scan, count in zip(scans, counts, strict=True):
        rows = int(count.item())
        # Where a file has no index of its rows, one piece is read once, and many each to its end.
        height = most if indexed else max(rows, 1)
        for start in range(0, rows, height):
            some = min(height, rows - start)
            yield ScanPiece(scan if some == rows else scan.slice(start, some), some, name)
