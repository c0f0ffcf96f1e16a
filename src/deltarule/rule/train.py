"""Training loop: predict, compare, learn, repeat. It yields steps; callers print, stop or plot."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.errors import CurvatureError, LearningError
from deltarule.rule.compare import Comparison, Objective
from deltarule.rule.learn import AlphaRange, Learner, alpha_range_of
from deltarule.rule.predict import Array, Mask, Weights

# Rounding error of a mean over rows, relative to the standard deviation over rows.
ROUNDING = 64 * np.finfo(float).eps
# An initial gradient above this is more than rounding, so the Hessian is not needed to tell.
SUSPECT = 1e-9


@dataclass(frozen=True)
class Stop:
    """The stopping reason: a code and a message.

    settled     converged: the gradient is below the tolerance relative to the start (or zero)
    still       the step changed no weight, or only backtracked, though the gradient is not zero
    hovering    minibatch steps on a plateau: they come no nearer to the optimum
    diverging   the loss rose where it had to decrease
    steps       the maximum number of steps was reached
    """

    reason: Literal["settled", "still", "hovering", "diverging", "steps"]
    words: str
    alphas: AlphaRange | None = None


@dataclass(frozen=True)
class Step:
    """One iteration of predict, compare, learn.

    `before` are the weights that made the predictions; `weights` are the updated ones.
    `comparison` is the average over the rows of the step: those whose numbers are in `saw`,
    counted from 0, or all where that is None. An epoch is one pass over all rows. `moved` is
    alpha * weight_delta in the units of the weights, None where there is no alpha. `chosen` traces
    some rows at `before`. `error_scale` is how many times the loss the error is: 2 of squared loss.
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
    error_scale: float = 2.0

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
        """The mean error of the rows: delta ** 2; for other losses what the field calls it."""
        return self.error_scale * self.comparison.loss


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
    first = previous = small = floor = math.nan
    older: Weights = {}
    for number in range(1, steps + 1):
        # A loss that overflows is a sign of divergence, so it is not worth a warning.
        with np.errstate(over="ignore", invalid="ignore"):
            compared = ask(weights, objective, learner, frozen)
            left, alpha = compared.weight_delta, learner.alpha_now(state)
            if number == 1:
                first = previous = compared.loss
                small = tolerance * (largest(left) if steep is None else steep)
                floor = _floor(compared, weights, objective, rounding)
            left = left if remaining is None else remaining(weights, left)
            size = largest({n: a if frozen is None else a[~frozen[n]] for n, a in left.items()})
            stop: Stop | None = None
            if _rose(learner, first, previous, compared.loss):
                alphas = _alphas(weights, objective)
                stop = _diverging(learner, alphas, alpha or 0.0, previous, compared.loss)
            if stop:
                yield Step(number, weights, compared, weights, stop, alpha)
                return
            learnt, state = take(weights, compared, learner, state, frozen)
        if size <= small and size > 0:
            what = "what the penalty leaves of each" if remaining else "every"
            stop = Stop(
                "settled",
                f"settled at step {number}: {what} weight_delta is below {tolerance:g} of the "
                "largest at the start",
            )
        elif size <= max(small, floor):
            found = f"step {number} found nothing left to learn{' but rounding' if size else ''}"
            stop = Stop("settled", f"settled after {_steps(number - 1)}: {found}")
        elif _same(learnt, weights):
            stop = Stop("still", f"step {number} was too small to change any weight")
        elif learner.monotone and _same(learnt, older):
            stop = Stop("still", f"step {number} went back: the weights' last digits take turns")
        elif number == steps:
            stop = Stop("steps", f"stopped at the {_steps(steps)} allowed")
        yield Step(number, weights, compared, learnt, stop, alpha)
        if stop:
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
    return (compared if frozen is None else compared.freeze(frozen)).average()


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


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"


def _hessian(weights: Weights, objective: Objective) -> Array | None:
    """The average Hessian; None where there is none, or it is not finite."""
    found = objective(weights, hessian=True).average().hessian if objective.has_hessian else None
    return None if found is None or not np.isfinite(found).all() else found


def _alphas(weights: Weights, objective: Objective) -> AlphaRange | None:
    hessian = _hessian(weights, objective)
    return None if hessian is None else alpha_range_of(hessian)


def _floor(compared: Comparison, weights: Weights, objective: Objective, rounding: float) -> float:
    """The rounding error of the gradient; 0 where the initial gradient is clearly larger."""
    clear = not rounding or largest(compared.weight_delta) > SUSPECT
    hessian = None if clear else _hessian(weights, objective)
    return 0.0 if hessian is None else rounding * math.sqrt(max(np.diag(h).max() for h in hessian))


def _rose(learner: Learner, first: float, previous: float, now: float) -> bool:
    """Whether the loss rose where descent may not raise it, beyond rounding.

    Near the optimum the loss varies by some last digits of its initial value. Under momentum it may
    rise for a while: there only a large rise is a reason to look at alpha.
    """
    rounding = 1e-12 * abs(first)
    fell = now <= previous + 1e-9 * abs(previous) + rounding
    little = not learner.monotone and now <= 10 * abs(first) + rounding
    return not (learner.backtracks or fell or little)


def _diverging(
    learner: Learner, alphas: AlphaRange | None, alpha: float, previous: float, now: float
) -> Stop | None:
    """The stop for a loss that rose; None where alpha is small enough and momentum raised it."""
    settles = alphas is None or alpha <= learner.limit(alphas)
    if not learner.monotone and math.isfinite(now) and settles:
        return None
    words = f"diverging: the loss went up from {previous:.6g} to {now:.6g}, so alpha is too large"
    if alphas is not None:
        limit = learner.limit(alphas)
        words += f"; below {limit:.6g} it settles" if math.isfinite(limit) else ""
        words += f", and {alphas.fastest:.6g} is fastest" if learner.monotone else ""
    return Stop("diverging", words, alphas)
