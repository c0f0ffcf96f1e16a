"""The rows of an engine other than this machine's threads: every pass is a question to it."""

from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import ClassVar, Generic

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.engines.base import Engine, LimitsTime, Question
from deltarule.engines.batch import Answer, Batch, blocks_of
from deltarule.errors import LearningError
from deltarule.moments.standardize import Standardization
from deltarule.tables.row_encoder import RowEncoder

COMPARISONS = "comparisons"


@dataclass(frozen=True)
class Pass(Generic[Answer]):
    """A question about standardised rows, asked of rows as they are in the table."""

    asks_for: ClassVar[str] = COMPARISONS
    encoder: RowEncoder
    standard: Standardization
    question: Question[Answer]
    by_fold: bool

    @property
    def reads(self) -> list[pl.Expr]:
        return self.encoder.plan.columns

    def of(self, frame: pl.DataFrame, row: int = 0) -> "Total[Answer]":
        """The answer about these rows."""
        rows = self.encoder.encoded(self.encoder.plan.read(frame), row)
        rows = rows.apart if self.by_fold else rows
        if not len(rows):
            return Total(None)
        blocks = blocks_of(rows, self.standard, by_fold=self.by_fold)
        return Total(reduce(add, map(self.question.of, blocks)))


@dataclass(frozen=True)
class Total(Generic[Answer]):
    """An answer; None about no rows."""

    answer: Answer | None

    def __add__(self, other: "Total[Answer]") -> "Total[Answer]":
        if self.answer is None or other.answer is None:
            return other if self.answer is None else self
        return Total(self.answer + other.answer)


@dataclass
class EngineRows:
    """All rows of an engine's table."""

    engine: Engine
    encoder: RowEncoder
    standard: Standardization
    passes: int = 0
    in_memory: ClassVar[bool] = False

    @property
    def by_queries(self) -> bool:
        """Whether each sum of a pass takes its time, so that one without a Hessian is cheap."""
        return isinstance(self.engine, LimitsTime)

    def batches(self) -> Iterator[Batch]:
        """Errors: LearningError, as no engine but this machine gives rows in order."""
        raise LearningError(
            f"{self.engine.name} gives no rows in batches, which these settings need: give the "
            "rows to this machine"
        )

    def total(self, question: Question[Answer], *, by_fold: bool = False) -> Answer:
        """The sum of the answers of all blocks of rows, in one pass."""
        self.passes += 1
        found = self.engine.ask(Pass(self.encoder, self.standard, question, by_fold))
        assert found.answer is not None, "there are rows"
        return found.answer
