"""Lines of delimited text as bytes: blank ones, and rows of fewer cells than the header has.

A quote is around a cell or doubled within one, so that the parity of quotes says what is outside.
"""

import re
from collections.abc import Callable, Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.errors import ReadError
from deltarule.tables.files.dialect import Dialect
from deltarule.tables.files.encoding import LONGEST_ROW, Text, blocks
from deltarule.tables.files.packed import CHUNK, unpacked
from deltarule.tables.source import LOOK_ROWS

NEWLINE, RETURN = b"\n\r"
# One byte in so many is a quote where quotes are many.
OFTEN = 10


@dataclass(frozen=True)
class BlockLines:
    """How many lines a block of whole rows has, and which of its rows lack cells."""

    lines: int
    short: int = 0
    """The rows that have fewer cells than the header."""
    first_short: int = 0
    """The line of the first of them, counted from 1 within the block; 0 where there is none."""
    blank: bool = False
    """Whether some line between rows may be blank."""

    @classmethod
    def of(cls, block: bytes, found: Dialect, *, first: bool) -> "BlockLines":
        """The lines of a block; of a file's `first` one those above the header are no rows.

        Errors:  EscapedQuoteError where quotes are escaped by backslashes, which hides cells' ends
        """
        codes = np.frombuffer(block, np.uint8)
        above = found.lines_above if first else 0
        quoted = found.quote is not None and found.quote.encode() in block
        if quoted:
            check_escapes(block, found)
        # By numpy, which counts four times as fast as bytes do, and without the GIL.
        ends, apart = codes == NEWLINE, codes == found.separator.encode()[0]
        lines = int(np.count_nonzero(ends))
        if not above:
            if quoted:
                outside = outside_quotes(codes, found.quote)
                ends, apart = ends & outside, apart & outside
            rows = int(np.count_nonzero(ends)) + (not block.endswith(b"\n"))
            # A count tells that no row lacks a cell, or has one more; nor is a line blank then,
            # unless one has more cells, which is refused.
            if np.count_nonzero(apart) == (len(found.names) - 1) * rows:
                return cls(lines)
        short, line = _short_rows(block, found, above)
        return cls(lines, short, line, len(found.names) > 1 and has_blank_lines(block))


def parsed_block(
    block: bytes, parse: Callable[[bytes], pl.DataFrame], found: Dialect, *, first: bool
) -> tuple[BlockLines, pl.DataFrame]:
    """The lines of a block, and its rows by `parse` without the lines that are blank.

    Lines are counted one by one only where they may be anything but whole rows: a row that lacks
    cells lacks the last, and so does a blank line. Counting took 0.6 ms of a block, parsing 8.6.

    Errors:  EscapedQuoteError
    """
    rows: pl.DataFrame | None = None
    quoted = found.quote is not None and found.quote.encode() in block
    if not quoted and not (first and found.lines_above):
        try:
            rows = parse(block)
        except pl.exceptions.PolarsError:
            pass  # blank lines may be why
        else:
            if not rows[found.names[-1]].null_count():
                return BlockLines(rows.height + (first and found.names_stand)), rows
    lines = BlockLines.of(block, found, first=first)
    if rows is None or lines.blank:
        rows = parse(_without_blank_lines(block, found, first=first) if lines.blank else block)
    return lines, rows


def any_blank_line(text: Text) -> bool:
    """Whether an end of a line may follow another in a file."""
    with unpacked(text.path, text.name) as stream:
        end = b""
        while more := stream.read(CHUNK):
            if has_blank_lines(b"x" + end + more):
                return True
            end = more[-2:]
    return False


def _without_blank_lines(block: bytes, found: Dialect, *, first: bool) -> bytes:
    """Whole rows without the blank lines between them; those above the header stay."""
    above = 0
    for _ in range(found.lines_above if first else 0):
        above = block.find(b"\n", above) + 1
    codes = np.frombuffer(block, np.uint8, offset=above)
    starts, ends = line_bounds(codes, found.quote)
    blank = _are_blank(codes, starts, ends)
    steps = np.zeros(len(codes) + 1, np.int8)
    steps[starts[blank]] += 1
    steps[ends[blank] + 1] -= 1
    kept: bytes = codes[np.cumsum(steps[:-1], dtype=np.int8) == 0].tobytes()
    return block[:above] + kept


def has_blank_lines(block: bytes) -> bool:
    """Whether an end of a line may follow another."""
    if block[:2] == b"\r\n" or block[:1] == b"\n":
        return True
    codes = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(codes == NEWLINE)  # bytes.find takes five times as long
    apart = np.diff(ends)
    return bool((apart == 1).any() or (codes[ends[1:][apart == 2] - 1] == RETURN).any())


class EscapedQuoteError(ReadError):
    """A quote within a cell is escaped by a backslash."""


@dataclass
class ShortRows:
    """Adds up the rows that have fewer cells than the header, block by block of a file."""

    found: Dialect
    rows: int = 0
    line: int = 0
    """The first line of the first of them, counted from 1; 0 while there is none."""
    lines: int = 0
    """The lines so far."""

    def add(self, block: BlockLines) -> None:
        """Add those of the next block."""
        if block.short and not self.rows:
            self.line = self.lines + block.first_short
        self.rows += block.short
        self.lines += block.lines


def _short_rows(block: bytes, found: Dialect, above: int) -> tuple[int, int]:
    """The rows of fewer cells than the header has, and the line of the first, or 0.

    So many lines `above` the header are no rows.
    """
    separator = found.separator.encode()[0]
    codes = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", np.uint8)
    starts, ends = line_bounds(codes, found.quote)
    apart = np.flatnonzero((codes == separator) & outside_quotes(codes, found.quote))
    cells = np.diff(np.searchsorted(apart, ends), prepend=0) + 1
    short = (cells < len(found.names)) & ~_are_blank(codes, starts, ends)
    short[:above] = False
    if not short.any():
        return 0, 0
    return int(short.sum()), block.count(b"\n", 0, int(starts[short.argmax()])) + 1


def check_escapes(block: bytes, found: Dialect, lines: int = 0) -> None:
    """Refuse a quote after a backslash that ends no cell, or one that is followed by the end.

    A cell may end with a backslash, as a folder's name does; so many `lines` come before.

    Errors:  EscapedQuoteError
    """
    quote = found.quote or '"'
    if b"\\" + quote.encode() not in block:
        return
    mark, ends = (re.escape(one.encode()) for one in (quote, found.separator))
    escaped = rb"\\%s(?:%s(?:%s|\r?\n|$)|(?!%s|%s|\r?\n|$))" % (mark, mark, ends, mark, ends)
    cell = rb"(?:^|%s|\n)%s[^%s\n]*" % (ends, mark, mark)
    if at := re.search(cell + escaped, block):
        line = lines + block.count(b"\n", 0, at.end() - 2) + 1
        raise EscapedQuoteError(
            f"line {line}: a quote within a cell is written \\{quote}, where CSV doubles it: "
            "write it so, or give pandas.read_csv(..., escapechar='\\\\')"
        )


def check_start(text: Text, found: Dialect) -> None:
    """The same for the start of a file. Errors: ReadError."""
    try:
        if found.quote is not None:
            check_escapes(text.start.encode(), found)
    except EscapedQuoteError as error:
        raise ReadError(f"{text.name}, {error}") from None


def check_first_rows(files: Iterable[tuple[Text, Dialect]]) -> None:
    """Refuse a row without end among the first rows, which polars would hold whole.

    Errors:  ReadError
    """
    for text, found in files:
        lines = 0
        for block in blocks(text, found.quote) if text.size > LONGEST_ROW else ():
            lines += block.count(b"\n")
            if lines > LOOK_ROWS:
                break


def first_escape(files: Iterable[tuple[Text, Dialect]]) -> ReadError | None:
    """The error of the first quote in all rows that is escaped by a backslash, if there is one."""
    for text, found in files:
        if found.quote is None:
            continue
        lines = 0
        try:
            for block in blocks(text, found.quote):
                check_escapes(block, found, lines)
                lines += block.count(b"\n")
        except EscapedQuoteError as error:
            return ReadError(f"{text.name}, {error}")
        except ReadError:
            pass  # what is wrong may be another thing
    return None


def outside_quotes(codes: NDArray[np.uint8], quote: str | None) -> NDArray[np.bool_]:
    """Which bytes are outside quotes."""
    if quote is None:
        return np.ones(len(codes), bool)
    quotes = codes == ord(quote)
    if np.count_nonzero(quotes) * OFTEN < len(codes):  # from one to the next, 15 times as fast
        turns = np.diff(np.flatnonzero(quotes), prepend=0, append=len(codes))
        return np.repeat(np.arange(len(turns)) % 2 == 0, turns)
    outside: NDArray[np.bool_] = np.bitwise_xor.accumulate(quotes.view(np.uint8)) == 0
    return outside


def line_bounds(
    codes: NDArray[np.uint8], quote: str | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where rows begin, and where the ends of their lines are."""
    ends = np.flatnonzero((codes == NEWLINE) & outside_quotes(codes, quote))
    return np.r_[0, ends[:-1] + 1] if len(ends) else ends, ends


def _are_blank(
    codes: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> NDArray[np.bool_]:
    length = ends - starts
    blank: NDArray[np.bool_] = (length == 0) | ((length == 1) & (codes[starts] == RETURN))
    return blank
