"""Learn: a learner (optimizer) turns a gradient into a weight update.

    weight -= alpha * weight_delta

A learner is settings and two pure functions: `start` makes its state, `step` gives the next
weights and state. It sees the comparison averaged over rows. The delta rule, gradient descent, is
here; momentum, Adam and Newton are in solvers/.
"""

from typing import Any, ClassVar, Protocol, Self

import numpy as np

from deltarule.dataclass import dataclass
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
    """True for second-order learners, which have no alpha."""
    monotone: ClassVar[bool]
    """True when the loss decreases at every step unless alpha is too large."""
    backtracks: ClassVar[bool]
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
    monotone: ClassVar[bool] = True
    settles: ClassVar[bool] = True
    backtracks: ClassVar[bool] = False

    @classmethod
    def suited(cls, alphas: AlphaRange, start: Comparison) -> Self:
        return cls(alphas.fastest)

    def limit(self, alphas: AlphaRange) -> float:
        return alphas.limit

    def alpha_now(self, state: None) -> float:
        return self.alpha

    def start(self, weights: Weights) -> None:
        return None

    def step(self, weights: Weights, comparison: Comparison, state: None) -> tuple[Weights, None]:
        g = comparison.weight_delta
        return {n: w - self.alpha * g[n] for n, w in weights.items()}, None


def alpha_range(largest: float, smallest: float) -> AlphaRange:
    """The range of alpha that converges, from the extreme eigenvalues of the average Hessian."""
    if largest <= 0:
        return AlphaRange(np.inf, np.inf, largest, smallest)
    return AlphaRange(2 / largest, 2 / (largest + smallest), largest, smallest)


def alpha_range_of(hessian: Array) -> AlphaRange:
    """The same from the average Hessian, (b, m, m); flat directions do not count."""
    values = np.linalg.eigvalsh(hessian)
    largest = float(values.max())
    curved = values[values > largest * hessian.shape[-1] * np.finfo(float).eps]
    return alpha_range(largest, float(curved.min()) if curved.size else largest)
