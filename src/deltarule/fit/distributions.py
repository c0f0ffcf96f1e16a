"""Distributions of a read: those of its numbers, from which drift is measured later.

They are of the rows drawn to judge by, up to some 20,000, or with a kept summary of all rows: a
histogram of every row would take 15 to 50% of the read.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from deltarule.moments.histogram import Histogram
from deltarule.rule.predict import Array, Mask
from deltarule.tables.cast import numbers_of
from deltarule.tables.column_names import only
from deltarule.tables.distributions import Distribution
from deltarule.tables.one_read import Read
from deltarule.tables.schema_columns import Number
from deltarule.tables.summary import Summary


def distributions(read: Read) -> tuple[Distribution, ...]:
    """That of each number, of the offset and of each target that is an amount."""
    if read.summary is not None and read.summary.histograms:
        made = (Distribution.of_histogram(*one) for one in _histograms(read.summary, _names(read)))
    else:
        made = (Distribution.of(*one) for one in _values(read, _names(read)))
    return tuple(one for one in made if one is not None)


def _names(read: Read) -> list[str]:
    schema = read.schema
    numbers = [one.name for one in schema.columns if isinstance(one, Number)]
    offset = [] if schema.offset is None else [schema.offset.name]
    amounts = [one.name for one in schema.targets if not one.classes]
    return list(dict.fromkeys([*numbers, *offset, *amounts]))


def _histograms(summary: Summary, names: list[str]) -> Iterator[tuple[str, Histogram]]:
    layout = summary.layout
    first, shifted = len(layout.numbers), bool(layout.offset and layout.shifted)
    after = first + len(layout.amounts)
    place = {name: at for at, name in enumerate(layout.numbers)}
    # An offset comes after the targets, and with it these once more, as they stand in the table.
    place |= {
        name: (after + 1 if shifted else first) + at for at, name in enumerate(layout.amounts)
    }
    if layout.offset is not None:
        place[layout.offset] = after
    for name in names:
        if place[name] < len(summary.histograms):
            yield name, summary.histograms[place[name]]


def _values(read: Read, names: list[str]) -> Iterator[tuple[str, Array]]:
    """The values of the rows drawn that were learnt from, without those that are missing."""
    if not read.drawn:
        return
    frame = pl.concat(read.drawn, how="vertical_relaxed")
    kept = _learnt(read, frame)
    # All columns at once: one by one, 5,000 of them take a second.
    frame = only(frame, names)
    if not kept.all():
        frame = frame.filter(kept)
    for name in names:
        where = f"{read.source.name}, column '{name}'"
        values = numbers_of(frame[name], where=where, row=0)
        yield name, values[np.isfinite(values)]


def _learnt(read: Read, frame: pl.DataFrame) -> Mask:
    """The rows that have a target and a weight, and where gaps drop rows no gap."""
    name = read.source.name
    kept: Mask = np.asarray(~np.isnan(read.every.outcomes(frame, name=name)).any(axis=1))
    weights = read.plan.row_weights(frame, name=name, row=0)
    if weights is not None:
        kept &= weights > 0
    if read.every.drop_missing:
        columns = [frame[one.name] for one in read.every.columns]
        for series in columns:
            gaps = series.fill_nan(None) if series.dtype.is_float() else series
            kept &= gaps.is_not_null().to_numpy()
    return kept
