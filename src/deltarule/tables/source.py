"""Source: the base of all tables, read as batches of rows in order."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from deltarule.dataclass import dataclass, field

if TYPE_CHECKING:
    import polars as pl

# The batch size of every source (the last batch may be smaller), so that every source gives
# bit-identical sums. Small enough for two batches in flight, large enough for few of them.
BATCH_ROWS = 131_072
# The most numbers of a batch that is put together, or whose sums are in flight, 32 MB of them:
# those of wide tables have fewer rows. Of very wide ones it is so many times the square of their
# columns, as the sums of their products take as much.
BATCH_CELLS, CELLS_OF_SUMS = 4_000_000, 8

# The column of rows' numbers in frames of rows that are not all beside each other.
ROW = "\0row"

# The first rows, from which types are inferred: enough to tell kinds apart, fast in any format.
LOOK_ROWS = 10_000

# In a source's name: its folder, and what is said after its place.
FOLDER, FURTHER = re.compile(r"^.*[/\\](?=[^/\\])"), re.compile(r", table |, query$| where ")


def without_folder(name: str) -> str:
    """A table's name without where it lies: what is kept or sent names the file alone.

    >>> without_folder("/home/ann/films.csv"), without_folder("sqlite:///ann/shop.db, table films")
    ('films.csv', 'shop.db, table films')
    """
    said = FURTHER.search(name)
    end = len(name) if said is None else said.start()
    return FOLDER.sub("", name[:end]) + name[end:]


@dataclass(frozen=True)
class TextHints:
    """What is known of the text of a table before it is parsed."""

    decimal: str | None = None
    """The likely decimal mark; None where unknown, or where numbers are typed."""
    decimal_is_guess: bool = False
    """Whether that mark is likely for the separator alone: each number may have the other."""
    commas_separate: bool = False
    """Whether commas separate its cells, so that a decimal comma would stand in quotes."""
    date_order: str | None = None
    """The order of day, month and year, if the user gave it; none for no dates."""
    mixed: Mapping[str, str] = field(default_factory=dict)
    """Columns with both numbers and text, each with a note."""


class Source(ABC):
    """A table whose first rows can be looked at, and that can be read as often as needed."""

    name: str
    """Its name in messages."""
    dialect: str
    """The detected file format and dialect, in words."""
    typed: bool = True
    """Whether it has column types, so that text is text; in a CSV file it may be numbers."""
    in_memory: bool = False
    """Whether its rows are in memory, so that another pass costs no read."""
    repeatable: bool = True
    """Whether another read gives the same rows in the same order."""
    unordered: bool = False
    """Whether nothing says in which order its rows come, so that it may be another next time."""
    once: bool = False
    """Whether it can be read only once."""
    files: Sequence[Path] = ()
    """The files that it reads, which must not be overwritten."""

    @cached_property
    def hints(self) -> TextHints:
        """What is known of its text."""
        return TextHints()

    @cached_property
    def notes(self) -> list[str]:
        """Notes on how it is read; empty where nothing is unusual."""
        return []

    @property
    def rows(self) -> int | None:
        """The number of rows, where it is known without reading."""
        return None

    @property
    def reads(self) -> int:
        """The number of full reads so far."""
        return 0

    def place(self, row: int) -> str:
        """The location of a row, counted from 0, in words: its line or number."""
        return f"row {row + 1:,}"

    def expect(self, kinds: "Mapping[str, type[pl.DataType]]") -> None:  # noqa: B027
        """Set the types of these columns, overriding inference from the first rows.

        Nothing to do where a table has its own types.
        """

    @abstractmethod
    def look(self) -> "pl.DataFrame":
        """The first rows, with the types the batches will have."""

    @abstractmethod
    def batches(self, columns: "Sequence[pl.Expr]") -> "Iterator[pl.DataFrame]":
        """All rows once, in order, `BATCH_ROWS` at a time or fewer of a wide table.

        Counts as a read.
        """

    def whole_batches(
        self, columns: "Sequence[pl.Expr]", *, cells: bool = False
    ) -> "Iterator[tuple[pl.DataFrame, pl.DataFrame]]":
        """All rows once, in batches: every column, and these columns of the same rows.

        With `cells`, every column of a text file as written. Counts as a read.
        """
        import polars as pl

        for rows in self.batches([pl.all()]):
            yield rows, rows.select(columns)

    def widen(self) -> bool:
        """Infer types again from all rows; False where that cannot help."""
        return False

    def release(self) -> None:  # noqa: B027
        """Let go of what keeps its rows as they are from one read to the next: a snapshot."""


def columns_read(columns: "Sequence[pl.Expr]", names: Sequence[str]) -> list[str]:
    """Those of these names that expressions read; the first one where they read none."""
    if any(one.meta.has_multiple_outputs() for one in columns):
        return list(names)
    roots = {name for one in columns for name in one.meta.root_names()}
    return [name for name in names if name in roots] or list(names[:1])


def batch_rows(columns: int) -> int:
    """How many rows a batch of so many columns has.

    `BATCH_ROWS`, or these halved until they are no more than there is room for.

    >>> batch_rows(20), batch_rows(200), batch_rows(2_000)
    (131072, 16384, 8192)
    """
    rows, most = BATCH_ROWS, max(BATCH_CELLS, CELLS_OF_SUMS * columns**2)
    while rows * columns > most:
        rows //= 2
    return rows


def in_steps(
    batches: "Iterable[pl.DataFrame]", columns: int
) -> "Iterator[tuple[pl.DataFrame, bool]]":
    """The rows of batches in steps of `batch_rows`, and whether a step is a larger batch's last.

    A source that decodes many rows of a wide table at a time has room for them once: whatever is
    in flight of them has to be done, and let go of, before the next are asked for.
    """
    import polars as pl

    rows = batch_rows(columns)
    rest: list[pl.DataFrame] = []
    held = 0
    for batch in batches:
        large, at = batch.height > rows, 0
        if not large and not rest:
            yield batch, False
            continue
        while batch.height - at >= rows - held:
            rest.append(batch.slice(at, rows - held))
            at += rest[-1].height
            step = pl.concat(rest, rechunk=True) if held else rest[0]
            rest, held = [], 0
            yield step, large and batch.height - at < rows
            del step
        if at < batch.height:
            # A copy, which does not keep all of the batch: polars copies only what is in pieces.
            tail = batch.slice(at)
            rest.append(pl.concat([tail.head(1), tail.slice(1)], rechunk=True) if large else tail)
            del tail
            held += rest[-1].height
        del batch
    if rest:
        yield pl.concat(rest, rechunk=True), False


def first_frames(frames: "Iterable[pl.DataFrame]") -> "list[pl.DataFrame]":
    """As many of the frames as have the first `LOOK_ROWS` rows; no more are read."""
    shown, rows = [], 0
    for frame in frames:
        shown.append(frame)
        rows += frame.height
        if rows >= LOOK_ROWS:
            break
    return shown


def rebatched(frames: "Iterable[pl.DataFrame]", size: int) -> "Iterator[pl.DataFrame]":
    """The rows rebatched to frames of `size` rows, or fewer of wide ones, the last one excepted.

    The buffer holds at most `size` rows and one incoming frame. Columns are in one piece each: the
    60 that a parser leaves took 24 ms of Python a batch of 21 columns, joining them takes 4.
    """
    import polars as pl

    waiting: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        size = min(size, batch_rows(frame.width))
        waiting.append(frame)
        rows += frame.height
        if rows < size:
            continue
        whole = pl.concat(waiting, rechunk=True)
        full = rows - rows % size
        for start in range(0, full, size):
            yield whole.slice(start, size)
        waiting, rows = [whole.slice(full)], rows - full
    if rows:
        yield pl.concat(waiting, rechunk=True)
