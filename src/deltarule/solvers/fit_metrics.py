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
        if not (pivots.min(axis=1, initial=np.inf) > least).all():
            return None
        inverse = np.linalg.inv(scaled) / (scale[:, :, None] * scale[:, None, :])
        return cls(inverse.reshape(hessians.shape), size)

    def __call__(self, gradients: Array) -> Array:
        """The product with each fit's gradient, (q, k) flattened: (m, d) -> (m, d)."""
        m, b, s, _ = self.inverse.shape
        outputs = gradients.reshape(m, self.size, -1).transpose(0, 2, 1)
        ways = np.matmul(self.inverse, outputs.reshape(m, b, s, 1))
        found: Array = ways.reshape(outputs.shape).transpose(0, 2, 1).reshape(gradients.shape)
        return found

    def among(self, fits: NDArray[np.intp] | Mask) -> "FitMetrics":
        """Those of some fits."""
        return FitMetrics(self.inverse[fits], self.size)


def _fill(scaled: Array, size: int) -> None:
    """Fill the null space of coupled outputs in place: scaled (h, s, s)."""
    h, s, _ = scaled.shape
    classes = s // size
    blocks = scaled.reshape(h, classes, size, classes, size)
    common = np.abs(blocks.sum(axis=3)).max(axis=(1, 2))
    largest = np.einsum("hii->hi", scaled).max(axis=1, initial=0.0)
    for one, at in np.argwhere(common < FLAT * largest[:, None]).tolist():
        blocks[one, :, at, :, at] += 1 / classes
