"""Kinds of a CSV file's columns, from its cells as text: of short files, parsed only once.

What is told here is what polars infers; where these rules are in doubt, it has to be asked.
"""

from collections.abc import Mapping

import polars as pl

from deltarule.tables.column_names import only, true_columns

Kind = pl.DataType | type[pl.DataType]

# Whole numbers of no zeros before them, and so few digits that floats hold them.
WHOLE = "^-?(?:0|[1-9][0-9]{0,14})$"
NUMBER = r"^-?[0-9]{1,15}(?:\.[0-9]+)?$"
# All that polars might take for a number or a truth value, and more.
PERHAPS = r"(?i)^\s*[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d.*|inf.*|nan|true|false)\s*$"
# One of so many first cells of text shows it.
FEW = 100


def kinds_of(cells: pl.DataFrame) -> tuple[dict[str, pl.DataType], list[str]] | None:
    """What polars would infer of all these cells, and which columns are plain whole numbers.

    None where that is in doubt.
    """
    texts = true_columns(cells.head(FEW).select(pl.all().str.contains(PERHAPS).not_().any()))
    empty = true_columns(cells.select(pl.all().null_count() == pl.len()))
    left = only(cells, [name for name in cells.columns if name not in {*texts, *empty}])
    whole = true_columns(left.select(pl.all().str.contains(WHOLE).all()))
    left = only(left, [name for name in left.columns if name not in whole])
    fraction = pl.all().str.contains(".", literal=True).any()
    floats = true_columns(left.select(pl.all().str.contains(NUMBER).all() & fraction))
    if len(floats) < left.width:
        return None
    kinds: dict[str, pl.DataType] = dict.fromkeys(cells.columns, pl.String())
    return kinds | dict.fromkeys(whole, pl.Int64()) | dict.fromkeys(floats, pl.Float64()), whole


def typed(cells: pl.DataFrame, schema: Mapping[str, Kind]) -> pl.DataFrame | None:
    """The rows that polars would parse of these cells; None where it might parse others."""
    made = {}
    for series in cells:
        kind = schema[series.name]
        if kind not in (pl.String, pl.Int64, pl.Float64):
            return None
        values = series if kind == pl.String else series.cast(kind, strict=False)
        if values.null_count() > series.null_count():
            return None
        made[series.name] = values
    return pl.DataFrame(made)


def either(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """The type that has values of both."""
    if one == other:
        return one
    return pl.Float64() if one.is_numeric() and other.is_numeric() else pl.String()
