"""Lasso, elastic net, strengths by column and ranges under squared loss: from the one read.

    minimised: mean loss + sum(ridge * w ** 2) / 2 + sum(lasso * abs(w)),  loss = delta ** 2 / 2

w are the weights of standardised inputs; the intercept is never penalised.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np

from deltarule.learning.exact import fits
from deltarule.learning.held_out.tried import Tried, earned, on_grid
from deltarule.learning.outcome import HeldOut, Outcome, none_held_out
from deltarule.learning.penalties import Choice, Penalties
from deltarule.moments.lasso import LEAST, STRENGTHS, lasso_cv, lasso_path, lasso_top
from deltarule.moments.moments import Moments, total
from deltarule.moments.problem import Problem
from deltarule.moments.solve import Spectrum
from deltarule.rule.predict import Array, Weights
from deltarule.tables.reading import Read


def sparse(read: Read, asked: Problem, penalties: Penalties) -> Outcome:
    """The exact weights with these penalties, or those that held-out rows ask for."""
    whole = total(read.folds)
    tried = tried_on(read, asked, penalties)
    chosen = 0 if tried is None else tried.chosen()
    choice = penalties.given if tried is None else tried.choice(chosen)
    weights = best(asked, whole, penalties, choice)
    taught = {
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
        loss="squared",
        learner="exact",
        steps=0,
        stopped=f"solved exactly from the moments{held}",
        fit=fits(problem, problem.squared_error(weights), asked),
        held_out=None if tried is None else _held_out(tried, chosen, taught),
        errors="",
        alphas=spectrum.alphas,
        ridge=choice.ridge,
        lasso=choice.lasso,
        minimised=penalties.words(choice, "squared"),
        condition=spectrum.condition,
        notes=_notes(read, tried, chosen, penalties),
    )


def best(asked: Problem, moments: Moments, penalties: Penalties, choice: Choice) -> Weights:
    """The exact weights of all inputs at these strengths."""
    holds = penalties.holds(choice.ridge).only(~asked.held)
    found = lasso_path(asked.free(moments), np.array([choice.lasso]), holds=holds)
    whole = asked.whole({name: array[0] for name, array in found.weights.items()})
    return penalties.within(whole)


def tried_on(read: Read, asked: Problem, penalties: Penalties) -> Tried | None:
    """Every strength in question, on held-out rows; None where there are too few rows for that."""
    if not read.splits.of(read.folds):
        return None

    def tried(ridges: Array, lassos: Array) -> Tried:
        each = (_tried(read, asked, penalties, float(ridge), lassos) for ridge in ridges)
        return reduce(add, each)

    return on_grid(penalties, lambda: lassos_of(read.folds, asked, penalties), tried)


def lassos_of(
    folds: Sequence[Moments], asked: Problem, penalties: Penalties, *, count: int = STRENGTHS
) -> Array:
    """None, and strengths from a thousandth of the one that leaves no weight up to that."""
    holds = penalties.holds(penalties.given.ridge).only(~asked.held)
    top = lasso_top(asked.free(total(folds)), holds=holds)
    return np.concatenate([[0.0], top * np.geomspace(LEAST, 1, count)])


def tried_at(read: Read, asked: Problem, penalties: Penalties, choices: Sequence[Choice]) -> Tried:
    """These strengths on held-out rows, in this order."""
    if len({choice.ridge for choice in choices}) == 1:
        lassos = np.array([choice.lasso for choice in choices])
        return _tried(read, asked, penalties, choices[0].ridge, lassos)
    each = (_tried(read, asked, penalties, c.ridge, np.array([c.lasso])) for c in choices)
    return reduce(add, each)


def _tried(read: Read, asked: Problem, penalties: Penalties, ridge: float, lassos: Array) -> Tried:
    path = lasso_cv(
        read.folds, asked, strengths=lassos, holds=penalties.holds(ridge), splits=read.splits
    )
    ridges = np.full(len(lassos), ridge)
    least = np.zeros_like(path.guessing)
    return Tried(ridges, lassos, path.errors, path.rows, path.guessing, path.unit**2, least)


def _held_out(tried: Tried, chosen: int, taught: Mapping[int, Weights]) -> HeldOut:
    """The errors on held-out rows at the chosen strengths."""
    return HeldOut(
        folds=len(tried.rows),
        rows=float(tried.rows.sum()),
        errors=tried.errors[chosen].sum(axis=0),
        guessing=tried.guessing.sum(axis=0),
        unit=np.sqrt(tried.unit),
        taught=taught,
    )


def _notes(read: Read, tried: Tried | None, chosen: int, penalties: Penalties) -> list[str]:
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
