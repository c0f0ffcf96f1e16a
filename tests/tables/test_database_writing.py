"""Writing a table into a database: whole or not at all, never over one that is there."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import (
    DeltaruleError,
    OutputError,
)
from deltarule.tables.databases.database import open_database, write_table
from tests.tables.databases import refused, whole

# Writing


def test_a_table_that_is_there_is_left_as_it_is(url: str) -> None:
    write_table(url, "films", [pl.DataFrame({"x": [1.0]})])
    again = [pl.DataFrame({"x": [2.0]})]
    refused(lambda: write_table(url, "films", again), OutputError, "choose another name")
    assert whole(url)["x"].to_list() == [1.0]


class HalfWayError(Exception):
    """Something goes wrong while rows are made."""


def failing() -> Iterator[pl.DataFrame]:
    yield pl.DataFrame({"x": [1.0]})
    raise HalfWayError


@pytest.mark.parametrize("before", [False, True], ids=["a new file", "beside another table"])
def test_what_fails_half_way_leaves_nothing(url: str, before: bool, tmp_path: Path) -> None:
    if before:
        write_table(url, "makers", [pl.DataFrame({"x": [1.0]})])
    there = sorted(tmp_path.iterdir())
    with pytest.raises(HalfWayError):
        write_table(url, "films", failing())
    wrong = [pl.DataFrame({"x": [1.0]}), pl.DataFrame({"y": [1.0]})]
    refused(lambda: write_table(url, "films", wrong), OutputError, "different columns")
    assert sorted(tmp_path.iterdir()) == there
    assert before == (whole(url, table="makers").height == 1 if before else False)
    with pytest.raises(DeltaruleError):
        open_database(url, table="films")
    assert write_table(url, "films", [pl.DataFrame({"x": [1.0]})]) == 1


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame(),
        pl.DataFrame({"x": [[1.0]]}),
        pl.DataFrame({"x": [{"a": 1.0}]}),
        pl.DataFrame({"x": [object()]}),
        pl.DataFrame({"x": pl.Series([2**64 - 1], dtype=pl.UInt64)}),
        pl.DataFrame({f"column {at}": [1.0] for at in range(20_000)}),
    ],
    ids=["no columns", "a list", "a struct", "an object", "64 bits unsigned", "20,000 columns"],
)
def test_what_has_no_place_in_a_table_is_refused(url: str, frame: pl.DataFrame) -> None:
    if frame.width == 20_000 and url.startswith("duckdb"):
        pytest.skip("DuckDB takes them")
    refused(lambda: write_table(url, "films", [frame]), OutputError)
    refused(lambda: write_table(url, "films", []), OutputError, "nothing to write")
    refused(lambda: write_table(url, "", [frame]), OutputError, "no name")
    refused(lambda: write_table(url, "a\0b", [frame]), OutputError, "no name")


def test_a_table_without_rows_is_written_and_read(url: str) -> None:
    assert write_table(url, "films", [pl.DataFrame({"x": [1.0], "s": ["a"]}).clear()]) == 0
    found = whole(url)
    assert found.height == 0
    assert found.schema == {"x": pl.Float64, "s": pl.String}
    refused(lambda: dr.learn(open_database(url), predict="x"), DeltaruleError, "no rows")


def test_kinds_of_polars_that_databases_lack_are_written_as_the_nearest(url: str) -> None:
    frame = pl.DataFrame(
        {
            "u8": pl.Series([1, None], dtype=pl.UInt8),
            "u64": pl.Series([1, None], dtype=pl.UInt64),
            "c": pl.Series(["a", None], dtype=pl.Categorical),
            "dec": pl.Series(["1.10", None]).cast(pl.Decimal(10, 2)),
            "time": [dt.time(1, 2, 3), None],
            "zone": pl.Series([dt.datetime(2020, 1, 2), None]).dt.replace_time_zone("Asia/Tokyo"),
            "bytes": [b"\0a", None],
        }
    )
    write_table(url, "films", [frame])
    [first, second] = whole(url).rows(named=True)
    moment = dt.datetime(2020, 1, 1, 15, tzinfo=dt.UTC)
    assert str(first.pop("time")).startswith("01:02:03")
    assert first == {
        "u8": 1, "u64": 1, "c": "a", "dec": 1.1, "zone": moment, "bytes": b"\0a"
    }  # fmt: skip
    assert set(second.values()) == {None}
