"""Named weights as one matrix, in the order of the Hessian, and back.

Shapes: a column for each of k outputs, q rows: the weights, the intercept last.
"""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from deltarule.rule.predict import Array, Weights

T = TypeVar("T", bound=np.generic)


def stack(weights: Mapping[str, NDArray[T]]) -> NDArray[T]:
    """The weights, or masks of them, stacked to a column per output: (q, k), as the Hessian is."""
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
