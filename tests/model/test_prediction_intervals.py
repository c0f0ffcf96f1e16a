"""Prediction intervals: as many new rows of real tables lie within as was promised."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import LearningError

REPEATS = 12


def table_of(name: str, data: Path, films: Path) -> pl.DataFrame:
    paths = {
        "movies": films,
        "cars": data / "tables" / "cars.csv",
        "diabetes": data / "diabetes" / "diabetes.csv",
        "flights": data / "tables" / "flights_200k.parquet",
    }
    path = paths[name]
    if path.suffix == ".parquet":
        return pl.read_parquet(path).sample(8000, seed=1)
    return pl.read_csv(path, infer_schema_length=None)


def inside(model: dr.Model, rows: pl.DataFrame, target: str, level: float) -> Any:
    found = model.predict(rows, interval=level)
    low, high = found[f"{target}_low"].to_numpy(), found[f"{target}_high"].to_numpy()
    goal = rows[target].to_numpy()
    return (low <= goal) & (goal <= high)


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize(
    ("name", "target", "using", "loss"),
    [
        ("movies", "gross", ["budget", "genre", "year"], "squared"),
        ("movies", "gross", ["budget", "genre"], "huber"),
        ("movies", "running_time", ["budget", "genre"], "gamma"),
        ("cars", "mpg", ["weight", "horsepower", "year"], "squared"),
        ("diabetes", "progression", None, "squared"),
        ("diabetes", "progression", None, "gamma"),
        ("flights", "delay", ["distance", "time"], "squared"),
        ("flights", "distance", ["time"], "poisson"),
    ],
)
def test_new_rows_of_real_tables_lie_within_as_often_as_promised(
    data: Path, films: Path, name: str, target: str, using: Any, loss: str, level: float
) -> None:
    table = table_of(name, data, films).drop_nulls(target)
    shares, known = [], []
    for repeat in range(REPEATS if table.height < 4000 else 3):
        order = np.random.default_rng(repeat).permutation(table.height)
        half = table.height // 2
        model = dr.learn(table[order[:half]], predict=target, using=using, loss=loss, ridge=0)
        new = table[order[half:]]
        shares.append(inside(model, new, target, level).mean())
        known.append(half)
    # Each split's share strays by what was held out and by what is judged, and splits share rows:
    # twice the standard error of one split is beyond what their mean strays by.
    slack = 2 * np.sqrt(level * (1 - level) * (2 / half))
    assert level - slack <= np.mean(shares) <= level + slack + 0.02


def test_wide_where_rows_stray_far_and_narrow_where_not(films: Path) -> None:
    model = dr.learn(films, predict="gross", using=["budget"])
    cheap, dear = model.predict([{"budget": 1e6}, {"budget": 2e8}], interval=0.8)
    assert cheap["gross_low"] >= 0
    assert dear["gross_high"] - dear["gross_low"] > 5 * (cheap["gross_high"] - cheap["gross_low"])


def test_the_frame_that_comes_in_goes_out(mixed: pl.DataFrame) -> None:
    model = dr.learn(mixed, predict=["price", "sold"], using=["size", "age"])
    columns = ["price_prediction", "sold_prediction"]
    ends = ["price_low", "price_high", "sold_low", "sold_high"]
    assert model.predict(mixed, interval=0.9).columns == [*columns, *ends]
    assert list(model.predict(mixed.to_pandas(), interval=0.9)) == [*columns, *ends]
    single = model.predict({"size": 50.0, "age": 30}, interval=0.5)
    assert single["price_low"] < single["price_prediction"] < single["price_high"]
    assert model.predict(mixed.head(0), interval=0.9).columns == [*columns, *ends]
    plain = model.predict(mixed)
    assert model.predict(mixed, interval=0.9).select(columns).equals(plain)
    wide, narrow = (model.predict(mixed, interval=level) for level in (0.95, 0.5))
    assert (wide["price_high"] > narrow["price_high"]).all()


def test_saved_and_loaded_they_are_the_same(mixed: pl.DataFrame, tmp_path: Path) -> None:
    model = dr.learn(mixed, predict="price")
    model.save(tmp_path / "m.json", moments=False)
    again = dr.load(tmp_path / "m.json")
    assert again.predict(mixed, interval=0.9).equals(model.predict(mixed, interval=0.9))


@pytest.mark.parametrize("settings", [{"learner": "descent"}, {"lasso": 0.1}, {"ridge": 1.0}])
def test_whatever_way_it_was_learnt(mixed: pl.DataFrame, settings: dict[str, Any]) -> None:
    model = dr.learn(mixed, predict="price", using=["size", "age"], **settings)
    rows = mixed.drop_nulls("price")
    assert 0.86 < inside(model, rows, "price", 0.9).mean() < 0.97


def test_of_a_large_table_a_sample_is_judged_in_the_same_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n = 150_000
    x = np.sort(rng.random(n))  # rows in order: a sample of the first ones would know nothing
    table = pl.DataFrame({"x": x, "y": x + x * rng.normal(size=n)})
    table.write_parquet(tmp_path / "t.parquet")
    model = dr.learn(tmp_path / "t.parquet", predict="y")
    assert model.record.learnt[0].reads == 1
    (known,) = model.record.intervals
    assert known is not None
    assert 10_000 <= sum(band.rows for band in known.bands) <= 20_000
    for part in (table.head(n // 2), table.tail(n // 2)):
        assert abs(inside(model, part, "y", 0.9).mean() - 0.9) < 0.012
    assert dr.learn(tmp_path / "t.parquet", predict="y").record.intervals == (known,)


def test_nearly_dependent_inputs_are_judged_by_the_second_read() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=400)
    table = pl.DataFrame({"a": a, "b": a + 1e-7 * rng.normal(size=400)})
    table = table.with_columns(y=1e7 * (pl.col("a") - pl.col("b")) + rng.normal(size=400))
    model = dr.learn(table, predict="y", ridge=0)
    assert 0.87 < inside(model, table, "y", 0.9).mean() < 0.95
    found = model.predict(table, interval=0.9)
    assert (found["y_high"] - found["y_low"]).max() < 6  # noise of 1: 3.3, were all known


def test_a_weight_of_k_is_k_copies(
    mixed: pl.DataFrame, copied: Callable[..., pl.DataFrame]
) -> None:
    times = np.random.default_rng(3).integers(0, 4, mixed.height)
    table = mixed.with_columns(times=times)
    weighed = dr.learn(table, predict="price", using=["age", "size"], weight="times", ridge=0)
    copies = copied(table, "times")
    again = dr.learn(copies, predict="price", using=["age", "size"], id="id", ridge=0)
    one, other = (model.predict(mixed, interval=0.9) for model in (weighed, again))
    for name in ("price_low", "price_high"):
        assert one[name].to_list() == pytest.approx(other[name].to_list(), rel=1e-9)


def test_what_is_no_amount_has_none(mixed: pl.DataFrame) -> None:
    yes = dr.learn(mixed, predict="new", using=["age"], loss="logistic")
    with pytest.raises(LearningError, match="new is no amount, so it has no interval"):
        yes.predict(mixed, interval=0.9)


def test_too_few_rows_say_so() -> None:
    few = dr.learn({"x": [1.0, 2, 3], "y": [1.0, 2.5, 3]}, predict="y")
    with pytest.raises(LearningError, match="interval"):
        few.predict({"x": 2.0}, interval=0.9)
    one = dr.learn({"x": [1.0], "y": [1.0]}, predict="y", intercept=False)
    with pytest.raises(LearningError, match="no rows were held out"):
        one.predict({"x": 2.0}, interval=0.5)


def test_the_command(run: Callable[..., Any], tmp_path: Path, films: Path) -> None:
    model = tmp_path / "m.json"
    dr.learn(films, predict="gross", using=["budget"]).save(model)
    found = run("predict", model, films, "--interval", "0.9", "--out", tmp_path / "out.csv")
    assert found.code == 0
    out = pl.read_csv(tmp_path / "out.csv", infer_schema_length=None)
    assert {"gross_low", "gross_high"} <= set(out.columns)
    for wrong in ("90", "0", "1", "nan"):
        assert "above 0 and below 1" in run("predict", model, films, "--interval", wrong).refused()


@pytest.mark.parametrize("loss", ["squared", "huber", "absolute", "gamma", "poisson"])
@pytest.mark.parametrize("predict", ["y", "log(y)", "sqrt(y)"])
def test_a_prediction_is_within_its_own_interval(loss: str, predict: str, tmp_path: Path) -> None:
    if predict != "y" and loss in ("gamma", "poisson"):
        return
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1, 600)
    # Amounts from 0 on that a straight line leaves far: many predictions are below 0.
    y = np.maximum(0, 5 * x) ** 2 + rng.exponential(0.1, 600)
    model = dr.learn({"x": x, "y": y}, predict=predict, using="x", loss=loss)
    rows = {"x": np.linspace(-9, 9, 2001)}
    for level in (0.1, 0.5, 0.95):
        found = model.predict(pl.DataFrame(rows), interval=level)
        for name in [one.removesuffix("_low") for one in found.columns if one.endswith("_low")]:
            low, at, high = (found[f"{name}_{end}"] for end in ("low", "prediction", "high"))
            assert ((low <= at) & (at <= high)).all(), (name, level)
    if predict == "y" and loss == "squared":
        at = found["y_prediction"]
        assert (at < 0).any()
        # Predictions that are possible have intervals of what is possible.
        assert (found["y_low"].filter(at >= 0) >= 0).all()


@pytest.mark.parametrize(("predict", "open_end"), [("exp(p)", "low"), ("exp(-p)", "high")])
def test_an_end_beyond_what_an_expression_gives_is_open(predict: str, open_end: str) -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 3, 200) * (1 if predict == "exp(p)" else -1)
    table = pl.DataFrame({"x": np.abs(p) + rng.normal(size=200) * 0.2, "p": p})
    model = dr.learn(table, predict=predict, using=["x"])
    new = pl.DataFrame({"x": [0.0, 0.8, 1.0, 2.0, 3.0]})
    found = model.predict(new, interval=0.9).with_columns(pl.col("p_low", "p_high").fill_nan(None))
    beyond = found[f"{predict}_low"] <= 0
    assert beyond.any()
    assert not beyond.all()
    other = {"low": "high", "high": "low"}[open_end]
    assert (found[f"p_{open_end}"].is_null() == beyond).all()
    sign = 1 if predict == "exp(p)" else -1
    known = sign * np.log(found[f"{predict}_high"].to_numpy())
    np.testing.assert_allclose(found[f"p_{other}"].to_numpy(), known, rtol=1e-12)
    both = found.filter(~beyond)
    assert (both["p_low"] < both["p_high"]).all()
    _, notes = model.predict_noticing(new, interval=0.9)
    rows = f"{int(beyond.sum())} row{'s' * (int(beyond.sum()) != 1)}"
    assert [note for note in notes if note.startswith(f"p_{open_end} is empty in {rows}: ")]
    assert not [note for note in notes if note.startswith(f"p_{other} is empty")]
    _, none = model.predict_noticing(new.filter(~beyond), interval=0.9)
    assert not [note for note in none if "is empty in" in note]
