"""Block elimination: the same answers as of a dense matrix, and as of other libraries."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import lsqr

from deltarule.moments.accumulate import Accumulator, accumulate
from deltarule.moments.block import Block, Category, Origin
from deltarule.moments.folds import RowKeys
from deltarule.moments.inference import input_variance, intercept_variance
from deltarule.moments.moments import Moments, total
from deltarule.moments.one_hot import OneHotCross
from deltarule.moments.problem import LinearProblem
from deltarule.rule.predict import Array
from deltarule.solvers import block_elimination
from deltarule.solvers.block_elimination import Eliminated
from deltarule.solvers.krylov import largest_eigenvalue
from deltarule.solvers.least_squares import Spectrum, rank, ridge_search, solve
from tests.moments.summed import by_code, summed

N, NUMBERS, LEVELS = 3000, 3, (60, 7)


class Table:
    """A made table: numbers of different sizes, two categories, a target, row weights."""

    def __init__(
        self, *, levels: Sequence[int] = LEVELS, nested: bool = False, weighted: bool = False
    ) -> None:
        rng = np.random.default_rng(1)
        self.codes = [rng.integers(1, size + 1, N) for size in levels]
        if nested:
            self.codes[1] = (self.codes[0] - 1) % levels[1] + 1
        self.levels = levels
        self.numbers = rng.normal(size=(N, NUMBERS)) * [1, 100, 0.01] + 5
        effects = [rng.normal(size=size + 1) for size in levels]
        self.y = self.numbers @ [1, 0.01, 30] + rng.normal(size=N)
        self.y += sum(one[codes] for one, codes in zip(effects, self.codes, strict=True))
        self.weights = 1.0 + np.arange(N) % 3 if weighted else None

    def folds(self, *, dropped: int = 1) -> tuple[list[Moments], int]:
        """Each fold's moments, each category without its first levels, and the inputs' number."""
        reading, numbers = Accumulator(folds=5), [*self.numbers.T, self.y]
        frame = Origin.guess(numbers)
        for start in range(0, N, 500):
            rows = slice(start, start + 500)
            chunk = Block(
                numbers=[one[rows] for one in numbers],
                targets=NUMBERS,
                categories=[
                    Category(codes[rows], size + 1)
                    for codes, size in zip(self.codes, self.levels, strict=True)
                ],
                row_weights=None if self.weights is None else self.weights[rows],
                keys=RowKeys(500, start + 1),
            )
            frame = reading.add(chunk, accumulate(chunk, frame, folds=5))
        folds = by_code(summed(reading.parts))
        columns, first = list(range(NUMBERS)), NUMBERS + 1
        for size in self.levels:
            columns += range(first + 1 + dropped, first + 1 + size)
            first += 1 + size
        return [fold.take([*columns, NUMBERS]).compact for fold in folds], len(columns)

    def design(self, *, dropped: int = 1) -> Any:
        """The design matrix, sparse, without a column of ones."""
        parts = [sparse.csr_array(self.numbers)]
        for codes, size in zip(self.codes, self.levels, strict=True):
            one_hot = sparse.csr_array((np.ones(N), (np.arange(N), codes)), shape=(N, size + 1))
            parts.append(one_hot[:, 1 + dropped :])
        return sparse.hstack(parts, format="csr")


TABLES: dict[str, dict[str, Any]] = {
    "plain": {},
    "weighted": {"weighted": True},
    "nested": {"nested": True},
    "one category": {"levels": (80,)},
    "three categories": {"levels": (60, 20, 9)},
}


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", TABLES)
def test_answers_are_those_of_the_dense_matrix(
    monkeypatch: pytest.MonkeyPatch, name: str, intercept: bool
) -> None:
    table = Table(**TABLES[name])
    dense, p = table.folds()
    monkeypatch.setattr("deltarule.moments.one_hot.DENSE_COLUMNS", 0)
    monkeypatch.setattr("deltarule.tables.summary.DENSE_COLUMNS", 0)
    folds, _ = table.folds()
    asked = LinearProblem(range(p), [p], intercept, {}, None)
    one, other = asked.of(total(dense)), asked.of(total(folds))
    assert isinstance(other.gram, OneHotCross)
    known, found = solve(one), solve(other)
    size = np.abs(known.weights["weight"]).max()
    assert np.abs(found.weights["weight"] - known.weights["weight"]).max() < 1e-9 * size
    assert found.rank == known.rank == rank(other)
    assert found.sure == known.sure
    assert known.inverse is not None
    assert found.inverse is not None
    variance = input_variance(known.inverse, known.null)
    np.testing.assert_allclose(input_variance(found.inverse, found.null), variance, rtol=1e-9)
    error = known.rank == p and intercept_variance(known.inverse, one.mean / known.unit, one.rows)
    if error:
        mean = other.mean / found.unit
        assert intercept_variance(found.inverse, mean, one.rows) == pytest.approx(error, rel=1e-9)
    spectrum = Spectrum.of(one)
    assert Spectrum.of(other).condition == pytest.approx(spectrum.condition, rel=1e-8)
    assert Spectrum.of(other).alphas.limit == pytest.approx(spectrum.alphas.limit, rel=1e-9)
    path, search = ridge_search(dense, asked), ridge_search(folds, asked)
    np.testing.assert_allclose(search.errors, path.errors, rtol=1e-9)
    assert search.chosen() == path.chosen()


def test_no_system_of_all_inputs_is_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.moments.one_hot.DENSE_COLUMNS", 0)
    monkeypatch.setattr("deltarule.tables.summary.DENSE_COLUMNS", 0)
    folds, p = Table().folds()
    problem = LinearProblem(range(p), [p], True, {}, None).of(total(folds))

    def refused(self: OneHotCross) -> Array:
        assert len(self) <= NUMBERS + LEVELS[1], "a matrix of all inputs is formed"
        return array(self)

    array = OneHotCross.array
    monkeypatch.setattr(OneHotCross, "array", refused)
    assert solve(problem).rank == p
    assert Eliminated.of(problem).width == 1 + NUMBERS + LEVELS[1] - 1
    assert Spectrum.of(problem).condition > 1


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_conjugate_gradients_give_what_the_factor_gives(
    monkeypatch: pytest.MonkeyPatch, ridge: float
) -> None:
    monkeypatch.setattr("deltarule.moments.one_hot.DENSE_COLUMNS", 0)
    monkeypatch.setattr("deltarule.tables.summary.DENSE_COLUMNS", 0)
    folds, p = Table(levels=(60, 40, 30)).folds()
    problem = LinearProblem(range(p), [p], True, {}, None).of(total(folds))
    known = solve(problem, ridge=ridge).weights
    monkeypatch.setattr(block_elimination, "MOST_DENSE", 10)
    found = solve(problem, ridge=ridge)
    np.testing.assert_allclose(found.weights["weight"], known["weight"], rtol=1e-7, atol=1e-9)
    assert found.inverse is None
    assert np.isnan(Spectrum.of(problem).condition)


def test_weights_are_those_of_a_sparse_one_hot_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import Ridge

    monkeypatch.setattr("deltarule.moments.one_hot.DENSE_COLUMNS", 0)
    monkeypatch.setattr("deltarule.tables.summary.DENSE_COLUMNS", 0)
    table = Table(levels=(400, 30))
    folds, p = table.folds()
    whole = total(folds)
    problem = LinearProblem(range(p), [p], True, {}, None).of(whole)
    design = table.design()
    found = solve(problem).weights
    ones = sparse.hstack([design, np.ones((N, 1))], format="csr")
    known = lsqr(ones, table.y, atol=1e-15, btol=1e-15, iter_lim=20_000)[0]
    np.testing.assert_allclose(found["weight"][:, 0], known[:-1], rtol=1e-6, atol=1e-6)
    # A ridge on standardised inputs is one on inputs that are divided by their spreads.
    by = sparse.diags_array(1 / problem.spread)
    ridge = Ridge(alpha=0.1 * N, solver="sparse_cg", tol=1e-14, max_iter=20_000)
    ridge.fit(design @ by, table.y)
    found = solve(problem, ridge=0.1).weights
    np.testing.assert_allclose(
        found["weight"][:, 0], ridge.coef_ / problem.spread, rtol=1e-6, atol=1e-8
    )


def test_a_level_without_rows_in_training_folds_has_no_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("deltarule.moments.one_hot.DENSE_COLUMNS", 0)
    monkeypatch.setattr("deltarule.tables.summary.DENSE_COLUMNS", 0)
    table = Table()
    table.codes[0][RowKeys(N).entries(5, None).fold != 2] %= 50  # some levels are of one fold only
    table.codes[0][table.codes[0] == 0] = 1
    folds, p = table.folds()
    teach = total([folds[at] for at in (0, 1, 3, 4)])
    problem = LinearProblem(range(p), [p], True, {}, None).of(teach)
    still = problem.spread == 0
    assert still.sum() == 11
    found = solve(problem)
    assert (found.weights["weight"][still] == 0).all()
    assert found.rank == p - 11


@pytest.mark.parametrize("size", [1, 2, 40])
def test_largest_eigenvalue(size: int) -> None:
    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size))
    matrix = root @ root.T
    known = np.linalg.eigvalsh(matrix)[-1]
    assert largest_eigenvalue(lambda v: matrix @ v, size) == pytest.approx(known, rel=1e-12)
