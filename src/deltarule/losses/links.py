"""Links between the score, which weights add up to, and the prediction; written once each.

identity   prediction = s                  squared, robust and quantile losses
log        prediction = exp(s)             counts and positive amounts
logit      prediction = expit(s)           yes/no
softmax    prediction = exp(s) / sum(exp(s)), over the classes

Shapes: scores, targets and predictions (n, k)
"""

from typing import ClassVar

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.losses.loss import Link, LinkName, Loss
from deltarule.losses.special import expit, softmax
from deltarule.rule.predict import Array, Mask

# Predictions nearest to the bounds of a link's domain whose scores are finite.
LEAST, MOST = 1e-300, 1 - 2.0**-53
# A mean this near a bound of the domain is at the bound, up to rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Identity:
    """The identity link: the score is the prediction."""

    name: ClassVar[LinkName] = "identity"
    additive: ClassVar[bool] = True
    multiplicative: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)

    def __call__(self, mean: Array) -> Array:
        return mean

    def inverse(self, scores: Array) -> Array:
        """The prediction of these scores."""
        return scores


@dataclass(frozen=True)
class Log:
    """The log link: predictions are positive, effects multiply."""

    name: ClassVar[LinkName] = "log"
    additive: ClassVar[bool] = False
    multiplicative: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def __call__(self, mean: Array) -> Array:
        return np.log(mean)

    def inverse(self, scores: Array) -> Array:
        """The prediction of these scores."""
        return np.exp(scores)


@dataclass(frozen=True)
class Logit:
    """The logit link: predictions are between 0 and 1, scores their log odds."""

    name: ClassVar[LinkName] = "logit"
    additive: ClassVar[bool] = False
    multiplicative: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, mean: Array) -> Array:
        return np.log(mean) - np.log1p(-mean)

    def inverse(self, scores: Array) -> Array:
        """The prediction of these scores."""
        return expit(scores)


@dataclass(frozen=True)
class SoftmaxLink:
    """The softmax link: a row's predictions are between 0 and 1 and add up to 1.

    A constant added to all scores of a row changes no prediction; those that sum to 0 are given.
    """

    name: ClassVar[LinkName] = "softmax"
    additive: ClassVar[bool] = False
    multiplicative: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, mean: Array) -> Array:
        logs = np.log(mean)
        score: Array = logs - logs.mean(axis=-1, keepdims=True)
        return score

    def inverse(self, scores: Array) -> Array:
        """The predictions of these scores."""
        mean: Array = softmax(scores, axis=-1)
        return mean


IDENTITY: Link = Identity()
LOG: Link = Log()
LOGIT: Link = Logit()
SOFTMAX: Link = SoftmaxLink()


def finite_score(loss: Loss, mean: Array) -> Array:
    """The link of a mean, clipped to a finite score at the bounds of the domain."""
    low, high = loss.link.bounds
    near = mean if np.isinf(low) else np.maximum(mean, LEAST)
    return loss.link(near if np.isinf(high) else np.minimum(near, MOST))


def ruled_out(loss: Loss, mean: Array, targets: Array) -> Mask:
    """Rows of zero likelihood under this boundary mean, such as an unobserved class: (n,).

    Predictions learnt at such a mean tend to the bound of the domain, and the loss of a row beyond
    it to infinity.
    Shapes:  mean (k,)
    """
    low, high = loss.link.bounds
    found: Mask = np.any((mean <= low + ROUNDING) & (targets > low), axis=1)
    found |= np.any((mean >= high - ROUNDING) & (targets < high), axis=1)
    return found
