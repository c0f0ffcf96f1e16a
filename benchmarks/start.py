"""How long a command takes on next to nothing: a process of its own, from start to end."""

import compileall
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.answer import Answer

Exact = Mapping[str, Any]
COMMAND = "from deltarule.cli import main; main()"


def bare(path: str, exact: Exact) -> Answer:
    return _run("import numpy, polars")


def help(path: str, exact: Exact) -> Answer:  # noqa: A001 - named after the command
    return _run(COMMAND, "--help")


def learn(path: str, exact: Exact) -> Answer:
    return _run(COMMAND, "learn", path, "--predict", "gross", "--no-intercept")


def predict(path: str, exact: Exact) -> Answer:
    return _run(COMMAND, "predict", _model(path), path)


def row(path: str, exact: Exact) -> Answer:
    code = "import deltarule, sys; print(deltarule.load(sys.argv[1]).predict({'budget': 200000}))"
    return _run(code, _model(path))


def _model(path: str) -> str:
    file = Path(path).with_suffix(".model.json")
    if not file.exists():
        words = ("learn", path, "--predict", "gross", "--no-intercept", "--save", str(file))
        _run(COMMAND, *words)
    return str(file)


@cache
def _compile() -> None:
    """To bytecode, as pip does with what it installs; not where the package is edited in place."""
    found = find_spec("deltarule")
    assert found is not None
    assert found.origin is not None
    compileall.compile_dir(Path(found.origin).parent, quiet=1)


def _run(code: str, *words: str) -> Answer:
    _compile()
    subprocess.run([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL, check=True)
    return Answer()
