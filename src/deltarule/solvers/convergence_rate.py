"""Convergence rate of gradient descent at any alpha (the learning rate), in closed form.

Along each eigenvector of the Hessian the error shrinks independently:

    error(t) = (1 - alpha * l) ** t * error(0)
    excess(t) = sum over directions of l / 2 * error(t) ** 2,  the loss above its minimum

With A such that A.T @ A is the average Hessian, s its singular values and U its left vectors, l
is s ** 2 and l * error(0) ** 2 is (U.T @ A @ (start - best)) ** 2, which needs no small eigenvalue.
Exact under squared loss; under another, valid near the optimum.

Shapes: q weights, k outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.rule.learn import AlphaRange, alpha_range
from deltarule.rule.predict import Array

# Beyond this a step count is not worth its digits.
MOST_STEPS = 10**15
TRIED = 60


@dataclass(frozen=True)
class ConvergenceRate:
    """Hessian spectrum: eigenvalues, and the start's excess loss along each eigenvector.

    `weights` are the eigenvectors, as columns.

    Shapes:  values (d,), the largest first; excess (d, k); weights (q, d)
    """

    values: Array
    excess: Array
    weights: Array

    @classmethod
    def of(cls, root: Array, off: Array, *, zeros: int = 0) -> "ConvergenceRate":
        """From a square root of the Hessian, and the distance from the start to the optimum.

        The last `zeros` singular values are rounding.

        Shapes:  root (m, q), off (q, k)
        """
        left, found, right = np.linalg.svd(root, full_matrices=False)
        there = slice(0, len(found) - zeros)
        turned = left.T @ (root @ off)
        return cls(found[there] ** 2, turned[there] ** 2, right[there].T)

    @classmethod
    def joined(cls, paces: Sequence["ConvergenceRate"]) -> "ConvergenceRate":
        """The spectra of uncoupled outputs, combined."""
        values = np.concatenate([pace.values for pace in paces])
        order = np.argsort(-values, kind="stable")
        excess = _block_diagonal([pace.excess for pace in paces])
        weights = np.concatenate([pace.weights for pace in paces], axis=1)
        return cls(values[order], excess[order], weights[:, order])

    @property
    def alphas(self) -> AlphaRange:
        """The range of alpha that converges, and the one fastest in the worst case."""
        if not self.values.size:
            return alpha_range(0.0, 0.0)
        return alpha_range(float(self.values[0]), float(self.values[-1]))

    def left(self, alpha: float, step: int) -> float:
        """The share of the excess loss left after this many steps, of the slowest output."""
        whole = self.excess.sum(axis=0)
        rates = self._log_rates(alpha)
        with np.errstate(invalid="ignore", over="ignore"):
            # At step 0 nothing has shrunk, also where one step would end a direction.
            shrunk = np.exp(2 * step * rates) if step else np.ones_like(rates)
        now = shrunk @ self.excess
        shares = np.divide(now, whole, out=np.zeros_like(whole), where=whole > 0)
        return float(np.max(shares, initial=0.0))

    def steps(self, alpha: float, left: float) -> int | None:
        """The first step after which at most this share of the excess loss is left.

        None where it is never reached, or only after MOST_STEPS.
        """
        if self.left(alpha, 0) <= left:
            return 0
        if alpha >= self.alphas.limit:
            return None  # diverging: it may pass below on its way out, but does not stay
        low, high = 0, 1
        while self.left(alpha, high) > left:
            if high > MOST_STEPS:
                return None
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.left(alpha, middle) > left else (low, middle)
        return high

    def soonest(self, left: float) -> float:
        """The converging alpha that reaches this share in the fewest steps from this start."""
        alphas = self.alphas
        if not np.isfinite(alphas.limit):
            return 1.0
        tried = [alphas.fastest, *(alphas.limit * np.geomspace(0.05, 0.9999, TRIED)).tolist()]
        # One over an eigenvalue ends that direction in a step.
        tried += [1 / float(value) for value in self.values[:TRIED] if value > 0]

        def cost(alpha: float) -> tuple[float, float]:
            steps = self.steps(alpha, left) if alpha < alphas.limit else None
            return (np.inf, 0.0) if steps is None else (float(steps), self.left(alpha, steps))

        return float(min(tried, key=cost))

    def _log_rates(self, alpha: float) -> Array:
        """log |1 - alpha * l|, accurate near 1."""
        by = alpha * self.values
        with np.errstate(divide="ignore"):
            rates: Array = np.where(by < 1, np.log1p(-np.minimum(by, 1.0)), np.log(np.abs(by - 1)))
        return rates


def _block_diagonal(blocks: Sequence[Array]) -> Array:
    """The blocks along the diagonal of a matrix that is else 0: (m_i, n_i) -> (sum m, sum n)."""
    whole = np.zeros(np.sum([block.shape for block in blocks], axis=0))
    row = column = 0
    for block in blocks:
        whole[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return whole
