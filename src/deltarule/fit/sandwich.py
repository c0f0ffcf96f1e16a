"""Robust standard errors under heteroscedasticity: the sandwich, from one more pass over rows.

    variance = bread @ meat @ bread,  bread = inv(hessian),  meat = sum of score @ score.T
    score of a row = delta * input, its part of the weight_delta

    HC0  as above                               HC2  delta / sqrt(1 - h)
    HC1  times rows / (rows - weights)          HC3  delta / (1 - h), nearly the jackknife
    h, a row's leverage = input @ bread @ input * hessian of its loss

Moments do not suffice: the meat has products of four values of a row. `robust` is HC3, the safest
with few rows, and HC1 for classes, where a row has no single leverage.

Shapes: n rows, q = inputs free to learn + intercept, k outputs; b blocks of c coupled outputs,
m = c * q, outputs in order and within them weights; c is 1 but for classes.
Source:  White 1980; MacKinnon & White 1985; Long & Ervin 2000
"""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from deltarule.dataclass import dataclass
from deltarule.engines.base import RowSource
from deltarule.engines.questions import ScoreSums
from deltarule.errors import LearningError
from deltarule.losses.loss import Loss
from deltarule.moments.cluster_sums import ClusterSums
from deltarule.moments.inference import design, leverages
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Array, Linear, Weights

# A row with this leverage is fitted exactly whatever its target: its residual says nothing.
MET = 1 - 1e-10


@dataclass(frozen=True)
class ScoreRows:
    """Rows for the meat: design (n, q), delta (n, k), row weights (n,).

    `bend` (n, k) is the expected derivative of delta in the score; None for 1. `clusters` (n,) is
    each row's cluster; None where rows are independent.
    """

    design: Array
    delta: Array
    each: Array
    bend: Array | None = None
    clusters: pl.Series | None = None


def kind_of(errors: str, *, coupled: bool) -> str:
    """The kind of standard errors; `robust` is replaced by the suitable one.

    Errors:  LearningError for a kind that is undefined for classes
    """
    if coupled and errors in ("HC2", "HC3"):
        raise LearningError(f"{errors} is not defined for classes: choose robust, HC0 or HC1")
    if errors == "robust":
        return "HC1" if coupled else "HC3"
    return "CR1" if errors == "cluster" else errors


def robust_covariance(
    bread: Array,
    rows: Iterable[ScoreRows],
    standard: Standardization,
    *,
    kind: str,
    hat: Array | None = None,
    intercept: bool,
    sums: ClusterSums | None = None,
) -> Array:
    """The covariance of own weights, the intercept last; NaN where the bread is not finite.

    `hat` is the bread for the leverage, where that is another one. `sums` accumulates the scores
    of clusters.
    Shapes:  bread, hat (b, m, m), inverses of the Hessian summed over rows -> (k, q, q)
    """
    jacobian = standard.jacobian(intercept=intercept)
    q, blocks = len(jacobian), len(bread)
    coupled = bread.shape[1] // q
    weights = q * max(1, coupled - 1)
    meat, count = np.zeros_like(bread), 0.0
    for part in some_at_a_time(rows):
        count += float(part.each.sum())
        scores = _scores(part, blocks, coupled)
        if sums is not None:
            assert part.clusters is not None, "rows say which cluster they are of"
            sums.add(part.clusters, (scores * part.each[:, None, None]).reshape(len(scores), -1))
            continue
        for block in range(blocks):
            root = np.sqrt(part.each)
            if kind in ("HC2", "HC3"):
                root = root * _stretch(part, (bread if hat is None else hat)[block], block, kind)
            score_rows = scores[:, block] * root[:, None]
            meat[block] += score_rows.T @ score_rows
    meat *= _correction(kind, count, weights)
    if sums is not None:
        # Uncoupled outputs have a block each, on the diagonal.
        whole = sums.meat(kind, rows=count, weights=weights)
        width = coupled * q
        meat = np.array(
            [whole[at : at + width, at : at + width] for at in range(0, len(whole), width)]
        )
    return own_covariance(bread @ meat @ bread, jacobian)


def summed_covariance(
    bread: Array, sums: ScoreSums, standard: Standardization, *, kind: str, intercept: bool
) -> Array:
    """The covariance of kind HC0 or HC1 from what an engine adds up: (b, m, m) -> (k, q, q)."""
    jacobian = standard.jacobian(intercept=intercept)
    q = len(jacobian)
    weights = q * max(1, bread.shape[1] // q - 1)
    meat = sums.products * _correction(kind, sums.rows, weights)
    return own_covariance(bread @ meat @ bread, jacobian)


def _correction(kind: str, rows: float, weights: int) -> float:
    """What HC1 multiplies the meat by."""
    if kind != "HC1":
        return 1.0
    return rows / (rows - weights) if rows > weights else np.nan


def _scores(part: ScoreRows, blocks: int, coupled: int) -> Array:
    """Each row's score contribution, its part of the weight_delta: (n, b, c * q)."""
    n, q = part.design.shape
    delta = part.delta.reshape(n, blocks, coupled, 1)
    scores: Array = (delta * part.design[:, None, None, :]).reshape(n, blocks, coupled * q)
    return scores


def own_covariance(variance: Array, jacobian: Array) -> Array:
    """The covariance of each output's own weights, from that of standardised ones.

    Shapes:  variance (b, m, m), jacobian (q, q) -> (k, q, q)
    """
    q = len(jacobian)
    outputs = [slice(at, at + q) for at in range(0, variance.shape[1], q)]
    of_each = np.array([block[at, at] for block in variance for at in outputs])
    covariance: Array = jacobian @ of_each @ jacobian.T
    return covariance


def errors_of(covariance: Array) -> Array:
    """Standard errors, the root of each variance: (k, q, q), or (k, q), -> (q, k)."""
    variance = covariance
    if covariance.ndim == 3:
        variance = np.diagonal(covariance, axis1=1, axis2=2)
    errors: Array = np.sqrt(np.maximum(variance, 0.0)).T
    return errors


def _stretch(part: ScoreRows, hat: Array, block: int, kind: str) -> Array:
    """Each row's leverage correction of delta (HC2, HC3)."""
    leverage = leverages(part.design, hat, None if part.bend is None else part.bend[:, block])
    left = np.where(leverage < MET, 1 - leverage, np.inf)
    stretched: Array = 1 / np.sqrt(left) if kind == "HC2" else 1 / left
    return stretched


def score_rows(rows: RowSource, model: Linear, loss: Loss, weights: Weights) -> Iterator[ScoreRows]:
    """Scores of every row at these weights, in batches."""
    for batch in rows.batches():
        scores = batch.scores(model, weights)
        bend = loss.hessian(scores)
        yield ScoreRows(
            design(batch.array, intercept=model.intercept),
            loss.delta(scores, batch.targets),
            batch.each,
            bend if bend.ndim == 2 else None,
            batch.clusters,
        )


def some_at_a_time(rows: Iterable[ScoreRows]) -> Iterator[ScoreRows]:
    """Rows in smaller pieces, to bound memory."""
    for part in rows:
        for start in range(0, len(part.each), 8192):
            at = slice(start, start + 8192)
            bend = None if part.bend is None else part.bend[at]
            clusters = None if part.clusters is None else part.clusters[at]
            yield ScoreRows(part.design[at], part.delta[at], part.each[at], bend, clusters)
