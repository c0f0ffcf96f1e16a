"""Inverse Hessians of several fits, as the metric of their steps by gradients.

Shapes: m fits, each with b blocks of s weights, q of an output: s = q, or of c classes s = c * q.
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array, Mask
from deltarule.solvers.newton import FILLED_SURE, FLAT, SURE


@dataclass(frozen=True)
class FitMetrics:
    """The inverse of each fit's Hessian: (m, b, s, s)."""

    inverse: Array
    size: int
    """Weights of an output: q."""

    @classmethod
    def of(cls, hessians: Array, size: int) -> Self | None:
        """The inverses of Hessians (m, b, s, s); None where one is nearly singular.

        Directions along which all classes move alike are filled, as Newton's method fills them.
        """
        found = _scaled(hessians, size)
        if found is None:
            return None
        scaled, scale = found
        inverse = np.linalg.inv(scaled) / (scale[:, :, None] * scale[:, None, :])
        return cls(inverse.reshape(hessians.shape), size)

    def __call__(self, gradients: Array) -> Array:
        """The product with each fit's gradient, (q, k) flattened: (m, d) -> (m, d)."""
        sides = _by_block(gradients, self.inverse, self.size)
        return _by_fit(np.matmul(self.inverse, sides[..., None]), gradients, self.size)

    def among(self, fits: NDArray[np.intp] | Mask) -> "FitMetrics":
        """Those of some fits."""
        return FitMetrics(self.inverse[fits], self.size)


def newton_steps(hessians: Array, gradients: Array, size: int) -> Array | None:
    """Inverse Hessians times gradients, (m, d); None where a Hessian is nearly singular.

    Of three classes of five weights in half the time that the inverses take.
    """
    found = _scaled(hessians, size)
    if found is None:
        return None
    scaled, scale = found
    sides = _by_block(gradients, hessians, size).reshape(scale.shape)
    ways = np.linalg.solve(scaled, (sides / scale)[:, :, None])[:, :, 0] / scale
    return _by_fit(ways, gradients, size)


def _by_block(gradients: Array, hessians: Array, size: int) -> Array:
    """Gradients, (q, k) flattened, by block of a Hessian: (m, d) -> (m, b, s)."""
    m, b, s, _ = hessians.shape
    return gradients.reshape(m, size, -1).transpose(0, 2, 1).reshape(m, b, s)


def _by_fit(ways: Array, like: Array, size: int) -> Array:
    """The inverse of `_by_block`."""
    return ways.reshape(len(like), -1, size).transpose(0, 2, 1).reshape(like.shape)


def _scaled(hessians: Array, size: int) -> tuple[Array, Array] | None:
    """Hessians in units of an output's weights, (m * b, s, s), and these units, (m * b, s).

    None where one is nearly singular.
    """
    m, b, s, _ = hessians.shape
    every = hessians.reshape(m * b, s, s)
    diagonal = np.einsum("hii->hi", every).reshape(m * b, -1, size).mean(axis=1)
    scale = np.tile(np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), s // size)
    scaled = every / (scale[:, :, None] * scale[:, None, :])
    if s > size:
        _fill(scaled, size)
    try:
        pivots = np.einsum("hii->hi", np.linalg.cholesky(scaled))
    except np.linalg.LinAlgError:
        return None
    least = (SURE if s == size else FILLED_SURE) * pivots.max(axis=1, initial=0.0)
    return (scaled, scale) if (pivots.min(axis=1, initial=np.inf) > least).all() else None


def _fill(scaled: Array, size: int) -> None:
    """Fill the null space of coupled outputs in place: scaled (h, s, s)."""
    h, s, _ = scaled.shape
    classes = s // size
    blocks = scaled.reshape(h, classes, size, classes, size)
    common = np.abs(blocks.sum(axis=3)).max(axis=(1, 2))
    largest = np.einsum("hii->hi", scaled).max(axis=1, initial=0.0)
    flat = common < FLAT * largest[:, None]
    np.einsum("hiaja->haij", blocks)[:] += flat[:, :, None, None] / classes
