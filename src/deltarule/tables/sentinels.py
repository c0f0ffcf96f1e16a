"""Sentinels: numbers and dates such as -9999 or 9999-12-31 that stand for a missing value.

One is a conventional code that repeats, is the least or the greatest of its column, and is far from
all other values: the only negative number, or further from the next value than the others spread.
"""

import re
from collections.abc import Iterable
from datetime import date

import polars as pl

from deltarule.tables.source import LOOK_ROWS

LEAST_TIMES, LEAST_OTHERS = 3, 2
# -1 is a value like others, unless it is the only negative one beside many.
MANY_OTHERS = 20
CODE = re.compile(r"-1|-9|-?(?:99+|99+\.9|9\.99|8888+|7777+)")
EPOCH = date(1970, 1, 1)
DATES = {
    (day - EPOCH).days: day.isoformat()
    for day in (
        *(date(year, 12, 31) for year in (1899, 2099, 2999, 9999)),
        *(date(year, 1, 1) for year in (1, 1000, 1753, 1899, 1900, 1970, 2099, 2100, 2999, 9999)),
        date(1899, 12, 30),
    )
}


def sentinel_notes(columns: Iterable[pl.Series]) -> list[str]:
    """A line for each of these columns whose least or greatest value is a sentinel."""
    return [note for values in columns if (note := _note(values))]


def _note(values: pl.Series) -> str | None:
    dated = values.dtype in (pl.Date, pl.Datetime)
    if not dated and not values.dtype.is_numeric():
        return None
    # Days as numbers: Python has no dates beyond the year 9999.
    present = values.cast(pl.Date).cast(pl.Int32) if dated else values
    present = (present.drop_nans() if present.dtype.is_float() else present).drop_nulls()
    for end, sign in ((present.min(), -1), (present.max(), 1)):
        if not isinstance(end, int | float):
            continue
        word = _word(end, sign, dated=dated)
        if word is None:
            continue
        others = present.filter(present != end)
        times = len(present) - len(others)
        if times < LEAST_TIMES or others.n_unique() < LEAST_OTHERS:
            continue
        low, high = others.min(), others.max()
        assert isinstance(low, int | float), "there are others"
        assert isinstance(high, int | float), "there are others"
        alone = not dated and sign < 0 <= low
        if word == "-1":
            far = alone and others.n_unique() >= MANY_OTHERS
        else:
            far = alone or max(low - end, end - high) > high - low
        if far:
            first = "the first " if len(values) == LOOK_ROWS else ""
            return (
                f"{values.name}: {word} in {times:,} of {first}{len(values):,} rows, far from all "
                f"other values ({_shown(low, dated=dated)} to {_shown(high, dated=dated)}): if it "
                f"stands for a missing value, say --missing-words {word}"
            )
    return None


def _word(end: float, sign: int, *, dated: bool) -> str | None:
    """How the least (-1) or greatest (1) value is written, if it is a code."""
    if dated:
        return DATES.get(int(end))
    if not 0 < end * sign < float("inf"):
        return None
    word = f"{end:.0f}" if end == round(end) else f"{end:.12g}"
    return word if CODE.fullmatch(word) else None


def _shown(value: float, *, dated: bool) -> str:
    if not dated:
        return f"{value:g}"
    return str(pl.Series([int(value)]).cast(pl.Date).dt.to_string("%Y-%m-%d")[0])
