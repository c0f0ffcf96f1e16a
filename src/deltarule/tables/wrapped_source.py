"""Sources over another: what they do not change is the other's."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from deltarule.tables.column_names import column
from deltarule.tables.source import (
    BATCH_ROWS,
    LOOK_ROWS,
    Source,
    TextHints,
    columns_read,
    first_frames,
    rebatched,
)


class WrappedSource(Source):
    """The base of sources that show another source's rows in part, or otherwise."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name, self.dialect = source.name, source.dialect
        self.typed, self.in_memory = source.typed, source.in_memory
        self.once, self.files = source.once, source.files
        self.repeatable, self.unordered = source.repeatable, source.unordered
        self._first_rows: pl.DataFrame | None = None
        """The first rows; None until they are looked at."""

    @property
    def hints(self) -> TextHints:
        return self.source.hints

    @property
    def notes(self) -> list[str]:
        return self.source.notes

    @property
    def rows(self) -> int | None:
        return self.source.rows

    @property
    def reads(self) -> int:
        return self.source.reads

    def place(self, row: int) -> str:
        return self.source.place(row)

    def expect(self, kinds: Mapping[str, type[pl.DataType]]) -> None:
        self._first_rows = None
        self.source.expect(kinds)

    def widen(self) -> bool:
        self._first_rows = None
        return self.source.widen()

    def release(self) -> None:
        self.source.release()


class MappedSource(WrappedSource):
    """The rows of another source with other columns, each row by itself."""

    @abstractmethod
    def transform(self, frame: pl.DataFrame, row: int) -> pl.DataFrame:
        """Rows of the source as they are here; `row` come before them."""

    def look(self) -> pl.DataFrame:
        return self.transform(self.source.look(), 0)

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        names = columns_read(columns, self.source.look().columns)
        row = 0
        for batch in self.source.batches(list(map(column, names))):
            yield self.transform(batch, row).select(columns)
            row += batch.height


class SelectedSource(WrappedSource):
    """Some of the rows of another source."""

    def begin(self) -> Sequence[pl.Expr]:
        """Begin a read: what `mask` reads of the rows."""
        return ()

    @abstractmethod
    def mask(self, frame: pl.DataFrame, row: int) -> pl.Series:
        """Which rows of the source are here; `row` come before them."""

    def look(self) -> pl.DataFrame:
        if self._first_rows is None:
            none = self.source.look().clear()
            rows = self._selected([pl.all()]) if none.columns else ()
            self._first_rows = pl.concat([none, *first_frames(rows)]).head(LOOK_ROWS)
        return self._first_rows

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        return rebatched(self._selected(columns), BATCH_ROWS)

    def whole_batches(
        self, columns: Sequence[pl.Expr], *, cells: bool = False
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        row = 0
        for rows, batch in self.source.whole_batches(self._needed(columns), cells=cells):
            mask = self.mask(batch, row)
            yield rows.filter(mask), batch.filter(mask).select(columns)
            row += batch.height

    def _selected(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        row = 0
        for batch in self.source.batches(self._needed(columns)):
            yield batch.filter(self.mask(batch, row)).select(columns)
            row += batch.height

    def _needed(self, columns: Sequence[pl.Expr]) -> list[pl.Expr]:
        names = columns_read([*columns, *self.begin()], self.source.look().columns)
        return list(map(column, names))
