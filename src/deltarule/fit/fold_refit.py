"""Cross-validation of steps: the training rows of each fold, learnt in the same way as all rows.

Where steps arrived at weights that are the only best ones, any way there will do, and
`held_out.judge` knows a quicker one. Elsewhere the figures of held-out rows depend on the way: on
the learner, its alpha, the steps it was allowed, its batches, where it began. So the same learner
takes the same way again, with the penalty that was chosen.
"""

import numpy as np

from deltarule.errors import DeltaruleError, LearningError
from deltarule.fit.iterate import Iteration
from deltarule.fit.problem import FitProblem
from deltarule.moments.splits import Split
from deltarule.rule.predict import Weights

# Each fold is learnt again in up to so many steps; by so many reads, where rows are not in memory;
# and with so many products of a weight and an input, which take a minute or two.
STEPS_AGAIN, READS_AGAIN, WORK_AGAIN = 10_000, 100, 200e9
FEWER = "take fewer, or leave out the learner"


def refit(steps: Iteration) -> dict[int, Weights]:
    """The weights that each fold is judged by, in the units of these steps.

    Errors:  LearningError where that takes too long, or a fold's training rows cannot be learnt
    """
    splits = steps.task.read.splits.of(steps.task.read.folds)
    _check_cost(steps, len(splits))
    return {split.judged: _refit(steps.task, split) for split in splits}


def _check_cost(steps: Iteration, folds: int) -> None:
    """Errors: LearningError where learning so many folds again takes too long."""
    check_steps(steps)
    task, last = steps.task, steps.last
    assert last is not None, "all rows were learnt from first"
    rounds = folds * (last.number if last.epoch is None else last.epoch)
    if not task.read.in_memory and rounds > READS_AGAIN:
        raise LearningError(f"to learn each fold again takes {rounds:,} more reads: {FEWER}")
    if rounds * task.read.examples * task.problem.with_targets.size > WORK_AGAIN:
        raise LearningError(f"to learn each of {folds} folds again takes too long: {FEWER}")


def check_steps(steps: Iteration) -> None:
    """Errors: LearningError where the steps diverged, or are too many to take them once a fold."""
    last = steps.last
    assert last is not None, "all rows were learnt from first"
    if last.stopped is not None and last.stopped.reason == "diverging":
        raise LearningError("the steps diverged")
    if last.number > STEPS_AGAIN:
        many = f"{last.number:,} steps are too many to take them again for each fold"
        raise LearningError(f"{many}: {FEWER}")


def _refit(task: FitProblem, split: Split) -> Weights:
    read = task.read.of_folds(split.learnt)
    try:
        again = FitProblem(read, task.settings, task.start, task.frozen, task.by_hand, task.choice)
        *_, last = Iteration(again).taken()
    except DeltaruleError as error:
        raise LearningError(f"without the rows of a fold, {error}") from error
    finite = all(np.isfinite(array).all() for array in last.weights.values())
    if not finite or (last.stopped is not None and last.stopped.reason == "diverging"):
        raise LearningError("without the rows of a fold, the steps diverge")
    return task.standard.taken_over(again.standard, last.weights)


def none_refitted(error: DeltaruleError) -> str:
    """That there are no figures of held-out rows, and why."""
    return f"no error on held-out rows: {error}"
