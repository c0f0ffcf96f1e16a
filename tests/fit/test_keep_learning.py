"""Models of more rows, of fewer, and of several tables' together: as if learnt from those rows."""

import ast
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import (
    ColumnError,
    LearningError,
    ModelError,
    OutputError,
)
from deltarule.fit import keep_learning
from deltarule.model import model_and_sums
from deltarule.model.model_and_sums import alone, sums_beside
from deltarule.tables.schema_columns import OTHER, Category, Number
from tests.fit.two_processes import learn_at_once

FILMS = Path(dr.__file__).parent / "data" / "movies.csv"


def rows(seed: int, n: int) -> pl.DataFrame:
    """Numbers with gaps, levels of which some are rare, yes and no, weights, an offset, groups."""
    rng = np.random.default_rng(seed)
    levels = list("abcdefgh")
    share = np.array([0.3, 0.3, 0.15, 0.1, 0.08, 0.04, 0.02, 0.01])
    table = pl.DataFrame(
        {
            "key": np.arange(n) * 7 + 3,
            "x": rng.normal(1e3, 2, n),
            "z": rng.normal(size=n),
            "level": rng.choice(levels, n, p=share),
            "yes": rng.uniform(size=n) < 0.4,
            "times": rng.integers(1, 4, n),
            "base": rng.normal(size=n),
            "site": rng.integers(0, 40, n),
        }
    )
    values = pl.Series(0.5 * table["x"] - table["z"] + table["base"] + rng.normal(size=n))
    gap = pl.Series(rng.uniform(size=n) < 0.1)
    return table.with_columns(
        y=values,
        two=values * 2 + pl.Series(rng.normal(size=n)),
        x=pl.when(gap).then(None).otherwise(pl.col("x")),
        level=pl.when(gap & (pl.col("key") % 2 == 0)).then(None).otherwise(pl.col("level")),
    )


SETTINGS: dict[str, dict[str, Any]] = {
    "rows": {"predict": "y"},
    "id": {"predict": "y", "id": "key"},
    "group": {"predict": "y", "group": "site"},
    "weighted": {"predict": "y", "weight": "times"},
    "offset": {"predict": "y", "offset": "base", "id": "key"},
    "two targets": {"predict": ["y", "two"]},
    "two targets by id": {"predict": ["y", "two"], "id": "key"},
    "weighted by id": {"predict": "y", "weight": "times", "id": "key"},
    "weighted by group": {"predict": "y", "weight": "times", "group": "site"},
    "dropped": {"predict": "y", "missing": "drop", "id": "key"},
    "ridge": {"predict": "y", "ridge": 0.3, "id": "key"},
    "lasso": {"predict": "y", "lasso": 0.02, "id": "key"},
    "expressions": {"predict": "y", "using": ["x", "z * z", "x:z", "yes"], "id": "key"},
}


def learnt(table: Any, how: dict[str, Any]) -> dr.Model:
    using = {} if "using" in how else {"using": ["x", "z", "level", "yes"]}
    return dr.learn(table, keep_summary=True, **using, **how)


def same(found: dr.Model, known: dr.Model, *, held_out: bool = True) -> None:
    """To 1e-10, and the same schema: sums in another order round in their last digits."""
    assert found.outputs == known.outputs
    one, other = found.weights, known.weights
    assert one.select("output", "input", "level").equals(other.select("output", "input", "level"))
    for column in ("weight", "standard_error"):
        np.testing.assert_allclose(
            one[column].cast(float).to_numpy(),
            other[column].cast(float).to_numpy(),
            rtol=1e-9,
            atol=1e-10 * float(other["weight"].abs().max()),  # type: ignore[arg-type]
        )
    same_schema(found, known)
    if held_out:
        assert [one.ridge for one in found.record.learnt] == [
            one.ridge for one in known.record.learnt
        ]
        assert found.rmse == pytest.approx(known.rmse, rel=1e-10)
        assert found.r2 == pytest.approx(known.r2, rel=1e-9)


def same_schema(found: dr.Model, known: dr.Model) -> None:
    """The same columns, levels, counts and fills; ranges too, where no rows were forgotten."""
    one, other = found.record.contract, known.record.contract
    assert [column.name for column in one.columns] == [column.name for column in other.columns]
    bounded = any("ranges are bounds" in note for note in found.record.notes)
    for mine, theirs in zip(one.columns, other.columns, strict=True):
        assert mine.missing == pytest.approx(theirs.missing)
        if isinstance(theirs, Category):
            assert isinstance(mine, Category)
            assert mine.known == pytest.approx(theirs.known)
            assert list(mine.known) == list(theirs.known)
            assert (mine.reference, mine.pooled) == (theirs.reference, theirs.pooled)
            continue
        assert isinstance(mine, Number)
        assert mine.mean == pytest.approx(theirs.mean, rel=1e-10)
        assert mine.gap == theirs.gap
        if bounded:
            assert mine.low <= theirs.low
            assert mine.high >= theirs.high
        else:
            assert (mine.low, mine.high) == (theirs.low, theirs.high)
    assert found.record.rows == pytest.approx(known.record.rows)
    assert found.record.examples == known.record.examples


@pytest.mark.parametrize("how", SETTINGS.values(), ids=list(SETTINGS))
def test_learning_more_is_learning_from_all_rows(how: dict[str, Any]) -> None:
    table = rows(1, 900)
    same(learnt(table[:600], how).learn_more(table[600:]), learnt(table, how))


@pytest.mark.parametrize("how", SETTINGS.values(), ids=list(SETTINGS))
def test_forgetting_is_never_having_learnt(how: dict[str, Any]) -> None:
    table = rows(2, 900)
    if "id" not in how and "group" not in how and "ridge" not in how:
        how = {**how, "ridge": 0}
    found = learnt(table, how).forget(table[600:])
    keyed = "id" in how or "group" in how
    same(found, learnt(table[:600], how), held_out=keyed)
    if not keyed:
        assert found.held_out is None
        assert any("no rows are held out any more" in note for note in found.record.notes)


@pytest.mark.parametrize("name", ["id", "group", "two targets by id", "weighted by id"])
def test_merging_in_any_order_is_learning_from_all_rows(name: str) -> None:
    table, how = rows(3, 900), SETTINGS[name]
    models = [learnt(table[start : start + 300], how) for start in (0, 300, 600)]
    known = learnt(table, how)
    for order in permutations(models):
        same(dr.merge(*order), known)
    same(dr.merge(dr.merge(models[0], models[1]), models[2]), known)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), cut=st.integers(60, 240), back=st.integers(1, 40))
def test_forgetting_then_learning_the_same_rows_returns_to_the_start(
    seed: int, cut: int, back: int
) -> None:
    table, how = rows(seed, 300), SETTINGS["id"]
    known = learnt(table, how)
    part = table[cut : cut + back]
    same(known.forget(part).learn_more(part), known)


KEYED = (
    *("id", "group", "offset", "dropped", "ridge", "lasso", "expressions"),
    *("two targets by id", "weighted by id", "weighted by group"),
)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(120, 700),
    share=st.floats(0.1, 0.9),
    name=st.sampled_from(KEYED),
)
def test_any_table_in_any_two_parts(seed: int, n: int, share: float, name: str) -> None:
    """Of 120 to 700 rows, levels cross the threshold of pooling, and it moves at 500 rows."""
    table, how = rows(seed, n), SETTINGS[name]
    cut = max(60, min(n - 20, int(share * n)))
    first, second, whole = table[:cut], table[cut:], learnt(table, how)
    model = learnt(first, how)
    same(model.learn_more(second), whole)
    try:
        less = whole.forget(second)
    except LearningError as error:
        # Of few rows with columns that are nearly dependent, digits need the rows: it is refused.
        assume("digits need the rows once more" not in str(error))
        raise
    same(less, model)
    if n - cut >= 60:
        same(dr.merge(learnt(second, how), model), whole)


def test_a_level_crosses_the_threshold_of_pooling_both_ways() -> None:
    rng = np.random.default_rng(1)
    n = 800
    table = pl.DataFrame(
        {
            "key": range(n),
            "x": rng.normal(size=n),
            # "rare" has 4 of the first 600 rows, which is pooled, and 4 more of the others.
            "level": [
                "rare"
                if at in (5, 80, 300, 500, 610, 650, 700, 790)
                else "ab"[at % 2]
                if at % 97
                else "few"
                for at in range(n)
            ],
            "y": rng.normal(size=n),
        }
    )
    how = {"predict": "y", "id": "key", "using": ["x", "level"]}
    model, whole = learnt(table[:600], how), learnt(table, how)
    assert "level=rare" not in model.coef
    assert f"level={OTHER}" in model.coef or "level=few" in model.coef
    more = model.learn_more(table[600:])
    assert "level=rare" in more.coef
    same(more, whole)
    same(more.forget(table[600:]), model)
    same(more.forget(table[600:]).learn_more(table[600:]), whole)


REAL = {
    "predict": "gross",
    "using": ["budget", "genre", "rating", "log(budget + 1)", "release_date"],
    "id": "coalesce(title, 'none')",
}


def test_films_by_year_in_any_order_and_grouping() -> None:
    films = pl.read_csv(FILMS, infer_schema_length=None, try_parse_dates=True)
    parts = [films[at::3] for at in range(3)]
    whole = learnt(films, REAL)
    models = [learnt(part, REAL) for part in parts]
    for order in permutations(range(3)):
        one, two, three = (models[at] for at in order)
        same(dr.merge(one, two, three), whole)
        same(dr.merge(one, dr.merge(two, three)), whole)
    more = models[0].learn_more(parts[1]).learn_more(parts[2])
    same(more, whole)
    same(more.forget(parts[2]), dr.merge(models[0], models[1]))


def test_slopes_of_later_levels_are_shared_and_that_is_said() -> None:
    table = rows(4, 600)
    new = rows(5, 60).with_columns(level=pl.lit("new"), key=pl.col("key") + 1_000_000)
    how = {"predict": "y", "id": "key", "using": ["x", "x:level"]}
    more = learnt(table, how).learn_more(new)
    assert any(
        "x:level has a slope for each level of the table that was learnt first" in note
        for note in more.record.notes
    )


def ranked_apart() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two tables of the same levels, each most frequent in another of them, but for a rare one."""
    rng = np.random.default_rng(5)
    tables = []
    for n, often in ((120, 0.2), (180, 0.8)):
        day = rng.choice(["week", "weekend"], n, p=[often, 1 - often])
        shop = rng.choice(list("ABCD"), n, p=[0.4, 0.3, 0.2, 0.1])
        x = rng.normal(5, 1, n)
        y = x * np.where(day == "week", 1, 3) + np.where(shop == "A", 2, 0) + rng.normal(size=n)
        key = np.arange(n) + n * n
        tables.append(pl.DataFrame({"x": x, "day": day, "shop": shop, "y": y, "key": key}))
    return tables[0], tables[1]


@pytest.mark.parametrize(
    ("using", "reference"),
    [
        (["x:day"], None),
        (["x:shop", "day"], None),
        (["x", "x:day"], {"day": "week"}),
        (["shop", "shop:day"], {"day": "weekend"}),
        (["shop", "day", "shop:day"], {"day": "week", "shop": "B"}),
    ],
)
def test_interactions_are_those_of_all_rows_whichever_levels_a_table_has_most(
    using: list[str], reference: dict[str, str] | None
) -> None:
    one, two = ranked_apart()
    how = {"predict": "y", "using": using, "id": "key", "ridge": 0.5, "reference": reference}
    whole = learnt(pl.concat([one, two]), how)
    assert "first" not in " ".join(whole.record.notes)
    more = learnt(one, how).learn_more(two)
    same(more, whole)
    same(dr.merge(learnt(two, how), learnt(one, how)), whole)
    same(more.forget(one), learnt(two, how))
    assert all("measured from" not in note for note in more.record.notes)


@pytest.mark.parametrize(
    ("using", "side"), [(["x", "x:day"], "x:day"), (["shop", "shop:day"], "shop:day")]
)
def test_a_reference_level_of_the_first_table_is_said(using: list[str], side: str) -> None:
    one, two = ranked_apart()
    how = {"predict": "y", "using": using, "id": "key"}
    more = learnt(one, how).learn_more(two)
    (told,) = [note for note in more.record.notes if "measured from" in note]
    assert told.startswith(f"{side} is measured from the most frequent level of day in the table")
    assert "--reference day=LEVEL" in told
    with pytest.raises(LearningError, match="learn both with the same --reference day=LEVEL"):
        dr.merge(learnt(one, how), learnt(two, how))
    fewer = two.filter(pl.col("shop") != "D")
    how = {"predict": "y", "using": ["x:shop"], "id": "key"}
    with pytest.raises(LearningError, match="learn the rows of one table --into the other's"):
        dr.merge(learnt(one, how), learnt(fewer, how))


def test_a_new_level_joins_and_one_without_rows_is_gone() -> None:
    table, how = rows(4, 600), SETTINGS["id"]
    new = rows(5, 60).with_columns(level=pl.lit("new"), key=pl.col("key") + 1_000_000)
    known = learnt(table, how)
    more = known.learn_more(new)
    assert "level=new" in more.coef
    less = more.forget(new)
    assert "level=new" not in less.coef
    same(less, known)
    [z] = [one for one in less.record.contract.columns if one.name == "z"]
    assert isinstance(z, Number)
    assert z.low <= float(table["z"].min())  # type: ignore[arg-type]


def test_a_condition_says_which_rows_are_forgotten() -> None:
    table, how = rows(6, 600), SETTINGS["id"]
    found = learnt(table, how).forget(table, where="site = 7")
    same(found, learnt(table.filter(pl.col("site") != 7), how))


def test_rows_that_were_never_there_are_refused() -> None:
    table, how = rows(7, 600), SETTINGS["id"]
    model = learnt(table[:300], how)
    with pytest.raises(LearningError, match="not all learnt from"):
        model.forget(table[250:350])
    with pytest.raises(LearningError, match="not all learnt from"):
        model.forget(table)
    with pytest.raises(LearningError, match="not all learnt from"):
        model.forget(table[:50]).forget(table[:50])


def test_the_same_table_twice_is_refused_unless_it_is_meant() -> None:
    table, how = rows(8, 600), SETTINGS["rows"]
    model = learnt(table[:400], how).learn_more(table[400:])
    for part in (table[:400], table[400:], table[400:].sample(fraction=1, shuffle=True, seed=1)):
        with pytest.raises(LearningError, match="learnt from before"):
            model.learn_more(part)
    assert model.learn_more(table[400:], again=True).record.examples == 800
    with pytest.raises(LearningError, match="given twice"):
        dr.merge(model, learnt(table[:400], how))


def test_a_column_of_another_kind_is_refused_by_name() -> None:
    table, how = rows(9, 600), SETTINGS["rows"]
    model = learnt(table[:300], how)
    with pytest.raises(ColumnError, match="the column 'z' is text, and was numbers"):
        model.learn_more(table[300:].with_columns(z=pl.lit("far")))
    with pytest.raises(ColumnError, match="no column 'level'"):
        model.learn_more(table[300:].drop("level"))
    blank = model.learn_more(table[300:].with_columns(z=pl.lit(None)))
    assert blank.record.examples == 600


def test_few_values_of_the_new_rows_are_not_said_of_all() -> None:
    n = np.arange(100)
    first = {"x": n % 7, "y": n / 4}
    kept = dr.learn(first, predict="y", keep_summary=True)
    more = kept.learn_more({"x": [1, 2, 3, 4], "y": [3, 4, 5, 5]})
    for model in (more, more.forget({"x": [1, 2, 3, 4], "y": [3, 4, 5, 5]})):
        assert "different values" not in " ".join(model.record.notes)


def test_a_single_row_and_few_columns_of_a_part_are_enough() -> None:
    table, how = rows(10, 601), SETTINGS["rows"]
    same(learnt(table[:600], how).learn_more(table[600:]), learnt(table, how))


def test_levels_that_are_nearly_unique_in_a_part_are_levels() -> None:
    rng = np.random.default_rng(1)
    table = pl.DataFrame({"key": range(1200), "level": rng.integers(0, 100, 1200)})
    table = table.with_columns(
        pl.format("l{}", "level").alias("level"), y=pl.col("level") % 7 + rng.normal(size=1200)
    )
    how = {"predict": "y", "id": "key", "using": ["level"]}
    model, part = learnt(table[:1000], how), table[1000:1100]
    part = pl.concat([part.unique("level", keep="first", maintain_order=True), part[:0]])
    whole = pl.concat([table[:1000], part])
    more = model.learn_more(part)
    same(more, learnt(whole, how))
    same(more.forget(part), model)


def test_what_takes_sums_says_where_they_are_made() -> None:
    table = rows(11, 300)
    with pytest.raises(LearningError, match="keep-summary"):
        dr.learn(table, predict="y").learn_more(table)
    with pytest.raises(LearningError, match="keep-summary"):
        dr.learn(table, predict="y").forget(table)
    one = learnt(table, {"predict": "y"})
    with pytest.raises(LearningError, match="different settings: ridge"):
        dr.merge(one, learnt(rows(13, 300), {"predict": "y", "ridge": 1.0}))


def test_other_losses_say_what_they_need(tmp_path: Path, run: Any) -> None:
    table = rows(18, 300)
    model = dr.learn(table, predict="yes", using=["x", "z"])
    with pytest.raises(LearningError, match=r"logistic loss, so the old rows are needed"):
        model.learn_more(table)
    with pytest.raises(LearningError, match="learn anew from all that stay"):
        model.forget(table[:10])
    model.save(tmp_path / "m.json")
    table.write_csv(tmp_path / "t.csv")
    for command in (["learn", tmp_path / "t.csv", "--into"], ["forget"]):
        rest = [] if "--into" in command else [tmp_path / "t.csv"]
        assert "old rows are needed" in run(*command, tmp_path / "m.json", *rest).refused()


# Files


def test_model_and_sums_are_saved_loaded_and_changed(tmp_path: Path) -> None:
    table, how = rows(14, 600), SETTINGS["id"]
    path = tmp_path / "m.json"
    learnt(table[:400], how).save(path, summary=sums_beside(path))
    again = dr.load(path, summary=tmp_path / "m.sums")
    again.learn_more(table[400:]).save(path, summary=tmp_path / "m.sums")
    same(dr.load(path, summary=tmp_path / "m.sums"), learnt(table, how))
    other = learnt(table[:300], how)
    other.save(tmp_path / "other.json", summary=tmp_path / "other.sums")
    with pytest.raises(ModelError, match="another model, or of another state"):
        dr.load(path, summary=tmp_path / "other.sums")
    dr.learn(table, predict="y").save(path)
    with pytest.raises(ModelError, match="without its sums"):
        dr.load(path, summary=tmp_path / "m.sums")


@pytest.mark.parametrize("stop", ["write_whole", "save", "_take"])
def test_an_interruption_leaves_the_old_pair_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    table, how = rows(15, 400), SETTINGS["id"]
    path, sums = tmp_path / "m.json", tmp_path / "m.sums"
    before = learnt(table[:300], how)
    before.save(path, summary=sums)
    after = before.learn_more(table[300:])

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(model_and_sums.saved if stop == "save" else model_and_sums, stop, killed)
        with pytest.raises(Killed):
            after.save(path, summary=sums)
    same(dr.load(path, summary=sums), after if stop == "_take" else before)
    same(
        dr.load(path, summary=sums).learn_more(rows(16, 50), again=True).forget(rows(16, 50)),
        after if stop == "_take" else before,
    )


KILLED = """
import os, random, signal, sys, time
import polars as pl
import deltarule as dr
from pathlib import Path
from deltarule.fit import keep_learning
from deltarule.model.model_and_sums import alone, save_both, sums_beside

path = Path(sys.argv[1])
table = pl.DataFrame({"key": range(300), "x": [at % 17 for at in range(300)],
                      "y": [at % 23 for at in range(300)]})
states = [dr.learn(part, predict="y", id="key", keep_summary=True) for part in (table[:200], table)]
content = [(one.record, one.kept.to_bytes()) for one in states]
states[0].save(path, summary=sums_beside(path))
seen, chance = set(), random.Random(1)
for kill in range(80):
    child = os.fork()
    if not child:
        while True:
            for record, raw in content[:: 1 if kill % 2 else -1]:
                with alone(sums_beside(path)):
                    save_both(record, raw, path, sums_beside(path))
    time.sleep(chance.uniform(0.0, 0.08))
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL  # it was at work until then
    before = sorted(one.name for one in path.parent.iterdir())
    model = keep_learning.load(path)
    assert model.record.examples == model.kept.summary.examples
    seen.add((model.record.examples, any(name.endswith(".new") for name in before)))
    with alone(sums_beside(path)):  # whoever was killed holds no lock
        pass
print(sorted(seen))
"""


def test_killed_at_any_moment_the_files_are_of_one_state(tmp_path: Path) -> None:
    """Eighty kills of a process that does nothing but change both files."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path / "m.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Both states were met, and some kills came between the files.
    assert {examples for examples, _ in ast.literal_eval(done.stdout)} == {200, 300}
    assert any(between for _, between in ast.literal_eval(done.stdout))


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    path, table = tmp_path / "m.json", rows(18, 400)
    learnt(table[:200], SETTINGS["id"]).save(path, summary=sums_beside(path))
    done = learn_at_once(path, [table[200:300], table[300:]])
    model = keep_learning.load(path)
    assert model.record.examples == 200 + 100 * done
    assert model.kept.summary.examples == model.record.examples  # type: ignore[union-attr]


def test_two_at_once_are_one_too_many(tmp_path: Path) -> None:
    sums = tmp_path / "m.sums"
    with (
        alone(sums),
        pytest.raises(OutputError, match="another process is changing"),
        alone(sums),
    ):
        pass
    with alone(sums):
        pass
    assert not list(tmp_path.iterdir())


def test_the_commands_change_a_model_by_its_sums(tmp_path: Path, run: Any, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = pl.read_csv(FILMS, infer_schema_length=None)
    whole[:2000].write_csv("jan.csv")
    whole[2000:].write_csv("feb.csv")
    using = ["--predict", "gross", "--using", "budget,genre,us_gross"]
    assert run("learn", "jan.csv", *using, "--save", "m.json", "--keep-summary", "m.sums").code == 0
    assert run("learn", "feb.csv", "--into", "m.json").code == 0
    known = dr.learn(whole, predict="gross", using=["budget", "genre", "us_gross"])
    same(dr.load("m.json"), known)
    assert "learnt from before" in run("learn", "feb.csv", "--into", "m.json").refused()
    assert run("forget", "m.json", "feb.csv").code == 0
    assert dr.load("m.json").record.examples == dr.learn("jan.csv", predict="gross").record.examples
    assert "not all learnt from" in run("forget", "m.json", "feb.csv").refused()
    for one in ("jan", "feb"):
        made = run(
            "learn", f"{one}.csv", *using, "--save", f"{one}.json", "--keep-summary", f"{one}.sums"
        )
        assert made.code == 0
    assert run("merge", "jan.json", "feb.sums", "-o", "both.json").code == 0
    same(dr.load("both.json"), known, held_out=False)
    assert dr.load("both.json").record.examples == known.record.examples
    assert run("learn", "jan.csv").code == 2
    assert run("learn", "jan.csv", "--predict", "gross", "--keep-summary", "x.sums").code == 2


def copied(seed: int) -> pl.DataFrame:
    """Noise of 40 different rows, ten times each, which 30 weights learn by heart."""
    rng = np.random.default_rng(seed)
    columns = {f"x{at}": rng.normal(size=40) for at in range(30)}
    rows = pl.DataFrame({**columns, "y": rng.normal(size=40)})
    return pl.concat([rows] * 10).sample(fraction=1, shuffle=True, seed=seed)


def test_merging_keeps_the_notes_on_copies_and_says_that_more_may_have_joined(
    tmp_path: Path,
) -> None:
    models = [dr.learn(copied(seed), predict="y", keep_summary=True) for seed in (0, 1)]
    notes = [note for model in models for note in model.record.notes if "rows it knows" in note]
    known = [f"of the rows before: {note}" for note in notes]
    assert len(known) == 2
    for at, model in enumerate(models):
        model.save(tmp_path / f"{at}.json", summary=tmp_path / f"{at}.sums")
    merged = dr.merge(*models)
    assert [note for note in merged.record.notes if "rows it knows; with" in note] == known
    assert any("rows have no id: those of one table" in note for note in merged.record.notes)
    # What a file of sums alone does not say, a model beside it does.
    again = dr.merge(*(keep_learning.kept_of(tmp_path / f"{at}.json") for at in (0, 1)))
    assert again.record.notes == merged.record.notes
    alone = dr.merge(*(keep_learning.kept_of(tmp_path / f"{at}.sums") for at in (0, 1)))
    assert not [note for note in alone.record.notes if "rows it knows; with" in note]
    assert any("rows have no id" in note for note in alone.record.notes)
