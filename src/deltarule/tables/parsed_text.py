"""Parsed text: columns of text read as numbers, dates or yes and no, and what was odd in them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import ClassVar

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.tables.column_names import column
from deltarule.tables.date_columns import fitting, is_converted
from deltarule.tables.dates import Order, clocks_of, in_zone, moments_of
from deltarule.tables.expressions.number_text import cells_of, is_code
from deltarule.tables.source import ROW, Source
from deltarule.tables.text_formats import (
    BooleanFormat,
    DateFormat,
    Format,
    Formats,
    NumberFormat,
    written,
)

TEXT = (pl.String, pl.Categorical, pl.Enum)
# Most values of odd cells in a note; most characters of a value.
VALUES_SHOWN, LETTERS_SHOWN = 4, 40

Notice = Callable[[pl.Series, pl.Series], None]
"""Gets the cells of a column as text, and what they mean."""


@dataclass(frozen=True)
class Parsing:
    """How columns are parsed: in which formats, and which words stand for missing."""

    formats: Formats
    words: Sequence[str] = ()
    learning: bool = True

    def is_formatted(self, name: str, kind: pl.DataType | None) -> bool:
        """Whether a column of this kind is parsed."""
        if name not in self.formats or kind is None:
            return False
        dated = isinstance(self.formats[name], DateFormat | BooleanFormat)
        return kind in TEXT or (dated and kind.is_numeric())

    def of(self, frame: pl.DataFrame, notice: Notice | None = None) -> pl.DataFrame:
        """The frame with its columns parsed, odd cells as missing; `notice` gets each one's."""
        made = []
        for series in frame:
            form = self.formats.get(series.name)
            if isinstance(form, DateFormat) and form.zone and is_converted(form, series.dtype):
                made.append(without_words(in_zone(series, form.zone), self.words))
            elif self.is_formatted(series.name, series.dtype):
                text = self.text(series)
                values = self.values(text)
                if notice is not None:
                    notice(text, values)
                made.append(without_words(values, self.words).alias(series.name))
            elif self.words and series.name != ROW:
                made.append(without_words(series, self.words))
        return frame.with_columns(made)

    @property
    def reads(self) -> Sequence[pl.Expr]:
        """No more columns than are parsed."""
        return ()

    def prepared(self, frame: pl.DataFrame, row: int) -> pl.DataFrame:
        """The frame with its columns parsed, as a question about it needs them."""
        return self.of(frame)

    def text(self, series: pl.Series) -> pl.Series:
        """The cells of a column as text, without the words for missing."""
        text = written(series)
        plain = isinstance(self.formats[series.name], DateFormat) and not self.words
        return text if plain else cells_of(text, self.words)

    def values(self, text: pl.Series) -> pl.Series:
        """What cells of a column mean, null where they are odd."""
        form: Format = self.formats[text.name]
        if isinstance(form, NumberFormat | DateFormat) and not self.learning:
            return form.read_later(text)
        return form.read(text)


def without_words(series: pl.Series, words: Sequence[str]) -> pl.Series:
    """A column with null for the words for missing; numbers and dates are compared as such."""
    if not words:
        return series
    if series.dtype in TEXT:
        text = series.cast(pl.String)
        return text.set(text.str.strip_chars().is_in(list(words)), None)
    if series.dtype in (pl.Date, pl.Datetime):
        dates = pl.Series(moments_of(words), dtype=pl.Int64)
        if dates.is_empty():
            return series
        zoned = isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone
        # Of an instant what the clocks of its zone show, as in a word.
        shown = series.dt.replace_time_zone(None) if zoned else series
        moments = shown.cast(pl.Datetime("us"), strict=False).cast(pl.Int64)
        return series.set(moments.is_in(dates.implode()), None)
    if series.dtype == pl.Time:
        clocks = pl.Series(clocks_of(words), dtype=pl.Int64)
        return series.set(series.cast(pl.Int64).is_in(clocks.implode()), None)
    spelled = pl.Series(words, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls()
    if not series.dtype.is_numeric() or spelled.is_empty():
        return series
    # -99.9 in 32 bits is another number than -99.9 in 64.
    kind = pl.Float32 if series.dtype == pl.Float32 else pl.Float64
    return series.set(series.cast(kind).is_in(spelled.cast(kind).implode()), None)


@dataclass
class OddCells:
    """Accumulates the cells of a column that do not parse as its type."""

    what: str
    cells: int = 0
    odd: int = 0
    """The number of those that are no word for missing."""
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    """The first row of each value, from 0."""
    unlike: set[str] = field(default_factory=set)
    """Cells that parse, and yet show that the column has another format."""

    def add(self, text: pl.Series, values: pl.Series, row: int) -> bool:
        """Add the cells of rows from number `row` on; returns whether any value is new."""
        self.cells += values.count()
        if values.null_count() == text.null_count():
            return False
        left = (text.is_not_null() & values.is_null()).arg_true()
        cells = cells_of(text.gather(left))
        left, cells = left.filter(cells.is_not_null()), cells.drop_nulls()
        odd = int(is_code(cells).not_().sum())
        self.odd, self.cells, known = self.odd + odd, self.cells + odd, len(self.counts)
        for at, value in zip(left.to_list(), cells.to_list(), strict=True):
            self.counts[value] += 1
            self.first.setdefault(value, row + at)
        return len(self.counts) > known

    def note(self, name: str, source: Source) -> str:
        """The note on the odd cells."""
        shown = sorted(self.counts, key=lambda value: (-self.counts[value], self.first[value]))
        parts = []
        for value in shown[:VALUES_SHOWN]:
            place = source.place(self.first[value])
            often = f"{self.counts[value]:,} times, first in {place}"
            short = value if len(value) <= LETTERS_SHOWN else value[: LETTERS_SHOWN - 3] + "..."
            parts.append(f"'{short}' ({often if self.counts[value] > 1 else place})")
        more = f" and {len(shown) - VALUES_SHOWN:,} other values"
        total = self.counts.total()
        cells = f"{total:,} cell{'' if total == 1 else 's'}"
        return (
            f"{name}: {cells} that {'is' if total == 1 else 'are'} no {self.what} treated as "
            f"missing: {', '.join(parts)}{more if len(shown) > VALUES_SHOWN else ''}"
        )

    def __add__(self, other: "OddCells") -> "OddCells":
        """Those of two parts of a column."""
        first = dict(self.first)
        for value, row in other.first.items():
            first[value] = min(row, first.get(value, row))
        counts, cells = self.counts + other.counts, self.cells + other.cells
        unlike = self.unlike | other.unlike
        return OddCells(self.what, cells, self.odd + other.odd, counts, first, unlike)


@dataclass(frozen=True)
class OddText:
    """What is odd in columns of text, and the orders of dates that fit all cells, by column."""

    cells: Mapping[str, OddCells]
    orders: Mapping[str, Sequence[Order]]

    def __add__(self, other: "OddText") -> "OddText":
        cells = {name: own + other.cells[name] for name, own in self.cells.items()}
        fits = {
            name: [order for order in own if order in other.orders[name]]
            for name, own in self.orders.items()
        }
        return OddText(cells, fits)


@dataclass(frozen=True)
class CheckText:
    """Whether columns of text are what their first rows look like."""

    asks_for: ClassVar[str] = "text"
    parsing: Parsing
    names: Sequence[str]
    orders: Mapping[str, Sequence[Order]]
    """The orders of dates that the first rows leave open, by column."""

    @property
    def reads(self) -> Sequence[pl.Expr]:
        return [column(name) for name in self.names]

    def of(self, frame: pl.DataFrame, row: int = 0) -> OddText:
        """What is odd in these rows; `row` come before them."""
        cells, orders = {}, {}
        for name in self.names:
            text = self.parsing.text(frame[name])
            values = self.parsing.values(text)
            form = self.parsing.formats[name]
            cells[name] = OddCells(form.noun)
            cells[name].add(text, values, row)
            if isinstance(form, DateFormat):
                cells[name].unlike.update(form.not_utc(text, values))
            if name in self.orders:
                orders[name] = fitting(text, values, self.orders[name])
        return OddText(cells, orders)
