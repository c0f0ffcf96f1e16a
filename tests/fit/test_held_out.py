"""Rows held out by group or forward in time: what is said of them is what learning again says."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from scipy.stats import norm

import deltarule as dr
from deltarule.errors import LearningError
from deltarule.moments.folds import fold_of, text_keys
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import read
from deltarule.tables.request import Request

LOSSES = ["squared", "logistic", "poisson", "huber", "quantile(0.8)"]
HOW: list[dict[str, Any]] = [{"group": "shop"}, {"time": "day"}]


def sales(seed: int, n: int = 240) -> pl.DataFrame:
    """Rows of shops over days: an effect for each shop, and a level that is only sold late."""
    rng = np.random.default_rng(seed)
    shop, day = rng.integers(0, 12, n), rng.integers(0, 60, n)
    price = rng.normal(10, 2, n)
    kind = np.where((day > 40) & (rng.random(n) < 0.5), "new", rng.choice(["a", "b"], n))
    level = 1 + 0.1 * price + 0.3 * (kind == "b") + 0.02 * day + rng.normal(0, 0.2, 12)[shop]
    return pl.DataFrame(
        {
            "shop": [f"shop {one}" for one in shop],
            "day": day,
            "price": price,
            "kind": kind,
            "squared": level + rng.normal(0, 1, n),
            "logistic": rng.random(n) < 1 / (1 + np.exp(2.5 - level)),
            "poisson": rng.poisson(np.exp(level / 2)),
            "huber": level + rng.standard_t(2, n),
            "quantile(0.8)": level + rng.normal(0, 1, n),
        }
    )


def held_out(table: Any, **settings: Any) -> Any:
    found = dr.learn(table, **settings).record.held_out
    assert found is not None
    return found[0]


def splits(table: pl.DataFrame, how: dict[str, Any], target: str) -> list[tuple[Any, Any]]:
    """The rows judged, and those learnt from, of each split: told by rows, not by sums."""
    found = read(open_table(table)[0], Request([target], ["price", "kind"], **how))
    fold = np.zeros(table.height, dtype=int)
    for part in found.rows():
        fold[part.number] = part.fold
    there = sorted(set(fold.tolist()))
    pairs = []
    for at, one in enumerate(there):
        others = there[:at] if "time" in how else [other for other in there if other != one]
        if others:
            pairs.append((table.filter(fold == one), table.filter(np.isin(fold, others))))
    return pairs


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("learner", [None, "newton"])
@pytest.mark.parametrize("loss", LOSSES)
def test_held_out_error_is_that_of_models_that_never_saw_those_rows(
    how: dict[str, Any], loss: str, learner: str | None
) -> None:
    table = sales(1)
    asked: dict[str, Any] = {"predict": loss, "loss": loss, "ridge": 0, "learner": learner}
    found = held_out(table, using=["price", "kind"], **how, **asked)
    squared = guessed = rows = 0.0
    pairs = splits(table, how, loss)
    for judged, learnt in pairs:
        # Gaps and levels are learnt from all rows; here there are no gaps, and each level that the
        # rows learnt from lack has a weight of 0, as its (other) has.
        kinds = set(learnt["kind"])
        judged = judged.with_columns(kind=pl.when(pl.col("kind").is_in(kinds)).then("kind"))
        reference = table["kind"].mode()[0]
        judged = judged.with_columns(pl.col("kind").fill_null(reference))
        model = dr.learn(learnt, using=["price", "kind"], reference={"kind": reference}, **asked)
        compared = model.compare(judged).outputs[0]
        squared += compared.rmse**2 * judged.height
        guessed += compared.baseline_rmse**2 * judged.height
        rows += judged.height
    assert found.folds == len(pairs)
    assert found.rows == rows
    # Newton stops at a gradient of 1e-4 of the start's.
    # The last digits of a quantile are of where its smoothing ends.
    rel = {"logistic": 1e-5, "poisson": 1e-5, "quantile(0.8)": 1e-8}.get(loss, 1e-9)
    assert found.rmse == pytest.approx(math.sqrt(squared / rows), rel=rel)
    assert found.baseline_rmse == pytest.approx(math.sqrt(guessed / rows), rel=1e-9)


@pytest.mark.parametrize(
    "how",
    [{}, {"ridge": 0.1}, {"lasso": 0.05}, {"learner": "newton"}, {"loss": "poisson", "ridge": 0.1}],
    ids=str,
)
def test_no_future_row_trains_a_past_one(how: dict[str, Any]) -> None:
    table = sales(2)
    asked: dict[str, Any] = {"predict": "poisson", "loss": "squared", "ridge": 0, **how}
    asked |= {"using": ["price", "kind"], "time": "day", "folds": 2}
    # Of two periods only the second is judged, by the first alone: what the second's own targets
    # say must not move its predictions, so its error is that of one straight line more.
    cut = dr.learn(table, **asked).record.held_out_by
    assert cut is not None
    (start,) = cut.cuts
    late = pl.col("day") >= start
    changed = [table.with_columns(poisson=pl.col("poisson") + late * k) for k in (0, 10, 20)]
    squares = [held_out(one, **asked).rmse ** 2 for one in changed]
    # The mean of (p - t - k) ** 2 is a parabola in k with the second difference 2 * 10 ** 2.
    assert squares[0] - 2 * squares[1] + squares[2] == pytest.approx(200, rel=1e-7)


@pytest.mark.parametrize("loss", ["squared", "poisson", "huber"])
@pytest.mark.parametrize("by", [{"id": "who"}, {"id": "day"}, {"group": "shop"}], ids=str)
def test_the_scale_of_whole_weights_moves_no_held_out_figure(by: dict[str, Any], loss: str) -> None:
    """Copies of a row have its id, so that no part knows rows of another, whatever the weights."""
    rng = np.random.default_rng(3)
    noise = {f"x{at}": rng.normal(size=80) for at in range(20)}
    table = sales(3, 80).with_columns(**noise, who=pl.int_range(80), k=rng.integers(1, 4, 80))
    asked: dict[str, Any] = {"predict": loss, "using": list(noise), "loss": loss, "ridge": 0, **by}
    whole = held_out(table, weight="k", **asked)
    part = held_out(table.with_columns(k=pl.col("k") * 1.5), weight="k", **asked)
    assert whole.rmse == pytest.approx(part.rmse, rel=1e-6)
    copies = table.select(pl.all().repeat_by("k")).explode(pl.all())
    assert whole.rmse == pytest.approx(held_out(copies, **asked).rmse, rel=1e-6)


@pytest.mark.parametrize("trials", ["id", "group"])
def test_trials_of_a_row_stay_together(trials: str) -> None:
    rng = np.random.default_rng(4)
    table = pl.DataFrame({f"x{at}": rng.normal(size=60) for at in range(25)}).with_columns(
        who=pl.int_range(60), n=rng.integers(20, 60, 60), share=rng.uniform(0.2, 0.8, 60)
    )
    table = table.with_columns(share=(pl.col("share") * pl.col("n")).round() / pl.col("n"))
    asked: dict[str, Any] = {"predict": "share", "loss": "logistic", "weight": "n"}
    found = held_out(table, **asked, **{trials: "who"})
    assert found.loss > found.baseline_loss * 0.95  # noise says nothing of shares


@pytest.mark.parametrize(
    "how", [*HOW, {"time": "day", "folds": 3}, {"id": "day"}, {"id": "shop"}], ids=str
)
@pytest.mark.parametrize("loss", ["squared", "poisson"])
@given(seed=st.integers(0, 10))
@settings(max_examples=5)
def test_weight_k_is_k_copies(how: dict[str, Any], loss: str, seed: int) -> None:
    table = sales(seed, 80).with_columns(k=np.random.default_rng(seed).integers(0, 4, 80))
    copies = table.select(pl.all().repeat_by("k")).explode(pl.all())
    asked: dict[str, Any] = {"predict": "poisson", "using": "price", "loss": loss, **how}
    weighed, copied = held_out(table, weight="k", **asked), held_out(copies, **asked)
    assert (weighed.folds, weighed.rows) == (copied.folds, copied.rows)
    # The order of sums is another; Newton's own tolerance is the same on either side.
    assert weighed.rmse == pytest.approx(copied.rmse, rel=1e-8)
    assert weighed.baseline_rmse == pytest.approx(copied.baseline_rmse, rel=1e-8)


@pytest.mark.parametrize("how", HOW, ids=str)
def test_order_and_source_of_rows_do_not_matter(how: dict[str, Any], tmp_path: Path) -> None:
    table = sales(3).with_columns(day=pl.date(2024, 1, 1) + pl.duration(days=pl.col("day")))
    shuffled = table.sample(fraction=1, shuffle=True, seed=1)
    shuffled.write_csv(tmp_path / "t.csv")
    shuffled.write_parquet(tmp_path / "t.parquet")
    asked: dict[str, Any] = {"predict": "squared", "using": ["price", "kind"], **how}
    known = dr.learn(table, **asked).record
    assert known.held_out is not None
    sources = [shuffled, tmp_path / "t.csv", tmp_path / "t.parquet", table.to_pandas()]
    for source in sources:
        again = dr.learn(source, **asked).record
        assert again.held_out_by == known.held_out_by
        assert again.held_out is not None
        assert again.held_out[0].rows == known.held_out[0].rows
        # The order of sums is another.
        assert again.held_out[0].rmse == pytest.approx(known.held_out[0].rmse, rel=1e-12)


def test_one_group_or_one_time_holds_nothing_out() -> None:
    table = sales(4).with_columns(one=pl.lit("all"), day=pl.lit(7))
    for how, what in (({"group": "one"}, "groups"), ({"time": "day"}, "different times")):
        for more in ({}, {"lasso": 0.1}):
            record = dr.learn(table, predict="squared", using="price", **how, **more).record
            assert record.held_out is None
            assert f"too few {what} to hold any out" in "\n".join(record.notes)


@pytest.mark.parametrize("groups", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("how", ["group", "id", "time"])
def test_few_or_uneven_folds_are_told_with_their_sizes(groups: int, how: str) -> None:
    of = np.arange(240) % groups
    table = sales(6).with_columns(
        g=pl.Series(of) if how == "time" else pl.Series([f"g{i}" for i in of])
    )
    record = dr.learn(table, predict="squared", using="price", **{how: "g"}).record
    keys = text_keys([f"g{i}" for i in range(groups)])
    fold = np.arange(groups) * 5 // groups if how == "time" else fold_of(keys, 5)
    sizes = sorted((int((fold[of] == one).sum()) for one in set(fold.tolist())), reverse=True)
    told = [note for note in record.notes if "held out in turn" in note]
    few = len(sizes) < 5
    assert bool(told) == (few or sizes[0] > 96)
    if told:
        assert told[0].startswith(f"only {len(sizes)} of 5 folds" if few else "folds are uneven")
        assert ", ".join(map(str, sizes[:5])) in told[0]


@pytest.mark.parametrize(
    ("rows", "folds"),
    [(5, 5), (10, 5), (12, 5), (10, 10), (20, 20), (100, 5), (200, 199), (200, 200)],
)
def test_few_rows_make_few_or_uneven_folds_that_are_told(rows: int, folds: int) -> None:
    record = dr.learn(sales(6)[:rows], predict="squared", using="price", folds=folds).record
    fold = fold_of(np.arange(1.0, rows + 1), folds)
    sizes = sorted(np.bincount(fold)[np.unique(fold)].tolist(), reverse=True)
    assert record.held_out is not None
    assert record.held_out[0].folds == len(sizes)
    told = [note for note in record.notes if "held out in turn" in note]
    few, uneven = len(sizes) < folds, sizes[0] > 2 * rows / folds
    assert bool(told) == (few or uneven)
    if told:
        start = f"only {len(sizes)} of {folds} folds have rows" if few else "folds are uneven"
        assert told[0].startswith(f"{start}, as rows are few: {', '.join(map(str, sizes[:5]))}")


def test_many_groups_have_no_note_on_folds() -> None:
    table = sales(6).with_columns(g=pl.Series(np.arange(240) % 60))
    record = dr.learn(table, predict="squared", using="price", group="g").record
    assert not [note for note in record.notes if "held out in turn" in note]


def test_the_words_say_which_rows_were_never_seen(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    sales(5).write_csv(path)
    asked = ("learn", path, "--predict=squared", "--using=price")
    assert (
        "on held-out rows of other groups, typical error (RMSE)" in run(*asked, "--group=shop").out
    )
    timed = run(*asked, "--time=day")
    assert "on held-out rows, later in time, typical error (RMSE)" in " ".join(timed.out.split())
    assert "2 reads of 240 rows" in timed.out
    assert "on held-out rows, typical error (RMSE)" in run(*asked).out


def test_how_rows_were_held_out_is_kept(tmp_path: Path) -> None:
    for how, by in ((HOW[0], "group"), (HOW[1], "time"), ({}, "rows")):
        model = dr.learn(sales(6), predict="squared", using="price", folds=4, **how)
        model.save(tmp_path / "m.json")
        kept = dr.load(tmp_path / "m.json").record.held_out_by
        assert kept is not None
        assert kept == model.record.held_out_by
        assert (kept.by, kept.folds, kept.column) == (by, 4, next(iter(how.values()), None))
        assert len(kept.cuts) == (3 if by == "time" else 0)


def test_more_folds_than_rows_are_refused() -> None:
    table = {"x": [1.0, 2.0, 4.0], "y": [1.0, 3.0, 2.0]}
    with pytest.raises(LearningError, match=r"folds is 4, but there are 3 rows to learn from"):
        dr.learn(table, predict="y", folds=4)
    assert dr.learn(table, predict="y", folds=3).record.rows == 3
    assert dr.learn(table, predict="y").record.rows == 3, "nobody asked for five"
    weighed = {**table, "w": [2.0, 1.0, 1.0]}
    assert dr.learn(weighed, predict="y", using="x", weight="w", folds=4).record.rows == 4
    with pytest.raises(LearningError, match="leave out all but one"):
        dr.learn(table, predict="y", group="x", time="x")


# A given test table


def test_a_given_table_is_what_the_figures_are_of(run: Callable[..., Any], tmp_path: Path) -> None:
    table = sales(7)
    learnt, test = table[:160], table[160:]
    for loss in ("squared", "poisson", "logistic"):
        asked: dict[str, Any] = {"predict": loss, "using": ["price", "kind"], "loss": loss}
        model = dr.learn(learnt, hold_out=test, **asked)
        plain = dr.learn(learnt, **asked)
        assert model.weights.equals(plain.weights), "nothing is learnt from it"
        compared = plain.compare(test).outputs[0]
        held = model.record.held_out
        assert held is not None
        assert (held[0].rmse, held[0].rows) == (compared.rmse, 80)
        assert held[0].baseline_rmse == compared.baseline_rmse
        guess, actual = learnt[loss].cast(float).mean(), test[loss].cast(float).to_numpy()
        known = math.sqrt(float(np.mean((guess - actual) ** 2)))
        assert held[0].baseline_rmse == pytest.approx(known, rel=1e-12)
        assert held[0].r2 == pytest.approx(1 - (held[0].rmse / known) ** 2, rel=1e-9)
    learnt.write_csv(tmp_path / "learnt.csv")
    test.write_csv(tmp_path / "test.csv")
    asked = ("learn", tmp_path / "learnt.csv", "--predict=squared", "--using=price,kind")
    said = run(*asked, "--hold-out", tmp_path / "test.csv", "--save", tmp_path / "m.json")
    assert "on the 80 rows of test.csv, typical error" in " ".join(said.out.split())
    kept = dr.load(tmp_path / "m.json").record.held_out_by
    assert kept is not None
    assert kept.table == "test.csv"


def test_what_a_given_table_lacks_or_adds_is_said(
    run: Callable[..., Any], write: Callable[..., Path]
) -> None:
    path = write(
        "t.csv", "x,c,y\n" + "".join(f"{at % 7},{'ab'[at % 2]},{at % 5}\n" for at in range(50))
    )
    new = write("new.csv", "x,c,y\n1,z,2\n99,a,3\n,b,\n")
    asked = ("learn", path, "--predict=y", "--using=x,c")
    said = " ".join(run(*asked, "--hold-out", new).out.split())
    assert "on the 2 rows of" in said
    assert "new.csv: c has a level never seen in 1 of 3 rows" in said
    assert "new.csv: x is out of the range learnt from in 1 of 3 rows" in said
    refused = run(*asked, "--hold-out", path).refused()
    assert "which is what is learnt from" in refused
    lacking = write("lacking.csv", "x,y\n1,2\n")
    assert "lacking.csv has no column 'c'" in run(*asked, "--hold-out", lacking).refused()
    assert "no such file" in run(*asked, "--hold-out", "nowhere.csv").refused()
    frame = pl.read_csv(path)
    with pytest.raises(LearningError, match="which is what is learnt from"):
        dr.learn(frame, predict="y", hold_out=frame)


def test_few_rows_and_a_given_table_leave_no_word_of_rows_that_could_not_be_held_out() -> None:
    one = pl.DataFrame({"x": [1.0], "y": [2.0]})
    test = pl.DataFrame({"x": [1.0, 3.0], "y": [2.5, 5.0]})
    record = dr.learn(one, predict="y", intercept=False, hold_out=test).record
    assert "held" not in "\n".join(record.notes) + " "
    assert record.held_out is not None
    assert record.held_out[0].rmse == pytest.approx(math.sqrt((0.5**2 + 1) / 2), rel=1e-12)


@pytest.mark.parametrize("kind", [pl.Float64, pl.Int64, pl.String])
@pytest.mark.parametrize("how", ["id", "group"])
def test_rows_without_an_id_or_group_are_counted(how: str, kind: type[pl.DataType]) -> None:
    table = sales(3).with_columns(shop=pl.col("shop").str.slice(5).cast(pl.Int64).cast(kind))
    asked: dict[str, Any] = {"predict": "squared", "using": ["price", "kind"], how: "shop"}
    whole = dr.learn(table, **asked).record.notes
    assert not [note for note in whole if "shop is missing" in note]
    gaps = pl.int_range(pl.len()) % 5 == 0
    found = dr.learn(table.with_columns(shop=pl.when(~gaps).then("shop")), **asked).record.notes
    (note,) = (note for note in found if "shop is missing" in note)
    assert note.startswith("shop is missing in 48 of 240 rows: ")
    together = "all of them are held out together" in note
    assert together == (how == "group")


# Counts


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0, 1, 0, 3, 2], True),
        ([0.0, 1.0, 0.0, 3.0, 2.0], True),
        ([0, 1, 0, 1, 1], False),  # yes and no
        ([1, 2, 5, 4, 3], False),  # grades
        ([0, 100, 20, 40, 7], False),  # amounts
        ([0.0, 1.0, 0.5, 3.0, 2.0], False),
        ([0, 1, -1, 3, 2], False),
    ],
)
def test_counts_learnt_as_amounts_are_told_of_poisson(values: list[float], told: bool) -> None:
    table = pl.DataFrame({"x": range(40), "y": values * 8})
    notes = "\n".join(dr.learn(table, predict="y").record.notes)
    assert ("y looks like counts (whole numbers from 0 to 3, 1.2 on average)" in notes) == told
    assert ("poisson" in notes) == told
    if told:
        asked: dict[str, Any] = {"predict": "y", "loss": "poisson"}
        assert "looks like counts" not in "\n".join(dr.learn(table, **asked).record.notes)


def test_the_auc_of_a_model_that_knows_nothing_is_a_half() -> None:
    """With 6 yes among 300 rows of noise; over pairs of different folds it is 0.41."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        yes = np.zeros(300, dtype=int)
        yes[rng.choice(300, 6, replace=False)] = 1
        noise = pl.DataFrame({"x": rng.normal(size=300), "z": rng.normal(size=300), "y": yes})
        held = dr.learn(noise, predict="y", loss="logistic", ridge=0).record.held_out
        assert held is not None
        assert held[0].classes is not None
        assert held[0].classes.auc is not None
        found.append(held[0].classes.auc)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_a_ridge_of_other_losses_is_of_inputs_standardised_by_all_rows() -> None:
    # As is the ridge that folds choose; models of the folds alone are up to 0.9% off.
    n, folds, ridge, rng = 150, 4, 0.1, np.random.default_rng(5)
    a, b = rng.normal(size=n), np.exp(rng.normal(size=n))
    y = rng.poisson(3 / (1 + np.exp(b - a - 1)))
    frame = pl.DataFrame({"id": np.arange(n), "a": a, "b": b, "y": y})
    asked: dict[str, Any] = {"predict": "y", "using": ["a", "b"], "loss": "poisson"}
    found = held_out(frame, id="id", folds=folds, ridge=ridge, **asked)
    inputs = np.column_stack([a / a.std(), b / b.std(), np.ones(n)])
    fold, predicted = fold_of(np.arange(n, dtype=float), folds), np.empty(n)
    for at in range(folds):
        x, target = inputs[fold != at], y[fold != at]

        def penalised(w: Any, x: Any = x, target: Any = target) -> Any:
            scores, held = x @ w, np.append(w[:2], 0.0)
            value = np.mean(np.exp(scores) - target * scores) + ridge * held @ held / 2
            return value, x.T @ (np.exp(scores) - target) / len(x) + ridge * held

        weights = minimize(penalised, np.zeros(3), jac=True, options={"gtol": 1e-10}).x
        predicted[fold == at] = np.exp(inputs[fold == at] @ weights)
    assert found.rmse == pytest.approx(math.sqrt(np.mean((y - predicted) ** 2)), rel=1e-7)


@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize(("loss", "n", "folds"), [("logistic", 400, 3), ("poisson", 300, 2)])
def test_few_rows_are_held_out_from_fits_that_converged(
    loss: str, n: int, folds: int, scale: float
) -> None:
    # One Newton step from the weights of all rows was off by 1e-4 to 2e-3.
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, n))
    score = 0.6 * a - 0.4 * b + 0.5
    counts, chance = rng.poisson(np.exp(score)), 1 / (1 + np.exp(-score))
    y = counts if loss == "poisson" else rng.random(n) < chance
    w = scale * rng.uniform(0.5, 1.5, n)
    frame = pl.DataFrame({"id": np.arange(n), "a": a, "b": b, "y": y.astype(float), "w": w})
    asked: dict[str, Any] = {"predict": "y", "using": ["a", "b"], "loss": loss, "ridge": 0}
    if loss == "poisson":
        asked["weight"] = "w"
    found = dr.learn(frame, id="id", folds=folds, **asked).record.held_out[0]
    fold = fold_of(np.arange(n, dtype=float), folds)
    off = 0.0
    for at in range(folds):
        apart = dr.learn(frame.filter(fold != at), hold_out=frame.filter(fold == at), **asked)
        off += apart.record.held_out[0].rmse ** 2 * apart.record.held_out[0].rows
    assert found.rmse == pytest.approx(math.sqrt(off / found.rows), rel=1e-7)


@pytest.mark.parametrize("loss", ["huber", "quantile(0.9)", "absolute"])
def test_few_rows_of_robust_losses_are_held_out_from_the_folds_own_fits(loss: str) -> None:
    # Three rounds of smoothing by the residuals of all rows were off by up to 0.4%.
    n, folds, rng = 124, 4, np.random.default_rng(3)
    a, b = rng.normal(size=(2, n))
    y = 1 + a - b / 2 + rng.standard_t(2, n) * (1 + 0.4 * np.abs(a))
    frame = pl.DataFrame({"id": np.arange(n), "a": a, "b": b, "y": y})
    model = dr.learn(frame, predict="y", using=["a", "b"], loss=loss, ridge=0, id="id", folds=folds)
    design, predicted = np.column_stack([np.ones(n), a, b]), np.empty(n)
    fold = fold_of(np.arange(n, dtype=float), folds)
    for at in range(folds):
        learnt = fold != at
        weights = fitted_elsewhere(loss, design[learnt], y[learnt])
        predicted[~learnt] = design[~learnt] @ weights
    off = y - predicted
    found = model.record.held_out[0] if model.record.held_out else None
    assert found is not None
    assert found.rmse == pytest.approx(math.sqrt(np.mean(off**2)), rel=1e-7)
    # Huber loss is measured by the model's own threshold, whichever fold a row is of.
    spread = model.record.fit[0].spread
    far = np.abs(off)
    each = {
        "absolute": far / 2,
        "quantile(0.9)": np.maximum(0.9 * off, -0.1 * off),
        "huber": huber(far, 1.345 * spread if spread else math.nan),
    }[loss]
    assert found.loss == pytest.approx(np.mean(each), rel=1e-7)


def fitted_elsewhere(loss: str, design: Any, y: Any) -> Any:
    """The weights by linear programming, or by reweighting rows until Huber's spread stays."""
    n, q = design.shape
    if loss == "huber":
        weights, spread = np.linalg.lstsq(design, y)[0], 0.0
        for _ in range(1000):
            far = np.abs(y - design @ weights)
            spread = np.median(far) / norm.ppf(0.75)
            root = np.sqrt(1 / np.maximum(far / (1.345 * spread), 1))
            weights = np.linalg.lstsq(design * root[:, None], y * root)[0]
        return weights
    share = 0.5 if loss == "absolute" else 0.9
    cost = np.concatenate([np.zeros(q), np.full(n, share), np.full(n, 1 - share)])
    equal = np.hstack([design, np.eye(n), -np.eye(n)])
    bounds = [(None, None)] * q + [(0, None)] * (2 * n)
    return linprog(cost, A_eq=equal, b_eq=y, bounds=bounds).x[:q]


def huber(far: Any, threshold: float) -> Any:
    return np.where(far <= threshold, far**2 / 2, threshold * far - threshold**2 / 2)


@pytest.mark.parametrize("at", [0, 1100, 2000, 2200])
@pytest.mark.parametrize("id_column", ["", "id"])
def test_a_column_that_only_held_out_rows_have_another_value_in_has_no_weight_there(
    at: int, id_column: str
) -> None:
    """A nearly perfect fit, which takes a second read: of it rounding had weights of 1e5."""
    n, rng = 2201, np.random.default_rng(0)
    rows = np.arange(n)
    table = pl.DataFrame({"id": rows, "x": rows * 1.0, "g": np.where(rows == at, "b", "a")})
    table = table.with_columns(y=2 * table["x"] + rng.normal(size=n))
    how: dict[str, Any] = {"id": id_column} if id_column else {}
    model = dr.learn(table, predict="y", using=["x", "g"], ridge=0, **how)
    keys = rows.astype(float) if id_column else np.arange(1.0, n + 1)
    fold, squares = fold_of(keys, 5), 0.0
    for one in range(5):
        learn, test = fold != one, fold == one
        x = np.column_stack([np.ones(n), rows, (rows == at) * 1.0])
        kept = np.append([True, True], (rows[learn] == at).any())
        y = table["y"].to_numpy()
        weights = np.linalg.lstsq(x[learn][:, kept], y[learn], rcond=None)[0]
        squares += ((x[test][:, kept] @ weights - y[test]) ** 2).sum()
    assert model.record.held_out[0].rmse == pytest.approx(math.sqrt(squares / n), rel=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_inputs_that_depend_on_each_other_through_a_single_row_are_known_to(seed: int) -> None:
    """Rounding along the dependent direction is all but a part of another: no weights of 1e10."""
    n, rng = 20_000, np.random.default_rng(seed)
    at = int(rng.integers(n))
    flag = (rng.random(n) < 0.3) * 1.0
    other = flag.copy()
    other[at] = 1 - other[at]
    x = rng.normal(size=n)
    twice = 2 * x + 3
    twice[at] += 1
    table = pl.DataFrame({"flag": flag, "other": other, "x": x, "twice": twice})
    table = table.with_columns(y=flag + table["x"] + rng.normal(size=n) * 1e-3)
    model = dr.learn(table, predict="y", ridge=0)
    fold, squares, y = fold_of(np.arange(1.0, n + 1), 5), 0.0, table["y"].to_numpy()
    inputs = table.drop("y").to_numpy()
    for one in range(5):
        learn, test = fold != one, fold == one
        mean, spread = inputs[learn].mean(axis=0), inputs[learn].std(axis=0)
        z, middle = (inputs - mean) / spread, y[learn].mean()
        weights = np.linalg.lstsq(z[learn], y[learn] - middle, rcond=1e-9)[0]
        squares += ((z[test] @ weights + middle - y[test]) ** 2).sum()
    assert model.record.held_out[0].rmse == pytest.approx(math.sqrt(squares / n), rel=1e-6)
