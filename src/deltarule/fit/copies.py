"""Copies: rows that stand in a table several times, so that held-out rows were learnt from.

Tables of few values have equal rows by chance. Where a column varies freely, they are copies of one
row, as a join makes them, or rows of one thing, such as a customer's, with the same inputs.
"""

from collections.abc import Sequence

import polars as pl

from deltarule.tables.one_read import Read

# Fewer copies among all rows than this are no matter; fewer different inputs are.
COPIES, DIFFERENT = 0.05, 0.5
# A column varies freely where it has so many values with a fraction; of inputs, so many columns.
FREE_VALUES, FREE_INPUTS = 20, 2


def copies(read: Read) -> list[str]:
    """A note on copies among the rows drawn; none where it was said what rows are of."""
    plan, asked = read.plan, read.plan.asked
    said = asked.id or asked.group or asked.time or asked.row_weight
    if said or not read.drawn or asked.exposure:
        return []
    frame = pl.concat(read.drawn, how="vertical_relaxed")
    inputs = [name for name in (*plan.numbers, *plan.categories) if name in frame.columns]
    every = [*inputs, *(name for name in asked.predict if name in frame.columns)]
    rows, drawn = frame.height, frame.height < read.examples
    of = f"{rows:,} rows{' drawn' if drawn else ''}"
    more = rows - frame.n_unique(every)
    if more > COPIES * rows and _free(frame, every):
        return [
            f"{more:,} of {of} are exact copies of others, so held-out rows are rows it has seen: "
            "remove the copies, or say what a row is of with --id or --group"
        ]
    different = frame.n_unique(inputs)
    if different < DIFFERENT * rows and len(_free(frame, inputs)) >= FREE_INPUTS:
        return [
            f"only {different:,} of {of} differ in their inputs: if those that are alike belong "
            "together, hold them out together with --group COLUMN"
        ]
    return []


def _free(frame: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """The columns of numbers with fractions and of many values."""
    return [
        name
        for name in names
        if frame[name].dtype.is_float()
        and frame[name].n_unique() >= FREE_VALUES
        and bool((frame[name] != frame[name].floor()).any())
    ]
