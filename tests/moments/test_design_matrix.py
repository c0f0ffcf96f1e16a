"""Inputs kept as codes say what the array of them says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.moments.design_matrix import CategoricalMatrix, CategoryCodes, SplitMatrix
from deltarule.moments.linear_model import BlockLinear
from deltarule.rule.predict import Array

SEEDS = st.integers(0, 2**32 - 1)


def drawn(
    seed: int, *, dense: int = 2, n: int = 60, centred: bool = True
) -> tuple[SplitMatrix, Array]:
    """Two categories with numbers before, between and after them, and the array of it all."""
    rng = np.random.default_rng(seed)
    sizes = [int(rng.integers(1, 6)), int(rng.integers(1, 4))]
    starts = [int(rng.integers(0, dense + 1)), 0]
    starts[1] = starts[0] + sizes[0] + int(rng.integers(0, dense - starts[0] + 1))
    p = dense + sum(sizes)
    levels = []
    for start, size in zip(starts, sizes, strict=True):
        codes = CategoryCodes(rng.integers(0, size + 1, n), size)
        mean = codes.dense.mean(axis=0) if centred else np.zeros(size)
        levels.append(CategoricalMatrix(codes, start, mean, rng.uniform(1, 5, size)))
    taken = {at for one in levels for at in range(one.start, one.start + one.codes.levels)}
    dense_at = np.array([at for at in range(p) if at not in taken], dtype=int)
    mixed = SplitMatrix(np.asfortranarray(rng.normal(size=(n, dense))), dense_at, tuple(levels))
    inputs = np.zeros((n, p))
    inputs[:, dense_at] = mixed.dense
    for one in levels:
        for level in range(one.codes.levels):
            is_it = (one.codes.at == level).astype(float)
            inputs[:, one.start + level] = (is_it - one.mean[level]) * one.per[level]
    return mixed, inputs


@given(seed=SEEDS, dense=st.integers(0, 3), centred=st.booleans(), k=st.integers(1, 3))
def test_it_scores_sums_and_curves_as_the_array_does(
    seed: int, dense: int, centred: bool, k: int
) -> None:
    mixed, inputs = drawn(seed, dense=dense, centred=centred)
    rng = np.random.default_rng(seed)
    (n, p), model = inputs.shape, BlockLinear()
    assert mixed.shape == (n, p)
    np.testing.assert_allclose(np.asarray(mixed), inputs, rtol=1e-15, atol=1e-15)
    weights = {"weight": rng.normal(size=(p, k)), "intercept": rng.normal(size=k)}
    scores = model.predict(weights, inputs)
    np.testing.assert_allclose(model.predict(weights, mixed), scores, rtol=1e-12, atol=1e-12)
    delta, slope = rng.normal(size=(n, k)), rng.uniform(0, 1, size=(n, k))
    for name, sums in model.weight_delta(weights, inputs, delta).items():
        found = model.weight_delta(weights, mixed, delta)[name]
        np.testing.assert_allclose(found, sums, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(
        model.hessian(mixed, slope), model.hessian(inputs, slope), rtol=1e-11, atol=1e-11
    )
    coupled = rng.normal(size=(n, k, k))
    coupled += coupled.transpose(0, 2, 1)
    np.testing.assert_allclose(
        model.hessian(mixed, coupled), model.hessian(inputs, coupled), rtol=1e-11, atol=1e-11
    )


@given(seed=SEEDS)
def test_some_rows_of_it_and_parts_put_together(seed: int) -> None:
    mixed, inputs = drawn(seed)
    kept = np.random.default_rng(seed).random(len(inputs)) < 0.5
    order = np.random.default_rng(seed).permutation(len(inputs))
    for rows in (slice(5, 20), slice(0, 0), kept, order):
        np.testing.assert_allclose(np.asarray(mixed[rows]), inputs[rows], rtol=1e-15, atol=1e-15)
    whole = SplitMatrix.joined([mixed[:7], mixed[7:7], mixed[7:]])
    np.testing.assert_allclose(np.asarray(whole), inputs, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_rows(n: int) -> None:
    mixed, inputs = drawn(1)
    model, some = BlockLinear(), mixed[:n]
    assert model.hessian(some, np.ones((n, 1))) == pytest.approx(
        model.hessian(inputs[:n], np.ones((n, 1)))
    )
    assert some.products(np.ones((n, 2))).shape == (inputs.shape[1], 2)
