"""Softmax loss (multinomial logistic regression): one output for each class.

The delta of each class depends on every score of its row, so the outputs are coupled: one Hessian
for all of them. Adding a constant to all scores changes nothing; of the equivalent weights, those
whose sum over the classes is 0 are learnt.

Shapes: scores s and targets t (n, k): a row's target is 1 for its class and 0 for the others.
"""

from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.losses.links import SOFTMAX
from deltarule.losses.loss import MEAN, Kind, Link
from deltarule.losses.special import log_softmax, xlogy
from deltarule.rule.compare import Parts
from deltarule.rule.predict import Array, Mask


@dataclass(frozen=True)
class SoftmaxHessian:
    """The second derivative in the scores of each row, (n, k, k), kept as the probabilities.

    They stand in for the array, which is k times as large and which gradients alone do not need;
    `weight` (n,) are the rows' weights, None for 1.

    Maths:   hessian[i, j] = weight * mean[i] * ((i == j) - mean[j])
    Shapes:  mean (n, k)
    """

    mean: Array
    weight: Array | None = None
    ndim: ClassVar[int] = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        n, k = self.mean.shape
        return n, k, k

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, tuple):
            return np.asarray(self)[rows]
        weight = None if self.weight is None else self.weight[rows]
        return SoftmaxHessian(self.mean[rows], weight)

    def __mul__(self, weight: Array) -> "SoftmaxHessian":
        """The rows times a weight each, (n, 1, 1)."""
        own = weight[:, 0, 0]
        return replace(self, weight=own if self.weight is None else self.weight * own)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        mean = self.mean if self.weight is None else self.mean * self.weight[:, None]
        hessian = -mean[:, :, None] * self.mean[:, None, :]
        classes = np.arange(mean.shape[1])
        hessian[:, classes, classes] += mean
        return hessian


def softmax_hessian(hessian: object) -> SoftmaxHessian | None:
    """A second derivative that is kept as probabilities, as such; None for an array."""
    return hessian if isinstance(hessian, SoftmaxHessian) else None


@dataclass(frozen=True)
class Softmax:
    """The log loss of classes, or of shares that add up to 1.

    Maths:   value = log(sum(exp(s))) - sum(t * s);  delta = prediction - t;
             prediction = exp(s) / sum(exp(s));  hessian[i, j] = prediction[i] * ((i == j) -
             prediction[j])
    Shapes:  hessian (n, k, k)
    Units:   nats per row
    Source:  Bridle 1990; McCullagh & Nelder 1989, section 5.2

    >>> Softmax().delta(np.zeros((1, 4)), np.array([[0.0, 1.0, 0.0, 0.0]]))
    array([[ 0.25, -0.75,  0.25,  0.25]])
    """

    name: ClassVar[str] = "softmax"
    kind: ClassVar[Kind] = "classes"
    link: ClassVar[Link] = SOFTMAX
    closed_form: ClassVar[bool] = False
    error_name: ClassVar[str] = "log loss"
    error_scale: ClassVar[float] = 1.0
    guess: ClassVar[str] = MEAN
    takes: ClassVar[str] = "classes"
    says: ClassVar[str] = "score of {}"
    dispersion: ClassVar[str] = "known"
    power: ClassVar[float | None] = None

    def accepts(self, targets: Array) -> Mask:
        return (targets >= 0) & (targets <= 1)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = -np.sum(targets * log_softmax(scores, axis=1), axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return self.link.inverse(scores) - targets

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        return cast(Array, SoftmaxHessian(self.link.inverse(scores)))

    def parts(self, scores: Array, targets: Array) -> Parts:
        # All parts follow from exp(s - largest): half the time of three softmaxes. Column by
        # column, as a row has few classes: a quarter of the time.
        shifted = np.subtract(scores, scores.max(axis=1)[:, None], order="F")
        mean = np.exp(shifted)
        total = mean.sum(axis=1)
        mean /= total[:, None]
        value: Array = targets.sum(axis=1) * np.log(total) - np.sum(targets * shifted, axis=1)
        return Parts(mean, value, mean - targets, cast(Array, SoftmaxHessian(mean)))

    def saturated(self, targets: Array) -> Array:
        least: Array = -np.sum(xlogy(targets, targets), axis=1)
        return least

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.zeros(len(targets))
