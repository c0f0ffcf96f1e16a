"""Sample: a uniform random sample of rows, drawn in one pass, whatever their order.

Rows sorted by their target, or with alternating classes, give the same kind of sample as shuffled
rows. The seed is fixed: the same table gives the same sample.
"""

from dataclasses import field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass

# A sample has so many rows, or up to twice as many. With 20 inputs its weights leave less than a
# hundredth of the initial gradient, and the third pass over all rows 1e-8 of it.
# Of a wide table fewer are kept, 256 MB: another pass costs less than running out of memory.
SAMPLE_ROWS, SAMPLE_CELLS = 196_608, 32_000_000
# Below so many times the sample's rows, passes over the whole table are as fast.
WORTH = 4
# Rows per frame of a sample.
FRAME_ROWS = 65_536
# To estimate shares fewer suffice: of 10,000 rows, they have a standard error of half a percent.
JUDGED_ROWS = 10_000
JUDGED_CELLS = 2_000_000


@dataclass
class Sample:
    """The rows drawn so far: the same share of each batch, halved when they become too many.

    Each has its number in the table, from 0, in the column `number`.
    """

    number: str
    share: float = 0.25
    rows: int = SAMPLE_ROWS
    parts: list[pl.DataFrame] = field(default_factory=list)

    @classmethod
    def of(cls, rows: int | None, columns: int, number: str) -> "Sample | None":
        """An empty sample; None where the table is known to be too small for one to pay.

        Where the number of rows is known, no more are drawn than will be kept: a quarter of 5M
        rows initially took 0.3 s, a sixteenth 0.1.
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
        """A smaller sample of any table: all its rows, where they are that few."""
        return cls(number, 1.0, max(200, min(JUDGED_ROWS, JUDGED_CELLS // max(columns, 1))))

    def add(self, batch: pl.DataFrame, before: int) -> None:
        """Draw from a batch; `before` is the number of rows before it."""
        if self.number not in batch.columns:  # rows that come with their numbers keep them
            numbers = pl.int_range(before, before + batch.height, eager=True)
            batch = batch.hstack([numbers.alias(self.number)])
        self.parts.append(batch if self.share == 1 else batch[self._places(batch, self.share)])
        while sum(part.height for part in self.parts) > 2 * self.rows:
            self.share /= 2
            # Thinned at random: taking every second row might keep one class only.
            self.parts = [part[self._places(part, 0.5)] for part in self.parts]

    @cached_property
    def _rng(self) -> "np.random.Generator":
        """Made where rows are drawn: a table that is kept whole does without numpy.random."""
        return np.random.default_rng(0)

    def _places(self, rows: pl.DataFrame, share: float) -> NDArray[np.int64]:
        """Row indices drawn with this probability: first how many, then which, for speed."""
        many = self._rng.binomial(rows.height, share)
        return np.sort(self._rng.choice(rows.height, many, replace=False, shuffle=False))

    @property
    def whole(self) -> list[pl.DataFrame]:
        """All rows drawn so far as one frame, as each is encoded on its own; none if none were."""
        return [pl.concat(self.parts, rechunk=True)] if len(self.parts) > 1 else self.parts

    def frames(self, rows: int) -> list[pl.DataFrame]:
        """The sample of a table that turned out to have so many rows; empty if it does not pay.

        Rechunked into a few frames, as each is evaluated on its own.
        """
        if rows < WORTH * self.rows:
            return []
        return list(pl.concat(self.parts, rechunk=True).iter_slices(FRAME_ROWS))
