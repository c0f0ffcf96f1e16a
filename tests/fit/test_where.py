"""`where` and `without`: which rows and columns of a table have a part, the same in any source."""

import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import deltarule as dr
from deltarule.errors import (
    ColumnError,
    EmptyError,
    ExpressionError,
    LearningError,
    ValueRefusedError,
)

ROWS = 400


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    random = np.random.default_rng(5)
    x = random.normal(size=ROWS).round(3)
    year = random.integers(1990, 2020, ROWS)
    kind = random.choice(["a", "b", "c"], ROWS)
    y = (3 * x + 0.1 * (year - 2000) + (kind == "b") + random.normal(size=ROWS)).round(3)
    return pl.DataFrame({"x": x, "year": year, "kind": kind, "y": y}).with_columns(
        score=pl.when(pl.col("x") > -1).then(pl.col("x"))
    )


def _lite(frame: pl.DataFrame, path: Path) -> str:
    path.with_suffix(".db").unlink(missing_ok=True)
    with sqlite3.connect(path.with_suffix(".db")) as lite:
        lite.execute("create table t (x real, year integer, kind text, y real, score real)")
        lite.executemany("insert into t values (?, ?, ?, ?, ?)", frame.iter_rows())
    return str(path.with_suffix(".db"))


def _duck(frame: pl.DataFrame, path: Path) -> str:
    duckdb = pytest.importorskip("duckdb")
    path.with_suffix(".duckdb").unlink(missing_ok=True)
    with duckdb.connect(str(path.with_suffix(".duckdb"))) as duck:
        duck.register("frame", frame.to_arrow())
        duck.execute("create table t as select * from frame")
    return str(path.with_suffix(".duckdb"))


def _file(write: str, ending: str) -> Callable[[pl.DataFrame, Path], str]:
    def written(frame: pl.DataFrame, path: Path) -> str:
        getattr(frame, write)(path.with_suffix(ending))
        return str(path.with_suffix(ending))

    return written


SOURCES: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "CSV": _file("write_csv", ".csv"),
    "Parquet": _file("write_parquet", ".parquet"),
    "NDJSON": _file("write_ndjson", ".ndjson"),
    "SQLite": _lite,
    "DuckDB": _duck,
    "polars": lambda frame, path: frame,
    "lazy": lambda frame, path: frame.lazy(),
    "pandas": lambda frame, path: frame.to_pandas(),
    "Arrow": lambda frame, path: frame.to_arrow(),
    "stream": lambda frame, path: pa.RecordBatchReader.from_stream(frame),
    "rows": lambda frame, path: frame.to_dicts(),
}
COLUMN = {name: pl.col(name) for name in ("x", "year", "kind", "score")}
CONDITIONS: dict[str, pl.Expr] = {
    "year > 2000": COLUMN["year"] > 2000,
    "score > 0": COLUMN["score"] > 0,  # null is not met
    "not score > 0": ~(COLUMN["score"] > 0),
    "kind in ('a', 'c') and x between -1 and 1": (
        COLUMN["kind"].is_in(["a", "c"]) & COLUMN["x"].is_between(-1, 1)
    ),
    "score is null or kind like 'b%'": COLUMN["score"].is_null() | (COLUMN["kind"] == "b"),
    "YEAR(date '2001-05-01') <= year": COLUMN["year"] >= 2001,
}


def figures(model: dr.Model) -> Any:
    return model.record.weights, model.record.held_out, model.record.rows


@pytest.mark.parametrize(
    ("source", "condition"),
    [*((source, "score > 0") for source in SOURCES), *(("CSV", one) for one in CONDITIONS)],
)
def test_learning_and_predicting_are_those_of_the_rows_that_meet_it(
    source: str, condition: str, table: pl.DataFrame, tmp_path: Path
) -> None:
    met = table.filter(CONDITIONS[condition])

    def made(frame: pl.DataFrame, name: str) -> Any:
        return SOURCES[source](frame, tmp_path / name)

    model = dr.learn(made(table, "all"), predict="y", using=["x", "kind"], where=condition)
    alone = dr.learn(made(met, "met"), predict="y", using=["x", "kind"])
    assert figures(model) == figures(alone)
    told = f"{ROWS - met.height} of {ROWS} rows do not meet"
    assert told in " ".join(model.record.notes)
    found = model.predict(made(table, "all"), where=condition)
    expected = model.predict(made(met, "met"))
    if source == "pandas":
        kept = table.with_row_index().filter(CONDITIONS[condition])["index"]
        assert found.index.tolist() == kept.to_list()
        found = found.reset_index(drop=True)
    if source == "lazy":
        found, expected = found.collect(), expected.collect()
    assert pl.DataFrame(found).equals(pl.DataFrame(expected))
    compared = model.compare(made(table, "all"), where=condition)
    assert compared.outputs == model.compare(made(met, "met")).outputs
    assert told in str(compared)


def test_two_models_are_compared_on_the_rows_that_meet_it(table: pl.DataFrame) -> None:
    one, other = (dr.learn(table, predict="y", using=using) for using in ("x", "kind"))
    found = one.compare(table, other, where="year > 2000")
    assert found.rows == table.filter(pl.col("year") > 2000).height
    assert found.targets == one.compare(table.filter(pl.col("year") > 2000), other).targets


def test_rows_that_meet_it_may_come_late(tmp_path: Path) -> None:
    x = np.arange(30_000.0)
    frame = pl.DataFrame({"x": x, "y": 2 * x + np.sin(x)})
    frame.write_csv(tmp_path / "t.csv")
    model = dr.learn(tmp_path / "t.csv", predict="y", where="x >= 29900")
    assert model.record.rows == 100
    assert figures(model) == figures(dr.learn(frame[29_900:], predict="y"))


def test_text_that_spells_numbers_and_dates(tmp_path: Path) -> None:
    n = 60
    days = [(date(2020, 1, 1) + timedelta(days=i)).isoformat() for i in range(n)]
    x = [(i * 37) % 61 for i in range(n)]
    frame = pl.DataFrame(
        {"day": days, "price": [f"${1000 + i:,}" for i in range(n)], "x": x, "y": x[::-1]}
    )
    frame.write_csv(tmp_path / "t.csv")
    model = dr.learn(tmp_path / "t.csv", predict="y", using="x", where="price >= 1010")
    assert model.record.rows == 50
    dated = dr.learn(tmp_path / "t.csv", predict="y", using="x", where="day < date '2020-01-31'")
    assert dated.record.rows == 30


def test_a_row_is_named_where_it_stands(table: pl.DataFrame, tmp_path: Path) -> None:
    x = table["x"].cast(pl.String).to_list()
    kept = [at for at, year in enumerate(table["year"]) if year > 2000]
    x[kept[50]] = "many"
    table.with_columns(pl.Series("x", x)).write_csv(tmp_path / "t.csv")
    model = dr.learn(tmp_path / "t.csv", predict="y", using="x", where="year > 2000")
    (note,) = [note for note in model.record.notes if "many" in note]
    assert f"line {kept[50] + 2}" in note
    broken = table.with_columns(x=pl.lit(np.inf))
    with pytest.raises(ValueRefusedError, match=r"where year > 2000, .*row 1\b"):
        dr.learn(broken, predict="y", using="x", where="year > 2000")


def test_a_table_set_aside_has_the_same_condition(table: pl.DataFrame) -> None:
    aside = table.reverse().with_columns(y=pl.col("y") + 0.1 * pl.col("x"))
    model = dr.learn(table, predict="y", using="x", where="year > 2000", hold_out=aside)
    met = aside.filter(pl.col("year") > 2000)
    assert model.held_out.rows == met.height
    alone = dr.learn(table.filter(pl.col("year") > 2000), predict="y", using="x", hold_out=met)
    assert model.held_out == alone.held_out


@pytest.mark.parametrize(
    ("condition", "error", "words"),
    [
        ("year", LearningError, "no condition"),
        ("kind", LearningError, "no condition"),
        ("x + year", LearningError, "no condition"),
        ("yeer > 2000", ColumnError, "did you mean year"),
        ("year >", ExpressionError, "cannot be read"),
        ("1 = 1", ExpressionError, "reads no column"),
        ("kind > 3", ExpressionError, "values of one kind"),
        ("year > 3000", EmptyError, "where year > 3000 has no rows"),
        ("exists(select 1)", ExpressionError, "exists"),
    ],
)
def test_what_is_no_condition_is_refused(
    condition: str, error: type[Exception], words: str, table: pl.DataFrame
) -> None:
    with pytest.raises(error, match=words):
        dr.learn(table, predict="y", where=condition)


def test_no_row_to_predict_gives_no_row(table: pl.DataFrame, tmp_path: Path) -> None:
    model = dr.learn(table, predict="y", using=["x", "kind"])
    table.write_csv(tmp_path / "t.csv")
    for source in (table, tmp_path / "t.csv"):
        found = model.predict(source, where="year > 3000")
        assert found.shape == (0, 1)
    assert model.predict(table.row(0, named=True), where="year > 3000") is None


def test_on_the_command_line(
    run: Callable[..., Any], table: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table.with_columns(code=pl.lit("007")).write_csv("t.csv")
    met = table.filter(pl.col("year") > 2000)
    learnt = run(
        "learn", "t.csv", "--predict", "y", "--without", "kind,code", "--where", "year > 2000",
        "--save", "m.json", "--report", "r.html",
    )  # fmt: skip
    assert learnt.code == 0, learnt.err
    model = dr.load("m.json")
    assert model.record.rows == met.height
    assert [one.name for one in model.record.contract.columns] == ["x", "year", "score"]
    assert model.record.learnt_from == "t.csv where year > 2000"
    done = run("predict", "m.json", "t.csv", "--where", "year > 2000", "--out", "o.csv")
    assert "rows do not meet year > 2000" in done.err
    found = pl.read_csv("o.csv", schema_overrides={"code": pl.String})
    assert found.height == met.height
    assert set(found["code"]) == {"007"}
    assert np.allclose(found["y_prediction"], model.predict(met)["y_prediction"])
    compared = run("compare", "m.json", "t.csv", "--where", "year <= 2000")
    assert f"{ROWS - met.height} rows compared" in compared.out


# Columns


@pytest.mark.parametrize("source", ["CSV", "SQLite", "pandas", "rows"])
def test_all_columns_but_some(source: str, table: pl.DataFrame, tmp_path: Path) -> None:
    opened = SOURCES[source](table, tmp_path / "t")
    model = dr.learn(opened, predict="y", without=["kind", "score"])
    named = dr.learn(table, predict="y", using=["x", "year"])
    assert [one.name for one in model.record.contract.columns] == ["x", "year"]
    assert model.coef == pytest.approx(named.coef, rel=1e-9)


def test_what_without_cannot_be(table: pl.DataFrame) -> None:
    with pytest.raises(ColumnError, match="no column 'knd': did you mean kind"):
        dr.learn(table, predict="y", without="knd")
    with pytest.raises(LearningError, match="give one"):
        dr.learn(table, predict="y", using="x", without="kind")
    with pytest.raises(ColumnError, match="no column to use as an input"):
        dr.learn(table, predict="y", without=["x", "year", "kind", "score"])


@pytest.mark.parametrize("form", ["frame", "file", "sqlite", "database"])
@pytest.mark.parametrize(
    "where",
    ["age < 18", "age is null", "age is not null", "coalesce(kind, 'q') = 'q'", "kind <> 'a'"],
)
def test_words_for_missing_are_missing_in_a_condition(
    tmp_path: Path, form: str, where: str
) -> None:
    rng = np.random.default_rng(3)
    ages = rng.integers(5, 80, ROWS)
    ages[::4] = -999
    kinds = rng.choice(["a", "b", " TBD "], ROWS)
    frame = pl.DataFrame({"x": rng.normal(size=ROWS), "age": ages, "kind": kinds})
    frame = frame.with_columns(y=rng.normal(size=ROWS))
    known = frame.select(
        pl.col("age").replace(-999, None), pl.col("kind").replace(" TBD ", None)
    ).with_row_index()
    met = known.sql(f"select * from self where {where}").height
    given: Any = frame
    if form == "file":
        frame.write_csv(given := tmp_path / "t.csv")
    elif form in ("sqlite", "database"):
        with sqlite3.connect(tmp_path / "t.db") as lite:
            lite.execute("create table t (x real, age integer, kind text, y real)")
            lite.executemany("insert into t values (?, ?, ?, ?)", frame.iter_rows())
        lite.close()
        given = str(tmp_path / "t.db")
    settings: dict[str, Any] = {"predict": "y", "using": ["x"], "missing_words": ["-999", "TBD"]}
    engine = {"engine": "database"} if form == "database" else {}
    assert dr.learn(given, where=where, **settings, **engine).record.rows == met
    if engine:
        return
    whole = dr.learn(given, **settings, keep_summary=True)
    assert whole.compare(given, where=where).rows == met
    assert len(whole.predict(frame, where=where)) == met
    assert whole.forget(given, where=where).record.rows == ROWS - met
    kept = dr.learn(frame, **settings, keep_sample=ROWS)
    assert kept.forget(frame, where=where).record.rows == ROWS - met
    held = dr.learn(frame, where=where, hold_out=frame.with_columns(pl.col("y") + 1), **settings)
    assert held.record.held_out is not None
    assert held.record.held_out[0].rows == met
