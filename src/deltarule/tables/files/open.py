"""Files: what a path is (file, folder, pattern, standard input), and which source reads it."""

import glob
import re
import stat
import sys
import tempfile
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from deltarule.dataclass import replace
from deltarule.errors import ColumnError, EmptyError, NotFoundError, ReadError
from deltarule.tables.cast import as_category
from deltarule.tables.column_names import column
from deltarule.tables.files.arrow_scan import arrow_schema, read_arrow_stream, scan_arrow
from deltarule.tables.files.csv_source import CsvSource
from deltarule.tables.files.dialect import DialectRequest
from deltarule.tables.files.dictionaries import arrow_dictionaries, parquet_dictionaries
from deltarule.tables.files.packed import CHUNK, is_zipped
from deltarule.tables.files.sniff import FORMATS, STANDARD_INPUT, format_of, promised_by, text_of
from deltarule.tables.polars_source import (
    PROBLEMS,
    Partitions,
    PolarsSource,
    collected,
    explained,
    said,
)

# What standard input comes from, if that is a file.
INCOMING = Path("/dev/stdin")
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}
# What need not be found out: what its value may be, and how people are told.
HOW = {
    "format": ("|".join(FORMATS), ", ".join(FORMATS)),
    "separator": (
        r"comma|semicolon|tab|\\t|pipe|space|[\t -~](?<![\w\"'])",
        "comma, semicolon, tab, pipe, space or one other character",
    ),
    "quote": (r"none|[!-~](?<!\w)", "none or one character"),
    "header": ("yes|no", "yes or no"),
    "encoding": (".+", "a name such as utf-8 or latin-1"),
    "decimal": (r"[.,]", ". or ,"),
    "skip": (r"\d{1,6}", "how many lines"),
    "sheet": (r"(?s:.+)", "its name"),
    "dates": ("ymd|mdy|dmy|none", "ymd, mdy, dmy, or none where text is no date"),
}


def open_file(path: str | Path, how: Mapping[str, str] | None = None) -> PolarsSource:
    """The source of a file, a folder or pattern of files of one kind, or `-`, standard input.

    `how` says what need not be found out: format, separator, quote, header, encoding, skip, sheet,
    and in which order dates have their parts.

    Errors:  NotFoundError, ReadError, EmptyError, ColumnError for a header that repeats a name,
             MissingExtraError
    """
    how = dict(how or {})
    asked = _asked(how)
    if str(path) in ("-", str(INCOMING)):
        return _standard_input(how, asked)
    if not str(path).strip():
        raise NotFoundError("the name of the table is empty: give a file, a folder or a pattern")
    path = Path(path)
    if "\0" in str(path):
        raise NotFoundError(f"no such file: {str(path)!r}")
    paths, partitions, notes = _listed(path)
    source = _opened(paths, str(path), how, asked, partitions)
    source.hints = replace(source.hints, date_order=how.get("dates"))
    source.notes += notes
    source.files = paths
    return source


def _asked(how: Mapping[str, str]) -> DialectRequest:
    """What was said of the dialect.

    Errors:  ReadError for what is no such setting or value
    """
    for key, value in how.items():
        if key not in HOW:
            raise ReadError(f"'{key}' says nothing about a file: say {', '.join(HOW)}")
        pattern, told = HOW[key]
        if not re.fullmatch(pattern, value):
            shown = value if value.isprintable() else repr(value)
            raise ReadError(f"{key}={shown} is unknown: say {told}")
    if "sheet" in how and how.get("format", "excel") != "excel":
        raise ReadError(f"sheet={how['sheet']} is for Excel, not for {how['format']}")
    separator, quote = how.get("separator"), how.get("quote")
    if separator is None and how.get("format") == "tsv":
        separator = "tab"
    separator = SEPARATORS.get(separator, separator) if separator else None
    if separator and separator == quote:
        raise ReadError(f"separator and quote are both {quote}: they differ in every table")
    return DialectRequest(
        separator=separator,
        quote="" if quote == "none" else quote,
        header=how["header"] == "yes" if "header" in how else None,
        skip=int(how["skip"]) if "skip" in how else None,
        decimal="," if how.get("decimal") == "," else "." if "decimal" in how else None,
    )


def _standard_input(how: Mapping[str, str], asked: DialectRequest) -> PolarsSource:
    """What comes in, first copied to a temporary file: it can be read once, files can again."""
    if sys.stdin is None:
        raise ReadError(f"{STANDARD_INPUT} is closed: give a file, or send a table to it")
    with tempfile.NamedTemporaryFile(prefix="deltarule-", delete=False) as spool:
        path = Path(spool.name)
        try:
            while chunk := sys.stdin.buffer.read(CHUNK):
                spool.write(chunk)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise ReadError(f"{STANDARD_INPUT}: {error.strerror or error}") from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    try:
        source = _opened([path], STANDARD_INPUT, how, asked, Partitions())
        source.hints = replace(source.hints, date_order=how.get("dates"))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    weakref.finalize(source, path.unlink, missing_ok=True)
    source.files = [INCOMING]
    return source


def _listed(path: Path) -> tuple[list[Path], Partitions, list[str]]:
    """The files that a path stands for, in order, with what folders and people should know."""
    try:
        kind = path.stat().st_mode
    except OSError as error:
        pattern = str(path)
        if glob.has_magic(pattern):
            # The pattern may name folders: those of partitions, with the files in them.
            names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob refuses /...
            found = [Path(one) for one in sorted(names)]
            files = [file for one in found for file in _within(one)[0]]
            if not files:
                raise NotFoundError(f"no file is called like {path}") from None
            return files, _partitions(files, _root(pattern)), []
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise NotFoundError(f"no such file: {path}") from None
        raise ReadError(f"{path}: {error.strerror or error}") from error
    if not stat.S_ISDIR(kind):
        return [path], Partitions(), []
    try:
        files, others = _within(path)
    except OSError as error:
        raise ReadError(f"{path}: {error.strerror or error}") from error
    if not files:
        raise ReadError(f"{path} is a folder without tables: give a file, or a folder of such")
    notes = [f"no table by its name, so not read: {_few(others)}"] if others else []
    return files, _partitions(files, path), notes


def _within(path: Path) -> tuple[list[Path], list[str]]:
    """The tables in a folder and its folders called column=value, and what else is there."""
    if not path.is_dir():
        return [path], []
    files: list[Path] = []
    others: list[str] = []
    for one in sorted(path.iterdir()):
        if one.name.startswith((".", "_")):
            continue
        if one.is_dir() and "=" in one.name:
            deeper = _within(one)
            files += deeper[0]
            others += deeper[1]
        elif one.is_file() and promised_by(one):
            files.append(one)
        else:
            others.append(one.name)
    return files, others


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _root(pattern: str) -> Path:
    """The folder below which a pattern says what names may be."""
    parts = Path(pattern).parts
    return Path(*parts[: next(at for at, part in enumerate(parts) if glob.has_magic(part))])


def _partitions(files: Sequence[Path], root: Path) -> Partitions:
    """The columns that folders called column=value below the root give these files."""
    pairs = [
        dict(part.split("=", 1) for part in file.relative_to(root).parts[:-1] if "=" in part[1:])
        for file in files
    ]
    names = pairs[0].keys()
    other = next((at for at, each in enumerate(pairs) if each.keys() != names), None)
    if other is not None:
        raise ReadError(f"{files[other]} lies in other columns' folders than {files[0]}")
    values: dict[str, dict[str, object]] = {}
    for name in names:
        texts = [unquote(each[name]) for each in pairs]
        # 01 to 12 are months, as other readers of such folders have it; 01067 is a code.
        numbers = all(re.fullmatch(r"-?\d{1,18}|__HIVE_DEFAULT_PARTITION__", one) for one in texts)
        whole = numbers and not any(re.match(r"-?0\d\d", one) for one in texts)
        values[unquote(name)] = {
            str(file): None
            if text == "__HIVE_DEFAULT_PARTITION__"
            else int(text)
            if whole
            else text
            for file, text in zip(files, texts, strict=True)
        }
    return Partitions(values)


def _opened(
    paths: Sequence[Path],
    name: str,
    how: Mapping[str, str],
    asked: DialectRequest,
    partitions: Partitions,
) -> PolarsSource:
    """The source of files that are of one format, or of the one table in a zip archive."""
    [*others, last] = paths
    if others or how.get("format", promised_by(last)) == "excel" or not _is_archive(last):
        return _unpacked(paths, name, how, asked, partitions)
    from deltarule.tables.files.zipped import unzipped

    inside = unzipped(last, name)
    try:
        moved = partitions.moved({str(last): str(inside.path)})
        source = _unpacked([inside.path], name, how, asked, moved)
    except BaseException:
        inside.path.unlink(missing_ok=True)
        raise
    weakref.finalize(source, inside.path.unlink, missing_ok=True)
    source.notes.append(inside.note)
    return source


def _is_archive(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode) and is_zipped(path)
    except OSError:
        return False  # it is told when it is read


def _unpacked(
    paths: Sequence[Path],
    name: str,
    how: Mapping[str, str],
    asked: DialectRequest,
    partitions: Partitions,
) -> PolarsSource:
    """The source of files that are of one format."""
    called = {str(path): name if len(paths) == 1 else str(path) for path in paths}
    forms = {path: format_of(path, called[str(path)], how) for path in paths}
    first = paths[0]
    form, notes = forms[first]
    for path in paths[1:]:
        if forms[path][0] != form:
            raise ReadError(
                f"{name} has both {form} and {forms[path][0]} files ({first.name}, {path.name}): "
                "give those of one format, such as *.csv"
            )
    if form in ("json", "excel"):
        if len(paths) > 1:
            raise ReadError(f"{name} has {len(paths)} {form} files: give one, or CSV or Parquet")
        if form == "excel":
            from deltarule.tables.files.excel import read_excel

            source = read_excel(first, name=name, sheet=how.get("sheet"), asked=asked)
        else:
            from deltarule.tables.files.json_source import read_json

            source = read_json(text_of(first, name, how, bare=True))
    elif form == "parquet":
        source = _typed(
            paths,
            name,
            partitions,
            pl.scan_parquet,
            pl.read_parquet_schema,
            parquet_dictionaries,
            "Parquet",
        )
    elif form == "arrow":
        source = _arrow(paths, name, partitions)
    else:
        bare = form == "ndjson"
        texts = [text_of(path, called[str(path)], how, bare=bare) for path in paths]
        moved = partitions.moved({str(p): str(t.path) for p, t in zip(paths, texts, strict=True)})
        if bare:
            from deltarule.tables.files.json_source import scan_lines

            source = scan_lines(texts, name=name, partitions=moved)
        else:
            kind, hint = ("TSV", "\t") if form == "tsv" else ("CSV", "")
            source = CsvSource(
                texts, name=name, kind=kind, asked=asked, hint=hint, partitions=moved
            )
    source.notes += notes
    return source


def _arrow(paths: Sequence[Path], name: str, partitions: Partitions) -> PolarsSource:
    with paths[0].open("rb") as stream:
        streamed = stream.read(4) == b"\xff\xff\xff\xff"
    if not streamed:
        return _typed(
            paths, name, partitions, scan_arrow, arrow_schema, arrow_dictionaries, "Arrow"
        )
    if len(paths) > 1:
        raise ReadError(f"{name} has {len(paths)} Arrow streams: give one, or Arrow files")
    with explained(name):
        frame = read_arrow_stream(paths[0])
    lazy = _labelled(frame.lazy(), frame.schema, arrow_dictionaries(paths[0]))
    return PolarsSource(lazy, name=name, rows=frame.height, dialect="Arrow stream")


def _labelled(
    lazy: pl.LazyFrame, schema: Mapping[str, pl.DataType], dictionaries: Collection[str]
) -> pl.LazyFrame:
    """The scan with categories of numbers as categories."""
    numbers = [name for name in dictionaries if name in schema and schema[name].is_numeric()]
    if not numbers:
        return lazy
    return lazy.with_columns([as_category(column(name), schema[name]) for name in numbers])


def _typed(
    paths: Sequence[Path],
    name: str,
    partitions: Partitions,
    scan: Callable[..., pl.LazyFrame],
    schema_of: Callable[[Path], Mapping[str, pl.DataType]],
    dictionaries: Callable[[Path], set[str]],
    kind: str,
) -> PolarsSource:
    """The source of files with types of their own: all must have the same columns."""
    try:
        schemas = [dict(schema_of(path)) for path in paths]
    except PROBLEMS as error:
        raise _which(error, paths, schema_of, name) from error
    first = schemas[0]
    for path, schema in zip(paths, schemas, strict=True):
        _check_same(path, schema, paths[0], first)
    where = partitions.path_column

    def scanned(some: Sequence[Path]) -> pl.LazyFrame:
        return scan(list(some), glob=False, include_file_paths=where, hive_partitioning=False)

    if all(list(schema.items()) == list(first.items()) for schema in schemas):
        lazy = scanned(paths)
    else:
        parts = [scanned([path]).select([*first, *([where] if where else [])]) for path in paths]
        lazy = pl.concat(parts, how="vertical_relaxed")
    rows = collected(lazy.select(pl.len()), name).item()
    labels = dictionaries(paths[0])
    lazy = partitions.placed(_labelled(lazy, first, labels))

    def scans() -> list[pl.LazyFrame]:
        kinds = lazy.collect_schema()
        each = [
            partitions.only(str(path)).placed(_labelled(scanned([path]), first, labels))
            for path in paths
        ]
        return [each[0]] if len(each) == 1 else [_as_kinds(one, kinds) for one in each]

    several = f", {len(paths):,} files" if len(paths) > 1 else ""
    hive = f", columns of folders: {', '.join(partitions.values)}" if partitions.values else ""
    dialect = f"{kind}{several}{hive}"
    source = PolarsSource(lazy, name=name, rows=rows, dialect=dialect, slabs=True, scans=scans)
    source.notes += partitions.hiding(first)
    return source


def _as_kinds(lazy: pl.LazyFrame, kinds: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """The scan with these columns, of these kinds."""
    own = lazy.collect_schema()
    return lazy.select(
        [
            column(name) if own[name] == kind else column(name).cast(kind)
            for name, kind in kinds.items()
        ]
    )


def _which(
    error: BaseException,
    paths: Sequence[Path],
    schema_of: Callable[[Path], Mapping[str, pl.DataType]],
    name: str,
) -> ReadError | EmptyError:
    for path in paths if len(paths) > 1 else []:
        try:
            schema_of(path)
        except PROBLEMS as wrong:
            return said(wrong, str(path))
    return said(error, name)


def _check_same(
    path: Path,
    schema: Mapping[str, pl.DataType],
    first_path: Path,
    first: Mapping[str, pl.DataType],
) -> None:
    """Refuse a part whose columns are others, or of a kind that cannot be the same column."""
    if differ := [name for name in {**first, **schema} if name not in first or name not in schema]:
        what = "has no" if differ[0] in first else "has a"
        raise ColumnError(
            f"{path} {what} column '{differ[0]}', unlike {first_path}: give parts of one table"
        )
    for name, kind in schema.items():
        alike = kind == first[name] or pl.Null() in (kind, first[name])
        if not alike and not (kind.is_numeric() and first[name].is_numeric()):
            raise ColumnError(
                f"{path}, column '{name}' is {kind}, but {first[name]} in {first_path}: "
                "give parts of one table"
            )
