"""Least squares solved exactly: the strengths are cross-validated, one is chosen, and solved.

The three forms are of few inputs (`least_squares`), beside other penalties than one ridge for all
(`penalized_least_squares`), and of fewer rows than inputs (`dual_least_squares`).
"""

from collections.abc import Mapping
from typing import Protocol

from deltarule.dataclass import replace
from deltarule.fit.outcome import HeldOut, Outcome, none_held_out
from deltarule.fit.penalties import Penalties
from deltarule.losses.glm import Squared
from deltarule.rule.predict import Weights
from deltarule.solvers.cv_result import Choice, CVResult
from deltarule.tables.one_read import Read


class ExactForm(Protocol):
    """Least squares in a form that is solved at any strength."""

    @property
    def penalties(self) -> Penalties: ...
    def candidates(self) -> CVResult:
        """Cross-validation of the strengths in question; some rows are held out."""
        ...

    def choose(self, cv: CVResult) -> tuple[int, list[str]]:
        """The candidate to take, and notes on it."""
        ...

    def solved(self, choice: Choice) -> Outcome:
        """The weights at these strengths, with all inference that the moments allow."""
        ...

    def fold_weights(self, choice: Choice) -> Mapping[int, Weights]:
        """The weights at these strengths without each fold, or without some."""
        ...


def solve_exactly(read: Read, form: ExactForm) -> Outcome:
    """The exact weights with the penalties given, or with those that cross-validation chooses.

    Errors:  LearningError for more rows than their own products have room for
    """
    penalties, held_out = form.penalties, None
    if not read.splits.of(read.folds):
        choice, notes = penalties.given, [none_held_out(read)]
        outcome = form.solved(choice)
    else:
        cv = form.candidates()
        best, notes = form.choose(cv)
        choice = cv.choice(best)
        outcome = form.solved(choice)
        held_out = HeldOut.of(cv, best, form.fold_weights(choice))
    if penalties.any(choice):
        notes.append("no standard errors beside a penalty: they would not know its bias")
    return replace(
        outcome,
        held_out=held_out,
        ridge=choice.ridge,
        lasso=choice.lasso,
        minimised=penalties.words(choice, Squared.name),
        notes=[*outcome.notes, *notes],
    )
