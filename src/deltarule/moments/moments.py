"""Moments: row count, means and centred cross-products of all columns, which add and subtract.

    rows  = sum of row weights
    mean  = sum(row weight * x) / rows
    cross = sum(row weight * (x - mean) * (x - mean).T)

They are kept in units of `scale`, a power of two for each column (1 unless its values are extreme),
so that squares neither overflow nor underflow. The mean is kept as a double-double, `mean` and its
rounding error `rest`, because merging needs the difference of two means. Moments of two sets of
rows add to those of both, and subtract again (Chan, Golub & LeVeque 1983).

Products of many one-hot columns stay sparse (one_hot.py), those of more columns than rows are kept
as the rows (row_cross.py).

Shapes: d columns; p inputs, k outputs, q = p + intercept. mean, rest, scale (d,); cross (d, d).
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.moments.one_hot import Cross, OneHotCross, compact, dense
from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Array, Mask, Weights

if TYPE_CHECKING:
    from deltarule.moments.row_cross import RowCross

# Values within 2 ** 200 of 1, either way, can be squared and summed as they are.
PLAIN_POWER = 200
# Of fewer, packing takes longer than the bytes do.
MANY_COLUMNS = 256


def unit_of(largest: float) -> float:
    """The scale for values up to `largest`: 1, or a power of two near extreme ones."""
    # Within this range a scale and its reciprocal are both finite.
    power = int(np.clip(np.frexp(largest)[1], -1022, 1022))
    return float(np.ldexp(1.0, power)) if abs(power) > PLAIN_POWER else 1.0


def two_sum(one: Array, other: Array) -> tuple[Array, Array]:
    """The sum and its exact rounding error (Knuth 1997, section 4.2.2)."""
    total = one + other
    back = total - one
    return total, (one - (total - back)) + (other - back)


@dataclass(frozen=True)
class Moments:
    """The moments of some rows."""

    rows: float
    mean: Array
    rest: Array
    cross: Cross
    scale: Array

    def __reduce__(self) -> Any:
        """Pickled with the products of each pair once, where there are many: half the bytes."""
        own, cross = tuple(getattr(self, one.name) for one in fields(self)), self.cross
        if not isinstance(cross, np.ndarray) or len(cross) < MANY_COLUMNS:
            return Moments, own
        if not np.array_equal(cross, cross.T):  # the other half would not be the same bits
            return Moments, own
        triangle = cross[np.tri(len(cross), dtype=bool)]
        return _of_triangle, (self.rows, self.mean, self.rest, triangle, self.scale)

    @classmethod
    def none(cls, columns: int) -> "Moments":
        """The moments of no rows."""
        return cls(
            0.0,
            np.zeros(columns),
            np.zeros(columns),
            np.zeros((columns, columns)),
            np.ones(columns),
        )

    @classmethod
    def of(cls, rows: Array, row_weights: Array | None = None) -> "Moments":
        """The moments of rows in memory.

        Shapes:  rows (n, d), row_weights (n,)

        >>> Moments.of(np.array([[1.0], [3.0]])).cross
        array([[2.]])
        """
        each = np.ones(len(rows)) if row_weights is None else row_weights
        total = float(each.sum())
        if total == 0:
            return cls.none(rows.shape[1])
        scale = np.array([unit_of(float(largest)) for largest in np.abs(rows).max(axis=0)])
        rows = rows / scale
        first = rows[0]
        from_first = rows - first
        off = each @ from_first / total
        centred = from_first - off
        # The rounding of `off` leaves a rest, which is corrected: two passes, Chan et al. 1983.
        left = each @ centred / total
        cross = (centred * each[:, None]).T @ centred - total * np.outer(left, left)
        mean, rest = two_sum(first, off + left)
        return cls(total, mean, rest, (cross + cross.T) / 2, scale)

    def __add__(self, other: "Moments") -> "Moments":
        return self._merge(other, 1.0)

    def __sub__(self, other: "Moments") -> "Moments":
        """The moments of these rows without the other's, which must be a subset."""
        return self._merge(other, -1.0)

    def _merge(self, other: "Moments", sign: float) -> "Moments":
        if other.rows == 0:
            return self
        if self.rows == 0 and sign > 0:
            return other
        other = other.scaled(self.scale)
        rows = self.rows + sign * other.rows
        if rows <= 0:
            return self.empty
        apart = self._apart(other)
        mean, lost = two_sum(self.mean, sign * apart * (other.rows / rows))
        cross: Cross
        one, two = self.cross, other.cross
        if isinstance(one, OneHotCross) and isinstance(two, OneHotCross):
            cross = one.merged(two, sign, apart, rows)
        elif not isinstance(one, np.ndarray) and not isinstance(two, np.ndarray):
            kept, more = cast("RowCross", one), cast("RowCross", two)
            cross = kept.merged(more, sign, apart, rows)
        else:
            between = apart[:, None] * apart * (self.rows * other.rows / rows)
            cross = dense(self.cross) + sign * (dense(other.cross) + between)
        return Moments(rows, mean, self.rest + lost, cross, self.scale)

    @property
    def empty(self) -> "Moments":
        """The moments of no rows, of the same columns."""
        zero = np.zeros_like(self.mean)
        cross = 0 * self.cross if isinstance(self.cross, np.ndarray) else self.cross.none()
        return Moments(0.0, zero, zero, cross, self.scale)

    @property
    def compact(self) -> "Moments":
        """The same, with products as an array where columns are few."""
        return replace(self, cross=compact(self.cross))

    def apart(self, other: "Moments") -> Array:
        """The difference of the other's means from these, in units of `scale`: (d,)."""
        return self._apart(other.scaled(self.scale))

    def _apart(self, other: "Moments") -> Array:
        return (other.mean - self.mean) + (other.rest - self.rest)

    def scaled(self, scale: Array) -> "Moments":
        """The moments rescaled, by powers of two, so that no digit changes."""
        if scale is self.scale:
            return self
        if np.array_equal(scale, self.scale):
            return Moments(self.rows, self.mean, self.rest, self.cross, scale)
        by = self.scale / scale
        if isinstance(self.cross, np.ndarray):
            cross: Cross = self.cross * by[:, None] * by
        else:
            cross = self.cross.scaled(by)
        return Moments(self.rows, self.mean * by, self.rest * by, cross, scale)

    def about(self, centre: Array) -> "Moments":
        """The moments of the columns less these values, in the columns' own units: (d,)."""
        mean, left = two_sum(self.mean, -centre / self.scale)
        mean, rest = two_sum(mean, self.rest + left)
        return replace(self, mean=mean, rest=rest)

    def take(self, columns: Sequence[int]) -> "Moments":
        """The moments of some columns, in this order."""
        at = np.asarray(columns, dtype=np.intp)
        cross = _taken(self.cross, at)
        return Moments(self.rows, self.mean[at], self.rest[at], cross, self.scale[at])

    def pool(self, into: int, columns: Sequence[int]) -> "Moments":
        """The moments with `columns` added to column `into` and then set to zero.

        The one-hot column of pooled levels is the sum of theirs.
        """
        mean, at = self.mean.copy(), np.asarray(columns, dtype=np.intp)
        mean[into] += mean[at].sum()
        mean[at] = 0.0
        if not isinstance(self.cross, np.ndarray):
            return replace(self, mean=mean, cross=self.cross.pool(into, at))
        cross = self.cross.copy()
        cross[into] += cross[at].sum(axis=0)
        cross[:, into] += cross[:, at].sum(axis=1)
        cross[at], cross[:, at] = 0.0, 0.0
        return replace(self, mean=mean, cross=cross)

    def refill(self, column: int, indicator: int, change: float) -> "Moments":
        """The moments with `change`, in own units, added to `column` where `indicator` is 1."""
        by = change / self.scale[column]
        mean, rest = self.mean.copy(), self.rest.copy()
        mean[column], lost = two_sum(mean[column], by * mean[indicator])
        rest[column] += lost
        if not isinstance(self.cross, np.ndarray):
            cross: Cross = self.cross.refill(column, indicator, by)
            return replace(self, mean=mean, rest=rest, cross=cross)
        cross = self.cross.copy()
        cross[column] += by * cross[indicator]
        cross[:, column] += by * cross[:, indicator]
        return replace(self, mean=mean, rest=rest, cross=cross)


def _of_triangle(rows: float, mean: Array, rest: Array, triangle: Array, scale: Array) -> Moments:
    """Moments whose products of pairs are given once each."""
    lower = np.tri(len(mean), dtype=bool)
    cross = np.empty((len(mean), len(mean)))
    cross[lower] = triangle
    cross.T[lower] = triangle
    return Moments(rows, mean, rest, cross, scale)


@dataclass(frozen=True)
class LeastSquares:
    """The least-squares objective computed from moments.

    It is an `Objective`: the same loss, gradient and Hessian as from the rows, at O(p^2) whatever
    their number. With an intercept everything is about the means; without, about zero.

    Shapes:  gram (p, p), with_targets (p, k), targets (k,): the targets' sums of squares
    """

    rows: float
    mean: Array
    target_mean: Array
    gram: Cross
    with_targets: Array
    targets: Array
    scale: Array
    target_scale: Array
    intercept: bool
    has_hessian: bool = True

    @classmethod
    def of(
        cls,
        moments: Moments,
        inputs: Sequence[int],
        targets: Sequence[int],
        *,
        intercept: bool = True,
    ) -> "LeastSquares":
        """The least-squares problem of columns `targets` on columns `inputs`."""
        x, t = np.asarray(inputs, dtype=np.intp), np.asarray(targets, dtype=np.intp)
        cross = moments.cross
        if not intercept:
            cross = _about_zero(cross, moments.rows, moments.mean)
        return cls(
            rows=moments.rows,
            mean=moments.mean[x],
            target_mean=moments.mean[t],
            gram=_taken(cross, x),
            with_targets=cross[x[:, None], t],
            targets=cross[t, t],
            scale=moments.scale[x],
            target_scale=moments.scale[t],
            intercept=intercept,
        )

    @property
    def spread(self) -> Array:
        """Each input's standard deviation, about zero without intercept, in own units: (p,)."""
        deviation: Array = np.sqrt(np.maximum(self.gram.diagonal(), 0.0) / self.rows) * self.scale
        return deviation

    def held(self, frozen: Mask, weights: Weights, *, intercept: bool) -> "LeastSquares":
        """The reduced problem when frozen inputs, and perhaps the intercept, keep these weights.

        Shapes:  frozen (p,), True where the weight is frozen
        """
        # What the frozen weights predict; the others count as 0.
        w = np.where(frozen[:, None], weights["weight"], 0.0) * self.scale[:, None]
        w, free = w / self.target_scale, ~frozen
        mean, gram = self.mean, self.gram
        target_mean = self.target_mean
        with_targets, targets = self.with_targets, self.targets
        if intercept:
            # About the frozen intercept in place of the means.
            target_mean = target_mean - weights["intercept"] / self.target_scale
            gram = _about_zero(gram, self.rows, mean)
            with_targets = with_targets + self.rows * np.outer(mean, target_mean)
            targets = targets + self.rows * target_mean**2
        moved = gram @ w
        return replace(
            self,
            mean=mean[free],
            target_mean=target_mean - mean @ w,
            gram=_taken(gram, np.flatnonzero(free)),
            with_targets=(with_targets - moved)[free],
            targets=targets + np.einsum("jo,jo->o", w, moved - 2 * with_targets),
            scale=self.scale[free],
            intercept=self.intercept and not intercept,
        )

    def squared_error(self, weights: Weights) -> Array:
        """The sum of delta ** 2 over the rows, in units of target_scale squared: (k,)."""
        w, off = self._scaled(weights)
        # Diverged weights give an error that overflows to infinity, which is right.
        with np.errstate(over="ignore", invalid="ignore"):
            errors = np.einsum("jo,jo->o", w, self.gram @ w - 2 * self.with_targets) + self.targets
            if self.intercept:
                errors = errors + self.rows * off**2
            summed: Array = np.maximum(errors, 0.0)
        return summed

    def _scaled(self, weights: Weights) -> tuple[Array, Array]:
        """Weights in the moments' units, and the mean delta of each output."""
        w = weights["weight"] * self.scale[:, None] / self.target_scale
        off = self.mean @ w - self.target_mean
        if self.intercept:
            off = off + weights["intercept"] / self.target_scale
        return w, off

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        """The comparison at these weights."""
        w, off = self._scaled(weights)
        slope = self.gram @ w - self.with_targets
        if self.intercept:
            slope = slope + self.rows * np.outer(self.mean, off)
        weight_delta: dict[str, Array] = {"weight": slope * self.target_scale * self.scale[:, None]}
        if self.intercept:
            weight_delta["intercept"] = self.rows * off * self.target_scale
        return Comparison(
            rows=self.rows,
            prediction=self.rows * (off + self.target_mean) * self.target_scale,
            delta=self.rows * off * self.target_scale,
            loss=float(self.squared_error(weights) @ self.target_scale**2 / 2),
            weight_delta=weight_delta,
            hessian=self.hessian() if hessian else None,
        )

    def hessian(self) -> Array:
        """The Hessian summed over the rows, in the inputs' own units, the intercept last."""
        raw = dense(self.gram)
        if self.intercept:
            raw = raw + self.rows * np.outer(self.mean, self.mean)
        raw = raw * self.scale[:, None] * self.scale
        if self.intercept:
            border = self.rows * self.mean * self.scale
            raw = np.block([[raw, border[:, None]], [border[None, :], np.array([[self.rows]])]])
        return np.repeat(raw[None], len(self.targets), axis=0)


def _taken(cross: Cross, at: NDArray[np.intp]) -> Cross:
    """The products of some columns."""
    return cross[np.ix_(at, at)] if isinstance(cross, np.ndarray) else cross.take(at)


def _about_zero(cross: Cross, rows: float, mean: Array) -> Cross:
    """Products about zero, from those about the mean."""
    if not isinstance(cross, np.ndarray):
        return cross.about_zero(mean)
    return cross + rows * np.outer(mean, mean)


def total(folds: Mapping[int, Moments] | Sequence[Moments]) -> Moments:
    """The sum of the moments of all folds."""
    parts = list(folds.values() if isinstance(folds, Mapping) else folds)
    summed = parts[0]
    for part in parts[1:]:
        summed = summed + part
    return summed
