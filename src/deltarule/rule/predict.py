"""Predict: the linear model, its scores, gradient and Hessian.

    scores = inputs @ weight + intercept

Shapes, here and in all of `rule`: n rows, p inputs, k outputs.
inputs (n, p); weight (p, k); intercept (k,); scores, deltas, targets (n, k).
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Weights = Mapping[str, Array]
# A dense array, or a design matrix whose model knows its products (moments/).
Inputs = Any


class Model(Protocol):
    """A model: weights and inputs -> scores. Frozen: it never holds weights."""

    def start(self, inputs: int, outputs: int) -> Weights: ...
    def predict(self, weights: Weights, inputs: Inputs) -> Array: ...
    def weight_delta(self, weights: Weights, inputs: Inputs, delta: Array) -> Weights: ...
    def hessian(self, inputs: Inputs, hessian: Array) -> Array: ...


@dataclass(frozen=True)
class Linear:
    """The linear model: a weight for each input and output, and optionally an intercept.

    >>> model = Linear(intercept=False)
    >>> model.predict({"weight": np.array([[2.5]])}, np.array([[200_000.0]]))
    array([[500000.]])
    """

    intercept: bool = True

    def start(self, inputs: int, outputs: int) -> Weights:
        """Weights of zero, the default starting point."""
        weight = {"weight": np.zeros((inputs, outputs))}
        return {**weight, "intercept": np.zeros(outputs)} if self.intercept else weight

    def predict(self, weights: Weights, inputs: Inputs) -> Array:
        """The scores (linear predictor): (n, k)."""
        scores: Array = inputs @ weights["weight"]
        if self.intercept:
            scores += weights["intercept"]
        return scores

    def weight_delta(self, weights: Weights, inputs: Inputs, delta: Array) -> Weights:
        """The gradient: delta * input, summed over the rows. The intercept's input is 1."""
        weight: Weights = {"weight": inputs.T @ delta}
        return {**weight, "intercept": delta.sum(axis=0)} if self.intercept else weight

    def hessian(self, inputs: Inputs, hessian: Array) -> Array:
        """The Hessian in the weights, from the loss's in the scores: a matrix for each output.

        Maths:   inputs.T @ diag(hessian) @ inputs, the intercept's input of 1 last
        Shapes:  hessian (n, k) -> (k, q, q), q = p + intercept
        """
        ones = np.ones((len(inputs), int(self.intercept)))
        every = np.hstack([inputs, ones])
        return np.stack([(every * column[:, None]).T @ every for column in hessian.T])
