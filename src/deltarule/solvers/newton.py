"""Newton's method: the learning rate replaced by the inverse Hessian, with a line search."""

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.one_hot_hessian import one_hot
from deltarule.moments.stacked import blocked, stack, unstack
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.cholesky import Cholesky
from deltarule.solvers.one_hot_newton import newton_direction

# Where no pivot of the Hessian's Cholesky factor is below this share of the largest, eight digits
# of a step are sure.
SURE = 1e-4

# Directions along which all classes move alike are flat below this share of the largest curvature.
FLAT = 1e-11
# With these filled, a pivot this small is curvature, not rounding: four digits of a step are sure.
FILLED_SURE = 1e-6
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
    direction: Weights
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
    """Base of learners without alpha, from the Hessian or what stands for it.

    A step that raised the loss is shortened.
    """

    name: ClassVar[str] = "newton"
    needs_hessian: ClassVar[bool] = True
    monotone: ClassVar[bool] = False
    settles: ClassVar[bool] = True
    backtracks: ClassVar[bool] = True

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
            direction = solved.reshape(g.T.shape).T
            slope = float(np.sum(g * direction))
            taken = Taken(weights, comparison.loss, unstack(direction, weights), 1.0, slope)
        return {n: w - taken.share * taken.direction[n] for n, w in taken.weights.items()}, taken


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
    diagonal = hessian.diagonal().reshape(-1, q)
    scale = np.concatenate([np.sqrt(diagonal.mean(axis=0))] * len(diagonal))
    scale[scale == 0] = 1.0
    scaled, side = hessian / (scale[:, None] * scale), g / scale
    if len(scaled) > q:
        scaled, side = _filled(scaled, side, q)
    factor = _factor(scaled, SURE if len(scaled) == q else FILLED_SURE)
    if factor is not None:
        return np.asarray(factor.solve(side) / scale)
    values, vectors = np.linalg.eigh(scaled)
    kept = values > values[-1] * len(g) * np.finfo(float).eps
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=kept)
    return np.asarray(vectors @ (inverse * (vectors.T @ side)) / scale)


def _filled(scaled: Array, side: Array, q: int) -> tuple[Array, Array]:
    """A Hessian of coupled outputs with its known null space filled, and the gradient without it.

    Adding the same to a weight of all c classes changes nothing. With the projector on such
    directions added, the solution is the one without any part along them, and a Cholesky factor
    gives it: for 650 weights in 8 ms, eigenvectors in 200.

    Shapes:  scaled (c * q, c * q), side (c * q,)
    """
    classes = len(scaled) // q
    blocks = scaled.reshape(classes, q, classes, q)
    common = np.abs(blocks.sum(axis=2)).max(axis=(0, 1))
    flat = np.flatnonzero(common < FLAT * np.abs(scaled.diagonal()).max(initial=0.0))
    filled, gradient = blocks.copy(), side.reshape(classes, q).copy()
    filled[:, flat, :, flat] += 1 / classes
    gradient[:, flat] -= gradient[:, flat].mean(axis=0)
    return filled.reshape(scaled.shape), gradient.ravel()


def _factor(hessian: Array, least: float) -> Cholesky | None:
    """The Cholesky factor of a well conditioned Hessian; None where a minimum norm is needed.

    Eigenvalues would tell better, and take fifty times as long: 0.6 s for a thousand weights.
    """
    factor = Cholesky.of(hessian)
    if factor is None:
        return None
    pivots = factor.root.diagonal()
    sure = pivots.min(initial=np.inf) > least * pivots.max(initial=0.0)
    return factor if sure else None
