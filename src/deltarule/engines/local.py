"""Local engine: objectives and sums over rows by multi-threaded passes, in memory or streamed.

Small tables are held as arrays. Large ones stay in a dataframe or a file that is read again: worker
threads take a batch each, standardise it block by block, and evaluate each block. Categories stay
integer codes. Block results are added in row order, whichever worker was first, so the result is
deterministic to the last bit.

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

from deltarule.losses.loss import Loss
from deltarule.moments.chunked_array import ChunkedArray
from deltarule.moments.design_matrix import CategoricalMatrix, CategoryCodes, SplitMatrix
from deltarule.moments.folds import FoldEntries, Folds, sorted_by
from deltarule.moments.standardize import Standardization
from deltarule.rule.compare import Compared, Comparison, compare
from deltarule.rule.predict import Array, Inputs, Linear, Mask, Weights
from deltarule.tables.encoded_rows import EncodedRows
from deltarule.tables.one_read import KEPT_CELLS, Read, workers

# Numbers in a block, 8 MB of them, in not more rows than these. Short calls make Python threads
# wait for the GIL: with 20 inputs a row takes 70 ns, and with a quarter of the rows 90, nearly as
# long as one worker alone.
BLOCK_CELLS, BLOCK_ROWS = 1_000_000, 32_768
# The same for rows with categories as codes.
CODED_ROWS = 131_072
# Up to so many numbers, 32 MB of them, are held as arrays.
HELD_CELLS = 4_000_000


class Addable(Protocol):
    """A partial result over some rows; the sum of two parts is that of both."""

    def __add__(self, other: Self) -> Self: ...


Answer = TypeVar("Answer", bound=Addable)


class ByFold(dict[int, Answer]):
    """Results by fold; they add fold by fold."""

    def __add__(self, other: "ByFold[Answer]") -> "ByFold[Answer]":
        whole = ByFold(self)
        for fold, one in other.items():
            whole[fold] = whole[fold] + one if fold in whole else one
        return whole


@dataclass(frozen=True)
class Batch:
    """Some rows: inputs (n, p), targets (n, k), row weights (n,), None for 1.

    Inputs may be category codes in place of an array; `dense` expands them.

    Offsets, (n, k) or (n, 1), are added to the scores. `folds` gives each fold's rows where they
    are sorted by fold; `clusters` (n,) is each row's cluster, on request.
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
        """Row weights, (n,)."""
        return np.ones(len(self)) if self.row_weights is None else self.row_weights

    def scores(self, model: Linear, weights: Weights) -> Array:
        """The linear predictor of each row: (n, k)."""
        scores = model.predict(weights, self.inputs)
        return scores if self.offsets is None else scores + self.offsets

    def only(self, kept: Mask | slice | NDArray[np.intp]) -> "Batch":
        """A subset of the rows."""
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
        """The same batch with inputs as an array."""
        return replace(self, inputs=self.array)

    @classmethod
    def joined(cls, parts: Sequence["Batch"]) -> "Batch":
        """Batches concatenated."""
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
        """The rows compared with the predictions of these weights."""
        return compare(
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
        """Comparisons summed by fold."""
        return ByFold({of: compared.sum(rows, hessian=True) for of, rows in self.folds.items()})


class RowSource(Protocol):
    """All rows, for any number of passes."""

    @property
    def passes(self) -> int:
        """The number of passes made over all rows."""
        ...

    @property
    def in_memory(self) -> bool:
        """Whether another pass needs no read."""
        ...

    def batches(self) -> Iterator[Batch]:
        """All rows in batches with dense inputs; a batch is valid until the next one."""
        ...

    def total(self, answer: Callable[[Batch], Answer], *, by_fold: bool = False) -> Answer:
        """The sum of `answer` over all blocks of rows, in one pass.

        With `by_fold`, the rows of each block are sorted by fold.
        """
        ...


@dataclass
class RowsInMemory:
    """All rows of a table as arrays; `apart` repeats them once for each fold of their copies."""

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
    """All rows of a table by a pass over it: in memory, or read anew each time."""

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
        """Rows as arrays; encoded text in memory is cached up to a size: encoding is slow."""
        if row in self._coded:
            return self._coded[row]
        rows = self.read.encoded(part, row)
        text = any(isinstance(column, CategoryCodes) for column in rows.columns)
        kept = sum(len(one) * len(one.columns) for one in list(self._coded.values()))
        if self.in_memory and text and kept < KEPT_CELLS:
            self._coded[row] = rows
        return rows

    def _apart(self, rows: EncodedRows, row: int) -> EncodedRows:
        """The rows once for each of their folds; cached for rows in memory."""
        if not self.in_memory:
            return rows.apart
        if row not in self._entries:
            self._entries[row] = rows.entries
        entries = self._entries[row]
        return replace(rows, placed=lambda: entries).apart

    def _each(self, ask: Callable[[EncodedRows, int], Any]) -> Iterator[Any]:
        """The results of each part of the rows, in order, computed by a pool of threads."""
        self.passes += 1
        waiting: deque[Future[Any]] = deque()

        def answered(part: Any, row: int) -> Any:
            return ask(self._encoded(part, row), row)

        # One BLAS thread for each worker: two on a block this thin were slower than one.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers()) as pool:
            try:
                for part, row in self.read.parts():
                    # Workers inherit the caller's handling of floating-point errors.
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
    """The objective over all rows, evaluated in one pass.

    Its Hessian is the observed one, or the `expected` one (Fisher information).
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
    """How many rows a block has."""
    return max(min(BLOCK_CELLS // max(inputs, 1), BLOCK_ROWS), 256)


def _blocks(rows: EncodedRows, standard: Standardization, *, by_fold: bool) -> Iterator[Batch]:
    """The rows in order, in blocks, each of which reuses the memory of the last.

    With `by_fold`, the rows of each block are sorted by fold.
    """
    dense = sum(isinstance(column, ChunkedArray) for column in rows.columns)
    # Sums by code fill a table of all pairs of levels for each block: few, long blocks.
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
    """Some rows in standardised units, optionally reordered."""

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
            # Column by column, so that what is taken is in the cache: 33 ns, not 78.
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
