"""Descent on moments, on rows and in closed form: the same weights after the same steps."""

from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.engines.in_memory import Rows
from deltarule.losses.glm import Squared
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.moments.stacked import stack
from deltarule.moments.standardize import Standardization
from deltarule.rule.compare import Objective
from deltarule.rule.learn import Descent
from deltarule.rule.predict import Array, Linear, Weights
from deltarule.rule.train import train
from deltarule.solvers.learners import LEARNERS
from deltarule.solvers.least_squares import ClosedFormDescent, Spectrum, solve
from deltarule.solvers.penalty import Penalised, Ridge

MOVIES = Path(dr.__file__).parent / "data" / "movies.csv"


def drawn(seed: int, *, p: int, k: int, intercept: bool) -> tuple[Rows, LeastSquares, Weights]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(200, p)) * rng.uniform(0.5, 2, size=p) + rng.normal(size=p)
    targets = inputs @ rng.normal(size=(p, k)) + rng.normal(size=(200, k))
    start: dict[str, Array] = {"weight": rng.normal(size=(p, k))}
    if intercept:
        start["intercept"] = rng.normal(size=k)
    moments = Moments.of(np.column_stack([inputs, targets]))
    problem = LeastSquares.of(moments, range(p), range(p, p + k), intercept=intercept)
    return Rows(Linear(intercept=intercept), Squared(), inputs, targets), problem, start


def after(objective: Objective, start: Weights, alpha: float, steps: int) -> Weights:
    *_, last = train(start, objective, Descent(alpha), steps=steps, tolerance=0)
    return last.weights


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("p", "k", "intercept"), [(1, 1, True), (3, 1, False), (4, 3, True), (2, 2, False)]
)
def test_a_thousand_steps_on_moments_rows_and_in_closed_form_agree(
    seed: int, p: int, k: int, intercept: bool
) -> None:
    rows, problem, start = drawn(seed, p=p, k=k, intercept=intercept)
    # Slow enough that a thousand steps are still on their way in the slowest direction.
    alpha = Spectrum.of(problem).alphas.limit / 100
    by_rows = stack(after(rows, start, alpha, 1000))
    by_moments = stack(after(problem, start, alpha, 1000))
    closed = stack(ClosedFormDescent.of(problem, start, alpha).at(1000))
    # Each step rounds by eps of a weight of order one, and shrinks what earlier steps rounded.
    np.testing.assert_allclose(by_moments, by_rows, rtol=0, atol=1e-10)
    np.testing.assert_allclose(closed, by_rows, rtol=0, atol=1e-10)
    assert np.abs(by_rows - stack(start)).max() > 0.01


@pytest.mark.parametrize("intercept", [True, False])
def test_every_step_agrees_not_only_the_last(intercept: bool) -> None:
    rows, problem, start = drawn(9, p=3, k=2, intercept=intercept)
    alpha = Spectrum.of(problem).alphas.fastest
    closed = ClosedFormDescent.of(problem, start, alpha)
    assert np.array_equal(stack(closed.at(0)), stack(start))
    steps = zip(
        train(start, rows, Descent(alpha), steps=60, tolerance=0),
        train(start, problem, Descent(alpha), steps=60, tolerance=0),
        strict=True,
    )
    for by_rows, by_moments in steps:
        for part in ("prediction", "delta", "error"):
            known = getattr(by_rows, part)
            # Sums of 200 rows in another order; delta cancels to nothing.
            assert getattr(by_moments, part) == pytest.approx(known, rel=1e-10, abs=1e-12)
        at = stack(closed.at(by_rows.number))
        np.testing.assert_allclose(at, stack(by_rows.weights), rtol=0, atol=1e-12)


@pytest.mark.parametrize("share", [1e-9, 1e-4, 0.3, 0.5, 0.75, 0.999])
@pytest.mark.parametrize("steps", [1, 2, 7, 500])
def test_the_closed_form_holds_for_every_alpha(share: float, steps: int) -> None:
    rows, problem, start = drawn(2, p=2, k=1, intercept=True)
    alpha = share * Spectrum.of(problem).alphas.limit
    known = stack(after(rows, start, alpha, steps)) - stack(start)
    found = stack(ClosedFormDescent.of(problem, start, alpha).at(steps)) - stack(start)
    # The way itself keeps its digits, even where it is short beside the weights: the loop rounds
    # each step at eps of the weights.
    np.testing.assert_allclose(found, known, rtol=1e-10, atol=1e-15 * steps)


def test_the_closed_form_diverges_as_the_steps_do() -> None:
    _, problem, start = drawn(2, p=2, k=1, intercept=True)
    alpha = 1.5 * Spectrum.of(problem).alphas.limit
    weights = start
    for _ in range(30):
        slope = problem(weights).average().weight_delta
        weights = {name: array - alpha * slope[name] for name, array in weights.items()}
    found = stack(ClosedFormDescent.of(problem, start, alpha).at(30))
    # It doubles at each step, and so do its roundings: 30 of them.
    np.testing.assert_allclose(found, stack(weights), rtol=1e-11)


def test_the_closed_form_ends_at_the_exact_weights() -> None:
    _, problem, start = drawn(3, p=3, k=2, intercept=True)
    alpha = Spectrum.of(problem).alphas.fastest
    end = stack(ClosedFormDescent.of(problem, start, alpha).at(10**6))
    np.testing.assert_allclose(end, stack(solve(problem).weights), rtol=1e-10, atol=1e-12)


def test_directions_without_curvature_are_never_moved() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=50)
    inputs, targets = np.column_stack([x, x]), 3 * x[:, None]
    problem = LeastSquares.of(
        Moments.of(np.column_stack([inputs, targets])), [0, 1], [2], intercept=False
    )
    start = {"weight": np.array([[5.0], [1.0]])}
    end = ClosedFormDescent.of(problem, start, 0.1).at(10**4)["weight"][:, 0]
    # Their sum becomes 3 and their difference stays: only along (1, 1) is there anything to learn.
    np.testing.assert_allclose(end, [3.5, -0.5], rtol=1e-10)


def test_a_penalty_on_moments_is_a_penalty_on_rows() -> None:
    rows, problem, start = drawn(5, p=3, k=2, intercept=True)
    ridge = Ridge(np.array([[0.1], [1.0], [0.0]]))
    by_rows = after(Penalised(rows, ridge), start, 0.05, 300)
    by_moments = after(Penalised(problem, ridge), start, 0.05, 300)
    np.testing.assert_allclose(stack(by_moments), stack(by_rows), rtol=0, atol=1e-11)


def test_standardised_descent_comes_out_in_own_units() -> None:
    rows, problem, start = drawn(6, p=3, k=1, intercept=True)
    standard = Standardization.of(problem)
    there = Rows(rows.model, rows.loss, standard.inputs(rows.inputs), rows.targets)
    by_rows = after(there, standard.into(start), 0.2, 400)
    by_moments = after(standard.problem(problem), standard.into(start), 0.2, 400)
    found, known = standard.out(by_moments), standard.out(by_rows)
    np.testing.assert_allclose(stack(found), stack(known), rtol=0, atol=1e-11)


# Real films.


@pytest.fixture(scope="module")
def films() -> tuple[Array, Array]:
    frame = pl.read_csv(MOVIES, infer_schema_length=None).select("budget", "gross").drop_nulls()
    return frame["budget"].to_numpy()[:, None] * 1.0, frame["gross"].to_numpy()[:, None] * 1.0


def test_films_on_moments_as_on_rows(films: tuple[Array, Array]) -> None:
    budget, gross = films
    problem = LeastSquares.of(
        Moments.of(np.column_stack([budget, gross])), [0], [1], intercept=False
    )
    rows = Rows(Linear(intercept=False), Squared(), budget, gross)
    start = {"weight": np.array([[1.0]])}
    # Below 2 / mean(budget ** 2), about 9e-16; the intercept is left out, as its scale is 1e7 off.
    assert Spectrum.of(problem).alphas.limit == pytest.approx(2 / np.mean(budget**2), rel=1e-12)
    by_rows = after(rows, start, 1e-17, 1000)["weight"].item()
    by_moments = after(problem, start, 1e-17, 1000)["weight"].item()
    closed = ClosedFormDescent.of(problem, start, 1e-17).at(1000)["weight"].item()
    # One weight of order one: a thousand roundings that mostly cancel.
    assert by_moments == pytest.approx(by_rows, abs=1e-10)
    assert closed == pytest.approx(by_rows, abs=1e-10)
    # tests/data/movies: gross = w * budget. Each step shrinks what is missing by 1 - alpha times
    # mean(budget ** 2), so that a thousand leave 3e-10 of it.
    left = (1.0 - 2.777528976172351) * (1 - 1e-17 * np.mean(budget**2)) ** 1000
    assert closed == pytest.approx(2.777528976172351 + left, abs=1e-12)


def test_films_through_learn_come_out_at_the_known_weight() -> None:
    ask = {
        "predict": "gross",
        "using": "budget",
        "intercept": False,
        "alpha": 1e-16,
        "start": 1.0,
        "missing": "drop",
    }
    model = dr.learn(MOVIES, **ask, tolerance=1e-13)
    assert model.record.rows == 3193
    assert model.weights["weight"].item() == pytest.approx(2.777528976172351, rel=1e-12)
    first, *_ = islice(dr.steps(MOVIES, **ask), 1)
    # The first step by hand: the mean delta of predicting each film's budget as its gross.
    assert first.delta == pytest.approx(31121410.187284686 - 85349961.96930785, rel=1e-12)


def test_too_large_an_alpha_on_films_names_the_column_and_the_limit() -> None:
    *_, last = dr.steps(
        MOVIES,
        predict="gross",
        using="budget",
        intercept=False,
        alpha=1e-15,
        start=1.0,
        missing="drop",
    )
    assert last.stopped is not None
    assert last.stopped.reason == "diverging"
    assert last.stopped.alphas is not None
    assert f"below {last.stopped.alphas.limit:.6g} it settles" in last.stopped.words
    assert "budget" in last.stopped.words
    frame = pl.read_csv(MOVIES, infer_schema_length=None).select("budget", "gross").drop_nulls()
    known = 2 / (frame["budget"].cast(pl.Float64) ** 2).mean()
    assert last.stopped.alphas.limit == pytest.approx(known, rel=1e-12)


# The learner that learn() sets up by itself.


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("gap", [1.0, 0.3, 0.1])
def test_a_learner_with_its_own_alpha_settles_on_inputs_that_go_together(
    learner: str, gap: float
) -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    b = a + gap * rng.normal(size=200)
    y = a + b + 0.1 * rng.normal(size=200)
    model = dr.learn({"a": a, "b": b, "y": y}, predict="y", learner=learner, ridge=0)
    assert model.record.learnt[0].stopped.startswith("settled")
    design = np.column_stack([np.ones(200), a, b])
    known = np.linalg.lstsq(design, y, rcond=None)[0]
    # Settled at 1e-8 of the first weight_delta, times a condition of some 400 squared.
    np.testing.assert_allclose(model.weights["weight"].to_numpy(), known, atol=1e-4)


@pytest.mark.parametrize("gap", [1e-2, 1e-3])
def test_momentum_with_its_own_alpha_never_calls_that_too_large(gap: float) -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    b = a + gap * rng.normal(size=200)
    y = a + b + 0.1 * rng.normal(size=200)
    model = dr.learn({"a": a, "b": b, "y": y}, predict="y", learner="momentum", ridge=0)
    assert "diverging" not in model.record.learnt[0].stopped
