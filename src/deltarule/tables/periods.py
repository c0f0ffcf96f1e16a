"""Months, quarters and weeks in text, as the date of their first day.

    2021-03   2021/03     a month; so are 03/2021, 3-2021, Mar 2021, March 2021, 2021-Mar
    2021Q1    2021-Q1     a quarter
    2021-W05  2021W05     a week of ISO 8601, which begins on Monday

A column has one kind of period. Years are those from 1500 to 2299: other numbers are codes. Of
Mar-21 nobody knows whether 21 is a day or a year.
"""

from __future__ import annotations

from typing import Literal, get_args

from deltarule.deferred import polars as pl
from deltarule.tables.dates import MONTH, month_number

Period = Literal["month", "quarter", "week"]
PERIODS: tuple[Period, ...] = get_args(Period)
EXAMPLES = {"month": "2021-03", "quarter": "2021Q1", "week": "2021-W05"}

YEAR = r"(?:1[5-9]|2[0-2])\d{2}"
# Groups ?y and ?n: the year and the number of the month, the quarter or the week. A month has four
# forms: by its number (m) or its name (t), and each with the year last (l, u).
PATTERN = (
    rf"(?i)^(?:(?<my>{YEAR})[-/](?<mn>0[1-9]|1[0-2])|(?<ln>0?[1-9]|1[0-2])[-/](?<ly>{YEAR})"
    rf"|(?<ty>{YEAR})[-/.\s]?(?<tn>{MONTH})|(?<un>{MONTH})[-/.,\s]*(?<uy>{YEAR})"
    rf"|(?<qy>{YEAR})[-\s]?Q(?<qn>[1-4])|(?<wy>{YEAR})-?W(?<wn>0[1-9]|[1-4]\d|5[0-3]))$"
)
FORMS = {"month": "mltu", "quarter": "q", "week": "w"}


def first_days(text: pl.Series, every: Period) -> pl.Series:
    """The date that each period begins on; null for what is no period of this kind."""
    parts = text.to_frame("x").select(pl.col("x").str.extract_groups(PATTERN).alias("parts"))
    forms = FORMS[every]
    year = pl.coalesce(pl.col(f"{form}y") for form in forms).cast(pl.Int32, strict=False)
    written = [pl.col(f"{form}n") for form in forms]
    number = pl.coalesce(*map(month_number, written[2:]), *written[:2]).cast(pl.Int32, strict=False)
    month = {"month": number, "quarter": 3 * number - 2, "week": pl.lit(1)}[every]
    first = pl.date(year, month, 4 if every == "week" else 1)
    if every == "week":
        # The first week has January 4; a week 53 that a year lacks is the next year's first.
        monday = first.dt.truncate("1w") + pl.duration(weeks=number - 1)
        first = pl.when(monday.dt.iso_year() == year).then(monday)
    found = pl.when(year.is_not_null()).then(first)
    return parts.unnest("parts").select(found.alias(text.name)).to_series()


def period_of(cells: pl.Series) -> tuple[Period, int] | None:
    """The kind of period of most cells, and how many are odd; None where there is none.

    Seasons, 2009-10 and 2010-11, are no months.
    """
    distinct = cells.unique()
    seasons = distinct.str.extract_groups(r"^\d{2}(?<a>\d{2})[-/](?<b>\d{2})$").struct.unnest()
    a, b = (seasons[part].cast(pl.Int32, strict=False) for part in "ab")
    if len(distinct) > 1 and ((a + 1) % 100 == b).fill_null(value=False).all():
        return None
    odd = {every: int(first_days(cells, every).null_count()) for every in PERIODS}
    best = min(PERIODS, key=lambda every: odd[every])
    return (best, odd[best]) if odd[best] < len(cells) else None
