"""Runaway: where no finite weights are best, and whose growth without end would be the answer.

Where classes are told apart perfectly, or a level has no count but 0, there is a way along which
no row's loss ever rises and some row's always falls. Newton's last steps then are all alike: each
goes along that way, moves those rows' scores by about 1, and divides what they leave of the
gradient by about e. Elsewhere the steps shrink to nothing, faster and faster.

Maths:   loss(score + far * move) never rises with far: its slope, delta . move, is not above 0
Shapes:  n rows, p inputs, k outputs. Weights and ways are in the units of the rows.
Source:  Albert & Anderson 1984, on the existence of maximum likelihood estimates; Konis 2007
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from deltarule.engines.local import RowSource
from deltarule.fit.smoothing import gradient
from deltarule.rule.loss import Loss
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import Step

# A gradient this small beside that of the start is rounding, or that of weights running away.
VANISHED = 1e-9
# A step that arrives moves scores by far less than this, one that runs away by about 1.
MOVES = 0.1
# A step this short in standardised units moves no row by much, so none need be asked.
STILL = 1e-5
# A row that moves less beside them stays.
SLIGHT = 1e-3
# So many steps further, a row with something to say against the way says it. Where a class is all
# but impossible, what its scores do there says nothing, until millions of steps further.
FAR = 10.0
# What rounding leaves of moves that should be 0, beside the targets.
ROUNDING = 1e-5
# Weights that grow at less than a tenth of the fastest one's pace only follow it.
LEADS = 0.1
NAMED = 5


def vanished(step: Step, start: Step) -> bool:
    """Whether next to nothing is left of the gradient that the first step had."""
    return gradient(step) <= VANISHED * gradient(start)


@dataclass(frozen=True)
class Separation:
    """The inputs whose weights would grow without end, and how many rows that brings nearer."""

    names: Sequence[str]
    rows: float
    total: float

    @classmethod
    def along(
        cls,
        way: Weights,
        *,
        weights: Weights,
        rows: RowSource,
        model: Linear,
        loss: Loss,
        inputs: Sequence[tuple[str, str | None]],
    ) -> Self | None:
        """From the way of Newton's last step; None where it leads to finite weights.

        It asks the rows once, unless the step was next to nothing.
        """
        if sum(float(np.abs(array).sum()) for array in way.values()) < STILL:
            return None
        moved = total = furthest = 0.0
        for batch in rows.batches():
            move = model.predict(way, batch.inputs)
            with np.errstate(over="ignore", invalid="ignore"):
                far = loss.delta(batch.scores(model, weights) + FAR * move, batch.targets)
                against = np.sum(np.where(move == 0, 0.0, far * move), axis=1)
            size = np.abs(move).max(axis=1, initial=0.0)
            bound = ROUNDING * (1 + np.abs(batch.targets).max(axis=1, initial=0.0))
            if not (against[batch.each > 0] <= bound[batch.each > 0]).all():
                return None
            furthest = max(furthest, float(size.max(initial=0.0)))
            moved += float(batch.each[size > SLIGHT].sum())
            total += float(batch.each.sum())
        if furthest < MOVES:
            return None
        return cls(_leading(np.abs(way["weight"]).max(axis=1), inputs), moved, total)

    def __str__(self) -> str:
        shown = list(self.names[:NAMED])
        if len(self.names) > NAMED:
            shown.append(f"{len(self.names) - NAMED} more")
        *most, last = shown
        names = (
            f"weights of {', '.join(most)} and {last} grow" if most else f"weight of {last} grows"
        )
        of = "all" if self.rows == self.total else f"{self.rows:,.6g} of"
        return (
            f"no finite weights are best: the larger the {names}, the nearer the predictions of "
            f"{of} {self.total:,.6g} rows come to their targets"
        )


def _leading(pace: Array, inputs: Sequence[tuple[str, str | None]]) -> list[str]:
    """The inputs that lead, fastest first; a category by its name where several levels do."""
    if not pace.size or pace.max() == 0:
        return ["the intercept"]
    fast = [int(at) for at in np.argsort(-pace, kind="stable") if pace[at] >= LEADS * pace.max()]
    columns = [inputs[at][0] for at in fast]
    named = [
        column if level is None or columns.count(column) > 1 else f"{column}={level}"
        for column, level in (inputs[at] for at in fast)
    ]
    return list(dict.fromkeys(named))
