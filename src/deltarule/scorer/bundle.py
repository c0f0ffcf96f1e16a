"""The source of the runtime functions that names need, for a file that imports none of ours."""

import ast
import inspect
import re
from collections.abc import Collection, Iterator
from functools import cache
from types import ModuleType

from deltarule.scorer import patterns
from deltarule.scorer.compiled import MODULES
from deltarule.scorer.python import PYTHON


def bundled(used: Collection[str]) -> str:
    """The functions and constants of these names and all that they use, in Python."""
    known = _definitions()
    needed: set[str] = set()
    waiting = list(used)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [one for one in known[name][1] if one in known]
    text = "\n".join(text for name, (text, _) in known.items() if name in needed)
    return re.sub(r"\n{4,}", "\n\n\n", text)


def imports_of(source: str) -> str:
    """The imports that a source needs, of `math`, `re` and `typing` alone."""
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    lines = [f"import {name}" for name in ("csv", "math", "re", "sys") if name in names]
    return "\n".join([*lines, "from typing import Any"] if "Any" in names else lines)


@cache
def _definitions() -> dict[str, tuple[str, frozenset[str]]]:
    """Each definition of the runtime by name: its source, and the names in it."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    money = patterns.CURRENCY.compiled.pattern
    found["MONEY"] = (f"MONEY = {PYTHON.literal(money)}", frozenset())
    for name, value in vars(patterns).items():
        if name.isupper() and isinstance(value, patterns.Pattern):
            compiled = value.compiled
            flags = ", re.IGNORECASE" if compiled.flags & re.IGNORECASE else ""
            # The many signs of currencies stand in a file once.
            short = PYTHON.literal(compiled.pattern.replace(money, "<money>"))
            made = f'{short}.replace("<money>", MONEY)' if "<money>" in short else short
            found[name] = (f"{name} = re.compile({made}{flags})", frozenset({"MONEY"}))
        elif name.isupper():
            plain = dict(value) if hasattr(value, "items") else value
            found[name] = (f"{name} = {PYTHON.literal(plain)}", frozenset())
    for module in MODULES:
        found |= dict(_of(module))
    return found


def _of(module: ModuleType) -> Iterator[tuple[str, tuple[str, frozenset[str]]]]:
    source = inspect.getsource(module)
    for node in ast.parse(source).body:
        text = ast.get_source_segment(source, node) or ""
        every = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
        own = {one.id for one in every if isinstance(one.ctx, ast.Store)}
        own |= {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
        names = frozenset(one.id for one in every) - own
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, (f"\n{text}\n", names)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name):
                yield target.id, (text, names)
