"""Level sums: what rows of each level of a category add up to, keyed by the level's name.

Shapes: f folds, d columns of numbers and missing indicators, c codes: missing, the L named levels
in alphabetical order, and the levels beyond the cap. counts (f, c); sums (f, c, d), each level's
sums of the columns less their means in the fold, in units of the moments' scale.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array
from deltarule.tables.schema_columns import MISSING, OTHER

Places = NDArray[np.intp]


@dataclass(frozen=True)
class LevelSums:
    """The sums of one category, by level; `beyond` counts the levels known to be beyond the cap.

    Where there are such, only levels that are named are known to have all of their rows.
    """

    names: tuple[str, ...]
    counts: Array
    sums: Array
    beyond: int = 0

    @classmethod
    def of(
        cls, names: Sequence[str], tables: Sequence[Array], means: Sequence[Array], beyond: int
    ) -> tuple[Self, Places]:
        """The sums keyed by name, and the new code of each code.

        Codes are missing first, then these names in any order, then one for all others. The names
        (missing) and (other) are no levels but what they say.

        Shapes:  for each fold a table (c, 1 + d) of counts and sums, and means (d,) -> codes (c,)
        """
        size = len(tables[0])
        named = sorted({*names} - {MISSING, OTHER})
        code = {name: 1 + at for at, name in enumerate(named)}
        last = 1 + len(named)
        code |= {MISSING: 0, OTHER: last}
        into = [0, *(code[name] for name in names[: size - 1])]
        places = np.array([*into, *[last] * (size - len(into))], dtype=np.intp)
        counts = np.zeros((len(tables), 1 + last))
        sums = np.zeros((*counts.shape, tables[0].shape[1] - 1))
        for fold, (table, mean) in enumerate(zip(tables, means, strict=True)):
            _move(table[:, 0], counts[fold], places)
            _move(table[:, 1:] - np.outer(table[:, 0], mean), sums[fold], places)
        return cls(tuple(named), counts, sums, beyond), places

    def _placed(self, names: tuple[str, ...], places: Places) -> Self:
        """The sums with each code's moved to a new code, where several may meet."""
        counts = np.zeros((len(self.counts), 2 + len(names)))
        sums = np.zeros((*counts.shape, self.sums.shape[2]))
        for fold in range(len(counts)):
            _move(self.counts[fold], counts[fold], places)
            _move(self.sums[fold], sums[fold], places)
        return replace(self, names=names, counts=counts, sums=sums)

    def places(self, names: Sequence[str]) -> Places:
        """The code of each of this category's codes among these names: (c,)."""
        code = {name: 1 + at for at, name in enumerate(names)}
        last = 1 + len(names)
        return np.array([0, *(code.get(name, last) for name in self.names), last], dtype=np.intp)

    def named(self, names: tuple[str, ...]) -> Self:
        """The sums with these names; levels that are none of them are beyond."""
        return self if names == self.names else self._placed(names, self.places(names))

    def together(self, other: "LevelSums") -> tuple[str, ...]:
        """The names that are known to have all of their rows in both."""
        if self.beyond and other.beyond:
            return tuple(sorted({*self.names} & {*other.names}))
        if self.beyond or other.beyond:
            return self.names if self.beyond else other.names
        return tuple(sorted({*self.names, *other.names}))

    def held(self) -> tuple[str, ...]:
        """The names of levels that have rows left."""
        some = np.flatnonzero(self.counts[:, 1:-1].any(axis=0))
        return tuple(self.names[at] for at in some)

    def columns(self, places: Sequence[int], size: int, scale: Array) -> Self:
        """The sums of more columns, in other units: the present ones go to these places."""
        if size == self.sums.shape[2] and (scale == 1).all():
            return self
        sums = np.zeros((*self.sums.shape[:2], size))
        sums[:, :, np.asarray(places, dtype=np.intp)] = self.sums * scale
        return replace(self, sums=sums)

    def refill(self, column: int, indicator: int, change: float) -> Self:
        """The sums with `change` added to a column where the indicator is 1."""
        sums = self.sums.copy()
        sums[:, :, column] += change * sums[:, :, indicator]
        return replace(self, sums=sums)

    def one_fold(self, above: Array) -> Self:
        """The sums of all folds as one; `above` (f, d): how far each fold's means are above its."""
        sums = self.sums + self.counts[:, :, None] * above[:, None, :]
        counts = self.counts.sum(axis=0, keepdims=True)
        return replace(self, counts=counts, sums=sums.sum(axis=0, keepdims=True))

    def merged(self, other: Self, sign: float, mine: Array, yours: Array) -> Self:
        """The sum or difference of sums with the same names.

        `mine` and `yours` (f, d) are how far each one's means are above those of the result.
        """
        one = self.sums + self.counts[:, :, None] * mine[:, None, :]
        two = other.sums + other.counts[:, :, None] * yours[:, None, :]
        return replace(
            self,
            counts=self.counts + sign * other.counts,
            sums=one + sign * two,
            beyond=max(self.beyond, other.beyond),
        )


def _move(table: Array, into: Array, places: Places) -> None:
    """Add rows of a table to those of another, which are 0, at these places."""
    into[places] = table
    often = np.bincount(places, minlength=len(into))
    for place in np.flatnonzero(often > 1):  # all that meet there
        into[place] = table[places == place].sum(axis=0)


@dataclass(frozen=True)
class PairCounts:
    """How often the levels of two categories meet, where they do.

    Shapes:  fold, one, other (z,), the codes of both; counts (z,), ordered by these
    """

    fold: NDArray[np.uint8]
    one: NDArray[np.int32]
    other: NDArray[np.int32]
    counts: Array

    @classmethod
    def of(cls, fold: NDArray[Any], one: NDArray[Any], other: NDArray[Any], counts: Array) -> Self:
        """The counts, of which several may be of the same pair; those of 0 are dropped."""
        # As one number each, which sorts in a third of the time of three.
        size = int(one.max(initial=0)) + 1, int(other.max(initial=0)) + 1
        key = (fold.astype(np.int64) * size[0] + one) * size[1] + other
        if (key[1:] <= key[:-1]).any():
            order = np.argsort(key, kind="stable")
            key, counts = key[order], counts[order]
        new = np.ones(len(key), dtype=bool)
        new[1:] = key[1:] != key[:-1]
        first = np.flatnonzero(new)
        summed = np.add.reduceat(counts, first) if len(first) else np.zeros(0)
        key, summed = key[first[summed != 0]], summed[summed != 0]
        both = key // size[1]
        # There may be millions of pairs, of two codes each.
        return cls(
            (both // size[0]).astype(np.uint8),
            (both % size[0]).astype(np.int32),
            (key % size[1]).astype(np.int32),
            summed,
        )

    @classmethod
    def by_fold(
        cls, folds: Sequence[tuple[Places, Places, Array]], one: Places, other: Places
    ) -> Self:
        """The counts of each fold's pairs of codes, which become these codes."""
        fold = np.repeat(np.arange(len(folds)), [len(counts) for _, _, counts in folds])
        first, second, counts = (np.concatenate(part) for part in zip(*folds, strict=True))
        return cls.of(fold, one[first], other[second], counts)

    def placed(self, one: Places, other: Places) -> Self:
        """The counts with new codes."""
        return self.of(self.fold, one[self.one], other[self.other], self.counts)

    def one_fold(self) -> Self:
        """The counts of all folds as one."""
        return self.of(np.zeros_like(self.fold), self.one, self.other, self.counts)

    def merged(self, other: Self, sign: float) -> Self:
        """The sum or difference of counts with the same codes."""
        return self.of(
            np.concatenate([self.fold, other.fold]),
            np.concatenate([self.one, other.one]),
            np.concatenate([self.other, other.other]),
            np.concatenate([self.counts, sign * other.counts]),
        )
