"""The columns of a schema: what is known of each input, target and offset since it was learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from deltarule.errors import LearningError
from deltarule.moments.limits import Amount, Count, Positive, Signed
from deltarule.tables.expressions.inverse import Inverse, inverse_of
from deltarule.tables.part import Part
from deltarule.tables.terms import Term

MISSING, OTHER = "(missing)", "(other)"


class Input(Part):
    """The base of all columns: a name, and the expression that computes it, if any."""

    name: str
    expression: str | None = None

    @model_validator(mode="after")
    def _checked(self) -> Self:
        # Text from a model file is parsed, and refused unless everything in it is known.
        try:
            assert self.term.columns
        except LearningError as error:
            raise ValueError(str(error)) from None
        low, high = (getattr(self, name, 0.0) for name in ("low", "high"))
        if low > high:
            raise ValueError("its range is not in order")
        return self

    @property
    def term(self) -> Term:
        """The term that computes it from a table's columns."""
        return Term(self.name, self.expression)


class Number(Input):
    """A number or yes/no input: its fill value and its training range."""

    kind: Literal["number", "boolean"]
    mean: Signed
    low: Signed
    high: Signed
    missing: Amount
    gap: bool
    """Whether it has a missing indicator."""

    @property
    def levels(self) -> tuple[str | None, ...]:
        """Its inputs: the number, and perhaps the missing indicator."""
        return (None, MISSING) if self.gap else (None,)


class Category(Input):
    """A category: its levels with their training counts, the most frequent first."""

    kind: Literal["category"] = "category"
    known: dict[str, Positive]
    reference: str | None
    """The reference level, which has no input. None without intercept."""
    pooled: Count
    """The number of rare levels pooled as (other)."""
    of: Literal["text", "number", "boolean"] = "text"
    """The type of its values, before they are level names."""
    missing: Amount = 0.0
    """On how many rows it was missing, whether or not that is a level."""

    @property
    def levels(self) -> tuple[str | None, ...]:
        """The level of each of its inputs."""
        return tuple(level for level in self.known if level != self.reference)


class Target(Input):
    """A column to predict: its training range, or its classes with their counts, by name."""

    low: Signed
    high: Signed
    classes: dict[str, Positive] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if len(self.classes) == 1:
            raise ValueError("one class alone is nothing to predict")
        return self

    @property
    def inverse(self) -> Inverse | None:
        """The inverse transform to the column's own units, where this is an expression of one."""
        if self.expression is None or self.classes:
            return None
        found = inverse_of(self.expression)
        return None if found is None or found.column == self.name else found

    @property
    def levels(self) -> tuple[str | None, ...]:
        """Its outputs: the number, the second of two classes, or each class."""
        if not self.classes:
            return (None,)
        return tuple(self.classes) if len(self.classes) > 2 else (list(self.classes)[1],)


class Offset(Input):
    """The offset, added to every score with weight 1: its mean and its training range."""

    kind: Literal["offset"] = "offset"
    mean: Signed
    low: Signed
    high: Signed
    exposure: str | None = None
    """The column whose logarithm it is, where it was given as an exposure."""

    @property
    def gap(self) -> str:
        """The cause of a missing offset, in words."""
        from deltarule.tables.left_out import gap, weight_gap

        return gap(self.name) if self.exposure is None else weight_gap(self.exposure)


Column = Annotated[Number | Category, Field(discriminator="kind")]


def placed(column: Category) -> NDArray[np.int64]:
    """The input index of each known level, one past the last for the reference."""
    levels = {str(level): place for place, level in enumerate(column.levels)}
    return np.array([levels.get(label, len(levels)) for label in column.known])


def spans_of(parts: Sequence[Number | Category | Target]) -> dict[str, slice]:
    """Where the inputs of each column, or the outputs of each target, are."""
    found, start = {}, 0
    for part in parts:
        found[part.name] = slice(start, start + len(part.levels))
        start += len(part.levels)
    return found
