"""The one read: a source, a look at it, and then every row once into schema and moments."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from deltarule.errors import ColumnError, EmptyError, TargetError, ValueRefusedError
from deltarule.moments.chunk import Chunk, Frame, InfiniteError, fold_of
from deltarule.moments.moments import Moments
from deltarule.moments.tally import Reading, Sums, tally
from deltarule.rule.predict import Array
from deltarule.tables.plan import Asked, Plan, plan
from deltarule.tables.polars import UnparsedError
from deltarule.tables.schema import Schema
from deltarule.tables.settle import settle
from deltarule.tables.source import LOOK_ROWS, Source

Progress = Callable[[int, int | None], None]
"""Called with the rows read so far and, where known, the rows there are."""

# Each batch in flight has sums of its own: half a GB of them is 3,600 columns in five folds.
LARGEST_SUMS = 1 << 29
# Rows kept in memory as they were read: 256 MB of numbers.
KEPT_CELLS = 32_000_000


@dataclass
class Read:
    """What the read found. Moments are of the schema's inputs, then its targets."""

    source: Source
    plan: Plan
    schema: Schema
    folds: list[Moments]
    examples: int
    left_out: int
    unweighted: int
    notes: list[str]
    frames: list[pl.DataFrame] | None

    @property
    def reads(self) -> int:
        """How often all rows were read."""
        return self.source.reads

    def rows(self) -> Iterator["Encoded"]:
        """All rows again, encoded: those in memory, or by another read."""
        row = 0
        for frame in (
            self.frames if self.frames is not None else self.source.batches(self.plan.columns)
        ):
            yield self._encoded(frame, row)
            row += frame.height

    def _encoded(self, frame: pl.DataFrame, row: int) -> "Encoded":
        inputs, noticed = self.schema.encode(frame, name=self.source.name, row=row)
        targets = self.schema.outcomes(frame, name=self.source.name, row=row)
        chunk = self.plan.chunk(frame, name=self.source.name, row=row)
        fold = fold_of(chunk.hashes(), rows=len(chunk), folds=self.plan.asked.folds)
        keep = ~np.isnan(targets).any(axis=1)
        if chunk.row_weights is not None:
            keep &= chunk.row_weights > 0
        if self.schema.drop_missing:
            for gap in noticed.missing.values():
                keep &= ~gap
        weights = None if chunk.row_weights is None else chunk.row_weights[keep]
        return Encoded(inputs[keep], targets[keep], weights, fold[keep], row + np.flatnonzero(keep))


@dataclass(frozen=True)
class Encoded:
    """Rows as arrays: inputs (n, p), targets (n, k); row weights, folds, row numbers (n,)."""

    inputs: Array
    targets: Array
    row_weights: Array | None
    fold: NDArray[np.uint8]
    number: NDArray[np.intp]


def read(
    source: Source, asked: Asked, *, progress: Progress | None = None, keep: int = KEPT_CELLS
) -> Read:
    """Read all rows once, or again with wider types where the first rows misled the look."""
    texts: frozenset[str] = frozenset()
    again = False
    while True:
        try:
            look = source.look()
            blank = [column for column in look.columns if look[column].null_count() == look.height]
            if blank and look.height >= LOOK_ROWS and not source.typed and source.widen():
                again, look = True, source.look()
            asked = replace(asked, texts=texts)
            made = plan(look, asked, name=source.name, typed=source.typed, decimal=source.decimal)
            found = _read(source, made, progress, keep)
        except UnparsedError as error:
            again = True
            if source.widen():
                continue
            # Only what was thought to be numbers written as text can be text instead.
            if error.column is None or error.column in {*texts, *asked.predict}:
                raise
            texts |= {error.column}
        else:
            if again:
                found.notes.append(
                    "the first rows did not show what all columns hold: the file was read again"
                )
            found.notes[:0] = source.notes
            return found


def _read(source: Source, made: Plan, progress: Progress | None, keep: int) -> Read:
    if not (made.numbers or made.categories):
        why = "; ".join(f"{column.name}: {column.why}" for column in made.left_out)
        raise ColumnError(
            f"{source.name} has no column to use as an input ({why or 'only the target'})"
        )
    _check_size(made, source.name)
    asked = made.asked
    reading = Reading(folds=asked.folds)
    frame: Frame | None = None
    frames: list[pl.DataFrame] | None = []
    workers = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    waiting: deque[tuple[Chunk, int, Future[Sums]]] = deque()
    rows = 0

    def take() -> Frame:
        chunk, start, future = waiting.popleft()
        try:
            return reading.add(chunk, future.result())
        except InfiniteError as error:
            raise _infinite(error, made, source.name, start) from error

    # One BLAS thread for each worker: two on a block this thin were slower than one.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        try:
            for batch in source.batches(made.columns):
                chunk = made.chunk(batch, name=source.name, row=rows)
                if frame is None:
                    frame = Frame.guess(chunk.numbers)
                waiting.append((chunk, rows, pool.submit(tally, chunk, frame, folds=asked.folds)))
                # In step, not as workers happen to be done: the same table gives the same sums.
                if len(waiting) > 2 * workers:
                    frame = take()
                rows += batch.height
                if frames is not None:
                    frames.append(batch)
                    if rows * batch.width > keep:
                        frames = None
                if progress:
                    progress(rows, source.rows)
            while waiting:
                take()
        finally:
            for _, _, future in waiting:
                future.cancel()
    if rows == 0:
        raise EmptyError(f"{source.name} has no rows: there is nothing to learn from")
    folds, sums = reading.finish()
    if sums.examples == 0:
        raise _nothing_left(source.name, asked, sums)
    schema, folds, notes = settle(made, folds, sums, source.name)
    return Read(
        source, made, schema, folds, sums.examples, sums.left_out, sums.unweighted, notes, frames
    )


def _check_size(made: Plan, name: str) -> None:
    """Refuse more columns than their products have room for.

    Errors:  ColumnError
    """
    columns = len(made.numbers) + len(made.asked.predict)
    needed = made.asked.folds * columns**2 * 8
    if needed > LARGEST_SUMS:
        raise ColumnError(
            f"{name} has {columns:,} columns of numbers, and the sums of their products would take "
            f"{needed / 1e9:,.1f} GB: name those to use"
        )


def _nothing_left(name: str, asked: Asked, sums: Sums) -> EmptyError | TargetError:
    if sums.unweighted:
        return EmptyError(f"{name}: no row has a weight above 0 in '{asked.row_weight}'")
    targets = " and ".join(f"'{target}'" for target in asked.predict)
    if asked.drop_missing:
        return EmptyError(f"{name}: every row has a missing value: use --missing fill")
    return TargetError(
        f"{name}: the target {targets} is missing in every row: there is nothing to learn from"
    )


def _infinite(error: InfiniteError, made: Plan, name: str, start: int) -> ValueRefusedError:
    column = [*made.numbers, *made.asked.predict][error.number]
    where = f"{name}, column '{column}', row {start + error.row + 1}"
    what = (
        "is infinite"
        if np.isinf(error.value)
        else f"is {error.value:g}, too far out to compute with"
    )
    return ValueRefusedError(f"{where} {what}: mend or remove that row")
