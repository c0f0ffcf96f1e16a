"""Chained sources: several tables as one, row after row, of the columns that the first one has."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from deltarule.errors import ColumnError
from deltarule.tables.column_names import check_there, column
from deltarule.tables.kinds import kind_of
from deltarule.tables.polars_source import explained
from deltarule.tables.source import (
    BATCH_ROWS,
    LOOK_ROWS,
    ROW,
    Source,
    TextHints,
    columns_read,
    rebatched,
)
from deltarule.tables.wrapped_source import MappedSource


class NumberedSource(MappedSource):
    """A source whose rows come with their numbers, which go on from `start`."""

    def __init__(self, source: Source, start: int) -> None:
        super().__init__(source)
        self.start = start

    def transform(self, frame: pl.DataFrame, row: int) -> pl.DataFrame:
        numbers = np.arange(self.start + row, self.start + row + frame.height)
        return frame.with_columns(pl.Series(ROW, numbers))


class ChainedSource(Source):
    """The rows of several sources, one after the other.

    Errors:  ColumnError for a column that one of them lacks, or has as another kind
    """

    def __init__(
        self, parts: Sequence[Source], schema: Mapping[str, pl.DataType] | None = None
    ) -> None:
        """The columns are those of `schema`, by default those of the first part."""
        first = parts[0]
        self.parts = tuple(parts)
        self.name = " and ".join(dict.fromkeys(part.name for part in parts))
        self.dialect = first.dialect
        self.typed = all(part.typed for part in parts)
        self.in_memory = all(part.in_memory for part in parts)
        self.repeatable = all(part.repeatable for part in parts)
        self.unordered = any(part.unordered for part in parts)
        self.once = any(part.once for part in parts)
        self.files: Sequence[Path] = [path for part in parts for path in part.files]
        self._given = schema
        self._schema: Mapping[str, pl.DataType] | None = None

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """The type of each column, to which all parts are cast.

        Errors:  ColumnError
        """
        if self._schema is None:
            given = self.parts[0].look().schema if self._given is None else self._given
            self._schema = {name: self._type(name, kind) for name, kind in given.items()}
        return self._schema

    def _type(self, name: str, given: pl.DataType) -> pl.DataType:
        """The type that all parts can be cast to; blank columns have any.

        Errors:  ColumnError
        """
        found = given if self._given is not None else None
        for part in self.parts:
            look = part.look()
            check_there(look.columns, [name], name=part.name)
            kind = look[name].dtype
            if kind == found or look[name].null_count() == look.height:
                continue
            if found is not None and kind_of(kind) != kind_of(found):
                raise ColumnError(
                    f"{part.name}: the column '{name}' is {kind_of(kind)}, and was "
                    f"{kind_of(found)} where the model was learnt: give it as it was, or learn a "
                    "new model"
                )
            found = kind if found is None else self._wider(name, found, kind, part.name)
        return given if found is None else found

    @staticmethod
    def _wider(name: str, one: pl.DataType, other: pl.DataType, where: str) -> pl.DataType:
        if kind_of(one) == "text":
            return pl.String()
        both = [pl.Series(name, [], dtype=kind).to_frame() for kind in (one, other)]
        with explained(where):
            return pl.concat(both, how="vertical_relaxed")[name].dtype

    @property
    def hints(self) -> TextHints:
        """Those of the first part that has them."""
        each = [part.hints for part in self.parts]
        marked = next((one for one in each if one.decimal), TextHints())
        return TextHints(
            decimal=marked.decimal,
            decimal_is_guess=marked.decimal_is_guess,
            commas_separate=all(one.commas_separate for one in each),
            date_order=next((one.date_order for one in each if one.date_order), None),
            mixed={name: said for one in each for name, said in one.mixed.items()},
        )

    @property
    def rows(self) -> int | None:
        each = [part.rows for part in self.parts]
        return None if None in each else sum(rows for rows in each if rows is not None)

    @property
    def reads(self) -> int:
        return max(part.reads for part in self.parts)

    @property
    def notes(self) -> list[str]:
        return list(dict.fromkeys(note for part in self.parts for note in part.notes))

    def expect(self, kinds: Mapping[str, type[pl.DataType]]) -> None:
        self._schema = None
        for part in self.parts:
            part.expect(kinds)

    def look(self) -> pl.DataFrame:
        looks = [part.look().select(self._read(part, list(self.schema))) for part in self.parts]
        return pl.concat(looks).head(LOOK_ROWS)

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        names = columns_read(columns, list(self.schema))

        def selected() -> Iterator[pl.DataFrame]:
            for part in self.parts:
                for batch in part.batches(self._read(part, names)):
                    with explained(self.name):
                        yield batch.select(columns)

        return rebatched(selected(), BATCH_ROWS)

    def whole_batches(
        self, columns: Sequence[pl.Expr], *, cells: bool = False
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        for rows in self.batches([column(name) for name in self.schema]):
            yield rows, rows.select(columns)

    def _read(self, part: Source, names: Sequence[str]) -> list[pl.Expr]:
        """These columns of a part, in the types that all parts have."""
        kinds = part.look().schema
        return [
            column(name)
            if kinds[name] == self.schema[name]
            else column(name).cast(self.schema[name])
            for name in names
        ]

    def widen(self) -> bool:
        self._schema = None
        widened = [part.widen() for part in self.parts]
        return any(widened)

    def release(self) -> None:
        for part in self.parts:
            part.release()
