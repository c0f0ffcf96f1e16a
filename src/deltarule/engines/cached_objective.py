"""Objective that caches its final pass: gradients and Hessians by fold, and fit metrics.

Newton's method converges quadratically, so when the gradient is below the square root of the
tolerance the next pass is likely the last; that pass also collects what the result needs.

Shapes: k outputs, t targets.
"""

from dataclasses import dataclass, field, replace

from deltarule.engines.base import RowSource
from deltarule.engines.questions import CompareByFold, FinalPass, Fit, FitSums, PassObjective
from deltarule.losses.loss import Loss
from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Linear, Weights
from deltarule.rule.train import largest


@dataclass
class CachedObjective:
    """The rows as an objective that caches its final pass.

    `fit` sums the fit metrics of some rows, which may be `trials`. They are collected once the
    largest average weight_delta has been `near` or less, and on request.
    """

    rows: RowSource
    model: Linear
    loss: Loss
    fit: FitSums
    near: float
    trials: bool = False
    hessian: bool = True
    """Whether the final pass has Hessians."""
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
        """Comparisons by fold and fit metrics at these weights, in one pass unless cached."""
        if self.seen is None or self.seen[0] is not weights:
            asked = self.model, self.loss, weights, self.fit
            look = self.rows.total(CompareByFold(*asked, self.hessian), by_fold=True)
            # Fit of trials is by their shares; held-out rows count single outcomes.
            self.seen = (
                weights,
                replace(look, fit=self.rows.total(Fit(*asked))) if self.trials else look,
            )
        return self.seen[1]
