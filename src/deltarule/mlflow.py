"""The MLflow flavour: a model file in MLflow's format, loaded by this module, without pickle.

deltarule.mlflow.save_model(model, "folder")         mlflow.pyfunc.load_model("folder")
deltarule.mlflow.log_model(model, "films")           deltarule.mlflow.load_model("runs:/.../films")
dr.learn(table, ..., on_step=deltarule.mlflow.log_step)
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from deltarule import __version__
from deltarule.errors import LearningError, MissingExtraError, OutputError
from deltarule.model.model import Model, load
from deltarule.trace.downsample import on_screen
from deltarule.trace.scalars import scalars

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo

FLAVOR, FILE = "deltarule", "model.json"
PARAMETERS = {"explain": False, "flags": False, "interval": None}
"""What predictions may be asked for besides, and what they are not asked for."""


class Predictions:
    """What MLflow calls to predict: `params` may ask for "explain", "flags" or an "interval"."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, rows: Any, params: dict[str, Any] | None = None) -> Any:
        """The rows' predictions, in their own kind of frame.

        Errors:  TableError for rows that lack a column or have values that are none of its kind
        """
        asked = params or {}
        if unknown := asked.keys() - PARAMETERS.keys():
            raise LearningError(
                f"there is no parameter {min(unknown)!r}: there are explain, flags and interval"
            )
        if asked.get("explain"):
            return self.model.explain(rows)
        return self.model.predict(
            rows, flags=bool(asked.get("flags")), interval=asked.get("interval")
        )


def save_model(
    model: Model, path: str | Path, *, mlflow_model: Any = None, **settings: Any
) -> None:
    """Write a folder that `mlflow.pyfunc.load_model` and `mlflow models serve` read.

    `settings` are those of `mlflow.pyfunc.save_model`, such as `signature` and `input_example`.
    Errors:  MissingExtraError without mlflow; OutputError for a folder that has files already
    """
    mlflow = _mlflow()
    folder = Path(path)
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder} has files already: name a folder that is not there yet")
    described = mlflow.models.Model() if mlflow_model is None else mlflow_model
    described.add_flavor(FLAVOR, version=__version__, data=f"data/{FILE}")
    settings.setdefault("pip_requirements", [f"deltarule=={__version__}"])
    settings.setdefault("signature", _signature())
    with TemporaryDirectory() as made:
        model.save(Path(made) / FILE, moments=False)
        mlflow.pyfunc.save_model(
            str(folder),
            loader_module=__name__,
            data_path=str(Path(made) / FILE),
            mlflow_model=described,
            **settings,
        )


def log_model(model: Model, name: str, **settings: Any) -> "ModelInfo":
    """Log a model to the active run or a new one, and give what MLflow says of it.

    `settings` are those of `mlflow.models.Model.log`, such as `registered_model_name`, and of
    `save_model`.
    Errors:  MissingExtraError without mlflow
    """
    logged: ModelInfo = _mlflow().models.Model.log(
        artifact_path=None, name=name, flavor=sys.modules[__name__], model=model, **settings
    )
    return logged


def log_step(step: Mapping[str, Any]) -> None:
    """Log a step's numbers to the active run: `dr.learn(table, ..., on_step=log_step)`.

    Of a long run all of the first hundred steps, then every tenth and so on, and the last.
    Errors:  MissingExtraError without mlflow
    """
    if step["note"] or on_screen(step["step"]):
        _mlflow().log_metrics(dict(scalars(step)), step=step["step"])


def load_model(uri: str) -> Model:
    """The model that was saved or logged there.

    Errors:  MissingExtraError without mlflow; ModelError for a file that is none of ours
    """
    _mlflow()
    from mlflow.artifacts import download_artifacts

    return load(Path(download_artifacts(artifact_uri=uri)) / "data" / FILE)


def _load_pyfunc(path: str) -> Predictions:
    """The model of a file, for MLflow."""
    return Predictions(load(path))


def _signature() -> Any:
    """The parameters of predictions, of which MLflow passes on no others.

    The columns are left to the model, which takes gaps where MLflow's integers do not.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec

    kinds = {"explain": "boolean", "flags": "boolean", "interval": "double"}
    specs = [ParamSpec(name, kind, PARAMETERS[name]) for name, kind in kinds.items()]
    return ModelSignature(params=ParamSchema(specs))


def _mlflow() -> Any:
    try:
        import mlflow
        import mlflow.models
        import mlflow.pyfunc
    except ImportError as error:
        raise MissingExtraError("this needs MLflow: pip install mlflow-skinny") from error
    return mlflow
