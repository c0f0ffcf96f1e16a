"""Vertex polish for quantile regression: solve the active constraints exactly, check KKT.

With a smoothed kink, weights come within the smoothing of the optimum. Which rows are active there
(have zero residual) is plain by then: as many as there are free weights, or fewer with a ridge, and
all others are far off relative to the width. So the weights follow:

        inputs @ weights = targets                                      for the active rows
        sum of delta * input over all rows + penalty's gradient = 0     for every weight

where an active row may have any delta from -share to 1 - share, and a weight at a kink or an end of
its range any subgradient there. Such deltas and subgradients are a dual certificate (KKT) of
optimality; where there are none, the polish is rejected.

Shapes: q weights of an output, the intercept last; n rows, m of them active.
Source:  Koenker 2005, sections 2.2 and 6.2
"""

from dataclasses import dataclass

import numpy as np

from deltarule.engines.base import RowSource
from deltarule.engines.batch import Batch
from deltarule.losses.robust import Quantile
from deltarule.moments.inference import design
from deltarule.rule.predict import Array, Mask

# Active rows have residuals of some widths. Of all within so many, the nearest are candidates; the
# certificate fails if they are not the active ones.
REACH = 1e3
# With more candidates per weight they are ties, which no single plane fits; and with more weights
# and rows than MOST the certificate takes longer than it is worth.
TIES, MOST = 20, 1000
# Residuals that are rounding relative to their terms, and the tolerance of the dual certificate.
ROUNDING, SURE = 1e-12, 1e-9


@dataclass(frozen=True)
class Holds:
    """Penalties and ranges of each weight of an output: (q,) each, strengths times the rows.

    A frozen weight has a range of one value.
    """

    ridge: Array
    lasso: Array
    low: Array
    high: Array

    def free(self, weights: Array) -> Mask:
        """The weights that are at no kink and no end of their range."""
        kept = (weights == 0) & (self.lasso > 0)
        free: Mask = ~kept & (weights > self.low) & (weights < self.high)
        return free

    def slopes(self, weights: Array) -> tuple[Array, Array]:
        """The interval of the penalty's subgradient, without the ridge's part."""
        pull = self.lasso * np.sign(weights)
        at_zero = np.where(weights == 0, self.lasso, 0.0)
        least = np.where(weights <= self.low, -np.inf, pull - at_zero)
        most = np.where(weights >= self.high, np.inf, pull + at_zero)
        return least, most


@dataclass(frozen=True)
class _Near:
    """The candidate rows, the nearest first, and the summed gradient of all others.

    Shapes:  inputs (m, q), targets, each, off (m,), others (q,): the sum of their delta * input
    """

    inputs: Array
    targets: Array
    each: Array
    off: Array
    others: Array

    def only(self, vertex_polish: Mask, share: float) -> "_Near":
        """The active rows, (m,); the gradient of the rest is added to the others."""
        said = np.where(self.off < 0, 1 - share, -share) * self.each
        others = self.others + said[~vertex_polish] @ self.inputs[~vertex_polish]
        return _Near(
            self.inputs[vertex_polish],
            self.targets[vertex_polish],
            self.each[vertex_polish],
            self.off[vertex_polish],
            others,
        )


def vertex_polish(
    rows: RowSource,
    loss: Quantile,
    weights: Array,
    off: Array,
    column: int,
    holds: Holds,
    *,
    intercept: bool,
) -> Array | None:
    """The exact optimum of an output near these weights and residuals; None if not certified.

    Valid only if no row has then `crossed`, which the caller checks. One pass over the rows.
    Shapes:  weights (q,), off (n,), in the order of the rows
    """
    near = _near_rows(loss, off)
    rows_met, q = int(near.sum()), len(weights)
    if not loss.width or not 0 < rows_met <= TIES * q or rows_met + q > MOST:
        return None
    free = holds.free(weights)
    found = _near(rows, loss, off, near, column, intercept=intercept)
    # Ties are redundant constraints: keep independent rows only.
    basis = np.zeros(len(found.each), dtype=bool)
    basis[_independent(found.inputs[:, free])] = True
    inputs = found.inputs[basis]
    slope = found.only(basis, loss.share).others + holds.ridge * weights
    m, pull = len(inputs), holds.slopes(weights)[0]  # for a free weight the ends are equal
    whole = np.block(
        [[np.diag(holds.ridge[free]), inputs[:, free].T], [inputs[:, free], np.zeros((m, m))]]
    )
    aims = np.concatenate([-(slope + pull)[free], found.targets[basis] - inputs @ weights])
    # Minimum-norm step: collinear inputs leave many.
    moved = np.linalg.lstsq(whole, aims)[0]
    best = weights.copy()
    best[free] += moved[: free.sum()]
    stays = np.array_equal(holds.free(best), free) and np.array_equal(
        np.sign(best[holds.lasso > 0]), np.sign(weights[holds.lasso > 0])
    )
    proved = np.isfinite(best).all() and stays and _proved(found, loss, best, holds)
    return best if proved else None


def crossed(loss: Quantile, off: Array, now: Array) -> bool:
    """Whether a row that was not a candidate has changed sides: (n,) residuals."""
    return bool(np.any(~_near_rows(loss, off) & (np.sign(now) != np.sign(off))))


def _near_rows(loss: Quantile, off: Array) -> Mask:
    near: Mask = np.abs(off) <= REACH * loss.width
    return near


def _near(
    rows: RowSource,
    loss: Quantile,
    off: Array,
    near: Mask,
    column: int,
    *,
    intercept: bool,
) -> _Near:
    parts: list[Batch] = []
    others: Array = np.zeros(1)
    start = 0
    for batch in rows.batches():
        here = slice(start, start + len(batch))
        start += len(batch)
        delta = np.where(off[here] < 0, 1 - loss.share, -loss.share) * batch.each
        delta[near[here]] = 0.0
        others = others + delta @ design(batch.array, intercept=intercept)
        parts.append(batch.only(near[here]))
    kept, away = Batch.joined(parts), off[near]
    order = np.argsort(np.abs(away), kind="stable")
    return _Near(
        design(kept.array, intercept=intercept)[order],
        kept.targets[order, column],
        kept.each[order],
        away[order],
        others,
    )


def _independent(inputs: Array) -> list[int]:
    """Rows that are linearly independent of those before them."""
    kept: list[int] = []
    basis = np.zeros((0, inputs.shape[1]))
    for at, row in enumerate(inputs):
        # Gram-Schmidt twice, against rounding.
        left = row - basis.T @ (basis @ row)
        left -= basis.T @ (basis @ left)
        size = float(np.linalg.norm(left))
        if size > SURE * float(np.linalg.norm(row)):
            kept.append(at)
            basis = np.vstack([basis, left / size])
    return kept


def _proved(near: _Near, loss: Quantile, weights: Array, holds: Holds) -> bool:
    """Whether feasible deltas and subgradients sum to 0: the dual certificate."""
    from scipy.optimize import lsq_linear  # loads 0.1 s of modules, for this loss alone

    left = near.targets - near.inputs @ weights
    size = np.abs(near.inputs) @ np.abs(weights) + np.abs(near.targets)
    here = np.abs(left) <= ROUNDING * size
    if np.any(np.sign(left[~here]) != np.sign(near.off[~here])):
        return False
    near = near.only(here, loss.share)
    slopes = near.inputs * near.each[:, None]
    # The scale of weight_delta: the sum of absolute contributions.
    scale = np.abs(near.others) + np.abs(slopes).sum(axis=0)
    scale[scale == 0] = 1.0
    least, most = holds.slopes(weights)
    held = np.flatnonzero(least < most)
    known = near.others + holds.ridge * weights + np.where(least < most, 0.0, least)
    asked = -known / scale
    ways = np.hstack([(slopes / scale).T, np.eye(len(weights))[:, held]])
    low = np.concatenate([np.full(len(slopes), -loss.share), (least / scale)[held]])
    high = np.concatenate([np.full(len(slopes), 1 - loss.share), (most / scale)[held]])
    found = lsq_linear(ways, asked, (low - SURE, high + SURE), tol=1e-15)
    return bool(np.max(np.abs(ways @ found.x - asked)) <= SURE)
