"""Accumulate blocks of rows into mergeable sums, by fold.

The rows of each fold are gathered into a buffer that fits the cache, and its Gram matrix
`block.T @ block` holds every sum of products that moments need.
Numbers are shifted by a coarse guess of their mean first, so that the sums keep their digits.
Categories are never one-hot encoded: they stay codes, and their sums are grouped sums, which are
added up as they are and become moments once, at the end.

Shapes: n rows, m numbers of which g have gaps, f folds. A Gram matrix is (f, s, s), s = 1 + m + g:
a column of ones, the numbers, and the missing indicators of those with gaps.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deltarule.moments.block import Block, CleanBlock, InfiniteError, Origin
from deltarule.moments.chunked_array import Column, whole
from deltarule.moments.folds import FoldEntries
from deltarule.moments.grouped_sums import GroupedSums
from deltarule.moments.moments import Moments, two_sum
from deltarule.moments.one_hot import Levels, OneHotCross
from deltarule.rule.predict import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Cells of a buffer, 6 MB, and its most rows. Short calls make two threads contend for the GIL.
# Measured with 21 columns: 95 ns a row; with a quarter of the rows 140.
BLOCK_CELLS, BLOCK = 720_896, 32_768


@dataclass
class Sums:
    """The sums of some blocks, all about one origin.

    `levels` are how many each category has so far; `tables` are sums by level, `pairs` by the
    levels of two categories.

    Shapes:  gaps (g,): the numbers with gaps, in order; gram (f, s, s); low, high (m,) of the
             values present
    """

    frame: Origin
    gaps: tuple[int, ...]
    gram: Array
    low: Array
    high: Array
    levels: list[int] = field(default_factory=list)
    tables: list[GroupedSums] = field(default_factory=list)
    pairs: dict[tuple[int, int], GroupedSums] = field(default_factory=dict)
    examples: int = 0
    causes: Counter[int] = field(default_factory=Counter)
    """How many rows were left out, by cause as in `Block.gone`."""

    def __add__(self, other: "Sums") -> "Sums":
        whole = self.copy()
        whole.add(other)
        return whole

    def copy(self) -> "Sums":
        """The same sums, to add others to."""
        return replace(
            self,
            gram=self.gram.copy(),
            levels=[*self.levels],
            tables=[table.copy() for table in self.tables],
            pairs={key: pair.copy() for key, pair in self.pairs.items()},
        )

    def add(self, other: "Sums") -> None:
        """Add another's sums, about the same origin, to these."""
        gaps = tuple(sorted({*self.gaps, *other.gaps}))
        self.widen(gaps)
        if other.gaps != gaps:
            other = replace(other, tables=[*other.tables])
            other.widen(gaps)
        self.gram += other.gram
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        self.levels = [max(*both) for both in zip(self.levels, other.levels, strict=True)]
        for table, more in zip(self.tables, other.tables, strict=True):
            table.add(more)
        for key, pair in self.pairs.items():
            pair.add(other.pairs[key])
        self.examples += other.examples
        self.causes = self.causes + other.causes

    def widen(self, gaps: tuple[int, ...]) -> None:
        """Give each of these numbers a missing indicator."""
        if gaps == self.gaps:
            return
        m = len(self.low)
        places = [*range(1 + m), *(1 + m + gaps.index(number) for number in self.gaps)]
        folds, size = len(self.gram), 1 + m + len(gaps)
        gram = np.zeros((folds, size, size))
        gram[np.ix_(range(folds), places, places)] = self.gram
        self.gaps, self.gram = gaps, gram
        self.tables = [table.widened(places, size) for table in self.tables]

    @property
    def left_out(self) -> int:
        """How many rows were left out, for any cause."""
        return self.causes.total()

    @property
    def digits_lost(self) -> float:
        """The worst ratio of (mean - shift) ** 2 to the variance, over columns and folds."""
        rows = self.gram[:, :1, 0]
        numbers = slice(1, 1 + len(self.low))
        diagonal = self.gram.diagonal(axis1=1, axis2=2)[:, numbers]
        with np.errstate(divide="ignore", invalid="ignore"):
            off = (self.gram[:, 0, numbers] / rows) ** 2
            lost = off / (diagonal / rows - off)
        # No digits are lost at the shift itself, nor of a constant column.
        lost[(off == 0) | ~(rows > 0)] = 0.0
        lost[:, self.low >= self.high] = 0.0
        return float(np.max(np.where(lost < 0, np.inf, lost), initial=0.0))

    def moments(self) -> list[Moments]:
        """Each fold's moments: numbers, missing indicators, one-hot levels."""
        starts = self.gram.shape[1] - 1 + np.cumsum([0, *self.levels], dtype=int)
        others = len(self.gaps) + sum(self.levels)
        scale = np.concatenate([self.frame.scale, np.ones(others)])
        shift = np.concatenate([self.frame.shift / self.frame.scale, np.zeros(others)])
        return [self._fold(fold, starts, shift, scale) for fold in range(len(self.gram))]

    def _fold(self, fold: int, starts: NDArray[np.int64], shift: Array, scale: Array) -> Moments:
        gram = self.gram[fold]
        rows = gram[0, 0]
        mean = gram[0, 1:] / (rows or 1.0)
        sums = [
            table.by_level(fold, levels)
            for table, levels in zip(self.tables, self.levels, strict=True)
        ]
        cross = OneHotCross(
            rows=float(rows),
            dense_at=np.arange(len(mean)),
            dense=gram[1:, 1:] - np.outer(mean, mean) * rows,
            levels=tuple(
                Levels(
                    np.arange(start, start + len(one)),
                    one[:, 0],
                    one[:, 1:] - np.outer(one[:, 0], mean),
                )
                for start, one in zip(starts[:-1], sums, strict=True)
            ),
            pairs={key: self._pair(key, fold) for key in self.pairs},
        )
        shares = [one[:, 0] / (rows or 1.0) for one in sums]
        whole_mean, rest = two_sum(shift, np.concatenate([mean, *shares]))
        whole = Moments(float(rows), whole_mean, rest, cross, scale)
        return (whole if rows else whole.empty).compact

    def _pair(self, key: tuple[int, int], fold: int) -> "csr_array":
        from scipy.sparse import csr_array  # it takes 50 ms to load, and few need it

        one, other, counts = self.pairs[key].pairs(fold)
        return csr_array((counts, (one, other)), shape=(self.levels[key[0]], self.levels[key[1]]))


def accumulate(chunk: Block, frame: Origin, *, folds: int) -> Sums:
    """The sums of a block of rows.

    Errors:  InfiniteError for the first infinite value of a row that is not left out
    """
    checked = chunk.row_weights is not None or (chunk.drop_missing and len(chunk.categories) > 0)
    checked |= chunk.row_keys.homeless is not None
    if not checked and not chunk.gaps:
        # A value that is not finite makes its column's square not finite: a free check.
        result = _tally(chunk, CleanBlock.unchecked(chunk), frame, folds)
        if result is not None:
            return result
    tidy = CleanBlock.of(chunk, frame)
    result = _tally(chunk, tidy, frame, folds)
    if result is None:
        # Finite, but its square overflows.
        far = [
            np.max(np.abs(whole(column) / scale), initial=0.0)
            for column, scale in zip(tidy.numbers, frame.scale, strict=True)
        ]
        number = int(np.argmax(far))
        column = whole(tidy.numbers[number])
        row = int(np.argmax(np.abs(column)))
        assert tidy.kept is not None, "rows that were checked are counted"
        raise InfiniteError(number, int(tidy.kept[row]), float(column[row]))
    return result


def _tally(chunk: Block, tidy: CleanBlock, frame: Origin, folds: int) -> Sums | None:
    """The sums; None where a number's square overflows."""
    m = len(tidy.numbers)
    n = len(chunk) - tidy.causes.total()
    keys = chunk.row_keys
    target = whole(tidy.numbers[chunk.targets]) if keys.trials else None
    entries = keys.entries(folds, tidy.row_weights, tidy.kept, target=target)
    columns = [*tidy.numbers, *tidy.gaps.values()]
    sums = Sums(
        frame=frame,
        gaps=tuple(tidy.gaps),
        gram=np.zeros((0, 0, 0)),
        low=np.full(m, np.inf),
        high=np.full(m, -np.inf),
        examples=n,
        causes=tidy.causes,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        sums.gram = _gram(chunk, tidy, columns, entries, folds, sums)
        if not np.isfinite(sums.gram.diagonal(axis1=1, axis2=2)).all():
            return None
        for number in tidy.gaps:
            sums.low[number], sums.high[number] = tidy.low[number], tidy.high[number]
        if chunk.categories:
            _group(chunk, tidy, columns, entries, frame, folds, sums)
    return sums


def _gram(
    chunk: Block,
    tidy: CleanBlock,
    columns: Sequence[Column],
    entries: FoldEntries,
    folds: int,
    sums: Sums,
) -> Array:
    frame = sums.frame
    m, n = len(frame.shift), len(entries)
    width = 1 + len(columns)
    some = max(min(BLOCK_CELLS // width, BLOCK), 256)
    memory, own = np.empty(min(some, n) * width), np.empty(min(some, n) * width)
    shift = np.concatenate([[0.0], frame.shift, np.zeros(len(columns) - m)])
    rescaled = np.flatnonzero(frame.scale != 1).tolist()
    gram = np.zeros((folds, width, width))
    weights = entries.each(tidy.row_weights)
    for start in range(0, n, some):
        span = slice(start, min(start + some, n))
        sort = entries.block(span)
        size = len(sort.order)
        block = memory[: size * width].reshape((size, width), order="F")
        block[:, 0] = 1.0
        for at, column in enumerate(columns):
            here, values = column[sort.rows], block[:, 1 + at]
            if at < m:
                # First, as it reads memory in order: then the gather below hits the cache.
                sums.low[at] = min(sums.low[at], here.min())
                sums.high[at] = max(sums.high[at], here.max())
            # mode="clip" skips take's buffer; the rows are within range anyway.
            np.take(here, sort.place, out=values, mode="clip")
        if entries.target is not None:
            block[:, 1 + chunk.targets] = entries.target[span][sort.order]
        each = None if weights is None else np.sqrt(weights[span][sort.order])
        for of, fold in sort.spans.items():
            # Contiguous: otherwise np.dot makes two copies, and takes twice as long. And np.dot
            # rather than @, which holds the GIL.
            gathered = block[fold]
            mine = own[: gathered.size].reshape(gathered.shape, order="F")
            np.subtract(gathered, shift, out=mine)
            for at in rescaled:
                mine[:, 1 + at] *= 1 / frame.scale[at]
            if each is not None:
                mine *= each[fold, None]
            gram[of] += np.dot(mine.T, mine)
    return gram


def _group(
    chunk: Block,
    tidy: CleanBlock,
    columns: Sequence[Column],
    entries: FoldEntries,
    frame: Origin,
    folds: int,
    sums: Sums,
) -> None:
    """The grouped sums of categories with numbers and with each other."""
    m = len(frame.shift)
    each = entries.each(tidy.row_weights)
    measured = [
        (whole(column) - frame.shift[at]) / frame.scale[at] if at < m else whole(column)
        for at, column in enumerate(columns)
    ]
    measured = [entries.of(column) for column in measured]
    if entries.target is not None:
        at = chunk.targets
        measured[at] = (entries.target - frame.shift[at]) / frame.scale[at]
    codes = [entries.of(own) for own in tidy.categories]
    sums.levels = [category.levels for category in chunk.categories]
    weighed = [each, *(one if each is None else one * each for one in measured)]
    for own in codes:
        sums.tables.append(GroupedSums.of(own, entries.fold, weighed, folds=folds))
    for at, own in enumerate(codes):
        for other in range(at + 1, len(codes)):
            others = codes[other], sums.levels[other]
            sums.pairs[at, other] = GroupedSums.of(
                own, entries.fold, [each], folds=folds, others=others
            )


class Accumulator:
    """Adds the sums of blocks in order; finishes as each fold's moments and each number's range.

    All blocks share an origin while it fits them. Where the numbers drift so far from it that
    digits would be lost, the sums so far become moments, and a new origin is chosen.
    """

    # Four digits of the sixteen may be lost before a new origin pays.
    DIGITS_LOST = 1e4

    def __init__(self, *, folds: int) -> None:
        self.folds = folds
        self._finished: list[Sums] = []
        self._sums: Sums | None = None

    def add(self, chunk: Block, sums: Sums) -> Origin:
        """Add a block's sums; returns the origin for later blocks."""
        if sums.examples and sums.digits_lost > self.DIGITS_LOST and self._alone(sums):
            whole = CleanBlock.of(chunk, sums.frame).numbers
            frame = Origin.guess(whole, rows=len(chunk))
            sums = accumulate(chunk, frame, folds=self.folds)
        if self._sums is None:
            self._sums = sums.copy()
        elif self._sums.frame is sums.frame:
            self._sums.add(sums)
        else:
            self._finished.append(self._sums)
            self._sums = sums.copy()
        return self._sums.frame

    def _alone(self, sums: Sums) -> bool:
        """Whether these sums lose too many digits even merged with the sums so far."""
        if self._sums is None or self._sums.frame is not sums.frame:
            return True
        numbers = [replace(one, levels=[], tables=[], pairs={}) for one in (self._sums, sums)]
        return (numbers[0] + numbers[1]).digits_lost > self.DIGITS_LOST

    def finish(self) -> tuple[list[Moments], Sums]:
        """Each fold's moments, and the last sums, which hold ranges and counts of all."""
        assert self._sums is not None, "at least one chunk"
        last = self._sums
        parts = [*self._finished, last]
        gaps = tuple(sorted({gap for part in parts for gap in part.gaps}))
        levels = [max(part.levels[at] for part in parts) for at in range(len(last.levels))]
        merged: list[Moments] | None = None
        for part in parts:
            part.widen(gaps)
            part.levels = levels
            found = part.moments()
            # Missing numbers counted as each origin's own shift; from here on, as the last one's.
            for number, change in enumerate(last.frame.shift - part.frame.shift):
                if change and number in gaps:
                    gap = len(part.low) + gaps.index(number)
                    found = [fold.refill(number, gap, float(change)) for fold in found]
            merged = (
                found if merged is None else [a + b for a, b in zip(merged, found, strict=True)]
            )
        for part in self._finished:
            last.low, last.high = np.minimum(last.low, part.low), np.maximum(last.high, part.high)
            last.examples += part.examples
            last.causes += part.causes
        assert merged is not None
        return merged, last
