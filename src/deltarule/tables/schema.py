"""Schema: which columns become which inputs, learnt once and then fixed.

A number or a yes/no column is one input, its missing values filled with its mean, and where some
were missing a second input that is 1 on those rows. A category is an input for each level but the
reference; levels seen too seldom share one, called (other), which unseen levels join at prediction.

Shapes: n rows, p inputs, k outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, model_validator

from deltarule.errors import LearningError, TargetError, ValueRefusedError
from deltarule.moments.chunked_array import ChunkedArray
from deltarule.moments.design_matrix import MOST_DENSE, CategoryCodes
from deltarule.rule.predict import Array, Mask
from deltarule.tables.cast import class_names, numbers_of, text_of
from deltarule.tables.column_names import check_there
from deltarule.tables.expressions.inverse import Inverse, inverse_of
from deltarule.tables.kinds import LeftOut
from deltarule.tables.left_out import gap, weight_gap
from deltarule.tables.part import Part
from deltarule.tables.polars_source import PROBLEMS
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

MISSING, OTHER = "(missing)", "(other)"
# How text is read where numbers were learnt from.
PLAIN = NumberFormat(leading_zeros=True)


class Input(Part):
    """What every input column has: its name, and the expression that gives it, if one does."""

    name: str
    expression: str | None = None

    @model_validator(mode="after")
    def _checked(self) -> Self:
        # A text from a model file is parsed, and refused unless all in it is known.
        try:
            assert self.term.columns
        except LearningError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def term(self) -> Term:
        """How it is made from a table's columns."""
        return Term(self.name, self.expression)


class Number(Input):
    """A number or yes/no input: what fills its gaps and the range it was seen in."""

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


class Category(Input):
    """A category: its levels with the rows each was seen on, the most frequent first."""

    kind: Literal["category"] = "category"
    known: dict[str, Annotated[FiniteFloat, Field(gt=0)]]
    reference: str | None
    """The level that has no input: the others are measured from it. None without intercept."""
    pooled: int = Field(ge=0)
    """How many levels were seen too seldom and share (other)."""
    of: Literal["text", "number", "boolean"] = "text"
    """What its values are read as, before they are the names of levels."""
    missing: FiniteFloat = 0.0
    """On how many rows it was missing, whether or not that is a level."""

    @property
    def levels(self) -> tuple[str | None, ...]:
        """What its inputs stand for."""
        return tuple(level for level in self.known if level != self.reference)


class Target(Input):
    """A column to predict: the range it was seen in, or its classes with their rows, by name."""

    low: FiniteFloat
    high: FiniteFloat
    classes: dict[str, Annotated[FiniteFloat, Field(gt=0)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if len(self.classes) == 1:
            raise ValueError("one class alone is nothing to predict")
        return self

    @property
    def inverse(self) -> Inverse | None:
        """What gives a column in its own units, where this is an expression of one."""
        if self.expression is None or self.classes:
            return None
        found = inverse_of(self.expression)
        return None if found is None or found.column == self.name else found

    @property
    def levels(self) -> tuple[str | None, ...]:
        """What its outputs stand for: itself, the second of two classes, or each class."""
        if not self.classes:
            return (None,)
        return tuple(self.classes) if len(self.classes) > 2 else (list(self.classes)[1],)


class Offset(Input):
    """What is added to every score as it is: its mean, and the range it was seen in."""

    kind: Literal["offset"] = "offset"
    mean: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    exposure: str | None = None
    """The column that it is the log of, where it was given as an exposure."""

    @property
    def gap(self) -> str:
        """Why a row has none, in words."""
        return gap(self.name) if self.exposure is None else weight_gap(self.exposure)


Column = Annotated[Number | Category, Field(discriminator="kind")]


@dataclass
class Noticed:
    """What prediction met that learning had not: by column, on which rows."""

    unseen: dict[str, Mask] = field(default_factory=dict)
    outside: dict[str, Mask] = field(default_factory=dict)
    missing: dict[str, Mask] = field(default_factory=dict)


class Schema(Part):
    """The contract of a model with its tables: columns by name, in the order of the weights."""

    columns: tuple[Column, ...]
    targets: tuple[Target, ...]
    row_weight: str | None
    drop_missing: bool
    left_out: tuple[LeftOut, ...]
    read_through: dict[str, str] = Field(default_factory=dict)
    """The kind of each column that expressions read: text must come as text again."""
    offset: Offset | None = None
    formats: dict[str, Annotated[Format, Field(discriminator="kind")]] = Field(default_factory=dict)
    """How text is read in each column that is of another kind; others' is plain, or labels."""
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
    def known(self) -> "dict[str, Column | Offset]":
        """What predicting reads, by name."""
        offset = () if self.offset is None else (self.offset,)
        return {one.name: one for one in (*self.columns, *offset)}

    @property
    def inputs(self) -> list[tuple[str, str | None]]:
        """(column, level) of each input, in order; the level is None for a number."""
        return [(column.name, level) for column in self.columns for level in column.levels]

    def spans(self) -> dict[str, slice]:
        """Where each column's inputs stand."""
        return _spans(self.columns)

    @property
    def outputs(self) -> list[str]:
        """What each output is called: a target, or target=class."""
        return [
            target.name if level is None else f"{target.name}={level}"
            for target in self.targets
            for level in target.levels
        ]

    @property
    def inverses(self) -> dict[str, Inverse]:
        """By target, what gives a column that is no target itself in its own units."""
        names = {target.name for target in self.targets}
        found = {target.name: target.inverse for target in self.targets}
        return {t: one for t, one in found.items() if one is not None and one.column not in names}

    def target_spans(self) -> dict[str, slice]:
        """Where each target's outputs stand."""
        return _spans(self.targets)

    @property
    def needs(self) -> list[str]:
        """The table's columns that the inputs and the offset are made from."""
        return list(dict.fromkeys(c for one in self.known.values() for c in one.term.columns))

    @property
    def expects(self) -> dict[str, type[pl.DataType]]:
        """What the columns of a file without types are to be read as."""
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
        """How text is read in each of the table's columns that are of another kind."""
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
        """The inputs' terms of these rows of a table, and the targets' if asked for.

        Errors:  ColumnError; ValueRefusedError for a value that an expression cannot take;
                 ExpressionError for a column of another kind than the one learnt from
        """
        wanted: list[Input] = [*self.known.values(), *(self.targets if targets else ())]
        terms = [one.term for one in wanted]
        check_there(frame.columns, [c for term in terms for c in term.columns], name=name)
        for column, word in self.read_through.items():
            if word == "number" and column in frame.columns and frame[column].dtype == pl.String:
                numbers = numbers_of(frame[column], where=f"{name}, column '{column}'", row=row)
                frame = frame.with_columns(pl.Series(column, numbers).fill_nan(None))
        for term in terms:
            term.check(frame.schema, name=name)
        try:
            return frame.select([term.polars(frame.schema) for term in terms])
        except PROBLEMS:
            raise _refused(frame, terms, name=name, row=row) from None

    def encode(
        self, frame: pl.DataFrame, *, name: str = "the table", row: int = 0
    ) -> tuple[Array, Noticed]:
        """The inputs of these rows, given by their terms, and what was new in them.

        `row` is how many rows of the table came before, for messages.
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
                self._encode_number(
                    column, series, inputs[:, span], noticed, f"{name}, column '{column.name}'", row
                )
            else:
                self._encode_category(column, series, inputs[:, span], noticed)
        return inputs, noticed

    def offsets(
        self, frame: pl.DataFrame, noticed: Noticed, *, name: str = "the table", row: int = 0
    ) -> Array | None:
        """What is added to each row's score, (n,), NaN where missing; None where nothing is.

        What is new in them is noticed beside what is new in the inputs.
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
        """The same of rows that were learnt from, each input a column (n,).

        The levels of a category are one column of codes where all categories have many.

        A number that never was missing is handed out where it is, without a copy or a look. Only
        rows that are left out, for a missing target or a weight of 0, may be missing there: NaN.
        """
        found: list[ChunkedArray | CategoryCodes] = []
        levels = sum(len(one.levels) for one in self.columns if isinstance(one, Category))
        noticed = Noticed()
        for column in self.columns:
            series, where = frame[column.name], f"{name}, column '{column.name}'"
            if isinstance(column, Number) and not (column.missing or self.drop_missing):
                found.append(ChunkedArray.of(series))
                continue
            if isinstance(column, Category) and levels > MOST_DENSE:
                codes = self._codes(column, series, noticed)
                if (codes >= 0).all():
                    found.append(CategoryCodes(_placed(column)[codes], len(column.levels)))
                    continue
            inputs = np.empty((frame.height, len(column.levels)), order="F")
            if isinstance(column, Number):
                self._encode_number(column, series, inputs, noticed, where, row)
            else:
                self._encode_category(column, series, inputs, noticed)
            found.extend(ChunkedArray((inputs[:, at],)) for at in range(len(column.levels)))
        return found, noticed

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

    def _codes(self, column: Category, series: pl.Series, noticed: Noticed) -> NDArray[np.int64]:
        """Which of the known levels each row has, -1 for none of them: (n,)."""
        labels = list(column.known)
        if column.of == "boolean" and series.dtype.is_numeric():
            series = series.cast(pl.Boolean)  # as the rows that were learnt from are kept
        text = _spelled_as(text_of(series), [one for one in labels if one not in (MISSING, OTHER)])
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
        return at

    def _encode_category(
        self, column: Category, series: pl.Series, into: Array, noticed: Noticed
    ) -> None:
        at, places = self._codes(column, series, noticed), _placed(column)
        for place in range(len(column.levels)):
            into[:, place] = at == int(np.flatnonzero(places == place)[0])
        # Without a pool to join, an unseen level counts as the average of those seen.
        lost = at < 0
        if lost.any():
            total = sum(column.known.values())
            for place, level in enumerate(column.levels):
                into[lost, place] = column.known[str(level)] / total

    def outcomes(self, frame: pl.DataFrame, *, name: str = "the table", row: int = 0) -> Array:
        """The targets of these rows, NaN where missing; of classes, 1 for the row's own.

        Shapes:  -> (n, k)
        Errors:  ValueRefusedError; TargetError for a class that was not learnt
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
    """Text with yes and no in the words learnt, where those two are all that was learnt."""
    known = dict(zip(meant(pl.Series(labels, dtype=pl.String)), labels, strict=True))
    if len(labels) != 2 or known.keys() != {True, False}:
        return text
    strange = text.filter(text.is_in(labels).not_()).unique()
    words = pl.DataFrame({"as": meant(strange), "is": strange}).drop_nulls()
    return text.replace(words["is"], words["as"].replace_strict(known, return_dtype=pl.String))


def _placed(column: Category) -> NDArray[np.int64]:
    """The place among the levels of each known one, and after the last for the reference."""
    levels = {str(level): place for place, level in enumerate(column.levels)}
    return np.array([levels.get(label, len(levels)) for label in column.known])


def _spans(parts: Sequence[Number | Category | Target]) -> dict[str, slice]:
    found, start = {}, 0
    for part in parts:
        found[part.name] = slice(start, start + len(part.levels))
        start += len(part.levels)
    return found


def _refused(
    frame: pl.DataFrame, terms: Sequence[Term], *, name: str, row: int
) -> ValueRefusedError:
    """The first row that a term cannot take, in words."""
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
    try:
        frame.select(term.polars(frame.schema))
    except PROBLEMS:
        return False
    return True


def _members(target: Target, series: pl.Series, *, where: str, row: int) -> list[Array]:
    """For each output of a target with classes, whether rows are of its class; NaN where missing.

    Errors:  TargetError for a class that was not learnt
    """
    text = _spelled_as(class_names(series), list(target.classes))
    gaps = text.is_null().to_numpy()
    # A file of an earlier version may have classes by other names.
    known = class_names(pl.Series(list(target.classes), dtype=pl.String))
    text = text.replace(known, list(target.classes))
    strange = ~(gaps | text.is_in(list(target.classes)).fill_null(value=False).to_numpy())
    if strange.any():
        at = int(np.argmax(strange))
        learnt = ", ".join(list(target.classes)[:8])
        raise TargetError(
            f"{where}, row {row + at + 1}: {text[at]!r} is none of the classes learnt: {learnt}"
        )
    return [
        np.where(gaps, np.nan, (text == level).fill_null(value=False).to_numpy())
        for level in target.levels
    ]
