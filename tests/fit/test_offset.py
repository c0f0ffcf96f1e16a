"""Offsets equal their meaning: a score added with weight 1, an exposure, a shift of the target."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import ColumnError, DeltaruleError, LearningError, ValueRefusedError
from deltarule.fit.traced_rows import TracedRows
from deltarule.losses.registry import loss_named
from deltarule.rule.predict import Linear
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import read
from deltarule.tables.request import Request
from deltarule.views.report import report

STRAIGHT = ["squared", "huber", "absolute", "quantile(0.9)"]
FAMILIES = {
    "logistic": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
    "tweedie(1.5)": sm.families.Tweedie(sm.families.links.Log(), var_power=1.5),
}


def claims(seed: int, n: int = 300) -> pl.DataFrame:
    """A target for every loss, with an offset o in the score of each; e is its exposure."""
    rng = np.random.default_rng(seed)
    a, b, e = rng.normal(size=n), rng.normal(size=n), rng.uniform(0.2, 5, n)
    o = np.log(e)
    level = 0.3 + 0.5 * a - 0.4 * b + o
    frame = {"a": a, "b": b, "e": e, "o": o}
    for loss in STRAIGHT:
        frame[loss] = level + rng.normal(size=n)
    frame["logistic"] = (rng.random(n) < 1 / (1 + np.exp(-level))).astype(float)
    frame["poisson"] = rng.poisson(np.exp(level)).astype(float)
    frame["gamma"] = rng.gamma(2, np.exp(level) / 2)
    frame["tweedie(1.5)"] = np.where(rng.random(n) < 0.3, 0.0, frame["gamma"])
    return pl.DataFrame(frame)


def learnt(table: Any, loss: str, **more: Any) -> dr.Model:
    asked = {"predict": loss, "using": ["a", "b"], "loss": loss, "offset": "o", "ridge": 0}
    return dr.learn(table, **{**asked, **more})


@pytest.mark.parametrize("loss", FAMILIES)
def test_it_is_the_offset_of_an_independent_library(loss: str) -> None:
    table = claims(1)
    model = learnt(table, loss)
    design = sm.add_constant(table.select("a", "b").to_numpy())
    target, offset = table[loss].to_numpy(), table["o"].to_numpy()
    known = sm.GLM(target, design, family=FAMILIES[loss], offset=offset).fit(tol=1e-14)
    assert model.weights["weight"].to_list() == pytest.approx(list(known.params), rel=1e-8)
    # Newton stops at a gradient of 1e-8 of the start's, and so do curvature and deviance there.
    assert model.weights["standard_error"].to_list() == pytest.approx(list(known.bse), rel=1e-7)
    fit = model.record.fit[0]
    assert fit.deviance == pytest.approx(known.deviance, rel=1e-8)
    assert fit.null_deviance == pytest.approx(known.null_deviance, rel=1e-8)
    predicted = model.predict(table)[f"{loss}_prediction"].to_list()
    assert predicted == pytest.approx(list(known.fittedvalues), rel=1e-7)
    compared = model.compare(table).outputs[0]
    assert compared.deviance == pytest.approx(known.deviance, rel=1e-8)
    assert compared.null_deviance == pytest.approx(known.null_deviance, rel=1e-8)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_counts_with_an_exposure_are_rates_that_count_as_much(seed: int) -> None:
    table = claims(seed, 120).with_columns(rate=pl.col("poisson") / pl.col("e"))
    counts = learnt(table, "poisson", offset=None, exposure="e")
    rates = dr.learn(table, predict="rate", using=["a", "b"], loss="poisson", weight="e", ridge=0)
    plain = learnt(table, "poisson", offset="log(e)")
    # Newton's own tolerance, on either side.
    for found in (plain, rates):
        assert found.weights["weight"].to_list() == pytest.approx(
            counts.weights["weight"].to_list(), rel=1e-7, abs=1e-9
        )
    assert counts.weights["standard_error"].to_list() == pytest.approx(
        rates.weights["standard_error"].to_list(), rel=1e-6
    )
    # What guessing predicts where the exposure is 1: the rate of all.
    (guess,) = counts.record.target_means
    assert guess == pytest.approx(table["poisson"].sum() / table["e"].sum(), rel=1e-9)


@pytest.mark.parametrize("loss", STRAIGHT)
@given(seed=st.integers(0, 1000))
@settings(max_examples=5)
def test_where_the_score_is_the_prediction_it_is_a_shift_of_the_target(
    loss: str, seed: int
) -> None:
    table = claims(seed, 90)
    less = table.with_columns(pl.col(loss) - pl.col("o"))
    model, known = learnt(table, loss), learnt(less, loss, offset=None)
    for part in ("weights", "intercept", "fit", "rows", "target_means", "moments"):
        assert getattr(model.record, part) == getattr(known.record, part), part
    assert model.record.held_out is not None
    assert known.record.held_out is not None
    seen, theirs_seen = model.record.held_out[0], known.record.held_out[0]
    for figure in ("rmse", "r2", "baseline_rmse", "absolute_error", "loss", "baseline_loss"):
        assert getattr(seen, figure) == pytest.approx(getattr(theirs_seen, figure), rel=1e-9)
    # The same sums to rounding: one adds the offset to the score, one takes it from the target.
    ours, theirs = model.compare(table).outputs[0], known.compare(less).outputs[0]
    for figure in ("rmse", "r2", "baseline_rmse", "absolute_error", "loss", "baseline_loss"):
        assert getattr(ours, figure) == pytest.approx(getattr(theirs, figure), rel=1e-9), figure
    shifted = model.predict(table)[f"{loss}_prediction"] - table["o"]
    assert shifted.to_list() == pytest.approx(known.predict(less)[f"{loss}_prediction"].to_list())


@pytest.mark.parametrize("learner", ["descent", "momentum", "newton"])
def test_steps_learn_the_same_beside_an_offset(learner: str) -> None:
    table = claims(2)
    for loss in ("squared", "poisson"):
        known = learnt(table, loss)
        found = learnt(table, loss, learner=learner, steps=100_000, tolerance=1e-10)
        weights = found.weights["weight"].to_list()
        assert weights == pytest.approx(known.weights["weight"].to_list(), rel=1e-6)


def test_batches_of_rows_have_their_own_offsets() -> None:
    table = claims(2)
    asked: dict[str, Any] = {"learner": "descent", "alpha": 0.05, "steps": 20, "shuffle": False}
    whole = learnt(table, "poisson", **asked)
    batch = learnt(table, "poisson", **asked, batch=table.height)
    weights = batch.weights["weight"].to_list()
    assert weights == pytest.approx(whole.weights["weight"].to_list(), rel=1e-12)


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_a_chosen_row_is_shown_with_its_offset(loss: str) -> None:
    table = claims(2, 20)
    shifted = loss == "squared"
    found = read(open_table(table)[0], Request([loss], ["a", "b"], offset="o", shifted=shifted))
    weights = {"weight": np.array([[0.5], [2.0]]), "intercept": np.array([1.0])}
    (row,) = TracedRows.of(found, [3]).at(Linear(), loss_named(loss), weights)
    a, b, o, target = table.select("a", "b", "o", loss).row(2)
    score = 1 + 0.5 * a + 2 * b + o
    prediction = score if shifted else np.exp(score)
    assert row.score.item() == pytest.approx(score, rel=1e-12)
    assert row.prediction.item() == pytest.approx(prediction, rel=1e-12)
    assert row.targets.item() == pytest.approx(target, rel=1e-12)
    assert row.delta.item() == pytest.approx(prediction - target, rel=1e-12)


def test_rows_gone_over_where_they_are_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    table = claims(3)
    known = learnt(table, "poisson").record
    monkeypatch.setattr("deltarule.fit.prepare.NEWTON_CELLS", 0)
    found = learnt(table, "poisson").record
    assert [one.weight for one in found.weights] == pytest.approx(
        [one.weight for one in known.weights], rel=1e-9
    )
    assert found.held_out is not None
    assert known.held_out is not None
    assert found.held_out[0].rmse == pytest.approx(known.held_out[0].rmse, rel=1e-9)
    assert found.held_out[0].baseline_rmse == pytest.approx(
        known.held_out[0].baseline_rmse, rel=1e-9
    )


@pytest.mark.parametrize("how", [{}, {"time": "e"}], ids=str)
def test_guessing_on_held_out_rows_is_the_rate_of_those_learnt_from(how: dict[str, str]) -> None:
    table = claims(4)
    found = learnt(table, "poisson", **how).record.held_out
    rows = read(open_table(table)[0], Request(["poisson"], ["a", "b"], offset="o", **how))
    fold = np.concatenate([part.fold for part in rows.rows()])
    y, e = table["poisson"].to_numpy(), table["e"].to_numpy()
    squared = judged = 0.0
    for one in range(1 if how else 0, 5):
        training = fold < one if how else fold != one
        rate = y[training].sum() / e[training].sum()
        squared += float(np.sum((rate * e - y)[fold == one] ** 2))
        judged += int((fold == one).sum())
    assert found is not None
    assert found[0].rows == judged
    # Guessing is learnt until a step promises 1e-8 of what the first did.
    assert found[0].baseline_rmse == pytest.approx(np.sqrt(squared / judged), rel=1e-6)


@given(seed=st.integers(0, 100), loss=st.sampled_from(["squared", "poisson", "logistic"]))
@settings(max_examples=10)
def test_weight_k_is_k_copies_beside_an_offset(
    copied: Callable[..., pl.DataFrame], seed: int, loss: str
) -> None:
    table = claims(seed, 60).with_columns(k=np.random.default_rng(seed).integers(0, 4, 60))
    weighed = learnt(table, loss, weight="k").record
    other = learnt(copied(table, "k"), loss, id="id").record
    # The order of sums is another.
    for one, two in zip(weighed.weights, other.weights, strict=True):
        assert one.weight == pytest.approx(two.weight, rel=1e-6, abs=1e-8)
    assert weighed.held_out is not None
    assert other.held_out is not None
    for figure in ("rmse", "baseline_rmse", "loss", "baseline_loss"):
        known = getattr(other.held_out[0], figure)
        assert getattr(weighed.held_out[0], figure) == pytest.approx(known, rel=1e-6)


@given(seed=st.integers(0, 100))
@settings(max_examples=10)
def test_a_share_of_trials_is_its_successes_and_failures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 50
    a, trials = rng.normal(size=n), rng.integers(1, 8, n)
    won = rng.binomial(trials, 1 / (1 + np.exp(-0.4 - 0.8 * a)))
    shares = pl.DataFrame({"a": a, "trials": trials, "won": won / trials})
    rows = [(x, float(k < s)) for x, s, t in zip(a, won, trials, strict=True) for k in range(t)]
    single = pl.DataFrame(rows, schema=["a", "won"], orient="row")
    asked: dict[str, Any] = {"predict": "won", "using": "a", "loss": "logistic"}
    counted = dr.learn(shares, weight="trials", **asked)
    known = dr.learn(single, **asked)
    # Newton's own tolerance, on either side.
    for figure in ("weight", "standard_error"):
        ours, theirs = (one.weights[figure].to_list() for one in (counted, known))
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-8)
    assert counted.record.rows == known.record.rows == trials.sum()
    # Rows are the same in likelihood, and their share in what all of them could explain.
    one, other = counted.record.fit[0], known.record.fit[0]
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-9)


# The contract


def test_saved_and_loaded_it_predicts_the_same_and_needs_the_offset(tmp_path: Path) -> None:
    table = claims(5)
    for loss, offset in (("squared", "o"), ("poisson", "log(e)")):
        model = learnt(table, loss, offset=offset)
        model.save(tmp_path / "m.json")
        loaded = dr.load(tmp_path / "m.json")
        assert loaded.record == model.record
        assert loaded.predict(table).equals(model.predict(table))
        needed = "e" if "log" in offset else "o"
        with pytest.raises(ColumnError, match=f"has no column '{needed}'"):
            loaded.predict(table.drop(needed))
        others = table.drop("e" if needed == "o" else "o")
        assert loaded.predict(others.reverse()).reverse().equals(model.predict(table))


def test_without_its_offset_a_row_has_no_prediction_and_is_flagged() -> None:
    table = claims(6, 40)
    model = learnt(table, "poisson", offset="log(e)")
    gaps = table.with_columns(e=pl.when(pl.int_range(pl.len()) > 1).then("e"))
    predicted, notes = model.predict_noticing(gaps, flags=True)
    assert predicted["poisson_prediction"].null_count() == 2
    assert predicted["poisson_prediction"][2:].equals(
        model.predict(table)["poisson_prediction"][2:]
    )
    assert predicted["flags"].to_list()[:3] == ["log(e): missing", "log(e): missing", None]
    assert "log(e) is missing in 2 of 40 rows: no prediction" in notes
    explained = model.explain(gaps)
    assert explained["poisson_from_log(e)"].null_count() == 2
    with pytest.raises(ValueRefusedError, match=r"row 2: 'log\(e\)' is missing"):
        model.explain(gaps, row=2)
    compared = model.compare(gaps)
    assert (compared.rows, compared.rows_left_out) == (38, 2)
    assert learnt(gaps, "poisson", offset="log(e)").record.rows_left_out == 2
    far = table.with_columns(e=pl.lit(100.0))
    assert "log(e) is out of the range learnt from in 40 of 40 rows" in " ".join(
        model.predict_noticing(far)[1]
    )


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_explanations_with_an_offset_add_up(loss: str) -> None:
    table = claims(7, 60)
    model = learnt(table, loss)
    whole = model.explain(table)
    parts = [f"{loss}_average", *(f"{loss}_from_{name}" for name in ("a", "b", "o"))]
    score = whole.select(pl.sum_horizontal(parts)).to_series()
    known = whole[f"{loss}_prediction"]
    known = known if loss == "squared" else known.log()
    assert score.to_list() == pytest.approx(known.to_list(), rel=1e-9, abs=1e-12)
    # Contributions are measured from the average, so on the rows learnt from they sum to 0.
    assert whole[f"{loss}_from_o"].sum() == pytest.approx(0, abs=1e-9)
    one = model.explain(table, row=3).outputs[0]
    assert one.score == pytest.approx(score[2], rel=1e-12)
    assert {part.column for part in one.contributions} == {"a", "b", "o"}
    assert "<svg" in report(model, table)
    assert str(model).split("\n")[1].endswith(" + o")


def test_an_offset_is_no_input_unless_named() -> None:
    table = claims(8).select("a", "e", "poisson")
    model = dr.learn(table, predict="poisson", loss="poisson", exposure="e")
    assert [column.name for column in model.record.contract.columns] == ["a"]
    named = dr.learn(table, predict="poisson", using=["a", "e"], loss="poisson", exposure="e")
    assert [column.name for column in named.record.contract.columns] == ["a", "e"]
    assert [(one.column, one.kind) for one in named.record.columns][-1] == ("log(e)", "offset")


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"offset": "far"}, ValueRefusedError, "column 'far', row 3 is infinite"),
        (
            {"offset": "far", "loss": "poisson"},
            ValueRefusedError,
            "column 'far', row 3 is infinite",
        ),
        ({"offset": "name"}, ColumnError, "the offset 'name' is not a column of numbers .* 'x'"),
        ({"offset": "ofset"}, ColumnError, "no column 'ofset': did you mean offset"),
        ({"offset": "a", "using": "a"}, LearningError, "'a' is the offset, which is not learnt"),
        ({"offset": "y"}, LearningError, "'y' is the offset, which is not learnt"),
        ({"exposure": "offset"}, LearningError, "exposure is for losses that learn a log"),
        (
            {"exposure": "offset", "offset": "offset", "loss": "poisson"},
            LearningError,
            "leave one out",
        ),
        ({"offset": "offset", "loss": "softmax"}, LearningError, "softmax takes no offset"),
    ],
)
def test_what_cannot_be_an_offset_is_refused(
    asked: dict[str, str], error: type[DeltaruleError], says: str
) -> None:
    table = {
        "a": [1.0, 2.0, 4.0, 3.0],
        "far": [0.0, 1.0, np.inf, 0.0],
        "name": ["x", "y", "z", "x"],
        "offset": [1.0, 2.0, 3.0, 5.0],
        "y": [1.0, 3.0, 2.0, 4.0],
    }
    with pytest.raises(error, match=says):
        dr.learn(table, predict="y", **{"using": "a", **asked})


def test_text_among_the_offsets_of_a_file_leaves_its_row_out_and_is_told(
    run: Callable[..., Any], write: Callable[..., Path]
) -> None:
    lines = [f"{at % 7},{at % 3},{at % 5}" for at in range(12_000)]
    lines[11_000] = "3,soon,1"
    path = write("t.csv", "a,o,y\n" + "\n".join(lines) + "\n")
    told = run("learn", path, "--predict=y", "--using=a", "--offset=o", "--json")
    found = json.loads(told.out)
    assert found["rows"] == 11_999
    assert any("'soon' (line 11,002)" in note for note in found["notes"])


def test_the_command_line_takes_an_exposure(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    claims(9).write_csv(path)
    asked = ("learn", path, "--predict=poisson", "--using=a,b", "--loss=poisson")
    plain = run(*asked, "--offset=log(e)", "--save", tmp_path / "m.json")
    assert plain.code == 0, plain
    assert "log of poisson = " in plain.out
    assert run(*asked, "--exposure=e").out == plain.out
    told = run("predict", tmp_path / "m.json", path, "--rows=1")
    assert told.code == 0, told
    assert "poisson_prediction" in told.out
