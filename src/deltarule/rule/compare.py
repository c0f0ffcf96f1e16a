"""Compare: loss, delta, gradient and Hessian of the current weights, summed over rows.

For every loss,

    scores       = predict(weights, inputs), and an offset if rows have one
    delta        = prediction - target
    weight_delta = d loss / d score * input (the gradient); often d loss / d score is delta itself

The losses are in losses/. Shapes: scores s, targets t and offsets (n, k); an offset (n, 1)
is the same for all outputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Protocol

import numpy as np

from deltarule.rule.loss import Loss, Parts, parts
from deltarule.rule.predict import Array, Inputs, Mask, Model, Weights, blocked, stack


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
        """This comparison with zero gradient for the frozen weights, so that they do not move.

        Shapes:  frozen as the weights, True where a weight must not move
        """
        weight_delta = {n: np.where(frozen[n], 0.0, a) for n, a in self.weight_delta.items()}
        hessian = self.hessian
        if hessian is not None:
            every = stack({n: frozen[n].astype(float) for n in weight_delta})
            held = blocked(every, hessian) > 0
            crossed = held[:, :, None] | held[:, None, :]
            hessian = np.where(crossed, np.eye(held.shape[1]) * self.rows, hessian)
        return replace(self, weight_delta=weight_delta, hessian=hessian)


@dataclass(frozen=True)
class Compared:
    """Rows with their scores and targets; `sum` reduces them to a `Comparison`.

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

    @classmethod
    def of(
        cls,
        model: Model,
        loss: Loss,
        *,
        weights: Weights,
        inputs: Inputs,
        targets: Array,
        row_weights: Array | None = None,
        offsets: Array | None = None,
        expected: bool = False,
    ) -> "Compared":
        """Score the rows, with arguments as in `compare`."""
        scores = model.predict(weights, inputs)
        if offsets is not None:
            scores = scores + offsets
        found = parts(loss, scores, targets, expected=expected)
        return cls(model, loss, weights, inputs, targets, row_weights, scores, found)

    def sum(self, rows: slice = slice(None), *, hessian: bool = False) -> Comparison:
        """The comparison of these rows or of a slice of them."""
        inputs, mean, delta = (
            self.inputs[rows],
            self.parts.inverse_link[rows],
            self.parts.delta[rows],
        )
        value, slope = self.parts.value[rows], self.parts.hessian[rows]
        off, count = mean - self.targets[rows], float(len(mean))
        if self.row_weights is not None:
            each = self.row_weights[rows]
            count = float(each.sum())
            mean, delta, off = (array * each[:, None] for array in (mean, delta, off))
            value, slope = value * each, slope * each.reshape(-1, *[1] * (slope.ndim - 1))
        return Comparison(
            rows=count,
            prediction=mean.sum(axis=0),
            delta=off.sum(axis=0),
            loss=float(value.sum()),
            weight_delta=self.model.weight_delta(self.weights, inputs, delta),
            hessian=self.model.hessian(inputs, slope) if hessian else None,
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
    hessian: bool = False,
    expected: bool = False,
) -> Comparison:
    """Predict these rows and sum their loss, delta, gradient and, if wanted, Hessian.

    `offsets` are added to the scores. `expected` gives the expected Hessian (Fisher information),
    which standard errors need, instead of the observed one.

    Shapes:  inputs (n, p), targets (n, k), row_weights (n,): a row of weight 3 counts as three
             rows; offsets (n, k) or (n, 1)
    """
    found = Compared.of(
        model,
        loss,
        weights=weights,
        inputs=inputs,
        targets=targets,
        row_weights=row_weights,
        offsets=offsets,
        expected=expected,
    )
    return found.sum(hessian=hessian)


class Objective(Protocol):
    """The objective function: weights -> loss, gradient and Hessian over all rows.

    Rows in memory, batches of a file, moments and clusters each implement it.
    """

    @property
    def has_hessian(self) -> bool:
        """Whether it can give a Hessian."""
        ...

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison: ...


@dataclass(frozen=True)
class Rows:
    """The objective over rows in memory, evaluated in blocks of rows.

    Shapes:  inputs (n, p), targets (n, k), row_weights (n,) or None, offsets (n, k) or (n, 1)
    """

    model: Model
    loss: Loss
    inputs: Inputs
    targets: Array
    row_weights: Array | None = None
    offsets: Array | None = None
    expected: bool = False
    at_once: int = 8192
    has_hessian: bool = True

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        def part(start: int) -> Comparison:
            rows = slice(start, start + self.at_once)
            return compare(
                self.model,
                self.loss,
                weights=weights,
                inputs=self.inputs[rows],
                targets=self.targets[rows],
                row_weights=None if self.row_weights is None else self.row_weights[rows],
                offsets=None if self.offsets is None else self.offsets[rows],
                hessian=hessian,
                expected=self.expected,
            )

        return reduce(add, map(part, range(0, len(self.inputs), self.at_once)))
