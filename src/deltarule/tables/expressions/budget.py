"""What an expression may cost: operations, and text that grows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deltarule.errors import ExpressionError

if TYPE_CHECKING:
    from deltarule.tables.expressions.values import Value

# Operations that polars would be handed after all arguments were written out; see `uses`.
LARGEST = 5_000
# Text that is put together or replaced is at most so many times as long as a column's, a cell of
# which counts as 100 letters: 1.3 GB a batch.
MOST_GROWTH, CELL = 100, 100


def size_of(values: "Sequence[Value]", uses: int, name: str) -> int:
    """How many operations this is when all arguments are written out."""
    size = 1 + uses * sum(value.size for value in values)
    if size > LARGEST:
        raise ExpressionError(f"it nests {name} too often to be computed: make it simpler")
    return size


def growth_of(values: "Sequence[Value]", name: str) -> float:
    """How much larger than a column's the text is that a function gives.

    Errors:  ExpressionError where it could fill all memory
    """
    growths = [value.growth for value in values]
    growth = sum(growths) if name in ("||", "concat") else max(growths)
    if name == "replace" and all(isinstance(value.constant, str) for value in values[1:]):
        old, new = (len(value.constant.encode()) for value in values[1:])
        growth = growths[0] * max(1.0, new / max(old, 1))
    if growth > MOST_GROWTH:
        raise ExpressionError(
            f"{name} makes text {growth:,.0f} times as long as that of a column, "
            f"of at most {MOST_GROWTH} times"
        )
    return growth
