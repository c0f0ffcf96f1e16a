"""Evaluate a model on a table with targets.

Shapes: n rows; k outputs of a target, one or one for each class.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import ValidationError

from deltarule.dataclass import dataclass
from deltarule.errors import EmptyError, ValueRefusedError
from deltarule.losses.loss import Loss
from deltarule.metrics.regression import Metrics, MetricSums
from deltarule.model.predictor import PredictedRows, Predictor
from deltarule.model.record import Record
from deltarule.model.summary import counting, figures_told
from deltarule.tables.left_out import counted, left_out_told
from deltarule.tables.schema_columns import Target
from deltarule.tables.schema_source import batches, read_as_learnt
from deltarule.tables.source import Source
from deltarule.tables.unseen_values import UnseenValues

if TYPE_CHECKING:
    from deltarule.model.learnt_rows import Learnt


@dataclass(frozen=True)
class Evaluation:
    """The metrics of a model on a table."""

    rows: float
    examples: int
    rows_left_out_by_cause: Mapping[str, int]
    outputs: tuple[Metrics, ...]
    notes: tuple[str, ...]
    learnt: "Learnt" = "new"
    """Whether these are rows that the model learnt from."""

    @property
    def rows_left_out(self) -> int:
        """How many rows were left out, for any cause."""
        return sum(self.rows_left_out_by_cause.values())

    @property
    def headline(self) -> str:
        """The heading: the number of rows."""
        left = left_out_told(self.rows_left_out_by_cause)
        return ", ".join(
            part for part in (f"{counting(self.rows, self.examples)} compared", left) if part
        )

    def __str__(self) -> str:
        lines = [self.headline]
        for one in self.outputs:
            first, *tables = figures_told(one)
            lines += [f"{one.output}: {first}", *tables]
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        from deltarule.model import evaluation_html

        return evaluation_html.cell(self.headline, self.outputs, self.notes)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "rows": self.rows,
            "examples": self.examples,
            "rows_left_out": self.rows_left_out,
            "rows_left_out_by_cause": dict(self.rows_left_out_by_cause),
            "outputs": [one.model_dump(mode="json") for one in self.outputs],
            "notes": list(self.notes),
        }


def evaluate(
    predictor: Predictor,
    source: Source,
    *,
    watch: Callable[[pl.DataFrame, PredictedRows], object] | None = None,
) -> Evaluation:
    """Evaluate a model on a table that has its targets.

    `watch` is called with each batch and its predictions.
    Errors:  EmptyError when no row has all targets
    """
    sums, met, causes, examples = sums_of(predictor.record), UnseenValues(), Counter[str](), 0
    contract = predictor.contract
    source = read_as_learnt(source, contract)
    weight = [] if contract.row_weight is None else [contract.row_weight]
    for batch in batches(source, predictor.compares, contract.expects, wanted=weight):
        rows = predictor.scored(batch, name=source.name, row=met.rows)
        with refusing_overflow(source):
            for span, one in zip(contract.target_spans().values(), sums, strict=True):
                one.add(rows.scores[:, span], rows.targets[:, span], rows.each, rows.offsets)
            if watch is not None:
                watch(batch, rows)
        causes += rows.causes
        examples += len(rows.each)
        met.add(rows.noticed, rows.rows)
    if not sums[0].sums.rows > 0:
        raise nothing_in(source, causes)
    named = zip(contract.targets, sums, strict=True)
    with refusing_overflow(source):
        outputs = tuple(one.figures(target.name) for target, one in named)
    met.said = list(source.notes)
    from deltarule.model.learnt_rows import learnt_rows, not_new

    learnt = learnt_rows(predictor.record, sums, examples, source)
    notes = [*not_new(predictor.record, learnt, source.name), *met.notes(contract.known)]
    return Evaluation(sums[0].sums.rows, examples, dict(causes), outputs, tuple(notes), learnt)


@contextmanager
def refusing_overflow(source: Source) -> Iterator[None]:
    """A context for metrics that may overflow.

    Errors:  ValueRefusedError where a metric is not finite
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except (ValidationError, OverflowError) as error:
        raise ValueRefusedError(
            f"{source.name}: predictions are so far off that their errors are beyond all numbers"
        ) from error


def sums_of(record: Record) -> list[MetricSums]:
    """An empty metrics accumulator for each target."""
    guess = np.array(record.target_means)
    spans = record.contract.target_spans().values()
    targets = zip(record.contract.targets, record.losses, record.fit, spans, strict=True)
    found = []
    for target, loss, fit, span in targets:
        sd = fit.residual_sd or 0.0
        variance = sd * sd if loss.closed_form else fit.dispersion
        sums = MetricSums(loss, guess[span], classes_of(target, loss), dispersion=variance or 1.0)
        found.append(sums)
    return found


def classes_of(target: Target, loss: Loss) -> Sequence[str]:
    """The classes of a target; none for an amount."""
    if target.classes:
        return tuple(target.classes)
    return ("no", "yes") if loss.kind == "yes_no" else ()


def nothing_in(source: Source, causes: Mapping[str, int]) -> EmptyError:
    """The error for a table without a row to compare, with the causes."""
    why = f" ({counted(causes)})" if causes else ""
    return EmptyError(f"{source.name} has no row to compare{why}: there is nothing to compare")
