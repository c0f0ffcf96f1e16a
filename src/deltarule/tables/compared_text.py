"""Text columns that an expression compares with text: which of them hold dates or numbers.

`sold > '2021-01-01'` over cells such as 31/08/2020 compares dates, not letters: the column is
parsed as dates, and the text beside it is one. `sold > '31/08/2020'` is refused, as is
`price > '1000'` over numbers in text: their letters are in another order than their values.
"""

from collections.abc import Iterator

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.errors import ColumnError, ExpressionError
from deltarule.tables.date_columns import Dated, Doubt, formats_of
from deltarule.tables.dates import iso_moment
from deltarule.tables.expressions import number_text as spelling
from deltarule.tables.expressions.expression import Expression, check
from deltarule.tables.expressions.number_text import cells_of, is_code
from deltarule.tables.expressions.syntax import Call, Column, Constant, Node
from deltarule.tables.text_formats import DateFormat, Format, number_format

ORDERED = ("<", "<=", ">", ">=", "between")
COMPARED = (*ORDERED, "=", "<>", "in")
# Dates and times as text that sorts as they do, and the beginnings of such.
SORTS = r"^\d{4}(?:-\d\d(?:-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?)?)?$"


@dataclass(frozen=True)
class Comparison:
    """A comparison of a column with texts that are written out, or its cast to a date."""

    column: str
    operator: str
    texts: tuple[str, ...]

    @property
    def with_dates(self) -> bool:
        """Whether it can only mean dates."""
        return self.operator == "cast date" or all(iso_moment(one) for one in self.texts)


def comparisons(expression: Expression) -> Iterator[Comparison]:
    """The comparisons of columns with texts in an expression, from the outside in."""
    nodes: list[Node] = [expression.tree]
    while nodes:
        node = nodes.pop(0)
        if not isinstance(node, Call):
            continue
        nodes += node.arguments
        columns = [one.name for one in node.arguments if isinstance(one, Column)]
        constants = [one.value for one in node.arguments if isinstance(one, Constant)]
        texts = tuple(one for one in constants if isinstance(one, str))
        if columns and (node.name == "cast date" or (node.name in COMPARED and texts)):
            yield Comparison(columns[0], node.name, texts)


def dated(expression: Expression, look: pl.DataFrame, *, order: str | None) -> Dated:
    """The formats of text columns that this expression takes for dates, and their ambiguity.

    Errors:  ExpressionError where text that sorts otherwise than its values is compared by order
    """
    found = [one for one in comparisons(expression) if look.schema.get(one.column) == pl.String]
    detected = formats_of(look, order=order, used={one.column for one in found})
    formats: dict[str, Format] = {
        one.column: detected.formats[one.column]
        for one in found
        if one.with_dates and isinstance(detected.formats.get(one.column), DateFormat)
    }
    if formats and not _fits(expression, look, formats):
        formats = {}
    for one in found:
        if one.operator in ORDERED and one.column not in formats:
            _check_order(one, look[one.column], detected.formats.get(one.column))
    if not formats:
        return Dated({}, [], Doubt())
    return formats_of(look, order=order, used=set(formats))


def _fits(expression: Expression, look: pl.DataFrame, formats: dict[str, Format]) -> bool:
    """Whether an expression takes these columns as dates in all of its places."""
    dates = look.head(0).with_columns(pl.lit(None, pl.Date).alias(name) for name in formats)
    try:
        check(expression, dates.schema, name="")
    except (ExpressionError, ColumnError):
        return False
    return True


def _check_order(one: Comparison, cells: pl.Series, form: Format | None) -> None:
    """Refuse an order of letters that is not the order of what the cells mean."""
    texts = pl.Series(one.texts, dtype=pl.String)
    cells = cells_of(cells).drop_nulls()
    cells = cells.filter(is_code(cells).not_())
    example = f"column {one.column!r} holds {{}}, such as {cells[0]!r}" if len(cells) else ""
    if isinstance(form, DateFormat):
        if not (cells.str.contains(SORTS).all() and texts.str.contains(SORTS).all()):
            raise ExpressionError(
                f"{example.format('dates')}: {one.operator} takes a date such as '2020-01-31' "
                f"beside it, not {one.texts[0][:40]!r}"
            )
    elif (
        number_format(cells)[0] is not None
        and not cells.str.contains(spelling.CODE).any()
        and all(iso_moment(text) is None for text in one.texts)
        and texts.str.contains(r"^\s*[-+$]?[0-9][0-9.,]*\s*$").any()
    ):
        raise ExpressionError(
            f"{example.format('numbers')}: {one.operator} takes a number beside it, without quotes"
        )
