"""Null model: the best prediction without inputs, beside an offset if there is one.

Without an offset it is the targets' mean. With one it is the best common score added to each row's
offset: of counts, one rate for all, times each row's exposure. It is fitted as an intercept-only
model.

Shapes: n rows, k outputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.engines.base import Question, RowSource
from deltarule.engines.batch import Answer, Batch
from deltarule.engines.questions import Bare, PassObjective
from deltarule.fit.cross_validate import CrossValidation
from deltarule.losses.loss import Loss
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.moments import Moments
from deltarule.moments.problem import LinearProblem
from deltarule.moments.splits import SplitScheme
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import train
from deltarule.solvers.newton import Newton

MODEL = BlockLinear()
# From a near start; Newton's last step leaves about the square of this.
TOLERANCE = 1e-7
STEPS = 40


@dataclass
class InterceptOnly:
    """Rows without their inputs: an intercept-only design."""

    rows: RowSource

    @property
    def passes(self) -> int:
        """The number of passes made over all rows."""
        return self.rows.passes

    @property
    def in_memory(self) -> bool:
        return self.rows.in_memory

    def batches(self) -> Iterator[Batch]:
        return (batch.bare for batch in self.rows.batches())

    def total(self, question: Question[Answer], *, by_fold: bool = False) -> Answer:
        return self.rows.total(Bare(question), by_fold=by_fold)


@dataclass(frozen=True)
class NullModel:
    """The best common score beside the offsets, and its error.

    Shapes:  score (k,)
    """

    rows: InterceptOnly
    loss: Loss
    score: Array

    @classmethod
    def of(cls, rows: RowSource, loss: Loss, first: Array) -> "NullModel":
        """Fitted on all rows, from an initial score."""
        bare = InterceptOnly(rows)
        weights: Weights = {"weight": np.zeros((0, len(first))), "intercept": first}
        objective = PassObjective(bare, MODEL, loss)
        for step in train(weights, objective, Newton(), steps=STEPS, tolerance=TOLERANCE):
            weights = step.weights
        return cls(bare, loss, weights["intercept"])

    def held_out(
        self,
        folds: Sequence[Moments],
        splits: SplitScheme,
        targets: Sequence[int],
        spans: list[slice],
    ) -> tuple[Array, dict[int, Array]]:
        """Each target's summed (prediction - target) ** 2 on held-out rows, fitted on the others.

        And each fold's prediction where the offset is 0: (k,).
        """
        problem = LinearProblem((), targets, True, {}, None)
        judge = CrossValidation(
            self.rows, MODEL, [self.loss], problem, spans, lambda objective: objective
        )
        weights = {"weight": np.zeros((0, len(self.score))), "intercept": self.score}
        held_out = judge.held_out(weights, folds, splits)
        assert held_out is not None, "rows are held out"
        guesses = {
            fold: self.loss.link.inverse(one["intercept"][None])[0]
            for fold, one in held_out.fold_weights.items()
        }
        return held_out.errors, guesses
