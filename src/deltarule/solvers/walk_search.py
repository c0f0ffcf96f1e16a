"""Walk search: ridges tried one at a time, where each is learnt from the weights at the last.

The error is taken to fall and then to rise along the ridges, as it does but for noise. From the
middle it is walked down until it has surely risen: little ridges take the most steps, and matter
least. Stronger ridges are tried while they are better, and then finer ones outward from the best.
"""

from collections.abc import Callable

import numpy as np

from deltarule.dataclass import replace
from deltarule.rule.predict import Array
from deltarule.solvers.cv_result import FINER, CVResult, relative, surely_lower

# Where the walk begins.
MIDDLE = 0.1


def walk(tried: Callable[[float], CVResult], ridges: Array) -> CVResult:
    """The ridges that decide, with their errors; `tried` cross-validates one.

    The loss where the walk stopped stands for that of no ridge, and weaker ones are left out.
    """
    middle = float(min(ridges[ridges >= MIDDLE], default=ridges.max()))
    weaker = np.sort(ridges[ridges < middle])[::-1].tolist()
    cv = tried(middle)
    for ridge in weaker:
        cv = cv + tried(ridge)
        if ridge and _risen(cv, ridge):
            none = np.flatnonzero(cv.ridge == ridge)
            bare = replace(cv, ridge=np.zeros(1), lasso=cv.lasso[none])
            cv = replace(bare, errors=cv.errors[none], stopped=ridge) + cv
            break
    for ridge in np.sort(ridges[ridges > middle]).tolist():
        if _best(cv) < cv.ridge.max():
            break
        cv = cv + tried(ridge)
    best = float(cv.ridge[cv.chosen()])
    if best:
        for side in (FINER[FINER < 1][::-1], FINER[FINER > 1]):
            for ridge in (best * side).tolist():
                cv = cv + tried(ridge)
                if _best(cv) != ridge:
                    break
    return cv


def _sums(cv: CVResult) -> Array:
    """Each ridge's error of all folds; of none only where it was tried: (c,)."""
    sums = relative(cv.errors, cv.guessing).sum(axis=1)
    return np.where(np.isfinite(sums), sums, np.inf)


def _best(cv: CVResult) -> float:
    """The ridge of the least error, the strongest of such."""
    sums = _sums(cv)
    return float(cv.ridge[sums == sums.min()].max())


def _risen(cv: CVResult, ridge: float) -> bool:
    """Whether the error at a ridge is surely above the best one so far."""
    every = relative(cv.errors, cv.guessing)
    best, here = (int(np.flatnonzero(cv.ridge == one)[0]) for one in (_best(cv), ridge))
    return best != here and surely_lower(every[best], every[here])
