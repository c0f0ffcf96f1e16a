"""Kept rows: an even draw of the rows of tables, which merges, with the columns they are learnt by.

Each row has a draw in [0, 1), a hash of its key: its id, else its number in its table. The rows
kept are those of the smallest draws, so that the rows kept of two tables give those of both (a
bottom-k sample). The draw is another hash than the one that folds rows.

Shapes: n rows kept.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass, replace
from deltarule.moments.folds import hash_of
from deltarule.rule.predict import Array
from deltarule.tables.chained import ChainedSource
from deltarule.tables.column_names import check_there, column
from deltarule.tables.fold_columns import keys_of
from deltarule.tables.frames import open_table
from deltarule.tables.row_shares import DrawnShare
from deltarule.tables.source import ROW, Source
from deltarule.tables.zoned_source import ZonedSource

# What a key's hash is moved by before it is hashed again: copies are at whole steps.
APART = 0.5
NAME = "the rows kept"


@dataclass(frozen=True, eq=False)
class KeptRows:
    """Rows as they were read, in order: `numbers` (n,) in reading order, `draws` (n,).

    They were drawn from `total` rows, of which at most `most` are kept.
    """

    frame: pl.DataFrame
    numbers: NDArray[np.int64]
    draws: Array
    total: int
    most: int
    typed: bool
    """Whether their table had column types, so that text is text."""

    @property
    def all_there(self) -> bool:
        """Whether no row was left out."""
        return len(self.draws) == self.total

    @property
    def share(self) -> float:
        """How many rows each stands for."""
        return self.total / max(len(self.draws), 1)

    @property
    def shares(self) -> DrawnShare:
        """What rows count for where these come first and later ones are numbered on."""
        return DrawnShare(self.total, self.share)

    def __add__(self, other: "KeptRows") -> "KeptRows":
        """The rows kept of both tables, the other's numbered on.

        Errors:  ColumnError for a column that the other lacks, or has as another kind
        """
        alike = ZonedSource(other.source(), self.frame.schema)
        chain = ChainedSource([self.source(), alike])
        wanted = [column(name) for name in self.frame.columns]
        frame = pl.concat([chain.look().clear(), *chain.batches(wanted)])
        bound = min(
            (one.draws.max(initial=0.0) for one in (self, other) if not one.all_there), default=1.0
        )
        whole = replace(
            self,
            frame=frame,
            numbers=np.concatenate([self.numbers, self.total + other.numbers]),
            draws=np.concatenate([self.draws, other.draws]),
            total=self.total + other.total,
            most=min(self.most, other.most),
            typed=self.typed and other.typed,
        )
        # Beyond the largest draw of a table of which not all were kept, some of its rows are gone.
        return whole.only(whole.draws <= bound).fewest()

    def fewest(self) -> "KeptRows":
        """The rows with the smallest draws, at most so many as are to be kept."""
        if len(self.draws) <= self.most:
            return self
        order = np.lexsort((self.numbers, self.draws))[: self.most]
        return self.only(np.sort(order))

    def only(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "KeptRows":
        """Some of them, by a mask or by places."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        frame = self.frame[places]
        return replace(self, frame=frame, numbers=self.numbers[places], draws=self.draws[places])

    def source(self, *, numbered: bool = False) -> Source:
        """The rows as a table, with their numbers if it is `numbered`."""
        rows = self.frame
        if numbered:
            rows = rows.with_columns(pl.Series(ROW, self.numbers))
        found, _ = open_table(rows)
        found.name, found.typed = NAME, self.typed
        return found


def draw(source: Source, columns: Sequence[str], key: pl.Expr | None, most: int) -> KeptRows:
    """Draw rows of a table, by a read of it; without a `key` by their numbers.

    Errors:  ColumnError for a column that it lacks
    """
    look = source.look()
    check_there(look.columns, columns, name=source.name)
    wanted = [column(name) for name in columns]
    asked = [wanted[0].alias(KEY) if key is None else key.alias(KEY)]
    empty = np.zeros(0)
    kept = KeptRows(
        look.clear().select(wanted), empty.astype(np.int64), empty, 0, most, source.typed
    )
    bound, row = np.inf, 0
    for rows, read in source.whole_batches(asked):
        numbers = np.arange(row, row + rows.height)
        keys: Array = numbers.astype(np.float64) + 1
        if key is not None:
            keys = keys_of(read[KEY], keys, where=source.name, row=row)
        draws = hash_of(hash_of(keys) + APART)
        near = np.flatnonzero(draws <= bound)
        row += rows.height
        both = [kept.frame, rows.select(wanted)[near]]
        kept = replace(
            kept,
            frame=pl.concat(both, how="vertical_relaxed") if kept.total else both[1],
            numbers=np.concatenate([kept.numbers, numbers[near]]),
            draws=np.concatenate([kept.draws, draws[near]]),
            total=row,
        ).fewest()
        if len(kept.draws) == most:
            bound = float(kept.draws.max(initial=-1.0))
    return kept


KEY = "\0key"
