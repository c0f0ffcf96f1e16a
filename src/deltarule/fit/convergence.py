"""Convergence: how near the weights are to the optimum, as figures and in words."""

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.stacked import stack
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import largest
from deltarule.views.format import number

# Further above the minimum, the two errors say more than their ratio.
NEAR = 0.5


@dataclass(frozen=True)
class Convergence:
    """How near the weights are to the optimum; None where unknown.

    `gradient` is the largest weight_delta over all rows, relative to the start; `error` and `least`
    are the mean squared error now and at the optimum; `way` is the distance left to the optimal
    standardised weights, as a share of the distance from the start.
    """

    gradient: float | None = None
    error: float | None = None
    least: float | None = None
    way: float | None = None

    @property
    def above(self) -> float | None:
        """The relative excess of the error over its minimum; None where that is 0 or unknown."""
        if self.error is None or not self.least:
            return None
        return max(self.error / self.least - 1, 0.0)

    @property
    def words(self) -> str:
        """The known figures in words; empty where there are none."""
        said = []
        if self.error is not None and self.least is not None:
            said.append(self._error(self.error, self.least))
        elif self.gradient is not None:
            said.append(f"the largest weight_delta is {self.gradient:.3g} of what it was")
        if self.way is not None:
            said.append(f"{percent(self.way)} of the way to the best weights is left")
        return "; ".join(said)

    def _error(self, now: float, least: float) -> str:
        if self.above is None or self.above > NEAR:
            return f"the mean squared error is {number(now)}, and {number(least)} could be reached"
        near = percent(self.above)
        return f"the mean squared error, {number(now)}, is within {near} of the least"


def gradient_left(now: Weights, start: Weights) -> float | None:
    """The largest weight_delta now, relative to the largest at the start."""
    first, left = largest(start), largest(now)
    return left / first if first and np.isfinite([first, left]).all() else None


def way_left(now: Weights, best: Weights, start: Weights, spread: Array) -> float | None:
    """The remaining distance to the optimum as a share of the start's, in standardised weights.

    Shapes:  spread (p,)
    """
    unit = np.concatenate([spread, np.ones(len(stack(now)) - len(spread))])[:, None]
    whole = float(np.linalg.norm(unit * (stack(start) - stack(best))))
    left = float(np.linalg.norm(unit * (stack(now) - stack(best))))
    return left / whole if whole and np.isfinite([whole, left]).all() else None


def percent(share: float) -> str:
    """A share as a percentage with few digits: 0.31%, 1.5e-08%, 1,200%."""
    return f"{100 * share:.2g}%" if share < 1 else f"{100 * share:,.0f}%"
