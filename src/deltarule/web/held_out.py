"""The held-out error at each step: the same steps taken without some rows, scored on those rows.

Rows are held out by the folds of cross-validation. For each fold a second timeline, with the same
learner, alpha and start, learns from the other folds; the fold's rows are scored with its weights
after as many steps. Squared loss does so from the folds' moments, and other losses from the rows.
Where that would take long, one fold is held out in place of all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deltarule.errors import DeltaruleError
from deltarule.fit.problem import FitProblem
from deltarule.rule.predict import Weights
from deltarule.web.session import Session, problem_of
from deltarule.web.timeline import Timeline

# With fewer rows a fold has one or two, and their error says little.
FEWEST_ROWS = 10
# All folds up to so many weights (an eigendecomposition each) and cells (read at each step).
MOST_WEIGHTS, MOST_CELLS = 120, 60_000
Score = Callable[[Weights], tuple[float, float]]


@dataclass(frozen=True)
class HeldOutError:
    """The error on rows that were not learnt from, without penalty.

    `folds` of `of` folds were held out, one after the other.
    """

    error: float
    folds: int
    of: int


@dataclass(frozen=True)
class _Fold:
    """The timeline that learns without a fold, and the score of the fold's rows."""

    walk: Timeline
    score: Score


class HeldOut:
    """The held-out error of a session's run, at any of its steps."""

    def __init__(self, session: Session) -> None:
        read = session.problem.read
        splits = read.splits.of(read.folds)
        self.of = len(splits)
        cells = read.examples * (len(read.schema.inputs) + len(read.schema.outputs))
        rows = session.choices.needs_rows and cells > MOST_CELLS
        weights = len(read.schema.inputs) * len(read.schema.outputs)
        some = splits[:1] if rows or weights > MOST_WEIGHTS else splits
        enough = read.examples >= FEWEST_ROWS
        self.folds = [
            fold
            for split in (some if enough else [])
            if (fold := _fold(session, split.test, split.train)) is not None
        ]

    @np.errstate(all="ignore")
    def at(self, number: int) -> HeldOutError | None:
        """The error after so many steps; None where no rows are held out, or it overflows."""
        if not self.folds:
            return None
        scored = []
        for fold in self.folds:
            weights = fold.walk.weights_after(number)
            if weights is None:
                return None
            scored.append(fold.score(weights))
        summed, rows = (sum(parts) for parts in zip(*scored, strict=True))
        error = float(summed / rows) if rows else np.inf
        return HeldOutError(error, len(self.folds), self.of) if np.isfinite(error) else None


def _fold(session: Session, judged: int, learnt: tuple[int, ...]) -> _Fold | None:
    """The timeline without a fold; None where the other rows cannot be learnt from."""
    try:
        run = session.run.again(session.run.settings, folds=learnt)
        if session.by_hand is not None:
            run = run.starting_at(session.by_hand)
        problem = problem_of(run)
        return _Fold(Timeline(problem, session.walk.learner), _score(session, problem, judged))
    except DeltaruleError:
        return None


def _score(session: Session, problem: FitProblem, judged: int) -> Score:
    """The summed error and the number of a fold's rows, by weights in the inputs' own units."""
    task, read = session.problem, session.problem.read
    if task.squared:
        moments = task.standard.problem(task.linear.of(read.folds[judged]))

        def by_moments(weights: Weights) -> tuple[float, float]:
            said = moments(task.standard.into(weights))
            return session.error(said.loss), said.rows

        return by_moments
    parts = [(part.inputs, part.targets) for part in read.of_folds([judged]).rows()]
    inputs, targets = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def by_rows(weights: Weights) -> tuple[float, float]:
        values = problem.loss.value(task.model.predict(weights, inputs), targets)
        return session.error(float(np.sum(values))), float(len(targets))

    return by_rows
