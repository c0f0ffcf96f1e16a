"""Functions of text, and numbers as text."""

import math


def like(text: str | None, pattern: str) -> bool | None:
    """Whether the whole of a text is like a pattern: % any letters, _ one."""
    if text is None:
        return None
    at, place, star, back = 0, 0, -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "%":
            star, back = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("_", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            back += 1
            at, place = back, star + 1
        else:
            return False
    return not pattern[place:].strip("%")


def starts_with(text: str | None, part: str) -> bool | None:
    """Whether a text starts with a part."""
    return None if text is None else text.startswith(part)


def ends_with(text: str | None, part: str) -> bool | None:
    """Whether a text ends with a part."""
    return None if text is None else text.endswith(part)


def contains(text: str | None, part: str) -> bool | None:
    """Whether a part stands anywhere in a text."""
    return None if text is None else part in text


def joined(x: str | None, y: str | None) -> str | None:
    """Two texts, one after the other; missing where one is."""
    return None if x is None or y is None else x + y


def concatenated(*texts: str | None) -> str:
    """All texts that are not missing, one after the other."""
    return "".join([text for text in texts if text is not None])


def lower(text: str | None) -> str | None:
    """In small letters."""
    return None if text is None else text.lower()


def upper(text: str | None) -> str | None:
    """In capital letters."""
    return None if text is None else text.upper()


def trimmed(text: str | None) -> str | None:
    """Without the spaces around it."""
    return None if text is None else text.strip(" ")


def length(text: str | None) -> float | None:
    """How many letters a text has."""
    return None if text is None else float(len(text))


def substring(text: str | None, start: float, count: float = math.inf) -> str | None:
    """So many letters from one on, the first of which is 1."""
    if text is None:
        return None
    first = int(start) - 1
    return text[first:] if count == math.inf else text[first : first + int(count)]


def left(text: str | None, count: float) -> str | None:
    """The first letters."""
    return None if text is None else text[: int(count)]


def right(text: str | None, count: float) -> str | None:
    """The last letters."""
    return None if text is None else text[max(0, len(text) - int(count)) :]


def replaced(text: str | None, old: str, new: str) -> str | None:
    """A text with one part in place of another."""
    return None if text is None else text.replace(old, new) if old else text


def zero_filled(text: str | None, width: float) -> str | None:
    """Zeros before a text, up to this width."""
    return None if text is None else text.zfill(int(width))


def number_as_text(x: float | None, largest: float) -> str | None:
    """A number in the fewest digits; whole ones below the largest without a point."""
    if x is None:
        return None
    x = float(x)
    if abs(x) < largest and x == math.floor(x):
        return str(int(x))
    digits, _, exponent = repr(x).partition("e")
    if not exponent:
        return digits
    if exponent == "-05":
        mantissa = digits.lstrip("-").replace(".", "")
        return ("-" if x < 0 else "") + "0.0000" + mantissa
    return f"{digits}e{exponent[0]}{exponent[1:].lstrip('0')}"


def boolean_as_text(x: bool | None) -> str | None:
    """True or false."""
    return None if x is None else "true" if x else "false"
