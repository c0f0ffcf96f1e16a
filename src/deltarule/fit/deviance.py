"""Losses other than squared: standard errors from the Hessian, metrics from the deviance.

    standard error = sqrt(dispersion * diag(inv(expected hessian))), in the inputs' own units
    deviance = 2 * (loss - the saturated loss of these targets)

Shapes: p inputs, k outputs, q = p + intercept. Weights are in the standardised units of `rows`.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from deltarule.engines.base import RowSource
from deltarule.engines.batch import Batch
from deltarule.engines.questions import LogNormalizer
from deltarule.fit.sandwich import own_covariance
from deltarule.losses.loss import Loss, SmoothedLoss
from deltarule.metrics.regression import LIKELY, LossSums, finite
from deltarule.model.record import FitRecord
from deltarule.moments.inference import inverses
from deltarule.moments.one_hot_hessian import OneHotHessian, one_hot
from deltarule.moments.standardize import Standardization
from deltarule.rule.compare import Compared
from deltarule.rule.learn import AlphaRange, alpha_range, alpha_range_of
from deltarule.rule.predict import Array, Linear
from deltarule.solvers.one_hot_newton import Posed, own_extremes

# Complete separation: below this share of the null deviance no finite weights are best.
SEPARATED = 1e-6


def covariance_of(hessian: Array, standard: Standardization, *, intercept: bool) -> Array:
    """The covariance of own weights, the intercept last; NaN where the Hessian is singular.

    At a dispersion of 1; it scales with another. For classes, of weights that sum to 0 over the
    classes.
    Shapes:  hessian (b, m, m), summed over rows -> (k, q, q)
    """
    jacobian = standard.jacobian(intercept=intercept)
    return own_covariance(inverses(hessian, len(jacobian)), jacobian)


def variances_of(hessian: OneHotHessian, standard: Standardization) -> Array:
    """The diagonals of `covariance_of`: (k, q), NaN where the Hessian is singular."""
    posed = [Posed.of(hessian, at) for at in range(len(hessian))]
    none = np.full(hessian.shape[1], np.nan)
    return np.stack([none if one is None else one.variances(standard) for one in posed])


def own_alphas(hessian: Array, standard: Standardization, *, intercept: bool) -> AlphaRange | None:
    """The range of alpha that converges near these weights in own units, from the mean Hessian."""
    if (levels := one_hot(hessian)) is not None:
        ends = own_extremes(levels, standard)
        return None if ends is None else alpha_range(*ends)
    back = np.linalg.inv(standard.jacobian(intercept=intercept))
    back = np.kron(np.eye(hessian.shape[1] // len(back)), back)
    own = back.T @ hessian @ back
    return alpha_range_of(own) if np.isfinite(own).all() else None


@dataclass(frozen=True)
class DevianceSums:
    """Sums for the deviance and other fit metrics, and the metrics made of them.

    `losses` are those of the targets, `spans` the slices of their outputs.
    Shapes:  null (k,), the scores of the null model; NaN where unknown
    """

    model: Linear
    losses: Sequence[Loss]
    spans: Sequence[slice]
    null: Array

    def sums(self, batch: Batch, compared: Compared) -> Array:
        """The sums of some rows for each target: (t, sums)."""
        nothing = self.null[None] if batch.offsets is None else self.null + batch.offsets
        known = compared.parts if list(self.losses) == [compared.loss] else None
        found = []
        for loss, one in zip(self.losses, self.spans, strict=True):
            scores, targets = compared.scores[:, one], batch.targets[:, one]
            own = loss.parts(scores, targets) if known is None else known
            off = own.prediction - targets
            sums = LossSums.of(loss, off, own.value, targets, nothing[:, one], batch.each)
            if loss.dispersion != "known":
                expected = loss.hessian(scores)
                sums.pearson = float(batch.each @ (own.delta**2 / expected)[:, 0])
                sums.bent = float(batch.each @ (own.hessian / expected)[:, 0])
            found.append(sums)
        return np.array([astuple(one) for one in found])

    def figures(self, rows: RowSource, sums: Array, inputs: int) -> list[FitRecord]:
        """Each target's fit metrics, with one more pass where the likelihood needs dispersion.

        `inputs` counts those of an output, the intercept among them.
        Errors:  OverflowError when an error is too large for a number
        """
        every = [LossSums(*map(float, one)) for one in sums]
        if not np.isfinite([(found.squared, found.value) for found in every]).all():
            raise OverflowError
        fits = []
        for loss, found, one in zip(self.losses, every, self.spans, strict=True):
            outputs = one.stop - one.start
            # Scores of classes are determined up to a common shift: one class's are not free.
            parameters = inputs * max(1, outputs - 1)
            dispersion = _dispersion(found, loss, parameters)
            if loss.dispersion == "estimated":
                found.constant = _constant(rows, loss, one, dispersion)
            fits.append(_fit(found, loss, parameters, dispersion))
        return fits

    def separated(self, sums: Array) -> bool:
        """Whether the fitted probabilities of a target run to its classes: complete separation.

        Shares between 0 and 1 have a saturated loss above 0, reached by finite scores, so zero
        deviance alone is no sign: a saturated model of two shares and two levels has it by nature.
        """
        every = [LossSums(*map(float, one)) for one in sums]
        return any(
            loss.power is None and one.least == 0 and one.value < SEPARATED * one.guessed_value
            for loss, one in zip(self.losses, every, strict=True)
        )


def _dispersion(sums: LossSums, loss: Loss, parameters: int) -> float:
    """The dispersion: residual spread relative to what the loss expects; NaN where unknown.

    Maths:   known 1;  estimated Pearson's chi2 / (n - q);  robust that times (correction /
             bent) ** 2, bent the mean hessian, correction = 1 + q / n * (1 - bent) / bent
    Source:  McCullagh & Nelder 1989, section 8.3; Huber & Ronchetti 2009, section 7.6
    """
    if loss.dispersion == "known":
        return 1.0
    if loss.dispersion == "unknown" or sums.rows <= parameters:
        return np.nan
    ratio = sums.pearson / (sums.rows - parameters)
    if loss.dispersion == "estimated":
        return ratio
    bent = np.float64(sums.bent / sums.rows)
    correction = 1 + parameters / sums.rows * (1 - bent) / bent
    return float(ratio * (correction / bent) ** 2)


def _fit(sums: LossSums, loss: Loss, parameters: int, dispersion: float) -> FitRecord:
    """The fit metrics; `constant` is that of this dispersion."""
    likely = loss.dispersion in LIKELY
    deviance, null_deviance = sums.deviance, sums.null_deviance
    minus, guessed = sums.minus_log_likelihoods(dispersion)
    return FitRecord(
        rmse=sums.rmse,
        r2=finite(_explained(deviance, null_deviance)) if null_deviance > 0 else None,
        residual_sd=None,
        deviance=finite(deviance) if likely else None,
        null_deviance=finite(null_deviance) if likely else None,
        log_likelihood=finite(-minus),
        aic=finite(2 * parameters + 2 * minus),
        pseudo_r2=finite(_explained(minus, guessed)) if loss.dispersion == "known" else None,
        dispersion=None if loss.dispersion == "known" else finite(dispersion),
        spread=finite(loss.spread) if isinstance(loss, SmoothedLoss) else None,
    )


def _constant(rows: RowSource, loss: Loss, column: slice, dispersion: float) -> float:
    """The normalising constant: minus the log likelihood less sum of values / dispersion."""
    if not np.isfinite(loss.log_normalizer(np.ones((1, 1)), dispersion)).all():
        return np.nan  # there is no likelihood, so no need for a pass

    return rows.total(LogNormalizer(loss, column, dispersion))


def _explained(deviance: float, null_deviance: float) -> float:
    """Explained deviance: the share of the null deviance; 0 where it is only rounding."""
    share = 1 - deviance / null_deviance
    return share if abs(share) > 1e-10 else 0.0
