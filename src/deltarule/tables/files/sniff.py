"""The format of a file: by what is in it where that is certain, else by its name."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

from deltarule.errors import EmptyError, ReadError
from deltarule.tables.files.encoding import Text, open_text
from deltarule.tables.files.packed import ZIP, is_zipped, packing_of

# The formats, as people name them, with the endings of their files.
FORMATS = {
    "csv": (".csv", ".txt"),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather", ".ipc"),
    "ndjson": (".ndjson", ".jsonl"),
    "json": (".json",),
    "excel": (".xlsx", ".xls", ".xlsm", ".xlsb"),
}
ENDINGS = {ending: form for form, endings in FORMATS.items() for ending in endings}
BINARY = ("parquet", "arrow", "excel")
PACKED = (".gz", ".zst", ".zstd")
# What files begin with, whatever they are called.
MAGIC = (
    (b"PAR1\x15", "parquet"),  # a column may be called PAR1
    (b"ARROW1\0\0", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
    (ZIP, "excel"),
    (b"\xd0\xcf\x11\xe0", "excel"),
)
FOREIGN = (
    (rb"SQLite format 3\0", "an SQLite database: give it as sqlite:///{name}"),
    (rb"%PDF-", "a PDF: save its table as CSV"),
    (rb"FEA1\0", "a Feather file of version 1: write it again as version 2"),
    (rb"BZh\d1AY", "packed by bzip2: unpack it first"),
    (rb"\xfd7zXZ", "packed by xz: unpack it first"),
)
# Text that is no table, and what it is in words; some programs give it the name of a workbook.
MARKUP = re.compile(
    rb"(?i)\s*(<!--.*?-->\s*)*<"
    rb"(!doctype html|(html|head|body|meta|table|div|p)[\s>]|(?P<xml>\?xml|[\w:]+ xmlns))"
)
# How JSON begins, and no table of delimited text.
RECORDS = re.compile(rb'\s*(\[\s*)?\{\s*"(?:[^"\\]|\\.)*"\s*:')
STANDARD_INPUT = "standard input"
# Enough of a file to tell what it is.
HEAD = 256


def promised_by(path: Path) -> str | None:
    """The format that a file's name promises."""
    name = path.name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    return ENDINGS.get(Path(name).suffix)


def text_of(path: Path, name: str, how: Mapping[str, str], *, bare: bool) -> Text:
    """A text file in the encoding that was said, or found; `bare` wants no mark in it.

    Errors:  EmptyError, ReadError
    """
    try:
        return open_text(path, name, how.get("encoding"), bare=bare)
    except OSError as error:
        raise ReadError(f"{name}: {error.strerror or error}") from error


def format_of(path: Path, name: str, how: Mapping[str, str]) -> tuple[str, list[str]]:
    """The format of a file: by what is in it where that is certain, else by its name.

    Errors:  EmptyError, ReadError for what is no file or of no known format
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ReadError(f"{name} is a pipe or device: give a file, or - for standard input")
        with path.open("rb") as stream:
            head = stream.read(HEAD)
        if not head:
            raise EmptyError(f"{name} is empty")
        packing = packing_of(path)
    except OSError as error:
        raise ReadError(f"{name}: {error.strerror or error}") from error
    letters = head.lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\0", b"")
    for magic, what in FOREIGN:
        if re.match(magic, head):
            raise ReadError(f"{name} is {what.format(name=name)}")
    named, spooled = how.get("format"), name == STANDARD_INPUT
    promised = named or (None if spooled else promised_by(path))
    if promised != "excel" and is_zipped(path):
        raise ReadError(f"{name} is a zip archive: unpack it first")
    certain = next((form for magic, form in MAGIC if head.startswith(magic)), None)
    if certain:
        if named not in (None, certain):
            raise ReadError(f"{name} is no {named} file: it begins as {certain} files do")
        if spooled or promised in (None, certain):
            return certain, []
        said = f"its name ends in {path.suffix}, but it is a file of {certain} and read as one"
        return certain, [said]
    if not packing and (found := MARKUP.match(letters)):
        what = "XML" if found["xml"] else "a web page (HTML)"
        raise ReadError(
            f"{name} is {what}, not a table: open it in a spreadsheet and save it as .xlsx or CSV"
        )
    if promised in BINARY and not head.startswith(b"PAR1"):
        hint = "unpack it first" if packing else "is it damaged, or text that ends in .csv?"
        raise ReadError(
            f"{name} is no {promised} file: it begins with {head[:8].decode('latin-1')!r}: {hint}"
        )
    if promised is None and not spooled:
        raise ReadError(
            f"{name}: cannot tell what it is from its name: it should end in "
            f"{', '.join(ENDINGS)}; or say format=csv"
        )
    if promised in (None, "json", "ndjson"):
        return _json_of(text_of(path, name, how, bare=False), promised) or "csv", []
    if not named and promised in ("csv", "tsv") and RECORDS.match(letters):
        form = _json_of(text_of(path, name, how, bare=False), None) or promised
        return form, [f"its name ends in {path.suffix}, but it is JSON and read as such"]
    return promised or "csv", []


def _json_of(text: Text, promised: str | None) -> str | None:
    """Which JSON a text is, or what was promised where it is none."""
    opening = text.start.lstrip()[:1]
    if opening == "[":
        return "json"
    if opening == "{":
        from deltarule.tables.files.json_source import is_lines

        return "ndjson" if promised == "ndjson" or is_lines(text) else "json"
    return promised
