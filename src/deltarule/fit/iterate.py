"""Iterate: training by descent, Newton and other learners on a `FitProblem`."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice

import numpy as np

from deltarule.engines.cached_objective import CachedObjective
from deltarule.errors import DivergedError, LearningError
from deltarule.fit.convergence import Convergence, gradient_left, way_left
from deltarule.fit.default_learner import found, found_for_batches, given, steady
from deltarule.fit.penalized_least_squares import best as best_of
from deltarule.fit.penalties import Choice
from deltarule.fit.problem import FitProblem
from deltarule.fit.separation import Separation, vanished
from deltarule.fit.traced_rows import TracedRows
from deltarule.fit.warm_start import begin
from deltarule.moments.moments import total
from deltarule.rule.compare import Objective
from deltarule.rule.learn import Learner
from deltarule.rule.predict import Mask, Weights
from deltarule.rule.train import ROUNDING, Step, Stop, ask, largest, train
from deltarule.solvers.lbfgs import Recent
from deltarule.solvers.minibatch import Batches, train_in_epochs
from deltarule.solvers.proximal import proximal
from deltarule.trace.ledger import Ledger
from deltarule.trace.loss_history import LossHistory

# Steps of gradients alone after which separation is looked for, and the last of them where a ridge
# holds the weights in any case.
LOOKS, UNHELD = frozenset(2**power for power in range(3, 14)), 16


class Iteration:
    """A run of learning steps on a problem, each shown with weights in the inputs' own units."""

    def __init__(self, task: FitProblem) -> None:
        self.task = task
        self.tolerance = self._tolerance()
        learner = self._learner()
        self.learner = proximal(learner, task.kinks) if task.kinks else learner
        self.last: Step | None = None
        self.course = LossHistory()
        self.runaway: Separation | None = None
        self.sampled = 0
        self.steep: float | None = None
        self.looking: CachedObjective | None = None
        self.ended: Weights | None = None
        self.recent = Recent()

    def _learner(self) -> Learner:
        if self.task.settings.alpha is not None or self.task.settings.second_order:
            return given(self.task.settings)
        start = self.task.objective(self.task.first(), hessian=True).average()
        if self.task.batches is None:
            return found(self.task.settings, start)
        return found_for_batches(
            self.task.settings, start, self.task.rowwise(), size=self.task.batches.size
        )

    def _tolerance(self) -> float:
        """The tolerance, relative to the largest gradient at the start.

        From a start far off, where the gradient is huge, it is relative to the gradient at zero
        weights: relative to the start's, everything would seem converged.

        Errors:  LearningError when the start is too far off for any number
        """
        first = self.task.first()
        squared = self.task.squared
        if squared or not any(array.any() for array in self.task.start.values()):
            return self.task.settings.tolerance
        none = {n: np.zeros_like(array) for n, array in first.items()}
        if "intercept" in none:
            none["intercept"] = self.task.mean_score()
        if self.task.frozen is not None:
            none = {n: np.where(self.task.frozen[n], first[n], array) for n, array in none.items()}
        with np.errstate(all="ignore"):
            steep, usual = (
                max(float(np.max(np.abs(g), initial=0.0)) for g in found.weight_delta.values())
                for found in (self.task.objective(first), self.task.objective(none))
            )
        if not np.isfinite(steep):
            raise LearningError("the loss is not finite where learning starts: start nearer to 0")
        share = usual / steep if 0 < usual < steep else 1.0
        return self.task.settings.tolerance * share

    def steps(self) -> Iterator[Step]:
        """The steps, with weights in the inputs' own units."""
        self.course = LossHistory()
        scale = self.task.loss.error_scale
        for step in (replace(one, error_scale=scale) for one in self.taken()):
            if self.task.settings.second_order and not self.learner.needs_hessian:
                self.recent.add(step.before, step.comparison.weight_delta)
            self.course.add(step.number, step.error)
            own = self.step_in_own_units(step)
            if step.stopped:
                self.ended = step.before
                own = replace(own, stopped=self._said(step.stopped, own))
            self.last = own
            shown = self._shown(own)
            if self.task.settings.on_step is not None:
                self.task.settings.on_step(self.ledger.line(shown))
            yield shown

    @cached_property
    def ledger(self) -> Ledger:
        """The log of the steps."""
        schema = self.task.read.schema
        return Ledger(schema.outputs, schema.inputs, batches=self.task.batches is not None)

    def _shown(self, own: Step) -> Step:
        """The step with weights of inputs that are measured from zero."""
        moved = None if own.moved is None else self.task.shown(own.moved)
        before, weights = self.task.shown(own.before), self.task.shown(own.weights)
        return replace(own, before=before, weights=weights, moved=moved)

    def step_in_own_units(self, step: Step) -> Step:
        """The step as users see it: weights in the inputs' own units, and the traced rows."""
        before, weights = self.task.own(step.before), self.task.own(step.weights)
        own = replace(step, before=before, weights=weights, moved=self._moved(step))
        if self.chosen is None:
            return own
        return replace(own, chosen=self.chosen.at(self.task.model, self.task.loss, before))

    def _moved(self, step: Step) -> Weights | None:
        """alpha * weight_delta in the inputs' own units."""
        if step.alpha is None:
            return None
        # Diverged weights overflow; that is to be shown.
        with np.errstate(all="ignore"):
            moved = {n: step.alpha * g for n, g in step.comparison.weight_delta.items()}
            return self.task.standard.out(moved)

    @cached_property
    def chosen(self) -> TracedRows | None:
        """The rows traced at each step. Errors: LearningError for rows not learnt from."""
        numbers = self.task.settings.trace_rows
        return TracedRows.of(self.task.read, numbers) if numbers else None

    def taken(self) -> Iterator[Step]:
        """The steps, with weights in the units of the steps."""
        if self.task.rounds is None or not self.task.settings.needs_hessian:
            yield from self._stayed()
            return
        most = self.task.settings.most_steps
        for step in self.task.rounds.train(
            self.task.first(), steps=most, tolerance=self.tolerance, frozen=self.task.frozen
        ):
            self.task.check_spread(self.task.rounds.losses)
            self.task.losses = self.task.rounds.losses
            yield step

    def _plain(self) -> Iterator[Step]:
        """The steps with the current penalty."""
        return self._begun() or self.train(
            self.task.objective, self.task.first(), self.task.frozen, self.task.batches
        )

    def _begun(self) -> Iterator[Step] | None:
        """The steps from a warm start on a sample; None where there is none, or it misleads.

        The warm start is dropped if the first step from it raises the loss.
        """
        begun = begin(self.task)
        if begun is None:
            return None
        # Newton converges quadratically. Collecting metrics for nothing costs half as much as not
        # collecting them in the last pass.
        near = 2 * float(np.sqrt(self.tolerance)) * begun.steep
        self.looking = self.task.looking(self.task.losses, near)
        objective = self.task.penalised(self.looking)
        steps = self.train(objective, begun.weights, None, steep=begun.steep)
        shown = list(islice(steps, 2))
        if len(shown) > 1 and not shown[1].comparison.loss <= shown[0].comparison.loss:
            return None
        self.sampled, self.steep = begun.sampled, begun.steep
        return chain(shown, steps)

    def _stayed(self) -> Iterator[Step]:
        """The steps; with separation, then those with a ridge that keeps the weights finite.

        Errors:  DivergedError for separation where there is to be no ridge
        """
        newton = self.task.settings.second_order and not self.task.squared
        if not newton or self.task.penalties.hold_all(self.task.choice):
            if newton and self.task.penalties.ridge.auto and self.task.choice.ridge:
                self.runaway = self._unheld()
            yield from self._plain()
            return
        start = None
        for step in self._plain():
            start = start or step
            if self.runaway is None and self._arrived(step, start):
                self.runaway = self._away(step)
                if self.runaway is not None:
                    break
            yield step
        else:
            return
        if not self.task.penalties.ridge.auto:
            raise DivergedError(
                f"{self.task.read.source.name}: {self.runaway}: give a ridge, such as --ridge "
                "0.01, or leave them out"
            )
        yield replace(step, stopped=None)
        self._hold(replace(self.task.choice, ridge=1 / self.task.problem.rows))
        for more in self._plain():
            ridge = f"{self.task.choice.ridge:.3g}"
            words = f"after {step.number} steps that ran away, with a ridge of {ridge}"
            stopped = more.stopped
            if stopped is not None:
                stopped = replace(stopped, words=f"{words}: {stopped.words}")
            yield replace(more, number=step.number + more.number, stopped=stopped)

    def _arrived(self, step: Step, start: Step) -> bool:
        """Whether a step is the last, or would be but for a tolerance near zero.

        With separation steps would go on until the whole Hessian is rounding. Of steps by
        gradients alone, which go on for long, some on the way: to look costs a pass.
        """
        if step.stopped is not None and step.stopped.reason != "steps":
            return True
        if self.learner.needs_hessian:
            return vanished(step, start)
        return step.number in LOOKS

    def _unheld(self) -> Separation | None:
        """Separation that would occur had cross-validation not chosen a ridge."""
        chosen, start, found = self.task.choice, None, None
        self._hold(replace(chosen, ridge=0.0))
        for step in self._plain():
            start = start or step
            if self._arrived(step, start):
                found = self._away(step)
                if found is not None or self.learner.needs_hessian or step.number == UNHELD:
                    break
        self._hold(chosen)
        return found

    def _hold(self, choice: Choice) -> None:
        """Use these penalty strengths from now on."""
        self.task.take(choice)
        learner = given(self.task.settings)
        self.learner = proximal(learner, self.task.kinks) if self.task.kinks else learner

    def _away(self, step: Step) -> Separation | None:
        """The separation that steps show, if any: Newton's last one, or weights to scale up."""
        assert self.task.rows is not None, "losses other than squared need rows"
        way = step.weights
        if self.learner.needs_hessian:
            way = {name: array - step.before[name] for name, array in way.items()}
        return Separation.along(
            way,
            weights=step.weights,
            rows=self.task.rows,
            model=self.task.model,
            loss=self.task.loss,
            inputs=self.task.read.schema.inputs,
        )

    def train(
        self,
        objective: Objective,
        first: Weights,
        frozen: Mapping[str, Mask] | None,
        batches: Batches | None = None,
        steep: float | None = None,
    ) -> Iterator[Step]:
        settings = self.task.settings
        if batches is None:
            return train(
                first,
                objective,
                self.learner,
                steps=settings.most_steps,
                tolerance=self.tolerance,
                frozen=frozen,
                remaining=None if self.task.kinks is None else self.task.kinks.left,
                steep=steep,
                rounding=0.0 if self.task.squared or not self.tolerance else ROUNDING,
            )
        return train_in_epochs(
            first,
            batches,
            self.learner,
            whole=objective,
            steps=settings.steps,
            epochs=settings.epochs,
            tolerance=self.tolerance,
            frozen=frozen,
        )

    def _said(self, stopped: Stop, step: Step) -> Stop:
        """The stop with details from the table: the column to blame, the distance left."""
        words = stopped.words
        if stopped.reason == "diverging" and self.task.settings.alpha is not None:
            if self.task.batches is not None:
                words += f"; {self._steady():.6g} comes nearer on average"
            largest = int(np.argmax(self.task.problem.hessian()[0].diagonal()))
            inputs = self.task.read.schema.inputs
            blamed = inputs[largest][0] if largest < len(inputs) else "the intercept"
            words += f"; the scale of {blamed} sets that limit"
        elif stopped.reason in ("steps", "hovering"):
            near = self.convergence(step)
            if step.weights["weight"].size == 1 and self.best is not None:
                here, there = step.weights["weight"].item(), self.best["weight"].item()
                words += f": {replace(near, way=None).words}"
                words += f"; the weight is {here:.6g} on its way to {there:.6g}"
            elif near.words:
                words += f": {near.words}"
        return replace(stopped, words=words)

    def _steady(self) -> float:
        """A convergent alpha for plain descent on these batches."""
        assert self.task.batches is not None, "on all rows, curvature alone says it"
        start = self.task.objective(self.task.first(), hessian=True).average()
        return steady(start, self.task.rowwise(), size=self.task.batches.size)

    @cached_property
    def best(self) -> Weights | None:
        """The optimal weights under squared loss and penalty; None for other losses."""
        if not self.task.squared:
            return None
        return best_of(
            self.task.asked, total(self.task.read.folds), self.task.penalties, self.task.choice
        )

    def convergence(self, step: Step) -> Convergence:
        """How near the weights after this step are to the optimum.

        Of many rows it is those before the step, already evaluated: no extra pass.
        """
        if self.steep is not None:
            return Convergence(largest(step.comparison.weight_delta) / self.steep)
        with np.errstate(all="ignore"):
            first = self.task.first()
            here = self.task.standard.into(step.weights)
            now, start = (
                ask(weights, self.task.objective, self.learner, self.task.frozen).weight_delta
                for weights in (here, first)
            )
            now = now if self.task.kinks is None else self.task.kinks.left(here, now)
            gradient = gradient_left(now, start)
            if self.best is None:
                return Convergence(gradient)
            error, least = (
                2 * self.task.problem(one).average().loss for one in (step.weights, self.best)
            )
            start = self.task.standard.out(first)
            way = way_left(step.weights, self.best, start, self.task.problem.spread)
            return Convergence(gradient, error, least, way)
