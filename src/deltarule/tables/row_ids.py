"""Row ids: detect columns of whole numbers that are row numbers or ids."""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from deltarule.tables.decimal_notes import several

# Placeholder names of unnamed columns: in pandas, in R, in Parquet files that pandas wrote.
NAMELESS = re.compile(r"|Unnamed: \d+|row_name_*|__index_level_\d+__")
# Names of id columns, and the least rows to detect ids by.
ID = re.compile(r"(?i:(.*(\b|_))?(id|ids|uid|uuid|key|code|nr|no|index|sku|ean|isbn))|.*[a-z]I[dD]")
ID_SHOWS, NEARLY_EVERY = 20, 0.95
YEARS = (1500, 2200)
LARGEST = 2.0**63


def numbers_rows(series: pl.Series) -> bool:
    """Whether an unnamed column is a row number, in order or not."""
    if not NAMELESS.fullmatch(series.name) or series.null_count() or not _are_whole(series):
        return False
    # Concatenated parts restart the count.
    counting = int((series.diff().drop_nulls() == 1).sum())
    return series.n_unique() == len(series) or counting > 0.9 * len(series)


def is_id(series: pl.Series) -> bool:
    """Whether unique whole numbers are ids: in order, or named as an id."""
    # Most numbers show soon that they are not whole, which costs less than to count them.
    if not _are_whole(series.head(ID_SHOWS).drop_nulls()):
        return False
    values = series.drop_nulls()
    if len(values) < ID_SHOWS or values.n_unique() < NEARLY_EVERY * len(values):
        return False
    if not _are_whole(values):
        return False
    if ID.fullmatch(series.name):
        return True
    values = values.cast(pl.Float64)
    ordered = max(int((values.diff() > 0).sum()), int((values.diff() < 0).sum()))
    in_years = values.is_between(*YEARS).all()
    return ordered >= NEARLY_EVERY * (len(values) - 1) and not in_years


def id_notes(ids: Sequence[str]) -> list[str]:
    """A note that such columns are inputs."""
    if not ids:
        return []
    return [
        f"{several(ids)}: whole numbers that differ in nearly every row, used as "
        "amounts: leave out what only says which row is which"
    ]


def _are_whole(values: pl.Series) -> bool:
    if not values.dtype.is_numeric():
        return False
    if values.dtype.is_float() and not values.null_count():
        # As below, in a tenth of the time of few values.
        numbers = values.to_numpy()
        return bool(((np.abs(numbers) < LARGEST) & (numbers == np.floor(numbers))).all())
    return bool((values == values.cast(pl.Int64, strict=False)).fill_null(value=False).all())
