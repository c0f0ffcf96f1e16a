"""Splits: every fold is judged by others, forward in time by the earlier ones alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.moments.moments import Moments
from deltarule.moments.problem import LinearProblem
from deltarule.moments.splits import SplitScheme
from deltarule.solvers.least_squares import ridge_path, solve


def folds_of(sizes: list[int], seed: int) -> tuple[list[Moments], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=(size, 3)) @ rng.normal(size=(3, 3)) for size in sizes]
    return [Moments.of(part) if len(part) else Moments.none(3) for part in rows], rows


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.booleans())
def test_folds_are_judged_by_others_and_forward_by_the_earlier_ones(
    sizes: list[int], forward: bool
) -> None:
    folds, _ = folds_of(sizes, 0)
    there = [at for at, size in enumerate(sizes) if size]
    found = SplitScheme(forward=forward).of(folds)
    assert [one.test for one in found] == (
        there[1:] if forward else there if len(there) > 1 else []
    )
    for one in found:
        others = {fold for fold in there if fold != one.test}
        assert set(one.train) == {fold for fold in others if not forward or fold < one.test}


@pytest.mark.parametrize("forward", [False, True])
def test_the_ridge_path_judges_by_the_folds_that_are_to_teach(forward: bool) -> None:
    folds, rows = folds_of([20, 0, 30, 25], 1)
    splits = SplitScheme(forward=forward)
    path = ridge_path(
        folds, LinearProblem([0, 1], [2], True, {}, None), strengths=np.zeros(1), splits=splits
    )
    for at, split in enumerate(splits.of(folds)):
        learnt = np.vstack([rows[fold] for fold in split.train])
        design = np.column_stack([learnt[:, :2], np.ones(len(learnt))])
        weights = np.linalg.lstsq(design, learnt[:, 2], rcond=None)[0]
        judged = rows[split.test]
        left = judged[:, :2] @ weights[:2] + weights[2] - judged[:, 2]
        # Well-conditioned rows of order one.
        assert path.errors[0, at, 0] == pytest.approx(left @ left, rel=1e-10)
        guessed = learnt[:, 2].mean() - judged[:, 2]
        assert path.guessing[at, 0] == pytest.approx(guessed @ guessed, rel=1e-10)
    assert path.rows[:, 0].tolist() == [len(rows[one.test]) for one in splits.of(folds)]


def test_inputs_that_never_vary_in_the_rows_learnt_from_are_held() -> None:
    rows = np.array([[0.0, 1.0, 1.0], [0.0, 2.0, 5.0], [0.0, 4.0, 2.0]])
    asked = LinearProblem([0, 1], [2], True, {}, None)
    frozen = asked.frozen_on(Moments.of(rows))
    assert frozen is not None
    assert frozen["weight"].ravel().tolist() == [True, False]
    assert not frozen["intercept"].any()
    assert asked.frozen_on(Moments.of(rows[:, [1, 1, 2]])) is None
    held = LinearProblem(
        [0, 1], [2], True, {"weight": np.ones((2, 1))}, {"weight": np.ones((2, 1)) > 0}
    )
    kept = held.frozen_on(Moments.of(rows))
    assert kept is not None
    assert kept["weight"].all()
    assert solve(asked.of(Moments.of(rows))).weights["weight"][0, 0] == 0
