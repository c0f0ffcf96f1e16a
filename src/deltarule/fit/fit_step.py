"""A learning step of a fit as data, and what a result needs of all of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.engines.cached_objective import CachedObjective
from deltarule.fit.problem import FitProblem
from deltarule.fit.separation import Separation
from deltarule.fit.traced_rows import TracedRows
from deltarule.fit.warm_start import WarmStart
from deltarule.losses.loss import Loss
from deltarule.losses.registry import together
from deltarule.rule.learn import Learner
from deltarule.rule.predict import Weights
from deltarule.rule.train import Step, Stop
from deltarule.solvers.lbfgs import Recent
from deltarule.trace.loss_history import LossHistory


@dataclass(frozen=True)
class FitStep:
    """A learning step and what it was taken with.

    `taken` is the step in the units of the steps. `problem` has the penalty, and `losses` are those
    of the round of smoothing. `warm` is the warm start that the steps began at, and `cached` the
    objective that holds the last pass. `separation` is what had earlier steps run away.
    """

    taken: Step
    problem: FitProblem
    learner: Learner
    losses: tuple[Loss, ...]
    warm: WarmStart | None = None
    cached: CachedObjective | None = None
    separation: Separation | None = None
    traced: TracedRows | None = None
    stopped: Stop | None = None
    """Why the steps ended, in the table's words."""

    @cached_property
    def own(self) -> Step:
        """The step with weights in the inputs' own units, and the traced rows."""
        own = self.problem.own
        before = own(self.taken.before)
        traced, model = self.traced, self.problem.model
        rows = () if traced is None else traced.at(model, together(self.losses), before)
        return replace(
            self.taken,
            before=before,
            weights=own(self.taken.weights),
            moved=self._moved(),
            chosen=rows,
            stopped=self.stopped,
            error_scale=self.problem.loss.error_scale,
        )

    def _moved(self) -> Weights | None:
        """alpha * weight_delta in the inputs' own units."""
        alpha = self.taken.alpha
        if alpha is None:
            return None
        # Diverged weights overflow; that is to be shown.
        with np.errstate(all="ignore"):
            moved = {n: alpha * g for n, g in self.taken.comparison.weight_delta.items()}
            return self.problem.standard.out(moved)

    @property
    def shown(self) -> Step:
        """The step as users see it: weights of inputs that are measured from zero."""
        own, shown = self.own, self.problem.shown
        moved = None if own.moved is None else shown(own.moved)
        return replace(own, before=shown(own.before), weights=shown(own.weights), moved=moved)


@dataclass(frozen=True)
class StepsTaken:
    """What a result needs of the steps: the last one, the loss on the way, the pairs of L-BFGS."""

    last: FitStep
    course: tuple[tuple[int, float], ...]
    recent: Recent

    @classmethod
    def of(
        cls,
        steps: Iterable[FitStep],
        *,
        show: Callable[[Iterator[Step]], object] | None = None,
    ) -> "StepsTaken":
        """Of steps as they pass; `show` is given them as users see them, and may leave the rest."""
        course, recent, last = LossHistory(), Recent(), None

        def passing() -> Iterator[FitStep]:
            nonlocal last
            for one in steps:
                step, problem = one.taken, one.problem
                if problem.settings.second_order and not one.learner.needs_hessian:
                    recent.add(step.before, step.comparison.weight_delta)
                course.add(step.number, problem.loss.error_scale * step.comparison.loss)
                last = one
                yield one

        coming = passing()
        if show is not None:
            show(one.shown for one in coming)
        for _ in coming:
            pass
        assert last is not None, "there is at least one step"
        return cls(last, tuple(course), recent)
