"""Default learner: the learner of a run, and its initial learning rate where none is given.

Full batch, from L and l, the largest and smallest eigenvalue of the Hessian at the start:

    descent    2 / (L + l) under squared loss, whose Hessian is constant, else 1 / L
    momentum   (1 + sqrt(m)) ** 2 / L, m = ((sqrt(L) - sqrt(l)) / (sqrt(L) + sqrt(l))) ** 2
    nesterov   1 / L, with momentum (sqrt(L) - sqrt(l)) / (sqrt(L) + sqrt(l))
    adam       a fifth of the largest Newton step of a weight, by its diagonal Hessian

On minibatches of b out of n rows L is the expected smoothness, and momentum is 0.9:

    L(b) = ((b - 1) / (n - 1) * n * L + (n - b) / (n - 1) * largest L of one row) / b

and alpha is 1 / L(b), or a tenth of it with momentum, which multiplies steps by ten.
Wherever the loss could rise, alpha is halved after each round in which it did.

Sources: Polyak 1964; Nesterov 2004, section 2.2; Gower et al. 2019 for L(b).
"""

from dataclasses import replace
from typing import cast

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.fit.setting_values import closed_form
from deltarule.fit.settings import Settings
from deltarule.losses.loss import Loss
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange, Learner, alpha_range_of
from deltarule.solvers.lbfgs import Lbfgs, Metric
from deltarule.solvers.learners import LEARNERS
from deltarule.solvers.plateau import ReduceOnPlateau, ScheduledLearner

# Where the loss may rise, it is judged by its mean over so many steps.
ROUND = 50
# What steps of classes cost, in products of two numbers: an exponential is as many.
NEWTON_STEPS, GRADIENT_STEPS, EXPONENTIAL = 8, 150, 30


@dataclass(frozen=True)
class RowwiseCurvature:
    """Row-wise curvature bounds: the number of rows, and the largest squared norm of a row.

    The intercept's 1 included, that is the Hessian's eigenvalue of a row under squared loss, times
    its weight; `usual` is the largest eigenvalue of the mean Hessian.
    """

    rows: int
    largest: float
    usual: float


def by_cost(settings: Settings, loss: Loss, *, rows: int, inputs: int, outputs: int) -> str | None:
    """The learner for coupled outputs where none is named, by cost; None for the usual one.

    Newton takes some 8 steps, each of a Hessian of all weights and its factor; L-BFGS some 150, of
    a gradient and an exponential for each row and class. Of rows in memory it takes a fifth of
    that (`class_fits.py`), but Newton's weights are those of every engine to the last digits.

    A fixed bound of the Hessian (Boehning 1992) is far above it where predictions are sure: from it
    L-BFGS took 2 to 4 times as many steps on the digits of scikit-learn. It begins with the inputs'
    products instead, and goes on with each class's own block of the Hessian where that costs fewer
    passes than it saves (`ridge_walk.py`): q / 16 for the blocks of q inputs, and a third of
    q ** 2 / rows for their inverses.
    """
    free = settings.learner is None and settings.alpha is None and settings.batch == "all"
    if not free or loss.kind != "classes" or settings.kinked:
        return None
    if settings.kind_of_errors != "classical":
        return None
    weights = inputs * outputs
    newton = NEWTON_STEPS * (rows * weights**2 / 4 + weights**3)
    gradients = GRADIENT_STEPS * rows * outputs * (2 * inputs + EXPONENTIAL)
    return Lbfgs.name if gradients < newton else None


def given_learner(settings: Settings, metric: Metric | None = None) -> Learner:
    """The learner of the settings that needs no look at the data: with their alpha, or none.

    L-BFGS takes the metric that it begins with, where there is one.
    """
    kind = LEARNERS[settings.chosen]
    if metric is not None and kind is Lbfgs:
        return Lbfgs(metric=metric)
    if settings.second_order:
        return kind()
    return kind(settings.alpha)  # type: ignore[call-arg]  # all others have an alpha


def suited_learner(settings: Settings, start: Comparison) -> Learner:
    """The full-batch learner, from the comparison at the start, Hessian included."""
    assert start.hessian is not None, "every objective here is curved"
    alphas = alpha_range_of(start.hessian)
    constant = closed_form(settings.losses[0])  # then the Hessian is the same everywhere
    if not constant:
        alphas = replace(alphas, fastest=alphas.limit / 2)
    learner = LEARNERS[settings.chosen].suited(alphas, start)
    if constant and learner.settles:
        return learner
    return ReduceOnPlateau(cast(ScheduledLearner, learner), 1 if learner.monotone else ROUND)


def suited_to_batches(
    settings: Settings, start: Comparison, rowwise: RowwiseCurvature, *, size: int
) -> ReduceOnPlateau:
    """The learner for minibatches of this size."""
    rounds = -(-rowwise.rows // size)
    # Whole epochs, with enough steps for a stable mean.
    every = rounds * max(1, round(ROUND / rounds)) if rounds < ROUND else rounds
    alpha = steady(start, rowwise, size=size)
    alphas = AlphaRange(2 * alpha, alpha, 1 / alpha, np.nan)
    learner = LEARNERS[settings.chosen].suited(alphas, start)
    return ReduceOnPlateau(cast(ScheduledLearner, learner), every)


def steady(start: Comparison, rowwise: RowwiseCurvature, *, size: int) -> float:
    """1 / L(b): the alpha at which plain minibatch descent converges on average."""
    assert start.hessian is not None, "every objective here is curved"
    all_rows = alpha_range_of(start.hessian).largest
    # The loss's mean factor on a row's squared inputs.
    bent = all_rows / rowwise.usual if rowwise.usual else 1.0
    n, b = rowwise.rows, min(size, rowwise.rows)
    one = rowwise.largest * bent
    batch = one if n == 1 else ((b - 1) * n * all_rows + (n - b) * one) / ((n - 1) * b)
    return 1 / batch if batch > 0 else 1.0
