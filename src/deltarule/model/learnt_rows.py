"""Learnt rows: whether the rows of a table are those that a model learnt from.

A record keeps no rows. It has their number, their targets' means and the training error; a table
with the same three, to nine digits, has the same rows, in whatever order or file. Of a part of
them, or of more rows, only the name of the table tells.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from deltarule.losses.loss import MEAN
from deltarule.metrics.regression import MetricSums
from deltarule.model.record import Record
from deltarule.model.summary import held_out_told
from deltarule.tables.source import Source, without_folder

Learnt = Literal["these", "perhaps", "new"]
"""Rows of a table are those learnt from; may be, as the table has the same name; or are new."""

# Sums in another order differ by rounding: relative to the error of the null model.
ROUNDING = 1e-9


def learnt_rows(
    record: Record, sums: Sequence[MetricSums], examples: int, source: Source
) -> Learnt:
    """Whether these are rows that the model learnt from; `sums` are of each target."""
    if examples == record.examples and all(
        _same(record, at, one) for at, one in enumerate(sums) if one.sums.rows > 0
    ):
        return "these"
    return "perhaps" if source.files and _same_table(record.learnt_from, source.name) else "new"


def _same(record: Record, at: int, sums: MetricSums) -> bool:
    """Whether a target's sums have the number of training rows, their mean and their error."""
    span = list(record.contract.target_spans().values())[at]
    moments, fit = sums.targets, record.fit[at]
    if moments is None or abs(sums.sums.rows - record.rows) > ROUNDING * record.rows:
        return False
    spread = np.sqrt(max(sums.guessed_squared, sums.about_mean) / sums.sums.rows)
    if abs(np.sqrt(sums.sums.squared / sums.sums.rows) - fit.rmse) > ROUNDING * (spread + fit.rmse):
        return False
    if record.contract.offset is not None or sums.loss.guess != MEAN:
        return True  # the guesses beside an offset, and of quantiles, are no means
    mean, guess = moments.mean * moments.scale, np.array(record.target_means)[span]
    return bool((np.abs(mean - guess) <= ROUNDING * (np.abs(guess) + spread)).all())


def _same_table(learnt_from: str, name: str) -> bool:
    """Whether tables have the same name; with conditions that differ, rows were parted."""
    here = without_folder(name)
    if here == learnt_from:
        return True
    tables = [one.split(" without ")[0] for one in learnt_from.split(" and ")]
    either = " where " in learnt_from and " where " in here
    return not either and _table(here) in map(_table, tables)


def _table(name: str) -> str:
    return name.split(" where ")[0]


def not_new(record: Record, learnt: Learnt, name: str) -> list[str]:
    """A note on rows that the model learnt from, beside its error on held-out rows."""
    if learnt == "new":
        return []
    if learnt == "perhaps":
        return [f"it learnt from {name}: if these are the same rows, they are not new to it"]
    note = "these are the rows that it learnt from"
    targets = zip(record.contract.targets, record.held_out or (), strict=False)
    told = [(target.name, held_out_told(record, one)) for target, one in targets]
    if not told:
        return [f"{note}: their error says too little of new rows"]
    if len(told) == 1:
        return [f"{note}; {told[0][1]}"]
    return [note, *(f"{name}: {words}" for name, words in told)]
