"""Types of the columns of JSON records, found in blocks of lines and merged.

The merged types do not depend on where a block ends: numbers are whole until one is not, and values
of several kinds in one column are text.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from deltarule.errors import ColumnError, ReadError
from deltarule.tables.polars_source import PROBLEMS

Types = dict[str, pl.DataType]

# Whole numbers have up to 128 bits.
LARGEST = 2**127


def block_types(lines: bytes, place: Callable[[int], str]) -> Types:
    """The types of the columns of a block of lines; `place` says where a line is, from 0.

    Errors:  ReadError for a line that is no JSON object, or has a number that none can hold
    """
    try:
        return dict(pl.read_ndjson(lines, infer_schema_length=None).schema)
    except PROBLEMS:
        return _types_by_line(lines, place)


def merged(one: Mapping[str, pl.DataType], other: Mapping[str, pl.DataType]) -> Types:
    """The types that have the values of both, in the order in which columns first appear."""
    return {
        name: one[name]
        if name not in other
        else other[name]
        if name not in one
        else _either(one[name], other[name])
        for name in {**one, **other}
    }


def _either(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    if pl.Null() in (one, other):
        return other if one == pl.Null() else one
    if one == other:
        return one
    if (one.is_numeric() and other.is_numeric()) or (one.is_nested() and other.is_nested()):
        schemas = [pl.DataFrame(schema={"x": kind}) for kind in (one, other)]
        try:
            return pl.concat(schemas, how="diagonal_relaxed").schema["x"]
        except PROBLEMS:
            return pl.String()
    return pl.String()


def _types_by_line(lines: bytes, place: Callable[[int], str]) -> Types:
    """The types where polars finds none that fit all lines, as where true stands beside 1."""
    found: Types = {}
    for at, line in enumerate(lines.split(b"\n")):
        if line.strip():
            check_record(line, place(at))
            try:
                types = dict(pl.read_ndjson(line, infer_schema_length=None).schema)
            except PROBLEMS as error:
                why = str(error).strip().partition("\n")[0]
                raise ReadError(f"{place(at)} cannot be read: {why}") from None
            found = merged(found, types)
    return found


def check_record(line: bytes | str, place: str) -> None:
    """Refuse a line that is no JSON object, or has a number larger than any column can hold.

    Errors:  ReadError
    """
    try:
        record = json.loads(line, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{place} is no JSON: {brief(error)}") from None
    if not isinstance(record, dict):
        raise ReadError(f"{place} is no JSON object")
    for name, value in record.items():
        if type(value) in (int, float) and not abs(value) < LARGEST:
            raise ReadError(
                f"{place}, column '{name}': a number beyond {LARGEST:.1e}: write null, or one with "
                "a fraction or an exponent that fits"
            )


def once(place: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """What takes the pairs of an object, each name once.

    Errors:  ColumnError
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            names = [name for name, _ in found]
            twice = next(name for name in names if names.count(name) > 1)
            raise ColumnError(f"{place} has '{twice}' twice in one object: rename one of them")
        return made

    return pairs


def brief(error: Exception) -> str:
    """What the parser of JSON says of an error."""
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def refuse(word: str) -> Any:
    """Refuse the words that Python takes for numbers, and JSON does not.

    Errors:  ValueError
    """
    raise ValueError(f"{word} is no JSON value, write null")
