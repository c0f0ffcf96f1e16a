"""What a model and the other results show in Python: figures, tables, text, notebook."""

import inspect
import subprocess
import sys
from dataclasses import fields

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import deltarule as dr
from deltarule.errors import LearningError

NAMES = ["DeltaruleError", "Model", "Settings"]
NAMES += ["alpha", "columns", "learn", "load", "merge", "path", "source", "steps"]


@pytest.fixture(scope="module")
def rows() -> dict[str, list]:
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, 60))
    y = 1 + 2 * x - z + rng.normal(size=60)
    kind = ["a" if value > 0 else "b" for value in z]
    yes = ["yes" if value > 0 else "no" for value in y + rng.normal(size=60)]
    return {"x": x.tolist(), "kind": kind, "y": y.tolist(), "yes": yes}


def design(rows: dict[str, list]) -> np.ndarray:
    first = max("ab", key=rows["kind"].count)
    other = [float(kind != first) for kind in rows["kind"]]
    return sm.add_constant(np.column_stack([rows["x"], other]))


@pytest.fixture(scope="module")
def model(rows) -> dr.Model:
    return dr.learn(rows, predict="y", using=["x", "kind"], ridge=0)


def test_figures_have_names_of_their_own(model):
    assert model.held_out.rmse == model.rmse == model.record.held_out[0].rmse
    assert model.r2 == model.held_out.r2
    assert model.fit.r2 == model.record.fit[0].r2
    assert model.fit.r2 != model.r2


def test_figures_of_several_targets_are_by_target(rows):
    both = dr.learn(rows, predict=["y", "yes"], using="x")
    assert both.rmse == {"y": both.held_out["y"].rmse, "yes": both.held_out["yes"].rmse}
    assert set(both.fit) == set(both.r2) == {"y", "yes"}
    assert set(both.coef) == set(both.outputs)


def test_no_rows_held_out_is_none():
    alone = dr.learn({"x": [1.0], "y": [2.0]}, predict="y", intercept=False)
    assert (alone.held_out, alone.r2, alone.rmse) == (None, None, None)


def test_weights_have_the_names_of_their_columns_and_levels(model, rows):
    fitted = sm.OLS(rows["y"], design(rows)).fit()
    (level,) = {column.partition("=")[2] for column in model.coef if "=" in column}
    assert list(model.coef) == ["(intercept)", "x", f"kind={level}"]
    np.testing.assert_allclose(list(model.coef.values()), fitted.params, rtol=1e-10)
    assert list(dr.learn(rows, predict="y", using="x", intercept=False).coef) == ["x"]


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_confidence_intervals_are_those_of_statsmodels(model, rows, level):
    fitted = sm.OLS(rows["y"], design(rows)).fit()
    found = model.confidence_intervals(level)
    np.testing.assert_allclose(
        found.select("low", "high").to_numpy(), fitted.conf_int(1 - level), rtol=1e-9
    )


def test_confidence_intervals_of_logistic_loss_are_normal_ones(rows):
    yes = dr.learn(rows, predict="yes", using="x", ridge=0)
    targets = [float(value == "yes") for value in rows["yes"]]
    fitted = sm.Logit(targets, sm.add_constant(rows["x"])).fit(disp=False)
    found = yes.confidence_intervals(0.9).select("low", "high").to_numpy()
    np.testing.assert_allclose(found, fitted.conf_int(0.1), rtol=1e-5)


def test_confidence_intervals_survive_a_file_and_are_null_beside_a_penalty(model, rows, tmp_path):
    model.save(tmp_path / "m.json")
    assert (
        dr.load(tmp_path / "m.json")
        .confidence_intervals(0.9)
        .equals(model.confidence_intervals(0.9))
    )
    held = dr.learn(rows, predict="y", using="x", ridge=1)
    assert held.confidence_intervals()["low"].null_count() == 2


@pytest.mark.parametrize("level", [0, 1, -0.1, 95, float("nan")])
def test_a_level_that_is_no_share_is_refused(model, level):
    with pytest.raises(LearningError, match="between 0 and 1"):
        model.confidence_intervals(level)


def test_the_regression_table_has_every_standard_error(model, rows):
    fitted = sm.OLS(rows["y"], design(rows)).fit()
    said = str(model.summary())
    for error, t in zip(fitted.bse, fitted.tvalues, strict=True):
        assert f"{error:.6g}" in said
        assert f"{t:.6g}" in said
    assert "(intercept)" in said
    assert "held-out" in said
    page = model.summary()._repr_html_()
    assert f"{fitted.bse[1]:.6g}" in page


def test_what_tab_shows_is_the_public_names():
    assert [name for name in dir(dr) if not name.startswith("_")] == NAMES


@pytest.mark.parametrize("work", [dr.learn, dr.steps, dr.alpha, dr.path], ids=lambda f: f.__name__)
def test_help_lists_every_setting_with_its_text(work):
    said = inspect.getdoc(work)
    for setting in fields(dr.Settings):
        assert f"\n  {setting.name}: " in said
        assert setting.name in inspect.signature(work).parameters


def test_every_result_shows_itself_on_a_screen_and_in_a_notebook(model, rows):
    found = {
        "columns": dr.columns(rows),
        "path": dr.path(rows, predict="y", using="x"),
        "alpha": dr.alpha(rows, predict="y", using="x"),
        "model": model,
        "compare": model.compare(rows),
        "contest": model.compare(rows, dr.learn(rows, predict="y", using="x")),
        "diagnose": model.diagnose(rows),
        "explain": model.explain(rows, row=1),
        "summary": model.summary(),
    }
    for name, result in found.items():
        said = str(result)
        assert "object at 0x" not in said, name
        assert not said.startswith(type(result).__name__ + "("), name
        words = said.replace("=", " ").split()[0]
        assert words in result._repr_html_(), name


def test_the_columns_of_a_table_print_as_on_the_command_line(rows, tmp_path):
    pl.DataFrame(rows).write_csv(tmp_path / "t.csv")
    done = subprocess.run(
        [sys.executable, "-m", "deltarule", "columns", str(tmp_path / "t.csv")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{dr.columns(tmp_path / 't.csv')}\n"


def test_the_version_is_told():
    command = [sys.executable, "-m", "deltarule", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"deltarule {dr.__version__}\n"
