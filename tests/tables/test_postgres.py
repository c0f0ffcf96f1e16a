"""PostgreSQL: its kinds, what has no place in ours, its snapshot, its encodings."""

import datetime as dt
import math
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deltarule.errors import (
    ReadError,
)
from deltarule.tables.databases.database import open_database, write_table
from tests.tables.databases import refused, whole

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


def test_queries_of_ours_are_not_compiled(postgres: str, psql: Any) -> None:
    psql("CREATE TABLE rows AS SELECT g AS n FROM generate_series(1, 3) g")
    assert psql("SELECT current_setting('jit')") == [("on",)]
    reader = open_database(postgres).reader
    setting = "SELECT current_setting('jit') AS jit"
    assert reader.ask(setting) == [("off",)]
    frames = reader.frames((), None, f"({setting}) AS q", ["jit"])
    assert pl.concat(frames)["jit"].to_list() == ["off"]
    assert psql("SELECT current_setting('jit')") == [("on",)]


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
