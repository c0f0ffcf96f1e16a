"""Penalty search for iterative fits: cross-validated loss along a path of strengths.

For each fold the training rows are fitted at one strength after the other, from the strongest to 0,
each warm-started from the last: a Newton step or two each. Of many rows a sample is used, since the
gain from a penalty shrinks with the number of rows:

    ridge = ridge of the sample * its rows / all rows;  lasso = lasso * sqrt(its rows / all rows)

so that ridge keeps its size relative to the summed loss, and lasso, a threshold on gradients, its
size relative to their noise.

Shapes: p inputs, k outputs. Weights are in standardised units.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.engines.base import RowSource
from deltarule.engines.batch import Batch
from deltarule.engines.in_memory import Rows
from deltarule.engines.questions import Draw
from deltarule.fit.cv_result import CVResult, on_grid
from deltarule.fit.penalties import Choice, Penalties
from deltarule.losses.links import finite_score, ruled_out
from deltarule.losses.loss import Loss
from deltarule.moments.moments import Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.moments.splits import Split, SplitScheme
from deltarule.rule.compare import Objective
from deltarule.rule.learn import Learner
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.rule.train import train
from deltarule.solvers.lasso_path import LEAST
from deltarule.solvers.lbfgs import lbfgs
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Lasso, Penalised, Ridge
from deltarule.solvers.proximal import ProximalNewton

# A Hessian of q weights on n rows costs n * q ** 2: at most WORK, which takes some 5 ms, and
# MOST_ROWS; but at least ROWS_EACH for each weight.
WORK, MOST_ROWS, ROWS_EACH = 50_000_000, 10_000, 5
# With more weights than this of classes, whose Hessian is of all of them, gradients alone are used:
# on the digits of scikit-learn (650 weights) a fit takes a tenth of the time of Newton's steps.
MOST_COUPLED = 200
# Converged at a strength when this share of its first gradient is left.
LEFT, STEPS = 1e-3, 30
# The same where the weights are shown.
SURE = 1e-9
# Strengths of a lasso on the grid, besides 0.
LASSOS = 20


@dataclass(frozen=True)
class PenaltySearch:
    """Rows by fold, and how to fit them, for evaluating penalties.

    `losses` are the targets' and `spans` the slices of their outputs; `loss` is all of them.
    """

    folds: Mapping[int, Batch]
    moments: Sequence[Moments]
    splits: SplitScheme
    model: Linear
    loss: Loss
    losses: Sequence[Loss]
    spans: Sequence[slice]
    problem: LinearProblem
    first: Weights

    @property
    def each(self) -> float:
        """The total row weight of the sample."""
        return sum(float(batch.each.sum()) for batch in self.folds.values())

    def tried(self, penalties: Sequence[tuple[Choice, Lasso | Ridge]]) -> CVResult:
        """Cross-validated loss of each penalty, in the order given."""
        order = sorted(
            range(len(penalties)),
            key=lambda at: (-penalties[at][0].ridge, -penalties[at][0].lasso),
        )
        splits = [split for split in self.splits.of(self.moments) if split.judged in self.folds]
        errors = np.full((len(penalties), len(splits), len(self.spans)), np.inf)
        guessing, least, counted = np.zeros((3, len(splits), len(self.spans)))
        for column, split in enumerate(splits):
            frozen = self.problem.frozen_on(total([self.moments[one] for one in split.learnt]))
            learnt, rows = self.first, self._rows(split)
            judged = self._judged(self.folds[split.judged], rows)
            guess = self._guess(rows)
            guessing[column] = [one.off(self.model, guess) for one in judged]
            least[column] = [one.least for one in judged]
            counted[column] = [float(one.rows.each.sum()) for one in judged]
            for at in order:
                learnt = self._learnt(learnt, rows, penalties[at][1], frozen)
                with np.errstate(all="ignore"):
                    errors[at, column] = [one.off(self.model, learnt) for one in judged]
        return CVResult(
            np.array([choice.ridge for choice, _ in penalties]),
            np.array([choice.lasso for choice, _ in penalties]),
            errors,
            counted,
            guessing,
            np.ones(len(self.spans)),
            least,
        )

    def weights(self, penalties: Sequence[tuple[Choice, Lasso | Ridge]]) -> list[Weights]:
        """The weights on all folds together with each penalty."""
        rows = self._asked(Batch.joined(list(self.folds.values())))
        learnt, found = self.first, dict[int, Weights]()
        for at in sorted(
            range(len(penalties)),
            key=lambda at: (-penalties[at][0].ridge, -penalties[at][0].lasso),
        ):
            learnt = self._learnt(learnt, rows, penalties[at][1], self.problem.frozen, sure=True)
            found[at] = learnt
        return [found[at] for at in range(len(penalties))]

    def lassos(self, none: Lasso, strong: Lasso) -> Array:
        """0, and strengths up to the one that leaves penalised inputs no weight.

        `none` has a strength of 0 and `strong` one of 1 where the strength is to be chosen.
        """
        chosen = np.broadcast_to(strong.strength > none.strength, none.strength.shape)
        rows = Batch.joined(list(self.folds.values()))
        objective = Penalised(self._asked(rows), none)
        # At zero penalised weights the largest gradient is the smallest such strength.
        slope = objective(none.prox(self.first, 0.0)).average().weight_delta["weight"]
        most = 100 * float(np.max(np.abs(slope), initial=0.0)) + 1.0
        above = Lasso(np.where(chosen, most, none.strength), none.ridge, none.low, none.high)
        empty = self._learnt(self.first, self._asked(rows), above, self.problem.frozen)
        slope = objective(empty).average().weight_delta["weight"]
        top = float(np.max(np.abs(np.where(chosen, slope, 0.0)), initial=0.0))
        return np.concatenate([[0.0], top * np.geomspace(LEAST, 1, LASSOS)])

    def _rows(self, split: Split) -> Rows:
        return self._asked(
            Batch.joined([self.folds[one] for one in split.learnt if one in self.folds])
        )

    def _asked(self, rows: Batch) -> Rows:
        return Rows(
            self.model, self.loss, rows.inputs, rows.targets, rows.row_weights, rows.offsets
        )

    def _learnt(
        self,
        weights: Weights,
        rows: Objective,
        penalty: Lasso | Ridge,
        frozen: Mapping[str, Mask] | None,
        *,
        sure: bool = False,
    ) -> Weights:
        """The weights at the optimum with this penalty, or on their way where there is none."""
        kinks = penalty if isinstance(penalty, Lasso) and penalty.kinked else None
        wide = weights["weight"].size > MOST_COUPLED and self.loss.kind == "classes"
        if kinks is None and wide and not sure:
            return lbfgs(Penalised(rows, penalty), weights, tolerance=LEFT, frozen=frozen)
        learner: Learner = Newton() if kinks is None else ProximalNewton(kinks)
        first = weights if kinks is None else kinks.prox(weights, 0.0)
        least, best = np.inf, first
        for step in train(
            first,
            Penalised(rows, penalty),
            learner,
            steps=STEPS,
            tolerance=SURE if sure else LEFT,
            frozen=frozen,
            remaining=None if kinks is None else kinks.left,
        ):
            if step.comparison.loss < least:
                least, best = step.comparison.loss, step.before
        settled = step.stopped is not None and step.stopped.reason in ("settled", "still")
        return step.weights if settled else best

    def _guess(self, rows: Rows) -> Weights:
        """Null-model weights: every score is the link of the mean."""
        none = {name: np.zeros_like(array) for name, array in self.first.items()}
        if "intercept" in none:
            none["intercept"] = finite_score(self.loss, _mean(rows)[None])[0]
        return none

    def _judged(self, batch: Batch, rows: Rows) -> list["_Judged"]:
        """Each target's test rows, without those with levels that training rows lack."""
        mean = _mean(rows)
        return [
            _Judged(batch.only(~ruled_out(loss, mean[span], batch.targets[:, span])), loss, span)
            for loss, span in zip(self.losses, self.spans, strict=True)
        ]


@dataclass(frozen=True)
class _Judged:
    """Held-out rows of one target."""

    rows: Batch
    loss: Loss
    span: slice

    @property
    def least(self) -> float:
        """The saturated loss, summed."""
        return float(self.rows.each @ self.loss.saturated(self.rows.targets[:, self.span]))

    def off(self, model: Linear, weights: Weights) -> float:
        """The excess of the summed loss at these weights over the saturated loss."""
        scores = self.rows.scores(model, weights)[:, self.span]
        targets = self.rows.targets[:, self.span]
        return float(
            self.rows.each @ (self.loss.value(scores, targets) - self.loss.saturated(targets))
        )


def _mean(rows: Rows) -> Array:
    """The mean of each output: (k,)."""
    each = np.ones(len(rows.inputs)) if rows.row_weights is None else rows.row_weights
    mean: Array = each @ rows.targets / each.sum()
    return mean


def search_penalty(
    search: PenaltySearch, penalties: Penalties, penalty: Callable[[Choice], Lasso]
) -> CVResult | None:
    """The candidate penalties with their cross-validated loss; None where no rows can be held out.

    `penalty` makes a candidate's penalty, in standardised units.
    """
    if not search.splits.of(search.moments):
        return None

    def tried(ridges: Array, lassos: Array) -> CVResult:
        choices = [Choice(float(ridge), float(lasso)) for ridge in ridges for lasso in lassos]
        return search.tried([(choice, penalty(choice)) for choice in choices])

    def lassos() -> Array:
        given = penalties.given.ridge
        return search.lassos(penalty(Choice(given, 0.0)), penalty(Choice(given, 1.0)))

    return on_grid(penalties, lassos, tried)


def for_all(choice: Choice, share: float) -> Choice:
    """A choice made on a share of the rows, rescaled for all of them."""
    return Choice(choice.ridge * share, choice.lasso * float(np.sqrt(share)))


def sampled(rows: RowSource, examples: int, weights: int) -> dict[int, Batch]:
    """A random sample of rows by fold, of a size that a search can afford.

    Shapes:  weights is p + 1
    """
    most = max(min(MOST_ROWS, WORK // weights**2), ROWS_EACH * weights)

    found = rows.total(Draw(min(1.0, most / examples)), by_fold=True)
    return {fold: Batch.joined(parts) for fold, parts in found.items()}
