"""Intervals hold what they promise, whatever the rows' distribution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deltarule.errors import LearningError
from deltarule.metrics.conformal import BAND_ROWS, Band, Intervals, steady, unsteady
from deltarule.rule.predict import Array

LEVELS = [0.5, 0.8, 0.9, 0.95]


def fitted(predictions: Array, targets: Array, *, power: float = 0.0) -> Intervals:
    found = Intervals.of(predictions, targets, np.ones(len(targets)), power=power)
    assert found is not None
    return found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", ["normal", "far rows", "one side", "wider and wider"])
def test_new_rows_lie_within_as_often_as_promised(level: float, shape: str):
    rng = np.random.default_rng(5)
    repeats, n, m = 200, 99, 50
    inside = []
    for _ in range(repeats):
        x = rng.random(n + m)
        noise = {
            "normal": rng.normal(size=n + m),
            "far rows": rng.standard_cauchy(n + m),
            "one side": rng.exponential(size=n + m),
            "wider and wider": x * rng.normal(size=n + m),
        }[shape]
        y = 3 * x + noise
        low, high = fitted(3 * x[:n], y[:n]).around(3 * x[n:], level)
        inside.append(np.mean((low <= y[n:]) & (y[n:] <= high)))
    # Each repeat's coverage has a variance of at most level * (1 - level) * (1 / n + 1 / m).
    slack = 3 * np.sqrt(level * (1 - level) * (1 / n + 1 / m) / repeats)
    # At least the level, and with no ties at most one row of n + 1 more, and what the ends'
    # rounding to kept tails adds.
    assert level - slack <= np.mean(inside) <= level + 2 / (n + 1) + 0.025 * (level < 0.9) + slack


def test_each_band_of_predictions_has_its_own_promise():
    rng = np.random.default_rng(6)
    x = rng.random(40_000)
    y = x + x * rng.normal(size=len(x))
    half = len(x) // 2
    found = fitted(x[:half], y[:half])
    assert len(found.bands) == 10
    low, high = found.around(x[half:], 0.9)
    for at in range(10):
        mine = (x[half:] > at / 10) & (x[half:] <= (at + 1) / 10)
        inside = np.mean((low <= y[half:])[mine] & (y[half:] <= high)[mine])
        # 2000 rows to judge by and 2000 judged: 3 standard errors of either.
        assert abs(inside - 0.9) < 3 * np.sqrt(0.09 / 2000 * 2) + 0.003


def test_the_ends_are_ranks_of_the_residuals():
    residuals = np.arange(1.0, 100.0)
    band = Band.of(residuals, np.ones(99), None)
    assert band is not None
    assert band.ends(0.05) == (5.0, 95.0)
    assert band.ends(0.01) == (1.0, 99.0)
    assert band.ends(0.0099) is None
    # Between tails that are kept, the next wider.
    assert band.ends(0.0599) == (5.0, 95.0)


@given(st.integers(0, 1000))
def test_a_weight_of_k_is_k_copies(seed: int):
    rng = np.random.default_rng(seed)
    predictions, targets = rng.normal(size=(2, 40))
    times = rng.integers(0, 5, 40)
    at = np.repeat(np.arange(40), times)
    weighed = Intervals.of(predictions, targets, times.astype(float), power=0)
    assert weighed == Intervals.of(predictions[at], targets[at], np.ones(len(at)), power=0)


def test_too_few_rows_for_a_level_are_refused_with_the_level_there_is():
    found = fitted(np.zeros(20), np.arange(20.0))
    assert found.around(np.zeros(1), 0.9) == (0.0, 19.0)
    with pytest.raises(LearningError, match=r"too few rows .* ask for 0\.904 or less"):
        found.around(np.zeros(1), 0.95)
    assert Intervals.of(np.zeros(1), np.zeros(1), np.ones(1), power=0) is None
    assert Intervals.of(np.zeros(0), np.zeros(0), np.ones(0), power=0) is None
    assert Intervals.of(np.zeros(9), np.full(9, np.inf), np.ones(9), power=0) is None


@pytest.mark.parametrize("level", [0, 1, -0.5, 90, float("nan"), "0.9", True, None])
def test_a_level_is_a_share(level: object):
    found = fitted(np.zeros(50), np.arange(50.0))
    with pytest.raises(LearningError, match="above 0 and below 1"):
        found.around(np.zeros(1), level)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_amounts_stay_above_0_and_small_ones_have_narrow_intervals(power: float):
    rng = np.random.default_rng(8)
    means = np.exp(rng.normal(1, 1.5, 4000))
    targets = rng.gamma(2.0, means / 2) if power == 2 else rng.poisson(means).astype(float)
    low, high = fitted(means[:2000], targets[:2000], power=power).around(means[2000:], 0.9)
    assert (low >= 0).all()
    inside = (low <= targets[2000:]) & (targets[2000:] <= high)
    assert 0.88 < inside.mean() < 0.96  # counts are lumpy: more than asked for lie within
    width = high - low
    assert np.median(width[means[2000:] < 1]) < np.median(width[means[2000:] > 10]) / 3
    assert unsteady(steady(means, power), power) == pytest.approx(means)


def test_equal_predictions_stay_in_one_band():
    rng = np.random.default_rng(9)
    predictions = np.repeat([1.0, 2.0, 3.0], [1000, 1000, 50])
    found = fitted(predictions, predictions + rng.normal(size=2050))
    assert [band.above for band in found.bands] == [None, 1.0]
    assert [band.rows for band in found.bands] == [1000, 1050]
    few = fitted(np.zeros(2 * BAND_ROWS), rng.normal(size=2 * BAND_ROWS))
    assert len(few.bands) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"power": -1, "bands": []},
        {"power": 0, "bands": []},
        {"power": 0, "bands": [{"above": 1.0, "rows": 9, "tails": [0.1], "low": [0], "high": [1]}]},
        {"power": 0, "bands": [{"above": None, "rows": 9, "tails": [0.1], "low": [], "high": [1]}]},
        {"power": 0, "bands": [{"above": None, "rows": 9, "tails": [2], "low": [0], "high": [1]}]},
        {"power": 0, "bands": [{"above": None, "rows": 9, "tails": [], "low": [], "high": []}]},
    ],
)
def test_a_damaged_table_is_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        Intervals.model_validate(wrong)
