"""An engine of other processes, which have parts of a table and answer pickled questions."""

import pickle
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import FrozenInstanceError, fields, is_dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import polars as pl
import pytest

TABLE: dict[str, pl.DataFrame] = {}


def begin(table: bytes) -> None:
    """What a process does first: take the table."""
    TABLE["table"] = pickle.loads(table)


def answer(question: bytes, start: int, stop: int) -> bytes:
    """The pickled answer about some rows."""
    asked = pickle.loads(question)
    return pickle.dumps(asked.of(TABLE["table"][start:stop], start))


class Processes:
    """Answers come in any order, and are added in any order and grouping."""

    name = "the engine of the tests"
    answers = frozenset({"sums", "histograms", "some rows", "comparisons"})

    def __init__(self, table: pl.DataFrame, cuts: Sequence[int], seed: int = 0) -> None:
        ends = [*sorted({*cuts} - {0, table.height}), table.height]
        self.parts = list(zip([0, *ends[:-1]], ends, strict=True))
        self.rng = np.random.default_rng(seed)
        self.asked: list[str] = []
        self.pool = ProcessPoolExecutor(
            2, get_context("spawn"), initializer=begin, initargs=(pickle.dumps(table),)
        )

    def ask(self, question: Any) -> Any:
        """The sum of all answers."""
        assert is_dataclass(question)
        with pytest.raises(FrozenInstanceError):
            setattr(question, fields(question)[0].name, None)
        self.asked.append(question.asks_for)
        raw = pickle.dumps(question)
        futures = [self.pool.submit(answer, raw, *part) for part in self.parts]
        found = [pickle.loads(one.result()) for one in futures]
        while len(found) > 1:
            one, other = (found.pop(int(self.rng.integers(len(found)))) for _ in range(2))
            found.append(one + other)
        return found[0]

    def close(self) -> None:
        """End the processes."""
        self.pool.shutdown(cancel_futures=True)
