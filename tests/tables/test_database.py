"""Databases: what is read from each, what is refused, what is written, and what is never told."""

import contextlib
import datetime as dt
import math
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import (
    ColumnError,
    DeltaruleError,
    MissingExtraError,
    NotFoundError,
    OutputError,
    ReadError,
)
from deltarule.tables.databases import url as address
from deltarule.tables.databases.database import is_database, open_database, write_table
from deltarule.tables.polars_source import UnparsedError
from deltarule.tables.source import BATCH_ROWS, LOOK_ROWS, rebatched

KINDS = ["sqlite", "duckdb", "postgresql"]
PASSWORD = "p@ss/w:rd %?#é"  # of the role 'walled': conftest.py


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind with nothing in it."""
    if request.param == "postgresql":
        request.getfixturevalue("psql")
        found: str = request.getfixturevalue("postgres")
        return found
    return f"{request.param}:///{tmp_path}/films.{request.param}"


@pytest.fixture
def sqlite(tmp_path: Path) -> Callable[..., str]:
    """Makes a SQLite file with these statements."""

    def made(*statements: str) -> str:
        path = tmp_path / "made.db"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return str(path)

    return made


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


# PostgreSQL


def test_postgres_kinds_are_what_they_should_be(postgres: str, psql: Any) -> None:
    psql(
        "CREATE TYPE mood AS ENUM ('glad', 'sad')",
        "CREATE DOMAIN price AS numeric CHECK (VALUE > 0)",
        "CREATE DOMAIN dear AS price",
        "CREATE DOMAIN fare AS money",
        "CREATE TYPE pair AS (a int, b text)",
        """CREATE TABLE kinds (
            i2 smallint, i8 bigint, f4 real, f8 double precision, n numeric, n2 numeric(10, 2),
            dear dear, fare fare, b boolean, t text, c char(4), e mood, d date, ts timestamp,
            tz timestamptz, tm time, ttz timetz, iv interval, u uuid, j json, jb jsonb, a int[],
            na numeric[], by bytea, m money, ip inet, x xml, o oid, p point, bits bit(3),
            r int4range, pair pair)""",
        """INSERT INTO kinds VALUES (
            1, 3, 1.5, 2.5, 100000000000000000000.5, 3.25, 7.5, 8.25, true, 'x', 'z', 'glad',
            '2020-01-02', '2020-01-02 03:04:05', '2020-01-02 03:04:05+02', '03:04', '03:04+02',
            '1 day 2 hours', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '{"a": 1}',
            '{1,2}', '{1.5}', '\\x00ff', '12.34', '10.0.0.1', NULL, 4000000000, '(1,2)', '101',
            '[1,5)', '(1,a)')""",
        "INSERT INTO kinds (f4, n, n2) VALUES ('NaN', 'NaN', NULL)",
    )
    found = whole(postgres)
    utc = dt.UTC
    expected: dict[str, Any] = {
        "i2": 1,
        "i8": 3,
        "f4": 1.5,
        "f8": 2.5,
        "n": 1e20,
        "n2": 3.25,
        "dear": 7.5,
        "fare": 8.25,
        "b": True,
        "t": "x",
        "c": "z",
        "e": "glad",
        "d": dt.date(2020, 1, 2),
        "ts": dt.datetime(2020, 1, 2, 3, 4, 5),
        "tz": dt.datetime(2020, 1, 2, 1, 4, 5, tzinfo=utc),
        "tm": dt.time(3, 4),
        "ttz": "03:04:00+02",
        "iv": dt.timedelta(days=1, hours=2),
        "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "j": '{"a": 1}',
        "jb": '{"a": 1}',
        "a": "{1,2}",
        "na": "{1.5}",
        "by": b"\0\xff",
        "m": 12.34,
        "ip": "10.0.0.1/32",
        "x": None,
        "o": 4_000_000_000,
        "p": "(1,2)",
        "bits": "101",
        "r": "[1,5)",
        "pair": "(1,a)",
    }
    assert found.row(0, named=True) == expected
    second = found.row(1, named=True)
    assert math.isnan(second["f4"])
    assert all(value is None for name, value in second.items() if name != "f4")
    numbers = ["n", "n2", "dear", "fare", "m"]
    assert [found.schema[name] for name in numbers] == [pl.Float64] * len(numbers)


@given(digits=st.lists(st.decimals(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
@settings(
    deadline=None,
    derandomize=True,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_postgres_numerics_are_the_nearest_floats(postgres: str, digits: list[Any]) -> None:
    digits = [d for d in digits if -300 < d.adjusted() < 300 and len(d.as_tuple().digits) < 60]
    rows = ", ".join(f"('{d:f}'::numeric)" for d in [1, *digits])
    found = whole(postgres, query=f"SELECT n FROM (VALUES {rows}) AS v(n)")
    assert found["n"].to_list() == [float(d) for d in [1, *digits]]


def test_dates_without_a_place_in_the_calendar_count_as_missing_and_are_told(
    postgres: str, psql: Any
) -> None:
    psql(
        "CREATE TABLE ends (d date, t timestamp, z timestamptz, i interval)",
        "INSERT INTO ends VALUES ('infinity', '-infinity', 'infinity', 'infinity')",
        "INSERT INTO ends VALUES ('0044-03-15 BC', '20000-01-01', '20000-01-01 00:00+00', NULL)",
        "INSERT INTO ends VALUES ('0001-01-01', '9999-12-31', '2000-01-01 00:00+00', '1 hour')",
    )
    source = open_database(postgres)
    assert source.look().null_count().row(0) == (2, 2, 2, 2)
    [note] = source.notes
    assert "count as missing" in note
    whole(postgres)


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


def test_a_large_table_is_read_in_the_same_order_while_others_read_it(
    postgres: str, psql: Any
) -> None:
    # Large enough (a quarter of the shared buffers) for the server to let reads share their scans.
    psql(
        "CREATE TABLE long AS SELECT g AS n, repeat('x', 400) AS s FROM generate_series(1, 90000) g"
    )
    assert psql("SELECT pg_relation_size('long') > 32 * 1024 * 1024")[0][0]
    source = open_database(postgres)
    other = source.batches([pl.col("s")])
    next(other)
    [batch] = source.batches([pl.col("n")])
    assert batch["n"].to_list() == list(range(1, 90001))
    other.close()  # type: ignore[attr-defined]


def test_text_that_is_not_utf8_is_refused(postgres: str, psql: Any) -> None:
    psql("DROP DATABASE IF EXISTS bytes")
    psql(
        "CREATE DATABASE bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    url = postgres.replace("/postgres?", "/bytes?")
    query = "SELECT convert_from('\\xe9'::bytea, 'SQL_ASCII') AS s"
    refused(lambda: open_database(url, query=query).look(), ReadError, "query")
    psql("DROP DATABASE bytes")


def test_text_of_another_encoding_is_read(postgres: str, psql: Any) -> None:
    psql("DROP DATABASE IF EXISTS latin")
    psql("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    url = postgres.replace("/postgres?", "/latin?")
    write_table(url, "words", [pl.DataFrame({"s": ["élan", "Ærø"]})])
    assert whole(url)["s"].to_list() == ["élan", "Ærø"]
    psql("DROP DATABASE latin")


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


# SQLite


def test_sqlite_dates_and_booleans_are_taken_as_declared(sqlite: Any) -> None:
    path = sqlite(
        "CREATE TABLE t "
        "(d DATE, m TIMESTAMP, z DATETIME, some DATE, b BOOLEAN, two BOOLEAN, t TEXT)",
        "INSERT INTO t VALUES ('2020-01-02', '2020-01-02 03:04', '2020-01-02T03:04:05Z', "
        "'2020-01-02', 1, 2, '2020-01-02')",
        "INSERT INTO t VALUES (NULL, '2020-01-02T03:04:05.25', '2020-01-02 03:04+02:00', "
        "'soon', 0, 0, NULL)",
    )
    found = whole(path)
    assert found["d"].to_list() == [dt.date(2020, 1, 2), None]
    assert found["m"].to_list() == [
        dt.datetime(2020, 1, 2, 3, 4),
        dt.datetime(2020, 1, 2, 3, 4, 5, 250_000),
    ]
    # The hours of an offset are those written, which text keeps.
    assert found["z"].to_list() == ["2020-01-02T03:04:05Z", "2020-01-02 03:04+02:00"]
    assert found["some"].to_list() == ["2020-01-02", "soon"]
    assert found["b"].to_list() == [True, False]
    assert found["two"].to_list() == [2.0, 0.0]
    assert found["t"].to_list() == ["2020-01-02", None]


@pytest.mark.parametrize(
    ("declared", "values", "kind", "found"),
    [
        ("INTEGER", "1, 2, NULL", pl.Int64, [1, 2, None]),
        ("INTEGER", "1, 2.5", pl.Float64, [1.0, 2.5]),
        ("INTEGER", "1, 'NA', ''", pl.Int64, [1, None, None]),
        ("INTEGER", "1, 'one'", pl.String, ["1", "one"]),
        ("INTEGER", "'NA'", pl.Int64, [None]),
        ("INTEGER", "NULL", pl.Int64, [None]),
        ("DECIMAL(10, 2)", "3, 4", pl.Float64, [3.0, 4.0]),
        ("REAL", "3, '-'", pl.Float64, [3.0, None]),
        ("TEXT", "3, 'NA'", pl.String, ["3", "NA"]),
        ("", "3, 4.5, 'x'", pl.String, ["3", "4.5", "x"]),
        ("", "NULL", pl.Null, [None]),
        ("BLOB", "3, x'00ff', NULL", pl.Binary, [b"3", b"\0\xff", None]),
        ("DATE", "20200102, 20200103", pl.Int64, [20200102, 20200103]),
        ("DATE", "NULL", pl.Date, [None]),
        ("REAL", "9e999, -9e999", pl.Float64, [math.inf, -math.inf]),
        ("INTEGER", "9223372036854775807", pl.Int64, [2**63 - 1]),
    ],
)
def test_a_sqlite_column_is_what_its_values_are(
    sqlite: Any, declared: str, values: str, kind: Any, found: list[Any]
) -> None:
    each = ", ".join(f"({value})" for value in values.split(", "))
    path = sqlite(f"CREATE TABLE t (x {declared})", f"INSERT INTO t VALUES {each}")
    assert whole(path)["x"].to_list() == found
    assert whole(path)["x"].dtype == kind


def test_a_sqlite_column_of_numbers_and_text_is_text_and_told(sqlite: Any) -> None:
    source = open_database(
        sqlite("CREATE TABLE t (x INTEGER)", "INSERT INTO t VALUES (1), ('one')")
    )
    source.look()
    assert source.notes == ["x holds numbers and text: all of it is taken as text"]


MANY = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {LOOK_ROWS + 50})"


@pytest.mark.parametrize(
    ("declared", "before", "late", "kind"),
    [
        ("INTEGER", "n", "0.5", pl.Float64),
        ("INTEGER", "n", "'late'", pl.String),
        ("INTEGER", "NULL", "'late'", pl.String),
        ("TEXT", "'a' || n", "x'00'", pl.Binary),
        ("DATE", "'2020-01-02'", "'never'", pl.String),
        ("DATE", "'2020-01-02'", "'2020-01-02 03:04'", pl.String),
        ("BOOLEAN", "1", "7", pl.Int64),
        ("", "NULL", "7", pl.Int64),
    ],
)
def test_sqlite_values_far_down_that_are_of_another_kind(
    sqlite: Any, declared: str, before: str, late: str, kind: Any
) -> None:
    path = sqlite(
        f"CREATE TABLE t (x {declared}, y REAL)",
        f"{MANY} INSERT INTO t SELECT {before}, n FROM c",
        f"INSERT INTO t VALUES ({late}, 0)",
    )
    source = open_database(path)
    if declared:
        line = refused(lambda: list(source.batches([pl.col("x")])), UnparsedError)
        assert f"column 'x', row {LOOK_ROWS + 51}: " in line
        list(source.batches([pl.col("y")]))  # who does not ask for it is not bothered
        assert source.reads == 2
        assert source.widen()
        assert source.reads == 3
    found = pl.concat(source.batches([pl.col("x")]))["x"]
    assert found.dtype == kind == source.look().schema["x"]
    assert found.len() == LOOK_ROWS + 51
    assert found.null_count() == (LOOK_ROWS + 50 if before == "NULL" else 0)
    assert not source.widen()


def test_learning_goes_on_where_sqlite_values_change_kind(sqlite: Any) -> None:
    path = sqlite(
        "CREATE TABLE t (x INTEGER, y REAL)",
        f"{MANY} INSERT INTO t SELECT n % 100, 2.0 * (n % 100) + n % 7 FROM c",
        "INSERT INTO t VALUES (0.5, 1.0)",
    )
    source = open_database(path)
    model = dr.learn(source, predict="y", ridge=0)
    assert model.record.weights[0].weight == pytest.approx(2, rel=1e-3)
    assert source.reads == 3  # up to that row, all for their types, all for the model


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


# Queries


@pytest.mark.parametrize(
    "query",
    [
        "SELECT x, 2 * x AS y FROM films ORDER BY x DESC",
        "select x, 2 * x as y from films order by x desc;",
        "-- what\n/* and */ WITH a AS (SELECT x, 2 * x AS y FROM films) "
        "SELECT * FROM a ORDER BY x DESC -- so",
        "(SELECT x, 2 * x AS y FROM films ORDER BY x DESC)",
    ],
)
def test_a_query_is_read_in_its_order(url: str, query: str) -> None:
    if url.startswith("sqlite") and query.startswith("("):
        pytest.skip("no SQL of SQLite")
    write_table(url, "films", [pl.DataFrame({"x": [float(x % 1000) for x in range(3000)]})])
    found = whole(url, query=query)
    assert found["x"].to_list() == sorted(found["x"].to_list(), reverse=True)
    assert (found["y"] == 2 * found["x"]).all()
    assert open_database(url, query=query).name.endswith(", query")


@pytest.mark.parametrize(
    "query",
    [
        "",
        ";",
        "-- nothing",
        "/* open",
        "SELECT",
        "SELECT 1 AS x; DROP TABLE films",
        "SELECT 1 AS x) AS q; DROP TABLE films; --",
        "SELECT 1 AS x) AS q --",
        "SELECT x FROM films; SELECT x FROM films",
        "DELETE FROM films",
        "INSERT INTO films VALUES (3)",
        "DROP TABLE films",
        "UPDATE films SET x = 0",
        "CREATE TABLE others AS SELECT 1 AS x",
        "WITH gone AS (DELETE FROM films RETURNING x) SELECT x FROM gone",
        "WITH a AS (SELECT 1 AS x) INSERT INTO films SELECT x FROM a",
        "WITH a AS (SELECT 1 AS x) DELETE FROM films",
        "SELECT x INTO others FROM films",
        "SELECT x FROM nowhere",
        "SELECT nothing FROM films",
        "SELECT x FROM films WHERE",
        "SELECT 'open FROM films",
        "SELECT x, x FROM films",
        "SELECT x FROM films WHERE x = ?",
        "SELECT x FROM films WHERE x = $1",
        "SELECT x\0 FROM films",
        "SELECT '\ud800' AS x",
        "PRAGMA writable_schema = 1",
        "COMMIT",
        "COPY films TO '/tmp/never'",
        "ATTACH 'never.db' AS never",
        "SET threads = 1",
        "SELECT " + "(" * 300,
    ],
)
def test_what_is_not_a_single_select_is_refused_and_changes_nothing(url: str, query: str) -> None:
    write_table(url, "films", [pl.DataFrame({"x": [1.0, 2.0]})])
    with pytest.raises((ReadError, ColumnError)) as caught:
        open_database(url, query=query).look()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    assert whole(url, table="films")["x"].to_list() == [1.0, 2.0]
    assert whole(url).height == 2  # still the only table


@pytest.mark.parametrize(
    "calls", ["nextval('counter')", "set_config('transaction_read_only', 'off', false)"]
)
def test_a_function_that_writes_is_refused(postgres: str, psql: Any, calls: str) -> None:
    psql("CREATE SEQUENCE counter")
    source = open_database(postgres, query=f"SELECT {calls} AS x")
    refused(source.look, ReadError, "transaction")
    assert psql("SELECT is_called FROM counter") == [(False,)]


def test_a_table_of_duckdb_is_not_looked_for_among_variables(tmp_path: Path) -> None:
    makers = pl.DataFrame({"x": [1.0]})
    path = f"{tmp_path}/x.duckdb"
    write_table(path, "films", [makers])
    refused(lambda: open_database(path, query="SELECT * FROM makers").look(), ReadError, "makers")


STREAM = """
import resource, sys
import polars as pl
from deltarule.tables.databases.database import open_database
url, query = sys.argv[1:]
source = open_database(url, query=query)
source.look()
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, rows = peak(), 0
for batch in source.batches([pl.col("n"), pl.col("s").str.len_bytes()]):
    rows += batch.height
print(rows, peak() - before)
"""


def test_a_long_query_streams(url: str) -> None:
    write_table(url, "rows", [pl.DataFrame({"n": range(700_000)})])
    # 350 MB in all, 65 a batch.
    long = "printf('%.500c', 'x')" if url.startswith("sqlite") else "repeat('x', 500)"
    done = subprocess.run(
        [sys.executable, "-c", STREAM, url, f"SELECT n, {long} AS s FROM rows"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows, grown = done.stdout.split()
    assert int(rows) == 700_000
    assert float(grown) < 250, grown


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


# Addresses, and what is never told


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("films.db", True),
        ("FILMS.SQLITE", True),
        ("a/films.sqlite3", True),
        ("films.duckdb", True),
        ("sqlite:///films", True),
        ("duckdb:///films", True),
        ("postgresql://host/films", True),
        ("postgres:///?service=films", True),
        ("postgresql+psycopg://host/films", True),
        ("mysql://me:pw@host/films", True),
        ("films.csv", False),
        ("-", False),
        ("", False),
        ("C:\\films.csv", False),
        ("https://host/films.csv", False),
        ("s3://bucket/films.parquet", False),
        ("a b: c", False),
    ],
)
def test_what_names_a_database(text: str, named: bool) -> None:
    assert is_database(text) == named


def test_a_path_may_be_meant_from_here_or_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pl.DataFrame({"x": [1.0]})
    monkeypatch.chdir(tmp_path)
    write_table("sqlite:///here.db", "films", [frame])
    for text in (f"sqlite:///{tmp_path}/here.db", f"sqlite://{tmp_path}/here.db", "here.db"):
        assert whole(text).equals(frame)


def test_the_file_tells_what_it_is_whatever_its_name(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1.0]})
    write_table(f"duckdb:///{tmp_path}/films.db", "films", [frame])
    assert whole(f"{tmp_path}/films.db").equals(frame)
    write_table(f"sqlite:///{tmp_path}/films.duckdb", "films", [frame])
    assert open_database(f"{tmp_path}/films.duckdb").dialect == "SQLite table films"


@pytest.mark.parametrize("name", ["films.db", "films.duckdb"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello" * 1000,
        b"SQLite format 3\0" + b"\xff" * 5000,
        b"x" * 8 + b"DUCK" + b"\0" * 9000,
    ],
    ids=["empty", "words", "a SQLite head alone", "a DuckDB head alone"],
)
def test_a_file_that_is_no_database_is_refused(write: Any, name: str, content: bytes) -> None:
    path = write(name, content)
    refused(lambda: open_database(str(path)), ReadError, name)
    assert path.read_bytes() == content


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_truncated_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "films"
    write_table(f"{kind}:///{path}", "films", [films(50_000)])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    def read() -> None:
        source = open_database(f"{kind}:///{path}")
        list(source.batches([pl.col(name) for name in source.look().columns]))

    refused(read, ReadError)


@pytest.mark.parametrize("name", ["films.db", "films.duckdb", "no/such/folder/films.db"])
def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, name: str) -> None:
    refused(lambda: open_database(f"{tmp_path}/{name}"), NotFoundError, "no such file")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "folder.db").mkdir()
    refused(lambda: open_database(f"{tmp_path}/folder.db"), ReadError, "is a folder")


@pytest.mark.parametrize(
    "text",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:films.db",
        "duckdb:///",
        "sqlite:///films\0.db",
        "films\0.db",
        "/" + "x" * 5000 + ".db",
        "mysql://me:s3cret@host/films",
        "host=localhost password=s3cret",
        "postgresql:s3cret",
        "postgresql://me:s3cret",
        "postgresql://me:s3cret/w@host/films",
        "postgresql://me:s3cret@w@host/films",
        "postgresql://me:s3cret#w@host/films",
        "postgresql://me:s3cret?w@host/films",
        "postgresql://me:s3cret@[::1/films",
        "postgresql://me:s3cret%zz@localhost:1/films",
        "postgresql://me:s3cret@localhost:port/films",
        "postgresql://me:s3cret@localhost:99999/films",
        "postgresql://me:s3cret@localhost:1/films?nothing=s3cret",
        "postgresql://localhost:1/films?password=s3cret&application_name=%zz",
        "postgresql://localhost:1/films?user=me&password=s3cret&port=x",
        "postgresql:///?service=none&password=s3cret",
        "postgresql://me:s3cret@nohost.invalid/films",
        "postgresql://me:s3cret@127.0.0.1:1/films",
        "postgresql://me:s3cret@127.0.0.1:1,127.0.0.1:2/films",
        "postgresql://me:s3cret@/films?host=/no/such/folder",
        "postgresql://me:s3cret@127.0.0.1:1/films?sslpassword=s3cret&sslmode=wrong",
        "postgresql://me:s3cret\0@host/films",
        "postgresql://me:s3cret\ud800@127.0.0.1:1/films",
    ],
)
def test_a_wrong_address_is_refused_without_its_password(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for do in (
        lambda: open_database(text, table="films"),
        lambda: write_table(text, "films", [pl.DataFrame({"x": [1.0]})]),
    ):
        with pytest.raises(DeltaruleError) as caught:
            do()
        assert "\n" not in str(caught.value)
        told = "".join(traceback.format_exception(caught.value)).replace(repr(text), "")
        told = told.replace(text, "") if "s3cret" not in str(caught.value) else told
        assert "s3cret" not in str(caught.value)
        # Of all that is chained and shown too; this file's own lines are not the message's.
        assert not any("s3cret" in line for line in told.splitlines() if "Error" in line)
    assert list(tmp_path.iterdir()) == []


def spellings(password: str) -> list[str]:
    return [password, quote(password, safe=""), quote(password), repr(password)[1:-1]]


def test_the_password_opens_and_is_never_told(postgres: str, psql: Any) -> None:
    place = postgres.split("@")[1]
    url = f"postgresql://walled:{quote(PASSWORD, safe='')}@{place}"
    write_table(url, "films", [films(200)])
    source = open_database(url)
    model = dr.learn(source, predict="gross", using=["budget", "genre"])
    told = [source.name, repr(source), str(vars(source)), source.dialect, *source.notes]
    told += [repr(model), model.record.model_dump_json()]
    told.append(refused(lambda: open_database(url, table="none")))
    told.append(refused(lambda: open_database(url, query="SELECT none FROM films")))
    told.append(refused(lambda: write_table(url, "films", [films(2)]), OutputError))
    words = f"SELECT '{PASSWORD}'::int AS x"
    told.append(refused(lambda: open_database(url, query=words).look()))
    for text in told:
        assert not any(spelling in text for spelling in spellings(PASSWORD)), text
        assert "%40ss" not in text


@pytest.mark.parametrize("wrong", ["wr%40ng", "wrong", "w", "é%20%25", "%27quoted%27", "walled"])
def test_a_wrong_password_is_told_as_such(postgres: str, wrong: str) -> None:
    url = f"postgresql://walled:{wrong}@{postgres.split('@')[1]}"
    line = refused(
        lambda: open_database(url, table="films"), ReadError, "authentication failed", "check"
    )
    assert wrong not in line.split("check")[0].split()
    assert "wr@ng" not in line


def test_a_missing_password_is_asked_for(postgres: str) -> None:
    url = f"postgresql://walled@{postgres.split('@')[1]}"
    refused(lambda: open_database(url), ReadError, "no password supplied: give one")


def test_the_environment_and_service_files_say_what_the_url_does_not(
    postgres: str, psql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = postgres.split("host=")[1]
    write_table(postgres, "films", [pl.DataFrame({"x": [1.0]})])
    psql("GRANT SELECT ON films TO walled")
    with monkeypatch.context() as patch:
        for key, value in (("HOST", host), ("USER", "walled"), ("DATABASE", "postgres")):
            patch.setenv(f"PG{key}", value)
        patch.setenv("PGPASSWORD", PASSWORD)
        assert whole("postgresql:///")["x"].to_list() == [1.0]
        assert open_database("postgresql://").name == "postgresql:///, table films"
        query = f"SELECT '{PASSWORD}'::int AS x"
        line = refused(lambda: open_database("postgresql://", query=query).look())
        assert PASSWORD not in line
    service = tmp_path / "services"
    service.write_text(f"[films]\nhost={host}\nuser=walled\ndbname=postgres\n")
    passes = tmp_path / "passes"
    passes.write_text(f"*:*:*:walled:{PASSWORD.replace(':', chr(92) + ':')}\n")
    passes.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    monkeypatch.setenv("PGPASSFILE", str(passes))
    source = open_database("postgresql:///?service=films")
    assert source.look()["x"].to_list() == [1.0]
    assert source.name == "postgresql:///?service=films, table films"


@given(
    password=st.text(
        st.characters(exclude_characters="\0", codec="utf-8"), min_size=4, max_size=12
    ),
    spelt=st.sampled_from(["plain", "quoted", "whole"]),
)
@settings(deadline=None, derandomize=True)
def test_a_password_is_hidden_in_every_spelling(password: str, spelt: str) -> None:
    safe = quote(password, safe="")
    url = f"postgresql://me:{safe}@host/db?password={safe}"
    found = address.address(url)
    text = {"plain": password, "quoted": safe, "whole": url}[spelt]
    hidden = found.hide(f"<<{text}>>")
    for secret in (password, safe):
        if secret not in "<<***>>" and secret not in found.name:
            assert secret not in hidden
    assert repr(found) == f"Address(kind='PostgreSQL', name={found.name!r}, path=None)"
    assert "\n" not in hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("bad password=abc host=x", "bad password=*** host=x"),
        ("bad password = 'a b' host=x", "bad password = *** host=x"),
        ("at postgres://me:ab:c@x@host/db", "at postgres://***@host/db"),
        ("first\nsecond", "first"),
        ("\n \n", "for no reason that it gives"),
    ],
)
def test_what_a_driver_says_of_itself_is_hidden_too(text: str, hidden: str) -> None:
    assert address.address("postgresql://host/db").hide(text) == hidden


@pytest.mark.parametrize(
    ("url", "lacking", "extra"),
    [
        ("postgresql://host/db", "adbc_driver_postgresql.dbapi", "postgres"),
        ("postgresql://host/db", "pyarrow", "postgres"),
        ("x.duckdb", "duckdb", "duckdb"),
    ],
)
def test_a_missing_driver_is_named(
    url: str, lacking: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.duckdb").touch()
    monkeypatch.setitem(sys.modules, lacking, None)
    install = f"pip install 'deltarule[{extra}]'"
    refused(lambda: open_database(url), MissingExtraError, install)


def test_a_lock_is_told(tmp_path: Path) -> None:
    path = f"{tmp_path}/x.duckdb"
    write_table(path, "films", [pl.DataFrame({"x": [1.0]})])
    with contextlib.closing(duckdb.connect(path)):
        refused(lambda: open_database(path), ReadError, "close")
    assert whole(path).height == 1


def test_a_read_that_is_given_up_closes_its_connection(postgres: str, psql: Any) -> None:
    source = open_database(postgres, query="SELECT n FROM generate_series(1, 2000000) AS s(n)")
    batches = source.batches([pl.col("n")])
    assert next(batches).height == BATCH_ROWS
    batches.close()  # type: ignore[attr-defined]
    others = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 2000%' "
    assert psql(f"{others} AND pid <> pg_backend_pid() AND state <> 'idle'")[0][0] in (0, 1)
