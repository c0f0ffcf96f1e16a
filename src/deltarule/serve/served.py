"""A model ready to answer: its record, and the validators, schemas and example made from it."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic_core import SchemaValidator

from deltarule.errors import LearningError, TableError
from deltarule.model.few_rows import FewRows
from deltarule.model.model import Model
from deltarule.model.predictor import Predictor
from deltarule.model.record_file import load
from deltarule.serve.drift import DriftCounts
from deltarule.serve.fields import Field, example_of, fields_of, row_schema, rows_schema
from deltarule.serve.settings import Limits
from deltarule.tables.schema import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class ServedModel:
    """One model under its name; `version` is the start of its file's SHA-256."""

    name: str
    version: str
    model: Model
    fields: dict[str, Field]
    row: SchemaValidator
    rows: SchemaValidator

    @property
    def contract(self) -> Schema:
        """The columns it binds."""
        return self.model.record.contract

    @cached_property
    def predictor(self) -> Predictor:
        """What scores rows."""
        return Predictor(self.model.record)

    @cached_property
    def few(self) -> FewRows:
        """What scores few rows: the compiled model."""
        return FewRows(self.predictor)

    @cached_property
    def drift(self) -> DriftCounts:
        """The rows by cell of each column, since they were last passed on."""
        return DriftCounts(self.model.record)

    @cached_property
    def used(self) -> frozenset[str]:
        """The columns that are no strangers to it: those it reads, and its targets."""
        targets = (c for one in self.contract.targets for c in one.term.columns)
        return frozenset([*self.fields, *targets])

    @cached_property
    def example(self) -> dict[str, Any]:
        """A row that it predicts."""
        return example_of(self.contract, self.fields)

    @cached_property
    def row_schema(self) -> dict[str, Any]:
        """The JSON Schema of a row."""
        return {
            "type": "object",
            "properties": {name: one.json_schema() for name, one in self.fields.items()},
            "required": list(self.fields),
            "additionalProperties": True,
            "examples": [self.example],
        }

    @cached_property
    def prediction_schema(self) -> dict[str, Any]:
        """The JSON Schema of a row's prediction."""
        number, properties = {"type": ["number", "null"]}, dict[str, Any]()
        inverses = self.contract.inverses
        for target in self.contract.targets:
            name = f"{target.name}_prediction"
            properties[name] = {"type": "string", "enum": [*target.classes]}
            if not target.classes:
                properties[name] = number
            for level in target.classes:
                properties[f"{target.name}_probability_{level}"] = number
            if target.name in inverses:
                properties[f"{inverses[target.name].column}_prediction"] = number
        properties["flags"] = {
            "type": ["string", "null"],
            "description": "unseen levels, values out of range and gaps; null where there are none",
        }
        required = list(properties)
        return {"type": "object", "properties": properties, "required": required}

    def described(self) -> dict[str, Any]:
        """The contract: what it predicts, from what, how well, and the schemas of both sides."""
        record = self.model.record
        held_out = record.held_out
        names = [target.name for target in self.contract.targets]
        return {
            "name": self.name,
            "version": self.version,
            "predicts": names,
            "loss": record.loss,
            "learnt_at": record.learnt_at,
            "training_rows": record.rows,
            "held_out": held_out
            and {
                name: {"rmse": one.rmse, "baseline_rmse": one.baseline_rmse, "r2": one.r2}
                for name, one in zip(names, held_out, strict=True)
            },
            "schema": {"$schema": DIALECT, "title": f"a row for {self.name}", **self.row_schema},
            "prediction": {"$schema": DIALECT, **self.prediction_schema},
            "example": self.example,
        }


def open_served(name: str, path: Path, limits: Limits) -> ServedModel:
    """Read a model file and check that it answers.

    Errors:  ModelError and its kinds
    """
    record = load(path)
    fields = fields_of(record.contract)
    row, rows = row_schema(fields), rows_schema(fields, most=limits.rows)
    version = sha256(record.model_dump_json(exclude={"moments"}).encode()).hexdigest()[:12]
    served = ServedModel(
        name, version, Model(record), fields, SchemaValidator(row), SchemaValidator(rows)
    )
    # Its own example may be beyond an expression's domain, which is no fault of the file.
    with suppress(TableError, LearningError):
        if served.few.score([served.example]) is None:
            served.model.predict_noticing([served.example])
    return served
