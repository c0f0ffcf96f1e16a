"""AUC against another library and against counting pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from deltarule.metrics.auc import ScoreHistogram, auc_of
from deltarule.rule.predict import Array


def ranked(predictions: Array, yes: Array, each: Array | None = None) -> ScoreHistogram:
    each = np.ones(len(yes)) if each is None else each
    found = ScoreHistogram()
    found.add(predictions, yes * each, (1 - yes) * each)
    return found


def drawn(seed: int, n: int, *, digits: int = 2) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    predictions = rng.random(n).round(digits)
    return predictions, (rng.random(n) < predictions).astype(float)


@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(0, 3))
def test_auc_is_that_of_another_library_with_ties_and_weights(seed: int, n: int, digits: int):
    predictions, yes = drawn(seed, n, digits=digits)
    yes[:2] = [0, 1]
    each = np.random.default_rng(seed + 1).integers(0, 4, n).astype(float)
    each[:2] = 1
    found, within = auc_of([ranked(predictions, yes, each)])
    assert found == pytest.approx(roc_auc_score(yes, predictions, sample_weight=each), abs=1e-13)
    assert within == 0


def test_rows_added_in_parts_are_the_whole():
    predictions, yes = drawn(1, 500)
    one = ranked(predictions[:200], yes[:200])
    one.add(predictions[200:], yes[200:], 1 - yes[200:])
    assert auc_of([one]) == auc_of([ranked(predictions, yes)])


def test_rows_all_of_one_kind_have_none():
    assert auc_of([ranked(np.array([0.1, 0.2]), np.array([1.0, 1.0]))]) is None
    assert auc_of([ScoreHistogram()]) is None
    assert auc_of([]) is None


def test_beyond_memory_it_is_off_by_no_more_than_it_says():
    predictions, yes = drawn(2, 30_000, digits=17)
    exact, _ = auc_of([ranked(predictions, yes)])
    whole = ScoreHistogram(exact_rows=1000)
    for at in range(7):
        whole.add(predictions[at::7], yes[at::7], 1 - yes[at::7])
    assert whole.kept == []
    found, within = auc_of([whole])
    assert 0 < within < 1e-4
    assert abs(found - exact) <= within
    sure = ScoreHistogram(exact_rows=1000)
    sure.add(np.repeat([0.0, 1.0], 600), np.repeat([0.0, 1.0], 600), np.repeat([1.0, 0.0], 600))
    assert auc_of([sure]) == (1.0, 0.0)


def test_of_folds_only_pairs_within_one_count():
    parts = [drawn(seed, n) for seed, n in ((3, 40), (4, 90), (5, 7))]
    found, _ = auc_of([ranked(*part) for part in parts])
    pairs = [yes.sum() * (1 - yes).sum() for _, yes in parts]
    alone = [roc_auc_score(yes, predictions) for predictions, yes in parts]
    assert found == pytest.approx(np.average(alone, weights=pairs), rel=1e-13)
    # A fold without a yes has no pairs.
    empty = ranked(np.array([0.9, 0.1]), np.zeros(2))
    assert auc_of([*(ranked(*part) for part in parts), empty])[0] == found
