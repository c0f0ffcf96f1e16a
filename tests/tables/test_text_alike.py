"""The same text gives the same model whatever it comes in, and is predicted from the same."""

import datetime as dt
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

ROWS = 120
RANDOM = np.random.default_rng(8)


def text() -> pl.DataFrame:
    """A table of text alone, but for the target: dates month first, amounts, yes and no, times."""
    days = [
        dt.date(2023, 1, 1) + dt.timedelta(days=int(at)) for at in RANDOM.integers(0, 700, ROWS)
    ]
    paid = RANDOM.uniform(1, 3000, ROWS).round(2)
    flag, member = RANDOM.random((2, ROWS)) < 0.4
    hours = RANDOM.integers(0, 24, ROWS)
    y = (
        np.array([day.toordinal() for day in days]) / 50
        + paid / 100
        + 5 * flag
        - 3 * member
        + hours
    )
    return pl.DataFrame(
        {
            "day": [day.strftime("%m/%d/%Y") for day in days],
            "paid": [f"${one:,.2f}" for one in paid],
            "flag": ["Yes" if one else "No" for one in flag],
            "member": ["true" if one else "false" for one in member],
            "at": [f"{d.isoformat()} {h:02}:30:00" for d, h in zip(days, hours, strict=True)],
            "area": [f"B{one}" for one in RANDOM.integers(0, 3, ROWS)],
            "y": y + RANDOM.normal(0, 0.1, ROWS),
        }
    )


TEXT = text()


def _csv(folder: Path) -> Any:
    TEXT.write_csv(folder / "t.csv")
    return folder / "t.csv"


def _tsv(folder: Path) -> Any:
    TEXT.write_csv(folder / "t.tsv", separator="\t")
    return folder / "t.tsv"


def _json(folder: Path) -> Any:
    (folder / "t.json").write_text(json.dumps(TEXT.to_dicts()))
    return folder / "t.json"


def _ndjson(folder: Path) -> Any:
    TEXT.write_ndjson(folder / "t.ndjson")
    return folder / "t.ndjson"


def _parquet(folder: Path) -> Any:
    TEXT.write_parquet(folder / "t.parquet")
    return folder / "t.parquet"


def _sqlite(folder: Path) -> Any:
    columns = ", ".join(f"{name} {'REAL' if name == 'y' else 'TEXT'}" for name in TEXT.columns)
    with sqlite3.connect(folder / "t.db") as made:
        made.execute(f"CREATE TABLE t ({columns})")
        made.executemany(f"INSERT INTO t VALUES ({', '.join('?' * TEXT.width)})", TEXT.rows())
    made.close()
    return f"sqlite:///{folder / 't.db'}"


def _duckdb(folder: Path) -> Any:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(folder / "t.duckdb") as made:
        made.register("given", TEXT.to_arrow())
        made.execute("CREATE TABLE t AS SELECT * FROM given")
    return f"duckdb:///{folder / 't.duckdb'}"


def _pandas(folder: Path) -> Any:
    return pytest.importorskip("pandas").DataFrame(TEXT.to_dict(as_series=False))


def _arrow(folder: Path) -> Any:
    return TEXT.to_arrow()


SOURCES: dict[str, Callable[[Path], Any]] = {
    "csv": _csv,
    "tsv": _tsv,
    "json": _json,
    "ndjson": _ndjson,
    "parquet": _parquet,
    "sqlite": _sqlite,
    "duckdb": _duckdb,
    "pandas": _pandas,
    "polars": lambda folder: TEXT,
    "arrow": _arrow,
    "dict": lambda folder: TEXT.to_dict(as_series=False),
    "dicts": lambda folder: TEXT.to_dicts(),
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in SOURCES.items()}


@pytest.fixture(scope="module")
def expected(tables: dict[str, Any]) -> dr.Model:
    return dr.learn(tables["csv"], predict="y", ridge=0)


def predictions(model: dr.Model, table: Any) -> list[float]:
    found: Any = model.predict(table)
    if isinstance(found, list):
        return [row["y_prediction"] for row in found]
    column = found["y_prediction"]
    return list(
        column
        if isinstance(column, list)
        else column.to_pylist()
        if hasattr(column, "to_pylist")
        else column
    )


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_text_gives_the_same_model_and_predictions(
    name: str, tables: dict[str, Any], expected: dr.Model
) -> None:
    model = dr.learn(tables[name], predict="y", ridge=0)
    assert model.weights.equals(expected.weights)
    assert model.record.fit[0].r2 > 0.999
    assert {one.name for one in model.record.contract.columns} >= {
        "days(day)",
        "paid",
        "category(hour(at))",
    }
    wanted = predictions(expected, TEXT)
    for table in tables.values():
        assert predictions(model, table) == wanted
    one = TEXT.row(5, named=True)
    assert model.predict({k: v for k, v in one.items() if k != "y"})["y_prediction"] == wanted[5]
