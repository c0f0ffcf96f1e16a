"""Learn: the optimizers (learners) that turn a gradient into a weight update.

A learner is settings and two pure functions: `start` makes its state, `step` gives the next
weights and state. It sees the comparison averaged over rows. g is weight_delta, the gradient;
alpha is the learning rate.

    descent    weight -= alpha * g
    momentum   velocity = momentum * velocity + g;  weight -= alpha * velocity
    nesterov   the same velocity;  weight -= alpha * (g + momentum * velocity)
    adam       weight -= alpha * mean of g / root of the mean of g ** 2
    newton     weight -= inv(hessian) @ g
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Array, Weights


@dataclass(frozen=True)
class AlphaRange:
    """Learning rates that converge: any below `limit`; `fastest` has the best convergence rate.

    Maths:   limit = 2 / largest eigenvalue of the Hessian;  fastest = 2 / (largest + smallest)
    """

    limit: float
    fastest: float
    largest: float
    smallest: float


class Learner(Protocol):
    """An optimizer: settings with pure `start` and `step`."""

    name: ClassVar[str]
    needs_hessian: ClassVar[bool]
    always_falls: ClassVar[bool]
    """True when the loss decreases at every step unless alpha is too large."""
    takes_back: ClassVar[bool]
    """True when it backtracks by itself from a step that was too long."""

    def limit(self, alphas: AlphaRange) -> float:
        """The alpha above which it diverges, given the range for gradient descent."""
        ...

    def alpha_now(self, state: Any) -> float | None:
        """The alpha of the next step; None for learners without a learning rate."""
        ...

    def start(self, weights: Weights) -> Any: ...
    def step(self, weights: Weights, comparison: Comparison, state: Any) -> tuple[Weights, Any]: ...


@dataclass(frozen=True)
class Descent:
    """Gradient descent: the delta rule.

    Maths:   weight -= alpha * g
    Source:  Widrow & Hoff 1960
    """

    alpha: float
    name: ClassVar[str] = "descent"
    needs_hessian: ClassVar[bool] = False
    always_falls: ClassVar[bool] = True
    takes_back: ClassVar[bool] = False

    def limit(self, alphas: AlphaRange) -> float:
        return alphas.limit

    def alpha_now(self, state: None) -> float:
        return self.alpha

    def start(self, weights: Weights) -> None:
        return None

    def step(self, weights: Weights, comparison: Comparison, state: None) -> tuple[Weights, None]:
        g = comparison.weight_delta
        return {n: w - self.alpha * g[n] for n, w in weights.items()}, None


@dataclass(frozen=True)
class Momentum:
    """Gradient descent with momentum (heavy ball): each step keeps a share of the one before.

    Maths:   velocity = momentum * velocity + g;  weight -= alpha * velocity
    Source:  Polyak 1964
    """

    alpha: float
    momentum: float = 0.9
    name: ClassVar[str] = "momentum"
    needs_hessian: ClassVar[bool] = False
    always_falls: ClassVar[bool] = False
    takes_back: ClassVar[bool] = False

    def limit(self, alphas: AlphaRange) -> float:
        return (1 + self.momentum) * alphas.limit

    def alpha_now(self, state: Weights) -> float:
        return self.alpha

    def start(self, weights: Weights) -> Weights:
        return {n: np.zeros_like(w) for n, w in weights.items()}

    def step(
        self, weights: Weights, comparison: Comparison, state: Weights
    ) -> tuple[Weights, Weights]:
        velocity = {n: self.momentum * state[n] + g for n, g in comparison.weight_delta.items()}
        return {n: w - self.alpha * velocity[n] for n, w in weights.items()}, velocity


@dataclass(frozen=True)
class Nesterov:
    """Nesterov momentum: the gradient is taken at the look-ahead point.

    The weights are the look-ahead point, so that the step shown is the one that was taken.

    Maths:   velocity = momentum * velocity + g;  weight -= alpha * (g + momentum * velocity)
    Source:  Nesterov 1983; in this form Sutskever, Martens, Dahl & Hinton 2013
    """

    alpha: float
    momentum: float = 0.9
    name: ClassVar[str] = "nesterov"
    needs_hessian: ClassVar[bool] = False
    always_falls: ClassVar[bool] = False
    takes_back: ClassVar[bool] = False

    def limit(self, alphas: AlphaRange) -> float:
        # Both roots of z ** 2 - (1 + m) * u * z + m * u, u = 1 - alpha * l, stay within 1.
        return (1 + self.momentum) / (1 + 2 * self.momentum) * alphas.limit

    def alpha_now(self, state: Weights) -> float:
        return self.alpha

    def start(self, weights: Weights) -> Weights:
        return {n: np.zeros_like(w) for n, w in weights.items()}

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
class Adam:
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
    needs_hessian: ClassVar[bool] = False
    always_falls: ClassVar[bool] = False
    takes_back: ClassVar[bool] = False

    def limit(self, alphas: AlphaRange) -> float:
        # Its steps are bounded: with too large an alpha it oscillates but does not diverge.
        return np.inf

    def alpha_now(self, state: Averages) -> float:
        return self.alpha

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


def alpha_range(largest: float, smallest: float) -> AlphaRange:
    """The range of alpha that converges, from the extreme eigenvalues of the average Hessian."""
    if largest <= 0:
        return AlphaRange(np.inf, np.inf, largest, smallest)
    return AlphaRange(2 / largest, 2 / (largest + smallest), largest, smallest)


def alpha_range_of(hessian: Array) -> AlphaRange:
    """The same from the average Hessian, (b, m, m); flat directions do not count."""
    values = np.linalg.eigvalsh(hessian)
    largest = float(values.max())
    has_hessian = values[values > largest * hessian.shape[-1] * np.finfo(float).eps]
    return alpha_range(largest, float(has_hessian.min()) if has_hessian.size else largest)
