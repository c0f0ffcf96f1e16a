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
from functools import cached_property

import numpy as np

from deltarule.engines.base import RowSource
from deltarule.engines.batch import CODED_ROWS, Batch
from deltarule.engines.in_memory import Rows
from deltarule.engines.questions import Draw
from deltarule.fit.newton_walk import NewtonWalk, WalkedFit
from deltarule.fit.penalties import Penalties
from deltarule.fit.ridge_walk import LEFT as LEFT_BY_GRADIENTS
from deltarule.fit.ridge_walk import STEPS as STEPS_OF_GRADIENTS
from deltarule.fit.ridge_walk import RidgeWalk
from deltarule.losses.links import finite_score, ruled_out
from deltarule.losses.loss import Loss
from deltarule.moments.design_matrix import SplitMatrix
from deltarule.moments.moments import Moments
from deltarule.moments.problem import LinearProblem
from deltarule.moments.splits import Split, SplitScheme
from deltarule.rule.compare import Objective
from deltarule.rule.learn import Learner
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.rule.train import train
from deltarule.solvers.cv_result import Choice, CVResult, search
from deltarule.solvers.lasso_path import LEAST
from deltarule.solvers.lbfgs import Lbfgs
from deltarule.solvers.penalty import Lasso, Penalised, Ridge
from deltarule.solvers.proximal import ProximalNewton
from deltarule.solvers.walk_search import walk

# A Hessian of q weights on n rows costs n * q ** 2, one of k classes n * (q * k) ** 2, a gradient
# n * q * k: at most WORK, which takes some 5 ms, and MOST_ROWS; but at least ROWS_EACH for each of
# an output's weights.
WORK, MOST_ROWS, ROWS_EACH = 50_000_000, 10_000, 5
# Steps by gradients are ten times as many.
MORE_STEPS = 15
# Converged at a strength when this share of its first gradient is left, or after so many steps.
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
    learner: Learner

    @property
    def each(self) -> float:
        """The total row weight of the sample."""
        return sum(float(batch.each.sum()) for batch in self.folds.values())

    def cross_validate(self, penalties: Sequence[tuple[Choice, Lasso | Ridge]]) -> CVResult:
        """Cross-validated loss of each penalty, in the order given."""
        order, folds = _strongest_first(penalties), self._searched
        errors = np.full((len(penalties), len(folds), len(self.spans)), np.inf)
        learnt = [self.first] * len(folds)
        newton = self._newton_walk([penalty for _, penalty in penalties])
        for at in order:
            choice, penalty = penalties[at]
            if self.walks(penalty):
                learnt = self._walk.learnt(choice.ridge, penalty.hessian(self.first))
            elif newton is not None:
                learnt = [
                    self._finished(one, fold, penalty)
                    for one, fold in zip(newton.learnt(penalty), folds, strict=True)
                ]
                newton.know(learnt)
            else:
                learner = self._learner(penalty)
                learnt = [
                    self._learnt(start, fold.rows, penalty, fold.frozen, learner)
                    for start, fold in zip(learnt, folds, strict=True)
                ]
            with np.errstate(all="ignore"):
                errors[at] = [
                    [one.off(self.model, weights) for one in fold.judged]
                    for weights, fold in zip(learnt, folds, strict=True)
                ]
        return CVResult(
            np.array([choice.ridge for choice, _ in penalties]),
            np.array([choice.lasso for choice, _ in penalties]),
            errors,
            np.array([fold.counted for fold in folds]),
            np.array([fold.guessing for fold in folds]),
            np.ones(len(self.spans)),
            np.array([fold.least for fold in folds]),
        )

    def near(self, ridge: float) -> Weights | None:
        """The mean of the folds' weights at the nearest ridge, of steps by gradients."""
        if self.learner.needs_hessian or not self._walk.known:
            return None
        return self._walk.near(ridge)

    def walks(self, penalty: Lasso | Ridge) -> bool:
        """Whether the weights at one ridge tell those at the next: of smooth steps by gradients."""
        smooth = isinstance(penalty, Ridge) or not penalty.kinked
        return smooth and not self.learner.needs_hessian

    def _newton_walk(self, penalties: Sequence[Lasso | Ridge]) -> NewtonWalk | None:
        """All folds side by side along these ridges; None where they are fitted one by one."""
        coupled = self.loss.kind == "classes"
        smooth = all(isinstance(one, Ridge) or not one.kinked for one in penalties)
        if not (smooth and self.learner.needs_hessian):
            return None
        if not NewtonWalk.suits(self.folds, self.first, coupled=coupled):
            return None
        return NewtonWalk(
            self.folds,
            self._teachers,
            [fold.frozen for fold in self._searched],
            self.problem.frozen,
            self.model,
            self.loss,
            self.first,
        )

    def _finished(
        self, walked: WalkedFit, fold: "_SearchedFold", penalty: Lasso | Ridge
    ) -> Weights:
        """The weights of a fold's walk, by Newton steps of its own where these are needed."""
        if walked.settled:
            return walked.weights
        return self._learnt(
            walked.weights, fold.rows, penalty, fold.frozen, self.learner, steep=walked.steep
        )

    @cached_property
    def _teachers(self) -> Mapping[int, Sequence[int]]:
        """The folds that each one that is held out is learnt from."""
        splits = [one for one in self.splits.of(self.moments) if one.test in self.folds]
        return {one.test: [of for of in one.train if of in self.folds] for one in splits}

    def _learner(self, penalty: Lasso | Ridge) -> Learner:
        """The learner for a penalty."""
        if isinstance(penalty, Lasso) and penalty.kinked:
            return ProximalNewton(penalty)
        return self.learner

    @cached_property
    def _walk(self) -> RidgeWalk:
        """All folds side by side, by gradients alone."""
        return RidgeWalk(
            self.folds,
            self._teachers,
            [fold.frozen for fold in self._searched],
            self.model,
            self.loss,
            self.first,
            self.learner.metric if isinstance(self.learner, Lbfgs) else None,
        )

    @cached_property
    def _searched(self) -> list["_SearchedFold"]:
        """The folds that are held out, with what is the same for all penalties."""
        found = []
        for split in self.splits.of(self.moments):
            if split.test not in self.folds:
                continue
            rows = self._rows(split)
            judged = self._judged(self.folds[split.test], rows)
            guess = self._guess(rows)
            found.append(
                _SearchedFold(
                    rows,
                    self.problem.frozen_on(split.training(self.moments)),
                    judged,
                    [one.off(self.model, guess) for one in judged],
                    [one.least for one in judged],
                    [float(one.rows.each.sum()) for one in judged],
                )
            )
        return found

    def weights(self, penalties: Sequence[tuple[Choice, Lasso | Ridge]]) -> list[Weights]:
        """The weights on all folds together with each penalty."""
        rows = self._asked(Batch.joined(list(self.folds.values())))
        learnt, found = self.first, dict[int, Weights]()
        for at in _strongest_first(penalties):
            penalty = penalties[at][1]
            learner = self._learner(penalty)
            learnt = self._learnt(learnt, rows, penalty, self.problem.frozen, learner, sure=True)
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
        learner = self._learner(above)
        empty = self._learnt(self.first, self._asked(rows), above, self.problem.frozen, learner)
        slope = objective(empty).average().weight_delta["weight"]
        top = float(np.max(np.abs(np.where(chosen, slope, 0.0)), initial=0.0))
        return np.concatenate([[0.0], top * np.geomspace(LEAST, 1, LASSOS)])

    def _rows(self, split: Split) -> Rows:
        return self._asked(
            Batch.joined([self.folds[one] for one in split.train if one in self.folds])
        )

    def _asked(self, rows: Batch) -> Rows:
        # Output by output, as losses go through them.
        targets = np.asfortranarray(rows.targets)
        asked = self.model, self.loss, rows.inputs, targets, rows.row_weights, rows.offsets
        # Sums by code fill a table of all levels for each block: few, long blocks.
        if isinstance(rows.inputs, SplitMatrix):
            return Rows(*asked, at_once=CODED_ROWS)
        return Rows(*asked)

    def _learnt(
        self,
        weights: Weights,
        rows: Objective,
        penalty: Lasso | Ridge,
        frozen: Mapping[str, Mask] | None,
        learner: Learner,
        *,
        sure: bool = False,
        steep: float | None = None,
    ) -> Weights:
        """The weights at the optimum with this penalty, or on their way where there is none.

        Convergence refers to the gradient at the start, or to `steep`.
        """
        kinks = penalty if isinstance(penalty, Lasso) and penalty.kinked else None
        first = weights if kinks is None else kinks.prox(weights, 0.0)
        least, best = np.inf, first
        for step in train(
            first,
            Penalised(rows, penalty),
            learner,
            steps=STEPS if learner.needs_hessian else STEPS_OF_GRADIENTS,
            tolerance=SURE if sure else LEFT if learner.needs_hessian else LEFT_BY_GRADIENTS,
            frozen=frozen,
            remaining=None if kinks is None else kinks.left,
            steep=steep,
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
class _SearchedFold:
    """A fold's training rows, and its held-out rows.

    Shapes:  guessing, the loss of the null model, least, the saturated one, counted (t,)
    """

    rows: Rows
    frozen: Mapping[str, Mask] | None
    judged: Sequence["_Judged"]
    guessing: Sequence[float]
    least: Sequence[float]
    counted: Sequence[float]


def _strongest_first(penalties: Sequence[tuple[Choice, Lasso | Ridge]]) -> list[int]:
    """The order in which penalties are tried, each from the weights of the last."""
    choices = [choice for choice, _ in penalties]
    return sorted(range(len(choices)), key=lambda at: (-choices[at].ridge, -choices[at].lasso))


@dataclass(frozen=True)
class _Judged:
    """Held-out rows of one target."""

    rows: Batch
    loss: Loss
    span: slice

    @cached_property
    def saturated(self) -> Array:
        """The saturated loss of each row: (n,)."""
        return self.loss.saturated(self.rows.targets[:, self.span])

    @property
    def least(self) -> float:
        """The saturated loss, summed."""
        return float(self.rows.each @ self.saturated)

    def off(self, model: Linear, weights: Weights) -> float:
        """The excess of the summed loss at these weights over the saturated loss."""
        scores = self.rows.scores(model, weights)[:, self.span]
        value = self.loss.value(scores, self.rows.targets[:, self.span])
        return float(self.rows.each @ (value - self.saturated))


def _mean(rows: Rows) -> Array:
    """The mean of each output: (k,)."""
    each = np.ones(len(rows.inputs)) if rows.row_weights is None else rows.row_weights
    mean: Array = each @ rows.targets / each.sum()
    return mean


def search_penalty(
    sample: PenaltySearch, penalties: Penalties, penalty: Callable[[Choice], Lasso]
) -> CVResult:
    """The candidate penalties with their cross-validated loss; some rows must be held out.

    `penalty` makes a candidate's penalty, in standardised units.
    """

    def tried(ridges: Array, lassos: Array) -> CVResult:
        choices = [Choice(float(ridge), float(lasso)) for ridge in ridges for lasso in lassos]
        return sample.cross_validate([(one, penalty(one)) for one in choices])

    def lassos() -> Array:
        given = penalties.given.ridge
        return sample.lassos(penalty(Choice(given, 0.0)), penalty(Choice(given, 1.0)))

    ridges, strengths = penalties.candidates(lassos)
    if len(ridges) > 1 and len(strengths) == 1 and sample.walks(penalty(Choice(1.0, strengths[0]))):
        return walk(lambda ridge: tried(np.array([ridge]), strengths), ridges)
    return search(tried, ridges, strengths)


def for_all(choice: Choice, share: float) -> Choice:
    """A choice made on a share of the rows, rescaled for all of them."""
    return Choice(choice.ridge * share, choice.lasso * float(np.sqrt(share)))


def sampled(rows: RowSource, examples: int, weights: int, work: int) -> dict[int, Batch]:
    """A random sample of rows by fold, of a size that a search can afford.

    `weights` is how many an output has, `work` what a row costs.
    """
    most = max(min(MOST_ROWS, WORK // work), ROWS_EACH * weights)
    drawn = rows.total(Draw(min(1.0, most / examples)), by_fold=True)
    return {fold: Batch.joined(parts) for fold, parts in drawn.items()}
