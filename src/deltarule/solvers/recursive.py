"""Recursive least squares: exact weights after each row, from squares and products that add.

    gram = sum over rows of row * row.T,  row = (design, others, targets), already weighted

`SquareRoot` keeps the triangle of gram = triangle.T @ triangle and joins a row by a QR step, in
O(d^2). Rotations are orthogonal, so its rounding errors do not grow: the covariance form of the
same recursion, which updates an inverse by a rank one, drifts. `Window` also drops rows, by
subtraction, and is made anew from the rows that it holds once in every window, and wherever a row
that leaves would take digits with it.

Ridge is as in least_squares.py: beside each input's sum of squares about the mean (about zero
without intercept). So it grows with the rows, and weights are those of learning from all of them.

Shapes: d columns, of which the first q are the design and the last k the targets.
Source:  Golub & Van Loan 2013, section 6.5; Sayed 2008, chapter 35
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import blas, lapack

from deltarule.rule.predict import Array

# The smallest diagonal of a triangle beside its largest, below which its design is collinear.
SOUND = 1e-7
# Without forgetting a sound triangle stays one for long; looking takes a fifth of an update.
LOOK_EVERY = 1024
# The columns of a block of LAPACK's QR step: fastest from 20 to 200 columns, and small enough that
# BLAS starts no threads (blocks of 22 did: 390 us a row in place of 6).
BLOCK = 8
# The part of a sum of squares that may be left when rows leave: less costs over six digits.
LEFT = 1e-6


@dataclass(frozen=True)
class Form:
    """What is solved: q design columns, k targets, whether the first column is the intercept."""

    design: int
    targets: int
    intercept: bool
    ridge: float = 0.0


class Recursion(Protocol):
    """Least squares that rows join."""

    @property
    def gram(self) -> Array: ...
    def add(self, row: Array) -> None:
        """Join a row (d,)."""
        ...

    def weights(self) -> Array | None:
        """The weights (q, k); None where the design is collinear."""
        ...


class SquareRoot:
    """Rows that stay, or fade by a factor `decay` of their weight with each row that joins."""

    def __init__(self, triangle: Array, form: Form, *, decay: float = 1.0) -> None:
        self._triangle, self._form = np.asfortranarray(triangle), form
        self._fade = np.sqrt(decay)
        self._block = min(len(triangle), BLOCK)
        self._looked = 0

    @property
    def gram(self) -> Array:
        """The squares and products of the rows: (d, d)."""
        return self._triangle.T @ self._triangle

    def add(self, row: Array) -> None:
        """Join a row (d,)."""
        if self._fade < 1:
            self._triangle *= self._fade
        self._triangle, *_ = lapack.dtpqrt(0, self._block, self._triangle, row[None], overwrite_a=1)

    def weights(self) -> Array | None:
        """The weights (q, k); None where the design is collinear."""
        form, triangle = self._form, self._triangle
        if form.ridge:
            return penalised(self.gram, form)
        q, k = form.design, form.targets
        if self._looked == 0:
            pivots = np.abs(triangle.diagonal()[:q])
            if not pivots.min() > SOUND * pivots.max():
                return None
            self._looked = 1 if self._fade < 1 else LOOK_EVERY
        self._looked -= 1
        solved, _ = lapack.dtrtrs(triangle[:q, :q], triangle[:q, -k:])
        weights: Array = solved
        return weights


class Window:
    """The last rows alone; until there are as many, the rows before count too."""

    def __init__(self, gram: Array, form: Form, *, rows: int, last: Array | None = None) -> None:
        """The `last` rows, (r, d) in order, are among those of the gram: they joined before."""
        self._gram, self._form = np.asfortranarray(gram), form
        self._held = np.zeros((rows, len(gram)))
        self._joined = 0 if last is None else len(last)
        if last is not None:
            self._held[: len(last)] = last
        self._most = gram.diagonal().copy()

    @property
    def gram(self) -> Array:
        """The squares and products of the rows: (d, d)."""
        upper = np.triu(self._gram)
        return upper + np.triu(upper, 1).T

    @property
    def last(self) -> Array:
        """The rows that joined and did not leave, (r, d), the oldest first."""
        if not self.full:
            return self._held[: self._joined]
        return np.roll(self._held, -(self._joined % len(self._held)), axis=0)

    @property
    def full(self) -> bool:
        """Whether the rows before it are gone."""
        return self._joined >= len(self._held)

    def add(self, row: Array) -> None:
        """Join a row (d,); once the window is full, the oldest one leaves."""
        size = len(self._held)
        at = self._joined % size
        leaves = self._joined >= size
        if leaves:
            self._gram = blas.dsyr(-1.0, self._held[at], a=self._gram, overwrite_a=1)
        self._held[at] = row
        self._joined += 1
        self._gram = blas.dsyr(1.0, row, a=self._gram, overwrite_a=1)
        left = self._gram.diagonal()
        self._most = np.maximum(self._most, left)
        if self._joined >= size and (at == size - 1 or (left < LEFT * self._most).any()):
            self._gram = np.asfortranarray(self._held.T @ self._held)
            self._most = self._gram.diagonal().copy()

    def weights(self) -> Array | None:
        """The weights (q, k); None where the design is collinear."""
        return penalised(self._gram, self._form)


def penalised(gram: Array, form: Form) -> Array | None:
    """The weights (q, k) from a gram, of which the upper triangle counts; None if collinear."""
    q, k = form.design, form.targets
    design = gram[:q, :q].copy(order="F")
    if form.ridge:
        squares = design.diagonal().copy()
        if form.intercept:
            squares -= design[0] ** 2 / design[0, 0]
            squares[0] = 0.0
        design[np.diag_indices(q)] += form.ridge * squares
    factor, solved, failed = lapack.dposv(design, gram[:q, -k:], overwrite_a=1)
    if failed:
        return None
    pivots = factor.diagonal()
    if not pivots.min() > SOUND * pivots.max():
        return None
    weights: Array = solved
    return weights


def square_root(gram: Array) -> Array:
    """The triangle of a gram: triangle.T @ triangle, also where columns are collinear: (d, d)."""
    unit = np.sqrt(np.maximum(gram.diagonal(), 0.0))
    unit = np.where(unit > 0, unit, 1.0)
    scaled = gram / np.outer(unit, unit)
    factor, failed = lapack.dpotrf(scaled, lower=0, clean=1)
    if not failed:
        return np.asarray(factor * unit)
    values, vectors = np.linalg.eigh(scaled)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return np.asarray(np.linalg.qr(root * unit, mode="r"))
