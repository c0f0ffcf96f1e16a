"""Met: the last digits of a quantile, from the rows that its best plane passes through.

Learnt with a kink that is rounded, weights come within the rounding of the best ones. Which rows
the best ones meet is plain by then: there are as many as there are weights, or fewer beside a
ridge, and the others are far off beside the width. So the weights follow at once:

    inputs @ weights = targets                                      for the rows that are met
    sum of delta * input over all rows + ridge * weights = 0        for every weight

where a row that is met may have any delta from -share to 1 - share. That such deltas are found
proves the weights to be the best; where none are, nothing is taken.

Shapes: q weights of an output, the intercept last; n rows, m of them met.
Source:  Koenker 2005, sections 2.2 and 6.2
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from deltarule.learning.rows.passes import Batch, RowSource
from deltarule.moments.inference import design
from deltarule.rule.losses.robust import Quantile
from deltarule.rule.predict import Array

# A row is met whose residual is at most so many widths. Of those that are not, most are a million
# widths off; what is in between is tried, and then the proof fails.
REACH = 1e3
# Above so many for each weight they are ties, which no single plane meets.
TIES = 20
# Deltas, and residuals beside their targets, that are as good as those asked for.
SURE = 1e-9


@dataclass(frozen=True)
class _Near:
    """The rows near the plane, and what all others say.

    Shapes:  inputs (m, q), targets, each (m,), others (q,): the sum of their delta * input
    """

    inputs: Array
    targets: Array
    each: Array
    others: Array


def met(
    rows: RowSource, loss: Quantile, off: Array, column: int, ridge: Array, *, intercept: bool
) -> Array | None:
    """The best weights of an output, (q,), from residuals that nearly are theirs; None if unproved.

    It goes over the rows twice. `ridge` is the strength for each weight, times the rows.
    Shapes:  off (n,), in the order of the rows; ridge (q,)
    """
    near = np.abs(off) <= REACH * loss.width
    if not loss.width or not 0 < near.sum() <= TIES * len(ridge):
        return None
    found = _near(rows, loss, off, near, column, intercept=intercept)
    basis = _independent(found.inputs)
    if len(basis) < len(ridge) and not ridge.any():
        return None  # not a corner: other planes are as good
    inputs, targets = found.inputs[basis], found.targets[basis]
    m, q = inputs.shape
    whole = np.block([[np.diag(ridge), inputs.T], [inputs, np.zeros((m, m))]])
    try:
        solved = np.linalg.solve(whole, np.concatenate([-found.others, targets]))
    except np.linalg.LinAlgError:
        return None
    weights: Array = solved[:q]
    if not np.isfinite(weights).all() or not _proved(found, loss, weights, ridge):
        return None
    same = _sides(rows, off, near, column, weights, intercept=intercept)
    return weights if same else None


def _near(
    rows: RowSource,
    loss: Quantile,
    off: Array,
    near: NDArray[np.bool_],
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
        others = others + delta @ design(batch.inputs, intercept=intercept)
        parts.append(batch.only(near[here] & (batch.each > 0)))
    kept = Batch.joined(parts)
    return _Near(
        design(kept.inputs, intercept=intercept),
        kept.targets[:, column],
        kept.each,
        np.array(others),
    )


def _independent(inputs: Array) -> list[int]:
    """Rows that say something new beside those before them."""
    kept: list[int] = []
    basis = np.zeros((0, inputs.shape[1]))
    for at, row in enumerate(inputs):
        # Twice, so that rounding leaves no part of what is already there.
        left = row - basis.T @ (basis @ row)
        left -= basis.T @ (basis @ left)
        size = float(np.linalg.norm(left))
        if size > SURE * float(np.linalg.norm(row)):
            kept.append(at)
            basis = np.vstack([basis, left / size])
    return kept


def _proved(near: _Near, loss: Quantile, weights: Array, ridge: Array) -> bool:
    """Whether deltas that met rows may have make every weight_delta 0."""
    left = near.targets - near.inputs @ weights
    size = np.abs(near.inputs) @ np.abs(weights) + np.abs(near.targets)
    if np.any(np.abs(left) > SURE * size):
        return False
    slopes = near.inputs * near.each[:, None]
    # The scale by which a weight_delta is small: what the rows would say if all agreed.
    scale = np.abs(near.others) + np.abs(slopes).sum(axis=0)
    scale[scale == 0] = 1.0
    asked = -(near.others + ridge * weights) / scale
    bounds = (-loss.share - SURE, 1 - loss.share + SURE)
    found = lsq_linear((slopes / scale).T, asked, bounds, tol=1e-15)
    return bool(np.max(np.abs((slopes / scale).T @ found.x - asked)) <= SURE)


def _sides(
    rows: RowSource,
    off: Array,
    near: NDArray[np.bool_],
    column: int,
    weights: Array,
    *,
    intercept: bool,
) -> bool:
    """Whether every row that is not met stays on its side of the plane."""
    start = 0
    for batch in rows.batches():
        here = slice(start, start + len(batch))
        start += len(batch)
        left = batch.targets[:, column] - design(batch.inputs, intercept=intercept) @ weights
        crossed = ~near[here] & (batch.each > 0) & (np.sign(left) != np.sign(off[here]))
        if crossed.any():
            return False
    return True
