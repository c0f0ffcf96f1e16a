"""The inverse of an expression of one column: from log(price) back to price."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deltarule.tables.expressions.expression import parse
from deltarule.tables.expressions.syntax import Call, Column, Constant, Node

Numbers = NDArray[np.float64]
Step = Callable[[Numbers], Numbers]


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
            for step in self.steps:
                values = step(values)
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
        return lambda y: y, True, first
    if not rest:
        if name == "unary -":
            return lambda y: -y, True, first
        return (UNDONE[name], False, first) if name in UNDONE else None
    (second,) = rest if len(rest) == 1 else (None,)
    if isinstance(second, Constant) and isinstance(second.value, float):
        return _beside(name, second.value, first)
    if isinstance(first, Constant) and isinstance(first.value, float) and second is not None:
        c = first.value
        if name in ("+", "*"):
            return _beside(name, c, second)
        return (lambda y: c - y, True, second) if name == "-" else None
    return None


def _beside(name: str, c: float, inner: Node) -> tuple[Step, bool, Node] | None:
    """What undoes an operation of the inner node and a constant after it."""
    if name == "+":
        return lambda y: y - c, True, inner
    if name == "-":
        return lambda y: y + c, True, inner
    if name == "*" and c != 0:
        return lambda y: y / c, True, inner
    if name == "/" and c != 0:
        return lambda y: y * c, True, inner
    if name == "log" and c > 0 and c != 1:
        return lambda y: np.power(c, y), False, inner
    if name == "**" and c > 0 and c % 2 == 1:
        return lambda y: np.sign(y) * np.abs(y) ** (1 / c), False, inner
    if name == "**" and c > 0 and c % 1 != 0:
        return lambda y: np.maximum(y, 0.0) ** (1 / c), False, inner
    return None


# A prediction below 0 is nearest to the root of 0.
UNDONE: dict[str, Step] = {
    "ln": np.exp,
    "log": np.exp,
    "log2": np.exp2,
    "log10": lambda y: np.power(10.0, y),
    "log1p": np.expm1,
    "exp": lambda y: np.log(np.where(y > 0, y, np.nan)),
    "sqrt": lambda y: np.maximum(y, 0.0) ** 2,
}
