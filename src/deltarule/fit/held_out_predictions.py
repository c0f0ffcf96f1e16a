"""Held-out predictions: rows scored by the weights of the fold that was trained without them.

Source of classification metrics and of prediction intervals (conformal, from residuals). Of a large
table they are a uniform sample drawn in the one read, so no further read is needed.

Shapes: n rows, k outputs of a target, one or one for each class.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from pydantic import ValidationError

from deltarule.dataclass import dataclass
from deltarule.losses.links import ruled_out
from deltarule.losses.loss import Loss
from deltarule.losses.robust import Quantile
from deltarule.metrics.classification import both
from deltarule.metrics.conformal import Intervals
from deltarule.metrics.regression import Metrics, MetricSums
from deltarule.model.evaluate import classes_of
from deltarule.moments.linear_model import BlockLinear
from deltarule.rule.predict import Array, Weights
from deltarule.tables.one_read import Read
from deltarule.tables.schema import Schema
from deltarule.views.format import rows_told


@dataclass(frozen=True)
class HeldOutMetrics:
    """Held-out metrics of one target."""

    figures: Metrics
    intervals: Intervals | None


@dataclass(frozen=True)
class _Rows:
    """Held-out rows: scores and targets of all outputs, row weights, offsets (n,).

    `guess`, (k,) or (n, k), is the null model's prediction from the training rows.
    """

    fold: int
    scores: Array
    targets: Array
    each: Array
    offsets: Array | None
    guess: Array


def held_out_predictions(
    read: Read,
    part: Schema,
    fold_weights: Mapping[int, Weights],
    losses: Sequence[Loss],
    guesses: Mapping[int, Array],
) -> list[HeldOutMetrics]:
    """Held-out metrics of each target of `part`, with each fold scored by its fold weights.

    `guesses` are the null model's predictions for each fold, (k,), beside offsets; without them
    they are the means of the training rows, or their quantiles. Rows with a level that training
    rows lack are not scored. Empty where no rows were held out, or where their errors overflow.
    """
    guesses = guesses or _best_guesses(read, part, losses)
    by_fold = list(_held_out_rows(read, part, fold_weights, guesses))
    together = _joined(by_fold)
    found = []
    spans = part.target_spans().values()
    for target, loss, span in zip(part.targets, losses, spans, strict=True):
        classes = classes_of(target, loss)
        sums = MetricSums(loss, np.zeros(0), classes)
        # Only classes are compared fold by fold.
        for one in by_fold if classes else together:
            targets, sums.guess = one.targets[:, span], one.guess[..., span]
            each = np.where(ruled_out(loss, sums.guess, targets), 0.0, one.each)
            sums.add(one.scores[:, span], targets, each, one.offsets, fold=one.fold)
        try:
            figures = sums.figures(target.name) if sums.sums.rows > 0 else None
        except ValidationError:
            return []
        if figures is not None:
            found.append(HeldOutMetrics(figures, _intervals(loss, together, span)))
    return found if len(found) == len(part.targets) else []


def not_judged(read: Read, part: Schema, losses: Sequence[Loss]) -> list[str]:
    """Notes on the held-out rows of each target that cannot be scored, by level."""
    means, own = means_learnt(read, part), _outputs(read, part)
    notes, first = [], len(read.schema.inputs)
    spans = part.target_spans().values()
    for target, loss, span in zip(part.targets, losses, spans, strict=True):
        if not np.isfinite(loss.link.bounds).any():
            continue  # no mean rules out a row
        rows: dict[str, float] = {}
        names = classes_of(target, loss)
        for fold, learnt in means.items():
            judged = read.folds[fold]
            there = both_of(names, (judged.mean * judged.scale)[first:][own][span])
            known = both_of(names, learnt[span])
            out = ruled_out(loss, known, np.eye(len(known)))
            for at in np.flatnonzero(out & (there > 0)).tolist():
                name = names[at] if names else ""
                rows[name] = rows.get(name, 0.0) + judged.rows * there[at]
        for name, count in rows.items():
            what = f"{rows_told(count)} of '{name}'" if names else "rows above 0"
            notes.append(
                f"{target.name}: {what} could not be judged: the parts they are judged by have none"
            )
    return notes


def both_of(names: Sequence[str], shares: Array) -> Array:
    """The share of each class; of yes/no both shares, from that of yes."""
    return both(shares[None])[0] if len(names) == 2 else shares


def means_learnt(read: Read, part: Schema) -> dict[int, Array]:
    """The training mean of each target, (k,), by fold."""
    own = _outputs(read, part)
    return {fold: means[own] for fold, means in read.means_learnt.items()}


def _best_guesses(read: Read, part: Schema, losses: Sequence[Loss]) -> dict[int, Array]:
    """The null model's predictions of quantiles, (k,), by fold; none for other losses."""
    quantiles = [loss for loss in losses if isinstance(loss, Quantile)]
    if len(quantiles) < len(losses):
        return {}
    own, found = _outputs(read, part), dict[int, Array]()
    parts = [one.apart for one in read.some_rows()]
    targets = np.concatenate([one.targets[:, own] for one in parts])
    folds = np.concatenate([one.fold for one in parts])
    each = np.concatenate(
        [np.ones(len(one)) if one.row_weights is None else one.row_weights for one in parts]
    )
    for split in read.splits.of(read.folds):
        taught = np.isin(folds, split.train) & (each > 0)
        if taught.any():
            known, counts = targets[taught], each[taught]
            found[split.test] = np.array(
                [loss.best(known[:, at], counts) for at, loss in enumerate(quantiles)]
            )
    return found


def _outputs(read: Read, part: Schema) -> list[int]:
    """The positions of these targets' outputs among all that were read."""
    spans = read.schema.target_spans()
    return [at for one in part.targets for at in range(spans[one.name].start, spans[one.name].stop)]


def _held_out_rows(
    read: Read, part: Schema, fold_weights: Mapping[int, Weights], guesses: Mapping[int, Array]
) -> Iterator[_Rows]:
    own = _outputs(read, part)
    means = {**means_learnt(read, part), **guesses}
    for rows in (one.apart for one in read.some_rows()) if fold_weights else ():
        each = np.ones(len(rows)) if rows.row_weights is None else rows.row_weights
        for fold, weights in fold_weights.items():
            mine = rows.fold == fold
            if mine.any():
                model = BlockLinear(intercept="intercept" in weights)
                scores = model.predict(weights, rows.design[mine])
                targets = rows.targets[mine][:, own]
                added = None if rows.added is None else rows.added[mine]
                if added is not None:
                    scores = scores + added[:, None]
                    targets = targets + added[:, None] if rows.shifted else targets
                yield _Rows(fold, scores, targets, each[mine], added, means[fold])


def _joined(rows: Sequence[_Rows]) -> list[_Rows]:
    """The rows of all folds as one, with a guess for each row; none of none."""
    if not rows:
        return []
    offsets = [one.offsets for one in rows if one.offsets is not None]
    guess = np.concatenate([np.broadcast_to(one.guess, one.scores.shape) for one in rows])
    scores, targets, each = (
        np.concatenate([getattr(one, name) for one in rows])
        for name in ("scores", "targets", "each")
    )
    return [_Rows(0, scores, targets, each, np.concatenate(offsets) if offsets else None, guess)]


def _intervals(loss: Loss, together: Sequence[_Rows], span: slice) -> Intervals | None:
    """Conformal prediction intervals from the residuals of an amount target."""
    if loss.power is None:
        return None
    [rows] = together
    predictions = loss.link.inverse(rows.scores[:, span])[:, 0]
    if not np.isfinite(predictions).all():
        return None
    targets = rows.targets[:, span][:, 0]
    return Intervals.of(predictions, targets, rows.each, power=loss.power)
