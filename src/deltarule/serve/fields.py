"""Fields: the columns that a row must have, as a validator, as JSON Schema, and as an example.

A number is a JSON number or null. A column that was text in the training table takes text: numbers
with a unit, dates and times in the formats that the model keeps. Unknown levels and values out of
range are taken, as everywhere. Columns that the model does not know are ignored.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import CoreSchema, core_schema

from deltarule.tables.schema import Schema
from deltarule.tables.schema_columns import MISSING, OTHER, Category, Number, Offset
from deltarule.views.format import number

MOST_LEVELS = 1_000
TYPES: Mapping[str, tuple[str, ...]] = {
    "number": ("number",),
    "boolean": ("boolean",),
    "flag": ("number", "boolean"),
    "text": ("string",),
    "date": ("string",),
    "time": ("string",),
}
"""The JSON types of a column of each kind, beside null."""
NOUNS = {
    "number": "a number",
    "boolean": "true or false",
    "flag": "a number, true or false",
    "text": "text",
    "date": "a date as text, such as 2020-01-31",
    "time": "a time of day as text, such as 18:30",
}


@dataclass(frozen=True)
class Field:
    """A column of the table that the model reads."""

    name: str
    kind: str
    as_text: bool
    """Whether its values may also be text in the format that the model keeps."""
    column: Number | Category | Offset | None
    """What it is encoded as, where that is the column itself and no expression of it."""

    @property
    def types(self) -> tuple[str, ...]:
        """Its JSON types, beside null."""
        own = TYPES.get(self.kind, ("number", "string"))
        return (*own, "string") if self.as_text and "string" not in own else own

    @property
    def noun(self) -> str:
        """What belongs there, in words."""
        noun = NOUNS.get(self.kind, "a number or text")
        return f"{noun}, also as text" if self.as_text and "as text" not in noun else noun

    @property
    def levels(self) -> list[str]:
        """Its known levels, the most frequent first."""
        if not isinstance(self.column, Category):
            return []
        return [one for one in self.column.known if one not in (MISSING, OTHER)][:MOST_LEVELS]

    def core_schema(self) -> CoreSchema:
        """Its validator's schema: strict, so that no text becomes a number unasked."""
        schemas: dict[str, CoreSchema] = {
            "number": core_schema.float_schema(strict=True, allow_inf_nan=False),
            "boolean": core_schema.bool_schema(strict=True),
            "string": core_schema.str_schema(strict=True),
        }
        choices = [schemas[name] for name in self.types]
        one = choices[0] if len(choices) == 1 else core_schema.union_schema(list(choices))
        return core_schema.nullable_schema(one)

    def json_schema(self) -> dict[str, Any]:
        """Its JSON Schema: types, and in words the range or levels it was learnt from."""
        schema: dict[str, Any] = {"type": [*self.types, "null"]}
        if isinstance(self.column, Number | Offset):
            low, high = self.column.low, self.column.high
            schema |= {"description": f"{number(low)} to {number(high)} in the training rows"}
            schema |= {"x-low": low, "x-high": high}
        elif self.kind in ("date", "time"):
            schema["description"] = NOUNS[self.kind]
        if self.levels:
            schema["x-levels"] = self.levels
        return schema


def fields_of(schema: Schema) -> dict[str, Field]:
    """The columns that a model reads, by name, in order."""
    plain: dict[str, Number | Category | Offset] = {
        one.name: one for one in schema.known.values() if one.expression is None
    }
    return {name: _field(name, schema, plain.get(name)) for name in schema.needs}


def _field(name: str, schema: Schema, column: Number | Category | Offset | None) -> Field:
    own, kind = schema.formats.get(name), ""
    if isinstance(column, Category):
        kind = column.of
    elif column is not None:
        flag = column.kind == "boolean" or (column.low, column.high) == (0, 1)
        kind = "flag" if flag else "number"
    elif schema.offset is not None and name == schema.offset.exposure:
        kind = "number"
    else:
        kind = schema.read_through.get(name, "")
    kinds = {"datetime": "date"}
    if own is not None and not isinstance(column, Category):
        kind = kinds.get(own.kind, own.kind)
    return Field(name, kind, own is not None, column)


def row_schema(fields: Mapping[str, Field]) -> CoreSchema:
    """The validator's schema of a row, which keeps columns that the model does not know."""
    return core_schema.typed_dict_schema(
        {
            name: core_schema.typed_dict_field(one.core_schema(), required=True)
            for name, one in fields.items()
        },
        extra_behavior="allow",
    )


def rows_schema(fields: Mapping[str, Field], *, most: int) -> CoreSchema:
    """The validator's schema of at most so many rows."""
    return core_schema.list_schema(row_schema(fields), max_length=most)


def example_of(schema: Schema, fields: Mapping[str, Field]) -> dict[str, Any]:
    """A row as the model takes it: averages, and the most frequent levels."""
    example: dict[str, Any] = dict.fromkeys(fields)
    for name, one in fields.items():
        with suppress(ValueError, OverflowError):  # a hostile file may have any mean and level
            example[name] = _example(one, schema)
    return example


def _example(field: Field, schema: Schema) -> Any:
    column = field.column
    if isinstance(column, Category):
        level = next(iter(field.levels), None)
        if level is not None and field.kind == "number":
            return float(level)
        return level == "true" if field.kind == "boolean" else level
    if field.kind == "boolean":
        return True
    if isinstance(column, Number | Offset):
        return _rounded(column.mean)
    if field.kind == "date":
        return _date(field.name, schema)
    return {"time": "12:00", "text": "a"}.get(field.kind, 1.0)


def _date(name: str, schema: Schema) -> str:
    """The average date, where days are an input."""
    for one in schema.columns:
        if (
            isinstance(one, Number)
            and (one.expression or "").startswith("days(")
            and (one.term.columns == (name,))
        ):
            day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(one.mean))
            return day.date().isoformat()
    return "2020-01-31"


def _rounded(value: float) -> float:
    """A number in four digits, as a person would write it."""
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
