"""The bytes of a file that deltarule saved: a regular file of a bounded size."""

import stat
from pathlib import Path

from deltarule.errors import ModelError, NotAModelError


def saved_bytes(path: Path, *, what: str, largest: int) -> bytes:
    """The bytes of a file, which is `what` it should be in words; unread above the size cap.

    Errors:  NotAModelError, ModelError for one that is not there
    """
    try:
        kind = path.stat()
        if stat.S_ISDIR(kind.st_mode):
            raise NotAModelError(f"{path} is a folder: give a {what} file")
        if not stat.S_ISREG(kind.st_mode):
            raise NotAModelError(f"{path} is a pipe or device: give a {what} file")
        if kind.st_size > largest:
            raise NotAModelError(
                f"{path} is too large to be a {what} file: at most {largest >> 20:,} MB"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"no such {what} file: {path}") from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ModelError(f"{path}: {error}") from None
