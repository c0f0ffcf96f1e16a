"""Functions of numbers, and from scores to predictions."""

import math
from typing import Any


def defined(value: float) -> float | None:
    """NaN as missing."""
    return value if value == value else None


def plus(x: float | None, y: float | None) -> float | None:
    """The sum."""
    return None if x is None or y is None else defined(x + y)


def minus(x: float | None, y: float | None) -> float | None:
    """The difference."""
    return None if x is None or y is None else defined(x - y)


def times(x: float | None, y: float | None) -> float | None:
    """The product."""
    return None if x is None or y is None else defined(x * y)


def divided(x: float | None, y: float | None) -> float | None:
    """The quotient; by 0 it is missing."""
    return None if x is None or not y else defined(x / y)


def remainder(x: float | None, y: float | None) -> float | None:
    """What division leaves, with the sign of what is divided."""
    if x is None or not y or math.isinf(x):
        return None
    return math.fmod(x, y)


def power(x: float | None, y: float | None) -> float | None:
    """A power."""
    if x is None or y is None:
        return None
    try:
        return math.pow(x, y)
    except ValueError:
        return None
    except OverflowError:
        return -math.inf if x < 0 and y % 2 == 1 else math.inf


def negative(x: float | None) -> float | None:
    """The number with the other sign."""
    return None if x is None else -x


def absolute(x: float | None) -> float | None:
    """The number without its sign."""
    return None if x is None else abs(x)


def sign(x: float | None) -> float | None:
    """1, 0 or -1."""
    return None if x is None else float((x > 0) - (x < 0))


def square_root(x: float | None) -> float | None:
    """The square root."""
    return None if x is None or x < 0 else math.sqrt(x)


def exponential(x: float | None) -> float | None:
    """E to this power; infinite where it overflows."""
    if x is None:
        return None
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def logarithm(x: float | None) -> float | None:
    """The natural logarithm."""
    return None if x is None or x <= 0 else math.log(x)


def logarithm10(x: float | None) -> float | None:
    """The logarithm of base 10."""
    return None if x is None or x <= 0 else math.log10(x)


def logarithm2(x: float | None) -> float | None:
    """The logarithm of base 2."""
    return None if x is None or x <= 0 else math.log2(x)


def logarithm1p(x: float | None) -> float | None:
    """The natural logarithm of 1 + x."""
    return None if x is None or x <= -1 else math.log1p(x)


def floor(x: float | None) -> float | None:
    """The largest whole number that is not above."""
    return x if x is None or math.isinf(x) else float(math.floor(x))


def ceiling(x: float | None) -> float | None:
    """The smallest whole number that is not below."""
    return x if x is None or math.isinf(x) else float(math.ceil(x))


def truncated(x: float | None) -> float | None:
    """The number without its fraction."""
    return x if x is None or math.isinf(x) else float(math.trunc(x))


def nearest(x: float) -> float:
    """The nearest whole number, halves away from zero."""
    if math.isinf(x):
        return x
    whole = float(math.trunc(x))
    return whole + math.copysign(1.0, x) if abs(x - whole) >= 0.5 else whole


def rounded(x: float | None, places: float = 0.0) -> float | None:
    """The number to so many decimals, halves away from zero."""
    if x is None:
        return None
    unit: float = 10.0 ** abs(places)
    if places < 0:
        return nearest(x / unit) * unit
    # Where that overflows, there is nothing to round.
    return x if math.isinf(x * unit) else nearest(x * unit) / unit


def sine(x: float | None) -> float | None:
    """The sine."""
    return None if x is None or math.isinf(x) else math.sin(x)


def cosine(x: float | None) -> float | None:
    """The cosine."""
    return None if x is None or math.isinf(x) else math.cos(x)


def tangent(x: float | None) -> float | None:
    """The tangent."""
    return None if x is None or math.isinf(x) else math.tan(x)


def arc_tangent(x: float | None) -> float | None:
    """The arc tangent."""
    return None if x is None else math.atan(x)


def as_number(x: bool | None) -> float | None:
    """1 for true, 0 for false."""
    return None if x is None else 1.0 if x else 0.0


def logistic(score: float) -> float:
    """The inverse of log odds, in two branches so that nothing overflows."""
    if score >= 0:
        return 1.0 / (1.0 + math.exp(-score))
    odds = math.exp(score)
    return odds / (1.0 + odds)


def both_classes(score: float) -> list[float]:
    """The probabilities of the first and of the second class."""
    second = logistic(score)
    return [1 - second, second]


def shares(scores: Any) -> list[float]:
    """The softmax of these scores."""
    top = max(scores)
    parts = [math.exp(score - top) for score in scores]
    total = sum(parts)
    return [part / total for part in parts]


def undone(value: float, steps: Any) -> float | None:
    """The inverse transform of a prediction: each step's name and constant; None for undefined."""
    for name, c in steps:
        found = UNDO[name](value, c)
        if found is None:
            return None
        value = found
    return defined(value)


UNDO: Any = {
    "y - c": minus,
    "y + c": plus,
    "c - y": lambda y, c: c - y,
    "y / c": divided,
    "y * c": times,
    "-y": lambda y, c: -y,
    "c ** y": lambda y, c: power(c, y),
    "odd root": lambda y, c: math.copysign(abs(y) ** (1 / c), y),
    "root": lambda y, c: max(y, 0.0) ** (1 / c),
    "exp": lambda y, c: exponential(y),
    "expm1": lambda y, c: math.expm1(y) if y < 700 else math.inf,
    "log": lambda y, c: logarithm(y),
    "square": lambda y, c: max(y, 0.0) * max(y, 0.0),
}


def likeliest(classes: Any, probabilities: Any) -> Any:
    """The class of the largest probability, the first of equal ones; None where they are NaN."""
    if sum(probabilities) != sum(probabilities):
        return None
    return classes[probabilities.index(max(probabilities))]
