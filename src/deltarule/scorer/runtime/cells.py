"""Cells as values: numbers, yes and no, dates and times in text, levels."""

import math
from typing import Any

from deltarule.scorer.patterns import (
    CODE,
    CURRENCY,
    GAP_WORDS,
    ISO,
    LONGEST,
    MISSING_CODES,
    MOMENT,
    NEGATIVE,
    NO,
    NUMBER_COMMA,
    NUMBER_POINT,
    PARTS,
    PERIOD,
    PLAIN,
    POWERS,
    SIMPLE_COMMA,
    SIMPLE_POINT,
    TIME,
    YES,
)
from deltarule.scorer.runtime.clock import DAY, EPOCH, clock_of, day_of, days_in, first_day
from deltarule.scorer.runtime.errors import RefusedError, refuse, spaced
from deltarule.scorer.runtime.numbers import defined
from deltarule.scorer.runtime.texts import number_as_text


def read_number(
    cell: Any,
    column: str,
    mark: str = ".",
    unit: str = "",
    codes: bool = True,
    suffix: str = "",
) -> float | None:
    """A cell of a column of numbers; text in this decimal mark and unit, with codes such as 01."""
    if cell is None:
        return None
    if isinstance(cell, str):
        text = spaced(cell)
        if (value := simple_number(text, mark, unit)) is not None:
            return value
        if text in GAP_WORDS or text.lower() in MISSING_CODES:
            return None
        bare = without_suffix(text, suffix)
        value = spelled_number(bare, mark)
        # Another source may leave the unit out.
        odd = unit_of(bare) not in ("", unit)
        if value is None or odd or (not codes and CODE.match(bare)):
            raise refuse(cell, "number", column)
        return value
    if not isinstance(cell, float | int):
        raise refuse(cell, "number", column)
    try:
        value = float(cell)
    except OverflowError:
        raise refuse("a whole number of too many digits", "number", column) from None
    return value if value == value else None


def without_suffix(text: str, suffix: str) -> str:
    """A number without what follows it, such as kg; text that ends otherwise as it is."""
    if not suffix or not text.endswith(suffix):
        return text
    bare = text[: -len(suffix)].rstrip(" ")
    return bare if bare[-1:] in tuple("0123456789.)") else text


def simple_number(text: str, mark: str, unit: str) -> float | None:
    """The number of a text with this unit and nothing rare about it, None for all others."""
    bare = text.removeprefix(unit).removesuffix(unit).strip(" ") if unit else text
    if mark == ".":
        return float(bare.replace(",", "")) if SIMPLE_POINT.match(bare) else None
    if SIMPLE_COMMA.match(bare):
        return float(bare.replace(".", "").replace(",", "."))
    return None


def spelled_number(text: str, mark: str) -> float | None:
    """The number that a text spells, None where it spells none."""
    plain = text
    if mark == ",":
        plain = "" if "." in text else text.replace(",", ".", 1)
    if PLAIN.match(plain):
        value = float(plain)
        return value if math.isfinite(value) else None
    whole = NUMBER_POINT if mark == "." else NUMBER_COMMA
    parts = PARTS.match(text) if len(text) <= LONGEST and whole.match(text) else None
    if parts is None:
        return None
    digits = parts[1]
    for thousands in ("," if mark == "." else ".", " ", "'", "\u2019"):
        digits = digits.replace(thousands, "")
    sign = "-" if NEGATIVE.search(text) else ""
    # Magnitudes become exponents of the text: 1.1 * 1e6 is not 1.1e6 to the last digit.
    return float(sign + digits.replace(mark, ".", 1) + POWERS.get(parts[2] or "", ""))


def unit_of(text: str) -> str:
    """What stands with a number: a currency, a sign of per cent, or nothing."""
    found = CURRENCY.search(text)
    return (found[0] if found else "") + ("%" if "%" in text else "")


def word(text: str) -> bool | None:
    """Yes or no as a text says in any case, None where it says neither."""
    lower = spaced(text).lower()
    return True if lower in YES else False if lower in NO else None


def read_flag(cell: Any, column: str) -> float | None:
    """A cell of a column of numbers that are 1 and 0; text may say yes and no."""
    if not isinstance(cell, str):
        return read_number(cell, column)
    text = spaced(cell)
    if text in GAP_WORDS or text.lower() in MISSING_CODES:
        return None
    if PLAIN.match(text):
        return read_number(text, column)
    said = word(text)
    if said is None:
        raise refuse(cell, "number", column)
    return 1.0 if said else 0.0


def read_boolean(cell: Any, column: str) -> bool | None:
    """A cell of a column of yes and no."""
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, float | int):
        if cell != cell:
            return None
        cell = number_as_text(cell, 1e15)
    if not isinstance(cell, str):
        raise refuse(cell, "yes or no", column)
    text = spaced(cell)
    if text in GAP_WORDS or text.lower() in MISSING_CODES:
        return None
    said = word(text)
    if said is None:
        raise refuse(cell, "yes or no", column)
    return said


def read_text(cell: Any, column: str) -> str | None:
    """A cell of a column of text, as it stands; blank it is missing."""
    if cell is None:
        return None
    if isinstance(cell, str):
        return cell if spaced(cell) else None
    raise refuse(cell, "text", column)


def simple_moment(text: str, order: str) -> tuple[int, int] | None:
    """The moment of a text like 2024-01-31, 31.01.2024 or 2024-01-31 14:05:30, None for all others.

    It takes a fifth of the time that the patterns of all dates take.
    """
    size = len(text)
    if size != 10 and size != 16 and size != 19:
        return None
    mark = text[4]
    if mark == text[7] and mark in "-/.":
        digits = text[:4] + text[5:7] + text[8:10]
    elif text[2] != text[5] or text[2] not in "-/.":
        return None
    elif order == "dmy":
        digits = text[6:10] + text[3:5] + text[:2]
    elif order == "mdy":
        digits = text[6:10] + text[:2] + text[3:5]
    else:
        return None
    if not (digits.isascii() and digits.isdigit()):
        return None
    number = int(digits)
    y, m, d = number // 10_000, number // 100 % 100, number % 100
    if 1 <= d <= 28 and 1 <= m <= 12:
        if m < 3:
            y, m = y - 1, m + 12
        days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * m - 457) // 5 + d - 719_469
    elif (last := days_in(digits[:4], digits[4:6], digits[6:])) is not None:
        days = last
    else:
        return None
    if size == 10:
        return days, 0
    clock = simple_clock(text[10:])
    return None if clock is None else (days, clock)


def simple_clock(text: str) -> int | None:
    """The microseconds of a text like " 14:05" or "T14:05:30", None for all others."""
    hour, minute, second = text[1:3], text[4:6], text[7:] or "00"
    digits = hour + minute + second
    if text[0] not in " T" or text[3] != ":" or text[6:7] not in ("", ":"):
        return None
    if not (digits.isascii() and digits.isdigit()):
        return None
    if hour > "23" or minute > "59" or second > "59":
        return None
    return ((int(hour) * 60 + int(minute)) * 60 + int(second)) * 1_000_000


def read_moment(cell: Any, column: str, order: str) -> tuple[int, int] | None:
    """A date's days, and its microseconds of the day."""
    if cell is None:
        return None
    if hasattr(cell, "toordinal"):  # a date or datetime of Python
        days = cell.toordinal() - EPOCH
        if not hasattr(cell, "hour"):
            return days, 0
        if getattr(cell, "tzinfo", None) is not None:
            raise refuse(cell, "date without a time zone", column)
        seconds = (cell.hour * 60 + cell.minute) * 60 + cell.second
        return days, seconds * 1_000_000 + cell.microsecond
    if isinstance(cell, float | int) and not isinstance(cell, bool) and cell == cell:
        cell = number_as_text(cell, 1e15)
    if not isinstance(cell, str):
        raise refuse(cell, "date", column)
    text = spaced(cell)
    if order in ("month", "quarter", "week"):
        if (period := PERIOD.match(text)) is not None:
            first = first_day(period.groupdict(), order)
            if first is None:
                raise refuse(cell, order, column)
            return first, 0
        order = ""  # of dates beside periods, only those with the year first are sure
    if text in GAP_WORDS or text.lower() in MISSING_CODES:
        return None
    if (iso := ISO.match(text)) is not None:
        year, month, day, hour, minute, second = iso.groups()
        parts = {"hour": hour, "minute": minute, "second": second, "half": None, "fraction": ""}
        days_of, clock = days_in(year, month, day), clock_of(parts)
    else:
        match = MOMENT.match(text) if len(text) <= LONGEST else None
        parts = {"hour": None} if match is None else match.groupdict()
        days_of = None if match is None else day_of(parts, order)
        clock = clock_of(parts)
    if days_of is None or clock is None:
        raise refuse(cell, "date", column)
    return days_of, clock // 1000


def read_date(cell: Any, column: str, order: str) -> int | None:
    """A cell of a column of dates, as days, whatever the time of day."""
    if cell.__class__ is str and (plain := simple_moment(cell, order)) is not None:
        return plain[0]
    found = read_moment(cell, column, order)
    return None if found is None else found[0]


def read_instant(cell: Any, column: str, order: str, ahead: int | None) -> int | None:
    """A cell of a column that was learnt in a zone, whose clocks are `ahead` minutes of UTC.

    Text with an offset is moved to those clocks; refused where these change over the year.
    """
    if cell.__class__ is str and (plain := simple_moment(cell, order)) is not None:
        return plain[0] * DAY + plain[1]
    moment = read_datetime(cell, column, order)
    if moment is None or not isinstance(cell, str):
        return moment
    match = MOMENT.match(spaced(cell))
    zone = match["zone"] if match is not None and match["hour"] is not None else None
    if zone is None:
        return moment
    if ahead is None:
        raise refuse(cell, "time without an offset", column)
    return moment + (ahead - minutes_ahead(zone)) * 60_000_000


def minutes_ahead(zone: str) -> int:
    """The minutes by which an offset such as +05:30 is ahead of UTC; 0 of Z, UTC and GMT."""
    if zone[0] not in "+-":
        return 0
    minutes = int(zone[1:3]) * 60 + (int(zone[-2:]) if len(zone) > 3 else 0)
    return -minutes if zone[0] == "-" else minutes


def read_datetime(cell: Any, column: str, order: str) -> int | None:
    """A cell of a column of dates with times, as microseconds."""
    if cell.__class__ is str and (plain := simple_moment(cell, order)) is not None:
        return plain[0] * DAY + plain[1]
    found = read_moment(cell, column, order)
    return None if found is None else found[0] * DAY + found[1]


def read_time(cell: Any, column: str) -> int | None:
    """A cell of a column of times of day, as nanoseconds."""
    if cell is None:
        return None
    if not isinstance(cell, str):
        raise refuse(cell, "time of day", column)
    text = spaced(cell)
    if text in GAP_WORDS or text.lower() in MISSING_CODES:
        return None
    parts = TIME.match(text) if len(text) <= LONGEST else None
    clock = None if parts is None else clock_of(parts.groupdict())
    if clock is None:
        raise refuse(cell, "time of day", column)
    return clock


def label(cell: Any, of: str, column: str) -> str | None:
    """A cell as a category's level, whatever it is; numbers of yes and no are these."""
    if cell is None:
        return None
    if isinstance(cell, str):
        return cell if spaced(cell) else None
    if isinstance(cell, bool) or (of == "boolean" and isinstance(cell, float | int)):
        return None if cell != cell else "true" if cell else "false"
    if not isinstance(cell, float | int):
        raise refuse(cell, "level", column)
    return None if cell != cell else str(cell) if isinstance(cell, int) else whole_or_digits(cell)


def whole_or_digits(x: float | None) -> str | None:
    """A number as a level's name."""
    return number_as_text(x, 2.0**53)


def number_in_text(text: str | None, mark: str) -> float | None:
    """The number that a text spells, of any unit."""
    if text is None or (bare := spaced(text)) in GAP_WORDS:
        return None
    value = spelled_number(bare, mark)
    if value is None:
        raise RefusedError(f"{text[:60]!r} is not a number")
    return value


def boolean_in_text(text: str | None) -> bool | None:
    """Yes or no, as a text says in any case."""
    if text is None or spaced(text) in GAP_WORDS:
        return None
    said = word(text)
    if said is None:
        raise RefusedError(f"{text[:60]!r} is not a yes or no")
    return said


def plain_number(text: str | None) -> float | None:
    """A number as programs write it."""
    if text is None:
        return None
    bare = text.strip(" ")
    if not PLAIN.match(bare) and bare.lstrip("+-").lower() not in ("inf", "infinity", "nan"):
        raise RefusedError(f"{text[:60]!r} is not a number")
    return defined(float(bare))


def date_in_text(text: str | None) -> int | None:
    """A date as 2024-01-31."""
    if text is None:
        return None
    parts = text.strip(" ").split("-")
    good = len(parts) == 3 and all(one.isascii() and one.isdecimal() for one in parts)
    if good and [len(one) for one in parts] == [4, 2, 2]:
        days = days_in(*parts)
        if days is not None:
            return days
    raise RefusedError(f"{text[:60]!r} is not a date")


def spelled(text: str, spellings: Any) -> str:
    """The level that a text is in other words, else the text."""
    found: str = spellings.get(spaced(text).lower(), text)
    return found
