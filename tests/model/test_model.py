"""A model in use: predict, explain and compare, on any table that has its columns."""

import math
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import deltarule as dr
from deltarule.errors import (
    ColumnError,
    EmptyError,
    TableError,
    TargetError,
    ValueRefusedError,
)

USING = ["size", "age", "colour", "new"]


@pytest.fixture(scope="module")
def model(mixed: pl.DataFrame) -> dr.Model:
    return dr.learn(mixed, predict="price", using=USING, ridge=0)


@pytest.fixture(scope="module")
def two(mixed: pl.DataFrame) -> dr.Model:
    return dr.learn(mixed, predict=["price", "sold"], using=USING, ridge=0)


def by_hand(model: dr.Model, row: dict[str, Any], output: str = "price") -> float:
    """The score of a row worked out from the table of weights."""
    total = 0.0
    fill = {column.name: getattr(column, "mean", None) for column in model.record.contract.columns}
    for one in model.weights.filter(pl.col("output") == output).iter_rows(named=True):
        value = row.get(one["input"])
        gap = value is None or (isinstance(value, float) and math.isnan(value))
        if one["input"] == "(intercept)":
            total += one["weight"]
        elif one["level"] is None:
            total += one["weight"] * (fill[one["input"]] if gap else float(value))
        elif one["level"] == "(missing)":
            total += one["weight"] * gap
        else:
            total += one["weight"] * (value == one["level"])
    return total


# Predict


def test_predictions_are_the_weights_times_the_inputs(mixed: pl.DataFrame, model: dr.Model) -> None:
    found = model.predict(mixed)["price_prediction"].to_list()
    assert found == pytest.approx([by_hand(model, row) for row in mixed.to_dicts()], rel=1e-12)


def test_residuals_of_least_squares_are_at_right_angles(
    mixed: pl.DataFrame, model: dr.Model
) -> None:
    rows = mixed.drop_nulls("price")
    left = rows["price"].to_numpy() - model.predict(rows)["price_prediction"].to_numpy()
    assert abs(left.mean()) < 1e-10
    assert abs(left @ rows["age"].to_numpy()) < 1e-7
    for colour in ("red", "green", "blue"):
        assert abs(left[(rows["colour"] == colour).fill_null(value=False).to_numpy()].sum()) < 1e-8


def test_polars_in_polars_out(mixed: pl.DataFrame, two: dr.Model) -> None:
    found = two.predict(mixed)
    assert isinstance(found, pl.DataFrame)
    assert found.columns == ["price_prediction", "sold_prediction"]
    assert found.height == mixed.height


def test_lazy_in_lazy_out(mixed: pl.DataFrame, model: dr.Model) -> None:
    found = model.predict(mixed.lazy())
    assert isinstance(found, pl.LazyFrame)
    assert found.collect().equals(model.predict(mixed))


def test_a_path_gives_polars(mixed: pl.DataFrame, model: dr.Model, tmp_path: Path) -> None:
    mixed.write_parquet(tmp_path / "t.parquet")
    assert model.predict(tmp_path / "t.parquet").equals(model.predict(mixed))
    assert model.predict(str(tmp_path / "t.parquet")).equals(model.predict(mixed))


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(300),
        pd.RangeIndex(1000, 1300),
        pd.Index([f"row {at}" for at in range(300)], name="id"),
        pd.Index([7] * 300),
        pd.date_range("2020-01-01", periods=300),
        pd.MultiIndex.from_product([["a", "b"], range(150)], names=["one", "two"]),
    ],
    ids=["default", "range", "text", "repeated", "dates", "levels"],
)
def test_pandas_in_pandas_out_with_its_index(
    mixed: pl.DataFrame, two: dr.Model, index: pd.Index
) -> None:
    frame = mixed.to_pandas().set_index(index)
    found = two.predict(frame)
    assert isinstance(found, pd.DataFrame)
    pd.testing.assert_index_equal(found.index, frame.index)
    assert list(found.columns) == ["price_prediction", "sold_prediction"]
    np.testing.assert_array_equal(found.to_numpy(), two.predict(mixed).to_numpy())


def test_shuffled_pandas_rows_stay_aligned(mixed: pl.DataFrame, model: dr.Model) -> None:
    frame = mixed.to_pandas()
    shuffled = frame.sample(frac=1, random_state=1)
    whole, found = model.predict(frame), model.predict(shuffled)
    pd.testing.assert_frame_equal(found.sort_index(), whole)
    joined = shuffled.assign(guess=found["price_prediction"])
    assert joined["guess"].notna().all()


def test_pyarrow_in_pyarrow_out(mixed: pl.DataFrame, model: dr.Model) -> None:
    found = model.predict(mixed.to_arrow())
    assert isinstance(found, pa.Table)
    assert found["price_prediction"].to_pylist() == model.predict(mixed).to_series().to_list()


def test_dicts_and_lists_of_dicts(mixed: pl.DataFrame, two: dr.Model) -> None:
    expected = two.predict(mixed)
    assert two.predict(mixed.to_dicts()) == expected.to_dicts()
    assert two.predict(mixed.to_dict(as_series=False)) == expected.to_dict(as_series=False)
    assert two.predict(mixed.to_dicts()[0]) == expected.row(0, named=True)


def test_one_row_of_missing_values(model: dr.Model) -> None:
    row = {"size": None, "age": None, "colour": None, "new": None}
    assert model.predict(row)["price_prediction"] == pytest.approx(by_hand(model, row))


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_a_gap_is_a_gap_however_it_is_written(model: dr.Model, gap: float | None) -> None:
    row = {"size": gap, "age": 30, "colour": "red", "new": True}
    found = model.predict(pl.DataFrame([row], schema_overrides={"size": pl.Float64}))
    assert found.item() == pytest.approx(by_hand(model, row))
    assert model.predict(row)["price_prediction"] == found.item()
    frame = pd.DataFrame([row])
    assert model.predict(frame)["price_prediction"].tolist() == [found.item()]


def test_extra_columns_are_ignored_and_their_order_is_free(
    mixed: pl.DataFrame, model: dr.Model
) -> None:
    more = mixed.select(pl.lit("x").alias("extra"), *reversed(USING))
    found, notes = model.predict_noticing(more)
    assert found.equals(model.predict(mixed))
    (note,) = [note for note in notes if "ignored" in note]
    assert "1 other column" in note
    assert "extra" in note
    # The target is no other column.
    assert not [n for n in model.predict_noticing(mixed.drop("sold"))[1] if "ignored" in n]


@pytest.mark.parametrize("use", ["predict", "explain", "compare"])
def test_a_missing_column_is_refused_by_name_with_the_nearest(
    mixed: pl.DataFrame, model: dr.Model, use: str
) -> None:
    table = mixed.rename({"colour": "color"})
    with pytest.raises(ColumnError, match=r"no column 'colour'.*did you mean color\?"):
        getattr(model, use)(table)


def test_no_rows_no_predictions(mixed: pl.DataFrame, model: dr.Model, tmp_path: Path) -> None:
    empty = mixed.head(0)
    found = model.predict(empty)
    assert (found.columns, found.height) == (["price_prediction"], 0)
    assert model.explain(empty).height == 0
    assert model.predict(empty.to_pandas()).shape == (0, 1)
    assert model.predict(empty.to_arrow()).num_rows == 0
    assert model.predict(empty.to_dict(as_series=False)) == {"price_prediction": []}
    (tmp_path / "t.csv").write_text("size,age,colour,new\n")
    assert model.predict(tmp_path / "t.csv").height == 0
    assert model.predict(tmp_path / "t.csv").columns == ["price_prediction"]


def test_an_empty_list_of_dicts_gives_an_empty_list(model: dr.Model) -> None:
    assert model.predict([]) == []


@pytest.mark.parametrize("rows", [{}, [{}], [{}, {}]])
def test_rows_without_a_column_are_refused(model: dr.Model, rows: Any) -> None:
    with pytest.raises(EmptyError, match="there are no columns, so no rows: give values by"):
        model.predict(rows)
    with pytest.raises(EmptyError, match="no columns"):
        dr.learn(rows, predict="price")


def test_an_unseen_level_counts_as_the_average_of_levels(
    mixed: pl.DataFrame, model: dr.Model
) -> None:
    row = {"size": 50.0, "age": 30, "colour": "violet", "new": False}
    found, notes = model.predict_noticing(row)
    (category,) = [c for c in model.record.contract.columns if c.name == "colour"]
    total = sum(category.known.values())
    expected = sum(
        by_hand(model, {**row, "colour": None if level == "(missing)" else level}) * rows / total
        for level, rows in category.known.items()
    )
    assert found["price_prediction"] == pytest.approx(expected, rel=1e-12)
    (note,) = [note for note in notes if note.startswith("colour")]
    assert "colour has a level never seen in 1 of 1 rows" in note


def test_an_unseen_level_joins_the_pool_where_there_is_one(
    mixed: pl.DataFrame, tmp_path: Path
) -> None:
    rare = mixed.with_columns(
        pl.when(pl.row_index() < 3)
        .then(pl.format("rare {}", pl.row_index()))
        .otherwise("colour")
        .alias("colour")
    )
    model = dr.learn(rare, predict="price", using=["colour", "age"], ridge=0)
    rows = [{"colour": colour, "age": 30} for colour in ("rare 1", "never seen")]
    (one, other), notes = model.predict_noticing(rows)
    assert one == other
    # One of them was learnt from.
    assert notes == ["colour has a level too rare or never seen in 2 of 2 rows: counted as (other)"]
    # Every place says it in the same words: a row read here, a table, an explanation, an export.
    word = "too rare or never seen"
    alone = {"colour": "rare 1", "age": 30}
    assert model.predict(alone, flags=True)["flags"] == f"colour: {word}"
    assert [one["flags"] for one in model.predict(rows, flags=True)] == [f"colour: {word}"] * 2
    table = model.predict(pl.DataFrame(rows), flags=True)
    assert table["flags"].to_list() == [f"colour: {word}"] * 2
    assert f"colour = rare 1, {word}" in str(model.explain(alone, row=1))
    model.export("python", tmp_path / "model.py")
    drift = runpy.run_path(str(tmp_path / "model.py"))["drift"]
    assert drift(alone) == [f"colour: {word}"]
    assert drift({**alone, "colour": "green"}) == []
    weight = {w.level: w.weight for w in model.record.weights if w.input == "colour"}
    assert "(other)" in weight
    known = model.predict({"colour": "green", "age": 30})["price_prediction"]
    assert one["price_prediction"] - known == pytest.approx(weight["(other)"] - weight["green"])


def test_what_is_new_is_counted_by_column(mixed: pl.DataFrame, model: dr.Model) -> None:
    rows = [
        {"size": 50.0, "age": 30, "colour": "red", "new": True},
        {"size": 5000.0, "age": 30, "colour": "violet", "new": True},
        {"size": -50.0, "age": 300, "colour": "mauve", "new": True},
        {"size": None, "age": 30, "colour": None, "new": True},
    ]
    _, notes = model.predict_noticing(rows)
    said = " | ".join(notes)
    assert "colour has a level never seen in 2 of 4 rows" in said
    assert "size is out of the range learnt from in 2 of 4 rows" in said
    assert "age is out of the range learnt from in 1 of 4 rows" in said
    assert "size is missing in 1 of 4 rows" in said
    assert "colour is missing in 1 of 4 rows" in said
    assert not [note for note in notes if note.startswith("new")]
    assert all("\n" not in note for note in notes)


@pytest.mark.parametrize("use", ["predict", "explain", "compare"])
def test_text_where_numbers_were_is_missing_and_refused_where_it_is_all_text(
    model: dr.Model, mixed: pl.DataFrame, use: str
) -> None:
    fifth = pl.row_index() == 4
    text = pl.col("age").cast(pl.String)
    wrong = mixed.with_columns(age=pl.when(fifth).then(pl.lit("many")).otherwise(text))
    blank = mixed.with_columns(age=pl.when(fifth).then(None).otherwise("age"))
    found, known = (getattr(model, use)(table) for table in (wrong, blank))
    if use == "compare":
        assert found.outputs == known.outputs
        assert found.notes[0] == (
            "age: 1 cell that is no number treated as missing: 'many' (row 5)"
        )
    else:
        assert found.equals(known)
    with pytest.raises(ValueRefusedError, match=r"column 'age', row 1: 'many' is not a number"):
        getattr(model, use)(mixed.with_columns(age=pl.lit("many")))


def test_an_infinite_value_is_refused_by_row_and_column(model: dr.Model) -> None:
    row = {"size": 1.0, "age": 30, "colour": "red", "new": True}
    with pytest.raises(ValueRefusedError, match=r"'size', row 2 is infinite"):
        model.predict([row, {**row, "size": math.inf}])


def test_infinite_rows_are_named_in_later_batches(model: dr.Model) -> None:
    n = 140_000
    size = np.full(n, 50.0)
    size[139_999] = -np.inf
    table = pl.DataFrame({"size": size, "age": 1, "colour": "red", "new": True})
    with pytest.raises(ValueRefusedError, match=r"row 140000 is infinite"):
        model.predict(table)


def test_predictions_over_many_batches_stay_in_order(model: dr.Model, tmp_path: Path) -> None:
    n = 300_000
    age = np.arange(n) % 90
    table = pl.DataFrame({"size": 50.0, "age": age, "colour": "red", "new": False})
    once = model.predict(
        [{"size": 50.0, "age": a, "colour": "red", "new": False} for a in range(90)]
    )
    expected = np.array([row["price_prediction"] for row in once])[age]
    np.testing.assert_allclose(model.predict(table).to_series().to_numpy(), expected, rtol=1e-13)
    table.write_csv(tmp_path / "t.csv")
    np.testing.assert_array_equal(
        model.predict(tmp_path / "t.csv").to_series().to_numpy(),
        model.predict(table).to_series().to_numpy(),
    )


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_other_losses_predict_through_their_link(mixed: pl.DataFrame, loss: str) -> None:
    target = "new" if loss == "logistic" else "sold"
    model = dr.learn(mixed, predict=target, using=["size", "age"], loss=loss)
    scores = np.array([by_hand(model, row, target) for row in mixed.to_dicts()])
    expected = 1 / (1 + np.exp(-scores)) if loss == "logistic" else np.exp(scores)
    found = model.predict(mixed)[f"{target}_prediction"].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("levels", "again"),
    [
        (["1", "2", "3a"], ["1", "2"]),
        (["01", "02", "3a"], ["01", "02"]),
        (["1.50", "2.50", "none"], ["1.50", "2.50"]),
        (["True", "False", "unknown"], ["True", "False"]),
        (["2020-01-01", "2021-05-02", "never"], ["2020-01-01", "2021-05-02"]),
        (["01/02/2020", "05/03/2021", "never"], ["01/02/2020", "05/03/2021"]),
        (["10:30", "11:45", "late"], ["10:30", "11:45"]),
    ],
    ids=["numbers", "leading zeros", "decimals", "yes/no", "dates", "other dates", "times"],
)
def test_levels_mean_the_same_in_a_file_that_has_only_some_of_them(
    write: Callable[..., Path], levels: list[str], again: list[str]
) -> None:
    head = "code,y\n"
    learnt = write("learn.csv", head + "".join(f"{levels[at % 3]},{at % 3}\n" for at in range(60)))
    model = dr.learn(learnt, predict="y", using=["code"], ridge=0)
    later = write("later.csv", head + "".join(f"{level},{at}\n" for at, level in enumerate(again)))
    found, notes = model.predict_noticing(later)
    # Level at place i always had target i.
    assert found.to_series().to_list() == pytest.approx([0.0, 1.0], abs=1e-9)
    assert notes == []


def test_whole_numbers_for_levels_in_a_dict(write: Callable[..., Path]) -> None:
    table = write("t.csv", "code,y\n" + "1,0\n2,1\n3a,2\n" * 20)
    model = dr.learn(table, predict="y", using=["code"], ridge=0)
    assert model.predict({"code": 2})["y_prediction"] == pytest.approx(1.0)


def test_a_file_whose_first_rows_mislead_is_predicted_like_it_was_learnt(
    write: Callable[..., Path],
) -> None:
    rows = [f"{at % 7},{at % 3},{at % 5}\n" for at in range(10_500)]
    rows += [f"{at % 7},{'zx'[at % 2]},{at % 5}\n" for at in range(500)]
    table = write("t.csv", "x,c,y\n" + "".join(rows))
    model = dr.learn(table, predict="y", using=["x", "c"])
    assert model.predict(table).height == 11_000
    assert model.compare(table).rows == 11_000
    assert model.compare(table).outputs[0].rmse == pytest.approx(model.record.fit[0].rmse)


def test_a_column_without_any_value_is_filled(write: Callable[..., Path], mixed: Any) -> None:
    model = dr.learn(mixed, predict="price", using=["size", "age"], ridge=0)
    empty = write("t.csv", "size,age\n,30\n,40\n")
    expected = [by_hand(model, {"size": None, "age": age}) for age in (30, 40)]
    assert model.predict(empty).to_series().to_list() == pytest.approx(expected)
    table = pl.DataFrame({"size": [None, None], "age": [30, 40]})
    assert model.predict(table).to_series().to_list() == pytest.approx(expected)
    text = pl.DataFrame(
        {"size": [None, None], "age": [30, 40]}, schema_overrides={"size": pl.String}
    )
    assert model.predict(text).to_series().to_list() == pytest.approx(expected)


def test_kinds_of_numbers_do_not_matter(mixed: pl.DataFrame, model: dr.Model) -> None:
    rows = mixed.drop_nulls().with_columns(pl.col("size").round(0))
    expected = model.predict(rows)
    for kind in (pl.Int32, pl.Float32, pl.Decimal(20, 2)):
        assert model.predict(rows.with_columns(pl.col("size").cast(kind))).equals(expected)
    assert model.predict(rows.with_columns(pl.col("new").cast(pl.Int8))).equals(expected)
    assert model.predict(rows.with_columns(pl.col("colour").cast(pl.Categorical))).equals(expected)
    levels = pl.Enum(["blue", "green", "a, b", "red", "unseen"])
    assert model.predict(rows.with_columns(pl.col("colour").cast(levels))).equals(expected)


# Explain


def parts(frame: pl.DataFrame, output: str) -> list[str]:
    return [f"{output}_average", *(f"{output}_from_{name}" for name in USING)]


def test_average_and_contributions_add_up_to_the_prediction(
    mixed: pl.DataFrame, two: dr.Model
) -> None:
    found = two.explain(mixed)
    expected = []
    for output in ("price", "sold"):
        names = parts(found, output)
        expected += [*names, f"{output}_prediction"]
        total = found.select(names).to_numpy().sum(axis=1)
        np.testing.assert_allclose(total, found[f"{output}_prediction"].to_numpy(), rtol=1e-12)
        assert found[f"{output}_average"].n_unique() == 1
    assert found.columns == expected
    assert found.select("price_prediction", "sold_prediction").equals(two.predict(mixed))


def test_contributions_are_measured_from_the_average_row(
    mixed: pl.DataFrame, model: dr.Model
) -> None:
    found = model.explain(mixed.drop_nulls("price"))
    # Over the rows learnt from, what a column adds is nothing on average.
    for name in parts(found, "price")[1:]:
        assert abs(found[name].mean()) < 1e-12
    assert found["price_average"][0] == pytest.approx(mixed["price"].mean(), rel=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_contributions_of_other_losses_add_up_to_the_score(mixed: pl.DataFrame, loss: str) -> None:
    target = "new" if loss == "logistic" else "sold"
    using = ["size", "age", "colour"]
    model = dr.learn(mixed, predict=target, using=using, loss=loss, ridge=0.01)
    found = model.explain(mixed)
    names = [f"{target}_average", *(f"{target}_from_{name}" for name in using)]
    total = found.select(names).to_numpy().sum(axis=1)
    # Near a score of 0 parts cancel, so digits count from the largest part.
    np.testing.assert_allclose(total, found[f"{target}_score"].to_numpy(), rtol=1e-12, atol=1e-12)
    score = found[f"{target}_score"].to_numpy()
    mean = 1 / (1 + np.exp(-score)) if loss == "logistic" else np.exp(score)
    np.testing.assert_allclose(found[f"{target}_prediction"].to_numpy(), mean, rtol=1e-12)


def test_films_are_explained_exactly(films: Path) -> None:
    model = dr.learn(
        films, predict=["gross", "us_gross"], using=["budget", "genre", "running_time"]
    )
    found = model.explain(films)
    for output in ("gross", "us_gross"):
        names = [c for c in found.columns if c.startswith(f"{output}_") and "prediction" not in c]
        total = found.select(names).to_numpy().sum(axis=1)
        size = np.abs(found.select(names).to_numpy()).max(axis=1)
        assert np.all(np.abs(total - found[f"{output}_prediction"].to_numpy()) <= 1e-12 * size)


# Compare


def test_compare_on_the_rows_learnt_from_is_the_fit(mixed: pl.DataFrame, model: dr.Model) -> None:
    found = model.compare(mixed)
    (one,) = found.outputs
    assert found.rows == model.record.rows
    assert found.rows_left_out == mixed["price"].null_count()
    assert one.rmse == pytest.approx(model.record.fit[0].rmse, rel=1e-11)
    assert one.r2 == pytest.approx(model.record.fit[0].r2, rel=1e-11)
    assert one.baseline_rmse == pytest.approx(mixed["price"].std(ddof=0), rel=1e-11)


def test_compare_counts_each_weighted_row_as_so_many(mixed: pl.DataFrame) -> None:
    times = np.random.default_rng(5).integers(0, 4, mixed.height)
    table = mixed.with_columns(times=times)
    model = dr.learn(table, predict="price", using=["age"], weight="times")
    weighed = model.compare(table).outputs[0]
    repeated = model.compare(mixed[np.repeat(np.arange(mixed.height), times)]).outputs[0]
    assert model.compare(table).rows == int(times[mixed["price"].is_not_null().to_numpy()].sum())
    assert (weighed.rmse, weighed.r2) == pytest.approx((repeated.rmse, repeated.r2), rel=1e-11)


def test_compare_needs_targets(mixed: pl.DataFrame, model: dr.Model) -> None:
    with pytest.raises(ColumnError, match="no column 'price'"):
        model.compare(mixed.drop("price"))
    nothing = mixed.with_columns(price=pl.lit(None, dtype=pl.Float64))
    with pytest.raises(EmptyError, match="no row"):
        model.compare(nothing)
    with pytest.raises(TableError):
        model.compare(mixed.head(0))


def test_compare_refuses_targets_the_loss_cannot_take(mixed: pl.DataFrame) -> None:
    model = dr.learn(mixed, predict="sold", using=["age"], loss="poisson")
    wrong = mixed.with_columns(sold=pl.when(pl.row_index() == 6).then(-1).otherwise(pl.col("sold")))
    with pytest.raises(TargetError, match="row 7"):
        model.compare(wrong)


def test_compare_refuses_errors_beyond_all_numbers() -> None:
    counts = {"x": [1.0, 2.0, 3.0, 4.0] * 5, "n": [1.0, 3.0, 7.0, 20.0] * 5}
    far = {"x": [1e5, 2.0], "n": [1.0, 3.0]}
    huge = {"x": [1e200, 2e200, 3e200, 5e200] * 5, "y": [1e200, 2e200, 3e200, -4e200] * 5}
    for table, settings, onto in (
        (counts, {"predict": "n", "loss": "poisson"}, far),
        (huge, {"predict": "y"}, huge),
    ):
        model = dr.learn(table, using=["x"], **settings)
        with pytest.raises(ValueRefusedError, match="their errors are beyond all numbers"):
            model.compare(onto)


def test_compare_with_a_constant_target_has_no_r2(mixed: pl.DataFrame, model: dr.Model) -> None:
    found = model.compare(mixed.with_columns(price=pl.lit(3.0)))
    assert found.outputs[0].r2 is None
    assert "R2" not in str(found)


def test_compare_of_poisson_where_all_counts_are_zero(mixed: pl.DataFrame) -> None:
    model = dr.learn(mixed, predict="sold", using=["age"], loss="poisson")
    found = model.compare(mixed.with_columns(sold=pl.lit(0)))
    assert math.isfinite(found.outputs[0].loss)
    assert math.isfinite(found.outputs[0].baseline_loss)


# Shown


def test_three_paragraphs(model: dr.Model) -> None:
    said = str(model)
    heads = [line for line in said.splitlines() if line and not line.startswith(" ")]
    assert heads[:3] == ["Predict", "Compare", "Learn"]
    assert "price = " in said
    assert "on held-out rows, typical error (RMSE)" in said
    assert "one read of 294 rows (6 left out: price is missing)" in said


def test_the_table_of_weights(two: dr.Model) -> None:
    weights = two.weights
    expected = ["output", "input", "level", "weight", "standard_error", "t", "p", "low", "high"]
    assert weights.columns == expected
    assert weights.height == 2 * (1 + len(two.record.contract.inputs))
    assert set(weights["output"]) == {"price", "sold"}
    inside = weights.drop_nulls("low")
    assert inside.height == weights.height
    assert ((inside["low"] < inside["weight"]) & (inside["weight"] < inside["high"])).all()
