"""Dates and times in text in SQL, the day or the month first: 31.01.2024, 1/31/24 2:05 PM.

Written with the few functions of text that all databases have. What is no date is NULL, and so are
months by name.
"""

from deltarule.export.sql.dates import from_civil
from deltarule.export.sql.scope import Scope, Sql
from deltarule.export.sql.text import among, stripped
from deltarule.tables.dates import ahead_of

SEPARATORS = "/-."
# What may follow a time of day, apart from digits and signs; an offset is left aside.
HALVES, ZONES = ("", "AM", "PM"), ("", "Z", "UTC", "GMT")


def written_date(scope: Scope, text: Sql, order: str) -> tuple[Sql, Sql, Sql]:
    """The days, the time of day, 0 without one, and its text, of a date in text, dmy or mdy."""
    d = scope.dialect
    date, clock = _split(scope, _spaced(scope, text), " ")
    time = scope.bind(written_clock(scope, stripped(scope, clock)))
    none = f"{clock.text} = {d.string('')}"
    when = f"CASE WHEN {none} THEN {d.literal(0.0)} ELSE {time.text} END"
    days = scope.bind(_days(scope, date, order))
    return days, scope.bind(scope.joined("time", when, [clock, time])), clock


def _spaced(scope: Scope, text: Sql) -> Sql:
    """A date and time in text with a space between them, and Z for UTC and GMT."""
    d, made = scope.dialect, scope.dialect.call("upper", text.text)
    for written, becomes in (("UTC", "Z"), ("GMT", "Z"), ("T", " ")):
        made = d.call("replace", made, d.string(written), d.string(becomes))
    return _bound(scope, made, text)


def _days(scope: Scope, date: Sql, order: str) -> Sql:
    d = scope.dialect
    even = date.text
    for mark in SEPARATORS[1:]:
        even = d.call("replace", even, d.string(mark), d.string("/"))
    first, rest = _split(scope, _bound(scope, even, date), "/")
    second, third = _split(scope, rest, "/")
    parts = [first, second, third]
    a, b, c = (scope.bind(scope.call("number", "try number", one)) for one in parts)
    size = [d.call("length", one.text) for one in parts]
    one, two, four = (d.literal(value) for value in (1.0, 2.0, 4.0))
    kinds = " + ".join(
        f"CASE WHEN {d.call('find', date.text, d.string(mark))} > 0 THEN {one} "
        f"ELSE {d.literal(0.0)} END"
        for mark in SEPARATORS
    )
    dashed = f"{d.call('find', date.text, d.string('-'))} > 0"
    pairs = f"{size[0]} = {two} AND {size[1]} = {two}"
    alike = f"{without_marks(scope, date.text, SEPARATORS)} = {d.string('')} AND {kinds} = {one}"
    year_first = f"{alike} AND {size[0]} = {four} AND {size[2]} <= {two}"
    year_last = f"{alike} AND {size[0]} <= {two} AND {size[2]} = {four}"
    # Codes have parts of any length; with dashes and a short year, day and month have two digits.
    short = f"{alike} AND {size[0]} <= {two} AND {size[2]} = {two} AND (NOT {dashed} OR {pairs})"
    day, month = (a, b) if order == "dmy" else (b, a)
    century = (
        f"{c.text} + CASE WHEN {c.text} < {d.literal(69.0)} THEN {d.literal(2000.0)} "
        f"ELSE {d.literal(1900.0)} END"
    )

    def chosen(first: str, last: str, brief: str) -> Sql:
        text = f"CASE WHEN {year_first} THEN {first} WHEN {year_last} THEN {last} "
        made = f"{text}WHEN {short} THEN {brief} END"
        return scope.bind(scope.joined("number", made, [a, b, c, *parts, date]))

    year = chosen(a.text, c.text, century)
    return from_civil(
        scope,
        year,
        chosen(b.text, month.text, month.text),
        chosen(c.text, day.text, day.text),
    )


def written_clock(scope: Scope, text: Sql) -> Sql:
    """The microseconds of a time of day in text: 14:05, 14:05:30.25, 2:05 PM."""
    d = scope.dialect
    upper = _bound(
        scope, d.call("replace", d.call("upper", text.text), d.string(","), d.string(".")), text
    )
    letters = _bound(scope, without_marks(scope, upper.text, ":.+- "), upper)
    clock = upper
    for mark in (" ", "+", "-", "A", "P", "Z", "U", "G"):
        clock = _split(scope, clock, mark)[0]
    hours, rest = _split(scope, clock, ":")
    minutes, seconds = _split(scope, rest, ":")
    numbers = [scope.call("number", "try number", one) for one in (hours, minutes, seconds)]
    hour, minute, second = (scope.bind(one) for one in numbers)
    zero, twelve = d.literal(0.0), d.literal(12.0)
    # 12 AM is 0 and 12 PM is 12.
    half = f"CASE WHEN {hour.text} = {twelve} THEN {zero} ELSE {hour.text} END"
    afternoon = f"{d.call('find', letters.text, d.string('P'))} > 0"
    halved = f"{d.call('find', letters.text, d.string('M'))} = 2"
    of_day = (
        f"CASE WHEN {halved} AND ({hour.text} < {d.literal(1.0)} OR {hour.text} > {twelve}) "
        f"THEN NULL WHEN {halved} AND {afternoon} THEN {half} + {twelve} "
        f"WHEN {halved} THEN {half} ELSE {hour.text} END"
    )
    exact_hour = scope.bind(scope.joined("number", of_day, [hour, letters]))
    known = [f"{of}{zone}" for of in HALVES for zone in ZONES]
    absent = f"{seconds.text} = {d.string('')}"
    least_second = f"CASE WHEN {absent} THEN {zero} ELSE {second.text} END"
    conditions = [
        among(scope, letters, known),
        f"{exact_hour.text} < {d.literal(24.0)}",
        f"{d.call('length', minutes.text)} = {d.literal(2.0)}",
        f"{minute.text} < {d.literal(60.0)}",
        f"{least_second} < {d.literal(60.0)}",
    ]
    total = (
        f"{exact_hour.text} * {d.literal(3600e6)} + {minute.text} * {d.literal(60e6)} + "
        f"({least_second}) * {d.literal(1e6)}"
    )
    made = f"CASE WHEN {' AND '.join(conditions)} THEN {total} END"
    return scope.joined("time", made, [letters, exact_hour, minutes, minute, seconds, second])


def offset_of(scope: Scope, clock: Sql) -> Sql:
    """The microseconds by which a time of day in text is ahead of UTC; NULL without an offset."""
    d = scope.dialect
    _, east = _split(scope, clock, "+")
    _, west = _split(scope, clock, "-")
    none, zero = d.string(""), d.literal(0.0)
    digits = f"CASE WHEN {east.text} <> {none} THEN {east.text} ELSE {west.text} END"
    digits_ = _bound(scope, d.call("replace", digits, d.string(":"), none), east, west)
    cells = (d.call("substring", digits_.text, at, "2") for at in ("1", "3"))
    hours, minutes = (
        scope.bind(scope.call("number", "try number", _bound(scope, one, digits_))) for one in cells
    )
    rest = f"COALESCE({minutes.text}, {zero}) * {d.literal(60e6)}"
    size = f"({hours.text} * {d.literal(3600e6)} + {rest})"
    made = (
        f"CASE WHEN {east.text} <> {none} THEN {size} WHEN {west.text} <> {none} THEN -{size} "
        f"WHEN {d.call('find', clock.text, d.string('Z'))} > 0 THEN {zero} END"
    )
    return scope.bind(scope.joined("number", made, [clock, east, west, hours, minutes]))


def on_clocks_of(scope: Scope, zone: str, moment: Sql, offset: Sql) -> Sql:
    """What the clocks of a zone show at a moment that clocks show which are ahead by an offset.

    NULL where the database is not asked what the zone's clocks show.
    """
    d, ahead = scope.dialect, ahead_of(zone)
    instant = scope.bind(scope.make("datetime", "({0} - {1})", moment, offset))
    if ahead is not None:
        return scope.make("datetime", f"({{0}} + {d.literal(ahead * 60e6)})", instant)
    if not d.in_zone:
        return scope.null("datetime")
    return scope.joined("datetime", d.in_zone.format(instant.text, d.string(zone)), [instant])


def without_offset(scope: Scope, text: Sql) -> tuple[Sql, Sql]:
    """A date and time in text, the year first, without its offset; and this, NULL without one."""
    d = scope.dialect
    date, clock = _split(scope, _spaced(scope, text), " ")
    time = clock
    for mark in ("+", "-"):
        time = _split(scope, time, mark)[0]
    bare = d.call("replace", time.text, d.string("Z"), d.string(""))
    time = stripped(scope, _bound(scope, bare, time))
    both = d.call("concat", d.call("concat", date.text, d.string(" ")), time.text)
    return _bound(scope, both, date, time), offset_of(scope, clock)


def without_marks(scope: Scope, text: str, marks: str) -> str:
    """What is left of a text without digits and these marks."""
    for letter in f"0123456789{marks}":
        text = scope.dialect.call(
            "replace", text, scope.dialect.string(letter), scope.dialect.string("")
        )
    return text


def _bound(scope: Scope, text: str, *parts: Sql) -> Sql:
    return scope.bind(scope.joined("text", text, parts))


def _split(scope: Scope, text: Sql, mark: str) -> tuple[Sql, Sql]:
    """What stands before a mark, and after it; all and nothing where there is none."""
    d = scope.dialect
    at = d.call("find", text.text, d.string(mark))
    before = f"CASE WHEN {at} > 0 THEN {d.call('substring', text.text, '1', f'{at} - 1')} "
    after = f"CASE WHEN {at} > 0 THEN {d.call('substring', text.text, f'{at} + 1', '100')} "
    first = _bound(scope, f"{before}ELSE {text.text} END", text)
    return first, _bound(scope, f"{after}ELSE {d.string('')} END", text)
