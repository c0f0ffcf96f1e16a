"""Grouped sums: sums of columns by fold and level, or by fold and pair of levels, which add up.

Where keys are few the sums are an array, else only the keys that rows have are kept, sorted.

    key = (level * stride + level of the other category) * folds + fold

Shapes: n rows, s columns, u keys.
"""

from collections.abc import Sequence
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array

Keys = NDArray[np.int64]

# An array may have so many keys for each one that rows have, or so many in all.
SPARSE, SMALL = 4, 4096


@dataclass
class GroupedSums:
    """Sums of columns by key; without `keys` those of all keys, in order.

    Shapes:  keys (u,), values (u, s)
    """

    folds: int
    stride: int
    keys: Keys | None
    values: Array
    _waiting: list["GroupedSums"] = field(default_factory=list, repr=False)

    @classmethod
    def of(
        cls,
        levels: Keys,
        fold: NDArray[Any],
        columns: Sequence[Array | None],
        *,
        folds: int,
        others: tuple[Keys, int] | None = None,
    ) -> "GroupedSums":
        """The sums of columns (n,), None for one of ones; `others` are codes and how many.

        Shapes:  levels, fold (n,)
        """
        stride = 1
        key = levels
        if others is not None:
            # A power of two, so that a category that grows seldom changes it.
            stride = 1 << max(others[1] - 1, 0).bit_length()
            key = levels * stride + others[0]
        key = key * folds + fold
        bound = int(key.max(initial=-1)) + 1
        if bound <= max(SPARSE * len(key), SMALL):
            sums = np.empty((bound, len(columns)))
            for at, column in enumerate(columns):
                sums[:, at] = np.bincount(key, weights=column, minlength=bound)
            return cls(folds, stride, None, sums)
        order = np.argsort(key, kind="stable")
        return cls(folds, stride, *_by_key(key[order], [_at(one, order) for one in columns]))

    def copy(self) -> "GroupedSums":
        """The same sums, to add others to."""
        self._settle()
        return GroupedSums(self.folds, self.stride, self.keys, self.values.copy())

    def add(self, other: "GroupedSums") -> None:
        """Add another's sums to these."""
        other._settle()
        if other.stride != self.stride:
            stride = max(self.stride, other.stride)
            self._settle()
            self._restride(stride)
            other = other.copy()
            other._restride(stride)
        if self.keys is None:
            largest = len(other.values) if other.keys is None else int(other.keys[-1]) + 1
            if largest > len(self.values):
                # Half as many again, as levels go on to appear.
                size = max(largest, len(self.values) * 3 // 2)
                values = np.zeros((size, self.values.shape[1]))
                values[: len(self.values)] = self.values
                self.values = values
            if other.keys is None:
                self.values[: len(other.values)] += other.values
            else:
                self.values[other.keys] += other.values
            return
        self._waiting.append(other)
        # Merged when as many wait as there are: each sum is sorted a few times in all.
        if sum(len(one.values) for one in self._waiting) > len(self.values):
            self._settle()

    def __add__(self, other: "GroupedSums") -> "GroupedSums":
        whole = self.copy()
        whole.add(other)
        return whole

    def widened(self, places: Sequence[int], size: int) -> "GroupedSums":
        """With these columns at those places among so many; the others are 0."""
        self._settle()
        values = np.zeros((len(self.values), size))
        values[:, places] = self.values
        return GroupedSums(self.folds, self.stride, self.keys, values)

    def by_level(self, fold: int, levels: int) -> Array:
        """The sums of a fold by level: (L, s)."""
        self._settle()
        sums = np.zeros((levels, self.values.shape[1]))
        if self.keys is None:
            own = self.values[fold :: self.folds][:levels]
            sums[: len(own)] = own
        else:
            mine = self.keys % self.folds == fold
            sums[self.keys[mine] // self.folds] = self.values[mine]
        return sums

    def pairs(self, fold: int) -> tuple[Keys, Keys, Array]:
        """The pairs of levels of a fold that have rows, and the first column's sums: (u,) each."""
        self._settle()
        if self.keys is None:
            at = np.arange(fold, len(self.values), self.folds)
            values = self.values[fold :: self.folds, 0]
        else:
            mine = self.keys % self.folds == fold
            at, values = self.keys[mine], self.values[mine, 0]
        there = values != 0
        pair = at[there] // self.folds
        return pair // self.stride, pair % self.stride, values[there]

    def _restride(self, stride: int) -> None:
        if stride == self.stride:
            return
        keys = np.arange(len(self.values)) if self.keys is None else self.keys
        pair, fold = keys // self.folds, keys % self.folds
        first, other = pair // self.stride, pair % self.stride
        self.keys = (first * stride + other) * self.folds + fold
        there = (self.values != 0).any(axis=1)
        self.keys, self.values, self.stride = self.keys[there], self.values[there], stride
        self._spread()

    def _settle(self) -> None:
        """Merge the sums that wait."""
        if self.keys is None or not self._waiting:
            return
        parts = [self, *self._waiting]
        keys = np.concatenate(
            [np.arange(len(one.values)) if one.keys is None else one.keys for one in parts]
        )
        values = np.concatenate([one.values for one in parts])
        self._waiting = []
        order = np.argsort(keys, kind="stable")
        self.keys, self.values = _by_key(keys[order], list(values[order].T))
        self._spread()

    def _spread(self) -> None:
        """Keep the sums of all keys, in order, where most of them have rows."""
        assert self.keys is not None, "only some keys are kept"
        bound = int(self.keys[-1]) + 1 if len(self.keys) else 0
        if bound <= max(2 * len(self.keys), SMALL):
            values = np.zeros((bound, self.values.shape[1]))
            values[self.keys] = self.values
            self.keys, self.values = None, values


def _at(column: Array | None, order: NDArray[np.intp]) -> Array | None:
    return None if column is None else column[order]


def _by_key(key: Keys, columns: Sequence[Array | None]) -> tuple[Keys, Array]:
    """The distinct keys of sorted ones, and the sums of columns by them."""
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else key
    sums = np.empty((len(starts), len(columns)))
    for at, column in enumerate(columns):
        if column is None:
            sums[:, at] = np.diff(np.append(starts, len(key)))
        elif len(starts):
            sums[:, at] = np.add.reduceat(column, starts)
    return key[starts], sums
