"""Last rows: a source of the last rows of another, as if the table began with them.

Rows without a target, an offset or a weight are not learnt, so they have no age under a half-life
and no place in a window, as under `update`.
"""

from contextlib import suppress
from functools import cached_property

import polars as pl

from deltarule.errors import ExpressionError
from deltarule.tables.column_names import column
from deltarule.tables.expressions.expression import parse, quoted
from deltarule.tables.filtered import FilteredSource, condition_of
from deltarule.tables.request import Request
from deltarule.tables.row_shares import check_ordered, rows_of
from deltarule.tables.source import Source
from deltarule.tables.wrapped_source import SelectedSource


class LastRows(SelectedSource):
    """The last `window` rows of a source.

    Errors:  LearningError for a source without an order
    """

    def __init__(self, source: Source, window: int) -> None:
        super().__init__(source)
        check_ordered(source, "window")
        self.window = window
        self.dialect = f"{source.dialect}, the last {window:,} rows"

    @cached_property
    def before(self) -> int:
        """How many rows come before the window; counted by a read where nothing else says it."""
        first = self.source.look()
        some = [column(first.columns[0])] if first.columns else []
        return max(0, rows_of(self.source, some) - self.window)

    @property
    def rows(self) -> int | None:
        return None if self.source.rows is None else min(self.source.rows, self.window)

    @property
    def notes(self) -> list[str]:
        """The source's notes, and the number of rows before the window."""
        passed = self.before
        told = f"{passed:,} rows before the last {self.window:,} have no part"
        return [*self.source.notes, *([told] if passed else [])]

    def place(self, row: int) -> str:
        return self.source.place(row + self.before)

    def mask(self, frame: pl.DataFrame, row: int) -> pl.Series:
        return pl.int_range(row, row + frame.height, eager=True) >= self.before


def rows_to_learn(source: Source, request: Request) -> Source:
    """The rows that have each target, offset and weight.

    Errors:  ColumnError, ExpressionError; LearningError for a text whose values are in doubt
    """
    columns = source.look().columns
    there = [*request.predict, *([request.offset] if request.offset else [])]
    above = [one for one in (request.row_weight, request.exposure) if one is not None]
    tests = [(one, "is not null") for one in there] + [(one, "> 0") for one in above]
    conditions = []
    for one, test in tests:
        part = quoted(one) if one in columns else f"({one})"
        with suppress(ExpressionError):
            if set(parse(part).columns) <= set(columns):  # else it is refused where it is read
                conditions.append(f"{part} {test}")
    if not conditions:
        return source
    names = " or ".join([*there, *above])
    told = f"have no {names}: they are left out, and have no age and no place in a window"
    condition = condition_of(" and ".join(conditions))
    return FilteredSource(source, condition, words=request.missing_words, told=told)


def last_rows(source: Source, window: int | None) -> Source:
    """The source, with only its last rows where a window is given.

    Errors:  LearningError for a source without an order
    """
    return source if window is None else LastRows(source, window)
