"""The tree compiled to Python functions, for rows that are few."""

from collections.abc import Callable, Mapping
from typing import Any

from deltarule.dataclass import dataclass
from deltarule.scorer.python import PYTHON
from deltarule.scorer.runtime import cells, clock, errors, logic, numbers, texts
from deltarule.scorer.source import Source
from deltarule.scorer.tree import Tree

MODULES = (errors, clock, logic, texts, numbers, cells)
"""The modules of the runtime, none before those that it imports."""


@dataclass(frozen=True)
class Compiled:
    """Functions of one row; each of the other two takes what `inputs` gives."""

    inputs: Callable[[Mapping[str, Any], list[tuple[str, str]]], tuple[Any, ...]]
    """The value of each term; the list gets the drift: its kind, and the column's name.

    Errors:  KeyError for a column that is not there, RefusedError for a cell of no use
    """
    predictions: Callable[[tuple[Any, ...]], dict[str, Any]]
    explained: Callable[[tuple[Any, ...]], dict[str, Any]]


def compiled(tree: Tree) -> Compiled:
    """The functions of a tree. They see the runtime's functions and, of what is built in, float.

    Errors:  ExpressionError for what has no form in Python
    """
    source = Source(tree, PYTHON)
    text = source.text
    known = {name: value for module in MODULES for name, value in vars(module).items()}
    names = {name: known[name] for name in source.used}
    namespace: dict[str, Any] = {"__builtins__": {}, "float": float, **source.constants, **names}
    exec(compile(text, "<the compiled model>", "exec"), namespace)
    return Compiled(namespace["inputs"], namespace["predictions"], namespace["explained"])
