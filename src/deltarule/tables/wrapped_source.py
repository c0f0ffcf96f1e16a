"""A source over another: whatever it does not change is the other's."""

from collections.abc import Mapping

import polars as pl

from deltarule.tables.source import Source


class WrappedSource:
    """The base of sources that show another source's rows filtered or parsed."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name, self.dialect = source.name, source.dialect
        self.typed, self.in_memory = source.typed, source.in_memory
        self.once, self.files = source.once, source.files
        self.repeatable, self.unordered = source.repeatable, source.unordered
        self._first_rows: pl.DataFrame | None = None
        """The first rows; None until they are looked at."""

    @property
    def decimal(self) -> str | None:
        return self.source.decimal

    @property
    def decimal_is_guess(self) -> bool:
        return self.source.decimal_is_guess

    @property
    def date_order(self) -> str | None:
        return self.source.date_order

    @property
    def mixed(self) -> Mapping[str, str]:
        return self.source.mixed

    @property
    def rows(self) -> int | None:
        return self.source.rows

    @property
    def reads(self) -> int:
        return self.source.reads

    @property
    def notes(self) -> list[str]:
        return self.source.notes

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
