"""Which of two models is better: against the paired t test, and in words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

import deltarule as dr
from deltarule.errors import EmptyError, LearningError


@pytest.fixture(scope="module")
def pair(mixed: pl.DataFrame) -> tuple[dr.Model, dr.Model]:
    train = mixed[:150]
    return (
        dr.learn(train, predict="price", using=["age"]),
        dr.learn(train, predict="price", using=["size", "age", "colour"]),
    )


@pytest.fixture(scope="module")
def weather(data: Path) -> pl.DataFrame:
    return pl.read_csv(data / "tables" / "seattle_weather.csv")


def test_the_difference_is_that_of_the_paired_t_test(
    mixed: pl.DataFrame, pair: tuple[dr.Model, dr.Model]
) -> None:
    rows = mixed[150:].drop_nulls("price")
    found = pair[0].compare(rows, pair[1])
    (target,) = found.targets
    off = [model.predict(rows).to_series() - rows["price"] for model in pair]
    for difference, wrong in zip(
        target.differences, ([o**2 for o in off], [o.abs() for o in off]), strict=True
    ):
        expected = stats.ttest_rel(wrong[1], wrong[0])
        interval = expected.confidence_interval(0.95)
        assert difference.difference == pytest.approx(wrong[1].mean() - wrong[0].mean(), rel=1e-11)
        assert difference.p == pytest.approx(expected.pvalue, rel=1e-9)
        assert (difference.low, difference.high) == pytest.approx(tuple(interval), rel=1e-11)
    assert target.better == "B"
    assert target.one == pair[0].compare(rows).outputs[0]
    assert target.other == pair[1].compare(rows).outputs[0]
    assert "B is better: its mean squared error is" in str(found)
    assert "% less, and that is sure" in str(found)


def test_two_that_differ_by_chance_are_not_told_apart(mixed: pl.DataFrame) -> None:
    rng = np.random.default_rng(3)
    noisy = mixed.with_columns(noise=rng.normal(size=mixed.height))
    one = dr.learn(noisy[:150], predict="price", using=["size", "age"])
    other = dr.learn(noisy[:150], predict="price", using=["size", "age", "noise"])
    found = one.compare(noisy[150:], other)
    assert found.targets[0].better is None
    assert "not sure which is better" in str(found)
    same = one.compare(noisy[150:], one)
    assert same.targets[0].differences[0].difference == 0
    assert "A and B are equally good" in str(same)


def test_a_weight_of_k_is_k_copies(mixed: pl.DataFrame) -> None:
    times = np.random.default_rng(5).integers(0, 4, mixed.height)
    table = mixed.with_columns(times=times)
    models = [
        dr.learn(table, predict="price", using=using, weight="times") for using in ("age", "size")
    ]
    copies = mixed[np.repeat(np.arange(mixed.height), times)]
    weighed = models[0].compare(table, models[1]).targets[0].differences
    copied = models[0].compare(copies, models[1]).targets[0].differences
    for one, other in zip(weighed, copied, strict=True):
        numbers = [one.difference, one.standard_error, one.low, one.high]
        again = [other.difference, other.standard_error, other.low, other.high]
        assert numbers == pytest.approx(again, rel=1e-9)


def test_yes_no_are_compared_by_log_loss_and_share_of_wrong_rows(mixed: pl.DataFrame) -> None:
    models = [
        dr.learn(mixed, predict="new", using=using, loss="logistic") for using in ("age", "price")
    ]
    (target,) = models[0].compare(mixed.drop_nulls("price"), models[1]).targets
    assert [one.measure for one in target.differences] == ["log loss", "share of wrong rows"]
    loss, wrong = target.differences
    assert target.one.classes is not None
    assert loss.one == pytest.approx(target.one.loss)
    assert wrong.one == pytest.approx(1 - target.one.classes.accuracy)


def test_classes_are_compared_by_log_loss_and_share_of_wrong_rows(weather: pl.DataFrame) -> None:
    early, late = weather[:730], weather[730:]
    one = dr.learn(early, predict="weather", using=["precipitation", "wind"])
    other = dr.learn(early, predict="weather", using=["precipitation", "wind", "temp_max"])
    (target,) = one.compare(late, other).targets
    for model, figures in ((one, target.one), (other, target.other)):
        alone = model.compare(late).outputs[0]
        assert figures == alone
        assert alone.classes is not None
        assert alone.classes.auc is not None
        assert 0.5 < alone.classes.auc < 1
    loss, _ = target.differences
    assert loss.difference == pytest.approx(target.other.loss - target.one.loss, rel=1e-9)


def test_counts_are_compared_by_their_own_loss_first(mixed: pl.DataFrame) -> None:
    models = [
        dr.learn(mixed, predict="sold", using=using, loss="poisson") for using in ("age", "size")
    ]
    squared = dr.learn(mixed, predict="sold", using="age")
    alike = models[0].compare(mixed, models[1]).targets[0].differences
    assert [one.measure for one in alike] == [
        "poisson loss",
        "mean squared error",
        "mean absolute error",
    ]
    shared = models[0].compare(mixed, squared).targets[0].differences
    assert [one.measure for one in shared] == ["mean squared error", "mean absolute error"]


def test_a_column_that_one_model_knows_as_text_and_the_other_as_numbers(tmp_path: Path) -> None:
    rows = [(at % 5, at % 3, (at % 5) + (at % 3) * 0.5 + (at % 7) * 0.01) for at in range(120)]
    whole = pl.DataFrame(rows, schema=["a", "b", "y"], orient="row")
    path = tmp_path / "t.csv"
    whole.write_csv(path)
    as_number = dr.learn(whole, predict="y", using=["a", "b"])
    as_text = dr.learn(whole.with_columns(pl.col("b").cast(pl.String)), predict="y")
    (target,) = as_number.compare(path, as_text).targets
    assert target.one.rmse == pytest.approx(as_number.compare(whole).outputs[0].rmse)
    assert target.other.rmse == pytest.approx(as_text.compare(path).outputs[0].rmse)


def test_other_targets_and_other_classes_are_refused(
    mixed: pl.DataFrame, weather: pl.DataFrame
) -> None:
    one = dr.learn(mixed, predict="price", using="age")
    with pytest.raises(LearningError, match="A predicts price and B sold"):
        one.compare(mixed, dr.learn(mixed, predict="sold", using="age"))
    with pytest.raises(EmptyError, match=r"no row to compare \(.* is missing\)"):
        one.compare(mixed.with_columns(price=None), one)
    all_of_it = dr.learn(weather, predict="weather", using="wind")
    few = weather.filter(pl.col("weather") != "snow")
    with pytest.raises(LearningError, match="other classes"):
        all_of_it.compare(weather, dr.learn(few, predict="weather", using="wind"))
    yes = dr.learn(mixed, predict="new", using="age", loss="logistic")
    with pytest.raises(LearningError, match="other classes or none"):
        yes.compare(mixed, dr.learn(mixed, predict="new", using="age", loss="squared"))


def test_one_row_says_nothing_of_how_sure(
    mixed: pl.DataFrame, pair: tuple[dr.Model, dr.Model]
) -> None:
    found = pair[0].compare(mixed[200:201], pair[1])
    assert found.targets[0].differences[0].standard_error is None
    assert found.targets[0].better is None
    assert "too few rows" in str(found)


def test_the_command(
    run: Callable[..., Any], tmp_path: Path, pair: tuple[dr.Model, dr.Model], mixed: pl.DataFrame
) -> None:
    paths = [tmp_path / name for name in ("a.json", "b.json", "t.csv")]
    pair[0].save(paths[0])
    pair[1].save(paths[1])
    mixed[150:].write_csv(paths[2])
    found = run("compare", *paths)
    assert found.code == 0
    assert found.out.startswith("A and B compared on the same 147 rows")
    told = json.loads(run("compare", *paths, "--json").out)
    assert told["targets"][0]["better"] == "B"
    assert told["targets"][0]["differences"][0]["measure"] == "mean squared error"
    assert run("compare", paths[0], paths[2]).out.startswith("147 rows compared")
    assert run("compare", *paths, paths[2]).code == 2
    assert run("compare", paths[0]).code == 2


def test_rows_learnt_from_are_not_new(run: Callable[..., Any], tmp_path: Path, films: Path) -> None:
    names = [tmp_path / f"{name}.json" for name in "ab"]
    for name, using in zip(names, ("budget", "budget,genre"), strict=True):
        dr.learn(films, predict="gross", using=using.split(",")).save(name)
    found = run("compare", *names, films)
    assert "no verdict, as A and B may know these rows" in found.out
    assert "A and B learnt from these rows: only rows that are new to them can tell" in found.out


def customers(seed: int, first: int = 0, each: int = 10) -> pl.DataFrame:
    """30 customers of ten rows, with an effect of their own and inputs that say nothing of it."""
    rng = np.random.default_rng(seed)
    own = np.repeat(np.arange(30), each)
    inputs = {"a": rng.normal(size=len(own)), "b": rng.normal(size=30)[own]}
    inputs["c"] = rng.normal(size=30)[own]
    effect = 1.5 * rng.normal(size=30)[own]
    return pl.DataFrame(
        {**inputs, "who": own + first, "y": inputs["a"] + effect + rng.normal(size=len(own))}
    )


@pytest.mark.parametrize("by", ["group", "id"])
def test_rows_of_a_group_are_not_independent(by: str) -> None:
    sure, seeds = 0, 30
    for seed in range(seeds):
        learnt, tested = customers(seed), customers(seed + 100, 1000)
        one, other = (
            dr.learn(learnt, predict="y", using=["a", name], ridge=0, **{by: "who"})
            for name in "bc"
        )
        found = one.compare(tested, other)
        sure += found.targets[0].differences[0].sure
    # b and c are alike useless: of 95% intervals some 1.5 in 30 exclude 0; by rows 18 did.
    assert sure <= 5
    assert any("intervals are by who: 30 in 300 rows" in note for note in found.notes)
    # Rows that are repeated tell no more.
    again = one.compare(pl.concat([tested] * 20), other)
    first, second = (each.targets[0].differences[0] for each in (found, again))
    assert first.standard_error == pytest.approx(second.standard_error)
    # By hand: what a regression of the differences on a constant has as its CR1 error.
    a, b = (
        tested["y"].to_numpy() - np.asarray(each.predict(tested)).ravel() for each in (one, other)
    )
    gap = pl.DataFrame({"who": tested["who"], "d": b**2 - a**2})
    sums = gap.with_columns(pl.col("d") - pl.col("d").mean()).group_by("who").sum()["d"].to_numpy()
    assert first.standard_error == pytest.approx(np.sqrt(30 / 29 * (sums**2).sum()) / 300)
    # Text tells the same customers apart; without the column rows are taken as independent.
    text = one.compare(tested.with_columns(pl.col("who").cast(pl.String)), other)
    assert text.targets[0].differences[0] == first
    alone = one.compare(tested.drop("who"), other).targets[0].differences[0]
    assert alone.standard_error == pytest.approx(stats.sem(b**2 - a**2))
