"""Months, quarters and weeks in text in SQL, as the date of their first day (tables/periods.py)."""

from deltarule.export.sql.dates import from_civil, part, weekday_of
from deltarule.export.sql.scope import Scope, Sql
from deltarule.export.sql.written_dates import without_marks
from deltarule.tables.periods import Period

LETTERS = {"month": "", "quarter": "Q", "week": "W"}
FIRST, LAST = 1500.0, 2299.0
# How many characters a period has, without its dashes, and where its number begins.
LENGTH, NUMBER = {"month": 6, "quarter": 6, "week": 7}, {"month": 5, "quarter": 6, "week": 6}


def written_period(scope: Scope, text: Sql, every: Period) -> Sql:
    """The first day of a period, or a date such as 2024-01-31; NULL for any other text."""
    d = scope.dialect
    even = d.call("upper", text.text)
    for mark in "/ ":
        even = d.call("replace", even, d.string(mark), d.string("-"))
    dashed = scope.bind(scope.joined("text", even, [text]))
    bare = scope.joined(
        "text", d.call("replace", dashed.text, d.string("-"), d.string("")), [dashed]
    )
    plain = scope.bind(_year_first(scope, dashed, bare) if every == "month" else bare)

    def number(of: Sql, start: int, count: int) -> Sql:
        cut = d.call("substring", of.text, str(start), str(count))
        return scope.bind(scope.call("number", "try number", scope.joined("text", cut, [of])))

    left = scope.bind(scope.joined("text", without_marks(scope, plain.text, ""), [plain]))
    size = f"{d.call('length', plain.text)} = {d.literal(float(LENGTH[every]))}"
    alike = f"{left.text} = {d.string(LETTERS[every])} AND {size}"
    year, at = number(plain, 1, 4), number(plain, NUMBER[every], 2)
    alike += f" AND {year.text} >= {d.literal(FIRST)} AND {year.text} <= {d.literal(LAST)}"
    first = _first_day(scope, year, at, every)
    day = from_civil(scope, number(dashed, 1, 4), number(dashed, 6, 2), number(dashed, 9, 2))
    day = scope.bind(day)
    longer = f"{d.call('length', dashed.text)} >= {d.literal(10.0)}"
    made = f"CASE WHEN {longer} THEN {day.text} WHEN {alike} THEN {first.text} END"
    return scope.joined("date", made, [dashed, plain, left, year, first, day])


def _year_first(scope: Scope, dashed: Sql, bare: Sql) -> Sql:
    """The digits of a month with its year first: those of 03-2021 and 3-2021 change places."""
    d = scope.dialect

    def cut(start: int, count: int) -> str:
        return d.call("substring", dashed.text, str(start), str(count))

    def ends(dash: int) -> str:
        size = f"{d.call('length', dashed.text)} = {d.literal(dash + 4.0)}"
        return f"{cut(dash, 1)} = {d.string('-')} AND {size}"

    pair = d.call("concat", cut(4, 4), cut(1, 2))
    single = d.call("concat", d.call("concat", cut(3, 4), d.string("0")), cut(1, 1))
    made = f"CASE WHEN {ends(3)} THEN {pair} WHEN {ends(2)} THEN {single} ELSE {bare.text} END"
    return scope.joined("text", made, [dashed, bare])


def _first_day(scope: Scope, year: Sql, number: Sql, every: Period) -> Sql:
    one = scope.number(1.0)
    two, three, seven = (scope.dialect.literal(value) for value in (2.0, 3.0, 7.0))
    if every == "month":
        return scope.bind(from_civil(scope, year, number, one))
    if every == "quarter":
        month = scope.bind(scope.make("number", f"({three} * {{0}} - {two})", number))
        return scope.bind(from_civil(scope, year, month, one))
    fourth = scope.bind(from_civil(scope, year, one, scope.number(4.0)))
    weeks = f"({{0}} - {{1}} + 1.0 + {seven} * ({{2}} - 1.0))".replace("1.0", one.text)
    monday = scope.bind(scope.make("date", weeks, fourth, weekday_of(scope, fourth), number))
    thursday = scope.bind(scope.make("date", f"({{0}} + {three})", monday))
    # A week 53 that a year lacks is the next year's first.
    own = part(scope, "year", thursday)
    return scope.bind(scope.make("date", "CASE WHEN {0} = {1} THEN {2} END", own, year, monday))
