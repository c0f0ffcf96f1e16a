"""Robust standard errors: against statsmodels, as the second read gives them, in every kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import LearningError

KINDS = ["HC0", "HC1", "HC2", "HC3"]
FAMILIES = {
    "logistic": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
    "tweedie(1.5)": sm.families.Tweedie(sm.families.links.Log(), var_power=1.5),
}


def drawn(seed: int, n: int = 120) -> pl.DataFrame:
    """Rows that stray the more the larger a is, with targets for every loss."""
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(2.0, 1.0, n), rng.normal(1000, 3, n)
    score = 0.3 * a - 0.1 * (b - 1000)
    return pl.DataFrame(
        {
            "a": a,
            "b": b,
            "squared": 5 + score + a * rng.normal(size=n),
            "other": 3 - score + rng.normal(size=n),
            "logistic": (rng.random(n) < 1 / (1 + np.exp(1 - score))).astype(float),
            "poisson": rng.negative_binomial(1.5, 1.5 / (1.5 + np.exp(score))).astype(float),
            "gamma": rng.gamma(1.5, np.exp(score)),
            "tweedie(1.5)": rng.gamma(1.5, np.exp(score)) * (rng.random(n) < 0.7),
            "times": rng.integers(0, 4, n),
        }
    )


def errors_of(model: dr.Model, output: str | None = None) -> list[float | None]:
    record = model.record
    told = [*record.intercept, *record.weights]
    return [one.standard_error for one in told if output in (None, one.output)]


def inputs_of(table: pl.DataFrame) -> Any:
    return sm.add_constant(table.select("a", "b").to_numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("learner", [None, "descent"])
def test_squared_loss_has_those_of_statsmodels(kind: str, learner: str | None) -> None:
    table = drawn(1)
    asked: dict[str, Any] = {"predict": ["squared", "other"], "using": ["a", "b"], "ridge": 0}
    model = dr.learn(table, **asked, errors=kind, learner=learner, tolerance=1e-11)
    for output in ("squared", "other"):
        expected = sm.OLS(table[output].to_numpy(), inputs_of(table)).fit(cov_type=kind, use_t=True)
        assert errors_of(model, output) == pytest.approx(expected.bse, rel=1e-8)
        if learner is None:
            weights = model.weights.filter(pl.col("output") == output)
            assert weights["p"].to_list() == pytest.approx(expected.pvalues, rel=1e-6)
            low, high = expected.conf_int().T
            assert weights["low"].to_list() == pytest.approx(low, rel=1e-8)
            assert weights["high"].to_list() == pytest.approx(high, rel=1e-8)
    assert model.record.learnt[0].errors == kind
    assert f"standard errors are {kind}" in str(model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", FAMILIES)
def test_other_losses_have_the_sandwich_of_statsmodels(kind: str, loss: str) -> None:
    table = drawn(2)
    targets, inputs = table[loss].to_numpy(), inputs_of(table)
    fit = sm.GLM(targets, inputs, FAMILIES[loss]).fit(tol=1e-14, maxiter=100)
    # statsmodels has no leverage in its GLM's kinds 2 and 3: its own parts make them.
    hat = fit.get_hat_matrix_diag(observed=False)
    stretch = {"HC2": 1 / np.sqrt(1 - hat), "HC3": 1 / (1 - hat)}.get(kind, np.ones(len(hat)))
    bread = np.linalg.inv(fit.model.hessian(fit.params, observed=True))
    slopes = fit.model.score_obs(fit.params) * stretch[:, None]
    variance = bread @ slopes.T @ slopes @ bread * (120 / 117 if kind == "HC1" else 1)
    if kind == "HC0":
        again = sm.GLM(targets, inputs, FAMILIES[loss]).fit(tol=1e-14, maxiter=100, cov_type="HC0")
        assert np.sqrt(np.diag(variance)) == pytest.approx(again.bse, rel=1e-8)
    model = dr.learn(table, predict=loss, using=["a", "b"], loss=loss, errors=kind, tolerance=1e-12)
    assert errors_of(model) == pytest.approx(np.sqrt(np.diag(variance)), rel=1e-7)


def test_robust_is_the_kind_that_is_safest_with_few_rows() -> None:
    table = drawn(3)
    learnt = [
        dr.learn(table, predict="squared", ridge=0, errors=kind) for kind in ("robust", "HC3")
    ]
    assert errors_of(learnt[0]) == errors_of(learnt[1])
    assert learnt[0].record.learnt[0].errors == "HC3"
    classical = dr.learn(table, predict="squared", using=["a", "b"], ridge=0)
    robust = dr.learn(table, predict="squared", using=["a", "b"], ridge=0, errors="robust")
    # a's rows stray the more the larger it is: its weight is less sure than it seems.
    assert robust.weights["standard_error"][1] > 1.2 * classical.weights["standard_error"][1]
    assert robust.weights["weight"].equals(classical.weights["weight"])


@pytest.mark.parametrize("loss", ["squared", "poisson"])
@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 50))
def test_a_weight_of_k_is_k_copies(loss: str, kind: str, seed: int) -> None:
    table = drawn(seed, 60)
    copies = table[np.repeat(np.arange(60), table["times"].to_numpy())]
    asked: dict[str, Any] = {"predict": loss, "using": ["a", "b"], "loss": loss, "errors": kind}
    asked |= {"ridge": 0, "tolerance": 1e-12}
    weighed = errors_of(dr.learn(table, **asked, weight="times"))
    assert weighed == pytest.approx(errors_of(dr.learn(copies, **asked)), rel=1e-7)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_a_file_is_read_once_more(tmp_path: Path, loss: str) -> None:
    drawn(4).write_csv(tmp_path / "t.csv")
    asked: dict[str, Any] = {"predict": loss, "using": ["a", "b"], "loss": loss, "ridge": 0}
    plain = dr.learn(tmp_path / "t.csv", **asked)
    robust = dr.learn(tmp_path / "t.csv", **asked, errors="HC1")
    # Rows of other losses are in memory already.
    more = 1 if loss == "squared" else 0
    assert robust.record.learnt[0].reads == plain.record.learnt[0].reads + more


def test_without_intercept_and_with_frozen_weights() -> None:
    table = drawn(5)
    targets = table["squared"].to_numpy()
    plain = dr.learn(
        table, predict="squared", using=["a", "b"], intercept=False, ridge=0, errors="HC2"
    )
    expected = sm.OLS(targets, table.select("a", "b").to_numpy()).fit(cov_type="HC2")
    assert errors_of(plain) == pytest.approx(expected.bse, rel=1e-8)
    frozen = dr.learn(
        table, predict="squared", using=["a", "b"], freeze={"b": 0.5}, ridge=0, errors="HC2"
    )
    left = targets - 0.5 * table["b"].to_numpy()
    expected = sm.OLS(left, sm.add_constant(table["a"].to_numpy())).fit(cov_type="HC2")
    intercept, a, b = errors_of(frozen)
    assert [intercept, a] == pytest.approx(expected.bse, rel=1e-7)
    assert b is None


def test_dependent_inputs_have_none_and_the_others_theirs() -> None:
    table = drawn(6).with_columns(c=2 * pl.col("a"))
    model = dr.learn(table, predict="squared", using=["a", "b", "c"], ridge=0, errors="HC3")
    expected = sm.OLS(table["squared"].to_numpy(), inputs_of(table)).fit(cov_type="HC3")
    _, a, b, c = errors_of(model)
    assert (a, c) == (None, None)
    assert b == pytest.approx(expected.bse[2], rel=1e-6)


def test_a_row_that_is_met_whatever_its_target_says_nothing() -> None:
    table = drawn(7, 40).with_columns(alone=(pl.row_index() == 5).cast(pl.Int8))
    model = dr.learn(table, predict="squared", using=["a", "b", "alone"], ridge=0, errors="HC3")
    rest = table.filter(pl.col("alone") == 0)
    expected = sm.OLS(rest["squared"].to_numpy(), inputs_of(rest)).fit(cov_type="HC3")
    assert errors_of(model)[:3] == pytest.approx(expected.bse, rel=1e-6)


def test_beside_a_penalty_there_are_none() -> None:
    table = drawn(8)
    for settings in ({"ridge": 1.0}, {"lasso": 0.1}):
        model = dr.learn(table, predict="squared", using=["a", "b"], errors="HC1", **settings)
        assert set(errors_of(model)) == {None}
        assert "standard errors are" not in str(model)


def test_nonsense_is_refused(run: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="choose classical, robust, HC0"):
        dr.learn(drawn(1), predict="squared", errors="hc9")
    drawn(9).write_csv(tmp_path / "t.csv")
    asked = ("learn", tmp_path / "t.csv", "--predict", "squared", "--using", "a")
    assert run(*asked, "--errors", "white").code == 2
    assert "standard errors are HC3" in run(*asked, "--errors", "robust").out
