"""Output files: written whole or not at all, and never over what is being read."""

import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from deltarule.errors import OutputError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary file beside `path`, then put it in its place.

    A link stays and what it leads to is replaced; a file keeps its mode.
    Errors:  OutputError; then nothing is left behind
    """
    check_writable(path)
    temporary: Path | None = None
    try:
        place = path.resolve()
        handle, name = tempfile.mkstemp(
            dir=place.parent, prefix=".deltarule-", suffix=place.suffix[:16]
        )
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        # The mode first: it must be right at the moment that the file is there.
        temporary.chmod(_mode(place))
        _synchronise(temporary)
        temporary.replace(place)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Refuse a place where no file can be put.

    Errors:  OutputError for a folder, a device or pipe, a file that is read-only, a folder that is
             not there
    """
    try:
        place = path.resolve()  # a loop of links is an error of its own kind
        if place.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder")
        # Of the path itself: a pipe that /dev/stdout leads to has no name of its own.
        if path.exists():
            if not stat.S_ISREG(path.stat().st_mode):
                raise OutputError(f"cannot write {path}: it is a device or pipe, not a file")
            if not os.access(place, os.W_OK):
                raise OutputError(f"cannot write {path}: it is read-only")
        elif not place.parent.is_dir():
            raise OutputError(f"cannot write {path}: there is no folder {path.parent}")
    except (OSError, RuntimeError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write {path}: {said}") from error


def check_outputs(outputs: Mapping[str, Path | None], inputs: Iterable[Path]) -> None:
    """Refuse outputs over a file that is read, two of them in one place, and unwritable ones.

    `outputs` are named by their options; None is an output that is not wanted.
    Errors:  OutputError
    """
    read = list(inputs)
    wanted = {option: path for option, path in outputs.items() if path is not None}
    for at, (option, path) in enumerate(wanted.items()):
        if path == Path():
            raise OutputError(
                f"cannot write {option}: it names this folder (.), no file: give it a name"
            )
        if path == Path("-"):
            raise OutputError(f"{option} - names no file: it is written whole, to a file")
        if any(same_file(path, one) for one in read):
            raise OutputError(f"{option} {path} would replace a file that is read: name another")
        for before in list(wanted)[:at]:
            if same_file(path, wanted[before]):
                raise OutputError(f"{before} and {option} are both {path}: name two files")
        check_writable(path)


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by whatever links, also where it is not there yet."""
    with suppress(OSError, ValueError, RuntimeError):
        return one.samefile(other)
    with suppress(OSError, ValueError, RuntimeError):
        return one.resolve() == other.resolve()
    return False


def _mode(place: Path) -> int:
    """The mode of the file that is replaced, or that of any new file."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(place.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask  # mkstemp's files are for the owner alone


def _synchronise(path: Path) -> None:
    """Have the content on the disk before the name leads to it."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
