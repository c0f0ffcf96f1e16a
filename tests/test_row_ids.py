"""What a row's fold depends on: its number in reading order or its id, whatever the source."""

import sqlite3
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import DeltaruleError, LearningError, ValueRefusedError
from deltarule.moments.folds import fold_of, fold_of_rows
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import Read, read
from deltarule.tables.request import Request

N = 1000


def table(seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, N)
    return pl.DataFrame(
        {"code": rng.permutation(N) * 3 + 7, "x": x, "y": x + rng.integers(0, 4, N)}
    )


def folds(found: Read) -> list[int]:
    return np.concatenate([part.fold for part in found.rows()]).tolist()


def in_parts(rows: pl.DataFrame, folder: Path) -> str:
    for at, start in enumerate((0, 130, 131, 700)):
        stop = (130, 131, 700, N)[at]
        rows[start:stop].write_csv(folder / f"part-{at}.csv")
    return str(folder / "part-*.csv")


def parquet_parts(rows: pl.DataFrame, folder: Path) -> str:
    rows[:400].write_parquet(folder / "a.parquet", row_group_size=150)
    rows[400:].write_parquet(folder / "b.parquet", row_group_size=77)
    return str(folder / "*.parquet")


def in_sqlite(rows: pl.DataFrame, folder: Path) -> str:
    there = sqlite3.connect(folder / "t.db")
    with there:
        there.execute("create table t (code integer, x integer, y integer)")
        there.executemany("insert into t values (?, ?, ?)", rows.rows())
    there.close()
    return f"sqlite:///{folder / 't.db'}"


def in_duckdb(rows: pl.DataFrame, folder: Path) -> str:
    with duckdb.connect(str(folder / "t.duckdb")) as there:
        there.register("rows", rows.to_arrow())
        there.execute("create table t as select * from rows")
    return f"duckdb:///{folder / 't.duckdb'}"


SOURCES: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "frame": lambda rows, _: rows,
    "dict": lambda rows, _: rows.to_dict(as_series=False),
    "pandas": lambda rows, _: rows.to_pandas(),
    "csv parts": in_parts,
    "parquet parts": parquet_parts,
    "sqlite": in_sqlite,
    "duckdb": in_duckdb,
}


@pytest.mark.parametrize("by", [{}, {"id": "code"}], ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_the_same_folds(source: str, by: dict[str, str], tmp_path: Path) -> None:
    rows = table()
    known = fold_of(rows["code"].to_numpy().astype(float), 5) if by else fold_of_rows(1, N, 5)
    found = read(open_table(SOURCES[source](rows, tmp_path))[0], Request(["y"], ["x"], **by))
    assert folds(found) == known.tolist()
    assert [fold.rows for fold in found.folds] == np.bincount(known, minlength=5).tolist()


@pytest.mark.parametrize("first", [2**53 - N // 2, 2**62, -(2**63)], ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_ids_that_floats_do_not_tell_apart_have_the_key_of_their_digits(
    source: str, first: int, tmp_path: Path
) -> None:
    ids = [first + at for at in range(N)]
    rows = table().with_columns(code=pl.Series(ids, dtype=pl.Int64))
    texts = [int(md5(str(one).encode(), usedforsecurity=False).hexdigest()[:8], 16) for one in ids]
    keys = [key if abs(one) >= 2**53 else one for one, key in zip(ids, texts, strict=True)]
    if source == "csv parts" and first > 0:
        keys = texts  # there all of a column is text where some of it is beyond
    found = read(open_table(SOURCES[source](rows, tmp_path))[0], Request(["y"], ["x"], id="code"))
    assert folds(found) == fold_of(np.array(keys, dtype=float), 5).tolist()


@pytest.mark.parametrize(
    "kind", [pl.UInt64(), pl.Int128(), pl.Decimal(38, 0), pl.String()], ids=str
)
@pytest.mark.parametrize("by", ["id", "group", "cluster"])
def test_whole_numbers_of_any_kind_are_told_apart(kind: pl.DataType, by: str) -> None:
    """As the same ids below 2**53 are: 50 of them, each of 20 rows."""
    rows = table().with_columns(who=2**60 + pl.int_range(N) // 20)
    one = dr.learn(
        rows.with_columns(pl.col("who").cast(kind)), predict="y", using="x", **{by: "who"}
    )
    if by == "cluster":
        small = dr.learn(
            rows.with_columns(pl.col("who") - 2**60), predict="y", using="x", cluster="who"
        )
        assert one.record.learnt[0].clusters == small.record.learnt[0].clusters == 50
        return
    text = dr.learn(
        rows.with_columns(pl.col("who").cast(pl.String)), predict="y", using="x", **{by: "who"}
    )
    assert one.record.held_out == text.record.held_out


@pytest.mark.parametrize("by", ["id", "group", "cluster"])
@pytest.mark.parametrize("far", [2.0**53, -(2.0**60), 1e300])
def test_decimal_numbers_that_are_not_told_apart_are_refused(by: str, far: float) -> None:
    rows = table().with_columns(
        who=pl.when(pl.col("code") == 7).then(far).otherwise(1.0 + pl.col("x"))
    )
    with pytest.raises(ValueRefusedError, match="not told from its neighbours"):
        dr.learn(rows, predict="y", using="x", **{by: "who"})


def test_numbers_of_rows_go_on_over_batches_and_left_out_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("deltarule.tables.polars_source.BATCH_ROWS", 128)
    monkeypatch.setattr("deltarule.tables.polars_source.LOOK_ROWS", 100)  # else all is read at once
    rows = table().with_columns(y=pl.when(pl.col("code") % 5 == 0).then(None).otherwise("y"))
    kept = rows["y"].is_not_null().to_numpy()
    rows.write_parquet(tmp_path / "t.parquet")
    found = read(open_table(tmp_path / "t.parquet")[0], Request(["y"], ["x"]))
    assert found.frames is not None
    assert len(found.frames) == -(-N // 128)
    assert folds(found) == fold_of_rows(1, N, 5)[kept].tolist()


def test_rows_read_again_and_rows_drawn_keep_their_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.tables.sample.JUDGED_ROWS", 200)
    found = read(open_table(table())[0], Request(["y"], ["x"]))
    known = fold_of_rows(1, N, 5)
    drawn = list(found.some_rows())
    number = np.concatenate([part.number for part in drawn])
    assert 200 <= len(number) <= 400
    assert np.concatenate([part.fold for part in drawn]).tolist() == known[number].tolist()


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"loss": "poisson"},
        {"learner": "descent"},
        {"learner": "adam", "batch": 50, "epochs": 3},
        {"loss": "poisson", "learner": "descent", "steps": 20},
        {"lasso": "auto"},
    ],
    ids=str,
)
def test_an_id_makes_the_order_of_rows_not_matter(how: dict[str, Any]) -> None:
    rows = table()
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=1)
    asked: dict[str, Any] = {"predict": "y", "using": "x", "id": "code", "shuffle": False, **how}
    one, other = (dr.learn(each, **asked).record for each in (rows, shuffled))
    assert one.held_out is not None
    assert other.held_out is not None
    if "batch" not in how:
        assert one.held_out[0].rmse == pytest.approx(other.held_out[0].rmse, rel=1e-8)
    assert one.held_out[0].baseline_rmse == pytest.approx(other.held_out[0].baseline_rmse, rel=1e-9)
    plain = dr.learn(rows, **{**asked, "id": None}).record.held_out
    assert plain is not None
    assert plain[0].baseline_rmse != pytest.approx(one.held_out[0].baseline_rmse, rel=1e-9)


def test_an_id_is_no_input_and_is_told(run: Callable[..., Any], tmp_path: Path) -> None:
    table().write_csv(tmp_path / "t.csv")
    path = str(tmp_path / "t.csv")
    saved = tmp_path / "m.json"
    assert run("learn", path, "--predict", "y", "--id", "code", "--save", str(saved)).code == 0
    model = dr.load(saved)
    assert [column.name for column in model.record.contract.columns] == ["x"]
    assert model.record.fold_by == "code"
    assert model.record.held_out_by is not None
    assert (model.record.held_out_by.by, model.record.held_out_by.column) == ("id", "code")
    for how, known in (({"group": "x"}, "x"), ({"time": "code"}, "code"), ({}, "row number")):
        made = dr.learn(path, predict="y", using="x", **how)
        assert made.record.fold_by == known


def test_rows_of_an_id_share_a_fold_and_rows_without_one_have_their_number() -> None:
    rows = table().with_columns(
        who=pl.when(pl.col("x") == 1).then(None).otherwise(pl.col("code") // 9)
    )
    for kind in (pl.Int64, pl.Float64, pl.String):
        found = read(
            open_table(rows.with_columns(pl.col("who").cast(kind)))[0],
            Request(["y"], ["x"], id="who"),
        )
        fold = np.array(folds(found))
        gone = rows["who"].is_null().to_numpy()
        assert fold[gone].tolist() == fold_of_rows(1, N, 5)[gone].tolist()
        same = rows.with_columns(fold=pl.Series(fold)).drop_nulls("who").group_by("who")
        assert same.agg(pl.col("fold").n_unique())["fold"].max() == 1


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"id": "code", "group": "x"}, LearningError, "by id, by group or forward in time"),
        ({"id": "code", "time": "x"}, LearningError, "by id, by group or forward in time"),
        ({"id": "code", "using": ["x", "code"]}, LearningError, "'code' uses the id 'code'"),
        ({"id": "code", "using": ["x", "log(code)"]}, LearningError, "uses the id 'code'"),
        ({"id": "cod"}, DeltaruleError, "no column 'cod'"),
        ({"id": "far"}, ValueRefusedError, r"column 'far', row 3 is inf"),
        ({"id": "list"}, DeltaruleError, "'list' is list"),
    ],
    ids=str,
)
def test_what_is_no_id_is_refused(
    settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    rows = table().with_columns(
        far=pl.when(pl.int_range(N) == 2).then(np.inf).otherwise(1.0), list=pl.concat_list("x", "y")
    )
    settings = {"using": "x", **settings}
    with pytest.raises(error, match=says):
        dr.learn(rows, predict="y", **settings)


# Weights.


def test_a_fraction_among_later_weights_holds_rows_out_as_one() -> None:
    n = 12_000
    rng = np.random.default_rng(0)
    each = np.full(n, 3.0)
    rows = pl.DataFrame({"x": rng.normal(size=n), "y": rng.normal(size=n), "w": each})
    whole = read(open_table(rows)[0], Request(["y"], ["x"], row_weight="w"))
    assert whole.plan.request.copies
    assert any(part.entries.row is not None for part in whole.rows())
    each[-1] = 2.5
    found = read(open_table(rows.with_columns(w=each))[0], Request(["y"], ["x"], row_weight="w"))
    assert not found.plan.request.copies
    assert folds(found) == fold_of_rows(1, n, 5).tolist()
    assert any("read again" in note for note in found.notes)


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson", "softmax"])
@pytest.mark.parametrize(
    "how", [{}, {"lasso": "auto"}, {"learner": "descent", "steps": 30}], ids=str
)
def test_counted_rows_are_held_out_as_the_rows_they_count(
    copied: Callable[..., pl.DataFrame], loss: str, how: dict[str, Any]
) -> None:
    """The figures, and the ridge and lasso chosen, are those of the table written out."""
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(2, 40))
    target: Any = {
        "squared": x + rng.normal(size=40),
        "logistic": rng.random(40) < 1 / (1 + np.exp(-x)),
        "poisson": rng.poisson(np.exp(x / 2)),
        "softmax": np.array(["a", "b", "c"])[rng.integers(0, 3, 40)],
    }[loss]
    rows = pl.DataFrame({"x": x, "z": z, "y": target, "n": rng.integers(0, 12, 40)})
    asked: dict[str, Any] = {"predict": "y", "using": ["x", "z"], "loss": loss, **how}
    one = dr.learn(rows, weight="n", **asked).record
    other = dr.learn(copied(rows, "n"), id="id", **asked).record
    assert one.learnt[0].ridge == pytest.approx(other.learnt[0].ridge, rel=1e-9)
    assert one.learnt[0].lasso == pytest.approx(other.learnt[0].lasso, rel=1e-9)
    assert one.held_out is not None
    assert other.held_out is not None
    for figure in ("rmse", "baseline_rmse", "loss", "baseline_loss", "rows"):
        known = getattr(other.held_out[0], figure)
        # Learnt by passes to their tolerance, and by sums in another order.
        assert getattr(one.held_out[0], figure) == pytest.approx(known, rel=1e-5), figure
