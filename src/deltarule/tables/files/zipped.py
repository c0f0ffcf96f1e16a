"""Zip archives with one table in them: it is unpacked to a temporary file, within bounds."""

import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from deltarule.dataclass import dataclass
from deltarule.errors import ReadError
from deltarule.tables.files.encoding import temporary
from deltarule.tables.files.packed import CHUNK, most_of, too_much
from deltarule.tables.files.sniff import promised_by

NAMES_SHOWN = 3


@dataclass(frozen=True)
class Unzipped:
    """The table of an archive in a file of its own, and a note on what it was called there."""

    path: Path
    note: str


def unzipped(path: Path, name: str) -> Unzipped:
    """The one table in a zip archive.

    Errors:  ReadError where it has no table or several, has a password, is damaged, or unpacks to
             too much
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if _is_file(one)]
            member = _table(members, name)
            return Unzipped(_unpacked(archive, member, path, name), _note(member, members, name))
    except RuntimeError as error:  # zipfile's word for a password, and for a method not known
        known = not isinstance(error, NotImplementedError)
        why = "has a password" if known else "is packed in a way that is not known here"
        raise ReadError(f"{name} {why}: unpack it first") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise ReadError(f"{name} is a damaged zip archive ({error}): get it again") from None
    except OSError as error:
        raise ReadError(f"{name}: {error.strerror or error}") from error


def _is_file(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a file that people put there, rather than one of their system's."""
    parts = Path(member.filename).parts
    return not member.is_dir() and not any(one.startswith((".", "__MACOSX")) for one in parts)


def _table(members: Sequence[zipfile.ZipInfo], name: str) -> zipfile.ZipInfo:
    """The only member that is a table by its name; text beside another table is a remark on it."""
    tables = [one for one in members if promised_by(Path(one.filename))]
    found = [one for one in tables if not one.filename.lower().endswith(".txt")] or tables
    if len(found) == 1:
        return found[0]
    told = [one.filename for one in found or members]
    shown = ", ".join(told[:NAMES_SHOWN]) + (", ..." if len(told) > NAMES_SHOWN else "")
    holds = f"{len(found)} tables ({shown})" if found else f"no table ({shown or 'it is empty'})"
    todo = "unpack it, and give one of them" if found else "unpack it first"
    raise ReadError(f"{name} is a zip archive with {holds}: {todo}")


def _note(member: zipfile.ZipInfo, members: Sequence[zipfile.ZipInfo], name: str) -> str:
    others = len(members) - 1
    beside = f", not the {others} other file{'s' if others > 1 else ''} in it" if others else ""
    return f"{name} is a zip archive: {member.filename} is read{beside}"


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, name: str) -> Path:
    """A member in a temporary file of the same ending."""
    size = path.stat().st_size
    left = most_of(size)
    if member.file_size > left:
        raise too_much(name, size)
    endings = "".join(Path(member.filename).suffixes[-2:]).lower()
    place = temporary(re.sub(r"[^a-z.]", "", endings))
    try:
        with archive.open(member) as stream, place.open("wb") as out:
            while chunk := stream.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise too_much(name, size)
                out.write(chunk)
    except BaseException:
        place.unlink(missing_ok=True)
        raise
    return place
