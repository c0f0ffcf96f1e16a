"""Schema: which columns become which inputs, learnt once and then fixed.

A number or a yes/no column is one input, its missing values filled with its mean, and where some
were missing a second input that is 1 on those rows. A category is an input for each level but the
reference; levels seen too seldom share one, called (other), which unseen levels join at prediction.

Shapes: n rows, p inputs, k outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from deltarule.errors import ColumnError, ValueRefusedError
from deltarule.rule.predict import Array, Mask
from deltarule.tables.polars import GAP_WORDS

MISSING, OTHER = "(missing)", "(other)"


class Part(BaseModel):
    """A frozen piece of the contract; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Number(Part):
    """A number or yes/no column: what fills its gaps and the range it was seen in."""

    name: str
    kind: Literal["number", "boolean"]
    mean: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    missing: FiniteFloat
    gap: bool
    """Whether an input of its own says where it is missing."""

    @property
    def levels(self) -> tuple[str | None, ...]:
        """What its inputs stand for: itself, and perhaps being missing."""
        return (None, MISSING) if self.gap else (None,)


class Category(Part):
    """A category: its levels with the rows each was seen on, the most frequent first."""

    name: str
    kind: Literal["category"] = "category"
    known: dict[str, Annotated[FiniteFloat, Field(gt=0)]]
    reference: str | None
    """The level that has no input: the others are measured from it. None without intercept."""
    pooled: int = Field(ge=0)
    """How many levels were seen too seldom and share (other)."""

    @property
    def levels(self) -> tuple[str | None, ...]:
        """What its inputs stand for."""
        return tuple(level for level in self.known if level != self.reference)


class Target(Part):
    """A column to predict, and the range it was seen in."""

    name: str
    low: FiniteFloat
    high: FiniteFloat


class LeftOut(Part):
    """A column that is no input, and why."""

    name: str
    kind: str
    why: str


Column = Annotated[Number | Category, Field(discriminator="kind")]


@dataclass
class Noticed:
    """What prediction met that learning had not: by column, on which rows."""

    unseen: dict[str, Mask] = field(default_factory=dict)
    outside: dict[str, Mask] = field(default_factory=dict)
    missing: dict[str, Mask] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


class Schema(Part):
    """The contract of a model with its tables: columns by name, in the order of the weights."""

    columns: tuple[Column, ...]
    targets: tuple[Target, ...]
    row_weight: str | None
    drop_missing: bool
    left_out: tuple[LeftOut, ...]

    @property
    def inputs(self) -> list[tuple[str, str | None]]:
        """(column, level) of each input, in order; the level is None for a number."""
        return [(column.name, level) for column in self.columns for level in column.levels]

    def spans(self) -> dict[str, slice]:
        """Where each column's inputs stand."""
        found, start = {}, 0
        for column in self.columns:
            found[column.name] = slice(start, start + len(column.levels))
            start += len(column.levels)
        return found

    def encode(
        self, frame: pl.DataFrame, *, name: str = "the table", row: int = 0
    ) -> tuple[Array, Noticed]:
        """The inputs of these rows, and what was new in them.

        `row` is how many rows of the table came before, for messages.
        Shapes:  -> (n, p)
        Errors:  ColumnError for a column that is not there, ValueRefusedError for infinite values
                 and for text where numbers were
        """
        check_there(frame.columns, [column.name for column in self.columns], name=name)
        inputs = np.empty((frame.height, len(self.inputs)), order="F")
        noticed = Noticed()
        known = {column.name for column in self.columns} | {target.name for target in self.targets}
        noticed.ignored = [
            extra for extra in frame.columns if extra not in known and extra != self.row_weight
        ]
        for column, span in zip(self.columns, self.spans().values(), strict=True):
            series = frame[column.name]
            if isinstance(column, Number):
                self._encode_number(
                    column, series, inputs[:, span], noticed, f"{name}, column '{column.name}'", row
                )
            else:
                self._encode_category(column, series, inputs[:, span], noticed)
        return inputs, noticed

    def _encode_number(
        self, column: Number, series: pl.Series, into: Array, noticed: Noticed, where: str, row: int
    ) -> None:
        values = numbers_of(series, where=where, row=row)
        gaps = np.isnan(values)
        with np.errstate(invalid="ignore"):
            outside = (values < column.low) | (values > column.high)
        if outside.any():
            noticed.outside[column.name] = outside
        if gaps.any():
            noticed.missing[column.name] = gaps
            values = np.where(gaps, column.mean, values)
        into[:, 0] = values
        if column.gap:
            into[:, 1] = gaps

    def _encode_category(
        self, column: Category, series: pl.Series, into: Array, noticed: Noticed
    ) -> None:
        labels = list(column.known)
        text = text_of(series)
        gaps = text.is_null().to_numpy()
        codes = text.replace_strict(
            labels, list(range(len(labels))), default=-1, return_dtype=pl.Int64
        )
        at = codes.fill_null(-1).to_numpy().copy()
        other = labels.index(OTHER) if OTHER in labels else -1
        at[gaps] = labels.index(MISSING) if MISSING in labels else other
        if gaps.any():
            noticed.missing[column.name] = gaps
        unseen = (at < 0) & ~gaps
        if unseen.any():
            noticed.unseen[column.name] = unseen
        at[unseen] = other
        for place, level in enumerate(column.levels):
            into[:, place] = at == labels.index(str(level))
        # Without a pool to join, an unseen level counts as the average of those seen.
        lost = at < 0
        if lost.any():
            total = sum(column.known.values())
            for place, level in enumerate(column.levels):
                into[lost, place] = column.known[str(level)] / total

    def outcomes(self, frame: pl.DataFrame, *, name: str = "the table", row: int = 0) -> Array:
        """The targets of these rows, NaN where missing.

        Shapes:  -> (n, k)
        """
        check_there(frame.columns, [target.name for target in self.targets], name=name)
        columns = [
            numbers_of(frame[target.name], where=f"{name}, column '{target.name}'", row=row)
            for target in self.targets
        ]
        return np.column_stack(columns)


def numbers_of(series: pl.Series, *, where: str, row: int = 0) -> Array:
    """A column as float64, NaN where missing.

    Errors:  ValueRefusedError for what is no number, and for infinite values
    """
    kind = series.dtype
    if series.null_count() == len(series):
        return np.full(len(series), np.nan)
    numeric = kind.is_numeric() or kind == pl.Boolean
    # Text is read as the numbers it spells, if all of it does.
    if kind == pl.String:
        series = series.replace(list(GAP_WORDS), [None] * len(GAP_WORDS))
    parsed = series.cast(pl.Float64, strict=False) if numeric or kind == pl.String else None
    wrong = series.is_not_null() & (True if parsed is None else parsed.is_null())
    if wrong.any():
        at = int(wrong.arg_max() or 0)
        raise ValueRefusedError(f"{where}, row {row + at + 1}: {str(series[at])!r} is not a number")
    assert parsed is not None, "what could not be parsed was refused"
    values: Array = parsed.to_numpy()
    infinite = np.isinf(values)
    if infinite.any():
        at = int(np.argmax(infinite))
        raise ValueRefusedError(f"{where}, row {row + at + 1} is infinite: mend or remove that row")
    return values


def text_of(series: pl.Series) -> pl.Series:
    """A column as text, whatever it was: true and false in words, numbers as they print."""
    return series if series.dtype == pl.String else series.cast(pl.String)


def check_there(columns: Sequence[str], needed: Sequence[str], *, name: str) -> None:
    """Refuse a table that lacks a column, with the nearest names it has.

    Errors:  ColumnError
    """
    lacking = [column for column in needed if column not in columns]
    if not lacking:
        return
    first = lacking[0]
    near = get_close_matches(first, columns, n=3, cutoff=0.5)
    near += [c for c in columns if c.lower() == first.lower() and c not in near]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        shown = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        hint = f"it has {shown}" if columns else "it has no columns"
    more = f" (nor {', '.join(lacking[1:4])})" if len(lacking) > 1 else ""
    raise ColumnError(f"{name} has no column '{first}'{more}: {hint}")
