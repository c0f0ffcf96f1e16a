"""Preparing an iterative fit: pure steps, each of which gives a problem from a problem.

posed -> checked targets -> rows -> null model beside offsets -> first round of smoothing
-> penalty chosen by cross-validation
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import RowSource
from deltarule.engines.local import GRADIENT_CELLS, NEWTON_CELLS, RowPass, RowsInMemory
from deltarule.engines.remote import EngineRows
from deltarule.errors import LearningError, TargetError
from deltarule.fit.null_model import NullModel
from deltarule.fit.penalized_least_squares import cross_validate
from deltarule.fit.penalties import Penalties
from deltarule.fit.penalty_search import (
    MORE_STEPS,
    PenaltySearch,
    for_all,
    sampled,
    search_penalty,
)
from deltarule.fit.problem import FitProblem
from deltarule.fit.row_questions import FirstRefused
from deltarule.fit.settings import Settings
from deltarule.fit.smoothing import WATCHED, Smoothing, narrowed
from deltarule.losses.loss import Loss, SmoothedLoss
from deltarule.losses.registry import loss_named
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.problem import LinearProblem
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Mask, Weights
from deltarule.solvers.cv_result import Choice
from deltarule.solvers.least_squares import solve
from deltarule.solvers.newton import Newton
from deltarule.tables.one_read import Read

# Residuals this small relative to the targets are rounding.
MET = 1e-13


def prepare(
    read: Read,
    settings: Settings,
    start: Weights,
    frozen: Mapping[str, Mask] | None,
    *,
    by_hand: int,
    choice: Choice | None = None,
) -> FitProblem:
    """The problem of an iterative fit. Up to `by_hand` rows, steps use the rows themselves.

    With a `choice` the penalties have these strengths; without, cross-validation may choose them.
    Errors:  TargetError, LearningError
    """
    problem = posed(read, settings, start, frozen, by_hand, choice)
    check_targets(problem)
    problem = with_first_round(with_null_model(with_rows(problem)))
    auto = problem.penalties.auto and choice is None
    return with_chosen_penalty(problem) if auto else problem


def posed(
    read: Read,
    settings: Settings,
    start: Weights,
    frozen: Mapping[str, Mask] | None,
    by_hand: int,
    choice: Choice | None,
) -> FitProblem:
    """The problem before anything is asked of its rows."""
    p, k = len(read.schema.inputs), len(read.schema.outputs)
    intercept = read.plan.request.intercept
    linear = LinearProblem(range(p), range(p, p + k), intercept, start, frozen, read.centre)
    loss = loss_named(settings.losses[0])
    penalties = _penalties(read, settings, loss)
    return FitProblem(
        read=read,
        settings=settings,
        start=start,
        frozen=frozen,
        linear=linear,
        model=BlockLinear(intercept=intercept),
        standard=_standard(linear, read, settings),
        losses=(loss,) * len(read.schema.targets),
        penalties=penalties,
        choice=penalties.given if choice is None else choice,
        by_hand=by_hand,
    )


def _standard(problem: LinearProblem, read: Read, settings: Settings) -> Standardization:
    """The units of the steps: with an explicit alpha, the inputs as they stand."""
    p, frozen = len(problem.inputs), problem.frozen
    if settings.alpha is not None:
        return Standardization(np.zeros(p), np.ones(p))
    # A frozen intercept is one of inputs measured from zero, so these must not be centred.
    held = frozen is not None and bool(frozen.get("intercept", np.zeros(1)).any())
    return Standardization.of(problem.of(read.whole), centre=not held)


def _penalties(read: Read, settings: Settings, loss: Loss) -> Penalties:
    """The penalties of the settings. Watched steps have no automatic ridge.

    Nor do losses with smoothing rounds, whose unit would change with the ridge.
    """
    penalties = Penalties.of(read.schema.inputs, settings)
    newton = not loss.closed_form and settings.second_order
    return penalties if newton and not isinstance(loss, SmoothedLoss) else penalties.watched


def check_targets(problem: FitProblem) -> None:
    """Errors: TargetError, naming the first row whose target the loss cannot take."""
    read = problem.read
    for at, (target, span) in enumerate(zip(read.schema.targets, problem.spans, strict=True)):
        loss = problem.losses[at]
        if loss.accepts(np.array([[target.low], [target.high]])).all():
            continue
        first = read.total(FirstRefused(span.start, loss))
        if first.row is not None:
            raise TargetError(
                f"{read.source.name}, column '{target.name}', row {first.row + 1}: "
                f"{first.value:g} is no target for {loss.name} loss, which takes {loss.takes}"
            )


def with_rows(problem: FitProblem) -> FitProblem:
    """The rows, where the loss needs them or they are few enough to be shown."""
    read, settings, standard = problem.read, problem.settings, problem.standard
    if problem.squared and (read.frames is None or read.examples > problem.by_hand):
        return problem
    if read.engine is not None:
        return replace(problem, rows=EngineRows(read.engine, read.encoder, standard))
    cells = read.examples * (len(problem.problem.mean) + len(problem.losses))
    many = settings.second_order and not settings.needs_hessian
    most = GRADIENT_CELLS if many else NEWTON_CELLS
    if read.frames is not None and (problem.squared or cells <= most):
        return replace(problem, rows=RowsInMemory.of(read, standard))
    return replace(problem, rows=RowPass(read, standard))


def with_null_model(problem: FitProblem) -> FitProblem:
    """The null model beside offsets; without them it is the mean."""
    read, offset = problem.read, problem.read.schema.offset
    if offset is None or read.plan.request.shifted:
        return problem
    assert problem.rows is not None, "losses other than squared need rows"
    first = problem.mean_score() - offset.mean
    if read.sample:
        sample = RowPass(read.of_sample(1), problem.standard)
        first = NullModel.of(sample, problem.loss, first).score
    return replace(problem, null=NullModel.of(problem.rows, problem.loss, first))


def with_first_round(problem: FitProblem) -> FitProblem:
    """The losses of the first round of smoothing; learners other than Newton use no other.

    Errors:  LearningError where several targets need several scales, or a lasso is to be chosen
    """
    losses = [loss for loss in problem.losses if isinstance(loss, SmoothedLoss)]
    if not losses:
        return problem
    loss, settings = losses[0], problem.settings
    if settings.rest("lasso") == "auto":
        raise LearningError(
            f"{loss.name} loss takes no lasso of auto: name a strength, such as --lasso 0.01"
        )
    if len(losses) > 1 and np.isfinite(loss.spread):
        raise LearningError(f"{loss.name} loss measures one target's residuals: predict one column")
    assert problem.rows is not None, "losses other than squared need rows"
    smoothing = Smoothing.of(problem.rows, problem.model, losses, problem.penalty)
    problem = replace(problem, smoothing=smoothing)
    if settings.needs_hessian:
        now = smoothing.next_round(losses, problem.first(), first=True)
    else:
        near = problem.linear.whole(solve(problem.linear.free(problem.read.whole)).weights)
        now = smoothing.next_round(losses, problem.standard.into(near), first=True)
        now = replace(now, losses=narrowed(now.losses, WATCHED))
    check_spread(problem, now.losses)
    return replace(problem, losses=now.losses, first_round=now)


def check_spread(problem: FitProblem, losses: Sequence[SmoothedLoss]) -> None:
    """Errors: TargetError where residuals are too small for a robust scale."""
    for loss, target in zip(losses, problem.read.schema.targets, strict=True):
        size = max(abs(target.low), abs(target.high))
        if loss.spread <= MET * size:
            raise TargetError(
                f"{problem.read.source.name}: most rows of the target '{target.name}' are met "
                "exactly, so their residuals have no spread that outliers could be measured "
                "by: use absolute or squared loss"
            )


def with_chosen_penalty(problem: FitProblem) -> FitProblem:
    """The strengths that cross-validation chooses."""
    if not problem.read.splits.of(problem.read.folds):
        return problem
    rows = problem.rows
    if rows is None or problem.squared:
        tried, share = cross_validate(problem.read, problem.linear, problem.penalties), 1.0
    else:
        # Its eigenvectors take a tenth of the search, and are the same for all strengths.
        problem = replace(problem, known_metric=problem.metric)
        search = search_of(problem, rows)
        # On matrices this small more BLAS threads only wait for each other: 8 s, or 0.5.
        with one_blas_thread(), np.errstate(all="ignore"):
            tried = search_penalty(search, problem.penalties, problem.held_by)
        share = search.each / problem.problem.rows
        share = 1.0 if np.isclose(share, 1.0, rtol=1e-9) else share
    of_sample = tried.choice(tried.chosen())
    near = None if rows is None or problem.squared else search.near(of_sample.ridge)
    choice = for_all(of_sample, share)
    return replace(problem, tried=tried, share=share, choice=choice, near=near)


def search_of(problem: FitProblem, rows: RowSource) -> PenaltySearch:
    """The penalty search over these rows' folds."""
    read = problem.read
    source = RowPass(read.of_sample(), problem.standard) if read.sample else rows
    examples = sum(frame.height for frame in read.sample) or read.examples
    weights = len(problem.problem.mean) + 1
    return PenaltySearch(
        folds=sampled(source, examples, weights, _work_each(problem)),
        moments=read.folds,
        splits=read.splits,
        model=problem.model,
        loss=problem.loss,
        losses=problem.losses,
        spans=problem.spans,
        problem=problem.linear,
        first=problem.first(),
        learner=problem.learner if problem.settings.second_order else Newton(),
    )


def _work_each(problem: FitProblem) -> int:
    """What a row costs a step of the search, in products of numbers."""
    q, k = len(problem.problem.mean) + 1, len(problem.guess)
    if problem.settings.second_order and not problem.settings.needs_hessian:
        return q * k * MORE_STEPS
    return (q * k) ** 2 if problem.loss.kind == "classes" else q**2
