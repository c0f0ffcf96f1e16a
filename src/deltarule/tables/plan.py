"""Plan: what a look at the first rows decides: each input's kind, and what folds depend on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.moments.block import Block
from deltarule.moments.chunked_array import ChunkedArray, Column, whole
from deltarule.moments.folds import NO_GROUP, RowKeys
from deltarule.rule.predict import Array
from deltarule.tables.cast import (
    check_exposure,
    class_names,
    numbers_of,
    row_weights_of,
)
from deltarule.tables.codes import LevelCodes
from deltarule.tables.fold_columns import (
    check_told_apart,
    folds_by_time,
    keys_of,
    missing_keys,
)
from deltarule.tables.kinds import LeftOut, kind_of
from deltarule.tables.left_out import gap, weight_gap
from deltarule.tables.level_counts import LevelCounts
from deltarule.tables.request import (
    ELIMINATED_IN_ALL,
    ELIMINATED_LEVELS,
    LARGEST_SUMS,
    MOST_LEVELS,
    MOST_LEVELS_IN_ALL,
    ReplanError,
    Request,
)
from deltarule.tables.row_shares import RowShares
from deltarule.tables.source import ROW
from deltarule.tables.terms import Term
from deltarule.tables.text_formats import Formats
from deltarule.tables.whole_numbers import WholeNumbers


@dataclass(frozen=True)
class Plan:
    """What the look decided: the kind of every input, and what the rows' folds depend on.

    `became` says what the columns turned into that are not used as they stand.
    """

    request: Request
    terms: dict[str, Term]
    became: dict[str, list[str]]
    kinds: dict[str, pl.DataType]
    numbers: list[str]
    booleans: set[str]
    categories: list[str]
    left_out: list[LeftOut]
    levels: dict[str, "LevelCodes"]
    classes: list[str] = field(default_factory=list)
    """The targets whose values are classes."""
    target_kinds: dict[str, pl.DataType] = field(default_factory=dict)
    """The type of each target's values."""
    yes_no: set[str] = field(default_factory=set)
    """The targets of numbers that are all 0 or 1 as far as was looked."""
    fold_by: pl.Expr | None = None
    """The id, what groups rows, or what orders them in time; it is read as `fold_column`."""
    key_kind: str = ""
    """Whether ids or groups are numbers or text, of which 7 and '7' have different folds."""
    cluster_by: pl.Expr | None = None
    """What says which rows belong together, for standard errors."""
    cuts: tuple[float, ...] = ()
    """The times at which the second period and each later one begin."""
    offset: str | None = None
    """The name of the offset's term."""
    counts_of: dict[str, LevelCounts] = field(default_factory=dict)
    """The levels of each column of text, those of the look unless all rows were counted."""
    whole_numbers: dict[str, WholeNumbers] = field(default_factory=dict)
    """What targets of whole numbers look like, as far as the look shows."""
    ids: list[str] = field(default_factory=list)
    """Whole numbers that are inputs, though they seem to say only which row is which."""
    shares: RowShares | None = None
    """What rows count for by their number, beside a weight of their own; None for all alike."""
    rows_before: int = 0
    """How many rows were read before this table, by whose numbers folds go on."""
    sentinels: list[str] = field(default_factory=list)
    """Notes on values that may stand for a missing one."""
    formats: Formats = field(default_factory=dict)
    """How the text is read of each column that expressions or inputs read as another kind."""

    @property
    def beside(self) -> list[str]:
        """Numbers that stand after the targets: the offset, and the targets it was taken from."""
        if self.offset is None:
            return []
        return [self.offset, *(self.amounts if self.request.shifted else ())]

    @property
    def width(self) -> int:
        """How many numbers a chunk of this plan has."""
        return len(self.numbers) + len(self.amounts) + len(self.beside)

    @property
    def eliminates(self) -> bool:
        """Whether the solver eliminates the largest category; classes are text, perhaps many."""
        return self.request.eliminates and not self.classes

    @property
    def most_levels(self) -> int:
        """How many levels one category may keep."""
        usual = ELIMINATED_LEVELS if self.eliminates else MOST_LEVELS
        return usual if self.request.levels is None else self.request.levels

    @property
    def room(self) -> int:
        """How many levels all categories together may keep."""
        if self.eliminates:
            # Their sums with numbers, of each fold and of some that are at work.
            most = LARGEST_SUMS // (8 * self.request.folds * (2 + self.width))
            return max(2, min(max(ELIMINATED_IN_ALL, 2 * self.most_levels), most))
        most = int(np.sqrt(LARGEST_SUMS / (8 * self.request.folds))) - self.width
        return max(2, min(max(MOST_LEVELS_IN_ALL, 2 * self.most_levels), most))

    @property
    def amounts(self) -> list[str]:
        """The targets whose values are numbers."""
        return [target for target in self.request.predict if target not in self.classes]

    @property
    def columns(self) -> list[pl.Expr]:
        """The columns to read, as numbers and text; classes as they are."""
        apart = [one for one in (self.request.row_weight, self.offset) if one is not None]
        read = self._read([*self.numbers, *self.amounts, *apart], self.categories)
        read += [self.terms[name].polars(self.kinds) for name in self.classes]
        if self.request.exposure is not None:
            exposure = Term(self.request.exposure).polars(self.kinds)
            read.append(exposure.alias(self._unused("(exposure)")))
        if self.cluster_by is not None:
            read.append(self.cluster_by.alias(self._unused("(cluster)")))
        if self.fold_by is not None:
            read.append(self.fold_by.alias(self.fold_column))
        return [*read, pl.col(ROW).alias(self.row_column)] if ROW in self.kinds else read

    def read(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of the table as these columns, and their numbers where they come with them."""
        numbers = [pl.col(ROW).alias(self.row_column)] if ROW in frame.columns else []
        return frame.select([*self.columns, *numbers])

    def causes(self, counts: Mapping[int, int]) -> dict[str, int]:
        """Why rows were left out, in words, and how many; from the counts of a chunk's causes."""
        asked = self.request
        words = [gap(name) for name in [*self.numbers, *self.amounts]]
        if self.offset is not None:
            own = gap(self.offset) if asked.exposure is None else weight_gap(asked.exposure)
            words += [own, *map(gap, self.beside[1:])]
        words += [gap(name) for name in [*self.categories, *self.classes]]
        words += [gap(asked.time or ""), weight_gap(asked.row_weight or "")]
        found: dict[str, int] = {}
        for cause, rows in sorted(counts.items()):
            if rows:
                found[words[cause]] = found.get(words[cause], 0) + rows
        return found

    @property
    def times(self) -> list[pl.Expr]:
        """Of the rows that are learnt from: their times, and what each counts for."""
        asked = self.request
        assert self.fold_by is not None, "there are times only where rows are ordered in time"
        offset = [] if self.offset is None else [self.offset]
        needed = self._read([*self.amounts, *offset], self.classes)
        if asked.drop_missing:
            needed += self._read(self.numbers, self.categories)
        weight = self._read([asked.row_weight], ())[0] if asked.row_weight else pl.lit(1.0)
        kept = pl.all_horizontal([one.is_not_null() for one in needed])
        return [
            self.fold_by.alias(self.fold_column),
            pl.when(kept).then(weight).otherwise(0.0).alias(f"{self.fold_column} counts"),
        ]

    @property
    def fold_column(self) -> str:
        """What the column is called that folds depend on."""
        return self._unused("(fold)")

    @property
    def row_column(self) -> str:
        """What the column of rows' numbers is called in a batch that has lost some of its rows."""
        return self._unused("(row)")

    def _unused(self, name: str) -> str:
        """A name that no column of the table has."""
        while name in self.kinds:
            name += "'"
        return name

    def _read(self, numbers: Sequence[str], texts: Sequence[str]) -> list[pl.Expr]:
        return [
            *(self.terms[name].polars(self.kinds).cast(pl.Float64) for name in numbers),
            *(self.terms[name].polars(self.kinds).cast(pl.String) for name in texts),
        ]

    def uncounted(
        self, counted: Collection[str], beyond: Collection[str] = ()
    ) -> dict[str, pl.Expr]:
        """The columns of text of which the look, or the read after it, does not show enough.

        They look nearly unique, or have more levels than are kept: which, all rows must say. Of
        those `beyond`, another read showed that they have more.
        """
        unsure = []
        for name, counts in self.counts_of.items():
            own = self.levels.get(name)
            lost = own is None or own.beyond > 0 or counts.distinct > own.most or name in beyond
            if lost and not counts.whole and name not in counted:
                unsure.append(name)
        return dict(zip(unsure, self._read((), unsure), strict=True))

    @property
    def read_through(self) -> dict[str, str]:
        """The kind of each column that expressions read: what it must be again at prediction."""
        through = [term for term in self.terms.values() if term.expression is not None]
        return {column: kind_of(self.kinds[column]) for term in through for column in term.columns}

    def chunk(self, frame: pl.DataFrame, *, name: str, row: int) -> Block:
        """A batch as the sums want it."""
        asked = self.request
        every = [*self.numbers, *self.amounts]
        numbers: list[Column] = [ChunkedArray.of(frame[column]) for column in every]
        offsets = self.offsets(frame, name=name, row=row)
        if offsets is not None:
            targets = [whole(target) for target in numbers[len(self.numbers) :]]
            if asked.shifted:
                numbers[len(self.numbers) :] = [target - offsets for target in targets]
            numbers += [offsets, *(targets if asked.shifted else ())]
        told = {
            **{column: frame[column] for column in self.categories},
            **{column: class_names(frame[column]) for column in self.classes},
        }
        row_weights = self.row_weights(frame, name=name, row=row)
        if asked.copies and row_weights is not None and (row_weights % 1 != 0).any():
            raise ReplanError(copies=False)  # those of the first rows were whole numbers
        return Block(
            numbers=numbers,
            targets=len(self.numbers),
            categories=[self.levels[column].codes(text) for column, text in told.items()],
            classes=len(self.classes),
            row_weights=row_weights,
            keys=self.keys(frame, name=name, row=row),
            drop_missing=asked.drop_missing,
            gaps=any(frame[column].null_count() for column in [*every, *self.beside])
            or any(told[column].null_count() for column in self.classes),
        )

    def offsets(self, frame: pl.DataFrame, *, name: str, row: int) -> Array | None:
        """What is added to each row's score, (n,), NaN where missing; None where nothing is.

        Errors:  ValueRefusedError for an infinite one, and for an exposure below 0
        """
        if self.offset is None:
            return None
        exposure = self.request.exposure
        if exposure is not None:
            where = f"{name}, column '{exposure}'"
            check_exposure(frame[self._unused("(exposure)")], where=where, row=row)
        where = f"{name}, column '{self.offset}'"
        return numbers_of(frame[self.offset], where=where, row=row)

    def row_weights(self, frame: pl.DataFrame, *, name: str, row: int) -> Array | None:
        """What each row counts for, (n,), 0 where that is missing; None where all count alike.

        Errors:  ValueRefusedError for a weight below 0
        """
        own = row_weights_of(frame, self.request.row_weight, name=name, row=row)
        if self.shares is None:
            return own
        shares = self.shares.of(self.numbers_of_rows(frame, row=row))
        return shares if own is None else own * shares

    def clusters(self, frame: pl.DataFrame, *, name: str, row: int) -> pl.Series | None:
        """The cluster of each row of a batch, (n,), null where it has none; None if none was asked.

        Its name is the column's or expression's.

        Errors:  ValueRefusedError for numbers that are not told from their neighbours
        """
        if self.cluster_by is None:
            return None
        values = frame[self._unused("(cluster)")].alias(self.request.cluster or "")
        if values.dtype.is_float():
            where = f"{name}, column '{self.request.cluster}'"
            check_told_apart(values.fill_null(0.0).to_numpy(), where=where, row=row)
            return values.fill_nan(None)
        return values

    @property
    def trials(self) -> bool:
        """Whether row weights count trials, of which the one target is the share of yes."""
        return bool(self.request.copies and self.request.trials and len(self.amounts) == 1)

    def numbers_of_rows(self, frame: pl.DataFrame, *, row: int) -> NDArray[np.intp]:
        """Each row's number in reading order, from 0: (n,); `row` came before this batch."""
        if self.row_column in frame.columns:
            return frame[self.row_column].to_numpy()
        return np.arange(row, row + frame.height)

    def unkeyed(self, frame: pl.DataFrame) -> int:
        """In how many rows of a batch the id or group is missing."""
        keyed = self.fold_by is not None and (self.request.id or self.request.group)
        return missing_keys(frame[self.fold_column]) if keyed else 0

    def keys(self, frame: pl.DataFrame, *, name: str, row: int) -> RowKeys:
        """What decides the folds of a batch's rows.

        Errors:  ValueRefusedError for an infinite id, group or time
        """
        asked, rows = self.request, frame.height
        where = f"{name}, column '{asked.id or asked.group or asked.time}'"
        if asked.time is not None:
            by = frame[self.fold_column]
            return RowKeys(rows, periods=folds_by_time(by, self.cuts, where=where, row=row))
        keys = None
        if self.fold_by is not None or self.row_column in frame.columns:
            keys = self.numbers_of_rows(frame, row=row).astype(np.float64) + 1 + self.rows_before
        if self.fold_by is not None:
            gaps = keys if asked.group is None and keys is not None else NO_GROUP
            keys = keys_of(frame[self.fold_column], gaps, where=where, row=row)
        return RowKeys(
            rows, self.rows_before + row + 1, keys, copies=bool(asked.copies), trials=self.trials
        )
