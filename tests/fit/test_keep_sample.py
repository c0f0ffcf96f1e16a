"""Other losses keep learning: from all rows exactly, from the rows kept as near as they tell."""

import json
from collections.abc import Callable
from itertools import permutations
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
    EmptyError,
    LearningError,
    ModelError,
    NotAModelError,
    OutputError,
)
from deltarule.fit import keep_learning
from deltarule.fit.kept_sample import KeptSample
from deltarule.model import model_and_sums
from deltarule.model.model_and_sums import sums_beside
from tests.fit.two_processes import learn_at_once


def rows(seed: int, n: int, first: int = 0) -> pl.DataFrame:
    """Mixed kinds with gaps, rare levels, groups, times, weights, an offset, and many targets."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    level = rng.choice(list("abcdefgh"), n, p=[0.3, 0.3, 0.15, 0.1, 0.08, 0.04, 0.02, 0.01])
    score = 0.5 * x - 0.4 * z + np.isin(level, ["a", "c"]) / 2
    table = pl.DataFrame(
        {
            "key": np.arange(first, first + n) * 7 + 3,
            "x": x,
            "z": z,
            "level": level,
            "site": rng.integers(0, 40, n),
            "day": rng.integers(0, 400, n),
            "times": rng.integers(1, 4, n),
            "base": rng.normal(size=n) / 5,
            "size": rng.uniform(0.5, 2, n),
            "yes": rng.uniform(size=n) < 1 / (1 + np.exp(-score)),
            "count": rng.poisson(np.exp(score / 2)),
            "cost": np.exp(score / 2) * rng.gamma(2, size=n),
            "amount": score + rng.standard_t(3, n),
            "kind": np.array(["p", "q", "r"])[np.digitize(score + rng.normal(size=n), [-0.6, 0.7])],
        }
    )
    gap = pl.Series(rng.uniform(size=n) < 0.1)
    return table.with_columns(x=pl.when(gap).then(None).otherwise(pl.col("x")))


HOW: dict[str, dict[str, Any]] = {
    "logistic": {"predict": "yes"},
    "logistic by id": {"predict": "yes", "id": "key"},
    "logistic by group": {"predict": "yes", "group": "site"},
    "logistic by time": {"predict": "yes", "time": "day"},
    "weighted": {"predict": "yes", "weight": "times"},
    "lasso": {"predict": "yes", "lasso": 0.02, "ridge": 0},
    "poisson": {"predict": "count", "loss": "poisson", "id": "key"},
    "exposure": {"predict": "count", "loss": "poisson", "exposure": "size"},
    "offset": {"predict": "count", "loss": "poisson", "offset": "base", "id": "key"},
    "gamma": {"predict": "cost", "loss": "gamma"},
    "tweedie": {"predict": "cost", "loss": "tweedie(1.5)"},
    "huber": {"predict": "amount", "loss": "huber"},
    "quantile": {"predict": "amount", "loss": "quantile(0.8)", "ridge": 0},
    "softmax": {"predict": "kind"},
    "two targets": {"predict": ["yes", "count"], "loss": ["logistic", "poisson"], "id": "key"},
    "squared by time": {"predict": "amount", "time": "day"},
    "clustered": {"predict": "amount", "cluster": "site"},
    "expressions": {"predict": "yes", "using": ["x", "z * z", "x:z", "level"], "id": "key"},
}


def learnt(table: Any, how: dict[str, Any], kept: int | None = None) -> dr.Model:
    return dr.learn(table, keep_sample=kept, **{"using": ["x", "z", "level"], **how})


def same(found: dr.Model, known: dr.Model, near: float = 1e-8) -> None:
    """To how near steps settle: 1e-8 of the gradient at the start, squared by Newton's last."""
    one, other = found.weights, known.weights
    assert one.select("output", "input", "level").equals(other.select("output", "input", "level"))
    size = float(other["weight"].abs().max())  # type: ignore[arg-type]
    for column in ("weight", "standard_error"):
        np.testing.assert_allclose(
            one[column].cast(float).to_numpy(),
            other[column].cast(float).to_numpy(),
            rtol=near,
            atol=near * size,
        )
    mine, theirs = found.record, known.record
    for a, b in zip(mine.contract.columns, theirs.contract.columns, strict=True):
        assert a.model_dump(exclude={"mean"}) == b.model_dump(exclude={"mean"})
        assert getattr(a, "mean", 0) == pytest.approx(getattr(b, "mean", 0), rel=1e-12, abs=1e-14)
    assert [one.ridge for one in mine.learnt] == [one.ridge for one in theirs.learnt]
    assert (mine.rows, mine.examples) == (theirs.rows, theirs.examples)
    assert (mine.held_out is None) == (theirs.held_out is None)
    for a, b in zip(mine.held_out or (), theirs.held_out or (), strict=True):
        assert a.rmse == pytest.approx(b.rmse, rel=1e-7)
        assert a.loss == pytest.approx(b.loss, rel=1e-7)


@pytest.mark.parametrize("name", HOW)
def test_with_the_old_rows_it_is_learning_from_all(name: str) -> None:
    table, how = rows(1, 900), HOW[name]
    model = learnt(table[:600], how, 50)
    found = model.learn_more(table[600:], old=table[:600])
    near = 1e-5 if name in ("huber", "lasso") else 1e-8
    same(found, learnt(table, how), near)
    notes = found.record.notes
    assert any("exact, as from all of them together" in note for note in notes)
    steps = name not in ("huber", "quantile", "lasso", "clustered", "squared by time")
    assert any("began at the weights of the model before" in note for note in notes) == steps
    kept = found.kept
    assert isinstance(kept, KeptSample)
    assert (kept.rows.total, len(kept.rows.draws)) == (900, 50)


@pytest.mark.parametrize("name", HOW)
def test_where_all_rows_were_kept_it_is_learning_from_all(name: str) -> None:
    table, how = rows(2, 700), HOW[name]
    found = learnt(table[:400], how, 400).learn_more(table[400:])
    near = 1e-5 if name in ("huber", "lasso") else 1e-8
    same(found, learnt(table, how), near)
    assert any("were kept, and learnt from again: exact" in note for note in found.record.notes)


@settings(max_examples=5)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(200, 700),
    share=st.floats(0.2, 0.8),
    name=st.sampled_from(["logistic by id", "poisson", "offset", "expressions"]),
)
def test_any_table_in_any_two_parts(seed: int, n: int, share: float, name: str) -> None:
    """More and then fewer, and back: levels cross the threshold of pooling, which moves, too."""
    table, how = rows(seed, n), HOW[name]
    cut = int(share * n)
    first, second, whole = table[:cut], table[cut:], learnt(table, how)
    model = learnt(first, how, 30)
    more = model.learn_more(second, old=first)
    same(more, whole)
    less = more.forget(table, where=f"key >= {second['key'][0]}")
    same(less, learnt(first, how))
    same(more.forget(second, old=table), learnt(first, how))
    same(less.learn_more(second, old=first), whole)


def test_old_weights_save_steps() -> None:
    table = rows(3, 20_000)
    how = {"predict": "yes", "ridge": 0}
    model = learnt(table[:19_000], how, 0)
    found = model.learn_more(table[19_000:], old=table[:19_000])
    known = learnt(table, how)
    assert found.record.learnt[0].steps < known.record.learnt[0].steps
    same(found, known)


# The rows kept alone


@pytest.mark.parametrize("name", ["logistic", "logistic by id", "weighted", "poisson", "softmax"])
def test_rows_kept_stand_for_the_others(name: str) -> None:
    """As learning from them and the new rows, weighted by hand: also what is held out."""
    table, how = rows(4, 900), HOW[name]
    model = learnt(table[:600], how, 140)
    found = model.learn_more(table[600:])
    kept = model.kept
    assert isinstance(kept, KeptSample)
    numbers = kept.rows.numbers
    assert len(set(numbers)) == 140
    by_hand = pl.concat([table[:600][numbers], table[600:]])
    keys = by_hand["key"] if "id" in how else pl.Series([*numbers + 1, *range(601, 901)])
    own = by_hand["times"] if "weight" in how else pl.Series([1] * 440)
    share = pl.Series([600 / 140] * 140 + [1.0] * 300)
    by_hand = by_hand.with_columns(key=keys, share=own * share)
    known = learnt(by_hand, {**how, "weight": "share", "id": "key"})
    np.testing.assert_allclose(found.weights["weight"], known.weights["weight"], rtol=1e-7)
    assert found.record.rows == pytest.approx(known.record.rows)
    assert found.record.held_out is not None
    assert known.record.held_out is not None
    assert found.record.held_out[0].loss == pytest.approx(known.record.held_out[0].loss)
    assert found.weights["standard_error"].null_count() == found.weights.height
    assert any(
        "each counting as 4.286: weights and errors are" in note for note in found.record.notes
    )
    assert found.summary is not None
    assert found.kept.rows.total == 900  # type: ignore[union-attr]


def test_an_estimate_comes_near() -> None:
    table = rows(5, 12_000)
    how = {"predict": "yes", "ridge": 0, "using": ["x", "z"]}
    found = learnt(table[:10_000], how, 2000).learn_more(table[10_000:])
    known = learnt(table, how)
    for name, error in zip(known.coef, known.weights["standard_error"], strict=True):
        # Of 4,000 rows or so in place of 12,000: three times the variance.
        assert abs(found.coef[name] - known.coef[name]) < 4 * np.sqrt(3) * error


def test_twice_the_same_table_is_refused_unless_it_is_meant() -> None:
    table, how = rows(6, 600), HOW["logistic by id"]
    model = learnt(table[:400], how, 100)
    more = model.learn_more(table[400:])
    for part in (table[:400], table[400:]):
        with pytest.raises(LearningError, match="learnt from before"):
            more.learn_more(part)
    assert more.learn_more(table[400:], again=True).kept.rows.total == 800  # type: ignore[union-attr]


def test_what_is_not_given_or_not_the_same_is_refused() -> None:
    table, how = rows(7, 600), HOW["logistic"]
    model = learnt(table[:400], how, 0)
    with pytest.raises(LearningError, match="no row was kept with the model: give those"):
        model.learn_more(table[400:])
    with pytest.raises(LearningError, match="has 300 rows, and the model was learnt from 400"):
        model.learn_more(table[400:], old=table[:300])
    with pytest.raises(LearningError, match="has 300 rows, and the model was learnt from 400"):
        model.forget(table[:300], where="site = 7")
    with pytest.raises(LearningError, match="logistic loss a model forgets by learning from"):
        model.forget(table[:10])
    with pytest.raises(LearningError, match="an --id must have said"):
        model.forget(table[:10], old=table[:400])
    with pytest.raises(EmptyError, match="no rows"):
        learnt(table[:400], how, 50).learn_more(table[:0])
    with pytest.raises(EmptyError, match="no rows"):
        model.learn_more(table[:0], old=table[:400])
    with pytest.raises(LearningError, match="no row is to be forgotten"):
        model.forget(table[:400], where="site = 999")
    with pytest.raises(ColumnError, match="the column 'z' is text, and was number"):
        model.learn_more(table[400:].with_columns(z=pl.lit("far")), old=table[:400])
    with pytest.raises(ColumnError, match="no column 'level'"):
        model.learn_more(table[400:].drop("level"), old=table[:400])
    some = learnt(table[:400], how, 50)
    with pytest.raises(ColumnError, match="the column 'z' is text, and was number"):
        some.learn_more(table[400:].with_columns(z=pl.lit("far")))
    with pytest.raises(ColumnError, match="no column 'level'"):
        some.learn_more(table[400:].drop("level"))
    by_id = learnt(table[:400], HOW["logistic by id"], 50)
    with pytest.raises(LearningError, match="has no row of key 2803, 2810, 2817 and 7 more"):
        by_id.forget(table[400:410], old=table[:400])
    with pytest.raises(LearningError, match=r"give the table .* or rows with --with"):
        by_id.forget(table[:10])
    sums = dr.learn(table[:400], predict="amount", using=["x"], keep_summary=True)
    with pytest.raises(LearningError, match="are kept, and exact: leave out --with"):
        sums.learn_more(table[400:], old=table[:400])
    with pytest.raises(LearningError, match="merge sums, or samples"):
        dr.merge(sums, some)


def test_settings_of_one_table_alone_are_refused() -> None:
    table = rows(8, 300)
    for name, value in (("half_life", 9.0), ("window", 99), ("alpha", 0.1), ("start", {"x": 1.0})):
        with pytest.raises(LearningError, match=f"which {name} cannot be"):
            learnt(table, {"predict": "yes", name: value}, 10)
    for wrong in (-1, 2.5, 10**9):
        with pytest.raises(LearningError, match="keep_sample"):
            learnt(table, {"predict": "yes"}, wrong)  # type: ignore[arg-type]
    with pytest.raises(LearningError, match="leave one out"):
        dr.learn(table, predict="amount", keep_summary=True, keep_sample=5)
    with pytest.raises(LearningError, match=r"time needs the rows: .* or --keep-sample"):
        dr.learn(table, predict="amount", time="day", keep_summary=True)


@pytest.mark.parametrize("name", ["logistic by id", "poisson", "two targets"])
def test_merging_in_any_order_is_learning_from_all_rows_kept(name: str) -> None:
    table, how = rows(9, 900), HOW[name]
    models = [learnt(table[start : start + 300], how, 900) for start in (0, 300, 600)]
    known = learnt(table, how)
    for order in permutations(models):
        same(dr.merge(*order), known)
    few = [learnt(table[start : start + 300], how, 100) for start in (0, 300, 600)]
    first = dr.merge(*few)
    for order in permutations(few):
        found = dr.merge(dr.merge(order[0], order[1]), order[2])
        np.testing.assert_allclose(
            found.weights.sort("output", "input", "level")["weight"].to_numpy(),
            first.weights.sort("output", "input", "level")["weight"].to_numpy(),
            rtol=1e-7,
            atol=1e-9,
        )
    with pytest.raises(LearningError, match="given twice"):
        dr.merge(few[0], few[0])
    with pytest.raises(LearningError, match="different settings: id is key in one, none in"):
        dr.merge(few[0], learnt(table[:300], {**how, "id": None}, 100))


def test_a_complete_sample_forgets_by_id() -> None:
    table, how = rows(10, 400), HOW["logistic by id"]
    same(learnt(table, how, 400).forget(table[:30]), learnt(table[30:], how))


def test_forgotten_rows_are_not_kept_either() -> None:
    table, how = rows(11, 500), HOW["logistic by id"]
    found = learnt(table, how, 400).forget(table, where="site < 20")
    kept = found.kept
    assert isinstance(kept, KeptSample)
    gone = set(table.filter(pl.col("site") < 20)["key"])
    assert not gone & set(kept.rows.frame["key"])
    assert b'"site"' not in kept.to_bytes()  # a column of no use is not kept at all


# Files


def test_a_model_and_its_rows_are_saved_loaded_and_changed(tmp_path: Path) -> None:
    table, how = rows(12, 500), HOW["expressions"]
    path, sums = tmp_path / "m.json", tmp_path / "m.sums"
    learnt(table[:300], how, 80).save(path, summary=sums)
    model = dr.load(path, summary=sums)
    found = model.learn_more(table[300:], old=table[:300])
    same(found, learnt(table, how))
    found.save(path, summary=sums)
    assert dr.load(path, summary=sums).kept.to_bytes() == found.kept.to_bytes()  # type: ignore[union-attr]
    learnt(table[:300], how, 80).save(tmp_path / "other.json", summary=tmp_path / "other.sums")
    with pytest.raises(ModelError, match="another model, or of another state"):
        dr.load(path, summary=tmp_path / "other.sums")
    with pytest.raises(LearningError, match="not for exchange"):
        found.save(path, summary=sums, min_level_rows=5)
    raw = sums.read_bytes()
    sums.write_bytes(raw[:-1])
    with pytest.raises(ModelError):
        dr.load(path, summary=sums)
    with pytest.raises(NotAModelError, match="damaged"):
        dr.merge(sums)


@pytest.mark.parametrize("stop", ["write_whole", "save", "_take"])
def test_an_interruption_leaves_the_old_pair_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    table, how = rows(13, 400), HOW["logistic by id"]
    path, sums = tmp_path / "m.json", tmp_path / "m.sums"
    before = learnt(table[:300], how, 50)
    before.save(path, summary=sums)
    after = before.learn_more(table[300:], old=table[:300])

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(model_and_sums.saved if stop == "save" else model_and_sums, stop, killed)
        with pytest.raises(Killed):
            after.save(path, summary=sums)
    state = after if stop == "_take" else before
    found = dr.load(path, summary=sums)
    assert found.coef == state.coef
    assert found.kept.to_bytes() == state.kept.to_bytes()  # type: ignore[union-attr]


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    path, table = tmp_path / "m.json", rows(14, 400)
    learnt(table[:200], HOW["logistic by id"], 50).save(path, summary=sums_beside(path))
    done = learn_at_once(path, [table[200:300], table[300:]])
    kept = keep_learning.load(path).kept
    assert isinstance(kept, KeptSample)
    assert kept.rows.total == 200 + 100 * done


def test_the_commands(
    tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = rows(15, 600).with_columns(
        day=pl.date(2024, 1, 1) + pl.duration(days="day"), z=pl.format("{} kg", "z")
    )
    table[:400].write_csv("old.csv")
    table[400:].write_csv("new.csv")
    table.write_csv("all.csv")
    options = ["--predict", "yes", "--using", "x,z,level,day", "--id", "key", "--where", "x < 2"]
    made = run("learn", "old.csv", *options, "--save", "m.json", "--keep-sample", 60)
    assert made.code == 0, made
    shown = run("show", "m.sums").out
    assert "60 of" in shown
    assert "columns: key, x, z, level, day, yes" in shown
    told = json.loads(run("show", "m.sums", "--json").out)
    assert (told["rows"], told["drawn_by"]) == (60, "key")
    copied = (Path("m.json").read_bytes(), Path("m.sums").read_bytes())
    made = run("learn", "new.csv", "--into", "m.json")
    assert made.code == 0, made
    assert "stand" in made.out
    Path("m.json").write_bytes(copied[0])
    Path("m.sums").write_bytes(copied[1])
    made = run("learn", "new.csv", "--into", "m.json", "--with", "old.csv", "--json")
    assert made.code == 0, made
    same(dr.load("m.json"), dr.learn("all.csv", **_settings()))
    assert "exact, as from all" in " ".join(json.loads(made.out)["notes"])
    assert "learnt from before" in run("learn", "new.csv", "--into", "m.json").refused()
    assert run("forget", "m.json", "all.csv", "--where", "site = 7").code == 0
    known = dr.learn(
        table.filter(pl.col("site") != 7).write_csv("less.csv") or "less.csv", **_settings()
    )
    same(dr.load("m.json"), known)
    table.filter(pl.col("site") == 8).write_csv("gone.csv")
    made = run("forget", "m.json", "gone.csv", "--with", "less.csv", "--where", "x < 2")
    assert made.code == 0, made
    stay = table.filter(~pl.col("site").is_in([7, 8]))
    stay.write_csv("less.csv")
    same(dr.load("m.json"), dr.learn("less.csv", **_settings()))
    assert run("learn", "old.csv", *options, "--keep-sample", 60).code == 2
    assert run("learn", "old.csv", *options, "--with", "new.csv").code == 2


def _settings() -> dict[str, Any]:
    using = ["x", "z", "level", "day"]
    return {"predict": "yes", "using": using, "id": "key", "where": "x < 2"}


def test_update_leaves_the_sample_behind(tmp_path: Path) -> None:
    table = rows(16, 400)
    model = learnt(table[:300], HOW["logistic"], 50)
    model.update(table[300:])
    assert model.kept is None
    with pytest.raises(LearningError, match="--keep-sample"):
        model.learn_more(table[300:])
    with pytest.raises(OutputError, match="keeps no sums"):
        model.save(tmp_path / "m.json", summary=tmp_path / "m.sums")
