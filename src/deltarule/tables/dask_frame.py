"""Dask dataframes: a source that computes one partition after the other, and their tasks."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import polars as pl

from deltarule.tables.parts_source import PartsSource


def is_dask(table: Any) -> bool:
    """Whether this is a Dask dataframe."""
    kind = type(table)
    return kind.__module__.partition(".")[0] == "dask" and hasattr(table, "npartitions")


def open_frame(table: Any) -> PartsSource | None:
    """The source of a Dask dataframe, never more than a partition of it in memory."""
    from deltarule.tables.frames import open_table

    if not is_dask(table):
        return None

    def parts(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        names = [str(name) for name in table.columns if wanted is None or name in wanted]
        frame = projected(table, names)
        for at in range(frame.npartitions):
            yield from frames_of(frame.partitions[at].compute())

    meta, _ = open_table(table._meta)  # refuses names that are no text, or stand twice
    source = PartsSource(
        parts, dialect=f"Dask dataframe of {table.npartitions:,} partitions", rows=None
    )
    source.notes += meta.notes
    return source


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
