"""Folds: the cross-validation fold of each row, a hash of its key alone, never of its values.

A row's key x is its number in reading order, counted from 1, or an id. Its hash u in [0, 1)
gives the fold:

    frac(v) = v - floor(v)
    a, b, c = frac(x * C0 / 2**24), frac(x * C1), frac(x * C2 * 2**24)
    u = frac((a + b + c) * (1021 + b) * (733 + (a + c)));  u = frac(u * (8191 + u) * 127)
    fold = min(folds - 1, floor(u * folds))

It is float64 arithmetic alone, in this order, so numpy, polars and every database get the same fold
for every row. Keys that are not numbers are converted:

    text                the first 8 hex digits of its MD5 as a number
    whole numbers       from 2**53 on, which floats do not tell apart, the same of their digits
    true, false         1, 0
    dates               days since 1970-01-01
    dates with a time   the same in UTC, and the microseconds of the day * PER_DAY
    durations, times    days in the same way
    gaps                the row's number; in a column of groups -1, a group of its own

A whole-number row weight w counts copies of a row. Copies with an id or a group have the same one,
hence one fold; others are rows of their own, held out apart. Of these the first has the row's key,
copy j = 1, 2, ... after it the key u + j. Of more than SURE copies so many are hashed, and the
deviation of their counts n from even is scaled up to all, as of a multinomial:

    copies in a fold = w / folds + (n - SURE / folds) * sqrt(w / SURE), rounded so that they add up

Copies that are trials are a yes or a no each, where their row has the share of yes: first those
that are yes, then one with what is left of the share, if any, then those that are no. The first
kind that there is has the row's key, the next u - 1, the third u - 2.

Shapes: n rows; e entries, a row and a fold that has some of its copies.
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array, Mask

Folds = NDArray[np.uint8]
Numbers = NDArray[np.intp]
Number = TypeVar("Number", bound=np.generic)

NOWHERE = 255
"""The fold of a row that is left out because it belongs to no fold."""
NO_GROUP = -1.0
"""The key of rows that belong to no group."""

# The fractional parts of powers of 1 / 1.618... and 1 / 1.3247...: multiples of them spread evenly.
C0, C1, C2 = 0.6180339887498949, 0.7548776662466927, 0.5698402909980532
# Keys per block: five arrays of 128 KB stay in cache, 5 ns a key; of whole columns it takes 24, of
# smaller blocks 8, and many short calls contend for the GIL.
BLOCK = 16_384
# Rows per block when hashing copies, and the copies of a row that are hashed one by one.
COPIED_ROWS = 4096
SURE = 128
# Tolerance for a whole count of trials: shares are quotients.
NEARLY = 1e-12
# The microseconds of a day, and one over them: a product is the same in every engine, where polars
# divides by multiplying and others do not.
DAY, PER_DAY = 86_400_000_000, 1.1574074074074074e-11


class _Memory:
    """Scratch buffers for hashing, reused from block to block."""

    def __init__(self, keys: int) -> None:
        self.arrays = np.empty((5, min(keys, BLOCK)))

    def hash(self, x: Array) -> Array:
        """The hash of up to BLOCK keys, valid until the next call."""
        u: Array
        a, b, c, u, whole = self.arrays[:, : len(x)]
        np.multiply(x, C0 * 2.0**-24, out=a)
        np.multiply(x, C1, out=b)
        np.multiply(x, C2 * 2.0**24, out=c)
        for part in (a, b, c):
            np.subtract(part, np.floor(part, out=whole), out=part)
        np.add(a, b, out=u)
        u += c
        b += 1021
        u *= b
        a += c
        a += 733
        u *= a
        u -= np.floor(u, out=whole)
        np.add(u, 8191, out=a)
        u *= a
        u *= 127
        u -= np.floor(u, out=whole)
        return u


def hash_of(keys: Array) -> Array:
    """The hash u of each key, in [0, 1): (n,).

    >>> hash_of(np.array([1.0, 2.0, 3.0])).round(3)
    array([0.037, 0.382, 0.497])
    """
    found, memory = np.empty(len(keys)), _Memory(len(keys))
    for start in range(0, len(keys), BLOCK):
        found[start : start + BLOCK] = memory.hash(keys[start : start + BLOCK])
    return found


def fold_of(keys: Array, folds: int) -> Folds:
    """The fold of each key: (n,).

    >>> fold_of(np.array([1.0, 2.0, 3.0, 1e12]), 5).tolist()
    [0, 1, 2, 3]
    """
    found, memory = np.empty(len(keys), dtype=np.uint8), _Memory(len(keys))
    for start in range(0, len(keys), BLOCK):
        u = memory.hash(keys[start : start + BLOCK])
        np.copyto(found[start : start + len(u)], _fold_at(u, folds), casting="unsafe")
    return found


def fold_of_rows(first: int, rows: int, folds: int) -> Folds:
    """The fold of each of `rows` rows numbered from `first`: (n,)."""
    found, memory = np.empty(rows, dtype=np.uint8), _Memory(rows)
    some = np.arange(min(rows, BLOCK), dtype=np.float64)
    for start in range(0, rows, BLOCK):
        u = memory.hash(some[: rows - start] + float(first + start))
        np.copyto(found[start : start + len(u)], _fold_at(u, folds), casting="unsafe")
    return found


def _fold_at(u: Array, folds: int) -> Array:
    """The fold of each hash, as a float to be truncated; in place."""
    u *= folds
    return np.minimum(u, folds - 1, out=u)


def text_keys(texts: Iterable[str]) -> Array:
    """The key of each text: (n,).

    >>> text_keys(["alice"])
    array([1.66965317e+09])
    """
    digests = (hashlib.md5(text.encode(), usedforsecurity=False).digest() for text in texts)
    return np.fromiter((int.from_bytes(one[:4], "big") for one in digests), dtype=np.float64)


@dataclass(frozen=True)
class FoldEntries:
    """The folds of rows; a row whose copies fall into several folds has an entry for each.

    Shapes:  fold (e,); row (e,) in order, None where each row is one entry; weights (e,), the
             entry's weight, None where it is the row's; target (e,), the yes or no of trials, None
             where it is the row's
    """

    fold: Folds
    row: Numbers | None = None
    weights: Array | None = None
    target: Array | None = None

    def __len__(self) -> int:
        return len(self.fold)

    def only(self, keep: Mask) -> "FoldEntries":
        """The entries of the rows in a mask (n,)."""
        if self.row is None or self.weights is None:
            return FoldEntries(self.fold[keep])
        mine, number = keep[self.row], np.cumsum(keep) - 1
        target = None if self.target is None else self.target[mine]
        return FoldEntries(self.fold[mine], number[self.row[mine]], self.weights[mine], target)

    def within(self, folds: Sequence[int]) -> "FoldEntries":
        """The entries in some folds; a row may have none."""
        mine = np.isin(self.fold, folds)
        rows = np.arange(len(self)) if self.row is None else self.row
        weights = np.ones(len(self)) if self.weights is None else self.weights
        target = None if self.target is None else self.target[mine]
        return FoldEntries(self.fold[mine], rows[mine], weights[mine], target)

    def each_in(self, folds: Sequence[int], each: Array) -> Array:
        """The weight of each row in these folds, (n,), of its weight `each` in all folds."""
        mine = np.isin(self.fold, folds)
        if self.row is None or self.weights is None:
            return np.where(mine, each, 0.0)
        found = np.bincount(self.row[mine], self.weights[mine], minlength=len(each))
        return found.astype(np.float64)

    def target_in(self, folds: Sequence[int], targets: Array) -> Array:
        """The target of each row, (n,), averaged over its copies in these folds."""
        if self.row is None or self.weights is None or self.target is None:
            return targets
        mine = np.isin(self.fold, folds)
        row, each = self.row[mine], self.weights[mine]
        yes = np.bincount(row, each * self.target[mine], minlength=len(targets))
        of = np.bincount(row, each, minlength=len(targets))
        return np.divide(yes, of, out=targets.copy(), where=of > 0)

    def of(self, rows: NDArray[Number]) -> NDArray[Number]:
        """Values of rows, (n,), repeated for each entry: (e,)."""
        return rows if self.row is None else rows[self.row]

    def each(self, row_weights: Array | None) -> Array | None:
        """The weight of each entry, (e,), from the row weights."""
        return row_weights if self.weights is None else self.weights

    def block(self, span: slice) -> "EntryBlock":
        """A slice of the entries, sorted by fold."""
        order, spans = sorted_by(self.fold[span])
        if self.row is None:
            return EntryBlock(span, order, order, spans)
        rows = self.row[span]
        first = int(rows[0])
        return EntryBlock(slice(first, int(rows[-1]) + 1), rows[order] - first, order, spans)


@dataclass(frozen=True)
class EntryBlock:
    """A slice of entries sorted by fold.

    `rows` are the rows they are of, `place` (b,) the index of each entry's row among these,
    `order` (b,) the sorting permutation; the entries of each fold are in its span.
    """

    rows: slice
    place: Numbers
    order: Numbers
    spans: dict[int, slice]


@dataclass(frozen=True)
class RowKeys:
    """The fold keys of some rows: ids, row numbers, or periods of time.

    Shapes:  keys (n,), None for the rows' numbers; periods (n,), folds that are known, or NOWHERE
    """

    rows: int
    first: int = 1
    """The number of the first row."""
    keys: Array | None = None
    periods: Folds | None = None
    copies: bool = False
    """Whether row weights are all whole numbers, which count copies that are held out apart."""
    trials: bool = False
    """Whether copies are trials, of which the target is the share of yes."""

    @property
    def homeless(self) -> Mask | None:
        """A mask of the rows that belong to no fold, (n,); None where there are none."""
        if self.periods is None:
            return None
        homeless: Mask = self.periods == NOWHERE
        return homeless if homeless.any() else None

    def entries(
        self,
        folds: int,
        row_weights: Array | None = None,
        kept: Numbers | None = None,
        *,
        target: Array | None = None,
    ) -> FoldEntries:
        """The fold entries of the rows, or of those `kept`, with these row weights.

        The `target` is needed for trials.
        """
        if self.periods is not None:
            return FoldEntries(self.periods if kept is None else self.periods[kept])
        copied = self.copies and row_weights is not None and row_weights.max(initial=0.0) > 1
        if self.keys is None and kept is None and not copied:
            return FoldEntries(fold_of_rows(self.first, self.rows, folds))
        keys = self.keys
        if keys is None:
            keys = np.arange(self.first, self.first + self.rows, dtype=np.float64)
        keys = keys if kept is None else keys[kept]
        if not copied or row_weights is None:
            return FoldEntries(fold_of(keys, folds))
        if not self.trials or target is None:
            return _copies(keys, row_weights, folds)
        row, yes, each, keys = _outcomes(keys, row_weights, target)
        found = _copies(keys, each, folds)
        assert found.row is not None, "copies are of rows"
        return FoldEntries(found.fold, row[found.row], found.weights, yes[found.row])


def _outcomes(keys: Array, weights: Array, shares: Array) -> tuple[Numbers, Array, Array, Array]:
    """Rows of trials split by outcome: the row, target, weight and key of each, (o,).

    Of 3 trials of which 0.4 are yes, one is, one is not, and one is a yes of 0.2.
    """
    count = weights * np.clip(np.nan_to_num(shares), 0.0, 1.0)
    yes = np.where(np.abs(count - np.round(count)) < NEARLY * weights, np.round(count), count)
    part = yes % 1
    some = np.column_stack([yes - part, part > 0, weights - np.ceil(yes)])
    u = hash_of(keys)
    targets = np.column_stack([np.ones(len(keys)), part, np.zeros(len(keys))])
    row, kind = np.nonzero(some)
    before = (np.cumsum(some > 0, axis=1) - 1)[row, kind]
    own = np.where(before == 0, keys[row], u[row] - before)
    return row, targets[row, kind], some[row, kind], own


def _copies(keys: Array, weights: Array, folds: int) -> FoldEntries:
    """The fold entries of rows whose weights count copies."""
    starts = range(0, len(keys), COPIED_ROWS)
    spans = [slice(at, at + COPIED_ROWS) for at in starts]
    parts = [_copies_of_some(keys[span], weights[span], folds) for span in spans]
    return FoldEntries(
        np.concatenate([fold for _, fold, _ in parts]),
        np.concatenate([row + at for at, (row, _, _) in zip(starts, parts, strict=True)]),
        np.concatenate([counts for _, _, counts in parts]),
    )


def _copies_of_some(keys: Array, weights: Array, folds: int) -> tuple[Numbers, Folds, Array]:
    """The row, fold and count of the copies of some rows.

    Shapes:  keys, weights (n,) -> (e,) each
    """
    u = hash_of(keys)
    hashed = np.minimum(weights, SURE).astype(np.intp)
    row = np.repeat(np.arange(len(keys)), hashed)
    copy = np.arange(len(row)) - np.repeat(np.cumsum(hashed) - hashed, hashed)
    own = np.where(copy == 0, u[row], hash_of(u[row] + copy))
    at = row * folds + np.minimum(own * folds, folds - 1).astype(np.intp)
    counts = np.bincount(at, minlength=len(keys) * folds).reshape(-1, folds).astype(np.float64)
    many = weights > SURE
    if many.any():
        all_of_them = weights[many, None]
        astray = (counts[many] - SURE / folds) * np.sqrt(all_of_them / SURE)
        up_to = np.round(np.cumsum(all_of_them / folds + astray, axis=1))
        up_to[:, -1:] = all_of_them
        counts[many] = np.diff(up_to, axis=1, prepend=0.0)
    row, fold = np.nonzero(counts)
    return row, fold.astype(np.uint8), counts[row, fold]


def sorted_by(fold: Folds) -> tuple[Numbers, dict[int, slice]]:
    """The permutation that sorts rows by fold, (n,), and each fold's slice of it."""
    ends = np.cumsum(np.bincount(fold)).tolist()
    spans = {of: slice(begin, end) for of, (begin, end) in enumerate(pairwise([0, *ends]))}
    order = np.argsort(fold, kind="stable")
    return order, {of: span for of, span in spans.items() if span.start < span.stop}
