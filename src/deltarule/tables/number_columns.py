"""Number columns: decide which text columns are numbers, in which decimal mark and unit.

What is text though its cells hold numbers has a note on what to do: several units, numbers beside
other characters, ranges.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from deltarule.tables.decimal_notes import several
from deltarule.tables.expressions import number_text as spelling
from deltarule.tables.expressions.expression import quoted
from deltarule.tables.expressions.number_text import is_code
from deltarule.tables.parsed_text import LETTERS_SHOWN
from deltarule.tables.text_formats import MARKS, Formats, Mark, NumberFormat, few, number_format

DIGITS = r"^[+-]?[0-9]+$"
# Text with a smaller share of numeric cells is not considered numeric.
MOSTLY = 0.5
# Text of more values than this has a note where numbers hide in it.
FEW_LEVELS = 20
# A number beside other characters, such as ~5, >5, 5+; and a range of two.
BESIDE = r"^(?<before>[^\w\s.,\-]{0,2})\s*[0-9][0-9.,]*\s*(?<after>[^\w\s.,\-]{0,2})$"
RANGE = r"^(?<low>[0-9]+(?:\.[0-9]+)?)\s*(?:-|\u2013|to)\s*(?<high>[0-9]+(?:\.[0-9]+)?)$"
# Most units in a note.
UNITS_SHOWN = 4


@dataclass(frozen=True)
class Code:
    """A column of codes with leading zeros, and an example."""

    example: str


def decided(
    text: pl.Series,
    mark: str | None,
    *,
    names: bool = False,
    target: bool = False,
    later: Collection[str] = (),
) -> NumberFormat | Code | str | None:
    """The decision on a text column: numbers, codes, or text, perhaps with a note.

    With `names`, whole numbers alone are text; a `target` of few values such as 5 stars is classes.
    One cell of `later` rows shows that all are codes, as one of the first rows does.
    """
    cells = text.drop_nulls()
    cells = cells.filter(is_code(cells).not_())
    found, odd = number_format(text, mark)
    classes = target and cells.n_unique() <= FEW_LEVELS
    if found is None and not classes and (measured := _measured(cells, mark)) is not None:
        return measured
    if len(odd) and (several_units := _units(cells, mark) or _suffixes(cells, mark)):
        return f"its numbers have several units, {several_units}: write them in one"
    whole = int(cells.str.contains(DIGITS).sum())
    if len(odd) > MOSTLY * len(cells) and cells.n_unique() > FEW_LEVELS:
        return _hidden(cells)
    if len(odd) > MOSTLY * len(cells) or (names and whole == len(cells) - len(odd)):
        return None
    every = cells.append(pl.Series(list(later), dtype=pl.String)) if later else cells
    codes = every.filter(_are_codes(every))
    if len(codes):
        return Code(codes[0])
    if found is None:
        example = odd[0][:LETTERS_SHOWN]
        return f"{len(odd):,} of {len(cells):,} cells are no numbers, such as '{example}'"
    return found


def contrary(form: NumberFormat, odd: Counter[str]) -> Counter[str]:
    """Of the odd cells of a column in this format, those that would be fine in another.

    They are numbers with the other decimal mark, or codes that begin with 0.
    """
    cells = pl.Series(list(odd), dtype=pl.String)
    other = spelling.fits(cells, "," if form.decimal == "." else ".")
    return Counter({cell: odd[cell] for cell in cells.filter(other | _are_codes(cells))})


def _are_codes(cells: pl.Series) -> pl.Series:
    return cells.str.contains(spelling.CODE) & is_code(cells).not_()


def mark_of_all(text: pl.Series, later: Counter[str]) -> Mark | None:
    """The decimal mark that more cells of the first and of later rows fit; None for neither."""
    cells, others = text.drop_nulls(), pl.Series(list(later), dtype=pl.String)
    rows = pl.Series(list(later.values()), dtype=pl.Int64)
    odd = {
        mark: int((~spelling.fits(cells, mark)).sum())
        + int(rows.filter(~spelling.fits(others, mark)).sum())
        for mark in MARKS
    }
    if odd["."] == odd[","]:
        return None
    return "." if odd["."] < odd[","] else ","


def fraction_warnings(look: pl.DataFrame, learnt: Formats) -> list[str]:
    """Warnings of columns learnt as per cent, 12% as 12, whose numbers are all fractions of 1.

    A workbook keeps 12% as 0.12.
    """
    warnings = []
    for name, one in learnt.items():
        if not isinstance(one, NumberFormat) or one.unit != "%" or name not in look.columns:
            continue
        values = look[name].drop_nulls()
        if not values.dtype.is_float() or not values.is_between(-1, 1).all():
            continue
        if (values != values.floor()).any():
            low, high = (float(values.sort()[at]) for at in (0, -1))
            warnings.append(
                f"{name} was learnt as per cent, 12% as 12, and comes as numbers from "
                f"{low:g} to {high:g}: if 0.12 is 12%, multiply it by 100"
            )
    return warnings


def _measured(cells: pl.Series, mark: str | None) -> NumberFormat | None:
    """The format of nearly all cells where each number is followed by the same unit, as in 5 kg."""
    ends = spelling.suffixes(cells).drop_nulls()
    if ends.is_empty():
        return None
    suffix = str(ends.value_counts(sort=True)[ends.name][0]).strip()
    bare = spelling.without_suffix(cells, suffix)
    bare = bare.set(bare == cells, None)
    found, odd = number_format(bare, mark)
    if found is None or not few(len(odd) + bare.null_count(), len(cells)):
        return None
    if bare.str.contains(spelling.CODE).any():
        return None
    return found.model_copy(update={"suffix": suffix})


def _suffixes(cells: pl.Series, mark: str | None) -> str:
    """The units that follow the digits of nearly all cells, if they are several; else nothing."""
    ends = spelling.suffixes(cells).str.strip_chars()
    distinct = ends.drop_nulls().value_counts(sort=True)
    if not 2 <= distinct.height <= UNITS_SHOWN or not few(ends.null_count(), len(cells)):
        return ""
    bare = cells.str.replace(spelling.SUFFIX, "").str.strip_chars()
    # The digit before it was cut too: what is left is empty, or a number that lacks its last digit.
    numbers = bare.str.contains(spelling.PATTERNS[mark or "."]) | (bare == "")
    names = [f"'{unit}'" for unit in distinct[distinct.columns[0]]]
    return ", ".join(names) if few(int((~numbers).sum()), len(cells)) else ""


def _hidden(cells: pl.Series) -> str | None:
    """What to do about text of many values whose cells hold numbers; None where they do not."""
    beside = cells.str.extract_groups(BESIDE).struct.unnest()
    if few(beside["before"].null_count(), len(cells)):
        marks = [mark for part in beside for mark in part.unique().to_list() if mark]
        made = quoted("COLUMN")
        for mark in marks[:UNITS_SHOWN]:
            made = f"replace({made}, '{mark}', '')"
        return f"cells such as '{cells[0]}' hold numbers, which number({made}) would read"
    parts = cells.str.extract_groups(RANGE).struct.unnest()
    low, high = (parts[name].cast(pl.Float64, strict=False) for name in ("low", "high"))
    if few(len(cells) - int((low <= high).sum()), len(cells)):
        return f"cells such as '{cells[0]}' are ranges: write their ends as two columns of numbers"
    return None


def _units(cells: pl.Series, mark: str | None) -> str:
    """The units of cells that are nearly all numbers, none of them in nearly all; else nothing."""
    numbers = cells.filter(cells.str.contains(spelling.PATTERNS[mark or "."]))
    units = spelling.units(numbers).value_counts(sort=True)
    if not few(len(cells) - len(numbers), len(cells)) or units.height < 2:
        return ""
    others = len(numbers) - int(units["count"][0])
    names = [f"'{unit}'" if unit else "none" for unit in units[units.columns[0]][:UNITS_SHOWN]]
    return "" if few(others, len(cells)) else ", ".join(names)


def has_digits(text: pl.Series) -> bool:
    """Whether most cells of a column of text have digits."""
    cells = text.drop_nulls()
    digits = cells.str.contains("[0-9]")
    if not digits.any():
        return False
    known = is_code(cells).not_()
    cells, digits = cells.filter(known), digits.filter(known)
    return len(cells) > 0 and int(digits.sum()) >= MOSTLY * len(cells)


def suffix_notes(formats: Formats, texts: Mapping[str, pl.Series]) -> list[str]:
    """A note on columns of numbers whose unit was left aside."""
    found = {}
    for name, one in formats.items():
        if isinstance(one, NumberFormat) and one.suffix:
            cells = texts[name].drop_nulls()
            cell = cells.filter(cells.str.strip_chars().str.ends_with(one.suffix))[0]
            found[name] = f"'{cell}' as {one.read(pl.Series([cell]))[0]:.12g}"
    if not found:
        return []
    name = next(iter(found))
    return [f"{several(found)}: numbers are read without the unit that follows each, {found[name]}"]
