"""Causes: why rows are left out, in words, the same when learning and when comparing."""

from collections.abc import Mapping


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
