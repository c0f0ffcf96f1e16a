"""Cast columns to numbers, text, level names, class names and row weights."""

from __future__ import annotations

import numpy as np

from deltarule.deferred import polars as pl
from deltarule.errors import ValueRefusedError
from deltarule.rule.predict import Array
from deltarule.tables.missing_words import GAP_WORDS


def numbers_of(series: pl.Series, *, where: str, row: int = 0) -> Array:
    """A column as float64, NaN where missing.

    Errors:  ValueRefusedError for values that are not numbers, and for infinite ones
    """
    kind = series.dtype
    if series.null_count() == len(series):
        return np.full(len(series), np.nan)
    if kind.is_float() or kind.is_integer():
        return _finite(series, where=where, row=row)
    numeric = kind.is_numeric() or kind == pl.Boolean
    # Text is parsed as numbers, if all of it can be.
    if kind == pl.String:
        series = series.replace(list(GAP_WORDS), [None] * len(GAP_WORDS))
    parsed = series.cast(pl.Float64, strict=False) if numeric or kind == pl.String else None
    wrong = series.is_not_null() & (True if parsed is None else parsed.is_null())
    if wrong.any():
        at = int(wrong.arg_max() or 0)
        shown = str(series.slice(at, 1).to_list()[0])
        raise ValueRefusedError(f"{where}, row {row + at + 1}: {shown!r} is not a number")
    assert parsed is not None, "what could not be parsed was refused"
    return _finite(parsed, where=where, row=row)


def _finite(series: pl.Series, *, where: str, row: int) -> Array:
    """Numbers as float64, NaN where missing, none of them infinite."""
    values: Array = (series if series.dtype == pl.Float64 else series.cast(pl.Float64)).to_numpy()
    infinite = np.isinf(values)
    if infinite.any():
        at = int(np.argmax(infinite))
        raise ValueRefusedError(f"{where}, row {row + at + 1} is infinite: fix or remove that row")
    return values


def levels_by_count(series: pl.Series) -> list[str]:
    """The distinct values of a column as text, blank ones apart, by frequency; ties by name."""
    text = text_of(series).alias("level")
    counts = text.filter(text.str.strip_chars() != "").value_counts(name="rows")
    return counts.sort(["rows", "level"], descending=[True, False])["level"].to_list()


def text_of(series: pl.Series) -> pl.Series:
    """A column of any type as text: booleans in words, whole numbers without a point.

    Errors:  ValueRefusedError for values that have no text, such as lists
    """
    kind = series.dtype
    if kind == pl.String:
        return series
    if kind.is_nested() or kind in (pl.Duration, pl.Object):
        raise ValueRefusedError(
            f"column '{series.name}' is {str(kind).lower()}, which has no text: give text, numbers "
            "or dates"
        )
    values = series.alias("value").to_frame()
    return values.select(label(pl.col("value"), series.dtype)).to_series().alias(series.name)


def label(values: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A column's values as level names, by value alone, so that 1 and 1.0 are one level."""
    text = values.cast(pl.String)
    if not kind.is_float():
        return text
    whole = (values == values.floor()) & (values.abs() < 2**53)
    return pl.when(whole).then(values.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(text)


def as_category(values: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A column of categorical type whose values are numbers, as level names."""
    return label(values, kind).cast(pl.Categorical)


def class_names(series: pl.Series) -> pl.Series:
    """A target's values as class names, whatever type they have.

    1 and 1.0 are one class, and so are true and True.
    """
    text = text_of(series.fill_nan(None) if series.dtype.is_float() else series)
    lower = text.str.to_lowercase()
    text = text.zip_with(lower.is_in(["true", "false"]).fill_null(value=False).not_(), lower)
    return text.str.replace(r"^([-+]?[0-9]+)\.0+$", "$1")


def row_weights_of(frame: pl.DataFrame, column: str | None, *, name: str, row: int) -> Array | None:
    """The row weights, 0 where missing; None where all rows have the same.

    Errors:  ValueRefusedError for a weight below 0
    """
    if column is None:
        return None
    weights = np.nan_to_num(
        numbers_of(frame[column], where=f"{name}, column '{column}'", row=row), nan=0.0
    )
    if (weights < 0).any():
        at = int(np.argmax(weights < 0))
        where = f"{name}, column '{column}', row {row + at + 1}"
        raise ValueRefusedError(
            f"{where}: a row's weight of {weights[at]:g} is below 0: weights count rows"
        )
    return weights


def check_exposure(series: pl.Series, *, where: str, row: int) -> None:
    """Refuse exposures below 0; a row where it is missing or 0 has no information.

    Errors:  ValueRefusedError
    """
    values = numbers_of(series, where=where, row=row)
    if (values < 0).any():
        at = int(np.argmax(values < 0))
        raise ValueRefusedError(
            f"{where}, row {row + at + 1}: an exposure of {values[at]:g} is below 0: "
            "fix or remove that row"
        )


def all_whole(weights: pl.Series) -> bool:
    """Whether row weights are all whole numbers."""
    values = weights.cast(pl.Float64, strict=False).drop_nulls()
    return bool((values == values.floor()).all())
