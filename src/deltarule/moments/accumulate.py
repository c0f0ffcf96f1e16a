"""Accumulate blocks of rows into mergeable sums, by fold.

The rows of each fold are gathered into a buffer that fits the cache, and its Gram matrix
`block.T @ block` holds every sum of products that moments need.
Numbers are shifted by a coarse guess of their mean first, so that the sums keep their digits.
Categories are never one-hot encoded: they stay codes, and their sums are grouped sums, which are
added up as they are and become moments once, at the end.

Shapes: n rows, m numbers of which g have gaps, f folds. A Gram matrix is (f, s, s), s = 1 + m + g:
a column of ones, the numbers, and the missing indicators of those with gaps.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.block import Block, CleanBlock, InfiniteError, Origin
from deltarule.moments.chunked_array import Column, whole
from deltarule.moments.folds import FoldEntries
from deltarule.moments.grouped_sums import GroupedSums
from deltarule.moments.histogram import Histogram
from deltarule.rule.predict import Array

if TYPE_CHECKING:
    from deltarule.moments.row_cross import KeptRows

# Cells of a buffer, 6 MB, and its most rows. Short calls make two threads contend for the GIL.
# Measured with 21 columns: 95 ns a row; with a quarter of the rows 140.
BLOCK_CELLS, BLOCK = 720_896, 32_768
# Products of so few columns are made by pieces of at most so many multiplications: OpenBLAS then
# packs nothing. Measured with 22 columns: 20 ns a row, where half of them by symmetry (syrk) take
# 32; with 44 columns 115 and 85.
NARROW, PIECE = 32, 900_000


# Pairs of levels by fold that are summed: with the moments made of them 2 GB.
MOST_PAIRS = 1 << 25


class Buffers(threading.local):
    """Each thread's memory for the blocks it gathers: fresh pages would cost 5 ns a row."""

    def __init__(self) -> None:
        self.memory = np.empty(0)

    def of(self, cells: int) -> Array:
        """An array of so many numbers, valid until the next call."""
        if len(self.memory) < cells:
            self.memory = np.empty(cells)
        return self.memory[:cells]


class PairsError(Exception):
    """More pairs of levels have rows than there is room for."""


@dataclass
class Sums:
    """The sums of some blocks, all about one origin.

    `levels` are how many each category has so far; `tables` are sums by level, `pairs` by the
    levels of two categories.

    Shapes:  gaps (g,): the numbers with gaps, in order; gram (f, s, s), or its first row and its
             diagonal (f, 2, s) where rows are kept; low, high (m,) of the values present
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
    histograms: list[Histogram] = field(default_factory=list)
    """Of each number, where they were asked for."""
    kept: "tuple[KeptRows, ...] | None" = None
    """The rows themselves, in place of the products of more columns than there are rows."""

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
        both = zip(self.histograms, other.histograms, strict=True)
        self.histograms = [mine + more for mine, more in both]
        if self.kept is not None:
            self.kept = (*self.kept, *(other.kept or ()))

    def widen(self, gaps: tuple[int, ...]) -> None:
        """Give each of these numbers a missing indicator."""
        if gaps == self.gaps:
            return
        m = len(self.low)
        places = [*range(1 + m), *(1 + m + gaps.index(number) for number in self.gaps)]
        folds, size = len(self.gram), 1 + m + len(gaps)
        if self.kept is not None:
            few = np.zeros((folds, 2, size))
            few[:, :, places] = self.gram
            self.gaps, self.gram = gaps, few
            return
        gram = np.zeros((folds, size, size))
        gram[np.ix_(range(folds), places, places)] = self.gram
        self.gaps, self.gram = gaps, gram
        self.tables = [table.widened(places, size) for table in self.tables]

    @property
    def diagonal(self) -> Array:
        """The diagonals of the Gram matrices: (f, s)."""
        if self.kept is not None:
            return self.gram[:, 1]
        diagonal: Array = self.gram.diagonal(axis1=1, axis2=2)
        return diagonal

    @property
    def digits_lost(self) -> float:
        """The worst ratio of (mean - shift) ** 2 to the variance, over columns and folds."""
        rows = self.gram[:, :1, 0]
        numbers = slice(1, 1 + len(self.low))
        diagonal = self.diagonal[:, numbers]
        with np.errstate(divide="ignore", invalid="ignore"):
            off = (self.gram[:, 0, numbers] / rows) ** 2
            lost = off / (diagonal / rows - off)
        # No digits are lost at the shift itself, nor of a constant column.
        lost[(off == 0) | ~(rows > 0)] = 0.0
        lost[:, self.low >= self.high] = 0.0
        return float(np.max(np.where(lost < 0, np.inf, lost), initial=0.0))


def accumulate(
    block: Block,
    origin: Origin,
    *,
    folds: int,
    histograms: bool = False,
    keep_rows: bool = False,
    buffers: Buffers | None = None,
) -> Sums:
    """The sums of a block of rows, and perhaps histograms of its numbers.

    With `keep_rows` the rows are kept in place of the products of all pairs of their columns.

    Errors:  InfiniteError for the first infinite value of a row that is not left out
    """
    buffers = buffers or Buffers()
    checked = block.row_weights is not None or (block.drop_missing and len(block.categories) > 0)
    checked |= block.row_keys.homeless is not None
    if not checked and not block.gaps:
        # A value that is not finite makes its column's square not finite: a free check.
        result = _tally(block, CleanBlock.unchecked(block), origin, folds, keep_rows, buffers)
        if result is not None:
            return _counted(result, CleanBlock.unchecked(block)) if histograms else result
    tidy = CleanBlock.of(block, origin)
    result = _tally(block, tidy, origin, folds, keep_rows, buffers)
    if result is None:
        # Finite, but its square overflows.
        far = [
            np.max(np.abs(whole(column) / scale), initial=0.0)
            for column, scale in zip(tidy.numbers, origin.scale, strict=True)
        ]
        number = int(np.argmax(far))
        column = whole(tidy.numbers[number])
        row = int(np.argmax(np.abs(column)))
        assert tidy.kept is not None, "rows that were checked are counted"
        raise InfiniteError(number, int(tidy.kept[row]), float(column[row]))
    return _counted(result, tidy) if histograms else result


def _counted(sums: Sums, clean: CleanBlock) -> Sums:
    """The sums with histograms of the values that are there."""
    for number, column in enumerate(clean.numbers):
        values = whole(column)
        if number in clean.gaps:
            values = values[clean.gaps[number] == 0]
        sums.histograms.append(Histogram.of(values))
    return sums


def _tally(
    block: Block,
    clean: CleanBlock,
    origin: Origin,
    folds: int,
    keep_rows: bool,
    buffers: Buffers,
) -> Sums | None:
    """The sums; None where a number's square overflows."""
    m = len(clean.numbers)
    n = len(block) - clean.causes.total()
    keys = block.row_keys
    target = whole(clean.numbers[block.targets]) if keys.trials else None
    entries = keys.entries(folds, clean.row_weights, clean.kept, target=target)
    columns = [*clean.numbers, *clean.gaps.values()]
    sums = Sums(
        frame=origin,
        gaps=tuple(clean.gaps),
        gram=np.zeros((0, 0, 0)),
        low=np.full(m, np.inf),
        high=np.full(m, -np.inf),
        examples=n,
        causes=clean.causes,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        if keep_rows:
            _keep(block, clean, columns, entries, folds, sums)
        else:
            sums.gram = _gram(block, clean, columns, entries, folds, sums, buffers)
        if not np.isfinite(sums.diagonal).all():
            return None
        for number in clean.gaps:
            sums.low[number], sums.high[number] = clean.low[number], clean.high[number]
        if block.categories:
            _group(block, clean, columns, entries, origin, folds, sums)
    return sums


def _gram(
    chunk: Block,
    clean: CleanBlock,
    columns: Sequence[Column],
    entries: FoldEntries,
    folds: int,
    sums: Sums,
    buffers: Buffers,
) -> Array:
    frame = sums.frame
    m, n = len(frame.shift), len(entries)
    width = 1 + len(columns)
    some = max(1, min(max(min(BLOCK_CELLS // width, BLOCK), 256), n))
    narrow = 1 < width <= NARROW
    piece = PIECE // (width * (width - 1)) if narrow else some
    memory = buffers.of((some + min(piece, some)) * width)
    memory, own = memory[: some * width], memory[some * width :]
    shift = np.concatenate([[0.0], frame.shift, np.zeros(len(columns) - m)])
    per = np.concatenate([[1.0], 1 / frame.scale, np.ones(len(columns) - m)])
    rescaled = bool((per != 1).any())
    gram = np.zeros((folds, width, width))
    weights = entries.each(clean.row_weights)
    for start in range(0, n, some):
        span = slice(start, min(start + some, n))
        sort = entries.block(span)
        size = len(sort.order)
        block = memory[: size * width].reshape((size, width), order="F")
        block[:, 0] = 1.0
        for at, column in enumerate(columns):
            # mode="clip" skips take's buffer; the rows are within range anyway.
            column[sort.rows].take(sort.place, out=block[:, 1 + at], mode="clip")
        # Of all columns at once: of 200, one call for each took a tenth of the time.
        numbers = block[:, 1 : 1 + m]
        np.minimum(sums.low, numbers.min(axis=0), out=sums.low)
        np.maximum(sums.high, numbers.max(axis=0), out=sums.high)
        if entries.target is not None:
            block[:, 1 + chunk.targets] = entries.target[span][sort.order]
        each = None if weights is None else np.sqrt(weights[span][sort.order])
        for of, rows in _pieces(sort.spans, piece):
            # Contiguous: otherwise np.dot makes two copies, and takes twice as long. And np.dot
            # rather than @, which holds the GIL.
            gathered = block[rows]
            mine = own[: gathered.size].reshape(gathered.shape, order="F")
            np.subtract(gathered, shift, out=mine)
            if rescaled:
                mine *= per
            if each is not None:
                mine *= each[rows, None]
            if narrow:
                gram[of, 0, 0] += np.dot(mine[:, 0], mine[:, 0])
                gram[of, :, 1:] += np.dot(mine.T, mine[:, 1:])
            else:
                gram[of] += np.dot(mine.T, mine)
    if narrow:  # to the last bit
        below = np.tril_indices(width, -1)
        gram[:, below[0], below[1]] = gram[:, below[1], below[0]]
    return gram


def _pieces(spans: Mapping[int, slice], piece: int) -> Iterator[tuple[int, slice]]:
    """The rows of each fold, at most so many at a time."""
    for of, span in spans.items():
        for start in range(span.start, span.stop, piece):
            yield of, slice(start, min(start + piece, span.stop))


def _keep(
    block: Block,
    clean: CleanBlock,
    columns: Sequence[Column],
    entries: FoldEntries,
    folds: int,
    sums: Sums,
) -> None:
    """The rows themselves, with the sums and sums of squares of their columns."""
    from deltarule.moments.row_cross import KeptRows  # most tables are not that wide

    frame, m = sums.frame, len(sums.frame.shift)
    numbers = [whole(column) for column in clean.numbers]
    weights, fold = entries.each(clean.row_weights), entries.fold
    instead = {} if entries.target is None else {block.targets: entries.target}
    sums.gram = np.zeros((folds, 2, 1 + len(columns)))
    sums.gram[:, 0, 0] = sums.gram[:, 1, 0] = np.bincount(fold, weights, minlength=folds)
    for at, column in enumerate(columns):
        values = numbers[at] if at < m else whole(column)
        if at < m and len(values):
            sums.low[at], sums.high[at] = values.min(), values.max()
            values = (values - frame.shift[at]) / frame.scale[at]
        own = entries.of(values)
        if at in instead:
            own = (instead[at] - frame.shift[at]) / frame.scale[at]
        each = own if weights is None else own * weights
        sums.gram[:, 0, 1 + at] = np.bincount(fold, each, minlength=folds)
        sums.gram[:, 1, 1 + at] = np.bincount(fold, each * own, minlength=folds)
    sums.kept = (
        KeptRows(
            numbers,
            frame.shift,
            frame.scale,
            {number: gap.astype(np.uint8) for number, gap in clean.gaps.items()},
            clean.categories,
            entries,
            clean.row_weights,
            instead,
        ),
    )


def _group(
    block: Block,
    clean: CleanBlock,
    columns: Sequence[Column],
    entries: FoldEntries,
    origin: Origin,
    folds: int,
    sums: Sums,
) -> None:
    """The grouped sums of categories with numbers and with each other."""
    m = len(origin.shift)
    each = entries.each(clean.row_weights)
    # Where rows are kept, levels are only counted.
    columns = [] if sums.kept else columns
    measured = [
        (whole(column) - origin.shift[at]) / origin.scale[at] if at < m else whole(column)
        for at, column in enumerate(columns)
    ]
    measured = [entries.of(column) for column in measured]
    if entries.target is not None and measured:
        at = block.targets
        measured[at] = (entries.target - origin.shift[at]) / origin.scale[at]
    codes = [entries.of(own) for own in clean.categories]
    sums.levels = [category.levels for category in block.categories]
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
    """Adds the sums of blocks in order.

    All blocks share an origin while it fits them. Where the numbers drift so far from it that
    digits would be lost, later blocks get a new one.
    """

    # Four digits of the sixteen may be lost before a new origin pays.
    DIGITS_LOST = 1e4

    def __init__(self, *, folds: int, histograms: bool = False, keep_rows: bool = False) -> None:
        self.folds, self.histograms, self.keep_rows = folds, histograms, keep_rows
        self._buffers = Buffers()
        self._finished: list[Sums] = []
        self._sums: Sums | None = None

    def sums(self, block: Block, origin: Origin) -> Sums:
        """The sums of a block, to be added in order."""
        how = {"histograms": self.histograms, "keep_rows": self.keep_rows}
        return accumulate(block, origin, folds=self.folds, buffers=self._buffers, **how)

    def add(self, block: Block, sums: Sums) -> Origin:
        """Add a block's sums; returns the origin for later blocks."""
        # Rows that are kept lose no digits: they are centred number by number.
        lost = sums.examples and not self.keep_rows and sums.digits_lost > self.DIGITS_LOST
        if lost and self._alone(sums):
            whole = CleanBlock.of(block, sums.frame).numbers
            frame = Origin.guess(whole, rows=len(block))
            sums = self.sums(block, frame)
        if self._sums is None:
            self._sums = sums.copy()
        elif self._sums.frame is sums.frame:
            self._sums.add(sums)
        else:
            self._finished.append(self._sums)
            self._sums = sums.copy()
        if sum(len(pair.values) for pair in self._sums.pairs.values()) > MOST_PAIRS:
            raise PairsError
        return self._sums.frame

    def _alone(self, sums: Sums) -> bool:
        """Whether these sums lose too many digits even merged with the sums so far."""
        if self._sums is None or self._sums.frame is not sums.frame:
            return True
        numbers = [replace(one, levels=[], tables=[], pairs={}) for one in (self._sums, sums)]
        return (numbers[0] + numbers[1]).digits_lost > self.DIGITS_LOST

    @property
    def parts(self) -> list[Sums]:
        """The sums about each origin."""
        return [*self._finished, *([] if self._sums is None else [self._sums])]
