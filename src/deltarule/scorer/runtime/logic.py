"""Comparisons, the three-valued logic of yes, no and missing, and choices."""

from typing import Any


def equal(x: Any, y: Any) -> bool | None:
    """Whether two are equal."""
    return None if x is None or y is None else x == y


def unequal(x: Any, y: Any) -> bool | None:
    """Whether two differ."""
    return None if x is None or y is None else x != y


def less(x: Any, y: Any) -> bool | None:
    """Whether the first is below the second."""
    return None if x is None or y is None else x < y


def at_most(x: Any, y: Any) -> bool | None:
    """Whether the first is not above the second."""
    return None if x is None or y is None else x <= y


def more(x: Any, y: Any) -> bool | None:
    """Whether the first is above the second."""
    return None if x is None or y is None else x > y


def at_least(x: Any, y: Any) -> bool | None:
    """Whether the first is not below the second."""
    return None if x is None or y is None else x >= y


def both(x: bool | None, y: bool | None) -> bool | None:
    """Whether both hold."""
    if x is False or y is False:
        return False
    return None if x is None or y is None else True


def either(x: bool | None, y: bool | None) -> bool | None:
    """Whether one of two holds."""
    if x is True or y is True:
        return True
    return None if x is None or y is None else False


def negated(x: bool | None) -> bool | None:
    """Whether it does not hold."""
    return None if x is None else not x


def is_missing(x: Any) -> bool:
    """Whether there is no value."""
    return x is None


def one_of(x: Any, *choices: Any) -> bool | None:
    """Whether the first is one of the others."""
    return None if x is None else x in choices


def first_there(*values: Any) -> Any:
    """The first that is not missing."""
    for value in values:
        if value is not None:
            return value
    return None


def greatest(*values: Any) -> Any:
    """The greatest of those that are not missing."""
    return max([value for value in values if value is not None], default=None)


def least(*values: Any) -> Any:
    """The least of those that are not missing."""
    return min([value for value in values if value is not None], default=None)


def null_if(x: Any, y: Any) -> Any:
    """The first, missing where the two are equal."""
    return None if x == y else x


def chosen(*arguments: Any) -> Any:
    """The value after the first condition that holds, else the last."""
    for at in range(0, len(arguments) - 1, 2):
        if arguments[at] is True:
            return arguments[at + 1]
    return arguments[-1]
