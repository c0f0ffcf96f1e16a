"""Local engine: questions about rows answered by multi-threaded passes, in memory or streamed.

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
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Question
from deltarule.engines.batch import Answer, Batch, block_of, block_rows, blocks_of
from deltarule.engines.class_rows import ClassFold, ClassRows, class_folds
from deltarule.moments.design_matrix import CategoryCodes, SplitMatrix
from deltarule.moments.folds import FoldEntries, Folds, sorted_by
from deltarule.moments.standardize import Standardization
from deltarule.tables.encoded_rows import EncodedRows
from deltarule.tables.one_read import KEPT_CELLS, Read
from deltarule.tables.read_room import workers

# Up to so many numbers, 32 MB of them, are arrays for Newton steps, of which there are few.
NEWTON_CELLS = 4_000_000
# The same where steps by gradients alone take hundreds of passes.
GRADIENT_CELLS = 16_000_000
# So few rows are passed over in the caller's thread: starting another takes as long.
ONE_THREAD_ROWS = 2_048


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
        whole = apart = Batch.joined([block_of(rows, standard) for rows in encoded])
        copies = [rows.apart for rows in encoded]
        fold = np.concatenate([rows.fold for rows in copies])
        if len(fold) > len(whole):
            apart = Batch.joined([block_of(rows, standard) for rows in copies])
        return cls(whole, apart, fold)

    def batches(self) -> Iterator[Batch]:
        self.passes += 1
        some = block_rows(self.whole.inputs.shape[1])
        for start in range(0, len(self.whole), some):
            yield self.whole.only(slice(start, start + some)).dense

    def total(self, question: Question[Answer], *, by_fold: bool = False) -> Answer:
        self.passes += 1
        blocks = self._sorted if by_fold else self._blocks(self.whole)
        return reduce(add, map(question.of, blocks))

    def _blocks(self, rows: Batch) -> Iterator[Batch]:
        if isinstance(rows.inputs, SplitMatrix):
            yield rows
            return
        some = block_rows(rows.inputs.shape[1])
        for start in range(0, len(rows), some):
            yield rows.only(slice(start, start + some))

    @property
    def all_folds(self) -> list[int]:
        """The folds of all rows."""
        return sorted({fold for rows in self._sorted for fold in rows.folds})

    def class_rows(
        self, training_folds: Sequence[Sequence[int]], *, intercept: bool
    ) -> ClassRows | None:
        """The rows for fits of classes that are learnt from these folds; None for some rows."""
        folds = self._classes
        return ClassRows.of(folds, training_folds, intercept=intercept) if folds else None

    @cached_property
    def _classes(self) -> Mapping[int, ClassFold] | None:
        return class_folds(self._sorted)

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
                yield replace(block_of(rows, self.standard, span).dense, clusters=clusters)
            del rows

    def total(self, question: Question[Answer], *, by_fold: bool = False) -> Answer:
        def ask(rows: EncodedRows, row: int) -> Answer | None:
            rows = self._apart(rows, row) if by_fold else rows
            found = map(question.of, blocks_of(rows, self.standard, by_fold=by_fold))
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

        if self.read.examples <= ONE_THREAD_ROWS:
            with one_blas_thread():
                for part, row, _ in self.read.parts():
                    yield answered(part, row)
            return
        # One BLAS thread for each worker: two on a block this thin were slower than one.
        with one_blas_thread(), ThreadPoolExecutor(workers()) as pool:
            try:
                for part, row, ends in self.read.parts():
                    # Workers inherit the caller's handling of floating-point errors.
                    waiting.append(pool.submit(copy_context().run, answered, part, row))
                    del part
                    while len(waiting) > (0 if ends and not self.in_memory else 2 * workers()):
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for one in waiting:
                    one.cancel()
