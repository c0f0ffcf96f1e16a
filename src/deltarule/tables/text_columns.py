"""Text columns: detect those that hold numbers, dates, times or booleans, and parse them.

A text column has a type where nearly all of its cells parse as it: at most one cell in
`ODD_ONE_IN` is odd, or one cell alone among `FEWEST`. Odd cells are treated as missing, with a
note: their values, how often, and the first row of each. Words for missing such as "TBD" are noted
too, however many there are. The format is stored in the model, for prediction.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl

from deltarule.errors import ColumnError, ExpressionError, ReadError, ValueRefusedError
from deltarule.tables.column_names import column, is_pattern
from deltarule.tables.compared_text import dated as compared_dates
from deltarule.tables.date_columns import (
    DateColumn,
    Doubt,
    Later,
    compared_zones,
    formats_like,
    formats_of,
    is_converted,
    notes_of,
    zone_notes,
    zones_of,
)
from deltarule.tables.decimal_notes import COLUMNS_SHOWN, decimal_notes, several
from deltarule.tables.expressions.expression import check, quoted
from deltarule.tables.expressions.number_text import cells_of, is_code
from deltarule.tables.number_columns import (
    Code,
    contrary,
    decided,
    fraction_warnings,
    has_digits,
    mark_of_all,
    suffix_notes,
)
from deltarule.tables.parsed_text import (
    LETTERS_SHOWN,
    CheckText,
    OddCells,
    OddText,
    Parsing,
)
from deltarule.tables.polars_source import UnparsedError, explained
from deltarule.tables.request import Request
from deltarule.tables.schema_columns import MISSING, OTHER
from deltarule.tables.source import Source, columns_read
from deltarule.tables.terms import parsed
from deltarule.tables.text_formats import (
    DateFormat,
    Format,
    Formats,
    NumberFormat,
    decimal_evidence,
    few,
    written,
)
from deltarule.tables.wrapped_source import WrappedSource

# Most distinct odd cells of later rows that are evidence for the order of dates.
MOST_LATER = 1000


Decided = Callable[[str, Counter[str]], NumberFormat | Code | str | None]
"""Decides on a column of text by its first rows and these cells of later ones."""


class TooManyOddError(UnparsedError):
    """Too many cells do not parse as the column's type: it is text."""


class ReadAgainError(UnparsedError):
    """Cells of later rows show that the format inferred from the first rows is wrong."""

    def __init__(self, message: str, column: str, later: Later) -> None:
        super().__init__(message, column)
        self.later = later


class FormattedSource(WrappedSource):
    """A source whose text columns are parsed in their formats, odd cells as missing.

    `words` stand for missing in every column. While learning, a column with too many odd cells is
    refused as text; at prediction all of them are missing.
    Errors:  TooManyOddError, after all rows were read
    """

    def __init__(
        self,
        source: Source,
        formats: Formats,
        words: Sequence[str] = (),
        *,
        learning: bool,
        later: Later | None = None,
        decided: Decided | None = None,
    ) -> None:
        super().__init__(source)
        self.formats, self.words, self.learning = formats, words, learning
        self.doubt = Doubt()
        self._asked, self._later, self._decided = formats, later or {}, decided
        self.own_notes: list[str] = []
        self.mark_notes: list[str] = []
        self._changes: list[str] = []
        self.odd: dict[str, OddCells] = {}

    @property
    def notes(self) -> list[str]:
        """The source's notes, with those on formats and odd cells."""
        told = {text for name, text in self.hints.mixed.items() if name in self.formats}
        said = [note for note in self.source.notes if note not in told]
        odd = self._odd_notes({name: cells for name, cells in self.odd.items() if cells.counts})
        return [*said, *self.mark_notes, *self._changes, *self.own_notes, *self.doubt.notes, *odd]

    @property
    def warnings(self) -> list[str]:
        """What makes the values of a column others than those that were learnt, at prediction.

        A word for missing is a gap as those that were learnt; any other odd cell is new.
        """
        odd = self._odd_notes({name: cells for name, cells in self.odd.items() if cells.odd})
        return [*self._changes, *odd]

    def look(self) -> pl.DataFrame:
        return self.parsing.of(self._look())

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        needed = self._needed(columns)
        if needed is None:
            yield from self.source.batches(columns)
            return
        row = 0
        for batch in self.source.batches(needed):
            yield self._selected(batch, columns, row)
            row += batch.height
        self._finish()

    def whole_batches(
        self, columns: Sequence[pl.Expr], *, cells: bool = False
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        needed = self._needed(columns)
        if needed is None:
            yield from self.source.whole_batches(columns, cells=cells)
            return
        row = 0
        for rows, batch in self.source.whole_batches(needed, cells=cells):
            yield rows, self._selected(batch, columns, row)
            row += batch.height
        self._finish()

    def _needed(self, columns: Sequence[pl.Expr]) -> list[pl.Expr] | None:
        """The table's columns that these read; None where none of them is formatted."""
        kinds = self._look().schema
        needed = columns_read(columns, list(kinds))
        parsing = self.parsing
        texts = [name for name in needed if parsing.is_formatted(name, kinds[name])]
        self.odd = {name: OddCells(self.formats[name].noun) for name in texts}
        changed = bool(texts or self.words)
        changed |= any(is_converted(self.formats.get(name), kinds[name]) for name in needed)
        return [column(name) for name in needed] if changed else None

    def _selected(self, batch: pl.DataFrame, columns: Sequence[pl.Expr], row: int) -> pl.DataFrame:
        with explained(self.name):
            return self._read(batch, row).select(columns)

    def _finish(self) -> None:
        for name in self.odd if self.learning else ():
            self._check_numbers(name)
        for name, cells in self.odd.items() if self.learning else ():
            whole = self._look()[name].dtype.is_numeric()
            if cells.odd if whole else not few(cells.odd, cells.cells):
                value = next(iter(cells.counts))
                message = f"{self.name}, column '{name}': '{value}' is no {cells.what}"
                raise TooManyOddError(message, name)

    def _look(self) -> pl.DataFrame:
        if self._first_rows is None:
            self._first_rows = self.source.look()
            if not self.learning:
                self._agree(self._first_rows)
        return self._first_rows

    def _agree(self, look: pl.DataFrame) -> None:
        """Set the date order to the model's, or where it has none, to this table's."""
        parsing = self.parsing
        dated = {
            name: one
            for name, one in self._asked.items()
            if isinstance(one, DateFormat) and parsing.is_formatted(name, look.schema.get(name))
        }
        found = [DateColumn.of(look[name], words=self.words) for name in dated]
        alike = formats_like(found, dated, said=self.hints.date_order, where=self.name)
        self.formats = {**self._asked, **alike}
        orders = {name: one.order for name, one in alike.items()}
        zones = compared_zones(look, self._asked)
        self._changes = [*zones.warnings, *fraction_warnings(look, self._asked)]
        self.own_notes = [*notes_of(found, orders, zones_of(self._asked)), *zones.notes]

    @property
    def parsing(self) -> Parsing:
        """How its columns are parsed."""
        return Parsing(self.formats, tuple(self.words), self.learning)

    def _read(self, frame: pl.DataFrame, row: int) -> pl.DataFrame:
        """The frame with each text column parsed; odd cells are counted."""
        parsing = self.parsing
        return parsing.of(frame, lambda text, values: self._notice(text, values, row))

    def _notice(self, text: pl.Series, values: pl.Series, row: int) -> None:
        """Count odd cells, and check the date order against cells that determine it.

        Errors:  ReadAgainError while learning, where the order taken is wrong
        """
        name = text.name
        odd, form = self.odd[name], self.formats[name]
        fresh = odd.add(text, values, row)
        self._check(name, row)
        if not self.learning:
            return
        if isinstance(form, DateFormat):
            self.doubt.settle(text, values)
            unlike = form.not_utc(text, values)
            odd.unlike.update(unlike)
            self._check_dates(name, fresh=fresh or bool(unlike))
        elif fresh and name not in self._later:
            self._check_numbers(name)

    def check_text(self, columns: Sequence[pl.Expr]) -> CheckText | None:
        """The question whether text is what its first rows look like; None where there is none."""
        self._needed(columns)
        if not self.odd:
            return None
        return CheckText(self.parsing, tuple(self.odd), dict(self.doubt.others))

    def take(self, found: OddText) -> None:
        """Take an engine's answer for what a read finds.

        Errors:  ReadAgainError, TooManyOddError
        """
        self.odd = dict(found.cells)
        for name, orders in found.orders.items():
            if name in self.doubt.others:
                self.doubt.leave(name, orders)
        for name in self.odd:
            if isinstance(self.formats[name], DateFormat):
                self._check_dates(name, fresh=bool(self.odd[name].counts or self.odd[name].unlike))
        self._finish()

    def _check_dates(self, name: str, *, fresh: bool) -> None:
        """Errors: ReadAgainError where odd cells show that dates have another order."""
        counts = self.odd[name].counts | Counter(self.odd[name].unlike)
        if fresh and len(counts) <= MOST_LATER:
            later = {**self._later, name: self._later.get(name, Counter()) | counts}
            order, words = self.hints.date_order, self.words
            found = formats_of(self._look(), order=order, later=later, words=words).formats
            if found.get(name, self.formats[name]) != self.formats[name]:
                raise ReadAgainError(f"{self.name}: '{name}' is written otherwise", name, later)

    def _check_numbers(self, name: str) -> None:
        """Errors: ReadAgainError where odd cells show another decimal mark, or codes.

        A column that was read again for it is checked only once all of its odd cells are known.
        """
        form = self.formats[name]
        if self._decided is None or not isinstance(form, NumberFormat):
            return
        if found := contrary(form, self.odd[name].counts):
            found |= self._later.get(name, Counter())
            if self._decided(name, found) != form:
                later = {**self._later, name: found}
                raise ReadAgainError(f"{self.name}: '{name}' is written otherwise", name, later)

    def _check(self, name: str, row: int) -> None:
        """Refuse to predict from a column of which no cell parses.

        Errors:  ValueRefusedError
        """
        cells = self.odd[name]
        if not self.learning and row == 0 and 0 < cells.odd == cells.cells:
            value = next(value for value in cells.counts if not is_code(pl.Series([value])).any())
            at = cells.first[value]
            raise ValueRefusedError(
                f"{self.name}, column '{name}', row {at + 1}: '{value[:LETTERS_SHOWN]}' is not a "
                f"{cells.what}"
            )

    def _odd_notes(self, odd: Mapping[str, OddCells]) -> list[str]:
        named = list(odd)[:COLUMNS_SHOWN]
        notes = [odd[name].note(name, self.source) for name in named]
        if rest := list(odd)[COLUMNS_SHOWN:]:
            cells = sum(odd[name].counts.total() for name in rest)
            notes.append(
                f"{len(rest)} more columns, such as {rest[0]}, have {cells:,} such cells treated "
                "as missing"
            )
        return notes


def placed(error: UnparsedError, source: Source) -> UnparsedError:
    """The error with the place of the first such cell, and what to do about it."""
    if error.column is None or error.value is None or source.once:
        return error
    row = 0
    for batch in source.batches([column(error.column)]):
        text = written(batch[error.column]).str.strip_chars()
        if (at := (text == error.value.strip()).arg_true()).len():
            return UnparsedError(
                f"{source.name}, column '{error.column}', {source.place(row + at[0])}: "
                f"'{error.value}' is not a number: mend it, or name it as a missing word",
                error.column,
            )
        row += batch.height
    return error


# Which columns are read so


def formatted(source: Source, request: Request, later: Later | None = None) -> FormattedSource:
    """The source with formats detected from its first rows, and from odd cells of later ones.

    Errors:  ReadError for a column of an in-memory table that mixes numbers and text
    """
    look, hints = source.look(), source.hints
    words, used = request.missing_words, _dated(look, request)
    dated = formats_of(look, order=hints.date_order, later=later, words=words, used=used)
    texts = {
        name: cells_of(look[name], words)
        for name in _texts(look, request)
        if name not in dated.formats
    }
    spells = {name: text for name, text in texts.items() if has_digits(text)}
    others = {name: cells for name, cells in (later or {}).items() if name in spells}
    own = {name: mark_of_all(spells[name], cells) for name, cells in others.items()}
    evidence = {name: own.get(name) or decimal_evidence(text) for name, text in spells.items()}
    marks = {mark for mark in evidence.values() if mark}
    shared = hints.decimal or (marks.pop() if len(marks) == 1 else None)

    def decide(name: str, later: Counter[str]) -> NumberFormat | Code | str | None:
        text = spells[name]
        # In a typed source, text of digits alone is a name, such as a post code.
        names, target = source.typed and name not in hints.mixed, name in request.predict
        mark = hints.decimal or (mark_of_all(text, later) if later else None) or shared
        return decided(text, mark, names=names, target=target, later=later)

    formats: dict[str, Format] = {}
    codes: dict[str, str] = {}
    notes = []
    for name in spells:
        found = decide(name, others.get(name, Counter()))
        if isinstance(found, NumberFormat):
            formats[name] = found
        elif isinstance(found, Code):
            codes[name] = found.example
        elif found:
            notes.append(f"{name} is text: {found.replace(quoted('COLUMN'), quoted(name))}")
    for name in hints.mixed if source.in_memory else ():
        if name in texts and name not in formats:
            raise ReadError(hints.mixed[name])
    if codes:
        name, code = next(iter(codes.items()))
        notes.append(
            f"{several(codes)}: labels, not numbers, as values begin with 0 (such as '{code}'); "
            f"number({quoted(name)}) reads them as numbers"
        )
    every = {**dated.formats, **formats}
    _check_comparisons(source, look, request, every)
    made = FormattedSource(
        source, every, request.missing_words, learning=True, later=later, decided=decide
    )
    zones = zone_notes(look.schema, used, dated.formats)
    notes += [*suffix_notes(formats, texts), *_named_as_ours(texts)]
    shown = {
        name: text.append(pl.Series(list(others.get(name, ())), dtype=pl.String))
        for name, text in spells.items()
    }
    made.own_notes = [*dated.notes, *zones, *notes, *decimal_notes(formats, shown, hints.decimal)]
    made.doubt = dated.doubt
    return made


def _named_as_ours(texts: Mapping[str, pl.Series]) -> list[str]:
    """Notes on levels of text that are called as what is missing, or as the rare levels."""
    notes = []
    for level, what in ((MISSING, "what is missing"), (OTHER, "the rare levels")):
        named = [name for name, text in texts.items() if (text == level).any()]
        if named:
            notes.append(
                f"{several(named)}: cells that say '{level}' are one with {what}: rename them if "
                "they are a level of their own"
            )
    return notes


def _check_comparisons(source: Source, look: pl.DataFrame, request: Request, read: Formats) -> None:
    """Refuse expressions that compare unparsed text by order where its values are meant.

    Errors:  ExpressionError
    """
    for one in _mentioned(request):
        if one not in look.columns and _read_as_text(one, look):
            left = look.drop([name for name in read if name in look.columns])
            try:
                compared_dates(parsed(one), left, order=source.hints.date_order)
            except ExpressionError as error:
                raise ExpressionError(f"{source.name}, {one}: {error}") from None


def _texts(look: pl.DataFrame, request: Request) -> list[str]:
    """The text columns used as plain columns, or where an expression expects numbers."""
    kept = {request.id, request.group, request.time, *request.texts, *request.reference}
    kept |= {target for target in request.predict if request.takes.get(target) == "classes"}
    for one in _mentioned(request):
        if one not in look.columns:
            kept |= _read_as_text(one, look)
    return [
        name
        for name, kind in look.schema.items()
        if kind == pl.String  # a category is declared to be one
        and name not in kept
        and _is_used(name, request)
    ]


def _dated(look: pl.DataFrame, request: Request) -> list[str]:
    """The candidate columns of dates, times or booleans: not those wanted as text."""
    kept = {request.id, request.group, *request.texts, *request.reference}
    kept |= {target for target in request.predict if request.takes.get(target) == "classes"}
    for one in _mentioned(request):
        if one not in look.columns:
            text = _read_as_text(one, look)
            as_dates = look.with_columns(pl.lit(None, pl.Date).alias(name) for name in text)
            kept |= text - _read_as_text(one, as_dates)
    return [name for name in look.columns if name not in kept and _is_used(name, request)]


def _mentioned(request: Request) -> list[str]:
    named = [*request.predict, *(request.using or ()), request.row_weight, request.offset]
    return [one for one in [*named, request.id, request.group, request.time] if one]


def _is_used(name: str, request: Request) -> bool:
    if is_pattern(name):
        return False
    return request.using is None or any(name in one for one in _mentioned(request))


def _read_as_text(expression: str, look: pl.DataFrame) -> set[str]:
    """The columns of an expression that can be evaluated on unparsed text."""
    try:
        found = parsed(expression)
        check(found, look.schema, name="")
    except (ExpressionError, ColumnError):
        return set()
    return set(found.columns)
