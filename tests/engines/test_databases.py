"""The engine of databases: the model of this machine, from queries in one snapshot."""

import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as dbapi
import duckdb
import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.engines.sql import sums
from deltarule.errors import DeltaruleError, LearningError, ReadError
from deltarule.tables.databases.database import DatabaseSource, open_database, write_table
from tests.engines.cases import COMPARISONS, SQUARED, check_near, digits, learnt

CASES = {**SQUARED, **COMPARISONS}
ONE = SQUARED["weights"]
Y = {"y": [1.0, 2, 3, 5]}
X = {"x": [1.0, 2, 3, 4]}


def between(source: DatabaseSource, do: Callable[[int], Any]) -> None:
    """Have this done before each query; it is told how many there were."""
    ask, asked = source.reader.ask, []

    def doing(*query: Any) -> Any:
        do(len(asked))
        asked.append(query)
        return ask(*query)

    source.reader.ask = doing  # type: ignore[method-assign]  # as others would do meanwhile


def test_every_table_gives_the_model_of_this_machine(url: str) -> None:
    for number, (name, one) in enumerate(CASES.items()):
        write_table(url, f"t{number}", [one.table])
        there = learnt(dr.source(url, table=f"t{number}"), one.settings, "database")
        try:
            # From the same database: text and dates are what it makes of them.
            check_near(learnt(dr.source(url, table=f"t{number}"), one.settings), there)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def test_more_sums_than_a_result_has_columns_take_several_scans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "MOST_COLUMNS", 20)
    for kind in ("sqlite", "duckdb"):
        url, one = str(tmp_path / f"t.{kind}"), SQUARED["gaps in the target"]
        write_table(url, "t", [one.table])
        source = open_database(url)
        here, widest = learnt(url, one.settings), []
        ask = source.reader.ask

        def asked(*query: Any, ask: Any = ask, widest: list[int] = widest) -> Any:
            rows = ask(*query)
            widest.append(len(rows[0]))
            return rows

        source.reader.ask = asked  # type: ignore[method-assign]  # to see how wide results are
        check_near(here, learnt(source, one.settings, "database"))
        assert max(widest) == 20
        source.release()


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_rows_are_held_for_the_passes_and_asked_for_anew_once_others_are_held(
    kind: str, tmp_path: Path
) -> None:
    url, one = str(tmp_path / f"t.{kind}"), COMPARISONS["logistic"]
    write_table(url, "t", [one.table])
    before = Path(url).read_bytes()
    source, queries = open_database(url), list[str]()
    ask = source.reader.ask

    def asked(query: str, *parameters: Any) -> Any:
        queries.append(query)
        return ask(query, *parameters)

    source.reader.ask = asked  # type: ignore[method-assign]  # to see the queries
    here = learnt(source, one.settings)
    check_near(here, learnt(source, one.settings, "database"))
    passes = [query for query in queries if "sum(h0" in query]
    assert passes
    assert all(f"FROM {source.reader.held}" in query for query in passes)
    # Another model of the same source, begun between two passes, holds its own rows.
    steps = dr.steps(source, **one.settings, engine="database")
    next(steps)
    learnt(source, SQUARED["a ridge"].settings, "database")
    queries.clear()
    *_, last = steps
    assert last.stopped
    assert all(f"FROM {source.reader.held}" not in query for query in queries)
    source.release()
    assert source.reader.held is None
    assert Path(url).read_bytes() == before


def test_a_sample_spares_a_database_passes_with_products(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(60_000, 4))
    flag = rng.random(60_000) < 1 / (1 + np.exp(-x.sum(axis=1)))
    url = str(tmp_path / "t.duckdb")
    table = pl.DataFrame(x, schema=["a", "b", "c", "d"])
    write_table(url, "t", [table.with_row_index("id").with_columns(flag=pl.Series(flag))])
    source, passes = open_database(url), list[bool]()
    ask = source.reader.ask

    def asked(query: str, *parameters: Any) -> Any:
        passes.extend(["sum(h0" in query] if "sum(d0" in query else [])
        return ask(query, *parameters)

    source.reader.ask = asked  # type: ignore[method-assign]  # to see the queries
    settings = {"predict": "flag", "id": "id", "ridge": 0}
    there = learnt(source, settings, "database")
    assert there.learnt[0].sampled > 0
    assert passes == [False, False, True, True]
    check_near(learnt(url, settings), there)


def test_postgresql_adds_up_with_several_workers_and_sorts_no_rows(
    postgres: str, psql: Callable[..., Any]
) -> None:
    write_table(postgres, "t", [ONE.table])
    psql("ANALYZE t")
    source, queries = open_database(postgres, table="t"), list[str]()
    ask = source.reader.ask

    def asked(query: str, *parameters: Any) -> Any:
        queries.append(query)
        return ask(query, *parameters)

    source.reader.ask = asked  # type: ignore[method-assign]  # to see the queries
    learnt(source, ONE.settings, "database")
    source.release()
    products = next(query for query in queries if "sum(w * z0 * z0)" in query)
    costs = ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size")
    with dbapi.connect(postgres, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        for name in costs:  # those of a large table
            cursor.execute(f"SET {name} = 0")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {products}")
        [(text,)] = cursor.fetchall()
    below = json.loads(text)[0]["Plan"]
    while "Partial" not in str(below.get("Partial Mode")):
        [below] = below["Plans"]
    assert below["Strategy"] == "Hashed"


@pytest.mark.parametrize("late", [False, True])
def test_gaps_that_the_first_rows_do_not_have_take_a_scan_more(late: bool, tmp_path: Path) -> None:
    n, rng = 10_500, np.random.default_rng(4)
    a, b, y = rng.normal(size=(3, n)) + 7
    a[0] = math.nan
    b[n - 1] = math.nan if late else 7.0
    y[5] = math.nan
    url = str(tmp_path / "t.sqlite")
    columns = {"id": np.arange(n), "a": a, "b": b, "y": y}
    write_table(url, "t", [pl.DataFrame(columns).fill_nan(None)])
    source, queries = open_database(url), list[str]()
    ask = source.reader.ask

    def asked(query: str, *parameters: Any) -> Any:
        queries.append(query)
        return ask(query, *parameters)

    source.reader.ask = asked  # type: ignore[method-assign]  # to see the queries
    settings = {"predict": "y", "id": "id"}
    there = learnt(source, settings, "database")
    assert sum("sum(z0 * z0)" in query for query in queries) == 1 + late
    assert sum("min(n0)" in query for query in queries) == 1
    check_near(learnt(url, settings), there)


def test_letters_that_sqlite_does_not_know_are_refused(tmp_path: Path) -> None:
    url = str(tmp_path / "t.sqlite")
    write_table(url, "t", [pl.DataFrame({"x": ["É", "é", "a", "b"], **Y})])
    with pytest.raises(
        LearningError, match="lower and upper know no letters beyond ASCII; or give"
    ):
        learnt(url, {"predict": "y", "using": "lower(x)"}, "database")


@pytest.mark.parametrize("name", ["Longley", "Norris"])
def test_certified_digits(name: str, url: str) -> None:
    one = SQUARED[name]
    write_table(url, "t", [one.table])
    assert digits(learnt(dr.source(url, table="t"), one.settings, "database"), name) >= 9


def test_concurrent_writers_change_nothing_in_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    write_table(str(path), "t", [ONE.table])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        here, source = learnt(str(path), ONE.settings), open_database(str(path))
        between(source, lambda _: writer.execute("UPDATE t SET amount = amount + 100, size = 1"))
        check_near(here, learnt(source, ONE.settings, "database"))
        [(largest,)] = writer.execute("SELECT max(amount) FROM t")
        assert largest > 300
        source.release()


def test_concurrent_writers_change_nothing_in_postgresql(
    postgres: str, psql: Callable[..., Any]
) -> None:
    write_table(postgres, "t", [ONE.table])
    source = open_database(postgres, table="t")
    here = learnt(source, ONE.settings)
    source.release()
    source = open_database(postgres, table="t")
    between(source, lambda _: psql("UPDATE t SET amount = amount + 100, size = 1"))
    check_near(here, learnt(source, ONE.settings, "database"))
    [(largest,)] = psql("SELECT max(amount) FROM t")
    assert largest > 300
    source.release()


def test_a_dropped_connection_is_one_clear_error(postgres: str, psql: Callable[..., Any]) -> None:
    write_table(postgres, "t", [ONE.table])
    source = open_database(postgres, table="t")
    idle = "pg_stat_activity WHERE pid <> pg_backend_pid() AND state LIKE 'idle in%'"

    def drop(number: int) -> None:
        if number == 1:
            assert psql(f"SELECT pg_terminate_backend(pid) FROM {idle}")

    between(source, drop)
    with pytest.raises(ReadError, match=r"table t cannot be read: .*nothing was written"):
        learnt(source, ONE.settings, "database")
    assert psql(f"SELECT count(*) FROM {idle}") == [(0,)]


def test_a_timeout_says_what_to_do(postgres: str, psql: Callable[..., Any]) -> None:
    write_table(postgres, "t", [ONE.table])
    source = open_database(postgres, table="t")
    ask = source.reader.ask

    def slow(*query: Any) -> Any:
        ask("SET LOCAL statement_timeout = 1")
        return ask("SELECT pg_sleep(1)")

    source.reader.ask = slow  # type: ignore[method-assign]
    with pytest.raises(ReadError, match="statement timeout: raise --query-timeout or"):
        learnt(source, ONE.settings, "database")


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgresql"])
def test_a_query_takes_no_longer_than_it_may(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url, slow = f"{tmp_path}/t.{kind}", "SELECT sum(a.x * b.x) AS x, 1 AS y FROM t AS a, t AS b"
    if kind == "postgresql":
        request.getfixturevalue("psql")
        url = request.getfixturevalue("postgres")
    write_table(url, "t", [pl.DataFrame({"x": np.arange(60_000.0)})])
    source = open_database(url, table="t")
    source.reader.timeout = 0.2
    with pytest.raises(ReadError, match="raise --query-timeout"):
        source.reader.hold(slow) or source.reader.ask(slow)
    assert source.reader.held is None
    source.reader.timeout = None
    assert source.reader.ask("SELECT count(*) FROM t") == [(60_000,)]
    source.release()


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_model_is_learnt_within_the_time_of_its_queries(kind: str, tmp_path: Path) -> None:
    url, one = f"{tmp_path}/t.{kind}", SQUARED["weights"]
    write_table(url, "t", [one.table])
    source, limits = open_database(url), []
    between(source, lambda _: limits.append(source.reader.timeout))
    there = dr.learn(source, **one.settings, engine="database", query_timeout=100)
    assert set(limits) == {100}
    check_near(learnt(dr.source(url, table="t"), one.settings), there.record)


def test_a_query_timeout_is_for_queries() -> None:
    with pytest.raises(LearningError, match="query_timeout goes with the engine database"):
        dr.learn(Y, predict="y", query_timeout=3)
    with pytest.raises(LearningError, match="query_timeout is 0: it must be above 0"):
        dr.learn(Y, predict="y", engine="database", query_timeout=0)


def test_rows_without_an_id_are_held_out_by_their_primary_key(tmp_path: Path) -> None:
    table = ONE.table.select("id", "x", "city", "amount")
    asked = {"predict": "amount", "using": ["x", "city"]}
    for kind, connect in (("sqlite", sqlite3.connect), ("duckdb", duckdb.connect)):
        path = str(tmp_path / f"t.{kind}")
        with closing(connect(path)) as to:  # type: ignore[operator]  # each makes a connection
            for name, key in (("plain", ""), ("keyed", "PRIMARY KEY")):
                columns = f"id INTEGER {key}, x DOUBLE, city TEXT, amount DOUBLE"
                to.execute(f"CREATE TABLE {name} ({columns})")
                to.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", table.rows())
            to.commit()
        plain = learnt(dr.source(path, table="plain"), asked, "database")
        assert any("their place in the order of all columns" in note for note in plain.notes)
        there = learnt(dr.source(path, table="keyed"), asked, "database")
        assert any("by the primary key id" in note for note in there.notes)
        here = learnt(dr.source(path, table="keyed"), {**asked, "id": "id"})
        assert there.held_out[0].rmse == pytest.approx(here.held_out[0].rmse, rel=1e-12)


@pytest.mark.parametrize(
    ("table", "asked", "named"),
    [
        ({"x": ["1", "2", "3.5", "4"], **Y}, {}, "'x' is text that is read as"),
        ({**X, **Y, "k": [1, 2, None, 4]}, {"id": "k"}, "'k' is missing in 1 rows"),
        ({**X, "y": [1.0, 2, 3, math.inf]}, {}, "'y' is infinite"),
        ({**X, "y": [1.0, 2, 3, 1e200]}, {}, "'y' has 1e.200, whose square is too large"),
        ({**X, **Y, "w": [1, 1, 1, 500]}, {"weight": "w"}, "500 copies"),
        ({**X, **Y, "w": [1, 1, 1, -5]}, {"weight": "w"}, "below 0"),
        ({**X, **Y}, {"keep_summary": True}, "keep_summary needs histograms"),
        ({**X, **Y, "s": ["1", "20", "3", "4"]}, {"where": "s > 1"}, "'s' is text that is read as"),
    ],
)
def test_what_cannot_be_learnt_there_is_refused_by_name(
    table: dict[str, Any], asked: dict[str, Any], named: str, tmp_path: Path
) -> None:
    for kind in ("sqlite", "duckdb"):
        url = f"{tmp_path}/t.{kind}"
        write_table(url, "t", [pl.DataFrame(table)])
        with pytest.raises(DeltaruleError, match=named):
            learnt(dr.source(url, table="t"), {"predict": "y", "using": "x", **asked}, "database")


def test_a_column_of_sqlite_that_changes_its_kind_is_refused(tmp_path: Path) -> None:
    path, rows = tmp_path / "t.sqlite", 12_000
    write_table(str(path), "t", [pl.DataFrame({"x": range(rows), "y": [0.5] * rows})])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE t SET x = 'many' WHERE x = 11000")
        connection.commit()
    with pytest.raises(LearningError, match="'x' is number in its first rows and something else"):
        learnt(path, {"predict": "y", "using": "x"}, "database")


def test_a_table_that_is_in_no_database_is_refused() -> None:
    with pytest.raises(LearningError, match="is in no database: leave the engine out"):
        learnt(ONE.table, {"predict": "amount"}, "database")
