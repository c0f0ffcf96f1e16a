"""Any step of a run, forwards and back, the same numbers each time.

A walk takes steps as `train` does, but it can go anywhere: it keeps checkpoints (weights and the
learner's state), no more than fit a fixed budget, and takes the steps from the nearest one before.
Under squared loss plain descent has a closed form, so that a step far away costs as much as the
next one. Where there is none, going far takes as long as the steps take, so a walk goes on for a
given time and says where it got to: whoever asked asks again, or stops.

Unlike `train` it goes on where the loss rises: people want to see what happens then.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from deltarule.learning.stepwise import Stepwise
from deltarule.moments.solve import ClosedDescent
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange, Learner, alpha_range_of
from deltarule.rule.predict import Mask, Weights
from deltarule.rule.train import Step, ask, take

# Checkpoints, and points of the way so far, that are kept.
MOST_KEPT = 400
# Up to so many steps are taken one by one even where a closed form could leap.
REPLAYED = 200
# The last step there is: beyond it nothing is to be seen.
LAST = 1_000_000
# Beyond it numbers end: a picture of them would not hold twice as much.
LARGEST = 1e250
# Points of the way that a leap passes.
BETWEEN = 60


@dataclass(frozen=True)
class Checkpoint:
    """The weights after so many steps, in the units of the steps, and the learner's state."""

    number: int
    weights: Weights
    state: Any


@dataclass(frozen=True)
class Passed:
    """A point of the way: a step, the loss there, and the weights in the inputs' own units."""

    number: int
    loss: float
    weights: Weights


@dataclass(frozen=True)
class Stand:
    """Where learning stands after `number` steps.

    `now` is what the rows say to the weights there; `last` is the step that led to them, None at
    the start. Weights are in the inputs' own units.
    """

    number: int
    weights: Weights
    now: Comparison
    last: Step | None
    next: Weights
    """What the next step makes of them."""


class Walk:
    """A run that can be gone along."""

    def __init__(self, stepwise: Stepwise, *, alpha: float | None = None) -> None:
        """Of a run's steps, with the alpha that it has or another."""
        self.stepwise = stepwise
        self.alphas = _alphas(stepwise)
        self.learner: Learner = stepwise.learner
        if alpha is not None and hasattr(self.learner, "alpha"):
            stepwise.learner = self.learner = replace(self.learner, alpha=alpha)  # type: ignore[type-var]  # all learners are dataclasses
        first = stepwise.first()
        self._kept = {0: Checkpoint(0, first, self.learner.start(first))}
        self._every = 1
        self._closed = self._closed_form(first)
        self.way: list[Passed] = []
        self.at_start = self._ask(first)
        self._pass(0, self.at_start.loss, first)

    @property
    def leaps(self) -> bool:
        """Whether any step is as near as the next."""
        return self._closed is not None

    def _closed_form(self, first: Weights) -> ClosedDescent | None:
        if self.stepwise.settings.loss != "squared" or self.learner.name != "descent":
            return None
        alpha = float(getattr(self.learner, "alpha", 0.0))
        return ClosedDescent.of(_Held(self.stepwise), first, alpha)

    def to(self, number: int, *, seconds: float = math.inf) -> Stand:
        """Where learning stands after so many steps, or as far as it gets in so many seconds.

        Where the weights grow beyond all numbers it ends, one step before.
        """
        number = min(max(number, 0), LAST)
        until = perf_counter() + seconds
        before = self._nearest(max(number - 1, 0))
        if self._closed and number - before.number > REPLAYED:
            before = self._leap(before.number, number - 1)
        here, last = before, None
        while here.number < number:
            said = self._ask(here.weights)
            with np.errstate(all="ignore"):
                weights, state = take(
                    here.weights, said, self.learner, here.state, self.stepwise.frozen
                )
            following = Checkpoint(here.number + 1, weights, state)
            if not self._sound(weights):
                break
            alpha = self.learner.alpha_now(here.state)
            last = Step(following.number, here.weights, said, weights, alpha=alpha)
            self._pass(here.number, said.loss, here.weights)
            self._keep(following)
            here = following
            if perf_counter() > until:
                break
        if last is None and here.number > 0:
            # The step that led here, for what it changed.
            return self.to(here.number, seconds=seconds)
        return self._stand(here, last)

    def ends_after(self, number: int) -> bool:
        """Whether the step after this one leads beyond all numbers."""
        here = self._nearest(number)
        if here.number != number:
            return False
        with np.errstate(all="ignore"):
            weights, _ = take(
                here.weights,
                self._ask(here.weights),
                self.learner,
                here.state,
                self.stepwise.frozen,
            )
        return not self._sound(weights)

    def steps(self, last: int) -> Iterator[Step]:
        """The steps from the first to this one, in the inputs' own units, as of `dr.steps`."""
        for number in range(1, last + 1):
            taken = self.to(number).last
            if taken is None or taken.number != number:
                return
            yield taken

    def _ask(self, weights: Weights) -> Comparison:
        with np.errstate(all="ignore"):
            return ask(weights, self.stepwise.objective, self.learner, self.stepwise.frozen)

    def _stand(self, here: Checkpoint, last: Step | None) -> Stand:
        own = self.stepwise.own
        now = self._ask(here.weights)
        self._pass(here.number, now.loss, here.weights)
        with np.errstate(all="ignore"):
            following, _ = take(here.weights, now, self.learner, here.state, self.stepwise.frozen)
        if last is not None:
            last = self.stepwise.step_in_own_units(last)
        return Stand(here.number, own(here.weights), now, last, own(following))

    def _nearest(self, number: int) -> Checkpoint:
        numbers = sorted(self._kept)
        return self._kept[numbers[bisect_right(numbers, number) - 1]]

    def _keep(self, point: Checkpoint) -> None:
        """Keeps a checkpoint; where there are too many, only those at every so many steps."""
        self._kept[point.number] = point
        while len(self._kept) > MOST_KEPT:
            self._every *= 2
            newest = point.number - 2
            self._kept = {
                n: one for n, one in self._kept.items() if n % self._every == 0 or n > newest
            }

    def _pass(self, number: int, loss: float, weights: Weights) -> None:
        """Remembers a point of the way, unless it went that far before."""
        if self.way and number <= self.way[-1].number:
            return
        self.way.append(Passed(number, loss, self.stepwise.own(weights)))
        if len(self.way) > MOST_KEPT:
            self.way = [*self.way[:-1:2], self.way[-1]]

    def _leap(self, start: int, number: int) -> Checkpoint:
        """The checkpoint at a step far off, or before the end of numbers; with points between."""
        assert self._closed is not None, "only what has a closed form leaps"
        end = number if self._fine(number) else self._end(start, number) - 1
        for at in np.unique(np.linspace(start, max(end, start), BETWEEN).astype(int)):
            weights = self._closed.at(int(at))
            self._pass(int(at), self._ask(weights).loss, weights)
        point = Checkpoint(end, self._closed.at(end), None)
        self._keep(point)
        return point

    def _fine(self, number: int) -> bool:
        """Whether all numbers are finite after so many steps."""
        assert self._closed is not None, "only what has a closed form leaps"
        with np.errstate(all="ignore"):
            weights = self._closed.at(number)
        return self._sound(weights)

    def _sound(self, weights: Weights) -> bool:
        """Whether these weights and their loss are numbers that can still be worked with."""
        parts = all(bool((np.abs(array) < LARGEST).all()) for array in weights.values())
        return parts and self._ask(weights).loss < LARGEST

    def _end(self, fine: int, not_fine: int) -> int:
        """The last step whose numbers are finite, between one that is and one that is not."""
        while not_fine - fine > 1:
            middle = (fine + not_fine) // 2
            fine, not_fine = (middle, not_fine) if self._fine(middle) else (fine, middle)
        return fine


@dataclass(frozen=True)
class _Held:
    """A run's objective with nothing to learn for its frozen weights."""

    stepwise: Stepwise
    curved: bool = True

    def __call__(self, weights: Weights, *, curvature: bool = False) -> Comparison:
        said = self.stepwise.objective(weights, curvature=curvature)
        return said if self.stepwise.frozen is None else said.freeze(self.stepwise.frozen)


def _alphas(stepwise: Stepwise) -> AlphaRange | None:
    """What alpha settles at the start, for the weights that are free to move."""
    if not stepwise.objective.curved:
        return None
    with np.errstate(all="ignore"):
        curvature = stepwise.objective(stepwise.first(), curvature=True).average().curvature
    if curvature is None or not np.isfinite(curvature).all():
        return None
    free = _free(stepwise.frozen, curvature.shape[-1])
    return alpha_range_of(curvature[:, free][:, :, free]) if free.any() else None


def _free(frozen: Mapping[str, Mask] | None, size: int) -> Mask:
    """Which weights may move, in the order curvature has them: (q,)."""
    if frozen is None:
        return np.ones(size, dtype=bool)
    held: Mask = np.concatenate([np.atleast_2d(frozen[name])[:, 0] for name in frozen])
    return ~held
