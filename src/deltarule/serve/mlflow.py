"""The request formats of MLflow's scoring server: POST /invocations.

dataframe_split    {"columns": [...], "data": [[...], ...]}
dataframe_records  [{...}, ...]
instances          [{...}, ...], or lists of values in the order of the model's columns
inputs             {column: [...]}, or as instances

Beside one of them params may hold explain, flags and interval, as in deltarule.mlflow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.model.prediction_stream import Columns
from deltarule.serve.problems import ProblemError, hint, nearest

PARAMETERS = ("explain", "flags", "interval")
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def records_of(content: Any, columns: Sequence[str]) -> list[Any]:
    """The rows of a request that has one of the formats.

    Errors:  ProblemError
    """
    given = [name for name in FORMATS if isinstance(content, dict) and name in content]
    if len(given) != 1:
        raise ProblemError(
            400, "format", f"give exactly one of {', '.join(FORMATS)}{_how(content)}"
        )
    [name] = given
    value = content[name]
    if name == "dataframe_split":
        return _split(value)
    if name == "inputs" and isinstance(value, dict):
        return _of_columns(value)
    if not isinstance(value, list):
        raise ProblemError(400, "format", f"{name} takes a list of rows", field=name)
    return [_named(row, columns, name, at) for at, row in enumerate(value)]


def columns_of(content: Mapping[str, Any]) -> Columns | None:
    """The columns beside the predictions that a request's params want; None without params.

    Errors:  ProblemError
    """
    params = content.get("params")
    if not params and not isinstance(params, list):
        return None
    if not isinstance(params, dict):
        raise ProblemError(400, "format", "params takes an object", field="params")
    for name in params:
        if name not in PARAMETERS:
            near = nearest(name, PARAMETERS)
            detail = f"there is no parameter {name[:100]!r}{hint(near)}"
            raise ProblemError(400, "format", detail, field="params", nearest=near)
    explain, flags, interval = (params.get(name) for name in PARAMETERS)
    if not {type(explain), type(flags)} <= {bool, type(None)}:
        raise ProblemError(400, "format", "explain and flags take true or false", field="params")
    if type(interval) not in (float, int, type(None)):
        raise ProblemError(400, "format", "interval takes a share such as 0.9", field="params")
    return Columns(explain=bool(explain), flags=bool(flags), interval=interval)


def _how(content: Any) -> str:
    """How a body without one of the formats' names gets it."""
    if isinstance(content, list):
        return ': {"dataframe_records": [...]} around these rows'
    if isinstance(content, dict) and {"columns", "data"} <= content.keys():
        return ': {"dataframe_split": {"columns": ..., "data": ...}} around this table'
    return ""


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
