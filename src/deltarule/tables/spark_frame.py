"""Spark DataFrames: a source of their rows, and where each row stands in its file.

Rows of Parquet files have a number in their file. Those of other DataFrames have one in their
partition, which holds as long as Spark makes the same partitions. A plain read of Parquet files of
this machine has these read in its place.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl

from deltarule.tables.parquet_frame import ParquetFiles
from deltarule.tables.parts_source import PartsSource
from deltarule.tables.source import LOOK_ROWS

FILE, INDEX = "(file)", "(row in file)"
# Spark's types whose values are the same, whoever reads the file.
KINDS: Mapping[str, pl.DataType] = {
    "boolean": pl.Boolean(),
    "byte": pl.Int8(),
    "date": pl.Date(),
    "double": pl.Float64(),
    "float": pl.Float32(),
    "integer": pl.Int32(),
    "long": pl.Int64(),
    "short": pl.Int16(),
    "string": pl.String(),
    "timestamp_ntz": pl.Datetime("us"),
}


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
        kinds = {one.name: KINDS.get(one.dataType.typeName()) for one in table.schema}
        plain = {name: kind for name, kind in kinds.items() if kind is not None}
        files = _files(table) if len(plain) == len(table.columns) else []
        self.parquet = ParquetFiles.of(files, plain)
        super().__init__(self._collected, dialect="Spark DataFrame", rows=None)

    def _looked(self) -> pl.DataFrame:
        if self.parquet is not None:
            return self.parquet.look(self.name)
        return pl.concat(frames_of(self.table.limit(LOOK_ROWS).toArrow()))

    def _collected(self, wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        if self.parquet is not None:
            yield from self.parquet.frames(self.name, wanted)
            return
        names = [name for name in self.table.columns if wanted is None or name in wanted]
        yield from frames_of(self.table.select(*map(quoted, names)).toArrow())


def _files(table: Any) -> list[str]:
    """The Parquet files of this machine that a DataFrame is a plain read of, in order; else none.

    Of Connect the files are the server's. PySpark has no word for a plan: Java's own tell it.
    """
    if ".connect." in type(table).__module__:
        return []
    from py4j.protocol import Py4JError

    try:
        plan = table._jdf.queryExecution().analyzed()
        if plan.nodeName() == "Project" and _only_columns(plan.projectList()):
            plan = plan.child()
        read = plan.relation() if plan.nodeName() == "LogicalRelation" else plan
        held = table.storageLevel.useMemory or table.storageLevel.useDisk
        kind = read.fileFormat().getClass().getSimpleName()
        if held or kind != "ParquetFileFormat" or not read.partitionSchema().isEmpty():
            return []
        places = [urlsplit(str(one)) for one in table.inputFiles()]
    except (AttributeError, Py4JError):  # of another plan, or another version
        return []
    if not all(one.scheme == "file" and not one.netloc for one in places):
        return []
    return sorted((unquote(one.path) for one in places), key=file_order)


def _only_columns(chosen: Any) -> bool:
    """Whether a projection is of columns under their own names."""
    kinds = {chosen.apply(at).getClass().getSimpleName() for at in range(chosen.size())}
    return kinds == {"AttributeReference"}


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
