"""Rows learnt one by one: the weights are those of learning from all of them."""

import copy
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import (
    ColumnError,
    DivergedError,
    LearningError,
    NotAModelError,
    PredictionWarning,
    TargetError,
    ValueRefusedError,
)
from deltarule.views.format import number

Array = np.ndarray[Any, np.dtype[np.float64]]


def rows(seed: int, n: int) -> pl.DataFrame:
    """Numbers with gaps, levels, yes and no, weights, an offset, two targets."""
    rng = np.random.default_rng(seed)
    gap = rng.uniform(size=n) < 0.1
    table = pl.DataFrame(
        {
            "x": rng.normal(1e3, 2, n),
            "z": rng.normal(size=n),
            "level": rng.choice(list("abcd"), n, p=[0.4, 0.3, 0.2, 0.1]),
            "yes": rng.uniform(size=n) < 0.4,
            "times": rng.uniform(0.5, 3, n),
            "base": rng.normal(size=n),
        }
    )
    y = 0.5 * table["x"] - table["z"] + table["base"] + pl.Series(rng.normal(size=n))
    return table.with_columns(
        y=y,
        two=2 * y + pl.Series(rng.normal(size=n)),
        x=pl.when(pl.Series(gap)).then(None).otherwise(pl.col("x")),
    )


def encoded(model: dr.Model, table: pl.DataFrame) -> tuple[Array, Array]:
    """The design, the constant first if there is one, and the targets less the offset."""
    contract = model.record.contract
    view = contract.view(table, name="rows", targets=True)
    inputs, noticed = contract.encode(view)
    targets = contract.outcomes(view)
    offsets = contract.offsets(view, noticed)
    if model.record.intercept:
        inputs = np.column_stack([np.ones(len(inputs)), inputs])
    return inputs, targets if offsets is None else targets - offsets[:, None]


def own(model: dr.Model) -> Array:
    """The weights, the constant first: (q, k)."""
    each = model.coef if len(model.outputs) > 1 else {"": model.coef}
    return np.array([list(one.values()) for one in each.values()]).T


def solved(x: Array, t: Array, each: Array) -> Array:
    """Least squares by an orthogonal decomposition, of centred and scaled columns."""
    root = np.sqrt(each)[:, None]
    unit = np.abs(x).max(axis=0)
    found = np.linalg.lstsq(root * x / unit, root * t, rcond=None)[0]
    return found / unit[:, None]


def close(found: Array, known: Array, x: Array, tolerance: float = 1e-9) -> None:
    """Weights that predict the rows alike, relative to the targets' spread."""
    size = np.abs(x @ known).max()
    np.testing.assert_allclose(x @ found, x @ known, atol=tolerance * size)


CASES: dict[str, dict[str, Any]] = {
    "plain": {"predict": "y"},
    "weighted": {"predict": "y", "weight": "times"},
    "offset": {"predict": "y", "offset": "base"},
    "two targets": {"predict": ["y", "two"]},
    "no intercept": {"predict": "y", "intercept": False},
    "expressions": {"predict": "y - 1", "using": ["z * z", "x", "level"]},
}


def learnt(table: Any, how: dict[str, Any], **more: Any) -> dr.Model:
    using = {} if "using" in how else {"using": ["x", "z", "level", "yes"]}
    return dr.learn(table, ridge=0, **using, **how, **more)


@pytest.mark.parametrize("how", CASES.values(), ids=list(CASES))
@settings(max_examples=8)
@given(
    seed=st.integers(0, 1000), cut=st.integers(60, 200), form=st.sampled_from(["dicts", "table"])
)
def test_updates_give_the_least_squares_of_all_rows(
    how: dict[str, Any], seed: int, cut: int, form: str
) -> None:
    table = rows(seed, 240)
    model = learnt(table[:cut], how)
    x, t = encoded(model, table)
    each = table["times"].to_numpy() if "weight" in how else np.ones(240)
    before = own(model)
    if form == "table":
        made = model.update(table[cut:] if seed % 2 else table[cut:].to_dict(as_series=False))
        assert made.rows == 240 - cut
    else:
        for at, row in enumerate(table[cut:].to_dicts()):
            made = model.update(row)
            if at == 0:
                score = x[cut] @ before
                np.testing.assert_allclose(made.deltas[0], score - t[cut], atol=1e-8)
    close(own(model), solved(x, t, each), x)
    assert model.record.rows == pytest.approx(each.sum(), rel=1e-12)
    assert model.record.examples == 240


def numbers(seed: int, n: int, p: int = 4) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * np.logspace(-3, 3, p) + np.logspace(0, 5, p)
    y = x @ (rng.normal(size=p) / np.logspace(-3, 3, p)) + rng.normal(size=n)
    return pl.DataFrame({**{f"x{at}": x[:, at] for at in range(p)}, "y": y})


def same(found: dr.Model, known: dr.Model, tolerance: float = 1e-9) -> None:
    for column in ("weight", "standard_error", "low"):
        one, other = (model.weights[column].cast(float).to_numpy() for model in (found, known))
        np.testing.assert_allclose(one, other, rtol=tolerance)


def test_a_hundred_thousand_updates_are_the_batch_model() -> None:
    table = numbers(1, 100_000)
    model = dr.learn(table[:50], predict="y", ridge=0)
    for row in table[50:].iter_rows(named=True):
        model.update(row)
    known = dr.learn(table, predict="y", ridge=0)
    same(model, known)
    assert model.record.rows == 100_000
    assert model.fit.rmse == pytest.approx(known.fit.rmse, rel=1e-10)  # type: ignore[union-attr]
    assert model.fit.r2 == pytest.approx(known.fit.r2, rel=1e-9)  # type: ignore[union-attr]
    assert known.covariance is not None
    assert model.covariance is not None
    for name in known.coef:
        np.testing.assert_allclose(model.covariance[name], known.covariance[name], rtol=1e-8)


@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_a_half_life_is_explicit_weights(ridge: float) -> None:
    table, life = numbers(2, 500), 40.0
    ages = np.maximum(np.arange(500)[::-1], 0)
    ages[:100] = 400  # the rows learnt as a table fade together
    model = dr.learn(table[:100], predict="y", ridge=ridge)
    for row in table[100:].to_dicts():
        model.update(row, half_life=life)
    weighted = table.with_columns(w=pl.Series(2.0 ** (-ages / life)))
    known = dr.learn(weighted, predict="y", weight="w", ridge=ridge)
    np.testing.assert_allclose(own(model), own(known), rtol=1e-9)
    assert model.record.rows == pytest.approx(known.record.rows, rel=1e-10)
    assert model.weights["standard_error"].null_count() == model.weights.height


@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_a_window_is_its_rows(ridge: float) -> None:
    table = numbers(3, 700)
    far = table.with_columns(y=pl.when(pl.int_range(700) == 300).then(1e9).otherwise("y"))
    model = dr.learn(far[:100], predict="y", ridge=ridge)
    model.update(far[100:180], window=150)
    assert model.record.rows == 180  # those before it count until it is full
    for end in (251, 299, 303, 449, 460, 700):
        model.update(far[model.stream().rows + 100 : end])
        known = dr.learn(far[end - 150 : end], predict="y", ridge=ridge)
        np.testing.assert_allclose(own(model), own(known), rtol=1e-9)
        assert model.record.rows == 150
    same(model, known)


def test_a_ridge_is_that_of_all_rows() -> None:
    table = numbers(4, 400)
    model = dr.learn(table[:100], predict="y", ridge=0.3)
    model.update(table[100:])
    np.testing.assert_allclose(own(model), own(dr.learn(table, predict="y", ridge=0.3)), rtol=1e-10)


def test_inputs_far_from_zero_keep_their_digits() -> None:
    rng = np.random.default_rng(15)
    x = rng.normal(size=2000)
    table = pl.DataFrame({"x": 1e9 + x, "y": 3 * x + 0.1 * rng.normal(size=2000)})
    model = dr.learn(table[:100], predict="y", ridge=0)
    model.update(table[100:1999])
    row = table.row(1999, named=True)
    known = dr.learn(table[:1999], predict="y", ridge=0).predict(row)["y_prediction"]
    assert model.predict(row)["y_prediction"] == pytest.approx(known, rel=1e-11)
    assert model.update(row).prediction == pytest.approx(known, rel=1e-11)


def test_fewer_rows_than_columns_are_enough_to_start() -> None:
    table = numbers(5, 40, p=8)
    model = dr.learn(table[:3], predict="y", ridge=0)
    for end in range(4, 41):
        model.update(table.row(end - 1, named=True))
        x = encoded(model, table[:end])[0]
        if end in (4, 7, 8, 9, 10, 20, 40):
            close(own(model), own(dr.learn(table[:end], predict="y", ridge=0)), x, 1e-7)


def test_the_model_is_saved_again_and_predicts_the_same_everywhere(tmp_path: Path) -> None:
    table = rows(6, 400)
    model = learnt(table[:200], CASES["plain"])
    first = model.predict(table[300:])
    model.update(table[200:300])
    now = model.predict(table[300:])
    assert not first.equals(now)
    model.save(tmp_path / "m.json")
    again = dr.load(tmp_path / "m.json")
    assert again.predict(table[300:]).equals(now)
    row = table.row(300, named=True)
    one = model.predict(row)["y_prediction"]
    assert one == pytest.approx(now["y_prediction"][0], rel=1e-12)
    assert model.update(row).prediction == pytest.approx(one, rel=1e-12)
    again.update(row)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), again):
        np.testing.assert_allclose(own(other), own(model), rtol=1e-9)
        other.update(table.row(301, named=True))
    streamed = again.record.streamed
    assert streamed is not None
    assert streamed.rows == 102
    assert model.exported("python").content


def test_the_progressive_error_is_that_of_predicting_first() -> None:
    table = numbers(7, 300)
    model = dr.learn(table[:100], predict="y", ridge=0)
    stream = model.stream()
    predictions, deltas = [], []
    for end in range(100, 300):
        expected = float(model.predict(table[end])["y_prediction"][0]) if end % 40 == 0 else None
        made = model.update(table.row(end, named=True))
        if expected is not None:
            assert made.prediction == pytest.approx(expected, rel=1e-10)
        predictions.append(made.prediction)
        deltas.append(made.delta)
    y = table["y"].to_numpy()
    np.testing.assert_allclose(np.array(predictions) - y[100:], deltas, atol=1e-9)
    assert stream.rmse[0] == pytest.approx(np.sqrt(np.mean(np.square(deltas))))
    means = np.cumsum(y)[99:-1] / np.arange(100, 300)
    assert stream.baseline_rmse[0] == pytest.approx(np.sqrt(np.mean((means - y[100:]) ** 2)))
    assert "200 rows were learnt one by one since" in model.record.notes[-1]


@pytest.mark.parametrize("cut", [250, 300, 461])
@pytest.mark.parametrize("name", ["plain", "weighted", "offset", "two targets"])
def test_a_window_goes_on_where_it_was_saved(cut: int, name: str, tmp_path: Path) -> None:
    """Before the window of 100 is full, as it is, and after."""
    table = rows(17, 600)
    model = learnt(table[:200], CASES[name])
    model.update(table[200:cut], window=100)
    model.save(tmp_path / "m.json")
    again = dr.load(tmp_path / "m.json")
    told = f"the last {min(cut - 200, 100)} rows are in the model's file"
    assert any(told in note for note in again.record.notes)
    assert "last" not in again.to_dict()["streamed"]
    again.save(tmp_path / "again.json")
    again = dr.load(tmp_path / "again.json")
    for other in (again, pickle.loads(pickle.dumps(again))):
        other.update(table[cut:])
    model.update(table[cut:])
    np.testing.assert_allclose(own(again), own(model), rtol=1e-10, atol=1e-12)
    assert again.stream().rmse == pytest.approx(model.stream().rmse, rel=1e-10)
    assert again.record.rows == pytest.approx(model.record.rows)
    again.save(tmp_path / "m.json")
    assert sum("window goes on" in one for one in dr.load(tmp_path / "m.json").record.notes) == 1


def test_a_window_too_large_to_save_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltarule.model.online_record.MOST_NUMBERS", 100)
    table = rows(18, 300)
    model = learnt(table[:200], CASES["plain"])
    model.update(table[200:], window=50)
    model.save(tmp_path / "m.json")
    again = dr.load(tmp_path / "m.json")
    assert again.record.streamed is not None
    assert again.record.streamed.last is None
    assert any("too large to be saved" in note for note in again.record.notes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("last", "AAAA"),
        ("last", "!" * 400),
        ("last_rows", 51),
        ("last_rows", 0),
        ("last_rows", 10**12),
        ("window", 49),
        ("window", None),
    ],
)
def test_rows_of_a_window_that_cannot_be_are_refused(name: str, value: Any, tmp_path: Path) -> None:
    table = rows(19, 300)
    model = learnt(table[:200], CASES["plain"])
    model.update(table[200:], window=50)
    model.save(tmp_path / "m.json")
    content = json.loads((tmp_path / "m.json").read_text())
    content["streamed"][name] = value
    (tmp_path / "m.json").write_text(json.dumps(content))
    with pytest.raises(NotAModelError, match="damaged"):
        dr.load(tmp_path / "m.json")


def test_what_changed_is_told_by_name() -> None:
    table = rows(8, 300)
    model = learnt(table[:299], CASES["two targets"])
    before = model.coef
    made = model.update(table.row(299, named=True))
    for target in ("y", "two"):
        for name, weight in model.coef[target].items():
            assert made.weights[target][name] == pytest.approx(weight, rel=1e-10)
            change = weight - before[target][name]
            assert made.changed[target][name] == pytest.approx(change, abs=1e-8)
    assert set(made.delta) == {"y", "two"}


def test_a_level_never_seen_is_told_and_gaps_count() -> None:
    table = rows(9, 300)
    model = learnt(table[:200], CASES["plain"])
    row = table.row(200, named=True)
    assert model.update({**row, "level": "new"}).flags == ("level: never seen",)
    assert model.update({**row, "x": None}).flags == ("x: missing",)
    made = model.update(table[200:210].with_columns(level=pl.lit("new")))
    assert any("level" in flag for flag in made.flags)


def test_rows_that_cannot_be_learnt_are_told() -> None:
    table = rows(10, 300)
    model = learnt(table[:200], CASES["plain"])
    made = model.update(table[200:210].with_columns(y=pl.when(pl.col("z") > 0).then("y")))
    assert made.left_out == {"y is missing": 10 - made.rows}
    row = table.row(200, named=True)
    weights = model.coef
    none = model.update({**row, "y": None})
    assert (none.rows, none.prediction, none.left_out) == (0, None, {"y is missing": 1})
    with pytest.raises(ColumnError):
        model.update({name: cell for name, cell in row.items() if name != "z"})
    with pytest.raises(ColumnError):
        model.update({name: cell for name, cell in row.items() if name != "y"})
    for column, far in (("y", float("inf")), ("y", 1e200), ("z", 1e308), ("z", float("-inf"))):
        with pytest.raises(ValueRefusedError):
            model.update({**row, column: far})
    assert model.coef == weights


def test_what_cannot_go_on_says_why(tmp_path: Path) -> None:
    table = rows(11, 300)
    model = learnt(table, CASES["plain"])
    model.save(tmp_path / "m.json", moments=False)
    with pytest.raises(LearningError, match="no moments"):
        dr.load(tmp_path / "m.json").update(table)
    lasso = dr.learn(table, predict="y", using=["x", "z"], lasso=0.5)
    with pytest.raises(LearningError, match="not those that least squares gives"):
        lasso.update(table)
    with pytest.raises(LearningError, match="give one of them"):
        model.update(table, half_life=3, window=4)
    for wrong in ({"half_life": 0}, {"window": 2.5}, {"alpha": -1}, {"window": True}):
        with pytest.raises(LearningError, match="must be"):
            model.update(table, **wrong)
    model.update(table, half_life=30)
    with pytest.raises(LearningError, match="half-life of 30 rows before"):
        model.update(table, window=30)
    with pytest.raises(LearningError, match="half-lives and windows are for squared loss"):
        dr.learn(table, predict="yes", using=["x", "z"]).update(table, window=30)


@pytest.mark.parametrize("form", ["dicts", "table"])
def test_kept_sums_keep_up(form: str, tmp_path: Path) -> None:
    table = rows(14, 400).with_columns(key=pl.int_range(400))
    how = {**CASES["plain"], "id": "key"}
    model = learnt(table[:200], how, keep_summary=True)
    if form == "table":
        model.update(table[200:300])
    else:
        for row in table[200:300].to_dicts():
            model.update(row)
    model.save(tmp_path / "m.json", summary=tmp_path / "m.sums")
    found = dr.load(tmp_path / "m.json", summary=tmp_path / "m.sums").learn_more(table[300:])
    known = learnt(table, how)
    np.testing.assert_allclose(own(found), own(known), rtol=1e-9)
    assert found.rmse == pytest.approx(known.rmse, rel=1e-10)
    assert model.forget(table[250:300]).record.examples == 250
    with pytest.raises(ColumnError, match="key"):
        learnt(table[:200], how, keep_summary=True).update(table.drop("key").row(0, named=True))
    model = learnt(table[:200], how, keep_summary=True)
    model.update(table[200:], half_life=10)
    with pytest.raises(LearningError, match="sums of its rows are not there"):
        model.forget(table[:10])


def test_the_docs_example_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "keep-learning.md"
    [code] = re.findall(r"(?s)```python\n(.*?)```", page.read_text(encoding="utf-8"))
    exec(compile(code, str(page), "exec"), {})


# Steps of the rule


def test_an_alpha_takes_the_worked_example_s_steps() -> None:
    one = {"budget": [200_000.0], "gross": [99_750_000.0]}
    model = dr.learn(one, predict="gross", alpha=1e-11, start=1.0, intercept=False, steps=1)
    made = model.update({"budget": 200_000.0, "gross": 99_750_000.0}, alpha=1e-11)
    assert made.weights == {"budget": pytest.approx(319.56, rel=1e-12)}
    assert model.coef["budget"] == pytest.approx(319.56, rel=1e-12)


@pytest.mark.parametrize("alpha", [None, 1e-4])
def test_other_losses_take_a_step_of_the_rule(alpha: float | None) -> None:
    table = rows(12, 400).with_columns(rich=pl.col("y") > pl.col("y").median())
    model = dr.learn(table[:300], predict="rich", using=["z", "base"], ridge=0.01)
    before, record = model.coef, model.record
    row = table.row(301, named=True)
    probability = model.predict(row)["rich_prediction"]
    made = model.update(row, alpha=alpha)
    assert made.prediction == pytest.approx(probability, rel=1e-12)
    delta = probability - float(row["rich"])
    assert made.delta == pytest.approx(delta, rel=1e-12)
    mean, spread = np.array(record.means), np.array(record.spreads)
    x = np.array([row["z"], row["base"]])
    if alpha is None:
        # 0.01 over the curvature at the mean: p * (1 - p).
        share = record.target_means[0]
        step = 0.01 / (share * (1 - share)) * delta
        moved = {
            "z": step * (x - mean)[0] / spread[0] ** 2,
            "base": step * (x - mean)[1] / spread[1] ** 2,
        }
    else:
        moved = {
            "z": alpha * delta * x[0],
            "base": alpha * delta * x[1],
            "(intercept)": alpha * delta,
        }
    for name, change in moved.items():
        assert made.changed[name] == pytest.approx(-change, rel=1e-6)
        assert model.coef[name] == pytest.approx(before[name] - change, rel=1e-9)
    assert model.weights["standard_error"].null_count() == 3
    with pytest.raises(DivergedError, match="smaller --alpha"):
        dr.learn(table, predict="z", using=["x"], ridge=0).update(table, alpha=1e3)


def test_classes_beside_another_target_take_steps_of_the_rule() -> None:
    table = rows(12, 400).with_columns(kind=pl.Series(["u", "v", "w", "v"] * 100))
    model = dr.learn(table[:300], predict=["y", "kind"], using=["z", "base"], ridge=0.01)
    record, row = model.record, table.row(301, named=True)
    before, predicted = model.weights, model.predict(row)
    model.update(row)
    x = np.array([row["z"], row["base"]])
    change = (x - np.array(record.means)) / np.array(record.spreads) ** 2
    # The largest curvature is that of squared loss, 1; those of shares are at most a quarter.
    for output, wanted in (("y", row["y"]), ("kind=u", 0), ("kind=v", 1), ("kind=w", 0)):
        name, _, level = output.partition("=")
        own = predicted[f"{name}_probability_{level}" if level else "y_prediction"]
        of = pl.col("output") == output
        then, now = (
            w.filter(of & (pl.col("input") != "(intercept)")) for w in (before, model.weights)
        )
        moved = (now["weight"] - then["weight"]).to_numpy()
        np.testing.assert_allclose(moved, -0.01 * (own - wanted) * change, rtol=1e-6)


def test_steps_of_the_rule_come_near_the_best_weights() -> None:
    rng = np.random.default_rng(13)
    n = 6000
    x = rng.normal(size=n)
    table = pl.DataFrame({"x": x, "n": rng.poisson(np.exp(0.5 * x + 1))})
    model = dr.learn(table[:30], predict="n", loss="poisson", ridge=0)
    model.update(table[30:])
    assert model.coef["x"] == pytest.approx(0.5, abs=0.08)
    with pytest.raises(TargetError):
        model.update({"x": 1.0, "n": -3.0})
    kinds = dr.learn(
        table.with_columns(kind=pl.Series(rng.choice(list("abc"), n))), predict="kind", using=["x"]
    )
    made = kinds.update({"x": 1.0, "kind": "b"})
    assert sum(made.delta.values()) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("form", ["dicts", "table", "updates"])
def test_rows_that_do_not_meet_the_models_condition_have_no_part(form: str, kept: bool) -> None:
    table, more = rows(1, 240), rows(2, 60)
    where, how = "z > 0", {"predict": "y"}
    model = learnt(table, how, where=where, keep_summary=kept)
    count = model.record.rows
    stream = model.stream()
    if form == "dicts":
        made = [stream.update(row) for row in more.to_dicts()]
    else:
        made = [stream.update(more)] if form == "table" else list(stream.updates(more))
    met = more.filter(pl.col("z") > 0)
    assert sum(one.rows for one in made) == met.height < more.height
    assert sum(one.left_out.get("z > 0 is not met", 0) for one in made) == 60 - met.height
    assert model.record.rows == count + met.height
    x, t = encoded(model, pl.concat([table, more]).filter(pl.col("z") > 0))
    close(own(model), solved(x, t, np.ones(len(x))), x)
    none = stream.update(more.filter(pl.col("z") <= 0))
    assert (none.rows, model.record.rows) == (0, count + met.height)
    if kept:
        again = model.learn_more(met[:10], again=True)
        assert again.record.rows == count + met.height + 10
        again.update({**met.to_dicts()[0], "z": -1.0})
        assert again.record.rows == count + met.height + 10
    with pytest.raises(ColumnError, match="z"):
        stream.update(more.drop("z"))


def test_a_saved_model_knows_its_condition(tmp_path: Path) -> None:
    model = learnt(rows(1, 240), {"predict": "y"}, where="times > 1 and z > 0")
    model.save(tmp_path / "model.json")
    loaded = dr.load(tmp_path / "model.json")
    count = loaded.record.rows
    row = rows(2, 1).to_dicts()[0]
    with pytest.raises(ColumnError, match="times"):
        loaded.update({name: cell for name, cell in row.items() if name != "times"})
    assert loaded.update({**row, "times": 0, "z": 1.0}).left_out.total() == 1
    assert loaded.update({**row, "times": 2, "z": None}).left_out.total() == 1
    assert loaded.update({**row, "times": 2, "z": 1.0}).rows == 1
    assert loaded.record.rows == count + 1


def test_what_is_of_the_weights_before_updates_says_so() -> None:
    x = np.random.default_rng(0).normal(size=300)
    noise = np.random.default_rng(1).normal(size=300)
    model = dr.learn(pl.DataFrame({"x": x, "y": 2 * x + noise}), predict="y", ridge=0)
    before = [model.predict_noticing({"x": 0.0}, interval=0.9)[1], [str(model.summary())]]
    assert "update" not in str(before)
    model.update(pl.DataFrame({"x": x, "y": 100 - 20 * x + 30 * noise}))
    with pytest.warns(PredictionWarning, match="before the 300 rows that update learnt"):
        model.predict({"x": 0.0}, interval=0.9)
    told = model.predict_noticing({"x": 0.0}, interval=0.9)[1]
    assert model.record.streamed is not None
    assert any(number(model.record.streamed.rmse[0]) in note for note in told)
    assert "update" not in str(model.predict_noticing({"x": 0.0})[1])
    assert "on held-out rows, before the 300 rows that update learnt: RMSE" in str(model.summary())
    assert "on held-out rows, before the 300 rows that update learnt, typical" in str(model)
