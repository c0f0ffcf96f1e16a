"""Penalties: what large weights cost. Never on the intercept.

A penalty may have a smooth part, which has a gradient and a curvature, and a part with a kink at
zero, which has neither and is met by `prox`: of all weights, those that best trade that part of the
penalty, times a step, against half the squared distance from here.

Shapes: strength is a number, or (p,) or (p, 1) for a strength for each input; weight (p, k).
"""

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from deltarule.rule.compare import Comparison, Objective
from deltarule.rule.predict import Array, Mask, Weights


class Penalty(Protocol):
    """What large weights cost; `gradient` and `curvature` are those of the smooth part."""

    def value(self, weights: Weights) -> float: ...
    def gradient(self, weights: Weights) -> Weights: ...
    def curvature(self, weights: Weights) -> Array: ...
    def prox(self, weights: Weights, step: float) -> Weights: ...


@dataclass(frozen=True)
class Ridge:
    """Half the squared weights times a strength, beside the mean loss.

    Maths:   value = sum(strength * weight ** 2) / 2;  gradient = strength * weight
    Source:  Hoerl & Kennard 1970

    >>> Ridge(np.array([[2.0]])).value({"weight": np.array([[3.0]])})
    9.0
    """

    strength: Array

    @property
    def _column(self) -> Array:
        column: Array = np.reshape(self.strength, (-1, 1))
        return column

    def value(self, weights: Weights) -> float:
        return float(np.sum(self._column * weights["weight"] ** 2) / 2)

    def gradient(self, weights: Weights) -> Weights:
        return {
            n: self._column * a if n == "weight" else np.zeros_like(a) for n, a in weights.items()
        }

    def curvature(self, weights: Weights) -> Array:
        """The diagonal, in the order curvature has the weights: (q,)."""
        inputs = len(weights["weight"])
        diagonal = np.zeros(inputs + len(weights) - 1)
        diagonal[:inputs] = np.broadcast_to(self._column, (inputs, 1))[:, 0]
        return diagonal

    def prox(self, weights: Weights, step: float) -> Weights:
        """The weights as they are: all of a ridge is smooth."""
        return weights


def shrink(weight: Array, by: Array | float, *, positive: Mask | bool = False) -> Array:
    """Weights moved towards zero by so much, and no further; `positive` ones never below zero.

    Maths:   argmin over v of (v - weight) ** 2 / 2 + by * abs(v), v >= 0 where `positive`
    Shapes:  any that broadcast with weight, which is what comes back

    >>> shrink(np.array([3.0, -3.0, 0.5]), 1.0)
    array([ 2., -2.,  0.])
    """
    # Clipped and taken away, so that what is within reach of zero comes out as exactly zero.
    return weight - np.clip(weight, np.where(positive, -np.inf, -by), by)


@dataclass(frozen=True)
class Lasso:
    """The absolute weights times a strength; with a ridge beside it, the elastic net.

    Maths:   value = sum(strength * abs(weight)) + ridge's value, infinite where a weight that must
             be `positive` is below zero; gradient, curvature = the ridge's;
             prox = shrink(weight, step * strength)
    Shapes:  positive (p,), True where a weight may not be below zero
    Source:  Tibshirani 1996; Zou & Hastie 2005

    >>> Lasso(np.array(0.5)).prox({"weight": np.array([[3.0], [-0.2]])}, 2.0)["weight"]
    array([[2.],
           [0.]])
    """

    strength: Array
    ridge: Ridge = field(default_factory=lambda: Ridge(np.zeros(1)))
    positive: Mask | None = None

    @property
    def _column(self) -> Array:
        column: Array = np.reshape(self.strength, (-1, 1))
        return column

    @property
    def _positive(self) -> Mask:
        positive = np.zeros(1, dtype=bool) if self.positive is None else self.positive
        column: Mask = np.reshape(positive, (-1, 1))
        return column

    def value(self, weights: Weights) -> float:
        weight = weights["weight"]
        if np.any(self._positive & (weight < 0)):
            return float(np.inf)
        return float(np.sum(self._column * np.abs(weight))) + self.ridge.value(weights)

    def gradient(self, weights: Weights) -> Weights:
        return self.ridge.gradient(weights)

    def curvature(self, weights: Weights) -> Array:
        """The ridge's diagonal: the kink at zero has none."""
        return self.ridge.curvature(weights)

    def prox(self, weights: Weights, step: float) -> Weights:
        """The weights shrunk by what a step of this length takes; the intercept stays."""
        shrunk = shrink(weights["weight"], step * self._column, positive=self._positive)
        return {**weights, "weight": shrunk}


@dataclass(frozen=True)
class Penalised:
    """An objective with a penalty beside its mean loss.

    `weight_delta` and `curvature` are those of the smooth part: of a penalty with a kink, the rest
    is for the learner to meet, by `penalty.prox`.
    """

    objective: Objective
    penalty: Penalty

    @property
    def curved(self) -> bool:
        return self.objective.curved

    def __call__(self, weights: Weights, *, curvature: bool = False) -> Comparison:
        plain = self.objective(weights, curvature=curvature)
        gradient = self.penalty.gradient(weights)
        curved = plain.curvature
        if curved is not None:
            diagonal = np.diag(self.penalty.curvature(weights))
            # Where outputs are coupled, the matrix of all of them has it once for each.
            curved = curved + plain.rows * np.kron(
                np.eye(curved.shape[1] // len(diagonal)), diagonal
            )
        return replace(
            plain,
            loss=plain.loss + plain.rows * self.penalty.value(weights),
            weight_delta={n: a + plain.rows * gradient[n] for n, a in plain.weight_delta.items()},
            curvature=curved,
        )
