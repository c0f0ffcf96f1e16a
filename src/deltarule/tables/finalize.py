"""Finalize a summary: the schema and the moments of its inputs.

What depends on all rows (which levels are pooled, what fills the gaps) is applied to the moments,
exactly as if the rows had been encoded that way.
"""

from typing import Literal

import numpy as np
import polars as pl

from deltarule.errors import ColumnError
from deltarule.moments.moments import Moments
from deltarule.rule.predict import Array
from deltarule.tables.cast import text_of
from deltarule.tables.categories import (
    classes,
    cut_notes,
    gap_class_notes,
    levels,
    often,
    referenced,
)
from deltarule.tables.kinds import LeftOut
from deltarule.tables.layout import Layout
from deltarule.tables.request import Request
from deltarule.tables.schema import Schema
from deltarule.tables.schema_columns import MISSING, Category, Number, Offset, Target
from deltarule.tables.summary import Summary
from deltarule.tables.terms import measured, parsed


def finalize(
    summary: Summary, request: Request, name: str
) -> tuple[Schema, list[Moments], list[str]]:
    """The schema, each fold's moments of its inputs and targets, and notes.

    Errors:  ColumnError, TargetError, LearningError
    """
    layout, folds = summary.layout, summary.moments()
    rows = summary.rows
    mean = sum((fold.rows * fold.mean for fold in folds), np.zeros_like(folds[0].mean)) / rows
    columns: list[Number | Category] = []
    places: dict[str, list[int]] = {}
    left_out = list(layout.left_out)
    notes: list[str] = []
    gaps: dict[str, int] = {}
    for at, column in enumerate(layout.numbers):
        low, high = float(summary.low[at]), float(summary.high[at])
        gap = summary.gap(at)
        kind: Literal["number", "boolean"] = "boolean" if column in layout.booleans else "number"
        if low > high:
            left_out.append(LeftOut(name=column, kind=kind, why="no value in it"))
            continue
        share = 0.0 if gap is None else float(mean[gap])
        missing = round(share * rows, 9)
        if low == high and not request.keep_constant:
            twin = _twin(gap, gaps, folds) if gap is not None else None
            if gap is None or twin or not often(rows) <= missing <= rows - often(rows):
                always = _always(f"{low:g}", missing, twin)
                left_out.append(LeftOut(name=column, kind=kind, why=always))
                continue
            # Its only information is whether it is missing.
            gaps[column], places[column] = gap, [at, gap]
            columns.append(_there_or_not(layout, column, kind, low, rows, share))
            continue
        filled, present = summary.fill[at], summary.present(at)[1]
        if gap is not None and share > 0:
            folds = [fold.refill(at, gap, present - filled) for fold in folds]
        # Gaps too rare to estimate an effect from are only filled.
        own_gap = gap is not None and missing >= often(rows)
        twin = _twin(gap, gaps, folds) if gap is not None and own_gap else None
        if twin:
            own_gap = False
            notes.append(
                f"{column} is missing on the same rows as {twin}: "
                "one 'is missing' input serves both"
            )
        elif gap is not None and own_gap:
            gaps[column] = gap
        columns.append(
            Number(
                name=column,
                expression=layout.terms[column],
                kind=kind,
                mean=float(np.clip(present, low, high)),
                low=low,
                high=high,
                missing=missing,
                gap=own_gap,
            )
        )
        places[column] = [at, gap] if gap is not None and own_gap else [at]
    starts = summary.starts()
    for column in layout.categories:
        found, place, folds = levels(summary, request, column, starts[column], folds)
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            columns.append(found)
            places[column] = place
    notes += cut_notes(summary, request, columns)
    if not columns:
        why = "; ".join(f"{column.name}: {column.why}" for column in left_out)
        raise ColumnError(f"{name} has no column to use as an input ({why})")
    order = list(layout.terms)
    columns.sort(key=lambda column: order.index(column.name))
    crossed = {one for sides in measured(layout.terms).values() for one in sides}
    columns = referenced(columns, request, crossed)
    targets = []
    first = len(layout.numbers)
    after = first + len(layout.amounts)
    for target in layout.targets:
        if target in layout.classes:
            found_, places[target] = classes(summary, request, target, starts[target], name)
            targets.append(found_)
            notes += gap_class_notes(summary, target)
            continue
        at = layout.amounts.index(target)
        # A target that is measured from an offset also comes after it unchanged.
        place_ = after + 1 + at if layout.offset and layout.shifted else first + at
        low, high = float(summary.low[place_]), float(summary.high[place_])
        expression = layout.terms[target]
        targets.append(Target(name=target, expression=expression, low=low, high=high))
        places[target] = [first + at]
    schema = Schema(
        columns=tuple(columns),
        targets=tuple(targets),
        row_weight=layout.row_weight,
        drop_missing=layout.drop_missing,
        left_out=tuple(left_out),
        read_through=layout.read_through,
        formats=dict(layout.formats),
        missing_words=layout.missing_words,
        offset=None if layout.offset is None else _offset(summary, mean, after),
    )
    notes += _remarks(layout, schema)
    taken: list[int] = []
    for column_ in columns:
        place = places[column_.name]
        if isinstance(column_, Category):
            place = [
                p
                for p, level in zip(place, column_.known, strict=True)
                if level != column_.reference
            ]
        taken.extend(place)
    taken.extend(place for target in layout.targets for place in places[target])
    for at, fold in enumerate(folds):
        # One by one, as all of them may be large; of one scale, which need not be compared again.
        own = fold.take(taken).compact
        folds[at] = own.scaled(folds[0].scale) if at else own
    return schema, folds, notes


def _remarks(layout: Layout, schema: Schema) -> list[str]:
    """Notes on expressions: sums that may be meant as lists, levels alike, targets' units."""
    notes = []
    for name, expression in layout.terms.items():
        summands = name == expression and parsed(expression).summands
        if summands and name not in layout.targets:
            apart = ", ".join(summands)
            notes.append(
                f"'{name}' is one input, the sum: with commas, as {apart}, each has a weight "
                "of its own"
            )
    levels_of = {one.name: one.known for one in schema.columns if isinstance(one, Category)}
    levels_of |= {one.name: one.classes for one in schema.targets}
    for name, known in levels_of.items():
        apart_by_blanks = [level for level in known if level != level.strip() in known]
        if apart_by_blanks and layout.terms[name] in (None, name):
            level = apart_by_blanks[0]
            notes.append(
                f"{name}: '{level}' and '{level.strip()}' differ only in the blanks around them: "
                f"trim({name}) makes them one"
            )
    for target, inverse in schema.inverses.items():
        if not inverse.linear:
            notes.append(
                f"predictions of {target} come as {inverse.column}_prediction too, in its own "
                "units: what half of such rows are below (the median), not their mean"
            )
    return notes


def _offset(summary: Summary, mean: Array, at: int) -> Offset:
    layout = summary.layout
    assert layout.offset is not None, "there is an offset"
    low, high = float(summary.low[at]), float(summary.high[at])
    return Offset(
        name=layout.offset,
        expression=layout.terms[layout.offset],
        mean=float(np.clip(mean[at] * summary.folds[0].scale[at], low, high)),
        low=low,
        high=high,
        exposure=layout.exposure,
    )


def _there_or_not(
    layout: Layout,
    column: str,
    kind: Literal["number", "boolean"],
    value: float,
    rows: float,
    share: float,
) -> Category:
    """A column of one value and gaps, as a category whose reference is the value."""
    level = (
        ("true" if value else "false") if kind == "boolean" else str(text_of(pl.Series([value]))[0])
    )
    counts = {level: rows * (1 - share), MISSING: rows * share}
    return Category(
        name=column,
        expression=layout.terms[column],
        known={name: round(count, 9) for name, count in counts.items()},
        reference=None,
        pooled=0,
        of=kind,
        missing=counts[MISSING],
    )


def _always(value: str, missing: float, twin: str | None) -> str:
    if twin:
        return f"always {value}, and missing on the same rows as {twin}"
    return f"always {value}" + (" where it is not missing" if missing else "")


def _twin(gap: int, gaps: dict[str, int], folds: list[Moments]) -> str | None:
    """A column with an identical missing indicator: then the two indicators' sums are equal."""
    for column, other in gaps.items():
        if all(
            fold.mean[gap] == fold.mean[other] and fold.cross[gap, gap] == fold.cross[gap, other]
            for fold in folds
        ):
            return column
    return None
