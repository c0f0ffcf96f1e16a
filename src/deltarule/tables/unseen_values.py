"""Unseen values: levels, ranges and gaps that learning had not met, counted and by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from deltarule.deferred import polars as pl
from deltarule.tables.schema import Noticed
from deltarule.tables.schema_columns import MISSING, OTHER, Category, Column, Number, Offset

# How a gap is filled, in words.
TAKEN = {
    "number": ": filled with the mean",
    "boolean": ": filled with the mean",
    "offset": ": no prediction",
}
# More columns of a kind than this share a line.
LINES_SHOWN = 5
WORDS = {"unseen": "never seen", "outside": "out of range", "missing": "missing"}


def word_of(kind: str, column: Column | Offset) -> str:
    """What is new about a value of a column, in words.

    The names of levels that were pooled are not kept: a level may be one of those.
    """
    rare = kind == "unseen" and isinstance(column, Category) and column.pooled
    return f"too rare or {WORDS[kind]}" if rare else WORDS[kind]


class UnseenValues:
    """The number of rows with values that learning had not met, by column and kind."""

    def __init__(self) -> None:
        self.rows = 0
        self.unseen: Counter[str] = Counter()
        self.outside: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.infinite: Counter[str] = Counter()
        """Predictions that are infinite, by column."""
        self.ignored: list[str] = []
        self.said: list[str] = []
        """The source's notes on how it was read."""

    def add(self, noticed: Noticed, rows: int) -> None:
        """Add those of so many rows."""
        self.rows += rows
        for kind in WORDS:
            counted = {c: int(mask.sum()) for c, mask in getattr(noticed, kind).items()}
            getattr(self, kind).update(counted)

    def notes(self, known: Mapping[str, Column | Offset]) -> list[str]:
        """All notes."""
        notes = [*self.said, *self.new_to(known, every_gap=True)]
        if self.ignored:
            shown = ", ".join(self.ignored[:5]) + (", ..." if len(self.ignored) > 5 else "")
            word = "column" if len(self.ignored) == 1 else "columns"
            notes.append(f"{len(self.ignored)} other {word} ignored: {shown}")
        return notes

    def new_to(self, known: Mapping[str, Column | Offset], *, every_gap: bool = False) -> list[str]:
        """The notes on them; with `every_gap` also on gaps in columns that had some."""
        by_kind: dict[tuple[str, str, str], dict[str, int]] = {}

        def count_in(column: str, one: str, many: str, how: str, count: int) -> None:
            if count:
                by_kind.setdefault((one, many, how), {})[column] = count

        for column, count in self.unseen.items():
            met = known[column]
            new = word_of("unseen", met)
            one, many = f"has a level {new}", f"have levels {new}"
            count_in(column, one, many, _pooled(met), count)
        for column, count in self.outside.items():
            one = "is out of the range learnt from"
            count_in(column, one, "are out of the range learnt from", "", count)
        for column, count in self.missing.items():
            met = known[column]
            if not every_gap and _had_gaps(met):
                continue
            exposure = met.exposure if isinstance(met, Offset) else None
            what = "missing" if exposure is None else "missing, 0 or below 0"
            how = _taken(met) if isinstance(met, Category) else TAKEN[met.kind]
            count_in(exposure or column, f"is {what}", f"are {what}", how, count)
        for column, count in self.infinite.items():
            count_in(column, "is beyond all numbers", "are beyond all numbers", "", count)
        return [note for kind, counts in by_kind.items() for note in self._lines(*kind, counts)]

    def _lines(self, one: str, many: str, how: str, counts: Mapping[str, int]) -> list[str]:
        """A line for each column, or where there are many one for all, those of most rows first."""
        if len(counts) <= LINES_SHOWN:
            return [f"{c} {one} in {n:,} of {self.rows:,} rows{how}" for c, n in counts.items()]
        most = sorted(counts.items(), key=lambda pair: -pair[1])[:LINES_SHOWN]
        named = ", ".join(f"{column} in {count:,}" for column, count in most)
        rest = len(counts) - LINES_SHOWN
        more = f"{rest} more {'column' if rest == 1 else 'columns'}"
        return [f"{named} of {self.rows:,} rows and {more} {many}{how}"]


def _pooled(column: Column | Offset) -> str:
    """What was made of a level that is none of a category's own."""
    pool = isinstance(column, Category) and OTHER in column.known
    return f": counted as {OTHER}" if pool else ": counted as the average level"


def _taken(column: Category) -> str:
    """What was made of a missing level."""
    return ": counted as a level" if MISSING in column.known else _pooled(column)


def _had_gaps(column: Column | Offset) -> bool:
    """Whether the column had gaps in the training table."""
    if isinstance(column, Category):
        return MISSING in column.known
    return isinstance(column, Number) and column.missing > 0


def flags_of(noticed: Noticed, rows: int, known: Mapping[str, Column | Offset]) -> pl.Series:
    """The unseen values of each row in words, such as "genre: never seen"; null where none.

    Shapes:  -> (rows,)
    """
    told = np.full(rows, "", dtype=object)
    for kind in WORDS:
        for column, mask in getattr(noticed, kind).items():
            word = word_of(kind, known[column])
            told[mask] = [
                f"{text}; {column}: {word}" if text else f"{column}: {word}" for text in told[mask]
            ]
    return pl.Series("flags", [text or None for text in told], dtype=pl.String)
