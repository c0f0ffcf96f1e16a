"""Parquet files that a dataframe of Dask or Spark is a plain read of.

Whoever has the files reads them with polars: on the way through pandas, or from Java through Arrow,
a row takes longer than its sums do. Only files of this machine's folders, with the frame's own
columns of the same kinds in each of them: anything else is left to the frame's own reader.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.tables.column_names import column
from deltarule.tables.polars_source import PROBLEMS, collected
from deltarule.tables.source import BATCH_ROWS, LOOK_ROWS, first_frames


@dataclass(frozen=True)
class ParquetFiles:
    """Files in the order of the frame's rows, and its columns."""

    paths: Sequence[str]
    columns: Sequence[str]

    @classmethod
    def of(cls, paths: Sequence[str], kinds: Mapping[str, pl.DataType]) -> "ParquetFiles | None":
        """The files of a frame of these columns; None where they do not hold these, as they are."""
        first: Mapping[str, pl.DataType] = {}
        try:
            for path in paths:
                own = pl.read_parquet_schema(path)
                first = first or own
                for name, kind in kinds.items():
                    if name not in own or own[name] != first[name] or not _alike(own[name], kind):
                        return None
        except (OSError, *PROBLEMS):
            return None  # the frame's own reader says what is wrong
        return cls(paths, list(kinds)) if paths and kinds else None

    def scans(self) -> list[pl.LazyFrame]:
        """A scan of each file."""
        columns = list(map(column, self.columns))
        return [
            pl.scan_parquet(path, glob=False, hive_partitioning=False).select(columns)
            for path in self.paths
        ]

    def look(self, name: str) -> pl.DataFrame:
        """The first rows of the table of this name."""
        heads = (collected(scan.head(LOOK_ROWS), name) for scan in self.scans())
        return pl.concat(first_frames(heads)).head(LOOK_ROWS)

    def frames(self, name: str, wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        """The rows of the table of this name, with these columns or all."""
        names = [one for one in self.columns if wanted is None or one in wanted]
        for scan in self.scans():
            chosen = scan.select(list(map(column, names)))
            rows = int(collected(scan.select(pl.len()), name).item())
            for start in range(0, max(rows, 1), BATCH_ROWS):
                yield collected(chosen.slice(start, BATCH_ROWS), name)


def parquet_of(source: Any) -> ParquetFiles | None:
    """The files that a source's frame is a plain read of; None for any other source."""
    found = getattr(source, "parquet", None)
    return found if isinstance(found, ParquetFiles) else None


def _alike(own: pl.DataType, kind: pl.DataType) -> bool:
    """Whether a file's values are those of the frame: pandas has fractions for numbers with gaps.

    Decimals, times with a zone and values of several parts differ from reader to reader.
    """
    if own.is_decimal() or kind.is_decimal():
        return False
    if own.is_numeric() and kind.is_numeric():
        return True
    if isinstance(own, pl.Datetime) and isinstance(kind, pl.Datetime):
        return own.time_zone is None and kind.time_zone is None
    return own == kind and own in (pl.Boolean, pl.String, pl.Date)
