"""Many classes: deltarule as it comes beside one fit of scikit-learn at the same kind of optimum.

Inputs of the made tables are correlated by a few shared parts, a fifth of them are skewed, and two
are constant where there are many.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from benchmarks.answer import Answer

Exact = Mapping[str, Any]


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    inputs, classes = load_digits(return_X_y=True)
    return inputs, classes


@cache
def _made(rows: int, inputs: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    shared = rng.normal(size=(rows, max(inputs // 8, 2)))
    x = shared @ rng.normal(size=(shared.shape[1], inputs)) / np.sqrt(shared.shape[1])
    x += 0.7 * rng.normal(size=x.shape)
    x[:, ::5] = np.exp(0.5 * x[:, ::5])
    if inputs > 50:
        x[:, 3], x[:, 17] = 1.0, 0.0
    spread = x.std(axis=0)
    standard = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    scores = standard @ rng.normal(size=(inputs, classes)) * 3 / np.sqrt(inputs)
    scores += rng.gumbel(size=scores.shape)
    return x * 10 ** rng.uniform(-2, 2, size=inputs), scores.argmax(axis=1)


@cache
def _frame(*size: int) -> Any:
    import polars as pl

    inputs, classes = _made(*size) if size else _digits()
    names = [f"x{at}" for at in range(inputs.shape[1])]
    return pl.DataFrame(inputs, schema=names).with_columns(y=pl.Series(classes).cast(pl.String))


def _learn(*size: int) -> Answer:
    import deltarule as dr

    dr.learn(_frame(*size), predict="y")
    return Answer()


def _sklearn(*size: int) -> Answer:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    inputs, classes = _made(*size) if size else _digits()
    LogisticRegression(max_iter=5000).fit(StandardScaler().fit_transform(inputs), classes)
    return Answer()


def digits(path: str, exact: Exact) -> Answer:
    return _learn()


def sklearn_digits(path: str, exact: Exact) -> Answer:
    return _sklearn()


def images(path: str, exact: Exact) -> Answer:
    return _learn(7300, 256, 10)


def sklearn_images(path: str, exact: Exact) -> Answer:
    return _sklearn(7300, 256, 10)


def letters(path: str, exact: Exact) -> Answer:
    return _learn(20_000, 16, 26)


def sklearn_letters(path: str, exact: Exact) -> Answer:
    return _sklearn(20_000, 16, 26)
