"""Questions about encoded rows, whose answers add; passes ask about standardised ones."""

from typing import Any, ClassVar, Protocol, Self, TypeVar

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.tables.encoded_rows import EncodedRows
from deltarule.tables.row_encoder import RowEncoder


class Addable(Protocol):
    """An answer about some rows; the sum of two is that about both."""

    def __add__(self, other: Self) -> Self: ...


Answer = TypeVar("Answer", bound=Addable)
AnswerOf = TypeVar("AnswerOf", bound=Addable, covariant=True)


class EncodedQuestion(Protocol[AnswerOf]):
    """Something asked of encoded rows."""

    def of_rows(self, rows: EncodedRows) -> AnswerOf:
        """The answer about these rows."""
        ...


@dataclass(frozen=True)
class OfEncoded:
    """The same asked of rows as they are in the table."""

    asks_for: ClassVar[str] = "encoded rows"
    encoder: RowEncoder
    question: EncodedQuestion[Any]

    @property
    def reads(self) -> list[pl.Expr]:
        return self.encoder.plan.columns

    def of(self, frame: pl.DataFrame, row: int = 0) -> Any:
        """The answer about these rows; `row` come before them."""
        return self.question.of_rows(self.encoder.encoded(self.encoder.plan.read(frame), row))


@dataclass(frozen=True)
class FirstValue:
    """The first row of some with a certain value: its number, from 0; None where there is none."""

    row: int | None = None
    value: float = 0.0

    def __add__(self, other: "FirstValue") -> "FirstValue":
        found = [one for one in (self, other) if one.row is not None]
        return min(found, key=lambda one: one.row or 0, default=self)
