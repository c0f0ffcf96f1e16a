"""Special functions in numpy: scipy.special takes 0.15 s to import, and is hardly faster.

Shapes: any, which is returned
"""

from math import lgamma
from typing import Any

import numpy as np

from deltarule.rule.predict import Array

# Values whose log-gammas are computed one by one, 0.2 us each; more are worth importing scipy.
FEW = 10_000


def expit(scores: Array) -> Array:
    """1 / (1 + exp(-scores)), to the last digits in both tails."""
    small = np.exp(-np.abs(scores))
    return np.asarray(np.where(np.asarray(scores) < 0, small, 1.0) / (1 + small))


def softmax(scores: Array, axis: int) -> Array:
    """exp(scores), divided by their sum along an axis."""
    powers: Array = np.exp(scores - np.max(scores, axis=axis, keepdims=True))
    powers /= powers.sum(axis=axis, keepdims=True)
    return powers


def log_softmax(scores: Array, axis: int) -> Array:
    """The log of `softmax`."""
    below: Array = scores - np.max(scores, axis=axis, keepdims=True)
    below -= np.log(np.exp(below).sum(axis=axis, keepdims=True))
    return below


def xlogy(x: Any, y: Any) -> Any:
    """x * log(y), 0 where x is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((np.asarray(x) == 0) & ~np.isnan(y), 0.0, x * np.log(y))[()]


def gammaln(x: Any) -> Any:
    """The log of the gamma function's absolute value."""
    values = np.asarray(x, dtype=np.float64)
    if values.size > FEW or not np.all(np.isfinite(values) & (values > 0)):
        from scipy import special

        return special.gammaln(values)
    found = np.fromiter(map(lgamma, values.ravel().tolist()), np.float64, values.size)
    return found.reshape(values.shape)[()]
