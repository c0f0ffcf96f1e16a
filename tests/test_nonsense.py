"""Nonsense is refused in one line that says what, where and what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import DeltaruleError

N = 30
RNG = np.random.default_rng(60)
X = RNG.normal(size=N)
NOISY = X + RNG.normal(size=N)
YES = (NOISY > 0).astype(int)
ONE = (np.arange(N) == 6).astype(int)
COUNTS = RNG.poisson(2, N)


def with_one(values: Any, wrong: Any) -> list[Any]:
    """The values, the seventh of them another."""
    return [wrong if at == 6 else value for at, value in enumerate(values.tolist())]


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "negative counts": (
        {"y": with_one(COUNTS, -2)},
        {"loss": "poisson"},
        "column 'y', row 7: -2 is no target for poisson loss, which takes numbers of 0 or more",
    ),
    "a class with one member": (
        {"y": with_one(np.where(YES == 1, "a", "b"), "c")},
        {},
        "the class 'c' of 'y' has a single row",
    ),
    "a single yes": ({"y": ONE}, {"loss": "logistic"}, "row 7: it alone has 'y' 1"),
    "a single no": ({"y": 1 - ONE}, {"loss": "logistic"}, "row 7: it alone has 'y' 0"),
    "one class": ({"y": ["a"] * N}, {}, "the target 'y' is 'a' in every row"),
    "all targets equal": ({"y": [3.5] * N}, {}, "the target 'y' is 3.5 in every row"),
    "all targets 0": ({"y": [0] * N}, {"loss": "poisson"}, "the target 'y' is 0 in every row"),
    "one of two targets equal": (
        {"y": NOISY, "z": [1.0] * N},
        {"predict": ["y", "z"]},
        "the target 'z' is 1 in every row",
    ),
    "an offset that is infinite": (
        {"y": COUNTS, "o": with_one(X, np.inf)},
        {"loss": "poisson", "offset": "o"},
        "row 7",
    ),
    "a weight that is negative": (
        {"y": NOISY, "w": with_one(np.ones(N), -1.0)},
        {"weight": "w"},
        "column 'w', row 7: a row's weight of -1 is below 0",
    ),
    "weights that are all 0": (
        {"y": NOISY, "w": [0] * N},
        {"weight": "w"},
        "no row has a weight above 0 in 'w'",
    ),
    "a weight that is infinite": (
        {"y": NOISY, "w": with_one(np.ones(N), np.inf)},
        {"weight": "w"},
        "column 'w', row 7 is infinite",
    ),
    "alpha 0": ({"y": NOISY}, {"alpha": 0.0}, "alpha is 0: it must be above 0"),
    "alpha negative": ({"y": NOISY}, {"alpha": -1.0}, "alpha is -1: it must be above 0"),
    "folds above the rows": ({"y": NOISY}, {"folds": N + 1}, "folds is 31, but there are 30 rows"),
    "one fold": ({"y": NOISY}, {"folds": 1}, "folds is 1"),
}


@pytest.mark.parametrize("case", CASES)
def test_nonsense_is_refused_in_python(case: str) -> None:
    columns, settings, said = CASES[case]
    with pytest.raises(DeltaruleError) as refused:
        dr.learn({"x": X, **columns}, **{"predict": "y", "using": "x", **settings})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("case", CASES)
def test_nonsense_is_refused_on_the_command_line(
    case: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    columns, settings, said = CASES[case]
    pl.DataFrame({"x": X, **columns}).write_csv(tmp_path / "t.csv")
    asked = {"predict": "y", "using": "x", **settings}
    asked["predict"] = ",".join(np.atleast_1d(asked["predict"]))
    options = [f"--{name}={value}" for name, value in asked.items()]
    assert said in run("learn", tmp_path / "t.csv", *options).refused()


@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        ({"y": ONE * 0.5 + 0.25}, {"loss": "logistic"}),  # shares, of which one is another
        ({"y": np.full(N, 1 / N)}, {"loss": "logistic", "intercept": False}),
        ({"y": [3.5] * N}, {"intercept": False}),
        ({"y": ONE, "w": [2] * N}, {"loss": "logistic", "weight": "w"}),
        ({"y": NOISY}, {"folds": N}),
    ],
)
def test_what_only_looks_like_it_is_learnt(
    columns: dict[str, Any], settings: dict[str, Any]
) -> None:
    model = dr.learn({"x": X, **columns}, predict="y", using="x", **settings)
    assert np.isfinite([one.weight for one in model.record.weights]).all()
