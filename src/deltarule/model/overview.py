"""Overview of a model from its record alone, for notebooks and the report.

The three paragraphs, errors beside the null model's, the weights, each column's effect, the loss by
step, and how each column was encoded.
"""

from collections.abc import Iterator, Sequence

from deltarule.losses.loss import MEAN
from deltarule.losses.registry import loss_named
from deltarule.metrics.classification import ClassMetrics
from deltarule.metrics.regression import Metrics
from deltarule.model.effects import effects
from deltarule.model.record import FitRecord, HeldOutRecord, Record, WeightRecord
from deltarule.model.summary import blocks, error_told, never_seen, score_names
from deltarule.views import figures, html
from deltarule.views.format import number, percent, share

OUTPUTS_SHOWN = 3
WEIGHTS_SHOWN = 15
COLUMNS_LISTED = 200


def title(record: Record) -> str:
    """The title: targets and inputs."""
    targets = " and ".join(target.name for target in record.contract.targets)
    names = [column.name for column in record.contract.columns]
    more = f" and {len(names) - 4} more columns" if len(names) > 5 else ""
    return f"{targets} from {', '.join(names[:4] if more else names)}{more}"


def opening(record: Record) -> str:
    """The headline metrics and the three paragraphs."""
    several = len(record.contract.targets) > 1
    first = []
    for at, target in enumerate(record.contract.targets[:OUTPUTS_SHOWN]):
        head = f"{target.name}: " if several else ""
        if record.held_out:
            first += [
                (head + what, value)
                for what, value in _first(record.held_out[at], never_seen(record))
            ]
    first.append(("rows learnt from", f"{record.rows:,.0f}"))
    sections = blocks(record)
    three = "".join(html.section(head, html.sentences(lines)) for head, lines in sections[:3])
    notes = "".join(html.section(head, html.listed(lines)) for head, lines in sections[3:])
    return f'{html.big_numbers(first)}<div class="three">{three}</div>{notes}'


def _first(seen: HeldOutRecord, rows: str) -> list[tuple[str, str]]:
    """The held-out metrics, beside the null model's."""
    if seen.classes is not None:
        return [
            (f"right on {rows}", percent(seen.classes.accuracy)),
            (
                "right by always saying the most frequent",
                percent(seen.classes.baseline_accuracy),
            ),
        ]
    name, error, guess = error_told(seen)
    name = name.removesuffix(" (RMSE)")
    pairs = [
        (f"{name} on {rows}", number(error)),
        (f"{name} of always predicting {seen.guess}", number(guess)),
    ]
    if seen.guess != MEAN or seen.r2 is None:
        return pairs
    return [*pairs, (f"R2 on {rows}", share(seen.r2))]


def weights(record: Record) -> Iterator[str]:
    """For each output, its weights, the largest effect first."""
    inputs = len(record.contract.inputs)
    several = len(record.contract.outputs) > 1
    for at, (output, scale) in enumerate(list(score_names(record).items())[:OUTPUTS_SHOWN]):
        own = record.weights[at * inputs : (at + 1) * inputs]
        pairs = list(zip(own, record.spreads, strict=True))
        pairs.sort(key=lambda pair: -abs(pair[0].weight * pair[1]))
        shown = pairs[:WEIGHTS_SHOWN]
        drawing = figures.weights_with_intervals(
            [_name(one) for one, _ in shown],
            [one.weight * spread for one, spread in shown],
            [None if one.low is None else one.low * spread for one, spread in shown],
            [None if one.high is None else one.high * spread for one, spread in shown],
            unit=f"change of {scale}",
        )
        rows = [(_name(one), one.weight, one.standard_error, one.low, one.high) for one, _ in shown]
        if record.intercept:
            start = record.intercept[at]
            rows.append(("intercept", start.weight, start.standard_error, start.low, start.high))
        rest = inputs - len(shown)
        says = (
            f"What {scale} changes by when an input goes up by one standard deviation"
            + (", with 95% intervals" if any(one.low is not None for one, _ in shown) else "")
            + (f". {rest:,} inputs that matter less are left out." if rest else ".")
        )
        numbers = html.table(["input", "weight", "standard error", "low", "high"], rows)
        yield html.figure(drawing, f"Weights{_of(output, several)}", says, numbers)


def _name(weight: WeightRecord) -> str:
    return weight.input if weight.level is None else f"{weight.input} = {weight.level}"


def _of(name: str, several: bool) -> str:
    return f" of {name}" if several else ""


def errors(record: Record, table: str = "", metrics: Sequence[Metrics] = ()) -> Iterator[str]:
    """For each target, its errors beside the null model's.

    `metrics` are those on a `table`.
    """
    several = len(record.contract.targets) > 1
    for at, target in enumerate(record.contract.targets[:OUTPUTS_SHOWN]):
        seen = record.held_out[at] if record.held_out else None
        own = metrics[at] if metrics else None
        there: float | None = None
        if seen is not None and seen.classes is not None:
            bars, unit, says = _wrong(seen.classes, never_seen(record))
            if own is not None and own.classes is not None:
                there = 1 - own.classes.accuracy
        else:
            bars, unit, says = _typical(record.fit[at], seen, never_seen(record))
            there = None if own is None else own.rmse
        # On the training rows themselves the bar would repeat the last one.
        if there is not None and number(there) != number(bars[-1][1]):
            bars.append((f"rows of {table}", there))
        drawing = figures.errors([name for name, _ in bars], [size for _, size in bars], unit=unit)
        if seen is not None:
            says = f"{says} What to expect of new rows is that of {never_seen(record)}."
        numbers = html.table(["on", unit], bars)
        yield html.figure(
            drawing,
            f"Error beside guessing{_of(target.name, several)}",
            says,
            numbers,
        )


ErrorFigures = tuple[list[tuple[str, float]], str, str]
"""Bars with their names, their unit, and a caption."""


def _wrong(seen: ClassMetrics, rows: str) -> ErrorFigures:
    bars = [
        ("always the most frequent", 1 - seen.baseline_accuracy),
        (rows, 1 - seen.accuracy),
    ]
    return bars, "share of rows that are wrong", "Rows whose likeliest class was not theirs."


def _typical(fit: FitRecord, seen: HeldOutRecord | None, rows: str) -> ErrorFigures:
    if seen is not None and seen.guess != MEAN:
        name, error, guessed = error_told(seen)
        return [(f"always {seen.guess}", guessed), (rows, error)], name, f"The {name} of a row."
    guess = [("always the mean", seen.baseline_rmse), (rows, seen.rmse)] if seen else []
    bars = [*guess, ("rows it learnt from", fit.rmse)]
    return bars, "typical error", "The typical error is the root of the mean of delta ** 2."


def course(record: Record) -> Iterator[str]:
    """The loss history, for each group of targets that was learnt in steps."""
    for learnt in record.learnt:
        history = learnt.course
        if len(history) < 2:
            continue
        name = f"mean {loss_named(learnt.loss).error_name}"
        at, values = [step for step, _ in history], [error for _, error in history]
        drawing = figures.loss_by_step(at, values, name=name)
        of = _of(", ".join(learnt.targets), len(record.learnt) > 1)
        says = f"The {name}{of} before each of {learnt.steps:,} steps of {learnt.learner}."
        some = [history[0], *history[1:-1][:: len(history) // 10 + 1], history[-1]]
        yield html.figure(drawing, f"Error by step{of}", says, html.table(["step", name], some))


def columns(record: Record) -> str:
    """How each column of the table was encoded, or why it was left out."""
    listed = [(one.column, one.kind, one.done) for one in record.columns]
    rest = len(listed) - COLUMNS_LISTED
    more = html.sentences([f"{rest:,} more: deltarule show lists them all"]) if rest > 0 else ""
    return html.table(["column", "kind", "done"], listed[:COLUMNS_LISTED]) + more


def cell(record: Record) -> str:
    """The overview for a notebook cell."""
    shown = [*errors(record), *weights(record), *effects(record), *course(record)]
    return html.cell(
        f"{html.heading(title(record))}{opening(record)}{html.grid(shown)}"
        f"<details><summary>columns</summary>{columns(record)}</details>"
    )
