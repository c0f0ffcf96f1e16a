"""Folds by a column: by id, by group, or by period of time.

Ids and groups become keys of `moments/folds.py`. Periods are consecutive, each with about the same
number of rows, and rows of the same time are in one fold. Rows without a time are left out: their
past is unknown.

Shapes: n rows.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.errors import ColumnError, ValueRefusedError
from deltarule.moments.folds import DAY, NOWHERE, PER_DAY, Folds, text_keys
from deltarule.rule.predict import Array
from deltarule.tables.cast import numbers_of
from deltarule.tables.expressions.expression import quoted
from deltarule.tables.request import Request

# Cells of the histogram of times: with more distinct times, neighbours share a cell. 2**18 of them
# take 4 MB, and a cut is then at most some 1 / 2**17 of the rows off, unless few cells have most.
MOST_CELLS = 1 << 18
# From here on floats are not told from their neighbours, hence keys of whole numbers are text.
INEXACT = 2.0**53
TOP = np.uint64(1 << 63)


def key_column(column: pl.Expr, kind: pl.DataType, *, name: str, where: str) -> pl.Expr:
    """The expression that reads a column of ids or groups: numbers, or text.

    Errors:  ColumnError for a column of another kind
    """
    if kind == pl.Date:
        return column.to_physical().cast(pl.Float64)
    if kind.is_temporal():
        microseconds = _plain(column, kind).cast(pl.Int64)
        days = microseconds // DAY
        return days.cast(pl.Float64) + (microseconds - days * DAY).cast(pl.Float64) * PER_DAY
    if kind.is_integer():
        return column
    if isinstance(kind, pl.Decimal):
        return column.cast(pl.Int128 if kind.scale == 0 else pl.Float64)
    if _ordered(kind):
        return column.cast(pl.Float64)
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    raise ColumnError(f"{where}: '{name}' is {str(kind).lower()}, which tells no rows apart")


def cluster_column(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """The expression that reads a column of clusters: numbers exactly, or text."""
    if kind.is_temporal():
        return column.to_physical()
    return column if kind.is_integer() or kind.is_float() else column.cast(pl.String)


def check_told_apart(values: Array, *, where: str, row: int) -> None:
    """Refuse floats that may be several ids: infinite ones, and those from 2**53 on.

    Errors:  ValueRefusedError
    """
    far = np.abs(values) >= INEXACT
    if far.any():
        at = int(np.argmax(far))
        raise ValueRefusedError(
            f"{where}, row {row + at + 1} is {values[at]:g}, a decimal number that is not told "
            "from its neighbours: give such ids as whole numbers or as text, or remove that row"
        )


def time_column(column: pl.Expr, kind: pl.DataType, *, name: str, where: str) -> pl.Expr:
    """The expression that reads a column of times: numbers, dates and times as microseconds.

    Errors:  ColumnError for a column that is not ordered in time
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
        column = column.to_physical() // 1000
    return column.cast(pl.Float64)


def keys_of(column: pl.Series, gaps: Array | float, *, where: str, row: int) -> Array:
    """Each row's key, (n,): the column's value as a number, or that in `gaps` where missing.

    Errors:  ValueRefusedError for a float that may be several ids
    """
    if column.dtype == pl.String:
        column = _text_keys(column)
    keys = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    if column.dtype.is_integer():
        far = np.flatnonzero(np.abs(keys) >= INEXACT)
        if len(far):
            keys = keys.copy()
            keys[far] = _text_keys(column[far].cast(pl.String)).to_numpy()
    else:
        check_told_apart(keys, where=where, row=row)
    return np.where(np.isnan(keys), gaps, keys)


def _text_keys(column: pl.Series) -> pl.Series:
    """The key of each text, null where it is missing."""
    texts = column.unique()
    keys = pl.Series(text_keys(texts.fill_null("")), dtype=pl.Float64)
    named = pl.select(pl.when(texts.is_not_null()).then(keys)).to_series()
    return column.replace_strict(texts, named, return_dtype=pl.Float64)


def missing_keys(column: pl.Series) -> int:
    """In how many rows an id or group is missing."""
    return column.null_count() + int(column.is_nan().sum() if column.dtype.is_float() else 0)


def gap_note(request: Request, gaps: int, rows: int, *, drawn: bool = False) -> list[str]:
    """A note on rows without an id or group, counted in all rows or in some that were drawn."""
    column = request.id or request.group
    if column is None or not gaps:
        return []
    share = f"about {gaps / rows:.1%} of rows" if drawn else f"{gaps:,} of {rows:,} rows"
    how = "all of them are held out together" if request.group else "each is held out by itself"
    return [
        f"{column} is missing in {share}: {how}, though known rows of the same {column} may be "
        "learnt from, so the error on held-out rows may be too small"
    ]


def folds_by_time(times: pl.Series, cuts: Iterable[float], *, where: str, row: int) -> Folds:
    """Each row's period, (n,): the number of cuts at or before its time; NOWHERE without one.

    Errors:  ValueRefusedError for an infinite time
    """
    values = numbers_of(times, where=where, row=row)
    fold = np.searchsorted(np.array(list(cuts)), values, side="right").astype(np.uint8)
    return np.where(np.isnan(values), np.uint8(NOWHERE), fold)


class Times:
    """A histogram of times in bounded memory: a cell for each time, or for neighbours.

    Cells are widened as needed; the result does not depend on the order of the times.

    Shapes:  times, each (n,)
    """

    def __init__(self, most: int = MOST_CELLS) -> None:
        self.most = most
        self._shift = np.uint64(0)
        self._keys = np.zeros(0, dtype=np.uint64)
        self._rows: Array = np.zeros(0)

    @classmethod
    def of(cls, batches: Iterable[pl.DataFrame]) -> "Times":
        """The histogram over batches of rows, with their weights."""
        times = cls()
        for batch in batches:
            at, counts = batch.get_columns()
            learnt = at.is_not_null() & at.is_finite() & (counts > 0)
            kept = batch.filter(learnt.fill_null(value=False))
            times.add(*(column.to_numpy() for column in kept.get_columns()))
        return times

    def add(self, times: Array, each: Array) -> None:
        """Add rows."""
        keys = np.concatenate([self._keys, _key(times) >> self._shift])
        self._merge(keys, np.concatenate([self._rows, each]))

    def __add__(self, other: "Times") -> "Times":
        """The histogram of the times of both."""
        both = Times(self.most)
        both._shift = max(self._shift, other._shift)
        keys = [one._keys >> (both._shift - one._shift) for one in (self, other)]
        both._merge(np.concatenate(keys), np.concatenate([self._rows, other._rows]))
        return both

    def _merge(self, keys: NDArray[np.uint64], rows: Array) -> None:
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
    """Order-preserving integer keys of times: the float's bits, inverted below 0."""
    bits = (times + 0.0).view(np.uint64)
    return np.where(bits & TOP, ~bits, bits | TOP)


def _time(keys: NDArray[np.uint64]) -> Array:
    """The time of a key; of a cell's key, its earliest."""
    bits = np.where(keys & TOP, keys ^ TOP, ~keys)
    return bits.astype(np.uint64).view(np.float64)
