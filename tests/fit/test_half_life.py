"""Rows that fade by their order, and windows: as if weighted, or cut off, by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.engines.parts import ANSWERS
from deltarule.errors import LearningError
from deltarule.fit.run import Run
from deltarule.tables.frames import open_table
from deltarule.tables.last_rows import LastRows


class Parts:
    """An engine whose workers have parts of the rows, in no order."""

    name, answers = "parts", ANSWERS


def rows(seed: int, n: int) -> pl.DataFrame:
    """A table whose slope drifts: numbers with gaps, levels, counts, yes and no, times."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    slope = np.linspace(-1, 1, n)
    table = pl.DataFrame(
        {
            "key": np.arange(n) * 7 + 3,
            "x": x,
            "level": rng.choice(list("abc"), n),
            "site": rng.integers(0, 30, n),
            "day": np.sort(rng.integers(0, 400, n)),
            "times": rng.integers(1, 4, n),
            "base": rng.normal(size=n),
            "y": slope * x + rng.normal(size=n),
            "yes": rng.uniform(size=n) < 1 / (1 + np.exp(-2 * slope * x)),
            "count": rng.poisson(np.exp(0.3 * slope * x)),
        }
    )
    gap = pl.Series(rng.uniform(size=n) < 0.1)
    return table.with_columns(x=pl.when(gap).then(None).otherwise(pl.col("x")))


def faded(table: pl.DataFrame, half_life: float) -> pl.DataFrame:
    """The table with what each row counts for, times its own weight."""
    age = np.arange(table.height)[::-1]
    return table.with_columns(
        own=pl.Series(2.0 ** (-age / half_life)), both=pl.col("times") * 2.0 ** (-age / half_life)
    )


HOW: dict[str, dict[str, Any]] = {
    "plain": {"predict": "y"},
    "id": {"predict": "y", "id": "key"},
    "group": {"predict": "y", "group": "site"},
    "time": {"predict": "y", "time": "day"},
    "offset": {"predict": "y", "offset": "base"},
    "dropped": {"predict": "y", "missing": "drop"},
    "two targets": {"predict": ["y", "base"]},
    "lasso": {"predict": "y", "lasso": 0.02},
    "logistic": {"predict": "yes"},
    "poisson": {"predict": "count", "loss": "poisson"},
    "absolute": {"predict": "y", "loss": "absolute", "ridge": 0},
}


def close(found: dr.Model, known: dr.Model, relative: float = 1e-10) -> None:
    mine, theirs = found.weights, known.weights
    for column in ("weight", "standard_error"):
        np.testing.assert_allclose(
            mine[column].cast(float).to_numpy(),
            theirs[column].cast(float).to_numpy(),
            rtol=relative,
            atol=relative * float(theirs["weight"].abs().max()),  # type: ignore[arg-type]
        )
    assert found.rmse == pytest.approx(known.rmse, rel=relative)
    assert found.record.rows == pytest.approx(known.record.rows, rel=1e-12)
    assert [one.ridge for one in found.record.learnt] == pytest.approx(
        [one.ridge for one in known.record.learnt]
    )


@pytest.mark.parametrize("name", HOW)
def test_a_half_life_is_a_column_of_weights(name: str) -> None:
    table, how = rows(1, 500), {"using": ["x", "level"], **HOW[name]}
    found = dr.learn(table, half_life=60.0, **how)
    close(found, dr.learn(faded(table, 60.0), weight="own", **how))
    assert any("counts half after 60 more" in note for note in found.record.notes)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(60, 300), st.floats(5, 1e6))
def test_it_multiplies_a_weight_of_their_own(seed: int, n: int, half_life: float) -> None:
    table, using = rows(seed, n), ["x", "base"]
    found = dr.learn(table, predict="y", using=using, weight="times", half_life=half_life)
    close(found, dr.learn(faded(table, half_life), predict="y", using=using, weight="both"))


def test_very_old_rows_are_counted_though_they_count_for_nothing() -> None:
    table = rows(2, 5000)
    found = dr.learn(table, predict="y", using=["x"], half_life=2.0)
    assert found.record.examples == 5000
    assert found.record.rows == pytest.approx(1 / (1 - 2**-0.5))


def test_it_goes_on_row_by_row() -> None:
    table = rows(3, 400).drop_nulls()
    using = ["x", "base"]
    model = dr.learn(table[:200], predict="y", using=using, half_life=50.0, ridge=0)
    model.update(table[200:], half_life=50.0)
    known = dr.learn(table, predict="y", using=using, half_life=50.0, ridge=0)
    for name, weight in known.coef.items():
        assert model.coef[name] == pytest.approx(weight, rel=1e-9)


@pytest.mark.parametrize("name", HOW)
@pytest.mark.parametrize("window", [150, 10_000])
def test_a_window_is_a_table_of_the_last_rows(name: str, window: int) -> None:
    table, how = rows(4, 500), {"using": ["x", "level"], **HOW[name]}
    found, known = dr.learn(table, window=window, **how), dr.learn(table[-window:], **how)
    assert found.weights.equals(known.weights)
    assert found.rmse == known.rmse
    told = "350 rows before the last 150 have no part"
    assert (told in found.record.notes) == (window == 150)


def test_files_conditions_and_small_batches(
    tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("wrapped_source", "polars_source", "files.csv_source"):
        monkeypatch.setattr(f"deltarule.tables.{module}.BATCH_ROWS", 64)
    table = rows(5, 700)
    table.write_csv(tmp_path / "t.csv")
    table.write_parquet(tmp_path / "t.parquet")
    some = table.filter(pl.col("site") > 9)
    how: dict[str, Any] = {"predict": "y", "using": ["x", "level"]}
    for file in ("t.csv", "t.parquet"):
        path = tmp_path / file
        close(
            dr.learn(path, where="site > 9", half_life=80.0, **how),
            dr.learn(faded(some, 80.0), weight="own", **how),
        )
        close(dr.learn(path, where="site > 9", window=90, **how), dr.learn(some[-90:], **how))
        options = ["--predict", "y", "--using", "x,level", "--where", "site > 9", "--json"]
        out = json.loads(run("learn", path, *options, "--half-life", 80, "--window", 200).out)
        known = dr.learn(some[-200:], half_life=80.0, **how).to_dict()
        assert out["rows"] == pytest.approx(known["rows"])
        assert out["held_out"]["rmse"] == pytest.approx(known["held_out"]["rmse"])
    # A row of the window has the number that it has in the table.
    assert LastRows(open_table(table)[0], 100).place(50) == "row 651"


def test_rows_without_an_order_are_refused() -> None:
    table = rows(6, 300)
    source, _ = open_table(table)
    source.unordered = True
    for name in ("half_life", "window"):
        ten: dict[str, Any] = {name: 10}
        with pytest.raises(LearningError, match=f"{name} counts rows by their order, and nothing"):
            dr.learn(source, predict="y", **ten)
        with pytest.raises(LearningError, match=f"{name} needs rows in order, which parts does"):
            Run.of(table, dr.Settings(predict="y", **ten), engine=Parts())  # type: ignore[arg-type]


def test_what_is_no_number_of_rows_is_refused() -> None:
    table = rows(7, 60)
    wrong: Any
    for wrong in (0, -1.0, float("nan"), "ten"):
        with pytest.raises(LearningError, match="half_life"):
            dr.learn(table, predict="y", half_life=wrong)
    for wrong in (0, 2.5, True):
        with pytest.raises(LearningError, match="window"):
            dr.learn(table, predict="y", window=wrong)
    for name in ("half_life", "window"):
        ten: dict[str, Any] = {name: 10}
        with pytest.raises(LearningError, match=f"and {name} needs the rows"):
            dr.learn(table, predict="y", keep_summary=True, **ten)


@pytest.mark.parametrize("how", [{"half_life": 20.0}, {"window": 30}])
def test_rows_go_on_fading_where_nothing_else_is_said(tmp_path: Path, how: dict[str, Any]) -> None:
    x = np.random.default_rng(3).normal(size=200)
    y = 2 * x * np.linspace(0, 1, 200) + np.random.default_rng(4).normal(size=200)
    table = pl.DataFrame({"x": x, "y": y})
    asked: dict[str, Any] = {"predict": "y", "using": "x", "ridge": 0, **how}
    dr.learn(table[:100], **asked).save(tmp_path / "m.json")
    model = dr.load(tmp_path / "m.json")
    model.update(table[100:])
    assert model.coef["x"] == pytest.approx(dr.learn(table, **asked).coef["x"], rel=1e-9)
    assert model.record.streamed is not None
    assert getattr(model.record.streamed, next(iter(how))) == next(iter(how.values()))
    # Another setting is taken as it is said.
    other = dr.load(tmp_path / "m.json")
    other.update(table[100:], half_life=1e9)
    assert other.coef["x"] != pytest.approx(model.coef["x"], rel=1e-3)


def gappy(seed: int, n: int) -> pl.DataFrame:
    """Rows of which a third have no target, a weight or an offset, most of them the last."""
    table = rows(seed, n).with_columns(pl.col("x").fill_null(0.0))
    rng = np.random.default_rng(seed)
    gone = pl.Series(rng.uniform(size=n) < np.linspace(0.1, 0.6, n))
    kind = pl.Series(rng.integers(0, 3, n))
    return table.with_columns(
        y=pl.when(gone & (kind == 0)).then(None).otherwise(pl.col("y")),
        base=pl.when(gone & (kind == 1)).then(float("nan")).otherwise(pl.col("base")),
        times=pl.when(gone & (kind == 2)).then(0).otherwise(pl.col("times")),
    )


WANTED = pl.col("y").is_not_null() & pl.col("base").is_not_nan() & (pl.col("times") > 0)


@pytest.mark.parametrize("how", [{"half_life": 40.0}, {"window": 120}], ids=str)
@pytest.mark.parametrize("ending", ["frame", "csv", "ndjson"])
def test_rows_that_are_not_learnt_have_no_age(
    how: dict[str, Any], ending: str, tmp_path: Path
) -> None:
    table = gappy(7, 400)
    kept = table.filter(WANTED)
    assert table.height - kept.height > 90
    given: Any = table if ending == "frame" else tmp_path / f"t.{ending}"
    if ending == "csv":
        table.with_columns(pl.col("base").fill_nan(None)).write_csv(given)
    elif ending == "ndjson":
        table.with_columns(pl.col("base").fill_nan(None)).write_ndjson(given)
    usual: dict[str, Any] = {"predict": "y", "using": ["x"], "offset": "base", "weight": "times"}
    found, known = dr.learn(given, **usual, **how), dr.learn(kept, **usual, **how)
    close(found, known, 1e-12)
    told = f"{table.height - kept.height} of 400 rows have no y or base or times"
    assert [note for note in found.record.notes if note.startswith(told)]
    assert not [note for note in known.record.notes if "have no y" in note]


@pytest.mark.parametrize("how", [{"half_life": 40.0}, {"window": 60}], ids=str)
@pytest.mark.parametrize("target", ["y", "y * 2"])
def test_learn_and_update_agree_on_the_age_of_rows_without_a_target(
    how: dict[str, Any], target: str
) -> None:
    table = gappy(8, 300).with_columns(base=1.0, times=1)
    usual: dict[str, Any] = {"predict": target, "using": ["x"], "ridge": 0, **how}
    whole = dr.learn(table, **usual)
    grown = dr.learn(table[:150], **usual)
    grown.update(table[150:], **how)
    if "window" in how:  # its rows of the table before leave together
        assert table[150:].filter(WANTED).height >= how["window"]
    assert grown.coef == pytest.approx(whole.coef, rel=1e-9)


def test_a_target_of_classes_or_in_text_may_be_missing_too() -> None:
    table = rows(9, 300).with_columns(
        kind=pl.Series(["yes", "no", "", None, "n/a", "no"] * 50),
        text=pl.Series(["1.5", "2,000.25", "-", "", "3", "4"] * 50),
    )
    for target, gone in (("kind", ["", "n/a"]), ("text", ["", "-"])):
        here = pl.col(target).is_not_null() & pl.col(target).is_in(gone).not_()
        usual: dict[str, Any] = {"predict": target, "using": ["x"], "half_life": 50.0}
        found = dr.learn(table, missing_words=["n/a", "-"], **usual)
        close(found, dr.learn(table.filter(here), missing_words=["n/a", "-"], **usual), 1e-9)
