"""Traced rows: rows chosen by number, shown at each step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.errors import LearningError
from deltarule.losses.loss import Loss
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.tables.one_read import Read
from deltarule.trace.row_trace import RowTrace


@dataclass(frozen=True)
class TracedRows:
    """Rows in their columns' own units, by their numbers counted from 1.

    Shapes:  inputs (n, p), targets (n, k), offsets (n,)
    """

    numbers: tuple[int, ...]
    inputs: Array
    targets: Array
    offsets: Array

    @classmethod
    def of(cls, read: Read, numbers: Sequence[int]) -> "TracedRows":
        """Find these rows by one pass.

        Errors:  LearningError for a row that is not there, or was not learnt from
        """
        found: dict[int, tuple[Array, Array, float]] = {}
        rows = 0
        for part in read.rows():
            rows = max(rows, int(part.number[-1]) + 1 if len(part.number) else 0)
            for number in numbers:
                at = int(np.searchsorted(part.number, number - 1))
                if at < len(part.number) and part.number[at] == number - 1:
                    offset = 0.0 if part.added is None else float(part.added[at])
                    target = part.targets[at] + (offset if part.shifted else 0.0)
                    found[number] = (part.inputs[at].copy(), target, offset)
            if len(found) == len(set(numbers)):
                break
        for number in numbers:
            if number not in found:
                raise LearningError(_missing(read, number, rows))
        return cls(
            tuple(numbers),
            np.array([found[number][0] for number in numbers]),
            np.array([found[number][1] for number in numbers]),
            np.array([found[number][2] for number in numbers]),
        )

    def at(self, model: Linear, loss: Loss, weights: Weights) -> tuple[RowTrace, ...]:
        """The rows' predictions and deltas at these weights."""
        rows = zip(self.numbers, self.inputs, self.targets, self.offsets.tolist(), strict=True)
        return tuple(
            RowTrace.of(model, loss, weights=weights, inputs=x, targets=t, number=number, offset=o)
            for number, x, t, o in rows
        )


def _missing(read: Read, number: int, last: int) -> str:
    if number > last:
        return (
            f"row {number:,} of {read.source.name} is not among the rows learnt from: "
            f"the last of them is row {last:,}"
        )
    return (
        f"row {number:,} of {read.source.name} was left out: its target, its weight, or an input "
        "is missing"
    )
