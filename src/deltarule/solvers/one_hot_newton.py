"""Newton steps, standard errors and extreme eigenvalues from Hessians of one-hot columns.

A Newton step is a weighted least-squares problem: with S the sum of the row weights, m the weighted
means and G the products about them, the bordered system of the step in own levels

    | S    S m'       | | step of the intercept |   | g0 |      G w = g - g0 m
    | S m  G + S m m' | | w                     | = | g  |      step of the intercept = g0 / S - m w

is solved by block elimination. The ridge of standardised weights is divided by per ** 2.

Shapes: p inputs, q = p + intercept, the intercept last; g (q,).
"""

from functools import cached_property
from typing import Any

import numpy as np

from deltarule.moments.moments import LeastSquares
from deltarule.moments.one_hot import OneHotCross
from deltarule.moments.one_hot_hessian import OneHotHessian
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Array
from deltarule.solvers.block_elimination import (
    MOST_DENSE,
    NULL_CELLS,
    Eliminated,
    Factor,
    Inverse,
)
from deltarule.solvers.krylov import RESIDUAL, STEPS, largest_eigenvalue


class Posed:
    """One output's Hessian as weighted normal equations, the largest category eliminated."""

    def __init__(self, hessian: OneHotHessian, at: int) -> None:
        self.hessian, self.at, self.moments = hessian, at, hessian.moments[at]
        p = len(hessian.mean)
        self.free = np.arange(p)
        if hessian.frozen is not None:
            self.free = np.flatnonzero(~hessian.frozen[at, :p])
        problem = LeastSquares.of(self.moments, self.free.tolist(), [], intercept=hessian.intercept)
        self.problem = problem
        self.system = Eliminated.of(problem)
        unit = self.system.unit
        ridge = np.broadcast_to(hessian.ridge, (hessian.shape[1],))[self.free]
        self.ridge = ridge / hessian.share / (hessian.per[self.free] * unit) ** 2 / problem.rows

    @classmethod
    def of(cls, hessian: OneHotHessian, at: int) -> "Posed | None":
        """The equations; None where elimination does not apply."""
        moments, held = hessian.moments[at], hessian.frozen
        if not (isinstance(moments.cross, OneHotCross) and moments.rows > 0):
            return None
        intercept_held = held is not None and hessian.intercept and bool(held[at, -1])
        if intercept_held or (not hessian.intercept and bool(hessian.mean.any())):
            return None
        if not np.isfinite(moments.cross.diagonal()).all():
            return None
        posed = cls(hessian, at)
        there = isinstance(posed.problem.gram, OneHotCross)
        return posed if there and posed.system.factored else None

    @cached_property
    def factor(self) -> Factor:
        """The factored system."""
        return self.system.factor(self.ridge) if self.ridge.any() else self.system.factor()

    def solve(self, g: Array, *, shortest: bool = True) -> Array:
        """inv(hessian) @ g; of several solutions the shortest, scaled by the diagonal: (q,)."""
        hessian, p, rows = self.hessian, len(self.hessian.mean), self.problem.rows
        # As a gradient of plain levels, summed with a share of 1.
        raw = g[:p] / hessian.per
        once = float(g[p]) if hessian.intercept else 0.0
        raw = (raw + hessian.mean * once)[self.free] / hessian.share
        once /= hessian.share
        mean, unit = self.problem.mean, self.system.unit
        b = ((raw - once * mean * hessian.intercept) / unit / rows)[:, None]
        b[self.system.constant] = 0.0
        w = self.factor.solve(b)[:, 0] / unit
        found = self._standard(w, float(once / rows - mean @ w))
        if self.factor.nulls and shortest:
            found = self._shortest(found)
        if hessian.frozen is not None:
            held = hessian.frozen[self.at]
            found[held] = g[held] / hessian.frozen_value
        return found

    def _standard(self, w: Array, once: float) -> Array:
        """The weights of standardised inputs from those of plain levels: (q,)."""
        hessian = self.hessian
        whole = np.zeros(len(hessian.mean))
        whole[self.free] = w
        if not hessian.intercept:
            return np.asarray(whole / hessian.per)
        return np.append(whole / hessian.per, once + hessian.mean @ whole)

    def _shortest(self, found: Array) -> Array:
        if self.factor.nulls * len(found) > NULL_CELLS:
            return found
        scale = np.sqrt(np.maximum(self.hessian.diagonal(self.at), 0.0))
        scale[scale == 0] = 1.0
        basis = np.column_stack([self._null_vector(one) for one in self.factor.null().T])
        basis, _ = np.linalg.qr(basis * scale[:, None])
        return found - basis @ (basis.T @ (found * scale)) / scale

    def null(self, standard: Standardization) -> Array:
        """An orthonormal basis of the null space in own units: (q, r)."""
        found = [self._null_vector(one) for one in self.factor.null().T]
        own = [_own(one, standard, self.hessian.intercept) for one in found]
        return np.linalg.qr(np.column_stack([np.zeros((self.hessian.shape[1], 0)), *own]))[0]

    def _null_vector(self, w: Array) -> Array:
        w = w / self.system.unit
        return self._standard(w, -float(self.problem.mean @ w))

    def variances(self, standard: Standardization) -> Array:
        """The inverse's diagonal in own units, the intercept last; NaN where singular: (q,)."""
        hessian, q = self.hessian, self.hessian.shape[1]
        if self.factor.nulls or len(self.system.constant):
            return np.full(q, np.nan)
        inverse = Inverse(self.factor, self.problem.rows)
        levels = hessian.levels
        # Plain levels have weights in own units; numbers are standardised.
        per = np.where(levels, 1.0, 1 / standard.spread) / self.system.unit
        variance = inverse.diagonal() * per**2
        if not hessian.intercept:
            return np.asarray(variance)
        centre = np.where(levels, 0.0, standard.mean / standard.spread)
        v = (self.problem.mean + centre) / self.system.unit
        return np.append(variance, 1 / self.problem.rows + v @ (inverse @ v))


def _own(v: Array, standard: Standardization, intercept: bool) -> Array:
    """Weights in the inputs' own units, from standardised ones: (q,)."""
    p = len(standard.spread)
    own = v[:p] / standard.spread
    return np.append(own, v[p] - standard.mean @ own) if intercept else own


def newton_direction(hessian: OneHotHessian, at: int, g: Array) -> Array | None:
    """inv(hessian) @ g of one output, (q,); None where a matrix of all weights is solved.

    By elimination; where that leaves too many weights, by conjugate gradients.
    """
    posed = Posed.of(hessian, at)
    if posed is not None:
        return posed.solve(g)
    return _by_products(hessian, at, g) if hessian.shape[1] > MOST_DENSE else None


def _by_products(hessian: OneHotHessian, at: int, g: Array) -> Array:
    """inv(hessian) @ g by conjugate gradients, to a relative residual of RESIDUAL: (q,).

    The diagonal is the preconditioner. Where the Hessian is singular, its null space is left out.
    """
    diagonal = hessian.diagonal(at)
    per = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    found, left = np.zeros_like(g), g * (per > 0)
    direction = scaled = per * left
    size, enough = float(left @ scaled), RESIDUAL**2 * float(left @ (per * left))
    for _ in range(STEPS):
        if size <= enough:
            break
        product = hessian.products(at, direction)
        share = size / float(direction @ product)
        found, left = found + share * direction, left - share * product
        scaled = per * left
        before, size = size, float(left @ scaled)
        direction = scaled + size / before * direction
    return found


def own_extremes(hessian: OneHotHessian, standard: Standardization) -> tuple[float, float] | None:
    """The largest and smallest eigenvalue of all outputs' Hessians in the inputs' own units.

    Apart from the null space; None where it is unknown.
    """
    p, ends = len(hessian.mean), list[tuple[float, float]]()
    for at in range(len(hessian)):
        posed = Posed.of(hessian, at)
        if posed is None or posed.factor.nulls * p > NULL_CELLS or len(posed.system.constant):
            return None
        basis = posed.null(standard)

        def product(v: Array, at: int = at) -> Array:
            inner = v[:p] * standard.spread
            if hessian.intercept:
                inner = np.append(inner, v[p] + standard.mean @ v[:p])
            found = hessian.products(at, inner)
            own = found[:p] * standard.spread
            if hessian.intercept:
                return np.append(own + standard.mean * found[p], found[p])
            return own

        def within(v: Array, basis: Array = basis) -> Array:
            return v - basis @ (basis.T @ v)

        def inverse(v: Array, posed: Posed = posed) -> Array:
            v = within(v)
            inner = v[:p] / standard.spread
            if hessian.intercept:
                inner = np.append((v[:p] - standard.mean * v[p]) / standard.spread, v[p])
            return within(_own(posed.solve(inner, shortest=False), standard, hessian.intercept))

        size = hessian.shape[1]
        ends.append((largest_eigenvalue(product, size), 1 / largest_eigenvalue(inverse, size)))
    return max(one for one, _ in ends), min(other for _, other in ends)


def steady(own: OneHotHessian, whole: OneHotHessian, within: float) -> bool:
    """Whether own is within so large a share of whole, along every direction."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    for at in range(len(whole)):
        apart = np.abs(own.diagonal(at) - whole.diagonal(at))
        if np.any(apart > within * whole.diagonal(at)):
            return False
        posed = Posed.of(whole, at)
        if posed is None or posed.factor.nulls:
            return False

        def operator(product: Any) -> LinearOperator:
            return LinearOperator(whole.shape[1:], matvec=product, dtype=float)

        try:
            found = eigsh(
                operator(lambda v, at=at: own.products(at, v)),
                k=2,
                M=operator(lambda v, at=at: whole.products(at, v)),
                Minv=operator(lambda v, posed=posed: posed.solve(np.ravel(v))),
                which="BE",
                tol=1e-2,
                v0=np.random.default_rng(0).normal(size=whole.shape[1]),
                return_eigenvectors=False,
            )
        except ArpackError:
            return False
        if np.max(np.abs(found - 1)) > within:
            return False
    return True
