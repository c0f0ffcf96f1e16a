"""Rows that depend on their order: half-life weights and periods, found before the read."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from deltarule.tables.fold_columns import Times
from deltarule.tables.plan import Plan
from deltarule.tables.row_shares import HalfLife, check_ordered, rows_of
from deltarule.tables.source import Source


def take_order(source: Source, made: Plan) -> None:
    """Have the plan know the last row, for a half-life, and where periods begin, for times.

    Errors:  LearningError for a half-life of rows without an order
    """
    asked = made.asked
    made.shares = asked.shares
    if asked.half_life is not None:
        check_ordered(source, "half_life")
        made.shares = HalfLife(asked.half_life, rows_of(source, made.columns[:1]) - 1)
    if asked.time is not None:
        made.cuts = Times.of(_times(source, made)).cuts(asked.folds)


def order_notes(made: Plan) -> list[str]:
    """A note on rows that fade."""
    if made.asked.half_life is None:
        return []
    return [
        f"a row counts half after {made.asked.half_life:,g} more, the last one 1: so do rows in "
        "errors on held-out rows, and in standard errors"
    ]


def _times(source: Source, made: Plan) -> Iterator[pl.DataFrame]:
    """The times of rows, and what each counts for."""
    row = 0
    for batch in source.batches(made.times):
        if made.shares is not None:
            at, counts = batch.get_columns()
            shares = made.shares.of(np.arange(row, row + batch.height))
            batch = pl.DataFrame([at, counts * pl.Series(shares)])
        yield batch
        row += batch.height
