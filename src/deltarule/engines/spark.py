"""Spark: questions answered by the Python workers of its executors, a part of the table each.

A part is a piece of a file, read by the worker itself, or a partition of a Spark DataFrame, which
comes to it in Arrow batches. Each gives one answer in bytes; these are added by groups, level by
level, in the order of the parts, so that few come to the driver. Spark repeats what was lost.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deltarule.engines.base import TableQuestion
from deltarule.engines.batch import Answer
from deltarule.engines.parts import ANSWERS, PartQuestion, text_told, total
from deltarule.engines.spark_answers import collected, merged, size_of
from deltarule.engines.spark_parts import Frame, Parts, Pieces
from deltarule.errors import DeltaruleError, LearningError, MissingExtraError
from deltarule.tables.frames import open_table
from deltarule.tables.parquet_frame import parquet_of
from deltarule.tables.parts_source import first_line
from deltarule.tables.source import Source
from deltarule.tables.spark_frame import is_spark

SCHEME = "sc://"


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
            few = collected(merged(found, parts, size_of(question)))
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
