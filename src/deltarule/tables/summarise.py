"""The questions that the one read asks of rows: their summary, and some of them to judge by."""

from typing import ClassVar

import numpy as np
import polars as pl

from deltarule.dataclass import dataclass
from deltarule.errors import ValueRefusedError
from deltarule.moments.accumulate import accumulate
from deltarule.moments.block import InfiniteError, Origin
from deltarule.moments.folds import hash_of
from deltarule.tables.fold_columns import Times
from deltarule.tables.left_out import infinite
from deltarule.tables.plan import Plan
from deltarule.tables.summary import Summary

HALFWAY = 0.5
"""What is added to a row's number to be the key that it is drawn by."""
SPARE = 2.5
"""So many times the rows that are needed are drawn of large tables: twice as many are kept."""


@dataclass(frozen=True)
class Summarise:
    """Which sums of which columns: those of a plan for a table of this name."""

    asks_for: ClassVar[str] = "sums"
    plan: Plan
    name: str
    histograms: bool = False

    @property
    def reads(self) -> list[pl.Expr]:
        return self.plan.columns

    def of(self, frame: pl.DataFrame, row: int = 0) -> Summary:
        """The summary of rows of the table; `row` come before them.

        Errors:  ValueRefusedError, naming the row
        """
        made = self.plan
        chunk = made.chunk(made.read(frame), name=self.name, row=row)
        origin, folds = Origin.guess(chunk.numbers), made.request.folds
        try:
            sums = accumulate(chunk, origin, folds=folds, histograms=self.histograms)
        except InfiniteError as error:
            raise refused(error, made, name=self.name, row=row) from error
        return Summary.of(made, sums)


@dataclass(frozen=True)
class FindTimes:
    """The times of the rows that are learnt from, and what each counts for."""

    asks_for: ClassVar[str] = "times"
    plan: Plan

    @property
    def reads(self) -> list[pl.Expr]:
        return self.plan.times

    def of(self, frame: pl.DataFrame, row: int = 0) -> Times:
        """The times of these rows."""
        return Times.of([frame.select(self.reads)])


@dataclass(frozen=True, eq=False)
class DrawnRows:
    """Rows drawn from all, those of the least hashes of their numbers."""

    frame: pl.DataFrame
    number: str
    most: int

    def __add__(self, other: "DrawnRows") -> "DrawnRows":
        both = DrawnRows(pl.concat([self.frame, other.frame]), self.number, self.most)
        # Not at each addition: keys and a copy of all columns take longer than the concatenation.
        return both.limited if both.frame.height > 4 * self.most else both

    @property
    def limited(self) -> "DrawnRows":
        """No more than twice the rows that are needed."""
        if self.frame.height <= 2 * self.most:
            return self
        # Halfway between the keys of folds: the least of these would all be of the first fold.
        keys = hash_of(self.frame[self.number].to_numpy() + HALFWAY)
        least = np.argsort(keys, kind="stable")[: 2 * self.most]
        return DrawnRows(self.frame[np.sort(least)], self.number, self.most)

    @property
    def in_order(self) -> pl.DataFrame:
        """The rows, in the order of the table."""
        return self.limited.frame.sort(self.number)


@dataclass(frozen=True)
class FewRows:
    """At least so many rows, drawn at random, or all of a small table."""

    asks_for: ClassVar[str] = "some rows"
    plan: Plan
    most: int
    of_all: int | None = None
    """How many rows there are, where it is known."""

    @property
    def reads(self) -> list[pl.Expr]:
        return self.plan.columns

    def of(self, frame: pl.DataFrame, row: int = 0) -> DrawnRows:
        """Some of these rows, read as the plan's columns; `row` come before them."""
        number = self.plan.row_column
        rows = self.plan.read(frame)
        numbers = self.plan.numbers_of_rows(rows, row=row)
        if self.of_all is not None and self.of_all > SPARE * self.most:
            # Few of each part, so that few travel: 16 MB of 100 columns would be drawn of each.
            drawn = hash_of(numbers.astype(np.float64) + HALFWAY) < SPARE * self.most / self.of_all
            rows, numbers = rows.filter(pl.Series(drawn)), numbers[drawn]
        rows = rows.with_columns(pl.Series(number, numbers))
        return DrawnRows(rows, number, self.most).limited


@dataclass(frozen=True)
class SumsAndRows:
    """The summary of rows, and some of them."""

    summary: Summary
    drawn: DrawnRows

    def __add__(self, other: "SumsAndRows") -> "SumsAndRows":
        return SumsAndRows(self.summary + other.summary, self.drawn + other.drawn)


@dataclass(frozen=True)
class OneRead:
    """Both asked in one pass, of engines that read each row for it."""

    asks_for: ClassVar[str] = Summarise.asks_for
    sums: Summarise
    few: FewRows

    @property
    def plan(self) -> Plan:
        """The plan of both."""
        return self.sums.plan

    @property
    def reads(self) -> list[pl.Expr]:
        return self.plan.columns

    def of(self, frame: pl.DataFrame, row: int = 0) -> SumsAndRows:
        """The summary of these rows and some of them; `row` come before them."""
        return SumsAndRows(self.sums.of(frame, row), self.few.of(frame, row))


def refused(error: InfiniteError, plan: Plan, *, name: str, row: int) -> ValueRefusedError:
    """The error for a value that is infinite in rows of which `row` is the first."""
    column = [*plan.numbers, *plan.amounts, *plan.beside][error.number]
    return infinite(f"{name}, column '{column}', row {row + error.row + 1}", error.value)
