"""Lasso, elastic net and signs to keep, under squared loss: from the moments of the one read.

    minimised: mean loss + ridge / 2 * sum(w ** 2) + lasso * sum(abs(w)),  loss = delta ** 2 / 2

w are the weights of standardised inputs; the intercept is never penalised.
"""

import numpy as np

from deltarule.learning.exact import fits, held_out_by
from deltarule.learning.outcome import Outcome, none_held_out
from deltarule.learning.settings import Settings
from deltarule.moments.lasso import lasso_cv, lasso_path
from deltarule.moments.moments import total
from deltarule.moments.problem import Problem
from deltarule.moments.solve import RidgePath, Spectrum
from deltarule.rule.predict import Mask
from deltarule.tables.reading import Read


def sparse(read: Read, settings: Settings, asked: Problem, positive: Mask | None) -> Outcome:
    """The exact weights with this lasso, or the one that held-out rows ask for.

    Shapes:  positive (p,), True where a weight may not be below 0; None where none is held so
    """
    whole = total(read.folds)
    ridge = 0.0 if settings.ridge == "auto" else float(settings.ridge)
    given = None if settings.lasso == "auto" else np.array([float(settings.lasso)])
    path = None
    if read.splits.of(read.folds):
        path = lasso_cv(
            read.folds,
            asked,
            strengths=given,
            ridge=ridge,
            positive=positive,
            splits=read.splits,
        )
    chosen = path.chosen() if path is not None and given is None else 0
    strength = 0.0 if path is None else float(path.strengths[chosen])
    strength = strength if given is None else float(given[0])
    free = None if positive is None else positive[~asked.held]
    found = lasso_path(asked.free(whole), np.array([strength]), ridge=ridge, positive=free)
    weights = asked.whole({name: array[0] for name, array in found.weights.items()})
    problem = asked.of(whole)
    spectrum = Spectrum.of(problem)
    return Outcome(
        weights=weights,
        loss="squared",
        learner="exact",
        steps=0,
        stopped="solved exactly from the moments" + (" with lasso" if strength else ""),
        fit=fits(problem, problem.squared_error(weights), asked),
        held_out=None if path is None else held_out_by(path, chosen),
        errors="",
        alphas=spectrum.alphas,
        ridge=ridge,
        lasso=strength,
        condition=spectrum.condition,
        notes=[
            *([none_held_out(read)] if path is None else []),
            *_notes(path, chosen, strength, positive),
        ],
    )


def _notes(
    path: RidgePath | None, chosen: int, strength: float, positive: Mask | None
) -> list[str]:
    notes = []
    if path is not None and len(path.strengths) > 1:
        mean = np.sqrt(path.mean()[:, 0]) * path.unit[0]
        if chosen:
            notes.append(
                f"lasso {strength:.3g} earned its place: the typical error on held-out rows is "
                f"{mean[chosen]:,.6g} with it, {mean[0]:,.6g} without"
            )
        else:
            notes.append(
                "no lasso earned its place: none is better on held-out rows by a standard error"
            )
    if strength or positive is not None:
        notes.append("no standard errors beside a lasso or signs to keep")
    return notes
