"""Packed files, gzip and zstd: how they are told, and how much they may unpack to.

A few kilobytes can unpack to terabytes. Tables pack to a third or a thirtieth of their size, so a
file may unpack to `MOST` bytes, or to `RATIO` times its own size where that is more.
"""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltarule.errors import ReadError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
ZIP = b"PK\x03\x04"
# What workbooks have in them: those of Excel, and of OpenDocument.
WORKBOOK = ("[Content_Types].xml", "content.xml")
MOST, RATIO = 1 << 30, 100
# gzip packs a byte into no less than an eighth of a bit over 1,032 of them.
GZIP_RATIO = 1032
# A gzip file up to this size is counted before it is read, which takes 1 s at most where it is a
# table and 2 s where it is refused; a larger one is counted while it is read.
COUNTED_FIRST = 64 << 20
CHUNK = 1 << 20
ZSTD_BLOCK = 128 << 10


def packing_of(path: Path) -> str:
    """How a file is packed, by its content: gzip, zstd or not at all."""
    with path.open("rb") as stream:
        head = stream.read(4)
    return "gzip" if head.startswith(GZIP) else "zstd" if head == ZSTD else ""


def is_zipped(path: Path) -> bool:
    """Whether a file is a zip archive, and no workbook, which is one too."""
    with path.open("rb") as stream:
        if stream.read(len(ZIP)) != ZIP:
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return not any(name in WORKBOOK for name in archive.namelist())
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError):
        return True


@contextmanager
def unpacked(path: Path, name: str) -> Iterator[io.BufferedReader]:
    """The bytes of a file, unpacked if it is gzip.

    Errors:  ReadError for one that cannot be read, is damaged, cut short or unpacks to too much
    """
    try:
        if packing_of(path) != "gzip":
            with path.open("rb") as stream:
                yield stream
            return
        with gzip.open(path) as stream:
            yield io.BufferedReader(_Counted(stream, path, name), CHUNK)
    except EOFError:
        raise ReadError(f"{name} is a gzip file that was cut short: get it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ReadError(f"{name} is a damaged gzip file ({error}): get it again") from None
    except OSError as error:
        raise ReadError(f"{name}: {error.strerror or error}") from error


def check_unpacked(path: Path, name: str) -> None:
    """Refuse a packed file that unpacks to too much, before anything is made of it.

    Errors:  ReadError
    """
    packing, size = packing_of(path), path.stat().st_size
    if packing == "zstd" and most_of_zstd(path, most_of(size)) > most_of(size):
        raise too_much(name, size)
    if packing == "gzip" and MOST / GZIP_RATIO < size <= COUNTED_FIRST:
        with unpacked(path, name) as stream:
            while stream.read(CHUNK):
                pass


def most_of(size: int) -> int:
    """What a packed file of so many bytes may unpack to."""
    return max(MOST, RATIO * size)


class _Counted(io.RawIOBase):
    """An unpacking stream that ends in an error where it gives too much."""

    def __init__(self, stream: gzip.GzipFile, path: Path, name: str) -> None:
        self._stream, self._name = stream, name
        self._size = path.stat().st_size
        self._left = most_of(self._size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._stream.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise too_much(self._name, self._size)
        return count


def too_much(name: str, size: int) -> ReadError:
    """What is said of a packed file of so many bytes that unpacks to too much."""
    return ReadError(
        f"{name} unpacks to more than {most_of(size) >> 20:,} MB, which is over {RATIO} times its "
        "size: if it is what you think it is, unpack it first"
    )


def most_of_zstd(path: Path, enough: int) -> int:
    """The most that a zstd file can unpack to, from the headers of its blocks; stops at `enough`.

    A compressed block says only what it takes, and gives 128 kB at most: nearly all give that.
    Source:  RFC 8878, section 3.1.1
    """
    total = 0
    with path.open("rb") as stream:
        while len(head := stream.read(4)) == 4 and total <= enough:
            if head[1:] == b"\x2a\x4d\x18" and head[0] >> 4 == 5:  # a frame to be skipped
                stream.seek(int.from_bytes(stream.read(4), "little"), 1)
                continue
            told = stream.read(1)
            if head != ZSTD or not told:
                break
            single = told[0] >> 5 & 1
            content = (single, 2, 4, 8)[told[0] >> 6]
            stream.seek(1 - single + (0, 1, 2, 4)[told[0] & 3] + content, 1)
            last = False
            while not last and total <= enough and len(block := stream.read(3)) == 3:
                (header,) = struct.unpack("<I", block + b"\0")
                last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
                total += ZSTD_BLOCK if kind == 2 else size
                stream.seek(1 if kind == 1 else size, 1)
            stream.seek(4 * (told[0] >> 2 & 1), 1)
    return total
