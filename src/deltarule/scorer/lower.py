"""From an expression to nodes of the scorer's tree, each of one kind, conversions written out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import get_args

from deltarule.errors import ExpressionError
from deltarule.scorer.tree import Apply, Kind, Literal, Node
from deltarule.tables.dates import iso_moment
from deltarule.tables.expressions import syntax
from deltarule.tables.expressions.functions import FUNCTIONS
from deltarule.tables.expressions.values import slots_of

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
# What may stand where a wider kind is taken: both sides of a comparison then have the wider one.
WIDER: tuple[tuple[set[str], Kind], ...] = (
    ({"number", "boolean"}, "number"),
    ({"date", "datetime"}, "datetime"),
)
KINDS: tuple[Kind, ...] = get_args(Kind)


def lower(node: syntax.Node, reads: Mapping[str, Node]) -> Node:
    """The typed nodes of an expression that has been checked, over columns that are read so.

    Errors:  ExpressionError for what has no typed form
    """
    if isinstance(node, syntax.Column):
        if node.name not in reads:
            raise ExpressionError(f"the model does not say of which kind {node.name!r} is")
        return reads[node.name]
    if isinstance(node, syntax.Constant):
        return _constant(node)
    arguments = [lower(one, reads) for one in node.arguments]
    if node.name == "case of":
        of, *rest = arguments
        for at in range(0, len(rest) - 1, 2):
            rest[at] = _compared("=", [of, rest[at]])
        return _case(rest)
    if node.name == "case":
        return _case(arguments)
    if node.name in COMPARISONS:
        return _compared(node.name, arguments)
    if node.name == "in":
        kind = _shared(arguments)
        return Apply("in", tuple(as_kind(one, kind) for one in arguments), "boolean")
    if node.name in _REWRITTEN:
        return _REWRITTEN[node.name](arguments)
    function = FUNCTIONS[node.name]
    slots = slots_of(function.takes, len(arguments), node.name)
    same = [one for one, slot in zip(arguments, slots, strict=True) if slot == "same"]
    kind = _shared(same) if same else "number"
    fitted = tuple(
        one
        if slot in ("value", "word", "whole")
        else _fitted(one, kind if slot == "same" else slot)
        for one, slot in zip(arguments, slots, strict=True)
    )
    gives = kind if function.gives == "same" else _kind(function.gives)
    return Apply(node.name, fitted, gives)


def as_kind(node: Node, kind: Kind) -> Node:
    """A node as one of this kind, which its own can be made."""
    if node.kind == kind:
        return node
    if isinstance(node, Literal) and node.value is None:
        return Literal(None, kind)
    if isinstance(node, Literal) and isinstance(node.value, str) and kind in ("date", "datetime"):
        moment = iso_moment(node.value)
        own: Kind = "datetime" if isinstance(moment, datetime) else "date"
        return as_kind(Literal(moment, own), kind)
    if (node.kind, kind) == ("boolean", "number"):
        return Apply("as number", (node,), "number")
    if (node.kind, kind) == ("date", "datetime"):
        return Apply("as datetime", (node,), "datetime")
    raise ExpressionError(f"a {node.kind} is no {kind}")


def _kind(word: str) -> Kind:
    """The kind that a word of the table of functions means."""
    return "text" if word == "category" else next(one for one in KINDS if one == word)


def _fitted(node: Node, slot: str) -> Node:
    """A node as the place of an argument wants it."""
    if slot in ("day", "clock"):
        return node if node.kind in ("date", "datetime", "time") else as_kind(node, "datetime")
    return as_kind(node, _kind(slot))


def _constant(node: syntax.Constant) -> Literal:
    kinds: dict[type, Kind] = {bool: "boolean", float: "number", str: "text"}
    # Of a missing constant the place decides the kind: nothing else is made a number.
    missing: Kind = "number" if node.value is None else "date"
    return Literal(node.value, kinds.get(type(node.value), missing))


def _is_missing(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


def _shared(nodes: Sequence[Node]) -> Kind:
    """The kind that these have in common; a date's, where texts are written out beside one."""
    kinds = [one.kind for one in nodes if not _is_missing(one)]
    if {"date", "datetime"} & set(kinds):
        kinds = [kind for kind in kinds if kind != "text"]
        texts = [str(one.value) for one in nodes if isinstance(one, Literal)]
        kinds += ["datetime" for text in texts if isinstance(iso_moment(text), datetime)]
    for several, kind in WIDER:
        if set(kinds) == several:
            return kind
    return kinds[0] if kinds else "number"


def _compared(name: str, nodes: Sequence[Node]) -> Node:
    kind = _shared(nodes)
    return Apply(name, tuple(as_kind(one, kind) for one in nodes), "boolean")


def _case(nodes: Sequence[Node]) -> Node:
    values = [*nodes[1:-1:2], nodes[-1]]
    kind = _shared(values)
    pairs: list[Node] = []
    for when, then in zip(nodes[:-1:2], nodes[1:-1:2], strict=True):
        pairs += [as_kind(when, "boolean"), as_kind(then, kind)]
    return Apply("case", (*pairs, as_kind(nodes[-1], kind)), kind)


# Functions that are others put together


def _between(nodes: Sequence[Node]) -> Node:
    kind = _shared(nodes)
    value, low, high = (as_kind(one, kind) for one in nodes)
    above = Apply(">=", (value, low), "boolean")
    return Apply("and", (above, Apply("<=", (value, high), "boolean")), "boolean")


def _log(nodes: Sequence[Node]) -> Node:
    of, *base = (Apply("ln", (as_kind(one, "number"),), "number") for one in nodes)
    return Apply("/", (of, base[0]), "number") if base else of


def as_text(node: Node) -> Node:
    """A value of any kind as text."""
    if _is_missing(node):
        return Literal(None, "text")
    return node if node.kind == "text" else Apply("cast text", (node,), "text")


def _digits(node: Node) -> int:
    return FUNCTIONS[node.name].digits if isinstance(node, Apply) and node.name in FUNCTIONS else 1


def _category(nodes: Sequence[Node]) -> Node:
    (node,) = nodes
    digits = _digits(node)
    if digits == 1:
        return as_text(node)
    return Apply("zfill", (as_text(node), Literal(float(digits), "number")), "text")


def _number(nodes: Sequence[Node]) -> Node:
    node, *mark = nodes
    if node.kind != "text":
        return as_kind(node, "number")
    return Apply("number", (node, mark[0] if mark else Literal(".", "text")), "number")


def _boolean(nodes: Sequence[Node]) -> Node:
    (node,) = nodes
    if node.kind == "boolean" or _is_missing(node):
        return as_kind(node, "boolean")
    return Apply("boolean", (as_text(node),), "boolean")


def _to_double(nodes: Sequence[Node]) -> Node:
    (node,) = nodes
    if node.kind == "text":
        return Apply("cast double", (node,), "number")
    return as_kind(node, "number")


def _to_integer(nodes: Sequence[Node]) -> Node:
    return Apply("trunc", (_to_double(nodes),), "number")


def _to_boolean(nodes: Sequence[Node]) -> Node:
    if nodes[0].kind == "number" and not _is_missing(nodes[0]):
        return Apply("<>", (nodes[0], Literal(0.0, "number")), "boolean")
    return _boolean(nodes)


def _to_date(nodes: Sequence[Node]) -> Node:
    (node,) = nodes
    if node.kind == "text":
        return Apply("cast date", (node,), "date")
    return Apply("as date", (node,), "date") if node.kind == "datetime" else as_kind(node, "date")


_REWRITTEN = {
    "between": _between,
    "log": _log,
    "category": _category,
    "number": _number,
    "boolean": _boolean,
    "cast double": _to_double,
    "cast integer": _to_integer,
    "cast text": lambda nodes: as_text(nodes[0]),
    "cast boolean": _to_boolean,
    "cast date": _to_date,
}
