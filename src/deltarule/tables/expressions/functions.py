"""What each function of an expression takes and gives, and how polars computes it, row by row.

Numbers are float64 here, whatever the column's type was. What has no value counts as missing:
x / 0, x % 0, log(0), log(-1), sqrt(-1), 0 ** -1, and NaN itself. Too large a number is infinite
and stays so, for the table to refuse. Dates with a time zone count as that zone's clock shows.

An argument stands once in what is built, unless `uses` says otherwise: nested ten times, three
uses each (polars' own fill_nan has them) took three seconds, and sixteen times all memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np

from deltarule.deferred import polars as pl
from deltarule.errors import ExpressionError
from deltarule.tables.expressions import number_text as spelling
from deltarule.tables.expressions.values import (
    Function,
    Value,
    fitted,
    growth_of,
    shared_kind,
    size_of,
    slots_of,
    types,
    with_dates,
)

# What reads text, and how polars says of which it cannot.
READING = ("number", "boolean", "cast double", "cast integer", "cast boolean", "cast date")
CONSTANT = re.compile(r"""failed in column '.*?' for .*?: \["(?P<value>.*?)"[,\]]""")
LIKE_LENGTH = 200  # longer patterns make automata of megabytes


def apply(name: str, values: Sequence[Value], *, said: str) -> Value:
    """A function of these values.

    Errors:  ExpressionError for the wrong number of arguments or wrong kinds
    """
    function = FUNCTIONS[name]
    slots = slots_of(function.takes, len(values), name)
    if "same" in slots:
        values = with_dates(values, name)
    same = [value for value, slot in zip(values, slots, strict=True) if slot == "same"]
    kind = shared_kind(same, name) if same else "any"
    arguments = [
        fitted(value, kind if slot == "same" else slot, name)
        for value, slot in zip(values, slots, strict=True)
    ]
    if function.gives == "boolean" and {*slots} == {"same"} and _whole(values):
        arguments = [value.expr for value in values]  # large ones are no floats
    size = size_of(values, function.uses, name)
    gives = kind if function.gives == "same" else function.gives
    growth = growth_of(values, name)
    expr = function.build(*arguments)
    if name in READING:
        _check_constant(expr, gives)
    return Value(expr, gives, said, digits=function.digits, size=size, growth=growth)


def _check_constant(expr: pl.Expr, gives: str) -> None:
    """Refuse a constant text that does not read as what is to be made of it.

    Errors:  ExpressionError
    """
    if expr.meta.root_names():
        return
    try:
        pl.select(expr)
    except pl.exceptions.PolarsError as error:
        found = CONSTANT.search(str(error))
        value = found["value"] if found else "a constant"
        raise ExpressionError(f"'{value}' is no {gives}") from None


def _whole(values: Sequence[Value]) -> bool:
    """Whether all are columns of whole numbers of one type."""
    kinds = {value.dtype for value in values}
    return len(kinds) == 1 and all(kind is not None and kind.is_integer() for kind in kinds)


# Numbers


def _defined(expr: pl.Expr) -> pl.Expr:
    """NaN as missing, with one use of the expression."""
    return expr.replace(math.nan, None)


def _not_zero(expr: pl.Expr) -> pl.Expr:
    return expr.replace(0.0, None)


def _by_numpy(function: Callable[..., Any], *arguments: pl.Expr) -> pl.Expr:
    """What numpy computes to the last digit and polars does not (its log10(1000) is below 3)."""

    def compute(columns: Sequence[pl.Series]) -> pl.Series:
        given = [one.cast(pl.Float64).to_numpy() for one in columns]
        with np.errstate(all="ignore"):
            found = function(*given)
        for one in given:  # null ** 0 is not 1
            found = np.where(np.isnan(one), np.nan, found)
        return pl.Series(found)

    return _defined(
        pl.map_batches(arguments, compute, return_dtype=pl.Float64, is_elementwise=True)
    )


def _divided(x: pl.Expr, y: pl.Expr) -> pl.Expr:
    # polars multiplies many rows by 1 / y, and divides a single one: the last digits would differ.
    return _by_numpy(np.divide, x, y)


def _power(base: Any, exponent: Any) -> Any:
    found = np.power(base, exponent)
    return np.where((base == 0) & (exponent < 0), np.nan, found)


def _log(x: pl.Expr, base: pl.Expr | None = None) -> pl.Expr:
    natural = _defined(_not_zero(x).log())
    return natural if base is None else _defined(natural / _not_zero(_log(base)))


def _round(x: pl.Expr, places: float = 0.0) -> pl.Expr:
    if abs(places) > 15:
        raise ExpressionError(f"round takes -15 to 15 decimals, not {places:g}")
    if places >= 0:
        return x.round(int(places), mode="half_away_from_zero")
    unit: float = 10.0**-places
    return _divided(x, pl.lit(unit)).round(0, mode="half_away_from_zero") * unit


# Text


def _like(text: pl.Expr, pattern: str) -> pl.Expr:
    if len(pattern) > LIKE_LENGTH:
        raise ExpressionError(f"like takes a pattern of at most {LIKE_LENGTH} characters")
    wild = {"%": ".*", "_": "."}
    regex = "".join(wild.get(letter) or pl.escape_regex(letter) for letter in pattern)
    return text.str.contains(f"(?s)^{regex}$")


def _substring(text: pl.Expr, start: float, length: float | None = None) -> pl.Expr:
    if not 1 <= start <= 1e9:
        raise ExpressionError(f"substring counts letters from 1, not from {start:g}")
    return text.str.slice(int(start) - 1, None if length is None else _count(length))


def _count(length: float) -> int:
    if not 0 <= length <= 1e9:
        raise ExpressionError(f"a number of letters is 0 or more, not {length:g}")
    return int(length)


def _replace(text: pl.Expr, old: str, new: str) -> pl.Expr:
    return text.str.replace_all(old, new, literal=True) if old else text


def as_text(value: Value) -> pl.Expr:
    """Any value as text: whole numbers without .0, true and false in words, dates as ISO 8601."""
    expr = value.expr
    if value.kind == "number" and not (value.dtype is not None and value.dtype.is_integer()):
        # Beyond 1e15 a whole float prints with an exponent, which says what it does not know.
        whole = (expr == expr.floor()) & (expr.abs() < 1e15)
        digits = expr.cast(pl.Int64, strict=False).cast(pl.String)
        return pl.when(whole).then(digits).otherwise(expr.cast(pl.String))
    if value.kind == "datetime":
        return expr.dt.to_string("%Y-%m-%d %H:%M:%S%.f")
    if value.kind == "time":
        return expr.dt.to_string("%H:%M:%S%.f")
    if value.kind == "duration":
        raise ExpressionError(f"{value.said} is a duration, which has no text: use days(...)")
    return expr.cast(pl.String)


def _category(value: Value) -> pl.Expr:
    text = as_text(value)
    return text.str.zfill(value.digits) if value.digits > 1 else text


# From one kind to another


def _number(value: Value, mark: str = ".") -> pl.Expr:
    if mark not in spelling.PATTERNS:
        raise ExpressionError(f"number's decimal mark is '.' or ',', not {mark[:20]!r}")
    if value.kind in ("text", "category"):
        return spelling.number(value.expr, mark)
    fitting: pl.Expr = fitted(value, "number", "number")
    return fitting


def _boolean(value: Value) -> pl.Expr:
    if value.kind in ("boolean", "any"):
        return value.expr.cast(pl.Boolean)
    if value.kind in ("text", "category", "number"):
        return spelling.boolean(as_text(value))
    raise ExpressionError(f"boolean takes yes and no, but {value.said} is a {value.kind}")


def _to_double(value: Value) -> pl.Expr:
    if value.kind in ("text", "category"):
        return _defined(value.expr.str.strip_chars(" ").cast(pl.Float64))
    fitting: pl.Expr = fitted(value, "number", "cast")
    return fitting


def _to_boolean(value: Value) -> pl.Expr:
    return value.expr.cast(pl.Float64) != 0 if value.kind == "number" else _boolean(value)


def _to_date(value: Value) -> pl.Expr:
    if value.kind in ("text", "category"):
        return value.expr.str.strip_chars(" ").str.to_date("%Y-%m-%d", strict=True)
    if value.kind in ("date", "datetime", "any"):
        return value.expr.cast(pl.Date)
    raise ExpressionError(f"cast cannot make a date of {value.said}, a {value.kind}")


def _days(value: Value) -> pl.Expr:
    if value.kind == "date":
        return value.expr.cast(pl.Int32).cast(pl.Float64)
    if value.kind in ("datetime", "duration", "any"):
        moment = value.expr.cast(
            types()["duration"] if value.kind == "any" else types()[value.kind]
        )
        return _divided(moment.cast(pl.Int64), pl.lit(86_400e6))
    raise ExpressionError(f"days takes a date or duration, but {value.said} is a {value.kind}")


# Choices


def _case(*arguments: Any) -> pl.Expr:
    *pairs, default = arguments
    chain: Any = pl
    for condition, then in zip(pairs[::2], pairs[1::2], strict=True):
        chain = chain.when(condition).then(then)
    chosen: pl.Expr = chain.otherwise(default)
    return chosen


def case(values: Sequence[Value], *, said: str) -> Value:
    """The value after the first condition that holds: condition, value, ..., default."""
    kind = shared_kind([*values[1:-1:2], values[-1]], "case")
    slots = ["boolean", kind] * (len(values) // 2) + [kind]
    pairs = zip(values, slots, strict=True)
    expr = _case(*(fitted(value, slot, "case") for value, slot in pairs))
    size, growth = size_of(values, 1, "case"), growth_of(values, "case")
    return Value(expr, kind, said, size=size, growth=growth)


def within(values: Sequence[Value], *, said: str) -> Value:
    """Whether the first value is one of the others, which are constants."""
    values = with_dates(values, "in")
    kind = shared_kind(values, "in")
    choices = [
        datetime(one.year, one.month, one.day) if kind == "datetime" and type(one) is date else one
        for one in (value.constant for value in values[1:])
    ]
    listed = pl.Series(choices, dtype=types()[kind] if kind != "any" else None)
    expr = fitted(values[0], kind, "in").is_in(listed.implode())
    return Value(expr, "boolean", said, size=size_of(values, 1, "in"))


def _part(name: str, digits: int) -> Function:
    def build(expr: pl.Expr) -> pl.Expr:
        part: pl.Expr = getattr(expr.dt, name)()
        return part.cast(pl.Float64)

    return Function("clock" if name in ("hour", "minute") else "day", "number", build, 1, digits)


def _number_function(build: Callable[..., pl.Expr], takes: str = "number") -> Function:
    return Function(takes, "number", lambda *arguments: _defined(build(*arguments)))


def _comparison(build: Callable[..., pl.Expr]) -> Function:
    return Function("same same", "boolean", build)


TWO = "number number"
FUNCTIONS: dict[str, Function] = {
    "+": _number_function(lambda x, y: x + y, TWO),
    "-": _number_function(lambda x, y: x - y, TWO),
    "*": _number_function(lambda x, y: x * y, TWO),
    "/": Function(TWO, "number", lambda x, y: _divided(x, _not_zero(y))),
    "%": Function(TWO, "number", lambda x, y: _by_numpy(np.fmod, x, y)),
    "**": Function(TWO, "number", lambda x, y: _by_numpy(_power, x, y)),
    "unary -": _number_function(lambda x: -x),
    "=": _comparison(lambda x, y: x == y),
    "<>": _comparison(lambda x, y: x != y),
    "<": _comparison(lambda x, y: x < y),
    "<=": _comparison(lambda x, y: x <= y),
    ">": _comparison(lambda x, y: x > y),
    ">=": _comparison(lambda x, y: x >= y),
    "and": Function("boolean boolean", "boolean", lambda x, y: x & y),
    "or": Function("boolean boolean", "boolean", lambda x, y: x | y),
    "not": Function("boolean", "boolean", lambda x: ~x),
    "between": Function("same same same", "boolean", lambda x, low, high: x.is_between(low, high)),
    "is null": Function("value", "boolean", lambda value: value.expr.is_null()),
    "like": Function("text word", "boolean", _like),
    "||": Function("text text", "text", lambda x, y: pl.concat_str(x, y)),
    "coalesce": Function("same+", "same", lambda *values: pl.coalesce(*values)),
    "nullif": Function(
        "same same", "same", lambda x, y: pl.when((x == y).not_() | y.is_null()).then(x), 2
    ),
    "greatest": Function("same+", "same", lambda *values: pl.max_horizontal(*values)),
    "least": Function("same+", "same", lambda *values: pl.min_horizontal(*values)),
    "abs": _number_function(lambda x: x.abs()),
    "sign": _number_function(lambda x: x.sign()),
    "sqrt": _number_function(lambda x: x.sqrt()),
    "exp": _number_function(lambda x: x.exp()),
    "ln": _number_function(_log),
    "log": _number_function(_log, "number number?"),
    "log10": Function("number", "number", lambda x: _by_numpy(np.log10, _not_zero(x))),
    "log2": Function("number", "number", lambda x: _by_numpy(np.log2, _not_zero(x))),
    "log1p": _number_function(lambda x: x.replace(-1.0, None).log1p()),
    "floor": _number_function(lambda x: x.floor()),
    "ceil": _number_function(lambda x: x.ceil()),
    "round": _number_function(_round, "number whole?"),
    "sin": _number_function(lambda x: x.sin()),
    "cos": _number_function(lambda x: x.cos()),
    "tan": _number_function(lambda x: x.tan()),
    "atan": _number_function(lambda x: x.arctan()),
    "lower": Function("text", "text", lambda x: x.str.to_lowercase()),
    "upper": Function("text", "text", lambda x: x.str.to_uppercase()),
    "trim": Function("text", "text", lambda x: x.str.strip_chars(" ")),
    "length": Function("text", "number", lambda x: x.str.len_chars().cast(pl.Float64)),
    "substring": Function("text whole whole?", "text", _substring),
    "left": Function("text whole", "text", lambda x, count: x.str.head(_count(count))),
    "right": Function("text whole", "text", lambda x, count: x.str.tail(_count(count))),
    "concat": Function("text+", "text", lambda *texts: pl.concat_str(*texts, ignore_nulls=True)),
    "replace": Function("text word word", "text", _replace),
    "starts_with": Function("text word", "boolean", lambda x, with_: x.str.starts_with(with_)),
    "ends_with": Function("text word", "boolean", lambda x, with_: x.str.ends_with(with_)),
    "contains": Function(
        "text word", "boolean", lambda x, part: x.str.contains(part, literal=True)
    ),
    "year": _part("year", 4),
    "quarter": _part("quarter", 1),
    "month": _part("month", 2),
    "week": _part("week", 2),
    "day": _part("day", 2),
    "day_of_year": _part("ordinal_day", 3),
    "weekday": _part("weekday", 1),
    "hour": _part("hour", 2),
    "minute": _part("minute", 2),
    "days": Function("value", "number", _days),
    "category": Function("value", "category", _category, uses=5),
    "number": Function("value word?", "number", _number, uses=14),
    "boolean": Function("value", "boolean", _boolean, uses=50),
    "cast double": Function("value", "number", _to_double),
    "cast integer": Function(
        "value", "number", lambda value: _by_numpy(np.trunc, _to_double(value))
    ),
    "cast text": Function("value", "text", as_text, uses=5),
    "cast boolean": Function("value", "boolean", _to_boolean, uses=50),
    "cast date": Function("value", "date", _to_date),
}
