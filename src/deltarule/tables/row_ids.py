"""Whole numbers that say which row is which: row numbers without a name, and ids."""

import re

import polars as pl

# What stands where a column has no name: in pandas, in R, in Parquet files that pandas wrote.
NAMELESS = re.compile(r"|Unnamed: \d+|row_name_*|__index_level_\d+__")
# Names of columns that say which row is which; and how many rows show that whole numbers do.
ID = re.compile(r"(?i:(.*(\b|_))?(id|ids|uid|uuid|key|code|nr|no|index|sku|ean|isbn))|.*[a-z]I[dD]")
ID_SHOWS, NEARLY_EVERY = 20, 0.95
YEARS = (1500, 2200)


def numbers_rows(series: pl.Series) -> bool:
    """Whether a column without a name says which row is which, in order or not."""
    if not NAMELESS.fullmatch(series.name) or not series.dtype.is_numeric() or series.null_count():
        return False
    if not (series == series.cast(pl.Int64, strict=False)).fill_null(value=False).all():
        return False
    # Parts put together begin anew.
    counting = int((series.diff().drop_nulls() == 1).sum())
    return series.n_unique() == len(series) or counting > 0.9 * len(series)


def is_id(series: pl.Series) -> bool:
    """Whether whole numbers that differ from row to row are in order, or are called an id."""
    values = series.drop_nulls()
    if len(values) < ID_SHOWS or values.n_unique() < NEARLY_EVERY * len(values):
        return False
    if not bool((values == values.cast(pl.Int64, strict=False)).fill_null(value=False).all()):
        return False
    if ID.fullmatch(series.name):
        return True
    ordered = max(int((values.diff() > 0).sum()), int((values.diff() < 0).sum()))
    in_years = values.is_between(*YEARS).all()
    return ordered >= NEARLY_EVERY * (len(values) - 1) and not in_years
