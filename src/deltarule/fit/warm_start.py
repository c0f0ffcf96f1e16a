"""Where Newton begins among many rows: with what a sample of them has learnt.

From there two or three passes over all rows suffice. How far learning must come is still measured
at the usual start, weights of zero beside an intercept at the mean. The moments know what all rows
say there: every prediction is the mean, so that

    weight_delta = factor * sum over rows of (mean - target) * input

where the link may put a factor that is the same for all rows.

Shapes: p inputs, k outputs. Weights are in the standardised units of `rows`.
"""

from dataclasses import dataclass

import numpy as np

from deltarule.engines.local import PassObjective, RowPass
from deltarule.fit.problem import FitProblem
from deltarule.moments.moments import LeastSquares
from deltarule.rule.loss import Loss
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import largest, train
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Penalised, Ridge

# One row in so many is learnt from first, down to this share of the weight_delta at the start; then
# all of the sample, which is itself no surer than a hundredth.
THINNED, TOLERANCES = 8, (1e-2, 1e-1)
STEPS = 30


@dataclass(frozen=True)
class WarmStart:
    """What a sample of so many rows has learnt, and how steep the usual start is for all rows."""

    weights: Weights
    sampled: int
    steep: float


def begin(task: FitProblem) -> WarmStart | None:
    """Where to begin; None where the usual start is to be kept, or there is no sample."""
    unset = task.frozen is None and not any(array.any() for array in task.start.values())
    newton = task.settings.chosen == "newton" and not task.squared
    if task.kinks or not (task.read.sample and newton and unset and task.model.intercept):
        return None
    if task.guessing is None:
        steep = steepest(task.standard.problem(task.problem), task.loss, task.guess)
    else:
        # Beside an offset predictions differ, and only the rows know how steep the start is.
        steep = largest(task.objective(task.first()).average().weight_delta)
    weights = learnt_from_sample(task, steep)
    sampled = task.read.of_sample().examples
    return None if weights is None else WarmStart(weights, sampled, steep)


def learnt_from_sample(task: FitProblem, steep: float) -> Weights | None:
    """What a part of the sample, then all of it, learn from the usual start; None without an end.

    A sample may tell classes apart that all rows do not. The ridge, one row's worth, keeps weights
    finite then, and is too small to matter beside what a sample misses anyway.
    """
    weights = task.first()
    for one_in, tolerance in zip((THINNED, 1), TOLERANCES, strict=True):
        sample = RowPass(task.read.of_sample(one_in), task.standard)
        objective = task.penalised(PassObjective(sample, task.model, task.loss))
        held = Penalised(objective, Ridge(np.full(1, 1 / sample.read.examples)))
        for step in train(weights, held, Newton(), steps=STEPS, tolerance=tolerance, steep=steep):
            last = step
        if last.stopped is None or last.stopped.reason != "settled":
            return None
        weights = last.weights
    return weights


def steepest(problem: LeastSquares, loss: Loss, mean: Array) -> float:
    """The largest average weight_delta where all weights are zero and all predictions the mean.

    Shapes:  mean (k,); the problem's inputs are standardised
    """
    p, k = problem.with_targets.shape
    start = {"weight": np.zeros((p, k)), "intercept": mean}
    score = loss.link(mean)[None]
    # Delta is linear in the target: at twice the mean it is minus the mean times the factor.
    factor = -loss.delta(score, 2 * mean[None])[0] / mean
    slope = problem(start).average().weight_delta["weight"] * factor
    return float(np.max(np.abs(slope), initial=0.0))
