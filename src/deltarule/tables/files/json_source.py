"""JSON records: one object a line (NDJSON), a list of objects, or an object of columns."""

import glob
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from deltarule.errors import ColumnError, EmptyError, ReadError, TableError
from deltarule.tables.files.encoding import SAMPLE_BYTES, Text, blocks
from deltarule.tables.files.packed import unpacked
from deltarule.tables.polars_source import PROBLEMS, Partitions, PolarsSource, said

# What looks like a name in an object; in an object within another, or in a text, it may be none.
NAME = r'"(?:[^"\\]|\\.)*":'
# A document is read whole, and takes several times as much memory as text.
LARGEST_DOCUMENT = 1 << 30
SHAPES = "give a list of objects, an object of columns, or one object a line"


def is_lines(text: Text) -> bool:
    """Whether JSON is one object a line rather than one document."""
    first, _, rest = text.start.strip().partition("\n")
    if not first.startswith("{"):
        return False
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        # A line longer than the sample, or a document over several lines.
        return not text.whole and not rest
    return bool(rest.strip()) or not text.whole or not _is_columns(found)


def read_json(text: Text) -> PolarsSource:
    """The source of a JSON document: in memory, as any reader of JSON has to.

    Errors:  ReadError, EmptyError, ColumnError for a name twice in one object
    """
    with unpacked(text.path, text.name) as stream:
        content = stream.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise ReadError(
            f"{text.name} is JSON of more than {LARGEST_DOCUMENT >> 20:,} MB in one document, "
            "which has to fit in memory: write one object a line (.ndjson), or CSV or Parquet"
        )
    _check_once(content, text)
    if content.lstrip()[:1] == b"{":
        content = _records(content, text)
    try:
        frame = pl.read_json(io.BytesIO(content), infer_schema_length=None)
    except PROBLEMS as error:
        raise _wrong(error, text) from error
    if not frame.width:
        raise EmptyError(f"{text.name} has no records")
    start = content[:SAMPLE_BYTES].decode(errors="ignore")
    frame = frame.rename(renamed := _trimmed(frame.columns, text.name))
    dialect = f"JSON, {text.said}"
    source = PolarsSource(frame.lazy(), name=text.name, rows=frame.height, dialect=dialect)
    source.mixed = _mixed(start, renamed, frame.schema)
    source.notes += [*text.notes, *source.mixed.values()]
    return source


def scan_lines(texts: Sequence[Text], *, name: str, partitions: Partitions) -> PolarsSource:
    """The source of NDJSON files, scanned in a stream; all rows say what columns there are.

    Errors:  ReadError with the line that is no object, ColumnError for a name twice in one of them
    """
    # This scan alone takes every path as a pattern.
    paths = [Path(glob.escape(str(text.path))) for text in texts]
    for text in texts:
        for block in blocks(text, None):
            _check_lines(block, text)
    try:
        # Later rows may have columns or types that the first do not show. What is not in the
        # schema would be dropped without a word, so one read of all rows finds it; each file by
        # itself, because polars asks only the first for all.
        schemas = [
            pl.scan_ndjson(path, infer_schema_length=None).collect_schema() for path in paths
        ]
        empty = [pl.DataFrame(schema=schema) for schema in schemas]
        schema = pl.concat(empty, how="diagonal_relaxed").schema
    except PROBLEMS as error:
        raise _first_wrong(error, texts, name) from error
    scan = pl.scan_ndjson(paths, schema=schema, include_file_paths=partitions.path_column)
    scan = scan.rename(renamed := _trimmed(schema.names(), name))
    several = f", {len(texts)} files" if len(texts) > 1 else ""
    lazy = partitions.placed(scan)
    source = PolarsSource(
        lazy, name=name, rows=None, dialect=f"NDJSON, {texts[0].said}{several}", kept=texts
    )
    source.reads = 1
    source.mixed = _mixed(texts[0].start, renamed, scan.collect_schema())
    source.notes += texts[0].notes + partitions.hiding(renamed.values())
    source.notes += source.mixed.values()
    return source


def _mixed(
    start: str, renamed: Mapping[str, str], schema: Mapping[str, pl.DataType]
) -> dict[str, str]:
    """Columns that polars takes for text, though the first records have numbers in them."""
    texts = {old: new for old, new in renamed.items() if schema[new] == pl.String}
    numbers: set[str] = set()
    at = start.find("{") if texts else -1
    while at >= 0:
        try:
            record, end = json.JSONDecoder().raw_decode(start, at)
        except (ValueError, RecursionError):
            break
        numbers |= {name for name, value in record.items() if type(value) in (int, float)}
        at = start.find("{", end)
    return {
        new: f"{new} holds numbers and text: all of it is taken as text"
        for old, new in texts.items()
        if old in numbers
    }


def _first_wrong(error: BaseException, texts: Sequence[Text], name: str) -> TableError:
    """The first line that is no object, or else what polars says."""
    for text in texts:
        try:
            for number, line in enumerate(text.lines(), 1):
                if line.strip() and not isinstance(json.loads(line, parse_constant=_refuse), dict):
                    return ReadError(f"{text.name}, line {number} is no JSON object")
        except TableError as found:
            return found
        except (ValueError, RecursionError) as found:
            return ReadError(f"{text.name}, line {number} is no JSON: {_brief(found)}")
    return said(error, name)


def _wrong(error: BaseException, text: Text) -> TableError:
    """Where a JSON document goes wrong, which polars says in bytes alone."""
    with unpacked(text.path, text.name) as stream:
        try:
            found = json.load(stream, parse_constant=_refuse)
        except (ValueError, RecursionError) as why:
            return ReadError(f"{text.name} is no JSON: {_brief(why)}")
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        return ReadError(f"{text.name} is JSON but no table: {SHAPES}")
    return said(error, text.name)


def _brief(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON value, write null")


def _is_columns(found: Any) -> bool:
    """Whether an object holds columns: lists, or objects of the same keys as pandas writes."""
    if not isinstance(found, dict) or not found:
        return False
    each = list(found.values())
    if all(isinstance(one, list) for one in each):
        return True
    return all(isinstance(one, dict) and one.keys() == each[0].keys() for one in each)


def _records(content: bytes, text: Text) -> bytes:
    """An object of columns as a list of records, so that both get types by the same rules."""
    try:
        found = json.loads(content, parse_constant=_refuse, object_pairs_hook=_once(text))
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{text.name} is no JSON: {_brief(error)}") from None
    if not _is_columns(found):
        raise ReadError(f"{text.name} is JSON but no table: {SHAPES}")
    columns = {
        name: list(column.values()) if isinstance(column, dict) else column
        for name, column in found.items()
    }
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        names = list(columns)
        other = next(name for name in names if len(columns[name]) != len(columns[names[0]]))
        raise ReadError(
            f"{text.name}: '{names[0]}' has {len(columns[names[0]])} values, but '{other}' has "
            f"{len(columns[other])}: a table's columns are equally long"
        )
    rows = zip(*columns.values(), strict=True)
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows]).encode()


def _once(text: Text) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            names = [name for name, _ in found]
            twice = next(name for name in names if names.count(name) > 1)
            raise ColumnError(f"{text.name} has '{twice}' twice in one object: rename one of them")
        return made

    return pairs


def _check_once(content: bytes | str, text: Text) -> None:
    """Refuse an object with a name twice, as a header with one is refused; keep nothing else."""
    once = _once(text)

    def checked(found: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in found}) < len(found):
            once(found)

    try:
        json.loads(content, object_pairs_hook=checked)
    except (ValueError, RecursionError):
        return  # polars says what is wrong, or takes it


def _check_lines(block: bytes, text: Text) -> None:
    """The same for objects of a line each: only lines in which a name seems to stand twice."""
    lines = pl.Series(block.decode(errors="replace").split("\n"), dtype=pl.String)
    names = lines.str.replace_all(r'"\s+:', '":').str.extract_all(NAME)
    for line in lines.filter(names.list.n_unique() < names.list.len()):
        _check_once(line, text)


def _trimmed(names: Sequence[str], where: str) -> dict[str, str]:
    """Each column's name without blanks around it.

    Errors:  ColumnError where two are then called the same
    """
    trimmed = {name: name.strip() for name in names}
    if clash := next((a for a, b in trimmed.items() if a != b and b in trimmed), None):
        raise ColumnError(f"{where} has both {clash!r} and {clash.strip()!r}: rename one of them")
    return trimmed
