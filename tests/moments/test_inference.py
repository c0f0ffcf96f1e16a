"""How sure weights are, against statsmodels: at the level of moments and through learn."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import deltarule as dr
from deltarule.moments.inference import Fit, certainty, input_variance, intercept_variance
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.rule.predict import Array
from deltarule.solvers.least_squares import solve

DRAWN = settings(deadline=None, derandomize=True, max_examples=25)


def table(seed: int, *, n: int = 50) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 3)) * [1.0, 50.0, 1e-2] + [0.0, 100.0, 1.0]
    return inputs, inputs @ [1.0, 0.1, 30.0] + rng.normal(size=n) + 2


def by_statsmodels(inputs: Array, target: Array, *, intercept: bool) -> sm.OLS:
    # Unscaled columns would cost statsmodels digits, not us: its own units are the same problem.
    design = np.column_stack([inputs, np.ones(len(inputs))]) if intercept else inputs
    return sm.OLS(target, design).fit(method="qr")


@DRAWN
@given(seed=st.integers(0, 2**32 - 1), intercept=st.booleans())
def test_tests_and_intervals_are_statsmodels(seed: int, intercept: bool) -> None:
    inputs, target = table(seed)
    moments = Moments.of(np.column_stack([inputs, target]))
    problem = LeastSquares.of(moments, range(3), [3], intercept=intercept)
    found = solve(problem)
    freedom = 50 - 3 - intercept
    s2 = float(problem.squared_error(found.weights)[0]) / freedom
    variance = input_variance(found.inverse, found.null) * s2 / found.unit**2
    weights = found.weights["weight"][:, 0]
    if intercept:
        middle = problem.mean * problem.scale / found.unit
        own = s2 * intercept_variance(found.inverse, middle, problem.rows)
        variance = np.append(variance, own)
        weights = np.append(weights, found.weights["intercept"])
    said = certainty(weights, np.sqrt(variance), freedom=freedom)
    known = by_statsmodels(inputs, target, intercept=intercept)
    interval = known.conf_int()
    # The design's condition (1e4 unscaled, 100 scaled) costs statsmodels more digits than us.
    np.testing.assert_allclose(said.standard_error, known.bse, rtol=1e-9)
    np.testing.assert_allclose(said.t, known.tvalues, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(said.p, known.pvalues, rtol=1e-7, atol=1e-300)
    np.testing.assert_allclose(said.low, interval[:, 0], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(said.high, interval[:, 1], rtol=1e-8, atol=1e-8)


def test_another_level_is_another_width() -> None:
    inputs, target = table(1)
    known = by_statsmodels(inputs, target, intercept=True)
    said = certainty(known.params, known.bse, freedom=46, level=0.99)
    np.testing.assert_allclose(said.low, known.conf_int(alpha=0.01)[:, 0], rtol=1e-12)


def test_without_end_of_freedom_it_is_the_normal_distribution() -> None:
    said = certainty(np.array([1.959963984540054]), np.array([1.0]), freedom=np.inf)
    # Tables of the normal distribution: 1.959963984540054 is its 97.5 % point.
    assert said.p[0] == pytest.approx(0.05, rel=1e-12)
    assert said.low[0] == pytest.approx(0.0, abs=1e-15)


def test_small_p_keep_their_digits() -> None:
    said = certainty(np.array([50.0, -50.0]), np.array([1.0, 1.0]), freedom=100)
    # The lower tail is asked for, so that 1 - cdf does not lose what is small.
    np.testing.assert_allclose(said.p, 2 * stats.t.sf(50, 100), rtol=1e-10)
    assert (said.p > 0).all()


@pytest.mark.parametrize("freedom", [0.0, -1.0])
def test_without_freedom_nothing_is_sure(freedom: float) -> None:
    said = certainty(np.array([1.0, 2.0]), np.array([1.0, 1.0]), freedom=freedom)
    for part in (said.standard_error, said.t, said.p, said.low, said.high):
        assert np.isnan(part).all()


def test_what_no_error_is_known_of_is_not_a_number() -> None:
    said = certainty(np.array([1.0, 2.0]), np.array([np.nan, 0.5]), freedom=10)
    assert np.isnan([said.t[0], said.p[0], said.low[0], said.high[0]]).all()
    assert said.t[1] == 4.0


def test_only_inputs_in_a_dependent_combination_are_unknown() -> None:
    inputs, target = table(2)
    both = np.column_stack([inputs, inputs[:, 0] * 2, target])
    found = solve(LeastSquares.of(Moments.of(both), range(4), [4]))
    variance = input_variance(found.inverse, found.null) / found.unit**2
    assert np.isnan(variance).tolist() == [True, False, False, True]
    known = by_statsmodels(inputs, target, intercept=True)
    # The rest is what it is without the copy; null directions are known to half the digits.
    share = known.bse[[1, 2]] ** 2 / known.scale
    np.testing.assert_allclose(variance[[1, 2]], share, rtol=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
def test_how_it_fits_is_statsmodels(intercept: bool) -> None:
    inputs, target = table(3)
    known = by_statsmodels(inputs, target, intercept=intercept)
    total = known.centered_tss if intercept else known.uncentered_tss
    said = Fit.of(known.ssr, total, rows=50, freedom=known.df_resid)
    # statsmodels takes r squared about zero where the design has no constant.
    assert said.r2 == pytest.approx(known.rsquared, rel=1e-13)
    assert said.residual_sd == pytest.approx(np.sqrt(known.mse_resid), rel=1e-13)
    assert said.rmse == pytest.approx(np.sqrt(np.mean(known.resid**2)), rel=1e-12)


def test_a_target_that_never_varies_has_no_r2() -> None:
    assert Fit.of(0.0, 0.0, rows=5, freedom=3).r2 is None
    assert Fit.of(0.0, 10.0, rows=2, freedom=0).residual_sd is None


# Through the public path.

COLUMNS = ["standard_error", "t", "p", "low", "high"]


def learnt(model: dr.Model, column: str) -> Array:
    """A column of the weights with the intercept last, as statsmodels has it above."""
    values = model.weights[column].to_numpy()
    return np.roll(values, -1) if model.weights["input"][0] == "(intercept)" else values


def as_table(inputs: Array, **more: Array) -> dict[str, Array]:
    return {f"x{at}": inputs[:, at] for at in range(inputs.shape[1])} | more


@pytest.mark.parametrize("intercept", [True, False])
def test_learn_is_as_sure_as_statsmodels(intercept: bool) -> None:
    inputs, target = table(4)
    model = dr.learn(as_table(inputs, y=target), predict="y", ridge=0, intercept=intercept)
    known = by_statsmodels(inputs, target, intercept=intercept)
    interval = known.conf_int()
    # As above.
    np.testing.assert_allclose(learnt(model, "weight"), known.params, rtol=1e-9)
    np.testing.assert_allclose(learnt(model, "standard_error"), known.bse, rtol=1e-9)
    np.testing.assert_allclose(learnt(model, "t"), known.tvalues, rtol=1e-8)
    np.testing.assert_allclose(learnt(model, "p"), known.pvalues, rtol=1e-7, atol=1e-300)
    np.testing.assert_allclose(learnt(model, "low"), interval[:, 0], rtol=1e-8)
    np.testing.assert_allclose(learnt(model, "high"), interval[:, 1], rtol=1e-8)
    fit = model.record.fit[0]
    assert fit.r2 == pytest.approx(known.rsquared, rel=1e-12)
    assert fit.residual_sd == pytest.approx(np.sqrt(known.mse_resid), rel=1e-12)
    design = np.column_stack([inputs, np.ones(50)]) if intercept else inputs
    assert model.record.learnt[0].condition == pytest.approx(np.linalg.cond(design), rel=1e-9)


def test_a_row_weight_counts_rows_in_every_figure(copied: Callable[..., pl.DataFrame]) -> None:
    inputs, target = table(5)
    counts = np.random.default_rng(5).integers(0, 4, size=50)
    counted = pl.DataFrame(as_table(inputs, y=target, rows=counts))
    weighted = dr.learn(counted, predict="y", weight="rows", ridge=0)
    again = np.repeat(inputs, counts, axis=0), np.repeat(target, counts)
    repeated = dr.learn(copied(counted, "rows"), predict="y", id="id", ridge=0)
    known = by_statsmodels(*again, intercept=True)
    assert weighted.record.rows == counts.sum()
    assert weighted.record.rows_left_out == (counts == 0).sum()
    np.testing.assert_allclose(learnt(weighted, "standard_error"), known.bse, rtol=1e-9)
    for column in ["weight", *COLUMNS]:
        # Sums of three equal terms beside three times one: some last digits, times the condition.
        np.testing.assert_allclose(
            learnt(weighted, column), learnt(repeated, column), rtol=1e-10, atol=1e-300
        )
    assert weighted.record.fit[0].residual_sd == pytest.approx(
        repeated.record.fit[0].residual_sd, rel=1e-11
    )
    assert weighted.record.held_out is not None
    assert repeated.record.held_out is not None
    # The copies' ids are the keys that a weight's copies have, so both have the same folds.
    assert weighted.record.held_out[0].rmse == pytest.approx(
        repeated.record.held_out[0].rmse, rel=1e-10
    )
    assert weighted.record.held_out[0].baseline_rmse == pytest.approx(
        repeated.record.held_out[0].baseline_rmse, rel=1e-10
    )


def test_weights_that_are_no_whole_numbers_give_weighted_least_squares() -> None:
    inputs, target = table(6)
    each = np.random.default_rng(6).uniform(0.2, 3, size=50)
    model = dr.learn(as_table(inputs, y=target, w=each), predict="y", weight="w", ridge=0)
    design = np.column_stack([inputs, np.ones(50)])
    known = sm.WLS(target, design, weights=each).fit(method="qr")
    np.testing.assert_allclose(learnt(model, "weight"), known.params, rtol=1e-9)
    # Weights count rows here: statsmodels has 50 of them, we have their sum.
    by = np.sqrt((50 - 4) / (each.sum() - 4))
    np.testing.assert_allclose(learnt(model, "standard_error"), known.bse * by, rtol=1e-9)


def test_what_is_held_is_an_offset() -> None:
    inputs, target = table(7)
    model = dr.learn(as_table(inputs, y=target), predict="y", ridge=0, freeze={"x1": 0.25})
    known = by_statsmodels(inputs[:, [0, 2]], target - 0.25 * inputs[:, 1], intercept=True)
    found = learnt(model, "weight")
    assert found[1] == 0.25
    np.testing.assert_allclose(found[[0, 2, 3]], known.params, rtol=1e-9)
    errors = learnt(model, "standard_error")
    np.testing.assert_allclose(errors[[0, 2, 3]].astype(float), known.bse, rtol=1e-9)
    row = model.weights.filter(pl.col("input") == "x1")
    assert row["standard_error"].item() is None


def test_beside_a_held_intercept_the_rest_is_about_it() -> None:
    inputs, target = table(8)
    model = dr.learn(as_table(inputs, y=target), predict="y", ridge=0, freeze={"intercept": 2.0})
    known = by_statsmodels(inputs, target - 2.0, intercept=False)
    found = learnt(model, "weight")
    assert found[3] == 2.0
    np.testing.assert_allclose(found[:3], known.params, rtol=1e-9)
    errors = learnt(model, "standard_error")
    np.testing.assert_allclose(errors[:3].astype(float), known.bse, rtol=1e-9)


@pytest.mark.parametrize("learner", ["descent", "momentum", "newton"])
@pytest.mark.parametrize("held", [{"x1": 0.25}, {"intercept": 2.0}, {"x0": 1.5, "x2": 0.0}])
def test_every_learner_leaves_what_is_held_and_finds_the_best_beside_it(
    learner: str, held: dict[str, float]
) -> None:
    inputs, target = table(9)
    # Nearer to zero: beside a held intercept steps are about zero, where far offsets are slow.
    inputs[:, 1:] -= [80.0, 0.99]
    model = dr.learn(
        as_table(inputs, y=target),
        predict="y",
        ridge=0,
        learner=learner,
        freeze=held,
        tolerance=1e-12,
        steps=100_000,
    )
    assert "settled" in model.record.learnt[0].stopped
    names = ["x0", "x1", "x2", "intercept"]
    free = [at for at, name in enumerate(names) if name not in held]
    design = np.column_stack([inputs, np.ones(50)])
    fixed = np.array([held.get(name, 0.0) for name in names])
    scale = np.abs(design).max(axis=0)[free]
    known = np.linalg.lstsq(design[:, free] / scale, target - design @ fixed, rcond=None)[0] / scale
    found = learnt(model, "weight")
    for at, name in enumerate(names):
        if name in held:
            assert found[at] == held[name]
    # Settled at 1e-12 of the first weight_delta, times a condition of some 100.
    np.testing.assert_allclose(found[free], known, rtol=1e-6, atol=1e-6)


def test_a_held_weight_stays_under_other_losses() -> None:
    inputs, target = table(10)
    yes = (target > np.median(target)).astype(float)
    model = dr.learn(
        as_table(inputs / [1, 50, 0.01], y=yes), predict="y", loss="logistic", freeze={"x1": 0.25}
    )
    assert learnt(model, "weight")[1] == 0.25
    design = np.column_stack([inputs / [1, 50, 0.01], np.ones(50)])
    known = sm.GLM(
        yes, design[:, [0, 2, 3]], offset=0.25 * design[:, 1], family=sm.families.Binomial()
    ).fit(tol=1e-12)
    # Settled at 1e-8 of the first weight_delta by Newton, whose last step squares what was left.
    np.testing.assert_allclose(learnt(model, "weight")[[0, 2, 3]], known.params, rtol=1e-6)


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e150, 1e-150])
@pytest.mark.parametrize("column", ["x", "y"])
@pytest.mark.parametrize("noise", [0.1, 0.0])
def test_extreme_sizes_are_learnt_or_refused(size: float, column: str, noise: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    y = 2 * x + 1 + noise * rng.normal(size=50)
    slope, level = np.polyfit(x, y, 1)
    table = {"x": x, "y": y}
    table[column] = table[column] * size
    try:
        model = dr.learn(table, predict="y", ridge=0)
    except dr.DeltaruleError:
        # What cannot be told in float64 may be refused; never by a crash or a warning.
        return
    by = size if column == "y" else 1 / size
    found = dict(zip(model.weights["input"], model.weights["weight"], strict=True))
    assert found["x"] / by == pytest.approx(slope, rel=1e-12)
    assert found["(intercept)"] / (size if column == "y" else 1) == pytest.approx(level, rel=1e-12)
