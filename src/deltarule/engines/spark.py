"""Spark: questions answered by the Python workers of its executors, a part of the table each.

A part is a piece of a file, read by the worker itself, or a partition of a Spark DataFrame, which
comes to it in Arrow batches. Each gives one answer in bytes; these are added by groups, level by
level, in the order of the parts, so that few come to the driver. Spark repeats what was lost.
"""

import os
import pickle
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, groupby
from typing import Any, Protocol

import polars as pl

from deltarule.engines.base import TableQuestion
from deltarule.engines.batch import Answer
from deltarule.engines.parts import ANSWERS, PartAnswer, PartQuestion, text_told, total
from deltarule.errors import DeltaruleError, LearningError, MissingExtraError
from deltarule.tables.frames import open_table
from deltarule.tables.parquet_frame import parquet_of
from deltarule.tables.parts_source import first_line
from deltarule.tables.pieces import Piece, pieces_of
from deltarule.tables.source import ROW, Source
from deltarule.tables.spark_frame import (
    FILE,
    INDEX,
    file_order,
    frames_of,
    is_spark,
    quoted,
    with_places,
)

SCHEME = "sc://"
ANSWER = "part bigint, chunk bigint, answer binary"
PLACE = "part bigint, place string, rows bigint"
END = "\U0010ffff"
MOVED = (
    "spark made other partitions of the rows than before, so that they have no numbers: persist "
    "the DataFrame, or write it as Parquet"
)
# Answers of a group take no more than this together, and are no more than so many.
GROUP_BYTES, MOST_IN_GROUP = 1 << 28, 64
# Those that come to the driver; of more it keeps two copies, in Java and in Python.
DRIVER_BYTES, MOST_AT_DRIVER = 1 << 26, 8
# An answer travels in rows of so many bytes: Java takes several times a row's bytes to move it.
CHUNK_BYTES = 1 << 22
# A task has no more pieces than these: what is lost with an executor is read again.
MOST_IN_TASK = 16


def open_engine(table: Any, address: str) -> tuple["SparkEngine", Source]:
    """The engine of a table, and what gives its first rows.

    Errors:  MissingExtraError; LearningError for a table that has no parts, or without a server
    """
    try:
        import pyspark.sql  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError(
            "the engine spark needs Spark: pip install 'deltarule[spark]'"
        ) from error
    source, _ = open_table(table)
    if not is_spark(table):
        return SparkEngine(source, Pieces(source, _session(address))), source
    if parquet_of(source) is not None:
        return SparkEngine(source, Pieces(source, table.sparkSession)), source
    return SparkEngine(source, Frame(table, source.name)), source


def _session(address: str) -> Any:
    """The session of a Connect server, or the one in use, or one of this machine.

    Errors:  LearningError where none answers
    """
    from pyspark.sql import SparkSession

    session: Any = SparkSession
    try:
        if address.startswith(SCHEME):
            return session.builder.remote(address).getOrCreate()
        active = session.getActiveSession()
        if active is not None:
            return active
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings = {
            "spark.ui.enabled": "false",
            "spark.executorEnv.POLARS_MAX_THREADS": "1",
            "spark.log.level": "ERROR",
        }
        return session.builder.appName("deltarule").config(map=settings).getOrCreate()
    except Exception as error:  # whatever Spark, Java or the network raises
        where = address if address.startswith(SCHEME) else "this machine"
        raise LearningError(f"no Spark answers at {where}: {first_line(error)}") from error


class Parts(Protocol):
    """A table as parts of a Spark job."""

    def count(self) -> int:
        """How many rows there are."""
        ...

    def answers(self, asked: PartQuestion) -> tuple[Any, int]:
        """A DataFrame of each part's number and pickled answer, and how many parts there are."""
        ...


class SparkEngine:
    """Questions about one table, answered by Spark."""

    name = "spark"
    answers = ANSWERS

    def __init__(self, source: Source, parts: Parts) -> None:
        self.source, self.parts = source, parts

    def ask(self, question: TableQuestion[Answer]) -> Answer:
        """The sum of the answers about all parts.

        Errors:  what is wrong with the rows; LearningError where Spark cannot answer
        """
        with self._explained():
            asked = PartQuestion.of(question, self.source.look().schema, self.source.name)
            found, parts = self.parts.answers(asked)
            few = _collected(_merged(found, parts, _size(question)))
            answer: Answer = total(few).result(self.source.name)
            return answer

    def count(self) -> int:
        """How many rows there are.

        Errors:  as `ask`
        """
        with self._explained():
            return self.parts.count()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of Spark in one line, and those of rows as they are."""
        try:
            with text_told(self.source):
                yield
        except DeltaruleError:
            raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("pyspark", "py4j", "grpc"):
                raise
            raise LearningError(f"spark could not answer: {_words(error)}") from error


def _words(error: Exception) -> str:
    """The last line of a worker's traceback, else the first line of the error."""
    lines = [line.strip() for line in str(error).splitlines()]
    raised = [line for line in lines if "Error: " in line and not line.startswith(("at ", "File"))]
    words = raised[0] if raised else first_line(error)
    if "No module named" in words:
        words += " (its workers need the packages that this machine has)"
    return words[:300]


def _size(question: Any) -> int:
    """About how many bytes an answer takes."""
    while hasattr(question, "question") and not hasattr(question, "encoder"):
        question = question.question  # about parsed rows, or those that meet a condition
    plan = getattr(getattr(question, "encoder", question), "plan", None)
    if plan is None:
        return 1 << 20
    levels = sum(len(own.names) for own in plan.levels.values())
    # Products of pairs travel once each.
    return int(8 * plan.asked.folds * plan.width * (plan.width / 2 + levels)) + (1 << 16)


def _merged(answers: Any, parts: int, size: int) -> Any:
    """The answers added by groups of consecutive parts, until few are left."""
    together = max(2, min(MOST_IN_GROUP, GROUP_BYTES // size))
    few = max(1, min(MOST_AT_DRIVER, together, DRIVER_BYTES // size))
    width = 1
    while parts > few:
        width *= together
        parts = -(-parts // together)
        group = (answers["part"] / width).cast("bigint").alias("(group)")
        answers = answers.groupBy(group).applyInArrow(_added, ANSWER)
    return answers


def _added(table: Any) -> Any:
    """What a worker does with a group of answers."""
    import pyarrow as pa

    part = min(table.column("part").to_pylist())
    return pa.Table.from_batches(_batches(part, total(_answers(table))))


def _answers(table: Any) -> Iterator[PartAnswer]:
    """Answers in the order of their parts, one after the other."""
    places = zip(table.column("part").to_pylist(), table.column("chunk").to_pylist(), strict=True)
    rows = sorted((*place, row) for row, place in enumerate(places))
    chunks = table.column("answer")
    for _, own in groupby(rows, key=lambda place: place[0]):
        # Not by sorting the table, which copies it.
        yield pickle.loads(b"".join(chunks[row].as_buffer() for _, _, row in own))


def _batches(part: int, answer: PartAnswer) -> Iterator[Any]:
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


def _collected(answers: Any) -> list[PartAnswer]:
    """The answers that came to the driver, in the order of their parts.

    As Arrow: of two rows of 160 MB each, Spark 4.3 collects one, or fails, without a word of it.
    """
    return list(_answers(answers.toArrow())) or [PartAnswer()]


# Tables as parts


@dataclass
class Pieces:
    """The pieces of a file or a folder of them, or of rows of this program's."""

    source: Source
    session: Any
    counts: list[int] | None = None

    def answers(self, asked: PartQuestion) -> tuple[Any, int]:
        # Anew each time: a CSV file may be read as other kinds by now.
        raw = [pickle.dumps(piece) for piece in pieces_of(self.source, engine="spark")]
        work = partial(_of_pieces, pickle.dumps(asked), raw, _starts(self._counted()))
        tasks = self._tasks(len(raw))
        return self.session.range(0, len(raw), 1, tasks).mapInArrow(work, ANSWER), tasks

    def count(self) -> int:
        return sum(self._counted())

    def _tasks(self, pieces: int) -> int:
        """How many tasks: a task takes 50 ms of Java and Python, of 100,000 rows as long."""
        try:
            cores = int(self.session.sparkContext.defaultParallelism)
        except AttributeError:  # Connect's has no context
            return max(pieces, 1)
        return max(1, min(pieces, max(cores, -(-pieces // MOST_IN_TASK))))

    def _counted(self) -> list[int]:
        if self.counts is None:
            pieces = pieces_of(self.source, engine="spark")
            known = [piece.rows for piece in pieces if piece.rows is not None]
            self.counts = known if len(known) == len(pieces) else self._counts(pieces)
        return self.counts

    def _counts(self, pieces: Sequence[Piece]) -> list[int]:
        raw = [pickle.dumps(piece) for piece in pieces]
        numbers = self.session.range(0, len(raw), 1, self._tasks(len(raw)))
        found = _collected(numbers.mapInArrow(partial(_count_pieces, raw), ANSWER))
        return [one.result(self.source.name) for one in found]


def _starts(counts: Sequence[int]) -> list[int]:
    return [0, *accumulate(counts[:-1])] if counts else [0]


def _of_pieces(
    asked: bytes, pieces: Sequence[bytes], starts: Sequence[int], numbers: Iterable[Any]
) -> Iterator[Any]:
    """What a worker does with the numbers of pieces, which are in order: one answer."""
    question: PartQuestion = pickle.loads(asked)

    def answers() -> Iterator[PartAnswer]:
        for at in _numbers(numbers):
            frames = pickle.loads(pieces[at]).frames(question.columns)
            yield question.of_part(frames, starts[at])

    yield from _batches(_partition(), total(answers()))


def _count_pieces(pieces: Sequence[bytes], numbers: Iterable[Any]) -> Iterator[Any]:
    for at in _numbers(numbers):
        try:
            found = PartAnswer(pickle.loads(pieces[at]).count())
        except DeltaruleError as error:
            found = PartAnswer(error=error)
        yield from _batches(at, found)


def _numbers(batches: Iterable[Any]) -> Iterator[int]:
    for batch in batches:
        yield from batch.column(0).to_pylist()


@dataclass
class Frame:
    """The partitions of a Spark DataFrame."""

    frame: Any
    name: str
    counted: dict[tuple[str, ...], tuple[dict[str, int], int]] = field(default_factory=dict)
    """By the columns that are read: the first row's number of each file or partition, and how many
    partitions there are. Of files these are the same whatever is read, and stand under no column.
    """

    def count(self) -> int:
        placed = with_places(self.frame)
        if placed is None:
            return int(self.frame.count())
        if () not in self.counted:
            self.counted[()] = self._counted(placed.select(quoted(FILE), quoted(INDEX)))
        return self.counted[()][0][END]

    def answers(self, asked: PartQuestion) -> tuple[Any, int]:
        placed = with_places(self.frame)
        frame = self.frame if placed is None else placed
        keys = () if placed is None else (FILE, INDEX)
        chosen = frame.select(*map(quoted, (*asked.columns, *keys)))
        for_columns = tuple(asked.columns) if placed is None else ()
        if for_columns not in self.counted:
            places = chosen if placed is None else placed.select(*map(quoted, keys))
            self.counted[for_columns] = self._counted(places)
        firsts, parts = self.counted[for_columns]
        work = partial(_of_partition, pickle.dumps(asked), firsts)
        return chosen.mapInArrow(work, ANSWER), parts

    def _counted(self, places: Any) -> tuple[dict[str, int], int]:
        rows = places.mapInArrow(_count_rows, PLACE).collect()
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["place"]] = max(counts.get(row["place"], 0), int(row["rows"]))
        names = sorted(counts, key=file_order)
        starts = dict(zip(names, _starts([counts[name] for name in names]), strict=True))
        # Where rows end: a partition with more or fewer is not the one that was counted.
        starts[END] = sum(counts.values())
        return starts, 1 + max((int(row["part"]) for row in rows), default=0)


def _count_rows(batches: Iterable[Any]) -> Iterator[Any]:
    """What a worker says of a partition: how many rows each file has so far, or how many it has."""
    import pyarrow as pa

    part, counts = _partition(), dict[str, int]()
    for batch in batches:
        if INDEX in batch.schema.names:
            last = pa.Table.from_batches([batch]).group_by(FILE).aggregate([(INDEX, "max")])
            for one in last.to_pylist():
                counts[one[FILE]] = max(counts.get(one[FILE], 0), one[f"{INDEX}_max"] + 1)
        elif batch.num_rows:
            place = f"{part:012}"
            counts[place] = counts.get(place, 0) + batch.num_rows
    yield pa.RecordBatch.from_arrays(
        [
            pa.array([part] * len(counts), pa.int64()),
            pa.array(list(counts), pa.string()),
            pa.array(list(counts.values()), pa.int64()),
        ],
        ["part", "place", "rows"],
    )


def _of_partition(asked: bytes, firsts: Mapping[str, int], batches: Iterable[Any]) -> Iterator[Any]:
    """What a worker does with a partition."""
    question: PartQuestion = pickle.loads(asked)
    part = _partition()
    place = f"{part:012}"
    rows, by_file = 0, False

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal rows, by_file
        for batch in batches:
            rows += batch.num_rows
            for frame in frames_of(batch) if batch.num_rows else ():
                if INDEX not in frame.columns:
                    yield frame
                    continue
                by_file = True
                first = pl.col(FILE).replace_strict(dict(firsts), return_dtype=pl.Int64)
                yield frame.with_columns((first + pl.col(INDEX)).alias(ROW)).drop(FILE, INDEX)

    answer = question.of_part(frames(), firsts.get(place, 0))
    end = min(first for other, first in firsts.items() if other > place)
    if rows and not by_file and rows != end - firsts.get(place, end):
        answer = PartAnswer(error=LearningError(MOVED))
    yield from _batches(part, answer)


def _partition() -> int:
    from pyspark import TaskContext

    context: Any = TaskContext.get()
    return int(context.partitionId())
