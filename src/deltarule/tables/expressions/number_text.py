"""Numbers and yes/no written as text: "1,234", "$1.2M", "(5)", "12 %"; "yes", "off".

A value that is neither missing nor spelled so is an error when it is evaluated, never a guess:
strictly, thousands marks group by three, and a number has at most one sign. What stands with a
number does not count: 12% is 12, and so is 12 EUR.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from deltarule.deferred import polars as pl
from deltarule.tables.missing_words import GAP_WORDS, MISSING_CODES

YES = ("yes", "y", "true", "t", "on", "1", "1.0")
NO = ("no", "n", "false", "f", "off", "0", "0.0")
POWERS = {"k": "e3", "K": "e3", "M": "e6", "B": "e9", "bn": "e9"}

# What may stand before or after an amount: any of Unicode's currency signs, or one of these.
_CODES = (
    r"US\$ AU\$ CA\$ HK\$ NZ\$ A\$ C\$ R\$ S\$ kr\.? zł Kč Ft lei лв Fr\.? Rs\.? "
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR "
    "NOK NZD PHP PLN RON RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR"
)
CURRENCY = rf"(?:\p{{Sc}}|{_CODES.replace(' ', '|')})"
SIZE = "|".join(POWERS)
SIGN, DASH, APOSTROPHE = "[-+\u2212]", "[-\u2212]", "['\u2019]"

SHOWN = 60  # characters of a value that an error repeats


def _pattern(mark: str) -> str:
    """The whole of a number whose decimal mark is this one."""
    point, comma = (r"\.", ",") if mark == "." else (",", r"\.")
    # No amount of thousands begins with 0: 0,126 has a decimal comma.
    first = "[1-9][0-9]{0,2}"
    grouped = "|".join(f"{first}(?:{one}[0-9]{{3}})+" for one in (comma, r"\s", APOSTROPHE))
    # India groups by two above a thousand: 12,34,567.
    grouped += f"|[1-9][0-9]?(?:{comma}[0-9]{{2}})+{comma}[0-9]{{3}}"
    digits = f"(?:(?:{grouped}|[0-9]+)(?:{point}[0-9]*)?|{point}[0-9]+)"
    amount = rf"{digits}(?:[eE][-+]?[0-9]{{1,3}}|\s*(?:{SIZE}))?\s*%?\s*{CURRENCY}?"
    signed = rf"(?:{SIGN}\s*{CURRENCY}?|{CURRENCY}?\s*{SIGN}?)\s*{amount}"
    after = rf"{CURRENCY}?\s*{amount}\s*-"
    # "(1,2)" is a pair: in brackets a decimal comma needs thousands marks before it.
    bare = amount if mark == "." else rf"(?:(?:{grouped})(?:,[0-9]*)?|[0-9]+)\s*%?\s*{CURRENCY}?"
    inside = rf"\(\s*{CURRENCY}?\s*{bare}\s*\)"
    return f"^(?:{signed}|{after}|{inside})$"


PATTERNS = {mark: _pattern(mark) for mark in ".,"}

# In a text that is a number: whether it is negative; its digits, then its magnitude.
NEGATIVE = rf"^[^0-9]*(?:{DASH}|\()|-$"
PARTS = (
    rf"^(?:{SIGN}|[(\s])*{CURRENCY}?(?:{SIGN}|\s)*"
    rf"((?:[0-9.,\s]|{APOSTROPHE})+(?:[eE][-+]?[0-9]+)?)\s*({SIZE})?\s*%?\s*{CURRENCY}?\s*[-)]?$"
)
# A unit after a number, of no digits: kg, km/h, °C. What a number may have itself is none.
ENDING_UNIT = r"([^\s0-9.,%)'\u2019\-+][^0-9%]{0,19})"
SUFFIX = rf"[0-9][.]?\s*{ENDING_UNIT}$"
# Codes begin with zeros; amounts do not.
CODE = rf"^(?:{CURRENCY}|{SIGN}|[(\s])*0[0-9]"


# A whole number of so many digits that floats may not hold them.
LONG = "^[-+]?[0-9]{16,}$"


def present(text: pl.Expr) -> pl.Expr:
    """Text without the white space around it, and no value where a word says that it is missing."""
    stripped = text.str.strip_chars()
    return pl.when(stripped.is_in(["", *GAP_WORDS]).not_()).then(stripped)


def cells_of(series: pl.Series, words: Sequence[str] = ()) -> pl.Series:
    """Text without the space around it, null where it is missing by a built-in or a given word."""
    cells = series.cast(pl.String).to_frame("x").select(_present_x()).to_series()
    cells = cells.set(cells.is_in(list(words)), None) if words else cells
    return cells.alias(series.name)


def coded(text: pl.Expr) -> pl.Expr:
    """Whether each text is a word for missing in a column of numbers or dates."""
    return text.str.to_lowercase().is_in(list(MISSING_CODES)).fill_null(value=False)


def is_code(text: pl.Series) -> pl.Series:
    """Whether each cell is a word for missing in a column of numbers or dates."""
    return text.to_frame("x").select(_coded_x()).to_series()


def are_large(text: pl.Series) -> bool:
    """Whether all are whole numbers, some with so many digits that floats may not hold them."""
    large = text.str.contains(LONG).any()
    return large and bool(text.str.contains("^[-+]?[0-9]+$").all())


# Made once: making a list of words into a column took longer than to look for them in few cells.


@cache
def _present_x() -> pl.Expr:
    return present(pl.col("x"))


@cache
def _coded_x() -> pl.Expr:
    return coded(pl.col("x"))


def number(text: pl.Expr, mark: str) -> pl.Expr:
    """The number that each text spells, null where missing.

    Errors:  polars' InvalidOperationError, naming the value, where there is none
    """
    name = _named(text)
    return text.map_batches(
        lambda series: _numbers(series, mark, name), return_dtype=pl.Float64, is_elementwise=True
    )


def boolean(text: pl.Expr) -> pl.Expr:
    """True or false as each text says in any case, null where missing.

    Errors:  polars' InvalidOperationError, naming the value, where it says neither
    """
    name = _named(text)
    return text.map_batches(
        lambda series: _booleans(series, name), return_dtype=pl.Boolean, is_elementwise=True
    )


def _named(text: pl.Expr) -> str:
    return next(iter(text.meta.root_names()), "text")


def _numbers(series: pl.Series, mark: str, name: str) -> pl.Series:
    text = cells_of(series)
    numbers = _read(text, mark)
    left = text.is_not_null() & numbers.is_null()
    if left.any():
        raise _unread(text.filter(left), name)
    return numbers


def numbers_of_unit(text: pl.Series, mark: str, unit: str, *, codes: bool = False) -> pl.Series:
    """The number that each text of one unit spells; null for other units, words, and codes."""
    numbers = _read(text, mark)
    # What is plain has no unit, so only the rest is searched for one.
    dressed = (numbers.is_not_null() & text.cast(pl.Float64, strict=False).is_null()).arg_true()
    other = numbers.is_not_null() if unit else pl.repeat(False, len(text), eager=True)
    other = other.scatter(dressed, units(text.gather(dressed)) != unit)
    if not codes:
        other |= text.str.contains(CODE).fill_null(value=False)
    return numbers.set(other, None)


def suffixes(text: pl.Series) -> pl.Series:
    """What follows the digits of each cell that ends otherwise, such as kg; null for the others."""
    x = pl.col("x").str.strip_chars()
    return text.to_frame("x").select(x.str.extract(SUFFIX)).to_series()


def without_suffix(text: pl.Series, suffix: str) -> pl.Series:
    """The cells without what follows each number; a cell that ends otherwise stays as it is."""
    bare = pl.col("x").str.strip_chars()
    cut = bare.str.strip_suffix(suffix)
    # Digits come before it: 5 kg kg is no number.
    made = pl.when(bare.str.ends_with(suffix) & cut.str.contains(r"[0-9.)]\s*$")).then(
        cut.str.strip_chars()
    )
    return text.to_frame("x").select(made.otherwise(pl.col("x")).alias(text.name)).to_series()


def fits(text: pl.Series, mark: str) -> pl.Series:
    """Whether each cell is a number with this decimal mark, with or without a unit after it."""
    bare = text.str.replace(rf"^(.*[0-9][.]?)\s*{ENDING_UNIT}$", "$1")
    return text.str.contains(PATTERNS[mark]) | bare.str.contains(PATTERNS[mark])


def units(text: pl.Series) -> pl.Series:
    """What stands with each number: a currency, a sign of per cent, or nothing."""
    x = pl.col("x")
    per_cent = pl.when(x.str.contains("%", literal=True)).then(pl.lit("%")).otherwise(pl.lit(""))
    unit = x.str.extract(f"({CURRENCY})").fill_null("") + per_cent
    return text.to_frame("x").select(unit).to_series()


def _read(text: pl.Series, mark: str) -> pl.Series:
    """What is plain at once, the rest with more and more care; null for what is no number.

    A million plain numbers take 0.1 s, a million that need the whole pattern 0.4 s.
    """
    numbers = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(text))
    for way in (_plainly, _simply, _carefully):
        left = text.is_not_null() & numbers.is_null()
        if not left.any():
            break
        found = way(text.filter(left), mark)
        numbers = numbers.scatter(left.arg_true(), found)
    return numbers


def _plainly(text: pl.Series, mark: str) -> pl.Series:
    if mark == ",":
        # A point is no decimal mark here: text with one is left to the others.
        plain = text.str.contains(".", literal=True).not_()
        text = text.str.replace(",", ".", literal=True).set(plain.not_(), None)
    found = text.cast(pl.Float64, strict=False)
    return found.set(found.is_finite().not_(), None)  # "inf" spells no number


def _simply(text: pl.Series, mark: str) -> pl.Series:
    """Thousands marks between the digits, one sign, currency signs and per cent around them."""
    comma, point = (",", r"\.") if mark == "." else (r"\.", ",")
    whole = rf"(?:[0-9]{{1,3}}|[1-9][0-9]{{0,2}}(?:{comma}[0-9]{{3}})+)"
    number = rf"[-+]?{whole}(?:{point}[0-9]*)?"
    simple = text.str.contains(rf"^[$€£¥]?{number}\s?%?[$€£¥]?$")
    bare = text.str.strip_chars("$€£¥%").str.strip_chars()
    digits = bare.str.replace_all("," if mark == "." else ".", "", literal=True)
    digits = digits.str.replace(",", ".", literal=True)
    return digits.cast(pl.Float64, strict=False).set(simple.not_(), None)


def _carefully(text: pl.Series, mark: str) -> pl.Series:
    """By the whole pattern, each different text once."""
    thousands = rf"[{',' if mark == '.' else '.'}\s]|{APOSTROPHE}"
    x = pl.col("x")
    digits = x.str.extract(PARTS, 1).str.replace_all(thousands, "")
    digits = digits.str.replace(mark, ".", literal=True)
    # Magnitudes become exponents of the text: 1.1 * 1e6 is not 1.1e6 to the last digit.
    power = x.str.extract(PARTS, 2).replace_strict(POWERS, default="", return_dtype=pl.String)
    minus = pl.when(x.str.contains(NEGATIVE)).then(pl.lit("-")).otherwise(pl.lit(""))
    good = x.str.contains(PATTERNS[mark])
    read = pl.when(good).then(pl.concat_str(minus, digits, power)).cast(pl.Float64, strict=False)
    each = text.unique().to_frame("x").with_columns(read=read)
    return text.replace_strict(each["x"], each["read"], return_dtype=pl.Float64)


def _booleans(series: pl.Series, name: str) -> pl.Series:
    text = cells_of(series)
    word = text.str.to_lowercase()
    wrong = word.is_not_null() & word.is_in([*YES, *NO]).not_()
    if wrong.any():
        raise _unread(text.filter(wrong), name)
    return word.is_in(YES)


def _unread(wrong: pl.Series, name: str) -> pl.exceptions.InvalidOperationError:
    # In polars' own words, so that one place tells people of both.
    shown = f'["{str(wrong[0])[:SHOWN]}"]'
    return pl.exceptions.InvalidOperationError(
        f"conversion from `str` to `f64` failed in column '{name}' for {len(wrong)} values: {shown}"
    )
