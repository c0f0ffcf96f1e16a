"""Special functions of scipy, loaded at the first call.

Importing scipy.special takes 0.15 s, as long as numpy and half of polars; predictions under squared
loss call none of them.

Shapes: any, which is returned
"""

from typing import Any

from deltarule.rule.predict import Array


def expit(scores: Array) -> Array:
    """1 / (1 + exp(-scores))."""
    from scipy import special

    found: Array = special.expit(scores)
    return found


def softmax(scores: Array, axis: int) -> Array:
    """exp(scores), divided by their sum along an axis."""
    from scipy import special

    found: Array = special.softmax(scores, axis=axis)
    return found


def log_softmax(scores: Array, axis: int) -> Array:
    """The log of `softmax`."""
    from scipy import special

    found: Array = special.log_softmax(scores, axis=axis)
    return found


def xlogy(x: Any, y: Any) -> Any:
    """x * log(y), 0 where x is 0."""
    from scipy import special

    return special.xlogy(x, y)


def gammaln(x: Any) -> Any:
    """The log of the gamma function's absolute value."""
    from scipy import special

    return special.gammaln(x)
