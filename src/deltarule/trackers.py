"""Trackers of learning's steps, for `dr.learn(table, ..., on_step=...)`.

with trackers.json_lines("steps.jsonl") as steps:    or trackers.tensorboard("runs/first")
    dr.learn(table, predict="y", alpha=0.1, on_step=steps)
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import MissingExtraError, OutputError
from deltarule.fit.settings import OnStep
from deltarule.trace.scalars import scalars


@contextmanager
def json_lines(path: str | Path) -> Iterator[OnStep]:
    """Each step as a line of JSON, written as it is taken; of numbers that are not finite, null.

    Errors:  OutputError
    """
    try:
        lines = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error

    def write(step: Mapping[str, Any]) -> None:
        finite = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in step.items()
        }
        lines.write(json.dumps(finite, allow_nan=False) + "\n")
        lines.flush()

    with lines:
        yield write


@contextmanager
def tensorboard(folder: str | Path) -> Iterator[OnStep]:
    """Each step's numbers in event files, which `tensorboard --logdir` shows.

    Errors:  MissingExtraError without tensorboard
    """
    try:
        from tensorboard.summary import DirectoryOutput, Writer
    except ImportError as error:
        told = "this needs TensorBoard: pip install 'deltarule[tensorboard]'"
        raise MissingExtraError(told) from error
    writer = Writer(DirectoryOutput(str(folder)))

    def write(step: Mapping[str, Any]) -> None:
        for name, value in scalars(step):
            writer.add_scalar(name, np.float32(value), step["step"])

    try:
        yield write
    finally:
        writer.close()
