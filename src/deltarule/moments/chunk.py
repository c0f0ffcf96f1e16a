"""Chunk: some rows on their way into sums: tidied, measured in a frame, each with its fold.

A row's fold is a hash of its own values, so order, source, merging and forgetting all agree; unless
the chunk says the fold of each row itself.
Missing inputs count as the frame's fill, beside a column that is 1 where they are missing.

Shapes: n rows, m numbers.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import ValueRefusedError
from deltarule.moments.moments import unit_of
from deltarule.moments.pieces import Column, whole
from deltarule.rule.predict import Array, Mask

Codes = NDArray[np.int64]
Folds = NDArray[np.uint8]

NOWHERE = 255
"""The fold of a row that is left out because it has no place among the folds."""


class InfiniteError(ValueRefusedError):
    """An infinite value, by column and row of the chunk; whoever knows the names says them."""

    def __init__(self, number: int, row: int, value: float) -> None:
        super().__init__(f"number column {number}, row {row}: {value}")
        self.number, self.row, self.value = number, row, value


@dataclass(frozen=True)
class Category:
    """A category's codes, (n,), below `levels`, and a stable hash of each; code 0 is missing."""

    codes: Codes
    levels: int
    hashes: NDArray[np.uint64]


@dataclass(frozen=True)
class Chunk:
    """Some rows: number columns (n,), of which those from `targets` on are targets; NaN is missing.

    Of the categories, the last `classes` are targets.
    `identify` are the number columns, `identify_by` the categories, that tell rows apart.
    """

    numbers: Sequence[Column]
    targets: int
    categories: Sequence[Category] = ()
    classes: int = 0
    row_weights: Array | None = None
    identify: Sequence[int] = ()
    identify_by: Sequence[int] = ()
    drop_missing: bool = False
    gaps: bool = False
    """Whether some number is known to be missing, so that there is no need to find out."""
    placed: Folds | None = None
    """The fold of each row, (n,), or NOWHERE, where it is not to be a hash of the row's values."""

    def __len__(self) -> int:
        return len(self.numbers[0] if self.numbers else self.categories[0].codes)

    @property
    def homeless(self) -> Mask | None:
        """The rows that no fold has a place for, (n,); None where there are none."""
        if self.placed is None:
            return None
        homeless: Mask = self.placed == NOWHERE
        return homeless if homeless.any() else None

    def gone(self, missing: Sequence[Mask]) -> Iterator[tuple[int, Mask]]:
        """The rows that cannot be learnt from, (n,), by cause: those of the first cause first.

        Causes count the numbers, the categories, no fold, and a weight of 0. Numbers go backwards:
        an offset stands behind the targets that may be measured from it.
        `missing` says of each number where it is.
        """
        m, c = len(self.numbers), len(self.categories)
        for at in reversed(range(self.targets, m)):
            yield at, missing[at]
        for at in range(c - self.classes, c):
            yield m + at, self.categories[at].codes == 0
        if self.homeless is not None:
            yield m + c, self.homeless
        if self.row_weights is not None:
            yield m + c + 1, ~(self.row_weights > 0)
        if self.drop_missing:
            yield from enumerate(missing[: self.targets])
            for at in range(c - self.classes):
                yield m + at, self.categories[at].codes == 0

    def fold(self, folds: int, kept: NDArray[np.intp] | None = None) -> Folds:
        """The fold of each row, or of those `kept`: (n,)."""
        if self.placed is not None:
            return self.placed if kept is None else self.placed[kept]
        rows = len(self) if kept is None else len(kept)
        return fold_of(self.hashes(kept), rows=rows, folds=folds)

    def hashes(self, kept: NDArray[np.intp] | None = None) -> list[NDArray[np.uint64]]:
        """For each identifying column, (n,) bits of its values."""
        at_all = slice(None) if kept is None else kept
        bits = [bits_of(whole(self.numbers[at])[at_all]) for at in self.identify]
        for at in self.identify_by:
            category = self.categories[at]
            bits.append(category.hashes[category.codes[at_all]])
        return bits


@dataclass(frozen=True)
class Frame:
    """What numbers are measured from: (x - shift) / scale. Missing ones count as the shift.

    Scale is a power of two.
    """

    shift: Array
    scale: Array

    @classmethod
    def guess(cls, numbers: Sequence[Column], *, rows: int = 4096) -> "Frame":
        """A frame near the middle and spread of the first rows.

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
            # The median, so that a far value among the first does not decide for all.
            middle = float(np.median(head))
            spread = float(np.median(np.abs(head - middle)))
            if spread == 0:
                shift[at] = middle * scale[at]
            elif abs(middle) > 2 * spread:
                grid = np.ldexp(1.0, int(np.floor(np.log2(spread))))
                shift[at] = np.round(middle / grid) * grid * scale[at]
        return cls(shift, scale)


@dataclass(frozen=True)
class Tidy:
    """A chunk without the rows that are left out, every gap filled.

    `kept` are the rows left; None where all are. `causes` counts those left out, as `Chunk.gone`.
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
    def unchecked(cls, chunk: Chunk) -> "Tidy":
        """The chunk as it is: right when every number in it is finite."""
        return cls(
            numbers=chunk.numbers,
            categories=[category.codes for category in chunk.categories],
            row_weights=chunk.row_weights,
            gaps={},
            low={},
            high={},
            kept=None,
        )

    @classmethod
    def of(cls, chunk: Chunk, frame: Frame) -> "Tidy":
        """The chunk with gaps found and filled, and rows without a target left out.

        Errors:  InfiniteError for the first infinite value of a row that is not left out
        """
        columns = [whole(column) for column in chunk.numbers]
        missing = [np.isnan(column) for column in columns]
        keep = np.ones(len(chunk), dtype=bool)
        causes: Counter[int] = Counter()
        for cause, gone in chunk.gone(missing):
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
                values = np.where(gap, frame.shift[number], values)
            infinite = np.isinf(values)
            if infinite.any():
                row = int(np.argmax(infinite))
                raise InfiniteError(number, int(kept[row]), float(values[row]))
            numbers.append(values)
        return cls(
            numbers=numbers,
            categories=[category.codes[kept] for category in chunk.categories],
            row_weights=None if chunk.row_weights is None else chunk.row_weights[kept],
            gaps=gaps,
            low=low,
            high=high,
            kept=kept,
            causes=causes,
        )


def bits_of(values: Array) -> NDArray[np.uint64]:
    """The bits of numbers, -0.0 as 0.0 and every NaN as one: (n,)."""
    plain = values + 0.0
    gaps = np.isnan(plain)
    if gaps.any():
        plain[gaps] = np.nan
    return plain.view(np.uint64)


def fold_of(bits: Sequence[NDArray[np.uint64]], *, rows: int, folds: int) -> Folds:
    """Each row's fold, from the bits of the values that tell rows apart: (n,).

    Maths:   a multiply-shift hash; the top 24 bits times `folds`, shifted down
    Source:  Dietzfelbinger et al. 1997
    """
    mixed = np.zeros(rows, dtype=np.uint64)
    for part in bits:
        mixed = (mixed ^ part) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(0xD6E8FEB86659FD93)
        mixed ^= mixed >> np.uint64(29)
    mixed >>= np.uint64(40)
    mixed *= np.uint64(folds)
    mixed >>= np.uint64(24)
    return mixed.astype(np.uint8)


def sorted_by(fold: Folds) -> tuple[NDArray[np.intp], dict[int, slice]]:
    """The order that sorts rows by fold, (n,), and where those of each fold then stand."""
    ends = np.cumsum(np.bincount(fold)).tolist()
    spans = {of: slice(begin, end) for of, (begin, end) in enumerate(pairwise([0, *ends]))}
    order = np.argsort(fold, kind="stable")
    return order, {of: span for of, span in spans.items() if span.start < span.stop}
