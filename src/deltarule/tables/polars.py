"""Files and polars frames, read in streaming batches by polars."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from deltarule.errors import ColumnError, EmptyError, NotFoundError, ReadError
from deltarule.tables.source import BATCH_ROWS, LOOK_ROWS

CSV_ENDINGS = {".csv": ",", ".tsv": "\t"}
PARQUET_ENDINGS = {".parquet", ".pq"}


class UnparsedError(ReadError):
    """A value did not fit the type that the look found for its column."""


class PolarsSource:
    """A lazy polars frame: a file that is scanned, or a frame in memory."""

    def __init__(self, lazy: pl.LazyFrame, *, name: str, rows: int | None) -> None:
        self.lazy = lazy
        self.name = name
        self.rows = rows
        self.reads = 0

    def look(self) -> pl.DataFrame:
        return _collected(self.lazy.head(LOOK_ROWS), self.name)

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        self.reads += 1
        try:
            yield from self.lazy.select(columns).collect_batches(chunk_size=BATCH_ROWS)
        except pl.exceptions.PolarsError as error:
            raise _said(error, self.name) from error

    def widen(self) -> bool:
        return False


class CsvSource(PolarsSource):
    """A CSV file; its types come from its first rows, or from all where those mislead."""

    def __init__(self, path: Path, separator: str) -> None:
        self.path, self.separator = path, separator
        _check_header(path, separator)
        super().__init__(self._scan(LOOK_ROWS), name=str(path), rows=None)
        self._widened = False

    def _scan(self, look_rows: int | None) -> pl.LazyFrame:
        def scan(**types: object) -> pl.LazyFrame:
            return pl.scan_csv(
                self.path,
                separator=self.separator,
                infer_schema_length=look_rows,
                try_parse_dates=True,
                **types,  # type: ignore[arg-type]  # schema_overrides only
            )

        try:
            found = scan().collect_schema()
            # Whole numbers so far may have a fraction further down.
            whole = {name: pl.Float64 for name, kind in found.items() if kind.is_integer()}
            return scan(schema_overrides=whole)
        except pl.exceptions.PolarsError as error:
            raise _said(error, str(self.path)) from error

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        try:
            yield from super().batches(columns)
        except ReadError as error:
            if not isinstance(error, UnparsedError):
                raise _with_line(error, self.path, self.separator) from error
            raise

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
    if "could not parse" in first:
        return UnparsedError(f"{name}: {first}")
    if "utf" in first.lower():
        return ReadError(f"{name} is not UTF-8 text: save it as UTF-8 and try again")
    return ReadError(f"{name} cannot be read: {first}")


def _check_header(path: Path, separator: str) -> None:
    """Refuse a header with a name twice: it would not be clear which column is meant."""
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


def _with_line(error: ReadError, path: Path, separator: str) -> ReadError:
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
