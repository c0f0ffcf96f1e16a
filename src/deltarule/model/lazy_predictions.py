"""Predictions of Dask dataframes: as lazy as these, made by the workers that have the rows."""

from typing import Any

import polars as pl

from deltarule.errors import LearningError
from deltarule.model.prediction_stream import Columns, Predictions
from deltarule.model.predictor import Predictor
from deltarule.model.record import Record
from deltarule.tables.column_names import check_there
from deltarule.tables.dask_frame import projected
from deltarule.tables.frames import open_table


def lazily_predicted(scorer: Predictor, table: Any, columns: Columns, where: str | None) -> Any:
    """The predictions of a Dask dataframe, with its partitions and index.

    Errors:  ColumnError for a column that is not there; LearningError with `where`, and for an
             interval that is not known
    """
    if where is not None:
        raise LearningError("where is not for a Dask dataframe: filter it, such as df[df.x > 0]")
    if columns.interval is not None:
        scorer.intervals(columns.interval)
    record = scorer.record
    names = [str(name) for name in table.columns]
    check_there(names, record.contract.needs, name="the table")
    needed = [name for name in names if name in record.contract.needs] or names[:1]
    frame = projected(table, needed)
    raw = record.model_dump_json()
    return frame.map_partitions(_of_partition, raw, columns, meta=_empty(scorer, frame, columns))


def _empty(scorer: Predictor, frame: Any, columns: Columns) -> Any:
    """Predictions of no rows: their columns and kinds."""
    return _made(scorer, frame._meta, columns)


def _of_partition(partition: Any, raw: str, columns: Columns) -> Any:
    """The predictions of some rows, by the model of this record."""
    return _made(Predictor(Record.model_validate_json(raw)), partition, columns)


def _made(scorer: Predictor, partition: Any, columns: Columns) -> Any:
    source, back = open_table(partition)
    found = pl.concat(Predictions(scorer, source, columns).alone())
    # Of one kind in every partition, though one may have no value.
    texts = dict.fromkeys(found.select(pl.col(pl.String)).columns, "string[pyarrow]")
    return back(found, None).astype(texts)
