"""Least squares of tables with fewer rows than columns, from one decomposition of the rows."""

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.fit.least_squares import fits
from deltarule.fit.outcome import Outcome
from deltarule.fit.penalties import Penalties
from deltarule.fit.settings import EXACT
from deltarule.losses.glm import Squared
from deltarule.moments.problem import LinearProblem
from deltarule.rule.predict import Weights
from deltarule.solvers.cv_result import Choice, CVResult
from deltarule.solvers.dual import STRENGTHS, Dual, DualFolds, best_of
from deltarule.tables.one_read import Read
from deltarule.views.format import number


@dataclass(frozen=True)
class DualLeastSquares:
    """Least squares of fewer rows than inputs, with one ridge for all."""

    read: Read
    problem: LinearProblem
    penalties: Penalties
    dual: Dual

    @classmethod
    def of(cls, read: Read, problem: LinearProblem, penalties: Penalties) -> "DualLeastSquares":
        """Of all rows, decomposed once.

        Errors:  LearningError for more rows than their own products have room for
        """
        return cls(read, problem, penalties, Dual.of(problem, read.whole))

    @property
    def folds(self) -> DualFolds:
        """The same by fold."""
        return DualFolds(self.dual, self.read.folds, self.read.splits)

    def candidates(self) -> CVResult:
        """Cross-validation of the ridge given, or of a grid."""
        auto = self.penalties.ridge.rest == "auto"
        return self.folds.search(STRENGTHS if auto else self.penalties.ridges)

    def choose(self, cv: CVResult) -> tuple[int, list[str]]:
        """The least error: there is no fit without a penalty to be surely better than."""
        best = best_of(cv)
        if self.penalties.ridge.rest != "auto":
            return best, []
        mean = np.sqrt(cv.mean()[:, 0])
        none = f"{number(mean[0])} by the smallest weights that fit"
        if not best:
            return best, [f"no ridge does better on held-out rows, whose typical error is {none}"]
        return best, [
            f"ridge {cv.ridge[best]:.3g} is best on held-out rows: their typical error is "
            f"{number(mean[best])} with it, {none}"
        ]

    def solved(self, choice: Choice) -> Outcome:
        """The weights at this ridge."""
        dual, strength = self.dual, choice.ridge
        return Outcome(
            weights=dual.solution(strength),
            loss=Squared.name,
            learner=EXACT,
            steps=0,
            stopped="solved exactly from the rows' own products" + " with ridge" * bool(strength),
            fit=fits(dual.problem, dual.squared_error(strength), self.problem),
            errors="",
            notes=[] if strength else self._notes(),
        )

    def fold_weights(self, choice: Choice) -> dict[int, Weights]:
        """The weights at this ridge without each fold."""
        return self.folds.weights(choice.ridge)

    def _notes(self) -> list[str]:
        inputs, rows = len(self.dual.unit), f"{self.read.examples:,} rows"
        if inputs > self.dual.rank:
            return [
                f"{inputs:,} inputs fit {rows} in many ways: of all weights that predict the same, "
                "the smallest are given, without standard errors"
            ]
        return [f"no standard errors of {inputs:,} inputs, as their products are not kept"]
