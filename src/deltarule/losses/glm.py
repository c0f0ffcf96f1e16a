"""GLM losses with canonical link: squared (amounts), logistic (yes/no), Poisson (counts).

Shapes: scores s and targets t (n, k); a value for each row (n,), summed over the outputs.
"""

from typing import ClassVar

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.losses.links import IDENTITY, LOG, LOGIT
from deltarule.losses.loss import MEAN, Kind, Link
from deltarule.losses.special import expit, gammaln, xlogy
from deltarule.rule.compare import Parts, separately
from deltarule.rule.predict import Array, Mask


@dataclass(frozen=True)
class Squared:
    """Half the squared delta, for targets that are amounts.

    Maths:   value = (s - t) ** 2 / 2;  delta = s - t;  prediction = s
    Units:   half the target's units squared; the error people are shown is delta ** 2
    Source:  Widrow & Hoff 1960

    >>> Squared().delta(np.array([[500_000.0]]), np.array([[99_750_000.0]]))
    array([[-99250000.]])
    """

    name: ClassVar[str] = "squared"
    kind: ClassVar[Kind] = "amount"
    link: ClassVar[Link] = IDENTITY
    closed_form: ClassVar[bool] = True
    error_name: ClassVar[str] = "squared error"
    error_scale: ClassVar[float] = 2.0
    guess: ClassVar[str] = MEAN
    takes: ClassVar[str] = "any number"
    says: ClassVar[str] = "{}"
    dispersion: ClassVar[str] = "estimated"
    power: ClassVar[float | None] = 0.0
    parts = separately

    def accepts(self, targets: Array) -> Mask:
        return np.isfinite(targets)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.sum((scores - targets) ** 2, axis=1) / 2
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return scores - targets

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        return np.ones_like(scores)

    def saturated(self, targets: Array) -> Array:
        return np.zeros(len(targets))

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.full(len(targets), targets.shape[1] * np.log(2 * np.pi * dispersion) / 2)


@dataclass(frozen=True)
class Logistic:
    """The log loss of yes/no targets, or of shares between 0 and 1.

    Maths:   value = log(1 + exp(s)) - t * s;  delta = expit(s) - t;  prediction = expit(s)
    Source:  McCullagh & Nelder 1989, section 4.3

    >>> Logistic().delta(np.array([[0.0]]), np.array([[1.0]]))
    array([[-0.5]])
    """

    name: ClassVar[str] = "logistic"
    kind: ClassVar[Kind] = "yes_no"
    link: ClassVar[Link] = LOGIT
    closed_form: ClassVar[bool] = False
    error_name: ClassVar[str] = "log loss"
    error_scale: ClassVar[float] = 1.0
    guess: ClassVar[str] = MEAN
    takes: ClassVar[str] = "true/false, or numbers from 0 to 1"
    says: ClassVar[str] = "log odds of {}"
    dispersion: ClassVar[str] = "known"
    power: ClassVar[float | None] = None

    def accepts(self, targets: Array) -> Mask:
        return (targets >= 0) & (targets <= 1)

    def value(self, scores: Array, targets: Array) -> Array:
        # log(1 + exp(s)) without overflow; np.logaddexp takes three times as long.
        soft = np.maximum(scores, 0.0) + np.log1p(np.exp(-np.abs(scores)))
        value: Array = np.sum(soft - targets * scores, axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return expit(scores) - targets

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        return expit(scores) * expit(-scores)

    def parts(self, scores: Array, targets: Array) -> Parts:
        # All parts follow from exp(-|s|) without overflow: 20 ns a row; computed apart, 70.
        tail = np.exp(-np.abs(scores))
        most = 1 / (1 + tail)
        least = tail * most
        mean = np.where(scores < 0, least, most)
        value = np.maximum(scores, 0.0) + np.log1p(tail) - targets * scores
        return Parts(mean, value.sum(axis=1), mean - targets, least * most)

    def saturated(self, targets: Array) -> Array:
        if np.all((targets == 0) | (targets == 1)):
            return np.zeros(len(targets))
        both = xlogy(targets, targets) + xlogy(1 - targets, 1 - targets)
        least: Array = -np.sum(both, axis=1)
        return least

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.zeros(len(targets))


@dataclass(frozen=True)
class Poisson:
    """The Poisson loss, for targets that are counts.

    Maths:   value = exp(s) - t * s;  delta = exp(s) - t;  prediction = exp(s)
    Source:  McCullagh & Nelder 1989, section 6.2

    >>> Poisson().delta(np.array([[0.0]]), np.array([[3.0]]))
    array([[-2.]])
    """

    name: ClassVar[str] = "poisson"
    kind: ClassVar[Kind] = "count"
    link: ClassVar[Link] = LOG
    closed_form: ClassVar[bool] = False
    error_name: ClassVar[str] = "Poisson loss"
    error_scale: ClassVar[float] = 1.0
    guess: ClassVar[str] = MEAN
    takes: ClassVar[str] = "numbers of 0 or more"
    says: ClassVar[str] = "log of {}"
    dispersion: ClassVar[str] = "known"
    power: ClassVar[float | None] = 1.0

    def accepts(self, targets: Array) -> Mask:
        return (targets >= 0) & np.isfinite(targets)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.sum(np.exp(scores) - targets * scores, axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return np.exp(scores) - targets

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        return np.exp(scores)

    def parts(self, scores: Array, targets: Array) -> Parts:
        mean = np.exp(scores)
        value: Array = np.sum(mean - targets * scores, axis=1)
        return Parts(mean, value, mean - targets, mean)

    def saturated(self, targets: Array) -> Array:
        least: Array = np.sum(targets - xlogy(targets, targets), axis=1)
        return least

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        constant: Array = np.sum(gammaln(targets + 1), axis=1)
        return constant
