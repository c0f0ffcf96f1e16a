"""A model card: what a model predicts, from what, how well and within which limits, in Markdown."""

import re
from collections.abc import Sequence
from datetime import date, timedelta

from deltarule.errors import printable
from deltarule.losses.loss import MEAN
from deltarule.model.record import HeldOutRecord, Record
from deltarule.model.summary import counting, never_seen
from deltarule.tables.left_out import left_out_told
from deltarule.tables.schema_columns import MISSING, OTHER, Category, Column, Number, Offset, Target
from deltarule.views.format import number, percent, rows_told, share

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#!~&])")
LEVELS_SHOWN = 8
EPOCH = date(1970, 1, 1)
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""The days since 1970-01-01 that are dates of Python."""


def card(record: Record) -> str:
    """The card of a model."""
    targets = ", ".join(escaped(target.name) for target in record.contract.targets)
    parts = [
        [f"# Model card: {targets}"],
        _predicts(record),
        _inputs(record),
        _rows(record),
        _held_out(record),
        _missing(record),
        _limits(record),
        _notes(record),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Text of a model as Markdown shows it, on one line."""
    return SPECIAL.sub(r"\\\1", printable(text, one_line=True))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _predicts(record: Record) -> list[str]:
    rows = []
    for target, loss in zip(record.contract.targets, record.losses, strict=True):
        rows.append([escaped(target.name), _what(target, loss.power is None), escaped(loss.name)])
    return ["## What it predicts", "", *_table(["column", "prediction", "loss"], rows)]


def _what(target: Target, probable: bool) -> str:
    if target.classes:
        total = sum(target.classes.values())
        shown = list(target.classes.items())[:LEVELS_SHOWN]
        shares = ", ".join(f"{escaped(name)} ({percent(n / total)})" for name, n in shown)
        more = len(target.classes) - len(shown)
        return f"one of {shares}{f' and {more:,} more' if more else ''}, each with its probability"
    if probable:
        return "a probability or share, from 0 to 1"
    seen = f"{number(target.low)} to {number(target.high)} where it was learnt"
    inverse = target.inverse
    own = f"; also in the units of {escaped(inverse.column)}" if inverse else ""
    return f"a number in the units of {escaped(target.name)}, {seen}{own}"


def _inputs(record: Record) -> list[str]:
    rows = [
        [escaped(one.name), _kind(one), _range(one), _gaps(one, record.rows)]
        for one in record.contract.known.values()
    ]
    head = ["column", "kind", "range or levels", "missing where it was learnt"]
    lines = ["## From what", "", *_table(head, rows)]
    if record.contract.left_out:
        listed = ", ".join(
            f"{escaped(o.name)} ({escaped(o.why)})" for o in record.contract.left_out
        )
        lines += ["", f"Left out: {listed}."]
    return lines


def _kind(column: Column | Offset) -> str:
    kind = {"offset": "added to every score", "boolean": "yes or no"}.get(column.kind, column.kind)
    return f"{kind}, computed" if column.expression not in (None, column.name) else kind


def _range(column: Column | Offset) -> str:
    if isinstance(column, Category):
        levels = [level for level in column.known if level not in (MISSING, OTHER)]
        more = f" and {len(levels) - LEVELS_SHOWN:,} more" if len(levels) > LEVELS_SHOWN else ""
        rare = f"; {column.pooled:,} rare one{'s' * (column.pooled != 1)} pooled"
        rare = rare if column.pooled else ""
        return ", ".join(map(escaped, levels[:LEVELS_SHOWN])) + more + rare
    if column.expression is not None and column.expression.startswith("days("):
        days = (column.low, column.high)
        if all(FIRST_DAY <= day <= LAST_DAY for day in days):
            return " to ".join(str(EPOCH + timedelta(days=int(day))) for day in days)
    return f"{number(column.low)} to {number(column.high)}"


def _gaps(column: Column | Offset, rows: float) -> str:
    if isinstance(column, Offset):
        return "none"
    if not column.missing or not rows:
        return "none"
    return f"{rows_told(column.missing)} ({percent(column.missing / rows)})"


def _rows(record: Record) -> list[str]:
    left = left_out_told(record.rows_left_out_by_cause)
    lines = [
        "## Rows",
        "",
        f"- Learnt from {counting(record.rows, record.examples)} of {escaped(record.learnt_from)}"
        + (f" ({escaped(left)})" if left else "")
        + f", at {escaped(record.learnt_at)}, by {escaped(record.written_by)}.",
    ]
    for learnt in record.learnt:
        lines.append(f"- {escaped(', '.join(learnt.targets))}: {escaped(learnt.stopped)}.")
    return lines


def _held_out(record: Record) -> list[str]:
    lines = ["## How well it predicts", ""]
    if not record.held_out:
        return [*lines, "No rows were held out, so nothing is known of new rows."]
    rows = [
        [escaped(target.name), *figure]
        for target, one in zip(record.contract.targets, record.held_out, strict=True)
        for figure in _figures(one)
    ]
    by = record.held_out_by
    folds = f", in {by.folds} folds" if by is not None and by.table is None else ""
    return [
        *lines,
        f"On {escaped(never_seen(record))}{folds}, beside guessing (always the mean, the shares of "
        "the classes, or the quantile):",
        "",
        *_table(["column", "figure", "the model", "guessing"], rows),
    ]


def _figures(one: HeldOutRecord) -> list[list[str]]:
    """Held-out figures: what, the model's, that of guessing."""
    rows = []
    if one.classes is not None:
        right = percent(one.classes.accuracy), percent(one.classes.baseline_accuracy)
        rows.append(["right", *right])
        if one.classes.auc is not None:
            rows.append(["AUC", share(one.classes.auc), "0.5"])
    else:
        if one.guess == MEAN:
            rows.append(["typical error (RMSE)", number(one.rmse), number(one.baseline_rmse)])
        if one.absolute_error is not None and one.baseline_absolute_error is not None:
            errors = number(one.absolute_error), number(one.baseline_absolute_error)
            rows.append(["mean absolute error", *errors])
        if one.r2 is not None and one.guess == MEAN:
            rows.append(["R2", share(one.r2), "0"])
    if one.loss is not None and one.baseline_loss is not None:
        rows.append(["mean loss", number(one.loss), number(one.baseline_loss)])
    return rows


def _missing(record: Record) -> list[str]:
    contract = record.contract
    lines = ["## Missing values", ""]
    if contract.drop_missing:
        lines.append("- Rows with gaps were left out of learning.")
    if any(isinstance(one, Number) for one in contract.columns):
        lines.append(
            "- A missing number is filled with the mean of the rows that were learnt from; columns "
            "that had gaps there have a weight for being missing besides."
        )
    if any(isinstance(one, Category) for one in contract.columns):
        lines.append(
            "- A missing level is a level of its own where there were some; else it counts like a "
            "level never seen: as the rare ones where these were pooled, else as the average row."
        )
    if contract.offset is not None:
        lines.append(f"- Without {escaped(contract.offset.name)} there is no prediction.")
    if contract.missing_words:
        words = ", ".join(map(escaped, contract.missing_words))
        lines.append(f"- These words are missing values: {words}.")
    return lines


def _limits(record: Record) -> list[str]:
    lines = [
        "## Known limits",
        "",
        "- A number out of its range and a level never seen are predicted like any others, and "
        "flagged: beyond what was learnt a prediction is a guess.",
        "- Scores are sums: a column's effect depends on the others only where an interaction or "
        "expression says so.",
        "- A weight is no cause: columns that move together share an effect.",
    ]
    if not record.held_out:
        lines.append("- How close it comes on new rows was not measured.")
    if not any(record.intervals):
        lines.append("- It has no prediction intervals.")
    return lines


def _notes(record: Record) -> list[str]:
    notes = [f"- {escaped(note)}" for note in record.notes]
    return ["## Notes of learning", "", *notes] if notes else []
