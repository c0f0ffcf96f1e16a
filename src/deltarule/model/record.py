"""Record: the model file, versioned JSON, validated when read; nothing in it is executed.

Numbers round-trip exactly. Moments are packed as base64 of little-endian float64.
"""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, FiniteFloat, ValidationError, field_validator, model_validator
from pydantic_core import from_json, to_json

from deltarule.errors import LearningError, NotAModelError, VersionError
from deltarule.losses.loss import Loss
from deltarule.losses.registry import loss_named, with_spread
from deltarule.metrics.classification import ClassMetrics
from deltarule.metrics.conformal import Intervals
from deltarule.moments.moments import Moments
from deltarule.moments.one_hot import dense
from deltarule.output import write_whole
from deltarule.rule.predict import Array
from deltarule.tables.distributions import Distribution
from deltarule.tables.layout import MOST_EXPRESSIONS
from deltarule.tables.part import Part
from deltarule.tables.saved_bytes import saved_bytes
from deltarule.tables.schema import Schema

FORMAT = "deltarule-model"
VERSION = 3
LARGEST_FILE = 1 << 30
# Of more weights than this a model keeps no covariance: it would be most of the file.
MOST_COVARIANCES = 200
# A value takes up to 200 bytes in memory; 300,000 weights have 3 million of them.
MOST_VALUES = 5_000_000


class WeightRecord(Part):
    """One weight with its standard error, test and interval, null where unknown."""

    output: str
    input: str
    level: str | None
    weight: FiniteFloat
    standard_error: FiniteFloat | None = None
    t: FiniteFloat | None = None
    p: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None


class InterceptRecord(Part):
    """One output's intercept."""

    output: str
    weight: FiniteFloat
    standard_error: FiniteFloat | None = None
    t: FiniteFloat | None = None
    p: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None


class FitRecord(Part):
    """Goodness of fit of one output on the training rows; r2 may be of the deviance."""

    rmse: FiniteFloat
    r2: FiniteFloat | None
    residual_sd: FiniteFloat | None
    deviance: FiniteFloat | None = None
    null_deviance: FiniteFloat | None = None
    log_likelihood: FiniteFloat | None = None
    aic: FiniteFloat | None = None
    pseudo_r2: FiniteFloat | None = None
    """McFadden's: 1 - log likelihood / the null model's, where the loss has a likelihood."""
    dispersion: FiniteFloat | None = None
    """The estimated dispersion: the variance relative to the loss's variance function."""
    spread: FiniteFloat | None = Field(None, gt=0)
    """The residual spread of Huber loss, in the target's units."""


class HeldOutRecord(Part):
    """Held-out metrics of one output, beside guessing the mean (the null model)."""

    folds: int
    rmse: FiniteFloat
    r2: FiniteFloat | None
    baseline_rmse: FiniteFloat
    rows: FiniteFloat | None = None
    loss: FiniteFloat | None = None
    baseline_loss: FiniteFloat | None = None
    absolute_error: FiniteFloat | None = None
    baseline_absolute_error: FiniteFloat | None = None
    classes: ClassMetrics | None = None
    """Classification metrics. This and the four above are of a sample of large tables."""


class HeldOutBy(Part):
    """The cross-validation scheme: by row number or id, by group, or forward in time.

    `column` is the id, group or time; a new period begins at each of the `cuts`, in microseconds
    where times are dates. With a `table`, the metrics are of its rows.
    """

    by: Literal["rows", "id", "group", "time"] = "rows"
    column: str | None = None
    folds: int
    cuts: tuple[FiniteFloat, ...] = ()
    table: str | None = None


class LearnRecord(Part):
    """How the weights of targets that share a loss were learnt."""

    targets: tuple[str, ...]
    loss: str
    learner: str
    reads: int
    passes: int = Field(0, ge=0)
    """The passes over all rows after the first read, in memory or by reading again."""
    sampled: int = Field(0, ge=0)
    """The number of rows sampled for the warm start."""
    steps: int
    stopped: str
    alpha: FiniteFloat | None
    alpha_limit: FiniteFloat | None
    alpha_fastest: FiniteFloat | None
    ridge: FiniteFloat
    lasso: FiniteFloat = 0.0
    minimised: str = ""
    """The objective, in words, where it is more than the loss."""
    condition: FiniteFloat | None
    errors: str = "classical"
    """The kind of the standard errors; empty where none are known."""
    cluster_by: str | None = None
    """The column of clusters, for cluster-robust standard errors."""
    clusters: int | None = None
    """The number of clusters."""
    freedom: FiniteFloat | None = None
    """Degrees of freedom of Student's t in intervals; None for the normal distribution."""
    course: tuple[tuple[int, FiniteFloat], ...] = ()
    """The loss history: the error before some of the steps, with the first and the last."""
    batch: int | None = None
    """The minibatch size; None for all rows."""
    epochs: int | None = None
    gradient_left: FiniteFloat | None = None
    """The largest weight_delta at the end, as a share of the largest at the start."""
    error_above_least: FiniteFloat | None = None
    """The relative excess of the mean squared error over its minimum."""
    way_left: FiniteFloat | None = None
    """The distance left to the optimal weights, as a share of that at the start."""

    @field_validator("loss")
    @classmethod
    def _is_a_loss(cls, text: str) -> str:
        try:
            return loss_named(text).name
        except LearningError as error:
            raise ValueError(str(error)) from None


class StreamRecord(Part):
    """What was learnt row by row since the table: `rows` and their weight, and how they count.

    The errors are progressive, each row predicted before it was learnt, of each output; beside them
    those of predicting the mean of the rows before.
    """

    rows: int = Field(ge=0)
    weight: FiniteFloat = Field(ge=0)
    rows_left_out: int = Field(0, ge=0)
    rmse: tuple[FiniteFloat, ...]
    baseline_rmse: tuple[FiniteFloat, ...]
    half_life: FiniteFloat | None = Field(None, gt=0)
    window: int | None = Field(None, gt=0)
    alpha: FiniteFloat | None = Field(None, gt=0)


class ColumnRecord(Part):
    """How a column of the table was encoded, or why it was left out."""

    column: str
    kind: str
    done: str


class PackedMoments(Part):
    """The moments of a fold: mean, rest and scale (d,), and the lower triangle of cross."""

    rows: FiniteFloat = Field(ge=0)
    mean: str
    rest: str
    scale: str
    cross: str


class Record(Part):
    """Everything a model is."""

    format: Literal["deltarule-model"] = "deltarule-model"
    version: Literal[3] = 3
    written_by: str
    learnt_from: str
    learnt_at: str
    contract: Schema
    means: tuple[FiniteFloat, ...]
    """Each input's training mean, which contributions are measured from."""
    centres: tuple[FiniteFloat, ...] = ()
    """The centre of each input in scores, where some are far from zero: an uncentred sum of
    products would lose digits. Empty where no input is centred."""
    starts: tuple[FiniteFloat, ...] = ()
    """Each output's score with all inputs at their centres, in place of the intercept."""
    spreads: tuple[FiniteFloat, ...]
    """Each input's standard deviation, by which effects are sorted."""
    target_means: tuple[FiniteFloat, ...]
    """The null model's prediction: each target's training mean. With an offset, the prediction of
    the best constant score where the offset is 0."""
    weights: tuple[WeightRecord, ...]
    intercept: tuple[InterceptRecord, ...]
    rows: FiniteFloat
    rows_left_out: int
    rows_left_out_by_cause: dict[str, int] = Field(default_factory=dict)
    """How many of them, by cause in words; empty in files of earlier versions."""
    examples: int | None = None
    """The unweighted number of training rows; None as above."""
    fit: tuple[FitRecord, ...]
    held_out: tuple[HeldOutRecord, ...] | None
    held_out_by: HeldOutBy | None = None
    fold_by: str | None = None
    """The key of a row's fold: "row number", or the column that is the id, the group or the
    time. None in files of earlier versions, where it depended on the row's values."""
    learnt: tuple[LearnRecord, ...]
    """The fitting record of each group of targets that share a loss."""
    columns: tuple[ColumnRecord, ...]
    notes: tuple[str, ...]
    intervals: tuple[Intervals | None, ...] = ()
    """The conformal intervals of each target; empty where unknown."""
    covariances: tuple[str | None, ...] = ()
    """The lower triangle of the covariance of each output's weights, the intercept first, packed;
    None where unknown, or where there are more than 200 weights."""
    moments: tuple[PackedMoments, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    """How the values of numbers and of targets that are amounts were spread, by column; empty in
    files of earlier versions."""
