"""The linear model against written-out sums, and its derivatives against finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.losses.loss import Loss
from deltarule.losses.registry import LOSSES
from deltarule.moments.stacked import stack, unstack
from deltarule.rule.predict import Array, Linear, Weights

# The same draws in every run: a failure today is a failure tomorrow.
DRAWN = settings(deadline=None, derandomize=True, max_examples=40)

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))  # n, p, k


def drawn(
    seed: int, size: tuple[int, int, int], *, intercept: bool
) -> tuple[Weights, Array, Array]:
    """Weights, inputs and targets of order one; targets suit every loss."""
    n, p, k = size
    rng = np.random.default_rng(seed)
    weights: dict[str, Array] = {"weight": rng.normal(size=(p, k))}
    if intercept:
        weights["intercept"] = rng.normal(size=k)
    return weights, rng.normal(size=(n, p)), rng.uniform(0, 1, size=(n, k))


def test_scores_are_the_sum_written_out() -> None:
    weights = {"weight": np.array([[2.0, -1.0], [0.5, 3.0]]), "intercept": np.array([10.0, 20.0])}
    inputs = np.array([[1.0, 4.0], [-2.0, 0.0], [3.0, 1.0]])
    by_hand = [
        [1 * 2 + 4 * 0.5 + 10, 1 * -1 + 4 * 3 + 20],
        [-2 * 2 + 10, 2 + 20],
        [3 * 2 + 0.5 + 10, -3 + 3 + 20],
    ]
    assert Linear().predict(weights, inputs).tolist() == by_hand
    without = Linear(intercept=False).predict(weights, inputs)
    assert without.tolist() == (np.array(by_hand) - [10, 20]).tolist()


def test_weight_delta_is_delta_times_input_written_out() -> None:
    inputs = np.array([[1.0, 4.0], [-2.0, 0.0]])
    delta = np.array([[3.0], [5.0]])
    said = Linear().weight_delta({}, inputs, delta)
    assert said["weight"].tolist() == [[3 * 1 + 5 * -2.0], [3 * 4.0]]
    assert said["intercept"].tolist() == [8.0]
    assert set(Linear(intercept=False).weight_delta({}, inputs, delta)) == {"weight"}


@pytest.mark.parametrize("intercept", [True, False])
def test_it_starts_at_zero_with_the_shapes_it_predicts_with(intercept: bool) -> None:
    model = Linear(intercept=intercept)
    start = model.start(3, 2)
    assert ("intercept" in start) == intercept
    assert model.predict(start, np.ones((4, 3))).tolist() == [[0.0, 0.0]] * 4


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@DRAWN
@given(seed=seeds, size=sizes, intercept=st.booleans())
def test_weight_delta_is_the_finite_difference_of_the_summed_loss(
    loss: Loss, seed: int, size: tuple[int, int, int], intercept: bool
) -> None:
    model = Linear(intercept=intercept)
    weights, inputs, targets = drawn(seed, size, intercept=intercept)
    scores = model.predict(weights, inputs)
    said = stack(model.weight_delta(weights, inputs, loss.delta(scores, targets)))
    flat = stack(weights)
    step = 1e-5
    for at in np.ndindex(*flat.shape):
        nudge = np.zeros_like(flat)
        nudge[at] = step
        up, down = (
            loss.value(model.predict(unstack(flat + s * nudge, weights), inputs), targets).sum()
            for s in (1, -1)
        )
        # Central differences are wrong by step ** 2 of the third derivative (some e ** |score|,
        # say 1e3: 1e-7) and by eps / step of the value (1e-11 of it).
        size_here = 1 + np.exp(np.abs(scores)).sum() * (1 + np.abs(inputs).max()) ** 3
        assert said[at] == pytest.approx((up - down) / (2 * step), abs=1e-9 * size_here)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@DRAWN
@given(seed=seeds, size=sizes, intercept=st.booleans())
def test_curvature_is_the_finite_difference_of_weight_delta(
    loss: Loss, seed: int, size: tuple[int, int, int], intercept: bool
) -> None:
    model = Linear(intercept=intercept)
    weights, inputs, targets = drawn(seed, size, intercept=intercept)

    def slope_at(flat: Array) -> Array:
        there = unstack(flat, weights)
        scores = model.predict(there, inputs)
        return stack(model.weight_delta(there, inputs, loss.delta(scores, targets)))

    scores = model.predict(weights, inputs)
    said = model.hessian(inputs, loss.hessian(scores, targets))
    flat = stack(weights)
    q, k = flat.shape
    assert said.shape == (k, q, q)
    step = 1e-5
    size_here = 1 + np.exp(np.abs(scores)).sum() * (1 + np.abs(inputs).max()) ** 4
    for at in range(q):
        for output in range(k):
            nudge = np.zeros_like(flat)
            nudge[at, output] = step
            change = (slope_at(flat + nudge) - slope_at(flat - nudge)) / (2 * step)
            # As above. An output's weights change its own weight_delta and no other's.
            expected = np.zeros((q, k))
            expected[:, output] = said[output, :, at]
            np.testing.assert_allclose(change, expected, rtol=0, atol=1e-9 * size_here)


@given(seed=seeds, size=sizes, intercept=st.booleans())
@DRAWN
def test_unstack_undoes_stack(seed: int, size: tuple[int, int, int], intercept: bool) -> None:
    weights, _, _ = drawn(seed, size, intercept=intercept)
    stacked = stack(weights)
    assert stacked.shape == (size[1] + intercept, size[2])
    back = unstack(stacked, weights)
    assert list(back) == list(weights)
    for name, array in weights.items():
        assert np.array_equal(back[name], array)
        assert back[name].shape == array.shape
