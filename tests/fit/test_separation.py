"""Where no finite weights are best, that is said, by name, and what is given is finite."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import deltarule as dr
from deltarule.errors import DivergedError
from deltarule.moments.folds import fold_of
from deltarule.rule.predict import Array
from deltarule.tables.one_read import Keep

SEED, N = 50, 200


def base() -> pl.DataFrame:
    rng = np.random.default_rng(SEED)
    return pl.DataFrame(
        {
            "a": rng.normal(size=N),
            "b": rng.normal(size=N) * 100,
            "c": rng.normal(size=N),
            "g": rng.choice(["red", "green", "blue", "grey"], N, p=[0.4, 0.3, 0.2, 0.1]),
        }
    )


def cases() -> dict[str, tuple[str, Array, list[str], float]]:
    """Loss, targets, the names that run away, and how many rows they bring nearer."""
    table, rng = base(), np.random.default_rng(SEED + 1)
    a, b, g = table["a"].to_numpy(), table["b"].to_numpy(), table["g"].to_numpy()
    noisy = (a + rng.normal(size=N) > 0).astype(float)
    counts = rng.poisson(np.exp(0.5 * a)).astype(float)
    blue, red = g == "blue", g == "red"
    return {
        "one input": ("logistic", (a > 0).astype(float), ["a"], N),
        "two inputs": ("logistic", (a - b / 50 > 0).astype(float), ["b", "a"], N),
        "a level": ("logistic", np.where(blue, 0, noisy), ["g=blue"], blue.sum()),
        "a level always yes": ("logistic", np.where(blue, 1, noisy), ["g=blue"], blue.sum()),
        "the reference": ("logistic", np.where(red, 0, noisy), ["g"], red.sum()),
        "no counts": ("poisson", np.where(blue, 0, counts), ["g=blue"], blue.sum()),
        "no amounts": ("tweedie(1.5)", np.where(blue, 0, counts), ["g=blue"], blue.sum()),
        "no counts at the reference": ("poisson", np.where(red, 0, counts), ["g"], red.sum()),
    }


CASES = cases()


@pytest.mark.parametrize("tolerance", [1e-8, 1e-5, 0])
@pytest.mark.parametrize("case", CASES)
def test_a_ridge_holds_the_weights_and_those_that_ran_are_named(
    case: str, tolerance: float
) -> None:
    loss, targets, names, rows = CASES[case]
    table = base().with_columns(y=pl.Series(targets))
    asked: dict[str, Any] = {"predict": "y", "loss": loss, "tolerance": tolerance, "steps": 100}
    model = dr.learn(table, **asked)
    learnt = model.record.learnt[0]
    assert learnt.ridge > 0
    known = dr.learn(table, **asked, ridge=learnt.ridge)
    assert [w.weight for w in model.record.weights] == [w.weight for w in known.record.weights]
    [note] = [note for note in model.record.notes if "no finite weights" in note]
    listed = f"weight of {names[0]} grows" if len(names) == 1 else "weights of b and a grow"
    assert f"the larger the {listed}, " in note
    assert f"predictions of {'all' if rows == N else f'{rows} of'} 200 rows" in note
    if learnt.ridge == 1 / N:
        assert note.endswith("a ridge of 0.005, 1 / rows, holds them")
        assert "steps that diverged, with a ridge of 0.005: " in learnt.stopped
    else:
        assert note.endswith(
            f"a ridge of {learnt.ridge:.3g}, which held-out rows chose, holds them"
        )
    assert all(one.standard_error is None for one in model.record.weights)


@pytest.mark.parametrize("case", CASES)
def test_without_a_ridge_it_stops_and_says_what_to_do(case: str) -> None:
    loss, targets, names, _ = CASES[case]
    table = base().with_columns(y=pl.Series(targets))
    with pytest.raises(DivergedError, match="no finite weights are best") as refused:
        dr.learn(table, predict="y", loss=loss, ridge=0)
    assert all(name in str(refused.value) for name in names)
    assert str(refused.value).endswith("give a ridge, such as --ridge 0.01, or leave them out")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("told", ["all", "one"])
def test_classes_that_are_told_apart_are_held_and_named(told: str) -> None:
    a, rng = base()["a"].to_numpy(), np.random.default_rng(SEED + 2)
    others = a < 0.5 if told == "all" else rng.random(N) < 0.5
    classes = np.where(a < -0.5, "low", np.where(others, "mid", "high"))
    table = base().with_columns(y=pl.Series(classes))
    model = dr.learn(table, predict="y", using=["a", "b"])
    [note] = [note for note in model.record.notes if "no finite weights" in note]
    assert re.search("the larger the weights? of a ", note)
    assert model.record.learnt[0].ridge > 0
    assert max(abs(w.weight) for w in model.record.weights) < 1e3
    held_out = model.record.held_out[0] if model.record.held_out else None
    assert held_out is not None
    assert held_out.classes is not None
    assert held_out.classes.accuracy > (0.95 if told == "all" else 0.5)
    with pytest.raises(DivergedError, match=r"the larger the weights? of a "):
        dr.learn(table, predict="y", using=["a", "b"], ridge=0)


def test_the_ridge_answer_is_scikit_learns_of_the_same_strength() -> None:
    _, targets, _, _ = CASES["two inputs"]
    inputs = StandardScaler().fit_transform(base()["a", "b", "c"].to_numpy())
    table = pl.DataFrame(inputs, schema=["a", "b", "c"]).with_columns(y=pl.Series(targets))
    model = dr.learn(table, predict="y", loss="logistic", tolerance=1e-12, ridge=1 / N)
    # Summed losses beside half a sum of squares: 1 / rows here is a C of 1 there, its default.
    known = LogisticRegression(solver="newton-cholesky", tol=1e-13).fit(inputs, targets)
    found = [one.weight for one in model.record.weights]
    assert found == pytest.approx(known.coef_[0].tolist(), rel=1e-8)


def test_one_row_in_the_way_makes_the_weights_finite() -> None:
    _, targets, _, _ = CASES["one input"]
    targets = targets.copy()
    targets[3] = 1 - targets[3]
    table = base().with_columns(y=pl.Series(targets))
    model = dr.learn(table, predict="y", loss="logistic", ridge=0)
    assert model.record.learnt[0].ridge == 0
    # Without the part that has this row they are not.
    (note,) = [one for one in model.record.notes if "no finite" in one]
    assert note.startswith("without 1 of the 5 parts of the rows")
    # The search for a ridge judges none by weights without end in that part: it takes one.
    held = dr.learn(table, predict="y", loss="logistic")
    assert held.record.learnt[0].ridge > 0
    assert "no finite" not in " ".join(held.record.notes)
    for one in held.record.held_out or ():
        assert one.loss is not None
        assert one.loss < one.baseline_loss / 4


def test_steps_that_are_counted_end_where_they_were_to() -> None:
    _, targets, _, _ = CASES["one input"]
    table = base().with_columns(y=pl.Series(targets))
    taken = list(dr.steps(table, predict="y", loss="logistic", steps=3))
    assert [step.number for step in taken] == [1, 2, 3]
    long = list(dr.steps(table, predict="y", loss="logistic"))
    assert [step.number for step in long] == list(range(1, len(long) + 1))
    assert [step.stopped is None for step in long] == [True] * (len(long) - 1) + [False]


def test_weights_that_are_frozen_stay_out_of_it() -> None:
    _, targets, _, _ = CASES["a level"]
    table = base().with_columns(y=pl.Series(targets))
    model = dr.learn(table, predict="y", loss="logistic", freeze={"g=blue": -2.0})
    assert model.record.learnt[0].ridge == 0
    assert "no finite" not in " ".join(model.record.notes)


def test_ranges_stop_no_weight_that_grows_within_them() -> None:
    _, targets, _, _ = CASES["one input"]
    table = base().with_columns(y=pl.Series(targets))
    asked: dict[str, Any] = {"predict": "y", "loss": "logistic", "positive": "a"}
    model = dr.learn(table, **asked)
    ridge = model.record.learnt[0].ridge
    assert ridge > 0
    assert any("weight of a grows" in note for note in model.record.notes)
    known = dr.learn(table, **asked, ridge=ridge)
    assert [w.weight for w in model.record.weights] == [w.weight for w in known.record.weights]
    with pytest.raises(DivergedError, match="weight of a grows"):
        dr.learn(table, **asked, ridge=0)


def test_rows_that_are_read_again_and_again_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, targets, _, _ = CASES["a level"]
    base().with_columns(y=pl.Series(targets)).write_parquet(tmp_path / "t.parquet")
    held = dr.learn(tmp_path / "t.parquet", predict="y", loss="logistic")
    monkeypatch.setattr("deltarule.fit.run.rows_kept", lambda *_: Keep(0))
    again = dr.learn(tmp_path / "t.parquet", predict="y", loss="logistic")
    assert again.record.learnt[0].ridge == held.record.learnt[0].ridge > 0
    assert [n for n in again.record.notes if "no finite" in n] == [
        n for n in held.record.notes if "no finite" in n
    ]


def test_on_the_command_line(run: Callable[..., Any], tmp_path: Path) -> None:
    _, targets, _, _ = CASES["a level"]
    base().with_columns(y=pl.Series(targets)).write_csv(tmp_path / "t.csv")
    asked = ["learn", tmp_path / "t.csv", "--predict", "y", "--loss", "logistic"]
    told = " ".join(run(*asked).out.split())
    assert "the larger the weight of g=blue grows, the nearer the predictions of" in told
    assert ", holds them" in told
    refused = run(*asked, "--ridge", "0").refused()
    assert "no finite weights are best" in refused


def has_no_best(inputs: Array, targets: Array, loss: str) -> bool:
    """Whether a way exists along which no row's loss rises and some row's falls: linear programmes.

    Of moves that go each row's way, bounded by 1, the sum is above 0 if and only if one is.
    """
    design = np.column_stack([np.ones(len(targets)), inputs])
    if loss == "logistic":
        signed = design * np.where(targets == 1, 1.0, -1.0)[:, None]
        falling, still = signed, signed[:0]
    else:
        falling, still = -design[targets == 0], design[targets > 0]
    # Maximise sum(u), 0 <= u <= 1, u = falling @ way; still @ way = 0.
    n, q = falling.shape
    equal = np.block([[falling, -np.eye(n)], [still, np.zeros((len(still), n))]])
    found = linprog(
        np.concatenate([np.zeros(q), -np.ones(n)]),
        A_eq=equal,
        b_eq=np.zeros(len(equal)),
        bounds=[(None, None)] * q + [(0, 1)] * n,
        method="highs",
    )
    return bool(-found.fun > 1e-6)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(8, 60),
    p=st.integers(1, 4),
    loss=st.sampled_from(["logistic", "poisson"]),
    clear=st.sampled_from([0.5, 2.0, 8.0]),
    coarse=st.booleans(),
)
def test_it_is_said_where_a_linear_programme_says_so_and_nowhere_else(
    seed: int, n: int, p: int, loss: str, clear: float, coarse: bool
) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, p))
    if coarse:
        # Ties, so that rows lie on the border between what is told apart.
        inputs = np.round(inputs)
    score = clear * inputs @ rng.normal(size=p) - 1
    targets = (rng.uniform(size=n) < 1 / (1 + np.exp(-score))).astype(float)
    if loss == "poisson":
        targets = np.minimum(rng.poisson(np.exp(np.minimum(score, 3))), 50).astype(float)
    members = [np.sum(targets == value) for value in (0, 1)]
    if min(members) < 2 or len(np.unique(targets)) < 2:
        return
    names = [f"x{at}" for at in range(p)]
    table = pl.DataFrame(inputs, schema=names).with_columns(y=pl.Series(targets))
    varying = [at for at in range(p) if len(np.unique(inputs[:, at])) > 1]
    if not varying:
        return
    model = dr.learn(table, predict="y", using=[names[at] for at in varying], loss=loss)
    said = any(note.startswith("no finite weights") for note in model.record.notes)
    assert said == has_no_best(inputs[:, varying], targets, loss)
    assert np.abs([one.weight for one in model.record.weights]).max() < 1e3


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_a_part_whose_other_rows_are_separated_is_held_by_a_small_ridge(
    loss: str, tmp_path: Path
) -> None:
    """A level has a single "no", or a single count: without its row no finite weight is best."""
    table = base().select("a", "g").with_row_index("id", 1)
    blue = (table["g"] == "blue").to_numpy()
    first = int(np.flatnonzero(blue)[0])
    rng = np.random.default_rng(7)
    if loss == "logistic":
        y = np.where(blue, 1.0, rng.integers(2, size=N))
        y[first] = 0
    else:
        y = np.where(blue, 0.0, rng.poisson(1.5, size=N))
        y[first] = 2
    table = table.with_columns(y=y)
    how: dict[str, Any] = {"predict": "y", "using": ["a", "g"], "loss": loss}
    how |= {"id": "id", "ridge": 0}
    model = dr.learn(table, **how)

    # The folds' own fits: with the ridge that is told, where the row of that level is held out.
    levels = [level for column in model.record.contract.columns for level in column.levels]
    x = np.column_stack(
        [table["a"] if level is None else (table["g"] == level).cast(float) for level in levels]
    )
    x, fold = StandardScaler().fit_transform(x), fold_of(table["id"].to_numpy().astype(float), 5)
    lost = 0.0
    for one in range(5):
        learn, test = fold != one, fold == one
        ridge = 1 / learn.sum() if test[first] else 0.0
        lost += held_out_loss(loss, x, y, learn, ridge)[test].sum()
    assert model.record.held_out[0].loss == pytest.approx(lost / N, rel=1e-6)
    (note,) = [one for one in model.record.notes if "no finite weights are best" in one]
    assert note.startswith("without 1 of the 5 parts of the rows no finite")
    assert "(g=blue)" in note

    path = tmp_path / "rows.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.register("rows", table.to_arrow())
        connection.execute("create table t as from rows")
    there = dr.learn(dr.source(path, table="t"), engine="database", **how)
    assert there.record.held_out[0].loss == pytest.approx(model.record.held_out[0].loss, rel=1e-8)
    assert note in there.record.notes


def test_parts_of_many_rows_are_held_too() -> None:
    """Each of thirty levels has two rows of "yes": some parts hold both of one."""
    n, rng = 12_000, np.random.default_rng(1)
    g, y = np.arange(n) % 30, np.zeros(n)
    for level in range(30):
        y[rng.choice(np.flatnonzero(g == level), 2 if level else 130, replace=False)] = 1
    table = pl.DataFrame({"id": np.arange(n), "g": [f"L{one:02}" for one in g], "y": y})
    how: dict[str, Any] = {"predict": "y", "using": "g", "loss": "logistic", "ridge": 0}
    model = dr.learn(table, id="id", **how)
    (note,) = [one for one in model.record.notes if "no finite weights" in one]

    names = [level for column in model.record.contract.columns for level in column.levels]
    x = StandardScaler().fit_transform(np.array(table["g"])[:, None] == np.array(names))
    fold, lost, separated = fold_of(np.arange(n, dtype=float), 5), 0.0, 0
    for one in range(5):
        learn = fold != one
        bare = any(y[learn & (g == level)].sum() == 0 for level in range(30))
        separated += bare
        strength = 1.0 if bare else np.inf  # a ridge of 1 / rows, or none
        fitted = LogisticRegression(solver="newton-cholesky", tol=1e-10, C=strength)
        scores = fitted.fit(x[learn], y[learn]).decision_function(x[~learn])
        lost += (np.logaddexp(0, scores) - y[~learn] * scores).sum()
    assert separated > 0
    assert note.startswith(f"without {separated} of the 5 parts")
    assert model.record.held_out[0].loss == pytest.approx(lost / n, rel=1e-6)


def held_out_loss(loss: str, x: Array, y: Array, learn: Array, ridge: float) -> Array:
    """The loss of each row by weights of some rows, found by scipy: mean loss + ridge / 2 * w'w."""

    def losses(scores: Array) -> Array:
        if loss == "logistic":
            return np.logaddexp(0, scores) - y * scores
        return np.exp(scores) - y * scores

    def objective(w: Array) -> tuple[float, Array]:
        scores = w[0] + x @ w[1:]
        mean = 1 / (1 + np.exp(-scores)) if loss == "logistic" else np.exp(scores)
        delta = np.where(learn, mean - y, 0.0) / learn.sum()
        value = losses(scores)[learn].mean() + ridge / 2 * w[1:] @ w[1:]
        return value, np.append(delta.sum(), delta @ x + ridge * w[1:])

    found = minimize(objective, np.zeros(x.shape[1] + 1), jac=True, method="BFGS", tol=1e-10)
    return losses(found.x[0] + x @ found.x[1:])
