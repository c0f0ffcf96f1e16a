"""Drift in the metrics of a server: rows by cell of each column, and their PSI."""

import re
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.model.prediction_stream import Columns
from deltarule.serve.drift import MOST_COLUMNS, DriftCounts
from deltarule.serve.metrics import Metrics
from deltarule.serve.scoring import score_rows, score_source
from deltarule.serve.served import ServedModel, open_served
from deltarule.serve.settings import Limits
from deltarule.tables.frames import open_table
from tests.model.drift_pairs import drawn

KEPT = ["x", "skewed", "gaps", "few", "many", "yes", "day", "y"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("drift") / "m.json"
    dr.learn(drawn(1, 3000).select(KEPT), predict="y").save(made)
    return made


@pytest.fixture
def served(path: Path) -> ServedModel:
    return open_served("m", path, Limits())


def rows_of(table: pl.DataFrame) -> list[dict[str, Any]]:
    days = pl.col("day").dt.to_string("%Y-%m-%d")
    return table.select(KEPT[:-1]).with_columns(days).to_dicts()


def told(metrics: Metrics, *models: ServedModel) -> dict[str, float]:
    text = metrics.text(models).decode()
    found = re.findall(r'(?m)^deltarule_drift_psi\{column="(.*)",model="m"\} (\S+)$', text)
    return {column: float(value) for column, value in found}


@pytest.mark.parametrize("way", ["one by one", "table"])
def test_the_gauge_of_a_shifted_column_rises(served: ServedModel, way: str) -> None:
    metrics = Metrics()
    assert set(told(metrics, served).values()) == {0.0}

    def ask(table: pl.DataFrame) -> None:
        if way == "table":
            score_source(served, open_table(table.select(KEPT[:-1]))[0], Columns(flags=True))
            metrics.pass_on([served])
            return
        for row in rows_of(table):
            score_rows(served, [row])
            metrics.pass_on([served])

    ask(drawn(2, 600))
    same = told(metrics, served)
    assert {"x", "skewed", "gaps", "few", "many", "yes", "days(day)"} <= same.keys()
    assert set(same.values()) == {0.0}
    shifted = drawn(3, 3000).with_columns(
        x=pl.col("x") + 2, few=pl.lit("c"), gaps=pl.lit(None, dtype=pl.Float64)
    )
    ask(shifted)
    found = told(metrics, served)
    assert {name for name, value in found.items() if value > 0.25} == {"x", "few", "gaps"}


def test_both_ways_count_the_same_cells(served: ServedModel) -> None:
    table = drawn(4, 300)
    for row in rows_of(table):
        score_rows(served, [row])
    one_by_one = served.drift.taken()
    score_source(served, open_table(table.select(KEPT[:-1]))[0], Columns())
    assert served.drift.taken() == one_by_one
    assert all(sum(counts) == 300 for counts in one_by_one.values())
    assert served.drift.rows == 0


def test_the_psi_is_close_to_that_of_the_command(served: ServedModel) -> None:
    shifted = drawn(5, 3000).select(KEPT).with_columns(x=pl.col("x") * 1.6)
    metrics = Metrics()
    score_source(served, open_table(shifted.drop("y"))[0], Columns())
    known = {one.column: one.psi for one in served.model.drift(shifted).columns}
    found = told(metrics, served)
    assert found["x"] == pytest.approx(known["x"], rel=0.02)


def test_another_version_of_a_model_begins_anew(path: Path, tmp_path: Path) -> None:
    metrics, before = Metrics(), open_served("m", path, Limits())
    shifted = drawn(6, 500).select(KEPT).with_columns(x=pl.col("x") + 3)
    score_source(before, open_table(shifted.drop("y"))[0], Columns())
    assert told(metrics, before)["x"] > 1
    dr.learn(shifted, predict="y").save(tmp_path / "new.json")
    assert told(metrics, open_served("m", tmp_path / "new.json", Limits()))["x"] == 0


def test_what_is_counted_is_bounded() -> None:
    rng = np.random.default_rng(1)
    table = pl.DataFrame({f"x{at}": rng.normal(size=300) for at in range(80)} | {"y": range(300)})
    table = table.with_columns(level=pl.Series(rng.integers(0, 60, 300)).cast(pl.String))
    counts = DriftCounts(dr.learn(table, predict="y", ridge=1.0).record)
    assert len(counts.cells) == MOST_COLUMNS
    assert max(len(one.before) for one in counts.cells.values()) <= 14


def test_counting_a_row_takes_microseconds(served: ServedModel) -> None:
    rows = [[row] for row in rows_of(drawn(7, 400))]
    met: list[tuple[Any, Any, Any]] = []
    for row in rows:
        served.few.score(row, watch=lambda *one: met.append(one))
    began = process_time()
    for one in met * 5:
        served.drift.add(*one)
    # 7 columns took 4 us on a quiet machine.
    assert (process_time() - began) / (5 * len(met)) < 60e-6


def test_a_model_of_an_earlier_version_counts_categories_alone(served: ServedModel) -> None:
    record = served.model.record.model_copy(update={"distributions": ()})
    counts = DriftCounts(record)
    assert set(counts.names) >= {"few", "many"}
    assert "x" not in counts.names
