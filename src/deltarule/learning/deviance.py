"""Losses other than squared: certainty from curvature, figures from the deviance.

    standard error = sqrt(diag(inv(curvature))), in the inputs' own units
    deviance = 2 * (loss - the least loss these targets allow)

Shapes: p inputs, k outputs, q = p + intercept. Weights are in the standardised units of `rows`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from deltarule.learning.outcome import HeldOut
from deltarule.learning.passes import RowSource
from deltarule.moments.moments import Moments, total
from deltarule.moments.problem import Problem
from deltarule.moments.standard import Standard
from deltarule.rule.compare import Loss, Objective
from deltarule.rule.learn import AlphaRange, Newton, alpha_range_of
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.rule.train import train
from deltarule.saved import FitRecord

Penalise = Callable[[Objective], Objective]
"""Puts the penalty, if there is one, beside an objective's loss."""

# Beyond this condition of the curvature its inverse has no digits left.
INVERTIBLE = 1e14
# Rows told apart this well have no finite best weights, only larger and larger ones.
SEPARATED = 1e-6


def standard_errors(curvature: Array, standard: Standard, *, intercept: bool) -> Array:
    """Each own weight's standard error, the intercept last; NaN where curvature cannot say.

    Shapes:  curvature (k, q, q), summed over rows -> (q, k)
    """
    jacobian = standard.jacobian(intercept=intercept)
    found = np.full((curvature.shape[1], len(curvature)), np.nan)
    for output, curved in enumerate(curvature):
        if np.isfinite(curved).all() and np.linalg.cond(curved) < INVERTIBLE:
            variance = np.diag(jacobian @ np.linalg.inv(curved) @ jacobian.T)
            found[:, output] = np.sqrt(np.maximum(variance, 0.0))
    return found


def own_alphas(curvature: Array, standard: Standard, *, intercept: bool) -> AlphaRange | None:
    """What alpha settles near these weights on the inputs as they stand, from average curvature."""
    back = np.linalg.inv(standard.jacobian(intercept=intercept))
    own = back.T @ curvature @ back
    return alpha_range_of(own) if np.isfinite(own).all() else None


def figures(
    rows: RowSource, model: Linear, loss: Loss, weights: Weights, guess: Array
) -> list[FitRecord]:
    """How each output fits the rows, in one pass. `guess` is each target's mean, (k,).

    Errors:  OverflowError when an error is too large for a number
    """
    k = len(guess)
    null = loss.score(guess)
    squared, value, least = np.zeros(k), np.zeros(k), np.zeros(k)
    constant, null_value, count = np.zeros(k), np.zeros(k), 0.0
    for batch in rows.batches():
        scores = model.predict(weights, batch.inputs)
        squared += batch.each @ (loss.mean(scores) - batch.targets) ** 2
        count += float(batch.each.sum())
        for at in range(k):
            one = slice(at, at + 1)
            t = batch.targets[:, one]
            value[at] += batch.each @ loss.value(scores[:, one], t)
            null_value[at] += batch.each @ loss.value(np.broadcast_to(null[one], t.shape), t)
            least[at] += batch.each @ loss.least(t)
            constant[at] += batch.each @ loss.constant(t)
    if not np.isfinite([squared, value]).all():
        raise OverflowError
    deviance, null_deviance = 2 * (value - least), 2 * (null_value - least)
    parameters = len(weights["weight"]) + model.intercept
    return [
        FitRecord(
            rmse=float(np.sqrt(squared[at] / count)),
            r2=float(1 - deviance[at] / null_deviance[at]) if null_deviance[at] > 0 else None,
            residual_sd=None,
            deviance=float(deviance[at]),
            null_deviance=float(null_deviance[at]),
            log_likelihood=float(-(value[at] + constant[at])),
            aic=float(2 * parameters + 2 * (value[at] + constant[at])),
        )
        for at in range(k)
    ]


def separated(fit: FitRecord) -> bool:
    """Whether the rows are told apart so well that no finite weights are best."""
    if fit.deviance is None or fit.null_deviance is None:
        return False
    return fit.deviance < SEPARATED * fit.null_deviance


@dataclass(frozen=True)
class Judge:
    """Judges each fold by weights learnt from the others, starting from those of all rows.

    Where rows are not in memory every step is a read, so only the first fold is held out.
    """

    rows: RowSource
    model: Linear
    loss: Loss
    problem: Problem
    frozen: Mapping[str, Mask] | None

    def held_out(
        self, weights: Weights, folds: list[Moments], penalised: Penalise
    ) -> HeldOut | None:
        """The errors on held-out rows; None where there are none."""
        there = [fold for fold, moments in enumerate(folds) if moments.rows > 0]
        if len(there) < 2:
            return None
        tried = there if self.rows.in_memory else there[:1]
        targets = list(self.problem.targets)
        errors, guessing, judged = np.zeros(len(targets)), np.zeros(len(targets)), 0.0
        for fold in tried:
            others = total([folds[other] for other in there if other != fold])
            guess = others.mean[targets] * others.scale[targets]
            objective = penalised(self.rows.objective(self.model, self.loss, without=fold))
            learnt = weights
            for step in train(
                weights, objective, Newton(), steps=20, tolerance=1e-4, frozen=self.frozen
            ):
                learnt = step.weights
            for batch in self.rows.batches():
                mine = batch.fold == fold
                predictions = self.loss.mean(self.model.predict(learnt, batch.inputs[mine]))
                errors += batch.each[mine] @ (predictions - batch.targets[mine]) ** 2
                guessing += batch.each[mine] @ (guess - batch.targets[mine]) ** 2
                judged += float(batch.each[mine].sum())
        return HeldOut(len(tried), judged, errors, guessing, np.ones(len(targets)))
