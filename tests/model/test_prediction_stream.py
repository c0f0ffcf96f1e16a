"""Predicting: each row leaves with its own prediction, whatever order a second read would have."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import deltarule as dr
from deltarule.cli.application import application
from deltarule.model.prediction_stream import Columns
from deltarule.tables import frames, parts_source
from deltarule.tables import one_read as reading
from deltarule.tables.databases import database
from deltarule.tables.files.sinks import SINKS
from deltarule.tables.spill import Spill

ROWS = 3000
READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": pl.read_csv,
    ".tsv": lambda path: pl.read_csv(path, separator="\t"),
    ".parquet": pl.read_parquet,
    ".ndjson": pl.read_ndjson,
    ".jsonl": pl.read_ndjson,
    ".arrow": pl.read_ipc,
}


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    x = np.arange(ROWS, dtype=float)
    kind = np.where(x % 3 == 0, "a", "b")
    return pl.DataFrame({"id": x, "x": x * 2, "kind": kind, "y": x * 6 + (kind == "a") * 50})


@pytest.fixture(scope="module")
def model(table: pl.DataFrame) -> dr.Model:
    return dr.learn(table.with_columns(pl.col("y") + pl.col("id").sin()), predict="y", using="x")


@pytest.fixture(scope="module")
def folder(table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    duckdb = pytest.importorskip("duckdb")
    folder = tmp_path_factory.mktemp("unordered")
    with sqlite3.connect(folder / "t.db") as lite:
        lite.execute("create table t (id real, x real, kind text, y real)")
        lite.executemany("insert into t values (?, ?, ?, ?)", table.iter_rows())
        lite.execute("create index covering on t (kind, x)")
    with duckdb.connect(str(folder / "t.duckdb")) as duck:
        duck.execute(
            "create table t as select i::double id, i * 2.0::double x, i % 3 = 0 kind, "
            "i * 6.0::double y from range(60000) r(i)"
        )
    return folder


UNORDERED = {
    "random in SQLite": ("t.db", "select * from t order by random()"),
    # Read alone, x comes in the order of the index that covers it.
    "covering index in SQLite": ("t.db", "select * from t"),
    "group by in DuckDB": ("t.duckdb", "select id, max(x) as x, max(y) as y from t group by id"),
    "random in DuckDB": ("t.duckdb", "select * from t order by random() limit 20000"),
}


def in_place(model: dr.Model, frame: pl.DataFrame) -> bool:
    """Whether each row has the prediction of its own x."""
    alone = model.predict(frame.select("x"))["y_prediction"]
    return bool(((frame["y_prediction"] - alone).abs() < 1e-6).all())


@pytest.mark.parametrize("name", UNORDERED)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_rows_of_a_query_without_an_order(
    name: str, ending: str, model: dr.Model, folder: Path, tmp_path: Path
) -> None:
    database, query = UNORDERED[name]
    model.save(tmp_path / "m.json")
    out = tmp_path / f"o{ending}"
    options = ["--query", query, "--out", str(out), "--flags", "--interval", "0.9"]
    ran = CliRunner().invoke(
        application(), ["predict", str(tmp_path / "m.json"), str(folder / database), *options]
    )
    assert ran.exit_code == 0, ran.output
    found = READERS[ending](out)
    assert in_place(model, found)
    assert (found["y_low"] < found["y_prediction"]).all()
    assert found["id"].n_unique() == found.height


@pytest.mark.parametrize("database", ["t.db", "t.duckdb"])
def test_rows_go_to_a_table_of_the_database_they_are_read_from(
    database: str, model: dr.Model, folder: Path, tmp_path: Path
) -> None:
    model.save(tmp_path / "m.json")
    copy = tmp_path / database
    copy.write_bytes((folder / database).read_bytes())
    query = "select id, x from t order by random() limit 2000"
    ran = CliRunner().invoke(
        application(),
        [
            *("predict", str(tmp_path / "m.json"), str(copy), "--query", query),
            *("--to-table", "predicted", "--explain"),
        ],
    )
    assert (ran.exit_code, ran.stdout) == (0, "2,000 rows written to the new table predicted\n")
    found = dr.source(copy, table="predicted")
    written = pl.concat(found.batches([pl.all()]))
    assert in_place(model, written)
    assert np.allclose(written["y_average"] + written["y_from_x"], written["y_prediction"])


def test_a_lazy_frame_that_comes_in_another_order_each_time(
    model: dr.Model, table: pl.DataFrame
) -> None:
    shuffled = table.lazy().map_batches(lambda one: one.sample(fraction=1, shuffle=True))
    found = pl.concat(model.predict_batches(shuffled))
    assert found.height == ROWS
    assert in_place(model, found)


def test_a_table_that_grows_while_it_is_read(model: dr.Model, table: pl.DataFrame) -> None:
    growing = [table]

    class Growing:
        """An Arrow stream's maker that gives more rows, in front, each time."""

        def __arrow_c_stream__(self, requested: Any = None) -> Any:
            growing.insert(0, table.with_columns(pl.col("x") - 1e4))
            return pl.concat(growing).__arrow_c_stream__(requested)

    found = pl.concat(model.predict_batches(Growing()))
    assert in_place(model, found)


def test_a_stream_too_long_to_keep_is_predicted_in_one_read(
    model: dr.Model, table: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_source, "KEPT_CELLS", 10)
    reader = pa.RecordBatchReader.from_stream(table)
    assert in_place(model, pl.concat(model.predict_batches(reader, flags=True)))


@pytest.mark.parametrize("ending", SINKS)
@pytest.mark.parametrize("source", ["csv", "parquet", "ndjson"])
def test_one_read_whatever_is_read_and_written(
    ending: str, source: str, model: dr.Model, table: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / f"t.{source}"
    getattr(table, {"csv": "write_csv", "parquet": "write_parquet"}.get(source, "write_ndjson"))(
        path
    )
    opened = dr.source(path)
    before = opened.reads  # what finding the types of JSON took
    made = model.predictions(opened, Columns())
    frames_ = list(made.beside_rows(cells=ending in (".csv", ".tsv")))
    assert opened.reads == before + 1
    model.save(tmp_path / "m.json")
    out = tmp_path / f"o{ending}"
    ran = CliRunner().invoke(
        application(), ["predict", str(tmp_path / "m.json"), str(path), "--out", str(out)]
    )
    assert ran.exit_code == 0, ran.output
    found = READERS[ending](out)
    assert found.columns == [*table.columns, "y_prediction"] == frames_[0].columns
    assert found.height == ROWS
    assert in_place(model, found)


def test_no_more_than_a_few_batches_are_taken_ahead_of_the_writer(tmp_path: Path) -> None:
    from deltarule.tables.files.sinks import write_frames

    ahead: list[int] = []
    path = tmp_path / "o.csv"

    def coming() -> Iterator[pl.DataFrame]:
        for number in range(200):
            size = path.stat().st_size if path.exists() else 0
            ahead.append(number - size // 200_000)
            yield pl.DataFrame({"x": ["x" * 99] * 2000})

    write_frames(coming(), path, ending=".csv")
    assert path.stat().st_size == 2 + 200 * 2000 * 100
    assert max(ahead) < 50


def test_nothing_is_written_where_a_later_row_cannot_be_predicted(
    model: dr.Model, table: pl.DataFrame, tmp_path: Path
) -> None:
    x = [*table["x"][:-1], np.inf]
    table.with_columns(pl.Series("x", x)).write_csv(tmp_path / "t.csv")
    model.save(tmp_path / "m.json")
    out = tmp_path / "o.csv"
    out.write_text("as it was")
    ran = CliRunner().invoke(
        application(),
        ["predict", str(tmp_path / "m.json"), str(tmp_path / "t.csv"), "--out", str(out)],
    )
    assert "row 3000 is infinite" in str(ran.exception)
    assert out.read_text() == "as it was"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["m.json", "o.csv", "t.csv"]


@pytest.mark.parametrize(
    ("own", "new"),
    [
        ({"y_prediction": 1.0}, ["y_prediction_in_table"]),
        ({"Y_Prediction": 1.0}, ["Y_Prediction_in_table"]),
        ({"flags": "kept"}, ["flags_in_table"]),
        ({"y_prediction": 1.0, "y_prediction_in_table": 2.0},
         ["y_prediction_in_table_", "y_prediction_in_table"]),
        ({"y_low": 1.0, "y_high": 2.0}, ["y_low_in_table", "y_high_in_table"]),
        ({"y_predictions": 1.0}, ["y_predictions"]),
    ],
)  # fmt: skip
def test_a_column_called_as_a_prediction_is_renamed_and_told(
    own: dict[str, Any], new: list[str], model: dr.Model, table: pl.DataFrame
) -> None:
    given = table.with_columns(**{name: pl.lit(value) for name, value in own.items()})
    made = model.predictions(frames.open_table(given)[0], Columns(flags=True, interval=0.5))
    found = pl.concat(made.beside_rows())
    assert found.select(new).row(0) == tuple(own.values())
    assert in_place(model, found)
    told = [note for note in made.notes if "as predictions are called" in note]
    assert len(told) == len([name for name in own if name not in new])


# More than one read while learning


@pytest.mark.parametrize("cells", [10, 10_000_000])
@pytest.mark.parametrize("loss", ["poisson", "squared"])
def test_a_query_without_an_order_is_learnt_from_as_its_rows_came_first(
    loss: str, cells: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held-out figures are of folds by row number: each pass must number rows alike."""
    monkeypatch.setattr("deltarule.tables.spill.CELLS_IN_MEMORY", cells)
    monkeypatch.setattr("deltarule.tables.one_read.KEPT_CELLS", 0)
    monkeypatch.setattr(
        "deltarule.fit.target_group.rows_kept", lambda settings, made: reading.Keep(0)
    )
    random = np.random.default_rng(3)
    with sqlite3.connect(tmp_path / "t.db") as lite:
        lite.execute("create table t (x real, near real, y real)")
        x = random.normal(size=400)
        # Nearly dependent columns have their digits from a second read.
        near = x * (loss == "squared") + 1e-6 * random.normal(size=400)
        y = random.poisson(np.exp(0.5 * x))
        lite.executemany("insert into t values (?, ?, ?)", zip(x, near, y.tolist(), strict=True))
    seen: list[pl.DataFrame] = []
    taken = database.DatabaseSource.batches

    def batches(self: Any, columns: Any) -> Iterator[pl.DataFrame]:
        for frame in taken(self, columns):
            seen.append(frame)
            yield frame

    monkeypatch.setattr(database.DatabaseSource, "batches", batches)
    queried = dr.source(tmp_path / "t.db", query="select * from t order by random()")
    settings: dict[str, Any] = {"predict": "y", "loss": loss, "errors": "robust", "ridge": 0}
    model = dr.learn(queried, **settings)
    assert queried.reads == 1
    first = pl.concat(seen)
    assert first.height == 400
    alone = dr.learn(first, **settings)
    assert model.held_out.rmse == pytest.approx(alone.held_out.rmse, rel=1e-6)
    errors = [one.weights["standard_error"].to_numpy() for one in (model, alone)]
    assert np.allclose(*errors, rtol=1e-4, equal_nan=True)
    assert np.isfinite(errors[0]).any()


def test_temporary_files_go_with_the_rows(
    tmp_path: Path, table: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("deltarule.tables.spill.CELLS_IN_MEMORY", 5000)
    spill = Spill()
    for frame in (table, table.clear(), table.reverse()):
        spill.add(frame)
    assert len(list(tmp_path.glob("deltarule-*/*"))) == 3
    for _ in range(2):
        assert pl.concat(spill).equals(pl.concat([table, table.reverse()]))
    del spill
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_a_row_without_an_order_is_said_to_mean_little(
    model: dr.Model, folder: Path, tmp_path: Path, table: pl.DataFrame
) -> None:
    model.save(tmp_path / "m.json")
    table.write_csv(tmp_path / "t.csv")
    loose, fixed = "select * from t", "select * from t Order  By id"
    for where, told in (
        ([str(folder / "t.db"), "--query", loose], True),
        ([str(folder / "t.db")], True),
        ([str(folder / "t.db"), "--query", fixed], False),
        ([str(tmp_path / "t.csv")], False),
    ):
        command = ["explain", str(tmp_path / "m.json"), *where, "--row", "3"]
        ran = CliRunner().invoke(application(), command)
        assert ran.exit_code == 0, ran.output
        assert ("no fixed order" in ran.stderr) == told


@pytest.mark.parametrize("odd", ["TBD", "3 kg", "12k", "#N/A!"])
def test_an_odd_cell_leaves_the_types_of_the_other_columns_as_they_are(
    tmp_path: Path, run: Callable[..., Any], odd: str
) -> None:
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 60)).round(3)
    table = pl.DataFrame({"x": x, "z": z, "y": 2 * x - z})
    dr.learn(table, predict="y").save(tmp_path / "m.json")
    cells = table.with_columns(z=pl.Series([*map(str, z[:59]), odd]))
    cells.write_csv(tmp_path / "t.csv")
    out = tmp_path / "p.parquet"
    ran = run("predict", tmp_path / "m.json", tmp_path / "t.csv", "--out", out)
    assert (ran.code, ran.out) == (0, f"60 rows written to {out}\n")
    written = pl.read_parquet(tmp_path / "p.parquet")
    assert (written["x"].dtype, written["y"].dtype) == (pl.Float64, pl.Float64)
    assert written["x"].equals(table["x"])
    assert written["z"].to_list() == cells["z"].to_list()


LIMITED = """
import resource, signal, sys
from pathlib import Path
import polars as pl
from deltarule.errors import OutputError
from deltarule.output import write_whole
from deltarule.tables.files.sinks import SINKS, write_frames

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (0, 1, 100, 5_000, 700_000):
    for ending in SINKS:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        frames = [pl.DataFrame({"x": pl.arange(0, 150_000, eager=True).hash(1)})]
        path = Path(sys.argv[1]) / f"t{ending}"
        try:
            write_whole(path, lambda place: write_frames(frames, place, ending=ending))
            print("written")
        except OutputError as error:
            print(error)
"""


def test_a_disk_that_takes_no_more_is_named_as_such_in_every_format(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    said = done.stdout.splitlines()
    # A file that may have no more bytes is refused as one on a full disk is, with another errno.
    assert len(said) == 5 * len(SINKS)
    assert {one.partition(": ")[2] for one in said} == {"File too large"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", SINKS)
@pytest.mark.parametrize("first", [10**18, 2**63 + 1, 2**64], ids=["64-bit", "unsigned", "more"])
def test_whole_numbers_of_a_csv_leave_with_all_their_digits(
    model: dr.Model, tmp_path: Path, ending: str, first: int
) -> None:
    ids = [first + row for row in range(200)]
    cells = "".join(f"{one},{row},a\n" for row, one in enumerate(ids))
    (tmp_path / "ids.csv").write_text(f"id,x,kind\n{cells}")
    model.save(tmp_path / "model.json")
    out = tmp_path / f"out{ending}"
    command = ["predict", str(tmp_path / "model.json"), str(tmp_path / "ids.csv"), "-o", str(out)]
    assert CliRunner().invoke(application(), command).exit_code == 0
    made = READERS[ending](out)
    assert [int(one) for one in made["id"]] == ids
    if first == 10**18:
        assert made["id"].dtype == pl.Int64
    expected = model.predict(pl.DataFrame({"x": np.arange(200.0), "kind": "a"}))
    np.testing.assert_allclose(made["y_prediction"], np.asarray(expected).ravel(), rtol=1e-9)


@pytest.mark.parametrize("in_blocks", [False, True])
@pytest.mark.parametrize(
    ("last", "kind"), [("0.5", pl.Float64), ("none of it", pl.String), ("7", pl.Int64)]
)
def test_later_rows_say_what_a_column_of_whole_numbers_is(
    model: dr.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    last: str,
    kind: type[pl.DataType],
    in_blocks: bool,
) -> None:
    from deltarule.tables.files import csv_source

    if in_blocks:
        monkeypatch.setattr(csv_source, "AT_ONCE", 0)
    rows = "".join(f"{row},{row}\n" for row in range(csv_source.LOOK_ROWS + 5))
    end = "last,2\n" if kind == pl.String else ""
    (tmp_path / "late.csv").write_text(f"id,x\n{rows}{last},1\n{end}")
    model.save(tmp_path / "model.json")
    out = tmp_path / "out.parquet"
    command = ["predict", str(tmp_path / "model.json"), str(tmp_path / "late.csv"), "-o", str(out)]
    assert CliRunner().invoke(application(), command).exit_code == 0
    made = pl.read_parquet(out)
    assert made["id"].dtype == kind
    assert made["id"].cast(pl.String)[csv_source.LOOK_ROWS + 5] == last
    assert made["id"].cast(pl.String)[3] in ("3", "3.0")


@pytest.mark.parametrize("in_blocks", [False, True])
@pytest.mark.parametrize(
    "odd",
    [
        {"a": ("true", "NA")},
        {"a": ("false", "1")},
        {"a": ("true", " true")},
        {"a": ("true", "maybe"), "b": ("1.5", "w"), "c": ("false", "-")},
        {"a": ("1", "TBD"), "b": ("2", "x1"), "c": ("3", "?"), "d": ("true", "yes")},
    ],
)
def test_columns_that_are_no_input_may_hold_anything_in_later_rows(
    model: dr.Model,
    tmp_path: Path,
    run: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    odd: dict[str, tuple[str, str]],
    in_blocks: bool,
) -> None:
    """Each in a row of its own, the last column's first, far behind the rows that types are of."""
    from deltarule.tables.files import csv_source

    if in_blocks:
        monkeypatch.setattr(csv_source, "AT_ONCE", 0)
    rows = csv_source.LOOK_ROWS + 100
    cells = {name: [usual] * rows for name, (usual, _) in odd.items()}
    for at, (name, (_, other)) in enumerate(reversed(odd.items())):
        cells[name][csv_source.LOOK_ROWS + 5 + 20 * at] = other
    table = pl.DataFrame({"x": np.arange(rows) / 8, **cells})
    table.write_csv(tmp_path / "t.csv")
    model.save(tmp_path / "m.json")
    ran = run("predict", tmp_path / "m.json", tmp_path / "t.csv", "--out", tmp_path / "p.csv")
    assert ran.code == 0
    written = pl.read_csv(tmp_path / "p.csv", infer_schema=False)
    assert {name: written[name].to_list() for name in odd} == cells
    expected = model.predict(table.select("x"))
    predicted = written["y_prediction"].cast(pl.Float64)
    np.testing.assert_allclose(predicted, np.asarray(expected).ravel(), rtol=1e-12)
