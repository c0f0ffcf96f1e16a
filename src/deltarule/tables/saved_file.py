"""Files that deltarule saved: of a bounded size, the binary ones with a version and a checksum.

8 bytes      what the file is
u32          version
fields       of the kind of file
body
32 bytes     SHA-256 of all before
"""

import hashlib
import os
import stat
import struct
from pathlib import Path
from typing import Any

from deltarule.dataclass import dataclass
from deltarule.errors import DeltaruleError, ModelError, NotAModelError, VersionError

CHECKSUM = hashlib.sha256().digest_size


def path_of(value: object, error: type[DeltaruleError]) -> Path:
    """The path of a file, from text or a path.

    Errors:  the given one for anything else
    """
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(path, str) and path:
        return Path(path)
    from deltarule.argument_values import told  # what has a path does without it

    raise error(f"{told(value)} is no path: give a file's path as text")


@dataclass(frozen=True)
class SealedFile:
    """A kind of binary file: how it begins, and what it is in words."""

    start: struct.Struct
    magic: bytes
    version: int
    what: str

    def sealed(self, *parts: bytes, fields: tuple[int, ...] = ()) -> bytes:
        """The bytes of a file with this body."""
        whole = b"".join([self.start.pack(self.magic, self.version, *fields), *parts])
        return whole + hashlib.sha256(whole).digest()

    def opened(
        self, raw: bytes, *, name: str, largest: int | None = None
    ) -> tuple[tuple[Any, ...], memoryview]:
        """The fields and the body of a file, of this name in messages.

        Errors:  NotAModelError, VersionError
        """
        if len(raw) < self.start.size + CHECKSUM or not raw.startswith(self.magic):
            raise NotAModelError(f"{name} is not a deltarule {self.what}")
        if largest is not None and len(raw) > largest:
            what = self.what.partition(":")[0]
            raise NotAModelError(
                f"{name} is too large to be a {what}: at most {largest >> 20:,} MB"
            )
        _, version, *fields = self.start.unpack_from(raw)
        if version > self.version:
            raise VersionError(
                f"{name} has version {version}, this deltarule reads up to {self.version}: "
                "update deltarule"
            )
        whole = memoryview(raw)[:-CHECKSUM]
        if hashlib.sha256(whole).digest() != raw[-CHECKSUM:]:
            raise damaged(name, "it was cut short or changed")
        return tuple(fields), whole[self.start.size :]


def damaged(name: str, why: str) -> NotAModelError:
    """The error for a file whose content cannot be what was saved."""
    return NotAModelError(f"{name} is damaged: {why}; learn it again")


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
