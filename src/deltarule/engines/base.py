"""Engines: who answers questions about rows, and what a question is.

A question is named, frozen and picklable, and its answers about parts of the rows add (`+`) to that
about all of them, in any order. So an engine may ask it wherever rows are.

    Question       of(batch) -> answer, about standardised rows
    TableQuestion  of(frame, row) -> answer, about rows as they are in the table
    Engine         ask(table question) -> answer, about all rows of its table
"""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

import polars as pl

from deltarule.engines.batch import Addable, Answer, Batch

AnswerOf = TypeVar("AnswerOf", bound=Addable, covariant=True)


class Question(Protocol[AnswerOf]):
    """Something asked of standardised rows."""

    def of(self, batch: Batch) -> AnswerOf:
        """The answer about these rows."""
        ...


class TableQuestion(Protocol[AnswerOf]):
    """Something asked of rows of a table, `row` of which come before them."""

    asks_for: ClassVar[str]
    """What it asks for, in words."""

    @property
    def reads(self) -> Sequence[pl.Expr]:
        """The columns and expressions that it reads of the table."""
        ...

    def of(self, frame: pl.DataFrame, row: int = 0) -> AnswerOf:
        """The answer about these rows, which have all columns of the table."""
        ...


class Engine(Protocol):
    """Who answers questions about the rows of one table."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def answers(self) -> frozenset[str]:
        """The names of the questions that it can answer."""
        ...

    def ask(self, question: TableQuestion[Answer]) -> Answer:
        """The sum of the answers about all rows."""
        ...


@runtime_checkable
class ShowsProgress(Protocol):
    """An engine that says how many rows it has gone over, and of how many."""

    progress: Callable[[int, int | None], None] | None


@runtime_checkable
class LimitsTime(Protocol):
    """An engine that is asked by queries, which may take so many seconds."""

    query_timeout: float | None


class RowSource(Protocol):
    """All rows, for any number of passes."""

    @property
    def passes(self) -> int:
        """The number of passes made over all rows."""
        ...

    @property
    def in_memory(self) -> bool:
        """Whether another pass needs no read."""
        ...

    def batches(self) -> Iterator[Batch]:
        """All rows in batches with dense inputs; a batch is valid until the next one."""
        ...

    def total(self, question: Question[Answer], *, by_fold: bool = False) -> Answer:
        """The sum of the answers of all blocks of rows, in one pass.

        With `by_fold`, the rows of each block are sorted by fold.
        """
        ...
