"""First-order learners with a memory of earlier steps: momentum, Nesterov, Adam.

g is weight_delta, the gradient averaged over rows; alpha is the learning rate.

    momentum   velocity = momentum * velocity + g;  weight -= alpha * velocity
    nesterov   the same velocity;  weight -= alpha * (g + momentum * velocity)
    adam       weight -= alpha * mean of g / root of the mean of g ** 2
"""

from typing import Any, ClassVar, Self

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.stacked import stack
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange
from deltarule.rule.predict import Weights

# With more momentum a learner takes too long to turn; this much where curvature is unknown.
MOST_MOMENTUM = 0.99
USUAL_MOMENTUM = 0.9
# Adam covers the largest distance in about so many steps.
STRIDES = 5
# Adam's epsilon, as a share of the largest weight_delta at the start.
LEAST = 1e-8


def _ratio(alphas: AlphaRange) -> float:
    """(sqrt(L) - sqrt(l)) / (sqrt(L) + sqrt(l)), the convergence rate at the best momentum."""
    large, small = float(np.sqrt(alphas.largest)), float(np.sqrt(alphas.smallest))
    return (large - small) / (large + small) if large else 0.0


class FirstOrder:
    """Base of learners with a learning rate, with what is so of most of them."""

    alpha: float
    needs_hessian: ClassVar[bool] = False
    monotone: ClassVar[bool] = False
    settles: ClassVar[bool] = True
    backtracks: ClassVar[bool] = False

    def alpha_now(self, state: Any) -> float:
        return self.alpha


@dataclass(frozen=True)
class Momentum(FirstOrder):
    """Gradient descent with momentum (heavy ball): each step keeps a share of the one before.

    Maths:   velocity = momentum * velocity + g;  weight -= alpha * velocity
    Source:  Polyak 1964
    """

    alpha: float
    momentum: float = 0.9
    name: ClassVar[str] = "momentum"

    @classmethod
    def suited(cls, alphas: AlphaRange, start: Comparison) -> Self:
        if np.isnan(alphas.smallest):  # the velocity sums up ten steps
            return cls((1 - USUAL_MOMENTUM) * alphas.fastest, USUAL_MOMENTUM)
        share = min(_ratio(alphas) ** 2, MOST_MOMENTUM)
        # At this momentum every direction shrinks by sqrt(share) a step.
        return cls(float((1 + np.sqrt(share)) ** 2 / alphas.largest), share)

    def limit(self, alphas: AlphaRange) -> float:
        return (1 + self.momentum) * alphas.limit

    def start(self, weights: Weights) -> Weights:
        return {n: np.zeros_like(w) for n, w in weights.items()}

    def step(
        self, weights: Weights, comparison: Comparison, state: Weights
    ) -> tuple[Weights, Weights]:
        velocity = {n: self.momentum * state[n] + g for n, g in comparison.weight_delta.items()}
        return {n: w - self.alpha * velocity[n] for n, w in weights.items()}, velocity


@dataclass(frozen=True)
class Nesterov(Momentum):
    """Nesterov momentum: the gradient is taken at the look-ahead point.

    The weights are the look-ahead point, so that the step shown is the one that was taken.

    Maths:   velocity = momentum * velocity + g;  weight -= alpha * (g + momentum * velocity)
    Source:  Nesterov 1983; in this form Sutskever, Martens, Dahl & Hinton 2013
    """

    name: ClassVar[str] = "nesterov"

    @classmethod
    def suited(cls, alphas: AlphaRange, start: Comparison) -> Self:
        if np.isnan(alphas.smallest):
            return cls((1 - USUAL_MOMENTUM) * alphas.fastest, USUAL_MOMENTUM)
        return cls(alphas.limit / 2, min(_ratio(alphas), MOST_MOMENTUM))

    def limit(self, alphas: AlphaRange) -> float:
        # Both roots of z ** 2 - (1 + m) * u * z + m * u, u = 1 - alpha * l, stay within 1.
        return (1 + self.momentum) / (1 + 2 * self.momentum) * alphas.limit

    def step(
        self, weights: Weights, comparison: Comparison, state: Weights
    ) -> tuple[Weights, Weights]:
        g = comparison.weight_delta
        velocity = {n: self.momentum * state[n] + g[n] for n in g}
        moved = {n: self.alpha * (g[n] + self.momentum * velocity[n]) for n in g}
        return {n: w - moved[n] for n, w in weights.items()}, velocity


@dataclass(frozen=True)
class Averages:
    """Adam's state: step count and the running averages of g and of g ** 2."""

    taken: int
    mean: Weights
    square: Weights


@dataclass(frozen=True)
class Adam(FirstOrder):
    """Adam: each weight moves by about alpha, whatever the size of its gradient.

    Maths:   mean = first * mean + (1 - first) * g;  square = second * square + (1 - second) * g**2
             weight -= alpha * (mean / (1 - first**t)) / (sqrt(square / (1 - second**t)) + least)
    Source:  Kingma & Ba 2015, algorithm 1
    """

    alpha: float
    first: float = 0.9
    second: float = 0.999
    least: float = 1e-8
    """Adam's epsilon, which keeps the denominator above 0; in units of weight_delta."""
    name: ClassVar[str] = "adam"
    settles: ClassVar[bool] = False

    @classmethod
    def suited(cls, alphas: AlphaRange, start: Comparison) -> Self:
        assert start.hessian is not None, "every objective here is curved"
        g = np.abs(stack(start.weight_delta))
        own = np.diagonal(start.hessian, axis1=1, axis2=2).reshape(g.T.shape).T
        way = float(np.max(np.divide(g, own, out=np.zeros_like(g), where=own > 0), initial=0.0))
        return cls(way / STRIDES or 1.0, least=LEAST * float(np.max(g, initial=0.0)) or LEAST)

    def limit(self, alphas: AlphaRange) -> float:
        # Its steps are bounded: with too large an alpha it oscillates but does not diverge.
        return np.inf

    def start(self, weights: Weights) -> Averages:
        none = {n: np.zeros_like(w) for n, w in weights.items()}
        return Averages(0, none, none)

    def step(
        self, weights: Weights, comparison: Comparison, state: Averages
    ) -> tuple[Weights, Averages]:
        g, t = comparison.weight_delta, state.taken + 1
        mean = {n: self.first * state.mean[n] + (1 - self.first) * g[n] for n in g}
        square = {n: self.second * state.square[n] + (1 - self.second) * g[n] ** 2 for n in g}
        unbiased, size = 1 - self.first**t, 1 - self.second**t
        moved = {
            n: self.alpha * (mean[n] / unbiased) / (np.sqrt(square[n] / size) + self.least)
            for n in g
        }
        return {n: w - moved[n] for n, w in weights.items()}, Averages(t, mean, square)
