"""Pace: an alpha that falls, where with a constant one the weights would hover around the best.

A learner that sees some rows at a time is led by a gradient with noise: near the best weights the
noise is all there is, and steps of constant alpha wander in it, the wider the larger alpha is.
Adam, whose steps do not shrink with the gradient, hovers in the same way on all rows.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange, Learner
from deltarule.rule.predict import Weights

ROUNDING = 1e-12


class ScheduledLearner(Learner, Protocol):
    """A learner with an alpha."""

    @property
    def alpha(self) -> float: ...


@dataclass(frozen=True)
class LearningRateSchedule:
    """What Settling remembers: the share of alpha, the round it is in, the best round's end."""

    state: Any
    share: float
    taken: int
    rows: float
    summed: float
    first: float
    best: float
    weights: Weights


@dataclass(frozen=True)
class ReduceOnPlateau:
    """A learner whose alpha is halved after each round of steps that raised the loss.

    A round's loss is the mean of those its steps saw. Where that exploded, it goes back to where
    the best round ended, with a quarter of alpha.

    Source:  Robbins & Monro 1951, that alpha must fall; Bottou, Curtis & Nocedal 2018, section 4.2,
             halving it when the loss stays
    """

    learner: ScheduledLearner
    every: int
    """Steps in a round: where steps see some rows at a time, an epoch."""
    name: ClassVar[str] = "settling"
    needs_hessian: ClassVar[bool] = False
    always_falls: ClassVar[bool] = False
    takes_back: ClassVar[bool] = True

    @property
    def alpha(self) -> float:
        """The alpha it begins with."""
        return self.learner.alpha

    def limit(self, alphas: AlphaRange) -> float:
        return np.inf

    def alpha_now(self, state: LearningRateSchedule) -> float:
        return self.alpha * state.share

    def start(self, weights: Weights) -> LearningRateSchedule:
        return LearningRateSchedule(
            self.learner.start(weights), 1.0, 0, 0.0, 0.0, np.inf, np.inf, weights
        )

    def step(
        self, weights: Weights, comparison: Comparison, state: LearningRateSchedule
    ) -> tuple[Weights, LearningRateSchedule]:
        rows, taken = state.rows + comparison.rows, state.taken + 1
        summed = state.summed + comparison.rows * comparison.loss
        if not np.isfinite(summed):
            return self._back(state)
        now = scheduled(self.learner, self.alpha_now(state))
        learnt, inner = now.step(weights, comparison, state.state)
        if taken < self.every:
            return learnt, replace(state, state=inner, taken=taken, rows=rows, summed=summed)
        mean = summed / rows
        if mean > state.first + 9 * abs(state.first):
            return self._back(state)
        new = replace(state, state=inner, taken=0, rows=0.0, summed=0.0)
        new = replace(new, first=state.first if np.isfinite(state.first) else mean)
        if mean < state.best:
            return learnt, replace(new, best=mean, weights=learnt)
        # At the bottom the loss trembles by its last digits, which is no reason to slow down.
        higher = mean > state.best + ROUNDING * abs(state.first)
        return learnt, replace(new, share=state.share / 2 if higher else state.share)

    def _back(self, state: LearningRateSchedule) -> tuple[Weights, LearningRateSchedule]:
        again = self.start(state.weights)
        return state.weights, replace(
            again, share=state.share / 4, first=state.first, best=state.best
        )


def scheduled(learner: ScheduledLearner, alpha: float) -> ScheduledLearner:
    """The same learner with this alpha, from now on for good."""
    if isinstance(learner, ReduceOnPlateau):
        learner = learner.learner
    return replace(learner, alpha=alpha)  # type: ignore[type-var]  # all of them are dataclasses
