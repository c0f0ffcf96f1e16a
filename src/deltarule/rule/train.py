"""Training loop: predict, compare, learn, repeat. It yields steps; callers print, stop or plot."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import CurvatureError, LearningError
from deltarule.rule.compare import Comparison, Objective
from deltarule.rule.learn import AlphaRange, Learner, alpha_range_of
from deltarule.rule.predict import Mask, Weights

# Rounding error of a mean over rows, relative to the standard deviation over rows.
ROUNDING = 64 * np.finfo(float).eps
# An initial gradient above this is more than rounding, so the Hessian is not needed to tell.
SUSPECT = 1e-9

Reason = Literal["settled", "still", "hovering", "diverging", "steps"]


@dataclass(frozen=True)
class Stop:
    """The stopping reason: a code and a message.

    settled     converged: the gradient is below the tolerance relative to the start (or zero)
    still       the step changed no weight, or only backtracked, though the gradient is not zero
    hovering    minibatch steps on a plateau: they come no nearer to the optimum
    diverging   the loss rose where it had to decrease
    steps       the maximum number of steps was reached
    """

    reason: Reason
    words: str
    alphas: AlphaRange | None = None


@dataclass(frozen=True)
class Step:
    """One iteration of predict, compare, learn.

    `before` are the weights that made the predictions; `weights` are the updated ones.
    `comparison` is the average over the rows of the step: those whose numbers are in `saw`,
    counted from 0, or all where that is None. An epoch is one pass over all rows.

    `moved` is alpha * weight_delta in the units of the weights, which for gradient descent is the
    update; None where there is no alpha. `chosen` traces some rows at `before`.

    Shapes:  saw (n,)
    """

    number: int
    before: Weights
    comparison: Comparison
    weights: Weights
    stopped: Stop | None = None
    alpha: float | None = None
    saw: NDArray[np.intp] | None = None
    epoch: int | None = None
    moved: Weights | None = None
    chosen: tuple[Any, ...] = ()

    @property
    def prediction(self) -> float:
        """The first output's prediction, averaged over the rows, in the target's units."""
        return float(self.comparison.prediction[0])

    @property
    def delta(self) -> float:
        """The first output's prediction - target, averaged over the rows."""
        return float(self.comparison.delta[0])

    @property
    def error(self) -> float:
        """delta ** 2, averaged over the rows (for other losses, twice the mean loss)."""
        return 2 * self.comparison.loss


def train(
    weights: Weights,
    objective: Objective,
    learner: Learner,
    *,
    steps: int = 1000,
    tolerance: float = 1e-8,
    frozen: Mapping[str, Mask] | None = None,
    remaining: Callable[[Weights, Weights], Weights] | None = None,
    steep: float | None = None,
    rounding: float = 0.0,
) -> Iterator[Step]:
    """An iterator of steps; the last has the stopping reason.

    Convergence: the gradient's infinity norm is at most `tolerance` times that at the start, or
    times `steep`, for a warm start, whose own gradient is no reference; or at most `rounding` times
    the root of the largest diagonal entry of the initial Hessian, which for a likelihood is the
    gradient's standard deviation over rows. `remaining` gives the KKT residual of a non-smooth
    penalty, which replaces the gradient in the convergence test.

    Errors:  CurvatureError when the learner needs a Hessian and the objective has none
    """
    if steps < 1:
        raise LearningError(f"steps is {steps}: at least 1 is needed")
    if not 0 <= tolerance < 1:
        raise LearningError(f"tolerance is {tolerance}: it must be 0 or more, and below 1")
    if learner.needs_hessian and not objective.has_hessian:
        raise CurvatureError(
            f"{learner.name} needs curvature, which this objective has not: use descent or momentum"
        )
    state = learner.start(weights)
    first = previous = math.nan
    at_start = floor = math.nan
    older: Weights = {}
    for number in range(1, steps + 1):
        # A loss that overflows is a sign of divergence, so it is not worth a warning.
        with np.errstate(over="ignore", invalid="ignore"):
            compared = ask(weights, objective, learner, frozen)
            size, alpha = largest(compared.weight_delta), learner.alpha_now(state)
            if number == 1:
                first = previous = compared.loss
                at_start = size if steep is None else steep
                floor = _floor(compared, weights, objective, rounding)
            if remaining is not None:
                left = remaining(weights, compared.weight_delta)
                size = largest(
                    {n: np.where(frozen[n], 0, a) for n, a in left.items()} if frozen else left
                )
            stop = _divergence(weights, objective, learner, [first, previous, compared.loss])
            if stop:
                yield Step(number, weights, compared, weights, stop, alpha)
                return
            learnt, state = take(weights, compared, learner, state, frozen)
        stop_here: Stop | None = None
        if size <= tolerance * at_start:
            stop_here = Stop(
                "settled", _settled(number, size, tolerance, penalized=bool(remaining))
            )
        elif size <= floor:
            stop_here = Stop("settled", f"{_nothing_left(number)} but rounding")
        elif _same(learnt, weights):
            stop_here = Stop("still", f"step {number} was too small to change any weight")
        elif learner.always_falls and _same(learnt, older):
            stop_here = Stop(
                "still", f"step {number} went back: the weights' last digits take turns"
            )
        elif number == steps:
            stop_here = Stop("steps", f"stopped at the {_steps(steps)} allowed")
        yield Step(number, weights, compared, learnt, stop_here, alpha)
        if stop_here:
            return
        older, weights, previous = weights, learnt, compared.loss


def ask(
    weights: Weights,
    objective: Objective,
    learner: Learner,
    frozen: Mapping[str, Mask] | None = None,
) -> Comparison:
    """The average comparison at these weights, with zero gradient for frozen ones."""
    compared = objective(weights, hessian=learner.needs_hessian)
    if frozen is not None:
        compared = compared.freeze(frozen)
    return compared.average()


def take(
    weights: Weights,
    comparison: Comparison,
    learner: Learner,
    state: Any,
    frozen: Mapping[str, Mask] | None = None,
) -> tuple[Weights, Any]:
    """One update: the learner's next weights and state."""
    learnt, state = learner.step(weights, comparison, state)
    if frozen is not None:
        # Exactly, whatever rounding a learner's arithmetic left there.
        learnt = {n: np.where(frozen[n], weights[n], a) for n, a in learnt.items()}
    return learnt, state


def largest(weights: Weights) -> float:
    """The largest absolute value (infinity norm) over all weights."""
    return max((float(np.max(np.abs(a), initial=0.0)) for a in weights.values()), default=0.0)


def _same(weights: Weights, others: Weights) -> bool:
    return all(
        name in others and np.array_equal(array, others[name]) for name, array in weights.items()
    )


def _settled(number: int, size: float, tolerance: float, *, penalized: bool) -> str:
    if size == 0:
        return _nothing_left(number)
    what = "what the penalty leaves of each weight_delta" if penalized else "every weight_delta"
    return f"settled at step {number}: {what} is below {tolerance:g} of the largest at the start"


def _nothing_left(number: int) -> str:
    return f"settled after {_steps(number - 1)}: step {number} found nothing left to learn"


def _floor(compared: Comparison, weights: Weights, objective: Objective, rounding: float) -> float:
    """The rounding error of the gradient; 0 where the initial gradient is clearly larger."""
    if not rounding or largest(compared.weight_delta) > SUSPECT:
        return 0.0
    hessian = compared.hessian
    if hessian is None and objective.has_hessian:
        hessian = objective(weights, hessian=True).average().hessian
    if hessian is None or not np.isfinite(hessian).all():
        return 0.0
    return rounding * math.sqrt(max(float(np.max(np.diag(one))) for one in hessian))


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"


def _divergence(
    weights: Weights, objective: Objective, learner: Learner, losses: Sequence[float]
) -> Stop | None:
    """The divergence check: under gradient descent the loss may not rise.

    Rounding is allowed for: near the optimum the loss varies by some last digits of its initial
    value. Under momentum the loss may rise for a while, so there a rise only triggers a check of
    alpha's limit.
    """
    first, previous, now = losses
    if learner.takes_back:
        return None
    rounding = 1e-12 * abs(first)
    if now <= previous + 1e-9 * abs(previous) + rounding:
        return None
    if not learner.always_falls and now <= 10 * abs(first) + rounding:
        return None
    alphas = _alphas(weights, objective)
    settles = alphas is None or getattr(learner, "alpha", 0.0) <= learner.limit(alphas)
    if not learner.always_falls and math.isfinite(now) and settles:
        return None
    words = f"diverging: the loss went up from {previous:.6g} to {now:.6g}, so alpha is too large"
    if alphas is not None:
        limit = learner.limit(alphas)
        words += f"; below {limit:.6g} it settles" if math.isfinite(limit) else ""
        if learner.always_falls:
            words += f", and {alphas.fastest:.6g} is fastest"
    return Stop("diverging", words, alphas)


def _alphas(weights: Weights, objective: Objective) -> AlphaRange | None:
    """The range of alpha that converges here, if there is a Hessian."""
    if not objective.has_hessian:
        return None
    hessian = objective(weights, hessian=True).average().hessian
    if hessian is None or not np.isfinite(hessian).all():
        return None
    return alpha_range_of(hessian)
