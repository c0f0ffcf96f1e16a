"""Files that unpack or spread to far more than they are: refused, or read in little memory."""

import gzip
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import deltarule as dr
from deltarule.errors import ReadError
from deltarule.tables.files import csv_lines, csv_source, encoding, excel, json_records
from deltarule.tables.files import json_source as records


def workbook(path: Path, cells: str, *, more: int = 0) -> Path:
    """A workbook whose one sheet has these cells, and so many bytes of nothing beside it."""
    space = "http://schemas.openxmlformats.org"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{space}/package/2006/content-types"/>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{space}/spreadsheetml/2006/main">'
        f"<sheetData>{cells}</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in parts.items():
            book.writestr(name, text)
        if more:
            book.writestr("xl/media/nothing", b"\0" * more)
    return path


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="XFD1048576"><v>1</v></c>',
        '<c s="1" t="n" r="ZZZ1048576"><v>1</v></c>',
        '<c r="A1048576"><v>1</v></c><c r="XFD1"><v>1</v></c>',
        '<c r="A1"><v>1</v></c>' * 90_000 + '<c r="XFD1048576"><v>1</v></c>',
        "<c r='XFD1048576'><v>1</v></c>",
        '<c r = "XFD1048576"><v>1</v></c>',
        '<c r="xfd00001048576"><v>1</v></c>',
        '<c r="XFD1"><v>1</v></c></row><row r="1048576"><c><v>1</v></c>',
    ],
)
def test_a_cell_far_out_is_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(ReadError, match="far out"):
        dr.columns(workbook(tmp_path / "far.xlsx", f'<row r="1">{cell}</row>'))


def test_a_sheet_may_be_any_part(tmp_path: Path) -> None:
    path = tmp_path / "far.xlsx"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/other/one.XML", '<c r="XFD1048576"><v>1</v></c>')
    with pytest.raises(ReadError, match="far out"):
        dr.columns(path)


def piece(kind: int, content: bytes = b"") -> bytes:
    """A record of a binary workbook: its kind and size in 7 bits a byte."""
    head = [kind] if kind < 128 else [kind & 127 | 128, kind >> 7]
    return bytes([*head, len(content) & 127 | 128, len(content) >> 7]) + content


def binary_sheet(path: Path, row: int, column: int) -> Path:
    """A binary sheet with a cell there, both counted from 0; then a part that is no sheet."""
    places = [(0, 0), (row, 1), (3, column)]
    cells = [
        piece(0, at.to_bytes(4, "little") + bytes(200))
        + piece(5, to.to_bytes(4, "little") + bytes(12))
        for at, to in places
    ]
    with zipfile.ZipFile(path, "w") as book:
        sheet = piece(129) + piece(145) + b"".join(cells) + piece(146)
        book.writestr("xl/worksheets/sheet1.bin", sheet)
        book.writestr("xl/printerSettings/settings1.bin", bytes([0, 4, 255, 255, 255, 255]) * 9)
    return path


@pytest.mark.parametrize(("row", "column"), [(1048575, 16383), (9999, 5000), (3051, 16383)])
def test_a_cell_far_out_in_a_binary_sheet_is_refused(tmp_path: Path, row: int, column: int) -> None:
    with pytest.raises(ReadError, match="far out") as found:
        dr.columns(binary_sheet(tmp_path / "far.xlsb", row, column))
    assert f"row {row + 1:,} and one in column {column + 1:,}" in str(found.value)


def test_a_binary_sheet_within_the_limit_is_left_to_its_reader(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="cannot be read"):
        dr.columns(binary_sheet(tmp_path / "near.xlsb", 3050, 16383))


def test_a_cell_on_the_seam_of_two_reads_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workbook(tmp_path / "far.xlsx", '<row r="1"><c r="XFD1048576"><v>1</v></c></row>')
    for size in range(20, 60):
        monkeypatch.setattr(excel, "CHUNK", size)
        with pytest.raises(ReadError, match="far out"):
            dr.columns(path)


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel, "LARGEST_BOOK", 1 << 20)
    with pytest.raises(ReadError, match="unpacks to more than 1 MB"):
        dr.columns(workbook(tmp_path / "bomb.xlsx", "", more=2 << 20))


def test_an_object_of_columns_is_unpacked_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "LARGEST_DOCUMENT", 1 << 20)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b'{"x": [1,' + b" " * (2 << 20) + b"2]}"))
    with pytest.raises(ReadError, match="more than 1 MB in one document"):
        dr.columns(path)
    path.write_bytes(gzip.compress(b'[{"x": 1},' + b" " * (2 << 20) + b'{"x": 2}]'))
    assert dr.columns(path)


def test_a_record_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "LONGEST_ROW", 1 << 20)
    monkeypatch.setattr(json_records, "BLOCK", 1 << 18)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b'[{"x": 1},' + b'{"x": "' + b"z" * (2 << 20)))
    with pytest.raises(ReadError, match="record 2 is longer than 1 MB"):
        dr.columns(path)


def test_what_a_packed_file_holds_is_counted(tmp_path: Path) -> None:
    """All of it in one line, as of one row: it takes 1/1000 packed."""
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"x,y\n" + b"1,2\n" * (24 << 20)))
    assert encoding.open_text(path, "bomb").size >= encoding.COUNTED > path.stat().st_size * 100


@pytest.mark.parametrize("text", ['[{"x": %s1%s}]', '{"x": %s1%s}\n{"x": 2}\n', "%s1%s"])
@pytest.mark.parametrize("ending", ["json", "ndjson"])
def test_nested_too_deeply(tmp_path: Path, text: str, ending: str) -> None:
    path = tmp_path / f"deep.{ending}"
    path.write_text(text % ("[" * 100_000, "]" * 100_000))
    with pytest.raises(ReadError):
        dr.columns(path)


ROWS = b"x,y\n" + b"".join(b"%d,%d\n" % (at % 97, at % 5) for at in range(12_000))
RECORDS = b"".join(b'{"x":%d,"y":%d}\n' % (at % 97, at % 5) for at in range(12_000))
NO_END = {
    "cell.csv": (ROWS + b"1,", b"1", "line 12,002 has no end in 1 MB"),
    "cells.csv": (ROWS + b"1", b",1", "line 12,002 has no end in 1 MB"),
    "first.csv": (b"x,y\n1,", b"1", "line 2 has no end in 1 MB"),
    "quote.csv": (ROWS + b'1,"', b"1,2\n", "line 12001.*quote not closed"),
    "quote of ends.csv": (ROWS + b'1,"', b"\n", "line 12001.*quote not closed"),
    "header.csv": (b"x,y", b"z", "line 1 is longer than"),
    "text.ndjson": (RECORDS + b'{"x":"', b"1", "line 12,001 has no end in 1 MB"),
    "blanks.ndjson": (RECORDS, b" ", "line 12,001 has no end in 1 MB"),
    "first.ndjson": (b'{"x":"', b"1", "line 1 has no end in 1 MB"),
    "record.json": (b'[{"x":1},{"x":"', b"1", "record 2 is longer than 1 MB"),
}


def packed(path: Path, raw: bytes, packing: str) -> Path:
    path.write_bytes(gzip.compress(raw) if packing == ".gz" else raw)
    if packing == ".zst":
        pl.scan_lines(path).sink_csv(
            f"{path}.zst", compression="zstd", include_header=False, quote_style="never"
        )
    return path.rename(f"{path}.gz") if packing == ".gz" else Path(f"{path}{packing}")


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", NO_END)
def test_a_row_without_end_is_refused_where_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, packing: str
) -> None:
    for module in (encoding, json_records, records, csv_lines):
        monkeypatch.setattr(module, "LONGEST_ROW", 1 << 20)
    monkeypatch.setattr(csv_source, "AT_ONCE", 1 << 20)
    monkeypatch.setattr(encoding, "LONGEST_LINE", 1 << 20)
    for module in (encoding, json_records):
        monkeypatch.setattr(module, "BLOCK", 1 << 18)
    start, unit, message = NO_END[name]
    path = packed(tmp_path / name, start + unit * ((6 << 20) // len(unit)), packing)
    began = time.process_time()
    with pytest.raises(ReadError, match=message):
        dr.learn(path, predict="y")
    assert time.process_time() - began < 10  # a quote without end took a minute a megabyte


# What it takes: the peak of memory, in MB, beyond what importing all of it and a small table takes.
MEMORY = """
import sys
import deltarule as dr, polars, pyarrow
from deltarule.errors import ReadError

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10

before = peak()
try:
    dr.learn(sys.argv[1], predict="y")
except ReadError as error:
    print(peak() - before, error)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own figures")
@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", ["cell.csv", "first.csv", "text.ndjson", "quote.csv"])
def test_a_row_without_end_takes_bounded_memory(tmp_path: Path, name: str, packing: str) -> None:
    """300 MB of it, which a reader of whole lines holds up to four times."""
    start, unit, _ = NO_END[name]
    path = tmp_path / f"{name}{packing}"
    pack: Callable[[bytes], bytes] = {
        "": bytes,
        ".gz": gzip.compress,
        ".zst": lambda raw: pa.compress(raw, codec="zstd", asbytes=True),
    }[packing]
    path.write_bytes(pack(start) + pack(unit * ((1 << 20) // len(unit))) * 300)
    command = [sys.executable, "-c", MEMORY, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    megabytes, _, message = done.stdout.partition(" ")
    assert "has no end in 64 MB" in message or "quote not closed" in message
    assert int(megabytes) < 300


@pytest.mark.parametrize("mark", [None, b'"'])
def test_the_end_of_the_last_row_is_where_parity_of_quotes_says(mark: bytes | None) -> None:
    """Against all ends of lines counted one by one."""
    draw = random.Random(7)
    for _ in range(3000):
        letters = draw.choice([b"ab\n", b'a"\n', b'a\n\r"', b'a"bcd\n'])
        block = bytes(draw.choice(letters) for _ in range(draw.randrange(30)))
        quoted = mark is not None and draw.random() < 0.5
        ends = [
            at + 1
            for at in range(1, len(block))
            if block[at : at + 1] == b"\n"
            and block[at - 1 : at] != b"\n"
            and block[at + 1 : at + 2] not in (b"\n", b"\r", b"")
            and (mark is None or (block.count(mark, 0, at) + quoted) % 2 == 0)
        ]
        assert encoding._row_end(block, mark, quoted=quoted) == max(ends, default=0)
