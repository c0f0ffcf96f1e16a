"""The commands and code of the README and the docs print what they show."""

import doctest
import re
import runpy
import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OUTPUTS = runpy.run_path(str(ROOT / "docs" / "outputs.py"))
PAGES = OUTPUTS["pages"]()


# The port of the docs, which another run on this machine may have taken.
PORT = "8765"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_is_true(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make outputs` mends a page whose commands print something else by now."""
    text = page.read_text(encoding="utf-8").replace(PORT, str(free_port()))
    assert len(OUTPUTS["commands"](text)) >= (8 if page.name == "README.md" else 1)
    assert OUTPUTS["rerun"](text, tmp_path) == text
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert tried >= (5 if page.name == "README.md" else 0)
    assert failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", text)
    for link in (one or other for one, other in links):
        assert (page.parent / link).exists(), link


def test_outputs_are_run_anew_in_order_and_the_rest_of_a_page_stays(tmp_path: Path) -> None:
    text = "a\n```console\n$ echo x > f\nold\n$ cat f\n```\n\n```console\n$ cat f f\n```\nb $ c\n"
    assert OUTPUTS["rerun"](text, tmp_path) == (
        "a\n```console\n$ echo x > f\n$ cat f\nx\n```\n\n```console\n$ cat f f\nx\nx\n```\nb $ c\n"
    )
