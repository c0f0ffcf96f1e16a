"""Filtered source: the rows that satisfy a condition, such as "year > 2000"."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.errors import ExpressionError, LearningError
from deltarule.tables.column_names import column
from deltarule.tables.compared_text import dated
from deltarule.tables.date_columns import Dated, formats_of
from deltarule.tables.expressions.expression import Expression, check, parse
from deltarule.tables.expressions.number_text import cells_of
from deltarule.tables.polars_source import said
from deltarule.tables.source import BATCH_ROWS, LOOK_ROWS, Source, rebatched
from deltarule.tables.text_formats import Format, number_format
from deltarule.tables.wrapped_source import WrappedSource


class FilteredSource(WrappedSource):
    """The rows of a source that satisfy a condition, or all `others`; null counts as false."""

    def __init__(self, source: Source, condition: Expression, *, others: bool = False) -> None:
        super().__init__(source)
        self._others = others
        self.condition = condition
        self._text = f"not ({condition.text})" if others else condition.text
        self.name = f"{source.name} where {self._text}"
        self.dialect = f"{source.dialect}, where {self._text}"
        self._reads = 0
        self._formats: dict[str, Format] = {}
        # The row masks of the last read's batches; a bit for each row.
        self._masks: list[pl.Series] = []

    @property
    def others(self) -> "FilteredSource":
        """The rows that do not satisfy the condition."""
        return FilteredSource(self.source, self.condition, others=not self._others)

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
        told = f"{passed:,} of {rows:,} rows do not meet {self._text}: they have no part"
        return [*self.source.notes, *([told] if passed else [])]

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
            self._formats = self._formats_of(first)
            shown = [first.filter(self._mask(first))] if first.columns else [first]
            if shown[0].height < LOOK_ROWS <= first.height and not self.once:
                shown = [shown[0].clear(), *self._met()]
            self._first_rows = pl.concat(shown).head(LOOK_ROWS)
        return self._first_rows

    def _met(self) -> Iterator[pl.DataFrame]:
        """The first rows that satisfy the condition, as many as `look` returns."""
        rows = 0
        for batch in self.source.batches([pl.all()]):
            met = batch.filter(self._mask(batch))
            rows += met.height
            yield met
            if rows >= LOOK_ROWS:
                return

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        self.look()  # it fixes how text is parsed

        def met() -> Iterator[pl.DataFrame]:
            for batch in self.source.batches(self._needed(columns)):
                yield batch.filter(self._marked(batch)).select(columns)

        self._begin()
        try:
            yield from rebatched(met(), BATCH_ROWS)
        except pl.exceptions.PolarsError as error:
            raise said(error, self.name) from error

    def whole_batches(
        self, columns: Sequence[pl.Expr], *, cells: bool = False
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        self.look()
        self._begin()
        for rows, batch in self.source.whole_batches(self._needed(columns), cells=cells):
            mask = self._marked(batch)
            yield rows.filter(mask), batch.filter(mask).select(columns)

    def _begin(self) -> None:
        self._reads += 1
        self._masks = []

    def _needed(self, columns: Sequence[pl.Expr]) -> list[pl.Expr]:
        """The columns that these expressions and the condition read."""
        if any(one.meta.has_multiple_outputs() for one in columns):
            return [pl.all()]
        roots = {name for one in columns for name in one.meta.root_names()}
        return [column(name) for name in dict.fromkeys([*sorted(roots), *self.condition.columns])]

    def _marked(self, batch: pl.DataFrame) -> pl.Series:
        """The row mask of the condition, which is kept."""
        mask = self._mask(batch)
        self._masks.append(mask)
        return mask

    def _mask(self, batch: pl.DataFrame) -> pl.Series:
        """The row mask of the condition: (n,).

        Errors:  ColumnError; ExpressionError for columns of types that it cannot take;
                 LearningError where it is not boolean
        """
        read = batch.with_columns(
            one.read(cells_of(batch[name])).alias(name)
            for name, one in self._formats.items()
            if batch[name].dtype == pl.String
        )
        check(self.condition, read.schema, name=self.source.name)
        try:
            met = read.select(self.condition.polars(read.schema)).to_series()
        except pl.exceptions.PolarsError as error:
            raise said(error, self.source.name) from error
        if met.dtype not in (pl.Boolean, pl.Null):
            raise _no_condition(self.condition.text)
        mask = met.cast(pl.Boolean).fill_null(value=False)
        return ~mask if self._others else mask

    def _formats_of(self, look: pl.DataFrame) -> dict[str, Format]:
        """The formats to parse text as dates or numbers, where the condition means those.

        Errors:  LearningError for dates whose order the first rows do not determine;
                 ExpressionError for text that is compared where its values are meant
        """
        numbers: dict[str, Format] = {}
        try:
            check(self.condition, look.schema, name=self.source.name)
        except ExpressionError:
            texts = [name for name in self.condition.columns if look[name].dtype == pl.String]
            dates = formats_of(look, order=self.date_order, used=texts)
            spelled = {name: number_format(cells_of(look[name]), self.decimal)[0] for name in texts}
            numbers = {name: one for name, one in spelled.items() if one is not None}
        else:
            dates = self._compared(look)
        for note in dates.doubt.notes:
            raise LearningError(f"where is {self.condition.text}, but {note}") from None
        return {**numbers, **dates.formats}

    def _compared(self, look: pl.DataFrame) -> Dated:
        """The formats of text columns that the condition compares with dates."""
        try:
            return dated(self.condition, look, order=self.date_order)
        except ExpressionError as error:
            raise ExpressionError(f"{self.source.name}, {self.condition.text}: {error}") from None


def where_of(source: Source, condition: str | None) -> Source:
    """The source, filtered by a condition where one is given.

    Errors:  ExpressionError; LearningError for text that is not a condition
    """
    if condition is None:
        return source
    expression = parse(condition)
    if expression.kind not in ("boolean", "any"):
        raise _no_condition(expression.text)
    return FilteredSource(source, expression)


def _no_condition(text: str) -> LearningError:
    return LearningError(f"where is {text}, which is no condition: write one, such as year > 2000")
