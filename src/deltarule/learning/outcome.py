"""What learning came to, and how it is told: an Outcome becomes the Record that a model is.

Shapes: p inputs, k outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

import deltarule
from deltarule import saved
from deltarule.learning.columns import records
from deltarule.moments.inference import Certainty, certainty
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.moments.solve import solve
from deltarule.rule.learn import AlphaRange
from deltarule.rule.predict import Array, Weights
from deltarule.saved import (
    FitRecord,
    HeldOutRecord,
    InterceptRecord,
    LearnRecord,
    Record,
    WeightRecord,
)
from deltarule.tables.reading import Read

# One input that explains more than this share of the target alone may know it already.
LEAK = 0.8
LEAK_ROWS = 20


@dataclass(frozen=True)
class HeldOut:
    """Summed delta ** 2 on rows not learnt from, and of guessing the mean of the others.

    Shapes:  errors, guessing (k,), in the targets' `unit` (k,) squared
    """

    folds: int
    rows: float
    errors: Array
    guessing: Array
    unit: Array


@dataclass(frozen=True)
class Outcome:
    """What a learner came to. Weights and their standard errors are in the inputs' own units.

    Shapes:  error (p, k), NaN where unknown; intercept_error (k,)
    """

    weights: Weights
    learner: str
    steps: int
    stopped: str
    fit: Sequence[FitRecord] = ()
    held_out: HeldOut | None = None
    error: Array | None = None
    intercept_error: Array | None = None
    freedom: float = np.inf
    alpha: float | None = None
    alphas: AlphaRange | None = None
    ridge: float = 0.0
    lasso: float = 0.0
    condition: float | None = None
    notes: list[str] = field(default_factory=list)


def record(read: Read, outcome: Outcome, loss: str) -> Record:
    """Everything about the model as checked, plain data."""
    schema = read.schema
    p, k = len(schema.inputs), len(schema.targets)
    whole = total(read.folds)
    spread = np.sqrt(np.maximum(np.diag(whole.cross), 0.0) / whole.rows) * whole.scale
    mean = whole.mean * whole.scale
    alphas = outcome.alphas
    return Record(
        written_by=f"deltarule {deltarule.__version__}",
        learnt_from=read.source.name,
        learnt_at=datetime.now(UTC).isoformat(timespec="seconds"),
        loss=loss,
        contract=schema,
        means=tuple(mean[:p].tolist()),
        spreads=tuple(spread[:p].tolist()),
        target_means=tuple(mean[p:].tolist()),
        weights=_weights(read, outcome, k),
        intercept=_intercepts(read, outcome),
        rows=whole.rows,
        rows_left_out=read.left_out + read.unweighted,
        fit=tuple(outcome.fit),
        held_out=_held_out(outcome.held_out, k),
        learn=LearnRecord(
            learner=outcome.learner,
            reads=read.reads,
            steps=outcome.steps,
            stopped=outcome.stopped,
            alpha=outcome.alpha,
            alpha_limit=_finite(alphas.limit) if alphas else None,
            alpha_fastest=_finite(alphas.fastest) if alphas else None,
        ),
        ridge=outcome.ridge,
        lasso=outcome.lasso,
        condition=_finite(outcome.condition),
        columns=tuple(records(read)),
        notes=(*read.notes, *outcome.notes, *_leaks(read, whole)),
        moments=saved.packed(read.folds),
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _certain(weights: Array, error: Array | None, freedom: float) -> Certainty:
    known = np.full_like(weights, np.nan) if error is None else error
    return certainty(weights, known, freedom=freedom)


def _told(found: Certainty, at: tuple[int, ...]) -> dict[str, float | None]:
    return {
        "standard_error": _finite(found.standard_error[at]),
        "t": _finite(found.t[at]),
        "p": _finite(found.p[at]),
        "low": _finite(found.low[at]),
        "high": _finite(found.high[at]),
    }


def _weights(read: Read, outcome: Outcome, outputs: int) -> tuple[WeightRecord, ...]:
    weight = outcome.weights["weight"]
    found = _certain(weight, outcome.error, outcome.freedom)
    return tuple(
        WeightRecord(
            output=read.schema.targets[output].name,
            input=column,
            level=level,
            weight=float(weight[at, output]),
            **_told(found, (at, output)),
        )
        for output in range(outputs)
        for at, (column, level) in enumerate(read.schema.inputs)
    )


def _intercepts(read: Read, outcome: Outcome) -> tuple[InterceptRecord, ...]:
    if "intercept" not in outcome.weights:
        return ()
    intercept = outcome.weights["intercept"]
    found = _certain(intercept, outcome.intercept_error, outcome.freedom)
    return tuple(
        InterceptRecord(output=target.name, weight=float(intercept[at]), **_told(found, (at,)))
        for at, target in enumerate(read.schema.targets)
    )


def _held_out(held_out: HeldOut | None, outputs: int) -> tuple[HeldOutRecord, ...] | None:
    if held_out is None:
        return None
    errors, guessing, unit = held_out.errors, held_out.guessing, held_out.unit
    return tuple(
        HeldOutRecord(
            folds=held_out.folds,
            rmse=float(np.sqrt(errors[at] / held_out.rows) * unit[at]),
            r2=1 - float(errors[at] / guessing[at]) if guessing[at] > 0 else None,
            baseline_rmse=float(np.sqrt(guessing[at] / held_out.rows) * unit[at]),
        )
        for at in range(outputs)
    )


def _leaks(read: Read, whole: Moments) -> list[str]:
    """Columns that alone explain nearly all of a target: they may be known only afterwards."""
    if whole.rows < LEAK_ROWS:
        return []
    p = len(read.schema.inputs)
    notes = []
    for at, target in enumerate(read.schema.targets):
        for column, span in read.schema.spans().items():
            problem = LeastSquares.of(whole, range(span.start, span.stop), [p + at])
            if not problem.targets[0] > 0:
                continue
            error = float(problem.squared_error(solve(problem).weights)[0])
            r2 = 1 - error / float(problem.targets[0])
            if r2 > LEAK:
                notes.append(
                    f"{column} alone explains {r2:.0%} of {target.name}: if it is part of it, "
                    "or known only afterwards, learn without it"
                )
    return notes
