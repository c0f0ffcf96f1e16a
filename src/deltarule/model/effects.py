"""Effect plots: the prediction along each column with all others at their average.

A column's contribution to the score is weight * (input - its average), summed over its inputs; the
figure applies the inverse link to average + contribution, so that it is in the target's units.
Expressions of one column, such as its powers, are summed: on rows of a table they are plotted
over the column itself.

Shapes: p inputs, k outputs, m points of a curve.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from deltarule.losses.loss import Loss
from deltarule.losses.registry import together
from deltarule.model.record import Record
from deltarule.rule.predict import Array
from deltarule.tables.schema import Schema
from deltarule.tables.schema_columns import Category, Column, Number
from deltarule.views import effect_figures, html
from deltarule.views.marks import Figure

OUTPUTS_SHOWN = 3
CLASSES_SHOWN = 6
EFFECTS_SHOWN = 9
LEVELS_SHOWN = 12
CURVE_POINTS = 61
ROWS_MARKED = 300
LAST_DAY = 3_000_000  # beyond the year 9999, days have no calendar date


@dataclass(frozen=True)
class Sample:
    """Some rows of a table: the raw columns, and the model's inputs.

    Shapes:  inputs (n, p)
    """

    frame: pl.DataFrame
    inputs: Array


@dataclass(frozen=True)
class Effect:
    """The effect of one column: scores at some of its values or levels.

    Shapes:  scores (m, k); values (m,) for numbers, levels for categories
    """

    column: str
    scores: Array
    values: Array | None = None
    levels: Sequence[str] = ()
    rows: Array | None = None
    counts: Mapping[str, float] | None = None
    dates: bool = False
    """Whether its values are days since 1970."""


def effects(record: Record, sample: Sample | None = None) -> Iterator[str]:
    """The figures, the column with the largest effect first."""
    loss = together(record.losses, [len(one.levels) for one in record.contract.targets])
    with np.errstate(all="ignore"):  # figures leave out what is not finite
        found, average = effects_of(record, sample)
        middle = loss.link.inverse(average[None])[0]
    shown = 0
    for target, span in record.contract.target_spans().items():
        for one in _by_size(found, span)[:EFFECTS_SHOWN]:
            if span.stop - span.start > 1 and one.values is not None:
                yield _on_classes(one, loss, record.contract, target)
                continue
            for at in range(span.start, span.stop)[:OUTPUTS_SHOWN]:
                yield _on_one(one, loss, at, record.contract.outputs, float(middle[at]))
        shown += 1
        if shown == OUTPUTS_SHOWN:
            return


def _by_size(found: Sequence[Effect], span: slice) -> list[Effect]:
    """Effects by the range of scores: predictions may all be too close to 0 to differ."""
    return sorted(found, key=lambda one: -float(np.ptp(one.scores[:, span], axis=0).max()))


def _on_one(effect: Effect, loss: Loss, at: int, outputs: Sequence[str], middle: float) -> str:
    drawing, numbers = _drawn(effect, loss, at, outputs[at], middle)
    of = f" on {outputs[at]}" if len(outputs) > 1 else ""
    says = f"Predicted {outputs[at]} as {effect.column} changes and all else stays average."
    return html.figure(drawing, f"Effect of {effect.column}{of}", says, numbers)


def _on_classes(effect: Effect, loss: Loss, schema: Schema, target: str) -> str:
    """A number's effect on all classes at once."""
    assert effect.values is not None, "levels are shown for each class"
    span = schema.target_spans()[target]
    names = [str(level) for one in schema.targets if one.name == target for level in one.levels]
    with np.errstate(all="ignore"):
        predicted = loss.link.inverse(effect.scores)[:, span]
    likely = np.argsort(-predicted.max(axis=0), kind="stable")[:CLASSES_SHOWN]
    lines = {names[at]: predicted[:, at] for at in sorted(likely)}
    drawing = effect_figures.effect_on_classes(
        effect.values, lines, column=effect.column, target=target, rows=effect.rows
    )
    some = np.unique(np.linspace(0, len(predicted) - 1, 5).astype(int))
    rows = [(float(effect.values[i]), *(float(line[i]) for line in lines.values())) for i in some]
    more = "" if len(names) <= CLASSES_SHOWN else f" {len(names) - CLASSES_SHOWN} are left out."
    says = f"How likely each {target} is as {effect.column} changes and all else stays average."
    numbers = html.table([effect.column, *lines], rows)
    return html.figure(drawing, f"Effect of {effect.column} on {target}", says + more, numbers)


def effects_of(record: Record, sample: Sample | None = None) -> tuple[list[Effect], Array]:
    """Each column's effect on the scores, and the average row's scores.

    Shapes:  -> average (k,)
    """
    contract = record.contract
    weight = np.array([one.weight for one in record.weights])
    weight = weight.reshape(len(contract.outputs), -1).T
    means = np.array(record.means)
    if record.centres:
        average = (means - np.array(record.centres)) @ weight + np.array(record.starts)
    else:
        average = means @ weight + np.array([one.weight for one in record.intercept] or 0.0)
    average = average + (0.0 if contract.offset is None else contract.offset.mean)
    spans = contract.spans()
    together_over = _read_alone(contract.columns) if sample is not None else {}
    found = []
    for name, members in together_over.items():
        assert sample is not None, "columns act together where there are rows to see it on"
        effect = _over_rows(name, [spans[one] for one in members], weight, means, average, sample)
        if effect is None:
            together_over = {k: v for k, v in together_over.items() if k != name}
        else:
            found.append(effect)
    done = {one for members in together_over.values() for one in members}
    for column in contract.columns:
        if column.name not in done:
            own = spans[column.name]
            effect = _alone(column, weight[own], means[own], average, sample)
            found.append(replace(effect, dates=_is_date(column, contract)))
    return found, average


def _read_alone(columns: Sequence[Column]) -> dict[str, list[str]]:
    """The numeric inputs that are expressions of one column only, by that column."""
    groups: dict[str, list[str]] = {}
    for column in columns:
        if isinstance(column, Number) and len(column.term.columns) == 1:
            groups.setdefault(column.term.columns[0], []).append(column.name)
    return {name: members for name, members in groups.items() if members != [name]}


def _over_rows(
    name: str,
    spans: Sequence[slice],
    weight: Array,
    means: Array,
    average: Array,
    sample: Sample,
) -> Effect | None:
    series = sample.frame[name]
    if not series.dtype.is_numeric():
        return None
    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    scores = np.tile(average, (len(values), 1))
    for span in spans:
        scores += (sample.inputs[:, span] - means[span]) @ weight[span]
    known = np.isfinite(values)
    if not known.any():
        return None
    order = np.argsort(values[known], kind="stable")
    at = np.unique(np.linspace(0, len(order) - 1, CURVE_POINTS * 3).astype(int))
    values, scores = values[known][order], scores[known][order]
    return Effect(name, scores[at], values=values[at], rows=_marked(values))


def _alone(
    column: Column, weight: Array, means: Array, average: Array, sample: Sample | None
) -> Effect:
    """Shapes: weight (q, k), means (q,), for the column's q inputs."""
    if isinstance(column, Category):
        levels = list(column.known)[:LEVELS_SHOWN]
        names = [str(level) for level in column.levels]
        inputs = np.array([[float(level == name) for name in names] for level in levels])
        scores = average + (inputs.reshape(len(levels), len(names)) - means) @ weight
        return Effect(column.name, scores, levels=levels, counts=column.known)
    values = np.linspace(column.low, column.high, CURVE_POINTS)
    rows = None
    if sample is not None and column.name in sample.frame.columns:
        series = sample.frame[column.name]
        if series.dtype.is_numeric():
            seen = series.drop_nulls().cast(pl.Float64).to_numpy()
            rows = _marked(seen[np.isfinite(seen)])
    scores = average + (values - means[0])[:, None] * weight[0]
    return Effect(column.name, scores, values=values, rows=rows)


def _is_date(column: Column, schema: Schema) -> bool:
    reads = column.term.columns
    kinds = {schema.read_through.get(name) for name in reads}
    days = (column.expression or "").startswith("days(") and isinstance(column, Number)
    known = days and len(reads) == 1 and kinds <= {"date", "datetime"}
    return known and isinstance(column, Number) and max(-column.low, column.high) < LAST_DAY


def _marked(values: Array) -> Array:
    return values[:: len(values) // ROWS_MARKED + 1]


def _drawn(effect: Effect, loss: Loss, at: int, target: str, average: float) -> tuple[Figure, str]:
    """The figure, and some of its numbers as a table."""
    with np.errstate(all="ignore"):
        predicted = loss.link.inverse(effect.scores)[:, at]
    said = f"predicted {target}"
    if effect.values is not None:
        drawing = effect_figures.effect_of_number(
            effect.values,
            predicted,
            column=effect.column,
            target=target,
            average=average,
            rows=effect.rows,
            dates=effect.dates,
        )
        some = np.unique(np.linspace(0, len(predicted) - 1, 5).astype(int))
        shown: list[object] = [float(value) for value in effect.values[some]]
        if effect.dates:
            shown = [str(np.datetime64(round(value), "D")) for value in effect.values[some]]
        pairs = list(zip(shown, predicted[some].tolist(), strict=True))
        return drawing, html.table([effect.column, said], pairs)
    order = np.argsort(-predicted, kind="stable")
    if all(level.isdecimal() for level in effect.levels):  # months, hours: in calendar order
        order = np.argsort([int(level) for level in effect.levels], kind="stable")
    levels = [effect.levels[i] for i in order]
    sizes = [float(predicted[i]) for i in order]
    drawing = effect_figures.effect_of_levels(
        levels, sizes, column=effect.column, target=target, average=average
    )
    counts = effect.counts or {}
    rows = [(name, size, counts.get(name)) for name, size in zip(levels, sizes, strict=True)]
    return drawing, html.table([effect.column, said, "rows"], rows)
