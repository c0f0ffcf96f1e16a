"""The one-standard-error rule: whether a cross-validated error is surely below another.

    gain  = log(held-out error of the other) - log(held-out error of the one)
    error = its jackknife standard error: every fold left out in turn

On a log scale errors of any size compare: a candidate with a wild error has a wild standard error
too, but not a wild logarithm. Of errors that are alike, the gain is their relative difference and
its standard error the usual one of paired folds.

Shapes: c candidates, f folds, t targets.
Source: Breiman, Friedman, Olshen & Stone 1984, section 3.4.3; Efron & Tibshirani 1993, chapter 11
"""

import numpy as np

from deltarule.rule.predict import Array

# Errors below this share of what guessing leaves are all alike: they are rounding.
ROUNDING = 1e-12


def relative(errors: Array, guessing: Array) -> Array:
    """Every fold's error as a share of all that guessing leaves, so that targets count alike.

    Shapes:  errors (c, f, t), guessing (f, t), both summed over rows -> (c, f)
    """
    whole = guessing.sum(axis=0)
    share: Array = (errors / np.where(whole > 0, whole, 1.0)).mean(axis=2)
    return share


def gain(one: Array, other: Array) -> tuple[float, float]:
    """By how much the error of the one is lower, in logs, and the standard error of that.

    Shapes:  (f,) each, as `relative` gives them; fewer than two folds are never sure

    >>> gain(np.array([1.0, 1.1, 0.9]), np.array([1.0, 1.1, 0.9]))
    (0.0, 0.0)
    """
    folds = len(one)
    # All folds, and all but each of them: summed anew, as a wild one would leave no digits.
    kept = np.vstack([np.ones(folds), 1 - np.eye(folds)])
    logs = [np.log(np.maximum(kept @ errors, ROUNDING)) for errors in (other, one)]
    total, *without = logs[0] - logs[1]
    error = np.sqrt((folds - 1) * np.var(without)) if folds > 1 else np.inf
    return float(total), float(error)


def surely_lower(one: Array, other: Array) -> bool:
    """Whether the error of the one is lower by more than a standard error."""
    if len(one) < 2 or not np.isfinite(one).all():
        return False
    if not np.isfinite(other).all():
        return True
    found, error = gain(one, other)
    return found > error
