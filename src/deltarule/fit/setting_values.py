"""Values of settings, checked: names, words, numbers, the ends of a range."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

from deltarule.errors import LearningError
from deltarule.losses.registry import loss_named
from deltarule.solvers.learners import LEARNERS, has_alpha

Names = str | Sequence[str]


def names_in(names: Names) -> list[str]:
    """A list of names, from a list or a single name."""
    return [names] if isinstance(names, str) else list(names)


def words_in(words: Names) -> tuple[str, ...]:
    """A tuple of words, from a list or one text with commas.

    Errors:  LearningError for what is not text
    """
    listed = words.split(",") if isinstance(words, str) else list(words)
    if wrong := [word for word in listed if not isinstance(word, str)]:
        raise LearningError(f"missing_words has {wrong[0]!r}: give words as text, such as '-999'")
    return tuple(dict.fromkeys(word.strip() for word in listed if word.strip()))


def ends_of(column: str, ends: object) -> tuple[float | None, float | None]:
    """Validate the ends of a range.

    Errors:  LearningError for anything else
    """
    if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
        raise LearningError(f"the range of {column} is {ends!r}: give its two ends, as (0, 3)")
    low, high = (None if end is None else real(f"an end of {column}", end) for end in ends)
    return low, high


def with_alpha() -> list[str]:
    """The names of the learners that have an alpha."""
    return [name for name in LEARNERS if has_alpha(name)]


def closed_form(loss: str) -> bool:
    """Whether the loss of this name has a closed form."""
    return loss_named(loss).closed_form


def either(names: Iterable[str]) -> str:
    """The names to choose from, in words."""
    *most, last = list(names)
    return f"{', '.join(most)} or {last}"


def real(name: str, value: object) -> float:
    """Validate a finite number.

    Errors:  LearningError for anything else
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise LearningError(f"{name} is {value!r}: it must be a finite number")
    return float(value)


def whole(name: str, value: object, *, least: int) -> int:
    """Validate an integer with a minimum.

    Errors:  LearningError for anything else
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise LearningError(f"{name} is {value!r}: it must be a whole number, {least} or more")
    return int(value)
