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
    found = tried(middle)
    for ridge in weaker:
        found = found + tried(ridge)
        if ridge and _risen(found, ridge):
            none = np.flatnonzero(found.ridge == ridge)
            bare = replace(found, ridge=np.zeros(1), lasso=found.lasso[none])
            found = replace(bare, errors=found.errors[none], stopped=ridge) + found
            break
    for ridge in np.sort(ridges[ridges > middle]).tolist():
        if _best(found) < found.ridge.max():
            break
        found = found + tried(ridge)
    best = float(found.ridge[found.chosen()])
    if best:
        for side in (FINER[FINER < 1][::-1], FINER[FINER > 1]):
            for ridge in (best * side).tolist():
                found = found + tried(ridge)
                if _best(found) != ridge:
                    break
    return found


def _sums(found: CVResult) -> Array:
    """Each ridge's error of all folds; of none only where it was tried: (c,)."""
    sums = relative(found.errors, found.guessing).sum(axis=1)
    return np.where(np.isfinite(sums), sums, np.inf)


def _best(found: CVResult) -> float:
    """The ridge of the least error, the strongest of such."""
    sums = _sums(found)
    return float(found.ridge[sums == sums.min()].max())


def _risen(found: CVResult, ridge: float) -> bool:
    """Whether the error at a ridge is surely above the best one so far."""
    every = relative(found.errors, found.guessing)
    best, here = (int(np.flatnonzero(found.ridge == one)[0]) for one in (_best(found), ridge))
    return best != here and surely_lower(every[best], every[here])
