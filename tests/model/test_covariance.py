"""The variance-covariance matrix of the weights: against statsmodels, and through the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import deltarule as dr
from deltarule.errors import NotAModelError
from deltarule.rule.predict import Array

NAMES = ["(intercept)", "a", "b"]
FAMILIES = {
    "logistic": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
}
KINDS: dict[str, dict[str, Any]] = {
    "classical": {},
    "HC0": {"cov_type": "HC0"},
    "CR1": {"cov_type": "cluster"},
}


def drawn(n: int = 200) -> pl.DataFrame:
    """Rows of 40 users with targets for every loss; b is far from zero."""
    rng = np.random.default_rng(3)
    user = rng.integers(0, 40, n)
    a, b = rng.gamma(2.0, 1.0, n), rng.normal(1000, 3, n)
    score = 0.3 * a - 0.1 * (b - 1000) + 0.5 * rng.normal(size=40)[user]
    return pl.DataFrame(
        {
            "a": a,
            "b": b,
            "user": user,
            "squared": 5 + score + a * rng.normal(size=n),
            "other": 3 - score + rng.normal(size=n),
            "logistic": (rng.random(n) < 1 / (1 + np.exp(1 - score))).astype(float),
            "poisson": rng.poisson(np.exp(score / 2)).astype(float),
            "gamma": rng.gamma(1.5, np.exp(score)),
            "class": np.array(["x", "y", "z"])[rng.integers(0, 3, n)],
        }
    )


def learnt(table: pl.DataFrame, predict: Any, loss: Any, errors: str, **more: Any) -> dr.Model:
    cluster = {"cluster": "user"} if errors == "CR1" else {}
    usual = {"using": ["a", "b"], "ridge": 0, "tolerance": 1e-12}
    return dr.learn(
        table, predict=predict, loss=loss, errors=errors, **{**usual, **cluster, **more}
    )


def matrix(frame: Any) -> Array:
    assert frame["weight"].to_list() == frame.columns[1:]
    found: Array = frame.drop("weight").to_numpy()
    return found


def known_of(table: pl.DataFrame, target: str, errors: str) -> Array:
    inputs = sm.add_constant(table.select("a", "b").to_numpy())
    targets = table[target].to_numpy()
    model = sm.GLM(targets, inputs, FAMILIES[target]) if target in FAMILIES else None
    options = dict(KINDS[errors])
    if errors == "CR1":
        options["cov_kwds"] = {"groups": table["user"].to_numpy()}
    if model is None:
        return np.asarray(sm.OLS(targets, inputs).fit(**options).cov_params())
    return np.asarray(model.fit(tol=1e-14, maxiter=100, **options).cov_params())


@pytest.mark.parametrize("errors", KINDS)
@pytest.mark.parametrize("target", ["squared", *FAMILIES])
def test_it_is_that_of_statsmodels_and_survives_the_file(
    target: str, errors: str, tmp_path: Path
) -> None:
    table = drawn()
    model = learnt(table, target, target, errors)
    expected = known_of(table, target, errors)
    frame = model.covariance
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == ["weight", *NAMES]
    # Correlations, so that small entries count as much as large ones.
    unit = np.sqrt(np.diag(expected))
    found = matrix(frame) / np.outer(unit, unit)
    assert found == pytest.approx(expected / np.outer(unit, unit), abs=1e-6)
    errors_told = model.weights["standard_error"].to_numpy()
    assert np.sqrt(np.diag(matrix(frame))) == pytest.approx(errors_told, rel=1e-9)
    model.save(tmp_path / "m.json", moments=False)
    again = dr.load(tmp_path / "m.json").covariance
    assert isinstance(again, pl.DataFrame)
    assert again.equals(frame)


def test_of_several_targets_each_has_its_own() -> None:
    table = drawn()
    model = learnt(table, ["squared", "other", "poisson"], ["squared", "squared", "poisson"], "HC0")
    found = model.covariance
    assert isinstance(found, Mapping)
    assert list(found) == ["squared", "other", "poisson"]
    for target in ("squared", "other"):
        assert matrix(found[target]) == pytest.approx(known_of(table, target, "HC0"), rel=1e-6)
    classes = learnt(table, "class", "softmax", "classical").covariance
    assert isinstance(classes, Mapping)
    assert list(classes) == ["class=x", "class=y", "class=z"]


def test_without_intercept_it_is_of_the_inputs_alone() -> None:
    table = drawn()
    frame = learnt(table, "squared", "squared", "classical", intercept=False).covariance
    assert isinstance(frame, pl.DataFrame)
    known = sm.OLS(table["squared"].to_numpy(), table.select("a", "b").to_numpy()).fit()
    assert frame.columns == ["weight", "a", "b"]
    assert matrix(frame) == pytest.approx(known.cov_params(), rel=1e-8)


def test_it_is_null_where_no_standard_error_is_known() -> None:
    table = drawn()
    frozen = learnt(table, "squared", "squared", "classical", start={"a": 0.5}, freeze=["a"])
    assert isinstance(frozen.covariance, pl.DataFrame)
    b = sm.OLS(
        (table["squared"] - 0.5 * table["a"]).to_numpy(), sm.add_constant(table["b"].to_numpy())
    ).fit()
    told = frozen.covariance.filter(pl.col("weight") != "a").select("(intercept)", "b")
    assert told.to_numpy() == pytest.approx(b.cov_params(), rel=1e-6)
    assert frozen.covariance["a"].null_count() == 3
    assert learnt(table, "squared", "squared", "classical", ridge=1.0).covariance is None
    assert learnt(table, "squared", "absolute", "classical").covariance is None


def test_of_more_than_200_weights_none_is_kept() -> None:
    rng = np.random.default_rng(5)
    wide = pl.DataFrame({f"x{at}": rng.normal(size=450) for at in range(200)})
    wide = wide.with_columns(y=rng.normal(size=450))
    assert dr.learn(wide, predict="y", ridge=0).covariance is None
    kept = dr.learn(wide.drop("x0"), predict="y", ridge=0).covariance
    assert isinstance(kept, pl.DataFrame)
    assert kept.shape == (200, 201)


@pytest.mark.parametrize(
    "value", [["AAAA"], ["€"], [3], [None, None], ["AAAAAAAA8H8=" * 6]], ids=repr
)
def test_what_is_no_covariance_is_refused(value: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    learnt(drawn(), "squared", "squared", "classical").save(path)
    content = json.loads(path.read_text())
    content["covariances"] = value
    path.write_text(json.dumps(content))
    with pytest.raises(NotAModelError):
        dr.load(path)
    del content["covariances"]
    path.write_text(json.dumps(content))
    assert dr.load(path).covariance is None


def test_names_that_clash_are_told_apart() -> None:
    table = drawn().select(
        "squared", weight="a", **{"(intercept)": "b"}, k=pl.col("class"), **{"k=z": pl.col("other")}
    )
    model = dr.learn(table, predict="squared", ridge=0, reference={"k": "x"})
    assert isinstance(model.covariance, pl.DataFrame)
    label, *names = model.covariance.columns
    assert (label, names[0]) == ("weight", "(intercept)")
    assert {"weight (2)", "(intercept) (2)", "k=z", "k=z (2)"} <= set(names)
    assert list(model.coef) == [name.replace("weight (2)", "weight") for name in names]
    assert list(model.coef.values()) == model.weights["weight"].to_list()
