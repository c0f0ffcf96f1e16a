"""Classes as targets, the loss that a target's values choose, and several losses at once."""

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
from sklearn.linear_model import LogisticRegression

import deltarule as dr
from deltarule.errors import LearningError, TargetError

TABLES = Path(__file__).parents[1] / "data" / "tables"
NAMES = ["a", "b", "c"]
COLOURS = ["blue", "green", "red"]


def drawn(seed: int = 3, rows: int = 300) -> pl.DataFrame:
    """Numbers, a class that depends on them with noise, and a yes/no."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(rows, 3)) * [1.0, 10.0, 0.1] + [0.0, 50.0, 2.0]
    standard = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    scores = standard @ rng.normal(size=(3, 3)) + rng.gumbel(size=(rows, 3))
    colour = np.array(COLOURS)[scores.argmax(axis=1)]
    sold = standard @ [1.0, -1.0, 0.5] + rng.logistic(size=rows) > 0
    table = pl.DataFrame(inputs, schema=NAMES)
    return table.with_columns(
        colour=pl.Series(colour),
        sold=pl.Series(sold),
        price=pl.Series(standard @ [3.0, 2.0, 1.0] + rng.normal(size=rows)),
        visits=pl.Series(rng.poisson(np.exp(0.3 * standard[:, 0] + 1))),
    )


TABLE = drawn()


def centred(params: np.ndarray) -> np.ndarray:
    """Weights about the average class, from those about a first one: (q, k - 1) -> (q, k)."""
    whole = np.column_stack([np.zeros(len(params)), params])
    return whole - whole.mean(axis=1, keepdims=True)


def centring(k: int, q: int) -> np.ndarray:
    """What makes of stacked weights about a first class those about the average: (k q, (k-1) q)."""
    padded = np.vstack([np.zeros((1, k - 1)), np.eye(k - 1)])
    return np.kron(padded - padded.mean(axis=0), np.eye(q))


def test_weights_errors_and_likelihood_are_those_of_statsmodels() -> None:
    model = dr.learn(TABLE, predict="colour", using=NAMES, ridge=0, tolerance=1e-12)
    codes = np.array([COLOURS.index(one) for one in TABLE["colour"]])
    known = sm.MNLogit(codes, sm.add_constant(TABLE.select(NAMES).to_numpy()))
    known = known.fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    wanted = centred(known.params)  # (q, k), the intercept first
    turn = centring(3, 4)
    errors = np.sqrt(np.diag(turn @ known.cov_params() @ turn.T)).reshape(3, 4)
    for at, colour in enumerate(COLOURS):
        mine = [w for w in model.record.weights if w.output == f"colour={colour}"]
        assert [w.weight for w in mine] == pytest.approx(list(wanted[1:, at]), rel=1e-8)
        assert [w.standard_error for w in mine] == pytest.approx(list(errors[at, 1:]), rel=1e-7)
        assert model.record.intercept[at].weight == pytest.approx(wanted[0, at], rel=1e-8)
        assert model.record.intercept[at].standard_error == pytest.approx(errors[at, 0], rel=1e-7)
    fit = model.record.fit[0]
    assert fit.log_likelihood == pytest.approx(known.llf, rel=1e-10)
    assert fit.null_deviance == pytest.approx(-2 * known.llnull, rel=1e-10)
    assert fit.aic == pytest.approx(known.aic, rel=1e-10)


@pytest.mark.parametrize("kind", ["HC0", "HC1"])
def test_robust_errors_are_those_of_statsmodels(kind: str) -> None:
    model = dr.learn(TABLE, predict="colour", using=NAMES, ridge=0, tolerance=1e-12, errors=kind)
    codes = np.array([COLOURS.index(one) for one in TABLE["colour"]])
    known = sm.MNLogit(codes, sm.add_constant(TABLE.select(NAMES).to_numpy()))
    known = known.fit(disp=0, method="newton", tol=1e-14, maxiter=100, cov_type="HC0")
    turn = centring(3, 4)
    errors = np.sqrt(np.diag(turn @ known.cov_params() @ turn.T)).reshape(3, 4)
    if kind == "HC1":
        errors *= np.sqrt(len(TABLE) / (len(TABLE) - 2 * 4))
    for at, colour in enumerate(COLOURS):
        mine = [w for w in model.record.weights if w.output == f"colour={colour}"]
        assert [w.standard_error for w in mine] == pytest.approx(list(errors[at, 1:]), rel=1e-8)
        assert model.record.intercept[at].standard_error == pytest.approx(errors[at, 0], rel=1e-8)


def test_a_ridge_is_scikit_learns() -> None:
    strength = 0.1
    model = dr.learn(TABLE, predict="colour", using=NAMES, ridge=strength, tolerance=1e-12)
    inputs = TABLE.select(NAMES).to_numpy()
    standard = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    known = LogisticRegression(
        C=1 / (len(inputs) * strength), solver="newton-cholesky", tol=1e-12, max_iter=1000
    )
    known.fit(standard, TABLE["colour"].to_numpy())
    found = np.array([w.weight for w in model.record.weights]).reshape(3, 3) * inputs.std(axis=0)
    assert found == pytest.approx(known.coef_, rel=1e-8, abs=1e-10)
    predicted = model.predict(TABLE)
    shares = predicted.select([f"colour_probability_{one}" for one in COLOURS]).to_numpy()
    assert shares == pytest.approx(known.predict_proba(standard), abs=1e-9)
    assert predicted["colour_prediction"].to_list() == known.predict(standard).tolist()


def test_predictions_are_classes_and_how_likely_each_is() -> None:
    model = dr.learn(TABLE, predict="colour", using=NAMES)
    one = model.predict({"a": 0.3, "b": 40.0, "c": 2.0})
    assert list(one) == ["colour_prediction", *(f"colour_probability_{c}" for c in COLOURS)]
    shares = [one[f"colour_probability_{c}"] for c in COLOURS]
    assert sum(shares) == pytest.approx(1, abs=1e-12)
    assert one["colour_prediction"] == COLOURS[int(np.argmax(shares))]


def test_contributions_add_up_to_each_classes_score() -> None:
    model = dr.learn(TABLE, predict="colour", using=NAMES)
    told = model.explain(TABLE)
    for colour in COLOURS:
        parts = told.select(f"colour={colour}_average", f"^colour={colour}_from_.*$")
        assert parts.sum_horizontal().to_numpy() == pytest.approx(
            told[f"colour={colour}_score"].to_numpy(), abs=1e-9
        )


@pytest.mark.parametrize("target", ["colour", "sold", ["colour", "price", "sold"]])
def test_a_saved_model_predicts_the_same(target: Any, tmp_path: Path) -> None:
    model = dr.learn(TABLE, predict=target, using=NAMES)
    model.save(tmp_path / "m.json")
    loaded = dr.load(tmp_path / "m.json")
    assert loaded.record == model.record
    assert loaded.predict(TABLE).equals(model.predict(TABLE))


# The loss by the target's values


def two_words(table: pl.DataFrame) -> pl.Series:
    return table.select(pl.when("sold").then(pl.lit("yes")).otherwise(pl.lit("no"))).to_series()


BY_VALUES: dict[str, tuple[Callable[[pl.DataFrame], pl.Series], str]] = {
    "text": (lambda t: t["colour"], "softmax"),
    "a category": (lambda t: t["colour"].cast(pl.Categorical), "softmax"),
    "booleans": (lambda t: t["sold"], "logistic"),
    "zeros and ones": (lambda t: t["sold"].cast(pl.Int64), "logistic"),
    "zeros and ones as floats": (lambda t: t["sold"].cast(pl.Float64), "logistic"),
    "two words": (two_words, "logistic"),
    "two numbers": (lambda t: t["sold"].cast(pl.Int64) + 1, "logistic"),
    "amounts": (lambda t: t["price"], "squared"),
    "counts": (lambda t: t["visits"], "squared"),
    "shares": (lambda t: t["a"].rank() / 301, "squared"),
}


@pytest.mark.parametrize("values", BY_VALUES)
@pytest.mark.parametrize("as_text", [False, True], ids=["frame", "csv"])
def test_the_targets_values_choose_the_loss(values: str, *, as_text: bool, tmp_path: Path) -> None:
    make, loss = BY_VALUES[values]
    table = TABLE.select(NAMES).with_columns(y=make(TABLE))
    given: Any = table
    if as_text:
        given = tmp_path / "t.csv"
        table.write_csv(given)
    model = dr.learn(given, predict="y")
    assert model.record.loss == loss


def test_two_numbers_are_classes_by_their_names() -> None:
    table = TABLE.select(NAMES).with_columns(y=TABLE["sold"].cast(pl.Int64) + 1)
    words = TABLE.select(NAMES).with_columns(y=two_words(TABLE))
    numbers, said = (dr.learn(one, predict="y") for one in (table, words))
    assert [target.classes for target in numbers.record.contract.targets] == [
        {"1": float((~TABLE["sold"]).sum()), "2": float(TABLE["sold"].sum())}
    ]
    # Which fold a row is in hangs on its class's name, and so does the rounding of the means.
    assert [w.weight for w in numbers.record.weights] == pytest.approx(
        [w.weight for w in said.record.weights], rel=1e-12
    )
    assert set(numbers.predict(table)["y_prediction"]) == {"1", "2"}


def test_few_rows_of_zeros_and_ones_are_amounts() -> None:
    few = {"x": [1.0, 2.0, 3.0, 4.0], "y": [0.0, 1.0, 1.0, 0.0]}
    assert dr.learn(few, predict="y").record.loss == "squared"
    assert dr.learn({**few, "y": [False, True, True, False]}, predict="y").record.loss == "logistic"


def test_two_values_that_later_become_more_are_numbers(tmp_path: Path) -> None:
    """The first rows look like two classes; the file has numbers after all, and says so."""
    rows = 12_000
    y = np.where(np.arange(rows) % 2, 3.0, 7.0)
    y[-5:] = [1.5, 2.5, 3.5, 4.5, 5.5]
    table = pl.DataFrame({"x": np.arange(rows) * 1.0, "y": y})
    table.write_csv(tmp_path / "t.csv")
    model = dr.learn(tmp_path / "t.csv", predict="y")
    assert model.record.loss == "squared"
    assert model.record.contract.targets[0].high == 7.0
    assert any("read again" in note for note in model.record.notes)


def test_zeros_and_ones_that_later_become_more_are_numbers() -> None:
    y = [0.0, 1.0] * 6000 + [0.5]
    table = pl.DataFrame({"x": np.arange(12_001) * 1.0, "y": y})
    assert dr.learn(table, predict="y").record.loss == "squared"


def test_the_record_of_a_target_counts_its_classes() -> None:
    table = {"x": range(9), "colour": list("rgbrgbrrg")}
    told = dr.learn(table, predict="colour").record.columns[-1]
    assert (told.column, told.done) == ("colour", "predicted; seen: 3 classes: b 2, g 3, r 4")


def test_missing_classes_leave_their_rows_out() -> None:
    gaps = TABLE.with_columns(
        colour=pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise("colour")
    )
    model = dr.learn(gaps, predict="colour", using=NAMES)
    kept = dr.learn(gaps.drop_nulls("colour"), predict="colour", using=NAMES)
    assert model.record.rows_left_out == 30
    # The rows are in other folds, whose sums are added in another order.
    assert [w.weight for w in model.record.weights] == pytest.approx(
        [w.weight for w in kept.record.weights], rel=1e-12
    )


@settings(deadline=None, derandomize=True, max_examples=8)
@given(st.integers(0, 10**6))
def test_a_row_weight_counts_as_copies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    each = rng.integers(1, 4, size=len(TABLE))
    weighed = TABLE.with_columns(n=pl.Series(each))
    copies = TABLE[np.repeat(np.arange(len(TABLE)), each).tolist()]
    how: dict[str, Any] = {"predict": "colour", "using": NAMES, "ridge": 0, "tolerance": 1e-12}
    one, other = dr.learn(weighed, weight="n", **how), dr.learn(copies, **how)
    found = [w.weight for w in one.record.weights]
    assert found == pytest.approx([w.weight for w in other.record.weights], rel=1e-8)
    assert one.record.fit[0].deviance == pytest.approx(other.record.fit[0].deviance, rel=1e-9)


def test_the_order_of_rows_does_not_matter() -> None:
    """Neither the classes' names nor the folds of ids depend on which row comes first."""
    table = TABLE.with_row_index("id")
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=5)
    one, other = (dr.learn(t, predict="colour", using=NAMES, id="id") for t in (table, shuffled))
    assert one.record.contract.outputs == other.record.contract.outputs
    assert one.record.held_out is not None
    assert other.record.held_out is not None
    assert one.record.held_out[0].rmse == pytest.approx(other.record.held_out[0].rmse, rel=1e-8)


# Several targets


def test_several_targets_with_a_loss_each_are_as_one_by_one() -> None:
    targets = {"colour": "softmax", "price": "huber", "sold": "logistic", "visits": "poisson"}
    model = dr.learn(TABLE, predict=list(targets), using=NAMES, loss=list(targets.values()))
    assert model.record.loss == "softmax, huber(1.345), logistic, poisson"
    together = model.predict(TABLE)
    for target, loss in targets.items():
        alone = dr.learn(TABLE, predict=target, using=NAMES, loss=loss)
        known = alone.predict(TABLE)
        # Rows are in other folds where other targets tell them apart: the means round otherwise.
        for name in known.columns:
            wanted: Any = known[name].to_list()
            numbers = known[name].dtype.is_float()
            assert together[name].to_list() == (pytest.approx(wanted) if numbers else wanted)
        [learnt] = [one for one in model.record.learnt if target in one.targets]
        assert learnt.loss == alone.record.learnt[0].loss
        fit, own = model.record.fit[list(targets).index(target)], alone.record.fit[0]
        assert fit.rmse == pytest.approx(own.rmse, rel=1e-9)
        assert fit.deviance == (own.deviance and pytest.approx(own.deviance, rel=1e-9))


def test_rows_without_one_of_the_targets_are_left_out_for_all() -> None:
    gaps = TABLE.with_columns(price=pl.when(pl.col("a") > 1).then(None).otherwise("price"))
    both = dr.learn(gaps, predict=["sold", "price"], using=NAMES)
    kept = dr.learn(gaps.drop_nulls("price"), predict="sold", using=NAMES)
    assert [w.weight for w in both.record.weights if w.output == "sold"] == pytest.approx(
        [w.weight for w in kept.record.weights], rel=1e-12
    )


def test_steps_are_shown_of_one_loss_at_a_time() -> None:
    with pytest.raises(LearningError, match="one by one"):
        list(dr.steps(TABLE, predict=["sold", "price"], using=NAMES, loss=["logistic", "squared"]))
    steps = list(dr.steps(TABLE, predict="colour", using=NAMES, learner="newton"))
    assert steps[-1].stopped is not None
    assert steps[-1].weights["weight"].shape == (3, 3)


# What is refused


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a class with one row": (
        {"x": range(9), "y": ["p", "q"] * 4 + ["r"]},
        {},
        "'r' of 'y' has a single row",
    ),
    "one class": ({"x": range(9), "y": ["p"] * 9}, {}, "is 'p' in every row"),
    "three classes for logistic": (
        {"x": range(9), "y": ["p", "q", "r"] * 3},
        {"loss": "logistic"},
        "3 classes .*use softmax",
    ),
    "classes for squared": (
        {"x": range(9), "y": ["p", "q", "r"] * 3},
        {"loss": "squared"},
        "softmax",
    ),
    "too many classes": (
        {"x": range(303), "y": [f"c{at % 101}" for at in range(303)]},
        {},
        "more than 100 different values",
    ),
    "names of rows": ({"x": range(50), "y": [f"r{at}" for at in range(50)]}, {}, "not a column of"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_targets_that_cannot_be_classes_are_refused(wrong: str) -> None:
    columns, asked, said = REFUSED[wrong]
    with pytest.raises(TargetError, match=said) as refused:
        dr.learn(pl.DataFrame(columns), predict="y", **asked)
    assert "\n" not in str(refused.value)


def test_losses_must_be_one_or_one_each() -> None:
    with pytest.raises(LearningError, match="2 losses are given for 3 targets"):
        dr.learn(TABLE, predict=["sold", "price", "visits"], loss=["logistic", "squared"])


def test_a_class_never_learnt_is_refused_when_compared() -> None:
    model = dr.learn(TABLE, predict="colour", using=NAMES)
    strange = TABLE.head(5).with_columns(colour=pl.Series(["red", "red", "mauve", "red", "red"]))
    with pytest.raises(TargetError, match="row 3: 'mauve' is none of the classes"):
        model.compare(strange)


# Real tables, beside their published baselines


def test_classes_through_the_command_line(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    TABLE.write_csv(path)
    told = run(
        *("learn", path, "--predict", "colour,price", "--using", "a,b,c"),
        *("--loss", "softmax,squared", "--save", tmp_path / "m.json", "--json"),
    )
    assert told.code == 0
    found = json.loads(told.out)
    assert [one["loss"] for one in found["learn"]] == ["softmax", "squared"]
    assert found["targets"] == ["colour", "price"]
    assert found["outputs"] == [*(f"colour={c}" for c in COLOURS), "price"]
    told = run("predict", tmp_path / "m.json", path, "--rows", "2")
    assert told.code == 0
    assert "colour_probability_green" in told.out


def many_classes(rows: int = 500, inputs: int = 30, classes: int = 10) -> pl.DataFrame:
    """Correlated and skewed inputs of so many classes that a Hessian costs more than gradients."""
    rng = np.random.default_rng(8)
    numbers = rng.normal(size=(rows, 6)) @ rng.normal(size=(6, inputs))
    numbers = numbers + rng.normal(size=(rows, inputs))
    numbers[:, 0] = np.exp(numbers[:, 0] / 3)
    scores = numbers[:, :8] @ rng.normal(size=(8, classes)) / 3
    of = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    table = pl.DataFrame({f"x{at}": column for at, column in enumerate(numbers.T)})
    return table.with_columns(y=pl.Series([f"class {one}" for one in of]))


@pytest.mark.parametrize("ridge", [0.01, "auto"])
def test_many_classes_are_learnt_by_gradients_to_the_weights_of_newton(ridge: Any) -> None:
    table = many_classes()
    settings: dict[str, Any] = {"predict": "y", "ridge": ridge, "tolerance": 1e-13}
    model = dr.learn(table, **settings)
    known = dr.learn(table, **settings, learner="newton")
    one, other = model.record.learnt[0], known.record.learnt[0]
    assert (one.learner, other.learner) == ("lbfgs", "newton")
    assert one.ridge == other.ridge > 0
    found = np.array([weight.weight for weight in model.record.weights])
    exact = np.array([weight.weight for weight in known.record.weights])
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-9 * np.abs(exact).max())
    assert model.record.held_out is not None
    assert known.record.held_out is not None
    held, there = model.record.held_out[0], known.record.held_out[0]
    # Newton's folds settle quadratically; those by gradients within a thousandth of their way.
    assert held.loss == pytest.approx(there.loss, rel=1e-4)
    assert held.rmse == pytest.approx(there.rmse, rel=1e-4)


def test_classes_that_are_told_apart_are_said_to_be_by_gradients_too() -> None:
    rng = np.random.default_rng(2)
    centres = 9 * rng.normal(size=(10, 30))
    of = np.arange(300) % 10
    numbers = centres[of] + rng.normal(size=(300, 30))
    table = pl.DataFrame({f"x{at}": column for at, column in enumerate(numbers.T)})
    model = dr.learn(table.with_columns(y=pl.Series([f"c{one}" for one in of])), predict="y")
    assert model.record.learnt[0].learner == "lbfgs"
    assert model.record.learnt[0].ridge > 0
    assert any("no finite weights are best" in note for note in model.record.notes)


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
def test_lbfgs_is_a_learner_whose_steps_can_be_watched(loss: str) -> None:
    target = {"squared": "price", "logistic": "sold", "poisson": "visits"}[loss]
    settings: dict[str, Any] = {"predict": target, "using": NAMES, "loss": loss, "ridge": 0.0}
    *_, last = dr.steps(drawn(), **settings, learner="lbfgs", tolerance=1e-11)
    exact = dr.learn(drawn(), **settings)
    assert last.alpha is None
    assert last.stopped is not None
    assert last.stopped.reason == "settled"
    known = [weight.weight for weight in exact.record.weights if weight.input in NAMES]
    np.testing.assert_allclose(last.weights["weight"].ravel(), known, rtol=1e-7)
    with pytest.raises(LearningError, match="takes no alpha"):
        dr.learn(drawn(), **settings, learner="lbfgs", alpha=0.1)


@pytest.mark.parametrize("weight", [1e-300, 1e-12])
def test_weights_that_vanish_are_refused(weight: float) -> None:
    table = {"x": [0.1 * at for at in range(40)], "y": ["yes", "no"] * 20, "w": [weight] * 40}
    with pytest.raises(TargetError, match="too little to count the classes of 'y'"):
        dr.learn(table, predict="y", using="x", weight="w")


@pytest.mark.parametrize("weight", [1e-300, 1e-170, 1e-150, 1e150, 1e200])
@pytest.mark.parametrize("target", [[True, False], [1, 0], [0.3, 7.5]], ids=str)
def test_weights_beyond_what_can_be_reckoned_with_are_refused(
    weight: float, target: list[Any]
) -> None:
    table = {"x": [float(at % 7) for at in range(40)], "y": target * 20, "w": [weight] * 40}
    with pytest.raises((LearningError, TargetError), match="the row weights add up to"):
        dr.learn(table, predict="y", using="x", weight="w")


@pytest.mark.parametrize("weight", [1e-120, 1e-30, 1e30, 1e120])
def test_small_and_large_weights_are_learnt_as_weights_of_1(weight: float) -> None:
    x = [float(at * at % 7) for at in range(40)]
    table = {"x": x, "y": [at % 3 == 0 for at in range(40)], "w": [weight] * 40}
    one = dr.learn({**table, "w": [1.5] * 40}, predict="y", using="x", weight="w", ridge=0)
    found = dr.learn(table, predict="y", using="x", weight="w", ridge=0)
    assert found.record.loss == one.record.loss == "logistic"
    assert found.coef == pytest.approx(one.coef, rel=1e-6)
