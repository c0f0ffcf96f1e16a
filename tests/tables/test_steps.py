"""Steps of a wide table: the same rows together, however its source cuts them."""

import numpy as np
import polars as pl
import pytest

from deltarule.tables import polars_source
from deltarule.tables.frames import open_table
from deltarule.tables.source import BATCH_ROWS, batch_rows, in_steps

COLUMNS = 200
ROWS = batch_rows(COLUMNS)


def test_a_step_has_room_for_its_numbers_or_for_the_products_of_its_columns() -> None:
    for columns in (1, 20, 31, 200, 1_000, 5_000):
        rows = batch_rows(columns)
        assert rows * columns <= max(4_000_000, 8 * columns**2)
        assert rows == BATCH_ROWS or 2 * rows * columns > max(4_000_000, 8 * columns**2)


@pytest.mark.parametrize(
    "heights",
    [
        [5],
        [ROWS],
        [0],
        [ROWS, ROWS, 5],
        [3 * ROWS + 5, 3 * ROWS - 5, 7],
        [2 * ROWS + 1, 2 * ROWS + 1, 3],
    ],
)
def test_steps_are_the_same_however_rows_come(heights: list[int]) -> None:
    ends = np.cumsum([0, *heights])
    table = pl.DataFrame({"row": np.arange(ends[-1])})
    batches = [table.slice(start, height) for start, height in zip(ends, heights, strict=False)]
    steps = list(in_steps(batches, COLUMNS))
    assert pl.concat([step for step, _ in steps]).equals(table)
    assert all(step.height == ROWS for step, _ in steps[:-1])
    # One mark for each batch that was cut: what is left of it is a copy.
    assert sum(last for _, last in steps) == sum(height > ROWS for height in heights)


def test_slabs_are_row_groups_or_parts_of_them(tmp_path, monkeypatch) -> None:
    frame = pl.DataFrame({f"x{at}": np.arange(1_000.0) + at for at in range(70)})
    monkeypatch.setattr(polars_source, "WIDE_AT_ONCE_CELLS", 0)
    monkeypatch.setattr(polars_source, "SLAB_ROWS", 10)
    for group, most, heights in [
        (100, 250, [200] * 5),
        (300, 150, [150] * 6 + [100]),
        (300, 1, [10] * 100),
    ]:
        monkeypatch.setattr(polars_source, "WIDE_SLAB_CELLS", most * 70)
        frame.write_parquet(tmp_path / "t.parquet", row_group_size=group)
        source, _ = open_table(tmp_path / "t.parquet")
        batches = list(source.batches([pl.col(name) for name in frame.columns]))
        assert pl.concat(batches).equals(frame)
        assert [batch.height for batch in batches] == heights
