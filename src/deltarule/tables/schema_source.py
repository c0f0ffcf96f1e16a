"""A table read as schemas expect it: text in their formats, columns of their kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from deltarule.deferred import polars as pl
from deltarule.errors import LearningError
from deltarule.tables.column_names import check_there, column
from deltarule.tables.expressions.number_text import cells_of
from deltarule.tables.schema import PLAIN, Schema
from deltarule.tables.source import Source
from deltarule.tables.text_formats import THOUSANDS, DateFormat, Format, Formats, NumberFormat

# One row, as a dict, needs none of these.
if TYPE_CHECKING:
    from deltarule.tables.text_columns import FormattedSource

    Kinds = Mapping[str, type[pl.DataType]]
T = TypeVar("T")

# The first rows are parsed anew for each column that is no number; beyond this, all as text.
MOST_PARSES = 16


def read_as_learnt(source: Source, *schemas: Schema) -> FormattedSource:
    """The source with text parsed in the schemas' formats; a file's own decimal mark wins."""
    from deltarule.tables.decimal_notes import point_notes
    from deltarule.tables.text_columns import FormattedSource

    formats: dict[str, Format] = {}
    labels: set[str] = set()
    for schema in schemas:
        own = schema.text_formats
        _check_zones(formats, own)
        formats |= own
        labels |= {c for c, kind in schema.expects.items() if kind == pl.String and c not in own}
    read_as = {
        name: _in_mark(source, name, one) if isinstance(one, NumberFormat) else one
        for name, one in formats.items()
        if name not in labels
    }
    words = dict.fromkeys(word for schema in schemas for word in schema.missing_words)
    formatted = FormattedSource(source, read_as, tuple(words), learning=False)
    if source.hints.decimal is None:
        others = [name for name, one in read_as.items() if one != formats[name]]
        texts = {name: cells_of(source.look()[name]).drop_nulls() for name in others}
        grouped = {
            name: text.filter(text.str.contains(THOUSANDS["."])) for name, text in texts.items()
        }
        formatted.mark_notes = point_notes(
            {name: text[0] for name, text in grouped.items() if len(text)}
        )
    return formatted


def _check_zones(formats: Formats, others: Formats) -> None:
    """Errors: LearningError for a column that two models learnt in two time zones."""
    for name, one in others.items():
        other = formats.get(name)
        zones = [form.zone for form in (other, one) if isinstance(form, DateFormat) and form.zone]
        if len(set(zones)) > 1:
            raise LearningError(
                f"the models learnt '{name}' in two time zones, {zones[0]} and {zones[1]}: they "
                "cannot share a read; compare each with the table alone"
            )


def _in_mark(source: Source, name: str, learnt: NumberFormat) -> NumberFormat:
    """The format with a file's own decimal mark, where a column's cells fit it as well.

    Where commas separate cells, points are decimal marks in text as they are in parsed numbers.
    """
    mark = source.hints.decimal
    if mark in (None, learnt.decimal) and not (
        mark is None and source.hints.commas_separate and learnt.decimal == ","
    ):
        return learnt
    look = source.look()
    if mark is None and name in look.columns:
        cells = look[name].cast(pl.String)
        pointed = cells.str.contains(".", literal=True).any()
        mark = "." if pointed and not cells.str.contains(",", literal=True).any() else None
    if mark is None:
        return learnt
    own = learnt.model_copy(update={"decimal": mark})
    if name not in look.columns or look[name].dtype != pl.String:
        return own
    cells = cells_of(look[name])
    fits, others = (one.read_later(cells).count() for one in (learnt, own))
    # What the model learnt from had marks between thousands, or a unit.
    known = source.hints.decimal_is_guess and learnt != PLAIN
    return learnt if fits > others or (known and fits == others) else own


def required_columns(
    source: Source, needed: Sequence[str], expected: Kinds, *, wanted: Sequence[str] = ()
) -> list[pl.Expr]:
    """The columns to read of a table, with the kinds of the training table.

    `wanted` columns are included where they exist. Empty where the table has no columns, such as
    an empty list.
    Errors:  ColumnError for a needed column that is not there
    """
    if not source.typed:
        _expect(source, expected)
    look = source.look()
    if not look.columns:
        return []
    check_there(look.columns, needed, name=source.name)
    names = dict.fromkeys([*needed, *(name for name in wanted if name in look.columns)])
    return [column(name) for name in names]


def _expect(source: Source, expected: Kinds) -> None:
    """Have columns parsed as numbers where they can be, the others as text that is told by place.

    Only a column whose first rows are no numbers becomes text: the others keep their types.
    """
    from deltarule.tables.polars_source import UnparsedError

    kinds = dict(expected)
    for _ in range(MOST_PARSES):
        source.expect(kinds)
        try:
            source.look()
        except UnparsedError as error:
            if kinds.get(error.column or "", pl.String) == pl.String:
                break
            kinds[str(error.column)] = pl.String
        else:
            return
    source.expect(dict.fromkeys(expected, pl.String))


def batches(
    source: Source, needed: Sequence[str], expected: Kinds, *, wanted: Sequence[str] = ()
) -> Iterator[pl.DataFrame]:
    """A table's rows in batches, with the column kinds of the training table.

    Errors:  ColumnError for a needed column that is not there
    """
    columns = required_columns(source, needed, expected, wanted=wanted)
    if columns:
        yield from source.batches(columns)


def widening(source: Source, work: Callable[[], T]) -> T:
    """Run `work`, again if later rows need wider types than the first rows showed."""
    from deltarule.tables.polars_source import UnparsedError

    while True:
        try:
            return work()
        except UnparsedError:
            if not source.widen():
                raise


def rows_where(source: Source, where: str | None, schema: Schema) -> Source:
    """The rows that meet a condition, if there is one, on text in the schema's formats.

    Errors:  ExpressionError; LearningError for text that is not a condition
    """
    from deltarule.tables.filtered import where_of

    return where_of(source, where, schema.text_formats, words=schema.missing_words)
