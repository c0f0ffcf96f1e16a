"""The Open Inference Protocol (V2, REST): a tensor for each column and each prediction."""

from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.serve.fields import Field
from deltarule.serve.problems import ProblemError, hint, nearest
from deltarule.serve.served import ServedModel

NUMBERS = frozenset(
    {
        "FP64",
        "FP32",
        "FP16",
        *(f"{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)),
    }
)
KINDS: Mapping[str, frozenset[str]] = {
    "number": NUMBERS,
    "boolean": frozenset({"BOOL"}),
    "string": frozenset({"BYTES"}),
}
DATATYPES = {"number": "FP64", "boolean": "BOOL", "string": "BYTES"}
PLATFORM = "deltarule"


def metadata(served: ServedModel) -> dict[str, Any]:
    """The model's metadata: its tensors."""
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": PLATFORM,
        "inputs": [
            {"name": one.name, "datatype": _datatype(one), "shape": [-1]}
            for one in served.fields.values()
        ],
        "outputs": [
            {"name": name, "datatype": kind, "shape": [-1]}
            for name, kind in output_types(served).items()
        ],
    }


def output_types(served: ServedModel) -> dict[str, str]:
    """The datatype of each prediction."""
    properties = served.prediction_schema["properties"]
    return {
        name: "BYTES" if schema["type"] == "string" else "FP64"
        for name, schema in properties.items()
        if name != "flags"
    }


def records_of(content: Any, served: ServedModel) -> tuple[list[Any], list[str]]:
    """The rows of an inference request, and the names of the outputs that it wants.

    Errors:  ProblemError
    """
    inputs = content.get("inputs") if isinstance(content, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise ProblemError(400, "format", "inputs takes a list of tensors", field="inputs")
    if not isinstance(content.get("id", ""), str):
        raise ProblemError(400, "format", "id takes text", field="id")
    columns: dict[str, list[Any]] = {}
    for tensor in inputs:
        name, cells = _tensor(tensor, served.fields)
        if name in columns:
            raise ProblemError(400, "format", f"two inputs are called {name[:100]!r}", field=name)
        columns[name] = cells
    if len({len(cells) for cells in columns.values()}) > 1:
        raise ProblemError(400, "format", "the inputs are not of one length", field="inputs")
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return rows, _outputs(content, output_types(served))


def answer(
    content: Mapping[str, Any],
    served: ServedModel,
    predictions: Sequence[Mapping[str, Any]],
    wanted: Sequence[str],
) -> dict[str, Any]:
    """The inference response."""
    kinds = output_types(served)
    response: dict[str, Any] = {"model_name": served.name, "model_version": served.version}
    if "id" in content:
        response["id"] = content["id"]
    response["outputs"] = [
        {
            "name": name,
            "datatype": kinds[name],
            "shape": [len(predictions)],
            "data": [one[name] for one in predictions],
        }
        for name in wanted
    ]
    return response


def _datatype(field: Field) -> str:
    return DATATYPES["string" if field.as_text else field.types[0]]


def _tensor(tensor: Any, fields: Mapping[str, Field]) -> tuple[str, list[Any]]:
    """The name and the values of an input. Errors: ProblemError."""
    name = tensor.get("name") if isinstance(tensor, dict) else None
    if not isinstance(name, str):
        raise ProblemError(400, "format", "an input has no name", field="inputs")
    data, shape, datatype = (tensor.get(part) for part in ("data", "shape", "datatype"))
    if not isinstance(data, list):
        raise ProblemError(400, "format", f"{name[:100]!r} has no data (a list)", field=name)
    cells = _flat(data, name)
    if not isinstance(shape, list) or not all(type(one) is int and one >= 0 for one in shape):
        raise ProblemError(400, "format", f"{name[:100]!r} has no shape", field=name)
    size = 1
    for one in shape[:8]:
        size *= one
    if len(shape) not in (1, 2) or size != len(cells) or (len(shape) == 2 and shape[1] != 1):
        detail = f"the shape of {name[:100]!r} should be [{len(cells)}] or [{len(cells)}, 1]"
        raise ProblemError(400, "format", detail, field=name)
    field = fields.get(name)
    if field is not None:
        taken = frozenset[str]().union(*(KINDS[kind] for kind in field.types))
        if datatype not in taken:
            detail = f"the datatype of {name[:100]!r} should be {_datatype(field)}"
            raise ProblemError(400, "type", detail, field=name)
    return name, cells


def _flat(data: list[Any], name: str) -> list[Any]:
    """Data, flat or a list for each row."""
    if not any(isinstance(one, list) for one in data):
        return data
    if not all(isinstance(one, list) and len(one) == 1 for one in data):
        raise ProblemError(
            400, "format", f"the data of {name[:100]!r} should be one value a row", field=name
        )
    return [one[0] for one in data]


def _outputs(content: Mapping[str, Any], known: Mapping[str, str]) -> list[str]:
    """The outputs that a request wants, all where it names none. Errors: ProblemError."""
    asked = content.get("outputs", [])
    if asked == []:
        return list(known)
    if not isinstance(asked, list):
        raise ProblemError(400, "format", "outputs takes a list", field="outputs")
    names = [one.get("name") if isinstance(one, dict) else None for one in asked]
    for name in names:
        if not isinstance(name, str) or name not in known:
            near = nearest(str(name), known)
            detail = f"there is no output {str(name)[:100]!r}{hint(near)}"
            raise ProblemError(400, "format", detail, field="outputs", nearest=near)
    return list(dict.fromkeys(str(name) for name in names))
