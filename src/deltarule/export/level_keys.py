"""Levels of a category that are numbers as text, looked up as numbers.

A level such as 3 or 03 comes of a number, so a language need not spell numbers as text to find it:
it compares the number itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from deltarule.scorer.tree import Apply, Category, Literal, Node


@dataclass(frozen=True)
class NumericKeys:
    """The number that a category's level is the text of, and the number of each level.

    None for a level that no number has as its text, such as (other).
    """

    value: Node
    numbers: Mapping[str, float | None]


def numeric_keys(column: Category) -> NumericKeys | None:
    """The levels as numbers, where the value is the text of a number; else None."""
    node, width = column.value, 1
    if isinstance(node, Apply) and node.name == "label" and node.arguments[0].kind == "text":
        node = node.arguments[0]
    if isinstance(node, Apply) and node.name == "zfill":
        node, last = node.arguments
        width = int(float(last.value)) if isinstance(last, Literal) else 1  # type: ignore[arg-type]  # zfill takes a number
    if not isinstance(node, Apply) or node.name not in ("label", "cast text"):
        return None
    value = node.arguments[0]
    if value.kind != "number" or column.spellings:
        return None
    largest = 2.0**53 if node.name == "label" else 1e15
    return NumericKeys(value, {one: _number(one, width, largest) for one in column.levels})


def _number(level: str, width: int, largest: float) -> float | None:
    """The number whose text a level is."""
    try:
        number = float(level)
    except ValueError:
        return None
    return number if number_text(number, largest).zfill(width) == level else None


def number_text(number: float, largest: float) -> str:
    """A number in the fewest digits, whole ones below the largest without a point."""
    if number.is_integer() and abs(number) < largest:
        return str(int(number))
    digits, _, exponent = repr(number).partition("e")
    if not exponent:
        return digits
    if exponent == "-05":
        return ("-" if number < 0 else "") + "0.0000" + digits.lstrip("-").replace(".", "")
    return f"{digits}e{exponent[0]}{exponent[1:].lstrip('0')}"
