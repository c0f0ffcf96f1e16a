"""Guessing beside an offset: what rows say where no input may explain them.

Without an offset guessing is the targets' mean. With one it is the best score that all rows share
beside their own offsets: of counts, one rate for all, times each row's exposure. It is learnt as
any weights are, by a model without inputs.

Shapes: n rows, k outputs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.engines.local import Answer, Batch, PassObjective, RowSource
from deltarule.fit.cross_validate import CrossValidation
from deltarule.moments.moments import Moments
from deltarule.moments.problem import LinearProblem
from deltarule.moments.splits import SplitScheme
from deltarule.rule.loss import Loss
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import train
from deltarule.solvers.newton import Newton

MODEL = Linear()
# From a start that is near; Newton's last step leaves about the square of this.
TOLERANCE = 1e-7
STEPS = 40


@dataclass
class InterceptOnly:
    """Rows without their inputs."""

    rows: RowSource

    @property
    def passes(self) -> int:
        """How often all rows were gone over."""
        return self.rows.passes

    @property
    def in_memory(self) -> bool:
        return self.rows.in_memory

    def batches(self) -> Iterator[Batch]:
        return map(_bare, self.rows.batches())

    def total(self, answer: Callable[[Batch], Answer], *, by_fold: bool = False) -> Answer:
        return self.rows.total(lambda batch: answer(_bare(batch)), by_fold=by_fold)


def _bare(batch: Batch) -> Batch:
    return replace(batch, inputs=np.zeros((len(batch), 0)))


@dataclass(frozen=True)
class NullModel:
    """The best score that all rows share beside their offsets, and how far off it is.

    Shapes:  score (k,)
    """

    rows: InterceptOnly
    loss: Loss
    score: Array

    @classmethod
    def of(cls, rows: RowSource, loss: Loss, first: Array) -> "NullModel":
        """Of all rows, found from another score."""
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
        """Each target's summed (prediction - target) ** 2 where other folds say what to guess.

        And what each fold is guessed to be where its offsets are 0: (k,).
        """
        problem = LinearProblem((), targets, True, {}, None)
        judge = CrossValidation(
            self.rows, MODEL, [self.loss], problem, spans, lambda objective: objective
        )
        weights = {"weight": np.zeros((0, len(self.score))), "intercept": self.score}
        found = judge.held_out(weights, folds, splits)
        assert found is not None, "rows are held out"
        guesses = {
            fold: self.loss.inverse_link(one["intercept"][None])[0]
            for fold, one in found.fold_weights.items()
        }
        return found.errors, guesses
