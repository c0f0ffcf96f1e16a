"""Text columns that hold another kind: a source whose text is read in its columns' formats."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from deltarule.errors import ValueRefusedError
from deltarule.tables.asked import Asked
from deltarule.tables.expressions.spelling import present_in
from deltarule.tables.names import column
from deltarule.tables.polars import UnparsedError, said
from deltarule.tables.source import Source
from deltarule.tables.text_formats import (
    DateColumn,
    DateFormat,
    Format,
    Later,
    few,
    formats_like,
    formats_of,
    notes_of,
)

Formats = Mapping[str, Format]

VALUES_SHOWN, LETTERS_SHOWN = 4, 40
# Different odd cells of later rows that have a say in how a column is read.
MOST_LATER = 1000


class TooManyOddError(UnparsedError):
    """More cells are odd than a column of this kind can have: it is text."""


class ReadAgainError(UnparsedError):
    """Later rows show that a column is written in another way than the first did."""

    def __init__(self, message: str, column: str, later: Later) -> None:
        super().__init__(message, column)
        self.later = later


@dataclass
class OddCells:
    """The cells of a column that are not of its kind, as they are read."""

    what: str
    cells: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    """The row, from 0, that has each value first."""

    @property
    def odd(self) -> int:
        """How many there are."""
        return self.counts.total()

    def add(self, text: pl.Series, values: pl.Series, row: int) -> bool:
        """Take in the cells of some rows, of which so many came before; whether any is new."""
        left = values.is_null().arg_true()
        self.cells += len(values) - len(left)
        text = present_in(text.gather(left).cast(pl.String))
        wrong = text.is_not_null().arg_true()
        self.cells += len(wrong)
        known = len(self.counts)
        for at, value in zip(left.gather(wrong), text.gather(wrong), strict=True):
            self.counts[value] += 1
            self.first.setdefault(value, row + at)
        return len(self.counts) > known

    def note(self, name: str) -> str:
        """What people should know of them."""
        shown = sorted(self.counts, key=lambda value: (-self.counts[value], self.first[value]))
        parts = []
        for value in shown[:VALUES_SHOWN]:
            place = f"row {self.first[value] + 1:,}"
            often = f"{self.counts[value]:,} times, first in {place}"
            parts.append(f"'{shortened(value)}' ({often if self.counts[value] > 1 else place})")
        more = f" and {len(shown) - VALUES_SHOWN:,} other values"
        cells = f"{self.odd:,} cell{'' if self.odd == 1 else 's'}"
        return (
            f"{name}: {cells} that {'is' if self.odd == 1 else 'are'} no {self.what} treated as "
            f"missing: {', '.join(parts)}{more if len(shown) > VALUES_SHOWN else ''}"
        )


def shortened(value: str) -> str:
    """A value as messages show it."""
    return value if len(value) <= LETTERS_SHOWN else value[: LETTERS_SHOWN - 3] + "..."


class FormattedSource:
    """A source whose text columns are read in their formats, with odd cells treated as missing.

    While learning, cells of later rows may show that a column is written in another way.
    Errors:  ReadAgainError; TooManyOddError, after all rows were read
    """

    def __init__(
        self, source: Source, formats: Formats, *, learning: bool, later: Later | None = None
    ) -> None:
        self.source, self.formats, self.learning = source, formats, learning
        self._contract = formats
        self.name, self.dialect, self.typed = source.name, source.dialect, source.typed
        self.in_memory, self.decimal = source.in_memory, source.decimal
        self.files, self.date_order = source.files, source.date_order
        self.own_notes: list[str] = []
        self.odd: dict[str, OddCells] = {}
        self._later = later or {}
        self._raw: pl.DataFrame | None = None

    @property
    def rows(self) -> int | None:
        return self.source.rows

    @property
    def reads(self) -> int:
        return self.source.reads

    @property
    def notes(self) -> list[str]:
        """What the source says, what was decided of its text, and which cells were odd."""
        odd = [cells.note(name) for name, cells in self.odd.items() if cells.counts]
        return [*self.source.notes, *self.own_notes, *odd]

    def expect(self, kinds: Mapping[str, type[pl.DataType]]) -> None:
        self._raw = None
        self.source.expect(kinds)

    def widen(self) -> bool:
        self._raw = None
        return self.source.widen()

    def look(self) -> pl.DataFrame:
        raw = self._look()
        return raw.with_columns(self._read(raw[name]) for name in self._formatted(raw.columns))

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        kinds = self._look().schema
        needed = list(kinds)
        if not any(one.meta.has_multiple_outputs() for one in columns):
            roots = {name for one in columns for name in one.meta.root_names()}
            needed = [name for name in kinds if name in roots] or needed
        formatted = self._formatted(needed)
        if not formatted:
            yield from self.source.batches(columns)
            return
        self.odd = {name: OddCells(self.formats[name].noun) for name in formatted}
        row = 0
        for batch in self.source.batches([column(name) for name in needed]):
            read = [self._read(batch[name]) for name in formatted]
            self._notice(batch, read, row)
            try:
                yield batch.with_columns(read).select(columns)
            except pl.exceptions.PolarsError as error:
                raise said(error, self.name) from error
            row += batch.height
        if self.learning:
            self._check_few(kinds)

    def _look(self) -> pl.DataFrame:
        if self._raw is None:
            self._raw = self.source.look()
            if not self.learning:
                self._agree(self._raw)
        return self._raw

    def _agree(self, look: pl.DataFrame) -> None:
        """Read dates as the contract says, and where it leaves their order open, as they show."""
        dated = {
            name: one
            for name, one in self._contract.items()
            if isinstance(one, DateFormat) and name in look.columns and _is_text(look[name].dtype)
        }
        found = [DateColumn.of(look[name], Counter()) for name in dated]
        alike = formats_like(found, dated, said=self.date_order, where=self.name)
        self.formats = {**self._contract, **alike}
        self.own_notes = notes_of(found, {name: one.order for name, one in alike.items()})

    def _formatted(self, names: Sequence[str]) -> list[str]:
        """Those of these columns that are read in a format: of text, or of whole numbers."""
        kinds = self._look().schema
        return [name for name in names if name in self.formats and _is_text(kinds[name])]

    def _read(self, values: pl.Series) -> pl.Series:
        return self.formats[values.name].read(values.cast(pl.String)).alias(values.name)

    def _notice(self, batch: pl.DataFrame, read: Sequence[pl.Series], row: int) -> None:
        """Take note of odd cells, which may show that a column is written in another way.

        Errors:  ReadAgainError while learning; ValueRefusedError where no first cell fits
        """
        fresh = [one.name for one in read if self.odd[one.name].add(batch[one.name], one, row)]
        for name in fresh if self.learning else ():
            cells = self.odd[name]
            if len(cells.counts) > MOST_LATER:
                continue
            later = {**self._later, name: self._later.get(name, Counter()) | cells.counts}
            formats, _ = formats_of(self._look(), order=self.date_order, later=later)
            if name in formats and formats[name] != self.formats[name]:
                raise ReadAgainError(f"{self.name}: '{name}' is written otherwise", name, later)
        for name, cells in self.odd.items():
            if not self.learning and row == 0 and 0 < cells.odd == cells.cells:
                value = next(iter(cells.counts))
                raise ValueRefusedError(
                    f"{self.name}, column '{name}', row {cells.first[value] + 1}: "
                    f"'{shortened(value)}' is not a {cells.what}"
                )

    def _check_few(self, kinds: Mapping[str, pl.DataType]) -> None:
        for name, cells in self.odd.items():
            whole = kinds[name].is_integer()
            if cells.odd if whole else not few(cells.odd, cells.cells):
                value = shortened(next(iter(cells.counts)))
                message = f"{self.name}, column '{name}': '{value}' is no {cells.what}"
                raise TooManyOddError(message, name)


def _is_text(kind: pl.DataType) -> bool:
    return kind in (pl.String, pl.Categorical, pl.Enum) or kind.is_integer()


def formatted(source: Source, asked: Asked, later: Later | None = None) -> FormattedSource:
    """The source with the formats that the text in its first rows has."""
    look = source.look()
    texts = look.select(name for name in look.columns if name not in asked.texts)
    formats, notes = formats_of(texts, order=source.date_order, later=later)
    made = FormattedSource(source, formats, learning=True, later=later)
    made.own_notes = notes
    return made
