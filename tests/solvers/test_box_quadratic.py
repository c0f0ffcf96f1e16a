"""The exact minimum of a quadratic with kinks and ranges, checked by its own optimality conditions.

They are written out here from the definition, apart from those that the module works with.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, nnls
from sklearn.linear_model import Lasso

from deltarule.rule.predict import Array
from deltarule.solvers.box_quadratic import BoxQuadratic

DRAWN = settings(deadline=None, derandomize=True, max_examples=300)
KINDS = ("plain", "copies", "whole numbers", "few rows")


def drawn(seed: int, kind: str) -> tuple[BoxQuadratic, Array]:
    """A problem with bounds and ranges of all kinds, and somewhere to start."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 12)), int(rng.integers(1, 4) if kind == "few rows" else 30)
    inputs, targets = rng.normal(size=(n, m)), rng.normal(size=n) * 3
    if kind == "copies":
        inputs[:, 0] = inputs[:, -1]
    if kind == "whole numbers":
        inputs, targets = np.round(inputs), np.round(targets)
    bound = np.where(rng.random(m) < 0.3, 0.0, rng.random(m) * rng.choice([0.1, 1.0]))
    low = np.where(rng.random(m) < 0.4, rng.normal(size=m) - 0.5, -np.inf)
    high = np.where(rng.random(m) < 0.4, rng.normal(size=m) + 0.5, np.inf)
    high = np.where(rng.random(m) < 0.2, low, np.maximum(low, high))
    high = np.where(np.isfinite(high) | (high > 0), high, np.inf)
    start = rng.normal(size=m) * rng.choice([0.0, 1.0, 10.0])
    quadratic = BoxQuadratic(inputs.T @ inputs / n, inputs.T @ targets / n, bound, low, high)
    return quadratic, start


def wrong(of: BoxQuadratic, weight: Array) -> float:
    """How far slopes are from what a minimum allows, beside the largest of them."""
    slope = of.hessian @ weight - of.slope
    worst = 0.0
    for w, g, bound, low, high in zip(weight, slope, of.bound, of.low, of.high, strict=True):
        assert low <= w <= high
        least = g - bound if w <= 0 else g + bound  # the slope to the left of w
        most = g + bound if w >= 0 else g - bound  # and to its right
        worst = max(worst, least if w > low else 0.0, -most if w < high else 0.0)
    return worst / float(np.max(np.abs(of.slope) + of.bound, initial=1e-300))


@pytest.mark.parametrize("kind", KINDS)
@DRAWN
@given(seed=st.integers(0, 2**32 - 1))
def test_no_weight_can_do_better(kind: str, seed: int) -> None:
    quadratic, start = drawn(seed, kind)
    found = quadratic.least(start)
    # Solving dependent inputs leaves some thousand roundings.
    assert wrong(quadratic, found) < 1e-11


@DRAWN
@given(seed=st.integers(0, 2**32 - 1))
def test_where_it_starts_makes_no_difference(seed: int) -> None:
    quadratic, start = drawn(seed, "plain")
    found = quadratic.least(start)
    np.testing.assert_allclose(quadratic.least(0 * start), found, atol=1e-10)
    np.testing.assert_allclose(quadratic.least(found), found, atol=1e-13)


def test_signs_alone_are_those_of_nnls_and_ranges_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    inputs, targets = rng.normal(size=(40, 12)), rng.normal(size=40)
    gram, slope, none = inputs.T @ inputs, inputs.T @ targets, np.zeros(12)
    found = BoxQuadratic(gram, slope, none, none, none + np.inf).least(none)
    np.testing.assert_allclose(found, nnls(inputs, targets)[0], atol=1e-13)
    low, high = -rng.random(12) / 10, rng.random(12) / 10
    found = BoxQuadratic(gram, slope, none, low, high).least(none)
    known = lsq_linear(inputs, targets, (low, high), method="bvls", tol=1e-15)
    np.testing.assert_allclose(found, known.x, atol=1e-13)


def test_bounds_alone_are_scikit_learns_lasso_on_many_inputs() -> None:
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(300, 150))
    targets = inputs[:, :5].sum(axis=1) + rng.normal(size=300)
    gram, slope = inputs.T @ inputs / 300, inputs.T @ targets / 300
    free = np.full(150, np.inf)
    found = BoxQuadratic(gram, slope, np.full(150, 0.05), -free, free).least(np.zeros(150))
    known = Lasso(0.05, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(inputs, targets)
    assert 0 < (found == 0).sum() == (known.coef_ == 0).sum()
    np.testing.assert_allclose(found, known.coef_, atol=1e-8)


def test_a_weight_without_curvature_stays_or_rests_where_its_bound_takes_it() -> None:
    quadratic = BoxQuadratic(
        np.diag([0.0, 0.0, 2.0]),
        np.array([0.0, 0.0, 4.0]),
        np.array([0.0, 1.0, 1.0]),
        np.array([-np.inf, 0.5, -np.inf]),
        np.full(3, np.inf),
    )
    np.testing.assert_array_equal(quadratic.least(np.full(3, 7.0)), [7.0, 0.5, 1.5])
