"""Result of an iterative fit: its outcome, with all inference that moments allow."""

from dataclasses import replace

import numpy as np

from deltarule.errors import DivergedError, LearningError
from deltarule.fit.collinearity import collinear_columns
from deltarule.fit.fit_step import FitStep, StepsTaken
from deltarule.fit.fold_refit import check_steps, none_refitted, refit
from deltarule.fit.inference import errors_of, fit_inference
from deltarule.fit.iterate import convergence_of, tolerance_of, trained
from deltarule.fit.least_squares import StandardErrors, fits
from deltarule.fit.outcome import HeldOut, Outcome
from deltarule.fit.problem import FitProblem
from deltarule.moments.moments import Moments
from deltarule.moments.splits import Split
from deltarule.rule.learn import Descent, alpha_range_of
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import Stop
from deltarule.solvers.cv_result import cross_validated
from deltarule.solvers.least_squares import ClosedFormDescent, Solution, Spectrum, shortest, solve
from deltarule.solvers.plateau import ReduceOnPlateau


def result(steps: StepsTaken) -> Outcome:
    """The outcome of the steps of a problem.

    Errors:  DivergedError when the weights or their error are no longer finite
    """
    step = steps.last
    last, problem = step.own, step.problem
    assert last.stopped is not None, "the last step says why it stopped"
    if not all(np.isfinite(array).all() for array in last.weights.values()):
        raise DivergedError(f"the weights are no longer finite: {last.stopped.words}")
    free = None
    if problem.penalty is None and not problem.read.wide:
        free = solve(problem.linear.free(problem.read.whole))
    outcome = Outcome(
        weights=last.weights if free is None else _shortest(step, free),
        loss=problem.settings.losses[0],
        learner=problem.settings.chosen,
        steps=last.number,
        stopped=last.stopped.words,
        alpha=getattr(step.learner, "alpha", None),
        ridge=problem.choice.ridge,
        lasso=problem.choice.lasso,
        minimised=problem.penalties.words(problem.choice, problem.settings.losses[0]),
        sampled=0 if step.warm is None else step.warm.sampled,
        condition=None if problem.read.wide else Spectrum.of(problem.as_it_stands).condition,
        errors=errors_of(problem),
        course=list(steps.course),
        batch=None if problem.batches is None else problem.batches.size,
        epochs=last.epoch,
        convergence=convergence_of(step),
        notes=_notes(step, free),
    )
    if problem.squared:
        return _squared(step, outcome, last.stopped)
    return fit_inference(step, steps.recent, outcome, last.stopped)


def _squared(step: FitStep, outcome: Outcome, stopped: Stop) -> Outcome:
    problem = step.problem
    alphas = Spectrum.of(problem.as_it_stands).alphas
    if problem.settings.alpha is None:
        hessian = problem.objective(problem.first(), hessian=True).average().hessian
        alphas = alphas if hessian is None else alpha_range_of(hessian)
    errors = problem.problem.squared_error(outcome.weights)
    if not np.isfinite(errors * problem.problem.target_scale**2).all():
        raise DivergedError(f"the error is no longer finite: {stopped.words}")
    # At convergence the weights are the exact ones, and so is their inference.
    arrived = stopped.reason in ("settled", "still") and problem.penalty is None
    kind = errors_of(problem) if arrived else ""
    linear = problem.linear
    certain = StandardErrors.of(linear, problem.read, kind) if kind else StandardErrors.unknown()
    notes, held_out = list(outcome.notes), None
    try:
        held_out = _held_out(step)
    except LearningError as error:
        notes.append(none_refitted(error))
    return replace(
        outcome,
        fit=fits(problem.problem, errors, linear),
        held_out=held_out,
        error=certain.error,
        intercept_error=certain.intercept_error,
        covariance=certain.covariance,
        freedom=certain.freedom,
        clusters=certain.clusters,
        errors=kind,
        alphas=alphas,
        notes=notes,
    )


def _held_out(step: FitStep) -> HeldOut | None:
    """Held-out errors by fold weights trained in the same way.

    Errors:  LearningError where that takes too long, or cannot be done
    """
    task = step.problem
    folds, splits = task.read.folds, task.read.splits
    if not splits.of(folds):
        return None
    if task.batches is not None:
        learnt = refit(step)
    else:
        learnt = {split.test: _learnt(step, split.training(folds)) for split in splits.of(folds)}
    fold_weights = {fold: task.standard.out(one) for fold, one in learnt.items()}

    def errors(split: Split, _: Moments) -> Array:
        judged = task.linear.of(folds[split.test])
        return judged.squared_error(fold_weights[split.test])[None]

    tried = cross_validated(folds, splits, task.linear.targets, errors)
    return HeldOut.of(tried, 0, fold_weights)


def _learnt(step: FitStep, others: Moments) -> Weights:
    """The weights after the same steps on other rows, from their moments."""
    task, learner = step.problem, step.learner
    problem = task.standard.problem(task.linear.of(others))
    if task.frozen is None and task.penalty is None and isinstance(learner, Descent):
        # Closed form, equal to rounding: five folds of 10,000 steps took 480 ms one by one.
        closed = ClosedFormDescent.of(problem, task.first(), learner.alpha)
        if closed.settles:
            # Steps that settle on all rows go on here until these settle, too.
            more = step.stopped is not None and step.stopped.reason != "steps"
            return closed.at(task.settings.most_steps if more else step.taken.number)
    check_steps(step)
    frozen, objective = task.linear.frozen_on(others), task.penalised(problem)
    tolerance = tolerance_of(task)
    for one in trained(task, learner, tolerance, task.first(), frozen, objective=objective):
        learnt = one.weights
    return learnt


def _shortest(step: FitStep, free: Solution) -> Weights:
    """The shortest weights on standardised inputs of those that predict the rows as the last do.

    Of dependent inputs Newton's steps are short in the Hessian's units, and keep what the start,
    such as an earlier model's weights, has along the null space.
    """
    task, own = step.problem, step.own.weights
    asked = task.frozen is not None or task.kinks or any(one.any() for one in task.start.values())
    if asked or not free.null.size or not task.settings.second_order or not task.model.intercept:
        return own
    held, weights = task.linear.held, dict(step.taken.weights)
    weights["weight"] = weights["weight"].copy()
    weights["weight"][~held] = shortest(weights["weight"][~held], free.null)
    return task.own(weights)


def _notes(step: FitStep, free: Solution | None) -> list[str]:
    task, notes = step.problem, []
    if task.settings.alpha is None and not task.settings.second_order:
        notes.append("steps were taken on standardised inputs, which alpha refers to")
    if step.warm is not None and not step.warm.sampled:
        notes.append("steps began at the weights of the model before")
    notes += _pace(step)
    notes += _chosen(task)
    if free is not None:
        meaning = "other weights predict the same, so none of these is sure"
        notes += collinear_columns(task.read, task.linear.held, free.null, meaning)
    if step.separation is not None:
        chosen = task.tried is not None and task.tried.choice(task.tried.chosen()).ridge
        why = "which held-out rows chose" if chosen else "1 / rows"
        notes.append(f"{step.separation}; a ridge of {task.choice.ridge:.3g}, {why}, holds them")
    if task.smoothing is not None and task.settings.rest("ridge") == "auto":
        notes.append(f"no ridge was tried: {task.losses[0].name} loss takes one that you name")
    if task.smoothing is not None and not task.settings.needs_hessian:
        notes.append(
            "steps were taken on a loss fitted to the residuals of least squares: newton, the "
            "default, goes on to the loss itself"
        )
    if task.losses[0].dispersion == "unknown":
        notes.append(f"no standard errors are known for {task.losses[0].name} loss")
    return notes


def _chosen(problem: FitProblem) -> list[str]:
    """Notes on the penalties that cross-validation chose."""
    if problem.tried is None:
        return []
    squared = problem.squared
    mean = problem.tried.mean()[:, 0]
    what, figure = ("the typical error", np.sqrt(mean)) if squared else ("the mean loss", mean)
    notes = problem.penalties.earned(problem.tried, what, figure)
    if notes and problem.tried.chosen() and problem.share < 1:
        asked = (
            f"{round(problem.share * problem.read.examples):,} of {problem.read.examples:,} rows"
        )
        kinds = {"ridge": problem.choice.ridge, "lasso": problem.choice.lasso}
        now = " and ".join(f"{name} {size:.3g}" for name, size in kinds.items() if size)
        notes.append(f"that was on {asked}; all of them need less: {now}")
    return notes


def _pace(step: FitStep) -> list[str]:
    """Notes on minibatches and on the schedule of alpha."""
    task, learner, notes, alpha = step.problem, step.learner, [], step.taken.alpha
    if task.batches is not None:
        rows = f"{task.batches.size:,} of {task.read.examples:,} rows"
        notes.append(f"each step saw {rows}, {task.batches.order}")
    if isinstance(learner, ReduceOnPlateau) and alpha is not None and alpha < learner.alpha:
        notes.append(
            f"alpha began at {learner.alpha:.3g} and ended at {alpha:.3g}: it is halved "
            "after each round that did not lower the loss"
        )
    return notes
