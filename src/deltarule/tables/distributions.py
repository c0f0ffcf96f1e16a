"""Distribution: how the values of a number are spread over the training rows, in a few cells.

It is what drift is measured from, and small enough for a model file: its edges are quantiles of the
rows that a read draws to judge by, or where a summary is kept, of the histogram of all rows.

Shapes: c cells, of values up to each edge and above the one before
"""

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, model_validator

from deltarule.moments.histogram import Histogram
from deltarule.rule.predict import Array
from deltarule.tables.part import Part

# The shares of rows at which there are edges: 40 parts, and finer ones at either end.
LEVELS = np.array(sorted([*(np.arange(41) / 40).tolist(), 0.005, 0.01, 0.99, 0.995]))
# No file has more edges than are made here.
MOST_EDGES = len(LEVELS) + 1


class Distribution(Part):
    """The rows up to each edge, of which the first is the least value, the last the largest."""

    name: str
    edges: tuple[FiniteFloat, ...] = Field(min_length=1, max_length=MOST_EDGES)
    rows: tuple[Annotated[int, Field(ge=0, le=2**53)], ...]
    each: bool
    """Whether each edge is a value, and there are no others."""
    sd: FiniteFloat = Field(ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(self.rows) != len(self.edges) or not any(self.rows):
            raise ValueError(f"the distribution of '{self.name}' has not a count for each edge")
        if any(one >= other for one, other in pairwise(self.edges)):
            raise ValueError(f"the edges of the distribution of '{self.name}' do not rise")
        return self

    @classmethod
    def of(cls, name: str, values: Array) -> Self | None:
        """That of finite values (n,), in any order; None where there are none."""
        if not len(values):
            return None
        ordered = np.sort(values)
        edges = _distinct(ordered)
        each = len(edges) <= MOST_EDGES
        if not each:
            at = np.ceil(LEVELS * len(ordered)).astype(np.intp) - 1
            edges = _distinct(ordered[np.maximum(at, 0)])
        rows = np.searchsorted(ordered, edges, side="right")
        rows[1:] -= rows[:-1].copy()
        return cls._made(name, edges, rows, each, _spread(ordered))

    @classmethod
    def of_histogram(cls, name: str, histogram: Histogram) -> Self | None:
        """That of all rows of a histogram, whose cells are small parts of an octave."""
        if not histogram.total:
            return None
        below = np.cumsum(histogram.rows)
        # A histogram's cells may hold infinitely far ends, which no value has.
        top = float(np.finfo(np.float64).max)
        starts = np.clip(histogram.starts, -top, top)
        ends = np.clip(histogram.ends, -top, top)
        each = histogram.exact and len(ends) <= MOST_EDGES
        middles = starts / 2 + ends / 2
        spread = _spread(middles, histogram.rows.astype(np.float64))
        if each:
            return cls._made(name, ends, histogram.rows, each, spread)
        at = np.unique(np.searchsorted(below, np.ceil(LEVELS * below[-1]).clip(1)))
        # The first cell has a start, which no row is below.
        edges = np.append(np.nextafter(starts[0], -top), ends[at])
        rows = np.append(0, np.diff(below[at], prepend=0))
        return cls._made(name, edges, rows, each, spread)

    @classmethod
    def _made(
        cls, name: str, edges: Array, rows: NDArray[np.int64], each: bool, sd: float
    ) -> Self | None:
        if not np.isfinite(sd):
            return None
        return cls(
            name=name,
            edges=tuple(edges.tolist()),
            rows=tuple(rows.tolist()),
            each=each,
            sd=sd,
        )

    @cached_property
    def limits(self) -> Array:
        """The edges as an array: (c,)."""
        return np.array(self.edges)

    @property
    def total(self) -> int:
        """The number of rows that were counted."""
        return sum(self.rows)

    def counts(self, values: Array) -> Array:
        """How many values are below the first edge, in each cell, and above the last: (c + 2,)."""
        at = np.searchsorted(self.limits, values, side="left") + 1
        at[values < self.limits[0]] = 0
        return np.bincount(at, minlength=len(self.edges) + 2).astype(np.float64)


def _distinct(ordered: Array) -> Array:
    """The different ones of values in order."""
    distinct: Array = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return distinct


def _spread(values: Array, rows: Array | None = None) -> float:
    """The standard deviation of values, each of which stands on so many rows, or on one."""
    with np.errstate(over="ignore", invalid="ignore"):
        if rows is None:  # in half the time of np.average
            return float(np.sqrt(((values - values.mean()) ** 2).mean()))
        middle = float(np.average(values, weights=rows))
        return float(np.sqrt(np.average((values - middle) ** 2, weights=rows)))
