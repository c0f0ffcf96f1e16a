"""Learning-rate schedule: reduce alpha on a plateau of the loss.

A minibatch gradient is noisy: near the optimum only the noise is left, and steps of constant alpha
hover around it, the wider the larger alpha is. Adam, whose steps do not shrink with the gradient,
hovers in the same way on all rows.
"""

from dataclasses import replace
from typing import Any, ClassVar, Protocol

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange, Learner
from deltarule.rule.predict import Weights

ROUNDING = 1e-12


class ScheduledLearner(Learner, Protocol):
    """A learner with an alpha (the learning rate)."""

    @property
    def alpha(self) -> float: ...


@dataclass(frozen=True)
class LearningRateSchedule:
    """State of `ReduceOnPlateau`: the share of alpha, the current round, the best round's end."""

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

    A round's loss is the mean over its steps. On divergence it restarts from the end of the best
    round, with a quarter of alpha.

    Source:  Robbins & Monro 1951, on decreasing alpha; Bottou, Curtis & Nocedal 2018, section 4.2,
             on halving it when the loss stays
    """

    learner: ScheduledLearner
    every: int
    """Steps in a round: where steps see some rows at a time, an epoch."""
    name: ClassVar[str] = "settling"
    needs_hessian: ClassVar[bool] = False
    monotone: ClassVar[bool] = False
    backtracks: ClassVar[bool] = True

    @property
    def alpha(self) -> float:
        """The initial alpha."""
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
        # At the optimum the loss varies by rounding: no reason to reduce alpha.
        higher = mean > state.best + ROUNDING * abs(state.first)
        return learnt, replace(new, share=state.share / 2 if higher else state.share)

    def _back(self, state: LearningRateSchedule) -> tuple[Weights, LearningRateSchedule]:
        again = self.start(state.weights)
        return state.weights, replace(
            again, share=state.share / 4, first=state.first, best=state.best
        )


def scheduled(learner: ScheduledLearner, alpha: float) -> ScheduledLearner:
    """The same learner with this constant alpha."""
    if isinstance(learner, ReduceOnPlateau):
        learner = learner.learner
    return replace(learner, alpha=alpha)  # type: ignore[type-var]  # all of them are dataclasses
