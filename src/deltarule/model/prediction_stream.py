"""Prediction stream: the rows of a table with their predictions, in batches, in one read.

Predictions are never joined to rows by their number over two reads: a database query, a parallel
plan or a table that is written to meanwhile may give other rows the second time.

Shapes: n rows, p inputs, k outputs.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from deltarule.dataclass import dataclass
from deltarule.model.predictor import Predictor
from deltarule.rule.predict import Array
from deltarule.tables.one_hot_rows import Design, OneHotRows, design
from deltarule.tables.schema import Noticed
from deltarule.tables.schema_columns import Target
from deltarule.tables.schema_source import read_as_learnt, required_columns
from deltarule.tables.source import Source
from deltarule.tables.unseen_values import UnseenValues, flags_of
from deltarule.views.format import number, rows_told

# Suffix for a table's own column whose name collides with a prediction's.
OWN = "_in_table"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The optional columns of a prediction.

    `explain` adds the average and each column's contribution, `flags` drift in words,
    `interval` the ends of the prediction interval of that coverage.
    """

    explain: bool = False
    flags: bool = False
    interval: float | None = None


class Predictions:
    """A table's predictions, batch by batch; after the last batch `notes` are complete."""

    def __init__(self, predictor: Predictor, source: Source, columns: Columns) -> None:
        if columns.interval is not None:
            predictor.intervals(columns.interval)
        self.scorer, self.source, self.columns = (
            predictor,
            read_as_learnt(source, predictor.contract),
            columns,
        )
        self.watch: Callable[[pl.DataFrame], None] | None = None
        """What is called with the terms of each batch of rows."""
        self.names: list[str] = []
        """The names of the prediction columns, known after the first batch."""
        self._met = UnseenValues()
        self._open = Counter[str]()
        self._renamed: dict[str, str] = {}

    def _begin(self) -> list[pl.Expr]:
        """Reset the state of an interrupted read; returns the columns to read."""
        contract = self.scorer.contract
        self.names, self._met, self._renamed, self._open = [], UnseenValues(), {}, Counter()
        columns = required_columns(self.source, contract.needs, contract.expects)
        used = {*contract.needs, *(c for one in contract.targets for c in one.term.columns)}
        self._met.ignored = [c for c in self.source.look().columns if c not in used]
        return columns

    @property
    def notes(self) -> list[str]:
        """Notes on drift and on how the table was read."""
        self._met.said = list(self.source.notes)
        return (
            self._met.notes(self.scorer.contract.known)
            + self.narrow
            + self._open_ends
            + [
                f"{self.source.name} has a column {own}, as predictions are called: it is now {new}"
                for own, new in self._renamed.items()
            ]
        )

    @property
    def new(self) -> list[str]:
        """Notes on drift only, for which predictions may be far off."""
        return self._met.new_to(self.scorer.contract.known)

    @property
    def narrow(self) -> list[str]:
        """A note on intervals that the rows which update learnt have no part in."""
        streamed = self.scorer.record.streamed
        if self.columns.interval is None or streamed is None:
            return []
        return [
            f"intervals are as wide as before the {rows_told(streamed.rows)} that update learnt, "
            f"whose typical error was {' and '.join(map(number, streamed.rmse))}: learn from all "
            "rows for intervals that hold for rows like those"
        ]

    @property
    def _open_ends(self) -> list[str]:
        """A note on intervals without an end, as the target's expression has none so small."""
        return [
            f"{end} is empty in {rows_told(rows)}: the interval has no end there, as what the "
            "model predicts is never so small or so large"
            for end, rows in self._open.items()
            if rows
        ]

    @property
    def drift(self) -> UnseenValues:
        """The number of rows with drift, by column and kind, so far."""
        return self._met

    def alone(self) -> Iterator[pl.DataFrame]:
        """The predictions without the table's own columns; at least one frame."""
        needed = self._begin()
        for batch in self.source.batches(needed) if needed else ():
            yield self._of(batch)
        if not self.names:
            yield self._of_none()

    def beside_rows(self, *, cells: bool = False) -> Iterator[pl.DataFrame]:
        """The table's own columns with the predictions beside them; at least one frame.

        With `cells`, those of a text file are kept as written.
        """
        needed = self._begin()
        for rows, batch in self.source.whole_batches(needed, cells=cells) if needed else ():
            predictions = self._of(batch)
            yield self._apart(rows).hstack(predictions)
        if not self.names:
            predictions = self._of_none()
            yield self._apart(self.source.look()).hstack(predictions)

    def _of(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The predictions of the next rows."""
        contract, name, row = self.scorer.contract, self.source.name, self._met.rows
        view = contract.view(batch, name=name, row=row)
        inputs, noticed = design(contract, view, name=name, row=row)
        offsets = contract.offsets(view, noticed, name=name, row=row)
        self._met.add(noticed, batch.height)
        if self.watch is not None:
            self.watch(view)
        return self._framed(inputs, offsets, noticed)

    def _of_none(self) -> pl.DataFrame:
        """The predictions of a table without rows."""
        offsets = None if self.scorer.contract.offset is None else np.zeros(0)
        inputs = np.zeros((0, len(self.scorer.record.means)))
        return self._framed(inputs, offsets, Noticed())

    def _framed(self, inputs: Design, offsets: Array | None, noticed: Noticed) -> pl.DataFrame:
        # Scores that overflow give infinite predictions, which the notes report.
        with np.errstate(all="ignore"):
            return self._framed_of(inputs, offsets, noticed)

    def _framed_of(self, inputs: Design, offsets: Array | None, noticed: Noticed) -> pl.DataFrame:
        frame = predicted(self.scorer, inputs, offsets, explain=self.columns.explain)
        for name in frame.columns:
            if name.endswith("_prediction") and frame[name].dtype == pl.Float64:
                self._met.infinite[name] += int((frame[name].is_finite().not_()).sum())
        if self.columns.flags:
            frame = frame.with_columns(flags_of(noticed, len(inputs), self.scorer.contract.known))
        if self.columns.interval is not None:
            frame = self.scorer.ends(frame, self.columns.interval)
            for target, inverse in self.scorer.contract.inverses.items():
                for end in (f"{inverse.column}_low", f"{inverse.column}_high"):
                    if end in frame.columns:
                        there = frame[f"{target}_prediction"].is_finite()
                        self._open[end] += int((frame[end].is_nan() & there).sum())
        self.names = frame.columns
        return frame

    def _apart(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The table's rows, renamed where a column collides with a prediction's."""
        taken = {name.casefold() for name in self.names}
        own = {name.casefold() for name in rows.columns}
        for name in rows.columns:
            if name.casefold() not in taken or name in self._renamed:
                continue
            new = name + OWN
            while new.casefold() in taken | own:
                new += "_"
            own.add(new.casefold())
            self._renamed[name] = new
        return rows.rename(self._renamed)


# Numbers of rows that are explained at a time: 32 MB.
DENSE_CELLS = 1 << 22


def predicted(
    predictor: Predictor,
    inputs: Design,
    offsets: Array | None,
    *,
    explain: bool = False,
) -> pl.DataFrame:
    """The predictions of encoded rows, null where a row has no offset."""
    scores = predictor.scores(inputs, offsets)
    predictions = predictor.predictions(scores)
    contract = predictor.contract
    columns: dict[str, Any] = {}
    inverses = contract.inverses
    for target, span in zip(contract.targets, contract.target_spans().values(), strict=True):
        if explain:
            for at in range(span.start, span.stop):
                columns |= _contributions(predictor, inputs, offsets, scores, at)
        columns |= named(target, predictions[:, span])
        if target.name in inverses:
            own = inverses[target.name].apply(predictions[:, span.start])
            columns[f"{inverses[target.name].column}_prediction"] = own
    frame = pl.DataFrame(columns)
    # Null without an offset, or where the inverse of the target's expression is undefined.
    return frame.fill_nan(None) if inverses or offsets is not None else frame


def _contributions(
    predictor: Predictor, inputs: Design, offsets: Array | None, scores: Array, at: int
) -> dict[str, Any]:
    """An output's average score, each column's contribution, and the score with another link."""
    if isinstance(inputs, OneHotRows):
        # Of many levels some rows at a time, as arrays.
        some = max(1, DENSE_CELLS // inputs.shape[1])
        parts = []
        for start in range(0, max(len(inputs), 1), some):
            rows = slice(start, start + some)
            own = None if offsets is None else offsets[rows]
            parts.append(_contributions(predictor, np.asarray(inputs[rows]), own, scores[rows], at))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    contract = predictor.contract
    output = contract.outputs[at]
    means = np.array(predictor.record.means)
    columns = {f"{output}_average": np.full(len(inputs), predictor.average[0, at])}
    for name, span in contract.spans().items():
        # Input by input, as scores are: the last digit must not depend on the rows beside it.
        columns[f"{output}_from_{name}"] = sum(
            (inputs[:, one] - means[one]) * predictor.weights["weight"][one, at]
            for one in range(span.start, span.stop)
        )
    if contract.offset is not None and offsets is not None:
        columns[f"{output}_from_{contract.offset.name}"] = offsets - contract.offset.mean
    if predictor.record.has_scores:
        columns[f"{output}_score"] = scores[:, at]
    return columns


def named(target: Target, predictions: Array) -> dict[str, Any]:
    """The prediction columns of a target: a value, or the class and class probabilities.

    Shapes:  predictions (n, c): of one output, or of each class
    """
    name = f"{target.name}_prediction"
    if not target.classes:
        return {name: predictions[:, 0]}
    classes = list(target.classes)
    shares = predictions if len(classes) > 2 else np.hstack([1 - predictions, predictions])
    likely = {f"{target.name}_probability_{c}": shares[:, at] for at, c in enumerate(classes)}
    names = np.array(classes, dtype=object)[shares.argmax(axis=1)]
    names[np.isnan(shares).any(axis=1)] = None  # no offset, no likeliest class
    most = pl.Series(names.tolist(), dtype=pl.String)  # of an array the first says the type
    return {name: most, **likely}
