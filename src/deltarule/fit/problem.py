"""The problem of an iterative fit: standardised data, penalties, constraints and objective.

It chooses the units of the steps (standardised, or inputs as they stand), the objective's source
(rows or moments), the penalty, the minibatches and the start.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import RowSource
from deltarule.engines.cached_objective import CachedObjective
from deltarule.engines.local import HELD_CELLS, HELD_FOR_GRADIENTS, RowPass, RowsInMemory
from deltarule.engines.questions import PassObjective
from deltarule.engines.remote import EngineRows
from deltarule.errors import LearningError, TargetError
from deltarule.fit.cv_result import CVResult
from deltarule.fit.default_learner import RowwiseCurvature, given
from deltarule.fit.deviance import DevianceSums
from deltarule.fit.minibatch_rows import MinibatchRows
from deltarule.fit.null_model import NullModel
from deltarule.fit.penalized_least_squares import cv_on
from deltarule.fit.penalties import Choice, Penalties
from deltarule.fit.penalty_search import (
    MORE_STEPS,
    PenaltySearch,
    for_all,
    sampled,
    search_penalty,
)
from deltarule.fit.row_questions import FirstRefused
from deltarule.fit.settings import Settings
from deltarule.fit.smoothing import WATCHED, SmoothedLoss, SmoothedRounds, best, narrowed
from deltarule.losses.loss import Loss
from deltarule.losses.registry import loss_named, together
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.moments import LeastSquares, total
from deltarule.moments.problem import LinearProblem
from deltarule.moments.standardize import Standardization, from_zero
from deltarule.rule.compare import Objective
from deltarule.rule.learn import alpha_range_of
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.least_squares import solve
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Lasso, Penalised
from deltarule.tables.one_read import Read

# Residuals this small relative to the targets are rounding.
MET = 1e-13


class FitProblem:
    """The objective and start of an iterative fit; its losses and penalty may be set while fitting.

    With a `choice` the penalties have these strengths; without, cross-validation may choose them.
    """

    def __init__(
        self,
        read: Read,
        settings: Settings,
        start: Weights,
        frozen: Mapping[str, Mask] | None,
        by_hand: int,
        choice: Choice | None = None,
    ) -> None:
        self.read, self.settings, self.start, self.frozen = read, settings, start, frozen
        self.by_hand = by_hand
        p, k = len(read.schema.inputs), len(read.schema.outputs)
        self.spans = list(read.schema.target_spans().values())
        intercept = read.plan.asked.intercept
        self.asked = LinearProblem(range(p), range(p, p + k), intercept, start, frozen, read.centre)
        self.problem = self.asked.of(total(read.folds))
        self.model = BlockLinear(intercept=read.plan.asked.intercept)
        self.rounds: SmoothedRounds | None = None
        self.guessing: NullModel | None = None
        self.losses: tuple[Loss, ...] = (loss_named(settings.losses[0]),) * len(self.spans)
        self.guess = self.problem.target_mean * self.problem.target_scale
        self.standard = self._standard()
        self.penalties = self._penalties()
        self.tried: CVResult | None = None
        self._hold(self.penalties.given if choice is None else choice)
        self._check_targets()
        self.rows = self._rows(by_hand)
        self.guessing = self._guessing()
        if isinstance(self.losses[0], SmoothedLoss):
            self._check_auto()
            self.rounds = self._rounds()
            self._measure(self.rounds)
        if self.penalties.auto and choice is None:
            self._choose()
        self.objective = self._objective()
        self.batches = self._batches()

    def _standard(self) -> Standardization:
        """The units of the steps: with an explicit alpha, the inputs as they stand."""
        p = len(self.problem.mean)
        if self.settings.alpha is not None:
            return Standardization(np.zeros(p), np.ones(p))
        # A frozen intercept is one of inputs measured from zero, so these must not be centred.
        held = self.frozen is not None and bool(self.frozen.get("intercept", np.zeros(1)).any())
        return Standardization.of(self.problem, centre=not held)

    @property
    def as_it_stands(self) -> LeastSquares:
        """The least-squares problem of inputs measured from zero."""
        return self.asked.as_it_stands(total(self.read.folds))

    @property
    def outward(self) -> Standardization:
        """The map from standardised weights to those of inputs measured from zero."""
        centre = self.read.centre
        return self.standard if centre is None else self.standard.moved(centre)

    def shown(self, weights: Weights) -> Weights:
        """Own weights as users see them: of inputs measured from zero."""
        centre = self.read.centre
        return weights if centre is None else from_zero(weights, centre)

    @property
    def loss(self) -> Loss:
        """The loss of all outputs."""
        return together(self.losses)

    @property
    def squared(self) -> bool:
        """Whether the loss is squared, so that moments suffice."""
        return self.losses[0].closed_form

    def _check_targets(self) -> None:
        """Errors: TargetError, naming the first row whose target the loss cannot take."""
        name = self.read.source.name
        for at, (target, span) in enumerate(zip(self.read.schema.targets, self.spans, strict=True)):
            if self.losses[at].accepts(np.array([[target.low], [target.high]])).all():
                continue
            first = self.read.total(FirstRefused(span.start, self.losses[at]))
            if first.row is not None:
                raise TargetError(
                    f"{name}, column '{target.name}', row {first.row + 1}: "
                    f"{first.value:g} is no target for {self.losses[at].name} "
                    f"loss, which takes {self.losses[at].takes}"
                )

    def _rows(self, by_hand: int) -> RowSource | None:
        """The rows, where the loss needs them or they are few enough to be shown."""
        squared = self.squared
        if squared and (self.read.frames is None or self.read.examples > by_hand):
            return None
        if self.read.engine is not None:
            return EngineRows(self.read.engine, self.read.encoder, self.standard)
        cells = self.read.examples * (len(self.problem.mean) + len(self.losses))
        many = self.settings.second_order and not self.settings.needs_hessian
        most = HELD_FOR_GRADIENTS if many else HELD_CELLS
        if self.read.frames is not None and (squared or cells <= most):
            return RowsInMemory.of(self.read, self.standard)
        return RowPass(self.read, self.standard)

    def _check_auto(self) -> None:
        """Errors: LearningError where a lasso is to be chosen for a loss that is smoothed."""
        if self.settings.rest("lasso") == "auto":
            raise LearningError(
                f"{self.losses[0].name} loss takes no lasso of auto: name a strength, such as "
                "--lasso 0.01"
            )

    def _guessing(self) -> NullModel | None:
        """The null model beside offsets; None where it is the mean."""
        offset = self.read.schema.offset
        if offset is None or self.read.plan.asked.shifted:
            return None
        assert self.rows is not None, "losses other than squared need rows"
        first = self.mean_score() - offset.mean
        if self.read.sample:
            sample = RowPass(self.read.of_sample(1), self.standard)
            first = NullModel.of(sample, self.loss, first).score
        return NullModel.of(self.rows, self.loss, first)

    def _rounds(self) -> SmoothedRounds:
        """Rounds of smoothing. Errors: LearningError where several targets need several scales."""
        if len(self.losses) > 1 and hasattr(self.losses[0], "spread"):
            raise LearningError(
                f"{self.losses[0].name} loss measures one target's residuals: predict one column"
            )
        assert self.rows is not None, "losses other than squared need rows"
        return SmoothedRounds(self.rows, self.model, self.losses, self.penalty)

    def _measure(self, rounds: SmoothedRounds) -> None:
        """The losses of the first round; learners other than Newton use no other."""
        if self.settings.needs_hessian:
            rounds.measure(self.first(), first=True)
        else:
            rounds.measure(self.standard.into(self._least_squares()), first=True)
            rounds.losses = narrowed(rounds.losses, WATCHED)
        self.check_spread(rounds.losses)
        self.losses = rounds.losses

    def check_spread(self, losses: Sequence[Loss]) -> None:
        """Errors: TargetError where residuals are too small for a robust scale."""
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
            return self.penalised(self.standard.problem(self.problem))
        return self.penalised(PassObjective(self.rows, self.model, self.loss))

    def penalised(self, objective: Objective) -> Objective:
        return objective if self.penalty is None else Penalised(objective, self.penalty)

    def _penalties(self) -> Penalties:
        """The penalties of the settings. Watched steps have no automatic ridge.

        Nor do losses with smoothing rounds, whose unit would change with the ridge.
        """
        penalties = Penalties.of(self.read.schema.inputs, self.settings)
        newton = not self.squared and self.settings.second_order
        if newton and not isinstance(self.losses[0], SmoothedLoss):
            return penalties
        return penalties.watched

    def take(self, choice: Choice) -> None:
        """Use these strengths from here on."""
        self._hold(choice)
        self.objective = self._objective()

    def _hold(self, choice: Choice) -> None:
        """Use these strengths, in the units of the steps."""
        self.choice, self.penalty = choice, None
        if self.penalties.any(choice):
            penalty = self.held_by(choice)
            self.penalty = penalty if penalty.kinked else penalty.ridge

    def held_by(self, choice: Choice) -> Lasso:
        """The penalty with these strengths, in the units of the steps."""
        return self.penalties.penalty(
            choice,
            # Strengths are for standardised inputs, whatever the units of the steps.
            unit=self.standard.spread,
            spread=self.problem.spread,
            start=self.standard.into(self.start),
            frozen=self.frozen,
        )

    def _choose(self) -> None:
        """Choose the strengths by cross-validation."""
        if self.rows is None or self.squared:
            self.tried = cv_on(self.read, self.asked, self.penalties)
            self.share = 1.0
        else:
            search = self.search(self.rows)
            # On matrices this small more BLAS threads only wait for each other: 8 s, or 0.5.
            with one_blas_thread(), np.errstate(all="ignore"):
                self.tried = search_penalty(search, self.penalties, self.held_by)
            share = search.each / self.problem.rows
            self.share = 1.0 if np.isclose(share, 1.0, rtol=1e-9) else share
        if self.tried is not None:
            self._hold(for_all(self.tried.choice(self.tried.chosen()), self.share))

    def search(self, rows: RowSource) -> PenaltySearch:
        """The penalty search over these rows' folds."""
        source = RowPass(self.read.of_sample(), self.standard) if self.read.sample else rows
        examples = sum(frame.height for frame in self.read.sample) or self.read.examples
        return PenaltySearch(
            folds=sampled(source, examples, len(self.problem.mean) + 1, self._work_each()),
            moments=self.read.folds,
            splits=self.read.splits,
            model=self.model,
            loss=self.loss,
            losses=self.losses,
            spans=self.spans,
            problem=self.asked,
            first=self.first(),
            learner=given(self.settings) if self.settings.second_order else Newton(),
        )

    def _work_each(self) -> int:
        """What a row costs a step of the search, in products of numbers."""
        q, k = len(self.problem.mean) + 1, len(self.guess)
        if self.settings.second_order and not self.settings.needs_hessian:
            return q * k * MORE_STEPS
        return (q * k) ** 2 if self.loss.kind == "classes" else q**2

    def _least_squares(self) -> Weights:
        return self.asked.whole(solve(self.asked.free(total(self.read.folds))).weights)

    @property
    def kinks(self) -> Lasso | None:
        """The non-smooth part of the penalty; needs a proximal step."""
        return self.penalty if isinstance(self.penalty, Lasso) else None

    def _batches(self) -> MinibatchRows | None:
        """The rows in minibatches; None for full-batch steps."""
        settings = self.settings
        if settings.batch == "all" or settings.batch >= self.read.examples:
            return None
        return MinibatchRows(
            self.read,
            self.standard,
            size=settings.batch,
            seed=settings.seed,
            shuffle=settings.shuffle,
            model=self.model,
            loss=self.loss,
            penalised=self.penalised,
        )

    def rowwise(self) -> RowwiseCurvature:
        """Row-wise curvature bounds."""
        assert self.batches is not None, "only batches are of some rows"
        squared = self.standard.problem(self.problem).hessian()[:1] / self.problem.rows
        return self.batches.rowwise(usual=alpha_range_of(squared).largest)

    def first(self) -> Weights:
        """The start in the units of the steps; a free intercept starts at the link of the mean."""
        first = dict(self.standard.into(self.start))
        unset = self.frozen is None and not any(array.any() for array in self.start.values())
        if not self.squared and unset and "intercept" in first:
            first["intercept"] = self.mean_score()
        # A proximal step of length 0 only clips weights to their ranges.
        return first if self.kinks is None else self.kinks.prox(first, 0.0)

    def mean_score(self) -> Array:
        """The link of the targets' mean (or of their centre), (k,).

        Errors:  TargetError when that is infinite
        """
        if self.guessing is not None:
            return self.guessing.score
        if self.rounds is not None:
            return self.rounds.centre
        with np.errstate(divide="ignore"):
            score = self.loss.link(self.guess)
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

    def own(self, weights: Weights) -> Weights:
        """Weights in the inputs' own units; frozen ones exactly as given."""
        # Diverged weights overflow here, which is reported in words.
        with np.errstate(all="ignore"):
            own = self.penalties.within(self.standard.out(weights))
        if self.frozen is None:
            return own
        return {n: np.where(self.frozen[n], self.start[n], a) for n, a in own.items()}

    def fitting(self, losses: Sequence[Loss]) -> DevianceSums:
        """Deviance sums; without offsets and smoothing the null score is the link of the mean."""
        assert self.rows is not None, "losses other than squared need rows"
        if self.guessing is not None:
            null = self.guessing.score
        elif self.rounds is not None:
            null = best(self.rows, losses)
        else:
            null = self.loss.link(self.guess)
        return DevianceSums(self.model, losses, self.spans, null)

    def looking(
        self, losses: Sequence[Loss], near: float = 0.0, *, hessian: bool = True
    ) -> CachedObjective:
        """The objective that caches its final pass, with the fit metrics."""
        assert self.rows is not None, "losses other than squared need rows"
        fit, trials = self.fitting(losses), self.read.plan.trials
        return CachedObjective(self.rows, self.model, self.loss, fit, near, trials, hessian)
