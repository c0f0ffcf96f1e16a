"""Delimited text, CSV and TSV: its dialect found out, its types from what its rows hold."""

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from functools import partial
from typing import Any, TypeVar

import polars as pl

from deltarule.dataclass import replace
from deltarule.errors import ReadError, TableError
from deltarule.tables.column_names import having, is_pattern
from deltarule.tables.decimal_notes import point_notes
from deltarule.tables.expressions.number_text import CODE, LONG, are_large, cells_of, fits
from deltarule.tables.files.csv_codes import FixedWidths
from deltarule.tables.files.csv_kinds import Kind, either, kinds_of, typed
from deltarule.tables.files.csv_lines import (
    BlockLines,
    EscapedQuoteError,
    ShortRows,
    any_blank_line,
    check_first_rows,
    check_start,
    first_escape,
    parsed_block,
)
from deltarule.tables.files.dialect import (
    Dialect,
    DialectRequest,
    alike,
    find_dialect,
    notes_of,
)
from deltarule.tables.files.encoding import LONGEST_ROW, Text, blocks
from deltarule.tables.files.parallel import parsed_in_order
from deltarule.tables.missing_words import GAP_WORDS
from deltarule.tables.polars_source import (
    PROBLEMS,
    Partitions,
    PolarsSource,
    UnparsedError,
    collected,
    said,
)
from deltarule.tables.source import BATCH_ROWS, LOOK_ROWS, TextHints, first_frames, rebatched
from deltarule.tables.text_formats import DECIMAL, MARKED, THOUSANDS, decimal_evidence

__all__ = ["GAP_WORDS", "CsvSource"]

Parsed = TypeVar("Parsed")
Rows = tuple[BlockLines, pl.DataFrame]
Parse = Callable[[bytes, Dialect, bool, str], tuple[BlockLines, Parsed]]
AT_ONCE = LONGEST_ROW  # files of more bytes are read block by block


class CsvSource(PolarsSource):
    """CSV files of one header; types come from the first rows, or from all where those mislead."""

    typed = False

    def __init__(
        self,
        texts: Sequence[Text],
        *,
        name: str,
        kind: str = "CSV",
        asked: DialectRequest | None = None,
        hint: str = "",
        partitions: Partitions | None = None,
    ) -> None:
        first, *others = self._texts = list(texts)
        self._found = find_dialect(
            first.start,
            name=first.name,
            whole=first.whole,
            asked=asked or DialectRequest(),
            hint=hint,
        )
        self._dialects = [self._found, *(alike(self._found, first, other) for other in others)]
        for text, found in zip(self._texts, self._dialects, strict=True):
            check_start(text, found)
        self._partitions = partitions or Partitions()
        self._header = list(self._found.names)
        self._kinds: dict[str, type[pl.DataType]] = {}
        self._widened = self._short_noted = False
        self._in_blocks: bool | None = None
        # Columns of numbers in which a later cell was none.
        self._unparsed: set[str] = set()
        self._fresh_text = False
        # Whole numbers that begin with 0 or that no float holds; None until they are found.
        self._codes: set[str] | None = None
        self._large: set[str] = set()
        self._widths = FixedWidths()
        self._schema: dict[str, Kind] = {}
        self.hints = TextHints(
            decimal=None if asked is None else asked.decimal,
            commas_separate=self._found.separator == ",",
        )
        self._look_rows: int | None = LOOK_ROWS
        # Columns of whole numbers, read as floats or text: what keeps their digits.
        self._exact: dict[str, pl.DataType] = {}
        # All cells of a short file as they are written, until its rows are made of them.
        self._cells: pl.DataFrame | None = None
        # Columns whose points may all stand between thousands, with such a cell.
        self._points: dict[str, str] = {}
        several = f", {len(texts)} files" if others else ""
        dialect = f"{kind}, {self._found.said}, {first.said}{several}"
        super().__init__(self._scan(LOOK_ROWS, name), name=name, rows=None, dialect=dialect)
        self.notes += (
            first.notes + notes_of(self._found, asked) + self._partitions.hiding(self._header)
        )
        self.notes += point_notes(self._points)

    def _scan(self, look_rows: int | None, name: str) -> pl.LazyFrame:
        """The scan of all files, its types found in so many rows, or in all."""
        with self._explained(name):
            check_first_rows(zip(self._texts, self._dialects, strict=True))
            if self._codes is None:
                self._codes = set()
                cells = self._first_cells()
                told = None if self._cells is None else kinds_of(cells)
                kinds, plain = told or (self._found_kinds(look_rows), [])
                self._find_text(kinds, cells, plain)
            else:
                kinds = self._found_kinds(look_rows)
            self._schema = {name: self._kind(name, kinds[name]) for name in self._header}
            self._exact = self._digits(kinds)
            return self._partitions.placed(self._scanned_all(look_rows, self._schema))

    def _kind(self, name: str, found: pl.DataType) -> Kind:
        """What a column is parsed as, where its first rows look like this."""
        kind = self._kinds.get(name, found)
        if name in self._unparsed or (name in (self._codes or ()) and name not in self._kinds):
            return pl.String()
        if self.hints.decimal == ",":
            # polars takes every point for a decimal mark: where whole numbers end, text begins.
            return pl.String() if kind.is_float() else kind
        # Whole numbers so far may have a fraction further down.
        return pl.Float64() if kind.is_integer() else kind

    def _digits(self, kinds: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
        """What keeps all digits of whole numbers that are no input: text, if beyond 64 bits."""
        large = self._large - self._unparsed
        return {
            name: pl.Int64() if kinds[name] == pl.Int64 else pl.String()
            for name, kind in self._schema.items()
            if (kind != pl.String or name in large)
            and kinds[name].is_integer()
            and name not in self._kinds
        }

    def _find_text(
        self, kinds: Mapping[str, pl.DataType], cells: pl.DataFrame, plain: Collection[str]
    ) -> None:
        """Which decimal mark it has, and which numbers are text: codes and large, no `plain`."""
        names = [name for name, kind in kinds.items() if kind != pl.Boolean]
        names = [name for name in names if not is_pattern(name)]
        numbers = [name for name in names if kinds[name].is_numeric() and name not in plain]
        whole = [name for name in numbers if kinds[name].is_integer()]
        self._widths.find(cells, whole)
        codes = set(having(cells, whole, CODE))
        long = having(cells, numbers, LONG)
        self._large = {name for name in long if are_large(cells[name])} - codes
        self._codes = codes | self._large
        if self.hints.decimal is None:
            loose = self._found.separator == ";"
            words = [name for name in names if kinds[name] == pl.String]
            texts = [cells_of(cells[name]) for name in having(cells, words, MARKED)]
            marks = {decimal_evidence(text, loose=loose) for text in texts} - {None}
            points = [name for name in names if kinds[name].is_float()]
            if having(cells, points, DECIMAL["."]):
                marks.add(".")
            mark = marks.pop() if len(marks) == 1 else None
            guess = mark == "," and not any(decimal_evidence(text) == mark for text in texts)
            self.hints = replace(self.hints, decimal=mark, decimal_is_guess=guess)
            if loose and mark is None:
                floats = (cells[name] for name in names if kinds[name].is_float())
                grouped = (text.filter(text.str.contains(THOUSANDS["."])) for text in floats)
                self._points = {text.name: text[0] for text in grouped if len(text)}

    def _first_cells(self) -> pl.DataFrame:
        """The first rows as they are written; of one short file they are kept."""
        kinds = dict.fromkeys(self._header, pl.String())
        if self._in_parts:
            block = next(blocks(self._texts[0], self._found.quote))
            part = block, self._found, True, str(self._texts[0].path)
            return self._parse([pl.all()], kinds)(*part)[1][:LOOK_ROWS]
        cells = self._scanned_all(0, kinds).head(LOOK_ROWS).collect()
        if cells.height < LOOK_ROWS and cells.columns == self._header and len(self._texts) == 1:
            self._cells = cells
        return cells

    def _scanned_all(self, look_rows: int | None, kinds: Mapping[str, Kind]) -> pl.LazyFrame:
        """The scan of all files, columns by their names where headers have them in other orders."""
        first = self._found
        if all((one.names, one.short) == (first.names, first.short) for one in self._dialects):
            return self._scanned(self._texts, self._found, look_rows, kinds)
        where = self._partitions.path_column
        order = [*self._header, *([where] if where else [])]
        parts = zip(self._texts, self._dialects, strict=True)
        return pl.concat(
            [self._scanned([text], one, look_rows, kinds).select(order) for text, one in parts]
        )

    def _scanned(
        self,
        texts: Sequence[Text],
        found: Dialect,
        look_rows: int | None,
        kinds: Mapping[str, Kind],
    ) -> pl.LazyFrame:
        return pl.scan_csv(
            [text.path for text in texts],
            separator=found.separator,
            quote_char=found.quote,
            has_header=found.names_stand,
            skip_lines=found.lines_above,
            # Where all types are known nothing is inferred: of the films in 2 ms, not in 12.
            infer_schema_length=0 if set(kinds) >= set(found.names) else look_rows,
            # polars leaves quotes inside quoted names doubled
            new_columns=list(found.names),
            schema_overrides=kinds,
            glob=False,
            include_file_paths=self._partitions.path_column,
        )

    def _found_kinds(self, look_rows: int | None) -> dict[str, pl.DataType]:
        """The type of each column as the first rows show it, or all, in one file or several."""
        kinds: dict[str, pl.DataType] = {}
        rows = 0
        for text, found in zip(self._texts, self._dialects, strict=True):
            schema = self._scanned([text], found, look_rows, self._kinds).collect_schema()
            if self._partitions.path_column:
                del schema[self._partitions.path_column]
            if list(schema) != list(found.names):
                raise ReadError(f"{text.name} has rows of more than {len(self._header)} cells")
            if len(self._texts) == 1:
                return dict(schema)
            # A column that is empty in one file is whatever it is in the others.
            cells = self._scanned([text], found, 0, dict.fromkeys(self._header, pl.String()))
            cells = cells if look_rows is None else cells.head(look_rows - rows)
            counts = collected(cells.select(pl.all().count()), text.name)
            for column, kind in schema.items():
                if counts[column].item():
                    kinds[column] = either(kinds.get(column, kind), kind)
            if look_rows is not None:
                rows += collected(cells.select(pl.len()), text.name).item()
                if rows >= look_rows:
                    break
        return {column: kinds.get(column, pl.String()) for column in self._header}

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Errors of polars as ours, with the row or line they are about."""
        try:
            yield
        except PROBLEMS as error:
            told: TableError = said(error, name)
        except EscapedQuoteError as error:
            whole = first_escape(zip(self._texts, self._dialects, strict=True))
            raise whole or ReadError(f"{name}, {error}") from None
        except ReadError as error:
            told = error
        else:
            return
        if isinstance(told, UnparsedError):
            self.is_text(told.column or "", told.value)
        # A value of another kind is no fault of the file, unless it is no text.
        if isinstance(told, UnparsedError) and "\0" not in str(told):
            raise told
        raise self._placed(told)

    def _placed(self, error: TableError) -> TableError:
        """The same error, or what is wrong with the first line that is no row of the table."""
        if escaped := first_escape(zip(self._texts, self._dialects, strict=True)):
            return escaped
        for text, found in zip(self._texts, self._dialects, strict=True):
            width = len(self._header)
            line = 0
            try:
                rows = found.rows(text.lines())
                for at, (line, cells) in enumerate(rows):
                    if len(cells) > width:
                        than = "the header" if found.header else "the first row"
                        # A title that looks like a header ends where the rows begin.
                        begins = at < 2 and len(next(rows, (0, cells))[1]) > width
                        skip = f", or say skip={line - 1} if the table begins there"
                        return ReadError(
                            f"{text.name}, line {line}: {len(cells)} cells, "
                            f"but {than} has {width}: fix that line{skip if begins else ''}"
                        )
            except TableError as wrong:
                return wrong
            except csv.Error as wrong:
                return ReadError(
                    f"{text.name}, in the row after line {line}: {wrong}: is a quote not closed? "
                    "Where quotes quote nothing, say quote=none"
                )
        return error

    def _first_rows(self) -> pl.DataFrame:
        cells, self._cells = self._cells, None
        rows = None if cells is None or self._kinds else typed(cells, self._schema)
        if rows is not None:
            return rows
        try:
            with self._explained(self.name):
                if not self._in_parts:
                    return super()._first_rows()
                # polars would parse 180 MB ahead to give these few rows. No fewer of them, though:
                # what the look decides must be what it decides for the same rows in another format.
                shown = first_frames(self._blocks(self._parse([pl.all()])))
                return pl.concat(shown).head(LOOK_ROWS)
        except UnparsedError:
            # It was read beyond those rows, to the one that broke it.
            self.reads += 1
            raise

    @property
    def _in_parts(self) -> bool:
        """Whether it is read in blocks: where it is long, or has blank lines between its rows."""
        if self._in_blocks is None:
            self._in_blocks = sum(text.size for text in self._texts) > AT_ONCE or (
                len(self._header) > 1 and any(map(any_blank_line, self._texts))
            )
        return self._in_blocks

    def expect(self, kinds: Mapping[str, type[pl.DataType]]) -> None:
        """Have these columns parsed as these kinds."""
        self._kinds = {name: kind for name, kind in kinds.items() if name in self._header}
        self.lazy = self._scan(self._look_rows, self.name)

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        watched = self._widths.watched(columns, {*self._kinds, *self._unparsed, *self._large})
        columns = [*columns, *watched]
        with self._explained(self.name):
            if not self._in_parts:
                yield from self._widths.without(super().batches(columns))
                self._count_short()
            else:
                self.reads += 1
                frames = rebatched(self._blocks(self._parse(columns)), BATCH_ROWS)
                yield from self._widths.without(frames)
            self._widths.check(zip(self._texts, self._dialects, strict=True), self.name)

    def whole_batches(
        self, columns: Sequence[pl.Expr], *, cells: bool = False
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        if not cells:
            for rows in self._exact_batches() if self._exact else self.batches([pl.all()]):
                as_read = (rows[name].cast(self._schema[name]) for name in self._exact)
                yield rows, rows.with_columns(as_read).select(columns)
            return
        # The same bytes are parsed twice: as the text they are, and as what they mean.
        texts = self._parse([pl.all()], dict.fromkeys(self._header, pl.String()))
        typed = self._parse(columns)

        def both(*block: Any) -> tuple[BlockLines, tuple[pl.DataFrame, pl.DataFrame]]:
            (lines, cells), (_, values) = texts(*block), typed(*block)
            return lines, (cells, values)

        self.reads += 1
        with self._explained(self.name):
            yield from self._blocks(both)

    def _exact_batches(self) -> Iterator[pl.DataFrame]:
        """All rows, whole numbers with all their digits, which floats lose above 2 ** 53."""
        schema = {**self._schema, **self._exact}
        try:
            self.reads += 1
            with self._explained(self.name):
                if self._in_parts:
                    yield from rebatched(self._blocks(self._parse([pl.all()], schema)), BATCH_ROWS)
                else:
                    scan = self._partitions.placed(self._scanned_all(LOOK_ROWS, schema))
                    yield from scan.collect_batches(chunk_size=BATCH_ROWS)
                    self._count_short()
        except UnparsedError as error:
            # A fraction further down makes it no text: all rows say what it is.
            self._look_rows = None
            if error.column in self._exact:
                self._unparsed.discard(error.column)
            raise

    def _blocks(self, parse: Parse[Parsed]) -> Iterator[Parsed]:
        """Block after block of all files, a few parsed at the same time."""
        counts = [ShortRows(dialect) for dialect in self._dialects]
        found = (
            (block, number == 0, text, short)
            for text, dialect, short in zip(self._texts, self._dialects, counts, strict=True)
            for number, block in enumerate(blocks(text, dialect.quote))
        )

        def work(part: tuple[bytes, bool, Text, ShortRows]) -> tuple[ShortRows, BlockLines, Parsed]:
            block, first, text, short = part
            return short, *parse(block, short.found, first, str(text.path))

        for short, lines, parsed in parsed_in_order(work, found):
            short.add(lines)
            yield parsed
        self._note_short(counts)

    def _count_short(self) -> None:
        """The same after a read by polars, which says nothing of rows that it filled."""
        if self._short_noted:
            return
        counts = [ShortRows(dialect) for dialect in self._dialects]
        for text, dialect, short in zip(self._texts, self._dialects, counts, strict=True):
            for number, block in enumerate(blocks(text, dialect.quote)):
                short.add(BlockLines.of(block, dialect, first=number == 0))
        self._note_short(counts)

    def _note_short(self, counts: Sequence[ShortRows]) -> None:
        if self._short_noted:
            return
        self._short_noted = True
        for text, short in zip(self._texts, counts, strict=True):
            if short.rows:
                where = f" of {text.name}" if len(self._texts) > 1 else ""
                rows = "1 row has" if short.rows == 1 else f"{short.rows:,} rows have"
                first = "" if short.rows == 1 else "first "
                self.notes.append(
                    f"{rows} fewer cells than the header ({first}line {short.line:,}{where}): "
                    "those at the end count as missing"
                )

    def _parse(
        self, columns: Sequence[pl.Expr], kinds: Mapping[str, Kind] | None = None
    ) -> Parse[pl.DataFrame]:
        """What parses these columns of a block: of which dialect, if it is the first, and where."""
        schema, where = kinds or self._schema, self._partitions.path_column

        def parsed(block: bytes, found: Dialect, first: bool, path: str) -> Rows:
            rows = partial(
                pl.read_csv,
                separator=found.separator,
                quote_char=found.quote,
                has_header=found.names_stand and first,
                skip_lines=found.lines_above if first else 0,
                schema={name: schema[name] for name in found.names},
            )
            lines, frame = parsed_block(block, rows, found, first=first)
            lazy = frame.select(self._header).lazy()
            if where is not None:
                lazy = lazy.with_columns(pl.lit(path).alias(where))
            return lines, self._partitions.placed(lazy).select(columns).collect()

        return parsed

    def one_by_one(self) -> "list[CsvSource]":
        """A source of each file, which reads it block by block as this one would."""
        found = []
        for text, dialect in zip(self._texts, self._dialects, strict=True):
            one = copy(self)
            one._texts, one._dialects = [text], [dialect]
            one._widths = deepcopy(self._widths)
            one._in_blocks = one._short_noted = True
            found.append(one)
        return found

    def is_text(self, name: str, value: str | None = None) -> None:
        """Take a column of numbers or truth values for text: a cell of it is neither."""
        if value is not None and name in self._points and fits(pl.Series([value]), ",")[0]:
            # What stands between its thousands is no longer in doubt.
            told = point_notes(self._points)
            del self._points[name]
            self.notes = [note for note in self.notes if note not in told]
            self.notes += point_notes(self._points)
        if self._schema.get(name, pl.String()) != pl.String:
            self._unparsed.add(name)
            self._fresh_text = True

    def place(self, row: int) -> str:
        """The line of a row; in several files the file, too."""
        for text, found in zip(self._texts, self._dialects, strict=True):
            rows = found.rows(text.lines())
            if found.header:
                next(rows, None)
            for line, cells in rows:
                if cells:
                    if row == 0:
                        where = f" of {text.name}" if len(self._texts) > 1 else ""
                        return f"line {line:,}{where}"
                    row -= 1
        return super().place(row)

    def widen(self) -> bool:
        if self._fresh_text:
            self._fresh_text = False
            self.lazy = self._scan(self._look_rows, self.name)
            return True
        if self._widened:
            return False
        self._widened = True
        # Of several files it is also found out which columns are empty where.
        self.reads += 1 if len(self._texts) == 1 else 2
        self.lazy = self._scan(None, self.name)
        return True
