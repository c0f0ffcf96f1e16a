"""Damped Newton: steps with a line search of each output, for losses that are not quadratic."""

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.newton import Curved, Newton


@dataclass(frozen=True)
class Damping:
    """Line-search state by output: base point, direction, slope, step length.

    And the total loss at the base point.

    Shapes:  base, direction (q, k), slope, share (k,)
    """

    base: Array
    direction: Array
    slope: Array
    share: Array
    loss: float


@dataclass(frozen=True)
class DampedNewton(Curved):
    """Newton with a line search by output: each output's step is shortened where it went too far.

    Newton itself tests the total loss. One outlier, or an output in larger units, makes that so
    large that changes of other outputs are lost to rounding. So a step is also shortened where the
    slope at its end is positive and more than half the initial descent; and where the total loss
    rose, only for outputs along whose direction it rises.
    """

    def step(
        self, weights: Weights, comparison: Comparison, state: Damping | None
    ) -> tuple[Weights, Damping]:
        g, here = stack(comparison.weight_delta), stack(weights)
        direction = stack(Newton().step(weights, comparison, None)[1].direction)
        slope, share, loss = np.sum(g * direction, axis=0), np.ones(g.shape[1]), comparison.loss
        if state is not None:
            rising = -np.sum(g * state.direction, axis=0)
            rose = not comparison.loss <= state.loss * (1 + 1e-12)
            far = (rising > state.slope / 2) | (rose & (rising > 0))
            loss = state.loss if far.any() else loss
            here, direction = (
                np.where(far, state.base, here),
                np.where(far, state.direction, direction),
            )
            slope = np.where(far, state.slope, slope)
            share = np.where(far, state.share / 4, 1.0)
        return unstack(here - share * direction, weights), Damping(
            here, direction, slope, share, loss
        )
