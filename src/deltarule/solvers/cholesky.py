"""Cholesky factors of dense positive definite matrices, with solutions, inverse and condition.

    a = L @ L.T;  inverse = inv(L).T @ inv(L);  reciprocal condition = 1 / (norm(a) norm(inverse))

Small systems are computed by numpy alone: importing scipy.linalg takes 0.15 s, a third of a command
on a small table. Larger ones go to LAPACK's triangular solves.

Shapes:  a, root, inverse (n, n), b (n, k)
Source:  Higham 2002, chapters 8, 10 and 14
"""

from functools import cache

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.errors import NotFiniteError
from deltarule.rule.predict import Array, Mask

# Up to this size inverting the root takes less than a millisecond.
SMALL = 128


@cache
def _lower(size: int) -> Mask:
    """The lower triangle: `np.tril` makes it anew, in half the time that a small factor takes."""
    mask: Mask = np.tri(size, dtype=bool)
    return mask


def finite(matrix: Array) -> Array:
    """A matrix that LAPACK may see. Errors: NotFiniteError."""
    if not np.isfinite(matrix).all():
        raise NotFiniteError("a matrix to decompose is not finite")
    return matrix


@dataclass(frozen=True)
class Cholesky:
    """The lower root of a matrix, and of a small one the root's inverse."""

    root: Array
    inverse_root: Array | None

    @classmethod
    def of(cls, matrix: Array, *, overwrite: bool = False) -> "Cholesky | None":
        """The factor; None where the matrix is not positive definite."""
        if len(matrix) > SMALL:
            from scipy.linalg import lapack

            root, failed = lapack.dpotrf(matrix, lower=True, overwrite_a=overwrite)
            return None if failed else cls(root, None)
        try:
            root = np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
            return cls(root, np.where(_lower(len(root)), np.linalg.inv(root), 0.0))
        except np.linalg.LinAlgError:
            return None

    def solve(self, b: Array) -> Array:
        """The solution x of a @ x = b."""
        if self.inverse_root is not None:
            return np.asarray(self.inverse_root.T @ (self.inverse_root @ b))
        from scipy import linalg

        return np.asarray(linalg.cho_solve((self.root, True), b, check_finite=False))

    def inverse(self) -> Array:
        """The inverse of the matrix, symmetric to the bit."""
        if self.inverse_root is not None:
            inverse = self.inverse_root.T @ self.inverse_root
        else:
            from scipy.linalg import lapack

            inverse, _ = lapack.dpotri(self.root, lower=True)
        return np.asarray(np.tril(inverse) + np.tril(inverse, -1).T)

    def reciprocal_condition(self, norm: float) -> float:
        """The reciprocal condition number in the 1-norm; `norm` is the matrix's own.

        Of a large matrix LAPACK's estimate, which is rarely off by more than a factor of 3.
        """
        if self.inverse_root is not None:
            of_inverse = np.abs(self.inverse_root.T @ self.inverse_root).sum(axis=0)
            return 1 / (norm * float(of_inverse.max())) if of_inverse.size and norm else 1.0
        from scipy.linalg import lapack

        reciprocal, _ = lapack.dpocon(self.root, norm, uplo="L")
        return float(reciprocal)
