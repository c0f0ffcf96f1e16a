"""Loss protocol: a formula, the link between score and prediction, and what statistics need.

`delta` is d value / d score, which the inputs are multiplied with. With the canonical link it is
prediction - target; with another link it is that times a factor, and for robust losses it is that,
clipped. Users are shown prediction - target, whatever the loss.

Shapes: scores s and targets t (n, k); a value for each row (n,), summed over the outputs.
Values are nats per row, or half the squared units of the target for `Squared`. The error that is
shown is the value times `error_scale`: the squared error, the log loss.
"""

from typing import Literal, Protocol, Self, runtime_checkable

from deltarule.rule import compare
from deltarule.rule.predict import Array, Mask

LinkName = Literal["identity", "log", "logit", "softmax"]
MEAN = "the mean"
Kind = Literal["amount", "count", "yes_no", "classes"]
"""What a target is: an amount, a count, a share of yes, or one class of several (coupled)."""


class Link(compare.Link, Protocol):
    """A link, and what it makes of an offset of the score."""

    @property
    def name(self) -> LinkName: ...
    @property
    def additive(self) -> bool:
        """Whether an offset of the score shifts the prediction by as much (identity)."""
        ...

    @property
    def multiplicative(self) -> bool:
        """Whether an offset of the score is a factor of the prediction (log)."""
        ...

    @property
    def bounds(self) -> tuple[float, float]:
        """The limits that predictions tend to."""
        ...


class Loss(compare.Loss, Protocol):
    """A loss of scores and targets, with its link and its likelihood."""

    @property
    def link(self) -> Link: ...
    @property
    def name(self) -> str:
        """Its name, which `loss_named` parses back to the same loss."""
        ...

    @property
    def kind(self) -> Kind: ...
    @property
    def closed_form(self) -> bool:
        """Whether the best weights solve linear equations, so that moments determine them."""
        ...

    @property
    def error_name(self) -> str:
        """What the field calls the error of a row: squared error, log loss."""
        ...

    @property
    def error_scale(self) -> float:
        """How many times the value that error is: 2 where the value is half of it."""
        ...

    @property
    def guess(self) -> str:
        """What the null model predicts without an offset, in words: MEAN, or what minimises it."""
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
    def power(self) -> float | None:
        """The variance power: variance ~ prediction ** power; None where it is no amount."""
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

    def accepts(self, targets: Array) -> Mask: ...
    def saturated(self, targets: Array) -> Array:
        """The loss of the saturated model: its minimum over scores for these targets, (n,)."""
        ...

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        """Minus log likelihood less value / dispersion; NaN where there is no likelihood."""
        ...


@runtime_checkable
class SmoothedLoss(Loss, Protocol):
    """A loss that is fitted in rounds: its scale or its smoothing depends on the residuals."""

    @property
    def spread(self) -> float:
        """The spread of the residuals that it is measured by; infinite where it has none."""
        ...

    @property
    def width(self) -> float:
        """The width over which its kink is smoothed; 0 where it is exact."""
        ...

    def again(
        self, residuals: Array, targets: Array, each: Array, *, first: bool = False
    ) -> Self | None:
        """The loss of the next round, None when this one will do; `first` only estimates."""
        ...

    def narrowed(self, share: float) -> Self:
        """The loss with its kink smoothed over a share of the width; exact at 0."""
        ...

    def centre(self, targets: Array, each: Array) -> float:
        """A score for all rows that outliers do not sway, to start at."""
        ...

    def best(self, targets: Array, each: Array) -> float:
        """The best common score for all rows (null model), NaN where unknown."""
        ...

    @property
    def vertex(self) -> bool:
        """Whether its optimum is a vertex: as many rows as weights are met exactly."""
        ...

    @property
    def rest(self) -> str:
        """The note on convergence of the rounds."""
        ...
