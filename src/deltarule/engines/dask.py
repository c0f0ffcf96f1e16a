"""Dask: questions answered by the workers of a cluster, a part of the table each.

A part is a piece of a file, read by the worker itself, or a partition of a Dask dataframe. Answers
are added in a tree whose shape depends on the parts' numbers alone, so that the same parts give the
same bits, whichever worker was first and whichever was lost: Dask has its part answered again.
"""

import pickle
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from typing import Any, Protocol
from uuid import uuid4

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import TableQuestion
from deltarule.engines.batch import Answer
from deltarule.engines.parts import ANSWERS, FAN_IN, PartAnswer, PartQuestion, text_told, total
from deltarule.errors import DeltaruleError, LearningError, MissingExtraError
from deltarule.tables.dask_frame import frames_of, is_dask, layout, projected
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import Progress
from deltarule.tables.parquet_frame import parquet_of
from deltarule.tables.parts_source import first_line
from deltarule.tables.pieces import pieces_of
from deltarule.tables.read_room import workers
from deltarule.tables.source import Source

SCHEME = "dask://"
# Seconds until a scheduler must have answered.
PATIENCE = 20
# Questions travel in their form, which other versions may not read.
PACKAGES = ("deltarule", "polars")
CHECKED = weakref.WeakKeyDictionary[Any, set[str]]()
"""The workers of each client that have these: to ask takes as long as 20,000 rows."""

Graph = dict[Any, Any]
"""Tasks by their keys."""
Key = Any


def open_engine(table: Any, address: str) -> tuple["DaskEngine", Source]:
    """The engine of a table, and what gives its first rows.

    Errors:  MissingExtraError; LearningError for a table that has no parts, or without a scheduler
    """
    _distributed()
    source, _ = open_table(table)
    held = is_dask(table) and parquet_of(source) is None
    parts: Parts = Partitions(table) if held else Pieces(source)
    return DaskEngine(source, parts, Cluster.of(address)), source


def _distributed() -> Any:
    try:
        import dask.dataframe  # noqa: F401 - both are of one extra
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            "the engine dask needs Dask: pip install 'deltarule[dask]'"
        ) from error
    return distributed


class Parts(Protocol):
    """A table as tasks of Dask."""

    def counts(self, cluster: "Cluster") -> list[int]:
        """How many rows each part has."""
        ...

    def tasks(self, columns: Sequence[str]) -> tuple[Graph, list[Any]]:
        """What gives each part with these columns, and its keys, or parts as bytes; in order."""
        ...


class DaskEngine:
    """Questions about one table, answered on a cluster."""

    name = "dask"
    answers = ANSWERS

    def __init__(self, source: Source, parts: Parts, cluster: "Cluster") -> None:
        self.source, self.parts, self.cluster = source, parts, cluster
        self.progress: Progress | None = None
        self._counts: list[int] | None = None

    def ask(self, question: TableQuestion[Answer]) -> Answer:
        """The sum of the answers about all parts.

        Errors:  what is wrong with the rows; LearningError where workers cannot answer
        """
        with text_told(self.source):
            return self._asked(question)

    def count(self) -> int:
        """How many rows there are.

        Errors:  as `ask`
        """
        with text_told(self.source):
            return sum(self.counts)

    @property
    def counts(self) -> list[int]:
        """How many rows each part has."""
        if self._counts is None:
            self._counts = self.parts.counts(self.cluster)
        return self._counts

    def _asked(self, question: TableQuestion[Answer]) -> Answer:
        asked = PartQuestion.of(question, self.source.look().schema, self.source.name)
        starts = [0, *accumulate(self.counts)]
        name = f"deltarule-{question.asks_for.replace(' ', '-')}-{uuid4().hex}"
        tasks, parts = self.parts.tasks(asked.columns)
        tasks[f"{name}-question"] = pickle.dumps(asked)
        with self.cluster.watching(self.progress, self.counts) as topic:
            keys: list[Key] = []
            for at, part in enumerate(parts):
                keys.append((name, at))
                tasks[name, at] = (_answer, f"{name}-question", part, starts[at], at, topic)
            found: PartAnswer = self.cluster.computed(tasks, _tree(tasks, keys, name))
        answer: Answer = found.result(self.source.name)
        return answer


def _tree(tasks: Graph, keys: list[Key], name: str) -> Key:
    """Add the tasks that add the values of these keys, a few at a time, in order; the last key."""
    level = 0
    while len(keys) > 1 or not level:
        level += 1
        some = range(0, len(keys), FAN_IN)
        sums = [(f"{name}-total", level, at) for at in some]
        for key, at in zip(sums, some, strict=True):
            tasks[key] = (total, keys[at : at + FAN_IN])
        keys = sums
    return keys[0]


def _answer(raw: bytes, part: Any, start: int, number: int, topic: str | None) -> PartAnswer:
    """What a worker does with a part: a frame of pandas, or a pickled piece of a file."""
    question: PartQuestion = pickle.loads(raw)
    if isinstance(part, bytes):
        answer = question.of_part(pickle.loads(part).frames(question.columns), start)
    else:
        answer = question.of_part(frames_of(part), start)
    if topic is not None:
        from distributed import get_worker

        get_worker().log_event(topic, number)
    return answer


# Tables as tasks


@dataclass(frozen=True)
class Pieces:
    """The pieces of a file or a folder of them, or of rows of this program's."""

    source: Source

    def counts(self, cluster: "Cluster") -> list[int]:
        pieces = pieces_of(self.source, engine="dask")
        known = [piece.rows for piece in pieces if piece.rows is not None]
        if len(known) == len(pieces):
            return known
        return _counted({}, [(_rows, pickle.dumps(piece)) for piece in pieces], cluster)

    def tasks(self, columns: Sequence[str]) -> tuple[Graph, list[Any]]:
        # Anew each time: a CSV file may be read as other kinds by now.
        return {}, [pickle.dumps(piece) for piece in pieces_of(self.source, engine="dask")]


@dataclass(frozen=True)
class Partitions:
    """The partitions of a Dask dataframe."""

    frame: Any

    def counts(self, cluster: "Cluster") -> list[int]:
        # Of a Parquet file its metadata say it.
        tasks, parts = layout(self.frame.index)
        return _counted(tasks, [(len, part) for part in parts], cluster)

    def tasks(self, columns: Sequence[str]) -> tuple[Graph, list[Key]]:
        return layout(projected(self.frame, columns))


def _rows(raw: bytes) -> int:
    counted: int = pickle.loads(raw).count()
    return counted


def _counted(tasks: Graph, counts: Sequence[Any], cluster: "Cluster") -> list[int]:
    """What these tasks count."""
    name = f"deltarule-rows-{uuid4().hex}"
    tasks |= {(name, at): count for at, count in enumerate(counts)}
    tasks[f"{name}-all"] = (list, [(name, at) for at in range(len(counts))])
    found: list[int] = cluster.computed(tasks, f"{name}-all")
    return found


# The cluster


@dataclass
class Cluster:
    """Who computes: a client of a scheduler; without one, Dask as it is set up in this process."""

    client: Any = None

    @classmethod
    def of(cls, address: str) -> "Cluster":
        """The scheduler of this address; else the one in use, or one of our own.

        A Dask dataframe, whose address is empty, is left to whatever computes it otherwise.
        Errors:  LearningError where no scheduler answers
        """
        if address.startswith(SCHEME):
            return cls._closing(_client_at(address.removeprefix(SCHEME)))
        try:
            return cls(_distributed().default_client())
        except ValueError:
            return cls._closing(_own_client()) if address else cls()

    @classmethod
    def _closing(cls, client: Any) -> "Cluster":
        """A cluster that is closed, with what was started for it, when it is no longer used."""
        made = cls(client)
        weakref.finalize(made, _close, client)
        return made

    def computed(self, tasks: Graph, key: Key) -> Any:
        """The value of a key.

        Errors:  LearningError where workers cannot compute it
        """
        from dask.delayed import Delayed

        delayed: Any = Delayed
        try:
            if self.client is None:
                # Here, so that no thread of a part sets back what another's has set.
                with one_blas_thread():
                    return delayed(key, tasks).compute()
            self._check()
            return self.client.compute(delayed(key, tasks)).result()
        except DeltaruleError:
            raise
        except Exception as error:  # whatever a task, a worker or the network raises
            words = f"dask could not answer: {type(error).__name__}: {first_line(error)}"
            if isinstance(error, ModuleNotFoundError):
                words += " (its workers need the packages that this machine has)"
            if isinstance(error, KeyError):
                words += " (a partition has no such column)"
            raise LearningError(words) from error

    def _check(self) -> None:
        """Whether the workers have the packages that this machine has.

        A worker that cannot read a task ends, and its task waits for another for ever.
        Errors:  LearningError
        """
        checked = CHECKED.setdefault(self.client, set())
        new = set(self.client.nthreads()) - checked
        for package in PACKAGES if new else ():
            try:
                own = version(package)
            except PackageNotFoundError:
                continue  # it is run from its sources
            answers = self.client.run(version, package, workers=list(new), on_error="return")
            for worker, found in answers.items():
                if found != own:
                    what = f"{package} {found}" if isinstance(found, str) else f"no {package}"
                    raise LearningError(
                        f"the Dask worker {worker} has {what}: install {package} {own} there, as "
                        "on this machine"
                    )
        checked |= new

    @contextmanager
    def watching(self, progress: Progress | None, counts: Sequence[int]) -> Iterator[str | None]:
        """A topic of which workers say the numbers of the parts they are done with."""
        if progress is None or self.client is None:
            yield None
            return
        done = np.zeros(len(counts), dtype=bool)

        def show(event: Any) -> None:
            done[event[1]] = True
            progress(int(np.array(counts)[done].sum()), sum(counts))

        topic = f"deltarule-{uuid4().hex}"
        self.client.subscribe_topic(topic, show)
        try:
            yield topic
        finally:
            self.client.unsubscribe_topic(topic)


def _client_at(place: str) -> Any:
    try:
        return _distributed().Client(f"tcp://{place}", timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise LearningError(
            f"no Dask scheduler answers at {place}: check host and port, and that it runs"
        ) from error


def _own_client() -> Any:
    """A client of a cluster of processes on this machine, one for each processor."""
    distributed = _distributed()
    cluster = distributed.LocalCluster(
        n_workers=workers(),
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        # Without a dashboard, too, a scheduler serves HTTP: at a free port, as 8787 may be taken.
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        host="127.0.0.1",
        silence_logs=50,
        env={"POLARS_MAX_THREADS": "1"},
    )
    client = distributed.Client(cluster, set_as_default=False)
    client.own_cluster = cluster
    return client


def _close(client: Any) -> None:
    cluster = getattr(client, "own_cluster", None)
    client.close()
    if cluster is not None:
        cluster.close()
