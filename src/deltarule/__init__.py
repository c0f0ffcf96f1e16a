"""deltarule: learns to predict columns of a table from its others, and shows every number.

>>> import deltarule as dr
>>> films = {"budget": [1.0, 2.0, 3.0, 4.0], "gross": [2.0, 4.1, 5.9, 8.0]}
>>> model = dr.learn(films, predict="gross", using=["budget"])
>>> round(model.predict({"budget": 5.0})["gross_prediction"], 2)
9.95
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltarule.errors import DeltaruleError
    from deltarule.fit import learn, steps
    from deltarule.fit.columns import columns
    from deltarule.fit.keep_learning import merge
    from deltarule.fit.learning_rate import alpha
    from deltarule.fit.path import path
    from deltarule.fit.settings import Settings
    from deltarule.loading import load
    from deltarule.model.model import Model
    from deltarule.tables.frames import source

__all__ = [
    "DeltaruleError",
    "Model",
    "Settings",
    "alpha",
    "columns",
    "learn",
    "load",
    "merge",
    "path",
    "source",
    "steps",
]
__version__ = "0.1.0"

# Loaded when first used, so that importing deltarule loads no scipy and no polars.
_HOME = {
    "DeltaruleError": "deltarule.errors",
    "Model": "deltarule.model.model",
    "alpha": "deltarule.fit.learning_rate",
    "Settings": "deltarule.fit.settings",
    "columns": "deltarule.fit.columns",
    "learn": "deltarule.fit",
    "load": "deltarule.loading",
    "merge": "deltarule.fit.keep_learning",
    "path": "deltarule.fit.path",
    "source": "deltarule.tables.frames",
    "steps": "deltarule.fit",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'deltarule' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
