"""Design matrix split into dense columns and one-hot categories kept as codes.

A level's one-hot input is standardized: less its mean, over its spread. No array of size rows x
levels is made: the score of a row is looked up by its code, and a sum over rows is grouped by code.

    scores = dense @ weight + table[code],  table = weight / spread - mean @ (weight / spread)
    sum of slope * level * other = (sum by both codes - the means' part) / both spreads

Shapes: n rows, p inputs, of which a are dense and the others L levels each of some categories.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.moments.moments import Moments
from deltarule.moments.one_hot import DENSE_COLUMNS, Levels, OneHotCross
from deltarule.moments.one_hot_hessian import OneHotHessian
from deltarule.rule.predict import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Categories with more levels in all are kept as codes. Up to so many, dense columns are as fast.
MOST_DENSE = 16
# Up to so many pairs of levels for each row are summed in an array.
FEW_PAIRS = 4
# Rows per block of products.
SOME_ROWS = 16_384


@dataclass(frozen=True)
class CategoryCodes:
    """The level codes of a category, (n,); the code after the last level is none of them.

    >>> CategoryCodes(np.array([1, 2, 0]), 2).dense
    array([[0., 1.],
           [0., 0.],
           [1., 0.]])
    """

    at: NDArray[np.intp]
    levels: int

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, rows: Any) -> "CategoryCodes":
        return CategoryCodes(self.at[rows], self.levels)

    @property
    def dense(self) -> Array:
        """One-hot columns, (n, L)."""
        dense = np.zeros((len(self), self.levels + 1), order="F")
        dense[np.arange(len(self)), self.at] = 1.0
        return dense[:, :-1]

    def sums(self, values: Array) -> Array:
        """Grouped sums of values (n,) by level: (L,)."""
        return np.bincount(self.at, values, self.levels + 1)[:-1].astype(np.float64, copy=False)

    def sums_of(self, values: Array) -> Array:
        """Grouped sums of several columns of values (n, m) by level: (L, m).

        By a sparse product, which takes a third of the time of one sum per column.
        """
        from scipy.sparse import csr_array  # it takes 50 ms to load, and few need it

        n = len(self)
        each = csr_array((np.ones(n), self.at, np.arange(n + 1)), shape=(n, self.levels + 1))
        summed: Array = np.asarray(each.T @ values)[:-1]
        return summed

    def pairs(self, other: "CategoryCodes", values: Array) -> Array:
        """Grouped sums of values (n,) by pairs of levels: (L, L of the other)."""
        shape = self.levels + 1, other.levels + 1
        at = self.at * shape[1] + other.at
        summed = np.bincount(at, values, shape[0] * shape[1]).astype(np.float64, copy=False)
        return summed.reshape(shape)[:-1, :-1]

    def sparse_pairs(self, other: "CategoryCodes", values: Array) -> "csr_array":
        """The same, sparse."""
        from scipy.sparse import csr_array

        if self.levels * other.levels <= FEW_PAIRS * len(values):
            return csr_array(self.pairs(other, values))
        shape = self.levels + 1, other.levels + 1
        return csr_array((values, (self.at, other.at)), shape=shape)[:-1, :-1]


@dataclass(frozen=True)
class CategoricalMatrix:
    """A standardized one-hot category: the index of its first level, and means and scales (L,).

    `per` is 1 / spread.
    """

    codes: CategoryCodes
    start: int
    mean: Array
    per: Array

    @property
    def span(self) -> slice:
        """The slice of its levels among all inputs."""
        return slice(self.start, self.start + self.codes.levels)

    def table(self, weight: Array) -> Array:
        """The score of each code, and of none last: (L, k) -> (L + 1, k)."""
        own = weight * self.per[:, None]
        return np.vstack([own, np.zeros((1, own.shape[1]))]) - self.mean @ own


@dataclass(frozen=True)
class SplitMatrix:
    """A standardized design matrix: dense columns, and categories as codes.

    Shapes:  dense (n, a), dense_at (a,) the indices of those inputs
    """

    dense: Array
    dense_at: NDArray[np.intp]
    levels: tuple[CategoricalMatrix, ...]

    @property
    def shape(self) -> tuple[int, int]:
        levels = sum(one.codes.levels for one in self.levels)
        return len(self.dense), len(self.dense_at) + levels

    def __len__(self) -> int:
        return len(self.dense)

    def __getitem__(self, rows: Any) -> "SplitMatrix":
        levels = tuple(replace(one, codes=one.codes[rows]) for one in self.levels)
        return SplitMatrix(self.dense[rows], self.dense_at, levels)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        inputs = np.empty(self.shape, order="F")
        inputs[:, self.dense_at] = self.dense
        for one in self.levels:
            inputs[:, one.span] = (one.codes.dense - one.mean) * one.per
        return inputs

    @classmethod
    def joined(cls, parts: Sequence["SplitMatrix"]) -> "SplitMatrix":
        """The row-wise concatenation."""
        first = parts[0]
        levels = tuple(
            replace(
                one,
                codes=CategoryCodes(
                    np.concatenate([part.levels[at].codes.at for part in parts]), one.codes.levels
                ),
            )
            for at, one in enumerate(first.levels)
        )
        return cls(np.concatenate([part.dense for part in parts]), first.dense_at, levels)

    def __matmul__(self, weight: Array) -> Array:
        """The scores: (p, k) -> (n, k)."""
        scores: Array = self.dense @ weight[self.dense_at]
        for one in self.levels:
            scores += one.table(weight[one.span])[one.codes.at]
        return scores

    def products(self, delta: Array) -> Array:
        """The sums over rows of input * delta: (n, k) -> (p, k)."""
        found = np.empty((self.shape[1], delta.shape[1]))
        found[self.dense_at] = np.dot(self.dense.T, delta)
        total = delta.sum(axis=0)
        for one in self.levels:
            sums = np.column_stack([one.codes.sums(column) for column in delta.T])
            found[one.span] = one.per[:, None] * (sums - one.mean[:, None] * total)
        return found

    @property
    def many(self) -> bool:
        """Whether there are too many levels for a matrix of all inputs."""
        return sum(one.codes.levels for one in self.levels) > DENSE_COLUMNS

    def one_hot_hessian(self, slope: Array, *, intercept: bool) -> OneHotHessian:
        """The Hessian of each output, for slope (n, k), none below 0."""
        mean, per = np.zeros(self.shape[1]), np.ones(self.shape[1])
        for one in self.levels:
            mean[one.span], per[one.span] = one.mean, one.per
        moments = tuple(self.moments(column) for column in slope.T)
        return OneHotHessian(moments, mean, per, intercept)

    def moments(self, slope: Array) -> Moments:
        """The moments of dense inputs and plain levels, with these row weights: (n,)."""
        a, total = len(self.dense_at), float(slope.sum())
        dense, by_code = self._weighed(slope)
        mean = np.zeros(self.shape[1])
        own = dense[:, a] / (total or 1.0)
        mean[self.dense_at] = own
        for one, sums in zip(self.levels, by_code, strict=True):
            mean[one.span] = sums[:, a] / (total or 1.0)
        cross = OneHotCross(
            rows=total,
            dense_at=self.dense_at,
            dense=dense[:, :a] - np.outer(own, own) * total,
            levels=tuple(
                Levels(
                    np.arange(one.span.start, one.span.stop),
                    sums[:, a],
                    sums[:, :a] - np.outer(sums[:, a], own),
                )
                for one, sums in zip(self.levels, by_code, strict=True)
            ),
            pairs={
                (at, beside): self.levels[at].codes.sparse_pairs(self.levels[beside].codes, slope)
                for at in range(len(self.levels))
                for beside in range(at + 1, len(self.levels))
            },
        )
        return Moments(total, mean, np.zeros_like(mean), cross, np.ones_like(mean))

    def hessian(self, slope: Array) -> tuple[Array, Array]:
        """The sums over rows of slope * input * input, and of slope * input: (p, p), (p,)."""
        p, a, total = self.shape[1], len(self.dense_at), float(slope.sum())
        square, once = np.empty((p, p)), np.empty(p)
        dense, by_code = self._weighed(slope)
        square[np.ix_(self.dense_at, self.dense_at)] = dense[:, :a]
        once[self.dense_at] = dense[:, a]
        for at, one in enumerate(self.levels):
            sums = by_code[at][:, a]
            once[one.span] = one.per * (sums - one.mean * total)
            crossed = by_code[at][:, :a] - np.outer(one.mean, dense[:, a])
            crossed *= one.per[:, None]
            square[one.span, self.dense_at] = crossed
            square[self.dense_at, one.span] = crossed.T
            for beside, other in enumerate(self.levels[: at + 1]):
                pair = np.diag(sums)
                if beside < at:
                    pair = one.codes.pairs(other.codes, slope)
                pair -= np.outer(one.mean, by_code[beside][:, a] - other.mean * total)
                pair -= np.outer(sums, other.mean)
                pair *= one.per[:, None] * other.per
                square[one.span, other.span], square[other.span, one.span] = pair, pair.T
        return square, once

    def _weighed(self, slope: Array) -> tuple[Array, list[Array]]:
        """The sums of slope * dense, the slope itself last, times each dense input and level.

        In blocks of rows, to bound the memory.
        Shapes:  (a, a + 1), and (L, a + 1) for each category
        """
        n, a = self.dense.shape
        dense = np.zeros((a, a + 1))
        by_code = [np.zeros((one.codes.levels, a + 1)) for one in self.levels]
        memory = np.empty((min(SOME_ROWS, n), a + 1))
        for start in range(0, n, SOME_ROWS):
            rows = slice(start, start + SOME_ROWS)
            weighed = memory[: len(slope[rows])]
            np.multiply(self.dense[rows], slope[rows, None], out=weighed[:, :a])
            weighed[:, a] = slope[rows]
            dense += np.dot(self.dense[rows].T, weighed)
            for sums, one in zip(by_code, self.levels, strict=True):
                sums += one.codes[rows].sums_of(weighed)
        return dense, by_code
