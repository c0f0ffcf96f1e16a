"""The OpenAPI document: the routes, with the schemas of each model's rows and predictions."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from deltarule import __version__
from deltarule.serve import open_inference
from deltarule.serve.bodies import ARROW, CSV, JSON
from deltarule.serve.problems import MEDIA_TYPE
from deltarule.serve.served import ServedModel

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
BINARY: Schema = {"type": "string", "contentMediaType": ARROW}
NOTES: Schema = {"type": "array", "items": TEXT}
VERSIONED = {"model": TEXT, "version": TEXT}

PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457",
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "field": TEXT,
        "row": {"type": "integer", "minimum": 1},
        "nearest": {"type": "array", "items": TEXT},
        "error": TEXT,
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
}
INTERVAL = {
    "name": "interval",
    "in": "query",
    "description": "also the ends of prediction intervals of this coverage, such as 0.9",
    "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
}
IN_TABLES = "the same, where the answer is CSV or Arrow"
STRICT = {
    "name": "strict",
    "in": "query",
    "description": "refuse rows with unseen levels or values out of range",
    "schema": {"type": "boolean"},
}


def document(models: Sequence[ServedModel], *, token: bool) -> dict[str, Any]:
    """The document of these models; with `token`, how to send one."""
    paths: dict[str, Any] = {}
    for one in models:
        paths |= _of_model(one)
    if len(models) == 1:
        paths["/invocations"] = {"post": _invocations(models[0])}
    paths |= _of_server()
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "deltarule",
            "version": __version__,
            "description": "Predictions and their explanations.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM},
            "responses": {
                "Problem": {
                    "description": "What was wrong with the request",
                    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
        },
    }
    if token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _of_server() -> dict[str, Any]:
    """What does not depend on the models."""
    yes = {"type": "boolean"}
    status = _object({"status": {"const": "ok"}})
    of_model = _object(VERSIONED | {"problem": {"type": ["string", "null"]}}, ["version"])
    of_model["properties"]["name"] = TEXT
    ready = _object({"ready": yes, "models": _list(of_model)}, ["ready"])
    listed = _object({"name": TEXT, "version": TEXT, "predicts": NOTES, "from": NOTES})
    known = _object({"models": _list(listed)})
    server = _object({"name": TEXT, "version": TEXT, "extensions": NOTES})
    return {
        "/models": {"get": _get("models", "The models", known)},
        "/health": {"get": _get("health", "Whether the server runs", status)},
        "/ready": {"get": _ready("ready", ready)},
        "/metrics": {
            "get": _operation("metrics", "Metrics for Prometheus", {"text/plain": {"schema": TEXT}})
        },
        "/ping": {"get": _get("ping", "Whether the server runs, as MLflow asks", status)},
        "/v2": {"get": _get("v2_server", "The server, in the Open Inference Protocol", server)},
        "/v2/health/live": {
            "get": _get("v2_live", "Whether the server runs", _object({"live": yes}))
        },
        "/v2/health/ready": {"get": _ready("v2_ready", ready)},
    }


def _of_model(served: ServedModel) -> dict[str, Any]:
    """What is asked of one model."""
    name, address = served.name, quote(served.name, safe="")
    row, prediction = served.row_schema, served.prediction_schema
    answer = _object(VERSIONED | {"predictions": _list(prediction), "notes": NOTES})
    explained = _object(VERSIONED | {"explanations": _list(EXPLANATION)})
    contract = _object(
        {"name": TEXT, "version": TEXT, "schema": {"type": "object"}, "example": row}
    )
    infer = f"/v2/models/{address}"
    version = f"{infer}/versions/{served.version}"
    return {
        f"/models/{address}": {
            "get": _get(f"{name}_contract", f"The contract of {name}", contract)
        },
        f"/models/{address}/predict": {
            "post": _post(f"{name}_predict", f"Predictions of {name}", _rows(served), answer)
            | {"parameters": [INTERVAL, STRICT]}
        },
        f"/models/{address}/explain": {
            "post": _post(f"{name}_explain", f"Explanations of {name}", _rows(served), explained)
            | {"parameters": [INTERVAL | {"description": IN_TABLES}, STRICT]}
        },
        **_inference(served, infer, name),
        **_inference(served, version, f"{name}_version"),
    }


def _inference(served: ServedModel, address: str, name: str) -> dict[str, Any]:
    """The Open Inference Protocol of one model, or of its version."""
    ready = _object({"name": TEXT, "ready": {"type": "boolean"}})
    return {
        address: {"get": _get(f"{name}_metadata", f"The tensors of {served.name}", TENSORS)},
        f"{address}/ready": {"get": _get(f"{name}_ready", f"Whether {served.name} answers", ready)},
        f"{address}/infer": {
            "post": _post(
                f"{name}_infer",
                f"Predictions of {served.name}, in the Open Inference Protocol",
                {JSON: {"schema": _infer_request(served), "example": _infer_example(served)}},
                INFERRED,
            )
        },
    }


def _rows(served: ServedModel) -> dict[str, Any]:
    """Bodies of rows, in each of their formats."""
    row = served.row_schema
    return {
        JSON: {"schema": {"anyOf": [row, _list(row)]}, "example": served.example},
        CSV: {"schema": TEXT},
        ARROW: {"schema": BINARY},
    }


def _invocations(served: ServedModel) -> dict[str, Any]:
    """The formats of MLflow's scoring server."""
    rows = _list(served.row_schema)
    split = _object({"columns": NOTES, "data": _list({"type": "array"})})
    formats = [
        _object({"dataframe_records": rows}),
        _object({"dataframe_split": split}),
        _object({"instances": {"type": "array"}}),
        _object({"inputs": {"type": ["array", "object"]}}),
    ]
    prediction = dict(served.prediction_schema)
    prediction["properties"] = {k: v for k, v in prediction["properties"].items() if k != "flags"}
    prediction["required"] = list(prediction["properties"])
    content = {
        JSON: {
            "schema": {"oneOf": formats},
            "example": {"dataframe_records": [served.example]},
        },
        CSV: {"schema": TEXT},
    }
    answer = _object({"predictions": _list(prediction)})
    return _post("invocations", "Predictions, as MLflow asks for them", content, answer)


CONTRIBUTION = {"column": TEXT, "value": TEXT, "score": NUMBER, "prediction": NUMBER}


def _object(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    needed = list(properties) if required is None else list(required)
    return {"type": "object", "properties": dict(properties), "required": needed}


def _list(items: Schema) -> dict[str, Any]:
    return {"type": "array", "items": items}


EXPLANATION = _object(
    {
        "row": {"type": "integer"},
        "outputs": _list(
            _object(
                {
                    "output": TEXT,
                    "target": TEXT,
                    "share": {"type": "boolean"},
                    "scale": {"type": ["string", "null"]},
                    "average_score": NUMBER,
                    "score": NUMBER,
                    "average": NUMBER,
                    "prediction": NUMBER,
                    "contributions": _list(_object(CONTRIBUTION)),
                }
            )
        ),
        "notes": NOTES,
    }
)
TENSOR = {"name": TEXT, "datatype": TEXT, "shape": _list({"type": "integer"})}
TENSORS = _object(
    {
        "name": TEXT,
        "versions": NOTES,
        "platform": TEXT,
        "inputs": _list(_object(TENSOR)),
        "outputs": _list(_object(TENSOR)),
    }
)
INFERRED = _object(
    {
        "model_name": TEXT,
        "model_version": TEXT,
        "id": TEXT,
        "outputs": _list(_object(TENSOR | {"data": {"type": "array"}})),
    },
    ["model_name", "model_version", "outputs"],
)


def _infer_request(served: ServedModel) -> dict[str, Any]:
    tensor = _object(TENSOR | {"data": {"type": "array"}})
    names = list(open_inference.output_types(served))
    output = _object({"name": {"type": "string", "enum": names}})
    inputs = _list(tensor) | {"minItems": 1}
    return _object({"id": TEXT, "inputs": inputs, "outputs": _list(output)}, ["inputs"])


def _infer_example(served: ServedModel) -> dict[str, Any]:
    inputs = open_inference.metadata(served)["inputs"]
    return {
        "inputs": [one | {"shape": [1], "data": [served.example[one["name"]]]} for one in inputs]
    }


def _operation(name: str, summary: str, content: Schema) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": content},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }


def _get(name: str, summary: str, schema: Schema) -> dict[str, Any]:
    return _operation(name, summary, {JSON: {"schema": schema}})


def _ready(name: str, schema: Schema) -> dict[str, Any]:
    operation = _get(
        name, "Whether the server takes requests, and what is wrong with model files", schema
    )
    busy = {"description": "It is stopping", "content": {JSON: {"schema": schema}}}
    operation["responses"]["503"] = busy
    return operation


def _post(name: str, summary: str, content: Schema, answer: Schema) -> dict[str, Any]:
    operation = _get(name, summary, answer)
    operation["requestBody"] = {"required": True, "content": content}
    return operation
