"""Newton walk: the weights of all folds along a path of ridges, with one Hessian for each fold.

All rows are fitted first, and their Hessian comes by fold. Less the share of the rows held out it
is the metric of a fold's steps: of these the gradients alone have to be exact, and those of all
folds come side by side from one pass over the rows. Of a small table all folds take Newton steps,
whose Hessians come side by side.

Shapes: m folds that are held out, d weights of each, (q, k) flattened; n rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.batch import Batch, ByFold
from deltarule.engines.held_out_questions import gradients_of
from deltarule.engines.questions import FoldOptimum
from deltarule.engines.stacked_rows import StackedRows
from deltarule.losses.loss import Loss
from deltarule.moments.design_matrix import SplitMatrix
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.solvers.fit_metrics import FitMetrics
from deltarule.solvers.lbfgs_stack import LbfgsStack, StackedFits
from deltarule.solvers.newton import Newton
from deltarule.solvers.newton_stack import NewtonStack
from deltarule.solvers.penalty import Lasso, Penalised, Ridge

# Converged when this share of the gradient that a change of the ridge leaves is left.
LEFT = 1e-5
# All rows are what folds begin at: this near suffices, in so many steps.
NEAR, STEPS = 1e-2, 10
# Folds that would take more passes are fitted one by one.
PASSES = 10
# The same for Newton steps of all folds, which a small table affords.
LEFT_OF_NEWTON, STEPS_EACH = 1e-3, 30
# Numbers of all folds' Hessians at most: 64 MB.
CELLS = 8_000_000


@dataclass(frozen=True)
class WalkedFit:
    """A fold's weights, the gradient that convergence refers to, and whether they converged."""

    weights: Weights
    steep: float
    settled: bool


@dataclass
class NewtonWalk:
    """Rows by fold, the folds that each is learnt from, and the weights at the last ridge.

    `frozen` masks each fold's weights, `frozen_of_all` those of all rows.
    """

    folds: Mapping[int, Batch]
    training_folds: Mapping[int, Sequence[int]]
    frozen: Sequence[Mapping[str, Mask] | None]
    frozen_of_all: Mapping[str, Mask] | None
    model: Linear
    loss: Loss
    first: Weights

    def __post_init__(self) -> None:
        self._at = self.first
        self._known = [self.first] * len(self.training_folds)
        self._before: Array | None = None
        q, k = stack(self.first).shape
        self._few = StackedRows.suits(len(self._rows), q, k, self.loss)
        self._sums = ByFold[Comparison]() if self._few else self._by_fold(self.first)

    @classmethod
    def suits(cls, folds: Mapping[int, Batch], first: Weights, *, coupled: bool) -> bool:
        """Whether the folds' Hessians are dense matrices, and small enough."""
        q, k = stack(first).shape
        size = (q * k) ** 2 if coupled else k * q**2
        many = any(
            isinstance(one.inputs, SplitMatrix) and one.inputs.many for one in folds.values()
        )
        return not many and len(folds) * size <= CELLS

    def learnt(self, penalty: Lasso | Ridge) -> list[WalkedFit]:
        """Each fold's weights with a ridge; ridges are to come from the strongest on."""
        k = stack(self.first).shape[1]
        more = np.repeat(penalty.hessian(self.first), k)
        steep = self._steep(more)
        fits = self._by_newton(more, steep) if self._few else self._by_gradients(penalty, steep)
        self._before = more
        # Beside a weight without a ridge training rows may not tell where it was begun at.
        sure = fits.settled | np.all(more[: self.first["weight"].size] > 0)
        sure &= np.isfinite(fits.weights).all(axis=1)
        return [
            WalkedFit(self._named(flat) if known else before, float(size), bool(done and known))
            for flat, known, done, before, size in zip(
                fits.weights, sure.tolist(), fits.settled, self._known, steep, strict=True
            )
        ]

    def _by_newton(self, more: Array, steep: Array) -> StackedFits:
        """Newton steps of all folds from the weights at the last ridge."""
        q, k = stack(self.first).shape
        held, any_held = self._held, self._held.any()
        blocked = held.reshape(-1, q, k).transpose(0, 2, 1)
        blocks = k if self.loss.kind == "classes" else 1
        diagonal = np.tile(more.reshape(q, k)[:, 0], blocks)

        def curved(weights: Array) -> tuple[Array, Array, Array]:
            losses, gradient, hessian = self._stacked.sums(weights)
            m, b, s, _ = hessian.shape
            ridge = np.einsum("mbss->mbs", hessian)
            ridge += diagonal
            gradient = gradient + more * weights
            if any_held:
                gradient[held] = 0.0
                still = blocked.reshape(m, b, s)
                crossed = still[..., :, None] | still[..., None, :]
                hessian = np.where(crossed, np.eye(s), hessian)
            return losses + weights**2 @ more / 2, gradient, hessian

        start = np.array([stack(one).ravel() for one in self._known])
        return NewtonStack(curved, q, steep, STEPS_EACH, LEFT_OF_NEWTON).run(start)

    def _by_gradients(self, penalty: Lasso | Ridge, steep: Array) -> StackedFits:
        """Steps by gradients from the weights of all rows, with their Hessian less the fold's."""
        self._settle_all(penalty)
        every = [self._training(fit, penalty) for fit in range(len(self.training_folds))]
        here, held = stack(self._at).ravel(), self._held
        start = np.where(held, stack(self.first).ravel(), here)
        hessians = [one.hessian for one in every]
        known = all(one is not None and np.isfinite(one).all() for one in hessians)
        size = len(stack(self.first))
        metrics = FitMetrics.of(np.array(hessians), size) if known else None
        if metrics is None:
            return StackedFits(start, np.zeros(len(start), dtype=bool), (), 0)
        more = np.repeat(penalty.hessian(self.first), stack(self.first).shape[1])
        if (start == here).all():
            start = start - metrics(np.array([_flat(one) for one in every]))
        slopes = np.zeros_like(start)

        def gradients(weights: Array, fits: NDArray[np.intp]) -> tuple[Array, Array]:
            losses, found = self._gradients(weights, fits)
            found += more * weights
            found[held[fits]] = 0.0
            slopes[fits] = found
            return losses + weights**2 @ more / 2, found

        found = LbfgsStack(gradients, metrics, (), PASSES, LEFT, steep).run(start)
        # The gradient is known there, so another step costs nothing.
        last = np.where(found.settled[:, None], found.weights - metrics(slopes), found.weights)
        return replace(found, weights=last)

    def know(self, learnt: Sequence[Weights]) -> None:
        """The folds' weights at the last ridge, some of them from fits of their own."""
        self._known = list(learnt)

    def _steep(self, more: Array) -> Array:
        """The gradient that convergence refers to: what another ridge makes of none, (m,)."""
        known = np.array([stack(one).ravel() for one in self._known])
        if self._before is None:
            fits = np.arange(len(known))
            found = np.where(self._held, 0.0, self._gradients(known, fits)[1] + more * known)
        else:
            found = (more - self._before) * known
        steep: Array = np.abs(found).max(axis=1, initial=0.0)
        return steep

    def _settle_all(self, penalty: Lasso | Ridge) -> None:
        """Newton steps of all rows, until little of the first gradient is left."""
        learner, state, small = Newton(), None, np.inf
        for number in range(STEPS):
            comparison = _average(reduce(add, self._sums.values()), self._at, penalty)
            comparison = (
                comparison if self.frozen_of_all is None else comparison.freeze(self.frozen_of_all)
            )
            size = float(np.abs(_flat(comparison)).max(initial=0.0))
            if number == 0:
                small = NEAR * size
            elif size <= small:
                return
            assert comparison.hessian is not None, "rows are asked for it"
            if not np.isfinite(comparison.hessian).all():
                return
            self._at, state = learner.step(self._at, comparison, state)
            self._sums = self._by_fold(self._at)

    def _training(self, fit: int, penalty: Lasso | Ridge) -> Comparison:
        """The average of a fold's training rows at the weights of all rows."""
        learnt = list(self.training_folds.values())[fit]
        comparison = _average(reduce(add, (self._sums[one] for one in learnt)), self._at, penalty)
        frozen = self.frozen[fit]
        return comparison if frozen is None else comparison.freeze(frozen)

    def _by_fold(self, weights: Weights) -> ByFold[Comparison]:
        """The comparisons of each fold's rows with these weights."""
        rows = self._rows
        return rows.sum_by_fold(rows.compare(self.model, self.loss, weights))

    def _gradients(self, weights: Array, fits: NDArray[np.intp]) -> tuple[Array, Array]:
        """The mean losses of some folds' training rows (a,), and their gradients (a, d)."""
        named = [self._named(one) for one in weights]
        found = gradients_of(self._rows, self.model, self.loss, named, self._each[fits])
        rows = np.array([one.rows for one in found])
        losses, gradient = np.array([one.loss for one in found]), np.array(list(map(_flat, found)))
        return losses / rows, gradient / rows[:, None]

    @cached_property
    def _rows(self) -> Batch:
        """All rows, sorted by fold."""
        ends = np.cumsum([len(rows) for rows in self.folds.values()]).tolist()
        starts = [0, *ends[:-1]]
        spans = {of: slice(*ends) for of, *ends in zip(self.folds, starts, ends, strict=True)}
        whole = Batch.joined(list(self.folds.values()))
        # Output by output, as losses go through them.
        return replace(whole, targets=np.asfortranarray(whole.targets), folds=spans)

    @cached_property
    def _stacked(self) -> StackedRows:
        """All rows with the weights that each fold gives them."""
        return StackedRows(self._rows, self._each, self.loss, self.model.intercept)

    @cached_property
    def _each(self) -> Array:
        """The weight of each row where a fold learns from it, else 0: (m, n)."""
        every = np.zeros((len(self.training_folds), len(self._rows)))
        for into, training_folds in zip(every, self.training_folds.values(), strict=True):
            for fold in training_folds:
                span = self._rows.folds[fold]
                into[span] = self._rows.each[span]
        return every

    @cached_property
    def _held(self) -> Mask:
        """Each fold's frozen weights: (m, d)."""
        none = np.zeros(stack(self.first).size, dtype=bool)
        return np.array([none if one is None else stack(one).ravel() for one in self.frozen])

    def _named(self, flat: Array) -> Weights:
        return unstack(flat.reshape(stack(self.first).shape), self.first)


def _average(sums: Comparison, weights: Weights, penalty: Lasso | Ridge) -> Comparison:
    return Penalised(FoldOptimum(sums), penalty)(weights, hessian=True).average()


def _flat(comparison: Comparison) -> Array:
    return stack(comparison.weight_delta).ravel()
