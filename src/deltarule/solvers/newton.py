"""Newton's method: the learning rate replaced by the inverse Hessian, with a line search."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from deltarule.moments.one_hot_hessian import one_hot
from deltarule.moments.stacked import blocked, stack, unstack
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.one_hot_newton import newton_direction

# Where no pivot of the Hessian's Cholesky factor is below this share of the largest, eight digits
# of a step are sure.
SURE = 1e-4


SHORTEST = 1 / 16
"""The least share of a step that raised the loss which is tried next: an exponential rises so
steeply that no parabola tells where it is least."""


@dataclass(frozen=True)
class Taken:
    """State of the line search: the base point, the loss there, the direction, the step length.

    `slope` is the directional derivative at the base point, negated; NaN where unknown.
    """

    weights: Weights
    loss: float
    way: Weights
    share: float
    slope: float = np.nan

    def shorter(self, loss: float) -> float:
        """Backtracking: a shorter step length, the loss having risen to this at its end.

        Maths:   the minimiser of the parabola through both losses and the slope, at most half
        """
        if np.isnan(self.slope):
            return self.share / 2
        rise = loss - self.loss + self.slope * self.share
        least = self.slope * self.share**2 / (2 * rise) if np.isfinite(rise) else 0.0
        return min(max(least, self.share * SHORTEST), self.share / 2)


class Curved:
    """Base of the second-order learners: no alpha, and a step that raised the loss is shortened."""

    name: ClassVar[str] = "newton"
    needs_hessian: ClassVar[bool] = True
    always_falls: ClassVar[bool] = False
    settles: ClassVar[bool] = True
    takes_back: ClassVar[bool] = True

    def limit(self, alphas: AlphaRange) -> float:
        return np.inf

    def alpha_now(self, state: Any) -> None:
        return None

    def start(self, weights: Weights) -> None:
        return None


@dataclass(frozen=True)
class Newton(Curved):
    """Newton's method with backtracking: a step that raised the loss is shortened.

    Maths:   weight -= inv(hessian) @ g
    Source:  Nocedal & Wright 2006, sections 3.3 and 3.5
    """

    @classmethod
    def suited(cls, alphas: AlphaRange, start: Comparison) -> Self:
        return cls()

    def step(
        self, weights: Weights, comparison: Comparison, state: Taken | None
    ) -> tuple[Weights, Taken]:
        # Written as "not below" so that a loss that is not a number counts as raised.
        if state and not comparison.loss <= state.loss + 1e-12 * abs(state.loss):
            taken = replace(state, share=state.shorter(comparison.loss))
        else:
            assert comparison.hessian is not None, "train refuses an objective without curvature"
            g = stack(comparison.weight_delta)
            solved = _directions(comparison.hessian, g)
            way = solved.reshape(g.T.shape).T
            slope = float(np.sum(g * way))
            taken = Taken(weights, comparison.loss, unstack(way, weights), 1.0, slope)
        return {n: w - taken.share * taken.way[n] for n, w in taken.weights.items()}, taken


def _directions(hessian: Array, g: Array) -> Array:
    """inv(hessian) @ g by block, the gradient stacked: (b, m, m), (q, k) -> (b, m)."""
    if (levels := one_hot(hessian)) is not None:
        found = [newton_direction(levels, at, one) for at, one in enumerate(g.T)]
        known = [one for one in found if one is not None]
        if len(known) == len(found):
            return np.stack(known)
        hessian = np.asarray(hessian)
    blocks = zip(hessian, blocked(g, hessian), strict=True)
    return np.stack([_solve(h, part, len(g)) for h, part in blocks])


def _solve(hessian: Array, g: Array, q: int) -> Array:
    """inv(hessian) @ g, the minimum-norm solution where the Hessian is singular.

    The norm is scaled for each of an output's q weights, alike for coupled outputs, so that the
    step has no part that changes all their scores alike.
    """
    diagonal = np.diag(hessian).reshape(-1, q)
    scale = np.tile(np.sqrt(diagonal.mean(axis=0)), len(diagonal))
    scale[scale == 0] = 1.0
    scaled = hessian / np.outer(scale, scale)
    if _sure(scaled):
        sure: Array = np.linalg.solve(scaled, g / scale) / scale
        return sure
    values, vectors = np.linalg.eigh(scaled)
    kept = values > values[-1] * len(g) * np.finfo(float).eps
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=kept)
    solved: Array = vectors @ (inverse * (vectors.T @ (g / scale))) / scale
    return solved


def _sure(hessian: Array) -> bool:
    """Whether the Hessian is well conditioned, so that no minimum-norm solution is needed.

    Eigenvalues would tell better, and take fifty times as long: 0.6 s for a thousand weights.
    """
    try:
        pivots = np.diag(np.linalg.cholesky(hessian))
    except np.linalg.LinAlgError:
        return False
    return bool(pivots.min(initial=np.inf) > SURE * pivots.max(initial=0.0))
