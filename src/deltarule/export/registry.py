"""The exports by name. A new one is a module with `write` and `run`, and its line here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from deltarule.errors import ExportError
from deltarule.scorer.tree import Tree

Content = str | bytes


class Module(Protocol):
    """What an export's module has.

    `write` gives the file's content; its settings are those that the export's line names.

    Errors:  ExpressionError for what has no such form, LearningError for invalid settings

    `run` gives what the written content predicts for rows, a dict for each, by the names of
    `model.predict` or with contributions of `model.explain`; or None, where what runs it is not
    installed.
    """

    def write(self, tree: Tree, **settings: Any) -> Content: ...
    def run(
        self, content: Content, rows: Sequence[Mapping[str, Any]], **settings: Any
    ) -> Sequence[Mapping[str, Any]] | None: ...


@dataclass(frozen=True)
class Export:
    """An export: its file's suffix, what it is in words, where it is, and its settings."""

    name: str
    suffix: str
    says: str
    module: str
    settings: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    """Settings of its check alone."""
    dates: str = ""
    """What it does not read of dates in text that the model does."""
    runs_in: str = ""
    """What runs it, in the check, and how to get that."""

    @property
    def loaded(self) -> Module:
        """Its module."""
        module: Any = import_module(self.module)
        made: Module = module
        return made


EXPORTS: Mapping[str, Export] = {
    one.name: one
    for one in (
        Export(
            "python",
            ".py",
            "one file without dependencies: predict(row), explain(row), and a filter for CSV",
            "deltarule.export.python",
        ),
        Export(
            "sql",
            ".sql",
            "one query of a table, or a view, that predicts where the rows are",
            "deltarule.export.sql",
            settings=("table", "dialect", "view", "explain", "keep"),
            checks=("check_in",),
            dates="months by name in text, such as Apr 26, 2020, count as missing in SQL",
            runs_in="sqlite and duckdb are run here, duckdb where it is installed, and postgres in "
            "a database that --check-in names",
        ),
        Export(
            "onnx",
            ".onnx",
            "float64 operators and look-ups of text, an input for each column",
            "deltarule.export.onnx",
            settings=("explain",),
            runs_in="onnxruntime runs it, and is not installed (pip install onnxruntime)",
        ),
        Export(
            "javascript",
            ".mjs",
            "one module without dependencies, for Node and browsers: predict(row), explain(row)",
            "deltarule.export.javascript",
            runs_in="Node runs it, and is not installed (nodejs.org)",
        ),
    )
}


def export_named(name: str) -> Export:
    """The export of a name.

    Errors:  ExportError for another
    """
    if not isinstance(name, str) or name not in EXPORTS:
        raise ExportError(f"there is no export {name!r}: choose {', '.join(EXPORTS)}")
    return EXPORTS[name]
