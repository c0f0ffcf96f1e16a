"""Exact answers, worked out once for each table in another way than any contestant's.

Least squares by iterative refinement over the rows: each round reads what the weights still leave
of the targets, row by row, and corrects the weights by it. The Gram matrix only steers the
corrections, so its rounding does not stay in the answer: each round corrects what it left.

    weights += inv(inputs.T @ inputs) @ inputs.T @ (targets - inputs @ weights)

Inputs are centred and scaled to spread 1, in a first read, and chunks of rows are added pairwise
within and with math.fsum between them.

Shapes: n rows, p inputs. A chunk is inputs (n, p), targets (n,).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]
Chunks = Callable[[], Iterable[tuple[Any, Array]]]

ROUNDS = 3
CHUNK = 250_000
# Rows whose predictions are compared where contestants code levels each in their own way.
PREDICTED = 1000
# Descent is compared after as many steps as any contestant takes of it.
STEPS = (20, 1000)
STRENGTHS = [0.0, *np.logspace(-5, 2, 15).tolist()]
FOLDS = 5
LASSO_STRENGTHS = 100


def of_numbers(path: Path) -> dict[str, Any]:
    """Weights and intercept in the columns' own units, descent after some steps, the ridge path."""
    frame = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    targets = frame["y"].to_numpy()
    columns = frame.drop("y")
    mean = np.array([_sum(columns[name].to_numpy()) / len(frame) for name in columns.columns])
    spread = np.array([columns[name].std(ddof=0) for name in columns.columns])

    def chunks() -> Iterator[tuple[Array, Array]]:
        for start in range(0, len(frame), CHUNK):
            part = (columns[start : start + CHUNK].to_numpy() - mean) / spread
            yield np.column_stack([np.ones(len(part)), part]), targets[start : start + CHUNK]

    found = least_squares(chunks)
    weight = found.weights[1:] / spread
    descent = Descent.of(found)
    return {
        "weights": [*weight.tolist(), found.weights[0] - math.fsum(mean * weight)],
        "mean": mean.tolist(),
        "spread": spread.tolist(),
        "alpha": descent.alpha,
        "descent": {str(steps): descent.after(steps).tolist() for steps in STEPS},
        "ridge_path": ridge_path(chunks).tolist(),
        "lasso_strengths": lasso_strengths(found).tolist(),
    }


def of_links(path: Path) -> dict[str, Any]:
    """Nothing: `left` judges weights by the rows alone."""
    return {}


def left(path: Path, kind: str, values: Sequence[float], exact: Mapping[str, Any]) -> float:
    """What the rows still have to say against weights, as a share of what they say at the start.

    The weights are in the columns' own units, the intercept last. For yes/no and counts it is the
    norm of the mean loss's gradient on standardised inputs; at the start all weights are 0 and
    predictions the mean. For a lasso, by how much the gradient misses what the least strength
    allows, as a share of the strength that leaves no weight.
    """
    table = pl.read_parquet(path)
    target = table["y"].to_numpy()
    inputs = [table[name] for name in table.columns if name != "y"]
    weights = np.array(values)
    scores = np.full(len(target), weights[-1] if len(weights) > len(inputs) else 0.0)
    for column, weight in zip(inputs, weights, strict=False):
        scores += weight * column.to_numpy()
    means = {"gradient logistic": lambda: 1 / (1 + np.exp(-scores)), "lasso": lambda: scores}
    means["gradient poisson"] = lambda: np.exp(scores)
    predictions = means[kind]()
    if kind == "lasso":
        predictions += target.mean() - predictions.mean()
    here, start = (
        np.array([_slope(column, off) for column in inputs] + [off.mean()])
        for off in (predictions - target, target.mean() - target)
    )
    if kind != "lasso":
        return float(np.linalg.norm(here) / np.linalg.norm(start))
    strength, slope = min(exact["lasso_strengths"]), here[:-1]
    apart = np.where(weights != 0, slope + strength * np.sign(weights), 0.0)
    missed = np.where(weights != 0, np.abs(apart), np.maximum(np.abs(slope) - strength, 0.0))
    return float(missed.max() / np.abs(start).max())


def _slope(column: pl.Series, off: Array) -> float:
    values = column.to_numpy()
    return _sum((values - values.mean()) / values.std() * off) / len(off)


def lasso_strengths(found: "LeastSquares") -> Array:
    """A hundred strengths, from the one that leaves no weight to a thousandth of it."""
    # The column of ones stands first; inputs are standardised, so its share is the mean.
    top = float(np.abs(found.with_targets[1:]).max()) / found.rows
    return np.geomspace(top, top / 1000, LASSO_STRENGTHS)


def of_mixed(path: Path) -> dict[str, Any]:
    """Predictions of the first rows: gaps filled and marked, a column for every level."""
    frame = pl.read_parquet(path)
    inputs, targets = coded(dated(frame.drop("y"))), frame["y"].to_numpy()
    found = least_squares(
        lambda: (
            (inputs[start : start + CHUNK], targets[start : start + CHUNK])
            for start in range(0, len(frame), CHUNK)
        )
    )
    return {"predictions": (inputs[:PREDICTED] @ found.weights).tolist()}


def dated(frame: pl.DataFrame) -> pl.DataFrame:
    """Days as a number, months and weekdays as levels, in place of dates."""
    for name, kind in frame.schema.items():
        if kind == pl.Date:
            day = pl.col(name)
            frame = frame.with_columns(
                day.dt.month().cast(pl.String).alias(f"{name} month"),
                day.dt.weekday().cast(pl.String).alias(f"{name} weekday"),
                day.cast(pl.Int32).cast(pl.Float64),
            )
    return frame


def coded(frame: pl.DataFrame) -> sparse.csr_matrix:
    """Ones, standardised numbers with gaps as the mean, where they are missing, and levels."""
    parts: list[Any] = [np.ones((len(frame), 1))]
    for column in frame:
        gap = column.is_null()
        if column.dtype == pl.String:
            codes = column.fill_null("(missing)").rank("dense").to_numpy().astype(np.int64) - 1
            each = sparse.csr_matrix((np.ones(len(codes)), (np.arange(len(codes)), codes)))
            # Without the first level: with it, the levels would add up to the column of ones.
            parts.append(each[:, 1:])
        else:
            filled = column.fill_null(column.mean()).to_numpy()
            parts.append(((filled - filled.mean()) / filled.std())[:, None])
            if gap.any():
                parts.append(gap.to_numpy().astype(np.float64)[:, None])
    return sparse.hstack([sparse.csr_matrix(part) for part in parts], format="csr")


@dataclass(frozen=True)
class LeastSquares:
    """The exact weights, and the sums that led there."""

    weights: Array
    gram: Array
    with_targets: Array
    rows: int


def least_squares(chunks: Chunks) -> LeastSquares:
    """The weights with the least squared error, refined until only their own rounding is left."""
    gram, with_targets, rows = sums(chunks())
    weights = np.zeros(len(gram))
    for _ in range(ROUNDS):
        slopes = [inputs.T @ (targets - inputs @ weights) for inputs, targets in chunks()]
        weights = weights + np.linalg.solve(gram, _added(slopes))
    return LeastSquares(weights, gram, with_targets, rows)


def sums(chunks: Iterable[tuple[Any, Array]]) -> tuple[Array, Array, int]:
    """inputs.T @ inputs, inputs.T @ targets, and the rows."""
    grams, slopes, rows = [], [], 0
    for inputs, targets in chunks:
        gram = inputs.T @ inputs
        grams.append(gram.toarray() if sparse.issparse(gram) else gram)
        slopes.append(inputs.T @ targets)
        rows += len(targets)
    return sum(grams[1:], grams[0]), _added(slopes), rows


def ridge_path(chunks: Chunks) -> Array:
    """The typical error on held-out rows at each strength; a row's fold is its number mod 5."""
    folds = []
    for fold in range(FOLDS):
        folds.append(
            sums(
                (np.column_stack([x, t])[fold::FOLDS], t[fold::FOLDS])  # CHUNK is a multiple of 5
                for x, t in chunks()
            )[::2]
        )
    errors = np.zeros(len(STRENGTHS))
    whole, rows = sum(gram for gram, _ in folds), sum(rows for _, rows in folds)
    for own, own_rows in folds:
        others = (whole - own) / (rows - own_rows)
        for at, strength in enumerate(STRENGTHS):
            # The intercept, which stands first, is not penalised.
            penalty = strength * np.diag([0.0, *np.ones(len(own) - 2)])
            weights = np.linalg.solve(others[:-1, :-1] + penalty, others[:-1, -1])
            delta = np.append(weights, -1.0)
            errors[at] += delta @ own @ delta
    return np.sqrt(errors / rows)


@dataclass(frozen=True)
class Descent:
    """Full-batch descent on standardised inputs, from zero, step by step."""

    hessian: Array
    slope: Array
    alpha: float

    @classmethod
    def of(cls, found: LeastSquares) -> "Descent":
        """Descent with a tenth of the fastest alpha, so that step 1000 is still on its way."""
        hessian = found.gram / found.rows
        values = np.linalg.eigvalsh(hessian)
        alpha = float(0.2 / (values[0] + values[-1]))
        return cls(hessian, found.with_targets / found.rows, alpha)

    def after(self, steps: int) -> Array:
        """The weights after so many steps, the intercept first."""
        weights = np.zeros(len(self.slope))
        for _ in range(steps):
            weights = weights - self.alpha * (self.hessian @ weights - self.slope)
        return weights


def _sum(values: Array) -> float:
    return math.fsum(values[at : at + CHUNK].sum() for at in range(0, len(values), CHUNK))


def _added(parts: list[Array]) -> Array:
    return np.array([math.fsum(each) for each in zip(*parts, strict=True)])
