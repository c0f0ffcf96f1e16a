"""Refit of folds: the same learner and settings, run on each fold's training rows.

Where steps converged to a unique optimum, the path does not matter: `cross_validate` is faster.
Elsewhere held-out metrics depend on the path: on the learner, its alpha, the limit on steps, the
batches, the start. So the same learner repeats it on each fold, with the penalty that was chosen.
"""

import numpy as np

from deltarule.errors import DeltaruleError, LearningError
from deltarule.fit.fit_step import FitStep
from deltarule.fit.iterate import steps_of
from deltarule.fit.prepare import prepare
from deltarule.fit.problem import FitProblem
from deltarule.moments.splits import Split
from deltarule.rule.predict import Weights

# Limits for refitting each fold: steps; reads, where rows are not in memory; and products of a
# weight and an input, which take a minute or two.
STEPS_AGAIN, READS_AGAIN, WORK_AGAIN = 10_000, 100, 200e9
FEWER = "take fewer, or leave out the learner"


def refit(step: FitStep) -> dict[int, Weights]:
    """The fold weights by refitting, in the units of the steps; `step` is the last on all rows.

    Errors:  LearningError where that takes too long, or a fold's training rows cannot be learnt
    """
    problem = step.problem
    splits = problem.read.splits.of(problem.read.folds)
    _check_cost(step, len(splits))
    return {split.test: _refit(problem, split) for split in splits}


def _check_cost(step: FitStep, folds: int) -> None:
    """Errors: LearningError where refitting so many folds takes too long."""
    check_steps(step)
    task, last = step.problem, step.taken
    rounds = folds * (last.number if last.epoch is None else last.epoch)
    if not task.read.in_memory and rounds > READS_AGAIN:
        raise LearningError(f"to learn each fold again takes {rounds:,} more reads: {FEWER}")
    if rounds * task.read.examples * task.problem.with_targets.size > WORK_AGAIN:
        raise LearningError(f"to learn each of {folds} folds again takes too long: {FEWER}")


def check_steps(step: FitStep) -> None:
    """Errors: LearningError where the steps diverged, or are too many to take them once a fold."""
    last = step.taken
    if last.stopped is not None and last.stopped.reason == "diverging":
        raise LearningError("the steps diverged")
    if last.number > STEPS_AGAIN:
        many = f"{last.number:,} steps are too many to take them again for each fold"
        raise LearningError(f"{many}: {FEWER}")


def _refit(problem: FitProblem, split: Split) -> Weights:
    read = problem.read.of_folds(split.train)
    try:
        again = prepare(
            read,
            problem.settings,
            problem.start,
            problem.frozen,
            by_hand=problem.by_hand,
            choice=problem.choice,
        )
        for step in steps_of(again):
            last = step.taken
    except DeltaruleError as error:
        raise LearningError(f"without the rows of a fold, {error}") from error
    finite = all(np.isfinite(array).all() for array in last.weights.values())
    if not finite or (last.stopped is not None and last.stopped.reason == "diverging"):
        raise LearningError("without the rows of a fold, the steps diverge")
    return problem.standard.taken_over(again.standard, last.weights)


def none_refitted(error: DeltaruleError) -> str:
    """The note that there are no held-out metrics, and why."""
    return f"no error on held-out rows: {error}"
