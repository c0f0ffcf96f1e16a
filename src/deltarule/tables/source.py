"""Source: what every table looks like from inside: batches of rows, in order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import polars as pl

# Rows a batch has, the last excepted, whatever the source: so that every source gives the same
# sums to the last bit. Small enough for two batches in flight, large enough for few of them.
BATCH_ROWS = 131_072

# Rows that the look before the read may see: enough to tell kinds apart, quick in any format.
LOOK_ROWS = 10_000


class Source(Protocol):
    """A table that can be looked at and read, as often as needed."""

    name: str
    """What messages call it."""
    typed: bool
    """Whether text in it was meant as text, or may be numbers that were written down."""
    dialect: str
    """What was understood, for people: the format and how it is written."""
    in_memory: bool
    """Whether a program holds its rows, so that going over them again costs no read."""
    repeatable: bool
    """Whether another read gives the same rows in the same order."""
    once: bool
    """Whether it can be read only once."""
    files: Sequence[Path]
    """The files that it reads, which nothing may be written over."""

    @property
    def decimal(self) -> str | None:
        """The decimal mark that its text is likely to have; None where nothing tells."""
        ...

    @property
    def date_order(self) -> str | None:
        """The order of the parts of dates in its text, if it was said; none for no dates."""
        ...

    @property
    def rows(self) -> int | None:
        """How many rows, where that is known without reading."""
        ...

    @property
    def reads(self) -> int:
        """How often all of it was read."""
        ...

    @property
    def notes(self) -> list[str]:
        """What people should know about how it is read; empty where nothing is unusual."""
        ...

    @property
    def mixed(self) -> "Mapping[str, str]":
        """Columns of numbers in some rows and text in others, each with a sentence on that."""
        ...

    def place(self, row: int) -> str:
        """Where people find a row, counted from 0: its line or number."""
        ...

    def expect(self, kinds: "Mapping[str, type[pl.DataType]]") -> None:
        """Read these columns as these kinds, whatever their first rows look like."""
        ...

    def look(self) -> "pl.DataFrame":
        """The first rows, with the types the batches will have."""
        ...

    def batches(self, columns: "Sequence[pl.Expr]") -> "Iterator[pl.DataFrame]":
        """All rows once, in order, `BATCH_ROWS` at a time; counts as a read."""
        ...

    def whole_batches(
        self, columns: "Sequence[pl.Expr]", *, cells: bool = False
    ) -> "Iterator[tuple[pl.DataFrame, pl.DataFrame]]":
        """All rows once, some at a time: every column, and these columns of the same rows.

        With `cells`, every column of a file of text as it was written. Counts as a read.
        """
        ...

    def widen(self) -> bool:
        """Look at every row to find types that fit them all; False where that cannot help."""
        ...


def row_place(row: int) -> str:
    """The place of a row in a table without lines."""
    return f"row {row + 1:,}"


def rebatched(frames: "Iterable[pl.DataFrame]", size: int) -> "Iterator[pl.DataFrame]":
    """The same rows in the same order, `size` at a time, the last frame excepted.

    No more is held than `size` rows and one of the frames that came.
    """
    import polars as pl

    waiting: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        waiting.append(frame)
        rows += frame.height
        if rows < size:
            continue
        whole = pl.concat(waiting)
        full = rows - rows % size
        for start in range(0, full, size):
            yield whole.slice(start, size)
        waiting, rows = [whole.slice(full)], rows - full
    if rows:
        yield pl.concat(waiting)
