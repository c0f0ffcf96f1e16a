"""Penalties: ridge, lasso, elastic net and box constraints. Never on the intercept.

A penalty has a smooth part, with a gradient and a Hessian, and a non-smooth part (the kink of L1
at zero, the ends of a range) that needs a proximal step, `prox`: the minimiser of the non-smooth
part, times a step, plus half the squared distance from the given weights.

Shapes: strength is a number, or (p,) or (p, 1) for a strength by input, and so are the ends of
ranges, which may also be (p, k); weight (p, k).
"""

from dataclasses import field, replace
from functools import cached_property
from typing import Protocol, cast

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.one_hot_hessian import one_hot
from deltarule.rule.compare import Comparison, Objective
from deltarule.rule.predict import Array, Weights


class Penalty(Protocol):
    """A penalty; `gradient` and `hessian` are those of its smooth part."""

    def value(self, weights: Weights) -> float: ...
    def gradient(self, weights: Weights) -> Weights: ...
    def hessian(self, weights: Weights) -> Array: ...
    def prox(self, weights: Weights, step: float) -> Weights: ...


@dataclass(frozen=True)
class Ridge:
    """Ridge (L2): half the squared weights times a strength, added to the mean loss.

    Maths:   value = sum(strength * weight ** 2) / 2;  gradient = strength * weight
    Source:  Hoerl & Kennard 1970

    >>> Ridge(np.array([[2.0]])).value({"weight": np.array([[3.0]])})
    9.0
    """

    strength: Array

    def value(self, weights: Weights) -> float:
        return float(np.sum(_column(self.strength) * weights["weight"] ** 2) / 2)

    def gradient(self, weights: Weights) -> Weights:
        return {
            n: _column(self.strength) * a if n == "weight" else np.zeros_like(a)
            for n, a in weights.items()
        }

    def hessian(self, weights: Weights) -> Array:
        """The diagonal, in the weights' order in the Hessian: (q,)."""
        inputs = len(weights["weight"])
        diagonal = np.zeros(inputs + len(weights) - 1)
        diagonal[:inputs] = _column(self.strength)[:, 0]
        return diagonal

    def prox(self, weights: Weights, step: float) -> Weights:
        """The weights unchanged: a ridge is smooth."""
        return weights


def shrink(
    weight: Array, by: Array | float, low: Array | float = -np.inf, high: Array | float = np.inf
) -> Array:
    """Soft thresholding, then clipping: the proximal operator of L1 with a range.

    Maths:   argmin over v of (v - weight) ** 2 / 2 + by * abs(v), low <= v <= high
    Shapes:  any that broadcast with weight, whose shape is returned

    >>> shrink(np.array([3.0, -3.0, 0.5]), 1.0)
    array([ 2., -2.,  0.])
    >>> shrink(np.array([3.0, -3.0, 0.5]), 1.0, low=0.0)
    array([2., 0., 0.])
    """
    # Clip and subtract, so that weights within `by` of zero become exactly zero.
    shrunk: Array = np.clip(weight - np.clip(weight, -by, by), low, high)
    return shrunk


@dataclass(frozen=True)
class Lasso:
    """Lasso (L1): absolute weights times a strength; with a ridge, the elastic net.

    Maths:   value = sum(strength * abs(weight)) + ridge's value, infinite where a weight is out of
             its range from `low` to `high`; gradient, hessian = the ridge's;
             prox = shrink(weight, step * strength, low, high)
    Shapes:  low, high as strength, or (p, k): a weight with low == high is fixed
    Source:  Tibshirani 1996; Zou & Hastie 2005

    >>> Lasso(np.array(0.5)).prox({"weight": np.array([[3.0], [-0.2]])}, 2.0)["weight"]
    array([[2.],
           [0.]])
    """

    strength: Array
    ridge: Ridge = field(default_factory=lambda: Ridge(np.zeros(1)))
    low: Array = field(default_factory=lambda: np.array(-np.inf))
    high: Array = field(default_factory=lambda: np.array(np.inf))

    @cached_property
    def kinked(self) -> bool:
        """Whether there is a non-smooth part beside the ridge."""
        ranged = np.any(self.low > -np.inf) or np.any(self.high < np.inf)
        return bool(np.any(self.strength > 0) or ranged)

    def bounds(self, weights: Weights) -> tuple[Weights, Weights, Weights]:
        """Each weight's strength and range; the intercept has neither."""
        free = {name: np.zeros_like(array) for name, array in weights.items()}
        like = weights["weight"].shape
        strength, low, high = (
            np.broadcast_to(_column(one), like) for one in (self.strength, self.low, self.high)
        )
        without = {name: array - np.inf for name, array in free.items()}
        return (
            {**free, "weight": strength},
            {**without, "weight": low},
            {**{name: -array for name, array in without.items()}, "weight": high},
        )

    def value(self, weights: Weights) -> float:
        if not self.kinked:
            return self.ridge.value(weights)
        weight = weights["weight"]
        if np.any((weight < _column(self.low)) | (weight > _column(self.high))):
            return float(np.inf)
        return self.shrunk_by(weights) + self.ridge.value(weights)

    def shrunk_by(self, weights: Weights) -> float:
        """The value of the non-smooth part, the L1 term."""
        return float(np.sum(_column(self.strength) * np.abs(weights["weight"])))

    def gradient(self, weights: Weights) -> Weights:
        return self.ridge.gradient(weights)

    def hessian(self, weights: Weights) -> Array:
        """The ridge's diagonal: the L1 term has no Hessian."""
        return self.ridge.hessian(weights)

    def prox(self, weights: Weights, step: float) -> Weights:
        """The weights after a proximal step of this length; the intercept is unchanged."""
        by = step * _column(self.strength)
        shrunk = shrink(weights["weight"], by, _column(self.low), _column(self.high))
        return {**weights, "weight": shrunk}

    def left(self, weights: Weights, gradient: Weights) -> Weights:
        """The minimum-norm subgradient of the whole objective: 0 where the KKT conditions hold.

        Maths:   the one-sided derivative on the descending side of a weight, 0 where there is none

        >>> lasso = Lasso(np.array(0.5), low=np.array(0.0))
        >>> slope = {"weight": np.array([[-0.75], [-0.25], [2.0], [0.25]])}
        >>> lasso.left({"weight": np.array([[0.0], [0.0], [0.0], [1.0]])}, slope)["weight"].ravel()
        array([-0.25,  0.  ,  0.  ,  0.75])
        """
        strength, low, high = self.bounds(weights)
        return {
            name: _falling(array, gradient[name], strength[name], low[name], high[name])
            for name, array in weights.items()
        }


def _falling(weight: Array, gradient: Array, strength: Array, low: Array, high: Array) -> Array:
    up = gradient + np.where(weight >= 0, strength, -strength)
    down = gradient + np.where(weight > 0, strength, -strength)
    below = np.where((down > 0) & (weight > low), down, 0.0)
    return np.where((up < 0) & (weight < high), up, below)


def _column(values: Array) -> Array:
    """Values by weight (p, k), or by input as one column."""
    return values if np.ndim(values) == 2 else np.reshape(values, (-1, 1))


def _with_diagonal(hessian: Array, diagonal: Array) -> Array:
    """With this added to the diagonal, once for each of coupled outputs."""
    if (levels := one_hot(hessian)) is not None:
        return cast(Array, levels.with_diagonal(diagonal))
    found = hessian.copy()
    every = np.einsum("bii->bi", found)
    every += np.concatenate([diagonal] * (found.shape[1] // len(diagonal)))
    return found


@dataclass(frozen=True)
class Penalised:
    """An objective plus a penalty on its mean loss.

    `weight_delta` and `hessian` are those of the smooth part; the non-smooth part is left to the
    learner, by `penalty.prox`.
    """

    objective: Objective
    penalty: Penalty

    @property
    def has_hessian(self) -> bool:
        return self.objective.has_hessian

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        plain = self.objective(weights, hessian=hessian)
        gradient = self.penalty.gradient(weights)
        own = plain.hessian
        if own is not None:
            own = _with_diagonal(own, plain.rows * self.penalty.hessian(weights))
        return replace(
            plain,
            loss=plain.loss + plain.rows * self.penalty.value(weights),
            weight_delta={n: a + plain.rows * gradient[n] for n, a in plain.weight_delta.items()},
            hessian=own,
        )
