"""Schema: how columns are encoded as inputs and targets, learnt once and then fixed.

A number or a yes/no column is one input, its missing values filled with its mean, and where some
were missing a second input, the missing indicator. A category is one-hot encoded without its
reference level; rare levels are pooled as (other), which unseen levels join at prediction.

Shapes: n rows, p inputs, k outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from deltarule.dataclass import dataclass
from deltarule.deferred import polars as pl
from deltarule.errors import TargetError, ValueRefusedError
from deltarule.rule.predict import Array, Mask
from deltarule.tables.cast import class_names, numbers_of, text_of
from deltarule.tables.column_names import check_there
from deltarule.tables.expressions.inverse import Inverse
from deltarule.tables.kinds import LeftOut
from deltarule.tables.part import Part
from deltarule.tables.terms import Term
from deltarule.tables.text_formats import (
    BooleanFormat,
    DateFormat,
    FlagFormat,
    Format,
    NumberFormat,
    TimeFormat,
    meant,
)

# What rows of a table alone need is loaded by them: a model's file and a row as a dict need little.
if TYPE_CHECKING:
    from deltarule.moments.chunked_array import ChunkedArray
    from deltarule.moments.design_matrix import CategoryCodes
from deltarule.tables.schema_columns import (
    MISSING,
    OTHER,
    Category,
    Column,
    Input,
    Number,
    Offset,
    Target,
    placed,
    spans_of,
)

# Beyond so many levels of all categories a design matrix of rows is never dense.
MANY_LEVELS = 256
# How text is read where numbers were learnt from.
PLAIN = NumberFormat(leading_zeros=True)


@dataclass
class Noticed:
    """The drift of some rows at prediction: masks of rows by column and kind."""

    unseen: dict[str, Mask] = field(default_factory=dict)
    outside: dict[str, Mask] = field(default_factory=dict)
    missing: dict[str, Mask] = field(default_factory=dict)


class Schema(Part):
    """The schema of a model: columns by name, in the order of the weights."""

    columns: tuple[Column, ...]
    targets: tuple[Target, ...]
    row_weight: str | None
    drop_missing: bool
    left_out: tuple[LeftOut, ...]
    read_through: dict[str, str] = Field(default_factory=dict)
    """The type of each column that expressions read: text must be text again."""
    offset: Offset | None = None
    formats: dict[str, Annotated[Format, Field(discriminator="kind")]] = Field(default_factory=dict)
    """The format of each text column that holds another type."""
    missing_words: tuple[str, ...] = ()
    """Words that stand for missing in every column."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.offset is not None and self.offset.name in [
            one.name for one in (*self.columns, *self.targets)
        ]:
            raise ValueError(f"'{self.offset.name}' is the offset and another column")
        return self

    @property
    def known(self) -> dict[str, Column | Offset]:
        """The columns that prediction reads, by name."""
        offset = () if self.offset is None else (self.offset,)
        return {one.name: one for one in (*self.columns, *offset)}

    @property
    def inputs(self) -> list[tuple[str, str | None]]:
        """The (column, level) of each input, in order; the level is None for a number."""
        return [(column.name, level) for column in self.columns for level in column.levels]

    def spans(self) -> dict[str, slice]:
        """The slice of each column's inputs."""
        return spans_of(self.columns)

    @property
    def outputs(self) -> list[str]:
        """The name of each output: a target, or target=class."""
        return [
            target.name if level is None else f"{target.name}={level}"
            for target in self.targets
            for level in target.levels
        ]

    @property
    def inverses(self) -> dict[str, Inverse]:
        """The inverse transforms of targets that are expressions, by target."""
        names = {target.name for target in self.targets}
        found = {target.name: target.inverse for target in self.targets}
        return {t: one for t, one in found.items() if one is not None and one.column not in names}

    def target_spans(self) -> dict[str, slice]:
        """The slice of each target's outputs."""
        return spans_of(self.targets)

    @property
    def needs(self) -> list[str]:
        """The table's columns that the inputs and the offset read."""
        return list(dict.fromkeys(c for one in self.known.values() for c in one.term.columns))

    @property
    def expects(self) -> dict[str, type[pl.DataType]]:
        """The types to read the columns of an untyped file as."""
        kinds: dict[str, type[pl.DataType]] = {}
        for column, word in self.read_through.items():
            if word == "text":
                kinds[column] = pl.String
        by_word = {"text": pl.String, "number": pl.Float64}
        for one in self.columns:
            if isinstance(one, Category) and one.expression is None and one.of in by_word:
                kinds[one.name] = by_word[one.of]
        for column, how in self.text_formats.items():
            plain = how in (NumberFormat(), PLAIN, FlagFormat())
            kinds[column] = pl.Float64 if plain else pl.String
        return kinds

    @property
    def text_formats(self) -> dict[str, Format]:
        """The format of each of the table's text columns that hold another type."""
        by_kind: dict[str, Format] = {
            "number": PLAIN,
            "date": DateFormat(kind="datetime"),
            "time": TimeFormat(),
            "boolean": BooleanFormat(),
        }
        kinds = self.read_through.items()
        found = {name: by_kind[kind] for name, kind in kinds if kind in by_kind}
        numbers = [one for one in self.known.values() if not isinstance(one, Category)]
        for one in (*numbers, *(target for target in self.targets if not target.classes)):
            if one.expression is None:
                flag = (one.low, one.high) == (0, 1)
                found[one.name] = FlagFormat() if flag else PLAIN
        return {**found, **self.formats}

    def view(
        self, frame: pl.DataFrame, *, name: str, row: int = 0, targets: bool = False
    ) -> pl.DataFrame:
        """The evaluated terms of the inputs of these rows, and of the targets if wanted.

        Errors:  ColumnError; ValueRefusedError for a value that an expression cannot take;
                 ExpressionError for a column of another type than in training
        """
        wanted: list[Input] = [*self.known.values(), *(self.targets if targets else ())]
        terms = [one.term for one in wanted]
        check_there(frame.columns, [c for term in terms for c in term.columns], name=name)
        for column, word in self.read_through.items():
            if word == "number" and column in frame.columns and frame[column].dtype == pl.String:
                numbers = numbers_of(frame[column], where=f"{name}, column '{column}'", row=row)
                frame = frame.with_columns(pl.Series(column, numbers).fill_nan(None))
        from deltarule.tables.polars_source import PROBLEMS

        schema = frame.schema  # made anew whenever it is taken: 2 ms of a thousand columns
        for term in terms:
            term.check(schema, name=name)
        try:
            return frame.select([term.polars(schema) for term in terms])
        except PROBLEMS:
            raise _refused(frame, terms, name=name, row=row) from None

    def encode(
        self, frame: pl.DataFrame, *, name: str = "the table", row: int = 0
    ) -> tuple[Array, Noticed]:
        """The design matrix of these rows, given by their terms, and their drift.

        `row` is the number of the first row, for messages.
        Shapes:  -> (n, p)
        Errors:  ColumnError for a column that is not there, ValueRefusedError for infinite values
                 and for text where numbers were
        """
        check_there(frame.columns, [column.name for column in self.columns], name=name)
        inputs = np.empty((frame.height, len(self.inputs)), order="F")
        noticed = Noticed()
        for column, span in zip(self.columns, self.spans().values(), strict=True):
            series = frame[column.name]
            if isinstance(column, Number):
                self.encode_number(
                    column, series, inputs[:, span], noticed, f"{name}, column '{column.name}'", row
                )
            else:
                self._encode_category(column, series, inputs[:, span], noticed)
        return inputs, noticed

    def offsets(
        self, frame: pl.DataFrame, noticed: Noticed, *, name: str = "the table", row: int = 0
    ) -> Array | None:
        """The offset of each row, (n,), NaN where missing; None for a model without one.

        Their drift is added to that of the inputs.
        Errors:  ValueRefusedError for an infinite one
        """
        if self.offset is None:
            return None
        own = self.offset
        values = numbers_of(frame[own.name], where=f"{name}, column '{own.name}'", row=row)
        gaps = np.isnan(values)
        with np.errstate(invalid="ignore"):
            outside = (values < own.low) | (values > own.high)
        if outside.any():
            noticed.outside[own.name] = outside
        if gaps.any():
            noticed.missing[own.name] = gaps
        return values

    def columns_of(
        self, frame: pl.DataFrame, *, name: str, row: int = 0
    ) -> tuple[list[ChunkedArray | CategoryCodes], Noticed]:
        """The design matrix of training rows as columns (n,), and their drift.

        A category is one column of codes where all categories have many levels.

        A number without gaps is passed on without a copy or a check. Only rows that are left out,
        for a missing target or a weight of 0, may be missing there: NaN.
        """
        from deltarule.moments.chunked_array import ChunkedArray
        from deltarule.moments.design_matrix import MOST_DENSE, CategoryCodes

        found: list[ChunkedArray | CategoryCodes] = []
        levels = sum(len(one.levels) for one in self.columns if isinstance(one, Category))
        noticed = Noticed()
        for column in self.columns:
            series, where = frame[column.name], f"{name}, column '{column.name}'"
            if isinstance(column, Number) and not (column.missing or self.drop_missing):
                found.append(ChunkedArray.of(series))
                continue
            if isinstance(column, Category) and levels > MOST_DENSE:
                codes = self.codes(column, series, noticed)
                if levels > MANY_LEVELS:
                    codes[codes < 0] = 0  # a row that is left out
                if (codes >= 0).all():
                    found.append(CategoryCodes(placed(column)[codes], len(column.levels)))
                    continue
            inputs = np.empty((frame.height, len(column.levels)), order="F")
            if isinstance(column, Number):
                self.encode_number(column, series, inputs, noticed, where, row)
            else:
                self._encode_category(column, series, inputs, noticed)
            found.extend(ChunkedArray((inputs[:, at],)) for at in range(len(column.levels)))
        return found, noticed

    def encode_number(
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

    def codes(self, column: Category, series: pl.Series, noticed: Noticed) -> NDArray[np.int64]:
        """The level code of each row, -1 for an unknown level: (n,)."""
        labels = list(column.known)
        if series.dtype.is_float():
            series = series.fill_nan(None)
        if column.of == "boolean" and series.dtype.is_numeric():
            series = series.cast(pl.Boolean)  # as training rows are
        text = _spelled_as(text_of(series), [one for one in labels if one not in (MISSING, OTHER)])
        none = np.zeros(len(text), dtype=bool)
        gaps = text.is_null().to_numpy() if text.null_count() else none
        at = _places(text, labels)
        other = labels.index(OTHER) if OTHER in labels else -1
        at[gaps] = labels.index(MISSING) if MISSING in labels else other
        if gaps.any():
            noticed.missing[column.name] = gaps
        unseen = (at < 0) & ~gaps
        if unseen.any():
            noticed.unseen[column.name] = unseen
        at[unseen] = other
        return at

    def _encode_category(
        self, column: Category, series: pl.Series, into: Array, noticed: Noticed
    ) -> None:
        at, places = self.codes(column, series, noticed), placed(column)
        for place in range(len(column.levels)):
            into[:, place] = at == int(np.flatnonzero(places == place)[0])
        # Without a pooled level to join, an unseen level is encoded as the average row.
        lost = at < 0
        if lost.any():
            total = sum(column.known.values())
            for place, level in enumerate(column.levels):
                into[lost, place] = column.known[str(level)] / total

    def outcomes(self, frame: pl.DataFrame, *, name: str = "the table", row: int = 0) -> Array:
        """The targets of these rows, NaN where missing; classes one-hot encoded.

        Shapes:  -> (n, k)
        Errors:  ValueRefusedError; TargetError for an unknown class
        """
        check_there(frame.columns, [target.name for target in self.targets], name=name)
        columns: list[Array] = []
        for target in self.targets:
            series, where = frame[target.name], f"{name}, column '{target.name}'"
            if target.classes:
                columns.extend(_members(target, series, where=where, row=row))
            else:
                columns.append(numbers_of(series, where=where, row=row))
        return columns[0][:, None] if len(columns) == 1 else np.column_stack(columns)


def _spelled_as(text: pl.Series, labels: Sequence[str]) -> pl.Series:
    """Text with booleans in the words of the known levels, where these are the two booleans."""
    if len(labels) != 2:
        return text
    known = dict(zip(meant(pl.Series(labels, dtype=pl.String)), labels, strict=True))
    if known.keys() != {True, False}:
        return text
    strange = text.filter(text.is_in(labels).not_()).unique()
    words = pl.DataFrame({"as": meant(strange), "is": strange}).drop_nulls()
    return text.replace(words["is"], words["as"].replace_strict(known, return_dtype=pl.String))


def _refused(
    frame: pl.DataFrame, terms: Sequence[Term], *, name: str, row: int
) -> ValueRefusedError:
    """The error for the first row that a term cannot take."""
    for term in terms:
        low, high = 0, frame.height
        if _works(frame, term):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if _works(frame[low:middle], term):
                low = middle
            else:
                high = middle
        values = ", ".join(f"{c} {frame[c][low]!r}" for c in term.columns)
        where = f"{name}, row {row + low + 1}"
        return ValueRefusedError(f"{where}: '{term.expression}' cannot be computed from {values}")
    return ValueRefusedError(f"{name}: its rows cannot be computed with")


def _works(frame: pl.DataFrame, term: Term) -> bool:
    from deltarule.tables.polars_source import PROBLEMS

    try:
        frame.select(term.polars(frame.schema))
    except PROBLEMS:
        return False
    return True


def _as_classes(series: pl.Series, classes: pl.Series, *, where: str, row: int) -> pl.Series:
    """The values as the classes that they are; null where missing.

    Errors:  TargetError for an unknown class
    """
    text = _spelled_as(class_names(series), classes.to_list())
    # A file of an earlier version may have other spellings of classes.
    text = text.replace(class_names(classes), classes)
    strange = (text.is_null() | text.is_in(classes.implode()).fill_null(value=False)).not_()
    if strange.any():
        at = int(strange.arg_max() or 0)
        learnt = ", ".join(classes.to_list()[:8])
        raise TargetError(
            f"{where}, row {row + at + 1}: {text[at]!r} is none of the classes learnt: {learnt}"
        )
    return text


def _members(target: Target, series: pl.Series, *, where: str, row: int) -> list[Array]:
    """The one-hot columns of a target with classes; NaN where missing.

    Errors:  TargetError for an unknown class
    """
    classes = list(target.classes)
    at = _places(series, classes) if series.dtype == pl.String else None
    if at is None or (at < 0).sum() > series.null_count():
        names = pl.Series(classes, dtype=pl.String)
        at = _places(_as_classes(series, names, where=where, row=row), classes)
    return [np.where(at < 0, np.nan, at == classes.index(str(level))) for level in target.levels]


def _places(text: pl.Series, levels: Sequence[str]) -> NDArray[np.int64]:
    """The place of each cell among these levels, -1 where it is none of them: (n,)."""
    places = text.cast(pl.Enum(levels), strict=False).to_physical().cast(pl.Int64)
    found: NDArray[np.int64] = places.fill_null(-1).to_numpy().copy()
    return found
