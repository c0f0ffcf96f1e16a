"""Cross-validation of the lasso from moments, against the loop over folds."""

import numpy as np
import pytest
from sklearn import linear_model

from deltarule.errors import LearningError
from deltarule.moments.moments import Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.constraints import Constraints
from deltarule.solvers.cv_result import guessing_error
from deltarule.solvers.lasso_path import lasso_cv, lasso_path, lasso_top
from deltarule.solvers.least_squares import ridge_path
from tests.solvers.lasso_cases import signs_of

# Cross-validation.


def in_folds(seed: int, *, p: int = 6, k: int = 2) -> tuple[Array, Array, Array, list[Moments]]:
    rng = np.random.default_rng(seed)
    inputs = (rng.normal(size=(70, p)) + rng.normal(size=p)) * 10.0 ** rng.integers(-4, 5, size=p)
    targets = (inputs / inputs.std(axis=0))[:, :2] @ rng.normal(size=(2, k))
    targets = targets + rng.normal(size=(70, k))
    fold = rng.integers(0, 4, size=70)
    both = np.column_stack([inputs, targets])
    return inputs, targets, fold, [Moments.of(both[fold == one]) for one in range(4)]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_cross_validation_is_the_loop_over_folds_written_out(intercept: bool, ridge: float) -> None:
    inputs, targets, fold, folds = in_folds(0)
    asked = LinearProblem(range(6), [6, 7], intercept, {}, None)
    strengths = np.array([0.5, 0.01, 0.1])
    found = lasso_cv(
        [*folds, Moments.none(8)], asked, strengths=strengths, holds=Constraints(ridge=ridge)
    )
    assert found.rows[:, 0].tolist() == [float((fold == one).sum()) for one in range(4)]
    for one in range(4):
        learnt, held = fold != one, fold == one
        middle = inputs[learnt].mean(axis=0) if intercept else np.zeros(6)
        spread = np.sqrt(((inputs[learnt] - middle) ** 2).mean(axis=0))
        inside = (inputs - middle) / spread
        np.testing.assert_array_equal(
            found.guessing[one],
            guessing_error(folds[one], total(folds[:one] + folds[one + 1 :]), [6, 7]),
        )
        for number, strength in enumerate(strengths):
            for output in range(2):
                model = linear_model.ElasticNet(
                    alpha=strength + ridge,
                    l1_ratio=strength / (strength + ridge),
                    fit_intercept=intercept,
                    tol=1e-14,
                    max_iter=100_000,
                ).fit(inside[learnt], targets[learnt, output])
                error = ((model.predict(inside[held]) - targets[held, output]) ** 2).sum()
                assert found.errors[number, one, output] == pytest.approx(error, rel=1e-7)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_without_strength_cross_validation_is_that_of_ridge(ridge: float) -> None:
    *_, folds = in_folds(1)
    asked = LinearProblem(range(6), [6, 7], True, {}, None)
    found = lasso_cv(folds, asked, strengths=np.zeros(1), holds=Constraints(ridge=ridge))
    known = ridge_path(folds, asked, strengths=np.array([ridge]))
    # The same sums, for one strength more or less at a time.
    np.testing.assert_allclose(found.errors, known.errors, rtol=1e-13)
    np.testing.assert_array_equal(found.guessing, known.guessing)


def test_strengths_run_from_none_to_the_one_that_leaves_nothing() -> None:
    *_, folds = in_folds(2)
    asked = LinearProblem(range(6), [6, 7], True, {}, None)
    found = lasso_cv(folds, asked)
    top = lasso_top(asked.of(total(folds)))
    assert found.lasso[0] == 0
    assert len(found.lasso) == 101
    np.testing.assert_allclose(found.lasso[[1, -1]], [top * 1e-3, top], rtol=1e-12)
    nothing = lasso_path(asked.of(total(folds)), np.array([top])).weights["weight"]
    assert not nothing.any()
    assert lasso_path(asked.of(total(folds)), np.array([top * 0.999])).weights["weight"].any()


def test_lasso_earns_its_place_among_many_inputs_that_say_nothing() -> None:
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(80, 40))
    targets = inputs[:, :2].sum(axis=1, keepdims=True) + rng.normal(size=(80, 1))
    folds = [Moments.of(np.column_stack([inputs, targets])[one::5]) for one in range(5)]
    asked = LinearProblem(range(40), [40], True, {}, None)
    path = lasso_cv(folds, asked)
    best = path.chosen()
    assert 0 < path.lasso[best] < path.lasso[-1]
    weight = lasso_path(asked.of(total(folds)), path.lasso[[best]]).weights["weight"][0, :, 0]
    assert np.argsort(-np.abs(weight))[:2].tolist() in ([0, 1], [1, 0])
    assert (weight == 0).sum() > 10


def test_lasso_has_no_place_where_every_input_counts() -> None:
    rng = np.random.default_rng(6)
    inputs = rng.normal(size=(500, 4))
    targets = inputs.sum(axis=1, keepdims=True) + 0.1 * rng.normal(size=(500, 1))
    folds = [Moments.of(np.column_stack([inputs, targets])[one::5]) for one in range(5)]
    assert lasso_cv(folds, LinearProblem(range(4), [4], True, {}, None)).chosen() == 0


def test_frozen_weights_stay_and_the_others_learn_beside_them() -> None:
    inputs, targets, fold, folds = in_folds(7)
    held = np.arange(6) == 1
    start: Weights = {
        "weight": np.where(held[:, None], 0.3 / inputs.std(axis=0)[:, None], 0.0) * np.ones((6, 2)),
        "intercept": np.zeros(2),
    }
    frozen = {"weight": held[:, None] & np.ones((6, 2), bool), "intercept": np.zeros(2, bool)}
    asked = LinearProblem(range(6), [6, 7], True, start, frozen)
    positive = np.array([False, True, True, False, False, False])
    found = lasso_cv(folds, asked, strengths=np.array([0.0, 0.05]), holds=signs_of(positive))
    # The frozen input's part is taken from the targets, and the input from the table.
    offset = inputs[:, held] @ start["weight"][held]
    rest = np.column_stack([inputs[:, ~held], targets - offset])
    known = lasso_cv(
        [Moments.of(rest[fold == one]) for one in range(4)],
        LinearProblem(range(5), [5, 6], True, {}, None),
        strengths=np.array([0.0, 0.05]),
        holds=signs_of(positive[~held]),
    )
    np.testing.assert_allclose(found.errors, known.errors, rtol=1e-9)


@pytest.mark.parametrize("parts", [[], [0]])
def test_fewer_than_two_folds_hold_nothing_out(parts: list[int]) -> None:
    *_, folds = in_folds(0)
    asked = LinearProblem(range(6), [6, 7], True, {}, None)
    with pytest.raises(LearningError, match="takes at least 2"):
        lasso_cv([folds[part] for part in parts] + [Moments.none(8)], asked)
