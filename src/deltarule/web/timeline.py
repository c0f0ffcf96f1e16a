"""Timeline: random access to the steps of a run, forwards and back, reproducibly.

A timeline takes steps as `train` does, but it can go to any step: it keeps a bounded number of
checkpoints (weights and the learner's state), and replays the steps from the nearest one before.
Under squared loss gradient descent has a closed form, so that a distant step costs as much as the
next one. Otherwise it runs until a time limit and returns the step reached; the caller asks again,
or stops.

Unlike `train` it continues where the loss rises, to show divergence.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.fit.default_learner import steady
from deltarule.fit.fit_step import FitStep
from deltarule.fit.iterate import steps_of
from deltarule.fit.problem import FitProblem
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange, Descent, Learner, alpha_range_of
from deltarule.rule.predict import Mask, Weights
from deltarule.rule.train import Step, ask, take
from deltarule.solvers.least_squares import ClosedFormDescent
from deltarule.solvers.minibatch import compare_minibatch

# Most checkpoints, and most points of the path.
MOST_KEPT = 400
# Up to so many steps are replayed one by one even where there is a closed form.
REPLAYED = 200
# The last step of any run.
LAST = 1_000_000
# The largest weight or loss: a plot needs headroom before overflow.
LARGEST = 1e250
# Newton converges in some dozens of steps; so many are cached where they cannot be replayed.
MOST_IN_ROUNDS = 2_000
FEW = 1_000
# Points of the path added by a jump in closed form.
BETWEEN = 60


@dataclass(frozen=True)
class Checkpoint:
    """The weights after so many steps, in the units of the steps, and the learner's state."""

    number: int
    weights: Weights
    state: Any


@dataclass(frozen=True)
class PathPoint:
    """A point of the path: a step, the loss there, and the weights in the inputs' own units."""

    number: int
    loss: float
    weights: Weights


@dataclass(frozen=True)
class Position:
    """The state of learning after `number` steps.

    `now` is the comparison at the weights there; `taken` is the step that led to them, None at the
    start. Weights are in the inputs' own units.
    """

    number: int
    weights: Weights
    now: Comparison
    taken: FitStep | None
    next: Weights
    """The weights after the next step."""
    seen: Comparison | None
    """The comparison on the minibatch of the next step, if there are minibatches."""

    @property
    def last(self) -> Step | None:
        """The step that led here, in the inputs' own units."""
        return None if self.taken is None else self.taken.own


class Timeline:
    """A run with random access to its steps."""

    def __init__(self, problem: FitProblem, learner: Learner) -> None:
        """The timeline of a problem's steps by this learner."""
        self.problem, self.learner = problem, learner
        first = problem.first()
        self.alphas = alphas_at(problem, first)
        self._kept = {0: Checkpoint(0, first, self.learner.start(first))}
        self._every = 1
        self._closed = self._closed_form(first)
        # A loss that changes from round to round is fitted in sequence, and cached.
        in_rounds = problem.smoothing is not None and learner.needs_hessian
        self._rounds = _Rounds(problem, learner) if in_rounds else None
        self._asked: deque[tuple[Weights, Comparison]] = deque(maxlen=4)
        self.path: list[PathPoint] = []
        self.at_start = self._ask(first)
        self._pass(0, self.at_start.loss, first)

    @property
    def leaps(self) -> bool:
        """Whether there is a closed form, so that any step costs the same."""
        return self._closed is not None

    @property
    def inner(self) -> Learner:
        """The learner that takes the steps, without its learning-rate schedule."""
        return getattr(self.learner, "learner", self.learner)

    @property
    def falls(self) -> bool:
        """Whether the loss decreases at each step unless alpha is too large."""
        return self.inner.monotone and self.problem.batches is None

    @cached_property
    def limit(self) -> float | None:
        """The alpha above which it diverges, where known."""
        batches = self.problem.batches
        if batches is not None:
            if not isinstance(self.inner, Descent):
                return None
            start = self.problem.objective(self.problem.first(), hessian=True).average()
            return 2 * steady(start, self.problem.rowwise(), size=batches.size)
        limit = math.inf if self.alphas is None else self.inner.limit(self.alphas)
        return limit if math.isfinite(limit) else None

    def _closed_form(self, first: Weights) -> ClosedFormDescent | None:
        squared = self.problem.squared
        if not squared or not isinstance(self.learner, Descent) or self.problem.batches is not None:
            return None
        alpha = float(getattr(self.learner, "alpha", 0.0))
        return ClosedFormDescent.of(_Held(self.problem), first, alpha)

    def to(self, number: int, *, seconds: float = math.inf) -> Position:
        """The position after so many steps, or as far as it gets in so many seconds.

        Where the weights overflow it ends, one step before.
        """
        number = min(max(number, 0), LAST)
        until = perf_counter() + seconds
        here = self._nearest(max(number - 1, 0))
        if self._closed and number - here.number > REPLAYED:
            here = self._leap(here.number, number - 1)
        taken: list[Step] = []
        while here.number < number:
            following = self._follow(here)
            if following is None:
                break
            here, step = following
            taken.append(step)
            if perf_counter() > until:
                break
        while taken and not self._ask(here.weights).loss < LARGEST:
            here = Checkpoint(taken[-1].number - 1, taken.pop().before, None)
        if not taken and here.number > 0:
            # The step that led here, for its changes.
            return self.to(here.number, seconds=seconds)
        return self._stand(here, taken[-1] if taken else None)

    def weights_after(self, number: int) -> Weights | None:
        """The weights after so many steps; None where it ends before. Quick in closed form."""
        if self._closed is None:
            position = self.to(number)
            return position.weights if position.number == number else None
        return self.problem.own(self._closed.at(number)) if self._fine(number) else None

    def _follow(self, here: Checkpoint) -> tuple[Checkpoint, Step] | None:
        """The step after a checkpoint; None where there is none, or on overflow."""
        if self._rounds is not None:
            step = self._rounds.step(here.number + 1)
            return None if step is None else (Checkpoint(step.number, step.weights, None), step)
        said, rows = self._see(here)
        if not said.loss < LARGEST:
            return None
        alpha = self.learner.alpha_now(here.state)
        with np.errstate(all="ignore"):
            learnt, state = take(here.weights, said, self.learner, here.state, self.problem.frozen)
        if not all(bool((np.abs(array) < LARGEST).all()) for array in learnt.values()):
            return None
        number = here.number + 1
        point = Checkpoint(number, learnt, state)
        self._keep(point)
        batches = self.problem.batches
        if batches is None:
            self._pass(here.number, said.loss, here.weights)
        elif self.problem.read.examples <= FEW:
            # A minibatch loss is noisy; the full loss is computed on the path where rows are few.
            self._pass(here.number, self._ask(here.weights).loss, here.weights)
        epoch = None if batches is None else (number - 1) // batches.rounds + 1
        return point, Step(number, here.weights, said, learnt, None, alpha, rows, epoch)

    def _see(self, here: Checkpoint) -> tuple[Comparison, NDArray[np.intp] | None]:
        """The comparison on the rows of the next step, and the indices of these rows."""
        batches = self.problem.batches
        if batches is None:
            return self._ask(here.weights), None
        seen = batches.at(here.number + 1)
        with np.errstate(all="ignore"):
            return compare_minibatch(here.weights, seen, self.problem.frozen), seen.rows

    def ends_after(self, number: int) -> bool:
        """Whether the step after this one overflows."""
        here = self._nearest(number)
        if here.number != number:
            return False
        following = self._follow(here)
        return following is None or not self._ask(following[0].weights).loss < LARGEST

    def steps(self, last: int) -> Iterator[Step]:
        """The steps from the first to this one, in the inputs' own units, as of `dr.steps`."""
        for number in range(1, last + 1):
            taken = self.to(number).last
            if taken is None or taken.number != number:
                return
            yield taken

    def _ask(self, weights: Weights) -> Comparison:
        """The full-batch comparison at these weights; cached for the last ones."""
        for known, said in self._asked:
            if known is weights:
                return said
        with np.errstate(all="ignore"):
            problem = self.problem
            said = ask(weights, problem.objective, self.learner, problem.frozen)
        self._asked.append((weights, said))
        return said

    def _stand(self, here: Checkpoint, last: Step | None) -> Position:
        own = self.problem.own
        now = self._ask(here.weights)
        self._pass(here.number, now.loss, here.weights)
        following = self._follow(here)
        after = here.weights if following is None else following[0].weights
        taken = None
        if last is not None:
            taken = FitStep(last, self.problem, self.learner, self.problem.losses)
        return Position(here.number, own(here.weights), now, taken, own(after), self._next(here))

    def _next(self, here: Checkpoint) -> Comparison | None:
        """The comparison on the next step's minibatch, if there are minibatches."""
        return None if self.problem.batches is None else self._see(here)[0]

    def _nearest(self, number: int) -> Checkpoint:
        numbers = sorted(self._kept)
        return self._kept[numbers[bisect_right(numbers, number) - 1]]

    def _keep(self, point: Checkpoint) -> None:
        """Keep a checkpoint; where there are too many, thin them to an even stride."""
        self._kept[point.number] = point
        while len(self._kept) > MOST_KEPT:
            self._every *= 2
            newest = point.number - 2
            self._kept = {
                n: one for n, one in self._kept.items() if n % self._every == 0 or n > newest
            }

    def _pass(self, number: int, loss: float, weights: Weights) -> None:
        """Add a point to the path, unless it was there before."""
        if self.path and number <= self.path[-1].number:
            return
        self.path.append(PathPoint(number, loss, self.problem.own(weights)))
        if len(self.path) > MOST_KEPT:
            self.path = [*self.path[:-1:2], self.path[-1]]

    def _leap(self, start: int, number: int) -> Checkpoint:
        """Jump in closed form to a distant step, or to the last finite one, with points between."""
        assert self._closed is not None, "only what has a closed form leaps"
        end = number if self._fine(number) else self._end(start, number) - 1
        # Where it was before, the path is known.
        known = end <= self.path[-1].number
        for at in [] if known else np.unique(np.linspace(start, end, BETWEEN).astype(int)):
            weights = self._closed.at(int(at))
            self._pass(int(at), self._ask(weights).loss, weights)
        point = Checkpoint(end, self._closed.at(end), None)
        self._keep(point)
        return point

    def _fine(self, number: int) -> bool:
        """Whether everything is finite after so many steps."""
        assert self._closed is not None, "only what has a closed form leaps"
        with np.errstate(all="ignore"):
            weights = self._closed.at(number)
        parts = all(bool((np.abs(array) < LARGEST).all()) for array in weights.values())
        return parts and self._ask(weights).loss < LARGEST

    def _end(self, fine: int, not_fine: int) -> int:
        """The last finite step, by bisection between a finite one and one that is not."""
        while not_fine - fine > 1:
            middle = (fine + not_fine) // 2
            fine, not_fine = (middle, not_fine) if self._fine(middle) else (fine, middle)
        return fine


@dataclass(frozen=True)
class _Held:
    """A run's objective with zero gradient for its frozen weights."""

    problem: FitProblem
    has_hessian: bool = True

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        said = self.problem.objective(weights, hessian=hessian)
        return said if self.problem.frozen is None else said.freeze(self.problem.frozen)


class _Rounds:
    """The cached Newton steps of a loss that is fitted in rounds."""

    def __init__(self, problem: FitProblem, learner: Learner) -> None:
        self._coming = (step.taken for step in steps_of(problem, learner))
        self._came: list[Step] = []

    def step(self, number: int) -> Step | None:
        """The step of this number; None after the last."""
        while len(self._came) < min(number, MOST_IN_ROUNDS):
            step = next(self._coming, None)
            if step is None:
                return None
            self._came.append(step)
        return self._came[number - 1] if number <= len(self._came) else None


def alphas_at(problem: FitProblem, weights: Weights) -> AlphaRange | None:
    """The range of alpha that converges at these weights, over the free ones."""
    if not problem.objective.has_hessian:
        return None
    with np.errstate(all="ignore"):
        hessian = problem.objective(weights, hessian=True).average().hessian
    if hessian is None or not np.isfinite(hessian).all():
        return None
    # Coupled outputs share one block, output by output.
    outputs = hessian.shape[0] * hessian.shape[1] // _size(weights)
    free = np.tile(_free(problem.frozen, _size(weights)), outputs // hessian.shape[0])
    return alpha_range_of(hessian[:, free][:, :, free]) if free.any() else None


def _size(weights: Weights) -> int:
    """The number of weights of one output, with the intercept."""
    return len(weights["weight"]) + ("intercept" in weights)


def _free(frozen: Mapping[str, Mask] | None, size: int) -> Mask:
    """A mask of the free weights, in the order of the Hessian: (q,)."""
    if frozen is None:
        return np.ones(size, dtype=bool)
    held: Mask = np.concatenate([np.atleast_2d(frozen[name])[:, 0] for name in frozen])
    return ~held
