"""Report: a model and a table it is compared with, as one self-contained page.

The figures of a whole table come from all its rows, read once in batches. Points, curves over rows
and quantiles come from a sample of them, drawn at random and always the same for the same rows. So
a page stays small, and memory too, whatever the number of rows.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from deltarule.metrics.classification import ClassMetrics
from deltarule.model import drift_html, evaluation_html, overview
from deltarule.model.drift import DrawnRows, DriftReport, drift_of
from deltarule.model.effects import Sample, effects
from deltarule.model.evaluate import Evaluation, evaluate
from deltarule.model.model import Model
from deltarule.model.predictor import PredictedRows, Predictor
from deltarule.model.record import Record
from deltarule.rule.predict import Array
from deltarule.tables.frames import open_table
from deltarule.tables.schema_source import widening
from deltarule.tables.source import without_folder
from deltarule.views import figures, html
from deltarule.views.report.rows import SAMPLE_ROWS, Rows

OUTPUTS_SHOWN = 3
DRAWN_ROWS = 1_500
"""More points than this hide each other."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# The interval of a share that holds it 19 times in 20.
NORMAL_95 = 1.959963984540054


def report(model: Model, table: Any) -> str:
    """The page, as HTML.

    Errors:  as `Model.compare`
    """
    source, _ = open_table(table)
    scorer = Predictor(model.record)

    def read() -> tuple[Evaluation, Rows, DrawnRows]:
        rows, drawn = Rows(scorer.loss), DrawnRows(len(scorer.compares))

        def watch(batch: pl.DataFrame, scored: PredictedRows) -> None:
            rows.add(batch, scored)
            drawn.add(batch)

        return evaluate(scorer, source, watch=watch), rows, drawn

    evaluation, rows, drawn = widening(source, read)
    return page(
        model.record, evaluation, rows, drift_of(scorer, drawn, without_folder(source.name))
    )


def page(record: Record, evaluation: Evaluation, rows: Rows, drift: DriftReport) -> str:
    """The page of a comparison, the rows that were kept from it, and their drift."""
    table = drift.table
    sample = Sample(rows.frame, rows.inputs)
    steps = list(overview.course(record))
    return html.page(
        overview.title(record),
        "".join(
            [
                html.heading(overview.title(record)),
                html.quiet(f"learnt from {record.learnt_from}, compared with {table}"),
                overview.opening(record),
                html.section(
                    f"Compared with {table}",
                    evaluation_html.body(evaluation.headline, evaluation.outputs, evaluation.notes)
                    + html.grid(list(_close(record, evaluation, rows, table))),
                ),
                html.section(
                    "What counts",
                    html.grid([*overview.weights(record), *effects(record, sample)]),
                ),
                html.section(
                    "Drift", drift_html.body(drift), lead="what has changed since it was learnt"
                ),
                *([html.section("How it learnt", html.grid(steps))] if steps else []),
                html.section("Columns", overview.columns(record)),
                html.footer(_foot(record, rows)),
            ]
        ),
    )


def _foot(record: Record, rows: Rows) -> list[str]:
    few = (
        f"the {rows.seen:,} rows"
        if rows.seen <= SAMPLE_ROWS
        else (f"{SAMPLE_ROWS:,} of {rows.seen:,} rows, drawn at random, the same each time")
    )
    return [
        f"Learnt at {record.learnt_at} by {record.written_by}. Points, curves over rows and "
        f"quantiles are of {few}; at most {DRAWN_ROWS:,} points are drawn. All other figures are "
        "of all rows.",
    ]


def _close(record: Record, evaluation: Evaluation, rows: Rows, table: str) -> Iterator[str]:
    """How close predictions come, for each target; of classes, for each one."""
    yield from overview.errors(record, table, evaluation.outputs)
    outputs = record.contract.outputs
    several = len(outputs) > 1
    spans = record.contract.target_spans().values()
    for one, span in list(zip(evaluation.outputs, spans, strict=True))[:OUTPUTS_SHOWN]:
        if one.classes is not None and one.classes.calibration:
            yield _calibrated(one.classes, one.output, f" of {one.output}" if several else "")
        for at in range(span.start, span.stop)[:OUTPUTS_SHOWN]:
            predicted, actual = rows.predictions[:, at], rows.targets[:, at]
            of = f" of {outputs[at]}" if several else ""
            draw = _actual if one.classes is None else _answers
            yield draw(predicted, actual, outputs[at], of)
            if one.classes is None or len(one.classes.classes) == 2:
                yield _deltas(predicted, actual, outputs[at], of)


def _actual(predicted: Array, actual: Array, output: str, of: str) -> str:
    few = slice(None, None, len(actual) // DRAWN_ROWS + 1)
    drawing = figures.predicted_against_actual(predicted[few], actual[few], target=output)
    says = "Each point is a row. On the line, the prediction is what it was."
    at = _quantiles(actual)
    rows = [
        (f"{share:.0%}", a, p)
        for share, a, p in zip(QUANTILES, at, _quantiles(predicted), strict=True)
    ]
    numbers = html.table(["share of rows below", f"actual {output}", f"predicted {output}"], rows)
    return html.figure(drawing, f"Predicted against actual{of}", says, numbers)


def _answers(predicted: Array, actual: Array, output: str, of: str) -> str:
    drawing = figures.predicted_by_answer(predicted, actual, target=output)
    says = "How predictions are spread over the rows that are yes and over those that are no."
    rows = [
        (word, int(own.sum()), *_quantiles(predicted[own]))
        for word, own in (("yes", actual >= 0.5), ("no", actual < 0.5))
        if own.any()
    ]
    head = ["rows that are", "rows", *(f"{share:.0%} below" for share in QUANTILES)]
    return html.figure(drawing, f"Predictions by answer{of}", says, html.table(head, rows))


def _calibrated(classes: ClassMetrics, output: str, of: str) -> str:
    """Rows predicted alike, and how many of them are yes."""
    bins = classes.calibration
    low, high = wilson([one.happened for one in bins], [one.rows for one in bins])
    drawing = figures.calibration(
        [one.predicted for one in bins],
        [one.happened for one in bins],
        low,
        high,
        [one.rows for one in bins],
        target=output,
        what="yes" if len(classes.classes) == 2 else "right",
    )
    says = (
        "Rows are put together by what was predicted of them. On the line, what is predicted with "
        "70% happens 70% of the time; lines are 95% intervals."
    )
    rows = [
        (one.predicted, one.happened, a, b, one.rows)
        for one, a, b in zip(bins, low, high, strict=True)
    ]
    head = ["predicted", "happened", "low", "high", "rows"]
    return html.figure(drawing, f"Calibration{of}", says, html.table(head, rows))


def wilson(shares: Sequence[float], rows: Sequence[float]) -> tuple[list[float], list[float]]:
    """The 95% interval of each share of so many rows.

    Source:  Wilson 1927

    >>> [round(one[0], 4) for one in wilson([0.5], [10])]
    [0.2366, 0.7634]
    """
    share, count = np.array(shares, float), np.array(rows, float)
    z2 = NORMAL_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = NORMAL_95 * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return np.maximum(middle - half, 0).tolist(), np.minimum(middle + half, 1).tolist()


def _deltas(predicted: Array, actual: Array, output: str, of: str) -> str:
    few = slice(None, None, len(actual) // DRAWN_ROWS + 1)
    delta = predicted - actual
    drawing = figures.residuals(predicted[few], delta[few], target=output)
    says = (
        "Delta is prediction - target: above 0 too much was predicted. The mean should stay at 0 "
        "all the way; where it does not, the straight line is not the whole story."
    )
    rows = [
        (f"{share:.0%}", size) for share, size in zip(QUANTILES, _quantiles(delta), strict=True)
    ]
    numbers = html.table(["share of rows below", "delta"], [*rows, ("mean", float(delta.mean()))])
    return html.figure(drawing, f"Residuals{of}", says, numbers)


def _quantiles(values: Array) -> list[float]:
    return [float(one) for one in np.quantile(values, QUANTILES)]
