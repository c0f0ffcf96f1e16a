"""Spark DataFrames: a source of their rows, and where each row stands in its file.

Rows of Parquet files have a number in their file. Those of other DataFrames have one in their
partition, which holds as long as Spark makes the same partitions.
"""

from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import unquote

import polars as pl

from deltarule.tables.parts_source import PartsSource
from deltarule.tables.source import LOOK_ROWS

FILE, INDEX = "(file)", "(row in file)"


def is_spark(table: Any) -> bool:
    """Whether this is a Spark DataFrame, classic or of Connect."""
    kind = type(table)
    return kind.__module__.partition(".")[0] == "pyspark" and hasattr(table, "mapInArrow")


def open_frame(table: Any) -> "SparkSource | None":
    """The source of a Spark DataFrame."""
    return SparkSource(table) if is_spark(table) else None


class SparkSource(PartsSource):
    """A Spark DataFrame: to look at it asks for its first rows, to read it collects all of them."""

    def __init__(self, table: Any) -> None:
        self.table = table
        super().__init__(self._collected, dialect="Spark DataFrame", rows=None)

    def _looked(self) -> pl.DataFrame:
        return pl.concat(frames_of(self.table.limit(LOOK_ROWS).toArrow()))

    def _collected(self, wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        names = [name for name in self.table.columns if wanted is None or name in wanted]
        yield from frames_of(self.table.select(*map(quoted, names)).toArrow())


def frames_of(table: Any) -> Iterator[pl.DataFrame]:
    """The rows of an Arrow table or batch; one frame at least."""
    import pyarrow as pa

    from deltarule.tables.frames import open_table

    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    source, _ = open_table(table)
    found = list(source.batches([pl.all()]))
    yield from found or [source.look()]


def quoted(name: str) -> str:
    """A column's name as Spark reads it, whatever stands in it."""
    return "`" + name.replace("`", "``") + "`"


def with_places(table: Any) -> Any | None:
    """The DataFrame with each row's file and number in it; None where it is of no Parquet files."""
    from pyspark.sql import functions

    files = table.inputFiles()
    if not files or not all(str(one).endswith(".parquet") for one in files):
        return None
    metadata = ("file_path", FILE), ("row_index", INDEX)
    own = [functions.col(f"_metadata.{field}").alias(name) for field, name in metadata]
    try:
        found = table.select("*", *own)
        if len(found.columns) == len(table.columns) + len(own):  # Connect finds out only now
            return found
    except Exception as error:
        # After a join or a sum, rows are in no file.
        if type(error).__name__ != "AnalysisException":
            raise
    return None


def file_order(address: str) -> list[str]:
    """What files are put in order by: the parts of their path, as a folder lists them."""
    return unquote(address).split("/")
