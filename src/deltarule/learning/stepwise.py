"""Learning in steps: descent, momentum or Newton, on moments or on rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice

import numpy as np
from threadpoolctl import threadpool_limits

from deltarule.errors import DivergedError, LearningError, TargetError
from deltarule.learning.batches import InBatches
from deltarule.learning.beginning import THINNED, learnt_from, steepest
from deltarule.learning.chosen import Chosen
from deltarule.learning.convergence import Convergence, gradient_left, way_left
from deltarule.learning.deviance import Fitting, own_alphas, separated, standard_errors
from deltarule.learning.exact import Certain, fits
from deltarule.learning.guessing import Guessing
from deltarule.learning.judge import Judge, Known
from deltarule.learning.looking import Looking, sum_of
from deltarule.learning.outcome import HeldOut, Outcome
from deltarule.learning.pacing import Rowwise, found, found_for_batches, given, steady
from deltarule.learning.passes import HELD_CELLS, Held, Passed, RowSource
from deltarule.learning.penalties import Choice, Penalties, proximal
from deltarule.learning.rounds import JUDGED, WATCHED, Adaptive, Rounds, best, narrowed
from deltarule.learning.runaway import Runaway, vanished
from deltarule.learning.sandwich import kind_of, robust_errors, slopes
from deltarule.learning.search import Search, for_all, sampled, searched
from deltarule.learning.settings import Settings
from deltarule.learning.sparse import best as best_of
from deltarule.learning.sparse import tried_on
from deltarule.learning.tried import Tried, earned
from deltarule.moments.inference import inverses
from deltarule.moments.moments import LeastSquares, total
from deltarule.moments.problem import Problem
from deltarule.moments.solve import ClosedDescent, Spectrum, guessing_error, solve
from deltarule.moments.standard import Standard
from deltarule.rule.compare import Objective
from deltarule.rule.course import Course
from deltarule.rule.epochs import Batches, train_in_epochs
from deltarule.rule.learn import Descent, Learner, alpha_range_of
from deltarule.rule.losses import Loss, loss_named, together
from deltarule.rule.pace import Settling
from deltarule.rule.penalty import Lasso, Penalised
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.rule.train import Step, Stop, ask, largest, train
from deltarule.saved import FitRecord
from deltarule.tables.reading import Read

# Residuals this small beside the targets are rounding.
MET = 1e-13
# Held-out folds are learnt again in as many steps as all rows took, if those are not more.
STEPS_AGAIN = 10_000


class Stepwise:
    """A run of steps: what is asked, in which units, and who answers."""

    def __init__(
        self,
        read: Read,
        settings: Settings,
        start: Weights,
        frozen: Mapping[str, Mask] | None,
        by_hand: int,
    ) -> None:
        self.read, self.settings, self.start, self.frozen = read, settings, start, frozen
        p, k = len(read.schema.inputs), len(read.schema.outputs)
        self.spans = list(read.schema.target_spans().values())
        self.asked = Problem(range(p), range(p, p + k), read.plan.asked.intercept, start, frozen)
        self.problem = self.asked.of(total(read.folds))
        self.model = Linear(intercept=read.plan.asked.intercept)
        self.rounds: Rounds | None = None
        self.guessing: Guessing | None = None
        self.losses: tuple[Loss, ...] = (loss_named(settings.losses[0]),) * len(self.spans)
        self.guess = self.problem.target_mean * self.problem.target_scale
        self.standard = self._standard()
        self.penalties = self._penalties()
        self.tried: Tried | None = None
        self._take(self.penalties.given)
        self._check_targets()
        self.rows = self._rows(by_hand)
        self.guessing = self._guessing()
        self.runaway: Runaway | None = None
        if isinstance(self.losses[0], Adaptive):
            self._check_kinks()
            self.rounds = self._rounds()
            self._measure(self.rounds)
        if self.penalties.auto:
            self._choose()
        self.objective = self._objective()
        self.batches = self._batches()
        self.tolerance = self._tolerance()
        learner = self._learner()
        self.learner = proximal(learner, self.kinks) if self.kinks else learner
        self.last: Step | None = None
        self.course = Course()
        self.sampled = 0
        self.steep: float | None = None
        self.looking: Looking | None = None
        self.ended: Weights | None = None

    def _standard(self) -> Standard:
        """The units that steps are taken in: with an explicit alpha, the inputs as they stand."""
        p = len(self.problem.mean)
        if self.settings.alpha is not None:
            return Standard(np.zeros(p), np.ones(p))
        # A frozen intercept means the one people see, so the inputs must keep their own zero.
        held = self.frozen is not None and bool(self.frozen.get("intercept", np.zeros(1)).any())
        return Standard.of(self.problem, centre=not held)

    @property
    def loss(self) -> Loss:
        """What all outputs are learnt with."""
        return together(self.losses)

    def _check_targets(self) -> None:
        """Errors: TargetError, naming the first row whose target the loss cannot take."""
        name = self.read.source.name
        for at, (target, span) in enumerate(zip(self.read.schema.targets, self.spans, strict=True)):
            if self.losses[at].accepts(np.array([[target.low], [target.high]])).all():
                continue
            for rows in self.read.rows():
                wrong = ~self.losses[at].accepts(rows.targets[:, span])[:, 0]
                if wrong.any():
                    first = int(np.argmax(wrong))
                    raise TargetError(
                        f"{name}, column '{target.name}', row {rows.number[first] + 1}: "
                        f"{rows.targets[first, span][0]:g} is no target for {self.losses[at].name} "
                        f"loss, which takes {self.losses[at].takes}"
                    )

    def _rows(self, by_hand: int) -> RowSource | None:
        """The rows, where the loss needs them or they are few enough to be shown."""
        squared = self.settings.losses[0] == "squared"
        if squared and (self.read.frames is None or self.read.examples > by_hand):
            return None
        cells = self.read.examples * (len(self.problem.mean) + len(self.losses))
        if self.read.frames is not None and (squared or cells <= HELD_CELLS):
            return Held.of(self.read, self.standard)
        return Passed(self.read, self.standard)

    def _check_kinks(self) -> None:
        """Errors: LearningError where a loss with a unit of its own meets a lasso or ranges."""
        if self.settings.kinked:
            raise LearningError(
                f"lasso, positive and between are not for {self.losses[0].name} loss: leave them "
                "out, or take a ridge"
            )

    def _guessing(self) -> Guessing | None:
        """Guessing beside offsets; where targets are measured from them it is their mean."""
        offset = self.read.schema.offset
        if offset is None or self.read.plan.asked.shifted:
            return None
        assert self.rows is not None, "losses other than squared need rows"
        first = self._mean_score() - offset.mean
        if self.read.sample:
            sample = Passed(self.read.of_sample(1), self.standard)
            first = Guessing.of(sample, self.loss, first).score
        return Guessing.of(self.rows, self.loss, first)

    def _rounds(self) -> Rounds:
        """Rounds of learning. Errors: LearningError where several targets need several spreads."""
        if len(self.losses) > 1 and hasattr(self.losses[0], "spread"):
            raise LearningError(
                f"{self.losses[0].name} loss measures one target's residuals: predict one column"
            )
        assert self.rows is not None, "losses other than squared need rows"
        return Rounds(self.rows, self.model, self.losses, self._penalised)

    def _measure(self, rounds: Rounds) -> None:
        """The losses of the first round; learners other than Newton know no other."""
        if self.settings.chosen == "newton":
            rounds.measure(self.first(), first=True)
        else:
            rounds.measure(self.standard.into(self._least_squares()), first=True)
            rounds.losses = narrowed(rounds.losses, WATCHED)
        self._check_spread(rounds.losses)
        self.losses = rounds.losses

    def _check_spread(self, losses: Sequence[Loss]) -> None:
        """Errors: TargetError where residuals are too small to measure outliers by."""
        for loss, target in zip(losses, self.read.schema.targets, strict=True):
            size = max(abs(target.low), abs(target.high))
            if getattr(loss, "spread", np.inf) <= MET * size:
                raise TargetError(
                    f"{self.read.source.name}: most rows of the target '{target.name}' are met "
                    "exactly, so their residuals have no spread that outliers could be measured "
                    "by: use absolute or squared loss"
                )

    def _objective(self) -> Objective:
        if self.rows is None:
            return self._penalised(self.standard.problem(self.problem))
        return self._penalised(self.rows.objective(self.model, self.loss))

    def _penalised(self, objective: Objective) -> Objective:
        return objective if self.penalty is None else Penalised(objective, self.penalty)

    def _penalties(self) -> Penalties:
        """What was asked for. Steps that are there to be watched try no ridge by themselves.

        Nor do losses that are learnt in rounds, whose unit would change with the ridge.
        """
        penalties = Penalties.of(self.read.schema.inputs, self.settings)
        newton = self.settings.losses[0] != "squared" and self.settings.chosen == "newton"
        if newton and not isinstance(self.losses[0], Adaptive):
            return penalties
        return penalties.watched

    def _take(self, choice: Choice) -> None:
        """Let these strengths hold the weights, in the units that steps are taken in."""
        self.choice, self.penalty = choice, None
        if self.penalties.any(choice):
            penalty = self.held_by(choice)
            self.penalty = penalty if penalty.kinked else penalty.ridge

    def held_by(self, choice: Choice) -> Lasso:
        """What these strengths are in the units that steps are taken in."""
        return self.penalties.penalty(
            choice,
            # Strengths are for standardised inputs, whatever units the steps are taken in.
            unit=self.standard.spread,
            spread=self.problem.spread,
            start=self.standard.into(self.start),
            frozen=self.frozen,
        )

    def _choose(self) -> None:
        """Take the strengths that held-out rows ask for."""
        if self.rows is None or self.settings.losses[0] == "squared":
            self.tried = tried_on(self.read, self.asked, self.penalties)
            self.share = 1.0
        else:
            search = self.search(self.rows)
            # On matrices this small more BLAS threads only wait for each other: 8 s, or 0.5.
            with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
                self.tried = searched(search, self.penalties, self.held_by)
            self.share = search.rows / self.read.examples
        if self.tried is not None:
            self._take(for_all(self.tried.choice(self.tried.chosen()), self.share))

    def search(self, rows: RowSource) -> Search:
        """Held-out rows that penalties can be tried on."""
        source = Passed(self.read.of_sample(), self.standard) if self.read.sample else rows
        examples = sum(frame.height for frame in self.read.sample) or self.read.examples
        return Search(
            folds=sampled(source, examples, len(self.problem.mean) + 1),
            moments=self.read.folds,
            splits=self.read.splits,
            model=self.model,
            loss=self.loss,
            losses=self.losses,
            spans=self.spans,
            problem=self.asked,
            first=self.first(),
        )

    def _least_squares(self) -> Weights:
        return self.asked.whole(solve(self.asked.free(total(self.read.folds))).weights)

    @property
    def kinks(self) -> Lasso | None:
        """The penalty where it has kinks or ranges, which the learner must meet."""
        return self.penalty if isinstance(self.penalty, Lasso) else None

    def _batches(self) -> InBatches | None:
        """The rows in batches; None where a step sees them all."""
        settings = self.settings
        if settings.batch == "all" or settings.batch >= self.read.examples:
            return None
        return InBatches(
            self.read,
            self.standard,
            size=settings.batch,
            seed=settings.seed,
            shuffle=settings.shuffle,
            model=self.model,
            loss=self.loss,
            penalised=self._penalised,
        )

    def _learner(self) -> Learner:
        if self.settings.alpha is not None or self.settings.chosen == "newton":
            return given(self.settings)
        start = self.objective(self.first(), curvature=True).average()
        if self.batches is None:
            return found(self.settings, start)
        return found_for_batches(self.settings, start, self.rowwise(), size=self.batches.size)

    def rowwise(self) -> Rowwise:
        """What the rows are one by one."""
        assert self.batches is not None, "only batches are of some rows"
        squared = self.standard.problem(self.problem).curvature()[:1] / self.problem.rows
        return self.batches.rowwise(usual=alpha_range_of(squared).largest)

    def first(self) -> Weights:
        """The start in the units of the steps; an intercept left open, at the mean's score."""
        first = dict(self.standard.into(self.start))
        unset = self.frozen is None and not any(array.any() for array in self.start.values())
        if self.settings.losses[0] != "squared" and unset and "intercept" in first:
            first["intercept"] = self._mean_score()
        # A step of no length shrinks nothing: it only brings weights into their ranges.
        return first if self.kinks is None else self.kinks.prox(first, 0.0)

    def _mean_score(self) -> Array:
        """The score whose prediction is the targets' mean, or their middle, (k,).

        Errors:  TargetError when that is infinite
        """
        if self.guessing is not None:
            return self.guessing.score
        if self.rounds is not None:
            return self.rounds.centre
        with np.errstate(divide="ignore"):
            score = self.loss.score(self.guess)
        if not np.isfinite(score).all():
            at = int(np.argmin(np.isfinite(score)))
            target = next(
                target
                for target, span in zip(self.read.schema.targets, self.spans, strict=True)
                if at < span.stop
            )
            raise TargetError(
                f"{self.read.source.name}: the target '{target.name}' is {target.low:g} in every "
                "row: there is nothing to learn"
            )
        return score

    def _tolerance(self) -> float:
        """The tolerance, in shares of the largest gradient at the start.

        From a start far off, where the loss is steep beyond measure, it is one of the gradient
        that is left when weights are 0: beside the steep one all would seem flat.

        Errors:  LearningError when the start is too far off for any number
        """
        first = self.first()
        squared = self.settings.losses[0] == "squared"
        if squared or not any(array.any() for array in self.start.values()):
            return self.settings.tolerance
        none = {n: np.zeros_like(array) for n, array in first.items()}
        if "intercept" in none:
            none["intercept"] = self._mean_score()
        if self.frozen is not None:
            none = {n: np.where(self.frozen[n], first[n], array) for n, array in none.items()}
        with np.errstate(all="ignore"):
            steep, usual = (
                max(float(np.max(np.abs(g), initial=0.0)) for g in found.weight_delta.values())
                for found in (self.objective(first), self.objective(none))
            )
        if not np.isfinite(steep):
            raise LearningError("the loss is not finite where learning starts: start nearer to 0")
        share = usual / steep if 0 < usual < steep else 1.0
        return self.settings.tolerance * share

    def steps(self) -> Iterator[Step]:
        """The steps, with weights in the inputs' own units."""
        self.course = Course()
        squared = self.settings.losses[0] == "squared"
        for step in self.taken():
            self.course.add(step.number, step.error if squared else step.comparison.loss)
            own = self.step_in_own_units(step)
            if step.stopped:
                self.ended = step.before
                own = replace(own, stopped=self._said(step.stopped, own))
            self.last = own
            yield own

    def step_in_own_units(self, step: Step) -> Step:
        """The step as people see it: weights in the inputs' own units, and the chosen rows."""
        before, weights = self.own(step.before), self.own(step.weights)
        own = replace(step, before=before, weights=weights, moved=self._moved(step))
        if self.chosen is None:
            return own
        return replace(own, chosen=self.chosen.at(self.model, self.loss, before))

    def _moved(self, step: Step) -> Weights | None:
        """alpha * weight_delta in the inputs' own units."""
        if step.alpha is None:
            return None
        # Weights that exploded make numbers that overflow, which is what is to be shown.
        with np.errstate(all="ignore"):
            moved = {n: step.alpha * g for n, g in step.comparison.weight_delta.items()}
            return self.standard.out(moved)

    @cached_property
    def chosen(self) -> Chosen | None:
        """The rows that each step is shown for. Errors: LearningError for rows not learnt from."""
        numbers = self.settings.trace_rows
        return Chosen.of(self.read, numbers) if numbers else None

    def taken(self) -> Iterator[Step]:
        """The steps, with weights in the units of the steps."""
        if self.rounds is None or self.settings.chosen != "newton":
            yield from self._stayed()
            return
        most = self.settings.most_steps
        for step in self.rounds.train(
            self.first(), steps=most, tolerance=self.tolerance, frozen=self.frozen
        ):
            self._check_spread(self.rounds.losses)
            self.losses = self.rounds.losses
            yield step

    def _plain(self) -> Iterator[Step]:
        """The steps with the penalty there is."""
        return self._begun() or self._train(self.objective, self.first(), self.frozen, self.batches)

    def _begun(self) -> Iterator[Step] | None:
        """The steps from what a sample has learnt; None where there is none, or it misleads.

        A start is set aside again if the first step from there raises the loss.
        """
        unset = self.frozen is None and not any(array.any() for array in self.start.values())
        newton = self.settings.chosen == "newton" and self.settings.loss != "squared"
        if self.kinks or not (self.read.sample and newton and unset and self.model.intercept):
            return None
        if self.guessing is None:
            steep = steepest(self.standard.problem(self.problem), self.loss, self.guess)
        else:
            # Beside an offset predictions differ, and only the rows know how steep the start is.
            steep = largest(self.objective(self.first()).average().weight_delta)
        samples = [Passed(self.read.of_sample(n), self.standard) for n in (THINNED, 1)]
        begun = learnt_from(*(samples, self.model, self.loss, self.first(), self._penalised, steep))
        if begun is None:
            return None
        self.looking = self._looking(self.losses, float(np.sqrt(self.tolerance)) * steep)
        steps = self._train(self._penalised(self.looking), begun, None, steep=steep)
        shown = list(islice(steps, 2))
        if len(shown) > 1 and not shown[1].comparison.loss <= shown[0].comparison.loss:
            return None
        self.sampled, self.steep = samples[-1].read.examples, steep
        return chain(shown, steps)

    def _stayed(self) -> Iterator[Step]:
        """The steps; where Newton's run away, then those with a ridge that holds the weights.

        Errors:  DivergedError where they run away and are to have no ridge
        """
        newton = self.settings.chosen == "newton" and self.settings.loss != "squared"
        if not newton or self.penalties.hold_all(self.choice):
            if newton and self.penalties.ridge.auto and self.choice.ridge:
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
        if not self.penalties.ridge.auto:
            raise DivergedError(
                f"{self.read.source.name}: {self.runaway}: give a ridge, such as --ridge 0.01, or "
                "leave them out"
            )
        yield replace(step, stopped=None)
        self._hold(replace(self.choice, ridge=1 / self.problem.rows))
        for more in self._plain():
            ridge = f"{self.choice.ridge:.3g}"
            words = f"after {step.number} steps that ran away, with a ridge of {ridge}"
            stopped = more.stopped
            if stopped is not None:
                stopped = replace(stopped, words=f"{words}: {stopped.words}")
            yield replace(more, number=step.number + more.number, stopped=stopped)

    def _arrived(self, step: Step, start: Step) -> bool:
        """Whether a step is the last, or would be but for a tolerance of nearly nothing.

        Steps that run away would go on until all curvature is rounding.
        """
        if step.stopped is not None and step.stopped.reason != "steps":
            return True
        return vanished(step, start)

    def _unheld(self) -> Runaway | None:
        """What Newton's steps would run away with, had held-out rows not chosen a ridge."""
        chosen, start = self.choice, None
        self._hold(replace(chosen, ridge=0.0))
        for step in self._train(self.objective, self.first(), self.frozen):
            start = start or step
            if self._arrived(step, start):
                break
        found = self._away(step)
        self._hold(chosen)
        return found

    def _hold(self, choice: Choice) -> None:
        """Let these strengths hold the weights from now on."""
        self._take(choice)
        self.objective = self._objective()
        learner = given(self.settings)
        self.learner = learner if self.kinks is None else proximal(learner, self.kinks)

    def _away(self, step: Step) -> Runaway | None:
        """What Newton's steps run away with, if they do."""
        assert self.rows is not None, "losses other than squared need rows"
        return Runaway.along(
            {name: step.weights[name] - before for name, before in step.before.items()},
            weights=step.weights,
            rows=self.rows,
            model=self.model,
            loss=self.loss,
            inputs=self.read.schema.inputs,
        )

    def own(self, weights: Weights) -> Weights:
        """Weights in the inputs' own units, frozen ones as they were given to the last bit."""
        own = self.penalties.within(self.standard.out(weights))
        if self.frozen is None:
            return own
        return {n: np.where(self.frozen[n], self.start[n], a) for n, a in own.items()}

    def _train(
        self,
        objective: Objective,
        first: Weights,
        frozen: Mapping[str, Mask] | None,
        batches: Batches | None = None,
        steep: float | None = None,
    ) -> Iterator[Step]:
        settings = self.settings
        if batches is None:
            return train(
                first,
                objective,
                self.learner,
                steps=settings.most_steps,
                tolerance=self.tolerance,
                frozen=frozen,
                penalty=self.kinks,
                steep=steep,
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
        """The stop with what only the table knows: the column to blame, how far off it is."""
        words = stopped.words
        if stopped.reason == "diverging" and self.settings.alpha is not None:
            if self.batches is not None:
                words += f"; {self._steady():.6g} comes nearer on average"
            largest = int(np.argmax(self.problem.curvature()[0].diagonal()))
            inputs = self.read.schema.inputs
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
        """An alpha for plain descent on these batches."""
        assert self.batches is not None, "on all rows, curvature alone says it"
        start = self.objective(self.first(), curvature=True).average()
        return steady(start, self.rowwise(), size=self.batches.size)

    @cached_property
    def best(self) -> Weights | None:
        """The weights with the least squared error, beside the penalty; None for other losses."""
        if self.settings.loss != "squared":
            return None
        return best_of(self.asked, total(self.read.folds), self.penalties, self.choice)

    def convergence(self, step: Step) -> Convergence:
        """How near the weights after this step are to the best ones.

        Of many rows it is those before the step, which they were asked about: no pass is due.
        """
        if self.steep is not None:
            return Convergence(largest(step.comparison.weight_delta) / self.steep)
        with np.errstate(all="ignore"):
            first = self.first()
            here = self.standard.into(step.weights)
            now, start = (
                ask(weights, self.objective, self.learner, self.frozen).weight_delta
                for weights in (here, first)
            )
            now = now if self.kinks is None else self.kinks.left(here, now)
            gradient = gradient_left(now, start)
            if self.best is None:
                return Convergence(gradient)
            error, least = (
                2 * self.problem(one).average().loss for one in (step.weights, self.best)
            )
            start = self.standard.out(first)
            way = way_left(step.weights, self.best, start, self.problem.spread)
            return Convergence(gradient, error, least, way)

    def outcome(self) -> Outcome:
        """What the steps came to; takes those not yet taken.

        Errors:  DivergedError when the weights or their error are no longer finite
        """
        last = self.last
        if last is None or last.stopped is None:
            *_, last = self.steps()
        assert last is not None, "there is at least one step"
        assert last.stopped is not None, "the last step says why it stopped"
        if not all(np.isfinite(array).all() for array in last.weights.values()):
            raise DivergedError(f"the weights are no longer finite: {last.stopped.words}")
        outcome = Outcome(
            weights=last.weights,
            loss=self.settings.losses[0],
            learner=self.settings.chosen,
            steps=last.number,
            stopped=last.stopped.words,
            alpha=getattr(self.learner, "alpha", None),
            ridge=self.choice.ridge,
            lasso=self.choice.lasso,
            minimised=self.penalties.words(self.choice, self.settings.losses[0]),
            sampled=self.sampled,
            condition=Spectrum.of(self.problem).condition,
            errors=self.errors,
            course=list(self.course),
            batch=None if self.batches is None else self.batches.size,
            epochs=last.epoch,
            convergence=self.convergence(last),
            notes=self._notes(),
        )
        answer = self._squared if self.settings.losses[0] == "squared" else self._other
        return answer(outcome, last.stopped)

    @property
    def errors(self) -> str:
        """The kind of the standard errors, empty where none are known."""
        asked = self.settings.errors
        if self.penalty is not None or self.frozen is not None or self.losses[0].noise == "unknown":
            return ""
        coupled = self.losses[0].name == "softmax"
        return asked if asked == "classical" else kind_of(asked, coupled=coupled)

    def _notes(self) -> list[str]:
        notes = []
        if self.settings.alpha is None and self.settings.chosen != "newton":
            notes.append("steps were taken on standardised inputs, which alpha refers to")
        notes += self._pace()
        notes += self._chosen()
        if self.runaway is not None:
            chosen = self.tried is not None and self.tried.choice(self.tried.chosen()).ridge
            why = "which held-out rows chose" if chosen else "1 / rows"
            notes.append(f"{self.runaway}; a ridge of {self.choice.ridge:.3g}, {why}, holds them")
        if self.rounds is not None and self.settings.rest("ridge") == "auto":
            notes.append(f"no ridge was tried: {self.losses[0].name} loss takes one that you name")
        if self.rounds is not None and self.settings.chosen != "newton":
            notes.append(
                "steps were taken on a loss fitted to the residuals of least squares: newton, the "
                "default, goes on to the loss itself"
            )
        if self.losses[0].noise == "unknown":
            notes.append(f"no standard errors are known for {self.losses[0].name} loss")
        return notes

    def _chosen(self) -> list[str]:
        """What held-out rows said of the penalties."""
        if self.tried is None:
            return []
        squared = self.settings.losses[0] == "squared"
        mean = self.tried.mean()[:, 0]
        what, figure = ("the typical error", np.sqrt(mean)) if squared else ("the mean loss", mean)
        notes = earned(self.penalties, self.tried, what, figure)
        if notes and self.tried.chosen() and self.share < 1:
            asked = f"{round(self.share * self.read.examples):,} of {self.read.examples:,} rows"
            kinds = {"ridge": self.choice.ridge, "lasso": self.choice.lasso}
            now = " and ".join(f"{name} {size:.3g}" for name, size in kinds.items() if size)
            notes.append(f"that was on {asked}; all of them need less: {now}")
        return notes

    def _pace(self) -> list[str]:
        """What a step saw, and what became of alpha."""
        assert self.last is not None, "there was a step"
        notes, alpha = [], self.last.alpha
        if self.batches is not None:
            rows = f"{self.batches.size:,} of {self.read.examples:,} rows"
            notes.append(f"each step saw {rows}, {self.batches.order}")
        if isinstance(self.learner, Settling) and alpha is not None and alpha < self.learner.alpha:
            notes.append(
                f"alpha began at {self.learner.alpha:.3g} and ended at {alpha:.3g}: it is halved "
                "after each round that did not lower the loss"
            )
        return notes

    def _squared(self, outcome: Outcome, stopped: Stop) -> Outcome:
        alphas = Spectrum.of(self.problem).alphas
        if self.settings.alpha is None:
            curvature = self.objective(self.first(), curvature=True).average().curvature
            alphas = alphas if curvature is None else alpha_range_of(curvature)
        errors = self.problem.squared_error(outcome.weights)
        if not np.isfinite(errors * self.problem.target_scale**2).all():
            raise DivergedError(f"the error is no longer finite: {stopped.words}")
        # Where it arrived, the weights are the exact ones, and so is what is known of them.
        arrived = stopped.reason in ("settled", "still") and self.penalty is None
        kind = self.errors if arrived else ""
        certain = Certain.of(self.asked, self.read, kind) if kind else Certain.unknown()
        return replace(
            outcome,
            fit=fits(self.problem, errors, self.asked),
            held_out=self._held_out(stopped),
            error=certain.error,
            intercept_error=certain.intercept_error,
            freedom=certain.freedom,
            errors=kind,
            alphas=alphas,
        )

    def _held_out(self, stopped: Stop) -> HeldOut | None:
        """Each fold judged by weights learnt from others in the same way."""
        judged = self.read.splits.pairs(self.read.folds)
        too_long = self.last is not None and self.last.number > STEPS_AGAIN
        too_long = too_long or (self.batches is not None and self.batches.held is None)
        if not judged or stopped.reason == "diverging" or too_long:
            return None
        k = len(self.problem.targets)
        errors, guessing = np.zeros(k), np.zeros(k)
        taught = {}
        splits = self.read.splits.of(self.read.folds)
        for split, (fold, others) in zip(splits, judged, strict=True):
            problem, frozen = self.asked.of(others), self.asked.frozen_on(others)
            batches = None if self.batches is None else self.batches.of_folds(split.learnt)
            learnt = self._learnt(self.standard.problem(problem), frozen, batches)
            own = taught[split.judged] = self.standard.out(learnt)
            errors += self.asked.of(fold).squared_error(own)
            guessing += guessing_error(fold, others, list(self.asked.targets))
        rows = sum(fold.rows for fold, _ in judged)
        return HeldOut(len(judged), rows, errors, guessing, self.problem.target_scale, taught)

    def _learnt(
        self, problem: LeastSquares, frozen: Mapping[str, Mask] | None, batches: Batches | None
    ) -> Weights:
        """What the same steps come to on other rows."""
        assert self.last is not None, "all rows were learnt from first"
        plain = batches is None and self.frozen is None and self.penalty is None
        if plain and isinstance(self.learner, Descent):
            # The same weights to rounding: five folds of 10,000 steps took 480 ms one by one.
            closed = ClosedDescent.of(problem, self.first(), self.learner.alpha)
            if closed.settles:
                return closed.at(self.last.number)
        for step in self._train(self._penalised(problem), self.first(), frozen, batches):
            learnt = step.weights
        return learnt

    def _other(self, outcome: Outcome, stopped: Stop) -> Outcome:
        assert self.rows is not None, "losses other than squared need rows"
        weights = self.standard.into(outcome.weights)
        path = [self.loss]
        if self.rounds is not None:
            self.rounds.measure(weights, first=True)
            rounded = (together(narrowed(self.rounds.losses, share)) for share in JUDGED)
            path = list(dict.fromkeys(rounded))  # without a kink they are all the same
        losses = narrowed(self.losses, 0)
        if self.looking is None or self.rounds is not None:
            self.looking = self._looking(losses)
        arrived = stopped.reason == "settled"
        if arrived and self.looking.seen is not None and self.looking.seen[0] is self.ended:
            # What was looked at last is one of Newton's steps from here, too small to tell apart.
            weights = self.ended
        looks = self.looking.look(weights)
        look = sum_of(looks)
        whole = self._penalised(Known(look.comparison))
        curvature = whole(weights, curvature=True).curvature
        assert curvature is not None, "rows are curved"
        p, intercept = len(self.problem.mean), self.model.intercept
        average = curvature / self.problem.rows
        sharp = self.rounds is not None and self.losses[0].noise == "unknown"
        known = self.penalty is None and self.frozen is None
        try:
            fitting = self._fitting(losses)
            fit = fitting.figures(self.rows, look.fit, p + intercept)
        except OverflowError:
            raise DivergedError(f"the error is no longer finite: {stopped.words}") from None
        found = self._errors(weights, curvature, fit) if known else np.full((p + 1, 1), np.nan)
        judge = Judge(
            self.rows, self.model, path, self.asked, self.spans, self._penalised, self.kinks
        )
        notes = list(outcome.notes)
        if any(separated(one) for one in fit) and self.penalty is None:
            notes.append(
                "the rows are told apart perfectly, so no finite weights are best and these mean "
                "little: give a ridge, such as --ridge 0.01"
            )
        said = {fold: one.comparison for fold, one in looks.items()} if arrived else None
        held_out = judge.held_out(weights, self.read.folds, self.read.splits, said)
        if held_out is not None and self.guessing is not None:
            asked = (self.read.folds, self.read.splits, self.asked.targets, self.spans)
            held_out = replace(held_out, guessing=self.guessing.held_out(*asked))
        if held_out is not None:
            out = self.standard.out
            own = {fold: out(one) for fold, one in held_out.taught.items()}
            held_out = replace(held_out, taught=own)
        return replace(
            outcome,
            passes=self.rows.passes,
            fit=fit,
            held_out=held_out,
            guess=None if self.guessing is None else self.loss.mean(fitting.null[None])[0],
            error=found[:p] if known else None,
            intercept_error=found[p] if known and self.model.intercept else None,
            # Beside a kink curvature says nothing of the next step.
            alphas=None if sharp else own_alphas(average, self.standard, intercept=intercept),
            notes=notes,
        )

    def _fitting(self, losses: Sequence[Loss]) -> Fitting:
        """How rows fit; without offsets and kinks the best score for all is that of the mean."""
        assert self.rows is not None, "losses other than squared need rows"
        if self.guessing is not None:
            null = self.guessing.score
        elif self.rounds is not None:
            null = best(self.rows, losses)
        else:
            null = self.loss.score(self.guess)
        return Fitting(self.model, losses, self.spans, null)

    def _looking(self, losses: Sequence[Loss], near: float = 0.0) -> Looking:
        assert self.rows is not None, "losses other than squared need rows"
        return Looking(self.rows, self.model, self.loss, self._fitting(losses).sums, near)

    def _errors(self, weights: Weights, curvature: Array, fit: Sequence[FitRecord]) -> Array:
        """Each own weight's standard error, the intercept last, NaN where unknown: (q, k).

        Where the link does not suit the loss, its curvature is not the one that is expected.
        """
        assert self.rows is not None, "losses other than squared need rows"
        actual = curvature
        if any(loss.noise != "known" for loss in self.losses):
            expected = self.rows.objective(self.model, self.loss, expected=True)
            found = expected(weights, curvature=True).curvature
            assert found is not None, "rows are curved"
            curvature = found
        if self.errors not in ("classical", ""):
            return self._robust(weights, actual, curvature)
        each = standard_errors(curvature, self.standard, intercept=self.model.intercept)
        if all(loss.noise == "known" for loss in self.losses):
            return each
        known = [loss.noise == "known" for loss in self.losses]
        dispersion = [1.0 if k else one.dispersion for k, one in zip(known, fit, strict=True)]
        errors: Array = each * np.sqrt(np.array(dispersion, dtype=float))
        return errors

    def _robust(self, weights: Weights, curvature: Array, expected: Array) -> Array:
        """The same where rows stray unequally, by one more pass over them."""
        assert self.rows is not None, "losses other than squared need rows"
        q = len(self.problem.mean) + self.model.intercept
        return robust_errors(
            inverses(curvature, q),
            slopes(self.rows, self.model, self.loss, weights),
            self.standard,
            kind=self.errors,
            hat=inverses(expected, q),
            intercept=self.model.intercept,
        )
