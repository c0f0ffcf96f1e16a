"""The MLflow flavour: saved, logged and loaded models predict the same, without pickle."""

import json
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import deltarule as dr
from deltarule import mlflow as flavor
from deltarule.errors import LearningError, MissingExtraError, ModelError, OutputError
from deltarule.model.model import Model
from tests.export.models import CASES

# mlflow and what it is made of warn of their own use of Python.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A tracking store of the test's own."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"file://{tmp_path}/runs")
    yield
    mlflow.set_tracking_uri(None)


def test_steps_are_logged_to_the_active_run(store):
    rows = {"x": [1.0, 2.0, 3.0, 4.0], "k": ["a", "b", "a", "b"], "y": [1.0, 5.0, 2.0, 7.0]}
    with mlflow.start_run() as run:
        model = dr.learn(rows, predict="y", alpha=0.02, steps=115, on_step=flavor.log_step)
    client = mlflow.MlflowClient()
    found = client.get_metric_history(run.info.run_id, "weight/k_b")
    # All of the first hundred, then every tenth, and the last.
    assert [one.step for one in found] == [*range(1, 101), 110, 115]
    assert found[-1].value == model.coef["k=b"]
    assert {"error", "alpha", "weight_delta/x"} <= {*client.get_run(run.info.run_id).data.metrics}


@pytest.mark.parametrize("name", ["squared", "softmax", "poisson with exposure", "dates"])
def test_a_saved_model_predicts_the_same_as_a_python_function(name, tmp_path):
    case = next(one for one in CASES if one.name == name)
    flavor.save_model(case.model, tmp_path / "model")
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    rows = case.rows.to_pandas()
    pd.testing.assert_frame_equal(loaded.predict(rows), case.model.predict(rows))
    again = flavor.load_model(str(tmp_path / "model"))
    assert again.predict(case.rows).equals(case.expected)


def test_the_folder_is_json_and_yaml_and_has_no_pickle(tmp_path):
    case = next(one for one in CASES if one.name == "squared")
    flavor.save_model(case.model, tmp_path / "model")
    files = {str(one.relative_to(tmp_path / "model")) for one in (tmp_path / "model").rglob("*")}
    assert not [one for one in files if one.endswith((".pkl", ".pickle", ".bin", ".py"))]
    assert json.loads((tmp_path / "model/data/model.json").read_text())["format"]
    described = (tmp_path / "model/MLmodel").read_text()
    assert "loader_module: deltarule.mlflow" in described
    assert "\n  deltarule:\n" in described
    assert f"deltarule=={dr.__version__}" in (tmp_path / "model/requirements.txt").read_text()
    with pytest.raises(OutputError, match="has files already"):
        flavor.save_model(case.model, tmp_path / "model")


def test_parameters_ask_for_contributions_flags_and_intervals(tmp_path):
    case = next(one for one in CASES if one.name == "squared")
    predictions = flavor.Predictions(case.model)
    assert predictions.predict(case.rows, {"explain": True}).equals(case.explained)
    flagged = predictions.predict(case.rows, {"flags": True, "interval": 0.8})
    assert {"flags", "price_low", "price_high"} <= set(flagged.columns)
    with pytest.raises(LearningError, match="no parameter 'threshold'"):
        predictions.predict(case.rows, {"threshold": 1})
    # MLflow passes on what the signature names alone.
    flavor.save_model(case.model, tmp_path / "model")
    loaded, rows = mlflow.pyfunc.load_model(str(tmp_path / "model")), case.rows.to_pandas()
    explained = loaded.predict(rows, params={"explain": True})
    pd.testing.assert_frame_equal(explained, case.model.explain(rows))
    assert "price_low" in loaded.predict(rows, params={"interval": 0.8}).columns
    pd.testing.assert_frame_equal(loaded.predict(rows), case.model.predict(rows))


def test_a_logged_model_comes_back_from_its_run(store):
    case = next(one for one in CASES if one.name == "logistic")
    with mlflow.start_run():
        info = flavor.log_model(case.model, "films")
    rows = case.rows.to_pandas()
    made = mlflow.pyfunc.load_model(info.model_uri).predict(rows)
    pd.testing.assert_frame_equal(made, case.model.predict(rows))
    assert isinstance(flavor.load_model(info.model_uri), Model)


def test_a_file_that_is_no_model_is_refused_and_nothing_in_it_runs(tmp_path):
    case = next(one for one in CASES if one.name == "squared")
    flavor.save_model(case.model, tmp_path / "model")
    Path(tmp_path / "model/data/model.json").write_text("cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(ModelError):
        mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert not Path("hacked").exists()


def test_without_mlflow_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    case = next(one for one in CASES if one.name == "squared")
    with pytest.raises(MissingExtraError, match="pip install mlflow-skinny"):
        flavor.save_model(case.model, tmp_path / "model")
