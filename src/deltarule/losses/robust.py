"""Losses that outliers pull less, or that aim beside the middle: huber, absolute, quantile.

Each has a unit that only the residuals can tell, so it is learnt in rounds: learn, ask `again`
for the loss to learn with next, until that is None.

Shapes: scores s and targets t (n, k); of one output residuals u = t - s, its targets, and what
each row counts for, (n,).
"""

from dataclasses import dataclass, replace

import numpy as np

from deltarule.losses.links import Identity
from deltarule.rule.predict import Array

# A normal's median distance from its middle, in standard deviations.
NORMAL_MEDIAN = 0.6744897501960817
# Two spreads this close are the same: below it the weights move in their last digits only.
SPREAD_STAYS = 1e-12
# What rounding may hide of the loss. Where most rows are met exactly there is none to compare
# with: then the least width beside the first, and beside targets whose own last digits show.
HIDDEN = 1e-11
NARROWEST = 1e-13
FINEST = 4 * np.finfo(float).eps
# Each round the kink is rounded over so much less: smaller rounds cost more Newton steps in all.
NARROWER = 8.0


def quantile_of(values: Array, each: Array, share: float) -> float:
    """The value that a share of the rows lies below, a row of weight 3 counting as three.

    Where two values are as good, their middle, as the median of two numbers is.
    """
    order = np.argsort(values, kind="stable")
    values, below = values[order], np.cumsum(each[order])
    aim = share * below[-1]
    # The sum of weights rounds, so a share that falls on a row's end is met to some last digits.
    slack = 4 * np.finfo(float).eps * below[-1]
    first, last = np.searchsorted(below, [aim - slack, aim + slack])
    top = len(values) - 1
    return float(values[min(first, top)] + values[min(last, top)]) / 2


def spread_of(residuals: Array, each: Array) -> float:
    """Their standard deviation if they are normal, whatever half of them does otherwise.

    Maths:   median(|u|) / 0.6745
    """
    return quantile_of(np.abs(residuals), each, 0.5) / NORMAL_MEDIAN


@dataclass(frozen=True)
class Huber(Identity):
    """Squared loss up to a threshold, beyond it straight: an outlier pulls no harder than that.

    Maths:   u = t - s;  c = threshold * spread;  value = u ** 2 / 2 up to |u| = c,
             c * |u| - c ** 2 / 2 beyond;  delta = s - t, at most c either way;  prediction = s
    Units:   half the target's units squared; threshold in spreads of the residuals, which is
             their median distance from 0 over 0.6745, found along with the weights; 1.345 gives
             up 5% where the residuals are normal
    Source:  Huber 1964; Huber & Ronchetti 2009, section 7.8

    >>> Huber(threshold=2.0, spread=10.0).delta(np.array([[500.0]]), np.array([[100.0]]))
    array([[20.]])
    """

    threshold: float = 1.345
    spread: float = 1.0
    dispersion: str = "robust"

    @property
    def name(self) -> str:
        return f"huber({repr(self.threshold).removesuffix('.0')})"

    @property
    def _most(self) -> float:
        return self.threshold * self.spread

    def value(self, scores: Array, targets: Array) -> Array:
        off = np.abs(scores - targets)
        inside = np.minimum(off, self._most)
        value: Array = np.sum(inside * (off - inside / 2), axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return np.clip(scores - targets, -self._most, self._most)

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        if targets is None:
            return np.ones_like(scores)
        inside: Array = (np.abs(scores - targets) <= self._most).astype(float)
        return inside

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.full(len(targets), np.nan)

    def again(
        self, residuals: Array, targets: Array, each: Array, *, first: bool = False
    ) -> "Huber | None":
        """The same with the spread of these residuals; None if that is the spread it has."""
        spread = spread_of(residuals, each)
        if not first and abs(spread - self.spread) <= SPREAD_STAYS * self.spread:
            return None
        return replace(self, spread=spread)

    def narrowed(self, share: float) -> "Huber":
        """The same: there is no kink to round."""
        return self

    @property
    def rest(self) -> str:
        return f"the spread of the residuals stays at {self.spread:.6g}"

    def best(self, targets: Array, each: Array) -> float:
        """The score that is best for all rows: unknown, as finding it takes steps of its own."""
        return np.nan


@dataclass(frozen=True)
class Quantile(Identity):
    """The loss whose best constant is a quantile; of one half, it is half the absolute delta.

    Maths:   u = t - s;  value = share * u above 0, (share - 1) * u below;  delta = 1 - share
             where the score is too high, -share where too low;  prediction = s
             rounded: r = hypot(u, width);  value = (share - 1 / 2) * u + r / 2;
             delta = (1 - u / r) / 2 - share;  slope = width ** 2 / (2 * r ** 3)
    Units:   the target's; absolute loss is half of |delta|, and its error twice that
    Source:  Koenker & Bassett 1978

    >>> Quantile(0.9).delta(np.array([[5.0]]), np.array([[7.0]]))
    array([[-0.9]])
    """

    share: float = 0.5
    width: float = 0.0
    widest: float = 0.0
    dispersion: str = "unknown"

    @property
    def name(self) -> str:
        return "absolute" if self.share == 0.5 else f"quantile({self.share!r})"

    @property
    def says(self) -> str:
        return "the median of {}" if self.share == 0.5 else f"the {self.share!r} quantile of {{}}"

    def value(self, scores: Array, targets: Array) -> Array:
        u = targets - scores
        value: Array = np.sum((self.share - 0.5) * u + np.hypot(u, self.width) / 2, axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        over = scores - targets
        if not self.width:
            return np.heaviside(over, self.share) - self.share
        return (1 + over / np.hypot(over, self.width)) / 2 - self.share

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        if targets is None:
            return np.ones_like(scores)
        if not self.width:
            return np.zeros_like(scores)
        r = np.hypot(scores - targets, self.width)
        slope: Array = (self.width / r) ** 2 / (2 * r)
        return slope

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.full(len(targets), np.nan)

    def again(
        self, residuals: Array, targets: Array, each: Array, *, first: bool = False
    ) -> "Quantile | None":
        """The same, rounded less; None when what the rounding hides no longer matters.

        At the best weights of the rounded loss its deltas solve the dual problem nearly, and the
        true loss is above the least there is by at most the sum of value + delta * u.
        """
        if first:
            width = float(each @ np.abs(residuals)) / float(each.sum())
            return replace(self, width=width, widest=width)
        if not self.width:
            return None  # met exactly from the start
        off = np.abs(residuals)
        r = np.hypot(off, self.width)
        hidden = float(each @ (off * self.width * (self.width / (r * (r + off))))) / 2
        # Beside the loss of a row in the middle, not of all: one far row would outweigh the rest.
        middle = quantile_of(off, each, 0.5) * float(each.sum()) / 2
        finest = max(NARROWEST * self.widest, FINEST * quantile_of(np.abs(targets), each, 0.5))
        if hidden <= HIDDEN * middle or self.width <= finest:
            return None
        return replace(self, width=self.width / NARROWER)

    def narrowed(self, share: float) -> "Quantile":
        """The same with its kink rounded over a share of the width it has."""
        return replace(self, width=self.width * share)

    @property
    def rest(self) -> str:
        return f"rounding the kink hides less than {HIDDEN:g} of the loss"

    def best(self, targets: Array, each: Array) -> float:
        """The score that is best for all rows."""
        return quantile_of(targets, each, self.share)
