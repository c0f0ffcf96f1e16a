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
from deltarule.errors import ColumnError, EmptyError, LearningError


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


# Rows that belong together.


def customers(rng: np.random.Generator, *, first: int, missing: bool = False) -> pl.DataFrame:
    """30 customers of 10 rows; b and c are noise of the customer, and so is a part of y."""
    group = np.repeat(np.arange(30), 10)
    a, b, c, own = rng.normal(size=300), *rng.normal(size=(3, 30))[:, group]
    each = pl.Series((group + first).astype(float))
    each = each.set(each == first, None) if missing else each
    y = a + 1.5 * own + rng.normal(size=300)
    return pl.DataFrame({"a": a, "b": b, "c": c, "cust": each, "y": y})


def two(train: pl.DataFrame, **settings: Any) -> list[dr.Model]:
    return [
        dr.learn(train, predict="y", using=["a", one], ridge=0, **settings) for one in ("b", "c")
    ]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    ("settings", "cluster"),
    [
        ({"group": "cust"}, None),
        ({"errors": "cluster", "cluster": "cust"}, None),
        ({"id": "cust"}, None),
        ({}, "cust"),
        ({}, "cust * 2 + 1"),
    ],
)
def test_rows_of_a_group_are_taken_together(
    settings: dict[str, Any], cluster: str | None, missing: bool
) -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(8)
    one, other = two(customers(rng, first=0), **settings)
    new = customers(rng, first=1000, missing=missing)
    found = one.compare(new, other, cluster=cluster)
    first = found.targets[0].differences[0]
    off = [(model.predict(new).to_series() - new["y"]).to_numpy() ** 2 for model in (one, other)]
    known = sm.OLS(off[1] - off[0], np.ones(300)).fit(
        cov_type="cluster", cov_kwds={"groups": new["cust"].fill_null(-1).to_numpy()}, use_t=True
    )
    assert first.difference == pytest.approx(known.params[0], rel=1e-9)
    assert first.standard_error == pytest.approx(known.bse[0], rel=1e-9)
    assert first.p == pytest.approx(known.pvalues[0], rel=1e-7)
    assert (first.low, first.high) == pytest.approx(tuple(known.conf_int()[0]), rel=1e-7)
    assert found.clusters == found.to_dict()["clusters"] == 30
    assert "of 30 different cust" in str(found)


def test_two_of_no_use_are_seldom_told_apart_by_rows_in_groups() -> None:
    sure = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        one, other = two(customers(rng, first=0), group="cust")
        new = customers(rng, first=1000)
        sure.append(one.compare(new, other).targets[0].better)
    # Of 20 one is expected; 12 were, where rows were taken to be independent.
    assert sum(better is not None for better in sure) <= 4


def test_copies_of_rows_in_groups_say_no_more() -> None:
    rng = np.random.default_rng(3)
    one, other = two(customers(rng, first=0), group="cust")
    new = customers(rng, first=1000)
    once, often = (one.compare(rows, other) for rows in (new, pl.concat([new] * 20)))
    first, again = (found.targets[0].differences[0] for found in (once, often))
    assert again.standard_error == pytest.approx(first.standard_error, rel=1e-9)


def test_without_the_groups_of_a_model_there_is_no_verdict() -> None:
    rng = np.random.default_rng(3)
    train = customers(rng, first=0)
    one = dr.learn(train, predict="y", using=["a"], group="cust")
    other = dr.learn(train, predict="y", using=["b"])
    new = customers(rng, first=1000)
    assert one.compare(new, other).targets[0].better == "A"
    found = one.compare(new.drop("cust"), other)
    assert found.targets[0].better is None
    assert "no verdict, as the table has no cust" in str(found)
    with pytest.raises(ColumnError):
        one.compare(new.drop("cust"), other, cluster="cust")
    with pytest.raises(LearningError, match="two models"):
        one.compare(new, cluster="cust")  # type: ignore[call-overload]
