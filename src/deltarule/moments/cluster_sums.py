"""Cluster-robust standard errors: residuals may be correlated within a cluster, as of one user.

    variance = bread @ meat @ bread,  meat = sum over clusters of score @ score.T
    score of a cluster = the sum of its rows' delta * input

CR0  as above                         CR1  times G / (G - 1) * (n - 1) / (n - q), as `cluster` is

One pass keeps a sum of m numbers for each cluster, in any row order. CR1 is the default of
statsmodels (`cov_type="cluster"`) and Stata, CR0 is statsmodels without its small-sample
correction (`use_correction=False`).

Shapes: n rows, G clusters, m = b * c * q as in sandwich.py.
Source:  Liang & Zeger 1986; Cameron & Miller 2015
"""

from dataclasses import field

import numpy as np
import polars as pl

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError
from deltarule.rule.predict import Array

KINDS = ("CR0", "CR1")
# Limit on the bytes of all cluster sums, with what it takes to store each cluster's value.
LARGEST_SUMS, PER_CLUSTER = 1 << 29, 150
# With fewer clusters the standard errors are themselves imprecise, and biased downwards.
FEW = 30


@dataclass
class ClusterSums:
    """Sums of score contributions by cluster; rows without a cluster form one together.

    Shapes:  sums (room, m), of which the first `len(places)` are used
    """

    column: str
    places: dict[object, int] = field(default_factory=dict)
    sums: Array | None = None
    gaps: int = 0

    @classmethod
    def of(cls, column: str | None, kind: str) -> "ClusterSums | None":
        """Empty sums for a column's clusters; None for another kind of standard errors."""
        return cls(column) if column is not None and kind in KINDS else None

    def add(self, clusters: pl.Series, scores: Array) -> None:
        """Accumulate some rows.

        Shapes:  clusters (n,), scores (n, m)
        Errors:  LearningError where the sums would not fit
        """
        self.gaps += clusters.null_count()
        values = clusters.unique()
        for value in values.to_list():
            self.places.setdefault(value, len(self.places))
        place = pl.Series([self.places[value] for value in values.to_list()], dtype=pl.Int64)
        codes = clusters.replace_strict(values, place, return_dtype=pl.Int64).to_numpy()
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        self._widen(scores.shape[1])
        assert self.sums is not None, "there is room"
        self.sums[codes[order][starts]] += np.add.reduceat(scores[order], starts, axis=0)

    def _widen(self, width: int) -> None:
        """Grow the array to hold all clusters so far."""
        room = 0 if self.sums is None else len(self.sums)
        if len(self.places) <= room:
            return
        each = width * 8 + PER_CLUSTER
        if len(self.places) * each > LARGEST_SUMS:
            raise LearningError(
                f"'{self.column}' has {len(self.places):,} clusters or more, and a sum for each of "
                f"them and each of {width:,} weights takes over {LARGEST_SUMS / 1e9:.1f} GB: name "
                "a coarser column, fewer inputs, or other errors such as robust"
            )
        most = max(len(self.places), min(2 * room, LARGEST_SUMS // each))
        wide = np.zeros((most, width))
        if self.sums is not None:
            wide[:room] = self.sums
        self.sums = wide

    @property
    def count(self) -> int:
        """The number of clusters."""
        return len(self.places)

    def meat(self, kind: str, *, rows: float, weights: int) -> Array:
        """The sum of score @ score.T over clusters, with the correction of the kind.

        Shapes:  -> (m, m)
        Errors:  LearningError for a single cluster, which has no variance
        """
        if self.count < 2 or self.sums is None:
            raise LearningError(
                f"'{self.column}' is the same in every row: standard errors need two clusters at "
                "least"
            )
        meat: Array = self.sums.T @ self.sums
        if kind == "CR1":
            correction = self.count / (self.count - 1) * (rows - 1)
            meat *= correction / (rows - weights) if rows > weights else np.nan
        return meat

    def notes(self) -> list[str]:
        """Reasons why the standard errors are less reliable."""
        found = []
        if self.gaps:
            rows = "1 row" if self.gaps == 1 else f"{self.gaps:,} rows"
            found.append(f"{self.column} is missing in {rows}: they count as one cluster")
        if self.count < FEW:
            found.append(
                f"standard errors of only {self.count} clusters of {self.column} are rough, and "
                "more often too small than too large"
            )
        return found
