"""A table the size of a year of flights: every source gives the same model, and none a wide table.

A million rows: five numbers, categories of 10, 100 and 1000 levels, 2% missing, a date.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import tables

ROOT = Path(__file__).parents[1]
ROWS = 1_000_000
LEARN = """
import json, sys
import polars as pl
import deltarule as dr
from benchmarks.machine import peak_mb
path = sys.argv[1]
table = pl.read_parquet(path) if sys.argv[2] == "frame" else path
model = dr.learn(table, predict="y")
print(json.dumps({
    "weights": [weight.model_dump() for weight in model.record.weights],
    "held_out": model.record.held_out[0].model_dump(),
    "reads": model.record.learnt[0].reads,
    "peak": peak_mb() * 1e6,
}))
"""


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("flights")
    frame = tables.flights(ROWS)
    frame.write_parquet(folder / "flights.parquet")
    frame.write_csv(folder / "flights.csv")
    return folder / "flights.parquet", folder / "flights.csv"


def learnt(path: Path, how: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", LEARN, str(path), how],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict = json.loads(done.stdout)
    return found


def test_csv_parquet_and_memory_give_the_same_model(flights: tuple[Path, Path]) -> None:
    parquet, csv = flights
    frame, file, text = learnt(parquet, "frame"), learnt(parquet, "path"), learnt(csv, "path")
    inputs = {(weight["input"], weight["level"]) for weight in file["weights"]}
    assert ("days(day)", None) in inputs
    assert sum(name == "of_1000" for name, _ in inputs) == 1000
    for other in (frame, text):
        assert other["weights"] == file["weights"]
        assert other["held_out"] == file["held_out"]
    assert {one["reads"] for one in (frame, file, text)} == {1}
    # A column for each level would be 9 GB; codes and grouped sums stay far below one.
    assert all(one["peak"] < 1e9 for one in (frame, file, text)), (file["peak"], text["peak"])
