"""The model file: a record as JSON, read as hostile until it is checked."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from deltarule.errors import NotAModelError, VersionError
from deltarule.model.record import FORMAT, VERSION, Record
from deltarule.output import write_whole
from deltarule.tables.saved_file import saved_bytes
from deltarule.tables.terms import MOST_EXPRESSIONS

LARGEST_FILE = 1 << 30
# A value takes up to 200 bytes in memory; 300,000 weights have 3 million of them.
MOST_VALUES = 5_000_000


def save(record: Record, path: Path) -> None:
    """Write a model file atomically.

    Errors:  OutputError
    """
    write_whole(
        path, lambda temporary: temporary.write_text(record.model_dump_json(), encoding="utf-8")
    )


def load(path: Path) -> Record:
    """Read a model file.

    Errors:  NotAModelError, VersionError, ModelError for one that is not there
    """
    raw = _content(path)
    try:
        content = from_json(raw)
    except (ValueError, RecursionError):
        raise NotAModelError(
            f"{path} is not a model file, or was cut short (it is not valid JSON): "
            "learn with --save to make one"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise NotAModelError(f"{path} is not a deltarule model file: learn with --save to make one")
    version = content.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise NotAModelError(f"{path} does not say which version it is: learn it again")
    if version > VERSION:
        raise VersionError(
            f"{path} has version {version}, this deltarule reads up to {VERSION}: update deltarule"
        )
    if (letters := _letters(content.get("contract"))) > MOST_EXPRESSIONS:
        raise NotAModelError(
            f"{path} has expressions of {letters:,} characters, more than a model file may have "
            f"({MOST_EXPRESSIONS:,})"
        )
    try:
        newer = to_json(_newer(content, version)) if version in (1, 2) else raw
        return Record.model_validate_json(newer)
    except (ValueError, ArithmeticError, RecursionError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else _first(error)
        raise NotAModelError(f"{path} is damaged: {what}; learn it again") from None


def _content(path: Path) -> bytes:
    """The bytes of a file, refused above the size cap.

    Errors:  NotAModelError, ModelError for one that is not there
    """
    raw = saved_bytes(path, what="model", largest=LARGEST_FILE)
    if (values := raw.count(b",")) > MOST_VALUES:
        raise NotAModelError(
            f"{path} has {values:,} values, more than a model file may have ({MOST_VALUES:,})"
        )
    return raw


def _letters(contract: object) -> int:
    """The total length of the expressions of a schema that is not validated yet."""
    parts = contract.values() if isinstance(contract, dict) else ()
    columns = [one for part in parts if isinstance(part, list) for one in part]
    texts = [one.get("expression") for one in columns if isinstance(one, dict)]
    return sum(len(text) for text in texts if isinstance(text, str))


def _newer(content: dict[str, Any], version: int) -> dict[str, Any]:
    """A file of an earlier version migrated to this one. In version 1 targets shared a loss."""
    newer = dict(content)
    if version == 2:
        return {**newer, "version": VERSION}
    shared = {name: newer.pop(name, None) for name in ("loss", "ridge", "condition")}
    shared["lasso"] = newer.pop("lasso", 0.0)
    learn, contract = newer.pop("learn", None), newer.get("contract")
    targets = contract.get("targets") if isinstance(contract, dict) else None
    if isinstance(learn, dict) and isinstance(targets, list):
        named = [one.get("name") for one in targets if isinstance(one, dict)]
        newer["learnt"] = [{"targets": named, **shared, **learn}]
    return {**newer, "version": VERSION}


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0]
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
