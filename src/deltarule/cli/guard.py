"""Errors around every command: whatever goes wrong ends in one line and an exit code.

0 done, 1 the data or model cannot be used, 2 wrong usage, 3 more drift than --fail-above; 129, 130
and 143 for a closed terminal, Ctrl-C and a request to end, as shells have them.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import typer

from deltarule.errors import (
    DeltaruleError,
    LearningError,
    OutputError,
    printable,
    without_credentials,
)

DEBUG = "DELTARULE_DEBUG"
ISSUES = "the project's issue tracker"
ENDED = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


class Screen:
    """A text stream that shows what is written to it as text, whatever is in it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text, what the stream's encoding has no letter for replaced."""
        text = printable(text)
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        with self._open():
            self.stream.write(text.encode(encoding, "replace").decode(encoding))
        return len(text)

    def write_data(self, text: str) -> None:
        """Write a table as it is, in UTF-8 whatever the terminal's encoding."""
        with self._open():
            binary = getattr(self.stream, "buffer", None)
            if binary is None:
                self.stream.write(text)
            else:
                self.stream.flush()
                binary.write(text.encode())

    def flush(self) -> None:
        """Have out what was written."""
        with self._open():
            self.stream.flush()

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Errors of a stream that takes no more, into which nothing is then flushed again.

        Errors:  OutputError; BrokenPipeError where whoever read has seen enough
        """
        try:
            yield
        except (OSError, ValueError) as error:
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)
            if isinstance(error, BrokenPipeError):
                raise
            raise OutputError(f"cannot write to the screen: {_brief(error)}") from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def terminal() -> Any:
    """stderr as it is, for what moves its cursor on purpose."""
    return getattr(sys.stderr, "stream", sys.stderr)


def print_data(text: str) -> None:
    """Print a table, or a part of one, to stdout."""
    if isinstance(sys.stdout, Screen):
        sys.stdout.write_data(text)
    else:
        print(text, end="")


def guarded(command: Callable[[], object]) -> int:
    """The exit code of a command, once all it printed is out."""

    def flushed() -> object:
        result = command()
        sys.stdout.flush()
        return result

    with _screens(), _signals():
        return _code_of(flushed)


def _code_of(command: Callable[[], object]) -> int:
    try:
        result = command()
    except DeltaruleError as error:
        return _told(str(error), 2 if isinstance(error, LearningError) else 1, error)
    except BrokenPipeError:
        return 0  # all is done, and whoever read what it printed has seen enough
    except KeyboardInterrupt:
        return ENDED["SIGINT"]
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except typer.Abort:
        return ENDED["SIGINT"]
    except BaseException as error:  # noqa: BLE001 - the last net; polars panics are no Exception
        usage = getattr(error, "show", None)
        if usage is not None and hasattr(error, "exit_code"):
            shown = StringIO()
            usage(file=shown)
            return _told(shown.getvalue().rstrip(), int(error.exit_code), named=False)
        return _told(_words(error), 1, error)
    return result if isinstance(result, int) else 0


def _words(error: BaseException) -> str:
    """What went wrong, where it is no error of ours: the machine's limits, or a bug."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, MemoryError):
        return "there is not enough memory for this: use fewer columns, rows or levels"
    if isinstance(error, RecursionError):
        return "this is nested too deeply to be computed: make it simpler"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{_brief(error)}"
    if "LinAlgError" in kinds:
        return (
            "the weights cannot be solved: the columns' numbers are too far apart, or a penalty is "
            f"too large ({_brief(error)})"
        )
    if isinstance(error, UnicodeError):
        return f"some text cannot be written or read: {_brief(error)}"
    what = f"{type(error).__name__}: {_brief(error)}"
    return (
        f"a mistake in deltarule ({what}): please report it on {ISSUES}, with the command and what "
        f"it prints with {DEBUG}=1 set"
    )


def _brief(error: BaseException) -> str:
    said = getattr(error, "strerror", None) or str(error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def _told(
    message: str, code: int = 1, error: BaseException | None = None, *, named: bool = True
) -> int:
    """Say it on stderr."""
    if error is not None and os.environ.get(DEBUG):
        message += "\n" + "".join(traceback.format_exception(error))
    with suppress(OSError, ValueError):
        print(f"{'deltarule: ' * named}{without_credentials(message)}", file=sys.stderr, flush=True)
    return code


@contextmanager
def _screens() -> Iterator[None]:
    """What is printed is shown as text on both streams; where one is closed, nowhere."""
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = (Screen(nowhere if one is None else one) for one in before)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


@contextmanager
def _signals() -> Iterator[None]:
    """Requests to end unwind the stack, so that no temporary file is left behind."""

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # asked twice, end at once
        raise SystemExit(ENDED[signal.Signals(number).name])

    before = {}
    # Only the main thread may set them; whoever ignores one (nohup) has its way.
    with suppress(ValueError):
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
