"""Levels: text as codes, while a table is read: the same level has the same code in every batch."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from deltarule.moments.chunk import Category
from deltarule.tables.asked import MOST_LEVELS


class Levels:
    """The levels of one category in the order they are met; codes start at 1, 0 is missing."""

    def __init__(self, frequent: Sequence[str], most: int = MOST_LEVELS) -> None:
        self.most = most
        self._kind = pl.Categorical(pl.Categories.random())
        # The mapping lives as long as a column of it does; and the levels that the look found
        # frequent come first, so that they are the ones kept if there are too many.
        self._alive = pl.Series(list(frequent), dtype=self._kind)
        self._largest = 1

    @property
    def _met(self) -> list[str]:
        found: list[str] = self._kind.categories.to_series().to_list()
        return found

    @property
    def names(self) -> list[str]:
        """The levels met so far; what code 1 + i stands for."""
        return self._met[: self.most]

    @property
    def beyond(self) -> int:
        """How many levels were met beyond the most kept."""
        return max(0, len(self._met) - self.most)

    def codes(self, text: pl.Series) -> Category:
        """The codes of these rows; all levels beyond the most kept share the last code."""
        physical = text.cast(self._kind).to_physical().cast(pl.Int64)
        codes = (physical + 1).fill_null(0).to_numpy()
        met = 1 + min(int(codes.max(initial=0)), self.most + 1)
        self._largest = max(self._largest, met)
        codes = np.minimum(codes, self.most + 1)
        return Category(codes, self._largest)
