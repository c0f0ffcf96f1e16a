"""Newton's method for several fits at once, whose Hessians come side by side.

What is done with a fit is what `Newton` does: a step that raised its loss is halved.

Shapes: m fits, d weights of each, (q, k) flattened
"""

from collections.abc import Callable

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array
from deltarule.solvers.fit_metrics import newton_steps
from deltarule.solvers.lbfgs_stack import StackedFits

Curved = Callable[[Array], tuple[Array, Array, Array]]
"""All fits' mean losses (m,), gradients (m, d), Hessians (m, b, s, s), at weights (m, d)."""


@dataclass(frozen=True)
class NewtonStack:
    """Newton's method for all fits, of q weights an output, with backtracking.

    A fit converges when its largest gradient is at most `tolerance` times its `steep`; it ends
    where the step leads that was due then. Fits whose Hessian is nearly singular end it for all.
    """

    objective: Curved
    size: int
    steep: Array
    steps: int = 30
    tolerance: float = 1e-3

    def run(self, start: Array) -> StackedFits:
        """The weights at the optimum, or the best ones on the way there."""
        m = len(start)
        base, direction, best = start, np.zeros_like(start), start.copy()
        share, least, settled = np.ones(m), np.full(m, np.inf), np.zeros(m, dtype=bool)
        passes = 0
        while passes < self.steps:
            passes += 1
            point = base - share[:, None] * direction
            loss, gradient, hessian = self.objective(point)
            # The first one is taken, and of others those that are not numbers are not.
            slack = np.where(np.isinf(least), 0.0, 1e-12 * np.abs(least))
            taken = np.isfinite(loss) & (loss <= least + slack)
            base = np.where(taken[:, None], point, base)
            least = np.where(taken, loss, least)
            known = np.isfinite(hessian).all()
            steps = newton_steps(hessian, gradient, self.size) if known else None
            if steps is None:
                break
            direction = np.where(taken[:, None], steps, direction)
            share = np.where(taken, 1.0, share / 2)
            done = taken & ~settled
            done &= np.abs(gradient).max(axis=1, initial=0.0) <= self.tolerance * self.steep
            best[done], settled = (base - direction)[done], settled | done
            if settled.all():
                break
        return StackedFits(np.where(settled[:, None], best, base), settled, (), passes)
