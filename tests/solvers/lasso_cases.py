"""What tests of the lasso share: problems drawn, and posed as least squares."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from deltarule.moments.moments import LeastSquares, Moments
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.constraints import Constraints

DRAWN = settings(deadline=None, derandomize=True, max_examples=80)
seeds = st.integers(0, 2**32 - 1)

# How far from the best weights may be, relative to the slope: rounding, times conditions of 1e4.
BEST = 1e-10


def posed(
    inputs: Array, targets: Array, each: Array | None = None, *, intercept: bool = True
) -> LeastSquares:
    p, k = inputs.shape[1], targets.shape[1]
    moments = Moments.of(np.column_stack([inputs, targets]), each)
    return LeastSquares.of(moments, range(p), range(p, p + k), intercept=intercept)


def signs_of(positive: Array | None) -> Constraints:
    """Weights that may not be below 0, where True."""
    return Constraints() if positive is None else Constraints(low=np.where(positive, 0.0, -np.inf))


def standard(inputs: Array, *, intercept: bool = True) -> Array:
    """Inputs of spread 1, about their mean with an intercept; constant ones become zero."""
    about = inputs - inputs.mean(axis=0) if intercept else inputs
    spread = np.sqrt((about**2).mean(axis=0))
    still = spread <= 1e-12 * np.abs(inputs).max(axis=0)
    return np.where(still, 0.0, about / np.where(still, 1.0, spread))


def predictions(inputs: Array, weights: Weights) -> Array:
    """Those of each strength: (s, n, k)."""
    scores = inputs @ weights["weight"]
    return scores + weights["intercept"][:, None, :] if "intercept" in weights else scores


def drawn(seed: int, kind: str) -> tuple[Array, Array]:
    """Tables that are easy, alike, wide, tied or dependent: (n, p) and (n, 1)."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(6, 50)), int(rng.integers(1, 15))
    plain = rng.normal(size=(n, p)) + rng.normal(size=p)
    targets = plain[:, :3].sum(axis=1, keepdims=True) + rng.normal(size=(n, 1))
    inputs = {
        "plain": lambda: plain,
        "mixed": lambda: plain @ rng.normal(size=(p, p)),
        "wide": lambda: rng.normal(size=(n, 2 * n)),
        "copies": lambda: np.repeat(plain, 2, axis=1) * rng.choice([1.0, -1.0, 3.3], size=2 * p),
        "flags": lambda: rng.integers(0, 2, size=(n, p)).astype(float),
        "levels": lambda: np.eye(5)[rng.integers(0, 5, size=n)],
        "rank 2": lambda: rng.normal(size=(n, 2)) @ rng.normal(size=(2, p)),
    }[kind]()
    # Small whole numbers make ties.
    return inputs, np.round(targets) if kind in ("flags", "levels") else targets
