"""Questions of cross-validation: errors on held-out rows, and comparisons with training rows.

Shapes: k outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from deltarule.engines.batch import Batch, ByFold
from deltarule.losses.loss import Loss
from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Array, Linear, Weights


@dataclass(frozen=True)
class TrainingSums:
    """Comparisons for the weights of each fold on its training rows, and its held-out errors.

    Shapes:  errors (k,): summed (prediction - target) ** 2 by the weights learnt without them
    """

    fold_weights: ByFold[Comparison]
    errors: ByFold[Array]

    def __add__(self, other: "TrainingSums") -> "TrainingSums":
        return TrainingSums(self.fold_weights + other.fold_weights, self.errors + other.errors)


@dataclass(frozen=True)
class HeldOutErrors:
    """Summed squared error of each fold's rows by the weights trained without it: (k,)."""

    model: Linear
    loss: Loss
    learnt: Mapping[int, Weights]

    def of(self, batch: Batch) -> ByFold[Array]:
        """The sums over these rows, which are sorted by fold."""
        judged = [fold for fold in batch.folds if fold in self.learnt]  # the first period has none
        scores = np.zeros_like(batch.targets)
        for fold in judged:
            span = batch.folds[fold]
            scores[span] = batch.only(span).scores(self.model, self.learnt[fold])
        off = (self.loss.link.inverse(scores) - batch.targets) ** 2
        spans = {fold: batch.folds[fold] for fold in judged}
        return ByFold({fold: batch.each[span] @ off[span] for fold, span in spans.items()})


@dataclass(frozen=True)
class CompareTraining:
    """Comparisons of each fold's weights with its training rows, and errors on held-out rows.

    `teachers` are the folds that each fold is learnt from. Gradients alone, of which there are many
    more, come without the errors.
    """

    loss: Loss
    teachers: Mapping[int, Sequence[int]]
    errors: HeldOutErrors
    hessian: bool = True

    def of(self, batch: Batch) -> TrainingSums:
        """The sums over these rows, which are sorted by fold."""
        fold_weights = ByFold[Comparison]()
        asked: Weights | None = None
        for fold, teachers in self.teachers.items():
            runs = _runs([span for of, span in batch.folds.items() if of in teachers])
            if not runs:
                continue
            if self.errors.learnt[fold] is not asked:
                asked = self.errors.learnt[fold]
                compared = batch.compare(self.errors.model, self.loss, asked)
            fold_weights[fold] = reduce(
                add, (compared.sum(run, hessian=self.hessian) for run in runs)
            )
        return TrainingSums(fold_weights, self.errors.of(batch) if self.hessian else ByFold())


def _runs(spans: Sequence[slice]) -> list[slice]:
    """The same rows as the fewest contiguous slices; the spans are in order."""
    runs: list[slice] = []
    for span in spans:
        if runs and runs[-1].stop == span.start:
            runs[-1] = slice(runs[-1].start, span.stop)
        else:
            runs.append(span)
    return runs
