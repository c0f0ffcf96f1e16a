"""Questions of cross-validation: gradients side by side, against one comparison for each fold."""

from dataclasses import replace

import numpy as np
import pytest

from deltarule.engines import held_out_questions
from deltarule.engines.batch import Batch
from deltarule.engines.held_out_questions import CompareTraining, HeldOutErrors
from deltarule.losses.glm import Poisson
from deltarule.losses.loss import Loss
from deltarule.losses.softmax import Softmax
from deltarule.moments.design_matrix import CategoricalMatrix, CategoryCodes, SplitMatrix
from deltarule.moments.linear_model import BlockLinear
from deltarule.rule.predict import Inputs

N, P, K = 500, 4, 3
FOLDS = {0: slice(0, 150), 1: slice(150, 320), 2: slice(320, N)}


def rows(loss: Loss, *, codes: bool, weighted: bool, offset: bool) -> Batch:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, P))
    inputs: Inputs = x
    if codes:
        at = CategoryCodes(rng.integers(3, size=N), 3)
        levels = CategoricalMatrix(at, P - 3, np.full(3, 0.3), np.full(3, 2.0))
        inputs = SplitMatrix(x[:, : P - 3], np.arange(P - 3), (levels,))
    if loss.kind == "classes":
        targets = (rng.integers(K, size=N)[:, None] == np.arange(K)).astype(float)
    else:
        targets = rng.poisson(2.0, size=(N, K)).astype(float)
    each = rng.random(N) if weighted else None
    return Batch(inputs, targets, each, rng.normal(size=(N, 1)) if offset else None, FOLDS)


@pytest.mark.parametrize("loss", [Softmax(), Poisson()])
@pytest.mark.parametrize("codes", [False, True])
@pytest.mark.parametrize(("weighted", "offset"), [(False, False), (True, True)])
def test_gradients_side_by_side_are_those_of_each_fold(
    loss: Loss, codes: bool, weighted: bool, offset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out_questions, "SIDE_BY_SIDE", 1)  # blocks of 128 rows
    batch, rng = rows(loss, codes=codes, weighted=weighted, offset=offset), np.random.default_rng(1)
    weights = {
        fold: {"weight": rng.normal(size=(P, K)) / 3, "intercept": rng.normal(size=K)}
        for fold in FOLDS
    }
    training_folds = {0: (1, 2), 1: (0, 2), 2: (0,)}
    asked = CompareTraining(loss, training_folds, HeldOutErrors(BlockLinear(), loss, weights))
    one_by_one = asked.of(batch).comparisons
    together = replace(asked, hessian=False).of(batch).comparisons
    assert together.keys() == one_by_one.keys()
    for fold, expected in one_by_one.items():
        found = together[fold]
        assert found.rows == pytest.approx(expected.rows, rel=1e-12)
        assert found.loss == pytest.approx(expected.loss, rel=1e-12)
        for name, array in expected.weight_delta.items():
            # Sums of hundreds of terms of about 1, in another order.
            assert found.weight_delta[name] == pytest.approx(array, abs=1e-10)
