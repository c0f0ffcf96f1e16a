"""Blank text is missing whatever the source, and whatever predicts."""

import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import deltarule as dr
from deltarule.export.onnx import feeds
from tests.export.conftest import Runs
from tests.export.test_files import RUNNERS, SUFFIXES
from tests.export.test_onnx import session

CELLS = ["red", "green", "NA", "", "red", " \t", None]
TABLE = pl.DataFrame(
    {
        "c": [CELLS[row % 7] for row in range(140)],
        "y": [[1.0, 2, 5, 9, 1, 9, 9][row % 7] + row % 4 / 8 for row in range(140)],
    }
)
GAPS = TABLE.with_columns(c=pl.when(pl.col("c").is_in(["", " \t"]).not_()).then("c"))
USING = ["c", "case when c <> 'red' then 1 else 0 end", "case when c = '' then 1 else 0 end"]


def _csv(path: Path, quote: str) -> Path:
    rows = (f"{quote}{c or ''}{quote},{y}\n" for c, y in TABLE.rows())
    path.write_text("c,y\n" + "".join(rows))
    return path


def _sqlite(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (c TEXT, y REAL)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", TABLE.rows())
        connection.commit()
    return f"sqlite:///{path}"


def _duckdb(path: Path) -> str:
    with closing(duckdb.connect(path)) as connection:
        connection.register("given", TABLE.to_arrow())
        connection.execute("CREATE TABLE t AS SELECT * FROM given")
    return f"duckdb:///{path}"


def _written(path: Path, write: Callable[[pl.DataFrame, Path], Any]) -> Path:
    write(TABLE, path)
    return path


SOURCES: dict[str, Callable[[Path], Any]] = {
    "csv": lambda folder: _csv(folder / "t.csv", ""),
    "csv in quotes": lambda folder: _csv(folder / "t.csv", '"'),
    "json": lambda folder: _written(folder / "t.json", pl.DataFrame.write_json),
    "ndjson": lambda folder: _written(folder / "t.ndjson", pl.DataFrame.write_ndjson),
    "parquet": lambda folder: _written(folder / "t.parquet", pl.DataFrame.write_parquet),
    "sqlite": lambda folder: _sqlite(folder / "t.db"),
    "duckdb": lambda folder: _duckdb(folder / "t.duckdb"),
    "polars": lambda folder: TABLE,
    "categorical": lambda folder: TABLE.cast({"c": pl.Categorical}),
    "pandas": lambda folder: TABLE.to_pandas(),
    "rows": lambda folder: TABLE.to_dicts(),
    "columns": lambda folder: TABLE.to_dict(as_series=False),
}


@pytest.fixture(scope="module")
def model() -> dr.Model:
    return dr.learn(GAPS, predict="y", using=USING, ridge=0.1)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_has_the_model_of_its_gaps(kind: str, model: dr.Model, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path)
    engines = ["local", "database"] if kind in ("sqlite", "duckdb") else ["local"]
    for engine in engines:
        learnt = dr.learn(source, predict="y", using=USING, ridge=0.1, engine=engine)
        weights = [one.weight for one in learnt.record.weights]
        assert learnt.record.contract.columns == model.record.contract.columns
        assert weights == pytest.approx([one.weight for one in model.record.weights], abs=1e-9)
    found = pl.DataFrame(model.predict(source))
    assert found["y_prediction"].to_list() == _wanted(model)


def _wanted(model: dr.Model) -> list[float]:
    return [one["y_prediction"] for one in model.predict(GAPS.to_dicts())]


@pytest.mark.parametrize("form", RUNNERS)
def test_files_take_blank_text_as_missing(form: str, model: dr.Model, tmp_path: Path) -> None:
    file = tmp_path / f"model{SUFFIXES[form]}"
    model.export(form, file)
    found = [one["y_prediction"] for _, one, _ in RUNNERS[form](file, TABLE.to_dicts())]
    assert found == pytest.approx(_wanted(model), rel=1e-12)


def test_databases_take_blank_text_as_missing(model: dr.Model, database: tuple[str, Runs]) -> None:
    dialect, run = database
    query = model.to_sql("rows", dialect=dialect, keep=["row id"])
    _, [found] = run(TABLE.with_row_index("row id"), query)
    assert found == pytest.approx(_wanted(model), rel=1e-9)


def test_onnx_takes_blank_text_as_missing(model: dr.Model) -> None:
    content = model.to_onnx()
    [found] = session(content).run(None, feeds(content, TABLE.to_dicts()))
    assert found.tolist() == pytest.approx(_wanted(model), rel=1e-9)


def test_a_level_of_blank_text_of_an_older_model_is_never_met(
    model: dr.Model, tmp_path: Path
) -> None:
    record = json.loads(model.record.model_dump_json())
    text = json.dumps(record).replace('"green"', '""')
    older = dr.Model(type(model.record).model_validate_json(text))
    assert "" in older.record.contract.columns[0].known
    for cell in ("", " ", None):
        assert math.isclose(
            older.predict({"c": cell})["y_prediction"], model.predict({"c": None})["y_prediction"]
        )
    older.export("onnx", tmp_path / "m.onnx")


def test_a_blank_class_is_a_missing_target() -> None:
    rows = GAPS.with_columns(x="y", y=pl.col("c").fill_null(""))
    model = dr.learn(rows.drop("c"), predict="y", missing_words=[""])
    assert model.record.rows == GAPS["c"].count()
