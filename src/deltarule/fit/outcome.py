"""Outcome of a fit, and the conversion of outcomes to the Record that a model is.

Targets that share a loss are learnt together and have one outcome.

Shapes: p inputs, k outputs, of which a target has one, or one for each class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

import numpy as np

import deltarule
from deltarule.dataclass import dataclass
from deltarule.fit.columns import left_out_notes, records
from deltarule.fit.convergence import Convergence
from deltarule.fit.data_checks import data_checks
from deltarule.fit.distributions import distributions
from deltarule.fit.held_out_predictions import held_out_predictions, not_judged
from deltarule.fit.identities import FittedTarget, identities
from deltarule.fit.setting_values import closed_form
from deltarule.fit.target_checks import notes_on_amounts
from deltarule.losses.loss import MEAN
from deltarule.losses.registry import loss_named, with_spread
from deltarule.metrics.conformal import Intervals
from deltarule.metrics.regression import Metrics
from deltarule.model import record as saved
from deltarule.model.record import (
    FitRecord,
    HeldOutBy,
    HeldOutRecord,
    InterceptRecord,
    LearnRecord,
    Record,
    WeightRecord,
)
from deltarule.moments.cluster_sums import ClusterSums
from deltarule.moments.inference import Certainty, certainty
from deltarule.moments.moments import Moments
from deltarule.moments.standardize import from_zero
from deltarule.rule.learn import AlphaRange
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.cv_result import CVResult
from deltarule.tables.one_read import Read
from deltarule.tables.schema import Schema
from deltarule.tables.source import without_folder

# Folds are uneven where one has so many times the rows of an even share; how many a note shows.
UNEVEN, FOLDS_SHOWN = 2.0, 5


@dataclass(frozen=True)
class HeldOut:
    """Held-out errors: summed delta ** 2 on held-out rows, and that of the training mean.

    `fold_weights` are in the inputs' own units; with offsets, `guesses` (k,) are the
    null model's predictions by fold where the offset is 0.
    Shapes:  errors, guessing: one for each target, in its `unit` squared
    """

    folds: int
    rows: float
    errors: Array
    guessing: Array
    unit: Array
    fold_weights: Mapping[int, Weights] = field(default_factory=dict)
    guesses: Mapping[int, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, tried: CVResult, at: int, fold_weights: Mapping[int, Weights]) -> "HeldOut":
        """The errors of a candidate of cross-validation, and its weights by fold."""
        return cls(
            folds=len(tried.rows),
            rows=float(tried.rows.sum()),
            errors=tried.errors[at].sum(axis=0),
            guessing=tried.guessing.sum(axis=0),
            unit=tried.unit,
            fold_weights=fold_weights,
        )


@dataclass(frozen=True)
class Outcome:
    """The result of a fit. Weights and their standard errors are in the inputs' own units.

    Shapes:  error (p, k), NaN where unknown; intercept_error (k,); fit one for each target;
             covariance (k, q, q), the intercept last, NaN where unknown
    """

    weights: Weights
    """Of inputs that are measured from `centre`."""
    loss: str
    learner: str
    steps: int
    stopped: str
    guess: Array | None = None
    """What guessing predicts where the offset is 0, (k,); None for the targets' means."""
    fit: Sequence[FitRecord] = ()
    held_out: HeldOut | None = None
    error: Array | None = None
    intercept_error: Array | None = None
    covariance: Array | None = None
    freedom: float = np.inf
    errors: str = "classical"
    clusters: ClusterSums | None = None
    alpha: float | None = None
    alphas: AlphaRange | None = None
    passes: int = 0
    sampled: int = 0
    ridge: float = 0.0
    lasso: float = 0.0
    minimised: str = ""
    condition: float | None = None
    course: Sequence[tuple[int, float]] = ()
    batch: int | None = None
    epochs: int | None = None
    convergence: Convergence = field(default_factory=Convergence)
    notes: list[str] = field(default_factory=list)
    centre: Array | None = None
    """What inputs are measured from, (p,), also by the weights that folds are judged by."""


def record(read: Read, outcomes: Sequence[tuple[Schema, Outcome]]) -> Record:
    """The model's record: validated, plain data.

    Each outcome comes with the schema of its targets.
    """
    schema = read.schema
    p = len(schema.inputs)
    whole = read.whole
    spread = np.sqrt(np.maximum(whole.cross.diagonal(), 0.0) / whole.rows) * whole.scale
    mean = whole.mean * whole.scale
    by_target: dict[str, _TargetRecord] = {}
    for part, outcome in outcomes:
        by_target |= _target_records(read, part, outcome)
    loss_of = {t.name: outcome.loss for part, outcome in outcomes for t in part.targets}
    order = [by_target[target.name] for target in schema.targets]
    held_out = [one.held_out for one in order if one.held_out is not None]
    return Record(
        written_by=f"deltarule {deltarule.__version__}",
        learnt_from=without_folder(read.source.name),
        learnt_at=datetime.now(UTC).isoformat(timespec="seconds"),
        contract=schema,
        means=tuple(mean[:p].tolist()),
        spreads=tuple(spread[:p].tolist()),
        centres=() if outcomes[0][1].centre is None else tuple(outcomes[0][1].centre.tolist()),
        starts=tuple(start for one in order for start in one.starts),
        target_means=tuple(_guesses(schema, outcomes, mean[p:])),
        weights=tuple(weight for one in order for weight in one.weights),
        intercept=tuple(intercept for one in order for intercept in one.intercepts),
        rows=whole.rows,
        rows_left_out=read.left_out,
        rows_left_out_by_cause=read.causes,
        examples=read.examples,
        fit=tuple(one.fit for one in order),
        held_out=tuple(held_out) if len(held_out) == len(order) else None,
        held_out_by=_held_out_by(read),
        fold_by=_fold_by(read),
        learnt=tuple(_learnt(read, part, outcome) for part, outcome in outcomes),
        columns=tuple(records(read)),
        distributions=distributions(read),
        notes=(
            *read.notes,
            *left_out_notes(read),
            *dict.fromkeys(note for _, outcome in outcomes for note in outcome.notes),
            *(note for part, outcome in outcomes for note in _not_judged(read, part, outcome)),
            *_of_groups(read, [outcome for _, outcome in outcomes]),
            *(few_folds(read) if held_out else ()),
            *_identities(read, whole, by_target, loss_of),
            *notes_on_amounts(
                read, [one for one in schema.targets if closed_form(loss_of[one.name])], whole
            ),
            *data_checks(
                read,
                whole,
                [one.fit for one in order],
                [loss_of[target.name] for target in schema.targets],
                outcomes[0][1].errors,
            ),
        ),
        intervals=tuple(one.intervals for one in order),
        covariances=tuple(one for target in order for one in target.covariances),
        moments=saved.packed(read.folds),
    )


def _guesses(
    schema: Schema, outcomes: Sequence[tuple[Schema, Outcome]], means: Array
) -> list[float]:
    """The null model's predictions, at an offset of 0 if there is one; else the targets' means."""
    guesses, spans = means.copy(), schema.target_spans()
    for part, outcome in outcomes:
        if outcome.guess is not None:
            for target, span in part.target_spans().items():
                guesses[spans[target]] = outcome.guess[span]
    return [float(guess) for guess in guesses]


def _learnt(read: Read, part: Schema, outcome: Outcome) -> LearnRecord:
    alphas = outcome.alphas
    return LearnRecord(
        targets=tuple(target.name for target in part.targets),
        loss=outcome.loss,
        learner=outcome.learner,
        reads=read.reads,
        passes=outcome.passes,
        sampled=outcome.sampled,
        steps=outcome.steps,
        stopped=outcome.stopped,
        alpha=outcome.alpha,
        alpha_limit=_finite(alphas.limit) if alphas else None,
        alpha_fastest=_finite(alphas.fastest) if alphas else None,
        ridge=outcome.ridge,
        lasso=outcome.lasso,
        minimised=outcome.minimised,
        condition=_finite(outcome.condition),
        errors=outcome.errors,
        cluster_by=None if outcome.clusters is None else outcome.clusters.column,
        clusters=None if outcome.clusters is None else outcome.clusters.count,
        freedom=_finite(outcome.freedom),
        course=tuple(outcome.course),
        batch=outcome.batch,
        epochs=outcome.epochs,
        gradient_left=_finite(outcome.convergence.gradient),
        error_above_least=_finite(outcome.convergence.above),
        way_left=_finite(outcome.convergence.way),
    )


@dataclass(frozen=True)
class _TargetRecord:
    """One target's part of a record."""

    weights: Sequence[WeightRecord]
    intercepts: Sequence[InterceptRecord]
    fit: FitRecord
    held_out: HeldOutRecord | None
    intervals: Intervals | None
    starts: Sequence[float] = ()
    covariances: Sequence[str | None] = ()


def _identities(
    read: Read, whole: Moments, by_target: Mapping[str, _TargetRecord], loss_of: Mapping[str, str]
) -> list[str]:
    """Notes on targets that are sums of inputs."""
    spans = read.schema.target_spans().items()
    fitted = [
        FittedTarget(
            name=target,
            output=span.start,
            loss=loss_named(loss_of[target]),
            fit=one.fit,
            held_out=one.held_out,
            weights=one.weights,
            intercepts=one.intercepts,
        )
        for target, span in spans
        for one in (by_target[target],)
    ]
    return identities(read, whole, fitted)


def _target_records(read: Read, schema: Schema, outcome: Outcome) -> dict[str, _TargetRecord]:
    weights, intercepts = _weights(schema, outcome), _intercepts(schema, outcome)
    losses = [with_spread(loss_named(outcome.loss), fit.spread) for fit in outcome.fit]
    judged, centre = outcome.held_out, outcome.centre
    about = read if centre is None else read.about(centre)
    starts = [] if centre is None else outcome.weights["intercept"].tolist()
    metrics = (
        []
        if judged is None
        else held_out_predictions(about, schema, judged.fold_weights, losses, judged.guesses)
    )
    held_out = _held_out(judged, [one.figures for one in metrics])
    if not metrics and closed_form(outcome.loss):
        held_out = [_half_squares(one) for one in held_out]
    p, by_target = len(schema.inputs), {}
    for at, (target, span) in enumerate(schema.target_spans().items()):
        by_target[target] = _TargetRecord(
            weights[span.start * p : span.stop * p],
            intercepts[span],
            outcome.fit[at],
            held_out[at] if held_out else None,
            metrics[at].intervals if metrics else None,
            starts[span],
            _covariances(outcome, weights, intercepts)[span],
        )
    return by_target


def _covariances(
    outcome: Outcome, weights: Sequence[WeightRecord], intercepts: Sequence[InterceptRecord]
) -> list[str | None]:
    """Each output's covariance as text, NaN where a weight has no standard error."""
    outputs, p = outcome.weights["weight"].shape[1], outcome.weights["weight"].shape[0]
    if outcome.covariance is None:
        return [None] * outputs
    packed: list[str | None] = []
    for at, covariance in enumerate(outcome.covariance):
        errors = [one.standard_error for one in weights[at * p : (at + 1) * p]]
        errors += [one.standard_error for one in intercepts[at : at + 1]]
        known = np.array([error is not None for error in errors])
        both = np.where(known[:, None] & known & np.isfinite(covariance), covariance, np.nan)
        # The intercept comes first, as in the table of weights.
        order = np.roll(np.arange(len(known)), len(known) - p)
        packed.append(saved.pack_covariance(both[order][:, order]) if known.any() else None)
    return packed


def _not_judged(read: Read, part: Schema, outcome: Outcome) -> list[str]:
    if outcome.held_out is None:
        return []
    return not_judged(read, part, [loss_named(outcome.loss)] * len(part.targets))


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _certain(weights: Array, error: Array | None, freedom: float) -> Certainty:
    known = np.full_like(weights, np.nan) if error is None else error
    return certainty(weights, known, freedom=freedom)


def _figures(inference: Certainty, at: tuple[int, ...]) -> dict[str, float | None]:
    return {
        "standard_error": _finite(inference.standard_error[at]),
        "t": _finite(inference.t[at]),
        "p": _finite(inference.p[at]),
        "low": _finite(inference.low[at]),
        "high": _finite(inference.high[at]),
    }


def _weights(schema: Schema, outcome: Outcome) -> list[WeightRecord]:
    weight = outcome.weights["weight"]
    inference = _certain(weight, outcome.error, outcome.freedom)
    return [
        WeightRecord(
            output=name,
            input=column,
            level=level,
            weight=float(weight[at, output]),
            **_figures(inference, (at, output)),
        )
        for output, name in enumerate(schema.outputs)
        for at, (column, level) in enumerate(schema.inputs)
    ]


def _intercepts(schema: Schema, outcome: Outcome) -> list[InterceptRecord]:
    if "intercept" not in outcome.weights:
        return []
    weights = outcome.weights
    own = weights if outcome.centre is None else from_zero(weights, outcome.centre)
    intercept = own["intercept"]
    inference = _certain(intercept, outcome.intercept_error, outcome.freedom)
    return [
        InterceptRecord(output=name, weight=float(intercept[at]), **_figures(inference, (at,)))
        for at, name in enumerate(schema.outputs)
    ]


def beside_rmse(one: Metrics) -> dict[str, Any]:
    """The held-out metrics of a record that `Metrics` has under the same names."""
    errors = ("loss", "baseline_loss", "absolute_error", "baseline_absolute_error")
    return {name: getattr(one, name) for name in (*errors, "guess", "below", "classes")}


def _half_squares(one: HeldOutRecord) -> HeldOutRecord:
    """With the mean squared loss, which sums know without the rows, where a number is so large."""
    errors = {"loss": one.rmse, "baseline_loss": one.baseline_rmse}
    losses = {name: error * error / 2 for name, error in errors.items()}
    return one.model_copy(update={name: x for name, x in losses.items() if np.isfinite(x)})


def _held_out(held_out: HeldOut | None, figures: Sequence[Metrics]) -> list[HeldOutRecord]:
    if held_out is None:
        return []
    records = [
        HeldOutRecord(
            folds=held_out.folds,
            rmse=float(np.sqrt(error / held_out.rows) * unit),
            r2=1 - float(error / guessing) if guessing > 0 else None,
            baseline_rmse=float(np.sqrt(guessing / held_out.rows) * unit),
            rows=held_out.rows,
        )
        for error, guessing, unit in zip(
            held_out.errors, held_out.guessing, held_out.unit, strict=True
        )
    ]
    more = [beside_rmse(one) for one in figures]
    for figure, update in zip(figures, more, strict=True):
        if figure.guess != MEAN:  # the sums of all rows know the mean alone
            update |= {"baseline_rmse": figure.baseline_rmse, "r2": _explained(figure)}
    return (
        [one.model_copy(update=update) for one, update in zip(records, more, strict=True)]
        if more
        else records
    )


def _explained(figure: Metrics) -> float | None:
    guess = figure.baseline_rmse
    return 1 - (figure.rmse / guess) ** 2 if guess > 0 else None


def _held_out_by(read: Read) -> HeldOutBy:
    request, cuts = read.plan.request, read.plan.cuts
    if request.id is not None:
        return HeldOutBy(by="id", column=request.id, folds=request.folds)
    if request.group is not None:
        return HeldOutBy(by="group", column=request.group, folds=request.folds)
    if request.time is not None:
        return HeldOutBy(by="time", column=request.time, folds=request.folds, cuts=cuts)
    return HeldOutBy(folds=request.folds)


def _of_groups(read: Read, outcomes: Sequence[Outcome]) -> list[str]:
    """A note on standard errors where rows form groups."""
    clusters = [one.clusters for one in outcomes if one.clusters is not None]
    group = read.plan.request.group
    if clusters:
        return clusters[0].notes()
    if group is None or not any(one.errors and one.error is not None for one in outcomes):
        return []
    return [
        f"standard errors take the rows of one {group} to be independent: --errors cluster gives "
        "ones that hold where they are alike"
    ]


def few_folds(read: Read) -> list[str]:
    """A note on folds that are fewer than asked for, or of uneven size, as keys are few."""
    by, folds = _held_out_by(read), read.plan.request.folds
    rows = sorted((fold.rows for fold in read.folds if fold.rows), reverse=True)
    if len(rows) == folds and rows[0] <= UNEVEN * sum(rows) / folds:
        return []
    why = "rows are few"
    if by.column is not None:
        why = f"{by.column} has few values or some with many rows"
    sizes = ", ".join(f"{one:,.12g}" for one in rows[:FOLDS_SHOWN])
    more = ", ..." if len(rows) > FOLDS_SHOWN else ""
    few = (
        f"only {len(rows)} of {folds} folds have rows" if len(rows) < folds else "folds are uneven"
    )
    return [f"{few}, as {why}: {sizes}{more} rows were held out in turn"]


def _fold_by(read: Read) -> str:
    request = read.plan.request
    return request.id or request.group or request.time or "row number"


def none_held_out(read: Read) -> str:
    """Why no rows could be held out."""
    by = _held_out_by(read).by
    few = {"rows": "rows", "id": "different ids", "group": "groups", "time": "different times"}[by]
    return f"too few {few} to hold any out, so there is no error on held-out rows{_other(read)}"


def _other(read: Read) -> str:
    """What to try where groups or ids, if there are several, are all in one fold."""
    if _held_out_by(read).by not in ("id", "group"):
        return ""
    folds = read.plan.request.folds
    return f"; they all fall into one of {folds} parts: other --folds may part them"
