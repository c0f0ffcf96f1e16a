"""Penalized least squares: lasso, elastic net, strengths by column and ranges, from one read.

    minimised: mean loss + sum(ridge * w ** 2) / 2 + sum(lasso * abs(w)),  loss = delta ** 2 / 2

w are the weights of standardised inputs; the intercept is never penalised.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np

from deltarule.fit.cv_result import CVResult, earned, on_grid
from deltarule.fit.least_squares import fits
from deltarule.fit.outcome import HeldOut, Outcome, none_held_out
from deltarule.fit.penalties import Choice, Penalties
from deltarule.fit.settings import EXACT
from deltarule.losses.glm import Squared
from deltarule.moments.moments import Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.lasso_path import LEAST, STRENGTHS, lasso_cv, lasso_path, lasso_top
from deltarule.solvers.least_squares import (
    RidgePath,
    Spectrum,
    normal_equations,
    ridge_path,
    ridge_weights,
)
from deltarule.tables.one_read import Read


def solve_penalized(read: Read, asked: LinearProblem, penalties: Penalties) -> Outcome:
    """The exact weights with these penalties, or with those that cross-validation chooses."""
    whole = total(read.folds)
    tried = cv_on(read, asked, penalties)
    chosen = 0 if tried is None else tried.chosen()
    choice = penalties.given if tried is None else tried.choice(chosen)
    weights = best(asked, whole, penalties, choice)
    fold_weights = {
        split.judged: best(
            asked, total([read.folds[fold] for fold in split.learnt]), penalties, choice
        )
        for split in read.splits.of(read.folds)
    }
    problem = asked.of(whole)
    spectrum = Spectrum.of(asked.as_it_stands(whole))
    held = f" with {penalties.named(choice)}" if penalties.any(choice) else ""
    return Outcome(
        weights=weights,
        loss=Squared.name,
        learner=EXACT,
        steps=0,
        stopped=f"solved exactly from the moments{held}",
        fit=fits(problem, problem.squared_error(weights), asked),
        held_out=None if tried is None else _held_out(tried, chosen, fold_weights),
        errors="",
        alphas=spectrum.alphas,
        ridge=choice.ridge,
        lasso=choice.lasso,
        minimised=penalties.words(choice, Squared.name),
        condition=spectrum.condition,
        notes=_notes(read, tried, chosen, penalties),
    )


def best(asked: LinearProblem, moments: Moments, penalties: Penalties, choice: Choice) -> Weights:
    """The exact weights of all inputs at these strengths."""
    holds = penalties.holds(choice.ridge).only(~asked.held)
    found = lasso_path(asked.free(moments), np.array([choice.lasso]), holds=holds)
    whole = asked.whole({name: array[0] for name, array in found.weights.items()})
    return penalties.within(whole)


def weights_at(
    asked: LinearProblem, moments: Moments, penalties: Penalties, choices: Sequence[Choice]
) -> list[Weights]:
    """The exact weights of all inputs at each of these strengths."""
    if not penalties.common_ridge(choices):
        return [best(asked, moments, penalties, choice) for choice in choices]
    free = asked.free(moments)
    ridges = np.array([choice.ridge for choice in choices])
    found = ridge_weights(free, normal_equations(free), ridges)
    return [
        asked.whole({name: array[at] for name, array in found.items()})
        for at in range(len(choices))
    ]


def cv_on(read: Read, asked: LinearProblem, penalties: Penalties) -> CVResult | None:
    """Cross-validation of every candidate strength; None where there are too few rows."""
    if not read.splits.of(read.folds):
        return None

    def tried(ridges: Array, lassos: Array) -> CVResult:
        each = (_tried(read, asked, penalties, float(ridge), lassos) for ridge in ridges)
        return reduce(add, each)

    return on_grid(penalties, lambda: lassos_of(read.folds, asked, penalties), tried)


def lassos_of(
    folds: Sequence[Moments], asked: LinearProblem, penalties: Penalties, *, count: int = STRENGTHS
) -> Array:
    """0, and a logarithmic grid from a thousandth of the strength that leaves no weight to it."""
    holds = penalties.holds(penalties.given.ridge).only(~asked.held)
    top = lasso_top(asked.free(total(folds)), holds=holds)
    return np.concatenate([[0.0], top * np.geomspace(LEAST, 1, count)])


def cv_at(
    read: Read, asked: LinearProblem, penalties: Penalties, choices: Sequence[Choice]
) -> CVResult:
    """Cross-validation of these strengths, in this order."""
    if penalties.common_ridge(choices):
        ridges = np.array([choice.ridge for choice in choices])
        path = ridge_path(read.folds, asked, strengths=ridges, splits=read.splits)
        return _result(path, ridges, np.zeros_like(ridges))
    if len({choice.ridge for choice in choices}) == 1:
        lassos = np.array([choice.lasso for choice in choices])
        return _tried(read, asked, penalties, choices[0].ridge, lassos)
    each = (_tried(read, asked, penalties, c.ridge, np.array([c.lasso])) for c in choices)
    return reduce(add, each)


def _tried(
    read: Read, asked: LinearProblem, penalties: Penalties, ridge: float, lassos: Array
) -> CVResult:
    path = lasso_cv(
        read.folds, asked, strengths=lassos, holds=penalties.holds(ridge), splits=read.splits
    )
    return _result(path, np.full(len(lassos), ridge), lassos)


def _result(path: RidgePath, ridges: Array, lassos: Array) -> CVResult:
    rows, least = path.rows[:, None], np.zeros_like(path.guessing)
    return CVResult(ridges, lassos, path.errors, rows, path.guessing, path.unit**2, least)


def _held_out(tried: CVResult, chosen: int, fold_weights: Mapping[int, Weights]) -> HeldOut:
    """The errors on held-out rows at the chosen strengths."""
    return HeldOut(
        folds=len(tried.rows),
        rows=float(tried.rows.sum()),
        errors=tried.errors[chosen].sum(axis=0),
        guessing=tried.guessing.sum(axis=0),
        unit=np.sqrt(tried.unit),
        fold_weights=fold_weights,
    )


def _notes(read: Read, tried: CVResult | None, chosen: int, penalties: Penalties) -> list[str]:
    notes = []
    choice = penalties.given if tried is None else tried.choice(chosen)
    if tried is None:
        notes.append(none_held_out(read))
    else:
        mean = np.sqrt(tried.mean()[:, 0])
        notes += earned(penalties, tried, "the typical error", mean)
    if penalties.any(choice):
        notes.append("no standard errors beside a penalty: they would not know its bias")
    return notes
