"""Predictions and explanations of rows, with their drift, by one model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from deltarule.model.explain import Explanation, explain
from deltarule.model.prediction_stream import Columns, Predictions
from deltarule.serve.problems import ProblemError, hint, nearest
from deltarule.serve.served import ServedModel
from deltarule.tables.expressions.number_text import is_code
from deltarule.tables.frames import open_table
from deltarule.tables.schema_columns import Category
from deltarule.tables.schema_source import batches, read_as_learnt, widening
from deltarule.tables.source import Source
from deltarule.tables.text_columns import FormattedSource
from deltarule.tables.text_formats import DateFormat
from deltarule.tables.unseen_values import UnseenValues, word_of

MOST_SUGGESTED = 3
Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Scored:
    """Predictions, a dict for each row, with their drift and notes."""

    predictions: list[dict[str, Any]]
    drift: UnseenValues
    notes: list[str] = field(default_factory=list)


def score_rows(served: ServedModel, rows: Rows) -> Scored:
    """The predictions of rows that were validated, few of them by the compiled scorer."""
    known = known_columns(served, rows)
    few = served.few.score(known, flags=True, watch=served.drift.add)
    if few is not None:
        drift = few.drift or UnseenValues()
        notes = drift.notes(served.contract.known) if few.drift else []
        return Scored(few.rows, drift, [*notes, *ignored(served, rows)])
    frame, made = score_source(served, open_table(known)[0], Columns(flags=True))
    refuse_odd(served, made.source)
    return Scored(frame.to_dicts(), made.drift, [*made.notes, *ignored(served, rows)])


def known_columns(served: ServedModel, rows: Rows) -> Rows:
    """Rows without the columns that the model does not read, which may hold anything."""
    width = len(served.fields)
    if all(len(row) == width for row in rows):
        return rows
    return [{name: row[name] for name in served.fields} for row in rows]


def score_source(
    served: ServedModel, source: Source, columns: Columns
) -> tuple[pl.DataFrame, Predictions]:
    """The predictions of a table."""
    predictions = served.model.predictions(source, columns)
    views = list[pl.DataFrame]()
    predictions.watch = views.append

    def scored() -> pl.DataFrame:
        views.clear()  # of a read that is begun anew
        return pl.concat(predictions.alone())

    frame = widening(predictions.source, scored)
    for view in views:
        served.drift.add_view(view)
    return frame, predictions


def refuse_odd(served: ServedModel, source: FormattedSource) -> None:
    """Refuse text that does not parse, which in a table of many rows would be taken as missing.

    So are dates whose order only the rows beside them could tell.

    Whether a row is predicted must not depend on the rows beside it.
    Errors:  ProblemError
    """
    for name, learnt in served.contract.text_formats.items():
        here = source.formats.get(name)
        if not (isinstance(learnt, DateFormat) and isinstance(here, DateFormat)):
            continue
        if learnt.order is None and here.order in ("dmy", "mdy"):
            detail = f"'{name}' may have the day or the month first: write 2024-01-31"
            raise ProblemError(422, "type", detail, field=name)
    for name, cells in source.odd.items():
        values = list(cells.counts)
        codes = is_code(pl.Series(values, dtype=pl.String))
        odd = [value for value, code in zip(values, codes, strict=True) if not code]
        if odd:
            row = min(cells.first[value] for value in odd) + 1
            detail = f"row {row}: '{name}' is no {cells.what}"
            raise ProblemError(422, "type", detail, field=name, row=row)


def explain_source(served: ServedModel, source: Source, *, most: int) -> list[Explanation]:
    """The explanation of each row of a table.

    Errors:  ProblemError for more rows than `most`
    """
    return widening(source, lambda: _explained(served, source, most))


def _explained(served: ServedModel, source: Source, most: int) -> list[Explanation]:
    contract, explanations = served.contract, list[Explanation]()
    source = read_as_learnt(source, contract)
    for batch in batches(source, contract.needs, contract.expects):
        if len(explanations) + batch.height > most:
            raise ProblemError(413, "too-many-rows", f"at most {most:,} rows are explained at once")
        view = contract.view(batch, name=source.name, row=len(explanations))
        for at in range(batch.height):
            number = len(explanations) + 1
            explanations.append(
                explain(view[at : at + 1], served.predictor, table=source.name, number=number)
            )
    return explanations


def refuse_drift(served: ServedModel, rows: Rows, scored: Scored) -> None:
    """Refuse rows with unseen levels or values out of range, where a request is strict.

    Errors:  ProblemError that names the first of them, and the nearest level
    """
    for kind in ("unseen", "outside"):
        for name, count in getattr(scored.drift, kind).items():
            if not count:
                continue
            column, near = served.contract.known[name], list[str]()
            word = word_of(kind, column)
            flag = f"{name}: {word}"
            flags = [(one.get("flags") or "").split("; ") for one in scored.predictions]
            at = next((at for at, one in enumerate(flags) if flag in one), 0)
            value = rows[at].get(name) if at < len(rows) else None
            if isinstance(column, Category) and isinstance(value, str):
                near = nearest(value, column.known)
            message = f"row {at + 1}: '{name}' is {word}{hint(near)}"
            raise ProblemError(422, "drift", message, field=name, row=at + 1, nearest=near)


def suggestions(served: ServedModel, rows: Rows) -> list[str]:
    """For the first levels never seen, the nearest that are known, as notes."""
    pairs: dict[tuple[str, str], None] = {}
    for name, one in served.fields.items():
        if isinstance(one.column, Category):
            levels = (row.get(name) for row in rows)
            strange = {x for x in levels if isinstance(x, str) and x not in one.column.known}
            pairs |= dict.fromkeys((name, level) for level in sorted(strange))
    notes = []
    for name, level in list(pairs)[:MOST_SUGGESTED]:
        near = nearest(level, served.fields[name].levels)
        if near:
            notes.append(f"{name} {level[:40]!r} was never seen{hint(near)}")
    return notes


def ignored(served: ServedModel, rows: Rows) -> list[str]:
    """A note on columns that the model does not know."""
    width = len(served.fields)
    wide = (row for row in rows if len(row) > width)
    extra = dict.fromkeys(name for row in wide for name in row.keys() - served.used)
    if not extra:
        return []
    drift = UnseenValues()
    drift.ignored = sorted(extra)
    return drift.notes({})
