"""Numbers and dates in text mean in SQL what the model takes them for, whatever stands there."""

import random

import polars as pl
import pytest

from deltarule.export.sql.dialect import DIALECTS
from deltarule.export.sql.reading import cell
from deltarule.export.sql.scope import Scope
from deltarule.scorer.runtime.cells import read_date, read_datetime, read_number
from deltarule.scorer.runtime.errors import RefusedError
from deltarule.scorer.tree import Read
from deltarule.tables.text_formats import DateFormat, NumberFormat

ROWS = 1_500


def read_by_query(database, read, texts):
    """What a query of the database makes of these cells."""
    dialect, run = database
    scope = Scope(DIALECTS[dialect])
    value = scope.bind(cell(scope, read, ()))
    query = scope.query('"rows"', ["row id"], [("value", value)])
    rows = pl.DataFrame({"row id": range(len(texts)), "x": texts})
    _, [found] = run(rows, query)
    return found


def or_missing(read, *arguments):
    """A value, missing where it is refused."""
    try:
        return read(*arguments)
    except RefusedError:
        return None


def number_text(draw: random.Random, how: NumberFormat) -> str:
    """A text that is, or is nearly, a number as people write them."""
    digits = "".join(draw.choice("0123456789") for _ in range(draw.randint(1, 10)))
    if mark := draw.choice(["", "", ",", ".", " ", "'", "\u00a0", "\u2019"]):
        digits = mark.join(digits[::-1][at : at + 3] for at in range(0, len(digits), 3))[::-1]
    sign = draw.choice(["", "", "", "-", "+", "\u2212", "(", "- "])
    own = how.unit.removesuffix("%")
    unit, after = draw.choice(
        [(own, ""), ("", own), (own, ""), ("", ""), ("\u20ac", ""), ("", " EUR")]
    )
    fraction = draw.choice(["", "", "", ".5", ",25", ".125", ",", ".", ".123,4"])
    size = draw.choice(["", "", "", "", "", "", "e3", "E-2", "k", "M", "bn", " M", "B", "x", "e99"])
    percent = draw.choice(["", "%", " %"] if how.unit.endswith("%") else [""] * 9 + ["%"])
    end = ")" if sign == "(" and draw.random() < 0.8 else draw.choice(["", "", "", "-", " -"])
    text = f"{sign}{unit}{digits}{fraction}{size}{percent}{after}{end}"
    if draw.random() < 0.15:
        at = draw.randrange(len(text) + 1)
        text = text[:at] + draw.choice(list(" .,-e%0'k")) + text[at:]
    return draw.choice([text, text, text, f" {text}\t", draw.choice(["", "NA", "TBD", "x", "-"])])


@pytest.mark.parametrize(
    "how",
    [
        NumberFormat(),
        NumberFormat(unit="$"),
        NumberFormat(unit="EUR"),
        NumberFormat(decimal=","),
        NumberFormat(decimal=",", unit="%"),
        NumberFormat(unit="$%", leading_zeros=True),
    ],
    ids=str,
)
def test_numbers_in_text(how, database):
    draw = random.Random(4)
    texts = [number_text(draw, how) for _ in range(ROWS)]
    found = read_by_query(database, Read("x", "number", how), texts)
    taken = 0
    for text, value in zip(texts, found, strict=True):
        settings = how.decimal, how.unit, how.leading_zeros
        wanted = or_missing(read_number, text, "x", *settings)
        taken += wanted is not None
        assert value == (None if wanted is None else pytest.approx(wanted, rel=1e-15)), text
    assert taken > 100


def date_text(draw: random.Random) -> str:
    """A text that is, or is nearly, a date."""
    day, month = draw.randint(1, 31), draw.randint(1, 13)
    year = draw.choice([1999, 2024, 2000, 1900, 99, 24, 68, 69, 5])
    mark = draw.choice("/.-")
    text = draw.choice(
        [
            f"{day}{mark}{month}{mark}{year}",
            f"{day:02d}{mark}{month:02d}{mark}{year:02d}",
            f"{year}{mark}{month:02d}{mark}{day:02d}",
            f"{month}{mark}{day}{mark}{year}",
            f"{day}/{month}-{year}",
        ]
    )
    clocks = (
        "14:05", "14:05:30", "7:05", "23:59:59.25", "25:00", "12:60", "2:05 PM", "12:00am",
        "12:30 p.m.", "14:05Z", "14:05:30+02:00", "08:00 -0530", "0:00", "13:00 PM", "1:2",
        "14:05 later", "14",
    )  # fmt: skip
    if draw.random() < 0.6:
        text += draw.choice([" ", "T", "  "]) + draw.choice(clocks)
    return draw.choice([text] * 9 + [draw.choice(["", "NA", "TBD", "soon", "1/2", "1e1/2/2024"])])


@pytest.mark.parametrize("order", ["dmy", "mdy"])
@pytest.mark.parametrize(("kind", "read"), [("date", read_date), ("datetime", read_datetime)])
def test_dates_in_text(kind, read, order, database):
    draw = random.Random(4)
    texts = [date_text(draw) for _ in range(ROWS)]
    found = read_by_query(database, Read("x", kind, DateFormat(kind=kind, order=order)), texts)
    taken = 0
    for text, value in zip(texts, found, strict=True):
        wanted = or_missing(read, text, "x", order)
        taken += wanted is not None
        assert value == wanted, text
    assert taken > 100
