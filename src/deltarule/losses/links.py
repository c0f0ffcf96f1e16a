"""Links: the identity link, and helpers for the link's domain that losses share.

Shapes: scores, targets and predictions (n, k)
"""

import numpy as np

from deltarule.rule.loss import LinkName, Loss
from deltarule.rule.predict import Array, Mask

# Bounds that a mean is clipped to, so that its score is finite.
LEAST, MOST = 1e-300, 1 - 2.0**-53
# A mean this near a bound of the domain is at the bound, up to rounding.
ROUNDING = 1e-12


def straight(loss: object) -> bool:
    """Whether a loss has the identity link, so that an offset is a shift of the target."""
    return isinstance(loss, Identity)


def finite_score(loss: Loss, mean: Array) -> Array:
    """The link of a mean, clipped to a finite score at the bounds of the domain."""
    if straight(loss):
        return loss.link(mean)
    near = np.maximum(mean, LEAST)
    return loss.link(near if loss.power is not None else np.minimum(near, MOST))


def ruled_out(loss: Loss, mean: Array, targets: Array) -> Mask:
    """Rows of zero likelihood under this boundary mean, such as an unobserved class: (n,).

    Predictions learnt at such a mean tend to the bound of the domain, and the loss of a row beyond
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
    """The identity link, shared by losses whose score is the prediction."""

    takes: str = "any number"
    link_name: LinkName = "identity"
    power: float | None = 0.0

    @property
    def says(self) -> str:
        """What the score means, in words, with {} for the target's name."""
        return "{}"

    def accepts(self, targets: Array) -> Mask:
        return np.isfinite(targets)

    def inverse_link(self, scores: Array) -> Array:
        return scores

    def link(self, mean: Array) -> Array:
        return mean

    def saturated(self, targets: Array) -> Array:
        return np.zeros(len(targets))
