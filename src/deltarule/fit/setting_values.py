"""Values of settings, checked: names, words, the ends of a range."""

from collections.abc import Iterable, Sequence

from deltarule.argument_values import listed, real, told
from deltarule.errors import LearningError
from deltarule.losses.registry import loss_named
from deltarule.solvers.learners import LEARNERS, has_alpha

Names = str | Sequence[str]

WORDS = "give words as text, such as '-999'"


def names_in(names: Names) -> list[str]:
    """A list of names, from a list or a single name."""
    return [names] if isinstance(names, str) else list(names)


def words_in(words: Names) -> tuple[str, ...]:
    """A tuple of words, from a list or one text with commas.

    Errors:  LearningError for what is not text
    """
    every = words.split(",") if isinstance(words, str) else listed(words)
    if every is None:
        raise LearningError(f"missing_words is {told(words)}: {WORDS}")
    if wrong := [word for word in every if not isinstance(word, str)]:
        raise LearningError(f"missing_words has {wrong[0]!r}: {WORDS}")
    return tuple(dict.fromkeys(word.strip() for word in every if word.strip()))


def ends_of(column: str, ends: object) -> tuple[float | None, float | None]:
    """Validate the ends of a range.

    Errors:  LearningError for anything else
    """
    if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
        raise LearningError(f"the range of {column} is {told(ends)}: give its two ends, as (0, 3)")
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
