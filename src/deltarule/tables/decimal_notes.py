"""Decimal marks in words: columns of another mark than their table, and cells that may mean either.

A decimal comma makes thousands of points, and a comma between thousands looks like one.
"""

from collections.abc import Collection, Mapping

import polars as pl

from deltarule.tables.expressions.number_text import PATTERNS
from deltarule.tables.text_formats import (
    MARKS,
    THOUSANDS,
    Formats,
    NumberFormat,
    decimal_evidence,
)

# Columns that a note names.
COLUMNS_SHOWN = 5
ONE_COMMA = r"^[^0-9.,]*[1-9][0-9]{0,2},[0-9]{3}[^0-9.,]*$"
KEPT_ZERO = r",[0-9]{2}0[^0-9.,]*$"
WORDS = {".": "point", ",": "comma"}


def decimal_notes(formats: Formats, texts: Mapping[str, pl.Series], mark: str | None) -> list[str]:
    """Notes on the decimal marks of these columns; the table's is `mark`."""
    doubtful: dict[str, dict[str, str]] = {sign: {} for sign in MARKS}
    for name, one in formats.items():
        if not isinstance(one, NumberFormat) or one.decimal != ",":
            continue
        for sign, columns in doubtful.items():
            found = texts[name].filter(texts[name].str.contains(THOUSANDS[sign]))
            sure = sign == "," and decimal_evidence(texts[name]) == ","
            columns |= {name: found[0]} if len(found) and not sure else {}
    notes = _other_marks(formats, texts, mark)
    for columns in doubtful.values():
        for name, value in list(columns.items())[:1]:
            read = value.replace(".", "").replace(",", ".")
            notes.append(
                f"{several(columns)}: the decimal mark is a comma, so {value} in {name} is "
                f"{read}; if not, say --read decimal=."
            )
    return [*notes, *_mixed_notes(formats, texts), *_comma_notes(formats, texts, mark)]


def _mixed_notes(formats: Formats, texts: Mapping[str, pl.Series]) -> list[str]:
    """A note on columns with 9,58 beside 9,580: programs that keep a last 0 write no 9,58."""
    mixed = {}
    for name, one in formats.items():
        if isinstance(one, NumberFormat) and one.decimal == ",":
            cells = texts[name].filter(texts[name].str.contains(",", literal=True))
            thousands = cells.str.contains(ONE_COMMA)
            kept = cells.filter(thousands & cells.str.contains(KEPT_ZERO))
            sure = cells.str.contains(".", literal=True).any()  # 1.200,50
            if len(kept) and not thousands.all() and not sure:
                mixed[name] = (cells.filter(~thousands)[0], kept[0])
    return [
        f"{several(mixed)}: {short} has a decimal comma, so {kept} in {name} is "
        f"{kept.replace(',', '.')}, not {kept.replace(',', '')}; if commas stand between "
        f"thousands, fix {short}, or say --read decimal=."
        for name, (short, kept) in list(mixed.items())[:1]
    ]


def _comma_notes(formats: Formats, texts: Mapping[str, pl.Series], mark: str | None) -> list[str]:
    """A note on columns whose commas are taken for thousands and may all be decimal marks.

    A cell without a comma or with two of them shows that they stand between thousands.
    """
    commas = {}
    for name, one in formats.items():
        if mark is None and isinstance(one, NumberFormat) and one.decimal == ".":
            cells = texts[name].filter(one.read(texts[name]).is_not_null())
            if len(cells) and cells.str.contains(ONE_COMMA).all():
                commas[name] = cells[0]
    return [
        f"{several(commas)}: commas stand between thousands, so {value} in {name} is "
        f"{value.replace(',', '')}; if it is the decimal mark, say --read decimal=,"
        for name, value in list(commas.items())[:1]
    ]


def point_notes(points: Mapping[str, str]) -> list[str]:
    """A note on columns of numbers whose points may all stand between thousands."""
    return [
        f"{several(points)}: the decimal mark is a point, so {value} in {name} is {value}, not "
        f"{value.replace('.', '')}; if it stands between thousands, say --read decimal=,"
        for name, value in list(points.items())[:1]
    ]


def _other_marks(formats: Formats, texts: Mapping[str, pl.Series], mark: str | None) -> list[str]:
    """Columns of another mark than was said or is the rest of the table's."""
    other: dict[str, str] = {}
    for name, one in formats.items():
        if mark is not None and isinstance(one, NumberFormat) and one.decimal != mark:
            cells = texts[name].drop_nulls()
            marked = cells.filter(cells.str.contains(PATTERNS[mark]).not_())
            other |= {name: marked[0]} if len(marked) else {}
    if mark is None or not other:
        return []
    name, value = next(iter(other.items()))
    own = WORDS["," if mark == "." else "."]
    return [
        f"{several(other)}: read with a decimal {own}, though the table's is a {WORDS[mark]}, as "
        f"{value} in {name} is no number with that"
    ]


def several(names: Collection[str]) -> str:
    """A list of names, truncated to the first few."""
    shown = list(names)[:COLUMNS_SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more
