"""Class rows: losses and gradients of classes for several fits at once, in single precision.

Fits that share rows, such as those of cross-validation, are asked side by side: one product of a
fold's rows with the weights of all fits that learn from it. What a row's target adds is the same
for all weights, so it is summed once, and a pass needs no targets:

    loss     = sum over rows of log(sum(exp(s))) - sum(w * x.T @ t)
    gradient = x.T @ softmax(s) - x.T @ t

Single precision takes half the time, for exponentials and products alike. Gradients are then right
to some 1e-7 of the inputs' spread: enough to compare penalties and to judge held-out rows by, not
for the weights that are shown.

Shapes: n rows of a fold, q inputs with the intercept, k classes, m fits, d = q * k weights of each
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.batch import Batch
from deltarule.rule.predict import Array

Singles = NDArray[np.float32]

# Numbers of a block of rows times the classes of all fits: 0.2 MB, which stays in the cache.
CELLS, FEWEST_ROWS = 50_000, 128


@dataclass(frozen=True)
class ClassFold:
    """Rows of a fold: inputs with a last one of 1 (n, q), row weights (n,) or None for 1.

    `target_sums` (q, k) is x.T @ t, and `total` the rows' weight.
    """

    inputs: Singles
    each: Singles | None
    target_sums: Array
    total: float


def class_folds(batches: Iterable[Batch]) -> dict[int, ClassFold] | None:
    """Each fold's rows, of batches sorted by fold; None with offsets, or categories as codes."""
    parts: dict[int, list[Batch]] = {}
    for batch in batches:
        if batch.offsets is not None or not isinstance(batch.inputs, np.ndarray):
            return None
        for fold, span in batch.folds.items():
            parts.setdefault(fold, []).append(batch.only(span))
    return {fold: _fold(parts[fold]) for fold in sorted(parts)}


@dataclass(frozen=True)
class ClassRows:
    """Rows by fold, and the folds that each fit is learnt from.

    Shapes:  target_sums (m, q, k), total (m,): the sums over a fit's folds
    """

    folds: Mapping[int, ClassFold]
    training_folds: Sequence[Sequence[int]]
    target_sums: Array = field(repr=False)
    total: Array = field(repr=False)

    @classmethod
    def of(
        cls,
        folds: Mapping[int, ClassFold],
        training_folds: Iterable[Sequence[int]],
        *,
        intercept: bool,
    ) -> "ClassRows":
        """Fits of these folds, with or without the input of 1."""
        if not intercept:
            folds = {
                of: replace(one, inputs=one.inputs[:, :-1], target_sums=one.target_sums[:-1])
                for of, one in folds.items()
            }
        learnt = [[fold for fold in one if fold in folds] for one in training_folds]
        none = np.zeros_like(next(iter(folds.values())).target_sums)
        target_sums = [sum((folds[fold].target_sums for fold in one), none) for one in learnt]
        total = [sum(folds[fold].total for fold in one) for one in learnt]
        return cls(folds, learnt, np.array(target_sums), np.array(total, dtype=float))

    def gradients(self, weights: Array, fits: NDArray[np.intp]) -> tuple[Array, Array]:
        """The mean losses (a,) and their gradients (a, d) of some fits at their weights (a, d)."""
        target_sums = self.target_sums[fits]
        a, q, k = target_sums.shape
        own = weights.reshape(a, q, k)
        by_class = own.transpose(0, 2, 1).astype(np.float32, order="C")
        losses, slopes = np.zeros(a), np.zeros((a, k, q))
        for fold, rows in self.folds.items():
            learning = [at for at, fit in enumerate(fits) if fold in self.training_folds[fit]]
            if learning:
                asked = by_class if len(learning) == a else by_class[learning]
                loss, slope = _sums(rows, asked)
                losses[learning] += loss
                slopes[learning] += slope
        losses -= np.einsum("aqk,aqk->a", own, target_sums)
        gradient = slopes.transpose(0, 2, 1) - target_sums
        # What moves all classes alike is rounding.
        gradient -= gradient.mean(axis=2, keepdims=True)
        return losses / self.total[fits], gradient.reshape(a, -1) / self.total[fits, None]

    def products(self, weights: Array, fit: int = 0) -> Callable[[Array], Array]:
        """The product of a fit's average Hessian at its weights (d,) with a vector: (d,) -> (d,).

        Predictions are kept, so that a product needs no exponential.
        """
        q, k = self.target_sums.shape[1:]
        by_class = weights.reshape(q, k).T.astype(np.float32, order="C")[None]
        kept = [
            (x, mean[0], each)
            for fold in self.training_folds[fit]
            for x, each, mean, _ in _blocks(self.folds[fold], by_class)
        ]
        total = self.total[fit]

        def product(vector: Array) -> Array:
            direction = vector.reshape(q, k).T.astype(np.float32, order="C")
            whole = np.zeros((k, q))
            for x, mean, each in kept:
                move = np.dot(direction, x.T)
                move -= np.sum(mean * move, axis=0)
                move *= mean if each is None else mean * each
                whole += np.dot(move, x)
            turned: Array = (whole - whole.mean(axis=0)).T.ravel() / total
            return turned

        return product

    def curvature(self, weights: Array) -> Array:
        """The average Hessian of each class with itself at weights (d,), of all rows: (k, q, q)."""
        rows = list(self.folds.values())
        q, k = rows[0].target_sums.shape
        by_class = weights.reshape(q, k).T.astype(np.float32, order="C")[None]
        whole = np.zeros((k, q, q))
        for fold in rows:
            for x, each, (mean,), _ in _blocks(fold, by_class):
                bent = mean * (1 - mean)
                for own, slope in zip(whole, bent if each is None else bent * each, strict=True):
                    rooted = x * np.sqrt(slope)[:, None]
                    own += np.dot(rooted.T, rooted)
        whole /= sum(fold.total for fold in rows)
        return whole


def _fold(parts: Sequence[Batch]) -> ClassFold:
    """The rows of a fold, from their parts."""
    n, (p, k) = sum(map(len, parts)), (parts[0].inputs.shape[1], parts[0].targets.shape[1])
    inputs, target_sums, start = np.ones((n, p + 1), dtype=np.float32), np.zeros((p + 1, k)), 0
    for part in parts:
        inputs[start : start + len(part), :p] = part.inputs
        targets = part.targets if part.row_weights is None else part.targets * part.each[:, None]
        target_sums[:p] += np.dot(targets.T, part.array).T
        target_sums[p] += targets.sum(axis=0)
        start += len(part)
    weighed = any(part.row_weights is not None for part in parts)
    each = np.concatenate([part.each for part in parts])
    return ClassFold(
        inputs, each.astype(np.float32) if weighed else None, target_sums, float(each.sum())
    )


def _blocks(
    fold: ClassFold, weights: Singles
) -> Iterable[tuple[Singles, Singles | None, Singles, Singles]]:
    """Blocks of rows, their weights, predictions (m, k, n) and the logs of sum(exp(s)) (m, n)."""
    m, k, q = weights.shape
    beside, some = weights.reshape(m * k, q), max(CELLS // (m * k), FEWEST_ROWS)
    for start in range(0, len(fold.inputs), some):
        x = fold.inputs[start : start + some]
        scores = np.dot(beside, x.T).reshape(m, k, -1)
        top = scores.max(axis=1)
        scores -= top[:, None]
        np.exp(scores, out=scores)
        total = scores.sum(axis=1)
        scores /= total[:, None]
        np.log(total, out=total)
        total += top
        yield x, None if fold.each is None else fold.each[start : start + some], scores, total


def _sums(fold: ClassFold, weights: Singles) -> tuple[Array, Array]:
    """Of some fits, without what targets add: the losses (m,), and the gradients (m, k, q)."""
    m, k, q = weights.shape
    losses, slopes = np.zeros(m), np.zeros((m * k, q))
    for x, each, mean, logs in _blocks(fold, weights):
        if each is not None:
            mean *= each
            logs *= each
        losses += logs.sum(axis=1, dtype=np.float64)
        slopes += np.dot(mean.reshape(m * k, -1), x)
    return losses, slopes.reshape(m, k, q)
