"""Figures against other libraries; parts add up; a weight of k is k copies."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.calibration import calibration_curve

import deltarule as dr
from deltarule.losses.registry import LOSSES, loss_named
from deltarule.metrics.classification import ClassMetricSums
from deltarule.metrics.regression import MetricSums
from deltarule.rule.predict import Array


def drawn(seed: int, n: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, (n, 1))
    return scores, (rng.random((n, 1)) < 1 / (1 + np.exp(-scores))).astype(float)


def summed(
    loss: str, scores: Array, targets: Array, each: Array, classes: Sequence[str] = ()
) -> MetricSums:
    found = MetricSums(loss_named(loss), targets.mean(axis=0), classes)
    found.add(scores, targets, each)
    return found


def test_yes_no_figures_are_those_of_another_library():
    scores, targets = drawn(1, 400)
    figures = summed("logistic", scores, targets, np.ones(400), ("no", "yes")).figures("grade")
    probability = 1 / (1 + np.exp(-scores[:, 0]))
    yes, said = targets[:, 0], probability > 0.5
    assert figures.classes is not None
    assert figures.loss == pytest.approx(metrics.log_loss(yes, probability), rel=1e-12)
    assert figures.classes.accuracy == pytest.approx(metrics.accuracy_score(yes, said))
    assert figures.classes.auc == pytest.approx(metrics.roc_auc_score(yes, probability))
    assert np.array_equal(figures.classes.confusion, metrics.confusion_matrix(yes, said))
    most = max(yes.mean(), 1 - yes.mean())
    assert figures.classes.baseline_accuracy == pytest.approx(most)
    happened, sure = calibration_curve(yes, probability, n_bins=10)
    found = figures.classes.calibration
    assert [one.happened for one in found] == pytest.approx(happened)
    assert [one.predicted for one in found] == pytest.approx(sure)
    assert sum(one.rows for one in found) == 400
    assert figures.absolute_error == pytest.approx(np.abs(yes - probability).mean())


def test_classes_are_counted_by_what_they_are_and_what_was_predicted():
    found = ClassMetricSums(["a", "b", "c"])
    predictions = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]])
    targets = np.eye(3)[[0, 1, 2, 2]]
    found.add(predictions, targets, np.array([1.0, 1.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3]))
    figures = found.figures()
    assert figures.confusion == ((1, 0, 0), (0, 1, 0), (2, 0, 1))
    assert figures.accuracy == pytest.approx(3 / 5)
    assert figures.baseline_accuracy == pytest.approx(1 / 5)
    # Each class against all others.
    each = np.array([1.0, 1.0, 1.0, 2.0])
    assert figures.auc == pytest.approx(
        np.mean(
            [
                metrics.roc_auc_score(targets[:, one], predictions[:, one], sample_weight=each)
                for one in range(3)
            ]
        ),
        rel=1e-13,
    )
    assert {one.predicted: one.happened for one in figures.calibration} == pytest.approx(
        {0.7: 1.0, 0.8: 1.0, 0.4: 1.0, 0.5: 0.0}
    )


def test_the_auc_of_classes_is_that_of_another_library():
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(300, 4))
    targets = np.eye(4)[rng.integers(0, 4, 300)]
    figures = summed("softmax", scores + targets, targets, np.ones(300), "abcd").figures("kind")
    assert figures.classes is not None
    likely = loss_named("softmax").link.inverse(scores + targets)
    known = metrics.roc_auc_score(targets.argmax(axis=1), likely, multi_class="ovr")
    assert figures.classes.auc == pytest.approx(known, rel=1e-13)
    assert figures.classes.auc_within == 0
    # A class that no row has cannot be ranked: the others are.
    few = ClassMetricSums("abcd")
    few.add(likely[:9], np.eye(4)[[0, 1, 2] * 3], np.ones(9), np.full(4, 0.25))
    others = [metrics.roc_auc_score(np.arange(9) % 3 == of, likely[:9, of]) for of in range(3)]
    assert few.figures().auc == pytest.approx(np.mean(others), rel=1e-13)


def test_shares_count_on_both_sides():
    scores = np.array([[2.0], [-2.0]])
    shares = np.array([[0.75], [0.25]])
    trials = summed("logistic", scores, shares, np.array([4.0, 4.0]), ("no", "yes"))
    apart = summed(
        "logistic",
        np.repeat(scores, 4, axis=0),
        np.array([[1.0], [1], [1], [0], [1], [0], [0], [0]]),
        np.ones(8),
        ("no", "yes"),
    )
    one, other = trials.figures("x"), apart.figures("x")
    assert one.classes == other.classes
    assert one.loss == pytest.approx(other.loss, rel=1e-14)


def test_counts_have_the_figures_of_another_library():
    rng = np.random.default_rng(3)
    inputs = sm.add_constant(rng.normal(size=(200, 2)))
    targets = rng.poisson(np.exp(inputs @ [0.5, 0.3, -0.2])).astype(float)
    fit = sm.GLM(targets, inputs, sm.families.Poisson()).fit()
    sums = summed("poisson", (inputs @ fit.params)[:, None], targets[:, None], np.ones(200))
    figures = sums.figures("n", parameters=3)
    assert figures.deviance == pytest.approx(fit.deviance, rel=1e-12)
    assert figures.null_deviance == pytest.approx(fit.null_deviance, rel=1e-12)
    assert figures.log_likelihood == pytest.approx(fit.llf, rel=1e-12)
    assert figures.aic == pytest.approx(fit.aic, rel=1e-12)
    assert figures.pseudo_r2 == pytest.approx(1 - fit.llf / fit.llnull, rel=1e-11)
    assert figures.classes is None


def equal(one: Any, other: Any) -> bool:
    """Plain data, numbers alike to rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(v, other[k]) for k, v in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    number = isinstance(one, float)
    return bool(one == (pytest.approx(other, rel=1e-9, abs=1e-12) if number else other))


@pytest.mark.parametrize("loss", LOSSES)
@given(seed=st.integers(0, 1000))
def test_parts_add_up_and_a_weight_of_k_is_k_copies(loss: str, seed: int):
    rng = np.random.default_rng(seed)
    scores, targets = drawn(seed, 30)
    targets = targets if loss == "logistic" else targets + rng.random(targets.shape)
    times = rng.integers(0, 4, 30)
    times[0] = 1
    guess, classes = np.array([0.5]), ("no", "yes") if loss == "logistic" else ()
    weighed, copied = (MetricSums(loss_named(loss), guess, classes) for _ in range(2))
    for part in (slice(0, 10), slice(10, 30)):
        weighed.add(scores[part], targets[part], times[part].astype(float))
    at = np.repeat(np.arange(30), times)
    copied.add(scores[at], targets[at], np.ones(len(at)))
    one, other = weighed.figures("x").model_dump(), copied.figures("x").model_dump()
    assert equal(one, other)


def test_rows_all_alike_have_no_r2():
    figures = summed("squared", np.zeros((3, 1)), np.full((3, 1), 2.0), np.ones(3)).figures("x")
    assert figures.r2 is None
    assert figures.baseline_rmse == 0


def test_classes_that_are_equally_likely_are_told_the_same_whatever_the_order_of_sums() -> None:
    rng = np.random.default_rng(21)
    table = pl.DataFrame(
        {
            "b": rng.permutation(np.array(list("uvw") * 20)),
            "y": rng.permutation(np.arange(60) % 2),
            "id": np.arange(60),
        }
    )
    how: dict[str, Any] = {"predict": "y", "using": "b", "id": "id", "ridge": 0, "loss": "logistic"}
    one, other = (dr.learn(rows, **how).record.held_out for rows in (table, table[::-1]))
    assert one is not None
    assert other is not None
    assert one[0].loss == pytest.approx(other[0].loss, rel=1e-9)
    assert one[0].classes is not None
    assert other[0].classes is not None
    assert one[0].classes.confusion == other[0].classes.confusion
    assert one[0].classes.baseline_accuracy == other[0].classes.baseline_accuracy
