"""Sums kept beside a model: with those of other tables they give the model of all rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import deltarule as dr
from deltarule.cli.application import application
from deltarule.errors import LearningError, NotAModelError, OutputError
from deltarule.fit.kept_summary import KeptSummary
from deltarule.tables.schema_columns import Category
from deltarule.tables.summary_file import SavedSummary, load, save

ROWS = 900


def table_of(rows: int = ROWS) -> pl.DataFrame:
    rng = np.random.default_rng(12)
    x, far, city = rng.normal(size=rows), 1e5 + rng.normal(size=rows), rng.zipf(1.6, rows) % 60
    y = 2 * x - (far - 1e5) + np.sin(city) + rng.normal(size=rows)
    return pl.DataFrame(
        {
            "id": rng.permutation(rows),
            "x": pl.Series(x).set(pl.Series(rng.uniform(size=rows) < 0.1), None),
            "far": far,
            "city": pl.Series([f"c{code}" for code in city]).set(
                pl.Series(rng.uniform(size=rows) < 0.1), None
            ),
            "w": rng.uniform(0.5, 2, rows),
            "y": pl.Series(y).set(pl.Series(rng.uniform(size=rows) < 0.03), None),
            "z": y + rng.normal(size=rows),
        }
    )


TABLE = table_of()
# The third is small: most of its levels are rare there.
PARTS = [TABLE[:500], TABLE[500:860], TABLE[860:]]
ASKED: dict[str, dict[str, Any]] = {
    "auto": {"predict": "y", "without": ["z", "w"]},
    "targets": {"predict": ["y", "z"], "using": ["x", "city"], "ridge": 0},
    "weights": {"predict": "y", "using": ["x", "far", "city"], "weight": "w", "ridge": 2.5},
    "terms": {"predict": "y", "using": ["x", "x ** 2", "city"], "levels": 5},
    "penalties": {
        "predict": "y",
        "using": ["x", "far", "city"],
        "lasso": "auto",
        "ridge": {"city": 3, None: 0},
    },
    "offset": {"predict": "y", "using": ["x", "city"], "offset": "far", "loss": "squared"},
    "complete": {"predict": "y", "using": ["x", "city"], "missing": "drop", "intercept": False},
}


def learnt(table: pl.DataFrame, **asked: Any) -> dr.Model:
    return dr.learn(table, **{"id": "id", "keep_summary": True, **asked})


def agree(one: dr.Model, other: dr.Model) -> None:
    """The same schema, weights, errors, penalties and held-out figures, to 1e-10."""
    mine, yours = one.record, other.record
    for a, b in zip(mine.contract.columns, yours.contract.columns, strict=True):
        # The mean that fills gaps is rounded by the order of its sum.
        same = {} if isinstance(a, Category) else {"mean": 0.0}
        assert a.model_copy(update=same) == b.model_copy(update=same)
    assert mine.contract.inputs == yours.contract.inputs
    assert mine.examples == yours.examples
    assert dict(mine.rows_left_out_by_cause) == dict(yours.rows_left_out_by_cause)
    for name in ("weight", "standard_error"):
        both = [
            np.array([getattr(w, name) or 0.0 for w in (*m.weights, *m.intercept)])
            for m in (mine, yours)
        ]
        size = np.abs(both[1]).max(initial=0.0)
        np.testing.assert_allclose(both[0], both[1], rtol=1e-10, atol=1e-10 * size)
    for a, b in zip(mine.learnt, yours.learnt, strict=True):
        assert (a.ridge, a.lasso) == pytest.approx((b.ridge, b.lasso), rel=1e-9)
    assert mine.held_out is not None
    assert yours.held_out is not None
    for a, b in zip(mine.held_out, yours.held_out, strict=True):
        assert a.rmse == pytest.approx(b.rmse, rel=1e-10)
        assert a.baseline_rmse == pytest.approx(b.baseline_rmse, rel=1e-10)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("how", ASKED)
def test_merged_sums_give_the_model_of_all_rows(how: str, order: Sequence[int]) -> None:
    whole = learnt(TABLE, **ASKED[how])
    parts = [learnt(PARTS[at], **ASKED[how]) for at in order]
    merged = dr.merge(*parts)
    agree(merged, whole)
    agree(dr.merge(dr.merge(parts[0], parts[1]), parts[2]), whole)


def test_sums_in_files_are_those_in_memory(tmp_path: Path) -> None:
    paths = []
    for at, part in enumerate(PARTS):
        paths.append(tmp_path / f"{at}.sums")
        learnt(part, **ASKED["auto"]).save(tmp_path / f"{at}.json", summary=paths[-1])
    merged = dr.merge(*paths)
    agree(merged, learnt(TABLE, **ASKED["auto"]))
    merged.save(tmp_path / "all.json", summary=tmp_path / "all.sums")
    agree(dr.merge(tmp_path / "all.sums"), merged)
    assert dr.load(tmp_path / "all.json").coef == merged.coef
    assert "without rows" in " ".join(merged.record.notes)
    assert merged.predict(TABLE.drop("y")).height == ROWS


def test_without_an_id_weights_are_exact_and_parts_are_put_together() -> None:
    asked = {"predict": "y", "using": ["x", "city"], "ridge": 0, "id": None}
    merged, whole = dr.merge(*(learnt(part, **asked) for part in PARTS)), learnt(TABLE, **asked)
    weights = [np.array([one.weight for one in model.record.weights]) for model in (merged, whole)]
    np.testing.assert_allclose(*weights, rtol=1e-10, atol=1e-12)
    assert merged.record.held_out is not None
    assert merged.record.held_out[0].rows == whole.record.held_out[0].rows  # type: ignore[index]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"predict": "y", "ridge": 1, "using": ["x"]}, "ridge"),
        ({"predict": "y", "ridge": 0, "using": ["x", "far"]}, "using"),
        ({"predict": "y", "ridge": 0, "using": ["x"], "folds": 3}, "folds"),
        ({"predict": "y", "ridge": 0, "using": ["x"], "missing": "drop"}, "missing"),
        ({"predict": "y", "ridge": 0, "using": ["x"], "where": "x > 0"}, "where"),
    ],
)
def test_different_settings_are_refused_by_name(asked: dict[str, Any], named: str) -> None:
    one = learnt(TABLE, predict="y", ridge=0, using=["x"])
    with pytest.raises(LearningError, match=f"different settings: {named}"):
        dr.merge(one, learnt(TABLE, **asked))


@pytest.mark.parametrize(
    "asked",
    [
        {"folds": np.int64(4)},
        {"levels": np.int64(3)},
        {"ridge": np.float64(2)},
        {"ridge": 1},
        {"using": [np.str_("x"), np.str_("city")]},
        {"between": {"x": (np.float64(0), None)}},
        {"reference": {"city": np.str_("c1")}},
    ],
)
def test_numbers_and_text_of_numpy_are_settings_too(asked: dict[str, Any]) -> None:
    plain = {"predict": "y", "using": ["x", "city"]}
    model = learnt(TABLE, **{**plain, **asked})
    assert isinstance(model.kept, KeptSummary)
    agree(dr.merge(model), model)
    assert dr.learn(TABLE, **{**plain, **asked}).coef.keys() == model.coef.keys()


def test_the_same_sums_twice_are_refused() -> None:
    one = learnt(TABLE, predict="y", ridge=0, using=["x"])
    with pytest.raises(LearningError, match="twice"):
        dr.merge(one, learnt(TABLE, predict="y", ridge=0, using=["x"]))


def test_a_column_of_another_kind_is_refused_by_name() -> None:
    asked = {"predict": "y", "using": ["x", "city"], "ridge": 0}
    text = PARTS[1].with_columns(pl.col("x").cast(pl.String) + " m")
    with pytest.raises(LearningError, match="x"):
        dr.merge(learnt(PARTS[0], **asked), learnt(text, **asked))


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"loss": "poisson"}, "poisson|steps"),
        ({"errors": "HC3"}, "errors"),
        ({"alpha": 0.1}, "alpha"),
        ({"learner": "descent"}, "in steps"),
        ({"hold_out": TABLE}, "hold_out"),
        ({"hold_out": TABLE.to_pandas()}, "hold_out"),
        ({"hold_out": TABLE.to_dicts()}, "hold_out"),
        ({"time": "w", "id": None}, "time"),
    ],
)
def test_what_needs_rows_keeps_no_sums(asked: dict[str, Any], named: str) -> None:
    with pytest.raises(LearningError, match=named):
        learnt(TABLE, **{"predict": "y", "using": ["x"], **asked})


def test_yes_and_no_keep_no_sums() -> None:
    yes = TABLE.with_columns(yes=pl.col("z") > 0)
    with pytest.raises(LearningError, match="logistic loss, which needs rows"):
        learnt(yes, predict="yes", using=["x"])


def test_a_model_without_sums_has_none_to_save_or_merge(tmp_path: Path) -> None:
    plain = dr.learn(TABLE, predict="y", using=["x"])
    with pytest.raises(OutputError, match="keep_summary"):
        plain.save(tmp_path / "m.json", summary=tmp_path / "m.sums")
    with pytest.raises(LearningError, match="keep_summary"):
        dr.merge(plain)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changed",
    [
        {"predict": 1},
        {"surprise": 1},
        {"ridge": [[None, -1.0]]},
        {"ridge": [[None, "__import__"]]},
        {"missing": "rm"},
        {"folds": 10**9},
    ],
)
def test_settings_in_a_file_are_checked(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = tmp_path / "m.sums"
    learnt(TABLE, predict="y", using=["x"]).save(tmp_path / "m.json", summary=path)
    saved = load(path)
    save(SavedSummary(saved.summary, {**saved.settings, **changed}), path)
    with pytest.raises(NotAModelError, match="settings"):
        KeptSummary.load(path)


def test_the_command_line_keeps_merges_and_shows(tmp_path: Path) -> None:
    runner = CliRunner()
    for at, part in enumerate(PARTS[:2]):
        part.write_parquet(tmp_path / f"{at}.parquet")
        done = runner.invoke(
            application(),
            [
                *("learn", str(tmp_path / f"{at}.parquet"), "--predict", "y"),
                *("--using", "x,city", "--id", "id", "--save", str(tmp_path / f"{at}.json")),
                *("--keep-summary", str(tmp_path / f"{at}.sums")),
            ],
        )
        assert done.exit_code == 0, done.output
    sums = [str(tmp_path / f"{at}.sums") for at in range(2)]
    done = runner.invoke(application(), ["merge", *sums, "--save", str(tmp_path / "both.json")])
    assert done.exit_code == 0, done.output
    whole = learnt(TABLE[:860], predict="y", using=["x", "city"])
    agree(dr.load(tmp_path / "both.json"), whole)
    done = runner.invoke(application(), ["show", sums[1]])
    assert "not anonymous" in done.output
    assert "in fewer than 5 rows" in done.output


def test_levels_of_few_rows_are_not_handed_on(tmp_path: Path, run: Any) -> None:
    levels = ["a"] * 40 + ["b"] * 30 + ["c"] * 4 + ["d"]
    table = pl.DataFrame({"level": levels, "x": range(75), "y": [i % 7 for i in range(75)]})
    csv, sums = tmp_path / "t.csv", tmp_path / "m.sums"
    table.write_csv(csv)
    asked = ["learn", str(csv), "--predict", "y", "--save", str(tmp_path / "m.json")]
    kept = [*asked, "--keep-summary", str(sums)]
    told = run(*kept, "--for-exchange").refused()
    assert "fewer than 5 rows hold some levels (level 'd' in 1 and 1 more)" in told
    assert not sums.exists()
    assert not (tmp_path / "m.json").exists()
    assert "level 'd' in 1)" in run(*kept, "--min-level-rows", "2").refused()
    assert run(*kept, "--for-exchange", "--min-level-rows", "1").code == 0
    assert run(*kept, "--for-exchange", "--where", "level <> 'c' and level <> 'd'").code == 0
    assert KeptSummary.load(sums).summary.examples == 70
    assert run(*asked, "--for-exchange").code == 2
    model = dr.learn(table, predict="y", keep_summary=True)
    with pytest.raises(LearningError, match="fewer than 5"):
        model.save(tmp_path / "n.json", summary=tmp_path / "n.sums", min_level_rows=5)


@pytest.mark.parametrize("by", ["id", "group"])
def test_ids_as_text_and_as_numbers_are_not_of_the_same_rows(by: str) -> None:
    """7 and '7' have different keys: the same customer would be learnt from and held out."""
    asked: dict[str, Any] = {"predict": "y", "using": ["x"], "ridge": 0, "keep_summary": True}
    one, other = (part.with_columns(who=pl.int_range(pl.len()) // 3) for part in PARTS[:2])
    text = other.with_columns(pl.col("who").cast(pl.String))
    kept = dr.learn(one, **asked, **{by: "who"})
    for join in (
        lambda: kept.learn_more(text),
        lambda: kept.forget(text),
        lambda: dr.merge(kept, dr.learn(text, **asked, **{by: "who"})),
    ):
        with pytest.raises(LearningError, match="number in one, text in the other"):
            join()
    whole = kept.learn_more(other.with_columns(pl.col("who").cast(pl.Float64)))
    assert whole.rmse == pytest.approx(kept.learn_more(other).rmse)


def test_a_model_of_sums_has_the_squared_loss_of_held_out_rows() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=200)
    table = pl.DataFrame({"x": x, "y": x + rng.normal(size=200)})
    whole = dr.learn(table, predict="y").record.held_out
    more = dr.learn(table[:100], predict="y", keep_summary=True).learn_more(table[100:])
    assert whole is not None
    assert more.record.held_out is not None
    for name in ("loss", "baseline_loss"):
        known = getattr(whole[0], name)
        assert getattr(more.record.held_out[0], name) == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize(
    ("predict", "using"),
    [("y", ["i", "category(i)"]), ("y", ["log(i)", "i", "2 * i"]), ("y - i", ["i", "i + 1"])],
)
def test_dependent_expressions_are_merged_or_refused_as_by_learn_more(
    predict: str, using: list[str]
) -> None:
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"i": rng.integers(1, 9, 300), "y": rng.normal(size=300)})
    parts = [
        dr.learn(one, predict=predict, using=using, ridge=0, keep_summary=True)
        for one in (rows[:120], rows[120:])
    ]
    for join in (lambda: dr.merge(*parts), lambda: parts[0].learn_more(rows[120:])):
        with pytest.raises(LearningError, match="has sums alone"):
            join()
