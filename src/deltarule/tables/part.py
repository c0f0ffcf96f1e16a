"""A piece of a model's contract with its tables."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen piece of the contract; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
