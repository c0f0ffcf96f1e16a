"""Dask: real worker processes give the model of this machine, whatever becomes of them."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import polars as pl
import pytest

import deltarule as dr
from deltarule.engines import dask as engine
from deltarule.errors import EmptyError, LearningError, TableError
from tests.engines.same_model import check_same
from tests.engines.test_engines import ASKED, INPUTS, TABLE

NIST = Path(__file__).resolve().parents[1] / "data" / "nist_strd"
MORE: dict[str, dict[str, Any]] = {
    "in time": {"predict": "amount", "time": "when", "using": [*INPUTS, "price", "told"]},
    "text read as numbers and dates": {"predict": "amount", "using": ["price", "told", "x"]},
    "an expression": {"predict": "log(cost)", "using": ["x", "x:city", "poly(far, 2)"]},
    "a word for missing": {"predict": "amount", "using": ["x", "city"], "missing_words": ["c3"]},
    "shifted by a billion": {"predict": "amount", "using": ["farther", "x"], "id": "id"},
    "dropping gaps": {"predict": "amount", "using": ["x", "city"], "missing": "drop"},
    "ids with gaps": {"predict": "amount", "using": ["far", "city"], "id": "other"},
    "a condition": {"predict": "amount", "where": "x > -0.5 and city <> 'c1'", "id": "id"},
    "a condition on text read as numbers": {"predict": "flag", "where": "price > 100", "id": "id"},
    "a condition in time": {"predict": "amount", "where": "told < '2024-06-30'", "time": "when"},
    "few levels": {"predict": "amount", "using": ["city", "x"], "levels": 5},
}


def wider(table: pl.DataFrame) -> pl.DataFrame:
    """The table with columns of text, times, and numbers far from zero."""
    rng = np.random.default_rng(3)
    days = rng.integers(0, 1000, table.height)
    prices = rng.integers(1000, 99999, table.height)
    return table.with_columns(
        (pl.col("far") + 1e9).alias("farther"),
        (pl.date(2020, 1, 1) + pl.duration(days=pl.Series(days))).alias("when"),
        pl.Series("price", [f"{price:,} EUR" for price in prices]),
        pl.Series("told", [f"{1 + day % 28:02}/{1 + day % 12:02}/2024" for day in days]),
    )


WIDER = wider(TABLE)


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.Client]:
    """Two worker processes, which whatever is computed by default goes to."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
            silence_logs=50,
        ) as made,
        distributed.Client(made) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table in Parquet files of unlike length, one of them without a value of x."""
    made = tmp_path_factory.mktemp("parts")
    ends = [0, 1, 40, 333, 334, 700, WIDER.height]
    for at, (start, stop) in enumerate(pairwise(ends)):
        WIDER[start:stop].write_parquet(made / f"part-{at}.parquet", row_group_size=100)
    return made


@pytest.mark.parametrize("how", [*ASKED, *MORE])
def test_workers_give_the_model_of_this_machine(
    how: str, folder: Path, cluster: distributed.Client
) -> None:
    asked = {"using": INPUTS, **(ASKED | MORE)[how]}
    here = dr.learn(folder, engine="local", **asked).record
    # A dataframe picks its engine by itself.
    there = dr.learn(dd.read_parquet(folder), **asked).record
    check_same(here, there)


def test_files_are_read_by_the_workers_themselves(
    folder: Path, tmp_path: Path, cluster: distributed.Client
) -> None:
    for at, file in enumerate(sorted(folder.iterdir())):
        pl.read_parquet(file).write_csv(tmp_path / f"part-{at}.csv")
    asked = {"predict": "amount", "using": [*INPUTS, "price", "told", "when"]}
    for table in (folder, tmp_path, WIDER):
        here, there = (dr.learn(table, engine=by, **asked).record for by in ("local", "dask"))
        check_same(here, there)


def test_a_number_that_is_text_further_down_is_read_as_here(
    tmp_path: Path, cluster: distributed.Client
) -> None:
    rng = np.random.default_rng(1)
    for at, kinds in enumerate((["1", "2"], ["2", "many"])):
        frame = {"x": rng.choice(kinds, 20_000), "y": rng.normal(size=20_000)}
        pl.DataFrame(frame).write_csv(tmp_path / f"{at}.csv")
    here, there = (dr.learn(tmp_path, predict="y", engine=by).record for by in ("local", "dask"))
    check_same(here, there)


def test_more_levels_than_a_part_shows_are_pooled_as_here(
    tmp_path: Path, cluster: distributed.Client
) -> None:
    rng = np.random.default_rng(5)
    n, many = 30_000, 3_000
    level = np.sort(rng.integers(0, many, n))
    table = pl.DataFrame({"city": [f"c{at}" for at in level], "y": rng.normal(size=n) + level % 7})
    for at in range(3):
        table[at * 10_000 :][:10_000].write_parquet(tmp_path / f"{at}.parquet")
    frame = dd.read_parquet(tmp_path)
    here, there = (dr.learn(one, predict="y", levels=50).record for one in (tmp_path, frame))
    check_same(here, there)


def test_longley_keeps_its_certified_digits(tmp_path: Path, cluster: distributed.Client) -> None:
    table = pl.read_csv(NIST / "Longley.csv").cast(pl.Float64)
    known = json.loads((NIST / "Longley.json").read_text())["certified"]["coefficients"]
    for at in range(4):
        table[at * 4 :][:4].write_parquet(tmp_path / f"{at}.parquet")
    inputs = [f"x{at}" for at in range(1, 7)]
    model = dr.learn(dd.read_parquet(tmp_path), predict="y", using=inputs, ridge=0)
    found = [model.record.intercept[0].weight, *(one.weight for one in model.record.weights)]
    np.testing.assert_allclose(found, known, rtol=1e-9)


class Slow:
    """A question that takes a while, and kills its worker at the third part, once."""

    asks_for = "sums"

    def __init__(self, inner: Any, mark: Path) -> None:
        self.inner, self.mark = inner, mark
        self.reads = inner.reads

    def of(self, frame: pl.DataFrame, row: int = 0) -> Any:
        if row == 40 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner.of(frame, row)


def computed(frame: dd.DataFrame) -> dd.DataFrame:
    """The same rows, which Dask has to compute."""
    return frame.map_partitions(pd.DataFrame.copy)


@pytest.mark.parametrize("of", [dd.DataFrame.copy, computed])
def test_a_worker_that_dies_changes_no_bit(
    of: Callable[[dd.DataFrame], dd.DataFrame],
    folder: Path,
    tmp_path: Path,
    cluster: distributed.Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = {"predict": "amount", "using": INPUTS, "id": "id"}
    frame = of(dd.read_parquet(folder))
    whole = dr.learn(frame, **asked).record
    mark, ask = tmp_path / "killed", engine.DaskEngine.ask

    def killing(self: engine.DaskEngine, question: Any) -> Any:
        return ask(self, Slow(question, mark) if question.asks_for == "sums" else question)

    monkeypatch.setattr(engine.DaskEngine, "ask", killing)
    again = dr.learn(frame, **asked).record
    assert mark.exists()
    assert again.weights == whole.weights
    assert again.intercept == whole.intercept
    assert again.held_out == whole.held_out


def parts_of(table: Any) -> Any:
    """How the engine of a table has its rows read."""
    return engine.open_engine(table, "")[0].parts


def test_a_plain_read_of_parquet_is_left_to_the_workers(
    folder: Path, tmp_path: Path, cluster: distributed.Client
) -> None:
    plain = dd.read_parquet(folder)
    for frame in (plain, plain[["amount", *INPUTS]]):
        parts = parts_of(frame)
        assert isinstance(parts, engine.Pieces)
        assert parts.counts(engine.Cluster(cluster)) == [1, 39, 293, 1, 366, 200]
    by_key = tmp_path / "key=3"
    by_key.mkdir()
    WIDER.write_parquet(by_key / "part.parquet")
    others = [plain[plain.x > 0], plain.partitions[[1]], plain.assign(more=1.0), plain.persist()]
    others += [computed(plain), dd.read_parquet(tmp_path)]
    for frame in others:
        assert isinstance(parts_of(frame), engine.Partitions)


@pytest.mark.parametrize("how", ["squared", "by row number", "text read as numbers and dates"])
def test_partitions_that_dask_computes_give_the_same_model(
    how: str, folder: Path, cluster: distributed.Client
) -> None:
    asked = {"using": INPUTS, **(ASKED | MORE)[how]}
    here = dr.learn(folder, engine="local", **asked).record
    check_same(here, dr.learn(computed(dd.read_parquet(folder)), **asked).record)


def frame_of(*parts: pd.DataFrame) -> dd.DataFrame:
    """A dataframe of these partitions, of the first one's kinds."""
    made = [dask.delayed(part) for part in parts]
    return dd.from_delayed(made, meta=parts[0].head(0), verify_meta=False)


def whole_and_more(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    x = rng.normal(size=rows)
    whole = rng.integers(0, 50, rows)
    return pd.DataFrame({"x": x, "whole": whole, "y": x + whole + rng.normal(size=rows)})


@pytest.mark.parametrize("rows", [300, 11_000])
def test_partitions_of_other_kinds_are_read_or_refused(
    rows: int, cluster: distributed.Client
) -> None:
    first, other = whole_and_more(rows), whole_and_more(400)
    none = first.head(0)
    gap = other.assign(whole=other.whole.astype(float).where(other.whole != 3))
    both = pd.concat([first, gap])
    there = dr.learn(frame_of(none, first, none, gap), predict="y").record
    check_same(dr.learn(pl.DataFrame(both), predict="y").record, there, digits=1e-9)
    with pytest.raises(EmptyError, match="has no rows"):
        dr.learn(frame_of(none, none), predict="y")
    with pytest.raises(TableError):
        dr.learn(frame_of(first, other.assign(whole="many")), predict="y")
    with pytest.raises((TableError, LearningError), match=r"do not match the columns|no such col"):
        dr.learn(frame_of(first, other.drop(columns="whole")), predict="y")


def test_fractions_are_never_cut_to_whole_numbers(cluster: distributed.Client) -> None:
    first, other = whole_and_more(11_000), whole_and_more(400)
    frame = frame_of(first, other.assign(whole=other.whole + 0.5))
    with pytest.raises(TableError, match="'whole': Int64 in its first rows, Float64 in others"):
        dr.learn(frame, predict="y")


def hide_the_package() -> None:
    """Have a worker find no deltarule, as where it is not installed."""
    import importlib.metadata as found

    own = found.Distribution.from_name.__func__

    def from_name(cls: Any, name: str) -> Any:
        if name == "deltarule":
            raise found.PackageNotFoundError(name)
        return own(cls, name)

    found.Distribution.from_name = classmethod(from_name)


def test_a_worker_without_the_package_is_named(folder: Path) -> None:
    with (
        distributed.LocalCluster(
            n_workers=1, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=50
        ) as made,
        distributed.Client(made) as client,
    ):
        client.run(hide_the_package)
        [worker] = client.scheduler_info()["workers"]
        with pytest.raises(LearningError, match=f"worker {worker} has no deltarule: install"):
            dr.learn(dd.read_parquet(folder), predict="amount", using=INPUTS)


def test_a_cluster_of_our_own_needs_no_port_that_others_may_have() -> None:
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # by another already, then
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        # A warning that it is taken would be an error here.
        made = dr.learn({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0]}, predict="y", engine="dask")
    assert made.record.rows == 3


def test_a_cluster_that_is_lost_midway_is_said_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = distributed.LocalCluster(
        n_workers=1, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=50
    )
    with distributed.Client(made):
        ask = engine.DaskEngine.ask

        def losing(self: engine.DaskEngine, question: Any) -> Any:
            made.close()
            return ask(self, question)

        monkeypatch.setattr(engine.DaskEngine, "ask", losing)
        with pytest.raises(LearningError, match="dask could not answer: ") as told:
            dr.learn(dd.read_parquet(folder), predict="amount", using=INPUTS)
    assert "\n" not in str(told.value)


def test_predictions_are_as_lazy_as_the_frame(folder: Path, cluster: distributed.Client) -> None:
    frame = dd.read_parquet(folder).set_index("id")
    for target, more in (("amount", {"interval": 0.9}), ("kind", {"flags": True})):
        model = dr.learn(folder, predict=target, using=INPUTS)
        here = model.predict(WIDER.to_pandas().set_index("id"), **more).sort_index()
        lazy = model.predict(frame, **more)
        assert isinstance(lazy, dd.DataFrame)
        there = lazy.compute().sort_index()
        pd.testing.assert_frame_equal(
            there, here, check_dtype=False, check_exact=True, check_names=False
        )
        assert list(lazy.columns) == list(here.columns)


def test_what_cannot_be_predicted_is_refused_before_anything_is_computed(
    folder: Path, cluster: distributed.Client
) -> None:
    model, frame = dr.learn(folder, predict="amount", using=INPUTS), dd.read_parquet(folder)
    with pytest.raises(LearningError, match="where is not for a Dask dataframe"):
        model.predict(frame, where="x > 0")
    with pytest.raises(TableError, match="has no column 'city'"):
        model.predict(frame[["x", "far"]])


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"loss": "huber"}, "huber loss needs rows in order, which dask does not give"),
        ({"loss": "quantile(0.9)"}, "rows in order, which dask does not give"),
        ({"errors": "HC3"}, "HC3 needs rows in order, which dask does not give"),
        ({"batch": 32, "learner": "adam"}, "a batch needs rows in order, which dask does not"),
        ({"where": "x > 0"}, "where needs an id, a group or a time on dask"),
    ],
)
def test_what_it_cannot_answer_is_refused_early(
    asked: dict[str, Any], named: str, folder: Path
) -> None:
    with pytest.raises(LearningError, match=named):
        dr.learn(dd.read_parquet(folder), predict="amount", using=INPUTS, **asked)


def test_a_value_that_is_refused_has_its_row(tmp_path: Path, cluster: distributed.Client) -> None:
    for at in range(3):
        y = [1.0, 2.0, 4.0, float("inf") if at == 2 else 3.0]
        pl.DataFrame({"x": [0.0, 1.0, 2.0, 5.0], "y": y}).write_parquet(tmp_path / f"{at}.parquet")
    with pytest.raises(TableError, match=r"column 'y', row 12"):
        dr.learn(dd.read_parquet(tmp_path), predict="y")
    counts = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0] * 3, "n": [1, 0, 2, 5] * 2 + [3, -1, 1, 1]})
    with pytest.raises(TableError, match=r"column 'n', row 10: -1 is no target for poisson"):
        dr.learn(counts, predict="n", loss="poisson", engine="dask")


def test_progress_is_of_rows_that_workers_have_read(
    folder: Path, cluster: distributed.Client
) -> None:
    shown: list[tuple[int, int | None]] = []
    frame = dd.read_parquet(folder)
    dr.learn(frame, predict="amount", progress=lambda rows, of: shown.append((rows, of)))
    assert {of for _, of in shown} == {WIDER.height}
    assert max(rows for rows, _ in shown) == WIDER.height


# Dask itself calls what pandas 3.1 says will change.
@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_without_a_cluster_a_frame_is_computed_as_dask_is_set_up(folder: Path) -> None:
    asked = {"predict": "amount", "using": INPUTS}
    with dask.config.set(scheduler="threads"):
        there = dr.learn(dd.read_parquet(folder), **asked).record
    check_same(dr.learn(folder, **asked).record, there)


def test_the_command_joins_the_scheduler_of_an_address(
    folder: Path, cluster: distributed.Client, tmp_path: Path
) -> None:
    place = cluster.scheduler.address.replace("tcp://", "dask://")
    saved = tmp_path / "model.json"
    main = [sys.executable, "-m", "deltarule", "learn", str(folder), "--predict", "amount"]
    done = subprocess.run(
        [*main, "--using", "x,far,city", "--engine", place, "--save", str(saved)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    check_same(dr.learn(folder, predict="amount", using=INPUTS).record, dr.load(saved).record)


def test_a_scheduler_that_is_not_there_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(LearningError, match=f"no Dask scheduler answers at {place}"):
        dr.learn(folder, predict="amount", engine=f"dask://{place}")


def test_a_table_without_parts_is_refused_with_what_has_some(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "t.db") as made:
        made.execute("create table t (x real, y real)")
        made.execute("insert into t values (1, 2), (2, 4.1), (3, 5.9)")
    source = dr.source(f"sqlite:///{tmp_path}/t.db", table="t")
    with pytest.raises(LearningError, match=r"dask does not read .*give a file or a folder"):
        dr.learn(source, predict="y", engine="dask")
