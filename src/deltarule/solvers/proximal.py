"""Proximal learners, for a lasso and ranges: proximal gradient descent and proximal Newton.

The objective's weight_delta is the gradient of its smooth part; the non-smooth part of the penalty
is applied by a proximal step: by `prox` after a gradient step, and inside the quadratic model of a
Newton step. g stands for weight_delta.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange, Descent, Learner
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.box_quadratic import BoxQuadratic
from deltarule.solvers.first_order import FirstOrder
from deltarule.solvers.newton import Curved, Newton, Taken
from deltarule.solvers.penalty import Lasso
from deltarule.solvers.plateau import ReduceOnPlateau, ScheduledLearner


@dataclass(frozen=True)
class ProximalDescent(FirstOrder):
    """Proximal gradient descent (ISTA): a gradient step, then soft thresholding and clipping.

    Maths:   weight = prox(weight - alpha * g, alpha)
    Source:  Daubechies, Defrise & De Mol 2004
    """

    alpha: float
    penalty: Lasso
    name: ClassVar[str] = "descent"
    monotone: ClassVar[bool] = True

    def limit(self, alphas: AlphaRange) -> float:
        return alphas.limit

    def start(self, weights: Weights) -> None:
        return None

    def step(self, weights: Weights, comparison: Comparison, state: None) -> tuple[Weights, None]:
        moved, _ = Descent(self.alpha).step(weights, comparison, state)
        return self.penalty.prox(moved, self.alpha), None


@dataclass(frozen=True)
class ProximalNewton(Curved):
    """Proximal Newton: a quadratic model of the smooth part plus the exact penalty.

    A step that raised the loss is halved, as Newton's is.

    Maths:   weight = argmin over v of g @ d + d @ hessian @ d / 2 + the penalty of v,
             d = v - weight
    Source:  Lee, Sun & Saunders 2014
    """

    penalty: Lasso

    def step(
        self, weights: Weights, comparison: Comparison, state: Taken | None
    ) -> tuple[Weights, Taken]:
        # Written as "not below" so that a loss that is not a number counts as raised.
        if state and not comparison.loss <= state.loss + 1e-12 * abs(state.loss):
            taken = replace(state, share=state.shorter(comparison.loss))
        else:
            best = self._best(weights, comparison)
            direction = {name: array - best[name] for name, array in weights.items()}
            taken = Taken(weights, comparison.loss, direction, 1.0)
            return best, taken
        return {n: w - taken.share * taken.direction[n] for n, w in taken.weights.items()}, taken

    def _best(self, weights: Weights, comparison: Comparison) -> Weights:
        assert comparison.hessian is not None, "train refuses an objective without curvature"
        blocks = len(comparison.hessian)

        def parted(named: Weights) -> Array:
            """One row for each block of the Hessian, output after output."""
            return stack(named).T.reshape(blocks, -1)

        here, g = parted(weights), parted(comparison.weight_delta)
        strength, low, high = map(parted, self.penalty.bounds(weights))
        best = [
            BoxQuadratic(block, block @ here[at] - g[at], strength[at], low[at], high[at]).least(
                here[at]
            )
            for at, block in enumerate(comparison.hessian)
        ]
        outputs = stack(weights).shape[1]
        return unstack(np.reshape(best, (outputs, -1)).T, weights)


PROXIMAL: Mapping[str, Callable[[Any, Lasso], Learner]] = {
    Descent.name: lambda learner, penalty: ProximalDescent(learner.alpha, penalty),
    Newton.name: lambda learner, penalty: ProximalNewton(penalty),
}
"""The proximal version of a learner, by the learner's name, for a penalty that is not smooth."""


def proximal(learner: Learner, penalty: Lasso) -> Learner:
    """The proximal version of a learner.

    Errors:  LearningError for a learner that has none
    """
    if isinstance(learner, ReduceOnPlateau):
        return replace(learner, learner=cast(ScheduledLearner, proximal(learner.learner, penalty)))
    if learner.name not in PROXIMAL:
        names = " or ".join(PROXIMAL)
        raise LearningError(f"{learner.name} does not meet a lasso or ranges: choose {names}")
    return PROXIMAL[learner.name](learner, penalty)
