"""L-BFGS: Newton's method with a Hessian made of the last steps, from gradients alone.

It takes the place of Newton where a Hessian of all weights is too costly, as of many classes. A
pair of a step and of what it changed in the gradient says how the loss bends along it; PAIRS of
them stand for the inverse Hessian, the last one's scale for all that they do not say.

Shapes: d weights in all, stacked and flattened
"""

from collections import deque
from dataclasses import field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.newton import Curved, Taken

# This share of the mean eigenvalue is added to those of a metric: where predictions are sure the
# Hessian is far below the inputs' products.
SHRUNK = 0.3
# How many pairs of steps and gradients stand for the Hessian.
PAIRS = 20
# A step must lower the loss by this share of what its slope promises (Armijo's condition).
ENOUGH = 1e-4
# Where less of a pair's change in the gradient is along its step, it is rounding.
BENT = 1e-14


@dataclass(frozen=True)
class Pair:
    """A step and the change of the gradient along it: (d,), and one over their product."""

    step: Array
    change: Array
    scale: float


@dataclass(frozen=True)
class QuasiTaken(Taken):
    """State of the line search, with the gradient at its base point and the pairs so far."""

    gradient: Array | None = None
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class Metric:
    """What stands for the inverse Hessian along ways that no pair tells of, up to its scale.

    For the q weights of each output alike: the inverse of the inputs' products and a ridge. Steps
    to 1e-8 of the first gradient: of 256 inputs and 10 classes 43 where a multiple of 1 takes 107;
    of 16 and 26, 104 and 155; of scikit-learn's digits 107 to 129, and 149.

    Shapes:  vectors (q, q), curvature (q,): the eigenvalues of the average Hessian of an output;
             held (q,), the share of the ridge along each, less where the intercept is, which has
             none
    """

    vectors: Array
    curvature: Array
    held: Array
    ridge: float = 0.0

    @classmethod
    def of(cls, hessian: Array, *, intercept: bool) -> "Metric":
        """Of an average Hessian (q, q) that is about right, with the intercept last."""
        values, vectors = np.linalg.eigh(hessian)
        least = SHRUNK * float(values.mean())
        curvature = np.maximum(values, 0.0) + max(least, np.finfo(float).tiny)
        return cls(vectors, curvature, 1 - vectors[-1] ** 2 * intercept)

    def __call__(self, gradient: Array) -> Array:
        """The product with a stacked gradient, flattened, or with several: (..., d) -> (..., d)."""
        q = len(self.curvature)
        vectors, per = self.vectors, 1 / (self.curvature + self.ridge * self.held)
        if gradient.dtype == np.float32:
            vectors, per = self._single, per.astype(np.float32)
        # All of them side by side, in one product.
        own = gradient.reshape(-1, q, gradient.shape[-1] // q).transpose(1, 0, 2)
        turned = vectors @ (per[:, None] * (vectors.T @ own.reshape(q, -1)))
        product: Array = turned.reshape(own.shape).transpose(1, 0, 2).reshape(gradient.shape)
        return product

    @cached_property
    def _single(self) -> Any:
        return self.vectors.astype(np.float32)


@dataclass(frozen=True)
class Lbfgs(Curved):
    """Limited-memory BFGS with backtracking: a step that raised the loss is shortened.

    It begins with the `pairs` of steps that another run took, if it is given any, and with a
    multiple of the `metric`, or of 1.

    Maths:   weight -= share * H @ g, H the inverse Hessian of the pairs (two-loop recursion)
    Source:  Liu & Nocedal 1989; Nocedal & Wright 2006, algorithm 7.4
    """

    pairs: tuple[Pair, ...] = ()
    metric: Metric | None = None

    name: ClassVar[str] = "lbfgs"
    needs_hessian: ClassVar[bool] = False

    @classmethod
    def suited(cls, alphas: AlphaRange, start: Comparison) -> Self:
        return cls()

    def step(
        self, weights: Weights, comparison: Comparison, state: QuasiTaken | None
    ) -> tuple[Weights, QuasiTaken]:
        # Written as "not below" so that a loss that is not a number counts as raised.
        if state and not comparison.loss <= _enough(state):
            taken = replace(state, share=state.shorter(comparison.loss))
        else:
            gradient = stack(comparison.weight_delta)
            flat = gradient.ravel()
            pairs = self.pairs if state is None else _pairs(state, weights, flat)
            direction = _direction(flat, pairs, self.metric)
            slope = float(flat @ direction)
            named = unstack(direction.reshape(gradient.shape), weights)
            taken = QuasiTaken(weights, comparison.loss, named, 1.0, slope, flat, pairs)
        return {n: w - taken.share * taken.direction[n] for n, w in taken.weights.items()}, taken


def _enough(state: QuasiTaken) -> float:
    """The loss that a step must reach, up to rounding."""
    return state.loss - ENOUGH * state.share * state.slope + 1e-12 * abs(state.loss)


def _pairs(state: QuasiTaken, weights: Weights, gradient: Array) -> tuple[Pair, ...]:
    """The pairs, with that of the step that was taken; the oldest are forgotten."""
    assert state.gradient is not None, "a step has a gradient where it begins"
    step = (stack(weights) - stack(state.weights)).ravel()
    pair = pair_of(step, gradient - state.gradient)
    return state.pairs if pair is None else (*state.pairs[-(PAIRS - 1) :], pair)


def pair_of(step: Array, change: Array) -> Pair | None:
    """A step and its change of the gradient; None where that is rounding."""
    bent = float(step @ change)
    return Pair(step, change, 1 / bent) if bent > BENT * float(change @ change) else None


@dataclass
class Recent:
    """The last steps of a run, for the pairs that another run begins with."""

    points: deque[tuple[Array, Array]] = field(default_factory=lambda: deque(maxlen=PAIRS + 1))

    def add(self, weights: Weights, gradient: Weights) -> None:
        """Weights, and the gradient there."""
        self.points.append((stack(weights).ravel(), stack(gradient).ravel()))

    def pairs(self, more: Array | float = 0.0) -> tuple[Pair, ...]:
        """The pairs, of an objective whose Hessian has this diagonal besides: (d,)."""
        found = []
        for (here, slope), (there, next_slope) in pairwise(self.points):
            step = there - here
            found.append(pair_of(step, next_slope - slope + more * step))
        return tuple(pair for pair in found if pair is not None)


def _direction(gradient: Array, pairs: tuple[Pair, ...], metric: Metric | None) -> Array:
    """H @ gradient: (d,). Without pairs and metric the gradient, not longer than 1."""

    def measured(direction: Array) -> Array:
        # Weights that are frozen have no gradient, and no direction.
        return direction if metric is None else np.where(gradient == 0, 0.0, metric(direction))

    if not pairs:
        short = 1.0 if metric is not None else max(1.0, float(np.linalg.norm(gradient)))
        return measured(gradient) / short
    direction, shares = gradient.copy(), deque[float]()
    for pair in reversed(pairs):
        share = pair.scale * float(pair.step @ direction)
        shares.appendleft(share)
        direction -= share * pair.change
    last = pairs[-1]
    direction = measured(direction)
    direction /= last.scale * float(last.change @ measured(last.change))
    for pair, share in zip(pairs, shares, strict=True):
        direction += (share - pair.scale * float(pair.change @ direction)) * pair.step
    return direction
