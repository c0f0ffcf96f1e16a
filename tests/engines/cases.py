"""The tables that every engine must learn the local model of, and how two models are compared."""

import datetime as dt
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import deltarule as dr
from deltarule.model.record import Record
from tests.engines.same_model import check_robust_errors

DATA = Path(__file__).resolve().parents[1] / "data"
ROWS = 700


@dataclass(frozen=True)
class Case:
    """A table with an id, and what is learnt from it; `needs` are questions that not all answer."""

    table: pl.DataFrame
    settings: dict[str, Any] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()


def mixed() -> pl.DataFrame:
    """Numbers, text, dates, yes and no, gaps of both kinds, weights, counts and groups."""
    rng = np.random.default_rng(14)
    x, code = rng.normal(size=ROWS), rng.integers(0, 12, ROWS)
    when = [dt.date(2023, 1, 1) + dt.timedelta(days=int(day)) for day in rng.integers(0, 500, ROWS)]
    score = 0.8 * x + np.cos(code) + rng.normal(size=ROWS) / 2

    def gaps(share: float) -> pl.Series:
        return pl.Series(rng.uniform(size=ROWS) < share)

    return pl.DataFrame(
        {
            "id": rng.permutation(ROWS),
            "x": pl.Series(x).set(gaps(0.1), None).set(gaps(0.05), float("nan")),
            "far": 1e9 + rng.normal(size=ROWS),
            "whole": pl.Series(rng.integers(-5, 100, ROWS)).set(gaps(0.02), None),
            "yes": pl.Series(rng.uniform(size=ROWS) < 0.4).set(gaps(0.03), None),
            "city": pl.Series(
                [f"{'Aé  '[one % 4]}{'a' if one % 2 else 'A'}' {one // 3}" for one in code]
            ).set(gaps(0.08), None),
            "shop": [f"shop {one % 7}" for one in range(ROWS)],
            "street": [f"{one**2 % 53 % 45:02}. street" for one in range(ROWS)],
            "when": when,
            "size": rng.uniform(0.5, 2, ROWS),
            "often": rng.integers(1, 5, ROWS),
            "amount": score,
            "other": pl.Series(score**2 - 1).set(gaps(0.05), None),
            "flag": score + rng.normal(size=ROWS) > 0.3,
            "word": np.where(score + rng.normal(size=ROWS) > 0.2, "no", "yes"),
            "kind": np.array(["a", "b", "c"])[np.digitize(score, [-0.6, 0.7])],
            "count": rng.poisson(np.exp(score / 2)),
            "cost": np.exp(score / 2) * rng.gamma(2, size=ROWS),
            "loss": np.exp(score / 2) * rng.gamma(2, size=ROWS) * (rng.uniform(size=ROWS) < 0.7),
        }
    )


def polynomial(degree: int) -> pl.DataFrame:
    """As NIST's Wampler1: a polynomial of 0 to 20, met exactly, with nearly dependent powers."""
    x = np.arange(21.0)
    powers = {f"x{n}": x**n for n in range(1, degree + 1)}
    return pl.DataFrame({"id": np.arange(21), **powers, "y": 1 + sum(powers.values())})


def nist(name: str) -> pl.DataFrame:
    frame = pl.read_csv(DATA / "nist_strd" / f"{name}.csv", infer_schema_length=None)
    return frame.cast(pl.Float64).with_row_index("id").cast({"id": pl.Int64})


def oddly_named() -> pl.DataFrame:
    """Names and levels that SQL has another use for."""
    rng = np.random.default_rng(4)
    table = pl.DataFrame(
        {
            'a "b" c': rng.normal(size=90),
            "select": rng.choice(["a'b", "\\n", "é", "A", "a", "", "$1", "{0}"], 90),
            "f": rng.normal(size=90),
            "n0": rng.choice(["x", "y"], 90),
            "id": np.arange(90),
        }
    )
    return table.with_columns(y=pl.col("f") + pl.Series(rng.normal(size=90)))


MIXED = mixed()
INPUTS = ["x", "far", "whole", "yes", "city", "when"]
LATE = MIXED.sort("city", "x", nulls_last=True).with_columns(far=pl.col("far") - 1e9)
SHIFTED = MIXED.with_columns(pl.col("x", "far", "amount") + 1e9)
NUMBERS = ["x", "far", "whole", "yes"]


def case(table: pl.DataFrame, predict: Any, using: Any = INPUTS, **settings: Any) -> Case:
    return Case(table, {"predict": predict, "using": using, "id": "id", **settings})


FEW = ["x", "whole", "city"]


SQUARED = {
    "mixed kinds": case(MIXED, "amount"),
    "a ridge": case(MIXED, "amount", ridge=5),
    "a lasso": case(MIXED, "amount", NUMBERS, lasso="auto"),
    "robust errors": case(MIXED, ["amount", "other"], ["x", "street"], errors="HC1", ridge=0),
    "robust errors with weights": case(MIXED, "amount", NUMBERS, errors="HC0", weight="size"),
    "robust errors with an offset": case(
        MIXED, "amount", ["x", "far"], errors="HC1", offset="other", intercept=False
    ),
    "only full rows": case(MIXED, "amount", missing="drop"),
    "gaps in the target": case(MIXED, "other"),
    "several targets": case(MIXED, ["amount", "other"], ridge=0),
    "weights": case(MIXED, "amount", weight="size"),
    "copies": case(MIXED, "amount", weight="often"),
    "an offset": case(MIXED, "amount", NUMBERS, offset="other"),
    "groups": Case(MIXED, {"predict": "amount", "using": NUMBERS, "group": "shop"}),
    "text as an id": case(MIXED.with_columns(id=pl.format("é{}", "id")), "amount", NUMBERS),
    "ids of 64 bits": case(
        MIXED.with_columns(id=2**53 - 350 + pl.col("id")), "amount", NUMBERS, missing="drop"
    ),
    "groups of 64 bits, some missing": Case(
        MIXED.with_columns(id=-(2**62) + pl.col("whole")),
        {"predict": "amount", "using": ["x", "yes"], "group": "id"},
    ),
    "dates as an id": Case(MIXED, {"predict": "amount", "using": NUMBERS, "id": "when"}),
    "sorted rows": case(LATE, "amount"),
    "shifted by 1e9": case(SHIFTED, "amount", NUMBERS),
    "odd names": case(oddly_named(), "y", None),
    "two folds": case(MIXED, "amount", folds=2),
    "no intercept": case(MIXED, "amount", ["x", "whole"], intercept=False),
    "steps": case(MIXED, "amount", NUMBERS, learner="descent", steps=50),
    "expressions": case(
        MIXED,
        "log(cost)",
        ["log(size)", "abs(x) + whole / 7", "city:shop", "x:shop", "poly(size, 3)", 'year("when")'],
    ),
    "a condition": case(MIXED, "amount", ["x", "city"], where="whole > 20 and city <> 'A 0'"),
    "a condition on dates": case(
        MIXED, "amount", NUMBERS, where="\"when\" >= '2023-04-01' and (yes or x < 0)"
    ),
    "in time": Case(MIXED, {"predict": "amount", "using": FEW, "time": "when", "weight": "often"}),
    "in the order of a number": Case(
        MIXED, {"predict": "amount", "using": ["far", "city"], "time": "x", "folds": 4}
    ),
    "Longley": case(nist("Longley"), "y", [f"x{n}" for n in range(1, 7)], ridge=0),
    "Norris": case(nist("Norris"), "y", ["x"], ridge=0),
    "a Wampler-like polynomial": case(polynomial(5), "y", [f"x{n}" for n in range(1, 6)], ridge=0),
}
COMPARISONS = {
    "logistic": case(MIXED, "flag", FEW),
    "logistic of words": case(MIXED, "word", NUMBERS, ridge=0),
    "logistic with weights": case(MIXED, "flag", NUMBERS, weight="size", ridge=0),
    "logistic with copies": case(MIXED, "flag", ["x", "shop"], weight="often", ridge=0.01),
    "logistic of many levels": case(MIXED, "flag", ["x", "street", "shop"], ridge=0.1),
    "logistic with robust errors": case(
        MIXED, "flag", ["x", "street", "shop"], errors="HC1", weight="size", ridge=0
    ),
    "gamma with robust errors": case(MIXED, "cost", FEW, loss="gamma", errors="HC0", ridge=0),
    "logistic with a lasso": case(MIXED, "flag", NUMBERS, lasso=0.01, ridge=0),
    "poisson of dates": case(
        MIXED, "count", ["x", "when"], loss="poisson", ridge=0.01, dates="days"
    ),
    "poisson with exposure": case(MIXED, "count", ["x"], loss="poisson", exposure="size", ridge=0),
    "poisson of two targets": case(MIXED, ["count", "loss"], NUMBERS, loss="poisson", ridge=0),
    "gamma and only full rows": case(MIXED, "cost", FEW, loss="gamma", missing="drop", ridge=0.1),
    "logistic in time": Case(
        MIXED, {"predict": "flag", "using": ["x", "whole"], "time": "when", "ridge": 0}
    ),
    "gamma where": case(MIXED, "cost", ["x"], loss="gamma", ridge=0, where="size < 1.5"),
    "tweedie": case(MIXED, "loss", FEW, loss="tweedie(1.5)", ridge=0.01),
}


def learnt(table: Any, settings: dict[str, Any], engine: str = "local") -> Record:
    """The record of the model that an engine learns."""
    return dr.learn(table, **settings, engine=engine).record


def check_near(here: Record, there: Record, near: float = 1e-9) -> None:
    """The same schema, weights, errors and held-out figures, to a relative difference."""
    mine, yours = here.contract, there.contract
    assert [one.name for one in mine.columns] == [one.name for one in yours.columns]
    for one, other in zip(mine.columns, yours.columns, strict=True):
        # The order of a sum rounds the mean that fills gaps, and weighted counts of levels.
        assert type(one) is type(other)
        assert one.levels == other.levels
        if one.expression is None and hasattr(one, "low"):
            assert (one.low, one.high) == (other.low, other.high)
    assert [one.name for one in mine.targets] == [one.name for one in yours.targets]
    assert [list(one.classes) for one in mine.targets] == [
        list(one.classes) for one in yours.targets
    ]
    np.testing.assert_allclose(there.rows, here.rows, rtol=1e-12)
    said = [[one for one in model.notes if "do not meet" in one] for model in (here, there)]
    assert said[0] == said[1]
    assert here.fold_by == there.fold_by
    spread = np.array([[one.weight for one in model.weights] for model in (here, there)])
    size = np.abs(spread[0]).max()
    np.testing.assert_allclose(spread[1], spread[0], rtol=near, atol=near * size)
    check_robust_errors(here, there, digits=near)
    for first, second in zip(here.held_out, there.held_out, strict=True):
        np.testing.assert_allclose(second.rows, first.rows, rtol=1e-12)
        np.testing.assert_allclose(second.rmse, first.rmse, rtol=near)
    for one_fit, other_fit in zip(here.fit, there.fit, strict=True):
        np.testing.assert_allclose(other_fit.rmse, one_fit.rmse, rtol=near, atol=near)
    for one_target, other_target in zip(here.learnt, there.learnt, strict=True):
        np.testing.assert_allclose(other_target.ridge, one_target.ridge, rtol=near)


def digits(found: Record, name: str) -> float:
    """How many digits of NIST's certified coefficients are right, of the one with fewest."""
    told = json.loads((DATA / "nist_strd" / f"{name}.json").read_text())["certified"]
    weights = [one.weight for one in (*found.intercept, *found.weights)]
    off = [
        abs(mine - known) / abs(known)
        for mine, known in zip(weights, told["coefficients"], strict=True)
    ]
    return float(min(15.0, -np.log10(max(max(off), 1e-16))))
