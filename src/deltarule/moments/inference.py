"""How sure the weights are, and how well they fit.

    standard error = sqrt(s ** 2 * diag(inverse)),  s ** 2 = sum(delta ** 2) / (rows - rank)
    t = weight / standard error;  interval = weight -+ quantile * standard error

Source:  Draper & Smith 1998, chapters 1-6
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from deltarule.rule.predict import Array


@dataclass(frozen=True)
class Certainty:
    """What is known of each weight; NaN where it cannot be known.

    Shapes:  all as the weights they speak of
    """

    standard_error: Array
    t: Array
    p: Array
    low: Array
    high: Array


def certainty(
    weights: Array, standard_error: Array, *, freedom: float, level: float = 0.95
) -> Certainty:
    """Tests and intervals of weights with these standard errors.

    `freedom` are the degrees of freedom of Student's t; infinite for the normal distribution.
    """
    error = np.where(standard_error > 0, standard_error, np.nan)
    with np.errstate(invalid="ignore"):
        t = weights / error
    if freedom <= 0:
        nothing = np.full_like(weights, np.nan)
        return Certainty(nothing, nothing, nothing, nothing, nothing)
    # Student's t with infinite freedom is the normal distribution, here as everywhere.
    p = np.asarray(2 * special.stdtr(freedom, -np.abs(t)), dtype=np.float64)
    quantile = float(special.stdtrit(freedom, (1 + level) / 2))
    return Certainty(error, t, p, weights - quantile * error, weights + quantile * error)


def input_variance(inverse: Array, null: Array) -> Array:
    """Each weight's variance for s = 1; NaN for inputs in a combination that never varies.

    Shapes:  inverse (p, p), null (p, p - r) -> (p,)
    """
    variance = np.diag(inverse).copy()
    if null.size:
        size = np.abs(null / np.max(np.abs(null), axis=0))
        variance[size.max(axis=1) > 1e-6] = np.nan
    return variance


def intercept_variance(inverse: Array, mean: Array, rows: float) -> float:
    """The intercept's variance for s = 1. `mean` is in the units of `inverse`."""
    return float(1 / rows + mean @ inverse @ mean)


@dataclass(frozen=True)
class Fit:
    """How one output's predictions fit the rows they were learnt from.

    r2 is about the mean with an intercept, about zero without. Units: the target's.
    """

    rmse: float
    r2: float | None
    residual_sd: float | None

    @classmethod
    def of(
        cls, squared_error: float, squares: float, *, rows: float, freedom: float, unit: float = 1.0
    ) -> "Fit":
        """From the summed delta ** 2 and the target's sum of squares (about mean or zero).

        Both are in `unit` squared.
        """
        return cls(
            rmse=float(np.sqrt(squared_error / rows)) * unit,
            r2=1 - squared_error / squares if squares > 0 else None,
            residual_sd=float(np.sqrt(squared_error / freedom)) * unit if freedom > 0 else None,
        )
