"""Expressions: SQL over the table's columns as an input, "log(budget)" or "year - 1970".

A text may come from a hostile model file. `syntax` reads it and lets through only what is named
there: no subqueries, aggregates, windows, files, parameters or regular expressions. One parser
both checks a text and gives it its meaning; `functions` says what each function gives.

As in SQL, null makes null and `not`, `and`, `or` know three values. Column names keep their case;
those that are no plain words stand in double quotes. Every branch of a case is computed on every
row, so number(x) cannot be guarded by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Literal

from deltarule.dataclass import dataclass
from deltarule.deferred import polars as pl
from deltarule.errors import ColumnError, ExpressionError
from deltarule.tables.column_names import cells, check_there
from deltarule.tables.expressions import functions
from deltarule.tables.expressions.syntax import (
    Call,
    Column,
    Constant,
    Node,
    is_loose,
    quoted,
    read,
    short,
    write,
)
from deltarule.tables.expressions.values import Value, column_value, constant

__all__ = ["Expression", "check", "parse", "quoted"]

Shown = Literal["number", "category", "boolean", "text", "date", "any"]


@dataclass(frozen=True)
class Expression:
    """An input made of columns.

    `text` is canonical: what is shown and kept; parsing it gives this expression again. `columns`
    are those it reads, in order; `kind` is what it gives, as far as its syntax tells.
    """

    text: str
    columns: tuple[str, ...]
    kind: Shown
    tree: Node = field(repr=False)

    @property
    def loose(self) -> bool:
        """Whether it needs brackets beside a times sign."""
        return is_loose(self.tree)

    @property
    def summands(self) -> tuple[str, ...]:
        """The columns that it is nothing but the sum of; none where it is something else."""
        nodes: list[Node] = [self.tree]
        columns: list[str] = []
        while nodes:
            node = nodes.pop()
            if isinstance(node, Column):
                columns.insert(0, node.name)
            elif isinstance(node, Call) and node.name == "+":
                nodes += node.arguments
            else:
                return ()
        return tuple(columns) if len(columns) > 1 else ()

    def polars(self, schema: Mapping[str, pl.DataType]) -> pl.Expr:
        """The expression over columns of these types, row by row, named as its text.

        Numbers come as float64, with null where there is no value; a bare column comes as it is.

        Errors:  ColumnError for a column that is not there, ExpressionError for one of a type that
                 does not fit
        """
        value = _typed(self, schema, name="the table")
        if isinstance(self.tree, Column):
            return cells(self.tree.name, schema[self.tree.name]).alias(self.text)
        expr = value.expr.cast(pl.Float64) if value.kind == "number" else value.expr
        return expr.alias(self.text)


def parse(text: str) -> Expression:
    """The expression that this text is.

    Errors:  ExpressionError for all that is not an expression of columns, in one line

    >>> parse('LOG( budget )+ "Year"').text
    'log(budget) + Year'
    """
    try:
        tree = read(text)
        columns = tuple(dict.fromkeys(_columns(tree)))
        if not columns:
            raise ExpressionError("it reads no column of the table")
        kind = _value(tree, None).kind
        written = write(tree)
        # What is kept must be read again as what it is, or not be kept.
        if written != text and read(written) != tree:
            raise ExpressionError("it cannot be kept as text")
        return Expression(written, columns, _SHOWN_KINDS.get(kind, "any"), tree)
    except ExpressionError as error:
        raise ExpressionError(f"{short(text)}: {error}") from None


def check(expression: Expression, schema: Mapping[str, pl.DataType], *, name: str) -> None:
    """Refuse a table, called `name`, that this expression cannot be computed on.

    Errors:  ColumnError for a column that is not there, ExpressionError for one of a type that
             does not fit
    """
    _typed(expression, schema, name=name)


# From our tree to polars

_SHOWN_KINDS: dict[str, Shown] = {
    "number": "number",
    "category": "category",
    "boolean": "boolean",
    "text": "text",
    "date": "date",
    "datetime": "date",
}


def _columns(node: Node) -> Iterator[str]:
    if isinstance(node, Column):
        yield node.name
    elif isinstance(node, Call):
        for part in node.arguments:
            yield from _columns(part)


def _compared(node: Node) -> Iterator[str]:
    """Names that others are compared with: perhaps texts that lack their quotes."""
    if isinstance(node, Call):
        if node.name in ("=", "<>"):
            yield from (one.name for one in node.arguments[1:] if isinstance(one, Column))
        for part in node.arguments:
            yield from _compared(part)


def _typed(expression: Expression, schema: Mapping[str, pl.DataType], *, name: str) -> Value:
    try:
        check_there(list(schema), expression.columns, name=name)
    except ColumnError as error:
        texts = [one for one in _compared(expression.tree) if one not in schema]
        hint = f"; text stands in single quotes: '{texts[0]}'" if texts else ""
        raise ColumnError(f"{error}{hint}") from None
    try:
        return _value(expression.tree, schema)
    except ExpressionError as error:
        raise ExpressionError(f"{name}, {short(expression.text)}: {error}") from None


def _value(node: Node, schema: Mapping[str, pl.DataType] | None) -> Value:
    """The value of a node over columns of these types, or of any where they are not known."""
    if isinstance(node, Column):
        return column_value(node.name, None if schema is None else schema[node.name])
    if isinstance(node, Constant):
        return constant(node.value)
    said = short(write(node))
    values = [_value(part, schema) for part in node.arguments]
    if node.name == "in":
        return functions.within(values, said=said)
    if node.name == "case of":
        of, *rest = values
        for at in range(0, len(rest) - 1, 2):
            rest[at] = functions.apply("=", [of, rest[at]], said=rest[at].said)
        return functions.case(rest, said=said)
    if node.name == "case":
        return functions.case(values, said=said)
    return functions.apply(node.name, values, said=said)
