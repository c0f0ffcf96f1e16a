"""Rows as an objective: gone over again at every step, where they are.

Few rows are held as arrays. Many stay where they are, in a frame in memory or in a file that is
read again: workers take a batch each, standardise a block of it at a time, which fits the cache,
and ask the block. Answers are added up in the order of the rows, whichever worker was first, so the
same table gives the same result to the last bit.

Shapes: n rows, p inputs, k outputs. Inputs are in standardised units, or whatever units are given.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from deltarule.moments.standard import Standard
from deltarule.rule.compare import Comparison, Objective, compare
from deltarule.rule.losses.loss import Loss
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.tables.reading import Encoded, Read, workers

# Rows that are asked at once. Measured with 20 inputs: 110 ns a row and worker; with 2048 rows 125,
# with 16384 rows 120.
BLOCK = 8192
# Rows that are sorted by fold together.
FOLDED_BLOCK = 2 * BLOCK
# Up to so many numbers, 32 MB of them, are held as arrays.
HELD_CELLS = 4_000_000


class Addable(Protocol):
    """What some rows say, such that two parts make the whole."""

    def __add__(self, other: Self) -> Self: ...


Answer = TypeVar("Answer", bound=Addable)


@dataclass(frozen=True)
class Batch:
    """Some rows: inputs (n, p), targets (n, k), what each counts for (n,).

    Offsets, (n, k) or (n, 1), are added to the scores.
    """

    inputs: Array
    targets: Array
    each: Array
    offsets: Array | None = None

    def scores(self, model: Linear, weights: Weights) -> Array:
        """What the rows score: (n, k)."""
        scores = model.predict(weights, self.inputs)
        return scores if self.offsets is None else scores + self.offsets

    def only(self, kept: Mask | slice) -> "Batch":
        """Those of the rows that a mask (n,) keeps."""
        offsets = None if self.offsets is None else self.offsets[kept]
        return Batch(self.inputs[kept], self.targets[kept], self.each[kept], offsets)

    def compare(
        self,
        model: Linear,
        loss: Loss,
        weights: Weights,
        *,
        curvature: bool = False,
        expected: bool = False,
    ) -> Comparison:
        """What the rows say to these weights."""
        return compare(
            model,
            loss,
            weights=weights,
            inputs=self.inputs,
            targets=self.targets,
            row_weights=self.each,
            offsets=self.offsets,
            curvature=curvature,
            expected=expected,
        )


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
        """All rows; the inputs of a batch are there until the next one is asked for."""
        ...

    def total(self, answer: Callable[[Batch], Answer]) -> Answer:
        """What all rows answer, in one pass: the sum of what their blocks do."""
        ...

    def by_fold(self, answer: Callable[[Batch, int], Answer]) -> dict[int, Answer]:
        """What the rows of each fold answer, in one pass: blocks come with the fold they are of."""
        ...

    def objective(
        self, model: Linear, loss: Loss, *, without: int | None = None, expected: bool = False
    ) -> Objective:
        """These rows as an objective, perhaps without those of a fold.

        Its curvature is the loss's own, or the `expected` one of these predictions.
        """
        ...


@dataclass
class Held:
    """All rows of a table as arrays."""

    whole: Batch
    fold: NDArray[np.uint8]
    passes: int = 0
    in_memory: bool = True

    @classmethod
    def of(cls, read: Read, standard: Standard) -> "Held":
        """The rows that the read kept."""
        encoded = list(read.rows())
        parts = [_block(rows, standard, slice(None)) for rows in encoded]
        offsets = [part.offsets for part in parts if part.offsets is not None]
        return cls(
            Batch(
                np.concatenate([part.inputs for part in parts]),
                np.concatenate([part.targets for part in parts]),
                np.concatenate([part.each for part in parts]),
                np.concatenate(offsets) if offsets else None,
            ),
            np.concatenate([rows.fold for rows in encoded]),
        )

    def batches(self) -> Iterator[Batch]:
        self.passes += 1
        yield from self._blocks(self.whole)

    def _blocks(self, rows: Batch) -> Iterator[Batch]:
        for start in range(0, len(rows.each), BLOCK):
            yield rows.only(slice(start, start + BLOCK))

    def total(self, answer: Callable[[Batch], Answer]) -> Answer:
        return reduce(add, map(answer, self.batches()))

    def by_fold(self, answer: Callable[[Batch, int], Answer]) -> dict[int, Answer]:
        self.passes += 1
        found: dict[int, Answer] = {}
        for fold in map(int, np.unique(self.fold)):
            for batch in self._blocks(self.whole.only(self.fold == fold)):
                _add_to(found, fold, answer(batch, fold))
        return found

    def objective(
        self, model: Linear, loss: Loss, *, without: int | None = None, expected: bool = False
    ) -> Objective:
        """The rows themselves as an objective."""
        return Question(self, model, loss, without, expected)


@dataclass
class Passed:
    """All rows of a table where they are: in memory, or read anew each time."""

    read: Read
    standard: Standard
    passes: int = 0

    @property
    def in_memory(self) -> bool:
        return self.read.in_memory

    def batches(self) -> Iterator[Batch]:
        self.passes += 1
        for rows in self.read.rows():
            yield from _blocks(rows, self.standard)

    def total(self, answer: Callable[[Batch], Answer]) -> Answer:
        def ask(rows: Encoded) -> Answer | None:
            found = map(answer, _blocks(rows, self.standard))
            return reduce(add, found) if len(rows) else None

        found: Answer = reduce(add, (one for one in self._each(ask) if one is not None))
        return found

    def by_fold(self, answer: Callable[[Batch, int], Answer]) -> dict[int, Answer]:
        def ask(rows: Encoded) -> dict[int, Answer]:
            found: dict[int, Answer] = {}
            for fold, batch in _folded_blocks(rows, self.standard):
                _add_to(found, fold, answer(batch, fold))
            return found

        whole: dict[int, Answer] = {}
        for found in self._each(ask):
            for fold, one in found.items():
                _add_to(whole, fold, one)
        return whole

    def _each(self, ask: Callable[[Encoded], Any]) -> Iterator[Any]:
        """What each part of the rows answers, in order; some parts are asked at the same time."""
        self.passes += 1
        waiting: deque[Future[Any]] = deque()

        def answered(part: Any, row: int) -> Any:
            return ask(self.read.encoded(part, row))

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

    def objective(
        self, model: Linear, loss: Loss, *, without: int | None = None, expected: bool = False
    ) -> Objective:
        """A pass for each question."""
        return Question(self, model, loss, without, expected)


@dataclass(frozen=True)
class Question:
    """The objective that rows answer in a pass."""

    rows: RowSource
    model: Linear
    loss: Loss
    without: int | None
    expected: bool
    curved: bool = field(default=True, init=False)

    def __call__(self, weights: Weights, *, curvature: bool = False) -> Comparison:
        def answer(batch: Batch, fold: int = -1) -> Comparison:
            return batch.compare(
                self.model, self.loss, weights, curvature=curvature, expected=self.expected
            )

        if self.without is None:
            return self.rows.total(answer)
        found = self.rows.by_fold(answer)
        return reduce(add, (one for fold, one in found.items() if fold != self.without))


def _add_to(sums: dict[int, Answer], fold: int, one: Answer) -> None:
    sums[fold] = sums[fold] + one if fold in sums else one


def _blocks(rows: Encoded, standard: Standard) -> Iterator[Batch]:
    """The rows in order, a block at a time."""
    memory = np.empty(min(BLOCK, len(rows)) * len(rows.columns))
    for start in range(0, len(rows), BLOCK):
        yield _block(rows, standard, slice(start, start + BLOCK), memory=memory)


def _folded_blocks(rows: Encoded, standard: Standard) -> Iterator[tuple[int, Batch]]:
    """The rows sorted by fold, some thousand rows at a time."""
    memory = np.empty(min(FOLDED_BLOCK, len(rows)) * len(rows.columns))
    for start in range(0, len(rows), FOLDED_BLOCK):
        span = slice(start, start + FOLDED_BLOCK)
        of = rows.fold[span]
        order = np.argsort(of, kind="stable")
        block = _block(rows, standard, span, order, memory)
        for fold, (begin, end) in enumerate(pairwise([0, *np.cumsum(np.bincount(of)).tolist()])):
            if begin < end:
                yield fold, block.only(slice(begin, end))


def _block(
    rows: Encoded,
    standard: Standard,
    span: slice,
    order: NDArray[np.intp] | None = None,
    memory: Array | None = None,
) -> Batch:
    """Some rows in standardised units, perhaps in another order."""

    def of(array: NDArray[Any]) -> NDArray[Any]:
        return array[span] if order is None else array[span][order]

    targets = of(rows.targets)
    n, p = len(targets), len(rows.columns)
    inputs = np.empty(n * p) if memory is None else memory[: n * p]
    inputs = inputs.reshape((n, p), order="F")
    start = span.start or 0
    for at, column in enumerate(rows.columns):
        into = inputs[:, at]
        if order is None:
            np.subtract(column.part(start, start + n), standard.mean[at], out=into)
        else:
            # mode="clip" skips take's buffer; the rows are within range anyway.
            np.take(column.part(start, start + n), order, out=into, mode="clip")
            into -= standard.mean[at]
        into *= standard.per[at]
    weights = rows.row_weights
    offsets = None if rows.offsets is None else of(rows.offsets)[:, None]
    return Batch(inputs, targets, np.ones(n) if weights is None else of(weights), offsets)
