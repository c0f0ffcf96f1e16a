"""Chunked array: a column of numbers in one or several chunks, not concatenated.

A data frame that was read or concatenated is chunked, and a batch of it often has two chunks. To
join them takes memory and 2 ns a number; a block of some thousand rows mostly lies within one.
"""

from __future__ import annotations

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.deferred import polars as pl
from deltarule.rule.predict import Array


@dataclass(frozen=True)
class ChunkedArray:
    """A column of numbers, (n,), as one array or several.

    >>> column = ChunkedArray((np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    >>> column.part(0, 2), column.part(1, 4), len(column)
    (array([1., 2.]), array([2., 3., 4.]), 4)
    """

    arrays: tuple[Array, ...]

    @classmethod
    def of(cls, series: pl.Series) -> ChunkedArray:
        """The chunks of a polars column, without copying; missing values are NaN."""
        return cls(tuple(piece.to_numpy() for piece in series.get_chunks()))

    def __len__(self) -> int:
        return sum(map(len, self.arrays))

    def __getitem__(self, rows: slice) -> Array:
        start, stop, _ = rows.indices(len(self))
        return self.part(start, stop)

    def part(self, start: int, stop: int) -> Array:
        """A slice: a view if one chunk has it all, else a copy."""
        begin, found = 0, []
        for array in self.arrays:
            piece = array[max(start - begin, 0) : max(stop - begin, 0)]
            begin += len(array)
            if len(piece):
                found.append(piece)
        return found[0] if len(found) == 1 else np.concatenate([*found, np.empty(0)])

    @property
    def whole(self) -> Array:
        """The whole column as one array."""
        return self.part(0, len(self))


Column = Array | ChunkedArray


def whole(column: Column) -> Array:
    """A column as one array."""
    return column.whole if isinstance(column, ChunkedArray) else column
