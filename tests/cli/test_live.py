"""The view while steps are taken: on a terminal of its own, and in a pipe."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import deltarule as dr
from deltarule.trace.progress import Progress, sparkline

COMMAND = "from deltarule.cli import main; main()"
ASKED = ["--predict=y", "--using=a,b"]
LONG = ["--batch=1", "--epochs=2"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 400))
    y = 3 * a - b + rng.normal(size=400)
    path = tmp_path_factory.mktemp("live") / "t.csv"
    lines = (f"{x},{z},{t}" for x, z, t in zip(a, b, y, strict=True))
    path.write_text("a,b,y\n" + "\n".join(lines) + "\n")
    return path


def on_terminal(*arguments: object) -> str:
    """All that `deltarule ARGUMENTS` writes to a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color"},
        close_fds=True,
    ) as process:
        os.close(theirs)
        found = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # the other end was closed
                break
            if not part:
                break
            found += part
    os.close(ours)
    assert process.returncode == 0
    return found.decode()


def in_a_pipe(*arguments: object) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout, done.stderr


def plain(text: str) -> str:
    """Without what moves the cursor and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")


def test_a_terminal_shows_error_and_weights_and_then_only_the_result(table: Path) -> None:
    found = on_terminal("learn", table, *ASKED, *LONG, "--live")
    shown = plain(found)
    assert re.search(r"step 800, epoch 2: mean squared error [0-9.]+, alpha 0\.", shown)
    assert "last change" in shown
    assert re.search(r"intercept +\S+ +[↑↓] ", shown)
    assert "▁" in shown
    # The view is wiped away, and the cursor is there again.
    assert "\x1b[?25h" in found
    assert shown.rstrip().endswith("learn without it")


def test_a_terminal_shows_nothing_of_a_run_that_is_over_at_once(table: Path) -> None:
    shown = plain(on_terminal("learn", table, *ASKED, "--learner=descent"))
    assert "last change" not in shown
    assert "Predict\n" in shown


def test_no_live_is_none(table: Path) -> None:
    shown = plain(on_terminal("learn", table, *ASKED, *LONG, "--no-live"))
    assert "last change" not in shown


def test_a_pipe_gets_plain_lines_if_asked_for(table: Path) -> None:
    out, err = in_a_pipe("learn", table, *ASKED, *LONG, "--live", "--json")
    lines = err.splitlines()
    assert out.startswith("{")
    assert lines[0].startswith("step 1, epoch 1: mean squared error ")
    assert lines[-1].startswith("step 800, epoch 2: mean squared error ")
    assert len(lines) == 100 + 70
    assert "\x1b" not in err
    out, err = in_a_pipe("learn", table, *ASKED, *LONG)
    assert err == ""


def test_a_trace_goes_into_a_file_while_it_is_shown(table: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    _, err = in_a_pipe("learn", table, *ASKED, *LONG, "--live", "--trace", path)
    assert "step 800, epoch 2" in err
    assert len(path.read_text().splitlines()) == 801


def test_many_weights_and_names_with_brackets_are_shown_as_they_are() -> None:
    rng = np.random.default_rng(0)
    columns = {f"[bold]x{at}": rng.normal(size=30) for at in range(12)}
    (step,) = dr.steps({**columns, "y": rng.normal(size=30)}, predict="y", alpha=0.1, steps=1)
    progress = Progress([*columns, "intercept"], error_name="mean squared error")
    console = Console(width=100, file=io.StringIO())
    assert progress.line == "no step yet"
    progress.add(step)
    console.print(progress)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "[bold]x0" in shown
    assert "and 5 more" in shown
    assert "step 1: mean squared error" in shown


def test_the_error_of_batches_is_their_mean_of_late() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    table = {"x": x, "y": rng.normal(size=200)}
    progress = Progress(["x", "intercept"], error_name="mean squared error")
    steps = list(dr.steps(table, predict="y", using="x", batch=1, alpha=1e-9, epochs=1))
    for step in steps[:40]:
        progress.add(step)
    # Up to fifty it is the plain mean.
    assert progress.error == pytest.approx(np.mean([step.error for step in steps[:40]]), rel=1e-9)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([5.0], "▁"),
        ([1.0, 1.0], "▁▁"),
        ([1.0, 10.0, 100.0], "▁▅█"),
        ([0.0, 3.5, 7.0], "▁▅█"),
        ([1.0, float("inf"), 2.0], "▁█"),
    ],
)
def test_a_line_of_bars(values: list[float], line: str) -> None:
    assert sparkline(values, 10) == line


def test_a_line_of_bars_keeps_its_width_and_both_ends() -> None:
    line = sparkline(list(range(1000, 0, -1)), 60)
    assert len(line) == 60
    assert (line[0], line[-1]) == ("█", "▁")
