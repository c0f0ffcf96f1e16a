"""Excel workbooks: one sheet as a table, its header found below titles as in a text file."""

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import polars as pl

from deltarule.errors import EmptyError, MissingExtraError, ReadError
from deltarule.tables.files.dialect import (
    ROWS,
    DialectRequest,
    header_names,
    numbered,
    place_header,
)
from deltarule.tables.files.packed import CHUNK
from deltarule.tables.polars_source import PROBLEMS, PolarsSource

if TYPE_CHECKING:
    from fastexcel import ExcelReader

# What a workbook may unpack to, and how many cells a sheet may have, filled or not.
LARGEST_BOOK, MOST_CELLS = 2 << 30, 50_000_000
# The day before the first, as the calendar has it and as it is in workbooks, which have 1900-02-29.
DAY_0 = [dt.date(1899, 12, 30), dt.date(1899, 12, 31)]
# Where a cell or a row of a sheet says it is; readers take either quote and either case.
PLACE, LONGEST_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{0,3})0*([0-9]{1,7})["']"""), 64
# Records of a binary sheet (MS-XLSB, section 2.3.1): a row's, those of its cells, and those that
# its rows lie between.
ROW, CELLS, BEGIN, END = 0, range(1, 12), 145, 146


def read_excel(path: Path, *, name: str, sheet: str | None, asked: DialectRequest) -> PolarsSource:
    """The source of a sheet, the first that is not hidden unless it is named.

    It is in memory, as workbooks are small.

    Errors:  ReadError, EmptyError, ColumnError for a name twice, MissingExtraError
    """
    try:
        import fastexcel
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"reading {name} needs fastexcel: pip install 'deltarule[excel]'"
        ) from error
    _check_size(path, name)
    try:
        book = fastexcel.read_excel(path)
        sheets = book.sheet_names
        if not sheets or (sheet is not None and sheet not in sheets):
            raise ReadError(f"{name} has no sheet '{sheet}': it has {', '.join(sheets) or 'none'}")
        sheet = sheet if sheet is not None else _first_visible(book)
        top = book.load_sheet(
            sheet, header_row=None, skip_rows=asked.skip or 0, n_rows=ROWS, dtypes="string"
        ).to_polars()
    except (fastexcel.FastExcelError, *PROBLEMS) as error:
        why = str(error).splitlines()[0]
        raise ReadError(f"{name} cannot be read as an Excel workbook: {why}") from error
    rows = [[cell or "" for cell in row] for row in top.rows()]
    others = ", ".join(f"'{one}'" for one in sheets if one != sheet)
    if not any(any(row) for row in rows):
        hint = f": say sheet=NAME for another of its sheets, {others}" if others else ""
        raise EmptyError(f"{name}, sheet '{sheet}' is empty{hint}")
    at, header = place_header(rows, asked)
    if header:
        header_names([cell for cell in rows[at] if cell], f"{name}, sheet '{sheet}'")
    at += asked.skip or 0
    try:
        frame = pl.read_excel(
            path,
            sheet_name=sheet,
            has_header=header,
            infer_schema_length=None,
            read_options={"header_row": at} if header else {"skip_rows": at},
            raise_if_empty=False,
        )
    except (fastexcel.FastExcelError, ValueError, *PROBLEMS) as error:
        raise ReadError(f"{name} cannot be read: {str(error).splitlines()[0]}") from error
    frame = frame.with_columns(_times(frame))
    frame.columns = (
        [one.strip() for one in frame.columns] if header else list(numbered(frame.width))
    )
    said = f"Excel, sheet '{sheet}', {'' if header else 'no '}header"
    source = PolarsSource(frame.lazy(), name=name, rows=frame.height, dialect=said)
    # People write n/a among numbers in cells as they do in text files.
    source.typed = False
    if others:
        source.notes.append(f"only sheet '{sheet}' is read, not {others}; say sheet=NAME")
    above = [" ".join(filter(None, row)) for row in rows[:at]] if asked.skip is None else []
    if above := [one for one in above if one]:
        source.notes.append(f"skipped above the {'header' if header else 'rows'}: {above[0]}")
    return source


def _first_visible(book: "ExcelReader") -> str:
    """The name of the first sheet that is not hidden; of the first where all are."""
    names = book.sheet_names
    if len(names) > 1:
        for name in names:
            if book.load_sheet(name, header_row=None, n_rows=0).visible == "visible":
                return name
    return names[0]


def _times(frame: pl.DataFrame) -> list[pl.Series]:
    """The columns that hold times of day, which a workbook keeps as times on its day 0."""
    stamps = [one for one in frame if one.dtype == pl.Datetime and one.null_count() < len(one)]
    return [one.dt.time() for one in stamps if one.drop_nulls().dt.date().is_in(DAY_0).all()]


def _check_size(path: Path, name: str) -> None:
    """Refuse a workbook that would fill memory: readers make room for all cells up to the last.

    Errors:  ReadError
    """
    if not zipfile.is_zipfile(path):
        return  # of an earlier format, whose sheets have 65,536 rows of 256 cells at most
    try:
        with zipfile.ZipFile(path) as book:
            if sum(part.file_size for part in book.infolist()) > LARGEST_BOOK:
                raise ReadError(
                    f"{name} unpacks to more than {LARGEST_BOOK >> 20:,} MB: save its table as CSV"
                )
            # A workbook may have its sheets in any of its parts.
            for part in book.namelist():
                places = {".xml": _places, ".bin": _binary_places}.get(Path(part).suffix.lower())
                if places is not None:
                    with book.open(part) as sheet:
                        _check_cells(places(sheet), name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise ReadError(f"{name} cannot be read as an Excel workbook: {error}") from error
    except RuntimeError as error:  # zipfile's word for one with a password
        raise ReadError(f"{name} has a password: save it without one") from error


def _check_cells(places: Iterator[tuple[int, int]], name: str) -> None:
    """Refuse a sheet whose last cell lies too far out for all cells before it to be kept."""
    rows = columns = 0
    for row, column in places:
        rows, columns = max(rows, row), max(columns, column)
        if rows * columns > MOST_CELLS:
            raise ReadError(
                f"{name} has a cell in row {rows:,} and one in column {columns:,}: a sheet of "
                f"{rows * columns:,} cells, of at most {MOST_CELLS:,}; delete what lies far out"
            )


def _places(sheet: IO[bytes]) -> Iterator[tuple[int, int]]:
    """The row and column, from 1, of each cell; 0 as the column of what is a row."""
    rest = b""
    while chunk := sheet.read(CHUNK):
        text = rest + chunk
        for letters, digits in set(PLACE.findall(text)):
            yield int(digits), _number(letters.upper())
        rest = text[-LONGEST_PLACE:]


def _binary_places(sheet: IO[bytes]) -> Iterator[tuple[int, int]]:
    """The same of a binary sheet; nothing of a part that is none."""
    inside, row = False, 0
    while head := sheet.read(1):
        kind = head[0] if head[0] < 128 else head[0] & 127 | (sheet.read(1) or b"\0")[0] << 7
        size = 0
        for at in range(4):
            (byte,) = sheet.read(1) or b"\0"
            size |= (byte & 127) << 7 * at
            if byte < 128:
                break
        content = sheet.read(min(size, 4))
        sheet.seek(size - len(content), 1)
        if kind == END:
            return
        inside = inside or kind == BEGIN
        if inside and kind == ROW:
            row = int.from_bytes(content, "little") + 1
            yield row, 0
        elif inside and kind in CELLS:
            yield row, int.from_bytes(content, "little") + 1


def _number(letters: bytes) -> int:
    """The number of a column: 1 for A, 27 for AA."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number
