"""Batch: some rows as standardised arrays, which questions are asked of; answers that add.

Shapes: n rows, p inputs, k outputs. Inputs are in standardised units, or whatever units are given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.losses.loss import Loss
from deltarule.moments.chunked_array import ChunkedArray
from deltarule.moments.design_matrix import CategoricalMatrix, CategoryCodes, SplitMatrix
from deltarule.moments.folds import sorted_by
from deltarule.moments.standardize import Standardization
from deltarule.rule.compare import Compared, Comparison, compare
from deltarule.rule.predict import Array, Inputs, Linear, Mask, Weights
from deltarule.tables.encoded_rows import EncodedRows

# Numbers in a block, 8 MB of them, in not more rows than these. Short calls make Python threads
# wait for the GIL: with 20 inputs a row takes 70 ns, and with a quarter of the rows 90, nearly as
# long as one worker alone.
BLOCK_CELLS, BLOCK_ROWS = 1_000_000, 32_768
# The same for rows with categories as codes.
CODED_ROWS = 131_072


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

    @property
    def bare(self) -> "Batch":
        """The same rows without inputs."""
        return replace(self, inputs=np.zeros((len(self), 0)))

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

    def sum_by_fold(self, compared: Compared, *, hessian: bool = True) -> ByFold[Comparison]:
        """Comparisons summed by fold."""
        return ByFold({of: compared.sum(at, hessian=hessian) for of, at in self.folds.items()})


def block_rows(inputs: int) -> int:
    """How many rows a block has."""
    return max(min(BLOCK_CELLS // max(inputs, 1), BLOCK_ROWS), 256)


def blocks_of(rows: EncodedRows, standard: Standardization, *, by_fold: bool) -> Iterator[Batch]:
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
            yield block_of(rows, standard, span, memory=memory)
        else:
            order, folds = sorted_by(rows.fold[span])
            yield replace(block_of(rows, standard, span, order, memory), folds=folds)


def block_of(
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
