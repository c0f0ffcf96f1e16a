"""Columns become inputs: kinds, gaps, levels, and what is left out, each said and each kept."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ColumnError, DeltaruleError, TargetError, ValueRefusedError
from deltarule.tables.schema_columns import MISSING, OTHER
from deltarule.tables.unseen_values import UnseenValues

RNG = np.random.default_rng(20)
N = 120
X, NOISE = RNG.normal(size=N), RNG.normal(size=N)


def learn(table: Any, **asked: Any) -> dr.Model:
    return dr.learn(table, **{"predict": "y", "ridge": 0, **asked})


def done(model: dr.Model) -> dict[str, str]:
    return {one.column: one.done for one in model.record.columns}


def weights(model: dr.Model) -> dict[tuple[str, str | None], float]:
    return {(one.input, one.level): one.weight for one in model.record.weights}


def close(value: float) -> Any:
    return pytest.approx(value, rel=1e-9)


# Numbers and yes/no


def test_a_boolean_is_one_input_of_zero_and_one() -> None:
    yes = RNG.random(N) < 0.4
    model = learn({"b": yes, "y": 5 * yes + NOISE})
    assert model.record.contract.columns[0].kind == "boolean"
    expected = (5 * yes + NOISE)[yes].mean() - (5 * yes + NOISE)[~yes].mean()
    assert weights(model) == {("b", None): close(expected)}


def test_a_gap_is_filled_with_the_mean_and_has_its_own_input() -> None:
    x = [None if at % 10 == 0 else float(value) for at, value in enumerate(X)]
    present = np.array([value for value in x if value is not None])
    gap = np.array([value is None for value in x])
    y = 3 * X + 4 * gap + 0.1 * NOISE
    model = learn({"x": x, "y": y})
    (column,) = model.record.contract.columns
    assert column.mean == pytest.approx(present.mean(), rel=1e-13)
    assert (column.low, column.high) == (present.min(), present.max())
    assert column.missing == 12
    filled = np.where(gap, present.mean(), X)
    found = np.linalg.lstsq(np.column_stack([filled, gap, np.ones(N)]), y, rcond=None)[0]
    assert weights(model) == {("x", None): close(found[0]), ("x", MISSING): close(found[1])}
    assert "12 missing" in done(model)["x"]


def test_a_single_gap_is_filled_but_has_no_input() -> None:
    x = [None, *X[1:].tolist()]
    model = learn({"x": x, "y": X + NOISE})
    assert list(weights(model)) == [("x", None)]
    assert "missing ones filled with the mean" in done(model)["x"]


def test_columns_missing_on_the_same_rows_share_one_input() -> None:
    gap = np.arange(N) % 7 == 2
    table = {
        "a": np.where(gap, np.nan, X),
        "b": np.where(gap, np.nan, NOISE),
        "c": np.where(np.roll(gap, 1), np.nan, X**2),
        "y": X + 2 * NOISE + 3 * gap,
    }
    model = learn(table)
    assert list(weights(model)) == [
        ("a", None),
        ("a", MISSING),
        ("b", None),
        ("c", None),
        ("c", MISSING),
    ]
    (note,) = [note for note in model.record.notes if "same rows" in note]
    assert "b is missing on the same rows as a" in note
    # Predictions are those of a design with both: the second says nothing new.
    found = model.predict({name: values for name, values in table.items() if name != "y"})
    a, b, c = (np.where(np.isnan(table[n]), np.nanmean(table[n]), table[n]) for n in "abc")
    design = np.column_stack([a, b, c, gap, np.roll(gap, 1), np.ones(N)])
    fitted = design @ np.linalg.lstsq(design, table["y"], rcond=None)[0]
    np.testing.assert_allclose(found["y_prediction"], fitted, rtol=1e-8, atol=1e-8)


def test_gaps_as_often_on_other_rows_are_no_twins() -> None:
    gap = np.arange(N) % 7 == 2
    other = np.roll(gap, 1)
    table = {"a": np.where(gap, np.nan, X), "b": np.where(other, np.nan, NOISE), "y": X + 3 * gap}
    model = learn(table)
    assert ("b", MISSING) in weights(model)


def test_dropping_rows_with_gaps() -> None:
    x = np.where(np.arange(N) % 10 == 0, np.nan, X)
    model = learn({"x": x, "y": X + NOISE}, missing="drop")
    kept = ~np.isnan(x)
    assert model.record.rows == kept.sum()
    assert model.record.rows_left_out == (~kept).sum()
    assert weights(model) == {("x", None): close(np.polyfit(X[kept], (X + NOISE)[kept], 1)[0])}


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e150, 1e-150, 1e100, 1e-100, 1e20])
@pytest.mark.parametrize("column", ["x", "y"])
def test_very_large_and_very_small_units_change_only_the_units(size: float, column: str) -> None:
    table = {"x": X, "z": NOISE, "y": 2 * X + 0.3 * NOISE + RNG.normal(size=N)}
    plain = learn(table)
    moved = learn({**table, column: table[column] * size})
    factor = {"x": 1 / size} if column == "x" else dict.fromkeys(["x", "z"], size)
    for one, other in zip(plain.record.weights, moved.record.weights, strict=True):
        assert other.weight == close(one.weight * factor.get(one.input, 1.0))
        assert other.standard_error == close(one.standard_error * factor.get(one.input, 1.0))
        assert other.t == close(one.t)
    assert moved.record.fit[0].r2 == close(plain.record.fit[0].r2)
    row = {"x": 1.0, "z": 1.0}
    expected = plain.predict(row)["y_prediction"] * (size if column == "y" else 1)
    row["x"] *= size if column == "x" else 1
    assert moved.predict(row)["y_prediction"] == close(expected)
    assert moved.record.held_out is not None
    # Other values make other folds: about the same error, not the same.
    assert moved.record.held_out[0].r2 == pytest.approx(plain.record.held_out[0].r2, abs=0.05)
    assert str(moved)


def test_values_of_very_unlike_size_in_one_column_are_refused_or_right() -> None:
    x = X.copy()
    x[-1] = 1e200
    said = ""
    try:
        model = learn({"x": x, "y": X})
    except ValueRefusedError as refused:
        said = str(refused)
    if said:
        assert "'x'" in said
    else:
        assert np.isfinite(weights(model)["x", None])
        assert np.isfinite(model.predict({"x": 1e200})["y_prediction"])


@pytest.mark.parametrize("offset", [0, 1e6, 1e9, 1e12])
def test_a_large_offset_costs_few_digits(offset: float) -> None:
    x = np.round(X * 1000)
    y = 2 * x + NOISE
    # The slope does not know about offsets; values themselves are exact integers in float64.
    assert weights(learn({"x": x + offset, "y": y}))["x", None] == pytest.approx(
        weights(learn({"x": x, "y": y}))["x", None], rel=max(1e-10, offset * 1e-20)
    )


def test_integers_beyond_the_digits_of_floats_are_rounded_and_not_lost() -> None:
    big = [2**53 + 2 * at for at in range(40)]
    y = [3.0 * at + (at % 3) for at in range(40)]
    slope = np.polyfit(np.arange(40.0), y, 1)[0] / 2
    assert weights(learn({"x": big, "y": y}))["x", None] == pytest.approx(slope, rel=1e-9)


def test_a_number_far_from_the_first_rows_keeps_its_digits() -> None:
    # The first rows say small; a million rows later they are at 1e8.
    n = 300_000
    x = np.concatenate([np.zeros(150_000), np.full(150_000, 1e8)]) + RNG.normal(size=n)
    y = x + RNG.normal(size=n)
    expected = np.polyfit(x - x.mean(), y - y.mean(), 1)[0]
    assert weights(learn({"x": x, "y": y}))["x", None] == pytest.approx(expected, rel=1e-9)


# Categories


def test_levels_are_measured_from_the_most_frequent_one() -> None:
    level = np.array(["p", "q", "q", "r", "q", "r"] * 20)
    y = np.select([level == "p", level == "q"], [1.0, 5.0], 7.0) + NOISE
    model = learn({"c": level, "y": y})
    mean = {name: y[level == name].mean() for name in "pqr"}
    assert model.record.contract.columns[0].reference == "q"
    assert weights(model) == {
        ("c", "r"): close(mean["r"] - mean["q"]),
        ("c", "p"): close(mean["p"] - mean["q"]),
    }
    assert model.record.intercept[0].weight == close(mean["q"])


def test_without_intercept_the_first_category_keeps_all_its_levels() -> None:
    level = np.array(["p", "q", "q", "r", "q", "r"] * 20)
    y = np.select([level == "p", level == "q"], [1.0, 5.0], 7.0) + NOISE
    model = learn({"c": level, "d": np.array(["s", "t"] * 60), "y": y}, intercept=False)
    assert {key for key in weights(model) if key[0] == "c"} == {("c", one) for one in "pqr"}
    assert len([key for key in weights(model) if key[0] == "d"]) == 1
    alone = learn({"c": level, "y": y}, intercept=False)
    assert weights(alone) == {("c", name): close(y[level == name].mean()) for name in "qrp"}


def test_missing_is_a_level() -> None:
    level = [None if at % 6 == 0 else "pq"[at % 2] for at in range(N)]
    gap = np.array([one is None for one in level])
    model = learn({"c": level, "y": 4.0 * gap + NOISE})
    assert ("c", MISSING) in weights(model)
    assert "missing counts as a level" in done(model)["c"]
    assert "20 missing" in done(model)["c"]


def test_a_missing_level_that_was_not_learnt_is_told_as_what_it_counts_as() -> None:
    asked = pl.DataFrame({"c": [None, "p"]}, schema={"c": pl.String})
    rare = ["p"] * 30 + ["q"] * 28
    for level, how in [
        (["p"] * 30 + ["q"] * 30, "counted as the average level"),
        ([*rare, None, "r"], "counted as (other)"),
        ([*rare, None, None], "counted as a level"),
    ]:
        model = learn({"c": level, "y": [float(at % 7) for at in range(60)]})
        contract = model.record.contract
        drift = UnseenValues()
        drift.add(contract.encode(asked)[1], asked.height)
        assert drift.notes(contract.known) == [f"c is missing in 1 of 2 rows: {how}"]


@pytest.mark.parametrize("gaps", [0, 1, 3])
def test_missing_cells_are_counted_whether_or_not_they_are_a_level(gaps: int) -> None:
    level = ["p"] * 30 + ["q"] * (30 - gaps) + [None] * gaps
    found = dr.columns({"c": level, "x": list(range(60))})
    row = found.columns.row(by_predicate=pl.col("column") == "c", named=True)
    assert row["missing"] == gaps
    assert ("missing counts as a level" in row["done"]) == (gaps == 3)
    assert ("missing ones join (other)" in row["done"]) == (gaps == 1)
    assert "seen too seldom" not in row["done"]


def test_rare_levels_are_pooled_and_counted() -> None:
    level = ["p"] * 50 + ["q"] * 50 + [f"rare {at}" for at in range(20)]
    y = np.array([0.0] * 50 + [1.0] * 50 + [9.0] * 20)
    model = learn({"c": level, "y": y + 0.01 * NOISE})
    assert {key[1] for key in weights(model)} <= {"p", "q", OTHER}
    assert model.record.contract.columns[0].pooled == 20
    assert "20 seen too seldom share (other)" in done(model)["c"]
    assert model.predict({"c": "rare 3"})["y_prediction"] == pytest.approx(9, abs=0.02)
    assert model.predict({"c": "never"})["y_prediction"] == pytest.approx(9, abs=0.02)


def test_a_level_called_missing_counts_as_missing() -> None:
    level = [["p", MISSING, None, "q"][at % 4] for at in range(N)]
    y = [[0.0, 20.0, 30.0, 40.0][at % 4] for at in range(N)]
    model = learn({"c": level, "y": y})
    found = model.predict([{"c": one} for one in ("p", MISSING, None, "q")])
    assert [row["y_prediction"] for row in found] == pytest.approx([0, 25, 25, 40], abs=1e-9)
    assert model.record.contract.columns[0].known[MISSING] == N / 2


def test_a_level_called_other_joins_the_pool() -> None:
    level = ["p"] * 60 + [OTHER] * 30 + [f"rare {at}" for at in range(30)]
    y = [0.0] * 60 + [10.0] * 30 + [50.0] * 30
    model = learn({"c": level, "y": y})
    found = model.predict([{"c": one} for one in ("p", OTHER, "rare 1", "never")])
    assert [row["y_prediction"] for row in found] == pytest.approx([0, 30, 30, 30], abs=1e-9)
    assert model.record.contract.columns[0].known[OTHER] == 60


def test_an_empty_text_is_missing() -> None:
    level = [["", "p", None][at % 3] for at in range(N)]
    model = learn({"c": level, "y": [float(at % 3) for at in range(N)]})
    found = model.predict([{"c": ""}, {"c": "p"}, {"c": None}])
    assert [row["y_prediction"] for row in found] == pytest.approx([1.0, 1.0, 1.0], abs=1e-9)
    assert model.record.contract.columns[0].missing == N * 2 // 3


def test_levels_that_differ_by_spaces_case_or_accents_are_different() -> None:
    names = ["a", "A", " a", "á", "a\u0301", "a\n", "a\x00"]
    table = {"c": names * 20, "y": [float(at) for at in range(len(names))] * 20}
    model = learn(table)
    found = model.predict([{"c": one} for one in names])
    assert [row["y_prediction"] for row in found] == pytest.approx(list(range(7)), abs=1e-9)


@pytest.mark.parametrize("levels", [300, 5_000])
def test_very_many_levels(levels: int) -> None:
    rng = np.random.default_rng(4)
    n = 40_000
    code = rng.integers(0, levels, n) % rng.integers(1, levels, n)
    y = np.sin(code) + rng.normal(0, 0.1, n)
    table = pl.DataFrame({"c": [f"level {one}" for one in code], "y": y})
    model = learn(table)
    (column,) = model.record.contract.columns
    # Whatever was kept: the levels and the pool together have every row.
    assert sum(column.known.values()) == n
    kept = [one for one in column.known if one != OTHER]
    assert set(kept) == set(table["c"].value_counts().filter(pl.col("count") >= 5)["c"])
    # How many share (other) is said rightly.
    assert len(kept) + column.pooled == table["c"].n_unique()
    found = model.predict(table)["y_prediction"].to_numpy()
    group = np.where(np.isin(table["c"].to_numpy(), kept), table["c"].to_numpy(), OTHER)
    means = pl.DataFrame({"g": group, "y": y}).with_columns(m=pl.col("y").mean().over("g"))
    np.testing.assert_allclose(found, means["m"].to_numpy(), rtol=1e-9, atol=1e-9)


def test_levels_that_come_only_in_later_batches() -> None:
    n = 300_000
    level = np.array(["p", "q"])[np.arange(n) % 2].astype(object)
    level[140_000:] = np.array(["r", "s", "q"])[np.arange(160_000) % 3]
    level[-50:] = "t"
    value = {"p": 0.0, "q": 1.0, "r": 2.0, "s": 3.0, "t": 4.0}
    second = np.array(["u", "v"])[(np.arange(n) // 140_000) % 2]
    y = np.array([value[one] for one in level]) + 10.0 * (second == "v")
    model = learn(pl.DataFrame({"c": level.tolist(), "d": second, "y": y}))
    rows = [{"c": one, "d": two} for one in value for two in "uv"]
    expected = [value[row["c"]] + 10.0 * (row["d"] == "v") for row in rows]
    found = [row["y_prediction"] for row in model.predict(rows)]
    assert found == pytest.approx(expected, abs=1e-8)
    counts = {name: float((level == name).sum()) for name in value}
    assert dict(model.record.contract.columns[0].known) == counts


# Left out


def test_text_nearly_unique_is_left_out_and_named() -> None:
    table = {"x": X, "name": [f"film {at}" for at in range(N)], "y": X + NOISE}
    model = learn(table)
    assert list(weights(model)) == [("x", None)]
    assert "left out: nearly unique" in done(model)["name"]
    with pytest.raises(ColumnError, match="name"):
        learn(table, using=["name"])


def test_a_constant_is_left_out_and_named_but_kept_where_it_says_something() -> None:
    table = {"x": X, "k": np.full(N, 3.5), "c": ["same"] * N, "y": X + NOISE}
    model = learn(table)
    assert list(weights(model)) == [("x", None)]
    assert done(model)["k"] == "left out: always 3.5"
    assert done(model)["c"] == "left out: always same"
    without = learn(table, using=["k"], intercept=False)
    assert weights(without) == {("k", None): close((X + NOISE).mean() / 3.5)}


def test_a_constant_with_gaps_says_where_it_is_missing() -> None:
    gap = np.arange(N) % 4 == 0
    model = learn({"k": np.where(gap, np.nan, 2.0), "x": X, "y": X + 5.0 * gap + 0.1 * NOISE})
    # Its value never varies, but being missing does: that is used, or the loss of it is said.
    used = any(key == ("k", MISSING) for key in weights(model))
    assert used or "missing" in done(model)["k"]


@pytest.mark.parametrize("predict", ["z", ["y", "z"]])
def test_a_target_that_never_varies_is_refused(predict: Any) -> None:
    table = {"x": X, "y": X + NOISE, "z": np.full(N, 4.0)}
    with pytest.raises(TargetError, match="'z' is 4 in every row"):
        dr.learn(table, predict=predict)


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("ridge", [0, "auto", 0.1])
@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_very_few_rows(rows: int, intercept: bool, ridge: Any, loss: str) -> None:
    table = {"x": [1.0, 2.0, 4.0][:rows], "c": ["p", "q", "p"][:rows], "y": [3.0, 2.0, 6.0][:rows]}
    said = ""
    try:
        model = dr.learn(table, predict="y", intercept=intercept, ridge=ridge, loss=loss)
    except DeltaruleError as refused:
        said = str(refused)
    if said:
        # One row beside an intercept: no input varies; one target says nothing.
        assert rows == 1
        assert "\n" not in said
        return
    for value in model.predict(table)["y_prediction"]:
        assert np.isfinite(value)
    assert str(model)


def test_more_columns_than_rows() -> None:
    rng = np.random.default_rng(1)
    table = {f"x{at}": rng.normal(size=20) for at in range(50)}
    table["y"] = rng.normal(size=20)
    model = learn(table)
    found = np.array(model.predict(table)["y_prediction"])
    np.testing.assert_allclose(found, table["y"], atol=1e-9)
    assert any("depend" in note for note in model.record.notes)


def test_very_many_columns() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(900, 400))
    table = pl.DataFrame(values, schema=[f"x{at}" for at in range(400)])
    y = values @ rng.normal(size=400) + rng.normal(size=900)
    model = learn(table.with_columns(y=y))
    design = np.column_stack([values, np.ones(900)])
    expected = np.linalg.lstsq(design, y, rcond=None)[0]
    found = [one.weight for one in model.record.weights]
    np.testing.assert_allclose(found, expected[:-1], rtol=1e-7, atol=1e-9)


def test_targets_that_cannot_be_targets() -> None:
    table = pl.DataFrame({"x": X, "c": ["p", "q"] * 60, "y": X})
    with pytest.raises(TargetError, match=r"'c'.*softmax"):
        dr.learn(table, predict="c", loss="squared")
    with pytest.raises(TargetError, match=r"'n'.*'row 0'"):
        dr.learn(table.with_columns(n=pl.format("row {}", pl.int_range(120))), predict="n")
    with pytest.raises(TargetError, match="missing in every row"):
        dr.learn(table.with_columns(y=pl.lit(None)), predict="y")
    with pytest.raises(TargetError, match="missing in every row"):
        dr.learn(table.with_columns(y=pl.lit(None, dtype=pl.Float64)), predict="y")
    with pytest.raises(TargetError):
        dr.learn(table.with_columns(y=pl.date(2020, 1, 1)), predict="y")


def test_every_column_is_told(films: Path) -> None:
    model = dr.learn(films, predict="gross")
    told = done(model)
    parts = {"days(release_date)", "category(month(release_date))"}
    assert set(told) >= {*pl.read_csv(films, n_rows=1).columns, *parts}
    assert "left out" in told["title"]
    assert "became days(release_date)" in told["release_date"]
    assert told["gross"].startswith("predicted")


# Row weights


def test_weights_of_zero_and_missing_weights_leave_rows_out_and_count_them() -> None:
    weight = np.ones(N)
    weight[:10] = 0.0
    weight[10:15] = np.nan
    model = learn({"x": X, "w": weight, "y": X + NOISE}, weight="w")
    assert model.record.rows == N - 15
    assert model.record.rows_left_out == 15
    expected = np.polyfit(X[15:], (X + NOISE)[15:], 1)[0]
    assert weights(model) == {("x", None): close(expected)}
    assert done(model)["w"] == "counts rows"


@pytest.mark.parametrize("size", [1e-100, 1e-10, 0.5, 1e10, 1e100])
def test_weights_in_other_units_give_the_same_weights(size: float) -> None:
    table = {"x": X, "w": size * (1 + np.arange(N) % 3), "y": X + NOISE}
    expected = np.polyfit(X, X + NOISE, 1, w=np.sqrt(1 + np.arange(N) % 3))[0]
    assert weights(learn(table, weight="w")) == {("x", None): close(expected)}


@pytest.mark.parametrize("wrong", [-1.0, float("inf"), float("-inf")])
def test_weights_that_cannot_count_rows_are_refused_by_row(wrong: float) -> None:
    weight = [1.0] * 5 + [wrong] + [1.0] * (N - 6)
    with pytest.raises(ValueRefusedError, match=r"'w', row 6"):
        learn({"x": X, "w": weight, "y": X}, weight="w")


def test_booleans_may_be_weights() -> None:
    half = np.arange(N) % 2 == 0
    model = learn({"x": X, "w": half, "y": X + NOISE}, weight="w")
    assert model.record.rows == N / 2
    assert weights(model) == {("x", None): close(np.polyfit(X[half], (X + NOISE)[half], 1)[0])}
