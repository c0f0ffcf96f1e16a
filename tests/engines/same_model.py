"""Whether two records are of the same model, learnt by two engines."""

import numpy as np
import pytest

from deltarule.model.record import Record


def check_same(here: Record, there: Record, *, digits: float = 1e-10) -> None:
    """The same schema, weights, held-out figures and penalties, but for how sums are rounded."""
    mine, yours = here.contract, there.contract
    assert [one.name for one in mine.columns] == [one.name for one in yours.columns]
    for one, other in zip(mine.columns, yours.columns, strict=True):
        # The mean that fills gaps is rounded by the order of its sum.
        assert one.model_copy(update={"mean": 0.0}) == other.model_copy(update={"mean": 0.0})
        assert getattr(other, "mean", 0.0) == pytest.approx(getattr(one, "mean", 0.0), rel=1e-13)
    assert mine.targets == yours.targets
    assert mine.text_formats == yours.text_formats
    weights = [np.array([one.weight for one in model.weights]) for model in (here, there)]
    size = np.abs(weights[0]).max()
    np.testing.assert_allclose(weights[1], weights[0], rtol=digits, atol=digits * size)
    check_robust_errors(here, there, digits=digits)
    for one, other in zip(here.held_out or (), there.held_out or (), strict=True):
        assert other.rows == pytest.approx(one.rows, rel=1e-13)
        assert other.rmse == pytest.approx(one.rmse, rel=digits)
        assert other.r2 == pytest.approx(one.r2, rel=digits)
    for one, other in zip(here.learnt, there.learnt, strict=True):
        assert other.ridge == pytest.approx(one.ridge, rel=digits)
        assert other.lasso == pytest.approx(one.lasso, rel=digits)
    assert here.fold_by == there.fold_by
    assert here.notes == there.notes


def check_robust_errors(here: Record, there: Record, *, digits: float = 1e-10) -> None:
    """The same standard errors, where they are robust ones.

    Of an iterated fit they are of the weights before its last step, which are as near as the
    tolerance asks for: 1e-8 of the first gradient, where 1e-7 of a standard error was seen.
    """
    if "HC" not in here.learnt[0].errors:
        return
    digits = 1e-6 if here.learnt[0].steps else digits
    mine, yours = (
        np.array([one.standard_error for one in (*model.intercept, *model.weights)], dtype=float)
        for model in (here, there)
    )
    assert np.isfinite(mine).all()
    np.testing.assert_allclose(yours, mine, rtol=digits)
