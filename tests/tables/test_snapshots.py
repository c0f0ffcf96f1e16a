"""Databases that are written to, read in parallel or gone meanwhile: one snapshot, or one error."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ReadError
from deltarule.model.prediction_stream import Columns
from deltarule.tables.databases.database import DatabaseSource, open_database, write_table
from deltarule.tables.source import BATCH_ROWS

ROWS = 200_000
# Any plan that can be is a parallel one, whose workers hand in rows as they come to them.
PARALLEL = {
    "min_parallel_table_scan_size": "0",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "max_parallel_workers_per_gather": "4",
    "debug_parallel_query": "on",
}


@pytest.fixture
def parallel(postgres: str, psql: Any) -> Iterator[str]:
    """The server with a table of rows numbered in order, read in parallel wherever it can be."""
    psql(
        "CREATE TABLE long AS SELECT n::bigint, (n * 7919::bigint % 1000)::float8 AS x, "
        "(3.0 * (n * 7919::bigint % 1000) + n % 10)::float8 AS y, 's' || n % 5 AS s "
        f"FROM generate_series(1, {ROWS}) n",
        "ANALYZE long",
    )
    try:
        for name, value in PARALLEL.items():
            with contextlib.suppress(Exception):  # a setting that this version does not have
                psql(f"ALTER ROLE CURRENT_USER SET {name} = {value}")
        yield postgres
    finally:
        psql("ALTER ROLE CURRENT_USER RESET ALL")


def test_a_query_is_read_in_parallel(parallel: str, psql: Any) -> None:
    """Else the tests below show nothing."""
    psql(
        "CREATE FUNCTION plan() RETURNS SETOF text AS $$ BEGIN RETURN QUERY EXECUTE "
        "'EXPLAIN SELECT n, x FROM long WHERE x >= 0'; END $$ LANGUAGE plpgsql"
    )
    plan = whole(open_database(parallel, query="SELECT * FROM plan() AS line"))
    assert plan["line"].str.contains("Gather").any()


def test_a_table_is_read_in_its_order_in_parallel_too(parallel: str) -> None:
    source = open_database(parallel, table="long")
    for _ in range(2):
        numbers = pl.concat(source.batches([pl.col("n")]))["n"]
        assert numbers.to_list() == list(range(1, ROWS + 1))


def test_parallel_plans_give_the_model_of_the_frame(parallel: str) -> None:
    """The weights, and the held-out figures too: the same rows are in the same folds."""
    rows = whole(open_database(parallel, table="long"))
    expected = dr.learn(rows, predict="y", using=["x", "s"]).record
    found = dr.learn(open_database(parallel, table="long"), predict="y", using=["x", "s"]).record
    assert found.weights == expected.weights
    assert found.held_out == expected.held_out


@pytest.mark.parametrize("asked", [{"table": "long"}, {"query": "SELECT * FROM long WHERE x >= 0"}])
def test_parallel_plans_leave_predictions_beside_their_rows(
    parallel: str, asked: dict[str, str]
) -> None:
    model = dr.learn(pl.DataFrame({"n": [1.0, 2, 3, 4], "y": [2.0, 4, 6, 8]}), predict="y", ridge=0)
    source = open_database(parallel, **asked)
    found = pl.concat(model.predictions(source, Columns()).beside_rows())
    assert found.height == ROWS
    assert found["n"].n_unique() == ROWS
    predicted = found[found.columns[-1]]
    assert (predicted - 2.0 * found["n"]).abs().max() < 1e-6


def whole(source: DatabaseSource) -> pl.DataFrame:
    return pl.concat(source.batches([pl.all()]))


def inserted(url: str, first: int, count: int, psql: Any) -> None:
    """Write these rows to the table `many`, as another program would."""
    if url.startswith("postgresql"):
        psql(f"INSERT INTO many SELECT n, -n FROM generate_series({first}, {first + count - 1}) n")
        return
    rows = [(n, -n) for n in range(first, first + count)]
    with contextlib.closing(sqlite3.connect(url.partition("///")[2], timeout=0)) as connection:
        connection.executemany("INSERT INTO many VALUES (?, ?)", rows)
        connection.commit()


@pytest.fixture(params=["sqlite", "postgresql"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Any]:
    """A database with a table `many` of 1,000 rows that may be written to while it is read."""
    psql = None
    if request.param == "postgresql":
        psql = request.getfixturevalue("psql")
        url: str = request.getfixturevalue("postgres")
        psql("CREATE TABLE many (n bigint, y bigint)")
    else:
        url = f"sqlite:///{tmp_path}/many.db"
        with contextlib.closing(sqlite3.connect(tmp_path / "many.db")) as connection:
            connection.execute("PRAGMA journal_mode = wal")
            connection.execute("CREATE TABLE many (n INTEGER, y INTEGER)")
    inserted(url, 1, 1000, psql)
    return url, psql


def test_all_reads_are_of_one_snapshot(written: tuple[str, Any]) -> None:
    url, psql = written
    source = open_database(url)
    assert source.look().height == 1000
    inserted(url, 1001, 500, psql)
    assert whole(source).height == 1000
    reading = source.batches([pl.col("n")])
    first = next(reading)
    inserted(url, 1501, 500, psql)
    assert pl.concat([first, *reading]).height == 1000
    assert whole(source)["n"].to_list() == list(range(1, 1001))
    source.release()
    assert whole(source).height == 2000
    assert whole(open_database(url)).height == 2000


def test_learning_while_others_write_is_of_the_rows_there_were(written: tuple[str, Any]) -> None:
    """Levels and periods are found in reads of their own; rows that come between have no part."""
    url, psql = written
    source = open_database(url)
    reads = []
    batches = source.batches

    def writing(columns: Any) -> Iterator[pl.DataFrame]:
        reads.append(len(reads))
        yield from batches(columns)
        if len(reads) < 3:
            inserted(url, 1001 + 500 * len(reads), 500, psql)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "batches", writing)
        record = dr.learn(source, predict="y", using="n", time="n", ridge=0).record
    assert len(reads) > 1
    assert record.rows == 1000
    assert record.weights[0].weight == pytest.approx(-1)
    inserted(url, 5000, 1, psql)


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_what_was_read_is_free_to_be_written_to(kind: str, tmp_path: Path) -> None:
    """Nothing is held open by what came of a table, nor after an error."""
    url = f"{kind}:///{tmp_path}/t.{kind}"
    write_table(url, "t", [pl.DataFrame({"n": range(100), "y": range(100)})])

    def source_of() -> DatabaseSource:
        return open_database(url, table="t")

    results: list[Any] = [dr.learn(source_of(), predict="y")]
    write_table(url, "t1", [pl.DataFrame({"n": [1.0]})])
    model = results[0]
    results += [dr.columns(source_of()), model.predict(source_of()), model.compare(source_of())]
    write_table(url, "t2", [pl.DataFrame({"n": [1.0]})])
    results.append(model.diagnose(source_of()))
    write_table(url, "t3", [pl.DataFrame({"n": [1.0]})])
    with pytest.raises(ReadError):
        open_database(url, table="nowhere")
    source = source_of()
    source.look()
    del source
    write_table(url, "t4", [pl.DataFrame({"n": [1.0]})])


def test_predictions_go_into_the_database_that_they_are_of(
    written: tuple[str, Any], tmp_path: Path, run: Callable[..., Any]
) -> None:
    url, _ = written
    dr.learn(open_database(url), predict="y", ridge=0).save(tmp_path / "m.json")
    asked = ["--table", "many", "--to-table", "predicted"]
    done = run("predict", tmp_path / "m.json", url, *asked)
    assert done.code == 0, done
    found = whole(open_database(url, table="predicted"))
    assert (found[found.columns[-1]] - found["y"]).abs().max() < 1e-6


def test_a_connection_that_drops_is_told_in_one_line(postgres: str, psql: Any) -> None:
    query = "SELECT n, 2 * n AS y FROM generate_series(1, 3000000) AS s(n)"
    source = open_database(postgres, query=query)
    batches = source.batches([pl.col("n"), pl.col("y")])
    assert next(batches).height == BATCH_ROWS
    psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    with pytest.raises(ReadError) as error:
        list(batches)
    told = str(error.value)
    assert "\n" not in told
    assert "query cannot be read" in told
    assert "connection" in told
    # The next read begins anew.
    assert next(source.batches([pl.col("n")])).height == BATCH_ROWS


def test_a_snapshot_that_the_server_ended_is_told_in_one_line(postgres: str, psql: Any) -> None:
    source = open_database(postgres, query="SELECT n FROM generate_series(1, 3) AS s(n)")
    psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    with pytest.raises(ReadError, match="idle") as error:
        source.look()
    assert "\n" not in str(error.value)
    assert source.look().height == 3


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgresql"])
def test_learning_from_rows_without_an_order_is_told(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"{kind}:///{tmp_path}/t.{kind}"
    if kind == "postgresql":
        request.getfixturevalue("psql")
        url = request.getfixturevalue("postgres")
    write_table(url, "t", [pl.DataFrame({"n": range(50), "x": range(50), "y": range(50)})])

    def told(*, id: str | None = None, **asked: str) -> bool:  # noqa: A002 - as learn calls it
        source = open_database(url, **asked)
        notes = dr.learn(source, predict="y", using="x", id=id, ridge=0).record.notes
        return any("orders the rows" in note for note in notes)

    assert told(query="SELECT * FROM t") == (kind != "sqlite")
    assert not told(query="SELECT * FROM t", id="n")
    assert not told(query="SELECT * FROM t ORDER BY n")
    assert not told(table="t")
