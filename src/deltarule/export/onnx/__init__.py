"""A model as ONNX: float64 operators and look-ups of text, an input for each column."""

import json
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from deltarule.errors import ExportError, ExpressionError, MissingExtraError
from deltarule.export.contract import contract
from deltarule.scorer.tree import Tree

__all__ = ["feeds", "run", "write"]

HEAD = (
    "Each column is an input of its own, a vector with an element for each row; so is each result. "
    "Numbers and dates that stand in text are given as numbers."
)


def write(tree: Tree, *, explain: bool = False) -> bytes:
    """The file; with `explain` it gives each column's contribution too.

    Errors:  ExpressionError for what ONNX has no operators for; MissingExtraError without onnx
    """
    try:
        import onnx  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError("ONNX needs onnx: pip install 'deltarule[onnx]'") from error
    from deltarule.export.onnx.graph import ML_OPSET, OPSET, Graph
    from deltarule.export.onnx.walk import SAYS, Walk

    graph = Graph(reserved=set(tree.reads))
    walk = Walk(graph, tree)
    walk.write(explain=explain)
    if both := graph.inputs.keys() & graph.outputs.keys():
        raise ExpressionError(f"{min(both)!r} is a column that is read and one that is predicted")
    lines = [HEAD, f"Opset {OPSET}, ai.onnx.ml {ML_OPSET}.", "", *contract(tree)]
    reads = {
        name: {"kind": read.kind, "says": SAYS[read.kind], **_format(read.format)}
        for name, read in tree.reads.items()
    }
    properties = {"deltarule.columns": json.dumps(reads, ensure_ascii=False)}
    return graph.model(name="deltarule", says="\n".join(lines), properties=properties)


def _format(own: Any) -> dict[str, Any]:
    return {} if own is None else {"written": own.model_dump()}


def feeds(content: bytes, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What an inference session is given for these rows: an array for each input."""
    import numpy as np
    import onnx

    properties = {one.key: one.value for one in onnx.load_from_string(content).metadata_props}
    columns = json.loads(properties["deltarule.columns"])
    found: dict[str, Any] = {}
    for name, own in columns.items():
        values = [_fed(row[name], name, own) for row in rows]
        text = own["kind"] == "text"
        found[name] = np.array(values, dtype=object if text else np.float64)
    return found


def _fed(cell: Any, name: str, own: Mapping[str, Any]) -> float | str:
    """A cell as an element of its input."""
    from deltarule.scorer.runtime import cells

    kind, how = own["kind"], own.get("written", {})
    if kind == "text":
        return "" if cell is None else str(cell)
    made: float | None
    if kind in ("date", "datetime"):
        moment = cells.read_moment(cell, name, how.get("every") or how.get("order") or "ymd")
        made = None if moment is None else moment[0] * 86_400.0 + moment[1] / 1e6
    elif kind == "time":
        clock = cells.read_time(cell, name)
        made = None if clock is None else clock / 1e9
    elif how.get("kind") in ("flag", "boolean") or kind == "boolean":
        made = cells.read_flag(cell, name)
    else:
        mark, unit = how.get("decimal", "."), how.get("unit", "")
        made = cells.read_number(cell, name, mark, unit, suffix=how.get("suffix", ""))
    return math.nan if made is None else float(made)


def run(
    content: str | bytes, rows: Sequence[Mapping[str, Any]], **settings: Any
) -> Sequence[Mapping[str, Any]] | None:
    """The rows' results in onnxruntime; None where it is not installed.

    Errors:  ExportError where the runtime refuses the file
    """
    try:
        onnxruntime: Any = import_module("onnxruntime")  # it comes without types
    except ModuleNotFoundError:
        return None
    assert isinstance(content, bytes)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        results = session.run(None, feeds(content, rows))
    except Exception as error:  # noqa: BLE001 - its errors share no type of their own
        first = str(error).partition("\n")[0]
        raise ExportError(f"onnxruntime does not run the file: {first}") from None
    names = [one.name for one in session.get_outputs()]
    columns = {
        name: [_given(one) for one in values.tolist()]
        for name, values in zip(names, results, strict=True)
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _given(value: Any) -> Any:
    """A result as the model gives it: missing is None."""
    if isinstance(value, str):
        return value or None
    return None if value != value else value
