"""Causes: why rows are left out, in words, the same when learning and when comparing."""

import math
from collections.abc import Mapping

from deltarule.errors import EmptyError, TableError, TargetError, ValueRefusedError
from deltarule.tables.request import Request


def gap(column: str) -> str:
    """A row without a value that is needed."""
    return f"{column} is missing"


def weight_gap(column: str) -> str:
    """A row that counts for nothing, or was exposed to nothing."""
    return f"{column} is missing or 0"


def counted(causes: Mapping[str, int]) -> str:
    """The causes; with how many rows each has, where there are several.

    >>> counted({"price is missing": 2, "days is missing or 0": 1})
    'price is missing in 2, days is missing or 0 in 1'
    """
    if len(causes) == 1:
        return next(iter(causes))
    return ", ".join(f"{why} in {rows:,}" for why, rows in causes.items())


def left_out_told(causes: Mapping[str, int]) -> str:
    """How many rows were left out, and why; empty for none.

    >>> left_out_told({"price is missing": 1_200})
    '1,200 left out: price is missing'
    """
    rows = sum(causes.values())
    return f"{rows:,} left out: {counted(causes)}" if rows else ""


def nothing_left(name: str, asked: Request, causes: Mapping[str, int]) -> TableError:
    """That no row can be learnt from, and why."""
    if asked.row_weight is not None and list(causes) == [weight_gap(asked.row_weight)]:
        return EmptyError(f"{name}: no row has a weight above 0 in '{asked.row_weight}'")
    if set(causes) <= {gap(target) for target in asked.predict}:
        targets = " and ".join(f"'{target}'" for target in asked.predict)
        return TargetError(
            f"{name}: the target {targets} is missing in every row: there is nothing to learn from"
        )
    if asked.drop_missing:
        told = counted(causes)
        return EmptyError(f"{name}: every row has a missing value ({told}): use --missing fill")
    return EmptyError(f"{name}: no row can be learnt from: {counted(causes)}")


def infinite(where: str, value: float) -> ValueRefusedError:
    """That a value is infinite, or so large that its square is."""
    far = "is infinite" if math.isinf(value) else f"is {value:g}, too far out to compute with"
    return ValueRefusedError(f"{where} {far}: fix or remove that row")
