"""Categories of more levels than a matrix of all weights could have, beside yes/no and counts."""

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.fit import prepare
from deltarule.moments.design_matrix import CategoricalMatrix, CategoryCodes, SplitMatrix
from deltarule.moments.one_hot import OneHotCross
from deltarule.moments.one_hot_hessian import OneHotHessian
from deltarule.rule.predict import Array
from deltarule.solvers import block_elimination, one_hot_newton
from deltarule.solvers.one_hot_newton import newton_direction
from deltarule.tables import sample

LEVELS, EACH = 1500, 8


def table_of(loss: str) -> pl.DataFrame:
    """Rows of many levels, each of which has both outcomes, so that its weight is finite."""
    rng = np.random.default_rng(3)
    shop, day = np.repeat(np.arange(LEVELS), EACH), np.tile(np.arange(EACH), LEVELS)
    x = rng.normal(size=len(shop))
    score = rng.normal(size=LEVELS)[shop] / 2 + x / 2
    y = (rng.random(len(shop)) < 1 / (1 + np.exp(-score))).astype(float)
    if loss == "poisson":
        y = rng.poisson(np.exp(score)).astype(float)
    y = np.where(day == 0, 1.0, np.where(day == 1, 0.0, y))
    return pl.DataFrame({"x": x, "shop": [f"s{one}" for one in shop], "y": y})


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_each_of_many_levels_has_a_weight_where_its_rows_are_met_on_average(loss: str) -> None:
    table = table_of(loss)
    model = dr.learn(table, predict="y", loss=loss, ridge=0.0, tolerance=1e-12)
    assert sum(one.input == "shop" for one in model.record.weights) >= LEVELS - 1
    # The score equations: the canonical link's predictions add up as the targets do.
    off = np.asarray(model.predict(table)["y_prediction"], dtype=float) - table["y"].to_numpy()
    shop = table["shop"].cast(pl.Categorical).to_physical().to_numpy()
    np.testing.assert_allclose(np.bincount(shop, off), 0, atol=1e-7)
    assert abs(off @ table["x"].to_numpy()) < 1e-6
    assert model.record.held_out is not None
    assert model.record.held_out[0].rows == table.height


@pytest.mark.parametrize("ridge", [0.0, "auto"])
def test_no_matrix_of_all_inputs_is_made_of_many_rows(
    ridge: float | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = OneHotCross.array

    def few(cross: OneHotCross) -> Array:
        assert cross.shape[0] < LEVELS / 2, "of 100,000 levels it would take 75 GB"
        return small(cross)

    def refused(*_: object, **__: object) -> object:
        raise AssertionError("of 100,000 levels it would take 75 GB")

    monkeypatch.setattr(prepare, "NEWTON_CELLS", 0)
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 4_000)
    monkeypatch.setattr(OneHotCross, "array", few)
    monkeypatch.setattr(OneHotHessian, "__array__", refused)
    model = dr.learn(table_of("logistic"), predict="y", loss="logistic", ridge=ridge)
    assert "settled" in model.record.learnt[0].stopped


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_where_elimination_leaves_too_much_the_step_is_by_conjugate_gradients(
    ridge: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(6)
    n, levels = 400, (9, 7)
    numbers = np.asfortranarray(rng.normal(size=(n, 2)))
    codes = tuple(
        CategoricalMatrix(
            CategoryCodes(rng.integers(0, many, size=n), many), at, np.zeros(many), np.ones(many)
        )
        for at, many in zip((2, 11), levels, strict=True)
    )
    design = SplitMatrix(numbers, np.array([0, 1]), codes)
    hessian = design.one_hot_hessian(rng.random((n, 1)) + 0.1, intercept=True)
    hessian = hessian.with_diagonal(np.append(np.full(18, ridge), 0.0))
    g = np.asarray(hessian)[0] @ rng.normal(size=19)
    monkeypatch.setattr(block_elimination, "MOST_DENSE", 3)
    monkeypatch.setattr(one_hot_newton, "MOST_DENSE", 3)
    found = newton_direction(hessian, 0, g)
    assert found is not None
    np.testing.assert_allclose(np.asarray(hessian)[0] @ found, g, atol=1e-9 * np.abs(g).max())
