"""Ridge regression with fewer rows than columns: solved in the space of the rows (the dual).

    kernel  K = Z @ Z.T = U @ diag(d) @ U.T,  Z (n, p) the centred, standardised rows
    weights Z.T @ Q @ t,  Q = U @ diag(1 / (d + m)) @ U.T,  m = ridge * rows

One decomposition of K gives the weights at every strength, and those of every fold: without the
rows D the residuals of these are inv(Q[D, D]) @ (Q @ t)[D], exactly those of a fit to the others
alone, with centres of their own; only the units, the spreads of the inputs, are those of all rows.
And the weights without them are those of all rows with the targets in D replaced by what these
predict.

At a ridge of 0 the standardised weights are the smallest of those that fit best. Eigenvalues that
are rounding count as ROUNDING of the largest, which is the limit where no rows are alike.

Shapes: n entries (rows by fold, sorted by fold), p inputs, k outputs
Source: Saunders, Gammerman & Vovk 1998; Hastie & Tibshirani 2004
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy import linalg

from deltarule.dataclass import dataclass, replace
from deltarule.errors import LearningError
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.moments.problem import LinearProblem
from deltarule.moments.row_cross import MOST_ENTRIES, Places, RowCross
from deltarule.moments.splits import Split, SplitScheme
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.cv_result import CVResult, cross_validated, search
from deltarule.solvers.least_squares import with_intercept

ROUNDING = 1e-12
# The grid. Eigenvalues of standardised inputs add up to their number, so more of them take more.
STRENGTHS = np.concatenate([[0.0], np.logspace(-4, 4, 9)])


@dataclass(frozen=True)
class Dual:
    """A least-squares problem of rows that were kept, decomposed.

    Shapes:  unit (p,), values (m,), vectors (n, m), m = n - intercept; targets (n, k), centred and
             times `root` (n,), the roots of row weights
    """

    problem: LeastSquares
    rows: RowCross
    unit: Array
    values: Array
    vectors: Array
    targets: Array
    root: Array

    @classmethod
    def of(cls, linear: LinearProblem, moments: Moments) -> "Dual":
        """The problem of the inputs and targets of these moments.

        Errors:  LearningError for more rows than their own products have room for
        """
        problem = linear.of(moments)
        gram, cross = problem.gram, moments.cross
        assert isinstance(gram, RowCross), "rows were kept"
        assert isinstance(cross, RowCross), "rows were kept"
        if cross.entries > MOST_ENTRIES:
            raise LearningError(
                f"{cross.entries:,} rows of {len(gram):,} inputs have too many products, those of "
                "the inputs and those of the rows: name fewer inputs"
            )
        if not problem.intercept:
            cross = cross.about_zero(moments.mean)
        spread = problem.spread / problem.scale
        unit = np.where(spread > 0, spread, 1.0)
        targets, root = cross.of_columns(list(linear.targets)), gram.root
        kernel = gram.kernel(unit)
        if problem.intercept and len(root):
            # Beyond all others, so that its eigenvector is the last; it is then left out.
            # No eigenvalue is above the trace; the largest is not far below for most data, and the
            # row sums bound it closely.
            sums = np.abs(kernel).sum(axis=0) + np.abs(kernel).sum(axis=1)
            beyond = 2 * max(float(sums.max()), 1.0)
            kernel = linalg.blas.dsyr(
                beyond / (root @ root), root, a=kernel, lower=1, overwrite_a=1
            )
        values, vectors = linalg.eigh(kernel, lower=True, overwrite_a=True, check_finite=False)
        if problem.intercept:
            values, vectors = values[:-1], vectors[:, :-1]
        return cls(problem, gram, unit, values, vectors, targets, root)

    @property
    def rank(self) -> int:
        """The rank of the centred rows."""
        return int((self.values > self._least).sum())

    @property
    def _least(self) -> float:
        return ROUNDING * float(self.values.max(initial=0.0))

    def _per(self, strength: float, rows: float) -> Array:
        """The eigenvalues of Q, (m,), at a ridge on so many rows."""
        whole = np.maximum(self.values, self._least) + strength * rows
        return np.divide(1.0, whole, out=np.zeros_like(whole), where=whole > 0)

    def coefficients(self, strength: float, rows: float, targets: Array) -> Array:
        """Q @ targets: (n, k)."""
        found: Array = self.vectors @ (
            self._per(strength, rows)[:, None] * (self.vectors.T @ targets)
        )
        return found

    def residuals(self, strength: float, rows: float, without: Places) -> Array:
        """Residuals of the rows `without`, (d,), by the weights of the `rows` others: (d, k).

        Each is times the root of its row's weight.
        """
        per = self._per(strength, rows)
        own = self.vectors[without]
        side = own @ (per[:, None] * self._turned)
        own *= np.sqrt(per)
        q = linalg.blas.dsyrk(1.0, own, lower=True)
        found, failed = linalg.lapack.dposv(q, side, lower=True, overwrite_a=True)[1:]
        if failed:  # rows that are alike, without a ridge
            found = np.linalg.lstsq(own @ own.T, side, rcond=None)[0]
        residuals: Array = found
        return residuals

    @cached_property
    def _turned(self) -> Array:
        """The targets in the eigenbasis: (m, k)."""
        turned: Array = self.vectors.T @ self.targets
        return turned

    def squared_error(self, strength: float) -> Array:
        """The sum of delta ** 2 over all rows that were learnt from, in target_scale squared."""
        left = 1 - self.values * self._per(strength, self.problem.rows)
        squared: Array = ((left[:, None] * self._turned) ** 2).sum(axis=0)
        return squared

    def solution(self, strength: float) -> Weights:
        """The weights learnt from all rows, in own units."""
        rows = self.problem.rows
        weight = self.weights(self.coefficients(strength, rows, self.targets))
        return with_intercept(self.problem, weight)

    def weights(self, coefficients: Array) -> Array:
        """Weights in the inputs' own units, of coefficients of rows: (n, k) -> (p, k)."""
        own = self.rows.sums(coefficients) / self.unit[:, None] ** 2
        times = own.shape[1] // len(self.problem.target_scale)
        weights: Array = (
            own / self.problem.scale[:, None] * np.tile(self.problem.target_scale, times)
        )
        return weights


@dataclass(frozen=True)
class DualFolds:
    """The folds of a decomposed problem: which entries are of which."""

    dual: Dual
    folds: Sequence[Moments]
    splits: SplitScheme

    def _within(self, folds: Sequence[int]) -> Places:
        """The places of the entries of some folds."""
        sizes = [
            fold.cross.entries if isinstance(fold.cross, RowCross) else 0 for fold in self.folds
        ]
        ends = np.cumsum([0, *sizes])
        return np.concatenate([np.arange(ends[at], ends[at + 1]) for at in sorted(folds)])

    def _without(self, split: Split) -> tuple[Places, Mask, float]:
        """The entries that a fold's weights never saw, which of them are its own, and the rows."""
        others = [at for at in range(len(self.folds)) if at not in split.train]
        away = self._within(others)
        own = np.isin(away, self._within([split.test]))
        return away, own, float(sum(self.folds[at].rows for at in split.train))

    def path(self, strengths: Array) -> CVResult:
        """The cross-validated errors of each strength."""

        def errors(split: Split, _: Moments) -> Array:
            away, own, rows = self._without(split)
            each = (self.dual.residuals(float(one), rows, away)[own] for one in strengths)
            return np.array([(off**2).sum(axis=0) for off in each])

        targets = np.arange(self.dual.targets.shape[1]) + len(self.dual.unit)
        return cross_validated(self.folds, self.splits, targets.tolist(), errors, ridge=strengths)

    def search(self, strengths: Array) -> CVResult:
        """The errors of these ridges and, where they are several, of finer ones near the best."""
        return search(lambda ridges, _: self.path(ridges), strengths, chosen=best_of)

    def weights(self, strength: float) -> dict[int, Weights]:
        """The weights learnt without each fold that is judged, in own units."""
        problem, root, held = self.dual.problem, self.dual.root, self.splits.of(self.folds)
        coefficients, moved, k = [], [], self.dual.targets.shape[1]
        for split in held:
            away, _, rows = self._without(split)
            targets = self.dual.targets.copy()
            targets[away] -= self.dual.residuals(strength, rows, away)
            coefficients.append(self.dual.coefficients(strength, rows, targets))
            moved.append(root @ targets / (root @ root))  # the mean of all rows at these targets
        # All folds at once, as each takes a pass over the columns.
        weights = self.dual.weights(np.hstack(coefficients))
        found: dict[int, Weights] = {}
        for at, split in enumerate(held):
            posed = replace(problem, target_mean=problem.target_mean + moved[at])
            found[split.test] = with_intercept(posed, weights[:, at * k : (at + 1) * k])
        return found


def best_of(path: CVResult) -> int:
    """The strength with the least error on held-out rows.

    With more inputs than rows there is no fit without a penalty that one would have to be surely
    better than: that of 0 is the smallest of many.
    """
    return int(np.argmin((path.errors / np.maximum(path.guessing, 1e-300)).sum(axis=(1, 2))))
