"""Part: the base class of the schema's and the record's pydantic models."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen, strict pydantic model; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)
