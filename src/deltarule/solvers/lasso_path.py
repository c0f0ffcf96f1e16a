"""Lasso and elastic-net paths from moments, exact at every strength, without reading the rows.

    objective = mean loss + ridge / 2 * sum(w ** 2) + lasso * sum(relative * abs(w)),
    mean loss = mean(delta ** 2) / 2

w are the weights of standardised inputs (spread 1), so that ridge is a pure number and lasso
is in the target's own units. The intercept is never penalised.

Squares of collinear inputs have lost digits: an input whose variance is explained by others but for
some 1e-15 counts as collinear and gets no weight beside them. That can leave a KKT violation of
about the square root of it.

Shapes: p inputs, k outputs, s strengths.
Source: Tibshirani 1996; Zou & Hastie 2005
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.errors import LearningError, ValueRefusedError
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.moments.splits import ANY_ORDER, Split, SplitScheme
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.box_quadratic import BoxQuadratic
from deltarule.solvers.constraints import NOTHING, Constraints, numbers
from deltarule.solvers.cv_result import CVResult, cross_validated
from deltarule.solvers.lars import Knots, LarsPath
from deltarule.solvers.least_squares import (
    Normal,
    squared_errors,
    weights_for,
    with_intercept,
)
from deltarule.solvers.penalty import shrink

# Default grid: so many strengths, down to this share of the one that leaves no weight.
STRENGTHS, LEAST = 100, 1e-3
# Solutions with a KKT `violation` above this are refused.
DOUBTFUL = 1e-5


@dataclass(frozen=True)
class LassoPath:
    """The weights at some strengths of lasso, in own units, and the knots of each output.

    Shapes:  strengths (s,); weights: weight (s, p, k), intercept (s, k)
    """

    strengths: Array
    weights: Weights
    knots: Sequence[Knots]


@dataclass(frozen=True)
class _Posed:
    """A lasso problem with inputs scaled to spread 1, and its constraints.

    `fixed` are lasso strengths that do not vary along the path, in the target's units.

    Shapes:  correlation (p, p), the ridge on its diagonal; slope (p, k); everything else (p,)
    """

    normal: Normal
    unit: Array
    ridge: Array
    correlation: Array
    slope: Array
    relative: Array
    fixed: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, problem: LeastSquares, holds: Constraints) -> "_Posed":
        p = len(problem.mean)
        ridge, relative, fixed, low, high = holds.of(p)
        normal = Normal.of(problem)
        if not (np.isfinite(normal.correlation).all() and np.isfinite(normal.slope).all()):
            raise ValueRefusedError("the moments are not finite: leave out infinite values first")
        penalised = normal.penalised(ridge)
        return cls(
            normal,
            problem.target_scale,
            ridge,
            penalised,
            normal.slope,
            relative,
            fixed,
            low * normal.scale,
            high * normal.scale,
        )

    @property
    def positive(self) -> Mask:
        """The inputs whose weights are constrained to be non-negative."""
        positive: Mask = self.low == 0
        return positive

    @property
    def walks(self) -> bool:
        """Whether LARS applies: one common strength, and no constraints but signs."""
        ranged = ((self.low != 0) & (self.low > -np.inf)) | (self.high < np.inf)
        return not (ranged.any() or self.fixed.any())

    @property
    def plain(self) -> bool:
        """Whether at strength 0 there are no constraints but the ridge."""
        return self.walks and not self.positive.any()

    def walk(self, output: int) -> "LarsPath":
        """The LARS path of one output, starting above its largest strength."""
        walk = LarsPath(self.correlation, self.slope[:, output], self.positive)
        unpenalised = self.relative == 0
        walk.free(np.flatnonzero(unpenalised & ~self.positive))
        first = unpenalised & self.positive
        if first.any():
            # Unpenalised, sign-constrained inputs: their path goes to 0 before the others start.
            walk.down(np.where(first, 1.0, np.inf), 0.0)
        return walk

    def top(self, output: int) -> float:
        """The smallest strength at which all penalised weights are as near zero as ranges allow."""
        if self.walks:
            return float(self.walk(output).top(self.relative) * self.unit[output])
        nearest = np.clip(0.0, self.low, self.high)
        low, high = (np.where(self.relative > 0, nearest, end) for end in (self.low, self.high))
        none = replace(self, relative=np.zeros_like(low), low=low, high=high)
        left = self.slope[:, output] - self.correlation @ none.solved(np.zeros(1), output)[0]
        up = np.where((nearest >= 0) & (nearest < self.high), left, 0.0)
        down = np.where((nearest <= 0) & (nearest > self.low), -left, 0.0)
        pull = np.maximum(np.maximum(up, down), 0.0)
        each = np.divide(pull, self.relative, out=np.zeros_like(pull), where=self.relative > 0)
        return float(np.max(each, initial=0.0) * self.unit[output])

    def solved(self, strengths: Array, output: int) -> Array:
        """The weights at each strength, each warm-started from the last: (s,) -> (s, p)."""
        unit, weight = self.unit[output], np.zeros((len(strengths), len(self.slope)))
        last = weight[0]
        for at in np.argsort(-strengths, kind="stable"):
            bound = (strengths[at] * self.relative + self.fixed) / unit
            quadratic = BoxQuadratic(
                self.correlation, self.slope[:, output], bound, self.low / unit, self.high / unit
            )
            weight[at] = last = quadratic.least(last)
        return weight

    def moved(self, weight: Array, strengths: Array, output: int) -> float:
        """KKT violation: the largest move of a proximal step, relative to X'y: (s, p), (s,)."""
        slope, unit = self.slope[:, output], self.unit[output]
        left = slope - weight @ self.correlation
        bound = (strengths[:, None] * self.relative + self.fixed) / unit
        off = np.abs(weight - shrink(weight + left, bound, self.low / unit, self.high / unit))
        size = float(np.max(np.abs(slope), initial=0.0))
        return float(np.max(off, initial=0.0)) / (size or 1.0)


def lasso_path(
    problem: LeastSquares,
    strengths: Array,
    *,
    holds: Constraints = NOTHING,
) -> LassoPath:
    """The lasso solutions at these strengths, from one LARS path down to the smallest.

    Maths:   argmin of mean loss + sum(ridge * w ** 2) / 2 + sum((lasso * strength_of + fixed) *
             abs(w)), with w the weights of standardised inputs; in own units low <= w <= high
    Shapes:  strengths (s,), in any order -> weight (s, p, k)
    Units:   strengths in the target's units, one for all outputs; weights in own units
    Errors:  LearningError for strengths that are negative or not finite, for settings of another
             length, and where collinear inputs leave too few digits for so small a strength
    Source:  Tibshirani 1996; Zou & Hastie 2005

    Of collinear inputs that predict the same, some get the weight and the others none. At strength
    0, without sign constraints, the weights are those of `solve`: the minimum-norm solution.

    >>> rows = np.array([[-1.0, -2.0], [1.0, 2.0]])
    >>> problem = LeastSquares.of(Moments.of(rows), [0], [1])
    >>> lasso_path(problem, np.array([0.0, 0.5, 3.0])).weights["weight"].ravel()
    array([2. , 1.5, 0. ])
    """
    strengths = numbers("lasso", strengths)
    posed = _Posed.of(problem, holds)
    weight, knots = _walked(problem, posed, strengths, stop=float(np.min(strengths)))
    return LassoPath(strengths, with_intercept(problem, weight), knots)


def _walked(
    problem: LeastSquares, posed: _Posed, strengths: Array, *, stop: float
) -> tuple[Array, list[Knots]]:
    """Each output's weights at the strengths, (s, p, k), and its knots; all in own units.

    Where LARS does not apply, each strength is solved by itself and there are no knots.
    """
    weight = np.zeros((len(strengths), *posed.slope.shape))
    exact = (strengths == 0) & posed.plain
    if exact.any():
        weight[exact] = weights_for(problem, posed.normal, ridge=posed.ridge)["weight"]
    knots = []
    for output, unit in enumerate(problem.target_scale):
        asked, own = strengths[~exact], unit / posed.normal.scale
        if posed.walks:
            found = posed.walk(output).down(posed.relative, stop / unit)
            standard = found.at(asked / unit)
            knots.append(Knots(found.strengths * unit, found.weight * own))
        else:
            standard = posed.solved(asked, output)
        if posed.moved(standard, asked, output) > DOUBTFUL:
            raise LearningError(
                f"inputs nearly depend on each other: too few digits for lasso {stop:.3g}; "
                "add a ridge, such as 1e-6"
            )
        weight[~exact, :, output] = standard * own
    return weight, knots


def lasso_top(
    problem: LeastSquares,
    *,
    holds: Constraints = NOTHING,
) -> float:
    """The smallest strength at which penalised inputs have no weight but what ranges require."""
    posed = _Posed.of(problem, holds)
    return float(max(posed.top(output) for output in range(len(problem.target_scale))))


def lasso_cv(
    folds: Sequence[Moments],
    problem: LinearProblem,
    *,
    strengths: Array | None = None,
    holds: Constraints = NOTHING,
    splits: SplitScheme = ANY_ORDER,
) -> CVResult:
    """Cross-validated errors of each strength of lasso, from the moments of the training folds.

    By default the strengths are 0 and STRENGTHS more, evenly spaced in their logarithm, from LEAST
    of the one that leaves no weight up to it. Strength 0 is what `solve` gives, with this ridge.

    Shapes:  strengths (s,); constraints (p,), of all inputs; frozen ones keep their weight
    Errors:  LearningError as for `lasso_path`, and where fewer than two folds have rows
    """
    if not splits.of(folds):
        there = sum(fold.rows > 0 for fold in folds)
        raise LearningError(f"{there} folds have rows: holding any out takes at least 2")
    holds = holds.only(~problem.held)
    if strengths is None:
        top = lasso_top(problem.free(total(folds)), holds=holds)
        strengths = np.concatenate([[0.0], top * np.geomspace(LEAST, 1, STRENGTHS)])
    strengths = numbers("lasso", strengths)

    def errors(split: Split, others: Moments) -> Array:
        learnt = problem.free(others)
        posed = _Posed.of(learnt, holds)
        # Strength 0 is solved directly, unless there are constraints besides the ridge.
        walked = strengths[strengths > 0] if posed.plain else strengths
        stop = float(np.min(walked, initial=np.inf))
        weight, _ = _walked(learnt, posed, strengths, stop=stop)
        return squared_errors(problem, folds[split.test], with_intercept(learnt, weight))

    ridges = np.zeros(len(strengths))
    return cross_validated(folds, splits, problem.targets, errors, ridge=ridges, lasso=strengths)


def violation(
    problem: LeastSquares,
    weights: Weights,
    strengths: Array | float,
    *,
    holds: Constraints = NOTHING,
) -> float:
    """The largest violation of the KKT conditions; 0 at the optimum.

    Maths:   max of abs(w - shrink(w + left, its lasso)) / max(abs(s)): the largest move of one
             proximal step, whose fixed points are the minimisers
    Shapes:  weight (p, k) at one strength, or (s, p, k) at (s,) of them
    """
    posed = _Posed.of(problem, holds)
    standard = weights["weight"] * posed.normal.scale[:, None] / problem.target_scale
    lasso = np.atleast_1d(np.asarray(strengths, dtype=np.float64))
    moved = [
        posed.moved(standard[..., output].reshape(len(lasso), -1), lasso, output)
        for output in range(len(problem.target_scale))
    ]
    return float(np.max(moved))
