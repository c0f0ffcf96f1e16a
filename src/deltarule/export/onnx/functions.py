"""The functions of expressions in ONNX operators, with the meaning scorer/tree.py gives them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from deltarule.errors import ExpressionError
from deltarule.export.onnx.graph import Graph, Tensor
from deltarule.scorer.tree import Apply, Literal, Node
from deltarule.tables.expressions.number_text import NO, YES

DAY = 86_400e6
"""Microseconds of a day."""
NAN = math.nan
WHOLE = {"year", "quarter", "month", "week", "day", "day_of_year", "weekday", "hour", "minute"}
WHOLE |= {"floor", "ceil", "trunc", "sign"}
# atan on [0, 7/16] as in fdlibm, and where it is reduced to that: from, atan there.
ATAN = (
    3.33333333333329318027e-01, -1.99999999998764832476e-01, 1.42857142725034663711e-01,
    -1.11111104054623557880e-01, 9.09088713343650656196e-02, -7.69187620504482999495e-02,
    6.66107313738753120669e-02, -5.83357013379057348645e-02, 4.97687799461593236017e-02,
    -3.65315727442169155270e-02, 1.62858201153657823623e-02,
)  # fmt: skip


def applied(graph: Graph, node: Apply, arguments: Sequence[Tensor]) -> Tensor:
    """A function of these arguments.

    Errors:  ExpressionError for one that ONNX has no operators for
    """
    build = BUILDERS.get(node.name)
    if build is None:
        raise ExpressionError(
            f"ONNX has no operator for {node.name}: give what it computes as a column of its own"
        )
    return build(graph, node, arguments)


def constant(node: Node) -> float | str:
    """The value of an argument that is written out."""
    value = node.value if isinstance(node, Literal) else None
    if not isinstance(value, float | str):
        raise ExpressionError("an argument that must be written out is computed")
    return value


# Numbers


def _over(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    x, y = args
    return graph.where(y.equals(0.0), NAN, x / y)


def _power(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    x, y = args
    undefined = x.missing | y.missing | (x.equals(0.0) & (y < 0.0))
    return graph.where(undefined, NAN, graph.node("Pow", x, y))


def _logarithm(graph: Graph, x: Tensor) -> Tensor:
    return graph.where(x > 0.0, graph.node("Log", x), NAN)


def _log_of(base: float) -> "Builder":
    def build(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
        """Powers of the base have whole logarithms, whatever a quotient of logarithms rounds to."""
        x = args[0]
        near = _logarithm(graph, x) / math.log(base)
        whole = graph.node("Round", near)
        power = graph.node("Pow", graph.constant(base), whole)
        return graph.where(power.equals(x), whole, near)

    return build


def log1p(graph: Graph, x: Tensor) -> Tensor:
    """By Kahan's formula, which keeps the digits of small numbers."""
    u = x + 1.0
    made = graph.node("Log", u) * (x / (u - 1.0))
    return graph.where(u.equals(1.0), x, graph.where(u > 0.0, made, NAN))


def expm1(graph: Graph, y: Tensor) -> Tensor:
    """By Kahan's formula, which keeps the digits of small numbers."""
    u = graph.node("Exp", y)
    made = (u - 1.0) * y / graph.node("Log", u)
    large = graph.where(u > 1e300, u, graph.where(u < 1e-300, -1.0, made))
    return graph.where(u.equals(1.0), y, large)


def _truncated(graph: Graph, x: Tensor) -> Tensor:
    return graph.where(x < 0.0, graph.node("Ceil", x), x.floor)


def _rounded(graph: Graph, x: Tensor) -> Tensor:
    """To whole numbers, halves away from zero."""
    size = graph.node("Abs", x)
    low = size.floor
    return graph.node("Sign", x) * (low + graph.value_of((size - low) >= 0.5))


def _round(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    places = int(float(constant(node.arguments[1]))) if len(node.arguments) > 1 else 0
    unit = 10.0 ** abs(places)
    if places >= 0:
        return _rounded(graph, args[0] * unit) / unit
    return _rounded(graph, args[0] / unit) * unit


def _atan(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    """By the reduction and polynomial of fdlibm: runtimes have no float64 Atan."""
    x = args[0]
    t = graph.node("Abs", x)
    reduced, high = t, graph.constant(0.0)
    steps = (
        (0.4375, (2.0 * t - 1.0) / (t + 2.0), math.atan(0.5)),
        (0.6875, (t - 1.0) / (t + 1.0), math.atan(1.0)),
        (1.1875, (t - 1.5) / (1.5 * t + 1.0), math.atan(1.5)),
        (2.4375, -1.0 / t, math.pi / 2),
    )
    for least, ratio, angle in steps:
        reduced, high = (
            graph.where(t >= least, ratio, reduced),
            graph.where(t >= least, angle, high),
        )
    square = reduced * reduced
    series = graph.constant(ATAN[-1])
    for factor in ATAN[-2::-1]:
        series = series * square + factor
    return graph.node("Sign", x) * (high + (reduced - reduced * square * series))


def _unary(operator: str) -> "Builder":
    return lambda graph, node, args: graph.node(operator, args[0])


# Conditions: 1, 0 or NaN


def _compared(compare: Callable[[Tensor, Tensor], Tensor], texts: bool) -> "Builder":
    def build(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
        left, right = args
        if left.kind == "text" and not texts:
            raise ExpressionError("ONNX has no order of texts: give the comparison as a column")
        return graph.value_of(compare(left, right), left.missing | right.missing)

    return build


def _and(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    a, b = args
    both = graph.where(a.missing | b.missing, NAN, 1.0)
    return graph.where(a.equals(0.0) | b.equals(0.0), 0.0, both)


def _or(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    a, b = args
    neither = graph.where(a.missing | b.missing, NAN, 0.0)
    return graph.where(a.equals(1.0) | b.equals(1.0), 1.0, neither)


def _in(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    value, *choices = args
    found = value.equals(choices[0])
    for one in choices[1:]:
        found = found | value.equals(one)
    return graph.value_of(found, value.missing)


def _case(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    *pairs, made = args
    for at in range(len(pairs) - 2, -1, -2):
        made = graph.where(pairs[at].equals(1.0), pairs[at + 1], made)
    return made


def _coalesce(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    made = args[-1]
    for one in args[-2::-1]:
        made = graph.where(one.missing, made, one)
    return made


def _extreme(operator: str) -> "Builder":
    def build(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
        if args[0].kind == "text":
            raise ExpressionError("ONNX has no order of texts: give the comparison as a column")
        best = args[0]
        for one in args[1:]:
            both = graph.node(operator, best, one)
            best = graph.where(best.missing, one, graph.where(one.missing, best, both))
        return best

    return build


def _nullif(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    x, y = args
    nothing = "" if x.kind == "text" else NAN
    return graph.where(x.equals(y) & ~y.missing, nothing, x)


# Text


def _matching(pattern: Callable[[str], str]) -> "Builder":
    def build(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
        made = f"(?s){pattern(str(constant(node.arguments[1])))}"
        found = graph.node("RegexFullMatch", args[0], kind="mask", pattern=made)
        return graph.value_of(found, args[0].missing)

    return build


def _literally(text: str) -> str:
    return "".join(
        one if one.isalnum() and one.isascii() else f"\\x{{{ord(one):x}}}" for one in text
    )


def _like(pattern: str) -> str:
    wild = {"%": ".*", "_": "."}
    return "".join(wild.get(one) or _literally(one) for one in pattern)


def _concat(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    made = args[0]
    for one in args[1:]:
        both = graph.node("StringConcat", made, one, kind="text")
        made = both if node.name == "concat" else graph.where(made.missing | one.missing, "", both)
    return made


def _as_text(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    value, of = args[0], node.arguments[0]
    if of.kind == "text":
        return value
    if of.kind == "boolean":
        return graph.where(value.missing, "", graph.where(value.equals(1.0), "true", "false"))
    if of.kind != "number" or not isinstance(of, Apply) or of.name not in WHOLE:
        raise ExpressionError(
            f"ONNX writes no {of.kind} as text to the last digit: give the text as a column"
        )
    whole = graph.node("Cast", graph.where(value.missing, 0.0, value), kind="index", to=7)
    return graph.where(value.missing, "", graph.node("Cast", whole, kind="text", to=8))


def _zfill(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    """Zeros before the digits of a whole number."""
    made, width = args[0], int(float(constant(node.arguments[1])))
    for missing in range(1, width):
        digits = graph.node(
            "RegexFullMatch", args[0], kind="mask", pattern=f".{{{width - missing}}}"
        )
        zeros = graph.constant("0" * missing)
        made = graph.where(digits, graph.node("StringConcat", zeros, args[0], kind="text"), made)
    return made


def one_of(graph: Graph, text: Tensor, words: Iterable[str]) -> Tensor:
    """Where a text is one of these words, in any case and with white space around it."""
    choices = "|".join(map(_literally, words))
    pattern = f"(?is)\\s*(?:{choices})\\s*"
    return graph.node("RegexFullMatch", text, kind="mask", pattern=pattern)


def _boolean(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    no = graph.where(one_of(graph, args[0], NO), 0.0, NAN)
    return graph.where(one_of(graph, args[0], YES), 1.0, no)


# Dates: days, or microseconds, since 1970-01-01


def _days_of(node: Apply, args: Sequence[Tensor]) -> Tensor:
    return args[0] if node.arguments[0].kind == "date" else (args[0] / DAY).floor


def _civil(graph: Graph, days: Tensor) -> dict[str, Tensor]:
    """The parts of dates by the arithmetic of the Gregorian calendar (Hinnant)."""
    z = days + 719468.0
    era = (z / 146097.0).floor
    doe = z - era * 146097.0
    leaps = (doe / 1460.0).floor - (doe / 36524.0).floor + (doe / 146096.0).floor
    yoe = ((doe - leaps) / 365.0).floor
    doy = doe - (365.0 * yoe + (yoe / 4.0).floor - (yoe / 100.0).floor)
    mp = ((5.0 * doy + 2.0) / 153.0).floor
    month = graph.where(mp < 10.0, mp + 3.0, mp - 9.0)
    year = yoe + era * 400.0 + graph.value_of(month <= 2.0)
    day = doy - ((153.0 * mp + 2.0) / 5.0).floor + 1.0

    def divides(number: float) -> Tensor:
        return (year - number * (year / number).floor).equals(0.0)

    leap = graph.value_of(divides(4.0) & (~divides(100.0) | divides(400.0)))
    # Years of this calendar begin in March: its day 306 is January 1st.
    of_year = graph.where(doy >= 306.0, doy - 305.0, doy + 60.0 + leap)
    missing = days.missing
    found = {"year": year, "month": month, "day": day, "day_of_year": of_year}
    return {name: graph.where(missing, NAN, one) for name, one in found.items()}


def _part(name: str) -> "Builder":
    return lambda graph, node, args: _civil(graph, _days_of(node, args))[name]


def _quarter(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    return ((_civil(graph, _days_of(node, args))["month"] + 2.0) / 3.0).floor


def _weekday_of(days: Tensor) -> Tensor:
    """1 for Monday to 7 for Sunday: 1970-01-01 was a Thursday."""
    return days + 3.0 - 7.0 * ((days + 3.0) / 7.0).floor + 1.0


def _week(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    """The ISO week: that of the year of the same week's Thursday."""
    days = _days_of(node, args)
    thursday = days - _weekday_of(days) + 4.0
    return ((_civil(graph, thursday)["day_of_year"] - 1.0) / 7.0).floor + 1.0


def _clock(node: Apply, args: Sequence[Tensor]) -> Tensor:
    """The microseconds since midnight."""
    return args[0] - (args[0] / DAY).floor * DAY


def _minute(graph: Graph, node: Apply, args: Sequence[Tensor]) -> Tensor:
    minutes = (_clock(node, args) / 60e6).floor
    return minutes - 60.0 * (minutes / 60.0).floor


Builder = Callable[[Graph, Apply, Sequence[Tensor]], Tensor]
BUILDERS: Mapping[str, Builder] = {
    "+": lambda graph, node, args: args[0] + args[1],
    "-": lambda graph, node, args: args[0] - args[1],
    "*": lambda graph, node, args: args[0] * args[1],
    "/": _over,
    "%": lambda graph, node, args: graph.node("Mod", *args, fmod=1),
    "**": _power,
    "unary -": lambda graph, node, args: -args[0],
    "abs": _unary("Abs"),
    "sign": _unary("Sign"),
    "sqrt": _unary("Sqrt"),
    "exp": _unary("Exp"),
    "floor": _unary("Floor"),
    "ceil": _unary("Ceil"),
    "sin": _unary("Sin"),
    "cos": _unary("Cos"),
    "tan": lambda graph, node, args: graph.node("Sin", args[0]) / graph.node("Cos", args[0]),
    "atan": _atan,
    "ln": lambda graph, node, args: _logarithm(graph, args[0]),
    "log10": _log_of(10.0),
    "log2": _log_of(2.0),
    "log1p": lambda graph, node, args: log1p(graph, args[0]),
    "trunc": lambda graph, node, args: _truncated(graph, args[0]),
    "round": _round,
    "=": _compared(lambda a, b: a.equals(b), texts=True),
    "<>": _compared(lambda a, b: ~a.equals(b), texts=True),
    "<": _compared(lambda a, b: a < b, texts=False),
    "<=": _compared(lambda a, b: a <= b, texts=False),
    ">": _compared(lambda a, b: a > b, texts=False),
    ">=": _compared(lambda a, b: a >= b, texts=False),
    "and": _and,
    "or": _or,
    "not": lambda graph, node, args: 1.0 - args[0],
    "is null": lambda graph, node, args: graph.value_of(args[0].missing),
    "in": _in,
    "case": _case,
    "coalesce": _coalesce,
    "greatest": _extreme("Max"),
    "least": _extreme("Min"),
    "nullif": _nullif,
    "like": _matching(_like),
    "starts_with": _matching(lambda part: f"{_literally(part)}.*"),
    "ends_with": _matching(lambda part: f".*{_literally(part)}"),
    "contains": _matching(lambda part: f".*{_literally(part)}.*"),
    "||": _concat,
    "concat": _concat,
    "cast text": _as_text,
    "label": _as_text,
    "zfill": _zfill,
    "boolean": _boolean,
    "as number": lambda graph, node, args: args[0],
    "as datetime": lambda graph, node, args: args[0] * DAY,
    "as date": lambda graph, node, args: _days_of(node, args),
    "year": _part("year"),
    "month": _part("month"),
    "day": _part("day"),
    "day_of_year": _part("day_of_year"),
    "quarter": _quarter,
    "week": _week,
    "weekday": lambda graph, node, args: _weekday_of(_days_of(node, args)),
    "hour": lambda graph, node, args: (_clock(node, args) / 3600e6).floor,
    "minute": _minute,
    "days": lambda graph, node, args: (
        args[0] if node.arguments[0].kind == "date" else args[0] / DAY
    ),
}
