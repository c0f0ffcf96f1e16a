"""Cross-products of columns of which some are the one-hot levels of categories, never dense.

A level is 0 or 1, and a row has one level of a category at most. So a category's own products are
its levels' counts, on a diagonal, its products with other columns are sums by level, and those of
two categories a sparse table of counts:

    level x itself    counts - counts ** 2 / rows      level x another of its own    0 - ...
    level x number    sum of (x - mean) in the level   level x level of another      pairs - ...
    where  - ...  is  - count * other count / rows,  left out where products are about zero

Shapes: d columns, of which a are dense and L the levels of each category; w (d, k).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from deltarule.moments.row_cross import RowCross

Places = NDArray[np.intp]

# Matrices of up to so many columns are kept dense: then products and factors are as fast.
DENSE_COLUMNS = 256


@dataclass(frozen=True)
class Levels:
    """The levels of a category: their columns, their counts, and the sums of dense columns.

    Shapes:  at (L,), counts (L,), sums (L, a): of dense columns less their means, by level
    """

    at: Places
    counts: Array
    sums: Array


@dataclass(frozen=True)
class OneHotCross:
    """The products of all columns, summed over rows, about the means or (`centred` False) zero.

    Shapes:  dense_at (a,), dense (a, a); pairs[i, j], i < j: (L of i, L of j)
    """

    rows: float
    dense_at: Places
    dense: Array
    levels: tuple[Levels, ...]
    pairs: Mapping[tuple[int, int], "csr_array"]
    centred: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        size = len(self.dense_at) + sum(len(one.at) for one in self.levels)
        return size, size

    def __len__(self) -> int:
        return self.shape[0]

    @cached_property
    def counts(self) -> Array:
        """Each level's count, 0 for a dense column: (d,)."""
        counts = np.zeros(len(self))
        for one in self.levels:
            counts[one.at] = one.counts
        return counts

    @cached_property
    def _away(self) -> Array:
        """The root of what is taken off the products of levels, as they are about the means."""
        away: Array = self.counts / np.sqrt(self.rows or 1.0) * self.centred
        return away

    def diagonal(self) -> Array:
        """The diagonal: (d,)."""
        found = self.counts.copy()
        if self.centred:
            # As one product: a level that all rows have varies by exactly 0.
            found = found * (self.rows - found) / (self.rows or 1.0)
        found[self.dense_at] = self.dense.diagonal()
        return found

    def __getitem__(self, at: tuple[Any, Any]) -> Any:
        """Some products, as of an array: two indices, arrays of them, or what np.ix_ gives."""
        rows, columns = np.broadcast_arrays(*at)
        if np.array_equal(rows, columns):
            return self.diagonal()[rows]
        wanted, back = np.unique(columns, return_inverse=True)
        found: Array = self.columns(wanted)[rows, back.reshape(columns.shape)]
        return found if found.ndim else float(found)

    def columns(self, at: Sequence[int] | Places) -> Array:
        """Some columns as an array: (d, len(at))."""
        unit = np.zeros((len(self), len(at)))
        unit[at, np.arange(len(at))] = 1.0
        return self @ unit

    def __matmul__(self, w: Array) -> Array:
        """The product with (d, k), or (d,)."""
        found = np.zeros(w.shape)
        own = w[self.dense_at]
        found[self.dense_at] = self.dense @ own
        for one in self.levels:
            found[self.dense_at] += one.sums.T @ w[one.at]
            found[one.at] = one.sums @ own + (one.counts * w[one.at].T).T
        for (i, j), pair in self.pairs.items():
            a, b = self.levels[i].at, self.levels[j].at
            found[a] += pair @ w[b]
            found[b] += pair.T @ w[a]
        if self.centred:
            found -= np.multiply.outer(self._away, self._away @ w)
        return found

    def array(self) -> Array:
        """The whole matrix: (d, d)."""
        whole = np.zeros(self.shape)
        whole[np.ix_(self.dense_at, self.dense_at)] = self.dense
        for one in self.levels:
            whole[one.at, one.at] = one.counts
            whole[np.ix_(one.at, self.dense_at)] = one.sums
            whole[np.ix_(self.dense_at, one.at)] = one.sums.T
        for (i, j), pair in self.pairs.items():
            a, b, products = self.levels[i].at, self.levels[j].at, pair.toarray()
            whole[np.ix_(a, b)], whole[np.ix_(b, a)] = products, products.T
        if self.centred:
            whole -= np.outer(self._away, self._away)
        return whole

    def merged(self, other: "OneHotCross", sign: float, apart: Array, rows: float) -> "OneHotCross":
        """With another's rows added, or taken out again (Chan, Golub & LeVeque 1983).

        `apart` (d,) are the other's means less these, and `rows` how many there are then.
        """
        dense = apart[self.dense_at]
        between = np.outer(dense, dense) * (self.rows * other.rows / rows)
        # How far the mean moves from this one, and from the other.
        moved = sign * dense * (other.rows / rows)
        moved_there = moved - dense
        levels = tuple(
            Levels(
                one.at,
                one.counts + sign * more.counts,
                (one.sums - np.outer(one.counts, moved))
                + sign * (more.sums - np.outer(more.counts, moved_there)),
            )
            for one, more in zip(self.levels, other.levels, strict=True)
        )
        pairs = {key: pair + sign * other.pairs[key] for key, pair in self.pairs.items()}
        return replace(
            self,
            rows=rows,
            dense=self.dense + sign * (other.dense + between),
            levels=levels,
            pairs=pairs,
        )

    def scaled(self, by: Array) -> "OneHotCross":
        """With each column times `by`, (d,), which is 1 for levels."""
        own = by[self.dense_at]
        levels = tuple(replace(one, sums=one.sums * own) for one in self.levels)
        return replace(self, dense=self.dense * own[:, None] * own, levels=levels)

    def about_zero(self, mean: Array) -> "OneHotCross":
        """About zero, from those about the means, (d,)."""
        own = mean[self.dense_at]
        levels = tuple(
            replace(one, sums=one.sums + np.outer(one.counts, own)) for one in self.levels
        )
        dense = self.dense + self.rows * np.outer(own, own)
        return replace(self, dense=dense, levels=levels, centred=False)

    def none(self) -> "OneHotCross":
        """The same columns without rows."""
        levels = tuple(Levels(one.at, 0 * one.counts, 0 * one.sums) for one in self.levels)
        pairs = {key: 0 * pair for key, pair in self.pairs.items()}
        return replace(self, rows=0.0, dense=0 * self.dense, levels=levels, pairs=pairs)

    def take(self, columns: Sequence[int] | Places) -> "Cross":
        """Of some columns, in this order; an array where none of them is a level."""
        place = np.full(len(self), -1, dtype=np.intp)
        place[columns] = np.arange(len(columns))
        dense = np.flatnonzero(place[self.dense_at] >= 0)
        kept = [np.flatnonzero(place[one.at] >= 0) for one in self.levels]
        there = [at for at, own in enumerate(kept) if len(own)]
        levels = tuple(
            Levels(
                place[one.at[own]],
                one.counts[own],
                one.sums[np.ix_(own, dense)],
            )
            for one, own in zip(self.levels, kept, strict=True)
            if len(own)
        )
        pairs = {}
        for (i, j), pair in self.pairs.items():
            if i in there and j in there:
                own = pair if len(kept[i]) == pair.shape[0] else pair[kept[i]]
                own = own if len(kept[j]) == pair.shape[1] else own[:, kept[j]]
                pairs[there.index(i), there.index(j)] = own
        whole = replace(
            self,
            dense_at=place[self.dense_at[dense]],
            dense=self.dense[np.ix_(dense, dense)],
            levels=levels,
            pairs=pairs,
        )
        return whole if levels else whole.array()

    def pool(self, into: int, columns: Places) -> "OneHotCross":
        """With levels of one category added to its level `into` and then set to zero."""
        at = next(at for at, one in enumerate(self.levels) if into in one.at)
        own = self.levels[at]
        place = np.full(len(self), -1, dtype=np.intp)
        place[own.at] = np.arange(len(own.at))
        goes = np.arange(len(own.at))
        goes[place[columns]] = place[into]
        counts, sums = np.zeros_like(own.counts), np.zeros_like(own.sums)
        np.add.at(counts, goes, own.counts)
        np.add.at(sums, goes, own.sums)
        levels = [*self.levels]
        levels[at] = Levels(own.at, counts, sums)
        pairs = dict(self.pairs)
        for (i, j), pair in self.pairs.items():
            if at in (i, j):
                pairs[i, j] = _grouped(pair, goes, columns=j == at)
        return replace(self, levels=tuple(levels), pairs=pairs)

    def refill(self, column: int, indicator: int, by: float) -> "OneHotCross":
        """With `by` times one dense column added to another."""
        to, of = (int(np.flatnonzero(self.dense_at == one)[0]) for one in (column, indicator))
        dense = self.dense.copy()
        dense[to] += by * dense[of]
        dense[:, to] += by * dense[:, of]
        levels = []
        for one in self.levels:
            sums = one.sums.copy()
            sums[:, to] += by * sums[:, of]
            levels.append(replace(one, sums=sums))
        return replace(self, dense=dense, levels=tuple(levels))


def _grouped(pair: "csr_array", goes: Places, *, columns: bool) -> "csr_array":
    """The rows or columns of a table summed by where each goes."""
    from scipy.sparse import csr_array

    of = pair.tocoo()
    at = (of.row, goes[of.col]) if columns else (goes[of.row], of.col)
    return csr_array((of.data, at), shape=pair.shape)


Cross: TypeAlias = "Array | OneHotCross | RowCross"


def rows_kept(cross: Cross) -> "TypeGuard[RowCross]":
    """Whether products are kept as the rows that they are of."""
    return not isinstance(cross, np.ndarray | OneHotCross)


def dense(cross: Cross) -> Array:
    """Products as an array."""
    return cross if isinstance(cross, np.ndarray) else cross.array()


def compact(cross: Cross) -> Cross:
    """Products as an array where their columns are few."""
    few = isinstance(cross, OneHotCross) and len(cross) <= DENSE_COLUMNS
    return dense(cross) if few else cross
