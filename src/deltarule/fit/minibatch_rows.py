"""Minibatch source: rows in shuffled batches, in memory or by reading the table at each epoch.

In memory, an epoch's order is a permutation of all rows. A streamed table is read at each epoch,
its rows shuffled within blocks of `BLOCK`: the blocks keep their order. Either order depends on the
seed and the epoch's number alone.

Shapes: n rows, p inputs, k outputs.
"""

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.in_memory import Rows
from deltarule.fit.default_learner import RowwiseCurvature
from deltarule.losses.loss import Loss
from deltarule.moments.standardize import Standardization
from deltarule.rule.compare import Objective
from deltarule.rule.predict import Array, Linear, Mask
from deltarule.solvers.minibatch import MinibatchComparison
from deltarule.tables.one_read import Read
from deltarule.tables.source import BATCH_ROWS

BLOCK = BATCH_ROWS
# Up to so many numbers, 256 MB of them, are arrays that epochs shuffle; more are read again.
SHUFFLED_CELLS = 32_000_000


@dataclass(frozen=True)
class RowBlock:
    """Some rows: inputs (n, p), targets (n, k); row weights and row numbers (n,).

    Offsets, (n, 1), are added to the scores.
    """

    inputs: Array
    targets: Array
    each: Array
    number: NDArray[np.intp]
    offsets: Array | None = None

    def __len__(self) -> int:
        return len(self.number)

    def only(self, kept: slice | Mask | NDArray[np.intp]) -> "RowBlock":
        """A subset of the rows, in that order."""
        return RowBlock(
            self.inputs[kept],
            self.targets[kept],
            self.each[kept],
            self.number[kept],
            None if self.offsets is None else self.offsets[kept],
        )

    @classmethod
    def joined(cls, parts: list["RowBlock"]) -> "RowBlock":
        """Blocks concatenated."""
        offsets = [part.offsets for part in parts if part.offsets is not None]
        return cls(
            np.concatenate([part.inputs for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.each for part in parts]),
            np.concatenate([part.number for part in parts]),
            np.concatenate(offsets) if offsets else None,
        )


@dataclass(frozen=True)
class MinibatchRows:
    """The rows of a table in batches of `size`, in standardised or given units.

    `penalised` adds the penalty, if there is one, to a batch's objective.
    """

    read: Read
    standard: Standardization
    _: KW_ONLY
    size: int
    seed: int
    shuffle: bool
    model: Linear
    loss: Loss
    penalised: Callable[[Objective], Objective]
    # The order of the epoch that was asked for last: its steps are usually asked for together.
    _order: dict[int, RowBlock] = field(default_factory=dict, repr=False)

    @cached_property
    def held(self) -> RowBlock | None:
        """All rows as arrays, where they are in memory and not too many."""
        read = self.read
        cells = read.examples * (len(read.schema.inputs) + read.folds[0].cross.shape[0])
        if read.frames is None or cells > SHUFFLED_CELLS:
            return None
        return RowBlock.joined(list(_parts(read, self.standard)))

    @cached_property
    def typical(self) -> float:
        """A row's mean weight."""
        return sum(fold.rows for fold in self.read.folds) / self.read.examples

    @property
    def rounds(self) -> int:
        """Batches per epoch."""
        return -(-self.read.examples // self.size)

    def epoch(self, number: int) -> Iterator[MinibatchComparison]:
        """Batches of `size` rows; the last has the remainder."""
        rng = np.random.default_rng([self.seed, number])
        if self.held is not None:
            yield from self._cut(self._mixed(self.held, rng), len(self.held))
            return
        at_once = max(self.size, BLOCK)
        waiting: list[RowBlock] = []
        for part in _parts(self.read, self.standard):
            waiting.append(part)
            rows = sum(map(len, waiting))
            if rows >= at_once:
                block, full = self._mixed(RowBlock.joined(waiting), rng), rows - rows % self.size
                yield from self._cut(block, full)
                waiting = [block.only(slice(full, None))]
        block = self._mixed(RowBlock.joined(waiting), rng)
        yield from self._cut(block, len(block))

    def at(self, step: int) -> MinibatchComparison:
        """The batch of a step, counted from 1, without iterating over those before it."""
        epoch, before = divmod(step - 1, self.rounds)
        if self.held is None:
            return next(islice(self.epoch(epoch + 1), before, None))
        if epoch not in self._order:
            rng = np.random.default_rng([self.seed, epoch + 1])
            self._order.clear()
            self._order[epoch] = self._mixed(self.held, rng)
        block = self._order[epoch]
        return self._seen(block.only(slice(before * self.size, (before + 1) * self.size)))

    def rowwise(self, *, usual: float) -> RowwiseCurvature:
        """Row-wise curvature bounds, in one pass."""
        largest = 0.0
        for part in _parts(self.read, self.standard) if self.held is None else [self.held]:
            squares = np.einsum("np,np->n", part.inputs, part.inputs) + self.model.intercept
            largest = max(largest, float(np.max(part.each * squares, initial=0.0)))
        return RowwiseCurvature(self.read.examples, largest / self.typical, usual)

    @property
    def order(self) -> str:
        """The order of the rows, in words."""
        if not self.shuffle:
            return "in the table's order"
        if self.held is not None:
            return f"shuffled anew in each epoch, from seed {self.seed}"
        return (
            f"read again in each epoch and shuffled within blocks of {BLOCK:,}, "
            f"from seed {self.seed}"
        )

    def _mixed(self, part: RowBlock, rng: np.random.Generator) -> RowBlock:
        return part.only(rng.permutation(len(part))) if self.shuffle else part

    def _cut(self, block: RowBlock, rows: int) -> Iterator[MinibatchComparison]:
        for start in range(0, rows, self.size):
            yield self._seen(block.only(slice(start, min(start + self.size, rows))))

    def _seen(self, part: RowBlock) -> MinibatchComparison:
        rows = Rows(self.model, self.loss, part.inputs, part.targets, part.each, part.offsets)
        return MinibatchComparison(self.penalised(rows), part.number, self.typical * len(part))


def _parts(read: Read, standard: Standardization) -> Iterator[RowBlock]:
    for rows in read.rows():
        inputs = standard.inputs(rows.inputs)
        each = np.ones(len(inputs)) if rows.row_weights is None else rows.row_weights
        offsets = None if rows.offsets is None else rows.offsets[:, None]
        yield RowBlock(inputs, rows.targets, each, rows.number, offsets)
