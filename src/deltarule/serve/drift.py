"""Drift of what is asked of a server: the rows of each column by cell, counted as they come.

Each column has about ten cells: the most frequent levels and all others, or tenths of the values
learnt from and what is beyond them; and one of missing values. So memory is bounded, a row takes a
search in a few edges for each column, and the counts of several workers add. Of these and the rows
learnt from, the PSI is that of `deltarule drift`.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from threading import Lock
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.metrics.shift import in_tenths, stability_index
from deltarule.model.record import Record
from deltarule.rule.predict import Array
from deltarule.scorer.runtime.cells import label
from deltarule.tables.distributions import Distribution
from deltarule.tables.schema import Noticed
from deltarule.tables.schema_columns import MISSING, OTHER, Category, Number

# Columns that are counted, and levels that have a cell: beyond these metrics would be too many.
MOST_COLUMNS, MOST_LEVELS = 50, 10


@dataclass(frozen=True)
class NumberCells:
    """The cells of a number: up to each edge, above the last, missing. `before` are their rows."""

    column: str
    edges: tuple[float, ...]
    before: Array

    @classmethod
    def of(cls, column: Number, known: Distribution, rows: float) -> "NumberCells":
        """Those of a column that was learnt from so many rows."""
        counts = np.array(known.rows, dtype=np.float64)
        ends = [part.stop - 1 for part in in_tenths(counts)]
        below = np.nextafter(known.edges[0], -np.inf)
        inside = np.diff(np.cumsum(counts)[ends], prepend=0)
        missing = known.total * column.missing / max(rows - column.missing, 1.0)
        edges = (float(below), *(known.edges[at] for at in ends))
        return cls(column.name, edges, np.array([0.0, *inside, 0.0, missing]))

    def cell(self, value: Any) -> int:
        """The cell of a value."""
        if value is None or isnan(value):
            return len(self.edges) + 1
        return bisect_left(self.edges, value)


@dataclass(frozen=True)
class LevelCells:
    """The cells of a category: its most frequent levels, all others, missing."""

    column: str
    kind: str
    place: dict[str, int]
    before: Array

    @classmethod
    def of(cls, column: Category) -> "LevelCells":
        """Those of a column."""
        known = {name: n for name, n in column.known.items() if name not in (MISSING, OTHER)}
        shown = list(known)[:MOST_LEVELS]
        missing = column.known.get(MISSING, column.missing)
        rest = sum(column.known.values()) - sum(known[name] for name in shown) - missing
        before = [*(known[name] for name in shown), max(rest, 0.0), missing]
        place = {name: at for at, name in enumerate(shown)}
        return cls(column.name, column.of, place, np.array(before))

    def cell(self, value: Any) -> int:
        """The cell of a table's value that is there."""
        level = value if value.__class__ is str else label(value, self.kind, self.column)
        return self.place.get(level or "", len(self.place))


class DriftCounts:
    """The rows by cell that were not passed on yet, of one version of a model."""

    def __init__(self, record: Record) -> None:
        self._lock, self._contract = Lock(), record.contract
        known = {one.name: one for one in record.distributions}
        self.cells: dict[int, NumberCells | LevelCells] = {}
        """By the place of the column among all inputs."""
        for at, column in enumerate(record.contract.columns):
            if len(self.cells) == MOST_COLUMNS:
                break
            if isinstance(column, Category) and column.expression is None:
                self.cells[at] = LevelCells.of(column)
            elif isinstance(column, Number) and column.name in known:
                self.cells[at] = NumberCells.of(column, known[column.name], record.rows)
        self._counts = {at: [0] * len(one.before) for at, one in self.cells.items()}
        self.rows = 0

    @cached_property
    def names(self) -> dict[str, NumberCells | LevelCells]:
        """The cells of each column, by its name."""
        return {one.column: one for one in self.cells.values()}

    def add(
        self, row: Mapping[str, Any], terms: Sequence[Any], met: Sequence[tuple[str, str]]
    ) -> None:
        """Count a row that was scored: its cells, its terms' values and its drift."""
        drift = {column: kind for kind, column in met}
        with self._lock:
            self.rows += 1
            for at, one in self.cells.items():
                kind = drift.get(one.column)
                if kind == "missing":
                    cell = -1
                elif isinstance(one, NumberCells):
                    cell = one.cell(terms[at])
                else:
                    cell = -2 if kind == "unseen" else one.cell(row[one.column])
                self._counts[at][cell] += 1

    def add_view(self, view: pl.DataFrame) -> None:
        """Count rows of a table, given by their terms."""
        for at, one in self.cells.items():
            own, size = view[one.column], len(one.before)
            if isinstance(one, NumberCells):
                values = own.cast(pl.Float64, strict=False).to_numpy()
                cells = np.searchsorted(one.edges, values)
                cells[np.isnan(values)] = size - 1
            else:
                cells = self._level_cells(at, one, own)
            counted = np.bincount(cells, minlength=size).tolist()
            with self._lock:
                self._counts[at] = [a + b for a, b in zip(self._counts[at], counted, strict=True)]
        with self._lock:
            self.rows += view.height

    def _level_cells(self, at: int, own: LevelCells, values: pl.Series) -> NDArray[np.intp]:
        column, noticed, size = self._contract.columns[at], Noticed(), len(own.before)
        assert isinstance(column, Category), "it has levels"
        codes = self._contract.codes(column, values, noticed)
        # The last is for a code of -1: a level that is not known.
        places = np.array([*(own.place.get(name, size - 2) for name in column.known), size - 2])
        cells = places[codes]
        if column.name in noticed.missing:
            cells[noticed.missing[column.name]] = size - 1
        return cells

    def taken(self) -> dict[str, list[int]]:
        """The counts by column, which begin anew."""
        with self._lock:
            found = {self.cells[at].column: counts for at, counts in self._counts.items()}
            self._counts = {at: [0] * len(one.before) for at, one in self.cells.items()}
            self.rows = 0
        return found


def psi(cells: NumberCells | LevelCells, now: Sequence[float], examples: float) -> float:
    """The PSI of rows by cell; 0 where it may be chance."""
    before = cells.before * (examples / (cells.before.sum() or 1.0))
    return stability_index(before, np.asarray(now, dtype=np.float64)).size
