"""The walk along ridges, on errors whose least is known."""

import numpy as np
import pytest

from deltarule.solvers.cv_result import DECADES, FINER, CVResult
from deltarule.solvers.walk_search import walk

FOLDS = 5


def walked(least: float, *, steep: float = 1.0) -> tuple[CVResult, list[float]]:
    """The walk where the error is a parabola of the log of the ridge, and the ridges in turn."""
    asked: list[float] = []

    def tried(ridge: float) -> CVResult:
        asked.append(ridge)
        off = np.log10(max(ridge, 1e-9) / least)
        # All folds agree, so that any rise is a sure one.
        errors = np.full((1, FOLDS, 1), 1 + steep * off**2)
        rows = np.ones((FOLDS, 1))
        return CVResult(np.array([ridge]), np.zeros(1), errors, rows, rows, np.ones(1))

    return walk(tried, DECADES), asked


@pytest.mark.parametrize("least", [3e-5, 5.6e-4, 2e-2, 0.1, 0.5, 7.0, 80.0])
def test_it_ends_at_the_ridge_of_the_least_error(least: float) -> None:
    found, asked = walked(least)
    chosen = float(found.ridge[found.chosen()])
    decades = DECADES[DECADES > 0]
    grid = np.concatenate([decades, *(decades * finer for finer in FINER)])
    nearest = np.abs(np.log10(grid / least)).min()
    assert abs(np.log10(chosen / least)) == pytest.approx(nearest, abs=1e-9)
    assert len(set(asked)) == len(asked)
    assert (np.diff(found.ridge) >= 0).all()


def test_what_has_surely_risen_is_walked_no_further() -> None:
    found, asked = walked(1e-2)
    assert found.stopped == pytest.approx(1e-3)
    assert min(asked) == pytest.approx(1e-3)
    assert max(asked) <= 0.1
    # The last one stands for no ridge.
    assert found.ridge[0] == 0
    assert found.errors[0] == pytest.approx(found.errors[1])


def test_no_ridge_is_tried_where_less_is_always_better() -> None:
    found, asked = walked(1e-9)
    assert asked[-1] == 0
    assert found.stopped is None
    assert found.chosen() == 0
