"""Smoothing rounds, for losses with a scale or width that is estimated from the residuals.

huber       fit, estimate the residual scale, fit again with that, until the scale converges
quantile    fit with the kink smoothed over a width, reduce it, until the smoothing error of the
            loss no longer matters

Shapes: n rows, k outputs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.engines.base import RowSource
from deltarule.engines.questions import PassObjective
from deltarule.fit.vertex_polish import vertex_polish
from deltarule.losses.loss import Loss, SmoothedLoss
from deltarule.losses.registry import together
from deltarule.losses.robust import NARROWER
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import Objective
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.rule.train import Step, Stop, largest, train
from deltarule.solvers.damped_newton import DampedNewton
from deltarule.solvers.penalty import Lasso, Penalised, Ridge
from deltarule.solvers.proximal import ProximalNewton

# A scale converges in some 20 rounds, a width of 1e-13 is reached in 15.
ROUNDS = 200
# A round takes some 5 steps, more only where residuals are rounding relative to the targets.
STEPS = 150
# Converged when a step's predicted decrease is less than this share of the loss.
ARRIVED = 1e-6
# A gradient this small relative to the mean absolute delta is rounding.
ROUNDING = 1e-14
# By how much of itself a polished fit's loss may seem higher, which is rounding.
HIGHER = 1e-13
# A round is over when its summed loss is this share of the width from its minimum.
NEAR = 1e-3
# First-order steps crawl at a sharp kink, so they use one smoothed over this share of the mean
# residual.
WATCHED = 0.125
# Widths for held-out errors of many rows, one round each: those are accurate to 1% or so.
JUDGED = (0.3, 0.03, 0.003)


def targets_and_weights(rows: RowSource) -> tuple[Array, Array]:
    """Every row's targets (n, k) and row weight (n,)."""
    parts = [(batch.targets, batch.each) for batch in rows.batches()]
    return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])


def narrowed(losses: Sequence[SmoothedLoss], share: float) -> tuple[SmoothedLoss, ...]:
    """All losses with their kinks smoothed over a share of their width."""
    return tuple(loss.narrowed(share) for loss in losses)


def unsmoothed(losses: Sequence[Loss]) -> tuple[Loss, ...]:
    """All losses with their kinks, which smoothing rounds off."""
    return tuple(loss.narrowed(0) if isinstance(loss, SmoothedLoss) else loss for loss in losses)


def gradient(step: Step, kinks: Lasso | None = None) -> float:
    """The largest absolute weight_delta, or subgradient with a non-smooth penalty."""
    g = step.comparison.weight_delta
    return largest(g if kinks is None else kinks.left(step.before, g))


def promised(step: Step, kinks: Lasso | None = None) -> float:
    """The decrease predicted along the step to first order: twice what Newton expects."""
    moved = step.comparison.weight_delta.items()
    fall = float(sum(np.sum(g * (step.before[n] - step.weights[n])) for n, g in moved))
    if kinks is not None:
        fall += kinks.shrunk_by(step.before) - kinks.shrunk_by(step.weights)
    return fall


@dataclass(frozen=True)
class Round:
    """A round of smoothing: its losses, and what the residuals that it begins with say.

    `typical` is the mean absolute delta, of the output where it is largest; a step's decrease of
    `enough` or less ends the round. `due` is whether the losses differ from those before.
    Shapes:  off (n, k), the residuals
    """

    losses: tuple[SmoothedLoss, ...]
    off: Array
    typical: float
    enough: float
    due: bool


@dataclass(frozen=True)
class Smoothing:
    """Training in rounds of smoothing on these rows, with this penalty.

    Shapes:  targets (n, k), each (n,), what a row counts for; centre (k,), a start robust to
             outliers
    """

    rows: RowSource
    model: Linear
    penalty: Lasso | Ridge | None
    targets: Array
    each: Array
    centre: Array

    @classmethod
    def of(
        cls,
        rows: RowSource,
        model: Linear,
        losses: Sequence[SmoothedLoss],
        penalty: Lasso | Ridge | None,
    ) -> "Smoothing":
        """After one pass over the rows."""
        targets, each = targets_and_weights(rows)
        centre = [loss.centre(t, each) for loss, t in zip(losses, targets.T, strict=True)]
        return cls(rows, model, penalty, targets, each, np.array(centre))

    @property
    def kinks(self) -> Lasso | None:
        """The non-smooth part of the penalty."""
        return self.penalty if isinstance(self.penalty, Lasso) else None

    @cached_property
    def rounding(self) -> float:
        """What of a summed loss is rounding."""
        size = float(np.max(self.each @ np.abs(self.targets))) / float(self.each.sum())
        return ROUNDING * size

    def null_scores(self, losses: Sequence[Loss]) -> Array:
        """The null model's scores, (k,); NaN where they would take a search."""
        found = [
            loss.best(self.targets[:, at], self.each) if isinstance(loss, SmoothedLoss) else np.nan
            for at, loss in enumerate(losses)
        ]
        return np.array(found)

    def next_round(
        self, losses: Sequence[SmoothedLoss], weights: Weights, *, first: bool = False
    ) -> Round:
        """The round that follows one with these losses which ended at these weights."""
        off, each = self._residuals(weights), self.each
        found = [
            loss.again(off[:, at], self.targets[:, at], each, first=first)
            for at, loss in enumerate(losses)
        ]
        now = tuple(new or old for new, old in zip(found, losses, strict=True))
        deltas = together(now).delta(-off, np.zeros_like(off))
        typical = float(np.max(each @ np.abs(deltas))) / float(each.sum())
        # Close enough to this round's optimum that Newton's first step of the next one is sound.
        enough = NEAR * min(loss.width for loss in now) / float(each.sum())
        return Round(now, off, typical, enough, any(found))

    def _residuals(self, weights: Weights) -> Array:
        """The residuals, target less score: (n, k), by one pass."""
        scores = [batch.scores(self.model, weights) for batch in self.rows.batches()]
        return self.targets - np.concatenate(scores)

    def _objective(self, losses: Sequence[Loss]) -> Objective:
        rows = PassObjective(self.rows, self.model, together(losses))
        return rows if self.penalty is None else Penalised(rows, self.penalty)

    def train(
        self,
        weights: Weights,
        now: Round,
        *,
        steps: int,
        tolerance: float,
        frozen: Mapping[str, Mask] | None,
    ) -> Iterator[tuple[Step, Round]]:
        """Newton's steps, numbered through all rounds; the last has the reason for stopping.

        Each with the round that is next to be stepped in.
        """
        done, small, held = 0, 0.0, None
        ends: Weights = {}
        for number in range(1, ROUNDS + 1):
            most, least, best_yet = min(STEPS, steps - done), np.inf, weights
            for step in train(
                weights,
                self._objective(now.losses),
                DampedNewton() if self.kinks is None else ProximalNewton(self.kinks),
                steps=most,
                tolerance=0,
                frozen=frozen,
                remaining=None if self.kinks is None else self.kinks.left,
            ):
                if held is not None:
                    yield held, now
                done, weights = done + 1, step.weights
                held = replace(step, number=done, stopped=None)
                if step.comparison.loss < least:
                    least, best_yet = step.comparison.loss, step.before
                left = gradient(step, self.kinks)
                small = small or max(tolerance * left, ROUNDING * now.typical)
                if promised(step, self.kinks) <= now.enough or left <= small:
                    # Near a kink the Hessian is almost singular: skip the last, unverified Newton
                    # step.
                    weights = step.before if now.enough else step.weights
                    break
            else:
                # Not converged, and perhaps within a line search.
                weights = best_yet
            assert held is not None, "each round has a step"
            left, held = promised(held, self.kinks), replace(held, weights=weights)
            if done == steps:
                yield (
                    replace(held, stopped=Stop("steps", f"stopped at the {done} steps allowed")),
                    now,
                )
                return
            now = self.next_round(now.losses, weights)
            if not now.due:
                if left > max(ARRIVED * abs(held.comparison.loss), self.rounding):
                    gain = f"a step may yet lower the loss by {left:.3g}"
                    words = f"stopped on its way after {number} rounds: {gain}"
                    yield replace(held, stopped=Stop("still", words)), now
                    return
                rest = "; ".join(dict.fromkeys(loss.rest for loss in now.losses))
                stop = Stop("settled", f"settled at step {done}, in round {number}: {rest}")
                polished = self._polished(weights, now, frozen)
                yield replace(held, weights=polished, stopped=stop), now
                return
            ended = weights
            if ends and now.enough:
                # Extrapolate: the rounds' optima are nearly linear in the width.
                weights = {n: w + (w - ends[n]) / NARROWER for n, w in ended.items()}
                weights = weights if self.kinks is None else self.kinks.prox(weights, 0.0)
                held = replace(held, weights=weights)
            ends = ended
        assert held is not None, "there was a round"
        words = f"stopped after {ROUNDS} rounds, in which the spread of the residuals found no rest"
        yield replace(held, stopped=Stop("still", words)), now

    def _polished(self, weights: Weights, now: Round, frozen: Mapping[str, Mask] | None) -> Weights:
        """The weights of quantiles after the vertex polish, where the exact loss is not higher."""
        widths = np.array([loss.width for loss in now.losses])
        if not all(loss.vertex for loss in now.losses) or not widths.all():
            return weights
        every = stack(weights)
        free = np.ones(every.shape, dtype=bool)
        if self.kinks is not None:
            lasso, low, high = map(stack, self.kinks.bounds(weights))
            free = (every > low) & (every < high) & ((every != 0) | (lasso == 0))
        if frozen is not None:
            free &= stack({name: array.astype(float) for name, array in frozen.items()}) == 0
        off = np.where(self.each[:, None] > 0, now.off, np.inf)
        moved = vertex_polish(self.rows, every, off, widths, free, intercept=self.model.intercept)
        polished = unstack(moved, weights)
        loss = self._objective(unsmoothed(now.losses))
        bound = loss(weights).loss * (1 + HIGHER)
        return polished if loss(polished).loss <= bound else weights
