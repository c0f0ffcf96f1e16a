"""Engines: learning on a cluster, beside the same cluster's own scan of the same rows.

    python -m benchmarks.engines [--rows N] [--spark | --wide]

A table of 20 numbers lies in Parquet files. Two worker processes, of Dask or with --spark of Spark,
take turns at one sum of each column (what going over the rows costs), at learning with all of these
columns as inputs, and at the engine's own linear regression where it is installed (dask-ml, Spark
MLlib), beside scikit-learn on all rows at once. The digits of weights are counted against a QR
decomposition of all rows. Seconds are of the processors, of this process and all that it began;
those on the clock stand beside them. With --wide, 2,000 inputs are learnt once by Spark, and the
most memory of the driver is what counts. Results go to engines.jsonl beside this file.
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

import numpy as np
import polars as pl

import deltarule as dr
from benchmarks import machine

RESULTS = Path(__file__).with_name("engines.jsonl")
INPUTS, FILES, ROUNDS = 20, 8, 5
NAMES = [f"x{at}" for at in range(INPUTS)]
WIDE = 2_000

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


def scikit_learn(folder: Path) -> Mapping[str, Work]:
    """scikit-learn on all rows at once, in this process."""
    try:
        module = import_module("sklearn.linear_model")
    except ImportError as error:
        print(f"scikit-learn takes no part: {error}")
        return {}

    def theirs() -> np.ndarray:
        frame = pl.read_parquet(folder / "*.parquet")
        model = module.LinearRegression().fit(frame.select(NAMES).to_numpy(), frame["y"].to_numpy())
        return np.array([model.intercept_, *model.coef_])

    return {"scikit-learn": theirs}


def on_dask(folder: Path) -> Mapping[str, Work]:
    """What a Dask cluster does."""
    frame = import_module("dask.dataframe").read_parquet(folder)

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
    except ImportError as error:
        print(f"dask-ml takes no part: {error}")
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


def wide(rows: int, folder: Path, session: Any) -> dict[str, Any]:
    """Many inputs, learnt once by Spark: the most memory of the driver, of Python and of Java."""
    rng = np.random.default_rng(2)
    for at in range(FILES):
        x = rng.normal(size=(rows // FILES, WIDE))
        frame = pl.DataFrame({f"x{k}": x[:, k] for k in range(WIDE)})
        y = pl.Series("y", x[:, :9].sum(axis=1) + rng.normal(size=len(x)))
        frame.with_columns(y).write_parquet(folder / f"part-{at}.parquet")
    del x, frame
    java = f"/proc/{java_process()}"
    for process in ("/proc/self", java):
        Path(f"{process}/clear_refs").write_text("5")  # begin the most memory anew
    before = memory("/proc/self", "VmRSS")
    begin = perf_counter(), machine.tree_seconds()
    model = dr.learn(session.read.parquet(str(folder)), predict="y", ridge=0)
    end = perf_counter(), machine.tree_seconds()
    return {
        "contestant": "spark deltarule",
        "rows": rows,
        "inputs": len(model.record.weights),
        "clock_seconds": round(end[0] - begin[0], 1),
        "seconds": round(end[1] - begin[1], 1),
        "driver_python_mb": memory("/proc/self", "VmHWM"),
        "driver_python_before_mb": before,
        "driver_java_mb": memory(java, "VmHWM"),
        "r2": model.record.held_out[0].r2,
    }


def java_process() -> int:
    """The process of the driver's Java, which this one began."""
    for child in machine.descendants():
        if Path(f"/proc/{child}/comm").read_text().strip() == "java":
            return child
    raise RuntimeError("Spark has begun no Java here")


def memory(process: str, which: str) -> int:
    """The memory of a process now, VmRSS, or the most that it took, VmHWM; in MB."""
    lines = Path(f"{process}/status").read_text().splitlines()
    [line] = [one for one in lines if one.startswith(which)]
    return int(line.split()[1]) // 1024


def digits(found: np.ndarray, exact: np.ndarray) -> float:
    """The digits that the worst weight has."""
    wrong = float(np.max(np.abs(found - exact) / np.abs(exact)))
    return round(-np.log10(max(wrong, 1e-16)), 1)


def measured(works: Mapping[str, Work], rows: int, exact: np.ndarray) -> None:
    """Time the contestants in turns, and keep their figures; the first round is thrown away."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    weights: dict[str, np.ndarray | None] = {}
    for _ in range(1 + ROUNDS):
        for name, work in works.items():
            begin = perf_counter(), machine.tree_seconds()
            weights[name] = work()
            end = perf_counter(), machine.tree_seconds()
            seconds[name].append((end[0] - begin[0], end[1] - begin[1]))
    least = median(cpu for _, cpu in seconds[next(iter(works))][1:])
    for name in works:
        own = seconds[name][1:]
        found = weights[name]
        line = {
            "contestant": name,
            "rows": rows,
            "inputs": INPUTS,
            "seconds": [round(cpu, 2) for _, cpu in own],
            "clock_seconds": [round(clock, 2) for clock, _ in own],
            "times_the_scan": round(median(cpu for _, cpu in own) / least, 2),
            "digits": None if found is None else digits(found, exact),
        }
        keep(line)
        spent = median(cpu for _, cpu in own)
        print(f"{name:16} {spent:8.2f} s  {line['times_the_scan']:6} x  {line['digits']}")


def keep(line: dict[str, Any]) -> None:
    """Add a line to the results."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(json.dumps({"at": at, **line, **machine.described()}) + "\n")


def spark_session() -> Any:
    """Two executors, each a process of its own: what is measured of the driver is its alone."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    builder = import_module("pyspark.sql").SparkSession.builder.master("local-cluster[2,1,2048]")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.log.level": "OFF",
    }
    return builder.config(map=settings).getOrCreate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--spark", action="store_true")
    parser.add_argument("--wide", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if asked.wide:
            line = wide(asked.rows or 16_000, folder, spark_session())
            keep(line)
            print(line)
            return
        rows = asked.rows or 2_000_000
        exact = table(rows, folder)
        if asked.spark:
            session = spark_session()
            measured({**on_spark(folder, session), **scikit_learn(folder)}, rows, exact)
            session.stop()
            return
        distributed = import_module("distributed")
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
            ) as cluster,
            distributed.Client(cluster),
        ):
            measured({**on_dask(folder), **scikit_learn(folder)}, rows, exact)


if __name__ == "__main__":
    main()
