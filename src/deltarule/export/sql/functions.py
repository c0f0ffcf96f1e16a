"""The functions of expressions in SQL, with the meaning that scorer/tree.py gives them.

Every function is total: what has no value is NULL, never an error, as a layer of a query computes
its columns on all rows, whatever a CASE above it chooses.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from string import ascii_letters

from deltarule.errors import ExpressionError
from deltarule.export.sql import dates, numbers
from deltarule.export.sql.numbers import Builder, constant, whole
from deltarule.export.sql.scope import Scope, Sql
from deltarule.export.sql.text import boolean_of, number_of
from deltarule.scorer.tree import Apply

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


def applied(scope: Scope, node: Apply, arguments: Sequence[Sql]) -> Sql:
    """A function of these arguments.

    Errors:  ExpressionError for one that SQL cannot compute alike
    """
    build = BUILDERS.get(node.name)
    if build is None:
        raise ExpressionError(f"SQL has no {node.name} that gives the same everywhere")
    return build(scope, node, arguments)


# Conditions


def _compare(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    left, right = (_comparable(scope, one) for one in args)
    return scope.make("boolean", f"({{0}} {node.name} {{1}})", left, right)


def _comparable(scope: Scope, value: Sql) -> Sql:
    if value.kind == "boolean":
        return scope.coded(value)
    if value.kind == "text":
        return exact(scope, value)
    return value


def exact(scope: Scope, text: Sql) -> Sql:
    """Text that is compared by code points."""
    return scope.make("text", scope.dialect.exact, text)


def _both(word: str) -> Builder:
    return lambda scope, node, args: scope.make("boolean", f"({{0}} {word} {{1}})", *args)


def _not(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return scope.make("boolean", "(NOT {0})", *args)


def _is_null(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    value = scope.coded(args[0]) if args[0].kind == "boolean" else args[0]
    return scope.make("boolean", "({0} IS NULL)", value)


def _in(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    value, choices = _comparable(scope, args[0]), node.arguments[1:]
    if value.kind == "text":
        listed = [scope.dialect.exact_string(str(constant(one))) for one in choices]
    else:
        listed = [_comparable(scope, one).text for one in args[1:]]
    return scope.joined("boolean", f"({value.text} IN ({', '.join(listed)}))", [value])


def _case(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    boolean = node.kind == "boolean"
    *pairs, default = args
    text = "CASE"
    values = []
    for condition, then in zip(pairs[::2], pairs[1::2], strict=True):
        value = scope.coded(then) if boolean else then
        values.append(value)
        text += f" WHEN {condition.text} THEN {value.text}"
    last = scope.coded(default) if boolean else default
    made = scope.joined(
        "number" if boolean else node.kind,
        f"{text} ELSE {last.text} END",
        [*pairs[::2], *values, last],
    )
    return scope.condition(made) if boolean else made


def _same(build: Callable[[Scope, Sequence[Sql], str], Sql]) -> Builder:
    """A function that gives one of its arguments; booleans as 1 and 0 within."""

    def built(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
        if node.kind != "boolean":
            return build(scope, args, node.kind)
        return scope.condition(build(scope, [scope.coded(one) for one in args], "number"))

    return built


def _coalesce(scope: Scope, args: Sequence[Sql], kind: str) -> Sql:
    if len(args) == 1:
        return args[0]
    return scope.joined(kind, f"COALESCE({', '.join(one.text for one in args)})", args)


def _extreme(sign: str) -> Builder:
    def build(scope: Scope, args: Sequence[Sql], kind: str) -> Sql:
        best = args[0]
        for other in args[1:]:
            a, b = scope.atom(best), scope.atom(other)
            left, right = ((exact(scope, one) if kind == "text" else one) for one in (a, b))
            text = (
                f"CASE WHEN {a.text} IS NULL THEN {b.text} WHEN {b.text} IS NULL THEN {a.text} "
                f"WHEN {left.text} {sign} {right.text} THEN {a.text} ELSE {b.text} END"
            )
            best = scope.joined(kind, text, [a, b])
        return best

    return _same(build)


def _nullif(scope: Scope, args: Sequence[Sql], kind: str) -> Sql:
    if kind != "text":
        return scope.joined(kind, f"NULLIF({args[0].text}, {args[1].text})", args)
    x, y = (scope.atom(one) for one in args)
    same = f"{exact(scope, x).text} = {exact(scope, y).text}"
    return scope.joined(kind, f"CASE WHEN {same} THEN NULL ELSE {x.text} END", [x, y])


# Text


def _text(name: str) -> Builder:
    return lambda scope, node, args: scope.call("text", name, *args)


def _piece(name: str) -> Builder:
    """The first or last letters of a text."""

    def build(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
        count = Sql(str(whole(node.arguments[1])), "number", atomic=True)
        return scope.call("text", name, args[0], count)

    return build


def _substring(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    start = whole(node.arguments[1])
    length = whole(node.arguments[2]) if len(node.arguments) > 2 else 10**9
    count = [Sql(str(n), "number", atomic=True) for n in (start, length)]
    return scope.call("text", "substring", args[0], *count)


def _cased(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    """Text in small or capital letters.

    A database that knows ASCII only is told of the other letters that the model's levels and
    constants are made of: text with any more is none of these in either spelling.
    """
    made = scope.call("text", node.name, args[0])
    if scope.dialect.unicode_case:
        return made
    for letter, becomes in _letters(node.name, scope.alphabet):
        made = scope.joined(
            "text",
            scope.dialect.call(
                "replace", made.text, scope.dialect.string(letter), scope.dialect.string(becomes)
            ),
            [made],
        )
    return made


def _letters(case: str, alphabet: frozenset[str]) -> list[tuple[str, str]]:
    """The letters beyond ASCII that another case turns into letters of an alphabet alone."""
    known = alphabet | set(ascii_letters)
    return [(one, other) for one, other in _changes(case) if known.issuperset(other)]


@cache
def _changes(case: str) -> list[tuple[str, str]]:
    """The letters beyond ASCII that another case changes, with what they become."""
    pairs = ((chr(code), getattr(chr(code), case)()) for code in range(128, sys.maxunicode + 1))
    return [(one, other) for one, other in pairs if one != other]


def _concat(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    if node.name == "concat":
        empty = scope.dialect.string("")
        args = [scope.make("text", f"COALESCE({{0}}, {empty})", one) for one in args]
    whole_text = args[0]
    for one in args[1:]:
        whole_text = scope.call("text", "concat", whole_text, one)
    return whole_text


def _replace(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return scope.call("text", "replace", *args) if constant(node.arguments[1]) else args[0]


def _starts(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    part = str(constant(node.arguments[1]))
    if not part:
        return scope.make("boolean", "({0} IS NOT NULL OR NULL)", args[0])
    count = Sql(str(len(part)), "number", atomic=True)
    end = scope.call("text", "left" if node.name == "starts_with" else "right", args[0], count)
    wanted = Sql(scope.dialect.exact_string(part), "text")
    return scope.make("boolean", "({0} = {1})", exact(scope, end), wanted)


def _contains(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    part = Sql(scope.dialect.string(str(constant(node.arguments[1]))), "text")
    text = exact(scope, args[0]) if not scope.dialect.end_mark else args[0]
    return scope.make("boolean", "({0} > 0)", scope.call("number", "find", text, part))


def _like(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    d, pattern = scope.dialect, str(constant(node.arguments[1]))
    made = _PATTERNS[d.like](pattern, d.like_escapes)
    wanted = Sql(d.string(made + d.end_mark), "text")
    return scope.call("boolean", "like", exact(scope, args[0]), wanted)


def _regex(pattern: str, escapes: Mapping[str, str]) -> str:
    wild = {"%": ".*", "_": "."}
    return f"(?s)^{''.join(wild.get(one) or re.escape(one) for one in pattern)}$"


def _glob(pattern: str, escapes: Mapping[str, str]) -> str:
    wild = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(wild.get(one, one) for one in pattern)


_PATTERNS: Mapping[str, Callable[[str, Mapping[str, str]], str]] = {
    "like": lambda pattern, escapes: "".join(escapes.get(one, one) for one in pattern),
    "glob": _glob,
    "regex": _regex,
}


def _zfill(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    """Zeros before digits; what is no shorter stays."""
    width = whole(node.arguments[1])
    text = scope.atom(args[0])
    length = scope.dialect.call("length", text.text)
    made = text.text
    for missing in range(1, width):
        zeros = scope.dialect.string("0" * missing)
        short = f"{length} = {scope.dialect.literal(float(width - missing))}"
        filled = scope.dialect.call("concat", zeros, text.text)
        made = f"CASE WHEN {short} THEN {filled} ELSE {made} END"
    return scope.joined("text", made, [text])


def as_text(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    """A number, condition or date as text."""
    d, value = scope.dialect, args[0]
    if value.kind == "text":
        return value
    if value.kind == "boolean":
        yes, no = d.string("true"), d.string("false")
        value = scope.atom(value)
        return scope.make("text", f"CASE WHEN {{0}} THEN {yes} WHEN NOT {{0}} THEN {no} END", value)
    if value.kind != "number":
        return dates.as_text(scope, value)
    value = scope.atom(value)
    most = 2.0**53 if node.name == "label" else 1e15
    text = (
        f"CASE WHEN {{0}} = {d.call('floor', '{0}')} AND {d.call('abs', '{0}')} < "
        f"{d.literal(most)} THEN {d.call('whole text', '{0}')} "
        f"ELSE {d.call('number text', '{0}')} END"
    )
    return scope.make("text", text, value)


# From one kind to another


def _as_number(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return scope.coded(args[0])


def _number(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return number_of(scope, args[0], str(constant(node.arguments[1])), unit=None)


def _boolean(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return scope.condition(boolean_of(scope, args[0]))


def _to_double(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return scope.call("number", "try number", scope.call("text", "trim", args[0]))


BUILDERS: Mapping[str, Builder] = {
    **dict.fromkeys(COMPARISONS, _compare),
    "and": _both("AND"),
    "or": _both("OR"),
    "not": _not,
    "is null": _is_null,
    "in": _in,
    "case": _case,
    "coalesce": _same(_coalesce),
    "greatest": _extreme(">="),
    "least": _extreme("<="),
    "nullif": _same(_nullif),
    "like": _like,
    "||": _concat,
    "concat": _concat,
    "lower": _cased,
    "upper": _cased,
    "trim": _text("trim"),
    "length": lambda scope, node, args: scope.call("number", "length", args[0]),
    "substring": _substring,
    "left": _piece("left"),
    "right": _piece("right"),
    "replace": _replace,
    "starts_with": _starts,
    "ends_with": _starts,
    "contains": _contains,
    "zfill": _zfill,
    "cast text": as_text,
    "label": as_text,
    "as number": _as_number,
    "number": _number,
    "boolean": _boolean,
    "cast double": _to_double,
    **numbers.BUILDERS,
    **dates.BUILDERS,
}
