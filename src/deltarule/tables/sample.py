"""A sample of the rows that a read passes by, drawn evenly whatever their order.

Rows sorted by their target, or in which classes take turns, give the same kind of sample as rows
that were shuffled. The same table gives the same sample.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

# A sample has so many rows, or up to twice as many. With 20 inputs its weights leave less than a
# hundredth of the weight_delta at the start, and the third pass over all rows finds 1e-8 of it.
# Of a wide table fewer are kept, 256 MB of them: a pass more costs less than running out of memory.
SAMPLE_ROWS, SAMPLE_CELLS = 196_608, 32_000_000
# Of a table with fewer rows than so many samples, passes over all of them are as quick.
WORTH = 4
# Rows of a sample that are asked together.
FRAME_ROWS = 65_536
# To judge by, fewer do: of 10,000 rows, shares are sure to half a percent.
JUDGED_ROWS = 10_000
JUDGED_CELLS = 2_000_000


@dataclass
class Sample:
    """Rows drawn so far: the same share of each batch, halved when they become too many.

    Each has its number in the table, from 0, in the column `number`.
    """

    number: str
    share: float = 0.25
    rows: int = SAMPLE_ROWS
    parts: list[pl.DataFrame] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @classmethod
    def of(cls, rows: int | None, columns: int, number: str) -> "Sample | None":
        """A sample of a table; None where it is known not to be worth its while.

        Where it is known how many rows there are, no more are drawn than will be kept: a quarter
        of 5M rows to begin with took 0.3 s, a sixteenth 0.1.
        """
        most = min(SAMPLE_ROWS, SAMPLE_CELLS // max(columns, 1) // 2)
        if rows is not None and rows < WORTH * most:
            return None
        share = cls.share
        while rows is not None and share * rows > 1.9 * most:
            share /= 2
        return cls(number, share, most)

    @classmethod
    def to_judge_by(cls, columns: int, number: str) -> "Sample":
        """A smaller one of any table: all its rows, where they are that few."""
        return cls(number, 1.0, max(200, min(JUDGED_ROWS, JUDGED_CELLS // max(columns, 1))))

    def add(self, batch: pl.DataFrame, before: int) -> None:
        """Draw from a batch, which so many rows came before."""
        rows = np.arange(batch.height) if self.share == 1 else self._places(batch, self.share)
        drawn = batch if self.share == 1 else batch[rows]
        self.parts.append(drawn.with_columns(pl.Series(self.number, before + rows)))
        while sum(part.height for part in self.parts) > 2 * self.rows:
            self.share /= 2
            # What was drawn is thinned by drawing again: every second row might keep one class.
            self.parts = [part[self._places(part, 0.5)] for part in self.parts]

    def _places(self, rows: pl.DataFrame, share: float) -> NDArray[np.int64]:
        """Each row with this chance: how many, and then which, so that few cost little."""
        many = self.rng.binomial(rows.height, share)
        return np.sort(self.rng.choice(rows.height, many, replace=False, shuffle=False))

    def frames(self, rows: int) -> list[pl.DataFrame]:
        """The sample of a table that turned out to have so many rows; empty if not worth it.

        A few frames, whatever batches it was drawn from: each is asked on its own.
        """
        if rows < WORTH * self.rows:
            return []
        return list(pl.concat(self.parts, rechunk=True).iter_slices(FRAME_ROWS))
