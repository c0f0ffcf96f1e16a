"""Tables as parts of a Spark job: pieces of files, or the partitions of a Spark DataFrame."""

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any, Protocol

import polars as pl

from deltarule.engines.parts import PartAnswer, PartQuestion, total
from deltarule.engines.spark_answers import ANSWER, batches_of, collected
from deltarule.errors import DeltaruleError, LearningError
from deltarule.tables.pieces import Piece, pieces_of
from deltarule.tables.source import ROW, Source
from deltarule.tables.spark_frame import FILE, INDEX, file_order, frames_of, quoted, with_places

PLACE = "part bigint, place string, rows bigint"
END = "\U0010ffff"
MOVED = (
    "spark made other partitions of the rows than before, so that they have no numbers: persist "
    "the DataFrame, or write it as Parquet"
)
# A task has no more pieces than these: what is lost with an executor is read again.
MOST_IN_TASK = 16


class Parts(Protocol):
    """A table as parts of a Spark job."""

    def count(self) -> int:
        """How many rows there are."""
        ...

    def answers(self, asked: PartQuestion) -> tuple[Any, int]:
        """A DataFrame of each part's number and pickled answer, and how many parts there are."""
        ...


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
        found = collected(numbers.mapInArrow(partial(_count_pieces, raw), ANSWER))
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

    yield from batches_of(_partition(), total(answers()))


def _count_pieces(pieces: Sequence[bytes], numbers: Iterable[Any]) -> Iterator[Any]:
    for at in _numbers(numbers):
        try:
            found = PartAnswer(pickle.loads(pieces[at]).count())
        except DeltaruleError as error:
            found = PartAnswer(error=error)
        yield from batches_of(at, found)


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
    yield from batches_of(part, answer)


def _partition() -> int:
    from pyspark import TaskContext

    context: Any = TaskContext.get()
    return int(context.partitionId())
