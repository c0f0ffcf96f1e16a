"""Iterate: the learning steps of a `FitProblem`, each as data with all that is known by then."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice

import numpy as np

from deltarule.engines.local import RowsInMemory
from deltarule.engines.remote import EngineRows
from deltarule.errors import DivergedError, LearningError
from deltarule.fit.class_fits import ClassFit
from deltarule.fit.convergence import Convergence, gradient_left, way_left
from deltarule.fit.default_learner import steady, suited_learner, suited_to_batches
from deltarule.fit.fit_step import FitStep
from deltarule.fit.prepare import check_spread
from deltarule.fit.problem import FitProblem
from deltarule.fit.separation import Separation, vanished
from deltarule.fit.traced_rows import TracedRows
from deltarule.fit.warm_start import SampledHessian, begin, null_comparison
from deltarule.rule.compare import Objective
from deltarule.rule.learn import Learner
from deltarule.rule.predict import Mask, Weights
from deltarule.rule.train import ROUNDING, Step, Stop, largest, train
from deltarule.solvers.minibatch import Batches, train_in_epochs
from deltarule.solvers.proximal import proximal
from deltarule.trace.ledger import Ledger

# Steps of gradients alone after which separation is looked for, and the last of them where a ridge
# holds the weights in any case.
LOOKS, UNHELD = frozenset(2**power for power in range(3, 14)), 16


def iterate(problem: FitProblem, learner: Learner | None = None) -> Iterator[FitStep]:
    """The steps of a problem, by its own learner or another; the last says why it stopped.

    Errors:  LearningError, DivergedError
    """
    numbers, on_step = problem.settings.trace_rows, problem.settings.on_step
    traced = TracedRows.of(problem.read, numbers) if numbers else None
    for step in steps_of(problem, learner):
        shown = replace(step, traced=traced)
        if step.taken.stopped is not None:
            shown = replace(shown, stopped=_said(step.taken.stopped, shown))
        if on_step is not None:
            on_step(ledger_of(problem).line(shown.shown))
        yield shown


def ledger_of(problem: FitProblem) -> Ledger:
    """The ledger of a problem's steps."""
    schema = problem.read.schema
    return Ledger(schema.outputs, schema.inputs, batches=problem.batches is not None)


def learner_of(problem: FitProblem) -> Learner:
    """The learner of the settings, with the alpha that is fastest where they have none."""
    settings = problem.settings
    if settings.alpha is not None or settings.second_order:
        learner = problem.learner
    else:
        start = problem.objective(problem.first(), hessian=True).average()
        batches = problem.batches
        if batches is None:
            learner = suited_learner(settings, start)
        else:
            learner = suited_to_batches(settings, start, problem.rowwise(), size=batches.size)
    return proximal(learner, problem.kinks) if problem.kinks else learner


def tolerance_of(problem: FitProblem) -> float:
    """The tolerance, relative to the largest gradient at the start.

    From a start far off, where the gradient is huge, it is relative to the gradient at zero
    weights: relative to the start's, everything would seem converged.

    Errors:  LearningError when the start is too far off for any number
    """
    first, frozen, tolerance = problem.first(), problem.frozen, problem.settings.tolerance
    if problem.squared or not any(array.any() for array in problem.start.values()):
        return tolerance
    none = {n: np.zeros_like(array) for n, array in first.items()}
    if "intercept" in none:
        none["intercept"] = problem.mean_score()
    if frozen is not None:
        none = {n: np.where(frozen[n], first[n], array) for n, array in none.items()}
    with np.errstate(all="ignore"):
        steep, usual = (
            max(float(np.max(np.abs(g), initial=0.0)) for g in found.weight_delta.values())
            for found in (problem.objective(first), problem.objective(none))
        )
    if not np.isfinite(steep):
        raise LearningError("the loss is not finite where learning starts: start nearer to 0")
    return tolerance * (usual / steep if 0 < usual < steep else 1.0)


def steps_of(problem: FitProblem, learner: Learner | None = None) -> Iterator[FitStep]:
    """The steps alone: nothing is traced, and nobody is told."""
    tolerance = tolerance_of(problem)
    learner = learner_of(problem) if learner is None else learner
    if problem.smoothing is None or not problem.settings.needs_hessian:
        yield from _held(problem, learner, tolerance)
        return
    assert problem.first_round is not None, "smoothing begins with a round"
    for step, now in problem.smoothing.train(
        problem.first(),
        problem.first_round,
        steps=problem.settings.most_steps,
        tolerance=tolerance,
        frozen=problem.frozen,
    ):
        check_spread(problem, now.losses)
        yield FitStep(step, problem, learner, now.losses)


def _plain(problem: FitProblem, learner: Learner, tolerance: float) -> Iterator[FitStep]:
    """The steps with the penalty as it is."""
    return _from_warm_start(problem, learner, tolerance) or _from_start(problem, learner, tolerance)


def _from_start(problem: FitProblem, learner: Learner, tolerance: float) -> Iterator[FitStep]:
    classes = ClassFit.of(problem, learner)
    near = None if classes is None else classes.near_optimum(tolerance)
    first, steep = (problem.first(), None) if near is None else (near.weights, near.steep)
    cached = None
    if _takes_passes(problem, learner):
        known = null_comparison(problem)
        cached = problem.looking(problem.losses, tolerance, known=known)
    for step in trained(
        problem,
        learner,
        tolerance,
        first,
        problem.frozen,
        objective=None if cached is None else problem.penalised(cached),
        batches=problem.batches,
        steep=steep,
    ):
        yield FitStep(step, problem, learner, problem.losses, cached=cached)


def _takes_passes(problem: FitProblem, learner: Learner) -> bool:
    """Whether each Newton step is a pass over many rows."""
    many = problem.rows is not None and not isinstance(problem.rows, RowsInMemory)
    steps = learner.needs_hessian and problem.batches is None
    plain = problem.frozen is None and not problem.kinks and not problem.squared
    return many and steps and plain


def _from_warm_start(
    problem: FitProblem, learner: Learner, tolerance: float
) -> Iterator[FitStep] | None:
    """The steps from a warm start on a sample; None where there is none, or it misleads.

    The warm start is dropped if the first step from it raises the loss.
    """
    warm = begin(problem)
    if warm is None:
        return None
    cached = problem.looking(problem.losses, tolerance, warm.steep)
    objective = problem.penalised(cached)
    if (
        warm.hessian is not None
        and isinstance(problem.rows, EngineRows)
        and problem.rows.by_queries
    ):
        objective = SampledHessian(objective, warm.hessian)
    steps = trained(
        problem, learner, tolerance, warm.weights, None, objective=objective, steep=warm.steep
    )
    shown = list(islice(steps, 2))
    if len(shown) > 1 and not shown[1].comparison.loss <= shown[0].comparison.loss:
        return None
    return (
        FitStep(step, problem, learner, problem.losses, warm, cached)
        for step in chain(shown, steps)
    )


def _held(problem: FitProblem, learner: Learner, tolerance: float) -> Iterator[FitStep]:
    """The steps; with separation, then those with a ridge that keeps the weights finite.

    Errors:  DivergedError for separation where there is to be no ridge
    """
    auto, choice = problem.penalties.ridge.auto, problem.choice
    newton = problem.settings.second_order and not problem.squared
    if not newton or problem.penalties.hold_all(choice):
        separation, bare = None, newton and auto and choice.ridge > 0
        classes = ClassFit.of(problem, learner)
        if bare and classes is None:
            separation = _without_ridge(problem, tolerance)
        for step in _plain(problem, learner, tolerance):
            if bare and classes is not None and step.taken.stopped is not None:
                # From the weights with a ridge it is not as far.
                weights = classes.without_ridge(step.taken.weights)
                separation = _separation(replace(step, taken=replace(step.taken, weights=weights)))
            yield replace(step, separation=separation)
        return
    start = separation = None
    for step in _plain(problem, learner, tolerance):
        start = start or step
        if _may_be_separated(step, start):
            separation = _separation(step)
            if separation is not None:
                break
        yield step
    else:
        return
    if not auto:
        raise DivergedError(
            f"{problem.read.source.name}: {separation}: give a ridge, such as --ridge "
            "0.01, or leave them out"
        )
    yield replace(step, taken=replace(step.taken, stopped=None), separation=separation)
    number = step.taken.number
    held = replace(problem, choice=replace(choice, ridge=1 / problem.problem.rows))
    for more in _plain(held, learner_of(held), tolerance):
        words = f"after {number} steps that diverged, with a ridge of {held.choice.ridge:.3g}"
        stopped = more.taken.stopped
        if stopped is not None:
            stopped = replace(stopped, words=f"{words}: {stopped.words}")
        taken = replace(more.taken, number=number + more.taken.number, stopped=stopped)
        yield replace(more, taken=taken, separation=separation)


def _may_be_separated(step: FitStep, start: FitStep) -> bool:
    """Whether a step is the last, or would be but for a tolerance near zero.

    With separation steps would go on until the whole Hessian is rounding. Of steps by gradients
    alone, which go on for long, some on the way: to look costs a pass.
    """
    taken = step.taken
    if taken.stopped is not None and taken.stopped.reason != "steps":
        return True
    if step.learner.needs_hessian:
        return vanished(taken, start.taken)
    return taken.number in LOOKS


def _without_ridge(problem: FitProblem, tolerance: float) -> Separation | None:
    """Separation that would occur had cross-validation not chosen a ridge."""
    bare = replace(problem, choice=replace(problem.choice, ridge=0.0))
    start = None
    for step in _plain(bare, learner_of(bare), tolerance):
        start = start or step
        if _may_be_separated(step, start):
            separation = _separation(step)
            if separation is not None or step.learner.needs_hessian or step.taken.number == UNHELD:
                return separation
    return None


def _separation(step: FitStep) -> Separation | None:
    """The separation that steps show, if any: Newton's last one, or weights to scale up."""
    problem, taken = step.problem, step.taken
    assert problem.rows is not None, "losses other than squared need rows"
    way = taken.weights
    if step.learner.needs_hessian:
        way = {name: array - taken.before[name] for name, array in way.items()}
    return Separation.along(
        way,
        weights=taken.weights,
        rows=problem.rows,
        model=problem.model,
        loss=problem.loss,
        inputs=problem.read.schema.inputs,
    )


def trained(
    problem: FitProblem,
    learner: Learner,
    tolerance: float,
    first: Weights,
    frozen: Mapping[str, Mask] | None,
    *,
    objective: Objective | None = None,
    batches: Batches | None = None,
    steep: float | None = None,
) -> Iterator[Step]:
    """The steps from these weights, on the problem's objective or another, or in minibatches."""
    settings = problem.settings
    whole = problem.objective if objective is None else objective
    # Its size takes a Hessian, which gradients alone are to do without.
    rounded = not problem.squared and tolerance and (steep is None or learner.needs_hessian)
    if batches is None:
        return train(
            first,
            whole,
            learner,
            steps=settings.most_steps,
            tolerance=tolerance,
            frozen=frozen,
            remaining=None if problem.kinks is None else problem.kinks.left,
            steep=steep,
            rounding=ROUNDING if rounded else 0.0,
        )
    return train_in_epochs(
        first,
        batches,
        learner,
        whole=whole,
        steps=settings.steps,
        epochs=settings.epochs,
        tolerance=tolerance,
        frozen=frozen,
    )


def _said(stopped: Stop, step: FitStep) -> Stop:
    """The stop with details from the table: the column to blame, the distance left."""
    words, problem = stopped.words, step.problem
    if stopped.reason == "diverging" and problem.settings.alpha is not None:
        if problem.batches is not None:
            words += f"; {_steady(problem):.6g} comes nearer on average"
        largest = int(np.argmax(problem.problem.hessian()[0].diagonal()))
        inputs = problem.read.schema.inputs
        blamed = inputs[largest][0] if largest < len(inputs) else "the intercept"
        words += f"; the scale of {blamed} sets that limit"
    elif stopped.reason in ("steps", "hovering"):
        near, weights = convergence_of(step), step.own.weights
        if weights["weight"].size == 1 and problem.best is not None:
            here, there = weights["weight"].item(), problem.best["weight"].item()
            words += f": {replace(near, way=None).words}"
            words += f"; the weight is {here:.6g} on its way to {there:.6g}"
        elif near.words:
            words += f": {near.words}"
    return replace(stopped, words=words)


def _steady(problem: FitProblem) -> float:
    """A convergent alpha for plain descent on these batches."""
    assert problem.batches is not None, "on all rows, curvature alone says it"
    start = problem.objective(problem.first(), hessian=True).average()
    return steady(start, problem.rowwise(), size=problem.batches.size)


def convergence_of(step: FitStep) -> Convergence:
    """How near the weights after a step are to the optimum.

    Of many rows it is those before the step, already evaluated: no extra pass.
    """
    problem, own = step.problem, step.own
    if step.cached is not None and step.cached.steep:
        return Convergence(largest(own.comparison.weight_delta) / step.cached.steep)
    with np.errstate(all="ignore"):
        first = problem.first()
        here = problem.standard.into(own.weights)
        now, start = (_gradient(problem, weights) for weights in (here, first))
        now = now if problem.kinks is None else problem.kinks.left(here, now)
        gradient = gradient_left(now, start)
        if problem.best is None:
            return Convergence(gradient)
        error, least = (
            2 * problem.problem(one).average().loss for one in (own.weights, problem.best)
        )
        start = problem.standard.out(first)
        way = way_left(own.weights, problem.best, start, problem.problem.spread)
        return Convergence(gradient, error, least, way)


def _gradient(problem: FitProblem, weights: Weights) -> Weights:
    """The average weight_delta at these weights, 0 of frozen ones."""
    compared = problem.objective(weights)
    return (
        (compared if problem.frozen is None else compared.freeze(problem.frozen))
        .average()
        .weight_delta
    )
