"""The record of a model after rows were learnt one by one.

Under squared loss all that moments give is of all rows: weights, standard errors, the fit. With
other losses only the weights are. Figures on held-out rows and prediction intervals stay those of
the table that was learnt before; the progressive error is of the rows since.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.model.online import Stream
from deltarule.model.online_steps import ExactSteps
from deltarule.model.record import (
    InterceptRecord,
    Record,
    StreamRecord,
    WeightRecord,
    fit_records,
    pack,
    pack_covariance,
    pack_window,
)
from deltarule.moments.inference import Certainty, certainty
from deltarule.moments.moments import LeastSquares
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.least_squares import Solution, solve
from deltarule.views.format import number

MOST_NUMBERS = 2_000_000
"""Of a window that is saved: 16 MB."""
WINDOW = "so that its window goes on"
SINCE = " learnt one by one since"
"""What the note on such rows says, by which an earlier one is found."""


def record_of(stream: Stream) -> Record:
    """The record of a stream's model, as it is now."""
    before, steps = stream.predictor.record, stream.steps
    changed: dict[str, Any] = {
        "streamed": _streamed(stream),
        "notes": tuple(_notes(stream)),
        "summary": None,
    }
    learnt = steps.out(steps.weights)
    if isinstance(steps, ExactSteps):
        changed |= _exact(before, stream, steps, learnt)
    else:
        changed |= _weights(before, learnt, None)
        changed |= {"moments": (), "covariances": ()}
        changed["learnt"] = tuple(
            one.model_copy(update={"errors": "", "freedom": None}) for one in before.learnt
        )
    if before.centres:
        # From the centre, not from zero: inputs far from it would cost these their digits.
        centred = steps.out(steps.weights, np.array(before.centres))
        changed["starts"] = tuple(centred["intercept"].tolist())
    # Checked as any other record: weights that are not finite are refused.
    return Record.model_validate(before.model_copy(update=changed).model_dump())


def with_window(record: Record, stream: Stream) -> Record:
    """The record with the last rows of a window, so that a saved model goes on as it would have.

    A window of too many numbers is not kept: until it is full again, those before it count too.
    """
    last = stream.steps.last if isinstance(stream.steps, ExactSteps) else None
    if last is None or record.streamed is None or not len(last):
        return record
    if last.size > MOST_NUMBERS:
        note = f"its window of {len(last):,} rows is too large to be saved with it: it fills anew"
        return record.model_copy(update={"notes": (*record.notes, note)})
    size = f"{8 * last.size / 1e3:,.0f} kB"
    note = (
        f"the last {len(last):,} rows are in the model's file ({size}), so that its window goes on"
    )
    streamed = record.streamed.model_copy(update=pack_window(last))
    notes = (*(one for one in record.notes if WINDOW not in one), note)
    return record.model_copy(update={"streamed": streamed, "notes": notes})


def _streamed(stream: Stream) -> StreamRecord:
    before, settings = stream.predictor.record.streamed, stream.settings
    return StreamRecord(
        rows=stream.rows,
        weight=stream.weight,
        rows_left_out=(before.rows_left_out if before else 0) + stream.left_out.total(),
        rmse=tuple(stream.rmse.tolist()),
        baseline_rmse=tuple(stream.baseline_rmse.tolist()),
        half_life=settings.half_life,
        window=settings.window,
        alpha=settings.alpha,
    )


def _notes(stream: Stream) -> Iterator[str]:
    said = (SINCE, WINDOW)
    yield from (one for one in stream.predictor.record.notes if not any(s in one for s in said))
    outputs = stream.predictor.contract.outputs
    errors = [
        f"{f'{output}: ' if len(outputs) > 1 else ''}{number(one)}, by the mean of the rows before "
        f"{number(mean)}"
        for output, one, mean in zip(outputs, stream.rmse, stream.baseline_rmse, strict=True)
    ]
    word = "row was" if stream.rows == 1 else "rows were"
    yield (
        f"{stream.rows:,} {word}{SINCE}, each predicted first: typical error {'; '.join(errors)}. "
        "Figures on held-out rows are of the rows before"
    )


@dataclass(frozen=True)
class _Errors:
    """Standard errors (q, k) and covariances (k, q, q), the intercept first."""

    error: Array
    covariance: Array
    freedom: float


def _exact(before: Record, stream: Stream, steps: ExactSteps, learnt: Weights) -> dict[str, Any]:
    moments, p, k = steps.moments(), steps.p, steps.k
    problem = LeastSquares.of(moments, range(p), range(p, p + k), intercept=steps.intercept)
    squared = problem.squared_error(learnt)
    solution = solve(problem)
    used = solution.rank + steps.intercept
    freedom = problem.rows - used
    whole = solution.rank == p and solution.inverse is not None
    fades = stream.settings.half_life is not None or steps.form.ridge
    errors = None
    if whole and freedom > 0 and not fades:
        sd = np.sqrt(squared / freedom) * problem.target_scale
        errors = _errors(problem, solution, sd, freedom)
    mean = (moments.mean * moments.scale).tolist()
    rows = stream.settings.window
    examples = None if before.examples is None else before.examples + stream.rows
    if before.streamed is not None and examples is not None:
        examples -= before.streamed.rows
    return {
        **_weights(before, learnt, errors),
        "means": tuple(mean[:p]),
        "target_means": tuple(mean[p:]),
        "spreads": tuple(problem.spread.tolist()),
        "rows": moments.rows,
        "examples": examples if rows is None or examples is None else min(examples, rows),
        "fit": tuple(fit_records(problem, squared, used)),
        "covariances": tuple(
            None if errors is None else pack_covariance(errors.covariance[at]) for at in range(k)
        ),
        "moments": (pack(moments),),
        "learnt": tuple(
            one.model_copy(
                update={
                    "errors": "" if errors is None else "classical",
                    "freedom": None if errors is None else errors.freedom,
                    "cluster_by": None,
                    "clusters": None,
                }
            )
            for one in before.learnt
        ),
    }


def _errors(problem: LeastSquares, solution: Solution, sd: Array, freedom: float) -> _Errors:
    """Of the weights in own units, for residuals of `sd` (k,)."""
    inverse, intercept = np.asarray(solution.inverse), problem.intercept
    if intercept:
        inverse = np.pad(inverse, (0, 1))
        inverse[-1, -1] = 1 / problem.rows
    mean = problem.mean * problem.scale * intercept
    jacobian = Standardization(mean, solution.unit).jacobian(intercept=intercept)
    inner = jacobian @ inverse @ jacobian.T
    order = np.roll(np.arange(len(inner)), int(intercept))
    inner = inner[np.ix_(order, order)]
    covariance = inner * (sd**2)[:, None, None]
    error = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0)).T
    return _Errors(error, covariance, freedom)


def _weights(before: Record, learnt: Weights, errors: _Errors | None) -> dict[str, Any]:
    """The weights with what is known of their errors."""
    weight = learnt["weight"]
    intercept = learnt.get("intercept", np.zeros((0, weight.shape[1])))
    every = np.vstack([np.atleast_2d(intercept), weight])
    known = np.full_like(every, np.nan) if errors is None else errors.error
    inference = certainty(every, known, freedom=np.inf if errors is None else errors.freedom)
    starts, p = len(every) - len(weight), len(weight)
    return {
        "weights": tuple(
            WeightRecord(
                output=one.output,
                input=one.input,
                level=one.level,
                weight=float(weight[at % p, at // p]),
                **_told(inference, starts + at % p, at // p),
            )
            for at, one in enumerate(before.weights)
        ),
        "intercept": tuple(
            InterceptRecord(
                output=one.output, weight=float(every[0, at]), **_told(inference, 0, at)
            )
            for at, one in enumerate(before.intercept)
        ),
    }


def _told(inference: Certainty, row: int, output: int) -> dict[str, float | None]:
    names = ("standard_error", "t", "p", "low", "high")
    values = {name: float(getattr(inference, name)[row, output]) for name in names}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}
