"""Dask dataframes: a source that computes one partition after the other, and their tasks.

One that is a plain read of Parquet files has these read in its place.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import polars as pl

from deltarule.tables.column_names import column
from deltarule.tables.parquet_frame import ParquetFiles
from deltarule.tables.parts_source import NAME, PartsSource, unlike_kinds
from deltarule.tables.source import LOOK_ROWS, first_frames


def is_dask(table: Any) -> bool:
    """Whether this is a Dask dataframe."""
    kind = type(table)
    return kind.__module__.partition(".")[0] == "dask" and hasattr(table, "npartitions")


def open_frame(table: Any) -> "DaskSource | None":
    """The source of a Dask dataframe."""
    return DaskSource(table) if is_dask(table) else None


class DaskSource(PartsSource):
    """A Dask dataframe: one partition after the other, of the first no more than is looked at."""

    def __init__(self, table: Any) -> None:
        from deltarule.tables.frames import open_table

        self.table = table
        meta, _ = open_table(table._meta)  # refuses names that are no text, or stand twice
        self._none = meta.look()
        self.parquet = ParquetFiles.of(_files(table), self._none.schema)
        dialect = f"Dask dataframe of {table.npartitions:,} partitions"
        super().__init__(self._rows, dialect=dialect, rows=None)
        self.notes += meta.notes

    def _looked(self) -> pl.DataFrame:
        if self.parquet is not None:
            return self.parquet.look(self.name)
        seen = first_frames(self._rows(None, LOOK_ROWS))
        return _concatenated(seen).head(LOOK_ROWS) if seen else self._none

    def _rows(
        self, wanted: Collection[str] | None, most: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """Its rows with these columns or all; of each partition no more than so many."""
        if self.parquet is not None:
            yield from self.parquet.frames(self.name, wanted)
            return
        names = [str(name) for name in self.table.columns if wanted is None or name in wanted]
        frame = projected(self.table, names)
        for at in range(frame.npartitions):
            part = frame.partitions[at]
            if most is not None:
                part = part.map_partitions(type(part._meta).head, most, meta=part._meta)
            yield from frames_of(part.compute())


def _concatenated(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows of several partitions: where one has a gap, pandas has fractions for whole numbers.

    Errors:  ReadError for a column of other kinds in them
    """
    chosen: list[pl.Expr] = []
    for name in parts[0].columns:
        kinds = list(dict.fromkeys(part.schema[name] for part in parts))
        numbers = len(kinds) > 1 and all(kind.is_numeric() for kind in kinds)
        if len(kinds) > 1 and not numbers:
            raise unlike_kinds(NAME, name, kinds)
        chosen.append(column(name).cast(pl.Float64) if numbers else column(name))
    return pl.concat([part.select(chosen) for part in parts])


def _files(table: Any) -> list[str]:
    """The Parquet files of this machine that a dataframe is a plain read of, in order; else none.

    Dask has no public word for it: where it is kept otherwise than here, none are found.
    """
    read = table.simplify().expr
    try:
        if type(read).__name__ == "Projection":  # its columns in another order
            read = read.frame
        told = read._dataset_info
        plain = read.operand("filters") is None and read.operand("_partitions") is None
        if type(told["fs"]).__name__ != "LocalFileSystem" or not plain:
            return []
        pieces = [part["piece"] for part in read._plan["parts"]]
        # Some row groups of a file after the others are the whole file; keys are of its folder.
        if any(keys for _, _, keys in pieces):
            return []
        return list(dict.fromkeys(str(path) for path, _, _ in pieces))
    except (AttributeError, KeyError, TypeError, ValueError):
        return []


def frames_of(partition: Any) -> Iterator[pl.DataFrame]:
    """The rows of a partition, a frame of pandas."""
    from deltarule.tables.frames import open_table

    yield from open_table(partition)[0].batches([pl.all()])


def projected(table: Any, columns: Sequence[str]) -> Any:
    """The dataframe with these columns."""
    return table if list(table.columns) == list(columns) else table[list(columns)]


def layout(table: Any) -> tuple[dict[Any, Any], list[Any]]:
    """The tasks that compute a dataframe's partitions, and their keys, in order.

    As Dask optimizes them, but that none are fused: those that read few columns of Parquet would
    be, so that which rows are in which part would depend on the columns.
    """
    lowered = table.simplify().expr.lower_completely()
    return dict(lowered.__dask_graph__()), list(lowered.__dask_keys__())
