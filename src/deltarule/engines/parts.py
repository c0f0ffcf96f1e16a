"""Parts: what a worker of another engine does with its part of a table.

A question travels as bytes and is read anew for each part: a plan learns levels as it meets them,
so that one that had met another part would count them in another order. An answer travels with the
error that took its place, so that an engine does not take a wrong value for a lost worker.
"""

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import polars as pl

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import TableQuestion
from deltarule.errors import DeltaruleError, EmptyError
from deltarule.moments.accumulate import PairsError
from deltarule.tables.column_names import column
from deltarule.tables.files.csv_source import CsvSource
from deltarule.tables.parts_source import unlike_kinds
from deltarule.tables.polars_source import UnparsedError, explained
from deltarule.tables.request import ReplanError
from deltarule.tables.source import BATCH_ROWS, ROW, Source, rebatched

# What rows may be wrong for, and what the one read takes up again with another plan.
TOLD = (DeltaruleError, ReplanError, PairsError)
ANSWERS = frozenset(
    {"sums", "some rows", "comparisons", "encoded rows", "levels", "text", "times", "conditions"}
)
"""What an engine answers whose workers read rows of the table."""
# So many answers are added at a time: the tree over 10,000 parts is five high.
FAN_IN = 8


@contextmanager
def text_told(source: Source) -> Iterator[None]:
    """Have a source know which column a worker found not to be numbers; the error goes on."""
    try:
        yield
    except UnparsedError as error:
        if isinstance(source, CsvSource):
            source.is_text(error.column or "", error.value)
        raise


@dataclass(frozen=True)
class PartAnswer:
    """The answer about some rows, None about none of them; or the error in its place."""

    answer: Any = None
    error: Exception | None = None

    def __add__(self, other: "PartAnswer") -> "PartAnswer":
        if self.error is not None or other.error is not None:
            return self if self.error is not None else other
        if self.answer is None or other.answer is None:
            return other if self.answer is None else self
        try:
            return PartAnswer(self.answer + other.answer)
        except TOLD as error:
            return PartAnswer(error=error)

    def result(self, name: str) -> Any:
        """The answer.

        Errors:  that in its place; EmptyError where there are no rows
        """
        if self.error is not None:
            raise self.error
        if self.answer is None:
            raise EmptyError(f"{name} has no rows: there is nothing to learn from")
        return self.answer


@dataclass(frozen=True)
class PartQuestion:
    """A question for all parts of a table: its rows have these columns, of these kinds."""

    question: bytes
    kinds: Mapping[str, pl.DataType]
    name: str

    @classmethod
    def of(
        cls, question: TableQuestion[Any], kinds: Mapping[str, pl.DataType], name: str
    ) -> "PartQuestion":
        """A question about the table of this name; the kinds of what it reads of it."""
        needed = columns_of(question)
        read = {one: kind for one, kind in kinds.items() if needed is None or one in needed}
        # A row has to be counted though nothing is read of it.
        read = read or dict(list(kinds.items())[:1])
        return cls(pickle.dumps(question), read, name)

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it reads."""
        return list(self.kinds)

    def of_part(self, frames: Iterable[pl.DataFrame], row: int) -> PartAnswer:
        """The answer about a part of the table, `row` of whose rows come before it."""
        question = pickle.loads(self.question)
        answers = []
        try:
            # One thread: there is a worker for every processor. The rest is as for this machine:
            # what overflows is reported where the result is used.
            with one_blas_thread(), np.errstate(all="ignore"):
                for frame in rebatched(map(self._alike, frames), BATCH_ROWS):
                    answers.append(question.of(frame, row))
                    row += frame.height
                return PartAnswer(reduce(add, answers) if answers else None)
        except TOLD as error:
            return PartAnswer(error=error)

    def _alike(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows with the kinds of the whole table: a part may have no value of a column.

        Errors:  ReadError where a value is none of its column's kind
        """
        own = frame.schema
        others = {name: kind for name, kind in self.kinds.items() if own[name] != kind}
        for name, kind in others.items():
            # Polars makes 1 of 1.5 without a word. Of numbers with gaps pandas has fractions.
            if own[name].is_float() and kind.is_integer():
                values = frame[name].fill_nan(None)
                if (values != values.floor()).any():
                    raise unlike_kinds(self.name, name, [kind, own[name]])
                frame = frame.with_columns(values)
        with explained(self.name):
            return frame.select(
                *(
                    column(name).cast(kind) if name in others else column(name)
                    for name, kind in self.kinds.items()
                ),
                *([ROW] if ROW in own else []),
            )


def total(answers: Iterable[PartAnswer]) -> PartAnswer:
    """The sum of answers in their order."""
    return reduce(add, answers, PartAnswer())


def columns_of(question: Any) -> set[str] | None:
    """The table's columns that a question reads; None for all, or where that is open."""
    columns: Sequence[pl.Expr] = question.reads
    if any(one.meta.has_multiple_outputs() for one in columns):
        return None
    return {name for one in columns for name in one.meta.root_names()}
