"""Penalized least squares: lasso, elastic net, strengths by column and ranges, from one read.

    minimised: mean loss + sum(ridge * w ** 2) / 2 + sum(lasso * abs(w)),  loss = delta ** 2 / 2

w are the weights of standardised inputs; the intercept is never penalised.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np

from deltarule.dataclass import dataclass, replace
from deltarule.fit.least_squares import fits
from deltarule.fit.outcome import Outcome
from deltarule.fit.penalties import Penalties
from deltarule.fit.settings import EXACT
from deltarule.losses.glm import Squared
from deltarule.moments.moments import Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.cv_result import Choice, CVResult, search
from deltarule.solvers.lasso_path import LEAST, STRENGTHS, lasso_cv, lasso_path, lasso_top
from deltarule.solvers.least_squares import (
    Spectrum,
    normal_equations,
    ridge_path,
    ridge_weights,
)
from deltarule.tables.one_read import Read


@dataclass(frozen=True)
class PenalizedLeastSquares:
    """Least squares beside penalties and ranges of all kinds."""

    read: Read
    problem: LinearProblem
    penalties: Penalties

    def candidates(self) -> CVResult:
        """Cross-validation of every candidate strength."""
        return cross_validate(self.read, self.problem, self.penalties)

    def choose(self, cv: CVResult) -> tuple[int, list[str]]:
        """By the one-standard-error rule."""
        return cv.chosen(), self.penalties.earned(cv, "the typical error", np.sqrt(cv.mean()[:, 0]))

    def solved(self, choice: Choice) -> Outcome:
        """The exact weights with these penalties."""
        linear, whole = self.problem, self.read.whole
        weights = best(linear, whole, self.penalties, choice)
        problem, spectrum = linear.of(whole), Spectrum.of(linear.as_it_stands(whole))
        beside = f" with {self.penalties.named(choice)}" if self.penalties.any(choice) else ""
        return Outcome(
            weights=weights,
            loss=Squared.name,
            learner=EXACT,
            steps=0,
            stopped=f"solved exactly from the moments{beside}",
            fit=fits(problem, problem.squared_error(weights), linear),
            errors="",
            alphas=spectrum.alphas,
            condition=spectrum.condition,
        )

    def fold_weights(self, choice: Choice) -> dict[int, Weights]:
        """The exact weights without each fold."""
        folds, weights = self.read.folds, dict[int, Weights]()
        for split in self.read.splits.of(folds):
            others = split.training(folds)
            weights[split.test] = best(self.problem, others, self.penalties, choice)
        return weights


def best(problem: LinearProblem, moments: Moments, penalties: Penalties, choice: Choice) -> Weights:
    """The exact weights of all inputs at these strengths."""
    holds = penalties.holds(choice.ridge).only(~problem.held)
    path = lasso_path(problem.free(moments), np.array([choice.lasso]), holds=holds)
    whole = problem.whole({name: array[0] for name, array in path.weights.items()})
    return penalties.within(whole)


def weights_at(
    problem: LinearProblem, moments: Moments, penalties: Penalties, choices: Sequence[Choice]
) -> list[Weights]:
    """The exact weights of all inputs at each of these strengths."""
    if not penalties.common_ridge(choices):
        return [best(problem, moments, penalties, choice) for choice in choices]
    free = problem.free(moments)
    ridges = np.array([choice.ridge for choice in choices])
    weights = ridge_weights(free, normal_equations(free), ridges)
    return [
        problem.whole({name: array[at] for name, array in weights.items()})
        for at in range(len(choices))
    ]


def cross_validate(read: Read, problem: LinearProblem, penalties: Penalties) -> CVResult:
    """Cross-validation of every candidate strength; some rows must be held out."""

    def tried(ridges: Array, lassos: Array) -> CVResult:
        each = (_tried(read, problem, penalties, float(ridge), lassos) for ridge in ridges)
        return reduce(add, each)

    return search(tried, *penalties.candidates(lambda: lassos_of(read.folds, problem, penalties)))


def lassos_of(
    folds: Sequence[Moments],
    problem: LinearProblem,
    penalties: Penalties,
    *,
    count: int = STRENGTHS,
) -> Array:
    """0, and a logarithmic grid from a thousandth of the strength that leaves no weight to it."""
    holds = penalties.holds(penalties.given.ridge).only(~problem.held)
    top = lasso_top(problem.free(total(folds)), holds=holds)
    return np.concatenate([[0.0], top * np.geomspace(LEAST, 1, count)])


def cv_at(
    read: Read, problem: LinearProblem, penalties: Penalties, choices: Sequence[Choice]
) -> CVResult:
    """Cross-validation of these strengths, in this order."""
    if penalties.common_ridge(choices):
        ridges = np.array([choice.ridge for choice in choices])
        return ridge_path(read.folds, problem, strengths=ridges, splits=read.splits)
    if len({choice.ridge for choice in choices}) == 1:
        lassos = np.array([choice.lasso for choice in choices])
        return _tried(read, problem, penalties, choices[0].ridge, lassos)
    each = (_tried(read, problem, penalties, c.ridge, np.array([c.lasso])) for c in choices)
    return reduce(add, each)


def _tried(
    read: Read, problem: LinearProblem, penalties: Penalties, ridge: float, lassos: Array
) -> CVResult:
    path = lasso_cv(
        read.folds, problem, strengths=lassos, holds=penalties.holds(ridge), splits=read.splits
    )
    return replace(path, ridge=np.full(len(lassos), ridge))
