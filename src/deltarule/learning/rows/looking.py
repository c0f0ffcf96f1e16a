"""The last look at the rows: what every fold says to the weights, and how well they fit.

One of Newton's steps doubles the digits, so when weight_delta is down to the root of what counts as
settled, the next pass is likely to be the last. Then it looks, and no further pass has to.

Shapes: k outputs, t targets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from deltarule.learning.rows.passes import Batch, RowSource
from deltarule.rule.compare import Comparison
from deltarule.rule.losses.loss import Loss
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import largest


@dataclass(frozen=True)
class Look:
    """What some rows say: the comparison, and sums of how well they fit, (t, sums)."""

    comparison: Comparison
    fit: Array

    def __add__(self, other: "Look") -> "Look":
        return Look(self.comparison + other.comparison, self.fit + other.fit)


@dataclass
class Looking:
    """The rows as an objective that remembers its last look.

    `fit` sums up how some rows fit weights. It looks once the largest average weight_delta has
    been `near` or less, and when asked to.
    """

    rows: RowSource
    model: Linear
    loss: Loss
    fit: Callable[[Batch, Weights], Array]
    near: float
    curved: bool = True
    seen: tuple[Weights, dict[int, Look]] | None = field(default=None, init=False)
    _close: bool = field(default=False, init=False)

    def __call__(self, weights: Weights, *, curvature: bool = False) -> Comparison:
        if curvature and self._close:
            found = sum_of(self.look(weights)).comparison
        else:
            found = self.rows.objective(self.model, self.loss)(weights, curvature=curvature)
        self._close = largest(found.average().weight_delta) <= self.near
        return found

    def look(self, weights: Weights) -> dict[int, Look]:
        """What each fold says to these weights, in one pass unless it was seen just now."""
        if self.seen is None or self.seen[0] is not weights:

            def at(batch: Batch, fold: int) -> Look:
                compared = batch.compare(self.model, self.loss, weights, curvature=True)
                return Look(compared, self.fit(batch, weights))

            self.seen = (weights, self.rows.by_fold(at))
        return self.seen[1]


def sum_of(looks: dict[int, Look]) -> Look:
    """The look at all rows."""
    first, *others = looks.values()
    for other in others:
        first = first + other
    return first
