"""Losses of positive amounts with the log link: gamma and Tweedie (multiplicative effects).

Their delta is (prediction - target) times a power of the prediction: the larger an amount is
expected to be, the less a unit of it counts.

Shapes: scores s and targets t (n, k); a value for each row (n,).
"""

from typing import ClassVar

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.losses.links import LOG
from deltarule.losses.loss import MEAN, Kind, Link
from deltarule.losses.special import gammaln
from deltarule.rule.compare import separately
from deltarule.rule.predict import Array, Mask


@dataclass(frozen=True)
class Gamma:
    """The gamma loss with the log link, for amounts whose spread grows with their size.

    Maths:   value = t * exp(-s) + s;  delta = 1 - t * exp(-s) = (prediction - target) /
             prediction;  prediction = exp(s)
    Units:   nats per row at a dispersion of 1
    Source:  McCullagh & Nelder 1989, chapter 8

    >>> Gamma().delta(np.array([[0.0]]), np.array([[3.0]]))
    array([[-2.]])
    """

    name: ClassVar[str] = "gamma"
    kind: ClassVar[Kind] = "amount"
    link: ClassVar[Link] = LOG
    closed_form: ClassVar[bool] = False
    error_name: ClassVar[str] = "gamma loss"
    error_scale: ClassVar[float] = 1.0
    guess: ClassVar[str] = MEAN
    takes: ClassVar[str] = "numbers above 0"
    says: ClassVar[str] = "log of {}"
    dispersion: ClassVar[str] = "estimated"
    power: ClassVar[float | None] = 2.0
    parts = separately

    def accepts(self, targets: Array) -> Mask:
        return (targets > 0) & np.isfinite(targets)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.sum(targets * np.exp(-scores) + scores, axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return 1 - targets * np.exp(-scores)

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        return np.ones_like(scores) if targets is None else targets * np.exp(-scores)

    def saturated(self, targets: Array) -> Array:
        least: Array = np.sum(1 + np.log(targets), axis=1)
        return least

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        shape = np.float64(1) / dispersion
        of_shape = gammaln(shape) - shape * np.log(shape)
        constant: Array = np.sum(of_shape - (shape - 1) * np.log(targets), axis=1)
        return constant


@dataclass(frozen=True)
class Tweedie:
    """The Tweedie loss with the log link, for amounts of which many are exactly 0.

    Maths:   value = (exp((2 - p) * s) - 1) / (2 - p) - t * (exp((1 - p) * s) - 1) / (1 - p);
             delta = (prediction - target) * prediction ** (1 - p);  prediction = exp(s);
             the variance of a target is dispersion * prediction ** p; near p = 1 it is poisson,
             near p = 2 gamma
    Units:   nats per row at a dispersion of 1; its likelihood has no closed form and is left out
    Source:  Jorgensen 1987; Dunn & Smyth 2005

    >>> Tweedie(1.5).delta(np.array([[0.0]]), np.array([[3.0]]))
    array([[-2.]])
    """

    p: float = 1.5
    kind: ClassVar[Kind] = "amount"
    link: ClassVar[Link] = LOG
    closed_form: ClassVar[bool] = False
    error_name: ClassVar[str] = "Tweedie loss"
    error_scale: ClassVar[float] = 1.0
    guess: ClassVar[str] = MEAN
    takes: ClassVar[str] = "numbers of 0 or more"
    says: ClassVar[str] = "log of {}"
    dispersion: ClassVar[str] = "estimated"
    parts = separately

    @property
    def power(self) -> float | None:
        return self.p

    @property
    def name(self) -> str:
        return f"tweedie({self.p!r})"

    def accepts(self, targets: Array) -> Mask:
        return (targets >= 0) & np.isfinite(targets)

    def value(self, scores: Array, targets: Array) -> Array:
        q, r = 2 - self.p, self.p - 1
        # A target of 0 skips the second term, which may overflow where the score is low.
        falling = targets * np.expm1(np.where(targets > 0, -r * scores, 0.0)) / r
        value: Array = np.sum(np.expm1(q * scores) / q + falling, axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return self._powers(scores, targets, 1.0, -1.0)

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        if targets is None:
            return np.exp((2 - self.p) * scores)
        return self._powers(scores, targets, 2 - self.p, self.p - 1)

    def _powers(self, scores: Array, targets: Array, a: float, b: float) -> Array:
        """a * prediction ** (2 - p) + b * target * prediction ** (1 - p)."""
        falling = targets * np.exp(np.where(targets > 0, (1 - self.p) * scores, 0.0))
        return a * np.exp((2 - self.p) * scores) + b * falling

    def saturated(self, targets: Array) -> Array:
        q, r = 2 - self.p, self.p - 1
        above = np.where(targets > 0, targets, 1.0)
        there = np.expm1(q * np.log(above)) / q + targets * np.expm1(-r * np.log(above)) / r
        least: Array = np.sum(np.where(targets > 0, there, -1 / q), axis=1)
        return least

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.full(len(targets), np.nan)
