"""The request formats of MLflow's scoring server: POST /invocations.

dataframe_split    {"columns": [...], "data": [[...], ...]}
dataframe_records  [{...}, ...]
instances          [{...}, ...], or lists of values in the order of the model's columns
inputs             {column: [...]}, or as instances
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.serve.problems import ProblemError

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def records_of(content: Any, columns: Sequence[str]) -> list[Any]:
    """The rows of a request that has one of the formats.

    Errors:  ProblemError
    """
    given = [name for name in FORMATS if isinstance(content, dict) and name in content]
    if len(given) != 1:
        raise ProblemError(400, "format", f"give exactly one of {', '.join(FORMATS)}")
    [name] = given
    value = content[name]
    if name == "dataframe_split":
        return _split(value)
    if name == "inputs" and isinstance(value, dict):
        return _of_columns(value)
    if not isinstance(value, list):
        raise ProblemError(400, "format", f"{name} takes a list of rows", field=name)
    return [_named(row, columns, name, at) for at, row in enumerate(value)]


def _split(value: Any) -> list[Any]:
    names: Any = value.get("columns") if isinstance(value, dict) else None
    data: Any = value.get("data") if isinstance(value, dict) else None
    if not _all(names, str) or not _all(data, list):
        raise ProblemError(
            400, "format", "dataframe_split takes columns and data", field="dataframe_split"
        )
    if len(set(names)) != len(names):
        raise ProblemError(400, "format", "a column stands twice", field="columns")
    return [_named(row, names, "data", at) for at, row in enumerate(data)]


def _of_columns(value: Mapping[str, Any]) -> list[Any]:
    columns = {name: one if isinstance(one, list) else [one] for name, one in value.items()}
    flat = {
        name: [cell[0] if isinstance(cell, list) and len(cell) == 1 else cell for cell in cells]
        for name, cells in columns.items()
    }
    lengths = {len(cells) for cells in flat.values()}
    if len(lengths) > 1:
        raise ProblemError(400, "format", "the columns are not of one length", field="inputs")
    return [dict(zip(flat, cells, strict=True)) for cells in zip(*flat.values(), strict=True)]


def _named(row: Any, columns: Sequence[str], name: str, at: int) -> Any:
    """A row of values by name; what is no list is left to the validator."""
    if not isinstance(row, list):
        return row
    if len(row) != len(columns):
        raise ProblemError(
            400,
            "format",
            f"row {at + 1} has {len(row):,} values where {len(columns):,} belong",
            field=name,
            row=at + 1,
        )
    return dict(zip(columns, row, strict=True))


def _all(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) for one in value)
