"""The words and patterns of cells, for engines that backtrack: Python's re, JavaScript's RegExp.

They are those of tables/, which are written for polars' engine (Rust's regex). Before they are
tried, all white space is made plain spaces and long text is refused: backtracking takes long.
"""

import re
from collections.abc import Callable
from functools import cached_property

from deltarule.tables import dates, missing_words, periods
from deltarule.tables.expressions import number_text

WHITE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What polars counts as white space."""
SPACES = dict.fromkeys(map(ord, WHITE), " ")
LONGEST = 100
"""The most letters of a number, date or time."""

GAP_WORDS = ("", *missing_words.GAP_WORDS)
MISSING_CODES = missing_words.MISSING_CODES
YES, NO = number_text.YES, number_text.NO
POWERS = number_text.POWERS
MONTHS = {name: number for number, name in enumerate(dates.MONTHS, 1)}

# Each pattern as both engines take it, but that Python names groups (?P<name>...).
SOURCES = {
    # A number as a program writes it.
    "PLAIN": r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$",
    # Most numbers, without their unit; and most dates. These patterns are short, so quick.
    "SIMPLE_POINT": r"^[1-9](?:[0-9]*|[0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]*)?$",
    "SIMPLE_COMMA": r"^[1-9](?:[0-9]*|[0-9]{0,2}(?:\.[0-9]{3})+)(?:,[0-9]*)?$",
    "ISO": r"^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?)?$",
    "NUMBER_POINT": number_text.PATTERNS["."],
    "NUMBER_COMMA": number_text.PATTERNS[","],
    "NEGATIVE": number_text.NEGATIVE,
    "PARTS": number_text.PARTS,
    "CODE": number_text.CODE,
    "CURRENCY": number_text.CURRENCY,
    "MOMENT": dates.MOMENT,
    "TIME": dates.TIME,
    "PERIOD": periods.PATTERN,
}


def portable(name: str) -> tuple[str, bool]:
    r"""A pattern of text whose white space is plain spaces, and whether case does not count.

    Currency signs stay as \p{Sc}, which Python lacks.
    """
    source = SOURCES[name].replace(r"\d", "[0-9]").replace(r"\s", " ")
    return source.replace("(?i)", ""), "(?i)" in source


class Pattern:
    """A pattern for Python, compiled when it is first used.

    Most models need few of them, and all of them take a fifteenth of loading a model.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        source, ignore_case = portable(self.name)
        source = source.replace(r"\p{Sc}", f"[{SIGNS}]").replace("(?<", "(?P<")
        return re.compile(source, re.IGNORECASE if ignore_case else 0)

    @cached_property
    def match(self) -> Callable[[str], re.Match[str] | None]:
        return self.compiled.match

    @cached_property
    def search(self) -> Callable[[str], re.Match[str] | None]:
        return self.compiled.search


# Unicode's currency signs, its category Sc.
SIGNS = (
    "\u0024\u00a2-\u00a5\u058f\u060b\u07fe-\u07ff\u09f2-\u09f3\u09fb\u0af1\u0bf9\u0e3f\u17db"
    "\u20a0-\u20c0\ua838\ufdfc\ufe69\uff04\uffe0-\uffe1\uffe5-\uffe6\U00011fdd-\U00011fe0"
    "\U0001e2ff\U0001ecb0"
)
PLAIN, SIMPLE_POINT, SIMPLE_COMMA, ISO = map(Pattern, [*SOURCES][:4])
NUMBER_POINT, NUMBER_COMMA, NEGATIVE, PARTS, CODE, CURRENCY, MOMENT, TIME, PERIOD = map(
    Pattern, [*SOURCES][4:]
)
