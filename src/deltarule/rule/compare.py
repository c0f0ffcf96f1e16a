"""Compare: how wrong the predictions are, and what that says for each weight.

A loss comes with the link that makes its slope `prediction - target`: its value and its delta
stand next to each other below, so that one can be checked against the other. Whatever the loss,

    delta        = prediction - target
    weight_delta = delta * input

Shapes: scores s and targets t (n, k). Values are nats per row, or half the squared units of the
target for `Squared`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Protocol

import numpy as np
from scipy.special import expit, gammaln, xlogy

from deltarule.rule.predict import Array, Mask, Model, Weights


class Loss(Protocol):
    """What a row's wrongness counts for, with its link."""

    @property
    def name(self) -> str: ...
    @property
    def takes(self) -> str:
        """The targets it takes, in words; `accepts` tests them."""
        ...

    def accepts(self, targets: Array) -> Mask: ...
    def value(self, scores: Array, targets: Array) -> Array: ...
    def delta(self, scores: Array, targets: Array) -> Array: ...
    def slope(self, scores: Array) -> Array: ...
    def mean(self, scores: Array) -> Array: ...
    def score(self, mean: Array) -> Array: ...
    def least(self, targets: Array) -> Array: ...
    def constant(self, targets: Array) -> Array: ...


@dataclass(frozen=True)
class Squared:
    """Half the squared delta, for targets that are amounts.

    Maths:   value = (s - t) ** 2 / 2;  delta = s - t;  prediction = s
    Units:   half the target's units squared; the error people are shown is delta ** 2
    Source:  Widrow & Hoff 1960

    >>> Squared().delta(np.array([[500_000.0]]), np.array([[99_750_000.0]]))
    array([[-99250000.]])
    """

    name: str = "squared"
    takes: str = "any number"

    def accepts(self, targets: Array) -> Mask:
        return np.isfinite(targets)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.sum((scores - targets) ** 2, axis=1) / 2
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return scores - targets

    def slope(self, scores: Array) -> Array:
        return np.ones_like(scores)

    def mean(self, scores: Array) -> Array:
        return scores

    def score(self, mean: Array) -> Array:
        return mean

    def least(self, targets: Array) -> Array:
        return np.zeros(len(targets))

    def constant(self, targets: Array) -> Array:
        return np.zeros(len(targets))


@dataclass(frozen=True)
class Logistic:
    """The log loss of yes/no targets, or of shares between 0 and 1.

    Maths:   value = log(1 + exp(s)) - t * s;  delta = expit(s) - t;  prediction = expit(s)
    Source:  McCullagh & Nelder 1989, section 4.3

    >>> Logistic().delta(np.array([[0.0]]), np.array([[1.0]]))
    array([[-0.5]])
    """

    name: str = "logistic"
    takes: str = "true/false, or numbers from 0 to 1"

    def accepts(self, targets: Array) -> Mask:
        return (targets >= 0) & (targets <= 1)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.sum(np.logaddexp(0.0, scores) - targets * scores, axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return expit(scores) - targets

    def slope(self, scores: Array) -> Array:
        return expit(scores) * expit(-scores)

    def mean(self, scores: Array) -> Array:
        return expit(scores)

    def score(self, mean: Array) -> Array:
        return np.log(mean) - np.log1p(-mean)

    def least(self, targets: Array) -> Array:
        both = xlogy(targets, targets) + xlogy(1 - targets, 1 - targets)
        least: Array = -np.sum(both, axis=1)
        return least

    def constant(self, targets: Array) -> Array:
        return np.zeros(len(targets))


@dataclass(frozen=True)
class Poisson:
    """The Poisson loss, for targets that are counts.

    Maths:   value = exp(s) - t * s;  delta = exp(s) - t;  prediction = exp(s)
    Source:  McCullagh & Nelder 1989, section 6.2

    >>> Poisson().delta(np.array([[0.0]]), np.array([[3.0]]))
    array([[-2.]])
    """

    name: str = "poisson"
    takes: str = "numbers of 0 or more"

    def accepts(self, targets: Array) -> Mask:
        return (targets >= 0) & np.isfinite(targets)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.sum(np.exp(scores) - targets * scores, axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return np.exp(scores) - targets

    def slope(self, scores: Array) -> Array:
        return np.exp(scores)

    def mean(self, scores: Array) -> Array:
        return np.exp(scores)

    def score(self, mean: Array) -> Array:
        return np.log(mean)

    def least(self, targets: Array) -> Array:
        least: Array = np.sum(targets - xlogy(targets, targets), axis=1)
        return least

    def constant(self, targets: Array) -> Array:
        constant: Array = np.sum(gammaln(targets + 1), axis=1)
        return constant


LOSSES: Mapping[str, Loss] = {loss.name: loss for loss in (Squared(), Logistic(), Poisson())}


@dataclass(frozen=True)
class Comparison:
    """The outcome of comparing: sums over rows, so the comparisons of two parts add up.

    Shapes:  prediction, delta (k,); weight_delta as the weights; curvature (k, q, q) or None
    """

    rows: float
    prediction: Array
    delta: Array
    loss: float
    weight_delta: Weights
    curvature: Array | None = None

    def __add__(self, other: "Comparison") -> "Comparison":
        both = self.curvature is not None and other.curvature is not None
        return Comparison(
            rows=self.rows + other.rows,
            prediction=self.prediction + other.prediction,
            delta=self.delta + other.delta,
            loss=self.loss + other.loss,
            weight_delta={n: a + other.weight_delta[n] for n, a in self.weight_delta.items()},
            curvature=self.curvature + other.curvature if both else None,  # type: ignore[operator]  # both says so
        )

    def average(self) -> "Comparison":
        """The same for one row: every sum divided by the rows."""
        return Comparison(
            rows=1.0,
            prediction=self.prediction / self.rows,
            delta=self.delta / self.rows,
            loss=self.loss / self.rows,
            weight_delta={n: a / self.rows for n, a in self.weight_delta.items()},
            curvature=None if self.curvature is None else self.curvature / self.rows,
        )

    def freeze(self, frozen: Mapping[str, Mask]) -> "Comparison":
        """The same with nothing to learn for the frozen weights, so that they stay where they are.

        Shapes:  frozen as the weights, True where a weight must not move
        """
        weight_delta = {n: np.where(frozen[n], 0.0, a) for n, a in self.weight_delta.items()}
        curvature = self.curvature
        if curvature is not None:
            held = np.concatenate([np.atleast_2d(frozen[n]) for n in weight_delta]).T  # (k, q)
            crossed = held[:, :, None] | held[:, None, :]
            curvature = np.where(crossed, np.eye(held.shape[1]) * self.rows, curvature)
        return replace(self, weight_delta=weight_delta, curvature=curvature)


def compare(
    model: Model,
    loss: Loss,
    *,
    weights: Weights,
    inputs: Array,
    targets: Array,
    row_weights: Array | None = None,
    curvature: bool = False,
) -> Comparison:
    """Predict these rows, compare with their targets, and sum what that says for each weight.

    Shapes:  inputs (n, p), targets (n, k), row_weights (n,): a row of weight 3 counts as three rows
    """
    scores = model.predict(weights, inputs)
    each = np.ones((len(inputs), 1)) if row_weights is None else row_weights[:, None]
    delta = loss.delta(scores, targets) * each
    return Comparison(
        rows=float(each.sum()),
        prediction=(loss.mean(scores) * each).sum(axis=0),
        delta=delta.sum(axis=0),
        loss=float(loss.value(scores, targets) @ each[:, 0]),
        weight_delta=model.weight_delta(weights, inputs, delta),
        curvature=model.curvature(inputs, loss.slope(scores) * each) if curvature else None,
    )


class Objective(Protocol):
    """One question to the data: what do its rows say to these weights.

    Rows in memory, batches of a file, moments, a cluster differ only in who answers.
    """

    @property
    def curved(self) -> bool:
        """Whether curvature can be asked for."""
        ...

    def __call__(self, weights: Weights, *, curvature: bool = False) -> Comparison: ...


@dataclass(frozen=True)
class Rows:
    """The objective answered by rows in memory, some at a time.

    Shapes:  inputs (n, p), targets (n, k), row_weights (n,) or None
    """

    model: Model
    loss: Loss
    inputs: Array
    targets: Array
    row_weights: Array | None = None
    at_once: int = 8192
    curved: bool = True

    def __call__(self, weights: Weights, *, curvature: bool = False) -> Comparison:
        def part(start: int) -> Comparison:
            rows = slice(start, start + self.at_once)
            return compare(
                self.model,
                self.loss,
                weights=weights,
                inputs=self.inputs[rows],
                targets=self.targets[rows],
                row_weights=None if self.row_weights is None else self.row_weights[rows],
                curvature=curvature,
            )

        return reduce(add, map(part, range(0, len(self.inputs), self.at_once)))
