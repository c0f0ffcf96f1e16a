"""Date columns: detect which text columns are dates, and the order of day, month and year.

A table is assumed to have one date order: where any column determines it, all have it.
Where both day and month could come first, the more likely is taken, with a note.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from functools import cached_property

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.errors import ValueRefusedError
from deltarule.tables import column_names as names
from deltarule.tables.dates import (
    FIRST,
    FIRST_CELLS,
    ORDERS,
    Cells,
    Order,
    dates,
    offsets,
    times,
    with_dates,
    zone_of,
)
from deltarule.tables.expressions.number_text import cells_of, is_code
from deltarule.tables.periods import PATTERN, period_of
from deltarule.tables.source import LOOK_ROWS, Source
from deltarule.tables.text_formats import (
    BooleanFormat,
    DateFormat,
    Format,
    Formats,
    PeriodFormat,
    TimeFormat,
    few,
    written,
)

Later = Mapping[str, Counter[str]]
"""Cells of rows after the first rows that are not in their column's format, by column."""

# The range of dates written as one number, 20240131, in a column of nothing else.
COMPACT = (19_000_101, 21_001_231)
COMPACT_SHOWS = 10


@dataclass
class Doubt:
    """Columns whose dates are ambiguous: they fit other orders than the one taken so far."""

    others: dict[str, list[Order]] = field(default_factory=dict)
    note: str = ""

    @property
    def notes(self) -> list[str]:
        """The notes on the ambiguity."""
        return [self.note] if self.others else []

    def settle(self, text: pl.Series, values: pl.Series) -> None:
        """Rule out orders by cells of a column and their dates in the order taken."""
        if text.name in self.others:
            self.leave(text.name, fitting(text, values, self.others[text.name]))

    def leave(self, name: str, orders: Sequence[Order]) -> None:
        """Keep these orders of a column."""
        self.others[name] = list(orders)
        if not orders:  # all columns have the same order
            self.others.clear()


def fitting(text: pl.Series, values: pl.Series, orders: Sequence[Order]) -> list[Order]:
    """Those of the orders in which cells have as many dates as in the one they were read in."""
    timed, count = values.dtype == pl.Datetime("us"), values.count()
    return [order for order in orders if dates(text, order, timed=timed).count() >= count]


@dataclass(frozen=True)
class DateColumn:
    """The distinct cells of a candidate date column, with their counts."""

    name: str
    cells: Cells
    first: pl.Series
    """The count of each in the first rows."""
    later: pl.Series
    """The count in later rows, of cells that did not fit."""
    compact: bool = False
    _readings: dict[Order | None, pl.Series] = field(default_factory=dict)

    @classmethod
    def of(
        cls, values: pl.Series, later: Counter[str] | None = None, words: Sequence[str] = ()
    ) -> "DateColumn":
        """From the cells of the first rows, and those of later ones."""
        text = cells_of(written(values), words).drop_nulls().alias("cell")
        first = text.value_counts(sort=False, name="first")
        if later:
            more = pl.DataFrame({"cell": list(later), "later": list(later.values())}, strict=False)
            more = more.cast({"cell": pl.String, "later": pl.UInt32})
            first = first.join(more, on="cell", how="full", coalesce=True).fill_null(0)
        else:
            first = first.with_columns(pl.lit(0, pl.UInt32).alias("later"))
        each = first.sort("cell")
        whole = values.dtype.is_numeric()
        return cls(values.name, Cells(each["cell"]), each["first"], each["later"], whole)

    def at(self, order: Order | None) -> pl.Series:
        """The cells parsed as dates in this order."""
        if order not in self._readings:
            self._readings[order] = self.cells.at(order)
        return self._readings[order]

    @cached_property
    def orders(self) -> Sequence[Order | None]:
        """The orders that fit most cells: None alone where no cell depends on it."""
        if not self.at(None).null_count():
            return [None]
        rows = self.first + self.later
        fits = {one: rows.filter(self.at(one).is_not_null()).sum() for one in (None, *ORDERS)}
        most = max(fits.values())
        best = [order for order, fit in fits.items() if fit == most]
        return [None] if None in best else best

    def odd(self, order: Order | None) -> pl.Series:
        """The cells of the first rows that are not dates in this order, with repetition."""
        rows = self.first if self.first.sum() else self.later
        wrong = self.cells.text.to_frame("cell").with_columns(rows.alias("rows"))
        wrong = wrong.filter(self.at(order).is_null() & is_code(self.cells.text).not_())
        return wrong["cell"].repeat_by(wrong["rows"]).explode().drop_nulls()

    @property
    def rows(self) -> int:
        """The number of cells of the first rows that are not missing."""
        return int(self.first.sum() or self.later.sum())

    def is_dates(self, order: Order | None) -> bool:
        """Whether nearly all cells are dates in this order; of numbers, all."""
        odd = len(self.odd(order))
        return odd == 0 if self.compact else few(odd, self.rows)

    def is_mostly_dates(self, order: Order | None) -> bool:
        """Whether most cells of a column of text are dates in this order."""
        return not self.compact and len(self.odd(order)) * 2 < self.rows

    def format(self, order: Order | None) -> DateFormat:
        """The date format of this order."""
        if not self.has(self.cells.timed, order):
            return DateFormat(kind="date", order=order)
        return DateFormat(
            kind="datetime", order=order, zone=None if self.has(~self.cells.utc, order) else "UTC"
        )

    def has(self, which: pl.Series, order: Order | None) -> bool:
        """Whether any of these cells is a date in this order."""
        return bool((which & self.at(order).is_not_null()).any())

    def likely(self) -> Order | None:
        """The likeliest of the orders that fit, None without evidence.

        Years vary less than days; and of two numbers the one that is constant is the day, as in
        dates of the first of each month.
        """
        orders = self.orders
        first, second, third = (self.cells.varies(part) for part in ("a", "b", "c"))
        if "ymd" in orders and first < third:
            return "ymd"
        if "mdy" in orders and second == 1 < first:
            return "mdy"
        if "dmy" in orders and first == 1 < second:
            return "dmy"
        return None

    def example(self, order: Order | None) -> tuple[str, str]:
        """An ambiguous cell, with the date that it is parsed as in this order."""
        at = self.at(order)
        others = [self.at(other) for other in ORDERS if other != order]
        differs = (at != others[0]).fill_null(True) | (at != others[1]).fill_null(True)
        rows = (at.is_not_null() & differs).arg_true()
        row = int(rows[0]) if len(rows) else int(at.is_not_null().arg_max() or 0)
        return self.cells.text[row], str(at[row].date())


def first_cells(source: Source, columns: Sequence[str]) -> Later:
    """The first cells of columns that are blank in the first rows."""
    found: dict[str, Counter[str]] = {name: Counter() for name in columns}
    for batch in source.batches([names.column(name) for name in columns]) if columns else ():
        for name, cells in found.items():
            if not cells:
                cells.update(batch[name].drop_nulls().head(LOOK_ROWS).to_list())
        if all(found.values()):
            break
    return found


@dataclass(frozen=True)
class Dated:
    """The detected formats of columns, with notes and remaining ambiguity."""

    formats: dict[str, Format]
    notes: list[str]
    doubt: Doubt


def formats_of(
    look: pl.DataFrame,
    *,
    order: str | None = None,
    later: Later | None = None,
    words: Sequence[str] = (),
    used: Collection[str] | None = None,
) -> Dated:
    """Detect the columns of dates, times or booleans in the first rows, with their formats.

    `order` is the user's, if any. All columns and cells of `later` rows are evidence for it, but
    only those that are `used` get a format. `words` stand for missing.
    """
    known = next((one for one in ORDERS if one == order), None)
    formats: dict[str, Format] = {}
    notes: list[str] = []
    found: list[DateColumn] = []
    likely = set() if order == "none" else _likely(look, later or {}, words)
    for values in look:
        others = (later or {}).get(values.name, Counter[str]())
        if values.name in likely:
            column = DateColumn.of(values, others, words=words)
            likeliest = column.orders[0]
            said = likeliest if None in column.orders else (known or likeliest)
            if column.is_dates(said):
                found.append(column)
                continue
            if known and column.is_dates(likeliest):
                notes.append(
                    f"{values.name} is text: its cells are no dates, {FIRST[known]}, such as "
                    f"'{column.odd(said)[0]}'"
                )
            elif (used is None or column.name in used) and column.is_mostly_dates(likeliest):
                odd = column.odd(likeliest)
                notes.append(
                    f"{values.name} is text: {len(odd):,} of {column.rows:,} cells are no dates, "
                    f"such as '{odd[0]}'"
                )
        if values.dtype != pl.String or not (used is None or values.name in used):
            continue
        if other := _other(values, periods=order != "none"):
            formats[values.name] = other
    orders = _orders(found, known)
    doubtful = _doubtful(found, used) if known is None else []
    found = [one for one in found if used is None or one.name in used]
    orders = {one.name: orders[one.name] for one in found}
    formats |= {one.name: one.format(orders[one.name]) for one in found}
    if known is None:
        notes += _decisions(found, orders)
    notes += period_notes(look, formats)
    notes += notes_of(found, orders, zones_of(formats))
    return Dated(formats, notes, _doubt(doubtful, orders))


def _likely(look: pl.DataFrame, later: Later, words: Sequence[str]) -> set[str]:
    """The columns that may hold dates, by the first rows; by later ones where these are blank."""
    likely = {one.name for one in look if one.dtype.is_numeric() and _may_be_compact(one)}
    texts = [name for name, kind in look.schema.items() if kind == pl.String]
    likely.update(with_dates(names.only(look, texts), words))
    for name, cells in later.items():
        if name in look.columns and not look[name].count():
            likely.update(with_dates(pl.DataFrame({name: list(cells)}, {name: pl.String}), words))
    return likely


def _may_be_compact(values: pl.Series) -> bool:
    """Whether a column of numbers may hold dates such as 20240131."""
    low, high = values.min(), values.max()
    if not (isinstance(low, int | float) and isinstance(high, int | float)):
        return False
    return COMPACT[0] <= low and high <= COMPACT[1] and values.count() >= COMPACT_SHOWS


def _other(values: pl.Series, *, periods: bool) -> Format | None:
    """The format of times, of booleans in words, or of months, quarters or weeks."""
    text = cells_of(values).drop_nulls()
    if text.is_empty():
        return None
    words = ("true", "false")
    if text[0].lower() in words and text.str.to_lowercase().is_in(words).all():
        return BooleanFormat()
    if periods and text.head(FIRST_CELLS).str.contains(PATTERN).any():
        period = period_of(text.filter(is_code(text).not_()))
        return PeriodFormat(every=period[0]) if period and few(period[1], len(text)) else None
    if not text.head(FIRST_CELLS).str.contains(r"^\d{1,2}:\d\d").any():
        return None
    return TimeFormat() if few(times(text).null_count(), len(text)) else None


def _orders(found: Sequence[DateColumn], said: Order | None) -> dict[str, Order | None]:
    """The order of each column: one that fits most of its cells, the same for all if possible."""
    shared = said or _shared(found)
    orders: dict[str, Order | None] = {}
    for one in found:
        if None in one.orders or (said is None and len(one.orders) == 1):
            orders[one.name] = one.orders[0]
        elif said or shared in one.orders:
            orders[one.name] = shared
        else:
            orders[one.name] = "dmy" if "dmy" in one.orders else one.orders[0]
    return orders


def _shared(found: Sequence[DateColumn]) -> Order | None:
    """The order of a table's dates, where it is certain or one is the likeliest."""
    likely = {one.likely() for one in found if len(one.orders) > 1} - {None}
    return _sure(found) or (likely.pop() if len(likely) == 1 else None)


def _sure(found: Sequence[DateColumn]) -> Order | None:
    """The unambiguous order of a table's dates; None where there is none, or two."""
    sure = {one.orders[0] for one in found if len(one.orders) == 1} - {None}
    return sure.pop() if len(sure) == 1 else None


def _doubtful(found: Sequence[DateColumn], used: Collection[str] | None) -> list[DateColumn]:
    """The columns whose order is ambiguous."""
    if _sure(found) is not None:
        return []
    return [one for one in found if len(one.orders) > 1 and (used is None or one.name in used)]


def _doubt(doubtful: Sequence[DateColumn], orders: Mapping[str, Order | None]) -> Doubt:
    """The ambiguity of these columns, with its note."""
    if not doubtful:
        return Doubt()
    first, taken = doubtful[0], orders[doubtful[0].name] or "ymd"
    cell, date = first.example(taken)
    others = {
        one.name: [order for order in one.orders if order not in (None, orders[one.name])]
        for one in doubtful
    }
    fits = " or ".join(FIRST[other] for other in others[first.name])
    say = " or ".join(f"--read dates={other}" for other in others[first.name])
    return Doubt(
        others,
        f"{_names(doubtful)}: dates are read {FIRST[taken]}, '{cell}' as {date}; {fits} fits as "
        f"well: say {say} if that is meant",
    )


def _decisions(found: Sequence[DateColumn], orders: Mapping[str, Order | None]) -> list[str]:
    """Notes on decisions that a user may want to override."""
    notes = []
    needed = {order for order in orders.values() if order is not None}
    if len(needed) > 1:
        told = ", ".join(f"{name} {FIRST[order]}" for name, order in orders.items() if order)
        notes.append(f"dates are written in more than one order: {told}")
    if compact := [one for one in found if one.compact]:
        cell, date = compact[0].example(None)
        notes.append(
            f"{_names(compact)}: whole numbers such as {cell} are read as dates, {date}: say "
            "--read dates=none if they are numbers"
        )
    return notes


def formats_like(
    found: Sequence[DateColumn], learnt: Mapping[str, DateFormat], *, said: str | None, where: str
) -> dict[str, DateFormat]:
    """The date formats of a table, consistent with those of a model's training table.

    Errors:  ValueRefusedError for dates whose order neither the model nor their cells determine
    """
    known = next((one for one in ORDERS if one == said), None)
    shared = _sure(found)
    formats = {}
    for column in found:
        order = known or learnt[column.name].order
        if order is None and len(column.orders) > 1:
            if shared not in column.orders:
                cell, _ = column.example(column.orders[0])
                raise ValueRefusedError(
                    f"{where}, column '{column.name}': '{cell}' may have the day or the month "
                    "first: write 2024-01-31, or say --read dates=dmy or dates=mdy"
                )
            order = shared
        made = column.format(order or column.orders[0])
        formats[column.name] = learnt[column.name].model_copy(update={"order": made.order})
    return formats


def notes_of(
    found: Sequence[DateColumn],
    orders: Mapping[str, Order | None],
    zones: Collection[str] = (),
) -> list[str]:
    """Notes on how dates are parsed, other than their order; columns of `zones` have a zone."""
    notes = []
    if short := [one for one in found if one.has(one.cells.short, orders[one.name])]:
        cell, date = short[0].example(orders[short[0].name])
        notes.append(
            f"{_names(short)}: years of two digits are those from 1969 to 2068, '{cell}' is {date}"
        )
    unzoned = [one for one in found if one.name not in zones]
    if offset := [one for one in unzoned if one.has(one.cells.offset, orders[one.name])]:
        mixed = [one for one in offset if one.has(~one.cells.offset, orders[one.name])]
        some = f"; some cells of {_names(mixed)} have none" if mixed else ""
        notes.append(f"{_names(offset)}: hours are as written, whatever offset follows them{some}")
    return notes


def zones_of(formats: Formats) -> dict[str, str]:
    """The zone of each column that was learnt in one."""
    dated = {name: form for name, form in formats.items() if isinstance(form, DateFormat)}
    return {name: form.zone for name, form in dated.items() if form.zone}


def is_converted(form: object, kind: pl.DataType) -> bool:
    """Whether a column of this type holds instants that were learnt in another zone."""
    zone = form.zone if isinstance(form, DateFormat) else None
    return bool(zone and zone_of(kind) and zone != zone_of(kind))


def zone_notes(
    kinds: Mapping[str, pl.DataType], used: Collection[str], formats: Formats
) -> list[str]:
    """Notes on the time zones of these columns, where their type or their text has one."""
    zones: dict[str, list[str]] = {}
    written = zones_of(formats)
    for name, kind in kinds.items():
        if name in used and (zone := zone_of(kind) or written.get(name)):
            zones.setdefault(zone, []).append(name)
    return [f"{', '.join(of)}: hours are those of {zone}" for zone, of in zones.items()]


@dataclass
class ZoneNotes:
    """Notes on zones at prediction, and those for which predictions may be off."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, values: pl.Series, learnt: str | None) -> None:
        """Add what is to be said of a column that was learnt in this zone."""
        name, zone = values.name, zone_of(values.dtype)
        if zone and learnt:
            moved = f"converted from {zone} to {learnt}, as they were learnt"
            self.notes.append(
                f"{name}: hours are {moved if zone != learnt else f'those of {zone}'}"
            )
        elif zone:
            self.warnings.append(
                f"{name} was learnt without a time zone and comes in {zone}: its hours are taken "
                f"as those of {zone}"
            )
        elif learnt and values.dtype != pl.Null:
            self._add_text(values, learnt)

    def _add_text(self, values: pl.Series, learnt: str) -> None:
        """Add what is to be said of text, and of times without a zone."""
        said, few = "comes without a time zone", 0
        if values.dtype in (pl.String, pl.Categorical, pl.Enum):
            few = offsets(values.cast(pl.String)).count()
            if few:
                said = "has cells without an offset"
                self.notes.append(
                    f"{values.name}: hours are converted to {learnt}, as they were learnt, where "
                    "an offset follows them"
                )
        if not few or few < values.count():
            told = f"{values.name} was learnt in {learnt} and {said}: its hours are taken as those"
            typed = isinstance(values.dtype, pl.Datetime)
            (self.warnings if typed else self.notes).append(f"{told} of {learnt}")


def compared_zones(look: pl.DataFrame, learnt: Formats) -> ZoneNotes:
    """How the zones of a table's columns differ from those that a model learnt."""
    found = ZoneNotes()
    for name, form in learnt.items():
        if isinstance(form, DateFormat) and name in look.columns:
            found.add(look[name], form.zone)
    return found


def period_notes(look: pl.DataFrame, formats: Mapping[str, Format]) -> list[str]:
    """Notes on columns of months, quarters or weeks."""
    notes = []
    for name, one in formats.items():
        if isinstance(one, PeriodFormat):
            days = one.read(look[name])
            at = int(days.is_not_null().arg_max() or 0)
            notes.append(
                f"{name}: each {one.every} is the date of its first day, '{look[name][at]}' as "
                f"{days[at]}: say --read dates=none for labels"
            )
    return notes


def _names(found: Sequence[DateColumn]) -> str:
    return ", ".join(one.name for one in found)
