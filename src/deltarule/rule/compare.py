"""Compare: how wrong the predictions are, and what that says for each weight.

Whatever the loss,

    scores       = predict(weights, inputs), and an offset if rows have one
    delta        = prediction - target
    weight_delta = slope of the loss in the score * input; often that slope is delta itself

The losses stand in losses/. Shapes: scores s, targets t and offsets (n, k); an offset (n, 1)
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
    """The outcome of comparing: sums over rows, so the comparisons of two parts add up.

    `delta` is prediction - target, whatever the loss makes of it for the weights.

    Shapes:  prediction, delta (k,); weight_delta as the weights; curvature (b, m, m) or None: a
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
        """The same for one row: every sum divided by the rows."""
        return Comparison(
            rows=1.0,
            prediction=self.prediction / self.rows,
            delta=self.delta / self.rows,
            loss=self.loss / self.rows,
            weight_delta={n: a / self.rows for n, a in self.weight_delta.items()},
            hessian=None if self.hessian is None else self.hessian / self.rows,
        )

    def freeze(self, frozen: Mapping[str, Mask]) -> "Comparison":
        """The same with nothing to learn for the frozen weights, so that they stay where they are.

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
    """Rows and what is predicted for them, one by one; `sum` adds up what that says.

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
        """Rows as in `compare`."""
        scores = model.predict(weights, inputs)
        if offsets is not None:
            scores = scores + offsets
        found = parts(loss, scores, targets, expected=expected)
        return cls(model, loss, weights, inputs, targets, row_weights, scores, found)

    def sum(self, rows: slice = slice(None), *, hessian: bool = False) -> Comparison:
        """What these rows, or some of them, say for each weight."""
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
    """Predict these rows, compare with their targets, and sum what that says for each weight.

    `offsets` are added to the scores. `expected` asks for the curvature that the predictions lead
    one to expect, which says how sure the weights are, instead of that of these targets.

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
    """One question to the data: what do its rows say to these weights.

    Rows in memory, batches of a file, moments, a cluster differ only in who answers.
    """

    @property
    def has_hessian(self) -> bool:
        """Whether curvature can be asked for."""
        ...

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison: ...


@dataclass(frozen=True)
class Rows:
    """The objective answered by rows in memory, some at a time.

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
