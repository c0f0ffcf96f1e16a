"""Regression metrics: errors, R2, loss and deviance, beside the null model's, in one pass.

    typical error  sqrt(mean delta ** 2); absolute error: mean abs(delta)
    r2             1 - summed delta ** 2 / that of the targets' own mean
    loss           mean loss; guessing (the null model) predicts the training mean for every row
    deviance       2 * (summed loss - saturated loss)
    likelihood     log likelihood = -(summed loss / dispersion + log normalizer)
    pseudo r2      1 - log likelihood / that of guessing (McFadden 1974)

A target has one output, or one for each of several classes. Shapes: n rows, k its outputs.
"""

from collections.abc import Sequence
from dataclasses import field, fields

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat

from deltarule.dataclass import dataclass
from deltarule.losses.links import finite_score
from deltarule.losses.loss import MEAN, Loss
from deltarule.metrics.classification import ClassMetrics, ClassMetricSums
from deltarule.moments.moments import Moments
from deltarule.rule.predict import Array

LIKELY = ("known", "estimated")
"""The kinds of dispersion for which a loss has a deviance."""


class Metrics(BaseModel):
    """Metrics of one target's predictions; units are the target's, losses nats a row.

    None where there is no such metric. Guessing is predicting the mean of the rows learnt from, or
    the quantile of their targets that the loss is of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    output: str
    rmse: FiniteFloat
    r2: FiniteFloat | None
    baseline_rmse: FiniteFloat
    absolute_error: FiniteFloat
    baseline_absolute_error: FiniteFloat
    loss: FiniteFloat
    baseline_loss: FiniteFloat
    guess: str = MEAN
    """What guessing predicts, in words."""
    below: FiniteFloat | None = None
    """The share of rows below their prediction, where that is a quantile."""
    deviance: FiniteFloat | None = None
    null_deviance: FiniteFloat | None = None
    log_likelihood: FiniteFloat | None = None
    aic: FiniteFloat | None = None
    pseudo_r2: FiniteFloat | None = None
    classes: ClassMetrics | None = None


@dataclass
class LossSums:
    """The sums of the errors and losses of one target's predictions, beside the null model's.

    `pearson` is Pearson's chi2, (target - prediction) ** 2 over the variance function, and `bent`
    the sum of Hessians over expected ones: where a dispersion is estimated.
    """

    rows: float = 0.0
    squared: float = 0.0
    value: float = 0.0
    guessed_value: float = 0.0
    least: float = 0.0
    constant: float = 0.0
    pearson: float = 0.0
    bent: float = 0.0

    @classmethod
    def of(
        cls,
        loss: Loss,
        off: Array,
        value: Array,
        targets: Array,
        null: Array,
        each: Array,
        *,
        dispersion: float = 1.0,
    ) -> "LossSums":
        """Those of some rows.

        Shapes:  off, prediction - target, and targets (n, c), with an output, or one for each
                 class; value, the loss, and each (n,); null, scores, (n, c) or (1, c)
        """
        return cls(
            rows=float(each.sum()),
            squared=_sum(each, off**2),
            value=float(each @ value),
            guessed_value=float(each @ loss.value(null, targets)),
            least=float(each @ loss.saturated(targets)),
            constant=float(each @ loss.log_normalizer(targets, dispersion)),
        )

    def __add__(self, other: "LossSums") -> "LossSums":
        names = [one.name for one in fields(self)]
        return LossSums(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def rmse(self) -> float:
        return float(np.sqrt(self.squared / self.rows))

    @property
    def deviance(self) -> float:
        return 2 * (self.value - self.least)

    @property
    def null_deviance(self) -> float:
        return 2 * (self.guessed_value - self.least)

    def minus_log_likelihoods(self, dispersion: float) -> tuple[float, float]:
        """Of the predictions and of the null model; NaN where there is no likelihood."""
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.array([self.value, self.guessed_value]) / dispersion + self.constant
        return float(values[0]), float(values[1])


@dataclass
class MetricSums:
    """Accumulates metrics of one target's predictions; the sums of parts of a table add.

    `classes` are a target's classes, no and yes for one that is yes/no, none for an amount.

    `guess` (k,) is the null model's prediction: the targets' training means, or with offsets the
    prediction where these are 0. It may be changed between calls of `add`.
    """

    loss: Loss
    guess: Array
    classes: Sequence[str] = ()
    dispersion: float = 1.0
    sums: LossSums = field(default_factory=LossSums)
    guessed_squared: float = 0.0
    absolute: float = 0.0
    guessed_absolute: float = 0.0
    below: float = 0.0
    targets: Moments | None = None
    classified: ClassMetricSums | None = field(init=False)

    def __post_init__(self) -> None:
        self.classified = ClassMetricSums(self.classes) if self.classes else None

    def add(
        self,
        scores: Array,
        targets: Array,
        each: Array,
        offsets: Array | None = None,
        *,
        fold: int = 0,
    ) -> Array:
        """Add rows; returns their predictions. Those of one fold were scored by the same weights.

        Offsets are included in the scores, and the null model has them too. With the identity link
        the targets' own mean is of target - offset, as in learning.
        Shapes:  scores, targets (n, k), each, offsets (n,) -> (n, k)
        """
        predictions = self.loss.link.inverse(scores)
        flat = np.broadcast_to(finite_score(self.loss, self.guess), scores.shape)
        guessed = self.guess
        if offsets is not None:
            flat = flat + offsets[:, None]
            guessed = self.loss.link.inverse(flat)
        off, guessed_off = predictions - targets, guessed - targets
        value, spent = self.loss.value(scores, targets), self.dispersion
        self.sums += LossSums.of(self.loss, off, value, targets, flat, each, dispersion=spent)
        self.guessed_squared += _sum(each, guessed_off**2)
        self.absolute += _sum(each, np.abs(off))
        self.guessed_absolute += _sum(each, np.abs(guessed_off))
        # Rows that are met exactly are half below.
        self.below += _sum(each, np.heaviside(off, 0.5))
        if self.classified is not None:
            self.classified.add(predictions, targets, each, self.guess, fold=fold)
        if offsets is not None and self.loss.link.additive:
            targets = targets - offsets[:, None]
        part = Moments.of(targets, each)
        self.targets = part if self.targets is None else self.targets + part
        return predictions

    @property
    def about_mean(self) -> float:
        """The total sum of squares about the targets' own mean."""
        if self.targets is None:
            return 0.0
        return float(self.targets.cross.diagonal() @ self.targets.scale**2)

    def figures(self, output: str, *, parameters: int | None = None) -> Metrics:
        """The metrics of the rows added; there must be some. With `parameters`, also the AIC."""
        sums, n, about = self.sums, self.sums.rows, self.about_mean
        likely = self.loss.dispersion in LIKELY and not self.loss.closed_form
        minus, guessed_minus = sums.minus_log_likelihoods(self.dispersion)
        told, guess = np.isfinite(minus), self.loss.guess
        aic = None if parameters is None or not told else float(2 * parameters + 2 * minus)
        with np.errstate(divide="ignore", invalid="ignore"):
            pseudo = 1 - np.float64(minus) / guessed_minus
        return Metrics(
            output=output,
            rmse=sums.rmse,
            r2=1 - sums.squared / about if about > 0 else None,
            baseline_rmse=float(np.sqrt(self.guessed_squared / n)),
            absolute_error=self.absolute / n,
            baseline_absolute_error=self.guessed_absolute / n,
            loss=sums.value / n,
            baseline_loss=sums.guessed_value / n,
            guess=guess,
            below=None if guess == MEAN else self.below / n,
            deviance=finite(sums.deviance) if likely else None,
            null_deviance=finite(sums.null_deviance) if likely else None,
            log_likelihood=finite(-minus),
            aic=aic,
            pseudo_r2=finite(pseudo) if self.loss.dispersion == "known" else None,
            classes=None if self.classified is None else self.classified.figures(),
        )


def _sum(each: Array, values: Array) -> float:
    return float(each @ values.sum(axis=1))


def finite(value: float) -> float | None:
    """The number, None where it is infinite or NaN."""
    return float(value) if np.isfinite(value) else None
