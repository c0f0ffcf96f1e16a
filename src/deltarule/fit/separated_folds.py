"""Separated folds: training rows of a fold that alone have no finite best weights.

Of a level with a single "no", the fold that holds that row out learns from "yes" alone: its error
on that row would be how many steps were taken. A small ridge holds such a fold's weights, as it
does those of all rows (`iterate.py`).

Shapes: p inputs
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from deltarule.engines.held_out_questions import CompareTraining, HeldOutErrors
from deltarule.fit.cross_validate import CrossValidation
from deltarule.fit.outcome import HeldOut
from deltarule.fit.problem import FitProblem
from deltarule.fit.separation import MOVES, leading
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.newton import Newton
from deltarule.tables.schema_columns import Number

# A fold without separation moves scores by less than this, or is looked at by another pass.
FAR = 3.0


def hold_separated(
    problem: FitProblem, judge: CrossValidation, weights: Weights, held_out: HeldOut
) -> tuple[HeldOut, str | None]:
    """The errors where a ridge of 1 / rows holds the folds that are separated, and a note on it."""
    read, kinked = problem.read, problem.smoothing is not None
    if problem.penalty is not None or problem.loss.link.additive or kinked:
        return held_out, None
    found = _separated(problem, judge, weights, held_out.fold_weights)
    if not found:
        return held_out, None
    splits, fold_weights = {one.test: one for one in read.splits.of(read.folds)}, {}
    for fold in found:
        rows = splits[fold].training(read.folds).rows
        held = replace(problem, choice=replace(problem.choice, ridge=1 / rows))
        held_judge = replace(judge, penalised=held.penalised)
        fold_weights[fold] = held_judge.refit(splits[fold], weights, read.folds, read.splits)
    judged = judge.judged({**held_out.fold_weights, **fold_weights}, read.folds, read.splits)
    names = list(dict.fromkeys(name for names in found.values() for name in names))
    few = f"{len(found)} of the {len(judged.fold_weights)} parts"
    note = (
        f"without {few} of the rows no finite weights are best ({', '.join(names[:3])}): there a "
        f"ridge of {1 / rows:.3g} holds them, and the errors on held-out rows depend on it"
    )
    return judged, note


def _separated(
    problem: FitProblem, judge: CrossValidation, weights: Weights, found: Mapping[int, Weights]
) -> dict[int, Sequence[str]]:
    """The separated folds, and the inputs whose weights grow without end there.

    Converged weights hardly move with another Newton step; these move some score by about 1.
    """
    assert problem.rows is not None, "losses other than squared need rows"
    far = {fold: own for fold, own in found.items() if _moves(problem, own, weights).max() > FAR}
    if not far:
        return {}
    splits = problem.read.splits.of(problem.read.folds)
    training = {one.test: one.train for one in splits if one.test in far}
    errors = HeldOutErrors(judge.model, problem.loss, far)
    told = problem.rows.total(CompareTraining(problem.loss, training, errors), by_fold=True)
    separated = dict[int, Sequence[str]]()
    for fold, own in far.items():
        compared = told.comparisons[fold]
        if problem.frozen is not None:
            compared = compared.freeze(problem.frozen)
        stepped = Newton().step(own, compared.average(), None)[0]
        moves = _moves(problem, stepped, own)
        if moves.max() > MOVES:
            separated[fold] = leading(moves[:-1], problem.read.schema.inputs)
    return separated


def _moves(problem: FitProblem, weights: Weights, others: Weights) -> Array:
    """How far scores differ over the range of each input, and by the intercept: (p + 1,)."""
    differ = problem.standard.out({name: array - others[name] for name, array in weights.items()})
    ranges = [
        one.high - one.low if isinstance(one, Number) and level is None else 1.0
        for one in problem.read.schema.columns
        for level in one.levels
    ]
    apart = np.abs(differ["weight"]).max(axis=1) * ranges
    shift = weights.get("intercept", np.zeros(1)) - others.get("intercept", np.zeros(1))
    return np.append(apart, np.abs(shift).max())
