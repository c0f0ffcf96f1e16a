"""Minibatch training: a step uses one batch; an epoch is one pass over all rows.

A batch's weight_delta (its gradient) is that of all rows plus noise, so no single batch stops
training: convergence is judged at the end of each epoch by means over its steps, and by a full
gradient where those are in doubt.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import LearningError
from deltarule.rule.compare import Comparison, Objective
from deltarule.rule.learn import Learner
from deltarule.rule.predict import Mask, Weights
from deltarule.rule.train import Step, Stop, ask, largest, take

# With a constant alpha: so many epochs without a lower loss, and training stops.
PATIENCE = 10
# Divergence is suspected where a batch's loss is so many times the full-batch loss at the start.
EXPLODED = 1e6
ROUNDING = 1e-12


@dataclass(frozen=True)
class MinibatchComparison:
    """A batch as an objective, and its rows' numbers in the table, from 0.

    `expected` is the mean total weight of a batch: a row of weight 3 then moves the weights three
    times as far as one of weight 1, also where each is a batch of its own.

    Shapes:  rows (n,)
    """

    objective: Objective
    rows: NDArray[np.intp]
    expected: float

    @property
    def has_hessian(self) -> bool:
        """As its objective."""
        return self.objective.has_hessian

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        said = self.objective(weights, hessian=hessian)
        share = said.rows / self.expected
        if share == 1:
            return said
        return replace(
            said,
            weight_delta={n: share * a for n, a in said.weight_delta.items()},
            hessian=None if said.hessian is None else share * said.hessian,
        )


class Batches(Protocol):
    """A source of minibatches, reshuffled for each epoch."""

    def epoch(self, number: int) -> Iterable[MinibatchComparison]:
        """The batches of an epoch, counted from 1: deterministic."""
        ...


def compare_minibatch(
    weights: Weights, seen: MinibatchComparison, frozen: Mapping[str, Mask] | None = None
) -> Comparison:
    """The average comparison on a batch; `rows` is still the total row weight."""
    compared = seen(weights)
    if frozen is not None:
        compared = compared.freeze(frozen)
    return replace(compared.average(), rows=compared.rows)


@dataclass
class _Epoch:
    """Running means over the steps of an epoch."""

    rows: float = 0.0
    loss: float = 0.0
    weight_delta: Weights | None = None

    def add(self, said: Comparison) -> None:
        self.rows += said.rows
        share = said.rows / self.rows
        self.loss += share * (said.loss - self.loss)
        old, new = self.weight_delta or said.weight_delta, said.weight_delta
        self.weight_delta = {n: a + share * (new[n] - a) for n, a in old.items()}

    @property
    def size(self) -> float:
        return largest(self.weight_delta or {})


class _Judge:
    """The stopping rule at the end of an epoch."""

    def __init__(
        self,
        start: Weights,
        whole: Objective,
        learner: Learner,
        *,
        tolerance: float,
        frozen: Mapping[str, Mask] | None,
    ) -> None:
        self.start, self.whole, self.learner = start, whole, learner
        self.tolerance, self.frozen = tolerance, frozen
        self.first: _Epoch | None = None
        self.best = self.previous = math.inf
        self.waited = self.calm = 0
        said = self._ask(start)
        # From an optimal start the loss can only rise, by the rounding of such predictions.
        size = np.sum(said.prediction**2 + (said.prediction - said.delta) ** 2)
        self.start_loss = said.loss
        self.usual = abs(said.loss) + ROUNDING**2 * float(size)

    def _ask(self, weights: Weights) -> Comparison:
        return ask(weights, self.whole, self.learner, self.frozen)

    def exploded(self, loss: float, weights: Weights) -> Stop | None:
        """Whether a batch's loss shows divergence: alpha is too large."""
        if self.learner.backtracks or (math.isfinite(loss) and loss <= EXPLODED * self.usual):
            return None
        return self._diverging(weights)

    def _diverging(self, weights: Weights) -> Stop | None:
        now = self._ask(weights).loss
        if math.isfinite(now) and now <= 10 * self.usual:
            return None
        rise = f"the loss went up from {self.start_loss:.6g} to {now:.6g}"
        return Stop("diverging", f"diverging: {rise}, so alpha is too large for such batches")

    def ended(self, epoch: _Epoch, number: int, weights: Weights, step: int) -> Stop | None:
        """The reason to stop after this epoch at these weights, or None."""
        self.first = self.first or epoch
        where = f"at step {step:,}, in epoch {number:,}"
        if epoch.size <= self.tolerance * self.first.size:
            left, at_start = (largest(self._ask(w).weight_delta) for w in (weights, self.start))
            if left <= self.tolerance * at_start:
                small = (
                    f"every weight_delta is below {self.tolerance:g} of the largest at the start"
                )
                return Stop("settled", f"settled {where}: {small}")
        if not self.learner.backtracks and epoch.loss > self.first.loss + 9 * abs(self.first.loss):
            stop = self._diverging(weights)
            if stop:
                return stop
        # Relative to the whole reduction since the start.
        little = self.tolerance * abs(self.start_loss - epoch.loss)
        self.calm = self.calm + 1 if abs(epoch.loss - self.previous) <= little else 0
        self.waited = 0 if epoch.loss < self.best else self.waited + 1
        self.best, self.previous = min(self.best, epoch.loss), epoch.loss
        if self.calm == 2:
            why = f"two epochs changed the loss by less than {self.tolerance:g} of what was gained"
            return Stop("hovering", f"came to rest {where}: {why}")
        if self.waited == PATIENCE and not self.learner.backtracks:
            why = f"{PATIENCE} epochs did not lower the loss; a smaller alpha comes nearer"
            return Stop("hovering", f"hovering {where}: {why}")
        return None


def train_in_epochs(
    weights: Weights,
    batches: Batches,
    learner: Learner,
    *,
    whole: Objective,
    steps: int | None = None,
    epochs: int = 100,
    tolerance: float = 1e-8,
    frozen: Mapping[str, Mask] | None = None,
) -> Iterator[Step]:
    """Minibatch steps; the last carries the reason for stopping.

    Converged when the largest full-batch weight_delta, from `whole`, is at most `tolerance` times
    the largest at the start; also stops where the loss, averaged over an epoch, stays the same or
    no longer falls.

    Errors:  LearningError
    """
    if epochs < 1 or (steps is not None and steps < 1):
        raise LearningError(f"steps is {steps} and epochs {epochs}: at least 1 of each is needed")
    if learner.needs_hessian:
        raise LearningError(f"{learner.name} sees all rows at each step: leave out batch")
    judge = None
    state, number = learner.start(weights), 0
    for at in range(1, epochs + 1):
        so_far = _Epoch()
        for seen, last in _and_whether_last(batches.epoch(at)):
            number += 1
            # An overflowing loss is how divergence shows: no warning.
            with np.errstate(over="ignore", invalid="ignore"):
                judge = judge or _Judge(weights, whole, learner, tolerance=tolerance, frozen=frozen)
                said, alpha = compare_minibatch(weights, seen, frozen), learner.alpha_now(state)
                stop = judge.exploded(said.loss, weights)
                learnt = weights
                if stop is None:
                    learnt, state = take(weights, said, learner, state, frozen)
                    so_far.add(said)
                    stop = judge.ended(so_far, at, learnt, number) if last else None
            if stop is None and (number == steps or (last and at == epochs)):
                stop = _allowed(number, at, steps)
            yield Step(number, weights, said, learnt, stop, alpha, seen.rows, at)
            if stop:
                return
            weights = learnt


def _allowed(number: int, epoch: int, steps: int | None) -> Stop:
    rounds = f"{epoch:,} epoch" if epoch == 1 else f"{epoch:,} epochs"
    taken = f"{number:,} step" if number == 1 else f"{number:,} steps"
    if number == steps:
        return Stop("steps", f"stopped at the {taken} allowed, in epoch {epoch:,}")
    return Stop("steps", f"stopped after the {rounds} allowed, {taken}")


def _and_whether_last(
    batches: Iterable[MinibatchComparison],
) -> Iterator[tuple[MinibatchComparison, bool]]:
    held = None
    for seen in batches:
        if held is not None:
            yield held, False
        held = seen
    if held is not None:
        yield held, True
