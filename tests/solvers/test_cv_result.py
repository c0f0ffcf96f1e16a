"""The one-standard-error rule, on a log scale."""

import numpy as np
import pytest

from deltarule.rule.predict import Array
from deltarule.solvers.cv_result import gain, relative, surely_lower


def folds(*errors: float) -> Array:
    return np.array(errors)


def test_errors_that_are_alike_are_compared_as_paired_folds_are() -> None:
    rng = np.random.default_rng(0)
    other = 1 + 1e-4 * rng.normal(size=5)
    one = other - 1e-4 * rng.normal(1, 1, size=5)
    found, error = gain(one, other)
    # To first order: the relative difference of means, and its usual standard error.
    gained = (other - one) / other.mean()
    assert found == pytest.approx(gained.mean(), rel=1e-3)
    assert error == pytest.approx(gained.std(ddof=1) / np.sqrt(5), rel=1e-3)


@pytest.mark.parametrize(
    ("one", "other", "sure"),
    [
        # Wild where nothing holds the weights, in some folds or in one.
        (folds(1, 1, 1, 1, 1), folds(900, 2, 30, 5, 1.5), True),
        (folds(1, 1, 1, 1, 1), folds(1e6, 1.01, 1, 1, 1.02), True),
        (folds(1, 1, 1, 1, 1), folds(np.inf, 1, 1, 1, 1), True),
        # A little worse in every fold but one.
        (folds(1.1, 1.1, 1.1, 1.1, 1), folds(1, 1, 1, 1, 1.6), False),
        (folds(1, 1, 1, 1, 1), folds(1, 1, 1, 1, 1), False),
        (folds(1, 1, 1, 1, 1), folds(0.9, 1.2, 1, 0.85, 1.1), False),
        (folds(1, 1, 1, np.inf, 1), folds(2, 2, 2, 2, 2), False),
        # Rounding is no error.
        (folds(1e-29, 0, 0), folds(1e-15, 2e-15, 1e-15), False),
        (folds(0.1), folds(1.0), False),
    ],
)
def test_sure_is_what_every_fold_left_out_in_turn_still_says(
    one: Array, other: Array, sure: bool
) -> None:
    assert surely_lower(one, other) is sure
    if len(one) > 1:
        order = np.random.default_rng(1).permutation(len(one))
        assert surely_lower(one[order], other[order]) is sure
        if sure:
            assert not surely_lower(other, one)


def test_targets_count_alike_whatever_their_unit() -> None:
    errors = np.array([[[1.0, 4e6], [3.0, 4e6]]])
    guessing = np.array([[5.0, 6e6], [5.0, 10e6]])
    np.testing.assert_allclose(relative(errors, guessing), [[(0.1 + 0.25) / 2, (0.3 + 0.25) / 2]])
