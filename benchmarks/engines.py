"""Engines: learning on a cluster, beside the same cluster's own scan of the same rows.

    python -m benchmarks.engines [--rows N] [--spark]

A table of 20 numbers lies in Parquet files. Two worker processes, of Dask or with --spark two
threads of Spark, take turns at one sum of each column (what going over the rows costs), at
learning with all of these columns as inputs, and at the engine's own linear regression where it is
installed (dask-ml, Spark MLlib). The digits of weights are counted against a QR decomposition of
all rows. Results go to engines.jsonl beside this file.
"""

import argparse
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import dask.dataframe as dd
import distributed
import numpy as np
import polars as pl

import deltarule as dr
from benchmarks import machine

RESULTS = Path(__file__).with_name("engines.jsonl")
INPUTS, FILES, ROUNDS = 20, 8, 5
NAMES = [f"x{at}" for at in range(INPUTS)]

Work = Callable[[], np.ndarray | None]
"""Does something with the rows, and gives the weights it found, the intercept first."""


def table(rows: int, folder: Path) -> np.ndarray:
    """Write the table; its exact weights, to the digits of a QR decomposition."""
    rng = np.random.default_rng(1)
    x = rng.normal(50, 10, (rows, INPUTS))
    y = x @ rng.normal(size=INPUTS) + rng.normal(size=rows)
    frame = pl.DataFrame({name: x[:, at] for at, name in enumerate(NAMES)} | {"y": y})
    for at, start in enumerate(range(0, rows, -(-rows // FILES))):
        frame[start : start + -(-rows // FILES)].write_parquet(folder / f"part-{at}.parquet")
    mean = x.mean(axis=0)
    weights = np.linalg.lstsq(x - mean, y - y.mean())[0]
    return np.array([y.mean() - mean @ weights, *weights])


def learnt(frame: Any) -> np.ndarray:
    """The weights of deltarule's model."""
    record = dr.learn(frame, predict="y", using=NAMES, ridge=0).record
    return np.array([record.intercept[0].weight, *(one.weight for one in record.weights)])


def on_dask(folder: Path) -> Mapping[str, Work]:
    """What a Dask cluster does."""
    frame = dd.read_parquet(folder)

    def scan() -> None:
        frame.sum().compute()

    def theirs(module: Any) -> np.ndarray:
        x = frame[NAMES].to_dask_array(lengths=True)
        model = module.LinearRegression(solver="newton", regularizer=None)
        model.fit(x, frame["y"].to_dask_array(lengths=True))
        return np.array([model.intercept_, *model.coef_])

    works: dict[str, Work] = {"dask scan": scan, "dask deltarule": partial(learnt, frame)}
    try:
        works["dask dask-ml"] = partial(theirs, import_module("dask_ml.linear_model"))
    except ImportError:
        print("dask-ml is not installed: it takes no part")
    return works


def on_spark(folder: Path, session: Any) -> Mapping[str, Work]:
    """What Spark does."""
    functions = import_module("pyspark.sql.functions")
    feature, regression = (import_module(f"pyspark.ml.{one}") for one in ("feature", "regression"))
    frame = session.read.parquet(str(folder))

    def scan() -> None:
        frame.agg(*[functions.sum(name) for name in frame.columns]).collect()

    def theirs() -> np.ndarray:
        made = feature.VectorAssembler(inputCols=NAMES, outputCol="x").transform(frame)
        solved = regression.LinearRegression(featuresCol="x", labelCol="y", solver="normal")
        model = solved.fit(made)
        return np.array([model.intercept, *model.coefficients])

    return {"spark scan": scan, "spark deltarule": partial(learnt, frame), "spark mllib": theirs}


def digits(found: np.ndarray, exact: np.ndarray) -> float:
    """The digits that the worst weight has."""
    wrong = float(np.max(np.abs(found - exact) / np.abs(exact)))
    return round(-np.log10(max(wrong, 1e-16)), 1)


def measured(works: Mapping[str, Work], rows: int, exact: np.ndarray) -> None:
    """Time the contestants in turns, and keep their figures; the first round is thrown away."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    weights: dict[str, np.ndarray | None] = {}
    for _ in range(1 + ROUNDS):
        for name, work in works.items():
            begin = perf_counter()
            weights[name] = work()
            seconds[name].append(perf_counter() - begin)
    least = median(seconds[next(iter(works))][1:])
    for name in works:
        own = seconds[name][1:]
        found = weights[name]
        line = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "contestant": name,
            "rows": rows,
            "inputs": INPUTS,
            "seconds": [round(one, 3) for one in own],
            "times_the_scan": round(median(own) / least, 2),
            "digits": None if found is None else digits(found, exact),
            **machine.described(),
        }
        with RESULTS.open("a", encoding="utf-8") as results:
            results.write(json.dumps(line) + "\n")
        print(f"{name:16} {median(own):8.3f} s  {line['times_the_scan']:6} x  {line['digits']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--spark", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        exact = table(asked.rows, Path(made))
        if asked.spark:
            os.environ["PYSPARK_PYTHON"] = sys.executable
            builder = import_module("pyspark.sql").SparkSession.builder.master("local[2]")
            session = builder.config("spark.log.level", "OFF").getOrCreate()
            measured(on_spark(Path(made), session), asked.rows, exact)
            session.stop()
            return
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
            ) as cluster,
            distributed.Client(cluster),
        ):
            measured(on_dask(Path(made)), asked.rows, exact)


if __name__ == "__main__":
    main()
