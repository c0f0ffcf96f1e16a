"""Rows in a request's body: JSON straight to pydantic, CSV and Arrow through the readers of tables.

Duplicate keys are refused: which of two values is meant cannot be known. The check is a count:
outside of texts a colon stands for each pair of a JSON object, so where colons and pairs are as
many, no key was there twice. Only where they are not (a time in a text) is the body parsed again.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import from_json

from deltarule.errors import DeltaruleError
from deltarule.serve.mlflow import FORMATS
from deltarule.serve.problems import ProblemError, hint, nearest
from deltarule.serve.scoring import Rows
from deltarule.serve.served import ServedModel
from deltarule.serve.settings import Limits
from deltarule.tables.files.open import open_file
from deltarule.tables.frames import open_table
from deltarule.tables.source import Source

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
ARROW_TYPES = (ARROW, "application/x-apache-arrow-stream")
# Below this a body has too few values to be a burden.
SMALL = 64 << 10
SEPARATORS = (b",", b";", b"\t", b"|")
LONGEST_LINE = 1_000_000


class DuplicateKeyError(ValueError):
    """A JSON object has a key twice."""


def kind_of(content_type: str) -> str:
    """The kind of body of a content type: JSON, CSV or ARROW.

    Errors:  ProblemError for another
    """
    media = content_type.partition(";")[0].strip().lower()
    if media in ("", JSON) or media.endswith("+json"):
        return JSON
    if media in (CSV, "application/csv"):
        return CSV
    if media in ARROW_TYPES:
        return ARROW
    raise ProblemError(415, "media-type", f"bodies are taken as {JSON}, {CSV} or {ARROW}")


def rows_of(served: ServedModel, body: bytes, limits: Limits) -> Rows:
    """The rows of a JSON body, one object or a list of them.

    Errors:  ProblemError, which names the row and the field
    """
    check_size(body, limits)
    alone = body.lstrip(b" \t\r\n")[:1] != b"["
    try:
        rows: Rows = [served.row.validate_json(body)] if alone else served.rows.validate_json(body)
    except ValidationError as error:
        _refuse(served, body, error, alone, limits)
    check_keys(body, rows)
    return rows


def check_size(body: bytes, limits: Limits) -> None:
    """Refuse JSON with more values than are parsed at once. Errors: ProblemError."""
    if len(body) < SMALL:
        return
    if body.count(b",") + body.count(b"[") + body.count(b"{") > limits.values:
        raise ProblemError(413, "too-many-values", f"at most {limits.values:,} values at once")


def parse_json(body: bytes, limits: Limits) -> Any:
    """Any JSON, without duplicate keys. Errors: ProblemError."""
    check_size(body, limits)
    try:
        content = from_json(body, allow_inf_nan=True)
    except (ValueError, RecursionError):
        raise ProblemError(400, "json", "the body is not JSON") from None
    check_keys(body, content)
    return content


def check_keys(body: bytes, content: Any) -> None:
    """Refuse an object with a key twice. Errors: ProblemError."""
    if body.count(b":") == _pairs(content):
        return

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) != len(found):
            names = [name for name, _ in found]
            raise DuplicateKeyError(next(name for name in names if names.count(name) > 1))
        return made

    try:
        json.loads(body, object_pairs_hook=pairs)
    except DuplicateKeyError as error:
        name = str(error)
        raise ProblemError(
            400, "duplicate-key", f"the name {name[:100]!r} stands twice in one object", field=name
        ) from None
    except (ValueError, RecursionError):
        raise ProblemError(400, "json", "the body is not JSON") from None


def _pairs(content: Any) -> int:
    """The number of pairs in all objects of a JSON value."""
    if isinstance(content, dict):
        below = (_pairs(one) for one in content.values() if type(one) in (dict, list))
        return len(content) + sum(below)
    if isinstance(content, list):
        return sum(_pairs(one) for one in content if type(one) in (dict, list))
    return 0


def _refuse(
    served: ServedModel, body: bytes, error: ValidationError, alone: bool, limits: Limits
) -> NoReturn:
    """Say of a JSON body that is no row, or no list of rows, what is wrong first.

    Errors:  ProblemError
    """
    if error.errors(include_url=False, include_context=False)[0]["type"] == "json_invalid":
        raise ProblemError(400, "json", "the body is not JSON") from None
    check_keys(body, parse_json(body, limits))
    _refuse_rows(served, error, limits, row=1 if alone else None)


def validated(served: ServedModel, records: list[Any], limits: Limits) -> Rows:
    """Rows that were taken out of another format, validated. Errors: ProblemError."""
    try:
        rows: Rows = served.rows.validate_python(records)
    except ValidationError as error:
        _refuse_rows(served, error, limits)
    return rows


def _refuse_rows(
    served: ServedModel, error: ValidationError, limits: Limits, *, row: int | None = None
) -> NoReturn:
    """Name what is wrong first; `row` is the number of a row that came alone.

    Errors:  ProblemError
    """
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "too_long":
        raise _too_many(limits) from None
    place = list(first["loc"])
    alone = row is not None
    if not alone and place:
        row = int(place.pop(0)) + 1
    if not place:
        where = "the body" if row is None or alone else f"row {row}"
        detail = f"{where} is no object: give a row as an object, or a list of them"
        raise ProblemError(422, "rows", detail, row=row) from None
    name, kind = str(place[0]), str(first["type"])
    if kind == "missing":
        given = first["input"]
        _refuse_missing(served, name, given if isinstance(given, dict) else {}, row)
    wanted = "a finite number" if kind == "finite_number" else served.fields[name].noun
    many = "; rows are a list of objects" if isinstance(first["input"], list) else ""
    detail = f"row {row}: '{name}' takes {wanted}, or null where it is missing{many}"
    raise ProblemError(422, "type", detail, field=name, row=row) from None


def _refuse_missing(
    served: ServedModel, name: str, given: Mapping[str, Any], row: int | None
) -> NoReturn:
    """Name the column that a row lacks, and the nearest that it has. Errors: ProblemError."""
    if any(one in given for one in FORMATS) or {"columns", "data"} <= given.keys():
        detail = "that is a format of /invocations: here a row is an object, and many are a list"
        raise ProblemError(422, "rows", detail, row=row) from None
    near = nearest(name, [one for one in given if one not in served.fields])
    detail = f"row {row}: there is no '{name}' (null where it is missing){hint(near)}"
    raise ProblemError(422, "missing-column", detail, field=name, row=row, nearest=near) from None


@contextmanager
def opened(body: bytes, kind: str, limits: Limits) -> Iterator[Source]:
    """The table of a CSV or Arrow body, as long as it is read.

    Errors:  ProblemError, TableError
    """
    if kind == ARROW:
        yield _arrow(body, limits)
        return
    _check_csv(body, limits)
    with tempfile.TemporaryDirectory(prefix="deltarule-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(body)
        try:
            source = open_file(path, {"encoding": "utf-8"})
            source.name = "the table"
            yield source
        except DeltaruleError as error:
            raise type(error)(str(error).replace(str(path), "the table")) from None


def _check_csv(body: bytes, limits: Limits) -> None:
    """Refuse what is no CSV, or too much of it. Errors: ProblemError."""
    if not body.strip():
        raise ProblemError(422, "rows", "the body is empty")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise ProblemError(400, "csv", "the body is not UTF-8") from None
    if b"\x00" in body:
        raise ProblemError(400, "csv", "the body is no CSV: it has zero bytes")
    if body.count(b"\n") > limits.rows + 1:
        raise _too_many(limits)
    longest = max(len(line) for line in re.split(rb"[\r\n]", body))
    widest = max(body.partition(b"\n")[0].count(one) for one in SEPARATORS)
    if widest >= limits.columns or longest > LONGEST_LINE:
        raise ProblemError(413, "too-many-columns", f"at most {limits.columns:,} columns at once")


def _arrow(body: bytes, limits: Limits) -> Source:
    """The table of an Arrow stream. Errors: ProblemError, TableError."""
    if find_spec("pyarrow") is None:
        raise ProblemError(415, "media-type", "this server takes no Arrow: it needs pyarrow")
    from deltarule.serve.arrow import open_stream

    table = open_stream(body, limits)
    if table.num_rows > limits.rows:
        raise _too_many(limits)
    return open_table(table)[0]


def _too_many(limits: Limits) -> ProblemError:
    return ProblemError(413, "too-many-rows", f"at most {limits.rows:,} rows at once")
