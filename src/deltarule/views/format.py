"""Numbers and texts as people read them: the same digits on the screen, the page and in files."""

import math
import re
import shutil
import sys
from collections.abc import Sequence
from itertools import pairwise

WIDTH = 96


def number(value: float) -> str:
    """A number at the size a person reads: 2.80431, -1,924,191, 5e-11."""
    size = abs(value)
    if size >= 1e15 or (0 < size < 1e-4):
        return f"{value:.4g}"
    return f"{value:,.0f}" if size >= 10_000 else f"{value:.6g}"


def share(value: float) -> str:
    """A figure such as R2: 0.5911, 1.0000, and -2.4e+25 where a fit is that bad."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.4g}"


def on_one_line(text: str) -> str:
    r"""A text of a table, which may hold anything, as one line without control characters.

    >>> on_one_line("two\nlines \x1b[2J")
    'two lines [2J'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def percent(value: float) -> str:
    """A share of rows: 85.3%."""
    return f"{value:.1%}"


def rows_told(rows: float) -> str:
    """So many rows: 1 row, 3,194 rows."""
    return f"{rows:,.0f} rows" if rows != 1 else "1 row"


def screen_width() -> int:
    """How wide text may be: as the terminal where it is shown on one, else WIDTH."""
    if sys.stdout is None or not sys.stdout.isatty():
        return WIDTH
    return max(40, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def short_words(text: str, most: int) -> str:
    """The text with words that no line can hold in pieces, as textwrap would make of them.

    It takes time in the square of a word's length: 7 s for 3 MB.

    >>> short_words("a word as long as abcdefghij", 4)
    'a word as long as abcd efgh ij'
    """
    return re.sub(rf"[^ \t\n\r\f\v]{{{most}}}(?=[^ \t\n\r\f\v])", r"\g<0> ", text)


def adding_up(totals: Sequence[float], *, least: float = 0.0) -> tuple[list[str], list[str]]:
    """What each total adds to the one before it, and the totals, so written that they add up.

    The totals are rounded to the same place, and the parts are the differences of these. `least` is
    a size below which nothing needs more digits: of probabilities, 1.

    >>> adding_up([1.04, 2.0799999, 0.5])
    (['+1.04000', '-1.58000'], ['1.04000', '2.08000', '0.50000'])
    >>> adding_up([85_343_400.4, 24_250_070.6])
    (['-61,093,329'], ['85,343,400', '24,250,071'])
    """
    size = max(map(abs, [*totals, least]), default=0.0)
    if size and not 1e-4 <= size < 1e15:
        parts = [after - before for before, after in pairwise(totals)]
        return [f"{part:+.6g}" for part in parts], [f"{total:.6g}" for total in totals]
    places = 0 if size >= 10_000 else 5 - math.floor(math.log10(size)) if size else 0
    rounded = [round(total, places) for total in totals]
    parts = [round(after - before, places) + 0.0 for before, after in pairwise(rounded)]
    return (
        [f"{part:+,.{places}f}" for part in parts],
        [f"{total + 0.0:,.{places}f}" for total in rounded],
    )
