"""deltarule's way to do each job."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl

import deltarule as dr
from benchmarks.answer import Answer
from benchmarks.exact import STRENGTHS
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.moments.standardize import Standardization
from deltarule.rule.learn import Descent
from deltarule.rule.train import train
from deltarule.solvers.least_squares import ClosedFormDescent, ridge_path

STEPS = 1000

Exact = Mapping[str, Any]


def learn(path: str, exact: Exact) -> Answer:
    """Weights and intercept, and the error on held-out rows with the default folds."""
    model = dr.learn(path, predict="y", ridge="auto")

    def values() -> list[float]:
        intercept, *weights = model.weights["weight"]
        return [*weights, intercept]

    return Answer("weights", values, {"held_out_rmse": model.to_dict()["held_out"]["rmse"]})


def learn_mixed(path: str, exact: Exact) -> Answer:
    """The same, judged by what it predicts."""
    model = dr.learn(path, predict="y", ridge="auto")

    def values() -> list[float]:
        head = pl.read_parquet(path, n_rows=len(exact["predictions"]))
        return model.predict(head)["y_prediction"].to_list()

    return Answer("predictions", values, {"held_out_rmse": model.to_dict()["held_out"]["rmse"]})


def descend(path: str, exact: Exact) -> Answer:
    """Read once, then a thousand steps on the moments, each one taken."""
    problem, start, read_seconds = _standardised(path)
    began = perf_counter()
    for step in train(start, problem, Descent(exact["alpha"]), steps=STEPS, tolerance=0):
        last = step
    figures = {"read_seconds": read_seconds, "steps_seconds": perf_counter() - began}
    return Answer(
        f"descent {last.number}",
        lambda: [*last.weights["intercept"], *last.weights["weight"][:, 0]],
        figures,
    )


def descend_closed(path: str, exact: Exact) -> Answer:
    """Read once, then the thousandth step at once."""
    problem, start, read_seconds = _standardised(path)
    began = perf_counter()
    found = ClosedFormDescent.of(problem, start, exact["alpha"]).at(STEPS)
    figures = {"read_seconds": read_seconds, "steps_seconds": perf_counter() - began}
    return Answer(
        f"descent {STEPS}", lambda: [*found["intercept"], *found["weight"][:, 0]], figures
    )


def ridge(path: str, exact: Exact) -> Answer:
    """Read once, then sixteen strengths on five folds."""
    folds, read_seconds = _moments(path)
    p = len(folds[0].mean) - 1
    began = perf_counter()
    found = ridge_path(
        folds, LinearProblem(range(p), [p], True, {}, None), strengths=np.array(STRENGTHS)
    )
    figures = {"read_seconds": read_seconds, "path_seconds": perf_counter() - began}
    return Answer("ridge_path", lambda: np.sqrt(found.mean()[:, 0]).tolist(), figures)


def _moments(path: str) -> tuple[list[Moments], float]:
    """Each fold's moments of x1 .. xp, y, by the one read, and how long that took."""
    began = perf_counter()
    folds = dr.learn(path, predict="y", ridge=0).moments()
    return folds, perf_counter() - began


def _standardised(path: str) -> tuple[LeastSquares, dict[str, Any], float]:
    """The objective in standardised units, the zeros to start from, and how long reading took."""
    folds, read_seconds = _moments(path)
    p = len(folds[0].mean) - 1
    problem = LeastSquares.of(total(folds), range(p), [p])
    start = {"weight": np.zeros((p, 1)), "intercept": np.zeros(1)}
    return Standardization.of(problem).problem(problem), start, read_seconds
