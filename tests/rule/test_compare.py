"""Losses against finite differences and scipy's distributions; comparisons add up."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from deltarule.rule.compare import LOSSES, Comparison, Logistic, Loss, Poisson, Rows, compare
from deltarule.rule.predict import Array, Linear

DRAWN = settings(deadline=None, derandomize=True, max_examples=60)
EVERY = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)

seeds = st.integers(0, 2**32 - 1)
# Scores as far out as a link may send them without overflow of exp.
scores_drawn = st.floats(-30, 30)
shares = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))


def one(value: float) -> Array:
    return np.array([[value]])


def rows_of(
    seed: int, n: int, loss: Loss, *, p: int = 3, k: int = 2
) -> tuple[dict[str, Array], Array, Array]:
    rng = np.random.default_rng(seed)
    weights = {"weight": rng.normal(size=(p, k)), "intercept": rng.normal(size=k)}
    targets = rng.uniform(0, 1, size=(n, k))
    if loss.name == "squared":
        targets = rng.normal(size=(n, k)) * 100
    return weights, rng.normal(size=(n, p)), targets


def close(one: Comparison, other: Comparison, *, rtol: float) -> None:
    """All that two comparisons say is the same, up to rtol of the largest number of its kind."""
    for part in fields(Comparison):
        a, b = getattr(one, part.name), getattr(other, part.name)
        pairs = [(a[name], b[name]) for name in a] if part.name == "weight_delta" else [(a, b)]
        assert type(a) is type(b)
        for x, y in pairs:
            if x is not None:
                atol = rtol * float(np.max(np.abs(y), initial=1e-300))
                np.testing.assert_allclose(x, y, rtol=0, atol=atol, err_msg=part.name)


@EVERY
@DRAWN
@given(score=scores_drawn, target=shares)
def test_delta_is_the_finite_difference_of_value(loss: Loss, score: float, target: float) -> None:
    step = 1e-5 * max(1.0, abs(score))
    up, down = (float(loss.value(one(score + s * step), one(target))[0]) for s in (1, -1))
    # Wrong by step ** 2 of the third derivative (here below exp(score)) and eps / step of values.
    size = 1 + (math.exp(score) if loss.name == "poisson" else 0)
    tolerance = step**2 * size + 1e-15 / step * (abs(up) + abs(down) + abs(target * score))
    assert loss.delta(one(score), one(target)).item() == pytest.approx(
        (up - down) / (2 * step), rel=0, abs=tolerance
    )


@EVERY
@DRAWN
@given(score=scores_drawn, target=shares)
def test_slope_is_the_finite_difference_of_delta(loss: Loss, score: float, target: float) -> None:
    step = 1e-5 * max(1.0, abs(score))
    up, down = (loss.delta(one(score + s * step), one(target)).item() for s in (1, -1))
    size = 1 + (math.exp(score) if loss.name == "poisson" else 0)
    tolerance = step**2 * size + 1e-15 / step * (abs(up) + abs(down) + 1)
    assert loss.slope(one(score)).item() == pytest.approx(
        (up - down) / (2 * step), rel=0, abs=tolerance
    )


@EVERY
@DRAWN
@given(score=scores_drawn, target=shares)
def test_delta_is_prediction_minus_target(loss: Loss, score: float, target: float) -> None:
    assert loss.delta(one(score), one(target)) == loss.mean(one(score)) - target


@EVERY
@DRAWN
@given(mean=st.floats(1e-6, 1 - 1e-6))
def test_score_undoes_mean(loss: Loss, mean: float) -> None:
    # exp and log each round once: some last digits, times the score's size (below 14).
    assert loss.mean(loss.score(one(mean))).item() == pytest.approx(mean, rel=1e-14)


@EVERY
@DRAWN
@given(target=st.floats(1e-3, 0.999), off=st.floats(-3, 3))
def test_least_is_the_value_at_the_best_score_and_no_other_is_below(
    loss: Loss, target: float, off: float
) -> None:
    best = loss.score(one(target))
    least = loss.least(one(target)).item()
    # Values here are below 10, so their rounding is below 1e-14.
    assert loss.value(best, one(target)).item() == pytest.approx(least, abs=1e-14)
    assert loss.value(best + off, one(target)).item() >= least - 1e-14


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_sure_target_has_a_least_loss_of_nothing(target: float) -> None:
    assert Logistic().least(one(target)).item() == 0
    assert Poisson().least(one(target)).item() == target
    far = one(800.0 if target else -800.0)
    assert Logistic().value(far, one(target)).item() == 0


@DRAWN
@given(score=st.floats(-8, 8), count=st.integers(0, 200))
def test_poisson_value_and_constant_are_minus_the_log_likelihood(score: float, count: int) -> None:
    said = Poisson().value(one(score), one(count)) + Poisson().constant(one(count))
    known = -stats.poisson.logpmf(count, math.exp(score))
    # Terms of some 3000 cancel: each rounds at 1e-13.
    assert said.item() == pytest.approx(known, rel=1e-12, abs=1e-11)


@DRAWN
@given(score=scores_drawn, yes=st.booleans())
def test_logistic_value_is_minus_the_log_likelihood(score: float, yes: bool) -> None:
    # log1p keeps the digits that 1 - probability would lose; value cancels |score| <= 30.
    known = math.log1p(math.exp(-score)) if yes else math.log1p(math.exp(score))
    said = Logistic().value(one(score), one(float(yes))) + Logistic().constant(one(float(yes)))
    assert said.item() == pytest.approx(known, rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("score", [-1e4, -800.0, 800.0, 1e4])
def test_logistic_says_finite_things_of_scores_far_out(score: float) -> None:
    loss = Logistic()
    assert loss.value(one(score), one(0.0)).item() == max(score, 0.0)
    assert loss.delta(one(score), one(1.0)).item() == (0.0 if score > 0 else -1.0)
    # exp(-800) is smaller than any number there is.
    assert loss.slope(one(score)).item() == 0


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("squared", [-1e300, 0.0, 1e300], [np.nan, np.inf, -np.inf]),
        ("logistic", [0.0, 0.5, 1.0], [-0.1, 1.1, np.nan, np.inf]),
        ("poisson", [0.0, 2.5, 1e300], [-1e-9, np.nan, np.inf]),
    ],
)
def test_which_targets_a_loss_takes(name: str, accepted: list[float], refused: list[float]) -> None:
    assert LOSSES[name].accepts(np.array(accepted)).all()
    assert not LOSSES[name].accepts(np.array(refused)).any()


@EVERY
def test_several_outputs_are_summed_for_a_row(loss: Loss) -> None:
    rng = np.random.default_rng(5)
    scores, targets = rng.normal(size=(4, 3)), rng.uniform(size=(4, 3))
    for said in ("value", "least", "constant"):
        ask = getattr(loss, said)
        both = (scores, targets) if said == "value" else (targets,)
        alone = sum(ask(*(array[:, [at]] for array in both)) for at in range(3))
        # Three terms of order one, added in either order.
        np.testing.assert_allclose(ask(*both), alone, rtol=1e-14, atol=1e-15)


@EVERY
@DRAWN
@given(seed=seeds, n=st.integers(2, 40), cut=st.floats(0, 1), curvature=st.booleans())
def test_the_comparisons_of_two_parts_add_up_to_the_whole(
    loss: Loss, seed: int, n: int, cut: float, curvature: bool
) -> None:
    weights, inputs, targets = rows_of(seed, n, loss)
    at = 1 + int(cut * (n - 2))

    def said(rows: slice) -> Comparison:
        return compare(
            Linear(),
            loss,
            weights=weights,
            inputs=inputs[rows],
            targets=targets[rows],
            curvature=curvature,
        )

    whole = said(slice(None))
    assert whole.rows == n
    # Sums of at most 40 terms in another order; what cancels is measured by the largest.
    close(said(slice(at)) + said(slice(at, None)), whole, rtol=1e-12)


@EVERY
@DRAWN
@given(seed=seeds, counts=st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_a_whole_row_weight_counts_as_repeated_rows(
    loss: Loss, seed: int, counts: list[int]
) -> None:
    weights, inputs, targets = rows_of(seed, len(counts), loss)
    weighted = compare(
        Linear(),
        loss,
        weights=weights,
        inputs=inputs,
        targets=targets,
        row_weights=np.array(counts, dtype=float),
        curvature=True,
    )
    repeated = compare(
        Linear(),
        loss,
        weights=weights,
        inputs=np.repeat(inputs, counts, axis=0),
        targets=np.repeat(targets, counts, axis=0),
        curvature=True,
    )
    assert weighted.rows == sum(counts)
    # 3 * x beside x + x + x: some last digits of the largest term.
    close(weighted, repeated, rtol=1e-12)


@EVERY
@pytest.mark.parametrize("at_once", [1, 7, 8192])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_say_the_same_however_many_are_taken_at_once(
    loss: Loss, at_once: int, weighted: bool
) -> None:
    weights, inputs, targets = rows_of(11, 50, loss)
    each = np.random.default_rng(12).uniform(0, 3, size=50) if weighted else None
    rows = Rows(Linear(), loss, inputs, targets, each, at_once=at_once)
    whole = compare(
        Linear(),
        loss,
        weights=weights,
        inputs=inputs,
        targets=targets,
        row_weights=each,
        curvature=True,
    )
    # 50 terms in another order.
    close(rows(weights, curvature=True), whole, rtol=1e-12)
    assert rows(weights).curvature is None


def test_the_comparison_of_one_row_written_out() -> None:
    said = compare(
        Linear(),
        LOSSES["squared"],
        weights={"weight": np.array([[2.0], [3.0]]), "intercept": np.array([1.0])},
        inputs=np.array([[10.0, 100.0]]),
        targets=np.array([[300.0]]),
        row_weights=np.array([2.0]),
        curvature=True,
    )
    delta = 2 * 10 + 3 * 100 + 1 - 300
    assert said.rows == 2
    assert said.prediction.tolist() == [2 * 321.0]
    assert said.delta.tolist() == [2.0 * delta]
    assert said.loss == 2 * delta**2 / 2
    assert said.weight_delta["weight"].tolist() == [[2.0 * delta * 10], [2.0 * delta * 100]]
    assert said.weight_delta["intercept"].tolist() == [2.0 * delta]
    assert said.curvature is not None
    # The root of the weight is taken and squared again, so the last digit may differ.
    outer = 2 * np.outer([10.0, 100.0, 1.0], [10.0, 100.0, 1.0])
    np.testing.assert_allclose(said.curvature[0], outer, rtol=1e-15)


def test_curvature_is_lost_when_one_part_has_none() -> None:
    weights, inputs, targets = rows_of(1, 5, LOSSES["squared"])
    rows = Rows(Linear(), LOSSES["squared"], inputs, targets)
    with_it, without = rows(weights, curvature=True), rows(weights)
    assert (with_it + without).curvature is None
    assert (without + with_it).curvature is None
    assert (with_it + with_it).curvature is not None


@EVERY
def test_the_average_is_what_one_row_says(loss: Loss) -> None:
    weights, inputs, targets = rows_of(3, 1, loss)
    single = Rows(Linear(), loss, inputs, targets)(weights, curvature=True)
    three = Rows(Linear(), loss, inputs, targets, np.array([3.0]))(weights, curvature=True)
    # Times three and divided by three: one last digit each.
    close(three.average(), single, rtol=1e-14)


def test_freezing_takes_out_what_is_frozen_and_nothing_else() -> None:
    weights, inputs, targets = rows_of(9, 30, LOSSES["squared"], p=3, k=2)
    whole = Rows(Linear(), LOSSES["squared"], inputs, targets)(weights, curvature=True)
    mask = np.array([[True, False], [False, False], [False, True]])
    frozen = whole.freeze({"weight": mask, "intercept": np.array([False, True])})
    assert np.array_equal(
        frozen.weight_delta["weight"], np.where(mask, 0.0, whole.weight_delta["weight"])
    )
    assert frozen.weight_delta["intercept"].tolist() == [whole.weight_delta["intercept"][0], 0.0]
    assert whole.curvature is not None
    assert frozen.curvature is not None
    for output, free in enumerate([[1, 2, 3], [0, 1]]):
        held = np.setdiff1d(range(4), free)
        at = np.ix_(free, free)
        assert np.array_equal(frozen.curvature[output][at], whole.curvature[output][at])
        assert not frozen.curvature[output][np.ix_(free, held)].any()
        assert not frozen.curvature[output][np.ix_(held, free)].any()
        # What is held keeps a curvature of one a row, so that Newton can still solve with it.
        assert np.array_equal(frozen.curvature[output][np.ix_(held, held)], 30 * np.eye(len(held)))
    assert (frozen.rows, frozen.loss) == (whole.rows, whole.loss)
    assert np.array_equal(frozen.delta, whole.delta)
