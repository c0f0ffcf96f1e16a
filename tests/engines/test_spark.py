"""Spark: real executors give the model of this machine, whatever becomes of them.

They run in an environment of their own, which .ci/run makes: pyspark brings Java's world with it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import deltarule as dr
from deltarule.engines import spark as engine
from deltarule.engines import spark_answers
from deltarule.engines.parts import PartAnswer
from deltarule.errors import LearningError, TableError
from tests.engines.same_model import check_same
from tests.engines.test_engines import ASKED, INPUTS, TABLE

pytest.importorskip("pyspark")
sql = pytest.importorskip("pyspark.sql")

HOWS = ["squared", "by row number", "several targets", "weights", "groups", "offset", "logistic"]
HOWS += ["softmax", "poisson", "tweedie", "exposure", "robust errors", "softmax and robust errors"]
FAR = TABLE.with_columns((pl.col("far") + 1e9).alias("farther"))


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Two executors, each a process with a worker of its own."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    session = (
        sql.SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.log.level", "OFF")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table in Parquet files of unlike length."""
    made = tmp_path_factory.mktemp("parts")
    for at, (start, stop) in enumerate(pairwise([0, 1, 40, 334, 700, FAR.height])):
        FAR[start:stop].write_parquet(made / f"part-{at}.parquet")
    return made


@pytest.mark.parametrize("how", HOWS)
def test_executors_give_the_model_of_this_machine(how: str, folder: Path, spark: Any) -> None:
    asked = {"using": INPUTS, **ASKED[how]}
    here = dr.learn(folder, engine="local", **asked).record
    # A DataFrame picks its engine by itself; its rows have numbers in their files.
    there = dr.learn(spark.read.parquet(str(folder)), **asked).record
    check_same(here, there)


def computed(frame: Any) -> Any:
    """The same rows, which Spark has to compute."""
    return frame.where("id >= 0")


@pytest.mark.parametrize("how", ["squared", "by row number", "logistic"])
def test_rows_that_spark_computes_give_the_same_model(how: str, folder: Path, spark: Any) -> None:
    asked = {"using": INPUTS, **ASKED[how]}
    here = dr.learn(folder, engine="local", **asked).record
    check_same(here, dr.learn(computed(spark.read.parquet(str(folder))), **asked).record)


def test_a_plain_read_of_parquet_is_left_to_the_executors(folder: Path, spark: Any) -> None:
    plain = spark.read.parquet(str(folder))
    for frame in (plain, plain.select("amount", *INPUTS)):
        parts = engine.open_engine(frame, "")[0].parts
        assert isinstance(parts, engine.Pieces)
        assert parts.count() == FAR.height
    renamed = plain.withColumnRenamed("x", "z")
    others = [computed(plain), plain.limit(5), renamed, plain.union(plain)]
    held = plain.select("id", "amount").persist()
    for frame in (*others, held):
        assert isinstance(engine.open_engine(frame, "")[0].parts, engine.Frame)
    held.unpersist()


def test_an_answer_travels_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    monkeypatch.setattr(spark_answers, "CHUNK_BYTES", 100)
    numbers = [[*range(300)], [*range(300, 400)]]
    answers = [(at, PartAnswer(numbers[at])) for at in (1, 0)]
    batches = [one for answer in answers for one in spark_answers.batches_of(*answer)]
    assert max(len(one.as_buffer()) for batch in batches for one in batch["answer"]) == 100
    table = pa.Table.from_batches(batches[::-1])
    assert [one.answer for one in spark_answers.answers_in(table)] == numbers
    added = spark_answers.added(table)
    assert added["part"].to_pylist() == [0] * added.num_rows
    [whole] = spark_answers.answers_in(added)
    assert whole.answer == [*range(400)]


def test_files_are_read_by_the_executors_themselves(folder: Path, spark: Any) -> None:
    asked = {"predict": "amount", "using": ["farther", "x", "city"]}
    here, there = (dr.learn(folder, engine=by, **asked).record for by in ("local", "spark"))
    check_same(here, there)


def test_the_rows_that_meet_a_condition_are_learnt_from(folder: Path, spark: Any) -> None:
    asked = {"predict": "amount", "using": INPUTS, "where": "x > -0.5", "id": "id"}
    here = dr.learn(folder, engine="local", **asked).record
    check_same(here, dr.learn(spark.read.parquet(str(folder)), **asked).record)
    with pytest.raises(LearningError, match="where needs an id, a group or a time on spark"):
        dr.learn(spark.read.parquet(str(folder)), predict="amount", where="x > -0.5")


def test_rows_of_no_file_are_numbered_by_partition(folder: Path, spark: Any) -> None:
    asked = {"predict": "amount", "using": INPUTS}
    rows = TABLE.select(*INPUTS, "amount", "id").rows()
    frame = spark.createDataFrame(rows, [*INPUTS, "amount", "id"]).repartition(3).persist()
    there = dr.learn(frame, id="id", **asked).record
    check_same(dr.learn(folder, id="id", **asked).record, there)
    assert dr.learn(frame, **asked).record.held_out[0].rows == pytest.approx(TABLE.height)


def test_many_parts_are_added_in_groups(
    folder: Path, spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = engine.collected
    counts = []

    def counting(answers: Any) -> Any:
        found = collected(answers)
        counts.append(len(found))
        return found

    monkeypatch.setattr(engine, "collected", counting)
    monkeypatch.setattr(spark_answers, "MOST_IN_GROUP", 2)
    asked = {"predict": "amount", "using": INPUTS}
    there = dr.learn(
        spark.read.parquet(str(folder)).repartition(9, "id").persist(), id="id", **asked
    )
    assert max(counts) <= 2
    check_same(dr.learn(folder, id="id", **asked).record, there.record)


class Deadly:
    """A question that kills the executor it is asked on, once."""

    asks_for = "sums"

    def __init__(self, inner: Any, mark: Path, start: int) -> None:
        self.inner, self.mark, self.reads, self.start = inner, mark, inner.reads, start

    def of(self, frame: pl.DataFrame, row: int = 0) -> Any:
        # Midway: where files are read, after others of the same task. Partitions begin at 0.
        if not self.mark.exists() and row >= self.start:
            self.mark.touch()
            daemon = os.getppid()
            executor = int(Path(f"/proc/{daemon}/stat").read_text().rsplit(")", 1)[1].split()[1])
            os.kill(executor, signal.SIGKILL)
        return self.inner.of(frame, row)


@pytest.mark.parametrize("plain", [True, False])
def test_an_executor_that_dies_changes_nothing(
    plain: bool, folder: Path, tmp_path: Path, spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"predict": "amount", "using": INPUTS, "id": "id"}
    frame = spark.read.parquet(str(folder))
    frame = frame if plain else computed(frame)
    whole = dr.learn(frame, **asked).record
    mark, ask = tmp_path / "killed", engine.SparkEngine.ask

    def killing(self: engine.SparkEngine, question: Any) -> Any:
        deadly = Deadly(question, mark, 700 if plain else 0)
        return ask(self, deadly if question.asks_for == "sums" else question)

    monkeypatch.setattr(engine.SparkEngine, "ask", killing)
    again = dr.learn(frame, **asked).record
    assert mark.exists()
    check_same(whole, again, digits=1e-12)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"loss": "huber"}, "huber loss needs rows in order, which spark does not give"),
        ({"batch": 32, "learner": "adam"}, "a batch needs rows in order, which spark does not"),
    ],
)
def test_what_it_cannot_answer_is_refused_early(
    asked: dict[str, Any], named: str, folder: Path, spark: Any
) -> None:
    with pytest.raises(LearningError, match=named):
        dr.learn(spark.read.parquet(str(folder)), predict="amount", using=INPUTS, **asked)


def test_a_value_that_is_refused_has_its_row(tmp_path: Path, spark: Any) -> None:
    for at in range(3):
        y = [1.0, 2.0, 4.0, float("inf") if at == 2 else 3.0]
        pl.DataFrame({"x": [0.0, 1.0, 2.0, 5.0], "y": y}).write_parquet(tmp_path / f"{at}.parquet")
    with pytest.raises(TableError, match=r"column 'y', row \d+"):
        dr.learn(spark.read.parquet(str(tmp_path)), predict="y")


def test_predictions_are_columns_beside_the_rows(folder: Path, spark: Any) -> None:
    frame = spark.read.parquet(str(folder)).select("id", *INPUTS)
    for target, more in (("amount", {"interval": 0.9}), ("kind", {"flags": True})):
        model = dr.learn(folder, predict=target, using=INPUTS)
        here = pl.concat([TABLE.select("id"), model.predict(TABLE, **more)], how="horizontal")
        lazy = model.predict(frame, **more)
        assert lazy.columns == [*frame.columns, *here.columns[1:]]
        there = pl.from_arrow(lazy.select(*here.columns).toArrow())
        assert there.sort("id").equals(here.sort("id"))


def test_spark_connect_gives_the_model_of_this_machine(folder: Path, tmp_path: Path) -> None:
    known = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    known["PYSPARK_PYTHON"] = sys.executable
    saved = tmp_path / "model.json"
    program = [sys.executable, str(Path(__file__).with_name("connect.py")), str(folder), str(saved)]
    done = subprocess.run(program, env=os.environ | known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    here = dr.learn(folder, predict="amount", using=INPUTS).record
    check_same(here, dr.load(saved).record)
