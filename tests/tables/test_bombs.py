"""Files that unpack or spread to far more than they are: refused, or read in little memory."""

import gzip
import zipfile
from pathlib import Path

import pytest

import deltarule as dr
from deltarule.errors import ReadError
from deltarule.tables.files import encoding, excel, json_records
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
