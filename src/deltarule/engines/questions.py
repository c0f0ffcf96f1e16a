"""Questions about rows: comparisons of predictions with targets, over all rows or by fold.

Shapes: k outputs, t targets, q inputs and intercept.
"""

from collections.abc import Sequence
from dataclasses import field
from functools import reduce
from operator import add
from typing import Generic, Protocol

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.engines.base import Question, RowSource
from deltarule.engines.batch import Answer, Batch, ByFold
from deltarule.losses.loss import Loss
from deltarule.rule.compare import Compared, Comparison
from deltarule.rule.predict import Array, Linear, Weights

# A row whose score moves less than this share of the largest does not move.
SLIGHT = 1e-3
# So many steps further, a row whose loss would rise shows it. Where a class is all but impossible
# its scores show nothing until millions of steps further.
FAR = 10.0
# Rounding of moves that should be 0, relative to the targets.
ROUNDING = 1e-5


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
    """Sums of fit metrics: frozen and picklable.

    Of each target the weight of its rows, and over these (prediction - target) ** 2, the loss, that
    of the null model, the saturated one, and the normalising constant. Where the dispersion is not
    known also Pearson's chi2 and the sum of Hessians over expected ones, else 0.

    Shapes:  null (k,), the scores of the null model
    """

    @property
    def losses(self) -> Sequence[Loss]: ...
    @property
    def spans(self) -> Sequence[slice]: ...
    @property
    def null(self) -> Array: ...

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
class ScoreSums:
    """The weights of some rows, and the products of their scores, as a Hessian."""

    rows: float
    products: Array

    def __add__(self, other: "ScoreSums") -> "ScoreSums":
        return ScoreSums(self.rows + other.rows, self.products + other.products)


@dataclass(frozen=True)
class ScoreProducts:
    """Products of rows' scores, the meat of robust standard errors: delta ** 2 as a curvature.

    Maths:   sum of (delta @ delta.T) (x) (input @ input.T); without what outputs that are not
             coupled have in common
    """

    model: Linear
    loss: Loss
    weights: Weights

    def of(self, batch: Batch) -> ScoreSums:
        """The sums over these rows."""
        delta = self.loss.delta(batch.scores(self.model, self.weights), batch.targets)
        coupled = self.loss.kind == "classes"
        squares = delta[:, :, None] * delta[:, None, :] if coupled else delta**2
        squares *= batch.each.reshape(-1, *[1] * (squares.ndim - 1))
        products = np.asarray(self.model.hessian(batch.inputs, squares))
        return ScoreSums(float(batch.each.sum()), products)


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
        question = Compare(self.model, self.loss, weights, hessian, self.expected)
        return self.rows.total(question)


@dataclass(frozen=True)
class FoldOptimum:
    """A precomputed comparison: an objective evaluated at one point in advance."""

    comparison: Comparison
    has_hessian: bool = True

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        return self.comparison


@dataclass(frozen=True)
class Bare(Generic[Answer]):
    """A question asked of rows without their inputs."""

    question: Question[Answer]

    def of(self, batch: Batch) -> Answer:
        """The answer about these rows."""
        return self.question.of(batch.bare)


@dataclass(frozen=True)
class Draw:
    """A share of the rows of each fold, drawn at random."""

    share: float

    def of(self, batch: Batch) -> ByFold[list[Batch]]:
        """Some of these rows, which are sorted by fold."""
        found = ByFold[list[Batch]]()
        for fold, span in batch.folds.items():
            # Seeded by the fold alone: deterministic. Copied, as blocks share their memory.
            part, rng = batch.only(span), np.random.default_rng(fold)
            found[fold] = [part.only(rng.random(len(part)) < self.share)]
        return found


@dataclass(frozen=True)
class Moved:
    """How rows fare far along a direction: whether none is worse off, how far and many move."""

    better: bool
    furthest: float
    moved: float
    total: float

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(
            self.better and other.better,
            max(self.furthest, other.furthest),
            self.moved + other.moved,
            self.total + other.total,
        )


@dataclass(frozen=True)
class MoveAlong:
    """How rows fare far from some weights, along a direction."""

    direction: Weights
    weights: Weights
    model: Linear
    loss: Loss

    def of(self, batch: Batch) -> Moved:
        """How these rows fare."""
        move = self.model.predict(self.direction, batch.inputs)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = batch.scores(self.model, self.weights) + FAR * move
            far = self.loss.delta(scores, batch.targets)
            against = np.sum(np.where(move == 0, 0.0, far * move), axis=1)
        size = np.abs(move).max(axis=1, initial=0.0)
        bound = ROUNDING * (1 + np.abs(batch.targets).max(axis=1, initial=0.0))
        return Moved(
            bool((against[batch.each > 0] <= bound[batch.each > 0]).all()),
            float(size.max(initial=0.0)),
            float(batch.each[size > SLIGHT].sum()),
            float(batch.each.sum()),
        )


@dataclass(frozen=True)
class LogNormalizer:
    """The loss's normalising constant of each row, summed."""

    loss: Loss
    column: slice
    dispersion: float

    def of(self, batch: Batch) -> float:
        """The sum over these rows."""
        targets = batch.targets[:, self.column]
        return float(batch.each @ self.loss.log_normalizer(targets, self.dispersion))
