"""A column's cell in SQL, as the kind of value that the model takes it for."""

from deltarule.errors import ExpressionError
from deltarule.export.sql.dates import days_of, from_civil
from deltarule.export.sql.dialect import DAY
from deltarule.export.sql.scope import Scope, Sql
from deltarule.export.sql.text import boolean_of, flag_of, number_of, stripped, without
from deltarule.scorer.tree import Read
from deltarule.tables.text_formats import BooleanFormat, DateFormat, FlagFormat, NumberFormat


def cell(scope: Scope, read: Read, words: tuple[str, ...]) -> Sql:
    """The value of a column's cell, NULL where it is missing; `words` stand for missing too.

    Errors:  ExpressionError for a kind that SQL has no number for
    """
    raw = Sql(scope.dialect.asks_for(read.column), read.kind, raw=True)
    if read.kind == "text":
        return scope.bind(without(scope, _text(scope, raw), words))
    if read.kind == "boolean":
        text = without(scope, _text(scope, raw), words)
        return scope.bind(scope.condition(boolean_of(scope, text)))
    if read.kind == "number":
        return scope.bind(_without_words(scope, _number(scope, raw, read, words), words))
    if read.kind in ("date", "datetime"):
        return _moment(scope, raw, read)
    if read.kind == "time":
        return scope.bind(_clock(scope, _text(scope, raw)))
    raise ExpressionError(f"'{read.column}' is a {read.kind}: give its days as a number")


def _text(scope: Scope, raw: Sql) -> Sql:
    return scope.call("text", "as text", raw)


def is_number_column(read: Read) -> bool:
    """Whether the column holds numbers as such, rather than text that spells them."""
    plain = NumberFormat(leading_zeros=True)
    return read.kind == "number" and (read.format is None or read.format == plain)


def _number(scope: Scope, raw: Sql, read: Read, words: tuple[str, ...]) -> Sql:
    own = read.format
    if isinstance(own, FlagFormat | BooleanFormat):
        return flag_of(scope, without(scope, _text(scope, raw), words))
    if isinstance(own, NumberFormat) and not is_number_column(read):
        text = without(scope, _text(scope, raw), words)
        return number_of(scope, text, own.decimal, own.unit, codes=own.leading_zeros)
    template = scope.dialect.number_cell or "CAST({0} AS " + scope.dialect.double + ")"
    made = scope.make("number", template, raw)
    return scope.make("number", scope.dialect.nan_to_null, made)


def _without_words(scope: Scope, value: Sql, words: tuple[str, ...]) -> Sql:
    """A number without those that a word for missing spells."""
    for word in words:
        try:
            number = float(word)
        except ValueError:
            continue
        value = scope.make("number", f"NULLIF({{0}}, {scope.dialect.literal(number)})", value)
    return value


def _moment(scope: Scope, raw: Sql, read: Read) -> Sql:
    """A date as days, a datetime as microseconds."""
    own = read.format
    if isinstance(own, DateFormat) and own.order in ("dmy", "mdy"):
        text = stripped(scope, _text(scope, raw))
        days, clock = _written_date(scope, text, own.order)
        if read.kind == "date":
            return scope.bind(days)
        day, zero = scope.dialect.literal(DAY), scope.dialect.literal(0.0)
        template = f"({{0}} * {day} + COALESCE({{1}}, {zero}))"
        return scope.bind(scope.make("datetime", template, days, clock))
    moment = scope.bind(scope.call("datetime", "moment", raw))
    return days_of(scope, moment) if read.kind == "date" else moment


def _written_date(scope: Scope, text: Sql, order: str) -> tuple[Sql, Sql]:
    """The day and the time of day of a date in text, the day or the month first."""
    d = scope.dialect
    space, slash = d.string(" "), d.string("/")
    first_space = d.call("find", text.text, space)
    dated = f"CASE WHEN {first_space} > 0 THEN {d.call('substring', text.text, '1', first_space)} "
    dated += f"ELSE {text.text} END"
    for mark in ("-", "."):
        dated = d.call("replace", dated, d.string(mark), slash)
    date = stripped(scope, scope.joined("text", dated, [text]))
    a, rest = _split(scope, date, "/")
    b, c = _split(scope, rest, "/")
    numbers = [scope.bind(scope.call("number", "try number", one)) for one in (a, b, c)]
    lengths = [d.call("length", one.text) for one in (a, b, c)]
    four, two = d.literal(4.0), d.literal(2.0)
    year_first = f"{lengths[0]} = {four} AND {lengths[2]} <= {two}"
    year_last = f"{lengths[0]} <= {two} AND {lengths[2]} = {four}"
    short = f"{lengths[0]} <= {two} AND {lengths[2]} = {two}"
    n = [one.text for one in numbers]
    day, month = (n[0], n[1]) if order == "dmy" else (n[1], n[0])
    century = (
        f"{n[2]} + CASE WHEN {n[2]} < {d.literal(69.0)} THEN {d.literal(2000.0)} "
        f"ELSE {d.literal(1900.0)} END"
    )

    def chosen(first: str, last: str, brief: str) -> Sql:
        made = (
            f"CASE WHEN {year_first} THEN {first} WHEN {year_last} THEN {last} "
            f"WHEN {short} THEN {brief} END"
        )
        return scope.bind(scope.joined("number", made, [*numbers, a, b, c]))

    year = chosen(n[0], n[2], century)
    days = from_civil(scope, year, chosen(n[1], month, month), chosen(n[2], day, day))
    after = f"CASE WHEN {first_space} > 0 THEN " + d.call(
        "substring", text.text, f"{first_space} + 1", "100"
    )
    clock = stripped(scope, scope.joined("text", f"{after} ELSE {d.string('')} END", [text]))
    return scope.bind(days), scope.bind(_clock(scope, clock))


def _split(scope: Scope, text: Sql, mark: str) -> tuple[Sql, Sql]:
    """What stands before a mark, and after it; all and nothing where there is none."""
    d = scope.dialect
    at = d.call("find", text.text, d.string(mark))
    before = f"CASE WHEN {at} > 0 THEN {d.call('substring', text.text, '1', f'{at} - 1')} "
    before += f"ELSE {text.text} END"
    after = f"CASE WHEN {at} > 0 THEN {d.call('substring', text.text, f'{at} + 1', '100')} "
    after += f"ELSE {d.string('')} END"
    first, last = (scope.joined("text", one, [text]) for one in (before, after))
    return scope.bind(first), scope.bind(last)


def _clock(scope: Scope, text: Sql) -> Sql:
    """The microseconds of a time of day in text: 14:05, 14:05:30.25."""
    d = scope.dialect
    hours, rest = _split(scope, text, ":")
    minutes, seconds = _split(scope, rest, ":")
    units = zip((hours, minutes, seconds), (3600e6, 60e6, 1e6), strict=True)
    parts = []
    for one, unit in units:
        number = scope.call("number", "try number", one)
        made = f"{{0}} * {d.literal(unit)}"
        if one is seconds:
            made = f"COALESCE({{0}}, {d.literal(0.0)}) * {d.literal(unit)}"
        parts.append(scope.bind(scope.make("number", made, scope.bind(number))))
    return scope.make("time", "({0} + {1} + {2})", *parts)
