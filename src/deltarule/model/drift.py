"""Drift of a table: its columns, errors and rows beside what a model has learnt from.

    columns   `model.column_drift`, the one that has changed most first
    error     on rows whose target is known, relative to the error on held-out rows
    rows      how far from all rows learnt from: leverage, relative to its mean over those, and the
              share of rows with a value out of range or a level never seen

Verdicts are by the size of effects. What sampling alone explains counts as none, so that a small
table is not called drifted; and no effect grows with the number of rows.

A table of many rows is read once, and looked at by a uniform sample of them.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from deltarule.errors import EmptyError
from deltarule.metrics.shift import NOISE, Shift, share_shift
from deltarule.model.column_drift import (
    ColumnDrift,
    Spread,
    category_drift,
    classes_drift,
    spread_of,
    verdict,
)
from deltarule.model.predictor import PredictedRows, Predictor
from deltarule.model.record import unpack
from deltarule.moments.moments import total
from deltarule.rule.predict import Array
from deltarule.tables.cast import numbers_of
from deltarule.tables.one_hot_rows import design
from deltarule.tables.sample import Sample
from deltarule.tables.schema import Noticed
from deltarule.tables.schema_columns import OTHER, Category
from deltarule.tables.schema_source import batches, read_as_learnt
from deltarule.tables.source import Source, without_folder
from deltarule.views.format import number, percent

LARGER_ERROR, LARGER_LEVERAGE, MORE_OUTSIDE = 0.25, 1.0, 0.10
"""From which size on these are drift: relative to what they were, and a share of rows."""
# Rows that are looked at, or up to twice as many; PSI's noise is below 0.001 then.
ROWS, CELLS = 50_000, 8_000_000
# Multiplications that leverages may take; of fewer rows than all, then.
MOST_PRODUCTS = 2_000_000_000
# Leverage of fewer rows than so many for each input is noise.
ROWS_FOR_EACH = 10
FEW_ROWS = 100


@dataclass(frozen=True)
class ErrorDrift:
    """A target's error now and on held-out rows, and how much larger it is."""

    target: str
    figure: str
    held_out: float
    now: float
    larger: float
    """now / held out - 1; 0 where sampling explains it."""

    @property
    def score(self) -> float:
        """1 or more is drift; a smaller error is none."""
        return max(0.0, self.larger) / LARGER_ERROR

    @property
    def words(self) -> str:
        """Both errors."""
        words = f"{self.figure} {number(self.now)}, {number(self.held_out)} on held-out rows"
        return f"{words}: {self.larger:+.0%}" if self.larger else f"{words}: may be chance"


@dataclass(frozen=True)
class RowsDrift:
    """How far rows are from those learnt from."""

    outside: float
    """The share of rows with a value out of range or a level never seen."""
    more_outside: float
    """How many more than come about by chance."""
    leverage: float | None
    """The mean leverage relative to that of rows learnt from; None without moments."""
    higher_leverage: float
    """How much above 1; 0 where sampling explains it."""

    @property
    def score(self) -> float:
        """1 or more is drift."""
        return max(self.more_outside / MORE_OUTSIDE, self.higher_leverage / LARGER_LEVERAGE)

    @property
    def words(self) -> str:
        """Both figures."""
        words = f"{percent(self.outside)} of rows have a value out of range or a level never seen"
        if self.leverage is None:
            return words
        return f"{words}; their leverage is {self.leverage:.3g} times that of rows learnt from"


@dataclass(frozen=True)
class DriftReport:
    """What has changed, the worst first."""

    table: str
    learnt_from: str
    rows: int
    examined: int
    learnt_rows: int
    columns: tuple[ColumnDrift, ...]
    errors: tuple[ErrorDrift, ...]
    apart: RowsDrift
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """The largest score of a column, an error or the rows: 1 or more is drift."""
        columns, errors = (one.score for one in self.columns), (one.score for one in self.errors)
        return max([self.apart.score, *columns, *errors])

    @property
    def verdict(self) -> str:
        """The score in words."""
        return verdict(self.score)

    @property
    def drifted(self) -> list[str]:
        """The names of the columns that drifted, the worst first."""
        return [one.column for one in self.columns if one.score >= 1]

    @property
    def frame(self) -> pl.DataFrame:
        """The columns as a table."""
        plain = [{k: v for k, v in one.to_dict().items() if k != "shares"} for one in self.columns]
        return pl.DataFrame(plain, infer_schema_length=None)

    def __str__(self) -> str:
        from deltarule.model.drift_words import paragraphs

        return paragraphs(self)

    def _repr_html_(self) -> str:
        from deltarule.model import drift_html

        return drift_html.cell(self)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "table": self.table,
            "learnt_from": self.learnt_from,
            "rows": self.rows,
            "examined": self.examined,
            "learnt_rows": self.learnt_rows,
            "verdict": self.verdict,
            "score": self.score,
            "columns": [one.to_dict() for one in self.columns],
            "errors": [{**vars(one), "score": one.score} for one in self.errors],
            "apart": {**vars(self.apart), "score": self.apart.score},
            "notes": list(self.notes),
        }


class DrawnRows:
    """The rows of a table that drift is measured on, drawn as they come by."""

    def __init__(self, columns: int, rows: int | None = None) -> None:
        """`rows` is how many there are, where that is known: no more are drawn than are kept."""
        self.sample = Sample("", 1.0, max(1000, min(ROWS, CELLS // max(columns, 1))))
        while rows is not None and self.sample.share * rows > 1.9 * self.sample.rows:
            self.sample.share /= 2
        self.rows = 0

    def add(self, batch: pl.DataFrame) -> None:
        """Draw from the next rows."""
        number_column = "row"
        while number_column in batch.columns:
            number_column += "_"
        self.sample.number = number_column
        self.sample.add(batch, self.rows)
        self.rows += batch.height

    @property
    def all_of_them(self) -> bool:
        """Whether no row was left out."""
        return self.sample.share == 1

    def frame(self) -> pl.DataFrame:
        """The rows that were drawn."""
        return pl.concat(self.sample.parts, how="vertical_relaxed").drop(self.sample.number)


def drift(predictor: Predictor, source: Source) -> DriftReport:
    """The drift of a table.

    Errors:  EmptyError for a table without rows; as predictions of it
    """
    contract = predictor.contract
    source = read_as_learnt(source, contract)
    weight = [] if contract.row_weight is None else [contract.row_weight]
    targets = [name for one in contract.targets for name in one.term.columns]
    drawn = DrawnRows(len(contract.needs) + len(targets), source.rows)
    for batch in batches(source, contract.needs, contract.expects, wanted=[*targets, *weight]):
        drawn.add(batch)
    return drift_of(predictor, drawn, without_folder(source.name), source.notes)


def drift_of(
    predictor: Predictor, drawn: DrawnRows, name: str, notes: Sequence[str] = ()
) -> DriftReport:
    """The drift of rows that were drawn from a table of this name.

    Errors:  EmptyError where there are none
    """
    if not drawn.rows:
        raise EmptyError(f"{name} has no rows: there is nothing to look at")
    record, contract, frame = predictor.record, predictor.contract, drawn.frame()
    rows_of = name if drawn.all_of_them else f"a sample of {name}"
    scored = _scored(predictor, frame, rows_of)
    columns = [*_inputs(predictor, frame, rows_of), *_targets(predictor, scored)]
    columns.sort(key=lambda one: (-one.score, -(one.psi or 0.0)))
    told = list(notes)
    if not drawn.all_of_them:
        told.append(f"of {drawn.rows:,} rows {frame.height:,} were looked at, drawn evenly")
    if frame.height < FEW_ROWS:
        told.append("of so few rows, only large changes can be told from chance")
    if not record.distributions and any(not isinstance(c, Category) for c in contract.columns):
        told.append(
            "the model has no histograms, as it is of an earlier version: only gaps and ranges of "
            "numbers were compared; learn it again for the rest"
        )
    return DriftReport(
        name,
        record.learnt_from,
        drawn.rows,
        frame.height,
        _examples(predictor),
        tuple(columns),
        tuple(_errors(predictor, scored)) if scored is not None else (),
        _apart(predictor, frame, rows_of),
        tuple(told),
    )


def _examples(predictor: Predictor) -> int:
    record = predictor.record
    return max(1, record.examples or round(record.rows))


def _scored(predictor: Predictor, frame: pl.DataFrame, name: str) -> PredictedRows | None:
    """The rows with their targets; None where the table has none."""
    if not {*predictor.compares} <= {*frame.columns}:
        return None
    scored = predictor.scored(frame, name=name, row=0)
    return scored if len(scored.each) else None


def _inputs(predictor: Predictor, frame: pl.DataFrame, name: str) -> Iterator[ColumnDrift]:
    record, contract = predictor.record, predictor.contract
    known = {one.name: one for one in record.distributions}
    view, examples = contract.view(frame, name=name), _examples(predictor)
    for column in contract.columns:
        if isinstance(column, Category):
            yield category_drift(contract, column, view[column.name], record.rows, examples)
            continue
        values = numbers_of(view[column.name], where=f"{name}, column '{column.name}'", row=0)
        own = spread_of(column, record.rows, examples, known.get(column.name))
        yield own.drift(values, column.kind)
    if contract.offset is not None:
        at = contract.offset
        values = numbers_of(view[at.name], where=f"{name}, column '{at.name}'", row=0)
        spread = Spread(at.name, known.get(at.name), at.low, at.high, 0.0, examples)
        yield spread.drift(values, at.kind)


def _targets(predictor: Predictor, scored: PredictedRows | None) -> Iterator[ColumnDrift]:
    if scored is None:
        return
    record, contract, examples = predictor.record, predictor.contract, _examples(predictor)
    known = {one.name: one for one in record.distributions}
    for target, span in zip(contract.targets, contract.target_spans().values(), strict=True):
        values = scored.targets[:, span]
        if not target.classes:
            spread = Spread(
                target.name, known.get(target.name), target.low, target.high, 0.0, examples
            )
            yield spread.drift(values[:, 0], "target")
            continue
        names = list(target.classes)
        codes = values.argmax(axis=1) if len(names) > 2 else (values[:, 0] > 0.5).astype(int)
        now = Counter({names[at]: int(n) for at, n in enumerate(np.bincount(codes))})
        yield classes_drift(target.name, target.classes, now, examples)


def _errors(predictor: Predictor, scored: PredictedRows) -> Iterator[ErrorDrift]:
    record, contract = predictor.record, predictor.contract
    spans = contract.target_spans().values()
    for target, span, loss, held_out in zip(
        contract.targets, spans, record.losses, record.held_out or (), strict=False
    ):
        scores, targets = scored.scores[:, span], scored.targets[:, span]
        by_class = loss.kind in ("yes_no", "classes")
        if by_class and held_out.loss is None:
            continue
        with np.errstate(all="ignore"):
            if by_class:
                each, known = loss.value(scores, targets), float(held_out.loss or 0.0)
            else:
                each = ((loss.link.inverse(scores) - targets) ** 2).sum(axis=1)
                known = held_out.rmse**2
            mean = float(np.average(each, weights=scored.each))
        if not math.isfinite(mean) or known <= 0:
            continue
        m, n = len(each), held_out.rows or _examples(predictor)
        error = float(each.std()) * math.sqrt(1 / m + 1 / n)
        size = mean / known if by_class else math.sqrt(mean / known)
        larger = Shift.of(size - 1, beyond_noise=m > 1 and abs(mean - known) > NOISE * error)
        figure, both = (
            ("loss", (known, mean))
            if by_class
            else (
                "typical error",
                (math.sqrt(known), math.sqrt(mean)),
            )
        )
        yield ErrorDrift(target.name, figure, *both, larger.size)


def _apart(predictor: Predictor, frame: pl.DataFrame, name: str) -> RowsDrift:
    contract, examples, m = predictor.contract, _examples(predictor), frame.height
    view = contract.view(frame, name=name)
    inputs, noticed = design(contract, view, name=name)
    contract.offsets(view, noticed, name=name)
    out = _outside(contract.known, noticed, m)
    numbers = sum(not isinstance(one, Category) for one in contract.known.values())
    by_chance = min(1.0, 2 * numbers / (examples + 1))
    more = share_shift(by_chance, out, examples, m)
    leverage, higher = _leverage(predictor, inputs, m)
    return RowsDrift(out, max(0.0, more.size), leverage, higher)


def _outside(known: Mapping[str, Any], noticed: Noticed, rows: int) -> float:
    """The share of rows with a value out of range, or a level that no pool of rare ones takes."""
    out = np.zeros(rows, dtype=bool)
    for name, mask in noticed.unseen.items():
        if OTHER not in getattr(known[name], "known", {}):
            out |= mask
    for mask in noticed.outside.values():
        out |= mask
    return float(out.mean())


def _leverage(predictor: Predictor, inputs: Any, rows: int) -> tuple[float | None, float]:
    """The mean leverage of rows relative to its mean over training rows, and how much above 1.

    About the mean of n rows with covariance S, a row's leverage is 1/n + z' inv(S) z / n, of which
    the second part is q/n on average over these, q being the rank of S, and for other rows of the
    same kind q / (n - q - 2).
    """
    record, p = predictor.record, len(predictor.record.means)
    examples = _examples(predictor)
    if not record.moments or examples < ROWS_FOR_EACH * p:
        return None, 0.0
    whole = total([unpack(one, p + len(predictor.contract.outputs)) for one in record.moments])
    cross = np.asarray(whole.cross)[:p, :p] / whole.rows
    unit = np.sqrt(np.maximum(cross.diagonal(), 0.0))
    varies = unit > 0
    unit = np.where(varies, unit, 1.0)
    values, axes = np.linalg.eigh(cross / np.outer(unit, unit))
    kept = values > 1e-9 * values[-1]
    every = max(1, math.ceil(rows * p * p / MOST_PRODUCTS))
    centred = np.asarray(inputs[::every]) / whole.scale[:p] - (whole.mean + whole.rest)[:p]
    away = (centred / unit) @ axes[:, kept]
    with np.errstate(over="ignore"):
        each: Array = (away**2 / values[kept]).sum(axis=1)
    rank = int(kept.sum())
    usual = rank * examples / max(examples - rank - 2, 1)
    relative = each / usual
    mean = float(relative.mean())
    if not math.isfinite(mean):
        return None, 0.0
    error = float(relative.std()) * math.sqrt(1 / len(relative) + 1 / examples)
    higher = Shift.of(mean - 1, beyond_noise=len(relative) > 1 and mean - 1 > NOISE * error)
    return mean, higher.size
