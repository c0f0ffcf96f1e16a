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

# Numbers of a block of rows times the outputs of all fits: 0.5 MB.
SIDE_BY_SIDE = 65_536


@dataclass(frozen=True)
class TrainingSums:
    """Comparisons for the weights of each fold on its training rows, and its held-out errors.

    Shapes:  errors (k,): summed (prediction - target) ** 2 by the weights learnt without them
    """

    comparisons: ByFold[Comparison]
    errors: ByFold[Array]

    def __add__(self, other: "TrainingSums") -> "TrainingSums":
        return TrainingSums(self.comparisons + other.comparisons, self.errors + other.errors)


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

    `training_folds` are the folds that each fold is learnt from. Gradients alone, of which there
    are many more, come without the errors.
    """

    loss: Loss
    training_folds: Mapping[int, Sequence[int]]
    errors: HeldOutErrors
    hessian: bool = True

    def of(self, batch: Batch) -> TrainingSums:
        """The sums over these rows, which are sorted by fold."""
        if not self.hessian:
            return TrainingSums(self._side_by_side(batch), ByFold())
        comparisons = ByFold[Comparison]()
        asked: Weights | None = None
        for fold, training_folds in self.training_folds.items():
            runs = _runs([span for of, span in batch.folds.items() if of in training_folds])
            if not runs:
                continue
            if self.errors.learnt[fold] is not asked:
                asked = self.errors.learnt[fold]
                compared = batch.compare(self.errors.model, self.loss, asked)
            comparisons[fold] = reduce(
                add, (compared.sum(run, hessian=self.hessian) for run in runs)
            )
        return TrainingSums(comparisons, self.errors.of(batch))

    def _side_by_side(self, batch: Batch) -> ByFold[Comparison]:
        """Gradients alone: of each fold's rows, for all that are learnt from them at once."""
        found = ByFold[Comparison]()
        for of, span in batch.folds.items():
            learning = [
                fold for fold, training_folds in self.training_folds.items() if of in training_folds
            ]
            if learning and span.stop > span.start:
                weights = [self.errors.learnt[fold] for fold in learning]
                sums = gradients_of(batch.only(span), self.errors.model, self.loss, weights)
                found = found + ByFold(zip(learning, sums, strict=True))
        return found


def gradients_of(
    batch: Batch,
    model: Linear,
    loss: Loss,
    fits: Sequence[Weights],
    each: Array | None = None,
) -> list[Comparison]:
    """The comparisons of all rows with each of the weights: losses and gradients alone.

    In blocks that stay in the cache, with one product for the weights of all of them, an output of
    all fits beside the next one, so that the loss takes them as so many rows more.

    Shapes:  each (m, n), the rows' weights in each of m fits; without, those of the batch
    """
    k, m = batch.targets.shape[1], len(fits)
    together = {name: _beside([one[name] for one in fits]) for name in fits[0]}
    some = max(SIDE_BY_SIDE // (k * m), 128)
    losses, slopes = np.zeros(m), list[Weights]()
    for start in range(0, len(batch), some):
        part = batch.only(slice(start, start + some))
        n = len(part)
        scores = np.asarray(model.predict(together, part.inputs).T).reshape(k, m, n)
        if part.offsets is not None:
            scores = scores + part.offsets.T[:, None]
        targets = np.tile(part.targets.T, m).T
        parts = loss.parts(scores.reshape(k, m * n).T, targets)
        delta, value = parts.delta.T.reshape(k * m, n), parts.value.reshape(m, n)
        if each is not None:
            own = each[:, start : start + some]
            delta, value = (delta.reshape(k, m, n) * own).reshape(k * m, n), value * own
        elif part.row_weights is not None:
            delta, value = delta * part.row_weights, value * part.row_weights
        losses += value.sum(axis=1)
        slopes.append(model.weight_delta(together, part.inputs, delta.T))
    gradient = {name: reduce(add, (one[name] for one in slopes)) for name in slopes[0]}
    rows = [float(batch.each.sum())] * m if each is None else each.sum(axis=1).tolist()
    unknown = np.full(k, np.nan)
    by_fit = {name: array.reshape(*array.shape[:-1], k, m) for name, array in gradient.items()}
    slopes_of = [{name: array[..., at] for name, array in by_fit.items()} for at in range(m)]
    return [
        Comparison(rows[at], unknown, unknown, float(losses[at]), slopes_of[at]) for at in range(m)
    ]


def _beside(arrays: Sequence[Array]) -> Array:
    """Weights of several fits, an output of all fits beside the next: (..., k) -> (..., k * m)."""
    both = np.stack(arrays, axis=-1)
    return both.reshape(*both.shape[:-2], -1)


def _runs(spans: Sequence[slice]) -> list[slice]:
    """The same rows as the fewest contiguous slices; the spans are in order."""
    runs: list[slice] = []
    for span in spans:
        if runs and runs[-1].stop == span.start:
            runs[-1] = slice(runs[-1].start, span.stop)
        else:
            runs.append(span)
    return runs
