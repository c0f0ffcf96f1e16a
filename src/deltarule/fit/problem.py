"""An iterative fit as data: the rows, losses, penalty, units and start that its steps depend on.

Nothing here changes: `prepare.py` makes a problem in pure steps, `iterate.py` takes the learning
steps on it, `result.py` makes the outcome of both.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from deltarule.dataclass import dataclass, replace
from deltarule.engines.base import RowSource
from deltarule.engines.cached_objective import CachedObjective
from deltarule.engines.questions import PassObjective
from deltarule.errors import TargetError
from deltarule.fit.default_learner import RowwiseCurvature, given_learner
from deltarule.fit.deviance import DevianceSums
from deltarule.fit.minibatch_rows import MinibatchRows
from deltarule.fit.null_model import NullModel
from deltarule.fit.penalized_least_squares import best
from deltarule.fit.penalties import Penalties
from deltarule.fit.settings import Settings
from deltarule.fit.smoothing import Round, Smoothing
from deltarule.losses.loss import Loss
from deltarule.losses.registry import together
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.moments import LeastSquares
from deltarule.moments.one_hot import dense
from deltarule.moments.problem import LinearProblem
from deltarule.moments.standardize import Standardization, from_zero
from deltarule.rule.compare import Comparison, Objective
from deltarule.rule.learn import Learner, alpha_range_of
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.cv_result import Choice, CVResult
from deltarule.solvers.lbfgs import Lbfgs, Metric
from deltarule.solvers.penalty import Lasso, Penalised, Ridge
from deltarule.tables.one_read import Read

# Of more inputs the eigenvectors of their products take as long as the steps that they save.
MOST_MEASURED = 1_024


@dataclass(frozen=True)
class FitProblem:
    """The objective of an iterative fit, its units and its start.

    `linear` are the inputs and targets among all columns, `standard` the units of the steps. `rows`
    are None where moments do. `smoothing` and `first_round` are of losses that are fitted in
    rounds; `null` is the null model beside offsets. `tried` are the strengths that cross-validation
    compared, on a `share` of the rows, and `near` the weights of a sample with the chosen ones.
    """

    read: Read
    settings: Settings
    start: Weights
    frozen: Mapping[str, Mask] | None
    linear: LinearProblem
    model: BlockLinear
    standard: Standardization
    losses: tuple[Loss, ...]
    penalties: Penalties
    choice: Choice
    by_hand: int
    rows: RowSource | None = None
    null: NullModel | None = None
    smoothing: Smoothing | None = None
    first_round: Round | None = None
    tried: CVResult | None = None
    share: float = 1.0
    known_metric: Metric | None = None
    near: Weights | None = None

    @cached_property
    def problem(self) -> LeastSquares:
        """The moments of all rows."""
        return self.linear.of(self.read.whole)

    @cached_property
    def learner(self) -> Learner:
        """The learner of the settings that needs no look at the rows."""
        metric = self.metric
        if metric is not None:
            metric = replace(metric, ridge=self.choice.ridge)
        return given_learner(self.settings, metric)

    @cached_property
    def metric(self) -> Metric | None:
        """What L-BFGS begins with of classes: the Hessian of an output where all are guessed."""
        if self.known_metric is not None:
            return self.known_metric
        p, classes = len(self.linear.inputs), self.losses[0].kind == "classes"
        if self.settings.chosen != Lbfgs.name or not classes or p > MOST_MEASURED or self.read.wide:
            return None
        share = float(np.mean(self.guess * (1 - self.guess)))
        whole = np.eye(p + self.model.intercept) * share
        gram = dense(self.standard.problem(self.problem).gram)
        whole[:p, :p] = gram * (share / self.problem.rows)
        if share > 0 and np.isfinite(whole).all():
            return Metric.of(whole, intercept=self.model.intercept)
        return None

    @cached_property
    def spans(self) -> list[slice]:
        """Each target's outputs."""
        return list(self.read.schema.target_spans().values())

    @property
    def guess(self) -> Array:
        """The targets' means: (k,)."""
        mean: Array = self.problem.target_mean * self.problem.target_scale
        return mean

    @property
    def as_it_stands(self) -> LeastSquares:
        """The least-squares problem of inputs measured from zero."""
        return self.linear.as_it_stands(self.read.whole)

    @property
    def outward(self) -> Standardization:
        """The map from standardised weights to those of inputs measured from zero."""
        centre = self.read.centre
        return self.standard if centre is None else self.standard.moved(centre)

    def shown(self, weights: Weights) -> Weights:
        """Own weights as users see them: of inputs measured from zero."""
        centre = self.read.centre
        return weights if centre is None else from_zero(weights, centre)

    def own(self, weights: Weights) -> Weights:
        """Weights in the inputs' own units; frozen ones exactly as given."""
        # Diverged weights overflow here, which is reported in words.
        with np.errstate(all="ignore"):
            own = self.penalties.within(self.standard.out(weights))
        if self.frozen is None:
            return own
        return {n: np.where(self.frozen[n], self.start[n], a) for n, a in own.items()}

    @cached_property
    def loss(self) -> Loss:
        """The loss of all outputs."""
        return together(self.losses)

    @property
    def squared(self) -> bool:
        """Whether the loss is squared, so that moments suffice."""
        return self.losses[0].closed_form

    @cached_property
    def penalty(self) -> Lasso | Ridge | None:
        """The penalty with the chosen strengths, in the units of the steps."""
        if not self.penalties.any(self.choice):
            return None
        penalty = self.held_by(self.choice)
        return penalty if penalty.kinked else penalty.ridge

    @property
    def kinks(self) -> Lasso | None:
        """The non-smooth part of the penalty; needs a proximal step."""
        return self.penalty if isinstance(self.penalty, Lasso) else None

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

    def penalised(self, objective: Objective) -> Objective:
        """An objective with the penalty, if there is one, beside its loss."""
        return objective if self.penalty is None else Penalised(objective, self.penalty)

    @cached_property
    def objective(self) -> Objective:
        """The loss of all rows and the penalty: by their moments, or by a pass over them."""
        if self.rows is None:
            return self.penalised(self.standard.problem(self.problem))
        return self.penalised(PassObjective(self.rows, self.model, self.loss))

    @cached_property
    def batches(self) -> MinibatchRows | None:
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
        if self.null is not None:
            return self.null.score
        if self.smoothing is not None:
            return self.smoothing.centre
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

    @cached_property
    def best(self) -> Weights | None:
        """The optimal weights under squared loss and penalty; None for other losses."""
        if not self.squared:
            return None
        return best(self.linear, self.read.whole, self.penalties, self.choice)

    def fitting(self, losses: Sequence[Loss]) -> DevianceSums:
        """Deviance sums; without offsets and smoothing the null score is the link of the mean."""
        if self.null is not None:
            null = self.null.score
        elif self.smoothing is not None:
            null = self.smoothing.null_scores(losses)
        else:
            null = self.loss.link(self.guess)
        return DevianceSums(self.model, losses, self.spans, null)

    def looking(
        self,
        losses: Sequence[Loss],
        tolerance: float = 0.0,
        steep: float | None = None,
        *,
        hessian: bool = True,
        known: Comparison | None = None,
    ) -> CachedObjective:
        """The objective that caches its final pass, with the fit metrics."""
        assert self.rows is not None, "losses other than squared need rows"
        asked = self.rows, self.model, self.loss, self.fitting(losses)
        return CachedObjective(*asked, tolerance, steep, self.read.plan.trials, hessian, known)
