"""Copies of rows, and repeated inputs, make the error on held-out rows one of rows it knows."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

RNG = np.random.default_rng(1)


def noise(rows: int, columns: int, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    inputs = {f"x{at}": rng.normal(size=rows) for at in range(columns)}
    return pl.DataFrame({**inputs, "y": rng.normal(size=rows)})


def shuffled(table: pl.DataFrame, copies: int) -> pl.DataFrame:
    return pl.concat([table] * copies).sample(fraction=1, shuffle=True, seed=0)


def copies_told(table: Any, **how: Any) -> list[str]:
    notes = dr.learn(table, **{"predict": "y", **how}).record.notes
    return [one for one in notes if "rows it knows" in one]


def vectors(rows: int = 40, columns: int = 25, each: int = 10) -> pl.DataFrame:
    """So many feature vectors, each of several rows, that say nothing of their target."""
    rng = np.random.default_rng(3)
    own = np.repeat(np.arange(rows), each)
    features = rng.normal(size=(rows, columns))[own]
    target = rng.normal(size=rows)[own] + 0.1 * rng.normal(size=len(own))
    named = {f"x{at}": features[:, at] for at in range(columns)}
    return pl.DataFrame({**named, "who": own, "y": target})


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"ridge": 0},
        {"folds": 10},
        {"loss": "huber"},
        {"learner": "newton"},
        {"weight": "n"},
    ],
    ids=str,
)
def test_copies_of_noise_are_told(how: dict[str, Any], tmp_path: Path) -> None:
    table = shuffled(noise(40, 30), 5)
    if "weight" in how:
        table = noise(40, 30).with_columns(n=5)
    table.write_csv(tmp_path / "t.csv")
    for source in (table, tmp_path / "t.csv"):
        [note] = copies_told(source, **how)
        assert note.startswith("100% of rows have the inputs of rows in other parts")
        assert ("--id" if "weight" in how else "--group") in note


def test_the_error_told_is_that_of_copies_in_one_fold() -> None:
    table = vectors()
    inputs = [name for name in table.columns if name not in ("who", "y")]
    told = dr.learn(table, predict="y", using=inputs).record
    together = dr.learn(table, predict="y", using=inputs, group="who").record
    assert told.held_out is not None
    assert together.held_out is not None
    [note] = copies_told(table, using=inputs)
    [words] = [one for one in note.split("; ") if "in place of" in one]
    larger, smaller = (
        float(one) for one in words.split(":")[0].split(" is ")[1].split(" in place of ")
    )
    assert smaller == pytest.approx(told.held_out[0].rmse, rel=1e-5)
    # Groups fall into other folds by another name: the error is that but for chance.
    assert larger == pytest.approx(together.held_out[0].rmse, rel=0.1)
    assert larger > 1.5 * smaller
    assert not copies_told(table, using=inputs, group="who")


def test_copies_of_classes_and_counts_are_told() -> None:
    table = vectors()
    yes = table.with_columns(y=pl.col("y") > 0).drop("who")
    [note] = copies_told(yes)
    assert "log loss is " in note
    high = pl.when(pl.col("y") > 0.5).then(pl.lit("a")).otherwise(pl.lit("b"))
    which = table.with_columns(y=pl.when(pl.col("y") < -0.5).then(pl.lit("c")).otherwise(high))
    assert "log loss is " in copies_told(which.drop("who"))[0]
    assert copies_told(table.with_columns(y=pl.col("y").exp()).drop("who"), loss="gamma")


def test_copies_of_rows_of_all_kinds_are_told() -> None:
    """The sample has the values of expressions, dates and categories, not the columns read."""
    table = noise(40, 30).with_columns(
        x0=pl.when(pl.col("x1") > 1).then(None).otherwise(pl.col("x0")),
        kind=pl.Series(["1", "2", "c", "d"] * 10),
        day=pl.date(2024, 1, 1) + pl.duration(days=pl.int_range(40)),
        flag=pl.Series([True, False] * 20),
        who=pl.int_range(40),
    )
    table = shuffled(table, 5)
    inputs = [f"x{at}" for at in range(20)]
    for how in (
        {"without": "who"},
        {"using": [*inputs, "poly(x20, 3)", "x21:kind", "day", "exp(x22)", "flag"]},
        {"without": "who", "predict": ["y", "x5"]},
        {"without": "who", "predict": "exp(y)"},
        {"without": "who", "positive": "x3", "lasso": 0.0, "ridge": 0},
    ):
        assert copies_told(table, **how), how
    assert not copies_told(table, id="who")
    assert not copies_told(table, group="who")
    aside = table.with_columns(y=pl.col("y") + 10.0)[:50]
    for tested, count in ((table[:50], 1), (aside, 0)):
        how = {"using": [*inputs, "day", "exp(x22)", "kind"], "ridge": 1}
        # Of copied rows the note on them tells; here the rows learnt from are all different.
        found = held_out_told(table.unique("who"), tested, **how)
        assert len(found) == count


def test_copies_in_a_large_table_are_told() -> None:
    [note] = copies_told(shuffled(noise(40, 30), 1500))
    assert "held out together in a sample of " in note


def test_some_copies_are_told_where_they_matter() -> None:
    """A join that gives half of the rows twelve times; of a tenth twice, nothing would differ."""
    one = noise(60, 30)
    many = pl.concat([one[:30]] * 12 + [one[30:]]).sample(fraction=1, shuffle=True, seed=0)
    assert copies_told(many)
    few = pl.concat([noise(400, 5), noise(400, 5)[:40]]).sample(fraction=1, shuffle=True, seed=0)
    assert not copies_told(few)


NATURAL: dict[str, pl.DataFrame] = {
    "titanic": pl.DataFrame(
        {
            "class": RNG.choice(["1", "2", "3", "crew"], 2201),
            "sex": RNG.choice(["m", "f"], 2201, p=[0.8, 0.2]),
            "age": RNG.choice(["child", "adult"], 2201, p=[0.05, 0.95]),
            "y": RNG.uniform(size=2201) < 0.3,
        }
    ),
    "yes and no": pl.DataFrame(
        {"a": RNG.integers(0, 2, 300), "b": RNG.integers(0, 2, 300), "y": RNG.normal(size=300)}
    ),
    "six answers": pl.DataFrame(
        {f"q{at}": RNG.integers(0, 3, 500) for at in range(6)} | {"y": RNG.normal(size=500)}
    ),
    "doses": pl.DataFrame(
        {"dose": np.repeat(np.arange(12.0), 20), "y": np.repeat(np.arange(12.0), 20)}
    ).with_columns(pl.col("y") + RNG.normal(size=240)),
    "rare words": pl.DataFrame(
        {f"w{at}": RNG.poisson(0.05, 400) for at in range(20)} | {"y": RNG.normal(size=400)}
    ),
    "stations": pl.DataFrame(
        {
            "lat": np.tile(RNG.normal(size=40), 10),
            "lon": np.tile(RNG.normal(size=40), 10),
            "y": RNG.normal(size=400),
        }
    ),
    "continuous": noise(200, 30),
}


@pytest.mark.parametrize("name", NATURAL)
def test_copies_that_few_values_explain_are_no_alarm(name: str) -> None:
    assert copies_told(NATURAL[name]) == []


def held_out_told(table: pl.DataFrame, hold_out: pl.DataFrame, **how: Any) -> list[str]:
    notes = dr.learn(table, **{"predict": "y", **how}, hold_out=hold_out).record.notes
    return [one for one in notes if "were learnt from" in one]


@pytest.mark.parametrize("known", [0, 20, 60, 100])
def test_rows_of_a_test_table_that_were_learnt_from_are_counted(known: int) -> None:
    table = noise(400, 5)
    tested = table[300 - known : 400 - known].reverse()
    found = held_out_told(table[:300], tested)
    told = f"the table: about {known}% of its rows are rows that were learnt from, which the error"
    assert len(found) == (known > 0)
    assert all(one.startswith(told) for one in found)


def test_the_share_is_estimated_in_a_large_table() -> None:
    table = noise(60_000, 3)
    [note] = held_out_told(table, table[:2000])
    assert 80 <= int(note.split("about ")[1].split("%")[0]) <= 100
    assert not held_out_told(table[:50_000], table[50_000:])


@pytest.mark.parametrize("name", ["titanic", "yes and no", "six answers"])
def test_new_rows_that_equal_old_ones_by_their_few_values_are_new(name: str) -> None:
    table = NATURAL[name]
    half = table.height // 2
    assert held_out_told(table[:half], table[half:]) == []


def test_sums_keep_what_was_told_of_copies() -> None:
    table = vectors().drop("who")
    asked: dict[str, Any] = {"predict": "y", "keep_summary": True}
    first = dr.learn(table, **asked)
    assert len([one for one in first.record.notes if "rows it knows" in one]) == 1
    more = first.learn_more(vectors(each=2).drop("who"))
    again = more.learn_more(vectors(each=3).drop("who"))
    for model in (more, again):
        [told] = [one for one in model.record.notes if one.startswith("of the rows before: ")]
        assert "100% of rows have the inputs of rows in other parts" in told
        assert any("rows have no id" in one for one in model.record.notes)
    by_id = [dr.learn(one, **asked, id="who") for one in (vectors(), vectors(each=2))]
    assert not any("no id" in note for note in dr.merge(*by_id).record.notes)
