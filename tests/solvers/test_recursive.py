"""Recursive least squares stays exact over many rows, and over rows that leave."""

import numpy as np
import pytest

from deltarule.solvers.recursive import Form, SquareRoot, Window, penalised, square_root


def test_rounding_does_not_grow_over_many_rows() -> None:
    """Of columns as near to each other as an ill-conditioned table's."""
    rng = np.random.default_rng(1)
    n, form = 200_000, Form(4, 1, intercept=True)
    x = rng.normal(size=(n, 3))
    x[:, 1] = x[:, 0] + 1e-4 * x[:, 1]
    rows = np.column_stack([np.ones(n), x, x @ [1.0, 2.0, 3.0] + rng.normal(size=n)])
    made = SquareRoot(square_root(rows[:10].T @ rows[:10]), form)
    for row in rows[10:]:
        made.add(row)
    known = np.linalg.lstsq(rows[:, :4], rows[:, 4:], rcond=None)[0]
    np.testing.assert_allclose(made.weights(), known, rtol=1e-8)
    np.testing.assert_allclose(made.gram, rows.T @ rows, rtol=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("intercept", [True, False])
def test_a_window_forgets_a_row_far_off(ridge: float, intercept: bool) -> None:
    rng = np.random.default_rng(2)
    form = Form(3, 2, intercept, ridge)
    rows = rng.normal(size=(500, 6 - intercept))
    rows[:, 0] = 1.0 if intercept else rows[:, 0]
    rows[100] *= 1e7
    made = Window(rows[:40].T @ rows[:40], form, rows=50)
    for end in range(40, 500):
        made.add(rows[end])
        own = rows[max(end - 49, 40) : end + 1] if end >= 89 else rows[: end + 1]
        known = penalised(own.T @ own, form)
        tolerance = 1e-3 if 100 <= end < 150 else 1e-9
        np.testing.assert_allclose(made.weights(), known, rtol=tolerance, atol=tolerance)


def test_a_square_root_of_collinear_columns() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(20, 4))
    rows[:, 2] = rows[:, 1]
    gram = rows.T @ rows
    root = square_root(gram)
    np.testing.assert_allclose(root, np.triu(root))
    np.testing.assert_allclose(root.T @ root, gram, atol=1e-12)
    assert SquareRoot(root, Form(3, 1, intercept=False)).weights() is None
    assert penalised(gram, Form(3, 1, intercept=False)) is None
    assert penalised(gram, Form(3, 1, intercept=False, ridge=0.1)) is not None
