"""A column in pieces is the column."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.moments.chunked_array import ChunkedArray


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    start=st.integers(0, 25),
    rows=st.integers(0, 25),
)
def test_any_part_is_that_of_the_whole(sizes: list[int], start: int, rows: int) -> None:
    values = np.arange(float(sum(sizes)))
    cut = np.split(values, np.cumsum(sizes)[:-1])
    series = pl.Series("x", cut[0])
    for piece in cut[1:]:
        series.append(pl.Series("x", piece))
    column = ChunkedArray.of(series)
    assert len(column) == len(values)
    np.testing.assert_array_equal(column.whole, values)
    part = column.part(start, start + rows)
    np.testing.assert_array_equal(part, values[start : start + rows])


def test_what_lies_in_one_piece_is_not_copied() -> None:
    series = pl.concat([pl.Series("x", [1.0, 2.0]), pl.Series("x", [3.0, 4.0])], rechunk=False)
    column = ChunkedArray.of(series)
    assert len(column.arrays) == 2
    assert np.shares_memory(column.part(2, 4), column.arrays[1])
    assert not any(np.shares_memory(column.part(1, 3), array) for array in column.arrays)


def test_what_is_missing_is_nan() -> None:
    column = ChunkedArray.of(pl.Series("x", [1.0, None]))
    assert np.isnan(column.part(1, 2)).all()
