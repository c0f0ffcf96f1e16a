"""Rows as an objective: in memory where they fit, else by reading them again at every step.

Shapes: n rows, p inputs, k outputs. Inputs are in standardised units, or whatever units are given.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deltarule.moments.standard import Standard
from deltarule.rule.compare import Comparison, Loss, Objective, Rows, compare
from deltarule.rule.predict import Array, Linear, Mask, Weights
from deltarule.tables.reading import Read


@dataclass(frozen=True)
class Batch:
    """Some rows: inputs (n, p), targets (n, k), what each counts for (n,), folds (n,).

    Offsets, (n, k) or (n, 1), are added to the scores.
    """

    inputs: Array
    targets: Array
    each: Array
    fold: NDArray[np.uint8]
    offsets: Array | None = None

    def scores(self, model: Linear, weights: Weights) -> Array:
        """What the rows score: (n, k)."""
        scores = model.predict(weights, self.inputs)
        return scores if self.offsets is None else scores + self.offsets

    def only(self, kept: Mask) -> "Batch":
        """Those of the rows that a mask (n,) keeps."""
        offsets = None if self.offsets is None else self.offsets[kept]
        return Batch(
            self.inputs[kept], self.targets[kept], self.each[kept], self.fold[kept], offsets
        )


class RowSource(Protocol):
    """All rows, as often as they are asked for."""

    @property
    def in_memory(self) -> bool:
        """Whether asking again costs no read."""
        ...

    def batches(self) -> Iterator[Batch]: ...
    def objective(
        self, model: Linear, loss: Loss, *, without: int | None = None, expected: bool = False
    ) -> Objective:
        """These rows as an objective, perhaps without those of a fold.

        Its curvature is the loss's own, or the `expected` one of these predictions.
        """
        ...


@dataclass(frozen=True)
class Held:
    """All rows of a table in memory."""

    whole: Batch
    in_memory: bool = True

    @classmethod
    def of(cls, read: Read, standard: Standard) -> "Held":
        """The rows that the read kept."""
        parts = list(Reread(read, standard).batches())
        offsets = [part.offsets for part in parts if part.offsets is not None]
        return cls(
            Batch(
                np.concatenate([part.inputs for part in parts]),
                np.concatenate([part.targets for part in parts]),
                np.concatenate([part.each for part in parts]),
                np.concatenate([part.fold for part in parts]),
                np.concatenate(offsets) if offsets else None,
            )
        )

    def batches(self) -> Iterator[Batch]:
        yield self.whole

    def objective(
        self, model: Linear, loss: Loss, *, without: int | None = None, expected: bool = False
    ) -> Objective:
        """The rows themselves as an objective."""
        rows = self.whole if without is None else self.whole.only(self.whole.fold != without)
        return Rows(
            model, loss, rows.inputs, rows.targets, rows.each, rows.offsets, expected=expected
        )


@dataclass(frozen=True)
class Reread:
    """All rows of a table, read anew each time."""

    read: Read
    standard: Standard
    in_memory: bool = False

    def batches(self) -> Iterator[Batch]:
        for rows in self.read.rows():
            each = np.ones(len(rows.inputs)) if rows.row_weights is None else rows.row_weights
            yield Batch(self.standard.inputs(rows.inputs), rows.targets, each, rows.fold)

    def objective(
        self, model: Linear, loss: Loss, *, without: int | None = None, expected: bool = False
    ) -> Objective:
        """A read for each question."""
        return _Passes(self, model, loss, without, expected)


@dataclass(frozen=True)
class _Passes:
    rows: Reread
    model: Linear
    loss: Loss
    without: int | None
    expected: bool
    curved: bool = True

    def __call__(self, weights: Weights, *, curvature: bool = False) -> Comparison:
        def answer(batch: Batch) -> Comparison:
            rows = batch if self.without is None else batch.only(batch.fold != self.without)
            return compare(
                self.model,
                self.loss,
                weights=weights,
                inputs=rows.inputs,
                targets=rows.targets,
                row_weights=rows.each,
                offsets=rows.offsets,
                curvature=curvature,
                expected=self.expected,
            )

        return reduce(add, map(answer, self.rows.batches()))
