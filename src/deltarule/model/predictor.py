"""Predictor: a model's record applied to rows of a table: scores, predictions, intervals.

    score = intercept + sum over inputs of weight * input, and the offset if rows have one

Shapes: n rows, p inputs, k outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.deferred import polars as pl
from deltarule.errors import LearningError, TargetError
from deltarule.losses.loss import Loss
from deltarule.losses.registry import together
from deltarule.metrics.conformal import Intervals, check_level
from deltarule.model.record import Record
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.tables.schema import Noticed, Schema
from deltarule.tables.schema_columns import Target

# What rows of a table alone need is loaded by them: one row, as a dict, needs none of it.
if TYPE_CHECKING:
    from deltarule.model.few_rows import FewRows
    from deltarule.tables.expressions.inverse import Inverse
    from deltarule.tables.one_hot_rows import Design


@dataclass(frozen=True)
class PredictedRows:
    """Scored rows with targets: scores, targets (n, k); row weights, numbers, offsets (n,).

    `design` (n, p) are the inputs of the same rows; `rows` is how many there were before some were
    left out, `left_out` the causes with masks (rows,), and `noticed` the drift in all of them.
    """

    design: Design
    scores: Array
    targets: Array
    each: Array
    number: NDArray[np.intp]
    rows: int
    noticed: Noticed
    offsets: Array | None
    left_out: Mapping[str, Mask] = field(default_factory=dict)

    @cached_property
    def inputs(self) -> Array:
        """The inputs as an array: (n, p)."""
        return np.asarray(self.design)

    @property
    def causes(self) -> Counter[str]:
        """The number of rows left out, by cause in words."""
        return Counter({why: int(gone.sum()) for why, gone in self.left_out.items()})

    def shared_with(self, other: PredictedRows) -> PredictedRows:
        """The rows in common with another model's; left out for what either lacks."""
        both = np.isin(self.number, other.number)
        left_out = dict(self.left_out)
        mine = reduce(or_, left_out.values(), np.zeros(self.rows, dtype=bool))
        for why, gone in other.left_out.items():
            left_out[why] = left_out.get(why, False) | (gone & ~mine)
        return replace(
            self,
            design=self.design[both],
            scores=self.scores[both],
            targets=self.targets[both],
            each=self.each[both],
            number=self.number[both],
            offsets=None if self.offsets is None else self.offsets[both],
            left_out=left_out,
        )


class Predictor:
    """Scores rows with a record's weights and schema."""

    def __init__(self, record: Record) -> None:
        self.record = record

    @property
    def contract(self) -> Schema:
        """The schema that tables must have."""
        return self.record.contract

    @cached_property
    def few(self) -> FewRows:
        """The same for few rows, compiled when it is first used."""
        from deltarule.model.few_rows import FewRows

        return FewRows(self)

    @cached_property
    def loss(self) -> Loss:
        """The loss, with its link."""
        return together(self.record.losses, [len(one.levels) for one in self.contract.targets])

    @cached_property
    def weights(self) -> Weights:
        """The weights as arrays, in the inputs' own units."""
        flat = np.array([one.weight for one in self.record.weights])
        weights = {"weight": flat.reshape(len(self.contract.outputs), -1).T}
        if self.record.intercept:
            weights["intercept"] = np.array([one.weight for one in self.record.intercept])
        return weights

    def scores(self, inputs: Design, offsets: Array | None = None) -> Array:
        """The scores, summed input by input, so that a row's score never depends on other rows.

        Inputs far from zero are centred, as their products would lose digits.

        Shapes:  inputs (n, p), offsets (n,) -> (n, k)
        """
        scores = np.zeros((len(inputs), len(self.contract.outputs)))
        centres = np.array(self.record.centres or (0.0,) * inputs.shape[1])
        if self.record.centres:
            scores += np.array(self.record.starts)
        elif "intercept" in self.weights:
            scores += self.weights["intercept"]
        # A score may overflow to infinity, which the caller reports.
        with np.errstate(over="ignore", invalid="ignore"):
            if isinstance(inputs, np.ndarray):
                columns = zip(inputs.T, centres, self.weights["weight"], strict=True)
                for values, centre, weight in columns:
                    scores += (values - centre)[:, None] * weight
            else:
                scores = inputs.scores(self.weights["weight"], centres, scores)
            return scores if offsets is None else scores + offsets[:, None]

    def predictions(self, scores: Array) -> Array:
        """The inverse link of scores, (n, k); infinite on overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.loss.link.inverse(scores)

    @property
    def average(self) -> Array:
        """The score of the average row: (1, k)."""
        offset = self.contract.offset
        offsets = None if offset is None else np.array([offset.mean])
        return self.scores(np.array(self.record.means)[None], offsets)

    def intervals(self, level: float) -> Mapping[str, Intervals]:
        """The conformal intervals, for each target that is an amount.

        Errors:  LearningError for an invalid level, or one beyond the held-out rows
        """
        check_level(level)
        targets = self.contract.targets
        known = self.record.intervals or (None,) * len(targets)
        by_target = {t.name: one for t, one in zip(targets, known, strict=True) if one is not None}
        for one in by_target.values():
            one.around(np.zeros(0), level)
        if by_target:
            return by_target
        if all(loss.power is None for loss in self.record.losses):
            raise LearningError(
                f"{', '.join(target.name for target in targets)} is no amount, so it has no "
                "interval: its prediction says how sure it is"
            )
        raise LearningError(
            "no rows were held out, so the model has no intervals: learn it from "
            "more rows, or if it is of an earlier deltarule, again"
        )

    def ends(self, predictions: pl.DataFrame, level: float) -> pl.DataFrame:
        """The predictions with their interval ends, low and high, at this coverage level.

        Where no training target was below 0, intervals are clipped at 0: a new row would be the
        first below with a chance of 1 / (n + 1) at most. They are widened to their own prediction
        where it is outside, as one below 0, or of rows whose residuals have all one sign.
        """
        made, known = [], self.intervals(level)
        for target in self.contract.targets:
            if target.name not in known:
                continue
            at = predictions[f"{target.name}_prediction"].to_numpy()
            low, high = known[target.name].around(at, level)
            if target.low >= 0:
                low = np.where(high > 0, np.maximum(low, 0.0), low)
            low, high = np.minimum(low, at), np.maximum(high, at)
            made += [pl.Series(f"{target.name}_low", low), pl.Series(f"{target.name}_high", high)]
            inverse = self.contract.inverses.get(target.name)
            if inverse is not None:
                ends = _inverted(inverse, low, high, target)
                own = zip(("low", "high"), ends, strict=True)
                made += [pl.Series(f"{inverse.column}_{end}", at) for end, at in own]
        return predictions.with_columns(made)

    @property
    def compares(self) -> list[str]:
        """The columns that evaluation reads; that of row weights only if it is there."""
        goals = [name for target in self.contract.targets for name in target.term.columns]
        return list(dict.fromkeys([*self.contract.needs, *goals]))

    def scored(self, batch: pl.DataFrame, *, name: str, row: int) -> PredictedRows:
        """The scored rows of a batch that has targets.

        Errors:  TargetError for a target that the loss cannot take
        """
        from deltarule.tables.one_hot_rows import design

        contract = self.contract
        view = contract.view(batch, name=name, row=row, targets=True)
        inputs, noticed = design(contract, view, name=name, row=row)
        targets = contract.outcomes(view, name=name, row=row)
        offsets = contract.offsets(view, noticed, name=name, row=row)
        each = row_weights(batch, contract.row_weight, name=name, row=row)
        self._check_exposure(batch, name=name, row=row)
        keep: Mask = np.ones(batch.height, dtype=bool)
        left_out: dict[str, Mask] = {}
        for why, gone in self._gone(targets, offsets, each):
            if (keep & gone).any():
                left_out[why] = keep & gone
                keep &= ~gone
        self._check_targets(targets, keep, name=name, row=row)
        kept = inputs[keep]
        return PredictedRows(
            design=kept,
            scores=self.scores(kept, None if offsets is None else offsets[keep]),
            targets=targets[keep],
            each=each[keep],
            number=row + np.flatnonzero(keep),
            rows=batch.height,
            noticed=noticed,
            offsets=None if offsets is None else offsets[keep],
            left_out=left_out,
        )

    def _gone(
        self, targets: Array, offsets: Array | None, each: Array
    ) -> Iterator[tuple[str, Mask]]:
        """The causes for leaving rows out, in words, with their masks."""
        from deltarule.tables.left_out import gap, weight_gap

        contract = self.contract
        if contract.offset is not None and offsets is not None:
            yield contract.offset.gap, np.isnan(offsets)
        for target, span in zip(contract.targets, contract.target_spans().values(), strict=True):
            yield gap(target.name), np.asarray(np.isnan(targets[:, span]).any(axis=1))
        if contract.row_weight is not None:
            yield weight_gap(contract.row_weight), ~(each > 0)

    def _check_exposure(self, batch: pl.DataFrame, *, name: str, row: int) -> None:
        from deltarule.tables.cast import check_exposure

        exposure = self.contract.offset and self.contract.offset.exposure
        if exposure:
            check_exposure(batch[exposure], where=f"{name}, column '{exposure}'", row=row)

    def _check_targets(self, targets: Array, keep: Mask, *, name: str, row: int) -> None:
        wrong = keep & ~self.loss.accepts(np.where(keep[:, None], targets, 0.0)).all(axis=1)
        if not wrong.any():
            return
        at = int(np.argmax(wrong))
        spans = self.contract.target_spans().values()
        for target, span, loss in zip(
            self.contract.targets, spans, self.record.losses, strict=True
        ):
            if not loss.accepts(targets[at : at + 1, span]).all():
                raise TargetError(
                    f"{name}, column '{target.name}', row {row + at + 1}: "
                    f"{targets[at, span][0]:g} is no target for {loss.name} loss, which takes "
                    f"{loss.takes}{_beyond(target, loss)}"
                )


def _inverted(inverse: Inverse, low: Array, high: Array, target: Target) -> Array:
    """The ends of intervals of a column, by its expression's; NaN for one that is open.

    An end is open where the expression never has such a value, as exp(p) none below 0.

    Shapes:  low, high (n,) -> (2, n)
    """
    ends = np.array([inverse.apply(low), inverse.apply(high)])
    known = inverse.apply(np.array([target.low, target.high]))
    turned = ends[::-1] if known[0] > known[1] else ends
    return np.where(np.isnan(ends).sum(axis=0) == 1, turned, np.sort(ends, axis=0))


def _beyond(target: Target, loss: Loss) -> str:
    """Advice for a target outside the domain of its loss."""
    if loss.kind != "yes_no" or target.classes:
        return ""
    return (
        f" ({target.name} was between {target.low:g} and {target.high:g} where it was learnt from: "
        "if it counts something, learn with --loss poisson)"
    )


def row_weights(batch: pl.DataFrame, column: str | None, *, name: str, row: int) -> Array:
    """The row weights, (n,): 1 where the table has no such column."""
    from deltarule.tables.cast import row_weights_of

    known = column if column in batch.columns else None
    weights = row_weights_of(batch, known, name=name, row=row)
    return np.ones(batch.height) if weights is None else weights
