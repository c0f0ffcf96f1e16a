"""learn() on real films against published facts, and the laws that hold whatever the table."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

import deltarule as dr
from deltarule.errors import LearningError
from deltarule.solvers.learners import LEARNERS
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import read
from deltarule.tables.request import Request


@pytest.fixture(scope="module")
def facts(data: Path) -> dict[str, Any]:
    return json.loads((data / "movies" / "movies_facts.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def table(films: Path) -> pl.DataFrame:
    return pl.read_csv(films, try_parse_dates=True, infer_schema_length=None)


def to_nine(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=0)


@pytest.mark.parametrize(
    ("name", "target", "above_zero"),
    [
        ("all rows with budget and gross", "gross", False),
        ("gross above zero", "gross", True),
        ("us_gross on budget", "us_gross", False),
    ],
)
def test_simple_fits_of_the_films_match_the_published_facts(
    facts: dict[str, Any], table: pl.DataFrame, name: str, target: str, above_zero: bool
) -> None:
    fact = facts[name]
    rows = table.filter(pl.col(target) > 0) if above_zero else table
    asked = {"predict": target, "using": ["budget"], "ridge": 0, "missing": "drop"}
    model = dr.learn(rows, **asked)
    (intercept,), (weight,) = model.record.intercept, model.record.weights
    with_intercept = fact["with_intercept"]
    assert model.record.rows == fact["n"]
    assert intercept.weight == to_nine(with_intercept["intercept"])
    assert weight.weight == to_nine(with_intercept["weight"])
    assert intercept.standard_error == to_nine(with_intercept["standard_errors"][0])
    assert weight.standard_error == to_nine(with_intercept["standard_errors"][1])
    assert model.record.fit[0].r2 == to_nine(with_intercept["r_squared"])
    assert model.record.means[0] == to_nine(fact["mean_budget"])
    # The published name is mean_gross whatever the target.
    assert model.record.target_means[0] == to_nine(fact["mean_gross"])
    if "rmse" in with_intercept:
        assert model.record.fit[0].rmse == to_nine(with_intercept["rmse"])

    through_zero = dr.learn(rows, **asked, intercept=False)
    (weight,) = through_zero.record.weights
    fact = fact["no_intercept"]
    assert weight.weight == to_nine(fact["weight"])
    assert weight.standard_error == to_nine(fact["standard_error"])
    assert through_zero.record.fit[0].r2 == to_nine(fact["r_squared_uncentred"])
    assert through_zero.record.fit[0].rmse == to_nine(fact["rmse"])
    complete = rows.drop_nulls(["budget", target])
    assert through_zero.compare(complete).outputs[0].r2 == to_nine(fact["r_squared_about_mean"])


def test_the_films_through_the_command_line(
    run: Callable[..., Any], films: Path, facts: dict[str, Any]
) -> None:
    fact = facts["all rows with budget and gross"]
    asked = [
        "--predict",
        "gross",
        "--using",
        "budget",
        "--ridge",
        "0",
        "--missing",
        "drop",
        "--json",
    ]
    found = json.loads(run("learn", films, *asked).out)
    assert found["rows"] == 3193
    assert found["rows_left_out"] == 3201 - 3193
    assert found["weights"][0]["weight"] == to_nine(2.80431228807713)
    assert found["intercept"][0]["weight"] == to_nine(-1924191.04118327)
    assert found["fit"]["r2"] == to_nine(fact["with_intercept"]["r_squared"])
    found = json.loads(run("learn", films, *asked, "--no-intercept").out)
    assert found["weights"][0]["weight"] == to_nine(2.777528976172351)
    assert found["fit"]["r2"] == to_nine(0.5794296784476461)
    assert found["intercept"] == []


def test_logarithms_of_the_films(facts: dict[str, Any], table: pl.DataFrame) -> None:
    fact = facts["log gross on log budget (natural logs, gross above zero)"]
    rows = table.filter(pl.col("gross") > 0).drop_nulls("budget")
    logs = {name: [math.log(value) for value in rows[name]] for name in ("budget", "gross")}
    model = dr.learn(logs, predict="gross", using=["budget"], ridge=0)
    (intercept,), (slope,) = model.record.intercept, model.record.weights
    assert model.record.rows == fact["n"]
    assert intercept.weight == to_nine(fact["intercept"])
    assert slope.weight == to_nine(fact["slope"])
    assert [intercept.standard_error, slope.standard_error] == [
        to_nine(error) for error in fact["standard_errors"]
    ]
    assert model.record.fit[0].r2 == to_nine(fact["r_squared"])


def test_five_inputs_of_very_different_size(facts: dict[str, Any], films: Path) -> None:
    fact = facts["gross on budget, running_time, imdb_rating, imdb_votes, year"]
    model = dr.learn(films, predict="gross", using=fact["terms"][1:], ridge=0, missing="drop")
    found = [*model.record.intercept, *model.record.weights]
    assert model.record.rows == fact["n"]
    assert [one.weight for one in found] == [to_nine(value) for value in fact["coefficients"]]
    assert [one.standard_error for one in found] == [
        to_nine(value) for value in fact["standard_errors"]
    ]
    assert model.record.fit[0].r2 == to_nine(fact["r_squared"])
    # The condition number itself is known to as many digits as it leaves over: 16 - 10.
    assert model.record.learnt[0].condition == pytest.approx(fact["condition_number"], rel=1e-4)


def test_mad_max_is_predicted_as_published(facts: dict[str, Any], films: Path) -> None:
    asked = {"predict": "gross", "using": ["budget"], "ridge": 0, "missing": "drop"}
    fact = facts["mad max"]
    with_intercept = dr.learn(films, **asked).predict({"budget": fact["budget"]})
    without = dr.learn(films, **asked, intercept=False).predict({"budget": fact["budget"]})
    assert with_intercept == {"gross_prediction": to_nine(fact["predicted_with_intercept"])}
    assert without == {"gross_prediction": to_nine(fact["predicted_no_intercept"])}


def test_two_outputs_at_once_equal_two_single_ones(films: Path) -> None:
    # Both are missing on the same seven rows, so the rows learnt from are the same.
    asked = {"using": ["budget", "genre", "running_time"], "ridge": 0}
    both = dr.learn(films, predict=["gross", "us_gross"], **asked)
    for at, target in enumerate(["gross", "us_gross"]):
        one = dr.learn(films, predict=target, **asked)
        mine = [weight for weight in both.record.weights if weight.output == target]
        assert [w.weight for w in mine] == [to_nine(w.weight) for w in one.record.weights]
        assert [w.standard_error for w in mine] == [
            to_nine(w.standard_error) for w in one.record.weights
        ]
        assert both.record.intercept[at].weight == to_nine(one.record.intercept[0].weight)
        assert both.record.fit[at].r2 == to_nine(one.record.fit[0].r2)
        assert both.record.fit[at].rmse == to_nine(one.record.fit[0].rmse)


def test_two_outputs_learn_from_rows_that_have_both() -> None:
    table = {"x": [1.0, 2, 3, 4, 5], "a": [1.0, 3, 2, None, 9], "b": [2.0, None, 1, 5, 4]}
    both = dr.learn(table, predict=["a", "b"], ridge=0)
    left = {"x": [1.0, 3, 5], "a": [1.0, 2, 9]}
    assert both.record.rows == 3
    assert both.record.rows_left_out == 2
    one = dr.learn(left, predict="a", ridge=0)
    assert both.record.weights[0].weight == to_nine(one.record.weights[0].weight)


# The laws


def plain(model: dr.Model) -> dict[str, Any]:
    """All that a model is, but for where and when it was learnt."""
    record = model.record.model_dump()
    del record["learnt_from"], record["learnt_at"]
    return record


def figures(model: dr.Model) -> dict[str, float]:
    """Every number of weights, fit and held-out error by name, but those that are unknown.

    Without p: at 1e-200 its own digits are few.
    """
    record = model.record
    parts = {"weight": record.weights, "intercept": record.intercept, "fit": record.fit}
    parts["held out"] = record.held_out or ()
    return {
        f"{part} {at} {name}": value
        for part, ones in parts.items()
        for at, one in enumerate(ones)
        for name, value in one.model_dump().items()
        if isinstance(value, float) and name != "p"
    }


WEIGHTED = [
    {"predict": "price", "ridge": 0},
    {"predict": "price", "ridge": 0.1, "intercept": False},
    {"predict": ["price", "sold"], "ridge": 0, "missing": "drop"},
    {"predict": "price"},
    {"predict": "price", "learner": "descent", "steps": 50},
    {"predict": "price", "using": ["age", "new"], "alpha": 1e-4, "steps": 50},
    {"predict": "sold", "loss": "poisson", "using": ["age", "colour"]},
    {"predict": "new", "loss": "logistic", "using": ["age", "size"]},
]


@pytest.mark.parametrize("asked", WEIGHTED, ids=str)
def test_an_integer_weight_counts_as_so_many_rows(
    mixed: pl.DataFrame, copied: Callable[..., pl.DataFrame], asked: dict[str, Any]
) -> None:
    times = np.random.default_rng(3).integers(0, 4, mixed.height)
    asked = {"using": ["size", "age", "colour", "new"], **asked}
    table = mixed.with_columns(times=times)
    weighed = dr.learn(table, weight="times", **asked)
    repeated = dr.learn(copied(table, "times"), id="id", **asked)
    assert weighed.record.rows == repeated.record.rows
    # Sums in another order: the last digits differ; what is learnt by passes, to its tolerance.
    exact = "loss" not in asked
    assert figures(weighed) == pytest.approx(figures(repeated), rel=1e-8 if exact else 1e-5)


def from_csv(table: pl.DataFrame, folder: Path) -> Any:
    table.write_csv(folder / "t.csv")
    return folder / "t.csv"


def from_tsv(table: pl.DataFrame, folder: Path) -> Any:
    table.write_csv(folder / "t.tsv", separator="\t")
    return str(folder / "t.tsv")


def from_parquet(table: pl.DataFrame, folder: Path) -> Any:
    table.write_parquet(folder / "t.parquet", row_group_size=1000)
    return folder / "t.parquet"


def in_pieces(table: pl.DataFrame, folder: Path) -> Any:
    return pl.concat([table[:7], table[7:90], table[90:]], rechunk=False)


def filtered(table: pl.DataFrame, folder: Path) -> Any:
    return pl.concat([table, table]).with_row_index().filter(pl.col("index") < table.height).lazy()


SOURCES: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "csv": from_csv,
    "tsv": from_tsv,
    "parquet": from_parquet,
    "polars": lambda table, folder: table,
    "polars in pieces": in_pieces,
    "polars lazy": lambda table, folder: table.lazy(),
    "polars lazy filtered": filtered,
    "pandas": lambda table, folder: table.to_pandas(),
    "pandas arrow": lambda table, folder: table.to_pandas(use_pyarrow_extension_array=True),
    "pyarrow": lambda table, folder: table.to_arrow(),
    "dict of lists": lambda table, folder: table.to_dict(as_series=False),
    "list of dicts": lambda table, folder: table.to_dicts(),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_model_to_the_last_bit(
    mixed: pl.DataFrame, tmp_path: Path, source: str
) -> None:
    asked = {"predict": "price", "using": ["size", "age", "colour", "new"]}
    expected = plain(dr.learn(mixed, **asked))
    assert plain(dr.learn(SOURCES[source](mixed, tmp_path), **asked)) == expected


@pytest.mark.parametrize("source", ["csv", "parquet", "polars in pieces", "polars lazy", "pandas"])
def test_every_source_gives_the_same_model_over_many_batches(tmp_path: Path, source: str) -> None:
    rng = np.random.default_rng(11)
    n = 280_000
    big = pl.DataFrame(
        {"x": rng.normal(1e6, 3, n), "c": rng.choice(list("pqrs"), n), "y": rng.normal(size=n)}
    )
    model = dr.learn(SOURCES[source](big, tmp_path), predict="y", using=["x", "c"])
    assert plain(model) == plain(dr.learn(big, predict="y", using=["x", "c"]))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_matters_to_rounding_only(mixed: pl.DataFrame, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(mixed.height)
    table = mixed.with_row_index("id")
    one = dr.learn(table, predict="price", id="id", ridge=0)
    other = dr.learn(table[order], predict="price", id="id", ridge=0)
    assert one.record.contract.inputs == other.record.contract.inputs
    # Folds are made from a row's id, so the rows held out together stay together.
    assert figures(one) == pytest.approx(figures(other), rel=1e-9)


def test_the_order_of_columns_does_not_matter(mixed: pl.DataFrame) -> None:
    using = ["size", "age", "colour", "new"]
    one = dr.learn(mixed, predict="price", using=using, ridge=0)
    other = dr.learn(mixed.select(reversed(mixed.columns)), predict="price", using=using, ridge=0)
    assert [w.model_dump() for w in one.record.weights] == [
        w.model_dump() for w in other.record.weights
    ]


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_held_out_error_is_that_of_folds_fitted_one_by_one(mixed: pl.DataFrame, folds: int) -> None:
    asked = ["size", "age"]
    rows = mixed.drop_nulls([*asked, "price"])
    model = dr.learn(rows, predict="price", using=asked, ridge=0, folds=folds)
    found = read(open_table(rows)[0], Request(["price"], asked, folds=folds))
    fold = np.concatenate([part.fold for part in found.rows()])
    x, t = rows.select(asked).to_numpy(), rows["price"].to_numpy()
    left = guessed = 0.0
    for one in range(folds):
        test = fold == one
        fitted = LinearRegression().fit(x[~test], t[~test])
        left += float(np.sum((fitted.predict(x[test]) - t[test]) ** 2))
        guessed += float(np.sum((t[~test].mean() - t[test]) ** 2))
    assert sorted(set(fold.tolist())) == list(range(folds))
    assert model.record.held_out is not None
    (held,) = model.record.held_out
    assert held.rmse == pytest.approx(math.sqrt(left / rows.height), rel=1e-9)
    assert held.baseline_rmse == pytest.approx(math.sqrt(guessed / rows.height), rel=1e-9)
    assert held.r2 == pytest.approx(1 - left / guessed, rel=1e-9)
    assert held.folds == folds


def test_held_out_error_of_descent_is_that_of_its_steps_taken_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(8)
    table = {"x": rng.normal(size=60), "z": rng.normal(size=60) * 3, "y": rng.normal(size=60)}
    asked: dict[str, Any] = {"predict": "y", "alpha": 0.01, "steps": 50}
    closed = dr.learn(table, **asked).record.held_out
    monkeypatch.setattr("deltarule.solvers.least_squares.ClosedFormDescent.settles", False)
    taken = dr.learn(table, **asked).record.held_out
    assert closed is not None
    assert taken is not None
    assert closed[0].rmse == pytest.approx(taken[0].rmse, rel=1e-12)


def test_equal_rows_are_held_out_apart(mixed: pl.DataFrame) -> None:
    twice = pl.concat([mixed, mixed]).drop_nulls("price")
    found = read(open_table(twice)[0], Request(["price"], ["size", "age"]))
    fold = np.concatenate([part.fold for part in found.rows()])
    half = len(fold) // 2
    # Of 5 folds a row and its copy share one in a fifth of all cases.
    assert np.mean(fold[:half] == fold[half:]) < 0.3
    counts = np.bincount(fold, minlength=5)
    assert counts.min() > 0.1 * len(fold), counts


# Against another library


def test_categories_gaps_and_booleans_as_a_design_matrix_made_by_hand(mixed: pl.DataFrame) -> None:
    model = dr.learn(mixed, predict="price", ridge=0)
    rows = mixed.filter(pl.col("price").is_not_null()).to_pandas()
    gap = rows["size"].isna()
    design: dict[tuple[str, str | None], Any] = {
        ("size", None): rows["size"].fillna(rows["size"].mean()),
        ("size", "(missing)"): gap.astype(float),
        ("age", None): rows["age"].astype(float),
        ("new", None): rows["new"].astype(float),
        ("sold", None): rows["sold"].astype(float),
    }
    colours = rows["colour"].fillna("(missing)")
    for level in set(colours) - {"red"}:
        design["colour", level] = (colours == level).astype(float)
    fitted = LinearRegression().fit(np.column_stack(list(design.values())), rows["price"])
    expected = dict(zip(design, fitted.coef_, strict=True))
    found = {(one.input, one.level): one.weight for one in model.record.weights}
    assert found == pytest.approx(expected, rel=1e-9)
    assert model.record.intercept[0].weight == pytest.approx(fitted.intercept_, rel=1e-9)


def test_ridge_is_that_of_standardised_inputs(mixed: pl.DataFrame) -> None:
    rows = mixed.drop_nulls(["size", "price"])
    model = dr.learn(rows, predict="price", using=["size", "age"], ridge=0.3)
    x, t = rows.select("size", "age").to_numpy(), rows["price"].to_numpy()
    spread = x.std(axis=0)
    fitted = Ridge(alpha=0.3 * len(x), solver="cholesky").fit((x - x.mean(axis=0)) / spread, t)
    found = [one.weight for one in model.record.weights]
    assert found == pytest.approx((fitted.coef_ / spread).tolist(), rel=1e-9)


def test_logistic_agrees_with_another_library(mixed: pl.DataFrame) -> None:
    rows = mixed.drop_nulls(["size"])
    model = dr.learn(rows, predict="new", using=["size", "age", "price"], loss="logistic")
    rows = rows.drop_nulls("price") if model.record.rows < rows.height else rows
    x = rows.select("size", "age", pl.col("price").fill_null(strategy="mean")).to_numpy()
    gap = rows["price"].is_null().to_numpy().astype(float)
    spread = x.std(axis=0)
    design = np.column_stack([(x - x.mean(axis=0)) / spread, gap])
    peer = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000)
    peer.fit(design, rows["new"].to_numpy())
    found = [one.weight for one in model.record.weights]
    # The peer stops at its own tolerance.
    assert found == pytest.approx([*(peer.coef_[0][:3] / spread), peer.coef_[0][3]], rel=1e-4)


def test_auto_ridge_is_taken_only_where_it_earns_its_place() -> None:
    rng = np.random.default_rng(0)
    n, p = 60, 40
    x = rng.normal(size=(n, p))
    noise = {f"x{at}": x[:, at] for at in range(p)} | {"y": x[:, 0] + rng.normal(0, 3, n)}
    clear = {"x": x[:, 0], "y": 5 * x[:, 0] + rng.normal(0, 0.1, n)}
    helped, plain_fit = dr.learn(noise, predict="y"), dr.learn(clear, predict="y")
    without = dr.learn(noise, predict="y", ridge=0)
    assert helped.record.learnt[0].ridge > 0
    assert any("earned its place" in note for note in helped.record.notes)
    assert helped.record.held_out is not None
    assert without.record.held_out is not None
    assert helped.record.held_out[0].rmse < without.record.held_out[0].rmse
    assert plain_fit.record.learnt[0].ridge == 0


# Settings


ONE = {"budget": [200_000.0], "gross": [99_750_000.0]}
ONCE = {"predict": "gross", "using": ["budget"], "intercept": False, "start": 1.0}


def test_the_first_example_step_by_step() -> None:
    weight, expected = 1.0, []
    while True:
        prediction = 200_000.0 * weight
        delta = prediction - 99_750_000.0
        weight_delta = delta * 200_000.0
        weight = weight - 1e-11 * weight_delta
        expected.append((prediction, delta, delta * delta, weight_delta, weight))
        if delta == 0:
            break
    steps = list(dr.steps(ONE, **ONCE, alpha=1e-11, tolerance=0))
    found = [
        (
            step.prediction,
            step.delta,
            step.error,
            float(step.comparison.weight_delta["weight"][0, 0]),
            float(step.weights["weight"][0, 0]),
        )
        for step in steps
    ]
    assert found == expected
    assert len(found) == 73
    assert [row[4] for row in found[:3]] == [200.1, 319.56, 391.236]
    assert found[-3][4] == 498.74999999999994
    assert found[-2] == (99749999.99999999, *found[-2][1:4], 498.75)
    assert found[-1][4] == 498.75


def test_the_first_guess_of_the_first_example() -> None:
    first = next(dr.steps(ONE, **{**ONCE, "start": 2.5}, alpha=1e-11))
    assert first.delta == -99_250_000.0
    assert first.error == 9.8505625e15


@pytest.mark.parametrize("using", [["size", "age"], ["size", "age", "colour", "new"]])
@pytest.mark.parametrize("learner", LEARNERS)
def test_learners_arrive_where_the_exact_solution_is(
    mixed: pl.DataFrame, learner: str, using: list[str]
) -> None:
    asked = {"predict": "price", "using": using, "ridge": 0}
    exact = dr.learn(mixed, **asked)
    found = dr.learn(mixed, **asked, learner=learner, tolerance=1e-12)
    for one, other in zip(found.record.weights, exact.record.weights, strict=True):
        assert one.weight == pytest.approx(other.weight, rel=1e-7, abs=1e-7)
    assert found.record.fit[0].rmse == pytest.approx(exact.record.fit[0].rmse, rel=1e-9)


def test_descent_with_alpha_is_what_a_person_works_out(mixed: pl.DataFrame) -> None:
    rows = mixed.drop_nulls(["size", "price"])
    x, t = rows.select("size", "age").to_numpy().astype(float), rows["price"].to_numpy()
    weight, intercept = np.full(2, 0.5), 0.0
    for _ in range(200):
        delta = x @ weight + intercept - t
        weight = weight - 1e-4 * (delta @ x) / len(x)
        intercept = intercept - 1e-4 * delta.mean()
    model = dr.learn(
        rows, predict="price", using=["size", "age"], alpha=1e-4, start=0.5, steps=200, tolerance=0
    )
    assert [one.weight for one in model.record.weights] == pytest.approx(weight.tolist(), rel=1e-11)
    assert model.record.intercept[0].weight == pytest.approx(intercept, rel=1e-11)
    assert model.record.learnt[0].steps == 200


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("learner", [None, "descent", "newton"])
def test_a_frozen_weight_keeps_its_value_and_the_others_do_their_best(
    mixed: pl.DataFrame, learner: str | None, loss: str
) -> None:
    rows = mixed.drop_nulls(["size"])
    target = "sold" if loss == "squared" else "new"
    model = dr.learn(
        rows,
        predict=target,
        using=["size", "age"],
        freeze={"age": 0.02},
        learner=learner,
        loss=loss,
        ridge=0,
        tolerance=1e-12,
    )
    size, age = (one.weight for one in model.record.weights)
    assert age == 0.02
    x, t = rows["size"].to_numpy(), rows[target].to_numpy().astype(float)
    held = 0.02 * rows["age"].to_numpy()
    if loss == "squared":
        slope = LinearRegression().fit(x[:, None], t - held).coef_[0]
        assert size == pytest.approx(slope, rel=1e-6)
    else:
        score = size * x + held + model.record.intercept[0].weight
        delta = 1 / (1 + np.exp(-score)) - t
        assert abs(delta.mean()) < 1e-7
        assert abs((delta * (x - x.mean())).mean()) < 1e-5


def test_a_frozen_intercept_keeps_its_value(mixed: pl.DataFrame) -> None:
    rows = mixed.drop_nulls(["size", "price"])
    model = dr.learn(rows, predict="price", using=["size"], freeze={"intercept": 10.0}, ridge=0)
    x, t = rows["size"].to_numpy(), rows["price"].to_numpy()
    assert model.record.intercept[0].weight == 10.0
    assert model.record.weights[0].weight == pytest.approx((x @ (t - 10)) / (x @ x), rel=1e-12)


def test_a_start_may_name_weights() -> None:
    table = {"a": [1.0, 2.0, 4.0], "b": [1.0, 0.0, 1.0], "y": [1.0, 2.0, 3.0]}
    first = next(
        dr.steps(table, predict="y", alpha=0.01, start={"a": 2.0, "b": -1.0, "intercept": 0.5})
    )
    assert first.before["weight"].ravel().tolist() == [2.0, -1.0]
    assert first.before["intercept"].tolist() == [0.5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": "hinge"},
        {"loss": "quantile"},
        {"loss": "tweedie(3)"},
        {"learner": "adagrad"},
        {"learner": "exact", "loss": "logistic"},
        {"learner": "newton", "alpha": 0.1},
        {"alpha": 0},
        {"alpha": float("nan")},
        {"ridge": -1},
        {"ridge": float("inf")},
        {"ridge": "none"},
        {"ridge": None},
        {"alpha": "small"},
        {"steps": 0},
        {"steps": 2.5},
        {"tolerance": -1e-9},
        {"tolerance": float("nan")},
        {"folds": 1},
        {"folds": 2.5},
        {"folds": 1000},
        {"missing": "mean"},
        {"start": float("nan"), "alpha": 0.01},
        {"start": {"nothing": 1.0}, "alpha": 0.01},
        {"start": {"x": float("inf")}, "alpha": 0.01},
        {"freeze": ["nothing"]},
        {"reference": {"x": "a"}},
        {"predict": []},
        {"using": []},
        {"using": ["x", "x"]},
        {"using": ["x", "y"]},
        {"weight": "x", "using": ["x"]},
        {"weight": "y"},
    ],
    ids=str,
)
def test_settings_that_cannot_be_learnt_with_are_refused_by_name(wrong: dict[str, Any]) -> None:
    table = {"x": [1.0, 2, 3, 5], "z": [1.0, 0, 1, 0], "y": [0.0, 1, 1, 0]}
    with pytest.raises(LearningError) as refused:
        dr.learn(table, **{"predict": "y", **wrong})
    assert "\n" not in str(refused.value)


def test_a_leak_is_named(films: Path) -> None:
    model = dr.learn(films, predict="gross", using=["us_gross", "budget"])
    (note,) = [note for note in model.record.notes if "alone explains" in note]
    assert "us_gross" in note
    assert "gross" in note
    assert not [
        note
        for note in dr.learn(films, predict="gross", using=["budget", "genre"]).record.notes
        if "alone explains" in note
    ]


def test_reads_are_counted(mixed: pl.DataFrame, tmp_path: Path) -> None:
    path = from_parquet(mixed, tmp_path)
    assert dr.learn(path, predict="price").record.learnt[0].reads == 1
    assert dr.learn(path, predict="price", alpha=1e-5, steps=3).record.learnt[0].reads == 1


def test_nothing_changes_the_table_given(mixed: pl.DataFrame) -> None:
    frame = mixed.to_pandas()
    kept = frame.copy(deep=True)
    model = dr.learn(frame, predict="price")
    model.predict(frame)
    model.explain(frame)
    pd.testing.assert_frame_equal(frame, kept)


@pytest.mark.parametrize("alpha", [1e3, 1e150, 1e200, 1e308])
def test_an_absurd_alpha_is_refused_or_said_to_diverge(alpha: float) -> None:
    table = {"x": [1.0, 2.0, 3.0], "y": [1.0, 3.0, 2.0]}
    said = ""
    try:
        model = dr.learn(table, predict="y", alpha=alpha, steps=50)
    except dr.DeltaruleError as refused:
        said = str(refused)
    assert "diverging" in (said or model.record.learnt[0].stopped)
    assert "\n" not in said
