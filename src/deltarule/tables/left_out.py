"""Left-out rows: the causes in words, shared by learning and evaluation."""

import math
from collections.abc import Mapping

from deltarule.errors import EmptyError, TableError, TargetError, ValueRefusedError
from deltarule.tables.request import Request


def gap(column: str) -> str:
    """The cause for a row without a required value."""
    return f"{column} is missing"


def unmet(condition: str) -> str:
    """The cause for a row that does not meet the condition on rows."""
    return f"{condition} is not met"


def weight_gap(column: str) -> str:
    """The cause for a row with a weight or an exposure that is missing or 0."""
    return f"{column} is missing or 0"


def counted(causes: Mapping[str, int]) -> str:
    """The causes, with the number of rows of each where there are several.

    >>> counted({"price is missing": 2, "days is missing or 0": 1})
    'price is missing in 2, days is missing or 0 in 1'
    """
    if len(causes) == 1:
        return next(iter(causes))
    return ", ".join(f"{why} in {rows:,}" for why, rows in causes.items())


def left_out_told(causes: Mapping[str, int]) -> str:
    """The number of rows left out, with the causes; empty for none.

    >>> left_out_told({"price is missing": 1_200})
    '1,200 left out: price is missing'
    """
    rows = sum(causes.values())
    return f"{rows:,} left out: {counted(causes)}" if rows else ""


def nothing_left(name: str, request: Request, causes: Mapping[str, int]) -> TableError:
    """The error for a table without a row to learn from, with the causes."""
    if request.row_weight is not None and list(causes) == [weight_gap(request.row_weight)]:
        return EmptyError(f"{name}: no row has a weight above 0 in '{request.row_weight}'")
    if set(causes) <= {gap(target) for target in request.predict}:
        targets = " and ".join(f"'{target}'" for target in request.predict)
        return TargetError(
            f"{name}: the target {targets} is missing in every row: there is nothing to learn from"
        )
    if request.drop_missing:
        told = counted(causes)
        return EmptyError(f"{name}: every row has a missing value ({told}): use --missing fill")
    return EmptyError(f"{name}: no row can be learnt from: {counted(causes)}")


def infinite(where: str, value: float) -> ValueRefusedError:
    """The error for a value that is infinite, or whose square overflows."""
    far = "is infinite" if math.isinf(value) else f"is {value:g}, too far out to compute with"
    return ValueRefusedError(f"{where} {far}: fix or remove that row")
