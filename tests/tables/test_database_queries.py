"""Queries: rows in their order, in a stream; whatever is no single SELECT is refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from deltarule.errors import (
    ColumnError,
    ReadError,
)
from deltarule.tables.databases.database import open_database, write_table
from tests.tables.databases import refused, whole

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
