"""Least squares of tables with fewer rows than columns, from one decomposition of the rows."""

import numpy as np

from deltarule.fit.least_squares import fits, held_out_by
from deltarule.fit.outcome import Outcome, none_held_out
from deltarule.fit.penalties import Choice, Penalties
from deltarule.fit.settings import EXACT
from deltarule.losses.glm import Squared
from deltarule.moments.moments import total
from deltarule.moments.problem import LinearProblem
from deltarule.solvers.dual import Dual, DualFolds, best_of
from deltarule.solvers.least_squares import RidgePath
from deltarule.tables.one_read import Read
from deltarule.views.format import number


def solve_dual(read: Read, asked: LinearProblem, penalties: Penalties) -> Outcome:
    """The weights with the ridge given, or with that of the least error on held-out rows.

    Errors:  LearningError for more rows than their own products have room for
    """
    whole = total(read.folds)
    dual = Dual.of(asked, whole)
    ridge = penalties.ridge.rest
    folds, notes = DualFolds(dual, read.folds, read.splits), list[str]()
    path, chosen, strength = None, 0, 0.0 if ridge == "auto" else float(ridge)
    if read.splits.of(read.folds):
        path = folds.search() if ridge == "auto" else folds.path(np.array([strength]))
        chosen = best_of(path)
        strength = float(path.strengths[chosen])
    problem = dual.problem
    notes = _notes(read, dual, strength)
    if path is None:
        notes.append(none_held_out(read))
    elif ridge == "auto":
        notes.append(_chosen(path, chosen))
    return Outcome(
        weights=dual.solution(strength),
        loss=Squared.name,
        learner=EXACT,
        steps=0,
        stopped="solved exactly from the rows' own products" + (" with ridge" if strength else ""),
        fit=fits(problem, dual.squared_error(strength), asked),
        held_out=None if path is None else held_out_by(path, chosen, folds.weights(strength)),
        errors="",
        ridge=strength,
        minimised=penalties.words(Choice(strength), Squared.name),
        notes=notes,
    )


def _notes(read: Read, dual: Dual, strength: float) -> list[str]:
    inputs, rows = len(dual.unit), f"{read.examples:,} rows"
    spare = inputs - dual.rank
    if strength:
        return ["no standard errors beside a penalty: they would not know its bias"]
    if spare > 0:
        return [
            f"{inputs:,} inputs fit {rows} in many ways: of all weights that predict the same, the "
            "smallest are given, without standard errors"
        ]
    return [f"no standard errors of {inputs:,} inputs, as their products are not kept"]


def _chosen(path: RidgePath, chosen: int) -> str:
    mean = np.sqrt(path.mean()[:, 0]) * path.unit[0]
    none = f"{number(mean[0])} by the smallest weights that fit"
    if not chosen:
        return f"no ridge does better on held-out rows, whose typical error is {none}"
    return (
        f"ridge {path.strengths[chosen]:.3g} is best on held-out rows: their typical error is "
        f"{number(mean[chosen])} with it, {none}"
    )
