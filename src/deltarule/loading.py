"""Load a model file, with the sums of its rows where they are asked for."""

from pathlib import Path

from deltarule.model.model import Model
from deltarule.model.model import load as load_model


def load(path: str | Path, *, summary: str | Path | None = None) -> Model:
    """Read a model file; with `summary`, also the file of its sums, so that it can learn more.

    Errors:  ModelError and its kinds
    """
    if summary is None:
        return load_model(path)
    from deltarule.fit import keep_learning  # it loads all that learning needs

    return keep_learning.load(path, summary)
