"""Prediction from file to file: deltarule's stream, and polars written by hand."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.answer import Answer

Exact = Mapping[str, Any]
LEARNT_FROM = 100_000


def _model(path: str) -> Any:
    """A model of the table's first rows, made once."""
    import polars as pl

    import deltarule as dr

    file = Path(path).with_suffix(".model.json")
    if not file.exists():
        dr.learn(pl.read_parquet(path, n_rows=LEARNT_FROM), predict="y").save(file)
    return dr.load(file)


def by_hand(path: str, exact: Exact) -> Answer:
    import polars as pl

    *weights, intercept = exact["weights"]
    names = [f"x{at + 1}" for at in range(len(weights))]
    terms = [pl.col(name) * weight for name, weight in zip(names, weights, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        lazy = pl.scan_parquet(path).with_columns(p=pl.sum_horizontal(terms) + intercept)
        lazy.sink_parquet(Path(folder) / "p.parquet")
    return Answer()


def parquet(path: str, exact: Exact) -> Answer:
    return _written(path, ".parquet")


def csv(path: str, exact: Exact) -> Answer:
    return _written(path, ".csv")


def explain(path: str, exact: Exact) -> Answer:
    return _written(path, ".parquet", explain=True)


def interval(path: str, exact: Exact) -> Answer:
    return _written(path, ".parquet", interval=0.9)


def _written(path: str, ending: str, **columns: Any) -> Answer:
    """As the command does it."""
    from deltarule.tables.files.sinks import write_frames

    model = _model(path)
    with tempfile.TemporaryDirectory() as folder:
        frames = model.predict_batches(path, **columns)
        write_frames(frames, Path(folder) / f"p{ending}", ending=ending)
    return Answer()
