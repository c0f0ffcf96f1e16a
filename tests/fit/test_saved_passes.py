"""Passes over many rows that are saved: the first is of moments, Hessians serve for longer."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy.special import expit

import deltarule as dr
from deltarule.engines.local import RowPass
from deltarule.engines.questions import Compare, CompareByFold
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.fit.warm_start import null_comparison

ROWS, INPUTS = 4_000, 18


@pytest.fixture(autouse=True)
def _many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of these tests is passed over, as one of many rows is."""
    monkeypatch.setattr("deltarule.fit.prepare.NEWTON_CELLS", 0)


def table_of(loss: str) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, INPUTS)) * np.geomspace(0.1, 30, INPUTS) + np.arange(INPUTS)
    score = (x - x.mean(axis=0)) @ (rng.normal(size=INPUTS) / x.std(axis=0)) / 4
    target: Any = {
        "logistic": lambda: (rng.random(ROWS) < expit(score)).astype(float),
        "poisson": lambda: rng.poisson(np.exp(score)).astype(float),
        "gamma": lambda: rng.gamma(2.0, np.exp(score) / 2) + 1e-9,
    }[loss]()
    columns = {f"x{at}": x[:, at] for at in range(INPUTS)}
    return pl.DataFrame({**columns, "n": rng.integers(1, 4, size=ROWS), "y": target})


FAMILIES = {
    "logistic": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
}


@pytest.mark.parametrize("loss", FAMILIES)
def test_weights_and_standard_errors_are_those_of_statsmodels(loss: str) -> None:
    table = table_of(loss).drop("n")
    model = dr.learn(table, predict="y", loss=loss, ridge=0)
    design = sm.add_constant(table.drop("y").to_numpy())
    peer = sm.GLM(table["y"].to_numpy(), design, family=FAMILIES[loss]).fit(tol=1e-14, maxiter=100)
    found = [*model.record.intercept, *model.record.weights]
    np.testing.assert_allclose([one.weight for one in found], peer.params, rtol=1e-9, atol=1e-11)
    # They are of the weights before the last step, whose gradient is below 1e-8 of the first.
    np.testing.assert_allclose([one.standard_error for one in found], peer.bse, rtol=1e-7)
    assert model.record.learnt[0].stopped.startswith("settled")


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_near_the_optimum_gradients_alone_are_taken(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, total = list[Any](), RowPass.total

    def counted(self: RowPass, question: Any, *, by_fold: bool = False) -> Any:
        asked.append(question)
        return total(self, question, by_fold=by_fold)

    monkeypatch.setattr(RowPass, "total", counted)
    learnt = dr.learn(table_of(loss).drop("n"), predict="y", loss=loss, ridge=0).record.learnt[0]
    compared = [one for one in asked if isinstance(one, Compare)]
    [last] = [one for one in asked if isinstance(one, CompareByFold)]
    # The first step is of moments; the last has its Hessians by fold, for what follows too.
    assert len(compared) <= learnt.steps - 1
    assert any(not one.hessian for one in compared)
    assert asked.index(last) == len(compared)
    assert learnt.gradient_left is not None
    assert learnt.gradient_left < 1e-8


@pytest.mark.parametrize("weight", [None, "n"])
@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_the_comparison_at_the_start_is_that_of_the_rows(loss: str, weight: str | None) -> None:
    settings = Settings(predict="y", loss=loss, ridge=0, weight=weight)
    problem = Run.of(table_of(loss), settings).problem
    assert problem is not None
    known = null_comparison(problem)
    assert known is not None
    passed = problem.objective(problem.first(), hessian=True)
    assert known.rows == passed.rows
    assert known.loss == pytest.approx(passed.loss, rel=1e-12)
    for name, slope in passed.weight_delta.items():
        np.testing.assert_allclose(known.weight_delta[name], slope, atol=1e-9 * passed.rows)
    assert known.hessian is not None
    assert passed.hessian is not None
    np.testing.assert_allclose(known.hessian, passed.hessian, atol=1e-10 * passed.rows)


def test_moments_do_not_tell_a_hessian_that_depends_on_targets() -> None:
    problem = Run.of(table_of("gamma"), Settings(predict="y", loss="gamma", ridge=0)).problem
    assert problem is not None
    assert null_comparison(problem) is None
    begun = replace(problem, start={**problem.start, "intercept": np.ones(1)})
    assert null_comparison(begun) is None
