"""The last look at the rows: what every fold says to the weights, and how well they fit.

One of Newton's steps doubles the digits, so when weight_delta is down to the root of what counts as
settled, the next pass is likely to be the last. Then it looks, and no further pass has to.

Shapes: k outputs, t targets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

from deltarule.engines.local import Batch, ByFold, PassObjective, RowSource
from deltarule.rule.compare import Compared, Comparison
from deltarule.rule.loss import Loss
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import largest


@dataclass(frozen=True)
class FinalPass:
    """What the rows of each fold say, and sums of how well all of them fit, (t, sums)."""

    folds: ByFold[Comparison]
    fit: Array

    def __add__(self, other: "FinalPass") -> "FinalPass":
        return FinalPass(self.folds + other.folds, self.fit + other.fit)

    @property
    def comparison(self) -> Comparison:
        """What all rows say."""
        return reduce(add, self.folds.values())


@dataclass
class CachedObjective:
    """The rows as an objective that remembers its last look.

    `fit` sums up how some rows, which may be `trials`, fit weights. It looks once the largest
    average weight_delta has been `near` or less, and when asked to.
    """

    rows: RowSource
    model: Linear
    loss: Loss
    fit: Callable[[Batch, Compared], Array]
    near: float
    trials: bool = False
    has_hessian: bool = True
    seen: tuple[Weights, FinalPass] | None = field(default=None, init=False)
    _close: bool = field(default=False, init=False)

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        if hessian and self._close:
            found = self.look(weights).comparison
        else:
            found = PassObjective(self.rows, self.model, self.loss)(weights, hessian=hessian)
        self._close = largest(found.average().weight_delta) <= self.near
        return found

    def look(self, weights: Weights) -> FinalPass:
        """What each fold says to these weights, in one pass unless it was seen just now."""
        if self.seen is None or self.seen[0] is not weights:

            def at(batch: Batch) -> FinalPass:
                found = batch.compare(self.model, self.loss, weights)
                return FinalPass(batch.sum_by_fold(found), self.fit(batch, found))

            def fit(batch: Batch) -> Array:
                return self.fit(batch, batch.compare(self.model, self.loss, weights))

            look = self.rows.total(at, by_fold=True)
            # Rows of trials fit as the shares that they are, and are held out as single outcomes.
            self.seen = weights, replace(look, fit=self.rows.total(fit)) if self.trials else look
        return self.seen[1]
