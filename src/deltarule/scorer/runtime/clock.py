"""Dates as days, datetimes as microseconds since 1970-01-01, times as nanoseconds of the day."""

from typing import Any

from deltarule.scorer.patterns import MONTHS

DAY = 86_400_000_000
"""A day in microseconds."""


EPOCH = 719_163
"""1970-01-01, as Python counts days."""


def day_of(parts: Any, order: str) -> int | None:
    """The days of a date's parts in this order ("" allows the year first only), None for none."""
    a, b, c = parts["a"], parts["b"], parts["c"]
    if a is None:
        for year, month, day in (("cy", "cm", "cd"), ("y1", "m1", "d1"), ("y2", "m2", "d2")):
            if parts[year] is not None:
                return days_in(parts[year], parts[month], parts[day])
        return days_in(parts["y3"], parts["m3"], parts["d3"])
    if parts["s"] != parts["t"]:
        return None
    if len(a) == 4 and len(c) <= 2:
        return days_in(a, b, c)
    even, dashed = len(a) == len(b) == len(c) == 2, parts["s"] == "-"
    if order == "ymd":
        return days_in(a, b, c) if even and parts["s"] != "." else None
    if order and len(a) <= 2 and (len(c) == 4 or (len(c) == 2 and (even or not dashed))):
        day, month = (a, b) if order == "dmy" else (b, a)
        return days_in(c, month, day)
    return None


def first_day(parts: Any, every: str) -> int | None:
    """The first day of a month, quarter or week of these parts; None for no such period."""
    forms = "mltu" if every == "month" else every[0]
    form = next((form for form in forms if parts[form + "y"] is not None), None)
    if form is None:
        return None
    y, written = int(parts[form + "y"]), parts[form + "n"]
    number = int(written) if written.isdecimal() else MONTHS[written.lower()[:3]]
    if every != "week":
        return since_epoch(y, number if every == "month" else 3 * number - 2, 1)
    fourth = since_epoch(y, 1, 4)
    monday = fourth - (fourth + 3) % 7 + 7 * (number - 1)
    return monday if calendar(monday + 3)[0] == y else None


def days_in(year: str, month: str, day: str) -> int | None:
    """Days since 1970-01-01 of a date in digits or with its month's name; None where it is none."""
    y = int(year)
    if len(year) != 4:
        y += 2000 if y < 69 else 1900
    m = int(month) if month.isdecimal() else MONTHS.get(month.lower()[:3], 0)
    d = int(day)
    leap = y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)
    longest = 29 if m == 2 and leap else (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[m % 13]
    if not (1 <= m <= 12 and 1 <= d <= longest):
        return None
    return since_epoch(y, m, d)


def since_epoch(y: int, m: int, d: int) -> int:
    """Days since 1970-01-01 of a date of the Gregorian calendar."""
    y -= m <= 2
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (m + (-3 if m > 2 else 9)) + 2) // 5 + d - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def clock_of(parts: Any) -> int | None:
    """The nanoseconds of a time of day's parts, 0 where there is none; None for no such time."""
    if parts["hour"] is None:
        return 0
    hour, minute, second = int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0)
    if parts["half"] is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if parts["half"] in "pP" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction = (parts["fraction"] or "").ljust(9, "0")
    return ((hour * 60 + minute) * 60 + second) * 1_000_000_000 + int(fraction)


def date_as_text(days: int | None) -> str | None:
    """As 2024-01-31."""
    if days is None:
        return None
    year, month, day = calendar(days)
    return f"{year:04d}-{month:02d}-{day:02d}"


def clock_as_text(moment: int, fraction: str) -> str:
    """Seconds of a day as 14:05:00, with the digits of a fraction in threes."""
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    clock = f"{moment // 3600:02d}:{moment // 60 % 60:02d}:{moment % 60:02d}"
    return f"{clock}.{fraction}" if fraction else clock


def datetime_as_text(moment: int | None) -> str | None:
    """As 2024-01-31 14:05:00."""
    if moment is None:
        return None
    of_day = moment % DAY
    clock = clock_as_text(of_day // 1_000_000, f"{of_day % 1_000_000:06d}")
    return f"{date_as_text(moment // DAY)} {clock}"


def time_as_text(moment: int | None) -> str | None:
    """As 14:05:00."""
    if moment is None:
        return None
    return clock_as_text(moment // 1_000_000_000, f"{moment % 1_000_000_000:09d}")


def calendar(days: int) -> tuple[int, int, int]:
    """Year, month and day."""
    z = days + 719_468
    era = z // 146_097
    of_era = z - era * 146_097
    of = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * of + of // 4 - of // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    return of + era * 400 + (month <= 2), month, day


def year(days: int | None) -> float | None:
    """The year."""
    return None if days is None else float(calendar(days)[0])


def quarter(days: int | None) -> float | None:
    """The quarter, 1 to 4."""
    return None if days is None else float((calendar(days)[1] + 2) // 3)


def month(days: int | None) -> float | None:
    """The month, 1 to 12."""
    return None if days is None else float(calendar(days)[1])


def day(days: int | None) -> float | None:
    """The day of the month."""
    return None if days is None else float(calendar(days)[2])


def day_of_year(days: int | None) -> float | None:
    """The day of the year, from 1."""
    return None if days is None else float(days - since_epoch(calendar(days)[0], 1, 1) + 1)


def weekday(days: int | None) -> float | None:
    """The day of the week, 1 for Monday to 7."""
    return None if days is None else float((days + 3) % 7 + 1)


def week(days: int | None) -> float | None:
    """The week of ISO 8601: the first has the year's first Thursday."""
    if days is None:
        return None
    thursday = days - (days + 3) % 7 + 3
    return float((thursday - since_epoch(calendar(thursday)[0], 1, 1)) // 7 + 1)


def hour(moment: int | None) -> float | None:
    """The hour of a datetime."""
    return None if moment is None else float(moment % DAY // 3_600_000_000)


def minute(moment: int | None) -> float | None:
    """The minute of a datetime."""
    return None if moment is None else float(moment % DAY // 60_000_000 % 60)


def hour_of_time(moment: int | None) -> float | None:
    """The hour of a time of day."""
    return None if moment is None else float(moment // 3_600_000_000_000)


def minute_of_time(moment: int | None) -> float | None:
    """The minute of a time of day."""
    return None if moment is None else float(moment // 60_000_000_000 % 60)


def days_of_date(days: int | None) -> float | None:
    """The days since 1970-01-01."""
    return None if days is None else float(days)


def days_of_moment(moment: int | None) -> float | None:
    """The days since 1970-01-01, with their fraction."""
    return None if moment is None else moment / 86_400e6


def as_datetime(days: int | None) -> int | None:
    """The midnight of a date."""
    return None if days is None else days * DAY


def as_date(moment: int | None) -> int | None:
    """The day of a datetime."""
    return None if moment is None else moment // DAY
