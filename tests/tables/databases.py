"""What tests of databases share: a table's rows read whole, and refusals without a password."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from deltarule.errors import (
    DeltaruleError,
    ReadError,
)
from deltarule.tables.databases.database import open_database
from deltarule.tables.source import LOOK_ROWS


def whole(url: str, **asked: Any) -> pl.DataFrame:
    source = open_database(url, **asked)
    look = source.look()
    parts = list(source.batches([pl.col(name) for name in look.columns]))
    found = pl.concat(parts) if parts else look
    assert found.schema == look.schema
    assert found.head(LOOK_ROWS).equals(look)
    return found


def refused(do: Callable[[], Any], error: type[DeltaruleError] = ReadError, *words: str) -> str:
    """The one line that this is refused with."""
    with pytest.raises(error) as caught:
        do()
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 700, line
    for word in words:
        assert word in line, line
    return line


def films(rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    budget = rng.lognormal(3, 1, rows)
    genre = rng.choice(["drama", "farce", 'it\'s "new"', "ünïcode 🎬"], rows)
    return pl.DataFrame(
        {
            "budget": [None if at % 11 == 4 else float(x) for at, x in enumerate(budget)],
            "year": rng.integers(1920, 2020, rows),
            "genre": [None if at % 13 == 7 else str(g) for at, g in enumerate(genre)],
            "colour": rng.random(rows) < 0.5,
            "opened": [dt.date(1970, 1, 1) + dt.timedelta(days=int(d)) for d in range(rows)],
            "gross": 2.5 * budget + (genre == "farce") + rng.normal(0, 1, rows),
        }
    )
