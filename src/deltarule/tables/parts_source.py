"""A table that hands out its rows in parts: frames that programs hold, and streams.

Whatever the library that it is of raises is told in one line.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import polars as pl

from deltarule.errors import ColumnError, DeltaruleError, EmptyError, MissingExtraError, ReadError
from deltarule.tables.date_years import within_years
from deltarule.tables.polars_source import PROBLEMS, said
from deltarule.tables.source import BATCH_ROWS, LOOK_ROWS, Source, first_frames, rebatched

Parts = Callable[[Collection[str] | None], Iterator[pl.DataFrame]]
"""Opens a table anew: its rows in order, in frames of any height, with these columns or all."""

NAME = "the table"

# Of a stream that can be read only once so much is kept for another read: 32 MB of numbers.
KEPT_CELLS = 4_000_000


class PartsSource(Source):
    """A table that hands out its rows in parts, anew for each read or, as streams do, just once."""

    rows: int | None = None
    reads: int = 0

    def __init__(
        self,
        parts: Parts,
        *,
        dialect: str,
        rows: int | None,
        once: bool = False,
        in_memory: bool = False,
    ) -> None:
        self.name, self.dialect, self.rows, self.in_memory = NAME, dialect, rows, in_memory
        self.once = once
        self._parts: Parts = lambda names: (within_years(p, self.notes) for p in parts(names))
        self.repeatable = in_memory or once
        self._look: pl.DataFrame | None = None
        self._rest: Iterator[pl.DataFrame] = iter(())
        self._kept: list[pl.DataFrame] | None = None

    def look(self) -> pl.DataFrame:
        if self._look is None:
            with library_errors():
                self._look = self._looked()
            if self.once and self._look.height == 0:
                # A stream that was read before and one without rows look the same.
                raise EmptyError(f"{self.name} has no rows: an empty stream, or one read before")
        return self._look

    def _looked(self) -> pl.DataFrame:
        parts = self._parts(None)
        seen = first_frames(parts)
        if self.once:
            self._rest = chain(seen, parts)
        else:
            del parts  # closes what it reads from: some databases answer one question at a time
        return pl.concat(seen).head(LOOK_ROWS)

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        look = self.look()
        again = self.once and self.reads > 0
        if again and self._kept is None:
            raise ReadError(
                f"{self.name} is a stream too long to keep that can be read only once, and is "
                "needed again: give all of it, such as reader.read_all()"
            )
        self.reads += 1
        with library_errors():
            parts: Iterator[pl.DataFrame]
            if again:
                parts = iter(self._kept or ())
            elif self.in_memory and look.height < LOOK_ROWS:
                parts = iter([look])  # these are all rows, made into a frame already
            else:
                parts = self._keeping() if self.once else self._parts(_needed(columns))
            yield from rebatched((part.select(columns) for part in parts), BATCH_ROWS)

    def _keeping(self) -> Iterator[pl.DataFrame]:
        """The rest of the stream, kept unless it is long; half of one is never taken for it."""
        kept: list[pl.DataFrame] | None = []
        cells = 0
        for part in self._rest:
            cells += part.height * part.width
            if kept is not None and cells <= KEPT_CELLS:
                kept.append(part)
            else:
                kept = None
            yield part
        self._kept = kept


def _needed(columns: Sequence[pl.Expr]) -> set[str] | None:
    """The table's columns that these expressions read; None for all, or where that is open."""
    if any(column.meta.has_multiple_outputs() for column in columns):
        return None
    return {name for column in columns for name in column.meta.root_names()}


@contextmanager
def library_errors(where: str = NAME) -> Iterator[None]:
    """Whatever a library raises, in one line of ours."""
    try:
        yield
    except DeltaruleError:
        raise
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"reading {NAME} needs {error.name}: pip install 'deltarule[pandas]'"
        ) from error
    except ImportError as error:  # polars names no module when it lacks pyarrow
        raise MissingExtraError(
            f"reading {NAME} needs pyarrow: pip install 'deltarule[pandas]'"
        ) from error
    except PROBLEMS as error:
        raise said(error, where) from error
    except Exception as error:  # each library and driver raises kinds of its own
        raise ReadError(f"{where} cannot be read: {first_line(error)}") from error


def unlike_kinds(table: str, name: str, kinds: Sequence[pl.DataType]) -> ReadError:
    """The error for a column that is of other kinds in some parts than in the first rows."""
    first, *others = map(str, kinds)
    return ReadError(
        f"{table}, column '{name}': {first} in its first rows, {others[0]} in others: make it one "
        "kind in all parts"
    )


def first_line(error: BaseException) -> str:
    """What an error says first."""
    words = str(error).strip()
    return words.splitlines()[0] if words else type(error).__name__


def check_names(names: Sequence[str]) -> None:
    """Refuse a table with two columns of one name."""
    twice, times = Counter(names).most_common(1)[0] if names else ("", 1)
    if times > 1:
        raise ColumnError(f"{NAME} has more than one column called {twice!r}: rename them")
