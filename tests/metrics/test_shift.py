"""Effect sizes of shifts: known values, no bias without a shift, and what sampling gives."""

import math

import numpy as np
import pytest
from scipy import stats

from deltarule.metrics.shift import (
    NOISE,
    _chi_square_limit,
    in_tenths,
    share_shift,
    stability_index,
    wasserstein,
)
from deltarule.moments.histogram import Histogram
from deltarule.tables.distributions import Distribution


def test_psi_is_its_formula_less_what_sampling_gives() -> None:
    before, now = np.array([300.0, 500.0, 200.0]), np.array([500.0, 300.0, 100.0])
    p, q = (before + 0.5) / (1000 + 1.5), (now + 0.5) / (900 + 1.5)
    raw = ((q - p) * np.log(q / p)).sum()
    found = stability_index(before, now)
    assert found.size == pytest.approx(raw - 2 * (1 / 1000 + 1 / 900))
    assert found.beyond_noise


@pytest.mark.parametrize(("n", "m"), [(500, 300), (5000, 200), (40_000, 40_000)])
def test_without_a_shift_psi_is_what_is_taken_off(n: int, m: int) -> None:
    rng, shares = np.random.default_rng(1), np.full(10, 0.1)
    raw = []
    for _ in range(400):
        a, b = rng.multinomial(n, shares) + 0.5, rng.multinomial(m, shares) + 0.5
        p, q = a / a.sum(), b / b.sum()
        raw.append(((q - p) * np.log(q / p)).sum())
        assert stability_index(a - 0.5, b - 0.5).size == 0
    # The mean of 400 has a standard error of 2% of itself.
    assert np.mean(raw) == pytest.approx(9 * (1 / n + 1 / m), rel=0.1)


@pytest.mark.parametrize("freedom", [1, 3, 9, 40, 500])
def test_the_limit_is_a_quantile_of_chi_square(freedom: int) -> None:
    exact = stats.chi2.isf(stats.norm.sf(NOISE), freedom)
    # The approximation is on the safe side where there are few cells.
    assert 0.99 * exact < _chi_square_limit(freedom) < 1.15 * exact


def test_rare_cells_are_one() -> None:
    before = np.array([500.0, 400.0, *[1.0] * 100])
    now = np.array([500.0, 400.0, *[0.0] * 50, *[2.0] * 50])
    assert stability_index(before, now).size == 0
    assert stability_index(np.array([10.0]), np.array([20.0])).size == 0
    assert stability_index(np.zeros(3), np.ones(3)).size == 0


def test_shares_of_few_rows_are_let_pass() -> None:
    assert share_shift(0.0, 1.0, 1000, 1).size == 0
    assert share_shift(0.0, 0.5, 1000, 4).size == 0
    assert share_shift(0.1, 0.3, 1000, 500).size == pytest.approx(0.2)
    assert share_shift(0.3, 0.1, 1000, 500).size == pytest.approx(-0.2)


@pytest.mark.parametrize("values", [[0, 1], [0, 1, 2, 5], list(range(40))])
def test_the_area_between_steps_is_the_wasserstein_distance(values: list[int]) -> None:
    rng = np.random.default_rng(2)
    a = rng.choice(values, 500).astype(float)
    a = np.concatenate([a, np.array(values, float)])
    b = np.sort(rng.choice(values, (2, 300)), axis=0)[1].astype(float)
    known = Distribution.of("x", a)
    assert known is not None
    now = np.cumsum(known.counts(b)[1:-1]) / len(b)
    before = np.cumsum(known.rows) / known.total
    area, _ = wasserstein(known.limits, before, now, len(a), len(b), stepped=known.each)
    assert known.each
    assert area == pytest.approx(stats.wasserstein_distance(a, b))


def test_the_area_between_quantiles_is_close_to_the_distance_of_all_values() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=20_000), np.clip(rng.normal(0.4, 1.2, 5000), -3.5, 3.5)
    known = Distribution.of("x", a)
    assert known is not None
    now = (known.counts(b)[0] + np.cumsum(known.counts(b)[1:-1])) / len(b)
    before = np.cumsum(known.rows) / known.total
    area, noise = wasserstein(known.limits, before, now, len(a), len(b), stepped=False)
    # 45 edges in place of all values.
    assert area == pytest.approx(stats.wasserstein_distance(a, b), rel=0.05)
    assert noise < area


def test_cells_are_put_together_to_tenths() -> None:
    rows = np.full(40, 25.0)
    assert [part.stop - part.start for part in in_tenths(rows)] == [4] * 10
    assert in_tenths(np.array([900.0, 50.0, 50.0]))[0] == slice(0, 1)
    assert sum(p.stop - p.start for p in in_tenths(np.arange(1.0, 30.0))) == 29


@pytest.mark.parametrize("kind", ["normal", "whole", "zeros", "huge", "one", "negative zero"])
def test_a_distribution_of_a_histogram_counts_the_same_rows(kind: str) -> None:
    rng = np.random.default_rng(4)
    values = {
        "normal": rng.normal(1e3, 2, 5000),
        "whole": rng.integers(-20, 20, 3000).astype(float),
        "zeros": np.where(rng.uniform(size=4000) < 0.6, 0.0, rng.lognormal(size=4000)),
        "huge": rng.normal(size=1000) * 1e307,
        "one": np.full(100, 7.0),
        "negative zero": np.array([0.0, -0.0, 1.0] * 100),
    }[kind]
    own, summed = (
        Distribution.of("x", values),
        Distribution.of_histogram("x", Histogram.of(values)),
    )
    if kind == "huge":
        assert own is None
        return
    assert own is not None
    assert summed is not None
    for one in (own, summed):
        assert one.total == len(values)
        counted = one.counts(values)
        # What it is of falls where it was counted: nothing below, nothing above.
        np.testing.assert_array_equal(counted, [0, *one.rows, 0])
    assert summed.sd == pytest.approx(own.sd, rel=0.03, abs=1e-9)
    assert math.isfinite(own.sd)
    assert Distribution.of("x", np.zeros(0)) is None
    assert Distribution.of_histogram("x", Histogram.none()) is None
