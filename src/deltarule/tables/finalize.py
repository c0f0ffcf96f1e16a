"""Finalize the read: the schema and the moments of its inputs, from the accumulated sums.

What depends on all rows (which levels are pooled, what fills the gaps) is applied to the moments,
exactly as if the rows had been encoded that way.
"""

from typing import Literal

import numpy as np
import polars as pl

from deltarule.errors import ColumnError
from deltarule.moments.accumulate import Sums
from deltarule.moments.moments import Moments
from deltarule.rule.predict import Array
from deltarule.tables.cast import text_of
from deltarule.tables.categories import classes, cut_notes, levels, often, referenced
from deltarule.tables.kinds import LeftOut
from deltarule.tables.plan import Plan
from deltarule.tables.schema import (
    MISSING,
    Category,
    Number,
    Offset,
    Schema,
    Target,
)
from deltarule.tables.terms import parsed


def finalize(
    made: Plan, folds: list[Moments], sums: Sums, name: str
) -> tuple[Schema, list[Moments], list[str]]:
    """The schema, each fold's moments of its inputs and targets, and notes."""
    m = made.width
    rows = sum(fold.rows for fold in folds)
    mean = sum((fold.rows * fold.mean for fold in folds), np.zeros_like(folds[0].mean)) / rows
    columns: list[Number | Category] = []
    places: dict[str, list[int]] = {}
    left_out = list(made.left_out)
    notes: list[str] = []
    gaps: dict[str, int] = {}
    for at, column in enumerate(made.numbers):
        low, high = float(sums.low[at]), float(sums.high[at])
        gap = m + sums.gaps.index(at) if at in sums.gaps else None
        kind: Literal["number", "boolean"] = "boolean" if column in made.booleans else "number"
        if low > high:
            left_out.append(LeftOut(name=column, kind=kind, why="no value in it"))
            continue
        share = 0.0 if gap is None else float(mean[gap])
        if low == high and not made.asked.keep_constant:
            twin = _twin(gap, gaps, folds) if gap is not None else None
            if gap is None or twin or not often(rows) <= share * rows <= rows - often(rows):
                always = _always(f"{low:g}", share * rows, twin)
                left_out.append(LeftOut(name=column, kind=kind, why=always))
                continue
            # Its only information is whether it is missing.
            gaps[column], places[column] = gap, [at, gap]
            columns.append(_there_or_not(made, column, kind, low, rows, share))
            continue
        filled = sums.frame.shift[at]
        own = folds[0].scale[at]
        present = filled if share == 0 else (mean[at] * own - share * filled) / (1 - share)
        if gap is not None and share > 0:
            folds = [fold.refill(at, gap, present - filled) for fold in folds]
        else:
            present = mean[at] * own
        # Gaps too rare to estimate an effect from are only filled.
        own_gap = gap is not None and share * rows >= often(rows)
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
                expression=made.terms[column].expression,
                kind=kind,
                mean=float(np.clip(present, low, high)),
                low=low,
                high=high,
                missing=round(share * rows, 9),
                gap=own_gap,
            )
        )
        places[column] = [at, gap] if gap is not None and own_gap else [at]
    start = m + len(sums.gaps)
    for at, column in enumerate(made.categories):
        size = sums.levels[at]
        found, place, folds = levels(made, column, at, start, sums, folds)
        start += size
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            columns.append(found)
            places[column] = place
    notes += cut_notes(made, columns)
    if not columns:
        why = "; ".join(f"{column.name}: {column.why}" for column in left_out)
        raise ColumnError(f"{name} has no column to use as an input ({why})")
    order = list(made.terms)
    columns.sort(key=lambda column: order.index(column.name))
    columns = referenced(columns, made.asked)
    targets = []
    first = len(made.numbers)
    after = first + len(made.amounts)
    for target in made.asked.predict:
        if target in made.classes:
            found_, places[target] = classes(made, target, start, sums, folds, name)
            start += sums.levels[len(made.categories) + made.classes.index(target)]
            targets.append(found_)
            continue
        at = made.amounts.index(target)
        # A target that is measured from an offset also comes after it unchanged.
        place_ = after + 1 + at if made.offset and made.asked.shifted else first + at
        low, high = float(sums.low[place_]), float(sums.high[place_])
        expression = made.terms[target].expression
        targets.append(Target(name=target, expression=expression, low=low, high=high))
        places[target] = [first + at]
    schema = Schema(
        columns=tuple(columns),
        targets=tuple(targets),
        row_weight=made.asked.row_weight,
        drop_missing=made.asked.drop_missing,
        left_out=tuple(left_out),
        read_through=made.read_through,
        formats=dict(made.formats),
        missing_words=made.asked.missing_words,
        offset=None if made.offset is None else _offset(made, mean, folds, sums, after),
    )
    notes += _remarks(made, schema)
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
    taken.extend(place for target in made.asked.predict for place in places[target])
    return schema, [fold.take(taken).compact for fold in folds], notes


def _remarks(made: Plan, schema: Schema) -> list[str]:
    """Notes on expressions: sums that may be meant as lists, targets' units."""
    notes = []
    for term in made.terms.values():
        summands = term.name == term.expression and parsed(term.expression).summands
        if summands and term.name not in made.asked.predict:
            apart = ", ".join(summands)
            notes.append(
                f"'{term.name}' is one input, the sum: with commas, as {apart}, each has a weight "
                "of its own"
            )
    for target, inverse in schema.inverses.items():
        if not inverse.linear:
            notes.append(
                f"predictions of {target} come as {inverse.column}_prediction too, in its own "
                "units: what half of such rows are below (the median), not their mean"
            )
    return notes


def _offset(made: Plan, mean: Array, folds: list[Moments], sums: Sums, at: int) -> Offset:
    assert made.offset is not None, "there is an offset"
    low, high = float(sums.low[at]), float(sums.high[at])
    return Offset(
        name=made.offset,
        expression=made.terms[made.offset].expression,
        mean=float(np.clip(mean[at] * folds[0].scale[at], low, high)),
        low=low,
        high=high,
        exposure=made.asked.exposure,
    )


def _there_or_not(
    made: Plan,
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
        expression=made.terms[column].expression,
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
