"""Robust and quantile losses: Huber, absolute, quantile.

Each has a scale or a smoothing width that depends on the residuals, so it is fitted in rounds:
fit, call `again` for the loss of the next round, until that is None.

Shapes: scores s and targets t (n, k); of one output residuals u = t - s, its targets, and what
each row counts for, (n,).
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.losses.links import IDENTITY
from deltarule.losses.loss import MEAN, Kind, Link
from deltarule.rule.compare import separately
from deltarule.rule.predict import Array, Mask

# The median absolute deviation of a normal distribution, in standard deviations.
NORMAL_MEDIAN = 0.6744897501960817
# Relative tolerance of the spread: below it the weights move in their last digits only.
SPREAD_STAYS = 1e-12
# Tolerance of the duality gap, relative to the loss. Where most rows are fitted exactly the loss
# is 0: then the least width relative to the first, and to targets at their last digits.
HIDDEN = 1e-11
NARROWEST = 1e-13
FINEST = 4 * np.finfo(float).eps
# Factor by which each round narrows the smoothing: smaller ones cost more Newton steps in all.
NARROWER = 8.0


def quantile_of(values: Array, each: Array, share: float) -> float:
    """The weighted quantile, a row of weight 3 counting as three.

    Between two equally good values it is their midpoint, as for the median of two numbers.
    """
    order = np.argsort(values, kind="stable")
    values, below = values[order], np.cumsum(each[order])
    aim = share * below[-1]
    # The sum of weights rounds, so a share on the edge of a row is matched to some last digits.
    slack = 4 * np.finfo(float).eps * below[-1]
    first, last = np.searchsorted(below, [aim - slack, aim + slack])
    top = len(values) - 1
    return float(values[min(first, top)] + values[min(last, top)]) / 2


def spread_of(residuals: Array, each: Array) -> float:
    """The robust spread (MAD scaled to the normal), with a breakdown point of one half.

    Maths:   median(|u|) / 0.6745
    """
    return quantile_of(np.abs(residuals), each, 0.5) / NORMAL_MEDIAN


@dataclass(frozen=True)
class Huber:
    """Huber loss: squared up to a threshold, linear beyond, so an outlier's pull is bounded.

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
    width: ClassVar[float] = 0.0
    vertex: ClassVar[bool] = False
    kind: ClassVar[Kind] = "amount"
    link: ClassVar[Link] = IDENTITY
    closed_form: ClassVar[bool] = False
    error_name: ClassVar[str] = "Huber loss"
    error_scale: ClassVar[float] = 1.0
    guess: ClassVar[str] = MEAN
    takes: ClassVar[str] = "any number"
    says: ClassVar[str] = "{}"
    dispersion: ClassVar[str] = "robust"
    power: ClassVar[float | None] = 0.0
    parts = separately

    @property
    def name(self) -> str:
        return f"huber({repr(self.threshold).removesuffix('.0')})"

    @property
    def _most(self) -> float:
        return self.threshold * self.spread

    def accepts(self, targets: Array) -> Mask:
        return np.isfinite(targets)

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

    def saturated(self, targets: Array) -> Array:
        return np.zeros(len(targets))

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.full(len(targets), np.nan)

    def again(
        self, residuals: Array, targets: Array, each: Array, *, first: bool = False
    ) -> "Huber | None":
        """The loss with the spread of these residuals; None when the spread has converged."""
        spread = spread_of(residuals, each)
        if not first and abs(spread - self.spread) <= SPREAD_STAYS * self.spread:
            return None
        return replace(self, spread=spread)

    def narrowed(self, share: float) -> "Huber":
        """The same loss: there is no kink to smooth."""
        return self

    @property
    def rest(self) -> str:
        return f"the spread of the residuals stays at {self.spread:.6g}"

    def centre(self, targets: Array, each: Array) -> float:
        """The weighted median."""
        return quantile_of(targets, each, 0.5)

    def best(self, targets: Array, each: Array) -> float:
        """The best constant score: unknown, as it has no closed form."""
        return np.nan


@dataclass(frozen=True)
class Quantile:
    """Quantile (pinball) loss, optionally smoothed; at one half it is half the absolute delta.

    Maths:   u = t - s;  value = share * u above 0, (share - 1) * u below;  delta = 1 - share
             where the score is too high, -share where too low;  prediction = s
             smoothed: r = hypot(u, width);  value = (share - 1 / 2) * u + r / 2;
             delta = (1 - u / r) / 2 - share;  hessian = width ** 2 / (2 * r ** 3)
    Units:   the target's; absolute loss is half of |delta|, and its error twice that
    Source:  Koenker & Bassett 1978

    >>> Quantile(0.9).delta(np.array([[5.0]]), np.array([[7.0]]))
    array([[-0.9]])
    """

    share: float = 0.5
    width: float = 0.0
    widest: float = 0.0
    spread: ClassVar[float] = np.inf
    vertex: ClassVar[bool] = True
    kind: ClassVar[Kind] = "amount"
    link: ClassVar[Link] = IDENTITY
    closed_form: ClassVar[bool] = False
    takes: ClassVar[str] = "any number"
    dispersion: ClassVar[str] = "unknown"
    power: ClassVar[float | None] = 0.0
    parts = separately

    @property
    def name(self) -> str:
        return "absolute" if self.share == 0.5 else f"quantile({self.share!r})"

    @property
    def error_name(self) -> str:
        return "absolute error" if self.share == 0.5 else "quantile (pinball) loss"

    @property
    def error_scale(self) -> float:
        return 2.0 if self.share == 0.5 else 1.0

    @property
    def says(self) -> str:
        return f"{self.guess} of {{}}"

    @property
    def guess(self) -> str:
        """The best constant prediction, in words."""
        return "the median" if self.share == 0.5 else f"the {self.share!r} quantile"

    def accepts(self, targets: Array) -> Mask:
        return np.isfinite(targets)

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
        hessian: Array = (self.width / r) ** 2 / (2 * r)
        return hessian

    def saturated(self, targets: Array) -> Array:
        return np.zeros(len(targets))

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.full(len(targets), np.nan)

    def again(
        self, residuals: Array, targets: Array, each: Array, *, first: bool = False
    ) -> "Quantile | None":
        """The loss with less smoothing; None when the duality gap is within tolerance.

        At the optimum of the smoothed loss its deltas are nearly dual feasible, and the true loss
        is above its minimum by at most the duality gap, the sum of value + delta * u.
        """
        if first:
            width = float(each @ np.abs(residuals)) / float(each.sum())
            return replace(self, width=width, widest=width)
        if not self.width:
            return None  # fitted exactly from the start
        off = np.abs(residuals)
        r = np.hypot(off, self.width)
        hidden = float(each @ (off * self.width * (self.width / (r * (r + off))))) / 2
        # Relative to the median row's loss, not to the total: one outlier would outweigh the rest.
        middle = quantile_of(off, each, 0.5) * float(each.sum()) / 2
        finest = max(NARROWEST * self.widest, FINEST * quantile_of(np.abs(targets), each, 0.5))
        if hidden <= HIDDEN * middle or self.width <= finest:
            return None
        return replace(self, width=self.width / NARROWER)

    def narrowed(self, share: float) -> "Quantile":
        """The loss smoothed over a share of its width."""
        return replace(self, width=self.width * share)

    @property
    def rest(self) -> str:
        return f"rounding the kink hides less than {HIDDEN:g} of the loss"

    def centre(self, targets: Array, each: Array) -> float:
        """The weighted quantile, which is the best constant score."""
        return quantile_of(targets, each, self.share)

    best = centre
