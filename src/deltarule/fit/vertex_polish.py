"""Vertex polish for quantile regression: rows that the smoothed fit nearly meets are met exactly.

At the optimum as many rows as there are free weights have no residual, fewer beside a ridge: it is
a vertex of a linear program. With a smoothed kink, weights come within the smoothing of it, where
these rows are plain: all others are far off beside the smoothing's width. So the weights take the
shortest step that meets them. The caller keeps it where the loss is not higher for it.

Source:  Koenker 2005, sections 2.2 and 6.2
"""

import numpy as np

from deltarule.engines.base import RowSource
from deltarule.engines.batch import Batch
from deltarule.moments.inference import design
from deltarule.rule.predict import Array, Mask

# Rows that are met have residuals of some widths: all within so many. Where ties make them more
# than TIES for each weight and MOST, the nearest say enough.
REACH, TIES, MOST = 1e3, 20, 1000


def vertex_polish(
    rows: RowSource, weights: Array, off: Array, width: Array, free: Mask, *, intercept: bool
) -> Array:
    """Weights that meet the rows whose residuals are within reach of the smoothing's width.

    Shapes:  weights, free (q, k), the intercept last; residuals off (n, k); width (k,)
    """
    far = np.abs(off)
    most = min(max(TIES * len(weights), MOST), len(off))
    near = far <= np.minimum(REACH * width, np.partition(far, most - 1, axis=0)[most - 1])
    near &= np.cumsum(near, axis=0) <= most
    picked, start, parts = near.any(axis=1), 0, []
    for batch in rows.batches():
        parts.append(batch.only(picked[start : start + len(batch)]))
        start += len(batch)
    inputs = design(Batch.joined(parts).array, intercept=intercept)
    moved = weights.copy()
    for at in range(weights.shape[1]):
        met, own = near[picked, at], free[:, at]
        moved[own, at] += np.linalg.lstsq(inputs[met][:, own], off[picked, at][met])[0]
    return moved
