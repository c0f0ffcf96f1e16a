"""Compare: loss, delta, gradient and Hessian of the current weights, summed over rows.

    scores       = predict(weights, inputs), and an offset if rows have one
    delta        = prediction - target
    weight_delta = d loss / d score * input (the gradient); often d loss / d score is delta itself

Shapes: scores s, targets t and offsets (n, k); an offset (n, 1) is the same for all outputs.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from deltarule.dataclass import dataclass, replace
from deltarule.rule.predict import Array, Inputs, Mask, Model, Weights


class Link(Protocol):
    """The link function: the score of a prediction; its inverse, the prediction of a score."""

    def __call__(self, mean: Array) -> Array: ...
    def inverse(self, scores: Array) -> Array: ...


class Loss(Protocol):
    """A loss: a formula of scores and targets, and a link. The losses are in losses/.

    Shapes:  value (n,), summed over the outputs; delta, its derivative in the scores, (n, k);
             hessian (n, k), or (n, k, k) where outputs are coupled; expected without targets
    """

    @property
    def link(self) -> Link: ...
    def value(self, scores: Array, targets: Array) -> Array: ...
    def delta(self, scores: Array, targets: Array) -> Array: ...
    def hessian(self, scores: Array, targets: Array | None = None) -> Array: ...
    def parts(self, scores: Array, targets: Array) -> "Parts":
        """All of it: `separately`, or at once where the parts share work."""
        ...


@dataclass(frozen=True)
class Parts:
    """Prediction, value, delta and Hessian of a loss at some rows, with shapes as in `Loss`."""

    prediction: Array
    value: Array
    delta: Array
    hessian: Array


def separately(loss: Loss, scores: Array, targets: Array) -> Parts:
    """The parts of a loss, each computed by itself."""
    value, delta = loss.value(scores, targets), loss.delta(scores, targets)
    return Parts(loss.link.inverse(scores), value, delta, loss.hessian(scores, targets))


@dataclass(frozen=True)
class Comparison:
    """Loss, delta, gradient and Hessian as sums over rows; comparisons of disjoint rows add.

    `delta` is prediction - target, whatever the derivative of the loss is.

    Shapes:  prediction, delta (k,); weight_delta as the weights; hessian (b, m, m) or None: a
             matrix for each output, (k, q, q), or one for all where they are coupled
    """

    rows: float
    prediction: Array
    delta: Array
    loss: float
    weight_delta: Weights
    hessian: Array | None = None

    def __add__(self, other: "Comparison") -> "Comparison":
        one, more = self.hessian, other.hessian
        return Comparison(
            rows=self.rows + other.rows,
            prediction=self.prediction + other.prediction,
            delta=self.delta + other.delta,
            loss=self.loss + other.loss,
            weight_delta={n: a + other.weight_delta[n] for n, a in self.weight_delta.items()},
            hessian=None if one is None or more is None else one + more,
        )

    def average(self) -> "Comparison":
        """The mean over rows: every sum divided by the row count."""
        return Comparison(
            rows=1.0,
            prediction=self.prediction / self.rows,
            delta=self.delta / self.rows,
            loss=self.loss / self.rows,
            weight_delta={n: a / self.rows for n, a in self.weight_delta.items()},
            hessian=None if self.hessian is None else self.hessian / self.rows,
        )

    def freeze(self, frozen: Mapping[str, Mask]) -> "Comparison":
        """With zero gradient where `frozen`, masks as the weights, so that these do not move."""
        weight_delta = {n: np.where(frozen[n], 0.0, a) for n, a in self.weight_delta.items()}
        hessian: Any = self.hessian
        if hessian is not None:
            masks = np.vstack([np.atleast_2d(frozen[n]) for n in weight_delta])
            held = masks.T.reshape(len(hessian), -1)
            if isinstance(hessian, np.ndarray):
                crossed = held[:, :, None] | held[:, None, :]
                hessian = np.where(crossed, np.eye(held.shape[1]) * self.rows, hessian)
            else:  # it stands in for an array
                hessian = hessian.freeze(held, self.rows)
        return replace(self, weight_delta=weight_delta, hessian=hessian)


@dataclass(frozen=True)
class Compared:
    """Rows beside their targets at some weights; `sum` reduces them to a `Comparison`.

    Shapes:  inputs (n, p), scores, targets (n, k), row_weights (n,) or None
    """

    model: Model
    loss: Loss
    weights: Weights
    inputs: Inputs
    targets: Array
    row_weights: Array | None
    scores: Array
    parts: Parts

    def sum(self, rows: slice = slice(None), *, hessian: bool = False) -> Comparison:
        """The comparison of these rows or of a slice of them."""
        inputs, parts = self.inputs[rows], self.parts
        mean, value = parts.prediction[rows], parts.value[rows]
        delta, curved = parts.delta[rows], parts.hessian[rows]
        off, count = mean - self.targets[rows], float(len(mean))
        if self.row_weights is not None:
            each = self.row_weights[rows]
            count = float(each.sum())
            mean, delta, off = (array * each[:, None] for array in (mean, delta, off))
            value, curved = value * each, curved * each.reshape(-1, *[1] * (curved.ndim - 1))
        return Comparison(
            rows=count,
            prediction=mean.sum(axis=0),
            delta=off.sum(axis=0),
            loss=float(value.sum()),
            weight_delta=self.model.weight_delta(self.weights, inputs, delta),
            hessian=self.model.hessian(inputs, curved) if hessian else None,
        )


def compare(
    model: Model,
    loss: Loss,
    *,
    weights: Weights,
    inputs: Inputs,
    targets: Array,
    row_weights: Array | None = None,
    offsets: Array | None = None,
    expected: bool = False,
) -> Compared:
    """Predict these rows and compare them with their targets; `.sum()` adds them up.

    `offsets` are added to the scores. `expected` gives the expected Hessian (Fisher information),
    which standard errors need, instead of the observed one.

    Shapes:  inputs (n, p), targets (n, k), row_weights (n,): a row of weight 3 counts as three
             rows; offsets (n, k) or (n, 1)
    """
    scores = model.predict(weights, inputs)
    if offsets is not None:
        scores = scores + offsets
    parts = loss.parts(scores, targets)
    if expected:
        parts = replace(parts, hessian=loss.hessian(scores))
    return Compared(model, loss, weights, inputs, targets, row_weights, scores, parts)


class Objective(Protocol):
    """The objective function: weights -> loss, gradient and Hessian over all rows.

    Rows in memory, batches of a file, moments and clusters each implement it.
    """

    @property
    def has_hessian(self) -> bool: ...
    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison: ...
