"""Text formats: parsers of text columns as numbers, dates, times and booleans.

A format parses each cell, and is stored in the model, for prediction. A column has a format where
nearly all of its cells parse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from deltarule.deferred import polars as pl
from deltarule.tables.dates import FIRST, Order, dates, offsets, times, written_in_zone
from deltarule.tables.expressions import number_text as spelling
from deltarule.tables.expressions.expression import quoted
from deltarule.tables.expressions.number_text import NO, YES, cells_of, is_code
from deltarule.tables.part import Part
from deltarule.tables.periods import EXAMPLES, Period, first_days

Mark = Literal[".", ","]
MARKS: tuple[Mark, Mark] = (".", ",")
# A comma or point that can only be a decimal mark: no three digits follow, or 0 precedes it.
DECIMAL = {
    mark: rf"[0-9]\{mark}(?:[0-9]{{1,2}}|[0-9]{{4,}})(?:[^0-9{other}]|$)|^[-+]?0\{mark}[0-9]"
    for mark, other in ((",", "."), (".", ","))
}
# What every cell that shows a decimal mark has: to look for it takes half the time.
MARKED = "[0-9][.,][0-9]"
THOUSANDS = {mark: rf"^[-+]?[1-9][0-9]{{0,2}}(?:\{mark}[0-9]{{3}})+$" for mark in ".,"}


class NumberFormat(Part):
    """Numbers as text: their decimal mark, and their common unit ($, EUR, %) or suffix (kg)."""

    kind: Literal["number"] = "number"
    decimal: Mark = "."
    unit: str = ""
    suffix: Annotated[str, Field(max_length=20)] = ""
    leading_zeros: bool = False
    """Whether 01 is a number too, as in a column that was learnt as numbers from another source."""

    def read(self, text: pl.Series) -> pl.Series:
        """The value of each cell, null for an odd one."""
        if self.suffix:
            bare = spelling.without_suffix(text, self.suffix)
            text = bare.set((bare == text) & text.is_not_null(), None)
        return spelling.numbers_of_unit(text, self.decimal, self.unit, codes=self.leading_zeros)

    def read_later(self, text: pl.Series) -> pl.Series:
        """The same at prediction, where other sources may leave the unit out."""
        values = self.read(text)
        bare = NumberFormat(decimal=self.decimal, leading_zeros=self.leading_zeros)
        if not (self.unit or self.suffix):
            return values
        return values.zip_with(values.is_not_null(), bare.read(text))

    @property
    def noun(self) -> str:
        """The noun for a cell, in notes."""
        return "number"

    def expression(self, name: str) -> str:
        """The expression that parses a column in this format."""
        mark = "" if self.decimal == "." else f", '{self.decimal}'"
        return f"number({quoted(name)}{mark})"


class DateFormat(Part):
    """Dates, or dates with times, in this order; None where no cell depends on it."""

    kind: Literal["date", "datetime"]
    order: Order | None = None
    zone: Annotated[str | None, Field(max_length=100)] = None
    """The time zone of the column that was learnt: its type's, or UTC of text such as 14:05Z.

    Hours are those of its clocks, and instants of another zone or offset are converted to it.
    """

    @property
    def noun(self) -> str:
        """The noun for a cell, in notes."""
        first = "" if self.order in (None, "ymd") else f", {FIRST[self.order]}"
        return f"date{first}"

    def read(self, text: pl.Series) -> pl.Series:
        """The cells parsed as dates, null where they are none."""
        timed = self.kind == "datetime"
        found = dates(text, self.order, timed=timed)
        return written_in_zone(found, text, self.zone) if timed and self.zone else found

    def not_utc(self, text: pl.Series, values: pl.Series) -> list[str]:
        """Cells that show that not all of a column is written as of UTC, if it was taken to be.

        One with an offset and one without, where these cells have both.
        """
        if self.zone is None:
            return []
        left = text.filter(values.is_not_null() & text.str.ends_with("Z").not_())
        left = left.filter(left.str.contains(r"(?i)(?:Z|UTC)\s*$").not_())
        none = offsets(left).is_null()
        return [*left.filter(none).head(1), *left.filter(~none).head(1)]

    def read_later(self, text: pl.Series) -> pl.Series:
        """The same at prediction, where a date with a time of day counts as its day.

        How a cell is read does not depend on the cells beside it.
        """
        values = self.read(text)
        if self.kind == "datetime":
            return values
        left = text.filter(text.is_not_null() & values.is_null())
        if left.is_empty():
            return values
        timed = dates(left, self.order, timed=True).cast(pl.Date)
        return values.scatter((text.is_not_null() & values.is_null()).arg_true(), timed)


class PeriodFormat(Part):
    """Months, quarters or weeks, as the date of their first day; a date may stand there too."""

    kind: Literal["period"] = "period"
    every: Period

    @property
    def noun(self) -> str:
        """The noun for a cell, in notes."""
        return f"{self.every} such as {EXAMPLES[self.every]}"

    def read(self, text: pl.Series) -> pl.Series:
        """The cells parsed as dates, null where they are none."""
        cells = cells_of(text)
        found = first_days(cells, self.every)
        left = (cells.is_not_null() & found.is_null()).arg_true()
        if left.is_empty():
            return found
        return found.scatter(left, DateFormat(kind="date").read_later(cells.gather(left)))


class TimeFormat(Part):
    """Times of day."""

    kind: Literal["time"] = "time"

    @property
    def noun(self) -> str:
        """The noun for a cell, in notes."""
        return "time of day"

    def read(self, text: pl.Series) -> pl.Series:
        """The cells parsed as times, null where they are none."""
        return times(text)


class BooleanFormat(Part):
    """Booleans, in any of their words."""

    kind: Literal["boolean"] = "boolean"

    @property
    def noun(self) -> str:
        """The noun for a cell, in notes."""
        return "yes or no"

    def read(self, text: pl.Series) -> pl.Series:
        """The cells parsed as booleans, null where they are none."""
        return meant(text)


class FlagFormat(Part):
    """Booleans as numbers, 1 and 0, in digits or in words."""

    kind: Literal["flag"] = "flag"

    @property
    def noun(self) -> str:
        """The noun for a cell, in notes."""
        return "number"

    def read(self, text: pl.Series) -> pl.Series:
        """The cells parsed as booleans, null where they are none."""
        numbers = text.cast(pl.Float64, strict=False)
        finite = numbers.set(numbers.is_finite().not_(), None)
        return finite.fill_null(meant(text).cast(pl.Float64))


Format = NumberFormat | FlagFormat | DateFormat | PeriodFormat | TimeFormat | BooleanFormat
Formats = Mapping[str, Format]


# At most one cell in so many may be odd, or one alone among so few.
ODD_ONE_IN, FEWEST = 20, 10


def few(odd: int, cells: int) -> bool:
    """Whether so few cells are odd that the column keeps its type."""
    return odd * ODD_ONE_IN <= cells or (odd == 1 and cells >= FEWEST)


def written(values: pl.Series) -> pl.Series:
    """Values as text: whole numbers without a point, whatever their type."""
    if values.dtype.is_float():
        whole = values.set((values != values.floor()) | values.is_infinite(), None)
        values = whole.cast(pl.Int64, strict=False)
    return values.cast(pl.String)


def meant(text: pl.Series) -> pl.Series:
    """Text parsed as booleans in any of their words, null where it is neither."""
    words = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
    lower = cells_of(text).str.to_lowercase()
    return lower.replace_strict(words, default=None, return_dtype=pl.Boolean).alias(text.name)


def format_of(kind: pl.DataType) -> Format | None:
    """The format to parse text as this type; None for types that need none."""
    if kind == pl.Boolean:
        return BooleanFormat()
    if kind == pl.Time:
        return TimeFormat()
    if kind in (pl.Date, pl.Datetime):
        zone = kind.time_zone if isinstance(kind, pl.Datetime) else None
        return DateFormat(kind="date" if kind == pl.Date else "datetime", zone=zone)
    return None


def number_format(
    text: pl.Series, suggested: str | None = None
) -> tuple[NumberFormat | None, pl.Series]:
    """The number format of nearly all of these cells, or None, and the odd cells.

    All numbers have one unit. The suggested decimal mark is taken where nearly all cells fit it;
    else the one that most fit, or the point.
    """
    cells = text.drop_nulls()
    cells = cells.filter(is_code(cells).not_())
    likeliest, least = None, cells
    for mark in reversed(MARKS) if suggested == "," else MARKS:
        good = cells.str.contains(spelling.PATTERNS[mark])
        if not good.any():
            continue
        unit = units_of(cells.filter(good))
        odd = cells.filter(good.not_() | (spelling.units(cells) != unit))
        if mark == suggested and few(len(odd), len(cells)):
            return NumberFormat(decimal=mark, unit=unit), odd
        if likeliest is None or len(odd) < len(least):
            likeliest, least = NumberFormat(decimal=mark, unit=unit), odd
    return (likeliest if few(len(least), len(cells)) else None), least


def units_of(numbers: pl.Series) -> str:
    """The most frequent unit of these numbers."""
    counts = spelling.units(numbers).alias("unit").value_counts()
    return str(counts.sort(["count", "unit"], descending=[True, False])["unit"][0])


def decimal_evidence(text: pl.Series, *, loose: bool = False) -> Mark | None:
    """The decimal mark of a column of numbers, where its cells determine it.

    Where commas do not separate cells, as in files with semicolons, `loose` takes any one comma.
    """
    for mark in reversed(MARKS):
        shape = DECIMAL[mark] + (r"|^[-+]?[0-9]+,[0-9]+$" if loose and mark == "," else "")
        if text.str.contains(shape).any():
            cells = text.drop_nulls()
            odd = cells.filter(cells.str.contains(spelling.PATTERNS[mark]).not_())
            if few(len(odd), len(cells)):
                return mark
    return None
