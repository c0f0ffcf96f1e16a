"""Convergence: how near learning came to the best weights, as figures and in words."""

from dataclasses import dataclass

import numpy as np

from deltarule.rule.predict import Array, Weights, stack
from deltarule.rule.train import largest
from deltarule.views.format import number

# Further above the least, the two errors say more than the share.
NEAR = 0.5


@dataclass(frozen=True)
class Convergence:
    """How near learning came; None where it is not known.

    `gradient` is the largest weight_delta of all rows, as a share of what it was at the start;
    `error` and `least` are the mean squared error now and at best; `way` is the share of the way
    from the start to the best weights that is left, by the length of standardised weights.
    """

    gradient: float | None = None
    error: float | None = None
    least: float | None = None
    way: float | None = None

    @property
    def above(self) -> float | None:
        """By which share the error is above the least; None where that is 0 or unknown."""
        if self.error is None or not self.least:
            return None
        return max(self.error / self.least - 1, 0.0)

    @property
    def words(self) -> str:
        """What is known, in words; empty where nothing is."""
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
    """The largest weight_delta now, as a share of the largest at the start."""
    first, left = largest(start), largest(now)
    return left / first if first and np.isfinite([first, left]).all() else None


def way_left(now: Weights, best: Weights, start: Weights, spread: Array) -> float | None:
    """The share of the way to the best weights that is left, a weight's length by its spread.

    Shapes:  spread (p,)
    """
    unit = np.concatenate([spread, np.ones(len(stack(now)) - len(spread))])[:, None]
    whole = float(np.linalg.norm(unit * (stack(start) - stack(best))))
    left = float(np.linalg.norm(unit * (stack(now) - stack(best))))
    return left / whole if whole and np.isfinite([whole, left]).all() else None


def percent(share: float) -> str:
    """A share as a person reads it: 0.31%, 1.5e-08%, 1,200%."""
    return f"{100 * share:.2g}%" if share < 1 else f"{100 * share:,.0f}%"
