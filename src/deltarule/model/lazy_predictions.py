"""Predictions of Dask and Spark dataframes: as lazy as these, made by the workers with the rows.

Dask's are a dataframe with the same index; rows of Spark have none, so theirs are columns beside
the rows' own.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import polars as pl

from deltarule.errors import LearningError
from deltarule.model.prediction_stream import Columns, Predictions
from deltarule.model.predictor import Predictor
from deltarule.model.record import Record
from deltarule.tables.column_names import check_there
from deltarule.tables.dask_frame import is_dask, projected
from deltarule.tables.frames import open_table
from deltarule.tables.spark_frame import is_spark


def is_lazy(table: Any) -> bool:
    """Whether this is a dataframe whose predictions are lazy too."""
    return is_dask(table) or is_spark(table)


def lazily_predicted(predictor: Predictor, table: Any, columns: Columns, where: str | None) -> Any:
    """The predictions of a Dask dataframe, with its partitions and index, or beside Spark's rows.

    Errors:  ColumnError for a column that is not there; LearningError with `where`, and for an
             interval that is not known
    """
    if where is not None:
        library = "Dask" if is_dask(table) else "Spark"
        raise LearningError(f"where is not for a {library} dataframe: filter that, and predict it")
    if columns.interval is not None:
        predictor.intervals(columns.interval)
    record = predictor.record
    names = [str(name) for name in table.columns]
    check_there(names, record.contract.needs, name="the table")
    if is_spark(table):
        return _beside(predictor, table, columns)
    needed = [name for name in names if name in record.contract.needs] or names[:1]
    frame = projected(table, needed)
    raw = record.model_dump_json()
    return frame.map_partitions(_of_partition, raw, columns, meta=_empty(predictor, frame, columns))


def _empty(predictor: Predictor, frame: Any, columns: Columns) -> Any:
    """Predictions of no rows: their columns and kinds."""
    return _made(predictor, frame._meta, columns)


def _of_partition(partition: Any, raw: str, columns: Columns) -> Any:
    """The predictions of some rows, by the model of this record."""
    return _made(Predictor(Record.model_validate_json(raw)), partition, columns)


def _made(predictor: Predictor, partition: Any, columns: Columns) -> Any:
    source, back = open_table(partition)
    found = pl.concat(Predictions(predictor, source, columns).alone())
    # Of one kind in every partition, though one may have no value.
    texts = dict.fromkeys(found.select(pl.col(pl.String)).columns, "string[pyarrow]")
    return back(found, None).astype(texts)


def _beside(predictor: Predictor, table: Any, columns: Columns) -> Any:
    """A Spark DataFrame with its predictions beside its rows."""
    from pyspark.sql.types import DoubleType, StringType, StructField, StructType

    source, _ = open_table(table.limit(0).toArrow())
    empty = pl.concat(Predictions(predictor, source, columns).beside_rows())
    fields = list(table.schema.fields)
    own = [
        StructField(name, one.dataType) for name, one in zip(empty.columns, fields, strict=False)
    ]
    made = [
        StructField(name, StringType() if empty[name].dtype == pl.String else DoubleType())
        for name in empty.columns[len(fields) :]
    ]
    work = partial(_of_batches, predictor.record.model_dump_json(), columns, tuple(empty.columns))
    return table.mapInArrow(work, StructType([*own, *made]))


def _of_batches(
    raw: str, columns: Columns, names: Iterable[str], batches: Iterable[Any]
) -> Iterator[Any]:
    """What a worker does with rows of Spark: their own columns as they are, then predictions."""
    import pyarrow as pa

    scorer = Predictor(Record.model_validate_json(raw))
    for batch in batches:
        if not batch.num_rows:
            continue
        source, _ = open_table(pa.Table.from_batches([batch]))
        found = pl.concat(Predictions(scorer, source, columns).alone())
        arrays = found.to_arrow(compat_level=pl.CompatLevel.oldest())
        made = [column.combine_chunks() for column in arrays.columns]
        made = [
            one.cast(pa.string()) if pa.types.is_large_string(one.type) else one for one in made
        ]
        yield pa.RecordBatch.from_arrays([*batch.columns, *made], list(names))
