"""The values of an expression: their kinds, and which of them the arguments of a function take."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal

from deltarule.dataclass import dataclass
from deltarule.deferred import polars as pl
from deltarule.errors import ExpressionError
from deltarule.tables import column_names as names
from deltarule.tables.dates import iso_moment

# Operations that polars would be handed after all arguments were written out; see `uses`.
LARGEST = 5_000
# Text that is put together or replaced is at most so many times as long as a column's, a cell of
# which counts as 100 letters: 1.3 GB a batch.
MOST_GROWTH, CELL = 100, 100


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


def column_value(name: str, dtype: pl.DataType | None) -> Value:
    """A column of the table as a value; of any kind where its type is not known yet."""
    expr, said = names.cells(name, dtype), f"column {name!r}"
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
    kinds: dict[type, Kind] = {bool: "boolean", float: "number", str: "text"}
    kinds |= {date: "date", datetime: "datetime"}
    kind = kinds[type(value)]
    growth = len(value.encode()) / CELL if isinstance(value, str) else 0.0
    return Value(
        pl.lit(value, dtype=types()[kind]), kind, repr(value), constant=value, growth=growth
    )


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


def shared_kind(values: Sequence[Value], name: str) -> Kind:
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


def with_dates(values: Sequence[Value], name: str) -> list[Value]:
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
    found = iso_moment(text)
    if found is None:
        raise ExpressionError(
            f"{name} has {beside.said} beside {text[:40]!r}, which is no date as 2020-01-31 is"
        )
    return found


def fitted(value: Value, slot: str, name: str) -> Any:
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


def size_of(values: Sequence[Value], uses: int, name: str) -> int:
    """How many operations this is when all arguments are written out."""
    size = 1 + uses * sum(value.size for value in values)
    if size > LARGEST:
        raise ExpressionError(f"it nests {name} too often to be computed: make it simpler")
    return size


def growth_of(values: Sequence[Value], name: str) -> float:
    """How much larger than a column's the text is that a function gives.

    Errors:  ExpressionError where it could fill all memory
    """
    growths = [value.growth for value in values]
    growth = sum(growths) if name in ("||", "concat") else max(growths)
    if name == "replace" and all(isinstance(value.constant, str) for value in values[1:]):
        old, new = (len(value.constant.encode()) for value in values[1:])
        growth = growths[0] * max(1.0, new / max(old, 1))
    if growth > MOST_GROWTH:
        raise ExpressionError(
            f"{name} makes text {growth:,.0f} times as long as that of a column, "
            f"of at most {MOST_GROWTH} times"
        )
    return growth
