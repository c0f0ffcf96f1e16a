"""Explain one row's prediction as the sum of contributions of its columns.

    average + contribution of each column = prediction

A column's contribution to the score is the sum over its inputs of weight * (input - its average).
With the identity link that is the whole explanation, and the order does not matter.

With another link (yes/no, counts, amounts) the prediction is not additive. Contributions to the
prediction are then taken along a path: it starts at the prediction of the average score, columns
are added in order of their contribution to the score, largest first, and each is credited with the
change in the prediction. They add up to the prediction exactly, but depend on the order; the
contributions to the score do not, so both are shown.

Shapes: p inputs, k outputs, m columns.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from deltarule.errors import ValueRefusedError
from deltarule.losses.loss import Loss
from deltarule.model.predictor import Predictor
from deltarule.model.summary import score_names
from deltarule.rule.predict import Array
from deltarule.tables.cast import text_of
from deltarule.tables.schema import Noticed
from deltarule.tables.schema_columns import Column, Number
from deltarule.tables.unseen_values import word_of
from deltarule.views import figures, html
from deltarule.views.format import adding_up, number, on_one_line

COLUMNS_SHOWN = 12
CLASSES_SHOWN = 3
SHARES = ("yes_no", "classes")
"""Losses whose predictions are probabilities."""
SUM = "Each column adds weight * (its value - its average)."
PATH = (
    "Columns come in one after the other, the largest first; each adds what the prediction then "
    "changes by."
)
LONGEST_VALUE = 40


@dataclass(frozen=True)
class Contribution:
    """The contribution of a column to the score, and to the prediction in the target's units."""

    column: str
    value: str
    """The row's value, in words."""
    score: float
    prediction: float


@dataclass(frozen=True)
class ExplainedOutput:
    """The contributions to one output's prediction, the largest first.

    `scale` is what the score means, in words, such as "log odds of survived"; None with the
    identity link.
    """

    output: str
    target: str
    """The target column; the output is a class of it where it has classes."""
    share: bool
    """Whether the prediction is a probability."""
    scale: str | None
    average_score: float
    score: float
    average: float
    prediction: float
    contributions: tuple[Contribution, ...]

    @property
    def start(self) -> str:
        """The name of the sum's first term: the average only with the identity link."""
        return "average" if self.scale is None else "the average row"

    def totals(self, *, of_score: bool = False) -> list[float]:
        """The running totals: the average first, the prediction last."""
        start, end = (
            (self.average_score, self.score) if of_score else (self.average, self.prediction)
        )
        parts = [one.score if of_score else one.prediction for one in self.contributions]
        totals = [start]
        for part in parts:
            totals.append(totals[-1] + part)
        totals[-1] = end  # what rounding left along the way is far below what is shown
        return totals

    def lines(self) -> tuple[list[str], list[float], list[float]]:
        """The names of the contributions, small ones pooled, and both running totals."""
        names = [on_one_line(f"{one.column} {one.value}") for one in self.contributions]
        scores, totals = self.totals(of_score=True), self.totals()
        rest = len(names) - COLUMNS_SHOWN
        if rest > 1:
            names = [*names[:COLUMNS_SHOWN], f"{rest:,} columns that matter less"]
            scores = [*scores[: COLUMNS_SHOWN + 1], scores[-1]]
            totals = [*totals[: COLUMNS_SHOWN + 1], totals[-1]]
        return names, scores, totals

    def table(self) -> tuple[list[str], list[list[str]]]:
        """The sum as a table of text, rounded so that it adds up: head and rows."""
        names, scores, totals = self.lines()
        columns = [[self.start, *names, "prediction"]]
        head = ["", on_one_line(self.output)]
        shown = [totals] if self.scale is None else [scores, totals]
        if self.scale is not None:
            head.insert(1, on_one_line(self.scale))
        for each in shown:
            least = 1.0 if self.share and each is totals else 0.0
            parts, written = adding_up(each, least=least)
            columns.append([written[0], *parts, written[-1]])
        return head, [list(row) for row in zip(*columns, strict=True)]

    def to_html(self) -> str:
        """The sum as a waterfall with its numbers, and that of the score with another link."""
        names, scores, totals = self.lines()
        shown = [(self.output, totals, SUM if self.scale is None else PATH)]
        if self.scale is not None:
            shown.append((self.scale, scores, SUM))
        drawn = "".join(
            html.figure(
                figures.waterfall(
                    names,
                    each,
                    unit=unit,
                    start=self.start,
                    least=1.0 if self.share and each is totals else 0.0,
                ),
                unit,
                f"From {self.start} to the prediction. {says}",
            )
            for unit, each, says in shown
        )
        head, rows = self.table()
        return f'<div class="grid">{drawn}</div>{html.table(head, rows, sum_last=True)}'


@dataclass(frozen=True)
class Explanation:
    """The explanation of one row's prediction."""

    table: str
    row: int
    """Counted from 1, as in messages."""
    outputs: tuple[ExplainedOutput, ...]
    """For each target; its classes with the most likely first."""
    notes: tuple[str, ...]

    def __str__(self) -> str:
        blocks = [self.heading]
        for one in self.shown:
            head, rows = one.table()
            widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
            lines = []
            for row in (head, *rows):
                cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
                lines.append("  ".join([f"  {row[0].ljust(widths[0])}", *cells]))
            lines.insert(-1, "  " + "-" * (len(lines[-1]) - 2))
            blocks.append("\n".join(lines))
        return "\n\n".join([*blocks, *(["\n".join(self.notes)] if self.notes else [])])

    @property
    def heading(self) -> str:
        """The heading, with the row's number."""
        return f"Row {self.row:,} of {on_one_line(self.table)}"

    def _repr_html_(self) -> str:
        return html.cell(self.to_html())

    def to_html(self) -> str:
        """The explanation as HTML: each sum as a waterfall chart with its numbers below."""
        return html.heading(self.heading) + "".join(one.to_html() for one in self.shown)

    @property
    def shown(self) -> list[ExplainedOutput]:
        """The outputs to show: of many classes the likely ones."""
        before: Counter[str] = Counter()
        likely = []
        for one in self.outputs:
            if before[one.target] < CLASSES_SHOWN:
                likely.append(one)
            before[one.target] += 1
        return likely

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {**asdict(self), "notes": list(self.notes)}


def explain(
    row: pl.DataFrame,
    predictor: Predictor,
    *,
    table: str,
    number: int,
) -> Explanation:
    """The explanation of the one row of `row`, given by the contract's terms.

    Shapes:  row (1, m)
    Errors:  ValueRefusedError for a row whose prediction is not finite, or that lacks the offset
    """
    record, contract = predictor.record, predictor.contract
    means = np.array(record.means)
    inputs, noticed = contract.encode(row, name=table, row=number - 1)
    offsets = contract.offsets(row, noticed, name=table, row=number - 1)
    spans, scales = contract.spans(), score_names(record)
    weight = np.array([one.weight for one in record.weights]).reshape(len(scales), -1).T
    away = inputs[0] - means
    # (m, k): what each column adds to each output's score
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        parts = np.stack([away[span] @ weight[span] for span in spans.values()])
    ends = np.concatenate([predictor.average, predictor.scores(inputs, offsets)])
    said = [
        (column.name, _value(column, row[column.name], inputs[0, span.start], noticed))
        for column, span in zip(contract.columns, spans.values(), strict=True)
    ]
    if contract.offset is not None and offsets is not None:
        own = contract.offset
        if np.isnan(offsets[0]):
            raise ValueRefusedError(
                f"{table}, row {number}: '{own.name}' is missing, which is added to every score: "
                "there is no prediction to explain"
            )
        parts = np.vstack([parts, np.full(parts.shape[1], offsets[0] - own.mean)])
        said.append((own.name, _shown(float(offsets[0]), own.name, noticed)))
    names = list(scales.items())
    with np.errstate(all="ignore"):
        outputs = tuple(
            _output(at, target, loss.kind in SHARES, names[at], predictor.loss, parts, ends, said)
            for loss, (target, span) in zip(
                record.losses, contract.target_spans().items(), strict=True
            )
            for at in _likely_first(span, predictor.loss.link.inverse(ends)[1])
        )
    for one in outputs:
        if not np.isfinite([*one.totals(), *one.totals(of_score=True)]).all():
            raise ValueRefusedError(
                f"{table}, row {number}: its prediction of {one.output} is beyond all numbers"
            )
    return Explanation(table, number, outputs, _notes(outputs))


def _output(
    at: int,
    target: str,
    share: bool,
    names: tuple[str, str],
    loss: Loss,
    parts: Array,
    ends: Array,
    said: Sequence[tuple[str, str]],
) -> ExplainedOutput:
    """The explanation of one output.

    Shapes:  parts (m, k); ends (2, k): the scores of the average row and of this one
    """
    output, scale = names
    order = np.argsort(-np.abs(parts[:, at]), kind="stable")
    path = np.vstack([ends[0], ends[0] + np.cumsum(parts[order], axis=0)])
    path[-1] = ends[1]  # exactly the prediction: the smallest contribution absorbs the rounding
    predictions = loss.link.inverse(path)[:, at]
    return ExplainedOutput(
        output=output,
        target=target,
        share=share,
        scale=None if scale == output else scale,
        average_score=float(ends[0, at]),
        score=float(ends[1, at]),
        average=float(predictions[0]),
        prediction=float(predictions[-1]),
        contributions=tuple(
            Contribution(*said[int(column)], float(parts[column, at]), float(change))
            for column, change in zip(order, np.diff(predictions), strict=True)
        ),
    )


def _likely_first(span: slice, predictions: Array) -> list[int]:
    """The outputs of a target, the most likely class first."""
    return sorted(range(span.start, span.stop), key=lambda at: -predictions[at])


def _value(column: Column, cell: pl.Series, taken: float, noticed: Noticed) -> str:
    """A row's value in a column, and the value used where that differs."""
    if column.name in noticed.missing:
        marked = not isinstance(column, Number) or column.gap
        return "missing" if marked else f"missing, taken as {number(taken)}"
    if isinstance(column, Number) and column.kind == "number":
        return _shown(taken, column.name, noticed)
    text = str(text_of(cell)[0])
    text = text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
    new = f", {word_of('unseen', column)}" if column.name in noticed.unseen else ""
    return f"= {text}{new}"


def _shown(value: float, column: str, noticed: Noticed) -> str:
    return f"= {number(value)}" + (", out of range" if column in noticed.outside else "")


def _notes(outputs: Sequence[ExplainedOutput]) -> tuple[str, ...]:
    notes = [] if all(one.scale is None for one in outputs) else [PATH]
    if any(count > 2 for count in Counter(one.target for one in outputs).values()):
        notes.append("Scores of classes only count beside each other.")
    return tuple(notes)
