"""Block: some rows as numbers, codes and fold keys, cleaned before they are summed.

A row's fold is a function of its key, which the block has beside its values.
Missing inputs count as the origin's shift, beside a missing indicator.

Shapes: n rows, m numbers.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.errors import ValueRefusedError
from deltarule.moments.chunked_array import Column, whole
from deltarule.moments.folds import RowKeys
from deltarule.moments.moments import unit_of
from deltarule.rule.predict import Array, Mask

Codes = NDArray[np.int64]


class InfiniteError(ValueRefusedError):
    """An infinite value, by column and row of the block; the caller adds the names."""

    def __init__(self, number: int, row: int, value: float) -> None:
        super().__init__(f"number column {number}, row {row}: {value}")
        self.number, self.row, self.value = number, row, value


@dataclass(frozen=True)
class Category:
    """A category's codes, (n,), below `levels`; code 0 is missing."""

    codes: Codes
    levels: int


@dataclass(frozen=True)
class Block:
    """A block of rows: number columns (n,), those from `targets` on targets; NaN is missing.

    Of the categories, the last `classes` are targets. Without `keys` rows are numbered from 1.
    """

    numbers: Sequence[Column]
    targets: int
    categories: Sequence[Category] = ()
    classes: int = 0
    row_weights: Array | None = None
    keys: RowKeys | None = None
    """What decides the fold of each row."""
    drop_missing: bool = False
    gaps: bool = False
    """Whether some number is known to be missing, which saves a scan."""

    def __len__(self) -> int:
        return len(self.numbers[0] if self.numbers else self.categories[0].codes)

    @property
    def row_keys(self) -> RowKeys:
        """What decides the fold of each row."""
        return RowKeys(len(self)) if self.keys is None else self.keys

    def gone(self, missing: Sequence[Mask]) -> Iterator[tuple[int, Mask]]:
        """Masks of the rows to leave out, (n,), by cause: the first cause first.

        Causes count the numbers, the categories, no fold, and a weight of 0. Numbers are checked
        last to first: an offset comes after the targets that may be measured from it.
        `missing` is a mask for each number.
        """
        m, c = len(self.numbers), len(self.categories)
        for at in reversed(range(self.targets, m)):
            yield at, missing[at]
        for at in range(c - self.classes, c):
            yield m + at, self.categories[at].codes == 0
        homeless = self.row_keys.homeless
        if homeless is not None:
            yield m + c, homeless
        if self.row_weights is not None:
            yield m + c + 1, ~(self.row_weights > 0)
        if self.drop_missing:
            yield from enumerate(missing[: self.targets])
            for at in range(c - self.classes):
                yield m + at, self.categories[at].codes == 0


@dataclass(frozen=True)
class Origin:
    """Shift and scale of the numbers: (x - shift) / scale. Missing ones count as the shift.

    Scale is a power of two.
    """

    shift: Array
    scale: Array

    @classmethod
    def guess(cls, numbers: Sequence[Column], *, rows: int = 4096) -> "Origin":
        """An origin near the median and spread of the first rows.

        The shift is a whole multiple of a power of two near the spread, so that subtracting it
        rounds nothing for values that are themselves short. Near zero it is zero: it costs nothing.
        """
        shift, scale = np.zeros(len(numbers)), np.ones(len(numbers))
        for at, column in enumerate(numbers):
            head = column[:rows][np.isfinite(column[:rows])]
            if not head.size:
                every = whole(column)
                head = every[np.isfinite(every)][:rows]
            largest = float(np.max(np.abs(head), initial=0.0))
            if largest == 0:
                continue
            scale[at] = unit_of(largest)
            head = head / scale[at]
            # The median, so that an outlier among the first rows does not decide.
            middle = _median(head)
            spread = _median(np.abs(head - middle))
            if spread == 0:
                shift[at] = middle * scale[at]
            elif abs(middle) > 2 * spread:
                grid = np.ldexp(1.0, int(np.floor(np.log2(spread))))
                shift[at] = np.round(middle / grid) * grid * scale[at]
        return cls(shift, scale)


def _median(values: Array) -> float:
    """As `np.median`, which loads masked arrays, 10 ms of a command, to look for NaN."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    ordered = np.partition(values, (low, high))
    return float((ordered[low] + ordered[high]) / 2)


@dataclass(frozen=True)
class CleanBlock:
    """A block without the rows that are left out, every gap filled.

    `kept` are the rows left; None where all are. `causes` counts those left out, as `Block.gone`.
    """

    numbers: Sequence[Column]
    categories: Sequence[Codes]
    row_weights: Array | None
    gaps: dict[int, Array]
    low: dict[int, float]
    high: dict[int, float]
    kept: NDArray[np.intp] | None
    causes: Counter[int] = field(default_factory=Counter)

    @classmethod
    def unchecked(cls, block: Block) -> "CleanBlock":
        """The block as it is: valid when every number in it is finite."""
        return cls(
            numbers=block.numbers,
            categories=[category.codes for category in block.categories],
            row_weights=block.row_weights,
            gaps={},
            low={},
            high={},
            kept=None,
        )

    @classmethod
    def of(cls, block: Block, origin: Origin) -> "CleanBlock":
        """The block with gaps filled, and rows without a target left out.

        Errors:  InfiniteError for the first infinite value of a row that is not left out
        """
        columns = [whole(column) for column in block.numbers]
        missing = [np.isnan(column) for column in columns]
        keep = np.ones(len(block), dtype=bool)
        causes: Counter[int] = Counter()
        for cause, gone in block.gone(missing):
            causes[cause] += int((keep & gone).sum())
            keep &= ~gone
        kept = np.flatnonzero(keep)
        numbers: list[Array] = []
        gaps: dict[int, Array] = {}
        low: dict[int, float] = {}
        high: dict[int, float] = {}
        for number, column in enumerate(columns):
            values, gap = column[kept], missing[number][kept]
            if gap.any():
                low[number] = float(np.min(values, where=~gap, initial=np.inf))
                high[number] = float(np.max(values, where=~gap, initial=-np.inf))
                gaps[number] = gap.astype(np.float64)
                values = np.where(gap, origin.shift[number], values)
            infinite = np.isinf(values)
            if infinite.any():
                row = int(np.argmax(infinite))
                raise InfiniteError(number, int(kept[row]), float(values[row]))
            numbers.append(values)
        return cls(
            numbers=numbers,
            categories=[category.codes[kept] for category in block.categories],
            row_weights=None if block.row_weights is None else block.row_weights[kept],
            gaps=gaps,
            low=low,
            high=high,
            kept=kept,
            causes=causes,
        )
