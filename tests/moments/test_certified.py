"""Certified and published answers, through the public path and from moments alone."""

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.moments.inference import input_variance, intercept_variance
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.solvers.least_squares import solve

DATA = Path(__file__).resolve().parents[1] / "data"
NIST = ["Norris", "Pontius", "NoInt1", "NoInt2", "Longley"]


def digits(found: float, known: float) -> float:
    """How many digits are right: NIST's log relative error, at most the 15 that are certified."""
    return 15.0 if found == known else min(15.0, -math.log10(abs(found - known) / abs(known)))


def nist(name: str) -> tuple[dict[str, Any], pl.DataFrame, list[str]]:
    """What is certified, the table, and its inputs in the order of the parameters."""
    told = json.loads((DATA / "nist_strd" / f"{name}.json").read_text())
    frame = pl.read_csv(DATA / "nist_strd" / f"{name}.csv", infer_schema_length=None)
    frame = frame.with_columns(pl.all().cast(pl.Float64))
    inputs = told["x_columns"]
    if told["degree"] == 2:
        frame = frame.with_columns((pl.col("x") ** 2).alias("x2"))
        inputs = ["x", "x2"]
    return told, frame, inputs


def certified(told: dict[str, Any]) -> tuple[list[float], list[float]]:
    known = told["certified"]
    return known["coefficients"], known["standard_deviations"]


@pytest.mark.parametrize("name", NIST)
@pytest.mark.parametrize("kind", ["frame", "dict", "file"])
def test_learn_gives_the_certified_digits(name: str, kind: str, tmp_path: Path) -> None:
    told, frame, inputs = nist(name)
    table: Any = frame
    if kind == "dict":
        table = frame.to_dict(as_series=False)
    elif kind == "file":
        table = tmp_path / "table.parquet"
        frame.write_parquet(table)
    model = dr.learn(table, predict="y", using=inputs, intercept=told["intercept"], ridge=0)
    coefficients, deviations = certified(told)
    # learn gives the intercept first, as NIST does.
    for found, known in zip(model.weights["weight"], coefficients, strict=True):
        assert digits(found, known) >= 11
    for found, known in zip(model.weights["standard_error"], deviations, strict=True):
        assert digits(found, known) >= 9
    fit = model.record.fit[0]
    assert fit.r2 is not None
    assert fit.residual_sd is not None
    assert digits(fit.r2, told["certified"]["r_squared"]) >= 9
    assert digits(fit.residual_sd, told["certified"]["residual_standard_deviation"]) >= 9


# What one read alone gives. Measured: 14.3, 13.5, 14.7, 15, 11.4. Longley's inputs are conditioned
# by 110 once centred and scaled, whose square costs 4 of 16 digits. The floors leave some to other
# machines' BLAS.
ONE_READ = {"Norris": 12, "Pontius": 12, "NoInt1": 14, "NoInt2": 14, "Longley": 10}


@pytest.mark.parametrize("name", NIST)
def test_moments_of_one_read_give_certified_digits(name: str) -> None:
    told, frame, inputs = nist(name)
    table = frame.select(*inputs, "y").to_numpy()
    p, n = len(inputs), len(table)
    problem = LeastSquares.of(Moments.of(table), range(p), [p], intercept=told["intercept"])
    found = solve(problem)
    weights = found.weights["weight"][:, 0]
    s2 = problem.squared_error(found.weights)[0] / (n - p - told["intercept"])
    variance = input_variance(found.inverse, found.null) * s2 / found.unit**2
    if told["intercept"]:
        weights = np.append(found.weights["intercept"], weights)
        of_intercept = (
            intercept_variance(found.inverse, problem.mean * problem.scale / found.unit, n) * s2
        )
        variance = np.append(of_intercept, variance)
    coefficients, deviations = certified(told)
    worst = min(map(digits, weights, coefficients))
    assert worst >= ONE_READ[name]
    # A residual of 1e-7 of the targets' squares is left of them: 9 digits, or what the inputs cost.
    assert min(map(digits, np.sqrt(variance), deviations)) >= min(7, ONE_READ[name])


@pytest.mark.parametrize("name", ["Norris", "Pontius", "Longley"])
def test_dropping_the_intercept_or_an_input_is_told_in_the_condition(name: str) -> None:
    told, frame, inputs = nist(name)
    model = dr.learn(frame, predict="y", using=inputs, intercept=told["intercept"], ridge=0)
    design = np.column_stack([np.ones(len(frame)), frame.select(inputs).to_numpy()])
    # Up to 1e13 by 1e-16: numpy itself knows Pontius' smallest singular value to two digits.
    known = np.linalg.cond(design)
    assert model.record.learnt[0].condition == pytest.approx(
        known, rel=max(1e-6, known * 1e-15 * 10)
    )


def wampler(degree: int = 5) -> tuple[dict[str, list[float]], list[str]]:
    """y = 1 + x + ... + x ** 5 for x = 0 .. 20: whole numbers, so every value is exact."""
    xs = range(21)
    table = {f"x{power}": [float(x**power) for x in xs] for power in range(1, degree + 1)}
    inputs = list(table)
    table["y"] = [float(sum(x**power for power in range(degree + 1))) for x in xs]
    return table, inputs


def test_a_polynomial_that_one_read_cannot_do_comes_out_by_the_second() -> None:
    # Built like NIST's Wampler1, whose every coefficient is 1 and whose deviations are 0.
    table, inputs = wampler()
    both = np.column_stack([table[name] for name in [*inputs, "y"]])
    one_read = solve(LeastSquares.of(Moments.of(both), range(5), [5]))
    assert not one_read.sure
    model = dr.learn(table, predict="y", using=inputs, ridge=0)
    assert (model.record.learnt[0].reads, model.record.learnt[0].passes) == (1, 1)
    by_input = dict(zip(model.weights["input"], model.weights["weight"], strict=True))
    # Measured: 11.3 digits of the intercept, 10.8 or more of each weight; one read gives 6.6. The
    # floor leaves a digit or two to other machines' BLAS.
    found = {name: digits(value, 1.0) for name, value in by_input.items()}
    assert min(found.values()) >= 9, found
    assert min(digits(w, 1.0) for w in one_read.weights["weight"][:, 0]) < min(found.values())
    fit = model.record.fit[0]
    assert fit.r2 == pytest.approx(1.0, abs=1e-15)
    assert fit.residual_sd is not None
    # Rounding of targets of 3e6 is 5e-10.
    assert fit.residual_sd < 1e-7


def test_a_polynomial_with_noise_keeps_its_digits_too() -> None:
    # NIST's Wampler4: the same polynomial with errors that leave every coefficient at 1.
    table, inputs = wampler()
    noise = [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048]
    noise += [-2048, 1838, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 759]
    table["y"] = [y + e for y, e in zip(table["y"], noise, strict=True)]
    model = dr.learn(table, predict="y", using=inputs, ridge=0)
    q = 6
    design = [[Fraction(x) ** power for power in range(q)] for x in range(21)]
    gram = [[sum(r[i] * r[j] for r in design) for j in range(q)] for i in range(q)]
    right = [
        sum(r[i] * Fraction(y) for r, y in zip(design, table["y"], strict=True)) for i in range(q)
    ]
    known = solved(gram, right)
    assert known == [1] * q
    for found, one in zip(model.weights["weight"], known, strict=True):
        # Measured: 10.3 or more.
        assert digits(found, float(one)) >= 9
    # Wampler4's certified residual standard deviation.
    residual_sd = model.record.fit[0].residual_sd
    assert residual_sd is not None
    assert digits(residual_sd, 2360.14502379268) >= 11


def solved(matrix: list[list[Any]], right: list[Any]) -> list[Any]:
    """Gauss and Jordan, in whatever arithmetic the numbers have."""
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for at in range(len(rows)):
        pivot = rows[at]
        pivot[:] = [value / pivot[at] for value in pivot]
        for other in rows:
            if other is not pivot:
                by = other[at]
                other[:] = [a - by * b for a, b in zip(other, pivot, strict=True)]
    return [row[-1] for row in rows]


# Published answers.


def diabetes() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((DATA / "diabetes" / "diabetes.json").read_text())
    return told


@pytest.mark.parametrize(
    ("file", "key"),
    [("diabetes_scaled.csv", "least_squares_scaled"), ("diabetes.csv", "least_squares_raw")],
)
def test_diabetes_to_every_recomputed_digit(file: str, key: str) -> None:
    model = dr.learn(DATA / "diabetes" / file, predict="progression", ridge=0)
    told = diabetes()
    known = told["recomputed"][key]
    assert model.weights["input"].to_list() == ["(intercept)", *told["inputs"]]
    np.testing.assert_allclose(
        model.weights["weight"], [known["intercept"], *known["coef"]], rtol=1e-9
    )
    np.testing.assert_allclose(model.weights["standard_error"], known["standard_errors"], rtol=1e-9)
    assert model.record.fit[0].r2 == pytest.approx(known["r_squared"], rel=1e-12)
    # Raw or scaled, the rest is the same.
    assert model.record.fit[0].residual_sd == pytest.approx(54.15423932805569, rel=1e-12)


def test_diabetes_as_printed() -> None:
    # The present copy, as the README of the data prints it.
    printed = (
        "152.133 -10.010 -239.816 519.846 324.385 -792.176 476.739 101.043 177.063 751.274 67.627"
    )
    model = dr.learn(DATA / "diabetes" / "diabetes_scaled.csv", predict="progression", ridge=0)
    assert [f"{weight:.3f}" for weight in model.weights["weight"]] == printed.split()
    # Efron et al. 2004 had the inputs rounded differently, by some 1e-5 of them.
    published = diabetes()["published"]["least_squares_scaled"]
    known = [published["intercept"], *published["coef"].values()]
    np.testing.assert_allclose(model.weights["weight"], known, rtol=5e-4)
    assert model.record.fit[0].r2 == pytest.approx(published["r_squared"], abs=5e-6)


def glm(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((DATA / "glm" / f"{name}.json").read_text())
    return told


def printed_alike(found: float, printed: float, places: int) -> bool:
    return f"{found:.{places}f}" == f"{printed:.{places}f}"


def test_spector_to_every_printed_digit() -> None:
    told = glm("spector")
    model = dr.learn(DATA / "glm" / "spector.csv", predict="grade", loss="logistic")
    assert model.weights["input"].to_list() == ["(intercept)", "gpa", "tuce", "psi"]
    # Stata as the README prints it: some seven digits of the coefficients, five of the errors.
    printed = [(-13.02135, 5), (2.826113, 6), (0.09515767, 7), (2.378688, 6)]
    for found, (known, places) in zip(model.weights["weight"], printed, strict=True):
        assert printed_alike(found, known, places)
    printed = [(4.9313, 4), (1.2629, 4), (0.14155, 5), (1.0646, 4)]
    for found, (known, places) in zip(model.weights["standard_error"], printed, strict=True):
        assert printed_alike(found, known, places)
    check_recomputed(model, told)
    fit = model.record.fit[0]
    assert fit.log_likelihood is not None
    assert fit.log_likelihood == pytest.approx(told["published"]["log_likelihood"], abs=1e-6)
    assert fit.null_deviance == pytest.approx(
        -2 * told["published"]["log_likelihood_null"], abs=2e-6
    )
    # With yes and no the deviance is -2 log likelihood, so R2 here is McFadden's.
    assert fit.r2 == pytest.approx(told["published"]["pseudo_r_squared_mcfadden"], abs=1e-7)


def test_warpbreaks_to_every_printed_digit() -> None:
    told = glm("warpbreaks")
    model = dr.learn(
        DATA / "glm" / "warpbreaks.csv",
        predict="breaks",
        using=["wool", "tension"],
        loss="poisson",
        reference={"wool": "A", "tension": "L"},
    )
    named = dict(zip(told["published"]["terms"], range(4), strict=True))
    terms = [
        "(Intercept)" if row["input"] == "(intercept)" else f"{row['input']}={row['level']}"
        for row in model.weights.iter_rows(named=True)
    ]
    assert set(terms) == set(named)
    order = np.argsort([named[term] for term in terms])
    known = told["published"]
    for at, coefficient, error in zip(
        order, known["coefficients"], known["standard_errors"], strict=True
    ):
        assert printed_alike(model.weights["weight"][int(at)], coefficient, 5)
        assert printed_alike(model.weights["standard_error"][int(at)], error, 5)
    check_recomputed(model, told, order)
    fit = model.record.fit[0]
    assert fit.null_deviance is not None
    assert printed_alike(fit.null_deviance, known["null_deviance"], 2)
    assert fit.deviance is not None
    assert printed_alike(fit.deviance, known["deviance"], 2)
    assert fit.aic is not None
    assert printed_alike(fit.aic, known["aic"], 2)


def check_recomputed(model: dr.Model, told: dict[str, Any], order: Any = slice(None)) -> None:
    """What statsmodels gives at full precision."""
    known = told["recomputed"]
    # Newton here stops at 1e-8 of the first weight_delta, and its last step squares what was left.
    weights = model.weights["weight"].to_numpy()[order]
    np.testing.assert_allclose(weights, known["coefficients"], rtol=1e-8)
    errors = model.weights["standard_error"].to_numpy()[order]
    # Errors come from the curvature at the last weights.
    np.testing.assert_allclose(errors, known["standard_errors"], rtol=1e-7)
    fit = model.record.fit[0]
    # At the optimum figures move with the square of what the weights are off.
    for figure in ("log_likelihood", "deviance", "null_deviance", "aic"):
        assert getattr(fit, figure) == pytest.approx(known[figure], rel=1e-12)


def test_movies_facts() -> None:
    facts = json.loads((DATA / "movies" / "movies_facts.json").read_text())
    path = Path(dr.__file__).parent / "data" / "movies.csv"
    for intercept, key in ((False, "no_intercept"), (True, "with_intercept")):
        known = facts["all rows with budget and gross"][key]
        model = dr.learn(
            path, predict="gross", using="budget", intercept=intercept, ridge=0, missing="drop"
        )
        assert model.record.rows == 3193
        weights = [known["intercept"], known["weight"]] if intercept else [known["weight"]]
        errors = known["standard_errors"] if intercept else [known["standard_error"]]
        np.testing.assert_allclose(model.weights["weight"], weights, rtol=1e-11)
        np.testing.assert_allclose(model.weights["standard_error"], errors, rtol=1e-11)
        r2 = known["r_squared" if intercept else "r_squared_uncentred"]
        assert model.record.fit[0].r2 == pytest.approx(r2, rel=1e-12)
        assert model.record.fit[0].rmse == pytest.approx(known["rmse"], rel=1e-12)
