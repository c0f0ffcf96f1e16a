"""Arguments' values, checked: numbers, switches, lists."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from reprlib import Repr
from typing import Any

from deltarule.errors import LearningError

SHORT = Repr()
SHORT.maxother = 60


def told(value: object) -> str:
    """A value as a message shows it: in one line, an array or a long text cut short."""
    return " ".join(SHORT.repr(value).split())


def real(name: str, value: object) -> float:
    """Validate a finite number.

    Errors:  LearningError for anything else
    """
    try:
        fits = not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # an integer beyond what a float can be
        fits = False
    if not fits:
        raise LearningError(f"{name} is {told(value)}: it must be a finite number")
    return float(value)  # type: ignore[arg-type]  # it fits


def whole(name: str, value: object, *, least: int | None = None) -> int:
    """Validate an integer, perhaps with a minimum.

    Errors:  LearningError for anything else
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, Integral)
        or (least is not None and value < least)
    ):
        more = "" if least is None else f", {least} or more"
        raise LearningError(f"{name} is {told(value)}: it must be a whole number{more}")
    return int(value)


def switch(name: str, value: object) -> bool:
    """Validate true or false, of Python or numpy, also as 1 or 0.

    Errors:  LearningError for anything else
    """
    of_numpy = type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0
    plain = value.item() if of_numpy else value  # type: ignore[attr-defined]  # as arrays have it
    if not isinstance(plain, Integral) or plain not in (0, 1):
        raise LearningError(f"{name} is {told(value)}: give True or False")
    return bool(plain)


def listed(values: object) -> tuple[Any, ...] | None:
    """The values of a list, array, index or iterator; None for what is none, as a text."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return None
    try:
        return tuple(values)
    except TypeError:  # an array without dimensions
        return None
