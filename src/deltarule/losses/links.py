"""Links: what losses share that turn a score into a prediction in the same way.

Shapes: scores, targets and predictions (n, k)
"""

import numpy as np

from deltarule.rule.loss import Loss
from deltarule.rule.predict import Array, Mask

# The least and most that a mean is taken to be: their scores are numbers.
LEAST, MOST = 1e-300, 1 - 2.0**-53
# A mean this near an end is there, but for rounding.
ROUNDING = 1e-12


def straight(loss: object) -> bool:
    """Whether a loss's score is its prediction, so that an offset is a shift of the target."""
    return isinstance(loss, Identity)


def finite_score(loss: Loss, mean: Array) -> Array:
    """The score of a mean; at the ends of what can be, that of one as near as there is."""
    if straight(loss):
        return loss.link(mean)
    near = np.maximum(mean, LEAST)
    return loss.link(near if loss.power is not None else np.minimum(near, MOST))


def ruled_out(loss: Loss, mean: Array, targets: Array) -> Mask:
    """Rows that no rows with this mean allow for, as of a class that none of them has: (n,).

    Predictions learnt from such rows tend to the end of what can be, and the loss of a row beyond
    it to infinity.
    Shapes:  mean (k,)
    """
    if straight(loss):
        return np.zeros(len(targets), dtype=bool)
    found: Mask = np.any((mean <= ROUNDING) & (targets > 0), axis=1)
    if loss.power is None:
        found |= np.any((mean >= 1 - ROUNDING) & (targets < 1), axis=1)
    return found


class Identity:
    """What losses share whose link changes nothing: the score is the prediction."""

    takes: str = "any number"
    power: float | None = 0.0

    @property
    def says(self) -> str:
        """The score in words, of a target's name."""
        return "{}"

    def accepts(self, targets: Array) -> Mask:
        return np.isfinite(targets)

    def inverse_link(self, scores: Array) -> Array:
        return scores

    def link(self, mean: Array) -> Array:
        return mean

    def saturated(self, targets: Array) -> Array:
        return np.zeros(len(targets))
