"""Scorer: a model's record applied to rows: a table in, scores and targets out.

    score = intercept + sum over inputs of weight * input, and the offset if rows have one

Shapes: n rows, p inputs, k outputs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.errors import LearningError, TargetError
from deltarule.goodness.intervals import Intervals, check_level
from deltarule.rule.losses.loss import Loss
from deltarule.rule.losses.named import together
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.saved import Record
from deltarule.tables.names import check_there, column
from deltarule.tables.polars import UnparsedError
from deltarule.tables.schema import Noticed, Schema
from deltarule.tables.source import Source
from deltarule.tables.text_columns import FormattedSource
from deltarule.tables.text_formats import Format

Kinds = Mapping[str, type[pl.DataType]]
T = TypeVar("T")


@dataclass(frozen=True)
class Scored:
    """Rows with targets: scores, targets (n, k); what each counts for, its number, offset (n,).

    `inputs` (n, p) are those of the same rows; `rows` is how many there were before some were left
    out for a missing target or offset, and `noticed` what was new in them.
    """

    inputs: Array
    scores: Array
    targets: Array
    each: Array
    number: NDArray[np.intp]
    rows: int
    noticed: Noticed
    offsets: Array | None


class Scorer:
    """A record's weights and contract, at work."""

    def __init__(self, record: Record) -> None:
        self.record = record

    @property
    def contract(self) -> Schema:
        """The columns it is bound to."""
        return self.record.contract

    @cached_property
    def loss(self) -> Loss:
        """What a row's wrongness counts for, with its link."""
        return together(self.record.losses, [len(one.levels) for one in self.contract.targets])

    @cached_property
    def weights(self) -> Weights:
        """The weights as arrays, in the inputs' own units."""
        flat = np.array([one.weight for one in self.record.weights])
        weights = {"weight": flat.reshape(len(self.contract.outputs), -1).T}
        if self.record.intercept:
            weights["intercept"] = np.array([one.weight for one in self.record.intercept])
        return weights

    def scores(self, inputs: Array, offsets: Array | None = None) -> Array:
        """Input by input: a row scores the same to the last bit whatever rows are beside it.

        Shapes:  inputs (n, p), offsets (n,) -> (n, k)
        """
        scores = np.zeros((len(inputs), len(self.contract.outputs)))
        if "intercept" in self.weights:
            scores += self.weights["intercept"]
        for values, weight in zip(inputs.T, self.weights["weight"], strict=True):
            scores += values[:, None] * weight
        return scores if offsets is None else scores + offsets[:, None]

    @property
    def average(self) -> Array:
        """What the average row scores: (1, k)."""
        offset = self.contract.offset
        offsets = None if offset is None else np.array([offset.mean])
        return self.scores(np.array(self.record.means)[None], offsets)

    def intervals(self, level: float) -> Mapping[str, Intervals]:
        """What is known of how far rows stray, for each target that is an amount.

        Errors:  LearningError for a level that is none, or where too little is known for it
        """
        check_level(level)
        targets = self.contract.targets
        known = self.record.intervals or (None,) * len(targets)
        found = {t.name: one for t, one in zip(targets, known, strict=True) if one is not None}
        for one in found.values():
            one.around(np.zeros(0), level)
        if found:
            return found
        if all(loss.power is None for loss in self.record.losses):
            raise LearningError(
                f"{', '.join(target.name for target in targets)} is no amount, so it has no "
                "interval: its prediction says how sure it is"
            )
        raise LearningError(
            "the model knows nothing of rows it never saw, so it has no intervals: learn it from "
            "more rows, or if it is of an earlier deltarule, again"
        )

    def ends(self, predictions: pl.DataFrame, level: float) -> pl.DataFrame:
        """The same predictions with where at least so many new rows lie: low and high.

        Where no row learnt from was below 0, none is expected there: of n, a new one would be the
        first with a chance of 1 / (n + 1) at most.
        """
        made, known = [], self.intervals(level)
        for target in self.contract.targets:
            if target.name not in known:
                continue
            at = predictions[f"{target.name}_prediction"].to_numpy()
            low, high = known[target.name].around(at, level)
            if target.low >= 0:
                low = np.where(high > 0, np.maximum(low, 0.0), low)
            made += [pl.Series(f"{target.name}_low", low), pl.Series(f"{target.name}_high", high)]
        return predictions.with_columns(made)

    @property
    def compares(self) -> list[str]:
        """The table's columns that comparing reads; the row weights' only if it is there."""
        goals = [name for target in self.contract.targets for name in target.term.columns]
        return list(dict.fromkeys([*self.contract.needs, *goals]))

    def scored(self, batch: pl.DataFrame, *, name: str, row: int) -> Scored:
        """A batch of a table that has targets.

        Errors:  TargetError for a target that the loss cannot take
        """
        contract = self.contract
        view = contract.view(batch, name=name, row=row, targets=True)
        inputs, noticed = contract.encode(view, name=name, row=row)
        targets = contract.outcomes(view, name=name, row=row)
        offsets = contract.offsets(view, noticed, name=name, row=row)
        keep: Mask = ~np.asarray(np.isnan(targets).any(axis=1))
        if offsets is not None:
            keep &= ~np.isnan(offsets)
            offsets = offsets[keep]
        self._check_targets(targets, keep, name=name, row=row)
        kept = inputs[keep]
        return Scored(
            inputs=kept,
            scores=self.scores(kept, offsets),
            targets=targets[keep],
            each=row_weights(batch, contract.row_weight, keep),
            number=row + np.flatnonzero(keep),
            rows=batch.height,
            noticed=noticed,
            offsets=offsets,
        )

    def _check_targets(self, targets: Array, keep: Mask, *, name: str, row: int) -> None:
        wrong = keep & ~self.loss.accepts(np.where(keep[:, None], targets, 0.0)).all(axis=1)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise TargetError(
                f"{name}, row {row + at + 1}: {self.loss.name} loss takes {self.loss.takes}"
            )


def row_weights(batch: pl.DataFrame, column: str | None, keep: Mask) -> Array:
    """What each kept row counts for: 1 where the table has no such column."""
    if column is None or column not in batch.columns:
        return np.ones(int(keep.sum()))
    weights: Array = np.nan_to_num(batch[column].cast(pl.Float64).to_numpy()[keep], nan=0.0)
    return weights


def bound(source: Source, *contracts: Schema) -> FormattedSource:
    """The source with its text read as the contracts say."""
    formats: dict[str, Format] = {}
    labels: set[str] = set()
    for contract in contracts:
        own = contract.text_formats
        formats |= own
        labels |= {c for c, kind in contract.expects.items() if kind == pl.String and c not in own}
    read_as = {name: one for name, one in formats.items() if name not in labels}
    return FormattedSource(source, read_as, learning=False)


def batches(
    source: Source, needed: Sequence[str], expected: Kinds, *, wanted: Sequence[str] = ()
) -> Iterator[pl.DataFrame]:
    """A table's rows, some at a time, in columns of the kinds that were learnt from.

    `wanted` columns come too, where they are there.
    Errors:  ColumnError for a needed column that is not there
    """
    if not source.typed:
        # Parsed as numbers where they can be; else read as text, to say what is wrong where.
        source.expect(expected)
        try:
            source.look()
        except UnparsedError:
            source.expect(dict.fromkeys(expected, pl.String))
    look = source.look()
    if not look.columns:
        return  # no rows at all, such as an empty list
    check_there(look.columns, needed, name=source.name)
    names = dict.fromkeys([*needed, *(name for name in wanted if name in look.columns)])
    yield from source.batches([column(name) for name in names])


def widening(source: Source, work: Callable[[], T]) -> T:
    """The work, once more where later rows have wider types than the first showed."""
    try:
        return work()
    except UnparsedError:
        if not source.widen():
            raise
        return work()
