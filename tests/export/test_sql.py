"""Models as SQL predict and explain as the model does, in SQLite, DuckDB and PostgreSQL."""

import math
import re
import sqlite3
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
import sqlglot

import deltarule as dr
from deltarule.errors import ExportError, LearningError
from deltarule.export.onnx import feeds
from deltarule.export.sql.dialect import DIALECTS
from tests.export.conftest import in_duckdb, in_sqlite, numbered
from tests.export.models import CASES, difference
from tests.export.test_files import RUNNERS, SUFFIXES
from tests.export.test_onnx import session


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_query_predicts_and_explains_as_the_model(case, database):
    dialect, run = database
    query = case.model.to_sql("rows", dialect=dialect, explain=True, keep=["row id"])
    _, columns = run(numbered(case), query)
    assert not difference(case.explained, columns)


def test_a_view_predicts_the_rows_of_its_table(database):
    dialect, run = database
    case = next(one for one in CASES if one.name == "logistic")
    view = case.model.to_sql("rows", dialect=dialect, view="as scored", keep=["row id"])
    names, columns = run(numbered(case), view + '\nSELECT * FROM "as scored" WHERE "row id" < 7')
    assert names == case.expected.columns
    assert not difference(case.expected[:7], columns)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_parsed_back_to_the_same_columns(dialect):
    for case in (one for one in CASES if one.name in PARSED):
        query = case.model.to_sql("my.rows", dialect=dialect, explain=True, keep=["id"])
        [parsed] = sqlglot.parse(query, read=dialect)
        names = [DIALECTS[dialect].cut(name) for name in case.explained.columns]
        assert [one.alias for one in parsed.expressions] == ["id", *names]
        assert "my" in [one.db for one in parsed.find_all(sqlglot.exp.Table)]
        said = "run in it and" if DIALECTS[dialect].runs else "parsed, not run"
        assert said in query.partition("\nWITH")[0]


PARSED = ("three losses", "conditions", "functions of dates")
NASTY = "x\"'`]\\; DROP TABLE rows; --\n/* %s {0} \u202e"


def test_hostile_names_and_levels_stay_names_and_text(database):
    dialect, run = database
    rng = np.random.default_rng(0)
    levels = [NASTY, "'", "''", "\\", "\\'", "--", "/*", "a\nb", "{0}", "$$", "é'"]
    table = pl.DataFrame(
        {
            "row id": range(200),
            NASTY: rng.choice(levels, 200),
            "x;--": rng.normal(size=200),
            "y'": rng.normal(size=200),
        }
    )
    model = dr.learn(table, predict="y'", using=[NASTY, "x;--"], ridge=0.1)
    query = model.to_sql("rows", dialect=dialect, explain=True, keep=["row id"])
    names, columns = run(table, query)
    assert names == [DIALECTS[dialect].cut(name) for name in model.explain(table).columns]
    assert not difference(model.explain(table), columns)
    for name in DIALECTS:
        [parsed] = sqlglot.parse(model.to_sql(NASTY, dialect=name, view=f"{NASTY}2"), read=name)
        assert isinstance(parsed, sqlglot.exp.Create)


def test_braces_in_texts_are_texts(database):
    dialect, run = database
    table = pl.DataFrame(
        {"row id": range(40), "{0}": ["{0}", "{1}x", "{", "{}%"] * 10, "y": np.arange(40.0) % 7}
    )
    own = '"{0}"'
    using = [f"sqrt(length(replace({own}, '{{0}}', '{{')))", f"concat({own}, '{{2}}')"]
    model = dr.learn(table, predict="y", using=using, ridge=1.0)
    query = model.to_sql("rows", dialect=dialect, explain=True, keep=["row id"])
    assert not difference(model.explain(table), run(table, query)[1])


def test_many_levels_are_joined_as_a_table(database):
    dialect, run = database
    rng = np.random.default_rng(0)
    level = [f"level '{n}'" for n in rng.integers(0, 700, 5000)]
    table = pl.DataFrame({"row id": range(5000), "level": level, "y": rng.normal(size=5000)})
    model = dr.learn(table, predict="y", using="level", levels=1000, ridge=1.0)
    rows = table[:900].with_columns(
        level=pl.when(pl.col("row id") % 9 == 0).then(pl.lit("new")).otherwise(pl.col("level"))
    )
    query = model.to_sql("rows", dialect=dialect, explain=True, keep=["row id"])
    assert "JOIN" in query
    assert not difference(model.explain(rows), run(rows, query)[1])


def test_numbers_far_out_raise_no_error(database):
    dialect, run = database
    case = next(one for one in CASES if one.name == "poisson")
    far = [1e300, -1e300, math.inf, -math.inf, math.nan, 5e-324, 1e6, -1e6, 1e150]
    rows = case.rows[: len(far)].with_columns(size=pl.Series(far)).with_row_index("row id")
    _, [predictions] = run(rows, case.model.to_sql("rows", dialect=dialect, keep=["row id"]))
    expected = case.model.predict(rows.filter(pl.col("size").is_finite() | pl.col("size").is_nan()))
    made = dict(zip(far[4:8], predictions[4:8], strict=True))
    assert predictions[2] is None
    assert predictions[3] is None
    assert made[1e6] == pytest.approx(expected["claims_prediction"][4], rel=1e-9)
    assert made[-1e6] == pytest.approx(expected["claims_prediction"][5], rel=1e-9)
    assert (predictions[0] is None) == DIALECTS[dialect].raises


def test_numbers_are_written_so_that_they_read_back(database):
    dialect, run = database
    rng = np.random.default_rng(3)
    values = [*np.exp(rng.normal(0, 200, 300)), 5e-324, 1.7976931348623157e308, 0.1, -0.0, 1e22]
    spelled = DIALECTS[dialect].literal
    for value in values:
        digits = spelled(float(value)).removesuffix("::float8").strip("'")
        assert float(digits) == value
    columns = ", ".join(f"{spelled(float(value))} AS c{at}" for at, value in enumerate(values))
    rows = pl.DataFrame({"row id": [0]})
    _, found = run(rows, f'SELECT "row id", {columns} FROM "rows"')
    assert [one for [one] in found] == pytest.approx(values, rel=1e-15, abs=0)


def test_a_doubled_expression_is_named_once_and_not_written_out():
    rng = np.random.default_rng(0)
    text = "x"
    for at in range(12):
        text = f"nullif({text}, {at}) + coalesce({text}, {at})" if at % 4 == 3 else f"abs({text})"
    table = pl.DataFrame({"row id": range(100), "x": rng.normal(size=100)})
    table = table.with_columns(y=pl.col("x") * 2)
    nested = "greatest(least(x, 1), least(x, 2) + greatest(x, 3) ** 2, round(x, 2) % 3)"
    for _ in range(4):
        nested = f"log1p(abs(round({nested}, 1))) + sqrt(abs({nested}))"
    model = dr.learn(table, predict="y", using=[nested[:9000], text], ridge=1.0)
    for dialect, run in (("duckdb", in_duckdb), ("sqlite", in_sqlite)):
        query = model.to_sql("rows", dialect=dialect, keep=["row id"])
        assert len(query) < 30_000
        assert not difference(model.predict(table), run(table, query)[1])


def test_a_query_that_a_planner_would_copy_is_fenced():
    rng = np.random.default_rng(0)
    table = pl.DataFrame({f"x{at}": rng.normal(size=300) for at in range(20)})
    table = table.with_columns(y=pl.Series(rng.integers(0, 9, 300).astype(str)))
    model = dr.learn(table, predict="y", ridge=1.0)
    assert "OFFSET '0'" in model.to_sql("rows", dialect="postgres")
    small = dr.learn(table[:, :3].with_columns(y=pl.col("x0")), predict="y")
    assert "OFFSET '0'" not in small.to_sql("rows", dialect="postgres")


def test_what_depends_on_the_last_digit_is_the_same(database):
    dialect, run = database
    x = [10.0**n for n in range(-5, 9)] + [2.0**n for n in range(-20, 40)] + [30.0, 0.7, -0.9, 7.3]
    table = pl.DataFrame({"row id": range(len(x)), "x": x, "y": np.sin(np.arange(len(x)))})
    using = ["floor(log10(x))", "floor(log2(x))", "x % 0.4", "x % -0.1", "round(x * 5) / 2"]
    model = dr.learn(table, predict="y", using=using, ridge=1.0)
    query = model.to_sql("rows", dialect=dialect, explain=True, keep=["row id"])
    assert not difference(model.explain(table), run(table, query)[1])
    content = model.to_onnx(explain=True)
    found = session(content).run(None, feeds(content, table.to_dicts()))
    assert not difference(model.explain(table), [one.tolist() for one in found])


def test_words_for_missing_are_missing(database):
    dialect, run = database
    table = pl.DataFrame(
        {
            "row id": range(60),
            "x": [float(at % 7) if at % 5 else -999.0 for at in range(60)],
            "c": ["a", "b", "gone", "d", " gone "] * 12,
            "y": [float(at) for at in range(60)],
        }
    )
    model = dr.learn(table, predict="y", using=["x", "c"], missing_words="-999,gone")
    query = model.to_sql("rows", dialect=dialect, explain=True, keep=["row id"])
    assert not difference(model.explain(table), run(table, query)[1])


@pytest.mark.parametrize("written", ["%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%d %H:%M:%S", None])
def test_words_for_missing_are_missing_dates(database, written):
    dialect, run = database
    days = [
        datetime(1900, 1, 1) if at % 9 == 0 else datetime(2020, 1, 1 + at % 28) for at in range(200)
    ]
    cells = days if written is None else [day.strftime(written) for day in days]
    words = ["gone", "1900-01-01", "01.01.1900", "1900-01-01 00:00:00"]
    y = [50.0 if at % 9 == 0 else float(at % 28) for at in range(200)]
    table = pl.DataFrame({"row id": range(200), "v": cells, "y": y})
    how = {"predict": "y", "using": "v", "ridge": 0, "dates": "days"}
    model = dr.learn(table, **how, missing_words=words)
    query = model.to_sql("rows", dialect=dialect, explain=True, keep=["row id"])
    assert not difference(model.explain(table), run(table, query)[1])
    assert model.predict(table[:1])["y_prediction"].to_list() == pytest.approx([50])


TIMED = ["t >= '2020-01-02 13:00'", "d < '2020-01-03T00:00:00.500'", "t in ('2020-01-02T12:00:00')"]


def of_times() -> tuple[pl.DataFrame, dr.Model]:
    """A table of datetimes and dates, and a model of comparisons with times of day."""
    start = datetime(2020, 1, 1)
    hours = [start + timedelta(hours=at) for at in range(80)]
    table = pl.DataFrame({"row id": range(80), "t": hours, "d": [hour.date() for hour in hours]})
    # 2 from 13:00 of the second day, 4 until the third day's midnight has passed, 8 at noon.
    y = [2.0 * (at >= 37) + 4 * (at < 72) + 8 * (at == 36) for at in range(80)]
    table = table.with_columns(y=pl.Series(y))
    using = [f"case when {one} then 1 else 0 end" for one in TIMED]
    return table, dr.learn(table, predict="y", using=using, ridge=0)


def test_dates_are_compared_with_times_of_day(database):
    dialect, run = database
    table, model = of_times()
    assert sorted(model.coef.values()) == pytest.approx([0, 2, 4, 8], abs=1e-9)
    query = model.to_sql("rows", dialect=dialect, explain=True, keep=["row id"])
    assert not difference(model.explain(table), run(table, query)[1])


@pytest.mark.parametrize("form", RUNNERS)
def test_files_compare_dates_with_times_of_day(form, tmp_path):
    table, model = of_times()
    file = tmp_path / f"model{SUFFIXES[form]}"
    model.export(form, file)
    rows = table.with_columns(pl.col("t", "d").cast(pl.String)).to_dicts()
    found = [one["y_prediction"] for _, one, _ in RUNNERS[form](file, rows)]
    assert found == pytest.approx(table["y"].to_list(), abs=1e-9)


def test_what_cannot_be_written_is_refused_by_name():
    model = next(one for one in CASES if one.name == "squared").model
    with pytest.raises(LearningError, match="there is no dialect 'oracle': choose duckdb, "):
        model.to_sql("rows", dialect="oracle")
    with pytest.raises(LearningError, match="are both called 'rows'"):
        model.to_sql("rows", view="rows")
    for name in ("", "a..b", "a\x00"):
        with pytest.raises(LearningError, match="is no name for a table"):
            model.to_sql(name)
    with pytest.raises(LearningError, match="takes the columns 'Price_Prediction' and 'price_pred"):
        model.to_sql("rows", keep=["Price_Prediction"])
    long = dr.learn({"x": [1.0, 2, 3, 4], "y" * 70: [1.0, 2, 2, 5]}, predict="y" * 70)
    assert ("y" * 63 + '"') in long.to_sql("rows", dialect="postgres")


def test_nothing_of_a_model_leaves_the_comment():
    model = next(one for one in CASES if one.name == "squared").model
    hostile = "films\n; DROP TABLE films; --\r\u2028x"
    record = model.record.model_copy(update={"learnt_from": hostile})
    header = dr.Model(record).to_sql("rows").partition("\nWITH")[0]
    lines = re.split("[\n\r\u2028\u2029\x0b\x0c\x85]", header)
    assert all(line.startswith("--") for line in lines)


def test_without_functions_of_mathematics_sqlite_checks_nothing(monkeypatch):
    class Plain(sqlite3.Connection):
        def execute(self, text, *values):
            if "EXP(" in text:
                raise sqlite3.OperationalError("no such function: EXP")
            return super().execute(text, *values)

    case = next(one for one in CASES if one.name == "poisson")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect(path, factory=Plain))
    made = case.model.exported("sql", table="rows", dialect="sqlite")
    assert not made.check.ran
    assert "EXP(" in made.content


def test_the_command_writes_a_view_with_the_columns_that_are_kept(run, tmp_path):
    case = next(one for one in CASES if one.name == "logistic")
    model, out = tmp_path / "model.json", tmp_path / "scored.sql"
    case.model.save(model)
    settings = ["--dialect", "sqlite", "--table", "rows", "--view", "scored", "--keep", "row id"]
    done = run("export", model, "--to", "sql", *settings, "--explain", "--out", out)
    assert (done.code, done.err) == (0, "")
    assert f"{out} written, checked on 64 rows" in done.out
    _, columns = in_sqlite(numbered(case), out.read_text() + "\nSELECT * FROM scored")
    assert not difference(case.explained, columns)
    said = run("export", model, "--to", "sql", "--dialect", "oracle", "--table", "rows").refused()
    assert said.startswith("there is no dialect 'oracle'")
    said = run("export", model, "--to", "python", "--dialect", "sqlite").refused()
    assert "python has no setting 'dialect'" in said


def test_the_command_checks_in_a_postgres_where_nothing_stays(run, tmp_path, postgres, psql):
    case = next(one for one in CASES if one.name == "softmax")
    model, out = tmp_path / "model.json", tmp_path / "scored.sql"
    case.model.save(model)
    psql("DROP TABLE IF EXISTS kept")
    psql("CREATE TABLE kept (x int)")
    words = ["export", model, "--to", "sql", "--dialect", "postgres", "--table", "kept"]
    words += ["--view", "scored", "--explain", "--out", out]
    assert "not checked" in run(*words).out
    done = run(*words, "--check-in", postgres)
    assert f"{out} written, checked on 64 rows" in done.out
    tables = "SELECT relname::text FROM pg_class WHERE relname IN ('kept', 'scored')"
    assert psql(tables) == [("kept",)]
    assert psql("SELECT count(*)::int FROM kept") == [(0,)]
    psql("DROP TABLE kept")
    assert "in no schema" in run(*words, "--table", "public.kept", "--check-in", postgres).refused()
    assert "no PostgreSQL database" in run(*words, "--check-in", tmp_path / "x.db").refused()
    said = run(*words, "--dialect", "duckdb", "--check-in", postgres).refused()
    assert "the dialect is duckdb" in said


@pytest.mark.parametrize(
    ("dialect", "table", "view"),
    [
        ("duckdb", "sales.rows", "sales.scored"),
        ("duckdb", "shop.sales.rows", None),
        ("sqlite", "sales.rows", None),
        ("sqlite", "main.rows", "main.scored"),
    ],
)
def test_a_table_in_a_schema_is_checked_too(dialect, table, view):
    case = next(one for one in CASES if one.name == "logistic")
    assert case.model.exported("sql", dialect=dialect, table=table, view=view).check.ran


def test_a_view_that_sqlite_cannot_make_is_not_written():
    case = next(one for one in CASES if one.name == "logistic")
    with pytest.raises(ExportError, match="cannot reference objects in database sales"):
        case.model.to_sql("sales.rows", dialect="sqlite", view="scored")


def test_no_class_is_the_likeliest_of_undefined_probabilities(database):
    dialect, run = database
    if dialect == "postgres":
        return  # numbers beyond 1e150 have no prediction there
    rng = np.random.default_rng(8)
    tiny = rng.normal(0, 1e-200, (300, 2))
    classes = np.array(["a", "b", "c"])[np.digitize((tiny * 1e200).sum(axis=1), [-0.5, 0.5])]
    model = dr.learn({"a": tiny[:, 0], "b": tiny[:, 1], "y": classes}, predict="y", loss="softmax")
    rows = pl.DataFrame({"row id": [1], "a": [1e300], "b": [-1e300]})
    names, columns = run(rows, model.to_sql("rows", dialect=dialect, keep=["row id"]))
    assert columns[names.index("y_prediction")] == [None]
    assert model.predict(rows)["y_prediction"].to_list() == [None]
