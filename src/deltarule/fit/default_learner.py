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

from dataclasses import dataclass

import numpy as np

from deltarule.fit.settings import Settings
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import Adam, Descent, Learner, Momentum, Nesterov, alpha_range_of
from deltarule.rule.predict import stack
from deltarule.solvers.learners import LEARNERS
from deltarule.solvers.newton import Newton
from deltarule.solvers.plateau import ReduceOnPlateau, ScheduledLearner

# With more momentum a learner takes too long to turn.
MOST_MOMENTUM = 0.99
USUAL_MOMENTUM = 0.9
# Adam covers the largest distance in about so many steps.
STRIDES = 5
# Where the loss may rise, it is judged by its mean over so many steps.
ROUND = 50
# Adam's epsilon, as a share of the largest weight_delta at the start.
LEAST = 1e-8


@dataclass(frozen=True)
class RowwiseCurvature:
    """Row-wise curvature bounds: the number of rows, and the largest squared norm of a row.

    The intercept's 1 included, that is the Hessian's eigenvalue of a row under squared loss, times
    its weight; `usual` is the largest eigenvalue of the mean Hessian.
    """

    rows: int
    largest: float
    usual: float


def given(settings: Settings) -> Learner:
    """The learner with the constant alpha of the settings."""
    if settings.chosen == "newton":
        return Newton()
    assert settings.alpha is not None, "without one there is an alpha to be found"
    kind = LEARNERS[settings.chosen]
    return kind(settings.alpha)  # type: ignore[call-arg]  # all but Newton have an alpha


def found(settings: Settings, start: Comparison) -> Learner:
    """The full-batch learner, from the comparison at the start, Hessian included."""
    if settings.chosen == "newton":
        return Newton()
    learner = _on_all_rows(settings, start)
    if settings.loss == "squared" and not isinstance(learner, Adam):
        return learner
    return ReduceOnPlateau(learner, 1 if learner.always_falls else ROUND)


def _on_all_rows(settings: Settings, start: Comparison) -> ScheduledLearner:
    assert start.hessian is not None, "every objective here is curved"
    has_hessian = alpha_range_of(start.hessian)
    if settings.chosen == "adam":
        return _adam(start)
    if settings.chosen == "descent":
        return Descent(has_hessian.fastest if settings.loss == "squared" else has_hessian.limit / 2)
    large, small = float(np.sqrt(has_hessian.largest)), float(np.sqrt(has_hessian.smallest))
    share = (large - small) / (large + small) if large else 0.0
    if settings.chosen == "nesterov":
        return Nesterov(has_hessian.limit / 2, min(share, MOST_MOMENTUM))
    share = min(share**2, MOST_MOMENTUM)
    # At this momentum every direction shrinks by sqrt(share) a step.
    return Momentum(float((1 + np.sqrt(share)) ** 2 / has_hessian.largest), share)


def _adam(start: Comparison) -> Adam:
    """Alpha in the weights' units: a share of the largest one-weight Newton step."""
    assert start.hessian is not None, "every objective here is curved"
    g = np.abs(stack(start.weight_delta))
    own = np.diagonal(start.hessian, axis1=1, axis2=2).reshape(g.T.shape).T
    way = float(np.max(np.divide(g, own, out=np.zeros_like(g), where=own > 0), initial=0.0))
    return Adam(way / STRIDES or 1.0, least=LEAST * float(np.max(g, initial=0.0)) or LEAST)


def found_for_batches(
    settings: Settings, start: Comparison, rowwise: RowwiseCurvature, *, size: int
) -> ReduceOnPlateau:
    """The learner for minibatches of this size."""
    rounds = -(-rowwise.rows // size)
    # Whole epochs, with enough steps for a stable mean.
    every = rounds * max(1, round(ROUND / rounds)) if rounds < ROUND else rounds
    if settings.chosen == "adam":
        return ReduceOnPlateau(_adam(start), every)
    alpha = steady(start, rowwise, size=size)
    if settings.chosen == "descent":
        return ReduceOnPlateau(Descent(alpha), every)
    kind = Nesterov if settings.chosen == "nesterov" else Momentum
    return ReduceOnPlateau(kind((1 - USUAL_MOMENTUM) * alpha, USUAL_MOMENTUM), every)


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
