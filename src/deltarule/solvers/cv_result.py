"""Cross-validated errors of penalties, and the one-standard-error rule that chooses one of them.

    gain  = log(held-out error of the other) - log(held-out error of the one)
    error = its jackknife standard error: every fold left out in turn

On a log scale errors of any size compare: an extreme error has an extreme standard error, but not
an extreme logarithm. For similar errors, the gain is their relative difference and its standard
error the usual one of paired folds.

Where both ridge and lasso are to be chosen, every pair is a candidate: the elastic net.

Shapes: c candidates, the first without a chosen penalty; f folds, t targets.
Source: Breiman, Friedman, Olshen & Stone 1984, section 3.4.3; Efron & Tibshirani 1993, chapter 11
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from deltarule.dataclass import dataclass, replace
from deltarule.moments.moments import Moments
from deltarule.moments.splits import Split, SplitScheme
from deltarule.rule.predict import Array

# Errors below this share of the null model's are equal: they are rounding.
ROUNDING = 1e-12
# Candidates for a ridge: none, and each decade; around the best of them, finer steps.
DECADES = np.concatenate([[0.0], np.logspace(-5, 2, 8)])
FINER = np.delete(np.logspace(-0.75, 0.75, 7), 3)
NO_PENALTY = np.zeros(1)


@dataclass(frozen=True)
class Choice:
    """The strengths of the inputs that have none of their own."""

    ridge: float = 0.0
    lasso: float = 0.0


@dataclass(frozen=True)
class CVResult:
    """Each candidate's strengths, and its held-out loss by fold.

    Candidates are compared by the excess of their loss over the saturated loss of the targets.

    Shapes:  ridge, lasso (c,); errors (c, f, t), summed, above `least` (f, t); rows (f, t) that
             were judged, or (f, 1); guessing (f, t), the same of the null model; unit (t,), the
             root of the errors' unit, whose square may be beyond the largest number
    """

    ridge: Array
    lasso: Array
    errors: Array
    rows: Array
    guessing: Array
    unit: Array
    least: Array | float = 0.0
    stopped: float | None = None
    """The ridge at which the search stopped, whose loss stands for that of the first candidate."""

    def __add__(self, other: "CVResult") -> "CVResult":
        """The candidates of both, in order of their ridge, on the same folds."""
        ridge = np.concatenate([self.ridge, other.ridge])
        order = np.argsort(ridge, kind="stable")
        return replace(
            self,
            ridge=ridge[order],
            lasso=np.concatenate([self.lasso, other.lasso])[order],
            errors=np.concatenate([self.errors, other.errors])[order],
        )

    def choice(self, at: int) -> Choice:
        """A candidate's strengths."""
        return Choice(float(self.ridge[at]), float(self.lasso[at]))

    def mean(self) -> Array:
        """Each candidate's mean loss over all held-out rows: (c, t)."""
        mean: Array = (self.errors + self.least).sum(axis=1) / self.rows.sum(axis=0) * self.unit**2
        return mean

    def error(self) -> Array:
        """Standard errors of the means, from the variation between folds: (c, t)."""
        each = (self.errors + self.least) / np.where(self.rows > 0, self.rows, 1.0) * self.unit**2
        folds = len(self.rows)
        if folds < 2:
            return np.full(each.shape[::2], np.nan)
        error: Array = np.std(each, axis=1, ddof=1) / np.sqrt(folds)
        return error

    def chosen(self) -> int:
        """One-standard-error rule: the first candidate, unless the best is lower by more than one.

        Nor are two penalties chosen where one does as well.
        """
        return self._chosen

    @cached_property
    def _chosen(self) -> int:
        every = relative(self.errors, self.guessing)
        sums = every.sum(axis=1)
        sums = np.where(np.isfinite(sums), sums, np.inf)
        best = int(np.argmin(sums))
        if not surely_lower(every[best], every[0]):
            return 0
        single = np.flatnonzero((self.ridge == self.ridge[0]) | (self.lasso == self.lasso[0]))
        near = int(single[np.argmin(sums[single])])
        return best if surely_lower(every[best], every[near]) else near


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
    whole, *without = logs[0] - logs[1]
    error = np.sqrt((folds - 1) * np.var(without)) if folds > 1 else np.inf
    return float(whole), float(error)


def surely_lower(one: Array, other: Array) -> bool:
    """Whether the first error is lower by more than one standard error."""
    if len(one) < 2 or not np.isfinite(one).all():
        return False
    if not np.isfinite(other).all():
        return True
    found, error = gain(one, other)
    return found > error


def search(
    tried: Callable[[Array, Array], CVResult],
    ridges: Array,
    lassos: Array = NO_PENALTY,
    *,
    chosen: Callable[[CVResult], int] = CVResult.chosen,
) -> CVResult:
    """Every ridge beside every lasso, and finer ridges around one that is chosen among several.

    `tried` cross-validates every pair of some ridges and lassos.
    """
    found = tried(ridges, lassos)
    best = found.choice(chosen(found))
    if len(ridges) < 2 or not best.ridge:
        return found
    return found + tried(best.ridge * FINER, np.array([best.lasso]))


def cross_validated(
    folds: Sequence[Moments],
    splits: SplitScheme,
    targets: Sequence[int],
    errors: Callable[[Split, Moments], Array],
    *,
    ridge: Array = NO_PENALTY,
    lasso: Array | None = None,
) -> CVResult:
    """The held-out squared errors of candidates, from moments; some rows must be held out.

    `errors` gives those of a split, (c, t), beside the moments of its training folds.
    """
    found, guessing = [], []
    for split in splits.of(folds):
        others = split.training(folds)
        found.append(errors(split, others))
        guessing.append(guessing_error(folds[split.test], others, targets))
    held = [folds[split.test] for split in splits.of(folds)]
    return CVResult(
        ridge=ridge,
        lasso=np.zeros(len(ridge)) if lasso is None else lasso,
        errors=np.stack(found, axis=1),
        rows=np.array([[fold.rows] for fold in held]),
        guessing=np.array(guessing),
        unit=held[0].scale[list(targets)],
    )


def guessing_error(fold: Moments, others: Moments, targets: Sequence[int]) -> Array:
    """The null model's summed delta ** 2 on a fold (the training mean), in unit squared: (k,)."""
    at = list(targets)
    squares = fold.cross[np.array(at), np.array(at)]
    error: Array = squares + fold.rows * fold.apart(others)[at] ** 2
    return error
