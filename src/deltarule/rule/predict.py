"""Predict: the linear model, its scores, gradient and Hessian.

    scores = inputs @ weight + intercept

Shapes, here and in all of `rule`: n rows, p inputs, k outputs.
inputs (n, p); weight (p, k); intercept (k,); scores, deltas, targets (n, k).

Sums over rows are np.dot rather than @, which would keep other threads waiting until it is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# Rows per block of a weighted Gram matrix: 1.6 MB, which stays in a processor's cache.
ROWS, CELLS = 4096, 204_800

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Weights = Mapping[str, Array]


class Sparse(Protocol):
    """A sparse design matrix (n, p), such as one-hot columns kept as codes."""

    @property
    def shape(self) -> tuple[int, int]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any) -> "Sparse": ...
    def __array__(self, dtype: Any = None, copy: Any = None) -> Array: ...
    def __matmul__(self, weight: Array) -> Array: ...
    def products(self, delta: Array) -> Array:
        """inputs.T @ delta: (n, k) -> (p, k)."""
        ...

    def hessian(self, slope: Array) -> tuple[Array, Array]:
        """inputs.T @ diag(slope) @ inputs, and inputs.T @ slope: (p, p), (p,)."""
        ...


Inputs = Array | Sparse


class Model(Protocol):
    """A model: weights and inputs -> scores. Frozen: it never holds weights."""

    def start(self, inputs: int, outputs: int) -> Weights: ...
    def predict(self, weights: Weights, inputs: Inputs) -> Array: ...
    def weight_delta(self, weights: Weights, inputs: Inputs, delta: Array) -> Weights: ...
    def hessian(self, inputs: Inputs, slope: Array) -> Array: ...


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
        weight = np.zeros((inputs, outputs))
        return (
            {"weight": weight, "intercept": np.zeros(outputs)}
            if self.intercept
            else {"weight": weight}
        )

    def predict(self, weights: Weights, inputs: Inputs) -> Array:
        """The scores (linear predictor).

        Shapes:  weight (p, k), inputs (n, p) -> (n, k)
        """
        scores: Array = inputs @ weights["weight"]
        if self.intercept:
            scores += weights["intercept"]
        return scores

    def weight_delta(self, weights: Weights, inputs: Inputs, delta: Array) -> Weights:
        """The gradient: delta * input, summed over the rows. The intercept's input is 1.

        Shapes:  inputs (n, p), delta (n, k) -> weight (p, k), intercept (k,)
        """
        if isinstance(inputs, np.ndarray):
            weight: Array = np.dot(inputs.T, delta)
        else:
            weight = inputs.products(delta)
        return (
            {"weight": weight, "intercept": delta.sum(axis=0)}
            if self.intercept
            else {"weight": weight}
        )

    def hessian(self, inputs: Inputs, slope: Array) -> Array:
        """The Hessian in the weights: a matrix for each output, or one where they are coupled.

        Maths:   inputs.T @ diag(slope) @ inputs, the intercept last, slope the loss's Hessian in
                 the scores; for coupled outputs a block of this form for each pair of them
        Shapes:  inputs (n, p), slope (n, k) -> (k, q, q), q = p + intercept; slope (n, k, k) ->
                 (1, k * q, k * q)
        """
        if slope.ndim == 3:
            return self._coupled(inputs, slope)
        p, k = inputs.shape[1], slope.shape[1]
        hessian = np.empty((k, p + self.intercept, p + self.intercept))
        for at in range(k):
            hessian[at, :p, :p], once = _hessian(inputs, slope[:, at])
            if self.intercept:
                hessian[at, :p, p] = hessian[at, p, :p] = once
                hessian[at, p, p] = slope[:, at].sum()
        return hessian

    def _coupled(self, inputs: Inputs, slope: Array) -> Array:
        p, k = inputs.shape[1], slope.shape[1]
        q = p + self.intercept
        hessian = np.empty((k, q, k, q))
        for one in range(k):
            for other in range(one + 1):
                pair = np.empty((q, q))
                if isinstance(inputs, np.ndarray):
                    weighed = inputs * slope[:, one, other, None]
                    pair[:p, :p], once = np.dot(inputs.T, weighed), weighed.sum(axis=0)
                else:
                    pair[:p, :p], once = inputs.hessian(slope[:, one, other])
                if self.intercept:
                    pair[:p, p] = pair[p, :p] = once
                    pair[p, p] = slope[:, one, other].sum()
                hessian[one, :, other] = hessian[other, :, one] = pair
        return hessian.reshape(1, k * q, k * q)


def _hessian(inputs: Inputs, slope: Array) -> tuple[Array, Array]:
    """inputs.T @ diag(slope) @ inputs, and inputs.T @ slope, for slope >= 0."""
    if not isinstance(inputs, np.ndarray):
        return inputs.hessian(slope)
    n, p = inputs.shape
    square, once, root = np.zeros((p, p)), np.zeros(p), np.sqrt(slope)
    some = max(min(CELLS // max(p, 1), ROWS), 64)
    memory = np.empty(min(some, n) * p)
    for start in range(0, n, some):
        rows, by = inputs[start : start + some], root[start : start + some]
        rooted = memory[: rows.size].reshape(rows.shape, order="F")
        np.multiply(rows, by[:, None], out=rooted)
        square += np.dot(rooted.T, rooted)
        once += np.dot(rooted.T, by)
    return square, once


def stack(weights: Weights) -> Array:
    """The weights stacked to a column per output, in the order of the Hessian: (q, k)."""
    return np.concatenate([np.atleast_2d(array) for array in weights.values()])


def blocked(stacked: Array, hessian: Array) -> Array:
    """Stacked weights regrouped to a row for each block of the Hessian: (q, k) -> (b, m)."""
    return stacked.T.reshape(hessian.shape[:2])


def unstack(stacked: Array, like: Weights) -> Weights:
    """The inverse of `stack`: named arrays, with the names and shapes of `like`."""
    named, row = {}, 0
    for name, array in like.items():
        rows = 1 if array.ndim == 1 else len(array)
        named[name] = stacked[row : row + rows].reshape(array.shape)
        row += rows
    return named
