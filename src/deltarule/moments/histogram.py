"""Histogram of a number: counts that add and subtract, in cells fixed by the bits of float64 alone.

The bits of a float64 read as an integer, those of a negative one inverted, keep the order of the
values. A cell is all values whose keys agree but for the last `shift` bits: at shift 0 each value
has a cell of its own, at 48 an octave has 16 cells, at 52 one. `shift` is the least at which there
are at most CELLS cells, so it depends on the values alone, not on their order or on how they were
merged. A difference keeps the shift of what it was taken from.

Shapes: n values, c cells that hold rows.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array

Keys = NDArray[np.int64]

# Cells of a column: 4 KB of keys and counts.
CELLS = 256
# Values that show the shift from which to count; a lower bound of that of all.
SHOWN = 2048
# Values counted at a time: they stay in cache.
SOME = 32_768
# Counters of so many: with more possible cells keys are sorted, which takes ten times as long. From
# the lowest of these shifts on, all float64 together have no more.
COUNTERS, LOWEST_COUNTED = 1 << 16, 48
REST = np.int64(2**63 - 1)
LARGEST_SHIFT = 63


class NegativeCountError(ValueError):
    """A histogram less one of rows that are not all in it."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """The rows in each cell that has some: cells (c,) in order of their values, rows (c,).

    >>> one, other = Histogram.of(np.array([1.0, 2.0, 2.0])), Histogram.of(np.array([2.0]))
    >>> (one + other).rows, (one - other).rows
    (array([1, 3]), array([1, 1]))
    >>> one.low, one.high
    (1.0, 2.0)
    """

    shift: int
    cells: Keys
    rows: Keys

    @classmethod
    def none(cls) -> Self:
        """The histogram of no values."""
        return cls(0, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, values: Array) -> Self:
        """The histogram of finite values (n,)."""
        if not len(values):
            return cls.none()
        shift = _least_shift(np.sort((values[:SHOWN] + 0.0).view(np.int64)))
        spans = (values[at : at + SOME] for at in range(0, len(values), SOME))
        found = [_counted((some + 0.0).view(np.int64), shift) for some in spans]  # -0.0 becomes 0.0
        raw, rows = _summed([cells for cells, _ in found], [rows for _, rows in found])
        cells = np.where(raw < 0, raw ^ (REST >> np.int64(shift)), raw)
        order = np.argsort(cells)
        return cls(shift, cells[order], rows[order])._within()

    def __add__(self, other: "Histogram") -> "Histogram":
        return self._merge(other, 1)._within()

    def __sub__(self, other: "Histogram") -> "Histogram":
        """The histogram of these rows without the other's.

        Errors:  NegativeCountError where the other has more rows in a cell
        """
        found = self._merge(other, -1)
        if (found.rows < 0).any():
            raise NegativeCountError("rows that were never counted cannot be taken away")
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        same = self.shift == other.shift and np.array_equal(self.cells, other.cells)
        return same and np.array_equal(self.rows, other.rows)

    def _merge(self, other: "Histogram", sign: int) -> "Histogram":
        shift = max(self.shift, other.shift)
        one, two = self.coarser(shift), other.coarser(shift)
        cells, rows = _summed([one.cells, two.cells], [one.rows, sign * two.rows])
        held = rows != 0
        return Histogram(shift, cells[held], rows[held])

    def coarser(self, shift: int) -> "Histogram":
        """The same rows in the wider cells of this shift."""
        if shift <= self.shift:
            return self
        cells, rows = _summed([self.cells >> np.int64(shift - self.shift)], [self.rows])
        return Histogram(shift, cells, rows)

    def _within(self) -> Self:
        """The histogram with as many bits as CELLS cells allow."""
        found = self.coarser(self.shift + _least_shift(self.cells))
        return type(self)(found.shift, found.cells, found.rows)

    @property
    def total(self) -> int:
        """The number of rows."""
        return int(self.rows.sum())

    @property
    def exact(self) -> bool:
        """Whether each cell is a single value."""
        return self.shift == 0

    @property
    def starts(self) -> Array:
        """The least value of each cell: (c,)."""
        return _value(self.cells << np.int64(self.shift))

    @property
    def ends(self) -> Array:
        """The largest value of each cell: (c,)."""
        return _value((self.cells << np.int64(self.shift)) | np.int64((1 << self.shift) - 1))

    @property
    def low(self) -> float:
        """A lower bound of all values, which is the least of them where cells are exact."""
        return float(self.starts[0]) if len(self.cells) else np.inf

    @property
    def high(self) -> float:
        """An upper bound of all values, which is the largest of them where cells are exact."""
        return float(self.ends[-1]) if len(self.cells) else -np.inf


def _counted(bits: Keys, shift: int) -> tuple[Keys, Keys]:
    """The distinct bits without the last `shift` and how many rows have each: (c,), (c,)."""
    raw = bits >> np.int64(shift)
    if shift >= LOWEST_COUNTED:
        counters = 1 << (64 - shift)
        counts = np.bincount(raw & np.int64(counters - 1), minlength=counters)
        found = np.flatnonzero(counts)
        return np.where(found >= counters // 2, found - counters, found), counts[found]
    # Whole numbers end in many zero bits, and beside them 0 itself is far away.
    zeros = len(raw) - np.count_nonzero(raw)
    raw = raw[raw != 0] if zeros else raw
    if not len(raw):
        return np.zeros(1, dtype=np.int64), np.array([zeros])
    every = int(np.bitwise_or.reduce(raw))
    end = (every & -every).bit_length() - 1
    low = int(raw.min()) >> end
    if (int(raw.max()) >> end) - low < COUNTERS:
        counts = np.bincount((raw >> np.int64(end)) - low)
        found = np.flatnonzero(counts)
        cells, counts = (found + low) << end, counts[found]
    else:
        cells, counts = np.unique(raw, return_counts=True)
    if zeros:
        cells, counts = np.append(cells, 0), np.append(counts, zeros)
    return cells, counts


def _summed(cells: Sequence[Keys], rows: Sequence[Keys]) -> tuple[Keys, Keys]:
    """Sorted distinct cells and the sums of their rows: (c,), (c,)."""
    found, at = np.unique(np.concatenate(cells), return_inverse=True)
    summed = np.zeros(len(found), dtype=np.int64)
    np.add.at(summed, at, np.concatenate(rows))
    return found, summed


def _least_shift(keys: Keys) -> int:
    """The fewest bits to drop from sorted keys, so that at most CELLS distinct ones are left."""
    if len(keys) <= CELLS:
        return 0
    low, high = -1, LARGEST_SHIFT  # too many distinct keys at low, few enough at high
    while high - low > 1:
        middle = (low + high) // 2
        some = keys >> np.int64(middle)
        if 1 + np.count_nonzero(some[1:] != some[:-1]) > CELLS:
            low = middle
        else:
            high = middle
    return high


def _value(keys: Keys) -> Array:
    """The value of each key."""
    return np.where(keys < 0, keys ^ REST, keys).view(np.float64)
