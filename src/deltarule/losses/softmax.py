"""Softmax loss (multinomial logistic regression): one output for each class.

The delta of each class depends on every score of its row, so the outputs are coupled: one Hessian
for all of them. Adding a constant to all scores changes nothing; of the equivalent weights, those
whose sum over the classes is 0 are learnt.

Shapes: scores s and targets t (n, k): a row's target is 1 for its class and 0 for the others.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import log_softmax, xlogy

from deltarule.losses.links import SOFTMAX
from deltarule.losses.loss import Kind, Link
from deltarule.rule.compare import separately
from deltarule.rule.predict import Array, Mask


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
    takes: ClassVar[str] = "classes"
    says: ClassVar[str] = "score of {}"
    dispersion: ClassVar[str] = "known"
    power: ClassVar[float | None] = None
    parts = separately

    def accepts(self, targets: Array) -> Mask:
        return (targets >= 0) & (targets <= 1)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = -np.sum(targets * log_softmax(scores, axis=1), axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return self.link.inverse(scores) - targets

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        mean = self.link.inverse(scores)
        return mean[:, :, None] * (np.eye(scores.shape[1]) - mean[:, None, :])

    def saturated(self, targets: Array) -> Array:
        least: Array = -np.sum(xlogy(targets, targets), axis=1)
        return least

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.zeros(len(targets))
