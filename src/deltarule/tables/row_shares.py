"""Row shares: what rows count for by their number, beside a weight of their own.

    half-life    2 ** (-age / half-life), the last row of age 0: exponentially weighted rows
    sample       rows up to a number stand for all of which they were drawn, later ones for one each

Shapes: numbers (n,), of rows in reading order, from 0.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass, replace
from deltarule.errors import LearningError
from deltarule.rule.predict import Array
from deltarule.tables.fold_columns import Times
from deltarule.tables.source import Source

if TYPE_CHECKING:
    from deltarule.tables.plan import Plan

# Older than so many half-lives rows count alike, 1e-301: a weight of 0 would leave them out.
OLDEST = 1000.0


class RowShares(Protocol):
    """What a row counts for, by its number."""

    def of(self, numbers: NDArray[np.intp]) -> Array:
        """Of each row: (n,)."""
        ...


@dataclass(frozen=True)
class HalfLife:
    """Rows that count half after `rows` more; the last one has this number.

    >>> HalfLife(2.0, 4).of(np.arange(5)).tolist()
    [0.25, 0.3535533905932738, 0.5, 0.7071067811865476, 1.0]
    """

    rows: float
    last: int

    def of(self, numbers: NDArray[np.intp]) -> Array:
        """Of each row: (n,)."""
        weights: Array = np.exp2(np.maximum((numbers - self.last) / self.rows, -OLDEST))
        return weights


@dataclass(frozen=True)
class DrawnShare:
    """The rows before a number count so much each, as they were drawn; later ones 1."""

    end: int
    share: float

    def of(self, numbers: NDArray[np.intp]) -> Array:
        """Of each row: (n,)."""
        return np.where(numbers < self.end, self.share, 1.0)


def rows_of(source: Source, columns: Sequence[pl.Expr]) -> int:
    """How many rows there are; counted by a read of some columns where nothing else says it."""
    if source.rows is not None:
        return source.rows
    return sum(batch.height for batch in source.batches(columns))


def check_ordered(source: Source, name: str) -> None:
    """Refuse what depends on the order of rows where they have none.

    Errors:  LearningError
    """
    if source.unordered:
        raise LearningError(
            f"{name} counts rows by their order, and nothing orders the rows of {source.name}: "
            "say ORDER BY in a query"
        )


def take_order(source: Source, plan: "Plan") -> "Plan":
    """The plan that knows the last row, for a half-life, and where periods begin, for times.

    Errors:  LearningError for a half-life of rows without an order
    """
    asked = plan.request
    shares = asked.shares
    if asked.half_life is not None:
        check_ordered(source, "half_life")
        shares = HalfLife(asked.half_life, rows_of(source, plan.columns[:1]) - 1)
    plan = replace(plan, shares=shares)
    if asked.time is None:
        return plan
    return replace(plan, cuts=Times.of(_times(source, plan)).cuts(asked.folds))


def order_notes(plan: "Plan") -> list[str]:
    """A note on rows that fade."""
    if plan.request.half_life is None:
        return []
    return [
        f"a row counts half after {plan.request.half_life:,g} more, the last one 1: so do rows in "
        "errors on held-out rows, and in standard errors"
    ]


def _times(source: Source, plan: "Plan") -> Iterator[pl.DataFrame]:
    """The times of rows, and what each counts for."""
    row = 0
    for batch in source.batches(plan.times):
        if plan.shares is not None:
            at, counts = batch.get_columns()
            shares = plan.shares.of(np.arange(row, row + batch.height))
            batch = pl.DataFrame([at, counts * pl.Series(shares)])
        yield batch
        row += batch.height
