"""Inference: standard errors, confidence intervals, fit statistics, leverage, VIF.

    standard error = sqrt(s ** 2 * diag(inverse)),  s ** 2 = sum(delta ** 2) / (rows - rank)
    t = weight / standard error;  interval = weight -+ quantile * standard error

Source:  Draper & Smith 1998, chapters 1-6
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments import student
from deltarule.rule.predict import Array

# Beyond this condition number of the Hessian its inverse has no digits left.
INVERTIBLE = 1e14
# At most so many collinear columns are named.
TELLING = 3
# A column of less variance than this, of 1, is explained by those named.
SPENT = 1e-12


@dataclass(frozen=True)
class Certainty:
    """Standard error, t, p and interval of each weight; NaN where it cannot be known.

    Shapes:  all as the weights
    """

    standard_error: Array
    t: Array
    p: Array
    low: Array
    high: Array


def certainty(
    weights: Array, standard_error: Array, *, freedom: float | Array, level: float = 0.95
) -> Certainty:
    """Tests and intervals of weights with these standard errors.

    `freedom` are the degrees of freedom of Student's t, of all weights or of each; infinite for the
    normal distribution. Where they are 0 or less the result is NaN.
    """
    error = np.where(standard_error > 0, standard_error, np.nan)
    freedom = np.where(np.asarray(freedom) > 0, freedom, np.nan)
    error = np.where(np.isnan(freedom), np.nan, error)
    with np.errstate(invalid="ignore"):
        t = weights / error
    # Student's t with infinite degrees of freedom is the normal distribution.
    p = 2 * student.upper_tail(freedom, np.abs(t))
    reach = student.quantile(freedom, (1 + level) / 2) * error
    return Certainty(error, t, p, weights - reach, weights + reach)


class Inverse(Protocol):
    """The inverse of a matrix (p, p): an array, or one that is known by its products."""

    def diagonal(self) -> Array: ...
    def __matmul__(self, v: Array, /) -> Array: ...
    def __array__(self) -> Array: ...


def input_variance(inverse: Inverse | Array, null: Array) -> Array:
    """Each weight's variance for s = 1; NaN for inputs that are collinear.

    Shapes:  inverse (p, p), null (p, p - r) -> (p,)
    """
    variance = inverse.diagonal().copy()
    if null.size:
        size = np.abs(null / np.max(np.abs(null), axis=0))
        variance[size.max(axis=1) > 1e-6] = np.nan
    return variance


def intercept_variance(inverse: Inverse | Array, mean: Array, rows: float) -> float:
    """The intercept's variance for s = 1. `mean` is in the units of `inverse`."""
    return float(1 / rows + mean @ (inverse @ mean))


@dataclass(frozen=True)
class Fit:
    """Goodness of fit of one output on its training rows.

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

    def log_likelihood(self, rows: float) -> float | None:
        """The normal log likelihood at the maximum likelihood variance; None where that is 0.

        Maths:   -rows / 2 * (log(2 * pi * rmse ** 2) + 1)
        """
        if not 0 < self.rmse < np.inf:
            return None
        # Twice the logarithm, as the square might overflow.
        found = -rows / 2 * (np.log(2 * np.pi) + 2 * np.log(self.rmse) + 1)
        return float(found) if np.isfinite(found) else None

    def aic(self, rows: float, weights: int) -> float | None:
        """The AIC: 2 for each weight, less twice the log likelihood."""
        likely = self.log_likelihood(rows)
        return None if likely is None else 2 * weights - 2 * likely


def design(inputs: Array, *, intercept: bool) -> Array:
    """The design matrix: inputs with a column of ones for the intercept: (n, p) -> (n, q)."""
    return np.column_stack([inputs, np.ones(len(inputs))]) if intercept else inputs


def leverages(design: Array, hat: Array, bend: Array | None = None) -> Array:
    """Leverages: the diagonal of the hat matrix: (n,).

    Shapes:  design (n, q), hat (q, q), bend (n,)
    """
    leverage: Array = np.einsum("nq,nq->n", design @ hat, design)
    return leverage if bend is None else leverage * bend


def inverses(hessian: Array, weights: int) -> Array:
    """The inverse of each block of the Hessian, NaN where it is numerically singular.

    Coupled outputs have `weights` (q) flat directions, a constant added to all scores: left out.
    Shapes:  (b, m, m) -> (b, m, m)
    """
    found = np.full_like(hessian, np.nan)
    flat = weights if hessian.shape[1] > weights else 0
    for at, block in enumerate(hessian):
        if not np.isfinite(block).all():
            continue
        values, vectors = np.linalg.eigh(block)
        if values[flat] * INVERTIBLE > values[-1]:
            turned = vectors[:, flat:] / np.sqrt(values[flat:])
            found[at] = turned @ turned.T
    return found


@dataclass(frozen=True)
class Inflation:
    """The variance inflation factor of a column, and the columns that predict it best.

    Maths:   inflation = 1 / (1 - R2 of the column on all others): its weight's variance is so many
             times what it would be without collinearity. For a column of several inputs it is
             (det(correlation of its own) * det(its block of the inverse)) ** (1 / inputs)
    Source:  Marquardt 1970; Fox & Monette 1992
    """

    column: str
    inflation: float
    by: tuple[str, ...]

    def __str__(self) -> str:
        *most, last = self.by
        by = f"{', '.join(most)} and {last}" if most else last
        return (
            f"{self.column} is almost determined by {by} (collinear, R2 "
            f"{1 - 1 / self.inflation:.4f}): its standard errors are "
            f"{np.sqrt(self.inflation):,.0f} times larger"
        )


def variance_inflation(
    correlation: Array, spans: Mapping[str, slice], *, above: float = 1.0
) -> list[Inflation]:
    """The inflation of each column `above` that, the largest first; none where some are dependent.

    Shapes:  correlation (p, p)
    """
    varies = np.diag(correlation) > 0
    filled = correlation + np.diag(np.where(varies, 0.0, 1.0))
    if len(spans) < 2 or not np.isfinite(filled).all():
        return []
    try:
        inverse = np.linalg.inv(filled)
    except np.linalg.LinAlgError:
        return []
    found = []
    for column, span in spans.items():
        own = inverse[span, span]
        factor = np.linalg.det(filled[span, span]) * np.linalg.det(own)
        inflation = float(factor ** (1 / max(1, int(varies[span].sum())))) if factor > 1 else 1.0
        if not inflation > above:
            continue
        by = _determining(filled, spans, column, left=-np.linalg.slogdet(own)[1])
        found.append(Inflation(column, inflation, by))
    return sorted(found, key=lambda one: -one.inflation)


def _determining(
    correlation: Array, spans: Mapping[str, slice], column: str, *, left: float
) -> tuple[str, ...]:
    """The few columns that determine one: each next one leaves the least of it unexplained.

    It ends where all others together leave no less than half of that, `left` being the logarithm of
    what they do (of a determinant, where the column has several inputs).
    Large weights in the regression on all others name no cause: where these are collinear
    themselves, such weights cancel, and a column of small weight may be what completes it.
    """
    rest, own, by = correlation.copy(), spans[column], list[str]()
    enough = left + (own.stop - own.start) * np.log(2)
    while len(by) < TELLING:
        there = rest[own, own]
        # Single inputs all at once: what each leaves of the determinant of what is there.
        explained = np.einsum("mp,mp->p", rest[own], np.linalg.solve(there, rest[own]))
        diagonal = np.diag(rest)
        shares = np.divide(explained, diagonal, where=diagonal > SPENT, out=np.zeros(len(rest)))
        before = np.linalg.slogdet(there)[1]
        size = {
            name: np.log1p(-min(shares[span.start], 1 - SPENT))
            if span.stop - span.start == 1
            else np.linalg.slogdet(_without(rest, span)[own, own])[1] - before
            for name, span in spans.items()
            if name != column and name not in by
        }
        if not size:
            break
        by.append(min(size, key=lambda name: size[name]))
        rest = _without(rest, spans[by[-1]])
        if np.linalg.slogdet(rest[own, own])[1] <= enough:
            break
    return tuple(by)


def _without(rest: Array, span: slice) -> Array:
    """What a regression on these inputs leaves of all covariances."""
    weights: Array = np.linalg.pinv(rest[span, span], rcond=SPENT, hermitian=True) @ rest[span]
    return rest - rest[:, span] @ weights
