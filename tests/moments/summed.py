"""Sums of blocks as a summary: levels are named by their codes."""

from collections.abc import Sequence

from deltarule.moments.accumulate import Sums
from deltarule.moments.moments import Moments
from deltarule.tables.layout import Layout
from deltarule.tables.summary import Summary, joined


def layout_of(sums: Sums) -> Layout:
    """All numbers and categories are inputs, named by their places."""
    numbers = tuple(f"x{at}" for at in range(len(sums.low)))
    categories = tuple(f"c{at}" for at in range(len(sums.levels)))
    return Layout(
        terms=dict.fromkeys([*numbers, *categories]),
        numbers=numbers,
        categories=categories,
        folds=len(sums.gram),
    )


def summed(parts: Sequence[Sums]) -> Summary:
    """The summary of all parts."""
    layout = layout_of(parts[0])
    sizes = [max(part.levels[at] for part in parts) for at in range(len(layout.categories))]
    levels = {
        name: ([f"{code:09}" for code in range(1, size)], 0)
        for name, size in zip(layout.categories, sizes, strict=True)
    }
    causes = [{str(cause): rows for cause, rows in part.causes.items()} for part in parts]
    return joined(
        [
            Summary.of_sums(layout, part, levels, why)
            for part, why in zip(parts, causes, strict=True)
        ]
    )


def moments_of(*parts: Sums) -> list[Moments]:
    """Each fold's moments of numbers, missing indicators and the levels of each code."""
    return by_code(summed(parts))


def by_code(summary: Summary) -> list[Moments]:
    """The moments without levels beyond a cap, of which there are none."""
    columns = list(range(len(summary.folds[0].mean)))
    for name, start in summary.starts().items():
        columns += range(start, start + 1 + len(summary.levels[name].names))
    return [fold.take(columns).compact for fold in summary.moments()]
