"""Ridge walk: the weights of all folds along a path of ridges, by gradients alone, side by side.

Each ridge begins at the weights of those that are known, and with their pairs of steps and
gradients: less the penalty's part, whose Hessian is known, they hold for any ridge.

Shapes: m folds that are held out, d weights of each, (q, k) flattened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.batch import Batch
from deltarule.engines.class_rows import ClassRows, class_folds
from deltarule.engines.held_out_questions import CompareTraining, HeldOutErrors
from deltarule.losses.loss import Loss
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.solvers.class_metric import ClassMetric
from deltarule.solvers.lbfgs import Metric
from deltarule.solvers.lbfgs_stack import LbfgsStack, StackedPair, with_ridge

# Converged when this share of a ridge's gradient is left, or after so many steps: of three tables,
# one of which is scikit-learn's digits, any share of 1e-4 to 2e-2 chose the same ridge.
LEFT, STEPS = 1e-2, 300
# So many passes of five folds the classes' Hessians may take where a fit has some twenty left.
WORTH = 10
# The Hessians of q inputs take as long as this share of q passes for five folds side by side, and
# their inverses at some ridges as this multiple of q ** 2 / rows.
HESSIAN, INVERSES = 1 / 16, 2


def class_metric(rows: ClassRows, weights: Array, ridge: Array) -> ClassMetric | None:
    """What L-BFGS begins with near weights (d,), with a ridge (q,); None where it costs too much.

    The Hessians of q inputs take as long as q / 16 passes of five fits, and their inverses as a
    third of q ** 2 / rows.
    """
    q, n = len(ridge), sum(len(fold.inputs) for fold in rows.folds.values())
    if q / 16 + q**2 / (3 * n) > WORTH:
        return None
    return ClassMetric(rows.curvature(weights), ridge)


@dataclass
class RidgeWalk:
    """Rows by fold, the folds that each is learnt from, and the weights at each ridge so far."""

    folds: Mapping[int, Batch]
    training_folds: Mapping[int, Sequence[int]]
    frozen: Sequence[Mapping[str, Mask] | None]
    model: Linear
    loss: Loss
    first: Weights
    metric: Metric | None = None
    known: list[tuple[float, Array]] = field(default_factory=list)
    pairs: tuple[StackedPair, ...] = ()
    classes: ClassRows | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._blocks = [
            replace(rows, folds={fold: slice(0, len(rows))}) for fold, rows in self.folds.items()
        ]
        self._fits = list(self.training_folds)
        held = [
            np.zeros(stack(self.first).size, dtype=bool) if one is None else stack(one).ravel()
            for one in self.frozen
        ]
        self._held = np.array(held)
        singles = class_folds(self._blocks) if self.loss.kind == "classes" else None
        if singles:
            intercept = "intercept" in self.first
            self.classes = ClassRows.of(singles, self.training_folds.values(), intercept=intercept)
        self._hessian: Array | None = None
        q, rows = len(stack(self.first)), sum(map(len, self.folds.values()))
        self._hessian_passes = HESSIAN * q + INVERSES * q**2 / rows

    def learnt(self, ridge: float, diagonal: Array) -> list[Weights]:
        """Each fold's weights at a ridge, whose Hessian has this diagonal: (q,)."""
        start, steep = self._near(ridge)
        more = np.repeat(diagonal, stack(self.first).shape[1])
        metric: Metric | ClassMetric | None = self.metric
        if self._hessian is not None:
            metric = ClassMetric(self._hessian, diagonal)
        elif self.metric is not None:
            metric = replace(self.metric, ridge=ridge)
        found = LbfgsStack(
            with_ridge(
                self._sums if self.classes is None else self.classes.gradients, more, self._held
            ),
            metric,
            [one.with_diagonal(more) for one in self.pairs],
            STEPS,
            LEFT,
            steep,
            rounded=self.classes is not None,
        ).run(start)
        self.pairs = tuple(one.with_diagonal(-more) for one in found.pairs)
        self.known.append((ridge, found.weights))
        if self.classes is not None and found.steps > self._hessian_passes:
            self._hessian = self.classes.curvature(found.weights.mean(axis=0))
        return [self._named(one) for one in found.weights]

    def near(self, ridge: float) -> Weights:
        """The mean of the folds' weights at the nearest ridge from above."""
        above = [one for one in self.known if one[0] >= ridge] or self.known
        return self._named(min(above, key=_ridge)[1].mean(axis=0))

    def _sums(self, weights: Array, fits: NDArray[np.intp]) -> tuple[Array, Array]:
        """The mean losses of some folds' training rows (a,), and their gradients (a, d)."""
        named = {self._fits[fit]: self._named(w) for fit, w in zip(fits, weights, strict=True)}
        question = CompareTraining(
            self.loss,
            {fit: self.training_folds[fit] for fit in named},
            HeldOutErrors(self.model, self.loss, named),
            hessian=False,
        )
        sums = reduce(add, map(question.of, self._blocks)).comparisons
        every = [sums[fit] for fit in named]
        rows = np.array([one.rows for one in every])
        gradient = np.array([stack(one.weight_delta).ravel() for one in every])
        return np.array([one.loss for one in every]) / rows, gradient / rows[:, None]

    def _named(self, flat: Array) -> Weights:
        return unstack(flat.reshape(stack(self.first).shape), self.first)

    def _near(self, ridge: float) -> tuple[Array, Array]:
        """A start at a ridge, and the gradients that convergence refers to, NaN for the first.

        The start is between the weights at the nearest ridges on both sides, in the log of the
        ridge; the gradient is what a change of the ridge by a decade leaves.
        """
        above = min((one for one in self.known if one[0] >= ridge), key=_ridge, default=None)
        if above is None:
            start = np.tile(stack(self.first).ravel(), (len(self._fits), 1))
            return start, np.full(len(start), np.nan)
        most, weights = above
        inputs = self.first["weight"].size
        size = np.abs(weights[:, :inputs]).max(axis=1, initial=0.0)
        if not ridge:
            return weights, most * size
        below = max((one for one in self.known if 0 < one[0] < ridge), key=_ridge, default=None)
        if below is None:
            return weights, 9 * ridge * size
        share = float(np.log(most / ridge) / np.log(most / below[0]))
        return weights + share * (below[1] - weights), 9 * ridge * size


def _ridge(known: tuple[float, Array]) -> float:
    return known[0]
