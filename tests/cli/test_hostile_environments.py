"""Every command in hostile surroundings: one line, an exit code, no traceback, no secrets."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deltarule as dr
from deltarule import cli
from deltarule.cli import guard
from deltarule.errors import DeltaruleError, ReadError, printable, without_credentials

TABLE = "x,c,y\n" + "".join(f"{i},k{i % 3},{i * 2 + i % 5}\n" for i in range(40))
COMMANDS = {
    "learn": ["learn", "t.csv", "--predict=y"],
    "learn --json": ["learn", "t.csv", "--predict=y", "--json"],
    "learn --trace": ["learn", "t.csv", "--predict=y", "--learner=descent", "--steps=3", "--trace"],
    "predict": ["predict", "m.json", "t.csv"],
    "predict --out -": ["predict", "m.json", "t.csv", "--out=-"],
    "compare": ["compare", "m.json", "t.csv"],
    "explain": ["explain", "m.json", "t.csv"],
    "diagnose": ["diagnose", "m.json", "t.csv"],
    "columns": ["columns", "t.csv"],
    "alpha": ["alpha", "t.csv", "--predict=y"],
    "path": ["path", "t.csv", "--predict=y", "--ridge=auto"],
    "show": ["show", "m.json"],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table and its model; we are in it."""
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(TABLE)
    dr.learn("t.csv", predict="y").save("m.json")
    return tmp_path


def main(monkeypatch: pytest.MonkeyPatch, words: list[str], out: Any, **streams: Any) -> int:
    """The exit code of a command that prints to `out`."""
    monkeypatch.setattr(sys, "argv", ["deltarule", *words])
    for name, stream in {"stdout": out, **streams}.items():
        monkeypatch.setattr(sys, name, stream)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


class Full(io.StringIO):
    """A stream to a disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


class Shut(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_streams_that_are_full_shut_closed_or_ascii(
    here: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    for out, codes in ((Full(), {1}), (Shut(), {1}), (None, {0})):
        err = io.StringIO()
        assert main(monkeypatch, words, out, stderr=err) in codes
        assert "Traceback" not in err.getvalue()
        assert err.getvalue().count("\n") <= 2
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    assert main(monkeypatch, words, ascii_only, stderr=io.StringIO()) == 0
    assert main(monkeypatch, words, io.StringIO(), stderr=None) == 0


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (MemoryError(), 1, "not enough memory"),
        (RecursionError(), 1, "nested too deeply"),
        (OSError(28, "No space left on device", "/a/b"), 1, "/a/b: No space left"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), 1, "cannot be written"),
        (ReadError("it is\nbroken"), 1, r"it is\nbroken"),
        (TypeError("a\nb"), 1, "a mistake in deltarule (TypeError: a)"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(3), 3, ""),
        (ReadError("postgres://me:hunter2@host/db"), 1, "postgres://***@host/db"),
        (OSError("password='hunter2 x' host=h"), 1, "password=*** host=h"),
    ],
)
def test_the_net(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, told: str
) -> None:
    def fail() -> None:
        raise error

    assert guard.guarded(fail) == code
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == bool(told)
    assert "hunter2" not in said


def test_a_panic_of_polars_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    import polars as pl

    def fail() -> None:
        raise pl.exceptions.PanicException("called `unwrap()` on a None value")

    assert guard.guarded(fail) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_traceback_is_shown_where_it_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(guard.DEBUG, "1")
    guard.guarded(lambda: {}["gone"])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "postgres://u:hunter2@h/d",
        "postgresql://:hunter2@h",
        "postgres://u:p%40hunter2@h",
        "postgres://u:a/hunter2@h/d",
        "postgres://u:a hunter2@h/d",
        "host=h password=hunter2 user=u",
        "host=h password = 'hunter2 b'",
        "mssql://h;uid=u;pwd=hunter2;x=1",
        "mysql://h/d?password=hunter2&x=1",
        "x?sslpassword=hunter2",
        "password%3Dhunter2",
        "PASSWORD=hunter2",
        "https://h/x?access_key=hunter2",
        "token=hunter2",
    ],
)
def test_no_address_is_repeated_with_its_password(
    run: Callable[..., Any], here: Path, text: str
) -> None:
    assert "hunter2" not in without_credentials(text)
    assert "hunter2" not in str(DeltaruleError(text))
    for words in (["columns", text], ["show", text], ["show", "m.json", text], ["learn", text]):
        ran = run(*words)
        assert ran.code in (1, 2)
        assert "hunter2" not in ran.err + ran.out


@pytest.mark.parametrize("letter", ["\x1b[2J", "\x07", "\x9b", "\u202e", "\u2028", "\r", "\x7f"])
def test_no_name_moves_the_cursor(run: Callable[..., Any], here: Path, letter: str) -> None:
    name = f"a{letter}b"
    Path("odd.csv").write_text(
        TABLE.replace("x,c,y", f'"{name}",c,y').replace("k1", f"k{letter}", 1)
    )
    table = dr.source("odd.csv")
    if letter != "\r":
        dr.learn(table, predict="y").save("odd.json")
        for words in (
            ["columns", "odd.csv"],
            ["show", "odd.json"],
            ["compare", "odd.json", "t.csv"],
        ):
            ran = run(*words)
            assert letter not in ran.out + ran.err
    assert letter not in printable(name)
    assert letter not in run("columns", f"{name}.csv").err


@pytest.mark.parametrize("rows", ["0", "-1", "nan", "99999999999999999999"])
def test_numbers_of_rows_that_are_none(run: Callable[..., Any], here: Path, rows: str) -> None:
    for command in ("predict", "diagnose"):
        ran = run(command, "m.json", "t.csv", f"--rows={rows}")
        assert (ran.code, "--rows" in ran.err) == (2, True)


def test_ends_of_lines_in_an_error_are_escaped(run: Callable[..., Any], here: Path) -> None:
    assert r"no\nsuch" in run("columns", "no\nsuch.csv").refused()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_temporary_file(here: Path, name: str) -> None:
    number = getattr(signal, name)
    code = guard.ENDED[name]
    temporary = here / "tmp"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", "from deltarule.cli import main; main()", "columns", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(TABLE.encode())
        child.stdin.flush()
        deadline = time.monotonic() + 60
        # It copies what comes in, and waits for more. Before, Python itself looks, by a file that
        # it removes at once, where temporary files may be; and it hears a signal that comes just
        # before it waits only when more has come, so it must have waited for a while.
        waiting = 0
        while waiting < 10:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            state = Path(f"/proc/{child.pid}/stat").read_text().rpartition(") ")[2][0]
            copying = any(temporary.glob("deltarule-*"))
            waiting = waiting + 1 if copying and state == "S" else 0
        child.send_signal(number)
        assert child.wait(60) == code
        assert child.stderr.read() == b""
        assert list(temporary.iterdir()) == []
