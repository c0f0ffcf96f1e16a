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
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.deferred import polars as pl
from deltarule.errors import ExpressionError
from deltarule.tables import column_names as names
from deltarule.tables.expressions import number_text as spelling
from deltarule.tables.expressions.budget import CELL, growth_of, size_of
from deltarule.tables.expressions.constants import iso_date

Kind = Literal[
    "number", "category", "boolean", "text", "date", "datetime", "time", "duration", "any"
]


@cache
def types() -> dict[str, pl.DataType]:
    """The type of each kind, but any."""
    return {
        "number": pl.Float64(),
        "boolean": pl.Boolean(),
        "text": pl.String(),
        "category": pl.String(),
        "date": pl.Date(),
        "datetime": pl.Datetime("us"),
        "time": pl.Time(),
        "duration": pl.Duration("us"),
    }


ADVICE = {
    ("text", "number"): ": number(...) reads numbers from text",
    ("text", "boolean"): ": boolean(...) reads yes and no from text",
    ("number", "text"): ": cast(... as text) makes it one",
    ("date", "number"): ": days(...) counts a date's days",
    ("datetime", "number"): ": days(...) counts a date's days",
    ("duration", "number"): ": days(...) counts its days",
    ("text", "date"): ": cast(... as date) reads dates from text",
}

LIKE_LENGTH = 200  # longer patterns make automata of megabytes


@dataclass(frozen=True)
class Value:
    """An argument: how it is computed, of what kind it is, what messages call it."""

    expr: pl.Expr
    kind: Kind
    said: str
    dtype: pl.DataType | None = None
    """As the column stores it, where it is one."""
    constant: Any = None
    digits: int = 1
    """To how many digits category() writes it, so that months sort."""
    size: int = 1
    growth: float = 1.0
    """How many times the text of a column's cell it is at most, a cell counted as 100 letters."""


@dataclass(frozen=True)
class Function:
    """A function: the kinds it takes ("?" may be left out, "+" is one or more), what it gives."""

    takes: str
    gives: Kind | Literal["same"]
    build: Callable[..., pl.Expr]
    uses: int = 1
    digits: int = 1


def column(name: str, dtype: pl.DataType | None) -> Value:
    """A column of the table as a value; of any kind where its type is not known yet."""
    expr, said = names.column(name), f"column {name!r}"
    if dtype is None or dtype == pl.Null:
        return Value(expr, "any", said, dtype)
    said += f" ({dtype})"
    if dtype.is_float():
        return Value(expr.fill_nan(None), "number", said, dtype, size=3)
    if dtype.is_decimal():
        return Value(expr.cast(pl.Float64), "number", said)
    if dtype.is_integer():
        return Value(expr, "number", said, dtype)
    if isinstance(dtype, pl.Datetime):
        return Value(_clock(expr, dtype.time_zone), "datetime", said, dtype)
    if isinstance(dtype, pl.Duration):
        return Value(expr.cast(types()["duration"]), "duration", said, dtype)
    kinds: dict[type[pl.DataType], Kind] = {
        pl.Boolean: "boolean",
        pl.String: "text",
        pl.Categorical: "text",
        pl.Enum: "text",
        pl.Date: "date",
        pl.Time: "time",
    }
    for kept, kind in kinds.items():
        if isinstance(dtype, kept):
            return Value(expr.cast(types()[kind]), kind, said, dtype)
    raise ExpressionError(f"{said} is of a type that no expression reads")


def _clock(moment: pl.Expr, zone: str | None) -> pl.Expr:
    """Times as the clocks of their zone show them; zones may be offsets, which polars knows not."""
    offset = re.fullmatch(r"([-+])(\d\d):?(\d\d)", zone or "")
    if offset is None:
        return moment.dt.replace_time_zone(None).cast(types()["datetime"])
    minutes = int(offset[2]) * 60 + int(offset[3])
    ahead = pl.duration(minutes=-minutes if offset[1] == "-" else minutes)
    return moment.cast(types()["datetime"]) + ahead


def constant(value: float | str | bool | date | None) -> Value:
    """A constant as a value."""
    if value is None:
        return Value(pl.lit(None), "any", "null")
    kinds: dict[type, Kind] = {bool: "boolean", float: "number", str: "text", date: "date"}
    kind = kinds[type(value)]
    growth = len(value.encode()) / CELL if isinstance(value, str) else 0.0
    return Value(
        pl.lit(value, dtype=types()[kind]), kind, repr(value), constant=value, growth=growth
    )


def apply(name: str, values: Sequence[Value], *, said: str) -> Value:
    """A function of these values.

    Errors:  ExpressionError for the wrong number of arguments or wrong kinds
    """
    function = FUNCTIONS[name]
    slots = slots_of(function.takes, len(values), name)
    if "same" in slots:
        values = _with_dates(values, name)
    same = [value for value, slot in zip(values, slots, strict=True) if slot == "same"]
    kind = _shared(same, name) if same else "any"
    arguments = [
        _fit(value, kind if slot == "same" else slot, name)
        for value, slot in zip(values, slots, strict=True)
    ]
    size = size_of(values, function.uses, name)
    gives = kind if function.gives == "same" else function.gives
    growth = growth_of(values, name)
    expr = function.build(*arguments)
    return Value(expr, gives, said, digits=function.digits, size=size, growth=growth)


def unknown(name: str, known: Sequence[str]) -> ExpressionError:
    """What is said of a function that is not there."""
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    return ExpressionError(f"there is no function {name[:40]!r}: {hint}")


def slots_of(takes: str, count: int, name: str) -> list[str]:
    """The kind of each argument of a function that takes these.

    Errors:  ExpressionError for the wrong number of them
    """
    slots = takes.split()
    least = sum(not slot.endswith("?") for slot in slots)
    most: float = len(slots)
    if slots[-1].endswith("+"):
        slots += [slots[-1]] * (count - len(slots))
        most = math.inf
    if not least <= count <= most:
        wanted = f"{least} or more" if most > 99 else " or ".join(map(str, {least, len(slots)}))
        raise ExpressionError(f"{name} takes {wanted} argument{'s' * (wanted != '1')}, not {count}")
    return [slot.rstrip("?+") for slot in slots[:count]]


def _shared(values: Sequence[Value], name: str) -> Kind:
    """The kind that these values have in common."""
    known = [value for value in values if value.kind != "any"]
    kinds: list[Kind] = ["text" if one.kind == "category" else one.kind for one in known]
    wider: tuple[tuple[set[str], Kind], ...] = (
        ({"number", "boolean"}, "number"),
        ({"date", "datetime"}, "datetime"),
    )
    for several, kind in wider:
        if set(kinds) == several:
            return kind
    for value, kind in zip(known, kinds, strict=True):
        if kind != kinds[0]:
            raise ExpressionError(
                f"{name} takes values of one kind, but {known[0].said} is a {kinds[0]} and "
                f"{value.said} a {kind}{ADVICE.get((kind, kinds[0]), '')}"
            )
    return kinds[0] if kinds else "any"


def _with_dates(values: Sequence[Value], name: str) -> list[Value]:
    """These values, texts that are written out read as dates where they stand beside one.

    Errors:  ExpressionError for a text that is no date
    """
    beside = next((value for value in values if value.kind in ("date", "datetime")), None)
    if beside is None:
        return list(values)
    return [
        constant(_date(value.constant, beside, name)) if isinstance(value.constant, str) else value
        for value in values
    ]


def _date(text: str, beside: Value, name: str) -> date:
    found = iso_date(text)
    if found is None:
        raise ExpressionError(
            f"{name} has {beside.said} beside {text[:40]!r}, which is no date as 2020-01-31 is"
        )
    return found


def _fit(value: Value, slot: str, name: str) -> Any:
    """The argument as its place wants it: an expression, a constant, or the value as it is."""
    if slot == "value" or (slot == "any" and value.kind == "any"):
        return value if slot == "value" else value.expr
    if slot in ("word", "whole"):
        written = value.constant
        if isinstance(written, str) and slot == "word":
            return written
        if isinstance(written, float) and slot == "whole" and written.is_integer():
            return written
        a = "a text in quotes" if slot == "word" else "a whole number that is written out"
        raise ExpressionError(f"{name} takes {a}, not {value.said}")
    fits = {
        "number": ("number", "boolean"),
        "text": ("text", "category"),
        "day": ("date", "datetime"),
        "clock": ("date", "datetime", "time"),
        "datetime": ("date", "datetime"),
    }.get(slot, (slot,))
    if slot == "clock" and value.kind == "date":
        return value.expr.cast(types()["datetime"])
    if value.kind == "any" or (value.kind in fits and slot in types()):
        return value.expr.cast(types().get(slot, types()["datetime"]))
    if value.kind in fits:
        return value.expr
    said = {"day": "date", "clock": "time"}.get(slot, slot)
    advice = ADVICE.get((value.kind, said), "")
    raise ExpressionError(f"{name} takes a {said}, but {value.said} is a {value.kind}{advice}")


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
    fitting: pl.Expr = _fit(value, "number", "number")
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
    fitting: pl.Expr = _fit(value, "number", "cast")
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
    kind = _shared([*values[1:-1:2], values[-1]], "case")
    slots = ["boolean", kind] * (len(values) // 2) + [kind]
    pairs = zip(values, slots, strict=True)
    expr = _case(*(_fit(value, slot, "case") for value, slot in pairs))
    size, growth = size_of(values, 1, "case"), growth_of(values, "case")
    return Value(expr, kind, said, size=size, growth=growth)


def within(values: Sequence[Value], *, said: str) -> Value:
    """Whether the first value is one of the others, which are constants."""
    values = _with_dates(values, "in")
    kind = _shared(values, "in")
    choices = [
        datetime(one.year, one.month, one.day) if kind == "datetime" else one
        for one in (value.constant for value in values[1:])
    ]
    listed = pl.Series(choices, dtype=types()[kind] if kind != "any" else None)
    expr = _fit(values[0], kind, "in").is_in(listed.implode())
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
