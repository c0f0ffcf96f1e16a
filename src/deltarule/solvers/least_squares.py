"""Least squares from moments: exact weights, ridge, and gradient descent in closed form.

    exact     gram @ weight = with_targets, in units where every input has spread 1
    ridge     mean loss + ridge / 2 * sum(standardised weight ** 2), loss = delta ** 2 / 2
    descent   weights(t) = start - V @ ((1 - (1 - alpha * l) ** t) / l * (V.T @ g)),
              with V, l the eigenvectors and -values of the average Hessian, g the start's
              weight_delta

Categories of many levels are eliminated (block_elimination.py).

Shapes: p inputs, k outputs, q = p + intercept, r = rank of the design.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass, replace
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.moments.one_hot import OneHotCross, dense
from deltarule.moments.problem import LinearProblem
from deltarule.moments.splits import ANY_ORDER, Split, SplitScheme
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import Objective
from deltarule.rule.learn import AlphaRange, alpha_range
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.block_elimination import SURE, Eliminated, Inverse, extreme_eigenvalues
from deltarule.solvers.cholesky import SMALL, Cholesky
from deltarule.solvers.cv_result import DECADES, CVResult, cross_validated, search
from deltarule.solvers.krylov import EPS

# From so many strengths of ridge on, an eigendecomposition costs less than factors for each; with
# few inputs, whose factors' roots are inverted, from fewer on.
MANY, MANY_OF_FEW = 20, 3


@dataclass(frozen=True)
class Solution:
    """Exact weights, and whether they are accurate.

    `inverse` is that of the gram of standardised inputs, (p, p), None where it is unknown; `null`
    is a basis of its null space, as columns, of a large one only a part; `unit` are the inputs'
    spreads, (p,), which convert both to own units. `sure` is False when the digits of one read may
    not suffice.
    """

    weights: Weights
    inverse: Array | Inverse | None
    unit: Array
    rank: int
    null: Array
    sure: bool


@dataclass(frozen=True)
class Normal:
    """The normal equations in units where every input has spread 1: correlation @ w = slope.

    Shapes:  correlation (p, p), slope (p, k), scale (p,): what each input was divided by
    """

    correlation: Array
    slope: Array
    scale: Array
    constant: NDArray[np.intp]

    @classmethod
    def of(cls, problem: LeastSquares) -> "Normal":
        """The normal equations of a problem; constant inputs are kept apart from the others."""
        spread = problem.spread
        scale = np.where(spread > 0, spread, 1.0)
        unit = scale / problem.scale
        correlation = dense(problem.gram) / (unit[:, None] * problem.rows) / unit
        slope = problem.with_targets / (unit * problem.rows)[:, None]
        constant = np.flatnonzero(~(spread > 0))
        correlation[constant, constant] = 1.0
        slope[constant] = 0.0
        return cls(correlation, slope, scale, constant)

    def penalised(self, ridge: float | Array) -> Array:
        """A copy of the correlation with the ridge (a number or (p,)) added to its diagonal."""
        # The matrix is symmetric: its transpose gives Fortran order without a gather.
        penalised = self.correlation.T.copy(order="F")
        np.einsum("ii->i", penalised)[:] += ridge
        return penalised

    @cached_property
    def sums(self) -> Array:
        """Each column's sum of absolute correlations: (p,)."""
        return _sums(self.correlation)

    def own(self, problem: LeastSquares, solved: Array) -> Array:
        """Standardised weights converted to the problem's own units."""
        own: Array = solved / self.scale[:, None] * problem.target_scale
        return own


def solve(problem: LeastSquares, *, ridge: float | Array = 0.0) -> Solution:
    """The least-squares solution; where inputs are collinear, of minimum norm.

    The norm is that of standardised weights, the limit of ridge -> 0: it knows no units.
    """
    if isinstance(problem.gram, OneHotCross):
        return _eliminated(problem, ridge)
    normal = Normal.of(problem)
    solved, inverse, null, sure = _solve(normal.penalised(ridge), normal.slope)
    p, constant = len(normal.scale), normal.constant
    if constant.size:
        inverse[constant, constant] = 0.0
        null = np.column_stack([null, np.eye(p)[:, constant]])
    return Solution(
        weights=with_intercept(problem, normal.own(problem, solved)),
        inverse=inverse / problem.rows,
        unit=normal.scale,
        rank=p - null.shape[1],
        null=null,
        sure=sure,
    )


def _eliminated(problem: LeastSquares, ridge: float | Array) -> Solution:
    """The solution by block elimination, with one step of iterative refinement."""
    system = Eliminated.of(problem)
    solved = system.solved(ridge)
    if not system.factored:
        weights = with_intercept(problem, system.own(problem, solved))
        none = np.zeros((len(system.scale), 0))
        known = len(system.scale) - len(system.constant)
        return Solution(weights, None, system.scale, known, none, True)
    factor = system.factor(ridge)
    each = ridge if isinstance(ridge, float | int) else ridge[:, None]
    solved += factor.solve(system.slope - system.product(solved) - each * solved)
    null = factor.null()
    if factor.nulls:
        solved = shortest(solved, null)
    return Solution(
        weights=with_intercept(problem, system.own(problem, solved)),
        inverse=Inverse(factor, problem.rows),
        unit=system.scale,
        rank=len(system.scale) - len(system.constant) - factor.nulls,
        null=null,
        sure=factor.sure,
    )


def normal_equations(problem: LeastSquares) -> Normal | Eliminated:
    """The normal equations, to be solved with several strengths of ridge."""
    return Eliminated.of(problem) if isinstance(problem.gram, OneHotCross) else Normal.of(problem)


def weights_for(
    problem: LeastSquares, normal: Normal | Eliminated, *, ridge: float | Array
) -> Weights:
    """The weights alone, at a third of the cost of `solve`; equal to rounding."""
    if isinstance(normal, Eliminated):
        if normal.factored and not normal.factor(ridge).sure:
            return solve(problem, ridge=ridge).weights
        return with_intercept(problem, normal.own(problem, normal.solved(ridge)))
    penalised = normal.penalised(ridge)
    factor = Cholesky.of(penalised, overwrite=True)
    if factor is None or not _sure(factor, normal.sums + ridge):
        return solve(problem, ridge=ridge).weights
    return with_intercept(problem, normal.own(problem, factor.solve(normal.slope)))


def ridge_weights(problem: LeastSquares, normal: Normal | Eliminated, strengths: Array) -> Weights:
    """The weights alone at each strength of ridge: (s, p, k), intercept (s, k).

    Of many strengths an eigendecomposition of the correlation gives all that are sure.
    """
    if isinstance(normal, Eliminated) and not normal.factored:
        normal.iterate(strengths.tolist())
    weight = np.zeros((len(strengths), *normal.slope.shape))
    rest = np.arange(len(strengths))
    many = MANY if len(normal.slope) > SMALL else MANY_OF_FEW
    if isinstance(normal, Normal) and len(strengths) >= many and len(normal.slope):
        values, vectors = np.linalg.eigh(normal.correlation)
        damped = values + strengths[:, None]
        sure = damped[:, 0] > SURE * damped[:, -1]
        turned = vectors.T @ normal.slope
        solved = vectors @ (turned / damped[sure][:, :, None])
        weight[sure] = normal.own(problem, solved)
        rest = np.flatnonzero(~sure)
    for at in rest:
        weight[at] = weights_for(problem, normal, ridge=float(strengths[at]))["weight"]
    return with_intercept(problem, weight)


def squared_errors(problem: LinearProblem, fold: Moments, free: Weights) -> Array:
    """The fold's summed delta ** 2 for many weights, each treated as an output: (s, k).

    Shapes:  free weight (s, p, k), intercept (s, k)
    """
    times = len(free["weight"])
    many = replace(
        problem,
        targets=list(problem.targets) * times,
        start={name: np.tile(array, times) for name, array in problem.start.items()},
    )
    side_by_side = {name: np.concatenate(list(array), axis=-1) for name, array in free.items()}
    return many.of(fold).squared_error(many.whole(side_by_side)).reshape(times, -1)


def _sums(matrix: Array) -> Array:
    sums: Array = np.sum(np.abs(matrix), axis=0)
    return sums


def _sure(factor: Cholesky, sums: Array) -> bool:
    """Whether the condition number leaves enough digits; `sums` are of the factored matrix."""
    return factor.reciprocal_condition(float(np.max(sums, initial=0.0))) > SURE


def rank(problem: LeastSquares) -> int:
    """The rank of the design: inputs that vary, less the dimension of the null space."""
    normal = normal_equations(problem)
    every = len(normal.scale)
    if isinstance(normal, Eliminated):
        nulls = normal.factor().nulls if normal.factored else 0
        return every - len(normal.constant) - nulls
    factor = Cholesky.of(normal.correlation)
    if every and (factor is None or not _sure(factor, normal.sums)):
        values = np.linalg.eigvalsh(normal.correlation)
        every = int((values > every * 4 * EPS * values[-1]).sum())
    return every - len(normal.constant)


def _solve(correlation: Array, slope: Array) -> tuple[Array, Array, Array, bool]:
    """The solution, the inverse, the null space, and whether the digits are sure."""
    p = len(correlation)
    if p == 0:
        return slope, correlation, np.zeros((0, 0)), True
    factor = Cholesky.of(correlation)
    if factor is not None and _sure(factor, _sums(correlation)):
        solved = factor.solve(slope)
        # One step of iterative refinement.
        solved += factor.solve(slope - correlation @ solved)
        return solved, factor.inverse(), np.zeros((p, 0)), True
    values, vectors = np.linalg.eigh(correlation)
    kept = values > p * 4 * EPS * values[-1]
    turned = vectors[:, kept] / values[kept]
    inverse = turned @ vectors[:, kept].T
    return turned @ (vectors[:, kept].T @ slope), inverse, vectors[:, ~kept], False


def shortest(weight: Array, null: Array) -> Array:
    """The standardised weights of minimum norm, given a basis of the null space."""
    basis, _ = np.linalg.qr(null / np.linalg.norm(null, axis=0))
    shorter: Array = weight - basis @ (basis.T @ weight)
    return shorter


def with_intercept(problem: LeastSquares, weight: Array) -> Weights:
    """These weights, with the intercept that makes the mean delta zero."""
    if not problem.intercept:
        return {"weight": weight}
    target_mean = problem.target_mean * problem.target_scale
    return {"weight": weight, "intercept": target_mean - (problem.mean * problem.scale) @ weight}


def dependent(null: Array) -> list[tuple[int, ...]]:
    """Groups of collinear inputs, the first a combination of the others, from the null space.

    Elimination from the last input backwards, so that the input named first is the latest one.

    Shapes:  null (p, p - r), as columns

    >>> dependent(np.array([[1.0], [-2.0], [0.0]]))
    [(1, 0)]
    """
    rows = (null / np.max(np.abs(null), axis=0)).T.copy() if null.size else np.zeros((0, len(null)))
    groups = []
    column = rows.shape[1] - 1
    done = 0
    while done < len(rows) and column >= 0:
        pivot = done + int(np.argmax(np.abs(rows[done:, column])))
        if abs(rows[pivot, column]) > 1e-6:
            rows[[done, pivot]] = rows[[pivot, done]]
            rows[done] /= rows[done, column]
            others = [at for at in range(len(rows)) if at != done]
            rows[others] -= np.outer(rows[others, column], rows[done])
            groups.append(column)
            done += 1
        column -= 1
    found = []
    for at, leader in enumerate(groups):
        size = np.abs(rows[at])
        rest = [int(j) for j in np.flatnonzero(size > 1e-6) if j != leader]
        found.append((leader, *rest))
    return found


def ridge_path(
    folds: Sequence[Moments],
    problem: LinearProblem,
    *,
    strengths: Array,
    splits: SplitScheme = ANY_ORDER,
) -> CVResult:
    """Cross-validated errors of each strength, from the moments of the training folds."""

    def errors(split: Split, others: Moments) -> Array:
        free = problem.free(others)
        weights = ridge_weights(free, normal_equations(free), strengths)
        return squared_errors(problem, folds[split.test], weights)

    return cross_validated(folds, splits, problem.targets, errors, ridge=strengths)


def ridge_search(
    folds: Sequence[Moments],
    problem: LinearProblem,
    *,
    strengths: Array = DECADES,
    splits: SplitScheme = ANY_ORDER,
) -> CVResult:
    """Cross-validated errors of no penalty and each decade of ridge; finer where one is better.

    A single strength is not searched around.
    """

    def tried(ridges: Array, _: Array) -> CVResult:
        return ridge_path(folds, problem, strengths=ridges, splits=splits)

    return search(tried, strengths)


@dataclass(frozen=True)
class ClosedFormDescent:
    """Full-batch gradient descent in closed form: the weights after any number of steps.

    Shapes:  vectors (q, q), values (q,), turned (q, k): the start's weight_delta in the eigenbasis
    """

    start: Weights
    alpha: float
    values: Array
    vectors: Array
    turned: Array

    @classmethod
    def of(cls, problem: Objective, start: Weights, alpha: float) -> "ClosedFormDescent":
        """Plain descent on this problem, or another quadratic, from `start` at constant alpha."""
        compared = problem(start, hessian=True).average()
        assert compared.hessian is not None
        values, vectors = np.linalg.eigh(compared.hessian[0])
        turned = vectors.T @ stack(compared.weight_delta)
        return cls(start, alpha, np.maximum(values, 0.0), vectors, turned)

    @property
    def settles(self) -> bool:
        """Whether alpha is below the limit of convergence."""
        return bool((self.alpha * self.values < 2).all())

    def at(self, step: int) -> Weights:
        """The weights after `step` steps."""
        shrunk = 1 - self.alpha * self.values
        # Where shrunk is near 1, 1 - shrunk ** step loses its digits unless computed by expm1.
        slow = self.alpha * self.values < 0.5
        exponent = step * np.log1p(-self.alpha * np.where(slow, self.values, 0.0))
        gone = np.where(slow, -np.expm1(exponent), 1 - shrunk**step)
        share = np.divide(
            gone, self.values, out=np.full_like(gone, self.alpha * step), where=self.values > 0
        )
        moved = self.vectors @ (share[:, None] * self.turned)
        return unstack(stack(self.start) - moved, self.start)


def triangle_of(problem: LeastSquares) -> tuple[Array, int]:
    """A triangular factor A of the design, the intercept's column first: A.T @ A is the gram.

    And how many of its singular values are rounding, where inputs are collinear.

    Shapes:  (q, q)
    """
    gram = dense(problem.gram)
    unit = np.sqrt(np.maximum(np.diag(gram), 0.0))
    unit = np.where(unit > 0, unit, 1.0)
    correlation = gram / np.outer(unit, unit)
    zeros = 0
    factor = Cholesky.of(correlation)
    if factor is not None:
        triangle = np.tril(factor.root).T * (unit * problem.scale)
    else:
        values, vectors = np.linalg.eigh(correlation)
        known = np.where(values > len(values) * 4 * EPS * values.max(), values, 0.0)
        # What a decomposition leaves of exact zeros is rounding, not a direction.
        zeros = int((known == 0).sum())
        triangle = np.sqrt(known)[:, None] * vectors.T * (unit * problem.scale)
    if problem.intercept:
        root = np.sqrt(problem.rows)
        top = np.concatenate([[root], root * problem.mean * problem.scale])
        triangle = np.vstack([top, np.column_stack([np.zeros(len(triangle)), triangle])])
    return triangle, zeros


@dataclass(frozen=True)
class Spectrum:
    """Singular values of the design matrix in own units, the intercept's column included."""

    values: Array
    rows: float

    @classmethod
    def of(cls, problem: LeastSquares) -> "Spectrum":
        """From a triangular factor of the design, so that small values keep their digits."""
        if isinstance(problem.gram, OneHotCross):
            ends = extreme_eigenvalues(problem, Eliminated.of(problem))
            return cls(np.sqrt(ends), problem.rows)
        triangle, zeros = triangle_of(problem)
        found: Array = np.zeros(0)
        if triangle.size:
            found = np.asarray(np.linalg.svd(triangle, compute_uv=False))
        return cls(found[: len(found) - zeros], problem.rows)

    @property
    def condition(self) -> float:
        """The condition number: the largest singular value over the smallest that is not zero."""
        return float(self.values[0] / self.values[-1]) if self.values.size else 1.0

    @property
    def alphas(self) -> AlphaRange:
        """The range of alpha that converges on the inputs in own units."""
        if not self.values.size:
            return alpha_range(0.0, 0.0)
        squared = self.values**2 / self.rows
        return alpha_range(float(squared[0]), float(squared[-1]))
