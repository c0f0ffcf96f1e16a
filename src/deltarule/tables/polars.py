"""Files and polars frames, read in streaming batches by polars."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from deltarule.errors import ColumnError, DeltaruleError, EmptyError, NotFoundError, ReadError
from deltarule.tables.source import BATCH_ROWS, LOOK_ROWS

CSV_ENDINGS = {".csv": ",", ".tsv": "\t"}
PARQUET_ENDINGS = {".parquet", ".pq"}


# What people write where a number is missing; in a CSV these count as no value among numbers.
# fmt: off
GAP_WORDS = (
    "NA", "N/A", "n/a", "na", "#N/A", "NaN", "nan", "null", "NULL", "None", "none", "-", ".", "?",
)
# fmt: on
# polars says in words alone which value of which column it could not parse.
UNPARSED = (
    re.compile(r"could not parse `(?P<value>.*)` as dtype `.*` at column '(?P<column>.*)' "),
    re.compile(
        r"""conversion from .* in column '(?P<column>.*)' for .*: \["?(?P<value>.*?)"?[,\]]"""
    ),
)


class UnparsedError(ReadError):
    """A value did not fit the kind that its column was thought to be."""

    def __init__(self, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.column = column


class PolarsSource:
    """A lazy polars frame: a file that is scanned, or a frame in memory."""

    typed = True

    def __init__(self, lazy: pl.LazyFrame, *, name: str, rows: int | None) -> None:
        self.lazy = lazy
        self.name = name
        self.rows = rows
        self.reads = 0

    def expect(self, kinds: Mapping[str, type[pl.DataType]]) -> None:
        """Nothing to do: a frame or a Parquet file has its own types."""

    def look(self) -> pl.DataFrame:
        return _collected(self.lazy.head(LOOK_ROWS), self.name)

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        self.reads += 1
        try:
            yield from self.lazy.select(columns).collect_batches(chunk_size=BATCH_ROWS)
        except pl.exceptions.PolarsError as error:
            raise _said(error, self.name) from error

    def cells(self) -> pl.DataFrame:
        """The whole table, with every cell as it stands."""
        return self.all_rows()

    def all_rows(self) -> pl.DataFrame:
        """The whole table."""
        return _collected(self.lazy, self.name)

    def widen(self) -> bool:
        return False


class CsvSource(PolarsSource):
    """A CSV file; its types come from its first rows, or from all where those mislead."""

    typed = False

    def __init__(self, path: Path, separator: str) -> None:
        self.path, self.separator = path, separator
        self._header = _checked_header(path, separator)
        self._kinds: dict[str, type[pl.DataType]] = {}
        super().__init__(self._scan(LOOK_ROWS), name=str(path), rows=None)
        self._widened = False

    def _scan(self, look_rows: int | None) -> pl.LazyFrame:
        def scan(kinds: Mapping[str, type[pl.DataType]]) -> pl.LazyFrame:
            return pl.scan_csv(
                self.path,
                separator=self.separator,
                infer_schema_length=look_rows,
                try_parse_dates=True,
                # polars leaves quotes inside quoted names doubled
                with_column_names=lambda names: self._header if self._header else names,
                schema_overrides=kinds,
            )

        with self._explained():
            found = scan(self._kinds).collect_schema()
            # Whole numbers so far may have a fraction further down.
            whole = {name: pl.Float64 for name, kind in found.items() if kind.is_integer()}
            return scan({**whole, **self._kinds})

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of polars as ours, with the row or line they are about."""
        try:
            yield
        except (pl.exceptions.PolarsError, OSError) as error:
            said = _said(error, str(self.path))
        except ReadError as error:
            said = error
        else:
            return
        raise (
            said if isinstance(said, UnparsedError) else _with_line(said, self.path, self.separator)
        )

    def cells(self) -> pl.DataFrame:
        """The whole table as text, so that every cell stays as it stands."""
        with self._explained():
            return pl.read_csv(
                self.path, separator=self.separator, infer_schema=False, new_columns=self._header
            )

    def look(self) -> pl.DataFrame:
        with self._explained():
            return super().look()

    def expect(self, kinds: Mapping[str, type[pl.DataType]]) -> None:
        """Have these columns parsed as these kinds."""
        self._kinds = {name: kind for name, kind in kinds.items() if name in self._header}
        self.lazy = self._scan(LOOK_ROWS)

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        with self._explained():
            yield from super().batches(columns)

    def widen(self) -> bool:
        if self._widened:
            return False
        self._widened = True
        self.reads += 1
        self.lazy = self._scan(None)
        return True


def open_file(path: Path) -> PolarsSource:
    """The source of a CSV or Parquet file.

    Errors:  NotFoundError, ReadError, EmptyError, ColumnError for a header that repeats a name
    """
    try:
        if path.is_dir():
            raise ReadError(f"{path} is a folder: give a CSV or Parquet file")
        if not path.exists():
            raise NotFoundError(f"no such file: {path}")
        size = path.stat().st_size
    except OSError as error:
        raise ReadError(f"{path}: {error.strerror or error}") from error
    if size == 0:
        raise EmptyError(f"{path} is empty")
    ending = path.suffix.lower()
    if ending in CSV_ENDINGS:
        return CsvSource(path, CSV_ENDINGS[ending])
    if ending in PARQUET_ENDINGS:
        lazy = pl.scan_parquet(path, glob=False)
        rows = _collected(lazy.select(pl.len()), str(path)).item()
        return PolarsSource(lazy, name=str(path), rows=rows)
    known = ", ".join([*CSV_ENDINGS, *sorted(PARQUET_ENDINGS)])
    raise ReadError(f"{path}: cannot tell what it is from its name: it should end in {known}")


def _collected(lazy: pl.LazyFrame, name: str) -> pl.DataFrame:
    try:
        return lazy.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _said(error, name) from error


def _said(error: Exception, name: str) -> ReadError | EmptyError:
    """The error in one line: what, where and what to do."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, pl.exceptions.NoDataError):
        return EmptyError(f"{name} is empty")
    for pattern in UNPARSED:
        if found := pattern.search(first):
            column, value = found["column"], found["value"]
            return UnparsedError(f"{name}, column '{column}': '{value}' is not a number", column)
    if "utf" in first.lower():
        return ReadError(f"{name} is not UTF-8 text: save it as UTF-8 and try again")
    return ReadError(f"{name} cannot be read: {first}")


def _checked_header(path: Path, separator: str) -> list[str]:
    """The header's names; a name twice is refused: it would not be clear which is meant."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines, delimiter=separator), [])
    except UnicodeDecodeError as error:
        raise ReadError(f"{path} is not UTF-8 text: save it as UTF-8 and try again") from error
    except csv.Error as error:
        raise ReadError(f"{path}, line 1: {error}") from error
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ColumnError(
            f"{path} has more than one column called '{twice[0]}': rename them in its first line"
        )
    return header


def _with_line(error: DeltaruleError, path: Path, separator: str) -> DeltaruleError:
    """The same error with the first line that has more cells than the header, if that is it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=separator)
            width = len(next(reader, []))
            for cells in reader:
                if len(cells) > width:
                    where = f"{path}, line {reader.line_num}: {len(cells)} cells"
                    return ReadError(f"{where}, but the header has {width}: mend that line")
    except UnicodeDecodeError:
        return ReadError(f"{path} is not UTF-8 text: save it as UTF-8 and try again")
    except csv.Error:
        pass
    return error
