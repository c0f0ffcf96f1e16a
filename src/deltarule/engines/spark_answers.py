"""Answers of a Spark job: parts' answers in bytes, added by groups until few come to the driver.

A DataFrame of them has each part's number, and its pickled answer in chunks.
"""

import pickle
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from deltarule.engines.parts import PartAnswer, total

ANSWER = "part bigint, chunk bigint, answer binary"
# Answers of a group take no more than this together, and are no more than so many.
GROUP_BYTES, MOST_IN_GROUP = 1 << 28, 64
# Those that come to the driver; of more it keeps two copies, in Java and in Python.
DRIVER_BYTES, MOST_AT_DRIVER = 1 << 26, 8
# An answer travels in rows of so many bytes: Java takes several times a row's bytes to move it.
CHUNK_BYTES = 1 << 22


def size_of(question: Any) -> int:
    """About how many bytes an answer takes."""
    while hasattr(question, "question") and not hasattr(question, "encoder"):
        question = question.question  # about parsed rows, or those that meet a condition
    plan = getattr(getattr(question, "encoder", question), "plan", None)
    if plan is None:
        return 1 << 20
    levels = sum(len(own.names) for own in plan.levels.values())
    # Products of pairs travel once each.
    return int(8 * plan.request.folds * plan.width * (plan.width / 2 + levels)) + (1 << 16)


def merged(answers: Any, parts: int, size: int) -> Any:
    """The answers added by groups of consecutive parts, until few are left."""
    together = max(2, min(MOST_IN_GROUP, GROUP_BYTES // size))
    few = max(1, min(MOST_AT_DRIVER, together, DRIVER_BYTES // size))
    width = 1
    while parts > few:
        width *= together
        parts = -(-parts // together)
        group = (answers["part"] / width).cast("bigint").alias("(group)")
        answers = answers.groupBy(group).applyInArrow(added, ANSWER)
    return answers


def added(table: Any) -> Any:
    """What a worker does with a group of answers."""
    import pyarrow as pa

    part = min(table.column("part").to_pylist())
    return pa.Table.from_batches(batches_of(part, total(answers_in(table))))


def answers_in(table: Any) -> Iterator[PartAnswer]:
    """Answers in the order of their parts, one after the other."""
    places = zip(table.column("part").to_pylist(), table.column("chunk").to_pylist(), strict=True)
    rows = sorted((*place, row) for row, place in enumerate(places))
    chunks = table.column("answer")
    for _, own in groupby(rows, key=lambda place: place[0]):
        # Not by sorting the table, which copies it.
        yield pickle.loads(b"".join(chunks[row].as_buffer() for _, _, row in own))


def batches_of(part: int, answer: PartAnswer) -> Iterator[Any]:
    """The rows of an answer, one to a batch, as Spark holds batches whole."""
    import pyarrow as pa

    raw = memoryview(pickle.dumps(answer, protocol=5))
    for chunk, start in enumerate(range(0, len(raw), CHUNK_BYTES)):
        arrays = [
            pa.array([part], pa.int64()),
            pa.array([chunk], pa.int64()),
            pa.array([raw[start : start + CHUNK_BYTES]], pa.binary()),
        ]
        yield pa.RecordBatch.from_arrays(arrays, ["part", "chunk", "answer"])


def collected(answers: Any) -> list[PartAnswer]:
    """The answers that came to the driver, in the order of their parts.

    As Arrow: of two rows of 160 MB each, Spark 4.3 collects one, or fails, without a word of it.
    """
    return list(answers_in(answers.toArrow())) or [PartAnswer()]
