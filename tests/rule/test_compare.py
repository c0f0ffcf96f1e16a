"""Losses against finite differences and scipy's distributions; comparisons add up."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from deltarule.engines.in_memory import Rows
from deltarule.errors import LearningError
from deltarule.losses.glm import Logistic, Poisson
from deltarule.losses.loss import Loss
from deltarule.losses.positive import Gamma, Tweedie
from deltarule.losses.registry import KINKED, LOSSES, Several, loss_named, together
from deltarule.losses.robust import Huber, Quantile, quantile_of, spread_of
from deltarule.rule.compare import Comparison, Parts, compare, separately
from deltarule.rule.predict import Array, Linear

DRAWN = settings(deadline=None, derandomize=True, max_examples=60)
ALL = {**LOSSES, **KINKED}
EVERY = pytest.mark.parametrize("loss", ALL.values(), ids=ALL)
SMOOTH = {
    **LOSSES,
    **{f"tweedie({p})": Tweedie(p) for p in (1.001, 1.1, 1.9, 1.999)},
    **{f"rounded {w}": Quantile(0.9, width=w) for w in (0.5, 3.0)},
    "several": Several((Gamma(),), (1,)),
}
WITH_SLOPES = pytest.mark.parametrize("loss", SMOOTH.values(), ids=SMOOTH)

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


def reach(loss: Loss, score: float) -> float:
    """How large a loss's derivatives may be here: exp(score), exp(-score), or 1."""
    growth = {"poisson": abs(score), "gamma": abs(score)}
    if isinstance(loss, Several):
        return reach(loss.losses[0], score)
    return 1 + math.exp(abs(score) if "tweedie" in loss.name else growth.get(loss.name, 0))


@WITH_SLOPES
@DRAWN
@given(score=scores_drawn, target=shares)
def test_delta_is_the_finite_difference_of_value(loss: Loss, score: float, target: float) -> None:
    step = 1e-5 * max(1.0, abs(score))
    up, down = (float(loss.value(one(score + s * step), one(target))[0]) for s in (1, -1))
    # Wrong by step ** 2 of the third derivative and eps / step of values; where huber's slope
    # jumps, by the step itself.
    jump = step if isinstance(loss, Huber) else step**2
    tolerance = jump * reach(loss, score)
    tolerance += 1e-15 / step * (abs(up) + abs(down) + abs(target * score) + abs(score))
    # Near p = 1 and p = 2 a tweedie value holds terms that are 1 / (p - 1) times as large.
    tolerance *= 10 if "tweedie" in loss.name else 1
    assert loss.delta(one(score), one(target)).item() == pytest.approx(
        (up - down) / (2 * step), rel=0, abs=tolerance
    )


@WITH_SLOPES
@DRAWN
@given(score=scores_drawn, target=shares)
def test_slope_is_the_finite_difference_of_delta(loss: Loss, score: float, target: float) -> None:
    step = 1e-5 * max(1.0, abs(score))
    if isinstance(loss, Huber):
        assume(abs(abs(score - target) - loss.threshold) > step)  # there the slope jumps
    up, down = (loss.delta(one(score + s * step), one(target)).item() for s in (1, -1))
    tolerance = step**2 * reach(loss, score) + 1e-15 / step * (abs(up) + abs(down) + 1)
    assert loss.hessian(one(score), one(target)).item() == pytest.approx(
        (up - down) / (2 * step), rel=0, abs=tolerance
    )


@EVERY
@DRAWN
@given(score=st.floats(-700, 700), target=shares)
def test_all_parts_at_once_are_each_part_alone(loss: Loss, score: float, target: float) -> None:
    s, t = one(score), one(target)
    with np.errstate(over="ignore", invalid="ignore"):  # of some losses there is an exp(1e3)
        found = loss.parts(s, t)
        alone = separately(loss, s, t)
    # Two ways to write an exponential differ in its last digits, by eps * the score; means and
    # slopes keep theirs however small they are.
    for part in fields(Parts):
        ours, theirs = getattr(found, part.name), getattr(alone, part.name)
        atol = 0.0 if part.name in ("mean", "slope") else 1e-12
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=atol, err_msg=part.name)


@EVERY
@DRAWN
@given(score=st.floats(-5, 5))
def test_the_expected_slope_is_the_slope_at_a_target_that_is_met(loss: Loss, score: float) -> None:
    if loss.dispersion == "unknown":
        return  # a kink has no slope
    met = loss.link.inverse(one(score))
    # Powers of the prediction on one side, of prediction and target on the other.
    assert loss.hessian(one(score)).item() == pytest.approx(
        loss.hessian(one(score), met).item(), rel=1e-13
    )


@EVERY
@DRAWN
@given(score=st.floats(-20, 20), target=st.floats(1e-3, 1))
def test_delta_points_where_the_prediction_is_wrong(
    loss: Loss, score: float, target: float
) -> None:
    off = loss.link.inverse(one(score)).item() - target
    delta = loss.delta(one(score), one(target)).item()
    if abs(off) > 1e-9:
        assert np.sign(delta) == np.sign(off)


@pytest.mark.parametrize("name", ["squared", "logistic", "poisson"])
@DRAWN
@given(score=scores_drawn, target=shares)
def test_with_the_link_that_suits_it_delta_is_prediction_minus_target(
    name: str, score: float, target: float
) -> None:
    loss = LOSSES[name]
    assert loss.delta(one(score), one(target)) == loss.link.inverse(one(score)) - target


@EVERY
def test_what_is_shown_as_delta_is_prediction_minus_target_whatever_the_loss(loss: Loss) -> None:
    weights, inputs, targets = rows_of(4, 30, loss)
    said = compare(Linear(), loss, weights=weights, inputs=inputs, targets=targets).sum()
    predictions = loss.link.inverse(Linear().predict(weights, inputs))
    np.testing.assert_allclose(said.delta, (predictions - targets).sum(axis=0), rtol=1e-13)


@EVERY
@DRAWN
@given(mean=st.floats(1e-6, 1 - 1e-6))
def test_score_undoes_mean(loss: Loss, mean: float) -> None:
    # exp and log each round once: some last digits, times the score's size (below 14).
    assert loss.link.inverse(loss.link(one(mean))).item() == pytest.approx(mean, rel=1e-14)


@EVERY
@DRAWN
@given(target=st.floats(1e-3, 0.999), off=st.floats(-3, 3))
def test_least_is_the_value_at_the_best_score_and_no_other_is_below(
    loss: Loss, target: float, off: float
) -> None:
    best = loss.link(one(target))
    least = loss.saturated(one(target)).item()
    # Values here are below 10, so their rounding is below 1e-14.
    assert loss.value(best, one(target)).item() == pytest.approx(least, abs=1e-14)
    assert loss.value(best + off, one(target)).item() >= least - 1e-14


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_sure_target_has_a_least_loss_of_nothing(target: float) -> None:
    assert Logistic().saturated(one(target)).item() == 0
    assert Poisson().saturated(one(target)).item() == target
    far = one(800.0 if target else -800.0)
    assert Logistic().value(far, one(target)).item() == 0


@DRAWN
@given(score=st.floats(-8, 8), count=st.integers(0, 200))
def test_poisson_value_and_constant_are_minus_the_log_likelihood(score: float, count: int) -> None:
    said = Poisson().value(one(score), one(count)) + Poisson().log_normalizer(one(count))
    known = -stats.poisson.logpmf(count, math.exp(score))
    # Terms of some 3000 cancel: each rounds at 1e-13.
    assert said.item() == pytest.approx(known, rel=1e-12, abs=1e-11)


@DRAWN
@given(score=scores_drawn, yes=st.booleans())
def test_logistic_value_is_minus_the_log_likelihood(score: float, yes: bool) -> None:
    # log1p keeps the digits that 1 - probability would lose; value cancels |score| <= 30.
    known = math.log1p(math.exp(-score)) if yes else math.log1p(math.exp(score))
    said = Logistic().value(one(score), one(float(yes))) + Logistic().log_normalizer(
        one(float(yes))
    )
    assert said.item() == pytest.approx(known, rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("score", [-1e4, -800.0, 800.0, 1e4])
def test_logistic_says_finite_things_of_scores_far_out(score: float) -> None:
    loss = Logistic()
    assert loss.value(one(score), one(0.0)).item() == max(score, 0.0)
    assert loss.delta(one(score), one(1.0)).item() == (0.0 if score > 0 else -1.0)
    # exp(-800) is smaller than any number there is.
    assert loss.hessian(one(score)).item() == 0


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("squared", [-1e300, 0.0, 1e300], [np.nan, np.inf, -np.inf]),
        ("logistic", [0.0, 0.5, 1.0], [-0.1, 1.1, np.nan, np.inf]),
        ("poisson", [0.0, 2.5, 1e300], [-1e-9, np.nan, np.inf]),
        ("gamma", [1e-300, 2.5, 1e300], [0.0, -1.0, np.nan, np.inf]),
        ("tweedie(1.5)", [0.0, 2.5, 1e300], [-1e-9, np.nan, np.inf]),
        ("huber(1.345)", [-1e300, 0.0, 1e300], [np.nan, np.inf, -np.inf]),
        ("absolute", [-1e300, 0.0, 1e300], [np.nan, np.inf, -np.inf]),
        ("quantile(0.9)", [-1e300, 0.0, 1e300], [np.nan, np.inf, -np.inf]),
    ],
)
def test_which_targets_a_loss_takes(name: str, accepted: list[float], refused: list[float]) -> None:
    assert ALL[name].accepts(np.array(accepted)).all()
    assert not ALL[name].accepts(np.array(refused)).any()


@EVERY
def test_several_outputs_are_summed_for_a_row(loss: Loss) -> None:
    rng = np.random.default_rng(5)
    scores, targets = rng.normal(size=(4, 3)), rng.uniform(size=(4, 3))
    for said in ("value", "saturated", "log_normalizer"):
        ask = getattr(loss, said)
        both = (scores, targets) if said == "value" else (targets,)
        alone = sum(ask(*(array[:, [at]] for array in both)) for at in range(3))
        # Three terms of order one, added in either order.
        np.testing.assert_allclose(ask(*both), alone, rtol=1e-14, atol=1e-15)


@EVERY
@DRAWN
@given(seed=seeds, n=st.integers(2, 40), cut=st.floats(0, 1), hessian=st.booleans())
def test_the_comparisons_of_two_parts_add_up_to_the_whole(
    loss: Loss, seed: int, n: int, cut: float, hessian: bool
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
        ).sum(hessian=hessian)

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
    ).sum(hessian=True)
    repeated = compare(
        Linear(),
        loss,
        weights=weights,
        inputs=np.repeat(inputs, counts, axis=0),
        targets=np.repeat(targets, counts, axis=0),
    ).sum(hessian=True)
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
    ).sum(hessian=True)
    # 50 terms in another order.
    close(rows(weights, hessian=True), whole, rtol=1e-12)
    assert rows(weights).hessian is None


def test_the_comparison_of_one_row_written_out() -> None:
    said = compare(
        Linear(),
        LOSSES["squared"],
        weights={"weight": np.array([[2.0], [3.0]]), "intercept": np.array([1.0])},
        inputs=np.array([[10.0, 100.0]]),
        targets=np.array([[300.0]]),
        row_weights=np.array([2.0]),
    ).sum(hessian=True)
    delta = 2 * 10 + 3 * 100 + 1 - 300
    assert said.rows == 2
    assert said.prediction.tolist() == [2 * 321.0]
    assert said.delta.tolist() == [2.0 * delta]
    assert said.loss == 2 * delta**2 / 2
    assert said.weight_delta["weight"].tolist() == [[2.0 * delta * 10], [2.0 * delta * 100]]
    assert said.weight_delta["intercept"].tolist() == [2.0 * delta]
    assert said.hessian is not None
    # The root of the weight is taken and squared again, so the last digit may differ.
    outer = 2 * np.outer([10.0, 100.0, 1.0], [10.0, 100.0, 1.0])
    np.testing.assert_allclose(said.hessian[0], outer, rtol=1e-15)


def test_curvature_is_lost_when_one_part_has_none() -> None:
    weights, inputs, targets = rows_of(1, 5, LOSSES["squared"])
    rows = Rows(Linear(), LOSSES["squared"], inputs, targets)
    with_it, without = rows(weights, hessian=True), rows(weights)
    assert (with_it + without).hessian is None
    assert (without + with_it).hessian is None
    assert (with_it + with_it).hessian is not None


@EVERY
def test_the_average_is_what_one_row_says(loss: Loss) -> None:
    weights, inputs, targets = rows_of(3, 1, loss)
    single = Rows(Linear(), loss, inputs, targets)(weights, hessian=True)
    three = Rows(Linear(), loss, inputs, targets, np.array([3.0]))(weights, hessian=True)
    # Times three and divided by three: one last digit each.
    close(three.average(), single, rtol=1e-14)


def test_freezing_takes_out_what_is_frozen_and_nothing_else() -> None:
    weights, inputs, targets = rows_of(9, 30, LOSSES["squared"], p=3, k=2)
    whole = Rows(Linear(), LOSSES["squared"], inputs, targets)(weights, hessian=True)
    mask = np.array([[True, False], [False, False], [False, True]])
    frozen = whole.freeze({"weight": mask, "intercept": np.array([False, True])})
    assert np.array_equal(
        frozen.weight_delta["weight"], np.where(mask, 0.0, whole.weight_delta["weight"])
    )
    assert frozen.weight_delta["intercept"].tolist() == [whole.weight_delta["intercept"][0], 0.0]
    assert whole.hessian is not None
    assert frozen.hessian is not None
    for output, free in enumerate([[1, 2, 3], [0, 1]]):
        held = np.setdiff1d(range(4), free)
        at = np.ix_(free, free)
        assert np.array_equal(frozen.hessian[output][at], whole.hessian[output][at])
        assert not frozen.hessian[output][np.ix_(free, held)].any()
        assert not frozen.hessian[output][np.ix_(held, free)].any()
        # What is held keeps a curvature of one a row, so that Newton can still solve with it.
        assert np.array_equal(frozen.hessian[output][np.ix_(held, held)], 30 * np.eye(len(held)))
    assert (frozen.rows, frozen.loss) == (whole.rows, whole.loss)
    assert np.array_equal(frozen.delta, whole.delta)


# Amounts.


@DRAWN
@given(score=st.floats(-5, 5), target=st.floats(1e-3, 1e3), dispersion=st.floats(0.01, 10))
def test_gamma_value_and_constant_are_minus_the_log_likelihood(
    score: float, target: float, dispersion: float
) -> None:
    loss = Gamma()
    said = loss.value(one(score), one(target)) / dispersion + loss.log_normalizer(
        one(target), dispersion
    )
    mean = math.exp(score)
    known = -stats.gamma.logpdf(target, 1 / dispersion, scale=mean * dispersion)
    # Terms of up to 1e5 / dispersion cancel.
    size = (abs(known) + target / mean + 10) / dispersion
    assert said.item() == pytest.approx(known, rel=0, abs=1e-13 * size * 10)


@pytest.mark.parametrize("score", [-2.0, 0.0, 3.0])
@pytest.mark.parametrize("target", [0.0, 0.5, 7.0])
def test_tweedie_ends_where_poisson_and_gamma_begin(score: float, target: float) -> None:
    low, high = Tweedie(1 + 1e-9), Tweedie(2 - 1e-9)
    s, t = one(score), one(target)
    poisson = Poisson()
    # The powers differ by 1e-9 of a logarithm of some 10, and values by a constant.
    assert low.delta(s, t).item() == pytest.approx(poisson.delta(s, t).item(), rel=1e-7)
    deviance = low.value(s, t) - low.saturated(t)
    known = poisson.value(s, t) - poisson.saturated(t)
    assert deviance.item() == pytest.approx(known.item(), rel=1e-6, abs=1e-7)
    if target:
        assert high.delta(s, t).item() == pytest.approx(Gamma().delta(s, t).item(), rel=1e-7)
        deviance = high.value(s, t) - high.saturated(t)
        known = Gamma().value(s, t) - Gamma().saturated(t)
        assert deviance.item() == pytest.approx(known.item(), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", ["gamma", "tweedie(1.5)", "poisson"])
@pytest.mark.parametrize("score", [-800.0, -300.0, 300.0, 800.0])
def test_scores_far_out_give_no_value_that_is_not_a_number(name: str, score: float) -> None:
    loss = LOSSES[name]
    targets = [1e-300, 1.0, 1e300] + ([0.0] if name != "gamma" else [])
    with np.errstate(over="ignore"):
        for target in targets:
            for said in (loss.value, loss.delta, loss.hessian):
                assert not np.isnan(said(one(score), one(target))).any(), (said, target)


# Outliers and quantiles.


def test_huber_is_squared_loss_inside_and_straight_outside() -> None:
    loss = Huber(2.0, spread=10.0)
    inside = loss.value(one(5.0), one(-14.0))
    assert inside.item() == LOSSES["squared"].value(one(5.0), one(-14.0)).item()
    near, far = (loss.value(one(0.0), one(off)).item() for off in (120.0, 121.0))
    assert far - near == 20.0
    assert loss.delta(one(0.0), one(1e9)).item() == -20.0


@DRAWN
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    counts=st.data(),
    share=st.sampled_from([0.01, 0.25, 0.5, 0.9]),
)
def test_a_weighted_quantile_is_that_of_repeated_values_and_of_least_loss(
    values: list[float], counts: st.DataObject, share: float
) -> None:
    n = len(values)
    times = counts.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    each, numbers = np.array(times, dtype=float), np.array(values)
    repeated = np.repeat(numbers, times)
    found = quantile_of(numbers, each, share)
    assert found == quantile_of(repeated, np.ones(len(repeated)), share)
    if share == 0.5:
        assert found == np.median(repeated)

    def loss(at: float) -> float:
        return float(each @ Quantile(share).value(np.full((n, 1), at), numbers[:, None]))

    # The best constant is among the values; sums of 80 terms of up to 1e6 round at 1e-9 or less.
    assert loss(found) <= min(loss(value) for value in values) + 1e-7


def test_the_spread_of_normal_residuals_is_their_standard_deviation() -> None:
    residuals = np.random.default_rng(0).normal(0, 3, 200_001)
    # The median of so many is sure to 0.3%; outliers in a tenth of the rows move it by 15%.
    assert spread_of(residuals, np.ones(len(residuals))) == pytest.approx(3, rel=0.01)
    residuals[:20_000] = 1e9
    assert spread_of(residuals, np.ones(len(residuals))) == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_rounded_kink_is_never_below_the_kink_and_meets_it_as_it_narrows(share: float) -> None:
    u = np.linspace(-3, 3, 101)[:, None]
    sharp = Quantile(share).value(np.zeros_like(u), u)
    above = [Quantile(share, w).value(np.zeros_like(u), u) - sharp for w in (1, 1e-3, 1e-9)]
    # Half the width at the kink, less elsewhere; values of up to 3 round at 1e-15.
    for off, width in zip(above, (1, 1e-3, 1e-9), strict=True):
        assert off.min() > -1e-15
        assert off.max() == pytest.approx(width / 2, rel=1e-6)


# Names.


@EVERY
def test_a_loss_is_found_by_its_own_name(loss: Loss) -> None:
    assert loss_named(loss.name) == loss
    assert "{}" in loss.says


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("huber", Huber(1.345)),
        ("huber(2)", Huber(2.0)),
        ("tweedie( 1.9 )", Tweedie(1.9)),
        ("quantile(.9)", Quantile(0.9)),
        ("quantile(0.5)", Quantile(0.5)),
        ("quantile(1e-3)", Quantile(0.001)),
    ],
)
def test_how_a_loss_may_be_spelled(text: str, known: Loss) -> None:
    assert loss_named(text) == known
    assert loss_named(loss_named(text).name) == known


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Huber",
        "tweedie",
        "quantile",
        "quantile()",
        "quantile(0)",
        "quantile(1)",
        "quantile(-0.5)",
        "quantile(nan)",
        "quantile(1_0)",
        "quantile(0.9",
        "quantile(0.9)\0",
        "quantile(\u0660.\u0669)",
        "quantile(0.9, 3)",
        "tweedie(1)",
        "tweedie(2)",
        "tweedie(inf)",
        "huber(0)",
        "huber(1e999)",
        "squared(1)",
        "quantile(" + "9" * 100_000 + ")",
        "x" * 100_000,
        "several\nlines",
        None,
        5,
        ["squared"],
    ],
)
def test_what_spells_no_loss_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(LearningError) as refused:
        loss_named(text)
    assert "\n" not in str(refused.value)
    assert "\0" not in str(refused.value)
    assert len(str(refused.value)) < 250


# Offsets, and a loss for each output.


@EVERY
@pytest.mark.parametrize("shape", [(50, 1), (50, 2)])
def test_an_offset_is_an_input_with_weight_one(loss: Loss, shape: tuple[int, int]) -> None:
    weights, inputs, targets = rows_of(6, 50, loss)
    offsets = np.random.default_rng(7).normal(size=shape)
    rows = Rows(Linear(), loss, inputs, targets, None, offsets, at_once=16)
    said = rows(weights, hessian=True)
    for output in range(2):
        column = offsets[:, [output if shape[1] == 2 else 0]]
        wide = Rows(Linear(), loss, np.column_stack([inputs, column]), targets[:, [output]])
        known = wide(
            {
                "weight": np.vstack([weights["weight"][:, [output]], [[1.0]]]),
                "intercept": weights["intercept"][[output]],
            },
            hessian=True,
        )
        # 50 terms in another order.
        assert said.delta[output] == pytest.approx(known.delta[0], rel=1e-12, abs=1e-12)
        np.testing.assert_allclose(
            said.weight_delta["weight"][:, output],
            known.weight_delta["weight"][:3, 0],
            rtol=1e-11,
            atol=1e-11,
        )
        assert said.hessian is not None
        assert known.hessian is not None
        free = np.ix_([0, 1, 2, 4], [0, 1, 2, 4])
        np.testing.assert_allclose(
            said.hessian[output], known.hessian[0][free], rtol=1e-11, atol=1e-11
        )


def test_several_losses_say_of_each_output_what_its_own_says() -> None:
    losses = (Huber(1.0, 0.3), Poisson(), Quantile(0.9, 0.1))
    both = together(losses)
    rng = np.random.default_rng(8)
    scores, targets = rng.normal(size=(9, 3)), rng.uniform(size=(9, 3))
    values = np.zeros(9)
    for at, loss in enumerate(losses):
        s, t = scores[:, [at]], targets[:, [at]]
        values += loss.value(s, t)
        assert np.array_equal(both.delta(scores, targets)[:, [at]], loss.delta(s, t))
        assert np.array_equal(both.hessian(scores, targets)[:, [at]], loss.hessian(s, t))
        assert np.array_equal(both.hessian(scores)[:, [at]], loss.hessian(s))
        assert np.array_equal(both.link.inverse(scores)[:, [at]], loss.link.inverse(s))
    np.testing.assert_allclose(both.value(scores, targets), values, rtol=1e-14)
    assert together([Poisson(), Poisson()]) == Poisson()
