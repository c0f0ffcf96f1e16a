"""Krylov methods: conjugate gradients at several shifts at once; the largest eigenvalue (Lanczos).

They need products with a matrix alone.
"""

from collections.abc import Callable, Sequence

import numpy as np

from deltarule.rule.predict import Array
from deltarule.solvers.cholesky import finite

EPS = float(np.finfo(np.float64).eps)
# Conjugate gradients: the relative residual, and the most steps.
RESIDUAL, STEPS = 1e-12, 5000
# Steps of Lanczos, and the numbers of its vectors.
LANCZOS_STEPS, LANCZOS_CELLS = 150, 1 << 23


def shifted_solutions(
    product: Callable[[Array], Array], b: Array, shifts: Sequence[float]
) -> list[Array]:
    """The solutions of (A + shift) x = b for several shifts, none below 0, from products with A.

    Conjugate gradients on the least shift give those of the others too, whose residuals are
    multiples of its own (Jegerlehner 1996). Each ends at a relative residual of RESIDUAL.

    Shapes:  b (p,) -> (p,) for each shift
    """
    least, goal = min(shifts), RESIDUAL * float(np.linalg.norm(b))
    more = np.array(shifts) - least
    found, ways = np.zeros((2, len(more), len(b)))
    ways[:] = left = direction = b
    ratio, before = np.ones((2, len(more)))
    length_before, turn = 1.0, 0.0
    size = float(left @ left)
    for _ in range(STEPS):
        going = np.abs(ratio) * np.sqrt(size) > goal
        if not going.any():
            break
        product_ = product(direction) + least * direction
        bend = float(direction @ product_)
        if not bend > 0:
            break  # what is left is in the null space
        length = size / bend
        after = ratio * before * length_before
        after /= length * turn * (before - ratio) + before * length_before * (1 + more * length)
        found += (length * after / ratio)[:, None] * ways
        left = left - length * product_
        now = float(left @ left)
        turn = now / size
        direction = left + turn * direction
        ways *= (turn * (after / ratio) ** 2)[:, None]
        ways += after[:, None] * left
        # Those that have converged would underflow.
        before, ratio = np.where(going, ratio, 1.0), np.where(going, after, 1.0)
        ways[~going] = 0.0
        length_before, size = length, now
    return list(found)


def largest_eigenvalue(product: Callable[[Array], Array], size: int) -> float:
    """The largest eigenvalue of a symmetric operator on (size,), by Lanczos.

    With reorthogonalisation; it ends where the value moves by less than its rounding.
    """
    steps = min(size, LANCZOS_STEPS, max(20, LANCZOS_CELLS // size))
    from scipy import linalg

    direction = np.random.default_rng(0).normal(size=size)
    basis = np.zeros((steps, size))
    on, off = np.zeros(steps), np.zeros(steps)
    value = 0.0
    for step in range(steps):
        basis[step] = direction / np.linalg.norm(direction)
        direction = product(basis[step])
        on[step] = basis[step] @ direction
        for _ in range(2):
            direction = direction - basis[: step + 1].T @ (basis[: step + 1] @ direction)
        off[step] = np.linalg.norm(direction)
        before, value = (
            value,
            float(
                linalg.eigvalsh_tridiagonal(
                    finite(on[: step + 1]),
                    finite(off[:step]),
                    select="i",
                    select_range=(step, step),
                    check_finite=False,
                )[0]
            ),
        )
        if off[step] <= EPS * value or abs(value - before) <= 4 * EPS * value:
            break
    return value
