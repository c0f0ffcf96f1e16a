"""Rows as an objective: gone over again at every step, where they are.

Few rows are held as arrays. Many stay where they are, in a frame in memory or in a file that is
read again: workers take a batch each, standardise a block of it at a time, and ask the block. The
levels of categories stay codes. Answers are added up in the order of the rows, whichever worker was
first, so the same table gives the same result to the last bit.

Shapes: n rows, p inputs, k outputs. Inputs are in standardised units, or whatever units are given.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import add
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from deltarule.moments.chunked_array import ChunkedArray
from deltarule.moments.design_matrix import CategoricalMatrix, CategoryCodes, SplitMatrix
from deltarule.moments.folds import FoldEntries, Folds, sorted_by
from deltarule.moments.standardize import Standardization
from deltarule.rule.compare import Compared, Comparison
from deltarule.rule.loss import Loss
from deltarule.rule.predict import Array, Inputs, Linear, Mask, Weights
from deltarule.tables.encoded_rows import EncodedRows
from deltarule.tables.one_read import KEPT_CELLS, Read, workers

# Numbers that are asked at once, 8 MB of them, in not more rows than these. Python runs one thread
# at a time, so two workers keep each other waiting between calls that are short: with 20 inputs a
# row takes 70 ns, and with a quarter of the rows 90, nearly as long as one worker alone.
BLOCK_CELLS, BLOCK_ROWS = 1_000_000, 32_768
# Of rows whose categories are codes.
CODED_ROWS = 131_072
# Up to so many numbers, 32 MB of them, are held as arrays.
HELD_CELLS = 4_000_000


class Addable(Protocol):
    """What some rows say, such that two parts make the whole."""

    def __add__(self, other: Self) -> Self: ...


Answer = TypeVar("Answer", bound=Addable)


class ByFold(dict[int, Answer]):
    """What the rows of each fold answer."""

    def __add__(self, other: "ByFold[Answer]") -> "ByFold[Answer]":
        whole = ByFold(self)
        for fold, one in other.items():
            whole[fold] = whole[fold] + one if fold in whole else one
        return whole


@dataclass(frozen=True)
class Batch:
    """Some rows: inputs (n, p), targets (n, k), what each counts for (n,), None for 1.

    Inputs may be codes in place of an array; `dense` makes an array of them.

    Offsets, (n, k) or (n, 1), are added to the scores. `folds` says where the rows of each fold
    stand, if they are sorted by it; `clusters` (n,) which rows belong together, if that was asked.
    """

    inputs: Inputs
    targets: Array
    row_weights: Array | None = None
    offsets: Array | None = None
    folds: Mapping[int, slice] = field(default_factory=dict)
    clusters: pl.Series | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def each(self) -> Array:
        """What each row counts for, (n,)."""
        return np.ones(len(self)) if self.row_weights is None else self.row_weights

    def scores(self, model: Linear, weights: Weights) -> Array:
        """What the rows score: (n, k)."""
        scores = model.predict(weights, self.inputs)
        return scores if self.offsets is None else scores + self.offsets

    def only(self, kept: Mask | slice | NDArray[np.intp]) -> "Batch":
        """Those of the rows."""
        return Batch(
            self.inputs[kept],
            self.targets[kept],
            None if self.row_weights is None else self.row_weights[kept],
            None if self.offsets is None else self.offsets[kept],
        )

    @property
    def array(self) -> Array:
        """The inputs as an array."""
        return np.asarray(self.inputs)

    @property
    def dense(self) -> "Batch":
        """The same with an array of inputs."""
        return replace(self, inputs=self.array)

    @classmethod
    def joined(cls, parts: Sequence["Batch"]) -> "Batch":
        """All of them, one after the other."""
        coded = [part.inputs for part in parts if isinstance(part.inputs, SplitMatrix)]
        weights = [part.row_weights for part in parts if part.row_weights is not None]
        offsets = [part.offsets for part in parts if part.offsets is not None]
        return cls(
            SplitMatrix.joined(coded)
            if len(coded) == len(parts)
            else np.concatenate([part.array for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate(weights) if weights else None,
            np.concatenate(offsets) if offsets else None,
        )

    def compare(
        self, model: Linear, loss: Loss, weights: Weights, *, expected: bool = False
    ) -> Compared:
        """The rows and what these weights predict for them."""
        return Compared.of(
            model,
            loss,
            weights=weights,
            inputs=self.inputs,
            targets=self.targets,
            row_weights=self.row_weights,
            offsets=self.offsets,
            expected=expected,
        )

    def sum_by_fold(self, compared: Compared) -> ByFold[Comparison]:
        """What the rows of each fold say for each weight, once all are compared."""
        return ByFold({of: compared.sum(rows, hessian=True) for of, rows in self.folds.items()})


class RowSource(Protocol):
    """All rows, as often as they are asked for."""

    @property
    def passes(self) -> int:
        """How often all rows were gone over."""
        ...

    @property
    def in_memory(self) -> bool:
        """Whether asking again costs no read."""
        ...

    def batches(self) -> Iterator[Batch]:
        """All rows, inputs as an array, which is there until the next batch is asked for."""
        ...

    def total(self, answer: Callable[[Batch], Answer], *, by_fold: bool = False) -> Answer:
        """What all rows answer, in one pass: the sum of what their blocks do.

        With `by_fold`, the rows of each block are sorted by fold.
        """
        ...


@dataclass
class RowsInMemory:
    """All rows of a table as arrays; `apart` are they once for each `fold` of their copies."""

    whole: Batch
    apart: Batch
    fold: Folds
    passes: int = 0
    in_memory: bool = True

    @classmethod
    def of(cls, read: Read, standard: Standardization) -> "RowsInMemory":
        """The rows that the read kept."""
        encoded = list(read.rows())
        whole = apart = Batch.joined([_block(rows, standard) for rows in encoded])
        copies = [rows.apart for rows in encoded]
        fold = np.concatenate([rows.fold for rows in copies])
        if len(fold) > len(whole):
            apart = Batch.joined([_block(rows, standard) for rows in copies])
        return cls(whole, apart, fold)

    def batches(self) -> Iterator[Batch]:
        self.passes += 1
        some = block_rows(self.whole.inputs.shape[1])
        for start in range(0, len(self.whole), some):
            yield self.whole.only(slice(start, start + some)).dense

    def total(self, answer: Callable[[Batch], Answer], *, by_fold: bool = False) -> Answer:
        self.passes += 1
        blocks = self._sorted if by_fold else self._blocks(self.whole)
        return reduce(add, map(answer, blocks))

    def _blocks(self, rows: Batch) -> Iterator[Batch]:
        if isinstance(rows.inputs, SplitMatrix):
            yield rows
            return
        some = block_rows(rows.inputs.shape[1])
        for start in range(0, len(rows), some):
            yield rows.only(slice(start, start + some))

    @cached_property
    def _sorted(self) -> list[Batch]:
        found, start = [], 0
        for rows in self._blocks(self.apart):
            order, folds = sorted_by(self.fold[start : start + len(rows)])
            found.append(replace(rows.only(order), folds=folds))
            start += len(rows)
        return found


@dataclass
class RowPass:
    """All rows of a table where they are: in memory, or read anew each time."""

    read: Read
    standard: Standardization
    passes: int = 0
    _entries: dict[int, FoldEntries] = field(default_factory=dict, repr=False)
    _coded: dict[int, EncodedRows] = field(default_factory=dict, repr=False)

    @property
    def in_memory(self) -> bool:
        return self.read.in_memory

    def batches(self) -> Iterator[Batch]:
        self.passes += 1
        for rows in self.read.rows():
            some = block_rows(rows.width)
            for start in range(0, len(rows), some):
                span = slice(start, start + some)
                clusters = None if rows.clusters is None else rows.clusters[span]
                yield replace(_block(rows, self.standard, span).dense, clusters=clusters)

    def total(self, answer: Callable[[Batch], Answer], *, by_fold: bool = False) -> Answer:
        def ask(rows: EncodedRows, row: int) -> Answer | None:
            rows = self._apart(rows, row) if by_fold else rows
            found = map(answer, _blocks(rows, self.standard, by_fold=by_fold))
            return reduce(add, found) if len(rows) else None

        found: Answer = reduce(add, (one for one in self._each(ask) if one is not None))
        return found

    def _encoded(self, part: Any, row: int) -> EncodedRows:
        """Rows as arrays; those of text in memory are remembered up to a size: it takes long."""
        if row in self._coded:
            return self._coded[row]
        rows = self.read.encoded(part, row)
        text = any(isinstance(column, CategoryCodes) for column in rows.columns)
        kept = sum(len(one) * len(one.columns) for one in list(self._coded.values()))
        if self.in_memory and text and kept < KEPT_CELLS:
            self._coded[row] = rows
        return rows

    def _apart(self, rows: EncodedRows, row: int) -> EncodedRows:
        """The rows once for each of their folds; of rows in memory these are remembered."""
        if not self.in_memory:
            return rows.apart
        if row not in self._entries:
            self._entries[row] = rows.entries
        entries = self._entries[row]
        return replace(rows, placed=lambda: entries).apart

    def _each(self, ask: Callable[[EncodedRows, int], Any]) -> Iterator[Any]:
        """What each part of the rows answers, in order; some parts are asked at the same time."""
        self.passes += 1
        waiting: deque[Future[Any]] = deque()

        def answered(part: Any, row: int) -> Any:
            return ask(self._encoded(part, row), row)

        # One BLAS thread for each worker: two on a block this thin were slower than one.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers()) as pool:
            try:
                for part, row in self.read.parts():
                    # Workers are to treat overflow as whoever asks does.
                    waiting.append(pool.submit(copy_context().run, answered, part, row))
                    if len(waiting) > 2 * workers():
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for one in waiting:
                    one.cancel()


@dataclass(frozen=True)
class PassObjective:
    """The objective that rows answer in a pass.

    Its curvature is the loss's own, or the `expected` one of these predictions.
    """

    rows: RowSource
    model: Linear
    loss: Loss
    expected: bool = False
    has_hessian: bool = field(default=True, init=False)

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        def answer(batch: Batch) -> Comparison:
            found = batch.compare(self.model, self.loss, weights, expected=self.expected)
            return found.sum(hessian=hessian)

        return self.rows.total(answer)


def block_rows(inputs: int) -> int:
    """How many rows are asked at once."""
    return max(min(BLOCK_CELLS // max(inputs, 1), BLOCK_ROWS), 256)


def _blocks(rows: EncodedRows, standard: Standardization, *, by_fold: bool) -> Iterator[Batch]:
    """The rows in order, a block at a time, which shares memory with the next.

    With `by_fold`, the rows of each block are sorted by fold.
    """
    dense = sum(isinstance(column, ChunkedArray) for column in rows.columns)
    # Sums by code fill a table of all pairs of levels for each block, so those are few and long.
    some = block_rows(dense) if dense == rows.width else max(block_rows(dense), CODED_ROWS)
    memory = np.empty(min(some, len(rows)) * dense)
    for start in range(0, len(rows), some):
        span = slice(start, start + some)
        if not by_fold:
            yield _block(rows, standard, span, memory=memory)
        else:
            order, folds = sorted_by(rows.fold[span])
            yield replace(_block(rows, standard, span, order, memory), folds=folds)


def _block(
    rows: EncodedRows,
    standard: Standardization,
    span: slice = slice(None),
    order: NDArray[np.intp] | None = None,
    memory: Array | None = None,
) -> Batch:
    """Some rows in standardised units, perhaps in another order."""

    def of(array: NDArray[Any]) -> NDArray[Any]:
        return array[span] if order is None else array[span][order]

    targets = of(rows.targets)
    n, places = len(targets), rows.places()
    dense = [(at, one) for at, one in places if isinstance(one, ChunkedArray)]
    inputs = np.empty(n * len(dense)) if memory is None else memory[: n * len(dense)]
    inputs = inputs.reshape((n, len(dense)), order="F")
    centred = None if order is None else np.empty(n)
    for into, (at, column) in zip(inputs.T, dense, strict=True):
        if order is None or centred is None:
            np.subtract(column[span], standard.mean[at], out=into)
        else:
            # Memory is gone over in order, so that what is taken is in the cache: 33 ns, not 78.
            np.subtract(column[span], standard.mean[at], out=centred)
            # mode="clip" skips take's buffer; the rows are within range anyway.
            np.take(centred, order, out=into, mode="clip")
        into *= standard.per[at]
    coded = tuple(
        CategoricalMatrix(
            CategoryCodes(of(one.at), one.levels),
            at,
            standard.mean[at : at + one.levels],
            standard.per[at : at + one.levels],
        )
        for at, one in places
        if isinstance(one, CategoryCodes)
    )
    whole = (
        SplitMatrix(inputs, np.array([at for at, _ in dense], dtype=int), coded)
        if coded
        else inputs
    )
    weights = None if rows.row_weights is None else of(rows.row_weights)
    offsets = None if rows.offsets is None else of(rows.offsets)[:, None]
    return Batch(whole, targets, weights, offsets)
