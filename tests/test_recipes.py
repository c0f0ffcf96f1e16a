"""CONTRIBUTING's two recipes: a new learner or loss is one class and one line in its registry."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import deltarule as dr
from deltarule.losses.links import LOG
from deltarule.losses.loss import MEAN, Kind, Link
from deltarule.losses.registry import LOSSES
from deltarule.rule.compare import Comparison, separately
from deltarule.rule.learn import AlphaRange
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.first_order import FirstOrder
from deltarule.solvers.learners import LEARNERS
from deltarule.views.report import report
from deltarule.web.app.payload import Open, setting
from deltarule.web.session import Choices, Session
from deltarule.web.tables import opened


@dataclass(frozen=True)
class Adagrad(FirstOrder):
    """Each weight's alpha falls with the squares of its gradients so far (Duchi et al. 2011)."""

    alpha: float
    name: ClassVar[str] = "adagrad"

    @classmethod
    def suited(cls, alphas: AlphaRange, start: Comparison) -> Self:
        steepest = max(float(np.abs(g).max()) for g in start.weight_delta.values())
        return cls(steepest * alphas.fastest or 1.0)

    def limit(self, alphas: AlphaRange) -> float:
        return np.inf

    def start(self, weights: Weights) -> Weights:
        return {name: np.zeros_like(array) for name, array in weights.items()}

    def step(
        self, weights: Weights, comparison: Comparison, state: Weights
    ) -> tuple[Weights, Weights]:
        g = comparison.weight_delta
        state = {name: state[name] + g[name] ** 2 for name in g}
        moved = {name: self.alpha * g[name] / np.sqrt(state[name] + 1e-300) for name in g}
        return {name: array - moved[name] for name, array in weights.items()}, state


@dataclass(frozen=True)
class InverseGaussian:
    """Positive amounts with a long tail: variance ~ prediction ** 3, with the log link.

    Maths:   value = t * exp(-2 * s) / 2 - exp(-s);  delta = exp(-s) - t * exp(-2 * s)
    """

    name: ClassVar[str] = "inverse_gaussian"
    kind: ClassVar[Kind] = "amount"
    link: ClassVar[Link] = LOG
    closed_form: ClassVar[bool] = False
    error_name: ClassVar[str] = "inverse Gaussian loss"
    error_scale: ClassVar[float] = 1.0
    guess: ClassVar[str] = MEAN
    takes: ClassVar[str] = "numbers above 0"
    says: ClassVar[str] = "log of {}"
    dispersion: ClassVar[str] = "estimated"
    power: ClassVar[float | None] = 3.0
    parts = separately

    def accepts(self, targets: Array) -> Mask:
        return (targets > 0) & np.isfinite(targets)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.sum(targets * np.exp(-2 * scores) / 2 - np.exp(-scores), axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return np.exp(-scores) - targets * np.exp(-2 * scores)

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        if targets is None:
            return np.exp(-scores)
        return 2 * targets * np.exp(-2 * scores) - np.exp(-scores)

    def saturated(self, targets: Array) -> Array:
        least: Array = np.sum(-1 / (2 * targets), axis=1)
        return least

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        each = np.log(2 * np.pi * dispersion * targets**3) / 2 + 1 / (2 * dispersion * targets)
        constant: Array = np.sum(each, axis=1)
        return constant


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line of each recipe."""
    monkeypatch.setitem(LEARNERS, "adagrad", Adagrad)  # type: ignore[arg-type]
    monkeypatch.setitem(LOSSES, "inverse_gaussian", InverseGaussian())  # type: ignore[arg-type]


@pytest.fixture
def table() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    x, z = rng.uniform(0, 1, size=(2, 400))
    mean = np.exp(0.5 + x - 0.7 * z)
    return pl.DataFrame({"x": x, "z": z, "cost": rng.wald(mean, 8.0)})


def test_a_learner_added_by_a_class_and_a_line_learns_with_its_own_alpha(
    table: pl.DataFrame, tmp_path: Path
) -> None:
    exact = dr.learn(table, predict="cost")
    model = dr.learn(table, predict="cost", learner="adagrad", steps=5000, tolerance=1e-6)
    for name in ("x", "z"):
        assert model.coef[name] == pytest.approx(exact.coef[name], rel=1e-3)
    assert model.held_out is not None
    checked(model, table, tmp_path)


def test_a_learner_added_so_takes_minibatches_too(table: pl.DataFrame) -> None:
    model = dr.learn(table, predict="cost", learner="adagrad", batch=20, epochs=30)
    assert model.r2 > 0.2  # exact: 0.26


def test_a_learner_added_so_is_named_where_learners_are_listed(table: pl.DataFrame) -> None:
    with pytest.raises(dr.DeltaruleError, match="adagrad"):
        dr.learn(table, predict="cost", learner="adagrat")


def test_a_loss_added_by_a_class_and_a_line_finds_what_statsmodels_finds(
    table: pl.DataFrame, tmp_path: Path
) -> None:
    model = dr.learn(table, predict="cost", loss="inverse_gaussian", ridge=0)
    inputs = sm.add_constant(table.select("x", "z").to_numpy())
    family = sm.families.InverseGaussian(sm.families.links.Log())
    known = sm.GLM(table["cost"].to_numpy(), inputs, family=family).fit(tol=1e-14)
    found = [model.coef[name] for name in ("(intercept)", "x", "z")]
    # Both stop where the gradient is below some 1e-9 of its size at the start.
    assert found == pytest.approx(known.params.tolist(), rel=1e-7)
    assert model.held_out is not None
    checked(model, table, tmp_path)


def checked(model: dr.Model, table: pl.DataFrame, folder: Path) -> None:
    """Saved, loaded, compared, reported, all of it knows the new one."""
    path = folder / "model.json"
    model.save(path)
    again = dr.load(path)
    assert again.predict(table).equals(model.predict(table))
    assert again.compare(table) == model.compare(table)
    assert len(report(again, table)) > 10_000


@pytest.mark.parametrize("choice", [{"learner": "adagrad"}, {"loss": "inverse_gaussian"}])
def test_the_page_offers_and_steps_what_was_added(
    table: pl.DataFrame, choice: dict[str, str]
) -> None:
    session = Session(opened(table), Choices(("cost",), ("x", "z"), standardise=True, **choice))
    shown = Open(session)
    offered = [*setting(shown)["learners"], *setting(shown)["losses"]]
    assert set(choice.values()) <= set(offered)
    before = session.go(1).now.loss
    assert session.go(20).now.loss < before
