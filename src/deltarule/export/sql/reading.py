"""A column's cell in SQL, as the kind of value that the model takes it for."""

from collections.abc import Sequence
from contextlib import suppress

from deltarule.errors import ExpressionError
from deltarule.export.sql.dates import days_of
from deltarule.export.sql.dialect import DAY
from deltarule.export.sql.scope import Scope, Sql
from deltarule.export.sql.text import (
    boolean_of,
    flag_of,
    number_of,
    stripped,
    without,
    without_suffix,
)
from deltarule.export.sql.written_dates import (
    offset_of,
    on_clocks_of,
    without_offset,
    written_clock,
    written_date,
)
from deltarule.export.sql.written_periods import written_period
from deltarule.scorer.tree import Read
from deltarule.tables.dates import clocks_of, moments_of
from deltarule.tables.text_formats import (
    BooleanFormat,
    DateFormat,
    FlagFormat,
    NumberFormat,
    PeriodFormat,
)


def cell(scope: Scope, read: Read, words: tuple[str, ...]) -> Sql:
    """The value of a column's cell, NULL where it is missing; `words` stand for missing too.

    Errors:  ExpressionError for a kind that SQL has no number for
    """
    raw = Sql(scope.dialect.identifier(read.column), read.kind, raw=True)
    if read.kind == "text":
        return scope.bind(without(scope, _text(scope, raw), ("", *words)))
    if read.kind == "boolean":
        text = without(scope, _text(scope, raw), words)
        return scope.bind(scope.condition(boolean_of(scope, text)))
    if read.kind == "number":
        return scope.bind(
            _without_numbers(scope, _number(scope, raw, read, words), _spelled(words))
        )
    if read.kind in ("date", "datetime"):
        # As moments, since the column may be of a type of dates.
        unit = DAY if read.kind == "date" else 1
        spelled = [int(moment // unit) for moment in moments_of(words)]
        return scope.bind(_without_numbers(scope, _moment(scope, raw, read, words), spelled))
    if read.kind == "time":
        spelled = [clock // 1000 for clock in clocks_of(words)]  # nanoseconds to microseconds
        clock = scope.bind(written_clock(scope, stripped(scope, _text(scope, raw))))
        return scope.bind(_without_numbers(scope, clock, spelled))
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
        if own.suffix:
            text = without_suffix(scope, stripped(scope, text), own.suffix)
        return number_of(scope, text, own.decimal, own.unit, codes=own.leading_zeros)
    template = scope.dialect.number_cell or "CAST({0} AS " + scope.dialect.double + ")"
    made = scope.make("number", template, raw)
    return scope.make("number", scope.dialect.nan_to_null, made)


def _spelled(words: tuple[str, ...]) -> list[float]:
    """The numbers that words for missing spell."""
    found = []
    for word in words:
        with suppress(ValueError):
            found.append(float(word))
    return found


def _without_numbers(scope: Scope, value: Sql, numbers: Sequence[float]) -> Sql:
    """A number or moment, NULL where it is one of these."""
    for number in numbers:
        template = f"NULLIF({{0}}, {scope.dialect.literal(number)})"
        value = scope.make(value.kind, template, value)
    return value


def _moment(scope: Scope, raw: Sql, read: Read, words: tuple[str, ...]) -> Sql:
    """A date as days, a datetime as microseconds."""
    own = read.format
    zone = own.zone if isinstance(own, DateFormat) and read.kind == "datetime" else None
    if isinstance(own, DateFormat) and own.order in ("dmy", "mdy"):
        text_ = stripped(scope, without(scope, _text(scope, raw), words))
        days, clock, said = written_date(scope, text_, own.order)
        day, zero = scope.dialect.literal(DAY), scope.dialect.literal(0.0)
        if read.kind == "date":
            # Whatever its time of day, which must be one.
            text = f"CASE WHEN {clock.text} >= {zero} THEN {days.text} END"
            return scope.bind(scope.joined("date", text, [days, clock]))
        moment = scope.bind(scope.make("datetime", f"({{0}} * {day} + {{1}})", days, clock))
        if not zone:
            return moment
        return _on_clocks_of(scope, zone, moment, moment, offset_of(scope, said))
    if isinstance(own, PeriodFormat):
        return scope.bind(
            written_period(
                scope, stripped(scope, without(scope, _text(scope, raw), words)), own.every
            )
        )
    moment = scope.bind(scope.call("datetime", "moment", raw))
    if zone:
        # A column of a type with a zone has its offset in text, whatever the session's zone is.
        bare, offset = without_offset(scope, stripped(scope, _text(scope, raw)))
        written = scope.bind(scope.call("datetime", "moment", bare))
        return _on_clocks_of(scope, zone, moment, written, offset)
    return days_of(scope, moment) if read.kind == "date" else moment


def _on_clocks_of(scope: Scope, zone: str, plain: Sql, written: Sql, offset: Sql) -> Sql:
    """The moment as it is without an offset, else what a zone's clocks show at the one written."""
    shown = scope.bind(on_clocks_of(scope, zone, written, offset))
    text = f"CASE WHEN {offset.text} IS NULL THEN {plain.text} ELSE {shown.text} END"
    return scope.bind(scope.joined("datetime", text, [plain, shown, offset]))
