"""The dialect of a delimited text: separator, quote, header and what stands above it."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from deltarule.dataclass import dataclass
from deltarule.errors import ColumnError, ReadError
from deltarule.tables.files.encoding import Text
from deltarule.tables.missing_words import GAP_WORDS, MISSING_CODES

if TYPE_CHECKING:
    import _csv

SEPARATORS = ",;\t|"
# What names of rows are called, which stand below no name.
ROW_NAME = "row_name"
# The words that --read separator= takes, too.
SAID = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space"}

# Of what was skipped people see this much.
SHOWN = 60

# A dialect is found in this many rows; the library that is asked in doubt gets this much text.
ROWS, DOUBT_LINES, DOUBT_TEXT = 100, 100, 20_000

EXCEL_LINE = re.compile(r'"?sep=(?P<separator>[^\r\n])"?\r?\n')
CELL = r"(?:^|[,;\t|])"
QUOTED = re.compile(rf'{CELL}"', re.M)
SINGLE_QUOTED = re.compile(rf"{CELL}'[^'\n]*'(?=[,;\t|\r\n]|\Z)", re.M)
NUMBER = re.compile(r"[-+(]?\s?[$€£¥]?\s?[-+]?(\d[\d.,'\s]*|\.\d+)(e[-+]?\d+)?\s?[%€)]?", re.I)
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d.*)?")


@dataclass(frozen=True)
class DialectRequest:
    """What need not be found out, because it was said; None where it was not."""

    separator: str | None = None
    quote: str | None = None
    """Empty for none."""
    header: bool | None = None
    skip: int | None = None
    decimal: Literal[".", ","] | None = None


@dataclass(frozen=True)
class Dialect:
    """How a delimited text is written."""

    separator: str
    quote: str | None
    header: bool
    skip: int
    """Lines above the header, or above the first row where there is none."""
    names: tuple[str, ...]
    above: tuple[str, ...]
    """What the lines above say."""
    short: bool = False
    """Whether the header has one cell less than each row: R's row names, or separators at the
    ends of lines."""

    @property
    def names_stand(self) -> bool:
        """Whether the first line below those above has a name for each cell of a row."""
        return self.header and not self.short

    @property
    def lines_above(self) -> int:
        """The lines above that one, or above the first row."""
        return self.skip + self.short

    @property
    def said(self) -> str:
        """The dialect in words."""
        separator = SAID.get(self.separator, self.separator)
        quote = (
            "" if self.quote == '"' else f", quote {self.quote}" if self.quote else ", no quotes"
        )
        return f"separator {separator}{quote}, {'' if self.header else 'no '}header"

    def rows(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """The rows of all lines with the line each starts on, the header among them.

        Errors:  csv.Error
        """
        for _ in range(self.skip):
            next(lines, None)
        reader = _reader(lines, self.separator, self.quote, strict=True)
        line = 1
        for cells in reader:
            yield self.skip + line, cells
            line = reader.line_num + 1


def find_dialect(
    text: str, *, name: str, whole: bool, asked: DialectRequest, hint: str = ""
) -> Dialect:
    """The dialect of a text that begins so; `hint` is the separator its name promises.

    Errors:  ColumnError for a header that names two columns alike, ReadError
    """
    skip = asked.skip or 0
    excel = EXCEL_LINE.match(text) if asked.skip is None else None
    separator = asked.separator
    if excel:
        separator, skip = separator or excel["separator"], 1
    kept = _below(text, skip)
    if not kept.strip():
        raise ReadError(f"{name} has no line below the {skip} that are skipped: skip fewer")
    quote = _quote(kept) if asked.quote is None else asked.quote or None
    if separator is None and hint and hint in kept:
        separator = hint
    if separator is None:
        separator = _separator(kept, quote, whole=whole)
    found = _rows(kept, separator, quote, whole=whole)
    if not found:
        raise ReadError(f"{name}, line {skip + 1}: a cell without end: is a quote not closed?")
    rows = [cells for _, cells in found]
    at, header = place_header(rows, asked)
    above: tuple[str, ...] = ()
    if asked.skip is None:
        above = tuple(one.strip('\r "' + separator) for one in kept.split("\n")[: found[at][0]])
    skip += found[at][0]
    short = header and _is_short(rows[at], rows[at + 1 :])
    if header:
        names = header_names(rows[at], f"{name}, line {skip + 1}", rows[at + 1 :])
    else:
        names = numbered(len(rows[at]))
    if short:
        ends = not any(row[-1].strip() for row in rows[at + 1 :])
        names = (*names, _free("", names)) if ends else (_free(ROW_NAME, names), *names)
    return Dialect(separator, quote, header, skip, names, above, short)


def _is_short(header: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether each row has one cell more than the header: a name of its own before it, or none.

    Where names were not all different, as R's are, a cell was rather split in two.
    """
    if not below or any(len(row) != len(header) + 1 for row in below):
        return False
    if any(map(_is_value, header)):
        return False  # rather a row that lost a cell
    firsts = {row[0] for row in below}
    ends = not any(row[-1].strip() for row in below)
    return ends or (len(below) > 1 and "" not in firsts and len(firsts) == len(below))


def _free(name: str, others: Sequence[str]) -> str:
    """The name, or one like it that no other column has."""
    while name in others:
        name += "_"
    return name


def place_header(rows: Sequence[Sequence[str]], asked: DialectRequest) -> tuple[int, bool]:
    """Which row is the header, or the first where there is none, and whether it is a header."""
    at = 0
    if asked.skip is None:
        at = _first_row(rows) if asked.header is False else _header_row(rows)
    header = _is_header(rows[at], rows[at + 1 :]) if asked.header is None else asked.header
    return at, header


def header_names(
    cells: Sequence[str], where: str, below: Sequence[Sequence[str]] = ()
) -> tuple[str, ...]:
    """The names in a header, without blanks around them.

    Of columns without a name those after the first get one by their place, if nothing is in them.

    Errors:  ColumnError for a name twice: it would not be clear which is meant
    """
    names = [cell.strip() for cell in cells]
    for at, name in enumerate(names):
        if not name and "" in names[:at] and not any("".join(row[at : at + 1]) for row in below):
            names[at] = _free(f"column_{at + 1}", names)
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ColumnError(
            f"{where}: more than one column is called '{twice}': rename them there, "
            "or say header=no if that line is no header"
        )
    return tuple(names)


def numbered(width: int) -> tuple[str, ...]:
    """The names of columns that have none."""
    return tuple(f"column_{number}" for number in range(1, width + 1))


def _reader(
    lines: Iterator[str], separator: str, quote: str | None, *, strict: bool = False
) -> "_csv.Reader":
    return csv.reader(
        lines,
        delimiter=separator,
        quotechar=quote or '"',
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        strict=strict,
    )


def _below(text: str, skip: int) -> str:
    return text.split("\n", skip)[skip] if text.count("\n") >= skip else ""


def _rows(
    text: str, separator: str, quote: str | None, *, whole: bool
) -> list[tuple[int, list[str]]]:
    """The first rows that are not blank, each with the lines above it."""
    found: list[tuple[int, list[str]]] = []
    above = 0
    reader = _reader(io.StringIO(text, newline=""), separator, quote)
    try:
        for cells in reader:
            if cells:
                found.append((above, cells))
            above = reader.line_num
            if len(found) > ROWS:
                return found
    except csv.Error:
        pass  # A cell beyond all bounds: what comes before it shows the dialect.
    # The sample may end anywhere in a row.
    return found if whole or len(found) < 2 else found[:-1]


def _quote(text: str) -> str | None:
    if QUOTED.search(text):
        return '"'
    if len(SINGLE_QUOTED.findall(text)) > 1:
        return "'"
    # Quotes within cells only, such as inches, quote nothing.
    return None if '"' in text else '"'


def _separator(text: str, quote: str | None, *, whole: bool) -> str:
    """The separator that gives all rows the same number of cells; in doubt, what a library says."""
    shares: dict[str, tuple[float, int]] = {}
    for separator in SEPARATORS:
        if separator in text:
            rows = _rows(text, separator, quote, whole=whole)
            counts = Counter(len(cells) for _, cells in rows)
            width, often = max(counts.items(), key=lambda one: (one[1], one[0]), default=(1, 0))
            if width > 1:
                shares[separator] = often / len(rows), width
    even = [separator for separator, (share, _) in shares.items() if share == 1]
    if len(even) == 1 or len(shares) == 1:
        return (even or list(shares))[0]
    if not shares and text.startswith('"'):
        # R's write.table, unless told otherwise: names of rows, and blanks between cells.
        table = [cells for _, cells in _rows(text, " ", quote, whole=whole)]
        if _is_short(table[0], table[1:]):
            return " "
    if not shares:
        # One column; or a header alone above rows that are not like it.
        return next((one for one in SEPARATORS if one in text.split("\n", 1)[0]), ",")
    import clevercsv  # a sixth of a second, for those who need it

    sample = "\n".join(text[:DOUBT_TEXT].split("\n")[:DOUBT_LINES])
    found = clevercsv.Detector().detect(sample, delimiters=list(shares))
    if found is not None and found.delimiter in shares:
        return str(found.delimiter)
    return max(shares, key=lambda separator: shares[separator])


def _is_value(cell: str) -> bool:
    cell = cell.strip()
    return bool(NUMBER.fullmatch(cell) or DATE.fullmatch(cell))


def _filled(cells: Sequence[str]) -> list[str]:
    return [cell for cell in cells if cell.strip()]


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: where others have numbers it has none."""
    if len(first) != _width([first, *below]):
        return True  # no row like the others
    values = 0
    for at, cell in enumerate(first):
        column = [row[at] for row in below if len(row) > at and row[at].strip()]
        present = [one for one in column if one.strip() not in GAP_WORDS]
        if not present or sum(map(_is_value, present)) < 0.5 * len(present):
            continue
        if _is_value(cell):
            values += 1
        elif cell.strip() and cell.strip() not in GAP_WORDS:
            return True
    return values == 0 or _counts_up(first, below)


def _counts_up(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether numbers in the first row are names: 0, 1, 2, ... or years above what is no year."""
    numbers = [int(cell) for cell in first if cell.strip().isdecimal()]
    if len(numbers) < 2 or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    if numbers[0] == 0:
        return not first[0].strip() or len(numbers) == len(first) > 2
    at = max(index for index, cell in enumerate(first) if cell.strip().isdecimal())
    years = [row[at].strip() for row in below if len(row) > at and row[at].strip()]
    return _is_year(first[at]) and not any(map(_is_year, years))


def _is_year(cell: str) -> bool:
    return cell.strip().isdecimal() and 1500 <= int(cell) <= 2200


def _first_row(rows: Sequence[Sequence[str]]) -> int:
    """The first row that is as long as most are, if what is above it is no row."""
    width = _width(rows)
    for at, cells in enumerate(rows):
        if not _is_title(cells, width):
            return at
    return 0


def _header_row(rows: Sequence[Sequence[str]]) -> int:
    """The header below titles and remarks; the first row where these might be rows themselves."""
    width = _width(rows)
    if (place := _below_short_rows(rows, width)) is not None:
        return place
    for at, cells in enumerate(rows):
        if _is_title(cells, width):
            continue
        below = rows[at + 1 :]
        full = len(cells) == width and len(_filled(cells)) >= max(min(width, 2), width - 1)
        full |= _is_short(cells, below)
        return at if at == 0 or (full and _is_header(cells, below)) else _remarks(rows)
    return _remarks(rows)


def _below_short_rows(rows: Sequence[Sequence[str]], width: int) -> int | None:
    """The header below titles with separators in them, which have fewer cells; None without.

    It is certain where it has no value and there are numbers below it: what is below a header of
    fewer cells, such as R's, are rows, with values.
    """
    at = next(index for index, cells in enumerate(rows) if len(cells) >= width)
    cells, below = rows[at], rows[at + 1 :]
    titled = any(len(_filled(row)) > 1 for row in rows[:at])
    full = len(cells) == width == len(_filled(cells))
    if not (titled and full and len(below) > 1) or any(_is_value(one) for one in cells):
        return None
    if any(one.strip() in GAP_WORDS or one.strip().lower() in MISSING_CODES for one in cells):
        return None
    columns = [_filled([row[place] for row in below if len(row) > place]) for place in range(width)]
    return at if any(one and all(map(_is_value, one)) for one in columns) else None


def _remarks(rows: Sequence[Sequence[str]]) -> int:
    """How many rows at the top are remarks after #; all rows being such, none is."""
    for at, cells in enumerate(rows):
        if not _is_remark(cells, _width(rows)):
            return at
    return 0


def _is_title(cells: Sequence[str], width: int) -> bool:
    """Whether a row says something of the table rather than being a part of it."""
    if _is_remark(cells, width):
        return True
    return width > 1 and len(_filled(cells)) <= 1 and not any(cells[1:])


def _is_remark(cells: Sequence[str], width: int) -> bool:
    # A header may begin with #, but not with another number of cells.
    return cells[0].lstrip().startswith("#") and (len(cells) != width or width == 1)


def _width(rows: Sequence[Sequence[str]]) -> int:
    counts = Counter(len(cells) for cells in rows)
    return max(counts.items(), key=lambda one: (one[1], one[0]))[0]


def alike(found: Dialect, first: Text, other: Text) -> Dialect:
    """The dialect of another file of the same table: its columns may stand in another order.

    Errors:  ColumnError where it has others
    """
    asked = DialectRequest(found.separator, found.quote or "", found.header, found.skip)
    dialect = find_dialect(other.start, name=other.name, whole=other.whole, asked=asked)
    names = dialect.names
    if sorted(names) == sorted(found.names):
        return dialect
    # It may have more or fewer lines above its header.
    free = replace(asked, skip=None)
    own = find_dialect(other.start, name=other.name, whole=other.whole, asked=free)
    if sorted(own.names) == sorted(found.names):
        return own
    if lacking := [name for name in found.names if name not in names]:
        differs = f"no column '{lacking[0]}'"
    else:
        more = [name for name in names if name not in found.names]
        differs = f"a column '{more[0]}' more"
    raise ColumnError(f"{other.name} has {differs}, unlike {first.name}: give tables of one header")


def notes_of(found: Dialect, asked: DialectRequest | None) -> list[str]:
    """What people should know about how the rows are found."""
    notes = []
    if said := "; ".join(line for line in found.above if line):
        said = said if len(said) <= SHOWN else said[: SHOWN - 3] + "..."
        were = "1 line was" if len(found.above) == 1 else f"{len(found.above)} lines were"
        where = "the header" if found.header else "the first row"
        notes.append(f"{were} skipped above {where}: {said}")
    if found.short and found.names[0].startswith(ROW_NAME):
        notes.append(
            f"the header has one cell less than the rows: the first is their name, {found.names[0]}"
        )
    if not found.header and (asked is None or asked.header is None):
        notes.append(
            f"no header was found: columns are called {found.names[0]} to {found.names[-1]}; "
            "say header=yes if the first line names them"
        )
    return notes
