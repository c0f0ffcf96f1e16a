"""The question that the one read asks of rows: their summary."""

from dataclasses import dataclass

import polars as pl

from deltarule.errors import ValueRefusedError
from deltarule.moments.accumulate import accumulate
from deltarule.moments.block import InfiniteError, Origin
from deltarule.tables.left_out import infinite
from deltarule.tables.plan import Plan
from deltarule.tables.summary import Summary


@dataclass(frozen=True)
class Summarise:
    """Which sums of which columns: those of a plan for a table of this name."""

    plan: Plan
    name: str
    histograms: bool = False

    def of(self, frame: pl.DataFrame, row: int = 0) -> Summary:
        """The summary of some rows, read as the plan's columns; `row` is the number of the first.

        Errors:  ValueRefusedError, naming the row
        """
        made = self.plan
        chunk = made.chunk(frame, name=self.name, row=row)
        origin, folds = Origin.guess(chunk.numbers), made.asked.folds
        try:
            sums = accumulate(chunk, origin, folds=folds, histograms=self.histograms)
        except InfiniteError as error:
            raise refused(error, made, name=self.name, row=row) from error
        return Summary.of(made, sums)


def refused(error: InfiniteError, made: Plan, *, name: str, row: int) -> ValueRefusedError:
    """The error for a value that is infinite in rows of which `row` is the first."""
    column = [*made.numbers, *made.amounts, *made.beside][error.number]
    return infinite(f"{name}, column '{column}', row {row + error.row + 1}", error.value)
