"""Every loss through learn(), against statsmodels, scikit-learn, glum and a linear programme."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
import statsmodels.api as sm
from glum import GeneralizedLinearRegressor, TweedieDistribution
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.linear_model import GammaRegressor, QuantileRegressor

import deltarule as dr
from deltarule.engines.in_memory import Rows
from deltarule.errors import DeltaruleError, LearningError, NotAModelError, TargetError
from deltarule.losses.registry import LOSSES, loss_named
from deltarule.moments.stacked import stack
from deltarule.rule.predict import Array, Linear
from deltarule.rule.train import train
from deltarule.solvers.newton import Newton
from deltarule.tables.one_read import Keep

SEED, N = 20, 400
NAMES = ["a", "b", "c"]
EVERY = ["logistic", "poisson", "gamma", "tweedie(1.5)", "huber", "absolute", "quantile(0.9)"]


def drawn(loss: str, *, seed: int = SEED, n: int = N) -> tuple[Array, Array]:
    """Inputs of different size, and targets that suit the loss."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 3)) * [1, 10, 0.1] + [5, 0, 2]
    score = inputs @ [0.3, -0.05, 2.0] - 5
    mean = np.exp(score)
    targets = {
        "logistic": (rng.uniform(size=n) < 1 / (1 + np.exp(-score))).astype(float),
        "poisson": rng.poisson(mean).astype(float),
        "gamma": rng.gamma(2, mean / 2),
        "tweedie": np.where(rng.uniform(size=n) < 0.3, 0, rng.gamma(2, mean / 2)),
    }
    heavy = score + rng.standard_t(2, n)
    return inputs, targets.get(loss.split("(")[0], heavy)


def table_of(inputs: Array, targets: Array) -> pl.DataFrame:
    return pl.DataFrame({**dict(zip(NAMES, inputs.T, strict=True)), "y": targets})


def learnt(inputs: Array, targets: Array, loss: str, **settings: Any) -> dr.Model:
    return dr.learn(
        table_of(inputs, targets),
        **{"predict": "y", "loss": loss, "ridge": 0, "tolerance": 1e-12, **settings},
    )


def weights_of(model: dr.Model) -> list[float]:
    return [one.weight for one in (*model.record.intercept, *model.record.weights)]


def errors_of(model: dr.Model) -> list[float]:
    found = [one.standard_error for one in (*model.record.intercept, *model.record.weights)]
    assert None not in found
    return found  # type: ignore[return-value]


def told(fit: Any) -> dict[str, float]:
    """The figures that are known."""
    return {name: value for name, value in fit.model_dump().items() if value is not None}


def close(value: Any) -> Any:
    return pytest.approx(value, rel=1e-8, abs=0)


FAMILIES = {
    "logistic": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
    "tweedie(1.1)": sm.families.Tweedie(sm.families.links.Log(), var_power=1.1),
    "tweedie(1.5)": sm.families.Tweedie(sm.families.links.Log(), var_power=1.5),
    "tweedie(1.9)": sm.families.Tweedie(sm.families.links.Log(), var_power=1.9),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", FAMILIES)
def test_generalised_linear_models_are_those_of_statsmodels(loss: str, weighted: bool) -> None:
    inputs, targets = drawn(loss)
    each = np.random.default_rng(1).integers(1, 4, N) if weighted else np.ones(N)
    table = table_of(inputs, targets).with_columns(each=each)
    model = dr.learn(
        table,
        predict="y",
        using=NAMES,
        loss=loss,
        ridge=0,
        tolerance=1e-12,
        weight="each" if weighted else None,
    )
    known = sm.GLM(targets, sm.add_constant(inputs), family=FAMILIES[loss], freq_weights=each).fit(
        tol=1e-14, maxiter=300
    )
    fit = model.record.fit[0]
    assert weights_of(model) == close(known.params.tolist())
    assert errors_of(model) == close(known.bse.tolist())
    assert fit.deviance == close(known.deviance)
    assert fit.null_deviance == close(known.null_deviance)
    if loss.startswith("tweedie"):
        assert (fit.log_likelihood, fit.aic) == (None, None)
    else:
        assert fit.log_likelihood == close(known.llf)
        assert fit.aic == close(known.aic)
    assert fit.dispersion == (close(known.scale) if loss not in ("logistic", "poisson") else None)


def test_gamma_and_tweedie_agree_with_second_opinions() -> None:
    inputs, targets = drawn("gamma")
    spread = inputs.std(axis=0)
    standard = (inputs - inputs.mean(axis=0)) / spread
    peer = GammaRegressor(alpha=0, solver="newton-cholesky", tol=1e-12).fit(standard, targets)
    found = np.array(weights_of(learnt(inputs, targets, "gamma")))[1:]
    # The peer stops at a gradient of 1e-12.
    np.testing.assert_allclose(found * spread, peer.coef_, rtol=1e-8)
    inputs, targets = drawn("tweedie")
    glum = GeneralizedLinearRegressor(
        family="tweedie (1.5)", link="log", alpha=0, gradient_tol=1e-12
    )
    glum.fit(standard, targets)
    found = np.array(weights_of(learnt(inputs, targets, "tweedie(1.5)")))[1:]
    np.testing.assert_allclose(found * spread, glum.coef_, rtol=1e-8)


@pytest.mark.parametrize("threshold", [0.5, 1.345, 3.0])
def test_huber_is_the_robust_regression_of_statsmodels(threshold: float) -> None:
    inputs, targets = drawn("huber")
    model = learnt(inputs, targets, f"huber({threshold})")
    known = sm.RLM(targets, sm.add_constant(inputs), M=sm.robust.norms.HuberT(threshold)).fit(
        tol=1e-13, maxiter=2000
    )
    assert model.record.fit[0].spread == close(known.scale)
    assert weights_of(model) == close(known.params.tolist())
    assert errors_of(model) == close(known.bse.tolist())


def test_an_outlier_hardly_moves_huber_and_not_at_all_absolute() -> None:
    inputs, targets = drawn("huber")
    far = targets.copy()
    far[np.argmax(targets)] = 1e9
    for loss, most in (("huber", 0.05), ("absolute", 1e-6)):
        one, other = (np.array(weights_of(learnt(inputs, t, loss))) for t in (targets, far))
        assert np.abs(one - other).max() < most
    assert np.abs(weights_of(learnt(inputs, far, "squared"))).max() > 1e5


def least_of(share: float, inputs: Array, targets: Array) -> float:
    """The least summed loss there is, by linear programming."""
    n = len(targets)
    design = np.column_stack([np.ones(n), inputs])
    q = design.shape[1]
    cost = np.concatenate([np.zeros(2 * q), np.full(n, share), np.full(n, 1 - share)])
    equal = np.hstack([design, -design, np.eye(n), -np.eye(n)])
    return float(linprog(cost, A_eq=equal, b_eq=targets, bounds=(0, None), method="highs").fun)


def loss_of(share: float, model: dr.Model, inputs: Array, targets: Array) -> float:
    off = targets - model.predict(table_of(inputs, targets))["y_prediction"].to_numpy()
    return float(np.sum(np.maximum(share * off, (share - 1) * off)))


@pytest.mark.parametrize("shape", ["heavy", "whole numbers", "two values", "skewed"])
@pytest.mark.parametrize("share", [0.03, 0.5, 0.9])
@pytest.mark.parametrize("n", [12, 400])
def test_quantiles_reach_the_least_loss_of_a_linear_programme(
    shape: str, share: float, n: int
) -> None:
    inputs, heavy = drawn("quantile", n=n)
    targets = {
        "heavy": heavy,
        "whole numbers": np.round(heavy),
        "two values": (heavy > 0).astype(float),
        "skewed": np.exp(heavy / 2),
    }[shape]
    model = learnt(inputs, targets, f"quantile({share})", tolerance=1e-8)
    assert model.record.learnt[0].stopped.startswith("settled")
    assert model.record.learnt[0].steps < 200
    least = least_of(share, inputs, targets)
    # 1e-8 of the loss; where every row can be met there is none, and rounding is all.
    assert loss_of(share, model, inputs, targets) <= least * (1 + 1e-8) + 1e-9


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(8, 150),
    share=st.sampled_from([0.01, 0.25, 0.95, 0.99]),
    noise=st.sampled_from(["normal", "standard_cauchy", "standard_exponential"]),
    whole=st.booleans(),
)
def test_quantiles_of_any_share_arrive_and_say_so(
    seed: int, n: int, share: float, noise: str, whole: bool
) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 3)) * [1, 100, 0.01]
    targets = inputs @ [1.0, 0.02, -300.0] + getattr(rng, noise)(size=n)
    if whole:
        # Ties, and an input that is 0 but for some rows: its best weight may be any in between.
        targets, inputs[:, 1] = np.round(targets), np.round(inputs[:, 1] / 200)
        inputs[:2, 1] = [0, 1]
    model = learnt(inputs, targets, f"quantile({share})", tolerance=1e-8, folds=2)
    assert model.record.learnt[0].stopped.startswith("settled")
    least = least_of(share, inputs / [1, 100, 0.01], targets)
    assert loss_of(share, model, inputs, targets) <= least * (1 + 1e-8) + 1e-9


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("counted", [False, True])
@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, derandomize=True, max_examples=8)
def test_a_quantile_meets_its_rows_to_the_last_digits(
    share: float, counted: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 300))
    inputs = rng.normal(size=(n, 3)) * [1, 100, 0.01]
    targets = inputs @ [1.0, 0.02, -300.0] + rng.standard_cauchy(n) + 5
    times = rng.integers(0, 4, n) if counted else np.ones(n, dtype=int)
    table = table_of(inputs, targets).with_columns(w=pl.Series(times))
    loss = f"quantile({share})"
    model = dr.learn(table, predict="y", loss=loss, weight="w")
    assert model.record.learnt[0].stopped.startswith("settled")
    # HiGHS says which rows are met; what meets them is plain.
    known = QuantileRegressor(quantile=share, alpha=0, solver="highs-ds")
    known.fit(inputs, targets, sample_weight=times)
    off = targets - known.predict(inputs)
    met = np.argsort(np.where(times > 0, np.abs(off), np.inf))[:4]
    exact = np.linalg.solve(np.column_stack([np.ones(4), inputs[met]]), targets[met])
    assert weights_of(model) == pytest.approx(exact.tolist(), rel=1e-11)


def test_where_no_corner_is_best_none_is_taken() -> None:
    # Any score between the middle two is as good, and their middle is what is said.
    table = pl.DataFrame({"x": [0.0, 0, 1, 1] * 3, "y": [1.0, 2, 5, 9] * 3})
    model = dr.learn(table, predict="y", loss="absolute")
    assert weights_of(model) == pytest.approx([1.5, 5.5], rel=1e-3)


@pytest.mark.parametrize("lasso", [0.01, 0.1])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, derandomize=True, max_examples=6)
def test_a_quantile_with_a_lasso_is_that_of_a_linear_programme(
    share: float, lasso: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(201, 3))
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    targets = inputs @ [1.0, -3.0, 0.0] + rng.standard_cauchy(201) + 5
    model = learnt(inputs, targets, f"quantile({share})", lasso=lasso)
    assert model.record.learnt[0].stopped.startswith("settled")
    known = QuantileRegressor(quantile=share, alpha=lasso, solver="highs-ds").fit(inputs, targets)
    exact = [float(known.intercept_), *known.coef_.tolist()]
    assert weights_of(model) == pytest.approx(exact, rel=1e-8, abs=1e-10)


GLUMS = {
    "logistic": "binomial",
    "poisson": "poisson",
    "gamma": "gamma",
    "tweedie(1.5)": TweedieDistribution(1.5),
}


@pytest.mark.parametrize(("lasso", "ridge"), [(0.05, 0.0), (0.02, 0.03)])
@pytest.mark.parametrize("loss", GLUMS)
def test_an_elastic_net_is_that_of_glum(loss: str, lasso: float, ridge: float) -> None:
    inputs, targets = drawn(loss)
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    model = learnt(inputs, targets, loss, lasso=lasso, ridge=ridge, tolerance=1e-13)
    known = GeneralizedLinearRegressor(
        family=GLUMS[loss],
        link="logit" if loss == "logistic" else "log",
        alpha=lasso + ridge,
        l1_ratio=lasso / (lasso + ridge),
        gradient_tol=1e-13,
        max_iter=1000,
    ).fit(inputs, targets)
    exact = [float(known.intercept_), *known.coef_.tolist()]
    assert weights_of(model) == pytest.approx(exact, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("loss", ["absolute", "quantile(0.9)", "huber"])
def test_a_loss_in_rounds_keeps_to_ranges_and_frozen_weights(loss: str) -> None:
    inputs, targets = drawn("huber")
    plain = np.array(weights_of(learnt(inputs, targets, loss)))
    held = learnt(
        inputs, targets, loss, between={"a": (None, plain[1] - 0.1)}, freeze={"b": plain[2]}
    )
    intercept, a, b, c = weights_of(held)
    assert (a, b) == (plain[1] - 0.1, plain[2])

    def objective(intercept: float, c: float) -> float:
        off = targets - inputs @ [a, b, c] - intercept
        if loss == "huber":
            limit = 1.345 * (held.record.fit[0].spread or 0.0)
            inside = np.minimum(np.abs(off), limit)
            return float(np.mean(inside * (np.abs(off) - inside / 2)))
        share = loss_named(loss).share  # type: ignore[attr-defined]
        return float(np.mean(np.maximum(share * off, (share - 1) * off)))

    least = objective(intercept, c)
    for move in np.random.default_rng(0).normal(size=(100, 2)) * 1e-4:
        assert objective(intercept + move[0], c + move[1]) >= least * (1 - 1e-14)


@pytest.mark.parametrize("lasso", [0.05, 0.3])
def test_huber_with_a_lasso_has_no_better_weights(lasso: float) -> None:
    inputs, targets = drawn("huber")
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    model = learnt(inputs, targets, "huber", lasso=lasso, tolerance=1e-12)
    intercept, *own = weights_of(model)
    limit = 1.345 * (model.record.fit[0].spread or 0.0)
    delta = np.clip(inputs @ own + intercept - targets, -limit, limit)
    slope = delta @ inputs / len(targets)
    assert np.mean(delta) == pytest.approx(0, abs=1e-9)
    for weight, one in zip(own, slope, strict=True):
        if weight:
            assert one == pytest.approx(-lasso * np.sign(weight), abs=1e-9)
        else:
            assert abs(one) <= lasso + 1e-9


@pytest.mark.parametrize("loss", EVERY)
def test_inputs_that_others_tell_are_named_whatever_the_loss(loss: str) -> None:
    inputs, targets = drawn(loss, n=120)
    table = table_of(inputs, targets).with_columns(twice=2 * pl.col("a"))
    model = dr.learn(table, predict="y", loss=loss, ridge=0)
    assert "twice depends on a: other weights predict the same" in " ".join(model.record.notes)
    assert model.weights["standard_error"].is_null().all()
    plain = dr.learn(table.drop("twice"), predict="y", loss=loss, ridge=0)
    assert model.predict(table)["y_prediction"].to_list() == pytest.approx(
        plain.predict(table)["y_prediction"].to_list(), rel=1e-6
    )
    assert "depends" not in " ".join(plain.record.notes)


def test_quantiles_are_those_of_statsmodels() -> None:
    inputs, targets = drawn("quantile")
    model = learnt(inputs, targets, "quantile(0.9)")
    known = sm.QuantReg(targets, sm.add_constant(inputs)).fit(q=0.9, max_iter=5000, p_tol=1e-10)
    # The peer's own loss is 1e-9 above the least, so its weights are sure to some 1e-5.
    assert weights_of(model) == pytest.approx(known.params.tolist(), rel=1e-4, abs=1e-6)
    assert model.record.fit[0].r2 == pytest.approx(known.prsquared, rel=1e-6)
    below = targets <= inputs @ weights_of(model)[1:] + weights_of(model)[0] + 1e-7
    # As many rows as weights lie on the plane itself.
    assert abs(below.mean() - 0.9) <= 4 / N


def test_quantiles_with_a_ridge_reach_what_other_searches_reach() -> None:
    inputs, targets = drawn("absolute")
    ridge = 0.1
    model = learnt(inputs, targets, "absolute", ridge=ridge)
    spread = inputs.std(axis=0)
    intercept, *own = weights_of(model)

    def objective(intercept: float, own: Array) -> float:
        off = targets - inputs @ own - intercept
        return float(np.abs(off).mean() / 2 + ridge / 2 * np.sum((own * spread) ** 2))

    assert model.record.learnt[0].stopped.startswith("settled")
    least = objective(intercept, np.array(own))
    rng = np.random.default_rng(2)
    for size in (1e-6, 1e-4, 1e-2):
        for _ in range(50):
            way = rng.normal(size=4) * size
            moved = objective(
                intercept + way[0] - (inputs.mean(axis=0) / spread) @ way[1:],
                np.array(own) + way[1:] / spread,
            )
            assert moved >= least * (1 - 1e-14)


# Laws.


@pytest.mark.parametrize("loss", EVERY)
def test_an_integer_weight_counts_as_so_many_rows(loss: str) -> None:
    inputs, targets = drawn(loss, n=120)
    times = np.random.default_rng(3).integers(0, 4, 120)
    table = table_of(inputs, targets)
    asked: dict[str, Any] = {"predict": "y", "using": NAMES, "loss": loss, "tolerance": 1e-12}
    weighed = dr.learn(table.with_columns(times=times), weight="times", **asked)
    repeated = dr.learn(table[np.repeat(np.arange(120), times)], **asked)
    # Where a plane may turn about the rows it meets, weights are sure to the root of the loss.
    assert weights_of(weighed) == pytest.approx(weights_of(repeated), rel=1e-6)
    one, other = weighed.record.fit[0], repeated.record.fit[0]
    assert told(one) == pytest.approx(told(other), rel=1e-6)


@pytest.mark.parametrize("loss", EVERY)
def test_rows_that_are_read_again_and_again_say_the_same(
    loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, targets = drawn(loss, n=60)
    path = tmp_path / "t.parquet"
    table_of(inputs, targets).write_parquet(path)
    held = dr.learn(path, predict="y", loss=loss, tolerance=1e-12)
    monkeypatch.setattr("deltarule.fit.run.rows_kept", lambda *_: Keep(0))
    read = dr.learn(path, predict="y", loss=loss, tolerance=1e-12)
    assert held.record.learnt[0].reads == 1
    assert read.record.learnt[0].reads > read.record.learnt[0].steps
    assert weights_of(read) == pytest.approx(weights_of(held), rel=1e-9)
    one, other = read.record.fit[0], held.record.fit[0]
    assert told(one) == pytest.approx(told(other), rel=1e-9)


@pytest.mark.parametrize("loss", EVERY)
def test_a_saved_model_compares_and_predicts_as_before(loss: str, tmp_path: Path) -> None:
    inputs, targets = drawn(loss)
    model = learnt(inputs, targets, loss)
    model.save(tmp_path / "m.json")
    again = dr.load(tmp_path / "m.json")
    table = table_of(inputs, targets)
    assert again.loss == model.loss
    assert again.predict(table).equals(model.predict(table))
    assert again.compare(table) == model.compare(table)
    found = again.compare(table).outputs[0]
    assert found.rmse == close(model.record.fit[0].rmse)
    assert np.isfinite([found.loss, found.baseline_loss]).all()
    # Its loss is what was learnt for: none that guesses the mean has less.
    assert found.loss < found.baseline_loss


@pytest.mark.parametrize("loss", ["quantile(0.9)", "absolute", "gamma", "tweedie(1.5)"])
def test_two_outputs_at_once_are_two_single_ones(loss: str) -> None:
    inputs, targets = drawn(loss)
    table = table_of(inputs, targets).with_columns(z=1000 * targets[::-1] + (loss == "gamma"))
    both = dr.learn(table, predict=["y", "z"], using=NAMES, loss=loss, ridge=0, tolerance=1e-12)
    for at, target in enumerate(["y", "z"]):
        one = dr.learn(table, predict=target, using=NAMES, loss=loss, ridge=0, tolerance=1e-12)
        mine = [w.weight for w in both.record.weights if w.output == target]
        assert mine == pytest.approx([w.weight for w in one.record.weights], rel=1e-6)
        assert both.record.fit[at].rmse == pytest.approx(one.record.fit[0].rmse, rel=1e-6)


def test_huber_predicts_one_column_at_a_time() -> None:
    table = {"x": [1.0, 2, 3, 5], "y": [1.0, 2, 3, 9], "z": [0.0, 1, 0, 1]}
    with pytest.raises(LearningError, match="predict one column"):
        dr.learn(table, predict=["y", "z"], using="x", loss="huber")


@pytest.mark.parametrize("loss", ["gamma", "tweedie(1.5)", "huber", "absolute"])
@pytest.mark.parametrize("learner", ["descent", "momentum", "nesterov", "adam"])
def test_first_order_learners_come_near(loss: str, learner: str) -> None:
    inputs, targets = drawn(loss)
    newton = learnt(inputs, targets, loss)
    model = learnt(inputs, targets, loss, learner=learner, tolerance=1e-8)
    assert model.record.learnt[0].stopped.startswith("settled")

    def loss_of(model: dr.Model) -> float:
        scores = inputs @ weights_of(model)[1:] + weights_of(model)[0]
        return float(newton.loss.value(scores[:, None], targets[:, None]).mean())

    # A kink is rounded, a spread that of least squares: the loss itself is near its least.
    assert loss_of(newton) <= loss_of(model) + 1e-9
    assert loss_of(model) == pytest.approx(loss_of(newton), rel=1e-2)


@pytest.mark.parametrize("loss", [*EVERY, "huber(0.1)"])
@pytest.mark.parametrize("start", [3.0, -30.0, 100.0])
def test_from_a_bad_start_newton_arrives_where_it_does_from_a_good_one(
    loss: str, start: float
) -> None:
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(200, 3))
    score = inputs @ [0.5, -0.3, 0.2]
    targets = {
        "logistic": (rng.uniform(size=200) < 1 / (1 + np.exp(-score))).astype(float),
        "poisson": rng.poisson(np.exp(score)).astype(float),
    }.get(loss, score + rng.standard_t(2, 200))
    if loss.startswith(("gamma", "tweedie")):
        targets = rng.gamma(2, np.exp(score) / 2)
    good, bad = (learnt(inputs, targets, loss, start=at, tolerance=1e-8) for at in (0.0, start))
    assert bad.record.learnt[0].stopped.startswith("settled")
    assert weights_of(bad) == pytest.approx(weights_of(good), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@settings(deadline=None, derandomize=True, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_newton_arrives_from_wherever_it_starts_nearby(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(100, 3))
    score = inputs @ [0.5, -0.3, 0.2]
    targets = rng.gamma(2, np.exp(score) / 2)
    if name == "logistic":
        targets = (targets > 1).astype(float)
    rows = Rows(Linear(), LOSSES[name], inputs, targets[:, None])
    found = []
    for size in (0, 2):
        start = {"weight": size * rng.normal(size=(3, 1)), "intercept": size * rng.normal(size=1)}
        with np.errstate(all="ignore"):
            *_, step = train(start, rows, Newton(), steps=500, tolerance=1e-13)
        found.append(stack(step.weights))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6, atol=1e-8)


# Words.


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("gamma", "log of y ="),
        ("tweedie(1.5)", "log of y ="),
        ("huber", "\n  y ="),
        ("absolute", "the median of y ="),
        ("quantile(0.9)", "the 0.9 quantile of y ="),
    ],
)
def test_the_summary_says_what_is_predicted_and_how_well(loss: str, words: str) -> None:
    model = learnt(*drawn(loss), loss)
    told = str(model)
    assert words in told
    error = {"absolute": "mean absolute error", "quantile(0.9)": "mean quantile (pinball) loss"}
    assert error.get(loss, "typical error (RMSE)") in " ".join(told.split())
    assert ("deviance explained" in told) == (loss in ("gamma", "tweedie(1.5)"))
    assert ("loss explained" in told) == (loss in ("absolute", "quantile(0.9)"))
    assert "nan" not in json.dumps(model.to_dict()).lower()


def test_the_record_spells_the_loss_in_full() -> None:
    assert learnt(*drawn("huber"), "huber").record.loss == "huber(1.345)"
    assert learnt(*drawn("huber"), "quantile(0.5)").record.loss == "absolute"


def test_losses_through_the_command_line(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table_of(*drawn("gamma")).write_csv(path)
    told = run("learn", path, "--predict", "y", "--loss", "gamma")
    assert "log of y =" in told.out
    found = json.loads(run("learn", path, "--predict", "y", "--loss", "quantile(.9)", "--json").out)
    assert found["loss"] == "quantile(0.9)"
    refused = run("learn", path, "--predict", "y", "--loss", "quantile").refused()
    assert refused == "quantile loss needs its share: write quantile(0.9)"


# Nonsense.


@pytest.mark.parametrize(
    ("loss", "wrong", "words"),
    [
        ("gamma", 0.0, "numbers above 0"),
        ("gamma", -1.0, "numbers above 0"),
        ("tweedie(1.5)", -1.0, "numbers of 0 or more"),
        ("poisson", -1.0, "numbers of 0 or more"),
        ("logistic", 2.0, "numbers from 0 to 1"),
    ],
)
def test_a_target_the_loss_cannot_take_is_refused_by_its_row(
    loss: str, wrong: float, words: str
) -> None:
    inputs, targets = drawn(loss)
    targets[6] = wrong
    with pytest.raises(TargetError, match=rf"column 'y', row 7: {wrong:g} is no target") as refused:
        learnt(inputs, targets, loss)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


ODD: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "all equal": lambda x, t: (x, np.full(len(t), 0.5)),
    "all zero": lambda x, t: (x, np.zeros(len(t))),
    "all but one equal": lambda x, t: (x, np.where(np.arange(len(t)) == 3, 1.0, 0.5)),
    "met exactly": lambda x, t: (x, x[:, 0] / 100 + 0.1),
    "met exactly on the log scale": lambda x, t: (x, np.exp(x[:, 0] / 10 - 3)),
    "huge": lambda x, t: (x, np.abs(t) * 1e150 + 1e140),
    "tiny": lambda x, t: (x, np.abs(t) * 1e-150 + 1e-160),
    "of every size": lambda x, t: (x, 10.0 ** np.linspace(-200, 200, len(t))),
    "huge inputs": lambda x, t: (x * 1e150, t),
    "one row": lambda x, t: (x[:1], t[:1]),
    "as many rows as weights": lambda x, t: (x[:4], t[:4]),
    "dependent inputs": lambda x, t: (np.column_stack([x[:, 0], x[:, 0], 2 * x[:, 0]]), t),
    "one far row": lambda x, t: (np.where(np.arange(len(t))[:, None] == 5, 1e12, x), t),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("loss", EVERY)
def test_odd_tables_are_learnt_or_refused_in_one_line(loss: str, odd: str) -> None:
    inputs, targets = ODD[odd](*drawn(loss, n=60))
    said = ""
    try:
        model = learnt(inputs, targets, loss, steps=500, tolerance=1e-8)
    except DeltaruleError as refused:
        said = str(refused)
    assert "\n" not in said
    if said:
        return
    assert np.isfinite(weights_of(model)).all()
    # Of two classes, the prediction is a name and the numbers are how likely each is.
    predictions = model.predict(table_of(inputs, targets)).select(cs.numeric()).to_numpy()
    assert predictions.size
    assert np.isfinite(predictions).all()
    assert "nan" not in json.dumps(model.to_dict()).lower()


def test_a_spread_of_nothing_is_said() -> None:
    inputs, _ = drawn("huber")
    with pytest.raises(TargetError, match="no spread that outliers could be measured by"):
        learnt(inputs, inputs[:, 0] * 3 + 1, "huber")


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie(1.5)"])
def test_a_start_beyond_all_numbers_is_refused(loss: str) -> None:
    with pytest.raises(LearningError, match="not finite where learning starts"):
        learnt(*drawn(loss), loss, start=1e4)


@pytest.mark.parametrize("text", ["hinge", "quantile(2)", "huber(\u0000)", 5, None, "", ["gamma"]])
def test_a_file_that_names_no_loss_is_refused(tmp_path: Path, text: Any) -> None:
    path = tmp_path / "m.json"
    learnt(*drawn("gamma"), "gamma").save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["loss"] = text
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(NotAModelError, match="loss") as refused:
        dr.load(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("spread", [0, -1.0, "wide"])
def test_a_file_with_a_spread_that_is_none_is_refused(tmp_path: Path, spread: Any) -> None:
    path = tmp_path / "m.json"
    learnt(*drawn("huber"), "huber").save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["fit"][0]["spread"] = spread
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(NotAModelError, match="spread"):
        dr.load(path)


def test_loss_named_is_what_the_settings_take() -> None:
    for name in [*LOSSES, "absolute", "quantile(0.25)", "huber(2)"]:
        assert loss_named(name).accepts(np.array([[0.5]])).all()
        dr.learn({"x": [1.0, 2, 3, 4, 7], "y": [0.1, 0.9, 0.3, 0.2, 0.8]}, predict="y", loss=name)


@pytest.mark.parametrize("learner", ["newton", "descent", "momentum", "nesterov", "adam"])
@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_where_guessing_is_best_there_is_nothing_to_learn(loss: str, learner: str) -> None:
    # Every third row, the first and the last too: their mean is that of all rows, so the first
    # weight_delta is rounding.
    x = np.arange(40.0)
    table = {"x": x, "y": np.where(x % 3 == 0, 1, 2)}
    model = dr.learn(table, predict="y", loss=loss, learner=learner, ridge=0)
    learn = model.record.learnt[0]
    assert learn.steps == 1
    assert learn.stopped.endswith("found nothing left to learn but rounding")
    (weight,) = {abs(one.weight) for one in model.record.weights}
    assert weight < 1e-15
    assert abs(model.record.intercept[0].weight) == pytest.approx(np.log(26 / 14), rel=1e-12)
    # The inverse of n * p * (1 - p) * the variance of x.
    known = 1 / np.sqrt(14 * 26 / 40 * x.var())
    assert model.record.weights[0].standard_error == pytest.approx(known, rel=1e-12)
