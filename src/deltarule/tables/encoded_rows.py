"""Encoded rows: inputs, targets, weights and folds of some rows as arrays."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.moments.chunked_array import ChunkedArray
from deltarule.moments.design_matrix import CategoricalMatrix, CategoryCodes, SplitMatrix
from deltarule.moments.folds import FoldEntries, Folds
from deltarule.rule.predict import Array, Inputs, Mask


@dataclass(frozen=True)
class EncodedRows:
    """Rows as arrays: each input (n,), targets (n, k); row weights, row numbers (n,).

    `entries` are their folds, of which a row whose weight counts copies may have several: `apart`
    are the same rows, once for each of their folds.

    A category of many levels is one column of codes.

    `added` (n,) are the offsets of rows that have one; `shifted` says that targets are measured
    from them. `clusters` (n,) are the cluster ids, for cluster-robust standard errors.

    Costly parts are computed lazily.
    """

    columns: Sequence[ChunkedArray | CategoryCodes]
    targets: Array
    row_weights: Array | None
    counted: Callable[[], NDArray[np.intp]]
    placed: Callable[[], FoldEntries]
    added: Array | None = None
    shifted: bool = False
    clusters: pl.Series | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def inputs(self) -> Array:
        """The dense design matrix, (n, p)."""
        inputs = np.empty((len(self), self.width), order="F")
        for at, column in self.places():
            if isinstance(column, CategoryCodes):
                inputs[:, at : at + column.levels] = column.dense
            else:
                inputs[:, at] = column.whole
        return inputs

    @cached_property
    def design(self) -> Inputs:
        """The design matrix, categories as codes: (n, p)."""
        coded = [(at, one) for at, one in self.places() if isinstance(one, CategoryCodes)]
        if not coded:
            return self.inputs
        plain = [(at, one) for at, one in self.places() if isinstance(one, ChunkedArray)]
        dense = np.empty((len(self), len(plain)), order="F")
        for into, (_, column) in zip(dense.T, plain, strict=True):
            into[:] = column.whole
        levels = tuple(
            CategoricalMatrix(one, at, np.zeros(one.levels), np.ones(one.levels))
            for at, one in coded
        )
        return SplitMatrix(dense, np.array([at for at, _ in plain], dtype=int), levels)

    @property
    def width(self) -> int:
        """The number of inputs, p."""
        return sum(one.levels if isinstance(one, CategoryCodes) else 1 for one in self.columns)

    def places(self) -> list[tuple[int, ChunkedArray | CategoryCodes]]:
        """The columns, each with the index of its first input."""
        found, start = [], 0
        for one in self.columns:
            found.append((start, one))
            start += one.levels if isinstance(one, CategoryCodes) else 1
        return found

    @cached_property
    def number(self) -> NDArray[np.intp]:
        """Each row's number in the table, from 0."""
        return self.counted()

    @cached_property
    def entries(self) -> FoldEntries:
        """The fold entries of the rows."""
        return self.placed()

    @property
    def fold(self) -> Folds:
        """The fold of each row, of rows that are `apart`."""
        assert self.entries.row is None, "copies of a row may be in several folds"
        return self.entries.fold

    @property
    def apart(self) -> "EncodedRows":
        """The rows repeated for each fold with copies of them, weighted by those copies.

        Of trials the targets are their outcomes.
        """
        entries = self.entries
        if entries.row is None:
            return self
        some = self._taken(entries.row, lambda: FoldEntries(entries.fold))
        targets = some.targets if entries.target is None else entries.target[:, None]
        return replace(some, row_weights=entries.weights, targets=targets)

    @property
    def offsets(self) -> Array | None:
        """The offsets to add to the scores, (n,); None where targets are measured from them."""
        return None if self.shifted else self.added

    def only(self, keep: Mask) -> "EncodedRows":
        """The rows in a mask (n,)."""
        return self._taken(keep, lambda: self.entries.only(keep))

    def about(self, centre: Array) -> "EncodedRows":
        """The rows with numeric inputs centred on these values, (p,); levels are not centred."""
        columns = [
            one
            if isinstance(one, CategoryCodes) or not centre[at]
            else ChunkedArray((one.whole - centre[at],))
            for at, one in self.places()
        ]
        return replace(self, columns=columns)

    def of_folds(self, folds: Sequence[int]) -> "EncodedRows":
        """The rows in these folds, weighted by their copies in them."""
        entries = self.entries
        if entries.row is None:
            return self.only(np.isin(entries.fold, folds))
        each = np.ones(len(self)) if self.row_weights is None else self.row_weights
        mine = entries.each_in(folds, each)
        kept = mine > 0
        some = self._taken(kept, lambda: entries.within(folds).only(kept))
        targets = some.targets
        if entries.target is not None:
            targets = entries.target_in(folds, self.targets[:, 0])[kept, None]
        return replace(some, row_weights=mine[kept], targets=targets)

    def _taken(
        self, rows: Mask | NDArray[np.intp], placed: Callable[[], FoldEntries]
    ) -> "EncodedRows":
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        return EncodedRows(
            [
                column[rows]
                if isinstance(column, CategoryCodes)
                else ChunkedArray((column.whole[rows],))
                for column in self.columns
            ],
            self.targets[rows],
            None if self.row_weights is None else self.row_weights[rows],
            lambda: self.number[rows],
            placed,
            None if self.added is None else self.added[rows],
            self.shifted,
            None if self.clusters is None else self.clusters.gather(places),
        )
