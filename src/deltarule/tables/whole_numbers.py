"""Whole-number targets: detect whether the values are counts or class labels."""

import numpy as np
import polars as pl

from deltarule.dataclass import dataclass
from deltarule.losses.special import gammaln, xlogy

# With more distinct values they are not class labels.
MOST_LABELS = 20
# Values are labels where a uniform distribution is e ** 5 times likelier than one of counts.
EVIDENCE = 5.0
# Counts begin at 0 or 1, or at this share of their mean, or else their variance is about the mean;
# beyond the largest they are amounts.
BEGIN, DISPERSION, MOST = 0.05, (0.7, 2.0), 1e6


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
    poisson = float(times @ (xlogy(value, mean) - mean - gammaln(value + 1)))
    geometric = float(n * (xlogy(mean, mean) - xlogy(1 + mean, 1 + mean)))
    even = -n * np.log(different)
    few = 2 < different <= MOST_LABELS
    labels = few and even > max(poisson, geometric) + EVIDENCE
    begin = float(value.min()) <= max(1.0, BEGIN * mean)
    with np.errstate(over="ignore"):  # a spread beyond all numbers is no count's
        variance = float(times @ (value - mean) ** 2) / n
    begin |= DISPERSION[0] * mean <= variance <= DISPERSION[1] * mean
    counts = different > 2 and begin and float(value.max()) < MOST
    return WholeNumbers(different, counts=bool(counts and not labels), labels=few)
