"""Warm start: Newton on many rows begins at the weights of a sample.

From there two or three passes over all rows suffice. Convergence stays relative to the gradient at
the usual start, zero weights with the intercept at the link of the mean. Moments give it without
a pass: every prediction is the mean, so that

    weight_delta = factor * sum over rows of (mean - target) * input

where the factor depends on the link and is the same for all rows.

The sample also gives a Hessian that is right to some hundredths. With it the first passes over the
rows of a database are of gradients alone: of 20 inputs in DuckDB 28 ms in place of 78.

Shapes: p inputs, k outputs. Weights are in the standardised units of `rows`.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from deltarule.engines.local import RowPass
from deltarule.engines.questions import PassObjective
from deltarule.fit.problem import FitProblem
from deltarule.losses.loss import Loss
from deltarule.moments.moments import LeastSquares
from deltarule.moments.standardize import Standardization
from deltarule.rule.compare import Comparison, Objective
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import Step, largest, train
from deltarule.solvers.penalty import Penalised, Ridge

# Start with one row in so many, to this tolerance relative to the start's weight_delta; then all of
# the sample, which is itself no more accurate than a hundredth.
THINNED, TOLERANCES = 8, (1e-2, 1e-1)
STEPS, STEPS_OF_GRADIENTS = 30, 300
# A Hessian that is right to some hundredths leaves as much of the gradient.
FALLS = 0.1


@dataclass(frozen=True)
class WarmStart:
    """The weights of a sample of so many rows, or of an earlier model, `sampled` being 0 then.

    `steep` is the gradient of all rows at the usual start, `hessian` the average one of the sample.
    """

    weights: Weights
    sampled: int
    steep: float
    hessian: Array | None = None


@dataclass
class SampledHessian:
    """An objective whose first passes are of gradients alone, beside the Hessian of a sample.

    At most so many, and while the gradient falls as it should with a Hessian that is nearly right.
    """

    objective: Objective
    hessian: Array
    passes: int = 2
    has_hessian: bool = True
    _size: float = field(default=np.inf, init=False)

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        if not (hessian and self.passes):
            return self.objective(weights, hessian=hessian)
        comparison = self.objective(weights)
        size = largest(comparison.average().weight_delta)
        self.passes = self.passes - 1 if size <= FALLS * self._size else 0
        self._size = size
        return replace(comparison, hessian=self.hessian / (1 / comparison.rows))


def begin(problem: FitProblem) -> WarmStart | None:
    """The warm start; None where the usual start is to be kept, or there is no sample."""
    unset = problem.frozen is None and not any(array.any() for array in problem.start.values())
    newton = problem.settings.second_order and not problem.squared
    known = problem.read.sample or problem.read.earlier is not None
    if problem.kinks or not (known and newton and unset and problem.model.intercept):
        return None
    if problem.null is None:
        steep = steepest(problem.problem, problem.standard, problem.loss, problem.guess)
    else:
        # With an offset predictions differ: the gradient at the start takes a pass.
        steep = largest(problem.objective(problem.first()).average().weight_delta)
    if problem.read.earlier is not None:
        return WarmStart(earlier_weights(problem), 0, steep)
    last = learnt_from_sample(problem, steep)
    if last is None:
        return None
    sampled = problem.read.of_sample().examples
    return WarmStart(last.weights, sampled, steep, last.comparison.hessian)


def earlier_weights(problem: FitProblem) -> Weights:
    """The weights of the earlier model, 0 of what it did not know, in the units of the steps."""
    schema, known = problem.read.schema, problem.read.earlier or {}
    weight = np.array(
        [[known.get((out, *one), 0.0) for out in schema.outputs] for one in schema.inputs]
    )
    start = np.array([known.get((out, "", None), 0.0) for out in schema.outputs])
    if problem.read.centre is not None:
        start = start + problem.read.centre @ weight
    return problem.standard.into({"weight": weight, "intercept": start})


def learnt_from_sample(problem: FitProblem, steep: float) -> Step | None:
    """The last step on a part of the sample, then all of it, from the usual start; or None.

    A sample may be separable where all rows are not. The ridge, one row's worth, keeps weights
    finite then, and is small relative to the sampling error.
    """
    weights, learner = problem.first(), problem.learner
    for one_in, tolerance in zip((THINNED, 1), TOLERANCES, strict=True):
        sample = RowPass(problem.read.of_sample(one_in), problem.standard)
        objective = problem.penalised(PassObjective(sample, problem.model, problem.loss))
        held = Penalised(objective, Ridge(np.full(1, 1 / sample.read.examples)))
        for step in train(
            weights,
            held,
            learner,
            steps=STEPS if learner.needs_hessian else STEPS_OF_GRADIENTS,
            tolerance=tolerance,
            steep=steep,
        ):
            last = step
        if last.stopped is None or last.stopped.reason != "settled":
            return None
        weights = last.weights
    return last


def steepest(problem: LeastSquares, standard: Standardization, loss: Loss, mean: Array) -> float:
    """The largest average weight_delta at zero weights, where all predictions are the mean.

    Of standardised inputs; those of the problem are as they stand. It needs no products of inputs.

    Shapes:  mean (k,)
    """
    score = loss.link(mean)[None]
    # Delta is linear in the target: at twice the mean it is minus the mean times the factor.
    factor = -loss.delta(score, 2 * mean[None])[0] / mean
    per = (problem.scale * standard.per / problem.rows)[:, None]
    slope = problem.with_targets * problem.target_scale * per * factor
    return float(np.max(np.abs(slope), initial=0.0))


def null_comparison(problem: FitProblem) -> Comparison | None:
    """The comparison at the usual start, from moments; None where these do not tell it.

    Maths:   of a loss whose value is linear in the target and whose Hessian is without it, times
             the factors of the squared loss's gradient and Hessian where all predictions are means
    """
    begun = problem.frozen is not None or any(array.any() for array in problem.start.values())
    if begun or problem.null is not None or problem.kinks or not problem.model.intercept:
        return None
    if not isinstance(problem.problem.gram, np.ndarray):
        return None  # of many levels or more columns than rows there is no matrix of all inputs
    loss, mean, score = problem.loss, problem.guess[None], problem.mean_score()[None]
    if loss.kind == "classes" or not (mean > 0).all():
        return None
    value, double, none = (loss.value(score, by * mean) for by in (1.0, 2.0, 0.0))
    curved = loss.hessian(score, mean)
    linear = np.allclose(double - value, value - none, rtol=1e-9)
    if not linear or not np.array_equal(curved, loss.hessian(score, 2 * mean)):
        return None
    squared = problem.standard.problem(problem.problem)
    first = {"weight": problem.first()["weight"], "intercept": mean[0]}
    comparison = squared(first, hessian=True)
    assert comparison.hessian is not None, "moments have one"
    factor = -loss.delta(score, 2 * mean)[0] / mean[0]
    return replace(
        comparison,
        loss=float(value[0]) * comparison.rows,
        weight_delta={name: array * factor for name, array in comparison.weight_delta.items()},
        hessian=comparison.hessian * curved[0][:, None, None],
    )
