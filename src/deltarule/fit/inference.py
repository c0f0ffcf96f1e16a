"""Inference for losses other than squared: metrics, standard errors, held-out errors."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from deltarule.engines.local import RowPass, RowsInMemory
from deltarule.engines.questions import FoldOptimum, PassObjective, ScoreProducts
from deltarule.engines.remote import EngineRows
from deltarule.errors import DivergedError, LearningError
from deltarule.fit.cross_validate import CrossValidation
from deltarule.fit.deviance import covariance_of, own_alphas, variances_of
from deltarule.fit.fit_step import FitStep
from deltarule.fit.fold_refit import none_refitted, refit
from deltarule.fit.outcome import HeldOut, Outcome
from deltarule.fit.problem import FitProblem
from deltarule.fit.sandwich import errors_of as roots_of
from deltarule.fit.sandwich import kind_of, robust_covariance, score_rows, summed_covariance
from deltarule.fit.separated_folds import hold_separated
from deltarule.fit.smoothing import JUDGED, narrowed, unsmoothed
from deltarule.losses.loss import MEAN, Loss, SmoothedLoss
from deltarule.losses.registry import together
from deltarule.model.record import FitRecord
from deltarule.moments.cluster_sums import ClusterSums
from deltarule.moments.inference import inverses
from deltarule.moments.one_hot_hessian import one_hot
from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import Stop
from deltarule.solvers.lbfgs import Lbfgs, Metric, Recent

# Steps that converged at such a tolerance are at the optimum, to the digits that are shown.
NEAR = 1e-6
# Of more weights learnt by gradients alone there are no standard errors: their covariance takes
# minutes, and gigabytes.
MOST_INFERRED = 1000


def fit_inference(step: FitStep, recent: Recent, outcome: Outcome, stopped: Stop) -> Outcome:
    """The outcome with fit metrics, standard errors and held-out errors added."""
    task = replace(step.problem, losses=step.losses)
    assert task.rows is not None, "losses other than squared need rows"
    weights = task.standard.into(outcome.weights)
    path = [task.loss]
    smoothed = [loss for loss in task.losses if isinstance(loss, SmoothedLoss)]
    if task.smoothing is not None:
        measured = task.smoothing.next_round(smoothed, weights, first=True).losses
        rounded = (together(narrowed(measured, share)) for share in JUDGED)
        path = list(dict.fromkeys(rounded))  # a smooth loss gives one loss
    losses = unsmoothed(task.losses)
    curved = task.settings.needs_hessian or _counts(task)
    cached = step.cached or task.looking(losses, hessian=curved)
    arrived = stopped.reason == "settled"
    if arrived and cached.seen is not None and cached.seen[0] is step.taken.before:
        # The final pass is one Newton step from here, too small to matter.
        weights = step.taken.before
    look = cached.look(weights)
    whole = task.penalised(FoldOptimum(look.comparison))
    hessian = whole(weights, hessian=True).hessian
    p, intercept = len(task.problem.mean), task.model.intercept
    sharp = task.smoothing is not None and task.losses[0].dispersion == "unknown"
    # Short of the optimum, the Hessian gives no standard errors.
    known = curved and errors_of(task) != "" and stopped.reason in ("settled", "still")
    try:
        fitting = task.fitting(losses)
        fit = fitting.figures(task.rows, look.fit, p + intercept)
    except OverflowError:
        raise DivergedError(f"the error is no longer finite: {stopped.words}") from None
    clusters = ClusterSums.of(task.read.plan.request.cluster, errors_of(task))
    covariance = None
    if known and hessian is not None:
        covariance = _covariance(task, weights, hessian, fit, clusters)
    errors = None if covariance is None else roots_of(covariance)
    if covariance is not None and covariance.ndim == 2:
        covariance = None  # of so many weights only the variances
    judge = CrossValidation(
        rows=task.rows,
        model=task.model,
        path=path,
        problem=task.linear,
        spans=task.spans,
        penalised=task.penalised,
        kinks=task.kinks,
        by_gradients=None if curved else Lbfgs(recent.pairs(), _metric(task)),
    )
    notes = list(outcome.notes)
    if not curved and errors_of(task):
        notes.append("standard errors of so many weights of classes are not computed")
    if task.penalty is None and fitting.separated(look.fit):
        notes.append(
            "the rows are told apart perfectly, so no finite weights are best and these mean "
            "little: give a ridge, such as --ridge 0.01"
        )
    held_out = None
    try:
        held_out = _held_out(step, task, judge, weights, look.folds if arrived and curved else None)
        if held_out is not None and curved:
            held_out, note = hold_separated(task, judge, weights, held_out)
            notes += [note] if note else []
    except LearningError as error:
        notes.append(none_refitted(error))
    if held_out is not None and task.null is not None:
        guessing, guesses = task.null.held_out(
            task.read.folds, task.read.splits, task.linear.targets, task.spans
        )
        held_out = replace(held_out, guessing=guessing, guesses=guesses)
    if held_out is not None:
        out = task.standard.out
        own = {fold: out(one) for fold, one in held_out.fold_weights.items()}
        held_out = replace(held_out, fold_weights=own)
    return replace(
        outcome,
        passes=task.rows.passes,
        fit=fit,
        held_out=held_out,
        guess=_guess(task, losses, fitting.null),
        error=None if errors is None else errors[:p],
        intercept_error=None if errors is None or not intercept else errors[p],
        errors=outcome.errors if known else "",
        covariance=covariance,
        # With a non-smooth loss the Hessian does not predict the next step.
        clusters=clusters if known else None,
        alphas=None if sharp or hessian is None else _alphas(task, hessian),
        notes=notes,
    )


def _metric(problem: FitProblem) -> Metric | None:
    return problem.learner.metric if isinstance(problem.learner, Lbfgs) else None


def _alphas(problem: FitProblem, hessian: Array) -> AlphaRange | None:
    average = hessian / problem.problem.rows
    return own_alphas(average, problem.outward, intercept=problem.model.intercept)


def _counts(problem: FitProblem) -> bool:
    """Whether a Hessian is worth its cost though steps need none: for standard errors."""
    k, q = len(problem.guess), len(problem.problem.mean) + problem.model.intercept
    return errors_of(problem) != "" and k * q <= MOST_INFERRED


def _guess(problem: FitProblem, losses: Sequence[Loss], null: Array) -> Array | None:
    """What guessing predicts, (k,); None for the targets' means."""
    if problem.null is None and any(loss.guess == MEAN for loss in losses):
        return None
    guess: Array = problem.loss.link.inverse(null[None])[0]
    return guess if np.isfinite(guess).all() else None


def _held_out(
    step: FitStep,
    problem: FitProblem,
    judge: CrossValidation,
    weights: Weights,
    found: Mapping[int, Comparison] | None,
) -> HeldOut | None:
    """The errors on held-out rows, by weights trained without them in the same way.

    Errors:  LearningError where that takes too long, or cannot be done
    """
    folds, splits = problem.read.folds, problem.read.splits
    if not splits.of(folds):
        return None
    newton = problem.settings.second_order
    near = problem.smoothing is None and problem.settings.tolerance <= NEAR
    done = step.stopped is not None and step.stopped.reason in ("settled", "still")
    best = done and (newton or near)
    if problem.smoothing is not None and not judge.many(folds):
        # A scale and a width are of the residuals: each fold's rounds find its own.
        return judge.judged(refit(step), folds, splits)
    if best and (problem.penalties.hold_all(problem.choice) or judge.determined(folds, splits)):
        return judge.held_out(weights, folds, splits, found)
    return judge.judged(refit(step), folds, splits)


def errors_of(problem: FitProblem) -> str:
    """The kind of the standard errors; empty where there are none."""
    asked = problem.settings.kind_of_errors
    if (
        problem.penalty is not None
        or problem.frozen is not None
        or problem.losses[0].dispersion == "unknown"
    ):
        return ""
    coupled = problem.losses[0].kind == "classes"
    return asked if asked == "classical" else kind_of(asked, coupled=coupled)


def _covariance(
    problem: FitProblem,
    weights: Weights,
    hessian: Array,
    fit: Sequence[FitRecord],
    clusters: ClusterSums | None,
) -> Array:
    """The covariance of own weights, the intercept last, NaN where unknown: (k, q, q).

    Of categories of many levels the variances alone: (k, q). With a non-canonical link the expected
    Hessian differs from the observed one.
    """
    assert problem.rows is not None, "losses other than squared need rows"
    actual = hessian
    if any(loss.dispersion != "known" for loss in problem.losses):
        expected = PassObjective(problem.rows, problem.model, problem.loss, expected=True)
        found = expected(weights, hessian=True).hessian
        assert found is not None, "rows are curved"
        hessian = found
    if errors_of(problem) not in ("classical", ""):
        return _robust(problem, weights, actual, hessian, clusters)
    if (levels := one_hot(hessian)) is not None:
        each = variances_of(levels, problem.outward)
    else:
        each = covariance_of(hessian, problem.outward, intercept=problem.model.intercept)
    if all(loss.dispersion == "known" for loss in problem.losses):
        return each
    known = [loss.dispersion == "known" for loss in problem.losses]
    dispersion = [1.0 if k else one.dispersion for k, one in zip(known, fit, strict=True)]
    by = np.array(dispersion, dtype=float).reshape(-1, *[1] * (each.ndim - 1))
    covariance: Array = each * by
    return covariance


def _robust(
    problem: FitProblem,
    weights: Weights,
    hessian: Array,
    expected: Array,
    clusters: ClusterSums | None,
) -> Array:
    """The robust (sandwich) or cluster-robust covariance, by one more pass over the rows."""
    rows = problem.rows
    assert rows is not None, "losses other than squared need rows"
    if clusters is not None and isinstance(rows, RowsInMemory):
        # Rows in memory lack their clusters: read them from the source.
        rows.passes += 1
        rows = RowPass(problem.read, problem.standard)
    q = len(problem.problem.mean) + problem.model.intercept
    kind, bread, intercept = errors_of(problem), inverses(hessian, q), problem.model.intercept
    if isinstance(rows, EngineRows):
        scores = rows.total(ScoreProducts(problem.model, problem.loss, weights))
        return summed_covariance(bread, scores, problem.outward, kind=kind, intercept=intercept)
    return robust_covariance(
        bread,
        score_rows(rows, problem.model, problem.loss, weights),
        problem.outward,
        kind=kind,
        hat=inverses(expected, q),
        intercept=intercept,
        sums=clusters,
    )
