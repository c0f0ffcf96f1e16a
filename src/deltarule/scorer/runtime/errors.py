"""The error of a cell that cannot be used, and text stripped of white space."""

from typing import Any

from deltarule.scorer.patterns import SPACES


class RefusedError(ValueError):
    """A cell that is of no use for its column."""

    column = ""


def refuse(cell: Any, noun: str, column: str) -> RefusedError:
    """The error for a cell that is no such thing."""
    shown = repr(cell if isinstance(cell, str | float | int | bool) else type(cell).__name__)
    error = RefusedError(f"column {column!r}: {shown[:60]} is not a {noun}")
    error.column = column
    return error


def spaced(text: str) -> str:
    """Text without white space around it, and with plain spaces within."""
    return text.translate(SPACES).strip(" ")


def finite(value: float, column: str) -> None:
    """Refuse an infinite number."""
    if value - value != 0:
        raise RefusedError(f"column {column!r} is infinite")


def without(value: Any, words: Any) -> Any:
    """A value, None where it is one of these words or numbers."""
    return None if (spaced(value) if isinstance(value, str) else value) in words else value
