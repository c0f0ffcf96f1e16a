"""Standardize inputs to mean 0 and spread 1, and convert weights both ways.

    x_standard = (x - mean) / spread;  weight = weight_standard / spread

Shapes: mean, spread (p,). Without intercept the mean stays: only the units change.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.moments.one_hot import Cross, dense, rows_kept
from deltarule.rule.predict import Array, Weights

# Columns whose mean is beyond so many spreads lose as many digits of every uncentred score;
# those whose spread is within so many roundings of the mean are constant.
FAR, STILL = 1000.0, float(np.finfo(np.float64).eps) / 64


def far_centres(moments: Moments) -> Array:
    """Centres for columns far from zero, 0 for all others: (d,)."""
    # In the moments' own units, in which no number is extreme.
    spread = np.sqrt(np.maximum(moments.cross.diagonal(), 0.0) / max(moments.rows, 1.0))
    size = np.abs(moments.mean)
    far = (size > FAR * spread) & (spread > STILL * size)
    return np.where(far, moments.mean * moments.scale, 0.0)


def from_zero(weights: Weights, centre: Array) -> Weights:
    """The weights of uncentred inputs, from those of centred ones."""
    if "intercept" not in weights:
        return weights
    return {**weights, "intercept": weights["intercept"] - centre @ weights["weight"]}


def _divided(gram: Cross, unit: Array) -> Cross:
    """Products of columns that are divided by these units, (p,): an array, or the rows kept."""
    return gram.scaled(1 / unit) if rows_kept(gram) else dense(gram) / np.outer(unit, unit)


@dataclass(frozen=True)
class Standardization:
    """The transform between the inputs' own units and standardized ones."""

    mean: Array
    spread: Array

    @classmethod
    def of(cls, problem: LeastSquares, *, centre: bool = True) -> "Standardization":
        """The transform for this problem's inputs; `centre` only with a free intercept."""
        spread = np.where(problem.spread > 0, problem.spread, 1.0)
        mean = problem.mean * problem.scale
        return cls(mean if problem.intercept and centre else np.zeros_like(mean), spread)

    @cached_property
    def per(self) -> Array:
        """The scale factor of each input, (p,): 1 / spread, clipped to finite numbers."""
        with np.errstate(over="ignore"):
            return np.minimum(1 / self.spread, np.finfo(float).max)

    def inputs(self, inputs: Array) -> Array:
        """Inputs in standardized units: (n, p) -> (n, p)."""
        standard: Array = (inputs - self.mean) * self.per
        return standard

    def problem(self, problem: LeastSquares) -> LeastSquares:
        """The least-squares problem in standardized units."""
        unit = self.spread / problem.scale
        return replace(
            problem,
            mean=(problem.mean * problem.scale - self.mean) / self.spread,
            gram=_divided(problem.gram, unit),
            with_targets=problem.with_targets / unit[:, None],
            scale=np.ones_like(problem.scale),
        )

    def out(self, weights: Weights) -> Weights:
        """The inverse transform: standardized weights to the inputs' own units."""
        own = {**weights, "weight": weights["weight"] / self.spread[:, None]}
        if "intercept" in weights:
            own["intercept"] = weights["intercept"] - self.mean @ own["weight"]
        return own

    def into(self, weights: Weights) -> Weights:
        """The forward transform: weights in the inputs' own units to standardized ones."""
        standard = {**weights, "weight": weights["weight"] * self.spread[:, None]}
        if "intercept" in weights:
            standard["intercept"] = weights["intercept"] + self.mean @ weights["weight"]
        return standard

    def taken_over(self, other: "Standardization", weights: Weights) -> Weights:
        """Weights from another standardization, in this one; no digits are lost."""
        weight = weights["weight"] / other.spread[:, None]
        own = {**weights, "weight": weight * self.spread[:, None]}
        if "intercept" in weights:
            own["intercept"] = weights["intercept"] + (self.mean - other.mean) @ weight
        return own

    def moved(self, centre: Array) -> "Standardization":
        """The transform for uncentred inputs, from that of inputs less a centre."""
        return replace(self, mean=self.mean + centre)

    def jacobian(self, *, intercept: bool) -> Array:
        """The Jacobian of own weights in standardized ones, the intercept last: (q, q)."""
        jacobian = np.diag(1 / self.spread)
        if intercept:
            zeros = np.zeros((len(self.spread), 1))
            border = np.concatenate([-self.mean / self.spread, [1.0]])
            jacobian = np.vstack([np.column_stack([jacobian, zeros]), border])
        return jacobian
