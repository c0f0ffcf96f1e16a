"""Tables of the page: their columns, and a capped sample of their rows in memory.

The sample is drawn, and losses without moments learn from it. Nothing is written to disk, except
for an uploaded CSV while it is read.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from deltarule.errors import DeltaruleError, EmptyError, ReadError
from deltarule.tables.files.open import open_file
from deltarule.tables.frames import open_table
from deltarule.tables.plan import plan
from deltarule.tables.polars_source import UnparsedError
from deltarule.tables.request import Request
from deltarule.tables.source import Source
from deltarule.tables.text_columns import formatted

# Most rows and cells in memory: 50,000 rows of 20 numbers are 8 MB, and take 5 ms a step.
MOST_ROWS, MOST_CELLS = 50_000, 2_000_000
# The longest line, and the most columns of a header, that a page accepts.
LONGEST_LINE, MOST_COLUMNS = 1_000_000, 2_000
PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh", b"\xfd7zXZ")


@dataclass(frozen=True)
class Choice:
    """A column that can be chosen: its name, and its kind: number, boolean or category."""

    name: str
    kind: str


@dataclass(frozen=True)
class Table:
    """A table with a sample of its rows.

    `rows` is the number of all rows, `held` an evenly spread sample of them.
    """

    name: str
    source: Source
    held: pl.DataFrame
    rows: int
    every: int
    """The sampling stride: every so many rows one is held."""
    choices: Sequence[Choice]

    @property
    def whole(self) -> bool:
        """Whether all rows are held."""
        return self.held.height == self.rows

    def inputs(self, using: Sequence[str] | None) -> int:
        """About how many inputs these columns, or all, are encoded as: one for each level."""
        return sum(
            self.held[one.name].n_unique() if one.kind == "category" else 1
            for one in self.choices
            if using is None or one.name in using
        )

    def few(self) -> Source:
        """The rows held, as a source."""
        return _as_source(self.held, self.source)

    def suggested(
        self, predict: Sequence[str] = (), using: Sequence[str] = ()
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The default target and input, where the user has not chosen.

        The last column of numbers is predicted from the first.
        """
        kinds = ("number", "boolean", "category")
        order = sorted(self.choices, key=lambda one: kinds.index(one.kind))
        numbers = [one.name for one in order if one.kind != "category" and one.name not in using]
        first = sum(one.kind == "number" and one.name in numbers for one in order) or len(numbers)
        target = tuple(predict) or tuple(numbers[first - 1 : first])
        spare = [one.name for one in order if one.name not in target]
        return target, tuple(using) or tuple(spare[:1])


def opened(table: Any) -> Table:
    """Open a table and read it once to sample its rows.

    Errors:  TableError and its kinds
    """
    source, _ = open_table(table)
    held, rows, every = _held(source)
    if rows == 0:
        raise EmptyError(f"{source.name} has no rows: there is nothing to learn from")
    # With all rows in memory the file is not read again.
    kept = _as_source(held, source) if held.height == rows else source
    return Table(source.name, kept, held, rows, every, _choices(kept))


def from_csv(content: bytes, name: str) -> Table:
    """The table of an uploaded CSV file.

    Errors:  TableError and its kinds
    """
    called = _called(name)
    _check(content, called)
    with tempfile.TemporaryDirectory(prefix="deltarule-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(content)
        try:
            source = open_file(path)
            source.name = called
            frame = _all(source)
        except DeltaruleError as error:
            # Errors show the user's file name, not the temporary one.
            raise type(error)(str(error).replace(str(path), called)) from None
    return opened(_as_source(frame, source))


def _called(name: str) -> str:
    """A file name for messages: short, on one line, without folders."""
    line = "".join(one for one in name.replace("\\", "/").rpartition("/")[2] if one.isprintable())
    return line.strip()[:80] or "the table"


def _check(content: bytes, name: str) -> None:
    """Refuse content that is not CSV before it is parsed.

    Errors:  EmptyError, ReadError
    """
    if not content.strip():
        raise EmptyError(f"{name} is empty")
    if content.startswith(PACKED):
        raise ReadError(f"{name} is packed, or an Excel file: bring it as plain CSV")
    if content.startswith((b"PAR1", b"ARROW1")):
        raise ReadError(f"{name} is no CSV: give it to deltarule watch on the command line")
    longest = max(len(line) for line in re.split(rb"[\r\n]", content))
    if longest > LONGEST_LINE:
        raise ReadError(f"{name} has a line of {longest:,} characters: that is no row of a table")


def _all(source: Source) -> pl.DataFrame:
    """All rows of a source, with capped columns. Errors: ReadError and kinds."""
    width = source.look().width
    if width > MOST_COLUMNS:
        raise ReadError(f"{source.name} has {width:,} columns: a page shows {MOST_COLUMNS:,}")
    while True:
        try:
            frames = list(source.batches([pl.all()]))
        except UnparsedError:
            if not source.widen():
                raise
        else:
            return pl.concat(frames) if frames else source.look()


def _held(source: Source) -> tuple[pl.DataFrame, int, int]:
    """An evenly spread sample of rows, the number of all rows, and the stride."""
    while True:
        try:
            return _spread(source)
        except UnparsedError:
            if not source.widen():
                raise


def _spread(source: Source) -> tuple[pl.DataFrame, int, int]:
    width = max(source.look().width, 1)
    most = max(min(MOST_ROWS, MOST_CELLS // width), 1)
    kept: list[pl.DataFrame] = []
    every, rows = 1, 0
    for batch in source.batches([pl.all()]):
        # Rows whose number is a multiple of `every`, across batches.
        kept.append(batch.gather_every(every, offset=-rows % every))
        rows += batch.height
        while sum(frame.height for frame in kept) > most:
            kept = [pl.concat(kept).gather_every(2)]
            every *= 2
    return pl.concat(kept) if kept else source.look(), rows, every


def _as_source(frame: pl.DataFrame, like: Source) -> Source:
    """A frame as a source like the one it was read from: its text may still be parsed."""
    source, _ = open_table(frame)
    source.name, source.typed, source.dialect = like.name, like.typed, like.dialect
    source.decimal = like.decimal  # type: ignore[misc]  # a plain attribute of frames' sources
    source.notes.extend(like.notes)
    return source


def _choices(source: Source) -> list[Choice]:
    """The columns that can be targets or inputs, by the first rows."""
    read_as = formatted(source, Request(predict=()))
    made = plan(read_as.look(), Request(predict=()), name=source.name, formats=read_as.formats)
    order = {name: at for at, name in enumerate(source.look().columns)}
    numbers = [
        Choice(name, "boolean" if name in made.booleans else "number")
        for name in made.numbers
        if name in order
    ]
    categories = [Choice(name, "category") for name in made.categories if name in order]
    if not numbers or len(numbers) + len(categories) < 2:
        raise EmptyError(
            f"{source.name} needs a column of numbers to predict and another to predict it from"
        )
    return sorted([*numbers, *categories], key=lambda one: order[one.name])
