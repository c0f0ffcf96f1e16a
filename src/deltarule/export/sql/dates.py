"""Dates in SQL as numbers: dates are days, datetimes microseconds, since 1970-01-01.

Parts of dates follow from days since 1970-01-01 by the arithmetic of the Gregorian calendar
(Hinnant, chrono-compatible low-level date algorithms), where the dialect has no template for them.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from deltarule.export.sql.dialect import DAY
from deltarule.export.sql.scope import Scope, Sql
from deltarule.scorer.tree import Apply

# Numbers that stand alone in a template, unlike {0}.
NUMBERS = re.compile(r"(?<=[ (])[0-9]+(?=[ )]|$)")


def days_of(scope: Scope, value: Sql) -> Sql:
    """The day that a date or datetime is of."""
    if value.kind == "date":
        return scope.bind(value)
    return scope.bind(_floor(scope, value, DAY))


def _floor(scope: Scope, value: Sql, unit: float) -> Sql:
    quotient = scope.make("number", f"({{0}} / {scope.dialect.literal(unit)})", value)
    return scope.call("date", "floor", quotient)


def _clock(scope: Scope, value: Sql) -> Sql:
    """The microseconds since midnight."""
    value = scope.bind(value)
    day = scope.dialect.literal(DAY)
    whole = scope.make("number", f"({{0}} / {day})", value)
    floor = scope.call("number", "floor", whole)
    return scope.bind(scope.make("number", f"({{0}} - {{1}} * {day})", value, floor))


def part(scope: Scope, name: str, days: Sql) -> Sql:
    """The year, month, day or doy (day of the year) of a day."""
    if name in scope.dialect.date_parts:
        text = scope.dialect.date_parts[name].format(days.text)
        return scope.joined("number", text, [days])
    return _by_arithmetic(scope, name, days)


def _by_arithmetic(scope: Scope, name: str, days: Sql) -> Sql:
    d = scope.dialect

    def bound(template: str, *parts: Sql) -> Sql:
        """A column; in the template numbers are literals, and [ ] is floor."""
        text = NUMBERS.sub(lambda one: d.literal(float(one[0])), template)
        text = text.replace("[", "FLOOR(").replace("]", ")")
        return scope.bind(scope.make("number", text, *parts))

    z = bound("( {0} + 719468 )", days)
    era = bound("[ {0} / 146097 ]", z)
    doe = bound("( {0} - {1} * 146097 )", z, era)
    yoe = bound("[ ( {0} - [ {0} / 1460 ] + [ {0} / 36524 ] - [ {0} / 146096 ] ) / 365 ]", doe)
    doy = bound("( {0} - ( 365 * {1} + [ {1} / 4 ] - [ {1} / 100 ] ) )", doe, yoe)
    mp = bound("[ ( 5 * {0} + 2 ) / 153 ]", doy)
    month = bound("CASE WHEN {0} < 10 THEN {0} + 3 ELSE {0} - 9 END", mp)
    year = bound("( {0} + {1} * 400 + CASE WHEN {2} <= 2 THEN 1 ELSE 0 END )", yoe, era, month)
    if name == "year":
        return year
    if name == "month":
        return month
    if name == "day":
        return bound("( {0} - [ ( 153 * {1} + 2 ) / 5 ] + 1 )", doy, mp)
    # Years of this calendar begin in March: its day 306 is January 1st.
    leap = bound(
        "CASE WHEN {0} - 4 * [ {0} / 4 ] = 0 AND ( {0} - 100 * [ {0} / 100 ] <> 0 "
        "OR {0} - 400 * [ {0} / 400 ] = 0 ) THEN 1 ELSE 0 END",
        year,
    )
    return bound("CASE WHEN {0} >= 306 THEN {0} - 305 ELSE {0} + 60 + {1} END", doy, leap)


def from_civil(scope: Scope, year: Sql, month: Sql, day: Sql) -> Sql:
    """The days since 1970-01-01 of a year, month and day; NULL where there is no such day."""
    d = scope.dialect

    def bound(template: str, *parts: Sql) -> Sql:
        text = NUMBERS.sub(lambda one: d.literal(float(one[0])), template)
        text = text.replace("[", "FLOOR(").replace("]", ")")
        return scope.bind(scope.make("number", text, *parts))

    y = bound("( {0} - CASE WHEN {1} <= 2 THEN 1 ELSE 0 END )", year, month)
    era = bound("[ {0} / 400 ]", y)
    yoe = bound("( {0} - {1} * 400 )", y, era)
    shifted = bound("CASE WHEN {0} > 2 THEN {0} - 3 ELSE {0} + 9 END", month)
    doy = bound("( [ ( 153 * {0} + 2 ) / 5 ] + {1} - 1 )", shifted, day)
    days = bound(
        "( {0} * 146097 + {1} * 365 + [ {1} / 4 ] - [ {1} / 100 ] + {2} - 719468 )", era, yoe, doy
    )
    last = bound(
        "CASE WHEN {1} = 2 THEN CASE WHEN {0} - 4 * [ {0} / 4 ] = 0 AND ( {0} - 100 * "
        "[ {0} / 100 ] <> 0 OR {0} - 400 * [ {0} / 400 ] = 0 ) THEN 29 ELSE 28 END "
        "WHEN {1} IN ( 4 , 6 , 9 , 11 ) THEN 30 ELSE 31 END",
        year,
        month,
    )
    text = NUMBERS.sub(
        lambda one: d.literal(float(one[0])),
        "CASE WHEN {1} >= 1 AND {1} <= 12 AND {2} >= 1 AND {2} <= {3} THEN {0} END",
    )
    return scope.make("date", text, days, month, day, last)


def _part(name: str) -> "Builder":
    return lambda scope, node, args: part(scope, name, days_of(scope, args[0]))


def _quarter(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    month = part(scope, "month", days_of(scope, args[0]))
    two, three = scope.dialect.literal(2.0), scope.dialect.literal(3.0)
    third = scope.make("number", f"(({{0}} + {two}) / {three})", month)
    return scope.call("number", "floor", third)


def weekday_of(scope: Scope, days: Sql) -> Sql:
    """1 for Monday to 7 for Sunday: 1970-01-01 was a Thursday."""
    one, three, seven = (scope.dialect.literal(value) for value in (1.0, 3.0, 7.0))
    since = scope.make("number", f"(({{0}} + {three}) / {seven})", days)
    weeks = scope.call("number", "floor", since)
    return scope.make("number", f"({{0}} + {three} - {seven} * {{1}} + {one})", days, weeks)


def _weekday(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return weekday_of(scope, days_of(scope, args[0]))


def _week(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    """The ISO week: that of the year of the same week's Thursday."""
    days = days_of(scope, args[0])
    one, four, seven = (scope.dialect.literal(value) for value in (1.0, 4.0, 7.0))
    thursday = scope.make("date", f"({{0}} - {{1}} + {four})", days, weekday_of(scope, days))
    doy = part(scope, "doy", scope.bind(thursday))
    week = scope.call("number", "floor", scope.make("number", f"(({{0}} - {one}) / {seven})", doy))
    return scope.make("number", f"({{0}} + {one})", week)


def _hour(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    hour = scope.dialect.literal(3600e6)
    clock = _clock(scope, args[0])
    return scope.call("number", "floor", scope.make("number", f"({{0}} / {hour})", clock))


def _minute(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    minute, sixty = scope.dialect.literal(60e6), scope.dialect.literal(60.0)
    clock = _clock(scope, args[0])
    minutes = scope.bind(
        scope.call("number", "floor", scope.make("number", f"({{0}} / {minute})", clock))
    )
    hours = scope.call("number", "floor", scope.make("number", f"({{0}} / {sixty})", minutes))
    return scope.make("number", f"({{0}} - {sixty} * {{1}})", minutes, hours)


def _days(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    if args[0].kind == "date":
        return scope.make("number", "{0}", args[0])
    return scope.make("number", f"({{0}} / {scope.dialect.literal(DAY)})", args[0])


def _as_datetime(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return scope.make("datetime", f"({{0}} * {scope.dialect.literal(DAY)})", args[0])


def _as_date(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    return days_of(scope, args[0])


def as_text(scope: Scope, value: Sql) -> Sql:
    """A date as 2024-01-31, a datetime as 2024-01-31 14:05:00 with any fraction."""
    pieces: list[Sql] = []
    if value.kind in ("date", "datetime"):
        days = days_of(scope, value)
        for name, width, before in (("year", 4, ""), ("month", 2, "-"), ("day", 2, "-")):
            pieces.append(_digits(scope, part(scope, name, days), width, before))
    if value.kind in ("datetime", "time"):
        clock = _clock(scope, value)
        before = " " if pieces else ""
        units = ((3600e6, 24.0, before), (60e6, 60.0, ":"), (1e6, 60.0, ":"))
        pieces += [_digits(scope, _unit(scope, clock, *of), 2, mark) for *of, mark in units]
        pieces.append(_fraction(scope, clock))
    made = pieces[0]
    for one in pieces[1:]:
        made = scope.call("text", "concat", made, one)
    return made


def _unit(scope: Scope, clock: Sql, size: float, of: float) -> Sql:
    """How many units of a size, within the next larger one, there are in a time of day."""
    d = scope.dialect
    count = scope.bind(
        scope.call("number", "floor", scope.make("number", f"({{0}} / {d.literal(size)})", clock))
    )
    larger = scope.make("number", f"FLOOR({{0}} / {d.literal(of)})", count)
    return scope.make("number", f"({{0}} - {d.literal(of)} * {{1}})", count, larger)


def _digits(scope: Scope, value: Sql, width: int, before: str) -> Sql:
    """A whole number with zeros before it, up to this width."""
    text = scope.call("text", "whole text", value)
    d = scope.dialect
    zeros = scope.call("text", "concat", Sql(d.string("0" * (width - 1)), "text"), text)
    last = scope.call("text", "right", zeros, Sql(str(width), "number"))
    return scope.call("text", "concat", Sql(d.string(before), "text"), last) if before else last


def _fraction(scope: Scope, clock: Sql) -> Sql:
    """A fraction of a second as polars writes it: 3 or 6 digits, or none."""
    d = scope.dialect
    million, thousand, zero = (d.literal(value) for value in (1e6, 1e3, 0.0))
    seconds = scope.call("number", "floor", scope.make("number", f"({{0}} / {million})", clock))
    rest = scope.bind(scope.make("number", f"({{0}} - {million} * {{1}})", clock, seconds))
    milli = scope.bind(scope.make("number", f"({{0}} / {thousand})", rest))
    short, long = _digits(scope, milli, 3, "."), _digits(scope, rest, 6, ".")
    whole = d.call("floor", milli.text)
    text = (
        f"CASE WHEN {rest.text} = {zero} THEN {d.string('')} "
        f"WHEN {milli.text} = {whole} THEN {short.text} ELSE {long.text} END"
    )
    return scope.joined("text", text, [rest, milli, short, long])


def _cast_date(scope: Scope, node: Apply, args: Sequence[Sql]) -> Sql:
    """Text as a date: 2024-01-31."""
    moment = scope.call("datetime", "moment", scope.call("text", "trim", args[0]))
    return days_of(scope, moment)


Builder = Callable[[Scope, Apply, Sequence[Sql]], Sql]
BUILDERS: Mapping[str, Builder] = {
    "year": _part("year"),
    "month": _part("month"),
    "day": _part("day"),
    "day_of_year": _part("doy"),
    "quarter": _quarter,
    "week": _week,
    "weekday": _weekday,
    "hour": _hour,
    "minute": _minute,
    "days": _days,
    "as datetime": _as_datetime,
    "as date": _as_date,
    "cast date": _cast_date,
}
