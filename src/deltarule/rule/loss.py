"""Losses: what a row's wrongness counts for, each with the link that makes scores predictions.

A loss's value and its delta stand next to each other, here and in the modules of its kin, so
that one can be checked against the other. `delta` is the slope of the value in the score: what
learning multiplies with the inputs. With the link that suits the loss it is prediction - target;
where people want another link (amounts that inputs multiply: the logarithm) it is that times a
factor, and where outliers are to pull less it is that, held back. What people are shown is
prediction - target, whatever the loss.

Shapes: scores s and targets t (n, k); a value for each row (n,), summed over the outputs.
Values are nats per row, or half the squared units of the target for `Squared`.
"""

from dataclasses import dataclass
from typing import Protocol

from deltarule.rule.predict import Array, Mask


class Loss(Protocol):
    """What a row's wrongness counts for, with its link."""

    @property
    def name(self) -> str:
        """How it is spelled: what `loss_named` makes the same loss of."""
        ...

    @property
    def takes(self) -> str:
        """The targets it takes, in words; `accepts` tests them."""
        ...

    @property
    def says(self) -> str:
        """What the score is of a target, in words, with {} where its name goes."""
        ...

    @property
    def dispersion(self) -> str:
        """How far rows stray from their prediction, so how sure the weights are.

        known       the prediction says it (yes/no, counts)
        estimated   dispersion * a function of the prediction: estimated from Pearson's chi2
        robust      no likelihood; estimated from the deltas
        unknown     no likelihood, no standard errors
        """
        ...

    @property
    def power(self) -> float | None:
        """A target's variance grows as prediction to this power; None where it is no amount."""
        ...

    def accepts(self, targets: Array) -> Mask: ...
    def value(self, scores: Array, targets: Array) -> Array: ...
    def delta(self, scores: Array, targets: Array) -> Array: ...
    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        """How fast delta changes with the score; without targets, what is expected of it.

        Shapes:  (n, k), or (n, k, k) where each output's delta changes with every score
        """
        ...

    def inverse_link(self, scores: Array) -> Array: ...
    def link(self, mean: Array) -> Array: ...
    def saturated(self, targets: Array) -> Array:
        """The least value that any score has for these targets, (n,)."""
        ...

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        """What value / dispersion lacks to minus the log likelihood; NaN where there is none."""
        ...


@dataclass(frozen=True)
class Parts:
    """What one pass wants to know of some rows, all at once.

    A loss whose parts share work, such as an exponential, has a method `parts` that does it once.
    Shapes:  mean, delta (n, k), value (n,), slope (n, k) or (n, k, k)
    """

    inverse_link: Array
    value: Array
    delta: Array
    hessian: Array


def parts(loss: Loss, scores: Array, targets: Array, *, expected: bool = False) -> Parts:
    """The loss's mean, value, delta and slope; the `expected` slope if asked for."""
    if not expected and hasattr(loss, "parts"):
        found: Parts = loss.parts(scores, targets)
        return found
    return Parts(
        inverse_link=loss.inverse_link(scores),
        value=loss.value(scores, targets),
        delta=loss.delta(scores, targets),
        hessian=loss.hessian(scores) if expected else loss.hessian(scores, targets),
    )
