"""Separation: the maximum likelihood estimate does not exist, as some weights grow without end.

Where classes are separable, or a level has no count but 0, there is a direction in which no row's
loss ever rises and some row's always falls. Newton's last steps then are all alike: each goes along
that direction, moves those rows' scores by about 1, and divides what they leave of the gradient by
about e. Otherwise steps shrink to nothing, quadratically.

Maths:   loss(score + far * move) never rises with far: its derivative, delta . move, is <= 0
Shapes:  n rows, p inputs, k outputs. Weights and directions are in the units of the rows.
Source:  Albert & Anderson 1984, on the existence of maximum likelihood estimates; Konis 2007
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from deltarule.engines.base import RowSource
from deltarule.engines.questions import MoveAlong
from deltarule.fit.smoothing import gradient
from deltarule.losses.loss import Loss
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import Step

# A gradient this small relative to the start's is rounding, or a sign of separation.
VANISHED = 1e-9
# A converging step moves scores by far less than this, one of separation by about 1.
MOVES = 0.1
# A step this short in standardised units moves no score by much: no pass is needed.
STILL = 1e-5
# Weights that grow at less than a tenth of the fastest rate only follow it.
LEADS = 0.1
NAMED = 5


def vanished(step: Step, start: Step) -> bool:
    """Whether the gradient has vanished relative to the first step's."""
    return gradient(step) <= VANISHED * gradient(start)


@dataclass(frozen=True)
class Separation:
    """Inputs whose weights diverge, and how many rows that fits better and better."""

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
        """From the direction of Newton's last step; None where it leads to finite weights.

        One pass over the rows, unless the step was negligible.
        """
        if sum(float(np.abs(array).sum()) for array in way.values()) < STILL:
            return None
        moved = rows.total(MoveAlong(way, weights, model, loss))
        if not moved.better or moved.furthest < MOVES:
            return None
        names = leading(np.abs(way["weight"]).max(axis=1), inputs)
        return cls(names, moved.moved, moved.total)

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


def leading(pace: Array, inputs: Sequence[tuple[str, str | None]]) -> list[str]:
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
