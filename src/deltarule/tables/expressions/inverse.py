"""The inverse of an expression of one column: from log(price) back to price."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.tables.expressions.expression import parse
from deltarule.tables.expressions.syntax import Call, Column, Constant, Node

Numbers = NDArray[np.float64]
Step = tuple[str, float]
"""What undoes an operation: its name in UNDO, and the constant of that."""

# A prediction below 0 is nearest to the root of 0.
UNDO: Mapping[str, Callable[[Numbers, float], Numbers]] = {
    "y - c": lambda y, c: y - c,
    "y + c": lambda y, c: y + c,
    "c - y": lambda y, c: c - y,
    "y / c": lambda y, c: y / c,
    "y * c": lambda y, c: y * c,
    "-y": lambda y, c: -y,
    "c ** y": lambda y, c: np.power(c, y),
    "odd root": lambda y, c: np.sign(y) * np.abs(y) ** (1 / c),
    "root": lambda y, c: np.maximum(y, 0.0) ** (1 / c),
    "exp": lambda y, c: np.exp(y),
    "expm1": lambda y, c: np.expm1(y),
    "log": lambda y, c: np.log(np.where(y > 0, y, np.nan)),
    "square": lambda y, c: np.maximum(y, 0.0) ** 2,
}
UNDONE: Mapping[str, Step] = {
    "ln": ("exp", 0.0),
    "log": ("exp", 0.0),
    "log2": ("c ** y", 2.0),
    "log10": ("c ** y", 10.0),
    "log1p": ("expm1", 0.0),
    "exp": ("log", 0.0),
    "sqrt": ("square", 0.0),
    "unary -": ("-y", 0.0),
}


@dataclass(frozen=True)
class Inverse:
    """What gives a column from the values of an expression of it.

    `linear` says that it also gives the column's mean from the expression's; of others it gives the
    median, as the order of values stays or is turned round.
    """

    column: str
    linear: bool
    steps: tuple[Step, ...]

    def apply(self, values: Numbers) -> Numbers:
        """The column's values, NaN where the expression never has such a value."""
        with np.errstate(all="ignore"):
            for name, constant in self.steps:
                values = UNDO[name](values, constant)
        return values


@lru_cache(maxsize=1024)
def inverse_of(text: str) -> Inverse | None:
    """The inverse of an expression; None where it has none.

    >>> inverse_of("log(price) / 2").apply(np.array([0.0])), inverse_of("price - cost")
    (array([1.]), None)
    """
    node: Node = parse(text).tree
    steps: list[Step] = []
    linear = True
    while not isinstance(node, Column):
        found = _outermost(node)
        if found is None:
            return None
        step, straight, node = found
        steps.append(step)
        linear = linear and straight
    return Inverse(node.name, linear, tuple(steps))


def _outermost(node: Node) -> tuple[Step, bool, Node] | None:
    """What undoes the outermost operation, whether that is linear, and what it is of."""
    if not isinstance(node, Call):
        return None
    name, (first, *rest) = node.name, node.arguments
    if name == "number" and isinstance(first, Column):
        return ("y + c", 0.0), True, first
    if not rest:
        return (UNDONE[name], name == "unary -", first) if name in UNDONE else None
    (second,) = rest if len(rest) == 1 else (None,)
    if isinstance(second, Constant) and isinstance(second.value, float):
        return _beside(name, second.value, first)
    if isinstance(first, Constant) and isinstance(first.value, float) and second is not None:
        if name in ("+", "*"):
            return _beside(name, first.value, second)
        return (("c - y", first.value), True, second) if name == "-" else None
    return None


def _beside(name: str, c: float, inner: Node) -> tuple[Step, bool, Node] | None:
    """What undoes an operation of the inner node and a constant after it."""
    if name == "+":
        return ("y - c", c), True, inner
    if name == "-":
        return ("y + c", c), True, inner
    if name == "*" and c != 0:
        return ("y / c", c), True, inner
    if name == "/" and c != 0:
        return ("y * c", c), True, inner
    if name == "log" and c > 0 and c != 1:
        return ("c ** y", c), False, inner
    if name == "**" and c > 0 and c % 2 == 1:
        return ("odd root", c), False, inner
    if name == "**" and c > 0 and c % 1 != 0:
        return ("root", c), False, inner
    return None
