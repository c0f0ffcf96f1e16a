"""The tree's terms as a straight line of calls, which the Python and JavaScript exports print.

Each line calls one function of runtime/ with values computed before and constants, once for each
cell and each part of an expression, however often it is used.
"""

from dataclasses import field
from datetime import date, datetime

from deltarule.dataclass import dataclass
from deltarule.errors import ExpressionError
from deltarule.scorer.patterns import PLAIN
from deltarule.scorer.runtime.clock import DAY, EPOCH
from deltarule.scorer.tree import Apply, Literal, Node, Read, Tree
from deltarule.tables.dates import ahead_of, clocks_of, microseconds_of, moments_of
from deltarule.tables.text_formats import (
    BooleanFormat,
    DateFormat,
    FlagFormat,
    NumberFormat,
    PeriodFormat,
)

CALLS = {
    "+": "plus", "-": "minus", "*": "times", "/": "divided", "%": "remainder", "**": "power",
    "unary -": "negative", "abs": "absolute", "sign": "sign", "sqrt": "square_root",
    "exp": "exponential", "ln": "logarithm", "log10": "logarithm10", "log2": "logarithm2",
    "log1p": "logarithm1p", "floor": "floor", "ceil": "ceiling", "trunc": "truncated",
    "round": "rounded", "sin": "sine", "cos": "cosine", "tan": "tangent", "atan": "arc_tangent",
    "=": "equal", "<>": "unequal", "<": "less", "<=": "at_most", ">": "more", ">=": "at_least",
    "and": "both", "or": "either", "not": "negated", "is null": "is_missing", "in": "one_of",
    "like": "like", "starts_with": "starts_with", "ends_with": "ends_with",
    "contains": "contains", "||": "joined", "concat": "concatenated", "lower": "lower",
    "upper": "upper", "trim": "trimmed", "length": "length", "substring": "substring",
    "left": "left", "right": "right", "replace": "replaced", "zfill": "zero_filled",
    "coalesce": "first_there", "greatest": "greatest", "least": "least", "nullif": "null_if",
    "case": "chosen", "as number": "as_number", "as datetime": "as_datetime",
    "as date": "as_date", "number": "number_in_text", "boolean": "boolean_in_text",
    "cast double": "plain_number", "cast date": "date_in_text",
}  # fmt: skip
"""What computes a function, where that does not depend on the kind of its argument."""

TEXTS = {
    "boolean": "boolean_as_text",
    "date": "date_as_text",
    "datetime": "datetime_as_text",
    "time": "time_as_text",
}
DATE_PARTS = ("year", "quarter", "month", "week", "day", "day_of_year", "weekday")


@dataclass(frozen=True)
class Name:
    """A value that was computed before, by its name."""

    name: str


Constant = float | int | str | bool | None | tuple[float | str, ...]
Argument = Name | Constant


@dataclass(frozen=True)
class Line:
    """One call of a function; that of `cell` takes a column's cell out of the row."""

    name: str
    function: str
    arguments: tuple[Argument, ...]


@dataclass
class Program:
    """The lines, and where each term's value is: the level of a category, a number."""

    tree: Tree
    lines: list[Line] = field(default_factory=list)
    _names: dict[Node | str, Argument] = field(default_factory=dict)

    @property
    def values(self) -> list[Argument]:
        """The value of each term, in order: known once it was asked for."""
        return [self._of(term.value) for term in self.tree.terms]

    def _call(self, function: str, *arguments: Argument) -> Name:
        name = Name(f"v{len(self.lines)}")
        self.lines.append(Line(name.name, function, arguments))
        return name

    def _of(self, node: Node) -> Argument:
        if isinstance(node, Literal):
            return _constant(node)
        if node not in self._names:
            found: Argument
            if isinstance(node, Read):
                found = self._read(node)
            elif node.name == "label":
                found = self._label(node.arguments[0])
            else:
                found = self._apply(node)
            self._names[node] = found
        return self._names[node]

    def _apply(self, node: Apply) -> Name:
        arguments = [self._of(one) for one in node.arguments]
        first, kind = arguments[0], node.arguments[0].kind
        if node.name in CALLS:
            return self._call(CALLS[node.name], *arguments)
        if node.name == "cast text":
            if kind == "number":
                return self._call("number_as_text", first, 1e15)
            if kind in TEXTS:
                return self._call(TEXTS[kind], first)
        if node.name in DATE_PARTS and kind in ("date", "datetime"):
            days = self._call("as_date", first) if kind == "datetime" else first
            return self._call(node.name, days)
        if node.name in ("hour", "minute") and kind in ("date", "datetime", "time"):
            if kind == "time":
                return self._call(f"{node.name}_of_time", first)
            moment = self._call("as_datetime", first) if kind == "date" else first
            return self._call(node.name, moment)
        if node.name == "days" and kind in ("date", "datetime"):
            return self._call("days_of_date" if kind == "date" else "days_of_moment", first)
        raise ExpressionError(f"{node.name} of a {kind} cannot be exported")

    def _cell(self, column: str) -> Argument:
        if column not in self._names:
            cell = self._call("cell", column)
            words = self.tree.missing_words
            found = self._call("without", cell, (*words, *self._numbers)) if words else cell
            self._names[column] = found
        return self._names[column]

    @property
    def _numbers(self) -> tuple[float, ...]:
        """The missing words that spell numbers."""
        return tuple(float(word) for word in self.tree.missing_words if PLAIN.match(word))

    def _read(self, node: Read) -> Name:
        """A column's cell as a value of its kind."""
        cell, how, column = self._cell(node.column), node.format, node.column
        if node.kind == "text":
            return self._call("read_text", cell, column)
        if node.kind == "boolean" or isinstance(how, BooleanFormat):
            said = self._call("read_boolean", cell, column)
            return said if node.kind == "boolean" else self._call("as_number", said)
        if node.kind in ("date", "datetime"):
            order: str = how.order or "" if isinstance(how, DateFormat) else ""
            order = how.every if isinstance(how, PeriodFormat) else order
            if node.kind == "datetime" and isinstance(how, DateFormat) and how.zone:
                read = self._call("read_instant", cell, column, order, ahead_of(how.zone))
            else:
                read = self._call(f"read_{node.kind}", cell, column, order)
            unit = DAY if node.kind == "date" else 1
            gaps = tuple(moment // unit for moment in moments_of(self.tree.missing_words))
            return self._call("without", read, gaps) if gaps else read
        if node.kind == "time":
            read = self._call("read_time", cell, column)
            gaps = tuple(clocks_of(self.tree.missing_words))
            return self._call("without", read, gaps) if gaps else read
        if node.kind != "number":
            raise ExpressionError(f"'{column}' is a {node.kind}, which cannot be exported")
        if isinstance(how, FlagFormat):
            number = self._call("read_flag", cell, column)
        elif isinstance(how, NumberFormat):
            settings = (how.decimal, how.unit, how.leading_zeros, how.suffix)
            number = self._call("read_number", cell, column, *settings)
        else:
            number = self._call("read_number", cell, column)
        numbers = self._numbers
        return self._call("without", number, numbers) if numbers else number

    def _label(self, node: Node) -> Argument:
        """A value as a category's level; a column's cell may be of any kind."""
        if isinstance(node, Read) and node.format is None:
            return self._call("label", self._cell(node.column), node.kind, node.column)
        value = self._of(node)
        if node.kind == "number":
            return self._call("whole_or_digits", value)
        if node.kind in ("boolean", "date"):
            return self._call(TEXTS[node.kind], value)
        if node.kind == "text":
            return value
        raise ExpressionError(f"a category of a {node.kind} cannot be exported")


def _constant(node: Literal) -> Constant:
    value = node.value
    if isinstance(value, datetime):
        return microseconds_of(value)
    return value.toordinal() - EPOCH if isinstance(value, date) else value
