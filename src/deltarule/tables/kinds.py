"""Kinds: what a column's values are, in one word, and whether they can be an input or a target."""

from __future__ import annotations

from deltarule.deferred import polars as pl
from deltarule.errors import ColumnError, TargetError
from deltarule.tables.part import Part


class LeftOut(Part):
    """A column that is no input, and why."""

    name: str
    kind: str
    why: str


def kind_of(kind: pl.DataType) -> str:
    """The kind of a column in one word."""
    if kind == pl.Boolean:
        return "boolean"
    if kind.is_numeric():
        return "number"
    if kind.is_temporal():
        return {pl.Duration: "duration", pl.Time: "time"}.get(type(kind), "date")
    return "text" if kind in (pl.String, pl.Categorical, pl.Enum) else str(kind).lower()


def input_kind(series: pl.Series) -> tuple[str, str]:
    """The kind of an input, and why it cannot be one, if it cannot."""
    kind = series.dtype
    if kind == pl.Null:
        return "nothing", "no value in it"
    word = kind_of(kind)
    if word in ("boolean", "number"):
        return word, ""
    if word == "text":
        return "category", ""
    return word, f"columns of this kind ({kind}) are no inputs"


def check_number(
    series: pl.Series, what: str, error: type[ColumnError | TargetError], more: str = ""
) -> None:
    """Refuse a column that is no numbers, with this error; `more` says what else would do."""
    kind = series.dtype
    if kind.is_numeric() or kind == pl.Boolean or series.null_count() == len(series):
        return
    wrong = series.drop_nulls()
    if kind == pl.String:
        wrong = wrong.filter(wrong.cast(pl.Float64, strict=False).is_null())
    value = str(wrong[0] if len(wrong) else series.drop_nulls()[0])
    raise error(f"{what} is not a column of numbers (it has {value!r}): choose one that is{more}")
