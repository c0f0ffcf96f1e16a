"""Plain dates in text are read as the pattern of all dates reads them, only sooner."""

import random

import pytest

from deltarule.scorer.patterns import MOMENT
from deltarule.scorer.runtime.cells import read_date, read_datetime, simple_moment
from deltarule.scorer.runtime.clock import DAY, clock_of, day_of
from deltarule.scorer.runtime.errors import RefusedError

ORDERS = ("", "ymd", "dmy", "mdy")
LETTERS = "0123456789-/.:T +Z\u0663"


def by_pattern(text: str, order: str) -> tuple[int, int] | None:
    """The moment by the pattern of all dates."""
    match = MOMENT.match(text.strip(" "))
    if match is None:
        return None
    days, clock = day_of(match.groupdict(), order), clock_of(match.groupdict())
    return None if days is None or clock is None else (days, clock // 1000)


def texts(draw: random.Random) -> str:
    """A text that is, or nearly is, a plain date."""
    year, month = draw.choice([1, 999, 1900, 1999, 2000, 2024]), draw.randint(0, 13)
    day, mark = draw.choice([0, 1, 28, 29, 30, 31, 32]), draw.choice("-/.")
    text = draw.choice(
        [
            f"{year:04d}{mark}{month:02d}{mark}{day:02d}",
            f"{day:02d}{mark}{month:02d}{mark}{year:04d}",
        ]
    )
    if draw.random() < 0.5:
        hour, rest = draw.choice([0, 7, 23, 24]), draw.choice(["05", "59", "60"])
        text += f"{draw.choice('T t')}{hour:02d}:{rest}" + draw.choice(["", f":{rest}"])
    if draw.random() < 0.3:
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice(LETTERS) + text[at + 1 :]
    return text


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_read_by_slices_is_what_the_pattern_reads(order):
    draw, taken = random.Random(5), 0
    for _ in range(5_000):
        text = texts(draw)
        found = simple_moment(text, order)
        taken += found is not None
        assert found in (None, by_pattern(text, order)), text
        try:
            moment = by_pattern(text, order)
            wanted = None if moment is None else moment[0] * DAY + moment[1]
            assert read_datetime(text, "x", order) == wanted, text
            assert read_date(text, "x", order) == (None if moment is None else moment[0]), text
        except RefusedError:
            assert by_pattern(text, order) is None, text
    assert taken > 500


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("2024-02-29", ""),
        ("2024-01-31 14:05", ""),
        ("2024-01-31T14:05:30", "mdy"),
        ("31.01.2024", "dmy"),
        ("01/31/2024 14:05", "mdy"),
    ],
)
def test_common_forms_are_read_by_slices(text, order):
    assert by_pattern(text, order) is not None
    assert simple_moment(text, order) == by_pattern(text, order)
