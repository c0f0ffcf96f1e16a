"""Codes in columns of whole numbers of a CSV: cells that begin with 0, as 01067, which is 1067.

A parsed number does not show it. But codes have one width: only where the first rows of a column
have one, and a later number has fewer digits, the bytes of the file are searched.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.tables.column_names import column
from deltarule.tables.files.csv_lines import line_bounds, outside_quotes
from deltarule.tables.files.dialect import Dialect
from deltarule.tables.files.encoding import Text, blocks
from deltarule.tables.polars_source import UnparsedError
from deltarule.tables.source import LOOK_ROWS

ZERO, NEWLINE, RETURN = b"0\n\r"
WATCHED = "\0width of "
# Longer cells are no codes.
LONGEST = 20


class FixedWidths:
    """The columns whose first cells are whole numbers of one width, watched while all are read."""

    def __init__(self) -> None:
        self._widths: dict[str, int] = {}
        self._shorter: set[str] = set()

    def find(self, cells: pl.DataFrame, names: Sequence[str]) -> None:
        """Find them among these columns of the first rows as written, unless those are all rows."""
        for name in names if cells.height >= LOOK_ROWS else ():
            width = cells[name].str.strip_chars().str.len_bytes()
            if width.min() == width.max() and width[0] and 1 < int(width[0]) <= LONGEST:
                self._widths[name] = int(width[0])

    def watched(self, columns: Sequence[pl.Expr], besides: Collection[str]) -> list[pl.Expr]:
        """What to read besides these columns, for those of them that may have codes."""
        if not self._widths:
            return []
        every = any(one.meta.has_multiple_outputs() for one in columns)
        used = {name for one in columns for name in one.meta.root_names()}
        names = [one for one in self._widths if (every or one in used) and one not in besides]
        return [column(name).alias(WATCHED + name) for name in names]

    def without(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The frames without what is watched, of which it is noted whether some are shorter."""
        for frame in frames:
            watched = [name for name in frame.columns if name.startswith(WATCHED)]
            for name in watched:
                least, own = frame[name].min(), name.removeprefix(WATCHED)
                if isinstance(least, int | float) and least < 10 ** (self._widths[own] - 1):
                    self._shorter.add(own)
            yield frame.drop(watched) if watched else frame

    def check(self, files: Iterable[tuple[Text, Dialect]], name: str) -> None:
        """Search the files for codes in columns with shorter numbers; those without vary in width.

        Errors:  UnparsedError where there is one
        """
        for text, found in files if self._shorter else ():
            for block in blocks(text, found.quote):
                if code := first_code(block, found, self._shorter):
                    where, cell = code
                    del self._widths[where]
                    self._shorter.clear()
                    raise UnparsedError(
                        f"{name}, column '{where}': '{cell}' is a code", where, cell
                    )
        self._widths = {one: own for one, own in self._widths.items() if one not in self._shorter}
        self._shorter.clear()


def first_code(block: bytes, found: Dialect, columns: Collection[str]) -> tuple[str, str] | None:
    """The first cell of these columns that is a code, with its column; None where there is none."""
    codes = np.frombuffer(block, np.uint8)
    marks = [found.separator.encode()[0], NEWLINE]
    if found.quote is not None:
        marks.append(found.quote.encode()[0])
    zeros = np.flatnonzero(codes == ZERO)
    starts = zeros[(zeros == 0) | np.isin(codes[zeros - 1], marks)]
    # Those of two digits and more, and no other character: a date such as 01/31/2024 is no code.
    last = len(codes) - 1
    ends = starts + 1
    for _ in range(LONGEST):
        digits = (codes[np.minimum(ends, last)] - np.uint8(ZERO) < 10) & (ends <= last)
        if not digits.any():
            break
        ends += digits
    closed = (ends > last) | np.isin(codes[np.minimum(ends, last)], [*marks, RETURN])
    long = closed & (ends > starts + 1)
    starts, ends = starts[long], ends[long]
    if not len(starts):
        return None
    apart = np.flatnonzero((codes == marks[0]) & outside_quotes(codes, found.quote))
    rows: NDArray[np.intp] = np.r_[line_bounds(codes, found.quote)[0], 0]
    row = np.sort(rows)[np.searchsorted(np.sort(rows), starts, side="right") - 1]
    cells = np.searchsorted(apart, starts) - np.searchsorted(apart, row)
    wanted = [found.names.index(name) for name in columns]
    at = np.flatnonzero(np.isin(cells, wanted))[:1]
    for one in at:
        return found.names[cells[one]], block[starts[one] : ends[one]].decode()
    return None
