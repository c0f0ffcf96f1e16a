"""A step in words, with every number checked against the ones it speaks of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.losses.glm import Squared
from deltarule.losses.loss import Loss
from deltarule.losses.registry import LOSSES
from deltarule.losses.robust import Huber
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import Step
from deltarule.trace.row_trace import RowTrace
from deltarule.trace.sentences import StepSentences, plain, step_sentences

FILM = {"budget": [200_000.0], "gross": [99_750_000.0]}


def film(**more: object) -> list[Step]:
    asked = {"start": 1.0, "alpha": 1e-11, "tolerance": 0.0, **more}
    return list(dr.steps(FILM, predict="gross", using="budget", intercept=False, **asked))


def said(step: Step, *, alone: bool = True) -> StepSentences:
    row = RowTrace.of(
        Linear(intercept=False),
        Squared(),
        weights=step.before,
        inputs=np.array([200_000.0]),
        targets=np.array([99_750_000.0]),
        number=1,
    )
    return step_sentences(step, row, inputs=["budget"], outputs=["gross"], alone=alone)


def test_the_first_step_of_the_film_reads_as_in_the_story() -> None:
    assert said(film()[0]).lines == [
        "  predict  budget 200,000 * weight 1 = 200,000",
        "  compare  predicted 200,000, gross is 99,750,000: delta -99,550,000, "
        "squared error 9.9102025e15",
        "    learn  delta -99,550,000 times budget 200,000 is -19,910,000,000,000, "
        "times alpha 1e-11 is -199.1: the weight goes up by 199.1, from 1 to 200.1",
    ]


def test_all_steps_of_the_film_read_well() -> None:
    steps = film()
    ends = [said(step).learn[0].rpartition(" to ")[2] for step in steps[:3]]
    assert ends == ["200.1", "319.56", "391.236"]
    assert said(steps[-1]).compare == (
        "predicted 99,750,000, gross is 99,750,000: delta 0, squared error 0",
    )
    assert said(steps[-1]).learn[0].endswith("the weight stays at 498.75")
    # The last digits of the steps before are rounding, and none of them are shown.
    assert all(len(line) < 190 for step in steps for line in said(step).lines)


def test_a_weight_that_overshot_goes_down() -> None:
    steps = film(alpha=4.5e-11, steps=2)
    assert "the weight goes down by" in said(steps[1]).learn[0]


def test_a_row_among_many_pulls_its_own_way() -> None:
    table = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 5.0]}
    (step,) = dr.steps(table, predict="y", using="x", alpha=0.1, steps=1)
    row = RowTrace.of(
        Linear(),
        Squared(),
        weights=step.before,
        inputs=np.array([2.0]),
        targets=np.array([4.0]),
        number=2,
    )
    found = step_sentences(step, row, inputs=["x"], outputs=["y"], alone=False)
    assert found.predict == ("x 2 * weight 0 + intercept 0 = 0",)
    assert found.compare == ("predicted 0, y is 4: delta -4, squared error 16",)
    # Mean of delta * x over the rows is -(2 + 8 + 15) / 3.
    assert found.learn == (
        "delta -4 times x 2 is -8, times alpha 0.1 is -0.8: it pulls the weight up by 0.8; "
        "all rows together: the weight goes up by 0.8333333333, from 0 to 0.8333333333",
        "delta -4 is the weight_delta of the intercept, times alpha 0.1 is -0.4: it pulls the "
        "weight up by 0.4; all rows together: the weight goes up by 0.3666666667, from 0 to "
        "0.3666666667",
    )


def test_a_learner_with_a_memory_is_not_said_to_move_by_this_step_alone() -> None:
    first, second = film(alpha=1e-12, learner="momentum", steps=2)
    assert "the weight goes up by" in said(first).learn[0]
    assert "the learner makes more of it: the weight goes up by" in said(second).learn[0]


def of(loss: Loss, weights: Weights, inputs: Array, targets: Array) -> RowTrace:
    return RowTrace.of(Linear(), loss, weights=weights, inputs=inputs, targets=targets, number=1)


def step_of(before: Weights, row: RowTrace, alpha: float | None = 0.5) -> Step:
    from deltarule.rule.compare import Comparison

    compared = Comparison(1.0, row.prediction, row.delta, row.error / 2, row.weight_delta)
    share = alpha or 0.1
    after = {n: a - share * row.weight_delta[n] for n, a in before.items()}
    return Step(1, before, compared, after, alpha=alpha)


def test_a_link_and_a_loss_that_caps_delta_are_told() -> None:
    weights = {"weight": np.array([[1.0]]), "intercept": np.array([0.5])}
    row = of(LOSSES["logistic"], weights, np.array([2.0]), np.array([1.0]))
    found = step_sentences(step_of(weights, row), row, inputs=["x"], outputs=["yes"], alone=True)
    assert found.predict == (
        "x 2 * weight 1 + intercept 0.5 = 2.5, the score; 1 / (1 + exp(-score)) = 0.92414182",
    )
    assert found.compare == (
        "predicted 0.92414182, yes is 1: delta -0.07585818002, log loss 0.07888973429",
    )
    assert row.error == pytest.approx(-np.log(row.prediction.item()), rel=1e-12)
    capped = of(Huber(threshold=1.0), weights, np.array([2.0]), np.array([9.0]))
    found = step_sentences(
        step_of(weights, capped), capped, inputs=["x"], outputs=["y"], alone=True
    )
    assert "delta -6.5" in found.compare[0]
    assert found.compare[0].endswith("; the loss counts it as -1")
    assert found.learn[0].startswith("delta -1 times x 2 is -2")


def test_many_inputs_and_outputs_are_cut_short() -> None:
    rng = np.random.default_rng(1)
    weights = {"weight": rng.normal(size=(9, 5)), "intercept": rng.normal(size=5)}
    row = of(Squared(), weights, rng.normal(size=9), rng.normal(size=5))
    names = [f"x{at}" for at in range(9)]
    found = step_sentences(
        step_of(weights, row), row, inputs=names, outputs=list("abcde"), alone=True
    )
    assert len(found.predict) == 4
    assert found.predict[0].startswith("a: ")
    assert "from 5 more" in found.predict[0]
    assert found.predict[-1] == "and 2 more outputs"
    assert "and 6 more weights" in found.learn


def test_on_standardised_inputs_the_rows_part_and_the_mean_are_told() -> None:
    table = {"x": [1.0, 2.0, 3.0, 6.0], "y": [2.0, 4.0, 5.0, 9.0]}
    (step,) = dr.steps(table, predict="y", using="x", learner="descent", steps=1)
    standard = Standardization(np.array([3.0]), np.array([np.std(table["x"])]))
    row = of(Squared(), step.before, np.array([6.0]), np.array([9.0]))
    words = {"inputs": ["x"], "outputs": ["y"], "standard": standard, "digits": 6}
    found = step_sentences(step, row, alone=False, together="all 4 rows", **words)
    standardised = 3 / np.std(table["x"])
    inputs = (np.array(table["x"]) - 3) / np.std(table["x"])
    mean = float(np.mean(-np.array(table["y"]) * inputs))
    after = step.weights["weight"].item()
    # What the sentence says is what the step did.
    assert step.alpha is not None
    assert after == pytest.approx(-step.alpha * mean / np.std(table["x"]), rel=1e-9)
    assert found.learn[0] == (
        f"x: delta -9 * standardised {standardised:.6g} is {-9 * standardised:.6g}, "
        f"mean of all 4 rows {mean:.6g}; weight from 0 up to {after:.6g}"
    )
    assert found.learn[1].startswith("intercept: delta -9, mean of all 4 rows -5; with")
    alone = step_sentences(step, row, alone=True, **words)
    assert "mean" not in alone.learn[0]


def test_a_frozen_weight_is_said_to_be() -> None:
    table = {"x": [1.0, 2.0], "z": [2.0, 1.0], "y": [2.0, 4.0]}
    (step,) = dr.steps(
        table, predict="y", using=["x", "z"], alpha=0.1, steps=1, start={"x": 2.0}, freeze="x"
    )
    row = of(Squared(), step.before, np.array([1.0, 2.0]), np.array([2.0]))
    frozen = {"weight": np.array([[True], [False]]), "intercept": np.array([False])}
    found = step_sentences(step, row, inputs=["x", "z"], outputs=["y"], alone=False, frozen=frozen)
    assert found.learn[0] == "the weight of x is frozen: it stays at 2"
    assert "times z 2" in found.learn[1]


def test_weights_that_exploded_are_told_too() -> None:
    weights = {"weight": np.array([[1e300]]), "intercept": np.array([0.0])}
    row = of(Squared(), weights, np.array([1e9]), np.array([1.0]))
    with np.errstate(over="ignore"):
        step = step_of(weights, row)
    found = step_sentences(step, row, inputs=["x"], outputs=["y"], alone=True)
    assert "inf" in found.compare[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (-0.5, "-0.5"),
        (498.74999999999994, "498.75"),
        (1234567.891, "1,234,567.891"),
        (123456789012.0, "123,456,789,012"),
        (9.9102025e15, "9.9102025e15"),
        (1e-11, "1e-11"),
        (2.5e-5, "2.5e-5"),
        (-1e300, "-1e300"),
        (float("inf"), "inf"),
    ],
)
def test_plain_numbers(value: float, text: str) -> None:
    assert plain(value) == text


@given(st.floats(-1e300, 1e300))
def test_a_plain_number_reads_back_to_ten_digits(value: float) -> None:
    assert float(plain(value).replace(",", "")) == pytest.approx(value, rel=1e-9, abs=1e-14)
