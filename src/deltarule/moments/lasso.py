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
from deltarule.moments.knots import Knots, Walk
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.moments.problem import Problem
from deltarule.moments.solve import (
    Normal,
    RidgePath,
    guessing_error,
    weights_for,
    with_intercept,
)
from deltarule.moments.splits import ANY_ORDER, Splits
from deltarule.rule.penalty import shrink
from deltarule.rule.predict import Array, Mask, Weights

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

    Shapes:  correlation (p, p), the ridge on its diagonal; slope (p, k); relative, positive (p,)
    """

    normal: Normal
    ridge: float
    correlation: Array
    slope: Array
    relative: Array
    positive: Mask

    @classmethod
    def of(
        cls, problem: LeastSquares, ridge: float, positive: Mask | None, strength_of: Array | None
    ) -> "_Posed":
        p = len(problem.mean)
        [strength] = _numbers("ridge", [ridge])
        relative = np.ones(p) if strength_of is None else _numbers("strength_of", strength_of)
        held = np.zeros(p, dtype=bool) if positive is None else np.asarray(positive)
        if held.dtype != bool:
            raise LearningError(f"positive is {positive!r}: give True or False for each input")
        for name, values in (("strength_of", relative), ("positive", held)):
            if values.shape != (p,):
                found = values.size
                raise LearningError(f"{name} has {found} values for {p} inputs: give one for each")
        normal = Normal.of(problem)
        if not (np.isfinite(normal.correlation).all() and np.isfinite(normal.slope).all()):
            raise ValueRefusedError("the moments are not finite: leave out infinite values first")
        return cls(normal, strength, normal.penalised(strength), normal.slope, relative, held)

    def walk(self, output: int) -> "Walk":
        """The walk of one output's weights, at the strength where none has been penalised yet."""
        walk = Walk(self.correlation, self.slope[:, output], self.positive)
        unpenalised = self.relative == 0
        walk.free(np.flatnonzero(unpenalised & ~self.positive))
        first = unpenalised & self.positive
        if first.any():
            # Only a sign holds these: they are walked down to no strength before the others start.
            walk.down(np.where(first, 1.0, np.inf), 0.0)
        return walk

    def moved(self, weight: Array, strengths: Array, output: int) -> float:
        """How far a proximal step moves weights, at most, by the slope's size: (s, p), (s,)."""
        slope = self.slope[:, output]
        left = slope - weight @ self.correlation
        bound = strengths[:, None] * self.relative
        low = np.where(self.positive, 0.0, -np.inf)
        off = np.abs(weight - shrink(weight + left, bound, low))
        size = float(np.max(np.abs(slope), initial=0.0))
        return float(np.max(off, initial=0.0)) / (size or 1.0)


def lasso_path(
    problem: LeastSquares,
    strengths: Array,
    *,
    ridge: float = 0.0,
    positive: Mask | None = None,
    strength_of: Array | None = None,
) -> LassoPath:
    """The best weights at each strength of lasso, from one walk down to the least of them.

    Maths:   argmin of mean loss + ridge / 2 * sum(w ** 2) + lasso * sum(strength_of * abs(w)), with
             w the weights of standardised inputs; w >= 0 where `positive`
    Shapes:  strengths (s,), in any order; positive, strength_of (p,) -> weight (s, p, k).
             A strength_of 0 leaves an input without lasso
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
    strengths = _numbers("lasso", strengths)
    posed = _Posed.of(problem, ridge, positive, strength_of)
    weight, knots = _walked(problem, posed, strengths, stop=float(np.min(strengths)))
    return LassoPath(strengths, with_intercept(problem, weight), knots)


def _walked(
    problem: LeastSquares, posed: _Posed, strengths: Array, *, stop: float
) -> tuple[Array, list[Knots]]:
    """Each output's weights at the strengths, (s, p, k), and its knots; all in own units."""
    weight = np.zeros((len(strengths), *posed.slope.shape))
    exact = (strengths == 0) & (not posed.positive.any())
    if exact.any():
        weight[exact] = weights_for(problem, posed.normal, ridge=posed.ridge)["weight"]
    knots = []
    for output, unit in enumerate(problem.target_scale):
        found = posed.walk(output).down(posed.relative, stop / unit)
        asked = strengths[~exact] / unit
        standard = found.at(asked)
        if posed.moved(standard, asked, output) > DOUBTFUL:
            raise LearningError(
                f"inputs nearly depend on each other: too few digits for lasso {stop:.3g}; "
                "add a ridge, such as 1e-6"
            )
        own = unit / posed.normal.scale
        weight[~exact, :, output] = standard * own
        knots.append(Knots(found.strengths * unit, found.weight * own))
    return weight, knots


def lasso_top(
    problem: LeastSquares,
    *,
    ridge: float = 0.0,
    positive: Mask | None = None,
    strength_of: Array | None = None,
) -> float:
    """The least strength that leaves no weight to any penalised input, of any output."""
    posed = _Posed.of(problem, ridge, positive, strength_of)
    tops = [
        posed.walk(output).top(posed.relative) * unit
        for output, unit in enumerate(problem.target_scale)
    ]
    return float(max(tops))


def lasso_cv(
    folds: Sequence[Moments],
    problem: Problem,
    *,
    strengths: Array | None = None,
    ridge: float = 0.0,
    positive: Mask | None = None,
    strength_of: Array | None = None,
    splits: Splits = ANY_ORDER,
) -> RidgePath:
    """Held-out errors of each strength of lasso: what teaches a fold is a sum of other folds.

    Unless given, the strengths are none and STRENGTHS more, evenly in their logarithms, from LEAST
    of the one that leaves no weight up to it. Strength 0 is what `solve` gives, with this ridge.

    Shapes:  strengths (s,); positive, strength_of (p,), of all inputs, of which frozen ones are
             left as they are
    Errors:  LearningError as for `lasso_path`, and where fewer than two folds have rows
    """
    held = splits.pairs(folds)
    if not held:
        there = sum(fold.rows > 0 for fold in folds)
        raise LearningError(f"{there} folds have rows: holding any out takes at least 2")
    free = ~problem.held
    positive = None if positive is None else np.asarray(positive)[free]
    strength_of = None if strength_of is None else np.asarray(strength_of)[free]
    if strengths is None:
        whole = problem.free(total(folds))
        top = lasso_top(whole, ridge=ridge, positive=positive, strength_of=strength_of)
        strengths = np.concatenate([[0.0], top * np.geomspace(LEAST, 1, STRENGTHS)])
    strengths = _numbers("lasso", strengths)
    # No strength needs no walk, unless signs are to be kept.
    walked = strengths if positive is not None else strengths[strengths > 0]
    stop = float(np.min(walked, initial=np.inf))
    targets = list(problem.targets)
    errors = np.zeros((len(strengths), len(held), len(targets)))
    guessing = np.zeros((len(held), len(targets)))
    for at, (fold, others) in enumerate(held):
        learnt = problem.free(others)
        posed = _Posed.of(learnt, ridge, positive, strength_of)
        weight, _ = _walked(learnt, posed, strengths, stop=stop)
        errors[:, at] = _errors(problem, fold, with_intercept(learnt, weight))
        guessing[at] = guessing_error(fold, others, targets)
    rows = np.array([fold.rows for fold, _ in held])
    return RidgePath(strengths, errors, rows, guessing, held[0][0].scale[targets])


def _errors(problem: Problem, fold: Moments, free: Weights) -> Array:
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
    ridge: float = 0.0,
    positive: Mask | None = None,
    strength_of: Array | None = None,
) -> float:
    """How far weights are from the best, at worst: 0 where nothing is left to gain.

    Maths:   max of abs(w - shrink(w + left, lasso * relative)) / max(abs(s)): how far one proximal
             step, which leaves the best weights where they are, would move them
    Shapes:  weight (p, k) at one strength, or (s, p, k) at (s,) of them
    """
    posed = _Posed.of(problem, ridge, positive, strength_of)
    standard = weights["weight"] * posed.normal.scale[:, None] / problem.target_scale
    lasso = np.atleast_1d(np.asarray(strengths, dtype=np.float64))
    moved = [
        posed.moved(standard[..., output].reshape(len(lasso), -1), lasso / unit, output)
        for output, unit in enumerate(problem.target_scale)
    ]
    return float(np.max(moved))


def _numbers(name: str, values: Sequence[float] | Array) -> Array:
    """A list of finite numbers of 0 or more.

    Errors:  LearningError for anything else
    """
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if numbers.ndim != 1 or (name == "lasso" and not numbers.size):
        raise LearningError(f"{name} has shape {numbers.shape}: give a list of numbers")
    wrong = numbers[~(np.isfinite(numbers) & (numbers >= 0))]
    if wrong.size:
        raise LearningError(f"{name} is {wrong[0]:g}: it must be a finite number, 0 or more")
    return numbers
