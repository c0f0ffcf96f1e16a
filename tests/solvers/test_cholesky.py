"""Cholesky factors: small and large systems give the same, and that is the exact answer."""

import numpy as np
import pytest

from deltarule.solvers import cholesky
from deltarule.solvers.cholesky import Cholesky


@pytest.mark.parametrize("size", [1, 5, cholesky.SMALL, cholesky.SMALL + 1])
def test_solutions_inverse_and_condition(size):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3 * size, size))
    matrix = rows.T @ rows / len(rows)
    right = rng.normal(size=(size, 2))
    factor = Cholesky.of(matrix)
    assert factor is not None
    # Condition numbers here are below 100.
    np.testing.assert_allclose(factor.solve(right), np.linalg.solve(matrix, right), rtol=1e-10)
    inverse = factor.inverse()
    np.testing.assert_allclose(inverse @ matrix, np.eye(size), atol=1e-12)
    np.testing.assert_array_equal(inverse, inverse.T)
    norm = np.abs(matrix).sum(axis=0).max()
    expected = 1 / np.linalg.cond(matrix, 1)
    assert factor.reciprocal_condition(norm) == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("size", [3, cholesky.SMALL + 1])
def test_a_matrix_that_is_not_positive_definite_has_no_factor(size):
    matrix = np.eye(size)
    matrix[0, 0] = -1.0
    assert Cholesky.of(matrix) is None


def test_the_small_way_is_the_large_way(monkeypatch):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(50, 12))
    matrix, right = rows.T @ rows, rng.normal(size=12)
    small = Cholesky.of(matrix)
    monkeypatch.setattr(cholesky, "SMALL", 0)
    large = Cholesky.of(matrix)
    assert small is not None
    assert large is not None
    assert small.inverse_root is not None
    assert large.inverse_root is None
    np.testing.assert_allclose(small.solve(right), large.solve(right), rtol=1e-11)
    np.testing.assert_allclose(small.inverse(), large.inverse(), rtol=1e-11)
