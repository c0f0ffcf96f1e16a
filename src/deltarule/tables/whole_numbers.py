"""Columns of whole numbers: counts or class labels as targets, row numbers or ids as inputs."""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from deltarule.dataclass import dataclass
from deltarule.losses.special import gammaln, xlogy
from deltarule.tables.decimal_notes import several

# With more distinct values they are not class labels.
MOST_LABELS = 20
# Values are labels where a uniform distribution is e ** 5 times likelier than one of counts.
EVIDENCE = 5.0
# Counts begin at 0 or 1, or at this share of their mean, or else their variance is about the mean;
# beyond the largest they are amounts.
BEGIN, DISPERSION, MOST = 0.05, (0.7, 2.0), 1e6
# Placeholder names of unnamed columns: in pandas, in R, in Parquet files that pandas wrote.
NAMELESS = re.compile(r"|Unnamed: \d+|row_name_*|__index_level_\d+__")
# Names of id columns, and the least rows to detect ids by.
ID = re.compile(r"(?i:(.*(\b|_))?(id|ids|uid|uuid|key|code|nr|no|index|sku|ean|isbn))|.*[a-z]I[dD]")
ID_SHOWS, NEARLY_EVERY = 20, 0.95
YEARS = (1500, 2200)
LARGEST = 2.0**63


@dataclass(frozen=True)
class WholeNumbers:
    """The classification of a whole-number target by its first rows.

    `different` is the number of distinct values; they may be `counts`, and if few `labels`.
    """

    different: int
    counts: bool
    labels: bool


def whole_numbers(series: pl.Series) -> WholeNumbers | None:
    """Classify these numbers; None where some are not whole or below 0, or all are missing.

    Labels are about uniform; counts follow a Poisson or, if overdispersed, a geometric
    distribution of the same mean.
    """
    if not series.dtype.is_numeric():
        return None
    values = series.drop_nulls().cast(pl.Float64)
    if not len(values) or not ((values >= 0) & (values == values.floor())).all():
        return None
    found = values.alias("value").value_counts(name="rows").to_numpy().T
    value, times = found[0], found[1]
    n, different = float(times.sum()), len(value)
    mean = float(value @ times) / n
    few = labels = 2 < different <= MOST_LABELS
    if few:
        poisson = float(times @ (xlogy(value, mean) - mean - gammaln(value + 1)))
        geometric = float(n * (xlogy(mean, mean) - xlogy(1 + mean, 1 + mean)))
        even = -n * np.log(different)
        labels = bool(even > max(poisson, geometric) + EVIDENCE)
    begin = float(value.min()) <= max(1.0, BEGIN * mean)
    with np.errstate(over="ignore"):  # a spread beyond all numbers is no count's
        variance = float(times @ (value - mean) ** 2) / n
    begin |= DISPERSION[0] * mean <= variance <= DISPERSION[1] * mean
    counts = different > 2 and begin and float(value.max()) < MOST
    return WholeNumbers(different, counts=bool(counts and not labels), labels=few)


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
