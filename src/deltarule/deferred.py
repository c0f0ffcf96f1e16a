"""Polars, imported when something of it is first used.

Importing it takes 0.17 s; a model that is loaded to predict rows given as dicts needs none of it.
Modules that such a model loads take polars from here; the others import it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as polars  # noqa: ICN001 - modules rename it as they import it
else:

    class Deferred:
        """Stands for a package: its first attribute imports it, and each is kept."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> Any:
            value = getattr(import_module(self._name), name)
            setattr(self, name, value)
            return value

    polars = Deferred("polars")
