"""L-BFGS: a minimum from gradients alone, where a Hessian of all weights is too costly.

Source: Liu & Nocedal 1989; Zhu, Byrd, Lu & Nocedal 1997
"""

from collections.abc import Mapping

import numpy as np

from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import Objective
from deltarule.rule.predict import Array, Mask, Weights

# Steps at most, and how many pairs of steps and gradients stand for the Hessian.
STEPS, PAIRS = 300, 20


def lbfgs(
    objective: Objective,
    weights: Weights,
    *,
    tolerance: float,
    frozen: Mapping[str, Mask] | None = None,
) -> Weights:
    """The weights where no gradient exceeds `tolerance` times the largest at the start.

    Or those after STEPS steps. The average of the objective is minimised, which must be smooth.
    """
    from scipy.optimize import minimize  # it takes 60 ms to load, and few need it

    start = stack(weights)
    moves = np.ones(start.shape, dtype=bool)
    if frozen is not None:
        moves = ~stack({n: frozen[n].astype(float) for n in weights}).astype(bool)

    def value(x: Array) -> tuple[float, Array]:
        compared = objective(unstack(x.reshape(start.shape), weights)).average()
        return compared.loss, (stack(compared.weight_delta) * moves).ravel()

    _, first = value(start.ravel())
    goal = tolerance * float(np.max(np.abs(first), initial=0.0))
    found = minimize(
        value,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": STEPS, "maxcor": PAIRS, "gtol": goal, "ftol": 0.0},
    )
    return unstack(np.asarray(found.x).reshape(start.shape), weights)
