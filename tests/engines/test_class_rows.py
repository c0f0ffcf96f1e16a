"""Gradients of classes in single precision, against double precision written out here."""

import numpy as np
import pytest

from deltarule.engines.batch import Batch
from deltarule.engines.class_rows import ClassRows, class_folds

P, K, FOLDS = 5, 4, 3
# Single precision has seven digits, and sums over rows lose hardly one of them.
NEAR = 1e-6


def batches(*, weighed: bool) -> list[Batch]:
    """Two batches of rows, sorted by fold."""
    rng = np.random.default_rng(0)
    found = []
    for n in (70, 300):
        targets = np.eye(K)[rng.integers(0, K, size=n)]
        weights = rng.integers(1, 4, size=n).astype(float) if weighed else None
        spans = {0: slice(0, 20), 1: slice(20, 50), 2: slice(50, n)}
        found.append(Batch(rng.normal(size=(n, P)), targets, weights, folds=spans))
    return found


def rows_of(fold: int, *, weighed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A fold's inputs with a last one of 1, targets and weights, in double precision."""
    parts = [one.only(one.folds[fold]) for one in batches(weighed=weighed)]
    inputs = np.concatenate([one.array for one in parts])
    ones = np.ones((len(inputs), 1))
    targets, each = (
        np.concatenate(one) for one in zip(*((p.targets, p.each) for p in parts), strict=True)
    )
    return np.hstack([inputs, ones]), targets, each


def softmax(scores: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


TEACHERS = [[1, 2], [0, 2], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize("weighed", [False, True])
def test_losses_and_gradients_are_those_of_each_fits_folds(*, weighed: bool) -> None:
    folds = class_folds(batches(weighed=weighed))
    assert folds is not None
    rows = ClassRows.of(folds, TEACHERS, intercept=True)
    weights = np.random.default_rng(1).normal(size=(len(TEACHERS), P + 1, K))
    fits = np.array([0, 2, 3])
    losses, gradients = rows.gradients(weights[fits].reshape(3, -1), fits)
    for at, fit in enumerate(fits):
        parts = [rows_of(fold, weighed=weighed) for fold in TEACHERS[fit]]
        x, t, each = (np.concatenate(one) for one in zip(*parts, strict=True))
        mean = softmax(x @ weights[fit])
        loss = -np.sum(each * np.log(np.sum(mean * t, axis=1))) / each.sum()
        slope = x.T @ (each[:, None] * (mean - t)) / each.sum()
        assert losses[at] == pytest.approx(loss, rel=NEAR)
        assert gradients[at] == pytest.approx(slope.ravel(), abs=NEAR)


@pytest.mark.parametrize("weighed", [False, True])
def test_the_hessian_is_that_of_double_precision(*, weighed: bool) -> None:
    folds = class_folds(batches(weighed=weighed))
    assert folds is not None
    rows = ClassRows.of(folds, [[0, 1, 2]], intercept=True)
    rng = np.random.default_rng(2)
    weights, way = (rng.normal(size=(P + 1, K)) for _ in range(2))
    parts = [rows_of(fold, weighed=weighed) for fold in range(FOLDS)]
    x, _, each = (np.concatenate(one) for one in zip(*parts, strict=True))
    mean, move = softmax(x @ weights), x @ way
    bent = each[:, None] * mean * (move - np.sum(mean * move, axis=1, keepdims=True))
    product = rows.products(weights.ravel())(way.ravel())
    assert product == pytest.approx((x.T @ bent / each.sum()).ravel(), abs=NEAR)
    for at, own in enumerate(rows.curvature(weights.ravel())):
        slope = each * mean[:, at] * (1 - mean[:, at]) / each.sum()
        assert own == pytest.approx(x.T @ (slope[:, None] * x), abs=NEAR)


def test_without_an_intercept_there_is_no_input_of_one() -> None:
    folds = class_folds(batches(weighed=False))
    assert folds is not None
    weights = np.random.default_rng(3).normal(size=(P + 1, K))
    weights[-1] = 0.0
    every = np.zeros(1, dtype=np.intp)
    whole, without = (
        ClassRows.of(folds, [[0, 1, 2]], intercept=intercept) for intercept in (True, False)
    )
    loss, gradient = whole.gradients(weights.reshape(1, -1), every)
    bare, own = without.gradients(weights[:-1].reshape(1, -1), every)
    assert bare == pytest.approx(loss, rel=NEAR)
    assert own[0] == pytest.approx(gradient[0, :-K], abs=NEAR)


def test_offsets_are_left_to_others() -> None:
    (one, _) = batches(weighed=False)
    moved = Batch(one.inputs, one.targets, offsets=np.zeros((len(one), 1)), folds=one.folds)
    assert class_folds([moved]) is None
