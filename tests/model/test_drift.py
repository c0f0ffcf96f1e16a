"""Drift: known shifts come first, rows of the same world are never called drifted."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ColumnError, EmptyError, NotAModelError
from deltarule.model import drift as drift_module
from deltarule.model.drift import DrawnRows
from tests.model.drift_pairs import DATA, FILMS, SHIFTS, drawn, halves

FILMS_FROM = ["budget", "genre", "us_gross", "rating", "days(release_date)", "director"]


@pytest.fixture(scope="module", params=[(600, 500), (8000, 4000)], ids=["few", "many"])
def pair(request: pytest.FixtureRequest) -> tuple[dr.Model, pl.DataFrame]:
    """A model, and rows of the same world."""
    n, m = request.param
    return dr.learn(drawn(5, n).drop("late"), predict="y"), drawn(6, m).drop("late")


@pytest.mark.parametrize("name", SHIFTS)
def test_the_columns_that_shifted_come_first(
    pair: tuple[dr.Model, pl.DataFrame], name: str
) -> None:
    model, table = pair
    shift = SHIFTS[name]
    found = model.drift(shift.change(table, np.random.default_rng(3)))
    first = [one.column for one in found.columns if one.kind != "target"]
    columns = {f"days({one})" if one == "day" else one for one in shift.columns}
    assert set(first[: len(columns)]) == columns
    # A new level of a target that a model predicts from changed inputs may shift as well.
    assert set(found.drifted) - {"y", "category(month(day))"} == columns
    assert found.score >= 1
    assert all(one.words for one in found.columns if one.score >= 1)


@pytest.mark.parametrize(
    ("seed", "n", "m"),
    [
        *((seed, 60, 60) for seed in range(5)),
        *((seed, 200, 35) for seed in range(5, 10)),
        *((seed, 400, 3000) for seed in range(10, 15)),
        *((seed, 3000, 400) for seed in range(15, 18)),
        (18, 20_000, 20_000),
        (19, 500, 1),
        (20, 1000, 2),
    ],
)
def test_rows_of_the_same_world_are_not_called_drifted(seed: int, n: int, m: int) -> None:
    before, now = drawn(2 * seed + 100, n), drawn(2 * seed + 101, m)
    found = dr.learn(before.drop("late"), predict="y").drift(now.drop("late"))
    assert found.score == 0, str(found)
    if n < 500:
        left_out = ["y", "many", "day"]
        found = dr.learn(before.drop(left_out), predict="late").drift(now.drop(left_out))
        assert found.score == 0, str(found)


@pytest.mark.parametrize("seed", range(6))
def test_halves_of_real_tables_are_not_called_drifted(seed: int) -> None:
    films = pl.read_csv(FILMS, infer_schema_length=None, try_parse_dates=True)
    before, now = halves(films, seed)
    found = dr.learn(before, predict="gross", using=FILMS_FROM).drift(now)
    assert found.score < 1, str(found)
    assert found.drifted == []


def test_films_of_another_time_have_drifted() -> None:
    films = pl.read_csv(FILMS, infer_schema_length=None, try_parse_dates=True)
    old, new = (films.filter(pl.col("release_date").dt.year() // 2000 == at) for at in (0, 1))
    found = dr.learn(old, predict="gross", using=FILMS_FROM).drift(new)
    assert found.columns[0].column == "days(release_date)"
    assert found.columns[0].words.startswith("above 1999-12-29: 100.0% of rows, was 0.0%")
    assert found.drifted == ["days(release_date)", "rating", "director"]


def test_the_error_is_compared_with_that_on_held_out_rows() -> None:
    before, now = drawn(1, 3000), drawn(2, 2000)
    model = dr.learn(before.drop("late"), predict="y")
    noisy = now.drop("late").with_columns(y=pl.col("y") * -1)
    [error] = model.drift(noisy).errors
    assert error.held_out == pytest.approx(model.rmse)
    assert error.now == pytest.approx(model.compare(noisy).outputs[0].rmse)
    assert error.larger == pytest.approx(error.now / error.held_out - 1)
    assert error.score > 1
    assert model.drift(now.drop("late", "y")).errors == ()
    classes = dr.learn(before.drop("y"), predict="late")
    wrong = classes.drift(now.with_columns(late=~pl.col("late")).drop("y"))
    assert wrong.errors[0].figure == "loss"
    assert wrong.errors[0].score > 1
    assert wrong.errors[0].now == pytest.approx(
        classes.compare(now.with_columns(late=~pl.col("late"))).outputs[0].loss
    )


def test_leverage_is_that_of_the_hat_matrix() -> None:
    rng = np.random.default_rng(4)
    table = pl.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)})
    table = table.with_columns(y=pl.col("a") - pl.col("b") + pl.Series(rng.normal(size=400)))
    model = dr.learn(table, predict="y")
    far = pl.DataFrame({"a": [4.0, 3.0] * 50, "b": [-4.0, -5.0] * 50})
    x = table.select("a", "b").to_numpy()
    covariance = np.cov(x.T, bias=True)
    away = far.to_numpy() - x.mean(axis=0)
    each = np.einsum("ij,jk,ik->i", away, np.linalg.inv(covariance), away)
    found = model.drift(far).apart
    assert found.leverage == pytest.approx(each.mean() / (2 * 400 / (400 - 2 - 2)))
    assert found.score > 1
    # Each value is within its own range, both together are far out.
    turned = pl.DataFrame({"a": x[:, 0], "b": x[:, 0] * 1.0})
    close = table.with_columns(b=pl.col("a") + 0.01 * pl.Series(rng.normal(size=400)))
    assert dr.learn(close, predict="y").drift(turned.with_columns(b=-pl.col("a"))).apart.score > 1


def test_a_model_keeps_small_distributions() -> None:
    table = drawn(9, 20_000).drop("late")
    model = dr.learn(table, predict="y")
    known = {one.name: one for one in model.record.distributions}
    assert {"x", "skewed", "zeros", "gaps", "days(day)", "y"} <= known.keys()
    x = known["x"]
    assert x.total >= 10_000
    values = table["x"].to_numpy()
    below = np.cumsum(x.rows) / x.total
    actual = np.array([(values <= edge).mean() for edge in x.edges])
    # Of a sample of at least half the rows; four standard errors of a share.
    assert np.abs(below - actual).max() < 4 * math.sqrt(0.25 / 10_000)
    assert sum(len(one.model_dump_json()) for one in known.values()) < 1500 * len(known)
    whole = dr.learn(table, predict="y", keep_summary=True)
    for one in whole.record.distributions:
        assert one.total == table[one.name if "(" not in one.name else "day"].drop_nulls().len()
        assert one.sd == pytest.approx(known[one.name].sd, rel=0.05)


def test_merged_models_have_the_distributions_of_all_rows() -> None:
    one, other = (
        dr.learn(drawn(seed, 400).drop("late"), predict="y", keep_summary=True) for seed in (1, 2)
    )
    both = dr.merge(one, other)
    known = {part.name: part for part in both.record.distributions}
    assert known["x"].total == 800
    assert both.drift(drawn(3, 500)).verdict == "no drift"
    shifted = drawn(3, 500).with_columns(x=pl.col("x") * 4)
    assert both.drift(shifted).drifted == ["x"]


def test_a_saved_model_finds_the_same_and_an_older_one_less(tmp_path: Path) -> None:
    model, table = dr.learn(drawn(1, 500).drop("late"), predict="y"), drawn(2, 300)
    table = table.with_columns(x=pl.col("x") + 3, gaps=None)
    path = tmp_path / "m.json"
    model.save(path)
    assert dr.load(path).drift(table).to_dict() == model.drift(table).to_dict()
    content = json.loads(path.read_text())
    del content["distributions"]
    path.write_text(json.dumps(content))
    older = dr.load(path).drift(table)
    assert older.drifted[0] == "gaps"
    assert any("no histograms" in note for note in older.notes)
    content["moments"] = []
    path.write_text(json.dumps(content))
    assert dr.load(path).drift(table).apart.leverage is None


@pytest.mark.parametrize(
    "change",
    [
        {"edges": [2.0, 1.0], "rows": [1, 1]},
        {"rows": [-1]},
        {"rows": [1, 2]},
        {"name": "no such column"},
        {"edges": list(range(1000)), "rows": [1] * 1000},
        {"sd": -1.0},
    ],
)
def test_a_damaged_distribution_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "m.json"
    dr.learn(drawn(1, 300).drop("late"), predict="y").save(path)
    content = json.loads(path.read_text())
    content["distributions"][0] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(NotAModelError):
        dr.load(path)


def test_a_large_table_is_read_once_and_a_sample_of_it_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(drift_module, "ROWS", 2000)
    path = tmp_path / "t.csv"
    table = pl.concat([drawn(seed, 4000) for seed in (1, 2, 3)]).drop("late")
    table.with_columns(x=pl.col("x") + 1).write_csv(path)
    model = dr.learn(drawn(7, 3000).drop("late"), predict="y")
    found = model.drift(path)
    assert (found.rows, 2000 <= found.examined <= 4000) == (12_000, True)
    assert "x" in found.drifted
    assert "looked at" in str(found)


def test_drawn_rows_are_a_uniform_sample() -> None:
    drawn_rows = DrawnRows(2)
    for start in range(0, 600_000, 50_000):
        drawn_rows.add(pl.DataFrame({"row": np.arange(start, start + 50_000)}))
    kept = drawn_rows.frame()["row"].to_numpy()
    assert 50_000 <= len(kept) <= 100_000
    assert len(np.unique(kept)) == len(kept)
    parts = np.bincount(kept // 50_000, minlength=12)
    assert np.abs(parts - len(kept) / 12).max() < 6 * math.sqrt(len(kept) / 12)


def test_what_cannot_be_looked_at_is_refused() -> None:
    model = dr.learn(drawn(1, 300).drop("late"), predict="y")
    with pytest.raises(ColumnError, match="'x'"):
        model.drift(drawn(2, 50).drop("x"))
    with pytest.raises(EmptyError, match="no rows"):
        model.drift(drawn(2, 50)[:0])


def test_weights_offsets_and_several_targets_are_known() -> None:
    rng = np.random.default_rng(1)
    table = drawn(1, 800).with_columns(
        w=pl.Series(rng.integers(1, 4, 800)), two=pl.col("y") + 1, base=pl.col("x") * 0.5
    )
    table = table.drop("late")
    model = dr.learn(table, predict=["y", "two"], weight="w", offset="base")
    now = drawn(2, 500).with_columns(two=pl.col("y") + 1, base=pl.col("x") * 0.5, w=1)
    same = model.drift(now)
    assert same.verdict == "no drift", str(same)
    assert [one.target for one in same.errors] == ["y", "two"]
    moved = model.drift(now.with_columns(base=pl.col("base") + 9))
    assert moved.drifted[0] == "base"


def test_what_is_shown_is_escaped_and_has_the_figures() -> None:
    hostile = "<script>alert(1)</script>"
    table = drawn(1, 600).rename({"x": hostile}).drop("late")
    model = dr.learn(table, predict="y")
    found = model.drift(drawn(2, 400).with_columns(x=pl.col("x") + 2).rename({"x": hostile}))
    assert found.drifted[0] == hostile
    page = found._repr_html_()
    assert "<script>" not in page
    assert "<svg" in page
    assert "█" in str(found)
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["columns"][0]["score"] == found.score
    assert found.frame["column"][0] == hostile


def test_the_command_ends_with_3_above_a_score(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    drawn(1, 900).drop("late").write_csv("a.csv")
    drawn(2, 600).drop("late").write_csv("same.csv")
    drawn(2, 600).with_columns(x=pl.col("x") + 2).drop("late").write_csv("moved.csv")
    assert run("learn", "a.csv", "--predict", "y", "--save", "m.json").code == 0
    assert run("drift", "m.json", "same.csv", "--fail-above", "1").code == 0
    assert run("drift", "m.json", "moved.csv").code == 0
    failed = run("drift", "m.json", "moved.csv", "--fail-above", "1")
    assert (failed.code, failed.err) == (3, "")
    assert "x" in failed.out
    score = json.loads(run("drift", "m.json", "moved.csv", "--json").out)["score"]
    assert run("drift", "m.json", "moved.csv", "--fail-above", str(score)).code == 0
    assert run("drift", "m.json", "moved.csv", "--fail-above", "-1").code == 2
    assert run("drift", "m.json", "moved.csv", "--where", "x < 0", "--json").code == 0
    assert "none.csv" in run("drift", "m.json", "none.csv").refused()


def test_every_real_table_against_itself_has_not_drifted() -> None:
    for name, target in (
        ("houses.csv", "price"),
        ("shops.csv", "profit"),
        ("diabetes/diabetes.csv", "progression"),
    ):
        table = pl.read_csv(DATA / name, infer_schema_length=None)
        found = dr.learn(table, predict=target).drift(table)
        assert found.score == 0, f"{name}: {found}"
