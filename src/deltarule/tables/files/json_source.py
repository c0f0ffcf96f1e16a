"""JSON records: one object a line (NDJSON), a list of objects, or an object with one or of columns.

All are read as blocks of lines with a record each, in bounded memory; only an object of columns is
in memory whole, as the values of a row are not beside each other in it. Later records may have
columns or types that the first do not show, so one read of all of them finds the types.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from deltarule.errors import ColumnError, EmptyError, ReadError
from deltarule.tables.files.encoding import LONGEST_ROW, SAMPLE_BYTES, Text, blocks
from deltarule.tables.files.json_records import object_lines, outline, record_lines
from deltarule.tables.files.json_types import (
    Types,
    block_types,
    brief,
    check_record,
    merged,
    once,
    refuse,
)
from deltarule.tables.files.packed import CHUNK, unpacked
from deltarule.tables.files.parallel import parsed_in_order
from deltarule.tables.polars_source import PROBLEMS, Partitions, PolarsSource, explained, said
from deltarule.tables.source import (
    BATCH_ROWS,
    LOOK_ROWS,
    TextHints,
    columns_read,
    first_frames,
    rebatched,
)

# What looks like a name in an object; in an object within another, or in a text, it may be none.
NAME = r'"(?:[^"\\]|\\.)*":'
# An object of columns is read whole, and takes several times as much memory as text.
LARGEST_DOCUMENT = 1 << 30
SHAPES = (
    "give a list of objects, an object with one such list, an object of columns, or one object a "
    "line"
)


@dataclass(frozen=True)
class Records:
    """The records of one file, and what a record is called in messages: a line, or a record."""

    text: Text
    blocks: Callable[[], Iterator[bytes]]
    """Opens them anew: blocks of lines with an object each."""
    noun: str = "record"

    def place(self, line: int) -> str:
        """Where a record is, counted from 0."""
        return f"{self.text.name}, {self.noun} {line + 1:,}"


def is_lines(text: Text) -> bool:
    """Whether JSON is one object a line rather than one document."""
    first, end, rest = text.start.strip().partition("\n")
    if not first.startswith("{"):
        return False
    if not end and not text.whole:
        return _goes_on(text)
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return bool(rest.strip()) or not (_is_columns(found) or _has_records(found))


def _goes_on(text: Text) -> bool:
    """Whether a first line longer than the sample is followed by another."""
    with unpacked(text.path, text.name) as stream:
        return stream.readline(LONGEST_ROW).endswith(b"\n") and bool(stream.read(CHUNK).strip())


def _has_records(found: Mapping[str, Any]) -> bool:
    """Whether an object has a list of objects."""
    lists = (one for one in found.values() if isinstance(one, list))
    return any(one and isinstance(one[0], dict) for one in lists)


def read_json(text: Text) -> "JsonSource":
    """The source of a JSON document.

    Errors:  ReadError, EmptyError, ColumnError for a name twice in one object
    """
    opening, start, within = text.start.lstrip()[:1], 0, ""
    if opening == "{":
        found = outline(text)
        if found.objects > 1:
            objects = Records(text, partial(object_lines, text))
            return JsonSource([objects], name=text.name, dialect=f"JSON objects, {text.said}")
        if len(found.records) > 1 and not found.columns:
            names = ", ".join(f"'{name}'" for name, _ in found.records)
            raise ReadError(
                f"{text.name} has several lists of records ({names}): give a file with one of them"
            )
        if found.columns or not found.records:
            return _source_of_columns(text)
        [(name, start)] = found.records
        within = f", the list '{name}'"
    elif opening != "[":
        raise _no_table(text)
    records = Records(text, partial(record_lines, text, start))
    return JsonSource([records], name=text.name, dialect=f"JSON{within}, {text.said}")


def scan_lines(texts: Sequence[Text], *, name: str, partitions: Partitions) -> "JsonSource":
    """The source of NDJSON files.

    Errors:  ReadError with the line that is no object, ColumnError for a name twice in one of them
    """
    several = f", {len(texts)} files" if len(texts) > 1 else ""
    return JsonSource(
        [Records(text, partial(blocks, text, None), "line") for text in texts],
        name=name,
        dialect=f"NDJSON, {texts[0].said}{several}",
        partitions=partitions,
    )


class JsonSource(PolarsSource):
    """Records in blocks of lines, a few blocks parsed at the same time."""

    def __init__(
        self,
        files: Sequence[Records],
        *,
        name: str,
        dialect: str,
        partitions: Partitions | None = None,
    ) -> None:
        self._records, self._partitions = files, partitions or Partitions()
        self._types: Types = {}
        for types in parsed_in_order(_checked_types, self._blocks()):
            self._types = merged(self._types, types)
        if not self._types:
            raise EmptyError(f"{name} has no records")
        self._names = _trimmed(list(self._types), name)
        schema = {self._names[old]: kind for old, kind in self._types.items()}
        empty = self._placed(pl.LazyFrame(schema=schema), path=None)
        super().__init__(empty, name=name, rows=None, dialect=dialect)
        self.reads = 1
        start = next(files[0].blocks(), b"")[:SAMPLE_BYTES].decode(errors="ignore")
        mixed = _mixed(start, self._names, schema)
        self.hints = TextHints(mixed=mixed)
        self.notes += files[0].text.notes + self._partitions.hiding(schema)
        self.notes += mixed.values()

    def _blocks(self) -> Iterator[tuple[Records, int, bytes]]:
        """All blocks, with the number of the first line of each in its file."""
        for records in self._records:
            line = 0
            for block in records.blocks():
                yield records, line, block
                line += block.count(b"\n")

    def _placed(self, lazy: pl.LazyFrame, path: Path | None) -> pl.LazyFrame:
        """The rows of a file with the columns that its folders give."""
        if where := self._partitions.path_column:
            lazy = lazy.with_columns(pl.lit(str(path), pl.String).alias(where))
        return self._partitions.placed(lazy)

    def _first_rows(self) -> pl.DataFrame:
        shown = first_frames(parsed_in_order(self._parse([pl.all()]), self._blocks()))
        return pl.concat([self.lazy.collect(), *shown]).head(LOOK_ROWS)

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        self.reads += 1
        frames = parsed_in_order(self._parse(columns), self._blocks())
        with explained(self.name):
            yield from rebatched(frames, BATCH_ROWS)

    def _parse(
        self, columns: Sequence[pl.Expr]
    ) -> Callable[[tuple[Records, int, bytes]], pl.DataFrame]:
        """What parses these columns of a block."""
        read = set(columns_read(columns, list(self._names.values())))
        types = {name: kind for name, kind in self._types.items() if self._names[name] in read}

        def parsed(found: tuple[Records, int, bytes]) -> pl.DataFrame:
            records, line, block = found
            try:
                frame = pl.read_ndjson(block, schema=types)
            except PROBLEMS as error:
                raise _changed(records, line, block, error) from error
            lazy = frame.lazy().rename({name: self._names[name] for name in types})
            return self._placed(lazy, records.text.path).select(columns).collect()

        return parsed


def _checked_types(found: tuple[Records, int, bytes]) -> Types:
    """The types of a block's columns, of which no record has two of one name.

    Errors:  ReadError, ColumnError
    """
    records, line, block = found
    _check_lines(block, records.text)
    return block_types(block, lambda at: records.place(line + at))


def _changed(records: Records, line: int, block: bytes, error: BaseException) -> ReadError:
    """Why a block cannot be read of which the types were found before."""
    for at, text in enumerate(block.split(b"\n")):
        if text.strip():
            try:
                check_record(text, records.place(line + at))
            except ReadError as wrong:
                return wrong
    name = records.text.name
    told = said(error, name)
    return told if isinstance(told, ReadError) else ReadError(f"{name} changed while it was read")


def _source_of_columns(text: Text) -> JsonSource:
    """The source of an object of columns, turned into records so that all get types alike."""
    with unpacked(text.path, text.name) as stream:
        content = stream.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise ReadError(
            f"{text.name} is an object of columns of more than {LARGEST_DOCUMENT >> 20:,} MB in "
            "one document, which has to fit in memory: write a list of objects, or one a line"
        )
    lines = list(_lines_of_columns(_columns_of(content, text)))
    records = Records(text, lambda: iter(lines))
    return JsonSource([records], name=text.name, dialect=f"JSON, {text.said}")


def _columns_of(content: bytes, text: Text) -> dict[str, list[Any]]:
    """The columns of an object of them, equally long."""
    try:
        found = json.loads(content, parse_constant=refuse, object_pairs_hook=once(text.name))
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{text.name} is no JSON: {brief(error)}") from None
    if not _is_columns(found):
        raise ReadError(f"{text.name} is JSON but no table: {SHAPES}")
    columns = {
        name: list(column.values()) if isinstance(column, dict) else column
        for name, column in found.items()
    }
    lengths = {name: len(column) for name, column in columns.items()}
    first, length = next(iter(lengths.items()))
    for other, differs in lengths.items():
        if differs != length:
            raise ReadError(
                f"{text.name}: '{first}' has {length} values, but '{other}' has {differs}: a "
                "table's columns are equally long"
            )
    return columns


def _lines_of_columns(columns: Mapping[str, Sequence[Any]]) -> Iterator[bytes]:
    """The rows of columns, in blocks of lines with an object each."""
    rows = zip(*columns.values(), strict=True)
    while block := [dict(zip(columns, row, strict=True)) for row in islice(rows, LOOK_ROWS)]:
        yield "".join(f"{json.dumps(row)}\n" for row in block).encode()


def _no_table(text: Text) -> ReadError:
    """What a document is that is neither a list nor an object."""
    with unpacked(text.path, text.name) as stream:
        content = stream.read(SAMPLE_BYTES)
    try:
        json.loads(content)
    except (ValueError, RecursionError) as error:
        return ReadError(f"{text.name} is no JSON: {brief(error)}")
    return ReadError(f"{text.name} is JSON but no table: {SHAPES}")


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


def _is_columns(found: Any) -> bool:
    """Whether an object holds columns: lists, or objects of the same keys as pandas writes."""
    if not isinstance(found, dict) or not found:
        return False
    each = list(found.values())
    if all(isinstance(one, list) for one in each):
        return True
    return all(isinstance(one, dict) and one.keys() == each[0].keys() for one in each)


def _check_once(content: bytes | str, text: Text) -> None:
    """Refuse an object with a name twice, as a header with one is refused; keep nothing else."""
    refuse_twice = once(text.name)

    def checked(found: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in found}) < len(found):
            refuse_twice(found)

    try:
        json.loads(content, object_pairs_hook=checked)
    except (ValueError, RecursionError):
        return  # polars says what is wrong, or takes it


def _check_lines(block: bytes, text: Text) -> None:
    """The same for objects of a line each: only lines in which a name seems to stand twice."""
    lines = pl.Series(block.decode(errors="replace").split("\n"), dtype=pl.String)
    names = lines.str.replace_all(r'"\s+:', '":').str.extract_all(NAME)
    # A name with an escape may be another as it stands: "\\u0078" is "x".
    escaped = names.list.eval(pl.element().str.contains("\\", literal=True)).list.any()
    for line in lines.filter((names.list.n_unique() < names.list.len()) | escaped):
        _check_once(line, text)


def _trimmed(names: Sequence[str], where: str) -> dict[str, str]:
    """Each column's name without blanks around it.

    Errors:  ColumnError where two are then called the same
    """
    trimmed = {name: name.strip() for name in names}
    if clash := next((a for a, b in trimmed.items() if a != b and b in trimmed), None):
        raise ColumnError(f"{where} has both {clash!r} and {clash.strip()!r}: rename one of them")
    return trimmed
