"""Blank lines are no rows of a CSV file, and rows with too few cells are told."""

import csv
import gzip
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import ReadError
from deltarule.tables.files import csv_source, encoding
from deltarule.tables.files.csv_lines import BlockLines, ShortRows, has_blank_lines
from deltarule.tables.files.dialect import Dialect
from deltarule.tables.files.open import open_file

Write = Callable[[str, str | bytes], Path]

CELLS = st.sampled_from(["1", "2.5", "", "a b", 'say ""hi""', "x,y", "two\n\nlines", "\n"])
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12)
HEADER = '"p","q","r"'


def read(path: Path) -> pl.DataFrame:
    return pl.concat(open_file(path, {"header": "yes", "separator": "comma"}).batches([pl.all()]))


def line(cells: tuple[str, ...]) -> str:
    return ",".join(f'"{cell}"' if cell else "" for cell in cells)


@given(
    rows=TABLES,
    blanks=st.lists(st.integers(0, 12), max_size=5),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.sampled_from([8, 40, 1 << 20]),
)
def test_blank_lines_are_no_rows(
    rows: list[tuple[str, ...]], blanks: list[int], end: str, block: int
) -> None:
    lines = [HEADER, *map(line, rows)]
    whole = end.join(lines) + end
    for at in sorted(blanks, reverse=True):
        lines.insert(1 + at, "")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "BLOCK", block)
        plain, spread = Path(folder) / "a.csv", Path(folder) / "b.csv"
        plain.write_bytes(whole.encode())
        spread.write_bytes((end.join(lines) + end).encode())
        assert read(spread).equals(read(plain))
        assert read(plain).height == len(rows)


def test_a_blank_line_in_one_column_is_a_missing_value(write: Write) -> None:
    assert read(write("t.csv", "x\n1\n\n3\n")).height == 3


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_blank_lines_change_neither_rows_nor_their_places(write: Write, name: str) -> None:
    rows = "".join(f"{at},{at * 2 if at != 7 else 'x?'}\n" + "\n" * (at % 3) for at in range(30))
    content = f"a title\n\nx,y\n{rows}\n\n".encode()
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    record = dr.learn(path, predict="y", ridge=0).record
    assert record.rows == 29
    place = content.decode().split("\n").index("7,x?") + 1
    assert any(f"'x?' (line {place})" in note for note in record.notes)
    found = dr.learn(path, predict="y", ridge=0).predict(path)
    assert found.height == 30


def told(path: Path) -> list[str]:
    source = open_file(path)
    for _ in range(2):
        list(source.batches([pl.all()]))
    return [note for note in source.notes if "fewer cells" in note]


@pytest.mark.parametrize("by_blocks", [False, True])
def test_rows_of_too_few_cells_are_told(
    write: Write, monkeypatch: pytest.MonkeyPatch, by_blocks: bool
) -> None:
    monkeypatch.setattr(encoding, "BLOCK", 64)
    if by_blocks:
        monkeypatch.setattr(csv_source, "AT_ONCE", 0)
    rows = [f'{at},"a, b{at}",{at}' for at in range(50)]
    assert told(write("whole.csv", "\n".join(["x,s,y", *rows]))) == []
    assert told(write("gaps.csv", "\n".join(["x,s,y", *rows, "1,,", ",,"]))) == []
    rows[20], rows[33] = "20", "33,a"
    [note] = told(write("short.csv", "\n".join(["x,s,y", *rows])))
    assert note.startswith("2 rows have")
    assert "(first line 22)" in note
    [note] = told(write("one.csv", "\n".join(["x,s,y", *rows[:30]])))
    assert note.startswith("1 row has")
    assert "(line 22)" in note


def test_of_parts_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,4\n")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n3\n")
    [note] = told(tmp_path)
    assert f"line 3 of {tmp_path / 'b.csv'}" in note


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_short_last_row_is_told_though_no_line_ends_it(tmp_path: Path, quote: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"x,y\n{quote}1{quote},2\n3,4\n3")
    [note] = told(path)
    assert "line 4" in note


@given(
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=12),
    blank=st.booleans(),
)
def test_short_rows_are_those_of_a_parser(rows: list[list[str]], blank: bool) -> None:
    text = (
        HEADER
        + "\n"
        + "".join(",".join(f'"{cell}"' for cell in row) + "\n" + "\n" * blank for row in rows)
    )
    dialect = Dialect(",", '"', True, 0, ("p", "q", "r"), ())
    short = ShortRows(dialect)
    short.add(BlockLines.of(text.encode(), dialect, first=True))
    reader = csv.reader(io.StringIO(text), strict=True)
    begins, expected = 1, []
    for cells in reader:
        if 0 < len(cells) < 3:
            expected.append(begins)
        begins = reader.line_num + 1
    assert short.rows == len(expected)
    assert short.line == (expected[0] if expected else 0)
    assert short.lines == text.count("\n")


@given(rows=st.lists(st.sampled_from(["1,2,3", "1,2", "", "\r", "1,,"]), min_size=1, max_size=9))
def test_without_quotes_counts_alone_tell_blank_lines_and_short_rows(rows: list[str]) -> None:
    text = "".join(f"{row}\n" for row in rows)
    lines = BlockLines.of(
        text.encode(), Dialect(",", '"', True, 0, ("p", "q", "r"), ()), first=False
    )
    assert lines.lines == len(rows)
    assert lines.short == rows.count("1,2")
    assert lines.first_short == (rows.index("1,2") + 1 if "1,2" in rows else 0)
    assert lines.blank == has_blank_lines(text.encode())
    after = any(row in ("", "\r") for row in rows)
    assert lines.blank == after


@pytest.mark.parametrize("quote", ['"a\nb"', '""', '"\n"'])
def test_blocks_end_where_rows_do_though_quotes_begin_in_one_before(
    write: Write, monkeypatch: pytest.MonkeyPatch, quote: str
) -> None:
    path = write("t.csv", "p,q\n" + f"{quote},{'x' * 30}\n1,2\n" * 40)
    for size in range(3, 60):
        monkeypatch.setattr(encoding, "BLOCK", size)
        found = list(encoding.blocks(encoding.open_text(path, "t.csv"), '"'))
        assert b"".join(found) == path.read_bytes()
        assert all(block.endswith(b"\n") and block.count(b'"') % 2 == 0 for block in found)


@pytest.mark.parametrize(
    ("first", "second"),
    [("", "\n\n"), ("\n\n", ""), ("Sales of May\n\n", ""), ("", "Sales of May\n\n")],
)
def test_parts_may_have_other_lines_above_their_headers(
    tmp_path: Path, first: str, second: str
) -> None:
    (tmp_path / "a.csv").write_text(first + "x,y\n1,2\n3,4\n")
    (tmp_path / "b.csv").write_text(second + "y,x\n6,5\n8,7\n")
    found = pl.concat(open_file(tmp_path).batches([pl.all()]))
    assert found.rows() == [(1, 2), (3, 4), (5, 6), (7, 8)]


ESCAPED = ['"6\\""', '"said \\"hi\\" ok"', '"\\"hi\\""', '"a, \\"b\\", c"']
NOT_ESCAPED = ['"C:\\dir\\"', '"a ""b"" \\ c"', '"C:\\"', "a \\ b", '"\\n"', '"a\\\\"']


@pytest.mark.parametrize("cell", [*ESCAPED, *NOT_ESCAPED])
@pytest.mark.parametrize("at", [0, 150, 399])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_escaped_by_backslashes_are_refused_and_folders_read(
    tmp_path: Path, cell: str, at: int, end: str
) -> None:
    cells = ['"plain"', '"other"'] * 200
    cells[at] = cell
    rows = [f"{row},{one},{row * 2}" for row, one in enumerate(cells)]
    path = tmp_path / "t.csv"
    path.write_bytes(end.join(["x,c,y", *rows, ""]).encode())
    if cell in ESCAPED:
        with pytest.raises(ReadError, match=rf"line {at + 2}: a quote within a cell is written"):
            dr.columns(path)
    else:
        assert dr.columns(path).rows == 400
