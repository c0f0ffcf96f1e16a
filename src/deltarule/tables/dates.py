"""Parse dates and times from text, in a given order of day, month and year.

    2024-01-31   2024/1/31                      the year first: no doubt
    31.01.2024   01/31/2024   31-1-2024         the day or the month first: one order a table
    23-08-21     21.08.23     8/21/23           years of two digits are those from 1969 to 2068
    30-Oct-09    Oct 30, 2009                   the month by its English name
    ... 14:05    ...T14:05:30.25   ... 2:05 PM  a time of day; an offset (+01:00, Z) is left aside
                                                here: the hour is the hour as written

A year has four digits or two, never one or three: 30-2-9 is a code.

An instant is a cell of a type with a time zone, or text with an offset. Where a model learnt a
column in a zone, it is read as the clocks of that zone show it. Where the model knows none, or a
cell says none, its hours are as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal, get_args

from deltarule.deferred import polars as pl
from deltarule.errors import ValueRefusedError
from deltarule.tables.column_names import only, true_columns
from deltarule.tables.expressions.number_text import cells_of, coded, present

Order = Literal["ymd", "mdy", "dmy"]
ORDERS: tuple[Order, ...] = get_args(Order)
FIRST = {"ymd": "year first", "mdy": "month first", "dmy": "day first"}

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    "sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
ZONE = r"(?:Z|UTC|GMT|[-+]\d{2}(?::?\d{2})?)"
CLOCK = (
    r"(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?"
    rf"(?:\s*(?<half>[ap])\.?m\.?)?(?:\s*(?<zone>{ZONE}))?"
)
NUMERIC = r"(?<a>\d{1,4})(?<s>[-/.])(?<b>\d{1,2})(?<t>[-/.])(?<c>\d{1,4})"
COMPACT = r"(?<cy>(?:19|20|21)\d{2})(?<cm>\d{2})(?<cd>\d{2})"
DAY_MONTH = rf"(?<d1>\d{{1,2}})[-/.\s]?\s*(?<m1>{MONTH})[-/.,\s]*(?<y1>\d{{4}}|\d{{2}})"
MONTH_DAY = rf"(?<m2>{MONTH})\.?\s*(?<d2>\d{{1,2}})(?:\s*,\s*|\s+)(?<y2>\d{{4}})"
YEAR_MONTH = rf"(?<y3>\d{{4}})[-/.\s]?(?<m3>{MONTH})[-/.\s]?(?<d3>\d{{1,2}})"
PLAIN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
DATE = "|".join((NUMERIC, COMPACT, DAY_MONTH, MONTH_DAY, YEAR_MONTH))
MOMENT = rf"(?i)^(?:{DATE})(?:(?:\s*T\s*|\s+){CLOCK})?$"
TIME = rf"(?i)^{CLOCK}$"

ENDING = rf"(?i)\s*{ZONE}$"
OFFSET = re.compile(r"([-+])(\d\d):?(\d\d)")
# After a time of day alone: the end of 2024-01-31 is no offset.
OFFSET_IN_TEXT = rf"(?i):\d\d(?:[.,]\d{{1,9}})?(?:\s*[ap]\.?m\.?)?\s*({ZONE})\s*$"

# The common formats, tried on all rows at once; other cells are parsed by a regex.
# A million ISO dates take 0.04 s so, and 0.8 s by the regex.
DAY_FORMS = {
    "ymd": ("%Y-%m-%d", "%Y/%m/%d"),
    "mdy": ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y"),
    "dmy": ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y"),
}
CLOCK_FORMS = (
    "T%H:%M:%S",
    " %H:%M:%S",
    "T%H:%M:%S%.f",
    " %H:%M:%S%.f",
    "T%H:%M",
    " %H:%M",
    " %I:%M:%S %p",
    " %I:%M %p",
)
SAMPLE = 20
# A column is a candidate if one of so many first cells may be a date.
FIRST_CELLS = 50
LIKE_DATE = r"(?i)^\s*(?:\d{1,4}[-/.\s]?(?:\d|[a-z]{3})|[a-z]{3,9}\.?\s?\d)"
ISO_MOMENT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.(?:\d{3}|\d{6}))?)?"
EARLIEST = date(1000, 1, 1)


def with_dates(texts: pl.DataFrame, words: Sequence[str]) -> list[str]:
    """The columns of text whose first cells look like dates, and half of whose cells could be.

    To read them in each order takes far longer. All columns are looked at in one pass.
    """
    if not texts.width:
        return []
    # No word for missing looks like a date.
    first = pl.all().drop_nulls().head(FIRST_CELLS)
    alike = true_columns(texts.select(first.str.contains(LIKE_DATE).any()))
    some = pl.all().str.strip_chars().str.contains(MOMENT).any()
    alike = true_columns(only(texts, alike).select(some))
    cells = only(texts, alike).select(present(pl.all()))
    if words:
        cells = cells.select(pl.when(pl.all().is_in(list(words)).not_()).then(pl.all()))
    others = pl.all().str.contains(MOMENT).not_() & coded(pl.all()).not_()
    return true_columns(cells.select(others.sum() * 2 < pl.all().count()))


class Cells:
    """Text split into date parts once, to be parsed in any order of them."""

    def __init__(self, text: pl.Series) -> None:
        self.text = text
        self._plain = bool(text.str.contains(PLAIN).all())

    @cached_property
    def _parts(self) -> pl.DataFrame:
        parts = pl.col("x").str.extract_groups(MOMENT).alias("parts")
        return self.text.to_frame("x").select(parts).unnest("parts")

    def at(self, order: Order | None) -> pl.Series:
        """The date of each cell, null where it is none; order None allows only year first."""
        if self._plain:  # of 2,000 such cells in 0.2 ms, not 2
            plain = self.text.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
            return plain.alias("at")
        at = pl.concat_str([_day(order), pl.lit(" "), _clock("00:00:00")])
        moments = at.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
        return self._parts.select(moments.alias("at")).to_series()

    @property
    def timed(self) -> pl.Series:
        """Whether each has a time of day."""
        return self._none if self._plain else self._parts["hour"].is_not_null()

    @property
    def offset(self) -> pl.Series:
        """Whether each has an offset from UTC."""
        return self._none if self._plain else self._parts["zone"].is_not_null()

    @property
    def utc(self) -> pl.Series:
        """Whether each is written as of UTC, by a Z and no number, which may change over a year."""
        if self._plain:
            return self._none
        return self._parts["zone"].str.to_uppercase().is_in(["Z", "UTC"]).fill_null(value=False)

    @property
    def short(self) -> pl.Series:
        """Whether the year of each has two digits."""
        if self._plain:
            return self._none
        a, c, named = (self._parts[name].str.len_bytes().fill_null(0) for name in ("a", "c", "y1"))
        return ((a < 4) & (c == 2)) | (named == 2)

    @property
    def _none(self) -> pl.Series:
        return pl.Series([False]).new_from_index(0, len(self.text))

    def varies(self, part: str) -> int:
        """The number of distinct values of the first, second or third part: a, b, c."""
        return self._parts[part].drop_nulls().n_unique()


def _day(order: Order | None) -> pl.Expr:
    """The date of a cell's parts as ISO text; null where they are none in this order."""
    a, b, c = pl.col("a"), pl.col("b"), pl.col("c")
    long_a, long_b, long_c = (one.str.len_bytes() for one in (a, b, c))
    alike, dashed = pl.col("s") == pl.col("t"), pl.col("s") == "-"
    plain = alike & (long_a == 4) & (long_c <= 2)
    numeric = [pl.when(plain).then(_iso(a, b, c))]
    full = alike & (long_a <= 2) & (long_c == 4)
    # Codes have parts of any length; with a year of two digits day and month have two as well.
    even = (long_a == 2) & (long_b == 2) & (long_c == 2)
    if order == "ymd":
        numeric.append(pl.when(alike & even & (pl.col("s") != ".")).then(_iso(a, b, c)))
    elif order is not None:
        day, month = (a, b) if order == "dmy" else (b, a)
        short = alike & (long_a <= 2) & (long_c == 2) & (even | ~dashed)
        numeric.append(pl.when(full | short).then(_iso(c, month, day)))
    named = [
        _iso(pl.col(f"y{n}"), month_number(pl.col(f"m{n}")), pl.col(f"d{n}")) for n in (1, 2, 3)
    ]
    compact = _iso(pl.col("cy"), pl.col("cm"), pl.col("cd"))
    return pl.coalesce(*numeric, compact, *named)


def _iso(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    century = (
        pl.when(year.str.len_bytes() == 4)
        .then(pl.lit(""))
        .when(year.cast(pl.Int32, strict=False) < 69)
        .then(pl.lit("20"))
        .otherwise(pl.lit("19"))
    )
    return pl.concat_str([century, year, "-" + month.str.zfill(2), "-" + day.str.zfill(2)])


def month_number(name: pl.Expr) -> pl.Expr:
    """The number, as text, of a month by its name; null for what is none."""
    numbers = [str(number) for number in range(1, 13)]
    first = name.str.to_lowercase().str.head(3)
    return first.replace_strict(MONTHS, numbers, default=None, return_dtype=pl.String)


def _clock(otherwise: str | None = None) -> pl.Expr:
    """The time of day of a cell's parts as text; null for an hour invalid with AM or PM."""
    hour, half = pl.col("hour").cast(pl.Int32, strict=False), pl.col("half").str.to_lowercase()
    halved = hour % 12 + pl.when(half == "p").then(12).otherwise(0)
    hours = pl.when(half.is_null()).then(hour).when(hour.is_between(1, 12)).then(halved)
    second = pl.col("second").fill_null("00")
    fraction = pl.concat_str([pl.lit("."), pl.col("fraction").fill_null("0")])
    clock = [hours.cast(pl.String).str.zfill(2), ":" + pl.col("minute"), ":" + second, fraction]
    there = pl.col("hour").is_not_null()
    return pl.when(there).then(pl.concat_str(clock)).otherwise(pl.lit(otherwise))


def dates(text: pl.Series, order: Order | None, *, timed: bool) -> pl.Series:
    """Text parsed as dates, or as dates with times: null where it is none in this order."""
    kind: pl.Date | pl.Datetime = pl.Datetime("us") if timed else pl.Date()
    found = _plainly(text, order, kind)
    left = text.is_not_null() & found.is_null()
    if left.any():
        moment = pl.Datetime("us")
        cells = cells_of(text.filter(left))
        each = Cells(cells.drop_nulls().unique(maintain_order=True))
        at = cells.replace_strict(each.text, each.at(order), default=None, return_dtype=moment)
        days = at.cast(pl.Date)
        # A cell with a time of day is not a plain date.
        at = at if timed else days.set(days.cast(moment) != at, None)
        found = found.scatter(left.arg_true(), at)
    return found.alias(text.name)


def _plainly(text: pl.Series, order: Order | None, kind: pl.Date | pl.Datetime) -> pl.Series:
    """The cells parsed in the format of the first ones."""
    few = text.drop_nulls().head(SAMPLE)
    days = DAY_FORMS[order or "ymd"]
    if kind == pl.Date:
        forms = list(days)
    else:
        offsets = few.str.contains(ENDING).any()
        few, text = (one.str.replace(ENDING, "") if offsets else one for one in (few, text))
        forms = [day + clock for day in days for clock in CLOCK_FORMS]
    counts = {form: few.str.strptime(kind, form, strict=False).count() for form in forms}
    best = max(forms, key=lambda form: counts[form])
    if not counts[best]:
        return pl.Series([None], dtype=kind).new_from_index(0, len(text))
    # A cache of parsed texts costs more than it saves: a million ISO dates 0.05 s, not 0.02.
    found = text.str.strptime(kind, best, strict=False, cache=False)
    # A year of two or three digits is parsed as one of these.
    early = found.to_physical() < int(pl.Series([EARLIEST]).cast(kind).to_physical()[0])
    return found.set(early, None) if early.any() else found


def moments_of(words: Sequence[str]) -> list[int]:
    """Words that are dates, perhaps with a time, year first: their microseconds since 1970."""
    found = dates(pl.Series(words, dtype=pl.String), None, timed=True).drop_nulls()
    return [int(moment) for moment in found.cast(pl.Datetime("us")).cast(pl.Int64)]


def times(text: pl.Series) -> pl.Series:
    """Text parsed as times of day: null where it is none."""
    cells = cells_of(text).to_frame("x")
    parts = cells.select(pl.col("x").str.extract_groups(TIME).alias("parts"))
    clock = parts.unnest("parts").select(_clock()).to_series()
    return clock.str.to_time("%H:%M:%S%.f", strict=False).alias(text.name)


def clocks_of(words: Sequence[str]) -> list[int]:
    """Words that are times of day: their nanoseconds of the day."""
    found = times(pl.Series(words, dtype=pl.String)).drop_nulls()
    return [int(clock) for clock in found.cast(pl.Int64)]


def iso_date(text: str) -> date | None:
    """The date that a text such as 2020-01-31 is; None where it is none.

    >>> iso_date("2020-01-31"), iso_date("31/01/2020"), iso_date("2020-02-31")
    (datetime.date(2020, 1, 31), None, None)
    """
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


def iso_moment(text: str) -> date | None:
    """The date or datetime that a text such as 2020-01-31 or 2020-01-31 14:05 is; None for none.

    >>> iso_moment("2020-01-31T14:05"), iso_moment("2020-01-31"), iso_moment("2020-01-31 25:00")
    (datetime.datetime(2020, 1, 31, 14, 5), datetime.date(2020, 1, 31), None)
    """
    try:
        return datetime.fromisoformat(text) if re.fullmatch(ISO_MOMENT, text) else iso_date(text)
    except ValueError:
        return None


def microseconds_of(moment: datetime) -> int:
    """The microseconds of a moment since 1970, as its clock shows it."""
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def zone_of(kind: pl.DataType | None) -> str | None:
    """The time zone of a column's type; None for one without."""
    return kind.time_zone if isinstance(kind, pl.Datetime) else None


def ahead_of(zone: str) -> int | None:
    """The minutes by which a zone's clocks are ahead of UTC; None where that may change.

    >>> ahead_of("UTC"), ahead_of("-03:30"), ahead_of("Europe/Berlin")
    (0, -210, None)
    """
    if zone in ("UTC", "Etc/UTC", "Z"):
        return 0
    found = OFFSET.fullmatch(zone)
    if found is None:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def offsets(text: pl.Series) -> pl.Series:
    """How far the clock of each cell is ahead of UTC, null where it has no offset.

    >>> offsets(pl.Series(["2024-01-31T14:05-03:30", "14:05Z", "2024-01-31"])).to_list()
    [datetime.timedelta(days=-1, seconds=73800), datetime.timedelta(0), None]
    """
    shown = pl.col("x").str.extract(OFFSET_IN_TEXT, 1)
    hours = shown.str.extract(r"^[-+](\d\d)", 1).cast(pl.Int64).fill_null(0)
    minutes = shown.str.extract(r"^[-+]\d\d:?(\d\d)$", 1).cast(pl.Int64).fill_null(0)
    ahead = pl.duration(hours=hours, minutes=minutes)
    signed = pl.when(shown.str.starts_with("-")).then(-ahead).otherwise(ahead)
    found = text.to_frame("x").select(pl.when(shown.is_not_null()).then(signed).alias(text.name))
    return found.to_series()


def in_zone(instants: pl.Series, zone: str) -> pl.Series:
    """Instants as the clocks of a zone show them, without a zone.

    Errors:  ValueRefusedError for a zone that is unknown
    """
    utc = instants.cast(pl.Datetime("us"))  # of a type with a zone, what is stored: UTC
    ahead = ahead_of(zone)
    if ahead is not None:
        return utc.to_frame().select(pl.first() + pl.duration(minutes=ahead)).to_series()
    try:
        local = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        return local.dt.replace_time_zone(None)
    # What polars raises for a time zone that it does not know.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ValueRefusedError(
            f"column '{instants.name}' was learnt in the time zone {zone!r}, which is unknown "
            "here: convert it to that zone before predicting"
        ) from error


def written_in_zone(moments: pl.Series, text: pl.Series, zone: str) -> pl.Series:
    """Moments read from text as written, with those that have an offset on the zone's clocks.

    Errors:  ValueRefusedError for a zone that is unknown
    """
    ahead = offsets(text)
    if ahead.null_count() == len(ahead):
        return moments
    return in_zone(moments - ahead, zone).fill_null(moments).alias(moments.name)
