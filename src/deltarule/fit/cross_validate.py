"""Cross-validation of iterative fits: all folds at once, in few passes over the rows.

All folds start from the weights of all rows, where one pass gives each fold's gradient and Hessian.
Sums over a fold's training folds then give one Newton step to the weights learnt without it:

    weights(f) = weights - inv(sum of hessians but f's) @ (sum of weight_deltas but f's)

A second pass scores each row with the weights learnt without it. Where the folds' Hessians differ
much, as with few rows or high leverage, one step may not suffice: then further passes follow, where
each fold's weights are updated from its training folds.

In forward (time-ordered) splits a fold is trained on earlier ones only, starting from zero weights.

Shapes: p inputs, k outputs, q = p + intercept. Weights are in the standardised units of `rows`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.base import RowSource
from deltarule.engines.class_rows import ClassRows
from deltarule.engines.held_out_questions import CompareTraining, HeldOutErrors, TrainingSums
from deltarule.engines.local import RowsInMemory
from deltarule.engines.questions import FoldOptimum
from deltarule.engines.stacked_rows import StackedRows
from deltarule.fit.outcome import HeldOut
from deltarule.fit.ridge_walk import class_metric
from deltarule.losses.loss import Loss
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.moments.one_hot import rows_kept
from deltarule.moments.one_hot_hessian import one_hot
from deltarule.moments.problem import LinearProblem
from deltarule.moments.splits import Split, SplitScheme
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import Comparison, Objective
from deltarule.rule.learn import Learner
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.solvers.cholesky import finite
from deltarule.solvers.cv_result import guessing_error
from deltarule.solvers.damped_newton import DampedNewton
from deltarule.solvers.fit_metrics import FitMetrics
from deltarule.solvers.lbfgs import Lbfgs
from deltarule.solvers.lbfgs_stack import (
    Gradients,
    LbfgsStack,
    Preconditioner,
    StackedFits,
    stacked_pair,
    with_ridge,
)
from deltarule.solvers.least_squares import rank
from deltarule.solvers.newton import Newton, Taken
from deltarule.solvers.newton_stack import NewtonStack
from deltarule.solvers.one_hot_newton import steady as one_hot_steady
from deltarule.solvers.penalty import Lasso
from deltarule.solvers.proximal import ProximalNewton

Penalise = Callable[[Objective], Objective]
"""Puts the penalty, if there is one, beside an objective's loss."""

# One step suffices where each fold's Hessian is within this share of the whole's, so that no row
# has more than a fortieth of it along any direction: the step is then off by a hundredth. That
# distance itself is small of so many rows, and held-out errors are within some millionths; of some
# hundred rows they were up to 0.2% off.
STEADY, MANY_ROWS = 0.2, 10_000
# Converged when a step's predicted decrease is less than this share of the first one's: weights
# are then within a millionth of the distance, and held-out errors within 1e-8.
SETTLED = 1e-12
# The same of steps by gradients alone: within a thousandth.
SETTLED_BY_GRADIENTS = 1e-6
STEPS, STEPS_OF_GRADIENTS = 40, 300
# By gradients beside each fold's Hessian at the weights of all rows; of more steps Newton's own
# take fewer passes.
SETTLED_BY_METRICS, STEPS_BY_METRICS = 1e-16, 10
# The same of Newton steps of a small table, as the share of the first gradient.
SETTLED_BY_NEWTON = 1e-6


@dataclass
class _Fold:
    """State of one fold: its training folds, weights, and errors at the best weights so far."""

    training_folds: tuple[int, ...]
    weights: Weights
    frozen: Mapping[str, Mask] | None
    state: object = None
    least: float = np.inf
    errors: Array | None = None
    at_start: float = np.nan
    settled: bool = False
    best: Weights = field(default_factory=dict)


@dataclass(frozen=True)
class CrossValidation:
    """Cross-validation: each fold is tested with weights trained on others, warm-started.

    The start is the weights of all rows, or 0 in forward splits. Either is unbiased only where the
    training rows determine the weights (`determined`): else the start leaves a trace of the test
    rows. Inputs that are constant in the training rows get a weight of 0. The losses of the path
    are used in turn: most fits have but one.
    """

    rows: RowSource
    model: Linear
    path: Sequence[Loss]
    problem: LinearProblem
    spans: Sequence[slice]
    penalised: Penalise
    kinks: Lasso | None = None
    by_gradients: Lbfgs | None = None
    """The learner where a Hessian of all weights is too costly."""

    @property
    def _learner(self) -> Newton | ProximalNewton | Lbfgs:
        """The learner: proximal where the penalty is non-smooth."""
        if self.kinks is not None:
            return ProximalNewton(self.kinks)
        return self.by_gradients or Newton()

    def held_out(
        self,
        weights: Weights,
        folds: Sequence[Moments],
        splits: SplitScheme,
        comparisons: Mapping[int, Comparison] | None = None,
    ) -> HeldOut | None:
        """The errors on held-out rows; None where there are none.

        `comparisons` are each fold's at these weights, where they are the optimum for all rows.
        """
        judged = splits.of(folds)
        if not judged:
            return None
        near = comparisons is not None and len(self.path) == 1 and not splits.forward
        if comparisons is not None and near and self.many(folds) and steady(comparisons):
            fold_weights = {s.test: self._without(s, weights, comparisons) for s in judged}
            errors = self._errors(fold_weights)
        else:
            first = {s.test: self._first(weights, s, folds, splits) for s in judged}
            done = comparisons is not None and near and self._beside(first, comparisons)
            errors = self._errors(self._best(first)) if done else self._learn(first)
            fold_weights = self._best(first)
        return self._summed(errors, fold_weights, folds, splits)

    def refit(
        self, split: Split, weights: Weights, folds: Sequence[Moments], splits: SplitScheme
    ) -> Weights:
        """A fold's weights, iterated to convergence from those of all rows."""
        first = {split.test: self._first(weights, split, folds, splits)}
        self._learn(first)
        return self._best(first)[split.test]

    def many(self, folds: Sequence[Moments]) -> bool:
        """Whether rows are many, whatever they weigh where they can be counted."""
        if isinstance(self.rows, RowsInMemory):
            return len(self.rows.apart) >= MANY_ROWS
        return sum(fold.rows for fold in folds) >= MANY_ROWS

    def determined(self, folds: Sequence[Moments], splits: SplitScheme) -> bool:
        """Whether each fold's training rows identify all weights that all rows do.

        Among inputs that vary in them. Unidentified weights would keep what test rows put there.
        """
        if rows_kept(folds[0].cross):
            return False  # of more inputs than rows
        for split in splits.of(folds):
            teach = split.training(folds)
            free = np.flatnonzero((self.problem.of(teach).spread > 0) & ~self.problem.held)
            inputs = np.asarray(self.problem.inputs, dtype=np.intp)[free].tolist()
            few, all_rows = (
                LeastSquares.of(one, inputs, [], intercept=self.problem.intercept)
                for one in (teach, total(folds))
            )
            known = rank(few)
            if known < len(inputs) and known < rank(all_rows):
                return False
        return True

    def judged(
        self, fold_weights: Mapping[int, Weights], folds: Sequence[Moments], splits: SplitScheme
    ) -> HeldOut:
        """The errors on held-out rows, by fold weights trained without them."""
        return self._summed(self._errors(fold_weights), fold_weights, folds, splits)

    def _summed(
        self,
        errors: Mapping[int, Array],
        fold_weights: Mapping[int, Weights],
        folds: Sequence[Moments],
        splits: SplitScheme,
    ) -> HeldOut:
        targets = list(self.problem.targets)
        guessing = np.zeros(len(targets))
        for fold, others in splits.pairs(folds):
            unit = fold.scale[targets]
            guessing += guessing_error(fold, others, targets) * unit**2
        rows = sum(folds[one.test].rows for one in splits.of(folds))
        # A target's error is summed over its outputs.
        starts = [span.start for span in self.spans]
        return HeldOut(
            folds=len(fold_weights),
            rows=rows,
            errors=np.add.reduceat(reduce(add, errors.values()), starts),
            guessing=np.add.reduceat(guessing, starts),
            unit=np.ones(len(starts)),
            fold_weights=fold_weights,
        )

    def _without(
        self, split: Split, weights: Weights, comparisons: Mapping[int, Comparison]
    ) -> Weights:
        """The weights after one Newton step on a fold's training folds only."""
        training = reduce(add, (comparisons[fold] for fold in split.train))
        average = self._average(training, weights, self.problem.frozen)
        return self._learner.step(weights, average, None)[0]

    def _first(
        self, weights: Weights, split: Split, folds: Sequence[Moments], splits: SplitScheme
    ) -> _Fold:
        """A fold's initial state, with no trace of its test rows."""
        teach = split.training(folds)
        frozen = self.problem.frozen_on(teach)
        first = self._none(weights, teach) if splits.forward else weights
        if frozen is not self.problem.frozen:
            still = ~(self.problem.of(teach).spread > 0) & ~self.problem.held
            first = {**first, "weight": np.where(still[:, None], 0.0, first["weight"])}
        return _Fold(split.train, first, frozen)

    def _none(self, weights: Weights, teach: Moments) -> Weights:
        """The start before training: 0, or the frozen values, and the link of the training mean."""
        none = {name: np.zeros_like(array) for name, array in weights.items()}
        targets = list(self.problem.targets)
        with np.errstate(divide="ignore"):
            score = self.path[0].link(teach.mean[targets] * teach.scale[targets])
        if "intercept" in none and np.isfinite(score).all():
            none["intercept"] = score
        frozen = self.problem.frozen
        if frozen is None:
            return none
        return {name: np.where(frozen[name], weights[name], array) for name, array in none.items()}

    def _average(
        self, comparison: Comparison, weights: Weights, frozen: Mapping[str, Mask] | None
    ) -> Comparison:
        """The average comparison that the learner steps on."""
        whole = self.penalised(FoldOptimum(comparison))(weights, hessian=True)
        return (whole if frozen is None else whole.freeze(frozen)).average()

    def _errors(self, learnt: Mapping[int, Weights]) -> dict[int, Array]:
        """Each fold's test errors by the weights trained without it."""
        return self.rows.total(HeldOutErrors(self.model, self.path[-1], learnt), by_fold=True)

    def _learn(self, learnt: Mapping[int, _Fold]) -> dict[int, Array]:
        """Each fold's test errors after iterating to convergence: one pass per step."""
        rounded = len(self.path) > 1 and self.kinks is None
        learner: Learner = DampedNewton() if rounded else self._learner
        if isinstance(learner, Lbfgs):
            return self._errors(self._by_gradients(learnt, learner))
        for loss in self.path:
            for one in learnt.values():
                one.state, one.least, one.settled = learner.start(one.weights), np.inf, False
            for number in range(STEPS):
                sums = self._ask(loss, learnt)
                going = {fold: one for fold, one in learnt.items() if not one.settled}
                for fold, one in going.items():
                    compared = self._average(sums.comparisons[fold], one.weights, one.frozen)
                    errors = sums.errors.get(fold)
                    _move(learner, one, compared, errors, first=number == 0)
                if all(one.settled for one in going.values()):
                    break
        return {fold: one.errors for fold, one in learnt.items() if one.errors is not None}

    def _beside(self, learnt: Mapping[int, _Fold], comparisons: Mapping[int, Comparison]) -> bool:
        """Whether all folds converge side by side; their best weights are known then."""
        if self.kinks is not None or self.by_gradients is not None:
            return False
        rows, (q, k) = self.rows, stack(next(iter(learnt.values())).weights).shape
        few = isinstance(rows, RowsInMemory) and StackedRows.suits(
            len(rows.apart), q, k, self.path[-1]
        )
        if few:
            assert isinstance(rows, RowsInMemory), "as was seen"
            near: StackedFits | None = self._by_newton(learnt, rows, q)
        else:
            near = self._by_metrics(learnt, comparisons, q)
        if near is None or not near.settled.all():
            return False
        for one, flat in zip(learnt.values(), near.weights, strict=True):
            one.weights = one.best = unstack(flat.reshape(q, k), one.weights)
        return True

    def _by_newton(self, learnt: Mapping[int, _Fold], rows: RowsInMemory, size: int) -> StackedFits:
        """Newton steps of all folds of a small table."""
        each = [np.isin(rows.fold, one.training_folds) * rows.apart.each for one in learnt.values()]
        stacked = StackedRows(rows.apart, np.array(each), self.path[-1], self.model.intercept)
        start = np.array([stack(one.weights).ravel() for one in learnt.values()])
        unknown = np.full(start.shape[1] // size, np.nan)

        def curved(weights: Array) -> tuple[Array, Array, Array]:
            averages = []
            for one, flat, *sums in zip(
                learnt.values(), weights, *stacked.sums(weights), strict=True
            ):
                loss, slope, hessian = sums
                own, named = (
                    unstack(array.reshape(size, -1), one.weights) for array in (flat, slope)
                )
                plain = Comparison(1.0, unknown, unknown, float(loss), named, hessian)
                averages.append(self._average(plain, own, one.frozen))
            slopes = np.array([stack(one.weight_delta).ravel() for one in averages])
            hessians = np.array([one.hessian for one in averages])
            return np.array([one.loss for one in averages]), slopes, hessians

        rows.passes += 1
        steep = np.abs(curved(start)[1]).max(axis=1, initial=0.0)
        return NewtonStack(curved, size, steep, STEPS, SETTLED_BY_NEWTON).run(start)

    def _by_metrics(
        self, learnt: Mapping[int, _Fold], comparisons: Mapping[int, Comparison], size: int
    ) -> StackedFits | None:
        """Steps by gradients alone, beside the folds' Hessians at the weights of all rows."""
        hessians = []
        for one in learnt.values():
            training = reduce(add, (comparisons[fold] for fold in one.training_folds))
            hessian = self._average(training, one.weights, one.frozen).hessian
            if not isinstance(hessian, np.ndarray) or not np.isfinite(hessian).all():
                return None
            hessians.append(hessian)
        metrics = FitMetrics.of(np.array(hessians), size)
        if metrics is None:
            return None
        start = np.array([stack(one.weights).ravel() for one in learnt.values()])
        slopes, passed = np.zeros_like(start), self._gradients(learnt, self.path[-1])

        def gradients(weights: Array, fits: NDArray[np.intp]) -> tuple[Array, Array]:
            losses, slopes[fits] = passed(weights, fits)
            return losses, slopes[fits]

        near = LbfgsStack(gradients, metrics, (), STEPS_BY_METRICS, SETTLED_BY_METRICS).run(start)
        # The gradient is known there, so another step costs nothing.
        return replace(near, weights=near.weights - metrics(slopes))

    def _by_gradients(self, learnt: Mapping[int, _Fold], learner: Lbfgs) -> dict[int, Weights]:
        """The weights of all folds, side by side, one pass per step; they are kept as the best."""
        like, all_of_them = next(iter(learnt.values())).weights, np.ones(len(learnt), dtype=bool)
        classes = self._class_rows(learnt)
        for loss in self.path:
            start = np.array([stack(one.weights).ravel() for one in learnt.values()])
            many = (len(learnt), 1)
            pairs = [
                stacked_pair(np.tile(one.step, many), np.tile(one.change, many), all_of_them)
                for one in learner.pairs
            ]
            objective = self._gradients(learnt, loss)
            metric: Preconditioner | None = learner.metric
            if classes is not None:
                ridge = self._ridge(like)
                frozen = [_held(one.frozen, like) for one in learnt.values()]
                objective = with_ridge(classes.gradients, ridge.ravel(), np.array(frozen))
                metric = class_metric(classes, start[0], ridge[:, 0]) or metric
            fits = LbfgsStack(
                objective,
                metric,
                pairs,
                steps=STEPS_OF_GRADIENTS,
                tolerance=SETTLED_BY_GRADIENTS,
                rounded=classes is not None,
            ).run(start)
            if isinstance(self.rows, RowsInMemory) and classes is not None:
                self.rows.passes += fits.steps
            for one, flat in zip(learnt.values(), fits.weights, strict=True):
                one.weights = one.best = unstack(flat.reshape(stack(like).shape), like)
        return self._best(learnt)

    def _best(self, learnt: Mapping[int, _Fold]) -> dict[int, Weights]:
        """Each fold's best weights."""
        return {fold: one.best for fold, one in learnt.items()}

    def _class_rows(self, learnt: Mapping[int, _Fold]) -> ClassRows | None:
        """The rows of classes in single precision, where they are in memory."""
        if not isinstance(self.rows, RowsInMemory) or self.path[0].kind != "classes":
            return None
        training_folds = [one.training_folds for one in learnt.values()]
        return self.rows.class_rows(training_folds, intercept=self.problem.intercept)

    def _ridge(self, like: Weights) -> Array:
        """The ridge of each weight: (q, k)."""
        ones = {name: np.ones_like(array) for name, array in like.items()}
        none = {name: np.zeros_like(array) for name, array in like.items()}
        nothing = Comparison(1.0, np.zeros(1), np.zeros(1), 0.0, none)
        return stack(self.penalised(FoldOptimum(nothing))(ones).weight_delta)

    def _gradients(self, learnt: Mapping[int, _Fold], loss: Loss) -> Gradients:
        """Mean losses and gradients of the folds' training rows, penalties included, by a pass."""
        folds, like = list(learnt), next(iter(learnt.values())).weights

        def gradients(weights: Array, fits: NDArray[np.intp]) -> tuple[Array, Array]:
            named = [unstack(one.reshape(stack(like).shape), like) for one in weights]
            own = {folds[fit]: one for fit, one in zip(fits, named, strict=True)}
            training_folds = {fold: learnt[fold].training_folds for fold in own}
            errors = HeldOutErrors(self.model, self.path[-1], own)
            question = CompareTraining(loss, training_folds, errors, hessian=False)
            by_fold = self.rows.total(question, by_fold=True).comparisons
            every = [self._average(by_fold[f], w, learnt[f].frozen) for f, w in own.items()]
            slopes = np.array([stack(one.weight_delta).ravel() for one in every])
            return np.array([one.loss for one in every]), slopes

        return gradients

    def _ask(self, loss: Loss, learnt: Mapping[int, _Fold]) -> TrainingSums:
        """One pass: comparisons of training rows for all folds that have not converged."""
        every = {fold: one.weights for fold, one in learnt.items()}
        open_ = {fold: one.training_folds for fold, one in learnt.items() if not one.settled}
        errors = HeldOutErrors(self.model, self.path[-1], every)
        return self.rows.total(CompareTraining(loss, open_, errors), by_fold=True)


def _held(frozen: Mapping[str, Mask] | None, like: Weights) -> Mask:
    """Which of the stacked weights are held: (d,)."""
    if frozen is None:
        return np.zeros(stack(like).size, dtype=bool)
    return stack(frozen).ravel()


def _move(
    learner: Learner,
    one: _Fold,
    compared: Comparison,
    errors: Array | None,
    *,
    first: bool,
) -> None:
    """Take a step, unless its predicted decrease is below the tolerance."""
    if first or compared.loss <= one.least:
        one.least, one.errors, one.best = compared.loss, errors, one.weights
    stepped, state = learner.step(one.weights, compared, one.state)
    fresh = isinstance(state, Taken) and state.share == 1
    promised = _promised(one.weights, compared, learner, state.direction if fresh else None)
    one.at_start = promised if first else one.at_start
    one.settled = promised <= SETTLED * one.at_start
    if one.settled:
        one.errors, one.best = errors, one.weights
    else:
        one.weights, one.state = stepped, state


def _promised(
    weights: Weights, compared: Comparison, learner: Learner, direction: Weights | None
) -> float:
    """The directional derivative of the loss along the Newton step, or along `direction`."""
    if direction is None:
        newton = learner if isinstance(learner, ProximalNewton) else Newton()
        direction = newton.step(weights, compared, None)[1].direction
    promised = float(sum(np.sum(g * direction[n]) for n, g in compared.weight_delta.items()))
    if isinstance(learner, ProximalNewton):
        there = {name: array - direction[name] for name, array in weights.items()}
        promised += learner.penalty.shrunk_by(weights) - learner.penalty.shrunk_by(there)
    return promised


def steady(comparisons: Mapping[int, Comparison]) -> bool:
    """Whether every fold's Hessian, averaged over its rows, is near that of all rows."""
    whole = reduce(add, comparisons.values()).average().hessian
    if whole is None:
        return False
    if one_hot(whole) is None and not np.isfinite(whole).all():
        return False
    for one in comparisons.values():
        own = one.average().hessian
        assert own is not None, "what was found has curvature"
        levels, all_levels = one_hot(own), one_hot(whole)
        if levels is not None and all_levels is not None:
            if not one_hot_steady(levels, all_levels, STEADY):
                return False
            continue
        from scipy.linalg import LinAlgError, eigh

        for block, of_all in zip(own, whole, strict=True):
            # The diagonal bounds the eigenvalues: a cheap test first.
            if np.any(np.abs(np.diag(block - of_all)) > STEADY * np.diag(of_all)):
                return False
            try:
                pair = finite(block - of_all), finite(of_all)
                apart = eigh(*pair, eigvals_only=True, check_finite=False)
            except LinAlgError:
                return False  # the Hessian is singular
            if np.max(np.abs(apart)) > STEADY:
                return False
    return True
