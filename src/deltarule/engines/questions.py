"""Questions about rows: comparisons of predictions with targets, over all rows or by fold.

Shapes: k outputs, t targets.
"""

from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Protocol

from deltarule.engines.base import RowSource
from deltarule.engines.batch import Batch, ByFold
from deltarule.losses.loss import Loss
from deltarule.rule.compare import Compared, Comparison
from deltarule.rule.predict import Array, Linear, Weights


@dataclass(frozen=True)
class Compare:
    """The comparison summed over rows."""

    model: Linear
    loss: Loss
    weights: Weights
    hessian: bool = False
    expected: bool = False

    def of(self, batch: Batch) -> Comparison:
        """The sum over these rows."""
        found = batch.compare(self.model, self.loss, self.weights, expected=self.expected)
        return found.sum(hessian=self.hessian)


class FitSums(Protocol):
    """Sums of fit metrics: frozen and picklable."""

    def sums(self, batch: Batch, compared: Compared) -> Array:
        """The sums of some rows: (t, sums)."""
        ...


@dataclass(frozen=True)
class FinalPass:
    """Comparisons by fold, and sums of fit metrics over all rows, (t, sums)."""

    folds: ByFold[Comparison]
    fit: Array

    def __add__(self, other: "FinalPass") -> "FinalPass":
        return FinalPass(self.folds + other.folds, self.fit + other.fit)

    @property
    def comparison(self) -> Comparison:
        """The comparison over all rows."""
        return reduce(add, self.folds.values())


@dataclass(frozen=True)
class CompareByFold:
    """Comparisons by fold, with or without their Hessians, and sums of fit metrics."""

    model: Linear
    loss: Loss
    weights: Weights
    fit: FitSums
    hessian: bool = True

    def of(self, batch: Batch) -> FinalPass:
        """The sums over these rows, which are sorted by fold."""
        found = batch.compare(self.model, self.loss, self.weights)
        return FinalPass(
            batch.sum_by_fold(found, hessian=self.hessian), self.fit.sums(batch, found)
        )


@dataclass(frozen=True)
class Fit:
    """Sums of fit metrics alone: (t, sums)."""

    model: Linear
    loss: Loss
    weights: Weights
    fit: FitSums

    def of(self, batch: Batch) -> Array:
        """The sums over these rows."""
        return self.fit.sums(batch, batch.compare(self.model, self.loss, self.weights))


@dataclass(frozen=True)
class PassObjective:
    """The objective over all rows, evaluated in one pass.

    Its Hessian is the observed one, or the `expected` one (Fisher information).
    """

    rows: RowSource
    model: Linear
    loss: Loss
    expected: bool = False
    has_hessian: bool = field(default=True, init=False)

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        asked = Compare(self.model, self.loss, weights, hessian, self.expected)
        return self.rows.total(asked)
