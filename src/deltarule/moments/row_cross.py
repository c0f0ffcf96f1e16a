"""Cross-products of tables with more columns than rows, kept as the rows that they are of.

    cross = Z.T @ Z,  Z = root * (x - origin - off),  root: the square roots of row weights

Where columns outnumber rows, products of all pairs of columns take more room than the rows do.
Columns stay where they were read, and blocks of them are gathered, centred and multiplied as they
are needed. Rows of two sets are put together; no rows are taken out again.

Shapes: n entries (a row and its fold, as in `FoldEntries`), d columns; w (d, k).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass, replace
from deltarule.moments.folds import FoldEntries
from deltarule.rule.predict import Array

Places = NDArray[np.intp]

# Numbers of a block of columns: 12 MB. Products of thinner ones take longer.
BLOCK_CELLS = 1_572_864
# With more entries than this their own products, n x n, take more than half a GB.
MOST_ENTRIES = 8_192


@dataclass(frozen=True)
class KeptRows:
    """The columns of a block of rows as they were read, and the folds of its rows.

    `gaps` are indicators of missing values by the number's place, which count as the shift; `codes`
    are those of each category; `instead` are numbers of which each entry has its own, by place.

    Shapes:  shift, scale (m,), entries (e,)
    """

    numbers: Sequence[Array]
    shift: Array
    scale: Array
    gaps: Mapping[int, NDArray[np.uint8]]
    codes: Sequence[NDArray[Any]]
    entries: FoldEntries
    row_weights: Array | None
    instead: Mapping[int, Array]

    def shared(self, places: Places) -> NDArray[np.bool_]:
        """Which numbers are the same in all entries of a row."""
        if not self.instead:
            return np.ones(len(places), dtype=bool)
        return ~np.isin(places, list(self.instead))

    def of_fold(self, fold: int) -> "Part":
        """The entries of a fold."""
        at = np.flatnonzero(self.entries.fold == fold)
        rows = at if self.entries.row is None else self.entries.row[at]
        each = self.entries.each(self.row_weights)
        root = np.ones(len(at)) if each is None else np.sqrt(each[at])
        return Part(self, at, rows, root)


@dataclass(frozen=True)
class Part:
    """Some entries of kept rows: their places, the rows that they are of, and their roots, (n,)."""

    kept: KeptRows
    at: Places
    rows: Places
    root: Array

    def number(self, place: int, into: Array) -> None:
        """A number less its shift, divided by its scale, into (n,)."""
        own = self.kept.instead.get(place)
        values, at = (self.kept.numbers[place], self.rows) if own is None else (own, self.at)
        # mode="clip" skips take's buffer; the rows are within range anyway.
        np.take(values, at, out=into, mode="clip")
        if self.kept.shift[place]:
            into -= self.kept.shift[place]
        if self.kept.scale[place] != 1:
            into *= 1 / self.kept.scale[place]

    def gap(self, place: int) -> Array:
        """The missing indicator of a number: (n,)."""
        indicator = self.kept.gaps.get(place)
        if indicator is None:
            return np.zeros(len(self.rows))
        return indicator[self.rows].astype(np.float64)


@dataclass(frozen=True)
class Columns:
    """What columns are: numbers with their gaps filled, missing indicators, or levels.

    `goes` gives each code of a category its level.

    Shapes:  number, gap, category, level (d,): places, -1 for what a column is not; filled (d,):
             what is added to a number where it is missing, by (d,): what columns are multiplied by
    """

    number: Places
    gap: Places
    category: Places
    level: Places
    filled: Array
    by: Array
    goes: tuple[Places, ...] = ()

    @classmethod
    def of(cls, numbers: int, gaps: Sequence[int]) -> "Columns":
        """Numbers, then the missing indicators of some."""
        size = numbers + len(gaps)
        none = np.full(size, -1, dtype=np.intp)
        number, gap = none.copy(), none.copy()
        number[:numbers] = np.arange(numbers)
        gap[numbers:] = gaps
        return cls(number, gap, none, none, np.zeros(size), np.ones(size))

    def with_levels(self, levels: Sequence[int]) -> "Columns":
        """With the one-hot levels of categories after these, so many of each."""
        category = np.repeat(np.arange(len(levels)), levels)
        level = np.concatenate([np.arange(0), *(np.arange(one) for one in levels)])
        none = np.full(len(level), -1, dtype=np.intp)
        return Columns(
            np.concatenate([self.number, none]),
            np.concatenate([self.gap, none]),
            np.concatenate([self.category, category]),
            np.concatenate([self.level, level]),
            np.concatenate([self.filled, np.zeros(len(level))]),
            np.concatenate([self.by, np.ones(len(level))]),
            self.goes,
        )

    def __len__(self) -> int:
        return len(self.number)

    def take(self, at: Places) -> "Columns":
        """Some of the columns."""
        places = (self.number, self.gap, self.category, self.level)
        number, gap, category, level = (one[at] for one in places)
        return Columns(number, gap, category, level, self.filled[at], self.by[at], self.goes)

    def plain(self, at: Places) -> NDArray[np.bool_]:
        """Which columns are numbers without anything in place of their gaps."""
        plain: NDArray[np.bool_] = (self.number[at] >= 0) & (self.filled[at] == 0)
        return plain

    def numbers(self, kept: KeptRows, at: Places) -> Array:
        """The values of plain columns in all rows that are kept, as `fill` gives them: (len, r)."""
        places = self.number[at]
        values = np.array([kept.numbers[place] for place in places.tolist()], dtype=np.float64)
        values -= kept.shift[places, None]
        values *= 1 / kept.scale[places, None]
        values *= self.by[at, None]
        return values

    def fill(self, part: Part, at: int, into: Array) -> None:
        """The values of one column, into (n,)."""
        place, by = int(self.number[at]), self.by[at]
        if place >= 0:
            part.number(place, into)
            if self.filled[at]:
                into += self.filled[at] * part.gap(place)
        elif self.gap[at] >= 0:
            into[:] = part.gap(int(self.gap[at]))
        else:
            category = int(self.category[at])
            codes = self.goes[category][part.kept.codes[category][part.rows]]
            np.equal(codes, self.level[at], out=into, casting="unsafe")
        if by != 1:
            into *= by


@dataclass(frozen=True)
class RowCross:
    """The products of all columns, summed over the rows of some parts, about `off` (d,).

    `rows` is the sum of row weights.
    """

    rows: float
    parts: tuple[Part, ...]
    columns_of: Columns
    off: Array
    squares: Array | None = None
    """The diagonal (d,), where it is known."""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.off), len(self.off)

    def __len__(self) -> int:
        return len(self.off)

    @property
    def entries(self) -> int:
        """How many entries there are: n."""
        return sum(len(part.rows) for part in self.parts)

    @property
    def root(self) -> Array:
        """The square roots of row weights: (n,)."""
        return np.concatenate([np.zeros(0), *(part.root for part in self.parts)])

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Z in blocks of columns, (n, b), each in the memory of the last."""
        n, d = self.entries, len(self)
        some = max(1, min(d, BLOCK_CELLS // max(n, 1)))
        memory = np.empty((n, some), order="F")
        for start in range(0, d, some):
            span = slice(start, min(start + some, d))
            yield span, self._gathered(np.arange(span.start, span.stop), memory)

    def of_columns(self, at: Sequence[int] | Places) -> Array:
        """Z of some columns: (n, len(at))."""
        memory = np.empty((self.entries, len(at)), order="F")
        return self._gathered(np.asarray(at, dtype=np.intp), memory)

    def _gathered(self, at: Places, memory: Array) -> Array:
        block = memory[:, : len(at)]
        plain, begin = self.columns_of.plain(at), 0
        of_rows = dict[int, Array]()
        for part in self.parts:
            end, kept = begin + len(part.rows), part.kept
            into = block.T[:, begin:end]
            own = plain & kept.shared(self.columns_of.number[at])
            # Of rows that parts share, at once: of 5,000 columns, a third of the time of each.
            if own.any() and id(kept) not in of_rows:
                of_rows[id(kept)] = self.columns_of.numbers(kept, at[own])
            if own.any() and own.all():
                np.take(of_rows[id(kept)], part.rows, axis=1, out=into, mode="clip")
            else:
                if own.any():
                    into[own] = of_rows[id(kept)][:, part.rows]
                for one in np.flatnonzero(~own).tolist():
                    self.columns_of.fill(part, int(at[one]), into[one])
            begin = end
        block -= self.off[at]
        root = self.root
        if (root != 1).any():
            block *= root[:, None]
        return block

    @cached_property
    def _diagonal(self) -> Array:
        if self.squares is not None:
            return self.squares
        found = np.zeros(len(self))
        for span, block in self.blocks():
            found[span] = np.einsum("ij,ij->j", block, block)
        return found

    def diagonal(self) -> Array:
        """Each column's sum of squares: (d,)."""
        return self._diagonal

    def __getitem__(self, at: Any) -> Any:
        """The products of some pairs of columns."""
        if all(np.ndim(one) == 0 for one in at):
            one, other = self.of_columns(at).T
            return float(one @ other)
        rows, columns = np.broadcast_arrays(*at)
        if np.array_equal(rows, columns):
            own = self.of_columns(rows.ravel())
            return np.einsum("ij,ij->j", own, own).reshape(rows.shape)
        wanted, back = np.unique(columns, return_inverse=True)
        found: Array = self.columns(wanted)[rows, back.reshape(columns.shape)]
        return found

    def columns(self, at: Sequence[int] | Places) -> Array:
        """Some columns as an array: (d, len(at))."""
        return self.sums(self.of_columns(at))

    def scores(self, w: Array) -> Array:
        """Z @ w: (d, k) -> (n, k)."""
        found = np.zeros((self.entries, w.shape[1]))
        for span, block in self.blocks():
            found += np.dot(block, w[span])
        return found

    def sums(self, each: Array) -> Array:
        """Z.T @ each: (n, k) -> (d, k)."""
        found = np.zeros((len(self), each.shape[1]))
        for span, block in self.blocks():
            found[span] = np.dot(block.T, each)
        return found

    def __matmul__(self, w: Array) -> Array:
        """The product with (d, k), or (d,)."""
        two = w if w.ndim == 2 else w[:, None]
        return self.sums(self.scores(two)).reshape(w.shape)

    def kernel(self, unit: Array) -> Array:
        """The lower triangle of the entries' own products, of columns / unit (d,): (n, n)."""
        from scipy.linalg import blas  # it takes 50 ms to load, and few need it

        found = np.zeros((self.entries, self.entries), order="F")
        for span, block in self.blocks():
            block /= unit[span]
            found = blas.dsyrk(1.0, block, beta=1.0, c=found, lower=True, overwrite_c=True)
        return found

    def array(self) -> Array:
        """The whole matrix: (d, d)."""
        every = self.of_columns(np.arange(len(self)))
        whole: Array = np.dot(every.T, every)
        return whole

    def merged(self, other: "RowCross", sign: float, apart: Array, rows: float) -> "RowCross":
        """With another's rows added; `apart` (d,) are its means less these."""
        assert sign > 0, "rows that are kept are not taken out again"
        off = self.off + apart * (other.rows / rows)
        return RowCross(rows, (*self.parts, *other.parts), self.columns_of, off)

    def scaled(self, by: Array) -> "RowCross":
        """With each column times `by`, (d,)."""
        own = replace(self.columns_of, by=self.columns_of.by * by)
        squares = None if self.squares is None else self.squares * by**2
        return replace(self, columns_of=own, off=self.off * by, squares=squares)

    def about_zero(self, mean: Array) -> "RowCross":
        """About zero, from those about the means, (d,)."""
        return replace(self, off=self.off - mean, squares=None)

    def none(self) -> "RowCross":
        """The same columns without rows."""
        return RowCross(0.0, (), self.columns_of, 0 * self.off)

    def take(self, columns: Sequence[int] | Places) -> "RowCross":
        """Of some columns, in this order."""
        at = np.asarray(columns, dtype=np.intp)
        known = self.__dict__.get("_diagonal", self.squares)
        squares = None if known is None else known[at]
        own = self.columns_of.take(at)
        return replace(self, columns_of=own, off=self.off[at], squares=squares)

    def pool(self, into: int, columns: Places) -> "RowCross":
        """With levels of one category added to its level `into` and then set to zero."""
        own, off = self.columns_of, self.off.copy()
        category = int(own.category[into])
        goes = own.goes[category].copy()
        goes[np.isin(goes, own.level[columns])] = own.level[into]
        every = tuple(goes if at == category else one for at, one in enumerate(own.goes))
        off[into] += off[columns].sum()
        off[columns] = 0.0
        return replace(self, columns_of=replace(own, goes=every), off=off, squares=None)

    def refill(self, column: int, indicator: int, by: float) -> "RowCross":
        """With `by` times a number's missing indicator added to it."""
        own, off = self.columns_of, self.off.copy()
        assert own.gap[indicator] == own.number[column], "gaps are filled with a number's own"
        filled = own.filled.copy()
        filled[column] += by
        off[column] += by * off[indicator]
        return replace(self, columns_of=replace(own, filled=filled), off=off, squares=None)
