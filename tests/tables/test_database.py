"""Databases: what is read from each, what is refused, what is written, and what is never told."""

import contextlib
import datetime as dt
import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import (
    DeltaruleError,
    OutputError,
    ReadError,
)
from deltarule.tables.databases.database import open_database, write_table
from deltarule.tables.source import BATCH_ROWS, rebatched
from tests.tables.databases import films, refused, whole

KINDS = ["sqlite", "duckdb", "postgresql"]


def test_every_database_gives_the_model_of_the_frame_in_memory(url: str) -> None:
    frame = films(BATCH_ROWS + 1000)
    write_table(url, "films", frame.iter_slices(50_000))
    using = ["budget", "year", "genre", "colour"]
    ours = dr.learn(frame, predict="gross", using=using)
    source = open_database(url)
    theirs = dr.learn(source, predict="gross", using=using)
    assert theirs.record.weights == ours.record.weights
    assert theirs.record.moments == ours.record.moments
    assert theirs.record.contract == ours.record.contract
    assert source.reads == 1
    few = frame.head(100)
    assert theirs.predict(few).equals(ours.predict(few))


def test_predictions_are_the_same_from_every_database(url: str) -> None:
    frame = films(500)
    model = dr.learn(frame, predict="gross", using=["budget", "year", "genre", "colour"])
    write_table(url, "films", [frame])
    assert model.predict(open_database(url)).equals(model.predict(frame))


def test_batches_are_of_the_same_height_whatever_comes_from_the_database(url: str) -> None:
    frame = films(2 * BATCH_ROWS + 7)
    assert write_table(url, "films", frame.iter_slices(99_999)) == frame.height
    source = open_database(url)
    batches = list(source.batches([pl.col("year"), (pl.col("budget") * 2).alias("double")]))
    assert [batch.height for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 7]
    both = frame.select("year", double=pl.col("budget") * 2)
    assert pl.concat(batches).equals(both)
    list(source.batches([pl.col("gross")]))
    assert source.reads == 2
    assert source.rows in (frame.height, None)


@given(heights=st.lists(st.integers(0, 7), max_size=8), size=st.integers(1, 5))
@settings(deadline=None, derandomize=True)
def test_rebatching_keeps_rows_and_order(heights: list[int], size: int) -> None:
    ends = np.cumsum([0, *heights])
    frames = [
        pl.DataFrame({"x": pl.Series(range(a, b), dtype=pl.Int64)}) for a, b in pairwise(ends)
    ]
    batches = list(rebatched(iter(frames), size))
    assert [x for batch in batches for x in batch["x"]] == list(range(ends[-1]))
    assert all(batch.height == size for batch in batches[:-1])
    assert all(0 < batch.height <= size for batch in batches[-1:])


VALUES = {
    "n": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    "x": st.one_of(st.none(), st.floats(allow_nan=False)),
    "s": st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", codec="utf-8"))),
    "b": st.one_of(st.none(), st.booleans()),
    "d": st.one_of(st.none(), st.dates()),
    "t": st.one_of(st.none(), st.datetimes()),
}
SCHEMA: dict[str, Any] = {
    "n": pl.Int64,
    "x": pl.Float64,
    "s": pl.String,
    "b": pl.Boolean,
    "d": pl.Date,
    "t": pl.Datetime("us"),
}


@pytest.mark.parametrize("kind", KINDS)
@given(rows=st.lists(st.tuples(*VALUES.values()), min_size=1, max_size=20))
@settings(
    deadline=None,
    derandomize=True,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_is_written_is_read_again(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, rows: list[tuple[Any, ...]]
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    if kind == "postgresql":
        url = request.getfixturevalue("postgres")
        request.getfixturevalue("psql")("DROP TABLE IF EXISTS drawn")
    else:
        (tmp_path / "drawn").unlink(missing_ok=True)
        url = f"{kind}:///{tmp_path}/drawn"
    write_table(url, "drawn", [frame])
    found = whole(url, table="drawn")
    # Words for a missing number, alone in a column of SQLite that is declared text, stay text.
    assert found.equals(frame), (found, frame)
    assert found.schema == frame.schema


def test_duckdb_kinds_are_what_they_should_be(tmp_path: Path) -> None:
    path = str(tmp_path / "kinds.duckdb")
    with contextlib.closing(duckdb.connect(path)) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('glad', 'sad')")
        connection.execute(
            """CREATE TABLE kinds AS SELECT 1::tinyint AS i1, 3::ubigint AS u8,
            4::hugeint AS h, 1.25::decimal(10, 2) AS d, 1.5::float AS f, true AS b, 'x' AS s,
            'glad'::mood AS e, date '2020-01-02' AS dt, timestamp '2020-01-02 03:04:05' AS ts,
            timestamptz '2020-01-02 03:04:05+02' AS tz,
            '2020-01-02 03:04:05'::timestamp_s AS tss, '2020-01-02 03:04:05'::timestamp_ns AS tsn,
            time '03:04' AS tm, interval '1 day 2 hours' AS iv, [1, 2] AS a, {'a': 1} AS st,
            map {'a': 1} AS m, 'ab'::blob AS bl, union_value(x := 1) AS un, [1, 2]::int[2] AS fa,
            'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, 'infinity'::date AS di,
            '-infinity'::timestamp AS ti"""
        )
    source = open_database(path)
    utc = dt.UTC
    assert source.look().row(0, named=True) == {
        "i1": 1,
        "u8": 3,
        "h": 4.0,
        "d": 1.25,
        "f": 1.5,
        "b": True,
        "s": "x",
        "e": "glad",
        "dt": dt.date(2020, 1, 2),
        "ts": dt.datetime(2020, 1, 2, 3, 4, 5),
        "tz": dt.datetime(2020, 1, 2, 1, 4, 5, tzinfo=utc),
        "tss": dt.datetime(2020, 1, 2, 3, 4, 5),
        "tsn": dt.datetime(2020, 1, 2, 3, 4, 5),
        "tm": dt.time(3, 4),
        "iv": dt.timedelta(days=1, hours=2),
        "a": "[1, 2]",
        "st": "{'a': 1}",
        "m": "{a=1}",
        "bl": b"ab",
        "un": "1",
        "fa": "[1, 2]",
        "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "di": None,
        "ti": None,
    }
    assert len(source.notes) == 1


def test_an_error_in_the_middle_of_a_read_is_told_in_one_line(url: str) -> None:
    write_table(url, "films", [pl.DataFrame({"x": [1.0]})])
    query = {
        "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) "
        "SELECT CASE WHEN n = 300000 THEN abs(-9223372036854775808) ELSE n END AS n FROM s",
        "duckdb": "SELECT CASE WHEN n = 3000000 THEN error('no such row')::int ELSE n END AS n "
        "FROM range(4000000) AS s(n)",
        "postgresql": "SELECT 1 / (n - 3000000) AS n FROM generate_series(1, 4000000) AS s(n)",
    }
    source = open_database(url, query=query[url.split(":")[0]])
    batches = source.batches([pl.col("n")])
    assert next(batches)["n"].len() == BATCH_ROWS  # it streams: what is wrong is still ahead
    refused(lambda: list(batches), ReadError, "query cannot be read")


# Which table


def test_the_only_table_is_taken_and_else_one_must_be_chosen(url: str) -> None:
    refused(lambda: open_database(url), DeltaruleError)  # no file yet, or no tables
    frame = pl.DataFrame({"x": [1.0, 2.0]})
    write_table(url, "films", [frame])
    assert whole(url).equals(frame)
    write_table(url, "makers", [frame])
    refused(lambda: open_database(url), ReadError, "2 tables", "films, makers")
    refused(lambda: open_database(url, table="film"), ReadError, "did you mean films?")
    both = {"table": "films", "query": "select 1 as x"}
    refused(lambda: open_database(url, **both), DeltaruleError, "both")


@pytest.mark.parametrize(
    "name",
    [
        "films; DROP TABLE films",
        'films"; DROP TABLE films; --',
        "films'--",
        "(select 1)",
        "",
        ".",
        "a.b.c",
        "\0",
        "films\0",
        "\ud800",
        "x" * 10_000,
        "%s",
        "\N{CLAPPER BOARD}",
    ],
)
def test_a_hostile_name_is_just_a_table_that_is_not_there(url: str, name: str) -> None:
    write_table(url, "films", [pl.DataFrame({"x": [1.0, 2.0]})])
    with pytest.raises(ReadError, match="has no table") as caught:
        open_database(url, table=name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert whole(url).height == 2


def test_names_of_all_kinds_are_read_and_written(url: str) -> None:
    names = ['quo"te', "semi;colon", "line\nbreak", "SELECT", "%s", "\N{CLAPPER BOARD}", " ", "a b"]
    frame = pl.DataFrame({name: [1.0, 2.0] for name in names})
    for name in ['a "quoted" table', "Mixed Case", "select"]:
        write_table(url, name, [frame])
        assert whole(url, table=name).equals(frame)


def test_a_schema_may_be_named(postgres: str, psql: Any, tmp_path: Path) -> None:
    psql("DROP SCHEMA IF EXISTS other CASCADE", "CREATE SCHEMA other")
    frame = pl.DataFrame({"x": [1.0, 2.0]})
    path = f"{tmp_path}/x.duckdb"
    with contextlib.closing(duckdb.connect(path)) as connection:
        connection.execute("CREATE SCHEMA other")
    for url in (postgres, path):
        write_table(url, "other.films", [frame])
        write_table(url, "films", [frame * 2])
        assert whole(url, table="other.films").equals(frame)
        assert whole(url, table="films").equals(frame * 2)
        refused(lambda url=url: open_database(url, table="other.makers"), ReadError)
        refused(lambda url=url: write_table(url, "none.films", [frame]), OutputError, "none")
    psql("DROP SCHEMA other CASCADE")


def test_a_view_is_a_table_too(url: str, psql: Any) -> None:
    write_table(url, "films", [pl.DataFrame({"x": [1.0, 2.0]})])
    make = "CREATE VIEW dear AS SELECT x FROM films WHERE x > 1"
    with contextlib.ExitStack() as stack:
        if url.startswith("sqlite"):
            made: Any = stack.enter_context(contextlib.closing(sqlite3.connect(url[10:])))
            made.execute(make)
        elif url.startswith("duckdb"):
            made = stack.enter_context(contextlib.closing(duckdb.connect(url[10:])))
            made.execute(make)
        else:
            psql(make)
    source = open_database(url, table="dear")
    assert source.look()["x"].to_list() == [2.0]
    assert "view dear" in source.dialect
    assert open_database(url).rows in (2, None)  # one table, and a view
