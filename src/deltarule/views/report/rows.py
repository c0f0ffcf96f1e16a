"""Rows kept from a comparison: a sample, uniform over all rows however they come in batches.

Each row draws a number, and those with the smallest are kept (bottom-k sampling): a batch can be
forgotten as soon as the next one comes.

Shapes: n rows kept, p inputs, k outputs.
"""

import numpy as np
import polars as pl

from deltarule.losses.loss import Loss
from deltarule.model.predictor import PredictedRows
from deltarule.rule.predict import Array

SAMPLE_ROWS = 5_000
SEED = 0


class Rows:
    """The rows that a report shows, as they come by.

    Shapes:  inputs (n, p); predictions, targets (n, k)
    """

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self.seen = self._before = 0
        self._random = np.random.default_rng(SEED)
        self._keys = np.empty(0)
        self._frames: list[pl.DataFrame] = []
        self.inputs = self.predictions = self.targets = np.empty((0, 0))

    def add(self, batch: pl.DataFrame, scored: PredictedRows) -> None:
        """Some rows of a table, and what was made of those that have a target."""
        drawn = self._random.random(len(scored.targets))
        limit = self._keys.max() if len(self._keys) == SAMPLE_ROWS else 1.0
        new = np.flatnonzero(drawn < limit)
        first = not self._frames
        keys = np.concatenate([self._keys, drawn[new]])
        keep = np.sort(np.argsort(keys, kind="stable")[:SAMPLE_ROWS])
        self._keys = keys[keep]
        rows = batch[scored.number[new] - self._before]
        self._before += batch.height
        self.seen += len(drawn)
        self._frames = [pl.concat([*self._frames, rows], how="vertical_relaxed")[keep]]

        def kept(before: Array, added: Array) -> Array:
            return np.concatenate([added[:0] if first else before, added])[keep]

        self.inputs = kept(self.inputs, scored.inputs[new])
        self.predictions = kept(self.predictions, self._loss.link.inverse(scored.scores[new]))
        self.targets = kept(self.targets, scored.targets[new])

    @property
    def frame(self) -> pl.DataFrame:
        """The rows as they stand in the table."""
        return self._frames[0] if self._frames else pl.DataFrame()
