"""Text files in any encoding, packed or not: what their bytes mean, and where polars can scan them.

Polars scans UTF-8, also in gzip, in a stream. Whatever it cannot scan as it stands is copied, in a
stream, to a temporary file of UTF-8 that goes when nobody needs it any more.
"""

import codecs
import os
import re
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import field
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.errors import EmptyError, ReadError
from deltarule.tables.files.packed import CHUNK, check_unpacked, most_of_zstd, packing_of, unpacked
from deltarule.tables.polars_source import PROBLEMS

PACKINGS = {"": "", "gzip": ", gzip", "zstd": ", zstd"}

# The sample that encodings and dialects are found in: this much, or 20 lines where lines are long.
SAMPLE_BYTES, SAMPLE_LINES, SAMPLE_MOST = 1 << 16, 20, 1 << 20
# A first line longer than this is no line of a table.
LONGEST_LINE = 1 << 24
# What a packed file promises of its size may be wrong by a thousand times: it is counted, so far.
COUNTED = 65 << 20

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with BOM"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
# What tables are written in besides UTF-8. The rarer an encoding, the likelier a guess at it is
# wrong: of 30 short tables chardet read 28 right so, 24 with all that it knows.
# fmt: off
GUESSED = (
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258",
    "cp437", "cp850", "cp866", "cp874", "cp932", "cp949", "big5hkscs", "gb18030",
    "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-15", "koi8-r", "koi8-u",
    "mac-roman",
)
# fmt: on
# The most common of them is taken where chardet has seen too few letters to know, or finds it
# nearly as likely as what it finds likeliest.
COMMON, UNSURE, NEARLY = "cp1252", 0.02, 0.8

# How a JSON document begins in any encoding.
JSON = re.compile(rb"[\x00\xef\xbb\xbf\xff\xfe\s]*[\[{]")
CONTROLS = re.compile(r"[\x01-\x08\x0b\x0e-\x19\x1b-\x1f]")

# Letters that polars takes for the header of a zlib stream, in which no table comes.
LIKE_ZLIB = "x^"

# A block of text is parsed at a time; a row longer than so many bytes is none.
BLOCK = 4 << 20
LONGEST_ROW = 64 << 20


@dataclass(frozen=True)
class Text:
    """A text file: where it can be scanned as UTF-8, what was understood, and how it begins."""

    path: Path
    """UTF-8, perhaps in gzip: the file itself or a temporary copy."""
    name: str
    """What messages call it."""
    start: str
    """How it begins, without a byte order mark."""
    whole: bool
    """Whether `start` is all of it."""
    said: str
    """Its encoding and packing in words."""
    notes: list[str] = field(default_factory=list)

    @cached_property
    def size(self) -> int:
        """How many bytes it is, unpacked; of a packed file no more are counted than `COUNTED`."""
        if packing_of(self.path) != "gzip":
            return self.path.stat().st_size
        size = 0
        with unpacked(self.path, self.name) as stream:
            while size < COUNTED and (chunk := stream.read(CHUNK)):
                size += len(chunk)
        return size

    def lines(self) -> Iterator[str]:
        """All its lines, for those who look for the wrong one.

        Errors:  ReadError for bytes that are not UTF-8 and for NUL, with their place, and for a
                 line that is too long to be one
        """
        at = 0
        with unpacked(self.path, self.name) as stream:
            for number, line in enumerate(iter(partial(stream.readline, LONGEST_ROW), b""), 1):
                if len(line) == LONGEST_ROW:
                    del line  # a traceback would hold it
                    raise ReadError(
                        f"{self.name}, line {number:,} has no end in {LONGEST_ROW >> 20} MB: no "
                        "row of a table is so long; is the file damaged?"
                    )
                try:
                    text = line.decode()
                except UnicodeDecodeError as error:
                    raise _stray(self.name, "UTF-8", at + error.start, number) from None
                if "\0" in text:
                    raise _nul(self.name, at + line.index(0), number)
                at += len(line)
                yield text.removeprefix("\ufeff") if number == 1 else text


def open_text(path: Path, name: str, encoding: str | None = None, *, bare: bool = False) -> Text:
    """A text file whose encoding is found out unless it is named; `bare` wants no mark in it.

    Errors:  EmptyError, ReadError for what is no text, is damaged or is not in that encoding
    """
    packing = packing_of(path)
    check_unpacked(path, name)
    made = path
    if packing == "zstd":
        made = temporary()
        _unzstd(path, made, name)
    try:
        with unpacked(made, name) as stream:
            sample, whole = _sample(stream, name)
        _check_tail(made, sample, name)
        codec, said = _named(encoding) if encoding else _found(sample, name, whole=whole)
        start = _decoded(codec, sample, name, whole=whole)
        if not start.strip():
            raise EmptyError(f"{name} is empty")
        # Lines that end as they did on Macs once; polars does not know them.
        old = "\r" in start and "\n" not in start
        like_zlib = start.startswith(LIKE_ZLIB) and packing_of(made) != "gzip"
        if (
            old
            or like_zlib
            or codec not in ("utf-8", "utf-8-sig")
            or (bare and codec == "utf-8-sig")
        ):
            utf8 = _copied(made, codec, name, old=old, marked=like_zlib)
            _unlink(made, unless=path)
            made = utf8
    except BaseException:
        _unlink(made, unless=path)
        raise
    notes = []
    if encoding is None and not said.startswith("UTF"):
        notes.append(
            f"its bytes are not UTF-8: read as {said}; if letters look wrong, name what it is, "
            "such as encoding=latin-1"
        )
    start = start.replace("\r", "\n") if old else start
    text = Text(made, name, start, whole, said + PACKINGS[packing], notes)
    if made != path:
        weakref.finalize(text, made.unlink, missing_ok=True)
    return text


def blocks(text: Text, quote: str | None) -> Iterator[bytes]:
    """Its bytes in blocks that end where a row does: at a line's end, outside quotes.

    Errors:  ReadError where no row ends in many blocks
    """
    mark = quote.encode() if quote else None
    # One buffer for all reads: fresh memory for each took as long as reading.
    buffer = bytearray(BLOCK)
    with unpacked(text.path, text.name) as stream:
        rest, quoted = bytearray(), False
        while size := stream.readinto(buffer):
            more = buffer if size == len(buffer) else buffer[:size]
            cut = _row_end(more, mark, quoted=quoted)
            if cut:
                # One copy: a megabyte takes 0.1 ms.
                yield _as_text(b"".join([rest, memoryview(more)[:cut]]))
                rest = more[cut:]
                quoted = mark is not None and rest.count(mark) % 2 == 1
                continue
            quoted ^= mark is not None and more.count(mark) % 2 == 1
            rest += more
            if len(rest) > LONGEST_ROW:
                rest.clear()
                if not quoted:
                    for _ in text.lines():
                        pass  # the line without end is refused there, by its number
                raise ReadError(
                    f"{text.name} has no end of a row in {LONGEST_ROW >> 20} MB: is a quote not "
                    "closed? Where quotes quote nothing, say quote=none"
                )
        if rest:
            yield _as_text(bytes(rest))


def _as_text(block: bytes) -> bytes:
    """A block that polars takes for text, whatever letters it begins with."""
    return codecs.BOM_UTF8 + block if block.startswith(LIKE_ZLIB.encode()) else block


def _row_end(block: bytes | bytearray, mark: bytes | None, *, quoted: bool = False) -> int:
    """Where the last row ends that has rows on both sides, blank ones not counted; 0 if none.

    `quoted` says whether the block begins within quotes. Each quote is counted once: a count for
    each end of a line within a quote that is never closed took minutes a block.
    """
    inside = quoted ^ (mark is not None and block.count(mark) % 2 == 1)
    at = len(block)
    while True:
        if inside and mark is not None:  # no row ends before the quote that opens this one
            if (at := block.rfind(mark, 0, at)) < 0:
                return 0
            inside = False
        end = at
        if (at := block.rfind(b"\n", 0, end)) <= 0:
            return 0
        if mark is not None and block.count(mark, at, end) % 2:
            inside = True
            continue
        blank = block[at - 1 : at] in (b"\n", b"") or block[at + 1 : at + 2] in (b"\n", b"\r", b"")
        if not blank:
            return at + 1


def _sample(stream: IO[bytes], name: str) -> tuple[bytes, bool]:
    """The first bytes, and whether they are all."""
    size = SAMPLE_BYTES
    sample = stream.read(size)
    while len(sample) == size and (
        (sample.count(b"\n") < SAMPLE_LINES and size < SAMPLE_MOST) or not _has_line(sample)
    ):
        if size >= SAMPLE_MOST and JSON.match(sample):
            break  # all of a document may be on one line
        if size >= LONGEST_LINE:
            raise ReadError(
                f"{name}, line 1 is longer than {LONGEST_LINE >> 20} MB: that is no table's header"
            )
        sample += stream.read(size)
        size *= 2
    return sample, len(sample) < size


def _check_tail(path: Path, sample: bytes, name: str) -> None:
    """Refuse a file whose end was never written: it is full of NUL after a crash."""
    size = path.stat().st_size
    if 0 in sample or packing_of(path) or not size:
        return  # UTF-16, which its own decoder checks, or a stream that knows its end
    with path.open("rb") as stream:
        stream.seek(-min(size, 4096), os.SEEK_END)
        tail = stream.read()
    if tail.endswith(b"\0"):
        at = size - len(tail) + len(tail.rstrip(b"\0"))
        raise ReadError(
            f"{name} is NUL from byte {at + 1} or before to its end: its end was never written"
        )


def _has_line(sample: bytes) -> bool:
    return b"\n" in sample or b"\r" in sample


def _named(encoding: str) -> tuple[str, str]:
    try:
        codec = codecs.lookup(encoding).name
        "".encode(codec)
    except (LookupError, UnicodeError, ValueError):
        raise ReadError(
            f"encoding={encoding} is unknown: name one such as utf-8, utf-16, latin-1 or cp1252"
        ) from None
    # Whoever says UTF-8 does not think of its mark.
    return ("utf-8-sig", "UTF-8") if codec == "utf-8" else (codec, codec)


def _found(sample: bytes, name: str, *, whole: bool) -> tuple[str, str]:
    """The codec of a text and what people call it."""
    for mark, codec, said in MARKS:
        if sample.startswith(mark):
            return codec, said
    half = len(sample) // 2
    for start, codec, said in ((1, "utf-16-le", "UTF-16"), (0, "utf-16-be", "UTF-16")):
        # Separators, digits and line ends have a zero byte each in UTF-16, always on the same side.
        zeros, others = sample[start::2].count(0), sample[1 - start :: 2].count(0)
        if zeros > max(2, 0.1 * half, 10 * others):
            return codec, f"{said} without BOM"
    if (at := sample.find(0)) >= 0:
        raise _nul(name, at, sample.count(b"\n", 0, at) + 1)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=whole)
    except UnicodeDecodeError as error:
        text = sample.decode(errors="replace")
        wrong = text.count("\ufffd")
        # Other encodings hardly ever happen to be UTF-8: among such letters a byte has strayed.
        if sum(letter > "\x7f" for letter in text) - wrong >= wrong:
            line = sample.count(b"\n", 0, error.start) + 1
            raise _stray(name, "UTF-8", error.start, line) from None
        return _guessed(sample)
    return "utf-8", "UTF-8"


def _guessed(sample: bytes) -> tuple[str, str]:
    import chardet  # a tenth of a second, for those who need it

    telling = b"\n".join(line for line in sample.split(b"\n") if not line.isascii())
    found = {
        str(one["encoding"]): one["confidence"]
        for one in chardet.detect_all(
            telling, ignore_threshold=True, include_encodings=GUESSED, compat_names=False
        )
    }
    found.pop("None", None)  # what chardet takes for no text is left to the checks of text
    codec = max(found, key=lambda one: found[one], default=COMMON)
    # Nobody writes the sign that stands there for Euro's in iso8859-15.
    common = COMMON in found and b"\xa4" not in telling
    if found.get(codec, 0) < UNSURE or (common and found[COMMON] >= NEARLY * found[codec]):
        codec = COMMON
    return codec, codec


def _decoded(codec: str, sample: bytes, name: str, *, whole: bool) -> str:
    try:
        text = codecs.getincrementaldecoder(codec)().decode(sample, final=whole)
    except UnicodeDecodeError as error:
        line = sample.count(b"\n", 0, error.start) + 1
        raise _stray(name, codec, error.start, line) from None
    text = text.removeprefix("\ufeff")
    if (at := text.find("\0")) >= 0:
        raise _nul(name, len(text[:at].encode(codec)), text.count("\n", 0, at) + 1)
    # Tabs and line ends apart, text has no control characters; a few may have strayed into it.
    if len(CONTROLS.findall(text)) > max(10, 0.01 * len(text)):
        raise ReadError(f"{name} is no text: it is full of control characters; is it a table?")
    return text


def _copied(path: Path, codec: str, name: str, *, old: bool, marked: bool = False) -> Path:
    """A copy in UTF-8, written piece by piece: nothing is ever in memory whole.

    It is `marked` as UTF-8 where polars would take it for a packed file.
    """
    decoder = codecs.getincrementaldecoder(codec)()
    copy = temporary()
    try:
        done, lines = 0, 1
        with unpacked(path, name) as stream, copy.open("wb") as out:
            out.write(codecs.BOM_UTF8 if marked else b"")
            while True:
                chunk = stream.read(CHUNK)
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    at = done + len(chunk) - len(error.object) + error.start
                    before = error.object[: error.start].count(b"\n")
                    raise _stray(name, codec, at, lines + before) from None
                if done == 0:
                    text = text.removeprefix("\ufeff")
                out.write((text.replace("\r", "\n") if old else text).encode("utf-8", "replace"))
                done, lines = done + len(chunk), lines + text.count("\n")
                if not chunk:
                    return copy
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def _unzstd(path: Path, place: Path, name: str) -> None:
    """Unpacks in a stream: by pyarrow where lines may be long, else by polars, which has zstd too.

    polars holds a line four times; a file that unpacks to no more than a row may have is safe.
    """
    safe = most_of_zstd(path, LONGEST_ROW) <= LONGEST_ROW
    try:
        if safe or find_spec("pyarrow") is None:
            lines = pl.scan_lines(path, glob=False)
            lines.sink_csv(place, include_header=False, quote_style="never")
            return
        import pyarrow as pa

        packed = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        with packed, place.open("wb") as out:
            while chunk := packed.read(CHUNK):
                out.write(chunk)
    except PROBLEMS as error:
        place.unlink(missing_ok=True)
        why = str(error).splitlines()[0]
        hint = "unpack it first" if "utf" in why.lower() else "get it again"
        raise ReadError(f"{name} is a zstd file that cannot be read ({why}): {hint}") from error


def temporary(ending: str = "") -> Path:
    """A temporary file, empty."""
    handle, place = tempfile.mkstemp(prefix="deltarule-", suffix=ending)
    os.close(handle)
    return Path(place)


def _unlink(place: Path, *, unless: Path) -> None:
    if place != unless:
        place.unlink(missing_ok=True)


def _stray(name: str, codec: str, at: int, line: int) -> ReadError:
    return ReadError(
        f"{name}, line {line}: byte {at + 1} of the file is not {codec} text: fix it, "
        "or name the file's encoding, such as encoding=latin-1"
    )


def _nul(name: str, at: int, line: int) -> ReadError:
    return ReadError(
        f"{name}, line {line}: byte {at + 1} of the file is NUL, which no text in UTF-8 has: "
        "is it damaged, or no text at all?"
    )
