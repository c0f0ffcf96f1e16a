"""Codes: encode text levels as integers that are the same in every batch of a read."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import polars as pl

from deltarule.moments.block import Category
from deltarule.tables.level_counts import LevelCounts, shared
from deltarule.tables.request import MOST_LEVELS


class LevelCodes:
    """The level codes of one category in order of appearance; codes start at 1, 0 is missing.

    `others` is how many there are besides those given, where all are known: then no more are kept.
    """

    def __init__(
        self, frequent: Sequence[str], most: int = MOST_LEVELS, others: int | None = None
    ) -> None:
        self._others = others
        # The mapping lives as long as a column of it does; and the levels that are frequent in the
        # first rows come first, so that they are the ones kept if there are too many.
        if others is None:
            self.most = most
            self._kind: pl.Categorical | pl.Enum = pl.Categorical(pl.Categories.random())
        else:
            self.most = len(frequent)
            self._kind = pl.Enum(list(frequent))
        self._alive = pl.Series(list(frequent), dtype=self._kind)
        self._largest = 1

    @property
    def _met(self) -> list[str]:
        known = self._kind.categories
        found: list[str] = (known if isinstance(known, pl.Series) else known.to_series()).to_list()
        return found

    @property
    def names(self) -> list[str]:
        """The levels so far: the name of code 1 + i."""
        return self._met[: self.most]

    @property
    def beyond(self) -> int:
        """The number of levels beyond the cap, as far as is known."""
        return max(0, len(self._met) - self.most) if self._others is None else self._others

    def codes(self, text: pl.Series) -> Category:
        """The codes of these rows; all levels beyond the cap share the last code."""
        physical = text.cast(self._kind, strict=False).to_physical().cast(pl.Int64)
        if self._others is not None:
            other = physical.is_null() & text.is_not_null()
            physical = physical.set(other, self.most)
        codes = (physical + 1).fill_null(0).to_numpy()
        met = 1 + min(int(codes.max(initial=0)), self.most + 1)
        self._largest = max(self._largest, met)
        codes = np.minimum(codes, self.most + 1)
        return Category(codes, self._largest)


def levels_of(
    counts: Mapping[str, LevelCounts], counted: Collection[str], *, most: int, room: int
) -> dict[str, LevelCodes]:
    """The level codes of each category: at most `most` of one, and `room` of all together.

    Categories `counted` in all rows have no other levels; the first rows may not have shown all.
    """
    most = max(MOST_LEVELS, most)
    kept = shared([min(one.distinct, most) for one in counts.values()], room)
    spare = shared(
        [0 if name in counted else most - own for name, own in zip(counts, kept, strict=True)],
        room - sum(kept),
    )
    made = {}
    for (name, one), own, more in zip(counts.items(), kept, spare, strict=True):
        others = one.distinct - own if name in counted else None
        made[name] = LevelCodes(one.names[:own], own + more, others)
    return made
