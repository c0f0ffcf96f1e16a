"""Cross-validation result of a penalty search, and the one-standard-error rule.

Where both ridge and lasso are to be chosen, every pair is a candidate: the elastic net.

Shapes: c candidates, the first without a chosen penalty; f folds, t targets.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deltarule.fit.penalties import Choice, Penalties
from deltarule.moments.one_standard_error import DECADES, FINER, chosen
from deltarule.rule.predict import Array
from deltarule.views.format import number

# Ridges combined with every strength of lasso.
BESIDE = np.array([0.0, 1e-3, 1e-2, 0.1, 1.0])


@dataclass(frozen=True)
class CVResult:
    """Each candidate's strengths, and its held-out loss by fold.

    Candidates are compared by the excess of their loss over the saturated loss of the targets.

    Shapes:  ridge, lasso (c,); errors (c, f, t), summed, above `least` (f, t); rows (f, t) that
             were judged, or (f, 1); guessing (f, t), the same of the null model; unit (t,), the
             unit of the errors
    """

    ridge: Array
    lasso: Array
    errors: Array
    rows: Array
    guessing: Array
    unit: Array
    least: Array
    stopped: float | None = None
    """The ridge at which the search stopped, whose loss stands for that of the first candidate."""

    def __add__(self, other: "CVResult") -> "CVResult":
        """The candidates of both, on the same folds."""
        return CVResult(
            np.concatenate([self.ridge, other.ridge]),
            np.concatenate([self.lasso, other.lasso]),
            np.concatenate([self.errors, other.errors]),
            self.rows,
            self.guessing,
            self.unit,
            self.least,
            self.stopped,
        )

    def choice(self, at: int) -> Choice:
        """A candidate's strengths."""
        return Choice(float(self.ridge[at]), float(self.lasso[at]))

    def mean(self) -> Array:
        """Each candidate's mean loss over all held-out rows: (c, t)."""
        mean: Array = (self.errors + self.least).sum(axis=1) / self.rows.sum(axis=0) * self.unit
        return mean

    def error(self) -> Array:
        """Standard errors of the means, from the variation between folds: (c, t)."""
        each = (self.errors + self.least) / np.where(self.rows > 0, self.rows, 1.0) * self.unit
        folds = len(self.rows)
        if folds < 2:
            return np.full(each.shape[::2], np.nan)
        error: Array = np.std(each, axis=1, ddof=1) / np.sqrt(folds)
        return error

    def chosen(self) -> int:
        """One-standard-error rule: the first candidate, unless the best is lower by more than one.

        Nor are two penalties chosen where one does as well.
        """
        single = np.flatnonzero((self.ridge == self.ridge[0]) | (self.lasso == self.lasso[0]))
        return chosen(self.errors, self.guessing, single)


def on_grid(
    penalties: Penalties,
    lassos: Callable[[], Array],
    tried: Callable[[Array, Array], CVResult],
) -> CVResult:
    """Evaluate the grid of strengths; refine near a ridge that is chosen."""
    given = penalties.given
    some = lassos() if penalties.lasso.auto else np.array([given.lasso])
    ridges = np.array([given.ridge])
    if penalties.ridge.auto:
        ridges = BESIDE if penalties.lasso.auto else DECADES
    found = tried(ridges, some)
    best = found.choice(found.chosen())
    if not (penalties.ridge.auto and best.ridge):
        return found
    return found + tried(best.ridge * FINER, np.array([best.lasso]))


def earned(penalties: Penalties, tried: CVResult, what: str, mean: Array) -> list[str]:
    """A note on the penalty chosen, or that none was where a lasso was to be chosen.

    Shapes:  mean (c,), each candidate's held-out error as reported
    """
    chosen = tried.chosen()
    if chosen:
        now, first = tried.choice(chosen), tried.choice(0)
        names = [
            f"{name} {getattr(now, name):.3g}"
            for name in ("ridge", "lasso")
            if getattr(now, name) != getattr(first, name)
        ]
        whose, them = ("its", "it") if len(names) == 1 else ("their", "them")
        without = "without" if tried.stopped is None else f"with {number(tried.stopped)} already"
        return [
            f"{' and '.join(names)} earned {whose} place: {what} on held-out rows is "
            f"{number(mean[chosen])} with {them}, {number(mean[0])} {without}"
        ]
    if penalties.lasso.auto:
        kinds = ["lasso", *(["ridge"] if penalties.ridge.auto else [])]
        return [
            f"no {' or '.join(kinds)} earned its place: none is better on held-out rows by a "
            "standard error"
        ]
    return []
