"""Column overview: each column's kind, contents and use, before anything is learnt."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from deltarule.argument_values import whole
from deltarule.dataclass import dataclass
from deltarule.errors import ColumnError
from deltarule.fit.setting_kinds import check_function, check_texts
from deltarule.fit.setting_values import words_in
from deltarule.model.record import ColumnRecord
from deltarule.tables.frames import open_table
from deltarule.tables.kinds import LeftOut
from deltarule.tables.make_plan import plan
from deltarule.tables.one_read import Keep, Progress, Read, read
from deltarule.tables.plan import Plan
from deltarule.tables.request import Request
from deltarule.tables.schema_columns import MISSING, OTHER, Category, Number
from deltarule.tables.terms import date_parts
from deltarule.tables.text_columns import formatted
from deltarule.views import text
from deltarule.views.format import number

LEVELS_SHOWN = 4
LEFT_OUT_SHOWN = 12


@dataclass(frozen=True)
class TableOverview:
    """The columns of a table as `learn` would use them."""

    name: str
    dialect: str
    rows: int | None
    notes: list[str]
    columns: pl.DataFrame

    @property
    def headline(self) -> str:
        """The table's name, rows and columns in one line."""
        rows = "" if self.rows is None else f", {self.rows:,} rows"
        return f"{self.name}: {self.dialect}{rows}"

    def __str__(self) -> str:
        listed = text.table(self.columns.columns, self.columns.rows())
        notes = ["\n".join(self.notes)] if self.notes else []
        return "\n\n".join([self.headline, listed, *notes])

    def _repr_html_(self) -> str:
        from deltarule.views import html

        listed = html.table(self.columns.columns, self.columns.rows())
        return html.cell(html.sentences([self.headline]) + listed + html.listed(self.notes))


def columns(
    table: Any,
    *,
    missing_words: str | Sequence[str] = (),
    dates: str | Sequence[str] | None = None,
    levels: int | None = None,
    progress: Progress | None = None,
) -> TableOverview:
    """Read a table once and describe its columns, without learning anything.

    Errors:  TableError and its kinds; LearningError for settings
    """
    check_function("progress", progress)
    dates = check_texts("dates", dates)
    source, _ = open_table(table)
    least = None if levels is None else whole("levels", levels, least=1)
    words = words_in(missing_words)
    request = Request(
        predict=(), dates=date_parts(dates), levels=least, eliminates=True, missing_words=words
    )
    try:
        found = read(source, request, progress=progress, keep=Keep(0))
    except ColumnError:
        read_as = formatted(source, request)
        made = plan(read_as.look(), request, name=source.name, formats=read_as.formats)
        if made.numbers or made.categories:
            raise
        # There is no usable input: the schema's first look says why.
        rows, notes = source.rows, read_as.notes
        told = [*_became(made), *map(_left_out, made.left_out)]
    else:
        rows, notes, told = found.examples, found.notes, _told(found)
    schema = {"column": pl.String, "kind": pl.String, "seen": pl.String}
    frame = pl.DataFrame(told, schema={**schema, "missing": pl.Int64, "done": pl.String})
    return TableOverview(source.name, source.dialect, rows, notes, frame)


def records(read: Read) -> list[ColumnRecord]:
    """The record of each column's treatment, as the model file keeps it."""
    told = []
    for one in _told(read):
        parts = [one["done"], one["seen"] and f"seen: {one['seen']}"]
        if one["missing"]:
            parts.append(f"{one['missing']:,} missing")
        done = "; ".join(part for part in parts if part)
        told.append(ColumnRecord(column=one["column"], kind=one["kind"], done=done))
    return told


def left_out_notes(read: Read) -> list[str]:
    """A line for each column left out, and why: all that were named, else a few."""
    lines = [
        f"{column.name or 'the column without a name'} is left out: {column.why}"
        for column in read.schema.left_out
    ]
    lines += [
        f"{column} is left out: no part of a date or time that it has was asked for"
        for column, parts in read.plan.became.items()
        if not parts
    ]
    if read.plan.request.using or len(lines) <= LEFT_OUT_SHOWN + 1:
        return lines
    more = len(lines) - LEFT_OUT_SHOWN
    return [
        *lines[:LEFT_OUT_SHOWN],
        f"{more:,} other columns are left out too: deltarule columns says why",
    ]


def _told(read: Read) -> list[dict[str, Any]]:
    schema = read.schema
    told = [_number(c) if isinstance(c, Number) else _category(c) for c in schema.columns]
    for target in schema.targets:
        spread = f"{number(target.low)} to {number(target.high)}"
        seen = _counts("classes", target.classes) if target.classes else spread
        told.append(_row(target.name, "target", "predicted", seen))
    if schema.offset:
        seen = f"{number(schema.offset.low)} to {number(schema.offset.high)}"
        told.append(_row(schema.offset.name, "offset", "added to every score", seen))
    if schema.row_weight:
        told.append(_row(schema.row_weight, "weight", "counts rows"))
    request = read.plan.request
    if request.group:
        told.append(_row(request.group, "group", "keeps rows that are held out together"))
    if request.cluster and request.cluster != request.group:
        told.append(_row(request.cluster, "cluster", "keeps rows together for standard errors"))
    if request.time:
        told.append(_row(request.time, "time", "orders the rows that are held out"))
    return [*told, *_became(read.plan), *map(_left_out, schema.left_out)]


def _row(column: str, kind: str, done: str, seen: str = "", missing: float = 0) -> dict[str, Any]:
    return {"column": column, "kind": kind, "seen": seen, "missing": round(missing), "done": done}


def _number(column: Number) -> dict[str, Any]:
    done = _made(column)
    if column.missing:
        own = ", with an input of its own for that" if column.gap else ""
        done += f"; missing ones filled with the mean {number(column.mean)}{own}"
    seen = f"{number(column.low)} to {number(column.high)}"
    return _row(column.name, column.kind, done, seen, column.missing)


def _category(column: Category) -> dict[str, Any]:
    seen = _counts("levels", {k: n for k, n in column.known.items() if k not in (MISSING, OTHER)})
    done = f"compared with {column.reference}" if column.reference else "each level with a weight"
    if column.expression is not None:
        done = f"{_made(column)}, {done}"
    if column.pooled:
        done += f"; {column.pooled:,} seen too seldom share {OTHER}"
    if MISSING in column.known:
        done += "; missing counts as a level"
    elif column.missing:
        done += f"; missing ones join {OTHER}"
    return _row(column.name, "category", done, seen, column.missing)


def _counts(what: str, rows: Mapping[str, float]) -> str:
    """How many levels or classes there are, and the rows of the first few."""
    shown = ", ".join(f"{name} {count:,.0f}" for name, count in list(rows.items())[:LEVELS_SHOWN])
    return f"{len(rows)} {what}: {shown}" + (", ..." if len(rows) > LEVELS_SHOWN else "")


def _made(column: Number | Category) -> str:
    if column.expression is None:
        return "used as it is"
    # A computed input's name is its expression; a column keeps its name.
    return "computed" if column.name == column.expression else f"read as {column.expression}"


def _became(plan: Plan) -> list[dict[str, Any]]:
    return [
        _row(column, "date", f"became {', '.join(parts)}" if parts else "left out: not asked for")
        for column, parts in plan.became.items()
    ]


def _left_out(column: LeftOut) -> dict[str, Any]:
    return _row(column.name, column.kind, f"left out: {column.why}")
