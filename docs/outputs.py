"""The console blocks of README.md and docs/*.md, run anew: python docs/outputs.py [PAGE ...].

Each command after "$ " is run by bash in an empty folder, in the page's order, and what it prints
takes the place of what the page shows.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", flags=re.DOTALL)


def pages() -> list[Path]:
    """The pages with console blocks."""
    every = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in every if BLOCK.search(page.read_text(encoding="utf-8"))]


def commands(text: str) -> list[str]:
    """The commands of a page, in order."""
    return [line for block in BLOCK.findall(text) for line in re.findall(r"(?m)^\$ (.*)$", block)]


def in_shell(command: str, folder: Path) -> str:
    """What a command prints, with the scripts beside this Python first on the path.

    Errors:  CalledProcessError where it fails
    """
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


def rerun(text: str, folder: Path, run: Callable[[str, Path], str] = in_shell) -> str:
    """A page's text with the output of every command as it is now."""

    def block(match: re.Match[str]) -> str:
        lines = []
        for command in re.findall(r"(?m)^\$ (.*)$", match[0]):
            printed = run(command, folder)
            lines += [f"$ {command}", printed] if printed else [f"$ {command}"]
        return "\n".join(lines) + "\n"

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    for page in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        before = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            after = rerun(before, Path(folder))
        page.write_text(after, encoding="utf-8")
        print(f"{page.relative_to(ROOT)}: {'as it was' if after == before else 'changed'}")
