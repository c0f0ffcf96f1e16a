"""The functions of numbers in SQL, with the meaning that scorer/tree.py gives them."""

from collections.abc import Callable, Mapping, Sequence

from deltarule.errors import ExpressionError
from deltarule.export.sql.scope import Scope, Sql
from deltarule.scorer.tree import Apply, Literal, Node

# Beyond these exp overflows to infinity, or is 0.
EXP_MOST, EXP_LEAST = 709.782712893384, -745.133219101941


def constant(node: Node) -> float | str:
    """The value of an argument that is written out."""
    value = node.value if isinstance(node, Literal) else None
    if not isinstance(value, float | str):
        raise ExpressionError("an argument that must be written out is computed")
    return value


def whole(node: Node) -> int:
    """A whole number that is written out."""
    return int(float(constant(node)))


def clamped_exp(scope: Scope, x: Sql) -> Sql:
    """The exponential; where overflow is an error, infinite or 0 beyond its range."""
    if not scope.dialect.raises:
        return scope.call("number", "exp", x)
    x = scope.atom(x)
    d = scope.dialect
    return scope.joined(
        "number",
        f"CASE WHEN {x.text} > {d.literal(EXP_MOST)} THEN {d.infinity} "
        f"WHEN {x.text} < {d.literal(EXP_LEAST)} THEN {d.literal(0.0)} "
        f"ELSE {d.call('exp', x.text)} END",
        [x],
    )


def where(scope: Scope, condition: str, then: str, *parts: Sql) -> Sql:
    """A number where a condition on it holds, else NULL."""
    test = condition.format(*(one.text for one in parts))
    text = f"CASE WHEN {test} THEN {then} END"
    return scope.joined("number", text, parts)


# Numbers


def _binary(sign: str) -> "Builder":
    return lambda scope, node, args: scope.make("number", f"({{0}} {sign} {{1}})", *args)


def _over(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    zero = scope.dialect.literal(0.0)
    return scope.make("number", f"({{0}} / NULLIF({{1}}, {zero}))", *args)


def _remainder(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    x, y = (scope.atom(one) for one in args)
    divisor = scope.make("number", f"NULLIF({{0}}, {scope.dialect.literal(0.0)})", y)
    if scope.dialect.call("fmod", "", ""):
        return scope.call("number", "fmod", x, scope.atom(divisor))
    return _exact_remainder(scope, scope.bind(x), scope.bind(divisor))


def _exact_remainder(scope: Scope, x: Sql, y: Sql) -> Sql:
    """x - trunc(x / y) * y with the rounding of that product (Dekker 1971), as C's fmod."""
    d = scope.dialect
    zero, splitter = d.literal(0.0), d.literal(134217729.0)

    def halves(value: Sql) -> tuple[Sql, Sql]:
        scaled = scope.bind(scope.make("number", f"({splitter} * {{0}})", value))
        high = scope.bind(scope.make("number", "({0} - ({0} - {1}))", scaled, value))
        return high, scope.bind(scope.make("number", "({0} - {1})", value, high))

    q = scope.bind(_truncated(scope, scope.bind(scope.make("number", "({0} / {1})", x, y))))
    (a, b), (c, e) = halves(q), halves(y)
    product = scope.bind(scope.make("number", "({0} * {1})", q, y))
    error = "((({0} * {2} - {4}) + {0} * {3} + {1} * {2}) + {1} * {3})"
    error_of = scope.bind(scope.make("number", error, a, b, c, e, product))
    rest = scope.bind(scope.make("number", "(({0} - {1}) - {2})", x, product, error_of))
    size = d.call("abs", y.text)
    # A quotient that was rounded over a whole number is one too far.
    text = (
        f"CASE WHEN {x.text} >= {zero} AND {rest.text} < {zero} THEN {rest.text} + {size} "
        f"WHEN {x.text} < {zero} AND {rest.text} > {zero} THEN {rest.text} - {size} "
        f"ELSE {rest.text} END"
    )
    return scope.joined("number", text, [x, y, rest])


def _power(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    x, y = (scope.atom(one) for one in args)
    d, last = scope.dialect, node.arguments[1]
    zero = d.literal(0.0)
    power = d.call("power", x.text, y.text)
    if isinstance(last, Literal) and isinstance(last.value, float):
        whole_power, below = last.value.is_integer(), last.value < 0
        conditions = [f"{x.text} <> {zero}"] if below else []
        conditions += [] if whole_power else [f"{x.text} >= {zero}"]
    else:
        conditions = [
            f"NOT ({x.text} = {zero} AND {y.text} < {zero})",
            f"({x.text} >= {zero} OR {y.text} = {d.call('floor', y.text)})",
        ]
    if d.raises:
        power = _power_within(scope, x, y, power)
    text = f"CASE WHEN {' AND '.join(conditions)} THEN {power} END" if conditions else power
    return scope.joined("number", text, [x, y])


def _power_within(scope: Scope, x: Sql, y: Sql, power: str) -> str:
    """A power that is infinite or 0, rather than an error, where it is beyond all numbers."""
    d = scope.dialect
    zero = d.literal(0.0)
    size = f"{y.text} * {d.call('ln', d.call('abs', x.text))}"
    half = f"{y.text} / {d.literal(2.0)}"
    odd = f"{x.text} < {zero} AND {half} <> {d.call('floor', half)}"
    return (
        f"CASE WHEN {x.text} = {zero} THEN CASE WHEN {y.text} = {zero} THEN {d.literal(1.0)} "
        f"ELSE {zero} END "
        f"WHEN {size} > {d.literal(709.0)} THEN CASE WHEN {odd} THEN -{d.infinity} "
        f"ELSE {d.infinity} END WHEN {size} < {d.literal(-740.0)} THEN {zero} ELSE {power} END"
    )


def _plain(name: str) -> "Builder":
    return lambda scope, node, args: scope.call("number", name, *args)


def _guarded(name: str, condition: str) -> "Builder":
    """A function of one number that has a value where the condition holds."""

    def build(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
        x = scope.atom(args[0])
        test = condition.replace("0E0", scope.dialect.literal(0.0))
        return where(scope, test, scope.dialect.call(name, x.text), x)

    return build


def _log1p(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    """By Kahan's formula, which keeps the digits of small numbers: u = 1 + x, ln(u) x / (u - 1)."""
    d = scope.dialect
    x = scope.atom(args[0])
    one, zero = d.literal(1.0), d.literal(0.0)
    u = scope.atom(scope.make("number", f"({one} + {{0}})", x))
    ln = d.call("ln", u.text)
    text = (
        f"CASE WHEN {u.text} = {one} THEN {x.text} "
        f"WHEN {u.text} > {zero} THEN {ln} * ({x.text} / ({u.text} - {one})) END"
    )
    return scope.joined("number", text, [x, u])


def _trunc(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return _truncated(scope, scope.atom(args[0]))


def _truncated(scope: Scope, x: Sql) -> Sql:
    d = scope.dialect
    text = (
        f"CASE WHEN {x.text} < {d.literal(0.0)} THEN {d.call('ceil', x.text)} "
        f"ELSE {d.call('floor', x.text)} END"
    )
    return scope.joined("number", text, [x])


def rounded(scope: Scope, x: Sql) -> Sql:
    """To whole numbers, halves away from zero."""
    d = scope.dialect
    x = scope.atom(x)
    size = scope.atom(scope.call("number", "abs", x))
    low = scope.atom(scope.call("number", "floor", size))
    text = (
        f"CASE WHEN {x.text} < {d.literal(0.0)} THEN -{d.literal(1.0)} ELSE {d.literal(1.0)} END * "
        f"({low.text} + CASE WHEN {size.text} - {low.text} >= {d.literal(0.5)} "
        f"THEN {d.literal(1.0)} ELSE {d.literal(0.0)} END)"
    )
    return scope.joined("number", text, [x, size, low])


def _round(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    places = whole(node.arguments[1]) if len(node.arguments) > 1 else 0
    if places == 0:
        return rounded(scope, args[0])
    unit = scope.number(10.0 ** abs(places))
    down, up = ("*", "/") if places > 0 else ("/", "*")
    scaled = scope.make("number", f"({{0}} {down} {{1}})", args[0], unit)
    return scope.make("number", f"(({{0}}) {up} {{1}})", rounded(scope, scaled), unit)


Builder = Callable[[Scope, Apply, Sequence[Sql]], Sql]
BUILDERS: Mapping[str, Builder] = {
    **{sign: _binary(sign) for sign in "+-*"},
    **{name: _plain(name) for name in ("abs", "sign", "floor", "ceil", "sin", "cos", "tan")},
    "atan": _plain("atan"),
    "unary -": lambda scope, node, args: scope.make("number", "(- {0})", *args),
    "/": _over,
    "%": _remainder,
    "**": _power,
    "exp": lambda scope, node, args: clamped_exp(scope, args[0]),
    "sqrt": _guarded("sqrt", "{0} >= 0E0"),
    **{name: _guarded(name, "{0} > 0E0") for name in ("ln", "log10", "log2")},
    "log1p": _log1p,
    "trunc": _trunc,
    "round": _round,
}
