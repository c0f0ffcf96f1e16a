"""One-hot rows: the inputs of rows with categories of many levels, kept as places, never dense.

Shapes: n rows, p inputs of which a are dense, k outputs.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array
from deltarule.tables.column_names import check_there
from deltarule.tables.schema import MANY_LEVELS, Noticed, Schema
from deltarule.tables.schema_columns import Category, Number, placed


@dataclass(frozen=True)
class LevelPlaces:
    """A category of rows: each row's place among its levels, (n,).

    One past the last is the reference, two past it the average row: an unseen level.
    """

    start: int
    at: NDArray[np.int64]
    shares: Array
    """Each level's share of the training rows, (L,)."""


@dataclass(frozen=True)
class OneHotRows:
    """The design matrix of rows: dense columns (n, a) at `dense_at` (a,), and categories."""

    dense: Array
    dense_at: Sequence[int]
    levels: Sequence[LevelPlaces]
    width: int

    def __len__(self) -> int:
        return len(self.dense)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.width

    def __getitem__(self, rows: Any) -> "OneHotRows":
        levels = [replace(one, at=one.at[rows]) for one in self.levels]
        return replace(self, dense=self.dense[rows], levels=levels)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        inputs = np.zeros(self.shape, order="F")
        inputs[:, self.dense_at] = self.dense
        for one in self.levels:
            size = len(one.shares)
            level = np.flatnonzero(one.at < size)
            inputs[level, one.start + one.at[level]] = 1.0
            inputs[one.at > size, one.start : one.start + size] = one.shares
        return inputs

    def scores(self, weight: Array, centres: Array, starts: Array) -> Array:
        """The scores, summed column by column, inputs less their centres.

        Shapes:  weight (p, k), centres (p,), starts (n, k), what is added to -> (n, k)
        """
        parts: list[tuple[int, Array | LevelPlaces]] = [
            *zip(self.dense_at, self.dense.T, strict=True),
            *((one.start, one) for one in self.levels),
        ]
        scores = starts.copy()
        for start, part in sorted(parts, key=lambda one: one[0]):
            if not isinstance(part, LevelPlaces):
                scores += (part - centres[start])[:, None] * weight[start]
                continue
            own = weight[start : start + len(part.shares)]
            average = part.shares @ own
            scores += np.vstack([own, np.zeros_like(average), average])[part.at]
        return scores


Design = Array | OneHotRows


def design(
    schema: Schema, frame: pl.DataFrame, *, name: str = "the table", row: int = 0
) -> tuple[Design, Noticed]:
    """As `Schema.encode`, with categories as places where they have many levels."""
    spans = schema.spans()
    width = max((span.stop for span in spans.values()), default=0)
    if sum(len(one.levels) for one in schema.columns if isinstance(one, Category)) <= MANY_LEVELS:
        return schema.encode(frame, name=name, row=row)
    check_there(frame.columns, [column.name for column in schema.columns], name=name)
    noticed, levels, dense_at = Noticed(), [], list[int]()
    dense: list[Array] = []
    for column in schema.columns:
        series, span = frame[column.name], spans[column.name]
        if isinstance(column, Number):
            inputs = np.empty((frame.height, span.stop - span.start), order="F")
            where = f"{name}, column '{column.name}'"
            schema.encode_number(column, series, inputs, noticed, where, row)
            dense.append(inputs)
            dense_at += range(span.start, span.stop)
            continue
        codes = schema.codes(column, series, noticed)
        size = len(column.levels)
        at = np.where(codes < 0, size + 1, placed(column)[codes])
        total = sum(column.known.values())
        shares = np.array([column.known[str(level)] / total for level in column.levels])
        levels.append(LevelPlaces(span.start, at, shares))
    inputs = np.hstack(dense) if dense else np.empty((frame.height, 0))
    return OneHotRows(np.asfortranarray(inputs), dense_at, levels, width), noticed
