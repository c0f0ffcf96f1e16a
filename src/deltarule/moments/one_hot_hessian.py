"""Hessians of one-hot columns: a moment of rows for each output, never a matrix of all weights.

With weights of rows that are the loss's second derivative, the Hessian of an output is the raw gram
of the design matrix: what `Moments` hold, which add, and of which the largest category can be
eliminated. Levels are kept as they are, 0 or 1, and turned into standardised ones on demand:

    standardised level = (level - mean) * per;  its weight times per is the level's own
    hessian = share * gram of standardised inputs and ones + diag(ridge)

It stands in for an array (k, q, q), and becomes one where somebody needs it.

Shapes: p inputs, k outputs, q = p + intercept, the intercept last. mean, per (p,), 0 and 1 for
dense inputs; ridge (q,), frozen (k, q).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.moments import Moments
from deltarule.moments.one_hot import OneHotCross, dense
from deltarule.rule.predict import Array, Mask


def one_hot(hessian: object) -> "OneHotHessian | None":
    """A Hessian of one-hot columns as such; None for an array."""
    return hessian if isinstance(hessian, OneHotHessian) else None


@dataclass(frozen=True)
class OneHotHessian:
    """The Hessian of each output, from its moments of standardised numbers and plain levels."""

    moments: tuple[Moments, ...]
    mean: Array
    per: Array
    intercept: bool
    share: float = 1.0
    ridge: Array | float = 0.0
    frozen: Mask | None = None
    frozen_value: float = 1.0

    # Arrays leave sums with it to its own methods.
    __array_priority__ = 1000

    @property
    def levels(self) -> Mask:
        """Which inputs are levels: (p,)."""
        levels = np.ones(len(self.mean), dtype=bool)
        cross = self.moments[0].cross
        if isinstance(cross, OneHotCross):
            levels[cross.dense_at] = False
        return levels

    @property
    def shape(self) -> tuple[int, int, int]:
        q = len(self.mean) + self.intercept
        return len(self.moments), q, q

    def __len__(self) -> int:
        return len(self.moments)

    def __iter__(self) -> Iterator[Array]:
        return iter(np.asarray(self))

    def __getitem__(self, at: Any) -> Array:
        found: Array = np.asarray(self)[at]
        return found

    def __add__(self, other: Any) -> Any:
        alike = isinstance(other, OneHotHessian) and self.share == other.share == 1.0
        plain = alike and not (np.any(self.ridge) or np.any(other.ridge))
        if not plain or self.frozen is not None or other.frozen is not None:
            return np.asarray(self) + np.asarray(other)
        both = zip(self.moments, other.moments, strict=True)
        return replace(self, moments=tuple(one + more for one, more in both))

    __radd__ = __add__

    def __truediv__(self, by: float) -> "OneHotHessian":
        return replace(
            self,
            share=self.share / by,
            ridge=self.ridge / by,
            frozen_value=self.frozen_value / by,
        )

    def with_diagonal(self, more: Array) -> "OneHotHessian":
        """With this added to its diagonal: (q,)."""
        return replace(self, ridge=self.ridge + more)

    def freeze(self, frozen: Mask, value: float) -> "OneHotHessian":
        """With some weights' rows and columns 0 but for this value on the diagonal: (k, q)."""
        return replace(self, frozen=frozen, frozen_value=value)

    def products(self, at: int, v: Array) -> Array:
        """One output's Hessian times v: (q,) -> (q,)."""
        p, moments = len(self.mean), self.moments[at]
        moves = v if self.frozen is None else np.where(self.frozen[at], 0.0, v)
        w = moves[:p] * self.per
        off = moments.mean @ w
        if self.intercept:
            off = off + moves[p] - self.mean @ w
        raw = moments.cross @ w + moments.rows * moments.mean * off
        once = moments.rows * off
        found = np.empty(len(v))
        found[:p] = (raw - self.mean * once if self.intercept else raw) * self.per
        if self.intercept:
            found[p] = once
        found = self.share * found + self.ridge * moves
        if self.frozen is None:
            return found
        return np.where(self.frozen[at], self.frozen_value * v, found)

    def diagonal(self, at: int) -> Array:
        """The diagonal of one output's Hessian: (q,)."""
        moments = self.moments[at]
        off = moments.mean - self.mean * self.intercept
        inputs = (moments.cross.diagonal() + moments.rows * off**2) * self.per**2
        found = np.append(inputs, [moments.rows] * self.intercept) * self.share + self.ridge
        if self.frozen is None:
            return found
        return np.where(self.frozen[at], self.frozen_value, found)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        whole = np.zeros(self.shape)
        p = len(self.mean)
        for at, moments in enumerate(self.moments):
            off = (moments.mean - self.mean * self.intercept) * self.per
            inputs = dense(moments.cross) * self.per[:, None] * self.per
            whole[at, :p, :p] = inputs + moments.rows * np.outer(off, off)
            if self.intercept:
                whole[at, p, :p] = whole[at, :p, p] = moments.rows * off
                whole[at, p, p] = moments.rows
            whole[at] *= self.share
            whole[at][np.diag_indices(len(whole[at]))] += self.ridge
            if self.frozen is not None:
                held = self.frozen[at]
                whole[at][held[:, None] | held] = 0.0
                whole[at][held, held] = self.frozen_value
        return whole
