"""Loss protocol: a loss with its link, derivative, Hessian and likelihood terms.

A loss's value and its delta stand next to each other in each module of losses/, so that one can
be checked against the other. `delta` is d value / d score, which the inputs are multiplied with.
With the canonical link it is prediction - target; with another link (the log link of positive
amounts) it is that times a factor, and for robust losses it is that, clipped. Users are shown
prediction - target, whatever the loss.

Shapes: scores s and targets t (n, k); a value for each row (n,), summed over the outputs.
Values are nats per row, or half the squared units of the target for `Squared`.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from deltarule.rule.predict import Array, Mask

LinkName = Literal["identity", "log", "logit", "softmax"]


class Loss(Protocol):
    """A loss of scores and targets, with its link."""

    @property
    def name(self) -> str:
        """Its name, which `loss_named` parses back to the same loss."""
        ...

    @property
    def takes(self) -> str:
        """The domain of its targets, in words; `accepts` tests them."""
        ...

    @property
    def says(self) -> str:
        """What the score means, in words, with {} for the target's name."""
        ...

    @property
    def link_name(self) -> LinkName:
        """Its link."""
        ...

    @property
    def dispersion(self) -> str:
        """Where the dispersion comes from, which standard errors depend on.

        known       fixed by the prediction (yes/no, counts)
        estimated   dispersion * variance function of the prediction, from Pearson's chi2
        robust      no likelihood; estimated from the deltas
        unknown     no likelihood, no standard errors
        """
        ...

    @property
    def power(self) -> float | None:
        """The variance power: variance ~ prediction ** power; None where it is no amount."""
        ...

    def accepts(self, targets: Array) -> Mask: ...
    def value(self, scores: Array, targets: Array) -> Array: ...
    def delta(self, scores: Array, targets: Array) -> Array: ...
    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        """The second derivative in the scores; without targets, its expectation.

        Shapes:  (n, k), or (n, k, k) where outputs are coupled
        """
        ...

    def inverse_link(self, scores: Array) -> Array: ...
    def link(self, mean: Array) -> Array: ...
    def saturated(self, targets: Array) -> Array:
        """The loss of the saturated model: its minimum over scores for these targets, (n,)."""
        ...

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        """Minus log likelihood less value / dispersion; NaN where there is no likelihood."""
        ...


@dataclass(frozen=True)
class Parts:
    """Prediction, value, delta and Hessian of a loss at some rows.

    A loss whose parts share work, such as an exponential, has a method `parts` that does it once.
    Shapes:  mean, delta (n, k), value (n,), slope (the Hessian) (n, k) or (n, k, k)
    """

    inverse_link: Array
    value: Array
    delta: Array
    hessian: Array


def parts(loss: Loss, scores: Array, targets: Array, *, expected: bool = False) -> Parts:
    """The loss's prediction, value, delta and Hessian; the `expected` Hessian if wanted."""
    if not expected and hasattr(loss, "parts"):
        found: Parts = loss.parts(scores, targets)
        return found
    return Parts(
        inverse_link=loss.inverse_link(scores),
        value=loss.value(scores, targets),
        delta=loss.delta(scores, targets),
        hessian=loss.hessian(scores) if expected else loss.hessian(scores, targets),
    )
