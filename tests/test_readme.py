"""The README's commands and code print what it shows."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def consoles(text: str) -> list[tuple[str, str]]:
    """(command, what it prints) of every console block, in order."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            found.append((command, printed.rstrip("\n")))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


def in_shell(command: str, folder: Path) -> str:
    scripts = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": scripts + os.pathsep + os.environ["PATH"]},
    )
    return (done.stdout + done.stderr).rstrip("\n")


def test_the_readme_is_true(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = consoles(README.read_text())
    assert len(commands) >= 8
    for command, printed in commands:
        assert in_shell(command, folder) == printed, command
    monkeypatch.chdir(folder)
    failed, tried = doctest.testfile(
        str(README), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert tried >= 5
    assert failed == 0
