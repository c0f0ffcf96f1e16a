"""Folds by a column: rows of a group share a fold, or each fold is a period of time.

A group's fold is a hash of its value; rows without a value are a group of their own. Periods follow
each other, each with about the same rows, and rows of the same time are never parted. Rows without
a time are left out: nobody can say what was known before them.

Shapes: n rows.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.errors import ColumnError
from deltarule.moments.chunk import NOWHERE, Folds, bits_of, fold_of
from deltarule.rule.predict import Array
from deltarule.tables.expressions.expression import quoted
from deltarule.tables.values import numbers_of

# Different times kept apart: of more, neighbours share a cell. 2**18 of them take 4 MB, and a cut
# is then at most some 1 / 2**17 of the rows off, unless most rows share few cells.
MOST_CELLS = 1 << 18
TOP = np.uint64(1 << 63)


def group_column(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """What is read of a column that groups rows: numbers, or text."""
    return _plain(column, kind) if _ordered(kind) else column.cast(pl.String)


def cluster_column(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """What is read of a column whose equal values belong together: numbers to the last digit."""
    if kind.is_temporal():
        return column.to_physical()
    return column if kind.is_integer() or kind.is_float() else column.cast(pl.String)


def time_column(column: pl.Expr, kind: pl.DataType, *, name: str, where: str) -> pl.Expr:
    """What is read of a column that orders rows: numbers, of dates and times microseconds.

    Errors:  ColumnError for a column that has no order in time
    """
    if not _ordered(kind) or kind == pl.Boolean:
        word = "text" if kind == pl.String else str(kind).lower()
        raise ColumnError(
            f"{where}: '{name}' is {word}, which has no order in time: give dates or numbers, "
            f"such as cast({quoted(name)} as date)"
        )
    return _plain(column, kind)


def _ordered(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind.is_temporal() or kind in (pl.Boolean, pl.Null)


def _plain(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if kind in (pl.Date, pl.Datetime):
        column = column.cast(pl.Datetime("us")).to_physical()
    elif kind == pl.Duration:
        column = column.cast(pl.Duration("us")).to_physical()
    elif kind == pl.Time:
        column = column.to_physical()
    return column.cast(pl.Float64)


def folds_by_group(groups: pl.Series, folds: int) -> Folds:
    """Each row's fold, (n,): rows of one group have the same."""
    if groups.dtype != pl.String:
        bits = bits_of(groups.cast(pl.Float64).fill_null(np.nan).to_numpy())
        return fold_of([bits], rows=len(groups), folds=folds)
    each = groups.unique()
    hashed = np.array([hash_of(text) for text in each.fill_null("")], dtype=np.uint64)
    # A group without a name is another one than the group called "".
    bits = hashed ^ np.where(each.is_null().to_numpy(), TOP, np.uint64(0))
    fold = pl.Series(fold_of([bits], rows=len(each), folds=folds))
    return groups.replace_strict(each, fold, return_dtype=pl.UInt8).to_numpy()


def folds_by_time(times: pl.Series, cuts: Iterable[float], *, where: str, row: int) -> Folds:
    """Each row's period, (n,): the cuts at or before its time, counted; NOWHERE without a time.

    Errors:  ValueRefusedError for an infinite time
    """
    values = numbers_of(times, where=where, row=row)
    fold = np.searchsorted(np.array(list(cuts)), values, side="right").astype(np.uint8)
    return np.where(np.isnan(values), np.uint8(NOWHERE), fold)


def hash_of(text: str) -> int:
    """64 bits that are the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class Times:
    """How many rows each time has, in bounded memory: a cell for each time, or for neighbours.

    Cells become as wide as all the times make it needed, in whatever order these come.

    Shapes:  times, each (n,)
    """

    def __init__(self, most: int = MOST_CELLS) -> None:
        self.most = most
        self._shift = np.uint64(0)
        self._keys = np.zeros(0, dtype=np.uint64)
        self._rows: Array = np.zeros(0)

    def add(self, times: Array, each: Array) -> None:
        """Count some rows."""
        keys = np.concatenate([self._keys, _key(times) >> self._shift])
        rows = np.concatenate([self._rows, each])
        self._keys, at = np.unique(keys, return_inverse=True)
        self._rows = np.bincount(at, weights=rows).astype(np.float64)
        while len(self._keys) > self.most:
            self._shift += np.uint64(1)
            self._keys, at = np.unique(self._keys >> np.uint64(1), return_inverse=True)
            self._rows = np.bincount(at, weights=self._rows).astype(np.float64)

    def cuts(self, periods: int) -> tuple[float, ...]:
        """The times at which the second period and each later one begin.

        A time with many rows may fill more than a period, so there may be fewer.

        >>> times = Times()
        >>> times.add(np.array([1.0, 2.0, 2.0, 3.0, 4.0]), np.ones(5))
        >>> times.cuts(2)
        (3.0,)
        """
        if not len(self._rows):
            return ()
        total = float(self._rows.sum())
        middle = np.cumsum(self._rows) - self._rows / 2
        period = np.minimum(periods * middle / total, periods - 1).astype(np.int64)
        begins = 1 + np.flatnonzero(np.diff(period))
        return tuple(_time(self._keys[begins] << self._shift).tolist())


def _key(times: Array) -> NDArray[np.uint64]:
    """Whole numbers in the order of the times: the bits of a float, of one below 0 reversed."""
    bits = (times + 0.0).view(np.uint64)
    return np.where(bits & TOP, ~bits, bits | TOP)


def _time(keys: NDArray[np.uint64]) -> Array:
    """The time that a key stands for; of a cell's key, its earliest."""
    bits = np.where(keys & TOP, keys ^ TOP, ~keys)
    return bits.astype(np.uint64).view(np.float64)
