"""Whoever answers the questions about rows, from whatever parts of them, the model is the same."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

from deltarule.errors import LearningError
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.model.record import Record
from tests.engines.processes import Processes
from tests.engines.same_model import check_robust_errors

ROWS = 900
CUTS = (1, 2, 40, 333, 334, 700)


def table_of() -> pl.DataFrame:
    rng = np.random.default_rng(8)
    x, far, city = rng.normal(size=ROWS), rng.normal(size=ROWS) + 1e5, rng.integers(0, 25, ROWS)
    score = 0.7 * x - 0.4 * (far - 1e5) + np.sin(city)
    noise = rng.normal(size=ROWS)
    return pl.DataFrame(
        {
            "id": rng.permutation(ROWS),
            "x": pl.Series(x).set(pl.Series(rng.uniform(size=ROWS) < 0.1), None),
            "far": far,
            "city": pl.Series([f"c{code}" for code in city]).set(
                pl.Series(rng.uniform(size=ROWS) < 0.1), None
            ),
            "w": rng.uniform(0.5, 2, ROWS),
            "n": rng.integers(1, 4, ROWS),
            "amount": score + noise,
            "other": pl.Series(score - noise).set(pl.Series(rng.uniform(size=ROWS) < 0.05), None),
            "flag": score + noise > 0,
            "kind": np.array(["a", "b", "c"])[np.digitize(score + noise, [-0.7, 0.7])],
            "count": rng.poisson(np.exp(score / 2)),
            "cost": np.exp(score / 2) * rng.gamma(2, size=ROWS),
        }
    )


TABLE = table_of()
INPUTS = ["x", "far", "city"]

ASKED: dict[str, dict[str, Any]] = {
    "squared": {"predict": "amount", "id": "id"},
    "by row number": {"predict": "amount"},
    "several targets": {"predict": ["amount", "other"], "id": "id", "ridge": 0},
    "weights": {"predict": "amount", "weight": "w", "id": "id", "ridge": 3},
    "copies": {"predict": "amount", "weight": "n", "id": "id"},
    "groups": {"predict": "amount", "group": "city", "using": ["x", "far"]},
    "offset": {"predict": "amount", "offset": "other", "id": "id"},
    "lasso": {"predict": "amount", "lasso": "auto", "id": "id"},
    "steps": {"predict": "amount", "learner": "descent", "steps": 50},
    "logistic": {"predict": "flag", "id": "id"},
    "softmax": {"predict": "kind", "ridge": 0.1},
    "poisson": {"predict": "count", "loss": "poisson", "ridge": 0},
    "poisson and ridge": {"predict": "count", "loss": "poisson", "id": "id"},
    "gamma": {"predict": "cost", "loss": "gamma", "weight": "w", "ridge": 0},
    "tweedie": {"predict": "cost", "loss": "tweedie(1.5)", "id": "id", "ridge": 0.01},
    "robust errors": {"predict": ["amount", "other"], "errors": "HC1", "id": "id", "ridge": 0},
    "logistic and robust errors": {"predict": "flag", "errors": "HC0", "weight": "w", "ridge": 0},
    "softmax and robust errors": {"predict": "kind", "errors": "HC1", "ridge": 0},
    "exposure": {"predict": "count", "loss": "poisson", "exposure": "w", "ridge": 0},
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Processes]:
    made = Processes(TABLE, CUTS)
    yield made
    made.close()


def learnt(engine: Processes | None, asked: dict[str, Any]) -> Record:
    settings = Settings(**{"using": INPUTS, **asked})
    return Run.of(TABLE, settings, engine=engine).model().record


@pytest.mark.parametrize("how", ASKED)
def test_other_processes_give_the_model_of_this_one(how: str, engine: Processes) -> None:
    here, there = learnt(None, ASKED[how]), learnt(engine, ASKED[how])
    # The mean that fills gaps is rounded by the order of its sum; all else is equal.
    assert [one.name for one in here.contract.columns] == [
        one.name for one in there.contract.columns
    ]
    for mine, yours in zip(here.contract.columns, there.contract.columns, strict=True):
        assert mine.model_copy(update={"mean": 0.0}) == yours.model_copy(update={"mean": 0.0})
    assert here.contract.targets == there.contract.targets
    weights = [np.array([one.weight for one in model.weights]) for model in (here, there)]
    size = np.abs(weights[0]).max()
    np.testing.assert_allclose(weights[1], weights[0], rtol=1e-12, atol=1e-12 * size)
    check_robust_errors(here, there)
    for one, other in zip(here.held_out, there.held_out, strict=True):
        assert other.rows == pytest.approx(one.rows, rel=1e-13)
        assert other.rmse == pytest.approx(one.rmse, rel=1e-12)
    for mine, yours in zip(here.learnt, there.learnt, strict=True):
        assert yours.ridge == pytest.approx(mine.ridge, rel=1e-12)


def test_an_engine_is_asked_for_sums_once_and_then_for_comparisons(engine: Processes) -> None:
    engine.asked.clear()
    learnt(engine, ASKED["squared"])
    assert engine.asked == ["sums", "some rows"]
    learnt(engine, ASKED["poisson"])
    assert set(engine.asked[4:]) == {"comparisons"}


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"predict": "amount", "loss": "huber"}, "huber loss needs rows in order"),
        ({"predict": "amount", "loss": "absolute"}, "absolute loss needs rows in order"),
        ({"predict": "amount", "errors": "HC3"}, "HC3 needs rows in order"),
        ({"predict": "amount", "batch": 32, "learner": "adam"}, "a batch needs rows in order"),
        ({"predict": "amount", "where": "x > 0"}, "where needs conditions"),
        ({"predict": "amount", "time": "n"}, "time needs times"),
    ],
)
def test_what_an_engine_cannot_answer_is_refused_before_any_row_is_read(
    asked: dict[str, Any], named: str, engine: Processes
) -> None:
    engine.asked.clear()
    with pytest.raises(LearningError, match=named) as refused:
        learnt(engine, asked)
    assert "the engine of the tests" in str(refused.value)
    assert not engine.asked
