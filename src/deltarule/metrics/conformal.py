"""Conformal prediction intervals from held-out (cross-validated) residuals.

    residual = g(target) - g(prediction)
    interval = from g(prediction) + the residual of rank r, to that of rank n + 1 - r, through g's
               inverse;  r = floor((n + 1) * (1 - level) / 2)

A new row is exchangeable with the n held-out ones, so at least `level` of new rows lie within,
whatever their distribution. g stabilizes the variance: targets whose variance grows as
prediction ** power are transformed to target ** (1 - power / 2), to their logarithm where power
is 2 or more. As that is approximate, rows are also split into bands of their prediction (Mondrian
conformal), each with its own ranks and so with its own guarantee, where there are enough rows.

The residuals are from the folds' models, the interval is around the prediction of the model of all
rows: with few rows these differ, a little to the conservative side.

Shapes: n rows of one output.
Source:  Vovk, Gammerman & Shafer 2005, sections 2.2 and 4.5; Anscombe 1948 for g
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from deltarule.errors import LearningError
from deltarule.rule.predict import Array

BAND_ROWS, MOST_BANDS = 200, 10
# The tail probabilities that are stored. Others are widened to the next.
TAILS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.0625, 0.075,
    0.0875, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.3, 0.35, 0.4, 0.45, 0.475,
)  # fmt: skip


def steady(values: Array, power: float) -> Array:
    """The variance-stabilizing transform g."""
    with np.errstate(divide="ignore"):
        if power >= 2:
            return np.log(values)
        even: Array = values if power == 0 else np.maximum(values, 0.0) ** (1 - power / 2)
        return even


def unsteady(values: Array, power: float) -> Array:
    """The inverse of g, clipped at 0 where amounts cannot be negative."""
    if power >= 2:
        with np.errstate(over="ignore"):
            return np.exp(values)
    plain: Array = values if power == 0 else np.maximum(values, 0.0) ** (1 / (1 - power / 2))
    return plain


class Band(BaseModel):
    """Residual quantiles of the rows with predictions in a band, for each tail probability."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    above: FiniteFloat | None
    """Predictions above this and up to the next band's; None for the first band."""
    rows: FiniteFloat = Field(gt=0)
    tails: tuple[FiniteFloat, ...]
    low: tuple[FiniteFloat, ...]
    high: tuple[FiniteFloat, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.tails or {len(self.low), len(self.high)} != {len(self.tails)}:
            raise ValueError("the ends are not those of the tails")
        if list(self.tails) != sorted(self.tails) or not 0 < self.tails[0] <= self.tails[-1] < 1:
            raise ValueError("the tails are not shares in order")
        return self

    @classmethod
    def of(cls, residuals: Array, each: Array, above: float | None) -> "Band | None":
        """From residuals and row weights; None where they are too few for any tail."""
        order = np.argsort(residuals, kind="stable")
        ranked, up_to = residuals[order], np.cumsum(each[order])
        n = float(up_to[-1])
        ranks = np.unique(np.floor((n + 1) * np.array(TAILS) * (1 + 1e-12)))
        ranks = ranks[(ranks >= 1) & (2 * ranks <= n)]
        if not ranks.size:
            return None
        # The row that holds the rank, a row of weight 2 holding two.
        slack = n * 1e-12
        low = ranked[np.searchsorted(up_to, ranks - slack)]
        high = ranked[np.minimum(np.searchsorted(up_to, n + 1 - ranks - slack), len(ranked) - 1)]
        return cls(
            above=above,
            rows=n,
            tails=tuple((ranks / (n + 1)).tolist()),
            low=tuple(low.tolist()),
            high=tuple(high.tolist()),
        )

    def ends(self, tail: float) -> tuple[float, float] | None:
        """The residual quantiles of this tail probability, low and high; None if unknown."""
        at = int(np.searchsorted(np.array(self.tails), tail * (1 + 1e-9), side="right")) - 1
        return None if at < 0 else (self.low[at], self.high[at])


class Intervals(BaseModel):
    """The conformal intervals of an output, at any level."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    power: FiniteFloat = Field(ge=0)
    """The variance power: variance ~ prediction ** power."""
    bands: tuple[Band, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        edges = [band.above for band in self.bands]
        rest = [edge for edge in edges[1:] if edge is not None]
        if edges[0] is not None or len(rest) != len(edges) - 1 or rest != sorted(set(rest)):
            raise ValueError("the bands are not in order")
        return self

    @classmethod
    def of(
        cls, predictions: Array, targets: Array, each: Array, *, power: float
    ) -> "Intervals | None":
        """From held-out rows; None where they are too few, or their residuals not finite.

        Shapes:  (n,) each: cross-validated predictions, targets, row weights
        """
        residuals = steady(targets, power) - steady(predictions, power)
        there = each > 0
        predictions, residuals, each = predictions[there], residuals[there], each[there]
        if not predictions.size or not np.isfinite(residuals).all():
            return None
        edges = _edges(predictions, each)
        band = np.searchsorted(edges, predictions, side="left")
        found = [
            Band.of(
                residuals[band == at], each[band == at], None if at == 0 else float(edges[at - 1])
            )
            for at in range(len(edges) + 1)
        ]
        bands = [one for one in found if one is not None]
        return cls(power=power, bands=tuple(bands)) if len(bands) == len(found) else None

    @property
    def widest(self) -> float:
        """The largest level for which all bands have enough rows."""
        return 1 - 2 * max(band.tails[0] for band in self.bands)

    def around(self, predictions: Array, level: float) -> tuple[Array, Array]:
        """The interval ends, low and high, around each prediction at this coverage level.

        Errors:  LearningError for an invalid level, or one for which too few rows were held out
        Shapes:  (n,) -> (n,), (n,)
        """
        check_level(level)
        ends = [band.ends((1 - level) / 2) for band in self.bands]
        known = np.array([end for end in ends if end is not None])
        if len(known) < len(ends):
            raise LearningError(
                f"too few rows were held out for an interval of {level:g}: ask for "
                f"{np.floor(self.widest * 1000) / 1000:g} or less"
            )
        edges = [band.above for band in self.bands if band.above is not None]
        band = np.searchsorted(np.array(edges), predictions, side="left")
        middle = steady(predictions, self.power)
        low, high = (unsteady(middle + known[band, side], self.power) for side in (0, 1))
        return low, high


def check_level(level: float) -> None:
    """Errors: LearningError for a level outside (0, 1)."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise LearningError(
            f"interval is {level!r}: it must be above 0 and below 1, such as 0.9 for 90%"
        )


def _edges(predictions: Array, each: Array) -> Array:
    """The edges between bands of predictions, with enough rows in each."""
    bands = int(min(MOST_BANDS, each.sum() // BAND_ROWS))
    if bands < 2:
        return np.zeros(0)
    order = np.argsort(predictions, kind="stable")
    up_to = np.cumsum(each[order])
    at = np.searchsorted(up_to, up_to[-1] * np.arange(1, bands) / bands)
    edges = np.unique(predictions[order][np.minimum(at, len(order) - 1)])
    # Rows with equal predictions stay together: some bands may then be too small.
    kept: list[float] = []
    below, whole = 0.0, float(up_to[-1])
    for edge in edges.tolist():
        upto = float(each[predictions <= edge].sum())
        if upto - below >= BAND_ROWS / 2 and whole - upto >= BAND_ROWS / 2:
            kept.append(edge)
            below = upto
    return np.array(kept)
