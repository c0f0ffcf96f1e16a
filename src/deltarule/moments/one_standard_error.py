"""One-standard-error rule: whether a cross-validated error is significantly below another.

    gain  = log(held-out error of the other) - log(held-out error of the one)
    error = its jackknife standard error: every fold left out in turn

On a log scale errors of any size compare: an extreme error has an extreme standard error, but not
an extreme logarithm. For similar errors, the gain is their relative difference and its standard
error the usual one of paired folds.

Shapes: c candidates, f folds, t targets.
Source: Breiman, Friedman, Olshen & Stone 1984, section 3.4.3; Efron & Tibshirani 1993, chapter 11
"""

import numpy as np
from numpy.typing import NDArray

from deltarule.rule.predict import Array

# Errors below this share of the null model's are equal: they are rounding.
ROUNDING = 1e-12
# Candidates for a ridge: none, and each decade; around the best of them, finer steps.
DECADES = np.concatenate([[0.0], np.logspace(-5, 2, 8)])
FINER = np.delete(np.logspace(-0.75, 0.75, 7), 3)


def relative(errors: Array, guessing: Array) -> Array:
    """Every fold's error relative to the null model's total, so that targets count equally.

    Shapes:  errors (c, f, t), guessing (f, t), both summed over rows -> (c, f)
    """
    whole = guessing.sum(axis=0)
    share: Array = (errors / np.where(whole > 0, whole, 1.0)).mean(axis=2)
    return share


def gain(one: Array, other: Array) -> tuple[float, float]:
    """The log ratio of the two errors, and its jackknife standard error.

    Shapes:  (f,) each, as `relative` gives them; fewer than two folds have no standard error

    >>> gain(np.array([1.0, 1.1, 0.9]), np.array([1.0, 1.1, 0.9]))
    (0.0, 0.0)
    """
    folds = len(one)
    # All folds, and all but each of them: summed anew, as subtracting an outlier loses digits.
    kept = np.vstack([np.ones(folds), 1 - np.eye(folds)])
    logs = [np.log(np.maximum(kept @ errors, ROUNDING)) for errors in (other, one)]
    total, *without = logs[0] - logs[1]
    error = np.sqrt((folds - 1) * np.var(without)) if folds > 1 else np.inf
    return float(total), float(error)


def surely_lower(one: Array, other: Array) -> bool:
    """Whether the first error is lower by more than one standard error."""
    if len(one) < 2 or not np.isfinite(one).all():
        return False
    if not np.isfinite(other).all():
        return True
    found, error = gain(one, other)
    return found > error


def chosen(errors: Array, guessing: Array, simpler: NDArray[np.intp] | None = None) -> int:
    """The first candidate, unless the best is lower by more than one standard error.

    Nor is the best one chosen where a `simpler` candidate does as well.
    Shapes:  errors (c, f, t), guessing (f, t); simpler, the candidates that are, by their place
    """
    every = relative(errors, guessing)
    sums = every.sum(axis=1)
    sums = np.where(np.isfinite(sums), sums, np.inf)
    best = int(np.argmin(sums))
    if not surely_lower(every[best], every[0]):
        return 0
    if simpler is None:
        return best
    near = int(simpler[np.argmin(sums[simpler])])
    return best if surely_lower(every[best], every[near]) else near
