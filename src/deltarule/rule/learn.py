"""Learn: how what was compared moves the weights.

A learner is settings and two pure functions: `start` makes its state, `step` gives the next
weights and state. It sees the average comparison, one row's worth. g stands for weight_delta.

    descent    weight -= alpha * g
    momentum   velocity = momentum * velocity + g;  weight -= alpha * velocity
    nesterov   the same velocity;  weight -= alpha * (g + momentum * velocity)
    adam       weight -= alpha * mean of g / root of the mean of g ** 2
    newton     weight -= inv(curvature) @ g
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Array, Weights, blocked, stack, unstack

# Where no pivot of the curvature's Cholesky factor is below this share of the largest, eight digits
# of a step are sure.
SURE = 1e-4


@dataclass(frozen=True)
class AlphaRange:
    """What alpha settles: anything below `limit`; `fastest` shrinks the slowest direction most.

    Maths:   limit = 2 / largest eigenvalue of curvature;  fastest = 2 / (largest + smallest)
    """

    limit: float
    fastest: float
    largest: float
    smallest: float


class Learner(Protocol):
    """How the weights move."""

    name: ClassVar[str]
    needs_curvature: ClassVar[bool]
    always_falls: ClassVar[bool]
    """True when the loss falls at every step unless alpha is too large."""
    takes_back: ClassVar[bool]
    """True when it goes back by itself from a step that went too far."""

    def limit(self, alphas: AlphaRange) -> float:
        """Above which alpha it cannot settle, given what plain descent could."""
        ...

    def alpha_now(self, state: Any) -> float | None:
        """The alpha of the next step, None where there is no such thing."""
        ...

    def start(self, weights: Weights) -> Any: ...
    def step(self, weights: Weights, comparison: Comparison, state: Any) -> tuple[Weights, Any]: ...


@dataclass(frozen=True)
class Descent:
    """The rule as it stands.

    Maths:   weight -= alpha * g
    Source:  Widrow & Hoff 1960
    """

    alpha: float
    name: ClassVar[str] = "descent"
    needs_curvature: ClassVar[bool] = False
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
    """The rule with a memory: each step keeps a share of the one before.

    Maths:   velocity = momentum * velocity + g;  weight -= alpha * velocity
    Source:  Polyak 1964
    """

    alpha: float
    momentum: float = 0.9
    name: ClassVar[str] = "momentum"
    needs_curvature: ClassVar[bool] = False
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
    """Momentum that looks ahead: weight_delta is taken where the velocity will have led.

    The weights are those looked at, so that the step shown is the one that was taken.

    Maths:   velocity = momentum * velocity + g;  weight -= alpha * (g + momentum * velocity)
    Source:  Nesterov 1983; in this form Sutskever, Martens, Dahl & Hinton 2013
    """

    alpha: float
    momentum: float = 0.9
    name: ClassVar[str] = "nesterov"
    needs_curvature: ClassVar[bool] = False
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
    """What Adam remembers: steps taken, running averages of g and of g ** 2."""

    taken: int
    mean: Weights
    square: Weights


@dataclass(frozen=True)
class Adam:
    """Each weight moves by about alpha, whatever the size of its weight_delta.

    Maths:   mean = first * mean + (1 - first) * g;  square = second * square + (1 - second) * g**2
             weight -= alpha * (mean / (1 - first**t)) / (sqrt(square / (1 - second**t)) + least)
    Source:  Kingma & Ba 2015, algorithm 1
    """

    alpha: float
    first: float = 0.9
    second: float = 0.999
    least: float = 1e-8
    """Keeps the division sound; in units of weight_delta."""
    name: ClassVar[str] = "adam"
    needs_curvature: ClassVar[bool] = False
    always_falls: ClassVar[bool] = False
    takes_back: ClassVar[bool] = False

    def limit(self, alphas: AlphaRange) -> float:
        # Its steps cannot grow: with too large an alpha it hovers.
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


SHORTEST = 1 / 16
"""The least share of a step that raised the loss which is tried next: an exponential rises so
steeply that no parabola tells where it is least."""


@dataclass(frozen=True)
class Taken:
    """What Newton remembers: where it stepped from, the loss there, the way, how much of it.

    `slope` is how fast the loss falls along the way at its start, NaN where that is not known.
    """

    weights: Weights
    loss: float
    way: Weights
    share: float
    slope: float = np.nan

    def shorter(self, loss: float) -> float:
        """How much of the way to take instead, the loss having risen to this at its end.

        Maths:   where a parabola through both losses and the slope is least, at most half
        """
        if np.isnan(self.slope):
            return self.share / 2
        rise = loss - self.loss + self.slope * self.share
        least = self.slope * self.share**2 / (2 * rise) if np.isfinite(rise) else 0.0
        return min(max(least, self.share * SHORTEST), self.share / 2)


class Curved:
    """What learners share whose curvature takes the place of alpha, and who take back a step."""

    name: ClassVar[str] = "newton"
    needs_curvature: ClassVar[bool] = True
    always_falls: ClassVar[bool] = False
    takes_back: ClassVar[bool] = True

    def limit(self, alphas: AlphaRange) -> float:
        return np.inf

    def alpha_now(self, state: Any) -> None:
        return None

    def start(self, weights: Weights) -> None:
        return None


@dataclass(frozen=True)
class Newton(Curved):
    """The rule with alpha replaced by inverse curvature; a step that raised the loss is shortened.

    Maths:   weight -= inv(curvature) @ g
    Source:  Nocedal & Wright 2006, sections 3.3 and 3.5
    """

    def step(
        self, weights: Weights, comparison: Comparison, state: Taken | None
    ) -> tuple[Weights, Taken]:
        # Written as "not below" so that a loss that is not a number counts as raised.
        if state and not comparison.loss <= state.loss + 1e-12 * abs(state.loss):
            taken = replace(state, share=state.shorter(comparison.loss))
        else:
            assert comparison.curvature is not None, "train refuses an objective without curvature"
            g = stack(comparison.weight_delta)
            blocks = zip(comparison.curvature, blocked(g, comparison.curvature), strict=True)
            solved = np.stack([_solve(h, part, len(g)) for h, part in blocks])
            way = solved.reshape(g.T.shape).T
            slope = float(np.sum(g * way))
            taken = Taken(weights, comparison.loss, unstack(way, weights), 1.0, slope)
        return {n: w - taken.share * taken.way[n] for n, w in taken.weights.items()}, taken


def _solve(curvature: Array, g: Array, q: int) -> Array:
    """inv(curvature) @ g, the shortest answer where curvature is singular.

    The shortest in units that suit each of the q weights an output has, alike for coupled outputs:
    so of steps that change all their scores alike, none is taken.
    """
    diagonal = np.diag(curvature).reshape(-1, q)
    scale = np.tile(np.sqrt(diagonal.mean(axis=0)), len(diagonal))
    scale[scale == 0] = 1.0
    scaled = curvature / np.outer(scale, scale)
    if _sure(scaled):
        sure: Array = np.linalg.solve(scaled, g / scale) / scale
        return sure
    values, vectors = np.linalg.eigh(scaled)
    kept = values > values[-1] * len(g) * np.finfo(float).eps
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=kept)
    solved: Array = vectors @ (inverse * (vectors.T @ (g / scale))) / scale
    return solved


def _sure(curvature: Array) -> bool:
    """Whether it is so far from singular that there is no shortest answer to look for.

    Eigenvalues would tell better, and take fifty times as long: 0.6 s of a thousand weights.
    """
    try:
        pivots = np.diag(np.linalg.cholesky(curvature))
    except np.linalg.LinAlgError:
        return False
    return bool(pivots.min(initial=np.inf) > SURE * pivots.max(initial=0.0))


LEARNERS: Mapping[str, type[Learner]] = {
    kind.name: kind for kind in (Descent, Momentum, Nesterov, Adam, Newton)
}


def alpha_range(largest: float, smallest: float) -> AlphaRange:
    """The range of alpha that settles, from the extreme eigenvalues of the average curvature."""
    if largest <= 0:
        return AlphaRange(np.inf, np.inf, largest, smallest)
    return AlphaRange(2 / largest, 2 / (largest + smallest), largest, smallest)


def alpha_range_of(curvature: Array) -> AlphaRange:
    """The same from average curvature, (b, m, m); directions without any do not count."""
    values = np.linalg.eigvalsh(curvature)
    largest = float(values.max())
    curved = values[values > largest * curvature.shape[-1] * np.finfo(float).eps]
    return alpha_range(largest, float(curved.min()) if curved.size else largest)
