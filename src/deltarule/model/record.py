"""Record: the model file, versioned JSON, validated when read; nothing in it is executed.

Numbers round-trip exactly. Moments are packed as base64 of little-endian float64.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from deltarule.errors import LearningError
from deltarule.losses.loss import MEAN, Loss
from deltarule.losses.registry import loss_named, with_spread
from deltarule.metrics.classification import ClassMetrics
from deltarule.metrics.conformal import Intervals
from deltarule.moments.limits import Amount, Count, Explained, Positive, Share, Signed, Size
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.moments.one_hot import dense
from deltarule.rule.predict import Array, Mask
from deltarule.tables.distributions import Distribution
from deltarule.tables.part import Part
from deltarule.tables.schema import Schema
from deltarule.tables.source import without_folder

FORMAT = "deltarule-model"
VERSION = 3
# Of more weights than this a model keeps no covariance: it would be most of the file.
MOST_COVARIANCES = 200


class _Estimate(Part):
    """A number learnt, with its standard error, test and interval, null where unknown."""

    weight: Signed
    standard_error: Amount | None = None
    t: Signed | None = None
    p: Share | None = None
    low: Signed | None = None
    high: Signed | None = None


class _OfOutput(Part):
    output: str


class _OfInput(_OfOutput):
    input: str
    level: str | None


class WeightRecord(_Estimate, _OfInput):
    """One weight with its standard error, test and interval, null where unknown."""


class InterceptRecord(_Estimate, _OfOutput):
    """One output's intercept."""


class FitRecord(Part):
    """Goodness of fit of one output on the training rows; r2 may be of the deviance."""

    rmse: Amount
    r2: Explained | None
    residual_sd: Amount | None
    deviance: Signed | None = None
    null_deviance: Signed | None = None
    log_likelihood: Signed | None = None
    aic: Signed | None = None
    pseudo_r2: Explained | None = None
    """McFadden's: 1 - log likelihood / the null model's, where the loss has a likelihood."""
    dispersion: Amount | None = None
    """The estimated dispersion: the variance relative to the loss's variance function."""
    spread: Positive | None = None
    """The residual spread of Huber loss, in the target's units."""


def fit_records(problem: LeastSquares, squared_error: Array, used: int) -> list[FitRecord]:
    """Each output's least-squares fit, with so many weights in use.

    Shapes:  squared_error (k,) in units of the targets' scale squared
    """
    from deltarule.moments.inference import Fit  # which predicting does not load

    rows, units = problem.rows, problem.target_scale.tolist()
    fits = [
        Fit.of(error, squares, rows=rows, freedom=rows - used, unit=unit)
        for error, squares, unit in zip(
            squared_error.tolist(), problem.targets.tolist(), units, strict=True
        )
    ]
    return [
        FitRecord(
            rmse=fit.rmse,
            r2=fit.r2,
            residual_sd=fit.residual_sd,
            log_likelihood=fit.log_likelihood(rows),
            aic=fit.aic(rows, used),
        )
        for fit in fits
    ]


class HeldOutRecord(Part):
    """Held-out metrics of one output, beside guessing (the null model)."""

    folds: Count
    rmse: Amount
    r2: Explained | None
    baseline_rmse: Amount
    rows: Positive | None = None
    loss: Signed | None = None
    baseline_loss: Signed | None = None
    absolute_error: Amount | None = None
    baseline_absolute_error: Amount | None = None
    guess: str = MEAN
    """What the null model predicts, in words."""
    below: Share | None = None
    """The share of rows below their prediction, where that is a quantile."""
    classes: ClassMetrics | None = None
    """Classification metrics. This and the six above are of a sample of large tables."""


class HeldOutBy(Part):
    """The cross-validation scheme: by row number or id, by group, or forward in time.

    `column` is the id, group or time; a new period begins at each of the `cuts`, in microseconds
    where times are dates. With a `table`, the metrics are of its rows.
    """

    by: Literal["rows", "id", "group", "time"] = "rows"
    column: str | None = None
    folds: Count
    cuts: tuple[Signed, ...] = ()
    table: str | None = None

    @field_validator("table")
    @classmethod
    def _is_the_file_alone(cls, name: str | None) -> str | None:
        return None if name is None else without_folder(name)


class LearnRecord(Part):
    """How the weights of targets that share a loss were learnt."""

    targets: tuple[str, ...]
    loss: str
    learner: str
    reads: Count
    passes: Count = 0
    """The passes over all rows after the first read, in memory or by reading again."""
    sampled: Count = 0
    """The number of rows sampled for the warm start."""
    steps: Count
    stopped: str
    alpha: Amount | None
    alpha_limit: Amount | None
    alpha_fastest: Amount | None
    ridge: Amount
    lasso: Amount = 0.0
    minimised: str = ""
    """The objective, in words, where it is more than the loss."""
    condition: Amount | None
    errors: str = "classical"
    """The kind of the standard errors; empty where none are known."""
    cluster_by: str | None = None
    """The column of clusters, for cluster-robust standard errors."""
    clusters: Size | None = None
    """The number of clusters."""
    freedom: Amount | None = None
    """Degrees of freedom of Student's t in intervals; None for the normal distribution."""
    course: tuple[tuple[Count, Signed], ...] = ()
    """The loss history: the error before some of the steps, with the first and the last."""
    batch: Size | None = None
    """The minibatch size; None for all rows."""
    epochs: Count | None = None
    gradient_left: Amount | None = None
    """The largest weight_delta at the end, as a share of the largest at the start."""
    error_above_least: Signed | None = None
    """The relative excess of the mean squared error over its minimum."""
    way_left: Amount | None = None
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

    rows: Count
    weight: Amount
    rows_left_out: Count = 0
    rmse: tuple[Amount, ...]
    baseline_rmse: tuple[Amount, ...]
    half_life: Positive | None = None
    window: Size | None = None
    alpha: Positive | None = None
    last_rows: Count = 0
    last: str | None = None
    """Of a window its last rows, the oldest first, packed: the root of a row's weight, its inputs
    and its targets less offsets."""


class ColumnRecord(Part):
    """How a column of the table was encoded, or why it was left out."""

    column: str
    kind: str
    done: str


class PackedMoments(Part):
    """The moments of a fold: mean, rest and scale (d,), and the lower triangle of cross."""

    rows: Amount
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
    means: tuple[Signed, ...]
    """Each input's training mean, which contributions are measured from."""
    centres: tuple[Signed, ...] = ()
    """The centre of each input in scores, where some are far from zero: an uncentred sum of
    products would lose digits. Empty where no input is centred."""
    starts: tuple[Signed, ...] = ()
    """Each output's score with all inputs at their centres, in place of the intercept."""
    spreads: tuple[Amount, ...]
    """Each input's standard deviation, by which effects are sorted."""
    target_means: tuple[Signed, ...]
    """The null model's prediction: each target's training mean. With an offset, the prediction of
    the best constant score where the offset is 0."""
    weights: tuple[WeightRecord, ...]
    intercept: tuple[InterceptRecord, ...]
    rows: Positive
    rows_left_out: Count
    rows_left_out_by_cause: dict[str, Count] = Field(default_factory=dict)
    """How many of them, by cause in words; empty in files of earlier versions."""
    examples: Count | None = None
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
    half_life: Positive | None = None
    """After how many rows one counted half; None where all counted alike, or in files of before."""
    window: Size | None = None
    """How many of the last rows alone were learnt from."""
    where: str | None = None
    """The condition that its rows met; None where there was none, or in files of before."""
    streamed: StreamRecord | None = None
    """What was learnt row by row since; None where nothing was."""
    summary: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """The SHA-256 of the file of the sums that the model was made of; None where there is none."""

    @field_validator("learnt_from")
    @classmethod
    def _is_the_file_alone(cls, names: str) -> str:
        """A model goes where nobody need know of the folders of this machine."""
        return " and ".join(without_folder(name) for name in names.split(" and "))

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The loss of each target."""
        by_target = {name: one.loss for one in self.learnt for name in one.targets}
        return tuple(
            with_spread(loss_named(by_target[target.name]), fit.spread)
            for target, fit in zip(self.contract.targets, self.fit, strict=True)
        )

    @property
    def loss(self) -> str:
        """The losses' names: one where all targets share it."""
        return ", ".join(dict.fromkeys(loss.name for loss in self.losses))

    @property
    def has_scores(self) -> bool:
        """Whether scores say more than predictions: of losses without a closed form."""
        return not all(loss.closed_form for loss in self.losses)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        targets = [target.name for target in self.contract.targets]
        inputs, outputs = self.contract.inputs, self.contract.outputs
        if not targets or not inputs:
            raise ValueError("a model needs at least one input and one target")
        wanted = [(output, column, level) for output in outputs for column, level in inputs]
        if [(w.output, w.input, w.level) for w in self.weights] != wanted:
            raise ValueError("the weights are not those of the columns")
        if len(set(outputs)) != len(outputs) or len(set(inputs)) != len(inputs):
            raise ValueError("a column is named twice")
        if self.intercept and [i.output for i in self.intercept] != outputs:
            raise ValueError("the intercepts are not those of the targets")
        sizes = {len(self.means), len(self.spreads)}
        if sizes != {len(inputs)} or len(self.target_means) != len(outputs):
            raise ValueError("the means are not those of the columns")
        if self.centres and (len(self.centres), len(self.starts)) != (len(inputs), len(outputs)):
            raise ValueError("the centres are not those of the columns")
        if len(self.fit) != len(targets) or (self.held_out and len(self.held_out) != len(targets)):
            raise ValueError("the figures are not those of the targets")
        if sorted(name for one in self.learnt for name in one.targets) != sorted(targets):
            raise ValueError("what was learnt is not the targets")
        if self.intervals and len(self.intervals) != len(targets):
            raise ValueError("the intervals are not those of the targets")
        if self.covariances and len(self.covariances) != len(outputs):
            raise ValueError("the covariances are not those of the targets")
        if self.streamed is not None:
            errors = self.streamed.rmse, self.streamed.baseline_rmse
            if {len(one) for one in errors} != {len(outputs)}:
                raise ValueError("the progressive errors are not those of the targets")
            unpack_window(self.streamed, len(inputs) + len(outputs))
        for text in self.covariances:
            if text is not None:
                unpack_covariance(text, len(inputs) + bool(self.intercept))
        names = [one.name for one in self.distributions]
        if len(set(names)) < len(names) or not {*names} <= {*self.contract.known, *targets}:
            raise ValueError("the distributions are not those of the columns")
        for packed in self.moments:
            unpack(packed, len(inputs) + len(outputs))
        return self


def pack(moments: Moments) -> PackedMoments:
    """Moments as base64 text."""
    lower = dense(moments.cross)[_lower(len(moments.mean))]
    return PackedMoments(
        rows=moments.rows,
        mean=_text(moments.mean),
        rest=_text(moments.rest),
        scale=_text(moments.scale),
        cross=_text(lower),
    )


def unpack(packed: PackedMoments, columns: int) -> Moments:
    """Moments of so many columns from base64 text.

    Errors:  ValueError when it is not that
    """
    cross = _symmetric(_array(packed.cross, columns * (columns + 1) // 2), columns)
    mean, rest = _array(packed.mean, columns), _array(packed.rest, columns)
    scale = _array(packed.scale, columns)
    if not (scale > 0).all():
        raise ValueError("packed moments have a scale that is not above 0")
    return Moments(packed.rows, mean, rest, cross, scale)


def pack_covariance(covariance: Array) -> str | None:
    """The covariance of an output's weights (q, q) as text; None of too many weights."""
    if len(covariance) > MOST_COVARIANCES:
        return None
    return _text(covariance[_lower(len(covariance))])


def unpack_covariance(text: str, weights: int) -> Array:
    """Text as the covariance of so many weights, NaN where it is not known.

    Errors:  ValueError when it is not that
    """
    half = _array(text, weights * (weights + 1) // 2, gaps=True)
    return _symmetric(half, weights)


def pack_window(rows: Array) -> dict[str, int | str]:
    """The last rows of a window as a `StreamRecord` has them."""
    return {"last_rows": len(rows), "last": _text(rows)}


def unpack_window(streamed: StreamRecord, columns: int) -> Array | None:
    """The last rows, (r, 1 + columns); None where they were not saved.

    Errors:  ValueError where they are not that
    """
    if streamed.last is None:
        return None
    if not 0 < streamed.last_rows <= (streamed.window or 0):
        raise ValueError("the last rows are not those of a window")
    rows = _array(streamed.last, streamed.last_rows * (1 + columns)).reshape(-1, 1 + columns)
    if not (rows[:, 0] > 0).all():
        raise ValueError("a row of a window has no weight")
    return rows


def _lower(size: int) -> Mask:
    """The lower triangle, row by row: as a mask in a third of the time of `np.tril_indices`."""
    lower: Mask = np.tri(size, dtype=bool)
    return lower


def _symmetric(half: Array, size: int) -> Array:
    lower = _lower(size)
    whole = np.zeros((size, size))
    whole[lower] = half
    whole.T[lower] = half
    return whole


def _text(array: Array) -> str:
    return base64.b64encode(array.astype("<f8").tobytes()).decode("ascii")


def _array(text: str, size: int, *, gaps: bool = False) -> Array:
    """Text as so many numbers, among them NaN where there may be `gaps`.

    Errors:  ValueError when it is not that; its length is checked before anything is made of it
    """
    if len(text) != (belong := 4 * -(-8 * size // 3)):
        raise ValueError(f"packed numbers have {len(text)} characters where {belong} belong")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("packed numbers are not base64") from None
    if len(raw) != 8 * size:
        raise ValueError(f"packed numbers hold {len(raw)} bytes where {8 * size} belong")
    array = np.frombuffer(raw, dtype="<f8").astype(np.float64)
    if np.isinf(array).any() or (not gaps and np.isnan(array).any()):
        raise ValueError("packed numbers hold one that is not finite")
    return array


def packed(folds: Sequence[Moments]) -> tuple[PackedMoments, ...]:
    """Every fold's moments as text; none of many levels, whose products would be a large file."""
    few = all(isinstance(fold.cross, np.ndarray) for fold in folds)
    return tuple(pack(fold) for fold in folds) if few else ()
