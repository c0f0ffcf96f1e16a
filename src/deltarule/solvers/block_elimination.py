"""Block elimination: normal equations in which the largest category is a diagonal block.

Of the inputs, the L levels of the largest category are eliminated first, as in fixed-effects
solvers; the system that is left has the m = intercept + other inputs:

    | S0  B' | | v |   | c |        S = S0 - B' inv(D) B,   S v = c - B' inv(D) b
    | B   D  | | u | = | b |        u = inv(D) (b - B v)

    D     (L,)    the levels' counts, and the ridge
    B     (L, m)  sums of the other inputs by level; of other categories' levels sparse counts
    S0    (m, m)  products of the others, the intercept's column of ones among them; numbers are
                  about their means, levels about zero, so that nothing but S is ever dense

    inverse     its diagonal is diag(inv(S)) for the others, and for the levels
                1 / D + rows of (inv(D) B) inv(S) (inv(D) B)'
    null space  v of S, with u = -inv(D) B v: S alone shows the rank, as where a level is all that
                varies (the reference level has no rows) or categories are nested
    condition   of the design in own units: Lanczos on products and on solutions

All of it is in units where every input has spread 1, divided by the rows. Where m exceeds
MOST_DENSE, S is not formed either: conjugate gradients on the correlation matrix, all strengths of
ridge at once, to a relative residual of RESIDUAL; rank, inverse and condition are then unknown.

Shapes: p inputs, k outputs, r dimensions of the null space.
Source: Golub & Van Loan 2013, sections 3.2.6 and 11.3; Guimaraes & Portugal 2010
"""

from collections.abc import Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.moments import LeastSquares
from deltarule.moments.one_hot import OneHotCross, Places, dense
from deltarule.rule.predict import Array
from deltarule.solvers.cholesky import finite
from deltarule.solvers.krylov import EPS, largest_eigenvalue, shifted_solutions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Below this reciprocal condition number fewer than ten digits are sure.
SURE = 1e-6
# Systems of up to so many unknowns are factored: 134 MB, and half a second.
MOST_DENSE = 4096
# Numbers of a null space that are kept: 64 MB.
NULL_CELLS = 1 << 23
# Numbers that are computed at a time: 32 MB.
SOME_CELLS = 1 << 22


@dataclass(frozen=True)
class Border:
    """B: sums of the other inputs by eliminated level, dense and sparse columns: (L, m)."""

    dense: Array
    sparse: "csr_array | None"

    def __matmul__(self, v: Array) -> Array:
        own = self.dense.shape[1]
        found: Array = self.dense @ v[:own]
        return found if self.sparse is None else found + self.sparse @ v[own:]

    def dot(self, u: Array) -> Array:
        """B' u: (L, k) -> (m, k)."""
        found: Array = self.dense.T @ u
        return found if self.sparse is None else np.concatenate([found, self.sparse.T @ u])

    def gram(self, by: Array) -> Array:
        """B' diag(by) B: (m, m)."""
        own = self.dense.shape[1]
        weighed = self.dense * by[:, None]
        if self.sparse is None:
            return np.asarray(self.dense.T @ weighed)
        size = own + self.sparse.shape[1]
        found = np.empty((size, size))
        found[:own, :own] = self.dense.T @ weighed
        found[own:, :own] = self.sparse.T @ weighed
        found[:own, own:] = found[own:, :own].T
        found[own:, own:] = self._squared(by)
        return found

    def _squared(self, by: Array) -> Array:
        """The sparse columns' part: as arrays, some levels at a time, unless they are few."""
        assert self.sparse is not None, "there are sparse columns"
        levels, columns = self.sparse.shape
        # A sparse product takes some forty times as long for each of its terms.
        each = np.diff(self.sparse.indptr).astype(float)
        if 40 * float(each @ each) < levels * columns**2:
            product = self.sparse.T @ self.sparse.multiply(by[:, None])
            return np.asarray(product.toarray())
        found, some = np.zeros((columns, columns)), max(1, SOME_CELLS // columns)
        for start in range(0, levels, some):
            rows = slice(start, start + some)
            part = self.sparse[rows].toarray()
            found += part.T @ (part * by[rows, None])
        return found

    def part(self, rows: slice) -> Array:
        """Some rows as an array."""
        if self.sparse is None:
            return self.dense[rows]
        return np.hstack([self.dense[rows], self.sparse[rows].toarray()])


@dataclass(frozen=True)
class Eliminated:
    """The normal equations with the largest category's levels eliminated.

    Shapes:  slope (p, k); scale (p,): what each input was divided by; constant: inputs that do not
             vary; levels (L,), others (m - intercept,): which inputs they are
    """

    slope: Array
    scale: Array
    constant: Places
    levels: Places
    others: Places
    intercept: bool
    diagonal: Array
    border: Border
    gram: OneHotCross
    unit: Array
    rows: float
    _factors: dict[float, "Factor"] = field(default_factory=dict, repr=False)
    _iterated: dict[float, Array] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, problem: LeastSquares) -> "Eliminated":
        """The normal equations of a problem whose products are of one-hot columns."""
        gram = problem.gram
        assert isinstance(gram, OneHotCross), "some inputs are levels"
        spread = problem.spread
        scale = np.where(spread > 0, spread, 1.0)
        unit = scale / problem.scale
        varies = spread > 0
        slope = problem.with_targets / (unit * problem.rows)[:, None]
        slope[~varies] = 0.0
        first = max(range(len(gram.levels)), key=lambda at: len(gram.levels[at].at))
        own = gram.levels[first]
        rest = [one for at, one in enumerate(gram.levels) if at != first]
        others = np.concatenate([gram.dense_at, *(one.at for one in rest)]).astype(np.intp)
        weight = varies[own.at] / (unit[own.at] * problem.rows)
        beside = own.sums * weight[:, None] * (varies / unit)[gram.dense_at]
        if problem.intercept:
            beside = np.column_stack([own.counts * weight, beside])
        sparse = None
        if rest:
            from scipy.sparse import diags_array, hstack

            parts = [
                gram.pairs[first, at] if first < at else gram.pairs[at, first].T
                for at in range(len(gram.levels))
                if at != first
            ]
            by = (varies / unit)[others[len(gram.dense_at) :]]
            sparse = (diags_array(weight) @ hstack(parts, format="csr") @ diags_array(by)).tocsr()
        return cls(
            slope=slope,
            scale=scale,
            constant=np.flatnonzero(~varies),
            levels=own.at,
            others=others,
            intercept=problem.intercept,
            diagonal=np.where(varies[own.at], own.counts * weight / unit[own.at], 1.0),
            border=Border(beside, sparse),
            gram=gram,
            unit=unit,
            rows=problem.rows,
        )

    @property
    def width(self) -> int:
        """The unknowns that are left, m."""
        return len(self.others) + self.intercept

    @property
    def factored(self) -> bool:
        """Whether the system that is left is factored, not solved by conjugate gradients."""
        return self.width <= MOST_DENSE

    @cached_property
    def rest(self) -> Array:
        """S0: (m, m)."""
        whole = _others(self.gram, self.levels)
        places = np.searchsorted(np.sort(self.others), self.others)
        varies = np.ones(len(self.scale))
        varies[self.constant] = 0.0
        by = varies[self.others] / self.unit[self.others]
        inner = whole[np.ix_(places, places)] * by[:, None] * by / self.rows
        still = varies[self.others] == 0
        inner[still, still] = 1.0
        if not self.intercept:
            return inner
        ones = self.gram.counts[self.others] * by / self.rows
        return np.block([[np.ones((1, 1)), ones[None]], [ones[:, None], inner]])

    def own(self, problem: LeastSquares, solved: Array) -> Array:
        """Standardised weights converted to the problem's own units."""
        own: Array = solved / self.scale[:, None] * problem.target_scale
        return own

    def product(self, w: Array) -> Array:
        """The correlation matrix times w: (p, k) -> (p, k)."""
        each = self.unit if w.ndim == 1 else self.unit[:, None]
        found: Array = (self.gram @ (w / each)) / each / self.rows
        found[self.constant] = w[self.constant]
        return found

    def factor(self, ridge: float | Array = 0.0) -> "Factor":
        """The factored system with this ridge, a number or (p,)."""
        if isinstance(ridge, np.ndarray):
            return Factor.of(self, ridge)
        if ridge not in self._factors:
            self._factors.clear()  # one is large
            self._factors[ridge] = Factor.of(self, np.full(len(self.scale), float(ridge)))
        return self._factors[ridge]

    def solved(self, ridge: float | Array = 0.0) -> Array:
        """The standardised weights: (p, k)."""
        if self.factored:
            return self.factor(ridge).solve(self.slope)
        assert not isinstance(ridge, np.ndarray), "one strength for all inputs"
        if ridge not in self._iterated:
            self.iterate([ridge])
        return self._iterated[ridge]

    def iterate(self, strengths: Sequence[float]) -> None:
        """Solve by conjugate gradients for all these strengths of ridge at once."""
        columns = [shifted_solutions(self.product, one, strengths) for one in self.slope.T]
        for at, strength in enumerate(strengths):
            self._iterated[strength] = np.column_stack([one[at] for one in columns])


@dataclass(frozen=True)
class _Split:
    """D with the ridge, and how right-hand sides split into those of v and u."""

    system: Eliminated
    diagonal: Array

    @classmethod
    def of(cls, system: Eliminated, ridge: Array) -> "_Split":
        return cls(system, system.diagonal + ridge[system.levels])

    def left(self, b: Array) -> Array:
        """c - B' inv(D) b: (p, k) -> (m, k)."""
        system, k = self.system, b.shape[1]
        c = b[system.others]
        if system.intercept:
            c = np.concatenate([np.zeros((1, k)), c])
        left: Array = c - system.border.dot(b[system.levels] / self.diagonal[:, None])
        return left

    def whole(self, b: Array | None, v: Array) -> Array:
        """All unknowns but the intercept, from v: (m, k) -> (p, k); b None for 0."""
        system = self.system
        whole = np.zeros((len(system.scale), v.shape[1]))
        whole[system.others] = v[1:] if system.intercept else v
        u = -(system.border @ v)
        if b is not None:
            u += b[system.levels]
        whole[system.levels] = u / self.diagonal[:, None]
        return whole


@dataclass(frozen=True)
class Factor:
    """S as a Cholesky factor, or as eigenvectors where that would leave too few digits.

    Shapes:  root (m, m); values (m,), None with a Cholesky factor; dropped (m, r)
    """

    split: _Split
    root: Array
    values: Array | None
    dropped: Array
    sure: bool

    @classmethod
    def of(cls, system: Eliminated, ridge: Array) -> "Factor":
        split = _Split.of(system, ridge)
        left = system.rest - system.border.gram(1 / split.diagonal)
        before = system.rest.diagonal().copy()
        penalised = ridge[system.others]
        first = int(system.intercept)
        left[range(first, len(left)), range(first, len(left))] += penalised
        before[first:] += penalised
        m = len(left)
        # Counts are whole numbers: the intercept's own place loses no digits.
        kept = (left.diagonal() / before)[first:].min(initial=1.0)
        if m == 0:
            return cls(split, left, None, left, True)
        from scipy import linalg

        if kept > SURE:
            root, failed = linalg.lapack.dpotrf(left, lower=True)
            if not failed and kept * _reciprocal(root, left) > SURE:
                return cls(split, root, None, np.zeros((m, 0)), True)
        values, vectors = linalg.eigh(finite(left), check_finite=False)
        there = values > max(m, 10) * 4 * EPS * max(float(values[-1]), 1.0)
        return cls(split, vectors[:, there], values[there], vectors[:, ~there], False)

    def solve(self, b: Array) -> Array:
        """The weights of a right-hand side: (p, k) -> (p, k)."""
        return self.split.whole(b, self.rest(self.split.left(b)))

    def rest(self, c: Array) -> Array:
        """inv(S) c: (m, k) -> (m, k)."""
        if not len(self.root):
            return c
        if self.values is None:
            from scipy import linalg

            solved: Array = linalg.cho_solve((self.root, True), c, check_finite=False)
            return solved
        return np.asarray(self.root @ ((self.root.T @ c) / self.values[:, None]))

    @property
    def nulls(self) -> int:
        """The dimension of the null space among inputs that vary, r."""
        return int(self.dropped.shape[1])

    def null(self) -> Array:
        """A basis of the null space, of as many directions as there is room for: (p, <= r)."""
        room = max(1, NULL_CELLS // max(len(self.split.system.scale), 1))
        return self.split.whole(None, self.dropped[:, :room])

    def diagonal(self) -> Array:
        """The diagonal of the inverse; NaN for inputs that do not vary or are collinear: (p,)."""
        system = self.split.system
        found = np.full(len(system.scale), np.nan)
        inverse = self.rest(np.eye(system.width))
        found[system.others] = inverse.diagonal()[int(system.intercept) :]
        by, some = 1 / self.split.diagonal, max(1, SOME_CELLS // max(system.width, 1))
        for start in range(0, len(by), some):
            rows = slice(start, start + some)
            part = system.border.part(rows) * by[rows, None]
            through = np.einsum("lm,lm->l", part @ inverse, part)
            found[system.levels[rows]] = by[rows] + through
        found[system.constant] = np.nan
        found[self._collinear()] = np.nan
        return found

    def _collinear(self) -> Places:
        """The inputs that take part in the null space."""
        parts = np.zeros(len(self.split.system.scale))
        some = max(1, SOME_CELLS // max(len(parts), 1))
        for start in range(0, self.nulls, some):
            null = self.split.whole(None, self.dropped[:, start : start + some])
            parts = np.maximum(parts, np.abs(null / np.abs(null).max(axis=0)).max(axis=1))
        return np.flatnonzero(parts > 1e-6)


def _reciprocal(root: Array, matrix: Array) -> float:
    """The reciprocal condition number of a factored matrix, scaled to a diagonal of 1."""
    from scipy.linalg import lapack

    size = np.sqrt(matrix.diagonal())
    largest = float(np.max(np.sum(np.abs(matrix / size / size[:, None]), axis=0), initial=0.0))
    reciprocal, _ = lapack.dpocon(np.asfortranarray(root / size[:, None]), largest, uplo="L")
    return float(reciprocal)


@dataclass(frozen=True)
class Inverse:
    """The inverse of the gram of standardised inputs, by products: (p, p)."""

    factor: Factor
    rows: float

    def diagonal(self) -> Array:
        """Its diagonal; NaN for inputs that have none: (p,)."""
        diagonal: Array = self.factor.diagonal() / self.rows
        return diagonal

    def __matmul__(self, v: Array) -> Array:
        found = self.factor.solve(v[:, None] if v.ndim == 1 else v) / self.rows
        return found[:, 0] if v.ndim == 1 else found

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self @ np.eye(len(self.factor.split.system.scale))


def _others(gram: OneHotCross, levels: Places) -> Array:
    """The products of all but these levels, in the order of inputs, levels about zero."""
    there = np.ones(len(gram), dtype=bool)
    there[levels] = False
    return dense(replace(gram, centred=False).take(np.flatnonzero(there)))


def extreme_eigenvalues(problem: LeastSquares, system: Eliminated) -> tuple[float, float]:
    """The largest and smallest eigenvalue, 0 apart, of the raw gram in own units, summed over rows.

    The intercept's column included. The smallest is NaN where it is unknown.
    """
    gram, first = problem.gram, int(problem.intercept)
    mean, scale, rows = problem.mean, problem.scale, problem.rows
    size = len(scale) + first

    def product(v: Array) -> Array:
        w = scale * v[first:]
        found = gram @ w
        if not first:
            return np.asarray(scale * found)
        off = rows * (v[0] + mean @ w)
        return np.concatenate([[off], scale * (found + mean * off)])

    largest = largest_eigenvalue(product, size)
    if not system.factored:
        return largest, np.nan
    factor = system.factor()
    if factor.nulls * size > NULL_CELLS:
        return largest, np.nan
    own = system.scale
    centre = mean * scale
    # Inputs that are always 0 are left out of both operators; others that do not vary are null.
    still = [at for at in system.constant if centre[at]]
    null = np.column_stack([factor.null(), np.arange(len(own))[:, None] == still]) / own[:, None]
    if first:
        null = np.vstack([-(centre @ null), null])
    basis, _ = np.linalg.qr(null) if null.size else (null, None)

    def inverse(v: Array) -> Array:
        v = v - basis @ (basis.T @ v)
        b = v[first:] - centre * v[0] if first else v
        w = factor.solve((b / own)[:, None])[:, 0] / own / rows
        w[system.constant] = 0.0
        if first:
            w = np.concatenate([[v[0] / rows - centre @ w], w])
        return np.asarray(w - basis @ (basis.T @ w))

    return largest, 1 / largest_eigenvalue(inverse, size)
