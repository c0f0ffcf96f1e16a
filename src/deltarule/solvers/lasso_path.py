"""Lasso and elastic net from moments: whole paths, exact at every strength, without the rows.

    objective = mean loss + ridge / 2 * sum(w ** 2) + lasso * sum(relative * abs(w)),
    mean loss = mean(delta ** 2) / 2

w are the weights of standardised inputs (spread 1), so that a ridge is a plain number and a lasso
is in the target's own units. The intercept is never penalised.

Squares of dependent inputs have lost digits: an input of which all but some 1e-15 is explained by
others, in squares, counts as dependent and gets no weight beside them. That can leave a violation
near the root of it.

Shapes: p inputs, k outputs, s strengths.
Source: Tibshirani 1996; Zou & Hastie 2005
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.errors import LearningError, ValueRefusedError
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.moments.splits import ANY_ORDER, SplitScheme
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.box_quadratic import BoxQuadratic
from deltarule.solvers.constraints import NOTHING, Constraints, numbers
from deltarule.solvers.lars import Knots, LarsPath
from deltarule.solvers.least_squares import (
    Normal,
    RidgePath,
    guessing_error,
    weights_for,
    with_intercept,
)
from deltarule.solvers.penalty import shrink

# The grid of a search: so many strengths, down to this share of the one that leaves no weight.
STRENGTHS, LEAST = 100, 1e-3
# Weights further than this from the best, as `violation` measures it, are not given out.
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
    """A problem in units where every input has spread 1, and what its weights are held by.

    `fixed` are strengths that inputs have whatever the path's, in the target's units.

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
        """The inputs whose weights may not be below 0."""
        positive: Mask = self.low == 0
        return positive

    @property
    def walks(self) -> bool:
        """Whether weights can walk from zero: strengths fall together, and only signs are kept."""
        ranged = ((self.low != 0) & (self.low > -np.inf)) | (self.high < np.inf)
        return not (ranged.any() or self.fixed.any())

    @property
    def plain(self) -> bool:
        """Whether weights at no strength are held by nothing but the ridge."""
        return self.walks and not self.positive.any()

    def walk(self, output: int) -> "LarsPath":
        """The walk of one output's weights, at the strength where none has been penalised yet."""
        walk = LarsPath(self.correlation, self.slope[:, output], self.positive)
        unpenalised = self.relative == 0
        walk.free(np.flatnonzero(unpenalised & ~self.positive))
        first = unpenalised & self.positive
        if first.any():
            # Only a sign holds these: they are walked down to no strength before the others start.
            walk.down(np.where(first, 1.0, np.inf), 0.0)
        return walk

    def top(self, output: int) -> float:
        """The least strength that leaves weights no further from zero than they must be."""
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
        """The weights at each strength, one solved from the other: (s,) -> (s, p)."""
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
        """How far a proximal step moves weights, at most, by the slope's size: (s, p), (s,)."""
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
    """The best weights at each strength of lasso, from one walk down to the least of them.

    Maths:   argmin of mean loss + sum(ridge * w ** 2) / 2 + sum((lasso * strength_of + fixed) *
             abs(w)), with w the weights of standardised inputs; in own units low <= w <= high
    Shapes:  strengths (s,), in any order -> weight (s, p, k)
    Units:   strengths in the target's units, one for all outputs; weights in own units
    Errors:  LearningError for strengths that are negative or not finite, for settings of another
             length, and where nearly dependent inputs leave too few digits for so small a strength
    Source:  Tibshirani 1996; Zou & Hastie 2005

    Of dependent inputs that predict the same, some get the weight and the others none. At strength
    0, where no sign is to be kept, the weights are those of `solve`: the smallest of them all.

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

    Weights that cannot walk are solved for at each strength, and their knots not known.
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
    """The least strength that leaves penalised inputs no weight but what their ranges ask for."""
    posed = _Posed.of(problem, holds)
    return float(max(posed.top(output) for output in range(len(problem.target_scale))))


def lasso_cv(
    folds: Sequence[Moments],
    problem: LinearProblem,
    *,
    strengths: Array | None = None,
    holds: Constraints = NOTHING,
    splits: SplitScheme = ANY_ORDER,
) -> RidgePath:
    """Held-out errors of each strength of lasso: what teaches a fold is a sum of other folds.

    Unless given, the strengths are none and STRENGTHS more, evenly in their logarithms, from LEAST
    of the one that leaves no weight up to it. Strength 0 is what `solve` gives, with this ridge.

    Shapes:  strengths (s,); what is held (p,), of all inputs, of which frozen ones are left as
             they are
    Errors:  LearningError as for `lasso_path`, and where fewer than two folds have rows
    """
    held = splits.pairs(folds)
    if not held:
        there = sum(fold.rows > 0 for fold in folds)
        raise LearningError(f"{there} folds have rows: holding any out takes at least 2")
    holds = holds.only(~problem.held)
    if strengths is None:
        top = lasso_top(problem.free(total(folds)), holds=holds)
        strengths = np.concatenate([[0.0], top * np.geomspace(LEAST, 1, STRENGTHS)])
    strengths = numbers("lasso", strengths)
    targets = list(problem.targets)
    errors = np.zeros((len(strengths), len(held), len(targets)))
    guessing = np.zeros((len(held), len(targets)))
    for at, (fold, others) in enumerate(held):
        learnt = problem.free(others)
        posed = _Posed.of(learnt, holds)
        # No strength needs no walk, unless more than a ridge holds the weights.
        walked = strengths[strengths > 0] if posed.plain else strengths
        stop = float(np.min(walked, initial=np.inf))
        weight, _ = _walked(learnt, posed, strengths, stop=stop)
        errors[:, at] = _errors(problem, fold, with_intercept(learnt, weight))
        guessing[at] = guessing_error(fold, others, targets)
    rows = np.array([fold.rows for fold, _ in held])
    return RidgePath(strengths, errors, rows, guessing, held[0][0].scale[targets])


def _errors(problem: LinearProblem, fold: Moments, free: Weights) -> Array:
    """The fold's summed delta ** 2 for each of many weights, as if each were an output: (s, k)."""
    times = len(free["weight"])
    many = replace(
        problem,
        targets=list(problem.targets) * times,
        start={name: np.tile(array, times) for name, array in problem.start.items()},
    )
    side_by_side = {name: np.concatenate(list(array), axis=-1) for name, array in free.items()}
    return many.of(fold).squared_error(many.whole(side_by_side)).reshape(times, -1)


def violation(
    problem: LeastSquares,
    weights: Weights,
    strengths: Array | float,
    *,
    holds: Constraints = NOTHING,
) -> float:
    """How far weights are from the best, at worst: 0 where nothing is left to gain.

    Maths:   max of abs(w - shrink(w + left, its lasso)) / max(abs(s)): how far one proximal
             step, which leaves the best weights where they are, would move them
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
