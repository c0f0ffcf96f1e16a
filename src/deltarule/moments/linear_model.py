"""The linear model on blocks of rows: products that stay in the cache, sparse inputs, classes.

It is the model of rule/predict.py on inputs that are dense columns or a design matrix with one-hot
columns as codes. For coupled outputs (classes) the Hessian has a block for each pair of them.

Products over rows are np.dot rather than @, which would keep other threads waiting until it is
done.

Shapes: n rows, p inputs, k outputs, q = p + intercept.
"""

from typing import Any, Protocol, cast

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.losses.softmax import SoftmaxHessian, softmax_hessian
from deltarule.moments.design_matrix import SplitMatrix
from deltarule.rule.predict import Array, Linear, Weights

# Rows per block of a weighted Gram matrix: 1.6 MB, which stays in a processor's cache.
ROWS, CELLS = 4096, 204_800
# Numbers of a block of rows times all outputs: 2 MB.
PAIR_CELLS = 262_144


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


@dataclass(frozen=True)
class BlockLinear(Linear):
    """The linear model over dense arrays or sparse design matrices, with the same answers."""

    def predict(self, weights: Weights, inputs: Inputs) -> Array:
        if not isinstance(inputs, np.ndarray) or weights["weight"].shape[1] == 1:
            return super().predict(weights, inputs)
        # Output by output, as losses go on with them.
        scores: Array = np.dot(weights["weight"].T, inputs.T).T
        if self.intercept:
            scores += weights["intercept"]
        return scores

    def weight_delta(self, weights: Weights, inputs: Inputs, delta: Array) -> Weights:
        if isinstance(inputs, np.ndarray):
            # So rather than inputs.T @ delta: of 784 inputs and 10 outputs 7.8 ms, or 12.8.
            named: Weights = {"weight": np.dot(delta.T, inputs).T}
        else:
            named = {"weight": inputs.products(delta)}
        return {**named, "intercept": delta.sum(axis=0)} if self.intercept else named

    def hessian(self, inputs: Inputs, hessian: Array) -> Array:
        """The Hessian in the weights: a matrix for each output, or one where they are coupled.

        Shapes:  hessian (n, k) -> (k, q, q); hessian (n, k, k) -> (1, k * q, k * q)
        """
        if hessian.ndim == 3:
            return self._coupled(inputs, hessian)
        if isinstance(inputs, SplitMatrix) and inputs.many and hessian.min(initial=1.0) > 0:
            return cast(Array, inputs.one_hot_hessian(hessian, intercept=self.intercept))
        return np.stack([self._bordered(inputs, column) for column in hessian.T])

    def _bordered(self, inputs: Inputs, slope: Array) -> Array:
        p = inputs.shape[1]
        whole = np.empty((p + self.intercept, p + self.intercept))
        whole[:p, :p], once = _gram(inputs, slope)
        if self.intercept:
            whole[:p, p] = whole[p, :p] = once
            whole[p, p] = slope.sum()
        return whole

    def _coupled(self, inputs: Inputs, slope: Array) -> Array:
        k, q = slope.shape[1], inputs.shape[1] + self.intercept
        if isinstance(inputs, np.ndarray) and (kept := softmax_hessian(slope)) is not None:
            return self._softmax(inputs, kept)
        hessian, slope = np.zeros((k, q, k, q)), np.asarray(slope)
        for one in range(k):
            for other in range(one + 1):
                pair = self._bordered(inputs, slope[:, one, other])
                hessian[one, :, other] = hessian[other, :, one] = pair
        return hessian.reshape(1, k * q, k * q)

    def _softmax(self, inputs: Array, slope: SoftmaxHessian) -> Array:
        """The Hessian of softmax as one product of blocks of rows, for all pairs of classes.

        Those of a class with itself follow, as a row's probabilities add up to 1: without the
        cancellation of mean - mean ** 2, and with a null space that is exact.

        Maths:   sum over rows of weight * (diag(mean) - mean mean.T) kron x x.T
        """
        n, (k, q) = len(inputs), (slope.shape[1], inputs.shape[1] + self.intercept)
        whole = np.zeros((k * q, k * q))
        some = max(64, PAIR_CELLS // (k * q))
        for start in range(0, n, some):
            span = slice(start, start + some)
            rows, mean = inputs[span], slope.mean[span]
            if self.intercept:
                rows = np.column_stack([rows, np.ones(len(rows))])
            if slope.weight is not None:
                root = np.sqrt(slope.weight[span])[:, None]
                rows = rows * root
            each = (mean[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
            whole -= np.dot(each.T, each)
        hessian, classes = whole.reshape(k, q, k, q), np.arange(k)
        hessian[classes, :, classes] = 0.0
        hessian[classes, :, classes] = -hessian.sum(axis=2)
        return whole.reshape(1, k * q, k * q)


def _gram(inputs: Inputs, slope: Array) -> tuple[Array, Array]:
    """inputs.T @ diag(slope) @ inputs, and inputs.T @ slope."""
    if not isinstance(inputs, np.ndarray):
        return inputs.hessian(slope)
    if slope.min(initial=0.0) < 0:  # classes pull against each other
        weighed = inputs * slope[:, None]
        return np.dot(inputs.T, weighed), weighed.sum(axis=0)
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
