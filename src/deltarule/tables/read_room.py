"""Limits of a read: threads, batches whose sums wait to be added, rows in place of sums."""

import os

from deltarule.errors import (
    ColumnError,
)
from deltarule.tables.plan import Plan
from deltarule.tables.request import LARGEST_SUMS
from deltarule.tables.source import BATCH_ROWS

# The sums of all batches in flight take no more than this, unless those of one do.
SUMS_IN_FLIGHT = 1 << 28
# Of more columns than this, rows are kept where they are fewer.
MANY_COLUMNS = 1_024


def workers() -> int:
    """How many threads share the work: one for each processor that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def wide(plan: Plan, rows: int | None) -> bool:
    """Whether rows are kept in place of the products of their columns.

    That is where these have no room, or are known to be more than the rows have numbers.
    """
    columns = plan.width
    if plan.request.folds * columns**2 * 8 > LARGEST_SUMS:
        return True
    return columns > MANY_COLUMNS and rows is not None and rows < columns


def too_large(plan: Plan, name: str) -> ColumnError:
    """The error of rows, and sums of products, that have no room."""
    columns = plan.width
    needed = plan.request.folds * columns**2 * 8
    return ColumnError(
        f"{name} has {columns:,} columns of numbers, and the sums of their products would take "
        f"{needed / 1e9:,.1f} GB, as its rows do: name those to use"
    )


def batches_in_flight(plan: Plan, name: str) -> int:
    """How many batches may wait for their sums to be added.

    Errors:  ColumnError for more columns than their products have room for
    """
    columns = plan.width
    needed = plan.request.folds * columns**2 * 8
    if needed > LARGEST_SUMS:
        raise ColumnError(
            f"{name} has {columns:,} columns of numbers, and the sums of their products would take "
            f"{needed / 1e9:,.1f} GB: name those to use"
        )
    # A batch has the sums of its own levels, and of the pairs of them.
    sums = 1 + columns + len(plan.levels) / 2
    needed += int(BATCH_ROWS * len(plan.levels) * sums * 8)
    return max(1, min(2 * workers(), SUMS_IN_FLIGHT // max(needed, 1)))
