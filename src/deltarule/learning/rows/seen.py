"""Rows that were held out, each seen by weights that did not learn from it.

From them come the figures of yes/no and classes, and how far rows stray: prediction intervals. Of
a large table they are a sample, drawn evenly as the rows were read, so no further read is needed.

Shapes: n rows, k outputs of a target, one or one for each class.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from deltarule.comparing import classes_of
from deltarule.goodness.figures import Figures, Sums
from deltarule.goodness.intervals import Intervals
from deltarule.moments.moments import total
from deltarule.rule.losses.loss import Loss
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.tables.reading import Read
from deltarule.tables.schema import Schema


@dataclass(frozen=True)
class Seen:
    """What held-out rows say of one target."""

    figures: Figures
    intervals: Intervals | None


@dataclass(frozen=True)
class _Rows:
    """Held-out rows: scores and targets of all outputs, what each counts for, its offset (n,)."""

    scores: Array
    targets: Array
    each: Array
    offsets: Array | None


def seen(
    read: Read,
    part: Schema,
    taught: Mapping[int, Weights],
    losses: Sequence[Loss],
    guess: Array | None,
) -> list[Seen]:
    """What held-out rows say of each target of `part`, judged by what each fold was taught.

    `guess` is what guessing predicts, (k,), None for the targets' means. Nothing comes back where
    no rows were held out, or where their errors are beyond all numbers.
    """
    rows = list(_held_out_rows(read, part, taught))
    if guess is None:
        whole = total(read.folds)
        means = (whole.mean * whole.scale)[len(read.schema.inputs) :]
        guess = means[_outputs(read, part)]
    found = []
    spans = part.target_spans().values()
    for target, loss, span in zip(part.targets, losses, spans, strict=True):
        sums = Sums(loss, guess[span], classes_of(target, loss))
        for one in rows:
            sums.add(one.scores[:, span], one.targets[:, span], one.each, one.offsets)
        try:
            figures = sums.figures(target.name) if sums.rows > 0 else None
        except ValidationError:
            return []
        if figures is not None:
            found.append(Seen(figures, _intervals(loss, rows, span)))
    return found if len(found) == len(part.targets) else []


def _outputs(read: Read, part: Schema) -> list[int]:
    """Where the outputs of these targets stand among all that were read."""
    spans = read.schema.target_spans()
    return [at for one in part.targets for at in range(spans[one.name].start, spans[one.name].stop)]


def _held_out_rows(read: Read, part: Schema, taught: Mapping[int, Weights]) -> Iterator[_Rows]:
    own = _outputs(read, part)
    for rows in (one.apart for one in read.some_rows()) if taught else ():
        each = np.ones(len(rows)) if rows.row_weights is None else rows.row_weights
        for fold, weights in taught.items():
            mine = rows.fold == fold
            if mine.any():
                model = Linear(intercept="intercept" in weights)
                scores = model.predict(weights, rows.inputs[mine])
                targets = rows.targets[mine][:, own]
                added = None if rows.added is None else rows.added[mine]
                if added is not None:
                    scores = scores + added[:, None]
                    targets = targets + added[:, None] if rows.shifted else targets
                yield _Rows(scores, targets, each[mine], added)


def _intervals(loss: Loss, rows: list[_Rows], span: slice) -> Intervals | None:
    """From the residuals of a target that is an amount."""
    if loss.power is None:
        return None
    predictions = np.concatenate([loss.mean(one.scores[:, span])[:, 0] for one in rows])
    targets = np.concatenate([one.targets[:, span][:, 0] for one in rows])
    each = np.concatenate([one.each for one in rows])
    if not np.isfinite(predictions).all():
        return None
    return Intervals.of(predictions, targets, each, power=loss.power)
