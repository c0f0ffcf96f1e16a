"""Penalties: what large weights cost. Never on the intercept.

Shapes: strength is a number, or (p,) or (p, 1) for a strength for each input; weight (p, k).
"""

from dataclasses import dataclass, replace

import numpy as np

from deltarule.rule.compare import Comparison, Objective
from deltarule.rule.predict import Array, Weights


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


@dataclass(frozen=True)
class Penalised:
    """An objective with a penalty beside its mean loss."""

    objective: Objective
    penalty: Ridge

    @property
    def curved(self) -> bool:
        return self.objective.curved

    def __call__(self, weights: Weights, *, curvature: bool = False) -> Comparison:
        plain = self.objective(weights, curvature=curvature)
        gradient = self.penalty.gradient(weights)
        curved = plain.curvature
        if curved is not None:
            curved = curved + plain.rows * np.diag(self.penalty.curvature(weights))
        return replace(
            plain,
            loss=plain.loss + plain.rows * self.penalty.value(weights),
            weight_delta={n: a + plain.rows * gradient[n] for n, a in plain.weight_delta.items()},
            curvature=curved,
        )
