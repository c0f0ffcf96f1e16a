"""The syntax of expressions: from a text to a tree of columns, constants and calls, and back.

sqlglot reads the text, by a grammar cut down to operators, calls, case and cast; of what it finds
only the kinds of syntax named here are let through, and each call by the table of functions.
"""

import math
import re
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from deltarule.dataclass import dataclass
from deltarule.errors import ExpressionError
from deltarule.tables.dates import iso_date
from deltarule.tables.expressions import functions
from deltarule.tables.expressions.values import unknown

if TYPE_CHECKING:
    from sqlglot import Token, exp

MAX_TEXT, MAX_NODES, MAX_DEPTH = 10_000, 1_000, 100
MAX_WHOLE = 2**53  # numbers beyond it are not told from their neighbours
# sqlglot recurses up to 25 Python frames for each bracket or case, of the 1,000 there are.
MAX_BRACKETS = 25


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A number, text, yes/no, date or null that is written out."""

    value: float | str | bool | date | None


@dataclass(frozen=True)
class Call:
    """A function or operator of arguments; `functions` has them by name."""

    name: str
    arguments: "tuple[Node, ...]"


Node = Column | Constant | Call


def quoted(name: str) -> str:
    """A column's name as it must stand in an expression.

    >>> quoted("budget"), quoted('the "real" price'), quoted("case")
    ('budget', '"the ""real"" price"', '"case"')
    """
    plain = re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) and name.upper() not in _WORDS
    return name if plain else '"' + name.replace('"', '""') + '"'


def short(text: object) -> str:
    """A text as messages show it: in one line, and not long."""
    shown = text if isinstance(text, str) else type(text).__name__
    return repr(shown if len(shown) <= 60 else shown[:57] + "...")


# From text to sqlglot's tree


@cache
def _grammar() -> Any:
    """The dialect of sqlglot that expressions are written in, and the tokens it may be made of.

    A word is a keyword only if it is here, so all others can be columns and nothing else. Types
    are none: sqlglot takes twice as long for every further bracket of date(date(date(...
    """
    from sqlglot import Dialect, TokenType, exp
    from sqlglot import Parser as BaseParser
    from sqlglot import Tokenizer as BaseTokenizer

    class Inputs(Dialect):
        class Tokenizer(BaseTokenizer):
            KEYWORDS: ClassVar[dict[str, TokenType]] = {
                **{word: BaseTokenizer.KEYWORDS[word] for word in (*_WORDS, *_SIGNS, "==")},
                "**": TokenType.DSTAR,
            }

        class Parser(BaseParser):
            FUNCTIONS: ClassVar[dict[Any, Any]] = {}
            FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = {
                name: BaseParser.FUNCTION_PARSERS[name] for name in ("CAST", "EXTRACT")
            }
            NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = {
                "CASE": BaseParser.NO_PAREN_FUNCTION_PARSERS["CASE"]
            }
            NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
            EXPONENT: ClassVar[dict[Any, Any]] = {TokenType.DSTAR: exp.Pow}

    return Inputs()


_KEPT = "AND OR NOT CASE WHEN THEN ELSE END BETWEEN IN IS NULL TRUE FALSE LIKE AS FROM"
_WORDS = tuple(_KEPT.split())
_SIGNS = ("::", "||", ">=", "<=", "<>", "!=")
_OPERATORS = {"(", ")", ",", "+", "-", "*", "/", "%", "**", "<", ">", "=", *_SIGNS}


def read(text: str) -> Node:
    """The tree of a text, checked from the outside in before anything can recurse."""
    from sqlglot.errors import SqlglotError

    if not isinstance(text, str):
        raise ExpressionError("an expression is a text")
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"it has {len(text):,} characters, of at most {MAX_TEXT:,}")
    if re.search("[\x00\ud800-\udfff]", text):
        raise ExpressionError("it has characters that are no text")
    try:
        tokens = _grammar().tokenize(text)
        _check_tokens(text, tokens)
        found = _grammar().parser().parse(tokens, text)
    except SqlglotError as error:
        raise ExpressionError(_said(error)) from None
    except RecursionError:
        raise ExpressionError("it is nested too deeply") from None
    if len(found) != 1 or found[0] is None:
        raise ExpressionError("an expression is one formula")
    return _Reader().read(found[0], 1)


def _check_tokens(text: str, tokens: "Sequence[Token]") -> None:
    """Refuse what no expression is made of, and what would recurse too deeply."""
    from sqlglot import TokenType

    if not tokens:
        raise ExpressionError("it is empty")
    if len(tokens) > 4 * MAX_NODES:
        raise ExpressionError(f"it has more than {4 * MAX_NODES:,} words and signs")
    end, open_, before, words = 0, list[str](), 0, _word_types()
    for at, token in enumerate(tokens):
        # Between two tokens only white space: else sqlglot has left out a comment.
        if text[end : token.start].strip():
            raise ExpressionError("it has a comment (-- or /* begins one)")
        end = token.end + 1
        sign = token.text
        if token.token_type in (TokenType.VAR, *words):
            if not sign.isidentifier():
                raise ExpressionError(f"{short(sign)} is no name: put names in double quotes")
            sign = sign.upper()
        elif token.token_type not in (TokenType.IDENTIFIER, TokenType.STRING, TokenType.NUMBER):
            # A point may begin a number, x > .5, but not after a value, as in t.5.
            last = tokens[at - 1] if at else None
            after = last is None or last.token_type in words or last.text in _OPERATORS - {")"}
            if sign not in _OPERATORS and not (after and re.match(r"\.[0-9]", text[token.start :])):
                raise ExpressionError(f"{sign} has no meaning here{_SIGN_ADVICE.get(sign, '')}")
        else:
            sign = ""
        before = before + 1 if sign in ("NOT", "-", "+") else 0
        if sign in ("(", "CASE"):
            open_.append(sign)
        elif open_ and (sign, open_[-1]) in ((")", "("), ("END", "CASE")):
            open_.pop()
        if len(open_) + before > MAX_BRACKETS:
            raise ExpressionError(f"it is nested more than {MAX_BRACKETS} brackets deep")
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if sign == "DATE" and following and following.token_type == TokenType.STRING:
            token.token_type = TokenType.DATE  # date '2020-01-31'
    if text[end:].strip():
        raise ExpressionError("it has a comment (-- or /* begins one)")


@cache
def _word_types() -> frozenset[Any]:
    return frozenset(_grammar().tokenizer_class.KEYWORDS[word] for word in _WORDS)


_SIGN_ADVICE = {
    "~": ': say `--predict y --using x`, in Python predict="y", using=["x"]',
    ".": ": a column is named without its table",
    "^": ": a power is x ** 2",
    ";": ": an expression is one formula",
    **dict.fromkeys("?:@", ": an expression has no parameters"),
    **dict.fromkeys("&|", ": say `and`, `or`"),
    "==": ": equal is written with one =",
    **dict.fromkeys("[{", ": there are no arrays or structs"),
}


def _said(error: Exception) -> str:
    """What sqlglot says of a text, without its colours and lines."""
    details: list[dict[str, Any]] = getattr(error, "errors", None) or [{}]
    near = str(details[0].get("highlight") or "")
    if not near:
        return "it cannot be read"
    quoted = f': a column called so is written "{near}"' if near.isidentifier() else ""
    return f"it cannot be read near {short(near)}{quoted}"


# From sqlglot's tree to ours: what is not here is refused

_BINARY = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%", "pow": "**", "dpipe": "||",
    "eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "and": "and",
    "or": "or",
}  # fmt: skip
_INFIX = {"and", "or", "not", "between", "like"}
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
# Names that stand for others. Their order of arguments is the same.
_ALIASES = {
    "pow": "**", "power": "**", "mod": "%", "ceiling": "ceil", "substr": "substring",
    "char_length": "length", "doy": "day_of_year", "isodow": "weekday",
}  # fmt: skip
_CALLED = sorted({"if", *_ALIASES, *filter(str.isidentifier, functions.FUNCTIONS)} - _INFIX)
_TYPES = {
    "double": "double", "float": "double", "real": "double",
    "integer": "integer", "int": "integer", "bigint": "integer",
    "text": "text", "varchar": "text", "string": "text",
    "boolean": "boolean", "bool": "boolean", "date": "date",
}  # fmt: skip
# fmt: off
_PARTS = (
    "year", "quarter", "month", "week", "day", "hour", "minute", "day_of_year", "weekday",
)
# fmt: on
# What sqlglot's nodes may hold besides what is read of them.
_HARMLESS = {"safe", "typed", "quoted", "nested"}


class _Reader:
    """Turns sqlglot's tree into ours, counting."""

    def __init__(self) -> None:
        self.nodes = 0

    def read(self, node: "exp.Expr", depth: int) -> Node:
        """The node of ours that this one is.

        Errors:  ExpressionError for syntax that is no part of expressions
        """
        while node.key == "paren":
            node = self._only(node, "this")[0]
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise ExpressionError(f"it has more than {MAX_NODES:,} parts")
        if depth > MAX_DEPTH:
            raise ExpressionError(f"it is nested more than {MAX_DEPTH} deep")
        reader = getattr(self, f"_{node.key}", None)
        if node.key in _BINARY:
            return self._binary(node, depth)
        if reader is None:
            raise ExpressionError(f"{_SYNTAX.get(node.key, node.key)} is no part of an expression")
        found: Node = reader(node, depth + 1)
        return found

    @staticmethod
    def _only(node: "exp.Expr", *names: str) -> list[Any]:
        """These arguments of a node, which has no others."""
        extra = [name for name, value in node.args.items() if value and name not in names]
        if extra := [name for name in extra if name not in _HARMLESS]:
            raise ExpressionError(f"{extra[0]} is no part of {_SYNTAX.get(node.key, node.key)}")
        return [node.args.get(name) for name in names]

    def _binary(self, node: "exp.Expr", depth: int) -> Node:
        left, right = self._only(node, "this", "expression")
        name, inner = _BINARY[node.key], _BINARY.get(left.key)
        if name == "**" and (left.key == "neg" or inner == "**"):
            raise ExpressionError("a power of this can be read in two ways: put it in brackets")
        if name in _COMPARISONS and inner in _COMPARISONS:
            raise ExpressionError("two comparisons in a row: write a < b and b < c")
        return Call(name, (self.read(left, depth + 1), self.read(right, depth + 1)))

    def _column(self, node: "exp.Expr", depth: int) -> Node:
        (name,) = self._only(node, "this")
        if name.key != "identifier":
            raise ExpressionError(f"{_SYNTAX.get(name.key, name.key)} is no part of an expression")
        return Column(name.name)

    def _literal(self, node: "exp.Expr", depth: int) -> Node:
        if node.args.get("is_string"):
            return Constant(str(node.this))
        value, digits = float(node.this), str(node.this)
        if not math.isfinite(value):
            raise ExpressionError(f"{short(digits)} is too large a number")
        if digits.isdigit() and int(digits) > MAX_WHOLE:
            raise ExpressionError(
                f"whole numbers as large as {short(digits)} are not told from their neighbours: "
                f"keep them as text (cast(... as text) = '{digits[:40]}'), or write {value:g}"
            )
        return Constant(value)

    def _boolean(self, node: "exp.Expr", depth: int) -> Node:
        return Constant(bool(node.this))

    def _null(self, node: "exp.Expr", depth: int) -> Node:
        return Constant(None)

    def _neg(self, node: "exp.Expr", depth: int) -> Node:
        inner = self.read(self._only(node, "this")[0], depth)
        if isinstance(inner, Constant) and type(inner.value) is float:
            return Constant(-inner.value)
        return Call("unary -", (inner,))

    def _not(self, node: "exp.Expr", depth: int) -> Node:
        return Call("not", (self.read(self._only(node, "this")[0], depth),))

    def _is(self, node: "exp.Expr", depth: int) -> Node:
        value, what = self._only(node, "this", "expression")
        if what.key != "null":
            raise ExpressionError(
                "after `is` stands `null` or `not null`: a yes/no is its own test"
            )
        return Call("is null", (self.read(value, depth),))

    def _between(self, node: "exp.Expr", depth: int) -> Node:
        return self._call("between", self._only(node, "this", "low", "high"), depth)

    def _in(self, node: "exp.Expr", depth: int) -> Node:
        value, choices = self._only(node, "this", "expressions")
        call = self._call("in", [value, *(choices or [])], depth)
        rest = call.arguments[1:]
        if not rest or any(not isinstance(one, Constant) or one.value is None for one in rest):
            raise ExpressionError("`in` takes a list of constants without null: x in (1, 2)")
        return call

    def _like(self, node: "exp.Expr", depth: int) -> Node:
        value, pattern, negate = self._only(node, "this", "expression", "negate")
        call = self._call("like", [value, pattern], depth)
        return Call("not", (call,)) if negate else call

    def _case(self, node: "exp.Expr", depth: int) -> Node:
        of, branches, default = self._only(node, "this", "ifs", "default")
        pairs = [part for one in branches for part in self._only(one, "this", "true")]
        inside = self._call("case", pairs, depth).arguments
        inside += (self.read(default, depth) if default else Constant(None),)
        return Call("case of", (self.read(of, depth), *inside)) if of else Call("case", inside)

    def _cast(self, node: "exp.Expr", depth: int) -> Node:
        value, to = self._only(node, "this", "to")
        (name, this) = self._only(to, "kind", "this")
        type_ = str(name or getattr(this, "value", this)).lower()
        if type_ not in _TYPES:
            known = "double, integer, text, boolean and date"
            raise ExpressionError(f"there is no type {short(type_)}: there are {known}")
        inner = self.read(value, depth)
        if type_ == "date" and isinstance(inner, Constant) and isinstance(inner.value, str):
            return Constant(_day(inner.value))
        return Call(f"cast {_TYPES[type_]}", (inner,))

    def _extract(self, node: "exp.Expr", depth: int) -> Node:
        part, value = self._only(node, "this", "expression")
        name = str(part.name).lower()
        name = _ALIASES.get(name, name)
        if name not in _PARTS:
            known = ", ".join(_PARTS)
            raise ExpressionError(f"a date has no part {short(name)}: there are {known}")
        return Call(name, (self.read(value, depth),))

    def _anonymous(self, node: "exp.Expr", depth: int) -> Node:
        name, arguments = self._only(node, "this", "expressions")
        called = name.lower() if isinstance(name, str) else f"{name}"
        if called not in _CALLED:
            raise unknown(called, _CALLED)
        call = self._call(_ALIASES.get(called, called), arguments or [], depth)
        if called == "if":
            if len(call.arguments) not in (2, 3):
                raise ExpressionError("if takes a condition and one or two values")
            return Call("case", (*call.arguments, Constant(None))[:3])
        return call

    def _call(self, name: str, arguments: "Sequence[exp.Expr]", depth: int) -> Call:
        return Call(name, tuple(self.read(one, depth) for one in arguments))


# What messages call the syntax that is refused.
_SYNTAX = {
    "star": "*",
    "alias": "a name for the result, or two words in a row,",
    "aliases": "a list after a value",
    "tuple": "a list of values",
    "cast": "cast",
    "datatype": "a type here",
    "nullsafeeq": "`is distinct from`",
    "nullsafeneq": "`is distinct from`",
    "national": "text with a prefix",
    "attimezone": "`at time zone`",
}


def _day(text: str) -> date:
    found = iso_date(text)
    if found is None:
        raise ExpressionError(f"{short(text)} is no date: write date '2020-01-31'")
    return found


# From our tree to text

_LEVELS = {
    **dict.fromkeys((*_COMPARISONS, "between", "in", "like", "is null"), 4),
    "or": 1,
    "and": 2,
    "not": 3,
    "||": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "%": 7,
    "**": 8,
    "unary -": 9,
}
_HIGHEST = 10
_NEGATED = {"between", "in", "like", "is null"}


def _level(node: Node) -> int:
    """How tightly a node holds together in text."""
    if (
        isinstance(node, Constant)
        and type(node.value) is float
        and math.copysign(1, node.value) < 0
    ):
        return _LEVELS["unary -"]
    if isinstance(node, Call):
        inner = node.arguments[0] if node.name == "not" else None
        if isinstance(inner, Call) and inner.name in _NEGATED:
            return _LEVELS[inner.name]
        return _LEVELS.get(node.name, _HIGHEST)
    return _HIGHEST


def is_loose(node: Node) -> bool:
    """Whether a node needs brackets as a part of a product."""
    return _level(node) < _LEVELS["*"]


def _within(node: Node, level: int) -> str:
    """A node as part of one of this level."""
    text = write(node)
    return text if _level(node) >= level else f"({text})"


def write(node: Node, negated: str = "") -> str:
    """The canonical text of a node."""
    if isinstance(node, Column):
        return quoted(node.name)
    if isinstance(node, Constant):
        return _constant(node.value)
    name, parts = node.name, node.arguments
    level = _LEVELS.get(name, _HIGHEST)
    if name == "unary -":
        return "-" + _within(parts[0], _HIGHEST)
    if name == "not":
        inner = parts[0]
        if isinstance(inner, Call) and inner.name in _NEGATED:
            return write(inner, "not ")
        return "not " + _within(inner, level)
    if name == "is null":
        return f"{_within(parts[0], level + 1)} is {negated}null"
    if name == "between":
        value, low, high = (_within(part, level + 1) for part in parts)
        return f"{value} {negated}between {low} and {high}"
    if name == "in":
        choices = ", ".join(map(write, parts[1:]))
        return f"{_within(parts[0], level + 1)} {negated}in ({choices})"
    if name in ("case", "case of"):
        return _cased(node)
    if name.startswith("cast "):
        return f"cast({write(parts[0])} as {name.removeprefix('cast ')})"
    if name in _LEVELS:
        # All take their left side first; after a power or comparison that would mislead.
        left = _HIGHEST if name == "**" else level + (level == 4)
        right = _HIGHEST if name == "**" else level + 1
        return f"{_within(parts[0], left)} {negated}{name} {_within(parts[1], right)}"
    return f"{name}({', '.join(map(write, parts))})"


def _cased(node: Call) -> str:
    first = [write(node.arguments[0])] if node.name == "case of" else []
    *pairs, default = node.arguments[len(first) :]
    whens = [
        f"when {write(when)} then {write(then)}"
        for when, then in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    last = [] if default == Constant(None) else [f"else {write(default)}"]
    return " ".join(["case", *first, *whens, *last, "end"])


def _constant(value: float | str | bool | date | None) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        written = f"{value:.15e}" if MAX_WHOLE < abs(value) < 1e16 else repr(value)
        return written.removesuffix(".0")
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    return "'" + value.replace("'", "''") + "'"
