"""Fits of classes in memory: nearly all steps in single precision, the last ones in double.

L-BFGS in single precision ends near the optimum, from where Newton's method goes on: gradients in
double precision, and its linear systems by conjugate gradients whose products with the Hessian are
in single precision, as a step needs only some digits (iterative refinement). Of 20,000 rows, 16
inputs and 26 classes three gradients in double precision then do for eighty.

Shapes: q inputs with the intercept, k classes, d = q * k weights
Source:  Nocedal & Wright 2006, algorithm 7.1
"""

from collections.abc import Callable

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.engines.class_rows import ClassRows
from deltarule.engines.local import RowsInMemory
from deltarule.fit.problem import FitProblem
from deltarule.fit.ridge_walk import class_metric
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.learn import Learner
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import largest
from deltarule.solvers.lbfgs import Lbfgs
from deltarule.solvers.lbfgs_stack import LbfgsStack, Preconditioner, with_ridge

# The share of the first gradient at which Newton's method goes on, and its steps at most.
NEAR, STEPS, NEWTON_STEPS = 1e-4, 100, 4
# The share of a gradient that a Newton step leaves, at the least, and the products it may take.
LEFT, PRODUCTS = 1e-5, 60
# Newton steps aim at this share of the tolerance, so that how rows were rounded shows less than
# that: scikit-learn wants the same scores to 1e-9 of rows repeated and rows weighed.
MARGIN = 1e-2
# Steps without a ridge after which separation is looked for.
UNHELD = 8


@dataclass(frozen=True)
class ClassFit:
    """The problem of classes in memory, with all rows for one fit."""

    problem: FitProblem
    rows: ClassRows

    @classmethod
    def of(cls, problem: FitProblem, learner: Learner) -> "ClassFit | None":
        """None for other losses, learners and rows than it is made for."""
        rows = problem.rows
        if not isinstance(learner, Lbfgs) or problem.loss.kind != "classes" or problem.kinks:
            return None
        if not isinstance(rows, RowsInMemory) or problem.batches is not None:
            return None
        found = rows.class_rows([rows.all_folds], intercept=problem.model.intercept)
        return None if found is None else cls(problem, found)

    def near_optimum(self, tolerance: float) -> "NearOptimum | None":
        """Weights whose gradient is below the tolerance, if all goes well; None if nothing does.

        The tolerance is relative to the largest gradient at the problem's own start.
        """
        first = self.problem.first()
        steep = largest(self._gradient(first))
        start = first if self.problem.near is None else self.problem.near
        if self.problem.frozen is not None:
            start = {n: np.where(self.problem.frozen[n], first[n], a) for n, a in start.items()}
        flat, metric = stack(start).ravel(), self._metric(stack(start).ravel())
        fits = LbfgsStack(
            self._objective(self._ridge),
            metric,
            steps=STEPS,
            tolerance=max(NEAR, tolerance),
            steep=np.array([steep]),
            rounded=True,
        ).run(flat[None])
        assert isinstance(self.problem.rows, RowsInMemory), "as `of` has seen"
        self.problem.rows.passes += fits.steps
        if not fits.settled.all():
            return None
        weights = best = fits.weights[0]
        least = np.inf
        for _ in range(NEWTON_STEPS):
            gradient = stack(self._gradient(self._named(weights))).ravel()
            size = float(np.abs(gradient).max(initial=0.0))
            if not size < least:
                break  # far from an optimum, as where classes are told apart, or at rounding
            best, least = weights, size
            if size <= tolerance * steep:
                break
            weights = weights - self._newton_step(
                weights, gradient, metric, max(LEFT, MARGIN * tolerance * steep / size)
            )
        if self.problem.frozen is None:
            # What moves all classes alike, which no gradient tells, is rounding.
            moved = (best - stack(first).ravel()).reshape(stack(first).shape)
            best = best - np.repeat(moved.mean(axis=1), moved.shape[1])
        return NearOptimum(self._named(best), steep)

    def without_ridge(self, weights: Weights) -> Weights:
        """The weights after some more steps without the ridge."""
        flat = stack(weights).ravel()
        fits = LbfgsStack(
            self._objective(np.zeros_like(self._ridge)),
            self._metric(flat),
            steps=UNHELD,
            tolerance=0.0,
            rounded=True,
        ).run(flat[None])
        return self._named(fits.weights[0])

    @property
    def _ridge(self) -> Array:
        """The ridge of each of an output's weights: (q,)."""
        first, penalty = self.problem.first(), self.problem.penalty
        return np.zeros(len(stack(first))) if penalty is None else penalty.hessian(first)

    def _metric(self, weights: Array) -> Preconditioner | None:
        learner = self.problem.learner
        own = class_metric(self.rows, weights, self._ridge)
        return own or (learner.metric if isinstance(learner, Lbfgs) else None)

    def _objective(self, ridge: Array) -> Callable[..., tuple[Array, Array]]:
        frozen, k = self.problem.frozen, len(self.problem.guess)
        more = np.repeat(ridge, k)
        held = np.zeros(len(more), dtype=bool) if frozen is None else stack(frozen).ravel()
        return with_ridge(self.rows.gradients, more, held[None])

    def _gradient(self, weights: Weights) -> Weights:
        """The average gradient in double precision."""
        found = self.problem.objective(weights)
        frozen = self.problem.frozen
        return (found if frozen is None else found.freeze(frozen)).average().weight_delta

    def _newton_step(
        self, weights: Array, gradient: Array, metric: Preconditioner | None, left: float
    ) -> Array:
        """inv(hessian) @ gradient by conjugate gradients, up to this share of the gradient."""
        product = self.rows.products(weights)
        ridge = np.repeat(self._ridge, len(self.problem.guess))
        still = gradient == 0
        found, rest = np.zeros_like(gradient), gradient.copy()
        near = rest if metric is None else metric(rest)
        way, bent = np.where(still, 0.0, near), 0.0
        slope = float(rest @ way)
        small = left * float(np.abs(gradient).max())
        for _ in range(PRODUCTS):
            turned = np.where(still, 0.0, product(way) + ridge * way)
            bent = float(way @ turned)
            if not bent > 0:
                break
            found += slope / bent * way
            rest -= slope / bent * turned
            if np.abs(rest).max() <= small:
                break
            near = np.where(still, 0.0, rest if metric is None else metric(rest))
            before, slope = slope, float(rest @ near)
            way = near + slope / before * way
        return found

    def _named(self, flat: Array) -> Weights:
        first = self.problem.first()
        return unstack(flat.reshape(stack(first).shape), first)


@dataclass(frozen=True)
class NearOptimum:
    """Weights near the optimum, and the largest gradient at the usual start."""

    weights: Weights
    steep: float
