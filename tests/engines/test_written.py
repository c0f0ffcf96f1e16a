"""The queries of learning as text in other dialects: parsed there, and the same answers."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from deltarule.engines.sql.recorded import Query, recorded
from deltarule.engines.sql.written import WRITTEN, own_text, written
from deltarule.errors import LearningError
from deltarule.fit.run import Run as Learning
from deltarule.fit.settings import Settings
from deltarule.tables.databases.database import open_database, write_table
from tests.engines.cases import COMPARISONS, MIXED, SQUARED, Case, case

CASES = {
    "squared": case(MIXED, "amount", ["x", "far", "city", "yes"]),
    "a condition": SQUARED["a condition"],
    "odd names": SQUARED["odd names"],
    "logistic": case(MIXED, "word", ["x", "whole", "city"], weight="size", ridge=0),
    "gamma": COMPARISONS["gamma and only full rows"],
}
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, list[Query]]]:
    """The table of a case, and the queries that learning from it asks."""
    made: dict[str, tuple[Path, list[Query]]] = {}

    def of(name: str) -> tuple[Path, list[Query]]:
        if name not in made:
            path = tmp_path_factory.mktemp("written") / "t.duckdb"
            made[name] = path, queries_of(CASES[name], path)
        return made[name]

    return of


def queries_of(one: Case, path: Path) -> list[Query]:
    write_table(str(path), "t", [one.table])
    source, queries = recorded(open_database(str(path)))
    Learning.of(source, Settings(**one.settings, engine="database")).model()
    source.release()
    # A pass is asked again with other weights.
    return list({query: (query, bound) for query, bound in queries}.values())


def check_answers(found: list[Any], expected: list[Any]) -> None:
    """The same rows in any order, numbers to nine digits."""
    rows, others = (
        sorted(one, key=lambda row: [str(cell) for cell in row[:3]]) for one in (found, expected)
    )
    assert len(rows) == len(others) > 0
    for row, wanted in zip(rows, others, strict=True):
        # Sums are added in an order of the database's own; those of what cancels are near 0.
        same = [
            pytest.approx(value, 1e-9, 1e-6, nan_ok=True) if isinstance(value, float) else value
            for value in wanted
        ]
        assert list(row) == same


def answers_of(path: Path, queries: list[Query]) -> list[list[Any]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [connection.execute(query, list(bound)).fetchall() for query, bound in queries]


def in_duckdb(text: str, dialect: str) -> list[str]:
    """The queries of a dialect in DuckDB's, each step computed once."""
    # DuckDB has no length MAX.
    found = []
    for tree in sqlglot.parse(text.replace("VARCHAR(MAX)", "VARCHAR"), dialect):
        assert tree is not None
        for cte in tree.find_all(exp.CTE):
            cte.set("materialized", True)
        found.append(tree.sql("duckdb"))
    return found


@pytest.mark.parametrize("dialect", [one for one in WRITTEN if one != "postgres"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_written_has_the_same_answers(name: str, dialect: str, asked: Any) -> None:
    path, queries = asked(name)
    text = written(queries, dialect)
    assert "not run" in text.splitlines()[0]
    back = in_duckdb(text, dialect)
    assert len(back) == len(queries) >= 2
    answers = answers_of(path, [(query, ()) for query in back])
    for found, expected in zip(answers, answers_of(path, queries), strict=True):
        check_answers(found, expected)


def statements(text: str) -> list[str]:
    """The queries of a text, each of which has a line with its number before it."""
    return [one.strip().removesuffix(";") for one in re.split(r"(?m)^-- \d+ of \d+$", text)[1:]]


def test_postgresql_gives_the_answers_of_what_is_written_for_it(
    asked: Any, postgres: str, psql: Callable[..., Any]
) -> None:
    psql('CREATE SCHEMA IF NOT EXISTS "main"')
    for name, one in CASES.items():
        path, queries = asked(name)
        psql('DROP TABLE IF EXISTS "main"."t"')
        write_table(postgres, "main.t", [one.table])
        expected = answers_of(path, queries)
        made = statements(written(queries, "postgres"))
        assert len(made) == len(queries)
        source = open_database(postgres, table="main.t")
        for query, wanted in zip(made, expected, strict=True):
            check_answers(source.reader.ask(query), wanted)
        source.release()
    psql('DROP SCHEMA "main" CASCADE')


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_what_a_file_is_asked_is_shown_with_its_parameters(kind: str, tmp_path: Path) -> None:
    one = CASES["logistic"]
    path = tmp_path / f"t.{kind}"
    queries = queries_of(one, path)
    assert any(parameters for _, parameters in queries)
    made = statements(own_text(queries, kind))
    assert len(made) == len(queries)
    source = open_database(str(path))
    for query, (original, parameters) in zip(made, queries, strict=True):
        check_answers(source.reader.ask(query), source.reader.ask(original, parameters))
    source.release()


def test_places_of_parameters_in_text_are_text() -> None:
    text = own_text([("SELECT '$1', \"$1\", CAST($1 AS REAL)", [-0.5])], "sqlite")
    with closing(sqlite3.connect(":memory:")) as connection:
        [row] = connection.execute(statements(text)[0].replace('"$1"', "7")).fetchall()
    assert row == ("$1", 7, -0.5)


def test_a_function_of_ours_is_refused_in_text() -> None:
    with pytest.raises(LearningError, match="a function that deltarule brings"):
        own_text([('SELECT deltarule_text_key("a") FROM t', ())], "sqlite")
    assert own_text([("SELECT 'deltarule_text_key'", ())], "sqlite")


def test_nan_and_large_numbers_are_spelt_as_each_dialect_needs() -> None:
    query = (
        "SELECT NULLIF(a, CAST('NaN' AS DOUBLE)) AS b, FLOOR(a) AS c, EXP(a) AS d, "
        "a * 1E-5 AS e, CAST($1 AS DOUBLE) AS g FROM t, (VALUES (1)) AS fence(one)"
    )
    texts = {one: " ".join(written([(query, [-0.25])], one).split()) for one in WRITTEN}
    assert "IF(IS_NAN(`a`), NULL, `a`)" in texts["bigquery"]
    assert "NULLIF(\"a\", CAST('NaN' AS DOUBLE))" in texts["snowflake"]
    assert "WHEN \"a\" <= CAST('1.7976931348623157E308' AS" in texts["redshift"]
    assert 'OR "a" = CAST(\'Infinity\' AS DOUBLE PRECISION) THEN "a"' in texts["redshift"]
    assert "CASE WHEN ABS((`a`)) < 4503599627370496E0 THEN" in " ".join(
        texts["spark"].replace("( `a` )", "(`a`)").split()
    )
    assert "\"a\" * CAST('1E-5' AS DOUBLE PRECISION)" in texts["redshift"]
    assert "700" in texts["bigquery"]
    assert "700" in texts["redshift"]
    assert "700" not in texts["spark"] + texts["snowflake"]
    assert not any("fence" in text or "$1" in text for text in texts.values())
    assert all("0.25" in text for text in texts.values())


@pytest.mark.parametrize("dialect", WRITTEN)
@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("EPOCH_US(a)", "EPOCH_US(a)"),
        ("md5(a)", "MD5"),
        ("a % 2", "MOD"),
        ("round(a)", "ROUND"),
        ("TRY_CAST(a AS DOUBLE)", "TRYCAST"),
        ("CAST(a AS TIMESTAMP)", "CAST(a AS TIMESTAMP)"),
    ],
)
def test_what_other_dialects_mean_otherwise_is_refused(
    expression: str, named: str, dialect: str
) -> None:
    with pytest.raises(LearningError) as refused:
        written([(f"SELECT {expression} AS b FROM t", ())], dialect)
    assert str(refused.value).startswith(f"{named} is not written in {dialect}")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_that_no_literal_spells_is_refused(value: float) -> None:
    with pytest.raises(LearningError, match="is not written"):
        written([("SELECT CAST($1 AS DOUBLE) AS b", [value])], "spark")


def test_postgresql_is_given_no_order_of_its_own() -> None:
    with pytest.raises(LearningError, match="give an --id"):
        written([("SELECT row_number() OVER (ORDER BY a) AS b FROM t", ())], "postgres")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--show-sql", "basic"], "not written in 'basic'"),
        (["--engine", "local", "--show-sql", "spark"], "it goes with --engine database"),
        (["--show-sql", "spark", "--save", "m.json"], "it prints queries, and no model"),
    ],
)
def test_what_is_not_shown_is_refused(more: list[str], told: str, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "t.duckdb"
    write_table(str(path), "t", [MIXED.head(20)])
    done = run("learn", path, "--predict", "amount", "--using", "x", *more)
    assert done.code
    assert not done.out
    assert told in " ".join(done.err.replace("│", " ").split())


@pytest.mark.parametrize("kind", ["duckdb", "sqlite", "csv", "parquet"])
def test_the_command_prints_queries_of_any_table_and_no_model(
    kind: str, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / f"films.{kind}"
    table = MIXED.select("id", "amount", "x", "city")
    if kind == "csv":
        table.write_csv(path)
    elif kind == "parquet":
        table.write_parquet(path)
    else:
        write_table(str(path), "films", [table])
    told = ["--predict", "amount", "--using", "x,city", "--id", "id", "--engine", "database"]
    for dialect in ("bigquery", "sqlite") if kind == "csv" else ("bigquery",):
        done = run("learn", path, *told, "--show-sql", dialect)
        assert done.code == 0, done.err
        assert done.out.startswith(f"-- What learning asks, in the SQL of {dialect}")
        parsed = [one for one in sqlglot.parse(done.out, read=dialect) if one is not None]
        # SQLite is asked for types, too; how far ids go, is asked of those of 64 bits.
        assert len(parsed) == 3 + (dialect == "sqlite") + (kind != "csv")
        assert all(isinstance(one, exp.Select) for one in parsed)
        assert all("films" in {table.name for table in one.find_all(exp.Table)} for one in parsed)
