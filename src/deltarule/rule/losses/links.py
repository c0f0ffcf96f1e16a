"""Links: what losses share that turn a score into a prediction in the same way.

Shapes: scores, targets and predictions (n, k)
"""

import numpy as np

from deltarule.rule.predict import Array, Mask


def straight(loss: object) -> bool:
    """Whether a loss's score is its prediction, so that an offset is a shift of the target."""
    return isinstance(loss, Identity)


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

    def mean(self, scores: Array) -> Array:
        return scores

    def score(self, mean: Array) -> Array:
        return mean

    def least(self, targets: Array) -> Array:
        return np.zeros(len(targets))
