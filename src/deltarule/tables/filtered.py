"""Filtered source: the rows that satisfy a condition, such as "year > 2000"."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass, field, replace
from deltarule.errors import ExpressionError, LearningError
from deltarule.tables.column_names import column
from deltarule.tables.compared_text import dated
from deltarule.tables.date_columns import Dated, formats_of, zones_of
from deltarule.tables.dates import in_zone, zone_of
from deltarule.tables.expressions.expression import Expression, check, parse
from deltarule.tables.expressions.number_text import cells_of
from deltarule.tables.parsed_text import without_words
from deltarule.tables.polars_source import said
from deltarule.tables.source import LOOK_ROWS, ROW, Source, first_frames
from deltarule.tables.text_formats import DateFormat, Format, Formats, number_format
from deltarule.tables.wrapped_source import SelectedSource


@dataclass(frozen=True)
class RowFilter:
    """A condition on rows of the table of this name; null counts as false.

    `formats` are those of columns whose text it takes for dates or numbers, `zones` those that a
    model learnt columns in: it is asked on the clocks that the model's inputs are read on.
    """

    condition: Expression
    name: str
    formats: Mapping[str, Format] = field(default_factory=dict)
    others: bool = False
    """Whether it is the other rows that are meant."""
    zones: Mapping[str, str] = field(default_factory=dict)
    words: Sequence[str] = ()
    """What stands for missing in every column, and is null here too."""
    told: str = ""
    """What is said of the other rows, where the condition is none that a user gave."""

    @property
    def text(self) -> str:
        """The condition in words."""
        return f"not ({self.condition.text})" if self.others else self.condition.text

    def mask(self, batch: pl.DataFrame) -> pl.Series:
        """Which rows meet it: (n,).

        Errors:  ColumnError; ExpressionError for columns of types that it cannot take;
                 LearningError where it is not boolean
        """
        read = batch.with_columns(
            one.read(cells_of(batch[name], self.words)).alias(name)
            for name, one in self.formats.items()
            if batch[name].dtype == pl.String
        )
        read = read.with_columns(
            in_zone(read[name], zone)
            for name, zone in self.zones.items()
            if name in read.columns and zone_of(read[name].dtype) not in (None, zone)
        )
        if self.words:
            there = [read[name] for name in self.condition.columns if name in read.columns]
            read = read.with_columns(without_words(one, self.words) for one in there)
        check(self.condition, read.schema, name=self.name)
        try:
            met = read.select(self.condition.polars(read.schema)).to_series()
        except pl.exceptions.PolarsError as error:
            raise said(error, self.name) from error
        if met.dtype not in (pl.Boolean, pl.Null):
            raise _no_condition(self.condition.text)
        mask = met.cast(pl.Boolean).fill_null(value=False)
        return ~mask if self.others else mask

    @property
    def reads(self) -> Sequence[pl.Expr]:
        """The columns of the condition."""
        return [column(name) for name in self.condition.columns]

    def prepared(self, frame: pl.DataFrame, row: int) -> pl.DataFrame:
        """The rows that meet it, each of which keeps its number; `row` come before them."""
        if ROW not in frame.columns:
            frame = frame.with_columns(pl.int_range(row, row + frame.height).alias(ROW))
        return frame.filter(self.mask(frame))

    def notes(self, left_out: int, rows: int) -> list[str]:
        """What is said of the rows that do not meet it."""
        if not left_out:
            return []
        told = self.told or f"do not meet {self.text}: they have no part"
        return [f"{left_out:,} of {rows:,} rows {told}"]


@dataclass(frozen=True)
class CountedRows:
    """How many rows do not meet a condition, and how many there are."""

    left_out: int
    rows: int

    def __add__(self, other: "CountedRows") -> "CountedRows":
        return CountedRows(self.left_out + other.left_out, self.rows + other.rows)


@dataclass(frozen=True)
class CountMet:
    """How many rows meet a condition."""

    asks_for: ClassVar[str] = "conditions"
    filter: RowFilter

    @property
    def reads(self) -> Sequence[pl.Expr]:
        return self.filter.reads

    def of(self, frame: pl.DataFrame, row: int = 0) -> CountedRows:
        """How many of these rows."""
        return CountedRows(frame.height - int(self.filter.mask(frame).sum()), frame.height)


class FilteredSource(SelectedSource):
    """The rows of a source that satisfy a condition, or all `others`; null counts as false.

    `learnt` are the formats of a model, which knows the zones of its columns; `words` stand for
    missing. `told` is what a note says of the others, where no user gave the condition.
    """

    def __init__(
        self,
        source: Source,
        condition: Expression,
        *,
        others: bool = False,
        learnt: Formats | None = None,
        words: Sequence[str] = (),
        told: str = "",
    ) -> None:
        super().__init__(source)
        self.condition = condition
        zones = zones_of(learnt or {})
        self.filter = RowFilter(condition, source.name, {}, others, zones, words, told)
        if not told:
            self.name = f"{source.name} where {self.filter.text}"
            self.dialect = f"{source.dialect}, where {self.filter.text}"
        self._reads = 0
        self.counted: CountedRows | None = None
        """How many rows another engine left out, where one has them."""
        # The row masks of the last read's batches; a bit for each row.
        self._masks: list[pl.Series] = []

    @property
    def others(self) -> "FilteredSource":
        """The rows that do not satisfy the condition."""
        made = FilteredSource(self.source, self.condition, others=not self.filter.others)
        made.filter = replace(made.filter, zones=self.filter.zones, words=self.filter.words)
        return made

    @property
    def rows(self) -> int | None:
        return None

    @property
    def reads(self) -> int:
        return self._reads

    @property
    def notes(self) -> list[str]:
        """The source's notes, and the number of rows that the last read filtered out."""
        rows = sum(len(mask) for mask in self._masks)
        passed = rows - sum(int(mask.sum()) for mask in self._masks)
        if self.counted is not None:
            passed, rows = self.counted.left_out, self.counted.rows
        return [*self.source.notes, *self.filter.notes(passed, rows)]

    @property
    def gone(self) -> int:
        """How many rows the last read has left out so far."""
        return sum(len(mask) - int(mask.sum()) for mask in self._masks)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The numbers, from 0, of the rows of the last read in the whole table: (n,)."""
        masks = self._masks or [pl.Series(dtype=pl.Boolean)]
        return pl.concat(masks).arg_true().cast(pl.Int64).to_numpy()

    def place(self, row: int) -> str:
        numbers = self.numbers
        return self.source.place(int(numbers[row])) if row < len(numbers) else f"row {row + 1:,}"

    def look(self) -> pl.DataFrame:
        if self._first_rows is None:
            first = self.source.look()
            self.filter = replace(self.filter, formats=self.formats(first))
            shown = [first.filter(self.filter.mask(first))] if first.columns else [first]
            if shown[0].height < LOOK_ROWS <= first.height and not self.once:
                rows = self.source.batches([pl.all()])
                met = (batch.filter(self.filter.mask(batch)) for batch in rows)
                shown = [shown[0].clear(), *first_frames(met)]
            self._first_rows = pl.concat(shown).head(LOOK_ROWS)
        return self._first_rows

    def begin(self) -> Sequence[pl.Expr]:
        self.look()  # it fixes how text is parsed
        self._reads += 1
        self._masks = []
        return self.filter.reads

    def mask(self, frame: pl.DataFrame, row: int) -> pl.Series:
        mask = self.filter.mask(frame)
        self._masks.append(mask)
        return mask

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        try:
            yield from super().batches(columns)
        except pl.exceptions.PolarsError as error:
            raise said(error, self.name) from error

    def formats(self, look: pl.DataFrame) -> dict[str, Format]:
        """The formats to parse text as dates or numbers, where the condition means those.

        Errors:  LearningError for dates whose order the first rows do not determine;
                 ExpressionError for text that is compared where its values are meant
        """
        numbers: dict[str, Format] = {}
        try:
            check(self.condition, look.schema, name=self.source.name)
        except ExpressionError:
            texts = [name for name in self.condition.columns if look[name].dtype == pl.String]
            dates = formats_of(look, order=self.hints.date_order, used=texts)
            words = self.filter.words
            spelled = {
                name: number_format(cells_of(look[name], words), self.hints.decimal)[0]
                for name in texts
            }
            numbers = {name: one for name, one in spelled.items() if one is not None}
        else:
            dates = self._compared(look)
        for note in dates.doubt.notes:
            raise LearningError(f"where is {self.condition.text}, but {note}") from None
        zones = self.filter.zones
        return {
            name: one.model_copy(update={"zone": zones.get(name, one.zone)})
            if isinstance(one, DateFormat) and one.kind == "datetime"
            else one
            for name, one in {**numbers, **dates.formats}.items()
        }

    def _compared(self, look: pl.DataFrame) -> Dated:
        """The formats of text columns that the condition compares with dates."""
        try:
            return dated(self.condition, look, order=self.hints.date_order)
        except ExpressionError as error:
            raise ExpressionError(f"{self.source.name}, {self.condition.text}: {error}") from None


def where_of(
    source: Source,
    condition: str | None,
    learnt: Formats | None = None,
    *,
    words: Sequence[str] = (),
) -> Source:
    """The source, filtered by a condition where one is given.

    `learnt` are the formats in which a model reads the table, `words` those for missing.
    Errors:  as `condition_of`
    """
    if condition is None:
        return source
    return FilteredSource(source, condition_of(condition), learnt=learnt, words=words)


def condition_of(text: str) -> Expression:
    """A condition from its text.

    Errors:  ExpressionError; LearningError for text that is not a condition
    """
    expression = parse(text)
    if expression.kind not in ("boolean", "any"):
        raise _no_condition(expression.text)
    return expression


def _no_condition(text: str) -> LearningError:
    return LearningError(f"where is {text}, which is no condition: write one, such as year > 2000")
